/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element in the stream: what passes, what stops, where it may stand. */
#include <gst/check/gstharness.h>

#include "element-helpers.h"

#define CAPS "video/x-raw,format=I420,width=320,height=240,framerate=30/1"
#define X264 "x264enc tune=zerolatency speed-preset=ultrafast"

static GstBuffer *
frame (guint n, guint fps)
{
  GstBuffer *b = gst_buffer_new_allocate (NULL, 320 * 240 * 3 / 2, NULL);

  GST_BUFFER_PTS (b) = gst_util_uint64_scale (n, GST_SECOND, fps);
  GST_BUFFER_DURATION (b) = GST_SECOND / fps;
  return b;
}

/* With nothing to change, the very same buffer comes out, and none is kept. */
static void
test_untouched (void)
{
  GstHarness *h = gst_harness_new ("mloptimizer");

  gst_harness_set_src_caps_str (h, CAPS);
  for (guint i = 0; i < 100; i++) {
    GstBuffer *in = frame (i, 30), *out;

    g_assert_cmpint (gst_harness_push (h, in), ==, GST_FLOW_OK);
    out = gst_harness_try_pull (h);
    g_assert_true (out == in);
    g_assert_cmpint (GST_MINI_OBJECT_REFCOUNT_VALUE (out), ==, 1);
    g_assert_true (gst_buffer_is_writable (out));
    gst_buffer_unref (out);
    if (i % 10 == 0)
      g_usleep (20000);         /* ticks pass, luma samples are taken */
  }
  gst_harness_teardown (h);
}

/* Renegotiation is settled inside; other events go through. */
static void
test_events (void)
{
  GstHarness *h = gst_harness_new ("mloptimizer");
  GstEvent *e;
  guint reconfigure = 0, qos = 0, custom = 0, feedback = 0;

  gst_harness_set_src_caps_str (h, CAPS);
  gst_harness_push (h, frame (0, 30));
  while ((e = gst_harness_try_pull_upstream_event (h)))
    gst_event_unref (e);
  gst_harness_push_upstream_event (h, gst_event_new_reconfigure ());
  gst_harness_push_upstream_event (h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 1.0, 1000, 0));
  gst_harness_push_upstream_event (h, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
          gst_structure_new_empty ("something")));
  gst_harness_push_upstream_event (h, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
          gst_structure_new_empty ("RTPTWCCPackets")));
  while ((e = gst_harness_try_pull_upstream_event (h))) {
    reconfigure += GST_EVENT_TYPE (e) == GST_EVENT_RECONFIGURE;
    qos += GST_EVENT_TYPE (e) == GST_EVENT_QOS;
    custom += gst_event_has_name (e, "something");
    feedback += gst_event_has_name (e, "RTPTWCCPackets");
    gst_event_unref (e);
  }
  g_assert_cmpuint (reconfigure, ==, 0);
  g_assert_cmpuint (qos, ==, 1);
  g_assert_cmpuint (custom, ==, 1);
  g_assert_cmpuint (feedback, ==, 1);
  gst_harness_teardown (h);
}

/* GPU memory passes untouched, whatever the format is called. */
static void
test_other_memory (void)
{
  GstHarness *h = gst_harness_new ("mloptimizer");
  GstBuffer *in, *out;

  gst_harness_set_src_caps_str (h, "video/x-raw(memory:GLMemory),format=RGBA,width=320,height=240,framerate=30/1");
  in = frame (0, 30);
  g_assert_cmpint (gst_harness_push (h, in), ==, GST_FLOW_OK);
  out = gst_harness_pull (h);
  g_assert_true (out == in);
  gst_buffer_unref (out);
  gst_harness_teardown (h);
}

/* Waits until the rate limit has reached the gate; fails after five seconds. */
static void
wait_gate (GstHarness * h, guint * n)
{
  gint64 end = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;
  guint dropped = 0;

  while (dropped == 0 && g_get_monotonic_time () < end) {
    GstBuffer *out;

    gst_harness_push (h, frame ((*n)++, 60));
    if ((out = gst_harness_try_pull (h)))
      gst_buffer_unref (out);
    else
      dropped++;
    g_usleep (10000);
  }
  g_assert_cmpuint (dropped, >, 0);
}

/* max-framerate leaves frames out, evenly; the caps stay. */
static void
test_frame_rate (void)
{
  GstHarness *h = gst_harness_new_parse ("mloptimizer max-framerate=20");
  guint n = 0, out = 0;
  GstClockTime last = GST_CLOCK_TIME_NONE;
  GstBuffer *b;

  gst_harness_set_src_caps_str (h, "video/x-raw,format=I420,width=320,height=240,framerate=60/1");
  wait_gate (h, &n);
  for (guint i = 0; i < 600; i++) {
    gst_harness_push (h, frame (n++, 60));
    while ((b = gst_harness_try_pull (h))) {
      out++;
      if (GST_CLOCK_TIME_IS_VALID (last))
        g_assert_cmpuint (GST_BUFFER_PTS (b) - last, <=, 51 * GST_MSECOND);
      last = GST_BUFFER_PTS (b);
      gst_buffer_unref (b);
    }
  }
  g_assert_cmpuint (out, >=, 198);
  g_assert_cmpuint (out, <=, 202);

  /* Time that jumps back or forth does not stop the stream. */
  for (int back = 1; back >= 0; back--) {
    n = back ? 5 : 1000000;
    out = 0;
    for (guint i = 0; i < 60; i++) {
      gst_harness_push (h, frame (n++, 60));
      while ((b = gst_harness_try_pull (h))) {
        out++;
        gst_buffer_unref (b);
      }
    }
    g_assert_cmpuint (out, >=, 19);
    g_assert_cmpuint (out, <=, 22);
  }
  gst_harness_teardown (h);
}

