/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In place of mlo-mpi.c where MPI was not found at build time. */
#include "mlo-error.h"
#include "mlo-mpi-launch.h"
#include "mlo-mpi.h"

gboolean
mlo_mpi_begin (MloGroup ** group, GError ** error)
{
  *group = NULL;
  if (mlo_mpi_launched () <= 1)
    return TRUE;
  g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "started by mpirun, but built without MPI (meson's option mpi; "
      "Debian's libopenmpi-dev)");
  return FALSE;
}

gboolean
mlo_mpi_agree (const MloGroup * group, gconstpointer bytes, gsize size)
{
  return TRUE;
}

void
mlo_mpi_end (MloGroup * group, int exit_code)
{
}
