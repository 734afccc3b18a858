/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-feedback.h"

#include <math.h>
#include <string.h>

/* A transit this far from the minimum is no queue but a clock that was set. */
#define ABSURD_TRANSIT_US (60 * G_USEC_PER_SEC)
/* ... unless it stays: then the minimum was wrong, or the clock was set. */
#define ABSURD_PATIENCE_US (2 * G_USEC_PER_SEC)

static void
sliding_min_add (MloSlidingMin * m, gint64 now_us, gint64 value)
{
  gint64 no = now_us / MLO_FEEDBACK_BUCKET_US;
  gboolean rolled = !m->any || m->bucket_no < no;

  if (!m->any) {
    for (int i = 0; i < MLO_FEEDBACK_BUCKETS; i++)
      m->bucket[i] = G_MAXINT64;
    m->bucket_no = no;
    m->any = TRUE;
  }
  for (; m->bucket_no < no; m->bucket_no++) {
    if (no - m->bucket_no > MLO_FEEDBACK_BUCKETS) {
      m->bucket_no = no - MLO_FEEDBACK_BUCKETS - 1;
      continue;
    }
    m->bucket[(m->bucket_no + 1) % MLO_FEEDBACK_BUCKETS] = G_MAXINT64;
  }
  if (rolled) {
    m->least = G_MAXINT64;
    for (int i = 0; i < MLO_FEEDBACK_BUCKETS; i++)
      m->least = MIN (m->least, m->bucket[i]);
  }
  value = MIN (value, m->bucket[m->bucket_no % MLO_FEEDBACK_BUCKETS]);
  m->bucket[m->bucket_no % MLO_FEEDBACK_BUCKETS] = value;
  m->least = MIN (m->least, value);
}

static gint64
sliding_min_get (const MloSlidingMin * m)
{
  return !m->any || m->least == G_MAXINT64 ? 0 : m->least;
}

void
mlo_feedback_init (MloFeedback * f)
{
  memset (f, 0, sizeof *f);
  for (int i = 0; i < MLO_FEEDBACK_SLOTS; i++)
    f->slot_no[i] = G_MININT64;
}

static guint
slot_at (MloFeedback * f, gint64 arrival_us)
{
  gint64 no = arrival_us / MLO_FEEDBACK_SLOT_US;
  guint i = (guint) (((no % MLO_FEEDBACK_SLOTS) + MLO_FEEDBACK_SLOTS) % MLO_FEEDBACK_SLOTS);

  if (f->slot_no[i] != no) {
    f->slot_no[i] = no;
    f->slot_bytes[i] = f->slot_packets[i] = f->slot_lost[i] = 0;
  }
  return i;
}

gboolean
mlo_feedback_believes (const MloFeedback * f, gint64 now_us, const MloPacket * p)
{
  if (!mlo_packet_plausible (p, now_us))
    return FALSE;
  return p->lost || !f->transit.any
      || ABS (p->arrival_us - p->send_us - sliding_min_get (&f->transit)) <= ABSURD_TRANSIT_US;
}

/* Packets that are plausible and not believed: those before them may have been the wrong ones. */
static void
doubt (MloFeedback * f, gint64 now_us)
{
  if (f->absurd_since_us == 0)
    f->absurd_since_us = now_us;
  if (now_us - f->absurd_since_us < ABSURD_PATIENCE_US)
    return;
  f->absurd_since_us = 0;
  f->transit.any = FALSE;
  f->have_transit = FALSE;
}

static void
see_packet (MloFeedback * f, gint64 now_us, const MloPacket * p)
{
  gint64 transit = p->arrival_us - p->send_us;
  gint64 base;
  guint slot;

  if (!mlo_feedback_believes (f, now_us, p)) {
    doubt (f, now_us);
    return;
  }
  f->absurd_since_us = 0;
  sliding_min_add (&f->transit, now_us, transit);
  base = sliding_min_get (&f->transit);
  f->queue_ms = (double) (transit - base) / 1000.0;
  if (p->send_us != f->frame_send_us) {
    f->frame_send_us = p->send_us;
    f->frame_queue_ms = f->queue_ms;
    if (f->have_transit)
      f->jitter_us += ((double) ABS (transit - f->last_transit_us) - f->jitter_us) / 16.0;
    f->last_transit_us = transit;
    f->have_transit = TRUE;
  }
  /* Late by more than this none is overtaken: the clock was set back, or lied. */
  if (f->newest_send_us == 0 || p->arrival_us > f->newest_arrival_us
      || p->arrival_us < f->newest_arrival_us - G_USEC_PER_SEC)
    f->newest_arrival_us = p->arrival_us;
  slot = slot_at (f, p->arrival_us);
  f->slot_bytes[slot] += p->size + MLO_PACKET_OVERHEAD;
  f->slot_packets[slot]++;
}

