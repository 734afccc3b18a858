/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlodriven.h"

#include <math.h>
#include <string.h>

/* Obedience is judged by the bits of this long. */
#define PERIOD_US (1500 * G_TIME_SPAN_MILLISECOND)
#define OVER 1.15               /* more than this twice in a row is the encoder's habit */
#define FAR_OVER 1.5            /* more than this in spite of the correction is deafness */
#define FAR_OVER_PERIODS 3
#define GOOD_PERIODS 20         /* until a deaf encoder is believed again */
#define LEAST_CORRECTION 0.35
#define CORRECTION_STEP 0.7     /* at most at a time */
#define UNDER 0.95              /* less than this: it is told less than it needs to be */
/* What no picture is made of, and what the others would not miss. */
#define LEAST_KBPS 50.0
/* Elements before an encoder that are looked at for queues. */
#define MAX_HOPS 16

/* How long a VBV is kept: the user's where it is a time, ours where it was left at its default. */
static double
managed_vbv_ms (const GstMloEncoder * e, GstElement * element)
{
  GValue value = G_VALUE_INIT;
  double ms = 0.0;

  if (!e->vbv)
    return 0.0;
  g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (e->vbv));
  g_object_get_property (G_OBJECT (element), e->vbv->name, &value);
  if (g_param_value_defaults (e->vbv, &value))
    ms = e->info->vbv_ms;
  else if (e->info->vbv_unit == GST_MLO_VBV_MS && G_VALUE_HOLDS_UINT (&value))
    ms = g_value_get_uint (&value);
  g_value_unset (&value);
  return ms;
}

void
gst_mlo_driven_take (GstMloDriven * d, const GstMloPathEncoder * found, GstMloTelemetry * telemetry)
{
  double least_kbps = gst_mlo_encoder_least_kbps (&found->encoder);

  memset (d, 0, sizeof *d);
  d->element = gst_object_ref (found->element);
  d->encoder = found->encoder;
  d->original_kbps = gst_mlo_encoder_get_kbps (&d->encoder, d->element);
  d->least_kbps = MAX (least_kbps, d->original_kbps > 0.0 ? MIN (LEAST_KBPS, d->original_kbps) : LEAST_KBPS);
  d->vbv_ms = managed_vbv_ms (&d->encoder, d->element);
  gst_mlo_speed_resolve (&d->speed, &d->encoder.info->speed, d->element);
  d->tap = gst_mlo_tap_new (d->element, telemetry);
  d->correction = 1.0;
}

void
gst_mlo_driven_drop (GstMloDriven * d)
{
  g_clear_pointer (&d->tap, gst_mlo_tap_free);
  gst_clear_object (&d->element);
}

void
gst_mlo_driven_put_back (GstMloDriven * d)
{
  if (d->touched && d->original_kbps > 0.0) {
    gst_mlo_encoder_set_kbps (&d->encoder, d->element, d->original_kbps);
    if (d->vbv_ms > 0.0)
      gst_mlo_encoder_set_vbv (&d->encoder, d->element, d->vbv_ms, d->original_kbps);
  }
  /* One that takes its preset in READY only is there by now, where the pipeline stops. */
  if (d->step != 0 && (d->speed.live || GST_STATE (d->element) <= GST_STATE_READY))
    gst_mlo_speed_set (&d->speed, d->element, 0);
}

/* Half the frames give half the rate where the encoder counts frames, and twice the time in its VBV. */
static double
frame_factor (const GstMloDriven * d, double fps, const GstMloFormat * format)
{
  double nominal = 0.0;

  if (format->info.fps_n > 0 && format->info.fps_d > 0)
    nominal = (double) format->info.fps_n / format->info.fps_d;
  if (!d->encoder.info->counts_frames || fps <= 0.0 || nominal <= fps)
    return 1.0;
  return nominal / fps;
}

gboolean
gst_mlo_driven_set_rate (GstMloDriven * d, double kbps, double fps, const GstMloFormat * format)
{
  double factor = frame_factor (d, fps, format), value = kbps * factor * d->correction, vbv_ms = d->vbv_ms / factor;

  d->told_kbps = kbps;
  if (fabs (value - d->property_kbps) >= 0.5) {
    d->touched = TRUE;
    d->property_kbps = value;
    d->property_vbv_ms = 0.0;
    if (!gst_mlo_encoder_set_kbps (&d->encoder, d->element, value))
      return FALSE;
  }
  if (d->vbv_ms > 0.0 && fabs (vbv_ms - d->property_vbv_ms) >= 0.5) {
    d->property_vbv_ms = vbv_ms;
    gst_mlo_encoder_set_vbv (&d->encoder, d->element, vbv_ms, value);
  }
  return TRUE;
}

