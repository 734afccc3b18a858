/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_TRANSPORT_H
#define GST_MLO_TRANSPORT_H

#include "gstmlopath.h"
#include "mlo-transport.h"

G_BEGIN_DECLS

/**
 * GstMloTransports: the network sinks that tell how their connections fare when they are asked: SRT, RIST, and
 * RTMP and others over TCP. All functions in the control thread, without a lock; sinks may block it, never the stream.
 */
typedef struct _GstMloTransports GstMloTransports;

GstMloTransports *gst_mlo_transports_new (void);
void gst_mlo_transports_free (GstMloTransports * t);

/* Whether @element is a sink that can be asked. */
gboolean gst_mlo_transports_know (GstElement * element);

/**
 * gst_mlo_transports_poll:
 * @sinks: those on the path
 *
 * Asks each; TRUE and @view filled with the connection that fares worst. FALSE: none is connected, or all have only
 * just been.
 */
gboolean gst_mlo_transports_poll (GstMloTransports * t, GPtrArray * sinks, gint64 now_us, MloTransportView * view);

/* Of several connections the one through the sink called @name (or in a bin of that name), or with the SRT caller of that
 * address (HOST or HOST:PORT), counts from the next poll on, as long as it is there; "": the worst. */
void gst_mlo_transports_choose (GstMloTransports * t, const char *name);
/* Whether it was at the last poll. */
gboolean gst_mlo_transports_has_chosen (GstMloTransports * t);
/* Appends the names and addresses that can be chosen, as of the last poll. */
void gst_mlo_transports_list (GstMloTransports * t, GString * text);

G_END_DECLS
#endif
