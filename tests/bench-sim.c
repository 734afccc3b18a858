/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Speed of the simulator, and with --table what the baselines reach in it. */
#include <stdlib.h>
#include <string.h>

#include "mlo-baseline.h"
#include "mlo-controller.h"
#include "mlo-env.h"

static const double steps[][2] = { {0, 6000}, {10, 3000}, {20, 8000}, {30, 1500}, {40, 6000}, {50, 4000}, {60, 10000} };

/* The controller without networks. */
static MloPolicy *
rules_new (const MloEnvConfig * config)
{
  MloControllerConfig c = mlo_controller_config_default;

  c.limits = config->limits;
  c.source = config->source;
  c.traits = mlo_actuator_traits_default;
  c.interval_us = config->interval_us;
  return mlo_controller_policy (mlo_controller_new (&c));
}

static void
run (const char *name, const char *trace_name, MloPolicy * policy, const MloEnvConfig * config, const MloTrace * trace,
    double seconds)
{
  g_autoptr (MloEnv) env = mlo_env_new (config, trace, 1);
  MloEnvStep step;
  MloEnvResult r;
  gint64 start = g_get_monotonic_time (), took;

  for (int i = 0; i < (int) (seconds * 1e6 / (double) config->interval_us); i++)
    mlo_env_step (env, policy, &step);
  took = g_get_monotonic_time () - start;
  mlo_env_result (env, &r);
  g_print ("%-16s %-10s %5.1f %5.1f %6.0f %5.1f %6.0f %6.0f %6.0f %6.0f %6.0f %5.1f %5.2f %5.2f %5u %5u %4u/%u %6.0f\n",
      trace_name, name, r.score, r.psnr_db, r.bitrate_kbps, 100.0 * r.utilisation, r.delay_p50_ms, r.delay_p95_ms,
      r.delay_p99_ms, r.delay_p95_clear_ms, r.backlog_p95_ms, 100.0 * r.loss, r.freeze_s, r.freeze_clear_s,
      r.skipped, r.keyframes, r.size_changes, r.fps_changes, seconds * 1e6 / (double) MAX (took, 1));
  mlo_policy_free (policy);
}

static void
table (const MloEnvConfig * config, const MloTrace * trace, const char *name)
{
  double seconds = (double) trace->duration_us / 1e6;

  run ("fixed 1M", name, mlo_fixed_new (1000), config, trace, seconds);
  run ("fixed 3M", name, mlo_fixed_new (3000), config, trace, seconds);
  run ("fixed 6M", name, mlo_fixed_new (6000), config, trace, seconds);
  run ("gcc", name, mlo_gcc_new (&config->limits), config, trace, seconds);
  run ("omni-cautious", name, mlo_omniscient_new (MLO_OMNISCIENT_CAUTIOUS, trace, &config->limits), config, trace,
      seconds);
  run ("omni-mean", name, mlo_omniscient_new (MLO_OMNISCIENT_MEAN, trace, &config->limits), config, trace, seconds);
  run ("rules", name, rules_new (config), config, trace, seconds);
}

int
main (int argc, char **argv)
{
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) constant = mlo_trace_new_constant (8000.0, 60.0);

  if (argc > 1 && strcmp (argv[1], "--table") == 0) {
    g_autoptr (MloTrace) t = mlo_trace_new_steps (steps, G_N_ELEMENTS (steps), 70.0);
    MloRandom random;

    g_print ("%-16s %-10s score  psnr   kbps  util    p50    p95    p99  p95cl back95 loss%% freez clear  skip   key"
        " size/fps sim s/s\n", "trace", "policy");
    table (&config, t, "steps");
    table (&config, constant, "8M");
    mlo_random_seed (&random, argc > 2 ? (guint64) atoll (argv[2]) : 1);
    for (int k = 0; k < MLO_N_TRACE_KINDS; k++) {
      g_autoptr (MloTrace) g = mlo_trace_generate (k, &random, 120.0);
      g_autofree char *name = g_strdup_printf ("%s %.1fM", g->name, mlo_trace_mean_kbps (g, 0.0) / 1000.0);

      table (&config, g, name);
    }
    for (int i = 3; i < argc; i++) {
      g_autoptr (GError) error = NULL;
      g_autoptr (MloTrace) file = mlo_trace_load (argv[i], &error);

      if (!file) {
        g_printerr ("%s\n", error->message);
        return 1;
      }
      table (&config, file, file->name);
    }
    return 0;
  }

  {
    g_autoptr (MloEnv) env = mlo_env_new (&config, constant, 1);
    g_autoptr (MloPolicy) fixed = mlo_fixed_new (6000.0);
    const double seconds = 4000.0;
    MloEnvStep step;
    gint64 start = g_get_monotonic_time ();

    for (int i = 0; i < (int) (seconds * 10.0); i++)
      mlo_env_step (env, fixed, &step);
    g_print ("sim_seconds_per_second value %.0f\n", seconds * 1e6 / (double) (g_get_monotonic_time () - start));
  }
  {
    MloRandom random;
    g_autoptr (MloTrace) lte = NULL;
    g_autoptr (MloEnv) env = NULL;
    g_autoptr (MloPolicy) gcc = mlo_gcc_new (&config.limits);
    MloEnvStep step;
    gint64 took = 0;
    double sum = 0.0;
    const int n = 2000;

    mlo_random_seed (&random, 1);
    lte = mlo_trace_generate (MLO_TRACE_LTE, &random, 60.0);
    env = mlo_env_new (&config, lte, 1);
    for (int i = 0; i < n; i++) {
      gint64 start;

      mlo_env_step (env, gcc, &step);
      start = g_get_monotonic_time ();
      sum += mlo_env_label_kbps (env, 1.0);
      took += g_get_monotonic_time () - start;
    }
    g_print ("label_us value %.2f\nlabel_mean_kbps value %.0f\n", (double) took / n, sum / n);
  }
  return 0;
}
