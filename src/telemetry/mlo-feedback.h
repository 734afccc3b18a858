/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_FEEDBACK_H
#define MLO_FEEDBACK_H

#include "mlo-packet.h"

G_BEGIN_DECLS

/**
 * MloFeedback: what per-packet feedback says of the path, but for its capacity (mlo-dispersion.h):
 * delay above the minimum, round-trip time, jitter, loss, delivered rate, and how regular the
 * reports come. Plain struct, nothing allocated, one thread.
 */
#define MLO_FEEDBACK_BUCKETS 16 /* of the sliding minimum */
#define MLO_FEEDBACK_BUCKET_US G_USEC_PER_SEC
#define MLO_FEEDBACK_SLOTS 20   /* of loss and rate, 50 ms each */
#define MLO_FEEDBACK_SLOT_US 50000
#define MLO_FEEDBACK_INTERVALS 64
/* What was told is known for so many packets: a second at 20 Mbit/s. */
#define MLO_FEEDBACK_TOLD 2048
/* Of one report, those of which mlo_feedback_is_news() can tell. */
#define MLO_FEEDBACK_NEWS 4096

typedef struct
{
  gint64 bucket[MLO_FEEDBACK_BUCKETS];
  gint64 bucket_no;             /* of the newest */
  gint64 least;                 /* of all buckets; G_MAXINT64: all are empty */
  gboolean any;
} MloSlidingMin;

typedef struct
{
  MloSlidingMin transit;        /* arrival less send, us, the clocks' offset included */
  MloSlidingMin round_trip;     /* report's arrival less send of its newest packet, us */
  gint64 first_us, last_us;     /* first and newest report, 0: none */
  gint64 newest_send_us, newest_arrival_us;
  gint64 frame_send_us;         /* of the frame being seen */
  gint64 last_transit_us;       /* of the last frame's first packet, for jitter */
  gboolean have_transit;
  gint64 absurd_since_us;       /* only packets with absurd transits since then; 0: no */
  double queue_ms;              /* newest packet's delay above the minimum */
  double frame_queue_ms;        /* backlog met by the newest frame's first packet */
  double jitter_us;
  /* loss and rate by arrival (lost: by the arrival before them) */
  gint64 slot_no[MLO_FEEDBACK_SLOTS];
  guint32 slot_bytes[MLO_FEEDBACK_SLOTS], slot_packets[MLO_FEEDBACK_SLOTS], slot_lost[MLO_FEEDBACK_SLOTS];
  float interval_ms[MLO_FEEDBACK_INTERVALS];    /* between reports, as they came */
  float sorted_ms[MLO_FEEDBACK_INTERVALS];      /* the same, rising */
  guint n_intervals, next_interval;
  guint64 packets, lost;        /* since init */
  guint64 told[MLO_FEEDBACK_TOLD];      /* by sequence number, see mlo-feedback.c; 0: nothing */
  guint n_old;                  /* of the last report: told before */
  guint8 old[MLO_FEEDBACK_NEWS / 8];    /* a bit each, where there are any */
} MloFeedback;

void mlo_feedback_init (MloFeedback * f);

/* One report: @n packets in the order they were sent. Packets told of before (a report that came twice, or overlaps
 * another) or with absurd times (a transit more than 60 s off the minimum) are passed over; after 2 s of nothing else
 * the minimum was wrong, and is measured anew. Returns: FALSE where all of it was told before, which is no report. */
gboolean mlo_feedback_packets (MloFeedback * f, gint64 now_us, const MloPacket * packets, guint n);

/* Whether packet @i of the last report was not told of before: its bytes count once, whoever counts them. */
static inline gboolean
mlo_feedback_is_news (const MloFeedback * f, guint i)
{
  return f->n_old == 0 || i >= MLO_FEEDBACK_NEWS || !(f->old[i / 8] >> i % 8 & 1);
}

/* Whether @p makes sense by itself and beside the packets before it. */
gboolean mlo_feedback_believes (const MloFeedback * f, gint64 now_us, const MloPacket * p);

gboolean mlo_feedback_any (const MloFeedback * f);
/* Least round trip seen lately, ms; 0 before the first report. */
double mlo_feedback_base_rtt_ms (const MloFeedback * f);
/* Share lost over the last second, 0..1. */
double mlo_feedback_loss (const MloFeedback * f);
/* Rate that arrived over the last @span_us (at most 1 s) before the newest arrival, IP kbit/s. */
double mlo_feedback_delivered_kbps (const MloFeedback * f, gint64 span_us);
/* 95th percentile of the time between the last 64 reports, ms. */
double mlo_feedback_interval_ms (const MloFeedback * f);
/* arrival_us of a packet that would have met no queue if sent at @send_us. */
gint64 mlo_feedback_free_arrival_us (const MloFeedback * f, gint64 send_us);

G_END_DECLS
#endif
