/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What other threads leave for the control thread: events, frames and messages, hostile ones too. */
#include <string.h>

#include <gst/check/gsttestclock.h>

#include "gstmloactuator.h"
#include "gstmlotap.h"
#include "gstmlotelemetry.h"
#include "mlo-random.h"
#include "twcc-helpers.h"

G_GNUC_BEGIN_IGNORE_DEPRECATIONS;

static void
push_report (GstMloTelemetry * t, guint n, guint64 first_local)
{
  GValueArray *array = g_value_array_new (n);
  g_autoptr (GstEvent) event = NULL;

  for (guint i = 0; i < n; i++)
    twcc_add_packet (array, i, first_local + i * GST_MSECOND, 5 * GST_SECOND + i * GST_MSECOND, 1000 + i, i % 10 == 3);
  event = twcc_event (array);
  g_assert_true (gst_mlo_telemetry_upstream_event (t, event));
}

static void
test_packets (void)
{
  g_autoptr (GstMloTelemetry) t = gst_mlo_telemetry_new ();
  static const guint sizes[] = { 1, 63, 64, 65, 200 };
  static GstMloRecord records[300];
  GstMloCounts n;

  gst_mlo_telemetry_start (t, NULL);
  for (guint k = 0; k < G_N_ELEMENTS (sizes); k++) {
    push_report (t, sizes[k], 7 * GST_SECOND);
    g_assert_cmpuint (gst_mlo_telemetry_take (t, records, 300), ==, sizes[k]);
    for (guint i = 0; i < sizes[k]; i++) {
      const MloPacket *p = &records[i].packet;

      g_assert_cmpint (records[i].kind, ==, i + 1 == sizes[k] ? GST_MLO_RECORD_REPORT_END : GST_MLO_RECORD_PACKET);
      g_assert_cmpint (p->send_us, ==, 7000000 + i * 1000);
      g_assert_cmpuint (p->seqnum, ==, i);
      g_assert_cmpuint (p->size, ==, 1000 + i);
      g_assert_cmpint (p->lost, ==, i % 10 == 3);
      if (!p->lost)
        g_assert_cmpint (p->arrival_us, ==, 5000000 + i * 1000);
    }
  }
  gst_mlo_telemetry_get_counts (t, &n);
  g_assert_cmpuint (n.reports, ==, G_N_ELEMENTS (sizes));
  g_assert_cmpuint (n.packets, ==, 1 + 63 + 64 + 65 + 200);

  /* More than there is room for: counted, the rest intact. */
  for (guint i = 0; i < 25; i++)
    push_report (t, 200, 8 * GST_SECOND);
  gst_mlo_telemetry_get_counts (t, &n);
  g_assert_cmpuint (n.packets_missed, ==, 25 * 200 - 4096);
  for (guint taken = 0; taken < 4096;) {
    guint got = gst_mlo_telemetry_take (t, records, 300);

    g_assert_cmpuint (got, >, 0);
    taken += got;
  }
  g_assert_cmpuint (gst_mlo_telemetry_take (t, records, 300), ==, 0);

  /* After the end nothing is taken in. */
  gst_mlo_telemetry_stop (t);
  push_report (t, 5, 9 * GST_SECOND);
  gst_mlo_telemetry_start (t, NULL);
  g_assert_cmpuint (gst_mlo_telemetry_take (t, records, 300), ==, 0);
}

/* The host's clock is not the monotonic one, and jumps an hour ahead, then back. */
static void
test_clock_jump (void)
{
  g_autoptr (GstMloTelemetry) t = gst_mlo_telemetry_new ();
  static const guint64 hours[] = { 1000, 1001, 999 };
  GstClock *clock = gst_test_clock_new ();
  GstMloRecord record;
  MloSample sample;

  gst_system_clock_set_default (clock);
  gst_test_clock_set_time (GST_TEST_CLOCK (clock), hours[0] * 3600 * GST_SECOND);
  gst_mlo_telemetry_start (t, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (hours); i++) {
    /* a GstTestClock only goes forward */
    if (i == 2) {
      gst_object_unref (clock);
      clock = gst_test_clock_new ();
      gst_system_clock_set_default (clock);
    }
    gst_test_clock_set_time (GST_TEST_CLOCK (clock), hours[i] * 3600 * GST_SECOND);
    gst_mlo_telemetry_collect (t, g_get_monotonic_time (), &sample);
    push_report (t, 1, gst_clock_get_time (clock));
    g_assert_cmpuint (gst_mlo_telemetry_take (t, &record, 1), ==, 1);
    /* as old as the collection */
    g_assert_cmpint (ABS (g_get_monotonic_time () - record.packet.send_us), <, G_USEC_PER_SEC);
  }
  gst_system_clock_set_default (NULL);
  gst_object_unref (clock);
}

