/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "mlo-random.h"
#include "nn-grad.h"
#include "nn-ops.h"

static const NnOps *const fast_ops[] = {
  &nn_ops_generic,
#ifdef NN_HAVE_X86_OPS
  &nn_ops_avx2, &nn_ops_avx512, &nn_ops_avx512vnni,
#endif
};

static guint64 seed = 20240917;

/* Leans to the extremes: zeros, large and tiny values among ordinary ones. */
static float
extreme (MloRandom * r, double range)
{
  switch (mlo_random_below (r, 12)) {
    case 0:
      return 0.0f;
    case 1:
      return (float) (mlo_random_chance (r, 0.5) ? range : -range);
    case 2:
      return (float) mlo_random_range (r, -1e-6, 1e-6);
    default:
      return (float) mlo_random_range (r, -1.0, 1.0);
  }
}

static float *
fill (float *v, size_t n, double range, MloRandom * r)
{
  for (size_t i = 0; i < n; i++)
    v[i] = extreme (r, range);
  return v;
}

static void
assert_near (const char *what, const NnOps * ops, const float *a, const float *b, size_t n, double bound)
{
  for (size_t i = 0; i < n; i++) {
    double scale = MAX (1.0, MAX (fabs (a[i]), fabs (b[i])));

    if (!(fabs ((double) a[i] - (double) b[i]) <= bound * scale))
      g_error ("%s of %s differs at %zu: %.9g, reference %.9g", what, ops->name, i, b[i], a[i]);
  }
}

static guint
size_up_to (MloRandom * r, guint most)
{
  /* Small ones and those around the tiles' edges come often. */
  return 1 + mlo_random_below (r, mlo_random_chance (r, 0.4) ? MIN (most, 9) : most);
}

static void
test_matrices (gconstpointer data)
{
  const NnOps *ops = data;
  MloRandom r;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  for (int round = 0; round < 60; round++) {
    int m = (int) size_up_to (&r, 70), n = (int) size_up_to (&r, 140), k = (int) size_up_to (&r, 560);
    size_t um = (size_t) m, un = (size_t) n, uk = (size_t) k;
    g_autofree float *a = fill (g_new (float, um * uk), um * uk, 30.0, &r);
    g_autofree float *b = fill (g_new (float, uk * un), uk * un, 30.0, &r);
    g_autofree float *bias = fill (g_new (float, un), un, 30.0, &r);
    g_autofree float *c0 = fill (g_new (float, um * un + 1), um * un + 1, 30.0, &r);
    g_autofree float *want = g_memdup2 (c0, (um * un + 1) * sizeof *c0);
    g_autofree float *got = g_memdup2 (c0, (um * un + 1) * sizeof *c0);
    g_autofree float *packed = g_new (float, nn_packed_size (MAX (k, NN_DEPTH), n));
    gboolean flipped = mlo_random_chance (&r, 0.5);
    size_t row = flipped ? 1 : un, column = flipped ? uk : 1;
    NnGemmMode mode = (NnGemmMode) mlo_random_below (&r, 3);
    /* Sums of k products of up to 30 * 30; single precision. */
    double bound = 1e-6 * 900.0 * sqrt (k);

    nn_ops_reference.pack (k, n, b, row, column, packed);
    nn_ops_reference.gemm (m, n, k, a, uk, packed, want, un, mode, bias);
    ops->pack (k, n, b, row, column, packed);
    ops->gemm (m, n, k, a, uk, packed, got, un, mode, bias);
    assert_near ("gemm", ops, want, got, um * un + 1, bound);

    /* a as (k, m) */
    nn_ops_reference.gemm_tn (m, n, k, a, b, want, packed);
    ops->gemm_tn (m, n, k, a, b, got, packed);
    assert_near ("gemm_tn", ops, want, got, um * un + 1, bound);

    memcpy (want, c0, um * sizeof *c0);
    memcpy (got, c0, um * sizeof *c0);
    nn_ops_reference.matvec (m, k, a, b, want);
    ops->matvec (m, k, a, b, got);
    assert_near ("matvec", ops, want, got, um * un + 1, bound);
  }
}

