/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-mpi.h"

#include <string.h>

#include <mpi.h>

#include "mlo-mpi-launch.h"

/* MPI counts in int: what is longer goes in pieces of this size. */
#define MAX_BYTES ((gsize) 1 << 30)

/* Errors of MPI itself end all ranks, with its own message: MPI_ERRORS_ARE_FATAL is the default. */

static void
broadcast_from (int root, guint8 * bytes, gsize size)
{
  while (size > 0) {
    gsize n = MIN (size, MAX_BYTES);

    MPI_Bcast (bytes, (int) n, MPI_BYTE, root, MPI_COMM_WORLD);
    bytes += n;
    size -= n;
  }
}

static void
broadcast (gpointer data, gpointer bytes, gsize size)
{
  broadcast_from (0, bytes, size);
}

static void
exchange (gpointer data, gpointer block, const gsize * offsets)
{
  const MloGroup *g = data;
  g_autofree int *counts = NULL, *at = NULL;

  if (offsets[g->size] > MAX_BYTES) {
    for (guint r = 0; r < g->size; r++)
      broadcast_from ((int) r, (guint8 *) block + offsets[r], offsets[r + 1] - offsets[r]);
    return;
  }
  counts = g_new (int, g->size);
  at = g_new (int, g->size);
  for (guint r = 0; r < g->size; r++) {
    at[r] = (int) offsets[r];
    counts[r] = (int) (offsets[r + 1] - offsets[r]);
  }
  MPI_Allgatherv (MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, block, counts, at, MPI_BYTE, MPI_COMM_WORLD);
}

gboolean
mlo_mpi_begin (MloGroup ** group, GError ** error)
{
  int provided, rank, size;

  *group = NULL;
  if (mlo_mpi_launched () <= 1)
    return TRUE;
  /* The workers' threads do not talk to MPI. */
  MPI_Init_thread (NULL, NULL, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_rank (MPI_COMM_WORLD, &rank);
  MPI_Comm_size (MPI_COMM_WORLD, &size);
  *group = g_new0 (MloGroup, 1);
  (*group)->rank = (guint) rank;
  (*group)->size = (guint) size;
  (*group)->data = *group;
  (*group)->broadcast = broadcast;
  (*group)->exchange = exchange;
  return TRUE;
}

gboolean
mlo_mpi_agree (const MloGroup * group, gconstpointer bytes, gsize size)
{
  g_autofree char *theirs = g_compute_checksum_for_data (G_CHECKSUM_SHA256, bytes, size);
  g_autofree char *ours = g_strdup (theirs);
  int same, all = 1;

  if (mlo_group_size (group) == 1)
    return TRUE;
  broadcast_from (0, (guint8 *) theirs, strlen (ours));
  same = strcmp (ours, theirs) == 0;
  MPI_Allreduce (&same, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  return all;
}

void
mlo_mpi_end (MloGroup * group, int exit_code)
{
  if (!group)
    return;
  if (exit_code != 0)
    MPI_Abort (MPI_COMM_WORLD, exit_code);
  MPI_Finalize ();
  g_free (group);
}
