/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's decisions: what is set on a real encoder, what the application sees and may change. */
#include <glib/gstdio.h>

#include "element-helpers.h"
#include "mlo-bitrate-predictor.h"
#include "mlo-quality-optimizer.h"

#define SOURCE "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
#define X264 "x264enc name=e tune=zerolatency speed-preset=ultrafast bitrate=1000"

static gboolean
encoder_at (Run * r, gpointer data)
{
  return run_encoder_kbps (r) == GPOINTER_TO_UINT (data);
}

static gboolean
has_decision (Run * r, gpointer data)
{
  return run_count (r, GST_MESSAGE_ELEMENT, TRUE, "mloptimizer-decision") > 0;
}

static void
test_defaults (void)
{
  g_autoptr (GstElement) e = gst_object_ref_sink (gst_element_factory_make ("mloptimizer", NULL));
  guint min, max, start, bitrate, bandwidth, delay, interval;
  int min_fps, max_fps, height;

  g_object_get (e, "min-bitrate", &min, "max-bitrate", &max, "start-bitrate", &start, "bitrate", &bitrate,
      "estimated-bandwidth", &bandwidth, "target-delay", &delay, "interval", &interval, "min-framerate", &min_fps,
      "max-framerate", &max_fps, "min-height", &height, NULL);
  g_assert_cmpuint (min, ==, 300000);
  g_assert_cmpuint (max, ==, 20000000);
  g_assert_cmpuint (start, ==, 0);
  g_assert_cmpuint (bitrate, ==, 0);
  g_assert_cmpuint (bandwidth, ==, 0);
  g_assert_cmpuint (delay, ==, 60);
  g_assert_cmpuint (interval, ==, 100);
  g_assert_cmpint (min_fps, ==, 15);
  g_assert_cmpint (max_fps, ==, 0);
  g_assert_cmpint (height, ==, 240);
}

/* Without feedback the start bitrate stays, it is said once, and what was found comes back in READY. */
static void
test_no_feedback (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o start-bitrate=700000 ! " X264 " ! fakesink");
  guint bitrate = 0;

  run_play (r);
  g_assert_true (run_until (r, 5.0, encoder_at, GUINT_TO_POINTER (700)));
  g_assert_true (run_until (r, 10.0, run_has_warning, (gpointer) "no feedback"));
  run_until (r, 1.5, NULL, NULL);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "no feedback"), ==, 1);
  run_assert_clean (r, "no feedback");
  g_assert_cmpuint (run_encoder_kbps (r), ==, 700);
  g_object_get (r->element, "bitrate", &bitrate, NULL);
  g_assert_cmpuint (bitrate, ==, 700000);
  g_assert_cmpuint (run_stat (r, "frames-dropped-window"), ==, 0);
  g_assert_cmpuint (run_stat (r, "frames-dropped-rate"), ==, 0);
  g_assert_cmpfloat (run_measure (r, "fps"), >, 10.0);
  g_assert_cmpfloat (run_measure (r, "fps"), <, 35.0);
  g_assert_cmpfloat (run_measure (r, "complexity"), >, 0.8);
  g_assert_cmpfloat (run_measure (r, "encode_time_ms"), >, 0.0);
  g_assert_cmpfloat (run_measure (r, "cpu_usage"), >=, 0.0);
  g_assert_cmpfloat (run_measure (r, "memory_usage"), >, 0.0);
  g_assert_cmpfloat (run_measure (r, "encoded_kbps"), >, 100.0);
  g_assert_cmpfloat (run_measure (r, "latency_ms"), ==, -1.0);
  gst_element_set_state (r->pipeline, GST_STATE_READY);
  g_assert_cmpuint (run_encoder_kbps (r), ==, 1000);
  run_free (r);
}

