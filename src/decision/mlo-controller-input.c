/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes in: packets, frames, reports, what is told; and the sample that it makes. */
#include <math.h>
#include <string.h>

#include "mlo-controller-private.h"
#include "mlo-qoe-estimate.h"

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
/* Feedback is lost after max (this, 3 usual intervals). */
#define LOST_US G_USEC_PER_SEC

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

gboolean
mlo_controller_feedback_lost (const MloController * c, gint64 now_us)
{
  gint64 patience = MAX (LOST_US, (gint64) (3000.0 * mlo_feedback_interval_ms (&c->feedback)));

  return mlo_feedback_any (&c->feedback) && c->flight.count > 0
      && now_us - MAX (c->flight.send_us[c->flight.head], c->feedback.last_us) > patience;
}

/* A frame that should have been acknowledged by now waits somewhere. */
double
mlo_controller_silent_ms (const MloController * c, gint64 now_us)
{
  if (!mlo_feedback_any (&c->feedback))
    return 0.0;
  return oldest_age_ms (c, now_us) - mlo_feedback_base_rtt_ms (&c->feedback) - mlo_feedback_interval_ms (&c->feedback)
      - (c->config.source.fps > 0.0 ? 1000.0 / c->config.source.fps : 17.0);
}

double
mlo_controller_queue_ms (const MloController * c, gint64 now_us)
{
  return mlo_feedback_any (&c->feedback) ? MAX (c->feedback.frame_queue_ms, mlo_controller_silent_ms (c, now_us)) : 0.0;
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
  if (!mlo_controller_by_metrics (c) || !mlo_sample_has (s, MLO_FIELD_BITRATE))
    mlo_sample_set (s, MLO_FIELD_BITRATE, c->decision.bitrate_kbps);
  if (mlo_feedback_any (&c->feedback)) {
    double queue = MIN (mlo_controller_queue_ms (c, now_us), 60000.0);

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

void
mlo_controller_complete (MloController * c, gint64 now_us, const MloSample * local)
{
  complete_sample (c, now_us, local);
  estimate_quality (c, now_us);
}

void
mlo_controller_on_metrics (MloController * c, gint64 now_us, const MloSample * metrics)
{
  double capacity = mlo_sample_get (metrics, MLO_FIELD_BANDWIDTH, -1.0);

  c->metrics |= (metrics->valid & METRICS_PATH) != 0;
  c->metrics_valid = metrics->valid;
  if (!mlo_controller_by_metrics (c))
    return;
  memset (&c->capacity, 0, sizeof c->capacity);
  c->capacity.kbps = MIN (capacity, 1e6);
  if (capacity > 0.0)
    c->capacity_us = now_us;
  else
    c->metrics_valid &= ~(1u << MLO_FIELD_BANDWIDTH);
  if (c->predictor_state && !mlo_controller_metrics_feed (c))
    mlo_predictor_state_reset (c->predictor_state);
  mlo_controller_complete (c, now_us, metrics);
}
