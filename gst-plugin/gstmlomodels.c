/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlomodels.h"

#include <string.h>

#include "mlo-error.h"
#include "mlo-relocate.h"

gboolean
gst_mlo_models_load (GstMloModels * models, const char *folder, GError ** error)
{
  g_autofree char *predictor = g_build_filename (folder, MLO_PREDICTOR_FILE, NULL);
  g_autofree char *optimizer = g_build_filename (folder, MLO_OPTIMIZER_FILE, NULL);

  memset (models, 0, sizeof *models);
  if (!g_file_test (folder, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: %s", folder,
        g_file_test (folder, G_FILE_TEST_EXISTS) ? "not a folder" : "no such folder");
    return FALSE;
  }
  models->predictor = mlo_bitrate_predictor_load (predictor, error);
  if (models->predictor)
    models->optimizer = mlo_quality_optimizer_load (optimizer, error);
  if (!models->optimizer) {
    gst_mlo_models_clear (models);
    return FALSE;
  }
  return TRUE;
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
  g_clear_pointer (&models->predictor, mlo_bitrate_predictor_free);
  g_clear_pointer (&models->optimizer, mlo_quality_optimizer_free);
}
