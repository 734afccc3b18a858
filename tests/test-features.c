/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "mlo-features.h"
#include "mlo-random.h"

static const guint64 seed = 31;

static void
random_sample (MloSample * s, MloRandom * r, double present)
{
  memset (s, 0, sizeof *s);
  for (int f = 0; f < MLO_N_FIELDS; f++)
    if (mlo_random_chance (r, present)) {
      const MloFieldInfo *info = mlo_field_info (f);
      double high = MIN (info->max, 20000.0);

      /* zeros and the bounds come often */
      mlo_sample_set (s, f, mlo_random_chance (r, 0.1) ? 0.0 : mlo_random_chance (r, 0.1) ? info->max
          : mlo_random_range (r, 0.0, high));
    }
}

static double
log_rate (double kbps)
{
  return log (MAX (kbps, 100.0) / 100.0) / log (500.0);
}

static void
assert_close (double a, double b)
{
  if (!(fabs (a - b) <= 1e-5 * MAX (1.0, fabs (b))))
    g_error ("%.9g, expected %.9g", a, b);
}

/* Written out from the formulas with plain sums, over windows of every length. */
static void
test_predictor_rows (void)
{
  enum
  { N = 200 };
  MloRandom r;
  MloFeatureHistory h;
  double lat[N], jit[N], loss[N], bw[N], cx[N], rate[N];

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  mlo_feature_history_reset (&h);
  for (int t = 0; t < N; t++) {
    const MloScaling *scalings[] = { &mlo_scaling_reference, &mlo_scaling_log_default };
    MloSample s;

    random_sample (&s, &r, 0.8);
    lat[t] = mlo_sample_get (&s, MLO_FIELD_LATENCY, t ? lat[t - 1] : 0.0);
    jit[t] = mlo_sample_get (&s, MLO_FIELD_JITTER, t ? jit[t - 1] : 0.0);
    loss[t] = mlo_sample_get (&s, MLO_FIELD_PACKET_LOSS, t ? loss[t - 1] : 0.0);
    bw[t] = mlo_sample_get (&s, MLO_FIELD_BANDWIDTH, t ? bw[t - 1] : 0.0);
    cx[t] = mlo_sample_get (&s, MLO_FIELD_COMPLEXITY, t ? cx[t - 1] : MLO_USUAL_COMPLEXITY);
    rate[t] = mlo_sample_get (&s, MLO_FIELD_BITRATE, t ? rate[t - 1] : 0.0);
    mlo_feature_history_push (&h, &s);
    for (int kind = 0; kind < 2; kind++) {
      float rows[MLO_FEATURE_WINDOW][MLO_PREDICTOR_FEATURES], newest[MLO_PREDICTOR_FEATURES];
      int count = MIN (t + 1, MLO_FEATURE_WINDOW), first = t + 1 - count;

      g_assert_cmpuint (mlo_features_predictor_window (scalings[kind], &h, rows[0]), ==, (guint) count);
      mlo_features_predictor (scalings[kind], &h, newest);
      g_assert_cmpmem (newest, sizeof newest, rows[count - 1], sizeof newest);
      for (int i = 0; i < count; i++) {
        const int at = first + i, n = i + 1;
        double mean = 0.0, jitter = 0.0, lost = 0.0, square = 0.0;
        double want[MLO_PREDICTOR_FEATURES];

        for (int k = first; k <= at; k++) {
          mean += lat[k] / n;
          jitter += jit[k] / n;
          lost += loss[k] / n;
        }
        for (int k = first; k <= at; k++)
          square += (lat[k] - mean) * (lat[k] - mean) / n;
        if (kind == 0) {
          double all[] = { lat[at] / 200.0, jit[at] / 50.0, loss[at], bw[at] / 50000.0, cx[at],
            i > 0 ? mean / 200.0 : 0.0, i > 1 ? sqrt (square) / 50.0 : 0.0, i > 0 ? jitter / 50.0 : 0.0,
            i > 0 ? lost : 0.0, rate[at] > 0.0 ? rate[at] / 20000.0 : 0.5
          };

          memcpy (want, all, sizeof want);
        } else {
          double all[] = { lat[at] / 200.0, jit[at] / 50.0, loss[at], log_rate (bw[at]), cx[at], mean / 200.0,
            sqrt (square) / 50.0, jitter / 50.0, lost, log_rate (rate[at])
          };

          for (int k = 0; k < MLO_PREDICTOR_FEATURES; k++)
            want[k] = MIN (all[k], (double) MLO_FEATURE_LIMIT);
        }
        for (int k = 0; k < MLO_PREDICTOR_FEATURES; k++)
          assert_close ((double) rows[i][k], want[k]);
      }
    }
  }
}

