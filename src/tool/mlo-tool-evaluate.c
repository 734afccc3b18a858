/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mloptimizer evaluate: controllers beside each other on many links, by kind of link. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "mlo-error.h"
#include "mlo-rollout.h"
#include "mlo-runner.h"
#include "mlo-tool-models.h"
#include "mlo-tool-result.h"
#include "mlo-tool.h"
#include "mlo-trainer.h"
#include "mlo-workers.h"

/* Mixed into the seeds, so that no evaluated link was trained on. */
#define SEED_EVALUATE 1000
/* Pieces of recordings: as long as this at most. */
#define PIECE_S 60.0
#define MAX_TRACE_FILES 20000
#define MAX_FOLDER_DEPTH 8
/* What the networks must add (points of R): over the guard alone, at worst on one kind, by the optimizer. */
#define MUST_GAIN 2.0
#define MAY_LOSE 0.5
#define DQN_MUST_GAIN 1.0

typedef struct
{
  MloTrace *trace;
  MloEnvConfig config;
  guint kind;                   /* index into the table's kinds */
  guint group;                  /* index of the evaluation seed */
  guint64 seed;
  double seconds;
} Link;

typedef struct
{
  char *folder;
  MloBitratePredictor *predictor;
  MloQualityOptimizer *optimizer;
} Models;

typedef struct
{
  GArray *links;                /* of Link */
  GPtrArray *kinds;             /* names */
  GArray *contenders;           /* of MloContender */
  GArray *models;               /* of Models; at least one, perhaps empty */
  guint n_groups;               /* evaluation seeds */
  MloRunOutcome *outcomes;      /* (models, contenders, links) */
  gboolean predictions;
  guint from;                   /* first task of the running chunk */
} Contest;

static void
link_clear (gpointer data)
{
  mlo_trace_free (((Link *) data)->trace);
}

static void
models_clear (gpointer data)
{
  Models *m = data;

  g_free (m->folder);
  mlo_bitrate_predictor_free (m->predictor);
  mlo_quality_optimizer_free (m->optimizer);
}

static gboolean
uses_models (const MloContender * c)
{
  return mlo_contender_needs_predictor (c) || mlo_contender_needs_optimizer (c);
}

static MloRunOutcome *
outcome_at (const Contest * c, guint model, guint contender, guint link)
{
  /* what uses no model ran once */
  if (!uses_models (&g_array_index (c->contenders, MloContender, contender)))
    model = 0;
  return &c->outcomes[(model * c->contenders->len + contender) * c->links->len + link];
}

static void
run_task (gpointer user_data, guint index)
{
  Contest *c = user_data;
  guint task = c->from + index;
  guint link = task % c->links->len, contender = task / c->links->len % c->contenders->len;
  guint model = task / c->links->len / c->contenders->len;
  const MloContender *who = &g_array_index (c->contenders, MloContender, contender);
  const Link *l = &g_array_index (c->links, Link, link);
  const Models *m = &g_array_index (c->models, Models, model);

  if (model > 0 && !uses_models (who))
    return;
  mlo_run (&(MloRun) {
      .contender = who,.predictor = m->predictor,.optimizer = m->optimizer,.trace = l->trace,.config =
        &l->config,.seed = l->seed,.seconds = l->seconds,.label_horizon_s = c->predictions ? 1.0 : 0.0}
      , &c->outcomes[task]);
}

static gboolean
add_generated (Contest * c, const char *seeds, guint per_kind, double seconds, GError ** error)
{
  g_auto (GStrv) parts = g_strsplit (seeds, ",", -1);

  for (guint k = 0; k < MLO_N_TRACE_KINDS; k++)
    g_ptr_array_add (c->kinds, g_strdup (mlo_trace_kind_name (k)));
  for (guint g = 0; parts[g]; g++) {
    guint64 seed;

    if (!g_ascii_string_to_unsigned (g_strstrip (parts[g]), 10, 0, G_MAXUINT64, &seed, NULL)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "--seeds: \"%s\" is not a number", parts[g]);
      return FALSE;
    }
    c->n_groups++;
    for (guint k = 0; k < MLO_N_TRACE_KINDS; k++) {
      for (guint i = 0; i < per_kind; i++) {
        Link l = {.kind = k,.group = g,.seconds = seconds };

        l.seed = mlo_seed_mix (seed, SEED_EVALUATE + k, i);
        l.trace = mlo_rollout_draw_link ((MloTraceKind) k, l.seed, seconds, &l.config);
        g_array_append_val (c->links, l);
      }
    }
  }
  return TRUE;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Paths of all trace files under @folder. */