/* Limits may change while playing. */
static void
test_live_limits (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o ! " X264 " ! fakesink");
  g_autoptr (GstStructure) decision = NULL;
  guint previous = 0;
  gboolean applied = FALSE;

  run_play (r);
  g_assert_true (run_until (r, 5.0, encoder_at, GUINT_TO_POINTER (1000)));
  run_until (r, 0.5, NULL, NULL);
  /* What is set already is no change. */
  g_assert_cmpuint (run_count (r, GST_MESSAGE_ELEMENT, TRUE, "mloptimizer-decision"), ==, 0);
  g_object_set (r->element, "max-bitrate", 600000, NULL);
  g_assert_true (run_until (r, 5.0, encoder_at, GUINT_TO_POINTER (600)));
  g_assert_true (run_until (r, 5.0, has_decision, NULL));
  for (guint i = 0; i < r->messages->len; i++) {
    if (gst_message_has_name (g_ptr_array_index (r->messages, i), "mloptimizer-decision"))
      decision = gst_structure_copy (gst_message_get_structure (g_ptr_array_index (r->messages, i)));
  }
  g_assert_nonnull (decision);
  g_assert_true (gst_structure_get_uint (decision, "previous-bitrate", &previous));
  g_assert_true (gst_structure_get_boolean (decision, "applied", &applied));
  g_assert_cmpuint (previous, ==, 1000000);
  g_assert_true (applied);
  g_assert_nonnull (gst_structure_get_string (decision, "reason"));
  /* The pictures' rate too; the encoder counts frames, so its value rises. */
  g_object_set (r->element, "max-framerate", 15, NULL);
  g_assert_true (run_until (r, 5.0, encoder_at, GUINT_TO_POINTER (1200)));
  run_until (r, 2.0, NULL, NULL);
  g_assert_cmpfloat (run_measure (r, "fps"), >, 6.0);
  g_assert_cmpfloat (run_measure (r, "fps"), <, 18.0);
  g_assert_cmpfloat (run_measure (r, "encoded_kbps"), >, 150.0);
  g_assert_cmpfloat (run_measure (r, "encoded_kbps"), <, 800.0);
  run_assert_clean (r, "no feedback");
  run_free (r);
}

static void
test_observe (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o mode=observe max-bitrate=600000 ! " X264
      " vbv-buf-capacity=0 ! fakesink");
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  guint vbv = 1;

  run_play (r);
  g_assert_true (run_until (r, 5.0, has_decision, NULL));
  run_until (r, 1.0, NULL, NULL);
  g_assert_cmpuint (run_encoder_kbps (r), ==, 1000);
  g_object_get (e, "vbv-buf-capacity", &vbv, NULL);
  g_assert_cmpuint (vbv, ==, 0);
  run_assert_clean (r, NULL);
  run_free (r);
}

/* The decision signal: the first handler with an answer wins. */
typedef struct
{
  gint calls, last_calls;       /* atomic */
  GThread *thread;
} Handler;

static GstStructure *
on_alter (GstElement * element, GstStructure * decision, gpointer data)
{
  Handler *h = data;
  guint bitrate;

  g_assert_true (gst_structure_get_uint (decision, "bitrate", &bitrate));
  g_assert_cmpuint (bitrate, ==, 600000);
  /* No lock is held: properties can be read and set. */
  g_object_get (element, "bitrate", &bitrate, NULL);
  g_object_set (element, "target-delay", 61, NULL);
  h->thread = g_thread_self ();
  g_atomic_int_inc (&h->calls);
  return gst_structure_new ("mloptimizer-decision", "bitrate", G_TYPE_UINT, 450000, NULL);
}

static GstStructure *
on_veto (GstElement * element, GstStructure * decision, gpointer data)
{
  g_atomic_int_inc (&((Handler *) data)->calls);
  return gst_structure_new ("mloptimizer-decision", "veto", G_TYPE_BOOLEAN, TRUE, NULL);
}

static GstStructure *
on_accept (GstElement * element, GstStructure * decision, gpointer data)
{
  g_atomic_int_inc (&((Handler *) data)->last_calls);
  return NULL;
}

static gboolean
called (Run * r, gpointer data)
{
  return g_atomic_int_get (&((Handler *) data)->calls) > 0;
}

