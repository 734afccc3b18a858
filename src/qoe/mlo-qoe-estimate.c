/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-qoe-estimate.h"

#include <math.h>

/* RTP payload of a full packet. */
#define PACKET_BYTES 1200.0
#define TYPICAL_COMPLEXITY 0.6

const MloQoeContext mlo_qoe_context_default = {.decode_ms = MLO_QOE_DECODE_MS };

gboolean
mlo_qoe_estimate (const MloSample * s, const MloQoeContext * c, MloQoeSecond * second)
{
  double kbps = mlo_sample_get (s, MLO_FIELD_ENCODED, mlo_sample_get (s, MLO_FIELD_BITRATE, -1.0));
  double fps = mlo_sample_get (s, MLO_FIELD_FPS, -1.0);
  double width = mlo_sample_get (s, MLO_FIELD_WIDTH, c->source_width);
  double height = mlo_sample_get (s, MLO_FIELD_HEIGHT, c->source_height);
  double source_width = c->source_width > 0 ? c->source_width : width;
  double source_height = c->source_height > 0 ? c->source_height : height;
  double queue = mlo_sample_get (s, MLO_FIELD_QUEUE_DELAY, 0.0);
  double base = fmax (mlo_sample_get (s, MLO_FIELD_LATENCY, 0.0) - queue, 0.0);
  double capacity = mlo_sample_get (s, MLO_FIELD_BANDWIDTH, 0.0);
  double loss = mlo_sample_get (s, MLO_FIELD_PACKET_LOSS, 0.0);
  double frame_kbit, packets, lost;

  if (kbps < 0.0 || fps < 0.0)
    return FALSE;
  *second = (MloQoeSecond) {
  0};
  if (fps < 1.0 || kbps <= 0.0 || c->silence_ms >= MLO_QOE_MAX_DELAY_MS)
    return TRUE;                /* nothing is shown */

  frame_kbit = kbps / fps;
  packets = ceil (frame_kbit * 125.0 / PACKET_BYTES);
  /* a frame with a hole is not shown; frames dropped downstream are not either */
  lost = 1.0 - pow (1.0 - loss, packets);
  lost = fmax (lost, fmin (mlo_sample_get (s, MLO_FIELD_FRAME_DROPS, 0.0) / fps, 1.0));

  second->fps = fmin (fps, MLO_QOE_REFRESH_HZ) * (1.0 - lost);
  second->lost_percent = 100.0 * lost;
  second->gap_ms = c->gap_ms + fmax (c->silence_ms - 100.0, 0.0);
  second->psnr_db = mlo_qoe_psnr_db (kbps, fps, source_height > 0.0 ? height / source_height : 1.0,
      fmax (source_width * source_height, 1.0), mlo_sample_get (s, MLO_FIELD_COMPLEXITY, TYPICAL_COMPLEXITY));
  second->delay_ms = mlo_sample_get (s, MLO_FIELD_ENCODE_TIME, 0.0) + queue + base / 2.0
      + (capacity > 0.0 ? fmin (1000.0 * frame_kbit / capacity, MLO_QOE_MAX_DELAY_MS) : 0.0)
      + c->decode_ms + 500.0 / MLO_QOE_REFRESH_HZ;
  return TRUE;
}

double
mlo_qoe_estimate_score (const MloSample * s, const MloQoeContext * c)
{
  MloQoeSecond second;

  return mlo_qoe_estimate (s, c, &second) ? mlo_qoe_score (&second) : NAN;
}
