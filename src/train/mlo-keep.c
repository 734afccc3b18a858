/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-keep.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "mlo-error.h"
#include "mlo-file.h"

#define LOCK_FILE "lock"
#define USUAL_KEY "default"
/* What mkstemp() puts behind a name. */
#define TEMPORARY_SUFFIX 7

enum
{
  PREDICTOR,
  OPTIMIZER,
  LEARNER,
  N_FILES
};

static const char *const file_names[N_FILES] = { MLO_PREDICTOR_FILE, MLO_OPTIMIZER_FILE, MLO_LEARNER_FILE };

struct _MloKeep
{
  char *folder;                 /* of the key */
  char *obstacle;
  char base[MLO_BASE_SIZE];     /* "" before the load */
  int lock;                     /* descriptor that holds the lock; -1 */
};

char *
mlo_keep_default_folder (void)
{
  return g_build_filename (g_get_user_data_dir (), "mloptimizer", NULL);
}

/* A name that is one folder's, and another one for another key. */
static char *
key_folder (const char *key)
{
  GString *name = g_string_new (NULL);

  for (const char *c = key; *c; c++) {
    if (g_ascii_isalnum (*c) || *c == '-' || *c == '_' || (*c == '.' && c != key))
      g_string_append_c (name, *c);
    else
      g_string_append_printf (name, "%%%02X", (guint8) * c);
  }
  return g_string_free (name, FALSE);
}

static void
set_obstacle (MloKeep * k, const char *what)
{
  int e = errno;

  g_free (k->obstacle);
  k->obstacle = g_strdup_printf ("%s: %s: %s; what is learned is not kept", k->folder, what, g_strerror (e));
}

/* Those that a process that was killed left half written; only with the lock, so nobody's. */
static void
remove_temporary (const MloKeep * k)
{
  g_autoptr (GDir) dir = g_dir_open (k->folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    for (int i = 0; i < N_FILES; i++) {
      gsize n = strlen (file_names[i]);
      g_autofree char *path = NULL;

      if (strlen (name) != n + TEMPORARY_SUFFIX || strncmp (name, file_names[i], n) != 0 || name[n] != '.'
          || strspn (name + n + 1, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS) != TEMPORARY_SUFFIX - 1)
        continue;
      path = g_build_filename (k->folder, name, NULL);
      g_unlink (path);
    }
  }
}

/* The folder and its lock, or the obstacle. */
static void
take (MloKeep * k)
{
  g_autofree char *path = g_build_filename (k->folder, LOCK_FILE, NULL);

  if (g_mkdir_with_parents (k->folder, 0700) < 0) {
    set_obstacle (k, "cannot be made");
    return;
  }
  k->lock = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
  if (k->lock < 0) {
    set_obstacle (k, "cannot be written to");
    return;
  }
  if (flock (k->lock, LOCK_EX | LOCK_NB) == 0) {
    /* A folder that has become read-only after the lock file was made. */
    if (access (k->folder, W_OK) < 0)
      set_obstacle (k, "cannot be written to");
    else
      remove_temporary (k);
    return;
  }
  if (errno == EWOULDBLOCK)
    k->obstacle = g_strdup_printf ("%s is in use by another stream; what this one learns is not kept: give it a key of "
        "its own", k->folder);
  else
    set_obstacle (k, "cannot be locked");
  close (k->lock);
  k->lock = -1;
}

MloKeep *
mlo_keep_open (const char *folder, const char *key, GError ** error)
{
  g_autofree char *name = NULL;
  MloKeep *k;

  if (key && strlen (key) > MLO_KEEP_MAX_KEY) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "key of %" G_GSIZE_FORMAT " bytes, more than %d", strlen (key),
        MLO_KEEP_MAX_KEY);
    return NULL;
  }
  name = key_folder (key && *key ? key : USUAL_KEY);
  /* Escaped it may be longer than a file's name can be. */
  if (strlen (name) > 200) {
    g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, key, -1);

    g_free (name);
    name = g_strconcat ("%", sum, NULL);
  }
  k = g_new0 (MloKeep, 1);
  k->lock = -1;
  k->folder = g_build_filename (folder, name, NULL);
  take (k);
  return k;
}

void
mlo_keep_free (MloKeep * k)
{
  if (!k)
    return;
  if (k->lock >= 0)
    close (k->lock);
  g_free (k->folder);
  g_free (k->obstacle);
  g_free (k);
}

