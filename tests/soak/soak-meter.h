/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SOAK_METER_H
#define SOAK_METER_H

#include <glib.h>
#include <stdio.h>

G_BEGIN_DECLS

/* What this process holds now. */
typedef struct
{
  double minutes;               /* since the start, of the stream */
  double heap_kib;              /* in use, all arenas and mapped blocks */
  double rss_kib;
  guint threads, files;
} SoakPoint;

void soak_measure (SoakPoint * point, double minutes);

/**
 * soak_slope:
 * KiB a minute that memory grew by after the first quarter: the median of the slopes between all pairs (Theil and Sen),
 * over the least of each @bin minutes, since what is in flight comes and goes. @points: (n), in order of time.
 */
double soak_slope (const SoakPoint * points, guint n, double bin, gboolean heap);

/* Prints `name value unit`, as the benchmarks do, and "too much" where @value is more than @most; returns whether not. */
gboolean soak_judge (const char *name, double value, double most, const char *unit);

G_END_DECLS
#endif
