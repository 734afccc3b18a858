/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_HISTORY_H
#define MLO_HISTORY_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * MloHistory: an hour of one stream in a fixed amount of memory (about 180 KiB). The last five minutes
 * are kept as they come, one point a tick of the hub; what is older is kept in points of two seconds.
 * What is a rate is averaged, what is bad at its peak (delay, loss) keeps the peak.
 * No clock, no I/O; one thread at a time.
 */

/* Enum name, name on the wire, how points are joined. */
#define MLO_HISTORY_COLUMNS(F) \
  F (BITRATE, bitrate_kbps, MEAN) \
  F (BANDWIDTH, bandwidth_kbps, MEAN) \
  F (ENCODED, encoded_kbps, MEAN) \
  F (QUEUE_DELAY, queue_delay_ms, MAX) \
  F (LATENCY, latency_ms, MEAN) \
  F (LOSS, packet_loss, MAX) \
  F (FPS, fps, MEAN) \
  F (HEIGHT, height, LAST) \
  F (CPU, cpu_usage, MEAN) \
  F (QUALITY, quality_score, MEAN) \
  F (STATE, state, MAX)

typedef enum
{
#define MLO_HISTORY_ENUM(NAME, name, join) MLO_HISTORY_##NAME,
  MLO_HISTORY_COLUMNS (MLO_HISTORY_ENUM)
#undef MLO_HISTORY_ENUM
  MLO_HISTORY_N
} MloHistoryColumn;

#define MLO_HISTORY_TICK_MS 250
#define MLO_HISTORY_FINE_MS (5 * 60 * 1000)
#define MLO_HISTORY_COARSE_STEP_MS 2000
#define MLO_HISTORY_COARSE_MS (60 * 60 * 1000)

typedef struct
{
  gint64 time_ms;               /* of its end */
  float value[MLO_HISTORY_N];   /* NAN: not known */
} MloHistoryPoint;

/* Joins values as the column wants it. All zero is empty. */
typedef struct
{
  double value[MLO_HISTORY_N];  /* sum, greatest or last */
  guint n[MLO_HISTORY_N];
} MloHistoryJoin;

void mlo_history_join_add (MloHistoryJoin * join, MloHistoryColumn column, double value);
/* Fills @value and empties the join; NAN where nothing came. */
void mlo_history_join_take (MloHistoryJoin * join, float value[MLO_HISTORY_N]);

typedef struct _MloHistory MloHistory;
typedef void (*MloHistoryFunc) (const MloHistoryPoint * point, gpointer user_data);

const char *mlo_history_column_name (MloHistoryColumn column);

MloHistory *mlo_history_new (void);
void mlo_history_free (MloHistory * h);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloHistory, mlo_history_free)

/* Times rise; a point that is not after the last is left out. */
void mlo_history_add (MloHistory * h, const MloHistoryPoint * point);
/* Calls @func for each point after @since_ms, oldest first: coarse ones, then fine ones. */
void mlo_history_foreach (const MloHistory * h, gint64 since_ms, MloHistoryFunc func, gpointer user_data);

G_END_DECLS
#endif
