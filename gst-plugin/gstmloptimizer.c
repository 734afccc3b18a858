/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-mloptimizer
 * @title: mloptimizer
 * @short_description: sets bitrate, picture size and frame rate of a live stream by what the network carries
 *
 * Placed before a video encoder, this element watches the raw frames pass, takes in what comes back
 * from the network and ten times a second decides with two small neural networks (and rules that
 * bound them) which bitrate the encoder gets, at which size and how many frames a second. No
 * application code is needed.
 *
 * It finds the encoder by following the links downstream, gets per-packet feedback as
 * `RTPTWCCPackets` events from rtpsession (the payloader's caps must name the transport-wide
 * extension, as below and at the receiver), and where there is none works on RTCP receiver reports.
 * Without any feedback it holds #GstMlOptimizer:start-bitrate and says so once.
 *
 * ## Example launch lines
 *
 * The sender:
 * |[
 * gst-launch-1.0 rtpbin name=r rtp-profile=avpf videotestsrc is-live=true pattern=zone-plate kx2=20 ky2=20 kt=1 ! video/x-raw,width=1280,height=720,framerate=60/1 ! mloptimizer max-bitrate=12000000 ! x264enc tune=zerolatency speed-preset=superfast key-int-max=600 ! rtph264pay config-interval=-1 ! application/x-rtp,payload=96,extmap-1=http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01 ! r.send_rtp_sink_0 r.send_rtp_src_0 ! udpsink host=127.0.0.1 port=5000 sync=false r.send_rtcp_src_0 ! udpsink host=127.0.0.1 port=5001 sync=false async=false udpsrc port=5002 ! r.recv_rtcp_sink_0
 * ]|
 * The network sink has sync=false: waiting for the clock there only delays frames that are late already.
 * Its receiver; the two rtpsession settings let feedback come every frame:
 * |[
 * gst-launch-1.0 rtpbin name=r latency=50 rtpsession0::rtcp-min-interval=20000000 rtpsession0::rtcp-fraction=20000 udpsrc port=5000 caps="application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96,extmap-1=http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01" ! r.recv_rtp_sink_0 r. ! rtph264depay ! avdec_h264 ! autovideosink udpsrc port=5001 ! r.recv_rtcp_sink_0 r.send_rtcp_src_0 ! udpsink host=127.0.0.1 port=5002 sync=false async=false
 * ]|
 * What it would do, without doing it:
 * |[
 * gst-launch-1.0 -m videotestsrc is-live=true ! mloptimizer mode=observe ! x264enc tune=zerolatency ! fakesink
 * ]|
 *
 * With a streaming server, which sees each decision and may tell what it or the player measures, or ask for narrower
 * limits (`mloptimizer serve` is one, with a live page at http://127.0.0.1:8080/):
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! mloptimizer server=ws://127.0.0.1:8080/metrics ! x264enc tune=zerolatency ! fakesink
 * ]|
 *
 * ## What it changes on the encoder
 *
 * While streaming its bitrate and, where there is one, its VBV. Before streaming, and only where a
 * property still has its default: x264enc `vbv-buf-capacity=200`; vp8enc, vp9enc and av1enc
 * `end-usage=cbr` with a short buffer; openh264enc `rate-control=bitrate`; hardware encoders a
 * constant-bitrate mode. Two settings of x264enc make it deaf to changes and are repaired with a warning:
 * `vbv-buf-capacity=0` and `nal-hrd=cbr`. With #GstMlOptimizer:mode observe or without `bitrate` in
 * #GstMlOptimizer:adapt nothing is touched. Back in READY the bitrate that was found is put back.
 *
 * With `preset` in #GstMlOptimizer:adapt also the property by which it trades picture for time (`speed-preset`,
 * `cpu-used`, `preset`, `target-usage`, ...): faster steps while it cannot keep up with the frames, back to the user's
 * own together with a change of size. Where the encoder takes that in READY only (x264enc, x265enc), it is taken there
 * and back between two frames: the next frame waits for some milliseconds and comes out as a key frame. Without
 * `preset`, or with no faster one left, an encoder that cannot keep up gets smaller pictures, and last fewer.
 *
 * ## What an application can do
 *
 * - read #GstMlOptimizer:stats;
 * - post an element message named `mloptimizer-metrics` on the pipeline's bus, from any element, whose
 *   fields are named as the measurements in #GstMlOptimizer:stats (`latency_ms`, `packet_loss`,
 *   `bandwidth_kbps`, ... as numbers): for 2 s they fill what is not measured here;
 * - connect to #GstMlOptimizer::decision to see, alter or veto each change before it happens;
 * - listen for the element message `mloptimizer-decision`, posted after each change with the
 *   signal's fields, `applied` (boolean) and the `previous-bitrate`, `previous-width`, `previous-height`,
 *   `previous-framerate` and `previous-preset-step`.
 */
#include "gstmloptimizer.h"

#include <gst/base/gstbasetransform.h>
#include <math.h>
#include <string.h>

#include "gstmlogroup.h"
#include "gstmlomodels.h"
#include "gstmlopreset.h"
#include "gstmloproperties.h"
#include "gstmloscaler.h"
#include "gstmloserver.h"
#include "gstmlostats.h"
#include "mlo-error.h"
#include "mlo-recorder.h"
#include "mlo-ws-uri.h"

GST_DEBUG_CATEGORY (gst_ml_optimizer_debug);
#define GST_CAT_DEFAULT gst_ml_optimizer_debug

