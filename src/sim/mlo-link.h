/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_LINK_H
#define MLO_LINK_H

#include "mlo-trace.h"

G_BEGIN_DECLS

/**
 * MloLink: one direction of a path with a bottleneck. A drop-tail queue limited in bytes is served
 * at the trace's capacity (integrated exactly over its rows); what leaves it may be lost, and
 * arrives after the delay, in order.
 *
 * The caller tells the time (us, 0 is the trace's start, never falling), so the same engine runs in
 * virtual time and behind real sockets. Nothing is allocated after mlo_link_new(). Not thread safe.
 */
typedef struct _MloLink MloLink;

typedef struct
{
  double delay_ms;              /* one way, queue not counted */
  double queue_bytes;           /* IP bytes that may wait, the packet in service included; a packet
                                 * that meets an empty queue always fits. INFINITY: no limit */
  double random_loss;           /* 0..1, each packet by itself */
  double burst_loss;            /* Gilbert: share of the packets that meet the bad state ... */
  double burst_length;          /* ... whose stays last this many packets in the mean (>= 1) */
  double jitter_ms;             /* deviation of what is added to the delay; moves within some 20 ms, order kept */
  double grid_ms;               /* > 0: delivery at multiples of it only, as radio links do */
  double cross_kbps;            /* mean of cross traffic that comes and goes and shares the queue */
  double shaper_kbps;           /* > 0: a token bucket of this rate stands before the link, with a queue of its own of
                                 * queue_bytes; cross traffic does not pass it */
  double shaper_bytes;          /* of its bucket, full at first */
  gboolean use_trace_rtt;       /* where the trace's row has them: half its rtt as delay, its loss added */
} MloLinkConfig;

extern const MloLinkConfig mlo_link_config_default;

/* What mlo_link_send() returns instead of a time. */
#define MLO_LINK_QUEUE_FULL (-1)
#define MLO_LINK_LOST (-2)

/* @config is copied; @trace is borrowed and outlives the link. */
MloLink *mlo_link_new (const MloLinkConfig * config, const MloTrace * trace, guint64 seed);
void mlo_link_free (MloLink * link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloLink, mlo_link_free)

/* A packet of @ip_bytes (headers included) reaches the queue at @now_us. Returns when it arrives on
 * the other side, G_MAXINT64 if the trace never carries it, or one of the codes above. */
gint64 mlo_link_send (MloLink * link, gint64 now_us, guint32 ip_bytes);

/* Bytes waiting at @now_us, cross traffic included. */
double mlo_link_backlog_bytes (MloLink * link, gint64 now_us);
/* When they will have left, less @now_us: the queueing delay that a packet meets. G_MAXINT64: never. */
gint64 mlo_link_wait_us (MloLink * link, gint64 now_us);
/* Bytes the trace has offered in [0, now). */
double mlo_link_offered_bytes (MloLink * link, gint64 now_us);

typedef struct
{
  guint64 packets, bytes;       /* handed in */
  guint64 queue_full, lost;     /* packets */
  guint64 cross_bytes;          /* cross traffic that entered the queue */
} MloLinkStats;

const MloLinkStats *mlo_link_stats (const MloLink * link);

G_END_DECLS
#endif
