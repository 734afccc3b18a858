/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_RECORDING_H
#define MLO_RECORDING_H

#include "mlo-action.h"
#include "mlo-sample.h"

G_BEGIN_DECLS

/* Points of R that count as nothing where no better baseline is known: values then tell actions apart
 * rather than carry a large sum that all have in common. */
#define MLO_REWARD_CENTRE 45.0

/**
 * MloTick: what training needs to know of one tick, whether it was simulated or logged.
 */
typedef struct
{
  MloSample sample;             /* complete, as the networks were given it */
  float label_kbps;             /* rate the predictor should have said; < 0: not known */
  float reward;                 /* R (DESIGN section 8, before the lower clip) of the second it lies in; NAN: not known */
  float baseline;               /* what is taken off the reward: R of the same second when nobody acts, which the
                                 * actions do not change but the link does */
  float price;                  /* of what was switched at this tick, in points of one second's R */
  guint32 mask;                 /* bit 1 << MloAction: was possible */
  guint8 action;                /* MloAction taken after seeing @sample */
} MloTick;

/**
 * MloRecording: ticks of one stream at one interval without a gap.
 */
typedef struct
{
  MloTick *ticks;
  guint n, allocated;
  gint64 interval_us;
  char *stream;                 /* what the file calls it; NULL: nothing */
} MloRecording;

MloRecording *mlo_recording_new (gint64 interval_us);
void mlo_recording_free (MloRecording * r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloRecording, mlo_recording_free)

/* Room for @n ticks, for what is as large as a file says: up to there mlo_recording_append() allocates nothing. FALSE
 * with MLO_ERROR_MEMORY. */
gboolean mlo_recording_reserve (MloRecording * r, guint n, const char *where, GError ** error);

/* A new last tick, all unknown: nothing valid, no label, no reward, MLO_ACTION_NONE. Valid until the next append. */
MloTick *mlo_recording_append (MloRecording * r);

/* (transfer full): one of its own with the @n ticks from @first on, which must be there. */
MloRecording *mlo_recording_cut (const MloRecording * r, guint first, guint n);

G_END_DECLS
#endif