static void
test_cells (gconstpointer data)
{
  const NnOps *ops = data;
  MloRandom r;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed + 1);
  for (int round = 0; round < 200; round++) {
    int n = (int) size_up_to (&r, 70);
    size_t u = (size_t) n;
    float z[2][4 * 70], c_prev[70], c[2][70], t[2][70], h[2][70], dh[70], dc[2][70];

    fill (z[0], 4 * u, 200.0, &r);
    for (size_t i = 0; i < u; i++)
      z[0][i] *= 3.0f;
    memcpy (z[1], z[0], sizeof z[0]);
    fill (c_prev, u, 30.0, &r);
    nn_ops_reference.cell (n, z[0], c_prev, c[0], t[0], h[0]);
    ops->cell (n, z[1], c_prev, c[1], t[1], h[1]);
    assert_near ("gates", ops, z[0], z[1], 4 * u, 1e-6);
    assert_near ("cell", ops, c[0], c[1], u, 1e-6);
    assert_near ("tanh", ops, t[0], t[1], u, 1e-6);
    assert_near ("output", ops, h[0], h[1], u, 1e-6);

    memcpy (z[1], z[0], sizeof z[0]);
    fill (dh, u, 30.0, &r);
    fill (dc[0], u, 30.0, &r);
    memcpy (dc[1], dc[0], sizeof dc[0]);
    nn_ops_reference.cell_grad (n, z[0], c_prev, t[0], dh, dc[0]);
    ops->cell_grad (n, z[1], c_prev, t[0], dh, dc[1]);
    assert_near ("dL/dz", ops, z[0], z[1], 4 * u, 1e-5);
    assert_near ("dL/dc", ops, dc[0], dc[1], u, 1e-5);

    /* In place, and without the tangents, as inference calls it. */
    fill (z[0], 4 * u, 200.0, &r);
    memcpy (z[1], z[0], sizeof z[0]);
    memcpy (c[0], c_prev, sizeof c_prev);
    nn_ops_reference.cell (n, z[0], c_prev, c[1], NULL, h[0]);
    ops->cell (n, z[1], c[0], c[0], NULL, h[1]);
    assert_near ("cell in place", ops, c[1], c[0], u, 1e-6);
  }
}

/* The whole range of the activations, not only where networks live. */
static void
test_activations (gconstpointer data)
{
  const NnOps *ops = data;
  enum
  { N = 4001 };
  g_autofree float *x = g_new (float, 4 * N);
  g_autofree float *y = g_new (float, 4 * N);
  g_autofree float *zero = g_new0 (float, N);
  g_autofree float *c = g_new (float, N);
  g_autofree float *h = g_new (float, N);

  for (int i = 0; i < N; i++) {
    float v = (float) (i - N / 2);

    x[i] = v * v * v * 1.3e-8f;
    for (int k = 1; k < 4; k++)
      x[i + k * N] = x[i];
  }
  memcpy (y, x, 4 * N * sizeof *x);
  ops->cell (N, y, zero, c, NULL, h);
  for (int i = 0; i < N; i++) {
    double s = 1.0 / (1.0 + exp (-(double) x[i])), t = tanh ((double) x[i]);

    g_assert_cmpfloat (fabs ((double) y[i] - s), <=, 1.5e-7);
    /* The hyperbolic tangent keeps its relative precision near 0. */
    g_assert_cmpfloat (fabs ((double) y[i + 2 * N] - t), <=, 2.5e-7 * fabs (t) + 1e-30);
  }
  memcpy (y, x, N * sizeof *x);
  y[0] = NAN;
  y[1] = INFINITY;
  y[2] = -INFINITY;
  ops->sigmoid (N, y);
  g_assert_true (isnan (y[0]));
  g_assert_cmpfloat (fabs (y[1] - 1.0), <=, 1e-6);
  g_assert_cmpfloat (fabs (y[2]), <=, 1e-30);
}

static void
test_adam_op (gconstpointer data)
{
  const NnOps *ops = data;
  MloRandom r;
  float w[2][77], g[77], m[2][77], v[2][77];

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed + 2);
  for (size_t n = 1; n <= 77; n++) {
    fill (w[0], n, 10.0, &r);
    fill (g, n, 10.0, &r);
    fill (m[0], n, 10.0, &r);
    fill (v[0], n, 10.0, &r);
    for (size_t i = 0; i < n; i++)
      v[0][i] = fabsf (v[0][i]);
    memcpy (w[1], w[0], sizeof w[0]);
    memcpy (m[1], m[0], sizeof m[0]);
    memcpy (v[1], v[0], sizeof v[0]);
    nn_ops_reference.adam (n, w[0], g, m[0], v[0], 1e-3f, 0.9f, 0.999f, 1e-3f, 1.5f, 1e-4f);
    ops->adam (n, w[1], g, m[1], v[1], 1e-3f, 0.9f, 0.999f, 1e-3f, 1.5f, 1e-4f);
    assert_near ("adam w", ops, w[0], w[1], n, 1e-5);
    assert_near ("adam m", ops, m[0], m[1], n, 1e-6);
    assert_near ("adam v", ops, v[0], v[1], n, 1e-6);
  }
}

