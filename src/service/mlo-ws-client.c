/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-ws-client.h"

#include <string.h>

#include <sys/socket.h>
#include <unistd.h>

#include <libsoup/soup.h>

#include "mlo-error.h"
#include "mlo-message.h"
#include "mlo-random.h"
#include "mlo-timer.h"
#include "mlo-ws-guard.h"
#include "mlo-ws-socket.h"
#include "mlo-ws-uri.h"

#define SECOND_US G_USEC_PER_SEC
/* How often an open connection is looked at. */
#define WATCH_US (SECOND_US / 4)
/* A server that sends so much, and twice the rate, is given up rather than read on. */
#define FLOOD_RATE (5 * MLO_MESSAGE_MAX_RATE)
/* libsoup 3.2 bounds a frame, not a message in many frames: bytes that may arrive without a complete one. */
#define MAX_UNFINISHED_BYTES (1024 * 1024)
/* libsoup reads until there is nothing more before it looks at any of it, so that a fast sender could keep it reading
 * (and its buffer growing) for ever: the kernel's buffer bounds how far ahead the sender may be, and mlo-ws-guard.h ends it. */
#define RECEIVE_BUFFER (32 * 1024)
static const char broke[] = "the connection broke";

/* What free waits for at most. */
#define DRAIN_US SECOND_US

const MloWsConfig mlo_ws_config_default = {
  .queue = 64,
  .max_rate = MLO_MESSAGE_MAX_RATE,
  .ping_s = 2,
  .silence_s = 6.0,
  .connect_s = 5.0,
  .first_wait_s = 0.25,
  .max_wait_s = 15.0,
  .stable_s = 5.0,
};

struct _MloWsClient
{
  GMainContext *context;
  MloWsConfig config;           /* its strings are ours */
  GUri *uri;
  GTlsDatabase *authorities;
  const MloWsFuncs *funcs;
  gpointer user_data;
  MloRandom random;
  MloWsCounts counts;

  MloWsState state;
  GSource *timer;               /* what is due next in this state */
  double wait_s;                /* before the next attempt, without jitter */

  SoupSession *session;
  GCancellable *cancel;         /* of the attempt */
  SoupMessage *message;         /* the attempt's, while its callback is to come */

  SoupWebsocketConnection *connection;
  int descriptor;               /* of its socket, ours (mlo_ws_socket_dup) */
  MloWsGuard *guard;
  MloWsGuarded *guarded;
  GQueue outgoing;              /* of char *, owned */
  GSource *writable;            /* while something is in the queue */
  gint64 open_us, heard_us, ping_us;
  gint64 rate_us;               /* the second that is counted began */
  guint rate;                   /* texts in it */
  guint64 whole_bytes;          /* received by the socket when there was a complete text last */
  gboolean whole;               /* since the last look */
  const char *fault;            /* found in a callback of libsoup, acted on outside of it */
};

/* --- states --- */

static void
set_timer (MloWsClient * c, gint64 after_us)
{
  g_source_set_ready_time (c->timer, g_get_monotonic_time () + after_us);
}

static void
set_state (MloWsClient * c, MloWsState state)
{
  c->state = state;
  if (c->funcs->state)
    c->funcs->state (c->user_data, state);
}

static void
set_error (MloWsClient * c, const char *text)
{
  const char *end;

  g_strlcpy (c->counts.last_error, text, sizeof c->counts.last_error);
  if (!g_utf8_validate (c->counts.last_error, -1, &end))
    c->counts.last_error[end - c->counts.last_error] = '\0';
}

static void
retry_later (MloWsClient * c)
{
  double wait_s = c->wait_s * mlo_random_range (&c->random, 0.5, 1.0);

  c->counts.failures++;
  c->wait_s = MIN (2.0 * c->wait_s, c->config.max_wait_s);
  set_timer (c, (gint64) (wait_s * SECOND_US));
  set_state (c, MLO_WS_WAITING);
}

/* --- the connection --- */