/* Events that are not what they claim to be. */
static void
test_hostile_events (void)
{
  g_autoptr (GstMloTelemetry) t = gst_mlo_telemetry_new ();
  GstMloRecord records[16];
  GValueArray *array = g_value_array_new (8);
  GValue v = G_VALUE_INIT;
  GstEvent *events[] = {
    gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new_empty ("RTPTWCCPackets")),
    gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new ("RTPTWCCPackets", "packets", G_TYPE_INT, 3,
            NULL)),
    twcc_event (g_value_array_new (0)),
    NULL, NULL,
  };

  gst_mlo_telemetry_start (t, NULL);
  /* No times, no size, a size no packet has. */
  twcc_add_packet (array, 1, GST_CLOCK_TIME_NONE, 5, 100, FALSE);
  twcc_add_packet (array, 2, 5, GST_CLOCK_TIME_NONE, 100, FALSE);
  twcc_add_packet (array, 3, 5, 5, 70000, FALSE);
  g_value_init (&v, G_TYPE_INT);
  g_value_array_append (array, &v);
  g_value_unset (&v);
  g_value_init (&v, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&v, gst_structure_new ("RTPTWCCPacket", "seqnum", G_TYPE_STRING, "x", "local-ts", G_TYPE_INT, -1,
          NULL));
  g_value_array_append (array, &v);
  g_value_unset (&v);
  events[3] = twcc_event (array);
  events[4] = gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new_empty ("Other"));
  for (guint i = 0; i < G_N_ELEMENTS (events); i++) {
    gst_mlo_telemetry_upstream_event (t, events[i]);
    gst_event_unref (events[i]);
  }
  g_assert_cmpuint (gst_mlo_telemetry_take (t, records, 16), ==, 0);
  g_assert_cmpuint (gst_mlo_telemetry_in_flight (t), ==, 0);
}

G_GNUC_END_IGNORE_DEPRECATIONS;

static gboolean
feed (GstMloTelemetry * t, GstBuffer * buffer)
{
  return gst_mlo_telemetry_frame (t, buffer, TRUE);
}

