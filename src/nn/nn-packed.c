/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A packed block: the header; for each LSTM layer b_ih + b_hh (4H), W_ih, W_hh; for each dense layer its bias and W;
 * then, for unpacking alone, the LSTM's biases. Each part begins at a multiple of the alignment.
 */
#include "nn-packed.h"

#include <math.h>
#include <string.h>

#include "nn-half.h"
#include "nn-ops.h"

#define FEW_ROWS 16

typedef struct
{
  const NnOps *ops;
  NnWeights weights;
} Header;

static size_t
aligned (size_t bytes)
{
  return (bytes + NN_PACKED_ALIGNMENT - 1) / NN_PACKED_ALIGNMENT * NN_PACKED_ALIGNMENT;
}

/* Where the next part stands; the parts are met in the order above. */
typedef struct
{
  const NnRows *kinds;          /* by NnWeights */
  NnWeights weights;            /* of the matrices but the next, where that is the first */
  int first;
  size_t at;
} Cursor;

static Cursor
cursor (const NnOps * ops, NnWeights weights)
{
  return (Cursor) {
  ops->rows, weights, 1, aligned (sizeof (Header))};
}

static Cursor
cursor_of (const void *packed)
{
  const Header *header = packed;

  return cursor (header->ops, header->weights);
}

typedef struct
{
  const NnRows *rows;
  size_t at;
} Matrix;

/* The first matrix stays F32, as features of unlike size cannot share a scale, and so does one of few rows, which would
 * be padded to several times its size: the outputs'. */
static Matrix
pass_matrix (Cursor * c, int rows, int cols)
{
  Matrix m = { &c->kinds[c->first || rows < FEW_ROWS ? NN_WEIGHTS_F32 : c->weights], c->at };

  c->first = 0;
  c->at += aligned (m.rows->size (rows, cols));
  return m;
}

static size_t
pass_vector (Cursor * c, int n)
{
  size_t here = c->at;

  c->at += aligned ((size_t) n * sizeof (float));
  return here;
}

static int
layer_input (const NnLstm * n, int layer)
{
  return layer ? n->hidden : n->input;
}

static void
pass_dense (const NnDense * n, Cursor * c)
{
  for (int l = 0; l < n->layers; l++) {
    pass_vector (c, n->size[l + 1]);
    pass_matrix (c, n->size[l + 1], n->size[l]);
  }
}

static void
pass_lstm (const NnLstm * n, Cursor * c)
{
  for (int l = 0; l < n->layers; l++) {
    pass_vector (c, 4 * n->hidden);
    pass_matrix (c, 4 * n->hidden, layer_input (n, l));
    pass_matrix (c, 4 * n->hidden, n->hidden);
  }
}

size_t
nn_recurrent_packed_size (const NnRecurrent * n, NnWeights weights)
{
  Cursor c = cursor (nn_ops (), weights);

  pass_lstm (&n->lstm, &c);
  pass_dense (&n->head, &c);
  for (int l = 0; l < n->lstm.layers; l++)
    pass_vector (&c, 8 * n->lstm.hidden);
  return c.at;
}

size_t
nn_dense_packed_size (const NnDense * n, NnWeights weights)
{
  Cursor c = cursor (nn_ops (), weights);

  pass_dense (n, &c);
  return c.at;
}

static int
are_half (const float *w, size_t n)
{
  size_t i = 0;

  while (i < n && fabsf (w[i]) <= NN_HALF_MAX && nn_half_to_float (nn_half_from_float (w[i])) == w[i])
    i++;
  return i == n;
}

NnWeights
nn_dense_weights (const NnDense * n, const float *params)
{
  for (int l = 0; l < n->layers; l++)
    if (!are_half (params + nn_dense_weight_offset (n, l), (size_t) n->size[l] * (size_t) n->size[l + 1]))
      return NN_WEIGHTS_F32;
  return NN_WEIGHTS_INT16;
}

NnWeights
nn_recurrent_weights (const NnRecurrent * n, const float *params)
{
  const NnLstm *lstm = &n->lstm;

  for (int l = 0; l < lstm->layers; l++) {
    /* both matrices of a layer, which stand one after the other */
    size_t from = nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_IH), to = nn_lstm_offset (lstm, l, NN_LSTM_BIAS_IH);

    if (!are_half (params + from, to - from))
      return NN_WEIGHTS_F32;
  }
  return nn_dense_weights (&n->head, params + nn_lstm_parameters (lstm));
}

