/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the element adds to a 1080p frame that passes unchanged, against an identity in its place.
 * Prints lines `name value unit`. */
#include <gst/gst.h>
#include <stdio.h>
#include <unistd.h>

#include "bench-helpers.h"

#define FRAMES 20000
#define CAPS "video/x-raw,format=I420,width=1920,height=1080,framerate=60/1"

static GstFlowReturn
take (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  gst_buffer_unref (buffer);
  return GST_FLOW_OK;
}

static double times[FRAMES];

/* Times each push through @launch while its thread (if any) ticks; fills and sorts @times. */
static void
run (const char *launch, gboolean scattered)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_parse_launch (launch, NULL));
  g_autoptr (GstPad) sink = gst_element_get_static_pad (element, "sink");
  g_autoptr (GstPad) src = gst_element_get_static_pad (element, "src");
  g_autoptr (GstPad) in = gst_object_ref_sink (gst_pad_new ("in", GST_PAD_SRC));
  g_autoptr (GstPad) out = gst_object_ref_sink (gst_pad_new ("out", GST_PAD_SINK));
  g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
  g_autoptr (GstBuffer) buffer = gst_buffer_new_allocate (NULL, 1920 * 1080 * 3 / 2, NULL);
  GstSegment segment;

  gst_buffer_memset (buffer, 0, 100, 1920 * 1080 * 3 / 2);
  gst_pad_set_chain_function (out, take);
  gst_pad_link (in, sink);
  gst_pad_link (src, out);
  gst_pad_set_active (out, TRUE);
  gst_pad_set_active (in, TRUE);
  gst_element_set_state (element, GST_STATE_PLAYING);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (in, gst_event_new_stream_start ("bench"));
  gst_pad_push_event (in, gst_event_new_caps (caps));
  gst_pad_push_event (in, gst_event_new_segment (&segment));
  for (guint i = 0; i < FRAMES; i++) {
    double begin;

    GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (i, GST_SECOND, 60);
    /* So that many ticks fall into the run. */
    if (scattered && i % 10 == 0)
      g_usleep (200);
    begin = bench_now_us ();
    gst_pad_push (in, gst_buffer_ref (buffer));
    times[i] = bench_now_us () - begin;
  }
  gst_element_set_state (element, GST_STATE_NULL);
  bench_sort (times, FRAMES);
}

static long
resident_kib (void)
{
  long pages = 0;
  FILE *f = fopen ("/proc/self/statm", "r");

  if (!f || fscanf (f, "%*d %ld", &pages) != 1)
    pages = 0;
  if (f)
    fclose (f);
  return pages * (sysconf (_SC_PAGESIZE) / 1024);
}

/* What loading the plugin costs a process that has video elements already. */
static void
load (void)
{
  g_autoptr (GstElement) scale G_GNUC_UNUSED = gst_object_ref_sink (gst_element_factory_make ("videoscale", NULL));
  g_autoptr (GstElement) element = NULL;
  long before = resident_kib ();
  double begin = bench_now_us ();

  g_autoptr (GstPlugin) plugin G_GNUC_UNUSED = gst_plugin_load_by_name ("mloptimizer");
  printf ("plugin_load_ms %.2f ms\n", (bench_now_us () - begin) / 1000.0);
  element = gst_object_ref_sink (gst_element_factory_make ("mloptimizer", NULL));
  printf ("plugin_rss_kib %ld KiB\n", resident_kib () - before);
}

int
main (int argc, char **argv)
{
  double base;

  gst_init (&argc, &argv);
  if (!gst_registry_check_feature_version (gst_registry_get (), "mloptimizer", 0, 0, 0)) {
    fprintf (stderr, "mloptimizer is not found: set GST_PLUGIN_PATH\n");
    return 1;
  }
  load ();
  run ("identity silent=true", TRUE);
  base = times[FRAMES / 2];
  printf ("frame_identity_us %.2f us\n", base);
  run ("mloptimizer", TRUE);
  printf ("frame_probe_us %.2f us\n", times[FRAMES / 2] - base);
  /* Now and then luma samples are taken. */
  printf ("frame_probe_p99_us %.2f us\nframe_probe_max_us %.2f us\n", times[FRAMES * 99 / 100] - base,
      times[FRAMES - 1] - base);
  return times[FRAMES / 2] - base <= 5.0 ? 0 : 1;
}
