/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_DRIVEN_H
#define GST_MLO_DRIVEN_H

#include "gstmlopath.h"
#include "gstmlotap.h"

G_BEGIN_DECLS

/**
 * GstMloDriven: one encoder as it is driven: what it was found with, what it was told, and whether it obeys. All in the
 * control thread, without a lock. Zeroed: none.
 */
typedef struct
{
  GstElement *element;          /* owned */
  GstMloEncoder encoder;
  GstMloTap *tap;
  double original_kbps;         /* what it was set to when it was found; 0: automatic */
  double least_kbps;            /* never told less, of several, where there is enough for all */
  double vbv_ms;                /* of its VBV at full frame rate; 0: left alone */
  double told_kbps;             /* its share of what was decided last; 0: none yet */
  double property_kbps;         /* last value given to the property; 0: none */
  double property_vbv_ms;
  gboolean touched;             /* the property was set by us */

  GstMloSpeed speed;            /* as the user's preset was when the encoder was found */
  int step;                     /* set by us, of @speed */
  guint restarts_failed;        /* in a row */

  /* Whether it obeys, judged over periods. */
  gint64 period_us, last_watch_us;
  double asked_kbit;            /* since the period began */
  guint64 period_bytes;         /* count at its begin */
  guint over, far_over, spent, good;    /* periods in a row */
  double correction;            /* of the value set, <= 1: some encoders put out more than they are told */
  gboolean deaf;
} GstMloDriven;

void gst_mlo_driven_take (GstMloDriven * d, const GstMloPathEncoder * found, GstMloTelemetry * telemetry);
/* Lets go of it as it is. */
void gst_mlo_driven_drop (GstMloDriven * d);
/* Sets what it was found with. */
void gst_mlo_driven_put_back (GstMloDriven * d);

/* Its share of the rate. @fps: frames a second that go on to it, 0: all. FALSE where its property reads back otherwise. */
gboolean gst_mlo_driven_set_rate (GstMloDriven * d, double kbps, double fps, const GstMloFormat * format);

/* Once a tick: compares what it put out with what it was told. One that keeps putting out more is told less; TRUE
 * when it has just been found deaf (6 s after it was told less, where it puts out half as much again as that; 20 s where
 * it is less), or to hear again. */
gboolean gst_mlo_driven_watch (GstMloDriven * d, gint64 now_us, double *encoded_kbps);
/* What comes out next says nothing of the rate (a key frame of another size). */
void gst_mlo_driven_skip_period (GstMloDriven * d);

/* How long it will take to come to what is sent off now: what stands in queues before it comes first, ms. */
guint gst_mlo_driven_backlog_ms (const GstMloDriven * d);

/* (transfer full): what the user may change so that it obeys. */
char *gst_mlo_driven_advice (const GstMloDriven * d);

G_END_DECLS
#endif
