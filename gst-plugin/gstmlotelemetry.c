/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What GStreamer's events, messages and frames tell, kept for the control thread. */
#include "gstmlotelemetry.h"

#include <math.h>
#include <string.h>

#include "gstmlopeers.h"
#include "mlo-alert.h"

#define RING 4096               /* records: more than a second at 40 Mbit/s */
#define HISTORY 64              /* collections, for rates over a second */
#define RATE_SPAN_US G_USEC_PER_SEC
#define STALE_US (2 * G_USEC_PER_SEC)
#define LOAD_SPAN_US (G_USEC_PER_SEC / 2)
#define LOAD_FRAMES 5
#define COMPLEXITY_SMOOTHING 0.3
#define EVENT_PACKETS 64        /* packets copied at a time */
#define CLOCK_SAME_US 10000     /* two clocks that are less apart are one */
/* Payload of one packet, for the share of headers in what is sent. */
#define PACKET_PAYLOAD 1200

/* Where the luma samples are: the streaming thread owns the grids while it is asked for one, the
 * control thread otherwise. */
typedef enum
{
  LUMA_IDLE,
  LUMA_WANT_FIRST,
  LUMA_WANT_SECOND,
  LUMA_READY,
} LumaState;

typedef struct
{
  gint64 now_us;
  GstMloCounts counts;
} Snapshot;

struct _GstMloTelemetry
{
  /* Protects all down to the next comment. A leaf: nothing is called under it but the window. */
  GMutex lock;
  gboolean running;
  GSource *wake;
  GstMloRecord *ring;           /* (RING) */
  guint head, count;
  MloWindow window;
  MloAlert alert;
  GstMloPeers peers;
  GstMloCounts counts;
  GstMloFormat format;
  LumaState luma;
  double overhead;              /* of parity */
  guint64 others_bytes;         /* put out by encoders that do not lead, since the one that does */
  MloSample told;               /* by the application or the server */
  gint64 told_us[MLO_N_FIELDS];
  gint64 clock_offset_us;       /* system clock of GStreamer less the monotonic time */

  MloLumaGrid grid[2];          /* see LumaState */

  /* Control thread only. */
  Snapshot history[HISTORY];
  guint history_next, history_count;
  double complexity;
  gint64 complexity_us;
};

GstMloTelemetry *
gst_mlo_telemetry_new (void)
{
  GstMloTelemetry *t = g_atomic_rc_box_new0 (GstMloTelemetry);

  g_mutex_init (&t->lock);
  mlo_window_init (&t->window);
  return t;
}

GstMloTelemetry *
gst_mlo_telemetry_ref (GstMloTelemetry * t)
{
  return g_atomic_rc_box_acquire (t);
}

static void
telemetry_clear (gpointer data)
{
  GstMloTelemetry *t = data;

  g_clear_pointer (&t->wake, g_source_unref);
  g_free (t->ring);
  g_mutex_clear (&t->lock);
}

void
gst_mlo_telemetry_unref (GstMloTelemetry * t)
{
  g_atomic_rc_box_release_full (t, telemetry_clear);
}

/* rtpsession stamps packets with the system clock of GStreamer, which is the monotonic one unless the host chose
 * otherwise: the wall clock may jump. */
static gint64
clock_offset (void)
{
  g_autoptr (GstClock) clock = gst_system_clock_obtain ();
  gint64 offset_us = (gint64) (gst_clock_get_time (clock) / 1000) - g_get_monotonic_time ();

  return ABS (offset_us) < CLOCK_SAME_US ? 0 : offset_us;
}

void
gst_mlo_telemetry_start (GstMloTelemetry * t, GSource * wake)
{
  GstMloRecord *ring = g_new0 (GstMloRecord, RING);
  gint64 offset_us = clock_offset ();

  g_mutex_lock (&t->lock);
  g_clear_pointer (&t->wake, g_source_unref);
  t->wake = wake ? g_source_ref (wake) : NULL;
  g_free (t->ring);
  t->ring = ring;
  t->head = t->count = 0;
  mlo_window_init (&t->window);
  mlo_alert_init (&t->alert);
  gst_mlo_peers_init (&t->peers);
  memset (&t->counts, 0, sizeof t->counts);
  memset (&t->format, 0, sizeof t->format);
  t->others_bytes = 0;
  t->overhead = 0.0;
  memset (&t->told, 0, sizeof t->told);
  t->luma = LUMA_IDLE;
  t->clock_offset_us = offset_us;
  t->running = TRUE;
  g_mutex_unlock (&t->lock);
  t->history_next = t->history_count = 0;
  t->complexity = 0.0;
  t->complexity_us = 0;
}