static const MloMessageLimits nothing_asked = { -1.0, -1.0, -1 };

enum
{
  SIGNAL_DECISION,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

struct _GstMlOptimizer
{
  GstBin parent;

  GstElement *scale, *filter;   /* owned by the bin; NULL where videoscale is not installed */
  GstPad *sinkpad, *srcpad;     /* ghost pads, owned by the bin */

  /* Under OBJECT_LOCK: */
  GstMloProperties user;
  MloBudgetShare share;         /* of the group, while in one and members > 0 */
  MloMessageLimits asked;       /* by the server */
  guint settings_serial;
  guint warned;                 /* bits 1 << GstMloWarning */
  GstMloControl *control;       /* between READY->PAUSED and PAUSED->READY */

  GstMloTelemetry *telemetry;
  GstMloActuator actuator;      /* the control thread's; its gate the streaming thread's */
  GstMloModels models;          /* between NULL->READY and READY->NULL */
  const MloChannelTable *line;  /* static; NULL without a server. Changes only while there is no channel */
  MloChannel *channel;          /* as long as the control, and longer; OBJECT_LOCK to read it elsewhere */

  MloLearner *learner;          /* as long as the control, and longer; NULL: nothing learns */
  MloRecorder *recorder;        /* likewise, the control thread's; NULL without a file to record to */
  gint64 real_time_us;          /* of the monotonic clock's zero, while it is there */

  GstMloGroup *place;           /* as long as the control, whose thread claims; NULL without a group */

  GstBus *bus;                  /* the pipeline's, while PAUSED or PLAYING */
  gulong bus_id;

  GstClockTime half_frame;      /* streaming thread */
  const char *memory, *placed;  /* likewise; interned: the pictures' (NULL: not known), and that which scale is for */
  GstElement *trial;            /* atomic: a scaler that is being put in place */
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-raw(ANY)"));

#define gst_ml_optimizer_parent_class parent_class
G_DEFINE_FINAL_TYPE_WITH_CODE (GstMlOptimizer, gst_ml_optimizer, GST_TYPE_BIN,
    G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, gst_mlo_preset_init));
GST_ELEMENT_REGISTER_DEFINE (mloptimizer, "mloptimizer", GST_RANK_NONE, GST_TYPE_ML_OPTIMIZER);

/* --- pads --- */

/* The control thread's handle, for other threads: alive as long as the lock is held. */
#define WITH_CONTROL(self, statement) \
  G_STMT_START { \
    GST_OBJECT_LOCK (self); \
    if ((self)->control) \
      statement; \
    GST_OBJECT_UNLOCK (self); \
  } G_STMT_END

static void
retire (GstMlOptimizer * self, GstElement * scaler)
{
  gst_element_set_locked_state (scaler, TRUE);
  gst_element_set_state (scaler, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (self), scaler);
}

static gboolean
connect_scaler (GstMlOptimizer * self, GstElement * from, GstElement * to)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (to, "sink");

  if (from)
    gst_element_unlink (from, self->filter);
  return gst_element_link (to, self->filter) && gst_ghost_pad_set_target (GST_GHOST_PAD (self->sinkpad), sink);
}

/* Puts @scaler (floating) where the present one is, and @limits on what leaves it. Where it does not start, or cannot
 * make that of @pictures (NULL: not asked), the present one stays. In the streaming thread, before a frame or its caps
 * go on: what is sticky is sent to the new one before the next frame. */
static gboolean
replace_scaler (GstMlOptimizer * self, GstElement * scaler, GstCaps * limits, GstCaps * pictures)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (scaler, "sink");
  g_autoptr (GstCaps) taken = NULL;
  g_autoptr (GstCaps) any = gst_caps_new_any ();
  GstElement *old = self->scale;
  gboolean ok;

  g_object_set (self->filter, "caps", any, NULL);
  g_atomic_pointer_set (&self->trial, scaler);
  gst_bin_add (GST_BIN (self), scaler);
  /* Linked first: the card's context is asked of the neighbours. */
  ok = connect_scaler (self, old, scaler) && gst_element_sync_state_with_parent (scaler);
  if (ok && pictures) {
    g_object_set (self->filter, "caps", limits, NULL);
    taken = gst_pad_query_caps (sink, pictures);
    ok = !gst_caps_is_empty (taken);
  }
  if (ok) {
    self->scale = scaler;
    retire (self, old);
  } else {
    g_object_set (self->filter, "caps", any, NULL);
    connect_scaler (self, scaler, old);
    retire (self, scaler);
  }
  g_atomic_pointer_set (&self->trial, NULL);
  return ok;
}

static void
plain_scaler (GstMlOptimizer * self)
{
  GstElement *scaler;

  if (self->placed == gst_mlo_scaler_memory_system ())
    return;
  scaler = gst_mlo_scaler_new (gst_mlo_scaler_memory_system (), NULL);
  if (scaler && replace_scaler (self, scaler, NULL, NULL))
    self->placed = gst_mlo_scaler_memory_system ();
}

/* The pictures' memory may be another one now: videoscale passes what it cannot scale, until a size is asked for.
 * Returns the memory if there is a scaler for it. */