/* Complexity from each format that is mapped, invalid for the others. */
static void
test_formats (void)
{
  static const struct
  {
    const char *caps;
    gboolean valid;
  } cases[] = {
    {"format=I420,width=320,height=240", TRUE},
    {"format=YV12,width=318,height=238", TRUE},
    {"format=NV12,width=320,height=240", TRUE},
    {"format=NV21,width=320,height=240", TRUE},
    {"format=Y444,width=320,height=240", TRUE},
    {"format=GRAY8,width=321,height=241", TRUE},
    {"format=YUY2,width=320,height=240", TRUE},
    {"format=UYVY,width=320,height=240", TRUE},
    {"format=BGRx,width=320,height=240", TRUE},
    {"format=RGB,width=321,height=240", TRUE},
    {"format=RGBA,width=320,height=240", TRUE},
    {"format=I420_10LE,width=320,height=240", FALSE},
    {"format=RGB16,width=320,height=240", FALSE},
    {"format=I420,width=32,height=16", FALSE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GstMloTelemetry) t = gst_mlo_telemetry_new ();
    g_autofree char *text = g_strdup_printf ("video/x-raw,framerate=30/1,%s", cases[i].caps);
    g_autoptr (GstCaps) caps = gst_caps_from_string (text);
    GstVideoInfo info;
    MloSample s;
    MloRandom random;

    mlo_random_seed (&random, i);
    gst_mlo_telemetry_start (t, NULL);
    gst_mlo_telemetry_set_input (t, caps, NULL);
    g_assert_true (gst_video_info_from_caps (&info, caps));
    gst_mlo_telemetry_collect (t, 1000000, &s);
    for (guint n = 0; n < 3; n++) {
      g_autoptr (GstBuffer) b = gst_buffer_new_allocate (NULL, info.size, NULL);
      GstMapInfo map;

      gst_buffer_map (b, &map, GST_MAP_WRITE);
      for (gsize k = 0; k < map.size; k++)
        map.data[k] = (guint8) mlo_random_below (&random, 256);
      gst_buffer_unmap (b, &map);
      g_assert_true (feed (t, b));
      g_assert_cmpint (GST_MINI_OBJECT_REFCOUNT_VALUE (b), ==, 1);
    }
    gst_mlo_telemetry_collect (t, 1100000, &s);
    g_test_message ("%s: %g", cases[i].caps, mlo_sample_get (&s, MLO_FIELD_COMPLEXITY, -1.0));
    g_assert_cmpint (mlo_sample_has (&s, MLO_FIELD_COMPLEXITY), ==, cases[i].valid);
    if (cases[i].valid)
      g_assert_cmpfloat (s.complexity, >, 0.9);
    /* Without further frames it goes stale. */
    gst_mlo_telemetry_collect (t, 1200000, &s);
    gst_mlo_telemetry_collect (t, 4200000, &s);
    g_assert_false (mlo_sample_has (&s, MLO_FIELD_COMPLEXITY));
  }
}

static void
pass_encoder (GstMloTap * tap, GstClockTime in, GstClockTime out, gsize bytes)
{
  g_autoptr (GstBuffer) coded = gst_buffer_new_allocate (NULL, bytes, NULL);

  GST_BUFFER_PTS (coded) = out;
  GST_BUFFER_FLAG_SET (coded, GST_BUFFER_FLAG_DELTA_UNIT);
  gst_mlo_tap_frame_in (tap, in, g_get_monotonic_time ());
  g_usleep (2000);
  gst_mlo_tap_frame_out (tap, coded, g_get_monotonic_time ());
}

/* Encode time, also where the encoder moves the timestamps; the window closes and opens. */
static void
test_encoder_window (void)
{
  g_autoptr (GstMloTelemetry) t = gst_mlo_telemetry_new ();
  g_autoptr (GstBuffer) b = gst_buffer_new ();
  GstMloCounts n;
  GstMloTap *tap = gst_mlo_tap_new (NULL, t);
  GstMloTapCounts passed;
  GstMloRecord records[16];
  const GstClockTime moved = 3600 * 1000 * GST_SECOND;

  gst_mlo_telemetry_start (t, NULL);
  gst_mlo_tap_set_leads (tap, TRUE);
  for (guint i = 0; i < 3; i++)
    pass_encoder (tap, i * GST_MSECOND, i * GST_MSECOND + moved, 10000);
  pass_encoder (tap, 77 * GST_MSECOND, 77 * GST_MSECOND, 10000);
  gst_mlo_telemetry_get_counts (t, &n);
  g_assert_cmpuint (n.encode_timed, ==, 4);
  g_assert_cmpuint (n.encode_us, >=, 4 * 2000);
  g_assert_cmpuint (n.encoded_bytes, ==, 40000);
  g_assert_cmpuint (n.keyframes, ==, 0);
  g_assert_cmpuint (gst_mlo_telemetry_in_flight (t), ==, 40000);
  g_assert_cmpuint (gst_mlo_telemetry_take (t, records, 16), ==, 4);
  g_assert_cmpint (records[0].kind, ==, GST_MLO_RECORD_FRAME);

  g_assert_true (feed (t, b));
  gst_mlo_telemetry_set_window (t, 20000, 0);
  g_assert_false (feed (t, b));
  /* Without a window nothing is refused. */
  gst_mlo_telemetry_set_window (t, G_MAXUINT64, 0);
  g_assert_true (feed (t, b));
  gst_mlo_telemetry_set_window (t, 20000, 0);
  push_report (t, 1, (guint64) g_get_monotonic_time () * 1000 + GST_SECOND);
  g_assert_cmpuint (gst_mlo_telemetry_in_flight (t), <, 20000);
  g_assert_true (feed (t, b));
  gst_mlo_telemetry_get_counts (t, &n);
  g_assert_cmpuint (n.dropped_window, ==, 1);
  g_assert_cmpuint (n.frames_in, ==, 4);
  while (gst_mlo_telemetry_take (t, records, 16) > 0);
  /* Of an encoder that does not lead the bytes count, with the next picture of the one that does. */
  gst_mlo_tap_set_leads (tap, FALSE);
  pass_encoder (tap, 90 * GST_MSECOND, 90 * GST_MSECOND, 700);
  gst_mlo_tap_set_leads (tap, TRUE);
  gst_mlo_telemetry_get_counts (t, &n);
  g_assert_cmpuint (n.encode_timed, ==, 4);
  g_assert_cmpuint (gst_mlo_telemetry_take (t, records, 16), ==, 0);
  pass_encoder (tap, 91 * GST_MSECOND, 91 * GST_MSECOND, 1000);
  g_assert_cmpuint (gst_mlo_telemetry_take (t, records, 16), ==, 1);
  g_assert_cmpuint (records[0].packet.size, ==, 1700);
  gst_mlo_tap_get_counts (tap, &passed);
  g_assert_cmpuint (passed.frames_in, ==, 6);
  g_assert_cmpuint (passed.bytes, ==, 41700);
  gst_mlo_tap_free (tap);
}

