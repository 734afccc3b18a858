/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NN_HALF_H
#define NN_HALF_H

/* Private to src/nn: IEEE 754 binary16 in plain C, for where a matrix is laid out and for sets without an instruction. */
#include <stdint.h>
#include <string.h>

#define NN_HALF_MAX 65504.0f

/* To the nearest, ties to even; beyond NN_HALF_MAX infinity, NaN stays NaN. */
static inline uint16_t
nn_half_from_float (float f)
{
  uint32_t u, sign, magnitude, rounded;

  memcpy (&u, &f, sizeof u);
  sign = u >> 16 & 0x8000;
  magnitude = u & 0x7fffffff;
  if (magnitude > 0x7f800000)
    return (uint16_t) (sign | 0x7e00);
  if (magnitude >= 0x477ff000)  /* halfway between NN_HALF_MAX and the next */
    return (uint16_t) (sign | 0x7c00);
  if (magnitude < 0x38800000) {
    /* Below 2^-14 the steps are 2^-24: adding 1/2, whose steps they are, rounds. */
    float shifted;

    memcpy (&shifted, &magnitude, sizeof shifted);
    shifted += 0.5f;
    memcpy (&rounded, &shifted, sizeof rounded);
    return (uint16_t) (sign | (rounded - 0x3f000000));
  }
  rounded = magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1);
  return (uint16_t) (sign | rounded >> 13);
}

static inline float
nn_half_to_float (uint16_t h)
{
  uint32_t sign = (uint32_t) (h & 0x8000) << 16, magnitude = h & 0x7fff, u;
  float f;

  if (magnitude >= 0x7c00) {
    u = sign | 0x7f800000 | (magnitude & 0x3ff) << 13;
  } else if (magnitude >= 0x400) {
    u = sign | ((magnitude << 13) + 0x38000000);
  } else {
    f = (float) magnitude *0x1p-24f;
    memcpy (&u, &f, sizeof u);
    u |= sign;
  }
  memcpy (&f, &u, sizeof f);
  return f;
}

#endif