/* Below TLS and libsoup's wrapper; NULL where something unknown is in between. */
static GSocket *
socket_of (SoupWebsocketConnection * connection)
{
  GIOStream *stream = soup_websocket_connection_get_io_stream (connection);
  g_autoptr (GIOStream) held = g_object_ref (stream);

  for (int i = 0; i < 4 && held; i++) {
    GIOStream *base = NULL;

    if (G_IS_SOCKET_CONNECTION (held))
      return g_socket_connection_get_socket (G_SOCKET_CONNECTION (held));
    if (g_object_class_find_property (G_OBJECT_GET_CLASS (held), "base-iostream"))
      g_object_get (held, "base-iostream", &base, NULL);
    else if (G_IS_TLS_CONNECTION (held))
      g_object_get (held, "base-io-stream", &base, NULL);
    g_object_unref (held);
    held = base;
  }
  return NULL;
}

static void
stop_writing (MloWsClient * c)
{
  if (c->writable) {
    g_source_destroy (c->writable);
    g_clear_pointer (&c->writable, g_source_unref);
  }
}

/* Lets go of the connection at once, however the other side is. */
static void
drop_connection (MloWsClient * c)
{
  stop_writing (c);
  c->counts.dropped += c->outgoing.length;
  g_queue_clear_full (&c->outgoing, g_free);
  g_signal_handlers_disconnect_by_data (c->connection, c);
  /* TLS says good-bye in a thread of its own, which would wait for room towards a frozen server. */
  mlo_ws_guard_remove (c->guard, g_steal_pointer (&c->guarded));
  mlo_ws_socket_shut (c->descriptor);
  if (c->descriptor >= 0)
    close (c->descriptor);
  c->descriptor = -1;
  g_clear_object (&c->connection);
}

static void
connection_lost (MloWsClient * c, const char *why)
{
  set_error (c, why);
  if (g_get_monotonic_time () - c->open_us >= (gint64) (c->config.stable_s * SECOND_US))
    c->wait_s = c->config.first_wait_s;
  drop_connection (c);
  retry_later (c);
}

static void
on_closed (SoupWebsocketConnection * connection, gpointer data)
{
  MloWsClient *c = data;
  gushort code = soup_websocket_connection_get_close_code (connection);
  const char *said = soup_websocket_connection_get_close_data (connection);
  g_autofree char *text = NULL;

  if (mlo_ws_guard_remove (c->guard, g_steal_pointer (&c->guarded)) && (!c->fault || c->fault == broke))
    c->fault = "the server sends without end";
  if (c->fault)
    text = g_strdup (c->fault);
  else if (code != 0)
    text = g_strdup_printf ("the server closed the connection: %u%s%s", code, said && *said ? " " : "",
        said ? said : "");
  else
    text = g_strdup (broke);
  connection_lost (c, text);
}

static void
on_error (SoupWebsocketConnection * connection, GError * error, gpointer data)
{
  MloWsClient *c = data;

  if (c->fault)
    return;
  if (g_error_matches (error, SOUP_WEBSOCKET_ERROR, SOUP_WEBSOCKET_CLOSE_TOO_BIG)) {
    c->counts.rejected++;
    c->fault = "the server sent a frame of more than 64 KiB";
  } else {
    c->fault = error->domain == SOUP_WEBSOCKET_ERROR ? "the server does not keep to the WebSocket protocol" : broke;
  }
}

static void
on_pong (SoupWebsocketConnection * connection, GBytes * bytes, gpointer data)
{
  MloWsClient *c = data;

  c->heard_us = g_get_monotonic_time ();
}

/* TRUE where the text is one too many in this second. */
static gboolean
over_rate (MloWsClient * c, gint64 now_us)
{
  if (now_us - c->rate_us >= SECOND_US) {
    c->rate_us = now_us;
    c->rate = 0;
  }
  if (++c->rate <= c->config.max_rate)
    return FALSE;
  c->counts.limited++;
  if (c->rate > MAX (FLOOD_RATE, 2 * c->config.max_rate) && !c->fault) {
    c->fault = "the server sends far more texts than it may";
    /* what libsoup has read already is to end here, too: the next frame is too large */
    soup_websocket_connection_set_max_incoming_payload_size (c->connection, 1);
    set_timer (c, 0);
  }
  return TRUE;
}

static void
on_message (SoupWebsocketConnection * connection, int type, GBytes * bytes, gpointer data)
{
  MloWsClient *c = data;
  gsize length = 0;
  const char *text = g_bytes_get_data (bytes, &length);

  c->heard_us = g_get_monotonic_time ();
  c->whole = TRUE;
  if (c->guarded)
    mlo_ws_guard_looked (c->guard, c->guarded);
  if (c->fault)
    return;
  if (over_rate (c, c->heard_us))
    return;
  if (type != SOUP_WEBSOCKET_DATA_TEXT || length > MLO_MESSAGE_MAX_BYTES) {
    c->counts.rejected++;
    return;
  }
  c->counts.received++;
  c->funcs->text (c->user_data, text ? text : "", length);
}

