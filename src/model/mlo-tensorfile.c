/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-tensorfile.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>

#include "mlo-error.h"
#include "mlo-file.h"
#include "mlo-json-bound.h"
#include "mlo-tensor-type.h"

#define METADATA "__metadata__"

struct _MloTensorFile
{
  GPtrArray *tensors;           /* MloTensor */
  GHashTable *metadata;         /* char * -> char * */
};

static void
tensor_free (gpointer p)
{
  MloTensor *t = p;

  g_free (t->name);
  g_free (t->data);
  g_free (t);
}

MloTensorFile *
mlo_tensorfile_new (void)
{
  MloTensorFile *f = g_new0 (MloTensorFile, 1);

  f->tensors = g_ptr_array_new_with_free_func (tensor_free);
  f->metadata = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return f;
}

void
mlo_tensorfile_free (MloTensorFile * f)
{
  if (!f)
    return;
  g_ptr_array_unref (f->tensors);
  g_hash_table_unref (f->metadata);
  g_free (f);
}

guint
mlo_tensorfile_size (const MloTensorFile * f)
{
  return f->tensors->len;
}

const MloTensor *
mlo_tensorfile_get (const MloTensorFile * f, guint i)
{
  return i < f->tensors->len ? f->tensors->pdata[i] : NULL;
}

const MloTensor *
mlo_tensorfile_find (const MloTensorFile * f, const char *name)
{
  for (guint i = 0; i < f->tensors->len; i++) {
    const MloTensor *t = f->tensors->pdata[i];

    if (g_str_equal (t->name, name))
      return t;
  }
  return NULL;
}

const char *
mlo_tensorfile_metadata (const MloTensorFile * f, const char *key)
{
  return g_hash_table_lookup (f->metadata, key);
}

char **
mlo_tensorfile_metadata_keys (const MloTensorFile * f)
{
  g_autoptr (GList) keys = g_list_sort (g_hash_table_get_keys (f->metadata), (GCompareFunc) strcmp);
  GPtrArray *copy = g_ptr_array_new ();

  for (GList * l = keys; l; l = l->next)
    g_ptr_array_add (copy, g_strdup (l->data));
  g_ptr_array_add (copy, NULL);
  return (char **) g_ptr_array_free (copy, FALSE);
}

/* With room for the product of @dims, not filled; NULL where there is not the memory. */
static MloTensor *
add_room (MloTensorFile * f, const char *name, guint n_dims, const gsize * dims)
{
  MloTensor *t = g_new0 (MloTensor, 1);

  g_assert (n_dims <= MLO_TENSOR_DIMS && mlo_tensorfile_find (f, name) == NULL);
  t->name = g_strdup (name);
  t->n_dims = n_dims;
  t->count = 1;
  for (guint i = 0; i < n_dims; i++) {
    t->dims[i] = dims[i];
    t->count *= dims[i];
  }
  t->data = g_try_new (float, t->count);
  if (t->count > 0 && !t->data) {
    tensor_free (t);
    return NULL;
  }
  g_ptr_array_add (f->tensors, t);
  return t;
}

void
mlo_tensorfile_add (MloTensorFile * f, const char *name, guint n_dims, const gsize * dims, const float *data)
{
  MloTensor *t = add_room (f, name, n_dims, dims);

  if (!t)
    g_error ("not enough memory for tensor %s", name);
  if (t->count > 0)
    memcpy (t->data, data, t->count * sizeof *data);
}

void
mlo_tensorfile_set_metadata (MloTensorFile * f, const char *key, const char *value)
{
  g_hash_table_insert (f->metadata, g_strdup (key), g_strdup (value));
}

/* Reading */

/* A tensor as the header describes it. */
typedef struct
{
  const char *name;             /* the JSON tree's */
  const MloTensorType *type;
  guint n_dims;
  gsize dims[MLO_TENSOR_DIMS];
  gsize count, begin, end;
} Entry;

/* json-glib keeps the last of two members of one name without a word. So: names as they are spelled, object by object,
 * and at the end the number of names against the members that the tree has, for those spelled with different escapes. */
