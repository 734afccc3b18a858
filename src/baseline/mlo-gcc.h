/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_GCC_H
#define MLO_GCC_H

#include "mlo-packet.h"

G_BEGIN_DECLS

/*
 * The parts of Google congestion control, draft-ietf-rmcat-gcc-02, each a plain struct; section
 * numbers are the draft's. mlo_gcc_new() in mlo-baseline.h joins them.
 */

/* 5.3 arrival-time filter: a Kalman filter of the queueing delay's gradient. */
typedef struct
{
  double m;                     /* estimate, ms a group */
  double e;                     /* its variance */
  double var_v;                 /* of the measurement noise */
  guint n;                      /* measurements, at most 60 */
} MloGccFilter;

void mlo_gcc_filter_init (MloGccFilter * f);
/* @d_ms: inter-group delay variation; @group_ms: time between the groups. */
void mlo_gcc_filter_update (MloGccFilter * f, double d_ms, double group_ms);

typedef enum
{
  MLO_GCC_NORMAL,
  MLO_GCC_OVERUSE,
  MLO_GCC_UNDERUSE,
} MloGccSignal;

/* 5.4 over-use detector with its adaptive threshold. */
typedef struct
{
  double threshold_ms;
  double over_ms;               /* how long it has been over, < 0: it is not */
  double last_m;
  gint64 last_us;
} MloGccDetector;

void mlo_gcc_detector_init (MloGccDetector * d);
MloGccSignal mlo_gcc_detector_update (MloGccDetector * d, const MloGccFilter * f, gint64 now_us, double group_ms);

typedef enum
{
  MLO_GCC_INCREASE,
  MLO_GCC_HOLD,
  MLO_GCC_DECREASE,
} MloGccState;

/* 5.5 rate control: additive or multiplicative increase, multiplicative decrease. */
typedef struct
{
  MloGccState state;
  double kbps;
  double mean_kbps, var;        /* of the incoming rate at decreases; mean < 0: none yet */
  gint64 last_us;
} MloGccAimd;

void mlo_gcc_aimd_init (MloGccAimd * a, double start_kbps);
/* @incoming_kbps: received rate over the last 500 ms, < 0: not known. Returns the rate. */
double mlo_gcc_aimd_update (MloGccAimd * a, gint64 now_us, MloGccSignal signal, double incoming_kbps, double rtt_ms);

/* 6 loss-based control: As after a report with this fraction lost. */
double mlo_gcc_loss_update (double kbps, double loss);

G_END_DECLS
#endif
