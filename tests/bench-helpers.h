/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BENCH_HELPERS_H
#define BENCH_HELPERS_H

/* What the benchmarks share: clocks in us, and medians. */
#include <stdlib.h>
#include <time.h>

static inline int
bench_compare (const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static inline double
bench_now_us (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

/* Of this thread's work alone: time that others took from it does not count. */
static inline double
bench_cpu_us (void)
{
  struct timespec t;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

/* Afterwards values[n / 2] is the median. */
static inline void
bench_sort (double *values, size_t n)
{
  qsort (values, n, sizeof *values, bench_compare);
}

#endif
