/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ENVIRONMENT_H
#define MLO_ENVIRONMENT_H

#include "mlo-bitrate-predictor.h"
#include "mlo-quality-optimizer.h"
#include "mlo-recording.h"

G_BEGIN_DECLS

/* Who chooses the rate while an episode is recorded. */
typedef enum
{
  MLO_BEHAVIOUR_RULES,          /* the guard's rules */
  MLO_BEHAVIOUR_LABEL,          /* the label, off by a factor that wanders */
  MLO_BEHAVIOUR_PREDICTOR,      /* the predictor given */
} MloBehaviour;

/**
 * MloEpisode: one stream to be run and recorded. The same episode gives the same recording.
 */
typedef struct
{
  guint64 seed;                 /* link, content, everything random */
  guint kind;                   /* of link, 0 .. n_kinds - 1 */
  double seconds;
  gint64 interval_us;
  MloBehaviour behaviour;
  const MloBitratePredictor *predictor; /* borrowed; for MLO_BEHAVIOUR_PREDICTOR */
  const MloQualityOptimizer *optimizer; /* borrowed; NULL: actions by chance alone, or none with @epsilon 0 */
  double epsilon;               /* share of actions drawn from the mask */
  gboolean baseline;            /* run it a second time with no action, for the ticks' baseline */
  double horizon_s;             /* of the label; 0: labels are not wanted */
  double size_price, fps_price, bitrate_price;  /* of an action, points of one second's R */
} MloEpisode;

/**
 * MloEnvironment: what the trainer knows of the world it trains in. @run is called from several
 * threads at once.
 */
typedef struct
{
  guint n_kinds;
  const char *(*kind_name) (guint kind);
  /* Never NULL; every recorded tick has its reward, the label where wanted. */
  MloRecording *(*run) (gconstpointer data, const MloEpisode * episode);
  gconstpointer data;
} MloEnvironment;

G_END_DECLS
#endif
