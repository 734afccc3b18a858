/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nn-grad.h"

#include <math.h>
#include <string.h>

#include "nn-ops.h"

/* clang-tidy takes offsets that it cannot calculate for the null pointer.
 * NOLINTBEGIN(clang-analyzer-core.NullDereference,clang-analyzer-core.NonNullParamChecker) */

static size_t
largest (size_t a, size_t b)
{
  return a > b ? a : b;
}

/* grad[j] += sum over the rows of d (rows, n) */
static void
add_column_sums (int rows, int n, const float *d, float *grad)
{
  for (int r = 0; r < rows; r++, d += n)
    for (int j = 0; j < n; j++)
      grad[j] += d[j];
}

/*
 * Dense layers. Tape: the output of every layer but the last (batch, size[l + 1]), two gradients of the widest layer
 * (batch, widest), the packed matrix.
 */
static size_t
dense_widest (const NnDense * n)
{
  size_t widest = 0;

  for (int l = 0; l <= n->layers; l++)
    widest = largest (widest, (size_t) n->size[l]);
  return widest;
}

static size_t
dense_packed (const NnDense * n)
{
  size_t packed = 0;

  for (int l = 0; l < n->layers; l++) {
    packed = largest (packed, nn_packed_size (n->size[l], n->size[l + 1]));
    packed = largest (packed, nn_packed_size (n->size[l + 1], n->size[l]));
    packed = largest (packed, nn_packed_size (NN_DEPTH, n->size[l]));
  }
  return packed;
}

size_t
nn_dense_tape (const NnDense * n, int batch)
{
  size_t floats = 2 * dense_widest (n);

  for (int l = 1; l < n->layers; l++)
    floats += (size_t) n->size[l];
  return floats * (size_t) batch + dense_packed (n);
}

void
nn_dense_forward_tape (const NnDense * n, const float *params, int batch, const float *x, float *y, float *tape)
{
  const NnOps *ops = nn_ops ();
  float *packed = tape + nn_dense_tape (n, batch) - dense_packed (n);

  for (int l = 0; l < n->layers; l++) {
    const int in = n->size[l], out = n->size[l + 1];
    const size_t count = (size_t) batch * (size_t) out;
    float *to = l + 1 < n->layers ? tape : y;

    ops->pack (in, out, params + nn_dense_weight_offset (n, l), 1, (size_t) in, packed);
    ops->gemm (batch, out, in, x, (size_t) in, packed, to, (size_t) out, NN_BIAS, params + nn_dense_bias_offset (n, l));
    if (l + 1 < n->layers) {
      /* Written so that NaN goes through. */
      for (size_t i = 0; i < count; i++)
        to[i] = to[i] < 0.0f ? 0.0f : to[i];
    } else if (n->output == NN_OUTPUT_SIGMOID) {
      ops->sigmoid (count, to);
    }
    x = to;
    tape += count;
  }
}

/*
 * With z = a W' + b and d = dL/dz:  dL/dW = d' a,  dL/db = sum of d,  dL/da = d W, which passes a ReLU where a > 0.
 */
void
nn_dense_backward (const NnDense * n, const float *params, int batch, const float *x, const float *y,
    const float *dy, float *grad, float *dx, float *tape)
{
  const NnOps *ops = nn_ops ();
  const size_t rows = (size_t) batch, widest = dense_widest (n);
  float *packed = tape + nn_dense_tape (n, batch) - dense_packed (n);
  float *d = packed - rows * widest, *spare = d - rows * widest;
  const float *a = spare;       /* goes down through the layers' outputs */
  const size_t outputs = rows * (size_t) n->size[n->layers];

  if (n->output == NN_OUTPUT_SIGMOID)
    for (size_t i = 0; i < outputs; i++)
      d[i] = dy[i] * y[i] * (1.0f - y[i]);
  else
    memcpy (d, dy, outputs * sizeof *d);
  for (int l = n->layers - 1; l >= 0; l--) {
    const int in = n->size[l], out = n->size[l + 1];
    const float *input;
    float *to;

    if (l > 0)
      a -= rows * (size_t) in;
    input = l > 0 ? a : x;
    ops->gemm_tn (out, in, batch, d, input, grad + nn_dense_weight_offset (n, l), packed);
    add_column_sums (batch, out, d, grad + nn_dense_bias_offset (n, l));
    if (l == 0 && !dx)
      break;
    to = l > 0 ? spare : dx;
    ops->pack (out, in, params + nn_dense_weight_offset (n, l), (size_t) in, 1, packed);
    ops->gemm (batch, in, out, d, (size_t) out, packed, to, (size_t) in, NN_SET, NULL);
    if (l > 0) {
      for (size_t i = 0; i < rows * (size_t) in; i++)
        to[i] = input[i] > 0.0f ? to[i] : 0.0f;
      spare = d;
      d = to;
    }
  }
}

