/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the names in a state_dict mean: OrderedDict, tensors as views into storages, storages by persistent id. */
#include "mlo-pickle-private.h"

static const MloPickleValue *
item (const MloPickleValue * v, guint i)
{
  return v->items->pdata[i];
}

/* An integer of 0 to @most. */
static gboolean
read_size (const MloPickle * p, const MloPickleValue * v, const char *what, gsize most, gsize * size, GError ** error)
{
  if (v->type != MLO_PICKLE_INT)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "%s is %s, not an integer", what, mlo_pickle_type_name (v));
  if (v->integer < 0 || (guint64) v->integer > most)
    return mlo_pickle_fail (p, MLO_ERROR_RANGE, error, "%s %" G_GINT64_FORMAT " is outside 0 to %" G_GSIZE_FORMAT, what,
        v->integer, most);
  *size = (gsize) v->integer;
  return TRUE;
}

static gboolean
read_sizes (const MloPickle * p, const MloPickleValue * v, const char *what, gsize sizes[MLO_TENSOR_DIMS], guint * n,
    GError ** error)
{
  if (v->type != MLO_PICKLE_TUPLE)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "%s is %s, not a tuple", what, mlo_pickle_type_name (v));
  *n = v->items->len;
  if (*n > MLO_TENSOR_DIMS)
    return mlo_pickle_fail (p, MLO_ERROR_SHAPE, error, "%u numbers as %s, more than %d", *n, what, MLO_TENSOR_DIMS);
  for (guint i = 0; i < *n; i++)
    if (!read_size (p, item (v, i), what, MLO_PICKLE_MAX_NUMBERS, &sizes[i], error))
      return FALSE;
  return TRUE;
}

/* Whether the view lies within its storage. No product overflows: each size is at most 2^25 and the running ones are
 * held below that before the next factor comes. */
static gboolean
check_view (const MloPickle * p, MloPickleTensor * t, GError ** error)
{
  const gsize room = t->storage->storage.count;
  guint64 last = t->offset;

  t->count = 1;
  for (guint i = 0; i < t->n_dims; i++) {
    t->count *= t->dims[i];
    if (t->count > MLO_PICKLE_MAX_NUMBERS)
      return mlo_pickle_fail (p, MLO_ERROR_TOO_LARGE, error, "a tensor of more than %u numbers",
          MLO_PICKLE_MAX_NUMBERS);
  }
  if (t->count == 0)
    return TRUE;
  for (guint i = 0; i < t->n_dims; i++)
    last += (guint64) (t->dims[i] - 1) * t->strides[i];
  if (last >= room)
    return mlo_pickle_fail (p, MLO_ERROR_SHAPE, error, "sizes, strides and offset reach number %" G_GUINT64_FORMAT
        " of a storage of %" G_GSIZE_FORMAT, last, room);
  return TRUE;
}

/* (storage, offset, sizes, strides, requires_grad, backward_hooks[, metadata]) */
static gboolean
call_rebuild_tensor (MloPickle * p, const MloPickleValue * args, MloPickleValue ** out, GError ** error)
{
  MloPickleTensor t = { 0 };
  guint n_strides = 0;

  if (args->items->len != 6 && args->items->len != 7)
    return mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "_rebuild_tensor_v2 of %u arguments, not 6 or 7",
        args->items->len);
  t.storage = item (args, 0);
  if (t.storage->type != MLO_PICKLE_STORAGE)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "a tensor's storage is %s", mlo_pickle_type_name (t.storage));
  if (!read_size (p, item (args, 1), "storage offset", MLO_PICKLE_MAX_NUMBERS, &t.offset, error)
      || !read_sizes (p, item (args, 2), "size", t.dims, &t.n_dims, error)
      || !read_sizes (p, item (args, 3), "stride", t.strides, &n_strides, error))
    return FALSE;
  if (n_strides != t.n_dims)
    return mlo_pickle_fail (p, MLO_ERROR_SHAPE, error, "%u sizes and %u strides", t.n_dims, n_strides);
  if (item (args, 4)->type != MLO_PICKLE_BOOL)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "requires_grad is %s", mlo_pickle_type_name (item (args, 4)));
  if (item (args, 5)->type != MLO_PICKLE_DICT || item (args, 5)->items->len > 0)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "backward_hooks is no empty OrderedDict");
  if (!check_view (p, &t, error) || !mlo_pickle_new_value (p, MLO_PICKLE_TENSOR, out, error))
    return FALSE;
  (*out)->tensor = t;
  return TRUE;
}

static gboolean
call_ordered_dict (MloPickle * p, const MloPickleValue * args, MloPickleValue ** out, GError ** error)
{
  if (args->items->len > 0)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "OrderedDict of %u arguments, not 0", args->items->len);
  return mlo_pickle_new_value (p, MLO_PICKLE_DICT, out, error);
}

static const MloPickleGlobal globals[] = {
  {"collections", "OrderedDict", call_ordered_dict, NULL},
  {"torch._utils", "_rebuild_tensor_v2", call_rebuild_tensor, NULL},
  {"torch", "FloatStorage", NULL, "F32"},
  {"torch", "DoubleStorage", NULL, "F64"},
  {"torch", "HalfStorage", NULL, "F16"},
  {"torch", "BFloat16Storage", NULL, "BF16"},
};

const MloPickleGlobal *
mlo_pickle_global_find (const char *module, const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (globals); i++)
    if (g_str_equal (globals[i].module, module) && g_str_equal (globals[i].name, name))
      return &globals[i];
  return NULL;
}

gboolean
mlo_pickle_persistent (MloPickle * p, const MloPickleValue * id, MloPickleValue ** out, GError ** error)
{
  const MloPickleGlobal *class;
  const char *key;
  gsize count = 0;

  if (id->type != MLO_PICKLE_TUPLE || id->items->len != 5)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "the id is no tuple of five");
  if (item (id, 0)->type != MLO_PICKLE_TEXT || !g_str_equal (item (id, 0)->text, "storage"))
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "the id is not of a 'storage'");
  class = item (id, 1)->type == MLO_PICKLE_GLOBAL ? item (id, 1)->global : NULL;
  if (!class || !class->element)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "the storage's class is %s%s", class ? class->name :
        mlo_pickle_type_name (item (id, 1)), class ? "" : ", not a name");
  if (item (id, 2)->type != MLO_PICKLE_TEXT)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "the storage's key is %s", mlo_pickle_type_name (item (id, 2)));
  key = item (id, 2)->text;
  /* It becomes part of a name in the archive. */
  for (const char *c = key; *c; c++)
    if (!g_ascii_isalnum (*c) && *c != '_')
      return mlo_pickle_fail (p, MLO_ERROR_FORMAT, error, "the storage's key is not of letters and digits");
  if (!*key || item (id, 3)->type != MLO_PICKLE_TEXT)
    return mlo_pickle_fail (p, MLO_ERROR_TYPE, error, "the storage's key is empty or its place no text");
  if (!read_size (p, item (id, 4), "the storage's length", MLO_PICKLE_MAX_NUMBERS, &count, error)
      || !mlo_pickle_new_value (p, MLO_PICKLE_STORAGE, out, error))
    return FALSE;
  (*out)->storage.element = mlo_tensor_type_find (class->element);
  (*out)->storage.key = key;
  (*out)->storage.count = count;
  return TRUE;
}
