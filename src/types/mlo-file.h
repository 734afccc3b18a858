/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_FILE_H
#define MLO_FILE_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * mlo_file_read:
 * @most: ceiling on the file's bytes
 * @data: (out) (transfer full): g_free; one byte more is allocated than there is
 *
 * The bytes of a regular file; a pipe or device is refused instead of waited for.
 *
 * Returns: FALSE with MLO_ERROR_MISSING, _IO, _TOO_LARGE, _MEMORY or _TRUNCATED, the path in the message.
 */
gboolean mlo_file_read (const char *path, gsize most, guint8 ** data, gsize * size, GError ** error);

/**
 * mlo_file_read_stream:
 *
 * The same of what may be a pipe or a device: waits for it, and reads up to @most whatever it says its size is.
 * A user's own argument, never a name from outside.
 *
 * Returns: FALSE with MLO_ERROR_MISSING, _IO, _TOO_LARGE or _MEMORY, the path in the message.
 */
gboolean mlo_file_read_stream (const char *path, gsize most, guint8 ** data, gsize * size, GError ** error);

G_END_DECLS
#endif
