/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_LEARN_H
#define GST_MLO_LEARN_H

#include <gst/gst.h>

#include "mlo-controller.h"
#include "mlo-learner.h"

G_BEGIN_DECLS

/* Posted when the networks in use change. */
#define GST_MLO_TRAINING_NAME "mloptimizer-training"

/**
 * GstMloLearn: the control thread's end of the learner. A plain struct; zeroed: nothing learns. The control thread's
 * alone but for the functions that say otherwise.
 */
typedef struct
{
  MloLearner *learner;          /* borrowed; NULL: nothing learns */
  MloNetworks *networks;        /* in use, owned; NULL: those of the user */
  MloLearnerReport report;      /* the newest */
  gboolean fresh;               /* it came with the last tick */
  gboolean gap;                 /* what comes next does not belong to what was */
} GstMloLearn;

/* After each tick. @c: whose networks are exchanged where the learner has better ones. @altered: the application had
 * other ideas, so the action was not the optimizer's. */
void gst_mlo_learn_tick (GstMloLearn * learn, MloController * c, gboolean altered);
/* When the controller is gone. */
void gst_mlo_learn_clear (GstMloLearn * learn);

/* (transfer full) (nullable): the message on what has changed from @before to @now, NULL: nothing has. Any thread. */
GstStructure *gst_mlo_learn_message (const MloLearnerReport * before, const MloLearnerReport * now);
/* (transfer full): the field `training` of the property `stats`. Any thread. */
GstStructure *gst_mlo_learn_stats (const MloLearnerReport * report);

G_END_DECLS
#endif
