/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-env.h"

#include <string.h>

#include "mlo-encoder-model.h"
#include "mlo-label.h"
#include "mlo-link.h"
#include "mlo-window.h"

/*
 * A discrete-event simulation of one stream. As the link says at once when a packet will arrive,
 * and packets arrive in the order they were sent, all that the receiver does (reports, key frame
 * requests, decoding) is worked out while a frame is sent; only what comes back to the sender waits
 * in a queue. So there are five kinds of event: a frame is captured, a frame leaves the encoder, a
 * report reaches the sender, the policy's tick, and a packet of padding where the policy probes.
 */

/* Source by whose pictures rates are valued for the label: 1280x720. */
#define LABEL_PIXELS 921600.0
/* Packets remembered until they are reported; older ones are forgotten. A power of two. */
#define MAX_PACKETS 8192u
/* Reports on their way, those of packets that still wait at the bottleneck included. A power of two. */
#define MAX_REPORTS 4096u
/* Frames in the encoder; a live source drops what comes when it is this far behind. */
#define MAX_PENDING 3u
/* Arrival times in feedback have this grid. */
#define ARRIVAL_GRID_US 250
/* A key frame is asked for again after this. */
#define REQUEST_US 300000
/* Quality lost by pictures whose reference is broken, and where it ends. */
#define BROKEN_DB 7.0
#define BROKEN_FLOOR_DB 12.0
/* Frames from a gap in the numbers to a decoded key frame, the round trip apart: seen, encoded, longer to send. */
#define REPAIR_FRAMES 4.0
/* Local rates are measured over this many ticks. */
#define RATE_TICKS 10
/* From the decoded picture to the display: half a refresh. */
#define DISPLAY_MS (500.0 / MLO_QOE_REFRESH_HZ)
#define QUEUE_CEILING_MS 10000.0
/* Twenty packets: no device has less, and a key frame never fits into less. */
#define LEAST_QUEUE_BYTES 24000.0

/* Delay histogram: 2 % a bin from 10 us on. */
#define HISTOGRAM_BINS 900
#define HISTOGRAM_LOW_MS 0.01
#define HISTOGRAM_STEP 0.02

typedef struct
{
  guint32 count[HISTOGRAM_BINS];
  guint64 n;
} Histogram;

/* A frame in the encoder. */
typedef struct
{
  gint64 out_us, capture_us;
  MloEncodedFrame encoded;
  int width, height;
} Pending;

/* Packets first .. end - 1, as the sender will be told at @at_us. */
typedef struct
{
  gint64 at_us;
  gint64 slot;                  /* of the receiver's interval, -1: one a frame */
  guint64 first, end;
  MloReceiverReport report;     /* of MLO_FEEDBACK_RECEIVER_REPORTS, else unused */
} Report;

typedef struct
{
  guint frames, dropped;
  guint64 bytes, ip_bytes;
  double encode_ms;
} Tick;

struct _MloEnv
{
  MloEnvConfig config;
  const MloTrace *trace;
  MloLink *link;
  MloEncoderModel encoder;
  MloWindow window;
  MloQoeMeter *meter;
  MloRandom random;             /* of feedback and of what is measured locally */
  MloLabel label;
  guint label_hint;
  MloDecision decision;         /* in force */
  guint32 payload;              /* bytes of a full packet */
  double others_cpu, gpu, memory;       /* shares of the machine that are in use whatever we do; gpu < 0: not known */
  gint64 now_us, next_tick_us;

  /* source and encoder */
  double frame_us;
  guint64 next_capture;         /* counts frames of the source */
  gint64 capture_phase_us;
  double slot_us;               /* next slot of the lowered frame rate, < 0: none yet */
  Pending pending[MAX_PENDING];
  guint pending_first, n_pending;
  gint64 encoder_free_us;
  guint64 frame_id;

  /* receiver, worked out ahead of time */
  MloPacket *packets;           /* ring */
  MloPacket *scratch;           /* a report that wraps around it */
  guint8 *padding;              /* ring beside it: the packet is no media */
  guint64 n_packets, unreported;
  gint64 clock_offset_us;       /* of the receiver's clock */
  gboolean gap;                 /* a packet was lost and none has arrived since */
  gboolean broken;              /* the decoder's reference */
  gint64 decoder_free_us, last_request_us;
  /* RFC 3550 6.4.1, for receiver reports */
  double jitter_us, last_transit_us;
  guint64 reported_packets, reported_lost, received, lost;
  double reported_bytes;        /* IP bytes before the slot being filled; < 0: it is the first */

