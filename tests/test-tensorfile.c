/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "mlo-error.h"
#include "mlo-random.h"
#include "mlo-tensorfile.h"

/* A file from its header and data bytes. */
static GByteArray *
file_from (const char *header, gsize header_length, const void *data, gsize size)
{
  GByteArray *b = g_byte_array_new ();
  guint64 le = GUINT64_TO_LE ((guint64) header_length);

  g_byte_array_append (b, (const guint8 *) &le, 8);
  g_byte_array_append (b, (const guint8 *) header, (guint) header_length);
  g_byte_array_append (b, data, (guint) size);
  return b;
}

static void
test_round_trip (void)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_new (), g = NULL;
  g_autoptr (GBytes) bytes = NULL, again = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) keys = NULL;
  const gsize dims[] = { 2, 3 }, five[] = { 5 }, none[] = { 0 };
  const float a[] = { 1.0f, -2.5f, 3.0f, -0.0f, 1e-40f, 3.4e38f }, b[] = { 5, 4, 3, 2, 1 };
  const MloTensor *t;
  gsize size;
  const guint8 *data;

  mlo_tensorfile_add (f, "a.weight", 2, dims, a);
  mlo_tensorfile_add (f, "quote\" back\\ \xc3\xa9", 1, five, b);
  mlo_tensorfile_add (f, "scalar", 0, NULL, b);
  mlo_tensorfile_add (f, "empty", 1, none, b);
  mlo_tensorfile_set_metadata (f, "kind", "test");
  mlo_tensorfile_set_metadata (f, "training", "two \"lines\"\nand { brackets : [");
  bytes = mlo_tensorfile_serialize (f);
  data = g_bytes_get_data (bytes, &size);
  g_assert_cmpuint ((size - 48) % 8, ==, 0);
  g = mlo_tensorfile_parse ("round trip", data, size, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mlo_tensorfile_size (g), ==, 4);
  t = mlo_tensorfile_find (g, "a.weight");
  g_assert_cmpuint (t->n_dims, ==, 2);
  g_assert_cmpuint (t->dims[0], ==, 2);
  g_assert_cmpuint (t->dims[1], ==, 3);
  g_assert_cmpmem (t->data, t->count * 4, a, sizeof a);
  t = mlo_tensorfile_find (g, "quote\" back\\ \xc3\xa9");
  g_assert_cmpmem (t->data, t->count * 4, b, sizeof b);
  g_assert_cmpuint (mlo_tensorfile_find (g, "scalar")->count, ==, 1);
  g_assert_cmpuint (mlo_tensorfile_find (g, "empty")->count, ==, 0);
  g_assert_null (mlo_tensorfile_find (g, "b"));
  g_assert_cmpstr (mlo_tensorfile_metadata (g, "training"), ==, "two \"lines\"\nand { brackets : [");
  g_assert_null (mlo_tensorfile_metadata (g, "nothing"));
  keys = mlo_tensorfile_metadata_keys (g);
  g_assert_cmpstr (keys[0], ==, "kind");
  g_assert_cmpstr (keys[1], ==, "training");
  g_assert_null (keys[2]);
  again = mlo_tensorfile_serialize (g);
  g_assert_true (g_bytes_equal (bytes, again));
}

/* Bytes written out, so that reader and writer cannot agree on the same mistake. */
static void
test_layout (void)
{
  static const char header[] = "{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}   ";
  static const guint8 numbers[] = {
    0x00, 0x00, 0x80, 0x3f,     /* 1 */
    0x00, 0x00, 0x20, 0xc0,     /* -2.5 */
  };
  g_autoptr (GByteArray) b = file_from (header, strlen (header), numbers, sizeof numbers);
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTensorFile) f = mlo_tensorfile_parse ("layout", b->data, b->len, &error);

  g_assert_no_error (error);
  g_assert_cmpfloat (mlo_tensorfile_find (f, "x")->data[0], ==, 1.0f);
  g_assert_cmpfloat (mlo_tensorfile_find (f, "x")->data[1], ==, -2.5f);
}

