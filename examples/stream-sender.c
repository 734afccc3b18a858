/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sends a game-like picture over RTP, with the rate in mloptimizer's hands, fixed, or a baseline's.
 *
 *   appsrc ! [mloptimizer] ! x264enc ! rtph264pay ! rtpbin ! udpsink
 *
 * Beside that it only watches: one line in --frames for each frame that was encoded, one JSON line
 * in --events for each report that came back and each thing that changed. Take build_pipeline() as
 * the example; the rest is measuring.
 */

#include <errno.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mlo-scene.h"
#include "stream-baseline.h"
#include "stream-common.h"

#define WIDTH 1280
#define HEIGHT 720
#define FPS 60

/* A receiver that lost a picture asks for a key frame again and again: answered at most so often. */
#define MIN_KEY_INTERVAL_MS 300

/* Frames whose capture time is remembered until they leave the encoder. */
#define CAPTURE_RING 1024

static int opt_rtp_port = 5100, opt_rtcp_port = 5101, opt_feedback_port = 5002;
static int opt_bitrate = 0, opt_max_bitrate = 12000, opt_start_bitrate = 1000, opt_vbv = 200;
static double opt_seconds = 0;
static char *opt_controller = NULL, *opt_trace = NULL;
static char *opt_host = NULL, *opt_preset = NULL, *opt_frames = NULL, *opt_events = NULL, *opt_properties = NULL;
static char *opt_server = NULL;
static gboolean opt_no_twcc = FALSE;
static int opt_parity = -1;

static char *opt_scene = NULL;
static int scene_kind = MLO_SCENE_MIXED;

static const GOptionEntry entries[] = {
  {"bitrate", 0, 0, G_OPTION_ARG_INT, &opt_bitrate, "Fixed bitrate, without mloptimizer", "KBPS"},
  {"controller", 0, 0, G_OPTION_ARG_STRING, &opt_controller,
      "Instead of mloptimizer: " STREAM_BASELINE_NAMES, "NAME"},
  {"trace", 0, 0, G_OPTION_ARG_FILENAME, &opt_trace, "The link's trace, for a controller that knows the future",
      "FILE"},
  {"max-bitrate", 0, 0, G_OPTION_ARG_INT, &opt_max_bitrate, "Most that is adapted to (12000)", "KBPS"},
  {"start-bitrate", 0, 0, G_OPTION_ARG_INT, &opt_start_bitrate, "The encoder's bitrate at the start (1000)", "KBPS"},
  {"properties", 0, 0, G_OPTION_ARG_STRING, &opt_properties,
        "More of mloptimizer's, as \"target-delay=60 adapt=bitrate\"",
      "TEXT"},
  {"server", 0, 0, G_OPTION_ARG_STRING, &opt_server,
      "mloptimizer's server, with the token of $MLOPTIMIZER_TOKEN", "URI"},
  {"preset", 0, 0, G_OPTION_ARG_STRING, &opt_preset, "x264enc's speed-preset (superfast)", "NAME"},
  {"vbv", 0, 0, G_OPTION_ARG_INT, &opt_vbv, "x264enc's vbv-buf-capacity (200)", "MS"},
  {"no-twcc", 0, 0, G_OPTION_ARG_NONE, &opt_no_twcc, "Without transport-wide feedback: receiver reports alone", NULL},
  {"parity", 0, 0, G_OPTION_ARG_INT, &opt_parity,
      "With forward error correction, from so many parity packets in a hundred on (none)", "PERCENT"},
  {"host", 0, 0, G_OPTION_ARG_STRING, &opt_host, "Where to send (127.0.0.1)", "HOST"},
  {"rtp-port", 0, 0, G_OPTION_ARG_INT, &opt_rtp_port, "Port to send RTP to (5100)", "PORT"},
  {"rtcp-port", 0, 0, G_OPTION_ARG_INT, &opt_rtcp_port, "Port to send RTCP to (5101)", "PORT"},
  {"feedback-port", 0, 0, G_OPTION_ARG_INT, &opt_feedback_port, "Port to receive RTCP on (5002)", "PORT"},
  {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &opt_seconds, "End after this time (0: Ctrl-C)", "SECONDS"},
  {"scene", 0, 0, G_OPTION_ARG_STRING, &opt_scene, "mixed, calm, medium or wild; the same at both ends (mixed)",
      "KIND"},
  {"frames", 0, 0, G_OPTION_ARG_FILENAME, &opt_frames, "Log of the frames sent (CSV)", "FILE"},
  {"events", 0, 0, G_OPTION_ARG_FILENAME, &opt_events, "Log of feedback and decisions (JSON lines)", "FILE"},
  {NULL}
};

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline, *source, *optimizer, *encoder;
  StreamBaseline *baseline;     /* or NULL */
  GThread *capture;
  gint stop;                    /* atomic */
  gboolean failed;
  guint64 n_captured;           /* by the capture thread, read after it has ended */

  /* Written by the capture thread before the first frame, the slot of a frame before that frame. */
  GstClockTime first_pts;
  gint64 capture_us[CAPTURE_RING];

  FILE *frames;                 /* these three: encoder's thread only */
  GstSegment segment;
  guint64 n_sent;
  GMutex events_lock;           /* protects events, nothing else is taken under it */
  FILE *events;
  gint64 min_transit_us;        /* feedback's thread only */
} Sender;

