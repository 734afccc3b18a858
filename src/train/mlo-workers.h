/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_WORKERS_H
#define MLO_WORKERS_H

#include "mlo-group.h"

G_BEGIN_DECLS

/**
 * MloWorkers: a few threads that share out numbered pieces of work. Which thread does a piece is
 * chance, so a piece writes only what belongs to its number, and whoever asked merges in the order
 * of the numbers: then the result does not depend on how many threads there are.
 */
typedef struct _MloWorkers MloWorkers;

typedef void (*MloWorkFunc) (gpointer user_data, guint index);

/* @n: threads in all, the caller's counted; 1: no thread is made. 0: as many as processors. */
MloWorkers *mlo_workers_new (guint n);
void mlo_workers_free (MloWorkers * w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloWorkers, mlo_workers_free)

/* The processes among which the trainers share their work, too; NULL (as at first): none. Borrowed. */
void mlo_workers_set_group (MloWorkers * w, const MloGroup * group);
const MloGroup *mlo_workers_group (const MloWorkers * w);

/* Calls @func for 0 .. @count - 1 and returns when all are done, all of them in this process. One caller at a time. */
void mlo_workers_run (MloWorkers * w, guint count, MloWorkFunc func, gpointer user_data);

G_END_DECLS
#endif
