/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-encoder-model.h"

#include <string.h>

#include "mlo-qoe.h"

/*
 * Figures are from measurements of x264enc tune=zerolatency with vbv-buf-capacity=200: a lower rate
 * is reached within 155 ms and leaves 213 ms of queue on a link that carries just that rate, a higher
 * one within 350 ms; the mean is 95 to 96 % of the target; a key frame at 1500 kbit/s and 30 fps has
 * 27 kB at most.
 */
#define RATE_SHARE 0.955
#define DOWN_TAU_S 0.05
#define UP_TAU_S 0.12
/* Deviation of the logarithm of a frame's size, and how much of a deviation the next frame takes back. */
#define SIZE_SIGMA 0.20
#define DEBT_SHARE 0.25
/* Key frames as a multiple of a thirtieth of a second, pictures behind a cut of a frame. */
#define KEY_LOW 2.5
#define KEY_HIGH 4.5
#define CUT_LOW 2.0
#define CUT_HIGH 4.0
/* No frame takes more than this share of what the VBV holds. */
#define VBV_SHARE 0.75
/* A frame in which nothing moves. */
#define LEAST_BYTES 250.0
/* What a picture that stands still can use at most at 1280x720, kbit/s at 60 fps. */
#define STILL_KBPS 250.0
#define WALK_SIGMA 0.08
#define WALK_TAU_S 2.0
/* The pictures move on in steps of this. */
#define CONTENT_STEP_US 20000

static gint64
later (MloRandom * random, gint64 now_us, double mean_s)
{
  return mean_s > 0.0 ? now_us + 1 + (gint64) (1e6 * mlo_random_exponential (random, mean_s)) : G_MAXINT64;
}

void
mlo_encoder_model_init (MloEncoderModel * m, const MloEncoderModelConfig * config, double start_kbps, double fps,
    guint64 seed)
{
  memset (m, 0, sizeof *m);
  m->config = *config;
  mlo_random_seed (&m->random, seed);
  mlo_random_seed (&m->content, ~seed);
  m->target_kbps = m->rate_kbps = start_kbps;
  m->fps = fps;
  m->width = config->width;
  m->height = config->height;
  m->force_key = TRUE;          /* the first frame is one */
  m->scene = config->complexity;
  m->walk = WALK_SIGMA * mlo_random_normal (&m->content);
  m->complexity = CLAMP (m->scene + m->walk, 0.0, 1.0);
  m->cut_us = later (&m->content, 0, config->scene_cut_s);
  m->still_from_us = later (&m->content, 0, config->still_every_s);
  m->still_to_us = 0;
  m->vbv = 125.0 * start_kbps * MLO_ENCODER_VBV_S;
  m->mean_bytes = 125.0 * start_kbps / fps;
}

void
mlo_encoder_model_set (MloEncoderModel * m, double kbps, double fps, int width, int height, int preset_step)
{
  if (width != m->width || height != m->height)
    m->force_key = TRUE;
  if (fps != m->fps)
    m->mean_bytes *= m->fps / fps;
  m->target_kbps = kbps;
  m->fps = fps;
  m->width = width;
  m->height = height;
  m->preset_step = preset_step;
}

void
mlo_encoder_model_force_key (MloEncoderModel * m)
{
  m->force_key = TRUE;
}

void
mlo_encoder_model_advance (MloEncoderModel * m, gint64 now_us)
{
  const double keep = exp (-CONTENT_STEP_US / (WALK_TAU_S * 1e6));
  const double fresh = WALK_SIGMA * sqrt (1.0 - keep * keep);
  MloRandom *random = &m->content;

  while (m->content_us + CONTENT_STEP_US <= now_us) {
    m->content_us += CONTENT_STEP_US;
    m->walk = m->walk * keep + fresh * mlo_random_normal (random);
    if (m->content_us >= m->cut_us) {
      m->cut = TRUE;
      m->cut_us = later (random, m->content_us, m->config.scene_cut_s);
      m->scene = CLAMP (m->config.complexity + 0.06 * mlo_random_normal (random), 0.05, 0.95);
    }
    if (m->content_us >= m->still_from_us) {
      m->still_to_us = m->still_from_us + (gint64) (1e6 * mlo_random_log_range (random, 1.0, 10.0));
      m->still_from_us = later (random, m->still_to_us, m->config.still_every_s);
      m->cut = TRUE;
    }
  }
  if (m->content_us >= (gint64) (1e6 * m->config.still_from_s))
    m->still_to_us = MAX (m->still_to_us, (gint64) (1e6 * m->config.still_to_s));
  m->complexity = m->content_us < m->still_to_us ? 0.05 : CLAMP (m->scene + m->walk, 0.0, 1.0);
}

void
mlo_encoder_model_encode (MloEncoderModel * m, MloEncodedFrame * frame)
{
  const double dt = 1.0 / m->fps;
  const double source = (double) m->config.width * m->config.height;
  const double pixels = (double) m->width * m->height;
  const double tau = m->target_kbps < m->rate_kbps ? DOWN_TAU_S : UP_TAU_S;
  const gboolean still = m->content_us < m->still_to_us;
  MloRandom *random = &m->random;
  double planned, size, room, kbps;

  m->rate_kbps += (m->target_kbps - m->rate_kbps) * (1.0 - exp (-dt / tau));
  planned = 125.0 * m->rate_kbps * dt * RATE_SHARE * (1.0 + m->config.rate_error);

  size = planned * exp (SIZE_SIGMA * mlo_random_normal (random) - 0.5 * SIZE_SIGMA * SIZE_SIGMA);
  frame->keyframe = m->force_key;
  if (m->force_key)
    size = MAX (planned, 125.0 * m->rate_kbps / 30.0) * mlo_random_range (random, KEY_LOW, KEY_HIGH);
  else if (m->cut)
    size *= mlo_random_range (random, CUT_LOW, CUT_HIGH);
  else
    size = MAX (size - DEBT_SHARE * m->debt, 0.25 * planned);
  if (still && !frame->keyframe && !m->cut)
    size = MIN (size, 125.0 * STILL_KBPS * dt * pixels / (1280.0 * 720.0)
        * exp (0.3 * mlo_random_normal (random)));
  m->force_key = m->cut = FALSE;

  /* The VBV fills at the target rate; what it does not hold cannot be spent. */
  room = 125.0 * m->target_kbps * MLO_ENCODER_VBV_S;
  m->vbv = MIN (m->vbv + 125.0 * m->target_kbps * dt, room);
  size = MIN (size, MAX (VBV_SHARE * m->vbv, 0.3 * planned));
  size = MAX (size, LEAST_BYTES);
  m->vbv = MAX (m->vbv - size, 0.0);
  m->debt += size - planned;
  /* Unused rate is not saved up, a key frame is paid back within about the VBV's time. */
  m->debt = CLAMP (m->debt, -planned, room);

  m->mean_bytes += (size - m->mean_bytes) * (1.0 - exp (-dt / 0.25));
  kbps = m->mean_bytes * m->fps / 125.0;
  frame->bytes = (guint32) size;
  frame->psnr_db = mlo_qoe_psnr_db (kbps, m->fps, (double) m->height / m->config.height, source, m->complexity)
      + 0.3 * mlo_random_normal (random);
  frame->encode_ms = m->config.encode_ms * pow (pixels / source, 0.85) * pow (0.75, m->preset_step)
      * (0.8 + 0.4 * m->complexity) * (frame->keyframe ? 1.5 : 1.0) * exp (0.1 * mlo_random_normal (random));
}
