/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-online.h"

#include <math.h>
#include <string.h>

#define SHIPPED TEST_SOURCE "/models/bitrate_predictor.safetensors"
#define OPTIMIZER TEST_SOURCE "/models/quality_optimizer.safetensors"

/* A stream on a link that has a law of its own. */
typedef struct
{
  MloOnline *online;
  MloRandom random;
  guint tick;
  double level_kbps;
} World;

static MloBitratePredictor *
shipped (void)
{
  g_autoptr (GError) error = NULL;
  MloBitratePredictor *p = mlo_bitrate_predictor_load (SHIPPED, &error);

  g_assert_no_error (error);
  return p;
}

static MloQualityOptimizer *
shipped_optimizer (void)
{
  g_autoptr (GError) error = NULL;
  MloQualityOptimizer *q = mlo_quality_optimizer_load (OPTIMIZER, &error);

  g_assert_no_error (error);
  return q;
}

static void
world_init (World * w, const MloOnlineOptions * options, guint64 seed)
{
  g_autoptr (MloBitratePredictor) p = shipped ();
  g_autoptr (MloQualityOptimizer) q = shipped_optimizer ();

  memset (w, 0, sizeof *w);
  w->online = mlo_online_new (p, q, NULL, options, seed);
  mlo_random_seed (&w->random, seed);
  w->level_kbps = 6000.0;
}

static void
fill (World * w, MloOnlineTick * t, double kbps, double queue_ms)
{
  MloDecision d = {.action = MLO_ACTION_NONE };
  MloSample s = {.timestamp_us = (gint64) w->tick * 100000 };

  mlo_sample_set (&s, MLO_FIELD_LATENCY, 40.0 + queue_ms);
  mlo_sample_set (&s, MLO_FIELD_QUEUE_DELAY, queue_ms);
  mlo_sample_set (&s, MLO_FIELD_JITTER, 2.0);
  mlo_sample_set (&s, MLO_FIELD_PACKET_LOSS, 0.0);
  mlo_sample_set (&s, MLO_FIELD_BANDWIDTH, kbps);
  mlo_sample_set (&s, MLO_FIELD_COMPLEXITY, 0.72);
  mlo_sample_set (&s, MLO_FIELD_BITRATE, 2500.0);
  mlo_sample_set (&s, MLO_FIELD_FPS, 60.0);
  mlo_sample_set (&s, MLO_FIELD_QUALITY_SCORE, 0.6);
  mlo_online_tick_init (t, &d, &s, MLO_CAPACITY_MEASURED);
}

/* A link that looks full for two seconds and then gives little for two: the rate to come is seldom the one that is. */
static void
live (World * w, guint ticks, guint every)
{
  for (guint i = 0; i < ticks; i++, w->tick++) {
    double share = w->tick / 20 % 2 == 0 ? 1.0 : 0.15;
    MloOnlineTick t;

    fill (w, &t, w->level_kbps * share * mlo_random_range (&w->random, 0.9, 1.1), 5.0);
    mlo_online_feed (w->online, &t);
    if (i % every == 0)
      mlo_online_step (w->online);
  }
}

/* The champion becomes one that is better on what it has not learned from. */
static void
test_learns (void)
{
  MloOnlineOptions options = mlo_online_options_default;
  World w;
  MloOnlineStats s;
  g_autoptr (MloBitratePredictor) before = NULL, after = NULL;
  float *a, *b;
  gsize n;

  options.judge_every = 50;
  world_init (&w, &options, 1);
  before = mlo_online_copy_predictor (w.online);
  g_assert_cmpint (mlo_online_step (w.online), ==, MLO_ONLINE_IDLE);
  live (&w, 3000, 4);
  mlo_online_stats (w.online, &s);
  g_test_message ("updates %" G_GUINT64_FORMAT ", loss %g, held out: shipped %g, champion %g, challenger %g, wins %g",
      s.predictor.updates, s.predictor.loss, s.predictor.held_shipped, s.predictor.held_champion,
      s.predictor.held_challenger, s.predictor.win_share);
  g_assert_cmpuint (s.ticks, ==, 3000);
  g_assert_cmpuint (s.refused, ==, 0);
  g_assert_cmpuint (s.labels, >, 2900);
  g_assert_cmpuint (s.predictor.promotions, >, 0);
  g_assert_true (s.predictor.adapted);
  g_assert_cmpfloat (s.predictor.held_champion, >, s.predictor.held_shipped + 0.3);
  after = mlo_online_copy_predictor (w.online);
  a = mlo_bitrate_predictor_parameters (before, &n);
  b = mlo_bitrate_predictor_parameters (after, &n);
  g_assert_true (memcmp (a, b, n * sizeof *a) != 0);
  mlo_online_free (w.online);
}

