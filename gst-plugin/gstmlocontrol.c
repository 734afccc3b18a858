/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlocontrol.h"

#include <math.h>
#include <string.h>

#include "gstmlopeers.h"
#include "gstmlortp.h"
#include "gstmlotransport.h"
#include "mlo-gpu.h"
#include "mlo-system.h"
#include "mlo-timer.h"

GST_DEBUG_CATEGORY_EXTERN (gst_ml_optimizer_debug);
#define GST_CAT_DEFAULT gst_ml_optimizer_debug

#define SECOND_US G_USEC_PER_SEC
#define RECORDS 256             /* taken at a time */
#define BATCH 512               /* packets of one report handed on at a time */
/* What is downstream is looked at again this often. */
#define REFIND_US (2 * SECOND_US)
/* Reports are read no more often than this. */
#define REPORT_GAP_US 50000
/* Frames flow and nothing comes back for this long: say so. */
#define SILENCE_US (3 * SECOND_US)
#define SILENCE_WITHOUT_RTP_US (5 * SECOND_US)
/* A peer may join late; then it is time to say that it is not there. */
#define PEER_MISSING_US (3 * SECOND_US)
/* Of the least latency told, a tick: half of it in half a minute. */
#define FLOOR_FORGET 0.002

struct _GstMloControl
{
  GstElement *element;          /* borrowed */
  GWeakRef top;                 /* the outermost bin, which may go before us */
  GstPad *src;
  GstMloTelemetry *telemetry;
  GstMloActuator *actuator;
  const GstMloControlFuncs *funcs;
  gpointer user_data;
  gint64 interval_us;

  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  GSource *tick, *feedback;

  gint playing, reset, refind;  /* atomic */

  GMutex lock;                  /* protects the snapshot; a leaf */
  GstMloSnapshot snapshot;

  /* The control thread's own. */
  MloController *controller;
  GstMloLearn learn;
  gboolean altered;             /* by the application, in this tick */
  GstMloRtp *rtp;
  GstMloPeerMarks *marks;
  guint64 clocks;
  GstMloTransports *transports;
  gboolean asked;               /* a transport was asked and answered, ever */
  GstMloPath path;
  MloSystem system;
  MloGpu gpu;
  MloSample machine;            /* cpu, memory, gpu */
  GstMloSettings settings;
  guint settings_serial, format_serial;
  GstMloFormat format;
  MloDecision applied;          /* what is set now */
  guint64 n_applied, n_reports;
  gint64 next_second_us, next_find_us, next_report_us, playing_since_us;
  gint64 without_us;            /* no encoder since then; 0: there is one */
  double told_floor_ms;         /* least latency that was told; < 0: none */
  gboolean session_chosen;      /* the user's peer is a session on the path */
  gint64 peer_missing_us;       /* it is nowhere since then; 0: it is there, or none was chosen */
  MloActuatorTraits traits;
  GstMloRecord records[RECORDS];
  MloPacket batch[BATCH];
};

/* --- what is downstream --- */

static void
update_traits (GstMloControl * c)
{
  gst_mlo_actuator_traits (c->actuator, &c->path, &c->format, &c->traits);
  mlo_controller_set_traits (c->controller, &c->traits);
}

/* Whose feedback counts: the sessions are told apart by themselves, connections by their transports. */
static void
choose_peer (GstMloControl * c)
{
  c->session_chosen = *c->settings.peer && gst_mlo_path_choose_session (&c->path, c->settings.peer);
  gst_mlo_telemetry_choose_peer (c->telemetry, c->session_chosen ? c->path.session : NULL);
  gst_mlo_transports_choose (c->transports, c->settings.peer);
}