static gboolean
check_names (const char *where, const char *text, gsize length, gsize * n_names, GError ** error)
{
  g_autoptr (GPtrArray) open = g_ptr_array_new_with_free_func ((GDestroyNotify) g_hash_table_unref);
  gsize string = 0, string_end = 0;

  *n_names = 0;
  for (gsize i = 0; i < length; i++) {
    switch (text[i]) {
      case '"':
        string = ++i;
        while (text[i] != '"')
          i += text[i] == '\\' ? 2 : 1;
        string_end = i;
        break;
      case '{':
      case '[':
        g_ptr_array_add (open, g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL));
        break;
      case '}':
      case ']':
        g_ptr_array_set_size (open, (int) open->len - 1);
        break;
      case ':':{
        char *name = g_strndup (text + string, string_end - string);

        (*n_names)++;
        if (!g_hash_table_add (open->pdata[open->len - 1], name)) {
          g_set_error (error, MLO_ERROR, MLO_ERROR_DUPLICATE, "%s: header offset %" G_GSIZE_FORMAT ": '%.*s' twice",
              where, string, (int) MIN (string_end - string, 200), text + string);
          return FALSE;
        }
        break;
      }
    }
  }
  return TRUE;
}

static gsize
count_members (JsonNode * node)
{
  gsize n = 0;

  if (JSON_NODE_HOLDS_OBJECT (node)) {
    JsonObjectIter iter;
    JsonNode *child;

    json_object_iter_init (&iter, json_node_get_object (node));
    while (json_object_iter_next (&iter, NULL, &child))
      n += 1 + count_members (child);
  } else if (JSON_NODE_HOLDS_ARRAY (node)) {
    JsonArray *array = json_node_get_array (node);

    for (guint i = 0; i < json_array_get_length (array); i++)
      n += count_members (json_array_get_element (array, i));
  }
  return n;
}

static gboolean
holds (JsonNode * node, GType type)
{
  return node && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type;
}

/* A list of at most @most non-negative integers. */
static gboolean
read_sizes (const char *where, const char *name, JsonObject * o, const char *key, guint least, guint most,
    gsize * sizes, guint * n, GError ** error)
{
  JsonNode *node = json_object_get_member (o, key);
  JsonArray *array;

  if (!node) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: tensor '%s' has no %s", where, name, key);
    return FALSE;
  }
  if (!JSON_NODE_HOLDS_ARRAY (node)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: tensor '%s': %s is not a list", where, name, key);
    return FALSE;
  }
  array = json_node_get_array (node);
  *n = json_array_get_length (array);
  if (*n < least || *n > most) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_SHAPE, "%s: tensor '%s': %s has %u entries, not %u to %u", where, name,
        key, *n, least, most);
    return FALSE;
  }
  for (guint i = 0; i < *n; i++) {
    JsonNode *element = json_array_get_element (array, i);

    if (!holds (element, G_TYPE_INT64)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: tensor '%s': %s[%u] is not an integer", where, name, key, i);
      return FALSE;
    }
    if (json_node_get_int (element) < 0 || json_node_get_int (element) > MLO_TENSORFILE_MAX_BYTES) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "%s: tensor '%s': %s[%u] is outside 0 to %u", where, name, key, i,
          MLO_TENSORFILE_MAX_BYTES);
      return FALSE;
    }
    sizes[i] = (gsize) json_node_get_int (element);
  }
  return TRUE;
}

