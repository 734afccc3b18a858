/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Feedback events of any content through what the element makes of them: structures whose fields have any type and value,
 * or are not there. Then the same records as the control thread hands them to the controller; its decisions keep their
 * bounds. The application's metrics and its answer to a decision are such structures too. */
#include <math.h>
#include <string.h>

#include "gstmlostats.h"
#include "gstmlotelemetry.h"
#include "mlo-controller.h"

#define MIN_KBPS 300.0
#define MAX_KBPS 20000.0

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

G_GNUC_BEGIN_IGNORE_DEPRECATIONS;

typedef struct
{
  const guint8 *at;
  gsize left;
} Input;

static guint64
take (Input * in, gsize bytes)
{
  guint64 value = 0;
  gsize have = MIN (bytes, in->left);

  memcpy (&value, in->at, have);
  in->at += have;
  in->left -= have;
  return value;
}

/* One of the right type with its value as given, or of another type, or none. */
static void
set_field (Input * in, GstStructure * s, const char *name, GType type)
{
  static const guint8 widths[] = { 8, 4, 2, 1 };
  guint8 how = (guint8) take (in, 1);
  guint64 bits = take (in, widths[how >> 6]);
  double real;

  memcpy (&real, &bits, sizeof real);
  switch (how & 15) {
    case 0:
      break;
    case 1:
      gst_structure_set (s, name, G_TYPE_STRING, "1", NULL);
      break;
    case 2:
      gst_structure_set (s, name, G_TYPE_INT, (gint) bits, NULL);
      break;
    case 3:
      gst_structure_set (s, name, G_TYPE_DOUBLE, real, NULL);
      break;
    case 4:
      gst_structure_set (s, name, G_TYPE_INT64, (gint64) bits, NULL);
      break;
    default:
      if (type == G_TYPE_UINT64)
        gst_structure_set (s, name, type, bits, NULL);
      else if (type == G_TYPE_UINT)
        gst_structure_set (s, name, type, (guint) bits, NULL);
      else if (type == G_TYPE_BOOLEAN)
        gst_structure_set (s, name, type, (gboolean) (bits & 1), NULL);
      else if (type == G_TYPE_DOUBLE)
        gst_structure_set (s, name, type, how & 16 ? real : (double) (bits & 0xffff), NULL);
      break;
  }
}

static GstEvent *
packets (Input * in)
{
  GValueArray *array = g_value_array_new (0);
  GstStructure *s = gst_structure_new_empty ("RTPTWCCPackets");
  guint n = (guint) take (in, 1) % 80;
  GValue v = G_VALUE_INIT;

  for (guint i = 0; i < n && in->left > 0; i++) {
    GstStructure *p = gst_structure_new_empty ("RTPTWCCPacket");

    set_field (in, p, "seqnum", G_TYPE_UINT);
    set_field (in, p, "local-ts", G_TYPE_UINT64);
    set_field (in, p, "remote-ts", G_TYPE_UINT64);
    set_field (in, p, "size", G_TYPE_UINT);
    set_field (in, p, "lost", G_TYPE_BOOLEAN);
    g_value_init (&v, GST_TYPE_STRUCTURE);
    g_value_take_boxed (&v, p);
    g_value_array_append (array, &v);
    g_value_unset (&v);
  }
  g_value_init (&v, g_value_array_get_type ());
  g_value_take_boxed (&v, array);
  gst_structure_take_value (s, "packets", &v);
  return gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM, s);
}

static void
metrics (Input * in, GstMloTelemetry * t)
{
  GstStructure *s = gst_structure_new_empty (GST_MLO_METRICS_NAME);
  g_autoptr (GstMessage) m = NULL;

  for (int i = 0; i < MLO_N_FIELDS && in->left > 0; i++)
    set_field (in, s, mlo_field_info (i)->name, G_TYPE_DOUBLE);
  m = gst_message_new_element (NULL, s);
  gst_mlo_telemetry_message (NULL, m, t);
}

static void
answer (Input * in, MloController * c)
{
  g_autoptr (GstStructure) s = gst_structure_new_empty ("answer");
  MloDecision d = *mlo_controller_decision (c), before = d;

  set_field (in, s, "veto", G_TYPE_BOOLEAN);
  set_field (in, s, "bitrate", G_TYPE_UINT);
  set_field (in, s, "width", G_TYPE_INT);
  set_field (in, s, "height", G_TYPE_INT);
  set_field (in, s, "framerate", G_TYPE_DOUBLE);
  gst_mlo_decision_alter (&d, &before, s);
  mlo_controller_override (c, &d);
}

static void
hand_on (GstMloTelemetry * t, MloController * c, gint64 now_us)
{
  static GstMloRecord records[256];
  MloPacket batch[256];
  guint n, k = 0;

  while ((n = gst_mlo_telemetry_take (t, records, G_N_ELEMENTS (records))) > 0) {
    k = 0;
    for (guint i = 0; i < n; i++)
      batch[k++] = records[i].packet;
    gst_mlo_packets_share_send_time (batch, k);
    mlo_controller_on_packets (c, now_us, batch, k);
  }
}

static void
check (const MloDecision * d)
{
  g_assert_true (isfinite (d->bitrate_kbps) && d->bitrate_kbps >= MIN_KBPS && d->bitrate_kbps <= MAX_KBPS);
  g_assert_true (isfinite (d->capacity_kbps) && isfinite (d->fps) && d->fps >= 0.0 && d->fps <= 60.0);
  g_assert_true (d->width >= 0 && d->width <= 1280 && d->height >= 0 && d->height <= 720);
  g_assert_cmpuint (d->window_bytes, >, 0);
}

static MloController *
new_controller (void)
{
  MloControllerConfig config = mlo_controller_config_default;

  config.limits = mlo_limits_default;
  config.limits.min_bitrate_kbps = MIN_KBPS;
  config.limits.max_bitrate_kbps = MAX_KBPS;
  config.source.width = 1280;
  config.source.height = 720;
  config.source.fps = 60.0;
  config.traits = mlo_actuator_traits_default;
  return mlo_controller_new (&config);
}

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  static gboolean initialised;
  g_autoptr (GstMloTelemetry) t = NULL;
  g_autoptr (MloController) c = NULL;
  Input in = {.at = data,.left = size };
  gint64 now_us;

  if (!initialised) {
    /* no elements are needed */
    g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
    gst_init (NULL, NULL);
    initialised = TRUE;
  }
  t = gst_mlo_telemetry_new ();
  c = new_controller ();
  gst_mlo_telemetry_start (t, NULL);
  now_us = g_get_monotonic_time ();
  while (in.left > 0) {
    guint8 kind = (guint8) take (&in, 1);
    MloSample local;

    if (kind % 8 == 0) {
      metrics (&in, t);
    } else if (kind % 8 == 1) {
      answer (&in, c);
    } else {
      g_autoptr (GstEvent) event = packets (&in);

      g_assert_true (gst_mlo_telemetry_upstream_event (t, event));
    }
    hand_on (t, c, now_us);
    mlo_controller_react (c, now_us);
    check (mlo_controller_decision (c));
    gst_mlo_telemetry_collect (t, now_us, &local);
    check (mlo_controller_tick (c, now_us, &local));
    now_us += 16667;
  }
  gst_mlo_telemetry_stop (t);
  return 0;
}
