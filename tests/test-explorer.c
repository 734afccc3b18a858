/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-explorer.h"

#define OPTIMIZER TEST_SOURCE "/models/" MLO_OPTIMIZER_FILE

/* Chance acts rarely, only by steps of the gain that the mask has, and never on a path that is not quiet. */
static void
test_explorer (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloQualityOptimizer) q = mlo_quality_optimizer_load (OPTIMIZER, &error);
  const guint32 gains = 1u << MLO_ACTION_BITRATE_UP | 1u << MLO_ACTION_BITRATE_DOWN;
  MloExplorer e;
  gint64 last = -1;

  g_assert_no_error (error);
  mlo_explorer_init (&e, MLO_EXPLORER_SHARE, 3);
  for (guint i = 0; i < 20000; i++) {
    MloSample s = {.timestamp_us = (gint64) (i + 1) * 100000 };
    guint32 mask = i % 3 == 0 ? 1u << MLO_ACTION_NONE : gains | 1u << MLO_ACTION_NONE;
    gboolean quiet = i % 4000 < 2000;
    float state[MLO_OPTIMIZER_FEATURES], values[MLO_N_ACTIONS];
    MloAction a, best;

    mlo_sample_set (&s, MLO_FIELD_QUEUE_DELAY, quiet || i % 2 == 0 ? 5.0 : 40.0);
    mlo_sample_set (&s, MLO_FIELD_PACKET_LOSS, quiet || i % 2 == 1 ? 0.0 : 0.02);
    mlo_features_optimizer (&mlo_quality_optimizer_config (q)->scaling, &s, state);
    best = mlo_quality_optimizer_choose (q, state, mask, values);
    a = mlo_explorer_choose (&e, &s, mask, best);
    g_assert_true (mask >> a & 1);
    g_assert_true (e.now == (a != best));
    g_assert_true (e.could || !e.now);
    if (e.now) {
      g_assert_true (quiet);
      g_assert_cmpuint (i % 4000, >=, 99);
      g_assert_true ((gains | 1u << MLO_ACTION_NONE) >> a & 1);
      g_assert_true (last < 0 || s.timestamp_us - last >= 5 * G_USEC_PER_SEC);
      last = s.timestamp_us;
    }
  }
  g_test_message ("explored %" G_GUINT64_FORMAT, e.explored);
  g_assert_cmpuint (e.asked, ==, 20000);
  g_assert_cmpuint (e.explored, >, 20);
  g_assert_cmpuint (e.explored, <, 200);
  e.share = 0.0;
  for (guint i = 0; i < 2000; i++) {
    MloSample s = {.timestamp_us = (gint64) (20000 + i) * 100000 };

    mlo_sample_set (&s, MLO_FIELD_QUEUE_DELAY, 5.0);
    mlo_sample_set (&s, MLO_FIELD_PACKET_LOSS, 0.0);
    g_assert_cmpint (mlo_explorer_choose (&e, &s, gains | 1u << MLO_ACTION_NONE, MLO_ACTION_NONE), ==, MLO_ACTION_NONE);
    g_assert_false (e.could);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/explorer/rare-and-quiet", test_explorer);
  return g_test_run ();
}