void
gst_mlo_telemetry_stop (GstMloTelemetry * t)
{
  GSource *wake;
  GstMloRecord *ring;

  g_mutex_lock (&t->lock);
  t->running = FALSE;
  wake = g_steal_pointer (&t->wake);
  ring = g_steal_pointer (&t->ring);
  t->head = t->count = 0;
  g_mutex_unlock (&t->lock);
  g_free (ring);
  if (wake)
    g_source_unref (wake);
}

/* --- frames --- */

void
gst_mlo_telemetry_set_input (GstMloTelemetry * t, GstCaps * caps, const char *scalable)
{
  GstMloFormat f = { 0 };
  GstCapsFeatures *features = gst_caps_get_features (caps, 0);

  if (!gst_video_info_from_caps (&f.info, caps)) {
    GstStructure *s = gst_caps_get_structure (caps, 0);

    /* A format this library does not know: its size and rate will do. */
    gst_video_info_init (&f.info);
    gst_structure_get_int (s, "width", &f.info.width);
    gst_structure_get_int (s, "height", &f.info.height);
    gst_structure_get_fraction (s, "framerate", &f.info.fps_n, &f.info.fps_d);
  }
  f.system_memory = !features || gst_caps_features_is_equal (features, GST_CAPS_FEATURES_MEMORY_SYSTEM_MEMORY);
  f.scalable = scalable;
  f.progressive = GST_VIDEO_INFO_INTERLACE_MODE (&f.info) == GST_VIDEO_INTERLACE_MODE_PROGRESSIVE;
  g_mutex_lock (&t->lock);
  f.serial = t->format.serial + 1;
  f.out_width = t->format.out_width;
  f.out_height = t->format.out_height;
  t->format = f;
  if (t->luma == LUMA_WANT_SECOND)
    t->luma = LUMA_WANT_FIRST;
  g_mutex_unlock (&t->lock);
}

void
gst_mlo_telemetry_set_output (GstMloTelemetry * t, GstCaps * caps)
{
  GstStructure *s = gst_caps_get_structure (caps, 0);
  int width = 0, height = 0;

  gst_structure_get_int (s, "width", &width);
  gst_structure_get_int (s, "height", &height);
  g_mutex_lock (&t->lock);
  t->format.serial++;
  t->format.out_width = width;
  t->format.out_height = height;
  g_mutex_unlock (&t->lock);
}

/* Where the luma (of RGB: the green) of an 8-bit format is. */
static gboolean
luma_component (const GstVideoInfo * info, guint * component)
{
  const GstVideoFormatInfo *f = info->finfo;

  if (!f || GST_VIDEO_FORMAT_INFO_IS_COMPLEX (f) || GST_VIDEO_FORMAT_INFO_IS_TILED (f)
      || GST_VIDEO_FORMAT_INFO_HAS_PALETTE (f))
    return FALSE;
  if (GST_VIDEO_FORMAT_INFO_IS_RGB (f))
    *component = GST_VIDEO_COMP_G;
  else if (GST_VIDEO_FORMAT_INFO_IS_YUV (f) || GST_VIDEO_FORMAT_INFO_IS_GRAY (f))
    *component = GST_VIDEO_COMP_Y;
  else
    return FALSE;
  return GST_VIDEO_FORMAT_INFO_DEPTH (f, *component) == 8;
}

