/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-label.h"

#include <math.h>

#include "mlo-qoe.h"

/*
 * A sender of constant rate puts a frame of b bytes into the link each 1 / fps. With P the link's
 * position and E the position at which all that was sent has left (mlo-link.c),
 *
 *   E_k = max (E_(k-1), P (t_k)) + b,  the frame arrives at P^-1 (E_k).
 *
 * An empty sender, which sends next to nothing, would have its frame wait P^-1 (P (t_k) + e) - t_k;
 * only what a rate adds to that is held against it, and a frame that the empty sender could not get
 * through in time either does not count at all.
 */

/* e: bytes of the empty sender's frame, about the least an encoder puts out. */
#define EMPTY_BYTES 300.0
#define LATE_US (MLO_QOE_MAX_DELAY_MS * 1000.0)
#define GAP_FREE_US 100000.0
/* The score hardly falls any more beyond such a delay, so that a deep queue would not be worth
 * draining within the horizon; it is priced on, points a ms. */
#define DEEP_MS 300.0
#define DEEP_PRICE 0.06
/* What a path carries does not end where these pictures look perfect, nor begin where they look like anything: the
 * score's own slope (66 points over 20 dB) goes on beyond 40 and below 20 dB. Whether that is of use is not the
 * predictor's question; without it the label of a picture too complex for the link is the least rate there is. */
#define BEYOND_DB 40.0
#define BELOW_DB 20.0
#define PSNR_SLOPE 3.3
/* Complexity moves all the time; the PSNR of the rates is computed anew after this much. */
#define COMPLEXITY_STEP 0.02
/* Of the search between two rates, in their distance: 1.8 %. */
#define FINEST_STEP 0.125
G_STATIC_ASSERT ((MLO_LABEL_RATES - 1) % MLO_LABEL_COARSE == 0);

static guint
prepare (MloLabel * l, const MloLabelInput * in, guint * n_steps)
{
  const double frame_us = 1e6 / in->fps, horizon_us = MIN (in->horizon_s, 5.0) * 1e6;
  guint n = (guint) CLAMP (ceil (horizon_us / frame_us - 1e-9), 1.0, MLO_LABEL_MAX_FRAMES), j = 0;
  guint steps = (guint) MIN (ceil ((horizon_us + LATE_US) / MLO_LABEL_STEP_US) + 1.0, MLO_LABEL_MAX_STEPS);
  double start = in->carried (in->path, in->now_us);

  l->carried[0] = 0.0;
  for (guint i = 1; i <= steps; i++) {
    double delta;

    l->carried[i] = in->carried (in->path, in->now_us + (gint64) i * MLO_LABEL_STEP_US) - start;
    delta = l->carried[i] - l->carried[i - 1];
    l->per_byte[i] = delta > 0.0 ? MLO_LABEL_STEP_US / delta : 0.0;
  }
  for (guint k = 0; k < n; k++) {
    double at = k * frame_us, position, target;
    guint step = (guint) (at / MLO_LABEL_STEP_US);

    position = l->carried[step] + (l->carried[step + 1] - l->carried[step]) * (at / MLO_LABEL_STEP_US - step);
    target = position + EMPTY_BYTES;
    while (j <= steps && l->carried[j] < target)
      j++;
    l->frame_carried[k] = position;
    l->empty_us[k] = j > steps ? -1.0 : j * (double) MLO_LABEL_STEP_US - (l->carried[j] - target) * l->per_byte[j] - at;
    if (l->empty_us[k] > LATE_US)
      l->empty_us[k] = -1.0;
  }
  *n_steps = steps;
  return n;
}

static double
reward_of (const MloLabel * l, const MloLabelInput * in, guint n, guint steps, double kbps, double psnr_db)
{
  const double frame_us = 1e6 / in->fps;
  const double bytes = 125.0 * kbps * in->overhead / in->fps;
  double end = in->backlog_bytes, delay = 0.0, gaps = 0.0, last = -1.0, last_empty = -1.0;
  guint shown = 0, possible = 0, j = 1;
  double hit = 0.0, whole;
  MloQoeSecond second;

  /* Chance loss: the more packets a frame has, the more frames are hit, and until the key frame that was asked for
   * comes the reference is broken. */
  if (in->loss_events > 0.0) {
    double broken;

    hit = 1.0 - pow (1.0 - MIN (in->loss_events, 1.0), ceil (125.0 * kbps / in->fps / in->payload));
    broken = hit * in->fps * in->repair_s;
    psnr_db -= in->broken_db * broken / (1.0 + broken);
  }
  whole = 1.0 - hit;

  for (guint k = 0; k < n; k++) {
    double at = k * frame_us, arrival, wait;

    end = MAX (end, l->frame_carried[k]) + bytes;
    if (l->empty_us[k] < 0.0)
      continue;
    possible++;
    while (j <= steps && l->carried[j] < end)
      j++;
    if (j > steps)
      continue;
    arrival = j * (double) MLO_LABEL_STEP_US - (l->carried[j] - end) * l->per_byte[j];
    wait = arrival - at;
    if (wait > LATE_US)
      continue;
    shown++;
    delay += MAX (wait - l->empty_us[k], 0.0);
    if (last >= 0.0)
      gaps += MAX (arrival - last - GAP_FREE_US, 0.0) - MAX (at + l->empty_us[k] - last_empty - GAP_FREE_US, 0.0);
    last = arrival;
    last_empty = at + l->empty_us[k];
  }
  if (possible == 0)
    return MLO_QOE_REWARD_FLOOR;
  second = (MloQoeSecond) {
  .psnr_db = psnr_db,.fps = in->fps * whole * shown / possible,.delay_ms =
        in->base_ms + (shown > 0 ? delay / shown / 1000.0 : 0.0),.lost_percent =
        100.0 * (possible - whole * shown) / possible,.gap_ms = MAX (gaps, 0.0) / 1000.0 / MIN (in->horizon_s, 5.0),};
  return mlo_qoe_reward (&second) + PSNR_SLOPE * (MAX (psnr_db - BEYOND_DB, 0.0) - MAX (BELOW_DB - psnr_db, 0.0))
      - DEEP_PRICE * MAX (second.delay_ms - DEEP_MS, 0.0);
}

