/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The networks against PyTorch: vectors made by golden/make_golden.py. */
#include <math.h>
#include <string.h>

#include "mlo-bitrate-predictor.h"
#include "mlo-quality-optimizer.h"
#include "mlo-tensorfile.h"
#include "nn-grad.h"

#define GOLDEN TEST_GOLDEN

static MloTensorFile *vectors;

static const MloTensor *
vector (const char *group, const char *name)
{
  g_autofree char *full = g_strdup_printf ("%s.%s", group, name);
  const MloTensor *t = mlo_tensorfile_find (vectors, full);

  if (!t)
    g_error ("no vector %s", full);
  return t;
}

/* Every @stride-th of @got against the vector, within @bound, absolute. */
static void
assert_vector (const char *group, const char *name, const float *got, gsize n, gsize stride, double bound)
{
  const MloTensor *t = vector (group, name);
  double worst = 0.0;

  g_assert_cmpuint (t->count, ==, (n + stride - 1) / stride);
  for (gsize i = 0; i < t->count; i++) {
    double difference = fabs ((double) got[i * stride] - (double) t->data[i]);

    if (!(difference <= bound))
      g_error ("%s.%s[%zu] is %.9g, PyTorch says %.9g", group, name, i, got[i * stride], t->data[i]);
    worst = MAX (worst, difference);
  }
  g_test_message ("%s.%s with %s: largest difference %.3g", group, name, nn_kernels_name (), worst);
}

/* Gradients: relative to the largest, which varies by orders of magnitude between losses. */
static void
assert_gradient (const char *group, const char *name, const float *got, gsize n, gsize stride)
{
  const MloTensor *t = vector (group, name);
  double largest = 0.0;

  for (gsize i = 0; i < t->count; i++)
    largest = MAX (largest, fabs ((double) t->data[i]));
  g_assert_cmpfloat (largest, >, 0.0);
  assert_vector (group, name, got, n, stride, 1e-5 * largest);
}

/* With @set in force, for which it lays the weights out. */
static MloBitratePredictor *
load_predictor (const char *set)
{
  g_autoptr (GError) error = NULL;
  MloBitratePredictor *p;

  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  p = mlo_bitrate_predictor_load (GOLDEN "predictor.safetensors", &error);
  g_assert_no_error (error);
  return p;
}

static void
recurrent (const char *group, const NnRecurrent * net, const float *w, int batch, int steps, gsize stride)
{
  const gsize n = nn_recurrent_parameters (net), ys = (gsize) (steps * batch);
  const gsize states = nn_lstm_state (&net->lstm, batch);
  const float *x = vector (group, "x")->data, *target = vector (group, "target")->data;
  g_autofree float *y = g_new (float, ys);
  g_autofree float *dy = g_new (float, ys);
  g_autofree float *state = g_memdup2 (vector (group, "state")->data, states * sizeof (float));
  g_autofree float *grad = g_new0 (float, n);
  g_autofree float *tape = g_new (float, nn_recurrent_tape (net, steps, batch, NN_EVERY_STEP));
  g_autofree float *scratch = g_new (float, nn_recurrent_window_scratch (net));
  float loss;

  nn_recurrent_forward (net, w, steps, batch, NN_EVERY_STEP, x, state, state, y, tape);
  assert_vector (group, "y", y, ys, 1, 1e-5);
  assert_vector (group, "final", state, states, 1, 1e-5);
  loss = (float) nn_loss_quantile (ys, y, target, NULL, 0.3, 1.0 / (double) ys, dy);
  assert_vector (group, "loss", &loss, 1, 1, 1e-6);
  nn_recurrent_backward (net, w, steps, batch, NN_EVERY_STEP, x, y, dy, grad, tape);
  assert_gradient (group, "grad", grad, n, stride);

  nn_recurrent_forward (net, w, steps, batch, NN_LAST_STEP, x, NULL, NULL, y, tape);
  assert_vector (group, "window_y", y, (gsize) batch, 1, 1e-5);
  loss = (float) nn_loss_mse ((gsize) batch, y, target + (steps - 1) * batch, NULL, 1.0 / batch, dy);
  assert_vector (group, "window_loss", &loss, 1, 1, 1e-6);
  memset (grad, 0, n * sizeof *grad);
  nn_recurrent_backward (net, w, steps, batch, NN_LAST_STEP, x, y, dy, grad, tape);
  assert_gradient (group, "window_grad", grad, n, stride);

  for (int b = 0; b < batch; b++) {
    g_autofree float *one = g_new (float, steps * 10);

    for (int t = 0; t < steps; t++)
      memcpy (one + t * 10, x + (t * batch + b) * 10, 10 * sizeof *one);
    nn_recurrent_window (net, w, one, steps, &y[b], scratch);
  }
  assert_vector (group, "window_y", y, (gsize) batch, 1, 1e-5);
}

