/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products with matrices of 16-bit integers (nn-int16.h): the bits of nn_int16_product. */
#include "nn-int16.h"
#include "nn-vector.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Vectors at a time, so that a block of weights is used for all of them while it is at hand. */
#define MANY 16
#define PAIRS (NN_INT16_GROUP / 2)
#define PARTS (NN_INT16_ROWS / NN_LANES)        /* vectors of one pair of columns */
#define LINE (2 * NN_INT16_ROWS)

typedef int vi_any __attribute__((vector_size (4 * NN_LANES), aligned (2), may_alias));
typedef int16_t vs_half __attribute__((vector_size (2 * NN_LANES)));
typedef int16_t vs_half_any __attribute__((vector_size (2 * NN_LANES), aligned (2), may_alias));

/* Of each row in the vector at @w the products of one group of columns, pairs a line apart. @x: pairs, each in all lanes */
#if NN_LANES == 16
INLINE vi
group (const int16_t * w, const vi * x)
{
  __m512i sum = _mm512_madd_epi16 (_mm512_loadu_si512 (w), (__m512i) x[0]);

  UNROLL for (int p = 1; p < PAIRS; p++)
#if defined(__AVX512VNNI__)
    sum = _mm512_dpwssd_epi32 (sum, _mm512_loadu_si512 (w + p * LINE), (__m512i) x[p]);
#else
    sum = _mm512_add_epi32 (sum, _mm512_madd_epi16 (_mm512_loadu_si512 (w + p * LINE), (__m512i) x[p]));
#endif
  return (vi) sum;
}
#elif NN_LANES == 8
INLINE vi
group (const int16_t * w, const vi * x)
{
  __m256i sum = _mm256_madd_epi16 (_mm256_loadu_si256 ((const __m256i_u *) w), (__m256i) x[0]);

  UNROLL for (int p = 1; p < PAIRS; p++)
    sum = _mm256_add_epi32 (sum, _mm256_madd_epi16 (_mm256_loadu_si256 ((const __m256i_u *) (w + p * LINE)),
            (__m256i) x[p]));
  return (vi) sum;
}
#elif defined(__x86_64__)
INLINE vi
group (const int16_t * w, const vi * x)
{
  __m128i sum = _mm_madd_epi16 (_mm_loadu_si128 ((const __m128i_u *) w), (__m128i) x[0]);

  UNROLL for (int p = 1; p < PAIRS; p++)
    sum = _mm_add_epi32 (sum, _mm_madd_epi16 (_mm_loadu_si128 ((const __m128i_u *) (w + p * LINE)), (__m128i) x[p]));
  return (vi) sum;
}
#elif defined(__aarch64__)
INLINE vi
group (const int16_t * w, const vi * x)
{
  int16x8_t v = vld1q_s16 (w);
  int32x4_t low = vmull_s16 (vget_low_s16 (v), vget_low_s16 ((int16x8_t) x[0]));
  int32x4_t high = vmull_high_s16 (v, (int16x8_t) x[0]);

  UNROLL for (int p = 1; p < PAIRS; p++) {
    v = vld1q_s16 (w + p * LINE);
    low = vmlal_s16 (low, vget_low_s16 (v), vget_low_s16 ((int16x8_t) x[p]));
    high = vmlal_high_s16 (high, v, (int16x8_t) x[p]);
  }
  return (vi) vpaddq_s32 (low, high);
}
#else
/* Both halves of an int, whichever comes first in memory. */
INLINE vi
group (const int16_t * w, const vi * x)
{
  vi sum = { 0 };

  UNROLL for (int p = 0; p < PAIRS; p++) {
    vi v = *(const vi_any *) (w + p * LINE);

    sum += (v >> 16) * (x[p] >> 16) + (v << 16 >> 16) * (x[p] << 16 >> 16);
  }
  return sum;
}
#endif

