/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SOAK_HEAP_H
#define SOAK_HEAP_H

#include <glib.h>

G_BEGIN_DECLS

/* What this process holds of its heap; @own: of that what the element's threads asked for. */
double soak_heap_kib (gboolean own);

/* From now on blocks are of the @epoch-th stretch of time, of which there are SOAK_EPOCHS; 0 at first. */
#define SOAK_EPOCHS 512
void soak_heap_begin_epoch (guint epoch);

/* Of what was asked for in the epochs from @from to before @to, what is still held. Buffers that come and go are not, however
 * many there happen to be now: this is what grows. */
double soak_heap_kept_kib (guint from, guint to);

G_END_DECLS
#endif
