/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_LEARNER_STATE_H
#define MLO_LEARNER_STATE_H

#include "mlo-online.h"
#include "mlo-tensorfile.h"

G_BEGIN_DECLS

/**
 * The learner's state as a file holds it: one tensor `state`, and MloOnlineNumbers as texts in the metadata.
 */

/* (transfer full) */
MloTensorFile *mlo_learner_state_write (const MloOnline * o);

/* FALSE, and nothing has changed, with MLO_ERROR_MISSING, _RANGE, _SHAPE or _NOT_FINITE naming what does not fit.
 * @numbers: (out): what was read, where all of it was. */
gboolean mlo_learner_state_read (MloOnline * o, const MloTensorFile * f, MloOnlineNumbers * numbers, GError ** error);

G_END_DECLS
#endif
