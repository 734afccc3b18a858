/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * A WebRTC sender with the element in front of its encoder, and one or more receivers: one encode for all, the peer
 * that fares worst decides. Everything is in one process, so that the signalling needs no server: offers, answers and
 * ICE candidates are handed over as they come. Between two machines they travel as text instead.
 *
 *     build/examples/webrtc-peers --peers 2 --seconds 20
 */
#include "stream-common.h"

#define MAX_PEERS 16
#define TWCC "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define VIDEO "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,extmap-1=(string)" TWCC

typedef struct
{
  guint number;
  GstElement *sender, *receiver;        /* webrtcbins, owned: their threads call each other until both have ended */
  GstElement *pipeline;         /* the receiver's, owned */
  guint frames;                 /* decoded; atomic */
} Peer;

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline;
  Peer peers[MAX_PEERS];
  int n_peers;
  gboolean failed;
} App;

static int seconds, n_peers = 1, width = 1280, height = 720, fps = 60;
static char *properties, *preset, *source;

static const GOptionEntry options[] = {
  {"peers", 'p', 0, G_OPTION_ARG_INT, &n_peers, "receivers (1)", "N"},
  {"seconds", 's', 0, G_OPTION_ARG_INT, &seconds, "end after so long (0: on Ctrl-C)", "N"},
  {"source", 0, 0, G_OPTION_ARG_STRING, &source, "raw video (videotestsrc is-live=true pattern=snow)", "ELEMENTS"},
  {"width", 0, 0, G_OPTION_ARG_INT, &width, "of the picture (1280)", "PIXELS"},
  {"height", 0, 0, G_OPTION_ARG_INT, &height, "of the picture (720)", "PIXELS"},
  {"fps", 0, 0, G_OPTION_ARG_INT, &fps, "frames a second (60)", "N"},
  {"properties", 0, 0, G_OPTION_ARG_STRING, &properties, "of mloptimizer (max-bitrate=8000000)", "TEXT"},
  {"preset", 0, 0, G_OPTION_ARG_STRING, &preset, "speed preset of x264enc (ultrafast)", "NAME"},
  {NULL}
};

/* --- signalling: one end's signal is the other end's action --- */

static void
on_candidate (GstElement * from, guint line, const char *candidate, gpointer to)
{
  g_signal_emit_by_name (to, "add-ice-candidate", line, candidate);
}

/* The description in @promise under @name, owned by the caller; NULL where there is none. */
static gpointer
take_description (GstPromise * promise, const char *name)
{
  const GstStructure *reply =
      gst_promise_wait (promise) == GST_PROMISE_RESULT_REPLIED ? gst_promise_get_reply (promise) : NULL;
  const GValue *value = reply ? gst_structure_get_value (reply, name) : NULL;
  gpointer description = value ? g_value_dup_boxed (value) : NULL;

  if (!description)
    g_printerr ("no %s: %s\n", name, reply ? gst_structure_get_name (reply) : "the promise was not kept");
  gst_promise_unref (promise);
  return description;
}

static void
hand_over (GstElement * from, GstElement * to, gpointer description)
{
  g_signal_emit_by_name (from, "set-local-description", description, NULL);
  g_signal_emit_by_name (to, "set-remote-description", description, NULL);
  g_boxed_free (g_type_from_name ("GstWebRTCSessionDescription"), description);
}

static void
on_answer (GstPromise * promise, gpointer data)
{
  Peer *peer = data;
  gpointer answer = take_description (promise, "answer");

  if (answer)
    hand_over (peer->receiver, peer->sender, answer);
}

static void
on_offer (GstPromise * promise, gpointer data)
{
  Peer *peer = data;
  gpointer offer = take_description (promise, "offer");

  if (!offer)
    return;
  hand_over (peer->sender, peer->receiver, offer);
  g_signal_emit_by_name (peer->receiver, "create-answer", NULL, gst_promise_new_with_change_func (on_answer, peer,
          NULL));
}

static void
on_negotiation_needed (GstElement * sender, gpointer data)
{
  g_signal_emit_by_name (sender, "create-offer", NULL, gst_promise_new_with_change_func (on_offer, data, NULL));
}

/* --- the receiver --- */

static GstPadProbeReturn
on_frame (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  g_atomic_int_inc ((gint *) & ((Peer *) data)->frames);
  return GST_PAD_PROBE_OK;
}

static void
on_pad (GstElement * receiver, GstPad * pad, gpointer data)
{
  Peer *peer = data;
  g_autoptr (GError) error = NULL;
  GstElement *show;
  g_autoptr (GstPad) sink = NULL, shown = NULL;

  if (GST_PAD_DIRECTION (pad) != GST_PAD_SRC)
    return;
  show =
      gst_parse_bin_from_description ("rtph264depay ! avdec_h264 ! fakevideosink name=shown sync=false", TRUE, &error);
  if (!show) {
    g_printerr ("%s\n", error->message);
    return;
  }
  {
    g_autoptr (GstElement) last = gst_bin_get_by_name (GST_BIN (show), "shown");

    shown = gst_element_get_static_pad (last, "sink");
    gst_pad_add_probe (shown, GST_PAD_PROBE_TYPE_BUFFER, on_frame, peer, NULL);
  }
  gst_bin_add (GST_BIN (peer->pipeline), show);
  gst_element_sync_state_with_parent (show);
  sink = gst_element_get_static_pad (show, "sink");
  gst_pad_link (pad, sink);
}