static const char *
choose_scaler (GstMlOptimizer * self, GstCaps * caps)
{
  const char *memory = gst_mlo_scaler_memory (caps);

  if (memory != self->memory) {
    g_autoptr (GstCaps) any = gst_caps_new_any ();
    GstCaps *dropped = gst_mlo_actuator_take_caps (&self->actuator);

    /* What was asked of the old one is asked anew, of pictures in this memory. */
    gst_clear_caps (&dropped);
    g_object_set (self->filter, "caps", any, NULL);
    plain_scaler (self);
    self->memory = memory;
    GST_INFO_OBJECT (self, "pictures are in %s", memory ? memory : "memory that nothing here scales");
  }
  return gst_mlo_scaler_exists (memory, caps) ? memory : NULL;
}

/* A size was asked of pictures that are not in plain memory: their own scaler, put in place once. */
static void
limit_size (GstMlOptimizer * self, GstCaps * limits)
{
  g_autoptr (GstCaps) pictures = gst_pad_get_current_caps (self->sinkpad);
  GstElement *scaler;

  if (!pictures || (!gst_caps_is_any (limits) && gst_mlo_scaler_memory (limits) != self->memory))
    return;
  if (gst_caps_is_any (limits) || self->placed == self->memory) {
    /* glcolorscale, once it passes pictures through, offers no other size. */
    if (GST_IS_BASE_TRANSFORM (self->scale) && self->placed != gst_mlo_scaler_memory_system ())
      gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self->scale), FALSE);
    g_object_set (self->filter, "caps", limits, NULL);
    return;
  }
  scaler = gst_mlo_scaler_new (self->memory, pictures);
  if (scaler && replace_scaler (self, scaler, limits, pictures)) {
    self->placed = self->memory;
    return;
  }
  GST_WARNING_OBJECT (self, "pictures in %s keep their size: their scaler does not take them", self->memory);
  gst_mlo_telemetry_set_input (self->telemetry, pictures, NULL);
}

/* A scaler that does not start is not the stream's error: videoscale goes on. */
static void
gst_ml_optimizer_handle_message (GstBin * bin, GstMessage * message)
{
  GstMlOptimizer *self = GST_ML_OPTIMIZER (bin);

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR && GST_MESSAGE_SRC (message)
      && (gpointer) GST_MESSAGE_SRC (message) == g_atomic_pointer_get (&self->trial)) {
    gst_message_unref (message);
    return;
  }
  GST_BIN_CLASS (parent_class)->handle_message (bin, message);
}

static void
input_caps (GstMlOptimizer * self, GstCaps * caps)
{
  int n = 0, d = 1;

  gst_mlo_telemetry_set_input (self->telemetry, caps, choose_scaler (self, caps));
  self->half_frame = G_MAXUINT64;
  if (gst_structure_get_fraction (gst_caps_get_structure (caps, 0), "framerate", &n, &d) && n > 0)
    self->half_frame = gst_util_uint64_scale_int (GST_SECOND, d, 2 * n);
}

/* On the sink pad, streaming thread (upstream events: any). */
static GstPadProbeReturn
sink_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstMlOptimizer *self = data;
  GstEvent *event;
  GstCaps *caps;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
    gboolean in_time = gst_mlo_actuator_gate (&self->actuator, GST_BUFFER_PTS (buffer), self->half_frame);
    g_autoptr (GstCaps) limits = NULL;

    limits = gst_mlo_actuator_take_caps (&self->actuator);
    if (limits)
      limit_size (self, limits);
    return gst_mlo_telemetry_frame (self->telemetry, buffer, in_time) ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
  }
  event = GST_PAD_PROBE_INFO_EVENT (info);
  /* A new size or an encoder that renegotiates is settled in here: sources with free caps would take
   * our limits for theirs, and live ones can die of it. */
  if (info->type & GST_PAD_PROBE_TYPE_EVENT_UPSTREAM)
    return GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      gst_event_parse_caps (event, &caps);
      input_caps (self, caps);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_mlo_telemetry_flush (self->telemetry);
      WITH_CONTROL (self, gst_mlo_control_reset (self->control));
      gst_mlo_actuator_gate_reset (&self->actuator);
      break;
    case GST_EVENT_SEGMENT:
      gst_mlo_actuator_gate_reset (&self->actuator);
      break;
    default:
      break;
  }
  return GST_PAD_PROBE_OK;
}

/* On the filter's src pad: feedback comes up here, new caps go down. */
static GstPadProbeReturn
src_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstMlOptimizer *self = data;
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GstCaps *caps;

  if (info->type & GST_PAD_PROBE_TYPE_EVENT_UPSTREAM) {
    gst_mlo_telemetry_upstream_event (self->telemetry, event);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    gst_event_parse_caps (event, &caps);
    gst_mlo_telemetry_set_output (self->telemetry, caps);
    WITH_CONTROL (self, gst_mlo_control_refind (self->control));
  }
  return GST_PAD_PROBE_OK;
}

static void
on_linked (GstPad * pad, GstPad * peer, gpointer data)
{
  GstMlOptimizer *self = data;

  WITH_CONTROL (self, gst_mlo_control_refind (self->control));
}

/* --- what the properties tell --- */

static gboolean
get_snapshot (GstMlOptimizer * self, GstMloSnapshot * snapshot)
{
  memset (snapshot, 0, sizeof *snapshot);
  WITH_CONTROL (self, gst_mlo_control_get_snapshot (self->control, snapshot));
  return snapshot->valid;
}