static gboolean
read_entry (const char *where, const char *name, JsonNode * node, gsize data_size, Entry * e, GError ** error)
{
  JsonObject *o;
  JsonNode *dtype;
  const char *type_name;
  gsize offsets[2], bytes;
  guint n;

  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: tensor '%s' is not an object", where, name);
    return FALSE;
  }
  o = json_node_get_object (node);
  dtype = json_object_get_member (o, "dtype");
  if (!dtype) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: tensor '%s' has no dtype", where, name);
    return FALSE;
  }
  if (!holds (dtype, G_TYPE_STRING)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: tensor '%s': dtype is not a text", where, name);
    return FALSE;
  }
  e->name = name;
  type_name = json_node_get_string (dtype);
  e->type = mlo_tensor_type_find (type_name);
  if (!e->type) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_SHAPE, "%s: tensor '%s' is of type %s, not F32 (or F64, F16, BF16)", where,
        name, type_name);
    return FALSE;
  }
  if (!read_sizes (where, name, o, "shape", 0, MLO_TENSOR_DIMS, e->dims, &e->n_dims, error)
      || !read_sizes (where, name, o, "data_offsets", 2, 2, offsets, &n, error))
    return FALSE;
  e->begin = offsets[0];
  e->end = offsets[1];
  e->count = 1;
  for (guint i = 0; i < e->n_dims; i++)
    if (!g_size_checked_mul (&e->count, e->count, e->dims[i]))
      e->count = G_MAXSIZE;
  if (!g_size_checked_mul (&bytes, e->count, e->type->bytes))
    bytes = G_MAXSIZE;
  if (e->begin > e->end || e->end - e->begin != bytes) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_SHAPE, "%s: tensor '%s': data_offsets %" G_GSIZE_FORMAT " to %"
        G_GSIZE_FORMAT " do not hold its shape's %" G_GSIZE_FORMAT " bytes", where, name, e->begin, e->end, bytes);
    return FALSE;
  }
  if (e->end > data_size) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED, "%s: tensor '%s' ends at %" G_GSIZE_FORMAT " of %"
        G_GSIZE_FORMAT " data bytes", where, name, e->end, data_size);
    return FALSE;
  }
  return TRUE;
}

static int
by_place (gconstpointer a, gconstpointer b)
{
  const Entry *x = a, *y = b;

  if (x->begin != y->begin)
    return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

/* The tensors in the order of their data, which they must fill. */
static gboolean
read_tensors (MloTensorFile * f, const char *where, GArray * entries, const guint8 * data, gsize size, GError ** error)
{
  gsize at = 0;

  g_array_sort (entries, by_place);
  for (guint i = 0; i < entries->len; i++) {
    const Entry *e = &g_array_index (entries, Entry, i);

    if (e->begin != at) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: tensor '%s' begins at %" G_GSIZE_FORMAT ", the one before "
          "ends at %" G_GSIZE_FORMAT ": they %s", where, e->name, e->begin, at,
          e->begin < at ? "overlap" : "leave a hole");
      return FALSE;
    }
    at = e->end;
  }
  if (at != size) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: %" G_GSIZE_FORMAT " data bytes, of which no tensor takes "
        "those from %" G_GSIZE_FORMAT, where, size, at);
    return FALSE;
  }
  for (guint i = 0; i < entries->len; i++) {
    const Entry *e = &g_array_index (entries, Entry, i);
    MloTensor *t = add_room (f, e->name, e->n_dims, e->dims);

    if (!t)
      return mlo_error_memory (error, where, e->count * sizeof *t->data);
    for (gsize k = 0; k < e->count; k++) {
      t->data[k] = mlo_tensor_type_read (e->type, data + e->begin + k * e->type->bytes);
      if (!isfinite (t->data[k])) {
        g_set_error (error, MLO_ERROR, MLO_ERROR_NOT_FINITE, "%s: tensor '%s': number %" G_GSIZE_FORMAT
            " is not finite", where, e->name, k);
        return FALSE;
      }
    }
  }
  return TRUE;
}

/* json-glib writes half a surrogate pair's escape as bytes that are no UTF-8. */
static gboolean
check_text (const char *where, const char *what, const char *text, GError ** error)
{
  if (g_utf8_validate (text, -1, NULL))
    return TRUE;
  g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: %s with half a surrogate pair: not UTF-8", where, what);
  return FALSE;
}

static gboolean
read_metadata (MloTensorFile * f, const char *where, JsonNode * node, GError ** error)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: " METADATA " is not an object", where);
    return FALSE;
  }
  json_object_iter_init (&iter, json_node_get_object (node));
  while (json_object_iter_next (&iter, &key, &value)) {
    if (!check_text (where, "a name in " METADATA, key, error))
      return FALSE;
    if (!holds (value, G_TYPE_STRING)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: metadata '%s' is not a text", where, key);
      return FALSE;
    }
    if (!check_text (where, "a text in " METADATA, json_node_get_string (value), error))
      return FALSE;
    mlo_tensorfile_set_metadata (f, key, json_node_get_string (value));
  }
  return TRUE;
}

