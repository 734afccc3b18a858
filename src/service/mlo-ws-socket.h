/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_WS_SOCKET_H
#define MLO_WS_SOCKET_H

#include <gio/gio.h>

G_BEGIN_DECLS

/* A descriptor of the same connection, for close() by whoever asked; -1: none. @socket: (nullable). TLS closes its socket in a
 * thread of its own, at any time, and its number may be another file's then: whoever looks at it beside uses this one. */
int mlo_ws_socket_dup (GSocket * socket);
/* All bytes that ever came in, by the kernel's count; 0: it does not say. */
guint64 mlo_ws_socket_received (int descriptor);
/* Neither side hears of the other any more: whoever waits for it goes on. */
void mlo_ws_socket_shut (int descriptor);

G_END_DECLS
#endif
