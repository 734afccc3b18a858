/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-baseline-private.h"

#include <math.h>

#include "mlo-packet.h"

#define CAUTIOUS_SHARE 0.9
#define CAUTIOUS_US 300000
#define MEAN_SHARE 0.95
#define MEAN_US 1000000
/* Payload of a full packet, for the headers' share. */
#define PACKET_BYTES 1300.0
#define MEDIA_SHARE (PACKET_BYTES / (PACKET_BYTES + MLO_PACKET_OVERHEAD))

typedef struct
{
  MloPolicy policy;
  MloDecision decision;
  MloOmniscientAim aim;
  const MloTrace *trace;
  MloLimits limits;
  double end;                   /* position at which all that was sent has left (mlo-link.c) */
} Omniscient;

static double
least_kbps (const MloTrace * t, gint64 from_us, gint64 to_us)
{
  double least = INFINITY;

  for (gint64 at = from_us; at < to_us;) {
    const MloTraceRow *row = mlo_trace_at (t, at);
    gint64 into = at % t->duration_us;
    gint64 end = row + 1 < t->rows + t->n_rows ? row[1].time_us : t->duration_us;

    least = MIN (least, row->capacity_kbps);
    at += end - into;
  }
  return least;
}

static double
mean_kbps (const Omniscient * o, gint64 now_us)
{
  double start = mlo_trace_position (o->trace, now_us, NULL);
  double backlog = MAX (o->end - start, 0.0);

  return MAX (mlo_trace_bytes (o->trace, now_us, now_us + MEAN_US) - backlog, 0.0) * 8000.0 / MEAN_US;
}

static void
omniscient_on_frame_sent (MloPolicy * policy, gint64 now_us, guint32 bytes, gboolean keyframe)
{
  Omniscient *o = (Omniscient *) policy;

  o->end = MAX (o->end, mlo_trace_position (o->trace, now_us, NULL)) + bytes / MEDIA_SHARE;
}

static const MloDecision *
omniscient_tick (MloPolicy * policy, gint64 now_us, const MloSample * local)
{
  Omniscient *o = (Omniscient *) policy;
  double kbps = o->aim == MLO_OMNISCIENT_CAUTIOUS
      ? CAUTIOUS_SHARE * least_kbps (o->trace, now_us, now_us + CAUTIOUS_US) : MEAN_SHARE * mean_kbps (o, now_us);

  o->decision.capacity_kbps = mlo_trace_at (o->trace, now_us)->capacity_kbps;
  mlo_baseline_decide (&o->decision, now_us,
      CLAMP (kbps * MEDIA_SHARE, o->limits.min_bitrate_kbps, o->limits.max_bitrate_kbps));
  return &o->decision;
}

static void
omniscient_free (MloPolicy * policy)
{
  g_free (policy);
}

static const MloPolicyClass cautious_class = {
  .name = "omniscient",
  .on_frame_sent = omniscient_on_frame_sent,
  .tick = omniscient_tick,
  .free = omniscient_free,
};

static const MloPolicyClass mean_class = {
  .name = "omniscient-mean",
  .on_frame_sent = omniscient_on_frame_sent,
  .tick = omniscient_tick,
  .free = omniscient_free,
};

MloPolicy *
mlo_omniscient_new (MloOmniscientAim aim, const MloTrace * trace, const MloLimits * limits)
{
  Omniscient *o = g_new0 (Omniscient, 1);

  o->policy.klass = aim == MLO_OMNISCIENT_CAUTIOUS ? &cautious_class : &mean_class;
  o->aim = aim;
  o->trace = trace;
  o->limits = *limits;
  mlo_baseline_decision_init (&o->decision, limits->start_bitrate_kbps, "knows the future");
  return &o->policy;
}
