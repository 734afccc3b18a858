/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>
#include <sys/wait.h>

#include <glib/gstdio.h>

#include "mlo-bitrate-predictor.h"
#include "mlo-error.h"
#include "mlo-quality-optimizer.h"
#include "mlo-tensorfile.h"
#include "nn-grad.h"

#define GOLDEN TEST_GOLDEN

static const MloPredictorConfig stream_config = {
  .hidden = 20,.layers = 2,.form = MLO_FORM_STREAM,
  .scaling = {MLO_SCALING_LOG, 120.0, 40000.0},.min_kbps = 250.0,.max_kbps = 25000.0,.interval_ms = 50
};

typedef struct
{
  char *folder, *path, *other;
} Fixture;

static void
setup (Fixture * f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->folder = g_dir_make_tmp ("mlo-models-XXXXXX", &error);
  g_assert_no_error (error);
  f->path = g_build_filename (f->folder, "model.safetensors", NULL);
  f->other = g_build_filename (f->folder, "other.safetensors", NULL);
}

static void
teardown (Fixture * f, gconstpointer data)
{
  g_unlink (f->path);
  g_unlink (f->other);
  g_assert_cmpint (g_rmdir (f->folder), ==, 0);
  g_free (f->folder);
  g_free (f->path);
  g_free (f->other);
}

static MloBitratePredictor *
predictor (const MloPredictorConfig * config)
{
  MloRandom r;

  mlo_random_seed (&r, 4);
  return mlo_bitrate_predictor_new (config, &r);
}

static MloQualityOptimizer *
optimizer (void)
{
  const MloOptimizerConfig config = { {MLO_SCALING_LOG, 100.0, 50000.0} };
  MloRandom r;

  mlo_random_seed (&r, 4);
  return mlo_quality_optimizer_new (&config, &r);
}

static void
random_sample (MloSample * s, MloRandom * r)
{
  memset (s, 0, sizeof *s);
  mlo_sample_set (s, MLO_FIELD_LATENCY, mlo_random_range (r, 0.0, 300.0));
  mlo_sample_set (s, MLO_FIELD_JITTER, mlo_random_range (r, 0.0, 50.0));
  mlo_sample_set (s, MLO_FIELD_PACKET_LOSS, mlo_random_uniform (r));
  mlo_sample_set (s, MLO_FIELD_BANDWIDTH, mlo_random_log_range (r, 50.0, 1e5));
  mlo_sample_set (s, MLO_FIELD_BITRATE, mlo_random_log_range (r, 50.0, 1e5));
}

static void
test_predictor_saved (Fixture * f, gconstpointer data)
{
  g_autoptr (MloBitratePredictor) p = predictor (&stream_config), q = NULL;
  g_autoptr (MloPredictorState) s = mlo_predictor_state_new (p), t = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *first = NULL, *second = NULL;
  const MloPredictorConfig *c;
  gsize n, m, length, again;
  float *w = mlo_bitrate_predictor_parameters (p, &n), *v;
  MloRandom r;

  g_setenv ("SOURCE_DATE_EPOCH", "1700000000", TRUE);
  g_assert_true (mlo_bitrate_predictor_save (p, f->path, "seed 4, \"no\" steps", &error));
  g_assert_no_error (error);
  q = mlo_bitrate_predictor_load (f->path, &error);
  g_assert_no_error (error);
  v = mlo_bitrate_predictor_parameters (q, &m);
  g_assert_cmpmem (w, n * sizeof *w, v, m * sizeof *v);
  c = mlo_bitrate_predictor_config (q);
  g_assert_cmpuint (c->hidden, ==, 20);
  g_assert_cmpuint (c->layers, ==, 2);
  g_assert_cmpint (c->form, ==, MLO_FORM_STREAM);
  g_assert_cmpint (c->scaling.kind, ==, MLO_SCALING_LOG);
  g_assert_cmpfloat (c->scaling.rate_low_kbps, ==, 120.0);
  g_assert_cmpfloat (c->scaling.rate_high_kbps, ==, 40000.0);
  g_assert_cmpfloat (c->min_kbps, ==, 250.0);
  g_assert_cmpfloat (c->max_kbps, ==, 25000.0);
  g_assert_cmpuint (c->interval_ms, ==, 50);
  /* The same parameters give the same bytes. */
  g_assert_true (mlo_bitrate_predictor_save (q, f->other, "seed 4, \"no\" steps", &error));
  g_assert_true (g_file_get_contents (f->path, &first, &length, NULL));
  g_assert_true (g_file_get_contents (f->other, &second, &again, NULL));
  g_assert_cmpmem (first, length, second, again);
  g_assert_nonnull (memmem (first, length, "2023-11-14T22:13:20Z", 20));
  g_unsetenv ("SOURCE_DATE_EPOCH");

  t = mlo_predictor_state_new (q);
  mlo_random_seed (&r, 1);
  for (int i = 0; i < 100; i++) {
    MloSample sample;
    double a, b;

    random_sample (&sample, &r);
    a = mlo_bitrate_predictor_step (p, s, &sample);
    b = mlo_bitrate_predictor_step (q, t, &sample);
    /* sums in another order */
    g_assert_cmpfloat_with_epsilon (a, b, 1e-4 * b);
    g_assert_cmpfloat (a, >=, 250.0);
    g_assert_cmpfloat (a, <=, 25000.0);
  }
}

