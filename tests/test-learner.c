/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The learner on its thread: within its share, never in the way, and nothing lost between two runs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "folder-helpers.h"
#include "mlo-error.h"
#include "mlo-keep.h"
#include "mlo-learner.h"

#define PREDICTOR TEST_SOURCE "/models/" MLO_PREDICTOR_FILE
#define OPTIMIZER TEST_SOURCE "/models/" MLO_OPTIMIZER_FILE
/* A sanitizer's own memory and time are not the learner's. */
#if defined (__SANITIZE_ADDRESS__) || defined (__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif
/* For what a busy machine may take: the thread has the lowest priority there is. */
#define PATIENCE_US ((SANITIZED ? 600 : 200) * G_USEC_PER_SEC)

typedef struct
{
  MloBitratePredictor *predictor;
  MloQualityOptimizer *optimizer;
  char *folder;
  MloLearnerConfig config;
  MloRandom random;
  guint tick;
} Fixture;

static void
set_up (Fixture * f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->predictor = mlo_bitrate_predictor_load (PREDICTOR, &error);
  g_assert_no_error (error);
  f->optimizer = mlo_quality_optimizer_load (OPTIMIZER, &error);
  g_assert_no_error (error);
  f->folder = g_dir_make_tmp ("mlo-learner-XXXXXX", &error);
  g_assert_no_error (error);
  f->config = mlo_learner_config_default;
  f->config.predictor = f->predictor;
  f->config.optimizer = f->optimizer;
  f->config.folder = f->folder;
  f->config.cpu_percent = 50.0;
  f->config.seed = 1;
  mlo_random_seed (&f->random, 3);
}

static void
tear_down (Fixture * f, gconstpointer data)
{
  remove_tree (f->folder);
  g_free (f->folder);
  mlo_bitrate_predictor_free (f->predictor);
  mlo_quality_optimizer_free (f->optimizer);
}

static MloLearner *
begin (Fixture * f, GPtrArray ** notes)
{
  g_autoptr (GPtrArray) told = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  MloLearner *l = mlo_learner_new (&f->config, told, &error);

  g_assert_no_error (error);
  g_assert_nonnull (l);
  if (notes)
    *notes = g_steal_pointer (&told);
  else
    g_assert_cmpuint (told->len, ==, 0);
  return l;
}

/* A link that looks full for two seconds and then gives little for two. */
static void
feed (Fixture * f, MloLearner * l, guint ticks)
{
  for (guint i = 0; i < ticks; i++, f->tick++) {
    double share = f->tick / 20 % 2 == 0 ? 1.0 : 0.15;
    MloDecision d = {.action = MLO_ACTION_NONE };
    MloSample s = {.timestamp_us = (gint64) f->tick * 100000 };
    MloOnlineTick t;

    mlo_sample_set (&s, MLO_FIELD_LATENCY, 45.0);
    mlo_sample_set (&s, MLO_FIELD_QUEUE_DELAY, 5.0);
    mlo_sample_set (&s, MLO_FIELD_JITTER, 2.0);
    mlo_sample_set (&s, MLO_FIELD_PACKET_LOSS, 0.0);
    mlo_sample_set (&s, MLO_FIELD_BANDWIDTH, 6000.0 * share * mlo_random_range (&f->random, 0.9, 1.1));
    mlo_sample_set (&s, MLO_FIELD_COMPLEXITY, 0.72);
    mlo_sample_set (&s, MLO_FIELD_BITRATE, 2500.0);
    mlo_sample_set (&s, MLO_FIELD_FPS, 60.0);
    mlo_online_tick_init (&t, &d, &s, MLO_CAPACITY_MEASURED);
    mlo_learner_feed (l, &t);
  }
}

typedef gboolean (*Condition) (const MloLearnerReport * r, gpointer data);

