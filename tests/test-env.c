/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-env.h"

#include <string.h>

/* A policy that does what its test says and looks at what it is told. */
typedef struct
{
  MloPolicy policy;
  MloDecision decision;
  MloReceiverReport report;
  MloSample local;
  guint64 packets, lost, reports, frames, frame_bytes, keyframes, bytes, receiver_reports, seen;
  gint64 last_send_us, last_now_us, last_frame_us, last_report_us, largest_gap_us;
  gint64 offset_us;             /* smallest arrival less send */
  guint largest;                /* packets of a report */
  guint32 next_seqnum;
  gboolean reports_lost;
} Probe;

static void
probe_on_packets (MloPolicy * policy, gint64 now_us, const MloPacket * packets, guint n)
{
  Probe *p = (Probe *) policy;

  g_assert_cmpint (now_us, >=, p->last_now_us);
  p->last_now_us = now_us;
  if (p->reports > 0)
    p->largest_gap_us = MAX (p->largest_gap_us, now_us - p->last_report_us);
  p->last_report_us = now_us;
  p->reports++;
  p->largest = MAX (p->largest, n);
  for (guint i = 0; i < n; i++) {
    g_assert_cmpint (packets[i].send_us, >=, p->last_send_us);
    g_assert_cmpint (packets[i].send_us, <=, now_us);
    if (p->packets > 0 && (i > 0 || !p->reports_lost))
      g_assert_cmpuint (packets[i].seqnum, ==, p->next_seqnum);
    p->next_seqnum = (packets[i].seqnum + 1) & 0xffff;
    p->last_send_us = packets[i].send_us;
    p->packets++;
    if (packets[i].lost) {
      p->lost++;
      continue;
    }
    p->bytes += packets[i].size;
    g_assert_cmpint (packets[i].arrival_us % 250, ==, 0);
    p->offset_us = MIN (p->offset_us, packets[i].arrival_us - packets[i].send_us);
  }
  /* A report ends with a packet that came. */
  g_assert_false (packets[n - 1].lost);
}

static void
probe_on_frame_sent (MloPolicy * policy, gint64 now_us, guint32 bytes, gboolean keyframe)
{
  Probe *p = (Probe *) policy;

  g_assert_cmpint (now_us, >=, p->last_frame_us);
  p->last_frame_us = now_us;
  p->frames++;
  p->frame_bytes += bytes;
  p->keyframes += keyframe;
}

static void
probe_on_receiver_report (MloPolicy * policy, gint64 now_us, const MloReceiverReport * report)
{
  Probe *p = (Probe *) policy;

  p->receiver_reports++;
  p->report = *report;
}

static const MloDecision *
probe_tick (MloPolicy * policy, gint64 now_us, const MloSample * local)
{
  Probe *p = (Probe *) policy;

  g_assert_cmpint (now_us, >=, p->last_now_us);
  p->last_now_us = now_us;
  p->local = *local;
  p->seen |= local->valid;
  return &p->decision;
}

static void
probe_free (MloPolicy * policy)
{
}

static const MloPolicyClass probe_class = {
  .name = "probe",
  .on_packets = probe_on_packets,
  .on_frame_sent = probe_on_frame_sent,
  .on_receiver_report = probe_on_receiver_report,
  .tick = probe_tick,
  .free = probe_free,
};

static Probe
probe (double kbps)
{
  return (Probe) {
  .policy = { &probe_class },.decision = {.bitrate_kbps = kbps,.window_bytes = G_MAXUINT64 },.offset_us =
        G_MAXINT64,.last_send_us = G_MININT64};
}

static MloEnvResult
run (MloEnv * env, Probe * p, double seconds)
{
  MloEnvStep step;
  MloEnvResult r;

  for (int i = 0; i < (int) (10.0 * seconds); i++)
    mlo_env_step (env, &p->policy, &step);
  mlo_env_result (env, &r);
  return r;
}

