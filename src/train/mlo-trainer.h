/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TRAINER_H
#define MLO_TRAINER_H

#include "mlo-dataset.h"
#include "mlo-environment.h"
#include "mlo-optimizer-trainer.h"
#include "mlo-predictor-trainer.h"
#include "mlo-workers.h"

G_BEGIN_DECLS

/**
 * MloTrainerOptions: the whole training. The same options and seed give the same bits on one
 * machine, with any number of threads. Where the workers have a group, episodes and the predictor's gradients are
 * shared among its ranks, with the same result on like processors; every rank makes the same calls and ends with the
 * same networks. The progress function is asked on rank 0 alone.
 */
typedef struct
{
  guint64 seed;
  gint64 interval_us;           /* tick */
  double horizon_s;             /* of the label */
  double seconds;               /* of an episode */

  MloPredictorConfig predictor; /* shape and scaling of a new one */
  guint rounds;                 /* of recording and training; from the second on the predictor itself drives */
  guint episodes;               /* recorded in each round */
  MloPredictorTraining predictor_training;      /* epochs: of each round */

  MloOptimizerConfig optimizer;
  guint optimizer_rounds;
  guint optimizer_episodes;     /* recorded in each round */
  guint optimizer_updates;      /* in each round */
  guint replay_capacity;
  double epsilon_first, epsilon_last;   /* share of actions by chance, falling over the rounds */
  double size_price, fps_price, bitrate_price;  /* of an action, points of one second's R */
  guint select_every;           /* rounds between trials of the optimizer; the best one is kept */
  guint select_episodes;        /* in each trial, always the same ones */
  MloOptimizerTraining optimizer_training;
} MloTrainerOptions;

extern const MloTrainerOptions mlo_trainer_options_default;

/**
 * MloTrained: what came of it. Either network may be NULL where it was not trained.
 */
typedef struct
{
  MloBitratePredictor *predictor;
  MloQualityOptimizer *optimizer;
  char *predictor_summary;      /* for the files' metadata: how it was made, in one line */
  char *optimizer_summary;
  gboolean stopped;             /* by the progress function: complete, but less than was asked for */
} MloTrained;

void mlo_trained_clear (MloTrained * t);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MloTrained, mlo_trained_clear)

/* From the simulator. @from: networks to go on from (their fields stay theirs), or NULL. */
void mlo_trainer_simulate (const MloTrainerOptions * options, const MloEnvironment * env, MloWorkers * workers,
    const MloTrained * from, MloProgressFunc progress, gpointer user_data, MloTrained * out);

/* From logged telemetry: the predictor, and offline (conservatively) the optimizer where quality_score and more than
 * one action occur. @epochs: over the recordings, each network. FALSE and @error where nothing can be learned. */
gboolean mlo_trainer_dataset (const MloTrainerOptions * options, const MloDataset * dataset, guint epochs,
    MloWorkers * workers, const MloTrained * from, MloProgressFunc progress, gpointer user_data, MloTrained * out,
    GError ** error);

/* The seed of one thing among many that @seed governs: mixes @stream and @index into it. */
guint64 mlo_seed_mix (guint64 seed, guint64 stream, guint64 index);

G_END_DECLS
#endif
