/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* run: the optimizer as a service for streaming servers that are not GStreamer. */

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <glib-unix.h>

#include "mlo-error.h"
#include "mlo-explorer.h"
#include "mlo-recorder.h"
#include "mlo-run-log.h"
#include "mlo-run-train.h"
#include "mlo-reserve.h"
#include "mlo-service.h"
#include "mlo-tool-models.h"
#include "mlo-tool.h"

#define TOKEN_VARIABLE "MLOPTIMIZER_TOKEN"
#define MODELS_VARIABLE "MLOPTIMIZER_MODELS"
#define MAX_TOKEN_BYTES 4096
#define MAX_SERVERS 64
/* Texts a second and stream that are read, and recommendations of each that may wait for a slow server. */
#define STREAM_RATE 60
#define STREAM_QUEUE 4

typedef struct
{
  char **servers;
  char *models, *token_file, *ca_file, *log, *record, *train_dir, *train_key;
  gboolean train;
  double train_cpu, train_explore;
  double min_kbps, max_kbps, start_kbps, target_ms, idle_s;
  int streams;
  gboolean no_models, observe, verbose;
} Options;

typedef struct
{
  GMainLoop *loop;
  const char *signal;
} Ending;

static gboolean
end (Ending * ending, const char *name)
{
  ending->signal = name;
  g_main_loop_quit (ending->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_sigint (gpointer data)
{
  return end (data, "SIGINT");
}

static gboolean
on_sigterm (gpointer data)
{
  return end (data, "SIGTERM");
}

/* (transfer full): the token, NULL where none is given. */
static gboolean
read_token (const char *path, char **token, GError ** error)
{
  const char *variable = g_getenv (TOKEN_VARIABLE);
  g_autofree char *text = NULL;
  gsize length;

  *token = NULL;
  if (!path) {
    if (variable && *variable)
      *token = g_strdup (variable);
    g_unsetenv (TOKEN_VARIABLE);
    return TRUE;
  }
  if (!g_file_get_contents (path, &text, &length, error))
    return FALSE;
  g_strstrip (text);
  if (length > MAX_TOKEN_BYTES || *text == '\0' || strchr (text, '\n')) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: not a token: one line of 1 to %d characters is wanted", path,
        MAX_TOKEN_BYTES);
    return FALSE;
  }
  *token = g_steal_pointer (&text);
  return TRUE;
}

/* The folder of the models where the user named none; NULL: there is none. */
static const char *
usual_models (void)
{
  const char *variable = g_getenv (MODELS_VARIABLE);

  if (variable && *variable)
    return variable;
  if (mlo_tool_installed_models ())
    return mlo_tool_installed_models ();
  return g_file_test ("models/" MLO_PREDICTOR_FILE, G_FILE_TEST_EXISTS) ? "models" : NULL;
}

static gboolean
in_range (const char *name, double value, double min, double max)
{
  if (value >= min && value <= max)
    return TRUE;
  mlo_tool_fail (MLO_EXIT_USAGE, "%s is not in %g .. %g", name, min, max);
  return FALSE;
}

