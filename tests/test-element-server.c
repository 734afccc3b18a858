/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element and its streaming server: libsoup's in this process, and one in another library with faults. */
#include <libsoup/soup.h>

#include <glib/gstdio.h>

#include "element-helpers.h"
#include "mlo-message.h"
#include "mlo-ws-client.h"
#include "no-leak-check.h"
#include "ws-helpers.h"

#define LONG_S 30.0             /* what a condition may take on a busy machine */
#define LAUNCH "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! " \
    "mloptimizer name=o models=" TEST_SOURCE "/models min-bitrate=300000 max-bitrate=4000000 ! " \
    "x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000 ! fakesink name=sink"

/* --- a server in a thread of this process --- */

typedef struct
{
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  SoupServer *server;
  SoupWebsocketConnection *connection;
  guint port;
  GMutex lock;                  /* protects messages */
  GArray *messages;             /* of MloMessage, as they came */
  GArray *times;                /* gint64 us, beside them */
} Hub;

static void
hub_keep (const MloMessage * message, gpointer data)
{
  Hub *hub = data;
  gint64 now_us = g_get_monotonic_time ();

  g_assert_cmpuint (message->rejected, ==, 0);
  g_mutex_lock (&hub->lock);
  g_array_append_val (hub->messages, *message);
  g_array_append_val (hub->times, now_us);
  g_mutex_unlock (&hub->lock);
}

static void
hub_message (SoupWebsocketConnection * connection, int type, GBytes * bytes, Hub * hub)
{
  g_autoptr (GError) error = NULL;
  gsize length;
  const char *text = g_bytes_get_data (bytes, &length);

  mlo_message_parse (text, length, hub_keep, hub, &error);
  g_assert_no_error (error);
}

static void
hub_opened (SoupServer * server, SoupServerMessage * message, const char *path, SoupWebsocketConnection * connection,
    gpointer data)
{
  Hub *hub = data;

  g_set_object (&hub->connection, connection);
  g_signal_connect (connection, "message", G_CALLBACK (hub_message), hub);
}

