/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-online-stream.h"

#include <math.h>
#include <string.h>

#include "mlo-packet.h"
#include "mlo-qoe-estimate.h"

/*
 * The label is what the omniscient one of the simulator would be (mlo-label.h), with the capacity that was measured
 * in the ticks after instead of the true one. What a decision did to the path is seen a round trip later, so the
 * horizon begins that much after the tick.
 */

/* No path is believed to be faster; the controller's own measure ends here too. */
#define MAX_KBPS 1e6
/* Measurements scatter: the same number so often running is not one. */
#define SAME_TICKS 20
/* Nothing measured while so much waits: nothing came. */
#define WAITING_MS 30.0
/* Share of the horizon's ticks that must have a measurement. */
#define KNOWN_SHARE 0.5
/* The label's own picture, as in training: the predictor sees neither size nor scale. */
#define LABEL_PIXELS 921600.0
#define PAYLOAD 1200.0
#define BROKEN_DB 7.0
#define REPAIR_FRAMES 4.0
#define LATEST_LAG 40u

MloOnlineStream *
mlo_online_stream_new (const MloPredictorConfig * config, gint64 interval_us, double horizon_s)
{
  MloOnlineStream *s = g_new0 (MloOnlineStream, 1);

  g_assert (interval_us > 0);
  s->config = config;
  s->interval_us = interval_us;
  s->horizon = (guint) CLAMP (lrint (horizon_s * G_USEC_PER_SEC / (double) interval_us), 1,
      MLO_ONLINE_PENDING - LATEST_LAG - 2);
  s->rows = g_new0 (MloOnlineRow, MLO_ONLINE_TICKS);
  s->rewards = g_malloc0_n (MLO_ONLINE_TICKS, sizeof *s->rewards);
  mlo_feature_history_reset (&s->history);
  return s;
}

void
mlo_online_stream_free (MloOnlineStream * s)
{
  if (!s)
    return;
  g_free (s->rows);
  g_free (s->rewards);
  g_free (s);
}

guint64
mlo_online_stream_oldest (const MloOnlineStream * s)
{
  return s->n_rows - MIN (s->n_rows, MLO_ONLINE_TICKS);
}

const MloOnlineRow *
mlo_online_stream_row (const MloOnlineStream * s, guint64 i)
{
  return &s->rows[i % MLO_ONLINE_TICKS];
}

double
mlo_online_stream_reward (const MloOnlineStream * s, guint64 i, double kbps)
{
  const float *r = s->rewards[i % MLO_ONLINE_TICKS];
  double at = log (CLAMP (kbps, s->config->min_kbps, s->config->max_kbps) / s->config->min_kbps)
      / log (s->config->max_kbps / s->config->min_kbps) * (MLO_LABEL_POINTS - 1.0);
  guint k = (guint) MIN (at, MLO_LABEL_POINTS - 2.0);

  return r[k] + (at - k) * ((double) r[k + 1] - (double) r[k]);
}

gboolean
mlo_online_believable (const MloSample * s)
{
  for (guint f = 0; f < MLO_N_FIELDS; f++) {
    const MloFieldInfo *info = mlo_field_info ((MloField) f);
    double value = mlo_sample_get (s, (MloField) f, info->min);

    if (!(value >= info->min && value <= info->max))
      return FALSE;
  }
  return mlo_sample_get (s, MLO_FIELD_BANDWIDTH, 0.0) < MAX_KBPS;
}

static MloOnlinePath *
path_of (MloOnlineStream * s, guint64 row)
{
  return &s->pending[row % MLO_ONLINE_PENDING];
}

static void
note_path (MloOnlineStream * s, const MloOnlineTick * t, MloOnlinePath * p)
{
  double kbps = mlo_sample_get (&t->sample, MLO_FIELD_BANDWIDTH, -1.0);

  s->same = kbps == s->last_kbps ? s->same + 1 : 0;
  s->last_kbps = kbps;
  p->queue_ms = mlo_sample_get (&t->sample, MLO_FIELD_QUEUE_DELAY, 0.0);
  p->base_ms = MAX (mlo_sample_get (&t->sample, MLO_FIELD_LATENCY, 0.0) - p->queue_ms, 0.0);
  p->loss = mlo_sample_get (&t->sample, MLO_FIELD_PACKET_LOSS, 0.0);
  p->fps = CLAMP (mlo_sample_get (&t->sample, MLO_FIELD_FPS, 60.0), 10.0, 120.0);
  p->encode_ms = mlo_sample_get (&t->sample, MLO_FIELD_ENCODE_TIME, 5.0);
  p->complexity = mlo_sample_get (&t->sample, MLO_FIELD_COMPLEXITY, MLO_USUAL_COMPLEXITY);
  p->at_least = t->capacity == MLO_CAPACITY_AT_LEAST;
  p->capacity_kbps = -1.0;
  if (t->capacity != MLO_CAPACITY_OLD) {
    if (s->same < SAME_TICKS)
      p->capacity_kbps = kbps;
  } else if (p->queue_ms > WAITING_MS) {
    p->capacity_kbps = 0.0;
  }
}

