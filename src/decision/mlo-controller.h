/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_CONTROLLER_H
#define MLO_CONTROLLER_H

#include "mlo-bitrate-predictor.h"
#include "mlo-parity.h"
#include "mlo-policy.h"
#include "mlo-quality-optimizer.h"
#include "mlo-relief.h"
#include "mlo-transport.h"

G_BEGIN_DECLS

/**
 * MloController: telemetry, features, networks, guard and ladder as one policy. The element owns
 * one; the simulator runs the very same. Created with everything it will ever allocate: the other
 * calls allocate nothing. One thread at a time.
 */
typedef struct _MloController MloController;

/* Replaces the optimizer's choice, for exploration and for offline data. @values: the network's, or
 * NULL without a network. Must return an action whose bit is in @mask. */
typedef MloAction (*MloChooseFunc) (gpointer user_data, const float state[MLO_OPTIMIZER_FEATURES], guint32 mask,
    const float *values);

/* Replaces the predictor's output (kbit/s, link rate), for recording labels under another behaviour.
 * @predicted < 0: there is no network. */
typedef double (*MloPredictFunc) (gpointer user_data, const MloSample * sample, double predicted_kbps);

typedef struct
{
  MloLimits limits;
  MloSource source;
  MloActuatorTraits traits;
  gint64 interval_us;           /* of the ticks, 100000 */
  const MloBitratePredictor *predictor; /* borrowed, outlives the controller; NULL: none */
  const MloQualityOptimizer *optimizer; /* likewise */
  gboolean rule_ladder;         /* without an optimizer: size and frame rate by rule (else they stay) */
  MloChooseFunc choose;
  MloPredictFunc predict;
  gpointer user_data;           /* of both */
  guint64 seed;                 /* of what mlo_controller_set_explore() brings */
} MloControllerConfig;

extern const MloControllerConfig mlo_controller_config_default;

MloController *mlo_controller_new (const MloControllerConfig * config);
void mlo_controller_free (MloController * c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloController, mlo_controller_free)

/* The controller as a policy; freeing either frees both. */
MloPolicy *mlo_controller_policy (MloController * c);

/* Take effect at the next tick. */
void mlo_controller_set_limits (MloController * c, const MloLimits * limits);
void mlo_controller_set_source (MloController * c, const MloSource * source);
void mlo_controller_set_traits (MloController * c, const MloActuatorTraits * traits);

/* So often chance has the choice of action (mlo-explorer.h) from the next tick on; 0, as at first: never. Not with a
 * MloChooseFunc. */
void mlo_controller_set_explore (MloController * c, double share);

/* Other weights of the same shapes from the next tick on, after online learning; what is measured and the predictor's
 * state stay. Borrowed as those of the configuration; NULL only where that is NULL there. */
void mlo_controller_set_networks (MloController * c, const MloBitratePredictor * predictor,
    const MloQualityOptimizer * optimizer);

/* A discontinuity (pause, flush, another path): what was measured is forgotten, the ladder stays. */
void mlo_controller_reset (MloController * c);

/* As in MloPolicyClass. */
void mlo_controller_on_packets (MloController * c, gint64 now_us, const MloPacket * packets, guint n);
void mlo_controller_on_frame_sent (MloController * c, gint64 now_us, guint32 bytes, gboolean keyframe);
void mlo_controller_on_receiver_report (MloController * c, gint64 now_us, const MloReceiverReport * report);
/**
 * mlo_controller_on_metrics:
 * @metrics: what a streaming server knows of its path now (latency, queue delay, loss, bandwidth, ...), stale
 * fields left out; also given as @local to the next tick
 *
 * Counts as feedback where there is neither any per packet nor by receiver reports: the guard works on it at
 * once (mlo_controller_react), the networks at the ticks, as long as it holds latency and bandwidth. Its bitrate
 * is what is really sent, whatever was decided. There is no window. Metrics without any of latency, queue delay,
 * loss and bandwidth, after others that had one, are lost feedback.
 */
void mlo_controller_on_metrics (MloController * c, gint64 now_us, const MloSample * metrics);
/**
 * mlo_controller_on_transport:
 * @view: of the connection that counts, asked at each tick; NULL: there is none any more, or none yet
 *
 * Counts as feedback where there is none per packet; before receiver reports and what a server tells. Rules decide:
 * the networks never saw such feedback.
 */
void mlo_controller_on_transport (MloController * c, const MloTransportView * view);
/* How loaded the encoder is, for the ticks to come; without, it is never thought too slow. */
void mlo_controller_on_encoder (MloController * c, const MloEncoderLoad * load);
/* What the stream is sent in, where something makes parity for it; without, and with packets <= 0, nothing does. */
void mlo_controller_on_parity (MloController * c, const MloParityStream * stream);
const MloDecision *mlo_controller_tick (MloController * c, gint64 now_us, const MloSample * local);
const MloDecision *mlo_controller_react (MloController * c, gint64 now_us);

/* The decision in force. */
const MloDecision *mlo_controller_decision (const MloController * c);
/* The last tick's complete observation. */
const MloSample *mlo_controller_sample (const MloController * c);

/* What the bandwidth in it is worth. */
MloCapacityKind mlo_controller_capacity_kind (const MloController * c);

/* The application altered or vetoed the last decision: @taken is what is really set, and the
 * controller goes on from there. */
void mlo_controller_override (MloController * c, const MloDecision * taken);

G_END_DECLS
#endif
