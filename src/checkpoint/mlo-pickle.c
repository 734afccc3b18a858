/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The machine of opcodes: a stack, marks in it, a memo. Values are owned by the pickle and live until it is freed, so
 * sharing and cycles cost nothing and freeing does not recurse. */
#include "mlo-pickle.h"

#include <string.h>

#include "mlo-pickle-private.h"

struct _MloPickle
{
  const char *where;
  const guint8 *data;
  gsize size, at;
  gsize op_at;                  /* where the running opcode stands */
  guint8 op;
  GPtrArray *values;            /* (element-type MloPickleValue), owned */
  GPtrArray *stack;             /* (element-type MloPickleValue), borrowed */
  GArray *marks;                /* of guint: length of the stack below each */
  GPtrArray *memo;              /* (element-type MloPickleValue), borrowed, NULL where nothing was put */
  guint n_memo;                 /* that were put */
  MloPickleValue *root;         /* set by STOP */
};

typedef struct
{
  const char *name;
    gboolean (*run) (MloPickle * p, GError ** error);   /* NULL: a state_dict has none */
} Opcode;

static const Opcode opcodes[256];

static void
value_free (gpointer data)
{
  MloPickleValue *v = data;

  switch (v->type) {
    case MLO_PICKLE_TEXT:
      g_free (v->text);
      break;
    case MLO_PICKLE_DICT:
      g_clear_pointer (&v->names, g_hash_table_unref);
      g_ptr_array_unref (v->items);
      break;
    case MLO_PICKLE_TUPLE:
    case MLO_PICKLE_LIST:
      g_ptr_array_unref (v->items);
      break;
    default:
      break;
  }
  g_free (v);
}

void
mlo_pickle_set_error (const MloPickle * p, MloError code, GError ** error, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MLO_ERROR, (int) code, "%s: byte %" G_GSIZE_FORMAT ", %s: %s", p->where, p->op_at,
      opcodes[p->op].name ? opcodes[p->op].name : "no opcode", message);
}

gboolean
mlo_pickle_new_value (MloPickle * p, MloPickleType type, MloPickleValue ** out, GError ** error)
{
  MloPickleValue *v;

  if (p->values->len >= MLO_PICKLE_MAX_VALUES)
    return mlo_pickle_fail (p, MLO_ERROR_TOO_LARGE, error, "more than %u values", MLO_PICKLE_MAX_VALUES);
  v = g_new0 (MloPickleValue, 1);
  v->type = type;
  if (type == MLO_PICKLE_TUPLE || type == MLO_PICKLE_LIST || type == MLO_PICKLE_DICT)
    v->items = g_ptr_array_new ();
  g_ptr_array_add (p->values, v);
  *out = v;
  return TRUE;
}

/* The @n bytes that follow; NULL and @error where they do not. */
static const guint8 *
take (MloPickle * p, gsize n, GError ** error)
{
  const guint8 *from = p->data + p->at;

  if (n > p->size - p->at) {
    mlo_pickle_set_error (p, MLO_ERROR_TRUNCATED, error,
        "wants %" G_GSIZE_FORMAT " bytes, %" G_GSIZE_FORMAT " are left", n, p->size - p->at);
    return NULL;
  }
  p->at += n;
  return from;
}

/* A little-endian number of @n bytes, at most 8. */
static gboolean
take_unsigned (MloPickle * p, guint n, guint64 * value, GError ** error)
{
  const guint8 *from = take (p, n, error);

  *value = 0;
  for (guint i = 0; from && i < n; i++)
    *value |= (guint64) from[i] << (8 * i);
  return from != NULL;
}

/* Items above the last mark, or in all. */
static guint
available (const MloPickle * p)
{
  return p->stack->len - (p->marks->len > 0 ? g_array_index (p->marks, guint, p->marks->len - 1) : 0);
}

static gboolean
want (const MloPickle * p, guint n, GError ** error)
{
  return available (p) >= n || mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "the stack holds %u of %u values",
      available (p), n);
}

/* After want (). */
static MloPickleValue *
pop (MloPickle * p)
{
  return g_ptr_array_steal_index (p->stack, p->stack->len - 1);
}

