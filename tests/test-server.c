/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/socket.h>

#include <glib/gstdio.h>
#include <libsoup/soup.h>

#include "mlo-error.h"
#include "mlo-server.h"
#include "mlo-server-peer.h"
#include "mlo-ws-client.h"
#include "ws-helpers.h"

#define TOKEN "a-token-of-the-tests"
#define PATIENCE_US (20 * G_USEC_PER_SEC)
#define METRICS(name, more) "{\"stream\":\"" name "\",\"latency_ms\":30" more "}"
#define DECISION(name, kbps) "{\"type\":\"recommendation\",\"stream\":\"" name "\",\"bitrate_kbps\":" kbps \
    ",\"state\":\"normal\",\"quality_action\":{\"action\":\"no_change\",\"reason\":\"x\"},\"metrics\":{}}"

typedef struct
{
  MloServer *server;
  SoupSession *session;
} House;

static void house_free (House * h);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (House, house_free);

static House *
house_new_with (const MloServerConfig * config)
{
  House *h = g_new0 (House, 1);
  g_autoptr (GError) error = NULL;

  h->server = mlo_server_new (config, &error);
  g_assert_no_error (error);
  h->session = soup_session_new_with_options ("timeout", 10, "max-conns-per-host", 200, "max-conns", 200, NULL);
  return h;
}

static House *
house_new (const char *token)
{
  MloServerConfig config = {.listen = "127.0.0.1:0",.token = token };

  return house_new_with (&config);
}

static void
house_free (House * h)
{
  soup_session_abort (h->session);
  g_object_unref (h->session);
  mlo_server_free (h->server);
  while (g_main_context_iteration (NULL, FALSE));
  g_free (h);
}

/* Turns the loop until the condition holds. */
#define WAIT(condition) G_STMT_START { \
    gint64 until_ = g_get_monotonic_time () + PATIENCE_US; \
    while (!(condition)) { \
      g_assert_cmpint (g_get_monotonic_time (), <, until_); \
      if (!g_main_context_iteration (NULL, FALSE)) \
        g_usleep (500); \
    } \
  } G_STMT_END

/* --- plain requests --- */

typedef struct
{
  gboolean done;
  GBytes *body;
} Reply;

static void
on_reply (GObject * session, GAsyncResult * result, gpointer user_data)
{
  Reply *r = user_data;
  g_autoptr (GError) error = NULL;

  r->body = soup_session_send_and_read_finish (SOUP_SESSION (session), result, &error);
  g_assert_no_error (error);
  r->done = TRUE;
}

typedef struct
{
  const char *method, *path;
  const char *token, *host, *origin, *body;
  guint status;
  const char *says;             /* somewhere in the body */
} Request;

