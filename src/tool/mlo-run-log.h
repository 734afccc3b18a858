/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_RUN_LOG_H
#define MLO_RUN_LOG_H

#include "mlo-service.h"

G_BEGIN_DECLS

/**
 * MloRunLog: what `mloptimizer run` says on standard output: lines for people, or one JSON object a
 * line. Decisions that change little are left out unless asked for.
 */
typedef struct _MloRunLog MloRunLog;

MloRunLog *mlo_run_log_new (gboolean json, gboolean verbose);
void mlo_run_log_free (MloRunLog * log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloRunLog, mlo_run_log_free)

/* A MloServiceFunc; @user_data is the log. */
void mlo_run_log_event (gpointer user_data, const MloServiceEvent * event);

/* "started", "ended" and what else is of the process; @counts may be NULL. */
void mlo_run_log_process (MloRunLog * log, const char *event, const char *text, const MloServiceCounts * counts);

G_END_DECLS
#endif
