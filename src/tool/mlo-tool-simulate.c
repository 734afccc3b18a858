/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mloptimizer simulate: one stream over one link in virtual time. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "mlo-error.h"
#include "mlo-recorder.h"
#include "mlo-rollout.h"
#include "mlo-runner.h"
#include "mlo-tool-models.h"
#include "mlo-tool-result.h"
#include "mlo-tool.h"

typedef struct
{
  gboolean json, quiet;
  guint per_second;             /* ticks */
  guint ticks;
  double reward;                /* newest */
  FILE *log;                    /* dataset out, or NULL */
  GString *line;                /* of it */
  JsonBuilder *seconds;
} Show;

static void
on_tick (gpointer user_data, const MloEnvStep * step, const MloSample * sample)
{
  Show *show = user_data;
  const MloDecision *d = &step->decision;
  double t = (double) step->time_us * 1e-6;

  if (show->log) {
    g_string_truncate (show->line, 0);
    mlo_recorder_format (show->line, NULL, step->time_us, sample);
    fwrite (show->line->str, 1, show->line->len, show->log);
  }
  if (step->second_complete)
    show->reward = step->reward;
  if (++show->ticks % show->per_second != 0)
    return;
  if (show->json) {
    json_builder_begin_object (show->seconds);
    mlo_json_add_number (show->seconds, "time_s", t);
    mlo_json_add_number (show->seconds, "capacity_kbps", step->capacity_kbps);
    mlo_json_add_number (show->seconds, "bitrate_kbps", d->bitrate_kbps);
    mlo_json_add_number (show->seconds, "predicted_kbps", d->predicted_kbps >= 0.0 ? d->predicted_kbps : NAN);
    mlo_json_add_number (show->seconds, "measured_kbps", d->capacity_kbps >= 0.0 ? d->capacity_kbps : NAN);
    mlo_json_add_number (show->seconds, "gain", d->gain);
    mlo_json_add_number (show->seconds, "backlog_ms", step->queue_ms);
    mlo_json_add_number (show->seconds, "height", d->height);
    mlo_json_add_number (show->seconds, "fps", d->fps);
    mlo_json_add_number (show->seconds, "reward", show->reward);
    json_builder_set_member_name (show->seconds, "state");
    json_builder_add_string_value (show->seconds, mlo_guard_state_name (d->state));
    json_builder_set_member_name (show->seconds, "reason");
    json_builder_add_string_value (show->seconds, d->reason ? d->reason : "");
    json_builder_end_object (show->seconds);
  } else if (!show->quiet) {
    char size[16] = "source", fps[16] = "source";

    if (d->height > 0)
      g_snprintf (size, sizeof size, "%d", d->height);
    if (d->fps > 0.0)
      g_snprintf (fps, sizeof fps, "%.0f", d->fps);
    printf ("%6.1f %9.0f %9.0f %9.0f %8.0f %7s %7s %7.1f  %-9s %s\n", t, step->capacity_kbps, d->bitrate_kbps,
        MAX (0.0, d->predicted_kbps), step->queue_ms, size, fps, show->reward, mlo_guard_state_name (d->state),
        d->reason ? d->reason : "");
  }
}

static gboolean
parse_kind (const char *name, MloTraceKind * kind)
{
  for (guint i = 0; i < MLO_N_TRACE_KINDS; i++) {
    if (strcmp (name, mlo_trace_kind_name (i)) == 0) {
      *kind = (MloTraceKind) i;
      return TRUE;
    }
  }
  return FALSE;
}

static gboolean
parse_feedback (const char *text, MloFeedbackKind * kind)
{
  if (strcmp (text, "twcc") == 0)
    *kind = MLO_FEEDBACK_TWCC;
  else if (strcmp (text, "rr") == 0)
    *kind = MLO_FEEDBACK_RECEIVER_REPORTS;
  else if (strcmp (text, "none") == 0)
    *kind = MLO_FEEDBACK_NONE;
  else
    return FALSE;
  return TRUE;
}

