/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-complexity.h"

#include <math.h>
#include <string.h>

#define PATCH MLO_LUMA_PATCH
/* log10 (SI * TI) of the busiest natural scenes. */
#define CRITICALITY_TOP 4.0

gboolean
mlo_luma_grid_pick (MloLumaGrid * grid, const guint8 * plane, int width, int height, gssize row_stride,
    int pixel_stride)
{
  guint8 *out = grid->luma;

  if (width < MLO_LUMA_COLUMNS * PATCH || height < MLO_LUMA_ROWS * PATCH)
    return FALSE;
  for (int r = 0; r < MLO_LUMA_ROWS; r++) {
    /* Each patch in the middle of its share of the picture. */
    int y = (int) (((gint64) (2 * r + 1) * height) / (2 * MLO_LUMA_ROWS)) - PATCH / 2;

    for (int c = 0; c < MLO_LUMA_COLUMNS; c++) {
      int x = (int) (((gint64) (2 * c + 1) * width) / (2 * MLO_LUMA_COLUMNS)) - PATCH / 2;
      const guint8 *p = plane + y * row_stride + (gssize) x * pixel_stride;

      for (int j = 0; j < PATCH; j++, p += row_stride) {
        if (pixel_stride == 1) {
          memcpy (out, p, PATCH);
          out += PATCH;
        } else {
          for (int i = 0; i < PATCH; i++)
            *out++ = p[i * pixel_stride];
        }
      }
    }
  }
  return TRUE;
}

static double
deviation (double sum, double square, int n)
{
  double mean = sum / n, variance = square / n - mean * mean;

  return variance > 0.0 ? sqrt (variance) : 0.0;
}

void
mlo_complexity_si_ti (const MloLumaGrid * now, const MloLumaGrid * before, double *si, double *ti)
{
  double sum = 0.0, square = 0.0;
  int n = 0;

  for (const guint8 * p = now->luma; p < now->luma + MLO_LUMA_SAMPLES; p += PATCH * PATCH) {
    for (int y = 1; y < PATCH - 1; y++) {
      for (int x = 1; x < PATCH - 1; x++) {
        const guint8 *a = p + (y - 1) * PATCH + x, *b = a + PATCH, *c = b + PATCH;
        int gx = a[1] - a[-1] + 2 * (b[1] - b[-1]) + c[1] - c[-1];
        int gy = c[-1] - a[-1] + 2 * (c[0] - a[0]) + c[1] - a[1];
        double power = (double) (gx * gx + gy * gy);

        sum += sqrt (power);
        square += power;
        n++;
      }
    }
  }
  *si = deviation (sum, square, n);

  sum = square = 0.0;
  for (int i = 0; i < MLO_LUMA_SAMPLES; i++) {
    int d = now->luma[i] - before->luma[i];

    sum += d;
    square += d * d;
  }
  *ti = deviation (sum, square, MLO_LUMA_SAMPLES);
}

double
mlo_complexity (const MloLumaGrid * now, const MloLumaGrid * before)
{
  double si, ti;

  mlo_complexity_si_ti (now, before, &si, &ti);
  return MIN (1.0, log10 (1.0 + si * ti) / CRITICALITY_TOP);
}
