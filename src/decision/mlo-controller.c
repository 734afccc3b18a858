/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-controller.h"

#include <math.h>
#include <string.h>

#include "mlo-controller-private.h"

#define PROBE_INTERVAL_US 200000
/* So many losses without a queue: the capacity told is not the path's. */
#define METRICS_LOSS 0.1
/* The window goes by no more than this share of the greatest bitrate of the last second. */
#define WINDOW_RATE 1.25
/* Above so many times the bitrate now, this share of the target delay is enough. */
#define WINDOW_WIDE 2.0
#define WINDOW_WIDE_TARGET 0.25
/* ... and this where a queue is to drain. */
#define WINDOW_DRAIN_TARGET 0.1
/* A report that is later than this share of the target makes the next frames smaller. */
#define SILENT_FREE 0.5
/* How much less than told counts as the encoder's way and not as pictures that need no more, what is a bitrate that
 * stands still, and how fast the share is learned, a tick. */
#define OBEYED_LEAST 0.9
#define OBEYED_STEADY 0.05
#define OBEYED_STEP 0.05
/* A change of size is a key frame, as large as some EASE_FRAMES thirtieths of a second at the bitrate: for the tick
 * before it and its own the bitrate is so low that it passes the link in EASE_S. */
#define EASE_FRAMES 4.0
#define EASE_S 0.04
/* A link whose capacity stayed above this share of its greatest for a second does not change. */
#define STEADY_SHARE 0.95
/* Pictures that need less than this share of what they may have. */
#define SOURCE_LIMITED 0.5

const MloControllerConfig mlo_controller_config_default = {
  .interval_us = 100000,
  .rule_ladder = TRUE,
};

static const MloPolicyClass controller_policy_class;

MloController *
mlo_controller_new (const MloControllerConfig * config)
{
  MloController *c = g_new0 (MloController, 1);

  c->policy.klass = &controller_policy_class;
  c->config = *config;
  if (c->config.limits.max_bitrate_kbps <= 0.0)
    c->config.limits = mlo_limits_default;
  /* As large as a file says: without the memory for it the rules decide alone. */
  if (config->predictor && !(c->predictor_state = mlo_predictor_state_new (config->predictor)))
    c->config.predictor = NULL;
  c->obeyed = 1.0;
  mlo_ladder_init (&c->ladder, &config->source, &c->config.limits);
  mlo_relief_init (&c->relief);
  mlo_explorer_init (&c->explorer, 0.0, config->seed);
  c->load.busy_ms = -1.0;
  mlo_controller_reset (c);
  return c;
}

void
mlo_controller_free (MloController * c)
{
  if (!c)
    return;
  if (c->predictor_state)
    mlo_predictor_state_free (c->predictor_state);
  g_free (c);
}

MloPolicy *
mlo_controller_policy (MloController * c)
{
  return &c->policy;
}

static double
clamp_rate (const MloController * c, double kbps)
{
  return CLAMP (kbps, c->config.limits.min_bitrate_kbps, c->config.limits.max_bitrate_kbps);
}

static void
fill_decision (MloController * c)
{
  MloDecision *d = &c->decision;

  d->width = c->ladder.size.index == 0 ? 0 : mlo_ladder_size (&c->ladder)->width;
  d->height = c->ladder.size.index == 0 ? 0 : mlo_ladder_size (&c->ladder)->height;
  d->fps = c->ladder.rate.index == 0 && c->config.limits.max_fps <= 0.0 ? 0.0 : mlo_ladder_fps (&c->ladder);
  d->preset_step = c->relief.step;
  d->gain = mlo_controller_gain (c);
}