static void
check_request (House * h, const Request * q)
{
  g_autofree char *url = g_strconcat (mlo_server_url (h->server), q->path + 1, NULL);
  g_autoptr (SoupMessage) message = soup_message_new (q->method, url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  g_autofree char *bearer = q->token ? g_strconcat ("Bearer ", q->token, NULL) : NULL;
  g_autofree char *text = NULL;
  Reply r = { 0 };

  g_test_message ("%s %s", q->method, q->path);
  if (bearer)
    soup_message_headers_append (headers, "Authorization", bearer);
  if (q->host)
    soup_message_headers_replace (headers, "Host", q->host);
  if (q->origin)
    soup_message_headers_append (headers, "Origin", q->origin);
  if (q->body) {
    g_autoptr (GBytes) body = g_bytes_new_static (q->body, strlen (q->body));

    soup_message_set_request_body_from_bytes (message, "application/json", body);
  }
  soup_session_send_and_read_async (h->session, message, G_PRIORITY_DEFAULT, NULL, on_reply, &r);
  WAIT (r.done);
  text = g_strndup (g_bytes_get_data (r.body, NULL), g_bytes_get_size (r.body));
  g_bytes_unref (r.body);
  g_assert_cmpuint (soup_message_get_status (message), ==, q->status);
  if (q->says && !strstr (text, q->says))
    g_error ("\"%s\" is not in \"%s\"", q->says, text);
  headers = soup_message_get_response_headers (message);
  g_assert_nonnull (strstr (soup_message_headers_get_one (headers, "Content-Security-Policy"), "default-src 'none'"));
  g_assert_null (strstr (soup_message_headers_get_one (headers, "Content-Security-Policy"), "unsafe"));
  g_assert_cmpstr (soup_message_headers_get_one (headers, "X-Content-Type-Options"), ==, "nosniff");
}

/* One of the hub's own counts, as Prometheus sees it. */
static guint64
count (House * h, const char *name)
{
  g_autofree char *url = g_strconcat (mlo_server_url (h->server), "metrics.prom", NULL);
  g_autofree char *line = g_strdup_printf ("\nmloptimizer_hub_%s ", name);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", url);
  g_autofree char *text = NULL;
  const char *found;
  Reply r = { 0 };

  soup_session_send_and_read_async (h->session, message, G_PRIORITY_DEFAULT, NULL, on_reply, &r);
  WAIT (r.done);
  text = g_strndup (g_bytes_get_data (r.body, NULL), g_bytes_get_size (r.body));
  g_bytes_unref (r.body);
  found = strstr (text, line);
  g_assert_nonnull (found);
  return g_ascii_strtoull (found + strlen (line), NULL, 10);
}

static const Request open_rows[] = {
  {"GET", "/",.status = 200,.says = "<title>mloptimizer</title>"},
  {"GET", "/page.js",.status = 200,.says = "WebSocket"},
  {"GET", "/charts.js",.status = 200,.says = "Dygraph"},
  {"GET", "/page.css",.status = 200,.says = ":root"},
  {"GET", "/icon.svg",.status = 200,.says = "<svg"},
  {"GET", "/dygraph.min.js",.status = 200,.says = "Dygraph"},
  {"GET", "/dygraph.min.css",.status = 200,.says = "dygraph"},
  {"GET", "/health",.status = 200,.says = "\"status\":\"ok\""},
  {"GET", "/api/streams",.status = 200,.says = "\"streams\":[]"},
  {"GET", "/metrics.prom",.status = 200,.says = "mloptimizer_hub_connections 0"},
  {"GET", "/metrics",.status = 426,.says = "WebSocket"},
  {"GET", "/live",.status = 426,.says = "WebSocket"},
  {"GET", "/nowhere",.status = 404},
  {"GET", "/../../etc/passwd",.status = 404},
  {"GET", "/api/streams/none",.status = 404},
  {"GET", "/api/streams/none/history",.status = 404},
  {"GET", "/api/streams/none/history/more",.status = 404},
  {"GET", "/api/streams/a/limits",.status = 405},
  {"DELETE", "/api/streams",.status = 405},
  {"POST", "/",.body = "x",.status = 405},
  {"POST", "/api/streams/a/limits",.body = "{\"type\":\"limits\"}",.status = 403,.says = "without a token"},
  {"GET", "/api/streams",.origin = "http://evil.example",.status = 403},
  {"GET", "/",.host = "evil.example",.status = 403},
  {"GET", "/health",.host = "evil.example",.status = 403},
};

static void
test_open (void)
{
  g_autoptr (House) h = house_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (open_rows); i++)
    check_request (h, &open_rows[i]);
}

static const Request token_rows[] = {
  {"GET", "/",.status = 200},
  {"GET", "/health",.status = 200},
  {"GET", "/api/streams",.status = 401},
  {"GET", "/api/streams/a/history",.status = 401},
  {"GET", "/metrics.prom",.status = 401},
  {"GET", "/metrics",.status = 401},
  {"GET", "/live",.status = 401},
  {"POST", "/api/streams/a/limits",.body = "{\"type\":\"limits\"}",.status = 401},
  {"GET", "/api/streams",.token = "a-token-of-the-testS",.status = 401},
  {"GET", "/api/streams",.token = "",.status = 401},
  {"GET", "/api/streams",.token = TOKEN,.status = 200},
  {"GET", "/api/streams",.token = TOKEN,.host = "host.example:80",.status = 200},
  {"GET", "/api/streams",.token = TOKEN,.origin = "http://evil.example",.status = 403},
  {"POST", "/api/streams/a/limits",.token = TOKEN,.body = "{\"type\":\"limits\"}",.status = 404,.says = "no stream"},
  {"POST", "/api/streams/a/limits",.token = TOKEN,.body = "{\"max_bitrate_kbps\":1}",.status = 400,.says = "limits"},
  {"POST", "/api/streams/a/limits",.token = TOKEN,.body = "{",.status = 400},
  {"POST", "/api/streams/a/limits",.token = TOKEN,.body = "{\"type\":\"limits\",\"max_bitrate_kbps\":-1}",.status = 400,
      .says = "max_bitrate_kbps"},
};

