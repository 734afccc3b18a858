/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Feedback of several receivers of one stream: the worst counts, on one clock. */
#include <gst/gst.h>

#include "gstmlopeers.h"

typedef struct
{
  GstMloPeers peers;
  gint64 now_us;
  guint taken[3];               /* packets handed on, by peer */
  gint64 transit_us;            /* of the last that was */
} Peers;

static int names[3];

/* A second of reports, 20 a second, of the first @n peers: clocks apart by an hour, queues as given. */
static void
second (Peers * p, guint n, const double *queue_ms, const double *loss)
{
  for (guint i = 0; i < 20; i++) {
    p->now_us += 50000;
    for (guint k = 0; k < n; k++) {
      MloPacket packets[10];
      guint taken;

      for (guint j = 0; j < 10; j++) {
        packets[j] = (MloPacket) {
        .send_us = p->now_us - 100000 + j * 100,.size = 1200,.seqnum = i * 10 + j};
        packets[j].arrival_us = packets[j].send_us + 3600000000 * k + (gint64) (queue_ms[k] * 1000.0) + 7000;
        packets[j].lost = (i * 10 + j) % 100 < loss[k] * 100.0;
      }
      taken = gst_mlo_peers_take (&p->peers, &names[k], p->now_us, packets, 10);
      p->taken[k] += taken;
      if (taken > 0 && !packets[9].lost)
        p->transit_us = packets[9].arrival_us - packets[9].send_us;
    }
  }
}

static void
reset (Peers * p)
{
  p->taken[0] = p->taken[1] = p->taken[2] = 0;
}

static void
test_alone (void)
{
  Peers p = {.now_us = 1000000 };

  gst_mlo_peers_init (&p.peers);
  second (&p, 1, (double[]) { 5.0 }, (double[]) { 0.0 });
  g_assert_cmpuint (p.taken[0], ==, 200);
  /* As it came. */
  g_assert_cmpint (p.transit_us, ==, 12000);
}

static void
test_worst (void)
{
  const double none[] = { 0.0, 0.0, 0.0 };
  Peers p = {.now_us = 1000000 };

  gst_mlo_peers_init (&p.peers);
  second (&p, 3, none, none);
  reset (&p);
  second (&p, 3, (double[]) { 0.0, 80.0, 20.0 }, none);
  second (&p, 3, (double[]) { 0.0, 80.0, 20.0 }, none);
  g_assert_cmpuint (p.taken[1], >, 300);
  /* Without its clock and what its path takes anyhow. */
  g_assert_cmpint (p.transit_us, ==, 80000);
  reset (&p);
  second (&p, 3, (double[]) { 0.0, 0.0, 200.0 }, none);
  g_assert_cmpuint (p.taken[2], >, 150);
  /* Loss is trouble, too. */
  second (&p, 3, none, none);
  reset (&p);
  second (&p, 3, none, (double[]) { 0.3, 0.0, 0.0 });
  second (&p, 3, none, (double[]) { 0.3, 0.0, 0.0 });
  g_assert_cmpuint (p.taken[0], >, 250);
  g_assert_cmpuint (gst_mlo_peers_count (&p.peers, p.now_us), ==, 3);
}

/* Who is gone decides nothing. */
static void
test_leaves (void)
{
  const double none[] = { 0.0, 0.0, 0.0 };
  Peers p = {.now_us = 1000000 };

  gst_mlo_peers_init (&p.peers);
  second (&p, 2, none, none);
  second (&p, 2, (double[]) { 0.0, 300.0 }, none);
  for (guint i = 0; i < 4; i++)
    second (&p, 1, none, none);
  reset (&p);
  second (&p, 1, none, none);
  g_assert_cmpuint (p.taken[0], ==, 200);
  g_assert_cmpuint (gst_mlo_peers_count (&p.peers, p.now_us), ==, 1);
}

/* The one that was chosen decides while it is heard, however the others fare; then the worst of them. */
static void
test_chosen (void)
{
  const double none[] = { 0.0, 0.0, 0.0 }, bad[] = { 5.0, 300.0, 20.0 };
  Peers p = {.now_us = 1000000 };

  gst_mlo_peers_init (&p.peers);
  p.peers.chosen = &names[0];
  second (&p, 3, none, none);
  reset (&p);
  second (&p, 3, bad, none);
  g_assert_cmpuint (p.taken[0], ==, 200);
  g_assert_cmpuint (p.taken[1] + p.taken[2], ==, 0);
  /* Live: another one, nobody, somebody who is not there. */
  p.peers.chosen = &names[2];
  reset (&p);
  second (&p, 3, bad, none);
  g_assert_cmpuint (p.taken[2], >=, 190);
  g_assert_cmpuint (p.taken[1], ==, 0);
  for (guint i = 0; i < 2; i++) {
    p.peers.chosen = i == 0 ? NULL : (gconstpointer) & p;
    second (&p, 3, bad, none);
    reset (&p);
    second (&p, 3, bad, none);
    g_assert_cmpuint (p.taken[1], ==, 200);
  }
  /* It was heard, and is not any more. */
  p.peers.chosen = &names[2];
  second (&p, 3, bad, none);
  for (guint i = 0; i < 3; i++)
    second (&p, 2, bad, none);
  reset (&p);
  second (&p, 2, bad, none);
  g_assert_cmpuint (p.taken[1], ==, 200);
}

static GstPadProbeReturn
see (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  const GstStructure *s = gst_event_get_structure (GST_PAD_PROBE_INFO_EVENT (info));

  *(gconstpointer *) data = gst_mlo_peers_session_of (s);
  return GST_PAD_PROBE_DROP;
}

/* Events of a marked session carry it up through what stands before; others do not, nor after it was let go. */
static void
test_marks (void)
{
  g_autoptr (GstElement) pipeline = gst_parse_launch ("tee name=t rtpsession name=a rtpsession name=b "
      "t. ! queue ! a.send_rtp_sink t. ! queue ! b.send_rtp_sink", NULL);
  g_autoptr (GstElement) tee = gst_bin_get_by_name (GST_BIN (pipeline), "t");
  g_autoptr (GstPad) top = gst_element_get_static_pad (tee, "sink");
  g_autoptr (GPtrArray) sessions = g_ptr_array_new_with_free_func (gst_object_unref);
  GstMloPeerMarks *marks = gst_mlo_peer_marks_new ();
  gconstpointer seen = NULL;

  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  gst_pad_add_probe (top, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, see, &seen, NULL);
  g_ptr_array_add (sessions, gst_bin_get_by_name (GST_BIN (pipeline), "a"));
  g_ptr_array_add (sessions, gst_bin_get_by_name (GST_BIN (pipeline), "b"));
  gst_mlo_peer_marks_set (marks, sessions);
  gst_mlo_peer_marks_set (marks, sessions);
  for (guint i = 0; i < 3; i++) {
    GstElement *session = g_ptr_array_index (sessions, i % 2);
    g_autoptr (GstPad) pad = gst_element_get_static_pad (session, "send_rtp_sink");

    if (i == 2)
      gst_mlo_peer_marks_set (marks, NULL);
    gst_pad_push_event (pad, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
            gst_structure_new_empty ("RTPTWCCPackets")));
    g_assert_true (seen == (i == 2 ? NULL : session));
  }
  gst_mlo_peer_marks_free (marks);
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/peers/alone", test_alone);
  g_test_add_func ("/peers/worst", test_worst);
  g_test_add_func ("/peers/leaves", test_leaves);
  g_test_add_func ("/peers/chosen", test_chosen);
  g_test_add_func ("/peers/marks", test_marks);
  return g_test_run ();
}
