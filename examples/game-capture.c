/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * Captures the screen, or a game's window, and streams it by RTP with the element in front of the encoder; prints each
 * decision. examples/game-receiver plays it.
 *
 *     build/examples/game-capture --host 192.168.1.20 --window "My Game"
 *
 * A receiver that reports its delay and freezes does so to a metrics server (`mloptimizer serve`), which --server
 * names: its quality then stands in for the estimate made here.
 */
#include "stream-common.h"

#define TWCC "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

static char *host, *window, *capture, *properties, *preset, *server;
static int port = 5000, fps = 60, seconds;
static guint64 xid;
static gboolean pointer;

static const GOptionEntry options[] = {
  {"host", 0, 0, G_OPTION_ARG_STRING, &host, "of the receiver (127.0.0.1)", "ADDRESS"},
  {"port", 0, 0, G_OPTION_ARG_INT, &port, "RTP there; RTCP at the next, and back to the one after that here (5000)",
      "PORT"},
  {"window", 'w', 0, G_OPTION_ARG_STRING, &window, "title of the window to capture (the whole screen)", "TITLE"},
  {"xid", 0, 0, G_OPTION_ARG_INT64, &xid, "its X window id instead, as xwininfo has it", "ID"},
  {"pointer", 0, 0, G_OPTION_ARG_NONE, &pointer, "capture the pointer, too", NULL},
  {"capture", 0, 0, G_OPTION_ARG_STRING, &capture, "ximagesrc, pipewiresrc or any elements that give raw video "
        "(ximagesrc where there is an X display, else pipewiresrc)", "ELEMENTS"},
  {"fps", 0, 0, G_OPTION_ARG_INT, &fps, "frames a second (60)", "N"},
  {"properties", 0, 0, G_OPTION_ARG_STRING, &properties, "of mloptimizer (max-bitrate=12000000)", "TEXT"},
  {"preset", 0, 0, G_OPTION_ARG_STRING, &preset, "speed preset of x264enc (superfast)", "NAME"},
  {"server", 0, 0, G_OPTION_ARG_STRING, &server, "metrics server; its token is in $MLOPTIMIZER_TOKEN",
      "ws://HOST:PORT/metrics"},
  {"seconds", 's', 0, G_OPTION_ARG_INT, &seconds, "end after so long (0: on Ctrl-C)", "N"},
  {NULL}
};

typedef struct
{
  GMainLoop *loop;
  gboolean failed;
} App;

static void
print_decision (const GstStructure * s)
{
  guint bitrate = 0;
  int width = 0, height = 0;
  double rate = 0.0;

  gst_structure_get (s, "bitrate", G_TYPE_UINT, &bitrate, "width", G_TYPE_INT, &width, "height", G_TYPE_INT, &height,
      "framerate", G_TYPE_DOUBLE, &rate, NULL);
  g_print ("%6.2f Mbit/s", bitrate / 1e6);
  if (height > 0)
    g_print (", %dx%d", width, height);
  if (rate > 0.0)
    g_print (", %.0f frames/s", rate);
  g_print ("  (%s: %s)\n", gst_structure_get_string (s, "limiter"), gst_structure_get_string (s, "reason"));
}

static gboolean
on_message (GstBus * bus, GstMessage * m, gpointer data)
{
  App *app = data;

  stream_handle_message (m, app->loop, &app->failed);
  if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ELEMENT && gst_message_has_name (m, "mloptimizer-decision"))
    print_decision (gst_message_get_structure (m));
  return G_SOURCE_CONTINUE;
}

/* The elements that give the picture. */
static char *
source (void)
{
  const char *what = capture ? capture : g_getenv ("DISPLAY") ? "ximagesrc" : "pipewiresrc";

  if (g_str_equal (what, "ximagesrc"))
    /* The size may change with the window: the encoder starts anew then, the stream goes on. */
    return g_strdup_printf ("ximagesrc name=capture use-damage=false show-pointer=%s", pointer ? "true" : "false");
  if (g_str_equal (what, "pipewiresrc"))
    /* The portal of the desktop gives the node: pipewiresrc path=NODE as --capture where it is not the default. */
    return g_strdup ("pipewiresrc name=capture do-timestamp=true ! videorate drop-only=true");
  return g_strdup (what);
}

static GstElement *
create (GError ** error)
{
  g_autofree char *picture = source ();
  g_autofree char *launch = g_strdup_printf ("rtpbin name=r rtp-profile=avpf "
      "%s ! capsfilter caps=video/x-raw,framerate=%d/1 ! queue max-size-buffers=2 max-size-time=0 max-size-bytes=0 leaky=downstream "
      "! videoconvert ! mloptimizer name=optimizer %s ! x264enc tune=zerolatency speed-preset=%s key-int-max=%d "
      "! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 "
      "! application/x-rtp,payload=96,extmap-1=" TWCC " ! r.send_rtp_sink_0 "
      "r.send_rtp_src_0 ! udpsink host=%s port=%d sync=false async=false "
      "r.send_rtcp_src_0 ! udpsink host=%s port=%d sync=false async=false "
      "udpsrc port=%d ! r.recv_rtcp_sink_0", picture, fps, properties ? properties : "max-bitrate=12000000",
      preset ? preset : "superfast", 10 * fps, host ? host : "127.0.0.1", port, host ? host : "127.0.0.1", port + 1,
      port + 2);
  GstElement *pipeline = gst_parse_launch (launch, error);
  g_autoptr (GstElement) grab = NULL, optimizer = NULL;

  if (!pipeline || *error) {
    g_clear_object (&pipeline);
    return NULL;
  }
  grab = gst_bin_get_by_name (GST_BIN (pipeline), "capture");
  if (grab && window && g_object_class_find_property (G_OBJECT_GET_CLASS (grab), "xname"))
    g_object_set (grab, "xname", window, NULL);
  if (grab && xid != 0 && g_object_class_find_property (G_OBJECT_GET_CLASS (grab), "xid"))
    g_object_set (grab, "xid", xid, NULL);
  optimizer = gst_bin_get_by_name (GST_BIN (pipeline), "optimizer");
  if (server)
    g_object_set (optimizer, "server", server, "server-token", g_getenv ("MLOPTIMIZER_TOKEN"), NULL);
  return pipeline;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("- stream a game with mloptimizer");
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GstBus) bus = NULL;
  App app = { 0 };

  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error) || fps < 1 || port < 1 || port > 65533) {
    g_printerr ("%s\n", error ? error->message : "fps or port is out of bounds");
    return 2;
  }
  pipeline = create (&error);
  if (!pipeline) {
    g_printerr ("ERROR: %s\n", error ? error->message : "no pipeline");
    return 1;
  }
  app.loop = g_main_loop_new (NULL, FALSE);
  stream_quit_when_asked (app.loop, seconds);
  bus = gst_element_get_bus (pipeline);
  gst_bus_add_watch (bus, on_message, &app);
  if (gst_element_set_state (pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
    g_main_loop_run (app.loop);
  else
    app.failed = TRUE;
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  g_main_loop_unref (app.loop);
  g_clear_object (&bus);
  g_clear_object (&pipeline);
  stream_deinit ();
  return app.failed ? 1 : 0;
}