static void
test_token (void)
{
  g_autoptr (House) h = house_new (TOKEN);
  g_autofree char *long_body = g_strnfill (MLO_SERVER_MAX_BODY + 1, ' ');
  Request too_long = { "POST", "/api/streams/a/limits",.token = TOKEN,.body = long_body,.status = 413 };

  for (guint i = 0; i < G_N_ELEMENTS (token_rows); i++)
    check_request (h, &token_rows[i]);
  check_request (h, &too_long);
}

/* --- where it listens --- */

static const struct
{
  const char *listen, *token;
  int code;                     /* -1: good */
} listen_rows[] = {
  {"127.0.0.1:0", NULL, -1},
  {"[::1]:0", NULL, -1},
  {"localhost:0", NULL, -1},
  {"0.0.0.0:0", NULL, MLO_ERROR_ARGUMENT},
  {"[::]:0", NULL, MLO_ERROR_ARGUMENT},
  {"0.0.0.0:0", TOKEN, -1},
  {"0.0.0.0:0", "short", MLO_ERROR_ARGUMENT},
  {"127.0.0.1:0", "short", MLO_ERROR_ARGUMENT},
  {"", NULL, MLO_ERROR_ARGUMENT},
  {"127.0.0.1:99999", NULL, MLO_ERROR_ARGUMENT},
  {"somewhere.example:80", NULL, MLO_ERROR_ARGUMENT},
  {"192.0.2.1:0", TOKEN, MLO_ERROR_IO}, /* not an address of this machine */
};

static void
test_listen (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (listen_rows); i++) {
    MloServerConfig config = {.listen = listen_rows[i].listen,.token = listen_rows[i].token };
    g_autoptr (GError) error = NULL;
    g_autoptr (MloServer) server = mlo_server_new (&config, &error);

    g_test_message ("%s", listen_rows[i].listen);
    if (listen_rows[i].code < 0) {
      /* A machine without IPv6 may refuse that one. */
      if (g_str_has_prefix (listen_rows[i].listen, "[") && !server)
        continue;
      g_assert_no_error (error);
      g_assert_cmpuint (mlo_server_port (server), >, 0);
    } else {
      g_assert_null (server);
      g_assert_error (error, MLO_ERROR, listen_rows[i].code);
    }
  }
}

static void
test_port_taken (void)
{
  g_autoptr (House) h = house_new (NULL);
  g_autofree char *listen = g_strdup_printf ("127.0.0.1:%u", mlo_server_port (h->server));
  MloServerConfig config = {.listen = listen };
  g_autoptr (GError) error = NULL;

  g_assert_null (mlo_server_new (&config, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  g_assert_nonnull (strstr (error->message, listen));
}

/* --- WebSockets --- */

typedef struct
{
  SoupWebsocketConnection *connection;
  GError *refused;
  gushort close_code;
  gboolean closed;
  GPtrArray *got;               /* of char* */
} Client;

static void client_free (Client * c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Client, client_free);

static void
client_free (Client * c)
{
  if (c->connection) {
    g_signal_handlers_disconnect_by_data (c->connection, c);
    g_io_stream_close (soup_websocket_connection_get_io_stream (c->connection), NULL, NULL);
    g_object_unref (c->connection);
  }
  g_clear_error (&c->refused);
  g_ptr_array_unref (c->got);
  g_free (c);
}

static void
on_client_message (SoupWebsocketConnection * connection, gint type, GBytes * bytes, gpointer user_data)
{
  g_ptr_array_add (((Client *) user_data)->got, g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)));
}

static void
on_client_closed (SoupWebsocketConnection * connection, gpointer user_data)
{
  Client *c = user_data;

  c->closed = TRUE;
  c->close_code = soup_websocket_connection_get_close_code (connection);
}

static void
on_client_open (GObject * session, GAsyncResult * result, gpointer user_data)
{
  Client *c = user_data;

  c->connection = soup_session_websocket_connect_finish (SOUP_SESSION (session), result, &c->refused);
  if (!c->connection)
    return;
  soup_websocket_connection_set_max_incoming_payload_size (c->connection, 0);
  g_signal_connect (c->connection, "message", G_CALLBACK (on_client_message), c);
  g_signal_connect (c->connection, "closed", G_CALLBACK (on_client_closed), c);
}

