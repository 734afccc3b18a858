/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-gcc.h"

#include <math.h>

#include "mlo-baseline.h"
#include "mlo-env.h"

/* A queue that grows by a tenth of the time is found; noise around nothing is not. */
static void
test_detector (void)
{
  MloGccFilter f;
  MloGccDetector d;
  MloRandom random;
  gint64 now = 1000000;
  double noise, before = 0.0;
  int at = -1;

  mlo_random_seed (&random, 1);
  mlo_gcc_filter_init (&f);
  mlo_gcc_detector_init (&d);
  for (int i = 0; i < 2000; i++) {
    now += 16667;
    noise = mlo_random_normal (&random);
    mlo_gcc_filter_update (&f, noise - before, 16.667);
    before = noise;
    g_assert_cmpint (mlo_gcc_detector_update (&d, &f, now, 16.667), !=, MLO_GCC_OVERUSE);
  }
  g_assert_cmpfloat (fabs (f.m), <, 0.2);
  for (int i = 0; i < 60 && at < 0; i++) {
    now += 16667;
    noise = mlo_random_normal (&random);
    mlo_gcc_filter_update (&f, 1.667 + noise - before, 16.667);
    before = noise;
    if (mlo_gcc_detector_update (&d, &f, now, 16.667) == MLO_GCC_OVERUSE)
      at = i;
  }
  g_test_message ("found after %d groups", at);
  g_assert_cmpint (at, >=, 0);
  g_assert_true (d.threshold_ms >= 6.0 && d.threshold_ms <= 600.0);
  for (int i = 0; i < 200; i++)
    mlo_gcc_filter_update (&f, -3.0, 16.667);
  g_assert_cmpint (mlo_gcc_detector_update (&d, &f, now, 16.667), ==, MLO_GCC_UNDERUSE);
}

static void
test_aimd (void)
{
  MloGccAimd a;
  gint64 now = 0;

  mlo_gcc_aimd_init (&a, 2000.0);
  mlo_gcc_aimd_update (&a, now += 1, MLO_GCC_NORMAL, -1.0, 50.0);
  /* 8 % a second before anything is known of the link. */
  for (int i = 0; i < 100; i++)
    mlo_gcc_aimd_update (&a, now += 100000, MLO_GCC_NORMAL, 1e6, 50.0);
  g_assert_cmpfloat_with_epsilon (a.kbps, 2000.0 * pow (1.08, 10.0), 1.0);
  /* Never far above what comes in. */
  mlo_gcc_aimd_update (&a, now += 100000, MLO_GCC_NORMAL, 1000.0, 50.0);
  g_assert_cmpfloat (a.kbps, ==, 1500.0);
  /* Down to 0.85 of it, hold once, then additively. */
  mlo_gcc_aimd_update (&a, now += 100000, MLO_GCC_OVERUSE, 1200.0, 50.0);
  g_assert_cmpint (a.state, ==, MLO_GCC_DECREASE);
  g_assert_cmpfloat (a.kbps, ==, 0.85 * 1200.0);
  mlo_gcc_aimd_update (&a, now += 100000, MLO_GCC_NORMAL, 1000.0, 50.0);
  g_assert_cmpint (a.state, ==, MLO_GCC_HOLD);
  g_assert_cmpfloat (a.kbps, ==, 0.85 * 1200.0);
  mlo_gcc_aimd_update (&a, now += 100000, MLO_GCC_NORMAL, 1000.0, 50.0);
  g_assert_cmpint (a.state, ==, MLO_GCC_INCREASE);
  /* Half a response time has passed of 150 ms: a third of a packet at most. */
  g_assert_cmpfloat (a.kbps, >, 0.85 * 1200.0);
  g_assert_cmpfloat (a.kbps, <, 0.85 * 1200.0 + 0.34 * 9.6);
  mlo_gcc_aimd_update (&a, now += 100000, MLO_GCC_UNDERUSE, 1000.0, 50.0);
  g_assert_cmpint (a.state, ==, MLO_GCC_HOLD);
  /* Far above the mean at its decreases: multiplicative again. */
  mlo_gcc_aimd_update (&a, now += 100000, MLO_GCC_NORMAL, 5000.0, 50.0);
  g_assert_cmpfloat (a.mean_kbps, <, 0.0);
}

static void
test_loss (void)
{
  g_assert_cmpfloat (mlo_gcc_loss_update (1000.0, 0.0), ==, 1050.0);
  g_assert_cmpfloat (mlo_gcc_loss_update (1000.0, 0.05), ==, 1000.0);
  g_assert_cmpfloat (mlo_gcc_loss_update (1000.0, 0.2), ==, 900.0);
}

