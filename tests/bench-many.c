/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many elements in one process: what they take of a core, beyond identities in their place, with frames at 60 a second
 * and a report of packets for each, as a decision every 100 ms has them; and looking at a 1080p picture once.
 * Prints lines `name value unit`.
 *   bench-many [ELEMENTS [SECONDS]] */
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench-helpers.h"
#include "mlo-complexity.h"
#include "twcc-helpers.h"

#define FPS 60
#define WIDTH 1280
#define HEIGHT 720
#define PACKETS 8               /* a frame, of 1200 bytes: 4.6 Mbit/s */
#define CAPS "video/x-raw,format=I420,width=1280,height=720,framerate=60/1"

/* What rtpsession has its packets in. */
G_GNUC_BEGIN_IGNORE_DEPRECATIONS;

typedef struct
{
  GstElement *element;
  GstPad *in, *out;
} Stream;

static GstFlowReturn
take (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  gst_buffer_unref (buffer);
  return GST_FLOW_OK;
}

static void
stream_start (Stream * s, const char *launch)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string (CAPS);
  g_autoptr (GstPad) sink = NULL, src = NULL;
  GstSegment segment;

  s->element = gst_object_ref_sink (gst_parse_launch (launch, NULL));
  s->in = gst_object_ref_sink (gst_pad_new ("in", GST_PAD_SRC));
  s->out = gst_object_ref_sink (gst_pad_new ("out", GST_PAD_SINK));
  sink = gst_element_get_static_pad (s->element, "sink");
  src = gst_element_get_static_pad (s->element, "src");
  gst_pad_set_chain_function (s->out, take);
  gst_pad_link (s->in, sink);
  gst_pad_link (src, s->out);
  gst_pad_set_active (s->out, TRUE);
  gst_pad_set_active (s->in, TRUE);
  gst_element_set_state (s->element, GST_STATE_PLAYING);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_pad_push_event (s->in, gst_event_new_stream_start ("bench"));
  gst_pad_push_event (s->in, gst_event_new_caps (caps));
  gst_pad_push_event (s->in, gst_event_new_segment (&segment));
}

static void
stream_stop (Stream * s)
{
  gst_element_set_state (s->element, GST_STATE_NULL);
  gst_object_unref (s->in);
  gst_object_unref (s->out);
  gst_object_unref (s->element);
}

/* The frame's packets, 20 ms on their way. */
static GstEvent *
report (guint frame)
{
  GValueArray *array = g_value_array_new (PACKETS);
  GstClockTime sent = gst_util_uint64_scale (frame, GST_SECOND, FPS);

  for (guint i = 0; i < PACKETS; i++)
    twcc_add_packet (array, (frame * PACKETS + i) & 0xffff, sent, sent + (20 + i) * GST_MSECOND, 1200, FALSE);
  return twcc_event (array);
}

static double
process_us (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

/* Percent of a core. */
static double
run (const char *launch, guint elements, guint seconds)
{
  g_autofree Stream *streams = g_new0 (Stream, elements);
  g_autoptr (GstBuffer) picture = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT * 3 / 2, NULL);
  double begin, used;

  gst_buffer_memset (picture, 0, 100, WIDTH * HEIGHT * 3 / 2);
  for (guint i = 0; i < elements; i++)
    stream_start (&streams[i], launch);
  begin = bench_now_us ();
  used = process_us ();
  for (guint f = 0; f < seconds * FPS; f++) {
    double wait = begin + f * 1e6 / FPS - bench_now_us ();

    if (wait > 0.0)
      g_usleep ((gulong) wait);
    GST_BUFFER_PTS (picture) = gst_util_uint64_scale (f, GST_SECOND, FPS);
    for (guint i = 0; i < elements; i++) {
      gst_pad_push (streams[i].in, gst_buffer_ref (picture));
      gst_pad_push_event (streams[i].out, report (f));
    }
  }
  used = process_us () - used;
  begin = bench_now_us () - begin;
  for (guint i = 0; i < elements; i++)
    stream_stop (&streams[i]);
  return 100.0 * used / begin;
}

static double
probe_us (void)
{
  enum
  { TIMES = 2001, PICTURES = 16, W = 1920, H = 1080 };
  static double times[TIMES];
  g_autofree guint8 *luma = g_malloc ((gsize) PICTURES * W * H);
  MloLumaGrid grid[2];
  double sink = 0.0;
  volatile double keep;

  for (gsize i = 0; i < (gsize) PICTURES * W * H; i++)
    luma[i] = (guint8) (i * 2654435761u >> 13);
  for (guint i = 0; i < TIMES; i++) {
    /* pictures that are not in the cache */
    const guint8 *at = luma + (gsize) (i * 2 % PICTURES) * W * H;
    double begin = bench_now_us ();

    mlo_luma_grid_pick (&grid[0], at, W, H, W, 1);
    mlo_luma_grid_pick (&grid[1], at + W * H, W, H, W, 1);
    sink += mlo_complexity (&grid[1], &grid[0]);
    times[i] = bench_now_us () - begin;
  }
  keep = sink;
  (void) keep;
  bench_sort (times, TIMES);
  return times[TIMES / 2];
}

int
main (int argc, char **argv)
{
  guint elements = argc > 1 ? (guint) atoi (argv[1]) : 64, seconds = argc > 2 ? (guint) atoi (argv[2]) : 8;
  double base, with;

  gst_init (&argc, &argv);
  if (!gst_registry_check_feature_version (gst_registry_get (), "mloptimizer", 0, 0, 0)) {
    fprintf (stderr, "mloptimizer is not found: set GST_PLUGIN_PATH\n");
    return 1;
  }
  base = run ("identity silent=true", elements, seconds);
  with = run ("mloptimizer", elements, seconds);
  printf ("elements %u elements\nidentities_core %.2f %%\nelements_core %.2f %%\n", elements, base, with);
  printf ("complexity_us %.2f us\n", probe_us ());
  return 0;
}