static Client *
client_new_with (House * h, const char *path, const char *token, const char *origin, char **protocols)
{
  Client *c = g_new0 (Client, 1);
  g_autofree char *url = g_strdup_printf ("ws%s%s", mlo_server_url (h->server) + 4, path);
  g_autoptr (SoupMessage) message = soup_message_new ("GET", url);
  g_autofree char *bearer = token ? g_strconcat ("Bearer ", token, NULL) : NULL;

  c->got = g_ptr_array_new_with_free_func (g_free);
  if (bearer)
    soup_message_headers_append (soup_message_get_request_headers (message), "Authorization", bearer);
  soup_session_websocket_connect_async (h->session, message, origin, protocols, G_PRIORITY_DEFAULT, NULL,
      on_client_open, c);
  WAIT (c->connection || c->refused);
  return c;
}

static Client *
client_new (House * h)
{
  Client *c = client_new_with (h, "metrics", NULL, NULL, NULL);

  g_assert_no_error (c->refused);
  return c;
}

static void
say (Client * c, const char *text)
{
  soup_websocket_connection_send_text (c->connection, text);
}

static gboolean
got (Client * c, const char *part)
{
  for (guint i = 0; i < c->got->len; i++) {
    if (strstr (g_ptr_array_index (c->got, i), part))
      return TRUE;
  }
  return FALSE;
}

static void
test_forward (void)
{
  g_autoptr (House) h = house_new (NULL);
  g_autoptr (Client) element = client_new (h), player = client_new (h);

  say (element, DECISION ("game", "4000"));
  WAIT (mlo_hub_n_streams (mlo_server_hub (h->server)) == 1);
  say (player, METRICS ("game", ""));
  WAIT (got (element, "\"latency_ms\":30"));
  say (element, DECISION ("game", "4100"));
  WAIT (got (player, "4100"));
  g_assert_false (got (player, "4000"));
}

/* Who is let in, and by which of the two ways. */
static void
test_websocket_access (void)
{
  g_autoptr (House) h = house_new (TOKEN);
  const char *right[] = { "mloptimizer-live", "bearer.YS10b2tlbi1vZi10aGUtdGVzdHM", NULL };
  const char *wrong[] = { "mloptimizer-live", "bearer.YS10b2tlbi1vZi10aGUtdGVzdHQ", NULL };
  g_autofree char *own = g_strdup_printf ("http://127.0.0.1:%u", mlo_server_port (h->server));
  g_autoptr (Client) none = client_new_with (h, "metrics", NULL, NULL, NULL);
  g_autoptr (Client) bearer = client_new_with (h, "metrics", TOKEN, NULL, NULL);
  g_autoptr (Client) page = client_new_with (h, "live", NULL, own, (char **) right);
  g_autoptr (Client) false_page = client_new_with (h, "live", NULL, own, (char **) wrong);
  g_autoptr (Client) foreign_page = client_new_with (h, "live", NULL, "http://evil.example", (char **) right);

  g_assert_nonnull (none->refused);
  g_assert_no_error (bearer->refused);
  g_assert_no_error (page->refused);
  g_assert_nonnull (false_page->refused);
  g_assert_nonnull (foreign_page->refused);
  WAIT (got (page, "\"may_limit\":true"));
}

