/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* torch.save's files, zip and all, on any bytes: finite tensors that can be written and read again, or an error in its
 * domain. */
#include <math.h>

#include "mlo-checkpoint.h"
#include "mlo-error.h"

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloCheckpoint) c = mlo_checkpoint_parse ("fuzz", data, size, &error);
  g_autoptr (MloTensorFile) again = NULL;
  g_autoptr (GBytes) bytes = NULL;

  g_assert_true ((c == NULL) == (error != NULL));
  if (error) {
    g_assert_true (error->domain == MLO_ERROR);
    return 0;
  }
  for (guint i = 0; i < mlo_tensorfile_size (c->tensors); i++) {
    const MloTensor *t = mlo_tensorfile_get (c->tensors, i);

    for (gsize k = 0; k < t->count; k++)
      g_assert_true (isfinite (t->data[k]));
  }
  bytes = mlo_tensorfile_serialize (c->tensors);
  again = mlo_tensorfile_parse ("again", g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mlo_tensorfile_size (again), ==, mlo_tensorfile_size (c->tensors));
  return 0;
}
