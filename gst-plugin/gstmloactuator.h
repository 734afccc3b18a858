/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_ACTUATOR_H
#define GST_MLO_ACTUATOR_H

#include "gstmlopath.h"
#include "gstmlotelemetry.h"
#include "mlo-policy.h"

G_BEGIN_DECLS

/* What an actuation did not get. */
typedef enum
{
  GST_MLO_REFUSED_BITRATE = 1 << 0,     /* the property reads back otherwise */
  GST_MLO_REFUSED_SIZE = 1 << 1,        /* what is downstream does not take that size */
  GST_MLO_REFUSED_PRESET = 1 << 2,      /* not now */
  GST_MLO_REFUSED_PRESETS = 1 << 3,     /* nor any more: the encoder does not keep them */
} GstMloRefused;

/**
 * GstMloActuator: sets what was decided. Control thread only, but for gst_mlo_actuator_gate ();
 * called without a lock.
 */
typedef struct
{
  GstElement *filter;           /* the capsfilter, borrowed */
  GstPad *src;                  /* the element's own src pad, borrowed */
  GstMloTelemetry *telemetry;   /* borrowed */

  GstElement *element;          /* the encoder, owned; NULL: none */
  GstMloEncoder encoder;
  GstPad *pads[2];              /* its sink and src pad, owned */
  gulong probes[2];
  double original_kbps;         /* what it was set to when it was found */
  double vbv_ms;                /* of its VBV at full frame rate; 0: left alone */
  double property_kbps;         /* last value given to the property; 0: none */
  double property_vbv_ms;
  gboolean touched;             /* the property was set by us */

  GstMloSpeed speed;            /* as the user's preset was when the encoder was found */
  int step;                     /* set by us, of @speed */
  guint restarts_failed;        /* in a row */

  int width, height;            /* asked of the scaler; 0: the source's */
  const char *memory;           /* that the size was asked for, interned */
  gboolean size_refused;
  GstCaps *pending;             /* atomic: for the filter, set by the streaming thread; NULL: none */

  /* Whether it obeys, judged over periods. */
  gint64 period_us, last_watch_us;
  double asked_kbit;            /* since the period began */
  guint64 period_bytes;         /* count at its begin */
  guint over, far_over, good;   /* periods in a row */
  double correction;            /* of the value set, <= 1: some encoders put out more than they are told */
  gboolean deaf;

  /* Streaming thread. */
  gint millihertz;              /* atomic: frames in 1000 s that go on; 0: all */
  GstClockTime next_slot;
} GstMloActuator;

void gst_mlo_actuator_init (GstMloActuator * a, GstElement * filter, GstPad * src, GstMloTelemetry * telemetry);
/* Puts back what was found, lets go of the encoder. */
void gst_mlo_actuator_stop (GstMloActuator * a);

/* Takes the path's encoder (or none); TRUE when it is another one than before. */
gboolean gst_mlo_actuator_set_path (GstMloActuator * a, const GstMloPath * path);

/* What can be done with these pictures and this encoder. */
void gst_mlo_actuator_traits (const GstMloActuator * a, const GstMloPath * path, const GstMloFormat * format,
    MloActuatorTraits * traits);

/* Sets bitrate first, then preset and size in one, then frame rate, each where @adapt (MloAdapt bits) allows it and it
 * differs from what is set. Returns what was refused. */
GstMloRefused gst_mlo_actuator_apply (GstMloActuator * a, const MloDecision * decision, guint adapt,
    const GstMloFormat * format);

/* Once a tick: compares what the encoder put out with what it was told. One that keeps putting out
 * more is told less; TRUE when it has just been found deaf, or to hear again. */
gboolean gst_mlo_actuator_watch (GstMloActuator * a, gint64 now_us, double target_kbps, const GstMloCounts * counts,
    double *encoded_kbps);

/* Streaming thread: what the filter is to let through from here on, in memory that is not plain (full); NULL: as before. */
GstCaps *gst_mlo_actuator_take_caps (GstMloActuator * a);
/* Streaming thread: whether the frame with this time goes on at the frame rate set. @half_frame: half
 * the time between two frames of the source, as its caps have it. */
gboolean gst_mlo_actuator_gate (GstMloActuator * a, GstClockTime pts, GstClockTime half_frame);
/* A new segment or a flush: time starts anew. */
void gst_mlo_actuator_gate_reset (GstMloActuator * a);

G_END_DECLS
#endif