/* --- what is said --- */

static gboolean
on_message (GstBus * bus, GstMessage * m, gpointer data)
{
  App *app = data;

  stream_handle_message (m, app->loop, &app->failed);
  if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ELEMENT && gst_message_has_name (m, "mloptimizer-decision")) {
    g_autofree char *text = gst_structure_to_string (gst_message_get_structure (m));

    g_print ("%s\n", text);
  }
  return G_SOURCE_CONTINUE;
}

static void
watch (App * app, GstElement * pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  gst_bus_add_watch (bus, on_message, app);
}

/* What it answers an offer with: without the header extension in it there is no feedback per packet. */
static void
accept_feedback (GstElement * receiver)
{
  g_autoptr (GEnumClass) directions = g_type_class_ref (g_type_from_name ("GstWebRTCRTPTransceiverDirection"));
  g_autoptr (GstCaps) caps = gst_caps_from_string (VIDEO);
  g_autoptr (GstObject) transceiver = NULL;

  g_signal_emit_by_name (receiver, "add-transceiver", g_enum_get_value_by_nick (directions, "recvonly")->value, caps,
      &transceiver);
}

static gboolean
add_peer (App * app, Peer * peer)
{
  g_autofree char *name = g_strdup_printf ("peer%u", peer->number);

  peer->sender = gst_bin_get_by_name (GST_BIN (app->pipeline), name);
  peer->pipeline = gst_pipeline_new (NULL);
  peer->receiver = gst_element_factory_make ("webrtcbin", NULL);
  if (!peer->receiver)
    return FALSE;
  g_object_set (peer->receiver, "latency", 20, NULL);
  gst_util_set_object_arg (G_OBJECT (peer->receiver), "bundle-policy", "max-bundle");
  gst_bin_add (GST_BIN (peer->pipeline), gst_object_ref (peer->receiver));
  accept_feedback (peer->receiver);
  watch (app, peer->pipeline);
  g_signal_connect (peer->sender, "on-negotiation-needed", G_CALLBACK (on_negotiation_needed), peer);
  g_signal_connect (peer->sender, "on-ice-candidate", G_CALLBACK (on_candidate), peer->receiver);
  g_signal_connect (peer->receiver, "on-ice-candidate", G_CALLBACK (on_candidate), peer->sender);
  g_signal_connect (peer->receiver, "pad-added", G_CALLBACK (on_pad), peer);
  return gst_element_set_state (peer->pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
}

static gboolean
run (App * app)
{
  GString *launch = g_string_new (NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_string_append_printf (launch,
      "%s ! capsfilter caps=video/x-raw,width=%d,height=%d,framerate=%d/1 ! mloptimizer name=optimizer %s "
      "! x264enc tune=zerolatency speed-preset=%s key-int-max=%d ! video/x-h264,profile=constrained-baseline "
      "! rtph264pay config-interval=-1 aggregate-mode=zero-latency ! " VIDEO " ! tee name=all allow-not-linked=true",
      source ? source : "videotestsrc is-live=true pattern=snow", width, height, fps,
      properties ? properties : "max-bitrate=8000000", preset ? preset : "ultrafast", 10 * fps);
  for (int i = 0; i < app->n_peers; i++)
    g_string_append_printf (launch, " all. ! queue ! webrtcbin name=peer%d bundle-policy=max-bundle", i);
  text = g_string_free (launch, FALSE);
  app->pipeline = gst_parse_launch (text, &error);
  if (error) {
    g_printerr ("ERROR: %s\n", error->message);
    return FALSE;
  }
  watch (app, app->pipeline);
  for (int i = 0; i < app->n_peers; i++) {
    app->peers[i].number = (guint) i;
    if (!add_peer (app, &app->peers[i]))
      return FALSE;
  }
  if (gst_element_set_state (app->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    return FALSE;
  g_main_loop_run (app->loop);
  return !app->failed;
}

static void
end_pipeline (GstElement * pipeline)
{
  g_autoptr (GstBus) bus = NULL;

  if (!pipeline)
    return;
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
}

/* All of them end before any of it is freed. */
static void
end (App * app)
{
  end_pipeline (app->pipeline);
  for (int i = 0; i < app->n_peers; i++)
    end_pipeline (app->peers[i].pipeline);
  for (int i = 0; i < app->n_peers; i++) {
    g_clear_object (&app->peers[i].sender);
    g_clear_object (&app->peers[i].receiver);
    g_clear_object (&app->peers[i].pipeline);
  }
  g_clear_object (&app->pipeline);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context =
      g_option_context_new ("- WebRTC with mloptimizer, sender and receivers in one process");
  g_autoptr (GError) error = NULL;
  App app = { 0 };
  gboolean good;

  g_option_context_add_main_entries (context, options, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("%s\n", error->message);
    return 2;
  }
  app.n_peers = CLAMP (n_peers, 1, MAX_PEERS);
  app.loop = g_main_loop_new (NULL, FALSE);
  stream_quit_when_asked (app.loop, seconds);
  good = run (&app);
  end (&app);
  for (int i = 0; i < app.n_peers; i++) {
    g_print ("peer %d: %d frames shown\n", i, g_atomic_int_get ((gint *) & app.peers[i].frames));
    good = good && (seconds <= 0 || g_atomic_int_get ((gint *) & app.peers[i].frames) > 0);
  }
  g_main_loop_unref (app.loop);
  stream_deinit ();
  return good ? 0 : 1;
}
