/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BENCH_LIMITS_H
#define BENCH_LIMITS_H

/* What the machine can do with the vectors of an instruction set (names as nn_kernels_name has them): the most that was seen
 * in a few short tries. */

/* GB/s read from 512 KiB, which the second-level cache holds and the first does not. */
double bench_l2_read (const char *set);
/* Fills the caches with other data. */
void bench_evict (void);
/* GB/s read from as much that no cache holds, the median: pages must be found again, too. */
double bench_cold_read (const char *set);
/* GFLOP/s of multiplications and additions between registers. */
double bench_fma_peak (const char *set);

#endif
