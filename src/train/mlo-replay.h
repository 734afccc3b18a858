/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_REPLAY_H
#define MLO_REPLAY_H

#include "mlo-features.h"
#include "mlo-random.h"
#include "mlo-recording.h"

G_BEGIN_DECLS

/**
 * MloTransition: from a state by an action over up to n ticks to another state.
 */
typedef struct
{
  float state[MLO_OPTIMIZER_FEATURES];
  float next_state[MLO_OPTIMIZER_FEATURES];
  float reward;                 /* sum of gamma^k r_k over the ticks between */
  float discount;               /* of the value of @next_state: gamma^n; 0: the stream ended */
  guint32 mask, next_mask;      /* bit 1 << MloAction: possible there */
  guint8 action;
} MloTransition;

/**
 * MloReplay: a ring of transitions; the oldest give way. Not thread safe.
 */
typedef struct _MloReplay MloReplay;

MloReplay *mlo_replay_new (guint capacity);
void mlo_replay_free (MloReplay * r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloReplay, mlo_replay_free)

void mlo_replay_add (MloReplay * r, const MloTransition * t);
guint mlo_replay_size (const MloReplay * r);
/* 0: the oldest there is. */
const MloTransition *mlo_replay_get (const MloReplay * r, guint index);
/* One of those there are, each as likely; there must be one. */
const MloTransition *mlo_replay_sample (const MloReplay * r, MloRandom * random);

/* The reward of one tick as training has it: points of R above the baseline, per hundred, for the tick's
 * share of a second, less the price of what was switched. NAN where not known. */
float mlo_tick_reward (const MloTick * t, gint64 interval_us);

/* Adds all transitions of a recording over @n_steps ticks each (fewer before its end). Ticks with
 * an unknown reward are left out with all that would sum over them. Returns how many were added. */
guint mlo_replay_add_recording (MloReplay * r, const MloRecording * rec, const MloScaling * scaling, guint n_steps,
    double gamma);

G_END_DECLS
#endif
