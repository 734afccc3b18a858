/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Receives what stream-sender sends, and measures it.
 *
 *   udpsrc ! rtpbin ! rtph264depay ! avdec_h264 ! appsink
 *
 * Each decoded frame is recognised by the mark in its picture: one line in --frames with its number
 * and the time; one each --sample ms is compared with the source, drawn again here.
 */

#include <errno.h>
#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/rtp/rtp.h>
#include <gst/video/video.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mlo-scene.h"
#include "stream-common.h"
#include "stream-compare.h"

#define WIDTH 1280
#define HEIGHT 720

/* Without a picture for this long: ask for a key frame, and go on asking. */
#define ASK_AGAIN_MS 250

/* Pictures that wait for their comparison; a further one goes without. */
#define MAX_WAITING 3

/* Packets are kept for so long, that a lost one may be made again from them and the parity. */
#define PARITY_KEEP_NS (250 * G_GUINT64_CONSTANT (1000000))

static int opt_rtp_port = 5000, opt_rtcp_port = 5001, opt_feedback_port = 5102, opt_latency = 10, opt_sample = 200;
static char *opt_frames = NULL;
static double opt_idle = 0;
static gboolean opt_default_rtcp = FALSE, opt_no_twcc = FALSE, opt_parity = FALSE;

static char *opt_scene = NULL;
static int scene_kind = MLO_SCENE_MIXED;

static const GOptionEntry entries[] = {
  {"rtp-port", 0, 0, G_OPTION_ARG_INT, &opt_rtp_port, "Port to receive RTP on (5000)", "PORT"},
  {"rtcp-port", 0, 0, G_OPTION_ARG_INT, &opt_rtcp_port, "Port to receive RTCP on (5001)", "PORT"},
  {"feedback-port", 0, 0, G_OPTION_ARG_INT, &opt_feedback_port, "Port to send RTCP to (5102)", "PORT"},
  {"latency", 0, 0, G_OPTION_ARG_INT, &opt_latency, "How long to wait for a packet out of order (10)", "MS"},
  {"default-rtcp", 0, 0, G_OPTION_ARG_NONE, &opt_default_rtcp, "Leave rtpsession's RTCP settings as they are", NULL},
  {"no-twcc", 0, 0, G_OPTION_ARG_NONE, &opt_no_twcc, "Without transport-wide feedback: receiver reports alone", NULL},
  {"parity", 0, 0, G_OPTION_ARG_NONE, &opt_parity, "Makes lost packets again from the sender's parity", NULL},
  {"sample", 0, 0, G_OPTION_ARG_INT, &opt_sample, "Compare one frame in this time with its source (200)", "MS"},
  {"scene", 0, 0, G_OPTION_ARG_STRING, &opt_scene, "mixed, calm, medium or wild; the same at both ends (mixed)",
      "KIND"},
  {"frames", 0, 0, G_OPTION_ARG_FILENAME, &opt_frames, "Log of the frames decoded (CSV)", "FILE"},
  {"idle", 0, 0, G_OPTION_ARG_DOUBLE, &opt_idle, "End when nothing came for this long (0: Ctrl-C)", "SECONDS"},
  {NULL}
};

typedef struct
{
  guint32 frame;
  gint64 decoded_us;
  GstSample *sample;
} Waiting;

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline, *depay;
  gboolean failed;
  FILE *frames;
  gint64 last_us;               /* atomic: when the last frame came, for --idle */

  /* the packets' thread, with --parity: of the newest packet's picture */
  gboolean whole;               /* it is there to its end */
  guint32 picture_time, picture_interval;       /* RTP, and since the one before */

  /* decoder's thread */
  guint64 n_decoded, n_unread;
  gint64 last_compared_us;

  /* Compared by a thread of the lowest priority; what it found is written with the frame's line. */
  GThread *comparer;
  GAsyncQueue *waiting;         /* Waiting */
  GMutex lock;                  /* protects frames (the file) */
  guint64 n_compared;
} Receiver;