static void
find_path (GstMloControl * c, gint64 now_us)
{
  g_autoptr (GstElement) top = g_weak_ref_get (&c->top);

  g_atomic_int_set (&c->refind, 0);
  c->next_find_us = now_us + REFIND_US;
  gst_mlo_path_clear (&c->path);
  gst_mlo_path_find (&c->path, c->src, top, c->settings.encoder);
  choose_peer (c);
  gst_mlo_peer_marks_set (c->marks, c->path.sessions);
  if (gst_mlo_actuator_set_path (c->actuator, &c->path)) {
    for (guint i = 0; i < c->actuator->n_encoders; i++) {
      const GstMloDriven *d = &c->actuator->encoders[i];

      GST_INFO_OBJECT (c->element, "encoder %u of %u is %" GST_PTR_FORMAT ", set to %.0f kbit/s", i + 1,
          c->actuator->n_encoders, d->element, d->original_kbps);
    }
    if (gst_mlo_actuator_set_kbps (c->actuator) > 0.0)
      c->applied.bitrate_kbps = gst_mlo_actuator_set_kbps (c->actuator);
    c->funcs->unwarn (c->user_data, 1u << GST_MLO_WARN_NO_ENCODER | 1u << GST_MLO_WARN_DEAF
        | 1u << GST_MLO_WARN_REFUSED_BITRATE | 1u << GST_MLO_WARN_REFUSED_PRESET | 1u << GST_MLO_WARN_REFUSED_SIZE);
  }
  if (c->actuator->n_encoders > 0)
    c->without_us = 0;
  else if (c->without_us == 0)
    c->without_us = now_us;
  update_traits (c);
}

/* --- what came in --- */

static void
hand_on (GstMloControl * c, gint64 now_us, guint n)
{
  gst_mlo_packets_share_send_time (c->batch, n);
  mlo_controller_on_packets (c->controller, now_us, c->batch, n);
}

static void
drain (GstMloControl * c)
{
  guint n_batch = 0, n;
  gint64 batch_us = 0;

  while ((n = gst_mlo_telemetry_take (c->telemetry, c->records, RECORDS)) > 0) {
    for (guint i = 0; i < n; i++) {
      const GstMloRecord *r = &c->records[i];
      gboolean packet = r->kind == GST_MLO_RECORD_PACKET || r->kind == GST_MLO_RECORD_REPORT_END;

      GST_LOG_OBJECT (c->element,
          "%s: send %" G_GINT64_FORMAT " arrival %" G_GINT64_FORMAT " us, %u bytes, seqnum %u%s",
          packet ? "packet" : "frame", r->packet.send_us, r->packet.arrival_us, r->packet.size, r->packet.seqnum,
          r->packet.lost ? ", lost" : "");
      if (packet) {
        c->batch[n_batch++] = r->packet;
        batch_us = r->now_us;
      }
      if (n_batch > 0 && (r->kind != GST_MLO_RECORD_PACKET || n_batch == BATCH)) {
        hand_on (c, batch_us, n_batch);
        n_batch = 0;
      }
      if (!packet)
        mlo_controller_on_frame_sent (c->controller, r->now_us, r->packet.size, r->kind == GST_MLO_RECORD_KEYFRAME);
    }
  }
  if (n_batch > 0)
    hand_on (c, batch_us, n_batch);
}

static void
read_report (GstMloControl * c, gint64 now_us)
{
  MloReceiverReport report;

  c->next_report_us = now_us + REPORT_GAP_US;
  if (!gst_mlo_rtp_poll (c->rtp, &c->path, now_us, &report))
    return;
  c->n_reports++;
  GST_DEBUG_OBJECT (c->element, "receiver report: rtt %.1f jitter %.1f ms, lost %.3f, received %.0f kbit/s",
      report.rtt_ms, report.jitter_ms, report.fraction_lost, report.received_kbps);
  mlo_controller_on_receiver_report (c->controller, now_us, &report);
}

/* A transport that is not connected, or not any more, is no feedback. */
static void
ask_transports (GstMloControl * c, gint64 now_us)
{
  MloTransportView view;
  gboolean any = gst_mlo_transports_poll (c->transports, c->path.sinks, now_us, &view);

  c->asked = c->asked || any;
  mlo_controller_on_transport (c->controller, any ? &view : NULL);
}

/* Only where something learns from it. */
static void
set_explore (GstMloControl * c)
{
  mlo_controller_set_explore (c->controller,
      c->learn.learner && c->settings.mode == GST_MLO_MODE_CONTROL ? c->settings.explore : 0.0);
}

