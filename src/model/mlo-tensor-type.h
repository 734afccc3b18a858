/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TENSOR_TYPE_H
#define MLO_TENSOR_TYPE_H

#include <glib.h>

G_BEGIN_DECLS

/* How files store a tensor's numbers: little-endian, IEEE 754 or the upper half of a float. */
typedef struct
{
  const char *name;             /* as safetensors names it: F32, F64, F16, BF16 */
  gsize bytes;                  /* of one number */
} MloTensorType;

/* NULL where we read no such type. */
const MloTensorType *mlo_tensor_type_find (const char *name);
/* The number at @p (@type->bytes of it, unaligned), which may be NaN or infinite; a double may become so. */
float mlo_tensor_type_read (const MloTensorType * type, const guint8 * p);

G_END_DECLS
#endif
