/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Of several receivers the one that the user chose: by the name of its element or its address, live, and what is said
 * where it is not there. */
#include <gio/gio.h>

#include "element-helpers.h"
#include "twcc-helpers.h"

#define SOURCE "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! "
#define X264 "x264enc name=e tune=zerolatency speed-preset=ultrafast bitrate=1000 ! "
#define TWCC "extmap-1=(string)http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

/* A report of the receiver behind @session (an rtpsession): ten packets, each through a queue of @queue_ms. */
static void
report (GstElement * session, guint * seqnum, double queue_ms)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (session, "send_rtp_sink");
  GstClockTime now = (GstClockTime) g_get_monotonic_time () * 1000;
  GValueArray *packets;

  G_GNUC_BEGIN_IGNORE_DEPRECATIONS;
  packets = g_value_array_new (10);
  G_GNUC_END_IGNORE_DEPRECATIONS;
  for (guint i = 0; i < 10; i++) {
    guint64 sent = now - 400 * GST_MSECOND + i * 100000;

    twcc_add_packet (packets, (*seqnum)++, sent, sent + (guint64) ((20.0 + queue_ms) * GST_MSECOND), 1000, FALSE);
  }
  gst_pad_push_event (pad, twcc_event (packets));
}

static GstElement *
session_in (Run * r, const char *bin)
{
  g_autoptr (GstElement) b = gst_bin_get_by_name (GST_BIN (r->pipeline), bin);
  GstIterator *i = gst_bin_iterate_all_by_element_factory_name (GST_BIN (b), "rtpsession");
  GValue value = G_VALUE_INIT;
  GstElement *session;

  g_assert_cmpint (gst_iterator_next (i, &value), ==, GST_ITERATOR_OK);
  session = g_value_dup_object (&value);
  g_value_unset (&value);
  gst_iterator_free (i);
  return session;
}

typedef struct
{
  GstElement *session[2];
  guint seqnum[2];
  gint64 next_us;
  double least, most;           /* of the queue that is to be measured, ms */
  const char *warning;          /* that is to be heard, instead */
} Two;

/* Both report; a's queue is empty, and b's is 150 ms after its first reports. */
static gboolean
measures (Run * r, gpointer data)
{
  Two *t = data;
  double queue_ms;

  if (g_get_monotonic_time () >= t->next_us) {
    report (t->session[0], &t->seqnum[0], 0.0);
    report (t->session[1], &t->seqnum[1], t->seqnum[1] < 100 ? 0.0 : 150.0);
    t->next_us = g_get_monotonic_time () + 40000;
  }
  if (t->warning)
    return run_count (r, GST_MESSAGE_WARNING, TRUE, t->warning) > 0;
  queue_ms = run_measure (r, "queue_delay_ms");
  return t->seqnum[1] >= 200 && queue_ms >= t->least && queue_ms <= t->most;
}

static gboolean
peer_decides (Run * r)
{
  g_autoptr (GstStructure) s = NULL;
  gboolean decides = FALSE;

  g_object_get (r->element, "stats", &s, NULL);
  g_assert_true (gst_structure_get_boolean (s, "peer-decides", &decides));
  return decides;
}

static gboolean
decides (Run * r, gpointer data)
{
  if (data)
    measures (r, data);
  return peer_decides (r);
}

/* The worst, the one that is named (by its rtpbin, or its session's bin in a bin), and the worst again. */
static void
test_sessions (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o adapt=bitrate max-bitrate=2000000 ! " X264 "rtph264pay ! "
      "application/x-rtp,payload=96," TWCC " ! tee name=t "
      "rtpbin name=a bin.( name=outer rtpbin name=b ) t. ! queue ! a.send_rtp_sink_0 t. ! queue ! b.send_rtp_sink_0 "
      "a.send_rtp_src_0 ! fakesink async=false b.send_rtp_src_0 ! fakesink async=false");
  Two t = { {session_in (r, "a"), session_in (r, "b")} };

  run_play (r);
  t.least = 100.0;
  t.most = 200.0;
  g_assert_true (run_until (r, 20.0, measures, &t));
  g_assert_false (peer_decides (r));

  g_object_set (r->element, "peer", "a", NULL);
  g_assert_true (run_until (r, 10.0, decides, &t));
  t.least = 0.0;
  t.most = 20.0;
  g_assert_true (run_until (r, 10.0, measures, &t));

  g_object_set (r->element, "peer", "outer", NULL);
  t.least = 100.0;
  t.most = 200.0;
  g_assert_true (run_until (r, 10.0, measures, &t));
  g_assert_true (peer_decides (r));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "the property peer"), ==, 0);

  /* Somebody who is not there: said once, with who is; the worst decides. */
  g_object_set (r->element, "peer", "nobody-called-so", NULL);
  t.warning = "nobody-called-so";
  g_assert_true (run_until (r, 10.0, measures, &t));
  t.warning = NULL;
  g_assert_true (run_until (r, 5.0, measures, &t));
  g_assert_false (peer_decides (r));
  run_until (r, 1.5, NULL, NULL);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "nobody-called-so"), ==, 1);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "there is: a, outer"), ==, 1);

  /* Another one that is not there is another thing to say. */
  g_object_set (r->element, "peer", "another", NULL);
  t.warning = "peer is another";
  g_assert_true (run_until (r, 10.0, measures, &t));
  run_assert_clean (r, "the property peer");
  gst_object_unref (t.session[0]);
  gst_object_unref (t.session[1]);
  run_free (r);
}

