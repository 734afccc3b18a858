/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The trainers on worlds small enough to know the answer. */
#include <math.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-trainer.h"

/* A stream whose label is 0.8 times the bandwidth of three ticks ago: only a memory can know it. With
 * @noise the label is that times a factor uniform in its logarithm between -noise and +noise. */
static MloRecording *
make_recording (MloRandom * random, guint n, double noise)
{
  MloRecording *r = mlo_recording_new (100000);
  double level = mlo_random_log_range (random, 500.0, 10000.0), past[3] = { level, level, level };

  for (guint i = 0; i < n; i++) {
    MloTick *t = mlo_recording_append (r);

    if (mlo_random_chance (random, 0.1))
      level = mlo_random_log_range (random, 500.0, 10000.0);
    mlo_sample_set (&t->sample, MLO_FIELD_LATENCY, 40.0);
    mlo_sample_set (&t->sample, MLO_FIELD_BANDWIDTH, level);
    mlo_sample_set (&t->sample, MLO_FIELD_BITRATE, 2000.0);
    t->label_kbps = (float) (0.8 * past[0] * exp (mlo_random_range (random, -noise, noise)));
    past[0] = past[1];
    past[1] = past[2];
    past[2] = level;
  }
  return r;
}

static GPtrArray *
make_recordings (guint64 seed, guint count, guint n, double noise)
{
  GPtrArray *a = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);
  MloRandom random;

  mlo_random_seed (&random, seed);
  for (guint i = 0; i < count; i++)
    g_ptr_array_add (a, make_recording (&random, n, noise));
  return a;
}

static const MloPredictorConfig small_config = {
  .hidden = 16,.layers = 1,.form = MLO_FORM_STREAM,.scaling = {MLO_SCALING_LOG, 100.0, 50000.0},
  .min_kbps = 100.0,.max_kbps = 30000.0,.interval_ms = 100,
};

static MloBitratePredictor *
train_small (guint threads, guint epochs, double quantile, double noise, MloPredictorForm form,
    MloPredictorSummary * summary)
{
  g_autoptr (GPtrArray) train = make_recordings (1, 60, 230, noise);
  g_autoptr (GPtrArray) hold = make_recordings (2, 20, 230, noise);
  g_autoptr (MloWorkers) workers = mlo_workers_new (threads);
  MloPredictorConfig config = small_config;
  MloPredictorTraining training = mlo_predictor_training_default;
  MloBitratePredictor *p;
  MloProgress where = { 0 };
  MloRandom random;

  config.form = form;
  mlo_random_seed (&random, 5);
  p = mlo_bitrate_predictor_new (&config, &random);
  training.epochs = epochs;
  training.quantile = quantile;
  training.rate = 1e-2;
  training.patience = 0;
  g_assert_true (mlo_predictor_train (p, train, hold, &training, &random, workers, &where, NULL, NULL, summary));
  g_assert_cmpuint (summary->epochs, ==, epochs);
  return p;
}

static void
test_predictor_learns (void)
{
  MloPredictorSummary first, last;
  g_autoptr (MloBitratePredictor) a G_GNUC_UNUSED = train_small (2, 1, 0.5, 0.0, MLO_FORM_STREAM, &first);
  g_autoptr (MloBitratePredictor) b = train_small (2, 25, 0.5, 0.0, MLO_FORM_STREAM, &last);
  g_autoptr (GPtrArray) fresh = make_recordings (3, 1, 300, 0.0);
  g_autoptr (MloPredictorState) state = mlo_predictor_state_new (b);
  MloRecording *r = fresh->pdata[0];
  double error = 0.0;

  g_test_message ("validation after 1 epoch %.4f, after 25 %.4f, mean log error %.3f", first.validation,
      last.validation, last.error);
  g_assert_cmpfloat (last.validation, <, 0.4 * first.validation);
  /* the same as it is used: one step a tick */
  for (guint i = 0; i < r->n; i++) {
    double kbps = mlo_bitrate_predictor_step (b, state, &r->ticks[i].sample);

    if (i >= 10)
      error += fabs (log (kbps / r->ticks[i].label_kbps));
  }
  error /= r->n - 10;
  g_test_message ("in use: mean log error %.3f", error);
  g_assert_cmpfloat (error, <, 0.25);
}