void
mlo_controller_reset (MloController * c)
{
  double start = mlo_limits_default.start_bitrate_kbps;

  if (c->decision.serial > 0)
    start = c->guard.state == MLO_GUARD_HOLD ? c->guard.start_kbps : c->decision.bitrate_kbps;
  else if (c->config.limits.start_bitrate_kbps > 0.0)
    start = c->config.limits.start_bitrate_kbps;
  mlo_feedback_init (&c->feedback);
  mlo_dispersion_init (&c->dispersion);
  mlo_window_init (&c->flight);
  mlo_guard_init (&c->guard, start);
  c->guard.bitrate_kbps = clamp_rate (c, start);
  memset (&c->sample, 0, sizeof c->sample);
  c->explorer.unrest_us = 0;
  memset (c->recent_capacity, 0, sizeof c->recent_capacity);
  memset (c->recent_kbps, 0, sizeof c->recent_kbps);
  memset (c->gap_ms, 0, sizeof c->gap_ms);
  c->last_sent_us = 0;
  c->report_us = c->last_report_us = 0;
  c->report_fresh = FALSE;
  c->metrics = FALSE;
  c->metrics_valid = 0;
  c->transport_any = FALSE;
  c->capacity.kbps = -1.0;
  c->capacity_us = 0;
  c->payload_share = 0.955;
  c->frame_bytes = 0.0;
  mlo_controller_reset_gain (c);
  c->pending = MLO_ACTION_NONE;
  c->resized = FALSE;
  c->ladder_kbps = c->usual_kbps = c->guard.bitrate_kbps;
  c->predicted_kbps = -1.0;
  c->last_rise_us = 0;
  if (c->predictor_state)
    mlo_predictor_state_reset (c->predictor_state);
  c->decision.bitrate_kbps = c->guard.bitrate_kbps;
  c->decision.predicted_kbps = -1.0;
  c->decision.capacity_kbps = -1.0;
  c->decision.state = MLO_GUARD_HOLD;
  c->decision.reason = "no feedback yet: the start bitrate stays";
  c->decision.window_bytes = G_MAXUINT64;
  c->decision.probe_interval_us = 0;
  c->decision.action = MLO_ACTION_NONE;
  c->decision.parity_percent = -1;
  mlo_parity_init (&c->parity);
  c->parity_packets = c->parity_lost = 0;
  fill_decision (c);
}

void
mlo_controller_set_limits (MloController * c, const MloLimits * limits)
{
  gboolean ladder = limits->min_fps != c->config.limits.min_fps || limits->max_fps != c->config.limits.max_fps
      || limits->min_height != c->config.limits.min_height;

  c->config.limits = *limits;
  if (c->config.limits.min_bitrate_kbps > c->config.limits.max_bitrate_kbps)
    c->config.limits.min_bitrate_kbps = c->config.limits.max_bitrate_kbps;
  if (ladder)
    mlo_ladder_init (&c->ladder, &c->config.source, &c->config.limits);
}

void
mlo_controller_set_source (MloController * c, const MloSource * source)
{
  if (source->width == c->config.source.width && source->height == c->config.source.height
      && fabs (source->fps - c->config.source.fps) < 0.01)
    return;
  c->config.source = *source;
  mlo_ladder_init (&c->ladder, source, &c->config.limits);
}

void
mlo_controller_set_traits (MloController * c, const MloActuatorTraits * traits)
{
  c->config.traits = *traits;
  mlo_relief_place (&c->relief, traits, c->relief.step);
}

void
mlo_controller_on_encoder (MloController * c, const MloEncoderLoad * load)
{
  c->load = *load;
}

void
mlo_controller_on_parity (MloController * c, const MloParityStream * stream)
{
  c->parity_stream = *stream;
}

void
mlo_controller_set_explore (MloController * c, double share)
{
  c->explorer.share = share;
}

void
mlo_controller_set_networks (MloController * c, const MloBitratePredictor * predictor,
    const MloQualityOptimizer * optimizer)
{
  if (!c->predictor_state)
    predictor = NULL;
  g_return_if_fail (!predictor == !c->config.predictor && !optimizer == !c->config.optimizer);
  if (predictor) {
    const MloPredictorConfig *a = mlo_bitrate_predictor_config (predictor);
    const MloPredictorConfig *b = mlo_bitrate_predictor_config (c->config.predictor);

    g_return_if_fail (a->hidden == b->hidden && a->layers == b->layers && a->form == b->form);
  }
  c->config.predictor = predictor;
  c->config.optimizer = optimizer;
}

/* An encoder that stays a little below what it is told (x264enc with a VBV of 200 ms: 4 to 5 %) is told more. Judged
 * only where the bitrate stood still for as long as the encoder's rate is measured over. */
static void
measure_obedience (MloController * c)
{
  double told = c->decision.bitrate_kbps, share;

  if (c->guard.state == MLO_GUARD_HOLD)
    return;
  for (guint i = 0; i < RECENT_TICKS; i++) {
    if (fabs (c->recent_kbps[i] - told) > OBEYED_STEADY * told)
      return;
  }
  share = mlo_sample_get (&c->sample, MLO_FIELD_ENCODED, -1.0) / told;
  if (share < OBEYED_LEAST || c->decision.fps > 0.0)
    return;
  c->obeyed += OBEYED_STEP * (MIN (share, 1.0) - c->obeyed);
}