static gboolean
check_options (const Options * o)
{
  guint n = o->servers ? g_strv_length (o->servers) : 0;

  if (n == 0) {
    mlo_tool_fail (MLO_EXIT_USAGE, "--server ADDRESS is missing (see --help)");
    return FALSE;
  }
  if (n > MAX_SERVERS) {
    mlo_tool_fail (MLO_EXIT_USAGE, "--server: more than %d", MAX_SERVERS);
    return FALSE;
  }
  if (o->log && strcmp (o->log, "text") != 0 && strcmp (o->log, "json") != 0) {
    mlo_tool_fail (MLO_EXIT_USAGE, "--log %s: neither text nor json", o->log);
    return FALSE;
  }
  if (o->models && o->no_models) {
    mlo_tool_fail (MLO_EXIT_USAGE, "--models and --no-models do not go together");
    return FALSE;
  }
  if (!o->train && (o->train_dir || o->train_key)) {
    mlo_tool_fail (MLO_EXIT_USAGE, "--train-dir and --train-key go with --train");
    return FALSE;
  }
  if (o->train && o->no_models) {
    mlo_tool_fail (MLO_EXIT_USAGE, "--train and --no-models do not go together");
    return FALSE;
  }
  if (!in_range ("--train-cpu", o->train_cpu, 0.1, 100.0) || !in_range ("--train-explore", o->train_explore, 0.0, 50.0))
    return FALSE;
  if (!in_range ("--min-bitrate", o->min_kbps, 10.0, 1e6) || !in_range ("--max-bitrate", o->max_kbps, 10.0, 1e6)
      || !in_range ("--start-bitrate", o->start_kbps, 0.0, 1e6)
      || !in_range ("--target-delay", o->target_ms, 5.0, 5000.0)
      || !in_range ("--max-streams", o->streams, 1.0, 1024.0) || !in_range ("--idle", o->idle_s, 1.0, 86400.0))
    return FALSE;
  if (o->min_kbps > o->max_kbps) {
    mlo_tool_fail (MLO_EXIT_USAGE, "--min-bitrate is above --max-bitrate");
    return FALSE;
  }
  return TRUE;
}

static void
fill_config (const Options * o, MloServiceConfig * config)
{
  *config = mlo_service_config_default;
  config->max_streams = (guint) o->streams;
  config->idle_us = (gint64) (o->idle_s * 1e6);
  config->ws = mlo_ws_config_default;
  config->ws.ca_file = o->ca_file;
  config->ws.max_rate = MAX (config->ws.max_rate, STREAM_RATE * config->max_streams);
  config->ws.queue = MAX (config->ws.queue, STREAM_QUEUE * config->max_streams);
  config->session.observe = o->observe;
  config->session.limits = mlo_limits_default;
  config->session.limits.min_bitrate_kbps = o->min_kbps;
  config->session.limits.max_bitrate_kbps = o->max_kbps;
  config->session.limits.start_bitrate_kbps = o->start_kbps;
  config->session.limits.target_delay_ms = o->target_ms;
}

/* Where events go. */
typedef struct
{
  MloRunLog *log;
  MloRecorder *recorder;        /* or NULL */
  gint64 real_time_us;          /* of the monotonic clock's zero, at the start */
} Sink;

static void
on_event (gpointer user_data, const MloServiceEvent * event)
{
  Sink *sink = user_data;
  g_autofree char *stream = NULL;
  g_autoptr (GError) error = NULL;

  mlo_run_log_event (sink->log, event);
  if (!sink->recorder || event->type != MLO_SERVICE_DECISION)
    return;
  stream = g_strdup_printf ("%s %s", event->server, event->stream);
  if (!mlo_recorder_add (sink->recorder, stream, sink->real_time_us + g_get_monotonic_time (), event->sample, &error))
    g_printerr ("mloptimizer run: the recording ends here: %s\n", error->message);
}

/* NULL without an error where nothing is to be learned. */
static MloRunTrain *
start_learner (const Options * o, MloServiceConfig * config, const char *models, MloRunLog * log, GError ** error)
{
  MloLearnerConfig learner = mlo_learner_config_default;
  g_autofree char *reserve = models ? g_build_filename (models, MLO_RESERVE_FILE, NULL) : NULL;

  if (!o->train)
    return NULL;
  if (!config->session.predictor || !config->session.optimizer) {
    g_set_error_literal (error, MLO_ERROR, MLO_ERROR_MISSING,
        "--train: there are no two models to go on learning from");
    return NULL;
  }
  learner.cpu_percent = o->train_cpu;
  config->session.explore = o->train_explore / 100.0;
  learner.folder = o->train_dir;
  learner.key = o->train_key;
  learner.reserve = reserve;
  learner.seed = (guint64) g_get_real_time ();
  return mlo_run_train_new (&learner, &config->session, log, error);
}

