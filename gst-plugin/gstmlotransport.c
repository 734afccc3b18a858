/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlotransport.h"

#include <arpa/inet.h>
#include <string.h>

#include "mlo-tcp.h"

GST_DEBUG_CATEGORY_STATIC (gst_mlo_transport_debug);
#define GST_CAT_DEFAULT gst_mlo_transport_debug

#define MAX_CONNECTIONS 32
/* One that was not seen for so long is over. */
#define GONE_US (2 * G_USEC_PER_SEC)
/* A process may have many descriptors: they are looked through no more often than this. */
#define FIND_US G_USEC_PER_SEC
/* What RIST's packets have on the path: seven of the transport stream's, RTP, UDP and IP headers. */
#define RIST_PACKET (7 * 188 + 12 + 28)
/* RTMP's handshake is not in its count. */
#define RTMP_HANDSHAKE 3073
#define MAX_NAME 128
/* Elements between encoder and sink that are looked at for queues. */
#define MAX_HOPS 16

typedef struct
{
  guint64 key;                  /* 0: free */
  gint64 seen_us;
  MloTransport transport;
} Connection;

typedef struct
{
  gpointer element;             /* only compared; NULL: free */
  gint64 find_us;
  MloTcp tcp;
} Socket;

struct _GstMloTransports
{
  Connection connections[MAX_CONNECTIONS];
  Socket sockets[MAX_CONNECTIONS];
  gint64 now_us;
  gboolean any;
  MloTransportView worst;
  char chosen[MAX_NAME];        /* "": none */
  gboolean chosen_there, chosen_any;    /* connected; and has told enough */
  MloTransportView chosen_view;
  GString *names;               /* of this poll */
};

GstMloTransports *
gst_mlo_transports_new (void)
{
  GstMloTransports *t = g_new0 (GstMloTransports, 1);

  GST_DEBUG_CATEGORY_INIT (gst_mlo_transport_debug, "mlotransport", 0, "what transports tell mloptimizer");
  t->names = g_string_new (NULL);
  return t;
}

void
gst_mlo_transports_free (GstMloTransports * t)
{
  if (!t)
    return;
  g_string_free (t->names, TRUE);
  g_free (t);
}

/* @address: of the other end, where the sink has several; NULL: the sink is its name. */
static gboolean
is_chosen (GstMloTransports * t, GstElement * element, const char *address)
{
  gsize n = strlen (t->chosen);
  g_autofree char *name = address ? NULL : gst_object_get_name (GST_OBJECT (element));

  if (t->names->len < 512)
    g_string_append_printf (t->names, "%s%s", t->names->len > 0 ? ", " : "", address ? address : name);
  if (n == 0)
    return FALSE;
  /* With or without the port. */
  if (address && strncmp (address, t->chosen, n) == 0 && (address[n] == '\0' || address[n] == ':'))
    return TRUE;
  return gst_mlo_path_is_named (element, t->chosen);
}

static void
take (GstMloTransports * t, GstElement * element, guint64 key, const char *address, const MloTransportReport * report)
{
  gboolean chosen = is_chosen (t, element, address);
  Connection *c = NULL;
  MloTransportView view;

  t->chosen_there |= chosen;

  for (guint i = 0; i < MAX_CONNECTIONS; i++) {
    Connection *at = &t->connections[i];

    if (at->key != 0 && t->now_us - at->seen_us > GONE_US)
      at->key = 0;
    if (at->key == key && at->seen_us != t->now_us) {
      c = at;
      break;
    }
    if (!c && at->key == 0)
      c = at;
  }
  if (!c)
    return;
  if (c->key != key) {
    mlo_transport_init (&c->transport);
    c->key = key;
  }
  c->seen_us = t->now_us;
  mlo_transport_report (&c->transport, t->now_us, report);
  if (!mlo_transport_view (&c->transport, &view))
    return;
  GST_LOG_OBJECT (element, "rtt %.1f queue %.1f ms (grows %.2f), sent %.0f delivered %.0f kbit/s, waiting %"
      G_GINT64_FORMAT " bytes, loss %.3f", view.rtt_ms, view.queue_ms, view.growth, view.sent_kbps, view.delivered_kbps,
      report->waiting_bytes, view.loss);
  if (chosen && (!t->chosen_any || mlo_transport_view_worse (&view, &t->chosen_view))) {
    t->chosen_view = view;
    t->chosen_any = TRUE;
  }
  if (!t->any || mlo_transport_view_worse (&view, &t->worst))
    t->worst = view;
  t->any = TRUE;
}