static gboolean
pick_luma (const GstVideoInfo * info, GstBuffer * buffer, MloLumaGrid * grid)
{
  GstVideoFrame frame;
  guint component;
  gboolean picked;

  if (!luma_component (info, &component))
    return FALSE;
  /* Mapping several memories as one would copy the frame. */
  if (gst_buffer_n_memory (buffer) != 1 && !gst_buffer_get_video_meta (buffer))
    return FALSE;
  if (GST_MEMORY_FLAG_IS_SET (gst_buffer_peek_memory (buffer, 0), GST_MEMORY_FLAG_NOT_MAPPABLE))
    return FALSE;
  if (!gst_video_frame_map (&frame, info, buffer, GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))
    return FALSE;
  picked = mlo_luma_grid_pick (grid, GST_VIDEO_FRAME_COMP_DATA (&frame, component),
      GST_VIDEO_FRAME_COMP_WIDTH (&frame, component), GST_VIDEO_FRAME_COMP_HEIGHT (&frame, component),
      GST_VIDEO_FRAME_COMP_STRIDE (&frame, component), GST_VIDEO_FRAME_COMP_PSTRIDE (&frame, component));
  gst_video_frame_unmap (&frame);
  return picked;
}

gboolean
gst_mlo_telemetry_frame (GstMloTelemetry * t, GstBuffer * buffer, gboolean in_time)
{
  gint64 now_us = g_get_monotonic_time ();
  LumaState luma;
  gboolean admit = in_time;

  g_mutex_lock (&t->lock);
  t->counts.frames_in++;
  if (t->counts.first_frame_us == 0)
    t->counts.first_frame_us = now_us;
  if (!in_time) {
    t->counts.dropped_rate++;
  } else if (!mlo_window_admit (&t->window, now_us)) {
    t->counts.dropped_window++;
    admit = FALSE;
  } else {
    t->counts.frames_out++;
  }
  luma = t->format.system_memory ? t->luma : LUMA_IDLE;
  g_mutex_unlock (&t->lock);

  if (luma == LUMA_WANT_FIRST || luma == LUMA_WANT_SECOND) {
    /* Only this thread writes the format's info, and the state stays until it is done here. */
    gboolean picked = pick_luma (&t->format.info, buffer, &t->grid[luma - LUMA_WANT_FIRST]);

    g_mutex_lock (&t->lock);
    if (t->luma == luma)
      t->luma = picked ? luma + 1 : LUMA_IDLE;
    g_mutex_unlock (&t->lock);
  }
  return admit;
}

void
gst_mlo_telemetry_flush (GstMloTelemetry * t)
{
  g_mutex_lock (&t->lock);
  mlo_window_flush (&t->window);
  if (t->luma == LUMA_WANT_SECOND)
    t->luma = LUMA_WANT_FIRST;
  g_mutex_unlock (&t->lock);
}

/* --- feedback --- */

/* With the lock held. */
static void
push (GstMloTelemetry * t, GstMloRecordKind kind, gint64 now_us, const MloPacket * packet)
{
  GstMloRecord *r;

  if (!t->ring)
    return;
  if (t->count == RING) {
    t->counts.packets_missed++;
    return;
  }
  r = &t->ring[(t->head + t->count) % RING];
  r->kind = kind;
  r->now_us = now_us;
  r->packet = *packet;
  t->count++;
}

void
gst_mlo_telemetry_wake (GstMloTelemetry * t)
{
  GSource *wake;

  g_mutex_lock (&t->lock);
  wake = t->wake ? g_source_ref (t->wake) : NULL;
  g_mutex_unlock (&t->lock);
  if (wake) {
    g_source_set_ready_time (wake, 0);
    g_source_unref (wake);
  }
}

/* Of the event's structures: a name costs a lock and a hash each time it is looked up. */
typedef struct
{
  GQuark packets, local, remote, seqnum, size, lost;
} PacketFields;

static const PacketFields *
packet_fields (void)
{
  static PacketFields fields;
  static gsize ready;

  if (g_once_init_enter (&ready)) {
    fields.packets = g_quark_from_static_string ("packets");
    fields.local = g_quark_from_static_string ("local-ts");
    fields.remote = g_quark_from_static_string ("remote-ts");
    fields.seqnum = g_quark_from_static_string ("seqnum");
    fields.size = g_quark_from_static_string ("size");
    fields.lost = g_quark_from_static_string ("lost");
    g_once_init_leave (&ready, 1);
  }
  return &fields;
}

