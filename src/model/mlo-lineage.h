/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_LINEAGE_H
#define MLO_LINEAGE_H

#include "mlo-bitrate-predictor.h"
#include "mlo-quality-optimizer.h"
#include "mlo-tensorfile.h"

G_BEGIN_DECLS

/* Hexadecimal SHA-256 with its end. */
#define MLO_BASE_SIZE 65

/**
 * MloLineage: where weights that were learned while streaming come from. A plain struct, kept as texts in a file's
 * metadata: base, steps_predictor, steps_optimizer, streams, minutes, promotions, demotions, score, score_shipped,
 * good_bitrate_kbps.
 */
typedef struct
{
  char base[MLO_BASE_SIZE];     /* mlo_lineage_base() of the models that learning began with; "": no lineage */
  guint64 steps_predictor, steps_optimizer;     /* of learning */
  guint64 streams;              /* that were learned from */
  double minutes;               /* of them */
  guint64 promotions, demotions;        /* of a challenger to champion, of a champion back */
  double score, score_shipped;  /* on the last hold-out, greater is better: the weights', those they began with; NAN:
                                 * not known */
  double good_kbps;             /* last bitrate that the path carried well; 0: not known */
} MloLineage;

/* Nothing learned yet. */
void mlo_lineage_init (MloLineage * l);
/* All keys; what is not known is left out. */
void mlo_lineage_write (const MloLineage * l, MloTensorFile * f);
/* FALSE with MLO_ERROR_TYPE or MLO_ERROR_RANGE naming @path and the key where one is not a number that it can be;
 * MLO_ERROR_MISSING where the file has no lineage. */
gboolean mlo_lineage_read (const char *path, const MloTensorFile * f, MloLineage * l, GError ** error);

/* What tells two pairs of models apart: the digest of all their parameters; "" where one is not finite. */
void mlo_lineage_base (const MloBitratePredictor * p, const MloQualityOptimizer * q, char base[MLO_BASE_SIZE]);

/* (transfer full): "12 streams, 340 minutes; ...", one line for people. */
char *mlo_lineage_text (const MloLineage * l);

G_END_DECLS
#endif