static gboolean
find_traces (const char *folder, guint depth, GPtrArray * out, GError ** error)
{
  g_autoptr (GDir) dir = NULL;
  const char *name;

  if (g_file_test (folder, G_FILE_TEST_IS_REGULAR)) {
    g_ptr_array_add (out, g_strdup (folder));
    return TRUE;
  }
  dir = g_dir_open (folder, 0, error);
  if (!dir) {
    g_prefix_error (error, "%s: ", folder);
    return FALSE;
  }
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
      if (depth < MAX_FOLDER_DEPTH && !find_traces (path, depth + 1, out, error))
        return FALSE;
    } else if (g_str_has_suffix (name, ".csv") || g_str_has_suffix (name, ".trace") || g_str_has_suffix (name, ".mahi")) {
      if (out->len >= MAX_TRACE_FILES) {
        g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: more than %u files", folder, MAX_TRACE_FILES);
        return FALSE;
      }
      g_ptr_array_add (out, g_steal_pointer (&path));
    }
  }
  return TRUE;
}

/* Recordings: the first minute of each file, 40 ms round trip, a queue of 300 ms. */
static gboolean
add_traces (Contest * c, const char *folder, guint per_kind, GError ** error)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GArray) counts = g_array_new (FALSE, TRUE, sizeof (guint));

  if (!find_traces (folder, 0, paths, error))
    return FALSE;
  if (paths->len == 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: no .csv, .trace or .mahi file in it", folder);
    return FALSE;
  }
  g_ptr_array_sort (paths, compare_names);
  c->n_groups = 1;
  for (guint i = 0; i < paths->len; i++) {
    g_autoptr (MloTrace) trace = mlo_trace_load (paths->pdata[i], error);
    const char *kind;
    Link l = {.config = mlo_env_config_default,.seed = mlo_seed_mix (1, SEED_EVALUATE, i) };

    if (!trace)
      return FALSE;
    kind = trace->kind && *trace->kind ? trace->kind : "trace";
    for (l.kind = 0; l.kind < c->kinds->len; l.kind++) {
      if (strcmp (c->kinds->pdata[l.kind], kind) == 0)
        break;
    }
    if (l.kind == c->kinds->len) {
      g_ptr_array_add (c->kinds, g_strdup (kind));
      g_array_set_size (counts, c->kinds->len);
    }
    if (per_kind > 0 && g_array_index (counts, guint, l.kind)++ >= per_kind)
      continue;
    l.seconds = MIN (PIECE_S, (double) trace->duration_us * 1e-6);
    l.trace = g_steal_pointer (&trace);
    g_array_append_val (c->links, l);
  }
  return TRUE;
}

/* Mean of a field over the links of a kind (or all: -1), for one model and seed group (or all: -1). */
static double
mean_of (const Contest * c, const MloResultField * f, guint contender, int model, int group, int kind)
{
  double sum = 0.0;
  guint n = 0;

  for (guint m = 0; m < c->models->len; m++) {
    for (guint i = 0; i < c->links->len; i++) {
      const Link *l = &g_array_index (c->links, Link, i);
      double v;

      if ((model >= 0 && (guint) model != m) || (group >= 0 && (guint) group != l->group)
          || (kind >= 0 && (guint) kind != l->kind))
        continue;
      v = f->get (outcome_at (c, m, contender, i));
      if (isfinite (v)) {
        sum += v;
        n++;
      }
    }
  }
  return n > 0 ? sum / n : NAN;
}

/* Standard deviation of the means over models and seeds. */
static double
spread_of (const Contest * c, const MloResultField * f, guint contender, int kind)
{
  double sum = 0.0, square = 0.0;
  guint n = 0;

  for (guint m = 0; m < c->models->len; m++) {
    for (guint g = 0; g < c->n_groups; g++) {
      double v = mean_of (c, f, contender, (int) m, (int) g, kind);

      if (!isfinite (v))
        continue;
      sum += v;
      square += v * v;
      n++;
    }
  }
  return n > 1 ? sqrt (MAX (0.0, (square - sum * sum / n) / (n - 1))) : NAN;
}