static void
test_types (void)
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
    {"F16", 2, {0xff, 0x7b}, 65504.0},
    {"F16", 2, {0x55, 0x35}, 0.333251953125},
    {"BF16", 2, {0x80, 0x3f}, 1.0},
    {"BF16", 2, {0x49, 0xc0}, -3.140625},
    {"F64", 8, {0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, 1.5},
    {"F32", 4, {0x00, 0x00, 0x00, 0x80}, -0.0},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *header = g_strdup_printf ("{\"x\":{\"dtype\":\"%s\",\"shape\":[],\"data_offsets\":[0,%d]}}",
        rows[i].type, (int) rows[i].bytes);
    g_autoptr (GByteArray) b = file_from (header, strlen (header), rows[i].data, rows[i].bytes);
    g_autoptr (GError) error = NULL;
    g_autoptr (MloTensorFile) f = mlo_tensorfile_parse ("types", b->data, b->len, &error);

    g_assert_no_error (error);
    g_assert_cmpfloat (mlo_tensorfile_get (f, 0)->data[0], ==, (float) rows[i].value);
  }
}

#define X(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define GOOD X ("F32", "[2]", "[0,8]")
#define DEEP16 "[[[[[[[[[[[[[[["

/* One way each to be wrong. The data are zeros, eight bytes unless told. */
static const struct
{
  const char *header;
  MloError code;
  const char *says;             /* part of the message, for who has to find the place */
  gsize bytes;                  /* of data, if not 8 */
} bad_headers[] = {
  {"", MLO_ERROR_FORMAT, "not a JSON object"},
  {"x", MLO_ERROR_FORMAT, "not a JSON object"},
  {"[]", MLO_ERROR_FORMAT, "not a JSON object"},
  {" {}", MLO_ERROR_FORMAT, "not a JSON object"},
  {"{", MLO_ERROR_TRUNCATED, "header"},
  {"{\"x\":" GOOD, MLO_ERROR_TRUNCATED, "ends inside"},
  {"{\"x\":\"", MLO_ERROR_TRUNCATED, "string"},
  {"{\"x\":" GOOD "} x", MLO_ERROR_FORMAT, "not the end"},
  {"{\"x\":" GOOD "}}", MLO_ERROR_FORMAT, "not the end"},
  {"{\"x\" " GOOD "}", MLO_ERROR_FORMAT, "header"},
  {"{\"x\":" GOOD ",}", MLO_ERROR_FORMAT, "header"},
  {"{'x':" GOOD "}", MLO_ERROR_FORMAT, "not JSON"},
  {"{/*c*/\"x\":" GOOD "}", MLO_ERROR_FORMAT, "not JSON"},
  {"{\"\xff\":" GOOD "}", MLO_ERROR_FORMAT, "UTF-8"},
  {"{\"x\":" DEEP16 "[1]]]]]]]]]]]]]]]]}", MLO_ERROR_TOO_LARGE, "nested"},
  {"{\"\\ud800\":" GOOD "}", MLO_ERROR_FORMAT, "header"},
  {"{\"\\ud800x\":" GOOD "}", MLO_ERROR_FORMAT, "surrogate"},
  {"{\"__metadata__\":{\"\\ud800y\":\"1\"},\"x\":" GOOD "}", MLO_ERROR_FORMAT, "surrogate"},
  {"{\"__metadata__\":{\"a\":\"b\\ud800c\"},\"x\":" GOOD "}", MLO_ERROR_FORMAT, "surrogate"},
  {"{}", MLO_ERROR_FORMAT, "no tensor"},
  {"{\"x\":" GOOD ",\"x\":" GOOD "}", MLO_ERROR_DUPLICATE, "'x' twice"},
  {"{\"x\":" GOOD ",\"\\u0078\":" GOOD "}", MLO_ERROR_DUPLICATE, "twice"},
  {"{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", MLO_ERROR_DUPLICATE,
      "'dtype' twice"},
  {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"},\"x\":" GOOD "}", MLO_ERROR_DUPLICATE, "'a' twice"},
  {"{\"__metadata__\":{\"a\":1},\"x\":" GOOD "}", MLO_ERROR_TYPE, "metadata 'a'"},
  {"{\"__metadata__\":[],\"x\":" GOOD "}", MLO_ERROR_TYPE, "__metadata__"},
  {"{\"x\":5}", MLO_ERROR_TYPE, "'x' is not an object"},
  {"{\"x\":null}", MLO_ERROR_TYPE, "'x' is not an object"},
  {"{\"x\":{\"shape\":[2],\"data_offsets\":[0,8]}}", MLO_ERROR_MISSING, "no dtype"},
  {"{\"x\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", MLO_ERROR_MISSING, "no shape"},
  {"{\"x\":{\"dtype\":\"F32\",\"shape\":[2]}}", MLO_ERROR_MISSING, "no data_offsets"},
  {"{\"x\":{\"dtype\":32,\"shape\":[2],\"data_offsets\":[0,8]}}", MLO_ERROR_TYPE, "dtype"},
  {"{\"x\":{\"dtype\":null,\"shape\":[2],\"data_offsets\":[0,8]}}", MLO_ERROR_TYPE, "dtype"},
  {"{\"x\":" X ("I64", "[1]", "[0,8]") "}", MLO_ERROR_SHAPE, "of type I64"},
  {"{\"x\":" X ("f32", "[2]", "[0,8]") "}", MLO_ERROR_SHAPE, "of type f32"},
  {"{\"x\":" X ("F32", "2", "[0,8]") "}", MLO_ERROR_TYPE, "shape is not a list"},
  {"{\"x\":" X ("F32", "[\"2\"]", "[0,8]") "}", MLO_ERROR_TYPE, "shape[0]"},
  {"{\"x\":" X ("F32", "[2.0]", "[0,8]") "}", MLO_ERROR_TYPE, "shape[0]"},
  {"{\"x\":" X ("F32", "[null]", "[0,8]") "}", MLO_ERROR_TYPE, "shape[0]"},
  {"{\"x\":" X ("F32", "[1,1,1,1,2]", "[0,8]") "}", MLO_ERROR_SHAPE, "5 entries"},
  {"{\"x\":" X ("F32", "[-2]", "[0,8]") "}", MLO_ERROR_RANGE, "shape[0]"},
  {"{\"x\":" X ("F32", "[4294967298]", "[0,8]") "}", MLO_ERROR_RANGE, "shape[0]"},
  {"{\"x\":" X ("F32", "[18446744073709551618]", "[0,8]") "}", MLO_ERROR_RANGE, "shape[0]"},
  {"{\"x\":" X ("F32", "[99999999999999999999999]", "[0,8]") "}", MLO_ERROR_RANGE, "shape[0]"},
  {"{\"x\":" X ("F32", "[1e99]", "[0,8]") "}", MLO_ERROR_TYPE, "shape[0]"},
  {"{\"x\":" X ("F32", "[67108864,67108864,67108864]", "[0,8]") "}", MLO_ERROR_SHAPE, "bytes"},
  {"{\"x\":" X ("F32", "[65536,65536,65536,65536]", "[0,8]") "}", MLO_ERROR_SHAPE, "bytes"},
  {"{\"x\":" X ("F32", "[3]", "[0,8]") "}", MLO_ERROR_SHAPE, "12 bytes"},
  {"{\"x\":" X ("F32", "[2]", "[0]") "}", MLO_ERROR_SHAPE, "1 entries"},
  {"{\"x\":" X ("F32", "[2]", "[0,8,8]") "}", MLO_ERROR_SHAPE, "3 entries"},
  {"{\"x\":" X ("F32", "[2]", "[8,0]") "}", MLO_ERROR_SHAPE, "8 to 0"},
  {"{\"x\":" X ("F32", "[2]", "[-8,0]") "}", MLO_ERROR_RANGE, "data_offsets[0]"},
  {"{\"x\":" X ("F32", "[2]", "[0,9223372036854775807]") "}", MLO_ERROR_RANGE, "data_offsets[1]"},
  {"{\"x\":" X ("F32", "[4]", "[0,16]") "}", MLO_ERROR_TRUNCATED, "16 of 8"},
  {"{\"x\":" X ("F32", "[1]", "[4,8]") "}", MLO_ERROR_FORMAT, "hole"},
  {"{\"x\":" X ("F32", "[1]", "[0,4]") "}", MLO_ERROR_FORMAT, "8 data bytes"},
  {"{\"x\":" GOOD ",\"y\":" X ("F32", "[1]", "[4,8]") "}", MLO_ERROR_FORMAT, "overlap"},
  {"{\"x\":" GOOD ",\"y\":" GOOD "}", MLO_ERROR_FORMAT, "overlap"},
  {"{\"x\":" X ("F32", "[1]", "[0,4]") ",\"y\":" X ("F32", "[1]", "[8,12]") "}", MLO_ERROR_FORMAT, "hole", 12},
};

