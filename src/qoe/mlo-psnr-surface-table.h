/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Made by psnr-surface/fit.py from psnr-surface/encodes.csv: do not edit. */
#ifndef MLO_PSNR_SURFACE_TABLE_H
#define MLO_PSNR_SURFACE_TABLE_H

/* Of 559 encodes, between 20 and 40 dB; the third: of a clip left out of the fit. */
#define SURFACE_RMS_DB 1.59
#define SURFACE_MAX_DB 7.75
#define SURFACE_LEFT_OUT_RMS_DB 2.22

#define SURFACE_C_MIN 0.6528
#define SURFACE_C_MAX 0.8234
#define SURFACE_X_MIN -7.1191
#define SURFACE_X_MAX -0.0970

static const double surface_coding[5] = { 63.781064, -23.163368, -0.641984, 5.567715, 0.040599 };
static const double surface_gamma = 0.282124, surface_delta = 0.100000;
static const double surface_up[5] = { 40.111530, -5.114714, -1.578411, 10.078975, 0.541350 };

#endif