/* The output sits at the quantile asked for: a share tau of the labels lies below it. */
static void
test_predictor_quantile (void)
{
  const double taus[] = { 0.25, 0.75 };

  for (guint i = 0; i < G_N_ELEMENTS (taus); i++) {
    MloPredictorSummary s;
    g_autoptr (MloBitratePredictor) p G_GNUC_UNUSED = train_small (2, 20, taus[i], 0.8, MLO_FORM_STREAM, &s);

    g_test_message ("quantile %g: %.3f of the labels below", taus[i], s.over);
    g_assert_cmpfloat (fabs (s.over - taus[i]), <, 0.1);
  }
}

static void
test_predictor_window (void)
{
  MloPredictorSummary first, last;
  g_autoptr (MloBitratePredictor) a G_GNUC_UNUSED = train_small (2, 1, 0.5, 0.0, MLO_FORM_WINDOW, &first);
  g_autoptr (MloBitratePredictor) b G_GNUC_UNUSED = train_small (2, 20, 0.5, 0.0, MLO_FORM_WINDOW, &last);

  g_test_message ("validation after 1 epoch %.4f, after 20 %.4f", first.validation, last.validation);
  g_assert_cmpfloat (last.validation, <, 0.7 * first.validation);
}

static void
test_predictor_threads (void)
{
  MloPredictorSummary sa, sb;
  g_autoptr (MloBitratePredictor) a = train_small (1, 2, 0.4, 0.1, MLO_FORM_STREAM, &sa);
  g_autoptr (MloBitratePredictor) b = train_small (3, 2, 0.4, 0.1, MLO_FORM_STREAM, &sb);
  gsize na, nb;
  float *pa = mlo_bitrate_predictor_parameters (a, &na), *pb = mlo_bitrate_predictor_parameters (b, &nb);

  g_assert_cmpmem (pa, na * sizeof (float), pb, nb * sizeof (float));
  g_assert_cmpfloat (sa.validation, ==, sb.validation);
}

static void
test_predictor_nothing (void)
{
  g_autoptr (GPtrArray) none = make_recordings (1, 2, 8, 0.0);
  g_autoptr (MloWorkers) workers = mlo_workers_new (1);
  MloPredictorSummary summary;
  MloProgress where = { 0 };
  MloRandom random;
  g_autoptr (MloBitratePredictor) p = NULL;

  mlo_random_seed (&random, 5);
  p = mlo_bitrate_predictor_new (&small_config, &random);
  /* shorter than the warm-up: no tick carries a loss */
  g_assert_false (mlo_predictor_train (p, none, NULL, &mlo_predictor_training_default, &random, workers, &where, NULL,
          NULL, &summary));
}

/* A corridor: the state says where one stands (0..4), bitrate up and down move, reward at the far
 * end only. The value of going up is known, and the mask forbids it in the middle one time in two. */
static MloRecording *
walk (MloRandom * random, guint n)
{
  MloRecording *r = mlo_recording_new (G_USEC_PER_SEC);
  int place = 0;

  for (guint i = 0; i < n; i++) {
    MloTick *t = mlo_recording_append (r);
    gboolean closed = place == 2 && mlo_random_chance (random, 0.5);

    mlo_sample_set (&t->sample, MLO_FIELD_FPS, 30.0 * place);
    t->mask = 1u << MLO_ACTION_NONE | 1u << MLO_ACTION_BITRATE_DOWN | (closed ? 0 : 1u << MLO_ACTION_BITRATE_UP);
    t->reward = (float) MLO_REWARD_CENTRE + (place == 4 ? 100.0f : 0.0f);
    do
      t->action = (guint8) (MLO_ACTION_BITRATE_UP + mlo_random_below (random, MLO_N_ACTIONS - MLO_ACTION_BITRATE_UP));
    while (!(t->mask >> t->action & 1));
    if (t->action == MLO_ACTION_BITRATE_UP)
      place = MIN (place + 1, 4);
    else if (t->action == MLO_ACTION_BITRATE_DOWN)
      place = MAX (place - 1, 0);
  }
  return r;
}

