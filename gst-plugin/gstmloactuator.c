/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmloactuator.h"

#include <math.h>
#include <string.h>

#include "gstmlorestart.h"
#include "gstmloscaler.h"
#include "mlo-shares.h"

/* A restart waits this long for a frame; frames come 15 times a second at least, but an overloaded encoder may need
 * long for the one before. */
#define RESTART_WAIT_MS 250
/* And longer where frames stand before the encoder, or the size would come to it without the restart, and cost a key frame
 * of its own; but decisions wait as long. */
#define RESTART_WAIT_MOST_MS 1000
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
  for (guint i = 0; i < a->n_encoders; i++) {
    gst_mlo_driven_put_back (&a->encoders[i]);
    gst_mlo_driven_drop (&a->encoders[i]);
  }
  a->n_encoders = 0;
  gst_mlo_parity_stop (&a->parity);
  if (a->width != 0 || a->pending)
    set_caps (a, 0, 0, NULL);
  g_atomic_int_set (&a->millihertz, 0);
  a->size_refused = FALSE;
}

static gboolean
on_path (const GstMloPath * path, GstElement * element)
{
  for (guint i = 0; i < path->n_encoders; i++) {
    if (path->encoders[i].element == element)
      return TRUE;
  }
  return FALSE;
}

static gboolean
is_driven (const GstMloActuator * a, GstElement * element)
{
  for (guint i = 0; i < a->n_encoders; i++) {
    if (a->encoders[i].element == element)
      return TRUE;
  }
  return FALSE;
}

/* The one that was set to most, and of these the one that was met first. */
static void
choose_lead (GstMloActuator * a)
{
  guint lead = 0;

  for (guint i = 1; i < a->n_encoders; i++) {
    if (a->encoders[i].original_kbps > a->encoders[lead].original_kbps)
      lead = i;
  }
  if (lead > 0) {
    GstMloDriven first = a->encoders[0];

    a->encoders[0] = a->encoders[lead];
    a->encoders[lead] = first;
  }
  for (guint i = 0; i < a->n_encoders; i++)
    gst_mlo_tap_set_leads (a->encoders[i].tap, i == 0);
}

gboolean
gst_mlo_actuator_set_path (GstMloActuator * a, const GstMloPath * path)
{
  gboolean changed = FALSE;

  for (guint i = a->n_encoders; i-- > 0;) {
    if (on_path (path, a->encoders[i].element))
      continue;
    gst_mlo_driven_drop (&a->encoders[i]);
    a->n_encoders--;
    memmove (&a->encoders[i], &a->encoders[i + 1], (a->n_encoders - i) * sizeof a->encoders[0]);
    changed = TRUE;
  }
  for (guint i = 0; i < path->n_encoders; i++) {
    if (is_driven (a, path->encoders[i].element))
      continue;
    gst_mlo_driven_take (&a->encoders[a->n_encoders++], &path->encoders[i], a->telemetry);
    changed = TRUE;
  }
  if (changed) {
    a->size_refused = FALSE;
    choose_lead (a);
  }
  gst_mlo_parity_set_path (&a->parity, path->parity);
  return changed;
}

double
gst_mlo_actuator_set_kbps (const GstMloActuator * a)
{
  double kbps = 0.0;

  for (guint i = 0; i < a->n_encoders; i++)
    kbps += a->encoders[i].told_kbps > 0.0 ? a->encoders[i].told_kbps : a->encoders[i].original_kbps;
  return kbps * (1.0 + gst_mlo_parity_overhead (&a->parity));
}

gboolean
gst_mlo_actuator_deaf (const GstMloActuator * a)
{
  for (guint i = 0; i < a->n_encoders; i++) {
    if (a->encoders[i].deaf)
      return TRUE;
  }
  return FALSE;
}

