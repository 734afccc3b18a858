/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Gradients against central differences of a second implementation in double precision, so that the differences
 * themselves are exact to about nine digits. Every parameter of small nets of odd shapes, in every instruction set. */
#include <math.h>
#include <string.h>

#include "mlo-random.h"
#include "nn-grad.h"

static const guint64 seed = 77;

static const char *const sets[] = { "reference", "generic", "avx2", "avx512", "avx512vnni" };

static double
sigmoid (double x)
{
  return 1.0 / (1.0 + exp (-x));
}

/* y (outputs) of dense layers. */
static void
slow_dense (const NnDense * n, const double *w, const double *x, double *y)
{
  double a[NN_MAX_WIDTH], b[NN_MAX_WIDTH];

  memcpy (a, x, (size_t) n->size[0] * sizeof *a);
  for (int l = 0; l < n->layers; l++) {
    int in = n->size[l], out = n->size[l + 1];

    for (int o = 0; o < out; o++) {
      double s = w[out * in + o];

      for (int i = 0; i < in; i++)
        s += w[o * in + i] * a[i];
      b[o] = l + 1 < n->layers ? MAX (s, 0.0) : n->output == NN_OUTPUT_SIGMOID ? sigmoid (s) : s;
    }
    w += out * (in + 1);
    memcpy (a, b, (size_t) out * sizeof *a);
  }
  memcpy (y, a, (size_t) n->size[n->layers] * sizeof *y);
}

/* sum over sequences, steps and outputs of y * d, d (steps, batch, outputs) or (batch, outputs): its gradient by the
 * parameters is what backward gives for dy = d. */
static double
slow_sum (const NnRecurrent * n, const double *w, int steps, int batch, NnSteps out, const float *x,
    const float *state, const float *d)
{
  const int H = n->lstm.hidden, L = n->lstm.layers, outputs = n->head.size[n->head.layers];
  double sum = 0.0;

  for (int b = 0; b < batch; b++) {
    double h[4][64], c[4][64];

    for (int l = 0; l < L; l++)
      for (int j = 0; j < H; j++) {
        int at = (l * batch + b) * H + j;

        h[l][j] = state ? (double) state[at] : 0.0;
        c[l][j] = state ? (double) state[L * batch * H + at] : 0.0;
      }
    for (int t = 0; t < steps; t++) {
      double in[64], y[8];
      const double *p = w;

      for (int i = 0; i < n->lstm.input; i++)
        in[i] = (double) x[(t * batch + b) * n->lstm.input + i];
      for (int l = 0; l < L; l++) {
        int width = l ? H : n->lstm.input;
        const double *w_ih = p, *w_hh = w_ih + 4 * H * width, *b_ih = w_hh + 4 * H * H, *b_hh = b_ih + 4 * H;
        double z[4 * 64];

        for (int r = 0; r < 4 * H; r++) {
          z[r] = b_ih[r] + b_hh[r];
          for (int i = 0; i < width; i++)
            z[r] += w_ih[r * width + i] * in[i];
          for (int i = 0; i < H; i++)
            z[r] += w_hh[r * H + i] * h[l][i];
        }
        for (int j = 0; j < H; j++) {
          c[l][j] = sigmoid (z[H + j]) * c[l][j] + sigmoid (z[j]) * tanh (z[2 * H + j]);
          h[l][j] = sigmoid (z[3 * H + j]) * tanh (c[l][j]);
        }
        memcpy (in, h[l], (size_t) H * sizeof *in);
        p = b_hh + 4 * H;
      }
      if (out == NN_EVERY_STEP || t == steps - 1) {
        slow_dense (&n->head, p, in, y);
        for (int o = 0; o < outputs; o++)
          sum += y[o] * (double) d[((out == NN_EVERY_STEP ? t * batch : 0) + b) * outputs + o];
      }
    }
  }
  return sum;
}