/* Bytes that may be in flight, DESIGN section 6. */
static guint64
window_bytes (const MloController * c)
{
  const MloLimits *l = &c->config.limits;
  double fps = mlo_ladder_fps (&c->ladder) > 0.0 ? mlo_ladder_fps (&c->ladder) : 60.0;
  double hold_ms, bytes, frame = MAX (c->frame_bytes, 125.0 * c->decision.bitrate_kbps / fps);
  double most = c->decision.bitrate_kbps;

  if (!mlo_feedback_any (&c->feedback) || c->capacity.kbps <= 0.0)
    return G_MAXUINT64;
  for (guint i = 0; i < RECENT_TICKS; i++)
    most = MAX (most, c->recent_kbps[i]);
  /* Where the path holds much more than is sent, there is no queue until it stops. */
  hold_ms = mlo_feedback_base_rtt_ms (&c->feedback) + mlo_feedback_interval_ms (&c->feedback)
      + (c->capacity.kbps > WINDOW_WIDE * c->decision.bitrate_kbps ? WINDOW_WIDE_TARGET
      : c->guard.state == MLO_GUARD_BACKOFF ? WINDOW_DRAIN_TARGET : 1.0) * l->target_delay_ms;
  /* A path that holds more than is sent has stopped when what was sent in that time is not acknowledged. */
  bytes = MIN (c->capacity.kbps * c->payload_share, WINDOW_RATE * most) * MIN (hold_ms, 60000.0) / 8.0 + frame;
  return (guint64) MAX (bytes, 2.0 * frame);
}

static double
media_kbps (const MloController * c, double ip_kbps)
{
  return ip_kbps > 0.0 ? ip_kbps * c->payload_share : -1.0;
}

/* Metrics are the feedback. */
static void
guard_metrics (const MloController * c, MloGuardInput * in)
{
  in->ever_feedback = TRUE;
  in->lost = (c->metrics_valid & METRICS_PATH) == 0;
  in->told = mlo_controller_metrics_feed (c);
  if (in->encoded_kbps < 0.0)
    in->encoded_kbps = mlo_sample_get (&c->sample, MLO_FIELD_BITRATE, -1.0);
  if (in->loss > METRICS_LOSS && in->queue_ms < 0.5 * in->limits->target_delay_ms)
    in->capacity_kbps = in->recent_capacity_kbps = -1.0;
}

/* Over the second that the encoder's rate is measured over. */
static gboolean
source_limited (const MloController * c)
{
  double told = 0.0;

  for (guint i = 0; i < RECENT_TICKS; i++) {
    if (c->recent_kbps[i] <= 0.0)
      return FALSE;
    told += c->recent_kbps[i] / RECENT_TICKS;
  }
  return mlo_sample_get (&c->sample, MLO_FIELD_ENCODED, told) < SOURCE_LIMITED * told;
}

