/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What was learned is never lost. With -m slow the process that saves is killed 200 times, not 20. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder-helpers.h"
#include "mlo-error.h"
#include "mlo-keep.h"

#define LEARNER_FLOATS 100000

/* The models that the user gave, and a folder of the test's own. */
typedef struct
{
  MloBitratePredictor *predictor;
  MloQualityOptimizer *optimizer;
  char *folder;
} Fixture;

static MloBitratePredictor *
new_predictor (guint hidden, guint64 seed)
{
  MloPredictorConfig config = {.hidden = hidden,.layers = 1,.scaling = mlo_scaling_log_default };
  MloRandom random;

  config.min_kbps = 100.0;
  config.max_kbps = 30000.0;
  config.interval_ms = 100;
  mlo_random_seed (&random, seed);
  return mlo_bitrate_predictor_new (&config, &random);
}

static MloQualityOptimizer *
new_optimizer (guint64 seed)
{
  MloOptimizerConfig config = {.scaling = mlo_scaling_log_default,.margin = 0.005 };
  MloRandom random;

  mlo_random_seed (&random, seed);
  return mlo_quality_optimizer_new (&config, &random);
}

static void
set_up (Fixture * f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->predictor = new_predictor (16, 1);
  f->optimizer = new_optimizer (1);
  f->folder = g_dir_make_tmp ("mlo-keep-XXXXXX", &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture * f, gconstpointer data)
{
  remove_tree (f->folder);
  g_free (f->folder);
  mlo_bitrate_predictor_free (f->predictor);
  mlo_quality_optimizer_free (f->optimizer);
}

static MloKeep *
open_keep (const Fixture * f, const char *key)
{
  g_autoptr (GError) error = NULL;
  MloKeep *k = mlo_keep_open (f->folder, key, &error);

  g_assert_no_error (error);
  return k;
}

static GPtrArray *
load (const Fixture * f, MloKeep * k, MloKept * kept)
{
  GPtrArray *notes = g_ptr_array_new_with_free_func (g_free);

  mlo_keep_load (k, f->predictor, f->optimizer, kept, notes);
  return notes;
}

static void
fill (float *values, gsize n, float value)
{
  for (gsize i = 0; i < n; i++)
    values[i] = value;
}

static gboolean
filled (const float *values, gsize n, float *value)
{
  *value = values[0];
  for (gsize i = 1; i < n; i++) {
    if (values[i] != *value)
      return FALSE;
  }
  return TRUE;
}

/* Networks and a learner all of whose numbers are @value. */
static gboolean
save (MloKeep * k, guint hidden, float value, GError ** error)
{
  g_autoptr (MloBitratePredictor) p = new_predictor (hidden, 2);
  g_autoptr (MloQualityOptimizer) q = new_optimizer (2);
  g_autoptr (MloTensorFile) learner = mlo_tensorfile_new ();
  g_autofree float *floats = g_new (float, LEARNER_FLOATS);
  const gsize dims[] = { LEARNER_FLOATS };
  MloLineage l;
  gsize n;
  float *values = mlo_bitrate_predictor_parameters (p, &n);

  fill (values, n, value);
  values = mlo_quality_optimizer_parameters (q, &n);
  fill (values, n, value);
  fill (floats, LEARNER_FLOATS, value);
  mlo_tensorfile_add (learner, "challenger", 1, dims, floats);
  mlo_lineage_init (&l);
  l.steps_predictor = (guint64) value;
  l.good_kbps = 1234.5;
  return mlo_keep_save (k, p, q, learner, &l, error);
}

static void
expect_value (const MloKept * kept, float want)
{
  const MloTensor *t = mlo_tensorfile_find (kept->learner, "challenger");
  float value;
  gsize n;
  const float *values = mlo_bitrate_predictor_parameters (kept->predictor, &n);

  g_assert_true (filled (values, n, &value));
  g_assert_cmpfloat (value, ==, want);
  values = mlo_quality_optimizer_parameters (kept->optimizer, &n);
  g_assert_true (filled (values, n, &value));
  g_assert_cmpfloat (value, ==, want);
  g_assert_true (filled (t->data, t->count, &value));
  g_assert_cmpfloat (value, ==, want);
  g_assert_cmpuint (kept->lineage.steps_predictor, ==, (guint64) want);
}

static guint
count_names (const MloKeep * k, const char *part)
{
  g_autoptr (GDir) dir = g_dir_open (mlo_keep_folder (k), 0, NULL);
  const char *name;
  guint n = 0;

  while ((name = g_dir_read_name (dir)))
    n += strstr (name, part) != NULL;
  return n;
}

static void
test_nothing_there (Fixture * f, gconstpointer data)
{
  g_autofree char *deep = g_build_filename (f->folder, "not", "there", "yet", NULL);
  g_autoptr (MloKeep) k = mlo_keep_open (deep, NULL, NULL);
  g_auto (MloKept) kept;
  g_autoptr (GPtrArray) notes = load (f, k, &kept);

  g_assert_cmpuint (notes->len, ==, 0);
  g_assert_null (mlo_keep_obstacle (k));
  g_assert_cmpuint (notes->len, ==, 0);
  g_assert_null (kept.predictor);
  g_assert_null (kept.optimizer);
  g_assert_null (kept.learner);
  g_assert_cmpuint (kept.lineage.streams, ==, 0);
  g_assert_true (isnan (kept.lineage.score));
  g_assert_cmpuint (strlen (kept.lineage.base), ==, MLO_BASE_SIZE - 1);
}

static void
test_round_trip (Fixture * f, gconstpointer data)
{
  g_autoptr (MloKeep) k = open_keep (f, "home");
  g_auto (MloKept) none, kept;
  G_GNUC_UNUSED g_autoptr (GPtrArray) first = load (f, k, &none), second = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  g_assert_cmpuint (first->len, ==, 0);
  g_assert_true (save (k, 16, 7.0f, &error));
  g_assert_no_error (error);
  g_assert_true (save (k, 16, 8.0f, &error));
  g_assert_no_error (error);
  second = load (f, k, &kept);
  g_assert_cmpuint (second->len, ==, 0);
  expect_value (&kept, 8.0f);
  g_assert_cmpfloat (kept.lineage.good_kbps, ==, 1234.5);
  g_assert_cmpfloat (mlo_quality_optimizer_config (kept.optimizer)->margin, ==, 0.005);
  text = mlo_lineage_text (&kept.lineage);
  g_assert_nonnull (strstr (text, "8 steps of the predictor"));
  g_assert_nonnull (strstr (text, "1234 kbit/s"));
}

static void
test_not_finite (Fixture * f, gconstpointer data)
{
  g_autoptr (MloKeep) k = open_keep (f, "home");
  g_auto (MloKept) none, kept;
  G_GNUC_UNUSED g_autoptr (GPtrArray) first = load (f, k, &none), second = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (first->len, ==, 0);
  g_assert_true (save (k, 16, 3.0f, &error));
  g_assert_false (save (k, 16, NAN, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_NOT_FINITE);
  second = load (f, k, &kept);
  expect_value (&kept, 3.0f);
}

/* --- keys --- */

static void
test_keys (Fixture * f, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (MLO_KEEP_MAX_KEY, '/'), *longer = g_strnfill (MLO_KEEP_MAX_KEY + 1, 'x');
  const char *keys[] = { NULL, "home", "Home", "..", ".", "../up", "a/b", "a%2Fb", "/etc", ".hidden", "\xff\xfe", "a b",
    "\n", "lock", longest
  };
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++) {
    g_autoptr (MloKeep) k = open_keep (f, keys[i]);
    g_autofree char *parent = g_path_get_dirname (mlo_keep_folder (k));

    g_assert_null (mlo_keep_obstacle (k));
    g_assert_cmpstr (parent, ==, f->folder);
    g_assert_true (g_file_test (mlo_keep_folder (k), G_FILE_TEST_IS_DIR));
    g_assert_true (g_hash_table_add (seen, g_strdup (mlo_keep_folder (k))));
  }
  g_assert_null (mlo_keep_open (f->folder, longer, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT);
}

/* --- what is there cannot be used --- */

typedef struct
{
  const char *what, *file;
  guint hidden;                 /* other than 16: of the predictor written */
  const char *key, *value;      /* other metadata */
  gssize bytes;                 /* cut to so many; -1: as it is */
  const char *note;             /* of which the note holds this */
} Bad;

static const Bad bad[] = {
  {"another width", MLO_PREDICTOR_FILE, 24, NULL, NULL, -1, "another network"},
  {"another range", MLO_PREDICTOR_FILE, 16, "max_bitrate_kbps", "20000", -1, "another network"},
  {"another interval", MLO_PREDICTOR_FILE, 16, "interval_ms", "200", -1, "another network"},
  {"another scaling", MLO_OPTIMIZER_FILE, 16, "rate_high_kbps", "40000", -1, "another network"},
  {"another kind", MLO_OPTIMIZER_FILE, 16, "kind", "bitrate_predictor", -1, "bitrate_predictor"},
  {"a later version", MLO_PREDICTOR_FILE, 16, "format_version", "2", -1, "version"},
  {"a learner of a later version", MLO_LEARNER_FILE, 16, "format_version", "2", -1, "version"},
  {"no learner", MLO_LEARNER_FILE, 16, "kind", "lesson", -1, "lesson"},
  {"another base", MLO_PREDICTOR_FILE, 16, "base",
      "0123456789012345678901234567890123456789012345678901234567890123", -1, "other models"},
  {"no digest", MLO_LEARNER_FILE, 16, "base", "../../etc", -1, "SHA-256"},
  {"steps below nothing", MLO_LEARNER_FILE, 16, "steps_predictor", "-1", -1, "steps_predictor"},
  {"minutes that are none", MLO_LEARNER_FILE, 16, "minutes", "nan", -1, "minutes"},
  {"a rate out of range", MLO_LEARNER_FILE, 16, "good_bitrate_kbps", "1e30", -1, "good_bitrate_kbps"},
  {"a score that is a word", MLO_OPTIMIZER_FILE, 16, "score", "good", -1, "score"},
  {"empty", MLO_PREDICTOR_FILE, 16, NULL, NULL, 0, "too few"},
  {"cut in its header", MLO_OPTIMIZER_FILE, 16, NULL, NULL, 100, "header"},
  {"cut in its data", MLO_LEARNER_FILE, 16, NULL, NULL, 5000, "data bytes"},
};

static void
write_bad (const Bad * b, const char *path)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_load (path, NULL);

  if (b->key) {
    mlo_tensorfile_set_metadata (f, b->key, b->value);
    g_assert_true (mlo_tensorfile_save (f, path, NULL));
  }
  if (b->bytes >= 0)
    g_assert_cmpint (truncate (path, b->bytes), ==, 0);
}

static void
test_set_aside (Fixture * f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autofree char *key = g_strdup_printf ("bad%u", i);
    g_autoptr (MloKeep) k = open_keep (f, key);
    g_autofree char *path = g_build_filename (mlo_keep_folder (k), bad[i].file, NULL);
    g_autofree char *was = NULL, *is = NULL;
    g_auto (MloKept) none, kept, after;
    G_GNUC_UNUSED g_autoptr (GPtrArray) first = load (f, k, &none), notes = NULL, last = NULL;
    const char *aside;
    gsize was_size, is_size;

    g_assert_cmpuint (first->len, ==, 0);
    g_test_message ("%s", bad[i].what);
    g_assert_true (save (k, bad[i].hidden, 5.0f, NULL));
    write_bad (&bad[i], path);
    g_assert_true (g_file_get_contents (path, &was, &was_size, NULL));
    notes = load (f, k, &kept);
    g_assert_cmpuint (notes->len, ==, 1);
    g_test_message ("%s", (char *) notes->pdata[0]);
    g_assert_nonnull (strstr (notes->pdata[0], bad[i].note));
    /* The others are used, this one is where the note says, as it was. */
    g_assert_true ((kept.predictor == NULL) == g_str_equal (bad[i].file, MLO_PREDICTOR_FILE));
    g_assert_true ((kept.optimizer == NULL) == g_str_equal (bad[i].file, MLO_OPTIMIZER_FILE));
    g_assert_true ((kept.learner == NULL) == g_str_equal (bad[i].file, MLO_LEARNER_FILE));
    aside = strstr (notes->pdata[0], "kept as ");
    g_assert_nonnull (aside);
    g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    g_assert_true (save (k, 16, 6.0f, NULL));
    g_assert_true (g_file_get_contents (aside + strlen ("kept as "), &is, &is_size, NULL));
    g_assert_cmpmem (was, was_size, is, is_size);
    last = load (f, k, &after);
    g_assert_cmpuint (last->len, ==, 0);
    expect_value (&after, 6.0f);
  }
}

