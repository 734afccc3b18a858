/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights laid out for the processor: the same numbers, the same results as from the plain kernels. */
#include <math.h>
#include <string.h>

#include "mlo-random.h"
#include "nn-half.h"
#include "nn-ops.h"
#include "nn-packed.h"

static const char *const sets[] = { "reference", "generic", "avx2", "avx512", "avx512vnni" };

static guint64 seed = 20240921;

static void *
block_new (size_t bytes)
{
  void *block = g_aligned_alloc (1, bytes, NN_PACKED_ALIGNMENT);

  g_assert_cmpuint (bytes % NN_PACKED_ALIGNMENT, ==, 0);
  return block;
}

/* Leans to the extremes: zeros, large and tiny values among ordinary ones. */
static float
extreme (MloRandom * r, double range)
{
  switch (mlo_random_below (r, 12)) {
    case 0:
      return mlo_random_chance (r, 0.5) ? 0.0f : -0.0f;
    case 1:
      return (float) (mlo_random_chance (r, 0.5) ? range : -range);
    case 2:
      return (float) mlo_random_range (r, -1e-6, 1e-6);
    default:
      return (float) mlo_random_range (r, -1.0, 1.0);
  }
}

static float *
random_new (size_t n, double range, MloRandom * r)
{
  float *v = g_new (float, n);

  for (size_t i = 0; i < n; i++)
    v[i] = extreme (r, range);
  return v;
}

static void
assert_near (const char *what, const float *got, const float *want, size_t n, double bound)
{
  for (size_t i = 0; i < n; i++)
    if (!(fabs ((double) got[i] - (double) want[i]) <= bound * MAX (1.0, fabs ((double) want[i]))))
      g_error ("%s with %s: %zu is %.9g, not %.9g", what, nn_kernels_name (), i, got[i], want[i]);
}

/* Every number of rows and columns around the vectors' widths, and larger ones by chance. */
#define PRODUCTS (18 * 34 + 60)

typedef struct
{
  int rows, cols, n;
  size_t count, out;
} Shape;

static Shape
shape (int round, MloRandom * r)
{
  const gboolean small = round < 18 * 34;
  Shape s;

  s.rows = small ? 1 + round / 34 : (int) mlo_random_below (r, 300) + 1;
  s.cols = small ? 1 + round % 34 : (int) mlo_random_below (r, NN_MAX_WIDTH) + 1;
  s.n = small ? 1 + round % 3 : (int) mlo_random_below (r, 40) + 1;
  s.count = (size_t) s.rows * (size_t) s.cols;
  s.out = (size_t) (s.rows * s.n);
  return s;
}

static void *
packed_new (const NnRows * o, const Shape * s, const float *w)
{
  void *packed = block_new ((o->size (s->rows, s->cols) + 63) / 64 * 64);

  o->pack (s->rows, s->cols, w, packed);
  return packed;
}

static void
test_products (gconstpointer set)
{
  const NnRows *o;
  MloRandom r;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  o = &nn_ops ()->rows[NN_WEIGHTS_F32];
  for (int round = 0; round < PRODUCTS; round++) {
    const Shape s = shape (round, &r);
    g_autofree float *w = random_new (s.count, 30.0, &r);
    g_autofree float *x = random_new ((size_t) (s.n * s.cols), 30.0, &r);
    g_autofree float *got = random_new (s.out + 1, 30.0, &r);
    g_autofree float *want = g_memdup2 (got, (s.out + 1) * sizeof *got);
    g_autofree float *one = g_memdup2 (got, (s.out + 1) * sizeof *got);
    g_autofree float *back = g_new (float, s.count);
    void *packed = packed_new (o, &s, w);

    o->unpack (s.rows, s.cols, packed, back);
    g_assert_cmpmem (back, s.count * sizeof *back, w, s.count * sizeof *w);
    o->product (s.rows, s.cols, packed, s.n, x, got);
    for (int i = 0; i < s.n; i++) {
      o->product (s.rows, s.cols, packed, 1, x + i * s.cols, one + i * s.rows);
      nn_ops_reference.matvec (s.rows, s.cols, w, x + i * s.cols, want + i * s.rows);
    }
    g_assert_cmpmem (got, (s.out + 1) * sizeof *got, one, (s.out + 1) * sizeof *one);
    for (size_t i = 0; i < s.out + 1; i++)
      g_assert_cmpfloat (fabs ((double) got[i] - (double) want[i]), <=, 1e-6 * 900.0 * sqrt (s.cols));
    g_aligned_free (packed);
  }
  nn_kernels_select (NULL);
}

