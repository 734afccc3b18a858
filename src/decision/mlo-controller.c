/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-controller.h"

#include <math.h>
#include <string.h>

#include "mlo-dispersion.h"
#include "mlo-explorer.h"
#include "mlo-feedback.h"
#include "mlo-guard.h"
#include "mlo-ladder.h"
#include "mlo-qoe-estimate.h"
#include "mlo-relief.h"
#include "mlo-window.h"

/* Windows of the capacity estimate: the sharp one, and the wider ones when frames are too small or
 * too few to measure with. */
static const gint64 capacity_windows_us[] = { 150000, 400000, 1000000 };

/* Least busy time for an estimate to count as a measurement. */
#define CAPACITY_MIN_BUSY_MS 4.0
/* A fall shows first in the last few frames: with this much busy time, by this share of the sharp
 * estimate, and with a queue of this share of the target. */
#define FALL_WINDOW_US 60000
#define FALL_MIN_BUSY_MS 15.0
#define FALL_MIN_PACKETS 4
#define FALL_SHARE 0.8
#define FALL_QUEUE 0.4
/* Largest capacity over this many ticks. */
#define RECENT_TICKS 10
/* The optimizer's factors on the prediction. */
static const double gains[] = { 0.7, 0.78, 0.86, 0.93, 1.0, 1.07, 1.15 };

#define GAIN_NEUTRAL 4
#define GAIN_DWELL_US G_USEC_PER_SEC
/* Without another step the factor goes back to neutral by one in this time: the optimizer does not see it, so
 * what it did long ago must not linger. */
#define GAIN_RELAX_US (3 * G_USEC_PER_SEC)
/* Feedback is lost after max (this, 3 usual intervals). */
#define LOST_US G_USEC_PER_SEC
#define PROBE_INTERVAL_US 200000
/* Receiver reports count as feedback for this long. */
#define REPORT_FRESH_US (12 * G_USEC_PER_SEC)
/* Metrics with any of these are feedback. */
#define METRICS_PATH ((1u << MLO_FIELD_LATENCY) | (1u << MLO_FIELD_QUEUE_DELAY) | (1u << MLO_FIELD_PACKET_LOSS) \
    | (1u << MLO_FIELD_BANDWIDTH))
/* The networks never saw a stream without these. */
#define METRICS_NETWORKS ((1u << MLO_FIELD_LATENCY) | (1u << MLO_FIELD_BANDWIDTH))
/* So many losses without a queue: the capacity told is not the path's. */
#define METRICS_LOSS 0.1
/* Smoothing of the bitrate by which the ladder goes, a second. */
#define LADDER_SMOOTH_S 3.0
/* ... and what is usual beside it. */
#define LADDER_USUAL_S 20.0
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
/* A deaf encoder may put out this much more than was decided. */
#define DEAF_EXCESS 1.15
/* Points of R that the rule wants for a step. */
#define RULE_MARGIN 3.0
/* ... and for a step that the optimizer does not take. */
#define INSIST_MARGIN 5.0
#define UP ((1u << MLO_ACTION_RESOLUTION_UP) | (1u << MLO_ACTION_FPS_UP))

const MloControllerConfig mlo_controller_config_default = {
  .interval_us = 100000,
  .rule_ladder = TRUE,
};

