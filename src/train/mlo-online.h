/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ONLINE_H
#define MLO_ONLINE_H

#include "mlo-action.h"
#include "mlo-bitrate-predictor.h"
#include "mlo-quality-optimizer.h"
#include "mlo-recording.h"
#include "mlo-sample.h"

G_BEGIN_DECLS

/**
 * MloOnline: goes on learning both networks from the stream that they control.
 *
 * Three copies of each network: the shipped one, which never changes; the champion, which is in control; the
 * challenger, which learns. The predictor's challenger becomes champion only when it is better than champion and shipped
 * network by a margin on a rolling hold-out (every fourth ten seconds of the last ten minutes, never learned from); the
 * champion gives way to the shipped network when it is the worse of the two there, or within seconds where it is much
 * worse on what comes in: the path may have become another one. The optimizer's are told apart by what the actions in
 * which they differ have earned on the hold-out (mlo-online-optimizer.h).
 *
 * The predictor gets better within minutes where the path is unlike those of training. The optimizer is trained in every
 * fourth slice; to show that its challenger is better it takes hours of chance's actions (mlo-explorer.h), so it mostly
 * stays as shipped.
 *
 * No clock, no I/O, no thread, no lock: one thread at a time, the learner's. The control thread fills an
 * MloOnlineTick a tick, which is plain data made to be copied through a ring, and takes over champions that the
 * learner's thread made with mlo_online_copy_predictor(). Everything is allocated by mlo_online_new() (about
 * 5 MiB with both networks and the reserve), except the copies.
 */
typedef struct _MloOnline MloOnline;

/**
 * MloOnlineTick: one tick of the controller. Fill with mlo_online_tick_init() after mlo_controller_tick().
 */
typedef struct
{
  MloSample sample;             /* complete, as the networks were given it */
  MloCapacityKind capacity;
  guint32 mask;                 /* bit 1 << MloAction: was possible */
  guint8 action;                /* MloAction taken after seeing @sample */
  guint8 changed;               /* MloAdapt bits */
  gboolean chance;              /* chance had the choice of action */
  gboolean explored;            /* and the action was its own */
  gboolean gap;                 /* pause, flush, another path: what came before does not belong to it */
} MloOnlineTick;

/* @decision: what came of the tick; @sample: mlo_controller_sample(); @capacity:
 * mlo_controller_capacity_kind(). gap is FALSE. RT safe. */
void mlo_online_tick_init (MloOnlineTick * t, const MloDecision * decision, const MloSample * sample,
    MloCapacityKind capacity);

typedef struct
{
  gint64 interval_us;           /* of the ticks */
  double horizon_s;             /* of the label */
  double quantile;              /* of the predictor's loss */
  double predictor_rate;        /* Adam's */
  double own_share;             /* of the predictor's sequences, where there is a reserve */
  double clip;                  /* norm of a gradient */
  guint judge_every;            /* predictor's updates between two judgements */
  double margin;                /* points of R by which a challenger must be better than the shipped network on the
                                 * hold-out: below it the estimate is no surer than the gain */
  double step_margin;           /* and better than an adapted champion */
  double demote_margin;         /* by which a champion may be worse than the shipped network there */
  double watch_margin;          /* by how much it may be worse over ten seconds, summed up from then on */
  double forget;                /* share by which a challenger's loss on the reserve may be above the shipped one's */
} MloOnlineOptions;

extern const MloOnlineOptions mlo_online_options_default;

/**
 * mlo_online_new:
 * @predictor, @optimizer: the shipped networks; copied; either may be NULL
 * @reserve: (element-type MloRecording) (nullable): segments of training with labels and rewards, copied
 *
 * Only stream form predictors learn; another counts as NULL.
 */
MloOnline *mlo_online_new (const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer,
    GPtrArray * reserve, const MloOnlineOptions * options, guint64 seed);