  /* on the way back */
  Report *reports;              /* ring */
  guint64 first_report, n_reports;
  gint64 last_report_us;
  gint64 request_us;            /* a key frame request arrives, G_MAXINT64: none */

  /* padding on its way out */
  MloProbe probe;
  guint probe_sent;
  gint64 probe_us, padding_us;  /* first packet of it, next one; G_MAXINT64: none */

  /* measured */
  Tick ticks[RATE_TICKS];
  guint tick;                   /* the present one */
  guint64 n_ticks;
  guint64 media_bytes, ip_bytes;        /* of packets that arrive some time */
  guint keyframes, size_changes, fps_changes, bitrate_changes;
  double score_sum, reward_sum, mos_sum, psnr_sum;
  guint seconds, psnr_seconds;
  double freeze_clear_us;
  Histogram clear_delay, backlog;
};

static void
histogram_add (Histogram * h, double ms)
{
  double bin = ms > HISTOGRAM_LOW_MS ? log (ms / HISTOGRAM_LOW_MS) / HISTOGRAM_STEP + 1.0 : 0.0;

  h->count[(guint) MIN (bin, HISTOGRAM_BINS - 1.0)]++;
  h->n++;
}

static double
histogram_percentile (const Histogram * h, double percent)
{
  double rank = percent / 100.0 * (double) h->n, below = 0.0;

  if (h->n == 0)
    return NAN;
  for (guint i = 0; i < HISTOGRAM_BINS; i++) {
    if (h->count[i] > 0 && below + h->count[i] >= rank)
      return i == 0 ? 0.0 : HISTOGRAM_LOW_MS * exp (HISTOGRAM_STEP * (i - 1.0 + (rank - below) / h->count[i]));
    below += h->count[i];
  }
  return INFINITY;
}

/* A freeze counts as clear where neither end of it nor the frame that ended it lies in an outage. */
static void
on_shown (const MloQoeShown * shown, gpointer user_data)
{
  MloEnv *env = user_data;

  if (shown->freeze && !mlo_trace_in_outage (env->trace, shown->capture_us)
      && !mlo_trace_in_outage (env->trace, shown->shown_us - shown->gap_us)
      && !mlo_trace_in_outage (env->trace, shown->shown_us - shown->gap_us / 2)
      && !mlo_trace_in_outage (env->trace, shown->shown_us))
    env->freeze_clear_us += (double) shown->gap_us;
}

/* Streams run on idle machines and on busy ones, and it is not the bitrate's or the size's doing. A generator of its
 * own: the machine changes nothing else. */
static void
use_machine (MloEnv * env, guint64 seed)
{
  MloRandom random;

  mlo_random_seed (&random, seed ^ G_GUINT64_CONSTANT (0x6d616368696e6573));
  env->others_cpu = mlo_random_chance (&random, 0.5) ? mlo_random_range (&random, 0.0, 0.4)
      : mlo_random_range (&random, 0.0, 1.0);
  env->gpu = mlo_random_chance (&random, 0.5) ? mlo_random_uniform (&random) : -1.0;
  env->memory = mlo_random_range (&random, 0.05, 0.95);
}

