/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NN_OPS_H
#define NN_OPS_H

#include <stddef.h>

#include "nn-packed.h"

/*
 * Private to src/nn: the few loops in which all the time goes, one set for each instruction set. Matrices are
 * row-major.
 */

/* Panels of a packed matrix are at most this wide, whatever the instruction set: sizes of buffers do not depend on it. */
#define NN_PANEL 32
/* Rows of the second factor that nn_ops.gemm_tn packs at a time. */
#define NN_DEPTH 256

typedef enum
{
  NN_SET,                       /* C = A B */
  NN_ADD,                       /* C += A B */
  NN_BIAS,                      /* C = A B + bias in each row */
} NnGemmMode;

/* A matrix laid out for products with vectors, for one way of storing its numbers. */
typedef struct
{
  size_t (*size) (int rows, int cols);  /* bytes */
  /* @w: (rows, cols) */
  void (*pack) (int rows, int cols, const float *w, void *packed);
  void (*unpack) (int rows, int cols, const void *packed, float *w);
  /* y += W x for each of @n vectors. @x: (n, cols), @y: (n, rows). The same bits whatever @n; with
   * INT16 whatever the instruction set. */
  void (*product) (int rows, int cols, const void *packed, int n, const float *x, float *y);
} NnRows;

typedef struct
{
  const char *name;
  /* y += W x; @w: (rows, cols) */
  void (*matvec) (int rows, int cols, const float *w, const float *x, float *y);
  const NnRows *rows;           /* by NnWeights */
  /* Lays the matrix B (k, n) out for gemm; its element (i, j) is b[i * row + j * column], one of the strides being 1.
   * @packed: nn_packed_size (k, n) floats. */
  void (*pack) (int k, int n, const float *b, size_t row, size_t column, float *packed);
  /* C (m, n) from A (m, k) and a packed B (k, n). @lda, @ldc: floats from row to row. */
  void (*gemm) (int m, int n, int k, const float *a, size_t lda, const float *packed, float *c, size_t ldc,
      NnGemmMode mode, const float *bias);
  /* C (m, n) += A' B for A (k, m), B (k, n), all dense. @scratch: nn_packed_size (NN_DEPTH, n) floats. */
  void (*gemm_tn) (int m, int n, int k, const float *a, const float *b, float *c, float *scratch);
  /* One LSTM cell, @n wide. @z: (4, n) pre-activations, becomes the gates i, f, g, o:
   *   c = f c_prev + i g;  h = o tanh (c)
   * @tanh_c: (n) or NULL; @c may be @c_prev. */
  void (*cell) (int n, float *z, const float *c_prev, float *c, float *tanh_c, float *h);
  /* Its derivative. @gates: becomes dL/dz; @dh: dL/dh; @dc: dL/dc from the step after, becomes that for the one before. */
  void (*cell_grad) (int n, float *gates, const float *c_prev, const float *tanh_c, const float *dh, float *dc);
  /* y = 1 / (1 + exp (-y)) */
  void (*sigmoid) (size_t n, float *y);
  /* w -= decay w;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w -= rate m / (sqrt (v) * root + eps) */
  void (*adam) (size_t n, float *w, const float *g, float *m, float *v, float decay, float beta1, float beta2,
      float rate, float root, float epsilon);
} NnOps;

static inline size_t
nn_packed_size (int k, int n)
{
  return (size_t) k * (((size_t) n + NN_PANEL - 1) / NN_PANEL * NN_PANEL);
}

extern const NnOps nn_ops_reference;
extern const NnOps nn_ops_generic;
#ifdef NN_HAVE_X86_OPS
extern const NnOps nn_ops_avx2;
extern const NnOps nn_ops_avx512;
extern const NnOps nn_ops_avx512vnni;
#endif

/* The set in force. */
const NnOps *nn_ops (void);

#endif
