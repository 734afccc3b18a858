/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_KNOWN_H
#define MLO_KNOWN_H

#include "mlo-sample.h"

G_BEGIN_DECLS

/**
 * MloKnown: what the messages of one stream told, put together: the newest of each field while it is
 * fresh, and the queue where only a latency is told. Plain struct, no I/O, no clock: times are
 * monotonic us and never fall.
 */

/* No value is fresh and no silence is waited for longer; a time stamp that falls by more is another clock. */
#define MLO_KNOWN_LONGEST_US (10 * G_USEC_PER_SEC)
/* The path's least latency is that of so many stretches of time. */
#define MLO_KNOWN_FLOORS 10

typedef struct
{
  MloSample newest;             /* of each field, stale ones too */
  gint64 told_us[MLO_N_FIELDS]; /* when it was told */
  gint64 real_us[MLO_N_FIELDS]; /* and the sender's time; 0: none */
  gint64 last_us;               /* newest message; 0: none */
  gint64 interval_us;           /* usual time between messages; 0: not known */
  double floor_ms[MLO_KNOWN_FLOORS];    /* least latency; < 0: none */
  gint64 floor_number;          /* the newest stretch's */
} MloKnown;

void mlo_known_init (MloKnown * k);

/* What was told is forgotten, but not how often. */
void mlo_known_forget (MloKnown * k);

/* A message came in. TRUE where there was a silence before it, after which nothing old says anything. */
gboolean mlo_known_arrived (MloKnown * k, gint64 now_us);

/* Takes over what is newer than what is known. TRUE where some of it was not. @real_us: the sender's time, any
 * clock; 0: none. */
gboolean mlo_known_merge (MloKnown * k, gint64 now_us, gint64 real_us, const MloSample * told);

/* Everything fresh, and what follows from it: the queue, the time between frames. */
void mlo_known_observe (MloKnown * k, gint64 now_us, MloSample * sample);

/* @least_us or so many usual intervals, whichever is longer, within MLO_KNOWN_LONGEST_US. */
gint64 mlo_known_patience_us (const MloKnown * k, gint64 least_us, guint intervals);

G_END_DECLS
#endif
