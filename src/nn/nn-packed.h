/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NN_PACKED_H
#define NN_PACKED_H

#include "nn-kernels.h"

/*
 * A network's weights laid out once for the instruction set in force, for inference: read from first to last in whole
 * cache lines. The rules of nn-kernels.h hold, but a packed block stands at a multiple of NN_PACKED_ALIGNMENT bytes. It
 * is const once made, serves any number of threads, and remembers its instruction set. With F32 results are those of
 * nn-kernels.h but for the order of the sums; a window gives the bits of its steps.
 */
#define NN_PACKED_ALIGNMENT 64

typedef enum
{
  NN_WEIGHTS_F32,
  NN_WEIGHTS_INT16,             /* matrices but the first and small ones rounded to 15 bits of their row's largest; each
                                 * vector that meets them likewise; a row with a number that is not finite is NaN */
  NN_N_WEIGHTS
} NnWeights;

/* Bytes of a packed block with the instruction set in force, a multiple of NN_PACKED_ALIGNMENT. */
size_t nn_recurrent_packed_size (const NnRecurrent * n, NnWeights weights);
size_t nn_dense_packed_size (const NnDense * n, NnWeights weights);

/* @params: as in nn-kernels.h. */
void nn_recurrent_pack (const NnRecurrent * n, const float *params, NnWeights weights, void *packed);
void nn_dense_pack (const NnDense * n, const float *params, NnWeights weights, void *packed);

/* NN_WEIGHTS_INT16 where every number of the matrices is one of binary16 (networks that were stored so, which have given
 * up more than that loses), else NN_WEIGHTS_F32. */
NnWeights nn_recurrent_weights (const NnRecurrent * n, const float *params);
NnWeights nn_dense_weights (const NnDense * n, const float *params);

/* The parameters back: the same bits, those of INT16 as rounded. */
void nn_recurrent_unpack (const NnRecurrent * n, const void *packed, float *params);
void nn_dense_unpack (const NnDense * n, const void *packed, float *params);

/* Floats of scratch for the functions below. */
size_t nn_recurrent_packed_scratch (const NnRecurrent * n, int steps);
size_t nn_dense_packed_scratch (const NnDense * n);

/* One step of one stream. @x: (input); @h, @c: (layers, H), updated in place; @y: (outputs); scratch for 1 step. */
void nn_recurrent_packed_step (const NnRecurrent * n, const void *packed, const float *x, float *h, float *c, float *y,
    float *scratch);

/* @steps steps from a zero state, then the head. @x: (steps, input), oldest first; @y: (outputs). */
void nn_recurrent_packed_window (const NnRecurrent * n, const void *packed, const float *x, int steps, float *y,
    float *scratch);

/* @x: (size[0]), @y: (size[layers]). */
void nn_dense_packed_forward (const NnDense * n, const void *packed, const float *x, float *y, float *scratch);

#endif