/* Where it may stand: each runs to its end without an error or a warning of another kind. */
static const char *const places[] = {
  "videotestsrc is-live=true num-buffers=40 ! queue ! mloptimizer name=o ! " X264 " ! fakesink",
  "videotestsrc num-buffers=40 ! videoscale ! mloptimizer name=o ! " X264 " ! fakesink",
  "videotestsrc num-buffers=40 ! " CAPS " ! mloptimizer name=o ! " X264 " ! fakesink",
  "videotestsrc num-buffers=40 ! " CAPS " ! vp8enc deadline=1 ! vp8dec ! mloptimizer name=o ! " X264 " ! fakesink",
  "videotestsrc num-buffers=40 ! mloptimizer name=o ! queue ! videoconvert ! tee name=t t. ! queue ! fakesink async=false "
      "t. ! queue ! " X264 " ! h264parse ! fakesink",
  "videotestsrc num-buffers=40 ! mloptimizer name=o ! video/x-raw,width=160,height=120 ! " X264 " ! fakesink",
  "videotestsrc num-buffers=40 ! mloptimizer name=o mode=observe ! fakesink",
  "videotestsrc num-buffers=40 ! mloptimizer name=o ! " X264 " ! matroskamux ! fakesink",
};

static void
test_places (gconstpointer data)
{
  Run *r = run_new (data);

  run_play (r);
  g_assert_true (run_until (r, 20.0, run_ended, NULL));
  run_assert_clean (r, NULL);
  g_assert_cmpuint (run_stat (r, "frames-in"), ==, 40);
  g_assert_cmpuint (run_stat (r, "frames-out"), ==, 40);
  run_free (r);
}

static gboolean
frames_at_least (Run * r, gpointer data)
{
  return run_stat (r, "frames-encoded") >= GPOINTER_TO_UINT (data) || run_count (r, GST_MESSAGE_ERROR, FALSE, NULL) > 0;
}

/* Pause and on, a flushing seek, EOS. */
static void
test_pause_seek (void)
{
  Run *r = run_new ("videotestsrc num-buffers=120 ! " CAPS " ! mloptimizer name=o ! " X264 " ! fakesink sync=true");

  run_play (r);
  g_assert_true (run_until (r, 10.0, frames_at_least, GUINT_TO_POINTER (10)));
  gst_element_set_state (r->pipeline, GST_STATE_PAUSED);
  gst_element_get_state (r->pipeline, NULL, NULL, 5 * GST_SECOND);
  run_play (r);
  gst_element_get_state (r->pipeline, NULL, NULL, 5 * GST_SECOND);
  g_assert_true (gst_element_seek_simple (r->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, 3 * GST_SECOND));
  g_assert_true (run_until (r, 15.0, run_ended, NULL));
  run_assert_clean (r, NULL);
  g_assert_cmpuint (run_stat (r, "frames-dropped-window"), ==, 0);
  run_free (r);
}

/* New caps from upstream, with a size of ours in force or not. */
static void
test_caps_change (void)
{
  GstHarness *h = gst_harness_new ("mloptimizer");
  static const int sizes[][2] = { {320, 240}, {640, 480}, {176, 144}, {320, 240} };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    g_autofree char *caps = g_strdup_printf ("video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1", sizes[i][0],
        sizes[i][1], i % 2 ? 30 : 25);
    GstBuffer *in, *out;
    g_autoptr (GstCaps) now = NULL;
    int width = 0;

    gst_harness_set_src_caps_str (h, caps);
    in = gst_buffer_new_allocate (NULL, (gsize) (sizes[i][0] * sizes[i][1] * 3 / 2), NULL);
    GST_BUFFER_PTS (in) = i * GST_SECOND;
    g_assert_cmpint (gst_harness_push (h, in), ==, GST_FLOW_OK);
    out = gst_harness_pull (h);
    g_assert_true (out == in);
    gst_buffer_unref (out);
    now = gst_pad_get_current_caps (h->sinkpad);
    gst_structure_get_int (gst_caps_get_structure (now, 0), "width", &width);
    g_assert_cmpint (width, ==, sizes[i][0]);
  }
  gst_harness_teardown (h);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/stream/untouched", test_untouched);
  g_test_add_func ("/stream/events", test_events);
  g_test_add_func ("/stream/other-memory", test_other_memory);
  g_test_add_func ("/stream/frame-rate", test_frame_rate);
  g_test_add_func ("/stream/pause-seek", test_pause_seek);
  g_test_add_func ("/stream/caps-change", test_caps_change);
  for (guint i = 0; i < G_N_ELEMENTS (places); i++) {
    g_autofree char *path = g_strdup_printf ("/stream/place/%u", i);

    g_test_add_data_func (path, places[i], test_places);
  }
  return g_test_run ();
}