/* Fields of an application's message, right and wrong. */
static void
test_told (void)
{
  g_autoptr (GstMloTelemetry) t = gst_mlo_telemetry_new ();
  MloSample s;
  GstMloCounts n;
  gint64 now = g_get_monotonic_time ();

  gst_mlo_telemetry_start (t, NULL);
  for (int i = 0; i < MLO_N_FIELDS; i++) {
    const MloFieldInfo *info = mlo_field_info (i);
    GstMessage *m = gst_message_new_element (NULL, gst_structure_new (GST_MLO_METRICS_NAME, info->name, G_TYPE_DOUBLE,
            info->max, NULL));

    gst_mlo_telemetry_message (NULL, m, t);
    gst_message_unref (m);
    m = gst_message_new_element (NULL, gst_structure_new (GST_MLO_METRICS_NAME, info->name, G_TYPE_DOUBLE,
            info->max * 2.0 + 1.0, NULL));
    gst_mlo_telemetry_message (NULL, m, t);
    gst_message_unref (m);
    m = gst_message_new_element (NULL, gst_structure_new (GST_MLO_METRICS_NAME, info->name, G_TYPE_STRING, "1", NULL));
    gst_mlo_telemetry_message (NULL, m, t);
    gst_message_unref (m);
  }
  gst_mlo_telemetry_get_counts (t, &n);
  g_assert_cmpuint (n.metrics, ==, 3 * MLO_N_FIELDS);
  g_assert_cmpuint (n.metrics_rejected, ==, 2 * MLO_N_FIELDS);
  gst_mlo_telemetry_collect (t, now, &s);
  g_assert_cmpfloat (mlo_sample_get (&s, MLO_FIELD_GPU_USAGE, -1.0), ==, 1.0);
  g_assert_cmpfloat (mlo_sample_get (&s, MLO_FIELD_QUEUE_DELAY, -1.0), ==, 60000.0);
  g_assert_false (mlo_sample_has (&s, MLO_FIELD_BITRATE));
  g_assert_false (mlo_sample_has (&s, MLO_FIELD_FPS));
  g_assert_false (mlo_sample_has (&s, MLO_FIELD_ENCODED));
  /* Stale: not there, rather than frozen. */
  gst_mlo_telemetry_collect (t, now + 3 * G_USEC_PER_SEC, &s);
  g_assert_false (mlo_sample_has (&s, MLO_FIELD_GPU_USAGE));
  g_assert_false (mlo_sample_has (&s, MLO_FIELD_LATENCY));
  g_assert_false (mlo_sample_has (&s, MLO_FIELD_QUALITY_SCORE));
}

