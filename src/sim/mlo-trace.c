/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-trace.h"

#include <string.h>

#include "mlo-array.h"
#include "mlo-error.h"

/* A rate of 1 kbit/s carries this many bytes in one microsecond. */
#define BYTES_PER_KBPS_US (1.0 / 8000.0)
/* Rounding of a position. Without it a packet whose last byte leaves as an outage begins could wait
 * for the outage's end. */
#define ROUNDING_BYTES 1e-3

static const char *const kind_names[MLO_N_TRACE_KINDS] = {
  "lte", "5g", "wifi", "satellite", "wired", "fading"
};

const char *
mlo_trace_kind_name (MloTraceKind kind)
{
  return (guint) kind < MLO_N_TRACE_KINDS ? kind_names[kind] : "invalid";
}

int
mlo_trace_kind_from_name (const char *name)
{
  for (int i = 0; i < MLO_N_TRACE_KINDS; i++) {
    if (strcmp (kind_names[i], name) == 0)
      return i;
  }
  return strcmp (name, "starlink") == 0 ? MLO_TRACE_SATELLITE : -1;
}

static gint64
row_end (const MloTrace * t, guint i)
{
  return i + 1 < t->n_rows ? t->rows[i + 1].time_us : t->duration_us;
}

/* Runs of rows below the outage's rate that last long enough, each with the time after it. A run at
 * the end goes on where the trace repeats with one at the start. */
static gboolean
find_outages (MloTrace * t, GError ** error)
{
  gint64 start = -1, head_end = 0;
  guint allocated = 0;

  while (head_end < t->duration_us) {
    guint i = (guint) (mlo_trace_at (t, head_end) - t->rows);

    if (t->rows[i].capacity_kbps >= MLO_OUTAGE_KBPS)
      break;
    head_end = row_end (t, i);
  }
  for (guint i = 0; i < t->n_rows; i++) {
    gboolean out = t->rows[i].capacity_kbps < MLO_OUTAGE_KBPS;
    gint64 end = row_end (t, i);

    if (out && start < 0)
      start = t->rows[i].time_us;
    if (start >= 0 && (!out || i + 1 == t->n_rows)) {
      gint64 run[2] = { start, out ? end : t->rows[i].time_us };

      if (out)
        run[1] += head_end;
      if (run[1] - run[0] >= MLO_OUTAGE_LEAST_US) {
        run[1] += MLO_OUTAGE_AFTER_US;
        if (!mlo_array_grow (&t->outages, t->n_outages, &allocated, sizeof *t->outages, t->name, error))
          return FALSE;
        memcpy (t->outages[t->n_outages++], run, sizeof run);
      }
      start = -1;
    }
  }
  return TRUE;
}

MloTrace *
mlo_trace_try_new (const char *name, const char *kind, MloTraceRow * rows, guint n_rows, gint64 duration_us,
    GError ** error)
{
  g_autoptr (MloTrace) t = NULL;

  g_return_val_if_fail (n_rows > 0 && rows[0].time_us == 0, NULL);
  g_return_val_if_fail (duration_us > rows[n_rows - 1].time_us, NULL);

  t = g_new0 (MloTrace, 1);
  t->name = g_strdup (name);
  t->kind = g_strdup (kind);
  t->rows = rows;
  t->n_rows = n_rows;
  t->duration_us = duration_us;
  t->bytes_before = g_try_new (double, (gsize) n_rows + 1);
  if (!t->bytes_before) {
    mlo_error_memory (error, name, ((gsize) n_rows + 1) * sizeof (double));
    return NULL;
  }
  t->bytes_before[0] = 0.0;
  for (guint i = 0; i < n_rows; i++) {
    t->bytes_before[i + 1] = t->bytes_before[i]
        + rows[i].capacity_kbps * (double) (row_end (t, i) - rows[i].time_us) * BYTES_PER_KBPS_US;
  }
  if (!find_outages (t, error))
    return NULL;
  return g_steal_pointer (&t);
}

MloTrace *
mlo_trace_new (const char *name, const char *kind, MloTraceRow * rows, guint n_rows, gint64 duration_us)
{
  g_autoptr (GError) error = NULL;
  MloTrace *t = mlo_trace_try_new (name, kind, rows, n_rows, duration_us, &error);

  if (error)
    g_error ("%s", error->message);
  return t;
}

void
mlo_trace_free (MloTrace * t)
{
  if (!t)
    return;
  g_free (t->name);
  g_free (t->kind);
  g_free (t->rows);
  g_free (t->bytes_before);
  g_free (t->outages);
  g_free (t);
}

MloTrace *
mlo_trace_new_constant (double capacity_kbps, double seconds)
{
  const double pair[1][2] = { {0.0, capacity_kbps} };

  return mlo_trace_new_steps (pair, 1, seconds);
}

MloTrace *
mlo_trace_new_steps (const double (*pairs)[2], guint n, double seconds)
{
  MloTraceRow *rows;

  g_return_val_if_fail (n > 0, NULL);

  rows = g_new (MloTraceRow, n);
  for (guint i = 0; i < n; i++) {
    rows[i].time_us = (gint64) llround (pairs[i][0] * 1e6);
    rows[i].capacity_kbps = pairs[i][1];
    rows[i].rtt_ms = rows[i].loss = -1.0f;
  }
  return mlo_trace_new (n > 1 ? "steps" : "constant", "", rows, n, (gint64) llround (seconds * 1e6));
}

