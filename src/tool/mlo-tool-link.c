/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mloptimizer link: a bottleneck between UDP ports, playing a trace. */

#include <errno.h>
#include <glib-unix.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-relay.h"
#include "mlo-tool.h"
#include "mlo-trace.h"

#define REPORT_INTERVAL_US 100000

/* What the handlers of signals reach. */
static MloRelay *running = NULL;

typedef struct
{
  FILE *log;
  const MloRelay *relay;
  MloLink *link;
  const MloTrace *trace;
  gint64 start_us;
  MloRelayCounters before;
  gint64 before_us;
  gboolean progress;
} Journal;

static void
on_signal (int number)
{
  (void) number;
  /* it writes a byte into a pipe: NOLINTNEXTLINE(bugprone-signal-handler) */
  mlo_relay_stop (running);
}

/* "300ms": at the trace's mean; else bytes. */
static gboolean
parse_queue (const char *text, const MloTrace * trace, double cap_kbps, double *bytes, GError ** error)
{
  char *end = NULL;
  double value = g_ascii_strtod (text, &end);

  if (end == text || !isfinite (value) || value <= 0 || (*end && strcmp (end, "ms") != 0)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "--queue \"%s\": neither bytes nor, as \"300ms\", milliseconds",
        text);
    return FALSE;
  }
  if (*end)
    value *= mlo_trace_mean_kbps (trace, cap_kbps) / 8.0;
  if (value < 1500.0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "--queue \"%s\": %.0f bytes hold no packet", text, value);
    return FALSE;
  }
  *bytes = value;
  return TRUE;
}

static gboolean
check_range (const char *option, double value, double min, double max, GError ** error)
{
  if (value >= min && value <= max)
    return TRUE;
  g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "%s %g: not between %g and %g", option, value, min, max);
  return FALSE;
}

static void
on_report (gpointer user_data, gint64 time_us, gint64 link_us, const MloRelayCounters * c)
{
  Journal *j = user_data;
  double seconds = (double) (time_us - j->before_us) * 1e-6;
  double could = mlo_trace_bytes (j->trace, j->start_us + j->before_us, j->start_us + time_us);
  gint64 wait_us = mlo_link_wait_us (j->link, link_us);
  double capacity_kbps = could * 8e-3 / seconds;
  /* A link that never carries it would print a number that no one reads. */
  double queue_ms = (double) MIN (wait_us, 3600 * G_GINT64_CONSTANT (1000000)) * 1e-3;

  if (j->log) {
    if (j->before_us == 0)
      fprintf (j->log, "{\"start_us\": %" G_GINT64_FORMAT "}\n", mlo_relay_start_us (j->relay));
    fprintf (j->log, "{\"time_ms\": %" G_GINT64_FORMAT ", \"capacity_kbps\": %.1f, \"in_kbps\": %.1f, "
        "\"delivered_kbps\": %.1f, \"queue_bytes\": %.0f, \"queue_ms\": %.2f, \"packets\": %" G_GUINT64_FORMAT
        ", \"dropped_queue\": %" G_GUINT64_FORMAT ", \"dropped_loss\": %" G_GUINT64_FORMAT "}\n", time_us / 1000,
        capacity_kbps, (double) (c->bytes_in - j->before.bytes_in) * 8e-3 / seconds,
        (double) (c->bytes_out - j->before.bytes_out) * 8e-3 / seconds, mlo_link_backlog_bytes (j->link, link_us),
        queue_ms, c->packets_in - j->before.packets_in, c->dropped_queue - j->before.dropped_queue,
        c->dropped_loss - j->before.dropped_loss);
    fflush (j->log);
  }
  if (j->progress && time_us % G_USEC_PER_SEC < REPORT_INTERVAL_US)
    fprintf (stderr, "\r%6.0f s  link %6.0f kbit/s  queue %5.0f ms  dropped %" G_GUINT64_FORMAT "   ",
        (double) time_us * 1e-6, capacity_kbps, queue_ms, c->dropped_queue);
  j->before = *c;
  j->before_us = time_us;
}

static void
print_summary (const MloRelayCounters * c, double seconds, double capacity_bytes)
{
  printf ("%.1f s: %" G_GUINT64_FORMAT " packets in, %" G_GUINT64_FORMAT " out (%.0f kbit/s, %.1f %% of the link), "
      "dropped %" G_GUINT64_FORMAT " full queue, %" G_GUINT64_FORMAT " loss, %" G_GUINT64_FORMAT " other; "
      "%" G_GUINT64_FORMAT " back\n", seconds, c->packets_in, c->packets_out,
      seconds > 0 ? (double) c->bytes_out * 8e-3 / seconds : 0.0,
      capacity_bytes > 0 ? 100.0 * (double) c->bytes_out / capacity_bytes : 0.0, c->dropped_queue, c->dropped_loss,
      c->dropped_other, c->packets_back);
}