/* Two in the same second. */
static void
test_set_aside_twice (Fixture * f, gconstpointer data)
{
  g_autoptr (MloKeep) k = open_keep (f, NULL);
  g_autofree char *path = g_build_filename (mlo_keep_folder (k), MLO_LEARNER_FILE, NULL);

  for (guint i = 0; i < 5; i++) {
    g_auto (MloKept) kept;
    g_autoptr (GPtrArray) notes = NULL;

    g_assert_true (g_file_set_contents (path, "no model", -1, NULL));
    notes = load (f, k, &kept);
    g_assert_cmpuint (notes->len, ==, 1);
    g_assert_cmpuint (count_names (k, "aside"), ==, i + 1);
  }
}

static void
test_refused_learner (Fixture * f, gconstpointer data)
{
  g_autoptr (MloKeep) k = open_keep (f, NULL);
  g_auto (MloKept) none, kept;
  g_autoptr (GPtrArray) notes = load (f, k, &none);

  g_assert_cmpuint (notes->len, ==, 0);
  g_assert_true (save (k, 16, 5.0f, NULL));
  mlo_keep_refuse_learner (k, "tensor 'challenger' does not fit", notes);
  g_assert_cmpuint (notes->len, ==, 1);
  g_assert_nonnull (strstr (notes->pdata[0], "does not fit; kept as "));
  g_ptr_array_unref (g_steal_pointer (&notes));
  notes = load (f, k, &kept);
  g_assert_null (kept.learner);
  g_assert_nonnull (kept.predictor);
}

