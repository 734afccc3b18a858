/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-explorer.h"

#include <string.h>

void
mlo_explorer_init (MloExplorer * e, double share, guint64 seed)
{
  memset (e, 0, sizeof *e);
  e->share = share;
  e->gap_us = 5 * G_USEC_PER_SEC;
  e->queue_ms = 12.0;
  e->calm_us = 10 * G_USEC_PER_SEC;
  mlo_random_seed (&e->random, seed);
}

static gboolean
is_quiet (MloExplorer * e, const MloSample * s)
{
  double queue = mlo_sample_get (s, MLO_FIELD_QUEUE_DELAY, -1.0);
  gboolean lossless = mlo_sample_get (s, MLO_FIELD_PACKET_LOSS, 1.0) <= 0.0;
  gboolean grows = queue > e->last_queue_ms + 1.0;

  e->last_queue_ms = MAX (queue, 0.0);
  if (queue < 0.0 || queue > 2.0 * e->queue_ms || !lossless || e->unrest_us == 0)
    e->unrest_us = s->timestamp_us;
  return queue >= 0.0 && queue <= e->queue_ms && !grows && s->timestamp_us - e->unrest_us >= e->calm_us;
}

MloAction
mlo_explorer_choose (MloExplorer * e, const MloSample * sample, guint32 mask, MloAction best)
{
  const guint32 steps = 1u << MLO_ACTION_BITRATE_UP | 1u << MLO_ACTION_BITRATE_DOWN | 1u << MLO_ACTION_NONE;
  guint32 others = mask & steps & ~(1u << best);
  gboolean quiet = is_quiet (e, sample);

  e->asked++;
  e->could = e->now = FALSE;
  /* a step of size or frame rate that the network wants is not put off */
  if (!quiet || !(steps >> best & 1) || others == 0 || e->share <= 0.0
      || (e->last_us != 0 && sample->timestamp_us - e->last_us < e->gap_us))
    return best;
  e->could = TRUE;
  if (!mlo_random_chance (&e->random, e->share))
    return best;
  for (guint skip = mlo_random_below (&e->random, (guint32) __builtin_popcount (others)); skip > 0; skip--)
    others &= others - 1;
  e->last_us = sample->timestamp_us;
  e->explored++;
  e->now = TRUE;
  return (MloAction) __builtin_ctz (others);
}
