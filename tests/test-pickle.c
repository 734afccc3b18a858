/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "mlo-error.h"
#include "mlo-pickle.h"

/* Pieces of pickles, protocol 2. */
#define P "\x80\x02"
#define STORAGE_CLASS "ctorch\nFloatStorage\n"
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define ORDERED "ccollections\nOrderedDict\n"
#define TEXT(n, s) "X" n "\0\0\0" s
/* ('storage', FloatStorage, '0', 'cpu', 24) */
#define STORAGE_OF(class, key, count) "(" TEXT ("\7", "storage") class key TEXT ("\3", "cpu") count "tQ"
#define STORAGE STORAGE_OF (STORAGE_CLASS, TEXT ("\1", "0"), "K\x18")
#define REST "\x89" ORDERED ")R"
#define TENSOR(offset, sizes, strides) REBUILD "(" STORAGE offset sizes strides REST "tR"

typedef struct
{
  const char *what;
  const char *bytes;
  gsize size;
  MloError code;
  const char *says;
} Bad;

#define ROW(what, bytes, code, says) {what, bytes, sizeof (bytes) - 1, code, says}

static const Bad bad[] = {
  ROW ("nothing", "", MLO_ERROR_TRUNCATED, "byte 0 without STOP"),
  ROW ("text", "hello", MLO_ERROR_FORMAT, "0x68 where PROTO"),
  ROW ("protocol 0", "(dp0\n.", MLO_ERROR_FORMAT, "where PROTO"),
  ROW ("no version", "\x80", MLO_ERROR_TRUNCATED, "byte 0, PROTO"),
  ROW ("protocol 1", "\x80\x01.", MLO_ERROR_VERSION, "protocol 1"),
  ROW ("protocol 6", "\x80\x06.", MLO_ERROR_VERSION, "protocol 6"),
  ROW ("PROTO again", P "\x80\x02N.", MLO_ERROR_FORMAT, "byte 2, PROTO"),
  ROW ("no STOP", P "N", MLO_ERROR_TRUNCATED, "byte 3 without STOP"),
  ROW ("empty stack", P ".", MLO_ERROR_FORMAT, "0 values"),
  ROW ("two values", P "NN.", MLO_ERROR_FORMAT, "2 values"),
  ROW ("open mark", P "(N.", MLO_ERROR_FORMAT, "1 marks"),
  ROW ("bytes behind", P "N.N", MLO_ERROR_FORMAT, "1 bytes follow"),
  /* names */
  ROW ("os.system", P "cos\nsystem\n" TEXT ("\2", "id") "\x85R.", MLO_ERROR_TYPE, "byte 2, GLOBAL: 'os system'"),
  ROW ("posix.system", P "cposix\nsystem\n" TEXT ("\2", "id") "\x85R.", MLO_ERROR_TYPE, "'posix system'"),
  ROW ("eval", P "c__builtin__\neval\n.", MLO_ERROR_TYPE, "'__builtin__ eval'"),
  ROW ("os.system, protocol 4", "\x80\x04\x8c\2os\x8c\6system\x93.", MLO_ERROR_TYPE, "STACK_GLOBAL: 'os system'"),
  ROW ("another name of torch", P "ctorch\nload\n.", MLO_ERROR_TYPE, "'torch load'"),
  ROW ("integers", P "ctorch\nLongStorage\n.", MLO_ERROR_TYPE, "'torch LongStorage'"),
  ROW ("dotted", P "ctorch\nFloatStorage.__init__\n.", MLO_ERROR_TYPE, "FloatStorage.__init__"),
  ROW ("an escape in a name", P "c\x1b[2J\nx\n.", MLO_ERROR_TYPE, "\\033[2J"),
  ROW ("a zero in a name", P "cos\0\nsystem\n.", MLO_ERROR_FORMAT, "zero byte"),
  ROW ("a name without end", P "ctorch", MLO_ERROR_TRUNCATED, "does not end"),
  ROW ("half a name", P "ctorch\nFloat", MLO_ERROR_TRUNCATED, "does not end"),
  ROW ("a name of numbers", "\x80\x04K\1K\2\x93.", MLO_ERROR_TYPE, "an integer and an integer as a name"),
  /* opcodes that build objects, and those that are of no use to us */
  ROW ("INST", P "(ios\nsystem\n.", MLO_ERROR_TYPE, "byte 3, INST: opcode 0x69"),
  ROW ("OBJ", P "(" STORAGE_CLASS "o.", MLO_ERROR_TYPE, "OBJ"),
  ROW ("NEWOBJ", P ORDERED ")\x81.", MLO_ERROR_TYPE, "NEWOBJ"),
  ROW ("NEWOBJ_EX", "\x80\x04" ORDERED ")}\x92.", MLO_ERROR_TYPE, "NEWOBJ_EX"),
  ROW ("EXT1", P "\x82\x01.", MLO_ERROR_TYPE, "EXT1"),
  ROW ("PERSID", P "Px\n.", MLO_ERROR_TYPE, "PERSID"),
  ROW ("DUP", P "N2.", MLO_ERROR_TYPE, "DUP"),
  ROW ("LONG4", P "\x8b\xff\xff\xff\x7f.", MLO_ERROR_TYPE, "LONG4"),
  ROW ("STRING", P "S'x'\n.", MLO_ERROR_TYPE, "STRING"),
  ROW ("no opcode", P "\xff.", MLO_ERROR_TYPE, "opcode 0xff"),
  /* calls */
  ROW ("calls a storage class", P STORAGE_CLASS "K\1\x85R.", MLO_ERROR_TYPE, "calls 'torch FloatStorage'"),
  ROW ("calls a text", P TEXT ("\1", "x") ")R.", MLO_ERROR_TYPE, "REDUCE: calls a text"),
  ROW ("calls a dict", P "})R.", MLO_ERROR_TYPE, "calls a dict"),
  ROW ("arguments no tuple", P ORDERED "]R.", MLO_ERROR_TYPE, "arguments are a list"),
  ROW ("OrderedDict of something", P ORDERED "]\x85R.", MLO_ERROR_TYPE, "OrderedDict of 1 arguments"),
  ROW ("REDUCE of nothing", P "R.", MLO_ERROR_FORMAT, "0 of 2"),
  ROW ("BUILD of a list", P "]}b.", MLO_ERROR_TYPE, "attributes of a list"),
  ROW ("BUILD from a tuple", P "})b.", MLO_ERROR_TYPE, "from a tuple"),
  ROW ("BUILD of a storage", P STORAGE "}b.", MLO_ERROR_TYPE, "attributes of a storage"),
  /* stack and marks */
  ROW ("TUPLE without MARK", P "t.", MLO_ERROR_FORMAT, "without a MARK"),
  ROW ("TUPLE3 of two", P "NN\x87.", MLO_ERROR_FORMAT, "2 of 3"),
  ROW ("TUPLE1 across a mark", P "N(\x85.", MLO_ERROR_FORMAT, "0 of 1"),
  ROW ("APPEND to nothing", P "Na.", MLO_ERROR_FORMAT, "1 of 2"),
  ROW ("APPEND to a tuple", P ")Na.", MLO_ERROR_TYPE, "into a tuple"),
  ROW ("SETITEM into a list", P "]NNs.", MLO_ERROR_TYPE, "into a list"),
  ROW ("SETITEMS without a dict", P "(NNu.", MLO_ERROR_FORMAT, "2 of 3"),
  ROW ("SETITEMS, odd", P "}(K\1u.", MLO_ERROR_FORMAT, "key without a value"),
  ROW ("a key that is a list", P "}]Ns.", MLO_ERROR_TYPE, "a list as a key"),
  ROW ("a key twice", P "}(" TEXT ("\1", "x") "N" TEXT ("\1", "x") "Nu.", MLO_ERROR_DUPLICATE, "'x' twice"),
  /* numbers and texts */
  ROW ("a huge integer", P "\x8a\x09\0\0\0\0\0\0\0\0\1.", MLO_ERROR_TOO_LARGE, "9 bytes"),
  ROW ("an integer cut short", P "\x8a\x08\1\1", MLO_ERROR_TRUNCATED, "wants 8"),
  ROW ("a number cut short", P "G\1\2\3", MLO_ERROR_TRUNCATED, "wants 8"),
  ROW ("a text of 2 GiB", P "X\xff\xff\xff\x7fx.", MLO_ERROR_TOO_LARGE, "2147483647 bytes"),
  ROW ("a text cut short", P "X\5\0\0\0ab", MLO_ERROR_TRUNCATED, "wants 5"),
  ROW ("not UTF-8", P "X\1\0\0\0\xff.", MLO_ERROR_FORMAT, "UTF-8"),
  ROW ("a zero in a text", P "X\3\0\0\0a\0b.", MLO_ERROR_FORMAT, "zero byte"),
  ROW ("a frame too long", "\x80\x04\x95\xff\0\0\0\0\0\0\0N.", MLO_ERROR_TRUNCATED, "FRAME: of 255 bytes"),
  /* memo */
  ROW ("an empty place", P "h\0.", MLO_ERROR_FORMAT, "place 0 of the memo is empty"),
  ROW ("a place far off", P "Nj\xff\xff\xff\xff.", MLO_ERROR_FORMAT, "place 4294967295"),
  ROW ("a memo of 4 billion", P "Nr\xff\xff\xff\xff.", MLO_ERROR_TOO_LARGE, "place 4294967295"),
  ROW ("put of nothing", P "q\0.", MLO_ERROR_FORMAT, "0 of 1"),
  /* storages */
  ROW ("id of a text", P TEXT ("\1", "x") "Q.", MLO_ERROR_TYPE, "no tuple of five"),
  ROW ("id of four", P "(NNNNtQ.", MLO_ERROR_TYPE, "no tuple of five"),
  ROW ("id of a module", P "(" TEXT ("\6", "module") "NNNNtQ.", MLO_ERROR_TYPE, "not of a 'storage'"),
  ROW ("no class", P STORAGE_OF ("N", TEXT ("\1", "0"), "K\1") ".", MLO_ERROR_TYPE, "class is None"),
  ROW ("a class that is none", P STORAGE_OF (ORDERED, TEXT ("\1", "0"), "K\1") ".", MLO_ERROR_TYPE,
      "class is OrderedDict"),
  ROW ("key an integer", P STORAGE_OF (STORAGE_CLASS, "K\0", "K\1") ".", MLO_ERROR_TYPE, "key is an integer"),
  ROW ("key a path", P STORAGE_OF (STORAGE_CLASS, TEXT ("\4", "../x"), "K\1") ".", MLO_ERROR_FORMAT, "letters"),
  ROW ("key empty", P STORAGE_OF (STORAGE_CLASS, TEXT ("\0", ""), "K\1") ".", MLO_ERROR_TYPE, "empty"),
  ROW ("length a text", P STORAGE_OF (STORAGE_CLASS, TEXT ("\1", "0"), TEXT ("\1", "1")) ".", MLO_ERROR_TYPE,
      "length is a text"),
  ROW ("length negative", P STORAGE_OF (STORAGE_CLASS, TEXT ("\1", "0"), "J\xff\xff\xff\xff") ".", MLO_ERROR_RANGE,
      "length -1"),
  ROW ("length huge", P STORAGE_OF (STORAGE_CLASS, TEXT ("\1", "0"), "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f") ".",
      MLO_ERROR_RANGE, "9223372036854775807"),
  /* tensors; the storage has 24 numbers */
  ROW ("few arguments", P REBUILD "(" STORAGE "tR.", MLO_ERROR_FORMAT, "1 arguments"),
  ROW ("no storage", P REBUILD "(NK\0))" REST "tR.", MLO_ERROR_TYPE, "storage is None"),
  ROW ("size a list", P TENSOR ("K\0", "]", ")") ".", MLO_ERROR_TYPE, "size is a list"),
  ROW ("size a text", P TENSOR ("K\0", TEXT ("\1", "2") "\x85", "K\1\x85") ".", MLO_ERROR_TYPE, "size is a text"),
  ROW ("size a bool", P TENSOR ("K\0", "\x88\x85", "K\1\x85") ".", MLO_ERROR_TYPE, "size is a bool"),
  ROW ("size negative", P TENSOR ("K\0", "J\xff\xff\xff\xff\x85", "K\1\x85") ".", MLO_ERROR_RANGE, "size -1"),
  ROW ("stride negative", P TENSOR ("K\5", "K\2\x85", "J\xff\xff\xff\xff\x85") ".", MLO_ERROR_RANGE, "stride -1"),
  ROW ("offset negative", P TENSOR ("J\xff\xff\xff\xff", "K\2\x85", "K\1\x85") ".", MLO_ERROR_RANGE, "offset -1"),
  ROW ("five axes", P TENSOR ("K\0", "(K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1t") ".", MLO_ERROR_SHAPE,
      "5 numbers as size"),
  ROW ("sizes without strides", P TENSOR ("K\0", "K\2K\2\x86", "K\1\x85") ".", MLO_ERROR_SHAPE,
      "2 sizes and 1 strides"),
  ROW ("one number too many", P TENSOR ("K\0", "K\x19\x85", "K\1\x85") ".", MLO_ERROR_SHAPE,
      "number 24 of a storage of 24"),
  ROW ("an offset too far", P TENSOR ("K\x17", "K\2\x85", "K\1\x85") ".", MLO_ERROR_SHAPE, "number 24"),
  ROW ("a scalar behind the end", P TENSOR ("K\x18", ")", ")") ".", MLO_ERROR_SHAPE, "number 24"),
  ROW ("strides too far", P TENSOR ("K\0", "K\2K\2\x86", "K\x17K\1\x86") ".", MLO_ERROR_SHAPE, "number 24"),
  ROW ("a product of 2^50", P TENSOR ("K\0", "J\0\0\0\2J\0\0\0\2\x86", "K\0K\0\x86") ".", MLO_ERROR_TOO_LARGE,
      "a tensor of more than"),
  ROW ("a product that wraps", P TENSOR ("K\0", "(J\0\0\0\1J\0\0\0\1J\0\0\0\1J\0\0\0\1t", "(K\0K\0K\0K\0t") ".",
      MLO_ERROR_TOO_LARGE, "a tensor of more than"),
  ROW ("requires_grad a number", P REBUILD "(" STORAGE "K\0))K\0" ORDERED ")RtR.", MLO_ERROR_TYPE, "requires_grad"),
  ROW ("hooks", P REBUILD "(" STORAGE "K\0))\x89}NNstR.", MLO_ERROR_TYPE, "None as a key"),
  ROW ("hooks filled", P REBUILD "(" STORAGE "K\0))\x89}K\1NstR.", MLO_ERROR_TYPE, "backward_hooks"),
};

