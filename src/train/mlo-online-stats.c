/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-online-stats.h"

#include <math.h>
#include <string.h>

/* Share of a new loss in the smoothed one. */
#define SMOOTH 0.02

void
mlo_online_stats_init (MloOnlineNetworkStats * s)
{
  memset (s, 0, sizeof *s);
  s->loss = s->held_shipped = s->held_champion = s->held_challenger = NAN;
  s->reserve_shipped = s->reserve_challenger = s->win_share = NAN;
}

void
mlo_online_stats_learned (MloOnlineNetworkStats * s, double loss)
{
  s->updates++;
  s->loss = isfinite (s->loss) ? s->loss + SMOOTH * (loss - s->loss) : loss;
}

void
mlo_online_stats_changed (MloOnlineNetworkStats * s, gboolean adapted)
{
  s->serial++;
  s->adapted = adapted;
  s->last_change = adapted ? MLO_ONLINE_PROMOTED : MLO_ONLINE_DEMOTED;
  if (adapted)
    s->promotions++;
  else
    s->demotions++;
}