static double
largest (const float *v, int n)
{
  double most = 0.0;

  for (int i = 0; i < n; i++)
    most = MAX (most, fabs ((double) v[i]));
  return most;
}

/* Integers: near the product of the numbers as they were, and the same bits with every instruction set. Ranges far from 1,
 * and now and then all numbers the largest, where sums are as great as they can be. */
static void
test_integers (gconstpointer set)
{
  const float ranges[] = { 30.0f, 1.0f, 3e4f, 1e-5f, 1e-30f, 0.0f };
  const NnRows *o, *plain = &nn_ops_reference.rows[NN_WEIGHTS_INT16];
  MloRandom r;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed + 6);
  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  o = &nn_ops ()->rows[NN_WEIGHTS_INT16];
  for (int round = 0; round < PRODUCTS - 40; round++) {
    const Shape s = shape (round, &r);
    const float w_range = ranges[mlo_random_below (&r, G_N_ELEMENTS (ranges))];
    const float x_range = ranges[mlo_random_below (&r, G_N_ELEMENTS (ranges))];
    const gboolean full = mlo_random_chance (&r, 0.1);
    g_autofree float *w = random_new (s.count, 1.0, &r);
    g_autofree float *x = random_new ((size_t) (s.n * s.cols), 1.0, &r);
    g_autofree float *got = random_new (s.out + 1, 1.0, &r);
    g_autofree float *want = g_memdup2 (got, (s.out + 1) * sizeof *got);
    g_autofree float *before = g_memdup2 (got, (s.out + 1) * sizeof *got);
    g_autofree float *back = g_new (float, s.count);
    /* 2 - 2^-13: just below the power of two at which a scale begins */
    const float most = 0x1.fff8p0f;
    void *packed;

    for (size_t i = 0; i < s.count; i++)
      w[i] = (full ? most : w[i]) * w_range;
    for (int i = 0; i < s.n * s.cols; i++)
      x[i] = (full ? -most : x[i]) * x_range;
    packed = packed_new (o, &s, w);
    o->unpack (s.rows, s.cols, packed, back);
    for (int i = 0; i < s.rows; i++)
      for (int c = 0; c < s.cols; c++)
        g_assert_cmpfloat (fabs ((double) w[i * s.cols + c] - (double) back[i * s.cols + c]), <=,
            largest (w + i * s.cols, s.cols) * 0x1p-14 + 1e-16);
    o->product (s.rows, s.cols, packed, s.n, x, got);
    plain->product (s.rows, s.cols, packed, s.n, x, want);
    g_assert_cmpmem (got, (s.out + 1) * sizeof *got, want, (s.out + 1) * sizeof *want);
    for (int i = 0; i < s.rows; i++) {
      const float *row = w + i * s.cols;
      const double w_most = largest (row, s.cols);

      for (int k = 0; k < MIN (s.n, 3); k++) {
        const float *v = x + k * s.cols;
        const double x_most = largest (v, s.cols);
        double sum = (double) before[k * s.rows + i], bound = 0.0;

        for (int c = 0; c < s.cols; c++) {
          sum += (double) row[c] * (double) v[c];
          bound += fabs ((double) row[c]) * x_most + fabs ((double) v[c]) * w_most;
        }
        g_assert_cmpfloat (fabs (sum - (double) got[k * s.rows + i]), <=,
            bound * 0x1.04p-14 + 1e-6 + fabs (sum) * 1e-6);
      }
    }

    /* What is not finite meets the numbers as floats, and leaves the other vectors alone. */
    x[mlo_random_below (&r, (guint) s.cols)] = mlo_random_chance (&r, 0.5) ? NAN : -INFINITY;
    memcpy (got, before, (s.out + 1) * sizeof *got);
    memcpy (want, before, (s.out + 1) * sizeof *want);
    o->product (s.rows, s.cols, packed, s.n, x, got);
    nn_ops_reference.matvec (s.rows, s.cols, back, x, want);
    if (s.n > 1)
      plain->product (s.rows, s.cols, packed, s.n - 1, x + s.cols, want + s.rows);
    for (size_t i = 0; i < s.out + 1; i++) {
      g_assert_true (isnan (got[i]) ? isnan (want[i]) : got[i] == want[i]);
      g_assert_true (i >= (size_t) s.rows || !isfinite (got[i]));
    }
    g_aligned_free (packed);

    /* A weight that is not: its row, and no other. */
    w[mlo_random_below (&r, (guint) s.cols)] = INFINITY;
    packed = packed_new (o, &s, w);
    o->product (s.rows, s.cols, packed, s.n, x, got);
    g_assert_true (isnan (got[0]));
    g_assert_true (s.n == 1 || s.rows == 1 || isfinite (got[s.rows + 1]));
    g_aligned_free (packed);
  }
  nn_kernels_select (NULL);
}