static void
test_optimizer_learns (void)
{
  MloOptimizerTraining o = mlo_optimizer_training_default;
  MloOptimizerConfig config = { {MLO_SCALING_REFERENCE, 0, 0} };
  g_autoptr (MloReplay) replay = mlo_replay_new (20000);
  g_autoptr (MloRecording) r = NULL;
  g_autoptr (MloQualityOptimizer) q = NULL;
  g_autoptr (MloOptimizerTrainer) trainer = NULL;
  MloRandom random;

  mlo_random_seed (&random, 7);
  q = mlo_quality_optimizer_new (&config, &random);
  o.n_steps = 2;
  o.gamma = 0.8;
  o.rate = 1e-3;
  o.target_step = 0.02;
  r = walk (&random, 10000);
  g_assert_cmpuint (mlo_replay_add_recording (replay, r, &config.scaling, o.n_steps, o.gamma), ==, 9999);
  trainer = mlo_optimizer_trainer_new (q, &o);
  for (guint i = 0; i < 4000; i++)
    mlo_optimizer_trainer_update (trainer, replay, &random);
  for (int place = 0; place < 5; place++) {
    guint32 all = 1u << MLO_ACTION_NONE | 1u << MLO_ACTION_BITRATE_DOWN | 1u << MLO_ACTION_BITRATE_UP;
    MloSample s = { 0 };
    float state[MLO_OPTIMIZER_FEATURES], values[MLO_N_ACTIONS];

    mlo_sample_set (&s, MLO_FIELD_FPS, 30.0 * place);
    mlo_features_optimizer (&config.scaling, &s, state);
    g_assert_true (mlo_quality_optimizer_values (q, state, values));
    g_test_message ("at %d: up %.3f down %.3f stay %.3f", place, values[MLO_ACTION_BITRATE_UP],
        values[MLO_ACTION_BITRATE_DOWN], values[MLO_ACTION_NONE]);
    if (place < 4) {
      g_assert_cmpint (mlo_quality_optimizer_choose (q, state, all, values), ==, MLO_ACTION_BITRATE_UP);
      /* where up is masked, staying beats going back (at 0 there is no back) */
      g_assert_true (place == 0
          || mlo_quality_optimizer_choose (q, state, all & ~(1u << MLO_ACTION_BITRATE_UP), values) == MLO_ACTION_NONE);
    } else {
      /* 1 a tick for ever at gamma 0.8 is worth 5; learned off policy over two steps: somewhat less */
      g_assert_cmpfloat (values[MLO_ACTION_BITRATE_UP], >, 3.0);
      g_assert_cmpfloat (values[MLO_ACTION_BITRATE_UP], <, 6.0);
    }
  }
}

/* What the data never does looks worse under the conservative penalty. */
static void
test_optimizer_conservative (void)
{
  MloOptimizerConfig config = { {MLO_SCALING_REFERENCE, 0, 0} };
  float unseen[2];

  for (guint k = 0; k < 2; k++) {
    MloOptimizerTraining o = mlo_optimizer_training_default;
    g_autoptr (MloReplay) replay = mlo_replay_new (1000);
    g_autoptr (MloQualityOptimizer) q = NULL;
    g_autoptr (MloOptimizerTrainer) trainer = NULL;
    float state[MLO_OPTIMIZER_FEATURES] = { 0 }, values[MLO_N_ACTIONS];
    MloRandom random;

    mlo_random_seed (&random, 7);
    q = mlo_quality_optimizer_new (&config, &random);
    for (guint i = 0; i < 100; i++) {
      MloTransition t = {.reward = 1.0f,.mask = MLO_ACTION_MASK_ALL,.next_mask = MLO_ACTION_MASK_ALL,
        .action = (guint8) (i % 2 ? MLO_ACTION_NONE : MLO_ACTION_BITRATE_UP)
      };

      mlo_replay_add (replay, &t);
    }
    o.conservative = k == 0 ? 0.0 : 0.5;
    trainer = mlo_optimizer_trainer_new (q, &o);
    for (guint i = 0; i < 1000; i++)
      mlo_optimizer_trainer_update (trainer, replay, &random);
    g_assert_true (mlo_quality_optimizer_values (q, state, values));
    unseen[k] = values[MLO_ACTION_FPS_DOWN] - values[MLO_ACTION_NONE];
  }
  g_test_message ("advantage of an unseen action: %.3f, conservative %.3f", unseen[0], unseen[1]);
  g_assert_cmpfloat (unseen[1], <, unseen[0]);
  g_assert_cmpfloat (unseen[1], <, -0.5);
}

/* A world with two kinds of link: bandwidth is what it is, and the reward is best at full frame
 * rate on one kind and at a lower one on the other. */
