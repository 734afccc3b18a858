/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mloptimizer serve: the metrics server with the live page. */

#include <errno.h>
#include <glib-unix.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mlo-access.h"
#include "mlo-error.h"
#include "mlo-player.h"
#include "mlo-server.h"
#include "mlo-tool.h"

#define TOKEN_VARIABLE "MLOPTIMIZER_TOKEN"
#define PLAY_INTERVAL_MS 20
#define GOODBYE_US (500 * 1000)

typedef struct
{
  char *listen, *token_file, *certificate, *key, *replay;
  char **origins;
  double speed;
  int max_rate;
  gboolean verbose;
} Options;

typedef struct
{
  MloServer *server;
  MloPlayer *player;
  MloHubPeer *peer;             /* whom the played streams come from */
} Replay;

static void
options_clear (Options * o)
{
  g_free (o->listen);
  g_free (o->token_file);
  g_free (o->certificate);
  g_free (o->key);
  g_free (o->replay);
  g_strfreev (o->origins);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear);

/* From the file, else from the environment; NULL without @error: there is none. */
static char *
read_token (const char *path, GError ** error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) local = NULL;
  gsize length = 0;
  struct stat about;

  if (!path)
    return g_strdup (g_getenv (TOKEN_VARIABLE));
  if (!g_file_get_contents (path, &text, &length, &local)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s", local->message);
    return NULL;
  }
  if (strlen (text) != length) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: a NUL byte in it", path);
    return NULL;
  }
  if (stat (path, &about) == 0 && (about.st_mode & (S_IRGRP | S_IROTH)) != 0)
    fprintf (stderr, "mloptimizer serve: warning: others may read %s (chmod 600)\n", path);
  return g_strdup (g_strstrip (text));
}

static GTlsCertificate *
read_certificate (const Options * o, GError ** error)
{
  g_autoptr (GError) local = NULL;
  GTlsCertificate *certificate;

  if (!g_tls_backend_supports_tls (g_tls_backend_get_default ())) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "no TLS on this system (Debian: glib-networking)");
    return NULL;
  }
  certificate = g_tls_certificate_new_from_files (o->certificate, o->key, &local);
  if (!certificate)
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s, %s: %s", o->certificate, o->key, local->message);
  return certificate;
}

static gboolean
check (const Options * o, GError ** error)
{
  if (!o->certificate != !o->key) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "--tls-cert and --tls-key go together");
    return FALSE;
  }
  if (!(o->speed >= 0.01 && o->speed <= 1000.0)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "--speed %g: not between 0.01 and 1000", o->speed);
    return FALSE;
  }
  if (o->max_rate < 1 || o->max_rate > 100000) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "--max-rate %d: not between 1 and 100000", o->max_rate);
    return FALSE;
  }
  return TRUE;
}

static void
on_log (const char *line, gpointer user_data)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%H:%M:%S");

  fprintf (stderr, "%s %s\n", time, line);
}