static const MloResultField *
field (const char *name)
{
  const MloResultField *f = mlo_result_fields;

  while (strcmp (f->name, name) != 0)
    f++;
  return f;
}

static void
print_row (const Contest * c, guint contender, int kind)
{
  const MloContender *who = &g_array_index (c->contenders, MloContender, contender);
  double minutes = mean_of (c, field ("seconds"), contender, -1, -1, kind) / 60.0;
  double spread = spread_of (c, field ("score"), contender, kind);

#define MEAN(name) mean_of (c, field (name), contender, -1, -1, kind)
  printf ("%-10s %-15s %6.2f", kind >= 0 ? (const char *) c->kinds->pdata[kind] : "all", who->name, MEAN ("score"));
  if (isfinite (spread))
    printf (" ±%-5.2f", spread);
  else
    printf ("       ");
  printf (" %6.2f %5.1f %6.0f %6.0f %6.0f %6.0f %6.2f %6.2f %6.2f %5.1f %5.1f\n", MEAN ("bitrate_kbps") / 1000.0,
      100.0 * MEAN ("utilisation"), MEAN ("delay_p50_ms"), MEAN ("delay_p95_ms"), MEAN ("delay_p99_ms"),
      MEAN ("delay_p95_clear_ms"), 100.0 * MEAN ("loss"), MEAN ("freezes") / minutes, MEAN ("freeze_s") / minutes,
      MEAN ("size_changes") / minutes, MEAN ("fps_changes") / minutes);
#undef MEAN
}

static int
find_contender (const Contest * c, MloContenderKind kind)
{
  for (guint i = 0; i < c->contenders->len; i++) {
    if (g_array_index (c->contenders, MloContender, i).kind == kind)
      return (int) i;
  }
  return -1;
}

static void
sum_actions (const Contest * c, guint contender, guint64 taken[MLO_N_ACTIONS], guint64 possible[MLO_N_ACTIONS],
    guint64 * ticks)
{
  *ticks = 0;
  memset (taken, 0, sizeof (guint64) * MLO_N_ACTIONS);
  memset (possible, 0, sizeof (guint64) * MLO_N_ACTIONS);
  for (guint m = 0; m < c->models->len; m++) {
    for (guint i = 0; i < c->links->len; i++) {
      const MloRunOutcome *o = outcome_at (c, m, contender, i);

      for (guint a = 0; a < MLO_N_ACTIONS; a++) {
        taken[a] += o->taken[a];
        possible[a] += o->possible[a];
      }
      *ticks += o->ticks;
    }
  }
}

/* The least over models, whose means over links @a and @b reach; and the worst kind over all models. */
static void
compare (const Contest * c, int a, int b, double *mean, double *least, double *worst_kind, const char **which)
{
  const MloResultField *score = field ("score");

  *mean = 0.0;
  *least = *worst_kind = INFINITY;
  *which = "";
  for (guint m = 0; m < c->models->len; m++) {
    double d = mean_of (c, score, (guint) a, (int) m, -1, -1) - mean_of (c, score, (guint) b, (int) m, -1, -1);

    *mean += d / c->models->len;
    *least = MIN (*least, d);
  }
  for (guint k = 0; k < c->kinds->len; k++) {
    double d = mean_of (c, score, (guint) a, -1, -1, (int) k) - mean_of (c, score, (guint) b, -1, -1, (int) k);

    if (d < *worst_kind) {
      *worst_kind = d;
      *which = c->kinds->pdata[k];
    }
  }
}

