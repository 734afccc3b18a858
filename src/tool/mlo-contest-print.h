/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_CONTEST_PRINT_H
#define MLO_CONTEST_PRINT_H

#include "mlo-contest.h"

G_BEGIN_DECLS

/* What a contest has shown, on standard output. */
void mlo_contest_print_table (const MloContest * c);
/* How far the predictor is from its label, by kind of link; nothing where no contender has one. */
void mlo_contest_print_predictions (const MloContest * c);
/* Whether the networks earn their place. */
gboolean mlo_contest_print_verdict (const MloContest * c);
/* The second model over the first, by kind of link; there are two. */
void mlo_contest_print_against (const MloContest * c);
/* Everything, each run too. */
void mlo_contest_print_json (const MloContest * c);

/* The report: one page that needs nothing else (mlo-contest-report.c). @asked: the options, for the reader. */
gboolean mlo_contest_write_report (const MloContest * c, const char *path, const char *asked, GError ** error);

/* How often each action was taken and possible, over all runs of a contender. */
void mlo_contest_sum_actions (const MloContest * c, guint contender, guint64 taken[MLO_N_ACTIONS],
    guint64 possible[MLO_N_ACTIONS], guint64 * ticks);
/* The contender whose predictions stand for the predictor's, or -1. */
int mlo_contest_predicting (const MloContest * c);

G_END_DECLS
#endif