static void
test_signal (void)
{
  Handler h = { 0 };
  Run *r = run_new (SOURCE "mloptimizer name=o max-bitrate=600000 ! " X264 " ! fakesink");
  gulong id;

  id = g_signal_connect (r->element, "decision", G_CALLBACK (on_alter), &h);
  g_signal_connect (r->element, "decision", G_CALLBACK (on_accept), &h);
  run_play (r);
  g_assert_true (run_until (r, 5.0, encoder_at, GUINT_TO_POINTER (450)));
  run_until (r, 0.5, NULL, NULL);
  g_assert_cmpint (g_atomic_int_get (&h.calls), >, 0);
  g_assert_cmpint (g_atomic_int_get (&h.last_calls), ==, 0);
  g_assert_true (h.thread != g_thread_self ());
  g_signal_handler_disconnect (r->element, id);
  /* One that only looks does not change the outcome. */
  g_object_set (r->element, "max-bitrate", 400000, NULL);
  g_assert_true (run_until (r, 5.0, encoder_at, GUINT_TO_POINTER (400)));
  g_assert_cmpint (g_atomic_int_get (&h.last_calls), >, 0);
  run_assert_clean (r, NULL);
  run_free (r);
}

static void
test_veto (void)
{
  Handler h = { 0 };
  Run *r = run_new (SOURCE "mloptimizer name=o start-bitrate=700000 ! " X264 " ! fakesink");

  g_signal_connect (r->element, "decision", G_CALLBACK (on_veto), &h);
  run_play (r);
  g_assert_true (run_until (r, 5.0, called, &h));
  run_until (r, 1.0, NULL, NULL);
  g_assert_cmpuint (run_encoder_kbps (r), ==, 1000);
  g_assert_false (has_decision (r, NULL));
  run_free (r);
}

/* A rate that the encoder does not obey is noticed, and said once. */
static void
test_deaf (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o min-bitrate=100000 max-bitrate=100000 ! "
      "x264enc name=e tune=zerolatency speed-preset=ultrafast pass=quant quantizer=20 ! fakesink");
  g_autoptr (GstStructure) s = NULL;
  gboolean deaf = FALSE;

  run_play (r);
  g_assert_true (run_until (r, 12.0, run_has_warning, (gpointer) "does not follow its bitrate"));
  run_until (r, 1.0, NULL, NULL);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "does not follow"), ==, 1);
  g_object_get (r->element, "stats", &s, NULL);
  g_assert_true (gst_structure_get_boolean (s, "encoder-deaf", &deaf));
  g_assert_true (deaf);
  run_free (r);
}

/* The two settings that make x264enc deaf are repaired before it starts, and said. */
static void
test_repaired (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o max-bitrate=600000 ! " X264
      " vbv-buf-capacity=0 option-string=nal-hrd=cbr ! fakesink");

  run_play (r);
  g_assert_true (run_until (r, 5.0, run_has_warning, (gpointer) "nal-hrd=cbr"));
  run_until (r, 3.0, NULL, NULL);
  g_assert_cmpfloat (run_measure (r, "encoded_kbps"), <, 800.0);
  g_assert_cmpfloat (run_measure (r, "encoded_kbps"), >, 150.0);
  run_free (r);
}

/* One that puts out twice what it is told is told less. */
static gboolean
encoded_near (Run * r, gpointer data)
{
  double kbps = run_measure (r, "encoded_kbps");

  return kbps > 0.8 * GPOINTER_TO_UINT (data) && kbps < 1.2 * GPOINTER_TO_UINT (data)
      && run_stat (r, "frames-encoded") > 150;
}

static void
test_correction (void)
{
  Run *r;

  if (!gst_registry_check_feature_version (gst_registry_get (), "av1enc", 1, 0, 0)) {
    g_test_skip ("av1enc is not installed");
    return;
  }
  r = run_new (SOURCE "mloptimizer name=o start-bitrate=800000 ! av1enc name=e usage-profile=realtime cpu-used=10 "
      "lag-in-frames=0 ! fakesink");
  run_play (r);
  g_assert_true (run_until (r, 25.0, encoded_near, GUINT_TO_POINTER (800)));
  run_assert_clean (r, "no feedback");
  run_free (r);
}

