/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_PICKLE_H
#define MLO_PICKLE_H

#include <glib.h>

#include "mlo-tensor-type.h"
#include "mlo-tensorfile.h"

G_BEGIN_DECLS

/**
 * MloPickle: what a pickle of PyTorch's torch.save holds, as plain values. Nothing is executed and nothing is looked
 * up by name but the few names that a state_dict is made of: collections.OrderedDict, torch._utils._rebuild_tensor_v2
 * and the classes of float storages. Any other opcode, name or use of these is an error which gives the byte and the
 * opcode (and the name). Protocols 2 to 5.
 *
 * Values may be shared and may contain themselves, so whoever walks them follows names, not the whole.
 */
typedef struct _MloPickle MloPickle;
typedef struct _MloPickleValue MloPickleValue;

typedef enum
{
  MLO_PICKLE_NONE,
  MLO_PICKLE_BOOL,
  MLO_PICKLE_INT,
  MLO_PICKLE_FLOAT,
  MLO_PICKLE_TEXT,
  MLO_PICKLE_TUPLE,
  MLO_PICKLE_LIST,
  MLO_PICKLE_DICT,
  MLO_PICKLE_GLOBAL,            /* a name, never what it stands for */
  MLO_PICKLE_STORAGE,
  MLO_PICKLE_TENSOR,
} MloPickleType;

/* A view into a storage; sizes and strides are of numbers. Checked: the view lies within the storage. */
typedef struct
{
  const MloPickleValue *storage;
  gsize offset;
  guint n_dims;
  gsize dims[MLO_TENSOR_DIMS], strides[MLO_TENSOR_DIMS];
  gsize count;                  /* product of dims */
} MloPickleTensor;

struct _MloPickleValue
{
  MloPickleType type;
  union
  {
    gint64 integer;             /* BOOL, INT */
    double number;              /* FLOAT */
    char *text;                 /* TEXT: UTF-8 */
    struct
    {
      GPtrArray *items;         /* TUPLE, LIST; of a DICT key, value, key, value ... */
      GHashTable *names;        /* DICT: text -> value, NULL while empty; borrowed from items */
    };
    const struct _MloPickleGlobal *global;      /* GLOBAL */
    struct
    {
      const MloTensorType *element;
      const char *key;          /* name of its file beside the pickle */
      gsize count;              /* numbers */
    } storage;                  /* STORAGE */
    MloPickleTensor tensor;     /* TENSOR */
  };
};

/* Ceilings; beyond them MLO_ERROR_TOO_LARGE. A state_dict of 256 tensors takes 35 KiB and 6,000 values. */
#define MLO_PICKLE_MAX_BYTES (1u << 20)
#define MLO_PICKLE_MAX_VALUES 65536u
#define MLO_PICKLE_MAX_MARKS 64u
/* Of a text, a name, and of numbers in a storage or along an axis. */
#define MLO_PICKLE_MAX_TEXT 4096u
#define MLO_PICKLE_MAX_NAME 256u
#define MLO_PICKLE_MAX_NUMBERS (MLO_TENSORFILE_MAX_BYTES / 2)

/* @where: what the messages call it. @data need not outlive the call. */
MloPickle *mlo_pickle_parse (const char *where, const guint8 * data, gsize size, GError ** error);
void mlo_pickle_free (MloPickle * p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloPickle, mlo_pickle_free)

/* What the pickle is of. All values live as long as @p. */
const MloPickleValue *mlo_pickle_root (const MloPickle * p);
/* The value of @name in a DICT; NULL where there is none. */
const MloPickleValue *mlo_pickle_find (const MloPickleValue * dict, const char *name);
/* For messages: "a dict", "a tensor". */
const char *mlo_pickle_type_name (const MloPickleValue * v);

G_END_DECLS
#endif
