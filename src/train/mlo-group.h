/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_GROUP_H
#define MLO_GROUP_H

#include "mlo-recording.h"

G_BEGIN_DECLS

/**
 * MloGroup: several processes (ranks) that run the same training side by side and share its work. All make the same
 * calls below in the same order, each from one thread at a time. As with MloWorkers, pieces of work are numbered and
 * merged in the order of their numbers by every rank, so results do not depend on how many ranks there are. Rank 0
 * alone talks to the user and saves.
 *
 * A struct of functions, so that the trainer knows no message library: mlo-mpi.h has the one over MPI. All functions
 * here take NULL for a process that is alone.
 */
typedef struct
{
  guint rank, size;
  gpointer data;
  /* @size bytes of rank 0's to all. */
  void (*broadcast) (gpointer data, gpointer bytes, gsize size);
  /* Each rank's part of @block to all: rank r's is from offsets[r] up to offsets[r + 1]; size + 1 offsets. */
  void (*exchange) (gpointer data, gpointer block, const gsize * offsets);
} MloGroup;

guint mlo_group_size (const MloGroup * g);
gboolean mlo_group_leads (const MloGroup * g);
/* Which of @count pieces are this rank's: *first .. *last - 1. */
void mlo_group_share (const MloGroup * g, guint count, guint * first, guint * last);

void mlo_group_broadcast (const MloGroup * g, gpointer bytes, gsize size);
/* @block: @count items of @size bytes, of which each rank has filled its share; afterwards all are there. */
void mlo_group_exchange (const MloGroup * g, gpointer block, guint count, gsize size);
/* @made: @count recordings, of which each rank has its share; the others are made (owned by the caller). */
void mlo_group_exchange_recordings (const MloGroup * g, MloRecording ** made, guint count);

G_END_DECLS
#endif
