/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmloactuator.h"

#include <math.h>
#include <string.h>

#include "gstmlorestart.h"
#include "gstmloscaler.h"

/* Obedience is judged by the bits of this long. */
#define PERIOD_US (1500 * G_TIME_SPAN_MILLISECOND)
#define OVER 1.15               /* more than this twice in a row is the encoder's habit */
#define FAR_OVER 1.5            /* more than this in spite of the correction is deafness */
#define FAR_OVER_PERIODS 3
#define GOOD_PERIODS 20         /* until a deaf encoder is believed again */
#define LEAST_CORRECTION 0.35
#define CORRECTION_STEP 0.7     /* at most at a time */
#define UNDER 0.95              /* less than this: it is told less than it needs to be */
/* A restart waits this long for a frame; frames come 15 times a second at least, but an overloaded encoder may need
 * long for the one before. */
#define RESTART_WAIT_MS 250
#define RESTART_ATTEMPTS 3
/* A preset far slower than the user's own holds frames back and surprises. */
#define SLOWER_STEPS 2

void
gst_mlo_actuator_init (GstMloActuator * a, GstElement * filter, GstPad * src, GstMloTelemetry * telemetry)
{
  memset (a, 0, sizeof *a);
  a->filter = filter;
  a->src = src;
  a->telemetry = telemetry;
  a->next_slot = GST_CLOCK_TIME_NONE;
  a->correction = 1.0;
}

static void
drop_encoder (GstMloActuator * a)
{
  for (guint i = 0; i < 2; i++) {
    if (a->pads[i]) {
      gst_pad_remove_probe (a->pads[i], a->probes[i]);
      g_clear_pointer (&a->pads[i], gst_object_unref);
    }
  }
  g_clear_pointer (&a->element, gst_object_unref);
  memset (&a->speed, 0, sizeof a->speed);
  a->step = 0;
  a->restarts_failed = 0;
  a->property_kbps = a->property_vbv_ms = a->vbv_ms = a->original_kbps = 0.0;
  a->touched = FALSE;
  a->deaf = FALSE;
  a->correction = 1.0;
  a->period_us = a->last_watch_us = 0;
  a->over = a->far_over = a->good = 0;
}

static void
set_caps (GstMloActuator * a, int width, int height, const char *memory)
{
  GstCaps *caps = width > 0 && height > 0 ? gst_mlo_scaler_caps (memory, width, height) : gst_caps_new_any ();

  a->width = width;
  a->height = height;
  a->memory = memory;
  /* Other memory's scaler is put in place first, between two frames. */
  if (memory && memory != gst_mlo_scaler_memory_system ()) {
    gst_caps_take (&a->pending, caps);
    return;
  }
  gst_caps_replace (&a->pending, NULL);
  g_object_set (a->filter, "caps", caps, NULL);
  gst_caps_unref (caps);
}

GstCaps *
gst_mlo_actuator_take_caps (GstMloActuator * a)
{
  return g_atomic_pointer_get (&a->pending) ? g_atomic_pointer_exchange (&a->pending, NULL) : NULL;
}

void
gst_mlo_actuator_stop (GstMloActuator * a)
{
  if (a->touched && a->original_kbps > 0.0) {
    gst_mlo_encoder_set_kbps (&a->encoder, a->element, a->original_kbps);
    if (a->vbv_ms > 0.0)
      gst_mlo_encoder_set_vbv (&a->encoder, a->element, a->vbv_ms, a->original_kbps);
  }
  /* One that takes its preset in READY only is there by now, where the pipeline stops. */
  if (a->step != 0 && (a->speed.live || GST_STATE (a->element) <= GST_STATE_READY))
    gst_mlo_speed_set (&a->speed, a->element, 0);
  drop_encoder (a);
  if (a->width != 0 || a->pending)
    set_caps (a, 0, 0, NULL);
  g_atomic_int_set (&a->millihertz, 0);
  a->size_refused = FALSE;
}

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