static void
test_bad_headers (void)
{
  static const guint8 zeros[16];

  for (guint i = 0; i < G_N_ELEMENTS (bad_headers); i++) {
    const char *header = bad_headers[i].header;
    g_autoptr (GByteArray) b = file_from (header, strlen (header), zeros,
        bad_headers[i].bytes ? bad_headers[i].bytes : 8);
    g_autofree guint8 *exact = g_memdup2 (b->data, b->len);
    g_autoptr (GError) error = NULL;
    g_autoptr (MloTensorFile) f = mlo_tensorfile_parse ("bad.safetensors", exact, b->len, &error);

    g_assert_null (f);
    if (!g_error_matches (error, MLO_ERROR, (int) bad_headers[i].code)
        || !strstr (error->message, bad_headers[i].says) || !g_str_has_prefix (error->message, "bad.safetensors: "))
      g_error ("row %u %s: code %d, '%s'", i, header, error->code, error->message);
  }
}

/* Every beginning of a good file is no file. */
static void
test_truncated (void)
{
  static const char header[] = "{\"x\":" GOOD "}";
  static const guint8 zeros[8];
  g_autoptr (GByteArray) b = file_from (header, strlen (header), zeros, 8);

  for (gsize n = 0; n < b->len; n++) {
    g_autofree guint8 *exact = g_memdup2 (b->data, n);
    g_autoptr (GError) error = NULL;

    g_assert_null (mlo_tensorfile_parse ("cut", exact, n, &error));
    g_assert_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED);
  }
}

