/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Listening, the WebSockets, and the beat. */
#include "mlo-server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include "mlo-error.h"
#include "mlo-history.h"
#include "mlo-hub-report.h"
#include "mlo-server-private.h"
#include "mlo-web.h"

/* A client that says nothing is dropped after this time; a WebSocket has its own rules. */
#define IDLE_TIMEOUT_S 20
/* What the kernel holds for a slow reader, beside the peer's queue. */
#define SEND_BUFFER (128 * 1024)
#define PAGE_PROTOCOL "mloptimizer-live"
/* How the socket is found again from a request. */
#define SOCKET_KEY "mlo-socket"

void
mlo_server_log (MloServer * server, const char *format, ...)
{
  g_autofree char *line = NULL;
  va_list args;

  if (!server->log)
    return;
  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  server->log (line, server->user_data);
}

/* ---- WebSockets ---- */

static void
guest_free (gpointer data)
{
  MloServerGuest *guest = data;

  mlo_server_peer_free (guest->peer);
  g_free (guest);
}

static void
on_hub_send (gpointer peer_data, const char *text, gpointer user_data)
{
  MloServerGuest *guest = peer_data;

  if (guest)
    mlo_server_peer_send (guest->peer, text);
}

static void
on_guest_closed (MloServerPeer * peer, const char *why, gpointer user_data)
{
  MloServerGuest *guest = user_data;
  MloServer *server = guest->server;

  mlo_server_log (server, "%s left%s%s", mlo_server_peer_name (peer), why ? ": " : "", why ? why : "");
  if (guest->hub_peer)
    mlo_hub_leave (server->hub, guest->hub_peer, g_get_monotonic_time ());
  g_ptr_array_remove (server->guests, guest);
}

static void
on_metrics_message (MloServerPeer * peer, const char *text, gsize length, gpointer user_data)
{
  MloServerGuest *guest = user_data;
  g_autoptr (GError) error = NULL;

  if (!mlo_hub_receive (guest->server->hub, guest->hub_peer, text, length, g_get_monotonic_time (), &error))
    mlo_server_peer_complain (peer, error->message);
}

/* A page asks for limits, and is told whether they went on their way. */
static void
on_page_message (MloServerPeer * peer, const char *text, gsize length, gpointer user_data)
{
  MloServerGuest *guest = user_data;
  g_autoptr (GError) error = NULL;
  MloMessage m;
  int n = mlo_message_parse (text, length, mlo_message_keep, &m, &error);

  if (n == 1 && m.type == MLO_MESSAGE_LIMITS && guest->may_limit && m.rejected == 0
      && mlo_hub_set_limits (guest->server->hub, m.stream, &m.limits, g_get_monotonic_time (), &error))
    return;
  if (error)
    mlo_server_peer_complain (peer, error->message);
  else
    mlo_server_peer_complain (peer, guest->may_limit ? "not a \"limits\" message, or a value outside its bounds"
        : "limits: only with a token");
}

/* The connection's own socket, which libsoup does not know when it was handed a stream. */
static GSocket *
socket_of (SoupServerMessage * message)
{
  GSocketAddress *remote = soup_server_message_get_remote_address (message);

  return remote ? g_object_get_data (G_OBJECT (remote), SOCKET_KEY) : NULL;
}

static char *
address_name (GSocketAddress * address)
{
  return address && G_IS_INET_SOCKET_ADDRESS (address)
      ? g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address)) : g_strdup ("?");
}

static MloServerGuest *
add_guest (MloServer * server, SoupServerMessage * message, SoupWebsocketConnection * connection, gboolean page)
{
  g_autofree char *name = address_name (soup_server_message_get_remote_address (message));
  GSocket *socket = socket_of (message);
  MloServerGuest *guest;

  /* Not taken, it is dropped. Where all places are taken, the request has been refused already. */
  if (server->guests->len >= MLO_SERVER_MAX_PEERS || server->closing)
    return NULL;
  if (socket)
    g_socket_set_timeout (socket, 0);
  guest = g_new0 (MloServerGuest, 1);
  guest->server = server;
  guest->may_limit = mlo_server_has_token (server, message);
  guest->peer = mlo_server_peer_new (connection, socket, server->guard, name, server->max_rate, &server->counters,
      page ? on_page_message : on_metrics_message, on_guest_closed, guest);
  g_ptr_array_add (server->guests, guest);
  mlo_server_log (server, "%s came: %s", name, page ? "a page" : "metrics");
  return guest;
}

