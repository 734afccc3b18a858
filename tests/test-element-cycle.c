/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Up and down a hundred times, other pipelines less often: nothing leaks, nothing warns (a warning of any library ends the test). */
#include <gio/gio.h>

#include "element-helpers.h"

#define N 100
#define N_OTHERS 15
#define TWCC "application/x-rtp,payload=96,extmap-1=(string)http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define SMALL "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! "
#define X264 "x264enc tune=zerolatency speed-preset=ultrafast "

static const char *const launches[] = {
  "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! mloptimizer name=o ! "
      "x264enc tune=zerolatency speed-preset=ultrafast ! fakesink",
  "videotestsrc is-live=true ! queue ! mloptimizer name=o ! vp8enc deadline=1 ! rtpvp8pay ! "
      "application/x-rtp,extmap-1=(string)http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01 ! "
      "rtpsession ! fakesink async=false",
};

/* What else hangs on an element: several encoders, encodebin, sessions and peers, sinks that are asked, a server that is not
 * there, a group. */
static const struct
{
  const char *name, *needs, *launch;
} others[] = {
  {"several", "vp8enc", SMALL "mloptimizer name=o ! tee name=t t. ! queue ! " X264 "! fakesink async=false "
        "t. ! queue ! videoscale ! video/x-raw,width=80,height=60 ! vp8enc deadline=1 ! fakesink async=false"},
  {"encodebin", "encodebin", SMALL "mloptimizer name=o ! encodebin profile=video/x-vp8 ! fakesink async=false"},
  {"rtpbin", "rtpbin", SMALL "mloptimizer name=o peer=b ! " X264 "! rtph264pay ! " TWCC " ! tee name=t "
        "rtpbin name=a rtpbin name=b t. ! queue ! a.send_rtp_sink_0 t. ! queue ! b.send_rtp_sink_0 "
        "a.send_rtp_src_0 ! fakesink async=false b.send_rtp_src_0 ! fakesink async=false"},
  {"parity", "rtpulpfecenc", SMALL "mloptimizer name=o ! " X264 "! rtph264pay ! rtpulpfecenc pt=122 percentage=50 ! "
        "fakesink async=false"},
  {"srt", "srtsink", SMALL "mloptimizer name=o peer=127.0.0.1 ! " X264 "! mpegtsmux ! "
        "srtsink uri=srt://127.0.0.1:9 wait-for-connection=false async=false"},
  {"services", NULL, SMALL "mloptimizer name=o group=g server=ws://127.0.0.1:9/metrics ! " X264
        "! fakesink async=false"},
};

static GstTracer *
leaks_tracer (void)
{
  GList *tracers = gst_tracing_get_active_tracers ();
  GstTracer *found = NULL;

  for (GList * l = tracers; l; l = l->next) {
    if (g_strcmp0 (G_OBJECT_TYPE_NAME (l->data), "GstLeaksTracer") == 0)
      found = gst_object_ref (l->data);
  }
  g_list_free_full (tracers, gst_object_unref);
  return found;
}

/* Objects more than at the last call, or since the tracking began. */
static int
count_since (GstTracer * tracer)
{
  g_autoptr (GstStructure) s = NULL;
  const GValue *list;
  guint n;

  g_signal_emit_by_name (tracer, "activity-get-checkpoint", &s);
  list = gst_structure_get_value (s, "objects-created-list");
  n = gst_value_list_get_size (list);
  list = gst_structure_get_value (s, "objects-removed-list");
  g_test_message ("created %u, removed %u", n, gst_value_list_get_size (list));
  return (int) n - (int) gst_value_list_get_size (list);
}

/* Objects more than when the tracking began. What a thread of GStreamer's pool still holds is let go of a little later. */
static int
count_created (GstTracer * tracer)
{
  int more = count_since (tracer);

  for (guint i = 0; i < 40 && more > 0; i++) {
    g_usleep (50000);
    more += count_since (tracer);
  }
  return more;
}

