/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_CONTROLLER_PRIVATE_H
#define MLO_CONTROLLER_PRIVATE_H

#include "mlo-controller.h"
#include "mlo-dispersion.h"
#include "mlo-explorer.h"
#include "mlo-feedback.h"
#include "mlo-guard.h"
#include "mlo-ladder.h"
#include "mlo-parity.h"
#include "mlo-relief.h"
#include "mlo-window.h"

G_BEGIN_DECLS

/*
 * MloController in its parts: what comes in (mlo-controller-input.c), which action is taken (mlo-controller-action.c), and the
 * decision from both (mlo-controller.c).
 */

/* Largest capacity over this many ticks. */
#define RECENT_TICKS 10
/* Receiver reports count as feedback for this long. */
#define REPORT_FRESH_US (12 * G_USEC_PER_SEC)
/* Metrics with any of these are feedback. */
#define METRICS_PATH ((1u << MLO_FIELD_LATENCY) | (1u << MLO_FIELD_QUEUE_DELAY) | (1u << MLO_FIELD_PACKET_LOSS) \
    | (1u << MLO_FIELD_BANDWIDTH))
/* The networks never saw a stream without these. */
#define METRICS_NETWORKS ((1u << MLO_FIELD_LATENCY) | (1u << MLO_FIELD_BANDWIDTH))

struct _MloController
{
  MloPolicy policy;             /* first: freeing either frees both */
  MloControllerConfig config;
  MloPredictorState *predictor_state;
  MloFeedback feedback;
  MloDispersion dispersion;
  MloWindow flight;             /* what was sent and what came back */
  MloReceiverReport report;
  gint64 report_us, last_report_us;     /* newest receiver report and the one before; 0: none */
  gboolean report_fresh;        /* the guard has not seen it yet */
  double report_min_rtt_ms;
  gboolean metrics;             /* a server's metrics are the feedback */
  guint32 metrics_valid;        /* fields of the newest */
  gboolean transport_any;       /* @transport is what a transport says that is asked */
  MloTransportView transport;
  MloGuard guard;
  MloLadder ladder;
  MloRelief relief;
  MloParity parity;
  MloParityStream parity_stream;
  gboolean queued;              /* there was a queue between two ticks */
  guint64 parity_packets, parity_lost;  /* of the feedback's, that it has counted */
  MloExplorer explorer;
  MloEncoderLoad load;          /* the newest, of the tick to come */
  MloCapacity capacity;
  gint64 capacity_us;           /* when it was measured */
  double recent_capacity[RECENT_TICKS]; /* IP kbit/s, <= 0: unknown */
  guint recent_next;
  double payload_share;         /* of IP bytes that are the encoder's */
  double frame_bytes;           /* smoothed size of a frame */
  double obeyed;                /* share of what it is told that the encoder puts out */
  double recent_kbps[RECENT_TICKS];     /* bitrates told, beside recent_capacity */
  gint64 last_sent_us;          /* 0: none yet */
  double gap_ms[RECENT_TICKS];  /* per tick: what gaps between frames sent had above 100 ms */
  guint gain;
  gint64 gain_us;
  MloAction pending;            /* a size that comes with the next tick, MLO_ACTION_NONE: none */
  gboolean resized;             /* it came with this tick */
  double ladder_kbps, usual_kbps;       /* smoothed bitrate, over seconds and over longer */
  MloSample sample;             /* last tick's */
  float optimizer_state[MLO_OPTIMIZER_FEATURES];
  double predicted_kbps;
  MloDecision decision;
  gint64 last_rise_us;          /* of the bitrate that was given out */
  gint64 last_tick_us;          /* 0: none yet */
};

static inline gboolean
mlo_controller_by_transport (const MloController * c)
{
  return c->transport_any && !mlo_feedback_any (&c->feedback);
}

/* What is measured here is nearer to the truth than what is told. */
static inline gboolean
mlo_controller_by_metrics (const MloController * c)
{
  return c->metrics && !mlo_feedback_any (&c->feedback) && c->report_us == 0 && !c->transport_any;
}

/* They tell enough for the networks. */
static inline gboolean
mlo_controller_metrics_feed (const MloController * c)
{
  return mlo_controller_by_metrics (c) && (c->metrics_valid & METRICS_NETWORKS) == METRICS_NETWORKS;
}

/* --- mlo-controller-input.c --- */

gboolean mlo_controller_feedback_lost (const MloController * c, gint64 now_us);
/* For how long a frame has been due to be acknowledged; below 0: it is not yet. */
double mlo_controller_silent_ms (const MloController * c, gint64 now_us);
double mlo_controller_queue_ms (const MloController * c, gint64 now_us);
/* The tick's sample: @local, what is measured of the network, and the score. */
void mlo_controller_complete (MloController * c, gint64 now_us, const MloSample * local);

/* --- mlo-controller-action.c --- */

/* Neutral: the prediction as it is. */
void mlo_controller_reset_gain (MloController * c);
/* The factor on the prediction. */
double mlo_controller_gain (const MloController * c);
/* Chooses the tick's action and takes it. TRUE: it is for an encoder or a decoder that cannot keep up. */
gboolean mlo_controller_act (MloController * c, gint64 now_us, double dt_s);
/* ... which is what the decision then says. */
void mlo_controller_explain_relief (MloController * c);

G_END_DECLS
#endif
