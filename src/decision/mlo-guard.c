/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-guard.h"

#include <math.h>
#include <string.h>

/* A queue this share of the target is empty enough to return, ... */
#define QUEUE_EMPTY 0.3
/* ... and this share of it together with too little capacity is a drop. */
#define QUEUE_DROP 0.5
/* A queue above the target for this long is a drop whatever the capacity measured. A fade of the
 * radio is over by then, and the window has kept frames out of it meanwhile. */
#define QUEUE_PATIENCE_US 150000
/* Time in which a backlog is to drain. */
#define DRAIN_S 0.3
/* Share of the measured capacity that is used while draining and by rule. */
#define HEADROOM 0.93
/* Rise per second, as a factor: of the networks' choice (2 to 20 Mbit/s within 0.6 s) ... */
#define RISE_NETWORKS 50.0
/* ... and by rule. */
#define RISE_RULE 1.5
/* Over the largest capacity seen in the last second nothing is believed. */
#define CEILING 1.15
/* ... and on a link that does not change nothing is gained by its last few percent, but frames that wait. */
#define CEILING_STEADY 0.95
/* Losses of this share with a queue are congestion; without a queue they are the radio's. */
#define LOSS_CONGESTION 0.02
#define LOSS_QUEUE_MS 15.0
/* ... but receiver reports know the queue only from one sender report to the next, seconds apart: with
 * them this much is congestion and less than LOSS_CONGESTION is none (as draft-ietf-rmcat-gcc-02, section 6, has it). */
#define LOSS_REPORTED 0.1
/* What one report may cut at most, ... */
#define CUT_REPORTED 0.4
/* ... how long it takes until a report speaks of the time after a cut, ... */
#define CUT_REPORTED_US (500 * 1000)
/* ... how far over what arrived the next step may go, as long as reports are apart, ... */
#define REACH_REPORTED 1.5
/* ... and below what was too much before: that is forgotten by this factor a second. */
#define BELOW_CEILING 0.95
#define CEILING_FORGET 1.02
#define NEAR_CEILING 1.03
/* Clean so far beyond it: the link is another one. */
#define PAST_CEILING 1.1
/* While reports are overdue the few frames that go on get smaller, by this for each target delay of silence: they are
 * what must drain when the link is back. What the guard allows stays, for the time when it is. */
#define SILENT_SHARE 0.5
/* After a stop the bitrate is at once this share of what the path was measured to carry since, where the networks
 * want that. */
#define RETURN_SHARE 0.8
#define CUT 0.85
#define CUT_INTERVAL_US 200000

void
mlo_guard_init (MloGuard * g, double start_kbps)
{
  memset (g, 0, sizeof *g);
  g->state = MLO_GUARD_HOLD;
  g->start_kbps = g->bitrate_kbps = start_kbps;
}

static void
enter (MloGuard * g, gint64 now_us, MloGuardState state)
{
  if (g->state != state) {
    g->state = state;
    g->since_us = now_us;
  }
}

gboolean
mlo_guard_queues (const MloGuardInput * in)
{
  return in->queue_ms > MAX (LOSS_QUEUE_MS, QUEUE_EMPTY * in->limits->target_delay_ms);
}

/* Capacity is measured, there is a queue, and more is sent than gets through; or the queue stays; or
 * packets are lost to a queue. */
static gboolean
congested (MloGuard * g, const MloGuardInput * in)
{
  double target = in->limits->target_delay_ms;

  if (in->queue_ms > target) {
    if (g->queue_since_us == 0)
      g->queue_since_us = in->now_us;
  } else
    g->queue_since_us = 0;

  if (in->capacity_kbps > 0.0 && in->capacity_kbps < g->bitrate_kbps
      && MAX (in->queue_ms, in->wait_ms) > QUEUE_DROP * target)
    return TRUE;
  if (g->queue_since_us != 0 && in->now_us - g->queue_since_us >= QUEUE_PATIENCE_US)
    return TRUE;
  if (!in->per_packet && !in->reports_only && in->loss > LOSS_REPORTED)
    return TRUE;
  return in->loss > LOSS_CONGESTION && mlo_guard_queues (in);
}