static MloPickle *
parse (const void *bytes, gsize size, GError ** error)
{
  /* an exact heap block: a sanitizer sees a read past its end */
  g_autofree guint8 *exact = g_memdup2 (bytes, size);

  return mlo_pickle_parse ("bad", exact, size, error);
}

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (MloPickle) p = parse (bad[i].bytes, bad[i].size, &error);

    if (p || !g_error_matches (error, MLO_ERROR, (int) bad[i].code) || !strstr (error->message, bad[i].says)
        || !g_str_has_prefix (error->message, "bad: "))
      g_error ("%s: code %d, '%s'", bad[i].what, error ? error->code : -1, error ? error->message : "no error");
  }
}

/* @before, @times x @piece, @after. */
static MloPickle *
parse_repeated (const char *before, const char *piece, gsize piece_size, guint times, const char *after,
    GError ** error)
{
  g_autoptr (GByteArray) b = g_byte_array_new ();

  g_byte_array_append (b, (const guint8 *) P, 2);
  g_byte_array_append (b, (const guint8 *) before, (guint) strlen (before));
  for (guint i = 0; i < times; i++)
    g_byte_array_append (b, (const guint8 *) piece, (guint) piece_size);
  g_byte_array_append (b, (const guint8 *) after, (guint) strlen (after));
  return parse (b->data, b->len, error);
}

