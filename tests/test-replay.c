/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-replay.h"

static void
test_ring (void)
{
  g_autoptr (MloReplay) r = mlo_replay_new (5);

  for (guint i = 0; i < 12; i++) {
    MloTransition t = {.reward = (float) i };

    mlo_replay_add (r, &t);
    g_assert_cmpuint (mlo_replay_size (r), ==, MIN (i + 1, 5));
    for (guint k = 0; k < mlo_replay_size (r); k++)
      g_assert_cmpfloat (mlo_replay_get (r, k)->reward, ==, (float) (i + 1 - mlo_replay_size (r) + k));
  }
}

static void
test_sampling (void)
{
  g_autoptr (MloReplay) r = mlo_replay_new (16);
  guint count[10] = { 0 };
  MloRandom a, b;

  for (guint i = 0; i < 10; i++)
    mlo_replay_add (r, &(MloTransition) {
        .action = (guint8) i}
  );
  mlo_random_seed (&a, 3);
  mlo_random_seed (&b, 3);
  for (guint i = 0; i < 20000; i++) {
    guint8 pick = mlo_replay_sample (r, &a)->action;

    g_assert_cmpuint (pick, ==, mlo_replay_sample (r, &b)->action);
    count[pick]++;
  }
  for (guint i = 0; i < 10; i++)
    g_assert_true (count[i] > 1700 && count[i] < 2300);
}

/* n-step sums against the definition, with a hole in the rewards. */
static void
test_steps (void)
{
  g_autoptr (MloReplay) r = mlo_replay_new (100);
  g_autoptr (MloRecording) rec = mlo_recording_new (100000);
  guint at = 0;

  for (guint i = 0; i < 30; i++) {
    MloTick *t = mlo_recording_append (rec);

    t->reward = i == 20 ? NAN : (float) i;
    t->price = i == 3 ? 2.0f : 0.0f;
    t->mask = 1u << MLO_ACTION_NONE | 1u << (i % MLO_N_ACTIONS);
    t->action = (guint8) (i % MLO_N_ACTIONS);
    mlo_sample_set (&t->sample, MLO_FIELD_FPS, (double) i);
  }
  /* of 29 ticks with a successor those 18..20 that sum over the hole fall away */
  g_assert_cmpuint (mlo_replay_add_recording (r, rec, &mlo_scaling_reference, 3, 0.5), ==, 26);
  for (guint i = 0; i < 29; i++) {
    guint n = MIN (3, 29 - i);
    const MloTransition *t;
    double sum = 0.0;

    if (i >= 18 && i <= 20)
      continue;
    t = mlo_replay_get (r, at++);
    for (guint k = 0; k < n; k++)
      sum += pow (0.5, k) * 0.01 * ((i + k - MLO_REWARD_CENTRE) * 0.1 - (i + k == 3 ? 2.0 : 0.0));
    g_assert_cmpfloat_with_epsilon (t->reward, sum, 1e-6);
    g_assert_cmpfloat_with_epsilon (t->discount, pow (0.5, n), 1e-6);
    g_assert_cmpuint (t->action, ==, i % MLO_N_ACTIONS);
    g_assert_cmpuint (t->mask, ==, rec->ticks[i].mask);
    g_assert_cmpuint (t->next_mask, ==, rec->ticks[i + n].mask);
    g_assert_cmpfloat_with_epsilon (t->state[0], i / 120.0, 1e-6);
    g_assert_cmpfloat_with_epsilon (t->next_state[0], (i + n) / 120.0, 1e-6);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/replay/ring", test_ring);
  g_test_add_func ("/replay/sampling", test_sampling);
  g_test_add_func ("/replay/steps", test_steps);
  return g_test_run ();
}