static void
refresh (GstMloControl * c)
{
  GstMloSettings settings;
  guint serial = c->funcs->get_settings (c->user_data, &settings);
  GstMloFormat format;

  if (serial != c->settings_serial) {
    gboolean encoder = strcmp (settings.encoder, c->settings.encoder) != 0;
    gboolean peer = strcmp (settings.peer, c->settings.peer) != 0;

    /* The start was chosen when the controller was made. */
    settings.limits.start_bitrate_kbps = c->settings.limits.start_bitrate_kbps;
    c->settings = settings;
    c->settings_serial = serial;
    mlo_controller_set_limits (c->controller, &settings.limits);
    set_explore (c);
    if (encoder || peer)
      g_atomic_int_set (&c->refind, 1);
    if (peer) {
      c->peer_missing_us = 0;
      c->funcs->unwarn (c->user_data, 1u << GST_MLO_WARN_PEER);
    }
  }
  gst_mlo_telemetry_get_format (c->telemetry, &format);
  if (format.serial != c->format_serial) {
    MloSource source = {
      .width = format.info.width,
      .height = format.info.height,
      .fps = format.info.fps_n > 0 && format.info.fps_d > 0 ? (double) format.info.fps_n / format.info.fps_d : 0.0,
    };

    if (format.info.width != c->format.info.width || format.info.height != c->format.info.height)
      c->actuator->size_refused = FALSE;
    c->format = format;
    c->format_serial = format.serial;
    mlo_controller_set_source (c->controller, &source);
    update_traits (c);
  }
}

/* --- what goes out --- */

static void
take_snapshot (GstMloControl * c, const MloDecision * d)
{
  const MloSample *sample = mlo_controller_sample (c->controller);

  g_mutex_lock (&c->lock);
  c->snapshot.valid = TRUE;
  c->snapshot.decision = *d;
  c->snapshot.sample = *sample;
  c->snapshot.peer_decides = *c->settings.peer && c->peer_missing_us == 0 && (c->session_chosen
      || gst_mlo_transports_has_chosen (c->transports));
  c->snapshot.applied = c->n_applied;
  c->snapshot.reports = c->n_reports;
  c->snapshot.trained = c->learn.learner != NULL;
  c->snapshot.parity = c->actuator->parity.n_makers > 0;
  c->snapshot.parity_percent = c->actuator->parity.percent;
  c->snapshot.parity_overhead = gst_mlo_parity_overhead (&c->actuator->parity);
  c->snapshot.n_encoders = c->actuator->n_encoders;
  for (guint i = 0; i < c->actuator->n_encoders; i++) {
    const GstMloDriven *e = &c->actuator->encoders[i];
    GstElementFactory *factory = gst_element_get_factory (e->element);

    g_strlcpy (c->snapshot.encoders[i].name, GST_OBJECT_NAME (e->element), sizeof c->snapshot.encoders[i].name);
    g_strlcpy (c->snapshot.encoders[i].factory, factory ? GST_OBJECT_NAME (factory) : "",
        sizeof c->snapshot.encoders[i].factory);
    c->snapshot.encoders[i].kbps = e->property_kbps;
    c->snapshot.encoders[i].deaf = e->deaf;
  }
  g_mutex_unlock (&c->lock);
}

static guint
differs (const MloDecision * a, const MloDecision * b)
{
  guint changed = 0;

  if (fabs (a->bitrate_kbps - b->bitrate_kbps) >= 0.5)
    changed |= MLO_ADAPT_BITRATE;
  if (a->width != b->width || a->height != b->height)
    changed |= MLO_ADAPT_RESOLUTION;
  if (fabs (a->fps - b->fps) >= 0.01)
    changed |= MLO_ADAPT_FRAMERATE;
  if (a->preset_step != b->preset_step)
    changed |= MLO_ADAPT_PRESET;
  if (a->parity_percent != b->parity_percent)
    changed |= MLO_ADAPT_FEC;
  return changed;
}

static void
report_refused_bitrate (GstMloControl * c, const GstMloDriven * d)
{
  g_autofree char *text =
      g_strdup_printf ("%s does not keep the bitrate it is given (%.0f kbit/s): is it locked while playing?",
      GST_OBJECT_NAME (d->element), d->property_kbps);

  c->funcs->warn (c->user_data, GST_MLO_WARN_REFUSED_BITRATE, text);
}

/* Of size and presets. */
static void
report_refusal (GstMloControl * c, GstMloRefused refused, const MloDecision * d)
{
  g_autofree char *text = NULL;

  if (refused & GST_MLO_REFUSED_PRESETS) {
    text = g_strdup_printf ("%s does not take another %s: it stays as it is; leave preset out of adapt",
        GST_OBJECT_NAME (c->actuator->encoders[0].element), c->actuator->encoders[0].speed.spec->name);
    c->funcs->warn (c->user_data, GST_MLO_WARN_REFUSED_PRESET, text);
    update_traits (c);
  }
  /* Without a scaler it is not downstream's doing, and was said. */
  if ((refused & GST_MLO_REFUSED_SIZES) && c->format.scalable) {
    g_clear_pointer (&text, g_free);
    text = g_strdup_printf ("nothing downstream takes pictures of %dx%d: the size stays as it is; remove the size from "
        "the caps behind this element to let it change, or leave resolution out of adapt", d->width, d->height);
    c->funcs->warn (c->user_data, GST_MLO_WARN_REFUSED_SIZE, text);
    update_traits (c);
  }
}

