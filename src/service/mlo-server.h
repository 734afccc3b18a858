/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_SERVER_H
#define MLO_SERVER_H

#include <gio/gio.h>

#include "mlo-hub.h"

G_BEGIN_DECLS

/**
 * MloServer: the metrics server over HTTP and WebSocket, with the hub in it. Runs in the thread-default main context it
 * was made in and is used from there only.
 *
 *   GET  /                            the live page
 *   GET  /health                      {"status": "ok", ...}, for anyone
 *   GET  /api/streams[/NAME[/history]]
 *   POST /api/streams/NAME/limits     a "limits" message; with a token only
 *   GET  /metrics.prom                Prometheus
 *   WS   /metrics[?stream=NAME]       elements, services, measuring clients; what their messages are about that name no
 *                                     stream
 *   WS   /live                        the page: a "hello", then a "live" each MLO_HISTORY_TICK_MS; takes "limits"
 *
 * Where a token is set all but the page itself and /health ask for it.
 */

#define MLO_SERVER_DEFAULT_PORT 8080
#define MLO_SERVER_MAX_PEERS 64
/* TCP connections, those of the peers among them. */
#define MLO_SERVER_MAX_CONNECTIONS 160
#define MLO_SERVER_MAX_BODY 4096

typedef struct _MloServer MloServer;

/* One line for people about a connection; never a token. */
typedef void (*MloServerLogFunc) (const char *line, gpointer user_data);

typedef struct
{
  const char *listen;           /* "127.0.0.1:8080", "[::1]:0", "localhost"; NULL: loopback, the default port */
  const char *token;            /* NULL: none; then only loopback addresses are taken */
  const char *const *origins;   /* (nullable) further origins of web pages, as "https://example.org" */
  GTlsCertificate *certificate; /* NULL: no TLS */
  guint max_rate;               /* messages a second of one connection; 0: MLO_MESSAGE_MAX_RATE */
  MloServerLogFunc log;         /* (nullable) */
  gpointer user_data;
} MloServerConfig;

/* Listens from here on. NULL with MLO_ERROR_ARGUMENT (address, token) or MLO_ERROR_IO. */
MloServer *mlo_server_new (const MloServerConfig * config, GError ** error);
void mlo_server_free (MloServer * server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloServer, mlo_server_free)

/* "http://127.0.0.1:8080/", with the port that was given by the system. */
const char *mlo_server_url (const MloServer * server);
guint mlo_server_port (const MloServer * server);
/* The hub, to which others than connections may join: mlo_server_join(). */
MloHub *mlo_server_hub (MloServer * server);
/* A peer of the hub without a connection: what is sent to it is dropped. */
MloHubPeer *mlo_server_join (MloServer * server);
guint mlo_server_n_peers (const MloServer * server);
/* Stops listening and begins to say good-bye: mlo_server_n_peers() falls to 0. */
void mlo_server_close (MloServer * server);

G_END_DECLS
#endif
