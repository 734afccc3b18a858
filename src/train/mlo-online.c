/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-online.h"

#include <math.h>
#include <string.h>

#include "mlo-online-optimizer.h"
#include "mlo-online-predictor.h"
#include "mlo-online-stats.h"

/* One slice in so many is the optimizer's, where both learn. */
#define OPTIMIZER_EVERY 4

const MloOnlineOptions mlo_online_options_default = {
  .interval_us = 100000,
  .horizon_s = 1.0,
  .quantile = 0.5,
  .predictor_rate = 2e-4,
  .own_share = 0.75,
  .clip = 1.0,
  .judge_every = 100,
  .margin = 2.5,
  .step_margin = 0.5,
  .demote_margin = 0.1,
  .watch_margin = 1.0,
  .forget = 1.0,
};

struct _MloOnline
{
  MloOnlineOptions options;
  MloOnlinePredictor *predictor;        /* NULL: there is none */
  MloOnlineOptimizer *optimizer;        /* likewise */
  guint turn;
  guint64 ticks, refused, explored;
};

void
mlo_online_tick_init (MloOnlineTick * t, const MloDecision * decision, const MloSample * sample,
    MloCapacityKind capacity)
{
  memset (t, 0, sizeof *t);
  t->sample = *sample;
  t->capacity = capacity;
  t->mask = decision->action_mask | 1u << MLO_ACTION_NONE;
  t->action = (guint8) (t->mask >> decision->action & 1 ? decision->action : MLO_ACTION_NONE);
  t->changed = (guint8) decision->changed;
  t->chance = decision->chance && t->action == decision->action;
  t->explored = decision->explored && t->chance;
}

MloOnline *
mlo_online_new (const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer, GPtrArray * reserve,
    const MloOnlineOptions * options, guint64 seed)
{
  MloOnline *o = g_new0 (MloOnline, 1);

  o->options = *options;
  if (predictor && mlo_bitrate_predictor_config (predictor)->form == MLO_FORM_STREAM)
    o->predictor = mlo_online_predictor_new (predictor, reserve, &o->options, seed);
  if (optimizer)
    o->optimizer = mlo_online_optimizer_new (optimizer, reserve, &o->options, ~seed);
  return o;
}

void
mlo_online_free (MloOnline * o)
{
  if (!o)
    return;
  mlo_online_predictor_free (o->predictor);
  mlo_online_optimizer_free (o->optimizer);
  g_free (o);
}

void
mlo_online_feed (MloOnline * o, const MloOnlineTick * tick)
{
  const gboolean believed = mlo_online_believable (&tick->sample);

  o->ticks++;
  o->explored += tick->explored;
  o->refused += !believed;
  if (o->predictor)
    mlo_online_predictor_feed (o->predictor, tick, believed);
  if (o->optimizer)
    mlo_online_optimizer_feed (o->optimizer, tick, believed);
}

MloOnlineWork
mlo_online_step (MloOnline * o)
{
  MloOnlineWork work = MLO_ONLINE_IDLE;

  if (o->optimizer && (!o->predictor || ++o->turn % OPTIMIZER_EVERY == 0))
    work = mlo_online_optimizer_step (o->optimizer);
  if (work == MLO_ONLINE_IDLE && o->predictor)
    work = mlo_online_predictor_step (o->predictor);
  return work;
}

void
mlo_online_stats (const MloOnline * o, MloOnlineStats * out)
{
  memset (out, 0, sizeof *out);
  out->ticks = o->ticks;
  out->explored = o->explored;
  out->refused = o->refused;
  mlo_online_stats_init (&out->predictor);
  mlo_online_stats_init (&out->optimizer);
  if (o->optimizer)
    out->optimizer = *mlo_online_optimizer_stats (o->optimizer);
  if (o->predictor) {
    const MloOnlineStream *s = mlo_online_predictor_stream (o->predictor);

    out->predictor = *mlo_online_predictor_stats (o->predictor);
    out->labels = s->n_exact;
    out->bounds = s->n_at_least;
  }
}

MloBitratePredictor *
mlo_online_copy_predictor (const MloOnline * o)
{
  return o->predictor ? mlo_bitrate_predictor_copy (mlo_online_predictor_champion (o->predictor)) : NULL;
}

MloQualityOptimizer *
mlo_online_copy_optimizer (const MloOnline * o)
{
  return o->optimizer ? mlo_quality_optimizer_copy (mlo_online_optimizer_champion (o->optimizer)) : NULL;
}

static gsize
predictor_size (const MloOnline * o)
{
  return o->predictor ? mlo_online_predictor_state_size (o->predictor) : 0;
}

gsize
mlo_online_state_size (const MloOnline * o)
{
  return predictor_size (o) + (o->optimizer ? mlo_online_optimizer_state_size (o->optimizer) : 0);
}

void
mlo_online_get_state (const MloOnline * o, float *state, MloOnlineNumbers * numbers)
{
  memset (numbers, 0, sizeof *numbers);
  numbers->ticks = o->ticks;
  if (o->predictor)
    mlo_online_predictor_get_state (o->predictor, state, numbers);
  if (o->optimizer)
    mlo_online_optimizer_get_state (o->optimizer, state + predictor_size (o), numbers);
}

gboolean
mlo_online_set_state (MloOnline * o, const float *state, gsize n, const MloOnlineNumbers * numbers)
{
  if (n != mlo_online_state_size (o))
    return FALSE;
  for (gsize i = 0; i < n; i++) {
    if (!isfinite (state[i]))
      return FALSE;
  }
  o->ticks = numbers->ticks;
  if (o->predictor)
    mlo_online_predictor_set_state (o->predictor, state, numbers);
  if (o->optimizer)
    mlo_online_optimizer_set_state (o->optimizer, state + predictor_size (o), numbers);
  return TRUE;
}

void
mlo_online_set_champions (MloOnline * o, const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer)
{
  if (o->predictor && predictor)
    mlo_online_predictor_set_champion (o->predictor, predictor);
  if (o->optimizer && optimizer)
    mlo_online_optimizer_set_champion (o->optimizer, optimizer);
}
