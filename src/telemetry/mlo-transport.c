/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-transport.h"

#include <math.h>
#include <string.h>

/* Rates and losses are over so many us: long enough for some frames, short enough for a fall. */
#define RATE_US 450000
#define RATE_EXACT_US 250000
#define LOSS_US G_USEC_PER_SEC
/* One packet is asked for several times where its retransmission is late: more than this is not believed. */
#define LOSS_MOST 0.5
#define GROWTH_US 350000
#define GROWTH_MOST_US 1500000
/* A floor of the round-trip time is kept for this long, six of them in all. */
#define FLOOR_US (5 * G_USEC_PER_SEC)
/* Standing still for this long at under half of what got through before is no queue: the path has become longer. */
#define STUCK_US (3 * G_USEC_PER_SEC)
#define STUCK_SHARE 0.5
#define STUCK_MS 10.0
#define BUSY_FORGET 0.995
#define FRESH_MOST_MS 2000.0
#define MAX_MS 60000.0

void
mlo_transport_init (MloTransport * t)
{
  memset (t, 0, sizeof *t);
  for (guint i = 0; i < MLO_TRANSPORT_FLOORS; i++)
    t->floors_ms[i] = -1.0;
}

/* The report @back before the newest. */
static guint
index_back (const MloTransport * t, guint back)
{
  return (t->next + 2 * MLO_TRANSPORT_REPORTS - 1 - back) % MLO_TRANSPORT_REPORTS;
}

/* The youngest that is at least @span_us older than the newest, or the oldest. */
static guint
index_span (const MloTransport * t, gint64 span_us)
{
  gint64 newest = t->times_us[index_back (t, 0)];
  guint back = 1;

  while (back + 1 < t->count && newest - t->times_us[index_back (t, back)] < span_us)
    back++;
  return index_back (t, back);
}

static double
rate_kbps (guint64 from, guint64 to, gint64 span_us)
{
  return span_us > 0 && to >= from ? (double) (to - from) * 8000.0 / (double) span_us : 0.0;
}

static double
floor_ms (const MloTransport * t)
{
  double least = -1.0;

  for (guint i = 0; i < MLO_TRANSPORT_FLOORS; i++) {
    if (t->floors_ms[i] >= 0.0 && (least < 0.0 || t->floors_ms[i] < least))
      least = t->floors_ms[i];
  }
  return least;
}

static void
note_floor (MloTransport * t, gint64 now_us, double rtt_ms)
{
  if (t->floor_us == 0 || now_us - t->floor_us >= FLOOR_US) {
    t->floor = (t->floor + 1) % MLO_TRANSPORT_FLOORS;
    t->floors_ms[t->floor] = rtt_ms;
    t->floor_us = now_us;
  } else if (t->floors_ms[t->floor] < 0.0 || rtt_ms < t->floors_ms[t->floor])
    t->floors_ms[t->floor] = rtt_ms;
}

/* Rates over RATE_US; the newest report is in. */
static void
rates (const MloTransport * t, double *sent_kbps, double *acked_kbps)
{
  guint now = index_back (t, 0);
  guint then = index_span (t, t->reports[now].acked_bytes >= 0 ? RATE_EXACT_US : RATE_US);
  gint64 span_us = t->times_us[now] - t->times_us[then];
  const MloTransportReport *a = &t->reports[then], *b = &t->reports[now];

  *sent_kbps = rate_kbps (a->sent_bytes, b->sent_bytes, span_us);
  *acked_kbps = a->acked_bytes >= 0 && b->acked_bytes >= 0 ?
      rate_kbps ((guint64) a->acked_bytes, (guint64) b->acked_bytes, span_us) : -1.0;
}

/* Little is sent and still the round trip does not come down. */
static void
note_stuck (MloTransport * t, gint64 now_us, double sent_kbps)
{
  double rtt_ms = t->reports[index_back (t, 0)].rtt_ms, excess = rtt_ms - floor_ms (t);
  gboolean still = t->count > 4 && fabs (rtt_ms - t->reports[index_back (t, 4)].rtt_ms) < 0.2 * excess;

  t->busy_kbps = MAX (t->busy_kbps * BUSY_FORGET, sent_kbps);
  if (rtt_ms < 0.0 || excess < STUCK_MS || !still || sent_kbps > STUCK_SHARE * t->busy_kbps) {
    t->stuck_us = 0;
    return;
  }
  if (t->stuck_us == 0)
    t->stuck_us = now_us;
  if (now_us - t->stuck_us < STUCK_US)
    return;
  for (guint i = 0; i < MLO_TRANSPORT_FLOORS; i++)
    t->floors_ms[i] = -1.0;
  t->floor_us = 0;
  t->stuck_us = 0;
  note_floor (t, now_us, rtt_ms);
}

