/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hub under load, lines "name value unit": 50 streams, each with an element that decides and a player that measures
 * ten times a second, and two pages that look on. Fan-out is from the moment that one hands its message to the socket
 * until the other has read it.
 * bench-hub MLOPTIMIZER [--minutes N]; exit code 1 where a target is missed. */

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libsoup/soup.h>

#include "bench-helpers.h"

#define N_PAIRS 25
#define N_EACH 2                /* 25 pairs of connections, two streams each: 50 streams within 64 connections */
#define N_PAGES 2
#define INTERVAL_MS 100
#define WARM_UP_S 3
#define TARGET_P99_MS 20.0
/* The histories fill within an hour (180 KiB a stream); beside them nothing may grow. */
#define GROWTH_LIMIT_KB (N_PAIRS * N_EACH * 180 + 2048)

typedef struct
{
  SoupWebsocketConnection *element, *player;
  guint index;
} Pair;

typedef struct
{
  GPid pid;
  GMainLoop *loop;
  SoupSession *session;
  Pair pairs[N_PAIRS];
  guint n_open;
  char *url;
  GArray *delays_ms;            /* of double, since the warm-up */
  guint64 n_sent;
  gboolean measuring;
  gint64 start_us, end_us;
} Bench;

/* What follows "name": in a text that we wrote ourselves. */
static double
number_in (const char *text, gsize length, const char *name)
{
  const char *found = g_strstr_len (text, (gssize) length, name);

  return found ? g_ascii_strtod (found + strlen (name) + 1, NULL) : NAN;
}

/* The timestamp went through the hub: it says when the message left. */
static void
on_message (SoupWebsocketConnection * connection, gint type, GBytes * bytes, gpointer user_data)
{
  Bench *b = user_data;
  gsize length;
  const char *text = g_bytes_get_data (bytes, &length);
  double then_us = number_in (text, length, "\"timestamp\"");
  double delay_ms = ((double) g_get_real_time () - then_us) * 1e-3;

  if (b->measuring && isfinite (then_us))
    g_array_append_val (b->delays_ms, delay_ms);
}

static void
on_closed (SoupWebsocketConnection * connection, gpointer user_data)
{
  fprintf (stderr, "bench-hub: a connection was closed\n");
  exit (1);
}

static void
on_open (GObject * session, GAsyncResult * result, gpointer user_data)
{
  Bench *b = user_data;
  g_autoptr (GError) error = NULL;
  SoupWebsocketConnection *connection = soup_session_websocket_connect_finish (SOUP_SESSION (session), result, &error);

  if (!connection) {
    fprintf (stderr, "bench-hub: %s\n", error->message);
    exit (1);
  }
  g_signal_connect (connection, "message", G_CALLBACK (on_message), b);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), b);
  if (b->n_open < N_PAIRS)
    b->pairs[b->n_open].element = connection;
  else if (b->n_open < 2 * N_PAIRS)
    b->pairs[b->n_open - N_PAIRS].player = connection;
  else
    soup_websocket_connection_set_max_incoming_payload_size (connection, 0);
  b->n_open++;
}

static void
send_all (Bench * b, guint pair)
{
  for (guint k = 0; k < N_EACH; k++) {
    guint stream = pair * N_EACH + k;
    g_autofree char *decision = g_strdup_printf ("{\"type\":\"recommendation\",\"stream\":\"s%u\",\"timestamp\":%"
        G_GINT64_FORMAT ",\"bitrate_kbps\":4000,\"quality_action\":{\"action\":\"no_change\",\"reason\":\"steady\"},"
        "\"confidence\":0.9,\"state\":\"normal\",\"limiter\":\"model\",\"metrics\":{\"latency_ms\":40,\"queue_delay_ms\":3,"
        "\"jitter_ms\":1,\"packet_loss\":0,\"bandwidth_kbps\":5000,\"encoded_kbps\":3900,\"fps\":60,\"cpu_usage\":0.3,"
        "\"width\":1280,\"height\":720}}", stream, g_get_real_time ());
    g_autofree char *metrics = NULL;

    soup_websocket_connection_send_text (b->pairs[pair].element, decision);
    metrics = g_strdup_printf ("{\"stream\":\"s%u\",\"timestamp\":%" G_GINT64_FORMAT
        ",\"latency_ms\":45,\"frame_drops\":0,\"quality_score\":0.8}", stream, g_get_real_time ());
    soup_websocket_connection_send_text (b->pairs[pair].player, metrics);
    b->n_sent += 2;
  }
}

/* Each pair in its own slot of the interval, as independent senders are spread. */
static gboolean
on_turn (gpointer user_data)
{
  Bench *b = user_data;
  static guint64 turn = 0;
  guint64 due = (guint64) (g_get_monotonic_time () - b->start_us) * N_PAIRS / (INTERVAL_MS * 1000);

  for (; turn < due; turn++)
    send_all (b, (guint) (turn % N_PAIRS));
  if (g_get_monotonic_time () >= b->end_us)
    g_main_loop_quit (b->loop);
  return G_SOURCE_CONTINUE;
}