/* Each step from the same state, so that what rounds otherwise does not grow. */
static void
check_recurrent (const NnRecurrent * net, NnWeights weights, MloRandom * r)
{
  enum
  { STEPS = 35 };
  const size_t n = nn_recurrent_parameters (net), state = (size_t) (net->lstm.layers * net->lstm.hidden);
  const size_t outputs = (size_t) net->head.size[net->head.layers], bytes = n * sizeof (float);
  const double bound = weights == NN_WEIGHTS_F32 ? 1e-5 : 2e-3;
  g_autofree float *w = random_new (n, 2.0, r);
  g_autofree float *x = random_new ((size_t) (STEPS * net->lstm.input), 2.0, r);
  g_autofree float *hc = g_new0 (float, 2 * state);
  g_autofree float *plain_hc = g_new (float, 2 * state);
  g_autofree float *scratch = g_new (float, nn_recurrent_packed_scratch (net, 1));
  g_autofree float *window_scratch = g_new (float, nn_recurrent_packed_scratch (net, STEPS));
  g_autofree float *plain_scratch = g_new (float, nn_recurrent_step_scratch (net));
  g_autofree float *back = g_new (float, n);
  g_autofree float *y = g_new (float, outputs);
  g_autofree float *want = g_new (float, outputs);
  void *packed = block_new (nn_recurrent_packed_size (net, weights));

  for (size_t i = 0; i < n; i++)
    w[i] /= sqrtf ((float) net->lstm.hidden);
  nn_recurrent_pack (net, w, weights, packed);
  nn_recurrent_unpack (net, packed, back);
  if (weights == NN_WEIGHTS_F32)
    g_assert_cmpmem (back, bytes, w, bytes);
  for (int t = 0; t < STEPS; t++) {
    const float *now = x + t * net->lstm.input;

    memcpy (plain_hc, hc, 2 * state * sizeof *hc);
    nn_recurrent_packed_step (net, packed, now, hc, hc + state, y, scratch);
    nn_recurrent_step (net, back, now, plain_hc, plain_hc + state, want, plain_scratch);
    assert_near ("output", y, want, outputs, bound);
    assert_near ("state", hc, plain_hc, 2 * state, bound);
    /* A window of what has been so far is the same again, to the bit. */
    nn_recurrent_packed_window (net, packed, x, t + 1, want, window_scratch);
    g_assert_cmpmem (y, outputs * sizeof *y, want, outputs * sizeof *want);
  }
  g_aligned_free (packed);
}