static MloPickleValue *
top (const MloPickle * p)
{
  return p->stack->pdata[p->stack->len - 1];
}

static gboolean
push_integer (MloPickle * p, MloPickleType type, gint64 value, GError ** error)
{
  MloPickleValue *v = NULL;

  if (!mlo_pickle_new_value (p, type, &v, error))
    return FALSE;
  v->integer = value;
  g_ptr_array_add (p->stack, v);
  return TRUE;
}

static gboolean
push_new (MloPickle * p, MloPickleType type, GError ** error)
{
  MloPickleValue *v = NULL;

  if (!mlo_pickle_new_value (p, type, &v, error))
    return FALSE;
  g_ptr_array_add (p->stack, v);
  return TRUE;
}

/* --- frame and end --- */

static gboolean
op_proto (MloPickle * p, GError ** error)
{
  guint64 version;

  if (p->op_at != 0)
    return mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "not at the start");
  if (!take_unsigned (p, 1, &version, error))
    return FALSE;
  if (version < 2 || version > 5)
    return mlo_pickle_fail (p, MLO_ERROR_VERSION, error, "protocol %u, not 2 to 5", (guint) version);
  return TRUE;
}

static gboolean
op_frame (MloPickle * p, GError ** error)
{
  guint64 length;

  if (!take_unsigned (p, 8, &length, error))
    return FALSE;
  if (length > p->size - p->at)
    return mlo_pickle_fail (p, MLO_ERROR_TRUNCATED, error, "of %" G_GUINT64_FORMAT " bytes, %" G_GSIZE_FORMAT
        " are left", length, p->size - p->at);
  return TRUE;
}

static gboolean
op_stop (MloPickle * p, GError ** error)
{
  if (p->marks->len > 0 || p->stack->len != 1)
    return mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "the stack holds %u values and %u marks, not one value",
        p->stack->len, p->marks->len);
  if (p->at != p->size)
    return mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "%" G_GSIZE_FORMAT " bytes follow", p->size - p->at);
  p->root = pop (p);
  return TRUE;
}

/* --- constants --- */

static gboolean
op_none (MloPickle * p, GError ** error)
{
  return push_new (p, MLO_PICKLE_NONE, error);
}

static gboolean
op_bool (MloPickle * p, GError ** error)
{
  return push_integer (p, MLO_PICKLE_BOOL, p->op == 0x88, error);
}

static gboolean
op_int (MloPickle * p, GError ** error)
{
  guint64 u;

  if (!take_unsigned (p, p->op == 'J' ? 4 : p->op == 'M' ? 2 : 1, &u, error))
    return FALSE;
  return push_integer (p, MLO_PICKLE_INT, p->op == 'J' ? (gint64) (gint32) (guint32) u : (gint64) u, error);
}

/* Two's complement, little-endian, as long as it says. */
static gboolean
op_long1 (MloPickle * p, GError ** error)
{
  guint64 length, u;

  if (!take_unsigned (p, 1, &length, error))
    return FALSE;
  if (length > 8)
    return mlo_pickle_fail (p, MLO_ERROR_TOO_LARGE, error, "an integer of %u bytes, more than 8", (guint) length);
  if (!take_unsigned (p, (guint) length, &u, error))
    return FALSE;
  if (length > 0 && length < 8 && u >> (8 * length - 1) != 0)
    u |= G_MAXUINT64 << (8 * length);
  return push_integer (p, MLO_PICKLE_INT, (gint64) u, error);
}

static gboolean
op_float (MloPickle * p, GError ** error)
{
  const guint8 *from = take (p, 8, error);
  guint64 bits;

  if (!from || !push_new (p, MLO_PICKLE_FLOAT, error))
    return FALSE;
  memcpy (&bits, from, 8);
  bits = GUINT64_FROM_BE (bits);
  memcpy (&top (p)->number, &bits, 8);
  return TRUE;
}

