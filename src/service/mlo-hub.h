/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_HUB_H
#define MLO_HUB_H

#include "mlo-message.h"

G_BEGIN_DECLS

/**
 * MloHub: the streams that a metrics server knows, and who is told what of them. No I/O, no clock (the
 * caller says the time, monotonic us), one thread at a time.
 *
 * A peer is a connection. Who sends recommendations for a stream is its controller; the first keeps the
 * name, another one that comes with the same name is NAME#2 and so on. A controller that has been silent for
 * MLO_HUB_SILENT_US, or has left, is replaced under the same name, and the stream's history goes on.
 *
 *  - metrics of others go to the stream's controller, under the name that it uses; metrics without a
 *    stream to every controller;
 *  - metrics of a stream that nobody controls are offered to every peer that neither measures nor has a
 *    stream of its own, once it has been here for MLO_HUB_LISTEN_US (an element, which takes what is sent to it for
 *    its own stream, has spoken by then): a service that answers with a recommendation becomes the controller;
 *  - recommendations and limits_applied go to those that sent metrics or limits for the stream.
 */

#define MLO_HUB_MAX_STREAMS 256
#define MLO_HUB_SILENT_US (5 * G_USEC_PER_SEC)
#define MLO_HUB_LISTEN_US G_USEC_PER_SEC
/* A stream that nobody speaks of any more is forgotten after this time. */
#define MLO_HUB_FORGET_US (60 * 60 * (gint64) G_USEC_PER_SEC)
/* Decisions that are remembered of each stream: those that changed something that a person would see. */
#define MLO_HUB_MAX_DECISIONS 64

typedef struct _MloHub MloHub;
typedef struct _MloHubPeer MloHubPeer;

/* Counts since the start. */
typedef struct
{
  guint64 received;             /* messages taken */
  guint64 forwarded;            /* messages handed on, once a receiver */
  guint64 refused;              /* frames that were no messages, and messages of streams beyond the limit */
  guint64 rejected;             /* fields of a wrong type or outside their bounds, left out */
} MloHubCounters;

/* @text is one message for the peer that joined with @peer_data; it must not call into the hub. */
typedef void (*MloHubSendFunc) (gpointer peer_data, const char *text, gpointer user_data);

/* @real_offset_us: what makes a wall clock's time (us since 1970) of the caller's. */
MloHub *mlo_hub_new (gint64 real_offset_us, MloHubSendFunc send, gpointer user_data);
/* Peers are freed too. */
void mlo_hub_free (MloHub * hub);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloHub, mlo_hub_free)

/* @name: (nullable) what its messages without a stream are about, less than MLO_STREAM_NAME_SIZE bytes of UTF-8;
 * @may_limit: whether its "limits" messages are passed on. The peer belongs to the hub until it leaves. */
MloHubPeer *mlo_hub_join (MloHub * hub, const char *name, gboolean may_limit, gpointer peer_data, gint64 now_us);
void mlo_hub_leave (MloHub * hub, MloHubPeer * peer, gint64 now_us);

/**
 * mlo_hub_receive:
 * @text: one frame from @peer, not necessarily NUL-terminated: a message or an array of them
 *
 * Returns: FALSE with MLO_ERROR_* where the frame, or from some place on the rest of it, is refused; it is counted.
 */
gboolean mlo_hub_receive (MloHub * hub, MloHubPeer * peer, const char *text, gsize length, gint64 now_us,
    GError ** error);

/**
 * mlo_hub_set_limits:
 * Asks the controller of @stream for other limits, now and again whenever a controller takes the stream over;
 * limits that give nothing end that.
 *
 * Returns: FALSE with MLO_ERROR_MISSING (no such stream, nobody controls it) or MLO_ERROR_RANGE.
 */
gboolean mlo_hub_set_limits (MloHub * hub, const char *stream, const MloMessageLimits * limits, gint64 now_us,
    GError ** error);

/* Every MLO_HISTORY_TICK_MS: one more point of each stream's history; forgets what is old. */
void mlo_hub_tick (MloHub * hub, gint64 now_us);

const MloHubCounters *mlo_hub_counters (const MloHub * hub);
guint mlo_hub_n_streams (const MloHub * hub);

G_END_DECLS
#endif
