/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ARRAY_H
#define MLO_ARRAY_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * mlo_array_grow:
 * @array: (inout): address of a pointer to the elements, NULL before the first (g_free)
 * @n: elements that there are; their ceiling is the caller's
 * @allocated: (inout): elements that there is room for
 * @size: bytes of one
 * @where: for the message
 *
 * Room for one more. For what is as large as a file says: GLib's own arrays end the process where there is no memory.
 *
 * Returns: FALSE with MLO_ERROR_MEMORY; the elements then are as they were
 */
gboolean mlo_array_grow (gpointer array, guint n, guint * allocated, gsize size, const char *where, GError ** error);

G_END_DECLS
#endif