static gboolean
op_text (MloPickle * p, GError ** error)
{
  const guint8 *from;
  guint64 length;

  if (!take_unsigned (p, p->op == 'X' ? 4 : 1, &length, error))
    return FALSE;
  if (length > MLO_PICKLE_MAX_TEXT)
    return mlo_pickle_fail (p, MLO_ERROR_TOO_LARGE, error, "a text of %" G_GUINT64_FORMAT " bytes, more than %u",
        length, MLO_PICKLE_MAX_TEXT);
  from = take (p, (gsize) length, error);
  if (!from)
    return FALSE;
  if (!g_utf8_validate ((const char *) from, (gssize) length, NULL))
    return mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "not UTF-8, or a zero byte in it");
  if (!push_new (p, MLO_PICKLE_TEXT, error))
    return FALSE;
  top (p)->text = g_strndup ((const char *) from, (gsize) length);
  return TRUE;
}

/* --- containers --- */

static gboolean
op_mark (MloPickle * p, GError ** error)
{
  if (p->marks->len >= MLO_PICKLE_MAX_MARKS)
    return mlo_pickle_fail (p, MLO_ERROR_TOO_LARGE, error, "nested deeper than %u", MLO_PICKLE_MAX_MARKS);
  g_array_append_val (p->marks, p->stack->len);
  return TRUE;
}

/* Ends the last mark; @n: the values above it, which stay on the stack. */
static gboolean
pop_mark (MloPickle * p, guint * n, GError ** error)
{
  if (p->marks->len == 0)
    return mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "without a MARK before it");
  *n = available (p);
  g_array_set_size (p->marks, p->marks->len - 1);
  return TRUE;
}

static gboolean
op_empty (MloPickle * p, GError ** error)
{
  return push_new (p, p->op == ')' ? MLO_PICKLE_TUPLE : p->op == ']' ? MLO_PICKLE_LIST : MLO_PICKLE_DICT, error);
}

/* Moves the last @n values from the stack to @items. */
static void
move_items (MloPickle * p, GPtrArray * items, guint n)
{
  for (guint i = p->stack->len - n; i < p->stack->len; i++)
    g_ptr_array_add (items, p->stack->pdata[i]);
  g_ptr_array_set_size (p->stack, (int) (p->stack->len - n));
}

static gboolean
op_tuple (MloPickle * p, GError ** error)
{
  MloPickleValue *v = NULL;
  guint n = 0;

  if (p->op == 't') {
    if (!pop_mark (p, &n, error))
      return FALSE;
  } else {
    n = p->op - 0x84u;
    if (!want (p, n, error))
      return FALSE;
  }
  if (!mlo_pickle_new_value (p, MLO_PICKLE_TUPLE, &v, error))
    return FALSE;
  move_items (p, v->items, n);
  g_ptr_array_add (p->stack, v);
  return TRUE;
}

/* The container below the last @n values, which must be of @type. */
static MloPickleValue *
container (MloPickle * p, guint n, MloPickleType type, GError ** error)
{
  MloPickleValue *v;

  if (!want (p, n + 1, error))
    return NULL;
  v = p->stack->pdata[p->stack->len - n - 1];
  if (v->type != type) {
    mlo_pickle_set_error (p, MLO_ERROR_TYPE, error, "into %s", mlo_pickle_type_name (v));
    return NULL;
  }
  return v;
}

static gboolean
op_append (MloPickle * p, GError ** error)
{
  MloPickleValue *list;
  guint n = 1;

  if ((p->op == 'e' && !pop_mark (p, &n, error)) || !(list = container (p, n, MLO_PICKLE_LIST, error)))
    return FALSE;
  move_items (p, list->items, n);
  return TRUE;
}

/* The names of what is added; the items follow. */
static gboolean
check_keys (MloPickle * p, MloPickleValue * dict, guint n, GError ** error)
{
  gpointer *items = p->stack->pdata + p->stack->len - n;

  if (n % 2 != 0)
    return mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "a key without a value");
  for (guint i = 0; i < n; i += 2) {
    MloPickleValue *key = items[i];

    if (key->type != MLO_PICKLE_TEXT && key->type != MLO_PICKLE_INT)
      return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "%s as a key", mlo_pickle_type_name (key));
    if (key->type != MLO_PICKLE_TEXT)
      continue;
    if (!dict->names)
      dict->names = g_hash_table_new (g_str_hash, g_str_equal);
    if (!g_hash_table_insert (dict->names, key->text, items[i + 1])) {
      g_autofree char *name = g_strescape (key->text, NULL);

      return mlo_pickle_fail (p, MLO_ERROR_DUPLICATE, error, "'%.100s' twice", name);
    }
  }
  return TRUE;
}