/* A counter of whatever integer type this version of the sink has. */
static guint64
counter (const GstStructure * s, const char *name)
{
  const GValue *value = gst_structure_get_value (s, name);
  GValue v = G_VALUE_INIT;
  guint64 n = 0;
  gint64 i;

  if (!value)
    return 0;
  if (G_VALUE_HOLDS_UINT64 (value))
    return g_value_get_uint64 (value);
  g_value_init (&v, G_TYPE_INT64);
  if (g_value_type_transformable (G_VALUE_TYPE (value), G_TYPE_INT64) && g_value_transform (value, &v)
      && (i = g_value_get_int64 (&v)) > 0)
    n = (guint64) i;
  g_value_unset (&v);
  return n;
}

/* Of a sink's connections, for telling them apart. */
static guint64
key_of (gpointer element, guint64 which)
{
  guint64 key = (guint64) GPOINTER_TO_SIZE (element) ^ (which * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));

  return key != 0 ? key : 1;
}

static const GstStructure *
structure_at (const GValue * array, guint i, guint * n)
{
  const GValue *item = NULL;

  *n = 0;
  G_GNUC_BEGIN_IGNORE_DEPRECATIONS;
  if (array && G_VALUE_HOLDS (array, g_value_array_get_type ())) {
    const GValueArray *a = g_value_get_boxed (array);

    *n = a ? a->n_values : 0;
    item = i < *n ? &a->values[i] : NULL;
  }
  G_GNUC_END_IGNORE_DEPRECATIONS;
  return item && GST_VALUE_HOLDS_STRUCTURE (item) ? gst_value_get_structure (item) : NULL;
}

/* --- SRT --- */

/* HOST:PORT of a GInetSocketAddress, without linking GIO for it; NULL: it is none. */
static char *
address_text (GObject * socket, guint * port)
{
  g_autoptr (GObject) address = NULL;
  char text[INET6_ADDRSTRLEN] = "";
  gpointer bytes = NULL;
  int family = 0;

  if (!g_object_class_find_property (G_OBJECT_GET_CLASS (socket), "port")
      || !g_object_class_find_property (G_OBJECT_GET_CLASS (socket), "address"))
    return NULL;
  g_object_get (socket, "port", port, "address", &address, NULL);
  if (!address)
    return NULL;
  g_object_get (address, "bytes", &bytes, "family", &family, NULL);
  if (!bytes || !inet_ntop (family, bytes, text, sizeof text))
    return NULL;
  return g_strdup_printf (family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, *port);
}

static void
take_srt (GstMloTransports * t, GstElement * sink, guint64 which, const char *address, const GstStructure * s)
{
  MloTransportReport r = {.rtt_ms = -1.0,.acked_bytes = -1,.waiting_bytes = -1 };

  /* send-rate-mbps is the mean since the start, bandwidth-mbps does not see the bottleneck. */
  if (!gst_structure_get_double (s, "rtt-ms", &r.rtt_ms))
    return;
  r.sent_bytes = counter (s, "bytes-sent");
  r.sent_packets = counter (s, "packets-sent");
  r.lost_packets = counter (s, "packets-sent-lost") + counter (s, "packets-sent-dropped");
  take (t, sink, key_of (sink, which), address, &r);
}

static void
read_srt (GstMloTransports * t, GstElement * sink)
{
  g_autoptr (GstStructure) stats = NULL;
  const GValue *callers;
  guint n = 1;

  g_object_get (sink, "stats", &stats, NULL);
  if (!stats)
    return;
  callers = gst_structure_get_value (stats, "callers");
  if (!callers) {
    take_srt (t, sink, 0, NULL, stats);
    return;
  }
  for (guint i = 0; i < n && i < MAX_CONNECTIONS; i++) {
    const GstStructure *s = structure_at (callers, i, &n);
    const GValue *value = s ? gst_structure_get_value (s, "caller-address") : NULL;
    g_autofree char *address = NULL;
    guint64 which = i + 1;
    GObject *object;
    guint port = 0;

    if (!s)
      continue;
    /* Callers come and go: the place in the list is no name. */
    if (value && G_VALUE_HOLDS_OBJECT (value) && (object = g_value_get_object (value))
        && (address = address_text (object, &port)))
      which = (guint64) port + MAX_CONNECTIONS;
    take_srt (t, sink, which, address, s);
  }
}

