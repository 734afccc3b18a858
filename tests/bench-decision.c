/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cost of one decision and of one feedback report, networks of the shipped sizes included.
 * Prints lines `name value unit`. */
#include <stdio.h>
#include <string.h>

#include "bench-helpers.h"
#include "mlo-controller.h"

#define TICKS 5000

static void
print (const char *name, double *values, guint n)
{
  bench_sort (values, n);
  printf ("%s_median_us %.2f us\n%s_p99_us %.2f us\n", name, values[n / 2], name, values[n * 99 / 100]);
}

int
main (int argc, char **argv)
{
  g_autoptr (MloBitratePredictor) p = NULL;
  g_autoptr (MloQualityOptimizer) q = NULL;
  g_autoptr (MloController) c = NULL;
  MloControllerConfig config = mlo_controller_config_default;
  static double decisions[TICKS], reports[TICKS * 6];
  gint64 t = 1000000, busy = 0;
  guint n_reports = 0;
  MloSample local = { 0 };
  MloRandom random;

  mlo_random_seed (&random, 1);
  if (argc > 2) {
    g_autoptr (GError) error = NULL;

    p = mlo_bitrate_predictor_load (argv[1], &error);
    if (p)
      q = mlo_quality_optimizer_load (argv[2], &error);
    if (!q) {
      fprintf (stderr, "%s\n", error->message);
      return 1;
    }
  } else {
    p = mlo_bitrate_predictor_new (&(MloPredictorConfig) {
        .hidden = 128,.layers = 2,.form = MLO_FORM_STREAM,.scaling = mlo_scaling_log_default,.min_kbps =
          100.0,.max_kbps = 50000.0,.interval_ms = 100,}
        , &random);
    q = mlo_quality_optimizer_new (&(MloOptimizerConfig) {
        .scaling = mlo_scaling_log_default}
        , &random);
  }
  config.limits = mlo_limits_default;
  config.traits = mlo_actuator_traits_default;
  config.source = (MloSource) {
  1280, 720, 60.0};
  config.predictor = p;
  config.optimizer = q;
  c = mlo_controller_new (&config);
  mlo_sample_set (&local, MLO_FIELD_COMPLEXITY, 0.5);
  mlo_sample_set (&local, MLO_FIELD_FPS, 60.0);

  for (guint i = 0; i < TICKS; i++) {
    double begin;

    for (guint f = 0; f < 6; f++, t += 16667) {
      MloPacket packets[16];
      const MloDecision *d = mlo_controller_decision (c);
      guint n = CLAMP ((guint) (d->bitrate_kbps / 9600.0 * 20.0), 2, 16);

      mlo_controller_on_frame_sent (c, t, n * 1200, FALSE);
      for (guint k = 0; k < n; k++) {
        busy = MAX (busy, t) + 1200;
        packets[k] = (MloPacket) {
        .send_us = t,.arrival_us = busy + 20000,.size = 1200};
      }
      begin = bench_now_us ();
      mlo_controller_on_packets (c, busy + 40000, packets, n);
      mlo_controller_react (c, busy + 40000);
      reports[n_reports++] = bench_now_us () - begin;
    }
    begin = bench_now_us ();
    mlo_controller_tick (c, t, &local);
    decisions[i] = bench_now_us () - begin;
  }
  print ("decision", decisions, TICKS);
  print ("report", reports, n_reports);
  return 0;
}
