/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * A WebRTC sender with the element in front of its encoder, and one or more receivers, that come and go while it plays: one
 * encode for all, where the peer that fares worst decides, or with --encode-each one for each, with an element of its own,
 * all in one group. Everything is in one process, so that the signalling needs no server: offers, answers and ICE candidates
 * are handed over as they come. Between two machines they travel as text instead.
 *
 *     build/examples/webrtc-peers --peers 2 --seconds 20
 *     build/examples/webrtc-peers --peers 3 --seconds 30 --encode-each --join 5 --leave 20
 */
#include "stream-common.h"

#include <gst/video/video.h>

#define MAX_PEERS 16
#define TWCC "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define VIDEO "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,extmap-1=(string)" TWCC

typedef struct
{
  struct _App *app;
  guint number;
  GstElement *branch;           /* from the tee to the sender's webrtcbin, owned */
  GstPad *tee;                  /* whose pad this is, owned */
  GstElement *sender, *receiver;        /* webrtcbins, owned: their threads call each other until both have ended */
  GstElement *pipeline;         /* the receiver's, owned */
  guint frames;                 /* decoded; atomic */
} Peer;

typedef struct _App
{
  GMainLoop *loop;
  GstElement *pipeline, *tee;
  Peer peers[MAX_PEERS];
  int n_peers;
  gboolean failed;
} App;

static int seconds, n_peers = 1, width = 1280, height = 720, fps = 60, join, leave, receiver_port;
static gboolean encode_each, fec;
static char *properties, *preset, *source;

static const GOptionEntry options[] = {
  {"peers", 'p', 0, G_OPTION_ARG_INT, &n_peers, "receivers (1)", "N"},
  {"encode-each", 0, 0, G_OPTION_ARG_NONE, &encode_each, "an element and an encoder for each, in one group", NULL},
  {"fec", 0, 0, G_OPTION_ARG_NONE, &fec, "with forward error correction, for the element to steer", NULL},
  {"join", 0, 0, G_OPTION_ARG_INT, &join, "each peer comes so many seconds after the one before (0: all at once)", "N"},
  {"leave", 0, 0, G_OPTION_ARG_INT, &leave, "the last peer leaves after so long (0: it stays)", "N"},
  {"receiver-port", 0, 0, G_OPTION_ARG_INT, &receiver_port, "the receivers' first port, 64 for each (any)", "PORT"},
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

    g_print ("%s: %s\n", GST_MESSAGE_SRC_NAME (m), text);
  }
  return G_SOURCE_CONTINUE;
}

static void
watch (App * app, GstElement * pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);

  gst_bus_add_watch (bus, on_message, app);
}

static void
ask_for_fec (GstObject * transceiver)
{
  if (!fec || !transceiver)
    return;
  gst_util_set_object_arg (G_OBJECT (transceiver), "fec-type", "ulp-red");
  g_object_set (transceiver, "fec-percentage", 0, NULL);
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
  ask_for_fec (transceiver);
}

/* --- who comes and goes --- */

/* The encoder and the element in front of it. */
static char *
encoder_text (const char *name, const char *more)
{
  return g_strdup_printf ("mloptimizer name=%s %s %s ! x264enc tune=zerolatency speed-preset=%s key-int-max=%d "
      "! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 aggregate-mode=zero-latency ! "
      VIDEO, name, properties ? properties : "max-bitrate=8000000", more, preset ? preset : "ultrafast", 10 * fps);
}

static GstElement *
branch_new (const Peer * peer, GError ** error)
{
  g_autofree char *name = g_strdup_printf ("optimizer%u", peer->number);
  g_autofree char *encoder = encode_each ? encoder_text (name, "group=peers") : g_strdup ("identity");
  /* A peer whose encoder is late holds up nobody else's. */
  g_autofree char *text = g_strdup_printf ("queue %s ! %s ! webrtcbin name=peer%u bundle-policy=max-bundle",
      encode_each ? "max-size-buffers=2 leaky=downstream" : "", encoder, peer->number);

  return gst_parse_bin_from_description (text, TRUE, error);
}

static void
limit_ports (GstElement * receiver, guint number)
{
  g_autoptr (GstObject) agent = NULL;
  guint first = (guint) receiver_port + 64 * number;

  if (receiver_port <= 0)
    return;
  g_object_get (receiver, "ice-agent", &agent, NULL);
  g_object_set (agent, "min-rtp-port", first, "max-rtp-port", first + 63, NULL);
}

static gboolean
link_branch (App * app, Peer * peer)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (peer->branch, "sink");

  peer->tee = gst_element_request_pad_simple (app->tee, "src_%u");
  if (gst_pad_link (peer->tee, sink) != GST_PAD_LINK_OK || !gst_element_sync_state_with_parent (peer->branch))
    return FALSE;
  /* Its first picture is none that another peer has had. */
  if (!encode_each && GST_STATE (app->pipeline) == GST_STATE_PLAYING)
    gst_pad_push_event (sink, gst_video_event_new_upstream_force_key_unit (GST_CLOCK_TIME_NONE, TRUE, 0));
  return TRUE;
}

