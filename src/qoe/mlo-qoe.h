/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_QOE_H
#define MLO_QOE_H

#include <glib.h>

G_BEGIN_DECLS

/* The refresh of the display against which frames are shown. */
#define MLO_QOE_REFRESH_HZ 60
/* A frame later than this is not shown. */
#define MLO_QOE_MAX_DELAY_MS 1000.0
#define MLO_QOE_REWARD_FLOOR (-50.0)

/**
 * MloQoeSecond: what the player saw in one second of display time.
 */
typedef struct
{
  double psnr_db;               /* mean luma PSNR of the shown pictures at source size */
  double fps;                   /* frames shown */
  double delay_ms;              /* mean capture-to-display delay of the shown frames */
  double lost_percent;          /* of the frames sent that were captured in it: never shown */
  double gap_ms;                /* sum over gaps that end in it of max (0, gap - 100 ms) */
} MloQoeSecond;

/* The score R of DESIGN section 8 before the lower clip, floor -50: the training reward.
 * No frame shown: R = 0 (and the reward is the floor). */
double mlo_qoe_reward (const MloQoeSecond * s);
/* R clipped to 0..100. */
double mlo_qoe_score (const MloQoeSecond * s);
double mlo_qoe_mos (double r);

/**
 * mlo_qoe_psnr_db:
 * Luma PSNR (dB, against the source at source size) that x264 reaches, from a table fitted to real
 * encodes of moving game-like content (qoe/psnr-surface). @bitrate_kbps at @fps frames a second;
 * @scale: coded height over source height, in (0, 1]; @pixels: source width x height;
 * @complexity 0..1 as mlo_complexity gives it.
 */
double mlo_qoe_psnr_db (double bitrate_kbps, double fps, double scale, double pixels, double complexity);

/**
 * MloQoeMeter: frames captured, sent and decoded in, seconds of display time out. The same meter
 * scores the simulator and real streams. Times in us on one clock. Not thread safe.
 */
typedef struct _MloQoeMeter MloQoeMeter;

MloQoeMeter *mlo_qoe_meter_new (void);
void mlo_qoe_meter_free (MloQoeMeter * m);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloQoeMeter, mlo_qoe_meter_free)
void mlo_qoe_meter_reset (MloQoeMeter * m, gint64 start_us);

/* A frame was sent (those the sender leaves out are not told). Ids rise with capture time. */
void mlo_qoe_meter_sent (MloQoeMeter * m, guint64 id, gint64 capture_us);
/* A frame was decoded at the player. @psnr_db: NAN where it was not measured (sampled frames only;
 * the second's mean is over those that were). Calls come in the order of @decoded_us. */
void mlo_qoe_meter_decoded (MloQoeMeter * m, guint64 id, gint64 decoded_us, double psnr_db);

/* The seconds are complete up to @now_us less the maximum delay. Returns the next complete second,
 * FALSE when none is left. */
gboolean mlo_qoe_meter_next (MloQoeMeter * m, gint64 now_us, MloQoeSecond * second);

/* Over all frames so far; @percent 0..100. NAN without frames. */
double mlo_qoe_meter_delay_percentile (const MloQoeMeter * m, double percent);
/* Freezes as W3C webrtc-stats counts them (gap > max (3 * avg, avg + 150 ms)). */
void mlo_qoe_meter_freezes (const MloQoeMeter * m, guint * count, double *total_ms);

G_END_DECLS
#endif
