/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-transport-rule.h"

#include <math.h>
#include <string.h>

/* A queue this share of the target is empty, ... */
#define QUEUE_EMPTY 0.3
/* ... and one of this share that grows by so many ms a ms is the beginning of a full one. */
#define QUEUE_GROWS 0.45
#define GROWS 0.12
/* ... and one that falls by so many drains. */
#define DRAINS 0.03
/* Losses of this share with a queue are congestion; without one they are the radio's up to the second. */
#define LOSS_CONGESTION 0.02
#define LOSS_QUEUE_MS 15.0
#define LOSS_MUCH 0.1
/* Share of what gets through that is used afterwards, and the least of a cut. */
#define HEADROOM 0.92
#define CUT 0.9
/* What one cut may take at most, ... */
#define CUT_MOST 0.45
/* ... and what one may that follows another. */
#define CUT_AGAIN 0.45
/* Time in which the queue is to drain. */
#define DRAIN_S 0.5
#define DRAIN_MOST_MS 1500.0
/* How long a cut needs until it is seen: encoder, path, the transport's smoothing. */
#define CUT_INTERVAL_MS 350.0
#define CUT_INTERVAL_MOST_MS 600.0
#define CUT_LAG_MS 200.0
/* Rise per second, as a factor: far from what was too much before, and near it. */
#define RISE 1.4
#define RISE_NEAR 1.07
#define NEAR_FROM 0.85
#define NEAR_TO 1.15
/* What was too much is forgotten by this factor a second. */
#define ANCHOR_FORGET 1.01
/* Less than this share of the bitrate is encoded: the source limits. */
#define SOURCE_SHARE 0.5
#define SHARE_SMOOTHING 0.05
#define LEAST_SHARE 0.3
/* Frames are left out when this many times the target waits. */
#define FULL 4.0
#define FULL_MS 200.0

void
mlo_transport_rule_init (MloTransportRule * r)
{
  memset (r, 0, sizeof *r);
}

/* The queue as it is now: what was sent since has left it or not come yet. */
static double
standing_ms (const MloTransportRule * r, const MloTransportView * v)
{
  double carried_kbps = r->anchor_kbps > 0.0 ? r->anchor_kbps / (r->share > 0.0 ? r->share : 1.0) : v->delivered_kbps;

  if (v->stalled_ms > 0.0 || carried_kbps <= 0.0)
    return v->queue_ms;
  return MIN (v->queue_ms, v->flight_bytes * 8.0 / carried_kbps);
}

static gboolean
congested (const MloTransportRuleInput * in)
{
  const MloTransportView *v = in->view;
  double target = in->target_delay_ms;

  return v->queue_ms > target || (v->queue_ms > QUEUE_GROWS * target && v->growth > GROWS) || v->loss > LOSS_MUCH
      || (v->loss > LOSS_CONGESTION && v->queue_ms > MAX (LOSS_QUEUE_MS, QUEUE_EMPTY * target));
}

static void
note_share (MloTransportRule * r, const MloTransportRuleInput * in)
{
  double share;

  /* Retransmissions are no overhead, and a standing queue no steady state. */
  if (in->encoded_kbps <= 0.0 || in->view->sent_kbps <= 0.0 || in->view->loss > 0.0
      || in->view->queue_ms > QUEUE_EMPTY * in->target_delay_ms)
    return;
  share = CLAMP (in->encoded_kbps / in->view->sent_kbps, LEAST_SHARE, 1.0);
  r->share += (r->share <= 0.0 ? 1.0 : SHARE_SMOOTHING) * (share - r->share);
}