/*
 * LSTM. Tape of each layer: gates (T, B, 4H), outputs with the initial one first (T + 1, B, H), cells likewise
 * (T + 1, B, H), tanh of the cells (T, B, H). Then what backward needs: dL/dh (T, B, H) twice, dL/dc (B, H); the packed
 * matrix; the head's tape.
 */
typedef struct
{
  float *gates, *h, *c, *tanh_c;
} LayerTape;

static size_t
layer_tape_size (const NnLstm * n, int steps, int batch)
{
  return (size_t) batch *(size_t) n->hidden * ((size_t) steps * 4 + 2 * ((size_t) steps + 1) + (size_t) steps);
}

static LayerTape
layer_tape (const NnLstm * n, int steps, int batch, int layer, float *tape)
{
  const size_t row = (size_t) batch * (size_t) n->hidden;
  LayerTape t;

  t.gates = tape + (size_t) layer *layer_tape_size (n, steps, batch);
  t.h = t.gates + row * 4 * (size_t) steps;
  t.c = t.h + row * ((size_t) steps + 1);
  t.tanh_c = t.c + row * ((size_t) steps + 1);
  return t;
}

static size_t
lstm_packed (const NnLstm * n)
{
  const int h = n->hidden;
  size_t packed = nn_packed_size (n->input, 4 * h);

  packed = largest (packed, nn_packed_size (h, 4 * h));
  packed = largest (packed, nn_packed_size (4 * h, h));
  packed = largest (packed, nn_packed_size (NN_DEPTH, n->input));
  return largest (packed, nn_packed_size (NN_DEPTH, h));
}

/* Where the parts stand that are not a layer's. */
typedef struct
{
  float *dh, *dh_below, *dc, *packed, *head;
  size_t size;
} TapeRest;

static TapeRest
tape_rest (const NnRecurrent * n, int steps, int batch, NnSteps out, float *tape)
{
  const size_t row = (size_t) batch * (size_t) n->lstm.hidden;
  const size_t layers = (size_t) n->lstm.layers * layer_tape_size (&n->lstm, steps, batch);
  TapeRest t;

  t.dh = tape ? tape + layers : NULL;
  t.dh_below = tape ? t.dh + row * (size_t) steps : NULL;
  t.dc = tape ? t.dh_below + row * (size_t) steps : NULL;
  t.packed = tape ? t.dc + row + 4 * (size_t) n->lstm.hidden : NULL;
  t.head = tape ? t.packed + lstm_packed (&n->lstm) : NULL;
  t.size = layers + 2 * row * (size_t) steps + row + 4 * (size_t) n->lstm.hidden + lstm_packed (&n->lstm)
      + nn_dense_tape (&n->head, out == NN_EVERY_STEP ? steps * batch : batch);
  return t;
}

size_t
nn_recurrent_tape (const NnRecurrent * n, int steps, int batch, NnSteps out)
{
  return tape_rest (n, steps, batch, out, NULL).size;
}

size_t
nn_lstm_state (const NnLstm * n, int batch)
{
  return 2 * (size_t) n->layers * (size_t) batch *(size_t) n->hidden;
}

void
nn_lstm_state_reset (const NnLstm * n, int batch, float *state, int row)
{
  const size_t h = (size_t) n->hidden;

  for (size_t i = 0; i < 2 * (size_t) n->layers; i++)
    memset (state + (i * (size_t) batch + (size_t) row) * h, 0, h * sizeof *state);
}

