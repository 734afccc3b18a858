/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The WebSocket client against libsoup's own server and against another library's. */
#include <libsoup/soup.h>
#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include "mlo-error.h"
#include "mlo-message.h"
#include "mlo-random.h"
#include "mlo-ws-client.h"
#include "no-leak-check.h"
#include "ws-helpers.h"

#define LONG_S 20               /* what a condition may take on a busy machine */

typedef struct
{
  GMainContext *context;
  MloWsClient *client;
  guint texts;
  GString *last;                /* text received */
  guint changes;                /* of the state */
  GArray *waits;                /* gint64: when each wait began */
} Fixture;

static void
on_text (gpointer user_data, const char *text, gsize length)
{
  Fixture *f = user_data;

  f->texts++;
  g_string_truncate (f->last, 0);
  g_string_append_len (f->last, text, (gssize) length);
}

static void
on_state (gpointer user_data, MloWsState state)
{
  Fixture *f = user_data;
  gint64 now_us = g_get_monotonic_time ();

  f->changes++;
  if (state == MLO_WS_WAITING)
    g_array_append_val (f->waits, now_us);
}

static const MloWsFuncs funcs = { on_text, on_state };

static MloWsConfig
quick_config (const char *uri)
{
  MloWsConfig config = mlo_ws_config_default;

  config.uri = uri;
  config.seed = 1;
  config.ping_s = 1;
  config.silence_s = 2.5;
  config.connect_s = 10.0;
  config.first_wait_s = 0.02;
  config.max_wait_s = 0.2;
  config.stable_s = 0.5;
  return config;
}

static void
fixture_init (Fixture * f)
{
  memset (f, 0, sizeof *f);
  f->context = g_main_context_new ();
  f->last = g_string_new ("");
  f->waits = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_main_context_push_thread_default (f->context);
}

static void
start (Fixture * f, const MloWsConfig * config)
{
  g_autoptr (GError) error = NULL;

  f->client = mlo_ws_client_new (f->context, config, &funcs, f, &error);
  g_assert_no_error (error);
  g_assert_cmpint (mlo_ws_client_state (f->client), ==, MLO_WS_IDLE);
  mlo_ws_client_start (f->client);
}

static void
start_at (Fixture * f, guint port)
{
  g_autofree char *uri = g_strdup_printf ("ws://127.0.0.1:%u/metrics", port);
  MloWsConfig config = quick_config (uri);

  start (f, &config);
}

static void
stop (Fixture * f)
{
  gint64 start_us = g_get_monotonic_time ();

  mlo_ws_client_free (g_steal_pointer (&f->client));
  g_assert_cmpint (g_get_monotonic_time () - start_us, <, 5 * G_USEC_PER_SEC);
}

static void
fixture_clear (Fixture * f)
{
  stop (f);
  g_main_context_pop_thread_default (f->context);
  g_main_context_unref (f->context);
  g_string_free (f->last, TRUE);
  g_array_unref (f->waits);
}

