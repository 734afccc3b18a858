/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-gcc-probe.h"

#include <math.h>

#include "mlo-baseline.h"
#include "mlo-env.h"

/* What a link of @capacity shows of a probe sent at @now_us; every @lose_nth packet is lost (0: none). A frame
 * of @frame_packets goes out in the middle. Returns the probe's result, NAN where it gave none. */
static double
deliver (MloGccProber * p, const MloProbe * probe, gint64 now_us, double capacity_kbps, guint lose_nth,
    guint frame_packets)
{
  double shown = NAN, end_us = 0.0;
  guint n = 0;

  for (guint i = 0; i < probe->packets; i++) {
    double gap = 8000.0 * (MLO_PADDING_BYTES + MLO_PACKET_OVERHEAD) / probe->kbps;
    guint burst = 1 + (i == probe->packets / 2 ? frame_packets : 0);

    for (guint k = 0; k < burst; k++) {
      MloPacket packet = { 0 };
      double result;

      packet.send_us = now_us + (gint64) (gap * i);
      packet.size = k == 0 ? MLO_PADDING_BYTES : 1180;
      end_us = MAX (end_us, (double) packet.send_us) + 8000.0 * (packet.size + MLO_PACKET_OVERHEAD) / capacity_kbps;
      packet.arrival_us = (gint64) end_us + 20000;
      packet.lost = lose_nth > 0 && n++ % lose_nth == 0;
      result = mlo_gcc_prober_packet (p, &packet);
      if (result >= 0.0)
        shown = result;
    }
  }
  /* A frame long after it closes what is still open. */
  {
    MloPacket packet = {.send_us = now_us + 100000,.arrival_us = (gint64) end_us + 200000,.size = 1180 };
    double result = mlo_gcc_prober_packet (p, &packet);

    if (result >= 0.0)
      shown = result;
  }
  return shown;
}

static void
test_start (void)
{
  MloGccProber p;
  MloProbe probe;
  gint64 now = 1000000;

  mlo_gcc_prober_init (&p, 100000.0);
  g_assert_false (mlo_gcc_prober_next (&p, now, &probe));
  mlo_gcc_prober_start (&p, now, 2000.0);
  g_assert_true (mlo_gcc_prober_next (&p, now, &probe));
  g_assert_cmpfloat (probe.kbps, ==, 6000.0);
  /* 15 ms of it. */
  g_assert_cmpfloat_with_epsilon (probe.packets * 8.0 * 1048.0 / 6000.0, 15.0, 2.8);
  g_assert_false (mlo_gcc_prober_next (&p, now + 1000, &probe));
  g_assert_cmpfloat_with_epsilon (deliver (&p, &probe, now, 50000.0, 0, 0), 6000.0, 60.0);
  now += 40000;
  g_assert_true (mlo_gcc_prober_next (&p, now, &probe));
  g_assert_cmpfloat (probe.kbps, ==, 12000.0);
  g_assert_cmpfloat_with_epsilon (deliver (&p, &probe, now, 50000.0, 0, 0), 12000.0, 120.0);
  /* 0.7 of it was shown: twice that is tried; not where it was not. */
  mlo_gcc_prober_estimate (&p, now + 50000, 8000.0);
  g_assert_false (mlo_gcc_prober_next (&p, now + 60000, &probe));
  mlo_gcc_prober_estimate (&p, now + 60000, 12000.0);
  g_assert_true (mlo_gcc_prober_next (&p, now + 60000, &probe));
  g_assert_cmpfloat (probe.kbps, ==, 24000.0);
  /* Nothing more where the answer comes late. */
  mlo_gcc_prober_estimate (&p, now + 1200000, 24000.0);
  g_assert_false (mlo_gcc_prober_next (&p, now + 1300000, &probe));
}

static void
test_results (void)
{
  static const struct
  {
    double kbps, capacity_kbps;
    guint lose_nth, frame_packets;
    double low, high;           /* NAN: no result */
  } cases[] = {
    {6000, 100000, 0, 0, 5900, 6100},
    {6000, 100000, 0, 8, 10500, 11500}, /* what was sent meanwhile counts, as in browsers */
    {12000, 4000, 0, 0, 3700, 3900},    /* full: 0.95 of what came */
    {12000, 4000, 0, 4, 3700, 3900},
    {6000, 100000, 7, 0, 4500, 6100},
    {6000, 100000, 2, 0, NAN, NAN},     /* too few came */
    {6000, 100000, 1, 0, NAN, NAN},
    {300000, 30000, 0, 0, 28000, 29000},
    {100, 30000, 0, 0, 95, 105},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    MloGccProber p;
    MloProbe probe;
    double shown;

    mlo_gcc_prober_init (&p, 1e6);
    mlo_gcc_prober_start (&p, 1, cases[i].kbps / 3.0);
    g_assert_true (mlo_gcc_prober_next (&p, 1, &probe));
    shown = deliver (&p, &probe, 1, cases[i].capacity_kbps, cases[i].lose_nth, cases[i].frame_packets);
    g_test_message ("%u: %.0f", i, shown);
    if (isnan (cases[i].low))
      g_assert_true (isnan (shown));
    else
      g_assert_true (shown >= cases[i].low && shown <= cases[i].high);
  }
}

