/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_RUNNER_H
#define MLO_RUNNER_H

#include "mlo-bitrate-predictor.h"
#include "mlo-env.h"
#include "mlo-quality-optimizer.h"

G_BEGIN_DECLS

/* Who controls a simulated stream: ours whole or with parts left out, or a baseline. */
typedef enum
{
  MLO_CONTENDER_OURS,           /* both networks and the guard */
  MLO_CONTENDER_NO_DQN,         /* predictor and guard; size and frame rate stay */
  MLO_CONTENDER_RULE_LADDER,    /* predictor and guard; size and frame rate by rule */
  MLO_CONTENDER_NO_PREDICTOR,   /* optimizer and guard's rules */
  MLO_CONTENDER_GUARD,          /* the guard's rules for the bitrate alone; size and frame rate stay */
  MLO_CONTENDER_RULES,          /* the same with size and frame rate by rule: what runs without models */
  MLO_CONTENDER_LABEL,          /* as RULE_LADDER, with the label for a prediction: what the predictor is to learn */
  MLO_CONTENDER_FIXED,
  MLO_CONTENDER_GCC,
  MLO_CONTENDER_GCC_PROBING,    /* with probes at the start and after a fall */
  MLO_CONTENDER_OMNISCIENT,     /* 0.9 x the least capacity of the next 300 ms */
  MLO_CONTENDER_OMNISCIENT_MEAN,        /* what drains the queue and fills the next second */
} MloContenderKind;

typedef struct
{
  MloContenderKind kind;
  double kbps;                  /* of MLO_CONTENDER_FIXED */
  char name[32];
} MloContender;

#define MLO_CONTENDER_NAMES "ours, no-dqn, rule-ladder, no-predictor, guard, rules, label, fixed:KBPS, gcc, gcc-probing, omniscient, omniscient-mean"

gboolean mlo_contender_parse (const char *text, MloContender * out, GError ** error);
/* Comma-separated; (element-type MloContender). */
GArray *mlo_contenders_parse (const char *text, GError ** error);
gboolean mlo_contender_needs_predictor (const MloContender * c);
gboolean mlo_contender_needs_optimizer (const MloContender * c);

/**
 * MloRun: one stream to be simulated.
 */
typedef struct
{
  const MloContender *contender;
  const MloBitratePredictor *predictor; /* where the contender needs one */
  const MloQualityOptimizer *optimizer;
  const MloTrace *trace;
  const MloEnvConfig *config;   /* limits and source are the controller's too */
  guint64 seed;
  double seconds;
  double label_horizon_s;       /* > 0: compare predictions with the label, once a second */
  void (*on_tick) (gpointer user_data, const MloEnvStep * step, const MloSample * sample);    /* or NULL */
  gpointer user_data;
} MloRun;

typedef struct
{
  MloEnvResult result;
  guint ticks;
  guint taken[MLO_N_ACTIONS];   /* ticks at which the action was taken */
  guint possible[MLO_N_ACTIONS];        /* ticks at which the mask allowed it */
  guint states[MLO_N_GUARD_STATES];     /* ticks in it */
  guint predictions;
  double prediction_error;      /* sum of |log (prediction / label)| */
  double prediction_over;       /* sum of log (prediction / label) where above */
  double prediction_under;      /* sum of log (label / prediction) where below */
} MloRunOutcome;

void mlo_run (const MloRun * run, MloRunOutcome * out);

G_END_DECLS
#endif