MloEnv *
mlo_env_new (const MloEnvConfig * config, const MloTrace * trace, guint64 seed)
{
  MloEnv *env = g_new0 (MloEnv, 1);
  MloRandom random;
  MloLinkConfig link;
  MloEncoderModelConfig encoder;
  double start;

  g_return_val_if_fail (config->source.fps > 0.0 && config->source.width > 0 && config->source.height > 0, NULL);
  g_return_val_if_fail (config->interval_us > 0, NULL);

  env->config = *config;
  env->trace = trace;
  mlo_random_seed (&random, seed);

  link = (MloLinkConfig) {
  .delay_ms = 0.5 * config->rtt_ms,.queue_bytes = config->queue_bytes,.random_loss = config->random_loss,.burst_loss =
        config->burst_loss,.burst_length = config->burst_length,.jitter_ms = config->jitter_ms,.grid_ms =
        config->grid_ms,.cross_kbps = config->cross_kbps,.shaper_kbps = config->shaper_kbps,.shaper_bytes =
        config->shaper_bytes,.use_trace_rtt = config->use_trace_rtt,};
  if (link.queue_bytes <= 0.0) {
    link.queue_bytes = (config->queue_ms > 0.0 ? config->queue_ms : 300.0) / 8.0
        * mlo_trace_mean_kbps (trace, config->limits.max_bitrate_kbps);
    link.queue_bytes = MAX (link.queue_bytes, LEAST_QUEUE_BYTES);
  }
  env->link = mlo_link_new (&link, trace, mlo_random_u64 (&random));

  start = CLAMP (config->limits.start_bitrate_kbps, config->limits.min_bitrate_kbps, config->limits.max_bitrate_kbps);
  encoder = (MloEncoderModelConfig) {
  .width = config->source.width,.height = config->source.height,.complexity = config->complexity,.scene_cut_s =
        config->scene_cut_s,.still_every_s = config->still_every_s,.still_from_s =
        config->still_from_s,.still_to_s = config->still_to_s,.encode_ms = config->encode_ms,.rate_error =
        config->rate_error,};
  mlo_encoder_model_init (&env->encoder, &encoder, start, config->source.fps, mlo_random_u64 (&random));
  mlo_window_init (&env->window);
  env->meter = mlo_qoe_meter_new ();
  mlo_qoe_meter_reset (env->meter, 0);
  mlo_qoe_meter_set_shown_func (env->meter, on_shown, env);

  env->decision.bitrate_kbps = start;
  env->decision.window_bytes = G_MAXUINT64;
  env->decision.predicted_kbps = env->decision.capacity_kbps = -1.0;
  env->decision.reason = "start";
  use_machine (env, seed);
  env->payload = 1200 + mlo_random_below (&random, 189);
  env->next_tick_us = config->interval_us;
  env->frame_us = 1e6 / config->source.fps;
  env->capture_phase_us = (gint64) (env->frame_us * mlo_random_uniform (&random));
  env->slot_us = -1.0;
  env->clock_offset_us = (gint64) mlo_random_range (&random, -1e9, 1e9);
  env->request_us = G_MAXINT64;
  env->last_request_us = -REQUEST_US;
  env->last_transit_us = NAN;
  env->padding_us = G_MAXINT64;
  env->packets = g_new (MloPacket, MAX_PACKETS);
  env->padding = g_new0 (guint8, MAX_PACKETS);
  env->scratch = g_new (MloPacket, MAX_PACKETS);
  env->reports = g_new (Report, MAX_REPORTS);
  mlo_random_seed (&env->random, mlo_random_u64 (&random));
  return env;
}

void
mlo_env_free (MloEnv * env)
{
  if (!env)
    return;
  mlo_link_free (env->link);
  mlo_qoe_meter_free (env->meter);
  g_free (env->packets);
  g_free (env->padding);
  g_free (env->scratch);
  g_free (env->reports);
  g_free (env);
}

static double
base_rtt_ms (const MloEnv * env, gint64 now_us)
{
  if (env->config.use_trace_rtt) {
    float rtt = mlo_trace_at (env->trace, now_us)->rtt_ms;

    if (rtt >= 0.0f)
      return rtt;
  }
  return env->config.rtt_ms;
}

/* The decision in force, as the encoder has it: 0 is the source's. */
static int
coded_width (const MloEnv * env)
{
  return env->decision.width > 0 ? env->decision.width : env->config.source.width;
}

static int
coded_height (const MloEnv * env)
{
  return env->decision.height > 0 ? env->decision.height : env->config.source.height;
}

static double
coded_fps (const MloEnv * env)
{
  return env->decision.fps > 0.0 ? MIN (env->decision.fps, env->config.source.fps) : env->config.source.fps;
}

static void
apply (MloEnv * env, const MloDecision * decision)
{
  const MloDecision before = env->decision;
  double fps = coded_fps (env);
  int width = coded_width (env), height = coded_height (env);

  env->decision = *decision;
  if (coded_width (env) != width || coded_height (env) != height)
    env->size_changes++;
  if (coded_fps (env) != fps) {
    env->fps_changes++;
    env->slot_us = -1.0;
  }
  if (decision->bitrate_kbps != before.bitrate_kbps)
    env->bitrate_changes++;
  mlo_encoder_model_set (&env->encoder, decision->bitrate_kbps, coded_fps (env), coded_width (env), coded_height (env),
      decision->preset_step);
  mlo_window_set_limit (&env->window, decision->window_bytes, decision->probe_interval_us);
}

/* Frames are left out by time slots, as the element does (half a frame early counts). */
static gboolean
in_slot (MloEnv * env, gint64 now_us)
{
  double fps = coded_fps (env), slot = 1e6 / fps;

  if (fps >= env->config.source.fps - 0.01)
    return TRUE;
  if (env->slot_us >= 0.0 && (double) now_us + 0.5 * env->frame_us < env->slot_us)
    return FALSE;
  if (env->slot_us < 0.0 || (double) now_us > env->slot_us + 2.0 * slot)
    env->slot_us = (double) now_us + slot;
  else
    env->slot_us += slot;
  return TRUE;
}

