/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_QOE_ESTIMATE_H
#define MLO_QOE_ESTIMATE_H

#include "mlo-qoe.h"
#include "mlo-sample.h"

G_BEGIN_DECLS

/* What the player's decoder and screen add where nobody knows better. */
#define MLO_QOE_DECODE_MS 5.0

/**
 * MloQoeContext: what the estimate needs besides the sample. Start from mlo_qoe_context_default.
 */
typedef struct
{
  int source_width, source_height;      /* before scaling; 0: the sample's size is the source's */
  double decode_ms;             /* decoding, without the wait for the refresh */
  double gap_ms;                /* sum over gaps between frames sent that ended in the last second
                                   of max (0, gap - 100 ms): skips, source hiccups */
  double silence_ms;            /* age of the oldest byte that should have been acknowledged and is
                                   not, above the path's round trip; 0: feedback is in time, or
                                   there never was any */
} MloQoeContext;

extern const MloQoeContext mlo_qoe_context_default;

/**
 * mlo_qoe_estimate:
 * What the player is likely to have seen in the last second, from the sender's side: PSNR from the
 * surface at the measured (else the set) bitrate; the frames that reached the encoder less those
 * lost; D = encode + queue + base RTT/2 + time of one frame on the link + decode + half a refresh.
 * The round trip in @sample includes the queue, so base RTT = latency_ms - queue_delay_ms. Missing
 * fields count as nothing wrong (no delay, no loss; complexity 0.6, the size of the source).
 * FALSE where fps or both bitrates are missing. RT safe.
 */
gboolean mlo_qoe_estimate (const MloSample * sample, const MloQoeContext * context, MloQoeSecond * second);

/* R, 0..100 (quality_score is a hundredth of it), of mlo_qoe_estimate; NAN where that is FALSE. RT safe. */
double mlo_qoe_estimate_score (const MloSample * sample, const MloQoeContext * context);

G_END_DECLS
#endif
