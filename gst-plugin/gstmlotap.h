/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_TAP_H
#define GST_MLO_TAP_H

#include "gstmlotelemetry.h"

G_BEGIN_DECLS

/**
 * GstMloTap: what goes into one encoder and comes out of it, counted, timed and told to the telemetry. Of several
 * encoders one leads: frames and times are counted by it, bytes of all.
 */
typedef struct _GstMloTap GstMloTap;

/* Since it was made. */
typedef struct
{
  guint64 frames_in, frames_out, bytes;
  gint64 busy_us;               /* what a frame keeps it from taking the next, smoothed; 0: not known */
} GstMloTapCounts;

/* @encoder: with pads "sink" and "src"; NULL: what passes is told by the two functions at the end alone. */
GstMloTap *gst_mlo_tap_new (GstElement * encoder, GstMloTelemetry * telemetry);
/* What runs in another thread still is not counted any more. */
void gst_mlo_tap_free (GstMloTap * tap);

/* The encoder's, borrowed; NULL: it has no such pad. */
GstPad *gst_mlo_tap_sink (GstMloTap * tap);
/* FALSE at first. Any thread, as the following. */
void gst_mlo_tap_set_leads (GstMloTap * tap, gboolean leads);
void gst_mlo_tap_get_counts (GstMloTap * tap, GstMloTapCounts * counts);
/* What went in is not waited for (a flush, a pause). */
void gst_mlo_tap_forget (GstMloTap * tap);

/* RT safe. */
void gst_mlo_tap_frame_in (GstMloTap * tap, GstClockTime pts, gint64 now_us);
void gst_mlo_tap_frame_out (GstMloTap * tap, GstBuffer * buffer, gint64 now_us);

G_END_DECLS
#endif