/* Runs until a signal ends it. @recorder may be NULL. */
static int
serve (const Options * o, MloServiceConfig * config, const char *models, MloRecorder * recorder)
{
  g_autoptr (MloRunLog) log = mlo_run_log_new (o->log && strcmp (o->log, "json") == 0, o->verbose);
  Sink sink = { log, recorder, g_get_real_time () - g_get_monotonic_time () };
  g_autoptr (GError) error = NULL;
  /* Freed after the service, which has its networks. */
  g_autoptr (MloRunTrain) train = start_learner (o, config, models, log, &error);
  g_autoptr (MloService) service = error ? NULL : mlo_service_new (NULL, config, on_event, &sink);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autofree char *text = NULL;
  Ending ending = {.loop = loop };
  MloServiceCounts counts;
  guint sources[2];

  if (!service)
    return mlo_tool_fail (g_error_matches (error, MLO_ERROR, MLO_ERROR_ARGUMENT) ? MLO_EXIT_USAGE : MLO_EXIT_FAILURE,
        /* no service without an error: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        "%s", error->message);
  if (train)
    mlo_run_train_attach (train, service);
  text = models ? g_strdup_printf ("models from %s", models) : g_strdup ("by rule, without models");
  mlo_run_log_process (log, "started", text, NULL);
  for (guint i = 0; o->servers[i]; i++) {
    if (!mlo_service_add (service, o->servers[i], &error))
      return mlo_tool_fail (g_error_matches (error, MLO_ERROR, MLO_ERROR_ARGUMENT) ? MLO_EXIT_USAGE : MLO_EXIT_FAILURE,
          "%s", error->message);
  }
  sources[0] = g_unix_signal_add (SIGINT, on_sigint, &ending);
  sources[1] = g_unix_signal_add (SIGTERM, on_sigterm, &ending);
  g_main_loop_run (loop);
  mlo_service_counts (service, &counts);
  mlo_run_log_process (log, "ended", ending.signal, &counts);
  g_source_remove (sources[0]);
  g_source_remove (sources[1]);
  return MLO_EXIT_OK;
}

static int
run_options (const Options * o)
{
  g_autoptr (MloBitratePredictor) predictor = NULL;
  g_autoptr (MloQualityOptimizer) optimizer = NULL;
  g_autoptr (MloRecorder) recorder = NULL;
  g_autofree char *token = NULL;
  g_autoptr (GError) error = NULL;
  const char *models = o->no_models ? NULL : o->models ? o->models : usual_models ();
  MloServiceConfig config;

  if (!check_options (o))
    return MLO_EXIT_USAGE;
  fill_config (o, &config);
  if (models && !mlo_tool_load_models (models, &predictor, &optimizer, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  if (!models && !o->no_models)
    g_printerr ("mloptimizer run: no models found (--models): rules decide\n");
  config.session.predictor = predictor;
  config.session.optimizer = optimizer;
  if (!read_token (o->token_file, &token, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  config.ws.token = token;
  if (o->record && !(recorder = mlo_recorder_open (o->record, &error)))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  return serve (o, &config, models, recorder);
}

static int
run (int argc, char **argv)
{
  g_auto (GStrv) servers = NULL;
  g_autofree char *models = NULL, *token_file = NULL, *ca_file = NULL, *log = NULL, *record = NULL;
  g_autofree char *train_dir = NULL, *train_key = NULL;
  Options o = {.min_kbps = mlo_limits_default.min_bitrate_kbps,.max_kbps = mlo_limits_default.max_bitrate_kbps };
  const GOptionEntry entries[] = {
    {"server", 's', 0, G_OPTION_ARG_STRING_ARRAY, &servers,
        "Streaming server: ws://HOST:PORT/PATH or wss://...; may be repeated", "ADDRESS"},
    {"models", 'm', 0, G_OPTION_ARG_FILENAME, &models,
        "Folder of the model files ($" MODELS_VARIABLE ", the installed ones, models)", "DIR"},
    {"no-models", 0, 0, G_OPTION_ARG_NONE, &o.no_models, "Decide by rule alone", NULL},
    {"min-bitrate", 0, 0, G_OPTION_ARG_DOUBLE, &o.min_kbps, "Least that is recommended (300)", "KBPS"},
    {"max-bitrate", 0, 0, G_OPTION_ARG_DOUBLE, &o.max_kbps, "Most that is recommended (20000)", "KBPS"},
    {"start-bitrate", 0, 0, G_OPTION_ARG_DOUBLE, &o.start_kbps,
        "Before anything is known of a path (0: what the server sends)", "KBPS"},
    {"target-delay", 0, 0, G_OPTION_ARG_DOUBLE, &o.target_ms, "Queue that may stand in the network (60)", "MS"},
    {"observe", 0, 0, G_OPTION_ARG_NONE, &o.observe, "Say \"observe\" with each recommendation: not to be applied",
        NULL},
    {"max-streams", 0, 0, G_OPTION_ARG_INT, &o.streams, "Streams on one connection (64)", "NUMBER"},
    {"idle", 0, 0, G_OPTION_ARG_DOUBLE, &o.idle_s, "Forget a stream without metrics after this time (60)", "SECONDS"},
    {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &token_file, "Bearer token, the file's only line ($" TOKEN_VARIABLE ")",
        "FILE"},
    {"ca-file", 0, 0, G_OPTION_ARG_FILENAME, &ca_file, "wss: trust these certificates (PEM) in place of the system's",
        "FILE"},
    {"log", 0, 0, G_OPTION_ARG_STRING, &log, "Lines for people or JSON Lines (text)", "text|json"},
    {"record", 0, 0, G_OPTION_ARG_FILENAME, &record,
        "Append each stream's observations to this file, for train --dataset (JSON Lines, at most 256 MiB)", "FILE"},
    {"train", 0, 0, G_OPTION_ARG_NONE, &o.train, "Go on learning from the streams, one at a time", NULL},
    {"train-dir", 0, 0, G_OPTION_ARG_FILENAME, &train_dir,
        "Keep what was learned in this folder ($XDG_DATA_HOME/mloptimizer)", "DIR"},
    {"train-key", 0, 0, G_OPTION_ARG_STRING, &train_key, "Name of the path, a subfolder each (default)", "KEY"},
    {"train-cpu", 0, 0, G_OPTION_ARG_DOUBLE, &o.train_cpu, "Computing time for it, of a core (3)", "PERCENT"},
    {"train-explore", 0, 0, G_OPTION_ARG_DOUBLE, &o.train_explore,
          "Of the decisions on a quiet path, those in which a small step of the bitrate is left to chance (5)",
        "PERCENT"},
    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &o.verbose, "Every decision and every fault", NULL},
    {NULL}
  };

  o.target_ms = mlo_limits_default.target_delay_ms;
  o.train_cpu = mlo_learner_config_default.cpu_percent;
  o.train_explore = 100.0 * MLO_EXPLORER_SHARE;
  o.streams = (int) mlo_service_config_default.max_streams;
  o.idle_s = (double) mlo_service_config_default.idle_us / 1e6;
  if (!mlo_tool_parse (NULL,
          "Connects to streaming servers as a WebSocket client, takes their metrics and sends a\n"
          "recommendation for each, as PROTOCOL.md has it: bitrate, and size and frame rate where the server\n"
          "tells its own. Streams on one connection are told apart by the field \"stream\". A server that is\n"
          "not there is tried again for ever. Standard output has the log.\n\n"
          "Example: mloptimizer run --server ws://localhost:8080/metrics --max-bitrate 12000\n\n"
          "Exit code: 0 ended by SIGINT or SIGTERM; 1 models, token or certificates cannot be read or the\n"
          "recording not be written; 2 wrong command line.", entries, 0, 0, &argc, &argv))
    return MLO_EXIT_USAGE;
  o.servers = servers;
  o.models = models;
  o.token_file = token_file;
  o.ca_file = ca_file;
  o.log = log;
  o.record = record;
  o.train_dir = train_dir;
  o.train_key = train_key;
  return run_options (&o);
}

const MloCommand mlo_command_run = {
  .name = "run",
  .summary = "optimizer for streaming servers that tell their metrics by WebSocket",
  .run = run,
};
