/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Transports that are asked: found behind muxers and queues, read, and acted on. Over the loopback, which has no
 * bottleneck; tests/transport-loop has one. */
#include <gio/gio.h>

#include "element-helpers.h"

#define SOURCE "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
#define X264 "x264enc name=e tune=zerolatency speed-preset=ultrafast bitrate=500 key-int-max=60 ! "

static guint16
free_port (GSocketType type, GSocketProtocol protocol)
{
  g_autoptr (GInetAddress) any = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  guint16 port;

  do {
    g_autoptr (GSocketAddress) address = g_inet_socket_address_new (any, 0), local = NULL;
    g_autoptr (GSocket) s = g_socket_new (G_SOCKET_FAMILY_IPV4, type, protocol, NULL);

    g_assert_true (g_socket_bind (s, address, FALSE, NULL));
    local = g_socket_get_local_address (s, NULL);
    port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local));
  } while (type == G_SOCKET_TYPE_DATAGRAM && port % 2 == 1);    /* RIST wants an even one */
  return port;
}

static gboolean
have (const char *name)
{
  g_autoptr (GstElementFactory) f = gst_element_factory_find (name);

  return f != NULL;
}

static gboolean
risen (Run * r, gpointer data)
{
  return run_measure (r, "delivered_kbps") > 300.0 && run_measure (r, "queue_delay_ms") >= 0.0
      && run_measure (r, "packet_loss") >= 0.0 && run_encoder_kbps (r) > 700;
}

static void
check (const char *send, const char *receive)
{
  GstElement *receiver = receive ? gst_parse_launch (receive, NULL) : NULL;
  Run *r = run_new (send);

  if (receiver)
    gst_element_set_state (receiver, GST_STATE_PLAYING);
  g_usleep (300000);
  run_play (r);
  g_assert_true (run_until (r, 30.0, risen, NULL));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, NULL), ==, 0);
  run_assert_clean (r, NULL);
  run_free (r);
  if (receiver) {
    gst_element_set_state (receiver, GST_STATE_NULL);
    gst_object_unref (receiver);
  }
}

static void
test_srt (gconstpointer data)
{
  gboolean listens = GPOINTER_TO_INT (data);
  guint16 port = free_port (G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP);
  g_autofree char *send = NULL, *receive = NULL;

  if (!have ("srtsink")) {
    g_test_skip ("there is no srtsink");
    return;
  }
  send =
      g_strdup_printf (SOURCE "mloptimizer name=o max-bitrate=2000000 ! " X264 "queue ! mpegtsmux alignment=7 ! tee ! "
      "srtsink uri=srt://%s:%u latency=50 sync=false wait-for-connection=false async=false", listens ? "" : "127.0.0.1",
      port);
  receive =
      g_strdup_printf ("srtsrc uri=srt://%s:%u latency=50 ! fakesink async=false sync=false "
      "srtsrc uri=srt://%s:%u latency=50 name=b ! fakesink async=false sync=false", listens ? "127.0.0.1" : "", port,
      listens ? "127.0.0.1" : "", listens ? port : free_port (G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP));
  check (send, receive);
}

static void
test_rist (void)
{
  guint16 port = free_port (G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP);
  g_autofree char *send = NULL, *receive = NULL;

  if (!have ("ristsink")) {
    g_test_skip ("there is no ristsink");
    return;
  }
  send =
      g_strdup_printf (SOURCE "mloptimizer name=o max-bitrate=2000000 ! " X264 "mpegtsmux alignment=7 ! rtpmp2tpay ! "
      "ristsink address=127.0.0.1 port=%u", port);
  receive = g_strdup_printf ("ristsrc address=127.0.0.1 port=%u ! fakesink async=false sync=false", port);
  check (send, receive);
}

static void
test_tcp (void)
{
  guint16 port = free_port (G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP);
  g_autofree char *send = NULL, *receive = NULL;

#ifndef __linux__
  g_test_skip ("the kernel cannot be asked");
  return;
#endif
  send = g_strdup_printf (SOURCE "mloptimizer name=o max-bitrate=2000000 ! " X264 "mpegtsmux ! queue ! "
      "tcpclientsink host=127.0.0.1 port=%u sync=false", port);
  receive = g_strdup_printf ("tcpserversrc host=127.0.0.1 port=%u ! fakesink async=false sync=false", port);
  check (send, receive);
}

/* Nobody there: the start stays, and the sink is named. */
static void
test_not_connected (void)
{
  guint16 port = free_port (G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP);
  g_autofree char *send = NULL;
  Run *r;

  if (!have ("srtsink")) {
    g_test_skip ("there is no srtsink");
    return;
  }
  send =
      g_strdup_printf (SOURCE "mloptimizer name=o ! " X264 "mpegtsmux alignment=7 ! srtsink name=network uri=srt://:%u "
      "sync=false wait-for-connection=false async=false", port);
  r = run_new (send);
  run_play (r);
  g_assert_true (run_until (r, 15.0, run_has_warning, (gpointer) "network is not connected"));
  g_assert_cmpuint (run_encoder_kbps (r), ==, 500);
  run_free (r);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_data_func ("/transport/srt-caller", GINT_TO_POINTER (FALSE), test_srt);
  g_test_add_data_func ("/transport/srt-listener", GINT_TO_POINTER (TRUE), test_srt);
  g_test_add_func ("/transport/rist", test_rist);
  g_test_add_func ("/transport/tcp", test_tcp);
  g_test_add_func ("/transport/not-connected", test_not_connected);
  return g_test_run ();
}