/* The controller goes on from what is really set: the application's choice, rounded to its ladder. */
static void
settle (GstMloControl * c, MloDecision * d)
{
  const MloDecision *taken;

  mlo_controller_override (c->controller, d);
  taken = mlo_controller_decision (c->controller);
  d->bitrate_kbps = taken->bitrate_kbps;
  d->width = taken->width;
  d->height = taken->height;
  d->fps = taken->fps;
  d->preset_step = taken->preset_step;
}

/* In observe mode nothing of ours stays in the way. */
static guint
adapted (const GstMloControl * c)
{
  return c->settings.mode == GST_MLO_MODE_CONTROL ? c->settings.limits.adapt : 0;
}

static void
set_window (GstMloControl * c, const MloDecision * d)
{
  gboolean windowed = (adapted (c) & MLO_ADAPT_FRAMERATE) != 0;
  gboolean rests = (d->state == MLO_GUARD_NORMAL || d->state == MLO_GUARD_FALLBACK) && d->probe_interval_us == 0;

  gst_mlo_telemetry_set_window (c->telemetry, windowed ? d->window_bytes : G_MAXUINT64,
      windowed ? d->probe_interval_us : 0);
  gst_mlo_telemetry_set_alert (c->telemetry, !rests, c->settings.limits.target_delay_ms);
  c->applied.window_bytes = d->window_bytes;
  c->applied.probe_interval_us = d->probe_interval_us;
}

static void
act (GstMloControl * c, const MloDecision * decision)
{
  MloDecision d = *decision, before = c->applied;
  gboolean control = c->settings.mode == GST_MLO_MODE_CONTROL;
  const GstMloDriven *refusing;
  GstMloRefused refused;

  d.changed = differs (&d, &before);
  if (d.changed && c->funcs->decide (c->user_data, &d, &before) && control) {
    settle (c, &d);
    c->altered = TRUE;
  }
  refused = gst_mlo_actuator_apply (c->actuator, &d, adapted (c), &c->format, &refusing);
  gst_mlo_telemetry_set_overhead (c->telemetry, gst_mlo_parity_overhead (&c->actuator->parity));
  set_window (c, &d);
  if (refused) {
    report_refusal (c, refused, &d);
    if (refused & (GST_MLO_REFUSED_SIZE | GST_MLO_REFUSED_SIZES)) {
      d.width = before.width;
      d.height = before.height;
    }
    if (refused & (GST_MLO_REFUSED_PRESET | GST_MLO_REFUSED_PRESETS))
      d.preset_step = before.preset_step;
    settle (c, &d);
  }
  d.changed = differs (&d, &before);
  c->applied = d;
  if (d.changed)
    c->n_applied++;
  take_snapshot (c, &d);
  if (d.changed)
    c->funcs->decided (c->user_data, &d, &before, control);
  c->funcs->report (c->user_data, &d, &before, mlo_controller_sample (c->controller), &c->settings, &c->format);
  if (refusing)
    report_refused_bitrate (c, refusing);
}

/* --- what is missing --- */