/* A page changes what the element may do; without a token it cannot. */
static void
test_limits (void)
{
  g_autoptr (House) h = house_new (TOKEN), open = house_new (NULL);
  g_autoptr (Client) element = client_new_with (h, "metrics", TOKEN, NULL, NULL);
  g_autoptr (Client) page = client_new_with (h, "live", TOKEN, NULL, NULL);
  g_autoptr (Client) open_element = client_new (open);
  g_autoptr (Client) open_page = client_new_with (open, "live", NULL, NULL, NULL);
  Request post = { "POST", "/api/streams/a%20b/limits",.token = TOKEN,.status = 202,
    .body = "{\"type\":\"limits\",\"max_bitrate_kbps\":1234}"
  };

  say (element, DECISION ("a b", "4000"));
  WAIT (got (page, "\"name\":\"a b\""));
  say (page, "{\"type\":\"limits\",\"stream\":\"a b\",\"min_bitrate_kbps\":700,\"mode\":\"observe\"}");
  WAIT (got (element, "\"min_bitrate_kbps\":700,\"mode\":\"observe\""));
  say (element, "{\"type\":\"limits_applied\",\"stream\":\"a b\",\"min_bitrate_kbps\":800}");
  WAIT (got (page, "\"limits\":{\"min_bitrate_kbps\":800}"));
  check_request (h, &post);
  WAIT (got (element, "\"max_bitrate_kbps\":1234"));
  say (page, "{\"type\":\"limits\",\"stream\":\"a b\",\"min_bitrate_kbps\":-1}");
  WAIT (got (page, "\"type\":\"error\""));

  say (open_element, DECISION ("a b", "4000"));
  WAIT (got (open_page, "\"may_limit\":false") && got (open_page, "\"name\":\"a b\""));
  say (open_page, "{\"type\":\"limits\",\"stream\":\"a b\",\"min_bitrate_kbps\":700}");
  WAIT (got (open_page, "only with a token"));
  g_assert_cmpuint (open_element->got->len, ==, 0);
}

/* --- bounds --- */

static void
test_too_many (void)
{
  g_autoptr (House) h = house_new (NULL);
  g_autoptr (GPtrArray) clients = g_ptr_array_new_with_free_func ((GDestroyNotify) client_free);
  Client *last;

  for (guint i = 0; i < MLO_SERVER_MAX_PEERS; i++)
    g_ptr_array_add (clients, client_new (h));
  WAIT (mlo_server_n_peers (h->server) == MLO_SERVER_MAX_PEERS);
  last = client_new_with (h, "metrics", NULL, NULL, NULL);
  g_ptr_array_add (clients, last);
  g_assert_nonnull (last->refused);
  /* One leaves, one may come. */
  g_ptr_array_remove_index (clients, 0);
  WAIT (mlo_server_n_peers (h->server) == MLO_SERVER_MAX_PEERS - 1);
  last = client_new (h);
  g_ptr_array_add (clients, last);
  say (last, METRICS ("late", ""));
  WAIT (mlo_hub_n_streams (mlo_server_hub (h->server)) == 1);
}

static void
test_faulty (void)
{
  g_autoptr (House) h = house_new (NULL);
  g_autoptr (Client) garbage = client_new (h), binary = client_new (h), too_long = client_new (h);
  g_autofree char *spaces = g_strnfill (MLO_MESSAGE_MAX_BYTES + 1, ' ');
  g_autofree char *deep = g_strnfill (10000, '[');

  /* What is wrong is said, and the connection lives. */
  say (garbage, deep);
  WAIT (got (garbage, "\"type\":\"error\""));
  say (garbage, METRICS ("alive", ""));
  WAIT (mlo_hub_n_streams (mlo_server_hub (h->server)) == 1);
  g_assert_cmpuint (mlo_hub_counters (mlo_server_hub (h->server))->refused, ==, 1);
  soup_websocket_connection_send_binary (binary->connection, "\x01\x02", 2);
  WAIT (binary->closed);
  g_assert_cmpuint (binary->close_code, ==, SOUP_WEBSOCKET_CLOSE_UNSUPPORTED_DATA);
  say (too_long, spaces);
  WAIT (too_long->closed);
  g_assert_cmpuint (mlo_hub_counters (mlo_server_hub (h->server))->refused, ==, 1);
  g_assert_false (garbage->closed);
}

/* Faster than allowed: left out and counted; a flood: cut off. */
static void
test_rate (void)
{
  MloServerConfig config = {.listen = "127.0.0.1:0",.max_rate = 10 };
  g_autoptr (House) h = house_new_with (&config);
  g_autoptr (Client) fast = client_new (h), flood = client_new (h);
  const MloHubCounters *counters = mlo_hub_counters (mlo_server_hub (h->server));

  for (guint i = 0; i < 50; i++)
    say (fast, METRICS ("fast", ""));
  WAIT (got (fast, "too many messages"));
  WAIT (counters->received >= 10);
  /* On a slow machine a second or more passes meanwhile: some more get in. */
  g_assert_cmpuint (counters->received, <, 45);
  WAIT (count (h, "over_rate_total") + counters->received == 50);
  g_assert_false (fast->closed);
  for (guint i = 0; i < 100000 && !flood->closed; i++) {
    if (soup_websocket_connection_get_state (flood->connection) == SOUP_WEBSOCKET_STATE_OPEN)
      say (flood, METRICS ("flood", ""));
    if (i % 100 == 0)
      g_main_context_iteration (NULL, FALSE);
  }
  WAIT (flood->closed);
  g_assert_cmpuint (flood->close_code, ==, SOUP_WEBSOCKET_CLOSE_POLICY_VIOLATION);
}