static MloEnvResult
run (MloPolicy * policy, const MloEnvConfig * config, const MloTrace * t, double seconds)
{
  g_autoptr (MloEnv) env = mlo_env_new (config, t, 1);
  MloEnvStep step;
  MloEnvResult r;

  for (int i = 0; i < (int) (10.0 * seconds); i++)
    mlo_env_step (env, policy, &step);
  mlo_env_result (env, &r);
  mlo_policy_free (policy);
  return r;
}

/* What GCC is known for: slow to rise, late in a drop; what the others are for. */
static void
test_steps (void)
{
  static const double steps[][2] = {
    {0, 6000}, {10, 3000}, {20, 8000}, {30, 1500}, {40, 6000}, {50, 4000}, {60, 10000}
  };
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) t = mlo_trace_new_steps (steps, G_N_ELEMENTS (steps), 70.0);
  MloEnvResult gcc = run (mlo_gcc_new (&config.limits), &config, t, 70.0);
  MloEnvResult fixed = run (mlo_fixed_new (6000.0), &config, t, 70.0);
  MloEnvResult cautious = run (mlo_omniscient_new (MLO_OMNISCIENT_CAUTIOUS, t, &config.limits), &config, t, 70.0);
  MloEnvResult mean = run (mlo_omniscient_new (MLO_OMNISCIENT_MEAN, t, &config.limits), &config, t, 70.0);

  g_test_message ("gcc %.2f %.0f ms, fixed %.2f %.0f ms, cautious %.2f %.0f ms, mean %.2f %.0f ms", gcc.utilisation,
      gcc.delay_p99_ms, fixed.utilisation, fixed.delay_p99_ms, cautious.utilisation, cautious.delay_p99_ms,
      mean.utilisation, mean.delay_p99_ms);
  g_assert_true (gcc.utilisation > 0.25 && gcc.utilisation < 0.7);
  g_assert_cmpfloat (gcc.delay_p99_ms, >, 150.0);
  g_assert_cmpfloat (fixed.loss, >, 0.1);
  g_assert_cmpfloat (fixed.score, <, gcc.score);
  g_assert_true (cautious.utilisation > 0.8 && cautious.utilisation < 0.95);
  g_assert_cmpfloat (cautious.delay_p99_ms, <, 70.0);
  g_assert_cmpfloat (cautious.loss, ==, 0.0);
  g_assert_cmpfloat (mean.utilisation, >, cautious.utilisation);
  g_assert_cmpfloat (mean.delay_p99_ms, >, cautious.delay_p99_ms);
}

/* 8 % a second: 2 to 8 Mbit/s takes 18 s and no less. */
static void
test_rise (void)
{
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) t = mlo_trace_new_constant (50000.0, 60.0);
  MloPolicy *policy = mlo_gcc_new (&config.limits);
  g_autoptr (MloEnv) env = mlo_env_new (&config, t, 1);
  MloEnvStep step;

  for (int i = 0; i < 120; i++)
    mlo_env_step (env, policy, &step);
  g_assert_cmpfloat (step.decision.bitrate_kbps, >, 4000.0);
  g_assert_cmpfloat (step.decision.bitrate_kbps, <, 6000.0);
  for (int i = 0; i < 180; i++)
    mlo_env_step (env, policy, &step);
  g_assert_cmpfloat (step.decision.bitrate_kbps, ==, 12000.0);
  mlo_policy_free (policy);
}

/* With receiver reports alone it lives on loss; without any it stays. */
static void
test_reports (void)
{
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) t = mlo_trace_new_constant (3000.0, 60.0);
  MloEnvResult r;

  config.feedback = MLO_FEEDBACK_RECEIVER_REPORTS;
  config.feedback_interval_ms = 200.0;
  r = run (mlo_gcc_new (&config.limits), &config, t, 60.0);
  g_assert_cmpfloat (r.utilisation, >, 0.7);
  g_assert_cmpfloat (r.loss, >, 0.001);
  config.feedback = MLO_FEEDBACK_NONE;
  r = run (mlo_gcc_new (&config.limits), &config, t, 20.0);
  g_assert_cmpuint (r.bitrate_changes, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gcc/detector", test_detector);
  g_test_add_func ("/gcc/aimd", test_aimd);
  g_test_add_func ("/gcc/loss", test_loss);
  g_test_add_func ("/gcc/steps", test_steps);
  g_test_add_func ("/gcc/rise", test_rise);
  g_test_add_func ("/gcc/reports", test_reports);
  return g_test_run ();
}
