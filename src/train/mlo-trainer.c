/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-trainer.h"

#include <math.h>
#include <string.h>

#include "mlo-error.h"

/* Episodes that each rank runs between two calls of the progress function. */
#define RECORD_CHUNK 16
/* Trials of the margin are so many times as long as those of the parameters: what they tell apart is less. */
#define MARGIN_EPISODES 20
/* Optimizer updates between two calls. */
#define UPDATE_CHUNK 500
/* One episode or recording in this many is kept for validation. */
#define VALIDATION_EVERY 8

/* What the seed is mixed with, so that no two uses share a sequence. */
enum
{
  SEED_PREDICTOR = 1, SEED_OPTIMIZER, SEED_ORDER, SEED_SAMPLE,
  SEED_RECORD, SEED_EXPLORE, SEED_SELECT,
};

const MloTrainerOptions mlo_trainer_options_default = {
  .seed = 1,
  .interval_us = 100000,
  .horizon_s = 1.0,
  .seconds = 60.0,
  .predictor = {
        .hidden = 64,
        .layers = 1,
        .form = MLO_FORM_STREAM,
        .scaling = {MLO_SCALING_LOG, 100.0, 50000.0},
        .min_kbps = 100.0,
        .max_kbps = 30000.0,
        .interval_ms = 100,
      },
  .rounds = 3,
  .episodes = 1152,
  .predictor_training = {
        .epochs = 10,
        .batch = 32,
        .segment = 50,
        .warm_up = 10,
        .quantile = 0.5,
        .rate = 2e-3,
        .clip = 1.0,
        .patience = 4,
      },
  .optimizer = {
        .scaling = {MLO_SCALING_LOG, 100.0, 50000.0},
      },
  .optimizer_rounds = 40,
  .optimizer_episodes = 48,
  .optimizer_updates = 3000,
  .replay_capacity = 800000,
  .epsilon_first = 1.0,
  .epsilon_last = 0.05,
  .size_price = 4.0,
  .fps_price = 4.0,
  .bitrate_price = 0.5,
  .select_every = 4,
  .select_episodes = 48,
  .optimizer_training = {
        .batch = 64,
        .n_steps = 10,
        .gamma = 0.98,
        .rate = 5e-4,
        .clip = 1.0,
        .huber = 1.0,
        .target_step = 0.004,
        .average_step = 0.0005,
      },
};

guint64
mlo_seed_mix (guint64 seed, guint64 stream, guint64 index)
{
  guint64 x = seed;

  x = mlo_random_splitmix (&x) ^ stream;
  x = mlo_random_splitmix (&x) ^ index;
  return mlo_random_splitmix (&x);
}

void
mlo_trained_clear (MloTrained * t)
{
  g_clear_pointer (&t->predictor, mlo_bitrate_predictor_free);
  g_clear_pointer (&t->optimizer, mlo_quality_optimizer_free);
  g_clear_pointer (&t->predictor_summary, g_free);
  g_clear_pointer (&t->optimizer_summary, g_free);
}

typedef struct
{
  const MloTrainerOptions *options;
  const MloEnvironment *env;
  MloWorkers *workers;
  MloProgressFunc progress;
  gpointer user_data;
  MloProgress where;
  gboolean stopped;
} Run;

static const MloGroup *
group_of (const Run * run)
{
  return mlo_workers_group (run->workers);
}

/* On the leading rank: remembers that the user stopped. */
static void
tell (Run * run, const MloProgress * where)
{
  if (!run->stopped && mlo_group_leads (group_of (run)) && run->progress && !run->progress (run->user_data, where))
    run->stopped = TRUE;
}

/* On all ranks: the leading rank's numbers, and whether the user stopped it. */
static void
follow_leader (Run * run, float *params, gsize n)
{
  mlo_group_broadcast (group_of (run), params, n * sizeof *params);
  mlo_group_broadcast (group_of (run), &run->stopped, sizeof run->stopped);
}

