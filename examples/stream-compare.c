/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "stream-compare.h"

#include <math.h>

#define WINDOW 8
#define STEP 4

struct _StreamCompare
{
  int width, height;
  guint8 *enlarged;             /* (height, width) */
  int *x0, *x1;                 /* (width): the two columns that a pixel lies between */
  int *fx;                      /* (width): weight of the second, of 256 */
};

StreamCompare *
stream_compare_new (int width, int height)
{
  StreamCompare *c = g_new0 (StreamCompare, 1);

  c->width = width;
  c->height = height;
  c->enlarged = g_malloc ((gsize) width * (gsize) height);
  c->x0 = g_new (int, width);
  c->x1 = g_new (int, width);
  c->fx = g_new (int, width);
  return c;
}

void
stream_compare_free (StreamCompare * c)
{
  if (!c)
    return;
  g_free (c->enlarged);
  g_free (c->x0);
  g_free (c->x1);
  g_free (c->fx);
  g_free (c);
}

/* Where output place @i of @n lies among @m input places, centres aligned. */
static void
place (int i, int n, int m, int *first, int *second, int *weight)
{
  double x = CLAMP ((i + 0.5) * m / n - 0.5, 0.0, m - 1.0);

  *first = (int) x;
  *second = MIN (*first + 1, m - 1);
  *weight = (int) ((x - *first) * 256.0 + 0.5);
}

static void
enlarge (StreamCompare * c, const guint8 * picture, int width, int height, int stride)
{
  for (int x = 0; x < c->width; x++)
    place (x, c->width, width, &c->x0[x], &c->x1[x], &c->fx[x]);
  for (int y = 0; y < c->height; y++) {
    int y0, y1, fy;
    const guint8 *above, *below;
    guint8 *out = c->enlarged + (gsize) y * (gsize) c->width;

    place (y, c->height, height, &y0, &y1, &fy);
    above = picture + (gssize) y0 *stride;
    below = picture + (gssize) y1 *stride;
    for (int x = 0; x < c->width; x++) {
      int top = above[c->x0[x]] * (256 - c->fx[x]) + above[c->x1[x]] * c->fx[x];
      int bottom = below[c->x0[x]] * (256 - c->fx[x]) + below[c->x1[x]] * c->fx[x];

      out[x] = (guint8) ((top * (256 - fy) + bottom * fy + (1 << 15)) >> 16);
    }
  }
}

static double
psnr (const StreamCompare * c, const guint8 * a, int a_stride, const guint8 * b, int b_stride)
{
  guint64 sum = 0;

  for (int y = 0; y < c->height; y++) {
    const guint8 *p = a + (gssize) y * a_stride, *q = b + (gssize) y *b_stride;
    guint32 row = 0;            /* at most 65025 x 4096 */

    for (int x = 0; x < c->width; x++) {
      int d = p[x] - q[x];

      row += (guint32) (d * d);
    }
    sum += row;
  }
  if (sum == 0)
    return 100.0;
  return MIN (100.0, 10.0 * log10 (255.0 * 255.0 * c->width * c->height / (double) sum));
}

/*
 * SSIM = (2 ma mb + C1)(2 sab + C2) / ((ma^2 + mb^2 + C1)(sa^2 + sb^2 + C2)), C1 = (0.01*255)^2,
 * C2 = (0.03*255)^2; means m, (population) variances s^2 and covariance sab of a window.
 */
static double
ssim_window (const guint8 * a, int a_stride, const guint8 * b, int b_stride)
{
  const double n = WINDOW * WINDOW, c1 = 6.5025, c2 = 58.5225;
  int sa = 0, sb = 0, saa = 0, sbb = 0, sab = 0;
  double ma, mb, va, vb, cov;

  for (int y = 0; y < WINDOW; y++) {
    for (int x = 0; x < WINDOW; x++) {
      int p = a[x], q = b[x];

      sa += p;
      sb += q;
      saa += p * p;
      sbb += q * q;
      sab += p * q;
    }
    a += a_stride;
    b += b_stride;
  }
  ma = sa / n;
  mb = sb / n;
  va = saa / n - ma * ma;
  vb = sbb / n - mb * mb;
  cov = sab / n - ma * mb;
  return (2.0 * ma * mb + c1) * (2.0 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
}

void
stream_compare (StreamCompare * c, const guint8 * source, int source_stride, const guint8 * picture, int width,
    int height, int stride, double *psnr_db, double *ssim)
{
  double sum = 0.0;
  guint n = 0;

  if (width != c->width || height != c->height) {
    enlarge (c, picture, width, height, stride);
    picture = c->enlarged;
    stride = c->width;
  }
  *psnr_db = psnr (c, source, source_stride, picture, stride);
  for (int y = 0; y + WINDOW <= c->height; y += STEP) {
    for (int x = 0; x + WINDOW <= c->width; x += STEP) {
      sum += ssim_window (source + (gssize) y * source_stride + x, source_stride,
          picture + (gssize) y * stride + x, stride);
      n++;
    }
  }
  *ssim = n > 0 ? sum / n : NAN;
}
