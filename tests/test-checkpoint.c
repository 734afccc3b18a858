/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checkpoints that PyTorch wrote (golden/make_checkpoints.py), and archives made wrong here. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <glib/gstdio.h>

#include "mlo-bitrate-predictor.h"
#include "mlo-checkpoint.h"
#include "mlo-error.h"
#include "mlo-quality-optimizer.h"
#include "mlo-zip.h"

/* --- what PyTorch wrote --- */

/* Bit by bit what the safetensors file holds, which make_golden.py wrote from the same tensors. */
static void
assert_same (const MloTensorFile * got, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTensorFile) want = mlo_tensorfile_load (expected, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (mlo_tensorfile_size (got), ==, mlo_tensorfile_size (want));
  for (guint i = 0; i < mlo_tensorfile_size (want); i++) {
    const MloTensor *a = mlo_tensorfile_get (want, i), *b = mlo_tensorfile_find (got, a->name);

    g_test_message ("%s", a->name);
    g_assert_nonnull (b);
    g_assert_cmpmem (a->dims, a->n_dims * sizeof *a->dims, b->dims, b->n_dims * sizeof *b->dims);
    g_assert_cmpmem (a->data, a->count * sizeof (float), b->data, b->count * sizeof (float));
  }
}

static void
test_written_by_torch (void)
{
  static const struct
  {
    const char *file, *expected;
    double epsilon;             /* NAN: none */
    const char *left_out;
  } rows[] = {
    {"bitrate_predictor.pt", "predictor.safetensors", NAN, ""},
    {"quality_optimizer.pt", "optimizer.safetensors", 0.05, "target_model_state_dict"},
    {"layouts.pt", "layouts.safetensors", NAN, ""},
    {"protocol4.pt", "layouts.safetensors", NAN, ""},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *file = g_strconcat (TEST_GOLDEN, rows[i].file, NULL);
    g_autofree char *expected = g_strconcat (TEST_GOLDEN, rows[i].expected, NULL);
    g_autofree char *left_out = NULL;
    g_autoptr (GError) error = NULL;
    g_autoptr (MloCheckpoint) c = mlo_checkpoint_load (file, &error);

    g_assert_no_error (error);
    assert_same (c->tensors, expected);
    g_assert_true (c->has_epsilon == isfinite (rows[i].epsilon));
    if (c->has_epsilon)
      g_assert_cmpfloat (c->epsilon, ==, rows[i].epsilon);
    left_out = g_strjoinv (" ", c->left_out);
    g_assert_cmpstr (left_out, ==, rows[i].left_out);
  }
}

