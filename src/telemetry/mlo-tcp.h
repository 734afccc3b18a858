/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TCP_H
#define MLO_TCP_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * MloTcp: one of this process' TCP connections, asked for what the kernel knows of it (tcp(7), TCP_INFO). Somebody
 * else's: it is only ever read. Reads /proc and makes system calls: outside the streaming thread. On Linux; elsewhere
 * nothing is ever found.
 */
typedef struct
{
  int fd;                       /* borrowed; < 0: none */
  guint64 cookie;               /* of the socket: its number may be another's by now */
} MloTcp;

typedef struct
{
  double rtt_ms;                /* smoothed */
  guint64 acked_bytes;
  guint64 unacked_bytes;        /* sent and not acknowledged */
  guint64 waiting_bytes;        /* in the socket, not sent yet */
  guint64 sent_segments, retransmitted_segments;
} MloTcpInfo;

/* The connection to @port of a peer through which about @written_bytes have gone so far (of several the one that is
 * nearest to it). */
gboolean mlo_tcp_find (MloTcp * t, guint16 port, guint64 written_bytes);

/* FALSE where it is not there any more. */
gboolean mlo_tcp_read (const MloTcp * t, MloTcpInfo * info);

G_END_DECLS
#endif
