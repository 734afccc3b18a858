/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Weights laid out for the processor: the same numbers, the same results as the plain kernels, to the bit. */
#include <math.h>
#include <string.h>

#include "mlo-random.h"
#include "nn-half.h"
#include "nn-ops.h"
#include "nn-packed.h"

static const char *const sets[] = { "reference", "generic", "avx2", "avx512" };

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

/* Compared by value: a zero's sign may differ. */
static void
assert_same (const char *what, const float *got, const float *want, size_t n)
{
  for (size_t i = 0; i < n; i++)
    if (!(got[i] == want[i]))
      g_error ("%s with %s: %zu is %.9g, not %.9g", what, nn_kernels_name (), i, got[i], want[i]);
}

/* Every number of rows and columns around the vectors' widths, and larger ones by chance. */
static void
test_products (gconstpointer set)
{
  const NnOps *ops;
  MloRandom r;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  ops = nn_ops ();
  for (int round = 0; round < 18 * 34 + 60; round++) {
    const gboolean small = round < 18 * 34;
    const int rows = small ? 1 + round / 34 : (int) mlo_random_below (&r, 300) + 1;
    const int cols = small ? 1 + round % 34 : (int) mlo_random_below (&r, 512) + 1;
    const int n = small ? 1 + round % 3 : (int) mlo_random_below (&r, 40) + 1;
    const size_t count = (size_t) rows * (size_t) cols, out = (size_t) (rows * n);
    const size_t padded = (size_t) rows * (((size_t) cols + NN_PADDING - 1) / NN_PADDING * NN_PADDING);
    g_autofree float *w = random_new (count, 30.0, &r);
    g_autofree float *x = random_new ((size_t) (n * cols), 30.0, &r);
    g_autofree float *y = random_new (out + 1, 30.0, &r);
    g_autofree float *want = g_memdup2 (y, (out + 1) * sizeof *y);
    g_autofree float *half = g_memdup2 (y, (out + 1) * sizeof *y);
    g_autofree float *want_half = g_memdup2 (y, (out + 1) * sizeof *y);
    g_autofree float *back = g_new (float, count);

    for (int k = 0; k < NN_N_WEIGHTS; k++) {
      const NnRows *o = &ops->rows[k];
      const NnRows *plain = &nn_ops_reference.rows[k];
      void *packed = block_new ((padded * o->bytes + 63) / 64 * 64);
      float *got = k == NN_WEIGHTS_F32 ? y : half, *expected = k == NN_WEIGHTS_F32 ? want : want_half;

      o->pack (rows, cols, w, packed);
      o->unpack (rows, cols, packed, back);
      o->product (rows, cols, packed, n, x, got);
      for (size_t i = 0; i < count; i++)
        g_assert_true (back[i] == (k == NN_WEIGHTS_F32 ? w[i] : nn_half_to_float (nn_half_from_float (w[i]))));
      for (int s = 0; s < n; s++)
        ops->matvec (rows, cols, back, x + s * cols, expected + s * rows);
      assert_same (k == NN_WEIGHTS_F32 ? "product" : "product of 16-bit numbers", got, expected, out + 1);
      g_aligned_free (packed);

      /* And the reference, which adds in another order. */
      packed = block_new ((count * plain->bytes + 63) / 64 * 64);
      memset (expected, 0, out * sizeof *expected);
      memset (got, 0, out * sizeof *got);
      plain->pack (rows, cols, w, packed);
      plain->product (rows, cols, packed, n, x, expected);
      for (int s = 0; s < n; s++)
        ops->matvec (rows, cols, back, x + s * cols, got + s * rows);
      for (size_t i = 0; i < out; i++)
        g_assert_cmpfloat (fabs ((double) got[i] - (double) expected[i]), <=, 1e-6 * 900.0 * sqrt (cols));
      g_aligned_free (packed);
    }
  }
  nn_kernels_select (NULL);
}