/* Whether the networks earn their place. */
static gboolean
print_verdict (const Contest * c)
{
  int ours = find_contender (c, MLO_CONTENDER_OURS), guard = find_contender (c, MLO_CONTENDER_GUARD);
  int rules = find_contender (c, MLO_CONTENDER_RULES);
  int no_dqn = find_contender (c, MLO_CONTENDER_NO_DQN), omniscient = find_contender (c, MLO_CONTENDER_OMNISCIENT);
  double mean, least, worst;
  const char *which;
  gboolean good = TRUE;

  if (ours < 0)
    return TRUE;
  putchar ('\n');
  if (guard >= 0) {
    gboolean ok;

    compare (c, ours, guard, &mean, &least, &worst, &which);
    ok = mean >= MUST_GAIN && worst >= -MAY_LOSE;
    printf ("networks and guard over the guard alone: %+.2f (least of the models %+.2f; worst kind %s %+.2f); "
        "wanted %+.1f and no kind below %+.1f: %s\n", mean, least, which, worst, MUST_GAIN, -MAY_LOSE,
        ok ? "yes" : "NO");
    good = good && ok;
  }
  if (rules >= 0) {
    compare (c, ours, rules, &mean, &least, &worst, &which);
    printf ("over the rules that run without models, size and frame rate included: %+.2f (least of the models %+.2f; "
        "worst kind %s %+.2f); wanted no kind below %+.1f: %s\n", mean, least, which, worst, -MAY_LOSE,
        worst >= -MAY_LOSE ? "yes" : "NO");
    good = good && worst >= -MAY_LOSE;
  }
  if (no_dqn >= 0) {
    compare (c, ours, no_dqn, &mean, &least, &worst, &which);
    printf
        ("with the optimizer over without: %+.2f (least of the models %+.2f; worst kind %s %+.2f); wanted %+.1f: %s\n",
        mean, least, which, worst, DQN_MUST_GAIN, mean >= DQN_MUST_GAIN ? "yes" : "NO");
    good = good && mean >= DQN_MUST_GAIN;
  }
  if (omniscient >= 0)
    printf ("share of the cautious omniscient controller's score: %.1f %%\n",
        100.0 * mean_of (c, field ("score"), (guint) ours, -1, -1, -1) / mean_of (c, field ("score"),
            (guint) omniscient, -1, -1, -1));
  {
    guint64 taken[MLO_N_ACTIONS], possible[MLO_N_ACTIONS], ticks;
    gboolean all = TRUE;

    sum_actions (c, (guint) ours, taken, possible, &ticks);
    fputs ("actions taken (of the ticks at which they were possible):", stdout);
    for (guint a = 0; a < MLO_N_ACTIONS; a++) {
      if (possible[a] == 0)
        continue;
      printf (" %s %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, mlo_action_name ((MloAction) a), taken[a], possible[a]);
      all = all && taken[a] > 0;
    }
    printf ("; each somewhere: %s\n", all ? "yes" : "NO");
    good = good && all;
  }
  return good;
}

static void
print_json (const Contest * c)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "models");
  json_builder_begin_array (b);
  for (guint m = 0; m < c->models->len; m++)
    json_builder_add_string_value (b, g_array_index (c->models, Models, m).folder
        ? g_array_index (c->models, Models, m).folder : "");
  json_builder_end_array (b);
  json_builder_set_member_name (b, "rows");
  json_builder_begin_array (b);
  for (int k = -1; k < (int) c->kinds->len; k++) {
    for (guint i = 0; i < c->contenders->len; i++) {
      json_builder_begin_object (b);
      json_builder_set_member_name (b, "kind");
      json_builder_add_string_value (b, k >= 0 ? c->kinds->pdata[k] : "all");
      json_builder_set_member_name (b, "controller");
      json_builder_add_string_value (b, g_array_index (c->contenders, MloContender, i).name);
      for (const MloResultField * f = mlo_result_fields; f->name; f++)
        mlo_json_add_number (b, f->name, mean_of (c, f, i, -1, -1, k));
      mlo_json_add_number (b, "score_spread", spread_of (c, field ("score"), i, k));
      if (k < 0) {
        guint64 taken[MLO_N_ACTIONS], possible[MLO_N_ACTIONS], ticks;

        sum_actions (c, i, taken, possible, &ticks);
        json_builder_set_member_name (b, "actions");
        json_builder_begin_object (b);
        for (guint a = 0; a < MLO_N_ACTIONS; a++) {
          json_builder_set_member_name (b, mlo_action_name ((MloAction) a));
          json_builder_add_int_value (b, (gint64) taken[a]);
        }
        json_builder_end_object (b);
      }
      json_builder_end_object (b);
    }
  }
  json_builder_end_array (b);
  json_builder_set_member_name (b, "runs");
  json_builder_begin_array (b);
  for (guint m = 0; m < c->models->len; m++) {
    for (guint i = 0; i < c->contenders->len; i++) {
      const MloContender *who = &g_array_index (c->contenders, MloContender, i);

      for (guint l = 0; l < c->links->len && (m == 0 || uses_models (who)); l++) {
        const Link *link = &g_array_index (c->links, Link, l);

        json_builder_begin_object (b);
        json_builder_set_member_name (b, "model");
        json_builder_add_int_value (b, m);
        json_builder_set_member_name (b, "controller");
        json_builder_add_string_value (b, who->name);
        json_builder_set_member_name (b, "kind");
        json_builder_add_string_value (b, c->kinds->pdata[link->kind]);
        json_builder_set_member_name (b, "link");
        json_builder_add_string_value (b, link->trace->name ? link->trace->name : "");
        json_builder_set_member_name (b, "result");
        mlo_result_to_json (outcome_at (c, m, i, l), b);
        json_builder_end_object (b);
      }
    }
  }
  json_builder_end_array (b);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  json_generator_set_root (generator, root);
  text = json_generator_to_data (generator, NULL);
  puts (text);
}