static void
test_recovery (void)
{
  MloGccProber p;
  MloProbe probe;
  gint64 now = 20000000;

  mlo_gcc_prober_init (&p, 50000.0);
  /* No fall, no probe. */
  mlo_gcc_prober_estimate (&p, now, 10000.0);
  mlo_gcc_prober_drained (&p, now);
  g_assert_false (mlo_gcc_prober_next (&p, now, &probe));
  /* In small steps, within a second. */
  for (double kbps = 9000.0; kbps >= 4000.0; kbps -= 1000.0)
    mlo_gcc_prober_estimate (&p, now += 50000, kbps);
  g_assert_false (mlo_gcc_prober_next (&p, now, &probe));
  mlo_gcc_prober_drained (&p, now += 500000);
  g_assert_true (mlo_gcc_prober_next (&p, now, &probe));
  g_assert_cmpfloat (probe.kbps, ==, 8500.0);
  /* Not again within five seconds, nor longer after the fall. */
  mlo_gcc_prober_drained (&p, now += 1000000);
  g_assert_false (mlo_gcc_prober_next (&p, now, &probe));
  mlo_gcc_prober_drained (&p, now += 6000000);
  g_assert_false (mlo_gcc_prober_next (&p, now, &probe));
}

typedef struct
{
  double after_1s_kbps, after_3s_kbps;
  MloEnvResult result;
} Run;

static Run
run (gboolean probing, const MloTrace * t, MloFeedbackKind feedback, double seconds)
{
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloPolicy) policy = NULL;
  g_autoptr (MloEnv) env = NULL;
  MloEnvStep step;
  Run r = { 0 };

  config.feedback = feedback;
  policy = probing ? mlo_gcc_probing_new (&config.limits) : mlo_gcc_new (&config.limits);
  env = mlo_env_new (&config, t, 1);
  for (int i = 0; i < (int) (10.0 * seconds); i++) {
    mlo_env_step (env, policy, &step);
    if (i == 9)
      r.after_1s_kbps = step.decision.bitrate_kbps;
    if (i == 29)
      r.after_3s_kbps = step.decision.bitrate_kbps;
  }
  mlo_env_result (env, &r.result);
  return r;
}

/* On a free link the maximum at once instead of after twenty seconds; what it sends besides is no media. */
static void
test_free_link (void)
{
  g_autoptr (MloTrace) t = mlo_trace_new_constant (50000.0, 30.0);
  Run plain = run (FALSE, t, MLO_FEEDBACK_TWCC, 3.0), probing = run (TRUE, t, MLO_FEEDBACK_TWCC, 3.0);

  g_assert_cmpfloat (plain.after_1s_kbps, <, 2300.0);
  g_assert_cmpfloat (probing.after_1s_kbps, >, 10000.0);
  g_assert_cmpfloat (probing.result.bitrate_kbps, <, 12000.0);
  g_assert_cmpfloat (probing.result.utilisation, <=, 1.0);
  g_assert_cmpuint (probing.result.keyframes, ==, plain.result.keyframes);
}

/* On a small one it is no worse for it; without feedback by packets there is nothing to learn. */
static void
test_small_link (void)
{
  g_autoptr (MloTrace) t = mlo_trace_new_constant (3000.0, 30.0);
  Run plain = run (FALSE, t, MLO_FEEDBACK_TWCC, 30.0), probing = run (TRUE, t, MLO_FEEDBACK_TWCC, 30.0);

  g_assert_cmpfloat (probing.after_3s_kbps, <, 3000.0);
  g_assert_cmpfloat (probing.result.score, >, plain.result.score - 2.0);
  plain = run (FALSE, t, MLO_FEEDBACK_RECEIVER_REPORTS, 20.0);
  probing = run (TRUE, t, MLO_FEEDBACK_RECEIVER_REPORTS, 20.0);
  g_assert_cmpfloat_with_epsilon (probing.result.bitrate_kbps, plain.result.bitrate_kbps,
      0.05 * plain.result.bitrate_kbps);
}

/* Two seconds at a quarter: the old rate is tried and back long before 8 % a second would be there. */
static void
test_fall (void)
{
  static const double steps[][2] = { {0, 11000}, {10, 2700}, {12, 11000} };
  g_autoptr (MloTrace) t = mlo_trace_new_steps (steps, G_N_ELEMENTS (steps), 22.0);
  Run plain = run (FALSE, t, MLO_FEEDBACK_TWCC, 22.0), probing = run (TRUE, t, MLO_FEEDBACK_TWCC, 22.0);

  g_test_message ("plain %.0f kbit/s, probing %.0f", plain.result.bitrate_kbps, probing.result.bitrate_kbps);
  g_assert_cmpfloat (probing.result.bitrate_kbps, >, 1.5 * plain.result.bitrate_kbps);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gcc-probe/start", test_start);
  g_test_add_func ("/gcc-probe/results", test_results);
  g_test_add_func ("/gcc-probe/recovery", test_recovery);
  g_test_add_func ("/gcc-probe/free-link", test_free_link);
  g_test_add_func ("/gcc-probe/small-link", test_small_link);
  g_test_add_func ("/gcc-probe/fall", test_fall);
  return g_test_run ();
}
