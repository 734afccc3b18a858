/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_RANDOM_H
#define MLO_RANDOM_H

#include <glib.h>
#include <math.h>

G_BEGIN_DECLS

/**
 * MloRandom: the one random generator, handed in wherever chance is needed, so that a seed repeats
 * a run bit by bit on every machine. A plain struct: copy it to fork the sequence.
 * xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018),
 * seeded by splitmix64.
 */
typedef struct
{
  guint64 s[4];
} MloRandom;

static inline guint64
mlo_random_splitmix (guint64 * x)
{
  guint64 z = (*x += G_GUINT64_CONSTANT (0x9e3779b97f4a7c15));

  z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT (0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT (0x94d049bb133111eb);
  return z ^ (z >> 31);
}

static inline void
mlo_random_seed (MloRandom * r, guint64 seed)
{
  for (int i = 0; i < 4; i++)
    r->s[i] = mlo_random_splitmix (&seed);
}

static inline guint64
mlo_random_u64 (MloRandom * r)
{
  guint64 *s = r->s;
  guint64 x = s[1] * 5;
  guint64 result = ((x << 7) | (x >> 57)) * 9;
  guint64 t = s[1] << 17;

  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = (s[3] << 45) | (s[3] >> 19);
  return result;
}

/* Uniform in [0, 1). */
static inline double
mlo_random_uniform (MloRandom * r)
{
  return (double) (mlo_random_u64 (r) >> 11) * 0x1p-53;
}

static inline double
mlo_random_range (MloRandom * r, double low, double high)
{
  return low + (high - low) * mlo_random_uniform (r);
}

/* Uniform in the logarithm; both bounds positive. */
static inline double
mlo_random_log_range (MloRandom * r, double low, double high)
{
  return low * exp (log (high / low) * mlo_random_uniform (r));
}

/* Uniform in 0..n-1, n > 0. */
static inline guint32
mlo_random_below (MloRandom * r, guint32 n)
{
  return (guint32) (((mlo_random_u64 (r) >> 32) * (guint64) n) >> 32);
}

/* Normal, mean 0 and variance 1 (Box-Muller, one of the pair). */
static inline double
mlo_random_normal (MloRandom * r)
{
  double u = 1.0 - mlo_random_uniform (r);

  return sqrt (-2.0 * log (u)) * cos (2.0 * G_PI * mlo_random_uniform (r));
}

/* Exponential with this mean. */
static inline double
mlo_random_exponential (MloRandom * r, double mean)
{
  return -mean * log (1.0 - mlo_random_uniform (r));
}

static inline gboolean
mlo_random_chance (MloRandom * r, double probability)
{
  return mlo_random_uniform (r) < probability;
}

G_END_DECLS
#endif
