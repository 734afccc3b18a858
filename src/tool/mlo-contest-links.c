/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "mlo-contest.h"
#include "mlo-error.h"
#include "mlo-rollout.h"
#include "mlo-trainer.h"

/* Mixed into the seeds, so that no evaluated link was trained on. */
#define SEED_EVALUATE 1000
/* Pieces of recordings: as long as this at most. */
#define PIECE_S 60.0
#define MAX_TRACE_FILES 20000
#define MAX_FOLDER_DEPTH 8
/* How radio links hand packets on: a scheduler's grid, and aggregates. */
#define CELLULAR_GRID_MS 5.0
#define WIFI_GRID_MS 10.0

gboolean
mlo_contest_set_seeds (MloContest * c, const char *seeds, GError ** error)
{
  g_auto (GStrv) parts = g_strsplit (seeds, ",", -1);

  for (guint i = 0; parts[i]; i++) {
    const char *part = g_strstrip (parts[i]);

    if (!g_ascii_string_to_unsigned (part, 10, 0, G_MAXUINT64, NULL, NULL)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "--seeds: \"%s\" is not a number", part);
      return FALSE;
    }
    if (g_ptr_array_find_with_equal_func (c->groups, part, g_str_equal, NULL)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_DUPLICATE, "--seeds: \"%s\" twice", part);
      return FALSE;
    }
    g_ptr_array_add (c->groups, g_strdup (part));
  }
  if (c->groups->len == 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "--seeds: none");
    return FALSE;
  }
  return TRUE;
}

static guint64
seed_of (const MloContest * c, guint group)
{
  return g_ascii_strtoull (c->groups->pdata[group], NULL, 10);
}

static void
apply_options (MloContestLink * l, const char *kind, const MloContestOptions * o)
{
  if (o->max_bitrate_kbps > 0.0) {
    l->config.limits.max_bitrate_kbps = o->max_bitrate_kbps;
    l->config.limits.start_bitrate_kbps = MIN (l->config.limits.start_bitrate_kbps, o->max_bitrate_kbps);
  }
  if (o->grid_ms >= 0.0)
    l->config.grid_ms = o->grid_ms;
  else if (o->grid_ms == MLO_GRID_AUTO)
    l->config.grid_ms = strcmp (kind, "lte") == 0 || strcmp (kind, "5g") == 0 ? CELLULAR_GRID_MS
        : strcmp (kind, "wifi") == 0 ? WIFI_GRID_MS : 0.0;
}

void
mlo_contest_add_generated (MloContest * c, guint per_kind, double seconds, const MloContestOptions * options)
{
  for (guint k = 0; k < MLO_N_TRACE_KINDS; k++)
    g_ptr_array_add (c->kinds, g_strdup (mlo_trace_kind_name (k)));
  for (guint g = 0; g < c->groups->len; g++) {
    for (guint k = 0; k < MLO_N_TRACE_KINDS; k++) {
      for (guint i = 0; i < per_kind; i++) {
        MloContestLink l = {.kind = k,.group = g,.seconds = seconds };
        MloTrace *trace;

        l.seed = mlo_seed_mix (seed_of (c, g), SEED_EVALUATE + k, i);
        trace = mlo_rollout_draw_link ((MloTraceKind) k, l.seed, seconds, &l.config);
        g_ptr_array_add (c->traces, trace);
        l.trace = trace;
        apply_options (&l, c->kinds->pdata[k], options);
        g_array_append_val (c->links, l);
      }
    }
  }
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
        g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: more than %d files", folder, MAX_TRACE_FILES);
        return FALSE;
      }
      g_ptr_array_add (out, g_steal_pointer (&path));
    }
  }
  return TRUE;
}

/* Of a stream that never filled its link: RTT and loss were measured and move, the capacity is one number. */
static gboolean
is_impairment_only (const MloTrace * t)
{
  gboolean moves = FALSE;

  for (guint i = 0; i < t->n_rows; i++) {
    const MloTraceRow *row = &t->rows[i];

    if (row->capacity_kbps != t->rows[0].capacity_kbps || row->rtt_ms < 0.0f || row->loss < 0.0f)
      return FALSE;
    moves |= row->rtt_ms != t->rows[0].rtt_ms || row->loss != t->rows[0].loss;
  }
  return moves;
}

static MloTrace *
with_capacity (const MloTrace * t, double kbps)
{
  MloTraceRow *rows = g_memdup2 (t->rows, t->n_rows * sizeof *rows);

  for (guint i = 0; i < t->n_rows; i++)
    rows[i].capacity_kbps = kbps;
  return mlo_trace_new (t->name, t->kind, rows, t->n_rows, t->duration_us);
}

static guint
kind_index (MloContest * c, const char *kind)
{
  guint i;

  if (!g_ptr_array_find_with_equal_func (c->kinds, kind, g_str_equal, &i)) {
    i = c->kinds->len;
    g_ptr_array_add (c->kinds, g_strdup (kind));
  }
  return i;
}

/* @trace: (transfer full); @index counts the recordings and goes into the seed. */
static void
add_recording (MloContest * c, MloTrace * trace, guint kind, guint index, const MloContestOptions * options)
{
  g_ptr_array_add (c->traces, trace);
  for (guint g = 0; g < c->groups->len; g++) {
    MloContestLink l = {.kind = kind,.group = g,.config = mlo_env_config_default };

    l.seed = mlo_seed_mix (seed_of (c, g), SEED_EVALUATE, index);
    l.trace = trace;
    l.seconds = MIN (PIECE_S, (double) trace->duration_us * 1e-6);
    l.config.use_trace_rtt = mlo_contest_kind_is_apart (c, kind);
    apply_options (&l, trace->kind ? trace->kind : "", options);
    g_array_append_val (c->links, l);
  }
}

gboolean
mlo_contest_add_recordings (MloContest * c, const char *folder, guint per_kind, const MloContestOptions * options,
    GError ** error)
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
  for (guint i = 0; i < paths->len; i++) {
    g_autoptr (MloTrace) trace = mlo_trace_load (paths->pdata[i], error);
    gboolean impaired;
    guint kind;

    if (!trace)
      return FALSE;
    impaired = is_impairment_only (trace);
    kind = kind_index (c, impaired ? MLO_KIND_IMPAIRED : trace->kind && *trace->kind ? trace->kind : "trace");
    if (counts->len <= kind)
      g_array_set_size (counts, kind + 1);
    if (per_kind > 0 && g_array_index (counts, guint, kind)++ >= per_kind)
      continue;
    add_recording (c, impaired ? with_capacity (trace, MLO_IMPAIRED_KBPS) : g_steal_pointer (&trace), kind, i, options);
  }
  return TRUE;
}
