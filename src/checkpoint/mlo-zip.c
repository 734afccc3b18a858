/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-zip.h"

#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "mlo-error.h"

#define CHUNK 65536

typedef struct archive Archive;

/* *INDENT-OFF* */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Archive, archive_read_free)
/* *INDENT-ON* */

static const char *
reason (Archive * a)
{
  const char *text = archive_error_string (a);

  return text ? text : "damaged";
}

/* The running entry, at most @room bytes of it; NULL and @error. */
static GBytes *
unpack (const char *where, const char *name, Archive * a, gsize room, GError ** error)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autofree guint8 *chunk = g_malloc (CHUNK);
  gssize n;

  while ((n = archive_read_data (a, chunk, CHUNK)) > 0) {
    if ((gsize) n > room - out->len) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: more than %u bytes when unpacked", where,
          MLO_ZIP_MAX_BYTES);
      return NULL;
    }
    g_byte_array_append (out, chunk, (guint) n);
  }
  if (n < 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: %s: %s", where, name, reason (a));
    return NULL;
  }
  return g_byte_array_free_to_bytes (g_steal_pointer (&out));
}

static gboolean
add_entry (const char *where, Archive * a, struct archive_entry *entry, GHashTable * files, gsize * total,
    GError ** error)
{
  const char *raw = archive_entry_pathname (entry);
  g_autofree char *name = raw ? g_strescape (raw, NULL) : NULL;
  GBytes *bytes;

  if (!raw) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: a name in the archive cannot be read: %s", where, reason (a));
    return FALSE;
  }
  if (archive_entry_filetype (entry) != AE_IFREG)
    return TRUE;
  if (archive_entry_is_encrypted (entry)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: %.200s is encrypted", where, name);
    return FALSE;
  }
  if (g_hash_table_contains (files, raw)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_DUPLICATE, "%s: %.200s is there twice", where, name);
    return FALSE;
  }
  if (g_hash_table_size (files) >= MLO_ZIP_MAX_FILES) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: more than %u files in it", where, MLO_ZIP_MAX_FILES);
    return FALSE;
  }
  bytes = unpack (where, name, a, MLO_ZIP_MAX_BYTES - *total, error);
  if (!bytes)
    return FALSE;
  *total += g_bytes_get_size (bytes);
  g_hash_table_insert (files, g_strdup (raw), bytes);
  return TRUE;
}

GHashTable *
mlo_zip_parse (const char *where, const guint8 * data, gsize size, GError ** error)
{
  g_autoptr (GHashTable) files =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  g_autoptr (Archive) a = archive_read_new ();
  struct archive_entry *entry;
  gsize total = 0;
  int result;

  if (size < 4 || memcmp (data, "PK\3\4", 4) != 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: not a zip archive", where);
    return NULL;
  }
  if (!a) {
    mlo_error_memory (error, where, size);
    return NULL;
  }
  /* By the directory at the end, as PyTorch reads it, not by what lies about in front of it. */
  archive_read_support_format_zip_seekable (a);
  if (archive_read_open_memory (a, data, size) != ARCHIVE_OK) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED, "%s: the zip archive's directory is not at its end: cut short? "
        "(%s)", where, reason (a));
    return NULL;
  }
  while ((result = archive_read_next_header (a, &entry)) == ARCHIVE_OK || result == ARCHIVE_WARN)
    if (!add_entry (where, a, entry, files, &total, error))
      return NULL;
  if (result != ARCHIVE_EOF) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: damaged zip archive: %s", where, reason (a));
    return NULL;
  }
  return g_steal_pointer (&files);
}
