/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures in a graphics card's memory. On a machine without a screen it wants Xvfb; Mesa's software renderer will do. */
#include "element-helpers.h"
#include "gstmloscaler.h"

static GstStructure *answer;

static GstStructure *
on_decision (GstElement * o, GstStructure * decision, gpointer data)
{
  return answer ? gst_structure_copy (answer) : NULL;
}

static int
height_of (Run * r)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (r->element, "src");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  int height = 0;

  if (caps)
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "height", &height);
  return height;
}

static gboolean
has_height (Run * r, gpointer height)
{
  return height_of (r) == *(int *) height;
}

static const char *
memory_of (Run * r)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (r->element, "src");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

  return caps ? gst_mlo_scaler_memory (caps) : NULL;
}

static gboolean
played (Run * r, gpointer frames)
{
  return run_stat (r, "frames-encoded") >= *(guint64 *) frames;
}

/* Number @n of 30 a second. */
static void
push_picture (GstElement * source, guint64 n)
{
  g_autoptr (GstBuffer) buffer = gst_buffer_new_allocate (NULL, 320 * 240 * 3 / 2, NULL);
  GstFlowReturn ret;

  gst_buffer_memset (buffer, 0, 0x80, gst_buffer_get_size (buffer));
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (n, GST_SECOND, 30);
  g_signal_emit_by_name (source, "push-buffer", buffer, &ret);
  g_assert_cmpint (ret, ==, GST_FLOW_OK);
}

static gboolean
gl_works (void)
{
  g_autoptr (GstElement) pipeline = gst_parse_launch ("gltestsrc num-buffers=1 ! fakesink", NULL);
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;

  if (!pipeline)
    return FALSE;
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (bus, 20 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
}

/* Scaled where they are, by that memory's own scaler, and back. */
static void
test_gl (void)
{
  int small = 180, large = 240;
  guint64 frames = 5;
  Run *r;

  if (!g_getenv ("DISPLAY") || !gst_registry_check_feature_version (gst_registry_get (), "glcolorscale", 1, 0, 0)) {
    g_test_skip ("no display, or gstreamer1.0-gl is not installed");
    return;
  }
  if (!gl_works ()) {
    g_test_skip ("no OpenGL on this display");
    return;
  }
  r = run_new ("videotestsrc is-live=true ! video/x-raw,format=RGBA,width=320,height=240,framerate=30/1 ! glupload ! "
      "mloptimizer name=o min-height=100 start-bitrate=1000000 ! gldownload ! videoconvert ! "
      "x264enc name=e tune=zerolatency speed-preset=ultrafast ! fakesink");
  g_signal_connect (r->element, "decision", G_CALLBACK (on_decision), NULL);
  run_play (r);
  g_assert_true (run_until (r, 30.0, played, &frames));
  g_assert_cmpstr (memory_of (r), ==, "memory:GLMemory");
  answer = gst_structure_new ("answer", "width", G_TYPE_INT, 240, "height", G_TYPE_INT, 180, NULL);
  g_object_set (r->element, "max-bitrate", 900000, NULL);
  g_assert_true (run_until (r, 30.0, has_height, &small));
  g_assert_cmpstr (memory_of (r), ==, "memory:GLMemory");
  frames = run_stat (r, "frames-encoded") + 5;
  g_assert_true (run_until (r, 30.0, played, &frames));
  gst_structure_set (answer, "width", G_TYPE_INT, 320, "height", G_TYPE_INT, 240, NULL);
  g_object_set (r->element, "max-bitrate", 800000, NULL);
  g_assert_true (run_until (r, 30.0, has_height, &large));
  run_assert_clean (r, NULL);
  g_clear_pointer (&answer, gst_structure_free);
  run_free (r);
}

/* Memory that nothing here scales passes through, at its size; so do other kinds after it, while the stream runs. */
static void
test_switch (void)
{
  static const char *const kinds[] = {
    "video/x-raw,format=I420", "video/x-raw(memory:NVMM),format=NV12", "video/x-raw,format=I420",
    "video/x-raw(memory:Unheard),format=NV12", "video/x-raw,format=I420"
  };
  Run *r = run_new ("appsrc name=s is-live=true format=time ! mloptimizer name=o min-height=100 ! fakesink name=k "
      "async=false");
  g_autoptr (GstElement) source = gst_bin_get_by_name (GST_BIN (r->pipeline), "s");
  guint64 n = 0;

  g_signal_connect (r->element, "decision", G_CALLBACK (on_decision), NULL);
  run_play (r);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    g_autofree char *text = g_strdup_printf ("%s,width=320,height=240,framerate=30/1", kinds[i]);
    g_autoptr (GstCaps) caps = gst_caps_from_string (text);

    g_object_set (source, "caps", caps, NULL);
    for (guint k = 0; k < 5; k++, n++) {
      push_picture (source, n);
      run_until (r, 0.05, NULL, NULL);
    }
    g_assert_cmpint (height_of (r), ==, 240);
  }
  g_assert_cmpuint (run_stat (r, "frames-out"), ==, n);
  run_assert_clean (r, "no video encoder");
  run_free (r);
}