const char *
mlo_keep_obstacle (const MloKeep * k)
{
  return k->obstacle;
}

const char *
mlo_keep_folder (const MloKeep * k)
{
  return k->folder;
}

/* --- reading --- */

/* @why is said in @notes, with where the file is now. */
static void
set_aside (MloKeep * k, const char *path, const char *why, GPtrArray * notes)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time = g_date_time_format (now, "%Y%m%dT%H%M%SZ");
  g_autofree char *aside = g_strdup_printf ("%s.aside-%s", path, time);

  if (k->obstacle) {
    g_ptr_array_add (notes, g_strdup_printf ("%s; it is not used", why));
    return;
  }
  for (guint i = 2; g_file_test (aside, G_FILE_TEST_EXISTS | G_FILE_TEST_IS_SYMLINK); i++) {
    g_free (aside);
    aside = g_strdup_printf ("%s.aside-%s-%u", path, time, i);
  }
  if (g_rename (path, aside) == 0) {
    g_ptr_array_add (notes, g_strdup_printf ("%s; kept as %s", why, aside));
    return;
  }
  /* It would be written over: rather save nothing. */
  set_obstacle (k, "what is there cannot be renamed");
  g_ptr_array_add (notes, g_strdup_printf ("%s; it is not used", why));
}

static gboolean
check_base (const MloKeep * k, const char *path, const MloTensorFile * f, MloLineage * l, GError ** error)
{
  if (!mlo_lineage_read (path, f, l, error))
    return FALSE;
  if (!g_str_equal (l->base, k->base)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_VERSION, "%s: was learned from other models than those in use now", path);
    return FALSE;
  }
  return TRUE;
}

static gboolean
other_network (GError ** error, const char *path)
{
  g_set_error (error, MLO_ERROR, MLO_ERROR_SHAPE, "%s: is for another network than the models in use now", path);
  return FALSE;
}

static gboolean
same_scaling (const MloScaling * a, const MloScaling * b)
{
  return a->kind == b->kind && a->rate_low_kbps == b->rate_low_kbps && a->rate_high_kbps == b->rate_high_kbps;
}

static gboolean
take_predictor (const char *path, const MloTensorFile * f, const MloBitratePredictor * like, MloKept * kept,
    GError ** error)
{
  g_autoptr (MloBitratePredictor) p = mlo_bitrate_predictor_from_tensors (path, f, error);
  const MloPredictorConfig *a, *b = mlo_bitrate_predictor_config (like);

  if (!p)
    return FALSE;
  a = mlo_bitrate_predictor_config (p);
  if (a->hidden != b->hidden || a->layers != b->layers || a->form != b->form || a->interval_ms != b->interval_ms
      || a->min_kbps != b->min_kbps || a->max_kbps != b->max_kbps || !same_scaling (&a->scaling, &b->scaling))
    return other_network (error, path);
  kept->predictor = g_steal_pointer (&p);
  return TRUE;
}

static gboolean
take_optimizer (const char *path, const MloTensorFile * f, const MloQualityOptimizer * like, MloKept * kept,
    GError ** error)
{
  g_autoptr (MloQualityOptimizer) q = mlo_quality_optimizer_from_tensors (path, f, error);

  if (!q)
    return FALSE;
  if (!same_scaling (&mlo_quality_optimizer_config (q)->scaling, &mlo_quality_optimizer_config (like)->scaling))
    return other_network (error, path);
  kept->optimizer = g_steal_pointer (&q);
  return TRUE;
}

static gboolean
take_learner (const char *path, MloTensorFile ** f, MloKept * kept, GError ** error)
{
  const char *kind = mlo_tensorfile_metadata (*f, "kind"), *version;

  if (!kind || !g_str_equal (kind, "learner")) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: a %.40s, not a learner", path, kind ? kind : "file of no kind");
    return FALSE;
  }
  version = mlo_tensorfile_metadata (*f, "format_version");
  if (!version || !g_ascii_string_to_unsigned (version, 10, 1, MLO_LEARNER_VERSION, NULL, NULL)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_VERSION, "%s: format version %.40s, this program knows %d", path,
        version ? version : "not told", MLO_LEARNER_VERSION);
    return FALSE;
  }
  kept->learner = g_steal_pointer (f);
  return TRUE;
}