static gboolean
went_back (const MloTransportReport * before, const MloTransportReport * r)
{
  return r->sent_bytes < before->sent_bytes || (before->acked_bytes >= 0 && r->acked_bytes < before->acked_bytes)
      || r->sent_packets < before->sent_packets || r->lost_packets < before->lost_packets;
}

gboolean
mlo_transport_report (MloTransport * t, gint64 now_us, const MloTransportReport * report)
{
  MloTransportReport r = *report;
  gboolean same = TRUE;
  double sent_kbps, acked_kbps, excess;

  if (!(r.rtt_ms >= 0.0 && r.rtt_ms <= MAX_MS))
    r.rtt_ms = -1.0;
  if (t->count > 0) {
    guint last = index_back (t, 0);

    if (now_us <= t->times_us[last])
      return TRUE;
    if (went_back (&t->reports[last], &r)) {
      mlo_transport_init (t);
      same = FALSE;
    } else if (r.acked_bytes > t->reports[last].acked_bytes || r.waiting_bytes <= 0)
      t->acked_us = now_us;
  }
  if (t->acked_us == 0)
    t->acked_us = now_us;
  if (t->count == 0 || r.rtt_ms != t->reports[index_back (t, 0)].rtt_ms) {
    if (t->fresh_us != 0)
      t->fresh_ms +=
          (t->fresh_ms <= 0.0 ? 1.0 : 0.2) * (MIN ((double) (now_us - t->fresh_us) / 1000.0,
              FRESH_MOST_MS) - t->fresh_ms);
    t->fresh_us = now_us;
  }
  if (r.rtt_ms >= 0.0)
    note_floor (t, now_us, r.rtt_ms);
  t->reports[t->next] = r;
  t->times_us[t->next] = now_us;
  t->queues_ms[t->next] = 0.0;
  t->next = (t->next + 1) % MLO_TRANSPORT_REPORTS;
  t->count = MIN (t->count + 1, MLO_TRANSPORT_REPORTS);
  if (t->count < 2)
    return same;

  rates (t, &sent_kbps, &acked_kbps);
  note_stuck (t, now_us, sent_kbps);
  excess = r.rtt_ms >= 0.0 ? MAX (r.rtt_ms - floor_ms (t), 0.0) : 0.0;
  if (r.waiting_bytes > 0) {
    /* Nothing acknowledged at all: how long that lasts already is the least that it can be. */
    double kbps = MAX (acked_kbps >= 0.0 ? acked_kbps : sent_kbps, 0.05 * t->busy_kbps);

    if (kbps > 0.0)
      excess += (double) r.waiting_bytes * 8.0 / kbps;
    excess = MAX (excess, (double) (now_us - t->acked_us) / 1000.0 - MAX (r.rtt_ms, 0.0));
  }
  t->queues_ms[index_back (t, 0)] = MIN (excess, MAX_MS);
  return same;
}

/* A single high reading is a burst on its way, not a queue. */
static double
settled_queue_ms (const MloTransport * t, guint back)
{
  double q = t->queues_ms[index_back (t, back)];

  return back + 1 < t->count ? MIN (q, t->queues_ms[index_back (t, back + 1)]) : q;
}

/* Slope of the queue's line of best fit over GROWTH_US. */
static double
growth (const MloTransport * t)
{
  gint64 newest = t->times_us[index_back (t, 0)];
  gint64 span_us = CLAMP ((gint64) (2000.0 * t->fresh_ms), GROWTH_US, GROWTH_MOST_US);
  double n = 0.0, sx = 0.0, sy = 0.0, sxx = 0.0, sxy = 0.0, d;

  for (guint back = 0; back < t->count && newest - t->times_us[index_back (t, back)] <= span_us; back++) {
    double x = (double) (t->times_us[index_back (t, back)] - newest) / 1000.0;
    double y = t->queues_ms[index_back (t, back)];

    n += 1.0;
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
  }
  d = n * sxx - sx * sx;
  return n >= 3.0 && d > 0.0 ? CLAMP ((n * sxy - sx * sy) / d, -3.0, 0.9) : 0.0;
}

