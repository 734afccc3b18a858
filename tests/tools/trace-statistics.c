/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What kinds of links are like: generated ones, and recordings where a folder of them (a subfolder a kind) is given.
 *
 *   trace-statistics [FOLDER] [LINKS A KIND]
 *
 * All from means over whole seconds of the first minute, so that traces of unlike steps compare: mean and percentiles
 * of the capacity, its coefficient of variation over all traces of a kind and within one (median), autocorrelation of
 * its logarithm one and five seconds apart (mean over the traces), share of the seconds below 100 kbit/s. */
#include "mlo-trace.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SECONDS 60
#define OUTAGE_KBPS 100.0
/* Where nothing gets through, for the logarithm. */
#define LEAST_KBPS 10.0
/* What the first line of a recording says whose capacity was not measured. */
#define NO_CAPACITY "IMPAIRMENT ONLY"

typedef struct
{
  GArray *all;                  /* of double, kbit/s of each second */
  GArray *within;               /* coefficient of variation of each trace */
  double correlation[2];
  guint correlated, traces;
} Statistics;

static int
compare (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

static double
percentile (GArray * values, double percent)
{
  g_array_sort (values, compare);
  return values->len > 0 ? g_array_index (values, double, (guint) (percent / 100.0 * (values->len - 1) + 0.5)) : NAN;
}

static double
mean_of (const double *x, guint n, double *deviation)
{
  double mean = 0.0, square = 0.0;

  for (guint i = 0; i < n; i++)
    mean += x[i] / n;
  for (guint i = 0; i < n; i++)
    square += (x[i] - mean) * (x[i] - mean) / n;
  *deviation = sqrt (square);
  return mean;
}

static gboolean
autocorrelation (const double *x, guint n, guint lag, double *out)
{
  double deviation, mean = mean_of (x, n, &deviation), sum = 0.0;

  if (n <= lag + 10 || deviation < 1e-6)
    return FALSE;
  for (guint i = 0; i + lag < n; i++)
    sum += (x[i] - mean) * (x[i + lag] - mean);
  *out = sum / (n - lag) / (deviation * deviation);
  return TRUE;
}

static void
add_trace (Statistics * s, const MloTrace * t)
{
  guint n = (guint) MIN (t->duration_us / G_USEC_PER_SEC, SECONDS), hint = 0;
  double rate[SECONDS], logs[SECONDS], before = 0.0, deviation, mean, one, five;

  for (guint i = 0; i < n; i++) {
    double position = mlo_trace_position (t, (gint64) (i + 1) * G_USEC_PER_SEC, &hint);

    rate[i] = (position - before) / 125.0;
    logs[i] = log (MAX (rate[i], LEAST_KBPS));
    before = position;
  }
  if (n < 2)
    return;
  s->traces++;
  g_array_append_vals (s->all, rate, n);
  mean = mean_of (rate, n, &deviation);
  if (mean > 0.0) {
    double cv = deviation / mean;

    g_array_append_val (s->within, cv);
  }
  if (autocorrelation (logs, n, 1, &one) && autocorrelation (logs, n, 5, &five)) {
    s->correlation[0] += one;
    s->correlation[1] += five;
    s->correlated++;
  }
}

static void
print_row (const char *kind, const char *from, Statistics * s)
{
  double deviation, mean = mean_of ((const double *) s->all->data, s->all->len, &deviation);
  guint outage = 0;

  for (guint i = 0; i < s->all->len; i++)
    outage += g_array_index (s->all, double, i) < OUTAGE_KBPS;
  printf ("%-10s %-10s %6u %8.1f %8.2f %8.1f %8.1f %8.2f %8.2f %6.2f %6.2f %7.1f\n", kind, from, s->traces,
      mean / 1000.0, percentile (s->all, 5.0) / 1000.0, percentile (s->all, 50.0) / 1000.0, percentile (s->all,
          95.0) / 1000.0, deviation / mean, percentile (s->within, 50.0), s->correlation[0] / MAX (s->correlated, 1),
      s->correlation[1] / MAX (s->correlated, 1), 100.0 * outage / MAX (s->all->len, 1));
}

static void
clear (Statistics * s)
{
  if (s->all) {
    g_array_unref (s->all);
    g_array_unref (s->within);
  }
  memset (s, 0, sizeof *s);
  s->all = g_array_new (FALSE, FALSE, sizeof (double));
  s->within = g_array_new (FALSE, FALSE, sizeof (double));
}

static gboolean
add_recordings (Statistics * s, const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL), *text = NULL;
    g_autoptr (MloTrace) t = NULL;
    g_autoptr (GError) error = NULL;

    if (!g_str_has_suffix (name, ".csv"))
      continue;
    if (!g_file_get_contents (path, &text, NULL, &error) || !(t = mlo_trace_load (path, &error))) {
      fprintf (stderr, "%s\n", error->message);
      return FALSE;
    }
    if (!g_strstr_len (text, strcspn (text, "\n"), NO_CAPACITY))
      add_trace (s, t);
  }
  return TRUE;
}

int
main (int argc, char **argv)
{
  guint links = argc > 2 ? (guint) CLAMP (g_ascii_strtoull (argv[2], NULL, 10), 1, 10000) : 400;
  Statistics s = { 0 };
  int status = 0;

  printf ("%-10s %-10s %6s %8s %8s %8s %8s %8s %8s %6s %6s %7s\n", "kind", "from", "traces", "Mbit/s", "5th", "median",
      "95th", "CV", "CV in 1", "1 s", "5 s", "outage%");
  for (guint k = 0; k < MLO_N_TRACE_KINDS; k++) {
    const char *kind = mlo_trace_kind_name (k);

    clear (&s);
    for (guint i = 0; i < links; i++) {
      MloRandom random;
      g_autoptr (MloTrace) t = NULL;

      mlo_random_seed (&random, 4242 + 100003ull * k + i);
      t = mlo_trace_generate (k, &random, SECONDS);
      add_trace (&s, t);
    }
    print_row (kind, "generated", &s);
    if (argc > 1) {
      g_autofree char *folder = g_build_filename (argv[1], k == MLO_TRACE_SATELLITE ? "starlink" : kind, NULL);

      clear (&s);
      if (!add_recordings (&s, folder))
        status = 1;
      if (s.traces > 0)
        print_row (kind, "recorded", &s);
    }
  }
  g_array_unref (s.all);
  g_array_unref (s.within);
  return status;
}
