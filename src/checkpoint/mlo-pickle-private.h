/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_PICKLE_PRIVATE_H
#define MLO_PICKLE_PRIVATE_H

#include "mlo-error.h"
#include "mlo-pickle.h"

G_BEGIN_DECLS

/* Between the machine (mlo-pickle.c) and what PyTorch's names mean (mlo-pickle-torch.c). */

/* A name that may occur. */
typedef struct _MloPickleGlobal
{
  const char *module, *name;
  /* What REDUCE makes of it and @args (a TUPLE): a new value in @out; NULL: cannot be called. */
  gboolean (*call) (MloPickle * p, const MloPickleValue * args, MloPickleValue ** out, GError ** error);
  const char *element;          /* of a storage class: safetensors' name of its numbers' type, else NULL */
} MloPickleGlobal;

/* NULL where the name is none that a state_dict holds. */
const MloPickleGlobal *mlo_pickle_global_find (const char *module, const char *name);
/* What a persistent id, ('storage', class, key, location, numbers), stands for. */
gboolean mlo_pickle_persistent (MloPickle * p, const MloPickleValue * id, MloPickleValue ** out, GError ** error);

/* A new value, owned by @p: FALSE and @error when there are too many. TUPLE, LIST and DICT come empty. */
gboolean mlo_pickle_new_value (MloPickle * p, MloPickleType type, MloPickleValue ** out, GError ** error);
/* Sets @error with file, byte and opcode before the message. */
void mlo_pickle_set_error (const MloPickle * p, MloError code, GError ** error, const char *format, ...)
    G_GNUC_PRINTF (4, 5);
/* The same and FALSE, which whoever reads the caller sees: static analysis too. */
#define mlo_pickle_fail(...) (mlo_pickle_set_error (__VA_ARGS__), FALSE)

G_END_DECLS
#endif
