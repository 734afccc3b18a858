/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ZIP_H
#define MLO_ZIP_H

#include <glib.h>

G_BEGIN_DECLS

/* Ceilings; beyond them MLO_ERROR_TOO_LARGE. The bytes are those of all files in the archive, unpacked. */
#define MLO_ZIP_MAX_FILES 4096u
#define MLO_ZIP_MAX_BYTES (64u << 20)

/* The files of a zip archive by their names in it (char * -> GBytes *), or NULL and @error: cut short, damaged,
 * encrypted, a name twice, too large. @where: what the messages call it. */
GHashTable *mlo_zip_parse (const char *where, const guint8 * data, gsize size, GError ** error);

G_END_DECLS
#endif
