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
 * soak_judge_memory:
 * Prints the KiB a minute by which memory grew after the first quarter of @points, (n) in order of time: the median of the
 * slopes between all pairs (Theil and Sen), and the bounds between which it lies with 95 %.
 *
 * Returns: whether growth of the heap by no more than 1 KiB a minute is within those bounds; what the C library holds beyond
 * it (rss) is printed alone.
 */
gboolean soak_judge_memory (const SoakPoint * points, guint n);

/* Prints `name value unit`, as the benchmarks do, and "too much" where @value is more than @most; returns whether not. */
gboolean soak_judge (const char *name, double value, double most, const char *unit);

G_END_DECLS
#endif