static float *
random_floats (size_t n, double range, MloRandom * r)
{
  float *v = g_new (float, n);

  for (size_t i = 0; i < n; i++)
    v[i] = (float) mlo_random_range (r, -range, range);
  return v;
}

static double *
widen (const float *v, size_t n)
{
  double *d = g_new (double, n);

  for (size_t i = 0; i < n; i++)
    d[i] = (double) v[i];
  return d;
}

/* Bound relative to the largest of both and to the gradient's own scale. */
static void
assert_gradient (const char *what, size_t at, double got, double slope, double largest)
{
  if (!isfinite (got) || !(fabs (got - slope) <= 2e-5 * (fabs (slope) + 0.1 * largest) + 1e-7))
    g_error ("%s: gradient of parameter %zu is %.9g, differences say %.9g", what, at, got, slope);
}

typedef struct
{
  NnRecurrent net;
  int steps, batch;
  NnSteps out;
  gboolean with_state;
} Row;

static const Row rows[] = {
  {{{10, 8, 1}, {3, {8, 6, 5, 1}, NN_OUTPUT_SIGMOID}}, 7, 3, NN_LAST_STEP, FALSE},
  {{{10, 8, 2}, {3, {8, 6, 5, 1}, NN_OUTPUT_SIGMOID}}, 5, 4, NN_EVERY_STEP, TRUE},
  {{{3, 5, 4}, {1, {5, 2}, NN_OUTPUT_LINEAR}}, 4, 2, NN_EVERY_STEP, FALSE},
  {{{10, 11, 2}, {2, {11, 9, 3}, NN_OUTPUT_LINEAR}}, 2, 9, NN_LAST_STEP, TRUE},
  {{{1, 1, 1}, {1, {1, 1}, NN_OUTPUT_SIGMOID}}, 1, 1, NN_EVERY_STEP, TRUE},
};

static void
test_recurrent (gconstpointer data)
{
  const char *set = data;
  MloRandom r;

  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  for (size_t k = 0; k < G_N_ELEMENTS (rows); k++) {
    const Row *row = &rows[k];
    const NnRecurrent *net = &row->net;
    const int outputs = net->head.size[net->head.layers];
    size_t n = nn_recurrent_parameters (net);
    size_t ys = (size_t) (row->batch * outputs * (row->out == NN_EVERY_STEP ? row->steps : 1));
    size_t tape_size = nn_recurrent_tape (net, row->steps, row->batch, row->out);
    g_autofree float *w = random_floats (n, 0.6, &r);
    g_autofree float *x = random_floats ((size_t) (row->steps * row->batch * net->lstm.input), 1.5, &r);
    g_autofree float *state = random_floats (nn_lstm_state (&net->lstm, row->batch), 0.9, &r);
    g_autofree float *d = random_floats (ys, 1.0, &r);
    g_autofree float *y = g_new (float, ys);
    g_autofree float *grad = random_floats (n, 1.0, &r);
    g_autofree float *before = g_memdup2 (grad, n * sizeof *grad);
    g_autofree float *tape = g_new (float, tape_size + 1);
    g_autofree double *wide = widen (w, n);
    const float *initial = row->with_state ? state : NULL;
    double largest = 0.0, sum = 0.0;

    tape[tape_size] = 123.0f;
    nn_recurrent_forward (net, w, row->steps, row->batch, row->out, x, initial, NULL, y, tape);
    for (size_t i = 0; i < ys; i++)
      sum += (double) y[i] * (double) d[i];
    g_assert_cmpfloat (fabs (sum - slow_sum (net, wide, row->steps, row->batch, row->out, x, initial, d)), <, 1e-5);
    nn_recurrent_backward (net, w, row->steps, row->batch, row->out, x, y, d, grad, tape);
    g_assert_cmpfloat (tape[tape_size], ==, 123.0f);
    for (size_t i = 0; i < n; i++)
      largest = MAX (largest, fabs ((double) grad[i] - (double) before[i]));
    for (size_t i = 0; i < n; i++) {
      const double step = 1e-5, was = wide[i];
      double up, down;

      wide[i] = was + step;
      up = slow_sum (net, wide, row->steps, row->batch, row->out, x, initial, d);
      wide[i] = was - step;
      down = slow_sum (net, wide, row->steps, row->batch, row->out, x, initial, d);
      wide[i] = was;
      /* Gradients add to what was there. */
      assert_gradient (set, i, (double) grad[i] - (double) before[i], (up - down) / (2.0 * step), largest);
    }
  }
}