/* Drain: what the path carries less what empties the backlog in time. */
static double
drain_rate (MloGuard * g, const MloGuardInput * in)
{
  if (in->capacity_kbps > 0.0) {
    double backlog = in->capacity_kbps * MAX (in->queue_ms, in->wait_ms) / 1000.0;      /* kbit */
    double rate = HEADROOM * in->capacity_kbps - backlog / DRAIN_S;

    return MAX (rate, 0.3 * in->capacity_kbps);
  }
  if (in->now_us - g->last_cut_us >= CUT_INTERVAL_US) {
    g->last_cut_us = in->now_us;
    return g->bitrate_kbps * CUT;
  }
  return g->bitrate_kbps;
}

static double
rise (const MloGuard * g, double dt_s, double per_second)
{
  return g->bitrate_kbps * pow (per_second, dt_s);
}

/* Rules alone: multiplicative up while the queue is empty, what is needed down otherwise. */
static void
advance_rule (MloGuard * g, const MloGuardInput * in, double dt_s, gboolean cut, MloGuardOutput * out)
{
  double target = in->limits->target_delay_ms;

  out->limiter = MLO_LIMITER_GUARD;
  if (cut) {
    double rate = drain_rate (g, in);

    g->bitrate_kbps = MIN (g->bitrate_kbps, rate);
    out->limiter = MLO_LIMITER_NETWORK;
    out->reason = "rules: the queue drains first";
    return;
  }
  out->reason = "rules: waits for an empty queue";
  if (!in->tick || in->queue_ms > QUEUE_EMPTY * target)
    return;
  /* A still picture says nothing of the path: no rise on bytes that were not sent. */
  if (in->encoded_kbps >= 0.0 && in->encoded_kbps < 0.5 * g->bitrate_kbps) {
    out->limiter = MLO_LIMITER_SOURCE;
    out->reason = "rules: the pictures need no more";
    return;
  }
  g->bitrate_kbps = rise (g, dt_s, RISE_RULE);
  out->reason = "rules: rises while the queue is empty";
  if (in->capacity_kbps > 0.0 && g->bitrate_kbps > HEADROOM * in->capacity_kbps) {
    g->bitrate_kbps = HEADROOM * in->capacity_kbps;
    out->limiter = MLO_LIMITER_NETWORK;
    out->reason = "rules: held at the measured capacity";
  }
}

/* Too much was sent in the time that a report speaks of. */
static void
cut_reported (MloGuard * g, const MloGuardInput * in)
{
  double most = g->bitrate_kbps * MIN (CUT, 1.0 - 0.5 * g->reported_loss);

  if (in->delivered_kbps > 0.0) {
    g->ceiling_kbps = in->delivered_kbps;
    most = MIN (most, HEADROOM * in->delivered_kbps);
  } else
    g->ceiling_kbps = g->bitrate_kbps;
  g->bitrate_kbps = MAX (most, CUT_REPORTED * g->bitrate_kbps);
  g->goal_kbps = g->bitrate_kbps;
  g->last_cut_us = in->now_us;
  g->reported_loss = 0.0;
}

/* Receiver reports alone: they come up to seconds apart and each speaks of the time before it, so there is one
 * judgement a report, and between two nothing is believed. */
static void
judge_report (MloGuard * g, const MloGuardInput * in)
{
  double target = in->limits->target_delay_ms, step, goal;
  double interval_s = in->report_interval_s > 0.0 ? MIN (in->report_interval_s, 10.0) : 1.0;

  if (g->last_cut_us != 0 && in->now_us - g->last_cut_us < CUT_REPORTED_US)
    return;
  g->reported_loss += (in->loss - g->reported_loss) * MIN (interval_s, 1.0);
  g->ceiling_kbps *= pow (CEILING_FORGET, interval_s);
  if (g->bitrate_kbps > PAST_CEILING * g->ceiling_kbps)
    g->ceiling_kbps = 0.0;
  if (g->reported_loss > LOSS_REPORTED || in->queue_ms > target) {
    cut_reported (g, in);
    return;
  }
  g->goal_kbps = g->bitrate_kbps;
  if (g->reported_loss > LOSS_CONGESTION || in->queue_ms > QUEUE_EMPTY * target)
    return;
  /* A still picture says nothing of the path: no rise on bytes that were not sent. */
  if (in->encoded_kbps >= 0.0 && in->encoded_kbps < 0.5 * g->bitrate_kbps)
    return;
  step = pow (RISE_RULE, MIN (interval_s, 1.0));
  goal = g->bitrate_kbps * step;
  if (in->delivered_kbps > 0.0)
    goal = MIN (goal, REACH_REPORTED * in->delivered_kbps);
  if (g->ceiling_kbps > 0.0 && goal > BELOW_CEILING * g->ceiling_kbps)
    goal = MAX (BELOW_CEILING * g->ceiling_kbps, g->bitrate_kbps * pow (NEAR_CEILING, interval_s));
  g->goal_kbps = MAX (goal, g->bitrate_kbps);
}

