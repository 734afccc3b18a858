/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-contest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mlo-tool.h"
#include "mlo-workers.h"

/* Runs between two looks at the progress. */
#define CHUNK 32u

typedef struct
{
  MloContest *contest;
  guint from;                   /* first task of the running chunk */
} Chunk;

static void
models_clear (gpointer data)
{
  MloContestModels *m = data;

  g_free (m->folder);
  mlo_bitrate_predictor_free (m->predictor);
  mlo_quality_optimizer_free (m->optimizer);
}

static void
trace_free (gpointer data)
{
  mlo_trace_free (data);
}

void
mlo_contest_init (MloContest * c)
{
  memset (c, 0, sizeof *c);
  c->traces = g_ptr_array_new_with_free_func (trace_free);
  c->links = g_array_new (FALSE, FALSE, sizeof (MloContestLink));
  c->kinds = g_ptr_array_new_with_free_func (g_free);
  c->groups = g_ptr_array_new_with_free_func (g_free);
  c->models = g_array_new (FALSE, FALSE, sizeof (MloContestModels));
  g_array_set_clear_func (c->models, models_clear);
}

void
mlo_contest_clear (MloContest * c)
{
  g_clear_pointer (&c->links, g_array_unref);
  g_clear_pointer (&c->traces, g_ptr_array_unref);
  g_clear_pointer (&c->kinds, g_ptr_array_unref);
  g_clear_pointer (&c->groups, g_ptr_array_unref);
  g_clear_pointer (&c->contenders, g_array_unref);
  g_clear_pointer (&c->models, g_array_unref);
  g_clear_pointer (&c->outcomes, g_free);
}

gboolean
mlo_contest_uses_models (const MloContender * contender)
{
  return mlo_contender_needs_predictor (contender) || mlo_contender_needs_optimizer (contender);
}

const MloContender *
mlo_contest_contender (const MloContest * c, guint contender)
{
  return &g_array_index (c->contenders, MloContender, contender);
}

const MloRunOutcome *
mlo_contest_outcome (const MloContest * c, guint model, guint contender, guint link)
{
  if (!mlo_contest_uses_models (mlo_contest_contender (c, contender)))
    model = 0;
  return &c->outcomes[(model * c->contenders->len + contender) * c->links->len + link];
}

static void
run_one (const MloContest * c, guint model, guint contender, guint link, MloRun * more, MloRunOutcome * out)
{
  const MloContestLink *l = &g_array_index (c->links, MloContestLink, link);
  const MloContestModels *m = &g_array_index (c->models, MloContestModels, model);

  more->contender = mlo_contest_contender (c, contender);
  more->predictor = m->predictor;
  more->optimizer = m->optimizer;
  more->trace = l->trace;
  more->config = &l->config;
  more->seed = l->seed;
  more->seconds = l->seconds;
  mlo_run (more, out);
}

static void
run_task (gpointer user_data, guint index)
{
  Chunk *chunk = user_data;
  MloContest *c = chunk->contest;
  guint task = chunk->from + index;
  guint link = task % c->links->len, contender = task / c->links->len % c->contenders->len;
  guint model = task / c->links->len / c->contenders->len;
  MloRun run = {.label_horizon_s = 1.0 };

  if (model == 0 || mlo_contest_uses_models (mlo_contest_contender (c, contender)))
    run_one (c, model, contender, link, &run, &c->outcomes[task]);
}

void
mlo_contest_run (MloContest * c, guint jobs)
{
  g_autoptr (MloWorkers) workers = mlo_workers_new (jobs);
  guint n_tasks = c->models->len * c->contenders->len * c->links->len;
  Chunk chunk = {.contest = c };

  c->outcomes = g_new0 (MloRunOutcome, n_tasks);
  for (; chunk.from < n_tasks; chunk.from += CHUNK) {
    if (mlo_tool_is_terminal ())
      fprintf (stderr, "\r\033[K%u of %u", chunk.from, n_tasks);
    mlo_workers_run (workers, MIN (CHUNK, n_tasks - chunk.from), run_task, &chunk);
  }
  if (mlo_tool_is_terminal ())
    fputs ("\r\033[K", stderr);
}

void
mlo_contest_replay (const MloContest * c, guint model, guint contender, guint link,
    void (*on_tick) (gpointer user_data, const MloEnvStep * step, const MloSample * sample), gpointer user_data)
{
  MloRun run = {.on_tick = on_tick,.user_data = user_data };
  MloRunOutcome outcome;

  run_one (c, model, contender, link, &run, &outcome);
}

gboolean
mlo_contest_kind_is_apart (const MloContest * c, guint kind)
{
  return strcmp (c->kinds->pdata[kind], MLO_KIND_IMPAIRED) == 0;
}

int
mlo_contest_find (const MloContest * c, MloContenderKind kind)
{
  for (guint i = 0; i < c->contenders->len; i++) {
    if (mlo_contest_contender (c, i)->kind == kind)
      return (int) i;
  }
  return -1;
}

double
mlo_contest_mean (const MloContest * c, const MloResultField * field, guint contender, int model, int group, int kind)
{
  double sum = 0.0;
  guint n = 0;

  for (guint m = 0; m < c->models->len; m++) {
    for (guint i = 0; i < c->links->len; i++) {
      const MloContestLink *l = &g_array_index (c->links, MloContestLink, i);
      double v;

      if ((model >= 0 && (guint) model != m) || (group >= 0 && (guint) group != l->group))
        continue;
      if (kind >= 0 ? (guint) kind != l->kind : mlo_contest_kind_is_apart (c, l->kind))
        continue;
      v = field->get (mlo_contest_outcome (c, m, contender, i));
      if (isfinite (v)) {
        sum += v;
        n++;
      }
    }
  }
  return n > 0 ? sum / n : NAN;
}

double
mlo_contest_spread (const MloContest * c, const MloResultField * field, guint contender, int kind)
{
  double sum = 0.0, square = 0.0;
  guint n = 0;

  for (guint m = 0; m < c->models->len; m++) {
    for (guint g = 0; g < c->groups->len; g++) {
      double v = mlo_contest_mean (c, field, contender, (int) m, (int) g, kind);

      if (!isfinite (v))
        continue;
      sum += v;
      square += v * v;
      n++;
    }
  }
  return n > 1 ? sqrt (MAX (0.0, (square - sum * sum / n) / (n - 1))) : NAN;
}