static double
slow_dense_sum (const NnDense * n, const double *w, int batch, const double *x, const float *d)
{
  double sum = 0.0, y[NN_MAX_WIDTH];
  int outputs = n->size[n->layers];

  for (int b = 0; b < batch; b++) {
    slow_dense (n, w, x + b * n->size[0], y);
    for (int o = 0; o < outputs; o++)
      sum += y[o] * (double) d[b * outputs + o];
  }
  return sum;
}

static void
test_dense (gconstpointer data)
{
  static const NnDense nets[] = {
    {4, {15, 20, 18, 7, 9}, NN_OUTPUT_LINEAR},
    {1, {3, 2}, NN_OUTPUT_SIGMOID},
    {6, {4, 33, 5, 17, 8, 6, 1}, NN_OUTPUT_SIGMOID},
  };
  const char *set = data;
  const int batches[] = { 1, 5, 32 };
  MloRandom r;

  g_assert_cmpint (nn_kernels_select (set), ==, 0);
  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  for (size_t k = 0; k < G_N_ELEMENTS (nets) * G_N_ELEMENTS (batches); k++) {
    const NnDense *net = &nets[k % G_N_ELEMENTS (nets)];
    const int batch = batches[k / G_N_ELEMENTS (nets)];
    size_t n = nn_dense_parameters (net), xs = (size_t) (batch * net->size[0]);
    size_t ys = (size_t) (batch * net->size[net->layers]);
    g_autofree float *w = random_floats (n, 0.7, &r);
    g_autofree float *x = random_floats (xs, 1.5, &r);
    g_autofree float *d = random_floats (ys, 1.0, &r);
    g_autofree float *y = g_new (float, ys);
    g_autofree float *dx = g_new (float, xs);
    g_autofree float *grad = g_new0 (float, n);
    g_autofree float *again = g_new0 (float, n);
    g_autofree float *tape = g_new (float, nn_dense_tape (net, batch));
    g_autofree double *wide = widen (w, n);
    g_autofree double *wide_x = widen (x, xs);
    const double step = 1e-6;
    double largest = 0.0;

    nn_dense_forward_tape (net, w, batch, x, y, tape);
    nn_dense_backward (net, w, batch, x, y, d, grad, dx, tape);
    nn_dense_forward_tape (net, w, batch, x, y, tape);
    nn_dense_backward (net, w, batch, x, y, d, again, NULL, tape);
    g_assert_cmpmem (grad, n * sizeof *grad, again, n * sizeof *again);
    for (size_t i = 0; i < n; i++)
      largest = MAX (largest, fabs ((double) grad[i]));
    for (size_t i = 0; i < n + xs; i++) {
      double *v = i < n ? &wide[i] : &wide_x[i - n], was = *v, up, down;

      *v = was + step;
      up = slow_dense_sum (net, wide, batch, wide_x, d);
      *v = was - step;
      down = slow_dense_sum (net, wide, batch, wide_x, d);
      *v = was;
      assert_gradient (set, i, i < n ? (double) grad[i] : (double) dx[i - n], (up - down) / (2.0 * step), largest);
    }
  }
}