static void
test_small (gconstpointer set)
{
  const NnRecurrent net = { {10, 24, 1}, {3, {24, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  g_autoptr (MloBitratePredictor) p = load_predictor (set);
  gsize n;

  recurrent ("small", &net, mlo_bitrate_predictor_parameters (p, &n), 4, 12, 1);
}

static void
test_large (gconstpointer set)
{
  const NnRecurrent net = { {10, 128, 2}, {3, {128, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  const gsize n = nn_recurrent_parameters (&net);
  g_autofree float *w = g_new (float, n);

  for (gsize i = 0; i < n; i++) {
    guint32 k = (guint32) i;

    /* as fill_by_rule in make_golden.py */
    k = (k ^ (k >> 16)) * 0x85ebca6bu;
    k = (k ^ (k >> 13)) * 0xc2b2ae35u;
    k ^= k >> 16;
    w[i] = (float) ((k * 0x1p-32 - 0.5) * 0.6);
  }
  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  recurrent ("large", &net, w, 3, 30, 97);
}

static void
test_dense (gconstpointer set)
{
  const NnDense net = { 4, {15, 128, 128, 64, 9}, NN_OUTPUT_LINEAR };
  g_autoptr (GError) error = NULL;
  g_autoptr (MloQualityOptimizer) q = NULL;
  const float *x = vector ("dqn", "x")->data;
  g_autofree float *tape = g_new (float, nn_dense_tape (&net, 40));
  g_autofree float *scratch = g_new (float, nn_dense_forward_scratch (&net, 40));
  g_autofree float *grad = NULL;
  float *w, y[40 * 9], dy[40 * 9], loss;
  gsize n;

  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  q = mlo_quality_optimizer_load (GOLDEN "optimizer.safetensors", &error);
  g_assert_no_error (error);
  for (int b = 0; b < 40; b++)
    g_assert_true (mlo_quality_optimizer_values (q, x + b * 15, y + b * 9));
  assert_vector ("dqn", "y", y, 40 * 9, 1, 1e-5);
  w = mlo_quality_optimizer_parameters (q, &n);
  grad = g_new0 (float, n);
  nn_dense_forward (&net, w, x, 40, y, scratch);
  assert_vector ("dqn", "y", y, 40 * 9, 1, 1e-5);
  nn_dense_forward_tape (&net, w, 40, x, y, tape);
  assert_vector ("dqn", "y", y, 40 * 9, 1, 1e-5);
  loss = (float) nn_loss_huber (40 * 9, y, vector ("dqn", "target")->data, NULL, 0.7, 1.0 / (40 * 9), dy);
  assert_vector ("dqn", "loss", &loss, 1, 1, 1e-6);
  nn_dense_backward (&net, w, 40, x, y, dy, grad, NULL, tape);
  assert_gradient ("dqn", "grad", grad, n, 1);
}

static void
adam (const char *group, NnAdam a)
{
  const MloTensor *start = vector (group, "start"), *gradients = vector (group, "grad");
  const gsize n = start->count;
  g_autofree float *w = g_memdup2 (start->data, n * sizeof *w);
  g_autofree float *m = g_new0 (float, n);
  g_autofree float *v = g_new0 (float, n);

  for (gsize step = 0; step < gradients->dims[0]; step++)
    nn_adam_update (&a, n, w, gradients->data + step * n, m, v);
  g_assert_cmpint (a.step, ==, (long) gradients->dims[0]);
  /* Values up to 4, a dozen roundings each. */
  assert_vector (group, "end", w, n, 1, 3e-6);
}

static void
test_adam (gconstpointer set)
{
  NnAdam a = nn_adam_default;

  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  a.rate = 3e-3;
  adam ("adam", a);
  a = (NnAdam) {
  .rate = 3e-3,.beta1 = 0.8,.beta2 = 0.99,.epsilon = 1e-6,.decay = 0.02};
  adam ("adamw", a);
}

/* Raw samples, tick by tick, through the reference's weights as PyTorch wrote them: its features, its window, its
 * output range. */
static void
test_ticks (gconstpointer set)
{
  const MloField fields[] = { MLO_FIELD_LATENCY, MLO_FIELD_JITTER, MLO_FIELD_PACKET_LOSS, MLO_FIELD_BANDWIDTH,
    MLO_FIELD_COMPLEXITY, MLO_FIELD_BITRATE
  };
  g_autoptr (MloBitratePredictor) p = load_predictor (set);
  g_autoptr (MloPredictorState) s = NULL;
  const MloTensor *samples = vector ("ticks", "samples");
  g_autofree float *rates = g_new (float, samples->dims[0]);

  g_assert_cmpint (mlo_bitrate_predictor_config (p)->form, ==, MLO_FORM_WINDOW);
  s = mlo_predictor_state_new (p);
  for (int pass = 0; pass < 2; pass++) {
    for (gsize t = 0; t < samples->dims[0]; t++) {
      MloSample sample = { 0 };

      for (gsize k = 0; k < G_N_ELEMENTS (fields); k++)
        g_assert_true (mlo_sample_set (&sample, fields[k], (double) samples->data[t * 6 + k]));
      rates[t] = (float) mlo_bitrate_predictor_step (p, s, &sample);
    }
    /* 1e-5 of the output's range */
    assert_vector ("ticks", "kbps", rates, samples->dims[0], 1, 0.18);
    /* A state that was reset is like a new one. */
    mlo_predictor_state_reset (s);
  }
}

static const struct
{
  const char *name;
  GTestDataFunc test;
} tests[] = {
  {"small", test_small},
  {"large", test_large},
  {"dense", test_dense},
  {"adam", test_adam},
  {"ticks", test_ticks},
};

static const char *const sets[] = { "reference", "generic", "avx2", "avx512", "avx512vnni" };

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int result;

  g_test_init (&argc, &argv, NULL);
  vectors = mlo_tensorfile_load (GOLDEN "vectors.safetensors", &error);
  g_assert_no_error (error);
  for (gsize k = 0; k < G_N_ELEMENTS (sets); k++)
    for (gsize i = 0; i < G_N_ELEMENTS (tests); i++) {
      g_autofree char *path = g_strdup_printf ("/golden/%s/%s", sets[k], tests[i].name);

      if (nn_kernels_select (sets[k]) == 0)
        g_test_add_data_func (path, sets[k], tests[i].test);
    }
  result = g_test_run ();
  mlo_tensorfile_free (vectors);
  return result;
}
