/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Feedback through real RTP sessions: sender and receiver in one pipeline, without a network. */
#include <gio/gio.h>

#include "element-helpers.h"

#define TWCC ",extmap-1=(string)http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define SOURCE "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
#define X264 "x264enc name=e tune=zerolatency speed-preset=ultrafast bitrate=1000 key-int-max=60 ! " \
  "video/x-h264,profile=baseline ! "

/* A socket on a free port of the loopback. */
static GSocket *
open_port (guint16 * port)
{
  g_autoptr (GInetAddress) any = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (any, 0);
  g_autoptr (GSocketAddress) local = NULL;
  GSocket *s = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, NULL);

  g_assert_nonnull (s);
  g_assert_true (g_socket_bind (s, address, FALSE, NULL));
  local = g_socket_get_local_address (s, NULL);
  *port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local));
  return s;
}

static void
give_socket (GstElement * pipeline, const char *name, GSocket * socket)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (pipeline), name);

  g_object_set (e, "socket", socket, NULL);
}

/* Lets the receiver report every 30 ms. */
static void
speak_often (GstElement * pipeline)
{
  GstIterator *i = gst_bin_iterate_all_by_element_factory_name (GST_BIN (pipeline), "rtpsession");
  GValue value = G_VALUE_INIT;

  g_assert_cmpint (gst_iterator_next (i, &value), ==, GST_ITERATOR_OK);
  g_object_set (g_value_get_object (&value), "rtcp-min-interval", (guint64) 30 * GST_MSECOND, "rtcp-fraction", 50000.0,
      NULL);
  g_value_unset (&value);
  gst_iterator_free (i);
}

/* Sender (the run) and receiver, over the loopback. */
typedef struct
{
  Run *sender;
  GstElement *receiver;
} Link;

/* @extension: more of the payload's caps; @between: what stands between payloader and session. */
static Link
link_new (const char *properties, const char *extension, const char *between)
{
  Link l;
  guint16 rtp, rtcp, back;
  g_autoptr (GSocket) rtp_socket = open_port (&rtp);
  g_autoptr (GSocket) rtcp_socket = open_port (&rtcp);
  g_autoptr (GSocket) back_socket = open_port (&back);
  g_autofree char *send = g_strdup_printf ("rtpbin name=a rtp-profile=avpf " SOURCE "mloptimizer name=o %s ! " X264
      "rtph264pay config-interval=-1 ! application/x-rtp,payload=96%s ! %s a.send_rtp_sink_0 "
      "a.send_rtp_src_0 ! udpsink host=127.0.0.1 port=%u "
      "a.send_rtcp_src_0 ! udpsink host=127.0.0.1 port=%u sync=false async=false "
      "udpsrc name=back ! a.recv_rtcp_sink_0", properties, extension, between, rtp, rtcp);
  g_autofree char *receive = g_strdup_printf ("rtpbin name=b rtp-profile=avpf latency=20 "
      "udpsrc name=rtp caps=\"application/x-rtp,media=video,clock-rate=90000,encoding-name=H264,payload=96%s\" ! "
      "b.recv_rtp_sink_0 b. ! rtph264depay ! fakesink async=false udpsrc name=rtcp ! b.recv_rtcp_sink_0 "
      "b.send_rtcp_src_0 ! udpsink host=127.0.0.1 port=%u sync=false async=false", extension, back);

  l.receiver = gst_parse_launch (receive, NULL);
  g_assert_nonnull (l.receiver);
  speak_often (l.receiver);
  give_socket (l.receiver, "rtp", rtp_socket);
  give_socket (l.receiver, "rtcp", rtcp_socket);
  l.sender = run_new (send);
  give_socket (l.sender->pipeline, "back", back_socket);
  gst_element_set_state (l.receiver, GST_STATE_PLAYING);
  run_play (l.sender);
  return l;
}