/* What is small in the file and large in memory, or deep. */
static void
test_bombs (void)
{
  static const struct
  {
    const char *what, *before, *piece;
    gsize size;
    guint times;
    const char *after;
    MloError code;
    const char *says;
  } rows[] = {
    {"marks", "", "(", 1, 100000, ".", MLO_ERROR_TOO_LARGE, "nested deeper than 64"},
    {"values", "", "}", 1, 100000, ".", MLO_ERROR_TOO_LARGE, "more than 65536 values"},
    {"tuples in tuples", ")", "\x85", 1, 100000, ".", MLO_ERROR_TOO_LARGE, "more than 65536 values"},
    {"references", "Nq", "\0h", 2, 100000, "", MLO_ERROR_TOO_LARGE, "on the stack"},
    {"a name", "c", "x", 1, 100000, "\n", MLO_ERROR_TOO_LARGE, "does not end"},
    {"bytes", "", "N", 1, MLO_PICKLE_MAX_BYTES, ".", MLO_ERROR_TOO_LARGE, "more than 1048576"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (MloPickle) p = parse_repeated (rows[i].before, rows[i].piece, rows[i].size, rows[i].times,
        rows[i].after, &error);

    if (p || !g_error_matches (error, MLO_ERROR, (int) rows[i].code) || !strstr (error->message, rows[i].says))
      g_error ("%s: '%s'", rows[i].what, error ? error->message : "no error");
  }
}

/* Deep and self-containing values are fine as long as nobody walks them: they come and go without recursion. */
static void
test_deep (void)
{
  /* each level holds the one before twice: 2^100 leaves, were they walked */
  static const char twice[] = "q\0h\0\x86";
  static const char loop[] = P "]q\0h\0a.";
  g_autoptr (GError) error = NULL;
  g_autoptr (MloPickle) deep = parse_repeated (")", "\x85", 1, 60000, ".", &error), many = NULL, self = NULL;

  g_assert_no_error (error);
  g_assert_cmpint (mlo_pickle_root (deep)->type, ==, MLO_PICKLE_TUPLE);
  many = parse_repeated (")", twice, sizeof twice - 1, 100, ".", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mlo_pickle_root (many)->items->len, ==, 2);
  self = parse (loop, sizeof loop - 1, &error);
  g_assert_no_error (error);
  g_assert_true (mlo_pickle_root (self)->items->pdata[0] == mlo_pickle_root (self));
}

static void
test_tensor (void)
{
  static const char bytes[] = P TENSOR ("K\1", "K\3K\2\x86", "K\2K\x0c\x86") ".";
  g_autoptr (GError) error = NULL;
  g_autoptr (MloPickle) p = parse (bytes, sizeof bytes - 1, &error);
  const MloPickleTensor *view;

  g_assert_no_error (error);
  g_assert_cmpint (mlo_pickle_root (p)->type, ==, MLO_PICKLE_TENSOR);
  view = &mlo_pickle_root (p)->tensor;
  g_assert_cmpuint (view->count, ==, 6);
  g_assert_cmpuint (view->offset, ==, 1);
  g_assert_cmpuint (view->strides[1], ==, 12);
  g_assert_cmpstr (view->storage->storage.key, ==, "0");
  g_assert_cmpuint (view->storage->storage.count, ==, 24);
  g_assert_cmpstr (view->storage->storage.element->name, ==, "F32");
}

static void
test_plain (void)
{
  static const char bytes[] = P "}q\0("
      TEXT ("\1", "i") "J\xfe\xff\xff\xff" TEXT ("\1", "l") "\x8a\2\x00\x80" TEXT ("\1", "z") "\x8a\0"
      TEXT ("\1", "f") "G\x3f\xd0\0\0\0\0\0\0" TEXT ("\1", "t") "K\1K\2\x86" "K\3\x88" TEXT ("\1", "n") "](N\x89" "e"
      TEXT ("\1", "w") "M\xff\xff" TEXT ("\1", "b") "\x8a\x08\0\0\0\0\0\0\0\x80u.";
  g_autoptr (GError) error = NULL;
  g_autoptr (MloPickle) p = parse (bytes, sizeof bytes - 1, &error);
  const MloPickleValue *root;

  g_assert_no_error (error);
  root = mlo_pickle_root (p);
  g_assert_cmpint (mlo_pickle_find (root, "i")->integer, ==, -2);
  g_assert_cmpint (mlo_pickle_find (root, "l")->integer, ==, -32768);
  g_assert_cmpint (mlo_pickle_find (root, "z")->integer, ==, 0);
  g_assert_cmpint (mlo_pickle_find (root, "w")->integer, ==, 65535);
  g_assert_cmpint (mlo_pickle_find (root, "b")->integer, ==, G_MININT64);
  g_assert_cmpfloat (mlo_pickle_find (root, "f")->number, ==, 0.25);
  g_assert_cmpuint (mlo_pickle_find (root, "t")->items->len, ==, 2);
  g_assert_cmpuint (mlo_pickle_find (root, "n")->items->len, ==, 2);
  g_assert_null (mlo_pickle_find (root, "3"));
  g_assert_cmpuint (root->items->len, ==, 18);
}

/* Every beginning of a good pickle is none. */
static void
test_truncated (void)
{
  static const char bytes[] = P "}(" TEXT ("\1", "a") TENSOR ("K\1", "K\2\x85", "K\1\x85") TEXT ("\1", "b")
      "G\x3f\xd0\0\0\0\0\0\0u.";
  g_autoptr (GError) error = NULL;
  g_autoptr (MloPickle) whole = parse (bytes, sizeof bytes - 1, &error);

  g_assert_no_error (error);
  g_assert_nonnull (whole);
  for (gsize n = 0; n < sizeof bytes - 1; n++) {
    g_autoptr (GError) cut = NULL;

    g_assert_null (parse (bytes, n, &cut));
    g_assert_error (cut, MLO_ERROR, MLO_ERROR_TRUNCATED);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pickle/bad", test_bad);
  g_test_add_func ("/pickle/bombs", test_bombs);
  g_test_add_func ("/pickle/deep", test_deep);
  g_test_add_func ("/pickle/tensor", test_tensor);
  g_test_add_func ("/pickle/plain", test_plain);
  g_test_add_func ("/pickle/truncated", test_truncated);
  return g_test_run ();
}
