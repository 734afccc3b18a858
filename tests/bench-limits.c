/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-limits.h"

#include <stdlib.h>
#include <string.h>

#include "bench-helpers.h"

#define BYTES (512u * 1024)
#define TRIES 400
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

double
bench_l2_read (const char *set)
{
  void *p = aligned_alloc (4096, BYTES);
  double least = 1e9;
  float sink = 0.0f;
  volatile float keep;
  float (*read) (const void *) = narrow_read;

#if defined(__x86_64__)
  if (strncmp (set, "avx512", 6) == 0)
    read = wide_read;
  else if (strcmp (set, "avx2") == 0)
    read = middle_read;
#endif
  memset (p, 0, BYTES);
  for (int i = 0; i < TRIES; i++) {
    double start = bench_now_us (), took;

    sink += read (p);
    took = bench_now_us () - start;
    if (took < least)
      least = took;
  }
  keep = sink;
  (void) keep;
  free (p);
  return BYTES / least / 1e3;
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
