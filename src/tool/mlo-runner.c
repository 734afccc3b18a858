/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-runner.h"

#include <math.h>
#include <string.h>

#include "mlo-baseline.h"
#include "mlo-controller.h"
#include "mlo-error.h"

static const struct
{
  const char *name;
  MloContenderKind kind;
} names[] = {
  {"ours", MLO_CONTENDER_OURS},
  {"no-dqn", MLO_CONTENDER_NO_DQN},
  {"rule-ladder", MLO_CONTENDER_RULE_LADDER},
  {"no-predictor", MLO_CONTENDER_NO_PREDICTOR},
  {"guard", MLO_CONTENDER_GUARD},
  {"rules", MLO_CONTENDER_RULES},
  {"label", MLO_CONTENDER_LABEL},
  {"gcc", MLO_CONTENDER_GCC},
  {"gcc-probing", MLO_CONTENDER_GCC_PROBING},
  {"omniscient", MLO_CONTENDER_OMNISCIENT},
  {"omniscient-mean", MLO_CONTENDER_OMNISCIENT_MEAN},
};

gboolean
mlo_contender_parse (const char *text, MloContender * out, GError ** error)
{
  memset (out, 0, sizeof *out);
  if (g_str_has_prefix (text, "fixed:")) {
    char *end = NULL;

    out->kind = MLO_CONTENDER_FIXED;
    out->kbps = g_ascii_strtod (text + 6, &end);
    if (end == text + 6 || *end != '\0' || !(out->kbps >= 1.0 && out->kbps <= 1e7)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "controller %s: not a rate from 1 to 10000000 kbit/s", text);
      return FALSE;
    }
    g_snprintf (out->name, sizeof out->name, "fixed:%g", out->kbps);
    return TRUE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (strcmp (text, names[i].name) == 0) {
      out->kind = names[i].kind;
      g_strlcpy (out->name, text, sizeof out->name);
      return TRUE;
    }
  }
  g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "controller \"%s\": not one of " MLO_CONTENDER_NAMES, text);
  return FALSE;
}

GArray *
mlo_contenders_parse (const char *text, GError ** error)
{
  g_autoptr (GArray) out = g_array_new (FALSE, FALSE, sizeof (MloContender));
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);

  for (guint i = 0; parts[i]; i++) {
    MloContender c;

    if (!mlo_contender_parse (g_strstrip (parts[i]), &c, error))
      return NULL;
    for (guint k = 0; k < out->len; k++) {
      if (strcmp (g_array_index (out, MloContender, k).name, c.name) == 0) {
        g_set_error (error, MLO_ERROR, MLO_ERROR_DUPLICATE, "controller \"%s\" twice", c.name);
        return NULL;
      }
    }
    g_array_append_val (out, c);
  }
  return g_steal_pointer (&out);
}

gboolean
mlo_contender_needs_predictor (const MloContender * c)
{
  return c->kind == MLO_CONTENDER_OURS || c->kind == MLO_CONTENDER_NO_DQN || c->kind == MLO_CONTENDER_RULE_LADDER;
}

gboolean
mlo_contender_needs_optimizer (const MloContender * c)
{
  return c->kind == MLO_CONTENDER_OURS || c->kind == MLO_CONTENDER_NO_PREDICTOR;
}

/* What the label needs, which a policy does not know. */
typedef struct
{
  MloEnv *env;
  double horizon_s;
} Oracle;

static double
predict_label (gpointer user_data, const MloSample * sample, double predicted_kbps)
{
  const Oracle *o = user_data;

  return mlo_env_label_kbps (o->env, o->horizon_s);
}

/* @controller: (out): ours, NULL where it is a baseline. */
static MloPolicy *
make_policy (const MloRun * run, Oracle * oracle, MloController ** controller)
{
  const MloContender *c = run->contender;
  const MloLimits *limits = &run->config->limits;
  MloControllerConfig config = mlo_controller_config_default;

  *controller = NULL;
  switch (c->kind) {
    case MLO_CONTENDER_FIXED:
      return mlo_fixed_new (c->kbps);
    case MLO_CONTENDER_GCC:
      return mlo_gcc_new (limits);
    case MLO_CONTENDER_GCC_PROBING:
      return mlo_gcc_probing_new (limits);
    case MLO_CONTENDER_OMNISCIENT:
      return mlo_omniscient_new (MLO_OMNISCIENT_CAUTIOUS, run->trace, limits);
    case MLO_CONTENDER_OMNISCIENT_MEAN:
      return mlo_omniscient_new (MLO_OMNISCIENT_MEAN, run->trace, limits);
    default:
      break;
  }
  config.limits = *limits;
  config.source = run->config->source;
  config.traits = mlo_actuator_traits_default;
  config.interval_us = run->config->interval_us;
  config.predictor = mlo_contender_needs_predictor (c) ? run->predictor : NULL;
  config.optimizer = mlo_contender_needs_optimizer (c) ? run->optimizer : NULL;
  config.rule_ladder = c->kind == MLO_CONTENDER_RULES || c->kind == MLO_CONTENDER_RULE_LADDER
      || c->kind == MLO_CONTENDER_LABEL;
  if (c->kind == MLO_CONTENDER_LABEL) {
    config.predict = predict_label;
    config.user_data = oracle;
  }
  *controller = mlo_controller_new (&config);
  return mlo_controller_policy (*controller);
}

