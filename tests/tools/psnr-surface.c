/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures what src/qoe/psnr-surface/fit.py fits: short clips of the scenes, scaled, coded by
 * x264enc, decoded, enlarged and compared, over bitrate, size and frame rate. One CSV row an
 * encode on stdout. Takes minutes; see src/qoe/psnr-surface/README.md. */

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <math.h>
#include <string.h>

#include "mlo-complexity.h"
#include "mlo-scene.h"

/* Frames before this are coded but not counted: the first key frame pays for the whole picture. */
#define WARM_UP_S 0.5
/* An exact picture is as good as this. */
#define MAX_PSNR 60.0

static char *opt_kind = NULL, *opt_preset = NULL, *opt_heights = NULL, *opt_rates = NULL, *opt_bitrates = NULL;
static int opt_width = 1280, opt_height = 720, opt_seed = 1, opt_start = 30, opt_threads = 1;
static double opt_seconds = 2.0;

static const GOptionEntry entries[] = {
  {"kind", 0, 0, G_OPTION_ARG_STRING, &opt_kind, "Kind of scene (medium)", "NAME"},
  {"seed", 0, 0, G_OPTION_ARG_INT, &opt_seed, "Its seed (1)", "N"},
  {"start", 0, 0, G_OPTION_ARG_INT, &opt_start, "First frame (30); the first cut comes after 480", "N"},
  {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &opt_seconds, "Length, half a second of warm-up included (2)", "S"},
  {"width", 0, 0, G_OPTION_ARG_INT, &opt_width, "Source width (1280)", "PIXELS"},
  {"height", 0, 0, G_OPTION_ARG_INT, &opt_height, "Source height (720)", "PIXELS"},
  {"heights", 0, 0, G_OPTION_ARG_STRING, &opt_heights, "Coded heights (240,360,480,540,720)", "LIST"},
  {"rates", 0, 0, G_OPTION_ARG_STRING, &opt_rates, "Frame rates (15,20,30,45,60)", "LIST"},
  {"bitrates", 0, 0, G_OPTION_ARG_STRING, &opt_bitrates, "kbit/s (200,400,...,12800,20000)", "LIST"},
  {"preset", 0, 0, G_OPTION_ARG_STRING, &opt_preset, "x264enc's speed-preset (superfast)", "NAME"},
  {"threads", 0, 0, G_OPTION_ARG_INT, &opt_threads, "x264enc's threads (1)", "N"},
  {NULL}
};

typedef struct
{
  int n;                        /* at 60 a second */
  guint8 **frames;              /* I420, packed */
  gsize size;
  double si, ti, complexity;    /* means of the counted frames */
} Clip;

static void
clip_make (Clip * clip, MloSceneKind kind)
{
  MloScene *scene = mlo_scene_new (opt_width, opt_height, kind, (guint64) opt_seed);
  gsize luma = (gsize) opt_width * opt_height;
  MloLumaGrid grids[2];
  int counted = 0;

  if (!scene)
    g_error ("bad size %dx%d", opt_width, opt_height);
  clip->n = (int) (opt_seconds * MLO_SCENE_FPS);
  clip->size = luma * 3 / 2;
  clip->frames = g_new (guint8 *, clip->n);
  for (int i = 0; i < clip->n; i++) {
    guint8 *f = clip->frames[i] = g_malloc (clip->size);
    double si, ti;

    mlo_scene_render (scene, (guint64) (opt_start + i), (guint8 *[]) {
        f, f + luma, f + luma * 5 / 4}, (int[]) {
          opt_width, opt_width / 2, opt_width / 2
        });
    mlo_luma_grid_pick (&grids[i % 2], f, opt_width, opt_height, opt_width, 1);
    if (i < WARM_UP_S * MLO_SCENE_FPS)
      continue;
    mlo_complexity_si_ti (&grids[i % 2], &grids[(i + 1) % 2], &si, &ti);
    clip->si += si;
    clip->ti += ti;
    clip->complexity += mlo_complexity (&grids[i % 2], &grids[(i + 1) % 2]);
    counted++;
  }
  clip->si /= counted;
  clip->ti /= counted;
  clip->complexity /= counted;
  mlo_scene_free (scene);
}

static double
luma_psnr (const guint8 * a, const guint8 * b, int b_stride)
{
  gint64 sum = 0;

  for (int y = 0; y < opt_height; y++, a += opt_width, b += b_stride) {
    gint32 row = 0;

    for (int x = 0; x < opt_width; x++) {
      int d = a[x] - b[x];

      row += d * d;
    }
    sum += row;
  }
  return sum ? fmin (10.0 * log10 (65025.0 * opt_width * opt_height / (double) sum), MAX_PSNR) : MAX_PSNR;
}