/* ---- the pipeline ---- */

static GstElement *
build_pipeline (Sender * s, GError ** error)
{
  g_autoptr (GstCaps) caps = stream_rtp_caps (!opt_no_twcc);
  g_autofree char *rtp_caps = gst_caps_to_string (caps);
  g_autofree char *optimizer = opt_bitrate > 0 || opt_controller ? g_strdup ("") :
      g_strdup_printf ("! mloptimizer name=optimizer max-bitrate=%d %s ", opt_max_bitrate * 1000,
      opt_properties ? opt_properties : "");
  g_autofree char *parity = opt_parity < 0 ? g_strdup ("") :
      g_strdup_printf ("! rtpulpfecenc name=parity pt=%d percentage=%d ", STREAM_PARITY_TYPE, MIN (opt_parity, 100));
  g_autofree char *launch = g_strdup_printf ("rtpbin name=rtp rtp-profile=avpf "
      "appsrc name=source is-live=true format=time max-buffers=1 leaky-type=downstream "
      "caps=video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1 %s"
      "! x264enc name=encoder tune=zerolatency speed-preset=%s bitrate=%d vbv-buf-capacity=%d key-int-max=100000 "
      "threads=1 min-force-key-unit-interval=%d ! rtph264pay config-interval=-1 mtu=1200 ! %s %s! rtp.send_rtp_sink_0 "
      "rtp.send_rtp_src_0 ! udpsink host=%s port=%d sync=false async=false buffer-size=2000000 "
      "rtp.send_rtcp_src_0 ! udpsink host=%s port=%d sync=false async=false "
      "udpsrc port=%d ! rtp.recv_rtcp_sink_0", WIDTH, HEIGHT, FPS, optimizer,
      opt_preset ? opt_preset : "superfast", opt_bitrate > 0 ? opt_bitrate : opt_start_bitrate, opt_vbv,
      MIN_KEY_INTERVAL_MS * 1000000, rtp_caps, parity,
      opt_host ? opt_host : "127.0.0.1", opt_rtp_port, opt_host ? opt_host : "127.0.0.1", opt_rtcp_port,
      opt_feedback_port);
  GstElement *pipeline = gst_parse_launch_full (launch, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);

  if (!pipeline)
    return NULL;
  s->source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  s->encoder = gst_bin_get_by_name (GST_BIN (pipeline), "encoder");
  s->optimizer = gst_bin_get_by_name (GST_BIN (pipeline), "optimizer");
  if (s->optimizer && opt_server)
    g_object_set (s->optimizer, "server", opt_server, "server-token", g_getenv ("MLOPTIMIZER_TOKEN"), NULL);
  return pipeline;
}

/* ---- the game: a frame each 1/60 s, whether or not anyone keeps up ---- */

static gint64
slot_time_us (gint64 start_us, guint64 frame)
{
  return start_us + (gint64) gst_util_uint64_scale_int (frame, G_USEC_PER_SEC, FPS);
}