static void
watch_connection (MloWsClient * c)
{
  gint64 now_us = g_get_monotonic_time ();
  guint64 bytes = mlo_ws_socket_received (c->descriptor);

  mlo_ws_guard_looked (c->guard, c->guarded);
  if (c->whole)
    c->whole_bytes = bytes;
  c->whole = FALSE;
  if (c->fault)
    connection_lost (c, c->fault);
  else if (now_us - c->heard_us > (gint64) (c->config.silence_s * SECOND_US))
    connection_lost (c, "the server does not answer any more");
  else if (bytes > c->whole_bytes && bytes - c->whole_bytes > MAX_UNFINISHED_BYTES)
    connection_lost (c, "the server sends a message without end");
  else
    set_timer (c, WATCH_US);
}

static void
opened (MloWsClient * c)
{
  gint64 now_us = g_get_monotonic_time ();

  c->counts.connects++;
  c->guarded = mlo_ws_guard_add (c->guard, c->descriptor, MLO_WS_GUARD_MAX_BYTES);
  c->open_us = c->heard_us = c->rate_us = now_us;
  c->rate = 0;
  c->whole_bytes = 0;
  c->whole = FALSE;
  c->fault = NULL;
  soup_websocket_connection_set_max_incoming_payload_size (c->connection, MLO_MESSAGE_MAX_BYTES);
  soup_websocket_connection_set_keepalive_interval (c->connection, c->config.ping_s);
  g_signal_connect (c->connection, "message", G_CALLBACK (on_message), c);
  g_signal_connect (c->connection, "pong", G_CALLBACK (on_pong), c);
  g_signal_connect (c->connection, "error", G_CALLBACK (on_error), c);
  g_signal_connect (c->connection, "closed", G_CALLBACK (on_closed), c);
  set_timer (c, WATCH_US);
  set_state (c, MLO_WS_OPEN);
}

/* --- attempts --- */

static const char *
certificate_fault (GTlsCertificateFlags flags)
{
  if (flags & G_TLS_CERTIFICATE_UNKNOWN_CA)
    return "the server's certificate is not signed by an authority that is trusted here";
  if (flags & G_TLS_CERTIFICATE_BAD_IDENTITY)
    return "the server's certificate is for another host";
  if (flags & (G_TLS_CERTIFICATE_EXPIRED | G_TLS_CERTIFICATE_NOT_ACTIVATED))
    return "the server's certificate is not valid at this time";
  return "the server's certificate is not acceptable";
}

static void
attempt_failed (MloWsClient * c, SoupMessage * message, const GError * error)
{
  guint status = soup_message_get_status (message);
  GTlsCertificateFlags flags = soup_message_get_tls_peer_certificate_errors (message);
  g_autofree char *text = NULL;

  if (flags != 0)
    text = g_strdup (certificate_fault (flags));
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    text = g_strdup_printf ("no answer to the attempt to connect within %g s", c->config.connect_s);
  else if (status == SOUP_STATUS_UNAUTHORIZED || status == SOUP_STATUS_FORBIDDEN)
    text = g_strdup_printf ("the server does not accept the token (%u)", status);
  else if (status != SOUP_STATUS_NONE && status != SOUP_STATUS_SWITCHING_PROTOCOLS)
    text = g_strdup_printf ("the server offers no WebSocket there (%u %s)", status, soup_status_get_phrase (status));
  else
    text = g_strdup (error->message);
  set_error (c, text);
  retry_later (c);
}

static void
on_connected (GObject * source, GAsyncResult * result, gpointer data)
{
  MloWsClient *c = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (SoupMessage) message = g_steal_pointer (&c->message);

  c->connection = soup_session_websocket_connect_finish (SOUP_SESSION (source), result, &error);
  g_clear_object (&c->cancel);
  if (c->connection)
    c->descriptor = mlo_ws_socket_dup (socket_of (c->connection));
  if (c->state != MLO_WS_CONNECTING)
    return;
  if (c->connection)
    opened (c);
  else
    attempt_failed (c, message, error);
}