static void
capture (MloEnv * env, gint64 now_us)
{
  Pending *p;

  env->next_capture++;
  mlo_encoder_model_advance (&env->encoder, now_us);
  if (!in_slot (env, now_us) || !mlo_window_admit (&env->window, now_us))
    return;
  if (env->n_pending == MAX_PENDING) {
    env->ticks[env->tick].dropped++;
    return;
  }
  if (env->request_us <= now_us) {
    env->request_us = G_MAXINT64;
    mlo_encoder_model_force_key (&env->encoder);
  }
  p = &env->pending[(env->pending_first + env->n_pending++) % MAX_PENDING];
  p->capture_us = now_us;
  p->width = coded_width (env);
  p->height = coded_height (env);
  mlo_encoder_model_encode (&env->encoder, &p->encoded);
  p->out_us = MAX (env->encoder_free_us, now_us) + (gint64) (p->encoded.encode_ms * 1000.0);
  env->encoder_free_us = p->out_us;
}

/* A report leaves the receiver at @receiver_us and covers all that came up to now. */
static void
report (MloEnv * env, gint64 receiver_us, gint64 slot, guint64 end, double rtt_ms)
{
  Report *r, *last = &env->reports[(env->first_report + env->n_reports - 1) % MAX_REPORTS];
  gint64 at_us = receiver_us + (gint64) (500.0 * rtt_ms);

  if (slot >= 0 && env->n_reports > 0 && last->slot == slot) {
    last->end = end;
    env->unreported = end;
    return;
  }
  if (env->n_reports == MAX_REPORTS)
    return;
  r = &env->reports[(env->first_report + env->n_reports++) % MAX_REPORTS];
  r->at_us = MAX (at_us, env->last_report_us);
  r->slot = slot;
  r->first = env->unreported;
  r->end = end;
  env->last_report_us = r->at_us;
  env->unreported = end;
}

/* A receiver report: the slot's last values stand. */
static void
receiver_report (MloEnv * env, gint64 arrival_us, guint32 size, double wait_ms, double rtt_ms)
{
  const gint64 interval_us =
      (gint64) (1000.0 * (env->config.feedback_interval_ms > 0.0 ? env->config.feedback_interval_ms : 500.0));
  gint64 slot = arrival_us / interval_us;
  guint64 before = env->n_reports;
  Report *r;

  report (env, (slot + 1) * interval_us, slot, env->n_packets, rtt_ms);
  if (env->n_reports == 0)
    return;
  r = &env->reports[(env->first_report + env->n_reports - 1) % MAX_REPORTS];
  if (r->slot != slot)
    return;
  if (env->n_reports > before) {
    env->reported_bytes = env->reported_packets > 0 || env->reported_lost > 0 ? (double) (env->ip_bytes - size) : -1.0;
    env->reported_packets = env->received + env->lost - 1;
    env->reported_lost = env->lost;
  }
  r->report.jitter_ms = env->jitter_us / 1000.0;
  r->report.rtt_ms = rtt_ms + wait_ms;
  r->report.received_kbps = env->reported_bytes >= 0.0
      ? ((double) env->ip_bytes - env->reported_bytes) * 8000.0 / (double) interval_us : -1.0;
  r->report.fraction_lost = (double) (env->lost - env->reported_lost)
      / (double) MAX (env->received + env->lost - env->reported_packets, 1);
}

static void
report_packets (MloEnv * env, gint64 arrival_us, gboolean marker, double rtt_ms)
{
  if (env->config.feedback_interval_ms > 0.0) {
    gint64 interval_us = (gint64) (1000.0 * env->config.feedback_interval_ms);
    gint64 slot = arrival_us / interval_us;

    report (env, (slot + 1) * interval_us, slot, env->n_packets, rtt_ms);
  } else if (marker)
    report (env, arrival_us, -1, env->n_packets, rtt_ms);
}

