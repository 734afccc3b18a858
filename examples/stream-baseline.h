/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef STREAM_BASELINE_H
#define STREAM_BASELINE_H

#include <gst/gst.h>

G_BEGIN_DECLS

/**
 * StreamBaseline: a controller to measure against, in mloptimizer's place: it hears the same feedback and sets the
 * encoder's bitrate itself. Padding that it asks for goes out as an RTP stream of its own (STREAM_PADDING_TYPE),
 * which the receiver acknowledges and throws away, as browsers do it.
 */
typedef struct _StreamBaseline StreamBaseline;

#define STREAM_BASELINE_NAMES "gcc, gcc-probing, omniscient, omniscient-mean"

/* @name: of STREAM_BASELINE_NAMES; @trace: the link's, for those who read it, or NULL; rates in kbit/s. @encoder
 * has its bitrate in kbit/s; @rtp is an rtpbin that sends session 0; both are borrowed and outlive it. */
StreamBaseline *stream_baseline_new (const char *name, const char *trace, double start_kbps, double max_kbps,
    GstElement * encoder, GstElement * rtp, GError ** error);
/* Ends its thread; the pipeline need not have stopped. NULL is fine. */
void stream_baseline_free (StreamBaseline * b);

/* Of a transport-wide feedback event, from any thread. */
void stream_baseline_feedback (StreamBaseline * b, const GstStructure * event);

G_END_DECLS
#endif