/* --- RIST --- */

static void
read_rist (GstMloTransports * t, GstElement * sink)
{
  g_autoptr (GstStructure) stats = NULL;
  const GValue *sessions;
  guint n = 1;

  g_object_get (sink, "stats", &stats, NULL);
  sessions = stats ? gst_structure_get_value (stats, "session-stats") : NULL;
  for (guint i = 0; i < n && i < MAX_CONNECTIONS; i++) {
    const GstStructure *s = structure_at (sessions, i, &n);
    MloTransportReport r = {.acked_bytes = -1,.waiting_bytes = -1 };
    guint64 sent, again;

    if (!s)
      continue;
    sent = counter (s, "sent-original-packets");
    again = counter (s, "sent-retransmitted-packets");
    /* Nobody answered yet. */
    if (counter (s, "round-trip-time") == 0)
      continue;
    r.rtt_ms = (double) counter (s, "round-trip-time") / GST_MSECOND;
    r.sent_packets = sent + again;
    r.sent_bytes = r.sent_packets * RIST_PACKET;
    /* Asked for again is lost; several times over where a retransmission was lost, too. */
    r.lost_packets = again;
    take (t, sink, key_of (sink, i), NULL, &r);
  }
}

/* --- over TCP --- */

/* Its sink pad that leads to the encoder: the only one, or the one with video. */
static GstPad *
video_sink_pad (GstElement * element)
{
  GstPad *best = NULL;

  GST_OBJECT_LOCK (element);
  for (GList * l = element->sinkpads; l; l = l->next) {
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (l->data);
    gboolean video = caps && gst_caps_get_size (caps) > 0
        && g_str_has_prefix (gst_structure_get_name (gst_caps_get_structure (caps, 0)), "video/");

    if (!best || video)
      best = l->data;
    if (video)
      break;
  }
  if (best)
    gst_object_ref (best);
  GST_OBJECT_UNLOCK (element);
  return best;
}

/* Encoded bytes in the queues before @sink. */
static guint64
queued_bytes (GstElement * sink)
{
  g_autoptr (GstElement) at = gst_object_ref (sink);
  guint64 bytes = 0;

  for (guint hop = 0; hop < MAX_HOPS; hop++) {
    g_autoptr (GstPad) pad = video_sink_pad (at);
    g_autoptr (GstPad) peer = pad ? gst_pad_get_peer (pad) : NULL;
    GstElement *before = peer ? gst_pad_get_parent_element (peer) : NULL;
    GstMloEncoder encoder;
    guint level = 0;

    if (!before)
      break;
    gst_object_unref (at);
    at = before;
    if (gst_mlo_encoder_resolve (&encoder, at, NULL, -1))
      break;
    if (gst_mlo_path_is_factory (at, "queue") || gst_mlo_path_is_factory (at, "queue2")) {
      g_object_get (at, "current-level-bytes", &level, NULL);
      bytes += level;
    }
  }
  return bytes;
}

static Socket *
socket_of (GstMloTransports * t, GstElement * sink)
{
  Socket *free_one = NULL;

  for (guint i = 0; i < MAX_CONNECTIONS; i++) {
    if (t->sockets[i].element == sink)
      return &t->sockets[i];
    /* Elements come and go: the oldest place is the next one's. */
    if (!free_one || t->sockets[i].find_us < free_one->find_us)
      free_one = &t->sockets[i];
  }
  free_one->element = sink;
  free_one->find_us = 0;
  free_one->tcp.fd = -1;
  return free_one;
}

/* What the kernel knows of the connection to @port, through which @written bytes went. */
static gboolean
take_tcp (GstMloTransports * t, GstElement * sink, guint16 port, guint64 written)
{
  Socket *s = socket_of (t, sink);
  MloTransportReport r = { 0 };
  MloTcpInfo info;

  if (!mlo_tcp_read (&s->tcp, &info)) {
    s->tcp.fd = -1;
    if (s->find_us != 0 && t->now_us - s->find_us < FIND_US)
      return FALSE;
    s->find_us = t->now_us;
    if (!mlo_tcp_find (&s->tcp, port, written) || !mlo_tcp_read (&s->tcp, &info))
      return FALSE;
  }
  r.rtt_ms = info.rtt_ms;
  r.acked_bytes = (gint64) info.acked_bytes;
  r.sent_bytes = info.acked_bytes + info.unacked_bytes;
  r.waiting_bytes = (gint64) (info.waiting_bytes + queued_bytes (sink));
  r.sent_packets = info.sent_segments;
  r.lost_packets = info.retransmitted_segments;
  take (t, sink, key_of (sink, s->tcp.cookie), NULL, &r);
  return TRUE;
}