static void
advance_reported (MloGuard * g, const MloGuardInput * in, double dt_s, MloGuardOutput * out)
{
  if (in->report)
    judge_report (g, in);
  out->limiter = MLO_LIMITER_GUARD;
  out->reason = "receiver reports: waits for the next";
  if (in->report && g->last_cut_us == in->now_us) {
    out->limiter = MLO_LIMITER_NETWORK;
    out->reason = "receiver reports: less than was sent arrived";
  } else if (in->tick && g->goal_kbps > g->bitrate_kbps) {
    g->bitrate_kbps = MIN (g->goal_kbps, rise (g, dt_s, RISE_RULE));
    out->reason = "receiver reports: rises a step a report";
  }
}

/* A transport that is asked has a rule of its own. */
static void
advance_transport (MloGuard * g, const MloGuardInput * in, double dt_s, MloGuardOutput * out)
{
  static const struct
  {
    MloLimiter limiter;
    const char *reason;
  } words[] = {
    [MLO_TRANSPORT_RISES] = {MLO_LIMITER_GUARD, "transport: rises while the queue is empty"},
    [MLO_TRANSPORT_WAITS] = {MLO_LIMITER_GUARD, "transport: waits for an empty queue"},
    [MLO_TRANSPORT_CUTS] = {MLO_LIMITER_NETWORK, "transport: more is sent than gets through"},
    [MLO_TRANSPORT_DRAINS] = {MLO_LIMITER_NETWORK, "transport: the queue drains first"},
    [MLO_TRANSPORT_SOURCE] = {MLO_LIMITER_SOURCE, "transport: the pictures need no more"},
  };
  const MloTransportRuleInput rule = {
    .now_us = in->now_us,
    .dt_s = dt_s,
    .target_delay_ms = in->limits->target_delay_ms,
    .encoded_kbps = in->encoded_kbps,
    .view = in->transport,
  };
  MloTransportVerdict verdict = MLO_TRANSPORT_WAITS;

  /* Nothing new came between two ticks. */
  if (in->tick)
    g->bitrate_kbps = mlo_transport_rule_advance (&g->transport_rule, &rule, g->bitrate_kbps, &verdict);
  out->limiter = words[verdict].limiter;
  out->reason = words[verdict].reason;
}

static void
advance_networks (MloGuard * g, const MloGuardInput * in, double dt_s, MloGuardOutput * out)
{
  /* What a server tells holds until its next message, which may be seconds: nothing would take back too much. */
  double share = in->steady ? CEILING_STEADY : CEILING;
  double ceiling = in->per_packet ? share * in->recent_capacity_kbps : HEADROOM * in->capacity_kbps;
  double want = in->wanted_kbps, allowed;

  out->limiter = MLO_LIMITER_MODEL;
  out->reason = "the networks' choice";
  if (!in->tick) {
    return;
  }
  if (ceiling > 0.0 && want > ceiling) {
    want = ceiling;
    out->limiter = MLO_LIMITER_NETWORK;
    out->reason = in->per_packet ? "not above the capacity of the last second" : "held at the capacity told";
  }
  allowed = rise (g, dt_s, RISE_NETWORKS);
  if (in->per_packet && in->queue_ms < QUEUE_EMPTY * in->limits->target_delay_ms)
    allowed = MAX (allowed, RETURN_SHARE * in->capacity_kbps);
  /* A still picture says nothing of the path. */
  if (in->source_limited && want < g->bitrate_kbps && in->queue_ms < QUEUE_EMPTY * in->limits->target_delay_ms) {
    want = g->bitrate_kbps;
    out->limiter = MLO_LIMITER_SOURCE;
    out->reason = "the pictures need no more: the bitrate stays";
  }
  if (want > allowed) {
    want = allowed;
    out->limiter = MLO_LIMITER_GUARD;
    out->reason = "rises no faster";
  }
  g->bitrate_kbps = want;
}

