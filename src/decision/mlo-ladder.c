/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-ladder.h"

#include <math.h>
#include <string.h>

#include "mlo-qoe.h"

/* Heights that decoders and scalers know well. */
static const int heights[] = { 2160, 1440, 1080, 900, 720, 540, 480, 360, 288, 240, 180 };

/* Between two steps down that hold the rate of an encoder that does not: its output is known a second late. */
#define SHED_DWELL_US (2 * G_USEC_PER_SEC)

/* Shares of the source's frame rate that time slots hit without judder in the mean. */
static const double shares[] = { 1.0, 0.75, 0.5, 1.0 / 3.0, 0.25 };

static void
add_size (MloLadder * l, const MloSource * s, int height)
{
  MloLadderSize *size = &l->sizes[l->n_sizes++];

  size->height = height;
  size->width = MAX (2, (int) lrint ((double) s->width * height / s->height / 2.0) * 2);
  size->scale = (double) height / s->height;
}

void
mlo_ladder_init (MloLadder * l, const MloSource * source, const MloLimits * limits)
{
  MloLadder old = *l;
  double top;

  memset (l, 0, sizeof *l);
  l->source = *source;
  if (source->width > 0 && source->height > 0) {
    add_size (l, source, source->height);
    l->sizes[0].width = source->width;
    for (guint i = 0; i < G_N_ELEMENTS (heights) && l->n_sizes < MLO_LADDER_MAX_SIZES; i++) {
      if (heights[i] < source->height && heights[i] >= limits->min_height)
        add_size (l, source, heights[i]);
    }
  } else
    l->n_sizes = 1;             /* 0 x 0: the source's, whatever it is */

  top = source->fps;
  if (limits->max_fps > 0.0 && (top <= 0.0 || limits->max_fps < top))
    top = limits->max_fps;
  l->rates[l->n_rates++] = MAX (top, 0.0);
  for (guint i = 1; i < G_N_ELEMENTS (shares); i++) {
    double rate = top * shares[i];

    if (rate >= limits->min_fps - 0.01 && rate > 0.0)
      l->rates[l->n_rates++] = rate;
  }
  if (old.n_sizes > 0) {
    mlo_ladder_place (l, old.size.index == 0 ? 0 : old.sizes[old.size.index].height,
        old.rate.index == 0 ? 0.0 : old.rates[old.rate.index]);
    l->size.changed_us = old.size.changed_us;
    l->rate.changed_us = old.rate.changed_us;
    l->size.left = l->size.index;
    l->rate.left = l->rate.index;
    l->size.bitrate_kbps = old.size.bitrate_kbps;
    l->rate.bitrate_kbps = old.rate.bitrate_kbps;
  }
}

/* Picture and frame-rate terms of the score at these rungs; delay and loss do not depend on them. */
static double
score (const MloLadder * l, const MloLadderContext * ctx, guint size, guint rate)
{
  double pixels = (double) l->source.width * l->source.height;
  double fps = l->rates[rate] > 0.0 ? l->rates[rate] : 60.0;
  MloQoeSecond s = {
    .fps = MIN (fps, MLO_QOE_REFRESH_HZ),
    .psnr_db = 40.0,
  };

  if (pixels > 0.0)
    s.psnr_db = mlo_qoe_psnr_db (ctx->bitrate_kbps, fps, l->sizes[size].scale, pixels, ctx->complexity);
  return mlo_qoe_reward (&s);
}

static gboolean
axis_may_move (const MloLadderAxis * a, const MloLadderContext * ctx, guint to, gint64 dwell_us, gboolean down)
{
  gboolean fell = down && a->changed_us != 0 && ctx->bitrate_kbps < MLO_LADDER_FELL * a->bitrate_kbps;
  gint64 since = a->changed_us == 0 ? G_MAXINT64 : ctx->now_us - a->changed_us;

  if (since < dwell_us)
    return FALSE;
  /* Back to where it came from: only after long, or when the link fell now or made it leave. */
  return to != a->left || a->left == a->index || since >= MLO_LADDER_RETURN_US || fell || a->fell;
}

/* Whether the encoder bears this rung. */
static gboolean
fits (const MloLadder * l, const MloLadderContext * ctx, guint size, guint rate)
{
  double scale = l->sizes[l->size.index].scale, share = ctx->encoder_share;

  if (share <= 0.0)
    return TRUE;
  if (scale > 0.0 && l->sizes[size].scale > 0.0)
    share *= pow (l->sizes[size].scale / scale, 2.0 * ctx->encoder_pixels);
  if (l->rates[l->rate.index] > 0.0)
    share *= l->rates[rate] / l->rates[l->rate.index];
  return share <= ctx->encoder_fit;
}

/* The best rung to go to in a direction, or the present one where none may be taken. */
static guint
best_size (const MloLadder * l, const MloLadderContext * ctx, gboolean down, double *gain)
{
  double here = score (l, ctx, l->size.index, l->rate.index), best = -INFINITY;
  guint from = down ? l->size.index + 1 : 0, to = down ? l->n_sizes : l->size.index, rung = l->size.index;

  for (guint i = from; i < to; i++) {
    double r = score (l, ctx, i, l->rate.index);

    if (r > best && axis_may_move (&l->size, ctx, i, MLO_LADDER_SIZE_DWELL_US, down)
        && (down || fits (l, ctx, i, l->rate.index))) {
      best = r;
      rung = i;
    }
  }
  *gain = best - here;
  return rung;
}

