/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_RUN_TRAIN_H
#define MLO_RUN_TRAIN_H

#include "mlo-learner.h"
#include "mlo-run-log.h"
#include "mlo-service.h"

G_BEGIN_DECLS

/**
 * MloRunTrain: `run --train`: the learner beside the service. It learns from one stream at a time, the first that
 * comes until that is silent, and what it learns is for all. The service's thread calls everything here.
 */
typedef struct _MloRunTrain MloRunTrain;

/* What @config lacks it takes from @session: the networks and their interval; and puts into that its own: the function
 * for the ticks, and the start bitrate where that is 0 and one was good. NULL and @error where the key is too long. */
MloRunTrain *mlo_run_train_new (const MloLearnerConfig * config, MloSessionConfig * session, MloRunLog * log,
    GError ** error);
/* From now on @service is given what is learned; ends with mlo_run_train_free(), before the service does. */
void mlo_run_train_attach (MloRunTrain * t, MloService * service);
/* Saves. The service must not decide any more: its networks go, too. */
void mlo_run_train_free (MloRunTrain * t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloRunTrain, mlo_run_train_free)

G_END_DECLS
#endif