static gpointer
hub_run (gpointer data)
{
  Hub *hub = data;
  g_autoptr (GError) error = NULL;
  GSList *uris;

  g_main_context_push_thread_default (hub->context);
  hub->server = soup_server_new (NULL, NULL);
  soup_server_add_websocket_handler (hub->server, "/metrics", NULL, NULL, hub_opened, hub, NULL);
  soup_server_listen_local (hub->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (hub->server);
  g_atomic_int_set (&hub->port, (guint) g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  g_main_loop_run (hub->loop);
  g_clear_object (&hub->connection);
  g_clear_object (&hub->server);
  g_main_context_pop_thread_default (hub->context);
  return NULL;
}

static Hub *
hub_new (void)
{
  Hub *hub = g_new0 (Hub, 1);

  g_mutex_init (&hub->lock);
  hub->messages = g_array_new (FALSE, FALSE, sizeof (MloMessage));
  hub->times = g_array_new (FALSE, FALSE, sizeof (gint64));
  hub->context = g_main_context_new ();
  hub->loop = g_main_loop_new (hub->context, FALSE);
  hub->thread = g_thread_new ("hub", hub_run, hub);
  while (g_atomic_int_get (&hub->port) == 0)
    g_usleep (1000);
  return hub;
}

static gboolean
hub_quit (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

static void
hub_free (Hub * hub)
{
  g_main_context_invoke (hub->context, hub_quit, hub->loop);
  g_thread_join (hub->thread);
  g_main_loop_unref (hub->loop);
  g_main_context_unref (hub->context);
  g_array_unref (hub->messages);
  g_array_unref (hub->times);
  g_mutex_clear (&hub->lock);
  g_free (hub);
}

typedef struct
{
  Hub *hub;
  char *text;
} Sending;

static gboolean
hub_send_now (gpointer data)
{
  Sending *s = data;

  g_assert_nonnull (s->hub->connection);
  soup_websocket_connection_send_text (s->hub->connection, s->text);
  g_free (s->text);
  g_free (s);
  return G_SOURCE_REMOVE;
}

/* Returns how many messages had come when it was handed over. */
static guint
hub_send (Hub * hub, const char *text)
{
  Sending *s = g_new (Sending, 1);
  guint n;

  s->hub = hub;
  s->text = g_strdup (text);
  g_mutex_lock (&hub->lock);
  n = hub->messages->len;
  g_mutex_unlock (&hub->lock);
  g_main_context_invoke (hub->context, hub_send_now, s);
  return n;
}

/* The first message of a type at or after @from for which @fits (NULL: any) says so; its index in @at. */
static MloMessage
hub_wait (Run * r, Hub * hub, guint from, MloMessageType type, gboolean (*fits) (const MloMessage *, double),
    double value, guint * at)
{
  gint64 end_us = g_get_monotonic_time () + (gint64) (LONG_S * 1e6);

  do {
    g_mutex_lock (&hub->lock);
    for (guint i = from; i < hub->messages->len; i++) {
      MloMessage m = g_array_index (hub->messages, MloMessage, i);

      if (m.type == type && (!fits || fits (&m, value))) {
        g_mutex_unlock (&hub->lock);
        if (at)
          *at = i;
        return m;
      }
    }
    g_mutex_unlock (&hub->lock);
    run_until (r, 0.01, NULL, NULL);
  } while (g_get_monotonic_time () < end_us);
  g_error ("no message of type %d (value %g) within %g s", type, value, LONG_S);
}

/* --- the element --- */

static Run *
run_with (const char *scheme, guint port)
{
  g_autofree char *uri = g_strdup_printf ("%s://127.0.0.1:%u/metrics", scheme, port);
  Run *r = run_new (LAUNCH);

  g_object_set (r->element, "server", uri, NULL);
  return r;
}

static guint64
stat_of (Run * r, const char *name)
{
  g_autoptr (GstStructure) s = NULL;
  guint64 value = 0;

  g_object_get (r->element, "stats", &s, NULL);
  gst_structure_get_uint64 (s, name, &value);
  return value;
}

static char *
stat_text (Run * r, const char *name)
{
  g_autoptr (GstStructure) s = NULL;

  g_object_get (r->element, "stats", &s, NULL);
  return g_strdup (gst_structure_get_string (s, name));
}

typedef struct
{
  const char *name;
  guint64 at_least;
} Stat;

static gboolean
stat_reached (Run * r, gpointer data)
{
  const Stat *stat = data;

  return stat_of (r, stat->name) >= stat->at_least;
}

static void
wait_stat (Run * r, const char *name, guint64 at_least)
{
  Stat stat = { name, at_least };

  if (!run_until (r, LONG_S, stat_reached, &stat)) {
    g_autofree char *error = stat_text (r, "server-error");

    g_error ("%s is %" G_GUINT64_FORMAT ", not %" G_GUINT64_FORMAT " (server-error: %s)", name, stat_of (r, name),
        at_least, error);
  }
}

/* Frames go on as if nothing were. */
static void
assert_streams (Run * r)
{
  wait_stat (r, "frames-encoded", stat_of (r, "frames-encoded") + 10);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, FALSE, NULL), ==, 0);
}

/* --- tests --- */

static void
test_addresses (void)
{
  static const struct
  {
    const char *property, *value, *says;
  } rows[] = {
    {"server", "http://127.0.0.1:8080/metrics", "begins with ws:// or"},
    {"server", "127.0.0.1:8080", "ws://"},
    {"server", "ws:///metrics", "no host"},
    {"server", "ws://u:secret@host/metrics", "token"},
    {"server-token", "two words", "visible ASCII"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Run *r = run_new (LAUNCH);

    g_object_set (r->element, "server", "ws://127.0.0.1:1/", NULL);
    g_object_set (r->element, rows[i].property, rows[i].value, NULL);
    g_assert_cmpint (gst_element_set_state (r->pipeline, GST_STATE_READY), ==, GST_STATE_CHANGE_FAILURE);
    run_until (r, 0.05, NULL, NULL);
    g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, TRUE, rows[i].says), ==, 1);
    g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, TRUE, "secret"), ==, 0);
    /* and with a right one it goes on */
    g_object_set (r->element, "server", "", "server-token", "", NULL);
    g_assert_cmpint (gst_element_set_state (r->pipeline, GST_STATE_READY), !=, GST_STATE_CHANGE_FAILURE);
    run_free (r);
  }
}

