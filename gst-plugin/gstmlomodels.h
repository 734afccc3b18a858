/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_MODELS_H
#define GST_MLO_MODELS_H

#include "mlo-bitrate-predictor.h"
#include "mlo-quality-optimizer.h"

G_BEGIN_DECLS

/* Names the folder where the property `models` does not. */
#define GST_MLO_MODELS_ENV "MLOPTIMIZER_MODELS"

/**
 * GstMloModels: the two networks, const while in use.
 */
typedef struct
{
  MloBitratePredictor *predictor;
  MloQualityOptimizer *optimizer;
} GstMloModels;

/* Both files of @folder. FALSE, nothing loaded, and @error naming the file and the reason. */
gboolean gst_mlo_models_load (GstMloModels * models, const char *folder, GError ** error);

/* (transfer full): the folder named by the environment; else the installed one, which is looked for from the plugin's
 * own place first; NULL where there is none. */
char *gst_mlo_models_default_folder (void);

void gst_mlo_models_clear (GstMloModels * models);

G_END_DECLS
#endif
