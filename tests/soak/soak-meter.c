/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "soak-meter.h"

#include <malloc.h>
#include <math.h>
#include <unistd.h>

static guint
count_entries (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (dir && g_dir_read_name (dir))
    n++;
  return n;
}

void
soak_measure (SoakPoint * point, double minutes)
{
  struct mallinfo2 m = mallinfo2 ();
  FILE *f = fopen ("/proc/self/statm", "r");
  unsigned long pages = 0;

  if (f) {
    if (fscanf (f, "%*u %lu", &pages) != 1)
      pages = 0;
    fclose (f);
  }
  point->minutes = minutes;
  point->heap_kib = (double) (m.uordblks + m.hblkhd) / 1024.0;
  point->rss_kib = (double) pages *(double) sysconf (_SC_PAGESIZE) / 1024.0;
  point->threads = count_entries ("/proc/self/task");
  point->files = count_entries ("/proc/self/fd");
}

static int
compare (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

/* The lower bound. */
static double
print_slope (const char *name, const SoakPoint * points, guint n, gboolean heap)
{
  g_autoptr (GArray) slopes = g_array_new (FALSE, FALSE, sizeof (double));
  guint from = n / 4, m = n - from;
  double spread = 1.96 * sqrt (m * (m - 1.0) * (2.0 * m + 5.0) / 18.0), low, high;

  for (guint i = from; i < n; i++) {
    for (guint j = i + 1; j < n; j++) {
      double kib = heap ? points[j].heap_kib - points[i].heap_kib : points[j].rss_kib - points[i].rss_kib;
      double slope = kib / (points[j].minutes - points[i].minutes);

      g_array_append_val (slopes, slope);
    }
  }
  if (slopes->len == 0) {
    printf ("%s not known: too short\n", name);
    return 0.0;
  }
  g_array_sort (slopes, compare);
  low = g_array_index (slopes, double, (guint) MAX ((slopes->len - spread) / 2.0, 0.0));
  high = g_array_index (slopes, double, (guint) MIN ((slopes->len + spread) / 2.0, slopes->len - 1.0));
  printf ("%s %.3f KiB/min\n%s_low %.3f KiB/min\n%s_high %.3f KiB/min\n", name,
      g_array_index (slopes, double, slopes->len / 2), name, low, name, high);
  return low;
}

gboolean
soak_judge_memory (const SoakPoint * points, guint n)
{
  double low = print_slope ("heap_slope", points, n, TRUE);

  print_slope ("rss_slope", points, n, FALSE);
  return soak_judge ("heap_growth_at_least", MAX (low, 0.0), 1.0, "KiB/min");
}

gboolean
soak_judge (const char *name, double value, double most, const char *unit)
{
  gboolean good = value <= most;

  printf ("%s %.3f %s%s\n", name, value, unit, good ? "" : " (too much)");
  return good;
}