static void
print_table (const Contest * c)
{
  printf ("%-10s %-15s %6s        %6s %5s %6s %6s %6s %6s %6s %6s %6s %5s %5s\n", "kind", "controller", "score",
      "Mbit/s", "util%", "p50", "p95", "p99", "p95cl", "loss%", "frz/m", "frz s", "size", "fps");
  for (int k = 0; k <= (int) c->kinds->len; k++) {
    for (guint i = 0; i < c->contenders->len; i++)
      print_row (c, i, k < (int) c->kinds->len ? k : -1);
    putchar ('\n');
  }
  puts ("score R 0..100, ± deviation over models and seeds; frame delay ms (cl: outside outages); freezes, frozen seconds\n" "and changes of size and frame rate a minute");
}

/* Loads what is asked for, chooses the contenders where none were named, and sees that they have what they need. */
static gboolean
load_models (Contest * c, char **folders, char **files, GError ** error)
{
  const char *const standard[] = { "models", NULL };
  gboolean predictor = FALSE, optimizer = FALSE;
  const Models *first;

  for (guint i = 0; c->contenders && i < c->contenders->len; i++) {
    predictor |= mlo_contender_needs_predictor (&g_array_index (c->contenders, MloContender, i));
    optimizer |= mlo_contender_needs_optimizer (&g_array_index (c->contenders, MloContender, i));
  }
  if (!folders && !files && (predictor || optimizer || !c->contenders))
    folders = (char **) standard;
  for (guint i = 0; folders && folders[i]; i++) {
    Models m = {.folder = g_strdup (folders[i]) };

    if (!mlo_tool_load_models (folders[i], &m.predictor, &m.optimizer, error)) {
      models_clear (&m);
      return FALSE;
    }
    g_array_append_val (c->models, m);
  }
  if (c->models->len == 0) {
    Models none = {.folder = g_strdup (files ? files[0] : "") };

    g_array_append_val (c->models, none);
  }
  for (guint i = 0; files && files[i]; i++) {
    Models *m = &g_array_index (c->models, Models, 0);

    if (!mlo_tool_load_model (files[i], &m->predictor, &m->optimizer, error))
      return FALSE;
  }
  first = &g_array_index (c->models, Models, 0);
  if (!c->contenders) {
    c->contenders = mlo_contenders_parse (!first->optimizer ? "rule-ladder,no-dqn,guard,rules,gcc,omniscient"
        : !first->predictor ? "no-predictor,guard,gcc,omniscient"
        : "ours,no-dqn,no-predictor,guard,rules,fixed:3000,gcc,omniscient", NULL);
    return TRUE;
  }
  for (guint i = 0; i < c->models->len; i++) {
    const Models *m = &g_array_index (c->models, Models, i);

    if ((predictor && !m->predictor) || (optimizer && !m->optimizer)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: no %s, which the controllers need", m->folder,
          predictor && !m->predictor ? "bitrate predictor" : "quality optimizer");
      return FALSE;
    }
  }
  return TRUE;
}

