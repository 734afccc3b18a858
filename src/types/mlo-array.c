/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-array.h"

#include <string.h>

#include "mlo-error.h"

#define LEAST 16

gboolean
mlo_array_grow (gpointer array, guint n, guint * allocated, gsize size, const char *where, GError ** error)
{
  guint more = *allocated < LEAST ? LEAST : *allocated / 2;
  gpointer old, new;

  if (n < *allocated)
    return TRUE;
  more = MIN (more, G_MAXUINT - *allocated);
  memcpy (&old, array, sizeof old);
  new = more > 0 ? g_try_realloc_n (old, *allocated + more, size) : NULL;
  if (!new)
    return mlo_error_memory (error, where, ((gsize) * allocated + more) * size);
  memcpy (array, &new, sizeof new);
  *allocated += more;
  return TRUE;
}