static guint64
get_time (const GstStructure * s, GQuark field)
{
  const GValue *v = gst_structure_id_get_value (s, field);

  return v && G_VALUE_HOLDS_UINT64 (v) ? g_value_get_uint64 (v) : GST_CLOCK_TIME_NONE;
}

static guint
get_count (const GstStructure * s, GQuark field)
{
  const GValue *v = gst_structure_id_get_value (s, field);

  return v && G_VALUE_HOLDS_UINT (v) ? g_value_get_uint (v) : 0;
}

/* One packet of the event; FALSE where it makes no sense. */
static gboolean
parse_packet (const GstStructure * s, const PacketFields * f, gint64 offset_us, MloPacket * p)
{
  guint64 local = get_time (s, f->local), remote = get_time (s, f->remote);
  guint seqnum = get_count (s, f->seqnum), size = get_count (s, f->size);
  const GValue *v = gst_structure_id_get_value (s, f->lost);
  gboolean lost = v && G_VALUE_HOLDS_BOOLEAN (v) && g_value_get_boolean (v);

  if (!GST_CLOCK_TIME_IS_VALID (local) || size > 65535 || (!lost && !GST_CLOCK_TIME_IS_VALID (remote)))
    return FALSE;
  p->send_us = (gint64) (local / 1000) - offset_us;
  p->arrival_us = lost ? 0 : (gint64) (remote / 1000);
  p->seqnum = seqnum;
  p->size = size;
  p->lost = lost;
  return TRUE;
}

static void
packets_event (GstMloTelemetry * t, const GstStructure * event)
{
  const PacketFields *fields = packet_fields ();
  const GValue *value = gst_structure_id_get_value (event, fields->packets);
  gint64 now_us = g_get_monotonic_time ();
  MloPacket packets[EVENT_PACKETS];
  gconstpointer session = gst_mlo_peers_session_of (event);
  gboolean urgent = FALSE;
  gint64 offset_us;
  guint total, n = 0;

  G_GNUC_BEGIN_IGNORE_DEPRECATIONS;
  if (!value || !G_VALUE_HOLDS (value, g_value_array_get_type ()))
    return;
  const GValueArray *array = g_value_get_boxed (value);
  total = array ? array->n_values : 0;
  if (total == 0)
    return;
  g_mutex_lock (&t->lock);
  offset_us = t->clock_offset_us;
  g_mutex_unlock (&t->lock);
  for (guint i = 0; i < total; i++) {
    const GValue *item = &array->values[i];

    if (GST_VALUE_HOLDS_STRUCTURE (item) && parse_packet (gst_value_get_structure (item), fields, offset_us,
            &packets[n]))
      n++;
    if (n < EVENT_PACKETS && i + 1 < total)
      continue;
    g_mutex_lock (&t->lock);
    if (t->running) {
      gboolean several = t->peers.several;

      n = gst_mlo_peers_take (&t->peers, session, now_us, packets, n);
      /* Their arrival times are on another clock from here on. */
      if (several != t->peers.several) {
        t->counts.clocks++;
        mlo_alert_init (&t->alert);
      }
      mlo_window_acked (&t->window, now_us, packets, n);
      /* Of a peer that does not decide there is none. */
      if (n > 0)
        urgent |= mlo_alert_report (&t->alert, now_us, packets, n, &t->window);
      for (guint j = 0; j < n; j++) {
        push (t, i + 1 == total && j + 1 == n ? GST_MLO_RECORD_REPORT_END : GST_MLO_RECORD_PACKET, now_us, &packets[j]);
        t->counts.packets++;
        t->counts.packets_lost += packets[j].lost ? 1 : 0;
      }
      urgent |= t->count > RING / 2;
    }
    g_mutex_unlock (&t->lock);
    n = 0;
  }
  G_GNUC_END_IGNORE_DEPRECATIONS;

  g_mutex_lock (&t->lock);
  t->counts.reports++;
  g_mutex_unlock (&t->lock);
  if (urgent)
    gst_mlo_telemetry_wake (t);
}

