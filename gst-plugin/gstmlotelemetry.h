/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_TELEMETRY_H
#define GST_MLO_TELEMETRY_H

#include <gst/gst.h>
#include <gst/video/video.h>

#include "mlo-complexity.h"
#include "mlo-packet.h"
#include "mlo-relief.h"
#include "mlo-sample.h"
#include "mlo-window.h"

G_BEGIN_DECLS

/* Name of the element messages through which an application hands in what it measures. */
#define GST_MLO_METRICS_NAME "mloptimizer-metrics"
/* What an application told is good for this long. */
#define GST_MLO_METRICS_FRESH_US (2 * G_USEC_PER_SEC)

/* What happened, in the order in which it did. */
typedef enum
{
  GST_MLO_RECORD_PACKET,
  GST_MLO_RECORD_REPORT_END,    /* packet, and the report's last */
  GST_MLO_RECORD_FRAME,         /* a frame left the encoder: packet.size bytes */
  GST_MLO_RECORD_KEYFRAME,
} GstMloRecordKind;

typedef struct
{
  GstMloRecordKind kind;
  gint64 now_us;
  MloPacket packet;
} GstMloRecord;

/* What comes in and what goes out. */
typedef struct
{
  guint serial;                 /* counts caps */
  GstVideoInfo info;            /* of the frames that come in; format unknown where it cannot be parsed */
  gboolean system_memory;       /* plain memory: can be mapped */
  const char *scalable;         /* the memory for which there is a scaler in place, interned; NULL: none */
  gboolean progressive;
  int out_width, out_height;    /* behind the scaler, 0: not known yet */
} GstMloFormat;

/* Counts since the element went to PAUSED. */
typedef struct
{
  guint64 frames_in;            /* from upstream */
  guint64 frames_out;           /* to the encoder */
  guint64 dropped_rate;         /* left out for the frame rate */
  guint64 dropped_window;       /* left out because the path was full */
  guint64 encoded_frames, keyframes;    /* of the encoder that leads, where there are several */
  guint64 encoded_bytes;        /* of all */
  guint64 wire_bytes;           /* and with the parity made of them, as far as it is known */
  guint64 encode_us, encode_timed;      /* sum of the times in the encoder, and of how many frames */
  guint64 encoder_frames;       /* frames that it took */
  guint64 busy_us, busy_timed;  /* sum of the times from a frame's way in to the next way out of any */
  guint64 qos_messages, qos_events;     /* late or lost downstream */
  guint64 reports, packets, packets_lost, packets_missed;       /* feedback; missed: the ring was full */
  guint64 clocks;               /* arrival times changed to another clock so often */
  guint peers;                  /* receivers whose feedback per packet comes now */
  guint64 metrics;              /* messages with measurements, of the application or the server */
  guint64 metrics_rejected;     /* fields in them of a wrong type or absurd value */
  gint64 first_frame_us, first_encoded_us;
} GstMloCounts;

/**
 * GstMloTelemetry: everything that other threads leave for the control thread. Reference counted,
 * because a probe or a signal handler may still run while the element goes away. All functions may
 * be called from any thread; those of the streaming thread allocate nothing and hold the one lock
 * for no longer than a copy.
 */
typedef struct _GstMloTelemetry GstMloTelemetry;

GstMloTelemetry *gst_mlo_telemetry_new (void);
GstMloTelemetry *gst_mlo_telemetry_ref (GstMloTelemetry * t);
void gst_mlo_telemetry_unref (GstMloTelemetry * t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstMloTelemetry, gst_mlo_telemetry_unref)

/* Before streaming: the ring is allocated, everything forgotten. @wake: made ready (time 0) when
 * feedback arrives that cannot wait for the next tick (mlo-alert.h), or NULL. */
void gst_mlo_telemetry_start (GstMloTelemetry * t, GSource * wake);
/* After streaming: frees the ring, lets go of the source. Late calls are ignored from then on. */
void gst_mlo_telemetry_stop (GstMloTelemetry * t);