/* The encoder is replaced while playing: the new one is found and driven. */
static GstPadProbeReturn
swap (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Run *r = data;
  g_autoptr (GstElement) old = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (r->pipeline), "s");
  GstElement *fresh = gst_parse_launch ("x264enc name=f tune=zerolatency speed-preset=ultrafast bitrate=2000", NULL);

  gst_element_unlink_many (r->element, old, sink, NULL);
  gst_element_set_state (old, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (r->pipeline), old);
  gst_bin_add (GST_BIN (r->pipeline), fresh);
  g_assert_true (gst_element_link_many (r->element, fresh, sink, NULL));
  gst_element_sync_state_with_parent (fresh);
  return GST_PAD_PROBE_REMOVE;
}

static gboolean
fresh_at (Run * r, gpointer data)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "f");
  guint kbps = 0;

  if (e)
    g_object_get (e, "bitrate", &kbps, NULL);
  return kbps == GPOINTER_TO_UINT (data);
}

static void
test_replaced (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o max-bitrate=600000 ! " X264 " ! fakesink name=s async=false");
  g_autoptr (GstPad) src = gst_element_get_static_pad (r->element, "src");

  run_play (r);
  g_assert_true (run_until (r, 5.0, encoder_at, GUINT_TO_POINTER (600)));
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, swap, r, NULL);
  g_assert_true (run_until (r, 6.0, fresh_at, GUINT_TO_POINTER (600)));
  run_assert_clean (r, "no feedback");
  run_free (r);
}

/* The property names another element and property. */
static void
test_encoder_property (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o encoder=q/max-size-bytes/kbps max-bitrate=600000 ! " X264
      " ! queue name=q max-size-bytes=5000 ! fakesink");
  g_autoptr (GstElement) q = gst_bin_get_by_name (GST_BIN (r->pipeline), "q");
  guint bytes = 0;

  run_play (r);
  for (guint i = 0; i < 50 && bytes != 600; i++) {
    run_until (r, 0.1, NULL, NULL);
    g_object_get (q, "max-size-bytes", &bytes, NULL);
  }
  g_assert_cmpuint (bytes, ==, 600);
  g_assert_cmpuint (run_encoder_kbps (r), ==, 1000);
  run_free (r);
}

static void
test_no_encoder (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o ! fakesink");

  run_play (r);
  g_assert_true (run_until (r, 6.0, run_has_warning, (gpointer) "no video encoder"));
  run_assert_clean (r, "no video encoder");
  run_free (r);
}

/* A folder that was named must hold the models. */
static void
test_bad_models (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-models-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (folder, "bitrate_predictor.safetensors", NULL);
  static const char *const contents[] =
      { NULL, "", "\x08\0\0\0\0\0\0\0{\"a\":1}  ", "\xff\xff\xff\xff\xff\xff\xff\xff" };

  for (guint i = 0; i <= G_N_ELEMENTS (contents); i++) {
    Run *r = run_new (SOURCE "mloptimizer name=o ! fakesink");
    GstStateChangeReturn ret;

    if (i == G_N_ELEMENTS (contents)) {
      g_object_set (r->element, "models", "/no/such/folder", NULL);
    } else {
      if (contents[i])
        g_assert_true (g_file_set_contents (file, contents[i], i == 2 ? 16 : (gssize) strlen (contents[i]), NULL));
      g_object_set (r->element, "models", folder, NULL);
    }
    ret = gst_element_set_state (r->pipeline, GST_STATE_READY);
    g_assert_cmpint (ret, ==, GST_STATE_CHANGE_FAILURE);
    run_until (r, 0.1, NULL, NULL);
    g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, TRUE, i == G_N_ELEMENTS (contents) ? "/no/such/folder"
            : "bitrate_predictor.safetensors"), ==, 1);
    run_free (r);
  }
  g_unlink (file);
  g_rmdir (folder);
}

static gboolean
predicts (Run * r, gpointer data)
{
  g_autoptr (GstStructure) s = NULL;
  gboolean has = FALSE;

  g_object_get (r->element, "stats", &s, NULL);
  return gst_structure_get_boolean (s, "has-models", &has) && has && run_stat (r, "frames-encoded") > 5;
}

