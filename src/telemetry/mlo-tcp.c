/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-tcp.h"

#ifdef __linux__

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define MAX_DESCRIPTORS 4096

static gboolean
read_cookie (int fd, guint64 * cookie)
{
  socklen_t length = sizeof *cookie;

  return getsockopt (fd, SOL_SOCKET, SO_COOKIE, cookie, &length) == 0 && length == sizeof *cookie;
}

static gboolean
read_info (int fd, MloTcpInfo * info)
{
  struct tcp_info t;
  socklen_t length = sizeof t;
  int queued = 0, unsent = 0;

  memset (&t, 0, sizeof t);
  if (getsockopt (fd, IPPROTO_TCP, TCP_INFO, &t, &length) != 0)
    return FALSE;
  if (length < offsetof (struct tcp_info, tcpi_bytes_received))
      return FALSE;
  if (ioctl (fd, SIOCOUTQ, &queued) != 0 || ioctl (fd, SIOCOUTQNSD, &unsent) != 0)
    return FALSE;
  info->rtt_ms = t.tcpi_rtt / 1000.0;
  info->acked_bytes = t.tcpi_bytes_acked;
  info->waiting_bytes = (guint64) MAX (unsent, 0);
  info->unacked_bytes = (guint64) MAX (queued - MAX (unsent, 0), 0);
  info->sent_segments = t.tcpi_segs_out;
  info->retransmitted_segments = t.tcpi_total_retrans;
  return TRUE;
}

static gboolean
goes_to (int fd, guint16 port)
{
  struct sockaddr_storage peer = {.ss_family = AF_UNSPEC };
  socklen_t length = sizeof peer;
  int type = 0;
  socklen_t type_length = sizeof type;

  if (getsockopt (fd, SOL_SOCKET, SO_TYPE, &type, &type_length) != 0 || type != SOCK_STREAM)
    return FALSE;
  if (getpeername (fd, (struct sockaddr *) &peer, &length) != 0)
    return FALSE;
  if (peer.ss_family == AF_INET)
    return ntohs (((struct sockaddr_in *) &peer)->sin_port) == port;
  return peer.ss_family == AF_INET6 && ntohs (((struct sockaddr_in6 *) &peer)->sin6_port) == port;
}

gboolean
mlo_tcp_find (MloTcp * t, guint16 port, guint64 written_bytes)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint64 nearest = G_MAXUINT64;
  const char *name;

  t->fd = -1;
  for (guint n = 0; dir && n < MAX_DESCRIPTORS && (name = g_dir_read_name (dir)); n++) {
    int fd = (int) g_ascii_strtoll (name, NULL, 10);
    guint64 cookie, written, distance;
    MloTcpInfo info;

    if (!goes_to (fd, port) || !read_cookie (fd, &cookie) || !read_info (fd, &info))
      continue;
    written = info.acked_bytes + info.unacked_bytes + info.waiting_bytes;
    distance = written > written_bytes ? written - written_bytes : written_bytes - written;
    if (t->fd >= 0 && distance >= nearest)
      continue;
    nearest = distance;
    t->fd = fd;
    t->cookie = cookie;
  }
  return t->fd >= 0;
}

gboolean
mlo_tcp_read (const MloTcp * t, MloTcpInfo * info)
{
  guint64 cookie;

  return t->fd >= 0 && read_cookie (t->fd, &cookie) && cookie == t->cookie && read_info (t->fd, info);
}

#else

gboolean
mlo_tcp_find (MloTcp * t, guint16 port, guint64 written_bytes)
{
  t->fd = -1;
  return FALSE;
}

gboolean
mlo_tcp_read (const MloTcp * t, MloTcpInfo * info)
{
  return FALSE;
}

#endif