/* Streaming thread. */
/* @scalable: see GstMloFormat. */
void gst_mlo_telemetry_set_input (GstMloTelemetry * t, GstCaps * caps, const char *scalable);
void gst_mlo_telemetry_set_output (GstMloTelemetry * t, GstCaps * caps);
/* A frame arrived; takes luma samples when the control thread wants some. @in_time: FALSE when the
 * frame rate leaves it out. Returns whether the frame goes on (the window may refuse it). */
gboolean gst_mlo_telemetry_frame (GstMloTelemetry * t, GstBuffer * buffer, gboolean in_time);
void gst_mlo_telemetry_flush (GstMloTelemetry * t);

/* A pad's probe: feedback and QoS events that come up. */
gboolean gst_mlo_telemetry_upstream_event (GstMloTelemetry * t, GstEvent * event);

/* A frame that an encoder put out. */
typedef struct
{
  gint64 now_us;
  gsize bytes;
  gboolean keyframe;
  gboolean leads;               /* else only its bytes count: they belong to the next frame of the one that does */
  gint64 busy_us, encode_us;    /* since the newest frame went in, and since this one did; < 0: not known */
} GstMloEncoded;

/* The encoder that leads took a frame; some encoder put one out. */
void gst_mlo_telemetry_frame_taken (GstMloTelemetry * t);
void gst_mlo_telemetry_encoded (GstMloTelemetry * t, const GstMloEncoded * encoded);

/* The bus's sync-message signal; user data is the telemetry. */
void gst_mlo_telemetry_message (GstBus * bus, GstMessage * message, gpointer telemetry);
/* What somebody else measured, from any thread: the newest value of each field counts, for
 * GST_MLO_METRICS_FRESH_US. @rejected: fields that made no sense, for the counts. */
void gst_mlo_telemetry_tell (GstMloTelemetry * t, const MloSample * sample, guint rejected);
/* Something else wants the control thread (a receiver report). */
void gst_mlo_telemetry_wake (GstMloTelemetry * t);

/**
 * gst_mlo_packets_share_send_time:
 * Gives the packets of a burst one send time. rtpsession stamps each NAL unit's packets by
 * themselves, some 20 us apart; and where the network sink waits for its clock (sync=true) it holds the
 * first of a frame, a few bytes that announce it, while the stamp is already on: those belong to the burst
 * that follows. @packets: of one report, in the order they were sent.
 */
void gst_mlo_packets_share_send_time (MloPacket * packets, guint n);

/* Control thread. */
/* Moves at most @max records out; returns how many. */
guint gst_mlo_telemetry_take (GstMloTelemetry * t, GstMloRecord * records, guint max);
/* What the element measured itself over the last second, and what the application told. Asks for
 * the next luma samples. */
void gst_mlo_telemetry_collect (GstMloTelemetry * t, gint64 now_us, MloSample * sample);
/* How loaded the encoder was over the last half second, or longer where it took fewer than a few frames in that.
 * @fps: frames a second that go on to it, 0: the source's. */
void gst_mlo_telemetry_get_load (GstMloTelemetry * t, gint64 now_us, double fps, MloEncoderLoad * load);
/* What rates were measured over is forgotten (after a pause). */
void gst_mlo_telemetry_forget (GstMloTelemetry * t);
void gst_mlo_telemetry_get_format (GstMloTelemetry * t, GstMloFormat * format);
void gst_mlo_telemetry_get_counts (GstMloTelemetry * t, GstMloCounts * counts);
/* Whose feedback per packet counts, of several; NULL: the worst's. @session is only compared. */
void gst_mlo_telemetry_choose_peer (GstMloTelemetry * t, gconstpointer session);
/* From now on so many bytes of parity are sent with each of the encoders': both are in flight, and a rate. */
void gst_mlo_telemetry_set_overhead (GstMloTelemetry * t, double overhead);
void gst_mlo_telemetry_set_window (GstMloTelemetry * t, guint64 limit_bytes, gint64 probe_interval_us);
/* As mlo_alert_set(). */
void gst_mlo_telemetry_set_alert (GstMloTelemetry * t, gboolean eager, double target_delay_ms);
guint64 gst_mlo_telemetry_in_flight (GstMloTelemetry * t);

G_END_DECLS
#endif
