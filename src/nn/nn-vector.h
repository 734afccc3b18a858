/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NN_VECTOR_H
#define NN_VECTOR_H

/*
 * Private to src/nn: the compiler's vector types for the files that are compiled once for each instruction set, with
 * NN_OPS = the name of the set's table, NN_OPS_NAME, NN_LANES = floats in a vector.
 */
#include <string.h>

#include "nn-ops.h"

#if defined(__clang__)
#define UNROLL _Pragma ("unroll")
#else
#define UNROLL _Pragma ("GCC unroll 32")
#endif
#define INLINE static inline __attribute__ ((always_inline))

typedef float vf __attribute__((vector_size (4 * NN_LANES)));
typedef int vi __attribute__((vector_size (4 * NN_LANES)));
typedef float vf_any __attribute__((vector_size (4 * NN_LANES), aligned (4), may_alias));

INLINE vf
load (const float *p)
{
  return *(const vf_any *) p;
}

INLINE void
store (float *p, vf v)
{
  *(vf_any *) p = v;
}

/* A scalar minus a vector of zeros is one broadcast in every compiler (and x - 0 is x, -0 included). */
INLINE vf
splat (float x)
{
  const vf zero = { 0.0f };

  return x - zero;
}

/* The first @n lanes, 0 in the others. */
INLINE vf
load_part (const float *p, int n)
{
  float t[NN_LANES] = { 0 };

  memcpy (t, p, (size_t) n * sizeof *p);
  return load (t);
}

INLINE void
store_part (float *p, vf v, int n)
{
  float t[NN_LANES];

  store (t, v);
  memcpy (p, t, (size_t) n * sizeof *p);
}

INLINE vf
choose (vi mask, vf a, vf b)
{
  return (vf) (((vi) a & mask) | ((vi) b & ~mask));
}

#if NN_LANES >= 8
typedef float v8 __attribute__((vector_size (32)));
typedef float v8_any __attribute__((vector_size (32), aligned (4), may_alias));
#endif

/* Functions of one file that another of the same set uses carry the set's name. */
#define NN_PASTE(a, b) a ## _ ## b
#define NN_EXPAND(a, b) NN_PASTE (a, b)
#define NN_NAME(function) NN_EXPAND (NN_OPS, function)

void NN_NAME (matvec) (int rows, int cols, const float *w, const float *x, float *y);
void NN_NAME (product_int16) (int rows, int cols, const void *packed, int n, const float *x, float *y);
extern const NnRows NN_NAME (rows)[NN_N_WEIGHTS];
#if NN_LANES == 16
/* The same set but for one instruction, in the products of integers. */
void nn_ops_avx512vnni_product_int16 (int rows, int cols, const void *packed, int n, const float *x, float *y);
extern const NnRows nn_ops_avx512vnni_rows[NN_N_WEIGHTS];
#endif

#endif