/* For the inner trainers, on all ranks. */
static gboolean
on_progress (gpointer user_data, const MloProgress * where)
{
  Run *run = user_data;

  tell (run, where);
  follow_leader (run, NULL, 0);
  return !run->stopped;
}

static MloBitratePredictor *
start_predictor (const MloTrainerOptions * o, const MloTrained * from)
{
  MloRandom random;

  if (from && from->predictor)
    return mlo_bitrate_predictor_copy (from->predictor);
  mlo_random_seed (&random, mlo_seed_mix (o->seed, SEED_PREDICTOR, 0));
  return mlo_bitrate_predictor_new (&o->predictor, &random);
}

static MloQualityOptimizer *
start_optimizer (const MloTrainerOptions * o, const MloTrained * from)
{
  MloRandom random;

  if (from && from->optimizer)
    return mlo_quality_optimizer_copy (from->optimizer);
  mlo_random_seed (&random, mlo_seed_mix (o->seed, SEED_OPTIMIZER, 0));
  return mlo_quality_optimizer_new (&o->optimizer, &random);
}

/* Every rank starts from rank 0's numbers, wherever it has read its own. */
static void
start_together (Run * run, MloTrained * out)
{
  gsize n;

  if (mlo_group_size (group_of (run)) == 1)
    return;
  if (out->predictor) {
    float *params = mlo_bitrate_predictor_parameters (out->predictor, &n);

    follow_leader (run, params, n);
  }
  if (out->optimizer) {
    float *params = mlo_quality_optimizer_parameters (out->optimizer, &n);

    follow_leader (run, params, n);
  }
}

/* Episodes that run at once. */
typedef struct
{
  const MloEnvironment *env;
  const MloEpisode *episodes;   /* this rank's */
  MloRecording **out;
} Recorder;

static void
record_one (gpointer user_data, guint index)
{
  Recorder *r = user_data;

  r->out[index] = r->env->run (r->env->data, &r->episodes[index]);
}

/* Runs all episodes; (element-type MloRecording) in their order, fewer when stopped. */
static GPtrArray *
record (Run * run, const char *stage, const MloEpisode * episodes, guint n)
{
  GPtrArray *out = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);
  g_autofree MloRecording **made = g_new0 (MloRecording *, n);
  const guint chunk = RECORD_CHUNK * mlo_group_size (group_of (run));

  run->where.stage = stage;
  run->where.unit = "episodes";
  run->where.epoch = run->where.epochs = 0;
  run->where.total = n;
  run->where.epoch_complete = FALSE;
  run->where.validation = NAN;
  run->where.loss = NAN;
  for (guint at = 0; at < n && !run->stopped; at += chunk) {
    guint count = MIN (n - at, chunk), first, last;
    Recorder r = { run->env, episodes + at, made + at };

    mlo_group_share (group_of (run), count, &first, &last);
    r.episodes += first;
    r.out += first;
    mlo_workers_run (run->workers, last - first, record_one, &r);
    mlo_group_exchange_recordings (group_of (run), made + at, count);
    for (guint i = 0; i < count; i++)
      g_ptr_array_add (out, made[at + i]);
    run->where.done = at + count;
    on_progress (run, &run->where);
  }
  return out;
}

/* Rounds of recording and training: first others drive, then the predictor itself, since what it
 * measures depends on what it sends (dataset aggregation, Ross, Gordon and Bagnell 2011). */
