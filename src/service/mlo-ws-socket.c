/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-ws-socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
/* Not netinet/tcp.h: glibc's tcp_info ends before the count of bytes. */
#include <linux/tcp.h>

int
mlo_ws_socket_dup (GSocket * socket)
{
  return socket ? fcntl (g_socket_get_fd (socket), F_DUPFD_CLOEXEC, 0) : -1;
}

void
mlo_ws_socket_shut (int descriptor)
{
  if (descriptor >= 0)
    shutdown (descriptor, SHUT_RDWR);
}

guint64
mlo_ws_socket_received (int descriptor)
{
  /* an older kernel fills less of it */
  struct tcp_info info = { 0 };
  socklen_t length = sizeof info;

  if (descriptor < 0 || getsockopt (descriptor, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
    return 0;
  return info.tcpi_bytes_received;
}
