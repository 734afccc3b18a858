/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-lineage.h"

#define DIGEST "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static MloLineage
example (void)
{
  MloLineage l;

  mlo_lineage_init (&l);
  g_strlcpy (l.base, DIGEST, sizeof l.base);
  l.steps_predictor = 999999999999999;
  l.steps_optimizer = 1;
  l.streams = 12;
  l.minutes = 340.25;
  l.promotions = 3;
  l.demotions = 2;
  l.score = -0.125;
  l.score_shipped = -1.5;
  l.good_kbps = 5400.0;
  return l;
}

static void
test_round_trip (void)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_new ();
  MloLineage in = example (), out;
  g_autoptr (GError) error = NULL;

  mlo_lineage_write (&in, f);
  g_assert_true (mlo_lineage_read ("round trip", f, &out, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (out.base, ==, DIGEST);
  g_assert_cmpuint (out.steps_predictor, ==, in.steps_predictor);
  g_assert_cmpuint (out.steps_optimizer, ==, 1);
  g_assert_cmpuint (out.streams, ==, 12);
  g_assert_cmpuint (out.promotions, ==, 3);
  g_assert_cmpuint (out.demotions, ==, 2);
  g_assert_cmpfloat (out.minutes, ==, 340.25);
  g_assert_cmpfloat (out.score, ==, -0.125);
  g_assert_cmpfloat (out.score_shipped, ==, -1.5);
  g_assert_cmpfloat (out.good_kbps, ==, 5400.0);
}

/* What is not known or no number is not written, and read as not known. */
static void
test_unknown (void)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_new ();
  MloLineage in = example (), out;
  g_autofree char *text = NULL;

  in.score = NAN;
  in.score_shipped = INFINITY;
  in.good_kbps = -1.0;
  in.minutes = NAN;
  mlo_lineage_write (&in, f);
  g_assert_true (mlo_lineage_read ("unknown", f, &out, NULL));
  g_assert_true (isnan (out.score) && isnan (out.score_shipped));
  g_assert_cmpfloat (out.good_kbps, ==, 0.0);
  g_assert_cmpfloat (out.minutes, ==, 0.0);
  text = mlo_lineage_text (&out);
  g_assert_null (strstr (text, "score"));
  g_assert_null (strstr (text, "nan"));
  g_assert_null (strstr (text, "good"));
}

static const struct
{
  const char *key, *value;
  MloError code;
} bad[] = {
  {"base", "", MLO_ERROR_TYPE},
  {"base", "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff", MLO_ERROR_TYPE},
  {"base", DIGEST "0", MLO_ERROR_TYPE},
  {"steps_predictor", "", MLO_ERROR_TYPE},
  {"steps_predictor", "12x", MLO_ERROR_TYPE},
  {"steps_predictor", "-1", MLO_ERROR_RANGE},
  {"steps_optimizer", "1e300", MLO_ERROR_RANGE},
  {"streams", "nan", MLO_ERROR_RANGE},
  {"promotions", "inf", MLO_ERROR_RANGE},
  {"demotions", "many", MLO_ERROR_TYPE},
  {"minutes", "-0.5", MLO_ERROR_RANGE},
  {"score", "1e10", MLO_ERROR_RANGE},
  {"score_shipped", "nan", MLO_ERROR_RANGE},
  {"good_bitrate_kbps", "2e7", MLO_ERROR_RANGE},
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (MloTensorFile) f = mlo_tensorfile_new ();
    MloLineage in = example (), out;
    g_autoptr (GError) error = NULL;

    mlo_lineage_write (&in, f);
    mlo_tensorfile_set_metadata (f, bad[i].key, bad[i].value);
    g_assert_false (mlo_lineage_read ("a file", f, &out, &error));
    g_assert_error (error, MLO_ERROR, (int) bad[i].code);
    g_assert_nonnull (strstr (error->message, "a file"));
    g_assert_nonnull (strstr (error->message, bad[i].key));
  }
}

static void
test_none (void)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_new ();
  g_autoptr (GError) error = NULL;
  MloLineage l;

  g_assert_false (mlo_lineage_read ("a file", f, &l, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
}

/* One bit of one parameter makes another base. */
static void
test_base (void)
{
  MloPredictorConfig pc = {.hidden = 8,.layers = 1,.scaling = mlo_scaling_log_default,.min_kbps = 100.0 };
  MloOptimizerConfig qc = {.scaling = mlo_scaling_log_default };
  g_autoptr (MloBitratePredictor) p = NULL;
  g_autoptr (MloQualityOptimizer) q = NULL;
  char a[MLO_BASE_SIZE], b[MLO_BASE_SIZE];
  MloRandom random;
  float *values;
  gsize n;

  pc.max_kbps = 30000.0;
  pc.interval_ms = 100;
  mlo_random_seed (&random, 1);
  p = mlo_bitrate_predictor_new (&pc, &random);
  q = mlo_quality_optimizer_new (&qc, &random);
  mlo_lineage_base (p, q, a);
  mlo_lineage_base (p, q, b);
  g_assert_cmpstr (a, ==, b);
  values = mlo_quality_optimizer_parameters (q, &n);
  values[n - 1] = nextafterf (values[n - 1], INFINITY);
  mlo_lineage_base (p, q, b);
  g_assert_cmpstr (a, !=, b);
  values[n - 1] = nextafterf (values[n - 1], -INFINITY);
  values = mlo_bitrate_predictor_parameters (p, &n);
  values[0] = -values[0];
  mlo_lineage_base (p, q, b);
  g_assert_cmpstr (a, !=, b);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/lineage/round-trip", test_round_trip);
  g_test_add_func ("/lineage/unknown", test_unknown);
  g_test_add_func ("/lineage/bad", test_bad);
  g_test_add_func ("/lineage/none", test_none);
  g_test_add_func ("/lineage/base", test_base);
  return g_test_run ();
}