static void
train_predictor (Run * run, MloTrained * out)
{
  const MloTrainerOptions *o = run->options;
  g_autoptr (GPtrArray) train = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);
  g_autoptr (GPtrArray) hold = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);
  g_autofree MloEpisode *episodes = g_new0 (MloEpisode, o->episodes);
  MloPredictorSummary summary = {.validation = NAN,.error = NAN,.over = NAN };
  g_autofree char *judged = NULL;
  MloRandom random;

  mlo_random_seed (&random, mlo_seed_mix (o->seed, SEED_ORDER, 0));
  run->where.rounds = o->rounds;
  for (guint round = 0; round < o->rounds && !run->stopped; round++) {
    g_autoptr (GPtrArray) made = NULL;

    run->where.round = round + 1;
    for (guint i = 0; i < o->episodes; i++) {
      episodes[i] = (MloEpisode) {
        .seed = mlo_seed_mix (o->seed, SEED_RECORD, (guint64) round << 32 | i),.kind = i % run->env->n_kinds,.seconds =
            o->seconds,.interval_us = o->interval_us,.behaviour =
            round >
            0 ? MLO_BEHAVIOUR_PREDICTOR : i / run->env->n_kinds %
            2 ? MLO_BEHAVIOUR_LABEL : MLO_BEHAVIOUR_RULES,.predictor = out->predictor,
            /* sizes and frame rates move by chance, as the optimizer may move them */
      .epsilon = i / run->env->n_kinds % 3 == 0 ? 0.05 : 0.0,.horizon_s = o->horizon_s,};
    }
    made = record (run, "record", episodes, o->episodes);
    g_ptr_array_set_free_func (made, NULL);
    for (guint i = 0; i < made->len; i++)
      g_ptr_array_add ((i / run->env->n_kinds) % VALIDATION_EVERY == VALIDATION_EVERY - 1 ? hold : train,
          made->pdata[i]);
    if (run->stopped && round > 0)
      break;
    mlo_predictor_train (out->predictor, train, hold, &o->predictor_training, &random, run->workers, &run->where,
        on_progress, run, &summary);
  }
  g_free (out->predictor_summary);
  if (isfinite (summary.validation))
    judged =
        g_strdup_printf ("; validation loss %.5f, mean relative error %.3f, above the label %.2f", summary.validation,
        expm1 (summary.error), summary.over);
  out->predictor_summary =
      g_strdup_printf ("simulated: seed %" G_GUINT64_FORMAT ", %u rounds of %u episodes of %g s, "
      "horizon %g s, quantile %g%s%s", o->seed, o->rounds, o->episodes, o->seconds, o->horizon_s,
      o->predictor_training.quantile, judged ? judged : "", run->stopped ? "; stopped early" : "");
}

/* Mean reward a tick over the recordings, in points of R. */
static double
mean_reward (GPtrArray * recordings)
{
  double sum = 0.0;
  guint64 n = 0;

  for (guint i = 0; i < recordings->len; i++) {
    const MloRecording *r = recordings->pdata[i];

    for (guint k = 0; k < r->n; k++) {
      const MloTick *t = &r->ticks[k];

      if (isfinite (t->reward)) {
        sum += t->reward - t->price * G_USEC_PER_SEC / (double) r->interval_us;
        n++;
      }
    }
  }
  return n > 0 ? sum / (double) n : NAN;
}

/* Mean reward a tick of the optimizer as it is, over @n episodes that are always the same. */
static double
try_optimizer (Run * run, const MloTrained * out, guint n)
{
  const MloTrainerOptions *o = run->options;
  g_autofree MloEpisode *episodes = g_new0 (MloEpisode, n);
  g_autoptr (GPtrArray) made = NULL;

  for (guint i = 0; i < n; i++) {
    episodes[i] = (MloEpisode) {
    .seed = mlo_seed_mix (o->seed, SEED_SELECT, i),.kind = i % run->env->n_kinds,.seconds = o->seconds,.interval_us =
          o->interval_us,.behaviour = out->predictor ? MLO_BEHAVIOUR_PREDICTOR : MLO_BEHAVIOUR_RULES,.predictor =
          out->predictor,.optimizer = out->optimizer,.size_price = o->size_price,.fps_price =
          o->fps_price,.bitrate_price = o->bitrate_price,};
  }
  made = record (run, "select", episodes, n);
  return run->stopped ? NAN : mean_reward (made);
}