static GstStructure *
create_stats (GstMlOptimizer * self)
{
  GstMloStats stats = { 0 };

  get_snapshot (self, &stats.snapshot);
  GST_OBJECT_LOCK (self);
  stats.share = self->share;
  stats.on_line = self->channel != NULL;
  if (stats.on_line)
    self->line->get_counts (self->channel, &stats.line);
  GST_OBJECT_UNLOCK (self);
  gst_mlo_telemetry_get_counts (self->telemetry, &stats.counts);
  stats.in_flight = gst_mlo_telemetry_in_flight (self->telemetry);
  stats.has_models = self->models.predictor && self->models.optimizer;
  return gst_mlo_stats_structure (&stats);
}

/* --- what the control thread asks; no lock is held --- */

/* Those of this element, whatever its group has. With the lock. */
static void
own_settings (GstMlOptimizer * self, GstMloSettings * s)
{
  memset (s, 0, sizeof *s);
  s->limits.max_bitrate_kbps = self->user.max_bitrate / 1000.0;
  s->limits.min_bitrate_kbps = MIN (self->user.min_bitrate, self->user.max_bitrate) / 1000.0;
  s->limits.start_bitrate_kbps = self->user.start_bitrate / 1000.0;
  s->limits.target_delay_ms = self->user.target_delay;
  s->limits.min_fps = self->user.min_framerate;
  s->limits.max_fps = self->user.max_framerate;
  s->limits.min_height = self->user.min_height;
  s->limits.adapt = self->user.adapt;
  s->mode = self->user.mode;
  gst_mlo_server_narrow (s, &self->asked);
  g_strlcpy (s->encoder, self->user.encoder ? self->user.encoder : "", sizeof s->encoder);
}

static guint
get_settings (gpointer data, GstMloSettings * s)
{
  GstMlOptimizer *self = data;
  guint serial;

  GST_OBJECT_LOCK (self);
  own_settings (self, s);
  if (self->share.members > 0) {
    s->limits.max_bitrate_kbps = MIN (s->limits.max_bitrate_kbps, self->share.share_kbps);
    s->limits.min_bitrate_kbps = MIN (s->limits.min_bitrate_kbps, s->limits.max_bitrate_kbps);
  }
  serial = self->settings_serial;
  GST_OBJECT_UNLOCK (self);
  return serial;
}

static gboolean
first_answer (GSignalInvocationHint * hint, GValue * result, const GValue * answer, gpointer data)
{
  if (!g_value_get_boxed (answer))
    return TRUE;
  g_value_copy (answer, result);
  return FALSE;
}

static gboolean
decide (gpointer data, MloDecision * d, const MloDecision * before)
{
  GstMlOptimizer *self = data;
  g_autoptr (GstStructure) proposal = NULL;
  g_autoptr (GstStructure) answer = NULL;

  if (!g_signal_has_handler_pending (self, signals[SIGNAL_DECISION], 0, FALSE))
    return FALSE;
  proposal = gst_mlo_decision_structure (d);
  g_signal_emit (self, signals[SIGNAL_DECISION], 0, proposal, &answer);
  if (!answer)
    return FALSE;
  gst_mlo_decision_alter (d, before, answer);
  return TRUE;
}

static void
decided (gpointer data, const MloDecision * d, const MloDecision * before, gboolean applied)
{
  GstMlOptimizer *self = data;
  GstStructure *s = gst_mlo_decision_message (d, before, applied);

  GST_DEBUG_OBJECT (self, "%" GST_PTR_FORMAT, s);
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), s));
  if (d->changed & MLO_ADAPT_BITRATE)
    g_object_notify_by_pspec (G_OBJECT (self), gst_mlo_properties_bitrate ());
}

static void
warn (gpointer data, GstMloWarning cause, const char *text)
{
  GstMlOptimizer *self = data;
  gboolean again;

  GST_OBJECT_LOCK (self);
  again = (self->warned >> cause) & 1;
  self->warned |= 1u << cause;
  GST_OBJECT_UNLOCK (self);
  if (!again)
    GST_ELEMENT_WARNING (self, STREAM, FAILED, ("%s", text), (NULL));
}

/* --- learning --- */

static void
learned (gpointer data, const MloLearnerReport * before, const MloLearnerReport * now)
{
  GstMlOptimizer *self = data;
  GstStructure *s = gst_mlo_learn_message (before, now);

  if (s) {
    GST_INFO_OBJECT (self, "%" GST_PTR_FORMAT, s);
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), s));
  }
  if (now->save_failures > before->save_failures) {
    g_autofree char *text = g_strdup_printf ("what was learned could not be saved: %s; what was saved before is whole, "
        "and it is tried again", now->save_error);

    warn (self, GST_MLO_WARN_TRAIN_SAVE, text);
  }
}

static gboolean
start_learner (GstMlOptimizer * self)
{
  MloLearnerConfig config = mlo_learner_config_default;
  g_autofree char *folder = NULL, *key = NULL, *text = NULL;
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gboolean train;

  GST_OBJECT_LOCK (self);
  train = self->user.train;
  folder = g_strdup (self->user.train_dir);
  key = g_strdup (self->user.train_key);
  config.cpu_percent = self->user.train_cpu;
  config.interval_us = (gint64) self->user.interval * 1000;
  GST_OBJECT_UNLOCK (self);
  if (!train)
    return TRUE;
  if (!self->models.predictor || !self->models.optimizer) {
    warn (self, GST_MLO_WARN_TRAIN, "train: there are no models to go on learning from");
    return TRUE;
  }
  config.predictor = self->models.predictor;
  config.optimizer = self->models.optimizer;
  config.folder = folder;
  config.key = key;
  config.seed = (guint64) g_get_monotonic_time ();
  self->learner = mlo_learner_new (&config, notes, &error);
  if (!self->learner) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("The property train-key cannot be used: %s", error->message), (NULL));
    return FALSE;
  }
  if (notes->len > 0) {
    g_ptr_array_add (notes, NULL);
    text = g_strjoinv ("; ", (char **) notes->pdata);
    warn (self, GST_MLO_WARN_TRAIN, text);
  }
  return TRUE;
}