gboolean
gst_mlo_actuator_set_path (GstMloActuator * a, const GstMloPath * path)
{
  static const char *const names[2] = { "sink", "src" };
  static const GstPadProbeCallback callbacks[2] = {
    gst_mlo_telemetry_encoder_sink_probe, gst_mlo_telemetry_encoder_src_probe
  };
  static const GstPadProbeType types[2] = {
    GST_PAD_PROBE_TYPE_BUFFER, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST
  };

  if (a->element == path->element)
    return FALSE;
  drop_encoder (a);
  a->size_refused = FALSE;
  if (!path->element)
    return TRUE;
  a->element = gst_object_ref (path->element);
  a->encoder = path->encoder;
  a->original_kbps = gst_mlo_encoder_get_kbps (&a->encoder, a->element);
  a->vbv_ms = managed_vbv_ms (&a->encoder, a->element);
  gst_mlo_speed_resolve (&a->speed, &a->encoder.info->speed, a->element);
  for (guint i = 0; i < 2; i++) {
    a->pads[i] = gst_element_get_static_pad (a->element, names[i]);
    if (a->pads[i])
      a->probes[i] = gst_pad_add_probe (a->pads[i], types[i], callbacks[i],
          gst_mlo_telemetry_ref (a->telemetry), (GDestroyNotify) gst_mlo_telemetry_unref);
  }
  return TRUE;
}

/* Formats that videoscale takes; other memory's was asked when the caps came. */
static gboolean
can_scale (const GstMloFormat * f)
{
  if (!f->scalable || f->info.width <= 0 || f->info.height <= 0)
    return FALSE;
  if (!f->system_memory)
    return f->progressive;
  return f->progressive && f->info.finfo
      && GST_VIDEO_INFO_FORMAT (&f->info) > GST_VIDEO_FORMAT_ENCODED && f->info.width > 0 && f->info.height > 0;
}

void
gst_mlo_actuator_traits (const GstMloActuator * a, const GstMloPath * path, const GstMloFormat * format,
    MloActuatorTraits * traits)
{
  *traits = mlo_actuator_traits_default;
  traits->can_bitrate = a->element != NULL;
  traits->can_resolution = can_scale (format) && !path->fixed_size && !a->size_refused;
  traits->can_framerate = TRUE;
  traits->deaf = a->deaf;
  if (a->element) {
    const GstMloEncoderInfo *info = a->encoder.info;

    traits->keyframe_on_bitrate = info->keyframe_on_bitrate;
    traits->dead_band = info->dead_band;
    traits->min_change_us = (gint64) info->min_change_ms * 1000;
    traits->can_preset = a->speed.spec != NULL && a->pads[0] != NULL && a->restarts_failed < RESTART_ATTEMPTS;
    traits->preset_restarts = !a->speed.live;
    traits->preset_faster = a->speed.faster;
    traits->preset_slower = MIN (a->speed.slower, SLOWER_STEPS);
  }
}

/* Half the frames give half the rate where the encoder counts frames, and twice the time in its VBV. */
static double
frame_factor (const GstMloActuator * a, double fps, const GstMloFormat * format)
{
  double nominal = 0.0;

  if (format->info.fps_n > 0 && format->info.fps_d > 0)
    nominal = (double) format->info.fps_n / format->info.fps_d;
  if (!a->encoder.info->counts_frames || fps <= 0.0 || nominal <= fps)
    return 1.0;
  return nominal / fps;
}

static gboolean
apply_bitrate (GstMloActuator * a, double kbps, double fps, const GstMloFormat * format)
{
  double factor = frame_factor (a, fps, format), value = kbps * factor * a->correction, vbv_ms = a->vbv_ms / factor;

  if (fabs (value - a->property_kbps) >= 0.5) {
    a->touched = TRUE;
    a->property_kbps = value;
    a->property_vbv_ms = 0.0;
    if (!gst_mlo_encoder_set_kbps (&a->encoder, a->element, value))
      return FALSE;
  }
  if (a->vbv_ms > 0.0 && fabs (vbv_ms - a->property_vbv_ms) >= 0.5) {
    a->property_vbv_ms = vbv_ms;
    gst_mlo_encoder_set_vbv (&a->encoder, a->element, vbv_ms, value);
  }
  return TRUE;
}