static void
guard_input (MloController * c, gint64 now_us, gboolean tick, double wanted_kbps, MloGuardInput * in)
{
  double recent = c->capacity.kbps, least = recent;

  for (guint i = 0; i < RECENT_TICKS; i++) {
    recent = MAX (recent, c->recent_capacity[i]);
    least = MIN (least, c->recent_capacity[i]);
  }
  memset (in, 0, sizeof *in);
  in->now_us = now_us;
  in->tick = tick;
  in->wanted_kbps = wanted_kbps;
  in->per_packet = mlo_feedback_any (&c->feedback);
  in->ever_feedback = in->per_packet || c->report_us != 0;
  in->lost = in->per_packet ? mlo_controller_feedback_lost (c, now_us)
      : in->ever_feedback && now_us - c->report_us > REPORT_FRESH_US && c->flight.total_sent > 0;
  /* A bound from below is no measure of what is too much. */
  in->capacity_kbps = c->capacity.lower_bound ? -1.0 : media_kbps (c, c->capacity.kbps);
  in->recent_capacity_kbps = c->capacity.lower_bound ? -1.0 : media_kbps (c, recent);
  in->steady = !c->capacity.lower_bound && least > STEADY_SHARE * recent;
  in->queue_ms =
      in->per_packet ? mlo_controller_queue_ms (c, now_us) : mlo_sample_get (&c->sample, MLO_FIELD_QUEUE_DELAY, 0.0);
  in->wait_ms = in->per_packet ? c->feedback.queue_ms : in->queue_ms;
  in->silent_ms = mlo_controller_silent_ms (c, now_us) - SILENT_FREE * c->config.limits.target_delay_ms;
  in->loss = mlo_sample_get (&c->sample, MLO_FIELD_PACKET_LOSS, 0.0);
  in->encoded_kbps = mlo_sample_get (&c->sample, MLO_FIELD_ENCODED, -1.0);
  in->source_limited = source_limited (c);
  in->reports_only = !in->per_packet && c->report_us != 0;
  if (in->reports_only) {
    in->report = c->report_fresh;
    in->report_interval_s = c->last_report_us != 0 ? (double) (c->report_us - c->last_report_us) / 1e6 : 0.0;
    in->loss = c->report.fraction_lost;
    in->queue_ms = c->report.rtt_ms >= 0.0 ? MAX (c->report.rtt_ms - c->report_min_rtt_ms, 0.0) : 0.0;
    in->delivered_kbps = media_kbps (c, c->report.received_kbps);
    c->report_fresh = FALSE;
  }
  in->limits = &c->config.limits;
  /* What the application measured: the more cautious of both. */
  if (mlo_sample_has (&c->sample, MLO_FIELD_BANDWIDTH) && !in->per_packet)
    in->capacity_kbps = media_kbps (c, c->sample.bandwidth_kbps);
  if (mlo_controller_by_metrics (c))
    guard_metrics (c, in);
  if (mlo_controller_by_transport (c)) {
    in->transport = &c->transport;
    in->ever_feedback = TRUE;
    in->lost = in->reports_only = FALSE;
  }
}

/* Small changes are not given out: some encoders answer each with a key frame. */
static double
dead_band (MloController * c, gint64 now_us, double kbps)
{
  const MloActuatorTraits *t = &c->config.traits;
  double old = c->decision.bitrate_kbps;

  if (!t->can_bitrate || !(c->config.limits.adapt & MLO_ADAPT_BITRATE))
    return old;
  if (kbps > old) {
    if (kbps < old * (1.0 + t->dead_band) && kbps < c->config.limits.max_bitrate_kbps)
      return old;
    if (c->last_rise_us != 0 && now_us - c->last_rise_us < t->min_change_us)
      return old;
    c->last_rise_us = now_us;
  } else if (kbps > old * (1.0 - t->dead_band) && kbps > c->config.limits.min_bitrate_kbps)
    return old;
  return kbps;
}

static double
eased (const MloController * c, double kbps)
{
  if ((c->pending == MLO_ACTION_NONE && !c->resized) || c->capacity.kbps <= 0.0)
    return kbps;
  return MIN (kbps, EASE_S * 30.0 / EASE_FRAMES * c->capacity.kbps);
}

/* Puts the guard's word into the decision in force; TRUE where something changed. */
static gboolean
publish (MloController * c, gint64 now_us, const MloGuardOutput * out)
{
  MloDecision *d = &c->decision;
  MloDecision before = *d;

  d->timestamp_us = now_us;
  d->state = out->state;
  d->limiter = out->limiter;
  d->reason = out->reason;
  d->bitrate_kbps = clamp_rate (c, dead_band (c, now_us, eased (c, out->bitrate_kbps / (out->state == MLO_GUARD_HOLD
                  ? 1.0 : c->obeyed))));
  if (!c->config.traits.can_bitrate || !(c->config.limits.adapt & MLO_ADAPT_BITRATE)) {
    d->bitrate_kbps = before.bitrate_kbps;
    d->limiter = c->config.traits.can_bitrate ? MLO_LIMITER_USER : MLO_LIMITER_ENCODER;
    d->reason = c->config.traits.can_bitrate ? "adapt does not name bitrate" : "the encoder's bitrate cannot be set";
  }
  if (c->config.traits.deaf && out->state != MLO_GUARD_HOLD) {
    d->limiter = MLO_LIMITER_ENCODER;
    d->reason = "the encoder does not follow its bitrate: size and frame rate hold it";
  }
  d->capacity_kbps = c->capacity.kbps;
  d->probe_interval_us = out->state == MLO_GUARD_FALLBACK && c->guard.was_lost && mlo_feedback_any (&c->feedback)
      ? PROBE_INTERVAL_US : 0;
  if (mlo_controller_by_transport (c) && mlo_transport_rule_full (&c->guard.transport_rule, &c->transport,
          c->config.limits.target_delay_ms))
    d->probe_interval_us = PROBE_INTERVAL_US;
  d->window_bytes = window_bytes (c);
  fill_decision (c);
  d->changed = 0;
  if (d->bitrate_kbps != before.bitrate_kbps)
    d->changed |= MLO_ADAPT_BITRATE;
  if (d->width != before.width || d->height != before.height)
    d->changed |= MLO_ADAPT_RESOLUTION;
  if (d->fps != before.fps)
    d->changed |= MLO_ADAPT_FRAMERATE;
  if (d->preset_step != before.preset_step)
    d->changed |= MLO_ADAPT_PRESET;
  d->serial++;
  return d->changed != 0 || d->state != before.state || d->probe_interval_us != before.probe_interval_us
      || d->window_bytes != before.window_bytes;
}

