/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-server-peer.h"

#include <string.h>
#include <unistd.h>

#include <json-glib/json-glib.h>

#include "mlo-message.h"
#include "mlo-ws-socket.h"

/* Who goes on sending this much faster than allowed is cut off. */
#define FLOOD_FACTOR 20

/* A bucket holds what one second allows. */
typedef struct
{
  double level, rate;
} Bucket;

struct _MloServerPeer
{
  SoupWebsocketConnection *connection;
  int descriptor;               /* of its socket, ours (mlo_ws_socket_dup) */
  MloWsGuard *guard;            /* borrowed */
  MloWsGuarded *guarded;
  guint64 message_bytes;        /* received when the last message was complete */
  char *name;
  MloServerPeerCounters *counters;
  MloServerPeerMessageFunc message;
  MloServerPeerClosedFunc closed;
  gpointer user_data;
  GQueue queue;                 /* of char*, oldest first */
  gsize queue_bytes;
  GSource *writable;            /* libsoup holds a batch until this fires */
  Bucket allowed, flood;
  gint64 bucket_us, heard_us, complained_us;
  const char *why;              /* static; what goes to the closed function */
};

static gboolean
bucket_take (Bucket * b, double seconds)
{
  b->level = MIN (b->rate, b->level + seconds * b->rate);
  if (b->level < 1.0)
    return FALSE;
  b->level -= 1.0;
  return TRUE;
}

/* ---- out ---- */

static void
flush (MloServerPeer * peer)
{
  char *text;

  while ((text = g_queue_pop_head (&peer->queue))) {
    /* it may break at any of them */
    if (soup_websocket_connection_get_state (peer->connection) == SOUP_WEBSOCKET_STATE_OPEN)
      soup_websocket_connection_send_text (peer->connection, text);
    g_free (text);
  }
  peer->queue_bytes = 0;
}

static gboolean on_writable (GObject * stream, gpointer user_data);

/* libsoup's own queue has no end. So it is given a batch at a time: this source comes after libsoup's own in each
 * round of the loop, so when it fires the batch before is on its way and the socket takes more. */
static void
watch_writable (MloServerPeer * peer)
{
  GIOStream *io = soup_websocket_connection_get_io_stream (peer->connection);
  GOutputStream *out = g_io_stream_get_output_stream (io);

  peer->writable = g_pollable_output_stream_create_source (G_POLLABLE_OUTPUT_STREAM (out), NULL);
  g_source_set_priority (peer->writable, G_PRIORITY_DEFAULT + 10);
  g_source_set_callback (peer->writable, G_SOURCE_FUNC (on_writable), peer, NULL);
  g_source_attach (peer->writable, g_main_context_get_thread_default ());
}

static void
unwatch_writable (MloServerPeer * peer)
{
  if (peer->writable)
    g_source_destroy (peer->writable);
  g_clear_pointer (&peer->writable, g_source_unref);
}

static gboolean
on_writable (GObject * stream, gpointer user_data)
{
  MloServerPeer *peer = user_data;

  if (g_queue_is_empty (&peer->queue)
      || soup_websocket_connection_get_state (peer->connection) != SOUP_WEBSOCKET_STATE_OPEN) {
    unwatch_writable (peer);
    return G_SOURCE_REMOVE;
  }
  flush (peer);
  return G_SOURCE_CONTINUE;
}

void
mlo_server_peer_send (MloServerPeer * peer, const char *text)
{
  gsize n = strlen (text) + 1;

  if (soup_websocket_connection_get_state (peer->connection) != SOUP_WEBSOCKET_STATE_OPEN)
    return;
  g_queue_push_tail (&peer->queue, g_memdup2 (text, n));
  peer->queue_bytes += n;
  /* One message always stays, however large it is. */
  while (peer->queue.length > MLO_SERVER_PEER_MAX_QUEUE
      || (peer->queue.length > 1 && peer->queue_bytes > MLO_SERVER_PEER_MAX_QUEUE_BYTES)) {
    char *oldest = g_queue_pop_head (&peer->queue);

    peer->queue_bytes -= strlen (oldest) + 1;
    peer->counters->dropped++;
    g_free (oldest);
  }
  if (!peer->writable) {
    flush (peer);
    watch_writable (peer);
  }
}

void
mlo_server_peer_complain (MloServerPeer * peer, const char *what)
{
  gint64 now_us = g_get_monotonic_time ();
  g_autoptr (JsonBuilder) b = NULL;
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  if (peer->complained_us > 0 && now_us - peer->complained_us < G_USEC_PER_SEC)
    return;
  peer->complained_us = now_us;
  b = json_builder_new ();
  json_builder_begin_object (b);
  json_builder_set_member_name (b, "type");
  json_builder_add_string_value (b, "error");
  json_builder_set_member_name (b, "message");
  json_builder_add_string_value (b, what);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  text = json_to_string (root, FALSE);
  mlo_server_peer_send (peer, text);
}

/* ---- in ---- */

