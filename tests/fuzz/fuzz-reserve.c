/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reserve's reader on any safetensors file: pieces of which a learner learns, or an error in its domain. */
#include <math.h>

#include "mlo-error.h"
#include "mlo-recording.h"
#include "mlo-reserve.h"

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTensorFile) f = mlo_tensorfile_parse ("fuzz", data, size, &error);
  g_autoptr (GPtrArray) pieces = f ? mlo_reserve_from_tensors ("fuzz", f, &error) : NULL;

  g_assert_true ((pieces == NULL) == (error != NULL));
  g_assert_true (!error || error->domain == MLO_ERROR);
  for (guint i = 0; pieces && i < pieces->len; i++) {
    const MloRecording *r = pieces->pdata[i];

    g_assert_cmpint (r->interval_us, >, 0);
    for (guint k = 0; k < r->n; k++) {
      const MloTick *t = &r->ticks[k];

      g_assert_true (t->mask >> t->action & 1 && t->action < MLO_N_ACTIONS);
      g_assert_true (isfinite (t->label_kbps) && isfinite (t->baseline) && isfinite (t->price) && !isinf (t->reward));
      for (guint field = 0; field < MLO_N_FIELDS; field++) {
        const MloFieldInfo *info = mlo_field_info (field);
        double value = mlo_sample_get (&t->sample, field, info->min);

        g_assert_true (value >= info->min && value <= info->max);
      }
    }
  }
  return 0;
}
