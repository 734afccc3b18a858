/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ROLLOUT_H
#define MLO_ROLLOUT_H

#include "mlo-env.h"
#include "mlo-environment.h"

G_BEGIN_DECLS

/* The simulator as the trainer sees it: links of MloTraceKind with everything around them drawn
 * anew for each episode, and MloController in control. Static. */
const MloEnvironment *mlo_rollout_environment (void);

/**
 * mlo_rollout_draw_link:
 * The link, path, content and limits that a seed stands for: the same in training and evaluation
 * but for the seed. @config: (out). Returns: (transfer full): a trace of @seconds.
 */
MloTrace *mlo_rollout_draw_link (MloTraceKind kind, guint64 seed, double seconds, MloEnvConfig * config);

G_END_DECLS
#endif
