/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NN_INT16_H
#define NN_INT16_H

/*
 * Private to src/nn: matrices of 16-bit integers with one scale a row, and vectors of them with one scale each.
 *
 * Why integers: a core widens binary16 no faster than it reads floats from the second-level cache, so numbers of half
 * the size gain nothing that way; but one instruction multiplies and adds pairs of 16-bit integers, twice as many as
 * floats. bfloat16 would be as fast, but its 8 bits are too few to stay within 1e-4.
 *
 * Why it cannot overflow: weights are at most 2^14 - 1 and activations 2^14 in magnitude, and at most 8 products
 * (NN_INT16_GROUP) are added as integers before the sum becomes a float: 8 (2^14 - 1) 2^14 < 2^31.
 *
 * Why scales are powers of two: multiplying by them is exact, so that every instruction set gives the same bits,
 * whether it fuses a multiplication with the addition that follows or not. A weight's error is at most 2^-14 of the
 * row's largest, an activation's 2^-15 to 2^-14 of the vector's largest.
 *
 * Layout: the rows' scales (float, rows rounded up to NN_INT16_ROWS), then blocks of NN_INT16_BLOCK rows, the last one
 * as many as there are, in multiples of NN_INT16_ROWS; in a block group after group of 8 columns; in that the block's
 * rows by NN_INT16_ROWS; in that 4 pairs of columns, each NN_INT16_ROWS rows times two numbers: one cache line. So a
 * row's sum stays in one lane, and the weights are read from first to last.
 */
#include <stddef.h>
#include <stdint.h>

#define NN_INT16_ROWS 16
#define NN_INT16_BLOCK 64
#define NN_INT16_GROUP 8
#define NN_INT16_MOST 16384

static inline int
nn_int16_up (int n, int to)
{
  return (n + to - 1) / to * to;
}

size_t nn_int16_size (int rows, int cols);

/* A row with a number that is not finite becomes NaN as a whole. */
void nn_int16_pack (int rows, int cols, const float *w, void *packed);
void nn_int16_unpack (int rows, int cols, const void *packed, float *w);

/* As NnRows.product, with floats: for vectors with numbers that are not finite. */
void nn_int16_product_float (int rows, int cols, const void *packed, const float *x, float *y);

/* As NnRows.product: the plain loops. */
void nn_int16_product (int rows, int cols, const void *packed, int n, const float *x, float *y);

/* The power of two by which numbers up to @bits (of a float's magnitude, finite) become integers up to NN_INT16_MOST. */
float nn_int16_scale (uint32_t bits);

#endif