/* The header's tree, or NULL. */
static JsonParser *
parse_header (const char *where, const char *text, gsize length, GError ** error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) cause = NULL;
  gsize end, n_names;

  if (length == 0 || text[0] != '{') {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: the header is not a JSON object: not a safetensors file",
        where);
    return NULL;
  }
  if (!mlo_json_bound (text, length, MLO_TENSORFILE_MAX_DEPTH, &end, &cause)) {
    g_propagate_prefixed_error (error, g_steal_pointer (&cause), "%s: header: ", where);
    return NULL;
  }
  for (gsize i = end; i < length; i++)
    if (text[i] != ' ') {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: header offset %" G_GSIZE_FORMAT ": not the end", where, i);
      return NULL;
    }
  if (!g_utf8_validate (text, (gssize) end, NULL)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: the header is not UTF-8", where);
    return NULL;
  }
  if (!check_names (where, text, end, &n_names, error))
    return NULL;
  if (!json_parser_load_from_data (parser, text, (gssize) end, &cause)) {
    g_autofree char *said = g_utf8_make_valid (cause->message, -1);

    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: header: %s", where, said);
    return NULL;
  }
  if (!json_parser_get_root (parser) || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser))) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: the header is not a JSON object", where);
    return NULL;
  }
  if (count_members (json_parser_get_root (parser)) != n_names) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_DUPLICATE, "%s: the header holds a name twice", where);
    return NULL;
  }
  return g_steal_pointer (&parser);
}

MloTensorFile *
mlo_tensorfile_parse (const char *where, const guint8 * data, gsize size, GError ** error)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_new ();
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  g_autoptr (JsonParser) parser = NULL;
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;
  guint64 header;

  if (size > MLO_TENSORFILE_MAX_BYTES) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: %" G_GSIZE_FORMAT " bytes, more than %u", where, size,
        MLO_TENSORFILE_MAX_BYTES);
    return NULL;
  }
  if (size < 8) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED,
        "%s: %" G_GSIZE_FORMAT " bytes, too few for the header's length", where, size);
    return NULL;
  }
  memcpy (&header, data, 8);
  header = GUINT64_FROM_LE (header);
  if (header > MLO_TENSORFILE_MAX_HEADER) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: a header of %" G_GUINT64_FORMAT " bytes, more than %u: "
        "not a safetensors file of ours", where, header, MLO_TENSORFILE_MAX_HEADER);
    return NULL;
  }
  if (header > size - 8) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED, "%s: a header of %" G_GUINT64_FORMAT " bytes, of which %"
        G_GSIZE_FORMAT " are there", where, header, size - 8);
    return NULL;
  }
  data += 8;
  size -= 8 + (gsize) header;
  parser = parse_header (where, (const char *) data, (gsize) header, error);
  if (!parser)
    return NULL;
  data += header;
  json_object_iter_init (&iter, json_node_get_object (json_parser_get_root (parser)));
  while (json_object_iter_next (&iter, &name, &node)) {
    Entry e;

    if (g_str_equal (name, METADATA)) {
      if (!read_metadata (f, where, node, error))
        return NULL;
      continue;
    }
    if (entries->len == MLO_TENSORFILE_MAX_TENSORS) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: more than %d tensors", where,
          MLO_TENSORFILE_MAX_TENSORS);
      return NULL;
    }
    if (!check_text (where, "a tensor's name", name, error) || !read_entry (where, name, node, size, &e, error))
      return NULL;
    g_array_append_val (entries, e);
  }
  if (!read_tensors (f, where, entries, data, size, error))
    return NULL;
  return g_steal_pointer (&f);
}

MloTensorFile *
mlo_tensorfile_load (const char *path, GError ** error)
{
  g_autofree guint8 *data = NULL;
  gsize size;

  if (!mlo_file_read (path, MLO_TENSORFILE_MAX_BYTES, &data, &size, error))
    return NULL;
  return mlo_tensorfile_parse (path, data, size, error);
}

/* Writing */

