/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plain loops: what every faster set is compared with. */
#include "nn-ops.h"

#include <math.h>
#include <string.h>

#include "nn-int16.h"

static void
matvec (int rows, int cols, const float *w, const float *x, float *y)
{
  for (int r = 0; r < rows; r++) {
    float sum = 0.0f;

    for (int i = 0; i < cols; i++)
      sum += w[(size_t) r * (size_t) cols + (size_t) i] * x[i];
    y[r] += sum;
  }
}

static size_t
size_rows (int rows, int cols)
{
  return (size_t) rows *(size_t) cols *sizeof (float);
}

static void
pack_rows (int rows, int cols, const float *w, void *packed)
{
  memcpy (packed, w, (size_t) rows * (size_t) cols * sizeof *w);
}

static void
unpack_rows (int rows, int cols, const void *packed, float *w)
{
  memcpy (w, packed, (size_t) rows * (size_t) cols * sizeof *w);
}

static void
product (int rows, int cols, const void *packed, int n, const float *x, float *y)
{
  for (int s = 0; s < n; s++)
    matvec (rows, cols, packed, x + (size_t) s * (size_t) cols, y + (size_t) s * (size_t) rows);
}

static const NnRows rows_ops[NN_N_WEIGHTS] = {
  [NN_WEIGHTS_F32] = {size_rows, pack_rows, unpack_rows, product},
  [NN_WEIGHTS_INT16] = {nn_int16_size, nn_int16_pack, nn_int16_unpack, nn_int16_product},
};

static void
pack (int k, int n, const float *b, size_t row, size_t column, float *packed)
{
  for (size_t i = 0; i < (size_t) k; i++)
    for (size_t j = 0; j < (size_t) n; j++)
      packed[i * (size_t) n + j] = b[i * row + j * column];
}

static void
gemm (int m, int n, int k, const float *a, size_t lda, const float *packed, float *c, size_t ldc, NnGemmMode mode,
    const float *bias)
{
  for (size_t r = 0; r < (size_t) m; r++)
    for (size_t j = 0; j < (size_t) n; j++) {
      float sum = 0.0f;

      for (size_t i = 0; i < (size_t) k; i++)
        sum += a[r * lda + i] * packed[i * (size_t) n + j];
      if (mode == NN_ADD)
        sum += c[r * ldc + j];
      else if (mode == NN_BIAS)
        sum += bias[j];
      c[r * ldc + j] = sum;
    }
}

static void
gemm_tn (int m, int n, int k, const float *a, const float *b, float *c, float *scratch)
{
  (void) scratch;
  for (size_t r = 0; r < (size_t) m; r++)
    for (size_t j = 0; j < (size_t) n; j++) {
      float sum = 0.0f;

      for (size_t i = 0; i < (size_t) k; i++)
        sum += a[i * (size_t) m + r] * b[i * (size_t) n + j];
      c[r * (size_t) n + j] += sum;
    }
}

static float
logistic (float x)
{
  return 1.0f / (1.0f + expf (-x));
}

static void
cell (int n, float *z, const float *c_prev, float *c, float *tanh_c, float *h)
{
  float *i = z, *f = z + n, *g = z + 2 * n, *o = z + 3 * n;

  for (int j = 0; j < n; j++) {
    float t;

    i[j] = logistic (i[j]);
    f[j] = logistic (f[j]);
    g[j] = tanhf (g[j]);
    o[j] = logistic (o[j]);
    c[j] = f[j] * c_prev[j] + i[j] * g[j];
    t = tanhf (c[j]);
    if (tanh_c)
      tanh_c[j] = t;
    h[j] = o[j] * t;
  }
}

static void
cell_grad (int n, float *gates, const float *c_prev, const float *tanh_c, const float *dh, float *dc)
{
  float *i = gates, *f = gates + n, *g = gates + 2 * n, *o = gates + 3 * n;

  for (int j = 0; j < n; j++) {
    float d_o = dh[j] * tanh_c[j];
    float d_c = dc[j] + dh[j] * o[j] * (1.0f - tanh_c[j] * tanh_c[j]);
    float d_i = d_c * g[j], d_f = d_c * c_prev[j], d_g = d_c * i[j];

    dc[j] = d_c * f[j];
    i[j] = d_i * i[j] * (1.0f - i[j]);
    f[j] = d_f * f[j] * (1.0f - f[j]);
    g[j] = d_g * (1.0f - g[j] * g[j]);
    o[j] = d_o * o[j] * (1.0f - o[j]);
  }
}

static void
sigmoid (size_t n, float *y)
{
  for (size_t i = 0; i < n; i++)
    y[i] = logistic (y[i]);
}

static void
adam (size_t n, float *w, const float *g, float *m, float *v, float decay, float beta1, float beta2, float rate,
    float root, float epsilon)
{
  for (size_t i = 0; i < n; i++) {
    float x = w[i] - decay * w[i];

    m[i] = beta1 * m[i] + (1.0f - beta1) * g[i];
    v[i] = beta2 * v[i] + (1.0f - beta2) * g[i] * g[i];
    w[i] = x - rate * m[i] / (sqrtf (v[i]) * root + epsilon);
  }
}

const NnOps nn_ops_reference = {
  "reference", matvec, rows_ops, pack, gemm, gemm_tn, cell, cell_grad, sigmoid, adam
};