static void
cycle (const char *launch, guint times)
{
  Run *r = run_new (launch);

  for (guint i = 0; i < times; i++) {
    run_play (r);
    /* Some end at once, some while frames and ticks flow. */
    if (i % 3 == 0)
      run_until (r, 0.08, NULL, NULL);
    gst_element_set_state (r->pipeline, GST_STATE_NULL);
  }
  run_assert_clean (r, "no connection to the server");
  run_free (r);
}

static void
run_cycles (const char *launch, guint times)
{
  GstTracer *tracer = leaks_tracer ();
  guint files, threads;

  g_assert_nonnull (tracer);
  /* What is made once (classes, pools of threads) is made here. */
  cycle (launch, 3);
  files = count_entries ("/proc/self/fd");
  threads = count_entries ("/proc/self/task");
  g_signal_emit_by_name (tracer, "activity-start-tracking");
  cycle (launch, times);
  g_assert_cmpint (count_created (tracer), <=, 0);
  g_signal_emit_by_name (tracer, "activity-stop-tracking");
  g_assert_cmpuint (count_entries ("/proc/self/fd"), <=, files + 2);
  /* GStreamer keeps idle threads in its pool. */
  g_assert_cmpuint (count_entries ("/proc/self/task"), <=, threads + 4);
  gst_object_unref (tracer);
}

static void
test_cycles (gconstpointer launch)
{
  run_cycles (launch, N);
}

static void
test_others (gconstpointer row)
{
  guint i = GPOINTER_TO_UINT (row);
  g_autoptr (GstElementFactory) factory = others[i].needs ? gst_element_factory_find (others[i].needs) : NULL;

  if (others[i].needs && !factory) {
    g_test_skip ("not installed");
    return;
  }
  run_cycles (others[i].launch, N_OTHERS);
}

/* The element alone, dropped in any state it may be in. */
static void
test_unused (void)
{
  GstTracer *tracer = leaks_tracer ();

  for (guint i = 0; i < 22; i++) {
    GstElement *e;
    GstStructure *s = NULL;

    /* The first two make what is made once. */
    if (i == 2)
      g_signal_emit_by_name (tracer, "activity-start-tracking");
    e = gst_object_ref_sink (gst_element_factory_make ("mloptimizer", NULL));
    g_object_get (e, "stats", &s, NULL);
    gst_structure_free (s);
    if (i % 2) {
      gst_element_set_state (e, GST_STATE_PLAYING);
      gst_element_set_state (e, GST_STATE_NULL);
    }
    gst_object_unref (e);
  }
  g_assert_cmpint (count_created (tracer), <=, 0);
  g_signal_emit_by_name (tracer, "activity-stop-tracking");
  gst_object_unref (tracer);
}

/* Taken out of its pipeline while it plays, the pipeline freed, and only then stopped. */
static void
test_orphan (void)
{
  Run *r = run_new (launches[0]);
  GstElement *element = gst_object_ref (r->element);

  run_play (r);
  run_until (r, 0.5, NULL, NULL);
  gst_bin_remove (GST_BIN (r->pipeline), element);
  run_free (r);
  g_usleep (300000);
  gst_element_set_state (element, GST_STATE_NULL);
  g_assert_cmpint (GST_OBJECT_REFCOUNT_VALUE (element), ==, 1);
  gst_object_unref (element);
}

int
main (int argc, char **argv)
{
  g_setenv ("GST_TRACERS", "leaks", TRUE);
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/cycle/unused", test_unused);
  g_test_add_func ("/cycle/orphan", test_orphan);
  g_test_add_data_func ("/cycle/x264", launches[0], test_cycles);
  g_test_add_data_func ("/cycle/rtp", launches[1], test_cycles);
  for (guint i = 0; i < G_N_ELEMENTS (others); i++) {
    g_autofree char *path = g_strdup_printf ("/cycle/others/%s", others[i].name);

    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_others);
  }
  return g_test_run ();
}