/* A folder with both loads and streams; with one of them spoilt it is refused by that one's name. */
static void
test_models (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-models-XXXXXX", NULL);
  g_autofree char *predictor = g_build_filename (folder, "bitrate_predictor.safetensors", NULL);
  g_autofree char *optimizer = g_build_filename (folder, "quality_optimizer.safetensors", NULL);
  g_autoptr (MloBitratePredictor) p = NULL;
  g_autoptr (MloQualityOptimizer) q = NULL;
  MloPredictorConfig config = {.hidden = 8,.layers = 1,.form = MLO_FORM_STREAM,.scaling = mlo_scaling_log_default,
    .min_kbps = 100.0,.max_kbps = 50000.0,.interval_ms = 100
  };
  MloRandom random;
  GError *error = NULL;
  Run *r;

  mlo_random_seed (&random, 1);
  p = mlo_bitrate_predictor_new (&config, &random);
  q = mlo_quality_optimizer_new (&(MloOptimizerConfig) {
      .scaling = mlo_scaling_log_default}, &random);
  g_assert_true (mlo_bitrate_predictor_save (p, predictor, NULL, &error));
  g_assert_true (mlo_quality_optimizer_save (q, optimizer, NULL, &error));

  r = run_new (SOURCE "mloptimizer name=o ! " X264 " ! fakesink");
  g_object_set (r->element, "models", folder, NULL);
  run_play (r);
  g_assert_true (run_until (r, 5.0, predicts, NULL));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, NULL), ==, 0);
  run_free (r);

  g_assert_true (g_file_set_contents (optimizer, "spoilt", -1, NULL));
  r = run_new (SOURCE "mloptimizer name=o ! fakesink");
  g_object_set (r->element, "models", folder, NULL);
  g_assert_cmpint (gst_element_set_state (r->pipeline, GST_STATE_PLAYING), ==, GST_STATE_CHANGE_FAILURE);
  run_until (r, 0.1, NULL, NULL);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, TRUE, "quality_optimizer.safetensors"), ==, 1);
  run_free (r);
  g_unlink (predictor);
  g_unlink (optimizer);
  g_rmdir (folder);
}

/* What the application and a late sink say is in stats; what is stale is not. */
static gboolean
told (Run * r, gpointer data)
{
  return run_measure (r, "latency_ms") == 77.0;
}

static gboolean
stale (Run * r, gpointer data)
{
  return run_measure (r, "latency_ms") < 0.0;
}

static void
test_metrics (void)
{
  /* In a bin in the pipeline: the bus that counts is the pipeline's. */
  Run *r = run_new (SOURCE "( mloptimizer name=o ! " X264 " ) ! fakesink");

  run_play (r);
  g_assert_true (run_until (r, 5.0, encoder_at, GUINT_TO_POINTER (1000)));
  gst_element_post_message (r->pipeline, gst_message_new_element (GST_OBJECT (r->pipeline),
          gst_structure_new ("mloptimizer-metrics", "latency_ms", G_TYPE_DOUBLE, 77.0, "packet_loss", G_TYPE_FLOAT,
              0.25, "gpu_usage", G_TYPE_INT, 1, "quality_score", G_TYPE_STRING, "0.5", "jitter_ms", G_TYPE_DOUBLE, -5.0,
              "fps", G_TYPE_DOUBLE, 500.0, "unknown", G_TYPE_INT, 3, NULL)));
  g_assert_true (run_until (r, 1.5, told, NULL));
  g_assert_cmpfloat (run_measure (r, "packet_loss"), ==, 0.25);
  g_assert_cmpfloat (run_measure (r, "gpu_usage"), ==, 1.0);
  g_assert_cmpfloat (run_measure (r, "jitter_ms"), ==, -1.0);
  /* The frame rate is ours to measure. */
  g_assert_cmpfloat (run_measure (r, "fps"), <, 100.0);
  g_assert_cmpuint (run_stat (r, "metrics-messages"), ==, 1);
  g_assert_cmpuint (run_stat (r, "metrics-rejected"), ==, 2);
  g_assert_true (run_until (r, 4.0, stale, NULL));
  g_assert_cmpfloat (run_measure (r, "packet_loss"), ==, -1.0);
  run_free (r);
}

