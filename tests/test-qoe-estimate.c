/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-qoe-estimate.h"
#include "mlo-random.h"

#define assert_near(a, b, tolerance) g_assert_cmpfloat_with_epsilon (a, b, (tolerance) + 1e-9)

/* 720p60 at 6 Mbit/s over a path of 20 ms and 8 Mbit/s. */
static MloSample
good_sample (void)
{
  MloSample s = { 0 };

  g_assert_true (mlo_sample_set (&s, MLO_FIELD_LATENCY, 24));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_QUEUE_DELAY, 4));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_PACKET_LOSS, 0));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_BANDWIDTH, 8000));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_BITRATE, 7000));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_ENCODED, 6000));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_FPS, 60));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_ENCODE_TIME, 3));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_COMPLEXITY, 0.7));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_WIDTH, 1280));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_HEIGHT, 720));
  return s;
}

static void
test_values (void)
{
  MloSample s = good_sample ();
  MloQoeContext c = mlo_qoe_context_default;
  MloQoeSecond second;

  g_assert_true (mlo_qoe_estimate (&s, &c, &second));
  assert_near (second.fps, 60, 0);
  assert_near (second.lost_percent, 0, 0);
  assert_near (second.gap_ms, 0, 0);
  /* 3 encode + 4 queue + 20/2 + 100 kbit at 8 Mbit/s 12.5 + 5 decode + 8.33 refresh */
  assert_near (second.delay_ms, 42.8333, 1e-3);
  assert_near (second.psnr_db, mlo_qoe_psnr_db (6000, 60, 1, 1280 * 720, 0.7), 0);
  assert_near (mlo_qoe_estimate_score (&s, &c), mlo_qoe_score (&second), 0);

  /* coded at half the source's height */
  c.source_width = 2560;
  c.source_height = 1440;
  g_assert_true (mlo_qoe_estimate (&s, &c, &second));
  assert_near (second.psnr_db, mlo_qoe_psnr_db (6000, 60, 0.5, 2560 * 1440, 0.7), 0);

  /* 100 kbit = 12500 bytes = 11 packets: 1 - 0.99^11 */
  c = mlo_qoe_context_default;
  s.packet_loss = 0.01;
  g_assert_true (mlo_qoe_estimate (&s, &c, &second));
  assert_near (second.lost_percent, 10.4662, 1e-3);
  assert_near (second.fps, 60 * 0.895338, 1e-3);
}

static void
test_silence (void)
{
  MloSample s = good_sample ();
  MloQoeContext c = mlo_qoe_context_default;
  double before = mlo_qoe_estimate_score (&s, &c);

  for (double silence = 150; silence < 1000; silence += 50) {
    double score;

    c.silence_ms = silence;
    score = mlo_qoe_estimate_score (&s, &c);
    g_assert_cmpfloat (score, <, before);
    before = score;
  }
  c.silence_ms = 1000;
  assert_near (mlo_qoe_estimate_score (&s, &c), 0, 0);
}

static void
test_missing (void)
{
  MloQoeContext c = mlo_qoe_context_default;
  MloSample s = { 0 };

  g_assert_true (isnan (mlo_qoe_estimate_score (&s, &c)));
  s = good_sample ();
  mlo_sample_unset (&s, MLO_FIELD_ENCODED);
  mlo_sample_unset (&s, MLO_FIELD_BITRATE);
  g_assert_true (isnan (mlo_qoe_estimate_score (&s, &c)));
  s = good_sample ();
  mlo_sample_unset (&s, MLO_FIELD_FPS);
  g_assert_true (isnan (mlo_qoe_estimate_score (&s, &c)));
  s = good_sample ();
  s.fps = 0;
  assert_near (mlo_qoe_estimate_score (&s, &c), 0, 0);
}

/* Whatever subset is there, whatever the values: a number from 0 to 100, or NAN. */
static void
test_random (void)
{
  guint64 seed = 41;
  MloRandom random;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int i = 0; i < 20000; i++) {
    MloSample s = { 0 };
    MloQoeContext c = mlo_qoe_context_default;
    double score;

    for (int f = 0; f < MLO_N_FIELDS; f++) {
      const MloFieldInfo *info = mlo_field_info ((MloField) f);

      if (mlo_random_chance (&random, 0.8))
        mlo_sample_set (&s, (MloField) f, mlo_random_chance (&random, 0.1) ? info->min :
            mlo_random_chance (&random, 0.1) ? info->max :
            info->min + mlo_random_log_range (&random, 1e-6, 1) * (info->max - info->min));
    }
    if (mlo_random_chance (&random, 0.5)) {
      c.source_width = (int) mlo_random_below (&random, 4000);
      c.source_height = (int) mlo_random_below (&random, 4000);
    }
    c.gap_ms = mlo_random_range (&random, 0, 500);
    c.silence_ms = mlo_random_chance (&random, 0.5) ? 0 : mlo_random_range (&random, 0, 5000);
    score = mlo_qoe_estimate_score (&s, &c);
    if (mlo_sample_has (&s, MLO_FIELD_FPS) && (mlo_sample_has (&s, MLO_FIELD_ENCODED)
            || mlo_sample_has (&s, MLO_FIELD_BITRATE))) {
      g_assert_cmpfloat (score, >=, 0);
      g_assert_cmpfloat (score, <=, 100);
    } else {
      g_assert_true (isnan (score));
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/qoe-estimate/values", test_values);
  g_test_add_func ("/qoe-estimate/silence", test_silence);
  g_test_add_func ("/qoe-estimate/missing", test_missing);
  g_test_add_func ("/qoe-estimate/random", test_random);
  return g_test_run ();
}
