/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TENSORFILE_H
#define MLO_TENSORFILE_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * MloTensorFile: named float tensors and a map of texts, as a safetensors file holds them
 * (https://huggingface.co/docs/safetensors): 8 bytes little-endian length of the header, the header as JSON
 * { "__metadata__": { key: text }, name: { "dtype", "shape", "data_offsets": [begin, end] } }, the data.
 *
 * Reading trusts nothing: every length, offset and product is checked, tensors must fill the data without overlap or
 * hole, no name comes twice, every number is finite, else the error names the file and the tensor. F32 is kept as it
 * is; F64, F16 and BF16 become float; other types are refused. Not thread safe while being filled, const after.
 */
typedef struct _MloTensorFile MloTensorFile;

#define MLO_TENSOR_DIMS 4

typedef struct
{
  char *name;
  guint n_dims;
  gsize dims[MLO_TENSOR_DIMS];  /* outermost first */
  gsize count;                  /* product of dims */
  float *data;                  /* row-major */
} MloTensor;

/* Ceilings; beyond them MLO_ERROR_TOO_LARGE. */
#define MLO_TENSORFILE_MAX_BYTES (64u << 20)
#define MLO_TENSORFILE_MAX_HEADER (1u << 20)
#define MLO_TENSORFILE_MAX_DEPTH 16
#define MLO_TENSORFILE_MAX_TENSORS 256

MloTensorFile *mlo_tensorfile_new (void);
void mlo_tensorfile_free (MloTensorFile * f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloTensorFile, mlo_tensorfile_free)

/* @where: what the messages call it. @data need not outlive the call. */
MloTensorFile *mlo_tensorfile_parse (const char *where, const guint8 * data, gsize size, GError ** error);
/* Regular files only. MLO_ERROR_MISSING where there is none. */
MloTensorFile *mlo_tensorfile_load (const char *path, GError ** error);

/* Copies. @name must be new; @data finite. */
void mlo_tensorfile_add (MloTensorFile * f, const char *name, guint n_dims, const gsize * dims, const float *data);
void mlo_tensorfile_set_metadata (MloTensorFile * f, const char *key, const char *value);

/* Bytes of the file, tensors in the order they were added. */
GBytes *mlo_tensorfile_serialize (const MloTensorFile * f);
/* To a temporary file beside @path, synced and renamed over it: @path is whole at any time, the old or the new. */
gboolean mlo_tensorfile_save (const MloTensorFile * f, const char *path, GError ** error);

guint mlo_tensorfile_size (const MloTensorFile * f);
const MloTensor *mlo_tensorfile_get (const MloTensorFile * f, guint i);
/* NULL where there is none. */
const MloTensor *mlo_tensorfile_find (const MloTensorFile * f, const char *name);
/* NULL where there is none. */
const char *mlo_tensorfile_metadata (const MloTensorFile * f, const char *key);
/* (transfer full): keys in alphabetical order, NULL-terminated; g_strfreev. */
char **mlo_tensorfile_metadata_keys (const MloTensorFile * f);

G_END_DECLS
#endif
