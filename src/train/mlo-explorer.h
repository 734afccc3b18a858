/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_EXPLORER_H
#define MLO_EXPLORER_H

#include "mlo-quality-optimizer.h"

G_BEGIN_DECLS

/**
 * MloExplorer: now and then another action than the optimizer's, so that there is something to learn from. Only a
 * step of the bitrate's gain (a size or a frame rate that is left cannot be had back for many seconds), only where
 * the mask allows it, and only on a path that has been calm for ten seconds and is quiet now: no loss, next to no
 * queue, and none that grows. Plain struct for the control thread; nothing allocated.
 *
 * Neither the element nor `run` uses it: it is tried out in tests/bench-online alone, where what it lets the optimizer
 * learn has not yet been worth what its actions cost.
 */
typedef struct
{
  double share;                 /* of the ticks on a quiet path at which chance may act */
  gint64 gap_us;                /* least time between two of its actions */
  double queue_ms;              /* above it the path is not quiet, above twice that not calm */
  gint64 calm_us;               /* how long it must have been calm */
  MloRandom random;
  gint64 last_us;               /* of its last action; 0: none yet */
  gint64 unrest_us;             /* when the path was last not calm; 0: nothing was seen yet */
  double last_queue_ms;
  guint64 asked, explored;
  gboolean now;                 /* the last choice was chance's */
} MloExplorer;

/* One action of chance in five seconds at most, at one quiet tick in twenty. */
void mlo_explorer_init (MloExplorer * e, guint64 seed);

/* For MloChooseFunc: @sample is the controller's at this tick. Returns an action in @mask. RT safe. */
MloAction mlo_explorer_choose (MloExplorer * e, const MloQualityOptimizer * optimizer, const MloSample * sample,
    const float state[MLO_OPTIMIZER_FEATURES], guint32 mask);

G_END_DECLS
#endif