/* Keeps the intervals sorted as they come and go: their percentile is asked for with every report. */
static void
add_interval (MloFeedback * f, float ms)
{
  guint n = f->n_intervals, k = 0;

  if (n == MLO_FEEDBACK_INTERVALS) {
    while (k < n - 1 && f->sorted_ms[k] < f->interval_ms[f->next_interval])
      k++;
    memmove (&f->sorted_ms[k], &f->sorted_ms[k + 1], (n - 1 - k) * sizeof f->sorted_ms[0]);
    n--;
  }
  for (k = n; k > 0 && f->sorted_ms[k - 1] > ms; k--)
    f->sorted_ms[k] = f->sorted_ms[k - 1];
  f->sorted_ms[k] = ms;
  f->n_intervals = n + 1;
  f->interval_ms[f->next_interval] = ms;
  f->next_interval = (f->next_interval + 1) % MLO_FEEDBACK_INTERVALS;
}

/* What tells one packet's news from another's: the sequence number, which is another's 65536 packets later or on another
 * path, with the time (us, the low bits) of the arrival, or of sending where it was lost. Lost first and arrived after all
 * are two news. */
static inline guint64
news_of (const MloPacket * p)
{
  return (guint64) (p->lost ? 2 : 1) << 48 | (guint64) (p->seqnum & 0xffff) << 32
      | (guint32) (p->lost ? p->send_us : p->arrival_us);
}

static void
mark_old (MloFeedback * f, guint i)
{
  if (f->n_old++ == 0)
    memset (f->old, 0, sizeof f->old);
  f->old[i / 8] |= (guint8) (1u << i % 8);
}

static void
note_report (MloFeedback * f, gint64 now_us)
{
  if (f->last_us != 0 && now_us >= f->last_us)
    add_interval (f, (float) (now_us - f->last_us) / 1000.0f);
  if (f->first_us == 0)
    f->first_us = now_us;
  f->last_us = now_us;
}

gboolean
mlo_feedback_packets (MloFeedback * f, gint64 now_us, const MloPacket * packets, guint n)
{
  gint64 newest_send = 0;

  f->n_old = 0;
  for (guint i = 0; i < n; i++) {
    const MloPacket *p = &packets[i];
    guint64 news = news_of (p), *told = &f->told[p->seqnum % MLO_FEEDBACK_TOLD];

    if (*told == news && i < MLO_FEEDBACK_NEWS) {
      mark_old (f, i);
      continue;
    }
    *told = news;
    /* From the future or long before what was seen: a lie, or a repetition that is not remembered. */
    if (!mlo_packet_plausible (p, now_us) || p->send_us < f->newest_send_us - G_USEC_PER_SEC)
      continue;
    f->packets++;
    if (p->lost) {
      guint slot = slot_at (f, f->newest_arrival_us);

      f->lost++;
      f->slot_packets[slot]++;
      f->slot_lost[slot]++;
      continue;
    }
    see_packet (f, now_us, p);
    newest_send = MAX (newest_send, p->send_us);
    f->newest_send_us = MAX (f->newest_send_us, p->send_us);
  }
  if (f->n_old == n)
    return FALSE;
  note_report (f, now_us);
  if (newest_send > 0)
    sliding_min_add (&f->round_trip, now_us, now_us - newest_send);
  return TRUE;
}

gboolean
mlo_feedback_any (const MloFeedback * f)
{
  return f->first_us != 0;
}

double
mlo_feedback_base_rtt_ms (const MloFeedback * f)
{
  return (double) sliding_min_get (&f->round_trip) / 1000.0;
}

double
mlo_feedback_loss (const MloFeedback * f)
{
  gint64 no = f->newest_arrival_us / MLO_FEEDBACK_SLOT_US;
  guint packets = 0, lost = 0;

  for (int i = 0; i < MLO_FEEDBACK_SLOTS; i++) {
    if (f->slot_no[i] > no - MLO_FEEDBACK_SLOTS && f->slot_no[i] <= no) {
      packets += f->slot_packets[i];
      lost += f->slot_lost[i];
    }
  }
  return packets > 0 ? (double) lost / packets : 0.0;
}

double
mlo_feedback_delivered_kbps (const MloFeedback * f, gint64 span_us)
{
  gint64 no = f->newest_arrival_us / MLO_FEEDBACK_SLOT_US;
  gint64 n = CLAMP (span_us / MLO_FEEDBACK_SLOT_US, 1, MLO_FEEDBACK_SLOTS - 1);
  gint64 covered_us = (n - 1) * MLO_FEEDBACK_SLOT_US + f->newest_arrival_us - no * MLO_FEEDBACK_SLOT_US;
  guint64 bytes = 0;

  for (int i = 0; i < MLO_FEEDBACK_SLOTS; i++) {
    if (f->slot_no[i] > no - n && f->slot_no[i] <= no)
      bytes += f->slot_bytes[i];
  }
  /* The newest slot is only partly over. */
  return (double) bytes *8000.0 / (double) MAX (covered_us, MLO_FEEDBACK_SLOT_US);
}

double
mlo_feedback_interval_ms (const MloFeedback * f)
{
  return f->n_intervals > 0 ? f->sorted_ms[(f->n_intervals - 1) * 95 / 100] : 0.0;
}

gint64
mlo_feedback_free_arrival_us (const MloFeedback * f, gint64 send_us)
{
  return send_us + sliding_min_get (&f->transit);
}