struct _MloController
{
  MloPolicy policy;             /* first: freeing either frees both */
  MloControllerConfig config;
  MloPredictorState *predictor_state;
  MloFeedback feedback;
  MloDispersion dispersion;
  MloWindow flight;             /* what was sent and what came back */
  MloReceiverReport report;
  gint64 report_us, last_report_us;     /* newest receiver report and the one before; 0: none */
  gboolean report_fresh;        /* the guard has not seen it yet */
  double report_min_rtt_ms;
  gboolean metrics;             /* a server's metrics are the feedback */
  guint32 metrics_valid;        /* fields of the newest */
  gboolean transport_any;       /* @transport is what a transport says that is asked */
  MloTransportView transport;
  MloGuard guard;
  MloLadder ladder;
  MloRelief relief;
  MloExplorer explorer;
  MloEncoderLoad load;          /* the newest, of the tick to come */
  MloCapacity capacity;
  gint64 capacity_us;           /* when it was measured */
  double recent_capacity[RECENT_TICKS]; /* IP kbit/s, <= 0: unknown */
  guint recent_next;
  double payload_share;         /* of IP bytes that are the encoder's */
  double frame_bytes;           /* smoothed size of a frame */
  double obeyed;                /* share of what it is told that the encoder puts out */
  double recent_kbps[RECENT_TICKS];     /* bitrates told, beside recent_capacity */
  gint64 last_sent_us;          /* 0: none yet */
  double gap_ms[RECENT_TICKS];  /* per tick: what gaps between frames sent had above 100 ms */
  guint gain;
  gint64 gain_us;
  MloAction pending;            /* a size that comes with the next tick, MLO_ACTION_NONE: none */
  gboolean resized;             /* it came with this tick */
  double ladder_kbps, usual_kbps;       /* smoothed bitrate, over seconds and over longer */
  MloSample sample;             /* last tick's */
  float optimizer_state[MLO_OPTIMIZER_FEATURES];
  double predicted_kbps;
  MloDecision decision;
  gint64 last_rise_us;          /* of the bitrate that was given out */
  gint64 last_tick_us;          /* 0: none yet */
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
  d->gain = gains[c->gain];
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
  c->gain = GAIN_NEUTRAL;
  c->gain_us = 0;
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

/* What came in, turned into a capacity. A wider window where the sharp one has too little. */
static void
measure_capacity (MloController * c, gint64 now_us)
{
  for (guint i = 0; i < G_N_ELEMENTS (capacity_windows_us); i++) {
    MloCapacity m = mlo_dispersion_capacity (&c->dispersion, capacity_windows_us[i]);

    if (m.kbps <= 0.0 || (m.busy_ms < CAPACITY_MIN_BUSY_MS && !m.lower_bound
            && i + 1 < G_N_ELEMENTS (capacity_windows_us)))
      continue;
    m.kbps = MIN (m.kbps, 1e6);
    c->capacity = m;
    c->capacity_us = now_us;
    break;
  }
  if (c->feedback.queue_ms > FALL_QUEUE * c->config.limits.target_delay_ms) {
    MloCapacity m = mlo_dispersion_capacity (&c->dispersion, FALL_WINDOW_US);

    if (m.kbps > 0.0 && m.busy_ms >= FALL_MIN_BUSY_MS && m.packets >= FALL_MIN_PACKETS
        && m.kbps < FALL_SHARE * c->capacity.kbps) {
      c->capacity = m;
      c->capacity_us = now_us;
    }
  }
}

/* What is told twice leaves flight once. */
static void
acknowledge (MloController * c, gint64 now_us, const MloPacket * packets, guint n)
{
  for (guint from = 0, to; from < n; from = to) {
    gboolean news = mlo_feedback_is_news (&c->feedback, from);

    to = c->feedback.n_old == 0 ? n : from + 1;
    while (to < n && mlo_feedback_is_news (&c->feedback, to) == news)
      to++;
    if (news)
      mlo_window_acked (&c->flight, now_us, &packets[from], to - from);
  }
}

void
mlo_controller_on_packets (MloController * c, gint64 now_us, const MloPacket * packets, guint n)
{
  if (!mlo_feedback_packets (&c->feedback, now_us, packets, n))
    return;
  acknowledge (c, now_us, packets, n);
  for (guint i = 0; i < n; i++) {
    const MloPacket *p = &packets[i];

    if (p->lost || !mlo_feedback_is_news (&c->feedback, i) || !mlo_feedback_believes (&c->feedback, now_us, p))
      continue;
    mlo_dispersion_add (&c->dispersion, p, mlo_feedback_free_arrival_us (&c->feedback, p->send_us));
    c->payload_share += 0.01 * ((double) p->size / (p->size + MLO_PACKET_OVERHEAD) - c->payload_share);
  }
  measure_capacity (c, now_us);
}

void
mlo_controller_on_frame_sent (MloController * c, gint64 now_us, guint32 bytes, gboolean keyframe)
{
  mlo_window_sent (&c->flight, now_us, bytes);
  if (c->last_sent_us != 0)
    c->gap_ms[c->recent_next] += MAX (0.0, (double) (now_us - c->last_sent_us) / 1000.0 - 100.0);
  c->last_sent_us = now_us;
  if (!keyframe || c->frame_bytes <= 0.0)
    c->frame_bytes += (c->frame_bytes <= 0.0 ? 1.0 : 0.1) * (bytes - c->frame_bytes);
}

/* @value, or @otherwise where it is no number in [0, @most]. */
static double
bounded (double value, double most, double otherwise)
{
  return value >= 0.0 && value <= most ? value : otherwise;
}

void
mlo_controller_on_receiver_report (MloController * c, gint64 now_us, const MloReceiverReport * report)
{
  if (c->report_us == 0)
    c->report_min_rtt_ms = -1.0;
  c->report.rtt_ms = bounded (report->rtt_ms, 60000.0, -1.0);
  c->report.jitter_ms = bounded (report->jitter_ms, 60000.0, -1.0);
  c->report.fraction_lost = bounded (report->fraction_lost, 1.0, 0.0);
  c->report.received_kbps = bounded (report->received_kbps, 1e7, -1.0);
  c->last_report_us = c->report_us;
  c->report_fresh = TRUE;
  c->report_us = now_us;
  if (c->report.rtt_ms >= 0.0) {
    /* Slowly forgets, so that a longer path is believed after a while. */
    if (c->report_min_rtt_ms < 0.0 || c->report.rtt_ms < c->report_min_rtt_ms)
      c->report_min_rtt_ms = c->report.rtt_ms;
    else
      c->report_min_rtt_ms += 0.01 * (c->report.rtt_ms - c->report_min_rtt_ms);
  }
}

/* Age of the oldest frame that is still unacknowledged, ms. */
static double
oldest_age_ms (const MloController * c, gint64 now_us)
{
  if (c->flight.count == 0)
    return 0.0;
  return (double) (now_us - c->flight.send_us[c->flight.head]) / 1000.0;
}

static gboolean
feedback_lost (const MloController * c, gint64 now_us)
{
  gint64 patience = MAX (LOST_US, (gint64) (3000.0 * mlo_feedback_interval_ms (&c->feedback)));

  return mlo_feedback_any (&c->feedback) && c->flight.count > 0
      && now_us - MAX (c->flight.send_us[c->flight.head], c->feedback.last_us) > patience;
}

/* A frame that should have been acknowledged by now waits somewhere. */
static double
silent_ms (const MloController * c, gint64 now_us)
{
  if (!mlo_feedback_any (&c->feedback))
    return 0.0;
  return oldest_age_ms (c, now_us) - mlo_feedback_base_rtt_ms (&c->feedback) - mlo_feedback_interval_ms (&c->feedback)
      - (c->config.source.fps > 0.0 ? 1000.0 / c->config.source.fps : 17.0);
}

static double
queue_ms_now (const MloController * c, gint64 now_us)
{
  return mlo_feedback_any (&c->feedback) ? MAX (c->feedback.frame_queue_ms, silent_ms (c, now_us)) : 0.0;
}

static gboolean
transport_is_feedback (const MloController * c)
{
  return c->transport_any && !mlo_feedback_any (&c->feedback);
}

/* What is measured here is nearer to the truth than what is told. */
static gboolean
metrics_are_feedback (const MloController * c)
{
  return c->metrics && !mlo_feedback_any (&c->feedback) && c->report_us == 0 && !c->transport_any;
}

static void
complete_by_transport (const MloTransportView * v, MloSample * s)
{
  if (v->rtt_ms >= 0.0)
    mlo_sample_set (s, MLO_FIELD_LATENCY, v->rtt_ms);
  mlo_sample_set (s, MLO_FIELD_QUEUE_DELAY, v->queue_ms);
  mlo_sample_set (s, MLO_FIELD_PACKET_LOSS, v->loss);
  mlo_sample_set (s, MLO_FIELD_DELIVERED, v->delivered_kbps);
  mlo_sample_set (s, MLO_FIELD_SENT, v->sent_kbps);
  if (v->occupancy >= 0.0)
    mlo_sample_set (s, MLO_FIELD_BUFFER_OCCUPANCY, v->occupancy);
}

void
mlo_controller_on_transport (MloController * c, const MloTransportView * view)
{
  c->transport_any = view != NULL;
  if (view)
    c->transport = *view;
  else
    mlo_transport_rule_init (&c->guard.transport_rule);
}

/* The network's part of the observation: measured here per packet first, then by receiver reports,
 * then what the application told. */
static void
complete_sample (MloController * c, gint64 now_us, const MloSample * local)
{
  MloSample *s = &c->sample;

  *s = *local;
  s->timestamp_us = now_us;
  /* A server need not obey: what it says it sends counts. */
  if (!metrics_are_feedback (c) || !mlo_sample_has (s, MLO_FIELD_BITRATE))
    mlo_sample_set (s, MLO_FIELD_BITRATE, c->decision.bitrate_kbps);
  if (mlo_feedback_any (&c->feedback)) {
    double queue = MIN (queue_ms_now (c, now_us), 60000.0);

    mlo_sample_set (s, MLO_FIELD_LATENCY, MIN (mlo_feedback_base_rtt_ms (&c->feedback) + queue, 60000.0));
    mlo_sample_set (s, MLO_FIELD_QUEUE_DELAY, queue);
    mlo_sample_set (s, MLO_FIELD_JITTER, MIN (c->feedback.jitter_us / 1000.0, 60000.0));
    mlo_sample_set (s, MLO_FIELD_PACKET_LOSS, mlo_feedback_loss (&c->feedback));
    mlo_sample_set (s, MLO_FIELD_DELIVERED, mlo_feedback_delivered_kbps (&c->feedback, 500000));
    if (c->capacity.kbps > 0.0)
      mlo_sample_set (s, MLO_FIELD_BANDWIDTH, c->capacity.kbps);
  } else if (c->transport_any) {
    complete_by_transport (&c->transport, s);
  } else if (c->report_us != 0 && now_us - c->report_us < REPORT_FRESH_US) {
    if (c->report.rtt_ms >= 0.0) {
      mlo_sample_set (s, MLO_FIELD_LATENCY, c->report.rtt_ms);
      mlo_sample_set (s, MLO_FIELD_QUEUE_DELAY, c->report.rtt_ms - c->report_min_rtt_ms);
    }
    mlo_sample_set (s, MLO_FIELD_JITTER, c->report.jitter_ms);
    mlo_sample_set (s, MLO_FIELD_PACKET_LOSS, c->report.fraction_lost);
    mlo_sample_set (s, MLO_FIELD_DELIVERED, c->report.received_kbps);
  }
  if (c->decision.window_bytes != G_MAXUINT64)
    mlo_sample_set (s, MLO_FIELD_BUFFER_OCCUPANCY,
        MIN (1.0, (double) c->flight.in_flight / (double) MAX (c->decision.window_bytes, 1)));
}

/* What the player is likely to see, where nobody reports it. */
static void
estimate_quality (MloController * c, gint64 now_us)
{
  MloQoeContext context = mlo_qoe_context_default;

  if (mlo_sample_has (&c->sample, MLO_FIELD_QUALITY_SCORE))
    return;
  context.source_width = c->config.source.width;
  context.source_height = c->config.source.height;
  for (guint i = 0; i < RECENT_TICKS; i++)
    context.gap_ms += c->gap_ms[i];
  context.gap_ms = MIN (context.gap_ms, 1000.0);
  if (mlo_feedback_any (&c->feedback))
    context.silence_ms = MAX (0.0, oldest_age_ms (c, now_us) - mlo_feedback_base_rtt_ms (&c->feedback)
        - mlo_feedback_interval_ms (&c->feedback));
  mlo_sample_set (&c->sample, MLO_FIELD_QUALITY_SCORE, mlo_qoe_estimate_score (&c->sample, &context) / 100.0);
}

static gboolean
metrics_feed_networks (const MloController * c)
{
  return metrics_are_feedback (c) && (c->metrics_valid & METRICS_NETWORKS) == METRICS_NETWORKS;
}

void
mlo_controller_on_metrics (MloController * c, gint64 now_us, const MloSample * metrics)
{
  double capacity = mlo_sample_get (metrics, MLO_FIELD_BANDWIDTH, -1.0);

  c->metrics |= (metrics->valid & METRICS_PATH) != 0;
  c->metrics_valid = metrics->valid;
  if (!metrics_are_feedback (c))
    return;
  memset (&c->capacity, 0, sizeof c->capacity);
  c->capacity.kbps = MIN (capacity, 1e6);
  if (capacity > 0.0)
    c->capacity_us = now_us;
  else
    c->metrics_valid &= ~(1u << MLO_FIELD_BANDWIDTH);
  if (c->predictor_state && !metrics_feed_networks (c))
    mlo_predictor_state_reset (c->predictor_state);
  complete_sample (c, now_us, metrics);
  estimate_quality (c, now_us);
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
  in->told = metrics_feed_networks (c);
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
  in->lost = in->per_packet ? feedback_lost (c, now_us)
      : in->ever_feedback && now_us - c->report_us > REPORT_FRESH_US && c->flight.total_sent > 0;
  /* A bound from below is no measure of what is too much. */
  in->capacity_kbps = c->capacity.lower_bound ? -1.0 : media_kbps (c, c->capacity.kbps);
  in->recent_capacity_kbps = c->capacity.lower_bound ? -1.0 : media_kbps (c, recent);
  in->steady = !c->capacity.lower_bound && least > STEADY_SHARE * recent;
  in->queue_ms = in->per_packet ? queue_ms_now (c, now_us) : mlo_sample_get (&c->sample, MLO_FIELD_QUEUE_DELAY, 0.0);
  in->wait_ms = in->per_packet ? c->feedback.queue_ms : in->queue_ms;
  in->silent_ms = silent_ms (c, now_us) - SILENT_FREE * c->config.limits.target_delay_ms;
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
  if (metrics_are_feedback (c))
    guard_metrics (c, in);
  if (transport_is_feedback (c)) {
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
  if (transport_is_feedback (c) && mlo_transport_rule_full (&c->guard.transport_rule, &c->transport,
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

static guint32
action_mask (const MloController * c, gint64 now_us, const MloLadderContext * ctx, double queue_ms)
{
  guint32 mask = mlo_ladder_mask (&c->ladder, ctx) | mlo_relief_mask (&c->relief, &c->ladder, ctx)
      | (1u << MLO_ACTION_NONE);

  if (c->guard.state == MLO_GUARD_NORMAL && (c->gain_us == 0 || now_us - c->gain_us >= GAIN_DWELL_US)) {
    if (c->gain + 1 < G_N_ELEMENTS (gains) && queue_ms < 0.5 * c->config.limits.target_delay_ms)
      mask |= 1u << MLO_ACTION_BITRATE_UP;
    if (c->gain > 0)
      mask |= 1u << MLO_ACTION_BITRATE_DOWN;
  }
  return mask;
}

/* Sizes and frame rates that the picture and frame-rate terms promise much of are taken whatever the optimizer sees in
 * them: its values are about the next seconds, a size stays for half a minute. */
static MloAction
insist (const MloController * c, guint32 mask, const MloLadderContext * ctx, MloAction chosen)
{
  MloAction sure = mlo_ladder_rule (&c->ladder, ctx, mask, INSIST_MARGIN);

  return sure == MLO_ACTION_NONE ? chosen : sure;
}

static MloAction
choose_action (MloController * c, guint32 mask, const MloLadderContext * ctx)
{
  const MloControllerConfig *k = &c->config;
  MloAction chosen;
  float values[MLO_N_ACTIONS];

  if (c->guard.state == MLO_GUARD_HOLD || c->guard.was_lost)
    return MLO_ACTION_NONE;
  if ((k->optimizer || k->choose) && (mlo_feedback_any (&c->feedback) || metrics_feed_networks (c))) {
    if (!k->choose) {
      MloAction best = mlo_quality_optimizer_choose (k->optimizer, c->optimizer_state, mask, values);
      MloAction tried = mlo_explorer_choose (&c->explorer, &c->sample, mask, best);

      chosen = insist (c, mask, ctx, tried);
      c->decision.chance = c->explorer.could && chosen == tried;
      c->decision.explored = c->explorer.now && chosen == tried;
      return chosen;
    }
    if (k->optimizer && mlo_quality_optimizer_values (k->optimizer, c->optimizer_state, values))
      chosen = k->choose (k->user_data, c->optimizer_state, mask, values);
    else
      chosen = k->choose (k->user_data, c->optimizer_state, mask, NULL);
    return insist (c, mask, ctx, chosen);
  }
  return k->rule_ladder
      || transport_is_feedback (c) ? mlo_ladder_rule (&c->ladder, ctx, mask, RULE_MARGIN) : MLO_ACTION_NONE;
}

/* A deaf encoder's rate is held by size and frame rate: down while it puts out more than was decided, and not up
 * again, for what it would put out there is not known. */
static gboolean
hold_deaf (MloController * c, const MloLadderContext * ctx)
{
  MloAction action = MLO_ACTION_NONE;

  if (!c->config.traits.deaf || c->guard.state == MLO_GUARD_HOLD)
    return FALSE;
  c->decision.action_mask = 1u << MLO_ACTION_NONE;
  if (mlo_sample_get (&c->sample, MLO_FIELD_ENCODED, 0.0) > DEAF_EXCESS * c->decision.bitrate_kbps)
    action = mlo_ladder_shed (&c->ladder, ctx);
  c->decision.action = action;
  return TRUE;
}

/* An encoder that cannot keep up comes before what the networks want, feedback or none. */
static gboolean
relieve (MloController * c, const MloLadderContext * ctx)
{
  guint size = c->ladder.size.index;
  MloAction action = mlo_relief_act (&c->relief, &c->ladder, ctx);

  if (action == MLO_ACTION_NONE)
    return FALSE;
  c->resized = c->ladder.size.index != size;
  c->decision.action = action;
  return TRUE;
}

static void
explain_relief (MloController * c)
{
  MloDecision *d = &c->decision;

  d->limiter = MLO_LIMITER_ENCODER;
  if (c->relief.for_decoder) {
    d->reason = d->action == MLO_ACTION_RESOLUTION_DOWN ? "the receiver's decoder is too slow: smaller pictures"
        : "the receiver's decoder is too slow: fewer frames";
    return;
  }
  d->reason = d->action == MLO_ACTION_PRESET_FASTER ? "the encoder is too slow: a faster preset"
      : d->action == MLO_ACTION_RESOLUTION_DOWN ? "the encoder is too slow: smaller pictures"
      : "the encoder is too slow: fewer frames";
}

/* A step of the ladder, and the preset that goes with it. */
static void
step_ladder (MloController * c, const MloLadderContext * ctx, MloAction action)
{
  double scale = mlo_ladder_size (&c->ladder)->scale, fps = mlo_ladder_fps (&c->ladder), pixels = 1.0, frames = 1.0;

  mlo_ladder_step (&c->ladder, ctx, action);
  if (scale > 0.0)
    pixels = pow (mlo_ladder_size (&c->ladder)->scale / scale, 2.0);
  if (fps > 0.0)
    frames = mlo_ladder_fps (&c->ladder) / fps;
  mlo_relief_follow (&c->relief, &c->ladder, ctx, pixels, frames, action <= MLO_ACTION_RESOLUTION_DOWN);
}

static void
apply_action (MloController * c, gint64 now_us, const MloLadderContext * ctx, MloAction action)
{
  switch (action) {
    case MLO_ACTION_RESOLUTION_UP:
    case MLO_ACTION_RESOLUTION_DOWN:
      c->pending = action;
      break;
    case MLO_ACTION_FPS_UP:
    case MLO_ACTION_FPS_DOWN:
      step_ladder (c, ctx, action);
      break;
    case MLO_ACTION_PRESET_FASTER:
    case MLO_ACTION_PRESET_SLOWER:
      mlo_relief_step (&c->relief, ctx, action);
      break;
    case MLO_ACTION_BITRATE_UP:
      c->gain++;
      c->gain_us = now_us;
      break;
    case MLO_ACTION_BITRATE_DOWN:
      c->gain--;
      c->gain_us = now_us;
      break;
    default:
      break;
  }
}

/* What was chosen at the last tick, where it is still possible. */
static gboolean
change_size (MloController * c, const MloLadderContext * ctx)
{
  MloAction action = c->pending;

  c->pending = MLO_ACTION_NONE;
  if (c->guard.was_lost || c->config.traits.deaf || !(mlo_ladder_mask (&c->ladder, ctx) >> action & 1))
    return FALSE;
  step_ladder (c, ctx, action);
  return TRUE;
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
  gboolean measured = mlo_feedback_any (&c->feedback) || metrics_feed_networks (c);
  const MloScaling *scaling = &mlo_scaling_log_default;
  MloLadderContext ctx;
  MloGuardInput in;
  MloGuardOutput out;
  gboolean relieved;
  double wanted = -1.0;

  c->last_tick_us = now_us;
  complete_sample (c, now_us, local);
  estimate_quality (c, now_us);
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

  /* A dead link says nothing of which size is right when it is back. */
  if (!c->guard.was_lost) {
    c->ladder_kbps += (c->decision.bitrate_kbps - c->ladder_kbps) * (1.0 - exp (-dt_s / LADDER_SMOOTH_S));
    c->usual_kbps += (c->decision.bitrate_kbps - c->usual_kbps) * (1.0 - exp (-dt_s / LADDER_USUAL_S));
  }
  ctx.now_us = now_us;
  ctx.bitrate_kbps = c->ladder_kbps;
  ctx.usual_kbps = c->usual_kbps;
  ctx.complexity = mlo_sample_get (&c->sample, MLO_FIELD_COMPLEXITY, MLO_USUAL_COMPLEXITY);
  ctx.queue_full = mlo_sample_get (&c->sample, MLO_FIELD_QUEUE_DELAY, 0.0) > 0.5 * k->limits.target_delay_ms;
  ctx.limits = &k->limits;
  ctx.traits = &k->traits;
  mlo_relief_observe (&c->relief, now_us, &c->load, mlo_ladder_fps (&c->ladder));
  mlo_relief_context (&c->relief, &ctx);
  if (k->optimizer)
    scaling = &mlo_quality_optimizer_config (k->optimizer)->scaling;
  mlo_features_optimizer (scaling, &c->sample, c->optimizer_state);
  c->decision.action_mask = action_mask (c, now_us, &ctx, mlo_sample_get (&c->sample, MLO_FIELD_QUEUE_DELAY, 0.0));
  c->decision.chance = c->decision.explored = FALSE;
  c->resized = FALSE;
  relieved = relieve (c, &ctx);
  if (relieved) {
    c->pending = MLO_ACTION_NONE;
  } else if (c->pending != MLO_ACTION_NONE) {
    c->resized = change_size (c, &ctx);
    c->decision.action = MLO_ACTION_NONE;
    c->decision.action_mask = 1u << MLO_ACTION_NONE;
  } else if (!hold_deaf (c, &ctx)) {
    c->decision.action = choose_action (c, c->decision.action_mask, &ctx);
    /* What was given up for the encoder comes back as soon as it bears it, feedback or none. */
    if (c->decision.action == MLO_ACTION_NONE && c->relief.shed)
      c->decision.action = mlo_ladder_rule (&c->ladder, &ctx, c->decision.action_mask & UP, 0.0);
    apply_action (c, now_us, &ctx, c->decision.action);
  }

  if (c->gain != GAIN_NEUTRAL && now_us - c->gain_us >= GAIN_RELAX_US) {
    c->gain = c->gain < GAIN_NEUTRAL ? c->gain + 1 : c->gain - 1;
    c->gain_us = now_us - GAIN_DWELL_US;
  }
  if (c->predicted_kbps >= 0.0)
    wanted = c->predicted_kbps * gains[c->gain];
  guard_input (c, now_us, TRUE, wanted, &in);
  mlo_guard_advance (&c->guard, &in, &out);
  publish (c, now_us, &out);
  if (relieved)
    explain_relief (c);
  c->decision.predicted_kbps = c->predicted_kbps;
  c->decision.confidence = confidence (c, now_us);
  return &c->decision;
}

const MloDecision *
mlo_controller_react (MloController * c, gint64 now_us)
{
  double wanted = c->predicted_kbps >= 0.0 ? c->predicted_kbps * gains[c->gain] : -1.0;
  MloGuardInput in;
  MloGuardOutput out;

  guard_input (c, now_us, FALSE, wanted, &in);
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