static void
test_steady (void)
{
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) t = mlo_trace_new_constant (8000.0, 60.0);
  g_autoptr (MloEnv) env = mlo_env_new (&config, t, 1);
  Probe p = probe (4000.0);
  MloEnvResult r = run (env, &p, 60.0);

  g_assert_cmpfloat_with_epsilon (r.seconds, 60.0, 1e-6);
  g_assert_cmpfloat_with_epsilon (r.bitrate_kbps, 4000.0 * 0.955, 100.0);
  g_assert_cmpfloat_with_epsilon (r.utilisation, r.bitrate_kbps * 1.037 / 8000.0, 0.01);
  g_assert_cmpfloat (r.loss, ==, 0.0);
  g_assert_cmpuint (r.freezes, ==, 0);
  g_assert_cmpuint (r.keyframes, ==, 1);
  g_assert_cmpuint (r.skipped, ==, 0);
  /* Encode 5, half the round trip 20, a frame's own time on the link 9, decode 3. */
  g_assert_cmpfloat_with_epsilon (r.delay_p50_ms, 37.0, 2.0);
  g_assert_cmpfloat (r.delay_p99_ms, <, 45.0);
  g_assert_cmpfloat_with_epsilon (r.delay_p95_clear_ms, r.delay_p95_ms, 0.5);
  g_assert_cmpfloat (r.backlog_p95_ms, <, 1.0);
  g_assert_cmpfloat (r.score, >, 35.0);
  /* One report a frame, and every packet in one. */
  g_assert_cmpfloat_with_epsilon ((double) p.frames, 3600.0, 2.0);
  g_assert_cmpfloat_with_epsilon ((double) p.reports, (double) p.frames, 4.0);
  g_assert_cmpuint (p.lost, ==, 0);
  g_assert_cmpfloat_with_epsilon ((double) p.bytes, (double) p.frame_bytes, 40000.0);
  /* What the sender measures of itself, and nothing of the network. */
  g_assert_cmpfloat_with_epsilon (p.local.fps, 60.0, 1.1);
  g_assert_cmpfloat_with_epsilon (p.local.encoded_kbps, 4000.0 * 0.955, 300.0);
  g_assert_cmpfloat (p.local.sent_kbps, >, p.local.encoded_kbps * 1.03);
  g_assert_cmpfloat_with_epsilon (p.local.encode_time_ms, 5.0, 1.0);
  g_assert_cmpfloat (p.local.width, ==, 1280.0);
  g_assert_cmpuint (p.seen & (1u << MLO_FIELD_LATENCY | 1u << MLO_FIELD_QUEUE_DELAY | 1u << MLO_FIELD_BANDWIDTH
          | 1u << MLO_FIELD_PACKET_LOSS | 1u << MLO_FIELD_JITTER | 1u << MLO_FIELD_DELIVERED), ==, 0);
}

static void
test_overload (void)
{
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) t = mlo_trace_new_constant (2000.0, 60.0);
  g_autoptr (MloEnv) env = mlo_env_new (&config, t, 1);
  Probe p = probe (4000.0);
  MloEnvResult r = run (env, &p, 30.0);

  /* Half of it does not fit; lost pictures are asked for again, and the queue stands at its 300 ms. */
  g_assert_cmpfloat (r.loss, >, 0.3);
  g_assert_cmpfloat (r.utilisation, >, 0.97);
  g_assert_cmpfloat (r.utilisation, <, 1.01);
  g_assert_cmpfloat (r.delay_p50_ms, >, 150.0);
  g_assert_cmpuint (r.keyframes, >, 10);
  g_assert_cmpfloat (r.score, <, 20.0);
  g_assert_cmpfloat_with_epsilon (r.backlog_p95_ms, 285.0, 15.0);
  g_assert_cmpfloat_with_epsilon ((double) p.lost / (double) p.packets, r.loss, 0.02);
}

static void
test_window (void)
{
  static const double steps[][2] = { {0, 5000}, {10, 0}, {13, 5000} };
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) t = mlo_trace_new_steps (steps, 3, 30.0);
  MloEnvResult r, free;

  config.queue_bytes = 1e7;
  {
    g_autoptr (MloEnv) env = mlo_env_new (&config, t, 1);
    Probe p = probe (4000.0);

    p.decision.window_bytes = 4000 / 8 * 120;
    r = run (env, &p, 30.0);
    g_assert_cmpfloat (p.local.buffer_occupancy, <, 1.0);
    g_assert_true (mlo_sample_has (&p.local, MLO_FIELD_BUFFER_OCCUPANCY));
  }
  {
    g_autoptr (MloEnv) env = mlo_env_new (&config, t, 1);
    Probe p = probe (4000.0);

    free = run (env, &p, 30.0);
  }
  /* Nothing goes into the dead link but what the window holds, so what comes after is fresh. */
  g_assert_cmpuint (free.skipped, ==, 0);
  g_assert_cmpuint (r.skipped, >, 150);
  g_assert_cmpuint (r.skipped, <, 200);
  g_assert_cmpfloat (r.delay_p95_clear_ms, <, 80.0);
  g_assert_cmpfloat (free.delay_p95_clear_ms, >, 500.0);
  g_assert_cmpfloat (r.score, >, free.score);
  g_assert_cmpuint (r.freezes, ==, 1);
  /* A probe every 200 ms waits for the link to come back, too. */
  g_assert_cmpfloat_with_epsilon (r.freeze_s, 3.0, 0.4);
  g_assert_cmpfloat (r.freeze_clear_s, ==, 0.0);
}

