/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_DISPERSION_H
#define MLO_DISPERSION_H

#include "mlo-packet.h"

G_BEGIN_DECLS

/**
 * MloDispersion: the path's capacity from how packets that queued behind each other arrive, without
 * filling the link (packet-train dispersion: Dovrolis, Ramanathan, Moore, "Packet-dispersion
 * techniques and a capacity-estimation methodology", IEEE/ACM ToN 2004).
 *
 * A packet is chained to the one before it when it was sent before that one had left the
 * bottleneck. Over the chained runs of a window, capacity = bytes after each run's first packet /
 * time from the first to the last arrival. Radio links deliver on a time grid, so one run's time is
 * off by up to a tick; but the service of what followed the first packet crosses as many ticks as it
 * is long in the mean, so the sums over several runs stay without bias: runs that came in one
 * delivery count their bytes with no time.
 *
 * Plain struct, nothing allocated, one thread.
 */
#define MLO_DISPERSION_PACKETS 1024

typedef struct
{
  gint64 arrival_us;            /* receiver's clock */
  guint32 bytes;                /* with headers */
  gboolean chained;
} MloArrival;

typedef struct
{
  MloArrival ring[MLO_DISPERSION_PACKETS];
  guint next, count;
  gint64 last_arrival_us;
} MloDispersion;

typedef struct
{
  double kbps;                  /* IP bits; < 0: nothing to measure with */
  double busy_ms;               /* time the estimate rests on */
  guint runs, packets;
  gboolean lower_bound;         /* too fast for the receiver's clock: at least kbps */
} MloCapacity;

void mlo_dispersion_init (MloDispersion * d);

/* One packet that arrived, in the order sent; @free_arrival_us: when it would have arrived without a queue. */
void mlo_dispersion_add (MloDispersion * d, const MloPacket * packet, gint64 free_arrival_us);

/* Capacity over the last @window_us before the newest arrival. */
MloCapacity mlo_dispersion_capacity (const MloDispersion * d, gint64 window_us);

G_END_DECLS
#endif