/* The row in force at @at in [0, duration). */
static guint
find_row (const MloTrace * t, gint64 at, guint hint)
{
  guint low = 0, high = t->n_rows;

  if (hint < t->n_rows && t->rows[hint].time_us <= at) {
    if (at < row_end (t, hint))
      return hint;
    if (hint + 1 < t->n_rows && at < row_end (t, hint + 1))
      return hint + 1;
    low = hint;
  }
  while (high - low > 1) {
    guint middle = low + (high - low) / 2;

    if (t->rows[middle].time_us <= at)
      low = middle;
    else
      high = middle;
  }
  return low;
}

const MloTraceRow *
mlo_trace_at (const MloTrace * t, gint64 time_us)
{
  return &t->rows[find_row (t, MAX (time_us, 0) % t->duration_us, 0)];
}

double
mlo_trace_position (const MloTrace * t, gint64 time_us, guint * hint)
{
  gint64 rounds = MAX (time_us, 0) / t->duration_us;
  gint64 at = MAX (time_us, 0) - rounds * t->duration_us;
  guint i = find_row (t, at, hint ? *hint : 0);

  if (hint)
    *hint = i;
  return (double) rounds *t->bytes_before[t->n_rows] + t->bytes_before[i]
  + t->rows[i].capacity_kbps * (double) (at - t->rows[i].time_us) * BYTES_PER_KBPS_US;
}

double
mlo_trace_cursor_position (gpointer cursor, gint64 time_us)
{
  MloTraceCursor *c = cursor;

  return mlo_trace_position (c->trace, time_us, &c->hint);
}

double
mlo_trace_time_of (const MloTrace * t, double bytes, guint * hint)
{
  const double total = t->bytes_before[t->n_rows];
  double rounds, rest;
  guint low = 0, high = t->n_rows, i;

  bytes -= ROUNDING_BYTES;
  if (bytes <= 0.0)
    return 0.0;
  if (total <= 0.0)
    return INFINITY;
  rounds = floor (bytes / total);
  rest = bytes - rounds * total;
  /* The earliest time: what is reached at the very end of a round was reached there, not later. */
  if (rest <= 0.0) {
    rounds -= 1.0;
    rest += total;
  }
  if (hint && *hint < t->n_rows && t->bytes_before[*hint] < rest) {
    low = *hint;
    if (rest <= t->bytes_before[low + 1])
      high = low + 1;
    else if (low + 2 <= t->n_rows && rest <= t->bytes_before[low + 2])
      high = ++low + 1;
  }
  /* The first row at whose end @rest is reached: bytes_before[low] < rest <= bytes_before[high]. */
  while (high - low > 1) {
    guint middle = low + (high - low) / 2;

    if (t->bytes_before[middle] < rest)
      low = middle;
    else
      high = middle;
  }
  i = low;
  if (hint)
    *hint = i;
  if (t->rows[i].capacity_kbps <= 0.0)  /* rounding at the very end */
    return rounds * (double) t->duration_us + (double) row_end (t, i);
  return rounds * (double) t->duration_us + (double) t->rows[i].time_us
      + (rest - t->bytes_before[i]) / (t->rows[i].capacity_kbps * BYTES_PER_KBPS_US);
}

gint64
mlo_trace_serve (const MloTrace * t, gint64 start_us, double bytes)
{
  double end;

  if (bytes <= 0.0)
    return start_us;
  end = mlo_trace_time_of (t, mlo_trace_position (t, start_us, NULL) + bytes, NULL);
  return end < 9e18 ? MAX ((gint64) ceil (end - 1e-6), start_us) : G_MAXINT64;
}

double
mlo_trace_bytes (const MloTrace * t, gint64 from_us, gint64 to_us)
{
  return to_us > from_us ? mlo_trace_position (t, to_us, NULL) - mlo_trace_position (t, from_us, NULL) : 0.0;
}

double
mlo_trace_mean_kbps (const MloTrace * t, double cap_kbps)
{
  double sum = 0.0;

  for (guint i = 0; i < t->n_rows; i++) {
    double capacity = t->rows[i].capacity_kbps;

    if (cap_kbps > 0.0)
      capacity = MIN (capacity, cap_kbps);
    sum += capacity * (double) (row_end (t, i) - t->rows[i].time_us);
  }
  return sum / (double) t->duration_us;
}

/* Whether @at lies in an outage's span; they are in order and do not overlap but for the time after. */
static gboolean
in_spans (const MloTrace * t, gint64 at)
{
  guint low = 0, high = t->n_outages;

  while (high > low) {
    guint middle = low + (high - low) / 2;

    if (t->outages[middle][0] <= at)
      low = middle + 1;
    else
      high = middle;
  }
  /* @low spans start at or before @at; the last of them ends last. */
  return low > 0 && at < t->outages[low - 1][1];
}

gboolean
mlo_trace_in_outage (const MloTrace * t, gint64 time_us)
{
  gint64 at = MAX (time_us, 0) % t->duration_us;

  return in_spans (t, at) || (time_us >= t->duration_us && in_spans (t, at + t->duration_us));
}