static void
test_losses (void)
{
  enum
  { N = 50 };
  float y[N], t[N], w[N], d[N], other[N];
  MloRandom r;

  mlo_random_seed (&r, seed);
  for (int i = 0; i < N; i++) {
    y[i] = (float) mlo_random_range (&r, -3.0, 3.0);
    t[i] = (float) mlo_random_range (&r, -3.0, 3.0);
    w[i] = (float) mlo_random_uniform (&r);
  }
  for (int kind = 0; kind < 3; kind++)
    for (int weighted = 0; weighted < 2; weighted++) {
      const float *weight = weighted ? w : NULL;

#define LOSS(V, D) (kind == 0 ? nn_loss_mse (N, V, t, weight, 0.02, D) \
    : kind == 1 ? nn_loss_huber (N, V, t, weight, 0.8, 0.02, D) \
    : nn_loss_quantile (N, V, t, weight, 0.3, 0.02, D))
      g_assert_cmpfloat (LOSS (y, d), ==, LOSS (y, NULL));
      memcpy (other, y, sizeof y);
      for (int i = 0; i < N; i++) {
        const float step = 0x1p-9f;
        double up, down;

        other[i] = y[i] + step;
        up = LOSS (other, NULL);
        other[i] = y[i] - step;
        down = LOSS (other, NULL);
        g_assert_cmpfloat (fabs ((up - down) / ((double) (y[i] + step) - (double) other[i]) - (double) d[i]), <, 1e-4);
        other[i] = y[i];
      }
#undef LOSS
    }
  /* By hand: tau 0.3; one too low by 2, one too high by 2. */
  y[0] = 1.0f, t[0] = 3.0f, y[1] = 5.0f, t[1] = 3.0f, y[2] = t[2] = 1.0f;
  g_assert_cmpfloat (fabs (nn_loss_quantile (3, y, t, NULL, 0.3, 1.0, d) - (0.6 + 1.4)), <, 1e-12);
  g_assert_cmpfloat (d[0], ==, -0.3f);
  g_assert_cmpfloat (d[1], ==, 0.7f);
  g_assert_cmpfloat (d[2], ==, 0.0f);
  g_assert_cmpfloat (fabs (nn_loss_huber (2, y, t, NULL, 1.0, 0.5, d) - 1.5), <, 1e-12);
  g_assert_cmpfloat (fabs (nn_loss_mse (2, y, t, NULL, 0.5, d) - 4.0), <, 1e-12);
  y[0] = NAN;
  g_assert_true (isnan (nn_loss_quantile (3, y, t, NULL, 0.3, 1.0, d)));
  g_assert_true (isnan (nn_loss_huber (3, y, t, NULL, 1.0, 1.0, d)));
}

static void
test_clip (void)
{
  float v[3] = { 3.0f, 0.0f, -4.0f };

  g_assert_cmpfloat (nn_norm (3, v), ==, 5.0);
  g_assert_cmpfloat (nn_clip_norm (3, v, 10.0), ==, 5.0);
  g_assert_cmpfloat (v[2], ==, -4.0f);
  g_assert_cmpfloat (nn_clip_norm (3, v, 1.0), ==, 5.0);
  g_assert_cmpfloat (fabs (nn_norm (3, v) - 1.0), <, 1e-6);
  v[1] = NAN;
  g_assert_true (isnan (nn_clip_norm (3, v, 0.1)));
  g_assert_cmpfloat (fabs (v[0] - 0.6), <, 1e-6);
}