static guint
best_rate (const MloLadder * l, const MloLadderContext * ctx, gboolean down, double *gain)
{
  double here = score (l, ctx, l->size.index, l->rate.index), best = -INFINITY;
  guint from = down ? l->rate.index + 1 : 0, to = down ? l->n_rates : l->rate.index, rung = l->rate.index;

  for (guint i = from; i < to; i++) {
    double r = score (l, ctx, l->size.index, i);

    if (r > best && axis_may_move (&l->rate, ctx, i, MLO_LADDER_RATE_DWELL_US, down)
        && (down || fits (l, ctx, l->size.index, i))) {
      best = r;
      rung = i;
    }
  }
  *gain = best - here;
  return rung;
}

static guint
target_of (const MloLadder * l, const MloLadderContext * ctx, MloAction action, double *gain)
{
  switch (action) {
    case MLO_ACTION_RESOLUTION_UP:
      return best_size (l, ctx, FALSE, gain);
    case MLO_ACTION_RESOLUTION_DOWN:
      return best_size (l, ctx, TRUE, gain);
    case MLO_ACTION_FPS_UP:
      return best_rate (l, ctx, FALSE, gain);
    case MLO_ACTION_FPS_DOWN:
      return best_rate (l, ctx, TRUE, gain);
    default:
      g_return_val_if_reached (0);
  }
}

guint32
mlo_ladder_mask (const MloLadder * l, const MloLadderContext * ctx)
{
  guint32 mask = 0;

  for (MloAction a = MLO_ACTION_RESOLUTION_UP; a <= MLO_ACTION_FPS_DOWN; a++) {
    gboolean of_size = a <= MLO_ACTION_RESOLUTION_DOWN;
    double gain, margin;

    if (of_size ? !ctx->traits->can_resolution || !(ctx->limits->adapt & MLO_ADAPT_RESOLUTION) || ctx->queue_full
        : !ctx->traits->can_framerate || !(ctx->limits->adapt & MLO_ADAPT_FRAMERATE))
      continue;
    if (target_of (l, ctx, a, &gain) == (of_size ? l->size.index : l->rate.index))
      continue;
    margin =
        a == MLO_ACTION_FPS_UP ? MLO_LADDER_RATE_UP_MARGIN : !of_size ? MLO_LADDER_RATE_MARGIN : a ==
        MLO_ACTION_RESOLUTION_UP ? MLO_LADDER_UP_MARGIN : MLO_LADDER_DOWN_MARGIN;
    if (gain >= margin)
      mask |= 1u << a;
  }
  return mask;
}

MloAction
mlo_ladder_rule (const MloLadder * l, const MloLadderContext * ctx, guint32 mask, double margin)
{
  MloAction best = MLO_ACTION_NONE;

  for (MloAction a = MLO_ACTION_RESOLUTION_UP; a <= MLO_ACTION_FPS_DOWN; a++) {
    double gain;

    if (!(mask & (1u << a)))
      continue;
    target_of (l, ctx, a, &gain);
    if (gain >= margin) {
      margin = gain;
      best = a;
    }
  }
  return best;
}

static void
move (MloLadderAxis * a, const MloLadderContext * ctx, guint to)
{
  a->fell = to > a->index && (ctx->bitrate_kbps < MLO_LADDER_FELL * ctx->usual_kbps
      || (a->changed_us != 0 && ctx->bitrate_kbps < MLO_LADDER_FELL * a->bitrate_kbps));
  a->left = a->index;
  a->index = to;
  a->changed_us = MAX (ctx->now_us, 1);
  a->bitrate_kbps = ctx->bitrate_kbps;
}

MloAction
mlo_ladder_shed (MloLadder * l, const MloLadderContext * ctx)
{
  gint64 last_us = MAX (l->size.changed_us, l->rate.changed_us);
  guint to;

  if (last_us != 0 && ctx->now_us - last_us < SHED_DWELL_US)
    return MLO_ACTION_NONE;
  if (ctx->traits->can_resolution && (ctx->limits->adapt & MLO_ADAPT_RESOLUTION) && l->size.index + 1 < l->n_sizes) {
    for (to = l->size.index + 1; to + 1 < l->n_sizes && !fits (l, ctx, to, l->rate.index);)
      to++;
    move (&l->size, ctx, to);
    return MLO_ACTION_RESOLUTION_DOWN;
  }
  if (ctx->traits->can_framerate && (ctx->limits->adapt & MLO_ADAPT_FRAMERATE) && l->rate.index + 1 < l->n_rates) {
    for (to = l->rate.index + 1; to + 1 < l->n_rates && !fits (l, ctx, l->size.index, to);)
      to++;
    move (&l->rate, ctx, to);
    return MLO_ACTION_FPS_DOWN;
  }
  return MLO_ACTION_NONE;
}

void
mlo_ladder_step (MloLadder * l, const MloLadderContext * ctx, MloAction action)
{
  double gain;
  guint to = target_of (l, ctx, action, &gain);

  move (action <= MLO_ACTION_RESOLUTION_DOWN ? &l->size : &l->rate, ctx, to);
}

void
mlo_ladder_place (MloLadder * l, int height, double fps)
{
  guint best = 0;

  for (guint i = 1; height > 0 && i < l->n_sizes; i++) {
    if (ABS (l->sizes[i].height - height) < ABS (l->sizes[best].height - height))
      best = i;
  }
  l->size.index = best;
  best = 0;
  for (guint i = 1; fps > 0.0 && i < l->n_rates; i++) {
    if (fabs (l->rates[i] - fps) < fabs (l->rates[best] - fps))
      best = i;
  }
  l->rate.index = best;
}
