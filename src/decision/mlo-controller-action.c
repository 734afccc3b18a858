/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which action is taken: the encoder's relief first, then the optimizer's or the rule's choice. */
#include <math.h>

#include "mlo-controller-private.h"

/* The optimizer's factors on the prediction. */
static const double gains[] = { 0.7, 0.78, 0.86, 0.93, 1.0, 1.07, 1.15 };

#define GAIN_NEUTRAL 4
#define GAIN_DWELL_US G_USEC_PER_SEC
/* Without another step the factor goes back to neutral by one in this time: the optimizer does not see it, so
 * what it did long ago must not linger. */
#define GAIN_RELAX_US (3 * G_USEC_PER_SEC)
/* Smoothing of the bitrate by which the ladder goes, a second. */
#define LADDER_SMOOTH_S 3.0
/* ... and what is usual beside it. */
#define LADDER_USUAL_S 20.0
/* A deaf encoder may put out this much more than was decided. */
#define DEAF_EXCESS 1.15
/* Points of R that the rule wants for a step. */
#define RULE_MARGIN 3.0
/* ... and for a step that the optimizer does not take. */
#define INSIST_MARGIN 5.0
#define UP ((1u << MLO_ACTION_RESOLUTION_UP) | (1u << MLO_ACTION_FPS_UP))

void
mlo_controller_reset_gain (MloController * c)
{
  c->gain = GAIN_NEUTRAL;
  c->gain_us = 0;
}

double
mlo_controller_gain (const MloController * c)
{
  return gains[c->gain];
}

static guint32
action_mask (const MloController * c, gint64 now_us, const MloLadderContext * ctx, double queue_ms)
{
  guint32 mask = mlo_ladder_mask (&c->ladder, ctx) | mlo_relief_mask (&c->relief, &c->ladder, ctx)
      | (1u << MLO_ACTION_NONE);

  if (c->guard.state == MLO_GUARD_NORMAL && (c->gain_us == 0 || now_us - c->gain_us >= GAIN_DWELL_US)) {
    if (c->gain + 1 < G_N_ELEMENTS (gains) && queue_ms < 0.5 * c->config.limits.target_delay_ms)
      mask |= 1u << MLO_ACTION_BITRATE_UP;
    if (c->gain > 0)
      mask |= 1u << MLO_ACTION_BITRATE_DOWN;
  }
  return mask;
}

/* Sizes and frame rates that the picture and frame-rate terms promise much of are taken whatever the optimizer sees in
 * them: its values are about the next seconds, a size stays for half a minute. */
static MloAction
insist (const MloController * c, guint32 mask, const MloLadderContext * ctx, MloAction chosen)
{
  MloAction sure = mlo_ladder_rule (&c->ladder, ctx, mask, INSIST_MARGIN);

  return sure == MLO_ACTION_NONE ? chosen : sure;
}

static MloAction
choose_action (MloController * c, guint32 mask, const MloLadderContext * ctx)
{
  const MloControllerConfig *k = &c->config;
  MloAction chosen;
  float values[MLO_N_ACTIONS];

  if (c->guard.state == MLO_GUARD_HOLD || c->guard.was_lost)
    return MLO_ACTION_NONE;
  if ((k->optimizer || k->choose) && (mlo_feedback_any (&c->feedback) || mlo_controller_metrics_feed (c))) {
    if (!k->choose) {
      MloAction best = mlo_quality_optimizer_choose (k->optimizer, c->optimizer_state, mask, values);
      MloAction tried = mlo_explorer_choose (&c->explorer, &c->sample, mask, best);

      chosen = insist (c, mask, ctx, tried);
      c->decision.chance = c->explorer.could && chosen == tried;
      c->decision.explored = c->explorer.now && chosen == tried;
      return chosen;
    }
    if (k->optimizer && mlo_quality_optimizer_values (k->optimizer, c->optimizer_state, values))
      chosen = k->choose (k->user_data, c->optimizer_state, mask, values);
    else
      chosen = k->choose (k->user_data, c->optimizer_state, mask, NULL);
    return insist (c, mask, ctx, chosen);
  }
  return k->rule_ladder
      || mlo_controller_by_transport (c) ? mlo_ladder_rule (&c->ladder, ctx, mask, RULE_MARGIN) : MLO_ACTION_NONE;
}

/* A deaf encoder's rate is held by size and frame rate: down while it puts out more than was decided, and not up
 * again, for what it would put out there is not known. */
static gboolean
hold_deaf (MloController * c, const MloLadderContext * ctx)
{
  MloAction action = MLO_ACTION_NONE;

  if (!c->config.traits.deaf || c->guard.state == MLO_GUARD_HOLD)
    return FALSE;
  c->decision.action_mask = 1u << MLO_ACTION_NONE;
  if (mlo_sample_get (&c->sample, MLO_FIELD_ENCODED, 0.0) > DEAF_EXCESS * c->decision.bitrate_kbps)
    action = mlo_ladder_shed (&c->ladder, ctx);
  c->decision.action = action;
  return TRUE;
}

/* An encoder that cannot keep up comes before what the networks want, feedback or none. */
static gboolean
relieve (MloController * c, const MloLadderContext * ctx)
{
  guint size = c->ladder.size.index;
  MloAction action = mlo_relief_act (&c->relief, &c->ladder, ctx);

  if (action == MLO_ACTION_NONE)
    return FALSE;
  c->resized = c->ladder.size.index != size;
  c->decision.action = action;
  return TRUE;
}

