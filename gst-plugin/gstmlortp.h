/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_RTP_H
#define GST_MLO_RTP_H

#include "gstmlopath.h"
#include "gstmlotelemetry.h"
#include "mlo-packet.h"

G_BEGIN_DECLS

/**
 * GstMloRtp: knows the pipeline's rtpsessions, those in nested bins and those that come later
 * (webrtcbin makes its own at negotiation), and reads the receiver reports on our stream.
 */
typedef struct _GstMloRtp GstMloRtp;

/* Looks through @top and listens for more. @telemetry is woken at each report. */
GstMloRtp *gst_mlo_rtp_new (GstElement * top, GstMloTelemetry * telemetry);
/* Stops listening and frees. Not from a signal of the pipeline. */
void gst_mlo_rtp_free (GstMloRtp * r);

gboolean gst_mlo_rtp_any (GstMloRtp * r);

/* Whether a report came since the last call of gst_mlo_rtp_poll. Any thread. */
gboolean gst_mlo_rtp_pending (GstMloRtp * r);

/**
 * gst_mlo_rtp_poll:
 * Reads the statistics of the session on our @path, or of every session where the path does not
 * reach one. TRUE and @report filled when there is a report on our stream that was not returned
 * before. Control thread, without a lock.
 */
gboolean gst_mlo_rtp_poll (GstMloRtp * r, const GstMloPath * path, gint64 now_us, MloReceiverReport * report);

G_END_DECLS
#endif
