/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-tensor-type.h"

#include <math.h>
#include <string.h>

enum
{ F32, F64, F16, BF16 };

static const MloTensorType types[] = {
  [F32] = {"F32", 4},
  [F64] = {"F64", 8},
  [F16] = {"F16", 2},
  [BF16] = {"BF16", 2},
};

const MloTensorType *
mlo_tensor_type_find (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_equal (types[i].name, name))
      return &types[i];
  return NULL;
}

/* IEEE 754 half precision. */
static float
from_half (guint16 h)
{
  const guint exponent = (h >> 10) & 31;
  const float sign = h & 0x8000 ? -1.0f : 1.0f, mantissa = (float) (h & 1023);

  if (exponent == 31)
    return mantissa == 0.0f ? sign * INFINITY : NAN;
  if (exponent == 0)
    return sign * mantissa * 0x1p-24f;
  return sign * ldexpf (1024.0f + mantissa, (int) exponent - 25);
}

float
mlo_tensor_type_read (const MloTensorType * type, const guint8 * p)
{
  guint16 u16;
  guint32 u32;
  guint64 u64;
  float f;
  double d;

  switch (type - types) {
    case F64:
      memcpy (&u64, p, 8);
      u64 = GUINT64_FROM_LE (u64);
      memcpy (&d, &u64, 8);
      return (float) d;
    case F16:
      memcpy (&u16, p, 2);
      return from_half (GUINT16_FROM_LE (u16));
    case BF16:
      memcpy (&u16, p, 2);
      u32 = (guint32) GUINT16_FROM_LE (u16) << 16;
      break;
    case F32:
    default:
      memcpy (&u32, p, 4);
      u32 = GUINT32_FROM_LE (u32);
  }
  memcpy (&f, &u32, 4);
  return f;
}