static void
check_setup (GstMloControl * c, gint64 now_us)
{
  GstMloCounts n;
  g_autofree char *text = NULL;
  gint64 flowing_us;

  gst_mlo_telemetry_get_counts (c->telemetry, &n);
  if (n.first_frame_us == 0)
    return;
  if (c->without_us != 0 && now_us - MAX (n.first_frame_us, c->without_us) > SECOND_US) {
    c->funcs->warn (c->user_data, GST_MLO_WARN_NO_ENCODER, *c->settings.encoder ?
        "the element named by the property encoder is not in the pipeline, or has no bitrate to set" :
        "no video encoder with a bitrate found downstream: only picture size and frame rate can be set; "
        "name it with the property encoder");
  }
  flowing_us = now_us - MAX (n.first_encoded_us != 0 ? n.first_encoded_us : n.first_frame_us, c->playing_since_us);
  if (n.reports > 0 || c->asked)
    return;
  if (c->path.sinks) {
    if (flowing_us > SILENCE_WITHOUT_RTP_US) {
      text =
          g_strdup_printf
          ("no feedback from the network: %s is not connected, or tells nothing; holding %.0f kbit/s at "
          "the full frame rate", GST_OBJECT_NAME (g_ptr_array_index (c->path.sinks, 0)), c->applied.bitrate_kbps);
      c->funcs->warn (c->user_data, GST_MLO_WARN_NO_FEEDBACK, text);
    }
    return;
  }
  if (!c->path.session && !gst_mlo_rtp_any (c->rtp)) {
    if (flowing_us > SILENCE_WITHOUT_RTP_US && n.metrics == 0) {
      text =
          g_strdup_printf
          ("no feedback from the network: there is neither an rtpsession nor an SRT, RIST or RTMP sink in the pipeline, and nobody posts "
          GST_MLO_METRICS_NAME "; holding %.0f kbit/s at the full frame rate", c->applied.bitrate_kbps);
      c->funcs->warn (c->user_data, GST_MLO_WARN_NO_FEEDBACK, text);
    }
  } else if (flowing_us > SILENCE_US) {
    if (c->path.rtp_caps && !c->path.twcc) {
      text = g_strdup_printf ("the receiver's feedback is not per packet, which is less exact by far; add "
          "extmap-1=" GST_MLO_TWCC_URI
          " to the caps behind the payloader (application/x-rtp,...) and to the receiver's%s",
          c->n_reports > 0 ? "; working on receiver reports" : "");
      c->funcs->warn (c->user_data, GST_MLO_WARN_NO_TWCC, text);
    } else if (c->n_reports == 0 && flowing_us > SILENCE_WITHOUT_RTP_US) {
      text = g_strdup_printf ("no feedback from the receiver yet: is it running, do its RTCP packets come back, and do "
          "its caps name extmap-1=" GST_MLO_TWCC_URI "? Holding %.0f kbit/s at the full frame rate",
          c->applied.bitrate_kbps);
      c->funcs->warn (c->user_data, GST_MLO_WARN_NO_FEEDBACK, text);
    }
  }
}

static void
list_session (gpointer session, gpointer text)
{
  GString *list = text;
  GstObject *o = session, *parent = NULL;
  g_autofree char *name = NULL;

  /* A session of webrtcbin's or rtpbin's has a name of theirs, which says little. */
  for (o = gst_object_ref (session); (parent = gst_object_get_parent (o)) && !GST_IS_PIPELINE (parent);) {
    gst_object_unref (o);
    o = parent;
  }
  name = gst_object_get_name (o);
  g_string_append_printf (list, "%s%s", list->len > 0 ? ", " : "", name);
  gst_object_unref (o);
  gst_clear_object (&parent);
}

/* The peer that the user named is not there: the worst decides, which is not what was asked for. */
static void
check_peer (GstMloControl * c, gint64 now_us)
{
  g_autoptr (GString) there = g_string_new (NULL);
  g_autofree char *text = NULL;

  if (!*c->settings.peer || c->session_chosen || gst_mlo_transports_has_chosen (c->transports)) {
    c->peer_missing_us = 0;
    return;
  }
  if (c->peer_missing_us == 0)
    c->peer_missing_us = now_us;
  if (now_us - c->peer_missing_us < PEER_MISSING_US)
    return;
  if (c->path.sessions)
    g_ptr_array_foreach (c->path.sessions, list_session, there);
  gst_mlo_transports_list (c->transports, there);
  text =
      g_strdup_printf ("the property peer is %s, but nobody of that name or address is behind this element (there is: "
      "%s); until then the one that fares worst decides", c->settings.peer, there->len > 0 ? there->str : "nobody");
  c->funcs->warn (c->user_data, GST_MLO_WARN_PEER, text);
}

/* Once a second, for whoever reads the debug log. */
static void
log_state (GstMloControl * c, const MloSample * local)
{
  GstMloCounts n;

  if (gst_debug_category_get_threshold (GST_CAT_DEFAULT) < GST_LEVEL_DEBUG)
    return;
  gst_mlo_telemetry_get_counts (c->telemetry, &n);
  GST_DEBUG_OBJECT (c->element, "frames in %" G_GUINT64_FORMAT " out %" G_GUINT64_FORMAT ", left out for rate %"
      G_GUINT64_FORMAT " window %" G_GUINT64_FORMAT "; in flight %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
      " bytes; target %.0f encoded %.0f kbit/s; reports %" G_GUINT64_FORMAT
      " packets %" G_GUINT64_FORMAT " lost %" G_GUINT64_FORMAT, n.frames_in, n.frames_out, n.dropped_rate,
      n.dropped_window, gst_mlo_telemetry_in_flight (c->telemetry), c->applied.window_bytes, c->applied.bitrate_kbps,
      mlo_sample_get (local, MLO_FIELD_ENCODED, -1.0), n.reports, n.packets, n.packets_lost);
}