static GstElement *
build_pipeline (Receiver * r, GError ** error)
{
  g_autoptr (GSocket) rtp_socket = NULL;
  g_autoptr (GstElement) rtp = NULL;
  g_autoptr (GstCaps) caps = stream_rtp_caps (!opt_no_twcc);
  /* Transport-wide feedback goes out once a frame as far as the share of RTCP allows: at 60 frames
   * a second rtpsession's 5 % of a small stream are too few, and ten reports come at a time. */
  const char *rtcp = opt_default_rtcp ? "" :
      "rtpsession0::rtcp-min-interval=100000000 rtpsession0::rtcp-fraction=200000 ";
  g_autofree char *launch = g_strdup_printf ("rtpbin name=rtp rtp-profile=avpf latency=%d do-lost=true %s"
      "udpsrc name=rtp-source ! rtp.recv_rtp_sink_0 "
      "rtp. ! rtph264depay name=depay request-keyframe=true wait-for-keyframe=true ! avdec_h264 max-threads=1 "
      "! video/x-raw,format=I420 ! appsink name=sink sync=false max-buffers=4 drop=false "
      "udpsrc port=%d ! rtp.recv_rtcp_sink_0 "
      "rtp.send_rtcp_src_0 ! udpsink host=127.0.0.1 port=%d sync=false async=false", opt_latency, rtcp, opt_rtcp_port,
      opt_feedback_port);
  g_autoptr (GstElement) pipeline = gst_parse_launch_full (launch, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);

  if (!pipeline)
    return NULL;
  rtp = gst_bin_get_by_name (GST_BIN (pipeline), "rtp-source");
  rtp_socket = stream_bind ((guint) opt_rtp_port, error);
  if (!rtp_socket)
    return NULL;
  g_object_set (rtp, "socket", rtp_socket, "caps", caps, NULL);
  return g_steal_pointer (&pipeline);
}

/* Padding has done its work once rtpsession has noted it for the feedback. */
static GstPadProbeReturn
drop_padding (GstPad * pad, GstPadProbeInfo * info, gpointer user_data)
{
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  gboolean padding = FALSE;

  if (gst_rtp_buffer_map (GST_PAD_PROBE_INFO_BUFFER (info), GST_MAP_READ, &rtp)) {
    padding = gst_rtp_buffer_get_payload_type (&rtp) == STREAM_PADDING_TYPE;
    gst_rtp_buffer_unmap (&rtp);
  }
  return padding ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

/* ---- parity ---- */

static GstElement *
on_parity_decoder (GstElement * rtp, guint session, gpointer user_data)
{
  GstElement *decoder = gst_element_factory_make ("rtpulpfecdec", "parity");
  g_autoptr (GObject) storage = NULL;

  g_signal_emit_by_name (rtp, "get-internal-storage", session, &storage);
  if (decoder)
    g_object_set (decoder, "pt", STREAM_PARITY_TYPE, "storage", storage, NULL);
  return decoder;
}

static GstCaps *
on_payload_type (GstElement * rtp, guint session, guint type, gpointer user_data)
{
  /* rtpbin leads what is parity nowhere. */
  return type == STREAM_PARITY_TYPE ? gst_caps_new_simple ("application/x-rtp", "media", G_TYPE_STRING, "video",
      "clock-rate", G_TYPE_INT, 90000, "is-fec", G_TYPE_BOOLEAN, TRUE, NULL) : NULL;
}

/* Whether an H.264 payload begins a picture (RFC 6184: a single NAL unit, an aggregate, or the first fragment; 7.3.3 of
 * H.264: first_mb_in_slice is 0, one bit that is set). */
static gboolean
begins_picture (const guint8 * data, guint size)
{
  guint type = size > 2 ? data[0] & 31 : 0;

  if (type == 1 || type == 5)
    return (data[1] & 0x80) != 0;
  if (type == 28)
    return (data[1] & 0x80) != 0 && (data[2] & 0x80) != 0;
  return type == 24;
}

/* A lost packet may have been parity, but the depayloader would ask for a key frame all the same: not where the picture
 * before is whole, this is the beginning of one, and between them is no time for another. */
static GstPadProbeReturn
forgive_lost_parity (GstPad * pad, GstPadProbeInfo * info, gpointer user_data)
{
  Receiver *r = user_data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  gboolean begins = FALSE;
  guint32 time;

  if (!gst_rtp_buffer_map (buffer, GST_MAP_READ, &rtp))
    return GST_PAD_PROBE_OK;
  time = gst_rtp_buffer_get_timestamp (&rtp);
  if (r->whole) {
    guint32 interval = time - r->picture_time;

    begins = begins_picture (gst_rtp_buffer_get_payload (&rtp), gst_rtp_buffer_get_payload_len (&rtp))
        && interval <= r->picture_interval + r->picture_interval / 4;
    r->picture_interval = interval;
  }
  r->whole = gst_rtp_buffer_get_marker (&rtp);
  r->picture_time = time;
  gst_rtp_buffer_unmap (&rtp);
  if (begins && GST_BUFFER_IS_DISCONT (buffer)) {
    buffer = gst_buffer_make_writable (buffer);
    GST_BUFFER_FLAG_UNSET (buffer, GST_BUFFER_FLAG_DISCONT);
    GST_PAD_PROBE_INFO_DATA (info) = buffer;
  }
  return GST_PAD_PROBE_OK;
}

static void
on_rtp_element (GstBin * rtp, GstElement * element, gpointer user_data)
{
  if (g_str_has_prefix (GST_OBJECT_NAME (element), "rtpssrcdemux")) {
    g_autoptr (GstPad) pad = gst_element_get_static_pad (element, "sink");

    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, drop_padding, NULL, NULL);
  }
  if (opt_parity && g_str_has_prefix (GST_OBJECT_NAME (element), "rtpstorage"))
    g_object_set (element, "size-time", PARITY_KEEP_NS, NULL);
}

