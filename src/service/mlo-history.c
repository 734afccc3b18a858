/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-history.h"

#include <math.h>

#define N_FINE (MLO_HISTORY_FINE_MS / MLO_HISTORY_TICK_MS)
#define N_COARSE (MLO_HISTORY_COARSE_MS / MLO_HISTORY_COARSE_STEP_MS)

typedef enum
{
  JOIN_MEAN,
  JOIN_MAX,
  JOIN_LAST,
} JoinKind;

typedef struct
{
  const char *name;
  JoinKind kind;
} Column;

static const Column columns[MLO_HISTORY_N] = {
#define COLUMN(NAME, name, join) [MLO_HISTORY_##NAME] = { #name, JOIN_##join },
  MLO_HISTORY_COLUMNS (COLUMN)
#undef COLUMN
};

typedef struct
{
  MloHistoryPoint *points;
  guint size, start, n;
} Ring;

struct _MloHistory
{
  Ring fine, coarse;
  MloHistoryJoin pending;       /* what the next coarse point is made of */
  gint64 pending_step;          /* which step that is */
  gint64 last_ms;
};

const char *
mlo_history_column_name (MloHistoryColumn column)
{
  g_return_val_if_fail ((guint) column < MLO_HISTORY_N, NULL);
  return columns[column].name;
}

void
mlo_history_join_add (MloHistoryJoin * join, MloHistoryColumn column, double value)
{
  double *held = &join->value[column];

  if (!isfinite (value))
    return;
  if (columns[column].kind == JOIN_MEAN)
    *held += value;
  else if (columns[column].kind == JOIN_LAST || join->n[column] == 0 || value > *held)
    *held = value;
  join->n[column]++;
}

void
mlo_history_join_take (MloHistoryJoin * join, float value[MLO_HISTORY_N])
{
  static const MloHistoryJoin empty;

  for (int i = 0; i < MLO_HISTORY_N; i++) {
    if (join->n[i] == 0)
      value[i] = NAN;
    else
      value[i] = (float) (columns[i].kind == JOIN_MEAN ? join->value[i] / join->n[i] : join->value[i]);
  }
  *join = empty;
}

static void
ring_push (Ring * r, const MloHistoryPoint * point)
{
  r->points[(r->start + r->n) % r->size] = *point;
  if (r->n < r->size)
    r->n++;
  else
    r->start = (r->start + 1) % r->size;
}

static const MloHistoryPoint *
ring_at (const Ring * r, guint i)
{
  return &r->points[(r->start + i) % r->size];
}

MloHistory *
mlo_history_new (void)
{
  MloHistory *h = g_new0 (MloHistory, 1);

  h->fine.size = N_FINE;
  h->fine.points = g_new0 (MloHistoryPoint, N_FINE);
  h->coarse.size = N_COARSE;
  h->coarse.points = g_new0 (MloHistoryPoint, N_COARSE);
  h->last_ms = G_MININT64;
  h->pending_step = G_MININT64;
  return h;
}

void
mlo_history_free (MloHistory * h)
{
  if (!h)
    return;
  g_free (h->fine.points);
  g_free (h->coarse.points);
  g_free (h);
}

void
mlo_history_add (MloHistory * h, const MloHistoryPoint * point)
{
  gint64 step = point->time_ms / MLO_HISTORY_COARSE_STEP_MS;

  if (point->time_ms <= h->last_ms)
    return;
  if (h->pending_step != step && h->pending_step != G_MININT64) {
    MloHistoryPoint joined;

    joined.time_ms = h->last_ms;
    mlo_history_join_take (&h->pending, joined.value);
    ring_push (&h->coarse, &joined);
  }
  h->pending_step = step;
  h->last_ms = point->time_ms;
  for (int i = 0; i < MLO_HISTORY_N; i++)
    mlo_history_join_add (&h->pending, i, point->value[i]);
  ring_push (&h->fine, point);
}

void
mlo_history_foreach (const MloHistory * h, gint64 since_ms, MloHistoryFunc func, gpointer user_data)
{
  gint64 fine_from_ms = h->fine.n > 0 ? ring_at (&h->fine, 0)->time_ms : G_MAXINT64;
  gint64 oldest_ms = h->last_ms - MLO_HISTORY_COARSE_MS;

  if (h->fine.n == 0)
    return;
  for (guint i = 0; i < h->coarse.n; i++) {
    const MloHistoryPoint *p = ring_at (&h->coarse, i);

    if (p->time_ms > since_ms && p->time_ms >= oldest_ms && p->time_ms < fine_from_ms)
      func (p, user_data);
  }
  for (guint i = 0; i < h->fine.n; i++) {
    const MloHistoryPoint *p = ring_at (&h->fine, i);

    /* Of a stream that was away for long, what is left is old. */
    if (p->time_ms > since_ms && p->time_ms >= oldest_ms)
      func (p, user_data);
  }
}
