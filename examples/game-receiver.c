/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * Plays what examples/game-capture sends, and tells once a second what the player got: frames, gaps and freezes, delay
 * above its least, and the score of these. With --server it goes to a metrics server (`mloptimizer serve`), which hands
 * it to the sender's element: there it stands in for the estimate.
 *
 *     build/examples/game-receiver --server ws://127.0.0.1:8080/metrics?stream=game
 */
#include "stream-common.h"
#include <gst/video/video.h>
#include <math.h>
#include <string.h>

#include "mlo-qoe.h"
#include "mlo-ws-client.h"

#define CAPS "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96," \
  "extmap-1=http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
/* Freeze: max (3 average gaps, average + 150 ms), as webrtc-stats has it. */
#define GAPS 30
#define GRID 32
/* The least delay is forgotten so slowly that a longer path is believed in half a minute. */
#define FLOOR_FORGET 0.002

static char *host, *sink, *server, *snapshot;
static int port = 5000, seconds, latency = 20;
static double base_ms = 40.0;

static const GOptionEntry options[] = {
  {"host", 0, 0, G_OPTION_ARG_STRING, &host, "of the sender, for RTCP (127.0.0.1)", "ADDRESS"},
  {"port", 0, 0, G_OPTION_ARG_INT, &port, "RTP; RTCP at the next, and back to the one after that (5000)", "PORT"},
  {"latency", 0, 0, G_OPTION_ARG_INT, &latency, "of the jitter buffer, ms (20)", "MS"},
  {"sink", 0, 0, G_OPTION_ARG_STRING, &sink, "what shows the picture (autovideosink)", "ELEMENT"},
  {"server", 0, 0, G_OPTION_ARG_STRING, &server, "metrics server; its token is in $MLOPTIMIZER_TOKEN",
      "ws://HOST:PORT/metrics?stream=NAME"},
  {"base-delay", 0, 0, G_OPTION_ARG_DOUBLE, &base_ms, "of capture, encoder, path and decoder without a queue, ms (40)",
      "MS"},
  {"snapshot", 0, 0, G_OPTION_ARG_FILENAME, &snapshot, "PNG of the last picture, at the end", "FILE"},
  {"seconds", 's', 0, G_OPTION_ARG_INT, &seconds, "end after so long (0: on Ctrl-C)", "N"},
  {NULL}
};

typedef struct
{
  GMainLoop *loop;
  gboolean failed;
  GstElement *pipeline;
  MloWsClient *client;          /* NULL: none */
  GMutex lock;                  /* protects what follows; a leaf */
  guint frames, freezes;        /* of this second, so far */
  double gap_ms, delay_sum_ms;
  double floor_ms;              /* least delay; < 0: none yet */
  double gaps_ms[GAPS];         /* the last */
  guint n_gaps;
  gint64 last_us;
  gint64 bytes;
  int width, height;
  guint8 grid[GRID * GRID];     /* luma of the newest picture, thinly */
  gint64 decoding_us;           /* since then a picture is in the decoder; 0: none is */
  double decode_ms;             /* sum over the second, of ... */
  guint decoded;
  double moved, contrast;       /* mean change since the picture before, and deviation within */
  guint64 total, moving;        /* pictures, and of them those that differ from the one before */
} App;

/* Luma levels of the picture on a grid. */
static void
look (App * app, const GstVideoFrame * f)
{
  double sum = 0.0, square = 0.0, moved = 0.0;

  for (int y = 0; y < GRID; y++) {
    for (int x = 0; x < GRID; x++) {
      const guint8 *p = GST_VIDEO_FRAME_PLANE_DATA (f, 0);
      guint8 level =
          p[(gsize) ((2 * y + 1) * GST_VIDEO_FRAME_HEIGHT (f) / (2 * GRID)) * (gsize) GST_VIDEO_FRAME_PLANE_STRIDE (f,
              0)
          + (gsize) ((2 * x + 1) * GST_VIDEO_FRAME_WIDTH (f) / (2 * GRID))];
      guint8 *before = &app->grid[y * GRID + x];

      moved += ABS (level - *before);
      sum += level;
      square += level * level;
      *before = level;
    }
  }
  sum /= GRID * GRID;
  app->contrast = sqrt (MAX (square / (GRID * GRID) - sum * sum, 0.0));
  app->moved = moved / (GRID * GRID);
  app->total++;
  app->moving += app->moved > 0.05 ? 1 : 0;
}