static void
test_ladder (void)
{
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) t = mlo_trace_new_constant (8000.0, 60.0);
  g_autoptr (MloEnv) env = mlo_env_new (&config, t, 1);
  Probe p = probe (2000.0);
  MloEnvResult r;
  guint64 frames;

  run (env, &p, 5.0);
  frames = p.frames;
  p.decision.fps = 45.0;
  p.decision.width = 640;
  p.decision.height = 360;
  r = run (env, &p, 10.0);
  g_assert_cmpfloat_with_epsilon ((double) (p.frames - frames), 450.0, 5.0);
  g_assert_cmpuint (r.size_changes, ==, 1);
  g_assert_cmpuint (r.fps_changes, ==, 1);
  g_assert_cmpuint (r.keyframes, ==, 2);
  g_assert_cmpfloat (p.local.height, ==, 360.0);
  g_assert_cmpfloat_with_epsilon (p.local.encoded_kbps, 2000.0 * 0.955, 200.0);
  p.decision.fps = 0.0;
  p.decision.width = p.decision.height = 0;
  r = run (env, &p, 10.0);
  g_assert_cmpuint (r.size_changes, ==, 2);
  g_assert_cmpfloat_with_epsilon (p.local.fps, 60.0, 1.1);
}

static void
test_feedback (void)
{
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) t = mlo_trace_new_constant (8000.0, 60.0);

  config.random_loss = 0.02;
  config.feedback_interval_ms = 170.0;
  {
    g_autoptr (MloEnv) env = mlo_env_new (&config, t, 1);
    Probe p = probe (4000.0);
    MloEnvResult r = run (env, &p, 60.0);

    g_assert_cmpfloat_with_epsilon ((double) p.reports, 60.0 / 0.17, 4.0);
    g_assert_cmpint (p.largest_gap_us, ==, 170000);
    g_assert_cmpfloat_with_epsilon ((double) p.lost / (double) p.packets, 0.02, 0.005);
    g_assert_cmpfloat_with_epsilon (r.loss, 0.02, 0.005);
    g_assert_cmpfloat (r.psnr_db, <, 32.0);
    g_assert_cmpuint (r.keyframes, >, 50);
  }
  config.feedback = MLO_FEEDBACK_RECEIVER_REPORTS;
  config.feedback_interval_ms = 200.0;
  {
    g_autoptr (MloEnv) env = mlo_env_new (&config, t, 1);
    Probe p = probe (4000.0);

    run (env, &p, 60.0);
    g_assert_cmpuint (p.packets, ==, 0);
    g_assert_cmpfloat_with_epsilon ((double) p.receiver_reports, 300.0, 5.0);
    g_assert_cmpfloat (p.report.rtt_ms, >=, 40.0);
    g_assert_cmpfloat (p.report.rtt_ms, <, 70.0);
    g_assert_true (p.report.jitter_ms > 0.05 && p.report.jitter_ms < 10.0);
    g_assert_true (p.report.fraction_lost >= 0.0 && p.report.fraction_lost < 0.2);
  }
  config.feedback = MLO_FEEDBACK_NONE;
  {
    g_autoptr (MloEnv) env = mlo_env_new (&config, t, 1);
    Probe p = probe (4000.0);

    run (env, &p, 10.0);
    g_assert_cmpuint (p.packets + p.receiver_reports, ==, 0);
    g_assert_cmpuint (p.frames, >, 590);
  }
}

/* Half of the reports lost: the other half still tells of its own packets only. */
static void
test_feedback_loss (void)
{
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) t = mlo_trace_new_constant (8000.0, 60.0);
  g_autoptr (MloEnv) env = NULL;
  Probe p = probe (4000.0);
  MloEnvStep step;
  const MloPolicyClass deaf = {
    .name = "no callbacks",.tick = probe_tick,.free = probe_free
  };

  config.feedback_loss = 1.0;
  env = mlo_env_new (&config, t, 1);
  run (env, &p, 5.0);
  g_assert_cmpuint (p.reports, ==, 0);
  p.policy.klass = &deaf;
  mlo_env_step (env, &p.policy, &step);
  g_assert_cmpint (step.time_us, ==, 5100000);
}