static MloRecording *
toy_run (gconstpointer data, const MloEpisode * episode)
{
  MloRecording *r = mlo_recording_new (episode->interval_us);
  MloRandom random;
  int rung = 0;

  mlo_random_seed (&random, episode->seed);
  for (guint i = 0; i < (guint) (episode->seconds * 10.0); i++) {
    MloTick *t = mlo_recording_append (r);
    double bandwidth = (episode->kind ? 1000.0 : 8000.0) * exp (0.1 * mlo_random_normal (&random));
    float state[MLO_OPTIMIZER_FEATURES], values[MLO_N_ACTIONS];

    mlo_sample_set (&t->sample, MLO_FIELD_BANDWIDTH, bandwidth);
    mlo_sample_set (&t->sample, MLO_FIELD_FPS, rung ? 30.0 : 60.0);
    t->mask = 1u << MLO_ACTION_NONE | 1u << (rung ? MLO_ACTION_FPS_UP : MLO_ACTION_FPS_DOWN);
    t->reward = (guint) rung == episode->kind ? 80.0f : 60.0f;
    if (episode->horizon_s > 0.0)
      t->label_kbps = (float) (0.9 * bandwidth);
    if (mlo_random_chance (&random, episode->epsilon)) {
      t->action = mlo_random_chance (&random, 0.5) ? MLO_ACTION_NONE : rung ? MLO_ACTION_FPS_UP : MLO_ACTION_FPS_DOWN;
    } else if (episode->optimizer) {
      mlo_features_optimizer (&mlo_quality_optimizer_config (episode->optimizer)->scaling, &t->sample, state);
      t->action = (guint8) mlo_quality_optimizer_choose (episode->optimizer, state, t->mask, values);
    }
    if (t->action != MLO_ACTION_NONE) {
      rung = !rung;
      t->price = (float) episode->fps_price;
    }
  }
  return r;
}

static const char *
toy_kind (guint kind)
{
  return kind ? "slow" : "fast";
}

static const MloEnvironment toy = {.n_kinds = 2,.kind_name = toy_kind,.run = toy_run };

static MloTrainerOptions
toy_options (void)
{
  MloTrainerOptions o = mlo_trainer_options_default;

  o.predictor = small_config;
  o.seconds = 10.0;
  o.rounds = 2;
  o.episodes = 32;
  o.predictor_training.epochs = 4;
  o.predictor_training.rate = 1e-2;
  o.optimizer_rounds = 4;
  o.optimizer_episodes = 16;
  o.optimizer_updates = 400;
  o.select_every = 2;
  o.select_episodes = 8;
  o.optimizer_training.target_step = 0.02;
  /* chance switches at any tick here: over many steps the first one's effect would be lost */
  o.optimizer_training.n_steps = 2;
  o.optimizer_training.gamma = 0.9;
  /* a switch is worth it here */
  o.size_price = 2.0;
  o.fps_price = 1.0;
  return o;
}

typedef struct
{
  guint calls, lines, stop_after;
} Watch;

static gboolean
watch (gpointer data, const MloProgress * where)
{
  Watch *w = data;

  g_assert_nonnull (where->stage);
  g_assert_cmpfloat (where->done, <=, where->total + 0.5);
  w->lines += where->epoch_complete;
  return ++w->calls != w->stop_after;
}

static void
test_whole (void)
{
  MloTrainerOptions o = toy_options ();

  for (guint threads = 1; threads <= 2; threads++) {
    static float first[100000];
    g_autoptr (MloWorkers) workers = mlo_workers_new (threads);
    g_auto (MloTrained) out = { 0 };
    Watch w = { 0 };
    gsize n;
    float *params;

    mlo_trainer_simulate (&o, &toy, workers, NULL, watch, &w, &out);
    g_assert_false (out.stopped);
    g_assert_nonnull (out.predictor);
    g_assert_nonnull (out.optimizer);
    g_test_message ("%s | %s", out.predictor_summary, out.optimizer_summary);
    g_assert_cmpuint (w.lines, ==, 2 * 4 + 4);
    /* both kinds of link got their frame rate */
    for (guint kind = 0; kind < 2; kind++) {
      MloEpisode e = {.seed = 99,.kind = kind,.seconds = 10.0,.interval_us = 100000,.optimizer = out.optimizer };
      g_autoptr (MloRecording) r = toy_run (NULL, &e);

      g_assert_cmpfloat (r->ticks[r->n - 1].reward, ==, 80.0f);
      g_assert_cmpfloat (r->ticks[r->n / 2].reward, ==, 80.0f);
    }
    /* the same bits from any number of threads */
    params = mlo_quality_optimizer_parameters (out.optimizer, &n);
    g_assert_cmpuint (n, <=, G_N_ELEMENTS (first));
    if (threads == 1)
      memcpy (first, params, n * sizeof (float));
    else
      g_assert_cmpmem (first, n * sizeof (float), params, n * sizeof (float));
  }
}