/* NULL without an error where there is no such file. */
static MloTensorFile *
load_bounded (const char *path, GError ** error)
{
  g_autofree guint8 *data = NULL;
  g_autoptr (GError) cause = NULL;
  gsize size;

  if (mlo_file_read (path, MLO_KEEP_MAX_BYTES, &data, &size, &cause))
    return mlo_tensorfile_parse (path, data, size, error);
  if (!g_error_matches (cause, MLO_ERROR, MLO_ERROR_MISSING))
    g_propagate_error (error, g_steal_pointer (&cause));
  return NULL;
}

/* One file into @kept; FALSE without an error where it is not there. */
static gboolean
load_file (MloKeep * k, int which, const char *path, const MloBitratePredictor * predictor,
    const MloQualityOptimizer * optimizer, MloKept * kept, GError ** error)
{
  g_autoptr (MloTensorFile) f = load_bounded (path, error);
  MloLineage lineage;

  if (!f || !check_base (k, path, f, &lineage, error))
    return FALSE;
  if (which == PREDICTOR ? !take_predictor (path, f, predictor, kept, error) :
      which == OPTIMIZER ? !take_optimizer (path, f, optimizer, kept, error) : !take_learner (path, &f, kept, error))
    return FALSE;
  /* At last the learner's, which is written last. */
  kept->lineage = lineage;
  return TRUE;
}

void
mlo_keep_load (MloKeep * k, const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer,
    MloKept * kept, GPtrArray * notes)
{
  memset (kept, 0, sizeof *kept);
  mlo_lineage_init (&kept->lineage);
  mlo_lineage_base (predictor, optimizer, k->base);
  /* Where there is no folder the obstacle has said so. */
  for (int i = 0; i < N_FILES && g_file_test (k->folder, G_FILE_TEST_IS_DIR); i++) {
    g_autofree char *path = g_build_filename (k->folder, file_names[i], NULL);
    g_autoptr (GError) error = NULL;

    if (!load_file (k, i, path, predictor, optimizer, kept, &error) && error)
      set_aside (k, path, error->message, notes);
  }
  g_strlcpy (kept->lineage.base, k->base, sizeof kept->lineage.base);
}

void
mlo_kept_clear (MloKept * kept)
{
  g_clear_pointer (&kept->predictor, mlo_bitrate_predictor_free);
  g_clear_pointer (&kept->optimizer, mlo_quality_optimizer_free);
  g_clear_pointer (&kept->learner, mlo_tensorfile_free);
}

void
mlo_keep_refuse_learner (MloKeep * k, const char *why, GPtrArray * notes)
{
  g_autofree char *path = g_build_filename (k->folder, MLO_LEARNER_FILE, NULL);
  g_autofree char *text = g_strdup_printf ("%s: %s", path, why);

  set_aside (k, path, text, notes);
}

/* --- writing --- */

static gboolean
write_file (const MloKeep * k, int which, MloTensorFile * f, const MloLineage * lineage, GError ** error)
{
  g_autofree char *path = g_build_filename (k->folder, file_names[which], NULL);

  mlo_lineage_write (lineage, f);
  return mlo_tensorfile_save (f, path, error);
}

gboolean
mlo_keep_save (MloKeep * k, const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer,
    MloTensorFile * learner, const MloLineage * lineage, GError ** error)
{
  g_autoptr (MloTensorFile) p = NULL, q = NULL;
  g_autofree char *text = mlo_lineage_text (lineage), *training = g_strconcat ("while streaming: ", text, NULL);
  MloLineage l = *lineage;

  if (k->obstacle) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s", k->obstacle);
    return FALSE;
  }
  g_assert (k->base[0] != '\0');
  g_strlcpy (l.base, k->base, sizeof l.base);
  if (!(p = mlo_bitrate_predictor_to_tensors (predictor, file_names[PREDICTOR], training, error))
      || !(q = mlo_quality_optimizer_to_tensors (optimizer, file_names[OPTIMIZER], training, error)))
    return FALSE;
  if (learner) {
    mlo_tensorfile_set_metadata (learner, "kind", "learner");
    mlo_tensorfile_set_metadata (learner, "format_version", G_STRINGIFY (MLO_LEARNER_VERSION));
  }
  return write_file (k, PREDICTOR, p, &l, error) && write_file (k, OPTIMIZER, q, &l, error)
      && (!learner || write_file (k, LEARNER, learner, &l, error));
}
