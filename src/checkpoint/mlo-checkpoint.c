/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-checkpoint.h"

#include <math.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-file.h"
#include "mlo-pickle.h"
#include "mlo-zip.h"

#define PICKLE "data.pkl"

/* How torch.save began before PyTorch 1.6: a pickle of the number 0x1950a86a20f9469cfc6c. */
static const guint8 legacy[] = {
  0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19
};

typedef struct
{
  const char *where;
  GHashTable *files;            /* of the archive: char * -> GBytes * */
  char *folder;                 /* that holds data.pkl, with the slash */
  gsize total;                  /* bytes of floats so far */
} Reader;

static gboolean
fail (const Reader * r, MloError code, GError ** error, const char *name, const char *text)
{
  g_autofree char *shown = g_strescape (name, NULL);

  g_set_error (error, MLO_ERROR, (int) code, "%s: '%.100s' %s", r->where, shown, text);
  return FALSE;
}

/* The one folder with a data.pkl in it. */
static gboolean
find_folder (Reader * r, GError ** error)
{
  GHashTableIter iter;
  gpointer key;

  g_hash_table_iter_init (&iter, r->files);
  while (g_hash_table_iter_next (&iter, &key, NULL)) {
    const char *name = key, *slash = strchr (name, '/');

    if (!slash || !g_str_equal (slash + 1, PICKLE))
      continue;
    if (r->folder) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_DUPLICATE, "%s: the archive holds several " PICKLE, r->where);
      return FALSE;
    }
    r->folder = g_strndup (name, (gsize) (slash + 1 - name));
  }
  if (!r->folder) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: the archive holds no " PICKLE ": not a file of torch.save",
        r->where);
    return FALSE;
  }
  return TRUE;
}

static GBytes *
find_file (const Reader * r, const char *name)
{
  g_autofree char *full = g_strconcat (r->folder, name, NULL);

  return g_hash_table_lookup (r->files, full);
}

static gboolean
check_byte_order (const Reader * r, GError ** error)
{
  GBytes *file = find_file (r, "byteorder");
  gsize size;
  const char *text;

  if (!file)
    return TRUE;
  text = g_bytes_get_data (file, &size);
  if (size == 6 && memcmp (text, "little", 6) == 0)
    return TRUE;
  g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: byteorder is not little", r->where);
  return FALSE;
}

/* Row-major copy of a view. */
static gboolean
copy_view (const Reader * r, const char *name, const MloPickleTensor * t, const guint8 * data, float *to,
    GError ** error)
{
  const MloTensorType *element = t->storage->storage.element;
  gsize at[MLO_TENSOR_DIMS] = { 0 };

  for (gsize i = 0; i < t->count; i++) {
    gsize place = t->offset;

    for (guint k = 0; k < t->n_dims; k++)
      place += at[k] * t->strides[k];
    to[i] = mlo_tensor_type_read (element, data + place * element->bytes);
    if (!isfinite (to[i]))
      return fail (r, MLO_ERROR_NOT_FINITE, error, name, "holds a number that is not finite (as a float)");
    for (guint k = t->n_dims; k > 0 && ++at[k - 1] == t->dims[k - 1]; k--)
      at[k - 1] = 0;
  }
  return TRUE;
}

static gboolean
add_tensor (Reader * r, const char *name, const MloPickleTensor * t, MloTensorFile * out, GError ** error)
{
  g_autofree char *file = g_strconcat ("data/", t->storage->storage.key, NULL);
  GBytes *bytes = find_file (r, file);
  const gsize wanted = t->storage->storage.count * t->storage->storage.element->bytes;
  g_autofree float *values = NULL;

  if (!bytes) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: the archive holds no %s%s", r->where, r->folder, file);
    return FALSE;
  }
  if (g_bytes_get_size (bytes) != wanted) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_SHAPE, "%s: %s%s has %" G_GSIZE_FORMAT " bytes, not %" G_GSIZE_FORMAT,
        r->where, r->folder, file, g_bytes_get_size (bytes), wanted);
    return FALSE;
  }
  r->total += t->count * sizeof (float);
  if (mlo_tensorfile_size (out) == MLO_TENSORFILE_MAX_TENSORS || r->total > MLO_TENSORFILE_MAX_BYTES)
    return fail (r, MLO_ERROR_TOO_LARGE, error, name, "is one tensor or byte too many");
  values = g_try_new (float, t->count);
  if (t->count > 0 && !values)
    return mlo_error_memory (error, r->where, t->count * sizeof *values);
  if (!copy_view (r, name, t, g_bytes_get_data (bytes, NULL), values, error))
    return FALSE;
  mlo_tensorfile_add (out, name, t->n_dims, t->dims, values);
  return TRUE;
}