static void
sleep_until (gint64 time_us)
{
  struct timespec t = {.tv_sec = time_us / G_USEC_PER_SEC,.tv_nsec = time_us % G_USEC_PER_SEC * 1000 };

  while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0);
}

static gboolean
render (MloScene * scene, guint64 n, GstBuffer * buffer, const GstVideoInfo * info)
{
  GstVideoFrame frame;
  guint8 *planes[3];
  int strides[3];

  if (!gst_video_frame_map (&frame, info, buffer, GST_MAP_WRITE))
    return FALSE;
  for (int i = 0; i < 3; i++) {
    planes[i] = GST_VIDEO_FRAME_PLANE_DATA (&frame, i);
    strides[i] = GST_VIDEO_FRAME_PLANE_STRIDE (&frame, i);
  }
  mlo_scene_render (scene, n, planes, strides);
  gst_video_frame_unmap (&frame);
  return TRUE;
}

static gpointer
capture_thread (gpointer data)
{
  Sender *s = data;
  g_autoptr (MloScene) scene = mlo_scene_new (WIDTH, HEIGHT, (MloSceneKind) scene_kind, STREAM_SEED);
  g_autoptr (GstBufferPool) pool = gst_video_buffer_pool_new ();
  g_autoptr (GstCaps) caps = gst_app_src_get_caps (GST_APP_SRC (s->source));
  g_autoptr (GstClock) clock = gst_element_get_clock (s->pipeline);
  GstStructure *config = gst_buffer_pool_get_config (pool);
  GstVideoInfo info;
  gint64 start_us;
  guint64 n = 0;

  gst_video_info_from_caps (&info, caps);
  gst_buffer_pool_config_set_params (config, caps, (guint) info.size, 4, 0);
  gst_buffer_pool_set_config (pool, config);
  gst_buffer_pool_set_active (pool, TRUE);

  s->first_pts = gst_clock_get_time (clock) - gst_element_get_base_time (s->pipeline);
  start_us = g_get_monotonic_time ();
  while (!g_atomic_int_get (&s->stop)) {
    GstBuffer *buffer = NULL;

    /* Drawn ahead of its time: drawing is no part of the delay that is measured. */
    if (gst_buffer_pool_acquire_buffer (pool, &buffer, NULL) != GST_FLOW_OK)
      break;
    if (!render (scene, n, buffer, &info)) {
      gst_buffer_unref (buffer);
      break;
    }
    sleep_until (slot_time_us (start_us, n));
    s->capture_us[n % CAPTURE_RING] = g_get_monotonic_time ();
    GST_BUFFER_PTS (buffer) = s->first_pts + gst_util_uint64_scale_int (n, GST_SECOND, FPS);
    GST_BUFFER_DURATION (buffer) = gst_util_uint64_scale_int (1, GST_SECOND, FPS);
    if (gst_app_src_push_buffer (GST_APP_SRC (s->source), buffer) != GST_FLOW_OK)
      break;
    s->n_captured++;
    /* A game that was held up leaves pictures out; it does not run late ever after. */
    do
      n++;
    while (slot_time_us (start_us, n) < g_get_monotonic_time ());
  }
  gst_buffer_pool_set_active (pool, FALSE);
  return NULL;
}

/* ---- what is watched ---- */

/* One line of --events: @format ends the object begun with the time. */
static void
G_GNUC_PRINTF (2, 3)
log_event (Sender * s, const char *format, ...)
{
  va_list args;

  if (!s->events)
    return;
  va_start (args, format);
  g_mutex_lock (&s->events_lock);
  fprintf (s->events, "{\"time_us\": %" G_GINT64_FORMAT ", ", g_get_monotonic_time ());
  vfprintf (s->events, format, args);
  fputs ("}\n", s->events);
  g_mutex_unlock (&s->events_lock);
  va_end (args);
}