/* Beside the bitrate, of which it is a part. */
static void
advance_parity (MloController * c, gint64 now_us, double dt_s, const MloGuardInput * in)
{
  MloDecision *d = &c->decision;
  MloParityInput input = {
    .now_us = now_us,
    .calm = in->ever_feedback && !in->lost && d->state != MLO_GUARD_BACKOFF && !c->queued && !mlo_guard_queues (in),
    .fps = mlo_sample_get (&c->sample, MLO_FIELD_FPS, -1.0),
    .rtt_ms = mlo_sample_get (&c->sample, MLO_FIELD_LATENCY, -1.0),
    .stream = c->parity_stream,
  };
  int before = d->parity_percent;

  if (in->per_packet) {
    input.told = (double) (c->feedback.packets - c->parity_packets);
    input.lost = (double) (c->feedback.lost - c->parity_lost);
    c->parity_packets = c->feedback.packets;
    c->parity_lost = c->feedback.lost;
  } else if (in->ever_feedback && !in->lost) {
    /* A share alone is told: as if of what was sent. */
    input.told = MAX (input.fps, 1.0) * MAX (c->parity_stream.packets, 0.0) * dt_s;
    input.lost = CLAMP (in->loss, 0.0, 1.0) * input.told;
  }
  c->queued = FALSE;
  if (c->parity_stream.packets <= 0.0 || !(c->config.limits.adapt & MLO_ADAPT_FEC)) {
    mlo_parity_init (&c->parity);
    d->parity_percent = -1;
  } else {
    d->parity_percent = (int) mlo_parity_advance (&c->parity, &input);
  }
  if (d->parity_percent != before)
    d->changed |= MLO_ADAPT_FEC;
}

/* How steady and how fresh the capacity is. */
static double
confidence (const MloController * c, gint64 now_us)
{
  double sum = 0.0, square = 0.0, mean;
  guint n = 0;

  for (guint i = 0; i < RECENT_TICKS; i++) {
    if (c->recent_capacity[i] > 0.0) {
      sum += c->recent_capacity[i];
      square += c->recent_capacity[i] * c->recent_capacity[i];
      n++;
    }
  }
  if (n < 2 || c->capacity_us == 0)
    return 0.0;
  mean = sum / n;
  return exp (-(double) (now_us - c->capacity_us) / 1e6) / (1.0 + sqrt (MAX (square / n - mean * mean, 0.0)) / mean);
}