static Cursor
start (NnWeights weights, void *packed)
{
  Header header = { nn_ops (), weights };

  memset (packed, 0, aligned (sizeof header));
  memcpy (packed, &header, sizeof header);
  return cursor (header.ops, weights);
}

static void
pack_dense (const NnDense * n, const float *params, Cursor * c, char *to)
{
  for (int l = 0; l < n->layers; l++) {
    const int in = n->size[l], out = n->size[l + 1];
    Matrix w;

    memcpy (to + pass_vector (c, out), params + nn_dense_bias_offset (n, l), (size_t) out * sizeof (float));
    w = pass_matrix (c, out, in);
    w.rows->pack (out, in, params + nn_dense_weight_offset (n, l), to + w.at);
  }
}

void
nn_recurrent_pack (const NnRecurrent * n, const float *params, NnWeights weights, void *packed)
{
  const NnLstm *lstm = &n->lstm;
  const int gates = 4 * lstm->hidden;
  Cursor c = start (weights, packed);
  char *to = packed;

  for (int l = 0; l < lstm->layers; l++) {
    const float *b_ih = params + nn_lstm_offset (lstm, l, NN_LSTM_BIAS_IH);
    const float *b_hh = params + nn_lstm_offset (lstm, l, NN_LSTM_BIAS_HH);
    const int in = layer_input (lstm, l);
    float *bias = (float *) (to + pass_vector (&c, gates));
    Matrix w_ih, w_hh;

    for (int i = 0; i < gates; i++)
      bias[i] = b_ih[i] + b_hh[i];
    w_ih = pass_matrix (&c, gates, in);
    w_hh = pass_matrix (&c, gates, lstm->hidden);
    w_ih.rows->pack (gates, in, params + nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_IH), to + w_ih.at);
    w_hh.rows->pack (gates, lstm->hidden, params + nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_HH), to + w_hh.at);
  }
  pack_dense (&n->head, params + nn_lstm_parameters (lstm), &c, to);
  for (int l = 0; l < lstm->layers; l++)
    memcpy (to + pass_vector (&c, 2 * gates), params + nn_lstm_offset (lstm, l, NN_LSTM_BIAS_IH),
        2 * (size_t) gates * sizeof *params);
}

void
nn_dense_pack (const NnDense * n, const float *params, NnWeights weights, void *packed)
{
  Cursor c = start (weights, packed);

  pack_dense (n, params, &c, packed);
}

static void
unpack_dense (const NnDense * n, const char *from, Cursor * c, float *params)
{
  for (int l = 0; l < n->layers; l++) {
    const int in = n->size[l], out = n->size[l + 1];
    Matrix w;

    memcpy (params + nn_dense_bias_offset (n, l), from + pass_vector (c, out), (size_t) out * sizeof *params);
    w = pass_matrix (c, out, in);
    w.rows->unpack (out, in, from + w.at, params + nn_dense_weight_offset (n, l));
  }
}

void
nn_recurrent_unpack (const NnRecurrent * n, const void *packed, float *params)
{
  const NnLstm *lstm = &n->lstm;
  const int gates = 4 * lstm->hidden;
  const char *from = packed;
  Cursor c = cursor_of (packed);

  for (int l = 0; l < lstm->layers; l++) {
    const int in = layer_input (lstm, l);
    Matrix w_ih, w_hh;

    pass_vector (&c, gates);
    w_ih = pass_matrix (&c, gates, in);
    w_hh = pass_matrix (&c, gates, lstm->hidden);
    w_ih.rows->unpack (gates, in, from + w_ih.at, params + nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_IH));
    w_hh.rows->unpack (gates, lstm->hidden, from + w_hh.at, params + nn_lstm_offset (lstm, l, NN_LSTM_WEIGHT_HH));
  }
  unpack_dense (&n->head, from, &c, params + nn_lstm_parameters (lstm));
  for (int l = 0; l < lstm->layers; l++)
    memcpy (params + nn_lstm_offset (lstm, l, NN_LSTM_BIAS_IH), from + pass_vector (&c, 2 * gates),
        2 * (size_t) gates * sizeof *params);
}

void
nn_dense_unpack (const NnDense * n, const void *packed, float *params)
{
  Cursor c = cursor_of (packed);

  unpack_dense (n, packed, &c, params);
}

size_t
nn_dense_packed_scratch (const NnDense * n)
{
  return nn_dense_forward_scratch (n, 1);
}