static void
test_dead_link (void)
{
  MloEnvConfig config = mlo_env_config_default;
  g_autoptr (MloTrace) t = mlo_trace_new_constant (0.0, 1.0);
  g_autoptr (MloEnv) env = NULL;
  Probe p = probe (20000.0);
  MloEnvResult r;

  config.queue_bytes = 1e9;
  env = mlo_env_new (&config, t, 1);
  r = run (env, &p, 60.0);
  g_assert_cmpuint (p.reports, ==, 0);
  g_assert_cmpfloat (r.bitrate_kbps, ==, 0.0);
  g_assert_cmpfloat (r.score, ==, 0.0);
  g_assert_cmpfloat (mlo_env_label_kbps (env, 1.0), ==, config.limits.min_bitrate_kbps);
}

/* Everything anew each time: sums agree, nothing is out of bounds, and the same seed gives the same
 * run bit by bit. */
static void
test_random (void)
{
  MloRandom random;
  const guint64 seed = 17;
  guint kinds = 0;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int k = 0; k < 10 * MLO_N_TRACE_KINDS; k++) {
    MloTraceKind kind = k % MLO_N_TRACE_KINDS;
    g_autoptr (MloTrace) t = mlo_trace_generate (kind, &random, 30.0);
    guint64 env_seed = mlo_random_u64 (&random);
    MloEnvConfig config;
    MloEnvResult results[2];
    double rewards[2] = { 0 }, labels[2] = { 0 };

    mlo_env_config_randomise (&config, kind, &random);
    kinds |= 1u << config.feedback;
    for (int pass = 0; pass < 2; pass++) {
      g_autoptr (MloEnv) env = mlo_env_new (&config, t, env_seed);
      Probe p = probe (config.limits.start_bitrate_kbps);
      MloRandom moves;
      guint seconds = 0;

      p.reports_lost = config.feedback_loss > 0.0;
      mlo_random_seed (&moves, env_seed);
      for (int i = 0; i < 200; i++) {
        MloEnvStep step;

        if (mlo_random_chance (&moves, 0.1))
          p.decision.bitrate_kbps = mlo_random_log_range (&moves, config.limits.min_bitrate_kbps,
              config.limits.max_bitrate_kbps);
        if (mlo_random_chance (&moves, 0.03)) {
          p.decision.height = mlo_random_chance (&moves, 0.5) ? 0 : 360;
          p.decision.width = p.decision.height * 16 / 9;
        }
        if (mlo_random_chance (&moves, 0.03))
          p.decision.fps = mlo_random_chance (&moves, 0.5) ? 0.0 : mlo_random_range (&moves, 10.0, 60.0);
        if (mlo_random_chance (&moves, 0.05))
          p.decision.window_bytes = mlo_random_chance (&moves, 0.5) ? G_MAXUINT64 : mlo_random_below (&moves, 200000);
        mlo_env_step (env, &p.policy, &step);
        g_assert_cmpint (step.time_us, ==, (i + 1) * config.interval_us);
        g_assert_true (step.queue_ms >= 0.0 && step.queue_ms <= 10000.0);
        if (step.second_complete) {
          g_assert_true (step.reward >= -50.0 && step.reward <= 100.0);
          rewards[pass] += step.reward;
          seconds++;
        } else if (seconds == 0)
          g_assert_true (isnan (step.reward));
        labels[pass] += mlo_env_label_kbps (env, 1.0);
      }
      mlo_env_result (env, &results[pass]);
      g_assert_cmpuint (seconds, ==, 19);
      g_assert_cmpfloat_with_epsilon (results[pass].reward, rewards[pass] / seconds, 1e-9);
    }
    g_assert_true (memcmp (&results[0], &results[1], sizeof results[0]) == 0);
    g_assert_cmpfloat (rewards[0], ==, rewards[1]);
    g_assert_cmpfloat (labels[0], ==, labels[1]);
    g_assert_true (results[0].score >= 0.0 && results[0].score <= 100.0);
    g_assert_true (results[0].loss >= 0.0 && results[0].loss <= 1.0);
    /* A packet or two more than the link could carry may be on their way at the end; cross traffic takes its part. */
    if (isfinite (results[0].utilisation) && config.limits.max_bitrate_kbps > 39000.0)
      g_assert_cmpfloat (results[0].utilisation, <, 1.1);
  }
  g_assert_cmpuint (kinds & 1, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/env/steady", test_steady);
  g_test_add_func ("/env/overload", test_overload);
  g_test_add_func ("/env/window", test_window);
  g_test_add_func ("/env/ladder", test_ladder);
  g_test_add_func ("/env/feedback", test_feedback);
  g_test_add_func ("/env/feedback-loss", test_feedback_loss);
  g_test_add_func ("/env/dead-link", test_dead_link);
  g_test_add_func ("/env/random", test_random);
  return g_test_run ();
}
