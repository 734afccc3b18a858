/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quality-of-service and metrics, in each way that an application may treat its bus: they are counted, the local preview
 * that posts them says nothing of the network, and the application's own handling goes on. */
#include "element-helpers.h"

/* A preview that is always late, beside the encoder. */
#define LAUNCH "videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=30/1 ! mloptimizer name=o ! tee name=t " \
  "t. ! queue ! x264enc name=e tune=zerolatency speed-preset=ultrafast bitrate=700 ! fakesink async=false " \
  "t. ! queue leaky=downstream max-size-buffers=2 ! identity sleep-time=70000 ! " \
  "fakesink name=preview sync=true qos=true max-lateness=1000000 async=false"

typedef enum
{
  WATCH,                        /* in a main loop */
  POLL,                         /* gst_bus_timed_pop */
  UNREAD,
  SYNC_PASS,                    /* a sync handler of its own */
  SYNC_DROP,                    /* ... that lets nothing on the bus: there is nothing to be heard there */
  SYNC_SIGNAL,                  /* its own sync-message emission */
  N_KINDS,
} Kind;

typedef struct
{
  GMainLoop *loop;
  gint heard;                   /* QOS messages that the application got, atomic */
} App;

static void
hear (App * app, GstMessage * m)
{
  if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_QOS)
    g_atomic_int_inc (&app->heard);
}

static gboolean
on_watch (GstBus * bus, GstMessage * m, gpointer app)
{
  hear (app, m);
  return G_SOURCE_CONTINUE;
}

static GstBusSyncReply
on_sync_pass (GstBus * bus, GstMessage * m, gpointer app)
{
  hear (app, m);
  return GST_BUS_PASS;
}

static GstBusSyncReply
on_sync_drop (GstBus * bus, GstMessage * m, gpointer app)
{
  hear (app, m);
  gst_message_unref (m);
  return GST_BUS_DROP;
}

static void
on_sync_message (GstBus * bus, GstMessage * m, gpointer app)
{
  hear (app, m);
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

static void
wait_for (App * app, GstBus * bus, Kind kind)
{
  gint64 end = g_get_monotonic_time () + 2500000;

  if (kind == WATCH) {
    app->loop = g_main_loop_new (NULL, FALSE);
    g_timeout_add (2500, quit, app->loop);
    g_main_loop_run (app->loop);
    g_main_loop_unref (app->loop);
    return;
  }
  while (g_get_monotonic_time () < end) {
    GstMessage *m = kind == POLL ? gst_bus_timed_pop (bus, 50 * GST_MSECOND) : NULL;

    if (m) {
      hear (app, m);
      gst_message_unref (m);
    } else if (kind != POLL)
      g_usleep (50000);
  }
}

static void
test_bus (gconstpointer data)
{
  Kind kind = GPOINTER_TO_INT (data);
  Run *r = run_new (LAUNCH);
  g_autoptr (GstBus) bus = gst_element_get_bus (r->pipeline);
  App app = { 0 };
  guint bitrate = 0;

  if (kind == WATCH)
    gst_bus_add_watch (bus, on_watch, &app);
  else if (kind == SYNC_PASS || kind == SYNC_DROP)
    gst_bus_set_sync_handler (bus, kind == SYNC_PASS ? on_sync_pass : on_sync_drop, &app, NULL);
  else if (kind == SYNC_SIGNAL) {
    gst_bus_enable_sync_message_emission (bus);
    g_signal_connect (bus, "sync-message", G_CALLBACK (on_sync_message), &app);
  }
  run_play (r);
  gst_element_post_message (r->element, gst_message_new_element (GST_OBJECT (r->element),
          gst_structure_new ("mloptimizer-metrics", "jitter_ms", G_TYPE_DOUBLE, 3.0, NULL)));
  wait_for (&app, bus, kind);
  /* Events come up in any case, messages where the bus carries them. */
  g_assert_cmpuint (run_stat (r, "qos-events"), >, 5);
  if (kind == SYNC_DROP) {
    g_assert_cmpuint (run_stat (r, "qos-messages"), ==, 0);
    g_assert_cmpuint (run_stat (r, "metrics-messages"), ==, 0);
  } else {
    g_assert_cmpuint (run_stat (r, "qos-messages"), >, 5);
    g_assert_cmpuint (run_stat (r, "metrics-messages"), ==, 1);
  }
  /* Told twice, counted once. */
  g_assert_cmpfloat (run_measure (r, "frame_drops"), >, 3.0);
  g_assert_cmpfloat (run_measure (r, "frame_drops"), <=, 30.0);
  /* The application hears what it did before. */
  if (kind != UNREAD)
    g_assert_cmpint (g_atomic_int_get (&app.heard), >, 5);
  /* The preview's trouble is this machine's, not the network's. */
  g_object_get (r->element, "bitrate", &bitrate, NULL);
  g_assert_cmpuint (bitrate, >=, 700000);
  if (kind == WATCH)
    gst_bus_remove_watch (bus);
  else if (kind == SYNC_PASS || kind == SYNC_DROP)
    gst_bus_set_sync_handler (bus, NULL, NULL, NULL);
  else if (kind == SYNC_SIGNAL)
    gst_bus_disable_sync_message_emission (bus);
  run_free (r);
}

int
main (int argc, char **argv)
{
  static const char *const names[N_KINDS] = { "watch", "poll", "unread", "sync-pass", "sync-drop", "sync-signal" };

  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  for (gintptr i = 0; i < N_KINDS; i++) {
    g_autofree char *path = g_strdup_printf ("/bus/%s", names[i]);

    g_test_add_data_func (path, GINT_TO_POINTER (i), test_bus);
  }
  return g_test_run ();
}
