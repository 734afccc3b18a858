/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-replay.h"

#include <math.h>
#include <string.h>

struct _MloReplay
{
  MloTransition *items;
  guint capacity, size, next;
};

MloReplay *
mlo_replay_new (guint capacity)
{
  MloReplay *r = g_new0 (MloReplay, 1);

  g_assert (capacity > 0);
  r->items = g_new (MloTransition, capacity);
  r->capacity = capacity;
  return r;
}

void
mlo_replay_free (MloReplay * r)
{
  if (!r)
    return;
  g_free (r->items);
  g_free (r);
}

void
mlo_replay_add (MloReplay * r, const MloTransition * t)
{
  r->items[r->next] = *t;
  r->next = (r->next + 1) % r->capacity;
  r->size = MIN (r->size + 1, r->capacity);
}

guint
mlo_replay_size (const MloReplay * r)
{
  return r->size;
}

const MloTransition *
mlo_replay_get (const MloReplay * r, guint index)
{
  g_return_val_if_fail (index < r->size, NULL);
  return &r->items[(r->next + r->capacity - r->size + index) % r->capacity];
}

const MloTransition *
mlo_replay_sample (const MloReplay * r, MloRandom * random)
{
  g_return_val_if_fail (r->size > 0, NULL);
  return &r->items[mlo_random_below (random, r->size)];
}

float
mlo_tick_reward (const MloTick * t, gint64 interval_us)
{
  return (float) (0.01 * ((t->reward - (double) t->baseline) * (double) interval_us / G_USEC_PER_SEC - t->price));
}

guint
mlo_replay_add_recording (MloReplay * r, const MloRecording * rec, const MloScaling * scaling, guint n_steps,
    double gamma)
{
  guint added = 0;

  g_return_val_if_fail (n_steps > 0, 0);
  for (guint i = 0; i + 1 < rec->n; i++) {
    guint n = MIN (n_steps, rec->n - 1 - i);
    MloTransition t = {.mask = rec->ticks[i].mask,.action = rec->ticks[i].action };
    double sum = 0.0, discount = 1.0;

    for (guint k = 0; k < n; k++) {
      sum += discount * mlo_tick_reward (&rec->ticks[i + k], rec->interval_us);
      discount *= gamma;
    }
    if (!isfinite (sum))
      continue;
    t.reward = (float) sum;
    t.discount = (float) discount;
    t.next_mask = rec->ticks[i + n].mask;
    mlo_features_optimizer (scaling, &rec->ticks[i].sample, t.state);
    mlo_features_optimizer (scaling, &rec->ticks[i + n].sample, t.next_state);
    mlo_replay_add (r, &t);
    added++;
  }
  return added;
}