static void
on_network_event (SoupMessage * message, GSocketClientEvent event, GIOStream * stream, gpointer data)
{
  if (event == G_SOCKET_CLIENT_CONNECTING && G_IS_SOCKET_CONNECTION (stream))
    g_socket_set_option (g_socket_connection_get_socket (G_SOCKET_CONNECTION (stream)), SOL_SOCKET, SO_RCVBUF,
        RECEIVE_BUFFER, NULL);
}

static void
connect_now (MloWsClient * c)
{
  SoupMessageHeaders *headers;

  c->cancel = g_cancellable_new ();
  c->message = soup_message_new_from_uri ("GET", c->uri);
  /* The token is for this server alone. */
  soup_message_add_flags (c->message, SOUP_MESSAGE_NO_REDIRECT);
  g_signal_connect (c->message, "network-event", G_CALLBACK (on_network_event), c);
  headers = soup_message_get_request_headers (c->message);
  if (c->config.token) {
    g_autofree char *value = g_strconcat ("Bearer ", c->config.token, NULL);

    soup_message_headers_replace (headers, "Authorization", value);
  }
  soup_session_websocket_connect_async (c->session, c->message, NULL, NULL, G_PRIORITY_DEFAULT, c->cancel, on_connected,
      c);
  set_timer (c, (gint64) (c->config.connect_s * SECOND_US));
  set_state (c, MLO_WS_CONNECTING);
}

