/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_RELAY_H
#define MLO_RELAY_H

#include <gio/gio.h>

#include "mlo-link.h"

G_BEGIN_DECLS

/* IPv4 and UDP headers, which the link carries and a UDP payload does not count. */
#define MLO_RELAY_HEADER 28

/**
 * MloRelay: UDP sockets joined by an emulated path. Datagrams that go forward pass the bottleneck
 * (MloLink: capacity, queue, loss, delay), those that go back are only delayed. Arrival times are
 * the kernel's, so a late wake-up does not change what the queue does; the bytes held are bounded.
 * One thread runs it; mlo_relay_stop() may come from any thread or a signal handler.
 */
typedef struct _MloRelay MloRelay;

/* What has happened since the start. Rates follow from differences. */
typedef struct
{
  guint64 packets_in, bytes_in; /* forward, IP bytes */
  guint64 packets_out, bytes_out;       /* handed on, IP bytes */
  guint64 dropped_queue, dropped_loss;  /* packets: no room in the queue; random loss */
  guint64 dropped_other;        /* packets: a ceiling of this program, or the socket refused */
  guint64 packets_back;
  gint64 latest_us;             /* greatest lateness of a hand-over against its due time */
} MloRelayCounters;

/* Called each interval from the relay's thread. @time_us: since the first datagram that went
 * forward; @link_us: what the link may be asked about (its time never falls). */
typedef void (*MloRelayReport) (gpointer user_data, gint64 time_us, gint64 link_us, const MloRelayCounters * counters);

/* @link: (transfer none), outlives the relay; its time is @trace_start_us at the first datagram that
 * goes forward. @back_delay_us: of datagrams that go back. */
MloRelay *mlo_relay_new (MloLink * link, gint64 trace_start_us, gint64 back_delay_us);
void mlo_relay_free (MloRelay * r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloRelay, mlo_relay_free)

/**
 * mlo_relay_add:
 * What arrives at @listen ("PORT" or "HOST:PORT", HOST by default every local IPv4 address) goes
 * on to @to ("HOST:PORT" or "PORT", HOST by default 127.0.0.1); what @to answers goes to where the last
 * datagram came from. @forward: through the bottleneck there and with delay alone back; else the other way round.
 */
gboolean mlo_relay_add (MloRelay * r, const char *listen, const char *to, gboolean forward, GError ** error);

/* The local port of the flow added as number @index from 0, for tests that listen on port 0. */
guint16 mlo_relay_port (MloRelay * r, guint index);

void mlo_relay_set_report (MloRelay * r, gint64 interval_us, MloRelayReport report, gpointer user_data);

/**
 * mlo_relay_run:
 * Until mlo_relay_stop(), or @duration_us (< 0: no end) after the first datagram that went forward.
 */
gboolean mlo_relay_run (MloRelay * r, gint64 duration_us, GError ** error);

/* Async-signal safe. */
void mlo_relay_stop (MloRelay * r);

const MloRelayCounters *mlo_relay_counters (const MloRelay * r);
/* Monotonic time of the first datagram that went forward, 0 before that. */
gint64 mlo_relay_start_us (const MloRelay * r);
/* Whether the thread that runs has real-time priority (root, or RLIMIT_RTPRIO). */
gboolean mlo_relay_is_realtime (const MloRelay * r);

G_END_DECLS
#endif
