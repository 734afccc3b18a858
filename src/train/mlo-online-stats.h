/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ONLINE_STATS_H
#define MLO_ONLINE_STATS_H

#include "mlo-online.h"

G_BEGIN_DECLS

/* Private to src/train: what the learners of both networks count alike. */

/* Nothing done, nothing known. */
void mlo_online_stats_init (MloOnlineNetworkStats * s);
/* An update with this loss. */
void mlo_online_stats_learned (MloOnlineNetworkStats * s, double loss);
/* Another champion: the challenger (@adapted), a promotion, or the shipped network, a demotion. */
void mlo_online_stats_changed (MloOnlineNetworkStats * s, gboolean adapted);

G_END_DECLS
#endif