static long
status_kb (GPid pid, const char *name)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", (int) pid);
  g_autofree char *text = NULL;
  const char *line;

  if (!g_file_get_contents (path, &text, NULL, NULL) || !(line = strstr (text, name)))
    return -1;
  return strtol (line + strlen (name), NULL, 10);
}

static double
cpu_seconds (GPid pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int) pid);
  g_autofree char *text = NULL;
  unsigned long user = 0, system = 0;

  if (!g_file_get_contents (path, &text, NULL, NULL)
      || sscanf (strrchr (text, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
    return NAN;
  return (double) (user + system) / (double) sysconf (_SC_CLK_TCK);
}

static double
percentile (const GArray * sorted, double p)
{
  return sorted->len > 0 ? g_array_index (sorted, double, (guint) (p * (sorted->len - 1))) : NAN;
}

static void
start_server (Bench * b, const char *tool)
{
  const char *argv[] = { tool, "serve", "--listen", "127.0.0.1:0", NULL };
  g_autoptr (GError) error = NULL;
  char line[256];
  FILE *file;
  int out;

  if (!g_spawn_async_with_pipes (NULL, (char **) argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &b->pid, NULL,
          &out, NULL, &error)) {
    fprintf (stderr, "bench-hub: %s\n", error->message);
    exit (1);
  }
  file = fdopen (out, "r");
  while (!b->url && fgets (line, sizeof line, file)) {
    if (g_str_has_prefix (line, "metrics: "))
      b->url = g_strstrip (g_strdup (line + strlen ("metrics: ")));
  }
  if (!b->url)
    exit (1);
}

static void
open_all (Bench * b)
{
  b->session = soup_session_new_with_options ("max-conns", 100, "max-conns-per-host", 100, NULL);
  for (guint i = 0; i < 2 * N_PAIRS + N_PAGES; i++) {
    g_autofree char *page = g_strdup_printf ("%.*slive", (int) (strlen (b->url) - strlen ("metrics")), b->url);
    g_autoptr (SoupMessage) message = soup_message_new ("GET", i < 2 * N_PAIRS ? b->url : page);

    soup_session_websocket_connect_async (b->session, message, NULL, NULL, G_PRIORITY_DEFAULT, NULL, on_open, b);
    while (b->n_open <= i)
      g_main_context_iteration (NULL, TRUE);
  }
}

static void
run_for (Bench * b, double seconds)
{
  b->end_us = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);
  g_main_loop_run (b->loop);
}

int
main (int argc, char **argv)
{
  double minutes = 0.2;
  const GOptionEntry entries[] = {
    {"minutes", 0, 0, G_OPTION_ARG_DOUBLE, &minutes, "How long (0.2)", "NUMBER"},
    {NULL}
  };
  g_autoptr (GOptionContext) options = g_option_context_new ("MLOPTIMIZER");
  g_autoptr (GError) error = NULL;
  Bench b = { 0 };
  long before_kb, after_kb;
  double cpu, p99;
  int status;

  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error) || argc != 2 || !(minutes > 0)) {
    fprintf (stderr, "bench-hub: %s\n", error ? error->message : "MLOPTIMIZER [--minutes N]");
    return 2;
  }
  b.delays_ms = g_array_new (FALSE, FALSE, sizeof (double));
  b.loop = g_main_loop_new (NULL, FALSE);
  start_server (&b, argv[1]);
  open_all (&b);
  b.start_us = g_get_monotonic_time ();
  g_timeout_add (INTERVAL_MS / N_PAIRS, on_turn, &b);
  run_for (&b, WARM_UP_S);
  b.measuring = TRUE;
  b.n_sent = 0;
  before_kb = status_kb (b.pid, "VmRSS:");
  cpu = cpu_seconds (b.pid);
  run_for (&b, minutes * 60.0);
  after_kb = status_kb (b.pid, "VmRSS:");
  cpu = (cpu_seconds (b.pid) - cpu) / (minutes * 60.0);
  kill (b.pid, SIGTERM);
  while (waitpid (b.pid, &status, 0) < 0 && errno == EINTR);

  bench_sort ((double *) b.delays_ms->data, b.delays_ms->len);
  p99 = percentile (b.delays_ms, 0.99);
  printf ("hub_streams %u streams\n", N_PAIRS * N_EACH);
  printf ("hub_messages %.0f 1/s\n", (double) b.n_sent / (minutes * 60.0));
  printf ("hub_fanout_p50 %.3f ms\n", percentile (b.delays_ms, 0.5));
  printf ("hub_fanout_p99 %.3f ms\n", p99);
  printf ("hub_fanout_max %.3f ms\n", percentile (b.delays_ms, 1.0));
  printf ("hub_forwarded %.2f %%\n", 100.0 * b.delays_ms->len / (double) b.n_sent);
  printf ("hub_cpu %.1f %%\n", 100.0 * cpu);
  printf ("hub_rss %ld KiB\n", after_kb);
  printf ("hub_rss_growth %ld KiB\n", after_kb - before_kb);
  return p99 <= TARGET_P99_MS && after_kb - before_kb <= GROWTH_LIMIT_KB ? 0 : 1;
}
