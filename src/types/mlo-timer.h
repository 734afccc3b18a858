/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TIMER_H
#define MLO_TIMER_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * mlo_timer_new:
 * @context: (nullable): where it is attached; NULL: the default one
 *
 * A source that runs @func when its ready time (g_source_set_ready_time(), any thread) has come, and has none at first.
 * @func sets the next one, or -1, and returns G_SOURCE_CONTINUE; else it is called again at once.
 *
 * Returns: (transfer full): to be destroyed and unreferenced
 */
GSource *mlo_timer_new (GMainContext * context, GSourceFunc func, gpointer user_data, int priority);

G_END_DECLS
#endif