static void
watch_rtp (Receiver * r)
{
  g_autoptr (GstElement) rtp = gst_bin_get_by_name (GST_BIN (r->pipeline), "rtp");
  GstIterator *elements = gst_bin_iterate_elements (GST_BIN (rtp));
  GValue item = G_VALUE_INIT;

  if (opt_parity) {
    g_signal_connect (rtp, "request-fec-decoder", G_CALLBACK (on_parity_decoder), NULL);
    g_signal_connect (rtp, "request-pt-map", G_CALLBACK (on_payload_type), NULL);
  }
  g_signal_connect (rtp, "element-added", G_CALLBACK (on_rtp_element), NULL);
  while (gst_iterator_next (elements, &item) == GST_ITERATOR_OK) {
    on_rtp_element (GST_BIN (rtp), g_value_get_object (&item), NULL);
    g_value_unset (&item);
  }
  gst_iterator_free (elements);
}

/* ---- one frame ---- */

static void
write_frame (Receiver * r, guint32 frame, gint64 decoded_us, int width, int height, double psnr, double ssim)
{
  g_mutex_lock (&r->lock);
  if (r->frames) {
    fprintf (r->frames, "%u,%" G_GINT64_FORMAT ",%d,%d,", frame, decoded_us, width, height);
    if (isnan (psnr))
      fputs (",\n", r->frames);
    else
      fprintf (r->frames, "%.3f,%.5f\n", psnr, ssim);
  }
  g_mutex_unlock (&r->lock);
}

static GstFlowReturn
on_sample (GstAppSink * sink, gpointer user_data)
{
  Receiver *r = user_data;
  g_autoptr (GstSample) sample = gst_app_sink_pull_sample (sink);
  gint64 now_us = g_get_monotonic_time ();
  GstVideoInfo info;
  GstVideoFrame picture;
  guint32 frame;
  gboolean known;

  if (!sample)
    return GST_FLOW_EOS;
  if (!gst_video_info_from_caps (&info, gst_sample_get_caps (sample)) ||
      !gst_video_frame_map (&picture, &info, gst_sample_get_buffer (sample), GST_MAP_READ))
    return GST_FLOW_OK;
  known = mlo_scene_read_mark (GST_VIDEO_FRAME_PLANE_DATA (&picture, 0), info.width, info.height,
      GST_VIDEO_FRAME_PLANE_STRIDE (&picture, 0), &frame);
  gst_video_frame_unmap (&picture);
  __atomic_store_n (&r->last_us, now_us, __ATOMIC_RELAXED);
  r->n_decoded++;
  if (!known) {
    r->n_unread++;
    return GST_FLOW_OK;
  }
  if (now_us - r->last_compared_us >= opt_sample * 1000 && g_async_queue_length (r->waiting) < MAX_WAITING) {
    Waiting *w = g_new (Waiting, 1);

    r->last_compared_us = now_us;
    *w = (Waiting) {
    frame, now_us, g_steal_pointer (&sample)};
    g_async_queue_push (r->waiting, w);
  } else {
    write_frame (r, frame, now_us, info.width, info.height, NAN, NAN);
  }
  return GST_FLOW_OK;
}

