/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-explorer.h"

#include <string.h>

void
mlo_explorer_init (MloExplorer * e, guint64 seed)
{
  memset (e, 0, sizeof *e);
  e->share = 0.05;
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
mlo_explorer_choose (MloExplorer * e, const MloQualityOptimizer * optimizer, const MloSample * sample,
    const float state[MLO_OPTIMIZER_FEATURES], guint32 mask)
{
  static const MloAction steps[] = { MLO_ACTION_BITRATE_UP, MLO_ACTION_BITRATE_DOWN };
  float values[MLO_N_ACTIONS];
  MloAction best = mlo_quality_optimizer_choose (optimizer, state, mask, values), other;
  gboolean quiet = is_quiet (e, sample);

  e->asked++;
  e->now = FALSE;
  if (!quiet || (e->last_us != 0 && sample->timestamp_us - e->last_us < e->gap_us)
      || !mlo_random_chance (&e->random, e->share))
    return best;
  other = steps[mlo_random_below (&e->random, G_N_ELEMENTS (steps))];
  /* a step of size or frame rate that the network wants is not put off */
  if (other == best || !(mask >> other & 1)
      || (best != MLO_ACTION_NONE && best != MLO_ACTION_BITRATE_UP && best != MLO_ACTION_BITRATE_DOWN))
    return best;
  e->last_us = sample->timestamp_us;
  e->explored++;
  e->now = TRUE;
  return other;
}