/* A file of more than the ceiling is not read. */
static void
test_too_large (Fixture * f, gconstpointer data)
{
  g_autoptr (MloKeep) k = open_keep (f, NULL);
  g_autofree char *path = g_build_filename (mlo_keep_folder (k), MLO_LEARNER_FILE, NULL);
  g_auto (MloKept) kept;
  g_autoptr (GPtrArray) notes = NULL;

  g_assert_true (g_file_set_contents (path, "x", 1, NULL));
  g_assert_cmpint (truncate (path, (off_t) MLO_KEEP_MAX_BYTES + 1), ==, 0);
  notes = load (f, k, &kept);
  g_assert_cmpuint (notes->len, ==, 1);
  g_assert_nonnull (strstr (notes->pdata[0], "more than"));
}

/* --- who may write --- */

static void
test_locked (Fixture * f, gconstpointer data)
{
  g_autoptr (MloKeep) a = open_keep (f, "home"), b = open_keep (f, "home"), other = open_keep (f, "train");
  g_auto (MloKept) none, seen;
  G_GNUC_UNUSED g_autoptr (GPtrArray) notes = load (f, a, &none), read = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (mlo_keep_folder (a), MLO_LEARNER_FILE, NULL);
  pid_t child;
  int status;

  g_assert_cmpuint (notes->len, ==, 0);
  g_assert_null (mlo_keep_obstacle (a));
  g_assert_nonnull (strstr (mlo_keep_obstacle (b), "in use"));
  g_assert_null (mlo_keep_obstacle (other));
  g_assert_true (save (a, 16, 4.0f, NULL));
  read = load (f, b, &seen);
  expect_value (&seen, 4.0f);
  g_assert_false (save (b, 16, 9.0f, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  mlo_kept_clear (&seen);
  g_ptr_array_unref (g_steal_pointer (&read));

  child = fork ();
  if (child == 0) {
    MloKeep *c = mlo_keep_open (f->folder, "home", NULL);

    /* By a signal: what it has of its parent would be lost memory to valgrind at its exit. */
    if (mlo_keep_obstacle (c) && strstr (mlo_keep_obstacle (c), "in use"))
      raise (SIGKILL);
    _exit (1);
  }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);

  /* Without the lock a broken file is left where it is. */
  g_assert_cmpint (truncate (path, 10), ==, 0);
  read = load (f, b, &seen);
  g_assert_cmpuint (read->len, ==, 1);
  g_assert_nonnull (strstr (read->pdata[0], "not used"));
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS));

  mlo_keep_free (g_steal_pointer (&a));
  mlo_keep_free (g_steal_pointer (&b));
  b = open_keep (f, "home");
  g_assert_null (mlo_keep_obstacle (b));
}