static gboolean
wake (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

/* Runs the context until @condition or for LONG_S, and says whether it came true. */
#define WAIT(f, condition) \
  G_STMT_START { \
    gint64 end_us = g_get_monotonic_time () + LONG_S * G_USEC_PER_SEC; \
    GSource *tick = g_timeout_source_new (20); \
    g_source_set_callback (tick, wake, NULL, NULL); \
    g_source_attach (tick, (f)->context); \
    while (!(condition) && g_get_monotonic_time () < end_us) \
      g_main_context_iteration ((f)->context, TRUE); \
    g_source_destroy (tick); \
    g_source_unref (tick); \
    if (!(condition)) \
      g_error ("%s:%d: not within %d s: %s (state %s, error \"%s\", %" \
          G_GUINT64_FORMAT " received, %" G_GUINT64_FORMAT " limited)", __FILE__, __LINE__, LONG_S, #condition, \
          mlo_ws_state_name (mlo_ws_client_state ((f)->client)), COUNTS (f)->last_error, COUNTS (f)->received, \
          COUNTS (f)->limited); \
  } G_STMT_END

#define COUNTS(f) mlo_ws_client_counts ((f)->client)
#define OPEN(f) (mlo_ws_client_state ((f)->client) == MLO_WS_OPEN)

/* --- libsoup's server --- */

typedef struct
{
  SoupServer *server;
  SoupWebsocketConnection *connection;
  guint texts, opened, closed;
  gushort close_code;
  GString *last;
  char *authorization;
} Peer;

static void
peer_message (SoupWebsocketConnection * connection, int type, GBytes * bytes, Peer * peer)
{
  gsize length;
  const char *text = g_bytes_get_data (bytes, &length);

  peer->texts++;
  g_string_truncate (peer->last, 0);
  g_string_append_len (peer->last, text, (gssize) length);
}

static void
peer_closed (SoupWebsocketConnection * connection, Peer * peer)
{
  peer->closed++;
  peer->close_code = soup_websocket_connection_get_close_code (connection);
}

static void
peer_opened (SoupServer * server, SoupServerMessage * message, const char *path, SoupWebsocketConnection * connection,
    gpointer data)
{
  Peer *peer = data;

  peer->opened++;
  g_set_object (&peer->connection, connection);
  g_free (peer->authorization);
  peer->authorization =
      g_strdup (soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Authorization"));
  g_signal_connect (connection, "message", G_CALLBACK (peer_message), peer);
  g_signal_connect (connection, "closed", G_CALLBACK (peer_closed), peer);
}

/* In the fixture's context. */
static guint
peer_listen (Peer * peer, guint port, GTlsCertificate * certificate)
{
  g_autoptr (GError) error = NULL;
  GSList *uris;

  peer->server = soup_server_new (NULL, NULL);
  if (!peer->last)
    peer->last = g_string_new ("");
  if (certificate)
    soup_server_set_tls_certificate (peer->server, certificate);
  soup_server_add_websocket_handler (peer->server, "/metrics", NULL, NULL, peer_opened, peer, NULL);
  soup_server_listen_local (peer->server, port, SOUP_SERVER_LISTEN_IPV4_ONLY | (certificate ?
          SOUP_SERVER_LISTEN_HTTPS : 0), &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (peer->server);
  port = (guint) g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  return port;
}

static void
peer_gone (Peer * peer)
{
  if (peer->connection)
    g_signal_handlers_disconnect_by_data (peer->connection, peer);
  g_clear_object (&peer->connection);
  soup_server_disconnect (peer->server);
  g_clear_object (&peer->server);
}

static void
peer_clear (Peer * peer)
{
  if (peer->server)
    peer_gone (peer);
  g_string_free (peer->last, TRUE);
  g_free (peer->authorization);
}

/* There and back, the token with it; a path that is not served; and good-bye. */
static void
test_exchange (void)
{
  Fixture f;
  Peer peer = { 0 };
  guint port;
  g_autofree char *uri = NULL;
  MloWsConfig config;

  fixture_init (&f);
  port = peer_listen (&peer, 0, NULL);
  uri = g_strdup_printf ("ws://127.0.0.1:%u/metrics", port);
  config = quick_config (uri);
  config.token = "secret-1";
  start (&f, &config);
  g_assert_false (mlo_ws_client_send (f.client, "too early"));
  WAIT (&f, OPEN (&f) && peer.opened == 1);
  g_assert_cmpstr (peer.authorization, ==, "Bearer secret-1");
  g_assert_true (mlo_ws_client_send (f.client, "{\"fps\": 60}"));
  WAIT (&f, peer.texts == 1);
  g_assert_cmpstr (peer.last->str, ==, "{\"fps\": 60}");
  soup_websocket_connection_send_text (peer.connection, "from the server \xc3\xa4");
  soup_websocket_connection_send_text (peer.connection, "");
  WAIT (&f, f.texts == 2);
  g_assert_cmpstr (f.last->str, ==, "");
  g_assert_cmpuint (COUNTS (&f)->connects, ==, 1);
  g_assert_cmpuint (COUNTS (&f)->failures, ==, 0);
  g_assert_cmpuint (COUNTS (&f)->received, ==, 2);
  g_assert_cmpuint (COUNTS (&f)->sent, ==, 1);
  g_assert_cmpuint (COUNTS (&f)->dropped, ==, 0);
  {
    g_autofree char *huge = g_strnfill (MLO_MESSAGE_MAX_BYTES + 1, 'x');

    g_assert_false (mlo_ws_client_send (f.client, huge));
    huge[MLO_MESSAGE_MAX_BYTES] = '\0';
    g_assert_true (mlo_ws_client_send (f.client, huge));
    WAIT (&f, peer.texts == 2);
  }
  stop (&f);
  for (int i = 0; i < 1000 && peer.closed == 0; i++)
    g_main_context_iteration (f.context, i > 50);
  g_assert_cmpuint (peer.closed, ==, 1);
  g_assert_cmpuint (peer.close_code, ==, SOUP_WEBSOCKET_CLOSE_GOING_AWAY);
  fixture_clear (&f);
  peer_clear (&peer);
}

/* The server goes away and comes back at the same place, several times. */
static void
test_restarts (void)
{
  Fixture f;
  Peer peer = { 0 };
  guint port;

  fixture_init (&f);
  port = peer_listen (&peer, 0, NULL);
  start_at (&f, port);
  for (guint round = 1; round <= 3; round++) {
    guint64 failures;

    WAIT (&f, OPEN (&f) && peer.opened == round);
    mlo_ws_client_send (f.client, "here");
    WAIT (&f, peer.texts == round);
    failures = COUNTS (&f)->failures;
    peer_gone (&peer);
    WAIT (&f, COUNTS (&f)->failures >= failures + 3);
    g_assert_cmpstr (COUNTS (&f)->last_error, !=, "");
    peer_listen (&peer, port, NULL);
  }
  WAIT (&f, OPEN (&f));
  g_assert_cmpuint (COUNTS (&f)->connects, ==, 4);
  fixture_clear (&f);
  peer_clear (&peer);
}

/* Waits double to their bound, shortened by chance, and start anew after a connection that held. */
static void
test_back_off (void)
{
  Fixture f;
  Peer peer = { 0 };
  MloWsConfig config = quick_config ("ws://127.0.0.1:1/metrics");
  guint port;
  double shortest_ms = 1e9;

  fixture_init (&f);
  config.first_wait_s = 0.05;
  config.max_wait_s = 0.4;
  start (&f, &config);
  WAIT (&f, f.waits->len >= 8);
  for (guint i = 0; i + 1 < f.waits->len; i++) {
    double wait_ms = (double) (g_array_index (f.waits, gint64, i + 1) - g_array_index (f.waits, gint64, i)) / 1000.0;
    double full_ms = MIN (50.0 * (1 << MIN (i, 5)), 400.0);

    g_test_message ("wait %u: %.1f of %.0f ms", i, wait_ms, full_ms);
    g_assert_cmpfloat (wait_ms, >=, 0.5 * full_ms - 1.0);
    shortest_ms = MIN (shortest_ms, wait_ms);
  }
  g_assert_cmpfloat (shortest_ms, <, 200.0);
  g_assert_nonnull (strstr (COUNTS (&f)->last_error, "refused"));
  stop (&f);

  /* connections cut at once do not start it anew, one that held does */
  port = peer_listen (&peer, 0, NULL);
  {
    g_autofree char *uri = g_strdup_printf ("ws://127.0.0.1:%u/metrics", port);
    gint64 before_us;

    config.uri = uri;
    config.stable_s = 0.6;
    start (&f, &config);
    for (guint i = 1; i <= 5; i++) {
      WAIT (&f, OPEN (&f) && peer.opened == i);
      g_array_set_size (f.waits, 0);
      soup_websocket_connection_close (peer.connection, SOUP_WEBSOCKET_CLOSE_NORMAL, "again");
      WAIT (&f, f.waits->len == 1);
    }
    WAIT (&f, OPEN (&f) && peer.opened == 6);
    g_assert_cmpint (g_get_monotonic_time () - g_array_index (f.waits, gint64, 0), >=, 200000 - 1000);
    g_assert_nonnull (strstr (COUNTS (&f)->last_error, "1000 again"));
    before_us = g_get_monotonic_time ();
    WAIT (&f, g_get_monotonic_time () - before_us > 700000);
    g_array_set_size (f.waits, 0);
    soup_websocket_connection_close (peer.connection, SOUP_WEBSOCKET_CLOSE_NORMAL, "again");
    WAIT (&f, peer.opened == 7);
    /* 25 to 50 ms instead of 200 to 400: the next would show the doubling from the first again */
    soup_websocket_connection_close (peer.connection, SOUP_WEBSOCKET_CLOSE_NORMAL, "again");
    WAIT (&f, f.waits->len == 2);
    g_assert_cmpint (g_array_index (f.waits, gint64, 1) - g_array_index (f.waits, gint64, 0), >=, 25000 - 1000);
  }
  fixture_clear (&f);
  peer_clear (&peer);
}

/* --- what is wrong from the start --- */

static void
test_arguments (void)
{
  static const struct
  {
    const char *uri, *token, *ca_file;
    int code;
    const char *says;
  } rows[] = {
    {NULL, NULL, NULL, MLO_ERROR_ARGUMENT, "ws://HOST"},
    {"", NULL, NULL, MLO_ERROR_ARGUMENT, "ws://HOST"},
    {"localhost:8080", NULL, NULL, MLO_ERROR_ARGUMENT, "ws://"},
    {"http://localhost:8080/metrics", NULL, NULL, MLO_ERROR_ARGUMENT, "not with http:"},
    {"file:///etc/passwd", NULL, NULL, MLO_ERROR_ARGUMENT, "not with file:"},
    {"ws:///metrics", NULL, NULL, MLO_ERROR_ARGUMENT, "no host"},
    {"ws://me:pa55@host/metrics", NULL, NULL, MLO_ERROR_ARGUMENT, "token"},
    {"ws://host:99999/", NULL, NULL, MLO_ERROR_ARGUMENT, "ws://HOST"},
    {"ws://host/", "", NULL, MLO_ERROR_ARGUMENT, "1 to"},
    {"ws://host/", "a b", NULL, MLO_ERROR_ARGUMENT, "character 2"},
    {"ws://host/", "a\r\nX: y", NULL, MLO_ERROR_ARGUMENT, "character 2"},
    {"ws://host/", "t\xc3\xa4", NULL, MLO_ERROR_ARGUMENT, "character 2"},
    {"wss://host/", NULL, "/nonexistent/ca.pem", MLO_ERROR_IO, "/nonexistent/ca.pem"},
    {"wss://host/", NULL, "/dev/null/", MLO_ERROR_IO, "/dev/null"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    MloWsConfig config = mlo_ws_config_default;
    g_autoptr (GError) error = NULL;

    config.uri = rows[i].uri;
    config.token = rows[i].token;
    config.ca_file = rows[i].ca_file;
    g_assert_null (mlo_ws_client_new (NULL, &config, &funcs, NULL, &error));
    g_test_message ("%s", error->message);
    g_assert_error (error, MLO_ERROR, rows[i].code);
    g_assert_nonnull (strstr (error->message, rows[i].says));
    g_assert_null (strstr (error->message, "pa55"));
  }
}

/* --- the other library, with faults --- */

static const struct
{
  const char *mode;
  gboolean opens;
  const char *error;            /* in the last error; NULL: the connection holds */
} fault_rows[] = {
  {"refuse", FALSE, ""},
  {"hang", FALSE, "no answer to the attempt"},
  {"http", FALSE, "404"},
  {"close", TRUE, "1008 not you"},
  {"garbage", TRUE, ""},
  {"binary", TRUE, NULL},
  {"big", TRUE, "more than 64 KiB"},
  {"fragments", TRUE, "the server "},   /* a message without end, or silence where the machine is slow */
  {"flood", TRUE, "far more"},
  {"brackets", TRUE, NULL},
  {"empty", TRUE, NULL},
  {"metrics", TRUE, NULL},
};

static void
test_faults (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (fault_rows); i++) {
    WsServer *server = ws_server_start (fault_rows[i].mode, 0, NULL);
    g_autofree char *uri = g_strdup_printf ("ws://127.0.0.1:%u/metrics", server->port);
    MloWsConfig config = quick_config (uri);
    guint port = server->port;
    Fixture f;

    fixture_init (&f);
    if (!fault_rows[i].opens)
      config.connect_s = 1.0;
    start (&f, &config);
    if (fault_rows[i].error)
      WAIT (&f, COUNTS (&f)->failures >= 2 && strstr (COUNTS (&f)->last_error, fault_rows[i].error));
    else
      WAIT (&f, f.texts >= 5);
    g_test_message ("%s: \"%s\", %u texts", fault_rows[i].mode, COUNTS (&f)->last_error, f.texts);
    g_assert_cmpint (COUNTS (&f)->connects > 0, ==, fault_rows[i].opens);
    if (!fault_rows[i].error)
      g_assert_cmpuint (COUNTS (&f)->failures, ==, 0);
    if (strcmp (fault_rows[i].mode, "binary") == 0 || strcmp (fault_rows[i].mode, "big") == 0)
      g_assert_cmpuint (COUNTS (&f)->rejected, >, 0);
    if (strcmp (fault_rows[i].mode, "flood") == 0) {
      g_assert_cmpuint (COUNTS (&f)->limited, >, 0);
      g_assert_cmpuint (COUNTS (&f)->received, <=, (COUNTS (&f)->connects + 1) * 2 * MLO_MESSAGE_MAX_RATE);
    }
    /* and it gets over it */
    ws_server_kill (server);
    f.texts = 0;
    server = ws_server_start ("metrics", port, NULL);
    WAIT (&f, OPEN (&f) && f.texts >= 3);
    fixture_clear (&f);
    ws_server_kill (server);
  }
}

/* A server that is stopped without a word: its sockets stay, it only says nothing. */
static void
test_frozen (void)
{
  WsServer *server = ws_server_start ("metrics", 0, NULL);
  Fixture f;
  gint64 frozen_us;

  fixture_init (&f);
  start_at (&f, server->port);
  WAIT (&f, f.texts >= 3);
  kill (server->pid, SIGSTOP);
  frozen_us = g_get_monotonic_time ();
  WAIT (&f, COUNTS (&f)->failures >= 1);
  g_assert_cmpint (g_get_monotonic_time () - frozen_us, >=, 1500000);
  g_assert_nonnull (strstr (COUNTS (&f)->last_error, "does not answer any more"));
  kill (server->pid, SIGCONT);
  f.texts = 0;
  WAIT (&f, OPEN (&f) && f.texts >= 3);
  fixture_clear (&f);
  ws_server_kill (server);
}

/* A server that only reads nothing: what waits is bounded, the oldest go, the connection stays. */
static void
test_deaf (void)
{
  WsServer *server = ws_server_start ("deaf", 0, NULL);
  g_autofree char *uri = g_strdup_printf ("ws://127.0.0.1:%u/metrics", server->port);
  g_autofree char *text = g_strnfill (60000, 'x');
  MloWsConfig config = quick_config (uri);
  Fixture f;

  fixture_init (&f);
  config.queue = 5;
  start (&f, &config);
  WAIT (&f, OPEN (&f));
  for (int i = 0; i < 2000 && COUNTS (&f)->dropped < 100; i++) {
    g_assert_true (mlo_ws_client_send (f.client, text));
    g_main_context_iteration (f.context, FALSE);
  }
  g_assert_cmpuint (COUNTS (&f)->dropped, >=, 100);
  f.texts = 0;
  WAIT (&f, f.texts >= 5);
  g_assert_true (OPEN (&f));
  fixture_clear (&f);
  ws_server_kill (server);
}

static void
test_token_refused (void)
{
  static const char *const more[] = { "--token", "right", NULL };
  WsServer *server = ws_server_start ("metrics", 0, more);
  g_autofree char *uri = g_strdup_printf ("ws://127.0.0.1:%u/metrics", server->port);
  MloWsConfig config = quick_config (uri);
  Fixture f;

  fixture_init (&f);
  config.token = "wrong-one";
  start (&f, &config);
  WAIT (&f, COUNTS (&f)->failures >= 2);
  g_assert_cmpuint (COUNTS (&f)->connects, ==, 0);
  g_assert_cmpstr (COUNTS (&f)->last_error, ==, "the server does not accept the token (401)");
  stop (&f);
  config.token = "right";
  start (&f, &config);
  WAIT (&f, f.texts >= 1);
  fixture_clear (&f);
  ws_server_kill (server);
}

/* --- TLS --- */

static void
test_certificates (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-ws-XXXXXX", NULL);
  char *certificate[3], *key[3];
  static const struct
  {
    guint certificate, trusted;
    const char *error;
  } rows[] = {
    {0, 0, NULL},
    {0, 1, "not signed by an authority"},
    {0, 3, "not signed by an authority"},
    {2, 2, "for another host"},
  };

  ws_certificate (folder, "right", "IP:127.0.0.1", &certificate[0], &key[0]);
  ws_certificate (folder, "other", "IP:127.0.0.1", &certificate[1], &key[1]);
  ws_certificate (folder, "elsewhere", "DNS:elsewhere.example", &certificate[2], &key[2]);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    const char *more[] = { "--certificate", certificate[rows[i].certificate], "--key", key[rows[i].certificate], NULL };
    WsServer *server = ws_server_start ("metrics", 0, more);
    g_autofree char *uri = g_strdup_printf ("wss://127.0.0.1:%u/metrics", server->port);
    MloWsConfig config = quick_config (uri);
    Fixture f;

    fixture_init (&f);
    config.ca_file = rows[i].trusted < 3 ? certificate[rows[i].trusted] : NULL;
    start (&f, &config);
    if (rows[i].error) {
      WAIT (&f, COUNTS (&f)->failures >= 2);
      g_test_message ("%s", COUNTS (&f)->last_error);
      g_assert_nonnull (strstr (COUNTS (&f)->last_error, rows[i].error));
      g_assert_cmpuint (COUNTS (&f)->connects, ==, 0);
    } else {
      WAIT (&f, f.texts >= 3);
      /* frozen and full: letting go must not wait for TLS's good-bye */
      kill (server->pid, SIGSTOP);
      for (int n = 0; n < 3000; n++) {
        g_autofree char *text = g_strnfill (10000, 'x');

        mlo_ws_client_send (f.client, text);
        g_main_context_iteration (f.context, FALSE);
      }
      kill (server->pid, SIGCONT);
    }
    fixture_clear (&f);
    ws_server_kill (server);
  }
  for (guint i = 0; i < 3; i++) {
    g_unlink (certificate[i]);
    g_unlink (key[i]);
    g_free (certificate[i]);
    g_free (key[i]);
  }
  g_rmdir (folder);
}

/* Plain text where TLS is expected, and the other way round. */
static void
test_wrong_scheme (void)
{
  WsServer *server = ws_server_start ("metrics", 0, NULL);
  g_autofree char *uri = g_strdup_printf ("wss://127.0.0.1:%u/metrics", server->port);
  MloWsConfig config = quick_config (uri);
  Fixture f;

  fixture_init (&f);
  start (&f, &config);
  WAIT (&f, COUNTS (&f)->failures >= 2);
  g_assert_cmpuint (COUNTS (&f)->connects, ==, 0);
  fixture_clear (&f);
  ws_server_kill (server);
}

/* --- stopping --- */

/* In whatever state it is: at once, and nothing comes after it. */
static void
test_stop_anywhere (void)
{
  static const char *const modes[] = { "metrics", "hang", "refuse", "slow" };
  MloRandom random;

  mlo_random_seed (&random, 7);
  for (guint m = 0; m < G_N_ELEMENTS (modes); m++) {
    WsServer *server = ws_server_start (modes[m], 0, NULL);
    gint64 slowest_us = 0;

    for (int i = 0; i < 40; i++) {
      Fixture f;
      gint64 until_us = g_get_monotonic_time () + mlo_random_below (&random, 20000);
      guint texts, changes;

      fixture_init (&f);
      start_at (&f, server->port);
      while (i > 0 && g_get_monotonic_time () < until_us)
        g_main_context_iteration (f.context, FALSE);
      texts = f.texts;
      changes = f.changes;
      until_us = g_get_monotonic_time ();
      stop (&f);
      slowest_us = MAX (slowest_us, g_get_monotonic_time () - until_us);
      while (g_main_context_iteration (f.context, FALSE));
      g_assert_cmpuint (f.texts, ==, texts);
      g_assert_cmpuint (f.changes, ==, changes);
      fixture_clear (&f);
    }
    g_test_message ("%s: stopped in at most %.1f ms", modes[m], (double) slowest_us / 1000.0);
    ws_server_kill (server);
  }
}

static guint
open_files (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir))
    n++;
  return n;
}

