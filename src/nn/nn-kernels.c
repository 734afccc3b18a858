/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nn-kernels.h"

#include <string.h>

#include "nn-ops.h"

/* Below this many rows one pass over the matrix a row is cheaper than packing it first. */
#define SMALL_BATCH 4

static const NnOps *current;

static int
runs_here (const NnOps * ops)
{
#ifdef NN_HAVE_X86_OPS
  if (ops == &nn_ops_avx512vnni)
    return __builtin_cpu_supports ("avx512vnni") && runs_here (&nn_ops_avx512);
  if (ops == &nn_ops_avx512)
    return __builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512dq")
        && __builtin_cpu_supports ("avx512vl") && __builtin_cpu_supports ("avx512bw")
        && __builtin_cpu_supports ("fma");
  if (ops == &nn_ops_avx2)
    return __builtin_cpu_supports ("avx2") && __builtin_cpu_supports ("fma");
#endif
  return ops != NULL;
}

static const NnOps *const all_ops[] = {
#ifdef NN_HAVE_X86_OPS
  &nn_ops_avx512vnni, &nn_ops_avx512, &nn_ops_avx2,
#endif
  &nn_ops_generic, &nn_ops_reference
};

#define N_OPS (sizeof all_ops / sizeof all_ops[0])

/* Two threads that come here first at once choose the same. */
const NnOps *
nn_ops (void)
{
  const NnOps *ops = __atomic_load_n (&current, __ATOMIC_RELAXED);

  if (!ops) {
    size_t i = 0;

    while (!runs_here (all_ops[i]))
      i++;
    ops = all_ops[i];
    __atomic_store_n (&current, ops, __ATOMIC_RELAXED);
  }
  return ops;
}

const char *
nn_kernels_name (void)
{
  return nn_ops ()->name;
}

int
nn_kernels_select (const char *name)
{
  if (!name) {
    __atomic_store_n (&current, NULL, __ATOMIC_RELAXED);
    return 0;
  }
  for (size_t i = 0; i < N_OPS; i++)
    if (strcmp (all_ops[i]->name, name) == 0 && runs_here (all_ops[i])) {
      __atomic_store_n (&current, all_ops[i], __ATOMIC_RELAXED);
      return 0;
    }
  return -1;
}

static int
width_valid (int n)
{
  return n >= 1 && n <= NN_MAX_WIDTH;
}

int
nn_lstm_valid (const NnLstm * n)
{
  return width_valid (n->input) && width_valid (n->hidden) && n->layers >= 1 && n->layers <= NN_MAX_LSTM_LAYERS;
}

int
nn_dense_valid (const NnDense * n)
{
  if (n->layers < 1 || n->layers > NN_MAX_DENSE_LAYERS)
    return 0;
  for (int i = 0; i <= n->layers; i++)
    if (!width_valid (n->size[i]))
      return 0;
  return n->output == NN_OUTPUT_LINEAR || n->output == NN_OUTPUT_SIGMOID;
}

int
nn_recurrent_valid (const NnRecurrent * n)
{
  return nn_lstm_valid (&n->lstm) && nn_dense_valid (&n->head) && n->head.size[0] == n->lstm.hidden;
}

size_t
nn_lstm_offset (const NnLstm * n, int layer, NnLstmTensor tensor)
{
  size_t h = (size_t) n->hidden, input = (size_t) (layer ? n->hidden : n->input), at = 0;

  if (layer > 0)
    at = 4 * h * ((size_t) n->input + h + 2) + (size_t) (layer - 1) * 4 * h * (h + h + 2);
  switch (tensor) {
    case NN_LSTM_BIAS_HH:
      at += 4 * h;
      /* fall through */
    case NN_LSTM_BIAS_IH:
      at += 4 * h * h;
      /* fall through */
    case NN_LSTM_WEIGHT_HH:
      at += 4 * h * input;
      /* fall through */
    case NN_LSTM_WEIGHT_IH:
      break;
  }
  return at;
}

size_t
nn_lstm_parameters (const NnLstm * n)
{
  return nn_lstm_offset (n, n->layers, NN_LSTM_WEIGHT_IH);
}

size_t
nn_dense_weight_offset (const NnDense * n, int layer)
{
  size_t at = 0;

  for (int i = 0; i < layer; i++)
    at += (size_t) n->size[i + 1] * ((size_t) n->size[i] + 1);
  return at;
}

size_t
nn_dense_bias_offset (const NnDense * n, int layer)
{
  return nn_dense_weight_offset (n, layer) + (size_t) n->size[layer + 1] * (size_t) n->size[layer];
}

size_t
nn_dense_parameters (const NnDense * n)
{
  return nn_dense_weight_offset (n, n->layers);
}

size_t
nn_recurrent_parameters (const NnRecurrent * n)
{
  return nn_lstm_parameters (&n->lstm) + nn_dense_parameters (&n->head);
}

size_t
nn_lstm_step_scratch (const NnLstm * n)
{
  return 4 * (size_t) n->hidden;
}