/* A picture is about to be shown. */
static GstPadProbeReturn
on_picture (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  App *app = data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  gint64 now_us = g_get_monotonic_time ();
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  GstClockTime running = gst_element_get_current_running_time (app->pipeline);
  GstVideoInfo video;
  GstVideoFrame frame;

  g_mutex_lock (&app->lock);
  app->frames++;
  if (app->last_us != 0) {
    double gap_ms = (double) (now_us - app->last_us) / 1000.0, mean = 0.0;
    guint n = MIN (app->n_gaps, GAPS);

    for (guint i = 0; i < n; i++)
      mean += app->gaps_ms[i] / n;
    if (n >= 5 && gap_ms > MAX (3.0 * mean, mean + 150.0))
      app->freezes++;
    app->gap_ms += MAX (gap_ms - 100.0, 0.0);
    app->gaps_ms[app->n_gaps++ % GAPS] = gap_ms;
  }
  app->last_us = now_us;
  /* The timestamp is when the sender took it, by the clock here: later by what the path takes at least. */
  if (GST_CLOCK_TIME_IS_VALID (running) && GST_BUFFER_PTS_IS_VALID (buffer)) {
    double late_ms = ((double) running - (double) GST_BUFFER_PTS (buffer)) / GST_MSECOND;

    if (app->floor_ms == -G_MAXDOUBLE || late_ms < app->floor_ms)
      app->floor_ms = late_ms;
    else
      app->floor_ms += FLOOR_FORGET * (late_ms - app->floor_ms);
    app->delay_sum_ms += late_ms - app->floor_ms;
  }
  if (caps && gst_video_info_from_caps (&video, caps) && gst_video_frame_map (&frame, &video, buffer, GST_MAP_READ)) {
    app->width = GST_VIDEO_FRAME_WIDTH (&frame);
    app->height = GST_VIDEO_FRAME_HEIGHT (&frame);
    look (app, &frame);
    gst_video_frame_unmap (&frame);
  }
  g_mutex_unlock (&app->lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_coded (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  App *app = data;

  g_mutex_lock (&app->lock);
  app->bytes += (gint64) gst_buffer_get_size (GST_PAD_PROBE_INFO_BUFFER (info));
  g_mutex_unlock (&app->lock);
  return GST_PAD_PROBE_OK;
}

/* As it goes in; on_picture sees it come out. A decoder that holds pictures gives out an old one when it is done with the
 * newest. */
static GstPadProbeReturn
on_decoder (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  App *app = data;

  g_mutex_lock (&app->lock);
  app->decoding_us = g_get_monotonic_time ();
  g_mutex_unlock (&app->lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_decoded (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  App *app = data;

  g_mutex_lock (&app->lock);
  if (app->decoding_us != 0) {
    app->decode_ms += (double) (g_get_monotonic_time () - app->decoding_us) / 1000.0;
    app->decoded++;
  }
  app->decoding_us = 0;
  g_mutex_unlock (&app->lock);
  return GST_PAD_PROBE_OK;
}

static gboolean
on_second (gpointer data)
{
  App *app = data;
  MloQoeSecond s = { 0 };
  double kbps, score, mean_ms, moved, contrast, decode_ms;
  guint freezes;
  char text[320];

  g_mutex_lock (&app->lock);
  s.fps = app->frames;
  mean_ms = app->frames > 0 ? app->delay_sum_ms / app->frames : 0.0;
  s.delay_ms = base_ms + mean_ms;
  s.gap_ms = app->gap_ms;
  freezes = app->freezes;
  kbps = (double) app->bytes * 8.0 / 1000.0;
  moved = app->moved;
  contrast = app->contrast;
  s.psnr_db = mlo_qoe_psnr_db (kbps, MAX (s.fps, 1.0), 1.0, (double) app->width * app->height, 0.7);
  decode_ms = app->decoded > 0 ? app->decode_ms / app->decoded : 0.0;
  app->frames = app->freezes = app->decoded = 0;
  app->decode_ms = 0.0;
  app->gap_ms = app->delay_sum_ms = 0.0;
  app->bytes = 0;
  g_mutex_unlock (&app->lock);
  score = mlo_qoe_score (&s);
  g_print
      ("%3.0f frames, %5.0f kbit/s, %dx%d, delay %.0f ms above its least, gaps %.0f ms, %u freezes, score %.0f, moved %.2f, "
      "contrast %.1f\n", s.fps, kbps, app->width, app->height, mean_ms, s.gap_ms, freezes, score, moved, contrast);
  if (app->client && isfinite (score)) {
    char quality[G_ASCII_DTOSTR_BUF_SIZE], delay[G_ASCII_DTOSTR_BUF_SIZE], decode[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd (quality, sizeof quality, "%.4f", score / 100.0);
    g_ascii_formatd (delay, sizeof delay, "%.1f", mean_ms);
    g_ascii_formatd (decode, sizeof decode, "%.2f", decode_ms);
    g_snprintf (text, sizeof text,
        "{\"timestamp\": %" G_GINT64_FORMAT ", \"quality_score\": %s, \"queue_delay_ms\": %s, \"decode_time_ms\": %s, "
        "\"frame_drops\": %u}", g_get_real_time () / 1000, quality, delay, decode, freezes);
    mlo_ws_client_send (app->client, text);
  }
  return G_SOURCE_CONTINUE;
}

/* What the server says is not for a player that only reports. */
static void
on_text (gpointer data, const char *text, gsize length)
{
}

static const MloWsFuncs funcs = { on_text, NULL };

static gboolean
on_message (GstBus * bus, GstMessage * m, gpointer data)
{
  App *app = data;

  stream_handle_message (m, app->loop, &app->failed);
  return G_SOURCE_CONTINUE;
}

static void
probe (App * app, const char *element, GstPadProbeCallback callback)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (app->pipeline), element);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (e, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, callback, app, NULL);
}

static void
save_snapshot (App * app)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (app->pipeline), "shown");
  g_autoptr (GstSample) sample = NULL, png = NULL;
  g_autoptr (GstCaps) caps = gst_caps_from_string ("image/png");
  g_autoptr (GError) error = NULL;
  GstMapInfo map;

  g_object_get (e, "last-sample", &sample, NULL);
  png = sample ? gst_video_convert_sample (sample, caps, 5 * GST_SECOND, &error) : NULL;
  if (!png || !gst_buffer_map (gst_sample_get_buffer (png), &map, GST_MAP_READ)) {
    g_printerr ("no picture to keep: %s\n", error ? error->message : "none came");
    return;
  }
  if (!g_file_set_contents (snapshot, (const char *) map.data, (gssize) map.size, &error))
    g_printerr ("%s\n", error->message);
  gst_buffer_unmap (gst_sample_get_buffer (png), &map);
}

static gboolean
start (App * app, GError ** error)
{
  g_autofree char *launch = g_strdup_printf ("rtpbin name=r latency=%d rtpsession0::rtcp-min-interval=20000000 "
      "rtpsession0::rtcp-fraction=20000 udpsrc port=%d caps=\"" CAPS "\" ! r.recv_rtp_sink_0 "
      "r. ! rtph264depay name=coded ! avdec_h264 name=decoder ! videoconvert ! video/x-raw,format=I420 ! identity name=picture ! %s name=shown sync=false "
      "udpsrc port=%d ! r.recv_rtcp_sink_0 r.send_rtcp_src_0 ! udpsink host=%s port=%d sync=false async=false", latency,
      port,
      sink ? sink : "autovideosink", port + 1, host ? host : "127.0.0.1", port + 2);

  app->pipeline = gst_parse_launch (launch, error);
  if (!app->pipeline || *error)
    return FALSE;
  probe (app, "decoder", on_decoded);
  probe (app, "picture", on_picture);
  probe (app, "coded", on_coded);
  probe (app, "coded", on_decoder);
  if (server) {
    MloWsConfig config = mlo_ws_config_default;

    config.uri = server;
    config.token = g_getenv ("MLOPTIMIZER_TOKEN");
    config.seed = (guint64) g_get_monotonic_time ();
    app->client = mlo_ws_client_new (NULL, &config, &funcs, app, error);
    if (!app->client)
      return FALSE;
    mlo_ws_client_start (app->client);
  }
  return gst_element_set_state (app->pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- play a game's stream and report on it");
  g_autoptr (GError) error = NULL;
  App app = {.floor_ms = -G_MAXDOUBLE };

  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) || port < 1 || port > 65533) {
    g_printerr ("%s\n", error ? error->message : "the port is out of bounds");
    return 2;
  }
  g_mutex_init (&app.lock);
  app.loop = g_main_loop_new (NULL, FALSE);
  stream_quit_when_asked (app.loop, seconds);
  if (start (&app, &error)) {
    g_autoptr (GstBus) bus = gst_element_get_bus (app.pipeline);

    gst_bus_add_watch (bus, on_message, &app);
    g_timeout_add_seconds (1, on_second, &app);
    g_main_loop_run (app.loop);
    if (snapshot)
      save_snapshot (&app);
    gst_bus_remove_watch (bus);
    g_print ("%" G_GUINT64_FORMAT " pictures, %" G_GUINT64_FORMAT " of them moved\n", app.total, app.moving);
  } else {
    g_printerr ("ERROR: %s\n", error ? error->message : "the pipeline does not start");
    app.failed = TRUE;
  }
  mlo_ws_client_free (app.client);
  if (app.pipeline)
    gst_element_set_state (app.pipeline, GST_STATE_NULL);
  g_clear_object (&app.pipeline);
  g_main_loop_unref (app.loop);
  g_mutex_clear (&app.lock);
  stream_deinit ();
  return app.failed ? 1 : 0;
}
