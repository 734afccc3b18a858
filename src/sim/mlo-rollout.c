/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-rollout.h"

#include <math.h>

#include "mlo-controller.h"

/* The range of labels when the predictor gives none: what its output can say, not what the user allows. */
#define LABEL_MIN_KBPS 100.0
#define LABEL_MAX_KBPS 30000.0
/* Time beyond the episode for its last frames to be shown, so that every tick has its reward. */
#define TAIL_S 3.0
/* How far and how fast the factor on the label wanders (deviation of its logarithm, share renewed a tick). */
#define WANDER_SIGMA 0.3
#define WANDER_RENEW 0.03

/* How chance picks among the possible actions. A size or a frame rate that is left cannot be had back for many
 * seconds, so were they as likely as the rest, all exploration would happen at the ladder's lower end. */
static const double explore_weight[MLO_N_ACTIONS] = {
  [MLO_ACTION_RESOLUTION_UP] = 0.05,
  [MLO_ACTION_RESOLUTION_DOWN] = 0.02,
  [MLO_ACTION_FPS_UP] = 0.05,
  [MLO_ACTION_FPS_DOWN] = 0.02,
  [MLO_ACTION_BITRATE_UP] = 1.0,
  [MLO_ACTION_BITRATE_DOWN] = 1.0,
  [MLO_ACTION_PRESET_FASTER] = 0.02,
  [MLO_ACTION_PRESET_SLOWER] = 0.02,
  [MLO_ACTION_NONE] = 1.0,
};

typedef struct
{
  const MloEpisode *episode;
  MloEnv *env;
  MloRandom random;
  double wander;                /* logarithm of the factor on the label */
} Rollout;

static MloAction
choose (gpointer user_data, const float state[MLO_OPTIMIZER_FEATURES], guint32 mask, const float *values)
{
  Rollout *r = user_data;
  MloAction best = MLO_ACTION_NONE;

  if (mlo_random_chance (&r->random, r->episode->epsilon)) {
    double sum = 0.0, at;

    for (guint a = 0; a < MLO_N_ACTIONS; a++)
      sum += mask >> a & 1 ? explore_weight[a] : 0.0;
    at = mlo_random_uniform (&r->random) * sum;
    for (guint a = 0; a < MLO_N_ACTIONS; a++) {
      if (mask >> a & 1 && (at -= explore_weight[a]) < 0.0)
        return (MloAction) a;
    }
  }
  if (!values)
    return MLO_ACTION_NONE;
  for (guint a = 0; a < MLO_N_ACTIONS; a++) {
    if (mask >> a & 1 && (!(mask >> best & 1) || values[a] > values[best]))
      best = (MloAction) a;
  }
  return best;
}

/* A driver that knows the future, but not quite: the network sees what comes of other rates than its own. */
static double
predict_label (gpointer user_data, const MloSample * sample, double predicted_kbps)
{
  Rollout *r = user_data;

  r->wander += WANDER_RENEW * -r->wander + WANDER_SIGMA * sqrt (2.0 * WANDER_RENEW) * mlo_random_normal (&r->random);
  return mlo_env_label_kbps (r->env, r->episode->horizon_s > 0.0 ? r->episode->horizon_s : 1.0) * exp (r->wander);
}

MloTrace *
mlo_rollout_draw_link (MloTraceKind kind, guint64 seed, double seconds, MloEnvConfig * config)
{
  MloTrace *trace;
  MloRandom random;

  mlo_random_seed (&random, seed);
  trace = mlo_trace_generate (kind, &random, seconds);
  mlo_env_config_randomise (config, kind, &random);
  return trace;
}