static void
test_recurrent (gconstpointer set)
{
  const int hidden[] = { 1, 2, 7, 8, 17, 24, 64, 128 };
  MloRandom r;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed + 1);
  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  for (size_t i = 0; i < G_N_ELEMENTS (hidden); i++) {
    NnRecurrent net = { {10, hidden[i], 1 + (int) (i % NN_MAX_LSTM_LAYERS)},
    {3, {hidden[i], 64, 32, 1}, NN_OUTPUT_SIGMOID}
    };

    for (int k = 0; k < NN_N_WEIGHTS; k++)
      check_recurrent (&net, (NnWeights) k, &r);
    net.lstm.input = 1 + (int) mlo_random_below (&r, 40);
    net.head.layers = 1;
    net.head.size[1] = 1 + (int) mlo_random_below (&r, 20);
    net.head.output = NN_OUTPUT_LINEAR;
    for (int k = 0; k < NN_N_WEIGHTS; k++)
      check_recurrent (&net, (NnWeights) k, &r);
  }
  nn_kernels_select (NULL);
}

static void
test_dense (gconstpointer set)
{
  const NnDense nets[] = {
    {4, {15, 128, 128, 64, 9}, NN_OUTPUT_LINEAR}, {1, {1, 1}, NN_OUTPUT_SIGMOID}, {2, {33, 9, 17}, NN_OUTPUT_LINEAR},
    {6, {7, 3, 40, 16, 31, 2, 5}, NN_OUTPUT_SIGMOID}
  };
  MloRandom r;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed + 2);
  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  for (size_t i = 0; i < G_N_ELEMENTS (nets); i++) {
    const NnDense *net = &nets[i];
    const size_t n = nn_dense_parameters (net), outputs = (size_t) net->size[net->layers], bytes = n * sizeof (float);
    g_autofree float *w = random_new (n, 3.0, &r);
    g_autofree float *back = g_new (float, n);
    g_autofree float *scratch = g_new (float, nn_dense_packed_scratch (net));
    void *packed = block_new (nn_dense_packed_size (net, NN_WEIGHTS_F32));

    for (size_t k = 0; k < n; k++)
      w[k] *= 0.2f;
    nn_dense_pack (net, w, NN_WEIGHTS_F32, packed);
    nn_dense_unpack (net, packed, back);
    g_assert_cmpmem (back, bytes, w, bytes);
    for (int round = 0; round < 20; round++) {
      g_autofree float *x = random_new ((size_t) net->size[0], 3.0, &r);
      float y[17], want[17];

      nn_dense_packed_forward (net, packed, x, y, scratch);
      nn_dense_forward (net, w, x, 1, want, scratch);
      assert_near ("dense", y, want, outputs, 1e-5);
      /* What is not finite is seen at the output. */
      x[0] = NAN;
      nn_dense_packed_forward (net, packed, x, y, scratch);
      g_assert_true (isnan (y[0]));
    }
    g_aligned_free (packed);
  }
  nn_kernels_select (NULL);
}

/* Networks with weights of 16 bits stay near those of 32 where weights are as training leaves them, features beyond 1
 * included; step by step, as a window, and the optimizer's. */
