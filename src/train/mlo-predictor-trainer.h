/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_PREDICTOR_TRAINER_H
#define MLO_PREDICTOR_TRAINER_H

#include "mlo-bitrate-predictor.h"
#include "mlo-progress.h"
#include "mlo-recording.h"
#include "mlo-workers.h"

G_BEGIN_DECLS

/**
 * MloPredictorTraining: how the predictor learns. Stream form: truncated back-propagation through
 * time, recordings side by side, the state carried from segment to segment as in use. Window form:
 * the last 30 samples from a zero state. Loss: quantile on the scaled output, so that too high can
 * cost more than too low.
 */
typedef struct
{
  guint epochs;
  guint batch;                  /* recordings (stream) or windows side by side */
  guint segment;                /* ticks of back-propagation, stream form */
  guint warm_up;                /* ticks from a recording's start that carry no loss */
  double quantile;
  double rate;                  /* Adam's, falling to a tenth along a cosine */
  double decay, clip;
  guint patience;               /* epochs without a better validation; 0: never stops early */
} MloPredictorTraining;

extern const MloPredictorTraining mlo_predictor_training_default;

typedef struct
{
  guint epochs;                 /* run */
  double loss;                  /* training, last epoch */
  double validation;            /* of the parameters kept; NAN without validation */
  double error;                 /* mean |log (prediction / label)| on the validation */
  double over;                  /* share of the predictions above their label */
  gboolean stopped;
} MloPredictorSummary;

/* Trains @p in place and leaves the parameters of the best validation in it (without validation the
 * last). @recordings, @validation (may be NULL): (element-type MloRecording), whose labels >= 0 count.
 * FALSE where no recording has a label. @random: order of the recordings. @progress may be NULL. */
gboolean mlo_predictor_train (MloBitratePredictor * p, GPtrArray * recordings, GPtrArray * validation,
    const MloPredictorTraining * options, MloRandom * random, MloWorkers * workers, MloProgress * where,
    MloProgressFunc progress, gpointer user_data, MloPredictorSummary * summary);

G_END_DECLS
#endif