/* A stream's ticks are what training computes from the same features, with the state carried over. */
static void
test_stream_is_training (Fixture * f, gconstpointer data)
{
  enum
  { STEPS = 60 };
  g_autoptr (MloBitratePredictor) p = predictor (&stream_config);
  g_autoptr (MloPredictorState) s = mlo_predictor_state_new (p);
  const NnRecurrent net = { {10, 20, 2}, {3, {20, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  g_autofree float *tape = g_new (float, nn_recurrent_tape (&net, STEPS, 1, NN_EVERY_STEP));
  float x[STEPS * 10], y[STEPS];
  double rates[STEPS];
  gsize n;
  MloRandom r;

  mlo_random_seed (&r, 2);
  for (int i = 0; i < STEPS; i++) {
    MloSample sample;

    random_sample (&sample, &r);
    rates[i] = mlo_bitrate_predictor_step (p, s, &sample);
    memcpy (x + i * 10, mlo_predictor_state_features (s), 10 * sizeof *x);
  }
  nn_recurrent_forward (&net, mlo_bitrate_predictor_parameters (p, &n), STEPS, 1, NN_EVERY_STEP, x, NULL, NULL, y,
      tape);
  for (int i = 0; i < STEPS; i++)
    g_assert_cmpfloat (fabs (rates[i] / mlo_scaling_output_kbps (&stream_config.scaling, 250.0, 25000.0,
                (double) y[i]) - 1.0), <, 2e-5);
}

static void
test_not_finite (Fixture * f, gconstpointer data)
{
  g_autoptr (MloBitratePredictor) p = predictor (&stream_config);
  g_autoptr (MloPredictorState) s = mlo_predictor_state_new (p);
  g_autoptr (MloQualityOptimizer) q = optimizer ();
  g_autoptr (GError) error = NULL;
  float state[MLO_OPTIMIZER_FEATURES] = { 0 }, values[MLO_N_ACTIONS];
  MloSample sample = { 0 };
  gsize n;
  float *w = mlo_bitrate_predictor_parameters (p, &n), was = w[7], *v;

  g_assert_cmpfloat (mlo_bitrate_predictor_step (p, s, &sample), >, 0.0);
  w[7] = NAN;
  g_assert_cmpfloat (mlo_bitrate_predictor_step (p, s, &sample), <, 0.0);
  g_assert_false (mlo_bitrate_predictor_save (p, f->path, NULL, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_NOT_FINITE);
  g_clear_error (&error);
  g_assert_false (g_file_test (f->path, G_FILE_TEST_EXISTS));
  /* The state did not keep it. */
  w[7] = was;
  g_assert_cmpfloat (mlo_bitrate_predictor_step (p, s, &sample), >, 0.0);

  v = mlo_quality_optimizer_parameters (q, &n);
  v[n - 1] = INFINITY;
  g_assert_false (mlo_quality_optimizer_values (q, state, values));
  g_assert_cmpint (mlo_quality_optimizer_choose (q, state, MLO_ACTION_MASK_ALL, values), ==, MLO_ACTION_NONE);
  g_assert_false (mlo_quality_optimizer_save (q, f->path, NULL, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_NOT_FINITE);
}

static void
test_optimizer (Fixture * f, gconstpointer data)
{
  g_autoptr (MloQualityOptimizer) q = optimizer (), p = NULL;
  g_autoptr (GError) error = NULL;
  float values[MLO_N_ACTIONS], again[MLO_N_ACTIONS];
  gboolean taken[MLO_N_ACTIONS] = { FALSE };
  MloRandom r;

  g_assert_true (mlo_quality_optimizer_save (q, f->path, NULL, &error));
  p = mlo_quality_optimizer_load (f->path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (mlo_quality_optimizer_config (p)->scaling.kind, ==, MLO_SCALING_LOG);
  mlo_random_seed (&r, 3);
  for (int i = 0; i < 2000; i++) {
    float state[MLO_OPTIMIZER_FEATURES];
    guint32 mask = (guint32) mlo_random_u64 (&r) & MLO_ACTION_MASK_ALL;
    MloAction a;

    for (int k = 0; k < MLO_OPTIMIZER_FEATURES; k++)
      state[k] = (float) mlo_random_range (&r, -3.0, 3.0);
    a = mlo_quality_optimizer_choose (q, state, mask, values);
    g_assert_true (mlo_quality_optimizer_values (p, state, again));
    for (int k = 0; k < MLO_N_ACTIONS; k++)
      g_assert_cmpfloat_with_epsilon (values[k], again[k], 1e-5);
    if (mask == 0) {
      g_assert_cmpint (a, ==, MLO_ACTION_NONE);
      continue;
    }
    g_assert_true (mask >> a & 1);
    for (int k = 0; k < MLO_N_ACTIONS; k++)
      g_assert_true (!(mask >> k & 1) || values[k] <= values[a]);
    taken[a] = TRUE;
  }
  for (int k = 0; k < MLO_N_ACTIONS; k++)
    g_assert_true (taken[k]);
}

/* What PyTorch wrote, without a word about itself. */
static void
test_bare (Fixture * f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloBitratePredictor) p = mlo_bitrate_predictor_load (GOLDEN "predictor.safetensors", &error);
  g_autoptr (MloQualityOptimizer) q = mlo_quality_optimizer_load (GOLDEN "optimizer.safetensors", &error);
  const MloPredictorConfig *c;

  g_assert_no_error (error);
  c = mlo_bitrate_predictor_config (p);
  g_assert_cmpuint (c->hidden, ==, 24);
  g_assert_cmpuint (c->layers, ==, 1);
  g_assert_cmpint (c->form, ==, MLO_FORM_WINDOW);
  g_assert_cmpint (c->scaling.kind, ==, MLO_SCALING_REFERENCE);
  g_assert_cmpfloat (c->min_kbps, ==, 2000.0);
  g_assert_cmpfloat (c->max_kbps, ==, 20000.0);
  g_assert_cmpint (mlo_quality_optimizer_config (q)->scaling.kind, ==, MLO_SCALING_REFERENCE);
  /* One for the other: a clear word. */
  g_assert_null (mlo_bitrate_predictor_load (GOLDEN "optimizer.safetensors", &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TYPE);
  g_assert_nonnull (strstr (error->message, "a quality_optimizer, not a bitrate_predictor"));
  g_clear_error (&error);
  g_assert_null (mlo_quality_optimizer_load (GOLDEN "predictor.safetensors", &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TYPE);
  g_clear_error (&error);
  g_assert_null (mlo_quality_optimizer_load (GOLDEN "vectors.safetensors", &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TYPE);
  g_clear_error (&error);
  g_assert_null (mlo_quality_optimizer_load (GOLDEN "nothing.safetensors", &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
}

/* A good file with one thing changed: metadata set, a tensor left out, renamed or of another shape, one more. */
static const struct
{
  const char *key, *value;      /* metadata */
  const char *tensor;           /* to change */
  enum
  { KEEP, DROP, RENAME, FLATTEN, LONGER, WIDE } change;
  MloError code;
  const char *says;
} bad_models[] = {
  {"format_version", "2", NULL, KEEP, MLO_ERROR_VERSION, "version 2"},
  {"format_version", "one", NULL, KEEP, MLO_ERROR_TYPE, "format_version"},
  {"format_version", "0", NULL, KEEP, MLO_ERROR_RANGE, "format_version"},
  {"kind", "quality_optimizer", NULL, KEEP, MLO_ERROR_TYPE, "quality_optimizer"},
  {"kind", "", NULL, KEEP, MLO_ERROR_TYPE, "bitrate_predictor"},
  {"scaling", "linear", NULL, KEEP, MLO_ERROR_RANGE, "scaling"},
  {"rate_low_kbps", "0", NULL, KEEP, MLO_ERROR_RANGE, "rate_low_kbps"},
  {"rate_low_kbps", "nan", NULL, KEEP, MLO_ERROR_RANGE, "rate_low_kbps"},
  {"rate_high_kbps", "120", NULL, KEEP, MLO_ERROR_RANGE, "rate_high_kbps"},
  {"rate_high_kbps", "inf", NULL, KEEP, MLO_ERROR_RANGE, "rate_high_kbps"},
  {"min_bitrate_kbps", "-1", NULL, KEEP, MLO_ERROR_RANGE, "min_bitrate_kbps"},
  {"min_bitrate_kbps", "30000", NULL, KEEP, MLO_ERROR_RANGE, "max_bitrate_kbps"},
  {"max_bitrate_kbps", "1e300", NULL, KEEP, MLO_ERROR_RANGE, "max_bitrate_kbps"},
  {"max_bitrate_kbps", "12x", NULL, KEEP, MLO_ERROR_TYPE, "max_bitrate_kbps"},
  {"max_bitrate_kbps", "", NULL, KEEP, MLO_ERROR_TYPE, "max_bitrate_kbps"},
  {"interval_ms", "0", NULL, KEEP, MLO_ERROR_RANGE, "interval_ms"},
  {"form", "river", NULL, KEEP, MLO_ERROR_RANGE, "form"},
  {NULL, NULL, "lstm.weight_ih_l0", DROP, MLO_ERROR_MISSING, "lstm.weight_ih_l0"},
  {NULL, NULL, "lstm.weight_hh_l0", DROP, MLO_ERROR_MISSING, "lstm.weight_hh_l0"},
  {NULL, NULL, "lstm.bias_hh_l1", DROP, MLO_ERROR_MISSING, "lstm.bias_hh_l1"},
  {NULL, NULL, "lstm.weight_ih_l1", DROP, MLO_ERROR_SHAPE, "_l1' has no place"},
  {NULL, NULL, "fc.3.bias", RENAME, MLO_ERROR_MISSING, "fc.3.bias"},
  {NULL, NULL, "lstm.weight_hh_l0", FLATTEN, MLO_ERROR_SHAPE, "lstm.weight_hh_l0"},
  {NULL, NULL, "lstm.weight_hh_l0", WIDE, MLO_ERROR_SHAPE, "not (4 H, H)"},
  {NULL, NULL, "lstm.weight_hh_l1", FLATTEN, MLO_ERROR_SHAPE, "lstm.weight_hh_l1"},
  {NULL, NULL, "fc.0.weight", FLATTEN, MLO_ERROR_SHAPE, "(1280), not (64, 20)"},
  {NULL, NULL, "fc.6.bias", LONGER, MLO_ERROR_SHAPE, "(2), not (1)"},
};

static void
test_bad_models (Fixture * f, gconstpointer data)
{
  g_autoptr (MloBitratePredictor) p = predictor (&stream_config);
  g_autoptr (GError) error = NULL;

  g_assert_true (mlo_bitrate_predictor_save (p, f->path, NULL, &error));
  for (gsize i = 0; i < G_N_ELEMENTS (bad_models); i++) {
    g_autoptr (MloTensorFile) good = mlo_tensorfile_load (f->path, NULL), bad = mlo_tensorfile_new ();
    g_auto (GStrv) keys = mlo_tensorfile_metadata_keys (good);

    for (gsize k = 0; keys[k]; k++)
      mlo_tensorfile_set_metadata (bad, keys[k], mlo_tensorfile_metadata (good, keys[k]));
    if (bad_models[i].key)
      mlo_tensorfile_set_metadata (bad, bad_models[i].key, bad_models[i].value);
    for (guint k = 0; k < mlo_tensorfile_size (good); k++) {
      const MloTensor *t = mlo_tensorfile_get (good, k);
      const gsize flat = t->count, longer = t->count + 1, wide[2] =
          { t->dims[0] / 2, t->n_dims == 2 ? 2 * t->dims[1] : 1 };
      g_autofree float *more = g_new0 (float, longer);

      if (g_strcmp0 (t->name, bad_models[i].tensor) != 0)
        mlo_tensorfile_add (bad, t->name, t->n_dims, t->dims, t->data);
      else if (bad_models[i].change == RENAME)
        mlo_tensorfile_add (bad, "fc.9.bias", t->n_dims, t->dims, t->data);
      else if (bad_models[i].change == FLATTEN)
        mlo_tensorfile_add (bad, t->name, 1, &flat, t->data);
      else if (bad_models[i].change == WIDE)
        mlo_tensorfile_add (bad, t->name, 2, wide, t->data);
      else if (bad_models[i].change == LONGER)
        mlo_tensorfile_add (bad, t->name, 1, &longer, more);
    }
    g_assert_true (mlo_tensorfile_save (bad, f->other, NULL));
    g_assert_null (mlo_bitrate_predictor_load (f->other, &error));
    if (!g_error_matches (error, MLO_ERROR, (int) bad_models[i].code)
        || !strstr (error->message, bad_models[i].says) || !g_str_has_prefix (error->message, f->other))
      g_error ("row %zu: code %d, '%s'", i, error->code, error->message);
    g_clear_error (&error);
  }
}

/* A file of ours and what our code computes from it. */
static void
write_predictor (const char *model, const char *probe)
{
  enum
  { STEPS = 30, BATCH = 2 };
  MloPredictorConfig config = stream_config;
  const NnRecurrent net = { {10, 128, 2}, {3, {128, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  g_autoptr (MloTensorFile) f = mlo_tensorfile_new ();
  g_autoptr (MloBitratePredictor) p = NULL;
  g_autofree float *tape = g_new (float, nn_recurrent_tape (&net, STEPS, BATCH, NN_EVERY_STEP));
  const gsize x_dims[] = { BATCH, STEPS, 10 }, y_dims[] = { BATCH, STEPS, 1 };
  float x[STEPS * BATCH * 10], y[STEPS * BATCH], turned_x[STEPS * BATCH * 10], turned_y[STEPS * BATCH];
  MloRandom r;
  gsize n;
  float *w;

  config.hidden = 128;
  p = predictor (&config);
  /* Fresh weights are so small that the output hardly depends on the input. */
  w = mlo_bitrate_predictor_parameters (p, &n);
  for (gsize i = 0; i < n; i++)
    w[i] *= 3.0f;
  mlo_random_seed (&r, 6);
  for (gsize i = 0; i < G_N_ELEMENTS (x); i++)
    x[i] = (float) mlo_random_range (&r, -0.5, 1.5);
  nn_recurrent_forward (&net, w, STEPS, BATCH, NN_EVERY_STEP, x, NULL, NULL, y, tape);
  for (int b = 0; b < BATCH; b++)
    for (int t = 0; t < STEPS; t++) {
      memcpy (turned_x + (b * STEPS + t) * 10, x + (t * BATCH + b) * 10, 10 * sizeof *x);
      turned_y[b * STEPS + t] = y[t * BATCH + b];
    }
  mlo_tensorfile_add (f, "x", 3, x_dims, turned_x);
  mlo_tensorfile_add (f, "y", 3, y_dims, turned_y);
  g_assert_true (mlo_bitrate_predictor_save (p, model, "not trained", NULL));
  g_assert_true (mlo_tensorfile_save (f, probe, NULL));
}

static void
write_optimizer (const char *model, const char *probe)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_new ();
  g_autoptr (MloQualityOptimizer) q = optimizer ();
  const gsize x_dims[] = { 20, 15 }, y_dims[] = { 20, 9 };
  float x[20 * 15], y[20 * 9];
  MloRandom r;

  mlo_random_seed (&r, 6);
  for (gsize i = 0; i < G_N_ELEMENTS (x); i++)
    x[i] = (float) mlo_random_range (&r, -0.5, 1.5);
  for (int b = 0; b < 20; b++)
    g_assert_true (mlo_quality_optimizer_values (q, x + b * 15, y + b * 9));
  mlo_tensorfile_add (f, "x", 2, x_dims, x);
  mlo_tensorfile_add (f, "y", 2, y_dims, y);
  g_assert_true (mlo_quality_optimizer_save (q, model, NULL, NULL));
  g_assert_true (mlo_tensorfile_save (f, probe, NULL));
}

/* In PyTorch's own modules, by the script that made the golden vectors. */
static void
test_in_pytorch (Fixture * f, gconstpointer data)
{
  g_autofree char *model = g_strconcat (f->path, ".2", NULL), *probe = g_strconcat (f->other, ".2", NULL);
  const char *argv[] = { "/usr/bin/python3", GOLDEN "make_golden.py", "--check", f->path, f->other, model, probe,
    NULL
  };
  g_autofree char *out = NULL, *err = NULL;
  int status;

  write_predictor (f->path, f->other);
  write_optimizer (model, probe);
  if (!g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, &err, &status, NULL)
      || (WIFEXITED (status) && WEXITSTATUS (status) == 77)) {
    g_test_skip ("PyTorch (python3-torch) is not installed");
  } else {
    g_test_message ("%s%s", out, err);
    g_assert_true (WIFEXITED (status));
    g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  }
  g_unlink (model);
  g_unlink (probe);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/models/" name, Fixture, NULL, setup, function, teardown)
  ADD ("predictor-saved", test_predictor_saved);
  ADD ("stream-is-training", test_stream_is_training);
  ADD ("not-finite", test_not_finite);
  ADD ("optimizer", test_optimizer);
  ADD ("bare", test_bare);
  ADD ("bad-models", test_bad_models);
  ADD ("in-pytorch", test_in_pytorch);
  return g_test_run ();
}