/* The same work twice gives the same bits, wherever the buffers stand. */
static void
test_repeats (void)
{
  const NnRecurrent net = { {10, 40, 2}, {3, {40, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  enum
  { STEPS = 12, BATCH = 19, YS = STEPS * BATCH };
  size_t n = nn_recurrent_parameters (&net);
  g_autofree float *results = NULL;

  nn_kernels_select (NULL);
  for (int run = 0; run < 4; run++) {
    MloRandom r;
    g_autofree float *m = g_new0 (float, n);
    g_autofree float *v = g_new0 (float, n);
    g_autofree float *grad = g_new0 (float, n + (size_t) run);
    g_autofree float *tape = g_new (float, nn_recurrent_tape (&net, STEPS, BATCH, NN_EVERY_STEP) + (size_t) run);
    g_autofree float *w = NULL, *x = NULL;
    float y[YS], t[YS], d[YS];
    NnAdam adam = nn_adam_default;

    mlo_random_seed (&r, seed);
    w = random_floats (n, 0.2, &r);
    x = random_floats (YS * 10, 1.0, &r);
    memset (t, 0, sizeof t);
    for (int step = 0; step < 5; step++) {
      float *g = grad + run;

      memset (g, 0, n * sizeof *g);
      nn_recurrent_forward (&net, w, STEPS, BATCH, NN_EVERY_STEP, x, NULL, NULL, y, tape + run);
      nn_loss_quantile (YS, y, t, NULL, 0.3, 1.0 / YS, d);
      nn_recurrent_backward (&net, w, STEPS, BATCH, NN_EVERY_STEP, x, y, d, g, tape + run);
      nn_clip_norm (n, g, 0.1);
      nn_adam_update (&adam, n, w, g, m, v);
    }
    if (run == 0)
      results = g_steal_pointer (&w);
    else
      g_assert_cmpmem (w, n * sizeof *w, results, n * sizeof *w);
  }
}

/* The parts together learn: a running sum of the first input. */
static void
test_learns (void)
{
  const NnRecurrent net = { {2, 12, 1}, {2, {12, 8, 1}, NN_OUTPUT_SIGMOID} };
  enum
  { STEPS = 10, BATCH = 16, YS = STEPS * BATCH };
  size_t n = nn_recurrent_parameters (&net);
  MloRandom r;
  g_autofree float *w = NULL;
  g_autofree float *m = g_new0 (float, n);
  g_autofree float *v = g_new0 (float, n);
  g_autofree float *grad = g_new (float, n);
  g_autofree float *tape = g_new (float, nn_recurrent_tape (&net, STEPS, BATCH, NN_EVERY_STEP));
  NnAdam adam = nn_adam_default;
  double first = 0.0, loss = 0.0;

  nn_kernels_select (NULL);
  mlo_random_seed (&r, seed);
  w = random_floats (n, 0.3, &r);
  adam.rate = 1e-2;
  for (int step = 0; step < 400; step++) {
    float x[YS * 2], y[YS], t[YS], d[YS], sum[BATCH] = { 0 };

    for (int i = 0; i < YS; i++) {
      x[2 * i] = (float) mlo_random_uniform (&r);
      x[2 * i + 1] = (float) mlo_random_uniform (&r);
      sum[i % BATCH] += x[2 * i] / STEPS;
      t[i] = sum[i % BATCH];
    }
    nn_recurrent_forward (&net, w, STEPS, BATCH, NN_EVERY_STEP, x, NULL, NULL, y, tape);
    loss = nn_loss_mse (YS, y, t, NULL, 1.0 / YS, d);
    if (step == 0)
      first = loss;
    memset (grad, 0, n * sizeof *grad);
    nn_recurrent_backward (&net, w, STEPS, BATCH, NN_EVERY_STEP, x, y, d, grad, tape);
    nn_adam_update (&adam, n, w, grad, m, v);
  }
  g_test_message ("loss %g -> %g", first, loss);
  g_assert_cmpfloat (loss, <, 0.02 * first);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (size_t i = 0; i < G_N_ELEMENTS (sets); i++) {
    g_autofree char *recurrent = g_strdup_printf ("/nn-grad/%s/recurrent", sets[i]);
    g_autofree char *dense = g_strdup_printf ("/nn-grad/%s/dense", sets[i]);

    if (nn_kernels_select (sets[i]) < 0)
      continue;
    g_test_add_data_func (recurrent, sets[i], test_recurrent);
    g_test_add_data_func (dense, sets[i], test_dense);
  }
  nn_kernels_select (NULL);
  g_test_add_func ("/nn-grad/losses", test_losses);
  g_test_add_func ("/nn-grad/clip", test_clip);
  g_test_add_func ("/nn-grad/repeats", test_repeats);
  g_test_add_func ("/nn-grad/learns", test_learns);
  return g_test_run ();
}