static gboolean
read_state_dict (Reader * r, const MloPickleValue * dict, MloTensorFile * out, GError ** error)
{
  for (guint i = 0; i < dict->items->len; i += 2) {
    const MloPickleValue *key = dict->items->pdata[i], *value = dict->items->pdata[i + 1];

    if (key->type != MLO_PICKLE_TEXT) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: %s as a tensor's name", r->where, mlo_pickle_type_name (key));
      return FALSE;
    }
    if (value->type != MLO_PICKLE_TENSOR) {
      g_autofree char *text = g_strdup_printf ("is %s, not a tensor: neither a state_dict nor a dict with "
          "model_state_dict", mlo_pickle_type_name (value));

      return fail (r, MLO_ERROR_TYPE, error, key->text, text);
    }
    if (!add_tensor (r, key->text, &value->tensor, out, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
read_epsilon (const Reader * r, const MloPickleValue * v, MloCheckpoint * c, GError ** error)
{
  if (v->type != MLO_PICKLE_FLOAT && v->type != MLO_PICKLE_INT)
    return fail (r, MLO_ERROR_TYPE, error, "epsilon", "is no number");
  c->epsilon = v->type == MLO_PICKLE_FLOAT ? v->number : (double) v->integer;
  if (!(c->epsilon >= 0.0 && c->epsilon <= 1.0))
    return fail (r, MLO_ERROR_RANGE, error, "epsilon", "is not within 0 to 1");
  c->has_epsilon = TRUE;
  return TRUE;
}

/* @root has `model_state_dict`: that, epsilon, and the names of the rest. */
static gboolean
read_wrapped (Reader * r, const MloPickleValue * root, MloCheckpoint * c, GError ** error)
{
  const MloPickleValue *model = mlo_pickle_find (root, "model_state_dict");
  const MloPickleValue *epsilon = mlo_pickle_find (root, "epsilon");
  g_autoptr (GStrvBuilder) rest = g_strv_builder_new ();

  if (model->type != MLO_PICKLE_DICT)
    return fail (r, MLO_ERROR_TYPE, error, "model_state_dict", "is no dict");
  for (guint i = 0; i < root->items->len; i += 2) {
    const MloPickleValue *key = root->items->pdata[i];

    if (key->type == MLO_PICKLE_TEXT && !g_str_equal (key->text, "model_state_dict")
        && !g_str_equal (key->text, "epsilon"))
      g_strv_builder_add (rest, key->text);
  }
  g_strfreev (c->left_out);
  c->left_out = g_strv_builder_end (rest);
  return (!epsilon || read_epsilon (r, epsilon, c, error)) && read_state_dict (r, model, c->tensors, error);
}

static gboolean
read_all (Reader * r, MloCheckpoint * c, GError ** error)
{
  g_autofree char *where = g_strconcat (r->where, ": " PICKLE, NULL);
  g_autoptr (MloPickle) pickle = NULL;
  const MloPickleValue *root;
  GBytes *file;

  if (!find_folder (r, error) || !check_byte_order (r, error))
    return FALSE;
  file = find_file (r, PICKLE);
  pickle = mlo_pickle_parse (where, g_bytes_get_data (file, NULL), g_bytes_get_size (file), error);
  if (!pickle)
    return FALSE;
  root = mlo_pickle_root (pickle);
  if (root->type != MLO_PICKLE_DICT) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: %s, not a dict", where, mlo_pickle_type_name (root));
    return FALSE;
  }
  return mlo_pickle_find (root, "model_state_dict") ? read_wrapped (r, root, c, error) :
      read_state_dict (r, root, c->tensors, error);
}

MloCheckpoint *
mlo_checkpoint_parse (const char *where, const guint8 * data, gsize size, GError ** error)
{
  g_autoptr (MloCheckpoint) c = NULL;
  Reader r = {.where = where };
  gboolean good;

  if (size >= sizeof legacy && memcmp (data, legacy, sizeof legacy) == 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_VERSION, "%s: in the format of torch.save before PyTorch 1.6; load it in "
        "PyTorch and torch.save it again", where);
    return NULL;
  }
  r.files = mlo_zip_parse (where, data, size, error);
  if (!r.files)
    return NULL;
  c = g_new0 (MloCheckpoint, 1);
  c->tensors = mlo_tensorfile_new ();
  c->left_out = g_new0 (char *, 1);
  good = read_all (&r, c, error);
  g_hash_table_unref (r.files);
  g_free (r.folder);
  return good ? g_steal_pointer (&c) : NULL;
}

MloCheckpoint *
mlo_checkpoint_load (const char *path, GError ** error)
{
  g_autofree guint8 *data = NULL;
  gsize size;

  if (!mlo_file_read (path, MLO_ZIP_MAX_BYTES, &data, &size, error))
    return NULL;
  return mlo_checkpoint_parse (path, data, size, error);
}

void
mlo_checkpoint_free (MloCheckpoint * c)
{
  if (!c)
    return;
  mlo_tensorfile_free (c->tensors);
  g_strfreev (c->left_out);
  g_free (c);
}
