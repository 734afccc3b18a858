/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_GUARD_H
#define MLO_GUARD_H

#include "mlo-policy.h"
#include "mlo-transport-rule.h"

G_BEGIN_DECLS

/**
 * MloGuard: the rules that bound what the networks may do and take over when there is no model, no
 * feedback or nonsense. One function advances it. Plain struct.
 */
typedef struct
{
  gint64 now_us;
  gboolean tick;                /* else called between ticks after feedback: nothing may rise */
  double wanted_kbps;           /* the networks' choice, encoder output; < 0: none */
  gboolean ever_feedback;       /* any feedback since the start */
  gboolean per_packet;          /* it is transport-wide feedback, not receiver reports */
  gboolean told;                /* a server told it, enough for the networks */
  gboolean lost;                /* feedback that was there is missing while bytes are in flight */
  double capacity_kbps;         /* what the path carries of encoder output; < 0: unknown */
  double recent_capacity_kbps;  /* largest of the last second; < 0: unknown */
  gboolean steady;              /* and all of it was about that */
  double queue_ms;              /* backlog met by the newest frame */
  double wait_ms;               /* newest packet's delay, its own frame's service included */
  double silent_ms;             /* for how long a report has been overdue; <= 0: none is */
  double loss;                  /* 0..1 */
  gboolean reports_only;        /* receiver reports are all there is */
  gboolean report;              /* one of them came since the last call */
  double report_interval_s;     /* since the one before it; 0: it is the first */
  double delivered_kbps;        /* what it says arrived, of encoder output; < 0: unknown */
  double encoded_kbps;          /* measured; < 0: unknown */
  const MloTransportView *transport;    /* it is the feedback, and new at a tick; NULL: it is not */
  gboolean source_limited;      /* for a second the pictures have needed far less than they may have */
  const MloLimits *limits;
} MloGuardInput;

typedef struct
{
  MloGuardState state;
  gint64 since_us;              /* of the state */
  gint64 last_tick_us;
  gint64 queue_since_us;        /* queue above the target since then; 0: it is not */
  gint64 last_cut_us;           /* of a cut without a known capacity */
  double start_kbps;            /* stays, as far as the limits let it, until there is feedback */
  double bitrate_kbps;          /* what the guard allows now */
  /* With receiver reports alone: */
  double goal_kbps;             /* what the last report allows; 0: none came yet */
  double ceiling_kbps;          /* what arrived when it was too much; 0: never was */
  double reported_loss;         /* over the last second */
  MloTransportRule transport_rule;      /* with a transport that is asked */
  gboolean was_lost;
} MloGuard;

typedef struct
{
  double bitrate_kbps;
  MloGuardState state;
  MloLimiter limiter;
  const char *reason;
} MloGuardOutput;

/* Whether packets may be lost to a queue, and not to the radio. */
gboolean mlo_guard_queues (const MloGuardInput * in);

void mlo_guard_init (MloGuard * g, double start_kbps);
void mlo_guard_advance (MloGuard * g, const MloGuardInput * in, MloGuardOutput * out);

G_END_DECLS
#endif