static void
check_encoders (GstMloControl * c, gint64 now_us)
{
  if (c->settings.mode != GST_MLO_MODE_CONTROL || !(c->settings.limits.adapt & MLO_ADAPT_BITRATE))
    return;
  for (guint i = 0; i < c->actuator->n_encoders; i++) {
    GstMloDriven *d = &c->actuator->encoders[i];
    g_autofree char *text = NULL, *advice = NULL;
    double encoded_kbps = 0.0;

    if (!gst_mlo_driven_watch (d, now_us, &encoded_kbps))
      continue;
    update_traits (c);
    if (!d->deaf)
      continue;
    advice = gst_mlo_driven_advice (d);
    text = g_strdup_printf ("%s does not follow its bitrate: %.0f kbit/s come out where %.0f were asked for; "
        "the rate is held by picture size and frame rate instead. To let it follow: %s", GST_OBJECT_NAME (d->element),
        encoded_kbps, d->told_kbps, advice);
    c->funcs->warn (c->user_data, GST_MLO_WARN_DEAF, text);
  }
}

/* What the application or the server tells of the path: all there is where nothing is measured here (SRT, RTMP, a
 * network of its own). The queue is the latency above its least, which is slowly forgotten: a path may get longer. */
static void
take_told (GstMloControl * c, gint64 now_us, MloSample * local)
{
  GstMloCounts n;

  gst_mlo_telemetry_get_counts (c->telemetry, &n);
  if (n.metrics == 0)
    return;
  if (mlo_sample_has (local, MLO_FIELD_LATENCY)) {
    if (c->told_floor_ms < 0.0 || local->latency_ms < c->told_floor_ms)
      c->told_floor_ms = local->latency_ms;
    else
      c->told_floor_ms += FLOOR_FORGET * (local->latency_ms - c->told_floor_ms);
    if (!mlo_sample_has (local, MLO_FIELD_QUEUE_DELAY))
      mlo_sample_set (local, MLO_FIELD_QUEUE_DELAY, local->latency_ms - c->told_floor_ms);
  }
  mlo_controller_on_metrics (c->controller, now_us, local);
}

/* What is only observed is not relieved, and would be thought overloaded for ever. */
static void
watch_load (GstMloControl * c, gint64 now_us, const MloSample * local)
{
  MloEncoderLoad load = {.busy_ms = -1.0 };

  if (c->actuator->n_encoders > 0 && c->settings.mode == GST_MLO_MODE_CONTROL)
    gst_mlo_telemetry_get_load (c->telemetry, now_us, c->settings.limits.adapt & MLO_ADAPT_FRAMERATE ? c->applied.fps
        : 0.0, &load);
  if (c->settings.mode == GST_MLO_MODE_CONTROL)
    load.decode_ms = mlo_sample_get (local, MLO_FIELD_DECODE_TIME, 0.0);
  mlo_controller_on_encoder (c->controller, &load);
}

/* What makes parity is there, and what the stream is sent in. */
static void
watch_parity (GstMloControl * c)
{
  GstMloCounts n;

  gst_mlo_telemetry_get_counts (c->telemetry, &n);
  gst_mlo_parity_measure (&c->actuator->parity, n.encoded_frames);
  mlo_controller_on_parity (c->controller, &c->actuator->parity.stream);
}

/* In observe mode the stream is not what was decided, and says nothing of that. */
static void
learn (GstMloControl * c)
{
  MloLearnerReport before = c->learn.report;

  if (!c->learn.learner)
    return;
  if (c->settings.mode != GST_MLO_MODE_CONTROL) {
    c->learn.gap = TRUE;
    return;
  }
  gst_mlo_learn_tick (&c->learn, c->controller, c->altered);
  if (!c->learn.fresh)
    return;
  g_mutex_lock (&c->lock);
  c->snapshot.training = c->learn.report;
  g_mutex_unlock (&c->lock);
  c->funcs->learned (c->user_data, &before, &c->learn.report);
}

/* --- the two sources --- */