/* --- the group --- */

/* @used_kbps: as decided, < 0 before the first decision. Without the bitrate there is nothing to share. */
static void
claim_share (GstMlOptimizer * self, double used_kbps)
{
  MloBudgetClaim claim;
  MloBudgetShare share;
  GstMloSettings s;
  gboolean shares;

  if (!self->place)
    return;
  GST_OBJECT_LOCK (self);
  own_settings (self, &s);
  claim.min_kbps = s.limits.min_bitrate_kbps;
  claim.max_kbps = s.limits.max_bitrate_kbps;
  claim.weight = self->user.group_weight;
  claim.budget_kbps = self->user.group_max_bitrate / 1000.0;
  claim.used_kbps = used_kbps;
  GST_OBJECT_UNLOCK (self);
  shares = s.mode == GST_MLO_MODE_CONTROL && (s.limits.adapt & MLO_ADAPT_BITRATE);
  gst_mlo_group_claim (self->place, shares ? &claim : NULL, &share);
  GST_OBJECT_LOCK (self);
  if (fabs (share.share_kbps - self->share.share_kbps) >= 0.5 || !share.members != !self->share.members)
    self->settings_serial++;
  self->share = share;
  GST_OBJECT_UNLOCK (self);
  if (share.exceeded)
    warn (self, GST_MLO_WARN_GROUP, "the min-bitrate of the group's elements is more than the group's bitrate in all: "
        "each keeps its min-bitrate");
}

static void
join_group (GstMlOptimizer * self)
{
  g_autofree char *group = NULL;

  GST_OBJECT_LOCK (self);
  group = g_strdup (self->user.group);
  GST_OBJECT_UNLOCK (self);
  if (!group || !*group)
    return;
  self->place = gst_mlo_group_join (group);
  claim_share (self, -1.0);
}

static void
leave_group (GstMlOptimizer * self)
{
  g_clear_pointer (&self->place, gst_mlo_group_leave);
  GST_OBJECT_LOCK (self);
  memset (&self->share, 0, sizeof self->share);
  GST_OBJECT_UNLOCK (self);
}

/* --- recording --- */

/* A reaction between two ticks has no observation of its own; the recorder leaves it out by its time. */
static void
record (GstMlOptimizer * self, const MloSample * sample)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  /* before the first tick there is nothing */
  if (sample->timestamp_us == 0
      || mlo_recorder_add (self->recorder, NULL, self->real_time_us + sample->timestamp_us, sample, &error))
    return;
  text = g_strdup_printf ("the recording ends here: %s", error->message);
  warn (self, GST_MLO_WARN_RECORD, text);
}

static gboolean
open_recorder (GstMlOptimizer * self)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  path = g_strdup (self->user.record);
  GST_OBJECT_UNLOCK (self);
  if (!path || !*path)
    return TRUE;
  self->recorder = mlo_recorder_open (path, &error);
  if (!self->recorder) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_WRITE, ("The property record cannot be used: %s", error->message), (NULL));
    return FALSE;
  }
  self->real_time_us = g_get_real_time () - g_get_monotonic_time ();
  return TRUE;
}

/* --- the streaming server --- */

static void
report (gpointer data, const MloDecision * d, const MloDecision * before, const MloSample * sample,
    const GstMloSettings * settings, const GstMloFormat * format)
{
  GstMlOptimizer *self = data;
  MloChannelReport r;

  claim_share (self, d->bitrate_kbps);
  if (self->recorder)
    record (self, sample);
  if (!self->channel)
    return;
  r.real_time_us = g_get_real_time ();
  r.decision = *d;
  r.before = *before;
  r.sample = *sample;
  r.limits = gst_mlo_server_limits (settings);
  r.source_width = format->info.width;
  r.source_height = format->info.height;
  r.source_fps = format->info.fps_n > 0 && format->info.fps_d > 0 ? (double) format->info.fps_n / format->info.fps_d
      : 0.0;
  self->line->report (self->channel, &r);
}

static void
server_metrics (gpointer data, const MloSample * sample, guint rejected)
{
  GstMlOptimizer *self = data;

  gst_mlo_telemetry_tell (self->telemetry, sample, rejected);
}

static void
server_limits (gpointer data, const MloMessageLimits * asked, MloMessageLimits * in_force)
{
  GstMlOptimizer *self = data;
  GstMloSettings settings;

  GST_OBJECT_LOCK (self);
  self->asked = *asked;
  self->settings_serial++;
  GST_OBJECT_UNLOCK (self);
  get_settings (self, &settings);
  *in_force = gst_mlo_server_limits (&settings);
  GST_DEBUG_OBJECT (self, "the server asks for %.0f .. %.0f kbit/s, gets %.0f .. %.0f", asked->min_bitrate_kbps,
      asked->max_bitrate_kbps, in_force->min_bitrate_kbps, in_force->max_bitrate_kbps);
}

