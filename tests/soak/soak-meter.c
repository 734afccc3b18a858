/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "soak-meter.h"

#include <math.h>
#include <unistd.h>

#include "soak-heap.h"

typedef struct
{
  double low, high;
} Bounds;

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
  FILE *f = fopen ("/proc/self/statm", "r");
  unsigned long pages = 0;

  if (f) {
    if (fscanf (f, "%*u %lu", &pages) != 1)
      pages = 0;
    fclose (f);
  }
  point->minutes = minutes;
  point->heap_kib = soak_heap_kib (FALSE);
  point->own_kib = soak_heap_kib (TRUE);
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

/* Of the double at @offset in each point. */
static Bounds
print_slope (const char *name, const SoakPoint * points, guint n, gsize offset)
{
  g_autoptr (GArray) slopes = g_array_new (FALSE, FALSE, sizeof (double));
  guint from = n / 4, m = n - from;
  double least = G_MAXDOUBLE, most = 0.0;
  double spread = 1.96 * sqrt (m * (m - 1.0) * (2.0 * m + 5.0) / 18.0);
  Bounds b = { 0.0, 0.0 };

  for (guint i = from; i < n; i++) {
    for (guint j = i + 1; j < n; j++) {
      double kib = G_STRUCT_MEMBER (double, &points[j], offset) - G_STRUCT_MEMBER (double, &points[i], offset);
      double slope = kib / (points[j].minutes - points[i].minutes);

      g_array_append_val (slopes, slope);
    }
  }
  if (slopes->len == 0) {
    printf ("%s not known: too short\n", name);
    return b;
  }
  g_array_sort (slopes, compare);
  for (guint i = from; i < n; i++) {
    least = MIN (least, G_STRUCT_MEMBER (double, &points[i], offset));
    most = MAX (most, G_STRUCT_MEMBER (double, &points[i], offset));
  }
  printf ("%s_least %.1f KiB\n%s_most %.1f KiB\n", name, least, name, most);
  b.low = g_array_index (slopes, double, (guint) MAX ((slopes->len - spread) / 2.0, 0.0));
  b.high = g_array_index (slopes, double, (guint) MIN ((slopes->len + spread) / 2.0, slopes->len - 1.0));
  printf ("%s_slope %.3f KiB/min\n%s_slope_low %.3f KiB/min\n%s_slope_high %.3f KiB/min\n", name,
      g_array_index (slopes, double, slopes->len / 2), name, b.low, name, b.high);
  return b;
}

gboolean
soak_judge_memory (const SoakPoint * points, guint n, gboolean threads)
{
  Bounds heap = print_slope ("heap", points, n, G_STRUCT_OFFSET (SoakPoint, heap_kib));
  Bounds own = { 0.0, 0.0 };
  gboolean good;

  print_slope ("rss", points, n, G_STRUCT_OFFSET (SoakPoint, rss_kib));
  if (threads) {
    own = print_slope ("own_heap", points, n, G_STRUCT_OFFSET (SoakPoint, own_kib));
  }
  good = soak_judge ("heap_growth_at_least", MAX (heap.low, 0.0), 1.0, "KiB/min");
  return soak_judge ("own_heap_growth_at_most", own.high, 1.0, "KiB/min") && good;
}

gboolean
soak_judge (const char *name, double value, double most, const char *unit)
{
  gboolean good = value <= most;

  printf ("%s %.3f %s%s\n", name, value, unit, good ? "" : " (too much)");
  return good;
}
