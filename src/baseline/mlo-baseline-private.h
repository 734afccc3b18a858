/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_BASELINE_PRIVATE_H
#define MLO_BASELINE_PRIVATE_H

#include "mlo-baseline.h"

/* What all of them say but for the rate. */
static inline void
mlo_baseline_decision_init (MloDecision * d, double kbps, const char *reason)
{
  *d = (MloDecision) {
    .state = MLO_GUARD_NORMAL,.limiter = MLO_LIMITER_NETWORK,.reason = reason,.action =
        MLO_ACTION_NONE,.action_mask = 1u << MLO_ACTION_NONE,.bitrate_kbps = kbps,.predicted_kbps =
        -1.0,.capacity_kbps = -1.0,.gain = 1.0,.window_bytes = G_MAXUINT64
  };
}

/* A new rate, one decision more. */
static inline void
mlo_baseline_decide (MloDecision * d, gint64 now_us, double kbps)
{
  d->changed = kbps != d->bitrate_kbps ? MLO_ADAPT_BITRATE : 0;
  d->bitrate_kbps = kbps;
  d->timestamp_us = now_us;
  d->serial++;
}

#endif