static void
server_warn (gpointer data, MloChannelWarning cause, const char *why)
{
  GstMlOptimizer *self = data;
  g_autofree char *text = NULL;

  GST_DEBUG_OBJECT (self, "server: %s", why);
  if (cause == MLO_CHANNEL_WARN_CONNECTION)
    text = g_strdup_printf ("no connection to the server: %s; the stream goes on, and so do the attempts", why);
  else
    text = g_strdup_printf ("%s; it is left out", why);
  warn (self, cause == MLO_CHANNEL_WARN_CONNECTION ? GST_MLO_WARN_SERVER : GST_MLO_WARN_SERVER_TEXT, text);
}

static const MloChannelFuncs channel_funcs = { server_metrics, server_limits, server_warn };

static const GstMloControlFuncs control_funcs = { get_settings, decide, decided, report, learned, warn };

/* --- states --- */

static gboolean
load_models (GstMlOptimizer * self)
{
  g_autofree char *folder = NULL;
  g_autoptr (GError) error = NULL;
  gboolean chosen;

  GST_OBJECT_LOCK (self);
  folder = g_strdup (self->user.models_folder);
  GST_OBJECT_UNLOCK (self);
  chosen = folder && *folder;
  if (!chosen) {
    g_free (folder);
    folder = gst_mlo_models_default_folder ();
  }
  if (!folder) {
    warn (self, GST_MLO_WARN_NO_MODEL, "no models: neither the property models nor " GST_MLO_MODELS_ENV
        " is set and none are installed; rules decide");
    return TRUE;
  }
  if (gst_mlo_models_load (&self->models, folder, &error))
    return TRUE;
  if (chosen) {
    if (g_error_matches (error, MLO_ERROR, MLO_ERROR_MISSING) || g_error_matches (error, MLO_ERROR, MLO_ERROR_IO))
      GST_ELEMENT_ERROR (self, RESOURCE, NOT_FOUND, ("The models cannot be loaded: %s", error->message), (NULL));
    else
      GST_ELEMENT_ERROR (self, RESOURCE, READ, ("The models cannot be used: %s", error->message), (NULL));
    return FALSE;
  }
  {
    g_autofree char *text = g_strdup_printf ("no models: %s; rules decide", error->message);

    warn (self, GST_MLO_WARN_NO_MODEL, text);
  }
  return TRUE;
}

/* The address must be right; a line that cannot be had is no reason not to stream. */
static gboolean
load_server (GstMlOptimizer * self)
{
  g_autofree char *server = NULL, *token = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) uri = NULL;

  self->line = NULL;
  GST_OBJECT_LOCK (self);
  server = g_strdup (self->user.server);
  token = g_strdup (self->user.server_token);
  GST_OBJECT_UNLOCK (self);
  if (!server || !*server)
    return TRUE;
  uri = mlo_ws_uri_parse (server, &error);
  if (!uri || (token && *token && !mlo_ws_token_check (token, &error))) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("The property server%s cannot be used: %s", uri ? "-token" : "",
            error->message), (NULL));
    return FALSE;
  }
  self->line = gst_mlo_server_load (&error);
  if (!self->line) {
    g_autofree char *text = g_strdup_printf ("no connection to the server: %s; the stream goes on without",
        error->message);

    warn (self, GST_MLO_WARN_SERVER, text);
  }
  return TRUE;
}

static void
open_channel (GstMlOptimizer * self)
{
  g_autofree char *server = NULL, *token = NULL, *ca = NULL;
  g_autoptr (GError) error = NULL;
  MloChannelConfig config = { 0 };
  MloChannel *channel;

  if (!self->line)
    return;
  GST_OBJECT_LOCK (self);
  server = g_strdup (self->user.server);
  token = g_strdup (self->user.server_token);
  ca = g_strdup (self->user.server_ca);
  GST_OBJECT_UNLOCK (self);
  config.uri = server;
  config.token = token && *token ? token : NULL;
  config.ca_file = ca && *ca ? ca : NULL;
  /* elements of one process, and of several, should not all come back at once */
  config.seed = (guint64) g_get_monotonic_time () ^ (guint64) GPOINTER_TO_SIZE (self);
  channel = self->line->open (&config, &channel_funcs, self, &error);
  GST_OBJECT_LOCK (self);
  self->channel = channel;
  GST_OBJECT_UNLOCK (self);
  if (!channel) {
    g_autofree char *text = g_strdup_printf ("no connection to the server: %s; the stream goes on without",
        error->message);

    warn (self, GST_MLO_WARN_SERVER, text);
  }
}

static void
close_channel (GstMlOptimizer * self)
{
  MloChannel *channel;

  GST_OBJECT_LOCK (self);
  channel = g_steal_pointer (&self->channel);
  GST_OBJECT_UNLOCK (self);
  if (channel)
    self->line->close (channel);
  GST_OBJECT_LOCK (self);
  self->asked = nothing_asked;
  GST_OBJECT_UNLOCK (self);
}