void
mlo_controller_explain_relief (MloController * c)
{
  MloDecision *d = &c->decision;

  d->limiter = MLO_LIMITER_ENCODER;
  if (c->relief.for_decoder) {
    d->reason = d->action == MLO_ACTION_RESOLUTION_DOWN ? "the receiver's decoder is too slow: smaller pictures"
        : "the receiver's decoder is too slow: fewer frames";
    return;
  }
  d->reason = d->action == MLO_ACTION_PRESET_FASTER ? "the encoder is too slow: a faster preset"
      : d->action == MLO_ACTION_RESOLUTION_DOWN ? "the encoder is too slow: smaller pictures"
      : "the encoder is too slow: fewer frames";
}

/* A step of the ladder, and the preset that goes with it. */
static void
step_ladder (MloController * c, const MloLadderContext * ctx, MloAction action)
{
  double scale = mlo_ladder_size (&c->ladder)->scale, fps = mlo_ladder_fps (&c->ladder), pixels = 1.0, frames = 1.0;

  mlo_ladder_step (&c->ladder, ctx, action);
  if (scale > 0.0)
    pixels = pow (mlo_ladder_size (&c->ladder)->scale / scale, 2.0);
  if (fps > 0.0)
    frames = mlo_ladder_fps (&c->ladder) / fps;
  mlo_relief_follow (&c->relief, &c->ladder, ctx, pixels, frames, action <= MLO_ACTION_RESOLUTION_DOWN);
}

static void
apply_action (MloController * c, gint64 now_us, const MloLadderContext * ctx, MloAction action)
{
  switch (action) {
    case MLO_ACTION_RESOLUTION_UP:
    case MLO_ACTION_RESOLUTION_DOWN:
      c->pending = action;
      break;
    case MLO_ACTION_FPS_UP:
    case MLO_ACTION_FPS_DOWN:
      step_ladder (c, ctx, action);
      break;
    case MLO_ACTION_PRESET_FASTER:
    case MLO_ACTION_PRESET_SLOWER:
      mlo_relief_step (&c->relief, ctx, action);
      break;
    case MLO_ACTION_BITRATE_UP:
      c->gain++;
      c->gain_us = now_us;
      break;
    case MLO_ACTION_BITRATE_DOWN:
      c->gain--;
      c->gain_us = now_us;
      break;
    default:
      break;
  }
}

/* What was chosen at the last tick, where it is still possible. */
static gboolean
change_size (MloController * c, const MloLadderContext * ctx)
{
  MloAction action = c->pending;

  c->pending = MLO_ACTION_NONE;
  if (c->guard.was_lost || c->config.traits.deaf || !(mlo_ladder_mask (&c->ladder, ctx) >> action & 1))
    return FALSE;
  step_ladder (c, ctx, action);
  return TRUE;
}

static void
ladder_context (MloController * c, gint64 now_us, double dt_s, MloLadderContext * ctx)
{
  const MloControllerConfig *k = &c->config;

  /* A dead link says nothing of which size is right when it is back. */
  if (!c->guard.was_lost) {
    c->ladder_kbps += (c->decision.bitrate_kbps - c->ladder_kbps) * (1.0 - exp (-dt_s / LADDER_SMOOTH_S));
    c->usual_kbps += (c->decision.bitrate_kbps - c->usual_kbps) * (1.0 - exp (-dt_s / LADDER_USUAL_S));
  }
  ctx->now_us = now_us;
  ctx->bitrate_kbps = c->ladder_kbps;
  ctx->usual_kbps = c->usual_kbps;
  ctx->complexity = mlo_sample_get (&c->sample, MLO_FIELD_COMPLEXITY, MLO_USUAL_COMPLEXITY);
  ctx->queue_full = mlo_sample_get (&c->sample, MLO_FIELD_QUEUE_DELAY, 0.0) > 0.5 * k->limits.target_delay_ms;
  ctx->limits = &k->limits;
  ctx->traits = &k->traits;
  mlo_relief_observe (&c->relief, now_us, &c->load, mlo_ladder_fps (&c->ladder));
  mlo_relief_context (&c->relief, ctx);
}

gboolean
mlo_controller_act (MloController * c, gint64 now_us, double dt_s)
{
  const MloControllerConfig *k = &c->config;
  const MloScaling *scaling = &mlo_scaling_log_default;
  MloLadderContext ctx;
  gboolean relieved;

  ladder_context (c, now_us, dt_s, &ctx);
  if (k->optimizer)
    scaling = &mlo_quality_optimizer_config (k->optimizer)->scaling;
  mlo_features_optimizer (scaling, &c->sample, c->optimizer_state);
  c->decision.action_mask = action_mask (c, now_us, &ctx, mlo_sample_get (&c->sample, MLO_FIELD_QUEUE_DELAY, 0.0));
  c->decision.chance = c->decision.explored = FALSE;
  c->resized = FALSE;
  relieved = relieve (c, &ctx);
  if (relieved) {
    c->pending = MLO_ACTION_NONE;
  } else if (c->pending != MLO_ACTION_NONE) {
    c->resized = change_size (c, &ctx);
    c->decision.action = MLO_ACTION_NONE;
    c->decision.action_mask = 1u << MLO_ACTION_NONE;
  } else if (!hold_deaf (c, &ctx)) {
    c->decision.action = choose_action (c, c->decision.action_mask, &ctx);
    /* What was given up for the encoder comes back as soon as it bears it, feedback or none. */
    if (c->decision.action == MLO_ACTION_NONE && c->relief.shed)
      c->decision.action = mlo_ladder_rule (&c->ladder, &ctx, c->decision.action_mask & UP, 0.0);
    apply_action (c, now_us, &ctx, c->decision.action);
  }

  if (c->gain != GAIN_NEUTRAL && now_us - c->gain_us >= GAIN_RELAX_US) {
    c->gain = c->gain < GAIN_NEUTRAL ? c->gain + 1 : c->gain - 1;
    c->gain_us = now_us - GAIN_DWELL_US;
  }
  return relieved;
}
