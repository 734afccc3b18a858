/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Matrix by vector, where inference spends its time: row by row from a plain matrix, and from one that was laid out for
 * it. Both add the products of a row in the same order, so both give the same bits.
 */
#include "nn-vector.h"

#include "nn-int16.h"

#if NN_LANES >= 8

INLINE v8
fold8 (vf v)
{
#if NN_LANES == 16
  return __builtin_shufflevector (v, v, 0, 1, 2, 3, 4, 5, 6, 7)
      + __builtin_shufflevector (v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  return v;
#endif
}

/* Adds the sums of eight vectors' lanes to y[0..7]. */
INLINE void
add_sums (vf * a, float *y)
{
  v8 s[4], t[2];

  UNROLL for (int i = 0; i < 4; i++) {
    v8 p = fold8 (a[2 * i]), q = fold8 (a[2 * i + 1]);

    /* per 128 bits: p0+p2 p1+p3 q0+q2 q1+q3 */
    s[i] = __builtin_shufflevector (p, q, 0, 1, 8, 9, 4, 5, 12, 13)
        + __builtin_shufflevector (p, q, 2, 3, 10, 11, 6, 7, 14, 15);
  }
  UNROLL for (int i = 0; i < 2; i++)
    t[i] = __builtin_shufflevector (s[2 * i], s[2 * i + 1], 0, 2, 8, 10, 4, 6, 12, 14)
        + __builtin_shufflevector (s[2 * i], s[2 * i + 1], 1, 3, 9, 11, 5, 7, 13, 15);
  *(v8_any *) y = *(const v8_any *) y + (__builtin_shufflevector (t[0], t[1], 0, 1, 2, 3, 8, 9, 10, 11)
      + __builtin_shufflevector (t[0], t[1], 4, 5, 6, 7, 12, 13, 14, 15));
}

#else

INLINE void
add_sums (vf * a, float *y)
{
  for (int i = 0; i < 8; i++)
    y[i] += (a[i][0] + a[i][1]) + (a[i][2] + a[i][3]);
}

#endif

/* Ones in the first @n lanes. */
INLINE vi
mask_part (int n)
{
  int t[NN_LANES] = { 0 };
  vi v;

  for (int i = 0; i < n; i++)
    t[i] = -1;
  memcpy (&v, t, sizeof v);
  return v;
}

void NN_NAME (matvec) (int rows, int cols, const float *w, const float *x, float *y)
{
  const size_t ld = (size_t) cols;
  const float *end = w + (size_t) rows * ld;
  const int whole = cols / NN_LANES * NN_LANES, rest = cols - whole;
  const vf x_rest = load_part (x + whole, rest);
  const vi mask = mask_part (rest);
  int r = 0;

  for (; r + 8 <= rows; r += 8, w += 8 * ld) {
    vf acc[8];

    UNROLL for (int i = 0; i < 8; i++)
      acc[i] = splat (0.0f);
    for (int j = 0; j < whole; j += NN_LANES) {
      vf v = load (x + j);

      UNROLL for (int i = 0; i < 8; i++)
        acc[i] += load (w + (size_t) i * ld + j) * v;
    }
    /* What a row's last vector reads of the next row is masked out; only the matrix's end needs care. */
    if (rest && end - (w + 7 * ld + whole) >= NN_LANES) {
      UNROLL for (int i = 0; i < 8; i++)
        acc[i] += (vf) ((vi) load (w + (size_t) i * ld + whole) & mask) * x_rest;
    } else if (rest) {
      for (int i = 0; i < 8; i++)
        acc[i] += load_part (w + (size_t) i * ld + whole, rest) * x_rest;
    }
    add_sums (acc, y + r);
  }
  for (; r < rows; r++, w += ld) {
    vf acc = splat (0.0f);
    float sum = 0.0f;

    for (int j = 0; j < whole; j += NN_LANES)
      acc += load (w + j) * load (x + j);
    if (rest)
      acc += load_part (w + whole, rest) * x_rest;
    for (int i = 0; i < NN_LANES; i++)
      sum += acc[i];
    y[r] += sum;
  }
}

/*
 * Laid out: block after block of 8 rows; in a block vector after vector of columns, in that the 8 rows' lanes; missing
 * columns 0. So the weights are read from first to last in whole cache lines. Rows that fill no block follow one by one.
 */
INLINE size_t
place (int rows, int vectors, int r, int v)
{
  const size_t row = (size_t) vectors * NN_LANES;

  if (r < rows / 8 * 8)
    return (size_t) (r / 8 * 8) * row + (size_t) (v * 8 + r % 8) * NN_LANES;
  return (size_t) r *row + (size_t) v *NN_LANES;
}

INLINE int
vectors_of (int cols)
{
  return (cols + NN_LANES - 1) / NN_LANES;
}

INLINE int
lanes_of (int cols, int v)
{
  return cols - v * NN_LANES < NN_LANES ? cols - v * NN_LANES : NN_LANES;
}

static size_t
size_rows (int rows, int cols)
{
  return (size_t) rows *(size_t) vectors_of (cols) * NN_LANES * sizeof (float);
}

static void
pack_rows (int rows, int cols, const float *w, void *packed)
{
  const int vectors = vectors_of (cols);
  float *to = packed;

  memset (to, 0, (size_t) rows * (size_t) vectors * NN_LANES * sizeof *to);
  for (int r = 0; r < rows; r++, w += cols)
    for (int v = 0; v < vectors; v++)
      memcpy (to + place (rows, vectors, r, v), w + v * NN_LANES, (size_t) lanes_of (cols, v) * sizeof *w);
}

static void
unpack_rows (int rows, int cols, const void *packed, float *w)
{
  const int vectors = vectors_of (cols);
  const float *from = packed;

  for (int r = 0; r < rows; r++, w += cols)
    for (int v = 0; v < vectors; v++)
      memcpy (w + v * NN_LANES, from + place (rows, vectors, r, v), (size_t) lanes_of (cols, v) * sizeof *w);
}

INLINE void
block (const int rows, int whole, int rest, const float *w, const float *x, vf x_rest, vf * acc)
{
  UNROLL for (int i = 0; i < rows; i++)
    acc[i] = splat (0.0f);
  for (int v = 0; v < whole; v++, w += rows * NN_LANES) {
    vf xv = load (x + v * NN_LANES);

    UNROLL for (int i = 0; i < rows; i++)
      acc[i] += load (w + i * NN_LANES) * xv;
  }
  if (rest) {
    UNROLL for (int i = 0; i < rows; i++)
      acc[i] += load (w + i * NN_LANES) * x_rest;
  }
}

/* Of @x rows at a time, so that a block of weights is used for all of them while it is at hand. */
#define MANY 32

INLINE void
product (int rows, int cols, const float *w, int n, const float *x, float *y)
{
  const int vectors = vectors_of (cols), whole = cols / NN_LANES, rest = cols % NN_LANES;
  const size_t row = (size_t) vectors * NN_LANES;
  vf x_rest[MANY];

  for (int s = 0; s < n; s++)
    x_rest[s] = load_part (x + (size_t) s * (size_t) cols + whole * NN_LANES, rest);
  for (int r = 0; r + 8 <= rows; r += 8)
    for (int s = 0; s < n; s++) {
      vf acc[8];

      block (8, whole, rest, w + (size_t) r * row, x + (size_t) s * (size_t) cols, x_rest[s], acc);
      add_sums (acc, y + (size_t) s * (size_t) rows + r);
    }
  for (int r = rows / 8 * 8; r < rows; r++)
    for (int s = 0; s < n; s++) {
      vf acc;
      float sum = 0.0f;

      block (1, whole, rest, w + (size_t) r * row, x + (size_t) s * (size_t) cols, x_rest[s], &acc);
      for (int i = 0; i < NN_LANES; i++)
        sum += acc[i];
      y[(size_t) s * (size_t) rows + (size_t) r] += sum;
    }
}

static void
product_rows (int rows, int cols, const void *packed, int n, const float *x, float *y)
{
  for (; n > MANY; n -= MANY, x += (size_t) MANY * (size_t) cols, y += (size_t) MANY * (size_t) rows)
    product (rows, cols, packed, MANY, x, y);
  if (n == 1)
    product (rows, cols, packed, 1, x, y);
  else
    product (rows, cols, packed, n, x, y);
}

#define ROWS(name, product_int16) \
  const NnRows name[NN_N_WEIGHTS] = { \
    [NN_WEIGHTS_F32] = {size_rows, pack_rows, unpack_rows, product_rows}, \
    [NN_WEIGHTS_INT16] = {nn_int16_size, nn_int16_pack, nn_int16_unpack, product_int16}, \
  }
ROWS (NN_NAME (rows), NN_NAME (product_int16));
#if NN_LANES == 16
ROWS (nn_ops_avx512vnni_rows, nn_ops_avx512vnni_product_int16);
#endif
