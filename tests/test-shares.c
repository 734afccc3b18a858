/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One bitrate for several encoders. */
#include "mlo-shares.h"

#include "mlo-random.h"

#define CLOSE 1e-6

static void
test_rows (void)
{
  static const struct
  {
    guint n;
    double weight[3], least[3], total, share[3];
  } rows[] = {
    /* As they were set. */
    {3, {3000, 1000, 300}, {50, 50, 50}, 4300, {3000, 1000, 300}},
    {3, {3000, 1000, 300}, {50, 50, 50}, 2150, {1500, 500, 150}},
    /* The least comes first, and the others pay in proportion. */
    {3, {3000, 1000, 300}, {50, 50, 50}, 450, {300, 100, 50}},
    {3, {3000, 1000, 300}, {100, 100, 100}, 320, {120, 100, 100}},
    /* Not enough. */
    {3, {3000, 1000, 300}, {100, 100, 50}, 200, {80, 80, 40}},
    {1, {7}, {50}, 30, {30}},
    {2, {1, 1}, {0, 0}, 10, {5, 5}},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    double share[3];

    mlo_shares (rows[i].n, rows[i].weight, rows[i].least, rows[i].total, share);
    for (guint k = 0; k < rows[i].n; k++)
      g_assert_cmpfloat_with_epsilon (share[k], rows[i].share[k], CLOSE);
  }
}

/* They add up, none is below its least, and of two that are above it the proportion is that of the weights. */
static void
test_random (void)
{
  MloRandom random;

  mlo_random_seed (&random, 7);
  for (guint round = 0; round < 20000; round++) {
    guint n = 1 + mlo_random_below (&random, MLO_SHARES_MOST);
    double weight[MLO_SHARES_MOST], least[MLO_SHARES_MOST], share[MLO_SHARES_MOST];
    double total = mlo_random_range (&random, 10.0, 20000.0), sum = 0.0, leasts = 0.0;

    for (guint i = 0; i < n; i++) {
      weight[i] = mlo_random_range (&random, 1.0, 8000.0);
      least[i] = mlo_random_range (&random, 0.0, 500.0);
      leasts += least[i];
    }
    mlo_shares (n, weight, least, total, share);
    for (guint i = 0; i < n; i++) {
      sum += share[i];
      g_assert_cmpfloat (share[i], >=, 0.0);
      if (leasts >= total)
        continue;
      g_assert_cmpfloat (share[i], >=, least[i] - CLOSE);
      for (guint k = 0; k < i; k++) {
        if (share[i] > least[i] + CLOSE && share[k] > least[k] + CLOSE)
          g_assert_cmpfloat_with_epsilon (share[i] * weight[k] / (share[k] * weight[i]), 1.0, CLOSE);
      }
    }
    g_assert_cmpfloat_with_epsilon (sum / total, 1.0, CLOSE);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/shares/rows", test_rows);
  g_test_add_func ("/shares/random", test_random);
  return g_test_run ();
}