/* The values of the actions differ by less than their error: how much better than no change one must look, is tried. */
static double
choose_margin (Run * run, const MloTrained * out, double reward)
{
  static const double margins[] = { 0.0, 0.005, 0.01, 0.02, 0.04, 0.08 };
  double best = 0.0, best_reward = -INFINITY;

  for (guint i = 0; i < G_N_ELEMENTS (margins) && !run->stopped; i++) {
    double tried;

    mlo_quality_optimizer_set_margin (out->optimizer, margins[i]);
    tried = try_optimizer (run, out, MARGIN_EPISODES * run->options->select_episodes);
    if (tried > best_reward) {
      best_reward = tried;
      best = margins[i];
    }
  }
  mlo_quality_optimizer_set_margin (out->optimizer, best);
  return isfinite (best_reward) ? best_reward : reward;
}

static void
train_optimizer (Run * run, MloTrained * out)
{
  const MloTrainerOptions *o = run->options;
  const MloScaling *scaling = &mlo_quality_optimizer_config (out->optimizer)->scaling;
  MloOptimizerTraining training = o->optimizer_training;
  g_autoptr (MloReplay) replay = mlo_replay_new (o->replay_capacity);
  g_autoptr (MloOptimizerTrainer) trainer = mlo_optimizer_trainer_new (out->optimizer, &training);
  g_autofree MloEpisode *episodes = g_new0 (MloEpisode, o->optimizer_episodes);
  g_autofree float *best = NULL;
  gsize n_params;
  float *params = mlo_quality_optimizer_parameters (out->optimizer, &n_params);
  double best_reward = -INFINITY, loss = NAN;
  guint done = 0;
  MloRandom random;

  mlo_random_seed (&random, mlo_seed_mix (o->seed, SEED_SAMPLE, 0));
  best = g_memdup2 (params, n_params * sizeof (float));
  run->where.rounds = o->optimizer_rounds;
  for (guint round = 0; round < o->optimizer_rounds && !run->stopped; round++) {
    double along = (double) round / MAX (1u, o->optimizer_rounds - 1), sum = 0.0;
    /* chance fades over the first two thirds */
    double epsilon = o->epsilon_last + (o->epsilon_first - o->epsilon_last) * MAX (0.0, 1.0 - 1.5 * along);
    g_autoptr (GPtrArray) made = NULL;

    run->where.round = round + 1;
    for (guint i = 0; i < o->optimizer_episodes; i++) {
      episodes[i] = (MloEpisode) {
      .seed = mlo_seed_mix (o->seed, SEED_EXPLORE, (guint64) round << 32 | i),.kind = i % run->env->n_kinds,.seconds =
            o->seconds,.interval_us = o->interval_us,.behaviour =
            out->predictor ? MLO_BEHAVIOUR_PREDICTOR : MLO_BEHAVIOUR_RULES,.predictor = out->predictor,.optimizer =
            out->optimizer,.epsilon = epsilon,.baseline = TRUE,.size_price = o->size_price,.fps_price =
            o->fps_price,.bitrate_price = o->bitrate_price,};
    }
    follow_leader (run, params, n_params);
    made = record (run, "record", episodes, o->optimizer_episodes);
    for (guint i = 0; i < made->len; i++)
      mlo_replay_add_recording (replay, made->pdata[i], scaling, training.n_steps, training.gamma);
    if (mlo_replay_size (replay) == 0)
      break;

    mlo_optimizer_trainer_set_rate (trainer, training.rate * (0.1 + 0.9 * 0.5 * (1.0 + cos (G_PI * along))));
    run->where.stage = "optimizer";
    run->where.unit = "updates";
    run->where.total = (double) o->optimizer_updates * o->optimizer_rounds;
    /* One batch is so little work that handing its gradient round would take longer: rank 0 does it. */
    for (guint u = 0; u < o->optimizer_updates && !run->stopped && mlo_group_leads (group_of (run)); u++) {
      sum += mlo_optimizer_trainer_update (trainer, replay, &random);
      loss = sum / (u + 1);
      if (++done % UPDATE_CHUNK == 0) {
        run->where.done = done;
        run->where.loss = loss;
        run->where.epoch_complete = FALSE;
        tell (run, &run->where);
      }
    }
    follow_leader (run, params, n_params);

    run->where.validation = NAN;
    if ((round + 1) % o->select_every == 0 || round + 1 == o->optimizer_rounds) {
      g_autofree float *running = g_memdup2 (params, n_params * sizeof (float));
      double reward;

      mlo_optimizer_trainer_average (trainer, params);
      follow_leader (run, params, n_params);
      reward = try_optimizer (run, out, o->select_episodes);

      run->where.validation = reward;
      if (reward > best_reward) {
        best_reward = reward;
        memcpy (best, params, n_params * sizeof (float));
      }
      memcpy (params, running, n_params * sizeof (float));
    }
    run->where.stage = "optimizer";
    run->where.unit = "updates";
    run->where.done = done;
    run->where.total = (double) o->optimizer_updates * o->optimizer_rounds;
    run->where.loss = loss;
    run->where.epoch_complete = TRUE;
    on_progress (run, &run->where);
  }
  if (best_reward > -INFINITY)
    memcpy (params, best, n_params * sizeof (float));
  best_reward = choose_margin (run, out, best_reward);
  g_free (out->optimizer_summary);
  out->optimizer_summary = g_strdup_printf ("simulated: seed %" G_GUINT64_FORMAT ", %u rounds of %u episodes of %g s, "
      "%u updates of %u, n %u, gamma %g, price of a size %g, a frame rate %g and a gain %g; margin %g, mean reward %.2f in the trials%s",
      o->seed, o->optimizer_rounds, o->optimizer_episodes, o->seconds, done, training.batch, training.n_steps,
      training.gamma, o->size_price, o->fps_price, o->bitrate_price,
      mlo_quality_optimizer_config (out->optimizer)->margin, best_reward, run->stopped ? "; stopped early" : "");
}