/* In READY the encoder still takes every setting. */
static void
prepare_encoder (GstMlOptimizer * self)
{
  g_autoptr (GstElement) top = gst_mlo_path_top (GST_ELEMENT (self));
  g_auto (GstMloPath) path = { 0 };
  g_autofree char *wrong = NULL;
  GstMloSettings settings;

  get_settings (self, &settings);
  if (settings.mode != GST_MLO_MODE_CONTROL || !(settings.limits.adapt & MLO_ADAPT_BITRATE))
    return;
  gst_mlo_path_find (&path, self->srcpad, top, settings.encoder);
  if (!path.element || GST_STATE (path.element) > GST_STATE_READY)
    return;
  wrong = gst_mlo_encoder_prepare (&path.encoder, path.element);
  if (wrong)
    warn (self, GST_MLO_WARN_REPAIRED, wrong);
}

static void
start (GstMlOptimizer * self)
{
  g_autoptr (GstElement) top = gst_mlo_path_top (GST_ELEMENT (self));
  GstMloControl *control;
  guint interval;

  GST_OBJECT_LOCK (self);
  interval = self->user.interval;
  GST_OBJECT_UNLOCK (self);
  /* Only what is posted on the outermost bus is seen there; nested buses carry nothing. */
  self->bus = gst_element_get_bus (top);
  if (self->bus) {
    gst_bus_enable_sync_message_emission (self->bus);
    self->bus_id = g_signal_connect_data (self->bus, "sync-message", G_CALLBACK (gst_mlo_telemetry_message),
        gst_mlo_telemetry_ref (self->telemetry), (GClosureNotify) gst_mlo_telemetry_unref, 0);
  }
  open_channel (self);
  join_group (self);
  control = gst_mlo_control_new (GST_ELEMENT (self), self->srcpad, top, self->telemetry, &self->actuator,
      self->models.predictor, self->models.optimizer, self->learner, interval, &control_funcs, self);
  GST_OBJECT_LOCK (self);
  self->control = control;
  GST_OBJECT_UNLOCK (self);
}

static void
stop (GstMlOptimizer * self)
{
  GstMloControl *control;

  GST_OBJECT_LOCK (self);
  control = g_steal_pointer (&self->control);
  GST_OBJECT_UNLOCK (self);
  gst_mlo_control_free (control);
  /* only now: the control reports to them without a lock */
  close_channel (self);
  leave_group (self);
  g_clear_pointer (&self->recorder, mlo_recorder_free);
  g_clear_pointer (&self->learner, mlo_learner_free);
  gst_mlo_actuator_stop (&self->actuator);
  /* The next stream may bring other pictures. */
  plain_scaler (self);
  self->memory = self->placed;
  if (self->bus) {
    g_signal_handler_disconnect (self->bus, self->bus_id);
    gst_bus_disable_sync_message_emission (self->bus);
    gst_clear_object (&self->bus);
  }
}

static gboolean
check_parts (GstMlOptimizer * self)
{
  if (self->scale && self->filter)
    return TRUE;
  GST_ELEMENT_ERROR (self, CORE, MISSING_PLUGIN, ("The elements videoscale and capsfilter are needed"), (NULL));
  return FALSE;
}

static GstStateChangeReturn
gst_ml_optimizer_change_state (GstElement * element, GstStateChange transition)
{
  GstMlOptimizer *self = GST_ML_OPTIMIZER (element);
  GstStateChangeReturn ret;

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (!check_parts (self) || !load_server (self) || !load_models (self))
        return GST_STATE_CHANGE_FAILURE;
      prepare_encoder (self);
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      /* again: it may have been set in READY */
      if (!load_server (self) || !open_recorder (self))
        return GST_STATE_CHANGE_FAILURE;
      if (!start_learner (self)) {
        g_clear_pointer (&self->recorder, mlo_recorder_free);
        return GST_STATE_CHANGE_FAILURE;
      }
      start (self);
      break;
    case GST_STATE_CHANGE_PLAYING_TO_PAUSED:
      WITH_CONTROL (self, gst_mlo_control_set_playing (self->control, FALSE));
      break;
    default:
      break;
  }

  ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);

  switch (transition) {
    case GST_STATE_CHANGE_NULL_TO_READY:
      if (ret == GST_STATE_CHANGE_FAILURE)
        gst_mlo_models_clear (&self->models);
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (ret == GST_STATE_CHANGE_FAILURE)
        stop (self);
      break;
    case GST_STATE_CHANGE_PAUSED_TO_PLAYING:
      if (ret != GST_STATE_CHANGE_FAILURE)
        WITH_CONTROL (self, gst_mlo_control_set_playing (self->control, TRUE));
      break;
    case GST_STATE_CHANGE_PAUSED_TO_READY:
      stop (self);
      break;
    case GST_STATE_CHANGE_READY_TO_NULL:
      gst_mlo_models_clear (&self->models);
      break;
    default:
      break;
  }
  return ret;
}

/* --- properties --- */

