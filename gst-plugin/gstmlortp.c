/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlortp.h"

#include <string.h>

#define DEFAULT_CLOCK_RATE 90000
#define MAX_SESSIONS 64
/* IPv4, UDP and RTP headers: what octets-sent leaves out. */
#define HEADERS 40

typedef struct
{
  GstElement *element;          /* owned */
  gulong id;                    /* of the handler on it */
} Session;

struct _GstMloRtp
{
  gint pending;                 /* atomic */
  GstMloTelemetry *telemetry;
  GWeakRef top;                 /* may go before us */
  gulong added_id;
  GMutex lock;                  /* protects the next two; a leaf */
  gboolean closed;
  GArray *sessions;             /* (element-type Session) */
  /* Control thread only: the last report returned. */
  gboolean any;
  guint last_lsr, last_seq, last_dlsr;
  gint64 last_us;
  guint64 last_octets, last_packets;
};

static void
rtp_clear (gpointer data)
{
  GstMloRtp *r = data;

  gst_mlo_telemetry_unref (r->telemetry);
  g_array_unref (r->sessions);
  g_weak_ref_clear (&r->top);
  g_mutex_clear (&r->lock);
}

/* Reference counted, for a handler may still run while the owner goes away. */
static void
rtp_unref (gpointer data, GClosure * closure)
{
  g_atomic_rc_box_release_full (data, rtp_clear);
}

/* RTCP thread: a report on some source of the session was taken in. */
static void
on_ssrc_active (GstElement * session, guint ssrc, gpointer data)
{
  GstMloRtp *r = data;

  g_atomic_int_set (&r->pending, 1);
  gst_mlo_telemetry_wake (r->telemetry);
}

static void
add_session (GstMloRtp * r, GstElement * element)
{
  Session session = { element, 0 };
  gboolean fresh;

  session.id = g_signal_connect_data (element, "on-ssrc-active", G_CALLBACK (on_ssrc_active),
      g_atomic_rc_box_acquire (r), rtp_unref, 0);
  g_mutex_lock (&r->lock);
  fresh = !r->closed && r->sessions->len < MAX_SESSIONS;
  for (guint i = 0; i < r->sessions->len; i++)
    fresh = fresh && g_array_index (r->sessions, Session, i).element != element;
  if (fresh) {
    gst_object_ref (element);
    g_array_append_val (r->sessions, session);
  }
  g_mutex_unlock (&r->lock);
  if (!fresh)
    g_signal_handler_disconnect (element, session.id);
}

static void
on_element_added (GstBin * top, GstBin * bin, GstElement * element, gpointer data)
{
  if (gst_mlo_path_is_factory (element, "rtpsession"))
    add_session (data, element);
}

static void
collect_element (const GValue * item, gpointer user_data)
{
  GstElement *element = g_value_get_object (item);

  if (gst_mlo_path_is_factory (element, "rtpsession"))
    g_ptr_array_add (user_data, gst_object_ref (element));
}

GstMloRtp *
gst_mlo_rtp_new (GstElement * top, GstMloTelemetry * telemetry)
{
  GstMloRtp *r = g_atomic_rc_box_new0 (GstMloRtp);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (gst_object_unref);
  GstIterator *elements;

  g_mutex_init (&r->lock);
  g_weak_ref_init (&r->top, top);
  r->sessions = g_array_new (FALSE, FALSE, sizeof (Session));
  r->telemetry = gst_mlo_telemetry_ref (telemetry);
  if (!GST_IS_BIN (top))
    return r;
  r->added_id = g_signal_connect_data (top, "deep-element-added", G_CALLBACK (on_element_added),
      g_atomic_rc_box_acquire (r), rtp_unref, 0);
  elements = gst_bin_iterate_recurse (GST_BIN (top));
  while (gst_iterator_foreach (elements, collect_element, found) == GST_ITERATOR_RESYNC) {
    gst_iterator_resync (elements);
    g_ptr_array_set_size (found, 0);
  }
  gst_iterator_free (elements);
  for (guint i = 0; i < found->len; i++)
    add_session (r, g_ptr_array_index (found, i));
  return r;
}

void
gst_mlo_rtp_free (GstMloRtp * r)
{
  g_autoptr (GstElement) top = NULL;

  if (!r)
    return;
  top = g_weak_ref_get (&r->top);
  g_mutex_lock (&r->lock);
  r->closed = TRUE;
  g_mutex_unlock (&r->lock);
  if (top && r->added_id)
    g_signal_handler_disconnect (top, r->added_id);
  /* Closed: no other thread touches the array any more. */
  for (guint i = 0; i < r->sessions->len; i++) {
    Session *s = &g_array_index (r->sessions, Session, i);

    g_signal_handler_disconnect (s->element, s->id);
    gst_object_unref (s->element);
  }
  rtp_unref (r, NULL);
}

gboolean
gst_mlo_rtp_any (GstMloRtp * r)
{
  gboolean any;

  g_mutex_lock (&r->lock);
  any = r->sessions->len > 0;
  g_mutex_unlock (&r->lock);
  return any;
}

gboolean
gst_mlo_rtp_pending (GstMloRtp * r)
{
  return g_atomic_int_get (&r->pending) != 0;
}

/* One report block and the source that it is about. */
typedef struct
{
  guint ssrc, fraction_lost, jitter, round_trip, lsr, dlsr, sequence;
  gboolean ours;
  guint64 octets, packets;
  int clock_rate;
} Block;