gboolean
gst_mlo_telemetry_upstream_event (GstMloTelemetry * t, GstEvent * event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_UPSTREAM) {
    const GstStructure *s = gst_event_get_structure (event);

    if (!s || !gst_structure_has_name (s, "RTPTWCCPackets"))
      return FALSE;
    packets_event (t, s);
    return TRUE;
  }
  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS) {
    GstQOSType type;
    GstClockTimeDiff late = 0;

    gst_event_parse_qos (event, &type, NULL, &late, NULL);
    if (late > 0 && type != GST_QOS_TYPE_THROTTLE) {
      g_mutex_lock (&t->lock);
      t->counts.qos_events++;
      g_mutex_unlock (&t->lock);
    }
    return TRUE;
  }
  return FALSE;
}

/* --- encoder --- */

void
gst_mlo_telemetry_frame_taken (GstMloTelemetry * t)
{
  g_mutex_lock (&t->lock);
  t->counts.encoder_frames++;
  g_mutex_unlock (&t->lock);
}

void
gst_mlo_telemetry_encoded (GstMloTelemetry * t, const GstMloEncoded * e)
{
  MloPacket packet = {.send_us = e->now_us };
  gsize bytes;

  g_mutex_lock (&t->lock);
  bytes = (gsize) ((double) e->bytes * (1.0 + t->overhead));
  t->counts.encoded_bytes += e->bytes;
  t->counts.wire_bytes += bytes;
  if (t->running)
    mlo_window_sent (&t->window, e->now_us, (guint32) MIN (bytes, G_MAXUINT32));
  if (!e->leads) {
    t->others_bytes += bytes;
    g_mutex_unlock (&t->lock);
    return;
  }
  t->counts.encoded_frames++;
  t->counts.keyframes += e->keyframe ? 1 : 0;
  if (t->counts.first_encoded_us == 0)
    t->counts.first_encoded_us = e->now_us;
  if (e->busy_us >= 0) {
    t->counts.busy_us += (guint64) e->busy_us;
    t->counts.busy_timed++;
  }
  if (e->encode_us >= 0) {
    t->counts.encode_us += (guint64) e->encode_us;
    t->counts.encode_timed++;
  }
  /* A picture is one frame, however many encoders it goes through. */
  packet.size = (guint32) MIN (bytes + t->others_bytes, G_MAXUINT32);
  t->others_bytes = 0;
  if (t->running)
    push (t, e->keyframe ? GST_MLO_RECORD_KEYFRAME : GST_MLO_RECORD_FRAME, e->now_us, &packet);
  g_mutex_unlock (&t->lock);
}

/* --- messages --- */

static gboolean
number_of (const GValue * value, double *number)
{
  GValue v = G_VALUE_INIT;
  gboolean ok;

  /* A string that looks like a number is not one. */
  if (!g_type_is_a (G_VALUE_TYPE (value), G_TYPE_DOUBLE) && !g_type_is_a (G_VALUE_TYPE (value), G_TYPE_FLOAT)
      && !g_type_is_a (G_VALUE_TYPE (value), G_TYPE_INT) && !g_type_is_a (G_VALUE_TYPE (value), G_TYPE_UINT)
      && !g_type_is_a (G_VALUE_TYPE (value), G_TYPE_INT64) && !g_type_is_a (G_VALUE_TYPE (value), G_TYPE_UINT64))
    return FALSE;
  g_value_init (&v, G_TYPE_DOUBLE);
  ok = g_value_transform (value, &v);
  *number = g_value_get_double (&v);
  g_value_unset (&v);
  return ok;
}

typedef struct
{
  MloSample sample;
  guint rejected;
} Told;

static gboolean
told_field (GQuark name, const GValue * value, gpointer user_data)
{
  Told *told = user_data;
  int field = mlo_field_from_name (g_quark_to_string (name));
  double number;

  if (field >= 0 && (!number_of (value, &number) || !mlo_sample_set (&told->sample, field, number)))
    told->rejected++;
  return TRUE;
}

