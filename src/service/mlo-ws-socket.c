/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-ws-socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
/* Not netinet/tcp.h: glibc's tcp_info ends before the count of bytes. */
#include <linux/tcp.h>

guint64
mlo_ws_socket_received (GSocket * socket)
{
  /* an older kernel fills less of it */
  struct tcp_info info = { 0 };
  socklen_t length = sizeof info;

  if (!socket || getsockopt (g_socket_get_fd (socket), IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
    return 0;
  return info.tcpi_bytes_received;
}