static void
test_bad_lengths (void)
{
  static const struct
  {
    guint64 length;
    MloError code;
  } rows[] = {
    {MLO_TENSORFILE_MAX_HEADER, MLO_ERROR_TRUNCATED},
    {MLO_TENSORFILE_MAX_HEADER + 1, MLO_ERROR_TOO_LARGE},
    {G_MAXUINT64, MLO_ERROR_TOO_LARGE},
    {G_MAXUINT64 - 7, MLO_ERROR_TOO_LARGE},
    {G_GUINT64_CONSTANT (0x8000000000000000), MLO_ERROR_TOO_LARGE},
    {9, MLO_ERROR_TRUNCATED},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    guint64 file[2] = { GUINT64_TO_LE (rows[i].length), 0 };
    g_autoptr (GError) error = NULL;

    g_assert_null (mlo_tensorfile_parse ("length", (const guint8 *) file, sizeof file, &error));
    g_assert_error (error, MLO_ERROR, (int) rows[i].code);
  }
}

static void
test_not_finite (void)
{
  static const struct
  {
    const char *header;
    guint8 data[16];
    const char *says;
  } rows[] = {
    {"{\"x\":" X ("F32", "[2]", "[0,8]") "}", {0, 0, 0, 0, 0, 0, 0xc0, 0x7f}, "'x': number 1"},
    {"{\"x\":" X ("F32", "[2]", "[0,8]") "}", {0, 0, 0x80, 0xff}, "'x': number 0"},
    {"{\"a\":" X ("F32", "[1]", "[0,4]") ",\"b\":" X ("F32", "[1]", "[4,8]") "}", {0, 0, 0, 0, 1, 0, 0x80, 0x7f},
        "'b': number 0"},
    {"{\"x\":" X ("F16", "[4]", "[0,8]") "}", {0, 0, 0, 0, 0, 0x7c}, "'x': number 2"},
    {"{\"x\":" X ("BF16", "[4]", "[0,8]") "}", {0x80, 0x7f}, "'x': number 0"},
    /* 1e300 is finite as F64 and not as float */
    {"{\"x\":" X ("F64", "[1]", "[0,8]") "}", {0x9c, 0x75, 0x00, 0x88, 0x3c, 0xe4, 0x37, 0x7e}, "'x': number 0"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GByteArray) b = file_from (rows[i].header, strlen (rows[i].header), rows[i].data, 8);
    g_autoptr (GError) error = NULL;

    g_assert_null (mlo_tensorfile_parse ("finite", b->data, b->len, &error));
    g_assert_error (error, MLO_ERROR, MLO_ERROR_NOT_FINITE);
    g_assert_nonnull (strstr (error->message, rows[i].says));
  }
}