/* Servers acknowledge each few megabytes: good for those that do it more often, where the kernel cannot be asked. */
static void
read_rtmp (GstMloTransports * t, GstElement * sink)
{
  g_autoptr (GstStructure) stats = NULL;
  MloTransportReport r = {.rtt_ms = -1.0 };
  guint64 out, acked;
  int port = 0;

  g_object_get (sink, "stats", &stats, "port", &port, NULL);
  if (!stats || (out = counter (stats, "out-bytes-total")) == 0)
    return;
  if (port > 0 && port < 65536 && take_tcp (t, sink, (guint16) port, out + RTMP_HANDSHAKE))
    return;
  acked = counter (stats, "out-bytes-acked");
  if (acked == 0)
    return;
  r.sent_bytes = out;
  r.acked_bytes = (gint64) MIN (acked, out);
  r.waiting_bytes = (gint64) (out - MIN (acked, out) + queued_bytes (sink));
  take (t, sink, key_of (sink, 0), NULL, &r);
}

static void
read_tcp_client (GstMloTransports * t, GstElement * sink)
{
  int port = 0;

  g_object_get (sink, "port", &port, NULL);
  if (port > 0 && port < 65536)
    take_tcp (t, sink, (guint16) port, 0);
}

/* librtmp's. */
static void
read_rtmp_location (GstMloTransports * t, GstElement * sink)
{
  g_autofree char *location = NULL;
  g_autoptr (GUri) uri = NULL;
  int port;

  g_object_get (sink, "location", &location, NULL);
  if (!location)
    return;
  /* librtmp's options follow. */
  location[strcspn (location, " ")] = '\0';
  uri = g_uri_parse (location, G_URI_FLAGS_NONE, NULL);
  if (!uri)
    return;
  port = g_uri_get_port (uri);
  take_tcp (t, sink, (guint16) (port > 0 ? port : 1935), 0);
}

/* --- */

static const struct
{
  const char *factory;
  void (*read) (GstMloTransports * t, GstElement * sink);
} known[] = {
  {"srtsink", read_srt},
  {"srtclientsink", read_srt},
  {"srtserversink", read_srt},
  {"ristsink", read_rist},
  {"rtmp2sink", read_rtmp},
  {"rtmpsink", read_rtmp_location},
  {"tcpclientsink", read_tcp_client},
};

static int
find_known (GstElement * element)
{
  GstElementFactory *factory = gst_element_get_factory (element);

  for (guint i = 0; factory && i < G_N_ELEMENTS (known); i++) {
    if (strcmp (GST_OBJECT_NAME (factory), known[i].factory) == 0)
      return (int) i;
  }
  return -1;
}

gboolean
gst_mlo_transports_know (GstElement * element)
{
  return find_known (element) >= 0;
}

gboolean
gst_mlo_transports_poll (GstMloTransports * t, GPtrArray * sinks, gint64 now_us, MloTransportView * view)
{
  t->now_us = now_us;
  t->any = t->chosen_there = t->chosen_any = FALSE;
  g_string_truncate (t->names, 0);
  for (guint i = 0; sinks && i < sinks->len; i++) {
    int which = find_known (g_ptr_array_index (sinks, i));

    if (which >= 0)
      known[which].read (t, g_ptr_array_index (sinks, i));
  }
  if (t->any)
    *view = t->chosen_any ? t->chosen_view : t->worst;
  return t->any;
}

void
gst_mlo_transports_choose (GstMloTransports * t, const char *name)
{
  g_strlcpy (t->chosen, name, sizeof t->chosen);
}

gboolean
gst_mlo_transports_has_chosen (GstMloTransports * t)
{
  return t->chosen_there;
}

void
gst_mlo_transports_list (GstMloTransports * t, GString * text)
{
  if (t->names->len > 0)
    g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", t->names->str);
}
