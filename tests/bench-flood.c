/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a flood of feedback costs: events into the ring, out of it and through the controller with the guard, as the
 * element does it. Prints lines `name value unit`; fails where 10,000 events a second want a tenth of a core. */
#include <gst/gst.h>
#include <stdio.h>

#include "bench-helpers.h"
#include "gstmlotelemetry.h"
#include "mlo-controller.h"
#include "twcc-helpers.h"

#define EVENTS_PER_SECOND 10000
#define ROUNDS 40
#define EVENTS 500              /* a round */
#define MOST_PERCENT 10.0

G_GNUC_BEGIN_IGNORE_DEPRECATIONS;

static GstMloRecord records[256];
static MloPacket batch[256];

static GstEvent *
make_event (guint * seqnum, guint64 send_ns, guint packets)
{
  GValueArray *array = g_value_array_new (packets);

  for (guint i = 0; i < packets; i++)
    twcc_add_packet (array, (*seqnum)++ & 0xffff, send_ns, send_ns + (i + 1) * 300 * GST_USECOND, 1200, i % 10 == 3);
  return twcc_event (array);
}

/* As the control thread: a report at a time. */
static void
drain (GstMloTelemetry * t, MloController * c)
{
  guint n_batch = 0, n;

  while ((n = gst_mlo_telemetry_take (t, records, G_N_ELEMENTS (records))) > 0) {
    for (guint i = 0; i < n; i++) {
      batch[n_batch++] = records[i].packet;
      if (records[i].kind == GST_MLO_RECORD_PACKET && n_batch < G_N_ELEMENTS (batch))
        continue;
      mlo_controller_on_packets (c, records[i].now_us, batch, n_batch);
      mlo_controller_react (c, records[i].now_us);
      n_batch = 0;
    }
  }
}

/* @at_once: events that come between two looks into the ring. Returns the share of a core, percent. */
static double
flood (guint packets, guint at_once)
{
  g_autoptr (GstMloTelemetry) t = gst_mlo_telemetry_new ();
  MloControllerConfig config = mlo_controller_config_default;
  g_autoptr (MloController) c = NULL;
  static double cost[ROUNDS];
  GstEvent *events[EVENTS];
  guint seqnum = 0;
  double percent;

  config.traits = mlo_actuator_traits_default;
  c = mlo_controller_new (&config);
  gst_mlo_telemetry_start (t, NULL);
  for (guint k = 0; k < ROUNDS; k++) {
    guint64 now_ns = (guint64) g_get_monotonic_time () * 1000 - 200 * GST_MSECOND;
    double begin;

    for (guint i = 0; i < EVENTS; i++)
      events[i] = make_event (&seqnum, now_ns + i * 100 * GST_USECOND, packets);
    begin = bench_cpu_us ();
    for (guint i = 0; i < EVENTS; i++) {
      gst_mlo_telemetry_upstream_event (t, events[i]);
      if (i % at_once == at_once - 1 || i == EVENTS - 1)
        drain (t, c);
    }
    cost[k] = (bench_cpu_us () - begin) / EVENTS;
    for (guint i = 0; i < EVENTS; i++)
      gst_event_unref (events[i]);
  }
  bench_sort (cost, ROUNDS);
  percent = cost[ROUNDS / 2] * EVENTS_PER_SECOND / 1e6 * 100.0;
  printf ("flood_%u_packets_%u_at_once_event_us %.2f us\n", packets, at_once, cost[ROUNDS / 2]);
  printf ("flood_%u_packets_%u_at_once_core_percent %.2f %%\n", packets, at_once, percent);
  return percent;
}

int
main (int argc, char **argv)
{
  static const guint kinds[][2] = { {1, 1}, {2, 10}, {10, 50} };
  double most = 0.0;

  gst_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    double percent = flood (kinds[i][0], kinds[i][1]);

    most = MAX (most, percent);
  }
  if (most < MOST_PERCENT)
    return 0;
  fprintf (stderr, "bench-flood: %.1f %% of a core, %.0f %% at most\n", most, MOST_PERCENT);
  return 1;
}