/* In READY it can still be chosen, changed and left. */
static void
test_set_in_ready (void)
{
  WsServer *server = ws_server_start ("metrics", 0, NULL);
  g_autofree char *uri = g_strdup_printf ("ws://127.0.0.1:%u/metrics", server->port);
  Run *r = run_new (LAUNCH);

  gst_element_set_state (r->pipeline, GST_STATE_READY);
  g_object_set (r->element, "server", "nowhere", NULL);
  g_assert_cmpint (gst_element_set_state (r->pipeline, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  gst_element_set_state (r->pipeline, GST_STATE_READY);
  g_object_set (r->element, "server", uri, NULL);
  run_play (r);
  wait_stat (r, "server-connects", 1);
  gst_element_set_state (r->pipeline, GST_STATE_READY);
  g_object_set (r->element, "server", NULL, NULL);
  run_play (r);
  {
    g_autoptr (GstStructure) s = NULL;

    g_object_get (r->element, "stats", &s, NULL);
    g_assert_false (gst_structure_has_field (s, "server-state"));
  }
  run_until (r, 0.05, NULL, NULL);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "no connection to the server"), ==, 0);
  run_free (r);
  ws_server_kill (server);
}

/* Whoever looks at the element's properties does not see the token. */
static void
test_token_hidden (void)
{
  Run *r = run_new (LAUNCH);
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (r->element), "server-token");

  g_assert_true (spec->flags & G_PARAM_WRITABLE);
  g_assert_false (spec->flags & G_PARAM_READABLE);
  run_free (r);
}

static gboolean
has_latency (const MloMessage * m, double ms)
{
  return mlo_sample_get (&m->sample, MLO_FIELD_LATENCY, -1.0) == ms;
}

static gboolean
has_no_latency (const MloMessage * m, double unused)
{
  return !mlo_sample_has (&m->sample, MLO_FIELD_LATENCY);
}

static guint
recommendations_between (Hub * hub, guint from, guint to)
{
  guint n = 0;

  g_mutex_lock (&hub->lock);
  for (guint i = from; i < to; i++)
    n += g_array_index (hub->messages, MloMessage, i).type == MLO_MESSAGE_RECOMMENDATION;
  g_mutex_unlock (&hub->lock);
  return n;
}

/* What the server measures is in the very next decision's telemetry, which comes within one interval. */
static void
test_answer (void)
{
  Hub *hub = hub_new ();
  Run *r = run_with ("ws", hub->port);
  MloMessage m;
  double slowest_ms = 0.0;

  run_play (r);
  m = hub_wait (r, hub, 0, MLO_MESSAGE_RECOMMENDATION, NULL, 0.0, NULL);
  g_assert_false (mlo_sample_has (&m.sample, MLO_FIELD_LATENCY));
  wait_stat (r, "frames-encoded", 30);
  for (guint i = 0; i < 10; i++) {
    g_autofree char *text = g_strdup_printf ("{\"latency_ms\": %u, \"quality_score\": 0.5, \"fps\": 7, \"width\": 1}",
        100 + i);
    gint64 sent_us = g_get_monotonic_time ();
    guint from = hub_send (hub, text), at;

    m = hub_wait (r, hub, from, MLO_MESSAGE_RECOMMENDATION, has_latency, 100.0 + i, &at);
    slowest_ms = MAX (slowest_ms, (double) (g_array_index (hub->times, gint64, at) - sent_us) / 1000.0);
    /* one may have been on its way */
    g_assert_cmpuint (recommendations_between (hub, from, at), <=, 2);
    /* what the element measures or sets itself stays its own */
    g_assert_cmpfloat (m.sample.width, ==, 320.0);
    g_assert_cmpfloat (mlo_sample_get (&m.sample, MLO_FIELD_FPS, 30.0), !=, 7.0);
    g_assert_cmpfloat (m.recommendation.bitrate_kbps, >=, 300.0);
    g_assert_cmpfloat (m.recommendation.fps, >, 0.0);
    g_assert_cmpint (m.recommendation.width, ==, 320);
  }
  g_test_message ("answered within %.1f ms", slowest_ms);
  g_assert_cmpuint (stat_of (r, "metrics-messages"), ==, 10);
  g_assert_cmpuint (stat_of (r, "server-received"), ==, 10);
  g_assert_cmpuint (stat_of (r, "server-connects"), ==, 1);
  g_assert_cmpuint (stat_of (r, "server-sent"), >=, 10);
  g_assert_cmpuint (stat_of (r, "server-rejected"), ==, 0);
  /* and it grows stale */
  hub_wait (r, hub, hub->messages->len, MLO_MESSAGE_RECOMMENDATION, has_no_latency, 0.0, NULL);
  run_assert_clean (r, NULL);
  run_free (r);
  hub_free (hub);
}

