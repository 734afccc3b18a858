/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_COMPLEXITY_H
#define MLO_COMPLEXITY_H

#include <glib.h>

G_BEGIN_DECLS

/* A picture is looked at through small patches of full-resolution pixels spread evenly over it:
 * neighbours are needed for the gradient, and a patch's row is one cache line. Two pictures make
 * one measurement, so that at most 4096 samples are copied out of the stream for each. */
#define MLO_LUMA_PATCH 4        /* pixels, square */
#define MLO_LUMA_COLUMNS 16
#define MLO_LUMA_ROWS 8
#define MLO_LUMA_SAMPLES (MLO_LUMA_COLUMNS * MLO_LUMA_ROWS * MLO_LUMA_PATCH * MLO_LUMA_PATCH)

/**
 * MloLumaGrid: what is kept of one picture: (rows, columns, patch, patch) luma values.
 */
typedef struct
{
  guint8 luma[MLO_LUMA_SAMPLES];
} MloLumaGrid;

/**
 * mlo_luma_grid_pick:
 * Copies the patches out of a plane of 8-bit values whose first is at @plane, the next of the same
 * row @pixel_stride bytes on and the next row @row_stride bytes on (may be negative). FALSE, and
 * nothing read, when the picture is smaller than the patches. RT safe.
 */
gboolean mlo_luma_grid_pick (MloLumaGrid * grid, const guint8 * plane, int width, int height, gssize row_stride,
    int pixel_stride);

/**
 * mlo_complexity_si_ti:
 * Spatial and temporal activity after ITU-T P.910 (sections 7.7 and 7.8, without the maximum over
 * time): standard deviation of the Sobel magnitude of @now (0..~700), and of the difference between
 * @now and @before, the picture just before it (0..255). RT safe.
 */
void mlo_complexity_si_ti (const MloLumaGrid * now, const MloLumaGrid * before, double *si, double *ti);

/**
 * mlo_complexity:
 * One number 0..1 of both: min (1, log10 (1 + SI * TI) / 4), the criticality log10 (SI * TI) of
 * Fenimore, Libert and Wolf (1998). 0: nothing moves or nothing is seen; about 0.5: a talking
 * head; 0.7 to 0.9: a game; 1: noise.
 */
double mlo_complexity (const MloLumaGrid * now, const MloLumaGrid * before);

G_END_DECLS
#endif
