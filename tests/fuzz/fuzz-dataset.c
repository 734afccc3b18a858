/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The dataset parser on any bytes: a dataset or an error in its domain. */
#include "mlo-dataset.h"
#include "mlo-error.h"

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloDataset) d = mlo_dataset_parse ("fuzz", (const char *) data, size, NULL, &error);

  g_assert_true ((d == NULL) == (error != NULL));
  if (error)
    g_assert_true (error->domain == MLO_ERROR);
  for (guint i = 0; d && i < d->n_recordings; i++) {
    const MloRecording *r = d->recordings[i];

    g_assert_cmpuint (r->n, >=, 2);
    for (guint k = 0; k < r->n; k++)
      g_assert_true (r->ticks[k].mask >> r->ticks[k].action & 1);
  }
  return 0;
}
