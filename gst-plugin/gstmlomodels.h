/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_MODELS_H
#define GST_MLO_MODELS_H

#include "mlo-bitrate-predictor.h"
#include "mlo-quality-optimizer.h"

G_BEGIN_DECLS

/* Names the folder where the property `models` does not. */
#define GST_MLO_MODELS_ENV "MLOPTIMIZER_MODELS"

/**
 * GstMloModels: the two networks. All elements of a process that load the same files have the same ones: they are const,
 * and what one has just computed with is in the cache for the next. { NULL } holds nothing.
 */
typedef struct
{
  const MloBitratePredictor *predictor;
  const MloQualityOptimizer *optimizer;
  const char *folder;           /* they are from */
  gpointer shared;
} GstMloModels;

/* Both files of @folder, as they are now. FALSE, nothing loaded, and @error naming the file and the reason. Any thread;
 * those that load at the same time wait for each other. */
gboolean gst_mlo_models_load (GstMloModels * models, const char *folder, GError ** error);

/* (transfer full): the folder named by the environment; else the installed one, which is looked for from the plugin's
 * own place first; NULL where there is none. */
char *gst_mlo_models_default_folder (void);

void gst_mlo_models_clear (GstMloModels * models);

G_END_DECLS
#endif
