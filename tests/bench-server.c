/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a streaming server at fault does to the pace of the frames: the greatest gap between two frames behind the encoder,
 * without a server, with a good one, and with each fault. Lines `name value unit`. bench-server [SECONDS [MODE...]]: 10 s each, of
 * which the machine should have nothing else to do. */
#include <stdlib.h>

#include <gst/gst.h>

#include "ws-helpers.h"

#define LAUNCH "videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=60/1 ! queue ! " \
    "mloptimizer name=o models=" TEST_SOURCE "/models max-bitrate=4000000 ! " \
    "x264enc tune=zerolatency speed-preset=ultrafast threads=1 bitrate=2000 ! fakesink name=sink sync=false"

typedef struct
{
  gint64 last_us;
  GArray *gaps;                 /* gint64, us */
} Pace;

static GstPadProbeReturn
on_frame (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Pace *pace = data;
  gint64 now_us = g_get_monotonic_time (), gap_us = now_us - pace->last_us;

  if (pace->last_us != 0)
    g_array_append_val (pace->gaps, gap_us);
  pace->last_us = now_us;
  return GST_PAD_PROBE_OK;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

static guint64
stat_of (GstElement * e, const char *name)
{
  g_autoptr (GstStructure) s = NULL;
  guint64 value = 0;

  g_object_get (e, "stats", &s, NULL);
  gst_structure_get_uint64 (s, name, &value);
  return value;
}

static void
seconds (double s)
{
  g_usleep ((gulong) (s * 1e6));
}

/* One run; @mode as tests/ws-server knows them, or "none", "killed", "frozen", "restarted", "certificate". */
static void
run (const char *mode, double length, const char *certificate, const char *key)
{
  gboolean tls = strcmp (mode, "certificate") == 0, by_signal = strcmp (mode, "killed") == 0
      || strcmp (mode, "frozen") == 0 || strcmp (mode, "restarted") == 0;
  const char *more[] = { "--certificate", certificate, "--key", key, NULL };
  WsServer *server = strcmp (mode, "none") == 0 ? NULL : ws_server_start (by_signal || tls ? "metrics" : mode, 0,
      tls ? more : NULL);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (LAUNCH, &error);
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (pipeline), "o");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  Pace pace = { 0, g_array_new (FALSE, FALSE, sizeof (gint64)) };
  guint port = server ? server->port : 0;
  gint64 worst_us, high_us;

  if (!element || error)
    g_error ("%s", error ? error->message : "no mloptimizer");
  if (server) {
    g_autofree char *uri = g_strdup_printf ("%s://127.0.0.1:%u/metrics", tls ? "wss" : "ws", port);

    g_object_set (element, "server", uri, NULL);
  }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  /* the start of the encoder is not what is measured */
  seconds (1.5);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, &pace, NULL);
  seconds (length / 4);
  if (strcmp (mode, "frozen") == 0) {
    kill (server->pid, SIGSTOP);
  } else if (by_signal) {
    ws_server_kill (g_steal_pointer (&server));
    if (strcmp (mode, "restarted") == 0)
      server = ws_server_start ("metrics", port, NULL);
  }
  seconds (3 * length / 4);
  printf ("%s-connects %" G_GUINT64_FORMAT " connections\n%s-failures %" G_GUINT64_FORMAT " failures\n%s-rejected %"
      G_GUINT64_FORMAT " texts and fields\n", mode, stat_of (element, "server-connects"), mode, stat_of (element,
          "server-failures"), mode, stat_of (element, "server-rejected"));
  gst_element_set_state (pipeline, GST_STATE_NULL);
  g_array_sort (pace.gaps, compare);
  worst_us = g_array_index (pace.gaps, gint64, pace.gaps->len - 1);
  high_us = g_array_index (pace.gaps, gint64, pace.gaps->len * 99 / 100);
  printf ("%s-frames %u frames\n%s-gap-p99 %.2f ms\n%s-gap-max %.2f ms\n", mode, pace.gaps->len + 1, mode,
      (double) high_us / 1000.0, mode, (double) worst_us / 1000.0);
  fflush (stdout);
  gst_object_unref (pipeline);
  g_array_unref (pace.gaps);
  if (server) {
    kill (server->pid, SIGCONT);
    ws_server_kill (server);
  }
}

int
main (int argc, char **argv)
{
  static const char *const modes[] =
      { "none", "metrics", "killed", "frozen", "restarted", "slow", "deaf", "garbage", "big",
    "fragments", "flood", "brackets", "nan", "types", "hang", "certificate", "none"
  };
  double length = argc > 1 ? atof (argv[1]) : 10.0;
  g_autofree char *folder = g_dir_make_tmp ("mlo-bench-XXXXXX", NULL);
  g_autofree char *certificate = NULL, *key = NULL;

  signal (SIGPIPE, SIG_IGN);
  gst_init (NULL, NULL);
  ws_certificate (folder, "server", "IP:127.0.0.1", &certificate, &key);
  for (guint i = 0; argc <= 2 && i < G_N_ELEMENTS (modes); i++)
    run (modes[i], length, certificate, key);
  for (int i = 2; i < argc; i++)
    run (argv[i], length, certificate, key);
  unlink (certificate);
  unlink (key);
  rmdir (folder);
  return 0;
}
