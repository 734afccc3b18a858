/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-learner-state.h"

#include "mlo-error.h"

#define STATE "state"
/* Of any count: more than a life of learning. */
#define MAX_COUNT G_GUINT64_CONSTANT (1000000000000000)

static const struct
{
  const char *key;
  gsize offset;                 /* of 64 bits */
} numbers_of[] = {
  {"predictor_step", G_STRUCT_OFFSET (MloOnlineNumbers, predictor_step)},
  {"optimizer_step", G_STRUCT_OFFSET (MloOnlineNumbers, optimizer_step)},
  {"predictor_updates", G_STRUCT_OFFSET (MloOnlineNumbers, predictor_updates)},
  {"optimizer_updates", G_STRUCT_OFFSET (MloOnlineNumbers, optimizer_updates)},
  {"predictor_promotions", G_STRUCT_OFFSET (MloOnlineNumbers, predictor_promotions)},
  {"optimizer_promotions", G_STRUCT_OFFSET (MloOnlineNumbers, optimizer_promotions)},
  {"predictor_demotions", G_STRUCT_OFFSET (MloOnlineNumbers, predictor_demotions)},
  {"optimizer_demotions", G_STRUCT_OFFSET (MloOnlineNumbers, optimizer_demotions)},
  {"ticks", G_STRUCT_OFFSET (MloOnlineNumbers, ticks)},
};

#define NUMBER(n, i) G_STRUCT_MEMBER (guint64, n, numbers_of[i].offset)

MloTensorFile *
mlo_learner_state_write (const MloOnline * o)
{
  MloTensorFile *f = mlo_tensorfile_new ();
  gsize dims[] = { mlo_online_state_size (o) };
  g_autofree float *state = g_new (float, dims[0]);
  MloOnlineNumbers n;

  mlo_online_get_state (o, state, &n);
  mlo_tensorfile_add (f, STATE, 1, dims, state);
  for (guint i = 0; i < G_N_ELEMENTS (numbers_of); i++) {
    g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, NUMBER (&n, i));

    mlo_tensorfile_set_metadata (f, numbers_of[i].key, text);
  }
  return f;
}

gboolean
mlo_learner_state_read (MloOnline * o, const MloTensorFile * f, MloOnlineNumbers * numbers, GError ** error)
{
  const MloTensor *t = mlo_tensorfile_find (f, STATE);

  if (!t) {
    g_set_error_literal (error, MLO_ERROR, MLO_ERROR_MISSING, "no tensor '" STATE "'");
    return FALSE;
  }
  for (guint i = 0; i < G_N_ELEMENTS (numbers_of); i++) {
    const char *text = mlo_tensorfile_metadata (f, numbers_of[i].key);
    g_autoptr (GError) cause = NULL;

    if (!text) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "metadata %s is missing", numbers_of[i].key);
      return FALSE;
    }
    if (!g_ascii_string_to_unsigned (text, 10, 0, MAX_COUNT, &NUMBER (numbers, i), &cause)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "metadata %s: '%.40s' is not within 0 to %" G_GUINT64_FORMAT,
          numbers_of[i].key, text, MAX_COUNT);
      return FALSE;
    }
  }
  if (t->n_dims != 1 || t->count != mlo_online_state_size (o)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_SHAPE, "tensor '" STATE "' has %" G_GSIZE_FORMAT " numbers, not %"
        G_GSIZE_FORMAT, t->count, mlo_online_state_size (o));
    return FALSE;
  }
  if (!mlo_online_set_state (o, t->data, t->count, numbers)) {
    g_set_error_literal (error, MLO_ERROR, MLO_ERROR_NOT_FINITE,
        "tensor '" STATE "' holds a number that is not finite");
    return FALSE;
  }
  return TRUE;
}