/* What would crash json-glib, and what would fill the memory. */
static void
test_floods (void)
{
  const guint n = 900000;
  g_autofree char *brackets = g_strnfill (n, '[');
  g_autoptr (GString) many = g_string_new ("{");
  g_autoptr (GByteArray) deep = NULL, wide = NULL;
  g_autoptr (GError) error = NULL, error2 = NULL;

  memcpy (brackets, "{\"x\":", 5);
  deep = file_from (brackets, n, "", 0);
  g_assert_null (mlo_tensorfile_parse ("deep", deep->data, deep->len, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  for (int i = 0; i <= MLO_TENSORFILE_MAX_TENSORS; i++)
    g_string_append_printf (many, "%s\"t%d\":" X ("F32", "[0]", "[0,0]"), i ? "," : "", i);
  g_string_append (many, "}");
  wide = file_from (many->str, many->len, "", 0);
  g_assert_null (mlo_tensorfile_parse ("many", wide->data, wide->len, &error2));
  g_assert_error (error2, MLO_ERROR, MLO_ERROR_TOO_LARGE);
}

static void
test_random_bytes (void)
{
  const guint64 seed = 5;
  MloRandom r;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  for (int round = 0; round < 2000; round++) {
    static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},\"x\":" X ("F32", "[1,1]", "[0,4]") ",\"y\":"
        X ("F16", "[2]", "[4,8]") "}";
    static const guint8 zeros[8];
    g_autoptr (GByteArray) b = file_from (header, strlen (header), zeros, 8);
    g_autofree guint8 *exact = NULL;
    g_autoptr (GError) error = NULL;
    g_autoptr (MloTensorFile) f = NULL;

    for (guint k = mlo_random_below (&r, 4); k < 4; k++)
      b->data[mlo_random_below (&r, b->len)] = (guint8) mlo_random_u64 (&r);
    exact = g_memdup2 (b->data, b->len);
    f = mlo_tensorfile_parse ("random", exact, b->len, &error);
    g_assert_true ((f == NULL) == (error != NULL));
    if (error)
      g_assert_true (error->domain == MLO_ERROR);
  }
}

static void
test_files (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("mlo-tensorfile-XXXXXX", &error);
  g_autofree char *path = g_build_filename (folder, "a.safetensors", NULL);
  g_autofree char *pipe_path = g_build_filename (folder, "pipe", NULL);
  g_autofree char *large = g_build_filename (folder, "large", NULL);
  g_autofree char *below = g_build_filename (folder, "no", "such", "folder", NULL);
  g_autoptr (MloTensorFile) f = mlo_tensorfile_new (), g = NULL;
  g_autoptr (GDir) dir = NULL;
  const gsize dims[] = { 1 };
  const float one = 1.0f, two = 2.0f;
  int fd, names = 0;

  g_assert_no_error (error);
  g_assert_null (mlo_tensorfile_load (path, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
  g_clear_error (&error);
  g_assert_null (mlo_tensorfile_load (folder, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  g_clear_error (&error);
  g_assert_cmpint (mkfifo (pipe_path, 0600), ==, 0);
  g_assert_null (mlo_tensorfile_load (pipe_path, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  g_assert_nonnull (strstr (error->message, "not a regular file"));
  g_clear_error (&error);
  g_assert_null (mlo_tensorfile_load ("/dev/zero", &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  g_clear_error (&error);
  /* A hole of more than the ceiling takes no space. */
  fd = open (large, O_CREAT | O_WRONLY, 0600);
  g_assert_cmpint (ftruncate (fd, (off_t) MLO_TENSORFILE_MAX_BYTES + 1), ==, 0);
  close (fd);
  g_assert_null (mlo_tensorfile_load (large, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_clear_error (&error);

  mlo_tensorfile_add (f, "x", 1, dims, &one);
  g_assert_true (mlo_tensorfile_save (f, path, &error));
  g_assert_no_error (error);
  g_clear_pointer (&f, mlo_tensorfile_free);
  f = mlo_tensorfile_new ();
  mlo_tensorfile_add (f, "x", 1, dims, &two);
  g_assert_true (mlo_tensorfile_save (f, path, &error));
  g = mlo_tensorfile_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat (mlo_tensorfile_get (g, 0)->data[0], ==, 2.0f);
  g_assert_false (mlo_tensorfile_save (f, below, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
  g_clear_error (&error);
  /* Onto a folder: refused, and nothing stays beside it. */
  g_assert_false (mlo_tensorfile_save (f, folder, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  g_clear_error (&error);

  dir = g_dir_open (folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir)) != NULL; names++) {
    g_autofree char *each = g_build_filename (folder, name, NULL);

    g_unlink (each);
  }
  g_assert_cmpint (names, ==, 3);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tensorfile/round-trip", test_round_trip);
  g_test_add_func ("/tensorfile/layout", test_layout);
  g_test_add_func ("/tensorfile/types", test_types);
  g_test_add_func ("/tensorfile/bad-headers", test_bad_headers);
  g_test_add_func ("/tensorfile/truncated", test_truncated);
  g_test_add_func ("/tensorfile/bad-lengths", test_bad_lengths);
  g_test_add_func ("/tensorfile/not-finite", test_not_finite);
  g_test_add_func ("/tensorfile/floods", test_floods);
  g_test_add_func ("/tensorfile/random-bytes", test_random_bytes);
  g_test_add_func ("/tensorfile/files", test_files);
  return g_test_run ();
}
