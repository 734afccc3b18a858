/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-error.h"

/* *INDENT-OFF* */
G_DEFINE_QUARK (mlo-error-quark, mlo_error)
/* *INDENT-ON* */

gboolean
mlo_error_memory (GError ** error, const char *where, gsize bytes)
{
  g_set_error (error, MLO_ERROR, MLO_ERROR_MEMORY, "%s: not enough memory for %" G_GSIZE_FORMAT " bytes", where, bytes);
  return FALSE;
}