static int
run (int argc, char **argv)
{
  g_autofree char *trace_path = NULL, *kind_text = NULL, *controller = NULL, *models = NULL, *feedback = NULL;
  g_autofree char *log_path = NULL;
  double rate = 0.0, rtt = NAN, queue = NAN, max_bitrate = NAN, grid = NAN, loss = NAN, interval = NAN, seconds = 0.0;
  gint64 seed = 1;
  gboolean json = FALSE, quiet = FALSE;
  const GOptionEntry entries[] = {
    {"trace", 0, 0, G_OPTION_ARG_FILENAME, &trace_path, "Capacity over time: CSV or mahimahi's format", "FILE"},
    {"rate", 0, 0, G_OPTION_ARG_DOUBLE, &rate, "Constant capacity instead (IP bytes)", "KBPS"},
    {"kind", 0, 0, G_OPTION_ARG_STRING, &kind_text,
        "Generated link with everything drawn from the seed: lte, 5g, wifi, satellite, wired, fading", "KIND"},
    {"controller", 'c', 0, G_OPTION_ARG_STRING, &controller, MLO_CONTENDER_NAMES " (ours)", "NAME"},
    {"models", 'm', 0, G_OPTION_ARG_FILENAME, &models, "Folder of the model files (models, else the installed ones)",
        "DIR"},
    {"rtt", 0, 0, G_OPTION_ARG_DOUBLE, &rtt, "Round-trip time without queue (40)", "MS"},
    {"queue", 0, 0, G_OPTION_ARG_DOUBLE, &queue, "Room in the queue, at the trace's mean rate (300)", "MS"},
    {"loss", 0, 0, G_OPTION_ARG_DOUBLE, &loss, "Packets lost by chance (0)", "PERCENT"},
    {"grid", 0, 0, G_OPTION_ARG_DOUBLE, &grid, "Deliver in bursts at multiples of this time (0)", "MS"},
    {"max-bitrate", 0, 0, G_OPTION_ARG_DOUBLE, &max_bitrate, "Most the encoder may be told (12000)", "KBPS"},
    {"feedback", 0, 0, G_OPTION_ARG_STRING, &feedback, "Per packet or receiver reports (twcc)", "twcc|rr|none"},
    {"feedback-interval", 0, 0, G_OPTION_ARG_DOUBLE, &interval, "Time between reports (0: one a frame)", "MS"},
    {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Of everything random (1)", "NUMBER"},
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "Length (60, or the trace's own)", "SECONDS"},
    {"json", 0, 0, G_OPTION_ARG_NONE, &json, "One JSON object instead of text", NULL},
    {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "The summary alone", NULL},
    {"log", 0, 0, G_OPTION_ARG_FILENAME, &log_path, "Write every tick's telemetry as JSON Lines (train --dataset)",
        "FILE"},
    {NULL}
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTrace) trace = NULL;
  g_autoptr (MloBitratePredictor) predictor = NULL;
  g_autoptr (MloQualityOptimizer) optimizer = NULL;
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (GString) line = g_string_new (NULL);
  MloEnvConfig config = mlo_env_config_default;
  MloTraceKind kind = MLO_TRACE_LTE;
  MloContender contender;
  MloRunOutcome outcome;
  Show show = {.json = json,.seconds = builder,.line = line };

  if (!mlo_tool_parse (NULL,
          "Prints for each second: time, the link's capacity, the bitrate set, the prediction (kbit/s),\n"
          "the backlog (ms), height and frame rate, the score of the second shown last, the guard's state\n"
          "and its reason; then a summary. Same options and seed, same numbers.", entries, 0, 0, &argc, &argv))
    return MLO_EXIT_USAGE;
  if (!mlo_contender_parse (controller ? controller : "ours", &contender, &error))
    return mlo_tool_fail (MLO_EXIT_USAGE, "%s", error->message);
  if ((trace_path != NULL) + (rate != 0.0) + (kind_text != NULL) != 1)
    return mlo_tool_fail (MLO_EXIT_USAGE, "one of --trace FILE, --rate KBPS and --kind KIND is needed");
  if (kind_text && !parse_kind (kind_text, &kind))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--kind %s: no such kind (see --help)", kind_text);
  if (rate != 0.0 && !(rate >= 1.0 && rate <= 1e7))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--rate is not in 1 .. 10000000");
  if (!(seconds >= 0.0 && seconds <= 86400.0))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--seconds is not in 0 .. 86400");
  if (!isnan (rtt) && !(rtt >= 0.0 && rtt <= 10000.0))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--rtt is not in 0 .. 10000");
  if (!isnan (queue) && !(queue >= 1.0 && queue <= 60000.0))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--queue is not in 1 .. 60000");
  if (!isnan (loss) && !(loss >= 0.0 && loss <= 100.0))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--loss is not in 0 .. 100");
  if (!isnan (grid) && !(grid >= 0.0 && grid <= 1000.0))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--grid is not in 0 .. 1000");
  if (!isnan (interval) && !(interval >= 0.0 && interval <= 10000.0))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--feedback-interval is not in 0 .. 10000");
  if (!isnan (max_bitrate) && !(max_bitrate >= 300.0 && max_bitrate <= 1e6))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--max-bitrate is not in 300 .. 1000000");

  if (trace_path) {
    trace = mlo_trace_load (trace_path, &error);
    if (!trace)
      return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
    if (seconds <= 0.0)
      seconds = (double) trace->duration_us * 1e-6;
  } else {
    if (seconds <= 0.0)
      seconds = 60.0;
    trace = kind_text ? mlo_rollout_draw_link (kind, (guint64) seed, seconds, &config)
        : mlo_trace_new_constant (rate, seconds);
  }
  if (!isnan (rtt))
    config.rtt_ms = rtt;
  if (!isnan (queue))
    config.queue_ms = queue;
  if (!isnan (loss))
    config.random_loss = loss / 100.0;
  if (!isnan (grid))
    config.grid_ms = grid;
  if (!isnan (interval))
    config.feedback_interval_ms = interval;
  if (!isnan (max_bitrate)) {
    config.limits.max_bitrate_kbps = max_bitrate;
    config.limits.start_bitrate_kbps = MIN (config.limits.start_bitrate_kbps, max_bitrate);
  }
  if (feedback && !parse_feedback (feedback, &config.feedback))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--feedback %s: not one of twcc, rr, none", feedback);

  if (mlo_contender_needs_predictor (&contender) || mlo_contender_needs_optimizer (&contender)) {
    const char *folder = mlo_tool_models_or (models);

    if (!mlo_tool_load_models (folder, &predictor, &optimizer, &error))
      return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
    if ((mlo_contender_needs_predictor (&contender) && !predictor)
        || (mlo_contender_needs_optimizer (&contender) && !optimizer))
      return mlo_tool_fail (MLO_EXIT_FAILURE, "%s: not both networks are there", folder);
  }
  if (log_path && !(show.log = fopen (log_path, "we")))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s: cannot be written", log_path);

  show.quiet = quiet;
  show.per_second = (guint) MAX (1, G_USEC_PER_SEC / config.interval_us);
  show.reward = NAN;
  if (json) {
    json_builder_begin_object (builder);
    json_builder_set_member_name (builder, "controller");
    json_builder_add_string_value (builder, contender.name);
    json_builder_set_member_name (builder, "trace");
    json_builder_add_string_value (builder, trace->name ? trace->name : "");
    json_builder_set_member_name (builder, "seconds");
    json_builder_begin_array (builder);
  } else if (!quiet) {
    printf ("%6s %9s %9s %9s %8s %7s %7s %7s  %-9s %s\n", "s", "capacity", "bitrate", "predicted", "backlog", "height",
        "fps", "score", "state", "reason");
  }
  mlo_run (&(MloRun) {
      .contender = &contender,.predictor = predictor,.optimizer = optimizer,.trace = trace,.config = &config,.seed =
        (guint64) seed,.seconds = seconds,.label_horizon_s = 1.0,.on_tick = on_tick,.user_data = &show}
      , &outcome);
  if (show.log && (ferror (show.log) | fclose (show.log)))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s: cannot be written", log_path);
  if (json) {
    g_autoptr (JsonGenerator) generator = json_generator_new ();
    g_autoptr (JsonNode) root = NULL;
    g_autofree char *text = NULL;

    json_builder_end_array (builder);
    json_builder_set_member_name (builder, "result");
    mlo_result_to_json (&outcome, builder);
    json_builder_end_object (builder);
    root = json_builder_get_root (builder);
    json_generator_set_root (generator, root);
    json_generator_set_pretty (generator, TRUE);
    text = json_generator_to_data (generator, NULL);
    puts (text);
  } else {
    mlo_result_print (&outcome);
  }
  return MLO_EXIT_OK;
}

const MloCommand mlo_command_simulate = {
  .name = "simulate",
  .summary = "one stream over one link in virtual time",
  .run = run,
};
