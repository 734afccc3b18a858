/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ERROR_H
#define MLO_ERROR_H

#include <glib.h>

G_BEGIN_DECLS

/* Errors of everything in src. Messages name the file, the place and the field. */
#define MLO_ERROR (mlo_error_quark ())

typedef enum
{
  MLO_ERROR_IO,                 /* cannot be read or written */
  MLO_ERROR_FORMAT,             /* not this kind of file, or malformed */
  MLO_ERROR_TOO_LARGE,          /* over a named ceiling */
  MLO_ERROR_TRUNCATED,          /* ends too soon */
  MLO_ERROR_SHAPE,              /* a tensor's shape or type does not fit */
  MLO_ERROR_NOT_FINITE,         /* NaN or infinity */
  MLO_ERROR_DUPLICATE,          /* a name twice */
  MLO_ERROR_MISSING,            /* a tensor, field or file is not there */
  MLO_ERROR_RANGE,              /* a number outside its bounds */
  MLO_ERROR_TYPE,               /* a value of the wrong type */
  MLO_ERROR_VERSION,            /* written by a later version */
  MLO_ERROR_ARGUMENT,           /* a wrong option or argument */
  MLO_ERROR_CANCELLED,          /* interrupted by the user */
  MLO_ERROR_MEMORY,             /* not enough for what a file holds */
} MloError;

GQuark mlo_error_quark (void);

/* For what is as large as a file says: the allocation of @bytes failed while @where was read. Returns FALSE. */
gboolean mlo_error_memory (GError ** error, const char *where, gsize bytes);

G_END_DECLS
#endif