static gboolean
on_timer (gpointer data)
{
  MloWsClient *c = data;

  g_source_set_ready_time (c->timer, -1);
  switch (c->state) {
    case MLO_WS_CONNECTING:
      /* its callback goes on from here */
      if (c->cancel)
        g_cancellable_cancel (c->cancel);
      break;
    case MLO_WS_OPEN:
      watch_connection (c);
      break;
    case MLO_WS_WAITING:
      connect_now (c);
      break;
    case MLO_WS_IDLE:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* --- sending --- */

/* libsoup's own queue has no bound and no signal: it is given one text at a time, when the socket takes more and
 * libsoup, whose source has the higher priority, has nothing to write. */
static gboolean
on_writable (GObject * stream, gpointer data)
{
  MloWsClient *c = data;
  g_autofree char *text = g_queue_pop_head (&c->outgoing);

  if (text && soup_websocket_connection_get_state (c->connection) == SOUP_WEBSOCKET_STATE_OPEN) {
    soup_websocket_connection_send_text (c->connection, text);
    c->counts.sent++;
  } else if (text) {
    c->counts.dropped++;
  }
  if (c->outgoing.length > 0)
    return G_SOURCE_CONTINUE;
  g_clear_pointer (&c->writable, g_source_unref);
  return G_SOURCE_REMOVE;
}

static void
start_writing (MloWsClient * c)
{
  GOutputStream *out = g_io_stream_get_output_stream (soup_websocket_connection_get_io_stream (c->connection));

  c->writable = g_pollable_output_stream_create_source (G_POLLABLE_OUTPUT_STREAM (out), NULL);
  g_source_set_priority (c->writable, G_PRIORITY_DEFAULT + 1);
  g_source_set_callback (c->writable, G_SOURCE_FUNC (on_writable), c, NULL);
  g_source_attach (c->writable, c->context);
}

gboolean
mlo_ws_client_send (MloWsClient * c, const char *text)
{
  /* libsoup may have closed its socket already and say so later */
  if (c->state != MLO_WS_OPEN || strlen (text) > MLO_MESSAGE_MAX_BYTES
      || soup_websocket_connection_get_state (c->connection) != SOUP_WEBSOCKET_STATE_OPEN)
    return FALSE;
  while (c->outgoing.length >= c->config.queue) {
    g_free (g_queue_pop_head (&c->outgoing));
    c->counts.dropped++;
  }
  g_queue_push_tail (&c->outgoing, g_strdup (text));
  if (!c->writable)
    start_writing (c);
  return TRUE;
}

/* --- from birth to death --- */

MloWsClient *
mlo_ws_client_new (GMainContext * context, const MloWsConfig * config, const MloWsFuncs * funcs, gpointer user_data,
    GError ** error)
{
  g_autoptr (GUri) uri = mlo_ws_uri_parse (config->uri, error);
  g_autoptr (GTlsDatabase) authorities = NULL;
  MloWsClient *c;

  if (!uri || (config->token && !mlo_ws_token_check (config->token, error)))
    return NULL;
  if (config->ca_file) {
    g_autofree char *path = g_canonicalize_filename (config->ca_file, NULL);
    g_autoptr (GError) local = NULL;

    authorities = g_tls_file_database_new (path, &local);
    if (!authorities) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s: %s", config->ca_file, local->message);
      return NULL;
    }
  }
  c = g_new0 (MloWsClient, 1);
  c->descriptor = -1;
  c->guard = mlo_ws_guard_new ();
  c->context = g_main_context_ref (context ? context : g_main_context_default ());
  c->config = *config;
  c->config.uri = NULL;
  c->config.ca_file = NULL;
  c->config.token = g_strdup (config->token);
  c->config.queue = MAX (config->queue, 1);
  c->uri = g_steal_pointer (&uri);
  c->authorities = g_steal_pointer (&authorities);
  c->funcs = funcs;
  c->user_data = user_data;
  c->wait_s = config->first_wait_s;
  mlo_random_seed (&c->random, config->seed);
  g_queue_init (&c->outgoing);
  return c;
}

void
mlo_ws_client_start (MloWsClient * c)
{
  g_return_if_fail (c->state == MLO_WS_IDLE);

  c->session = soup_session_new_with_options ("timeout", (guint) MAX (c->config.connect_s, 1.0), "proxy-resolver", NULL,
      "user-agent", "mloptimizer/" MLO_VERSION, NULL);
  if (c->authorities)
    soup_session_set_tls_database (c->session, c->authorities);
  soup_session_remove_feature_by_type (c->session, SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
  soup_session_remove_feature_by_type (c->session, SOUP_TYPE_AUTH_MANAGER);
  c->timer = mlo_timer_new (c->context, on_timer, c, G_PRIORITY_DEFAULT);
  connect_now (c);
}

MloWsState
mlo_ws_client_state (const MloWsClient * c)
{
  return c->state;
}

const MloWsCounts *
mlo_ws_client_counts (const MloWsClient * c)
{
  return &c->counts;
}

const char *
mlo_ws_state_name (MloWsState state)
{
  static const char *const names[] = { "idle", "connecting", "open", "waiting" };

  return (guint) state < G_N_ELEMENTS (names) ? names[state] : "invalid";
}

/* Says good-bye as far as the socket takes it now. */
static void
close_politely (MloWsClient * c)
{
  g_signal_handlers_disconnect_by_data (c->connection, c);
  if (soup_websocket_connection_get_state (c->connection) == SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_close (c->connection, SOUP_WEBSOCKET_CLOSE_GOING_AWAY, NULL);
  for (int i = 0; i < 4 && g_main_context_pending (c->context); i++)
    g_main_context_iteration (c->context, FALSE);
}

/* Runs the context until nothing of libsoup's is under way that wants it. */
static void
drain (MloWsClient * c)
{
  gint64 end_us = g_get_monotonic_time () + DRAIN_US;
  gpointer stream;

  /* idle: it does nothing but end a wait */
  g_source_set_ready_time (c->timer, end_us);
  if (c->cancel)
    g_cancellable_cancel (c->cancel);
  while (c->message && g_get_monotonic_time () < end_us)
    g_main_context_iteration (c->context, TRUE);
  if (!c->connection)
    return;
  close_politely (c);
  /* The stream is closed after the connection was let go of, and goes last. */
  stream = soup_websocket_connection_get_io_stream (c->connection);
  /* cppcheck-suppress nullPointerRedundantCheck ; it is none here, and is cleared later */
  g_object_add_weak_pointer (stream, &stream);
  drop_connection (c);
  while (stream && g_get_monotonic_time () < end_us)
    g_main_context_iteration (c->context, TRUE);
  if (stream)
    g_object_remove_weak_pointer (stream, &stream);
}

void
mlo_ws_client_free (MloWsClient * c)
{
  if (!c)
    return;
  c->state = MLO_WS_IDLE;
  if (c->session)
    drain (c);
  /* An attempt that cannot be cancelled will still call: better lost memory than a crash. */
  if (c->message)
    return;
  if (c->timer)
    g_source_destroy (c->timer);
  g_clear_pointer (&c->timer, g_source_unref);
  g_clear_object (&c->session);
  g_clear_object (&c->authorities);
  mlo_ws_guard_free (c->guard);
  g_uri_unref (c->uri);
  g_free ((char *) c->config.token);
  g_main_context_unref (c->context);
  g_free (c);
}
