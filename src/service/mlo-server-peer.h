/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_SERVER_PEER_H
#define MLO_SERVER_PEER_H

#include <libsoup/soup.h>

#include "mlo-ws-guard.h"

G_BEGIN_DECLS

/**
 * MloServerPeer: one WebSocket of the server with everything that bounds it: message size, rate, the queue to it, and
 * how long it may be silent. Lives in the thread-default main context it was made in.
 */

/* What waits for a slow reader; beyond either the oldest goes. */
#define MLO_SERVER_PEER_MAX_QUEUE 256
#define MLO_SERVER_PEER_MAX_QUEUE_BYTES (1024 * 1024)
/* What may come between two messages: one in parts, of which libsoup bounds each but not their number. */
#define MLO_SERVER_PEER_MAX_UNFINISHED (1024 * 1024)
/* A ping each, and the end of one who has not answered so long. */
#define MLO_SERVER_PEER_PING_S 10
#define MLO_SERVER_PEER_SILENT_US (30 * G_USEC_PER_SEC)

typedef struct _MloServerPeer MloServerPeer;

typedef struct
{
  guint64 over_rate;            /* frames left out, sent too fast */
  guint64 dropped;              /* messages left out, read too slowly */
} MloServerPeerCounters;

/* @text is not NUL-terminated. */
typedef void (*MloServerPeerMessageFunc) (MloServerPeer * peer, const char *text, gsize length, gpointer user_data);
/* The last call; the peer may be freed in it. @why: for people, or NULL where it left in peace. */
typedef void (*MloServerPeerClosedFunc) (MloServerPeer * peer, const char *why, gpointer user_data);

/* @socket: (nullable) the connection's; @guard: outlives it; @max_rate: frames a second. @counters: counted up, the caller's. */
MloServerPeer *mlo_server_peer_new (SoupWebsocketConnection * connection, GSocket * socket, MloWsGuard * guard,
    const char *name, guint max_rate, MloServerPeerCounters * counters, MloServerPeerMessageFunc message,
    MloServerPeerClosedFunc closed, gpointer user_data);
/* Drops the connection where it still is there. */
void mlo_server_peer_free (MloServerPeer * peer);

/* Queues a text frame; never blocks. */
void mlo_server_peer_send (MloServerPeer * peer, const char *text);
/* Tells the sender what was wrong, once a second at most. */
void mlo_server_peer_complain (MloServerPeer * peer, const char *what);
/* Begins to close; the closed function follows. */
void mlo_server_peer_close (MloServerPeer * peer, gushort code, const char *why);
/* To be called a few times a second: ends a connection that is silent, or sends a message without an end. */
void mlo_server_peer_check (MloServerPeer * peer, gint64 now_us);
/* Address and port, for people. */
const char *mlo_server_peer_name (const MloServerPeer * peer);

G_END_DECLS
#endif
