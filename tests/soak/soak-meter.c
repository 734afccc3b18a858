/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "soak-meter.h"

#include <malloc.h>
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

double
soak_slope (const SoakPoint * points, guint n, double bin, gboolean heap)
{
  g_autoptr (GArray) least = g_array_new (FALSE, FALSE, sizeof (SoakPoint));
  g_autoptr (GArray) slopes = g_array_new (FALSE, FALSE, sizeof (double));
  double warm = n > 0 ? points[n - 1].minutes / 4.0 : 0.0;

  for (guint i = 0; i < n; i++) {
    const SoakPoint *p = &points[i];
    SoakPoint *last = least->len > 0 ? &g_array_index (least, SoakPoint, least->len - 1) : NULL;

    if (p->minutes < warm)
      continue;
    if (!last || (int) (p->minutes / bin) != (int) (last->minutes / bin))
      g_array_append_val (least, *p);
    else if (heap ? p->heap_kib < last->heap_kib : p->rss_kib < last->rss_kib)
      *last = *p;
  }
  for (guint i = 0; i < least->len; i++) {
    for (guint j = i + 1; j < least->len; j++) {
      const SoakPoint *a = &g_array_index (least, SoakPoint, i), *b = &g_array_index (least, SoakPoint, j);
      double slope = (heap ? b->heap_kib - a->heap_kib : b->rss_kib - a->rss_kib) / (b->minutes - a->minutes);

      if (b->minutes > a->minutes)
        g_array_append_val (slopes, slope);
    }
  }
  if (slopes->len == 0)
    return 0.0;
  g_array_sort (slopes, compare);
  return g_array_index (slopes, double, slopes->len / 2);
}

gboolean
soak_judge (const char *name, double value, double most, const char *unit)
{
  gboolean good = value <= most;

  printf ("%s %.3f %s%s\n", name, value, unit, good ? "" : " (too much)");
  return good;
}
