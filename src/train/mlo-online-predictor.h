/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ONLINE_PREDICTOR_H
#define MLO_ONLINE_PREDICTOR_H

#include "mlo-online-stream.h"
#include "mlo-online.h"

G_BEGIN_DECLS

/**
 * MloOnlinePredictor: shipped network, champion and challenger of the bitrate predictor. Same rules as MloOnline.
 */
typedef struct _MloOnlinePredictor MloOnlinePredictor;

/* @shipped: copied. @options: borrowed. @reserve: (nullable) (element-type MloRecording): copied. */
MloOnlinePredictor *mlo_online_predictor_new (const MloBitratePredictor * shipped, GPtrArray * reserve,
    const MloOnlineOptions * options, guint64 seed);
void mlo_online_predictor_free (MloOnlinePredictor * p);

/* @believed: FALSE: the tick cannot be, the stream begins anew after it. */
void mlo_online_predictor_feed (MloOnlinePredictor * p, const MloOnlineTick * tick, gboolean believed);
MloOnlineWork mlo_online_predictor_step (MloOnlinePredictor * p);
const MloOnlineNetworkStats *mlo_online_predictor_stats (const MloOnlinePredictor * p);
const MloOnlineStream *mlo_online_predictor_stream (const MloOnlinePredictor * p);
/* The champion; borrowed. */
const MloBitratePredictor *mlo_online_predictor_champion (const MloOnlinePredictor * p);

/* Champion, challenger, Adam's first and second moments: floats in all, and where they stand. */
gsize mlo_online_predictor_state_size (const MloOnlinePredictor * p);
void mlo_online_predictor_get_state (const MloOnlinePredictor * p, float *state, MloOnlineNumbers * numbers);
void mlo_online_predictor_set_state (MloOnlinePredictor * p, const float *state, const MloOnlineNumbers * numbers);
/* As mlo_online_set_champions(). */
void mlo_online_predictor_set_champion (MloOnlinePredictor * p, const MloBitratePredictor * champion);

G_END_DECLS
#endif
