/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ONLINE_STREAM_H
#define MLO_ONLINE_STREAM_H

#include "mlo-bitrate-predictor.h"
#include "mlo-label.h"
#include "mlo-online.h"

G_BEGIN_DECLS

/* Ticks of the own stream that are kept: ten minutes of 100 ms. */
#define MLO_ONLINE_TICKS 6144u
/* Every fourth block of ten seconds is never learned from: candidates are judged on it. */
#define MLO_ONLINE_BLOCK 100u
#define MLO_ONLINE_HOLD_EVERY 4u
/* Ticks with their capacity still open, or in the horizon of one. */
#define MLO_ONLINE_PENDING 64u

typedef enum
{
  MLO_LABEL_NONE,               /* not known, and will not be */
  MLO_LABEL_EXACT,
  MLO_LABEL_AT_LEAST,           /* the path carried this and perhaps more */
} MloLabelKind;

/**
 * MloOnlineRow: one tick as the predictor learns from it.
 */
typedef struct
{
  float x[MLO_PREDICTOR_FEATURES];
  float target;                 /* network's output wanted, 0..1 */
  guint8 label;                 /* MloLabelKind */
  guint8 first;                 /* after a gap: nothing before it belongs to it */
} MloOnlineRow;

/* What is known of the path at one tick. */
typedef struct
{
  double capacity_kbps;         /* IP bytes; 0: nothing came though something waited; < 0: not measured */
  gboolean at_least;
  double queue_ms, base_ms, loss, fps, encode_ms, complexity;
} MloOnlinePath;

/**
 * MloOnlineStream: the own stream's last ticks with labels from what came after. Nothing is allocated after _new.
 */
typedef struct
{
  const MloPredictorConfig *config;     /* borrowed */
  gint64 interval_us;
  guint horizon;                /* ticks */
  MloFeatureHistory history;
  MloOnlineRow *rows;           /* ring (MLO_ONLINE_TICKS) */
  float (*rewards)[MLO_LABEL_POINTS];   /* beside them: reward of rates spaced evenly from min to max */
  guint64 n_rows;               /* ever; row i is at i % MLO_ONLINE_TICKS */
  MloOnlinePath pending[MLO_ONLINE_PENDING];    /* ring beside the newest rows */
  guint64 labelled;             /* rows before this have had their label decided */
  guint64 gap;                  /* row of the last gap */
  MloLabel label;
  double last_kbps;             /* newest capacity told, and ... */
  guint same;                   /* ... how often running */
  guint64 n_exact, n_at_least;
} MloOnlineStream;

MloOnlineStream *mlo_online_stream_new (const MloPredictorConfig * config, gint64 interval_us, double horizon_s);
void mlo_online_stream_free (MloOnlineStream * s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloOnlineStream, mlo_online_stream_free)

/* Finite, within the fields' bounds, and no faster than any path. */
gboolean mlo_online_believable (const MloSample * s);

/* A tick. One that is not @believed is passed over, and the stream begins anew after it. */
void mlo_online_stream_add (MloOnlineStream * s, const MloOnlineTick * tick, gboolean believed);

/* The oldest row there is. */
guint64 mlo_online_stream_oldest (const MloOnlineStream * s);
const MloOnlineRow *mlo_online_stream_row (const MloOnlineStream * s, guint64 i);
/* Points of R that @kbps would have earned over the horizon after row @i, which must have a label. */
double mlo_online_stream_reward (const MloOnlineStream * s, guint64 i, double kbps);

static inline gboolean
mlo_online_row_is_held (guint64 i)
{
  return i / MLO_ONLINE_BLOCK % MLO_ONLINE_HOLD_EVERY == MLO_ONLINE_HOLD_EVERY - 1;
}

G_END_DECLS
#endif