/* Chance is handed in: the same stream and seed give the same bits. */
static void
test_repeats (void)
{
  World w[2];
  float *state[2] = { NULL, NULL };
  MloOnlineNumbers numbers;
  gsize n = 0;

  for (guint i = 0; i < 2; i++) {
    world_init (&w[i], &mlo_online_options_default, 7);
    live (&w[i], 800, 10);
    n = mlo_online_state_size (w[i].online);
    state[i] = g_new (float, n);
    mlo_online_get_state (w[i].online, state[i], &numbers);
    mlo_online_free (w[i].online);
  }
  g_assert_cmpmem (state[0], n * sizeof (float), state[1], n * sizeof (float));
  g_free (state[0]);
  g_free (state[1]);
}

/* What was kept is what goes on; what does not fit changes nothing. */
static void
test_state (void)
{
  World w, other;
  MloOnlineNumbers numbers, again;
  MloOnlineStats s;
  g_autofree float *state = NULL, *back = NULL;
  gsize n;

  world_init (&w, &mlo_online_options_default, 3);
  live (&w, 2000, 20);
  n = mlo_online_state_size (w.online);
  state = g_new (float, n);
  back = g_new (float, n);
  mlo_online_get_state (w.online, state, &numbers);
  g_assert_cmpint (numbers.ticks, ==, 2000);
  world_init (&other, &mlo_online_options_default, 4);
  g_assert_false (mlo_online_set_state (other.online, state, n - 1, &numbers));
  state[n / 2] = NAN;
  g_assert_false (mlo_online_set_state (other.online, state, n, &numbers));
  mlo_online_stats (other.online, &s);
  g_assert_false (s.predictor.adapted);
  state[n / 2] = 0.25f;
  g_assert_true (mlo_online_set_state (other.online, state, n, &numbers));
  mlo_online_get_state (other.online, back, &again);
  g_assert_cmpmem (state, n * sizeof (float), back, n * sizeof (float));
  g_assert_cmpint (again.predictor_step, ==, numbers.predictor_step);
  g_assert_cmpuint (again.predictor_updates, ==, numbers.predictor_updates);
  live (&other, 600, 10);
  mlo_online_free (w.online);
  mlo_online_free (other.online);
}

static gboolean
same_predictor (MloBitratePredictor * a, MloBitratePredictor * b)
{
  gsize n;
  const float *x = mlo_bitrate_predictor_parameters (a, &n), *y = mlo_bitrate_predictor_parameters (b, &n);

  return memcmp (x, y, n * sizeof *x) == 0;
}

static gboolean
same_optimizer (MloQualityOptimizer * a, MloQualityOptimizer * b)
{
  gsize n;
  const float *x = mlo_quality_optimizer_parameters (a, &n), *y = mlo_quality_optimizer_parameters (b, &n);

  return memcmp (x, y, n * sizeof *x) == 0;
}

/* A minute of telemetry that lies. */
static void
test_poison (void)
{
  static const char *const kinds[] = { "nan", "10 Gbit/s", "negative delay", "constant", "nothing" };

  for (guint k = 0; k < G_N_ELEMENTS (kinds); k++) {
    World w;
    g_autoptr (MloBitratePredictor) champion = NULL;
    g_autoptr (MloQualityOptimizer) optimizer = NULL;
    g_autofree float *after = NULL;
    MloOnlineNumbers numbers;
    MloOnlineStats s;
    gsize n;
    guint64 serial;
    MloOnlineOptions options = mlo_online_options_default;

    options.judge_every = 20;
    world_init (&w, &options, 5);
    /* an honest steady link first */
    for (guint i = 0; i < 1800; i++, w.tick++) {
      MloOnlineTick t;

      fill (&w, &t, w.level_kbps * mlo_random_range (&w.random, 0.9, 1.1), 5.0);
      mlo_online_feed (w.online, &t);
      if (i % 10 == 0)
        mlo_online_step (w.online);
    }
    mlo_online_stats (w.online, &s);
    serial = s.predictor.serial + s.optimizer.serial;
    champion = mlo_online_copy_predictor (w.online);
    optimizer = mlo_online_copy_optimizer (w.online);
    n = mlo_online_state_size (w.online);
    after = g_new (float, n);
    for (guint i = 0; i < 600; i++, w.tick++) {
      MloOnlineTick t;

      fill (&w, &t, k == 1 ? 1e7 : 9000.0, 5.0);
      if (k == 0)
        t.sample.latency_ms = t.sample.bandwidth_kbps = NAN;
      if (k == 2)
        t.sample.latency_ms = t.sample.queue_delay_ms = -500.0;
      if (k == 4)
        t.sample.valid = 0;
      mlo_online_feed (w.online, &t);
      if (i % 10 == 0)
        mlo_online_step (w.online);
    }
    mlo_online_stats (w.online, &s);
    g_test_message ("%s: refused %" G_GUINT64_FORMAT ", undone %" G_GUINT64_FORMAT, kinds[k], s.refused,
        s.predictor.undone);
    g_assert_cmpuint (s.predictor.serial + s.optimizer.serial, ==, serial);
    g_assert_cmpuint (s.refused, ==, k < 3 ? 600 : 0);
    mlo_online_get_state (w.online, after, &numbers);
    {
      g_autoptr (MloBitratePredictor) now = mlo_online_copy_predictor (w.online);
      g_autoptr (MloQualityOptimizer) now_optimizer = mlo_online_copy_optimizer (w.online);

      g_assert_true (same_predictor (champion, now));
      g_assert_true (same_optimizer (optimizer, now_optimizer));
    }
    for (gsize i = 0; i < n; i++)
      g_assert_true (isfinite (after[i]));
    mlo_online_free (w.online);
  }
}

