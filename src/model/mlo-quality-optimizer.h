/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_QUALITY_OPTIMIZER_H
#define MLO_QUALITY_OPTIMIZER_H

#include "mlo-action.h"
#include "mlo-features.h"
#include "mlo-random.h"
#include "mlo-tensorfile.h"

G_BEGIN_DECLS

/* What its file is called in a folder of models. */
#define MLO_OPTIMIZER_FILE "quality_optimizer.safetensors"

/**
 * MloQualityOptimizer: the DQN head, 15 -> 128 -> 128 -> 64 -> 9 with ReLU: the value of each
 * MloAction in a state. Const while in use, any number of threads.
 */
typedef struct _MloQualityOptimizer MloQualityOptimizer;

typedef struct
{
  MloScaling scaling;
  double margin;                /* value by which an action must beat no change, >= 0; 0: the plain best */
} MloOptimizerConfig;

MloQualityOptimizer *mlo_quality_optimizer_new (const MloOptimizerConfig * config, MloRandom * random);
MloQualityOptimizer *mlo_quality_optimizer_load (const char *path, GError ** error);
/* The same from tensors read elsewhere; @path: what the messages call them. */
MloQualityOptimizer *mlo_quality_optimizer_from_tensors (const char *path, const MloTensorFile * f, GError ** error);
/* (transfer full): as mlo_bitrate_predictor_to_tensors(). */
MloTensorFile *mlo_quality_optimizer_to_tensors (const MloQualityOptimizer * q, const char *path, const char *training,
    GError ** error);
gboolean mlo_quality_optimizer_save (const MloQualityOptimizer * q, const char *path, const char *training, GError ** error);
/* The same parameters in a network of its own, laid out for use. */
MloQualityOptimizer *mlo_quality_optimizer_copy (const MloQualityOptimizer * q);
void mlo_quality_optimizer_free (MloQualityOptimizer * q);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloQualityOptimizer, mlo_quality_optimizer_free)

const MloOptimizerConfig *mlo_quality_optimizer_config (const MloQualityOptimizer * q);
void mlo_quality_optimizer_set_margin (MloQualityOptimizer * q, double margin);
/* As of a predictor: see mlo-bitrate-predictor.h. */
float *mlo_quality_optimizer_parameters (MloQualityOptimizer * q, gsize * count);
void mlo_quality_optimizer_copy_parameters (const MloQualityOptimizer * q, float *to);

/* Q values of a state. FALSE where one is not finite. RT safe. */
gboolean mlo_quality_optimizer_values (const MloQualityOptimizer * q, const float state[MLO_OPTIMIZER_FEATURES],
    float values[MLO_N_ACTIONS]);

/* The best action among those whose bit is set in @mask, as far as it beats no change by the margin;
 * MLO_ACTION_NONE when the mask is empty or a value is not finite. */
MloAction mlo_quality_optimizer_choose (const MloQualityOptimizer * q, const float state[MLO_OPTIMIZER_FEATURES],
    guint32 mask, float values[MLO_N_ACTIONS]);

G_END_DECLS
#endif