const MloDecision *
mlo_controller_tick (MloController * c, gint64 now_us, const MloSample * local)
{
  const MloControllerConfig *k = &c->config;
  double dt_s = c->last_tick_us == 0 ? 0.1 : CLAMP ((double) (now_us - c->last_tick_us) / 1e6, 0.0, 1.0);
  gboolean measured = mlo_feedback_any (&c->feedback) || mlo_controller_metrics_feed (c);
  MloGuardInput in;
  MloGuardOutput out;
  gboolean relieved;
  double wanted = -1.0;

  c->last_tick_us = now_us;
  mlo_controller_complete (c, now_us, local);
  c->recent_capacity[c->recent_next] = c->capacity_us != 0 && now_us - c->capacity_us < G_USEC_PER_SEC
      ? c->capacity.kbps : 0.0;
  c->recent_kbps[c->recent_next] = c->decision.bitrate_kbps;
  measure_obedience (c);
  c->recent_next = (c->recent_next + 1) % RECENT_TICKS;
  c->gap_ms[c->recent_next] = 0.0;

  c->predicted_kbps = -1.0;
  if (k->predictor && measured)
    c->predicted_kbps = mlo_bitrate_predictor_step (k->predictor, c->predictor_state, &c->sample);
  if (k->predict && measured)
    c->predicted_kbps = k->predict (k->user_data, &c->sample, c->predicted_kbps);

  relieved = mlo_controller_act (c, now_us, dt_s);
  if (c->predicted_kbps >= 0.0)
    wanted = c->predicted_kbps * mlo_controller_gain (c);
  guard_input (c, now_us, TRUE, wanted, &in);
  mlo_guard_advance (&c->guard, &in, &out);
  publish (c, now_us, &out);
  advance_parity (c, now_us, dt_s, &in);
  if (relieved)
    mlo_controller_explain_relief (c);
  c->decision.predicted_kbps = c->predicted_kbps;
  c->decision.confidence = confidence (c, now_us);
  return &c->decision;
}

const MloDecision *
mlo_controller_react (MloController * c, gint64 now_us)
{
  double wanted = c->predicted_kbps >= 0.0 ? c->predicted_kbps * mlo_controller_gain (c) : -1.0;
  MloGuardInput in;
  MloGuardOutput out;

  guard_input (c, now_us, FALSE, wanted, &in);
  c->queued |= mlo_guard_queues (&in);
  mlo_guard_advance (&c->guard, &in, &out);
  return publish (c, now_us, &out) ? &c->decision : NULL;
}

const MloDecision *
mlo_controller_decision (const MloController * c)
{
  return &c->decision;
}

const MloSample *
mlo_controller_sample (const MloController * c)
{
  return &c->sample;
}

MloCapacityKind
mlo_controller_capacity_kind (const MloController * c)
{
  if (c->capacity_us == 0 || c->last_tick_us - c->capacity_us >= c->config.interval_us)
    return MLO_CAPACITY_OLD;
  return c->capacity.lower_bound ? MLO_CAPACITY_AT_LEAST : MLO_CAPACITY_MEASURED;
}

void
mlo_controller_override (MloController * c, const MloDecision * taken)
{
  mlo_ladder_place (&c->ladder, taken->height, taken->fps);
  mlo_relief_place (&c->relief, &c->config.traits, taken->preset_step);
  c->decision.parity_percent = taken->parity_percent;
  c->parity.percent = (guint) CLAMP (taken->parity_percent, 0, 100);
  c->guard.bitrate_kbps = clamp_rate (c, taken->bitrate_kbps);
  /* Another size alone is no other start. */
  if (c->guard.bitrate_kbps != c->decision.bitrate_kbps)
    c->guard.start_kbps = c->guard.bitrate_kbps;
  c->decision.bitrate_kbps = c->guard.bitrate_kbps;
  fill_decision (c);
}

#define SELF(policy) ((MloController *) (policy))

static void
policy_on_packets (MloPolicy * p, gint64 now_us, const MloPacket * packets, guint n)
{
  mlo_controller_on_packets (SELF (p), now_us, packets, n);
}

static void
policy_on_frame_sent (MloPolicy * p, gint64 now_us, guint32 bytes, gboolean keyframe)
{
  mlo_controller_on_frame_sent (SELF (p), now_us, bytes, keyframe);
}

static void
policy_on_receiver_report (MloPolicy * p, gint64 now_us, const MloReceiverReport * report)
{
  mlo_controller_on_receiver_report (SELF (p), now_us, report);
}

static const MloDecision *
policy_tick (MloPolicy * p, gint64 now_us, const MloSample * local)
{
  return mlo_controller_tick (SELF (p), now_us, local);
}

static const MloDecision *
policy_react (MloPolicy * p, gint64 now_us)
{
  return mlo_controller_react (SELF (p), now_us);
}

static void
policy_free (MloPolicy * p)
{
  mlo_controller_free (SELF (p));
}

static const MloPolicyClass controller_policy_class = {
  .name = "mloptimizer",
  .on_packets = policy_on_packets,
  .on_frame_sent = policy_on_frame_sent,
  .on_receiver_report = policy_on_receiver_report,
  .tick = policy_tick,
  .react = policy_react,
  .free = policy_free,
};
