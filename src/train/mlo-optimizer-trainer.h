/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_OPTIMIZER_TRAINER_H
#define MLO_OPTIMIZER_TRAINER_H

#include "mlo-quality-optimizer.h"
#include "mlo-replay.h"

G_BEGIN_DECLS

/**
 * MloOptimizerTraining: double DQN (van Hasselt, Guez, Silver 2016) with n-step returns and a
 * target network, Huber loss, Adam, actions masked. @conservative > 0 adds that times
 * (log sum exp Q (s, a) - Q (s, a of the data)), so that actions the data does not have look no
 * better than they are (Kumar et al., "Conservative Q-Learning", 2020).
 */
typedef struct
{
  guint batch;
  guint n_steps;
  double gamma;                 /* a tick */
  double rate, decay, clip, huber;
  double target_step;           /* share by which the target network follows in an update */
  double average_step;          /* likewise the average of the parameters, which is what is used in the end */
  double conservative;
} MloOptimizerTraining;

extern const MloOptimizerTraining mlo_optimizer_training_default;

typedef struct _MloOptimizerTrainer MloOptimizerTrainer;

/* @q: trained in place; borrowed, outlives the trainer. */
MloOptimizerTrainer *mlo_optimizer_trainer_new (MloQualityOptimizer * q, const MloOptimizerTraining * options);
void mlo_optimizer_trainer_free (MloOptimizerTrainer * t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloOptimizerTrainer, mlo_optimizer_trainer_free)

/* Adam's rate from the next update on. */
void mlo_optimizer_trainer_set_rate (MloOptimizerTrainer * t, double rate);

/* Writes the average of the parameters over the updates to @to (as many as the network has). */
void mlo_optimizer_trainer_average (const MloOptimizerTrainer * t, float *to);

/* Adam's moments, the target network and the average, as one block, and Adam's step. */
gsize mlo_optimizer_trainer_state_size (const MloOptimizerTrainer * t);
gint64 mlo_optimizer_trainer_get_state (const MloOptimizerTrainer * t, float *state);
void mlo_optimizer_trainer_set_state (MloOptimizerTrainer * t, const float *state, gint64 step);

/* One update from a batch out of @replay, which must not be empty. Returns the loss; an update whose gradient is not
 * finite is left out. */
double mlo_optimizer_trainer_update (MloOptimizerTrainer * t, const MloReplay * replay, MloRandom * random);

G_END_DECLS
#endif
