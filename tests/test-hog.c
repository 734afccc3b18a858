/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine that is taken away from the encoder for real: busy threads beside a slow x264enc. The frame rate is kept, by
 * a faster preset first, then by smaller pictures, by fewer frames last. Prints what it measured. */
#include "element-helpers.h"

#define HOG_S 25.0

static gint hogging;            /* atomic */

static gpointer
hog (gpointer data)
{
  volatile double x = 1.0;

  while (g_atomic_int_get (&hogging)) {
    for (guint i = 0; i < 100000; i++)
      x = x * 1.0000001 + 1e-9;
  }
  return NULL;
}

/* When each kind of relief came first, seconds after the hogs; < 0: never. */
typedef struct
{
  gint64 begin_us;
  double faster, smaller, fewer;
} Order;

static void
note (double *first, gint64 begin_us)
{
  if (*first < 0.0)
    *first = (double) (g_get_monotonic_time () - begin_us) / 1e6;
}

static GstStructure *
on_decision (GstElement * o, GstStructure * d, gpointer data)
{
  Order *order = data;
  int height = 0, step = 0;
  double fps = 0.0;

  gst_structure_get (d, "height", G_TYPE_INT, &height, "preset-step", G_TYPE_INT, &step, "framerate", G_TYPE_DOUBLE,
      &fps, NULL);
  /* Presets and sizes may come in one, for one restart. */
  if (strstr (gst_structure_get_string (d, "reason"), "the encoder is too slow")) {
    if (step > 0)
      note (&order->faster, order->begin_us);
    if (height > 0 && height < 720)
      note (&order->smaller, order->begin_us);
    if (fps > 0.0 && fps < 29.0)
      note (&order->fewer, order->begin_us);
  }
  return NULL;
}

static gint made;               /* atomic: frames of the source, which a busy machine makes late, too */

static GstPadProbeReturn
on_made (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  g_atomic_int_inc (&made);
  return GST_PAD_PROBE_OK;
}

typedef struct
{
  double fps, share;            /* frames that came out of the encoder, a second and of those that were made */
} Pace;

static Pace
pace (Run * r, double seconds)
{
  guint64 frames = run_stat (r, "frames-encoded");
  gint64 begin_us = g_get_monotonic_time ();
  gint before = g_atomic_int_get (&made);
  double coded;

  run_until (r, seconds, NULL, NULL);
  coded = (double) (run_stat (r, "frames-encoded") - frames);
  return (Pace) {
  coded *1e6 / (double) (g_get_monotonic_time () - begin_us), coded / MAX (g_atomic_int_get (&made) - before, 1)};
}

static void
state (Run * r, const char *when, Pace p)
{
  g_autoptr (GstStructure) s = NULL;
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  int height = 0, preset = 0;

  g_object_get (r->element, "stats", &s, NULL);
  gst_structure_get_int (s, "height", &height);
  g_object_get (e, "speed-preset", &preset, NULL);
  g_print ("# %s: %.1f frames/s, %.0f %% of those made, %d lines, speed-preset %d\n", when, p.fps, 100.0 * p.share,
      height, preset);
}

static void
test_hog (gconstpointer per_core)
{
  /* One thread: what a core does at this preset and size is a third of it, on a free machine. */
  Run *r = run_new ("videotestsrc is-live=true pattern=ball ! "
      "video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! queue max-size-buffers=2 leaky=downstream name=q ! "
      "mloptimizer name=o adapt=bitrate+resolution+framerate+preset start-bitrate=3000000 min-height=180 ! "
      "x264enc name=e tune=zerolatency speed-preset=medium threads=1 key-int-max=600 ! fakesink async=false");
  guint n = GPOINTER_TO_UINT (per_core) * g_get_num_processors ();
  Order order = {.begin_us = g_get_monotonic_time (),.faster = -1.0,.smaller = -1.0,.fewer = -1.0 };
  GThread *hogs[64];
  g_autoptr (GstElement) queue = gst_bin_get_by_name (GST_BIN (r->pipeline), "q");
  g_autoptr (GstPad) in = gst_element_get_static_pad (queue, "sink");
  Pace before, early, late;

  gst_pad_add_probe (in, GST_PAD_PROBE_TYPE_BUFFER, on_made, NULL, NULL);
  n = MIN (n, G_N_ELEMENTS (hogs));
  g_signal_connect (r->element, "decision", G_CALLBACK (on_decision), &order);
  run_play (r);
  run_until (r, 3.0, NULL, NULL);
  before = pace (r, 3.0);
  state (r, "before", before);

  order = (Order) {
  .begin_us = g_get_monotonic_time (),.faster = -1.0,.smaller = -1.0,.fewer = -1.0};
  g_atomic_int_set (&hogging, 1);
  for (guint i = 0; i < n; i++)
    hogs[i] = g_thread_new ("hog", hog, NULL);
  early = pace (r, 2.0);
  state (r, "first 2 s", early);
  run_until (r, HOG_S - 7.0, NULL, NULL);
  late = pace (r, 5.0);
  state (r, "last 5 s", late);
  g_atomic_int_set (&hogging, 0);
  for (guint i = 0; i < n; i++)
    g_thread_join (hogs[i]);
  g_print
      ("# %u busy threads on %u cores: faster preset after %.1f s, smaller pictures after %.1f s, fewer frames after "
      "%.1f s (-1: never)\n", n, g_get_num_processors (), order.faster, order.smaller, order.fewer);

  /* In this order, and each only where what comes before it was not enough. On a machine that was busy already the
   * presets may have been used up before the hogs began. */
  if (order.smaller >= 0.0 && order.faster >= 0.0)
    g_assert_cmpfloat (order.faster, <=, order.smaller);
  if (order.fewer >= 0.0 && order.smaller >= 0.0)
    g_assert_cmpfloat (order.smaller, <=, order.fewer);
  /* Either there was nothing to do, or it was done and the frames come again; fewer of them only where they were left
   * out on purpose. */
  if (early.share < 0.85)
    g_assert_true (order.faster >= 0.0 || order.smaller >= 0.0 || order.fewer >= 0.0);
  g_assert_cmpfloat (late.share, >=, order.fewer < 0.0 ? 0.8 : 0.4);
  run_assert_clean (r, NULL);
  run_free (r);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/hog/two-a-core", GUINT_TO_POINTER (2), test_hog);
  g_test_add_data_func ("/hog/eight-a-core", GUINT_TO_POINTER (8), test_hog);
  return g_test_run ();
}