/* As rtpsession stamped them behind x264enc: delimiter, wait for the clock, three slices. */
static void
test_bursts (void)
{
  static const struct
  {
    gint64 send_us;
    guint32 size;
    gint64 shared_us;
    gint64 arrival_us;
  } cases[] = {
    {184633, 2, 198518}, {198518, 1388, 198518}, {198540, 1388, 198518}, {198549, 689, 198518}, {198569, 1388, 198518},
    {201081, 2, 215285}, {215285, 1388, 215285}, {215326, 974, 215285},
    /* Paced: each its own. */
    {231850, 1388, 231850}, {232250, 1388, 232250}, {232650, 1388, 232650},
    /* A clock that goes back, small packets that announce nothing near. */
    {200000, 1388, 200000}, {300000, 20, 300000}, {500000, 20, 500000},
    /* Small frames that arrived as far apart as they were sent: each its own. */
    {600000, 90, 600000, 640000}, {616667, 90, 616667, 656750}, {633333, 90, 633333, 673250},
  };
  MloPacket p[G_N_ELEMENTS (cases)] = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    p[i].send_us = cases[i].send_us;
    p[i].size = cases[i].size;
    p[i].arrival_us = cases[i].arrival_us;
  }
  gst_mlo_packets_share_send_time (p, G_N_ELEMENTS (cases));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpint (p[i].send_us, ==, cases[i].shared_us);
  gst_mlo_packets_share_send_time (p, 0);
}

static void
test_gate (void)
{
  static const int rates[][3] = { {60, 30, 30}, {60, 45, 45}, {60, 20, 20}, {60, 15, 15}, {60, 60, 60}, {30, 45, 30},
  {144, 60, 60}, {50, 37, 37}
  };
  GstMloActuator a;
  MloRandom random;

  mlo_random_seed (&random, 3);
  for (guint i = 0; i < G_N_ELEMENTS (rates); i++) {
    for (int jitter = 0; jitter < 2; jitter++) {
      int source = rates[i][0], passed = 0;
      GstClockTime half = GST_SECOND / (guint64) (2 * source);

      gst_mlo_actuator_init (&a, NULL, NULL, NULL);
      g_atomic_int_set (&a.millihertz, rates[i][1] * 1000);
      for (int n = 0; n < 20 * source; n++) {
        GstClockTime pts = GST_SECOND + gst_util_uint64_scale ((guint64) n, GST_SECOND, (guint64) source);

        if (jitter)
          pts += (GstClockTime) mlo_random_range (&random, 0.0, 3e6);
        passed += gst_mlo_actuator_gate (&a, pts, half);
      }
      g_test_message ("%d to %d: %g", source, rates[i][1], passed / 20.0);
      g_assert_cmpint (ABS (passed - 20 * rates[i][2]), <=, 4);
    }
  }
}

/* Of 60 frames a second 25: the frame nearest to each slot of 40 ms takes it, also where it comes before. */
static void
test_gate_nearest (void)
{
  static const guint expected[] = { 0, 2, 5, 7, 10, 12, 14 };
  GstClockTime half = GST_SECOND / 120;
  GstMloActuator a;
  guint passed = 0;

  gst_mlo_actuator_init (&a, NULL, NULL, NULL);
  g_atomic_int_set (&a.millihertz, 25000);
  for (guint n = 0; passed < G_N_ELEMENTS (expected); n++) {
    GstClockTime pts = GST_SECOND + gst_util_uint64_scale (n, GST_SECOND, 60);

    if (gst_mlo_actuator_gate (&a, pts, half))
      g_assert_cmpuint (n, ==, expected[passed++]);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/telemetry/clock-jump", test_clock_jump);
  g_test_add_func ("/telemetry/packets", test_packets);
  g_test_add_func ("/telemetry/hostile-events", test_hostile_events);
  g_test_add_func ("/telemetry/formats", test_formats);
  g_test_add_func ("/telemetry/encoder-window", test_encoder_window);
  g_test_add_func ("/telemetry/told", test_told);
  g_test_add_func ("/telemetry/bursts", test_bursts);
  g_test_add_func ("/telemetry/gate", test_gate);
  g_test_add_func ("/telemetry/gate-nearest", test_gate_nearest);
  return g_test_run ();
}
