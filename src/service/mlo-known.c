/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-known.h"

#include <string.h>

/* A value counts for this long, or for three usual intervals ... */
#define FRESH_US (2 * G_USEC_PER_SEC)
/* ... and a silence longer than this, or than three usual intervals, begins the stream anew. */
#define SILENCE_US (3 * G_USEC_PER_SEC)
/* What comes in one go is one message. */
#define APART_US 5000
/* Length of a stretch over which the latency's least is kept. */
#define FLOOR_US (3 * G_USEC_PER_SEC)

void
mlo_known_init (MloKnown * k)
{
  memset (k, 0, sizeof *k);
  mlo_known_forget (k);
}

void
mlo_known_forget (MloKnown * k)
{
  k->newest.valid = 0;
  memset (k->real_us, 0, sizeof k->real_us);
  for (guint i = 0; i < MLO_KNOWN_FLOORS; i++)
    k->floor_ms[i] = -1.0;
}

gint64
mlo_known_patience_us (const MloKnown * k, gint64 least_us, guint intervals)
{
  return CLAMP (intervals * k->interval_us, least_us, MLO_KNOWN_LONGEST_US);
}

gboolean
mlo_known_arrived (MloKnown * k, gint64 now_us)
{
  gint64 gap = k->last_us == 0 ? 0 : now_us - k->last_us;
  gboolean silence = gap > mlo_known_patience_us (k, SILENCE_US, 3);

  if (gap >= APART_US)
    k->interval_us += (MIN (gap, MLO_KNOWN_LONGEST_US) - k->interval_us) / (k->interval_us == 0 ? 1 : 8);
  k->last_us = now_us;
  return silence;
}

/* Field by field: a player and its server may tell of one stream by two clocks. */
gboolean
mlo_known_merge (MloKnown * k, gint64 now_us, gint64 real_us, const MloSample * told)
{
  gboolean late = FALSE;

  for (guint f = 0; f < MLO_N_FIELDS; f++) {
    gint64 behind = real_us == 0 || k->real_us[f] == 0 ? 0 : k->real_us[f] - real_us;

    if (!mlo_sample_has (told, f))
      continue;
    if (behind > 0 && behind <= MLO_KNOWN_LONGEST_US && mlo_sample_has (&k->newest, f)) {
      late = TRUE;
      continue;
    }
    if (!mlo_sample_set (&k->newest, f, mlo_sample_get (told, f, 0.0)))
      continue;
    k->told_us[f] = now_us;
    k->real_us[f] = real_us;
  }
  return late;
}

/* The least latency of about half a minute: a path that got longer is believed after that. */
static double
floor_latency_ms (MloKnown * k, gint64 now_us, double latency_ms)
{
  gint64 number = now_us / FLOOR_US;
  double least = latency_ms, *floor_ms = &k->floor_ms[number % MLO_KNOWN_FLOORS];

  for (gint64 i = MAX (k->floor_number + 1, number - MLO_KNOWN_FLOORS + 1); i <= number; i++)
    k->floor_ms[i % MLO_KNOWN_FLOORS] = -1.0;
  k->floor_number = number;
  for (guint i = 0; i < MLO_KNOWN_FLOORS; i++) {
    if (k->floor_ms[i] >= 0.0)
      least = MIN (least, k->floor_ms[i]);
  }
  if (*floor_ms < 0.0 || latency_ms < *floor_ms)
    *floor_ms = latency_ms;
  return least;
}

void
mlo_known_observe (MloKnown * k, gint64 now_us, MloSample * sample)
{
  gint64 fresh = mlo_known_patience_us (k, FRESH_US, 3);

  *sample = k->newest;
  for (guint f = 0; f < MLO_N_FIELDS; f++) {
    if (mlo_sample_has (sample, f) && now_us - k->told_us[f] > fresh)
      mlo_sample_unset (sample, f);
  }
  /* A path that carries nothing does not say so: such a capacity is one that is not known. */
  if (mlo_sample_get (sample, MLO_FIELD_BANDWIDTH, 1.0) <= 0.0)
    mlo_sample_unset (sample, MLO_FIELD_BANDWIDTH);
  if (mlo_sample_has (sample, MLO_FIELD_LATENCY)) {
    double least = floor_latency_ms (k, now_us, sample->latency_ms);

    if (!mlo_sample_has (sample, MLO_FIELD_QUEUE_DELAY))
      mlo_sample_set (sample, MLO_FIELD_QUEUE_DELAY, sample->latency_ms - least);
  }
  if (!mlo_sample_has (sample, MLO_FIELD_FRAME_TIME) && mlo_sample_get (sample, MLO_FIELD_FPS, 0.0) >= 1.0)
    mlo_sample_set (sample, MLO_FIELD_FRAME_TIME, 1000.0 / sample->fps);
}