/* Until @done says so; what was told then. */
static MloLearnerReport
wait_for (MloLearner * l, Condition done, gpointer data)
{
  gint64 end = g_get_monotonic_time () + PATIENCE_US;
  MloLearnerReport r = { 0 };

  while (!mlo_learner_poll (l, &r) || !done (&r, data)) {
    g_assert_cmpint (g_get_monotonic_time (), <, end);
    g_usleep (2000);
  }
  return r;
}

static gboolean
has_ticks (const MloLearnerReport * r, gpointer data)
{
  return r->online.ticks >= *(guint64 *) data;
}

static gboolean
has_updates (const MloLearnerReport * r, gpointer data)
{
  return r->online.predictor.updates >= *(guint64 *) data;
}

/* Feeds @ticks as fast as they are taken. */
static void
feed_all (Fixture * f, MloLearner * l, guint64 ticks)
{
  for (guint64 n = 400; n <= ticks; n += 400) {
    guint64 all = f->tick + 400;

    feed (f, l, 400);
    wait_for (l, has_ticks, &all);
  }
}

/* --- learning --- */

static void
test_learns (Fixture * f, gconstpointer data)
{
  g_autoptr (MloLearner) l = NULL;
  guint64 some = 20;
  MloLearnerReport r;

  f->config.cpu_percent = 100.0;
  l = begin (f, NULL);
  g_assert_null (mlo_learner_take (l));
  feed_all (f, l, 800);
  r = wait_for (l, has_updates, &some);
  g_assert_cmpuint (r.online.refused, ==, 0);
  g_assert_cmpuint (r.lost, ==, 0);
  g_assert_cmpuint (r.steps, >=, r.online.predictor.updates);
  g_assert_true (isfinite (r.online.predictor.loss));
}

/* What a second of the thread may cost, by its own clock. A machine that is busy gives it less, so one stretch that
 * is within the bounds will do; none may be above. */
static void
test_budget (Fixture * f, gconstpointer data)
{
  static const double shares[] = { 3.0, 12.0 };

  for (guint i = 0; i < G_N_ELEMENTS (shares); i++) {
    g_autoptr (MloLearner) l = NULL;
    gint64 end = g_get_monotonic_time () + PATIENCE_US;
    guint64 all;
    double percent;
    MloLearnerReport from, to;

    f->config.cpu_percent = shares[i];
    f->tick = 0;
    l = begin (f, NULL);
    feed (f, l, 500);
    all = 500;
    from = wait_for (l, has_ticks, &all);
    do {
      if (g_get_monotonic_time () > end) {
        g_test_skip ("the machine is so busy that a thread of the lowest priority does not get its share");
        return;
      }
      while (!mlo_learner_poll (l, &to) || to.wall_us - from.wall_us < 3 * G_USEC_PER_SEC)
        g_usleep (5000);
      percent = 100.0 * (double) (to.cpu_us - from.cpu_us) / (double) (to.wall_us - from.wall_us);
      g_test_message ("%g %% allowed, %.2f %% used, %" G_GUINT64_FORMAT " steps", shares[i], percent,
          to.steps - from.steps);
      g_assert_true (SANITIZED || percent < 1.2 * shares[i]);
      from = to;
    } while (!SANITIZED && percent < 0.8 * shares[i]);
    g_assert_cmpuint (to.steps, >, 0);
  }
}

/* The deciding thread is through with its calls at once, whatever the learner does. */
static void
test_never_waits (Fixture * f, gconstpointer data)
{
  g_autoptr (MloLearner) l = NULL;
  guint64 all;
  gint64 began;
  double each_us;
  MloLearnerReport r;

  f->config.cpu_percent = 1.0;
  l = begin (f, NULL);
  began = g_get_monotonic_time ();
  for (guint i = 0; i < 2000; i++) {
    feed (f, l, 1);
    mlo_networks_free (mlo_learner_take (l));
    mlo_learner_poll (l, &r);
  }
  each_us = (double) (g_get_monotonic_time () - began) / 2000.0;
  g_test_message ("%.2f us a tick", each_us);
  g_assert_cmpfloat (each_us, <, 200.0);
  /* Nobody takes 2000 in that time: the rest was left out, and counted. */
  all = 500;
  r = wait_for (l, has_ticks, &all);
  g_assert_cmpuint (r.lost, >, 0);
  g_assert_cmpuint (r.lost + r.online.ticks, <=, 2000);
}