static size_t
largest (size_t a, size_t b)
{
  return a > b ? a : b;
}

size_t
nn_dense_forward_scratch (const NnDense * n, int batch)
{
  size_t widest = 0, packed = 0;

  for (int i = 0; i < n->layers; i++) {
    widest = largest (widest, (size_t) n->size[i + 1]);
    packed = largest (packed, nn_packed_size (n->size[i], n->size[i + 1]));
  }
  return 2 * widest * (size_t) batch + (batch < SMALL_BATCH ? 0 : packed);
}

size_t
nn_recurrent_step_scratch (const NnRecurrent * n)
{
  return largest (nn_lstm_step_scratch (&n->lstm), nn_dense_forward_scratch (&n->head, 1));
}

size_t
nn_recurrent_window_scratch (const NnRecurrent * n)
{
  return 2 * (size_t) n->lstm.layers * (size_t) n->lstm.hidden + nn_recurrent_step_scratch (n);
}

/* z = W_ih x + b_ih + W_hh h + b_hh, then the cell, layer after layer. */
void
nn_lstm_step (const NnLstm * n, const float *params, const float *x, float *h, float *c, float *scratch)
{
  const NnOps *ops = nn_ops ();
  const int hidden = n->hidden;

  for (int l = 0; l < n->layers; l++) {
    const float *b_ih = params + nn_lstm_offset (n, l, NN_LSTM_BIAS_IH);
    const float *b_hh = params + nn_lstm_offset (n, l, NN_LSTM_BIAS_HH);

    for (int i = 0; i < 4 * hidden; i++)
      scratch[i] = b_ih[i] + b_hh[i];
    ops->matvec (4 * hidden, l ? hidden : n->input, params + nn_lstm_offset (n, l, NN_LSTM_WEIGHT_IH), x, scratch);
    ops->matvec (4 * hidden, hidden, params + nn_lstm_offset (n, l, NN_LSTM_WEIGHT_HH), h, scratch);
    ops->cell (hidden, scratch, c, c, NULL, h);
    x = h;
    h += hidden;
    c += hidden;
  }
}

void
nn_dense_forward (const NnDense * n, const float *params, const float *x, int batch, float *y, float *scratch)
{
  const NnOps *ops = nn_ops ();
  size_t widest = 0;
  float *buffer[2], *packed;

  for (int i = 1; i <= n->layers; i++)
    widest = largest (widest, (size_t) n->size[i]);
  buffer[0] = scratch;
  buffer[1] = scratch + widest * (size_t) batch;
  packed = buffer[1] + widest * (size_t) batch;
  for (int l = 0; l < n->layers; l++) {
    const int in = n->size[l], out = n->size[l + 1];
    const float *w = params + nn_dense_weight_offset (n, l), *bias = params + nn_dense_bias_offset (n, l);
    float *to = l + 1 < n->layers ? buffer[l & 1] : y;
    size_t count = (size_t) batch * (size_t) out;

    if (batch < SMALL_BATCH) {
      for (int b = 0; b < batch; b++) {
        float *row = to + (size_t) b * (size_t) out;

        memcpy (row, bias, (size_t) out * sizeof *row);
        ops->matvec (out, in, w, x + (size_t) b * (size_t) in, row);
      }
    } else {
      ops->pack (in, out, w, 1, (size_t) in, packed);
      ops->gemm (batch, out, in, x, (size_t) in, packed, to, (size_t) out, NN_BIAS, bias);
    }
    if (l + 1 < n->layers) {
      /* Written so that NaN goes through. */
      for (size_t i = 0; i < count; i++)
        to[i] = to[i] < 0.0f ? 0.0f : to[i];
    } else if (n->output == NN_OUTPUT_SIGMOID) {
      ops->sigmoid (count, to);
    }
    x = to;
  }
}

void
nn_recurrent_step (const NnRecurrent * n, const float *params, const float *x, float *h, float *c, float *y,
    float *scratch)
{
  nn_lstm_step (&n->lstm, params, x, h, c, scratch);
  nn_dense_forward (&n->head, params + nn_lstm_parameters (&n->lstm),
      h + (size_t) (n->lstm.layers - 1) * (size_t) n->lstm.hidden, 1, y, scratch);
}

void
nn_recurrent_window (const NnRecurrent * n, const float *params, const float *x, int steps, float *y, float *scratch)
{
  const size_t state = (size_t) n->lstm.layers * (size_t) n->lstm.hidden;
  float *h = scratch, *c = scratch + state;

  scratch += 2 * state;
  memset (h, 0, 2 * state * sizeof *h);
  for (int t = 0; t < steps; t++)
    nn_lstm_step (&n->lstm, params, x + (size_t) t * (size_t) n->lstm.input, h, c, scratch);
  nn_dense_forward (&n->head, params + nn_lstm_parameters (&n->lstm), h + state - (size_t) n->lstm.hidden, 1, y,
      scratch);
}