/* Nothing is measured here (no RTP): what the application knows of its path leads, while it is fresh. */
static void
post_path (Run * r, double latency_ms, double bandwidth_kbps)
{
  gst_element_post_message (r->pipeline, gst_message_new_element (GST_OBJECT (r->pipeline),
          gst_structure_new ("mloptimizer-metrics", "latency_ms", G_TYPE_DOUBLE, latency_ms, "bandwidth_kbps",
              G_TYPE_DOUBLE, bandwidth_kbps, "packet_loss", G_TYPE_DOUBLE, 0.0, "jitter_ms", G_TYPE_DOUBLE, 1.0,
              NULL)));
}

static gboolean
below_narrow (Run * r, gpointer data)
{
  post_path (r, 40.0, 600.0);
  return run_encoder_kbps (r) < 600;
}

static gboolean
above_wide (Run * r, gpointer data)
{
  post_path (r, 40.0, 9000.0);
  return run_encoder_kbps (r) > 1500;
}

static gboolean
below_queue (Run * r, gpointer data)
{
  post_path (r, 340.0, 1000.0);
  return run_encoder_kbps (r) < 800;
}

static void
test_told_path (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o ! " X264 " ! fakesink");

  run_play (r);
  g_assert_true (run_until (r, 5.0, encoder_at, GUINT_TO_POINTER (1000)));
  g_assert_true (run_until (r, 5.0, below_narrow, NULL));
  g_assert_true (run_until (r, 15.0, above_wide, NULL));
  g_assert_true (run_until (r, 5.0, below_queue, NULL));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "no feedback"), ==, 0);
  run_free (r);
}

static gboolean
late (Run * r, gpointer data)
{
  return run_stat (r, "qos-messages") > 0 && run_stat (r, "qos-events") > 0 && run_measure (r, "frame_drops") > 0.0;
}

static void
test_late_sink (void)
{
  Run *r =
      run_new ("videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! mloptimizer name=o ! "
      "tee name=t t. ! queue ! " X264 " ! fakesink async=false t. ! queue ! identity sleep-time=60000 ! "
      "fakesink sync=true qos=true max-lateness=1000000 processing-deadline=0 async=false");

  run_play (r);
  g_assert_true (run_until (r, 15.0, late, NULL));
  run_free (r);
}

/* The application asks for a smaller picture: it is scaled, coded, decoded; a new size from upstream goes on. */
static GstStructure *
on_smaller (GstElement * element, GstStructure * decision, gpointer data)
{
  return gst_structure_new ("mloptimizer-decision", "width", G_TYPE_INT, 480, "height", G_TYPE_INT, 360, NULL);
}

static gboolean
height_is (Run * r, gpointer data)
{
  g_autoptr (GstStructure) s = NULL;
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (r->pipeline), "s");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (sink, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  int height = 0, measured = 0;

  g_object_get (r->element, "stats", &s, NULL);
  gst_structure_get_int (s, "height", &measured);
  if (caps)
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "height", &height);
  return height == GPOINTER_TO_INT (data) && measured == height;
}