static MloTrace *
load_trace (const char *path, double rate_kbps, GError ** error)
{
  if (path && rate_kbps != 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "--trace and --rate together");
    return NULL;
  }
  if (path)
    return mlo_trace_load (path, error);
  if (rate_kbps == 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "neither --trace FILE nor --rate KBPS");
    return NULL;
  }
  if (!check_range ("--rate", rate_kbps, 1, 1e7, error))
    return NULL;
  return mlo_trace_new_constant (rate_kbps, 1.0);
}

static gboolean
add_flows (MloRelay * relay, char **listen, char **to, gboolean forward, GError ** error)
{
  const char *prefix = forward ? "" : "return-";
  guint n = listen ? g_strv_length (listen) : 0;

  if (n != (to ? g_strv_length (to) : 0)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "each --%slisten needs its --%sto", prefix, prefix);
    return FALSE;
  }
  if (forward && n == 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "--listen PORT --to HOST:PORT is missing");
    return FALSE;
  }
  for (guint i = 0; i < n; i++)
    if (!mlo_relay_add (relay, listen[i], to[i], forward, error))
      return FALSE;
  return TRUE;
}

static int
run (int argc, char **argv)
{
  g_auto (GStrv) listen = NULL, to = NULL, return_listen = NULL, return_to = NULL;
  g_autofree char *trace_path = NULL, *queue = NULL, *log_path = NULL;
  double rate = 0, delay = 20, return_delay = -1, loss = 0, grid = 0, jitter = 0, start = 0, duration = 0, cap = 0;
  gint64 seed = 1;
  gboolean quiet = FALSE;
  const GOptionEntry entries[] = {
    {"listen", 0, 0, G_OPTION_ARG_STRING_ARRAY, &listen, "UDP port to receive on (may be given again)", "[HOST:]PORT"},
    {"to", 0, 0, G_OPTION_ARG_STRING_ARRAY, &to, "Where that goes, through the bottleneck", "[HOST:]PORT"},
    {"return-listen", 0, 0, G_OPTION_ARG_STRING_ARRAY, &return_listen, "UDP port of the way back (may be given again)",
        "[HOST:]PORT"},
    {"return-to", 0, 0, G_OPTION_ARG_STRING_ARRAY, &return_to, "Where that goes, with delay alone", "[HOST:]PORT"},
    {"trace", 0, 0, G_OPTION_ARG_FILENAME, &trace_path,
          "Capacity over time: time_ms,capacity_kbps or mahimahi's format",
        "FILE"},
    {"rate", 0, 0, G_OPTION_ARG_DOUBLE, &rate, "Constant capacity instead (IP bytes)", "KBPS"},
    {"queue", 0, 0, G_OPTION_ARG_STRING, &queue, "Room in the queue: bytes, or as 300ms at the trace's mean (300ms)",
        "BYTES|MSms"},
    {"queue-cap", 0, 0, G_OPTION_ARG_DOUBLE, &cap, "Capacity above this does not count in that mean", "KBPS"},
    {"delay", 0, 0, G_OPTION_ARG_DOUBLE, &delay, "Delay of the path, one way (20)", "MS"},
    {"return-delay", 0, 0, G_OPTION_ARG_DOUBLE, &return_delay, "Delay of the way back (as --delay)", "MS"},
    {"loss", 0, 0, G_OPTION_ARG_DOUBLE, &loss, "Packets lost by chance (0)", "PERCENT"},
    {"jitter", 0, 0, G_OPTION_ARG_DOUBLE, &jitter, "Deviation of extra delay, order kept (0)", "MS"},
    {"grid", 0, 0, G_OPTION_ARG_DOUBLE, &grid, "Deliver in bursts at multiples of this time, as radio does (0)", "MS"},
    {"start", 0, 0, G_OPTION_ARG_DOUBLE, &start, "Where in the trace to begin (0)", "SECONDS"},
    {"duration", 0, 0, G_OPTION_ARG_DOUBLE, &duration, "End by itself after this time (0: never)", "SECONDS"},
    {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Of everything random (1)", "NUMBER"},
    {"log", 0, 0, G_OPTION_ARG_FILENAME, &log_path,
        "Every 100 ms one JSON line of what the link did; the first names its start (monotonic)", "FILE"},
    {"quiet", 0, 0, G_OPTION_ARG_NONE, &quiet, "No progress on the terminal", NULL},
    {NULL}
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTrace) trace = NULL;
  g_autoptr (MloLink) link = NULL;
  g_autoptr (MloRelay) relay = NULL;
  MloLinkConfig config = mlo_link_config_default;
  Journal journal = { 0 };
  gint64 end_us;
  gboolean ok;

  if (!mlo_tool_parse (NULL,
          "The trace begins with the first datagram and repeats. The answers of --to go back to where\n"
          "the last datagram came from, with the delay of the way back.\n\n"
          "RTP and RTCP on one machine, sender to 5100 and 5101, receiver on 5000 and 5001, reports back to 5002:\n"
          "  mloptimizer link --rate 4000 --listen 5100 --to 5000 --listen 5101 --to 5001 \\\n"
          "      --return-listen 5102 --return-to 5002", entries, 0, 0, &argc, &argv))
    return MLO_EXIT_USAGE;
  if (return_delay < 0)
    return_delay = delay;
  if (!check_range ("--delay", delay, 0, 10000, &error)
      || !check_range ("--return-delay", return_delay, 0, 10000, &error)
      || !check_range ("--loss", loss, 0, 100, &error) || !check_range ("--grid", grid, 0, 1000, &error)
      || !check_range ("--jitter", jitter, 0, 1000, &error) || !check_range ("--start", start, 0, 1e6, &error)
      || !check_range ("--duration", duration, 0, 1e6, &error) || !check_range ("--queue-cap", cap, 0, 1e7, &error))
    return mlo_tool_fail (MLO_EXIT_USAGE, "%s", error->message);
  trace = load_trace (trace_path, rate, &error);
  if (!trace)
    return mlo_tool_fail (g_error_matches (error, MLO_ERROR, MLO_ERROR_ARGUMENT) ? MLO_EXIT_USAGE : MLO_EXIT_FAILURE,
        /* no trace without an error: NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
        "%s", error->message);
  if (!parse_queue (queue ? queue : "300ms", trace, cap, &config.queue_bytes, &error))
    return mlo_tool_fail (MLO_EXIT_USAGE, "%s", error->message);
  config.delay_ms = delay;
  config.random_loss = loss / 100.0;
  config.grid_ms = grid;
  config.jitter_ms = jitter;
  config.use_trace_rtt = FALSE;
  journal.start_us = (gint64) (start * 1e6);
  link = mlo_link_new (&config, trace, (guint64) seed);
  relay = mlo_relay_new (link, journal.start_us, (gint64) (return_delay * 1e3));
  if (!add_flows (relay, listen, to, TRUE, &error) || !add_flows (relay, return_listen, return_to, FALSE, &error))
    return mlo_tool_fail (g_error_matches (error, MLO_ERROR, MLO_ERROR_ARGUMENT) ? MLO_EXIT_USAGE : MLO_EXIT_FAILURE,
        "%s", error->message);

  if (log_path && !(journal.log = fopen (log_path, "w")))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s: %s", log_path, g_strerror (errno));
  journal.relay = relay;
  journal.link = link;
  journal.trace = trace;
  journal.progress = mlo_tool_is_terminal () && !quiet;
  mlo_relay_set_report (relay, REPORT_INTERVAL_US, on_report, &journal);

  running = relay;
  signal (SIGINT, on_signal);
  signal (SIGTERM, on_signal);
  ok = mlo_relay_run (relay, duration > 0 ? (gint64) (duration * 1e6) : -1, &error);
  end_us = mlo_relay_start_us (relay) > 0 ? g_get_monotonic_time () - mlo_relay_start_us (relay) : 0;
  signal (SIGINT, SIG_DFL);
  signal (SIGTERM, SIG_DFL);
  if (journal.progress)
    fputc ('\n', stderr);
  if (journal.log && (ferror (journal.log) || fclose (journal.log) != 0))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s: %s", log_path, g_strerror (errno));
  if (!ok)
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  print_summary (mlo_relay_counters (relay), (double) end_us * 1e-6,
      mlo_trace_bytes (trace, journal.start_us, journal.start_us + end_us));
  return MLO_EXIT_OK;
}

const MloCommand mlo_command_link = {
  "link", "a bottleneck between UDP ports that plays a capacity trace", run
};
