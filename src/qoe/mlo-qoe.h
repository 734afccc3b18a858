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

/**
 * mlo_qoe_reward:
 * The training reward: R before the lower clip, floor -50 (the upper clip at 100 holds), so that bad
 * seconds still have a slope. A second without a shown frame earns the floor.
 *
 *   R = 100 - I_video - I_rate - 0.848 I_input - I_lost
 *   I_video = 66 clip ((40 - PSNR)/20, 0, 1)
 *   I_rate  = min (66, 0.259 (exp (67.28/fps) + 3.23) + 5 log2 (60/fps)), fps at most 60
 *   I_input = clip (90/(1 + exp (1.191 - 0.009775 D)) - 18.73, 0, 68.98)
 *   I_lost  = 0.625 * 9.306 ln (1 + L), L = min (100, lost_percent + 100 gap_ms/1000)
 *
 * (delay, loss and frame rate: ITU-T G.1072 and Zadtootaghaj et al., MMSys 2020.) NAN where frames
 * were shown but @psnr_db or @delay_ms is NAN: what was not measured has no score.
 */
double mlo_qoe_reward (const MloQoeSecond * s);
/* R clipped to 0..100; 0 without a shown frame; NAN as above. */
double mlo_qoe_score (const MloQoeSecond * s);
/* Mean opinion score 1.3..4.64 of @r: 1.3 + 0.0334 R + R (R - 60)(100 - R) 7e-6. */
double mlo_qoe_mos (double r);

/**
 * mlo_qoe_psnr_db:
 * Luma PSNR (dB, 8..60, against the source at source size) that x264 (superfast, zerolatency) reaches:
 * a surface fitted to 1062 encodes of moving game-like scenes, RMS error 1.6 dB (psnr-surface/README.md).
 * @bitrate_kbps at @fps frames a second; @scale: coded height over source height, in (0, 1]; @pixels:
 * source width x height; @complexity 0..1 as mlo_complexity gives it (the scenes: 0.65..0.85; outside
 * it is extrapolated). Rises with the bitrate; nonsense is clipped, never an error. RT safe.
 *
 * Best size and frame rate of a 1280x720 source by R, mean of the encodes of nine clips, 60 ms delay:
 * 240p60 to 400 kbit/s, 360p60 at 800, 720p30 at 1600, 720p30..60 (within a point) at 3200, 720p60 from
 * 6400 on. Below 1 Mbit/s the smaller picture pays, not the lower frame rate.
 */
double mlo_qoe_psnr_db (double bitrate_kbps, double fps, double scale, double pixels, double complexity);

/**
 * MloQoeMeter: frames captured, sent and decoded in, seconds of display time out. The same meter
 * scores the simulator and real streams. Times in us on one clock. Not thread safe.
 *
 * The display refreshes at start + k/60 s. At each refresh the newest frame (greatest id) decoded
 * until then goes on it, unless it is there already or was captured more than
 * MLO_QOE_MAX_DELAY_MS before. A frame shown counts in the second of that refresh; its
 * capture-to-display delay runs from capture to that refresh (0..16.7 ms after decoding). Gaps run
 * from refresh to refresh and count in the second they end in; one that never ends costs its empty
 * seconds (R = 0) and nothing else; before the first picture there is no gap. A second without a
 * shown frame has delay_ms NAN, one without a measured picture psnr_db NAN.
 *
 * Of the frames that one refresh overtakes, one is not counted as lost: it missed its place by less
 * than an interval. Otherwise a few milliseconds of jitter about the moment of refresh (the phase is
 * chance) would cost as much as 10 % loss: on a clear 8 Mbit/s link 7 Mbit/s would score 13 points
 * below 4 Mbit/s. It is missing in fps all the same.
 *
 * Memory is bounded however long it runs: the last 60 s of frames (at most 65536) and the seconds
 * not fetched yet (at most a day).
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

/**
 * MloQoeShown: a frame that was shown, told as soon as that is certain.
 */
typedef struct
{
  guint64 id;
  gint64 capture_us;
  gint64 decoded_us;
  gint64 shown_us;              /* the refresh */
  gint64 gap_us;                /* since the frame shown before, 0 for the first */
  gboolean freeze;              /* that gap counted as a freeze */
  double psnr_db;               /* NAN: not measured */
} MloQoeShown;

typedef void (*MloQoeShownFunc) (const MloQoeShown * shown, gpointer user_data);

/* Called inside mlo_qoe_meter_decoded and _next, in the order of shown_us; must not call the meter.
 * NULL: none. Survives a reset. */
void mlo_qoe_meter_set_shown_func (MloQoeMeter * m, MloQoeShownFunc func, gpointer user_data);

/* Delay from capture to decoded (not to the refresh), ms, over all decoded frames so far, shown or
 * not; @percent 0..100. From a histogram with bins of 10 us or 0.8 %. NAN without frames. */
double mlo_qoe_meter_delay_percentile (const MloQoeMeter * m, double percent);
/* Freezes as W3C webrtc-stats counts them: gap > max (3 * avg, avg + 150 ms), avg over the last (at
 * most 30, at least 5) gaps before it. @total_ms: whole length of those gaps. Either may be NULL. */
void mlo_qoe_meter_freezes (const MloQoeMeter * m, guint * count, double *total_ms);

G_END_DECLS
#endif
