/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef STREAM_COMMON_H
#define STREAM_COMMON_H

#include <gio/gio.h>
#include <gst/gst.h>

G_BEGIN_DECLS

/* Pictures both ends know (with --scene), so that the receiver can compare with the source. */
#define STREAM_SEED 20
#define STREAM_PAYLOAD_TYPE 96

/* Padding that a controller probes with: a stream beside the pictures, acknowledged and thrown away. */
#define STREAM_PADDING_TYPE 97
#define STREAM_PADDING_SSRC 0x70616464

/* Parity packets (RFC 5109), in the stream's own sequence. */
#define STREAM_PARITY_TYPE 122

#define STREAM_TWCC_ID 1
/* Transport-wide feedback needs the extension in the caps of both ends. */
#define STREAM_TWCC_EXTMAP \
  "extmap-1=(string)http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

/* Caps of the RTP stream; with @twcc with the feedback's extension. */
GstCaps *stream_rtp_caps (gboolean twcc);

/* A GSocket bound to 127.0.0.1:@port with a receive buffer that takes the burst after an outage. */
GSocket *stream_bind (guint port, GError ** error);

/* What a program does with any message of its bus, whatever else it does with it: says errors and warnings, and quits
 * @loop on an error, where @failed becomes TRUE, and at the end of the stream. */
void stream_handle_message (GstMessage * message, GMainLoop * loop, gboolean * failed);

/* Quits @loop on SIGINT and SIGTERM, and after @seconds where that is more than 0. */
void stream_quit_when_asked (GMainLoop * loop, double seconds);

/* At the very end of a program that was asked for a report of what leaked (GST_TRACERS=leaks): it is made here. */
void stream_deinit (void);

/* Writes @structure as one JSON object: numbers, strings, booleans, enums by nick; the rest as text. */
void stream_write_json (GString * out, const GstStructure * structure);

G_END_DECLS
#endif
