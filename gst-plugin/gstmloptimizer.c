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
#include "gstmloelement.h"

#include "gstmlopreset.h"
#include "gstmlostats.h"
#include "mlo-error.h"

GST_DEBUG_CATEGORY (gst_ml_optimizer_debug);
#define GST_CAT_DEFAULT gst_ml_optimizer_debug

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-raw(ANY)"));

#define gst_ml_optimizer_parent_class parent_class
G_DEFINE_FINAL_TYPE_WITH_CODE (GstMlOptimizer, gst_ml_optimizer, GST_TYPE_BIN,
    G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, gst_mlo_preset_init));
GST_ELEMENT_REGISTER_DEFINE (mloptimizer, "mloptimizer", GST_RANK_NONE, GST_TYPE_ML_OPTIMIZER);

static const GstMloControlFuncs control_funcs = {
  gst_mlo_surface_settings, gst_mlo_surface_decide, gst_mlo_surface_decided, gst_mlo_services_report,
  gst_mlo_services_learned, gst_mlo_surface_unwarn, gst_mlo_surface_warn
};

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
    gst_mlo_surface_warn (self, GST_MLO_WARN_NO_MODEL, "no models: neither the property models nor " GST_MLO_MODELS_ENV
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

    gst_mlo_surface_warn (self, GST_MLO_WARN_NO_MODEL, text);
  }
  return TRUE;
}

void
gst_ml_optimizer_prepare_encoders (GstMlOptimizer * self)
{
  g_autoptr (GstElement) top = gst_mlo_path_top (GST_ELEMENT (self));
  g_auto (GstMloPath) path = { 0 };
  g_autofree char *wrong = NULL;
  GstMloSettings settings;

  gst_mlo_surface_settings (self, &settings);
  if (settings.mode != GST_MLO_MODE_CONTROL || !(settings.limits.adapt & MLO_ADAPT_BITRATE))
    return;
  gst_mlo_path_find (&path, self->srcpad, top, settings.encoder);
  wrong = gst_mlo_path_prepare (&path);
  if (wrong)
    gst_mlo_surface_warn (self, GST_MLO_WARN_REPAIRED, wrong);
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
  gst_mlo_services_stop (self);
  gst_mlo_actuator_stop (&self->actuator);
  gst_mlo_pads_stop (self);
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
      if (!check_parts (self) || !gst_mlo_services_check (self) || !load_models (self))
        return GST_STATE_CHANGE_FAILURE;
      gst_ml_optimizer_prepare_encoders (self);
      break;
    case GST_STATE_CHANGE_READY_TO_PAUSED:
      if (!gst_mlo_services_start (self))
        return GST_STATE_CHANGE_FAILURE;
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

/* A scaler that does not start is not the stream's error: videoscale goes on. */
static void
gst_ml_optimizer_handle_message (GstBin * bin, GstMessage * message)
{
  if (gst_mlo_pads_own_error (GST_ML_OPTIMIZER (bin), message)) {
    gst_message_unref (message);
    return;
  }
  GST_BIN_CLASS (parent_class)->handle_message (bin, message);
}

static void
gst_ml_optimizer_init (GstMlOptimizer * self)
{
  gst_mlo_properties_init (&self->user);
  self->asked = gst_mlo_server_nothing_asked;
  self->telemetry = gst_mlo_telemetry_new ();
  gst_mlo_pads_init (self);
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
  object_class->finalize = gst_ml_optimizer_finalize;
  element_class->change_state = gst_ml_optimizer_change_state;
  GST_BIN_CLASS (klass)->handle_message = gst_ml_optimizer_handle_message;
  gst_mlo_surface_install (object_class);

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Adaptive streaming optimizer", "Filter/Effect/Video",
      "Sets bitrate, picture size and frame rate of a live stream by what the network carries",
      "mloptimizer developers");
}
