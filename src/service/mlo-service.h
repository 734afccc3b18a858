/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_SERVICE_H
#define MLO_SERVICE_H

#include "mlo-session.h"
#include "mlo-ws-client.h"

G_BEGIN_DECLS

/**
 * MloService: the optimizer for streaming servers: a connection to each, a session for each stream
 * on it; metrics come in, recommendations go back at once. Lives in one GMainContext, whose thread
 * calls everything here.
 */
typedef struct _MloService MloService;

typedef struct
{
  MloSessionConfig session;
  MloWsConfig ws;               /* uri and seed are ignored */
  guint max_streams;            /* on one connection; more are refused */
  gint64 idle_us;               /* a stream without metrics for so long is forgotten */
} MloServiceConfig;

/* 64 streams, a minute. The limits and models are the caller's. */
extern const MloServiceConfig mlo_service_config_default;

typedef enum
{
  MLO_SERVICE_CONNECTION,       /* a connection's state changed: @state, @text says why where it failed */
  MLO_SERVICE_STREAM,           /* a new stream */
  MLO_SERVICE_FORGOTTEN,        /* a stream that was idle */
  MLO_SERVICE_REFUSED,          /* one stream too many; told once until one is forgotten */
  MLO_SERVICE_DECISION,
  MLO_SERVICE_LIMITS,           /* the server asked for other limits: @limits are in force */
  MLO_SERVICE_IGNORED,          /* what the server does not follow is now @ignored */
  MLO_SERVICE_REJECTED,         /* a text that is no message (@text), or wrong fields in one (@text: the first) */
} MloServiceEventType;

/* What does not belong to the type is NULL or 0. Borrowed for the call. */
typedef struct
{
  MloServiceEventType type;
  const char *server;           /* its address without the query, in which people put secrets */
  const char *stream;           /* "" where the server names none */
  MloWsState state;
  const char *text;
  const MloDecision *decision, *before;
  const MloSample *sample;      /* what the decision rests on */
  gboolean sent;                /* the recommendation was handed to the connection */
  gint64 took_us;               /* from the metrics to that */
  MloMessageLimits limits;
  MloSessionIgnored ignored;
} MloServiceEvent;

/* Must not call the service. */
typedef void (*MloServiceFunc) (gpointer user_data, const MloServiceEvent * event);

/* Sums over all connections. */
typedef struct
{
  guint connections, open, streams;
  guint64 messages, decisions, late, rejected;  /* metrics, recommendations, out of order, texts and fields */
  MloWsCounts ws;               /* without last_error */
} MloServiceCounts;

MloService *mlo_service_new (GMainContext * context, const MloServiceConfig * config, MloServiceFunc func,
    gpointer user_data);

/* Adds a server and begins to connect. FALSE with MLO_ERROR_ARGUMENT (address, token; also the same address
 * twice) or MLO_ERROR_IO (CA file). */
gboolean mlo_service_add (MloService * s, const char *uri, GError ** error);

/* Other weights of the same shapes for all streams, from their next tick on, borrowed as those of the configuration;
 * when it returns nothing uses the old ones any more. Not from within a callback. */
void mlo_service_set_networks (MloService * s, const MloBitratePredictor * predictor,
    const MloQualityOptimizer * optimizer);

void mlo_service_counts (const MloService * s, MloServiceCounts * counts);

/* Ends all connections; nothing is called back any more. */
void mlo_service_free (MloService * s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloService, mlo_service_free)

G_END_DECLS
#endif