static void
contest_clear (Contest * c)
{
  g_clear_pointer (&c->links, g_array_unref);
  g_clear_pointer (&c->kinds, g_ptr_array_unref);
  g_clear_pointer (&c->contenders, g_array_unref);
  g_clear_pointer (&c->models, g_array_unref);
  g_clear_pointer (&c->outcomes, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Contest, contest_clear)
     static int run (int argc, char **argv)
{
  g_auto (GStrv) folders = NULL, files = NULL;
  g_autofree char *traces = NULL, *seeds = NULL, *names = NULL;
  double seconds = 60.0;
  int jobs = 0, per_kind = -1;
  gboolean json = FALSE, check = FALSE;
  const GOptionEntry entries[] = {
    {"models", 'm', 0, G_OPTION_ARG_FILENAME_ARRAY, &folders,
        "Folder of the model files (models); again for more trainings, whose spread is shown", "DIR"},
    {"model", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &files, "One model file instead; what it lacks is left out", "FILE"},
    {"traces", 't', 0, G_OPTION_ARG_STRING, &traces,
        "Recordings under this folder, or \"generated\" (that)", "DIR"},
    {"seeds", 's', 0, G_OPTION_ARG_STRING, &seeds, "Of the generated links (1,2,3)", "A,B,C"},
    {"links", 'n', 0, G_OPTION_ARG_INT, &per_kind, "Links a kind and seed (16); of recordings at most (all)", "N"},
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "Length of a generated link (60)", "SECONDS"},
    {"controllers", 'c', 0, G_OPTION_ARG_STRING, &names, MLO_CONTENDER_NAMES
          " (ours,no-dqn,no-predictor,guard,rules,fixed:3000,gcc,omniscient)", "NAMES"},
    {"jobs", 'j', 0, G_OPTION_ARG_INT, &jobs, "Threads (as many as processors)", "N"},
    {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Everything as JSON, each run too", NULL},
    {"check", 0, 0, G_OPTION_ARG_NONE, &check, "Fail where the networks do not earn their place", NULL},
    {NULL}
  };
  g_auto (Contest) c = {
    .links = g_array_new (FALSE, FALSE, sizeof (Link)),
    .kinds = g_ptr_array_new_with_free_func (g_free),
    .models = g_array_new (FALSE, FALSE, sizeof (Models)),
    .predictions = TRUE,
  };
  g_autoptr (MloWorkers) workers = NULL;
  g_autoptr (GError) error = NULL;
  guint n_tasks;
  gboolean good, generated;

  g_array_set_clear_func (c.links, link_clear);
  g_array_set_clear_func (c.models, models_clear);
  if (!mlo_tool_parse (NULL,
          "Generated links are drawn from seeds that training never uses. Recordings: the first minute of\n"
          "each file, 40 ms round trip, a queue of 300 ms at the mean rate, at most 12 Mbit/s.", entries, 0, 0, &argc,
          &argv))
    return MLO_EXIT_USAGE;
  if (per_kind < -1 || per_kind == 0 || per_kind > 10000 || jobs < 0 || jobs > 256)
    return mlo_tool_fail (MLO_EXIT_USAGE, "a number is out of range (see --help)");
  if (!(seconds >= 5.0 && seconds <= 86400.0))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--seconds is not in 5 .. 86400");
  if (names && !(c.contenders = mlo_contenders_parse (names, &error)))
    return mlo_tool_fail (MLO_EXIT_USAGE, "%s", error->message);
  if (!load_models (&c, folders, files, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  generated = !traces || strcmp (traces, "generated") == 0;
  if (generated ? !add_generated (&c, seeds ? seeds : "1,2,3", per_kind > 0 ? (guint) per_kind : 16, seconds, &error)
      : !add_traces (&c, traces, per_kind > 0 ? (guint) per_kind : 0, &error))
    return mlo_tool_fail (g_error_matches (error, MLO_ERROR, MLO_ERROR_ARGUMENT) ? MLO_EXIT_USAGE : MLO_EXIT_FAILURE,
        "%s", error->message);

  n_tasks = c.models->len * c.contenders->len * c.links->len;
  c.outcomes = g_new0 (MloRunOutcome, n_tasks);
  workers = mlo_workers_new ((guint) jobs);
  for (c.from = 0; c.from < n_tasks; c.from += 32) {
    if (mlo_tool_is_terminal ())
      fprintf (stderr, "\r\033[K%u of %u", c.from, n_tasks);
    mlo_workers_run (workers, MIN (32, n_tasks - c.from), run_task, &c);
  }
  if (mlo_tool_is_terminal ())
    fputs ("\r\033[K", stderr);
  if (json) {
    print_json (&c);
    return MLO_EXIT_OK;
  }
  print_table (&c);
  good = print_verdict (&c);
  return check && !good ? MLO_EXIT_FAILURE : MLO_EXIT_OK;
}

const MloCommand mlo_command_evaluate = {
  .name = "evaluate",
  .summary = "controllers beside each other on many links",
  .run = run,
};