size_t
nn_recurrent_packed_scratch (const NnRecurrent * n, int steps)
{
  /* gates and outputs of all steps, the cells */
  size_t window = ((size_t) steps * 5 + 1) * (size_t) n->lstm.hidden, head = nn_dense_packed_scratch (&n->head);

  return window + head;
}

static void
forward_dense (const NnDense * n, const NnOps * ops, const char *from, Cursor * c, const float *x, float *y,
    float *scratch)
{
  size_t widest = 0;

  for (int l = 1; l <= n->layers; l++)
    widest = (size_t) n->size[l] > widest ? (size_t) n->size[l] : widest;
  for (int l = 0; l < n->layers; l++) {
    const int in = n->size[l], out = n->size[l + 1];
    const float *bias = (const float *) (from + pass_vector (c, out));
    const Matrix w = pass_matrix (c, out, in);
    float *to = l + 1 < n->layers ? scratch + (l & 1 ? widest : 0) : y;

    memcpy (to, bias, (size_t) out * sizeof *to);
    w.rows->product (out, in, from + w.at, 1, x, to);
    if (l + 1 < n->layers) {
      /* Written so that NaN goes through. */
      for (int i = 0; i < out; i++)
        to[i] = to[i] < 0.0f ? 0.0f : to[i];
    } else if (n->output == NN_OUTPUT_SIGMOID) {
      ops->sigmoid ((size_t) out, to);
    }
    x = to;
  }
}

void
nn_dense_packed_forward (const NnDense * n, const void *packed, const float *x, float *y, float *scratch)
{
  const Header *header = packed;
  Cursor c = cursor_of (packed);

  forward_dense (n, header->ops, packed, &c, x, y, scratch);
}

/* z = W_ih x + b_ih + W_hh h + b_hh, then the cell, layer after layer. */
void
nn_recurrent_packed_step (const NnRecurrent * n, const void *packed, const float *x, float *h, float *c, float *y,
    float *scratch)
{
  const NnOps *ops = ((const Header *) packed)->ops;
  const int hidden = n->lstm.hidden, gates = 4 * hidden;
  const char *from = packed;
  Cursor at = cursor_of (packed);

  for (int l = 0; l < n->lstm.layers; l++) {
    const int in = layer_input (&n->lstm, l);
    const char *bias = from + pass_vector (&at, gates);
    const Matrix w_ih = pass_matrix (&at, gates, in), w_hh = pass_matrix (&at, gates, hidden);

    memcpy (scratch, bias, (size_t) gates * sizeof *scratch);
    w_ih.rows->product (gates, in, from + w_ih.at, 1, x, scratch);
    w_hh.rows->product (gates, hidden, from + w_hh.at, 1, h, scratch);
    ops->cell (hidden, scratch, c, c, NULL, h);
    x = h;
    h += hidden;
    c += hidden;
  }
  forward_dense (&n->head, ops, from, &at, x, y, scratch);
}

/* As a step, but the input's products of a layer for all steps at once: only W_hh h waits for the step before. */
void
nn_recurrent_packed_window (const NnRecurrent * n, const void *packed, const float *x, int steps, float *y,
    float *scratch)
{
  const NnOps *ops = ((const Header *) packed)->ops;
  const int hidden = n->lstm.hidden, gates = 4 * hidden;
  const char *from = packed;
  Cursor at = cursor_of (packed);
  float *z = scratch, *h = z + (size_t) steps * (size_t) gates, *c = h + (size_t) steps *(size_t) hidden;

  for (int l = 0; l < n->lstm.layers; l++) {
    const int in = layer_input (&n->lstm, l);
    const char *bias = from + pass_vector (&at, gates);
    const Matrix w_ih = pass_matrix (&at, gates, in), w_hh = pass_matrix (&at, gates, hidden);

    for (int t = 0; t < steps; t++)
      memcpy (z + (size_t) t * (size_t) gates, bias, (size_t) gates * sizeof *z);
    w_ih.rows->product (gates, in, from + w_ih.at, steps, x, z);
    memset (c, 0, (size_t) hidden * sizeof *c);
    for (int t = 0; t < steps; t++) {
      float *now = z + (size_t) t * (size_t) gates, *out = h + (size_t) t *(size_t) hidden;

      if (t > 0)
        w_hh.rows->product (gates, hidden, from + w_hh.at, 1, out - hidden, now);
      ops->cell (hidden, now, c, c, NULL, out);
    }
    x = h;
  }
  forward_dense (&n->head, ops, from, &at, h + (size_t) (steps - 1) * (size_t) hidden, y, c + hidden);
}
