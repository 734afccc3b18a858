/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-error.h"

/* *INDENT-OFF* */
G_DEFINE_QUARK (mlo-error-quark, mlo_error)
/* *INDENT-ON* */
