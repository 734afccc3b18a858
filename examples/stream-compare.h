/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef STREAM_COMPARE_H
#define STREAM_COMPARE_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * StreamCompare: luma PSNR and SSIM of a decoded picture against its source, after enlarging it to
 * the source's size (bilinear, centres aligned), as a player does. Scratch for one source size;
 * nothing is allocated per picture. One thread at a time.
 */
typedef struct _StreamCompare StreamCompare;

StreamCompare *stream_compare_new (int width, int height);
void stream_compare_free (StreamCompare * c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (StreamCompare, stream_compare_free)

/* @psnr_db: 10 log10 (255^2 / mean square error), at most 100. @ssim: mean over 8x8 windows, every
 * 4 pixels, K1 = 0.01, K2 = 0.03 (Wang et al., IEEE Trans. Image Processing 13(4), 2004, with flat windows). */
void stream_compare (StreamCompare * c, const guint8 * source, int source_stride, const guint8 * picture, int width,
    int height, int stride, double *psnr_db, double *ssim);

G_END_DECLS
#endif
