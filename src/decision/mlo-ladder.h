/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_LADDER_H
#define MLO_LADDER_H

#include "mlo-policy.h"

G_BEGIN_DECLS

/**
 * MloLadder: the sizes and frame rates that may be chosen, where we stand, and which steps are
 * possible now. A step goes to the rung in its direction that the score's picture and frame-rate
 * terms like best at the present bitrate, so one step may skip rungs; a step that those terms do not
 * promise enough for is masked. Plain struct, nothing allocated.
 */
#define MLO_LADDER_MAX_SIZES 10
#define MLO_LADDER_MAX_RATES 5
/* Points of R that a step must promise. A smaller size costs a key frame and stays for long, and half of the times
 * the link is back before it has paid for that (simulated links: 56.6 points with steps from 5 on, 57.3 from 9 on, 57.2
 * from 12 on, 56.3 without any; recordings: 76.8, 78.0, 78.0, 78.2). */
#define MLO_LADDER_DOWN_MARGIN 9.0
#define MLO_LADDER_UP_MARGIN 2.0
#define MLO_LADDER_RATE_MARGIN 3.0
#define MLO_LADDER_RATE_UP_MARGIN 1.0
/* Least time between two changes of size or of frame rate ... */
#define MLO_LADDER_SIZE_DWELL_US (10 * G_USEC_PER_SEC)
#define MLO_LADDER_RATE_DWELL_US (5 * G_USEC_PER_SEC)
/* ... and before going back to what was left, unless the link fell. */
#define MLO_LADDER_RETURN_US (30 * G_USEC_PER_SEC)
/* The link fell: the bitrate is below this share of what it was at the last change, or of what is usual. */
#define MLO_LADDER_FELL 0.6

typedef struct
{
  int width, height;
  double scale;                 /* height over the source's */
} MloLadderSize;

/* One direction that moves: sizes or rates. */
typedef struct
{
  guint index;                  /* 0: the source's own */
  guint left;                   /* rung before the last change */
  gint64 changed_us;            /* 0: never */
  double bitrate_kbps;          /* at the last change */
  gboolean fell;                /* the last change was forced by a fall of the link */
} MloLadderAxis;

typedef struct
{
  MloSource source;
  MloLadderSize sizes[MLO_LADDER_MAX_SIZES];    /* falling */
  guint n_sizes;
  double rates[MLO_LADDER_MAX_RATES];   /* falling, frames a second */
  guint n_rates;
  MloLadderAxis size, rate;
} MloLadder;

typedef struct
{
  gint64 now_us;
  double bitrate_kbps;          /* smoothed target */
  double usual_kbps;            /* the same over a longer time; <= 0: not known */
  double complexity;            /* 0..1 */
  gboolean queue_full;          /* no key frame into a full queue */
  const MloLimits *limits;
  const MloActuatorTraits *traits;
  /* Of a frame's interval that the encoder needs on the present rungs with its fastest preset (0: not known), what it
   * may need, and the exponent of the pixels in it: what it could not bear is not gone up to. */
  double encoder_share, encoder_fit, encoder_pixels;
} MloLadderContext;

/* Keeps the place where it can: after a change of source the nearest rung. Sizes are multiples of 2. */
void mlo_ladder_init (MloLadder * l, const MloSource * source, const MloLimits * limits);

/* Which of the four ladder actions are possible now, as bits 1 << MloAction. */
guint32 mlo_ladder_mask (const MloLadder * l, const MloLadderContext * ctx);

/* The action a rule would take: the possible step that gains most, at least @margin points; else MLO_ACTION_NONE. */
MloAction mlo_ladder_rule (const MloLadder * l, const MloLadderContext * ctx, guint32 mask, double margin);

/* For an encoder that does not follow its bitrate and puts out too much, or is too slow: one rung down in size (as
 * many as it takes until the encoder's load fits), else in frame rate, whatever the score says of it, no sooner than
 * two seconds after the last. What was done, or MLO_ACTION_NONE. */
MloAction mlo_ladder_shed (MloLadder * l, const MloLadderContext * ctx);

/* Takes a step that the mask allowed. */
void mlo_ladder_step (MloLadder * l, const MloLadderContext * ctx, MloAction action);

/* Puts the ladder on the rungs nearest to this size and rate (the application's choice); 0: the source's. */
void mlo_ladder_place (MloLadder * l, int height, double fps);

static inline const MloLadderSize *
mlo_ladder_size (const MloLadder * l)
{
  return &l->sizes[l->size.index];
}

static inline double
mlo_ladder_fps (const MloLadder * l)
{
  return l->rates[l->rate.index];
}

G_END_DECLS
#endif