void
gst_mlo_telemetry_message (GstBus * bus, GstMessage * message, gpointer telemetry)
{
  GstMloTelemetry *t = telemetry;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_QOS) {
    GstFormat format = GST_FORMAT_UNDEFINED;

    gst_message_parse_qos_stats (message, &format, NULL, NULL);
    /* Audio counts samples. */
    if (format == GST_FORMAT_DEFAULT)
      return;
    g_mutex_lock (&t->lock);
    t->counts.qos_messages++;
    g_mutex_unlock (&t->lock);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT) {
    const GstStructure *s = gst_message_get_structure (message);
    Told told = { 0 };

    if (!s || !gst_structure_has_name (s, GST_MLO_METRICS_NAME))
      return;
    gst_structure_foreach (s, told_field, &told);
    gst_mlo_telemetry_tell (t, &told.sample, told.rejected);
  }
}

void
gst_mlo_telemetry_tell (GstMloTelemetry * t, const MloSample * sample, guint rejected)
{
  gint64 now_us = g_get_monotonic_time ();

  g_mutex_lock (&t->lock);
  t->counts.metrics++;
  t->counts.metrics_rejected += rejected;
  for (int i = 0; i < MLO_N_FIELDS; i++) {
    if (mlo_sample_has (sample, i)) {
      mlo_sample_set (&t->told, i, mlo_sample_get (sample, i, 0.0));
      t->told_us[i] = now_us;
    }
  }
  g_mutex_unlock (&t->lock);
}

/* A gap no pacer below 50 Mbit/s would leave, the longest such burst, and what announces a frame (access
 * unit delimiter, parameter sets). */
#define BURST_GAP_US 200
#define BURST_US 5000
#define ANNOUNCE_BYTES 128
#define ANNOUNCE_US 100000
/* What was held arrives right before what it announces. A small frame of its own that arrived earlier
 * must keep its stamp: with the next frame's its transit would be too short by a frame's time, and the
 * path's minimum with it. */
#define ANNOUNCE_ARRIVAL_US 1000

void
gst_mlo_packets_share_send_time (MloPacket * p, guint n)
{
  for (guint i = 0, next; i < n; i = next) {
    guint64 bytes = p[i].size;
    gint64 send_us = p[i].send_us;

    for (next = i + 1; next < n; next++) {
      gint64 gap_us = p[next].send_us - p[next - 1].send_us;

      if (gap_us < 0 || gap_us > BURST_GAP_US || p[next].send_us - send_us > BURST_US)
        break;
      bytes += p[next].size;
    }
    if (bytes <= ANNOUNCE_BYTES && next < n && p[next].send_us > send_us && p[next].send_us - send_us < ANNOUNCE_US
        && !p[i].lost && !p[next].lost && p[next].arrival_us - p[i].arrival_us <= ANNOUNCE_ARRIVAL_US)
      send_us = p[next].send_us;
    for (guint k = i; k < next; k++)
      p[k].send_us = send_us;
  }
}

/* --- control thread --- */

guint
gst_mlo_telemetry_take (GstMloTelemetry * t, GstMloRecord * records, guint max)
{
  guint n;

  g_mutex_lock (&t->lock);
  n = MIN (max, t->count);
  for (guint i = 0; i < n; i++)
    records[i] = t->ring[(t->head + i) % RING];
  t->head = (t->head + n) % RING;
  t->count -= n;
  g_mutex_unlock (&t->lock);
  return n;
}

/* The collection a second ago, or the oldest since the start. */
static const Snapshot *
base_snapshot (const GstMloTelemetry * t, gint64 now_us)
{
  const Snapshot *base = NULL;

  for (guint i = 0; i < t->history_count; i++) {
    const Snapshot *s = &t->history[(t->history_next + HISTORY - 1 - i) % HISTORY];

    base = s;
    if (now_us - s->now_us >= RATE_SPAN_US - 20000)
      break;
  }
  return base;
}

