/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_MPI_LAUNCH_H
#define MLO_MPI_LAUNCH_H

#include <glib.h>

/* How many processes mpirun (Open MPI's, or one that speaks PMI) says it started together; 1: none did. */
static inline guint64
mlo_mpi_launched (void)
{
  const char *const names[] = { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE" };
  guint64 n = 1;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    const char *text = g_getenv (names[i]);

    if (text && g_ascii_string_to_unsigned (text, 10, 1, G_MAXINT, &n, NULL))
      return n;
  }
  return 1;
}

#endif