/* "?stream=NAME" of the address; NULL: none, or no name. */
static char *
query_stream (SoupServerMessage * message)
{
  const char *query = g_uri_get_query (soup_server_message_get_uri (message));
  g_autoptr (GHashTable) form = query ? soup_form_decode (query) : NULL;
  const char *name = form ? g_hash_table_lookup (form, "stream") : NULL;

  return name && mlo_message_check_stream (name, NULL) ? g_strdup (name) : NULL;
}

static void
on_metrics (SoupServer * soup, SoupServerMessage * message, const char *path, SoupWebsocketConnection * connection,
    gpointer user_data)
{
  MloServer *server = user_data;
  MloServerGuest *guest = add_guest (server, message, connection, FALSE);
  g_autofree char *name = query_stream (message);

  if (guest)
    guest->hub_peer = mlo_hub_join (server->hub, name, guest->may_limit, guest, g_get_monotonic_time ());
}

static void
on_live (SoupServer * soup, SoupServerMessage * message, const char *path, SoupWebsocketConnection * connection,
    gpointer user_data)
{
  MloServer *server = user_data;
  MloServerGuest *guest = add_guest (server, message, connection, TRUE);
  g_autoptr (GString) hello = NULL;

  if (!guest)
    return;
  hello = g_string_new (NULL);
  g_string_append_printf (hello, "{\"type\":\"hello\",\"version\":\"%s\",\"may_limit\":%s,\"tick_ms\":%d,"
      "\"history_ms\":%d,\"fine_ms\":%d,\"coarse_step_ms\":%d,\"columns\":[\"time_ms\"", MLO_VERSION,
      guest->may_limit ? "true" : "false", MLO_HISTORY_TICK_MS, MLO_HISTORY_COARSE_MS, MLO_HISTORY_FINE_MS,
      MLO_HISTORY_COARSE_STEP_MS);
  for (int c = 0; c < MLO_HISTORY_N; c++)
    g_string_append_printf (hello, ",\"%s\"", mlo_history_column_name (c));
  g_string_append (hello, "]}");
  mlo_server_peer_send (guest->peer, hello->str);
}

/* ---- the beat ---- */

static void
tell_pages (MloServer * server, gint64 now_us)
{
  g_autofree char *text = NULL;

  for (guint i = 0; i < server->guests->len; i++) {
    MloServerGuest *guest = g_ptr_array_index (server->guests, i);

    if (guest->hub_peer)
      continue;
    if (!text)
      text = mlo_hub_report_live (server->hub, now_us, &server->live_serial);
    mlo_server_peer_send (guest->peer, text);
  }
}

static gboolean
on_tick (gpointer user_data)
{
  MloServer *server = user_data;
  gint64 now_us = g_get_monotonic_time ();

  mlo_hub_tick (server->hub, now_us);
  tell_pages (server, now_us);
  for (guint i = server->guests->len; i > 0; i--)
    mlo_server_peer_check (((MloServerGuest *) g_ptr_array_index (server->guests, i - 1))->peer, now_us);
  return G_SOURCE_CONTINUE;
}

/* ---- connections ---- */

/* A closed set of pointers, so that the server may go before its connections do. */
static void
on_connection_gone (gpointer user_data, GObject * where_it_was)
{
  g_hash_table_remove (((MloServer *) user_data)->connections, where_it_was);
}

static void
forget_connections (MloServer * server)
{
  GHashTableIter iter;
  gpointer connection;

  g_hash_table_iter_init (&iter, server->connections);
  while (g_hash_table_iter_next (&iter, &connection, NULL)) {
    g_object_weak_unref (connection, on_connection_gone, server);
    g_io_stream_close (connection, NULL, NULL);
  }
  g_hash_table_unref (server->connections);
}

static void
hand_over (MloServer * server, GIOStream * stream, GSocketConnection * connection)
{
  g_autoptr (GSocketAddress) local = g_socket_connection_get_local_address (connection, NULL);
  g_autoptr (GSocketAddress) remote = g_socket_connection_get_remote_address (connection, NULL);
  g_autoptr (GError) error = NULL;

  if (!local || !remote)
    return;
  g_object_set_data_full (G_OBJECT (remote), SOCKET_KEY, g_object_ref (g_socket_connection_get_socket (connection)),
      g_object_unref);
  if (!soup_server_accept_iostream (server->soup, stream, local, remote, &error))
    mlo_server_log (server, "not accepted: %s", error->message);
}