/* Field of /proc/self/status, KiB. */
static double
memory_mib (const char *field)
{
  g_autofree char *text = NULL;
  const char *at;

  g_assert_true (g_file_get_contents ("/proc/self/status", &text, NULL, NULL));
  at = strstr (text, field);
  g_assert_nonnull (at);
  return g_ascii_strtod (at + strlen (field), NULL) / 1024.0;
}

/* What it takes at its most, with a full ring of ticks, steps and savings. */
static void
test_memory (Fixture * f, gconstpointer data)
{
  g_autoptr (MloLearner) l = NULL;
  guint64 some = 30;
  double before, most;
  FILE *reset = fopen ("/proc/self/clear_refs", "w");

  if (!reset || fputs ("5", reset) < 0 || fclose (reset) != 0) {
    g_test_skip ("the peak of the memory cannot be reset");
    return;
  }
  before = memory_mib ("VmRSS:");
  f->config.cpu_percent = 100.0;
  f->config.save_us = 200000;
  l = begin (f, NULL);
  feed_all (f, l, 6800);
  wait_for (l, has_updates, &some);
  mlo_learner_free (g_steal_pointer (&l));
  most = memory_mib ("VmHWM:") - before;
  g_test_message ("%.1f MiB", most);
  g_assert_true (SANITIZED || most <= 16.0);
}

/* --- kept --- */

static void
test_resumes (Fixture * f, gconstpointer data)
{
  guint64 some = 10, updates;
  MloLearner *l;
  MloNetworks *n;
  MloLearnerReport r;

  f->config.cpu_percent = 100.0;
  l = begin (f, NULL);
  g_assert_cmpfloat (mlo_learner_good_kbps (l), ==, 0.0);
  feed_all (f, l, 800);
  r = wait_for (l, has_updates, &some);
  mlo_learner_free (l);

  l = begin (f, NULL);
  n = mlo_learner_take (l);
  g_assert_nonnull (n);
  g_assert_nonnull (n->predictor);
  g_assert_nonnull (n->optimizer);
  mlo_networks_free (n);
  g_assert_true (mlo_learner_poll (l, &r));
  g_assert_cmpuint (r.online.predictor.updates, >=, 10);
  g_assert_cmpuint (r.lineage.streams, ==, 1);
  g_assert_cmpfloat_with_epsilon (r.lineage.minutes, 800 / 600.0, 1e-9);
  updates = r.lineage.steps_predictor;
  g_assert_cmpuint (updates, ==, r.online.predictor.updates);
  /* The rate of the good times, or what was measured where that is less. */
  g_assert_cmpfloat (mlo_learner_good_kbps (l), >, 800.0);
  g_assert_cmpfloat (mlo_learner_good_kbps (l), <, 2500.0);
  f->tick = 0;
  feed (f, l, 400);
  updates += 5;
  r = wait_for (l, has_updates, &updates);
  mlo_learner_free (l);

  l = begin (f, NULL);
  g_assert_true (mlo_learner_poll (l, &r));
  g_assert_cmpuint (r.lineage.streams, ==, 2);
  g_assert_cmpfloat_with_epsilon (r.lineage.minutes, 1200 / 600.0, 1e-9);
  g_assert_cmpuint (r.lineage.steps_predictor, >=, updates);
  mlo_learner_free (l);
}

