/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_GROUP_H
#define GST_MLO_GROUP_H

#include "mlo-budget.h"

G_BEGIN_DECLS

/**
 * GstMloGroup: an element's place among those of this process that have the same group name. The groups are the one
 * thing that elements share; a group lives as long as it has a member. Any thread; the lock within is a leaf and held
 * for a short calculation.
 */
typedef struct _GstMloGroup GstMloGroup;

GstMloGroup *gst_mlo_group_join (const char *name);
void gst_mlo_group_leave (GstMloGroup * place);

/* As mlo_budget_claim(), now. */
void gst_mlo_group_claim (GstMloGroup * place, const MloBudgetClaim * claim, MloBudgetShare * share);

G_END_DECLS
#endif
