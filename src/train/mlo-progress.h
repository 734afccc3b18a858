/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_PROGRESS_H
#define MLO_PROGRESS_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * MloProgress: where a training is. No times in it: whoever shows it has a clock.
 */
typedef struct
{
  const char *stage;            /* "predictor", "optimizer", "record", "select" */
  guint round, rounds;          /* from 1; 0 of 0: there are none */
  guint epoch, epochs;          /* from 1; likewise */
  double done, total;           /* work in this stage, in @unit */
  const char *unit;             /* "ticks", "updates", "episodes" */
  double loss, validation;      /* NAN: not known */
  gboolean epoch_complete;      /* a line a round or an epoch: this is one */
} MloProgress;

/* Called from the thread that trains. FALSE: stop soon and keep the best so far. */
typedef gboolean (*MloProgressFunc) (gpointer user_data, const MloProgress * progress);

G_END_DECLS
#endif
