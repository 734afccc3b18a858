/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine that is taken away from the encoder for real: busy threads beside a slow x264enc. The frame rate is kept, by
 * a faster preset first, then by smaller pictures, by fewer frames last. Prints what it measured. */
#include "element-helpers.h"

#define FPS 30.0
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
  const char *reason = gst_structure_get_string (d, "reason");

  if (strstr (reason, "encoder is too slow: a faster preset"))
    note (&order->faster, order->begin_us);
  else if (strstr (reason, "encoder is too slow: smaller pictures"))
    note (&order->smaller, order->begin_us);
  else if (strstr (reason, "encoder is too slow: fewer frames"))
    note (&order->fewer, order->begin_us);
  return NULL;
}

static double
encoded_fps (Run * r, double seconds)
{
  guint64 frames = run_stat (r, "frames-encoded");
  gint64 begin_us = g_get_monotonic_time ();

  run_until (r, seconds, NULL, NULL);
  return (double) (run_stat (r, "frames-encoded") - frames) * 1e6 / (double) (g_get_monotonic_time () - begin_us);
}

static void
state (Run * r, const char *when, double fps)
{
  g_autoptr (GstStructure) s = NULL;
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  int height = 0, preset = 0;

  g_object_get (r->element, "stats", &s, NULL);
  gst_structure_get_int (s, "height", &height);
  g_object_get (e, "speed-preset", &preset, NULL);
  g_print ("# %s: %.1f frames/s of %.0f, %d lines, speed-preset %d\n", when, fps, FPS, height, preset);
}

static void
test_hog (void)
{
  /* One thread: what a core does at this preset and size is a third of it, on a free machine. */
  Run *r = run_new ("videotestsrc is-live=true pattern=zone-plate kx2=8 ky2=6 kt=20 ! "
      "video/x-raw,format=I420,width=1280,height=720,framerate=30/1 ! queue max-size-buffers=2 leaky=downstream ! "
      "mloptimizer name=o adapt=bitrate+resolution+framerate+preset start-bitrate=3000000 min-height=180 ! "
      "x264enc name=e tune=zerolatency speed-preset=medium threads=1 key-int-max=600 ! fakesink async=false");
  guint n = 2 * g_get_num_processors ();
  Order order = {.begin_us = g_get_monotonic_time (),.faster = -1.0,.smaller = -1.0,.fewer = -1.0 };
  GThread *hogs[64];
  double before, early, late;

  n = MIN (n, G_N_ELEMENTS (hogs));
  g_signal_connect (r->element, "decision", G_CALLBACK (on_decision), &order);
  run_play (r);
  run_until (r, 3.0, NULL, NULL);
  before = encoded_fps (r, 3.0);
  state (r, "before", before);

  order = (Order) {
  .begin_us = g_get_monotonic_time (),.faster = -1.0,.smaller = -1.0,.fewer = -1.0};
  g_atomic_int_set (&hogging, 1);
  for (guint i = 0; i < n; i++)
    hogs[i] = g_thread_new ("hog", hog, NULL);
  early = encoded_fps (r, 2.0);
  state (r, "first 2 s", early);
  run_until (r, HOG_S - 7.0, NULL, NULL);
  late = encoded_fps (r, 5.0);
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
  if (early < 0.85 * FPS)
    g_assert_true (order.faster >= 0.0 || order.smaller >= 0.0 || order.fewer >= 0.0);
  if (order.fewer < 0.0)
    g_assert_cmpfloat (late, >=, 0.8 * MIN (FPS, MAX (before, early)));
  else
    g_assert_cmpfloat (late, >=, 0.4 * FPS);
  run_assert_clean (r, NULL);
  run_free (r);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hog/x264", test_hog);
  return g_test_run ();
}
