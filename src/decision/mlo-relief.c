/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-relief.h"

#include <math.h>
#include <string.h>

/* Within this of a change of size a preset is part of it. */
#define WITH_SIZE_US G_USEC_PER_SEC

void
mlo_relief_init (MloRelief * r)
{
  memset (r, 0, sizeof *r);
  r->share = -1.0;
}

static void
observe_decoder (MloRelief * r, gint64 now_us, const MloEncoderLoad * load, double fps)
{
  /* What it takes of the frames that it gets: those that the window keeps back are not its doing. */
  double got = load->fps > 0.0 && load->fps < fps ? load->fps : fps;

  r->decoder_share = load->decode_ms > 0.0 && isfinite (load->decode_ms) && fps > 0.0
      && isfinite (fps) ? load->decode_ms * fps / 1000.0 : 0.0;
  if (r->decoder_share * (fps > 0.0 ? got / fps : 1.0) < MLO_RELIEF_OVER)
    r->decoder_over_us = 0;
  else if (r->decoder_over_us == 0)
    r->decoder_over_us = MAX (now_us, 1);
  r->decoder_overloaded = r->decoder_over_us != 0 && now_us - r->decoder_over_us >= MLO_RELIEF_HOLD_US
      && (r->changed_us == 0 || now_us - r->changed_us >= MLO_RELIEF_TOLD_US);
}

void
mlo_relief_observe (MloRelief * r, gint64 now_us, const MloEncoderLoad * load, double fps)
{
  gboolean late, tight;
  double busy;

  if (fps <= 0.0)
    fps = load->due_fps > 0.0 ? load->due_fps : load->fps;
  observe_decoder (r, now_us, load, fps);
  if (!(load->busy_ms >= 0.0) || !isfinite (load->busy_ms) || !(fps > 0.0) || !isfinite (fps)) {
    r->share = -1.0;
    r->overloaded = FALSE;
    r->over_us = 0;
    return;
  }
  r->share = load->busy_ms * fps / 1000.0;
  /* A source that sends less than its caps say leaves the encoder idle. */
  busy = load->busy_ms * load->fps / 1000.0;
  late = load->due_fps > 0.0 && load->fps < MLO_RELIEF_LATE * load->due_fps;
  tight = busy >= MLO_RELIEF_OVER_LATE;
  if (tight)
    r->tight_us = MAX (now_us, 1);
  if (busy >= MLO_RELIEF_OVER || (tight && late)) {
    if (r->over_us == 0)
      r->over_us = MAX (now_us, 1);
  } else
    r->over_us = 0;
  r->overloaded = r->over_us != 0 && now_us - r->over_us >= MLO_RELIEF_HOLD_US
      && (r->changed_us == 0 || now_us - r->changed_us >= MLO_RELIEF_DWELL_US);
}

static gboolean
may_preset (const MloLadderContext * ctx)
{
  return ctx->traits->can_preset && (ctx->limits->adapt & MLO_ADAPT_PRESET);
}

static int
faster_steps (const MloRelief * r, const MloLadderContext * ctx)
{
  return may_preset (ctx) ? MAX (ctx->traits->preset_faster - r->step, 0) : 0;
}

/* How far down: a preset slower than the user's own is for pictures smaller than the source's. */
static int
slowest_step (const MloLadder * l, const MloLadderContext * ctx)
{
  return l->size.index == 0 ? 0 : -ctx->traits->preset_slower;
}

/* Whether the preset may be one step slower where it now needs @share. */
static gboolean
may_slow (const MloRelief * r, const MloLadder * l, const MloLadderContext * ctx, double share)
{
  gint64 wait_us = r->step > 0 ? MLO_RELIEF_RETURN_US : MLO_RELIEF_HEADROOM_US;

  return r->step > slowest_step (l, ctx) && share >= 0.0 && share / MLO_RELIEF_STEP <= MLO_RELIEF_EASY
      && (r->tight_us == 0 || ctx->now_us - r->tight_us >= wait_us);
}

/* By how many steps the preset must be faster for @share to come down to what is aimed at. */
static int
steps_needed (double share)
{
  return share <= MLO_RELIEF_FIT ? 0 : (int) MIN (ceil (log (share / MLO_RELIEF_FIT) / -log (MLO_RELIEF_STEP)), 100.0);
}