static void
test_nowhere_to_write (Fixture * f, gconstpointer data)
{
  g_autofree char *file = g_build_filename (f->folder, "file", NULL);
  const char *folders[] = { "/proc/mloptimizer", file };

  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++) {
    g_autoptr (MloKeep) k = mlo_keep_open (folders[i], NULL, NULL);
    g_autoptr (GError) error = NULL;
    g_auto (MloKept) kept;
    G_GNUC_UNUSED g_autoptr (GPtrArray) notes = load (f, k, &kept);

    g_assert_cmpuint (notes->len, ==, 0);
    g_assert_nonnull (mlo_keep_obstacle (k));
    g_test_message ("%s", mlo_keep_obstacle (k));
    g_assert_null (kept.predictor);
    g_assert_false (save (k, 16, 1.0f, &error));
    g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  }
}

/* No file may become larger than half of what is needed: as a disk that fills up. */
static void
test_disk_full (Fixture * f, gconstpointer data)
{
  struct rlimit old, full = { LEARNER_FLOATS * 2, RLIM_INFINITY };
  g_autoptr (MloKeep) k = open_keep (f, NULL);
  g_auto (MloKept) none, kept;
  G_GNUC_UNUSED g_autoptr (GPtrArray) first = load (f, k, &none), notes = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (first->len, ==, 0);
  g_assert_true (save (k, 16, 4.0f, NULL));
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  full.rlim_max = old.rlim_max;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &full), ==, 0);
  g_assert_false (save (k, 16, 5.0f, &error));
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  notes = load (f, k, &kept);
  g_assert_cmpuint (notes->len, ==, 0);
  g_assert_nonnull (kept.predictor);
  g_assert_nonnull (kept.optimizer);
  g_assert_nonnull (kept.learner);
  g_assert_cmpfloat (mlo_tensorfile_find (kept.learner, "challenger")->data[0], ==, 4.0f);
  g_assert_cmpuint (count_names (k, "safetensors"), ==, 3);
  g_assert_true (save (k, 16, 6.0f, NULL));
}