void
mlo_trainer_simulate (const MloTrainerOptions * options, const MloEnvironment * env, MloWorkers * workers,
    const MloTrained * from, MloProgressFunc progress, gpointer user_data, MloTrained * out)
{
  Run run = { options, env, workers, progress, user_data, {0}, FALSE };

  memset (out, 0, sizeof *out);
  out->predictor = start_predictor (options, from);
  start_together (&run, out);
  if (from)
    out->predictor_summary = g_strdup (from->predictor_summary);
  if (options->rounds > 0)
    train_predictor (&run, out);
  if (options->optimizer_rounds > 0 && !run.stopped) {
    out->optimizer = start_optimizer (options, from);
    train_optimizer (&run, out);
  } else if (from && from->optimizer) {
    out->optimizer = mlo_quality_optimizer_copy (from->optimizer);
    out->optimizer_summary = g_strdup (from->optimizer_summary);
  }
  out->stopped = run.stopped;
}

static void
split (const MloDataset * d, GPtrArray * train, GPtrArray * hold)
{
  for (guint i = 0; i < d->n_recordings; i++) {
    const MloRecording *r = d->recordings[i];

    if (d->n_recordings >= VALIDATION_EVERY) {
      g_ptr_array_add (i % VALIDATION_EVERY == VALIDATION_EVERY - 1 ? hold : train, mlo_recording_cut (r, 0, r->n));
    } else {
      guint kept = r->n - r->n / VALIDATION_EVERY;

      g_ptr_array_add (train, mlo_recording_cut (r, 0, kept));
      g_ptr_array_add (hold, mlo_recording_cut (r, kept, r->n - kept));
    }
  }
}

/* Offline: fills @replay; the number of actions that occur. */
static guint
fill_replay (MloReplay * replay, GPtrArray * recordings, const MloScaling * scaling, const MloOptimizerTraining * o)
{
  guint32 seen = 0;

  for (guint i = 0; i < recordings->len; i++)
    mlo_replay_add_recording (replay, recordings->pdata[i], scaling, o->n_steps, o->gamma);
  for (guint i = 0; i < mlo_replay_size (replay); i++)
    seen |= 1u << mlo_replay_get (replay, i)->action;
  return (guint) __builtin_popcount (seen);
}