/* Where a second receiver appears, what was measured of the first is of another clock. */
static void
check_clock (GstMloControl * c)
{
  GstMloCounts n;

  gst_mlo_telemetry_get_counts (c->telemetry, &n);
  if (n.clocks == c->clocks)
    return;
  c->clocks = n.clocks;
  drain (c);
  mlo_controller_reset (c->controller);
  c->learn.gap = TRUE;
}

static void
catch_up (GstMloControl * c, gint64 now_us)
{
  check_clock (c);
  if (g_atomic_int_compare_and_exchange (&c->reset, 1, 0)) {
    gst_mlo_telemetry_forget (c->telemetry);
    gst_mlo_actuator_forget (c->actuator);
    mlo_controller_reset (c->controller);
    c->learn.gap = TRUE;
    c->told_floor_ms = -1.0;
    c->playing_since_us = now_us;
  }
  drain (c);
  if (gst_mlo_rtp_pending (c->rtp) && now_us >= c->next_report_us)
    read_report (c, now_us);
}

static gboolean
on_feedback (gpointer data)
{
  GstMloControl *c = data;
  gint64 now_us = g_get_monotonic_time ();
  const MloDecision *d;

  g_source_set_ready_time (c->feedback, -1);
  if (!g_atomic_int_get (&c->playing))
    return G_SOURCE_CONTINUE;
  catch_up (c, now_us);
  d = mlo_controller_react (c->controller, now_us);
  if (d && (d->state != c->applied.state || differs (d, &c->applied)))
    act (c, d);
  else if (d)
    set_window (c, d);
  return G_SOURCE_CONTINUE;
}

/* On a grid, so that a late tick does not delay those after it; what was missed is not made up for. The grid is the
 * clock's own: the elements of a host wake its processor together, not each by itself. */
static gint64
next_tick (const GstMloControl * c, gint64 now_us)
{
  return (now_us / c->interval_us + 1) * c->interval_us;
}

static gboolean
on_tick (gpointer data)
{
  GstMloControl *c = data;
  gint64 now_us = g_get_monotonic_time ();
  MloSample local;

  if (!g_atomic_int_get (&c->playing)) {
    g_source_set_ready_time (c->tick, -1);
    return G_SOURCE_CONTINUE;
  }
  g_source_set_ready_time (c->tick, next_tick (c, now_us));

  catch_up (c, now_us);
  refresh (c);
  if (now_us >= c->next_find_us || g_atomic_int_get (&c->refind))
    find_path (c, now_us);
  gst_mlo_telemetry_collect (c->telemetry, now_us, &local);
  if (now_us >= c->next_second_us) {
    c->next_second_us = now_us + SECOND_US;
    memset (&c->machine, 0, sizeof c->machine);
    mlo_system_read (&c->system, &c->machine);
    mlo_gpu_read (&c->gpu, now_us, &c->machine);
    read_report (c, now_us);
    check_setup (c, now_us);
    check_peer (c, now_us);
    log_state (c, &local);
  }
  for (int i = 0; i < MLO_N_FIELDS; i++) {
    if (mlo_sample_has (&c->machine, i))
      mlo_sample_set (&local, i, mlo_sample_get (&c->machine, i, 0.0));
  }
  take_told (c, now_us, &local);
  ask_transports (c, now_us);
  watch_load (c, now_us, &local);
  watch_parity (c);
  check_encoders (c, now_us);
  c->altered = FALSE;
  act (c, mlo_controller_tick (c->controller, now_us, &local));
  learn (c);
  return G_SOURCE_CONTINUE;
}

static gpointer
control_thread (gpointer data)
{
  GstMloControl *c = data;

  /* NVML takes its time to begin, and nobody's state change is to wait for it. */
  mlo_gpu_init (&c->gpu, NULL, NULL);
  g_main_context_push_thread_default (c->context);
  g_main_loop_run (c->loop);
  g_main_context_pop_thread_default (c->context);
  return NULL;
}

