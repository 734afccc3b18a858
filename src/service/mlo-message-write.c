/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to text. */
#include <math.h>

#include <json-glib/json-glib.h>

#include "mlo-json-bound.h"
#include "mlo-message.h"

/* What the bitrate must move by to count as another one. */
#define SAME_KBPS 0.5
#define SAME_FPS 0.01

static void
add_number (JsonBuilder * b, const char *name, double value)
{
  if (!isfinite (value))
    return;
  json_builder_set_member_name (b, name);
  if (value == rint (value) && fabs (value) < 0x1p53)
    json_builder_add_int_value (b, (gint64) value);
  else
    json_builder_add_double_value (b, mlo_json_writable (value));
}

static void
add_text (JsonBuilder * b, const char *name, const char *text)
{
  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, text);
}

static void
add_resolution (JsonBuilder * b, const char *name, int width, int height)
{
  g_autofree char *text = g_strdup_printf ("%dx%d", width, height);

  add_text (b, name, text);
}

/* Microseconds, which readers know by their size; a clock that does not begin in 1970 is too small for that and goes
 * out in seconds. */
static void
add_timestamp (JsonBuilder * b, gint64 real_time_us)
{
  if (real_time_us > 0)
    add_number (b, "timestamp", real_time_us >= G_GINT64_CONSTANT (100000000000000) ? (double) real_time_us
        : (double) real_time_us / 1e6);
}

static JsonBuilder *
begin (const char *type, const char *stream, gint64 real_time_us)
{
  JsonBuilder *b = json_builder_new_immutable ();

  json_builder_begin_object (b);
  add_text (b, "type", type);
  if (stream && *stream)
    add_text (b, "stream", stream);
  add_timestamp (b, real_time_us);
  return b;
}

/* Takes @b. */
static char *
finish (JsonBuilder * b)
{
  g_autoptr (JsonNode) root = NULL;
  char *text;

  json_builder_end_object (b);
  root = json_builder_get_root (b);
  text = json_to_string (root, FALSE);
  g_object_unref (b);
  return text;
}

static void
add_sample (JsonBuilder * b, const MloSample * sample)
{
  for (int f = 0; f < MLO_N_FIELDS; f++) {
    if (mlo_sample_has (sample, f))
      add_number (b, mlo_field_info (f)->name, mlo_sample_get (sample, f, 0.0));
  }
}

static void
add_limits (JsonBuilder * b, const MloMessageLimits * limits)
{
  if (limits->min_bitrate_kbps >= 0.0)
    add_number (b, "min_bitrate_kbps", limits->min_bitrate_kbps);
  if (limits->max_bitrate_kbps >= 0.0)
    add_number (b, "max_bitrate_kbps", limits->max_bitrate_kbps);
  if (limits->mode >= 0)
    add_text (b, "mode", limits->mode == 0 ? "control" : "observe");
}

/* What the source's own size and rate stand for, 0: not known. */
typedef struct
{
  int width, height;
  double fps, bitrate_kbps;
  int preset_step;
} Settings;

static Settings
settings_of (const MloDecision * d, int source_width, int source_height, double source_fps)
{
  Settings s = {
    .width = d->width > 0 ? d->width : source_width,
    .height = d->width > 0 ? d->height : source_height,
    .fps = d->fps > 0.0 ? d->fps : source_fps,
    .bitrate_kbps = d->bitrate_kbps,
    .preset_step = d->preset_step,
  };

  return s;
}

/* One word for what changes; the bitrate moves with nearly every decision and comes last. */
static MloAction
action_between (const Settings * from, const Settings * to)
{
  gint64 size = (gint64) to->width * to->height - (gint64) from->width * from->height;

  if (size != 0)
    return size > 0 ? MLO_ACTION_RESOLUTION_UP : MLO_ACTION_RESOLUTION_DOWN;
  if (fabs (to->fps - from->fps) >= SAME_FPS)
    return to->fps > from->fps ? MLO_ACTION_FPS_UP : MLO_ACTION_FPS_DOWN;
  if (to->preset_step != from->preset_step)
    return to->preset_step > from->preset_step ? MLO_ACTION_PRESET_FASTER : MLO_ACTION_PRESET_SLOWER;
  if (fabs (to->bitrate_kbps - from->bitrate_kbps) >= SAME_KBPS)
    return to->bitrate_kbps > from->bitrate_kbps ? MLO_ACTION_BITRATE_UP : MLO_ACTION_BITRATE_DOWN;
  return MLO_ACTION_NONE;
}

static void
add_quality_action (JsonBuilder * b, const Settings * from, const Settings * to, const char *reason)
{
  json_builder_set_member_name (b, "quality_action");
  json_builder_begin_object (b);
  add_text (b, "action", mlo_action_protocol_name (action_between (from, to)));
  add_text (b, "reason", reason ? reason : "");
  if (fabs (to->bitrate_kbps - from->bitrate_kbps) >= SAME_KBPS)
    add_number (b, "target_bitrate", to->bitrate_kbps);
  if (to->fps > 0.0 && fabs (to->fps - from->fps) >= SAME_FPS)
    add_number (b, "target_fps", to->fps);
  if (to->width > 0 && to->height > 0 && (to->width != from->width || to->height != from->height))
    add_resolution (b, "target_resolution", to->width, to->height);
  json_builder_end_object (b);
}

char *
mlo_message_recommendation (const char *stream, gint64 real_time_us, const MloDecision * decision,
    const MloDecision * before, const MloSample * sample, const MloMessageLimits * limits, int source_width,
    int source_height, double source_fps)
{
  JsonBuilder *b = begin ("recommendation", stream, real_time_us);
  Settings to = settings_of (decision, source_width, source_height, source_fps);
  Settings from = before ? settings_of (before, source_width, source_height, source_fps) : to;

  add_number (b, "bitrate_kbps", decision->bitrate_kbps);
  if (to.width > 0 && to.height > 0)
    add_resolution (b, "resolution", to.width, to.height);
  if (to.fps > 0.0)
    add_number (b, "fps", to.fps);
  add_quality_action (b, &from, &to, decision->reason);
  add_number (b, "confidence", CLAMP (decision->confidence, 0.0, 1.0));
  add_text (b, "state", mlo_guard_state_name (decision->state));
  add_text (b, "limiter", mlo_limiter_name (decision->limiter));
  if (decision->predicted_kbps >= 0.0)
    add_number (b, "predicted_kbps", decision->predicted_kbps);
  if (decision->capacity_kbps >= 0.0)
    add_number (b, "capacity_kbps", decision->capacity_kbps);
  if (limits) {
    json_builder_set_member_name (b, "limits");
    json_builder_begin_object (b);
    add_limits (b, limits);
    json_builder_end_object (b);
  }
  json_builder_set_member_name (b, "metrics");
  json_builder_begin_object (b);
  add_sample (b, sample);
  json_builder_end_object (b);
  return finish (b);
}

char *
mlo_message_metrics (const char *stream, gint64 real_time_us, const MloSample * sample)
{
  JsonBuilder *b = begin ("metrics", stream, real_time_us);

  add_sample (b, sample);
  return finish (b);
}

static char *
limits_text (const char *type, const char *stream, const MloMessageLimits * limits)
{
  JsonBuilder *b = begin (type, stream, 0);

  add_limits (b, limits);
  return finish (b);
}

char *
mlo_message_limits (const char *stream, const MloMessageLimits * limits)
{
  return limits_text ("limits", stream, limits);
}

char *
mlo_message_limits_applied (const char *stream, const MloMessageLimits * limits)
{
  return limits_text ("limits_applied", stream, limits);
}