gboolean
mlo_trainer_dataset (const MloTrainerOptions * options, const MloDataset * dataset, guint epochs, MloWorkers * workers,
    const MloTrained * from, MloProgressFunc progress, gpointer user_data, MloTrained * out, GError ** error)
{
  Run run = { options, NULL, workers, progress, user_data, {0}, FALSE };
  MloPredictorTraining training = options->predictor_training;
  g_autoptr (GPtrArray) train = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);
  g_autoptr (GPtrArray) hold = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);
  g_autoptr (MloReplay) replay = mlo_replay_new (CLAMP (dataset->n_ticks, 1, options->replay_capacity));
  MloOptimizerTraining offline = options->optimizer_training;
  MloPredictorSummary summary;
  MloRandom random;

  memset (out, 0, sizeof *out);
  out->predictor = start_predictor (options, from);
  out->optimizer = start_optimizer (options, from);
  start_together (&run, out);
  split (dataset, train, hold);
  training.epochs = epochs;
  mlo_random_seed (&random, mlo_seed_mix (options->seed, SEED_ORDER, 0));
  if (!mlo_predictor_train (out->predictor, train, hold, &training, &random, workers, &run.where, on_progress, &run,
          &summary)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "nothing to learn from: no recording is longer than %u ticks and "
        "has bandwidth_kbps", training.warm_up);
    mlo_trained_clear (out);
    return FALSE;
  }
  out->predictor_summary =
      g_strdup_printf ("dataset: seed %" G_GUINT64_FORMAT ", %u samples, %u recordings, %u epochs, "
      "quantile %g; validation loss %.5f%s", options->seed, dataset->n_samples, dataset->n_recordings,
      summary.epochs, training.quantile, summary.validation, run.stopped ? "; stopped early" : "");

  if (offline.conservative <= 0.0)
    offline.conservative = 0.1;
  if (run.stopped || fill_replay (replay, train, &mlo_quality_optimizer_config (out->optimizer)->scaling, &offline) < 2) {
    /* nothing in it to compare actions by: no network rather than a random one */
    if (!from || !from->optimizer)
      g_clear_pointer (&out->optimizer, mlo_quality_optimizer_free);
    else
      out->optimizer_summary = g_strdup (from->optimizer_summary);
  } else {
    g_autoptr (MloOptimizerTrainer) trainer = mlo_optimizer_trainer_new (out->optimizer, &offline);
    guint per_epoch = MAX (1u, mlo_replay_size (replay) / offline.batch), done = 0;
    gsize n_params;
    float *params = mlo_quality_optimizer_parameters (out->optimizer, &n_params);

    mlo_random_seed (&random, mlo_seed_mix (options->seed, SEED_SAMPLE, 0));
    memset (&run.where, 0, sizeof run.where);
    run.where.stage = "optimizer";
    run.where.unit = "updates";
    run.where.epochs = epochs;
    run.where.total = (double) per_epoch *epochs;
    run.where.validation = NAN;
    for (guint epoch = 0; epoch < epochs && !run.stopped; epoch++) {
      double sum = 0.0;

      run.where.epoch = epoch + 1;
      for (guint u = 0; u < per_epoch && !run.stopped && mlo_group_leads (group_of (&run)); u++) {
        sum += mlo_optimizer_trainer_update (trainer, replay, &random);
        run.where.loss = sum / (u + 1);
        run.where.done = ++done;
        run.where.epoch_complete = FALSE;
        if (done % UPDATE_CHUNK == 0)
          tell (&run, &run.where);
      }
      run.where.epoch_complete = TRUE;
      on_progress (&run, &run.where);
    }
    mlo_optimizer_trainer_average (trainer, params);
    follow_leader (&run, params, n_params);
    out->optimizer_summary =
        g_strdup_printf ("dataset, offline: seed %" G_GUINT64_FORMAT ", %u transitions, %u updates, "
        "conservative %g%s", options->seed, mlo_replay_size (replay), done, offline.conservative,
        run.stopped ? "; stopped early" : "");
  }
  out->stopped = run.stopped;
  return TRUE;
}