static gboolean
at_most (const MloMessage * m, double kbps)
{
  return m->recommendation.bitrate_kbps <= kbps + 0.5;
}

/* Asked limits are narrower than the properties or not at all. */
static void
test_limits (void)
{
  static const struct
  {
    const char *text;
    double min, max;
    int mode;
  } rows[] = {
    {"{\"type\": \"limits\", \"max_bitrate_kbps\": 900}", 300.0, 900.0, 0},
    {"{\"type\": \"limits\", \"min_bitrate_kbps\": 100, \"max_bitrate_kbps\": 90000}", 300.0, 4000.0, 0},
    {"{\"type\": \"limits\", \"min_bitrate_kbps\": 1000, \"max_bitrate_kbps\": 800}", 800.0, 800.0, 0},
    {"{\"type\": \"limits\", \"max_bitrate_kbps\": 1}", 300.0, 300.0, 0},
    {"{\"type\": \"limits\", \"max_bitrate_kbps\": \"1\", \"min_bitrate_kbps\": 500}", 500.0, 4000.0, 0},
    {"{\"type\": \"limits\", \"mode\": \"observe\"}", 300.0, 4000.0, 1},
    {"{\"type\": \"limits\"}", 300.0, 4000.0, 0},
  };
  Hub *hub = hub_new ();
  Run *r = run_with ("ws", hub->port);
  MloMessage m;
  guint from;

  run_play (r);
  m = hub_wait (r, hub, 0, MLO_MESSAGE_RECOMMENDATION, NULL, 0.0, NULL);
  g_assert_cmpfloat (m.limits.min_bitrate_kbps, ==, 300.0);
  g_assert_cmpfloat (m.limits.max_bitrate_kbps, ==, 4000.0);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    from = hub_send (hub, rows[i].text);
    m = hub_wait (r, hub, from, MLO_MESSAGE_LIMITS_APPLIED, NULL, 0.0, &from);
    g_assert_cmpfloat (m.limits.min_bitrate_kbps, ==, rows[i].min);
    g_assert_cmpfloat (m.limits.max_bitrate_kbps, ==, rows[i].max);
    g_assert_cmpint (m.limits.mode, ==, rows[i].mode);
    if (rows[i].mode == 0)
      hub_wait (r, hub, from, MLO_MESSAGE_RECOMMENDATION, at_most, rows[i].max, NULL);
  }

  /* one that the user did not allow */
  g_object_set (r->element, "mode", 1, "max-bitrate", 2000000, NULL);
  from = hub_send (hub, "{\"type\": \"limits\", \"mode\": \"control\", \"max_bitrate_kbps\": 3000}");
  m = hub_wait (r, hub, from, MLO_MESSAGE_LIMITS_APPLIED, NULL, 0.0, NULL);
  g_assert_cmpint (m.limits.mode, ==, 1);
  g_assert_cmpfloat (m.limits.max_bitrate_kbps, ==, 2000.0);
  {
    guint max = 0;

    /* the properties stay what the user set */
    g_object_get (r->element, "max-bitrate", &max, NULL);
    g_assert_cmpuint (max, ==, 2000000);
  }
  g_assert_cmpuint (stat_of (r, "server-rejected"), ==, 1);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, FALSE, NULL), ==, 0);
  run_free (r);
  hub_free (hub);
}

static const struct
{
  const char *mode;
  const char *stat;             /* must move */
  const char *warning;
} fault_rows[] = {
  {"refuse", "server-failures", "no connection to the server"},
  {"http", "server-failures", "404"},
  {"close", "server-failures", "1008 not you"},
  {"garbage", "server-failures", "no connection to the server"},
  {"big", "server-failures", "more than 64 KiB"},
  {"fragments", "server-failures", "no connection to the server"},
  {"flood", "server-rejected", NULL},
  {"binary", "server-rejected", NULL},
  {"brackets", "server-rejected", "nested deeper"},
  {"nan", "server-rejected", "what is no message"},
  {"types", "server-rejected", "latency_ms"},
  {"text", "server-rejected", "what is no message"},
  {"stream", "server-rejected", "field stream"},
  {"empty", "server-rejected", "what is no message"},
  {"deaf", "server-received", NULL},
  {"slow", "server-connects", NULL},
};