GstMloControl *
gst_mlo_control_new (GstElement * element, GstPad * src, GstElement * top, GstMloTelemetry * telemetry,
    GstMloActuator * actuator, const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer,
    MloLearner * learner, guint interval_ms, const GstMloControlFuncs * funcs, gpointer user_data)
{
  GstMloControl *c = g_new0 (GstMloControl, 1);
  MloControllerConfig config = mlo_controller_config_default;
  double set_kbps = 0.0;

  g_mutex_init (&c->lock);
  c->element = element;
  c->src = src;
  g_weak_ref_init (&c->top, top);
  c->telemetry = telemetry;
  c->actuator = actuator;
  c->funcs = funcs;
  c->user_data = user_data;
  c->learn.learner = learner;
  c->interval_us = (gint64) interval_ms *1000;
  c->told_floor_ms = -1.0;
  mlo_system_init (&c->system, NULL);
  c->settings_serial = funcs->get_settings (user_data, &c->settings);

  c->transports = gst_mlo_transports_new ();
  gst_mlo_path_find (&c->path, src, top, c->settings.encoder);
  gst_mlo_actuator_set_path (actuator, &c->path);
  set_kbps = gst_mlo_actuator_set_kbps (actuator);
  if (c->settings.limits.start_bitrate_kbps <= 0.0 && learner)
    c->settings.limits.start_bitrate_kbps = mlo_learner_good_kbps (learner);
  if (c->settings.limits.start_bitrate_kbps <= 0.0)
    c->settings.limits.start_bitrate_kbps = set_kbps > 0.0 ? set_kbps : mlo_limits_default.start_bitrate_kbps;
  config.limits = c->settings.limits;
  config.interval_us = c->interval_us;
  config.predictor = predictor;
  config.optimizer = optimizer;
  config.rule_ladder = optimizer == NULL;
  gst_mlo_actuator_traits (actuator, &c->path, &c->format, &config.traits);
  config.seed = (guint64) g_get_monotonic_time ();
  c->controller = mlo_controller_new (&config);
  set_explore (c);
  c->applied = *mlo_controller_decision (c->controller);
  if (set_kbps > 0.0)
    c->applied.bitrate_kbps = set_kbps;
  c->rtp = gst_mlo_rtp_new (top, telemetry);
  c->marks = gst_mlo_peer_marks_new ();
  gst_mlo_peer_marks_set (c->marks, c->path.sessions);

  c->context = g_main_context_new ();
  c->loop = g_main_loop_new (c->context, FALSE);
  c->tick = mlo_timer_new (c->context, on_tick, c, G_PRIORITY_DEFAULT);
  c->feedback = mlo_timer_new (c->context, on_feedback, c, G_PRIORITY_HIGH);
  gst_mlo_telemetry_start (telemetry, c->feedback);
  c->thread = g_thread_new ("mloptimizer", control_thread, c);
  return c;
}

static gboolean
quit (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

void
gst_mlo_control_free (GstMloControl * c)
{
  GSource *last;

  if (!c)
    return;
  g_atomic_int_set (&c->playing, 0);
  gst_mlo_telemetry_stop (c->telemetry);
  /* From inside the loop: a quit before it runs would be lost. */
  last = g_idle_source_new ();
  g_source_set_priority (last, G_PRIORITY_HIGH);
  g_source_set_callback (last, quit, c->loop, NULL);
  g_source_attach (last, c->context);
  g_source_unref (last);
  g_thread_join (c->thread);

  g_source_destroy (c->tick);
  g_source_unref (c->tick);
  g_source_destroy (c->feedback);
  g_source_unref (c->feedback);
  g_main_loop_unref (c->loop);
  g_main_context_unref (c->context);
  gst_mlo_rtp_free (c->rtp);
  gst_mlo_transports_free (c->transports);
  gst_mlo_peer_marks_free (c->marks);
  gst_mlo_path_clear (&c->path);
  mlo_gpu_clear (&c->gpu);
  mlo_controller_free (c->controller);
  gst_mlo_learn_clear (&c->learn);
  g_weak_ref_clear (&c->top);
  g_mutex_clear (&c->lock);
  g_free (c);
}

void
gst_mlo_control_set_playing (GstMloControl * c, gboolean playing)
{
  if (playing)
    g_atomic_int_set (&c->reset, 1);
  g_atomic_int_set (&c->playing, playing);
  if (playing)
    g_source_set_ready_time (c->tick, 0);
}

void
gst_mlo_control_reset (GstMloControl * c)
{
  g_atomic_int_set (&c->reset, 1);
}

void
gst_mlo_control_refind (GstMloControl * c)
{
  g_atomic_int_set (&c->refind, 1);
}

void
gst_mlo_control_get_snapshot (GstMloControl * c, GstMloSnapshot * snapshot)
{
  g_mutex_lock (&c->lock);
  *snapshot = c->snapshot;
  g_mutex_unlock (&c->lock);
}
