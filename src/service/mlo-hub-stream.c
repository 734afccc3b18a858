/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hub knows of one stream. */
#include <math.h>
#include <string.h>

#include "mlo-hub-private.h"

/* A bitrate that moved by less is not worth a line among the decisions. */
#define NOTABLE_BITRATE 0.15

/* Which field a column of the history shows; the state comes from the decisions. */
static const int column_field[MLO_HISTORY_N] = {
  [MLO_HISTORY_BITRATE] = MLO_FIELD_BITRATE,
  [MLO_HISTORY_BANDWIDTH] = MLO_FIELD_BANDWIDTH,
  [MLO_HISTORY_ENCODED] = MLO_FIELD_ENCODED,
  [MLO_HISTORY_QUEUE_DELAY] = MLO_FIELD_QUEUE_DELAY,
  [MLO_HISTORY_LATENCY] = MLO_FIELD_LATENCY,
  [MLO_HISTORY_LOSS] = MLO_FIELD_PACKET_LOSS,
  [MLO_HISTORY_FPS] = MLO_FIELD_FPS,
  [MLO_HISTORY_HEIGHT] = MLO_FIELD_HEIGHT,
  [MLO_HISTORY_CPU] = MLO_FIELD_CPU_USAGE,
  [MLO_HISTORY_QUALITY] = MLO_FIELD_QUALITY_SCORE,
  [MLO_HISTORY_STATE] = -1,
};

MloHubStream *
mlo_hub_stream_new (const char *name, const char *local, gint64 now_us)
{
  MloHubStream *s = g_new0 (MloHubStream, 1);

  s->name = g_strdup (name);
  s->local = g_strdup (local);
  s->audience = g_hash_table_new (NULL, NULL);
  s->offered = g_hash_table_new (NULL, NULL);
  s->history = mlo_history_new ();
  s->first_us = s->last_us = now_us;
  s->asked.min_bitrate_kbps = s->asked.max_bitrate_kbps = -1.0;
  s->asked.mode = -1;
  s->in_force = s->asked;
  return s;
}

void
mlo_hub_stream_free (MloHubStream * s)
{
  if (!s)
    return;
  g_free (s->name);
  g_free (s->local);
  g_hash_table_unref (s->audience);
  g_hash_table_unref (s->offered);
  mlo_history_free (s->history);
  g_free (s);
}

gboolean
mlo_hub_stream_online (const MloHubStream * s, gint64 now_us)
{
  return now_us - s->last_us < MLO_HUB_SILENT_US;
}

gboolean
mlo_hub_fresh (gint64 time_us, gint64 now_us)
{
  return time_us > 0 && now_us - time_us < MLO_HUB_FRESH_US;
}

static void
take_value (MloHubStream * s, MloField field, double value, gboolean primary, gint64 now_us)
{
  MloHubValue *v = &s->values[field];

  if (!primary && v->primary && mlo_hub_fresh (v->time_us, now_us))
    return;
  v->value = value;
  v->time_us = now_us;
  v->primary = primary;
  for (int c = 0; c < MLO_HISTORY_N; c++) {
    if (column_field[c] == (int) field)
      mlo_history_join_add (&s->join, c, value);
  }
}

void
mlo_hub_stream_measure (MloHubStream * s, const MloSample * sample, gboolean primary, gint64 now_us)
{
  for (int f = 0; f < MLO_N_FIELDS; f++) {
    if (mlo_sample_has (sample, f))
      take_value (s, f, mlo_sample_get (sample, f, 0.0), primary, now_us);
  }
  s->last_us = now_us;
}

static gboolean
notable (const MloHubStream * s, const MloRecommendation * r)
{
  const MloRecommendation *before;

  if (s->n_decisions == 0)
    return TRUE;
  before = &s->decisions[(s->n_decisions - 1) % MLO_HUB_MAX_DECISIONS].what;
  return r->state != before->state || r->width != before->width || r->height != before->height
      || fabs (r->fps - before->fps) >= 0.5
      || (r->action != MLO_ACTION_NONE && r->action != MLO_ACTION_BITRATE_UP && r->action != MLO_ACTION_BITRATE_DOWN)
      || fabs (r->bitrate_kbps - before->bitrate_kbps) > NOTABLE_BITRATE * before->bitrate_kbps;
}

void
mlo_hub_stream_decide (MloHubStream * s, const MloMessage * m, guint64 * serial, gint64 now_us)
{
  const MloRecommendation *r = &m->recommendation;
  MloSample sample = m->sample;

  if (r->bitrate_kbps > 0.0)
    mlo_sample_set (&sample, MLO_FIELD_BITRATE, r->bitrate_kbps);
  if (!mlo_sample_has (&sample, MLO_FIELD_BANDWIDTH) && r->capacity_kbps >= 0.0)
    mlo_sample_set (&sample, MLO_FIELD_BANDWIDTH, r->capacity_kbps);
  if (!mlo_sample_has (&sample, MLO_FIELD_HEIGHT) && r->height > 0) {
    mlo_sample_set (&sample, MLO_FIELD_WIDTH, r->width);
    mlo_sample_set (&sample, MLO_FIELD_HEIGHT, r->height);
  }
  mlo_hub_stream_measure (s, &sample, TRUE, now_us);
  mlo_history_join_add (&s->join, MLO_HISTORY_STATE, r->state);
  s->controller_us = s->decided_us = now_us;
  s->n_recommendations++;
  if (m->limits.max_bitrate_kbps >= 0.0 || m->limits.min_bitrate_kbps >= 0.0 || m->limits.mode >= 0) {
    s->in_force = m->limits;
    s->in_force_us = now_us;
  }
  if (notable (s, r)) {
    MloHubDecision *d = &s->decisions[s->n_decisions++ % MLO_HUB_MAX_DECISIONS];

    d->serial = ++*serial;
    d->time_us = now_us;
    d->what = *r;
  }
  s->last = *r;
}

void
mlo_hub_stream_tick (MloHubStream * s, gint64 now_us, gint64 real_us)
{
  s->point = mlo_hub_stream_online (s, now_us);
  if (!s->point)
    return;
  s->newest.time_ms = real_us / 1000;
  mlo_history_join_take (&s->join, s->newest.value);
  for (int c = 0; c < MLO_HISTORY_N; c++) {
    const MloHubValue *v = column_field[c] >= 0 ? &s->values[column_field[c]] : NULL;

    /* Between two messages that are further apart than ticks the last one holds. */
    if (v && isnan (s->newest.value[c]) && mlo_hub_fresh (v->time_us, now_us))
      s->newest.value[c] = (float) v->value;
  }
  if (mlo_hub_fresh (s->decided_us, now_us) && isnan (s->newest.value[MLO_HISTORY_STATE]))
    s->newest.value[MLO_HISTORY_STATE] = (float) s->last.state;
  mlo_history_add (s->history, &s->newest);
}