/* Raising the rate earns, lowering it costs, and what is done is chance: the optimizer finds out. */
static void
test_optimizer (void)
{
  g_autoptr (MloQualityOptimizer) q = shipped_optimizer (), after = NULL;
  g_autoptr (MloOnline) o = mlo_online_new (NULL, q, NULL, &mlo_online_options_default, 9);
  static const MloAction actions[] = { MLO_ACTION_NONE, MLO_ACTION_BITRATE_UP, MLO_ACTION_BITRATE_DOWN };
  const guint32 mask = 1u << MLO_ACTION_NONE | 1u << MLO_ACTION_BITRATE_UP | 1u << MLO_ACTION_BITRATE_DOWN;
  float state[MLO_OPTIMIZER_FEATURES], values[MLO_N_ACTIONS];
  MloSample sample = { 0 };
  double due[16] = { 0.0 };
  MloOnlineStats s;
  MloRandom random;

  mlo_random_seed (&random, 9);
  mlo_sample_set (&sample, MLO_FIELD_FPS, 60.0);
  mlo_sample_set (&sample, MLO_FIELD_BITRATE, 3000.0);
  mlo_sample_set (&sample, MLO_FIELD_BANDWIDTH, 5000.0);
  mlo_sample_set (&sample, MLO_FIELD_LATENCY, 40.0);
  mlo_sample_set (&sample, MLO_FIELD_COMPLEXITY, 0.7);
  for (guint i = 0; i < 6000; i++) {
    MloAction action = actions[mlo_random_below (&random, 3)];
    MloDecision d = {.action = action,.action_mask = mask,.chance = TRUE,.explored = action != MLO_ACTION_NONE };
    double score = 50.0 + due[i % 16];
    MloOnlineTick t;

    due[i % 16] = 0.0;
    for (guint k = 10; k < 14; k++)
      due[(i + k) % 16] += d.action == MLO_ACTION_BITRATE_UP ? 10.0 : d.action == MLO_ACTION_BITRATE_DOWN ? -10.0 : 0.0;
    sample.timestamp_us = (gint64) i *100000;
    mlo_sample_set (&sample, MLO_FIELD_QUALITY_SCORE, CLAMP (score, 0.0, 100.0) / 100.0);
    mlo_online_tick_init (&t, &d, &sample, MLO_CAPACITY_MEASURED);
    mlo_online_feed (o, &t);
    mlo_online_step (o);
  }
  mlo_online_stats (o, &s);
  g_test_message ("updates %" G_GUINT64_FORMAT ", loss %g, champion %+.2f, challenger %+.2f, promotions %"
      G_GUINT64_FORMAT, s.optimizer.updates, s.optimizer.loss, s.optimizer.held_champion, s.optimizer.held_challenger,
      s.optimizer.promotions);
  g_assert_cmpuint (s.explored, >, 3000);
  g_assert_cmpuint (s.optimizer.promotions, >, 0);
  g_assert_true (s.optimizer.adapted);
  after = mlo_online_copy_optimizer (o);
  mlo_sample_set (&sample, MLO_FIELD_QUALITY_SCORE, 0.5);
  mlo_features_optimizer (&mlo_quality_optimizer_config (after)->scaling, &sample, state);
  g_assert_cmpint (mlo_quality_optimizer_choose (after, state, mask, values), ==, MLO_ACTION_BITRATE_UP);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/online/learns", test_learns);
  g_test_add_func ("/online/repeats", test_repeats);
  g_test_add_func ("/online/state", test_state);
  g_test_add_func ("/online/poison", test_poison);
  g_test_add_func ("/online/optimizer", test_optimizer);
  return g_test_run ();
}