/* --- killed --- */

/* Saves again and again until it is killed. */
static void
save_for_ever (const Fixture * f, int ready)
{
  MloKeep *k = mlo_keep_open (f->folder, NULL, NULL);
  MloKept kept;
  GPtrArray *notes = load (f, k, &kept);

  if (mlo_keep_obstacle (k) || notes->len > 0 || write (ready, "", 1) != 1)
    _exit (1);
  for (guint n = 1;; n++)
    if (!save (k, 16, (float) n, NULL))
      _exit (1);
}

static void
kill_once (Fixture * f, gulong delay_us, float *least, float *most)
{
  g_autoptr (MloKeep) k = NULL;
  g_auto (MloKept) kept;
  g_autoptr (GPtrArray) notes = NULL;
  float values[3];
  const float *floats;
  gsize n;
  int ends[2], status;
  char byte;
  pid_t child;

  g_assert_cmpint (pipe (ends), ==, 0);
  child = fork ();
  if (child == 0)
    save_for_ever (f, ends[1]);
  close (ends[1]);
  g_assert_cmpint (read (ends[0], &byte, 1), ==, 1);
  close (ends[0]);
  g_usleep (delay_us);
  kill (child, SIGKILL);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFSIGNALED (status) && WTERMSIG (status) == SIGKILL);

  k = open_keep (f, NULL);
  g_assert_null (mlo_keep_obstacle (k));
  notes = load (f, k, &kept);
  for (guint i = 0; i < notes->len; i++)
    g_test_message ("%s", (char *) notes->pdata[i]);
  g_assert_cmpuint (notes->len, ==, 0);
  g_assert_nonnull (kept.predictor);
  g_assert_nonnull (kept.optimizer);
  g_assert_nonnull (kept.learner);
  floats = mlo_bitrate_predictor_parameters (kept.predictor, &n);
  g_assert_true (filled (floats, n, &values[0]));
  floats = mlo_quality_optimizer_parameters (kept.optimizer, &n);
  g_assert_true (filled (floats, n, &values[1]));
  g_assert_true (filled (mlo_tensorfile_find (kept.learner, "challenger")->data, LEARNER_FLOATS, &values[2]));
  /* Nothing half written stays behind. */
  g_assert_cmpuint (count_names (k, "safetensors"), ==, 3);
  *least = MIN (values[0], MIN (values[1], values[2]));
  *most = MAX (values[0], MAX (values[1], values[2]));
}

