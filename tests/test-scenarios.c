/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a user would notice, one situation each, with the shipped models in the simulator: a steady link, one that
 * gets faster, halves, dies, loses packets, and pictures that stand still. Prints each figure. */
#include "mlo-controller.h"
#include "mlo-env.h"

#include <string.h>

/* A report is late when a frame's first packet in it took so much longer than the fastest. */
#define LATE_MS 10.0

static MloBitratePredictor *predictor;
static MloQualityOptimizer *optimizer;

/* The controller, with an eye on what it is told and what it decides. */
typedef struct
{
  MloPolicy policy;
  MloController *controller;
  double fastest_us;            /* packet's way, clocks not aligned */
  /* since watch_from () */
  double longest_us;            /* of the frames' first packets: the queue that a frame meets */
  gint64 last_send_us;
  guint64 packets, lost;
  gint64 late_us;               /* first late report; 0: none came */
  double below_kbps;
  gint64 below_us;              /* decided below that since then; 0: not yet */
  double reach_kbps;
  gint64 reach_us;              /* decided at least that; 0: not yet */
} Watch;

static void
note (Watch * w, const MloDecision * d)
{
  if (w->below_us == 0 && d->bitrate_kbps < w->below_kbps)
    w->below_us = d->timestamp_us;
  if (w->reach_us == 0 && d->bitrate_kbps >= w->reach_kbps)
    w->reach_us = d->timestamp_us;
}

static void
on_packets (MloPolicy * policy, gint64 now_us, const MloPacket * packets, guint n)
{
  Watch *w = (Watch *) policy;

  for (guint i = 0; i < n; i++) {
    double way = (double) (packets[i].arrival_us - packets[i].send_us);

    w->packets++;
    w->lost += packets[i].lost;
    if (packets[i].lost)
      continue;
    w->fastest_us = MIN (w->fastest_us, way);
    if (packets[i].send_us != w->last_send_us) {
      w->longest_us = MAX (w->longest_us, way);
      if (w->late_us == 0 && way > w->fastest_us + LATE_MS * 1000.0)
        w->late_us = now_us;
    }
    w->last_send_us = packets[i].send_us;
  }
  mlo_controller_on_packets (w->controller, now_us, packets, n);
}

static void
on_frame_sent (MloPolicy * policy, gint64 now_us, guint32 bytes, gboolean keyframe)
{
  mlo_controller_on_frame_sent (((Watch *) policy)->controller, now_us, bytes, keyframe);
}

static const MloDecision *
tick (MloPolicy * policy, gint64 now_us, const MloSample * local)
{
  Watch *w = (Watch *) policy;
  const MloDecision *d = mlo_controller_tick (w->controller, now_us, local);

  note (w, d);
  return d;
}

static const MloDecision *
react (MloPolicy * policy, gint64 now_us)
{
  Watch *w = (Watch *) policy;
  const MloDecision *d = mlo_controller_react (w->controller, now_us);

  if (d)
    note (w, d);
  return d;
}

static const MloPolicyClass watch_class = {
  .name = "watched",
  .on_packets = on_packets,
  .on_frame_sent = on_frame_sent,
  .tick = tick,
  .react = react,
};

/* One stream and all that belongs to it. */
typedef struct
{
  MloEnv *env;
  MloTrace *trace;
  Watch watch;
  MloEnvStep step;
} Stream;

static MloEnvConfig
config_of (double max_kbps)
{
  MloEnvConfig c = mlo_env_config_default;

  c.limits = mlo_limits_default;
  c.limits.max_bitrate_kbps = max_kbps;
  c.scene_cut_s = 0.0;          /* its frame of several times the mean is a queue of its own */
  return c;
}

static void
stream_start (Stream * s, const MloEnvConfig * config, MloTrace * trace, guint64 seed)
{
  MloControllerConfig control = mlo_controller_config_default;

  memset (s, 0, sizeof *s);
  control.limits = config->limits;
  control.source = config->source;
  control.traits = mlo_actuator_traits_default;
  control.predictor = predictor;
  control.optimizer = optimizer;
  s->trace = trace;
  s->env = mlo_env_new (config, trace, seed);
  s->watch.policy.klass = &watch_class;
  s->watch.controller = mlo_controller_new (&control);
  s->watch.fastest_us = INFINITY;
}

static void
stream_end (Stream * s)
{
  mlo_env_free (s->env);
  mlo_trace_free (s->trace);
  mlo_controller_free (s->watch.controller);
}

/* What is watched counts from now on. */
static void
watch_from_now (Stream * s, double below_kbps, double reach_kbps)
{
  Watch *w = &s->watch;

  w->longest_us = w->fastest_us;
  w->packets = w->lost = 0;
  w->late_us = w->below_us = w->reach_us = 0;
  w->below_kbps = below_kbps;
  w->reach_kbps = reach_kbps;
}

