/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mloptimizer evaluate: controllers beside each other on many links, by kind of link. */
#include <math.h>
#include <string.h>

#include "mlo-contest-print.h"
#include "mlo-error.h"
#include "mlo-tool-models.h"
#include "mlo-tool.h"

static const char *
standard_contenders (const MloContestModels * m)
{
  if (!m->optimizer)
    return "rule-ladder,no-dqn,guard,rules,gcc,gcc-probing,omniscient";
  if (!m->predictor)
    return "no-predictor,guard,gcc,gcc-probing,omniscient";
  return "ours,no-dqn,no-predictor,guard,rules,fixed:3000,gcc,gcc-probing,omniscient";
}

/* Loads what is asked for, chooses the contenders where none were named, and sees that they have what they need. */
static gboolean
load_models (MloContest * c, char **folders, char **files, GError ** error)
{
  const char *const standard[] = { mlo_tool_models_or (NULL), NULL };
  gboolean predictor = FALSE, optimizer = FALSE;
  const MloContestModels *first;

  for (guint i = 0; c->contenders && i < c->contenders->len; i++) {
    predictor |= mlo_contender_needs_predictor (&g_array_index (c->contenders, MloContender, i));
    optimizer |= mlo_contender_needs_optimizer (&g_array_index (c->contenders, MloContender, i));
  }
  if (!folders && !files && (predictor || optimizer || !c->contenders))
    folders = (char **) standard;
  for (guint i = 0; folders && folders[i]; i++) {
    MloContestModels m = {.folder = g_strdup (folders[i]) };

    if (!mlo_tool_load_models (folders[i], &m.predictor, &m.optimizer, error)) {
      g_free (m.folder);
      return FALSE;
    }
    g_array_append_val (c->models, m);
  }
  if (c->models->len == 0) {
    MloContestModels none = {.folder = g_strdup (files ? files[0] : "") };

    g_array_append_val (c->models, none);
  }
  for (guint i = 0; files && files[i]; i++) {
    MloContestModels *m = &g_array_index (c->models, MloContestModels, 0);

    if (!mlo_tool_load_model (files[i], &m->predictor, &m->optimizer, error))
      return FALSE;
  }
  first = &g_array_index (c->models, MloContestModels, 0);
  if (!c->contenders) {
    c->contenders = mlo_contenders_parse (standard_contenders (first), NULL);
    return TRUE;
  }
  for (guint i = 0; i < c->models->len; i++) {
    const MloContestModels *m = &g_array_index (c->models, MloContestModels, i);

    if ((predictor && !m->predictor) || (optimizer && !m->optimizer)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: no %s, which the controllers need", m->folder,
          predictor && !m->predictor ? "bitrate predictor" : "quality optimizer");
      return FALSE;
    }
  }
  return TRUE;
}

/* The second of two models, whole as the first. */
static gboolean
load_against (MloContest * c, const char *folder, GError ** error)
{
  MloContestModels m = {.folder = g_strdup (folder) };

  if (!mlo_tool_load_models (folder, &m.predictor, &m.optimizer, error)) {
    g_free (m.folder);
    return FALSE;
  }
  g_array_append_val (c->models, m);
  if (m.predictor && m.optimizer)
    return TRUE;
  g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: no %s", folder, m.predictor ? "quality optimizer" :
      "bitrate predictor");
  return FALSE;
}

/* @text: NULL, a number of ms, or "auto". */
static gboolean
parse_grid (const char *text, double *grid_ms)
{
  char *end = NULL;

  *grid_ms = !text ? MLO_GRID_DRAWN : MLO_GRID_AUTO;
  if (!text || strcmp (text, "auto") == 0)
    return TRUE;
  *grid_ms = g_ascii_strtod (text, &end);
  return end != text && *end == '\0' && *grid_ms >= 0.0 && *grid_ms <= 1000.0;
}