static void
link_free (Link * l)
{
  run_free (l->sender);
  gst_element_set_state (l->receiver, GST_STATE_NULL);
  gst_object_unref (l->receiver);
}

static gboolean
measured (Run * r, gpointer data)
{
  return run_stat (r, "feedback-reports") >= 20 && run_measure (r, "latency_ms") >= 0.0
      && run_measure (r, "delivered_kbps") > 100.0;
}

/* Per-packet feedback comes by itself, in the sender's clock. */
static void
test_per_packet (gconstpointer between)
{
  Link l = link_new ("max-bitrate=3000000", TWCC, between);
  Run *r = l.sender;
  guint bandwidth = 0;

  g_assert_true (run_until (r, 15.0, measured, NULL));
  g_assert_cmpfloat (run_measure (r, "latency_ms"), <, 1000.0);
  g_assert_cmpfloat (run_measure (r, "packet_loss"), ==, 0.0);
  g_assert_cmpuint (run_stat (r, "feedback-packets-lost"), ==, 0);
  g_assert_cmpuint (run_stat (r, "feedback-packets"), >, run_stat (r, "feedback-reports"));
  g_assert_cmpuint (run_stat (r, "feedback-packets-missed"), ==, 0);
  /* What was sent is acknowledged: less than a second of it is in flight. */
  g_assert_cmpuint (run_stat (r, "bytes-in-flight"), <, 3000000 / 8);
  g_object_get (r->element, "estimated-bandwidth", &bandwidth, NULL);
  g_assert_cmpuint (bandwidth, >, 1000000);
  run_assert_clean (r, NULL);
  link_free (&l);
}

static gboolean
reported (Run * r, gpointer data)
{
  return run_stat (r, "receiver-reports") >= 3 && run_measure (r, "latency_ms") >= 0.0;
}

/* Without the extension: said once, with what to add; receiver reports carry on. */
static void
test_receiver_reports (void)
{
  Link l = link_new ("max-bitrate=3000000", "", "");
  Run *r = l.sender;

  g_assert_true (run_until (r, 15.0, reported, NULL));
  g_assert_cmpfloat (run_measure (r, "latency_ms"), <, 1000.0);
  g_assert_cmpfloat (run_measure (r, "jitter_ms"), >=, 0.0);
  g_assert_cmpfloat (run_measure (r, "jitter_ms"), <, 200.0);
  run_until (r, 4.0, NULL, NULL);
  g_assert_cmpuint (run_stat (r, "feedback-reports"), ==, 0);
  g_assert_cmpfloat (run_measure (r, "delivered_kbps"), >, 100.0);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "extmap-1=http://www.ietf.org/id/draft-holmer"), ==, 1);
  run_assert_clean (r, "extmap-1=");
  link_free (&l);
}

/* A session that comes while the stream already plays, in a bin in a bin. */
static void
test_late_session (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o ! " X264 "rtph264pay ! fakesink async=false");
  GstElement *outer = gst_bin_new (NULL), *inner = gst_bin_new (NULL), *session;

  run_play (r);
  run_until (r, 0.5, NULL, NULL);
  session = gst_element_factory_make ("rtpsession", NULL);
  gst_bin_add (GST_BIN (inner), session);
  gst_bin_add (GST_BIN (outer), inner);
  gst_bin_add (GST_BIN (r->pipeline), outer);
  gst_element_sync_state_with_parent (outer);
  /* Found: what is missing is not the session. */
  run_until (r, 7.0, NULL, NULL);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "there is no rtpsession"), ==, 0);
  run_assert_clean (r, "");
  run_free (r);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_data_func ("/rtp/per-packet", "", test_per_packet);
  g_test_add_data_func ("/rtp/behind-queues", "queue ! tee name=t t. ! queue ! fakesink async=false t. ! queue !",
      test_per_packet);
  g_test_add_func ("/rtp/receiver-reports", test_receiver_reports);
  g_test_add_func ("/rtp/late-session", test_late_session);
  return g_test_run ();
}
