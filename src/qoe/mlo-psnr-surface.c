/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-qoe.h"

#include <math.h>

#include "mlo-psnr-surface-table.h"

/* Source pictures for which the surface's bits need no correction. */
#define BASE_PIXELS 921600.0
/* At least this is gained by twice the bits, wherever the fit is extrapolated to. */
#define MIN_SLOPE 0.5
/* No less than noise against a picture has. */
#define MIN_PSNR 8.0
#define MAX_PSNR 60.0

static double
clip (double x, double low, double high)
{
  return x < low ? low : x > high ? high : x;
}

/* The equations are at the top of psnr-surface/fit.py, where the numbers come from. */
double
mlo_qoe_psnr_db (double bitrate_kbps, double fps, double scale, double pixels, double complexity)
{
  const double *a = surface_coding, *b = surface_up;
  /* how steep the lines are was seen between these complexities only; how high goes on */
  double c = clip (complexity, 0.0, 1.0), seen = clip (c, SURFACE_C_MIN, SURFACE_C_MAX);
  double x, within, slope, coding, up, s;

  fps = clip (fps, 1.0, 1000.0);
  pixels = fmax (pixels, 1.0);
  scale = clip (scale, 0.05, 1.0);
  x = log2 (fmax (bitrate_kbps, 1.0) * 1000.0 / (fps * pixels * scale * scale)) + surface_gamma * log2 (fps / 60.0)
      + surface_delta * log2 (pixels / BASE_PIXELS);
  within = clip (x, SURFACE_X_MIN, SURFACE_X_MAX);
  slope = fmax (a[2] + a[3] * seen + 2.0 * a[4] * within, MIN_SLOPE);
  coding = a[0] + a[1] * c + (a[2] + a[3] * seen) * within + a[4] * within * within + (x - within) * slope;
  if (scale < 1.0) {
    s = log2 (scale);
    up = b[0] + b[1] * c + (b[2] + b[3] * seen) * s + b[4] * s * s;
    coding = -10.0 * log10 (pow (10.0, -0.1 * coding) + pow (10.0, -0.1 * up));
  }
  return clip (coding, MIN_PSNR, MAX_PSNR);
}
