/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_STATS_H
#define GST_MLO_STATS_H

#include "gstmlocontrol.h"
#include "mlo-budget.h"
#include "mlo-channel.h"

G_BEGIN_DECLS

/* What the application sees as structures and answers with; the fields are documented at the element's property
 * `stats` and its signal `decision`. Any thread. */

#define GST_MLO_STATS_NAME "application/x-mloptimizer-stats"

/* Flags of what may be changed (the property `adapt`) or was (a decision's `changed`): MLO_ADAPT_*. */
#define GST_TYPE_ML_OPTIMIZER_ADAPT (gst_ml_optimizer_adapt_get_type ())
GType gst_ml_optimizer_adapt_get_type (void);

/* All that the property `stats` tells. */
typedef struct
{
  GstMloSnapshot snapshot;
  GstMloCounts counts;
  guint64 in_flight;            /* bytes */
  gboolean has_models;
  gboolean on_line;             /* there is a line to the server, and @line is what it counts */
  MloChannelCounts line;
  MloBudgetShare share;         /* members 0: in no group */
} GstMloStats;

/* kbit/s as the application knows them, bit/s; 0 where not known. */
guint gst_mlo_bits (double kbps);

/* (transfer full): the property `stats`. */
GstStructure *gst_mlo_stats_structure (const GstMloStats * stats);

/* (transfer full): the argument of the signal `decision`. */
GstStructure *gst_mlo_decision_structure (const MloDecision * d);
/* (transfer full): the message `mloptimizer-decision`; @before: what was set until then. */
GstStructure *gst_mlo_decision_message (const MloDecision * d, const MloDecision * before, gboolean applied);
/* What a handler of the signal answered, put into @d. */
void gst_mlo_decision_alter (MloDecision * d, const MloDecision * before, const GstStructure * answer);

G_END_DECLS
#endif
