/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_MPI_H
#define MLO_MPI_H

#include "mlo-group.h"

G_BEGIN_DECLS

/**
 * mlo_mpi_begin:
 * @group: (out): NULL where mpirun did not start this process, or it alone; then MPI is not even initialised
 *
 * Joins the other processes that the same mpirun started. Call it once, before any thread is made.
 *
 * Returns: FALSE and @error (MLO_ERROR_ARGUMENT) where there are others but this program was built without MPI.
 */
gboolean mlo_mpi_begin (MloGroup ** group, GError ** error);

/* Whether all ranks have the same @bytes; the same answer on all. */
gboolean mlo_mpi_agree (const MloGroup * group, gconstpointer bytes, gsize size);

/* Takes leave (@exit_code 0: waits for the others) or ends all of them with @exit_code, and then does not return.
 * @group may be NULL. */
void mlo_mpi_end (MloGroup * group, int exit_code);

G_END_DECLS
#endif