static void
check_recurrent (const NnRecurrent * net, MloRandom * r)
{
  enum
  { STEPS = 35 };
  const size_t n = nn_recurrent_parameters (net), state = (size_t) (net->lstm.layers * net->lstm.hidden);
  const size_t outputs = (size_t) net->head.size[net->head.layers], bytes = n * sizeof (float);
  g_autofree float *w = random_new (n, 2.0, r);
  g_autofree float *x = random_new ((size_t) (STEPS * net->lstm.input), 2.0, r);
  g_autofree float *hc = g_new0 (float, 2 * state);
  g_autofree float *plain_hc = g_new0 (float, 2 * state);
  g_autofree float *scratch = g_new (float, nn_recurrent_packed_scratch (net, 1));
  g_autofree float *window_scratch = g_new (float, nn_recurrent_packed_scratch (net, STEPS));
  g_autofree float *plain_scratch = g_new (float, nn_recurrent_step_scratch (net));
  g_autofree float *back = g_new (float, n);
  g_autofree float *y = g_new (float, outputs);
  g_autofree float *want = g_new (float, outputs);
  void *packed = block_new (nn_recurrent_packed_size (net, NN_WEIGHTS_F32));

  for (size_t i = 0; i < n; i++)
    w[i] /= sqrtf ((float) net->lstm.hidden);
  nn_recurrent_pack (net, w, NN_WEIGHTS_F32, packed);
  nn_recurrent_unpack (net, packed, back);
  g_assert_cmpmem (back, bytes, w, bytes);
  for (int t = 0; t < STEPS; t++) {
    const float *now = x + t * net->lstm.input;

    nn_recurrent_packed_step (net, packed, now, hc, hc + state, y, scratch);
    nn_recurrent_step (net, w, now, plain_hc, plain_hc + state, want, plain_scratch);
    assert_same ("output", y, want, outputs);
    assert_same ("state", hc, plain_hc, 2 * state);
    /* A window of what has been so far is the same again. */
    nn_recurrent_packed_window (net, packed, x, t + 1, y, window_scratch);
    assert_same ("window", y, want, outputs);
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

    check_recurrent (&net, &r);
    net.lstm.input = 1 + (int) mlo_random_below (&r, 40);
    net.head.layers = 1;
    net.head.size[1] = 1 + (int) mlo_random_below (&r, 20);
    net.head.output = NN_OUTPUT_LINEAR;
    check_recurrent (&net, &r);
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

    nn_dense_pack (net, w, NN_WEIGHTS_F32, packed);
    nn_dense_unpack (net, packed, back);
    g_assert_cmpmem (back, bytes, w, bytes);
    for (int round = 0; round < 20; round++) {
      g_autofree float *x = random_new ((size_t) net->size[0], 3.0, &r);
      float y[17], want[17];

      nn_dense_packed_forward (net, packed, x, y, scratch);
      nn_dense_forward (net, w, x, 1, want, scratch);
      assert_same ("dense", y, want, outputs);
      /* What is not finite is seen at the output. */
      x[0] = NAN;
      nn_dense_packed_forward (net, packed, x, y, scratch);
      g_assert_true (isnan (y[0]));
    }
    g_aligned_free (packed);
  }
  nn_kernels_select (NULL);
}