/* A baseline with our eyes: it decides, and a controller that sees the same makes the observations for the log. */
typedef struct
{
  MloPolicy policy;
  MloPolicy *driver;
  MloController *observer;
} Watched;

static void
watched_on_packets (MloPolicy * policy, gint64 now_us, const MloPacket * packets, guint n)
{
  Watched *w = (Watched *) policy;

  mlo_controller_on_packets (w->observer, now_us, packets, n);
  if (w->driver->klass->on_packets)
    w->driver->klass->on_packets (w->driver, now_us, packets, n);
}

static void
watched_on_frame_sent (MloPolicy * policy, gint64 now_us, guint32 bytes, gboolean keyframe)
{
  Watched *w = (Watched *) policy;

  mlo_controller_on_frame_sent (w->observer, now_us, bytes, keyframe);
  if (w->driver->klass->on_frame_sent)
    w->driver->klass->on_frame_sent (w->driver, now_us, bytes, keyframe);
}

static void
watched_on_receiver_report (MloPolicy * policy, gint64 now_us, const MloReceiverReport * report)
{
  Watched *w = (Watched *) policy;

  mlo_controller_on_receiver_report (w->observer, now_us, report);
  if (w->driver->klass->on_receiver_report)
    w->driver->klass->on_receiver_report (w->driver, now_us, report);
}

static const MloDecision *
watched_tick (MloPolicy * policy, gint64 now_us, const MloSample * local)
{
  Watched *w = (Watched *) policy;
  const MloDecision *d = w->driver->klass->tick (w->driver, now_us, local);

  mlo_controller_tick (w->observer, now_us, local);
  mlo_controller_override (w->observer, d);
  return d;
}

static const MloDecision *
watched_react (MloPolicy * policy, gint64 now_us)
{
  Watched *w = (Watched *) policy;

  return w->driver->klass->react ? w->driver->klass->react (w->driver, now_us) : NULL;
}

static gboolean
watched_probe (MloPolicy * policy, gint64 now_us, MloProbe * probe)
{
  Watched *w = (Watched *) policy;

  return w->driver->klass->probe && w->driver->klass->probe (w->driver, now_us, probe);
}

static void
watched_free (MloPolicy * policy)
{
  Watched *w = (Watched *) policy;

  mlo_policy_free (w->driver);
  mlo_controller_free (w->observer);
  g_free (w);
}

static const MloPolicyClass watched_class = {
  .name = "watched",
  .on_packets = watched_on_packets,
  .on_frame_sent = watched_on_frame_sent,
  .on_receiver_report = watched_on_receiver_report,
  .tick = watched_tick,
  .react = watched_react,
  .probe = watched_probe,
  .free = watched_free,
};

/* Takes @driver. */
static MloPolicy *
watch (const MloRun * run, MloPolicy * driver, MloController ** observer)
{
  MloControllerConfig config = mlo_controller_config_default;
  Watched *w = g_new0 (Watched, 1);

  config.limits = run->config->limits;
  config.source = run->config->source;
  config.traits = mlo_actuator_traits_default;
  config.interval_us = run->config->interval_us;
  w->policy.klass = &watched_class;
  w->driver = driver;
  w->observer = *observer = mlo_controller_new (&config);
  return &w->policy;
}

void
mlo_run (const MloRun * run, MloRunOutcome * out)
{
  const MloLimits *limits = &run->config->limits;
  g_autoptr (MloEnv) env = mlo_env_new (run->config, run->trace, run->seed);
  Oracle oracle = { env, run->label_horizon_s > 0.0 ? run->label_horizon_s : 1.0 };
  MloController *controller;
  g_autoptr (MloPolicy) policy = make_policy (run, &oracle, &controller);
  guint n = (guint) lrint (run->seconds * G_USEC_PER_SEC / (double) run->config->interval_us);
  guint second = (guint) MAX (1, G_USEC_PER_SEC / run->config->interval_us);

  memset (out, 0, sizeof *out);
  if (!controller && run->on_tick)
    policy = watch (run, g_steal_pointer (&policy), &controller);
  for (guint i = 0; i < n; i++) {
    MloEnvStep step;
    const MloDecision *d = &step.decision;

    mlo_env_step (env, policy, &step);
    out->ticks++;
    if ((guint) d->action < MLO_N_ACTIONS)
      out->taken[d->action]++;
    for (guint a = 0; a < MLO_N_ACTIONS; a++)
      out->possible[a] += d->action_mask >> a & 1;
    if ((guint) d->state < MLO_N_GUARD_STATES)
      out->states[d->state]++;
    if (run->label_horizon_s > 0.0 && d->predicted_kbps > 0.0 && i % second == 0) {
      double label = mlo_env_label_kbps (env, run->label_horizon_s);
      double e = log (CLAMP (d->predicted_kbps, limits->min_bitrate_kbps, limits->max_bitrate_kbps)
          / CLAMP (label, limits->min_bitrate_kbps, limits->max_bitrate_kbps));

      out->predictions++;
      out->prediction_error += fabs (e);
      if (e > 0.0)
        out->prediction_over += e;
      else
        out->prediction_under -= e;
    }
    if (run->on_tick)
      run->on_tick (run->user_data, &step, mlo_controller_sample (controller));
  }
  mlo_env_result (env, &out->result);
}