static void
test_refused (void)
{
  static const struct
  {
    const char *file;
    MloError code;
    const char *says;
  } rows[] = {
    {"legacy.pt", MLO_ERROR_VERSION, "before PyTorch 1.6"},
    {"module.pt", MLO_ERROR_TYPE, "byte 2, GLOBAL: 'torch.nn.modules.linear Linear'"},
    {"evil.pt", MLO_ERROR_TYPE, "GLOBAL: 'posix system'"},
    {"long.pt", MLO_ERROR_TYPE, "'torch LongStorage'"},
    {"predictor.safetensors", MLO_ERROR_FORMAT, "not a zip"},
    {"nowhere.pt", MLO_ERROR_MISSING, "cannot open"},
    {"", MLO_ERROR_IO, "not a regular file"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *file = g_strconcat (TEST_GOLDEN, rows[i].file, NULL);
    g_autoptr (GError) error = NULL;

    g_assert_null (mlo_checkpoint_load (file, &error));
    if (!g_error_matches (error, MLO_ERROR, (int) rows[i].code) || !strstr (error->message, rows[i].says)
        || !g_str_has_prefix (error->message, file))
      g_error ("%s: code %d, '%s'", rows[i].file, error->code, error->message);
  }
}

/* --- archives made here --- */

typedef struct
{
  const char *name;
  const void *data;
  gsize size;
} Member;

/* (transfer full) @compression: of libarchive's zip writer, "store" or "deflate". */
static GByteArray *
make_zip (const Member * members, guint n, const char *compression)
{
  struct archive *a = archive_write_new ();
  gsize room = 4096, used = 0;
  g_autofree guint8 *buffer = NULL;
  GByteArray *out = g_byte_array_new ();

  for (guint i = 0; i < n; i++)
    room += members[i].size + 512;
  buffer = g_malloc (room);
  g_assert_cmpint (archive_write_set_format_zip (a), ==, ARCHIVE_OK);
  g_assert_cmpint (archive_write_set_format_option (a, "zip", "compression", compression), ==, ARCHIVE_OK);
  g_assert_cmpint (archive_write_open_memory (a, buffer, room, &used), ==, ARCHIVE_OK);
  for (guint i = 0; i < n; i++) {
    struct archive_entry *e = archive_entry_new ();

    archive_entry_set_pathname (e, members[i].name);
    archive_entry_set_size (e, (gint64) members[i].size);
    archive_entry_set_filetype (e, AE_IFREG);
    archive_entry_set_perm (e, 0644);
    g_assert_cmpint (archive_write_header (a, e), ==, ARCHIVE_OK);
    if (members[i].size > 0)
      g_assert_cmpint (archive_write_data (a, members[i].data, members[i].size), ==, (gssize) members[i].size);
    archive_entry_free (e);
  }
  g_assert_cmpint (archive_write_close (a), ==, ARCHIVE_OK);
  archive_write_free (a);
  g_byte_array_append (out, buffer, (guint) used);
  return out;
}

static MloCheckpoint *
parse_zip (const Member * members, guint n, GError ** error)
{
  g_autoptr (GByteArray) zip = make_zip (members, n, "store");
  g_autofree guint8 *exact = g_memdup2 (zip->data, zip->len);

  return mlo_checkpoint_parse ("made.pt", exact, zip->len, error);
}

#define TEXT(n, s) "X" n "\0\0\0" s
/* {'a': a tensor (2) on a storage '0' of two floats} */
#define TENSOR "ctorch._utils\n_rebuild_tensor_v2\n((" TEXT ("\7", "storage") "ctorch\nFloatStorage\n" \
    TEXT ("\1", "0") TEXT ("\3", "cpu") "K\2tQK\0K\2\x85K\1\x85\x89" "ccollections\nOrderedDict\n)RtR"
#define DICT_OF(value) "\x80\2}" TEXT ("\1", "a") value "s."
#define LITERAL(name, text) {name, text, sizeof (text) - 1}

static const float two[] = { 1.5f, -2.0f };

#define NUMBERS {"x/data/0", two, sizeof two}
#define GOOD LITERAL ("x/data.pkl", DICT_OF (TENSOR))

static void
test_bad_archives (void)
{
  static const float not_finite[] = { 1.0f, NAN }, infinite[] = { INFINITY, 0.0f };
  static const struct
  {
    Member members[3];
    guint n;
    MloError code;
    const char *says;
  } rows[] = {
    {{GOOD}, 1, MLO_ERROR_MISSING, "no x/data/0"},
    {{NUMBERS}, 1, MLO_ERROR_MISSING, "no data.pkl"},
    {{LITERAL ("data.pkl", DICT_OF (TENSOR)), NUMBERS}, 2, MLO_ERROR_MISSING, "no data.pkl"},
    {{LITERAL ("x/y/data.pkl", DICT_OF (TENSOR)), NUMBERS}, 2, MLO_ERROR_MISSING, "no data.pkl"},
    {{GOOD, NUMBERS, LITERAL ("y/data.pkl", DICT_OF (TENSOR))}, 3, MLO_ERROR_DUPLICATE, "several data.pkl"},
    {{GOOD, NUMBERS, NUMBERS}, 3, MLO_ERROR_DUPLICATE, "x/data/0 is there twice"},
    {{GOOD, {"x/data/0", two, 4}}, 2, MLO_ERROR_SHAPE, "x/data/0 has 4 bytes, not 8"},
    {{GOOD, {"x/data/0", two, 0}}, 2, MLO_ERROR_SHAPE, "0 bytes, not 8"},
    {{GOOD, NUMBERS, LITERAL ("x/byteorder", "big")}, 3, MLO_ERROR_FORMAT, "byteorder"},
    {{GOOD, {"x/data/0", not_finite, 8}}, 2, MLO_ERROR_NOT_FINITE, "'a' holds"},
    {{GOOD, {"x/data/0", infinite, 8}}, 2, MLO_ERROR_NOT_FINITE, "'a' holds"},
    {{LITERAL ("x/data.pkl", ""), NUMBERS}, 2, MLO_ERROR_TRUNCATED, "data.pkl: ends at byte 0"},
    {{LITERAL ("x/data.pkl", "\x80\2]."), NUMBERS}, 2, MLO_ERROR_TYPE, "data.pkl: a list, not a dict"},
    {{LITERAL ("x/data.pkl", "\x80\2" TENSOR "."), NUMBERS}, 2, MLO_ERROR_TYPE, "a tensor, not a dict"},
    {{LITERAL ("x/data.pkl", DICT_OF ("K\1")), NUMBERS}, 2, MLO_ERROR_TYPE, "'a' is an integer, not a tensor"},
    {{LITERAL ("x/data.pkl", DICT_OF ("}")), NUMBERS}, 2, MLO_ERROR_TYPE, "'a' is a dict, not a tensor"},
    {{LITERAL ("x/data.pkl", "\x80\2}K\1" TENSOR "s."), NUMBERS}, 2, MLO_ERROR_TYPE, "an integer as a tensor's name"},
    {{LITERAL ("x/data.pkl", "\x80\2}" TEXT ("\x10", "model_state_dict") "Ns."), NUMBERS}, 2, MLO_ERROR_TYPE,
        "'model_state_dict' is no dict"},
    {{LITERAL ("x/data.pkl", "\x80\2}(" TEXT ("\x10", "model_state_dict") "}" TEXT ("\7", "epsilon") "]u."), NUMBERS},
        2, MLO_ERROR_TYPE, "'epsilon' is no number"},
    {{LITERAL ("x/data.pkl", "\x80\2}(" TEXT ("\x10", "model_state_dict") "}" TEXT ("\7", "epsilon") "K\2u."),
            NUMBERS}, 2, MLO_ERROR_RANGE, "'epsilon' is not within"},
    {{LITERAL ("x/data.pkl", "\x80\2}(" TEXT ("\x10", "model_state_dict") "}" TEXT ("\7", "epsilon")
                "G\x7f\xf8\0\0\0\0\0\0u."), NUMBERS}, 2, MLO_ERROR_RANGE, "'epsilon' is not within"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (parse_zip (rows[i].members, rows[i].n, &error));
    if (!g_error_matches (error, MLO_ERROR, (int) rows[i].code) || !strstr (error->message, rows[i].says)
        || !g_str_has_prefix (error->message, "made.pt: "))
      g_error ("row %u: code %d, '%s'", i, error->code, error->message);
  }
}

static void
test_good_archive (void)
{
  const Member members[] = { GOOD, NUMBERS, LITERAL ("x/byteorder", "little") };
  g_autoptr (GError) error = NULL;
  g_autoptr (MloCheckpoint) c = parse_zip (members, 3, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (mlo_tensorfile_size (c->tensors), ==, 1);
  g_assert_cmpmem (mlo_tensorfile_find (c->tensors, "a")->data, 8, two, 8);
}

/* Every beginning of a good file is none, and no flipped bit of what is read goes unnoticed. */
static void
test_damaged (void)
{
  const Member members[] = { GOOD, NUMBERS };
  g_autoptr (GByteArray) zip = make_zip (members, 2, "deflate");

  for (gsize n = 0; n < zip->len; n++) {
    g_autofree guint8 *exact = g_memdup2 (zip->data, n);
    g_autoptr (GError) error = NULL;

    g_assert_null (mlo_checkpoint_parse ("cut", exact, n, &error));
    g_assert_true (error->domain == MLO_ERROR);
    if (n >= 4)
      g_assert_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED);
  }
  for (gsize i = 0; i < zip->len; i++) {
    g_autofree guint8 *flipped = g_memdup2 (zip->data, zip->len);
    g_autoptr (GError) error = NULL;
    g_autoptr (MloCheckpoint) c = NULL;

    flipped[i] ^= 0x10;
    c = mlo_checkpoint_parse ("flipped", flipped, zip->len, &error);
    if (c)
      g_assert_cmpmem (mlo_tensorfile_get (c->tensors, 0)->data, 8, two, 8);
    else
      g_assert_true (error->domain == MLO_ERROR);
  }
}

/* 66 MiB of zeros in less than one. */
static void
test_bomb (void)
{
  const gsize size = 33u << 20;
  g_autofree guint8 *zeros = g_malloc0 (size);
  const Member members[] = { GOOD, {"x/data/0", zeros, size}, {"x/data/1", zeros, size} };
  g_autoptr (GByteArray) zip = make_zip (members, 3, "deflate");
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (zip->len, <, 1u << 20);
  g_assert_null (mlo_checkpoint_parse ("bomb.pt", zip->data, zip->len, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_assert_nonnull (strstr (error->message, "when unpacked"));
}

static void
test_many_files (void)
{
  const guint n = MLO_ZIP_MAX_FILES + 1;
  g_autofree Member *members = g_new0 (Member, n);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GByteArray) zip = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < n; i++) {
    g_ptr_array_add (names, g_strdup_printf ("x/data/%u", i));
    members[i].name = names->pdata[i];
  }
  zip = make_zip (members, n, "store");
  g_assert_null (mlo_checkpoint_parse ("many.pt", zip->data, zip->len, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
}

/* One storage of two numbers, seen as several tensors of 32 MiB: sizes (2^22, 2), strides (0, 1). */
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n("
#define LARGE "K\0J\0\0\x40\0K\2\x86K\0K\1\x86\x89" "ccollections\nOrderedDict\n)RtR"

static void
test_expanded (void)
{
  static const char pickle[] = "\x80\2}("
      TEXT ("\1", "a") REBUILD "(" TEXT ("\7", "storage") "ctorch\nFloatStorage\n" TEXT ("\1", "0") TEXT ("\3", "cpu")
      "K\2tQq\0" LARGE TEXT ("\1", "b") REBUILD "h\0" LARGE TEXT ("\1", "c") REBUILD "h\0" LARGE "u.";
  const Member members[] = { LITERAL ("x/data.pkl", pickle), NUMBERS };
  g_autoptr (GError) error = NULL;

  g_assert_null (parse_zip (members, 2, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_assert_nonnull (strstr (error->message, "'c' is one tensor or byte too many"));
}

/* --- the tool --- */

static int
run_tool (char **err, const char *first, ...)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  va_list args;
  int status;

  g_ptr_array_add (argv, (gpointer) g_getenv ("MLO_TOOL"));
  g_ptr_array_add (argv, (gpointer) "model");
  g_ptr_array_add (argv, (gpointer) "import");
  va_start (args, first);
  while (first) {
    g_ptr_array_add (argv, (gpointer) first);
    first = va_arg (args, const char *);
  }
  va_end (args);
  g_ptr_array_add (argv, NULL);
  g_assert_true (g_spawn_sync (NULL, (char **) argv->pdata, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, err,
          &status, &error));
  g_assert_no_error (error);
  return g_spawn_check_wait_status (status, &error) ? 0 : error->code;
}

/* Outputs within 1e-5 of PyTorch's, from the file that the tool made. */
static void
test_tool_outputs (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-import-XXXXXX", NULL);
  g_autofree char *a = g_build_filename (folder, "a.safetensors", NULL);
  g_autofree char *b = g_build_filename (folder, "b.safetensors", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTensorFile) vectors = mlo_tensorfile_load (TEST_GOLDEN "vectors.safetensors", &error), made = NULL;
  g_autoptr (MloBitratePredictor) p = NULL;
  g_autoptr (MloPredictorState) s = NULL;
  g_autoptr (MloQualityOptimizer) q = NULL;
  const MloTensor *samples, *kbps, *x, *y;
  const MloField fields[] = { MLO_FIELD_LATENCY, MLO_FIELD_JITTER, MLO_FIELD_PACKET_LOSS, MLO_FIELD_BANDWIDTH,
    MLO_FIELD_COMPLEXITY, MLO_FIELD_BITRATE
  };

  g_assert_no_error (error);
  g_assert_cmpint (run_tool (NULL, TEST_GOLDEN "bitrate_predictor.pt", a, NULL), ==, 0);
  g_assert_cmpint (run_tool (NULL, TEST_GOLDEN "quality_optimizer.pt", b, NULL), ==, 0);
  p = mlo_bitrate_predictor_load (a, &error);
  g_assert_no_error (error);
  g_assert_cmpint (mlo_bitrate_predictor_config (p)->form, ==, MLO_FORM_WINDOW);
  g_assert_cmpint (mlo_bitrate_predictor_config (p)->scaling.kind, ==, MLO_SCALING_REFERENCE);
  s = mlo_predictor_state_new (p);
  samples = mlo_tensorfile_find (vectors, "ticks.samples");
  kbps = mlo_tensorfile_find (vectors, "ticks.kbps");
  for (gsize t = 0; t < samples->dims[0]; t++) {
    MloSample sample = { 0 };

    for (gsize k = 0; k < G_N_ELEMENTS (fields); k++)
      g_assert_true (mlo_sample_set (&sample, fields[k], (double) samples->data[t * 6 + k]));
    /* 1e-5 of the output's range */
    g_assert_cmpfloat_with_epsilon (mlo_bitrate_predictor_step (p, s, &sample), (double) kbps->data[t], 0.18);
  }
  q = mlo_quality_optimizer_load (b, &error);
  g_assert_no_error (error);
  x = mlo_tensorfile_find (vectors, "dqn.x");
  y = mlo_tensorfile_find (vectors, "dqn.y");
  for (gsize i = 0; i < x->dims[0]; i++) {
    float values[MLO_N_ACTIONS];

    g_assert_true (mlo_quality_optimizer_values (q, x->data + i * MLO_OPTIMIZER_FEATURES, values));
    for (gsize k = 0; k < MLO_N_ACTIONS; k++)
      g_assert_cmpfloat_with_epsilon (values[k], y->data[i * MLO_N_ACTIONS + k], 1e-5);
  }
  made = mlo_tensorfile_load (b, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (mlo_tensorfile_metadata (made, "training"), ==,
      "imported from PyTorch: quality_optimizer.pt, epsilon 0.05");
  g_unlink (a);
  g_unlink (b);
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

/* Nothing is written, nothing is run, the message says what it was. */
static void
test_tool_errors (void)
{
  static const struct
  {
    const char *options, *file;
    int exit;
    const char *says;
  } rows[] = {
    {"--min-bitrate=500", "evil.pt", 1, "'posix system'"},
    {"--min-bitrate=500", "layouts.pt", 1, "without the tensors"},
    {"--min-bitrate=500", "nowhere.pt", 1, "nowhere.pt"},
    {"--min-bitrate=30000", "bitrate_predictor.pt", 2, "--min-bitrate 30000"},
    {"--max-bitrate=nan", "bitrate_predictor.pt", 2, "--max-bitrate nan"},
    {"--interval=0", "bitrate_predictor.pt", 2, "--interval 0"},
    {"--nonsense", "bitrate_predictor.pt", 2, "--nonsense"},
  };
  g_autofree char *folder = g_dir_make_tmp ("mlo-import-XXXXXX", NULL);
  g_autofree char *out = g_build_filename (folder, "out.safetensors", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *file = g_strconcat (TEST_GOLDEN, rows[i].file, NULL);
    g_autofree char *err = NULL;

    g_assert_cmpint (run_tool (&err, rows[i].options, file, out, NULL), ==, rows[i].exit);
    if (!strstr (err, rows[i].says))
      g_error ("%s %s: '%s'", rows[i].options, rows[i].file, err);
  }
  g_assert_cmpint (run_tool (NULL, TEST_GOLDEN "bitrate_predictor.pt", NULL), ==, 2);
  /* the folder is as empty as it was */
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/checkpoint/written-by-torch", test_written_by_torch);
  g_test_add_func ("/checkpoint/refused", test_refused);
  g_test_add_func ("/checkpoint/bad-archives", test_bad_archives);
  g_test_add_func ("/checkpoint/good-archive", test_good_archive);
  g_test_add_func ("/checkpoint/damaged", test_damaged);
  g_test_add_func ("/checkpoint/bomb", test_bomb);
  g_test_add_func ("/checkpoint/many-files", test_many_files);
  g_test_add_func ("/checkpoint/expanded", test_expanded);
  g_test_add_func ("/checkpoint/tool/outputs", test_tool_outputs);
  g_test_add_func ("/checkpoint/tool/errors", test_tool_errors);
  return g_test_run ();
}
