/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TRANSPORT_H
#define MLO_TRANSPORT_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * MloTransportReport: what a transport with its own acknowledgements (SRT, RIST, RTMP over TCP) says of one
 * connection when it is asked. Counters are cumulative and start with the connection.
 */
typedef struct
{
  double rtt_ms;                /* smoothed by the transport; < 0: not known */
  guint64 sent_bytes;           /* on the path, retransmissions included */
  gint64 acked_bytes;           /* of them the peer has; < 0: not told */
  gint64 waiting_bytes;         /* accepted by the transport, or in a queue before it, and not on the path yet; < 0: not told */
  guint64 sent_packets, lost_packets;   /* both 0 where the transport counts bytes alone */
} MloTransportReport;

/**
 * MloTransportView: what follows from the reports of the last second.
 */
typedef struct
{
  double rtt_ms;                /* < 0: not known */
  double queue_ms;              /* round-trip time above its least, and what waits before the path */
  double growth;                /* of the queue as it is seen, behind it: ms per ms, below 1; 0 where too little is known */
  double sent_kbps, delivered_kbps;     /* < 0: not known yet */
  gboolean exact;               /* delivered_kbps counts acknowledged bytes; else it is reckoned from the queue and what was sent */
  double flight_bytes;          /* sent and, as far as the queue tells, not through yet; and what waits */
  double loss;                  /* 0..1 */
  double occupancy;             /* what waits, of the queue that the path's round trip holds; 0..1; < 0: not told */
  double stalled_ms;            /* bytes wait and none was acknowledged for so long */
  double interval_ms;           /* between reports that have a new round trip */
} MloTransportView;

#define MLO_TRANSPORT_REPORTS 32
#define MLO_TRANSPORT_FLOORS 6

/**
 * MloTransport: one connection's reports, a tenth of a second apart or so, made into a view. Plain struct; no
 * clock, no I/O, nothing allocated.
 */
typedef struct
{
  MloTransportReport reports[MLO_TRANSPORT_REPORTS];
  gint64 times_us[MLO_TRANSPORT_REPORTS];
  double queues_ms[MLO_TRANSPORT_REPORTS];
  guint next, count;
  double floors_ms[MLO_TRANSPORT_FLOORS];       /* least round-trip times, a few seconds each; < 0: none */
  gint64 floor_us;              /* when the newest of them began */
  guint floor;                  /* which it is */
  gint64 stuck_us;              /* since when the round trip stays up although little is sent; 0: it does not */
  double busy_kbps;             /* greatest rate that was delivered lately */
  gint64 acked_us;              /* when acknowledged bytes last moved */
  gint64 fresh_us;              /* when the round trip last changed */
  double fresh_ms;              /* how far such changes are apart, smoothed */
} MloTransport;

void mlo_transport_init (MloTransport * t);

/* Takes @report in. FALSE, and all that was known is forgotten, where its counters went back: another connection. */
gboolean mlo_transport_report (MloTransport * t, gint64 now_us, const MloTransportReport * report);

/* FALSE before the second report. */
gboolean mlo_transport_view (const MloTransport * t, MloTransportView * view);

/* Whether @a's path is in more trouble than @b's. */
gboolean mlo_transport_view_worse (const MloTransportView * a, const MloTransportView * b);

G_END_DECLS
#endif
