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
  double heap_kib;              /* in use, see soak-heap.h */
  double own_kib;               /* of that by the element's threads */
  double rss_kib;
  guint threads, files;
} SoakPoint;

void soak_measure (SoakPoint * point, double minutes);

/**
 * soak_judge_memory:
 * @threads: whether the element's threads run, so that own_kib is not empty
 *
 * Prints what was held at least and at most after the first quarter of @points, (n) in order of time, and the KiB a minute by
 * which it grew: the median of the slopes between all pairs (Theil and Sen), and the bounds between which it lies with 95 %.
 *
 * Returns: whether what the element's threads hold grew by 1 KiB a minute at most, upper bound and all, and whether as
 * little is within the bounds for the whole heap, where others' buffers come and go; what the C library holds beyond
 * (rss) is printed alone.
 */
gboolean soak_judge_memory (const SoakPoint * points, guint n, gboolean threads);

/* Prints `name value unit`, as the benchmarks do, and "too much" where @value is more than @most; returns whether not. */
gboolean soak_judge (const char *name, double value, double most, const char *unit);

G_END_DECLS
#endif
