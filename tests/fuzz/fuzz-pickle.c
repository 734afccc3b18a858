/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pickle reader on any bytes: values of which every tensor lies within its storage, or an error in its domain. */
#include "mlo-error.h"
#include "mlo-pickle.h"

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

static void
check_tensor (const MloPickleTensor * t)
{
  gsize last = t->offset;

  g_assert_cmpint (t->storage->type, ==, MLO_PICKLE_STORAGE);
  g_assert_cmpuint (t->n_dims, <=, MLO_TENSOR_DIMS);
  for (guint i = 0; i < t->n_dims && t->count > 0; i++)
    last += (t->dims[i] - 1) * t->strides[i];
  g_assert_true (t->count == 0 || last < t->storage->storage.count);
}

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloPickle) p = mlo_pickle_parse ("fuzz", data, size, &error);
  const MloPickleValue *root;

  g_assert_true ((p == NULL) == (error != NULL));
  if (error) {
    g_assert_true (error->domain == MLO_ERROR);
    g_assert_true (g_utf8_validate (error->message, -1, NULL));
    return 0;
  }
  root = mlo_pickle_root (p);
  for (guint i = 0; root->type == MLO_PICKLE_DICT && i < root->items->len; i++) {
    const MloPickleValue *v = root->items->pdata[i];

    if (v->type == MLO_PICKLE_TENSOR)
      check_tensor (&v->tensor);
  }
  return 0;
}
