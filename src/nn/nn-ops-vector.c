/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Matrix by matrix, the cell and the optimiser with the compiler's vector types (nn-vector.h). NN_ROWS = rows of a
 * tile: a tile is NN_ROWS x 2 vectors, which all stay in registers.
 */
#include "nn-vector.h"

#define TILE (2 * NN_LANES)

/* e^x, relative error below 2e-7: x = n ln 2 + r, polynomial in r (coefficients of Cephes' expf, S. Moshier), times
 * 2^n. NaN stays NaN. */
INLINE vf
v_exp (vf x)
{
  const vf magic = splat (12582912.0f); /* 1.5 * 2^23: adding it rounds, and leaves n in the low bits */
  vf t, n, r, p;
  vi scale;

  x = choose (x > splat (88.0f), splat (88.0f), x);
  x = choose (x < splat (-87.0f), splat (-87.0f), x);
  t = x * splat (1.44269504088896341f) + magic;
  n = t - magic;
  r = x - n * splat (0.693359375f);
  r = r + n * splat (2.12194440e-4f);
  p = splat (1.9875691500e-4f);
  p = p * r + splat (1.3981999507e-3f);
  p = p * r + splat (8.3334519073e-3f);
  p = p * r + splat (4.1665795894e-2f);
  p = p * r + splat (1.6666665459e-1f);
  p = p * r + splat (5.0000001201e-1f);
  p = p * (r * r) + r + splat (1.0f);
  scale = (((vi) t) << 23) + (127 << 23);
  return p * (vf) scale;
}

INLINE vf
v_sigmoid (vf x)
{
  return splat (1.0f) / (splat (1.0f) + v_exp (-x));
}

/* Near 0 an odd polynomial (Cephes' tanhf), where the quotient would cancel. */
INLINE vf
v_tanh (vf x)
{
  vf s = x * x, p, q;
  vi small = s < splat (0.625f * 0.625f);

  p = splat (-5.70498872745e-3f);
  p = p * s + splat (2.06390887954e-2f);
  p = p * s + splat (-5.37397155531e-2f);
  p = p * s + splat (1.33314422036e-1f);
  p = p * s + splat (-3.33332819422e-1f);
  p = p * (s * x) + x;
  q = splat (1.0f) - splat (2.0f) / (v_exp (x + x) + splat (1.0f));
  return choose (small, p, q);
}

