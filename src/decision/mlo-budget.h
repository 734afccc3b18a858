/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_BUDGET_H
#define MLO_BUDGET_H

#include <glib.h>

G_BEGIN_DECLS

/* A member that has not claimed for this long holds nothing. */
#define MLO_BUDGET_LAPSE_US (3 * G_USEC_PER_SEC)

/* What a stream asks of its group, in kbit/s. */
typedef struct
{
  double min_kbps, max_kbps;    /* its own limits: never less, never more */
  double weight;                /* > 0; shares are in proportion */
  double budget_kbps;           /* what all may have together, as far as this one was told; 0: it was not */
  double used_kbps;             /* what it has decided on; < 0: nothing yet */
} MloBudgetClaim;

typedef struct
{
  double share_kbps;            /* what it may have now */
  double budget_kbps;           /* what all may have */
  guint members;                /* that hold something, this one too */
  gboolean exceeded;            /* the members' least bitrates alone are more than the budget */
} MloBudgetShare;

/**
 * MloBudget: one bitrate for several streams, shared by weight. A stream that its network keeps below its share leaves
 * the rest to the others, and has it back within two rounds of claims when it grows. No share grows before another has
 * given way: the sum of the last shares is never above the budget, but for least bitrates, which come first, and the
 * first claim of a new member, until the others have claimed again.
 *
 * No clock and no lock: the caller passes the time and calls from one thread at a time.
 */
typedef struct _MloBudget MloBudget;

MloBudget *mlo_budget_new (void);
void mlo_budget_free (MloBudget * b);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloBudget, mlo_budget_free)

/* A member's number. Allocates; the claims do not. */
guint mlo_budget_join (MloBudget * b);
void mlo_budget_leave (MloBudget * b, guint member);
gboolean mlo_budget_is_empty (const MloBudget * b);

/**
 * mlo_budget_claim:
 * @claim: NULL: holds nothing from now on, until it claims again
 * @now_us: monotonic
 *
 * The budget is the least that any member was told; where none was, the greatest of the members' own limits.
 */
void mlo_budget_claim (MloBudget * b, guint member, gint64 now_us, const MloBudgetClaim * claim,
    MloBudgetShare * share);

G_END_DECLS
#endif