static MloRecording *
run_once (const MloEpisode * episode)
{
  MloEnvConfig config;
  g_autoptr (MloTrace) trace = mlo_rollout_draw_link ((MloTraceKind) episode->kind, episode->seed,
      episode->seconds + TAIL_S, &config);
  MloControllerConfig control = mlo_controller_config_default;
  Rollout r = {.episode = episode };
  g_autoptr (MloEnv) env = NULL;
  g_autoptr (MloController) controller = NULL;
  MloRecording *rec = mlo_recording_new (episode->interval_us);
  g_autofree double *rewards = g_new (double, (gsize) (episode->seconds + TAIL_S) + 2);
  guint n_ticks = (guint) (episode->seconds * G_USEC_PER_SEC / (double) episode->interval_us), n_rewards = 0;
  MloEnvStep step;

  mlo_random_seed (&r.random, episode->seed ^ G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));
  config.interval_us = episode->interval_us;
  control.limits = config.limits;
  control.source = config.source;
  control.traits = mlo_actuator_traits_default;
  control.interval_us = episode->interval_us;
  control.rule_ladder = episode->behaviour != MLO_BEHAVIOUR_PREDICTOR && episode->epsilon <= 0.0;
  control.user_data = &r;
  if (episode->behaviour == MLO_BEHAVIOUR_PREDICTOR)
    control.predictor = episode->predictor;
  if (episode->behaviour == MLO_BEHAVIOUR_LABEL)
    control.predict = predict_label;
  control.optimizer = episode->optimizer;
  if (episode->epsilon > 0.0)
    control.choose = choose;
  /* the queue is as the link was drawn; the label knows no user */
  if (config.queue_bytes <= 0.0)
    config.queue_bytes = config.queue_ms * mlo_trace_mean_kbps (trace, config.limits.max_bitrate_kbps) / 8.0;
  config.limits.min_bitrate_kbps = LABEL_MIN_KBPS;
  config.limits.max_bitrate_kbps = LABEL_MAX_KBPS;

  env = mlo_env_new (&config, trace, episode->seed);
  r.env = env;
  controller = mlo_controller_new (&control);
  for (guint i = 0; i < n_ticks + (guint) (TAIL_S * G_USEC_PER_SEC / (double) episode->interval_us); i++) {
    mlo_env_step (env, mlo_controller_policy (controller), &step);
    if (step.second_complete)
      rewards[n_rewards++] = step.reward;
    if (i < n_ticks) {
      const MloDecision *d = &step.decision;
      MloTick *t = mlo_recording_append (rec);

      t->sample = *mlo_controller_sample (controller);
      t->mask = d->action_mask | 1u << MLO_ACTION_NONE;
      t->action = (guint8) (t->mask >> d->action & 1 ? d->action : MLO_ACTION_NONE);
      if (d->changed & MLO_ADAPT_RESOLUTION)
        t->price += (float) episode->size_price;
      if (d->changed & MLO_ADAPT_FRAMERATE)
        t->price += (float) episode->fps_price;
      if (t->action == MLO_ACTION_BITRATE_UP || t->action == MLO_ACTION_BITRATE_DOWN)
        t->price += (float) episode->bitrate_price;
      if (episode->horizon_s > 0.0)
        t->label_kbps = (float) mlo_env_label_kbps (env, episode->horizon_s);
    }
  }
  /* the second of display time in which what was decided at the tick is seen */
  for (guint i = 0; i < rec->n; i++) {
    guint second = (guint) ((gint64) (i + 1) * episode->interval_us / G_USEC_PER_SEC);

    if (second < n_rewards)
      rec->ticks[i].reward = (float) rewards[second];
  }
  return rec;
}

/* The reward of a second is mostly the link's doing. What the same link gives when nobody acts does not depend on the
 * actions, so taking it off changes no choice and leaves far less chance in what is left (Mao, Venkatakrishnan,
 * Schwarzkopf and Alizadeh, "Variance reduction for reinforcement learning in input-driven environments", 2019). */
static MloRecording *
run (gconstpointer data, const MloEpisode * episode)
{
  MloRecording *rec = run_once (episode);

  if (episode->baseline) {
    MloEpisode idle = *episode;
    g_autoptr (MloRecording) reference = NULL;

    idle.optimizer = NULL;
    idle.epsilon = 0.0;
    idle.horizon_s = 0.0;
    reference = run_once (&idle);
    for (guint i = 0; i < rec->n; i++)
      rec->ticks[i].baseline = reference->ticks[i].reward;
  }
  return rec;
}

static const char *
kind_name (guint kind)
{
  return mlo_trace_kind_name ((MloTraceKind) kind);
}

static const MloEnvironment environment = {
  .n_kinds = MLO_N_TRACE_KINDS,
  .kind_name = kind_name,
  .run = run,
};

const MloEnvironment *
mlo_rollout_environment (void)
{
  return &environment;
}