static void
test_int16_networks (gconstpointer set)
{
  enum
  { STEPS = 300, WINDOW = 30 };
  const NnRecurrent net = { {10, 128, 2}, {3, {128, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  const NnDense dqn = { 4, {15, 128, 128, 64, 9}, NN_OUTPUT_LINEAR };
  const size_t n = nn_recurrent_parameters (&net), n_dqn = nn_dense_parameters (&dqn);
  g_autofree float *w = g_new (float, n);
  g_autofree float *x = g_new (float, STEPS * 10);
  g_autofree float *hc = g_new0 (float, 4 * 256);
  g_autofree float *scratch = g_new (float, nn_recurrent_packed_scratch (&net, WINDOW));
  void *packed[NN_N_WEIGHTS], *packed_dqn[NN_N_WEIGHTS];
  MloRandom r;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed + 3);
  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  for (size_t i = 0; i < n; i++)
    w[i] = (float) mlo_random_range (&r, -1.0, 1.0) / sqrtf (128.0f);
  g_assert_cmpint (nn_recurrent_weights (&net, w), ==, NN_WEIGHTS_F32);
  for (int k = 0; k < NN_N_WEIGHTS; k++) {
    packed[k] = block_new (nn_recurrent_packed_size (&net, (NnWeights) k));
    nn_recurrent_pack (&net, w, (NnWeights) k, packed[k]);
    packed_dqn[k] = block_new (nn_dense_packed_size (&dqn, (NnWeights) k));
    /* more than enough random numbers */
    g_assert_cmpuint (n_dqn, <=, n);
    nn_dense_pack (&dqn, w, (NnWeights) k, packed_dqn[k]);
  }
  g_assert_cmpuint (nn_recurrent_packed_size (&net, NN_WEIGHTS_INT16), <,
      nn_recurrent_packed_size (&net, NN_WEIGHTS_F32) * 11 / 20);
  for (int t = 0; t < STEPS; t++) {
    float y[NN_N_WEIGHTS][9];
    /* now and then a feature far from the others, as the unbounded scaling has them */
    float *now = x + t * 10;

    for (int i = 0; i < 10; i++)
      now[i] = (float) (mlo_random_chance (&r, 0.03) ? mlo_random_range (&r, 1.0, 60.0)
          : mlo_random_range (&r, -0.5, 1.5));
    for (int k = 0; k < NN_N_WEIGHTS; k++)
      nn_recurrent_packed_step (&net, packed[k], now, hc + k * 512, hc + k * 512 + 256, y[k], scratch);
    g_assert_cmpfloat (fabs ((double) y[0][0] - (double) y[1][0]), <=, 1e-5);
    if (t + 1 < WINDOW || t % 10)
      continue;
    for (int k = 0; k < NN_N_WEIGHTS; k++)
      nn_recurrent_packed_window (&net, packed[k], now - (WINDOW - 1) * 10, WINDOW, y[k], scratch);
    g_assert_cmpfloat (fabs ((double) y[0][0] - (double) y[1][0]), <=, 1e-5);
    for (int k = 0; k < NN_N_WEIGHTS; k++)
      nn_dense_packed_forward (&dqn, packed_dqn[k], now - 5, y[k], scratch);
    for (int i = 0; i < 9; i++)
      g_assert_cmpfloat (fabs ((double) y[0][i] - (double) y[1][i]), <=, 1e-4 * MAX (1.0, largest (now - 5, 15)));
  }
  /* What is not finite is seen at the output. */
  x[3] = NAN;
  nn_recurrent_packed_window (&net, packed[NN_WEIGHTS_INT16], x, WINDOW, hc, scratch);
  g_assert_true (isnan (hc[0]));
  nn_dense_packed_forward (&dqn, packed_dqn[NN_WEIGHTS_INT16], x, hc, scratch);
  g_assert_true (isnan (hc[0]));
  for (int k = 0; k < NN_N_WEIGHTS; k++) {
    g_aligned_free (packed[k]);
    g_aligned_free (packed_dqn[k]);
  }
  nn_kernels_select (NULL);
}

/* Weights that are 16-bit numbers are found to be; laid out as integers they come back within half of a step, and what
 * stays as it was (the first matrix, biases, small matrices) to the bit. */
static void
test_half_found (gconstpointer set)
{
  const NnRecurrent net = { {10, 24, 2}, {3, {24, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  const size_t n = nn_recurrent_parameters (&net);
  const size_t first = nn_lstm_offset (&net.lstm, 0, NN_LSTM_WEIGHT_HH);
  g_autofree float *w = g_new (float, n);
  g_autofree float *back = g_new (float, n);
  const float wrong[] = { 0.1f, INFINITY, NAN };
  void *packed;
  MloRandom r;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed + 5);
  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  packed = block_new (nn_recurrent_packed_size (&net, NN_WEIGHTS_INT16));
  for (size_t i = 0; i < n; i++)
    w[i] = nn_half_to_float (nn_half_from_float ((float) mlo_random_range (&r, -0.3, 0.3)));
  /* biases stay as they are */
  w[nn_lstm_offset (&net.lstm, 1, NN_LSTM_BIAS_HH)] = 0.1f;
  w[n - 1] = 0.1f;
  g_assert_cmpint (nn_recurrent_weights (&net, w), ==, NN_WEIGHTS_INT16);
  nn_recurrent_pack (&net, w, NN_WEIGHTS_INT16, packed);
  nn_recurrent_unpack (&net, packed, back);
  for (size_t i = 0; i < n; i++)
    g_assert_cmpfloat (fabs ((double) w[i] - (double) back[i]), <=, 0.3 * 0x1p-14);
  g_assert_cmpmem (back, first * sizeof *back, w, first * sizeof *w);
  g_assert_cmpmem (back + n - 33, 33 * sizeof *back, w + n - 33, 33 * sizeof *w);
  /* Once rounded they stay. */
  nn_recurrent_pack (&net, back, NN_WEIGHTS_INT16, packed);
  memcpy (w, back, n * sizeof *w);
  nn_recurrent_unpack (&net, packed, back);
  g_assert_cmpmem (back, n * sizeof *back, w, n * sizeof *w);
  /* One that is not, in each place a matrix has. */
  for (int k = 0; k < 9; k++) {
    size_t at = k % 3 == 0 ? 0 : k % 3 == 1 ? nn_lstm_offset (&net.lstm, 1, NN_LSTM_BIAS_IH) - 1 : n - 2;
    float was = w[at];

    w[at] = wrong[k / 3];
    g_assert_cmpint (nn_recurrent_weights (&net, w), ==, NN_WEIGHTS_F32);
    w[at] = was;
  }
  g_aligned_free (packed);
  nn_kernels_select (NULL);
}

/* All 65536 numbers, and those halfway between two. */
static void
test_half (void)
{
  for (guint i = 0; i < 0x10000; i++) {
    float f = nn_half_to_float ((guint16) i), next;

    if ((i & 0x7fff) > 0x7c00) {
      g_assert_true (isnan (f));
      g_assert_cmphex (nn_half_from_float (f) & 0x7e00, ==, 0x7e00);
      continue;
    }
    g_assert_cmphex (nn_half_from_float (f), ==, i);
    if ((i & 0x7fff) >= 0x7bff)
      continue;
    next = nn_half_to_float ((guint16) (i + 1));
    g_assert_cmphex (nn_half_from_float ((f + next) / 2.0f), ==, i & 1 ? i + 1 : i);
    g_assert_cmphex (nn_half_from_float (nextafterf ((f + next) / 2.0f, next)), ==, i + 1);
    g_assert_cmphex (nn_half_from_float (nextafterf ((f + next) / 2.0f, f)), ==, i);
  }
  g_assert_cmpfloat (nn_half_to_float (0x3c00), ==, 1.0);
  g_assert_cmpfloat (nn_half_to_float (0x7bff), ==, NN_HALF_MAX);
  g_assert_cmphex (nn_half_from_float (65519.0f), ==, 0x7bff);
  g_assert_cmphex (nn_half_from_float (65520.0f), ==, 0x7c00);
  g_assert_cmphex (nn_half_from_float (-INFINITY), ==, 0xfc00);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (sets); i++) {
    g_autofree char *products = g_strdup_printf ("/nn-packed/%s/products", sets[i]);
    g_autofree char *integers = g_strdup_printf ("/nn-packed/%s/integers", sets[i]);
    g_autofree char *recurrent = g_strdup_printf ("/nn-packed/%s/recurrent", sets[i]);
    g_autofree char *dense = g_strdup_printf ("/nn-packed/%s/dense", sets[i]);
    g_autofree char *networks = g_strdup_printf ("/nn-packed/%s/int16-networks", sets[i]);
    g_autofree char *found = g_strdup_printf ("/nn-packed/%s/half-found", sets[i]);

    if (nn_kernels_select (sets[i]) < 0)
      continue;
    g_test_add_data_func (products, sets[i], test_products);
    g_test_add_data_func (integers, sets[i], test_integers);
    g_test_add_data_func (recurrent, sets[i], test_recurrent);
    g_test_add_data_func (dense, sets[i], test_dense);
    g_test_add_data_func (networks, sets[i], test_int16_networks);
    g_test_add_data_func (found, sets[i], test_half_found);
  }
  nn_kernels_select (NULL);
  g_test_add_func ("/nn-packed/half", test_half);
  return g_test_run ();
}