/* Stopped at any call: what is there is complete and usable. */
static void
test_stop (void)
{
  MloTrainerOptions o = toy_options ();
  g_autoptr (MloWorkers) workers = mlo_workers_new (2);

  for (guint stop = 1; stop < 40; stop += 6) {
    g_auto (MloTrained) out = { 0 };
    Watch w = {.stop_after = stop };

    mlo_trainer_simulate (&o, &toy, workers, NULL, watch, &w, &out);
    g_assert_nonnull (out.predictor);
    if (out.stopped) {
      g_assert_cmpuint (w.calls, ==, stop);
      g_assert_nonnull (strstr (out.optimizer ? out.optimizer_summary : out.predictor_summary, "stopped early"));
    }
  }
}

/* From logged data, with and without anything to compare actions by; going on from networks that exist. */
static void
test_dataset (void)
{
  MloTrainerOptions o = toy_options ();
  g_autoptr (MloWorkers) workers = mlo_workers_new (2);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (MloTrained) first = { 0 };

  for (guint with_score = 0; with_score < 2; with_score++) {
    g_autoptr (MloDataset) d = NULL;
    g_auto (MloTrained) out = { 0 };

    g_string_assign (text, "");
    for (guint i = 0; i < 600; i++)
      g_string_append_printf (text, "{\"timestamp\": %g, \"latency_ms\": 40, \"jitter_ms\": 1, \"packet_loss\": 0, "
          "\"bandwidth_kbps\": %u, \"bitrate_kbps\": %u, \"fps\": %u, \"quality_score\": %s}\n", 1000.0 + i * 0.1,
          5000 + i % 7 * 100, i / 20 % 2 ? 3000 : 4000, i / 50 % 2 ? 30 : 60,
          with_score ? (i / 50 % 2 ? "0.4" : "0.8") : "null");
    d = mlo_dataset_parse ("log", text->str, text->len, NULL, &error);
    g_assert_no_error (error);
    g_assert_true (mlo_trainer_dataset (&o, d, 3, workers, with_score ? &first : NULL, NULL, NULL, &out, &error));
    g_assert_no_error (error);
    g_assert_nonnull (out.predictor);
    g_assert_true ((out.optimizer != NULL) == with_score);
    if (!with_score) {
      first = out;
      memset (&out, 0, sizeof out);
    }
  }
  {
    /* no bandwidth anywhere: nothing to learn from */
    g_autoptr (MloDataset) d = NULL;
    g_auto (MloTrained) out = { 0 };

    g_string_assign (text, "");
    for (guint i = 0; i < 60; i++)
      g_string_append_printf (text, "{\"timestamp\": %g, \"latency_ms\": 40, \"jitter_ms\": 1, \"packet_loss\": 0, "
          "\"bandwidth_kbps\": null, \"bitrate_kbps\": 1, \"fps\": 60, \"quality_score\": 1}\n", 1000.0 + i * 0.1);
    d = mlo_dataset_parse ("log", text->str, text->len, NULL, &error);
    g_assert_no_error (error);
    g_assert_false (mlo_trainer_dataset (&o, d, 3, workers, NULL, NULL, NULL, &out, &error));
    g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
    g_assert_null (out.predictor);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trainer/predictor/learns", test_predictor_learns);
  g_test_add_func ("/trainer/predictor/quantile", test_predictor_quantile);
  g_test_add_func ("/trainer/predictor/window", test_predictor_window);
  g_test_add_func ("/trainer/predictor/threads", test_predictor_threads);
  g_test_add_func ("/trainer/predictor/nothing", test_predictor_nothing);
  g_test_add_func ("/trainer/optimizer/learns", test_optimizer_learns);
  g_test_add_func ("/trainer/optimizer/conservative", test_optimizer_conservative);
  g_test_add_func ("/trainer/whole", test_whole);
  g_test_add_func ("/trainer/stop", test_stop);
  g_test_add_func ("/trainer/dataset", test_dataset);
  return g_test_run ();
}