typedef struct
{
  MloServer *server;            /* gone where it was cancelled */
  GSocketConnection *connection;
  GCancellable *cancellable;
} Handshake;

static void
on_handshake (GObject * object, GAsyncResult * result, gpointer user_data)
{
  g_autofree Handshake *handshake = user_data;
  g_autoptr (GSocketConnection) connection = handshake->connection;
  g_autoptr (GCancellable) cancellable = handshake->cancellable;
  g_autoptr (GError) error = NULL;
  gboolean ok = g_tls_connection_handshake_finish (G_TLS_CONNECTION (object), result, &error);

  if (g_cancellable_is_cancelled (cancellable))
    return;
  if (ok)
    hand_over (handshake->server, G_IO_STREAM (object), connection);
  else
    mlo_server_log (handshake->server, "TLS: %s", error->message);
}

static void
begin_tls (MloServer * server, GSocketConnection * connection)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GIOStream) tls = g_tls_server_connection_new (G_IO_STREAM (connection), server->certificate, &error);
  Handshake *handshake;

  if (!tls) {
    mlo_server_log (server, "TLS: %s", error->message);
    return;
  }
  handshake = g_new (Handshake, 1);
  handshake->server = server;
  handshake->connection = g_object_ref (connection);
  handshake->cancellable = g_object_ref (server->cancellable);
  g_tls_connection_handshake_async (G_TLS_CONNECTION (tls), G_PRIORITY_DEFAULT, server->cancellable, on_handshake,
      handshake);
}

/* Connections are accepted here rather than by libsoup, which bounds neither their number nor their patience. */
static gboolean
on_incoming (GSocketService * service, GSocketConnection * connection, GObject * source, gpointer user_data)
{
  MloServer *server = user_data;
  GSocket *socket = g_socket_connection_get_socket (connection);

  if (g_hash_table_size (server->connections) >= MLO_SERVER_MAX_CONNECTIONS) {
    server->n_turned_away++;
    g_io_stream_close (G_IO_STREAM (connection), NULL, NULL);
    return TRUE;
  }
  g_hash_table_add (server->connections, connection);
  g_object_weak_ref (G_OBJECT (connection), on_connection_gone, server);
  g_socket_set_timeout (socket, IDLE_TIMEOUT_S);
  g_socket_set_option (socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
  g_socket_set_option (socket, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER, NULL);
  if (server->certificate)
    begin_tls (server, connection);
  else
    hand_over (server, G_IO_STREAM (connection), connection);
  return TRUE;
}

/* The address to listen on; a name is not looked up, save for "localhost". */
static GSocketAddress *
parse_listen (const char *listen, gboolean has_token, GError ** error)
{
  g_autoptr (GSocketConnectable) parsed =
      g_network_address_parse (listen ? listen : "127.0.0.1", MLO_SERVER_DEFAULT_PORT, NULL);
  const char *host = parsed ? g_network_address_get_hostname (G_NETWORK_ADDRESS (parsed)) : "";
  g_autoptr (GInetAddress) address =
      g_inet_address_new_from_string (g_ascii_strcasecmp (host, "localhost") == 0 ? "127.0.0.1" : host);

  if (!address) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT,
        "\"%s\": no address to listen on, as 127.0.0.1:8080 or [::1]:8080", listen);
    return NULL;
  }
  if (!g_inet_address_get_is_loopback (address) && !has_token) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "\"%s\" can be reached from other machines: that needs a token",
        listen);
    return NULL;
  }
  return g_inet_socket_address_new (address, g_network_address_get_port (G_NETWORK_ADDRESS (parsed)));
}

static gboolean
begin_to_listen (MloServer * server, const char *listen, GError ** error)
{
  g_autoptr (GSocketAddress) address = parse_listen (listen, server->token != NULL, error);
  g_autoptr (GSocketAddress) effective = NULL;
  g_autoptr (GError) local = NULL;
  g_autofree char *name = NULL;

  if (!address)
    return FALSE;
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (server->service), address, G_SOCKET_TYPE_STREAM,
          G_SOCKET_PROTOCOL_TCP, NULL, &effective, &local)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s: %s", listen ? listen : "127.0.0.1", local->message);
    return FALSE;
  }
  server->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (effective));
  name = address_name (effective);
  server->url = g_strdup_printf ("%s://%s/", server->certificate ? "https" : "http", name);
  return TRUE;
}