/* What the receiver does with a packet that arrives at @arrival_us; it is the newest in the ring. */
static void
receive (MloEnv * env, gint64 send_us, gint64 arrival_us, guint32 size, gboolean marker, double rtt_ms)
{
  if (env->config.feedback == MLO_FEEDBACK_TWCC)
    report_packets (env, arrival_us, marker, rtt_ms);
  else if (env->config.feedback == MLO_FEEDBACK_RECEIVER_REPORTS) {
    double transit = (double) (arrival_us - send_us);

    if (!isnan (env->last_transit_us))
      env->jitter_us += (fabs (transit - env->last_transit_us) - env->jitter_us) / 16.0;
    env->last_transit_us = transit;
    env->received++;
    receiver_report (env, arrival_us, size, MAX (transit / 1000.0 - 0.5 * rtt_ms, 0.0), rtt_ms);
  }
  /* The gap in the numbers is seen when something comes after it. */
  if ((env->gap || env->broken) && arrival_us >= env->last_request_us + MAX (REQUEST_US, (gint64) (1000.0 * rtt_ms))) {
    env->last_request_us = arrival_us;
    env->request_us = MIN (env->request_us, arrival_us + (gint64) (500.0 * rtt_ms));
  }
  env->gap = FALSE;
}

static void
decode (MloEnv * env, const Pending * p, guint64 id, gint64 complete_us)
{
  const MloSource *source = &env->config.source;
  double share = (double) p->width * p->height / ((double) source->width * source->height);
  double psnr = p->encoded.psnr_db;

  if (p->encoded.keyframe)
    env->broken = FALSE;
  if (env->broken)
    psnr = MIN (psnr, MAX (psnr - BROKEN_DB, BROKEN_FLOOR_DB));
  env->decoder_free_us = MAX (complete_us, env->decoder_free_us)
      + (gint64) (1000.0 * env->config.decode_ms * (0.3 + 0.7 * share));
  mlo_qoe_meter_decoded (env->meter, id, env->decoder_free_us, psnr);
  if (!mlo_trace_in_outage (env->trace, p->capture_us))
    histogram_add (&env->clear_delay, (double) (env->decoder_free_us - p->capture_us) / 1000.0);
}

/* A packet of @size goes into the link and, as the newest, into the ring. Returns when it arrives, < 0: never. */
static gint64
put_packet (MloEnv * env, gint64 now_us, guint32 size, gboolean padding)
{
  MloPacket *packet = &env->packets[env->n_packets % MAX_PACKETS];
  gint64 arrival_us = mlo_link_send (env->link, now_us, size + MLO_PACKET_OVERHEAD);

  env->ticks[env->tick].ip_bytes += size + MLO_PACKET_OVERHEAD;
  env->padding[env->n_packets % MAX_PACKETS] = padding;
  packet->send_us = now_us;
  packet->seqnum = env->n_packets & 0xffff;
  packet->size = size;
  packet->lost = arrival_us < 0 || arrival_us == G_MAXINT64;
  packet->arrival_us = packet->lost ? 0 : (arrival_us + env->clock_offset_us) / ARRIVAL_GRID_US * ARRIVAL_GRID_US;
  env->n_packets++;
  return packet->lost ? -1 : arrival_us;
}

/* Padding has numbers of its own: the decoder never misses it, receiver reports do not count it. */
static void
send_padding (MloEnv * env)
{
  const gint64 now_us = env->padding_us;
  gint64 arrival_us = put_packet (env, now_us, MLO_PADDING_BYTES, TRUE);

  mlo_window_sent (&env->window, now_us, MLO_PADDING_BYTES);
  if (arrival_us >= 0 && env->config.feedback == MLO_FEEDBACK_TWCC)
    report_packets (env, arrival_us, FALSE, base_rtt_ms (env, now_us));
  env->probe_sent++;
  env->padding_us = env->probe_sent >= env->probe.packets ? G_MAXINT64 : env->probe_us
      + (gint64) (env->probe_sent * 8000.0 * (MLO_PADDING_BYTES + MLO_PACKET_OVERHEAD) / env->probe.kbps);
}

static void
ask_for_probe (MloEnv * env, MloPolicy * policy, gint64 now_us)
{
  if (!policy->klass->probe || env->padding_us != G_MAXINT64 || !policy->klass->probe (policy, now_us, &env->probe))
    return;
  env->probe_us = env->padding_us = now_us;
  env->probe_sent = 0;
}

