/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_LEARNER_H
#define MLO_LEARNER_H

#include "mlo-lineage.h"
#include "mlo-online.h"

G_BEGIN_DECLS

/**
 * MloLearner: online learning on a thread of its own, of the lowest priority there is, within a share of a core, kept
 * in a folder (mlo-keep.h) each minute and at the end. Between it and the thread that decides nothing waits: ticks go
 * in through a ring, champions and counts come out by exchange.
 */
typedef struct _MloLearner MloLearner;

typedef struct
{
  const MloBitratePredictor *predictor; /* that the user gave; copied */
  const MloQualityOptimizer *optimizer; /* likewise */
  const char *folder;           /* NULL or "": mlo_keep_default_folder() */
  const char *key;              /* as in mlo_keep_open() */
  const char *reserve;          /* file of it (mlo-reserve.h); NULL or not there: none */
  double cpu_percent;           /* of a core, at most; measured by the thread's own clock */
  gint64 interval_us;           /* of the ticks */
  gint64 save_us;               /* between two savings */
  guint64 seed;
} MloLearnerConfig;

/* 3 % of a core, 100 ms, a minute. The networks are the caller's. */
extern const MloLearnerConfig mlo_learner_config_default;

/* Networks to decide with. */
typedef struct
{
  MloBitratePredictor *predictor;
  MloQualityOptimizer *optimizer;
} MloNetworks;

void mlo_networks_free (MloNetworks * n);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloNetworks, mlo_networks_free)

/* What the learner has done. */
typedef struct
{
  MloOnlineStats online;
  MloLineage lineage;           /* with this stream */
  guint64 steps;                /* slices of work */
  guint64 lost;                 /* ticks that found no room */
  gint64 cpu_us, wall_us;       /* of the thread, since it began */
  guint64 saves, save_failures;
  char save_error[256];         /* the last failure's, "": none */
} MloLearnerReport;

/**
 * mlo_learner_new:
 * @notes: (element-type utf8): lines for people are appended: what is there and not used, why nothing is saved
 *
 * Reads what is kept and starts the thread. NULL with MLO_ERROR_ARGUMENT where the key is too long. Where nothing can
 * be kept it learns all the same; with a predictor of the window form it neither offers nor keeps anything, and says
 * so.
 */
MloLearner *mlo_learner_new (const MloLearnerConfig * config, GPtrArray * notes, GError ** error);
/* Ends the thread within a slice of work, saves, and waits for both. Nothing may be in the other calls. */
void mlo_learner_free (MloLearner * l);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloLearner, mlo_learner_free)

/* Bitrate that this path carried well when it was last used, kbit/s; 0: not known. Any thread. */
double mlo_learner_good_kbps (const MloLearner * l);
/* The folder that it is kept in. Any thread. */
const char *mlo_learner_folder (const MloLearner * l);

/* The following three: one thread, that which decides. They never wait and allocate nothing. */

/* Takes a tick in; where the learner is far behind it is left out, and the next one counts as behind a gap. */
void mlo_learner_feed (MloLearner * l, const MloOnlineTick * tick);
/* (transfer full) (nullable): networks to decide with from now on, NULL: those that are in use. At first what was
 * kept, where there was something. Free what they replace only when nothing computes with it any more. */
MloNetworks *mlo_learner_take (MloLearner * l);
/* FALSE: nothing new since the last call. */
gboolean mlo_learner_poll (MloLearner * l, MloLearnerReport * report);

G_END_DECLS
#endif
