/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_SESSION_H
#define MLO_SESSION_H

#include "mlo-bitrate-predictor.h"
#include "mlo-controller.h"
#include "mlo-message.h"
#include "mlo-policy.h"
#include "mlo-quality-optimizer.h"

G_BEGIN_DECLS

/* No two decisions on one stream are nearer to each other. */
#define MLO_SESSION_GAP_US 20000

/**
 * MloSession: one stream of a server that tells its metrics and takes recommendations. Merges what
 * the messages say, whatever their rate and order, and steps a controller on the grid
 * that the predictor was made for (100 ms). No I/O, no clock: the caller passes a monotonic time in us that
 * never falls. One thread at a time.
 */
typedef struct _MloSession MloSession;

/* A tick of @session's controller, which the server is to obey. @gap: what came before does not belong to it. Must not
 * call the session. Returns whether something learns from this stream. */
typedef gboolean (*MloSessionTickFunc) (gpointer user_data, const MloSession * session, const MloController * controller,
    gboolean gap);

typedef struct
{
  MloLimits limits;             /* the user's; start_bitrate_kbps 0: what the server says it sends */
  gboolean observe;             /* the mode; nobody may ask for control then */
  const MloBitratePredictor *predictor; /* borrowed, outlives the session; NULL: rules */
  const MloQualityOptimizer *optimizer; /* likewise */
  MloSessionTickFunc tick;      /* or NULL */
  gpointer tick_data;
  double explore;               /* mlo_controller_set_explore() of a stream that is learned from */
} MloSessionConfig;

typedef struct
{
  guint64 messages;             /* of metrics */
  guint64 late;                 /* of those: had a field that a newer one had told already */
  guint64 decisions;
  guint64 gaps;                 /* silences after which the stream began anew */
} MloSessionCounts;

/* What the server does not do although it is told to, as far as its metrics say. MloAdapt bits. */
typedef guint MloSessionIgnored;

MloSession *mlo_session_new (const MloSessionConfig * config);
void mlo_session_free (MloSession * s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloSession, mlo_session_free)

/* Other weights of the same shapes from the next tick on, borrowed as those of the configuration. */
void mlo_session_set_networks (MloSession * s, const MloBitratePredictor * predictor,
    const MloQualityOptimizer * optimizer);

/* A metrics message came in. @real_time_us: the sender's time stamp, 0: none; it orders the messages
 * of this stream and nothing else, so any clock will do. */
void mlo_session_metrics (MloSession * s, gint64 now_us, gint64 real_time_us, const MloSample * told);

/* From when on mlo_session_decide() is to be called; G_MAXINT64: not before the next metrics. */
gint64 mlo_session_due_us (const MloSession * s);

/* Decides on what was told. The decision stays valid until the next call; there must have been metrics. */
const MloDecision *mlo_session_decide (MloSession * s, gint64 now_us);

/* The decision before the last one, for what changed. */
const MloDecision *mlo_session_before (const MloSession * s);
/* The observation that the last decision rests on. */
const MloSample *mlo_session_sample (const MloSession * s);
/* The pictures without any reduction; zero where the server never said. */
const MloSource *mlo_session_source (const MloSession * s);

/* Other limits, inside the user's own and in place of those asked for before; what is not given is the user's
 * again. They hold from the next tick on. */
void mlo_session_ask_limits (MloSession * s, const MloMessageLimits * asked);
/* The limits in force. */
void mlo_session_get_limits (const MloSession * s, MloMessageLimits * limits);

MloSessionIgnored mlo_session_ignored (const MloSession * s);
const MloSessionCounts *mlo_session_counts (const MloSession * s);
/* Newest metrics; 0: none yet. */
gint64 mlo_session_last_us (const MloSession * s);

G_END_DECLS
#endif