/* Networks with numbers of 16 bits stay near those of 32 where weights are as training leaves them. */
static void
test_half_networks (gconstpointer set)
{
  const NnRecurrent net = { {10, 128, 2}, {3, {128, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  const size_t n = nn_recurrent_parameters (&net);
  g_autofree float *w = g_new (float, n);
  g_autofree float *hc = g_new0 (float, 4 * 256);
  g_autofree float *scratch = g_new (float, nn_recurrent_packed_scratch (&net, 1));
  void *packed, *half;
  MloRandom r;

  mlo_random_seed (&r, seed + 3);
  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  packed = block_new (nn_recurrent_packed_size (&net, NN_WEIGHTS_F32));
  half = block_new (nn_recurrent_packed_size (&net, NN_WEIGHTS_F16));
  for (size_t i = 0; i < n; i++)
    w[i] = (float) mlo_random_range (&r, -1.0, 1.0) / sqrtf (128.0f);
  nn_recurrent_pack (&net, w, NN_WEIGHTS_F32, packed);
  nn_recurrent_pack (&net, w, NN_WEIGHTS_F16, half);
  g_assert_cmpint (nn_recurrent_weights (&net, w), ==, NN_WEIGHTS_F32);
  for (int t = 0; t < 300; t++) {
    float x[10], y, z;

    for (int i = 0; i < 10; i++)
      x[i] = (float) mlo_random_range (&r, -0.5, 1.5);
    nn_recurrent_packed_step (&net, packed, x, hc, hc + 256, &y, scratch);
    nn_recurrent_packed_step (&net, half, x, hc + 512, hc + 768, &z, scratch);
    g_assert_cmpfloat (fabs ((double) y - (double) z), <=, 1e-4);
  }
  g_aligned_free (packed);
  g_aligned_free (half);
  nn_kernels_select (NULL);
}

/* Weights that are 16-bit numbers are found to be, and give the same bits either way. */
static void
test_half_exact (gconstpointer set)
{
  const NnRecurrent net = { {10, 24, 2}, {3, {24, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  const size_t n = nn_recurrent_parameters (&net), state = 48;
  g_autofree float *w = g_new (float, n);
  g_autofree float *hc = g_new0 (float, 4 * state);
  g_autofree float *scratch = g_new (float, nn_recurrent_packed_scratch (&net, 1));
  void *packed, *half;
  MloRandom r;

  mlo_random_seed (&r, seed + 5);
  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  packed = block_new (nn_recurrent_packed_size (&net, NN_WEIGHTS_F32));
  half = block_new (nn_recurrent_packed_size (&net, NN_WEIGHTS_F16));
  for (size_t i = 0; i < n; i++)
    w[i] = nn_half_to_float (nn_half_from_float ((float) mlo_random_range (&r, -0.3, 0.3)));
  /* biases stay as they are */
  w[nn_lstm_offset (&net.lstm, 1, NN_LSTM_BIAS_HH)] = 0.1f;
  w[n - 1] = 0.1f;
  g_assert_cmpint (nn_recurrent_weights (&net, w), ==, NN_WEIGHTS_F16);
  nn_recurrent_pack (&net, w, NN_WEIGHTS_F32, packed);
  nn_recurrent_pack (&net, w, NN_WEIGHTS_F16, half);
  for (int t = 0; t < 100; t++) {
    float x[10], y, z;

    for (int i = 0; i < 10; i++)
      x[i] = (float) mlo_random_range (&r, -0.5, 1.5);
    nn_recurrent_packed_step (&net, packed, x, hc, hc + state, &y, scratch);
    nn_recurrent_packed_step (&net, half, x, hc + 2 * state, hc + 3 * state, &z, scratch);
    assert_same ("16-bit numbers", &z, &y, 1);
  }
  /* One that is not, in each place a matrix has. */
  for (int k = 0; k < 3; k++) {
    size_t at = k == 0 ? 0 : k == 1 ? nn_lstm_offset (&net.lstm, 1, NN_LSTM_BIAS_IH) - 1 : n - 2;
    float was = w[at];

    w[at] = 0.1f;
    g_assert_cmpint (nn_recurrent_weights (&net, w), ==, NN_WEIGHTS_F32);
    w[at] = was;
  }
  g_aligned_free (packed);
  g_aligned_free (half);
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
    g_autofree char *recurrent = g_strdup_printf ("/nn-packed/%s/recurrent", sets[i]);
    g_autofree char *dense = g_strdup_printf ("/nn-packed/%s/dense", sets[i]);
    g_autofree char *half = g_strdup_printf ("/nn-packed/%s/half-networks", sets[i]);
    g_autofree char *exact = g_strdup_printf ("/nn-packed/%s/half-exact", sets[i]);

    if (nn_kernels_select (sets[i]) < 0)
      continue;
    g_test_add_data_func (products, sets[i], test_products);
    g_test_add_data_func (recurrent, sets[i], test_recurrent);
    g_test_add_data_func (dense, sets[i], test_dense);
    g_test_add_data_func (half, sets[i], test_half_networks);
    g_test_add_data_func (exact, sets[i], test_half_exact);
  }
  nn_kernels_select (NULL);
  g_test_add_func ("/nn-packed/half", test_half);
  return g_test_run ();
}
