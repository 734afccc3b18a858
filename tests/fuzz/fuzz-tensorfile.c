/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The safetensors parser on any bytes: a file whose numbers are finite and which survives being written and read
 * again, or an error in its domain. */
#include <math.h>

#include "mlo-error.h"
#include "mlo-tensorfile.h"

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTensorFile) f = mlo_tensorfile_parse ("fuzz", data, size, &error);

  g_assert_true ((f == NULL) == (error != NULL));
  if (error) {
    g_assert_true (error->domain == MLO_ERROR);
  } else {
    g_autoptr (GBytes) bytes = mlo_tensorfile_serialize (f);
    g_autoptr (MloTensorFile) again = NULL;

    for (guint i = 0; i < mlo_tensorfile_size (f); i++) {
      const MloTensor *t = mlo_tensorfile_get (f, i);

      for (gsize k = 0; k < t->count; k++)
        g_assert_true (isfinite (t->data[k]));
    }
    again = mlo_tensorfile_parse ("again", g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), &error);
    g_assert_no_error (error);
    g_assert_cmpuint (mlo_tensorfile_size (again), ==, mlo_tensorfile_size (f));
  }
  return 0;
}
