/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-alert.h"

#include <string.h>

/* Half of the queue that the guard cuts at. */
#define QUEUE_SHARE 0.25
/* The least transit rises by this, ppm: faster than any clock drifts, and in the guard's memory of its own least
 * (16 s) by no more than 3 ms. */
#define DRIFT 200
/* Reports this far apart end a silence, at which the bitrate is held back. */
#define SILENCE_US 40000
/* A step of the other clock: the least is measured anew. */
#define STEP_US (10 * G_USEC_PER_SEC)

void
mlo_alert_init (MloAlert * a)
{
  memset (a, 0, sizeof *a);
  a->eager = TRUE;
}

void
mlo_alert_set (MloAlert * a, gboolean eager, double target_delay_ms)
{
  a->eager = eager;
  a->queue_ms = QUEUE_SHARE * target_delay_ms;
}

/* Of a packet that arrived. */
static double
queue_ms (MloAlert * a, gint64 now_us, const MloPacket * p)
{
  gint64 transit_us = p->arrival_us - p->send_us;
  gint64 drift_us = a->least_at_us == 0 ? 0 : CLAMP (now_us - a->least_at_us, 0, G_USEC_PER_SEC) * DRIFT / 1000000;

  if (a->least_at_us == 0 || transit_us < a->least_us + drift_us || transit_us - a->least_us > STEP_US)
    a->least_us = transit_us;
  else
    a->least_us += drift_us;
  /* What is too little to count is not lost. */
  if (drift_us > 0 || a->least_at_us == 0)
    a->least_at_us = now_us;
  return (double) (transit_us - a->least_us) / 1000.0;
}

gboolean
mlo_alert_report (MloAlert * a, gint64 now_us, const MloPacket * packets, guint n, const MloWindow * window)
{
  gboolean counts = a->eager || a->last_us == 0 || now_us - a->last_us > SILENCE_US;

  for (guint i = 0; i < n; i++) {
    if (packets[i].lost || queue_ms (a, now_us, &packets[i]) > a->queue_ms)
      counts = TRUE;
  }
  a->last_us = now_us;
  return counts || window->in_flight > window->limit / 2;
}
