/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_WS_GUARD_H
#define MLO_WS_GUARD_H

#include <glib.h>

G_BEGIN_DECLS

/* Bytes that may come in between two looks. */
#define MLO_WS_GUARD_MAX_BYTES (4 * 1024 * 1024)

/**
 * MloWsGuard: ends connections that keep their reader reading. libsoup 3.2 reads a WebSocket's socket until it is empty
 * before it looks at anything or lets anything else of its thread happen: whoever sends faster than it reads is read for
 * ever, into memory without end. From a thread of its own, which is there while there is something to guard, this shuts a connection
 * on which more came in than MLO_WS_GUARD_MAX_BYTES since its reader said that it looks.
 */
typedef struct _MloWsGuard MloWsGuard;
typedef struct _MloWsGuarded MloWsGuarded;

MloWsGuard *mlo_ws_guard_new (void);
/* Nothing may be guarded any more. */
void mlo_ws_guard_free (MloWsGuard * g);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloWsGuard, mlo_ws_guard_free)

/* @descriptor: as of mlo_ws_socket_dup(), open until it is removed; @max_bytes: usually MLO_WS_GUARD_MAX_BYTES. */
MloWsGuarded *mlo_ws_guard_add (MloWsGuard * g, int descriptor, guint64 max_bytes);
/* The reader is not stuck. Any thread. */
void mlo_ws_guard_looked (MloWsGuard * g, MloWsGuarded * guarded);
/* @guarded: (transfer full) (nullable). The last one ends the thread and waits for it, which takes no time. Returns: whether
 * it was shut. */
gboolean mlo_ws_guard_remove (MloWsGuard * g, MloWsGuarded * guarded);

G_END_DECLS
#endif