/* Whether what is downstream takes the present pictures at this size. */
static gboolean
downstream_takes (GstMloActuator * a, int width, int height)
{
  g_autoptr (GstCaps) now = gst_pad_get_current_caps (a->src);
  g_autoptr (GstCaps) wanted = NULL;
  g_autoptr (GstCaps) taken = NULL;
  GstStructure *s;

  if (!now || gst_caps_is_any (now) || gst_caps_get_size (now) != 1)
    return FALSE;
  wanted = gst_caps_copy (now);
  s = gst_caps_get_structure (wanted, 0);
  gst_structure_set (s, "width", G_TYPE_INT, width, "height", G_TYPE_INT, height, NULL);
  gst_structure_remove_fields (s, "pixel-aspect-ratio", "colorimetry", "chroma-site", NULL);
  taken = gst_pad_peer_query_caps (a->src, wanted);
  return !gst_caps_is_empty (taken);
}

static gboolean
size_differs (const GstMloActuator * a, int width, int height, const GstMloFormat * format)
{
  if (width == format->info.width && height == format->info.height)
    width = height = 0;
  return width != a->width || height != a->height || (width > 0 && a->memory != format->scalable);
}

static gboolean
apply_size (GstMloActuator * a, int width, int height, const GstMloFormat * format)
{
  if (!size_differs (a, width, height, format))
    return TRUE;
  if (width == format->info.width && height == format->info.height)
    width = height = 0;
  if (width > 0 && (!can_scale (format) || !downstream_takes (a, width, height)))
    return FALSE;
  set_caps (a, width, height, format->scalable);
  /* Its key frame says nothing of the rate. */
  a->period_us = 0;
  return TRUE;
}

/* What is to be set, where an encoder must be restarted for it. */
typedef struct
{
  GstMloActuator *actuator;
  int step;
  double kbps, fps;             /* kbps < 0: not ours to set */
  const GstMloFormat *format;
} Wanted;

static gboolean
set_preset (GstElement * encoder, gboolean back, gpointer data)
{
  const Wanted *w = data;

  /* Some answer a rate with a key frame: it shares the restart's. */
  if (!back && w->kbps >= 0.0)
    apply_bitrate (w->actuator, w->kbps, w->fps, w->format);
  return gst_mlo_speed_set (&w->actuator->speed, encoder, back ? w->actuator->step : w->step);
}

/* Frames went in that did not come out. */
static gboolean
holds_frames (GstMloActuator * a)
{
  GstMloCounts n;

  gst_mlo_telemetry_get_counts (a->telemetry, &n);
  return n.encoder_frames > n.encoded_frames;
}

static GstMloRefused
restarted (GstMloActuator * a, GstMloRestartResult result, int step)
{
  switch (result) {
    case GST_MLO_RESTART_DONE:
      a->step = step;
      a->restarts_failed = 0;
      /* Its key frame says nothing of the rate. */
      a->period_us = 0;
      return 0;
    case GST_MLO_RESTART_NOT_NOW:
      return GST_MLO_REFUSED_PRESET;
    default:
      return ++a->restarts_failed < RESTART_ATTEMPTS ? GST_MLO_REFUSED_PRESET : GST_MLO_REFUSED_PRESETS;
  }
}

static GstMloRefused
set_live_preset (GstMloActuator * a, int step)
{
  if (gst_mlo_speed_set (&a->speed, a->element, step)) {
    a->step = step;
    return 0;
  }
  a->restarts_failed = RESTART_ATTEMPTS;
  return GST_MLO_REFUSED_PRESETS;
}