static void
test_size (void)
{
  Run *r = run_new ("videotestsrc is-live=true ! capsfilter name=c "
      "caps=video/x-raw,format=I420,width=640,height=480,framerate=30/1 ! mloptimizer name=o ! vp8enc deadline=1 "
      "target-bitrate=1000000 ! vp8dec ! fakesink name=s");
  g_autoptr (GstElement) filter = gst_bin_get_by_name (GST_BIN (r->pipeline), "c");
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw,format=I420,width=1280,height=960,framerate=30/1");
  gulong id;

  run_play (r);
  g_assert_true (run_until (r, 5.0, height_is, GINT_TO_POINTER (480)));
  id = g_signal_connect (r->element, "decision", G_CALLBACK (on_smaller), NULL);
  g_object_set (r->element, "max-bitrate", 800000, NULL);
  g_assert_true (run_until (r, 5.0, height_is, GINT_TO_POINTER (360)));
  g_signal_handler_disconnect (r->element, id);
  /* Another source: the rung nearest to the size in force. */
  g_object_set (filter, "caps", caps, NULL);
  run_until (r, 1.5, NULL, NULL);
  g_assert_true (run_until (r, 3.0, height_is, GINT_TO_POINTER (360)));
  /* Left to watch, it takes its hands away. */
  gst_util_set_object_arg (G_OBJECT (r->element), "mode", "observe");
  g_assert_true (run_until (r, 5.0, height_is, GINT_TO_POINTER (960)));
  run_assert_clean (r, "no feedback");
  run_free (r);
}

/* Put into a pipeline that plays already. */
static void
test_added_late (void)
{
  Run *r = run_new ("( videotestsrc is-live=true name=v ! video/x-raw,width=320,height=240,framerate=30/1 ! "
      "mloptimizer name=o max-bitrate=600000 ! " X264 " ! fakesink async=false ) fakesink name=other async=false "
      "videotestsrc is-live=true ! other.");
  GstElement *bin = GST_ELEMENT (gst_element_get_parent (r->element));

  gst_bin_remove (GST_BIN (r->pipeline), gst_object_ref (bin));
  run_play (r);
  run_until (r, 0.3, NULL, NULL);
  gst_bin_add (GST_BIN (r->pipeline), bin);
  gst_object_unref (bin);
  g_assert_true (gst_element_sync_state_with_parent (bin));
  g_assert_true (run_until (r, 5.0, encoder_at, GUINT_TO_POINTER (600)));
  run_assert_clean (r, NULL);
  gst_object_unref (bin);
  run_free (r);
}

static gboolean
measures_fps (Run * r, gpointer data)
{
  return run_measure (r, "fps") > 0.0;
}

/* Downstream fixes the size: ours is not forced on it. */
static void
test_fixed_size (void)
{
  Run *r =
      run_new ("videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=640,height=480,framerate=30/1 ! "
      "mloptimizer name=o ! video/x-raw,width=640,height=480 ! " X264 " ! fakesink");

  run_play (r);
  g_assert_true (run_until (r, 10.0, measures_fps, NULL));
  g_signal_connect (r->element, "decision", G_CALLBACK (on_smaller), NULL);
  g_object_set (r->element, "max-bitrate", 800000, NULL);
  g_assert_true (run_until (r, 5.0, run_has_warning, (gpointer) "nothing downstream takes"));
  run_until (r, 2.0, NULL, NULL);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "nothing downstream takes"), ==, 1);
  run_assert_clean (r, "nothing downstream takes");
  g_assert_cmpuint (run_stat (r, "frames-encoded"), >, 10);
  run_free (r);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/control/defaults", test_defaults);
  g_test_add_func ("/control/no-feedback", test_no_feedback);
  g_test_add_func ("/control/live-limits", test_live_limits);
  g_test_add_func ("/control/observe", test_observe);
  g_test_add_func ("/control/signal", test_signal);
  g_test_add_func ("/control/veto", test_veto);
  g_test_add_func ("/control/deaf", test_deaf);
  g_test_add_func ("/control/repaired", test_repaired);
  g_test_add_func ("/control/correction", test_correction);
  g_test_add_func ("/control/replaced", test_replaced);
  g_test_add_func ("/control/encoder-property", test_encoder_property);
  g_test_add_func ("/control/no-encoder", test_no_encoder);
  g_test_add_func ("/control/bad-models", test_bad_models);
  g_test_add_func ("/control/models", test_models);
  g_test_add_func ("/control/metrics", test_metrics);
  g_test_add_func ("/control/told-path", test_told_path);
  g_test_add_func ("/control/late-sink", test_late_sink);
  g_test_add_func ("/control/fixed-size", test_fixed_size);
  g_test_add_func ("/control/size", test_size);
  g_test_add_func ("/control/added-late", test_added_late);
  return g_test_run ();
}