/* What came in the horizon, as the label wants it. */
typedef struct
{
  double tick_us;
  guint n;
  double carried[MLO_ONLINE_PENDING + 1];       /* bytes at the end of each tick */
} Carried;

static double
carried (gpointer path, gint64 time_us)
{
  const Carried *c = path;
  double at = (double) time_us / c->tick_us;
  guint k = (guint) at;

  /* what comes after the horizon is not known: as much as in it */
  if (k >= c->n)
    return c->carried[c->n] * at / c->n;
  return c->carried[k] + (at - k) * (c->carried[k + 1] - c->carried[k]);
}

/* FALSE where too little was measured. */
static gboolean
collect (MloOnlineStream * s, guint64 from, Carried * c, gboolean * at_least)
{
  double kbps = -1.0;
  guint known = 0, bounds = 0;

  c->tick_us = (double) s->interval_us;
  c->n = s->horizon;
  c->carried[0] = 0.0;
  for (guint i = 0; i < s->horizon && kbps < 0.0; i++)
    kbps = path_of (s, from + i)->capacity_kbps;
  for (guint i = 0; i < s->horizon; i++) {
    const MloOnlinePath *p = path_of (s, from + i);

    if (p->capacity_kbps >= 0.0) {
      kbps = p->capacity_kbps;
      known++;
      bounds += p->at_least;
    }
    c->carried[i + 1] = c->carried[i] + kbps * c->tick_us / 8000.0;
  }
  *at_least = 2 * bounds > known;
  return known >= KNOWN_SHARE * s->horizon;
}

static void
decide_label (MloOnlineStream * s, guint64 i, guint64 from)
{
  MloOnlineRow *row = &s->rows[i % MLO_ONLINE_TICKS];
  const MloOnlinePath *p = path_of (s, i);
  MloLabelInput in = {.carried = carried,.horizon_s = s->horizon * (double) s->interval_us / G_USEC_PER_SEC };
  gboolean at_least;
  Carried c;
  double kbps;

  row->label = MLO_LABEL_NONE;
  if (!collect (s, from, &c, &at_least))
    return;
  in.path = &c;
  in.backlog_bytes = p->queue_ms * MAX (path_of (s, from)->capacity_kbps, 0.0) / 8.0;
  in.min_kbps = s->config->min_kbps;
  in.max_kbps = s->config->max_kbps;
  in.overhead = 1.0 + MLO_PACKET_OVERHEAD / PAYLOAD;
  in.base_ms = p->encode_ms + 0.5 * p->base_ms + MLO_QOE_DECODE_MS + 500.0 / MLO_QOE_REFRESH_HZ;
  in.loss_events = p->queue_ms < WAITING_MS ? p->loss : 0.0;
  in.payload = PAYLOAD;
  in.repair_s = 0.001 * p->base_ms + REPAIR_FRAMES / p->fps;
  in.broken_db = BROKEN_DB;
  in.fps = p->fps;
  in.scale = 1.0;
  in.pixels = LABEL_PIXELS;
  in.complexity = p->complexity;
  kbps = mlo_label_curve (&s->label, &in, s->rewards[i % MLO_ONLINE_TICKS]);
  if (!isfinite (kbps))
    return;
  row->target = (float) mlo_scaling_output_inverse (&s->config->scaling, s->config->min_kbps, s->config->max_kbps,
      kbps);
  row->label = at_least ? MLO_LABEL_AT_LEAST : MLO_LABEL_EXACT;
  if (at_least)
    s->n_at_least++;
  else
    s->n_exact++;
}

/* Labels of the rows whose horizon has now passed. */
static void
decide_labels (MloOnlineStream * s)
{
  while (s->labelled < s->n_rows) {
    guint64 i = MAX (s->labelled, s->gap);
    guint lag = (guint) MIN (lrint (path_of (s, i)->base_ms * 1000.0 / (double) s->interval_us), LATEST_LAG);

    if (i + lag + s->horizon > s->n_rows) {
      s->labelled = i;
      return;
    }
    decide_label (s, i, i + lag);
    s->labelled = i + 1;
  }
}

void
mlo_online_stream_add (MloOnlineStream * s, const MloOnlineTick * tick, gboolean believed)
{
  MloOnlineRow *row = &s->rows[s->n_rows % MLO_ONLINE_TICKS];

  if (!believed || tick->gap) {
    /* labels that are still open stay so */
    s->gap = s->n_rows;
    mlo_feature_history_reset (&s->history);
  }
  if (!believed)
    return;
  memset (row, 0, sizeof *row);
  row->first = s->gap == s->n_rows;
  mlo_feature_history_push (&s->history, &tick->sample);
  mlo_features_predictor (&s->config->scaling, &s->history, row->x);
  note_path (s, tick, path_of (s, s->n_rows));
  s->n_rows++;
  decide_labels (s);
}
