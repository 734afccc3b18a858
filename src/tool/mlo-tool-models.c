/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-tool-models.h"

#include <string.h>

#include "mlo-error.h"
#include "mlo-relocate.h"
#include "mlo-tensorfile.h"

gboolean
mlo_tool_load_models (const char *folder, MloBitratePredictor ** predictor, MloQualityOptimizer ** optimizer,
    GError ** error)
{
  g_autofree char *a = g_build_filename (folder, MLO_PREDICTOR_FILE, NULL);
  g_autofree char *b = g_build_filename (folder, MLO_OPTIMIZER_FILE, NULL);
  gboolean have_a = g_file_test (a, G_FILE_TEST_EXISTS), have_b = g_file_test (b, G_FILE_TEST_EXISTS);
  g_autoptr (MloBitratePredictor) p = NULL;
  g_autoptr (MloQualityOptimizer) q = NULL;

  if (!have_a && !have_b) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: neither %s nor %s", folder, MLO_PREDICTOR_FILE,
        MLO_OPTIMIZER_FILE);
    return FALSE;
  }
  if (have_a && !(p = mlo_bitrate_predictor_load (a, error)))
    return FALSE;
  if (have_b && !(q = mlo_quality_optimizer_load (b, error)))
    return FALSE;
  *predictor = g_steal_pointer (&p);
  *optimizer = g_steal_pointer (&q);
  return TRUE;
}

gboolean
mlo_tool_load_model (const char *path, MloBitratePredictor ** predictor, MloQualityOptimizer ** optimizer,
    GError ** error)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_load (path, error);
  const char *kind;

  if (!f)
    return FALSE;
  kind = mlo_tensorfile_metadata (f, "kind");
  if (kind ? strcmp (kind, "quality_optimizer") == 0 : mlo_tensorfile_find (f, "lstm.weight_ih_l0") == NULL) {
    MloQualityOptimizer *q = mlo_quality_optimizer_load (path, error);

    if (!q)
      return FALSE;
    mlo_quality_optimizer_free (*optimizer);
    *optimizer = q;
  } else {
    MloBitratePredictor *p = mlo_bitrate_predictor_load (path, error);

    if (!p)
      return FALSE;
    mlo_bitrate_predictor_free (*predictor);
    *predictor = p;
  }
  return TRUE;
}

const char *
mlo_tool_installed_models (void)
{
  static char *found = NULL;

  if (!found)
    found = mlo_relocate_found (mlo_tool_installed_models, MLO_TOOL_DIR, MLO_PREFIX, MLO_MODEL_DIR);
  return found;
}

const char *
mlo_tool_models_or (const char *given)
{
  const char *installed;

  if (given || g_file_test ("models", G_FILE_TEST_IS_DIR))
    return given ? given : "models";
  installed = mlo_tool_installed_models ();
  return installed ? installed : "models";
}