static void
test_shapes (void)
{
  const NnLstm lstm = { 10, 128, 2 };
  const NnDense dqn = { 4, {15, 128, 128, 64, 9}, NN_OUTPUT_LINEAR };
  NnRecurrent net = { {10, 128, 2}, {3, {128, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  NnLstm bad_lstm[] = { {0, 128, 2}, {10, 0, 2}, {10, 513, 2}, {10, 128, 0}, {10, 128, 5}, {-1, 1, 1} };
  NnDense bad_dense[] = { {0, {1, 1}}, {7, {1, 1}}, {1, {0, 1}}, {1, {1, 600}}, {2, {3, -4, 5}}, {1, {2, 2}, 9} };

  g_assert_true (nn_lstm_valid (&lstm));
  g_assert_cmpuint (nn_lstm_parameters (&lstm), ==, 512 * 10 + 512 * 128 + 1024 + 512 * 256 + 1024);
  g_assert_cmpuint (nn_lstm_offset (&lstm, 0, NN_LSTM_WEIGHT_IH), ==, 0);
  g_assert_cmpuint (nn_lstm_offset (&lstm, 0, NN_LSTM_WEIGHT_HH), ==, 5120);
  g_assert_cmpuint (nn_lstm_offset (&lstm, 0, NN_LSTM_BIAS_IH), ==, 5120 + 65536);
  g_assert_cmpuint (nn_lstm_offset (&lstm, 0, NN_LSTM_BIAS_HH), ==, 5120 + 65536 + 512);
  g_assert_cmpuint (nn_lstm_offset (&lstm, 1, NN_LSTM_WEIGHT_IH), ==, 5120 + 65536 + 1024);
  g_assert_cmpuint (nn_lstm_offset (&lstm, 1, NN_LSTM_BIAS_HH), ==, nn_lstm_parameters (&lstm) - 512);
  g_assert_true (nn_dense_valid (&dqn));
  g_assert_cmpuint (nn_dense_parameters (&dqn), ==, 128 * 16 + 128 * 129 + 64 * 129 + 9 * 65);
  g_assert_cmpuint (nn_dense_bias_offset (&dqn, 3), ==, nn_dense_parameters (&dqn) - 9);
  g_assert_true (nn_recurrent_valid (&net));
  net.head.size[0] = 127;
  g_assert_false (nn_recurrent_valid (&net));
  for (size_t i = 0; i < G_N_ELEMENTS (bad_lstm); i++)
    g_assert_false (nn_lstm_valid (&bad_lstm[i]));
  for (size_t i = 0; i < G_N_ELEMENTS (bad_dense); i++)
    g_assert_false (nn_dense_valid (&bad_dense[i]));
}

static void
test_select (void)
{
  g_assert_cmpint (nn_kernels_select ("no-such-set"), ==, -1);
  g_assert_cmpint (nn_kernels_select ("reference"), ==, 0);
  g_assert_cmpstr (nn_kernels_name (), ==, "reference");
  g_assert_cmpint (nn_kernels_select (NULL), ==, 0);
  g_assert_cmpstr (nn_kernels_name (), !=, "reference");
}

/* Step by step, as a window and as a batch with a tape: one answer. */
static void
test_ways_agree (void)
{
  enum
  { STEPS = 30 };
  const int hidden[] = { 1, 7, 24, 128 };
  MloRandom r;

  mlo_random_seed (&r, seed + 3);
  for (size_t i = 0; i < G_N_ELEMENTS (hidden); i++)
    for (int layers = 1; layers <= 4; layers++) {
      const int batch = 5, h = hidden[i];
      const NnRecurrent net = { {10, h, layers}, {3, {h, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
      size_t n = nn_recurrent_parameters (&net), state = (size_t) layers *(size_t) h;
      g_autofree float *w = g_new (float, n);
      g_autofree float *x = g_new (float, STEPS * 5 * 10);
      g_autofree float *one = g_new (float, STEPS * 10);
      g_autofree float *scratch = g_new (float, nn_recurrent_window_scratch (&net));
      g_autofree float *tape = g_new (float, nn_recurrent_tape (&net, STEPS, batch, NN_EVERY_STEP));
      g_autofree float *carried = g_new0 (float, nn_lstm_state (&net.lstm, batch));
      g_autofree float *hc = g_new0 (float, 2 * state);
      float last[5], every[STEPS * 5], again[STEPS * 5], y, window;

      for (size_t k = 0; k < n; k++)
        w[k] = (float) mlo_random_range (&r, -1.0, 1.0) / sqrtf ((float) h);
      fill (x, STEPS * 5 * 10, 2.0, &r);
      nn_recurrent_forward (&net, w, STEPS, batch, NN_LAST_STEP, x, NULL, NULL, last, tape);
      nn_recurrent_forward (&net, w, STEPS, batch, NN_EVERY_STEP, x, NULL, NULL, every, tape);
      /* In two parts with the state carried over. */
      nn_recurrent_forward (&net, w, 11, batch, NN_EVERY_STEP, x, carried, carried, again, tape);
      nn_recurrent_forward (&net, w, STEPS - 11, batch, NN_EVERY_STEP, x + 11 * 5 * 10, carried, carried,
          again + 11 * 5, tape);
      for (int b = 0; b < batch; b++) {
        for (int t = 0; t < STEPS; t++)
          memcpy (one + t * 10, x + (t * batch + b) * 10, 10 * sizeof *one);
        nn_recurrent_window (&net, w, one, STEPS, &window, scratch);
        memset (hc, 0, 2 * state * sizeof *hc);
        for (int t = 0; t < STEPS; t++) {
          nn_recurrent_step (&net, w, one + t * 10, hc, hc + state, &y, scratch);
          g_assert_cmpfloat (fabs (y - every[t * batch + b]), <, 2e-6);
          g_assert_cmpfloat (every[t * batch + b], ==, again[t * batch + b]);
        }
        g_assert_cmpfloat (y, ==, window);
        g_assert_cmpfloat (fabs (y - last[b]), <, 2e-6);
        for (int l = 0; l < layers; l++)
          for (int k = 0; k < h; k++) {
            size_t at = (size_t) ((l * batch + b) * h + k);

            g_assert_cmpfloat (fabs (hc[l * h + k] - carried[at]), <, 2e-6);
            g_assert_cmpfloat (fabs (hc[state + (size_t) (l * h + k)]
                    - carried[state * (size_t) batch + at]), <, 1e-5);
          }
      }
      nn_lstm_state_reset (&net.lstm, batch, carried, 3);
      for (size_t k = 0; k < nn_lstm_state (&net.lstm, batch); k++)
        g_assert_true ((carried[k] == 0.0f) == (k / (size_t) h % (size_t) batch == 3));
    }
}

static void
test_dense_batches (void)
{
  const NnDense dqn = { 4, {15, 128, 128, 64, 9}, NN_OUTPUT_LINEAR };
  enum
  { MOST = 40 };
  g_autofree float *w = g_new (float, nn_dense_parameters (&dqn));
  float x[MOST * 15], one[MOST * 9], many[MOST * 9], taped[MOST * 9];
  g_autofree float *scratch = g_new (float, nn_dense_forward_scratch (&dqn, MOST));
  g_autofree float *tape = g_new (float, nn_dense_tape (&dqn, MOST));
  MloRandom r;

  mlo_random_seed (&r, seed + 4);
  fill (w, nn_dense_parameters (&dqn), 0.3, &r);
  for (size_t i = 0; i < nn_dense_parameters (&dqn); i++)
    w[i] *= 0.2f;
  fill (x, MOST * 15, 1.0, &r);
  for (int batch = 1; batch <= MOST; batch++) {
    for (int b = 0; b < batch; b++)
      nn_dense_forward (&dqn, w, x + b * 15, 1, one + b * 9, scratch);
    nn_dense_forward (&dqn, w, x, batch, many, scratch);
    nn_dense_forward_tape (&dqn, w, batch, x, taped, tape);
    for (int i = 0; i < batch * 9; i++) {
      g_assert_cmpfloat (fabs (one[i] - many[i]), <, 1e-5);
      g_assert_cmpfloat (fabs (one[i] - taped[i]), <, 1e-5);
    }
  }
  /* What is not finite is seen at the output. */
  x[3] = NAN;
  nn_dense_forward (&dqn, w, x, 1, one, scratch);
  g_assert_true (isnan (one[0]));
  nn_dense_forward (&dqn, w, x, MOST, many, scratch);
  g_assert_true (isnan (many[0]));
  g_assert_true (isfinite (many[9]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (fast_ops); i++) {
    const char *name = fast_ops[i]->name;
    g_autofree char *matrices = g_strdup_printf ("/nn/%s/matrices", name);
    g_autofree char *cells = g_strdup_printf ("/nn/%s/cells", name);
    g_autofree char *activations = g_strdup_printf ("/nn/%s/activations", name);
    g_autofree char *adam = g_strdup_printf ("/nn/%s/adam", name);

    if (nn_kernels_select (name) < 0)
      continue;
    g_test_add_data_func (matrices, fast_ops[i], test_matrices);
    g_test_add_data_func (cells, fast_ops[i], test_cells);
    g_test_add_data_func (activations, fast_ops[i], test_activations);
    g_test_add_data_func (adam, fast_ops[i], test_adam_op);
  }
  nn_kernels_select (NULL);
  g_test_add_func ("/nn/shapes", test_shapes);
  g_test_add_func ("/nn/select", test_select);
  g_test_add_func ("/nn/ways-agree", test_ways_agree);
  g_test_add_func ("/nn/dense-batches", test_dense_batches);
  return g_test_run ();
}