/* Behind the encoder: which frame, how large. */
static GstPadProbeReturn
on_encoded (GstPad * pad, GstPadProbeInfo * info, gpointer user_data)
{
  Sender *s = user_data;
  GstBuffer *buffer;
  GstClockTime time;
  g_autoptr (GstCaps) caps = NULL;
  int width = 0, height = 0;
  guint64 n;

  if (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
    if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_SEGMENT)
      gst_event_copy_segment (GST_PAD_PROBE_INFO_EVENT (info), &s->segment);
    return GST_PAD_PROBE_OK;
  }
  buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  /* x264enc moves its time stamps and its segment alike. */
  time = gst_segment_to_running_time (&s->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  if (!GST_CLOCK_TIME_IS_VALID (time) || time < s->first_pts)
    return GST_PAD_PROBE_OK;
  n = gst_util_uint64_scale_round (time - s->first_pts, FPS, GST_SECOND);
  caps = gst_pad_get_current_caps (pad);
  if (caps) {
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "width", &width);
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "height", &height);
  }
  s->n_sent++;
  if (s->frames)
    fprintf (s->frames,
        "%" G_GUINT64_FORMAT ",%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT ",%" G_GSIZE_FORMAT ",%d,%d,%d\n", n,
        s->capture_us[n % CAPTURE_RING], g_get_monotonic_time (), gst_buffer_get_size (buffer),
        !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT), width, height);
  return GST_PAD_PROBE_OK;
}

/* In front of the encoder: transport-wide feedback on its way up. */
static GstPadProbeReturn
on_feedback (GstPad * pad, GstPadProbeInfo * info, gpointer user_data)
{
  Sender *s = user_data;
  const GstStructure *structure = gst_event_get_structure (GST_PAD_PROBE_INFO_EVENT (info));
  const GValue *packets;
  gint64 late_us = 0;
  guint n = 0, n_lost = 0;

  if (!structure || !gst_structure_has_name (structure, "RTPTWCCPackets"))
    return GST_PAD_PROBE_OK;
  if (s->baseline)
    stream_baseline_feedback (s->baseline, structure);
  packets = gst_structure_get_value (structure, "packets");
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS;     /* GValueArray is what rtpsession sends */
  for (guint i = 0; packets && i < ((GValueArray *) g_value_get_boxed (packets))->n_values; i++) {
    const GstStructure *packet =
        gst_value_get_structure (g_value_array_get_nth ((GValueArray *) g_value_get_boxed (packets), i));
    guint64 sent, arrived;
    gboolean lost = FALSE;

    n++;
    gst_structure_get_boolean (packet, "lost", &lost);
    if (lost) {
      n_lost++;
    } else if (gst_structure_get_uint64 (packet, "local-ts", &sent) &&
        gst_structure_get_uint64 (packet, "remote-ts", &arrived) && GST_CLOCK_TIME_IS_VALID (sent) &&
        GST_CLOCK_TIME_IS_VALID (arrived)) {
      gint64 transit_us = ((gint64) arrived - (gint64) sent) / 1000;

      s->min_transit_us = MIN (s->min_transit_us, transit_us);
      late_us = MAX (late_us, transit_us - s->min_transit_us);
    }
  }
  G_GNUC_END_IGNORE_DEPRECATIONS;
  log_event (s, "\"event\": \"feedback\", \"packets\": %u, \"lost\": %u, \"late_ms\": %.2f", n, n_lost,
      (double) late_us * 1e-3);
  return GST_PAD_PROBE_OK;
}

static void
on_bitrate (GObject * encoder, GParamSpec * spec, gpointer user_data)
{
  guint kbps;

  g_object_get (encoder, "bitrate", &kbps, NULL);
  log_event (user_data, "\"event\": \"bitrate\", \"kbps\": %u", kbps);
}

static void
log_structure (Sender * s, const char *event, const GstStructure * structure)
{
  g_autoptr (GString) text = g_string_new (NULL);

  stream_write_json (text, structure);
  log_event (s, "\"event\": \"%s\", \"values\": %s", event, text->str);
}

static gboolean
on_stats (gpointer user_data)
{
  Sender *s = user_data;
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (s->optimizer, "stats", &stats, NULL);
  if (stats)
    log_structure (s, "stats", stats);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_message (GstBus * bus, GstMessage * message, gpointer user_data)
{
  Sender *s = user_data;

  stream_handle_message (message, s->loop, &s->failed);
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING)
    log_event (s, "\"event\": \"warning\"");
  else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT && gst_message_has_name (message, "mloptimizer-decision"))
    log_structure (s, "decision", gst_message_get_structure (message));
  return G_SOURCE_CONTINUE;
}