static void
stream_run (Stream * s, double to_s)
{
  do
    mlo_env_step (s->env, &s->watch.policy, &s->step);
  while (s->step.time_us < (gint64) (to_s * 1e6) - 1000);
}

static double
longest_queue_ms (const Stream * s)
{
  return (s->watch.longest_us - s->watch.fastest_us) / 1000.0;
}

static void
test_steady (void)
{
  for (guint64 seed = 1; seed <= 3; seed++) {
    MloEnvConfig c = config_of (12000.0);
    MloEnvResult r;
    Stream s;

    stream_start (&s, &c, mlo_trace_new_constant (8000.0, 60.0), seed);
    stream_run (&s, 60.0);
    mlo_env_result (s.env, &r);
    g_test_message ("seed %" G_GUINT64_FORMAT ": %.1f %% used, backlog met %.1f ms (p95), frame delay %.0f ms (p95)",
        seed, 100.0 * r.utilisation, r.backlog_p95_ms, r.delay_p95_ms);
    g_assert_cmpfloat (r.utilisation, >=, 0.9);
    g_assert_cmpfloat (r.backlog_p95_ms, <=, 10.0);
    g_assert_cmpuint (r.size_changes, ==, 0);
    stream_end (&s);
  }
}

/* Ten times the capacity appears. */
static void
test_rise (void)
{
  static const double steps[][2] = { {0, 2000}, {20, 20000} };

  for (guint64 seed = 1; seed <= 3; seed++) {
    MloEnvConfig c = config_of (20000.0);
    Stream s;

    stream_start (&s, &c, mlo_trace_new_steps (steps, 2, 40.0), seed);
    stream_run (&s, 20.0);
    watch_from_now (&s, 0.0, 0.9 * 20000.0 / 1.037);
    stream_run (&s, 30.0);
    g_assert_cmpint (s.watch.reach_us, !=, 0);
    g_test_message ("seed %" G_GUINT64_FORMAT ": nine tenths after %.1f s, longest queue %.0f ms", seed,
        (double) (s.watch.reach_us - 20000000) / 1e6, longest_queue_ms (&s));
    g_assert_cmpint (s.watch.reach_us, <=, 23000000);
    g_assert_cmpfloat (longest_queue_ms (&s), <=, 50.0);
    stream_end (&s);
  }
}

/* Half of the capacity goes: nothing may be lost in a buffer of 200 ms at the lower rate. */
static void
test_halved (void)
{
  static const double steps[][2] = { {0, 8000}, {20, 4000} };

  for (guint64 seed = 1; seed <= 3; seed++) {
    MloEnvConfig c = config_of (12000.0);
    guint skipped;
    MloEnvResult r;
    Stream s;

    c.queue_bytes = 4000.0 * 200.0 / 8.0;
    stream_start (&s, &c, mlo_trace_new_steps (steps, 2, 40.0), seed);
    stream_run (&s, 19.9);
    mlo_env_result (s.env, &r);
    skipped = r.skipped;
    watch_from_now (&s, 4000.0, INFINITY);
    stream_run (&s, 25.0);
    mlo_env_result (s.env, &r);
    g_assert_cmpint (s.watch.late_us, !=, 0);
    g_assert_cmpint (s.watch.below_us, !=, 0);
    g_test_message ("seed %" G_GUINT64_FORMAT ": below it %.0f ms after the first late report, longest queue %.0f ms, "
        "%u frames skipped, %" G_GUINT64_FORMAT " packets lost", seed,
        (double) (s.watch.below_us - s.watch.late_us) / 1e3, longest_queue_ms (&s), r.skipped - skipped, s.watch.lost);
    g_assert_cmpint (s.watch.below_us - s.watch.late_us, <=, 200000);
    g_assert_cmpfloat (longest_queue_ms (&s), <=, 120.0);
    g_assert_cmpuint (s.watch.lost, ==, 0);
    stream_end (&s);
  }
}

/* Nothing gets through for 5 s. */
static void
test_outage (void)
{
  static const double steps[][2] = { {0, 8000}, {20, 0}, {25, 8000} };

  for (guint64 seed = 1; seed <= 3; seed++) {
    MloEnvConfig c = config_of (12000.0);
    Stream s;

    stream_start (&s, &c, mlo_trace_new_steps (steps, 3, 60.0), seed);
    stream_run (&s, 25.0);
    watch_from_now (&s, 0.0, 0.9 * 8000.0 / 1.037);
    stream_run (&s, 35.0);
    g_assert_cmpint (s.watch.reach_us, !=, 0);
    g_test_message ("seed %" G_GUINT64_FORMAT ": nine tenths after %.1f s", seed,
        (double) (s.watch.reach_us - 25000000) / 1e6);
    g_assert_cmpint (s.watch.reach_us, <=, 27000000);
    stream_end (&s);
  }
}

