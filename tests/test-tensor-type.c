/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-tensor-type.h"

static void
test_read (void)
{
  static const struct
  {
    const char *type;
    gsize bytes;
    guint8 data[8];
    double value;
  } rows[] = {
    {"F16", 2, {0x00, 0x3c}, 1.0},
    {"F16", 2, {0x01, 0x80}, -0x1p-24}, /* smallest subnormal */
    {"F16", 2, {0xff, 0x03}, 0x3ffp-24},        /* largest subnormal */
    {"F16", 2, {0x00, 0x7c}, INFINITY},
    {"F16", 2, {0x00, 0xfc}, -INFINITY},
    {"F16", 2, {0x01, 0x7c}, NAN},
    {"BF16", 2, {0x80, 0x3f}, 1.0},
    {"BF16", 2, {0xc0, 0x7f}, NAN},
    {"F64", 8, {0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, 1.5},
    {"F64", 8, {0, 0, 0, 0, 0, 0, 0xe0, 0x7f}, INFINITY},       /* 2^1023, no float */
    {"F32", 4, {0x00, 0x00, 0x20, 0xc0}, -2.5},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    const MloTensorType *t = mlo_tensor_type_find (rows[i].type);
    float got;

    g_assert_nonnull (t);
    g_assert_cmpuint (t->bytes, ==, rows[i].bytes);
    got = mlo_tensor_type_read (t, rows[i].data);
    if (isnan (rows[i].value))
      g_assert_true (isnan (got));
    else
      g_assert_true (got == (float) rows[i].value);
  }
  g_assert_null (mlo_tensor_type_find ("I64"));
  g_assert_null (mlo_tensor_type_find (""));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tensor-type/read", test_read);
  return g_test_run ();
}
