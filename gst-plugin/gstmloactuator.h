/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_ACTUATOR_H
#define GST_MLO_ACTUATOR_H

#include "gstmlodriven.h"
#include "gstmloparity.h"
#include "gstmlotelemetry.h"
#include "mlo-policy.h"

G_BEGIN_DECLS

/* What an actuation did not get, but for the bitrate. */
typedef enum
{
  GST_MLO_REFUSED_SIZE = 1 << 0,        /* not now: no caps have gone out yet */
  GST_MLO_REFUSED_SIZES = 1 << 1,       /* what is downstream does not take that size */
  GST_MLO_REFUSED_PRESET = 1 << 2,      /* not now */
  GST_MLO_REFUSED_PRESETS = 1 << 3,     /* nor any more: the encoder does not keep them */
} GstMloRefused;

/**
 * GstMloActuator: sets what was decided. Control thread only, but for gst_mlo_actuator_gate ();
 * called without a lock.
 *
 * Several encoders behind a tee (simulcast) share the rate in the proportions in which they were set when they were
 * found; the one that was set to most leads: its frames are counted and timed, and its preset is changed.
 */
typedef struct
{
  GstElement *filter;           /* the capsfilter, borrowed */
  GstPad *src;                  /* the element's own src pad, borrowed */
  GstMloTelemetry *telemetry;   /* borrowed */

  GstMloDriven encoders[GST_MLO_ENCODERS_MOST]; /* the first leads */
  guint n_encoders;
  GstMloParity parity;

  int width, height;            /* asked of the scaler; 0: the source's */
  const char *memory;           /* that the size was asked for, interned */
  gboolean size_refused;
  GstCaps *pending;             /* atomic: for the filter, set by the streaming thread; NULL: none */

  /* Streaming thread. */
  gint millihertz;              /* atomic: frames in 1000 s that go on; 0: all */
  GstClockTime next_slot;
} GstMloActuator;

void gst_mlo_actuator_init (GstMloActuator * a, GstElement * filter, GstPad * src, GstMloTelemetry * telemetry);
/* Puts back what was found, lets go of the encoder. */
void gst_mlo_actuator_stop (GstMloActuator * a);

/* Takes the path's encoders (or none); TRUE when they are not the same as before. Those that stay go on as they are. */
gboolean gst_mlo_actuator_set_path (GstMloActuator * a, const GstMloPath * path);

/* What they are set to together, with the parity; 0: not known of any. */
double gst_mlo_actuator_set_kbps (const GstMloActuator * a);
gboolean gst_mlo_actuator_deaf (const GstMloActuator * a);
/* What went into the encoders is not waited for (a pause). */
void gst_mlo_actuator_forget (GstMloActuator * a);

/* What can be done with these pictures and this encoder. */
void gst_mlo_actuator_traits (const GstMloActuator * a, const GstMloPath * path, const GstMloFormat * format,
    MloActuatorTraits * traits);

/* Sets parity and bitrate (of which the parity takes its part) first, then preset and size in one, then frame rate, each
 * where @adapt (MloAdapt bits) allows it and it differs from what is set. Returns what was refused; @refusing: (out):
 * whose bitrate reads back otherwise, NULL: nobody's. */
GstMloRefused gst_mlo_actuator_apply (GstMloActuator * a, const MloDecision * decision, guint adapt,
    const GstMloFormat * format, const GstMloDriven ** refusing);

/* Streaming thread: what the filter is to let through from here on, in memory that is not plain (full); NULL: as before. */
GstCaps *gst_mlo_actuator_take_caps (GstMloActuator * a);
/* Streaming thread: whether the frame with this time goes on at the frame rate set. @half_frame: half
 * the time between two frames of the source, as its caps have it. */
gboolean gst_mlo_actuator_gate (GstMloActuator * a, GstClockTime pts, GstClockTime half_frame);
/* A new segment or a flush: time starts anew. */
void gst_mlo_actuator_gate_reset (GstMloActuator * a);

G_END_DECLS
#endif
