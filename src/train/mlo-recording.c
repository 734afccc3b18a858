/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-recording.h"

#include <math.h>

#include "mlo-error.h"

MloRecording *
mlo_recording_new (gint64 interval_us)
{
  MloRecording *r = g_new0 (MloRecording, 1);

  r->interval_us = interval_us;
  return r;
}

void
mlo_recording_free (MloRecording * r)
{
  if (!r)
    return;
  g_free (r->ticks);
  g_free (r->stream);
  g_free (r);
}

gboolean
mlo_recording_reserve (MloRecording * r, guint n, const char *where, GError ** error)
{
  MloTick *ticks;

  if (n <= r->allocated)
    return TRUE;
  ticks = g_try_renew (MloTick, r->ticks, n);
  if (!ticks)
    return mlo_error_memory (error, where, n * sizeof *ticks);
  r->ticks = ticks;
  r->allocated = n;
  return TRUE;
}

MloTick *
mlo_recording_append (MloRecording * r)
{
  if (r->n == r->allocated) {
    r->allocated = MAX (64, r->allocated + r->allocated / 2);
    r->ticks = g_renew (MloTick, r->ticks, r->allocated);
  }

  MloTick *t = &r->ticks[r->n++];

  *t = (MloTick) {
  .label_kbps = -1.0f,.reward = NAN,.baseline = MLO_REWARD_CENTRE,.mask = 1u << MLO_ACTION_NONE,.action =
        MLO_ACTION_NONE};
  return t;
}

MloRecording *
mlo_recording_cut (const MloRecording * r, guint first, guint n)
{
  MloRecording *out = mlo_recording_new (r->interval_us);

  for (guint i = 0; i < n; i++)
    *mlo_recording_append (out) = r->ticks[first + i];
  return out;
}
