/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_GCC_PROBE_H
#define MLO_GCC_PROBE_H

#include "mlo-packet.h"
#include "mlo-policy.h"

G_BEGIN_DECLS

/**
 * MloGccProber: what browsers add to Google congestion control so that it need not climb at 8 % a second. Padding is
 * sent at 3 and 6 times the start rate; while a probe shows most of its rate to be there, one at twice what it showed
 * follows; and when the queue has drained after a fall, one tries whether the old rate is back.
 *
 * Their condition that the sender be limited by its source before a recovery probe is left out, which is in their
 * favour: a game's encoder always fills its rate. Plain struct, nothing allocated, one thread; rates are IP kbit/s.
 */
#define MLO_GCC_CLUSTERS 4
#define MLO_GCC_WANTED 2

/* The packets of one probe, frames sent meanwhile included. */
typedef struct
{
  double kbps;
  guint packets;                /* of padding, asked for; 0: none */
  gint64 from_us, to_us;        /* sent in between */
  guint received;               /* of padding */
  guint64 bytes, pending;       /* up to the last padding; frames after it */
  gint64 first_send_us, last_send_us, first_arrival_us, last_arrival_us;
  guint32 first_bytes, last_bytes;
} MloGccCluster;

typedef struct
{
  double max_kbps;
  double wanted_kbps[MLO_GCC_WANTED];
  guint n_wanted;
  MloGccCluster clusters[MLO_GCC_CLUSTERS];     /* ring; a slot is used again when so many more were sent */
  guint next_cluster;
  gint64 busy_until_us;         /* a probe is being sent */
  gint64 initiated_us;
  double further_kbps;          /* an estimate above this within a second asks for more; INFINITY: none does */
  double estimate_kbps;
  /* the highest estimate of the last second, the last fall from it, the last recovery probe */
  double peak_kbps, before_kbps;
  gint64 peak_us, drop_us, recovery_us;
} MloGccProber;

void mlo_gcc_prober_init (MloGccProber * p, double max_kbps);
/* Sending begins: probes at 3 and 6 times @start_kbps. */
void mlo_gcc_prober_start (MloGccProber * p, gint64 now_us, double start_kbps);
/* TRUE where @probe is to be sent now. */
gboolean mlo_gcc_prober_next (MloGccProber * p, gint64 now_us, MloProbe * probe);
/* Feedback on a packet, in the order sent. Returns what a probe that it completes has shown, else < 0. */
double mlo_gcc_prober_packet (MloGccProber * p, const MloPacket * packet);
/* The rate in force, after each report. */
void mlo_gcc_prober_estimate (MloGccProber * p, gint64 now_us, double kbps);
/* The queue has drained: the detector went from under-use to normal. */
void mlo_gcc_prober_drained (MloGccProber * p, gint64 now_us);

G_END_DECLS
#endif
