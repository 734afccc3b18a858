/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_MODEL_FILE_H
#define MLO_MODEL_FILE_H

#include "mlo-features.h"
#include "mlo-random.h"
#include "mlo-tensorfile.h"
#include "nn-kernels.h"

G_BEGIN_DECLS

/*
 * Private to src/model: what both kinds of model file share. Metadata (all texts):
 *   format_version   "1"; a higher one is refused
 *   kind             "bitrate_predictor" | "quality_optimizer"
 *   scaling          "reference" | "log"
 *   rate_low_kbps, rate_high_kbps      ends of the log scale
 *   min_bitrate_kbps, max_bitrate_kbps, form ("stream" | "window"), interval_ms       bitrate_predictor only
 *   margin           quality_optimizer only
 *   training         summary of how it was trained
 *   created          ISO 8601 time of writing, SOURCE_DATE_EPOCH where that is set
 * Every key may be missing, so that a bare PyTorch state_dict loads: then kind is taken from the tensors' names,
 * scaling is reference, and the others have the defaults that their reader names.
 */
#define MLO_MODEL_VERSION 1

/* The first keys of the above. @training may be NULL. */
void mlo_model_write_metadata (MloTensorFile * f, const char *kind, const MloScaling * scaling, const char *training);
void mlo_model_write_number (MloTensorFile * f, const char *key, double value);

/* Checks version and kind, reads the scaling. */
gboolean mlo_model_read_metadata (const char *path, const MloTensorFile * f, const char *kind, MloScaling * scaling,
    GError ** error);
/* A number of the metadata within bounds; @fallback where the key is missing. */
gboolean mlo_model_read_number (const char *path, const MloTensorFile * f, const char *key, double fallback,
    double least, double most, double *value, GError ** error);

/* Copies the tensor @name, which must be (rows, columns), or (rows) when @columns is 0, to @to. */
gboolean mlo_model_bind (const char *path, const MloTensorFile * f, const char *name, int rows, int columns, float *to,
    GError ** error);
/* The dense layers' tensors as PyTorch names them: prefix + position of the layer in its nn.Sequential. */
gboolean mlo_model_bind_dense (const char *path, const MloTensorFile * f, const char *prefix, const int *positions,
    const NnDense * net, float *params, GError ** error);
/* @from NULL: the name alone, as mlo_model_check_names () wants it. */
void mlo_model_add (MloTensorFile * f, const char *name, int rows, int columns, const float *from);
void mlo_model_add_dense (MloTensorFile * f, const char *prefix, const int *positions, const NnDense * net,
    const float *params);

/* Whether @params may be written: all are finite. */
gboolean mlo_model_check_finite (const char *path, const float *params, gsize n, GError ** error);
/* Whether the file has no tensor but those that @own, as we would write it, has. */
/* For packed weights, to be freed with free (); NULL where there is not the memory. */
gpointer mlo_model_try_aligned (gsize bytes);
gboolean mlo_model_check_names (const char *path, const MloTensorFile * f, const MloTensorFile * own, GError ** error);

/* As PyTorch initialises Linear: weights and bias uniform in +-1/sqrt(inputs). */
void mlo_model_init_dense (const NnDense * net, float *params, MloRandom * random);

G_END_DECLS
#endif