/* Below what gets through by so much that the queue is gone in time. */
static double
cut (MloTransportRule * r, const MloTransportRuleInput * in, double kbps)
{
  const MloTransportView *v = in->view;
  double through = v->delivered_kbps * (r->share > 0.0 ? r->share : 1.0), rate;

  if (v->delivered_kbps <= 0.0 || through > kbps)
    through = kbps;
  r->anchor_kbps = through;
  rate = HEADROOM * through - through * MIN (v->queue_ms, 1000.0) / 1000.0 / DRAIN_S;
  rate = MIN (MAX (rate, CUT_MOST * through), CUT * kbps);
  if (r->draining && !v->exact)
    rate = MAX (rate, CUT_AGAIN * kbps);
  r->drain_ms = through > rate ? MIN (v->queue_ms / (1.0 - rate / through), DRAIN_MOST_MS) : 0.0;
  return rate;
}

/* While it stands, what gets through is what the path carries. */
static void
refine_anchor (MloTransportRule * r, const MloTransportRuleInput * in)
{
  double through = in->view->delivered_kbps * (r->share > 0.0 ? r->share : 1.0);

  if (through > 0.0 && in->view->queue_ms > LOSS_QUEUE_MS)
    r->anchor_kbps += 0.3 * (MIN (through, 1.1 * r->anchor_kbps) - r->anchor_kbps);
}

static double
rise (MloTransportRule * r, const MloTransportRuleInput * in, double kbps, MloTransportVerdict * verdict)
{
  gboolean near;

  r->anchor_kbps *= pow (ANCHOR_FORGET, in->dt_s);
  /* A still picture says nothing of the path: no rise on bytes that were not sent. */
  if (in->encoded_kbps >= 0.0 && in->encoded_kbps < SOURCE_SHARE * kbps) {
    *verdict = MLO_TRANSPORT_SOURCE;
    return kbps;
  }
  near = r->anchor_kbps > 0.0 && kbps > NEAR_FROM * r->anchor_kbps && kbps < NEAR_TO * r->anchor_kbps;
  *verdict = MLO_TRANSPORT_RISES;
  return kbps * pow (near ? RISE_NEAR : RISE, in->dt_s);
}

double
mlo_transport_rule_advance (MloTransportRule * r, const MloTransportRuleInput * in, double kbps,
    MloTransportVerdict * verdict)
{
  /* What a cut does is seen when what was sent before has come through, where it is not acknowledged byte by byte. */
  double path_ms = in->view->exact ? 0.0 : CUT_LAG_MS + MAX (in->view->rtt_ms, 0.0) + in->view->interval_ms;
  double wait_ms = CLAMP (path_ms, CUT_INTERVAL_MS, CUT_INTERVAL_MOST_MS);
  gboolean waits = r->cut_us != 0 && (double) (in->now_us - r->cut_us) < wait_ms * 1000.0;

  *verdict = MLO_TRANSPORT_WAITS;
  note_share (r, in);
  if (congested (in)) {
    if (r->draining)
      refine_anchor (r, in);
    if (waits || (r->draining && standing_ms (r, in->view) < in->target_delay_ms))
      return kbps;
    /* One cut is given the time that it needs, unless it was too small. */
    if (r->draining && in->view->growth < -DRAINS && in->view->stalled_ms <= CUT_INTERVAL_MS
        && (double) (in->now_us - r->cut_us) < (wait_ms + r->drain_ms) * 1000.0) {
      *verdict = MLO_TRANSPORT_DRAINS;
      return kbps;
    }
    *verdict = MLO_TRANSPORT_CUTS;
    kbps = cut (r, in, kbps);
    r->draining = TRUE;
    r->cut_us = in->now_us;
    return kbps;
  }
  if (in->view->queue_ms > QUEUE_EMPTY * in->target_delay_ms) {
    if (r->draining) {
      refine_anchor (r, in);
      *verdict = MLO_TRANSPORT_DRAINS;
    }
    return kbps;
  }
  if (r->draining) {
    r->draining = FALSE;
    return MAX (kbps, HEADROOM * r->anchor_kbps);
  }
  if (waits)
    return kbps;
  return rise (r, in, kbps, verdict);
}

gboolean
mlo_transport_rule_full (const MloTransportRule * r, const MloTransportView * view, double target_delay_ms)
{
  return standing_ms (r, view) > MAX (FULL * target_delay_ms, FULL_MS);
}