/* to (8 rows, @to_row apart) = the transpose of from (8 rows, @from_row apart) */
INLINE void
transpose8 (const float *from, size_t from_row, float *to, size_t to_row)
{
#if NN_LANES >= 8
  v8 r[8], t[8];

  UNROLL for (size_t i = 0; i < 8; i++)
    r[i] = *(const v8_any *) (from + i * from_row);
  UNROLL for (int i = 0; i < 8; i += 2) {
    t[i] = __builtin_shufflevector (r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    t[i + 1] = __builtin_shufflevector (r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  UNROLL for (int i = 0; i < 8; i += 4) {
    r[i] = __builtin_shufflevector (t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    r[i + 1] = __builtin_shufflevector (t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    r[i + 2] = __builtin_shufflevector (t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    r[i + 3] = __builtin_shufflevector (t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  UNROLL for (size_t i = 0; i < 4; i++) {
    *(v8_any *) (to + i * to_row) = __builtin_shufflevector (r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *(v8_any *) (to + (i + 4) * to_row) = __builtin_shufflevector (r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#else
  for (size_t i = 0; i < 8; i++)
    for (size_t j = 0; j < 8; j++)
      to[j * to_row + i] = from[i * from_row + j];
#endif
}

/* Packed: panel after panel of TILE columns, in each the k rows one after the other, missing columns 0. */
static void
pack (int k, int n, const float *b, size_t row, size_t column, float *packed)
{
  for (int p = 0; p < n; p += TILE, packed += (size_t) k * TILE) {
    const float *from = b + (size_t) p * column;
    int width = n - p < TILE ? n - p : TILE;

    if (width < TILE)
      memset (packed, 0, (size_t) k * TILE * sizeof *packed);
    if (column == 1) {
      for (int i = 0; i < k; i++)
        memcpy (packed + (size_t) i * TILE, from + (size_t) i * row, (size_t) width * sizeof *packed);
    } else {
      const int whole_k = k / 8 * 8, whole = width / 8 * 8;

      /* The caller's columns stand in rows here: row == 1. */
      for (int j = 0; j < whole; j += 8)
        for (int i = 0; i < whole_k; i += 8)
          transpose8 (from + (size_t) j * column + i, column, packed + (size_t) i * TILE + j, TILE);
      for (int j = 0; j < width; j++)
        for (int i = j < whole ? whole_k : 0; i < k; i++)
          packed[i * TILE + j] = from[(size_t) j * column + (size_t) i];
    }
  }
}

/* One tile: @rows x @vectors of C from @k steps. Element (r, i) of A is a[r * row + i * step]. */
INLINE void
tile (const int rows, const int vectors, int k, const float *a, size_t row, size_t step, const float *b, float *c,
    size_t ldc, int width, NnGemmMode mode, const float *bias)
{
  vf acc[NN_ROWS][2];

  UNROLL for (int r = 0; r < rows; r++)
  UNROLL for (int v = 0; v < vectors; v++)
    acc[r][v] = splat (0.0f);
  for (int i = 0; i < k; i++) {
    vf bv[2];

    UNROLL for (int v = 0; v < vectors; v++)
      bv[v] = load (b + v * NN_LANES);
    UNROLL for (int r = 0; r < rows; r++) {
      vf av = splat (a[(size_t) r * row]);

      UNROLL for (int v = 0; v < vectors; v++)
        acc[r][v] += av * bv[v];
    }
    a += step;
    b += TILE;
  }
  if (width == vectors * NN_LANES) {
    UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int v = 0; v < vectors; v++) {
      float *p = c + (size_t) r * ldc + v * NN_LANES;

      if (mode == NN_ADD)
        store (p, load (p) + acc[r][v]);
      else if (mode == NN_BIAS)
        store (p, load (bias + v * NN_LANES) + acc[r][v]);
      else
        store (p, acc[r][v]);
    }
  } else {
    float t[NN_ROWS][TILE];

    UNROLL for (int r = 0; r < rows; r++)
    UNROLL for (int v = 0; v < vectors; v++)
      store (t[r] + v * NN_LANES, acc[r][v]);
    for (int r = 0; r < rows; r++)
      for (int j = 0; j < width; j++) {
        float *p = c + (size_t) r * ldc + j;

        *p = t[r][j] + (mode == NN_ADD ? *p : mode == NN_BIAS ? bias[j] : 0.0f);
      }
  }
}

INLINE void
tile_rows (int rows, const int vectors, int k, const float *a, size_t row, size_t step, const float *b, float *c,
    size_t ldc, int width, NnGemmMode mode, const float *bias)
{
  /* The row count must be a constant for the accumulators to be registers. */
#define CASE(R) case R: tile (R, vectors, k, a, row, step, b, c, ldc, width, mode, bias); break
  switch (rows) {
      CASE (1);
      CASE (2);
      CASE (3);
      CASE (4);
#if NN_ROWS > 4
      CASE (5);
      CASE (6);
#endif
#if NN_ROWS > 6
      CASE (7);
      CASE (8);
#endif
  }
#undef CASE
}

static __attribute__((noinline))
     void tile_strided (int rows, int k, const float *a, size_t row, const float *b, float *c, size_t ldc, int width,
    NnGemmMode mode, const float *bias)
{
  if (width > NN_LANES)
    tile_rows (rows, 2, k, a, row, 1, b, c, ldc, width, mode, bias);
  else
    tile_rows (rows, 1, k, a, row, 1, b, c, ldc, width, mode, bias);
}

static __attribute__((noinline))
     void tile_packed (int rows, int k, const float *a, const float *b, float *c, size_t ldc, int width)
{
  if (width > NN_LANES)
    tile_rows (rows, 2, k, a, 1, NN_ROWS, b, c, ldc, width, NN_ADD, NULL);
  else
    tile_rows (rows, 1, k, a, 1, NN_ROWS, b, c, ldc, width, NN_ADD, NULL);
}

/* The rows are spread evenly over as few tiles as there must be: 32 as 6 6 5 5 5 5, not 6 6 6 6 6 2. */
static void
gemm (int m, int n, int k, const float *a, size_t lda, const float *packed, float *c, size_t ldc, NnGemmMode mode,
    const float *bias)
{
  const int tiles = (m + NN_ROWS - 1) / NN_ROWS;

  for (int k0 = 0; k0 < k; k0 += NN_DEPTH) {
    int depth = k - k0 < NN_DEPTH ? k - k0 : NN_DEPTH;

    for (int j = 0; j < n; j += TILE) {
      const float *b = packed + ((size_t) j * (size_t) k) + (size_t) k0 * TILE;
      int width = n - j < TILE ? n - j : TILE;

      for (int t = 0, r = 0; t < tiles; t++) {
        int rows = m / tiles + (t < m % tiles);

        tile_strided (rows, depth, a + (size_t) r * lda + k0, lda, b, c + (size_t) r * ldc + j, ldc, width,
            k0 ? NN_ADD : mode, bias ? bias + j : NULL);
        r += rows;
      }
    }
  }
}

static void
gemm_tn (int m, int n, int k, const float *a, const float *b, float *c, float *scratch)
{
  float panel[NN_DEPTH * NN_ROWS];

  for (int k0 = 0; k0 < k; k0 += NN_DEPTH) {
    int depth = k - k0 < NN_DEPTH ? k - k0 : NN_DEPTH;

    pack (depth, n, b + (size_t) k0 * (size_t) n, (size_t) n, 1, scratch);
    for (int r = 0; r < m; r += NN_ROWS) {
      int rows = m - r < NN_ROWS ? m - r : NN_ROWS;
      const float *from = a + (size_t) k0 * (size_t) m + r;

      if (rows == NN_ROWS)
        for (int i = 0; i < depth; i++)
          memcpy (panel + i * NN_ROWS, from + (size_t) i * (size_t) m, NN_ROWS * sizeof *panel);
      else
        for (int i = 0; i < depth; i++)
          memcpy (panel + i * NN_ROWS, from + (size_t) i * (size_t) m, (size_t) rows * sizeof *panel);
      for (int j = 0; j < n; j += TILE)
        tile_packed (rows, depth, panel, scratch + (size_t) j * (size_t) depth, c + (size_t) r * (size_t) n + j,
            (size_t) n, n - j < TILE ? n - j : TILE);
    }
  }
}

/* Calls STEP with `j` the place and `part` the number of lanes, 0 meaning all of them. */
#define EACH_VECTOR(n, STEP) \
  do { \
    int j = 0; \
    for (; j + NN_LANES <= (n); j += NN_LANES) \
      STEP (0); \
    if (j < (n)) \
      STEP ((n) - j); \
  } while (0)
#define GET(p, part) ((part) ? load_part ((p) + j, (part)) : load ((p) + j))
#define PUT(p, v, part) ((part) ? store_part ((p) + j, (v), (part)) : store ((p) + j, (v)))

static void
cell (int n, float *z, const float *c_prev, float *c, float *tanh_c, float *h)
{
  float *zi = z, *zf = z + n, *zg = z + 2 * n, *zo = z + 3 * n;

#define STEP(part) \
  { \
    vf i = v_sigmoid (GET (zi, part)), f = v_sigmoid (GET (zf, part)); \
    vf g = v_tanh (GET (zg, part)), o = v_sigmoid (GET (zo, part)); \
    vf cv = f * GET (c_prev, part) + i * g, t = v_tanh (cv); \
    PUT (zi, i, part); \
    PUT (zf, f, part); \
    PUT (zg, g, part); \
    PUT (zo, o, part); \
    PUT (c, cv, part); \
    if (tanh_c) \
      PUT (tanh_c, t, part); \
    PUT (h, o * t, part); \
  }
  EACH_VECTOR (n, STEP);
#undef STEP
}

static void
cell_grad (int n, float *gates, const float *c_prev, const float *tanh_c, const float *dh, float *dc)
{
  float *gi = gates, *gf = gates + n, *gg = gates + 2 * n, *go = gates + 3 * n;
  const vf one = splat (1.0f);

#define STEP(part) \
  { \
    vf i = GET (gi, part), f = GET (gf, part), g = GET (gg, part), o = GET (go, part); \
    vf t = GET (tanh_c, part), d_h = GET (dh, part); \
    vf d_c = GET (dc, part) + d_h * o * (one - t * t); \
    PUT (gi, d_c * g * i * (one - i), part); \
    PUT (gf, d_c * GET (c_prev, part) * f * (one - f), part); \
    PUT (gg, d_c * i * (one - g * g), part); \
    PUT (go, d_h * t * o * (one - o), part); \
    PUT (dc, d_c * f, part); \
  }
  EACH_VECTOR (n, STEP);
#undef STEP
}

static void
sigmoid (size_t n, float *y)
{
#define STEP(part) PUT (y, v_sigmoid (GET (y, part)), part)
  EACH_VECTOR ((int) n, STEP);
#undef STEP
}

INLINE vf
v_sqrt (vf x)
{
#if defined(__clang__) && __has_builtin (__builtin_elementwise_sqrt)
  return __builtin_elementwise_sqrt (x);
#else
  /* Without math errno the loop becomes one instruction. */
  float t[NN_LANES];

  store (t, x);
  for (int i = 0; i < NN_LANES; i++)
    t[i] = __builtin_sqrtf (t[i]);
  return load (t);
#endif
}

static void
adam (size_t n, float *w, const float *g, float *m, float *v, float decay, float beta1, float beta2, float rate,
    float root, float epsilon)
{
  const vf b1 = splat (beta1), b2 = splat (beta2), a1 = splat (1.0f - beta1), a2 = splat (1.0f - beta2);
  const vf keep = splat (1.0f - decay), rt = splat (root), eps = splat (epsilon), lr = splat (rate);

#define STEP(part) \
  { \
    vf gv = GET (g, part); \
    vf mv = b1 * GET (m, part) + a1 * gv; \
    vf vv = b2 * GET (v, part) + a2 * (gv * gv); \
    PUT (m, mv, part); \
    PUT (v, vv, part); \
    PUT (w, keep * GET (w, part) - lr * mv / (v_sqrt (vv) * rt + eps), part); \
  }
  EACH_VECTOR ((int) n, STEP);
#undef STEP
}

#define OPS(name, rows) { \
    name, NN_NAME (matvec), rows, pack, gemm, gemm_tn, cell, cell_grad, sigmoid, adam \
  }
const NnOps NN_OPS = OPS (NN_OPS_NAME, NN_NAME (rows));
#if NN_LANES == 16
const NnOps nn_ops_avx512vnni = OPS ("avx512vnni", nn_ops_avx512vnni_rows);
#endif