static double
loss_share (const MloTransport * t, gint64 span_us)
{
  const MloTransportReport *b = &t->reports[index_back (t, 0)], *a = &t->reports[index_span (t, span_us)];
  guint64 sent = b->sent_packets - a->sent_packets, lost = b->lost_packets - a->lost_packets;

  return sent + lost > 0 ? MIN (1.0, (double) lost / (double) MAX (sent, lost)) : 0.0;
}

/* Bytes sent until @at_us, between two reports on the line through them. */
static double
sent_until (const MloTransport * t, gint64 at_us)
{
  guint later = index_back (t, 0);

  for (guint back = 1; back < t->count; back++) {
    guint earlier = index_back (t, back);

    if (t->times_us[earlier] <= at_us) {
      double span = (double) (t->times_us[later] - t->times_us[earlier]);
      double share = MIN ((double) (at_us - t->times_us[earlier]) / span, 1.0);

      return (double) t->reports[earlier].sent_bytes
          + share * (double) (t->reports[later].sent_bytes - t->reports[earlier].sent_bytes);
    }
    later = earlier;
  }
  return (double) t->reports[later].sent_bytes;
}

/* What has come through now was sent as long ago as the queue is: so what came through between two reports is what was
 * sent between those times, less what was lost. */
static double
through_kbps (const MloTransport * t)
{
  guint now = index_back (t, 0), then =
      index_span (t, MAX (RATE_US, MIN ((gint64) (2000.0 * t->fresh_ms), GROWTH_MOST_US)));
  gint64 to_us = t->times_us[now] - (gint64) (1000.0 * t->queues_ms[now]);
  gint64 from_us = t->times_us[then] - (gint64) (1000.0 * t->queues_ms[then]);
  double span_us = (double) (t->times_us[now] - t->times_us[then]), bytes;
  const MloTransportReport *a = &t->reports[then], *b = &t->reports[now];

  if (to_us <= from_us || span_us <= 0.0)
    return 0.0;
  bytes = sent_until (t, to_us) - sent_until (t, from_us);
  if (b->sent_packets > a->sent_packets)
    bytes *=
        1.0 - MIN (LOSS_MOST,
        (double) (b->lost_packets - a->lost_packets) / (double) (b->sent_packets - a->sent_packets));
  return MAX (bytes, 0.0) * 8000.0 / span_us;
}

gboolean
mlo_transport_view (const MloTransport * t, MloTransportView * v)
{
  const MloTransportReport *r;
  double acked_kbps;
  guint now;

  if (t->count < 2)
    return FALSE;
  now = index_back (t, 0);
  r = &t->reports[now];
  memset (v, 0, sizeof *v);
  v->rtt_ms = r->rtt_ms;
  v->queue_ms = settled_queue_ms (t, 0);
  v->growth = growth (t);
  v->loss = loss_share (t, LOSS_US);
  rates (t, &v->sent_kbps, &acked_kbps);
  v->exact = acked_kbps >= 0.0;
  v->delivered_kbps = v->exact ? acked_kbps : through_kbps (t);
  if (v->exact)
    v->flight_bytes = (double) (r->sent_bytes - MIN ((guint64) r->acked_bytes, r->sent_bytes));
  else
    v->flight_bytes = (double) r->sent_bytes - sent_until (t, t->times_us[now] - (gint64) (1000.0 * t->queues_ms[now]));
  v->flight_bytes += (double) MAX (r->waiting_bytes, 0);
  v->occupancy = -1.0;
  if (r->waiting_bytes >= 0 && v->delivered_kbps > 0.0)
    v->occupancy = MIN (1.0, (double) r->waiting_bytes * 8.0 / v->delivered_kbps / MAX (floor_ms (t), 100.0));
  v->stalled_ms = r->waiting_bytes > 0 ? (double) (t->times_us[now] - t->acked_us) / 1000.0 : 0.0;
  v->interval_ms = t->fresh_ms;
  return TRUE;
}

gboolean
mlo_transport_view_worse (const MloTransportView * a, const MloTransportView * b)
{
  return a->queue_ms + 1000.0 * a->loss > b->queue_ms + 1000.0 * b->loss;
}
