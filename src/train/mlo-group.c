/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-group.h"

#include <string.h>

guint
mlo_group_size (const MloGroup * g)
{
  return g ? g->size : 1;
}

gboolean
mlo_group_leads (const MloGroup * g)
{
  return !g || g->rank == 0;
}

static guint
first_of (const MloGroup * g, guint rank, guint count)
{
  return (guint) ((guint64) count * rank / g->size);
}

void
mlo_group_share (const MloGroup * g, guint count, guint * first, guint * last)
{
  *first = g ? first_of (g, g->rank, count) : 0;
  *last = g ? first_of (g, g->rank + 1, count) : count;
}

void
mlo_group_broadcast (const MloGroup * g, gpointer bytes, gsize size)
{
  if (mlo_group_size (g) > 1 && size > 0)
    g->broadcast (g->data, bytes, size);
}

void
mlo_group_exchange (const MloGroup * g, gpointer block, guint count, gsize size)
{
  g_autofree gsize *offsets = NULL;

  if (mlo_group_size (g) == 1)
    return;
  offsets = g_new (gsize, g->size + 1);
  for (guint r = 0; r <= g->size; r++)
    offsets[r] = first_of (g, r, count) * size;
  g->exchange (g->data, block, offsets);
}

/* What the others must know of a recording before its ticks come. */
typedef struct
{
  gint64 interval_us;
  guint64 n;
} Head;

void
mlo_group_exchange_recordings (const MloGroup * g, MloRecording ** made, guint count)
{
  g_autofree Head *heads = g_new0 (Head, count);
  g_autofree gsize *offsets = NULL, *at = NULL;
  g_autofree guint8 *block = NULL;
  guint first, last;

  if (mlo_group_size (g) == 1)
    return;
  mlo_group_share (g, count, &first, &last);
  for (guint i = first; i < last; i++) {
    heads[i].interval_us = made[i]->interval_us;
    heads[i].n = made[i]->n;
  }
  mlo_group_exchange (g, heads, count, sizeof *heads);

  /* the ticks, one recording after the other */
  at = g_new0 (gsize, count + 1);
  for (guint i = 0; i < count; i++)
    at[i + 1] = at[i] + (gsize) heads[i].n * sizeof (MloTick);
  block = g_malloc (at[count]);
  for (guint i = first; i < last; i++) {
    if (heads[i].n > 0)         /* else there are no ticks to point at */
      memcpy (block + at[i], made[i]->ticks, at[i + 1] - at[i]);
  }
  offsets = g_new (gsize, g->size + 1);
  for (guint r = 0; r <= g->size; r++)
    offsets[r] = at[first_of (g, r, count)];
  g->exchange (g->data, block, offsets);
  for (guint i = 0; i < count; i++) {
    if (i >= first && i < last)
      continue;
    made[i] = mlo_recording_new (heads[i].interval_us);
    for (guint64 k = 0; k < heads[i].n; k++)
      memcpy (mlo_recording_append (made[i]), block + at[i] + k * sizeof (MloTick), sizeof (MloTick));
  }
}