G_GNUC_BEGIN_IGNORE_DEPRECATIONS;

static const GstStructure *
source_at (const GValueArray * sources, guint i)
{
  const GValue *v = &sources->values[i];

  return GST_VALUE_HOLDS_STRUCTURE (v) ? gst_value_get_structure (v) : NULL;
}

/* What we send under @b's SSRC; FALSE where that is not ours. */
static gboolean
find_sender (const GValueArray * sources, Block * b)
{
  for (guint i = 0; i < sources->n_values; i++) {
    const GstStructure *s = source_at (sources, i);
    gboolean internal = FALSE;
    guint ssrc = 0;

    if (!s || !gst_structure_get_boolean (s, "internal", &internal) || !internal)
      continue;
    if (!gst_structure_get_uint (s, "ssrc", &ssrc) || ssrc != b->ssrc)
      continue;
    gst_structure_get_uint64 (s, "octets-sent", &b->octets);
    gst_structure_get_uint64 (s, "packets-sent", &b->packets);
    gst_structure_get_int (s, "clock-rate", &b->clock_rate);
    return TRUE;
  }
  return FALSE;
}

/* The block on our stream, or (where its SSRC is not known) on the largest of the streams sent. */
static void
read_session (GstElement * session, const GstMloPath * path, Block * best)
{
  g_autoptr (GstStructure) stats = NULL;
  const GValue *value;
  const GValueArray *sources;

  g_object_get (session, "stats", &stats, NULL);
  value = stats ? gst_structure_get_value (stats, "source-stats") : NULL;
  if (!value || !G_VALUE_HOLDS (value, g_value_array_get_type ()) || !(sources = g_value_get_boxed (value)))
    return;
  for (guint i = 0; i < sources->n_values; i++) {
    const GstStructure *s = source_at (sources, i);
    gboolean internal = TRUE, have = FALSE;
    Block b = { 0 };

    if (!s || !gst_structure_get_boolean (s, "internal", &internal) || internal)
      continue;
    if (!gst_structure_get_boolean (s, "have-rb", &have) || !have || !gst_structure_get_uint (s, "rb-ssrc", &b.ssrc))
      continue;
    if (!find_sender (sources, &b))
      continue;
    gst_structure_get_uint (s, "rb-fractionlost", &b.fraction_lost);
    gst_structure_get_uint (s, "rb-jitter", &b.jitter);
    gst_structure_get_uint (s, "rb-round-trip", &b.round_trip);
    gst_structure_get_uint (s, "rb-lsr", &b.lsr);
    gst_structure_get_uint (s, "rb-dlsr", &b.dlsr);
    gst_structure_get_uint (s, "rb-exthighestseq", &b.sequence);
    b.ours = path->have_ssrc && b.ssrc == path->ssrc;
    if (best->ours ? b.ours && b.octets > best->octets : b.ours || b.octets > best->octets)
      *best = b;
  }
}

G_GNUC_END_IGNORE_DEPRECATIONS;

static void
fill_report (GstMloRtp * r, const Block * b, const GstMloPath * path, gint64 now_us, MloReceiverReport * report)
{
  int clock_rate = b->clock_rate > 0 ? b->clock_rate : path->clock_rate > 0 ? path->clock_rate : DEFAULT_CLOCK_RATE;
  guint received = b->sequence - r->last_seq;

  /* Without a sender report that came back there is no round trip. */
  report->rtt_ms = b->lsr != 0 && b->round_trip != 0 ? b->round_trip * 1000.0 / 65536.0 : -1.0;
  report->jitter_ms = b->jitter * 1000.0 / clock_rate;
  report->fraction_lost = MIN (b->fraction_lost, 255) / 256.0;
  report->received_kbps = -1.0;
  if (r->any && now_us - r->last_us > 50000 && b->packets > r->last_packets && received > 0 && received < 100000) {
    double size = (double) (b->octets - r->last_octets) / (double) (b->packets - r->last_packets) + HEADERS;

    report->received_kbps = received * (1.0 - report->fraction_lost) * size * 8000.0 / (double) (now_us - r->last_us);
  }
}

gboolean
gst_mlo_rtp_poll (GstMloRtp * r, const GstMloPath * path, gint64 now_us, MloReceiverReport * report)
{
  GstElement *sessions[MAX_SESSIONS];
  guint n = 0;
  Block b = { 0 };

  g_atomic_int_set (&r->pending, 0);
  if (path->session) {
    sessions[n++] = gst_object_ref (path->session);
  } else {
    g_mutex_lock (&r->lock);
    for (; n < r->sessions->len; n++)
      sessions[n] = gst_object_ref (g_array_index (r->sessions, Session, n).element);
    g_mutex_unlock (&r->lock);
  }
  for (guint i = 0; i < n; i++) {
    read_session (sessions[i], path, &b);
    gst_object_unref (sessions[i]);
  }
  if (b.ssrc == 0 || (path->have_ssrc && !b.ours))
    return FALSE;
  if (r->any && b.lsr == r->last_lsr && b.sequence == r->last_seq && b.dlsr == r->last_dlsr)
    return FALSE;
  fill_report (r, &b, path, now_us, report);
  r->any = TRUE;
  r->last_lsr = b.lsr;
  r->last_dlsr = b.dlsr;
  r->last_seq = b.sequence;
  r->last_us = now_us;
  r->last_octets = b.octets;
  r->last_packets = b.packets;
  return TRUE;
}