static void
gst_ml_optimizer_set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstMlOptimizer *self = GST_ML_OPTIMIZER (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  self->settings_serial++;
  known = gst_mlo_properties_set (&self->user, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
gst_ml_optimizer_get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstMlOptimizer *self = GST_ML_OPTIMIZER (object);
  GstMloSnapshot snapshot;
  gboolean known;

  /* These three take the lock themselves. */
  switch (id) {
    case GST_MLO_PROP_BITRATE:
      get_snapshot (self, &snapshot);
      g_value_set_uint (value, gst_mlo_bits (snapshot.decision.bitrate_kbps));
      return;
    case GST_MLO_PROP_ESTIMATED_BANDWIDTH:
      get_snapshot (self, &snapshot);
      g_value_set_uint (value, gst_mlo_bits (snapshot.decision.capacity_kbps));
      return;
    case GST_MLO_PROP_STATS:
      g_value_take_boxed (value, create_stats (self));
      return;
    default:
      break;
  }
  GST_OBJECT_LOCK (self);
  known = gst_mlo_properties_get (&self->user, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

/* --- object --- */

static void
add_probes (GstMlOptimizer * self)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (self->scale, "sink");
  g_autoptr (GstPad) src = gst_element_get_static_pad (self->filter, "src");

  /* Both pads die with the bin, so the probes cannot outlive it. */
  gst_pad_add_probe (self->sinkpad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_BOTH | GST_PAD_PROBE_TYPE_EVENT_FLUSH, sink_probe, self,
      NULL);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_BOTH, src_probe, self, NULL);
  gst_ghost_pad_set_target (GST_GHOST_PAD (self->sinkpad), sink);
  gst_ghost_pad_set_target (GST_GHOST_PAD (self->srcpad), src);
}

static void
gst_ml_optimizer_init (GstMlOptimizer * self)
{
  GstElementClass *klass = GST_ELEMENT_GET_CLASS (self);

  gst_mlo_properties_init (&self->user);
  self->asked = nothing_asked;
  self->half_frame = G_MAXUINT64;
  self->telemetry = gst_mlo_telemetry_new ();

  self->sinkpad =
      gst_ghost_pad_new_no_target_from_template ("sink", gst_element_class_get_pad_template (klass, "sink"));
  self->srcpad = gst_ghost_pad_new_no_target_from_template ("src", gst_element_class_get_pad_template (klass, "src"));
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);
  g_signal_connect (self->srcpad, "linked", G_CALLBACK (on_linked), self);

  self->memory = self->placed = gst_mlo_scaler_memory_system ();
  self->scale = gst_mlo_scaler_new (self->memory, NULL);
  self->filter = gst_element_factory_make ("capsfilter", "filter");
  if (self->scale && self->filter) {
    gst_bin_add_many (GST_BIN (self), self->scale, self->filter, NULL);
    gst_element_link (self->scale, self->filter);
    add_probes (self);
  } else {
    g_clear_pointer (&self->scale, gst_object_unref);
    g_clear_pointer (&self->filter, gst_object_unref);
  }
  gst_mlo_actuator_init (&self->actuator, self->filter, self->srcpad, self->telemetry);
}

static void
gst_ml_optimizer_finalize (GObject * object)
{
  GstMlOptimizer *self = GST_ML_OPTIMIZER (object);

  gst_mlo_models_clear (&self->models);
  gst_mlo_telemetry_unref (self->telemetry);
  gst_mlo_properties_clear (&self->user);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_ml_optimizer_class_init (GstMlOptimizerClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_ml_optimizer_debug, "mloptimizer", 0, "bitrate, size and frame rate by the network");
  object_class->set_property = gst_ml_optimizer_set_property;
  object_class->get_property = gst_ml_optimizer_get_property;
  object_class->finalize = gst_ml_optimizer_finalize;
  element_class->change_state = gst_ml_optimizer_change_state;
  GST_BIN_CLASS (klass)->handle_message = gst_ml_optimizer_handle_message;
  gst_mlo_properties_install (object_class);

  /**
   * GstMlOptimizer::decision:
   * @self: the element
   * @decision: a #GstStructure `mloptimizer-decision`, not to be changed
   *
   * A decision that differs from what is set is about to be applied (or, in observe mode, would be).
   * Emitted from the control thread, ten times a second at most in the mean, with no lock held; the handler must not
   * change the pipeline's state and should be quick. Fields: `serial` (#guint64), `timestamp` (#guint64,
   * ns, monotonic clock), `changed` (flags as in #GstMlOptimizer:adapt), `bitrate` (#guint, bit/s), `width`,
   * `height` (#gint, 0: the source's), `framerate` (#gdouble, 0: the source's), `preset-step` (#gint, steps faster
   * than the encoder's own preset, or with a minus slower), `action`, `state`, `limiter`,
   * `reason` (#gchararray), `confidence` (#gdouble, 0..1), `gain` (#gdouble), `predicted-bitrate`,
   * `estimated-bandwidth` (#guint, bit/s, 0: not known), `window` (#guint64, bytes that may be in flight),
   * `probe-interval` (#guint64, ns, 0: none).
   *
   * Returns: (nullable) (transfer full): %NULL to let it pass; or a structure with other values of
   * `bitrate`, `width` and `height`, `framerate`, `preset-step`, which are taken instead within the element's limits
   * (size and frame rate: the nearest of those it works with); or one with the #gboolean `veto` set to %TRUE, and
   * all stays as it is where the limits allow that. The first handler that returns a structure wins.
   */
  signals[SIGNAL_DECISION] = g_signal_new ("decision", GST_TYPE_ML_OPTIMIZER, G_SIGNAL_RUN_LAST, 0, first_answer, NULL,
      NULL, GST_TYPE_STRUCTURE, 1, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Adaptive streaming optimizer", "Filter/Effect/Video",
      "Sets bitrate, picture size and frame rate of a live stream by what the network carries",
      "mloptimizer developers");
  gst_type_mark_as_plugin_api (GST_TYPE_ML_OPTIMIZER_ADAPT, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_ML_OPTIMIZER_MODE, 0);
}