static gboolean
op_set_items (MloPickle * p, GError ** error)
{
  MloPickleValue *dict;
  guint n = 2;

  if ((p->op == 'u' && !pop_mark (p, &n, error)) || !(dict = container (p, n, MLO_PICKLE_DICT, error))
      || !check_keys (p, dict, n, error))
    return FALSE;
  move_items (p, dict->items, n);
  return TRUE;
}

/* --- memo --- */

static gboolean
op_put (MloPickle * p, GError ** error)
{
  guint64 index = p->n_memo;

  if ((p->op != 0x94 && !take_unsigned (p, p->op == 'q' ? 1 : 4, &index, error)) || !want (p, 1, error))
    return FALSE;
  if (index >= MLO_PICKLE_MAX_VALUES)
    return mlo_pickle_fail (p, MLO_ERROR_TOO_LARGE, error, "place %" G_GUINT64_FORMAT " of the memo, more than %u",
        index, MLO_PICKLE_MAX_VALUES);
  if (index >= p->memo->len)
    g_ptr_array_set_size (p->memo, (int) index + 1);
  if (!p->memo->pdata[index])
    p->n_memo++;
  p->memo->pdata[index] = top (p);
  return TRUE;
}

static gboolean
op_get (MloPickle * p, GError ** error)
{
  guint64 index;

  if (!take_unsigned (p, p->op == 'h' ? 1 : 4, &index, error))
    return FALSE;
  if (index >= p->memo->len || !p->memo->pdata[index])
    return mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "place %" G_GUINT64_FORMAT " of the memo is empty", index);
  /* A reference is a place on the stack, and later in a container, as a value is. */
  if (p->stack->len >= MLO_PICKLE_MAX_VALUES)
    return mlo_pickle_fail (p, MLO_ERROR_TOO_LARGE, error, "more than %u values on the stack", MLO_PICKLE_MAX_VALUES);
  g_ptr_array_add (p->stack, p->memo->pdata[index]);
  return TRUE;
}

/* --- names and what is made of them --- */

static gboolean
push_global (MloPickle * p, const char *module, const char *name, GError ** error)
{
  const MloPickleGlobal *g = mlo_pickle_global_find (module, name);

  if (!g) {
    g_autofree char *a = g_strescape (module, NULL), *b = g_strescape (name, NULL);

    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "'%.100s %.100s' is nothing that a state_dict of floats holds "
        "(of a module, torch.save its state_dict ())", a, b);
  }
  if (!push_new (p, MLO_PICKLE_GLOBAL, error))
    return FALSE;
  top (p)->global = g;
  return TRUE;
}

/* (transfer full): what stands before the next newline. */
static char *
take_line (MloPickle * p, GError ** error)
{
  gsize room = MIN (p->size - p->at, MLO_PICKLE_MAX_NAME);
  const guint8 *from = p->data + p->at, *end = room > 0 ? memchr (from, '\n', room) : NULL;

  if (!end || memchr (from, '\0', (gsize) (end - from))) {
    mlo_pickle_set_error (p,
        end ? MLO_ERROR_FORMAT : room < MLO_PICKLE_MAX_NAME ? MLO_ERROR_TRUNCATED : MLO_ERROR_TOO_LARGE, error,
        end ? "a zero byte in the name" : "the name does not end within %" G_GSIZE_FORMAT " bytes", room);
    return NULL;
  }
  p->at += (gsize) (end - from) + 1;
  return g_strndup ((const char *) from, (gsize) (end - from));
}

static gboolean
op_global (MloPickle * p, GError ** error)
{
  g_autofree char *module = take_line (p, error);
  g_autofree char *name = module ? take_line (p, error) : NULL;

  return name && push_global (p, module, name, error);
}

static gboolean
op_stack_global (MloPickle * p, GError ** error)
{
  MloPickleValue *module, *name;

  if (!want (p, 2, error))
    return FALSE;
  name = pop (p);
  module = pop (p);
  if (name->type != MLO_PICKLE_TEXT || module->type != MLO_PICKLE_TEXT)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "%s and %s as a name", mlo_pickle_type_name (module),
        mlo_pickle_type_name (name));
  return push_global (p, module->text, name->text, error);
}

