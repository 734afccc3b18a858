/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-tool-result.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mlo-json-bound.h"

#define FIELD(name) static double get_##name (const MloRunOutcome *o) { return (double) o->result.name; }
/* *INDENT-OFF* */
FIELD (seconds)
FIELD (score)
FIELD (reward)
FIELD (mos)
FIELD (psnr_db)
FIELD (bitrate_kbps)
FIELD (utilisation)
FIELD (delay_p50_ms)
FIELD (delay_p95_ms)
FIELD (delay_p99_ms)
FIELD (delay_p95_clear_ms)
FIELD (delay_p99_clear_ms)
FIELD (backlog_p95_ms)
FIELD (loss)
FIELD (freezes)
FIELD (freeze_s)
FIELD (freeze_clear_s)
FIELD (size_changes)
FIELD (fps_changes)
FIELD (bitrate_changes)
FIELD (keyframes)
FIELD (skipped)
/* *INDENT-ON* */

static double
get_prediction_error (const MloRunOutcome * o)
{
  return o->predictions > 0 ? o->prediction_error / o->predictions : NAN;
}

static double
get_prediction_over (const MloRunOutcome * o)
{
  return o->predictions > 0 ? o->prediction_over / o->predictions : NAN;
}

static double
get_prediction_under (const MloRunOutcome * o)
{
  return o->predictions > 0 ? o->prediction_under / o->predictions : NAN;
}

const MloResultField mlo_result_fields[] = {
  {"seconds", "length", "s", get_seconds},
  {"score", "score R (DESIGN section 8)", "0..100", get_score},
  {"reward", "R before the lower clip", "", get_reward},
  {"mos", "mean opinion score", "1..4.5", get_mos},
  {"psnr_db", "PSNR", "dB", get_psnr_db},
  {"bitrate_kbps", "media received", "kbit/s", get_bitrate_kbps},
  {"utilisation", "utilisation", "fraction", get_utilisation},
  {"delay_p50_ms", "frame delay, median", "ms", get_delay_p50_ms},
  {"delay_p95_ms", "frame delay, 95th percentile", "ms", get_delay_p95_ms},
  {"delay_p99_ms", "frame delay, 99th percentile", "ms", get_delay_p99_ms},
  {"delay_p95_clear_ms", "the same outside outages, 95th", "ms", get_delay_p95_clear_ms},
  {"delay_p99_clear_ms", "the same outside outages, 99th", "ms", get_delay_p99_clear_ms},
  {"backlog_p95_ms", "backlog met by frames, 95th", "ms", get_backlog_p95_ms},
  {"loss", "packets lost", "fraction", get_loss},
  {"freezes", "freezes", "", get_freezes},
  {"freeze_s", "frozen", "s", get_freeze_s},
  {"freeze_clear_s", "frozen outside outages", "s", get_freeze_clear_s},
  {"size_changes", "changes of size", "", get_size_changes},
  {"fps_changes", "changes of frame rate", "", get_fps_changes},
  {"bitrate_changes", "changes of bitrate", "", get_bitrate_changes},
  {"keyframes", "key frames", "", get_keyframes},
  {"skipped", "frames left out by the window", "", get_skipped},
  {"prediction_error", "prediction's mean |log error|", "", get_prediction_error},
  {"prediction_over", "of that above the label", "", get_prediction_over},
  {"prediction_under", "of that below it", "", get_prediction_under},
  {NULL}
};

const MloResultField *
mlo_result_field (const char *name)
{
  const MloResultField *f = mlo_result_fields;

  while (strcmp (f->name, name) != 0)
    f++;
  return f;
}

void
mlo_json_add_number (JsonBuilder * b, const char *name, double value)
{
  json_builder_set_member_name (b, name);
  if (isfinite (value))
    json_builder_add_double_value (b, mlo_json_writable (value));
  else
    json_builder_add_null_value (b);
}

static void
add_counts (JsonBuilder * b, const char *name, const guint * counts, guint n, const char *(*label) (guint))
{
  json_builder_set_member_name (b, name);
  json_builder_begin_object (b);
  for (guint i = 0; i < n; i++) {
    json_builder_set_member_name (b, label (i));
    json_builder_add_int_value (b, counts[i]);
  }
  json_builder_end_object (b);
}

static const char *
action_label (guint i)
{
  return mlo_action_name ((MloAction) i);
}

static const char *
state_label (guint i)
{
  return mlo_guard_state_name ((MloGuardState) i);
}

void
mlo_result_to_json (const MloRunOutcome * o, JsonBuilder * b)
{
  json_builder_begin_object (b);
  for (const MloResultField * f = mlo_result_fields; f->name; f++)
    mlo_json_add_number (b, f->name, f->get (o));
  json_builder_set_member_name (b, "ticks");
  json_builder_add_int_value (b, o->ticks);
  add_counts (b, "actions", o->taken, MLO_N_ACTIONS, action_label);
  add_counts (b, "actions_possible", o->possible, MLO_N_ACTIONS, action_label);
  add_counts (b, "guard_states", o->states, MLO_N_GUARD_STATES, state_label);
  json_builder_end_object (b);
}

void
mlo_result_print (const MloRunOutcome * o)
{
  putchar ('\n');
  for (const MloResultField * f = mlo_result_fields; f->name; f++) {
    double v = f->get (o);

    if (isfinite (v))
      printf ("%-32s %10.4g %s\n", f->text, v, f->unit);
  }
  fputs ("actions ", stdout);
  for (guint i = 0; i < MLO_N_ACTIONS; i++) {
    if (o->taken[i] > 0)
      printf (" %s %u", mlo_action_name ((MloAction) i), o->taken[i]);
  }
  fputs ("\nguard   ", stdout);
  for (guint i = 0; i < MLO_N_GUARD_STATES; i++) {
    if (o->states[i] > 0)
      printf (" %s %.1f %%", mlo_guard_state_name ((MloGuardState) i), 100.0 * o->states[i] / o->ticks);
  }
  putchar ('\n');
}
