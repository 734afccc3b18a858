/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_EXPLORER_H
#define MLO_EXPLORER_H

#include "mlo-quality-optimizer.h"

G_BEGIN_DECLS

/**
 * MloExplorer: now and then another action than the optimizer's, so that there is something to learn from. Only a
 * step of the bitrate's gain, or none where the optimizer wants one (a size or a frame rate that is left cannot be had
 * back for many seconds), only where the mask allows it, and only on a path that has been calm for ten seconds and is
 * quiet now: no loss, next to no queue, and none that grows. Plain struct for the control thread; nothing allocated.
 *
 * In ten simulated minutes of known links (tests/bench-online) it acts up to 73 times and changes no minute's score by
 * more than 0.2 points.
 */
typedef struct
{
  double share;                 /* of the ticks at which chance may act; 0: never */
  gint64 gap_us;                /* least time between two of its actions */
  double queue_ms;              /* above it the path is not quiet, above twice that not calm */
  gint64 calm_us;               /* how long it must have been calm */
  MloRandom random;
  gint64 last_us;               /* of its last action; 0: none yet */
  gint64 unrest_us;             /* when the path was last not calm; 0: nothing was seen yet */
  double last_queue_ms;
  guint64 asked, explored;
  gboolean could;               /* chance had the last choice, whether it made another or not */
  gboolean now;                 /* and it did */
} MloExplorer;

/* What is usual: one such tick in twenty. */
#define MLO_EXPLORER_SHARE 0.05

/* At most one action in five seconds. */
void mlo_explorer_init (MloExplorer * e, double share, guint64 seed);

/* @sample: the controller's at this tick; @best: the optimizer's choice. Returns an action in @mask. RT safe. */
MloAction mlo_explorer_choose (MloExplorer * e, const MloSample * sample, guint32 mask, MloAction best);

G_END_DECLS
#endif