GstMloRefused
gst_mlo_actuator_apply (GstMloActuator * a, const MloDecision * d, guint adapt, const GstMloFormat * format)
{
  int width = adapt & MLO_ADAPT_RESOLUTION ? d->width : 0, height = adapt & MLO_ADAPT_RESOLUTION ? d->height : 0;
  double fps = adapt & MLO_ADAPT_FRAMERATE ? d->fps : 0.0;
  double kbps = (adapt & MLO_ADAPT_BITRATE) && a->element ? d->bitrate_kbps : -1.0;
  Wanted wanted = { a, (adapt & MLO_ADAPT_PRESET) && a->speed.spec ? d->preset_step : 0, kbps, fps, format };
  gboolean other_preset = wanted.step != a->step, other_size = size_differs (a, width, height, format);
  GstMloRestart *restart = NULL;
  GstMloRefused refused = 0;

  /* One restart for preset, size and rate: from the moment on in which the pictures of that size arrive. */
  if (other_preset && !a->speed.live) {
    restart = gst_mlo_restart_begin (a->element, a->pads[0], other_size);
    if (!restart)
      refused |= GST_MLO_REFUSED_PRESET;
  } else if (kbps >= 0.0 && !apply_bitrate (a, kbps, fps, format))
    refused |= GST_MLO_REFUSED_BITRATE;
  if (!apply_size (a, width, height, format)) {
    a->size_refused = TRUE;
    refused |= GST_MLO_REFUSED_SIZE;
    if (restart)
      gst_mlo_restart_at_frame (restart);
  }
  if (restart)
    refused |= restarted (a, gst_mlo_restart_finish (restart, RESTART_WAIT_MS, holds_frames (a), set_preset, &wanted),
        wanted.step);
  else if (other_preset && a->speed.live)
    refused |= set_live_preset (a, wanted.step);
  if (other_preset && !a->speed.live && kbps >= 0.0 && !apply_bitrate (a, kbps, fps, format))
    refused |= GST_MLO_REFUSED_BITRATE;
  g_atomic_int_set (&a->millihertz, (gint) lrint (CLAMP (fps, 0.0, 1000.0) * 1000.0));
  return refused;
}

/* A period without a change of size is over: judges it. */
static void
judge (GstMloActuator * a, double ratio)
{
  a->over = ratio > OVER ? a->over + 1 : 0;
  a->far_over = ratio > FAR_OVER ? a->far_over + 1 : 0;
  a->good = ratio <= OVER ? a->good + 1 : 0;
  if (a->over >= 2 && !a->encoder.info->exact)
    a->correction = MAX (a->correction * MAX (1.0 / ratio, CORRECTION_STEP), LEAST_CORRECTION);
  else if (ratio < UNDER)
    a->correction = MIN (a->correction / MAX (ratio, CORRECTION_STEP), 1.0);
  if (a->far_over >= FAR_OVER_PERIODS)
    a->deaf = TRUE;
  else if (a->good >= GOOD_PERIODS)
    a->deaf = FALSE;
}

gboolean
gst_mlo_actuator_watch (GstMloActuator * a, gint64 now_us, double target_kbps, const GstMloCounts * counts,
    double *encoded_kbps)
{
  gboolean before = a->deaf;
  double got_kbit = (double) (counts->encoded_bytes - a->period_bytes) * 8.0 / 1000.0;

  if (!a->touched || counts->encoded_frames == 0)
    return FALSE;
  if (a->period_us != 0)
    a->asked_kbit += target_kbps * (double) (now_us - a->last_watch_us) / 1e6;
  a->last_watch_us = now_us;
  if (a->period_us != 0 && now_us - a->period_us < PERIOD_US)
    return FALSE;
  if (a->period_us != 0 && now_us - a->period_us < 2 * PERIOD_US && a->asked_kbit > 0.0) {
    *encoded_kbps = got_kbit * 1e6 / (double) (now_us - a->period_us);
    judge (a, got_kbit / a->asked_kbit);
  }
  a->period_us = now_us;
  a->asked_kbit = 0.0;
  a->period_bytes = counts->encoded_bytes;
  return a->deaf != before;
}

gboolean
gst_mlo_actuator_gate (GstMloActuator * a, GstClockTime pts, GstClockTime half_frame)
{
  gint millihertz = g_atomic_int_get (&a->millihertz);
  GstClockTime slot;

  if (millihertz <= 0 || !GST_CLOCK_TIME_IS_VALID (pts)) {
    a->next_slot = GST_CLOCK_TIME_NONE;
    return TRUE;
  }
  slot = gst_util_uint64_scale (1000, GST_SECOND, (guint64) millihertz);
  /* Time slots keep the mean exact. A jump either way starts anew. */
  if (!GST_CLOCK_TIME_IS_VALID (a->next_slot) || pts > a->next_slot + 2 * slot || pts + 2 * slot < a->next_slot) {
    a->next_slot = pts + slot;
    return TRUE;
  }
  /* The frame nearest to the slot takes it. */
  if (pts + MIN (half_frame, slot / 2) < a->next_slot)
    return FALSE;
  a->next_slot += slot;
  return TRUE;
}

void
gst_mlo_actuator_gate_reset (GstMloActuator * a)
{
  a->next_slot = GST_CLOCK_TIME_NONE;
}
