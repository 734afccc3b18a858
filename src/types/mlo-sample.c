/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-sample.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

G_STATIC_ASSERT (MLO_N_FIELDS <= 32);

static const MloFieldInfo field_info[MLO_N_FIELDS] = {
#define MLO_FIELD_INFO(NAME, name, unit, min, max, text) \
  [MLO_FIELD_##NAME] = { #name, unit, min, max, text, offsetof (MloSample, name) },
  MLO_SAMPLE_FIELDS (MLO_FIELD_INFO)
#undef MLO_FIELD_INFO
};

const MloFieldInfo *
mlo_field_info (MloField field)
{
  g_return_val_if_fail ((int) field >= 0 && field < MLO_N_FIELDS, NULL);
  return &field_info[field];
}

int
mlo_field_from_name (const char *name)
{
  for (int i = 0; i < MLO_N_FIELDS; i++) {
    if (strcmp (field_info[i].name, name) == 0)
      return i;
  }
  return -1;
}

double
mlo_sample_get (const MloSample * s, MloField field, double fallback)
{
  if (!mlo_sample_has (s, field))
    return fallback;
  return *(const double *) ((const char *) s + field_info[field].offset);
}

gboolean
mlo_sample_set (MloSample * s, MloField field, double value)
{
  const MloFieldInfo *info = mlo_field_info (field);

  if (!info || !isfinite (value) || value < info->min || value > info->max)
    return FALSE;
  *(double *) ((char *) s + info->offset) = value;
  s->valid |= 1u << field;
  return TRUE;
}

void
mlo_sample_unset (MloSample * s, MloField field)
{
  s->valid &= ~(1u << field);
}
