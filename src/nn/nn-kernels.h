/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NN_KERNELS_H
#define NN_KERNELS_H

#include <stddef.h>

/*
 * The networks' arithmetic: an LSTM, dense layers, and an LSTM followed by dense layers. C and libm only: nothing is
 * allocated, read or written but the buffers handed in; sizes are in floats and come from the functions below. Buffers
 * need no alignment and must not overlap. Everything here is RT safe and may run in any number of threads at once on
 * different buffers. The same input gives the same bits on the same machine every time.
 *
 * Parameters are one flat block of float in the order of PyTorch's state_dict, matrices row-major:
 *   LSTM, for each layer l: weight_ih (4H, I) with I = input or H, weight_hh (4H, H), bias_ih (4H), bias_hh (4H);
 *     gate order i, f, g, o
 *   dense, for each layer: weight (out, in), bias (out)
 *   recurrent: the LSTM's, then the head's
 */

#define NN_MAX_LSTM_LAYERS 4
#define NN_MAX_DENSE_LAYERS 6
#define NN_MAX_WIDTH 512        /* of any layer, input or hidden state */

typedef struct
{
  int input, hidden, layers;
} NnLstm;

typedef enum
{
  NN_OUTPUT_LINEAR,
  NN_OUTPUT_SIGMOID,
} NnOutput;

/* Dense layers with ReLU between them and @output after the last: size[0] inputs ... size[layers] outputs. */
typedef struct
{
  int layers;
  int size[NN_MAX_DENSE_LAYERS + 1];
  NnOutput output;
} NnDense;

/* An LSTM whose top hidden state goes through @head; head.size[0] == lstm.hidden. */
typedef struct
{
  NnLstm lstm;
  NnDense head;
} NnRecurrent;

/* Whether the shape is within the bounds above. All other functions take valid shapes only. */
int nn_lstm_valid (const NnLstm * n);
int nn_dense_valid (const NnDense * n);
int nn_recurrent_valid (const NnRecurrent * n);

/* Number of parameters. */
size_t nn_lstm_parameters (const NnLstm * n);
size_t nn_dense_parameters (const NnDense * n);
size_t nn_recurrent_parameters (const NnRecurrent * n);

/* Where a tensor stands in the block. In a recurrent net's block the head begins at nn_lstm_parameters (&n->lstm). */
typedef enum
{
  NN_LSTM_WEIGHT_IH,
  NN_LSTM_WEIGHT_HH,
  NN_LSTM_BIAS_IH,
  NN_LSTM_BIAS_HH,
} NnLstmTensor;

size_t nn_lstm_offset (const NnLstm * n, int layer, NnLstmTensor tensor);
size_t nn_dense_weight_offset (const NnDense * n, int layer);
size_t nn_dense_bias_offset (const NnDense * n, int layer);

/* Floats of scratch for the functions below; contents need not be kept between calls. */
size_t nn_lstm_step_scratch (const NnLstm * n);
size_t nn_recurrent_step_scratch (const NnRecurrent * n);
size_t nn_recurrent_window_scratch (const NnRecurrent * n);
size_t nn_dense_forward_scratch (const NnDense * n, int batch);

/* One step of one stream. @x: (input); @h, @c: (layers, H), updated in place. */
void nn_lstm_step (const NnLstm * n, const float *params, const float *x, float *h, float *c, float *scratch);

/* The same, then the head on the top layer's hidden state. @y: (outputs). */
void nn_recurrent_step (const NnRecurrent * n, const float *params, const float *x, float *h, float *c, float *y,
    float *scratch);

/* @steps steps from a zero state, then the head. @x: (steps, input), oldest first; @y: (outputs). */
void nn_recurrent_window (const NnRecurrent * n, const float *params, const float *x, int steps, float *y,
    float *scratch);

/* @x: (batch, size[0]), @y: (batch, size[layers]). */
void nn_dense_forward (const NnDense * n, const float *params, const float *x, int batch, float *y, float *scratch);

/* Which instruction set the kernels use: "reference" (plain loops), "generic", "avx2", "avx512", "avx512vnni". Chosen at first use
 * from what the processor has. nn_kernels_select is for tests and benchmarks, with no other thread in this library:
 * returns 0, or -1 where @name is unknown or this machine cannot run it; NULL chooses again by the processor. */
const char *nn_kernels_name (void);
int nn_kernels_select (const char *name);

#endif