static gboolean
op_reduce (MloPickle * p, GError ** error)
{
  MloPickleValue *args, *what, *out;

  if (!want (p, 2, error))
    return FALSE;
  args = pop (p);
  what = pop (p);
  if (what->type != MLO_PICKLE_GLOBAL)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "calls %s", mlo_pickle_type_name (what));
  if (!what->global->call)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "calls '%s %s'", what->global->module, what->global->name);
  if (args->type != MLO_PICKLE_TUPLE)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "arguments are %s", mlo_pickle_type_name (args));
  if (!what->global->call (p, args, &out, error))
    return FALSE;
  g_ptr_array_add (p->stack, out);
  return TRUE;
}

/* state_dict () hangs an attribute `_metadata` on its OrderedDict: versions of the modules, which we do not need. */
static gboolean
op_build (MloPickle * p, GError ** error)
{
  MloPickleValue *state;

  if (!want (p, 2, error))
    return FALSE;
  state = pop (p);
  if (top (p)->type != MLO_PICKLE_DICT || state->type != MLO_PICKLE_DICT)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "attributes of %s from %s", mlo_pickle_type_name (top (p)),
        mlo_pickle_type_name (state));
  return TRUE;
}

static gboolean
op_persistent (MloPickle * p, GError ** error)
{
  MloPickleValue *out;

  if (!want (p, 1, error) || !mlo_pickle_persistent (p, pop (p), &out, error))
    return FALSE;
  g_ptr_array_add (p->stack, out);
  return TRUE;
}

/* All of pickle's, so that a message can name what it refuses. */
static const Opcode opcodes[256] = {
  ['('] = {"MARK", op_mark},
  ['.'] = {"STOP", op_stop},
  ['0'] = {"POP", NULL},
  ['1'] = {"POP_MARK", NULL},
  ['2'] = {"DUP", NULL},
  ['F'] = {"FLOAT", NULL},
  ['I'] = {"INT", NULL},
  ['J'] = {"BININT", op_int},
  ['K'] = {"BININT1", op_int},
  ['L'] = {"LONG", NULL},
  ['M'] = {"BININT2", op_int},
  ['N'] = {"NONE", op_none},
  ['P'] = {"PERSID", NULL},
  ['Q'] = {"BINPERSID", op_persistent},
  ['R'] = {"REDUCE", op_reduce},
  ['S'] = {"STRING", NULL},
  ['T'] = {"BINSTRING", NULL},
  ['U'] = {"SHORT_BINSTRING", NULL},
  ['V'] = {"UNICODE", NULL},
  ['X'] = {"BINUNICODE", op_text},
  ['a'] = {"APPEND", op_append},
  ['b'] = {"BUILD", op_build},
  ['c'] = {"GLOBAL", op_global},
  ['d'] = {"DICT", NULL},
  ['}'] = {"EMPTY_DICT", op_empty},
  ['e'] = {"APPENDS", op_append},
  ['g'] = {"GET", NULL},
  ['h'] = {"BINGET", op_get},
  ['i'] = {"INST", NULL},
  ['j'] = {"LONG_BINGET", op_get},
  ['l'] = {"LIST", NULL},
  [']'] = {"EMPTY_LIST", op_empty},
  ['o'] = {"OBJ", NULL},
  ['p'] = {"PUT", NULL},
  ['q'] = {"BINPUT", op_put},
  ['r'] = {"LONG_BINPUT", op_put},
  ['s'] = {"SETITEM", op_set_items},
  ['t'] = {"TUPLE", op_tuple},
  [')'] = {"EMPTY_TUPLE", op_empty},
  ['u'] = {"SETITEMS", op_set_items},
  ['G'] = {"BINFLOAT", op_float},
  ['B'] = {"BINBYTES", NULL},
  ['C'] = {"SHORT_BINBYTES", NULL},
  [0x80] = {"PROTO", op_proto},
  [0x81] = {"NEWOBJ", NULL},
  [0x82] = {"EXT1", NULL},
  [0x83] = {"EXT2", NULL},
  [0x84] = {"EXT4", NULL},
  [0x85] = {"TUPLE1", op_tuple},
  [0x86] = {"TUPLE2", op_tuple},
  [0x87] = {"TUPLE3", op_tuple},
  [0x88] = {"NEWTRUE", op_bool},
  [0x89] = {"NEWFALSE", op_bool},
  [0x8a] = {"LONG1", op_long1},
  [0x8b] = {"LONG4", NULL},
  [0x8c] = {"SHORT_BINUNICODE", op_text},
  [0x8d] = {"BINUNICODE8", NULL},
  [0x8e] = {"BINBYTES8", NULL},
  [0x8f] = {"EMPTY_SET", NULL},
  [0x90] = {"ADDITEMS", NULL},
  [0x91] = {"FROZENSET", NULL},
  [0x92] = {"NEWOBJ_EX", NULL},
  [0x93] = {"STACK_GLOBAL", op_stack_global},
  [0x94] = {"MEMOIZE", op_put},
  [0x95] = {"FRAME", op_frame},
  [0x96] = {"BYTEARRAY8", NULL},
  [0x97] = {"NEXT_BUFFER", NULL},
  [0x98] = {"READONLY_BUFFER", NULL},
};

