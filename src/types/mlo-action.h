/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ACTION_H
#define MLO_ACTION_H

#include <glib.h>

G_BEGIN_DECLS

/* The quality optimizer's actions, in the order of its outputs. */
typedef enum
{
  MLO_ACTION_RESOLUTION_UP,
  MLO_ACTION_RESOLUTION_DOWN,
  MLO_ACTION_FPS_UP,
  MLO_ACTION_FPS_DOWN,
  MLO_ACTION_BITRATE_UP,
  MLO_ACTION_BITRATE_DOWN,
  MLO_ACTION_PRESET_FASTER,
  MLO_ACTION_PRESET_SLOWER,
  MLO_ACTION_NONE,
  MLO_N_ACTIONS
} MloAction;

#define MLO_ACTION_MASK_ALL ((1u << MLO_N_ACTIONS) - 1)

/* What the element may change; also the property `adapt`. */
typedef enum
{
  MLO_ADAPT_BITRATE = 1 << 0,
  MLO_ADAPT_RESOLUTION = 1 << 1,
  MLO_ADAPT_FRAMERATE = 1 << 2,
  MLO_ADAPT_PRESET = 1 << 3,
  MLO_ADAPT_FEC = 1 << 4,
} MloAdapt;

#define MLO_ADAPT_ALL 0x1fu

typedef enum
{
  MLO_GUARD_NORMAL,             /* the networks decide */
  MLO_GUARD_HOLD,               /* nothing is known yet: what was set stays */
  MLO_GUARD_BACKOFF,            /* a queue or a drop: drain first */
  MLO_GUARD_FALLBACK,           /* rules decide */
  MLO_N_GUARD_STATES
} MloGuardState;

/* Which limit decided. */
typedef enum
{
  MLO_LIMITER_NONE,             /* nothing to decide with yet */
  MLO_LIMITER_NETWORK,          /* the path's queue, loss or capacity */
  MLO_LIMITER_ENCODER,          /* the encoder cannot or does not obey */
  MLO_LIMITER_SOURCE,           /* the pictures need no more, or there are no more */
  MLO_LIMITER_USER,             /* min-bitrate, max-bitrate, adapt and so on */
  MLO_LIMITER_MODEL,            /* the networks' own choice */
  MLO_LIMITER_GUARD,            /* the guard's rules (slew, hold, fallback) */
  MLO_N_LIMITERS
} MloLimiter;

/**
 * MloDecision: everything that is to be set, and why. Complete each time; @changed says what
 * differs from the decision before.
 */
typedef struct
{
  gint64 timestamp_us;
  guint64 serial;               /* counts decisions */
  MloGuardState state;
  MloLimiter limiter;
  const char *reason;           /* static string: one short clause for people */
  MloAction action;             /* what was done with the ladder or the gain */
  guint32 action_mask;          /* bit 1 << MloAction: possible at this decision */
  gboolean chance;              /* chance had the choice of action (mlo-explorer.h) */
  gboolean explored;            /* and took another than the optimizer's */
  double bitrate_kbps;          /* encoder's output and parity, without packet headers */
  double predicted_kbps;        /* predictor's output, < 0: no model */
  double capacity_kbps;         /* estimated capacity of the path (IP bytes), < 0: unknown */
  double gain;                  /* the optimizer's factor on the prediction */
  double confidence;            /* 0..1 */
  int width, height;            /* picture at the encoder; 0: the source's */
  double fps;                   /* frames a second at the encoder; 0: the source's */
  int preset_step;              /* steps faster (+) or slower (-) than the encoder's own preset */
  int parity_percent;           /* parity packets in a hundred others; < 0: not ours to set */
  guint64 window_bytes;         /* bytes that may be in flight; G_MAXUINT64: no window */
  gint64 probe_interval_us;     /* > 0: feedback is lost, one frame in this time goes on */
  guint changed;                /* MloAdapt bits that differ from the decision before */
} MloDecision;

/* "resolution-up", ...; for people, JSON and GstStructure. Never NULL. */
const char *mlo_action_name (MloAction action);
/* "increase_resolution", "decrease_fps", ..., "no_change": the words of the WebSocket protocol. */
const char *mlo_action_protocol_name (MloAction action);
const char *mlo_guard_state_name (MloGuardState state);
const char *mlo_limiter_name (MloLimiter limiter);

G_END_DECLS
#endif
