/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-action.h"
#include "mlo-random.h"
#include "mlo-sample.h"

static void
test_sample_fields (void)
{
  MloSample s = { 0 };

  for (int i = 0; i < MLO_N_FIELDS; i++) {
    const MloFieldInfo *info = mlo_field_info (i);

    g_assert_cmpint (mlo_field_from_name (info->name), ==, i);
    g_assert_false (mlo_sample_has (&s, i));
    g_assert_cmpfloat (mlo_sample_get (&s, i, -7.0), ==, -7.0);
    g_assert_true (mlo_sample_set (&s, i, info->max));
    g_assert_cmpfloat (mlo_sample_get (&s, i, -7.0), ==, info->max);
    g_assert_false (mlo_sample_set (&s, i, NAN));
    g_assert_false (mlo_sample_set (&s, i, INFINITY));
    g_assert_false (mlo_sample_set (&s, i, info->min - 1.0));
    g_assert_false (mlo_sample_set (&s, i, info->max * 1.01 + 1.0));
    g_assert_cmpfloat (mlo_sample_get (&s, i, -7.0), ==, info->max);
    mlo_sample_unset (&s, i);
    g_assert_false (mlo_sample_has (&s, i));
  }
  g_assert_cmpint (mlo_field_from_name ("no_such_field"), ==, -1);
}

static void
test_names (void)
{
  for (int i = 0; i < MLO_N_ACTIONS; i++) {
    g_assert_cmpstr (mlo_action_name (i), !=, "invalid");
    g_assert_cmpstr (mlo_action_protocol_name (i), !=, "invalid");
  }
  for (int i = 0; i < MLO_N_GUARD_STATES; i++)
    g_assert_cmpstr (mlo_guard_state_name (i), !=, "invalid");
  for (int i = 0; i < MLO_N_LIMITERS; i++)
    g_assert_cmpstr (mlo_limiter_name (i), !=, "invalid");
  g_assert_cmpstr (mlo_action_name (MLO_N_ACTIONS), ==, "invalid");
  g_assert_cmpstr (mlo_guard_state_name (-1), ==, "invalid");
}

static void
test_random (void)
{
  MloRandom a, b;
  double sum = 0.0, square = 0.0;
  const int n = 100000;

  mlo_random_seed (&a, 7);
  mlo_random_seed (&b, 7);
  for (int i = 0; i < n; i++) {
    double u = mlo_random_uniform (&a), v;

    g_assert_cmpfloat (u, ==, mlo_random_uniform (&b));
    g_assert_true (u >= 0.0 && u < 1.0);
    v = mlo_random_normal (&a);
    g_assert_cmpfloat (v, ==, mlo_random_normal (&b));
    sum += v;
    square += v * v;
    g_assert_cmpuint (mlo_random_below (&a, 9), <, 9);
    mlo_random_below (&b, 9);
  }
  /* Five standard errors of mean and variance. */
  g_assert_cmpfloat (fabs (sum / n), <, 5.0 / sqrt (n));
  g_assert_cmpfloat (fabs (square / n - 1.0), <, 5.0 * sqrt (2.0 / n));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/types/sample-fields", test_sample_fields);
  g_test_add_func ("/types/names", test_names);
  g_test_add_func ("/types/random", test_random);
  return g_test_run ();
}