/* The oldest frame in the encoder leaves it: into packets, into the link, to the receiver. */
static void
send_frame (MloEnv * env, MloPolicy * policy)
{
  const Pending p = env->pending[env->pending_first];
  Tick *tick = &env->ticks[env->tick];
  const double rtt_ms = base_rtt_ms (env, p.out_us);
  guint64 id = env->frame_id++;
  guint32 left = p.encoded.bytes;
  gint64 complete_us = 0;
  gboolean whole = TRUE;

  env->pending_first = (env->pending_first + 1) % MAX_PENDING;
  env->n_pending--;
  mlo_window_sent (&env->window, p.out_us, p.encoded.bytes);
  if (policy->klass->on_frame_sent)
    policy->klass->on_frame_sent (policy, p.out_us, p.encoded.bytes, p.encoded.keyframe);
  mlo_qoe_meter_sent (env->meter, id, p.capture_us);
  histogram_add (&env->backlog, MIN ((double) mlo_link_wait_us (env->link, p.out_us) / 1000.0, 1e6));
  env->keyframes += p.encoded.keyframe;
  tick->frames++;
  tick->bytes += p.encoded.bytes;
  tick->encode_ms += p.encoded.encode_ms;

  while (left > 0) {
    guint32 size = MIN (left, env->payload);
    gint64 arrival_us = put_packet (env, p.out_us, size, FALSE);

    left -= size;
    if (arrival_us < 0) {
      whole = FALSE;
      env->gap = TRUE;
      env->lost++;
      continue;
    }
    env->media_bytes += size;
    env->ip_bytes += size + MLO_PACKET_OVERHEAD;
    complete_us = arrival_us;
    receive (env, p.out_us, arrival_us, size + MLO_PACKET_OVERHEAD, left == 0, rtt_ms);
  }
  if (whole)
    decode (env, &p, id, complete_us);
  else
    env->broken = TRUE;
}

static void
take_report (MloEnv * env, MloPolicy * policy)
{
  const Report *r = &env->reports[env->first_report % MAX_REPORTS];
  const MloDecision *decision;
  guint64 first = r->first;
  const gint64 now_us = r->at_us;

  env->first_report++;
  env->n_reports--;
  if (env->config.feedback_loss > 0.0 && mlo_random_chance (&env->random, env->config.feedback_loss))
    return;
  if (env->config.feedback == MLO_FEEDBACK_RECEIVER_REPORTS) {
    if (policy->klass->on_receiver_report)
      policy->klass->on_receiver_report (policy, now_us, &r->report);
  } else {
    const MloPacket *packets;
    guint n, at;

    if (env->n_packets - first > MAX_PACKETS)
      first = env->n_packets - MAX_PACKETS;
    if (first >= r->end)
      return;
    n = (guint) (r->end - first);
    at = (guint) (first % MAX_PACKETS);
    packets = &env->packets[at];
    if (at + n > MAX_PACKETS) {
      memcpy (env->scratch, packets, (MAX_PACKETS - at) * sizeof *packets);
      memcpy (env->scratch + (MAX_PACKETS - at), env->packets, (at + n - MAX_PACKETS) * sizeof *packets);
      packets = env->scratch;
    }
    if (policy->klass->on_packets)
      policy->klass->on_packets (policy, now_us, packets, n);
    mlo_window_acked (&env->window, now_us, packets, n);
  }
  decision = policy->klass->react ? policy->klass->react (policy, now_us) : NULL;
  if (decision)
    apply (env, decision);
  ask_for_probe (env, policy, now_us);
}

static gint64
capture_us (const MloEnv * env)
{
  return env->capture_phase_us + (gint64) ((double) env->next_capture * env->frame_us);
}

/* All that happens up to @end_us, in order. */
static void
run_until (MloEnv * env, MloPolicy * policy, gint64 end_us)
{
  for (;;) {
    gint64 next_capture = capture_us (env);
    gint64 out = env->n_pending > 0 ? env->pending[env->pending_first].out_us : G_MAXINT64;
    gint64 feedback = env->n_reports > 0 ? env->reports[env->first_report % MAX_REPORTS].at_us : G_MAXINT64;

    if (MIN (MIN (next_capture, out), MIN (feedback, env->padding_us)) > end_us)
      return;
    if (env->padding_us < MIN (MIN (next_capture, out), feedback))
      send_padding (env);
    else if (out <= feedback && out <= next_capture)
      send_frame (env, policy);
    else if (feedback <= next_capture)
      take_report (env, policy);
    else
      capture (env, next_capture);
  }
}

