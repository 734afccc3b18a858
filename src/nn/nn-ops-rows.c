/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Matrix by vector, where inference spends its time: from a plain matrix, row by row, and from one that was laid out for
 * it, all rows of a block at once.
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
 * Laid out: block after block of MOST_VECTORS vectors of rows, the last one as many as there are, missing rows 0; in a
 * block column after column. So a row's sum stays in one lane, and the weights are read from first to last in whole cache
 * lines. A block of a matrix at hand (128 columns: 32 KiB with 16 lanes) stays in the first-level cache for all vectors
 * that meet it; prefetching each line further ahead than the processor does made it half as slow again. But the
 * processor's own prefetching ends with a page, and weights that other programs drove out of the caches are met cold ten
 * times a second: so the first lines of a page to come are asked for.
 */
#define MOST_VECTORS 4
#define PAGE 1024               /* floats */
#define PAGES 2                 /* at a time, as many ahead */
#define SUMS 8                  /* at most, in registers */

INLINE int
vectors_of (int rows)
{
  return (rows + NN_LANES - 1) / NN_LANES;
}

/* The vectors of the block that begins at row @r. */
INLINE int
height (int rows, int r)
{
  return vectors_of (rows - r) < MOST_VECTORS ? vectors_of (rows - r) : MOST_VECTORS;
}

static size_t
size_rows (int rows, int cols)
{
  return (size_t) vectors_of (rows) * (size_t) cols *NN_LANES * sizeof (float);
}

INLINE size_t
place (int rows, int cols, int r, int c)
{
  const int first = r / (MOST_VECTORS * NN_LANES) * (MOST_VECTORS * NN_LANES);

  return (size_t) first *(size_t) cols + (size_t) (c * height (rows, first) * NN_LANES + r - first);
}

static void
pack_rows (int rows, int cols, const float *w, void *packed)
{
  float *to = packed;

  memset (to, 0, size_rows (rows, cols));
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < cols; c++)
      to[place (rows, cols, r, c)] = *w++;
}

static void
unpack_rows (int rows, int cols, const void *packed, float *w)
{
  const float *from = packed;

  for (int r = 0; r < rows; r++)
    for (int c = 0; c < cols; c++)
      *w++ = from[place (rows, cols, r, c)];
}

/* One block of @vectors vectors, of which @rows rows exist. @ways sums a row, for as many as keep the adders busy.
 * @ahead: floats after the weights at hand that are asked for. */
INLINE void
block (const int vectors, const int ways, int rows, int cols, const float *w, const float *x, float *y, size_t ahead)
{
  /* columns */
  const int pages = PAGES * PAGE / (vectors * NN_LANES);
  vf sum[SUMS];
  int j = 0;

  UNROLL for (int i = 0; i < vectors * ways; i++)
    sum[i] = splat (0.0f);
  while (j + ways <= cols) {
    const int last = cols - ways < j + pages - ways ? cols - ways : j + pages - ways;

    UNROLL for (int i = 0; i < PAGES; i++) {
      __builtin_prefetch (w + ahead + i * PAGE);
      __builtin_prefetch (w + ahead + i * PAGE + 16);
    }
    for (; j <= last; j += ways, w += ways * vectors * NN_LANES)
    UNROLL for (int k = 0; k < ways; k++) {
      vf v = splat (x[j + k]);

      UNROLL for (int i = 0; i < vectors; i++)
        sum[k * vectors + i] += load (w + (k * vectors + i) * NN_LANES) * v;
    }
  }
  for (; j < cols; j++, w += vectors * NN_LANES) {
    vf v = splat (x[j]);

    UNROLL for (int i = 0; i < vectors; i++)
      sum[i] += load (w + i * NN_LANES) * v;
  }
  UNROLL for (int i = 0; i < vectors; i++) {
    const int left = rows - i * NN_LANES;
    float *to = y + i * NN_LANES;

    UNROLL for (int k = 1; k < ways; k++)
      sum[i] += sum[k * vectors + i];
    if (left >= NN_LANES)
      store (to, load (to) + sum[i]);
    else if (left > 0)
      store_part (to, load_part (to, left) + sum[i], left);
  }
}

static void
product_rows (int rows, int cols, const void *packed, int n, const float *x, float *y)
{
  /* For several vectors the block stays where it is. */
  const size_t ahead = n == 1 ? PAGES * PAGE : 0;
  const float *w = packed;

  for (int r = 0; r < rows; r += MOST_VECTORS * NN_LANES) {
    const int vectors = height (rows, r);

    for (int s = 0; s < n; s++) {
      const float *from = x + (size_t) s * (size_t) cols;
      float *to = y + (size_t) s * (size_t) rows + r;

      /* The number of vectors must be a constant for the sums to be registers. */
#define CASE(V, WAYS) case V: block (V, WAYS, rows - r, cols, w, from, to, ahead); break
      switch (vectors) {
          CASE (1, 8);
          CASE (2, 4);
          CASE (3, 2);
          CASE (4, 2);
      }
#undef CASE
    }
    w += (size_t) vectors *(size_t) cols *NN_LANES;
  }
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