void
mlo_guard_advance (MloGuard * g, const MloGuardInput * in, MloGuardOutput * out)
{
  double share = 1.0;
  gboolean cut, networks = in->wanted_kbps >= 0.0 && isfinite (in->wanted_kbps) && (in->per_packet || in->told);
  double dt_s = g->last_tick_us == 0 ? 0.1 : (double) (in->now_us - g->last_tick_us) / 1e6;

  dt_s = CLAMP (dt_s, 0.0, 0.5);
  memset (out, 0, sizeof *out);
  if (!in->ever_feedback) {
    enter (g, in->now_us, MLO_GUARD_HOLD);
    g->bitrate_kbps = g->start_kbps;
    out->limiter = MLO_LIMITER_NONE;
    out->reason = "no feedback yet: the start bitrate stays";
  } else if (in->lost) {
    enter (g, in->now_us, MLO_GUARD_FALLBACK);
    if (!g->was_lost)
      g->bitrate_kbps *= 0.5;
    out->limiter = MLO_LIMITER_NETWORK;
    out->reason = in->per_packet ? "feedback is lost: probes only" : "feedback is lost";
  } else {
    cut = congested (g, in);
    if (in->transport) {
      enter (g, in->now_us, MLO_GUARD_FALLBACK);
      advance_transport (g, in, dt_s, out);
    } else if (in->reports_only) {
      enter (g, in->now_us, MLO_GUARD_FALLBACK);
      advance_reported (g, in, dt_s, out);
    } else if (!networks) {
      enter (g, in->now_us, MLO_GUARD_FALLBACK);
      advance_rule (g, in, dt_s, cut, out);
    } else if (cut || (g->state == MLO_GUARD_BACKOFF && in->queue_ms > QUEUE_EMPTY * in->limits->target_delay_ms
            && in->now_us - g->since_us < G_USEC_PER_SEC)) {
      double rate = drain_rate (g, in);

      enter (g, in->now_us, MLO_GUARD_BACKOFF);
      if (in->tick && in->wanted_kbps < rate)
        rate = in->wanted_kbps;
      g->bitrate_kbps = MIN (rate, in->tick ? rise (g, dt_s, RISE_NETWORKS) : g->bitrate_kbps);
      out->limiter = MLO_LIMITER_NETWORK;
      out->reason = "the queue drains first";
    } else {
      enter (g, in->now_us, MLO_GUARD_NORMAL);
      advance_networks (g, in, dt_s, out);
    }
  }
  g->was_lost = in->lost;
  if (in->tick)
    g->last_tick_us = in->now_us;
  if (!isfinite (g->bitrate_kbps))
    g->bitrate_kbps = in->limits->min_bitrate_kbps;
  if (g->bitrate_kbps < in->limits->min_bitrate_kbps) {
    g->bitrate_kbps = in->limits->min_bitrate_kbps;
    out->limiter = MLO_LIMITER_USER;
    out->reason = "held at min-bitrate";
  } else if (g->bitrate_kbps >= in->limits->max_bitrate_kbps) {
    g->bitrate_kbps = in->limits->max_bitrate_kbps;
    out->limiter = MLO_LIMITER_USER;
    out->reason = "held at max-bitrate";
  }
  if (in->silent_ms > 0.0)
    share = pow (SILENT_SHARE, in->silent_ms / MAX (in->limits->target_delay_ms, 1.0));
  out->bitrate_kbps = MAX (share * g->bitrate_kbps, in->limits->min_bitrate_kbps);
  out->state = g->state;
}