static gboolean
on_signal (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

/* ---- replay ---- */

static void
on_played (const char *stream, const MloSample * sample, gpointer user_data)
{
  Replay *replay = user_data;
  g_autofree char *text = mlo_message_metrics (stream, g_get_real_time (), sample);

  mlo_hub_receive (mlo_server_hub (replay->server), replay->peer, text, strlen (text), g_get_monotonic_time (), NULL);
}

static gboolean
on_play (gpointer user_data)
{
  Replay *replay = user_data;

  mlo_player_advance (replay->player, g_get_monotonic_time (), on_played, replay);
  return G_SOURCE_CONTINUE;
}

static gboolean
begin_replay (Replay * replay, const Options * o, GError ** error)
{
  MloDataset *dataset = mlo_dataset_load (o->replay, NULL, error);

  if (!dataset)
    return FALSE;
  replay->player = mlo_player_new (dataset, o->speed, g_get_monotonic_time ());
  replay->peer = mlo_server_join (replay->server);
  g_timeout_add (PLAY_INTERVAL_MS, on_play, replay);
  return TRUE;
}

/* ---- the command ---- */

static void
say_where (const MloServer * server, const Replay * replay, gboolean has_token)
{
  const char *url = mlo_server_url (server);

  printf ("page: %s\nmetrics: ws%smetrics\n", url, url + strlen ("http"));
  if (replay->player)
    printf ("replay: %u streams\n", mlo_player_n_streams (replay->player));
  if (!has_token)
    printf ("without a token nobody can change limits (--token-file, or %s)\n", TOKEN_VARIABLE);
  fflush (stdout);
}

/* Those who are connected are told, and get a moment to hear it. */
static void
say_goodbye (MloServer * server)
{
  gint64 until_us = g_get_monotonic_time () + GOODBYE_US;

  mlo_server_close (server);
  while (mlo_server_n_peers (server) > 0 && g_get_monotonic_time () < until_us) {
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (2000);
  }
}

static int
exit_code (const GError * error)
{
  return g_error_matches (error, MLO_ERROR, MLO_ERROR_ARGUMENT) ? MLO_EXIT_USAGE : MLO_EXIT_FAILURE;
}

static int
serve (const Options * o, GError ** error)
{
  g_autofree char *token = read_token (o->token_file, error);
  g_autoptr (GTlsCertificate) certificate = NULL;
  g_autoptr (MloServer) server = NULL;
  g_autoptr (MloPlayer) player = NULL;
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  MloServerConfig config = { 0 };
  Replay replay = { 0 };

  if (!token && *error)
    return exit_code (*error);
  if (o->certificate && !(certificate = read_certificate (o, error)))
    return exit_code (*error);
  config.listen = o->listen;
  config.token = token;
  config.origins = (const char *const *) o->origins;
  config.certificate = certificate;
  config.max_rate = (guint) o->max_rate;
  config.log = o->verbose ? on_log : NULL;
  server = mlo_server_new (&config, error);
  if (!server)
    return exit_code (*error);
  replay.server = server;
  if (o->replay && !begin_replay (&replay, o, error))
    return exit_code (*error);
  /* freed with the function: NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores) */
  player = replay.player;

  g_unix_signal_add (SIGINT, on_signal, loop);
  g_unix_signal_add (SIGTERM, on_signal, loop);
  say_where (server, &replay, token != NULL);
  g_main_loop_run (loop);
  say_goodbye (server);
  return MLO_EXIT_OK;
}

static int
run (int argc, char **argv)
{
  g_auto (Options) o = {.speed = 1.0,.max_rate = MLO_MESSAGE_MAX_RATE };
  const GOptionEntry entries[] = {
    {"listen", 'l', 0, G_OPTION_ARG_STRING, &o.listen, "Where to listen (127.0.0.1:8080); port 0: any that is free",
        "ADDRESS[:PORT]"},
    {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &o.token_file,
        "File of the token that clients must know (else $" TOKEN_VARIABLE ")", "FILE"},
    {"tls-cert", 0, 0, G_OPTION_ARG_FILENAME, &o.certificate, "Certificate (PEM, with its chain): https and wss",
        "FILE"},
    {"tls-key", 0, 0, G_OPTION_ARG_FILENAME, &o.key, "Its key (PEM)", "FILE"},
    {"allow-origin", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.origins,
        "Another site whose pages may connect, as https://example.org (may be given again)", "ORIGIN"},
    {"max-rate", 0, 0, G_OPTION_ARG_INT, &o.max_rate, "Frames a second taken from one connection (200)", "NUMBER"},
    {"replay", 0, 0, G_OPTION_ARG_FILENAME, &o.replay, "Play logged metrics as streams, over and over", "FILE"},
    {"speed", 0, 0, G_OPTION_ARG_DOUBLE, &o.speed, "Seconds of the log in a second (1)", "FACTOR"},
    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &o.verbose, "Say who comes and goes", NULL},
    {NULL}
  };
  g_autoptr (GError) error = NULL;
  int code;

  if (!mlo_tool_parse (NULL,
          "Elements (property server), \"mloptimizer run\" and measuring clients connect to ws://ADDRESS/metrics;\n"
          "people look at http://ADDRESS/. Also there: /api/streams (JSON), /metrics.prom (Prometheus), /health.\n\n"
          "Any address but this machine's own needs a token of at least 16 characters; limits can be\n"
          "changed with a token only. Make one:\n"
          "  (umask 077; openssl rand -hex 24 > token); mloptimizer serve --token-file token\n\n"
          "Ends with SIGINT or SIGTERM. Exit code: 0 ended so, 1 cannot listen or read a file, 2 wrong command line.",
          entries, 0, 0, &argc, &argv))
    return MLO_EXIT_USAGE;
  code = check (&o, &error) ? serve (&o, &error) : MLO_EXIT_USAGE;
  return error ? mlo_tool_fail (code, "%s", error->message) : code;
}

const MloCommand mlo_command_serve = {
  "serve", "a metrics server and hub with a live page", run
};