/* What the sender measures itself, over the last second. */
static void
measure (MloEnv * env, MloSample * s)
{
  Tick sum = { 0 };
  guint n = (guint) MIN (env->n_ticks + 1, RATE_TICKS);
  double span_s = n * (double) env->config.interval_us / 1e6, fps, busy;

  for (guint i = 0; i < RATE_TICKS; i++) {
    sum.frames += env->ticks[i].frames;
    sum.dropped += env->ticks[i].dropped;
    sum.bytes += env->ticks[i].bytes;
    sum.ip_bytes += env->ticks[i].ip_bytes;
    sum.encode_ms += env->ticks[i].encode_ms;
  }
  memset (s, 0, sizeof *s);
  s->timestamp_us = env->now_us;
  fps = sum.frames / span_s;
  mlo_sample_set (s, MLO_FIELD_FPS, fps);
  if (sum.frames > 0) {
    mlo_sample_set (s, MLO_FIELD_FRAME_TIME, 1000.0 / fps);
    mlo_sample_set (s, MLO_FIELD_ENCODE_TIME, sum.encode_ms / sum.frames);
  }
  mlo_sample_set (s, MLO_FIELD_ENCODED, (double) sum.bytes / 125.0 / span_s);
  mlo_sample_set (s, MLO_FIELD_SENT, (double) sum.ip_bytes / 125.0 / span_s);
  mlo_sample_set (s, MLO_FIELD_BITRATE, env->decision.bitrate_kbps);
  mlo_sample_set (s, MLO_FIELD_FRAME_DROPS, sum.dropped);
  if (env->window.limit != G_MAXUINT64)
    mlo_sample_set (s, MLO_FIELD_BUFFER_OCCUPANCY,
        MIN (1.0, (double) mlo_window_in_flight (&env->window) / (double) MAX (env->window.limit, 1)));
  busy = sum.encode_ms / 1000.0 / span_s;
  mlo_sample_set (s, MLO_FIELD_CPU_USAGE, CLAMP (env->others_cpu + 0.3 * busy + 0.02 * mlo_random_normal (&env->random),
          0.0, 1.0));
  if (env->gpu >= 0.0)
    mlo_sample_set (s, MLO_FIELD_GPU_USAGE, env->gpu);
  mlo_sample_set (s, MLO_FIELD_MEMORY_USAGE, env->memory);
  mlo_sample_set (s, MLO_FIELD_COMPLEXITY,
      CLAMP (env->encoder.complexity + 0.02 * mlo_random_normal (&env->random), 0.0, 1.0));
  mlo_sample_set (s, MLO_FIELD_WIDTH, coded_width (env));
  mlo_sample_set (s, MLO_FIELD_HEIGHT, coded_height (env));
}

void
mlo_env_step (MloEnv * env, MloPolicy * policy, MloEnvStep * step)
{
  MloQoeSecond second;
  const MloDecision *decision;

  run_until (env, policy, env->next_tick_us);
  env->now_us = env->next_tick_us;
  env->next_tick_us += env->config.interval_us;

  step->second_complete = FALSE;
  if (env->seconds == 0)
    step->reward = NAN;
  while (mlo_qoe_meter_next (env->meter, env->now_us, &second)) {
    double score = mlo_qoe_score (&second);

    step->reward = mlo_qoe_reward (&second);
    step->second_complete = TRUE;
    env->seconds++;
    env->reward_sum += step->reward;
    env->score_sum += score;
    env->mos_sum += mlo_qoe_mos (score);
    if (second.fps > 0.0 && !isnan (second.psnr_db)) {
      env->psnr_sum += second.psnr_db;
      env->psnr_seconds++;
    }
  }

  measure (env, &step->sample);
  decision = policy->klass->tick (policy, env->now_us, &step->sample);
  apply (env, decision);
  ask_for_probe (env, policy, env->now_us);
  env->n_ticks++;
  env->tick = (env->tick + 1) % RATE_TICKS;
  env->ticks[env->tick] = (Tick) {
  0};

  step->time_us = env->now_us;
  step->decision = env->decision;
  step->capacity_kbps = mlo_trace_at (env->trace, env->now_us)->capacity_kbps;
  step->queue_ms = mlo_link_backlog_bytes (env->link, env->now_us) * 8.0;
  step->queue_ms = step->queue_ms < QUEUE_CEILING_MS * step->capacity_kbps ? step->queue_ms / step->capacity_kbps
      : step->queue_ms > 0.0 ? QUEUE_CEILING_MS : 0.0;
}