GBytes *
mlo_tensorfile_serialize (const MloTensorFile * f)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *header = NULL;
  g_auto (GStrv) keys = mlo_tensorfile_metadata_keys (f);
  GByteArray *out = g_byte_array_new ();
  gsize length, padded, at = 0;
  guint64 le;

  json_builder_begin_object (b);
  if (keys[0]) {
    json_builder_set_member_name (b, METADATA);
    json_builder_begin_object (b);
    for (guint i = 0; keys[i]; i++) {
      json_builder_set_member_name (b, keys[i]);
      json_builder_add_string_value (b, mlo_tensorfile_metadata (f, keys[i]));
    }
    json_builder_end_object (b);
  }
  for (guint i = 0; i < f->tensors->len; i++) {
    const MloTensor *t = f->tensors->pdata[i];

    json_builder_set_member_name (b, t->name);
    json_builder_begin_object (b);
    json_builder_set_member_name (b, "dtype");
    json_builder_add_string_value (b, "F32");
    json_builder_set_member_name (b, "shape");
    json_builder_begin_array (b);
    for (guint k = 0; k < t->n_dims; k++)
      json_builder_add_int_value (b, (gint64) t->dims[k]);
    json_builder_end_array (b);
    json_builder_set_member_name (b, "data_offsets");
    json_builder_begin_array (b);
    json_builder_add_int_value (b, (gint64) at);
    at += t->count * sizeof (float);
    json_builder_add_int_value (b, (gint64) at);
    json_builder_end_array (b);
    json_builder_end_object (b);
  }
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  json_generator_set_root (generator, root);
  header = json_generator_to_data (generator, &length);
  /* Spaces at the end align the data to 8 bytes, as the format's own writer does. */
  padded = (length + 7) / 8 * 8;
  le = GUINT64_TO_LE ((guint64) padded);
  g_byte_array_append (out, (const guint8 *) &le, 8);
  g_byte_array_append (out, (const guint8 *) header, (guint) length);
  while (out->len < 8 + padded)
    g_byte_array_append (out, (const guint8 *) " ", 1);
  for (guint i = 0; i < f->tensors->len; i++) {
    const MloTensor *t = f->tensors->pdata[i];

    for (gsize k = 0; k < t->count; k++) {
      guint32 bits;

      memcpy (&bits, &t->data[k], 4);
      bits = GUINT32_TO_LE (bits);
      g_byte_array_append (out, (const guint8 *) &bits, 4);
    }
  }
  return g_byte_array_free_to_bytes (out);
}

static gboolean
write_all (int fd, const guint8 * data, gsize size)
{
  while (size > 0) {
    gssize n = write (fd, data, size);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return FALSE;
    data += n;
    size -= (gsize) n;
  }
  return TRUE;
}

static gboolean
io_error (GError ** error, const char *path, const char *what)
{
  int e = errno;

  g_set_error (error, MLO_ERROR, e == ENOENT ? MLO_ERROR_MISSING : MLO_ERROR_IO, "%s: cannot %s: %s", path, what,
      g_strerror (e));
  return FALSE;
}

gboolean
mlo_tensorfile_save (const MloTensorFile * f, const char *path, GError ** error)
{
  g_autoptr (GBytes) bytes = mlo_tensorfile_serialize (f);
  g_autofree char *aside = g_strdup_printf ("%s.XXXXXX", path);
  g_autofree char *folder = g_path_get_dirname (path);
  int fd = g_mkstemp_full (aside, O_RDWR | O_CLOEXEC, 0644), folder_fd;
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  if (fd < 0)
    return io_error (error, path, "write a file beside it");
  if (!write_all (fd, data, size) || fsync (fd) < 0) {
    io_error (error, aside, "write");
    close (fd);
    g_unlink (aside);
    return FALSE;
  }
  if (close (fd) < 0 || g_rename (aside, path) < 0) {
    io_error (error, path, "replace");
    g_unlink (aside);
    return FALSE;
  }
  /* The new name must outlive a power cut too; a file system that cannot sync a folder is no reason to fail. */
  folder_fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd >= 0) {
    fsync (folder_fd);
    close (folder_fd);
  }
  return TRUE;
}