/* Mean of what was decided from the fifth second on. */
static double
mean_kbps (const MloEnvConfig * c, double capacity_kbps, guint64 seed)
{
  double sum = 0.0;
  guint n = 0;
  Stream s;

  stream_start (&s, c, mlo_trace_new_constant (capacity_kbps, 60.0), seed);
  stream_run (&s, 5.0);
  for (; s.step.time_us < 60 * G_USEC_PER_SEC; n++) {
    mlo_env_step (s.env, &s.watch.policy, &s.step);
    sum += s.step.decision.bitrate_kbps;
  }
  stream_end (&s);
  return sum / n;
}

/* A radio that loses 3 % of the packets, whatever is sent, is not a full queue. */
static void
test_chance_loss (void)
{
  for (guint64 seed = 1; seed <= 3; seed++) {
    MloEnvConfig c = config_of (12000.0);
    double clean = mean_kbps (&c, 40000.0, seed), lossy;

    c.random_loss = 0.03;
    lossy = mean_kbps (&c, 40000.0, seed);
    g_test_message ("seed %" G_GUINT64_FORMAT ": %.0f kbit/s without loss, %.0f with 3 %%", seed, clean, lossy);
    g_assert_cmpfloat (lossy, >=, 0.95 * clean);
  }
}

/* Half a minute of a picture in which nothing moves says nothing of the link. */
static void
test_still (void)
{
  for (guint64 seed = 1; seed <= 3; seed++) {
    MloEnvConfig c = config_of (12000.0);
    double before;
    Stream s;

    c.still_from_s = 20.0;
    c.still_to_s = 50.0;
    stream_start (&s, &c, mlo_trace_new_constant (8000.0, 60.0), seed);
    stream_run (&s, 20.0);
    before = s.step.decision.bitrate_kbps;
    stream_run (&s, 50.0);
    g_test_message ("seed %" G_GUINT64_FORMAT ": %.0f kbit/s before, %.0f after it", seed, before,
        s.step.decision.bitrate_kbps);
    g_assert_cmpfloat (s.step.decision.bitrate_kbps, >=, 0.9 * before);
    stream_end (&s);
  }
}

/* On links of all kinds: ten seconds between two sizes, and not back to the one before within thirty, unless the
 * link had fallen when that was left. */
static void
test_sizes (void)
{
  guint changes = 0, back = 0;

  for (int k = 0; k < 8 * MLO_N_TRACE_KINDS; k++) {
    MloEnvConfig c = config_of (12000.0);
    MloRandom random;
    int height = 0, before = -1;
    gint64 since_us = 0;
    double usual_kbps = 0.0, left_share = 1.0;  /* bitrate beside what was usual when the one before was left */
    Stream s;

    mlo_random_seed (&random, 7000 + k);
    stream_start (&s, &c, mlo_trace_generate (k % MLO_N_TRACE_KINDS, &random, 60.0), k);
    for (int i = 0; i < 600; i++) {
      const MloDecision *d = &s.step.decision;

      mlo_env_step (s.env, &s.watch.policy, &s.step);
      usual_kbps += (d->bitrate_kbps - usual_kbps) / MIN (i + 1, 200);
      if (d->height == height)
        continue;
      changes++;
      if (since_us > 0) {
        g_assert_cmpint (s.step.time_us - since_us, >=, 10 * G_USEC_PER_SEC);
        if (d->height == before && s.step.time_us - since_us < 30 * G_USEC_PER_SEC) {
          back++;
          g_assert_cmpfloat (left_share, <, 0.9);
        }
      }
      before = height;
      height = d->height;
      since_us = s.step.time_us;
      left_share = d->bitrate_kbps / usual_kbps;
    }
    stream_end (&s);
  }
  g_test_message ("%u changes of size in %u minutes, %u of them back within 30 s after a fall of the link", changes,
      8 * MLO_N_TRACE_KINDS, back);
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  g_test_init (&argc, &argv, NULL);
  predictor = mlo_bitrate_predictor_load (TEST_SOURCE "/models/" MLO_PREDICTOR_FILE, &error);
  g_assert_no_error (error);
  optimizer = mlo_quality_optimizer_load (TEST_SOURCE "/models/" MLO_OPTIMIZER_FILE, &error);
  g_assert_no_error (error);
  g_test_add_func ("/scenarios/steady", test_steady);
  g_test_add_func ("/scenarios/rise", test_rise);
  g_test_add_func ("/scenarios/halved", test_halved);
  g_test_add_func ("/scenarios/outage", test_outage);
  g_test_add_func ("/scenarios/chance-loss", test_chance_loss);
  g_test_add_func ("/scenarios/still", test_still);
  g_test_add_func ("/scenarios/sizes", test_sizes);
  return g_test_run ();
}