/* A WebSocket by hand, for what a library would not do. */
static GSocketConnection *
raw_websocket (House * h)
{
  static const char hello[] = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GError) error = NULL;
  guint before = mlo_server_n_peers (h->server);
  GSocketConnection *c = g_socket_client_connect_to_host (client, "127.0.0.1", (guint16) mlo_server_port (h->server),
      NULL, &error);

  g_assert_no_error (error);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (c)), hello, sizeof hello - 1, NULL, NULL,
      NULL);
  WAIT (mlo_server_n_peers (h->server) == before + 1);
  return c;
}

/* Parts of a message, each in its bounds, and no last one. */
static void
test_endless (void)
{
  g_autoptr (House) h = house_new (NULL);
  g_autoptr (Client) other = client_new (h);
  g_autoptr (GSocketConnection) endless = NULL;
  /* A masked frame of 60000 bytes that is not the last: first a text, then continuations. */
  guint8 frame[8 + 60000] = { 0x01, 0xfe, 60000 >> 8, 60000 & 0xff };
  GSocket *socket;
  gsize at = 0;

  WAIT (mlo_server_n_peers (h->server) == 1);
  endless = raw_websocket (h);
  socket = g_socket_connection_get_socket (endless);
  g_socket_set_blocking (socket, FALSE);
  for (gint64 until_us = g_get_monotonic_time () + PATIENCE_US; mlo_server_n_peers (h->server) == 2;) {
    gssize n = g_socket_send (socket, (const char *) frame + at, sizeof frame - at, NULL, NULL);

    g_assert_cmpint (g_get_monotonic_time (), <, until_us);
    if (n > 0)
      at += (gsize) n;
    if (at == sizeof frame) {
      at = 0;
      frame[0] = 0x00;
    }
    g_main_context_iteration (NULL, FALSE);
  }
  g_assert_false (other->closed);
}

/* A reader that does not read: the oldest go, memory stays, the others are served. */
static void
test_slow_reader (void)
{
  MloServerConfig config = {.listen = "127.0.0.1:0",.max_rate = 100000 };
  g_autoptr (House) h = house_new_with (&config);
  g_autoptr (Client) element = client_new (h), player = client_new (h);
  g_autoptr (GSocketConnection) slow = NULL;
  g_autofree char *padding = g_strnfill (16000, 'x');
  g_autofree char *text = NULL;
  /* A masked text frame, the mask all zero: a measuring client of every stream. */
  static const char frame[] = "\x81\x93\x00\x00\x00\x00{\"latency_ms\":10.5}";
  MloHub *hub = mlo_server_hub (h->server);

  say (element, DECISION ("game", "4000"));
  WAIT (mlo_hub_n_streams (hub) == 1);
  WAIT (mlo_server_n_peers (h->server) == 2);
  slow = raw_websocket (h);
  g_socket_set_option (g_socket_connection_get_socket (slow), SOL_SOCKET, SO_RCVBUF, 4096, NULL);
  g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (slow)), frame, sizeof frame - 1, NULL, NULL,
      NULL);
  WAIT (got (element, "10.5"));
  say (player, METRICS ("game", ""));
  WAIT (got (element, "\"latency_ms\":30"));
  g_assert_cmpuint (count (h, "dropped_total"), ==, 0);

  /* 16 MB for someone who takes some 100 kB. */
  text = g_strdup_printf ("{\"type\":\"recommendation\",\"stream\":\"game\",\"bitrate_kbps\":1,\"metrics\":{},"
      "\"padding\":\"%s\"}", padding);
  for (guint i = 1; i <= 1000; i++) {
    say (element, text);
    WAIT (player->got->len >= i);
  }
  g_assert_cmpuint (player->got->len, ==, 1000);
  g_assert_cmpuint (count (h, "dropped_total"), >, 1000 - 2 * MLO_SERVER_PEER_MAX_QUEUE_BYTES / 16000);
  g_assert_cmpuint (mlo_server_n_peers (h->server), ==, 3);
}