/* A warning at most, counts, frames that flow; and the next server at that place is found. */
static void
test_faults (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (fault_rows); i++) {
    WsServer *server = ws_server_start (fault_rows[i].mode, 0, NULL);
    guint port = server->port;
    Run *r = run_with ("ws", port);
    guint64 before;

    g_test_message ("%s", fault_rows[i].mode);
    run_play (r);
    wait_stat (r, fault_rows[i].stat, 1);
    assert_streams (r);
    if (fault_rows[i].warning)
      g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, fault_rows[i].warning), ==, 1);
    ws_server_kill (server);
    before = stat_of (r, "server-received");
    server = ws_server_start ("metrics", port, NULL);
    wait_stat (r, "server-received", before + 3);
    assert_streams (r);
    run_free (r);
    ws_server_kill (server);
  }
}

/* Killed, frozen and awake again, never there. */
static void
test_gone (void)
{
  WsServer *server = ws_server_start ("metrics", 0, NULL);
  guint port = server->port;
  Run *r = run_with ("ws", port);
  g_autofree char *state = NULL;
  guint64 failures;

  run_play (r);
  wait_stat (r, "server-received", 3);
  state = stat_text (r, "server-state");
  g_assert_cmpstr (state, ==, "open");
  kill (server->pid, SIGSTOP);
  failures = stat_of (r, "server-failures");
  wait_stat (r, "server-failures", failures + 1);
  assert_streams (r);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "does not answer any more"), ==, 1);
  kill (server->pid, SIGCONT);
  wait_stat (r, "server-connects", 2);
  ws_server_kill (server);
  failures = stat_of (r, "server-failures");
  wait_stat (r, "server-failures", failures + 2);
  assert_streams (r);
  server = ws_server_start ("metrics", port, NULL);
  wait_stat (r, "server-connects", 3);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "no connection to the server"), ==, 1);
  run_free (r);
  ws_server_kill (server);
}

static void
test_tls (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-element-XXXXXX", NULL);
  g_autofree char *certificate = NULL, *key = NULL;
  WsServer *server;

  ws_certificate (folder, "server", "IP:127.0.0.1", &certificate, &key);
  {
    const char *more[] = { "--certificate", certificate, "--key", key, "--token", "t0ken", NULL };

    server = ws_server_start ("metrics", 0, more);
  }
  for (guint i = 0; i < 3; i++) {
    Run *r = run_with ("wss", server->port);

    if (i > 0)
      g_object_set (r->element, "server-ca", certificate, NULL);
    if (i > 1)
      g_object_set (r->element, "server-token", "t0ken", NULL);
    run_play (r);
    if (i < 2) {
      wait_stat (r, "server-failures", 2);
      run_until (r, 0.05, NULL, NULL);
      g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, i == 0 ? "not signed by" : "accept the token"), ==, 1);
      g_assert_cmpuint (stat_of (r, "server-connects"), ==, 0);
    } else {
      wait_stat (r, "server-received", 2);
    }
    assert_streams (r);
    run_free (r);
  }
  {
    Run *r = run_with ("wss", server->port);

    g_object_set (r->element, "server-ca", "/nonexistent/ca.pem", NULL);
    run_play (r);
    assert_streams (r);
    g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "/nonexistent/ca.pem"), ==, 1);
    run_free (r);
  }
  ws_server_kill (server);
  g_unlink (certificate);
  g_unlink (key);
  g_rmdir (folder);
}

static void
cycle (guint port, guint times)
{
  Run *r = run_with ("ws", port);

  for (guint i = 0; i < times; i++) {
    gint64 start_us;

    run_play (r);
    if (i % 3 == 0)
      run_until (r, 0.05, NULL, NULL);
    start_us = g_get_monotonic_time ();
    gst_element_set_state (r->pipeline, GST_STATE_NULL);
    g_assert_cmpint (g_get_monotonic_time () - start_us, <, 5 * G_USEC_PER_SEC);
  }
  g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, FALSE, NULL), ==, 0);
  run_free (r);
}

