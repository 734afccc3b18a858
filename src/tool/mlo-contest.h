/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_CONTEST_H
#define MLO_CONTEST_H

#include "mlo-runner.h"
#include "mlo-tool-result.h"

G_BEGIN_DECLS

/* A link of a contest, with all that is drawn for it. */
typedef struct
{
  const MloTrace *trace;        /* of the contest */
  MloEnvConfig config;
  guint kind;                   /* index into the contest's kinds */
  guint group;                  /* index of the seed */
  guint64 seed;
  double seconds;
} MloContestLink;

typedef struct
{
  char *folder;
  MloBitratePredictor *predictor;       /* NULL: not there */
  MloQualityOptimizer *optimizer;
} MloContestModels;

/* How the links of a contest are changed. */
typedef struct
{
  double max_bitrate_kbps;      /* 0: as it is */
  double grid_ms;               /* delivery on it; MLO_GRID_DRAWN, MLO_GRID_AUTO */
} MloContestOptions;

#define MLO_GRID_DRAWN (-1.0)   /* as the link has it */
#define MLO_GRID_AUTO (-2.0)    /* what the kind of link does: 5 ms for lte and 5g, 10 ms for wifi, none else */

/**
 * MloContest: controllers beside each other on the same links, with one model or several trainings of it.
 */
typedef struct
{
  GPtrArray *traces;            /* of MloTrace */
  GArray *links;                /* of MloContestLink */
  GPtrArray *kinds;             /* names */
  GArray *contenders;           /* of MloContender; NULL until chosen */
  GArray *models;               /* of MloContestModels; at least one, perhaps empty */
  GPtrArray *groups;            /* the seeds, as text */
  MloRunOutcome *outcomes;      /* (models, contenders, links) */
} MloContest;

/* The kind of recordings of which RTT and loss alone are known; it counts in no mean over all kinds. */
#define MLO_KIND_IMPAIRED "impaired"
/* What such a recording's link carries. */
#define MLO_IMPAIRED_KBPS 30000.0

void mlo_contest_init (MloContest * c);
void mlo_contest_clear (MloContest * c);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MloContest, mlo_contest_clear)

/* @seeds: comma-separated numbers. Fills groups. */
gboolean mlo_contest_set_seeds (MloContest * c, const char *seeds, GError ** error);
/* @per_kind generated links a kind and seed. */
void mlo_contest_add_generated (MloContest * c, guint per_kind, double seconds, const MloContestOptions * options);
/* The first minute of each recording under @folder (or of the file), at most @per_kind a kind (0: all), for each seed. */
gboolean mlo_contest_add_recordings (MloContest * c, const char *folder, guint per_kind,
    const MloContestOptions * options, GError ** error);

/* Runs everything on @jobs threads (0: as many as processors); progress on a terminal. */
void mlo_contest_run (MloContest * c, guint jobs);
/* One of the runs again, each tick told. */
void mlo_contest_replay (const MloContest * c, guint model, guint contender, guint link,
    void (*on_tick) (gpointer user_data, const MloEnvStep * step, const MloSample * sample), gpointer user_data);

/* Contenders without a model ran once. */
gboolean mlo_contest_uses_models (const MloContender * contender);
const MloRunOutcome *mlo_contest_outcome (const MloContest * c, guint model, guint contender, guint link);
gboolean mlo_contest_kind_is_apart (const MloContest * c, guint kind);
const MloContender *mlo_contest_contender (const MloContest * c, guint contender);
/* Index of the first of this kind, or -1. */
int mlo_contest_find (const MloContest * c, MloContenderKind kind);
/* Mean of a field over the links of a kind (-1: all kinds but what counts apart), of one model and one seed (-1: all);
 * NAN where there is none. */
double mlo_contest_mean (const MloContest * c, const MloResultField * field, guint contender, int model, int group,
    int kind);
/* Standard deviation of those means over models and seeds; NAN of one. */
double mlo_contest_spread (const MloContest * c, const MloResultField * field, guint contender, int kind);

G_END_DECLS
#endif