static void
set_rates (MloSample * s, const Snapshot * base, const Snapshot * now)
{
  const GstMloCounts *a = &base->counts, *b = &now->counts;
  double seconds = (double) (now->now_us - base->now_us) / 1e6;
  double frames = (double) (b->frames_out - a->frames_out);
  double bytes = (double) (b->wire_bytes - a->wire_bytes);
  double coded = (double) (b->encoded_frames - a->encoded_frames);

  if (seconds < 0.15)
    return;
  mlo_sample_set (s, MLO_FIELD_FPS, MIN (frames / seconds, 1000.0));
  if (frames > 0.0)
    mlo_sample_set (s, MLO_FIELD_FRAME_TIME, 1000.0 * seconds / frames);
  if (b->encode_timed > a->encode_timed)
    mlo_sample_set (s, MLO_FIELD_ENCODE_TIME, (double) (b->encode_us - a->encode_us) / 1000.0 /
        (double) (b->encode_timed - a->encode_timed));
  if (b->encoded_frames > 0) {
    double packets = bytes / PACKET_PAYLOAD + 0.5 * coded;

    mlo_sample_set (s, MLO_FIELD_ENCODED, bytes * 8.0 / 1000.0 / seconds);
    mlo_sample_set (s, MLO_FIELD_SENT, (bytes + packets * MLO_PACKET_OVERHEAD) * 8.0 / 1000.0 / seconds);
  }
  /* A late sink says it twice, by message and by event. */
  mlo_sample_set (s, MLO_FIELD_FRAME_DROPS, (double) MAX (b->qos_messages - a->qos_messages,
          b->qos_events - a->qos_events) / MAX (seconds, 1.0));
}

void
gst_mlo_telemetry_collect (GstMloTelemetry * t, gint64 now_us, MloSample * sample)
{
  Snapshot *snapshot = &t->history[t->history_next];
  const Snapshot *base = base_snapshot (t, now_us);
  gint64 offset_us = clock_offset ();
  LumaState luma;

  memset (sample, 0, sizeof *sample);
  sample->timestamp_us = now_us;
  g_mutex_lock (&t->lock);
  /* It jumped; what an NTP client slews is followed by steps too small to see. */
  if (ABS (offset_us - t->clock_offset_us) >= CLOCK_SAME_US)
    t->clock_offset_us = offset_us;
  snapshot->counts = t->counts;
  for (int i = 0; i < MLO_N_FIELDS; i++) {
    if (mlo_sample_has (&t->told, i) && now_us - t->told_us[i] < GST_MLO_METRICS_FRESH_US)
      mlo_sample_set (sample, i, mlo_sample_get (&t->told, i, 0.0));
  }
  /* These are ours to measure and to set. */
  for (int i = 0; i < MLO_N_FIELDS; i++) {
    if (i == MLO_FIELD_BITRATE || i == MLO_FIELD_FPS || i == MLO_FIELD_FRAME_TIME || i == MLO_FIELD_WIDTH
        || i == MLO_FIELD_HEIGHT || i == MLO_FIELD_SENT || i == MLO_FIELD_ENCODED)
      mlo_sample_unset (sample, i);
  }
  luma = t->luma;
  if (t->format.out_width > 0 && t->format.out_height > 0) {
    mlo_sample_set (sample, MLO_FIELD_WIDTH, t->format.out_width);
    mlo_sample_set (sample, MLO_FIELD_HEIGHT, t->format.out_height);
  }
  g_mutex_unlock (&t->lock);
  snapshot->now_us = now_us;

  if (base) {
    gboolean told_drops = mlo_sample_has (sample, MLO_FIELD_FRAME_DROPS);
    double drops = mlo_sample_get (sample, MLO_FIELD_FRAME_DROPS, 0.0);

    set_rates (sample, base, snapshot);
    /* The receiver sees drops that nothing here does. */
    if (told_drops && drops > mlo_sample_get (sample, MLO_FIELD_FRAME_DROPS, 0.0))
      mlo_sample_set (sample, MLO_FIELD_FRAME_DROPS, drops);
  }
  t->history_next = (t->history_next + 1) % HISTORY;
  t->history_count = MIN (t->history_count + 1, HISTORY - 1);

  if (luma == LUMA_READY) {
    double c = mlo_complexity (&t->grid[1], &t->grid[0]);

    t->complexity = t->complexity_us == 0 ? c : t->complexity + COMPLEXITY_SMOOTHING * (c - t->complexity);
    t->complexity_us = now_us;
  }
  if (t->complexity_us != 0 && now_us - t->complexity_us < STALE_US)
    mlo_sample_set (sample, MLO_FIELD_COMPLEXITY, t->complexity);
  if (luma == LUMA_READY || luma == LUMA_IDLE) {
    g_mutex_lock (&t->lock);
    t->luma = LUMA_WANT_FIRST;
    g_mutex_unlock (&t->lock);
  }
}