double
mlo_label_reward (MloLabel * l, const MloLabelInput * in, double kbps)
{
  guint steps, n = prepare (l, in, &steps);

  return reward_of (l, in, n, steps, kbps, mlo_qoe_psnr_db (kbps, in->fps, in->scale, in->pixels, in->complexity));
}

static void
fill_rates (MloLabel * l, const MloLabelInput * in)
{
  if (l->fps == in->fps && l->scale == in->scale && l->pixels == in->pixels && l->min_kbps == in->min_kbps
      && l->max_kbps == in->max_kbps && fabs (l->complexity - in->complexity) < COMPLEXITY_STEP)
    return;
  l->fps = in->fps;
  l->scale = in->scale;
  l->pixels = in->pixels;
  l->complexity = in->complexity;
  l->min_kbps = in->min_kbps;
  l->max_kbps = in->max_kbps;
  for (guint i = 0; i < MLO_LABEL_RATES; i++) {
    l->rate_kbps[i] = in->min_kbps * pow (in->max_kbps / in->min_kbps, i / (MLO_LABEL_RATES - 1.0));
    l->psnr_db[i] = mlo_qoe_psnr_db (l->rate_kbps[i], in->fps, in->scale, in->pixels, in->complexity);
  }
}

/* The rate at a place between those of the table, and the PSNR there. */
static double
between (const MloLabel * l, double place, double *psnr_db)
{
  guint i = (guint) CLAMP (place, 0.0, MLO_LABEL_RATES - 2.0);
  double part = place - i;

  *psnr_db = l->psnr_db[i] + part * (l->psnr_db[i + 1] - l->psnr_db[i]);
  return l->rate_kbps[i] * pow (l->rate_kbps[i + 1] / l->rate_kbps[i], part);
}

double
mlo_label_curve (MloLabel * l, const MloLabelInput * in, float rewards[MLO_LABEL_POINTS])
{
  guint steps, n = prepare (l, in, &steps), best = 0, from, to;
  double reward[MLO_LABEL_RATES], place, top, psnr_db;

  fill_rates (l, in);
  /* Each MLO_LABEL_COARSE-th rate first, then the best one's neighbours: the reward has one hill, as quality
   * rises ever more slowly and the queue's cost ever faster. */
  for (guint i = 0; i < MLO_LABEL_RATES; i += MLO_LABEL_COARSE) {
    reward[i] = reward_of (l, in, n, steps, l->rate_kbps[i], l->psnr_db[i]);
    if (rewards)
      rewards[i / MLO_LABEL_COARSE] = (float) reward[i];
    if (reward[i] > reward[best])
      best = i;
  }
  from = best >= MLO_LABEL_COARSE ? best - MLO_LABEL_COARSE + 1 : 0;
  to = MIN (best + MLO_LABEL_COARSE - 1, MLO_LABEL_RATES - 1);
  for (guint i = from; i <= to; i++) {
    if (i % MLO_LABEL_COARSE != 0) {
      reward[i] = reward_of (l, in, n, steps, l->rate_kbps[i], l->psnr_db[i]);
      if (reward[i] > reward[best])
        best = i;
    }
  }
  /* Then between them: on a steady link the reward rises up to the capacity and falls off a cliff behind it, which no
   * parabola through three points far apart finds. */
  place = best;
  top = reward[best];
  for (double step = 0.5; step >= FINEST_STEP; step *= 0.5) {
    double middle = place;

    for (int side = -1; side <= 1; side += 2) {
      double at = middle + side * step, r;

      if (at < 0.0 || at > MLO_LABEL_RATES - 1.0)
        continue;
      r = between (l, at, &psnr_db);
      r = reward_of (l, in, n, steps, r, psnr_db);
      if (r > top) {
        top = r;
        place = at;
      }
    }
  }
  return between (l, place, &psnr_db);
}

double
mlo_label_kbps (MloLabel * l, const MloLabelInput * in)
{
  return mlo_label_curve (l, in, NULL);
}
