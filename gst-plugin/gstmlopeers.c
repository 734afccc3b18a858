/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlopeers.h"

#include <string.h>

#define FIELD "mloptimizer-session"
/* Not heard for so long: gone, as far as this goes. */
#define GONE_US (2 * G_USEC_PER_SEC)
/* One is worse than another by so much, and the worst stays it for so long. */
#define WORSE_MS 10.0
#define STAYS_US (G_USEC_PER_SEC / 2)
/* A share of packets lost counts as so much queue. */
#define LOSS_MS 1000.0
#define QUEUE_SMOOTHING 0.3
#define LOSS_SMOOTHING 0.02

void
gst_mlo_peers_init (GstMloPeers * p)
{
  memset (p, 0, sizeof *p);
  p->worst = -1;
}

static double
trouble (const GstMloPeer * peer)
{
  return peer->queue_ms + LOSS_MS * peer->loss;
}

/* The place of @session, or one for it: a free one, or that of who was silent longest. */
static int
place_of (GstMloPeers * p, gconstpointer session)
{
  guint oldest = 0;

  for (guint i = 0; i < p->n; i++) {
    if (p->peers[i].session == session)
      return (int) i;
    if (p->peers[i].last_us < p->peers[oldest].last_us)
      oldest = i;
  }
  if (p->n < GST_MLO_PEERS_MOST)
    oldest = p->n++;
  else if (p->worst == (int) oldest)
    p->worst = -1;
  memset (&p->peers[oldest], 0, sizeof p->peers[oldest]);
  p->peers[oldest].session = session;
  p->peers[oldest].least_us = G_MAXINT64;
  return (int) oldest;
}

static void
note (GstMloPeer * peer, gint64 now_us, const MloPacket * packets, guint n)
{
  /* Someone who comes back may do so by another path. */
  if (peer->last_us != 0 && now_us - peer->last_us > GONE_US) {
    peer->least_us = G_MAXINT64;
    peer->queue_ms = peer->loss = 0.0;
  }
  peer->last_us = now_us;
  for (guint i = 0; i < n; i++) {
    peer->loss += LOSS_SMOOTHING * ((packets[i].lost ? 1.0 : 0.0) - peer->loss);
    if (packets[i].lost || !mlo_packet_plausible (&packets[i], now_us))
      continue;
    peer->least_us = MIN (peer->least_us, packets[i].arrival_us - packets[i].send_us);
    peer->queue_ms += QUEUE_SMOOTHING * ((double) (packets[i].arrival_us - packets[i].send_us - peer->least_us) / 1000.0
        - peer->queue_ms);
  }
}

guint
gst_mlo_peers_count (const GstMloPeers * p, gint64 now_us)
{
  guint n = 0;

  for (guint i = 0; i < p->n; i++)
    n += now_us - p->peers[i].last_us <= GONE_US ? 1 : 0;
  return n;
}

static gboolean
is_heard (const GstMloPeers * p, gconstpointer session, gint64 now_us, int *at)
{
  for (guint i = 0; session && i < p->n; i++) {
    *at = (int) i;
    if (p->peers[i].session == session)
      return now_us - p->peers[i].last_us <= GONE_US;
  }
  return FALSE;
}

guint
gst_mlo_peers_take (GstMloPeers * p, gconstpointer session, gint64 now_us, MloPacket * packets, guint n)
{
  int at = place_of (p, session);
  GstMloPeer *peer = &p->peers[at], *worst;
  int at_chosen;

  note (peer, now_us, packets, n);
  if (!p->several && gst_mlo_peers_count (p, now_us) < 2)
    return n;
  p->several = TRUE;
  if (is_heard (p, p->chosen, now_us, &at_chosen)) {
    p->worst = at_chosen;
    p->since_us = now_us;
  }
  worst = p->worst >= 0 ? &p->peers[p->worst] : NULL;
  if (!worst || now_us - worst->last_us > GONE_US
      || (peer != worst && worst->session != p->chosen && now_us - p->since_us > STAYS_US
          && trouble (peer) > trouble (worst) + WORSE_MS)) {
    p->worst = at;
    p->since_us = now_us;
  }
  if (p->worst != at)
    return 0;
  for (guint i = 0; i < n; i++) {
    if (!packets[i].lost && mlo_packet_plausible (&packets[i], now_us))
      packets[i].arrival_us -= peer->least_us;
  }
  return n;
}

/* --- which session an event is of --- */

/* Looked up once, not with each report. */
static GQuark
session_field (void)
{
  static gsize quark;

  if (g_once_init_enter (&quark))
    g_once_init_leave (&quark, g_quark_from_static_string (FIELD));
  return (GQuark) quark;
}

typedef struct
{
  GstElement *session;          /* owned */
  GstPad *pad;                  /* owned */
  gulong probe;
} Mark;

struct _GstMloPeerMarks
{
  GArray *marks;                /* (element-type Mark) */
};

static void
mark_clear (gpointer data)
{
  Mark *m = data;

  gst_pad_remove_probe (m->pad, m->probe);
  gst_object_unref (m->pad);
  gst_object_unref (m->session);
}

GstMloPeerMarks *
gst_mlo_peer_marks_new (void)
{
  GstMloPeerMarks *m = g_new0 (GstMloPeerMarks, 1);

  m->marks = g_array_new (FALSE, FALSE, sizeof (Mark));
  g_array_set_clear_func (m->marks, mark_clear);
  return m;
}

/* The session's RTCP thread: the event is its own still. */
static GstPadProbeReturn
mark_event (GstPad * pad, GstPadProbeInfo * info, gpointer session)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);

  if (GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_UPSTREAM && gst_event_has_name (event, "RTPTWCCPackets")) {
    event = gst_event_make_writable (event);
    gst_structure_id_set (gst_event_writable_structure (event), session_field (), G_TYPE_POINTER, session, NULL);
    info->data = event;
  }
  return GST_PAD_PROBE_OK;
}

gconstpointer
gst_mlo_peers_session_of (const GstStructure * event)
{
  const GValue *value = gst_structure_id_get_value (event, session_field ());

  return value && G_VALUE_HOLDS_POINTER (value) ? g_value_get_pointer (value) : NULL;
}

void
gst_mlo_peer_marks_set (GstMloPeerMarks * m, GPtrArray * sessions)
{
  for (guint i = m->marks->len; i-- > 0;) {
    if (!sessions || !g_ptr_array_find (sessions, g_array_index (m->marks, Mark, i).session, NULL))
      g_array_remove_index_fast (m->marks, i);
  }
  for (guint i = 0; sessions && i < sessions->len; i++) {
    Mark mark = {.session = g_ptr_array_index (sessions, i) };
    gboolean known = FALSE;

    for (guint k = 0; k < m->marks->len; k++)
      known = known || g_array_index (m->marks, Mark, k).session == mark.session;
    if (known || !(mark.pad = gst_element_get_static_pad (mark.session, "send_rtp_sink")))
      continue;
    gst_object_ref (mark.session);
    mark.probe = gst_pad_add_probe (mark.pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, mark_event, mark.session, NULL);
    g_array_append_val (m->marks, mark);
  }
}

void
gst_mlo_peer_marks_free (GstMloPeerMarks * m)
{
  g_array_unref (m->marks);
  g_free (m);
}