void
gst_mlo_telemetry_get_load (GstMloTelemetry * t, gint64 now_us, double fps, MloEncoderLoad * load)
{
  const Snapshot *newest = NULL, *base = NULL;
  double nominal = 0.0, seconds;
  GstMloFormat format;

  load->busy_ms = -1.0;
  load->fps = load->due_fps = load->decode_ms = 0.0;
  for (guint i = 0; i < t->history_count; i++) {
    const Snapshot *s = &t->history[(t->history_next + HISTORY - 1 - i) % HISTORY];

    if (!newest)
      newest = s;
    base = s;
    if (now_us - s->now_us >= STALE_US || (now_us - s->now_us >= LOAD_SPAN_US - 20000
            && newest->counts.busy_timed - s->counts.busy_timed >= LOAD_FRAMES))
      break;
  }
  if (!newest || newest->now_us - base->now_us < LOAD_SPAN_US / 2
      || newest->counts.busy_timed == base->counts.busy_timed)
    return;
  seconds = (double) (newest->now_us - base->now_us) / 1e6;
  gst_mlo_telemetry_get_format (t, &format);
  if (format.info.fps_n > 0 && format.info.fps_d > 0)
    nominal = (double) format.info.fps_n / format.info.fps_d;
  if (fps > 0.0 && (nominal <= 0.0 || fps < nominal))
    nominal = fps;
  load->busy_ms = (double) (newest->counts.busy_us - base->counts.busy_us) / 1000.0
      / (double) (newest->counts.busy_timed - base->counts.busy_timed);
  load->fps = (double) (newest->counts.encoder_frames - base->counts.encoder_frames) / seconds;
  if (nominal > 0.0)
    load->due_fps =
        MAX (nominal - (double) (newest->counts.dropped_window - base->counts.dropped_window) / seconds, 0.0);
}

void
gst_mlo_telemetry_forget (GstMloTelemetry * t)
{
  t->history_count = 0;
  t->complexity_us = 0;
  gst_mlo_telemetry_flush (t);
}

void
gst_mlo_telemetry_get_format (GstMloTelemetry * t, GstMloFormat * format)
{
  g_mutex_lock (&t->lock);
  *format = t->format;
  g_mutex_unlock (&t->lock);
}

void
gst_mlo_telemetry_get_counts (GstMloTelemetry * t, GstMloCounts * counts)
{
  g_mutex_lock (&t->lock);
  *counts = t->counts;
  counts->peers = gst_mlo_peers_count (&t->peers, g_get_monotonic_time ());
  g_mutex_unlock (&t->lock);
}

void
gst_mlo_telemetry_choose_peer (GstMloTelemetry * t, gconstpointer session)
{
  g_mutex_lock (&t->lock);
  t->peers.chosen = session;
  g_mutex_unlock (&t->lock);
}

void
gst_mlo_telemetry_set_overhead (GstMloTelemetry * t, double overhead)
{
  g_mutex_lock (&t->lock);
  t->overhead = overhead;
  g_mutex_unlock (&t->lock);
}

void
gst_mlo_telemetry_set_window (GstMloTelemetry * t, guint64 limit_bytes, gint64 probe_interval_us)
{
  g_mutex_lock (&t->lock);
  mlo_window_set_limit (&t->window, limit_bytes, probe_interval_us);
  g_mutex_unlock (&t->lock);
}

void
gst_mlo_telemetry_set_alert (GstMloTelemetry * t, gboolean eager, double target_delay_ms)
{
  g_mutex_lock (&t->lock);
  mlo_alert_set (&t->alert, eager, target_delay_ms);
  g_mutex_unlock (&t->lock);
}

guint64
gst_mlo_telemetry_in_flight (GstMloTelemetry * t)
{
  guint64 bytes;

  g_mutex_lock (&t->lock);
  bytes = mlo_window_in_flight (&t->window);
  g_mutex_unlock (&t->lock);
  return bytes;
}
