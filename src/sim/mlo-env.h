/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ENV_H
#define MLO_ENV_H

#include "mlo-policy.h"
#include "mlo-qoe.h"
#include "mlo-trace.h"

G_BEGIN_DECLS

/**
 * MloEnv: one simulated stream in virtual time: source, encoder model, bottleneck, feedback,
 * player, with any policy in control. Everything random comes from the seed.
 */
typedef struct _MloEnv MloEnv;

typedef enum
{
  MLO_FEEDBACK_TWCC,            /* per packet */
  MLO_FEEDBACK_RECEIVER_REPORTS,
  MLO_FEEDBACK_NONE,
} MloFeedbackKind;

typedef struct
{
  /* path */
  double rtt_ms;                /* base, without queue; used where the trace has none */
  double queue_bytes;           /* drop-tail; <= 0: queue_ms at the trace's mean rate, capacity above
                                 * limits.max_bitrate_kbps not counted */
  double queue_ms;              /* <= 0: 300; never less than 24 kB */
  double random_loss;           /* 0..1 independent */
  double burst_loss, burst_length;      /* Gilbert: share of the time in the bad state, mean packets lost */
  double jitter_ms;             /* deviation of extra delay, order kept */
  double grid_ms;               /* > 0: delivery only at multiples of it */
  double cross_kbps;            /* mean cross traffic that comes and goes */
  double shaper_kbps;           /* > 0: a token bucket of this rate before the link, ... */
  double shaper_bytes;          /* ... which lets so much pass at once */
  gboolean use_trace_rtt;       /* rtt and loss from the trace's columns where it has them */
  /* feedback */
  MloFeedbackKind feedback;
  double feedback_interval_ms;  /* 0: one report a frame */
  double feedback_loss;
  /* source and encoder */
  MloSource source;
  double complexity;            /* mean 0..1; moves around it */
  double scene_cut_s;           /* mean time between scene cuts, 0: none */
  double still_every_s;         /* mean time between phases of 1 to 10 s in which nothing moves, 0: none */
  double still_from_s, still_to_s;      /* one such phase at this time; 0, 0: none */
  double encode_ms;             /* per frame at source size */
  double rate_error;            /* lasting relative error of the encoder's rate, e.g. -0.05 */
  double decode_ms;
  gint64 interval_us;           /* of the policy's ticks */
  MloLimits limits;             /* for the record and the label */
} MloEnvConfig;

extern const MloEnvConfig mlo_env_config_default;

/* Domain randomisation: everything above drawn anew for a link of this kind. */
void mlo_env_config_randomise (MloEnvConfig * config, MloTraceKind kind, MloRandom * random);

/* @trace is borrowed and outlives the env. */
MloEnv *mlo_env_new (const MloEnvConfig * config, const MloTrace * trace, guint64 seed);
void mlo_env_free (MloEnv * env);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloEnv, mlo_env_free)

typedef struct
{
  gint64 time_us;
  MloDecision decision;         /* taken at the end of this step */
  MloSample sample;             /* local observation the policy was given */
  double capacity_kbps;         /* true, at this time */
  double queue_ms;              /* true backlog at the link's present rate, at most 10000 */
  double reward;                /* of the second of display time that ended last before this step (NAN in the first) */
  gboolean second_complete;     /* @reward is new in this step */
} MloEnvStep;

/* Runs to the end of the next tick, the policy's decision included. */
void mlo_env_step (MloEnv * env, MloPolicy * policy, MloEnvStep * step);

/* The omniscient label now: the constant rate (kbit/s of encoder output, from a log grid in
 * limits.min..max) that maximises section 8's reward over the next @horizon_s in the fluid link
 * with the present backlog; delay that an empty sender would meet too does not count against it. */
double mlo_env_label_kbps (MloEnv * env, double horizon_s);

typedef struct
{
  double seconds;
  double score;                 /* mean R over the complete seconds */
  double reward;                /* mean reward */
  double mos;
  double psnr_db;
  double bitrate_kbps;          /* received media */
  double utilisation;           /* IP bytes delivered / min (capacity, what max-bitrate needs) */
  double delay_p50_ms, delay_p95_ms, delay_p99_ms;      /* per frame, capture to decoded */
  double delay_p95_clear_ms, delay_p99_clear_ms;        /* frames captured outside outages */
  double loss;                  /* packets */
  guint freezes;
  double freeze_s, freeze_clear_s;      /* all; outside outages of the link */
  guint size_changes, fps_changes, bitrate_changes, keyframes, skipped;
  double backlog_p95_ms;        /* met by each frame's first packet */
} MloEnvResult;

void mlo_env_result (MloEnv * env, MloEnvResult * result);

G_END_DECLS
#endif