void
gst_mlo_actuator_forget (GstMloActuator * a)
{
  for (guint i = 0; i < a->n_encoders; i++)
    gst_mlo_tap_forget (a->encoders[i].tap);
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
  const GstMloDriven *lead = &a->encoders[0];

  *traits = mlo_actuator_traits_default;
  traits->can_bitrate = a->n_encoders > 0;
  traits->can_resolution = can_scale (format) && !path->fixed_size && !a->size_refused;
  traits->can_framerate = TRUE;
  traits->deaf = gst_mlo_actuator_deaf (a);
  if (a->n_encoders == 0)
    return;
  for (guint i = 0; i < a->n_encoders; i++) {
    const GstMloEncoderInfo *info = a->encoders[i].encoder.info;

    traits->keyframe_on_bitrate |= info->keyframe_on_bitrate;
    traits->dead_band = i == 0 ? info->dead_band : MAX (traits->dead_band, info->dead_band);
    traits->min_change_us = MAX (i == 0 ? 0 : traits->min_change_us, (gint64) info->min_change_ms * 1000);
  }
  traits->can_preset = lead->speed.spec && gst_mlo_tap_sink (lead->tap) && lead->restarts_failed < RESTART_ATTEMPTS;
  traits->preset_restarts = !lead->speed.live;
  traits->preset_faster = lead->speed.faster;
  traits->preset_slower = MIN (lead->speed.slower, SLOWER_STEPS);
}

/* Each encoder's share. One that had no rate of its own counts as the mean of the others. */
static void
share_out (const GstMloActuator * a, double kbps, double *shares)
{
  double weight[GST_MLO_ENCODERS_MOST], least[GST_MLO_ENCODERS_MOST], sum = 0.0;
  guint known = 0;

  for (guint i = 0; i < a->n_encoders; i++) {
    sum += a->encoders[i].original_kbps;
    known += a->encoders[i].original_kbps > 0.0 ? 1 : 0;
  }
  for (guint i = 0; i < a->n_encoders; i++) {
    weight[i] = a->encoders[i].original_kbps;
    if (weight[i] <= 0.0)
      weight[i] = known > 0 ? sum / known : 1.0;
    least[i] = a->encoders[i].least_kbps;
  }
  mlo_shares (a->n_encoders, weight, least, kbps, shares);
}

/* Who refuses; NULL: nobody. */
static const GstMloDriven *
apply_bitrate (GstMloActuator * a, double kbps, double fps, const GstMloFormat * format)
{
  double shares[GST_MLO_ENCODERS_MOST];
  const GstMloDriven *refusing = NULL;

  share_out (a, kbps, shares);
  for (guint i = 0; i < a->n_encoders; i++) {
    if (!gst_mlo_driven_set_rate (&a->encoders[i], shares[i], fps, format))
      refusing = &a->encoders[i];
  }
  return refusing;
}