static int
run (int argc, char **argv)
{
  g_auto (GStrv) folders = NULL, files = NULL;
  g_autofree char *against = NULL, *traces = NULL, *seeds = NULL, *names = NULL, *grid = NULL, *report = NULL;
  g_autofree char *asked = g_strjoinv (" ", argv);
  double seconds = 60.0;
  int jobs = 0, per_kind = -1;
  gboolean json = FALSE, check = FALSE;
  MloContestOptions options = { 0 };
  const GOptionEntry entries[] = {
    {"models", 'm', 0, G_OPTION_ARG_FILENAME_ARRAY, &folders,
        "Folder of the model files (models, else installed ones); again for more, whose spread is shown", "DIR"},
    {"model", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, "One model file instead; what it lacks is left out", "FILE"},
    {"against", 0, 0, G_OPTION_ARG_FILENAME, &against,
        "Another folder of models, as of online learning: what it has over the first on the same links", "DIR"},
    {"traces", 't', 0, G_OPTION_ARG_STRING, &traces,
        "Recordings under this folder, or \"generated\" (that)", "DIR"},
    {"seeds", 's', 0, G_OPTION_ARG_STRING, &seeds, "Of everything random (1,2,3; recordings: 1)", "A,B,C"},
    {"links", 'n', 0, G_OPTION_ARG_INT, &per_kind, "Links a kind and seed (16); of recordings at most (all)", "N"},
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "Length of a generated link (60)", "SECONDS"},
    {"max-bitrate", 0, 0, G_OPTION_ARG_DOUBLE, &options.max_bitrate_kbps,
        "Most the encoder may be told (recordings: 12000; generated: as drawn)", "KBPS"},
    {"grid", 0, 0, G_OPTION_ARG_STRING, &grid,
          "Delivery at multiples of MS only (recordings: 0; generated: as drawn); auto: 5 on lte and 5g, 10 on wifi",
        "MS|auto"},
    {"controllers", 'c', 0, G_OPTION_ARG_STRING, &names, MLO_CONTENDER_NAMES
          " (ours,no-dqn,no-predictor,guard,rules,fixed:3000,gcc,gcc-probing,omniscient)", "NAMES"},
    {"jobs", 'j', 0, G_OPTION_ARG_INT, &jobs, "Threads (as many as processors)", "N"},
    {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Everything as JSON, each run too", NULL},
    {"report", 0, 0, G_OPTION_ARG_FILENAME, &report, "Write a page with plots, which needs no other file", "FILE.html"},
    {"check", 0, 0, G_OPTION_ARG_NONE, &check, "Fail where the networks do not earn their place", NULL},
    {NULL}
  };
  g_auto (MloContest) c;
  g_autoptr (GError) error = NULL;
  gboolean good, generated;

  mlo_contest_init (&c);
  if (!mlo_tool_parse (NULL,
          "Generated links are drawn from seeds that training never uses. Recordings: the first minute of\n"
          "each file, 40 ms round trip, a queue of 300 ms at the mean rate, at most 12 Mbit/s; where RTT and loss\n"
          "alone were recorded, with those on a link of 30 Mbit/s, counted apart.", entries, 0, 0, &argc, &argv))
    return MLO_EXIT_USAGE;
  if (per_kind < -1 || per_kind == 0 || per_kind > 10000 || jobs < 0 || jobs > 256)
    return mlo_tool_fail (MLO_EXIT_USAGE, "a number is out of range (see --help)");
  if (!(seconds >= 5.0 && seconds <= 86400.0))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--seconds is not in 5 .. 86400");
  if (options.max_bitrate_kbps != 0.0 && !(options.max_bitrate_kbps >= 500.0 && options.max_bitrate_kbps <= 1e6))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--max-bitrate is not in 500 .. 1000000");
  if (!parse_grid (grid, &options.grid_ms))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--grid is neither \"auto\" nor in 0 .. 1000");
  if (names && !(c.contenders = mlo_contenders_parse (names, &error)))
    return mlo_tool_fail (MLO_EXIT_USAGE, "%s", error->message);
  if (against && (files || report || check || (folders && g_strv_length (folders) > 1)))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--against goes with one -m, and not with --model, --report and --check");
  if (json && check)
    return mlo_tool_fail (MLO_EXIT_USAGE, "--json and --check do not go together");
  if (against && !names)
    c.contenders = mlo_contenders_parse ("ours", NULL);
  generated = !traces || strcmp (traces, "generated") == 0;
  if (!mlo_contest_set_seeds (&c, seeds ? seeds : generated ? "1,2,3" : "1", &error))
    return mlo_tool_fail (MLO_EXIT_USAGE, "%s", error->message);
  if (!load_models (&c, folders, files, &error) || (against && !load_against (&c, against, &error)))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  if (generated)
    mlo_contest_add_generated (&c, per_kind > 0 ? (guint) per_kind : 16, seconds, &options);
  else if (!mlo_contest_add_recordings (&c, traces, per_kind > 0 ? (guint) per_kind : 0, &options, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);

  mlo_contest_run (&c, (guint) jobs);
  if (report && !mlo_contest_write_report (&c, report, asked, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  if (json) {
    mlo_contest_print_json (&c);
    return MLO_EXIT_OK;
  }
  if (against) {
    mlo_contest_print_against (&c);
    return MLO_EXIT_OK;
  }
  mlo_contest_print_table (&c);
  mlo_contest_print_predictions (&c);
  good = mlo_contest_print_verdict (&c);
  return check && !good ? MLO_EXIT_FAILURE : MLO_EXIT_OK;
}

const MloCommand mlo_command_evaluate = {
  .name = "evaluate",
  .summary = "controllers beside each other on many links",
  .run = run,
};
