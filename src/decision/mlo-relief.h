/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_RELIEF_H
#define MLO_RELIEF_H

#include "mlo-ladder.h"

G_BEGIN_DECLS

/**
 * MloRelief: what is done for an encoder that cannot keep up, or a receiver's decoder, and the encoder's preset with it.
 * Under overload a faster preset first (where it is the encoder's), then smaller pictures, then fewer frames; a slower preset again only after long headroom and
 * together with a change of size, because most encoders must be restarted for it. Plain struct, nothing allocated.
 */

/* Overload: the encoder is busy this share of the time, or the lower one while frames come late. Whether the machine has
 * anything left says nothing: a game takes all there is, and the encoder keeps up beside it. */
#define MLO_RELIEF_OVER 0.9
#define MLO_RELIEF_OVER_LATE 0.7
/* It takes fewer than this share of the frames that were to come. */
#define MLO_RELIEF_LATE 0.9
/* For this long, and this long after the last change: the load is a mean over half a second. */
#define MLO_RELIEF_HOLD_US (400 * G_TIME_SPAN_MILLISECOND)
#define MLO_RELIEF_DWELL_US (1500 * G_TIME_SPAN_MILLISECOND)
/* What is aimed at, and what a slower preset must leave. */
#define MLO_RELIEF_FIT 0.7
#define MLO_RELIEF_EASY 0.5
/* No slower preset than the encoder's own before it was busy less than MLO_RELIEF_OVER_LATE for this long, and none
 * back to it before the shorter time: a size, which costs the restart anyway, waits no longer than that. */
#define MLO_RELIEF_HEADROOM_US (30 * G_USEC_PER_SEC)
#define MLO_RELIEF_RETURN_US (8 * G_USEC_PER_SEC)
/* The receiver tells of its decoder once a second, and of the second before: this long after a change it is of what is
 * decoded now. */
#define MLO_RELIEF_TOLD_US (3 * G_USEC_PER_SEC)
/* Time by a step of preset (x264enc superfast to slow: 0.6 to 0.9), and exponent of the pixels in it. */
#define MLO_RELIEF_STEP 0.75
#define MLO_RELIEF_PIXELS 0.85

/* How loaded the encoder is, over the last half second. */
typedef struct
{
  double busy_ms;               /* mean time that a frame keeps it from taking the next; < 0: not known */
  double fps;                   /* frames it took */
  double due_fps;               /* frames it would have taken, had it kept up; <= 0: not known */
  double decode_ms;             /* what a frame takes the receiver's decoder, as it told; <= 0: not known */
} MloEncoderLoad;

typedef struct
{
  int step;                     /* steps faster (+) or slower (-) than the encoder's own preset */
  double share;                 /* of a frame's interval that the encoder needs; < 0: not known */
  double decoder_share;         /* likewise of the receiver's decoder; <= 0: not known */
  gboolean overloaded;          /* for long enough that something is to be done: the encoder, or ... */
  gboolean decoder_overloaded;  /* ... the decoder, which no preset helps */
  gint64 over_us, decoder_over_us;      /* since when; 0: not */
  gint64 tight_us;              /* when it had no headroom last; 0: never */
  gint64 changed_us;            /* when something was changed last that moves the load; 0: never */
  gboolean for_decoder;         /* what was done last was done for the decoder */
  gboolean shed;                /* size or rate were lowered for the encoder, and one of them still is lower */
} MloRelief;

void mlo_relief_init (MloRelief * r);

/* Once a tick. @fps: frames a second that are wanted from the encoder, 0: the source's. A load that is not known is no
 * overload. */
void mlo_relief_observe (MloRelief * r, gint64 now_us, const MloEncoderLoad * load, double fps);

/* Into @ctx: how loaded the encoder is and by how much presets can make it faster, so that the ladder does not go
 * up to what it cannot bear. */
void mlo_relief_context (const MloRelief * r, MloLadderContext * ctx);

/* Which of the two preset actions may be chosen now, as bits 1 << MloAction: faster under overload; with an encoder
 * that needs no restart both, as far as the load allows, for a second after a change of size. */
guint32 mlo_relief_mask (const MloRelief * r, const MloLadder * l, const MloLadderContext * ctx);

/* Under overload: a faster preset; where there is none, or none fast enough, one or more rungs down in size, else in
 * frame rate. What was done first, or MLO_ACTION_NONE. */
MloAction mlo_relief_act (MloRelief * r, MloLadder * l, const MloLadderContext * ctx);

/* A size or rate was changed; the pictures of a second have @pixels times as many pixels and @frames times as many
 * frames as before: the preset that fits, where @size (the change was one of size, so that the encoder restarts
 * anyway). At the source's size never slower than the encoder's own. */
void mlo_relief_follow (MloRelief * r, const MloLadder * l, const MloLadderContext * ctx, double pixels, double frames,
    gboolean size);

/* One step, that the mask allowed. */
void mlo_relief_step (MloRelief * r, const MloLadderContext * ctx, MloAction action);

/* Another encoder, or the application's choice: @step, within what the encoder has. */
void mlo_relief_place (MloRelief * r, const MloActuatorTraits * traits, int step);

G_END_DECLS
#endif
