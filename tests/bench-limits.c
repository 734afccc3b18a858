/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-limits.h"

#include <stdlib.h>
#include <string.h>

#include "bench-helpers.h"

#define BYTES (512u * 1024)
#define TRIES 400
#define COLD_TRIES 30
#define EVICT_FLOATS (16u << 20)        /* 64 MiB: more than a core's caches hold */
#define ROUNDS 20000

#define UNROLL _Pragma ("GCC unroll 16")
#define SUMS 12

/* A name, its vectors' bytes, their instruction set. */
#define LIMITS(name, bytes, set) \
  typedef float name ## _vector __attribute__ ((vector_size (bytes), may_alias)); \
  set static float \
  name ## _read (const void *p) \
  { \
    const name ## _vector *end = (const name ## _vector *) p + BYTES / bytes; \
    name ## _vector s[8] = { 0 }; \
    for (const name ## _vector * v = p; v < end; v += 8) \
      UNROLL for (int i = 0; i < 8; i++) \
        s[i] += v[i]; \
    return ((s[0] + s[1]) + (s[2] + s[3]) + (s[4] + s[5]) + (s[6] + s[7]))[0]; \
  } \
  set static double \
  name ## _fma (float *result) \
  { \
    name ## _vector s[SUMS], zero = { 0 }, a = zero + 0.5f, b = zero + 0.25f; \
    UNROLL for (int i = 0; i < SUMS; i++) \
      s[i] = zero + (*result + (float) i); \
    for (int r = 0; r < ROUNDS; r++) \
      UNROLL for (int i = 0; i < SUMS; i++) \
        s[i] = s[i] * a + b; \
    UNROLL for (int i = 0; i < SUMS; i++) \
      *result += s[i][0]; \
    return 2.0 * ROUNDS * SUMS * bytes / 4; \
  } \
  typedef int name ## _defined

LIMITS (narrow, 16,);
#if defined(__x86_64__)
LIMITS (middle, 32, __attribute__((target ("avx2,fma"))));
LIMITS (wide, 64, __attribute__((target ("avx512f"))));
#endif

void
bench_evict (void)
{
  static float *other;

  if (!other)
    other = calloc (EVICT_FLOATS, sizeof *other);
  for (size_t i = 0; i < EVICT_FLOATS; i += 16)
    other[i] += 1.0f;
}

typedef float (*Read) (const void *);

static Read
read_of (const char *set)
{
#if defined(__x86_64__)
  if (strncmp (set, "avx512", 6) == 0)
    return wide_read;
  if (strcmp (set, "avx2") == 0)
    return middle_read;
#endif
  return narrow_read;
}

/* The median time, or the least. */
static double
read_us (Read read, int tries, int cold)
{
  static double times[TRIES];
  void *p = aligned_alloc (4096, BYTES);
  float sink = 0.0f;
  volatile float keep;

  memset (p, 0, BYTES);
  for (int i = 0; i < tries; i++) {
    double start;

    if (cold)
      bench_evict ();
    start = bench_now_us ();
    sink += read (p);
    times[i] = bench_now_us () - start;
  }
  keep = sink;
  (void) keep;
  free (p);
  bench_sort (times, (size_t) tries);
  return times[cold ? tries / 2 : 0];
}

double
bench_l2_read (const char *set)
{
  return BYTES / read_us (read_of (set), TRIES, 0) / 1e3;
}

double
bench_cold_read (const char *set)
{
  return BYTES / read_us (read_of (set), COLD_TRIES, 1) / 1e3;
}

double
bench_fma_peak (const char *set)
{
  double most = 0.0;
  float sink = 0.0f;
  volatile float keep;
  double (*fma) (float *) = narrow_fma;

#if defined(__x86_64__)
  if (strncmp (set, "avx512", 6) == 0)
    fma = wide_fma;
  else if (strcmp (set, "avx2") == 0)
    fma = middle_fma;
#endif
  for (int i = 0; i < TRIES; i++) {
    double start = bench_now_us (), rate = fma (&sink) / (bench_now_us () - start) / 1e3;

    if (rate > most)
      most = rate;
  }
  keep = sink;
  (void) keep;
  return most;
}
