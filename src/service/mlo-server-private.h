/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_SERVER_PRIVATE_H
#define MLO_SERVER_PRIVATE_H

#include <libsoup/soup.h>

#include "mlo-access.h"
#include "mlo-server-peer.h"
#include "mlo-server.h"

G_BEGIN_DECLS

/* What a WebSocket is to the server. */
typedef struct
{
  MloServer *server;
  MloServerPeer *peer;
  MloHubPeer *hub_peer;         /* NULL: a page */
  gboolean may_limit;
} MloServerGuest;

struct _MloServer
{
  SoupServer *soup;
  GSocketService *service;
  GResource *web;
  MloHub *hub;
  GPtrArray *guests;            /* (element-type MloServerGuest) */
  MloWsGuard *guard;
  MloAccess access;
  char *token, *url;
  char **origins;
  GTlsCertificate *certificate;
  guint port, max_rate;
  GHashTable *connections;      /* of GSocketConnection, weak */
  GCancellable *cancellable;    /* of handshakes */
  guint64 n_denied;             /* requests without the token, or from another site */
  guint64 n_turned_away;        /* connections beyond the limits */
  gint64 start_us;
  guint64 live_serial;
  GSource *tick;
  MloServerPeerCounters counters;
  MloServerLogFunc log;
  gpointer user_data;
  gboolean closing;
};

void mlo_server_log (MloServer * server, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Registers all that is not a WebSocket, and the checks that come before everything. */
void mlo_server_add_routes (MloServer * server);
/* Whether the request came with the token. */
gboolean mlo_server_has_token (MloServer * server, SoupServerMessage * message);

G_END_DECLS
#endif