void
nn_recurrent_forward (const NnRecurrent * n, const float *params, int steps, int batch, NnSteps out, const float *x,
    const float *state, float *state_out, float *y, float *tape)
{
  const NnOps *ops = nn_ops ();
  const NnLstm *lstm = &n->lstm;
  const int h = lstm->hidden;
  const size_t row = (size_t) batch * (size_t) h;
  const size_t bytes = row * sizeof *tape;
  const size_t cells = (size_t) lstm->layers * row;     /* from a layer's h to its c in a state */
  const TapeRest rest = tape_rest (n, steps, batch, out, tape);
  float *bias = rest.dc + row;  /* (4H) */

  for (int l = 0; l < lstm->layers; l++) {
    const LayerTape t = layer_tape (lstm, steps, batch, l, tape);
    const float *b_ih = params + nn_lstm_offset (lstm, l, NN_LSTM_BIAS_IH);
    const float *b_hh = params + nn_lstm_offset (lstm, l, NN_LSTM_BIAS_HH);
    const int in = l ? h : lstm->input;

    if (state) {
      memcpy (t.h, state + (size_t) l * row, bytes);
      memcpy (t.c, state + cells + (size_t) l * row, bytes);
    } else {
      memset (t.h, 0, bytes);
      memset (t.c, 0, bytes);
    }
    for (int i = 0; i < 4 * h; i++)
      bias[i] = b_ih[i] + b_hh[i];
    /* The inputs of all steps at once, then step by step what depends on the step before. */
    ops->pack (in, 4 * h, params + nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_IH), 1, (size_t) in, rest.packed);
    ops->gemm (steps * batch, 4 * h, in, x, (size_t) in, rest.packed, t.gates, 4 * (size_t) h, NN_BIAS, bias);
    ops->pack (h, 4 * h, params + nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_HH), 1, (size_t) h, rest.packed);
    for (int s = 0; s < steps; s++) {
      float *z = t.gates + (size_t) s * 4 * row, *h_next = t.h + ((size_t) s + 1) * row;
      float *c_prev = t.c + (size_t) s * row, *tanh_c = t.tanh_c + (size_t) s *row;

      ops->gemm (batch, 4 * h, h, t.h + (size_t) s * row, (size_t) h, rest.packed, z, 4 * (size_t) h, NN_ADD, NULL);
      for (int b = 0; b < batch; b++) {
        size_t at = (size_t) b * (size_t) h;

        ops->cell (h, z + 4 * at, c_prev + at, c_prev + row + at, tanh_c + at, h_next + at);
      }
    }
    if (state_out) {
      memcpy (state_out + (size_t) l * row, t.h + (size_t) steps * row, bytes);
      memcpy (state_out + cells + (size_t) l * row, t.c + (size_t) steps * row, bytes);
    }
    x = t.h + row;
  }
  if (out == NN_LAST_STEP)
    nn_dense_forward_tape (&n->head, params + nn_lstm_parameters (lstm), batch, x + ((size_t) steps - 1) * row, y,
        rest.head);
  else
    nn_dense_forward_tape (&n->head, params + nn_lstm_parameters (lstm), steps * batch, x, y, rest.head);
}

void
nn_recurrent_backward (const NnRecurrent * n, const float *params, int steps, int batch, NnSteps out, const float *x,
    const float *y, const float *dy, float *grad, float *tape)
{
  const NnOps *ops = nn_ops ();
  const NnLstm *lstm = &n->lstm;
  const int h = lstm->hidden;
  const size_t row = (size_t) batch * (size_t) h, last = ((size_t) steps - 1) * row;
  const size_t head = nn_lstm_parameters (lstm);
  const TapeRest rest = tape_rest (n, steps, batch, out, tape);
  const LayerTape top = layer_tape (lstm, steps, batch, lstm->layers - 1, tape);
  float *dh = rest.dh, *below = rest.dh_below, *bias = rest.dc + row;   /* bias (4H) */

  if (out == NN_LAST_STEP) {
    memset (dh, 0, last * sizeof *dh);
    nn_dense_backward (&n->head, params + head, batch, top.h + row + last, y, dy, grad + head, dh + last, rest.head);
  } else {
    nn_dense_backward (&n->head, params + head, steps * batch, top.h + row, y, dy, grad + head, dh, rest.head);
  }
  for (int l = lstm->layers - 1; l >= 0; l--) {
    const LayerTape t = layer_tape (lstm, steps, batch, l, tape);
    const int in = l ? h : lstm->input;
    const float *input = l ? layer_tape (lstm, steps, batch, l - 1, tape).h + row : x;
    float *b_ih = grad + nn_lstm_offset (lstm, l, NN_LSTM_BIAS_IH);
    float *b_hh = grad + nn_lstm_offset (lstm, l, NN_LSTM_BIAS_HH);

    memset (rest.dc, 0, row * sizeof *rest.dc);
    ops->pack (4 * h, h, params + nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_HH), (size_t) h, 1, rest.packed);
    for (int s = steps - 1; s >= 0; s--) {
      float *z = t.gates + (size_t) s * 4 * row;
      const size_t step = (size_t) s * row;

      for (int b = 0; b < batch; b++) {
        size_t at = (size_t) b * (size_t) h;

        ops->cell_grad (h, z + 4 * at, t.c + step + at, t.tanh_c + step + at, dh + step + at, rest.dc + at);
      }
      if (s > 0)
        ops->gemm (batch, h, 4 * h, z, 4 * (size_t) h, rest.packed, dh + step - row, (size_t) h, NN_ADD, NULL);
    }
    ops->gemm_tn (4 * h, in, steps * batch, t.gates, input, grad + nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_IH),
        rest.packed);
    ops->gemm_tn (4 * h, h, steps * batch, t.gates, t.h, grad + nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_HH),
        rest.packed);
    /* Both biases enter z alike. */
    memset (bias, 0, 4 * (size_t) h * sizeof *bias);
    add_column_sums (steps * batch, 4 * h, t.gates, bias);
    for (int i = 0; i < 4 * h; i++) {
      b_ih[i] += bias[i];
      b_hh[i] += bias[i];
    }
    if (l > 0) {
      float *swap = dh;

      ops->pack (4 * h, h, params + nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_IH), (size_t) h, 1, rest.packed);
      ops->gemm (steps * batch, h, 4 * h, t.gates, 4 * (size_t) h, rest.packed, below, (size_t) h, NN_SET, NULL);
      dh = below;
      below = swap;
    }
  }
}