/* Nothing of a connection or an attempt stays open. */
static void
test_no_leak (void)
{
  WsServer *server = ws_server_start ("metrics", 0, NULL);
  guint before = 0;

  for (int i = 0; i < 30; i++) {
    Fixture f;

    fixture_init (&f);
    start_at (&f, server->port);
    if (i % 2 == 0)
      WAIT (&f, f.texts >= 1);
    fixture_clear (&f);
    if (i == 4)
      before = open_files ();
  }
  g_assert_cmpuint (open_files (), <=, before);
  ws_server_kill (server);
}

int
main (int argc, char **argv)
{
  signal (SIGPIPE, SIG_IGN);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ws-client/arguments", test_arguments);
  g_test_add_func ("/ws-client/exchange", test_exchange);
  g_test_add_func ("/ws-client/restarts", test_restarts);
  g_test_add_func ("/ws-client/back-off", test_back_off);
  g_test_add_func ("/ws-client/faults", test_faults);
  g_test_add_func ("/ws-client/frozen", test_frozen);
  g_test_add_func ("/ws-client/deaf", test_deaf);
  g_test_add_func ("/ws-client/token-refused", test_token_refused);
  g_test_add_func ("/ws-client/certificates", test_certificates);
  g_test_add_func ("/ws-client/wrong-scheme", test_wrong_scheme);
  g_test_add_func ("/ws-client/stop-anywhere", test_stop_anywhere);
  g_test_add_func ("/ws-client/no-leak", test_no_leak);
  return g_test_run ();
}