static void
test_killed (Fixture * f, gconstpointer data)
{
  const guint times = g_test_slow ()? 200 : 20;
  guint mixed = 0, saved = 0;
  GRand *random = g_rand_new_with_seed (7);
  g_auto (MloKept) none;
  g_autoptr (MloKeep) k = open_keep (f, NULL);
  G_GNUC_UNUSED g_autoptr (GPtrArray) notes = load (f, k, &none);

  g_assert_cmpuint (notes->len, ==, 0);
  g_assert_true (save (k, 16, 0.0f, NULL));
  mlo_keep_free (g_steal_pointer (&k));
  for (guint i = 0; i < times; i++) {
    float least, most;

    kill_once (f, (gulong) g_rand_int_range (random, 0, 40000), &least, &most);
    mixed += least != most;
    saved += most > 0.0f;
  }
  g_test_message ("killed %u times: %u times after a save, %u times between the files of one save", times, saved,
      mixed);
  g_assert_cmpuint (saved, >, 0);
  g_rand_free (random);
}

#define ADD(name, func) g_test_add ("/keep/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("nothing-there", test_nothing_there);
  ADD ("round-trip", test_round_trip);
  ADD ("not-finite", test_not_finite);
  ADD ("keys", test_keys);
  ADD ("set-aside", test_set_aside);
  ADD ("set-aside-twice", test_set_aside_twice);
  ADD ("refused-learner", test_refused_learner);
  ADD ("too-large", test_too_large);
  ADD ("locked", test_locked);
  ADD ("nowhere-to-write", test_nowhere_to_write);
  ADD ("disk-full", test_disk_full);
  ADD ("killed", test_killed);
  return g_test_run ();
}