double
mlo_env_label_kbps (MloEnv * env, double horizon_s)
{
  const MloEnvConfig *c = &env->config;
  const double source = (double) c->source.width * c->source.height;
  const double share = (double) coded_width (env) * coded_height (env) / source;
  MloTraceCursor cursor = { env->trace, env->label_hint };
  MloLabelInput in = {
    .carried = mlo_trace_cursor_position,
    .path = &cursor,
    .now_us = env->now_us,
    .horizon_s = horizon_s,
    .backlog_bytes = mlo_link_backlog_bytes (env->link, env->now_us),
    .min_kbps = c->limits.min_bitrate_kbps,
    .max_kbps = c->limits.max_bitrate_kbps,
    .overhead = 1.0 + (double) MLO_PACKET_OVERHEAD / env->payload,
    .base_ms = c->encode_ms * share + 0.5 * base_rtt_ms (env, env->now_us) + c->decode_ms * share + DISPLAY_MS,
    .loss_events = c->random_loss + (c->burst_loss > 0.0 ? c->burst_loss / MAX (c->burst_length, 1.0) : 0.0),
    .payload = env->payload,
    .repair_s = 0.001 * base_rtt_ms (env, env->now_us) + REPAIR_FRAMES / coded_fps (env),
    .broken_db = BROKEN_DB,
    .fps = coded_fps (env),
    /* not the source's and not the present size: the predictor sees neither */
    .scale = 1.0,
    .pixels = LABEL_PIXELS,
    .complexity = env->encoder.complexity,
  };

  mlo_trace_position (env->trace, env->now_us, &env->label_hint);
  cursor.hint = env->label_hint;
  return mlo_label_kbps (&env->label, &in);
}

/* Bytes that could have been used: the capacity, as far as the highest bitrate needs it. */
static double
usable_bytes (const MloEnv * env)
{
  const MloTrace *t = env->trace;
  double cap = env->config.limits.max_bitrate_kbps * (1.0 + (double) MLO_PACKET_OVERHEAD / env->payload);
  double rounds = floor ((double) env->now_us / (double) t->duration_us);
  gint64 rest = env->now_us - (gint64) rounds * t->duration_us;
  double sum = rounds > 0.0 ? rounds * mlo_trace_mean_kbps (t, cap) * (double) t->duration_us : 0.0;

  for (guint i = 0; i < t->n_rows && t->rows[i].time_us < rest; i++) {
    gint64 end = i + 1 < t->n_rows ? MIN (t->rows[i + 1].time_us, rest) : rest;

    sum += MIN (t->rows[i].capacity_kbps, cap) * (double) (end - t->rows[i].time_us);
  }
  return sum / 8000.0;
}

void
mlo_env_result (MloEnv * env, MloEnvResult * result)
{
  const MloLinkStats *stats = mlo_link_stats (env->link);
  const double seconds = (double) env->now_us / 1e6;
  double usable = usable_bytes (env), media = (double) env->media_bytes, ip = (double) env->ip_bytes, freeze_ms;
  guint64 newest = env->n_packets, oldest = newest - MIN (newest, MAX_PACKETS);

  /* Less what has not arrived yet. */
  while (newest > oldest) {
    const MloPacket *p = &env->packets[--newest % MAX_PACKETS];

    if (p->lost || env->padding[newest % MAX_PACKETS])
      continue;
    if (p->arrival_us - env->clock_offset_us <= env->now_us)
      break;
    media -= p->size;
    ip -= p->size + MLO_PACKET_OVERHEAD;
  }

  memset (result, 0, sizeof *result);
  result->seconds = seconds;
  if (env->seconds > 0) {
    result->score = env->score_sum / env->seconds;
    result->reward = env->reward_sum / env->seconds;
    result->mos = env->mos_sum / env->seconds;
  }
  result->psnr_db = env->psnr_seconds > 0 ? env->psnr_sum / env->psnr_seconds : NAN;
  result->bitrate_kbps = seconds > 0.0 ? media / 125.0 / seconds : 0.0;
  result->utilisation = usable > 0.0 ? ip / usable : NAN;
  result->delay_p50_ms = mlo_qoe_meter_delay_percentile (env->meter, 50.0);
  result->delay_p95_ms = mlo_qoe_meter_delay_percentile (env->meter, 95.0);
  result->delay_p99_ms = mlo_qoe_meter_delay_percentile (env->meter, 99.0);
  result->delay_p95_clear_ms = histogram_percentile (&env->clear_delay, 95.0);
  result->delay_p99_clear_ms = histogram_percentile (&env->clear_delay, 99.0);
  result->loss = stats->packets > 0 ? (double) (stats->queue_full + stats->lost) / (double) stats->packets : 0.0;
  mlo_qoe_meter_freezes (env->meter, &result->freezes, &freeze_ms);
  result->freeze_s = freeze_ms / 1000.0;
  result->freeze_clear_s = env->freeze_clear_us / 1e6;
  result->size_changes = env->size_changes;
  result->fps_changes = env->fps_changes;
  result->bitrate_changes = env->bitrate_changes;
  result->keyframes = env->keyframes;
  result->skipped = (guint) env->window.skipped;
  result->backlog_p95_ms = histogram_percentile (&env->backlog, 95.0);
}
