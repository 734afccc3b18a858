/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Made by psnr-surface/fit.py from psnr-surface/encodes.csv: do not edit. */
#ifndef MLO_PSNR_SURFACE_TABLE_H
#define MLO_PSNR_SURFACE_TABLE_H

/* Of 1062 encodes, between 20 and 40 dB; the third: of a clip left out of the fit. */
#define SURFACE_RMS_DB 1.63
#define SURFACE_MAX_DB 7.29
#define SURFACE_LEFT_OUT_RMS_DB 1.75

#define SURFACE_C_MIN 0.6528
#define SURFACE_C_MAX 0.8519
#define SURFACE_X_MIN -7.1081
#define SURFACE_X_MAX -0.0538

static const double surface_coding[5] = { 69.311579, -30.030996, 0.578891, 3.910348, 0.040929 };
static const double surface_gamma = 0.259945, surface_delta = -0.132442;
static const double surface_up[5] = { 49.143883, -16.392064, 2.153540, 5.837334, 0.691793 };

#endif