static GstPadProbeReturn
hold_caps (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_CAPS && !g_atomic_int_add ((gint *) data, 1))
    g_usleep (400000);
  return GST_PAD_PROBE_OK;
}

/* A size asked for while the first caps are on their way out: nobody has refused it, and it comes when it is asked again. */
static void
test_early (void)
{
  Run *r = run_new ("videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
      "mloptimizer name=o min-height=100 start-bitrate=1000000 ! "
      "x264enc name=e tune=zerolatency speed-preset=ultrafast ! fakesink async=false");
  g_autoptr (GstElement) filter = gst_bin_get_by_name (GST_BIN (r->element), "filter");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (filter, "sink");
  gint held = 0;
  int small = 180;

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, hold_caps, &held, NULL);
  g_signal_connect (r->element, "decision", G_CALLBACK (on_decision), NULL);
  answer = gst_structure_new ("answer", "width", G_TYPE_INT, 240, "height", G_TYPE_INT, 180, NULL);
  run_play (r);
  for (guint i = 0; i < 100 && !run_until (r, 0.1, has_height, &small); i++)
    g_object_set (r->element, "max-bitrate", 900000 + i * 1000, NULL);
  g_assert_cmpint (height_of (r), ==, 180);
  g_assert_cmpint (g_atomic_int_get (&held), >, 0);
  run_assert_clean (r, NULL);
  g_clear_pointer (&answer, gst_structure_free);
  run_free (r);
}

/* A scaler whose driver is missing: it does not start, and says so. */
static gint tried;

typedef GstElement BrokenScaler;
typedef GstElementClass BrokenScalerClass;
static GType broken_scaler_get_type (void);
G_DEFINE_TYPE (BrokenScaler, broken_scaler, GST_TYPE_ELEMENT);

static GstStaticPadTemplate broken_sink = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-raw(memory:NVMM)"));
static GstStaticPadTemplate broken_src = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-raw(memory:NVMM)"));

static GstStateChangeReturn
broken_scaler_change_state (GstElement * element, GstStateChange transition)
{
  if (transition == GST_STATE_CHANGE_NULL_TO_READY) {
    g_atomic_int_inc (&tried);
    GST_ELEMENT_ERROR (element, LIBRARY, INIT, ("No such card"), (NULL));
    return GST_STATE_CHANGE_FAILURE;
  }
  return GST_ELEMENT_CLASS (broken_scaler_parent_class)->change_state (element, transition);
}

static void
broken_scaler_class_init (BrokenScalerClass * klass)
{
  gst_element_class_set_static_metadata (klass, "broken", "Filter/Converter/Video/Scaler", "does not start", "tests");
  gst_element_class_add_static_pad_template (klass, &broken_sink);
  gst_element_class_add_static_pad_template (klass, &broken_src);
  klass->change_state = broken_scaler_change_state;
}

static void
broken_scaler_init (BrokenScaler * self)
{
  gst_element_add_pad (self, gst_pad_new_from_static_template (&broken_sink, "sink"));
  gst_element_add_pad (self, gst_pad_new_from_static_template (&broken_src, "src"));
}

/* What a download element does, without the card: the same pictures, now said to be in plain memory. */
typedef GstElement PlainMemory;
typedef GstElementClass PlainMemoryClass;
static GType plain_memory_get_type (void);
G_DEFINE_TYPE (PlainMemory, plain_memory, GST_TYPE_ELEMENT);

static GstFlowReturn
plain_memory_chain (GstPad * pad, GstObject * parent, GstBuffer * buffer)
{
  g_autoptr (GstPad) src = gst_element_get_static_pad (GST_ELEMENT (parent), "src");

  return gst_pad_push (src, buffer);
}

static gboolean
plain_memory_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  GstCaps *filter;

  if (GST_QUERY_TYPE (query) == GST_QUERY_ACCEPT_CAPS) {
    gst_query_set_accept_caps_result (query, TRUE);
    return TRUE;
  }
  if (GST_QUERY_TYPE (query) != GST_QUERY_CAPS)
    return gst_pad_query_default (pad, parent, query);
  gst_query_parse_caps (query, &filter);
  if (filter) {
    gst_query_set_caps_result (query, filter);
  } else {
    g_autoptr (GstCaps) any = gst_caps_new_any ();

    gst_query_set_caps_result (query, any);
  }
  return TRUE;
}

static gboolean
plain_memory_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    g_autoptr (GstPad) src = gst_element_get_static_pad (GST_ELEMENT (parent), "src");
    g_autoptr (GstCaps) caps = NULL;
    GstCaps *sent;

    gst_event_parse_caps (event, &sent);
    caps = gst_caps_copy (sent);
    gst_caps_set_features_simple (caps, NULL);
    gst_event_unref (event);
    return gst_pad_push_event (src, gst_event_new_caps (caps));
  }
  return gst_pad_event_default (pad, parent, event);
}