static void
on_message (SoupWebsocketConnection * connection, gint type, GBytes * bytes, gpointer user_data)
{
  MloServerPeer *peer = user_data;
  gint64 now_us = g_get_monotonic_time ();
  double seconds = (double) (now_us - peer->bucket_us) * 1e-6;
  gsize length = 0;
  const char *text = g_bytes_get_data (bytes, &length);

  if (soup_websocket_connection_get_state (connection) != SOUP_WEBSOCKET_STATE_OPEN)
    return;
  peer->heard_us = peer->bucket_us = now_us;
  mlo_ws_guard_looked (peer->guard, peer->guarded);
  peer->message_bytes = mlo_ws_socket_received (peer->descriptor);
  if (!bucket_take (&peer->flood, seconds)) {
    peer->counters->over_rate++;
    mlo_server_peer_close (peer, SOUP_WEBSOCKET_CLOSE_POLICY_VIOLATION, "too many messages");
    return;
  }
  if (!bucket_take (&peer->allowed, seconds)) {
    peer->counters->over_rate++;
    mlo_server_peer_complain (peer, "too many messages a second: some were left out");
    return;
  }
  if (type != SOUP_WEBSOCKET_DATA_TEXT) {
    mlo_server_peer_close (peer, SOUP_WEBSOCKET_CLOSE_UNSUPPORTED_DATA, "a binary message");
    return;
  }
  peer->message (peer, text ? text : "", length, peer->user_data);
}

static void
on_pong (SoupWebsocketConnection * connection, GBytes * bytes, gpointer user_data)
{
  ((MloServerPeer *) user_data)->heard_us = g_get_monotonic_time ();
}

static void
on_error (SoupWebsocketConnection * connection, GError * error, gpointer user_data)
{
  MloServerPeer *peer = user_data;

  if (!peer->why)
    peer->why = g_error_matches (error, SOUP_WEBSOCKET_ERROR, SOUP_WEBSOCKET_CLOSE_TOO_BIG)
        ? "a message too long" : "an error of the protocol or the connection";
}

static void
on_closed (SoupWebsocketConnection * connection, gpointer user_data)
{
  MloServerPeer *peer = user_data;

  if (mlo_ws_guard_remove (peer->guard, g_steal_pointer (&peer->guarded)))
    peer->why = "it sends without end";
  peer->closed (peer, peer->why, peer->user_data);
}

MloServerPeer *
mlo_server_peer_new (SoupWebsocketConnection * connection, GSocket * socket, MloWsGuard * guard, const char *name,
    guint max_rate, MloServerPeerCounters * counters, MloServerPeerMessageFunc message, MloServerPeerClosedFunc closed,
    gpointer user_data)
{
  MloServerPeer *peer = g_new0 (MloServerPeer, 1);

  peer->connection = g_object_ref (connection);
  peer->descriptor = mlo_ws_socket_dup (socket);
  peer->guard = guard;
  peer->guarded = mlo_ws_guard_add (guard, peer->descriptor, MLO_WS_GUARD_MAX_BYTES);
  peer->message_bytes = mlo_ws_socket_received (peer->descriptor);
  peer->name = g_strdup (name);
  peer->counters = counters;
  peer->message = message;
  peer->closed = closed;
  peer->user_data = user_data;
  peer->allowed.rate = peer->allowed.level = max_rate;
  peer->flood.rate = peer->flood.level = (double) max_rate *FLOOD_FACTOR;
  peer->heard_us = peer->bucket_us = g_get_monotonic_time ();
  soup_websocket_connection_set_max_incoming_payload_size (connection, MLO_MESSAGE_MAX_BYTES);
  soup_websocket_connection_set_keepalive_interval (connection, MLO_SERVER_PEER_PING_S);
  g_signal_connect (connection, "message", G_CALLBACK (on_message), peer);
  g_signal_connect (connection, "pong", G_CALLBACK (on_pong), peer);
  g_signal_connect (connection, "error", G_CALLBACK (on_error), peer);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), peer);
  return peer;
}

void
mlo_server_peer_free (MloServerPeer * peer)
{
  if (!peer)
    return;
  unwatch_writable (peer);
  g_signal_handlers_disconnect_by_data (peer->connection, peer);
  if (soup_websocket_connection_get_state (peer->connection) != SOUP_WEBSOCKET_STATE_CLOSED)
    g_io_stream_close (soup_websocket_connection_get_io_stream (peer->connection), NULL, NULL);
  g_object_unref (peer->connection);
  mlo_ws_guard_remove (peer->guard, peer->guarded);
  if (peer->descriptor >= 0)
    close (peer->descriptor);
  g_queue_clear_full (&peer->queue, g_free);
  g_free (peer->name);
  g_free (peer);
}

void
mlo_server_peer_close (MloServerPeer * peer, gushort code, const char *why)
{
  if (soup_websocket_connection_get_state (peer->connection) != SOUP_WEBSOCKET_STATE_OPEN)
    return;
  if (!peer->why)
    peer->why = why;
  unwatch_writable (peer);
  soup_websocket_connection_close (peer->connection, code, why);
}

void
mlo_server_peer_check (MloServerPeer * peer, gint64 now_us)
{
  if (!peer->guarded)
    return;
  mlo_ws_guard_looked (peer->guard, peer->guarded);
  if (mlo_ws_socket_received (peer->descriptor) > peer->message_bytes + MLO_SERVER_PEER_MAX_UNFINISHED) {
    peer->why = "a message without an end";
    /* At once: a close in good order would read on. */
    mlo_ws_socket_shut (peer->descriptor);
    return;
  }
  if (now_us - peer->heard_us > MLO_SERVER_PEER_SILENT_US)
    mlo_server_peer_close (peer, SOUP_WEBSOCKET_CLOSE_GOING_AWAY, "no answer to pings");
}

const char *
mlo_server_peer_name (const MloServerPeer * peer)
{
  return peer->name;
}
