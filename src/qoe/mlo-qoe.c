/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-qoe.h"

#include <math.h>

static double
clip (double x, double low, double high)
{
  return x < low ? low : x > high ? high : x;
}

/* R without the lower clip. NAN where the picture or the delay is not known. */
static double
rate (const MloQoeSecond * s)
{
  double fps = fmin (s->fps, MLO_QOE_REFRESH_HZ);
  double video, frame_rate, input, lost;

  if (isnan (s->psnr_db) || isnan (s->delay_ms))
    return NAN;
  video = 66.0 * clip ((40.0 - s->psnr_db) / 20.0, 0.0, 1.0);
  frame_rate = fmin (66.0, 0.259 * (exp (67.28 / fps) + 3.23) + 5.0 * log2 (60.0 / fps));
  input = clip (90.0 / (1.0 + exp (1.191 - 0.009775 * s->delay_ms)) - 18.73, 0.0, 68.98);
  lost = 0.625 * 9.306 * log (1.0 + clip (s->lost_percent + 100.0 * s->gap_ms / 1000.0, 0.0, 100.0));
  return fmin (100.0 - video - frame_rate - 0.848 * input - lost, 100.0);
}

double
mlo_qoe_reward (const MloQoeSecond * s)
{
  double r;

  if (!(s->fps > 0.0))
    return MLO_QOE_REWARD_FLOOR;
  r = rate (s);
  return r < MLO_QOE_REWARD_FLOOR ? MLO_QOE_REWARD_FLOOR : r;
}

double
mlo_qoe_score (const MloQoeSecond * s)
{
  double r;

  if (!(s->fps > 0.0))
    return 0.0;
  r = rate (s);
  return r < 0.0 ? 0.0 : r;
}

double
mlo_qoe_mos (double r)
{
  r = clip (r, 0.0, 100.0);
  return 1.3 + 0.0334 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
}
