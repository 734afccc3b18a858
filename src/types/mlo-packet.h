/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_PACKET_H
#define MLO_PACKET_H

#include <glib.h>

G_BEGIN_DECLS

/* Bytes a packet has on the link beyond what the feedback calls its size (RTP payload): IPv4 20,
 * UDP 8, RTP 12, transport-wide sequence extension 8. */
#define MLO_PACKET_OVERHEAD 48

/* RTP payload of a packet of padding (MloProbe in mlo-policy.h). */
#define MLO_PADDING_BYTES 1000

/**
 * MloPacket: what transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01)
 * says of one packet. Packets of one report come in the order they were sent; packets of one
 * frame share @send_us.
 */
typedef struct
{
  gint64 send_us;               /* sender's monotonic clock */
  gint64 arrival_us;            /* receiver's clock: any offset, grid of 250 us; meaningless if lost */
  guint32 seqnum;               /* 16 bits on the wire */
  guint32 size;                 /* RTP payload bytes, without MLO_PACKET_OVERHEAD */
  gboolean lost;
} MloPacket;

/* Whether these can be true at all: sent before @now_us and within the last hour, a size that UDP carries, and an arrival
 * with which one can calculate. Such times may be subtracted from each other without overflow. */
static inline gboolean
mlo_packet_plausible (const MloPacket * p, gint64 now_us)
{
  return p->send_us <= now_us && p->send_us > now_us - G_GINT64_CONSTANT (3600000000) && p->size <= 65535
      && (p->lost || (p->arrival_us > -G_MAXINT64 / 4 && p->arrival_us < G_MAXINT64 / 4));
}

/**
 * MloReceiverReport: an RTCP receiver report on our stream (RFC 3550 section 6.4.2), in plain units.
 */
typedef struct
{
  double rtt_ms;                /* < 0: not known */
  double jitter_ms;             /* < 0: not known */
  double fraction_lost;         /* 0..1 since the report before */
  double received_kbps;         /* < 0: not known */
} MloReceiverReport;

G_END_DECLS
#endif