void mlo_online_free (MloOnline * o);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloOnline, mlo_online_free)

/* Takes a tick in; microseconds. */
void mlo_online_feed (MloOnline * o, const MloOnlineTick * tick);

typedef enum
{
  MLO_ONLINE_IDLE,              /* nothing to learn from yet: feed first */
  MLO_ONLINE_LEARNED,           /* an update of one network */
  MLO_ONLINE_JUDGED,            /* a part of a judgement */
} MloOnlineWork;

/* One bounded slice of work: at most 6 ms on a 3.5 GHz core with the shipped shapes, usually 2. */
MloOnlineWork mlo_online_step (MloOnline * o);

/**
 * MloOnlineEvent: the last change of a champion, for a message.
 */
typedef enum
{
  MLO_ONLINE_NOTHING,
  MLO_ONLINE_PROMOTED,
  MLO_ONLINE_DEMOTED,
} MloOnlineChange;

typedef struct
{
  guint64 updates;              /* of the network */
  guint64 undone;               /* updates that left no finite number, taken back */
  guint64 judgements, promotions, demotions;
  guint64 resets;               /* challengers that were given up */
  guint64 serial;               /* rises with each change of champion */
  MloOnlineChange last_change;
  gboolean adapted;             /* the champion is not the shipped network */
  double loss;                  /* of the last updates, smoothed; NAN: none yet */
  /* at the last judgement; NAN: none yet. The optimizer's: points of R by which the champion is better than the shipped
   * network, and the challenger than the champion, where they differ. */
  double held_shipped, held_champion, held_challenger;  /* points of R on the hold-out */
  double reserve_shipped, reserve_challenger;   /* loss on the reserve's hold-out */
  double deficit;               /* points of R times ten seconds by which the champion has lately been the worse */
  double win_share;             /* of the hold-out's blocks in which the challenger was better than the champion */
} MloOnlineNetworkStats;

typedef struct
{
  guint64 ticks, refused;       /* fed; of them not believed */
  guint64 labels, bounds;       /* ticks with a label; with one from below */
  guint64 explored;             /* ticks whose action was chance's */
  MloOnlineNetworkStats predictor, optimizer;
} MloOnlineStats;

void mlo_online_stats (const MloOnline * o, MloOnlineStats * out);

/* (transfer full): the champion in a network of its own; NULL where there is none. Worth calling when the network's
 * serial has risen. */
MloBitratePredictor *mlo_online_copy_predictor (const MloOnline * o);
MloQualityOptimizer *mlo_online_copy_optimizer (const MloOnline * o);

/**
 * mlo_online_state_size, mlo_online_get_state, mlo_online_set_state:
 * What is worth keeping, as one flat block of floats (champions, challengers and what their trainers keep) and
 * a few numbers. The block fits the same shapes alone. The own stream is not kept: a challenger proves itself anew
 * in the next one, and so does the champion.
 *
 * mlo_online_set_state() returns FALSE, and nothing has changed, where @n is not the size or a number is not finite.
 */
typedef struct
{
  gint64 predictor_step, optimizer_step;        /* Adam's */
  guint64 predictor_updates, optimizer_updates;
  guint64 predictor_promotions, optimizer_promotions;
  guint64 predictor_demotions, optimizer_demotions;
  guint64 ticks;
} MloOnlineNumbers;

gsize mlo_online_state_size (const MloOnline * o);
void mlo_online_get_state (const MloOnline * o, float *state, MloOnlineNumbers * numbers);
gboolean mlo_online_set_state (MloOnline * o, const float *state, gsize n, const MloOnlineNumbers * numbers);

/* Where the champions alone were kept: they are in control from now on, and challengers begin with them. Of the shapes of
 * the shipped networks; NULL: that one stays. */
void mlo_online_set_champions (MloOnline * o, const MloBitratePredictor * predictor,
    const MloQualityOptimizer * optimizer);

G_END_DECLS
#endif