static gboolean
run_all (MloPickle * p, GError ** error)
{
  while (!p->root) {
    p->op_at = p->at;
    if (p->at == p->size) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED, "%s: ends at byte %" G_GSIZE_FORMAT " without STOP", p->where,
          p->at);
      return FALSE;
    }
    p->op = p->data[p->at++];
    if (p->op_at == 0 && p->op != 0x80)
      return mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "0x%02x where PROTO should stand: not a pickle of "
          "protocol 2 to 5", p->op);
    if (!opcodes[p->op].run)
      return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "opcode 0x%02x is none that a state_dict has", p->op);
    if (!opcodes[p->op].run (p, error))
      return FALSE;
  }
  return TRUE;
}

MloPickle *
mlo_pickle_parse (const char *where, const guint8 * data, gsize size, GError ** error)
{
  g_autoptr (MloPickle) p = g_new0 (MloPickle, 1);

  p->where = where;
  p->data = data;
  p->size = size;
  p->values = g_ptr_array_new_with_free_func (value_free);
  p->stack = g_ptr_array_new ();
  p->marks = g_array_new (FALSE, FALSE, sizeof (guint));
  p->memo = g_ptr_array_new ();
  if (size > MLO_PICKLE_MAX_BYTES) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: %" G_GSIZE_FORMAT " bytes, more than %u", where, size,
        MLO_PICKLE_MAX_BYTES);
    return NULL;
  }
  if (!run_all (p, error))
    return NULL;
  p->where = NULL;
  p->data = NULL;
  return g_steal_pointer (&p);
}

void
mlo_pickle_free (MloPickle * p)
{
  if (!p)
    return;
  g_ptr_array_unref (p->stack);
  g_ptr_array_unref (p->memo);
  g_array_unref (p->marks);
  g_ptr_array_unref (p->values);
  g_free (p);
}

const MloPickleValue *
mlo_pickle_root (const MloPickle * p)
{
  return p->root;
}

const MloPickleValue *
mlo_pickle_find (const MloPickleValue * dict, const char *name)
{
  g_return_val_if_fail (dict->type == MLO_PICKLE_DICT, NULL);
  return dict->names ? g_hash_table_lookup (dict->names, name) : NULL;
}

const char *
mlo_pickle_type_name (const MloPickleValue * v)
{
  static const char *const names[] = {
    [MLO_PICKLE_NONE] = "None",
    [MLO_PICKLE_BOOL] = "a bool",
    [MLO_PICKLE_INT] = "an integer",
    [MLO_PICKLE_FLOAT] = "a number",
    [MLO_PICKLE_TEXT] = "a text",
    [MLO_PICKLE_TUPLE] = "a tuple",
    [MLO_PICKLE_LIST] = "a list",
    [MLO_PICKLE_DICT] = "a dict",
    [MLO_PICKLE_GLOBAL] = "a name",
    [MLO_PICKLE_STORAGE] = "a storage",
    [MLO_PICKLE_TENSOR] = "a tensor",
  };

  return names[v->type];
}
