/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-gcc-probe.h"

#include <math.h>
#include <string.h>

#define FIRST_SCALE 3.0
#define SECOND_SCALE 6.0
#define FURTHER_SCALE 2.0
#define FURTHER_SHARE 0.7       /* of the last probe's rate must have been shown */
#define PROBE_US 15000.0
#define LEAST_PACKETS 5
#define RESULT_US G_USEC_PER_SEC        /* results later than this start nothing more */
#define SLACK_US 10000          /* a sender on a real machine is late */

/* A probe's result: how much of it must have come, and how it is read. */
#define RECEIVED_SHARE 0.8
#define LONGEST_US G_USEC_PER_SEC
#define MAX_RATIO 2.0           /* received faster than sent by more: no measure */
#define UNSATURATED 0.9         /* less of the sent rate came: the link is full ... */
#define FULL_SHARE 0.95         /* ... and this of what came is the result */

/* Recovery: fallen below this share of the peak, at most so long ago, at most so often. */
#define DROP_SHARE 0.66
#define PEAK_US G_USEC_PER_SEC
#define DROP_US (5 * G_USEC_PER_SEC)
#define RECOVERY_US (5 * G_USEC_PER_SEC)
#define RECOVERY_SHARE 0.85
#define UNCERTAINTY 0.05

#define PADDING_BITS (8.0 * (MLO_PADDING_BYTES + MLO_PACKET_OVERHEAD))

void
mlo_gcc_prober_init (MloGccProber * p, double max_kbps)
{
  memset (p, 0, sizeof *p);
  p->max_kbps = max_kbps;
  p->further_kbps = INFINITY;
  p->recovery_us = p->drop_us = -RECOVERY_US;
}

/* @further: whether what it shows may ask for the next. */
static void
want (MloGccProber * p, gint64 now_us, double kbps, gboolean further)
{
  gboolean capped = kbps > p->max_kbps;

  kbps = MIN (kbps, p->max_kbps);
  p->initiated_us = now_us;
  p->further_kbps = further && !capped ? FURTHER_SHARE * kbps : INFINITY;
  if (p->n_wanted > 0 && p->wanted_kbps[p->n_wanted - 1] >= kbps)
    return;
  if (p->n_wanted < MLO_GCC_WANTED)
    p->wanted_kbps[p->n_wanted++] = kbps;
}

void
mlo_gcc_prober_start (MloGccProber * p, gint64 now_us, double start_kbps)
{
  want (p, now_us, FIRST_SCALE * start_kbps, TRUE);
  want (p, now_us, SECOND_SCALE * start_kbps, TRUE);
}

gboolean
mlo_gcc_prober_next (MloGccProber * p, gint64 now_us, MloProbe * probe)
{
  MloGccCluster *c = &p->clusters[p->next_cluster];

  if (p->n_wanted == 0 || now_us < p->busy_until_us)
    return FALSE;
  probe->kbps = p->wanted_kbps[0];
  probe->packets = MAX (LEAST_PACKETS, 1 + (guint) ceil (probe->kbps * PROBE_US / 1000.0 / PADDING_BITS));
  p->n_wanted--;
  memmove (p->wanted_kbps, p->wanted_kbps + 1, p->n_wanted * sizeof p->wanted_kbps[0]);

  memset (c, 0, sizeof *c);
  c->kbps = probe->kbps;
  c->packets = probe->packets;
  c->from_us = now_us;
  c->to_us = now_us + (gint64) (1000.0 * (probe->packets - 1) * PADDING_BITS / probe->kbps) + SLACK_US;
  p->busy_until_us = c->to_us + 1;
  p->next_cluster = (p->next_cluster + 1) % MLO_GCC_CLUSTERS;
  return TRUE;
}

static double
result (const MloGccCluster * c)
{
  gint64 sent_us = c->last_send_us - c->first_send_us, arrived_us = c->last_arrival_us - c->first_arrival_us;
  double sent, arrived;

  if (c->received < RECEIVED_SHARE * c->packets || c->received < 2)
    return -1.0;
  if (sent_us <= 0 || sent_us > LONGEST_US || arrived_us <= 0 || arrived_us > LONGEST_US)
    return -1.0;
  sent = (double) (c->bytes - c->last_bytes) * 8000.0 / (double) sent_us;
  arrived = (double) (c->bytes - c->first_bytes) * 8000.0 / (double) arrived_us;
  if (arrived > MAX_RATIO * sent)
    return -1.0;
  return arrived < UNSATURATED * sent ? FULL_SHARE * arrived : MIN (sent, arrived);
}

static void
add (MloGccCluster * c, const MloPacket * packet)
{
  guint32 bytes = packet->size + MLO_PACKET_OVERHEAD;

  if (packet->size != MLO_PADDING_BYTES) {
    if (c->received > 0)
      c->pending += bytes;
    return;
  }
  if (c->received == 0) {
    c->first_send_us = packet->send_us;
    c->first_arrival_us = packet->arrival_us;
    c->first_bytes = bytes;
  }
  c->received++;
  c->bytes += c->pending + bytes;
  c->pending = 0;
  c->last_send_us = packet->send_us;
  c->last_arrival_us = packet->arrival_us;
  c->last_bytes = bytes;
}

double
mlo_gcc_prober_packet (MloGccProber * p, const MloPacket * packet)
{
  double shown = -1.0;

  if (packet->lost)
    return -1.0;
  for (guint i = 0; i < MLO_GCC_CLUSTERS; i++) {
    MloGccCluster *c = &p->clusters[(p->next_cluster + i) % MLO_GCC_CLUSTERS];

    if (c->packets == 0 || packet->send_us < c->from_us)
      continue;
    if (packet->send_us <= c->to_us)
      add (c, packet);
    if (packet->send_us > c->to_us || c->received == c->packets) {
      double kbps = result (c);

      shown = kbps >= 0.0 ? kbps : shown;
      c->packets = 0;
    }
  }
  return shown;
}

void
mlo_gcc_prober_estimate (MloGccProber * p, gint64 now_us, double kbps)
{
  if (kbps > p->further_kbps && now_us - p->initiated_us <= RESULT_US)
    want (p, now_us, FURTHER_SCALE * kbps, TRUE);
  p->estimate_kbps = kbps;
  if (kbps >= p->peak_kbps || now_us - p->peak_us > PEAK_US) {
    p->peak_kbps = kbps;
    p->peak_us = now_us;
  } else if (kbps < DROP_SHARE * p->peak_kbps) {
    p->drop_us = now_us;
    p->before_kbps = p->peak_kbps;
  }
}

void
mlo_gcc_prober_drained (MloGccProber * p, gint64 now_us)
{
  double kbps = RECOVERY_SHARE * p->before_kbps;

  if (p->n_wanted > 0 || (isfinite (p->further_kbps) && now_us - p->initiated_us <= RESULT_US))
    return;
  if (now_us - p->drop_us >= DROP_US || now_us - p->recovery_us <= RECOVERY_US
      || (1.0 - UNCERTAINTY) * kbps <= p->estimate_kbps)
    return;
  p->recovery_us = now_us;
  want (p, now_us, kbps, FALSE);
}