/* @q: @cols integers, then zeros to a whole group. Returns their scale, 0 where a number of @x is not finite. */
INLINE float
quantise (int cols, const float *x, int16_t * q)
{
  const vf magic = splat (12582912.0f); /* 1.5 * 2^23: adding it rounds, and leaves the integer in the low bits */
  const int whole = cols / NN_LANES * NN_LANES, rest = cols - whole;
  const vf x_rest = load_part (x + whole, rest);
  vi most = (vi) x_rest & 0x7fffffff;
  int all[NN_LANES];
  uint32_t largest = 0;
  float scale;
  vf by;

  for (int j = 0; j < whole; j += NN_LANES) {
    vi bits = (vi) load (x + j) & 0x7fffffff, more = bits > most;

    most = (bits & more) | (most & ~more);
  }
  memcpy (all, &most, sizeof all);
  for (int i = 0; i < NN_LANES; i++)
    largest = (uint32_t) all[i] > largest ? (uint32_t) all[i] : largest;
  if (largest >= 0x7f800000)
    return 0.0f;
  scale = nn_int16_scale (largest);
  by = splat (1.0f / scale);
  for (int j = 0; j <= whole; j += NN_LANES) {
    vf v = j < whole ? load (x + j) : x_rest;

    *(vs_half_any *) (q + j) = __builtin_convertvector ((vi) (v * by + magic) - (vi) magic, vs_half);
  }
  memset (q + cols, 0, NN_INT16_GROUP * sizeof *q);
  return scale;
}

/* @some units from @w on, which stand in a block of @units; a unit is NN_INT16_ROWS rows, of which @rows exist here. */
INLINE void
block (const int some, int units, int rows, int groups, const int16_t * w, const int16_t * q, float scale,
    const float *scales, float *y)
{
  const vi zero = { 0 };
  vf sum[NN_INT16_BLOCK / NN_LANES];

  UNROLL for (int u = 0; u < some * PARTS; u++)
    sum[u] = splat (0.0f);
  for (int g = 0; g < groups; g++, q += NN_INT16_GROUP, w += units * PAIRS * LINE) {
    vi x[PAIRS];

    UNROLL for (int p = 0; p < PAIRS; p++) {
      int pair;

      memcpy (&pair, q + 2 * p, sizeof pair);
      x[p] = pair - zero;
    }
    UNROLL for (int u = 0; u < some * PARTS; u++)
      sum[u] += __builtin_convertvector (group (w + u / PARTS * PAIRS * LINE + u % PARTS * 2 * NN_LANES, x), vf);
  }
  UNROLL for (int u = 0; u < some * PARTS; u++) {
    const int left = rows - u * NN_LANES;
    float *to = y + u * NN_LANES;
    vf v = sum[u] * load (scales + u * NN_LANES) * splat (scale);

    if (left >= NN_LANES)
      store (to, load (to) + v);
    else if (left > 0)
      store_part (to, load_part (to, left) + v, left);
  }
}

void NN_NAME (product_int16) (int rows, int cols, const void *packed, int n, const float *x, float *y)
{
  const int groups = (cols + NN_INT16_GROUP - 1) / NN_INT16_GROUP;
  const float *scales = packed;
  int16_t q[MANY][NN_MAX_WIDTH + NN_LANES + NN_INT16_GROUP];
  float scale[MANY];

  while (n > 0) {
    const int many = n < MANY ? n : MANY;
    const int16_t *w = (const int16_t *) (scales + nn_int16_up (rows, NN_INT16_ROWS));

    for (int s = 0; s < many; s++) {
      scale[s] = quantise (cols, x + (size_t) s * (size_t) cols, q[s]);
      if (scale[s] == 0.0f)
        nn_int16_product_float (rows, cols, packed, x + (size_t) s * (size_t) cols, y + (size_t) s * (size_t) rows);
    }
    for (int r = 0; r < rows; r += NN_INT16_BLOCK) {
      const int left = rows - r, units = left < NN_INT16_BLOCK ? (left + NN_INT16_ROWS - 1) / NN_INT16_ROWS : 4;

      for (int s = 0; s < many; s++) {
        float *to = y + (size_t) s * (size_t) rows + r;

        if (scale[s] == 0.0f)
          continue;
        /* How many must be a constant for the sums to be registers; sixteen narrow ones hold one unit. */
#if NN_LANES == 4 && defined(__x86_64__)
        for (int u = 0; u < units; u++) {
          const int past = u * NN_INT16_ROWS;

          block (1, units, left - past, groups, w + u * PAIRS * LINE, q[s], scale[s], scales + r + past, to + past);
        }
#else
#define CASE(U) case U: block (U, U, left, groups, w, q[s], scale[s], scales + r, to); break
        switch (units) {
            CASE (1);
            CASE (2);
            CASE (3);
            CASE (4);
        }
#undef CASE
#endif
      }
      w += (size_t) (units * groups) * PAIRS * LINE;
    }
    n -= many;
    x += (size_t) many *(size_t) cols;
    y += (size_t) many *(size_t) rows;
  }
}