static void
plain_memory_class_init (PlainMemoryClass * klass)
{
  gst_element_class_set_static_metadata (klass, "plain", "Filter/Video", "says that memory is plain", "tests");
}

static void
plain_memory_init (PlainMemory * self)
{
  GstPad *sink = gst_pad_new ("sink", GST_PAD_SINK), *src = gst_pad_new ("src", GST_PAD_SRC);

  gst_pad_set_chain_function (sink, plain_memory_chain);
  gst_pad_set_event_function (sink, plain_memory_event);
  gst_pad_set_query_function (sink, plain_memory_query);
  gst_element_add_pad (self, sink);
  gst_element_add_pad (self, src);
}

/* Pictures keep their size, the stream goes on without an error, and no size is asked for again. */
static void
test_broken (void)
{
  Run *r;
  g_autoptr (GstElement) source = NULL;
  guint64 n;

  g_assert_true (gst_element_register (NULL, "nvvideoconvert", GST_RANK_NONE, broken_scaler_get_type ()));
  g_assert_true (gst_element_register (NULL, "plainmemory", GST_RANK_NONE, plain_memory_get_type ()));
  r = run_new
      ("appsrc name=s is-live=true format=time caps=\"video/x-raw(memory:NVMM),format=NV12,width=320,height=240,"
      "framerate=30/1\" ! mloptimizer name=o min-height=100 start-bitrate=1000000 ! plainmemory ! "
      "x264enc name=e tune=zerolatency speed-preset=ultrafast ! fakesink async=false");
  source = gst_bin_get_by_name (GST_BIN (r->pipeline), "s");
  g_signal_connect (r->element, "decision", G_CALLBACK (on_decision), NULL);
  answer = gst_structure_new ("answer", "width", G_TYPE_INT, 240, "height", G_TYPE_INT, 180, NULL);
  run_play (r);
  for (n = 0; n < 60; n++) {
    push_picture (source, n);
    run_until (r, 0.03, NULL, NULL);
    if (n == 20)
      g_object_set (r->element, "max-bitrate", 900000, NULL);
  }
  g_assert_cmpint (g_atomic_int_get (&tried), ==, 1);
  g_assert_cmpint (height_of (r), ==, 240);
  g_assert_cmpuint (run_stat (r, "frames-out"), ==, n);
  /* What failed is the scaler, and that is what is said. */
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "nvvideoconvert does not start"), ==, 1);
  run_assert_clean (r, "nvvideoconvert does not start");
  g_clear_pointer (&answer, gst_structure_free);
  run_free (r);
}

static void
test_table (void)
{
  static const struct
  {
    const char *caps, *memory;
  } rows[] = {
    {"video/x-raw,format=I420", "memory:SystemMemory"},
    {"video/x-raw(memory:SystemMemory)", "memory:SystemMemory"},
    {"video/x-raw(memory:CUDAMemory)", "memory:CUDAMemory"},
    {"video/x-raw(memory:VAMemory)", "memory:VAMemory"},
    {"video/x-raw(memory:DMABuf)", "memory:DMABuf"},
    {"video/x-raw(memory:D3D11Memory)", "memory:D3D11Memory"},
    {"video/x-raw(memory:NVMM)", "memory:NVMM"},
    {"video/x-raw(memory:Unheard)", NULL},
    {"video/x-raw(memory:GLMemory,meta:GstVideoOverlayComposition)", NULL},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GstCaps) caps = gst_caps_from_string (rows[i].caps);
    g_autoptr (GstCaps) sized = NULL;

    g_assert_cmpstr (gst_mlo_scaler_memory (caps), ==, rows[i].memory);
    if (!rows[i].memory)
      continue;
    /* Its own pictures at the size, others as they come. */
    sized = gst_mlo_scaler_caps (rows[i].memory, 640, 360);
    gst_caps_set_simple (caps, "width", G_TYPE_INT, 640, "height", G_TYPE_INT, 360, NULL);
    g_assert_true (gst_caps_can_intersect (caps, sized));
    gst_caps_set_simple (caps, "width", G_TYPE_INT, 1280, "height", G_TYPE_INT, 720, NULL);
    g_assert_false (gst_caps_can_intersect (caps, sized));
  }
  g_assert_null (gst_mlo_scaler_new ("memory:NVMM", NULL));
  g_assert_null (gst_mlo_scaler_new (NULL, NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/memory/table", test_table);
  g_test_add_func ("/memory/switch", test_switch);
  g_test_add_func ("/memory/early", test_early);
  g_test_add_func ("/memory/gl", test_gl);
  g_test_add_func ("/memory/broken", test_broken);
  return g_test_run ();
}