/* While it streams: what the parity was good for. */
static void
print_recovered (Receiver * r)
{
  g_autoptr (GstElement) decoder = gst_bin_get_by_name (GST_BIN (r->pipeline), "parity");
  guint recovered = 0;

  if (!decoder)
    return;
  g_object_get (decoder, "recovered", &recovered, NULL);
  printf ("made %u packets again from parity\n", recovered);
}

static void
compare (Receiver * r, MloScene * scene, guint8 * const planes[3], const int strides[3], StreamCompare * comparison,
    Waiting * w)
{
  double psnr = NAN, ssim = NAN;
  GstVideoInfo info;
  GstVideoFrame picture;

  gst_video_info_from_caps (&info, gst_sample_get_caps (w->sample));
  if (gst_video_frame_map (&picture, &info, gst_sample_get_buffer (w->sample), GST_MAP_READ)) {
    mlo_scene_render (scene, w->frame, planes, strides);
    stream_compare (comparison, planes[0], strides[0], GST_VIDEO_FRAME_PLANE_DATA (&picture, 0), info.width,
        info.height, GST_VIDEO_FRAME_PLANE_STRIDE (&picture, 0), &psnr, &ssim);
    gst_video_frame_unmap (&picture);
    r->n_compared++;
  }
  write_frame (r, w->frame, w->decoded_us, info.width, info.height, psnr, ssim);
}

static gpointer
comparer_thread (gpointer data)
{
  Receiver *r = data;
  g_autoptr (MloScene) scene = mlo_scene_new (WIDTH, HEIGHT, (MloSceneKind) scene_kind, STREAM_SEED);
  g_autoptr (StreamCompare) comparison = stream_compare_new (WIDTH, HEIGHT);
  g_autofree guint8 *pixels = g_malloc (WIDTH * HEIGHT * 3 / 2);
  guint8 *const planes[3] = { pixels, pixels + WIDTH * HEIGHT, pixels + WIDTH * HEIGHT * 5 / 4 };
  const int strides[3] = { WIDTH, WIDTH / 2, WIDTH / 2 };

  /* Of this thread alone, whatever the rest runs at; nothing that is measured may wait for it. */
  sched_setscheduler (0, SCHED_OTHER, &(struct sched_param) { 0 });
  setpriority (PRIO_PROCESS, (id_t) syscall (SYS_gettid), 19);
  for (;;) {
    Waiting *w = g_async_queue_pop (r->waiting);
    gboolean last = w->sample == NULL;

    if (!last) {
      compare (r, scene, planes, strides, comparison, w);
      gst_sample_unref (w->sample);
    }
    g_free (w);
    if (last)
      return NULL;
  }
}

/* ---- start and end ---- */

static gboolean
on_message (GstBus * bus, GstMessage * message, gpointer user_data)
{
  Receiver *r = user_data;

  stream_handle_message (message, r->loop, &r->failed);
  return G_SOURCE_CONTINUE;
}

/* rtph264depay asks for a key frame when a packet is lost. Where the key frame that comes is lost too and
 * no other packet after it, nobody would ask again: so ask while nothing is decoded. */