/* ---- the server ---- */

MloServer *
mlo_server_new (const MloServerConfig * config, GError ** error)
{
  static const char *page_protocols[] = { PAGE_PROTOCOL, NULL };
  g_autoptr (MloServer) server = g_new0 (MloServer, 1);

  server->guests = g_ptr_array_new_with_free_func (guest_free);
  server->guard = mlo_ws_guard_new ();
  server->connections = g_hash_table_new (NULL, NULL);
  server->cancellable = g_cancellable_new ();
  server->start_us = g_get_monotonic_time ();
  server->hub = mlo_hub_new (g_get_real_time () - server->start_us, on_hub_send, server);
  server->token = g_strdup (config->token);
  server->origins = g_strdupv ((char **) config->origins);
  server->access.token = server->token;
  server->access.origins = (const char *const *) server->origins;
  server->certificate = config->certificate ? g_object_ref (config->certificate) : NULL;
  server->max_rate = config->max_rate > 0 ? config->max_rate : MLO_MESSAGE_MAX_RATE;
  server->log = config->log;
  server->user_data = config->user_data;
  server->web = g_resource_ref (mlo_web_get_resource ());
  if (server->token && !mlo_access_check_token (server->token, error))
    return NULL;

  server->soup = soup_server_new ("server-header", "mloptimizer", NULL);
  /* A small message must not unfold into a large one. */
  soup_server_remove_websocket_extension (server->soup, SOUP_TYPE_WEBSOCKET_EXTENSION_DEFLATE);
  mlo_server_add_routes (server);
  soup_server_add_websocket_handler (server->soup, "/metrics", NULL, NULL, on_metrics, server, NULL);
  soup_server_add_websocket_handler (server->soup, "/live", NULL, (char **) page_protocols, on_live, server, NULL);

  server->service = g_socket_service_new ();
  g_signal_connect (server->service, "incoming", G_CALLBACK (on_incoming), server);
  if (!begin_to_listen (server, config->listen, error))
    return NULL;
  server->tick = g_timeout_source_new (MLO_HISTORY_TICK_MS);
  g_source_set_callback (server->tick, on_tick, server, NULL);
  g_source_attach (server->tick, g_main_context_get_thread_default ());
  return g_steal_pointer (&server);
}

void
mlo_server_close (MloServer * server)
{
  server->closing = TRUE;
  g_socket_service_stop (server->service);
  g_socket_listener_close (G_SOCKET_LISTENER (server->service));
  for (guint i = server->guests->len; i > 0; i--)
    mlo_server_peer_close (((MloServerGuest *) g_ptr_array_index (server->guests, i - 1))->peer,
        SOUP_WEBSOCKET_CLOSE_GOING_AWAY, "the server ends");
}

void
mlo_server_free (MloServer * server)
{
  if (!server)
    return;
  if (server->tick)
    g_source_destroy (server->tick);
  g_clear_pointer (&server->tick, g_source_unref);
  if (server->service) {
    g_signal_handlers_disconnect_by_data (server->service, server);
    g_socket_service_stop (server->service);
    g_socket_listener_close (G_SOCKET_LISTENER (server->service));
  }
  g_clear_object (&server->service);
  g_ptr_array_unref (server->guests);
  mlo_ws_guard_free (server->guard);
  if (server->soup)
    soup_server_disconnect (server->soup);
  g_clear_object (&server->soup);
  g_cancellable_cancel (server->cancellable);
  g_object_unref (server->cancellable);
  forget_connections (server);
  mlo_hub_free (server->hub);
  g_clear_object (&server->certificate);
  g_resource_unref (server->web);
  g_strfreev (server->origins);
  g_free (server->token);
  g_free (server->url);
  g_free (server);
}

const char *
mlo_server_url (const MloServer * server)
{
  return server->url;
}

guint
mlo_server_port (const MloServer * server)
{
  return server->port;
}

MloHub *
mlo_server_hub (MloServer * server)
{
  return server->hub;
}

MloHubPeer *
mlo_server_join (MloServer * server)
{
  return mlo_hub_join (server->hub, NULL, FALSE, NULL, g_get_monotonic_time ());
}

guint
mlo_server_n_peers (const MloServer * server)
{
  return server->guests->len;
}