/* --- TLS, and the end --- */

static void
on_text (gpointer user_data, const char *text, gsize length)
{
  g_ptr_array_add (user_data, g_strndup (text, length));
}

static void
test_tls (void)
{
  static const MloWsFuncs funcs = {.text = on_text };
  g_autofree char *folder = g_dir_make_tmp ("mlo-server-XXXXXX", NULL);
  g_autofree char *pem = NULL, *key = NULL, *other_pem = NULL, *other_key = NULL, *uri = NULL;
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GTlsCertificate) certificate = NULL;
  g_autoptr (House) h = NULL;
  g_autoptr (GError) error = NULL;
  MloServerConfig config = {.listen = "127.0.0.1:0",.token = TOKEN };
  MloWsConfig client_config = mlo_ws_config_default;
  MloWsClient *client, *wary;

  ws_certificate (folder, "server", "IP:127.0.0.1", &pem, &key);
  ws_certificate (folder, "other", "IP:127.0.0.1", &other_pem, &other_key);
  certificate = g_tls_certificate_new_from_files (pem, key, &error);
  g_assert_no_error (error);
  config.certificate = certificate;
  h = house_new_with (&config);
  g_assert_true (g_str_has_prefix (mlo_server_url (h->server), "https://127.0.0.1:"));
  uri = g_strdup_printf ("wss://127.0.0.1:%u/metrics", mlo_server_port (h->server));
  client_config.uri = uri;
  client_config.token = TOKEN;
  client_config.ca_file = pem;
  client = mlo_ws_client_new (NULL, &client_config, &funcs, texts, &error);
  g_assert_no_error (error);
  client_config.ca_file = other_pem;
  wary = mlo_ws_client_new (NULL, &client_config, &funcs, texts, &error);
  g_assert_no_error (error);
  mlo_ws_client_start (wary);
  WAIT (mlo_ws_client_counts (wary)->failures > 0);
  g_assert_cmpuint (mlo_server_n_peers (h->server), ==, 0);
  mlo_ws_client_free (wary);
  mlo_ws_client_start (client);
  WAIT (mlo_server_n_peers (h->server) == 1);
  {
    g_autoptr (GSocketClient) plain = g_socket_client_new ();
    g_autoptr (GSocketConnection) knock = g_socket_client_connect_to_host (plain, "127.0.0.1",
        (guint16) mlo_server_port (h->server), NULL, NULL);

    /* One who never ends his handshake is in nobody's way. */
    g_assert_nonnull (knock);
    WAIT (mlo_ws_client_counts (client)->connects == 1);
    mlo_ws_client_send (client, DECISION ("game", "4000"));
    WAIT (mlo_hub_n_streams (mlo_server_hub (h->server)) == 1);
  }
  mlo_ws_client_free (client);
  WAIT (mlo_server_n_peers (h->server) == 0);
  g_remove (pem);
  g_remove (key);
  g_remove (other_pem);
  g_remove (other_key);
  g_rmdir (folder);
}

static void
test_close (void)
{
  g_autoptr (House) h = house_new (NULL);
  g_autoptr (Client) c = client_new (h), late = NULL;

  WAIT (mlo_server_n_peers (h->server) == 1);
  mlo_server_close (h->server);
  WAIT (c->closed && mlo_server_n_peers (h->server) == 0);
  g_assert_cmpuint (c->close_code, ==, SOUP_WEBSOCKET_CLOSE_GOING_AWAY);
  late = client_new_with (h, "metrics", NULL, NULL, NULL);
  g_assert_nonnull (late->refused);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/server/open", test_open);
  g_test_add_func ("/server/token", test_token);
  g_test_add_func ("/server/listen", test_listen);
  g_test_add_func ("/server/port-taken", test_port_taken);
  g_test_add_func ("/server/forward", test_forward);
  g_test_add_func ("/server/websocket-access", test_websocket_access);
  g_test_add_func ("/server/limits", test_limits);
  g_test_add_func ("/server/too-many", test_too_many);
  g_test_add_func ("/server/faulty", test_faulty);
  g_test_add_func ("/server/rate", test_rate);
  g_test_add_func ("/server/endless", test_endless);
  g_test_add_func ("/server/slow-reader", test_slow_reader);
  g_test_add_func ("/server/tls", test_tls);
  g_test_add_func ("/server/close", test_close);
  return g_test_run ();
}
