/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlomodels.h"

#include <string.h>
#include <sys/stat.h>

#include "mlo-error.h"
#include "mlo-relocate.h"

/* Which file it was: another one of the same name is another model. */
typedef struct
{
  guint64 device, inode, size;
  struct timespec modified, changed;
} Identity;

typedef struct
{
  Identity identity[2];
  MloBitratePredictor *predictor;
  MloQualityOptimizer *optimizer;
  char *folder;
  guint users;
} Shared;

/* Protects the list and the counts in it; held while files are read. */
static GMutex lock;
static GPtrArray *in_use;       /* of Shared; NULL while there is none */

static gboolean
identify (const char *path, Identity * id)
{
  struct stat st;

  memset (id, 0, sizeof *id);
  if (stat (path, &st) != 0)
    return FALSE;
  id->device = st.st_dev;
  id->inode = st.st_ino;
  id->size = (guint64) st.st_size;
  id->modified = st.st_mtim;
  id->changed = st.st_ctim;
  return TRUE;
}

static Shared *
find (const Identity identity[2])
{
  for (guint i = 0; in_use && i < in_use->len; i++) {
    Shared *s = g_ptr_array_index (in_use, i);

    if (memcmp (s->identity, identity, sizeof s->identity) == 0)
      return s;
  }
  return NULL;
}

static void
shared_free (gpointer data)
{
  Shared *s = data;

  mlo_bitrate_predictor_free (s->predictor);
  mlo_quality_optimizer_free (s->optimizer);
  g_free (s->folder);
  g_free (s);
}

/* With the lock held. */
static Shared *
load (const char *predictor, const char *optimizer, GError ** error)
{
  Identity identity[2];
  gboolean known = identify (predictor, &identity[0]) && identify (optimizer, &identity[1]);
  Shared *s = known ? find (identity) : NULL;

  if (s)
    return s;
  s = g_new0 (Shared, 1);
  s->predictor = mlo_bitrate_predictor_load (predictor, error);
  if (s->predictor)
    s->optimizer = mlo_quality_optimizer_load (optimizer, error);
  if (!s->optimizer) {
    shared_free (s);
    return NULL;
  }
  s->folder = g_path_get_dirname (predictor);
  if (known)
    memcpy (s->identity, identity, sizeof s->identity);
  if (!in_use)
    in_use = g_ptr_array_new_with_free_func (shared_free);
  g_ptr_array_add (in_use, s);
  return s;
}

gboolean
gst_mlo_models_load (GstMloModels * models, const char *folder, GError ** error)
{
  g_autofree char *predictor = g_build_filename (folder, MLO_PREDICTOR_FILE, NULL);
  g_autofree char *optimizer = g_build_filename (folder, MLO_OPTIMIZER_FILE, NULL);
  Shared *s;

  memset (models, 0, sizeof *models);
  if (!g_file_test (folder, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: %s", folder,
        g_file_test (folder, G_FILE_TEST_EXISTS) ? "not a folder" : "no such folder");
    return FALSE;
  }
  g_mutex_lock (&lock);
  s = load (predictor, optimizer, error);
  if (s) {
    s->users++;
    *models = (GstMloModels) {
    s->predictor, s->optimizer, s->folder, s};
  }
  g_mutex_unlock (&lock);
  return s != NULL;
}

char *
gst_mlo_models_default_folder (void)
{
  const char *folder = g_getenv (GST_MLO_MODELS_ENV);

  if (folder && *folder)
    return g_strdup (folder);
  return mlo_relocate_found (gst_mlo_models_default_folder, MLO_PLUGIN_DIR, MLO_PREFIX, MLO_MODEL_DIR);
}

void
gst_mlo_models_clear (GstMloModels * models)
{
  Shared *s = models->shared;

  if (s) {
    g_mutex_lock (&lock);
    if (--s->users == 0)
      g_ptr_array_remove_fast (in_use, s);
    if (in_use->len == 0)
      g_clear_pointer (&in_use, g_ptr_array_unref);
    g_mutex_unlock (&lock);
  }
  memset (models, 0, sizeof *models);
}