/* Addresses of who calls the sink, as HOST:PORT; owned. */
static GPtrArray *
callers (GstElement * sink)
{
  GPtrArray *list = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GstStructure) stats = NULL;
  const GValue *value;

  g_object_get (sink, "stats", &stats, NULL);
  value = stats ? gst_structure_get_value (stats, "callers") : NULL;
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS;
  if (value && G_VALUE_HOLDS (value, g_value_array_get_type ())) {
    const GValueArray *array = g_value_get_boxed (value);

    for (guint i = 0; array && i < array->n_values; i++) {
      const GstStructure *s = gst_value_get_structure (&array->values[i]);
      g_autoptr (GObject) address = NULL;

      if (gst_structure_get (s, "caller-address", G_TYPE_SOCKET_ADDRESS, &address, NULL) && address)
        g_ptr_array_add (list, g_socket_connectable_to_string (G_SOCKET_CONNECTABLE (address)));
    }
  }
  G_GNUC_END_IGNORE_DEPRECATIONS;
  return list;
}

static gboolean
has_two (Run * r, gpointer sink)
{
  g_autoptr (GPtrArray) list = callers (sink);

  return list->len == 2;
}

/* Two callers of one SRT sink, by address; the sink itself by name. */
static void
test_srt (void)
{
  g_autoptr (GInetAddress) any = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (any, 0), local = NULL;
  g_autoptr (GSocket) s = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, NULL);
  g_autoptr (GstElementFactory) srt = gst_element_factory_find ("srtsink");
  g_autofree char *send = NULL, *receive = NULL;
  g_autoptr (GPtrArray) list = NULL;
  g_autoptr (GstElement) receiver = NULL, sink = NULL;
  guint16 port;
  Run *r;

  if (!srt) {
    g_test_skip ("there is no srtsink");
    return;
  }
  g_assert_true (g_socket_bind (s, address, FALSE, NULL));
  local = g_socket_get_local_address (s, NULL);
  port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local));
  g_clear_object (&s);
  send = g_strdup_printf (SOURCE "mloptimizer name=o max-bitrate=2000000 ! " X264 "mpegtsmux alignment=7 ! "
      "srtsink name=s uri=srt://:%u latency=50 sync=false wait-for-connection=false async=false", port);
  receive = g_strdup_printf ("srtsrc uri=srt://127.0.0.1:%u latency=50 ! fakesink async=false sync=false "
      "srtsrc uri=srt://127.0.0.1:%u latency=50 ! fakesink async=false sync=false", port, port);
  r = run_new (send);
  sink = gst_bin_get_by_name (GST_BIN (r->pipeline), "s");
  run_play (r);
  run_until (r, 0.5, NULL, NULL);
  receiver = gst_object_ref_sink (gst_parse_launch (receive, NULL));
  gst_element_set_state (receiver, GST_STATE_PLAYING);
  g_assert_true (run_until (r, 20.0, has_two, sink));
  list = callers (sink);
  for (guint i = 0; i < 4; i++) {
    const char *name = i < 2 ? g_ptr_array_index (list, i) : i == 2 ? "127.0.0.1" : "s";

    g_test_message ("%s", name);
    g_object_set (r->element, "peer", "127.0.0.1:1", NULL);
    run_until (r, 0.3, NULL, NULL);
    g_assert_false (peer_decides (r));
    g_object_set (r->element, "peer", name, NULL);
    g_assert_true (run_until (r, 5.0, decides, NULL));
  }
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "the property peer"), ==, 0);
  g_object_set (r->element, "peer", "127.0.0.1:1", NULL);
  g_assert_true (run_until (r, 10.0, run_has_warning, (gpointer) g_ptr_array_index (list, 1)));
  run_free (r);
  gst_element_set_state (receiver, GST_STATE_NULL);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/peer/sessions", test_sessions);
  g_test_add_func ("/peer/srt", test_srt);
  return g_test_run ();
}
