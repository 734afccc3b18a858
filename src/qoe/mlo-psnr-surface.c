/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-qoe.h"

#include <math.h>

/* Two errors add: coding, which falls with the bits a coded pixel gets, and enlarging, which is
 * the same at any rate. */
double
mlo_qoe_psnr_db (double bitrate_kbps, double fps, double scale, double pixels, double complexity)
{
  double bits, coding, enlarging;

  bitrate_kbps = fmax (bitrate_kbps, 1.0);
  fps = fmax (fps, 1.0);
  scale = fmin (fmax (scale, 0.05), 1.0);
  complexity = fmin (fmax (complexity, 0.0), 1.0);
  bits = bitrate_kbps * 1000.0 / (fps * fmax (pixels, 1.0) * scale * scale);
  coding = 41.0 + 2.6 * log2 (bits / 0.1) - 14.0 * complexity;
  enlarging = scale < 1.0 ? 38.0 + 7.0 * log2 (scale) - 10.0 * complexity - 4.0 * (1.0 - scale) : 60.0;
  return fmax (-10.0 * log10 (pow (10.0, -0.1 * coding) + pow (10.0, -0.1 * enlarging)), 5.0);
}
