/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_LABEL_H
#define MLO_LABEL_H

#include <glib.h>

G_BEGIN_DECLS

#define MLO_LABEL_RATES 40
/* Rates between two that are tried first; MLO_LABEL_RATES less 1 is a multiple of it. */
#define MLO_LABEL_COARSE 3
#define MLO_LABEL_POINTS ((MLO_LABEL_RATES - 1) / MLO_LABEL_COARSE + 1)
#define MLO_LABEL_MAX_FRAMES 600
/* Capacity is looked up in steps of this, and linear between them. */
#define MLO_LABEL_STEP_US 10000
#define MLO_LABEL_MAX_STEPS 640

/* Bytes that the path carries up to a time, from any origin: rises with @time_us. Asked from now_us on upward. */
typedef double (*MloCarriedFunc) (gpointer path, gint64 time_us);

typedef struct
{
  MloCarriedFunc carried;
  gpointer path;
  gint64 now_us;
  double horizon_s;             /* at most 5 */
  double backlog_bytes;         /* IP bytes that wait at the bottleneck */
  double min_kbps, max_kbps;    /* encoder output */
  double overhead;              /* IP bytes over encoder's bytes, >= 1 */
  double base_ms;               /* capture to display but for the queue */
  double loss_events;           /* chance losses on the path for each packet sent, a burst counted once */
  double payload;               /* encoder's bytes in a packet; needed where packets are lost */
  double repair_s;              /* from a lost packet to the key frame that mends the decoder's reference */
  double broken_db;             /* what the pictures between lose */
  double fps, scale, pixels, complexity;        /* as in mlo_qoe_psnr_db() */
} MloLabelInput;

/**
 * MloLabel: scratch of the omniscient label; nothing is allocated per call. Zero it at first.
 */
typedef struct
{
  double carried[MLO_LABEL_MAX_STEPS + 1];      /* position at each step, relative to now */
  double per_byte[MLO_LABEL_MAX_STEPS + 1];     /* us a byte takes in the step that ends here */
  double frame_carried[MLO_LABEL_MAX_FRAMES];   /* position when each frame is sent */
  double empty_us[MLO_LABEL_MAX_FRAMES];        /* what an empty sender's frame waits, < 0: too long */
  /* quality of each rate, kept while its arguments stay */
  double psnr_db[MLO_LABEL_RATES], rate_kbps[MLO_LABEL_RATES];
  double fps, scale, pixels, complexity, min_kbps, max_kbps;
} MloLabel;

/* The rate in min..max (kbit/s of encoder output) that maximises section 8's reward over the horizon. */
double mlo_label_kbps (MloLabel * l, const MloLabelInput * in);
/* The same, and the rewards of MLO_LABEL_POINTS rates, evenly spaced in the logarithm from min_kbps to max_kbps. */
double mlo_label_curve (MloLabel * l, const MloLabelInput * in, float rewards[MLO_LABEL_POINTS]);
/* The reward of one rate there, for plots and tests. */
double mlo_label_reward (MloLabel * l, const MloLabelInput * in, double kbps);

G_END_DECLS
#endif