/* Whether what is downstream takes the present pictures, as they leave @now, at this size. */
static gboolean
downstream_takes (GstMloActuator * a, GstCaps * now, int width, int height)
{
  g_autoptr (GstCaps) wanted = NULL;
  g_autoptr (GstCaps) taken = NULL;
  GstStructure *s;

  if (gst_caps_is_any (now) || gst_caps_get_size (now) != 1)
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

static GstMloRefused
apply_size (GstMloActuator * a, int width, int height, const GstMloFormat * format)
{
  g_autoptr (GstCaps) now = NULL;

  if (!size_differs (a, width, height, format))
    return 0;
  if (width == format->info.width && height == format->info.height)
    width = height = 0;
  if (width > 0) {
    if (!can_scale (format))
      return GST_MLO_REFUSED_SIZES;
    now = gst_pad_get_current_caps (a->src);
    if (!now)
      return GST_MLO_REFUSED_SIZE;
    if (!downstream_takes (a, now, width, height))
      return GST_MLO_REFUSED_SIZES;
  }
  set_caps (a, width, height, format->scalable);
  for (guint i = 0; i < a->n_encoders; i++)
    gst_mlo_driven_skip_period (&a->encoders[i]);
  return 0;
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
  GstMloDriven *lead = &w->actuator->encoders[0];

  /* Some answer a rate with a key frame: it shares the restart's. */
  if (!back && w->kbps >= 0.0)
    apply_bitrate (w->actuator, w->kbps, w->fps, w->format);
  return gst_mlo_speed_set (&lead->speed, encoder, back ? lead->step : w->step);
}

/* Frames went in that did not come out. */
static gboolean
holds_frames (const GstMloDriven * d)
{
  GstMloTapCounts n;

  gst_mlo_tap_get_counts (d->tap, &n);
  return n.frames_in > n.frames_out;
}

static GstMloRefused
restarted (GstMloDriven * d, GstMloRestartResult result, int step)
{
  switch (result) {
    case GST_MLO_RESTART_DONE:
      d->step = step;
      d->restarts_failed = 0;
      gst_mlo_driven_skip_period (d);
      return 0;
    case GST_MLO_RESTART_NOT_NOW:
      return GST_MLO_REFUSED_PRESET;
    default:
      return ++d->restarts_failed < RESTART_ATTEMPTS ? GST_MLO_REFUSED_PRESET : GST_MLO_REFUSED_PRESETS;
  }
}

static GstMloRefused
set_live_preset (GstMloDriven * d, int step)
{
  if (gst_mlo_speed_set (&d->speed, d->element, step)) {
    d->step = step;
    return 0;
  }
  d->restarts_failed = RESTART_ATTEMPTS;
  return GST_MLO_REFUSED_PRESETS;
}

GstMloRefused
gst_mlo_actuator_apply (GstMloActuator * a, const MloDecision * d, guint adapt, const GstMloFormat * format,
    const GstMloDriven ** refusing)
{
  int width = adapt & MLO_ADAPT_RESOLUTION ? d->width : 0, height = adapt & MLO_ADAPT_RESOLUTION ? d->height : 0;
  double fps = adapt & MLO_ADAPT_FRAMERATE ? d->fps : 0.0;
  double kbps = -1.0;
  GstMloDriven *lead = &a->encoders[0];
  gboolean has_preset = a->n_encoders > 0 && lead->speed.spec;
  Wanted wanted = { a, (adapt & MLO_ADAPT_PRESET) && has_preset ? d->preset_step : 0, kbps, fps, format };
  gboolean other_preset = has_preset && wanted.step != lead->step;
  gboolean other_size = size_differs (a, width, height, format);
  GstMloRestart *restart = NULL;
  GstMloRefused refused = 0, size_refused;
  guint wait_ms = RESTART_WAIT_MS;

  *refusing = NULL;
  gst_mlo_parity_apply (&a->parity, adapt & MLO_ADAPT_FEC ? d->parity_percent : -1);
  if ((adapt & MLO_ADAPT_BITRATE) && a->n_encoders > 0)
    kbps = wanted.kbps = d->bitrate_kbps / (1.0 + gst_mlo_parity_overhead (&a->parity));
  /* One restart for preset, size and rate: from the moment on in which the pictures of that size arrive. */
  if (other_preset && !lead->speed.live) {
    if (other_size)
      wait_ms = MIN (wait_ms + gst_mlo_driven_backlog_ms (lead), RESTART_WAIT_MOST_MS);
    restart = gst_mlo_restart_begin (lead->element, gst_mlo_tap_sink (lead->tap), other_size);
    if (!restart)
      refused |= GST_MLO_REFUSED_PRESET;
  } else if (kbps >= 0.0)
    *refusing = apply_bitrate (a, kbps, fps, format);
  size_refused = apply_size (a, width, height, format);
  refused |= size_refused;
  a->size_refused |= size_refused == GST_MLO_REFUSED_SIZES;
  if (size_refused && restart)
    gst_mlo_restart_at_frame (restart);
  if (restart)
    refused |= restarted (lead, gst_mlo_restart_finish (restart, wait_ms, holds_frames (lead), set_preset, &wanted),
        wanted.step);
  else if (other_preset && lead->speed.live)
    refused |= set_live_preset (lead, wanted.step);
  if (other_preset && !lead->speed.live && kbps >= 0.0)
    *refusing = apply_bitrate (a, kbps, fps, format);
  g_atomic_int_set (&a->millihertz, (gint) lrint (CLAMP (fps, 0.0, 1000.0) * 1000.0));
  return refused;
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