/* Up and down with a server that is there, slow, silent or gone: nothing stays behind. */
static void
test_cycles (void)
{
  static const char *const modes[] = { "metrics", "slow", "hang", "refuse", "gone" };

  for (guint m = 0; m < G_N_ELEMENTS (modes); m++) {
    gboolean gone = strcmp (modes[m], "gone") == 0;
    WsServer *server = ws_server_start (gone ? "metrics" : modes[m], 0, NULL);
    guint port = server->port, files, threads;

    if (gone)
      ws_server_kill (server);
    cycle (port, 3);
    files = count_entries ("/proc/self/fd");
    threads = count_entries ("/proc/self/task");
    cycle (port, 25);
    g_test_message ("%s: %u -> %u files, %u -> %u threads", modes[m], files, count_entries ("/proc/self/fd"), threads,
        count_entries ("/proc/self/task"));
    g_assert_cmpuint (count_entries ("/proc/self/fd"), <=, files + 3);
    /* GStreamer and GLib keep idle threads in their pools */
    g_assert_cmpuint (count_entries ("/proc/self/task"), <=, threads + 4);
    if (!gone)
      ws_server_kill (server);
  }
}

/* --- through a hub --- */

static void
on_hub_text (gpointer data, const char *text, gsize length)
{
}

typedef struct
{
  MloWsClient *player;
  gint64 next_us;
  gboolean tells;
  double score;                 /* that is to be seen */
  gboolean is;                  /* or not to be seen */
} Player;

static gboolean
sees_score (Run * r, gpointer data)
{
  Player *p = data;
  double score;

  while (g_main_context_iteration (NULL, FALSE));
  if (p->tells && g_get_monotonic_time () >= p->next_us) {
    mlo_ws_client_send (p->player, "{\"quality_score\": 0.4321}");
    p->next_us = g_get_monotonic_time () + 300000;
  }
  score = run_measure (r, "quality_score");
  return score >= 0.0 && (ABS (score - p->score) < 1e-9) == p->is;
}

/* What the player's end makes of it stands in for the sender's estimate, as long as it is told. */
static void
test_score (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) hub =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, g_getenv ("MLO_TOOL"), "serve", "--listen",
      "127.0.0.1:0", NULL);
  g_autoptr (GDataInputStream) out = NULL;
  g_autofree char *address = NULL, *uri = NULL;
  MloWsConfig config = mlo_ws_config_default;
  const MloWsFuncs funcs = { on_hub_text, NULL };
  Player player = {.score = 0.4321 };
  Run *r = run_new (LAUNCH);

  g_assert_no_error (error);
  out = g_data_input_stream_new (g_subprocess_get_stdout_pipe (hub));
  while (!address) {
    g_autofree char *line = g_data_input_stream_read_line (out, NULL, NULL, &error);

    g_assert_no_error (error);
    g_assert_nonnull (line);
    if (g_str_has_prefix (line, "metrics: "))
      address = g_strdup (g_strstrip (line + strlen ("metrics: ")));
  }
  uri = g_strconcat (address, "?stream=game", NULL);
  g_object_set (r->element, "server", uri, NULL);
  config.uri = uri;
  player.player = mlo_ws_client_new (NULL, &config, &funcs, NULL, &error);
  g_assert_no_error (error);
  mlo_ws_client_start (player.player);
  run_play (r);
  wait_stat (r, "server-connects", 1);
  g_assert_true (run_until (r, LONG_S, sees_score, &player));   /* the estimate */
  player.tells = player.is = TRUE;
  g_assert_true (run_until (r, LONG_S, sees_score, &player));
  player.tells = player.is = FALSE;
  g_assert_true (run_until (r, LONG_S, sees_score, &player));
  run_assert_clean (r, NULL);
  run_free (r);
  mlo_ws_client_free (player.player);
  g_subprocess_force_exit (hub);
  g_subprocess_wait (hub, NULL, NULL);
}

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/element-server/addresses", test_addresses);
  g_test_add_func ("/element-server/set-in-ready", test_set_in_ready);
  g_test_add_func ("/element-server/token-hidden", test_token_hidden);
  g_test_add_func ("/element-server/answer", test_answer);
  g_test_add_func ("/element-server/limits", test_limits);
  g_test_add_func ("/element-server/score", test_score);
  g_test_add_func ("/element-server/faults", test_faults);
  g_test_add_func ("/element-server/gone", test_gone);
  g_test_add_func ("/element-server/tls", test_tls);
  g_test_add_func ("/element-server/cycles", test_cycles);
  return g_test_run ();
}
