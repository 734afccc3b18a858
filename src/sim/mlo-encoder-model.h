/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ENCODER_MODEL_H
#define MLO_ENCODER_MODEL_H

#include "mlo-random.h"

G_BEGIN_DECLS

/* VBV that the element sets on x264enc, as time at the target rate. */
#define MLO_ENCODER_VBV_S 0.2

typedef struct
{
  int width, height;            /* of the source */
  double complexity;            /* mean 0..1; moves around it */
  double scene_cut_s;           /* mean time between scene cuts, 0: none */
  double still_every_s;         /* mean time between phases in which the picture stands still, 0: none */
  double still_from_s, still_to_s;      /* one such phase at this time; 0, 0: none */
  double encode_ms;             /* per frame at source size */
  double rate_error;            /* lasting relative error of the rate */
} MloEncoderModelConfig;

/**
 * MloEncoderModel: what x264enc tune=zerolatency with a 200 ms VBV puts out for moving, game-like
 * pictures: sizes, key frames, picture quality, time. Plain struct, nothing allocated; everything
 * random comes from the seed.
 */
typedef struct
{
  MloEncoderModelConfig config;
  MloRandom random;             /* of the encoder */
  MloRandom content;            /* of the pictures: the same whatever is set on the encoder */
  /* set from outside */
  double target_kbps, fps;
  int width, height;
  int preset_step;
  gboolean force_key;
  /* the pictures */
  gint64 content_us;            /* how far they have been advanced */
  double scene;                 /* complexity of the present scene */
  double walk;                  /* complexity around it */
  gint64 cut_us, still_from_us, still_to_us;
  gboolean cut;                 /* a scene cut since the last encoded frame */
  double complexity;            /* now, 0..1 */
  /* the encoder */
  double rate_kbps;             /* follows the target within a few frames */
  double debt;                  /* bytes above what was planned */
  double vbv;                   /* bytes that the VBV holds for frames to come */
  double mean_bytes;            /* smoothed frame size */
} MloEncoderModel;

typedef struct
{
  guint32 bytes;
  gboolean keyframe;
  double psnr_db;
  double encode_ms;
} MloEncodedFrame;

void mlo_encoder_model_init (MloEncoderModel * m, const MloEncoderModelConfig * config, double start_kbps, double fps,
    guint64 seed);

/* Another rate acts on the next frames; another size makes the next a key frame. @fps: frames a
 * second that will come, so that the rate stays; frames left out beyond that lower it, as x264 counts. */
void mlo_encoder_model_set (MloEncoderModel * m, double kbps, double fps, int width, int height, int preset_step);
void mlo_encoder_model_force_key (MloEncoderModel * m);

/* The pictures go on, encoded or not. @now_us never falls. */
void mlo_encoder_model_advance (MloEncoderModel * m, gint64 now_us);
/* The picture at the time of the last advance. */
void mlo_encoder_model_encode (MloEncoderModel * m, MloEncodedFrame * frame);

G_END_DECLS
#endif