void
mlo_relief_context (const MloRelief * r, MloLadderContext * ctx)
{
  ctx->encoder_share = MAX (MAX (r->share, 0.0) * pow (MLO_RELIEF_STEP, faster_steps (r, ctx)), r->decoder_share);
  ctx->encoder_fit = MLO_RELIEF_FIT;
  ctx->encoder_pixels = MLO_RELIEF_PIXELS;
}

guint32
mlo_relief_mask (const MloRelief * r, const MloLadder * l, const MloLadderContext * ctx)
{
  gboolean with_size = !ctx->traits->preset_restarts && l->size.changed_us != 0
      && ctx->now_us - l->size.changed_us < WITH_SIZE_US;
  guint32 mask = 0;

  if (faster_steps (r, ctx) > 0 && (r->overloaded || with_size))
    mask |= 1u << MLO_ACTION_PRESET_FASTER;
  if (may_preset (ctx) && with_size && !r->overloaded && may_slow (r, l, ctx, r->share))
    mask |= 1u << MLO_ACTION_PRESET_SLOWER;
  return mask;
}

/* The load is another one from now on, and what was measured is of the one before. */
static void
changed (MloRelief * r, const MloLadderContext * ctx)
{
  r->changed_us = MAX (ctx->now_us, 1);
  r->over_us = r->decoder_over_us = 0;
  r->overloaded = r->decoder_overloaded = FALSE;
}

/* Smaller pictures, or fewer, as far as @ctx has it. */
static MloAction
shed (MloRelief * r, MloLadder * l, const MloLadderContext * ctx)
{
  MloAction action = mlo_ladder_shed (l, ctx);

  r->shed |= action != MLO_ACTION_NONE;
  return action;
}

MloAction
mlo_relief_act (MloRelief * r, MloLadder * l, const MloLadderContext * ctx)
{
  MloLadderContext rest = *ctx;
  MloAction action = MLO_ACTION_NONE;
  int steps, needed;

  if (!r->overloaded && !r->decoder_overloaded)
    return MLO_ACTION_NONE;
  r->for_decoder = !r->overloaded;
  if (r->for_decoder) {
    rest.encoder_share = r->decoder_share;
    action = shed (r, l, &rest);
    if (action != MLO_ACTION_NONE)
      changed (r, ctx);
    return action;
  }
  needed = MAX (steps_needed (r->share), 1);
  steps = MIN (needed, faster_steps (r, ctx));
  if (steps > 0) {
    r->step += steps;
    action = MLO_ACTION_PRESET_FASTER;
  }
  rest.encoder_share = MAX (r->share * pow (MLO_RELIEF_STEP, steps), r->decoder_overloaded ? r->decoder_share : 0.0);
  /* Together, where the encoder is restarted but once; with steps left over the load tells first. */
  if (steps == 0 || (steps < needed && rest.encoder_share >= MLO_RELIEF_OVER)) {
    MloAction less = shed (r, l, &rest);

    if (action == MLO_ACTION_NONE)
      action = less;
  }
  if (action != MLO_ACTION_NONE)
    changed (r, ctx);
  return action;
}

void
mlo_relief_follow (MloRelief * r, const MloLadder * l, const MloLadderContext * ctx, double pixels, double frames,
    gboolean size)
{
  double share = r->share * pow (pixels, MLO_RELIEF_PIXELS) * frames;

  if (may_preset (ctx) && size && r->share >= 0.0) {
    if (steps_needed (share) > 0)
      r->step += MIN (steps_needed (share), faster_steps (r, ctx));
    else {
      for (; may_slow (r, l, ctx, share); share /= MLO_RELIEF_STEP)
        r->step--;
    }
  }
  if (size)
    r->step = MAX (r->step, slowest_step (l, ctx));
  r->shed &= l->size.index > 0 || l->rate.index > 0;
  changed (r, ctx);
}

void
mlo_relief_step (MloRelief * r, const MloLadderContext * ctx, MloAction action)
{
  r->step += action == MLO_ACTION_PRESET_FASTER ? 1 : -1;
  changed (r, ctx);
}

void
mlo_relief_place (MloRelief * r, const MloActuatorTraits * traits, int step)
{
  r->step = traits->can_preset ? CLAMP (step, -traits->preset_slower, traits->preset_faster) : 0;
}