double
nn_loss_mse (size_t n, const float *y, const float *target, const float *weight, double scale, float *dy)
{
  double sum = 0.0;

  for (size_t i = 0; i < n; i++) {
    double e = (double) y[i] - (double) target[i], w = weight ? (double) weight[i] : 1.0;

    sum += w * e * e;
    if (dy)
      dy[i] = (float) (scale * w * 2.0 * e);
  }
  return scale * sum;
}

double
nn_loss_huber (size_t n, const float *y, const float *target, const float *weight, double delta, double scale,
    float *dy)
{
  double sum = 0.0;

  for (size_t i = 0; i < n; i++) {
    double e = (double) y[i] - (double) target[i], w = weight ? (double) weight[i] : 1.0;

    if (fabs (e) <= delta) {
      sum += w * 0.5 * e * e;
      if (dy)
        dy[i] = (float) (scale * w * e);
    } else {
      sum += w * delta * (fabs (e) - 0.5 * delta);
      if (dy)
        dy[i] = (float) (scale * w * copysign (delta, e));
    }
  }
  return scale * sum;
}

double
nn_loss_quantile (size_t n, const float *y, const float *target, const float *weight, double tau, double scale,
    float *dy)
{
  double sum = 0.0;

  for (size_t i = 0; i < n; i++) {
    double e = (double) target[i] - (double) y[i], w = weight ? (double) weight[i] : 1.0;
    double slope = e > 0.0 ? tau : e < 0.0 ? tau - 1.0 : e;     /* 0, or NaN */

    sum += w * slope * e;
    if (dy)
      dy[i] = (float) (-scale * w * slope);
  }
  return scale * sum;
}

double
nn_norm (size_t n, const float *v)
{
  /* Eight sums, as one would wait for each addition. */
  double sums[8] = { 0.0 };
  size_t i = 0;

  for (; i + 8 <= n; i += 8)
    for (size_t k = 0; k < 8; k++)
      sums[k] += (double) v[i + k] * (double) v[i + k];
  for (; i < n; i++)
    sums[0] += (double) v[i] * (double) v[i];
  return sqrt (((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7])));
}

double
nn_clip_norm (size_t n, float *grad, double max_norm)
{
  double norm = nn_norm (n, grad);

  if (isfinite (norm) && norm > max_norm) {
    float factor = (float) (max_norm / norm);

    for (size_t i = 0; i < n; i++)
      grad[i] *= factor;
  }
  return norm;
}

const NnAdam nn_adam_default = { 1e-3, 0.9, 0.999, 1e-8, 0.0, 0 };

void
nn_adam_update (NnAdam * a, size_t n, float *params, const float *grad, float *m, float *v)
{
  double c1, c2;

  a->step++;
  c1 = 1.0 - pow (a->beta1, (double) a->step);
  c2 = 1.0 - pow (a->beta2, (double) a->step);
  /* m / c1 / (sqrt (v / c2) + eps) with the corrections taken out of the loop */
  nn_ops ()->adam (n, params, grad, m, v, (float) (a->rate * a->decay), (float) a->beta1, (float) a->beta2,
      (float) (a->rate / c1), (float) (1.0 / sqrt (c2)), (float) a->epsilon);
}

/* NOLINTEND(clang-analyzer-core.NullDereference,clang-analyzer-core.NonNullParamChecker) */
