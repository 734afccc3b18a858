/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlotap.h"

#include <string.h>

#define BUSY_SMOOTHING 0.2
#define TIMED 64                /* frames in the encoder whose way in is remembered */

struct _GstMloTap
{
  GstMloTelemetry *telemetry;   /* owned */
  GstPad *sink, *src;           /* owned; may be NULL */
  gulong sink_probe, src_probe;

  GMutex lock;                  /* protects all below; taken before the telemetry's */
  gboolean closed, leads;
  GstMloTapCounts counts;
  struct
  {
    GstClockTime pts;
    gint64 in_us;
  } timed[TIMED];
  guint next_timed;
  gint64 last_in_us;            /* newest frame's way in; 0: one came out since */
  guint64 pts_offset;           /* modulo 2^64: some encoders move the timestamps (x264enc by 1000 hours) */
};

static void
tap_clear (gpointer data)
{
  GstMloTap *tap = data;

  gst_mlo_telemetry_unref (tap->telemetry);
  gst_clear_object (&tap->sink);
  gst_clear_object (&tap->src);
  g_mutex_clear (&tap->lock);
}

static void
tap_unref (gpointer tap)
{
  g_atomic_rc_box_release_full (tap, tap_clear);
}

void
gst_mlo_tap_frame_in (GstMloTap * tap, GstClockTime pts, gint64 now_us)
{
  g_mutex_lock (&tap->lock);
  if (!tap->closed) {
    tap->counts.frames_in++;
    tap->last_in_us = now_us;
    if (GST_CLOCK_TIME_IS_VALID (pts)) {
      tap->timed[tap->next_timed].pts = pts;
      tap->timed[tap->next_timed].in_us = now_us;
      tap->next_timed = (tap->next_timed + 1) % TIMED;
    }
    if (tap->leads)
      gst_mlo_telemetry_frame_taken (tap->telemetry);
  }
  g_mutex_unlock (&tap->lock);
}

/* The frame that went in with @pts, or NULL. With the lock held. */
static gint64 *
find_timed (GstMloTap * tap, GstClockTime pts)
{
  guint oldest = TIMED;

  for (guint i = 0; i < TIMED; i++) {
    if (tap->timed[i].in_us == 0)
      continue;
    if (tap->timed[i].pts + tap->pts_offset == pts)
      return &tap->timed[i].in_us;
    if (oldest == TIMED || tap->timed[i].in_us < tap->timed[oldest].in_us)
      oldest = i;
  }
  if (oldest == TIMED)
    return NULL;
  /* The first of a stream, or the offset is another one now: the oldest in is the first out. */
  tap->pts_offset = pts - tap->timed[oldest].pts;
  return &tap->timed[oldest].in_us;
}

void
gst_mlo_tap_frame_out (GstMloTap * tap, GstBuffer * buffer, gint64 now_us)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer);
  GstMloEncoded e = {
    .now_us = now_us,
    .bytes = gst_buffer_get_size (buffer),
    .keyframe = !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT),
    .busy_us = -1,
    .encode_us = -1,
  };
  gint64 *in_us;

  g_mutex_lock (&tap->lock);
  if (!tap->closed) {
    tap->counts.frames_out++;
    tap->counts.bytes += e.bytes;
    e.leads = tap->leads;
    /* Encoders that hold frames give out an old one as soon as they are done with the newest. */
    if (tap->last_in_us != 0) {
      e.busy_us = MAX (now_us - tap->last_in_us, 0);
      tap->counts.busy_us += (gint64) ((tap->counts.busy_us == 0 ? 1.0 : BUSY_SMOOTHING) * (double) (e.busy_us
              - tap->counts.busy_us));
      tap->last_in_us = 0;
    }
    in_us = GST_CLOCK_TIME_IS_VALID (pts) ? find_timed (tap, pts) : NULL;
    if (in_us) {
      e.encode_us = MAX (now_us - *in_us, 0);
      *in_us = 0;
    }
    gst_mlo_telemetry_encoded (tap->telemetry, &e);
  }
  g_mutex_unlock (&tap->lock);
}

static GstPadProbeReturn
on_sink (GstPad * pad, GstPadProbeInfo * info, gpointer tap)
{
  if (info->type & GST_PAD_PROBE_TYPE_BUFFER)
    gst_mlo_tap_frame_in (tap, GST_BUFFER_PTS (GST_PAD_PROBE_INFO_BUFFER (info)), g_get_monotonic_time ());
  else if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_FLUSH_STOP)
    gst_mlo_tap_forget (tap);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_src (GstPad * pad, GstPadProbeInfo * info, gpointer tap)
{
  gint64 now_us = g_get_monotonic_time ();

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    gst_mlo_tap_frame_out (tap, GST_PAD_PROBE_INFO_BUFFER (info), now_us);
  } else if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);

    for (guint i = 0; i < gst_buffer_list_length (list); i++)
      gst_mlo_tap_frame_out (tap, gst_buffer_list_get (list, i), now_us);
  }
  return GST_PAD_PROBE_OK;
}

GstMloTap *
gst_mlo_tap_new (GstElement * encoder, GstMloTelemetry * telemetry)
{
  GstMloTap *tap = g_atomic_rc_box_new0 (GstMloTap);

  g_mutex_init (&tap->lock);
  tap->telemetry = gst_mlo_telemetry_ref (telemetry);
  tap->sink = encoder ? gst_element_get_static_pad (encoder, "sink") : NULL;
  tap->src = encoder ? gst_element_get_static_pad (encoder, "src") : NULL;
  if (tap->sink)
    tap->sink_probe = gst_pad_add_probe (tap->sink, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_FLUSH, on_sink,
        g_atomic_rc_box_acquire (tap), tap_unref);
  if (tap->src)
    tap->src_probe = gst_pad_add_probe (tap->src, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_src,
        g_atomic_rc_box_acquire (tap), tap_unref);
  return tap;
}

void
gst_mlo_tap_free (GstMloTap * tap)
{
  if (!tap)
    return;
  g_mutex_lock (&tap->lock);
  tap->closed = TRUE;
  g_mutex_unlock (&tap->lock);
  if (tap->sink)
    gst_pad_remove_probe (tap->sink, tap->sink_probe);
  if (tap->src)
    gst_pad_remove_probe (tap->src, tap->src_probe);
  tap_unref (tap);
}

GstPad *
gst_mlo_tap_sink (GstMloTap * tap)
{
  return tap->sink;
}

void
gst_mlo_tap_set_leads (GstMloTap * tap, gboolean leads)
{
  g_mutex_lock (&tap->lock);
  tap->leads = leads;
  g_mutex_unlock (&tap->lock);
}

void
gst_mlo_tap_get_counts (GstMloTap * tap, GstMloTapCounts * counts)
{
  g_mutex_lock (&tap->lock);
  *counts = tap->counts;
  g_mutex_unlock (&tap->lock);
}

void
gst_mlo_tap_forget (GstMloTap * tap)
{
  g_mutex_lock (&tap->lock);
  memset (tap->timed, 0, sizeof tap->timed);
  tap->last_in_us = 0;
  g_mutex_unlock (&tap->lock);
}
