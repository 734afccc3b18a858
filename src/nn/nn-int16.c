/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nn-int16.h"

#include <math.h>
#include <string.h>

#include "nn-kernels.h"

/* Below this numbers count as zero, so that no product of scales is subnormal. */
#define LEAST_EXPONENT (-40)

static size_t
place (int rows, int cols, int r, int c)
{
  const int padded = nn_int16_up (cols, NN_INT16_GROUP), first = r / NN_INT16_BLOCK * NN_INT16_BLOCK;
  const int left = nn_int16_up (rows, NN_INT16_ROWS) - first;
  const int height = left < NN_INT16_BLOCK ? left : NN_INT16_BLOCK;
  size_t at = (size_t) first * (size_t) padded + (size_t) (c / NN_INT16_GROUP * NN_INT16_GROUP) * (size_t) height;

  r -= first;
  at += (size_t) (r / NN_INT16_ROWS * NN_INT16_ROWS) * NN_INT16_GROUP;
  return at + (size_t) (c % NN_INT16_GROUP / 2 * 2 * NN_INT16_ROWS + r % NN_INT16_ROWS * 2 + c % 2);
}

static const int16_t *
numbers (int rows, const void *packed)
{
  return (const int16_t *) ((const float *) packed + nn_int16_up (rows, NN_INT16_ROWS));
}

size_t
nn_int16_size (int rows, int cols)
{
  const size_t padded = (size_t) nn_int16_up (rows, NN_INT16_ROWS);

  return padded * (sizeof (float) + (size_t) nn_int16_up (cols, NN_INT16_GROUP) * sizeof (int16_t));
}

float
nn_int16_scale (uint32_t bits)
{
  int exponent = (int) (bits >> 23) - 126;      /* largest < 2^exponent */
  uint32_t scale;
  float f;

  if (exponent < LEAST_EXPONENT)
    exponent = LEAST_EXPONENT;
  scale = (uint32_t) (exponent - 14 + 127) << 23;
  memcpy (&f, &scale, sizeof f);
  return f;
}

static uint32_t
largest (const float *v, int n)
{
  uint32_t most = 0, bits;

  for (int i = 0; i < n; i++) {
    memcpy (&bits, v + i, sizeof bits);
    bits &= 0x7fffffff;
    most = bits > most ? bits : most;
  }
  return most;
}

/* To the nearest, ties to even, as the vector kernels round. */
static int
quantised (float v, float scale)
{
  return (int) rintf (v / scale);
}

void
nn_int16_pack (int rows, int cols, const float *w, void *packed)
{
  float *scales = packed;
  int16_t *to = (int16_t *) (scales + nn_int16_up (rows, NN_INT16_ROWS));

  memset (packed, 0, nn_int16_size (rows, cols));
  for (int r = 0; r < rows; r++, w += cols) {
    uint32_t most = largest (w, cols);

    if (most >= 0x7f800000) {
      scales[r] = NAN;
      continue;
    }
    scales[r] = nn_int16_scale (most);
    for (int c = 0; c < cols; c++) {
      int q = quantised (w[c], scales[r]);

      /* What would round up to 2^14. */
      if (q >= NN_INT16_MOST || q <= -NN_INT16_MOST)
        q = q > 0 ? NN_INT16_MOST - 1 : 1 - NN_INT16_MOST;
      to[place (rows, cols, r, c)] = (int16_t) q;
    }
  }
}

void
nn_int16_unpack (int rows, int cols, const void *packed, float *w)
{
  const float *scales = packed;
  const int16_t *from = numbers (rows, packed);

  for (int r = 0; r < rows; r++, w += cols)
    for (int c = 0; c < cols; c++)
      w[c] = (float) from[place (rows, cols, r, c)] * scales[r];
}

void
nn_int16_product_float (int rows, int cols, const void *packed, const float *x, float *y)
{
  const float *scales = packed;
  const int16_t *from = numbers (rows, packed);

  for (int r = 0; r < rows; r++) {
    float sum = 0.0f;

    for (int c = 0; c < cols; c++)
      sum += (float) from[place (rows, cols, r, c)] * scales[r] * x[c];
    y[r] += sum;
  }
}

static void
product (int rows, int cols, const void *packed, const float *x, float *y)
{
  const float *scales = packed;
  const int16_t *from = numbers (rows, packed);
  const uint32_t most = largest (x, cols);
  int q[NN_MAX_WIDTH];
  float scale;

  if (most >= 0x7f800000) {
    nn_int16_product_float (rows, cols, packed, x, y);
    return;
  }
  scale = nn_int16_scale (most);
  for (int c = 0; c < cols; c++)
    q[c] = quantised (x[c], scale);
  for (int r = 0; r < rows; r++) {
    float sum = 0.0f;

    for (int g = 0; g < cols; g += NN_INT16_GROUP) {
      int part = 0;

      for (int c = g; c < cols && c < g + NN_INT16_GROUP; c++)
        part += from[place (rows, cols, r, c)] * q[c];
      sum += (float) part;
    }
    y[r] += sum * scales[r] * scale;
  }
}

void
nn_int16_product (int rows, int cols, const void *packed, int n, const float *x, float *y)
{
  for (int s = 0; s < n; s++)
    product (rows, cols, packed, x + (size_t) s * (size_t) cols, y + (size_t) s * (size_t) rows);
}
