/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SOAK_HEAP_H
#define SOAK_HEAP_H

#include <glib.h>

G_BEGIN_DECLS

/* What this process holds of its heap; @own: of that what the element's threads asked for. */
double soak_heap_kib (gboolean own);

G_END_DECLS
#endif
