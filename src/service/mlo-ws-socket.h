/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_WS_SOCKET_H
#define MLO_WS_SOCKET_H

#include <gio/gio.h>

G_BEGIN_DECLS

/* All bytes that ever came in, by the kernel's count; 0: it does not say. @socket: (nullable) */
guint64 mlo_ws_socket_received (GSocket * socket);

G_END_DECLS
#endif
