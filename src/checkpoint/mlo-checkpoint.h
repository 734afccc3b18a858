/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_CHECKPOINT_H
#define MLO_CHECKPOINT_H

#include "mlo-tensorfile.h"

G_BEGIN_DECLS

/**
 * MloCheckpoint: what torch.save wrote: a state_dict, or a dict with one as `model_state_dict`. Reading it executes
 * nothing (see mlo-pickle.h), trusts nothing and needs no PyTorch. Files of torch.save before PyTorch 1.6 are no zip
 * archives and are refused with a word on what to do.
 */
typedef struct
{
  MloTensorFile *tensors;       /* of the state_dict, row-major floats in its order; no metadata */
  gboolean has_epsilon;
  double epsilon;               /* of `epsilon` beside model_state_dict, 0..1 */
  char **left_out;              /* other names beside model_state_dict, NULL-terminated */
} MloCheckpoint;

/* NULL and @error (MLO_ERROR; file and place named). */
MloCheckpoint *mlo_checkpoint_load (const char *path, GError ** error);
/* @where: what the messages call it. @data need not outlive the call. */
MloCheckpoint *mlo_checkpoint_parse (const char *where, const guint8 * data, gsize size, GError ** error);
void mlo_checkpoint_free (MloCheckpoint * c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloCheckpoint, mlo_checkpoint_free)

G_END_DECLS
#endif