static void
watch (Sender * s)
{
  g_autoptr (GstPad) in = gst_element_get_static_pad (s->encoder, "sink");
  g_autoptr (GstPad) out = gst_element_get_static_pad (s->encoder, "src");
  g_autoptr (GstBus) bus = gst_element_get_bus (s->pipeline);

  gst_pad_add_probe (out, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_encoded, s, NULL);
  gst_pad_add_probe (in, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_feedback, s, NULL);
  g_signal_connect (s->encoder, "notify::bitrate", G_CALLBACK (on_bitrate), s);
  gst_bus_add_watch (bus, on_message, s);
  if (s->optimizer)
    g_timeout_add (100, on_stats, s);
}

/* ---- start and end ---- */

static FILE *
open_log (const char *path, const char *head)
{
  FILE *f;

  if (!path)
    return NULL;
  f = fopen (path, "w");
  if (!f) {
    g_printerr ("stream-sender: %s: %s\n", path, g_strerror (errno));
    exit (1);
  }
  fputs (head, f);
  return f;
}

static int
run (Sender * s)
{
  g_autoptr (GError) error = NULL;

  s->pipeline = build_pipeline (s, &error);
  if (!s->pipeline) {
    g_printerr ("stream-sender: %s\n", error->message);
    return 1;
  }
  if (opt_controller) {
    g_autoptr (GstElement) rtp = gst_bin_get_by_name (GST_BIN (s->pipeline), "rtp");

    s->baseline = stream_baseline_new (opt_controller, opt_trace, opt_start_bitrate, opt_max_bitrate, s->encoder, rtp,
        &error);
    if (!s->baseline) {
      g_printerr ("stream-sender: %s\n", error->message);
      return 2;
    }
  }
  watch (s);
  stream_quit_when_asked (s->loop, opt_seconds);
  if (gst_element_set_state (s->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    /* The bus says why. */
    g_main_context_iteration (NULL, FALSE);
    return 1;
  }
  s->capture = g_thread_new ("capture", capture_thread, s);
  g_main_loop_run (s->loop);

  g_atomic_int_set (&s->stop, 1);
  g_thread_join (s->capture);
  gst_element_set_state (s->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (GST_ELEMENT_BUS (s->pipeline));
  if (!s->failed)
    printf ("captured %" G_GUINT64_FORMAT ", sent %" G_GUINT64_FORMAT " frames\n", s->n_captured, s->n_sent);
  return s->failed ? 1 : 0;
}

int
main (int argc, char **argv)
{
  Sender s = {.min_transit_us = G_MAXINT64 };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  int code;

  g_option_context_set_summary (context, "Sends moving pictures of a game over RTP, the bitrate fixed or adapting.");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("stream-sender: %s\n", error->message);
    return 2;
  }
  if (opt_scene && (scene_kind = mlo_scene_kind_from_name (opt_scene)) < 0) {
    g_printerr ("stream-sender: --scene %s: no such kind\n", opt_scene);
    return 2;
  }
  g_mutex_init (&s.events_lock);
  gst_segment_init (&s.segment, GST_FORMAT_TIME);
  s.loop = g_main_loop_new (NULL, FALSE);
  s.frames = open_log (opt_frames, "frame,capture_us,encoded_us,bytes,keyframe,width,height\n");
  s.events = open_log (opt_events, "");
  code = run (&s);

  g_clear_pointer (&s.baseline, stream_baseline_free);
  g_clear_object (&s.source);
  g_clear_object (&s.encoder);
  g_clear_object (&s.optimizer);
  g_clear_object (&s.pipeline);
  g_main_loop_unref (s.loop);
  if ((s.frames && fclose (s.frames) != 0) || (s.events && fclose (s.events) != 0)) {
    g_printerr ("stream-sender: the logs could not be written: %s\n", g_strerror (errno));
    code = 1;
  }
  g_mutex_clear (&s.events_lock);
  stream_deinit ();
  return code;
}