static void
test_saves_meanwhile (Fixture * f, gconstpointer data)
{
  g_autoptr (MloLearner) l = NULL;
  g_autofree char *path = NULL;
  g_autoptr (MloBitratePredictor) p = NULL;
  guint64 n = 0;

  f->config.save_us = 50000;
  l = begin (f, NULL);
  while (n < 2) {
    MloLearnerReport r;

    feed (f, l, 1);
    n = mlo_learner_poll (l, &r) ? r.saves : n;
    g_usleep (2000);
  }
  path = g_build_filename (mlo_learner_folder (l), MLO_PREDICTOR_FILE, NULL);
  p = mlo_bitrate_predictor_load (path, NULL);
  g_assert_nonnull (p);
}

/* Nothing was fed: nothing is written. */
static void
test_nothing_to_keep (Fixture * f, gconstpointer data)
{
  MloLearner *l = begin (f, NULL);
  g_autofree char *path = g_build_filename (mlo_learner_folder (l), MLO_PREDICTOR_FILE, NULL);

  mlo_learner_free (l);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

static void
test_same_key (Fixture * f, gconstpointer data)
{
  g_autoptr (MloLearner) a = begin (f, NULL), b = NULL, c = NULL;
  g_autoptr (GPtrArray) notes = NULL;
  guint64 some = 3;

  b = begin (f, &notes);
  g_assert_cmpuint (notes->len, ==, 1);
  g_assert_nonnull (strstr (notes->pdata[0], "in use"));
  f->config.key = "another";
  c = begin (f, NULL);
  feed (f, b, 500);
  wait_for (b, has_updates, &some);
  mlo_learner_free (g_steal_pointer (&b));
  feed (f, a, 500);
  wait_for (a, has_updates, &some);
}

static void
test_nowhere_to_keep (Fixture * f, gconstpointer data)
{
  g_autoptr (MloLearner) l = NULL;
  g_autoptr (GPtrArray) notes = NULL;
  guint64 some = 3;
  MloLearnerReport r;

  f->config.folder = "/proc/mloptimizer";
  l = begin (f, &notes);
  g_assert_cmpuint (notes->len, ==, 1);
  g_assert_nonnull (strstr (notes->pdata[0], "not kept"));
  feed (f, l, 500);
  r = wait_for (l, has_updates, &some);
  g_assert_cmpuint (r.saves, ==, 0);
}

/* A state of other numbers is set aside, and learning begins anew. */
static void
test_strange_state (Fixture * f, gconstpointer data)
{
  static const struct
  {
    const char *key, *value, *note;
  } strange[] = {
    {"predictor_step", "-3", "predictor_step"},
    {"ticks", "1e9", "ticks"},
    {"optimizer_updates", "99999999999999999999", "optimizer_updates"},
    {NULL, NULL, "numbers"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (strange); i++) {
    g_autoptr (GPtrArray) notes = NULL;
    g_autoptr (MloTensorFile) file = NULL;
    g_autofree char *key = g_strdup_printf ("strange%u", i), *path = NULL;
    MloLearner *l;
    guint64 all = 400;

    f->config.key = key;
    f->tick = 0;
    l = begin (f, NULL);
    feed (f, l, 400);
    wait_for (l, has_ticks, &all);
    path = g_build_filename (mlo_learner_folder (l), "learner.safetensors", NULL);
    mlo_learner_free (l);
    file = mlo_tensorfile_load (path, NULL);
    g_assert_nonnull (file);
    if (strange[i].key) {
      mlo_tensorfile_set_metadata (file, strange[i].key, strange[i].value);
    } else {
      g_autoptr (MloTensorFile) other = mlo_tensorfile_new ();
      g_auto (GStrv) keys = mlo_tensorfile_metadata_keys (file);
      const MloTensor *t = mlo_tensorfile_get (file, 0);
      gsize less = t->count - 1;

      for (guint k = 0; keys[k]; k++)
        mlo_tensorfile_set_metadata (other, keys[k], mlo_tensorfile_metadata (file, keys[k]));
      mlo_tensorfile_add (other, t->name, 1, &less, t->data);
      mlo_tensorfile_free (g_steal_pointer (&file));
      file = g_steal_pointer (&other);
    }
    g_assert_true (mlo_tensorfile_save (file, path, NULL));
    l = begin (f, &notes);
    g_assert_cmpuint (notes->len, ==, 1);
    g_test_message ("%s", (char *) notes->pdata[0]);
    g_assert_nonnull (strstr (notes->pdata[0], strange[i].note));
    g_assert_nonnull (strstr (notes->pdata[0], "kept as"));
    mlo_learner_free (l);
  }
}

/* The champions outlive a learner's file that is broken. */
static void
test_champions_alone (Fixture * f, gconstpointer data)
{
  g_autoptr (MloKeep) k = mlo_keep_open (f->folder, NULL, NULL);
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (MloBitratePredictor) p = mlo_bitrate_predictor_copy (f->predictor);
  g_autoptr (MloNetworks) n = NULL;
  g_autofree float *got = NULL, *want = NULL;
  g_auto (MloKept) none;
  MloLineage lineage;
  MloLearner *l;
  MloLearnerReport r;
  gsize count;

  mlo_keep_load (k, f->predictor, f->optimizer, &none, notes);
  mlo_bitrate_predictor_parameters (p, &count)[5] += 0.25f;
  mlo_lineage_init (&lineage);
  lineage.streams = 7;
  g_assert_true (mlo_keep_save (k, p, f->optimizer, NULL, &lineage, NULL));
  mlo_keep_free (g_steal_pointer (&k));

  l = begin (f, NULL);
  n = mlo_learner_take (l);
  g_assert_nonnull (n);
  got = g_new (float, count);
  want = g_new (float, count);
  mlo_bitrate_predictor_copy_parameters (p, want);
  mlo_bitrate_predictor_copy_parameters (n->predictor, got);
  g_assert_cmpmem (got, count * sizeof (float), want, count * sizeof (float));
  g_assert_true (mlo_learner_poll (l, &r));
  g_assert_true (r.online.predictor.adapted);
  g_assert_cmpuint (r.lineage.streams, ==, 7);
  mlo_learner_free (l);
}

static void
test_long_key (Fixture * f, gconstpointer data)
{
  g_autofree char *key = g_strnfill (200, 'k');
  g_autoptr (GPtrArray) notes = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;

  f->config.key = key;
  g_assert_null (mlo_learner_new (&f->config, notes, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT);
}

/* Networks from PyTorch are of this form: whoever wants them to learn is told that they do not. */
static void
test_window_form (Fixture * f, gconstpointer data)
{
  MloPredictorConfig config = *mlo_bitrate_predictor_config (f->predictor);
  g_autofree char *path = g_build_filename (f->folder, "default", MLO_PREDICTOR_FILE, NULL);
  g_autoptr (GPtrArray) notes = NULL;
  MloLearner *l;

  config.form = MLO_FORM_WINDOW;
  mlo_bitrate_predictor_free (f->predictor);
  f->predictor = mlo_bitrate_predictor_new (&config, &f->random);
  f->config.predictor = f->predictor;
  l = begin (f, &notes);
  g_assert_cmpuint (notes->len, ==, 1);
  g_assert_nonnull (strstr (notes->pdata[0], "window form"));
  feed (f, l, 200);
  g_assert_null (mlo_learner_take (l));
  mlo_learner_free (l);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
}

#define ADD(name, func) g_test_add ("/learner/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("learns", test_learns);
  ADD ("budget", test_budget);
  ADD ("never-waits", test_never_waits);
  ADD ("memory", test_memory);
  ADD ("resumes", test_resumes);
  ADD ("saves-meanwhile", test_saves_meanwhile);
  ADD ("nothing-to-keep", test_nothing_to_keep);
  ADD ("same-key", test_same_key);
  ADD ("nowhere-to-keep", test_nowhere_to_keep);
  ADD ("strange-state", test_strange_state);
  ADD ("champions-alone", test_champions_alone);
  ADD ("long-key", test_long_key);
  ADD ("window-form", test_window_form);
  return g_test_run ();
}
