/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ONLINE_OPTIMIZER_H
#define MLO_ONLINE_OPTIMIZER_H

#include "mlo-online.h"

G_BEGIN_DECLS

/**
 * MloOnlineOptimizer: shipped network, champion and challenger of the quality optimizer. Same rules as MloOnline.
 *
 * The reward of a tick is the score per second of the second after it, as the sample has it a second later (the
 * sender's estimate, or what the receiver reports), less its slow mean and the price of a switch.
 *
 * Which of two networks is better cannot be seen where they do the same. Where they differ, a tick is one network's or
 * the other's by the action that was taken, and what was earned over the next second of ticks is what counts (no value
 * of a network is asked: they are what is in question). So that the choice says nothing of the path, only ticks count at
 * which chance had it (mlo-explorer.h): all at which it took another action, and as many of the rest as the
 * hold-out then spans hours. A challenger becomes champion when on enough of them its actions have surely earned more than
 * the champion's. In ten minutes of any link in tests/bench-online there are too few: no challenger became champion there.
 */
typedef struct _MloOnlineOptimizer MloOnlineOptimizer;

/* @shipped: copied. @options: borrowed. @reserve: (nullable) (element-type MloRecording): copied. */
MloOnlineOptimizer *mlo_online_optimizer_new (const MloQualityOptimizer * shipped, GPtrArray * reserve,
    const MloOnlineOptions * options, guint64 seed);
void mlo_online_optimizer_free (MloOnlineOptimizer * q);

/* @believed: FALSE: the tick cannot be, the stream begins anew after it. */
void mlo_online_optimizer_feed (MloOnlineOptimizer * q, const MloOnlineTick * tick, gboolean believed);
MloOnlineWork mlo_online_optimizer_step (MloOnlineOptimizer * q);
const MloOnlineNetworkStats *mlo_online_optimizer_stats (const MloOnlineOptimizer * q);
/* The champion; borrowed. */
const MloQualityOptimizer *mlo_online_optimizer_champion (const MloOnlineOptimizer * q);

/* Champion, challenger, and what the trainer keeps. */
gsize mlo_online_optimizer_state_size (const MloOnlineOptimizer * q);
void mlo_online_optimizer_get_state (const MloOnlineOptimizer * q, float *state, MloOnlineNumbers * numbers);
void mlo_online_optimizer_set_state (MloOnlineOptimizer * q, const float *state, const MloOnlineNumbers * numbers);
/* As mlo_online_set_champions(). */
void mlo_online_optimizer_set_champion (MloOnlineOptimizer * q, const MloQualityOptimizer * champion);

G_END_DECLS
#endif