/* A constant far from 0 has no deviation at all. */
static void
test_constant (void)
{
  MloFeatureHistory h;
  MloSample s = { 0 };
  float x[MLO_PREDICTOR_FEATURES];

  mlo_feature_history_reset (&h);
  mlo_features_predictor (&mlo_scaling_reference, &h, x);
  for (int k = 0; k < MLO_PREDICTOR_FEATURES; k++)
    g_assert_cmpfloat (x[k], ==, 0.0f);
  mlo_sample_set (&s, MLO_FIELD_LATENCY, 59999.9);
  for (int i = 0; i < 100; i++)
    mlo_feature_history_push (&h, &s);
  mlo_features_predictor (&mlo_scaling_reference, &h, x);
  g_assert_cmpfloat (x[6], ==, 0.0f);
  g_assert_cmpfloat (x[5], ==, x[0]);
  g_assert_cmpfloat (x[4], ==, (float) MLO_USUAL_COMPLEXITY);
  mlo_features_predictor (&mlo_scaling_log_default, &h, x);
  g_assert_cmpfloat (x[0], ==, MLO_FEATURE_LIMIT);
}

static void
test_optimizer (void)
{
  MloSample s = { 0 };
  float x[MLO_OPTIMIZER_FEATURES];
  const struct
  {
    MloField field;
    double value, reference, log;
  } rows[MLO_OPTIMIZER_FEATURES] = {
    {MLO_FIELD_FPS, 60.0, 0.5, 0.5},
    {MLO_FIELD_FRAME_TIME, 25.0, 0.5, 0.5},
    {MLO_FIELD_ENCODE_TIME, 5.0, 0.25, 0.25},
    {MLO_FIELD_LATENCY, 40.0, 0.2, 0.2},
    {MLO_FIELD_BITRATE, 6000.0, 0.2, log_rate (6000.0)},
    {MLO_FIELD_PACKET_LOSS, 0.03, 0.03, 0.03},
    {MLO_FIELD_BUFFER_OCCUPANCY, 0.4, 0.4, 0.4},
    {MLO_FIELD_CPU_USAGE, 0.6, 0.6, 0.6},
    {MLO_FIELD_GPU_USAGE, 0.7, 0.7, 0.7},
    {MLO_FIELD_MEMORY_USAGE, 0.8, 0.8, 0.8},
    {MLO_FIELD_QUALITY_SCORE, 0.9, 0.9, 0.9},
    {MLO_FIELD_FRAME_DROPS, 100.0, 10.0, (double) MLO_FEATURE_LIMIT},
    {MLO_FIELD_JITTER, 6.0, 0.2, 0.2},
    {MLO_FIELD_BANDWIDTH, 9000.0, 0.3, log_rate (9000.0)},
    {MLO_FIELD_COMPLEXITY, 0.1, 0.1, 0.1},
  };

  mlo_features_optimizer (&mlo_scaling_log_default, &s, x);
  for (int k = 0; k < MLO_OPTIMIZER_FEATURES; k++)
    g_assert_cmpfloat (x[k], ==, k == 14 ? (float) MLO_USUAL_COMPLEXITY : 0.0f);
  for (int k = 0; k < MLO_OPTIMIZER_FEATURES; k++)
    g_assert_true (mlo_sample_set (&s, rows[k].field, rows[k].value));
  mlo_features_optimizer (&mlo_scaling_reference, &s, x);
  for (int k = 0; k < MLO_OPTIMIZER_FEATURES; k++)
    assert_close ((double) x[k], rows[k].reference);
  mlo_features_optimizer (&mlo_scaling_log_default, &s, x);
  for (int k = 0; k < MLO_OPTIMIZER_FEATURES; k++)
    assert_close ((double) x[k], rows[k].log);
}

static void
test_output (void)
{
  const MloScaling *scalings[] = { &mlo_scaling_reference, &mlo_scaling_log_default };
  MloRandom r;

  mlo_random_seed (&r, seed);
  for (int i = 0; i < 2000; i++) {
    const MloScaling *s = scalings[i % 2];
    double low = mlo_random_log_range (&r, 10.0, 1000.0), high = low * mlo_random_log_range (&r, 1.01, 1000.0);
    double y = mlo_random_uniform (&r), rate = mlo_scaling_output_kbps (s, low, high, y);

    g_assert_cmpfloat (rate, >=, low * (1.0 - 1e-12));
    g_assert_cmpfloat (rate, <=, high * (1.0 + 1e-12));
    g_assert_cmpfloat (fabs (mlo_scaling_output_inverse (s, low, high, rate) - y), <, 1e-9);
    g_assert_cmpfloat (mlo_scaling_output_inverse (s, low, high, low / 2.0), ==, 0.0);
    g_assert_cmpfloat (mlo_scaling_output_inverse (s, low, high, high * 2.0), ==, 1.0);
  }
  assert_close (mlo_scaling_output_kbps (&mlo_scaling_reference, 2000.0, 20000.0, 0.5), 11000.0);
  assert_close (mlo_scaling_output_kbps (&mlo_scaling_log_default, 100.0, 10000.0, 0.5), 1000.0);
  g_assert_cmpfloat (mlo_scaling_output_inverse (&mlo_scaling_log_default, 5.0, 5.0, 5.0), ==, 0.0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/features/predictor-rows", test_predictor_rows);
  g_test_add_func ("/features/constant", test_constant);
  g_test_add_func ("/features/optimizer", test_optimizer);
  g_test_add_func ("/features/output", test_output);
  return g_test_run ();
}