static gboolean
add_peer (App * app, Peer * peer)
{
  g_autofree char *name = g_strdup_printf ("peer%u", peer->number);
  g_autoptr (GstObject) transceiver = NULL;
  g_autoptr (GError) error = NULL;

  peer->branch = branch_new (peer, &error);
  if (!peer->branch) {
    g_printerr ("ERROR: %s\n", error->message);
    return FALSE;
  }
  gst_object_ref_sink (peer->branch);
  gst_bin_add (GST_BIN (app->pipeline), peer->branch);
  peer->sender = gst_bin_get_by_name (GST_BIN (peer->branch), name);
  g_signal_emit_by_name (peer->sender, "get-transceiver", 0, &transceiver);
  ask_for_fec (transceiver);
  peer->pipeline = gst_pipeline_new (NULL);
  peer->receiver = gst_element_factory_make ("webrtcbin", NULL);
  if (!peer->receiver)
    return FALSE;
  g_object_set (peer->receiver, "latency", 20, NULL);
  gst_util_set_object_arg (G_OBJECT (peer->receiver), "bundle-policy", "max-bundle");
  limit_ports (peer->receiver, peer->number);
  gst_bin_add (GST_BIN (peer->pipeline), gst_object_ref (peer->receiver));
  accept_feedback (peer->receiver);
  watch (app, peer->pipeline);
  g_signal_connect (peer->sender, "on-negotiation-needed", G_CALLBACK (on_negotiation_needed), peer);
  g_signal_connect (peer->sender, "on-ice-candidate", G_CALLBACK (on_candidate), peer->receiver);
  g_signal_connect (peer->receiver, "on-ice-candidate", G_CALLBACK (on_candidate), peer->sender);
  g_signal_connect (peer->receiver, "pad-added", G_CALLBACK (on_pad), peer);
  return gst_element_set_state (peer->pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE
      && link_branch (app, peer);
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

/* Both ends have ended. */
static void
clear_peer (Peer * peer)
{
  g_clear_object (&peer->tee);
  g_clear_object (&peer->sender);
  g_clear_object (&peer->receiver);
  g_clear_object (&peer->pipeline);
  g_clear_object (&peer->branch);
}

/* The main thread: nothing flows into the branch any more. */
static gboolean
end_peer (gpointer data)
{
  Peer *peer = data;

  if (!peer->branch)
    return G_SOURCE_REMOVE;
  gst_element_set_state (peer->branch, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (peer->app->pipeline), peer->branch);
  gst_element_release_request_pad (peer->app->tee, peer->tee);
  end_pipeline (peer->pipeline);
  clear_peer (peer);
  g_print ("peer %u has left\n", peer->number);
  return G_SOURCE_REMOVE;
}

/* Between two pictures, in the stream's thread. */
static GstPadProbeReturn
on_idle (GstPad * tee, GstPadProbeInfo * info, gpointer data)
{
  g_autoptr (GstPad) sink = gst_pad_get_peer (tee);

  if (sink && gst_pad_unlink (tee, sink))
    g_idle_add (end_peer, data);
  return GST_PAD_PROBE_REMOVE;
}

static gboolean
on_leave (gpointer data)
{
  Peer *peer = data;

  if (peer->tee)
    gst_pad_add_probe (peer->tee, GST_PAD_PROBE_TYPE_IDLE, on_idle, peer, NULL);
  return G_SOURCE_REMOVE;
}

static gboolean
on_join (gpointer data)
{
  Peer *peer = data;

  if (!add_peer (peer->app, peer)) {
    peer->app->failed = TRUE;
    g_main_loop_quit (peer->app->loop);
  }
  return G_SOURCE_REMOVE;
}

static gboolean
run (App * app)
{
  g_autofree char *encoder = encoder_text ("optimizer", "");
  g_autofree char *text = g_strdup_printf ("%s ! capsfilter caps=video/x-raw,width=%d,height=%d,framerate=%d/1 ! %s "
      "! tee name=all allow-not-linked=true", source ? source : "videotestsrc is-live=true pattern=snow", width, height,
      fps, encode_each ? "identity" : encoder);
  g_autoptr (GError) error = NULL;

  app->pipeline = gst_parse_launch (text, &error);
  if (error) {
    g_printerr ("ERROR: %s\n", error->message);
    return FALSE;
  }
  app->tee = gst_bin_get_by_name (GST_BIN (app->pipeline), "all");
  watch (app, app->pipeline);
  for (int i = 0; i < app->n_peers; i++) {
    Peer *peer = &app->peers[i];

    peer->app = app;
    peer->number = (guint) i;
    if (i > 0 && join > 0)
      g_timeout_add_seconds ((guint) (i * join), on_join, peer);
    else if (!add_peer (app, peer))
      return FALSE;
  }
  if (leave > 0)
    g_timeout_add_seconds ((guint) leave, on_leave, &app->peers[app->n_peers - 1]);
  if (gst_element_set_state (app->pipeline, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    return FALSE;
  g_main_loop_run (app->loop);
  return !app->failed;
}

/* All of them end before any of it is freed. */
static void
end (App * app)
{
  end_pipeline (app->pipeline);
  for (int i = 0; i < app->n_peers; i++)
    end_pipeline (app->peers[i].pipeline);
  for (int i = 0; i < app->n_peers; i++)
    clear_peer (&app->peers[i]);
  g_clear_object (&app->tee);
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