/* A period without a change of size is over: judges it. */
static void
judge (GstMloDriven * d, double ratio)
{
  gboolean least = d->correction <= LEAST_CORRECTION;

  d->over = ratio > OVER ? d->over + 1 : 0;
  d->far_over = ratio > FAR_OVER ? d->far_over + 1 : 0;
  d->spent = ratio > OVER && least ? d->spent + 1 : 0;
  d->good = ratio <= OVER ? d->good + 1 : 0;
  if (d->over >= 2 && !d->encoder.info->exact)
    d->correction = MAX (d->correction * MAX (1.0 / ratio, CORRECTION_STEP), LEAST_CORRECTION);
  else if (ratio < UNDER)
    d->correction = MIN (d->correction / MAX (ratio, CORRECTION_STEP), 1.0);
  /* Told a third and still above: it does not listen, however little it is above. */
  if (d->far_over >= FAR_OVER_PERIODS || d->spent >= FAR_OVER_PERIODS)
    d->deaf = TRUE;
  else if (d->good >= GOOD_PERIODS)
    d->deaf = FALSE;
}

gboolean
gst_mlo_driven_watch (GstMloDriven * d, gint64 now_us, double *encoded_kbps)
{
  gboolean before = d->deaf;
  GstMloTapCounts n;
  double got_kbit;

  gst_mlo_tap_get_counts (d->tap, &n);
  if (!d->touched || n.frames_out == 0)
    return FALSE;
  got_kbit = (double) (n.bytes - d->period_bytes) * 8.0 / 1000.0;
  if (d->period_us != 0)
    d->asked_kbit += d->told_kbps * (double) (now_us - d->last_watch_us) / 1e6;
  d->last_watch_us = now_us;
  if (d->period_us != 0 && now_us - d->period_us < PERIOD_US)
    return FALSE;
  if (d->period_us != 0 && now_us - d->period_us < 2 * PERIOD_US && d->asked_kbit > 0.0) {
    *encoded_kbps = got_kbit * 1e6 / (double) (now_us - d->period_us);
    judge (d, got_kbit / d->asked_kbit);
  }
  d->period_us = now_us;
  d->asked_kbit = 0.0;
  d->period_bytes = n.bytes;
  return d->deaf != before;
}

void
gst_mlo_driven_skip_period (GstMloDriven * d)
{
  d->period_us = 0;
}

guint
gst_mlo_driven_backlog_ms (const GstMloDriven * d)
{
  GstPad *sink = gst_mlo_tap_sink (d->tap) ? gst_object_ref (gst_mlo_tap_sink (d->tap)) : NULL;
  GstMloTapCounts n;
  guint frames = 0;

  for (guint hop = 0; sink && hop < MAX_HOPS; hop++) {
    g_autoptr (GstPad) before = gst_pad_get_peer (sink);
    g_autoptr (GstElement) element = before ? gst_pad_get_parent_element (before) : NULL;
    guint level = 0;

    gst_clear_object (&sink);
    /* Our own element is a bin. */
    if (!element || GST_IS_BIN (element))
      break;
    if (gst_mlo_path_is_factory (element, "queue")) {
      g_object_get (element, "current-level-buffers", &level, NULL);
      frames += level;
    }
    sink = gst_element_get_static_pad (element, "sink");
  }
  gst_clear_object (&sink);
  gst_mlo_tap_get_counts (d->tap, &n);
  /* Beside them one is in the encoder, and one waits to come into the queue. */
  if (frames > 0)
    frames += 2;
  return (guint) MIN ((double) frames * (double) n.busy_us / 1000.0, 60000.0);
}

char *
gst_mlo_driven_advice (const GstMloDriven * d)
{
  const GstMloEncoderInfo *info = d->encoder.info;
  g_autoptr (GString) text = g_string_new (NULL);

  if (info->advice)
    return g_strdup (info->advice);
  for (guint i = 0; i < GST_MLO_ENCODER_SETTINGS && info->settings[i].property; i++)
    g_string_append_printf (text, "%s%s=%s", i > 0 ? ", " : "set ", info->settings[i].property,
        info->settings[i].value);
  if (text->len > 0)
    return g_string_free (g_steal_pointer (&text), FALSE);
  return g_strdup_printf ("set it to a constant-bitrate mode, or name what sets its rate where that is not %s "
      "(encoder=%s/PROPERTY)", d->encoder.rate->name, GST_OBJECT_NAME (d->element));
}