static GstPadProbeReturn
count_bytes (GstPad * pad, GstPadProbeInfo * info, gpointer user_data)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  double *bytes = user_data;
  GstSegment segment;
  GstEvent *event = gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);

  /* x264enc's segment starts at 1000 hours */
  gst_event_copy_segment (event, &segment);
  gst_event_unref (event);
  if (gst_segment_to_running_time (&segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer))
      >= (GstClockTime) (WARM_UP_S * GST_SECOND))
    *bytes += (double) gst_buffer_get_size (buffer);
  return GST_PAD_PROBE_OK;
}

static void
measure (const Clip * clip, int height, int fps, int kbps)
{
  int width = (opt_width * height / opt_height + 1) & ~1, n = clip->n * fps / MLO_SCENE_FPS, counted = 0;
  g_autofree char *launch = g_strdup_printf ("appsrc name=source format=time block=true max-bytes=0 max-buffers=4 "
      "caps=video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1 "
      "! videoscale ! video/x-raw,width=%d,height=%d ! x264enc name=encoder tune=zerolatency speed-preset=%s "
      "bitrate=%d vbv-buf-capacity=200 key-int-max=100000 threads=%d ! avdec_h264 max-threads=1 ! videoscale "
      "! video/x-raw,format=I420,width=%d,height=%d ! appsink name=sink sync=false max-buffers=4", opt_width,
      opt_height,
      fps, width, height, opt_preset ? opt_preset : "superfast", kbps, opt_threads, opt_width, opt_height);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch_full (launch, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  g_autoptr (GstElement) source = NULL, sink = NULL, encoder = NULL;
  g_autoptr (GstPad) pad = NULL;
  double bytes = 0.0, psnr = 0.0;
  int sent = 0, received = 0;

  if (!pipeline)
    g_error ("%s", error->message);
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  encoder = gst_bin_get_by_name (GST_BIN (pipeline), "encoder");
  pad = gst_element_get_static_pad (encoder, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, count_bytes, &bytes, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);

  while (received < n) {
    g_autoptr (GstSample) sample = NULL;
    GstVideoFrame frame;
    GstVideoInfo info;

    for (; sent < n && sent < received + 3; sent++) {
      GstBuffer *b = gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY,
          clip->frames[sent * MLO_SCENE_FPS / fps], clip->size, 0, clip->size, NULL, NULL);

      GST_BUFFER_PTS (b) = gst_util_uint64_scale (sent, GST_SECOND, fps);
      GST_BUFFER_DURATION (b) = GST_SECOND / fps;
      gst_app_src_push_buffer (GST_APP_SRC (source), b);
      if (sent + 1 == n)
        gst_app_src_end_of_stream (GST_APP_SRC (source));
    }
    sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), 60 * GST_SECOND);
    if (!sample)
      g_error ("%d of %d pictures", received, n);
    gst_video_info_from_caps (&info, gst_sample_get_caps (sample));
    gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ);
    if (received * GST_SECOND >= WARM_UP_S * GST_SECOND * fps) {
      psnr += luma_psnr (clip->frames[received * MLO_SCENE_FPS / fps], GST_VIDEO_FRAME_PLANE_DATA (&frame, 0),
          GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0));
      counted++;
    }
    gst_video_frame_unmap (&frame);
    received++;
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_print ("%s,%d,%d,%d,%s,%d,%d,%d,%.0f,%.3f,%.4f,%.2f,%.2f\n", opt_kind, opt_seed, opt_start, opt_height,
      opt_preset ? opt_preset : "superfast", height, fps, kbps, bytes * 8.0 / 1000.0 * fps / counted, psnr / counted,
      clip->complexity, clip->si, clip->ti);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- PSNR of x264 over bitrate, size and frame rate");
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) heights = NULL, rates = NULL, bitrates = NULL;
  Clip clip = { 0 };
  int kind;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }
  if (!opt_kind)
    opt_kind = g_strdup ("medium");
  kind = mlo_scene_kind_from_name (opt_kind);
  if (kind < 0) {
    g_printerr ("--kind: no scenes \"%s\"\n", opt_kind);
    return 2;
  }
  heights = g_strsplit (opt_heights ? opt_heights : "240,360,480,540,720", ",", -1);
  rates = g_strsplit (opt_rates ? opt_rates : "15,20,30,45,60", ",", -1);
  bitrates = g_strsplit (opt_bitrates ? opt_bitrates : "200,400,800,1600,3200,6400,12800,20000", ",", -1);
  clip_make (&clip, (MloSceneKind) kind);
  for (char **h = heights; *h; h++) {
    for (char **r = rates; *r; r++) {
      for (char **b = bitrates; *b; b++)
        measure (&clip, atoi (*h), atoi (*r), atoi (*b));
    }
  }
  for (int i = 0; i < clip.n; i++)
    g_free (clip.frames[i]);
  g_free (clip.frames);
  return 0;
}
