/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TOOL_MODELS_H
#define MLO_TOOL_MODELS_H

#include "mlo-bitrate-predictor.h"
#include "mlo-quality-optimizer.h"

G_BEGIN_DECLS

/* The two files of a models folder. */

/* Loads what is there of @folder. FALSE and @error where a file is bad or neither is there; then
 * nothing is returned. */
gboolean mlo_tool_load_models (const char *folder, MloBitratePredictor ** predictor, MloQualityOptimizer ** optimizer,
    GError ** error);
/* Loads one file, whichever network is in it, in place of what @predictor or @optimizer holds (freed). */
gboolean mlo_tool_load_model (const char *path, MloBitratePredictor ** predictor, MloQualityOptimizer ** optimizer,
    GError ** error);
/* The installed models' folder, for as long as the process lives; NULL: none. */
const char *mlo_tool_installed_models (void);
/* @given; else "models" where that is a folder, as in the repository; else the installed ones; never NULL. */
const char *mlo_tool_models_or (const char *given);

G_END_DECLS
#endif
