/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the kernel tells of a connection of this process, over the loopback. */
#include <gio/gio.h>

#include "mlo-tcp.h"

/* A listener that accepts @n connections and reads nothing. */
typedef struct
{
  GSocket *listener, *out[2], *in[2];
  guint16 port;
} Pairs;

static void
pairs_open (Pairs * p)
{
  g_autoptr (GInetAddress) any = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (any, 0), local = NULL;

  p->listener = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
  g_assert_true (g_socket_bind (p->listener, address, TRUE, NULL) && g_socket_listen (p->listener, NULL));
  local = g_socket_get_local_address (p->listener, NULL);
  p->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local));
  for (guint i = 0; i < 2; i++) {
    p->out[i] = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    g_assert_true (g_socket_connect (p->out[i], local, NULL, NULL));
    p->in[i] = g_socket_accept (p->listener, NULL, NULL);
    g_assert_nonnull (p->in[i]);
  }
}

static void
pairs_close (Pairs * p)
{
  for (guint i = 0; i < 2; i++) {
    g_clear_object (&p->out[i]);
    g_clear_object (&p->in[i]);
  }
  g_clear_object (&p->listener);
}

static void
test_finds_and_reads (void)
{
  static char bytes[100000];
  Pairs p = { 0 };
  MloTcp t;
  MloTcpInfo info;
  gsize full = 0;

  pairs_open (&p);
  g_assert_cmpint (g_socket_send (p.out[0], bytes, 1000, NULL, NULL), ==, 1000);
  g_assert_cmpint (g_socket_send (p.out[1], bytes, 30000, NULL, NULL), ==, 30000);
#ifdef __linux__
  /* The one through which so much went. */
  g_assert_true (mlo_tcp_find (&t, p.port, 29000));
  g_assert_cmpint (t.fd, ==, g_socket_get_fd (p.out[1]));
  g_assert_true (mlo_tcp_find (&t, p.port, 900));
  g_assert_cmpint (t.fd, ==, g_socket_get_fd (p.out[0]));
  for (guint i = 0; i < 100 && mlo_tcp_read (&t, &info) && info.acked_bytes < 1000; i++)
    g_usleep (5000);
  g_assert_cmpuint (info.acked_bytes, >=, 1000);
  g_assert_cmpuint (info.acked_bytes, <=, 1001);
  g_assert_cmpuint (info.waiting_bytes, ==, 0);
  g_assert_cmpfloat (info.rtt_ms, >, 0.0);
  g_assert_cmpfloat (info.rtt_ms, <, 1000.0);
  /* Nobody reads: what was written is acknowledged, in flight or waits. */
  g_socket_set_blocking (p.out[0], FALSE);
  for (gssize n; (n = g_socket_send (p.out[0], bytes, sizeof bytes, NULL, NULL)) > 0;)
    full += (gsize) n;
  g_usleep (50000);
  g_assert_true (mlo_tcp_read (&t, &info));
  g_assert_cmpuint (info.waiting_bytes, >, 0);
  g_assert_cmpuint (info.acked_bytes + info.unacked_bytes + info.waiting_bytes, >=, full + 1000);
  g_assert_cmpuint (info.acked_bytes + info.unacked_bytes + info.waiting_bytes, <=, full + 1001);
  /* Another socket under the same number is not taken for it. */
  {
    int fd = t.fd;

    g_clear_object (&p.out[0]);
    g_assert_false (mlo_tcp_read (&t, &info));
    p.out[0] = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
    g_assert_cmpint (g_socket_get_fd (p.out[0]), ==, fd);
    g_assert_false (mlo_tcp_read (&t, &info));
  }
#else
  g_assert_false (mlo_tcp_find (&t, p.port, 29000));
  g_assert_false (mlo_tcp_read (&t, &info));
#endif
  pairs_close (&p);
  g_assert_false (mlo_tcp_find (&t, p.port, 0));
  g_assert_false (mlo_tcp_read (&t, &info));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tcp/finds-and-reads", test_finds_and_reads);
  return g_test_run ();
}