static gboolean
on_check (gpointer user_data)
{
  Receiver *r = user_data;
  gint64 last_us = __atomic_load_n (&r->last_us, __ATOMIC_RELAXED);
  gint64 idle_us = g_get_monotonic_time () - last_us;

  if (last_us > 0 && idle_us > ASK_AGAIN_MS * 1000) {
    g_autoptr (GstPad) pad = gst_element_get_static_pad (r->depay, "src");

    gst_pad_send_event (pad, gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE, 0));
  }
  if (last_us > 0 && opt_idle > 0 && idle_us > (gint64) (opt_idle * G_USEC_PER_SEC))
    g_main_loop_quit (r->loop);
  return G_SOURCE_CONTINUE;
}

static int
run (Receiver * r)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) sink = NULL;
  g_autoptr (GstBus) bus = NULL;
  GstAppSinkCallbacks callbacks = {.new_sample = on_sample };
  Waiting *last = g_new0 (Waiting, 1);

  r->pipeline = build_pipeline (r, &error);
  if (!r->pipeline) {
    g_printerr ("stream-receiver: %s\n", error->message);
    return 1;
  }
  watch_rtp (r);
  sink = gst_bin_get_by_name (GST_BIN (r->pipeline), "sink");
  gst_app_sink_set_callbacks (GST_APP_SINK (sink), &callbacks, r, NULL);
  r->depay = gst_bin_get_by_name (GST_BIN (r->pipeline), "depay");
  if (opt_parity) {
    g_autoptr (GstPad) pad = gst_element_get_static_pad (r->depay, "sink");

    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, forgive_lost_parity, r, NULL);
  }
  bus = gst_element_get_bus (r->pipeline);
  gst_bus_add_watch (bus, on_message, r);
  stream_quit_when_asked (r->loop, 0.0);
  g_timeout_add (ASK_AGAIN_MS, on_check, r);

  r->waiting = g_async_queue_new ();
  r->comparer = g_thread_new ("comparer", comparer_thread, r);
  if (gst_element_set_state (r->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
    g_main_context_iteration (NULL, FALSE);
    r->failed = TRUE;
  } else {
    /* For the one who starts the sender: the ports are open. */
    printf ("ready\n");
    fflush (stdout);
    g_main_loop_run (r->loop);
    print_recovered (r);
  }
  gst_element_set_state (r->pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  g_async_queue_push (r->waiting, last);
  g_thread_join (r->comparer);
  g_async_queue_unref (r->waiting);
  if (!r->failed)
    printf ("decoded %" G_GUINT64_FORMAT " frames, %" G_GUINT64_FORMAT " without a readable mark, compared %"
        G_GUINT64_FORMAT "\n", r->n_decoded, r->n_unread, r->n_compared);
  return r->failed ? 1 : 0;
}

int
main (int argc, char **argv)
{
  Receiver r = { 0 };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  int code;

  g_option_context_set_summary (context, "Receives the pictures of stream-sender and measures them.");
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("stream-receiver: %s\n", error->message);
    return 2;
  }
  if (opt_scene && (scene_kind = mlo_scene_kind_from_name (opt_scene)) < 0) {
    g_printerr ("stream-receiver: --scene %s: no such kind\n", opt_scene);
    return 2;
  }
  if (opt_sample < 1) {
    g_printerr ("stream-receiver: --sample %d: not at least 1\n", opt_sample);
    return 2;
  }
  if (opt_frames) {
    r.frames = fopen (opt_frames, "w");
    if (!r.frames) {
      g_printerr ("stream-receiver: %s: %s\n", opt_frames, g_strerror (errno));
      return 1;
    }
    fputs ("frame,decoded_us,width,height,psnr_db,ssim\n", r.frames);
  }
  g_mutex_init (&r.lock);
  r.loop = g_main_loop_new (NULL, FALSE);
  code = run (&r);
  gst_clear_object (&r.depay);
  gst_clear_object (&r.pipeline);
  g_main_loop_unref (r.loop);
  g_mutex_clear (&r.lock);
  if (r.frames && fclose (r.frames) != 0) {
    g_printerr ("stream-receiver: %s: %s\n", opt_frames, g_strerror (errno));
    code = 1;
  }
  stream_deinit ();
  return code;
}
