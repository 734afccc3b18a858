/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-dispersion.h"

#include <string.h>

/* Resolution of the arrival times (draft-holmer-rmcat-transport-wide-cc-extensions-01). */
#define ARRIVAL_GRID_US 250

void
mlo_dispersion_init (MloDispersion * d)
{
  memset (d, 0, sizeof *d);
}

void
mlo_dispersion_add (MloDispersion * d, const MloPacket * packet, gint64 free_arrival_us)
{
  MloArrival *a;
  gboolean first = d->count == 0;

  if (!first && packet->arrival_us < d->last_arrival_us) {
    /* Overtaken on the way (or a clock set back): it says nothing of the bottleneck. */
    if (packet->arrival_us < d->last_arrival_us - G_USEC_PER_SEC)
      mlo_dispersion_init (d);
    return;
  }
  a = &d->ring[d->next];
  a->arrival_us = packet->arrival_us;
  a->bytes = packet->size + MLO_PACKET_OVERHEAD;
  /* Without a queue it would have come by the time the one before it came: it waited for that one. */
  a->chained = !first && free_arrival_us < d->last_arrival_us + ARRIVAL_GRID_US;
  d->last_arrival_us = packet->arrival_us;
  d->next = (d->next + 1) % MLO_DISPERSION_PACKETS;
  d->count = MIN (d->count + 1, MLO_DISPERSION_PACKETS);
}

static const MloArrival *
nth (const MloDispersion * d, guint i)
{
  return &d->ring[(d->next + MLO_DISPERSION_PACKETS - d->count + i) % MLO_DISPERSION_PACKETS];
}

MloCapacity
mlo_dispersion_capacity (const MloDispersion * d, gint64 window_us)
{
  MloCapacity c = {.kbps = -1.0 };
  gint64 start_us = d->last_arrival_us - window_us, run_start = 0, run_end = 0, time_us = 0;
  guint64 bytes = 0, run_bytes = 0;
  guint from = d->count, run_packets = 0;
  gboolean open = FALSE;

  while (from > 0 && nth (d, from - 1)->arrival_us >= start_us)
    from--;
  if (from >= d->count)
    return c;

  for (guint i = from; i <= d->count; i++) {
    const MloArrival *a = i < d->count ? nth (d, i) : NULL;

    if (a && a->chained && open) {
      run_bytes += a->bytes;
      run_end = a->arrival_us;
      run_packets++;
      continue;
    }
    if (open && run_packets > 0) {
      bytes += run_bytes;
      time_us += run_end - run_start;
      c.runs++;
      c.packets += run_packets;
    }
    if (!a)
      break;
    open = TRUE;
    run_start = run_end = a->arrival_us;
    run_bytes = 0;
    run_packets = 0;
  }
  if (c.packets == 0)
    return c;
  c.busy_ms = (double) time_us / 1000.0;
  if (time_us < ARRIVAL_GRID_US * (gint64) c.runs) {
    time_us = MAX (time_us, ARRIVAL_GRID_US * (gint64) c.runs);
    c.lower_bound = TRUE;
  }
  c.kbps = (double) bytes *8000.0 / (double) time_us;
  return c;
}
