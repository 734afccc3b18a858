/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each software encoder for real: the rate is set, read back, and measured in what comes out. */
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <math.h>
#include <string.h>

#include "gstmlopath.h"
#include "mlo-random.h"

#define W 320
#define H 240
#define FPS 30

typedef struct
{
  const char *launch;           /* the encoder, set for a short run */
  GstMloUnit unit;
  double gain;                  /* what comes out of what is asked: measured */
  double band;                  /* the rate comes within this share of that */
} Case;

static const Case cases[] = {
  {"x264enc tune=zerolatency speed-preset=superfast key-int-max=600", GST_MLO_UNIT_KBPS, 1.0, 0.25},
  {"x265enc tune=zerolatency speed-preset=ultrafast key-int-max=600", GST_MLO_UNIT_KBPS, 1.0, 0.35},
  {"openh264enc complexity=low gop-size=600", GST_MLO_UNIT_BPS, 1.0, 0.35},
  {"vp8enc deadline=1 cpu-used=8 keyframe-max-dist=600", GST_MLO_UNIT_BPS, 1.0, 0.35},
  {"vp9enc deadline=1 cpu-used=8 keyframe-max-dist=600 lag-in-frames=0", GST_MLO_UNIT_BPS, 1.0, 0.35},
  /* Twice what it is told, at any rate and with any buffer: the element learns and corrects that. */
  {"av1enc usage-profile=realtime cpu-used=10 keyframe-max-dist=600 lag-in-frames=0", GST_MLO_UNIT_KBPS, 1.9, 0.4},
};

/* Moving texture: hard enough that no rate here is more than it can use. */
static GstBuffer *
picture (guint n)
{
  static guint8 noise[2 * H][2 * W];
  static gsize once = 0;
  GstBuffer *buffer = gst_buffer_new_allocate (NULL, W * H * 3 / 2, NULL);
  GstMapInfo map;

  if (g_once_init_enter (&once)) {
    MloRandom random;

    mlo_random_seed (&random, 1);
    for (int y = 0; y < 2 * H; y++) {
      for (int x = 0; x < 2 * W; x++)
        noise[y][x] = (guint8) (128 + 50 * sin (x * 0.11) * cos (y * 0.07) + mlo_random_range (&random, -35.0, 35.0));
    }
    g_once_init_leave (&once, 1);
  }
  gst_buffer_map (buffer, &map, GST_MAP_WRITE);
  memset (map.data + W * H, 128, W * H / 2);
  for (int y = 0; y < H; y++) {
    int dx = (int) ((n * (2 + (guint) y / 60)) % W);

    memcpy (map.data + y * W, &noise[(y + (int) n) % H][dx], W);
  }
  gst_buffer_unmap (buffer, &map);
  GST_BUFFER_PTS (buffer) = gst_util_uint64_scale (n, GST_SECOND, FPS);
  GST_BUFFER_DURATION (buffer) = GST_SECOND / FPS;
  return buffer;
}

typedef struct
{
  double kbps;
  guint frames, keyframes;
} Output;

/* Encodes @count pictures, each @step-th of 30 a second; what came out, by the frames put in. */
static Output
run (GstHarness * h, guint * n, guint count, guint step)
{
  Output out = { 0 };
  gsize bytes = 0;
  GstBuffer *buffer;

  for (guint i = 0; i < count; i++, *n += step) {
    g_assert_cmpint (gst_harness_push (h, picture (*n)), ==, GST_FLOW_OK);
    while ((buffer = gst_harness_try_pull (h))) {
      bytes += gst_buffer_get_size (buffer);
      out.frames++;
      out.keyframes += GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT) ? 0 : 1;
      gst_buffer_unref (buffer);
    }
  }
  out.kbps = (double) bytes *8.0 * FPS / (count * step) / 1000.0;
  return out;
}

static void
test_encoder (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *name = g_strndup (c->launch, strcspn (c->launch, " "));
  static const double targets[] = { 1500.0, 500.0, 1200.0 };
  GstMloEncoder e;
  GstElement *element;
  GstHarness *h;
  guint n = 0;

  if (!gst_registry_check_feature_version (gst_registry_get (), name, 1, 0, 0)) {
    g_test_skip ("not installed");
    return;
  }
  element = gst_parse_launch (c->launch, NULL);
  g_assert_true (gst_mlo_encoder_resolve (&e, element, NULL, -1));
  g_assert_cmpint (e.unit, ==, c->unit);
  g_assert_null (gst_mlo_encoder_prepare (&e, element));
  g_assert_true (gst_mlo_encoder_set_kbps (&e, element, targets[0]));
  g_assert_cmpfloat (fabs (gst_mlo_encoder_get_kbps (&e, element) - targets[0]), <, 1.0);
  h = gst_harness_new_with_element (element, "sink", "src");
  gst_harness_set_src_caps_str (h, "video/x-raw,format=I420,width=320,height=240,framerate=30/1,"
      "interlace-mode=progressive,pixel-aspect-ratio=1/1,colorimetry=bt601");

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++) {
    Output settle, out;

    g_assert_true (gst_mlo_encoder_set_kbps (&e, element, targets[i]));
    gst_mlo_encoder_set_vbv (&e, element, e.info->vbv_ms, targets[i]);
    g_assert_cmpfloat (fabs (gst_mlo_encoder_get_kbps (&e, element) - targets[i]), <, 1.0);
    settle = run (h, &n, 30, 1);
    out = run (h, &n, 60, 1);
    g_test_message ("%s: asked %.0f, first second %.0f, then %.0f kbit/s, %u key frames", name, targets[i],
        settle.kbps, out.kbps, i > 0 ? settle.keyframes + out.keyframes : 0);
    g_assert_cmpfloat (fabs (out.kbps / targets[i] - c->gain), <, c->band * c->gain);
    if (i > 0 && !e.info->keyframe_on_bitrate)
      g_assert_cmpuint (settle.keyframes + out.keyframes, ==, 0);
  }

  /* Every other frame left out, caps unchanged: those that count frames need twice the value. */
  {
    double factor = e.info->counts_frames ? 2.0 : 1.0;
    Output out;

    g_assert_true (gst_mlo_encoder_set_kbps (&e, element, 800.0 * factor));
    gst_mlo_encoder_set_vbv (&e, element, e.info->vbv_ms / factor, 800.0 * factor);
    run (h, &n, 20, 2);
    out = run (h, &n, 40, 2);
    g_test_message ("%s: at half the frames asked 800, %.0f kbit/s", name, out.kbps);
    g_assert_cmpfloat (fabs (out.kbps / 800.0 - c->gain), <, 1.2 * c->band * c->gain);
  }
  gst_harness_teardown (h);
  gst_object_unref (element);
}

/* vp8enc keeps whole kbit/s: what is lost of a rate is not a refusal. */
static void
test_rounds (void)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("vp8enc", NULL));
  GstMloEncoder e;

  g_assert_true (gst_mlo_encoder_resolve (&e, element, NULL, -1));
  g_assert_true (gst_mlo_encoder_set_kbps (&e, element, 69.767));
  g_assert_cmpfloat (gst_mlo_encoder_get_kbps (&e, element), >=, 69.0);
  g_assert_cmpfloat (gst_mlo_encoder_least_kbps (&e), ==, 0.0);
}

/* Two settings make x264enc deaf; both are repaired, the user's other options stay. */
static void
test_repair (void)
{
  g_autoptr (GstElement) element =
      gst_parse_launch ("x264enc vbv-buf-capacity=0 option-string=\"bframes=0:nal-hrd=cbr:scenecut=0\"", NULL);
  g_autofree char *wrong = NULL, *options = NULL;
  GstMloEncoder e;
  guint vbv;

  gst_object_ref_sink (element);
  g_assert_true (gst_mlo_encoder_resolve (&e, element, NULL, -1));
  wrong = gst_mlo_encoder_prepare (&e, element);
  g_assert_nonnull (wrong);
  g_assert_nonnull (strstr (wrong, "nal-hrd=cbr"));
  g_assert_nonnull (strstr (wrong, "vbv-buf-capacity=0"));
  g_object_get (element, "option-string", &options, "vbv-buf-capacity", &vbv, NULL);
  g_assert_cmpstr (options, ==, "bframes=0:scenecut=0");
  g_assert_cmpuint (vbv, ==, 200);
}

/* What the user chose stays. */
static void
test_user_settings (void)
{
  g_autoptr (GstElement) element = gst_parse_launch ("vp8enc buffer-size=777 end-usage=cbr", NULL);
  GstMloEncoder e;
  int size, initial, usage;

  gst_object_ref_sink (element);
  g_assert_true (gst_mlo_encoder_resolve (&e, element, NULL, -1));
  g_assert_null (gst_mlo_encoder_prepare (&e, element));
  g_object_get (element, "buffer-size", &size, "buffer-initial-size", &initial, "end-usage", &usage, NULL);
  g_assert_cmpint (size, ==, 777);
  g_assert_cmpint (initial, ==, 50);
  g_assert_cmpint (usage, ==, 1);
}

static void
test_resolve (void)
{
  g_autoptr (GstElement) identity = gst_object_ref_sink (gst_element_factory_make ("identity", NULL));
  g_autoptr (GstElement) queue = gst_object_ref_sink (gst_element_factory_make ("queue", NULL));
  GstMloEncoder e;

  g_assert_false (gst_mlo_encoder_resolve (&e, identity, NULL, -1));
  /* Any numeric property, if the user says so. */
  g_assert_true (gst_mlo_encoder_resolve (&e, queue, "max-size-bytes", GST_MLO_UNIT_KBPS));
  g_assert_true (gst_mlo_encoder_set_kbps (&e, queue, 1234.0));
  g_assert_cmpfloat (gst_mlo_encoder_get_kbps (&e, queue), ==, 1234.0);
  g_assert_false (gst_mlo_encoder_resolve (&e, queue, "silent", -1));
  g_assert_false (gst_mlo_encoder_resolve (&e, queue, "no-such-property", -1));
}

/* Stand-ins for encoders that are not here, with the properties that theirs have. */
typedef struct
{
  GstElement parent;
  GstStructure *controls;
  guint bitrate, cpb;
  gint64 rate;
} Fake;

typedef GstElementClass FakeClass;

enum
{
  FAKE_0, FAKE_CONTROLS, FAKE_BITRATE, FAKE_CPB, FAKE_RATE, FAKE_LOCKED
};

static void
fake_set (GObject * o, guint id, const GValue * value, GParamSpec * spec)
{
  Fake *f = (Fake *) o;

  if (id == FAKE_CONTROLS) {
    g_clear_pointer (&f->controls, gst_structure_free);
    f->controls = g_value_dup_boxed (value);
  } else if (id == FAKE_BITRATE)
    f->bitrate = g_value_get_uint (value);
  else if (id == FAKE_CPB)
    f->cpb = g_value_get_uint (value);
  else if (id == FAKE_RATE)
    f->rate = g_value_get_int64 (value);
}

static void
fake_get (GObject * o, guint id, GValue * value, GParamSpec * spec)
{
  Fake *f = (Fake *) o;

  if (id == FAKE_CONTROLS)
    g_value_set_boxed (value, f->controls);
  else if (id == FAKE_BITRATE)
    g_value_set_uint (value, f->bitrate);
  else if (id == FAKE_CPB)
    g_value_set_uint (value, f->cpb);
  else if (id == FAKE_RATE)
    g_value_set_int64 (value, f->rate);
  else
    g_value_set_int (value, 777);       /* takes no other value */
}

static void
fake_finalize (GObject * o)
{
  g_clear_pointer (&((Fake *) o)->controls, gst_structure_free);
  G_OBJECT_CLASS (g_type_class_peek (GST_TYPE_ELEMENT))->finalize (o);
}

static void
fake_class_init (gpointer klass, gpointer kind)
{
  GObjectClass *k = klass;

  k->set_property = fake_set;
  k->get_property = fake_get;
  k->finalize = fake_finalize;
  gst_element_class_set_static_metadata (klass, "Fake", "Codec/Encoder/Video", "Test", "Test");
  if (GPOINTER_TO_INT (kind) == 0) {
    g_object_class_install_property (k, FAKE_CONTROLS, g_param_spec_boxed ("extra-controls", "c", "Extra v4l2 controls",
            GST_TYPE_STRUCTURE, G_PARAM_READWRITE));
  } else if (GPOINTER_TO_INT (kind) == 1) {
    g_object_class_install_property (k, FAKE_BITRATE, g_param_spec_uint ("bitrate", "b",
            "The desired bitrate expressed in kbps (0: auto-calculate)", 0, 2048000, 0, G_PARAM_READWRITE));
    g_object_class_install_property (k, FAKE_CPB, g_param_spec_uint ("cpb-size", "c", "In Kb", 0, 2048000, 0,
            G_PARAM_READWRITE));
  } else if (GPOINTER_TO_INT (kind) == 2) {
    g_object_class_install_property (k, FAKE_RATE, g_param_spec_int64 ("target-bitrate", "r",
            "Target bitrate in bits per second", 0, G_MAXINT64, 0, G_PARAM_READWRITE));
  } else {
    g_object_class_install_property (k, FAKE_LOCKED, g_param_spec_int ("bitrate", "r", "Rate in kbit/s", 0, 10000, 777,
            G_PARAM_READWRITE));
  }
}

static GstElement *
fake_new (const char *factory, int kind)
{
  g_autofree char *name = g_strdup_printf ("Fake%d", kind);
  GTypeInfo info = {.class_size = sizeof (FakeClass),.class_init = fake_class_init,
    .class_data = GINT_TO_POINTER (kind),.instance_size = sizeof (Fake)
  };
  GType type = g_type_register_static (GST_TYPE_ELEMENT, name, &info, 0);

  g_assert_true (gst_element_register (NULL, factory, GST_RANK_NONE, type));
  return gst_object_ref_sink (gst_element_factory_make (factory, NULL));
}

static void
test_table (void)
{
  g_autoptr (GstElement) v4l2 = fake_new ("v4l2h264enc", 0);
  g_autoptr (GstElement) va = fake_new ("vah264enc", 1);
  g_autoptr (GstElement) unknown = fake_new ("someenc", 2);
  g_autoptr (GstElement) locked = fake_new ("lockedenc", 3);
  g_autoptr (GstStructure) controls = gst_structure_from_string ("controls,h264_profile=4;", NULL);
  GstMloEncoder e;
  guint value;
  int rate;

  /* Its other controls stay. */
  g_object_set (v4l2, "extra-controls", controls, NULL);
  g_assert_true (gst_mlo_encoder_resolve (&e, v4l2, NULL, -1));
  g_assert_cmpfloat (gst_mlo_encoder_get_kbps (&e, v4l2), ==, 0.0);
  g_assert_true (gst_mlo_encoder_set_kbps (&e, v4l2, 1234.5));
  g_assert_cmpfloat (gst_mlo_encoder_get_kbps (&e, v4l2), ==, 1234.5);
  g_assert_true (gst_structure_get_int (((Fake *) v4l2)->controls, "video_bitrate", &rate));
  g_assert_cmpint (rate, ==, 1234500);
  g_assert_true (gst_structure_has_field (((Fake *) v4l2)->controls, "h264_profile"));
  gst_mlo_encoder_set_vbv (&e, v4l2, 200.0, 1000.0);

  g_assert_true (gst_mlo_encoder_resolve (&e, va, NULL, -1));
  g_assert_cmpint (e.unit, ==, GST_MLO_UNIT_KBPS);
  g_assert_true (e.info->keyframe_on_bitrate);
  g_assert_true (gst_mlo_encoder_set_kbps (&e, va, 3000.0));
  gst_mlo_encoder_set_vbv (&e, va, 200.0, 3000.0);
  g_object_get (va, "cpb-size", &value, NULL);
  g_assert_cmpuint (value, ==, 600);
  /* More than the property takes: its greatest value. */
  g_assert_true (gst_mlo_encoder_set_kbps (&e, va, 1e9));
  g_assert_cmpfloat (gst_mlo_encoder_get_kbps (&e, va), ==, 2048000.0);

  g_assert_true (gst_mlo_encoder_resolve (&e, unknown, NULL, -1));
  g_assert_null (e.info->factory);
  g_assert_cmpint (e.unit, ==, GST_MLO_UNIT_BPS);
  g_assert_true (gst_mlo_encoder_set_kbps (&e, unknown, 3000.0));
  g_assert_cmpint (((Fake *) unknown)->rate, ==, 3000000);

  /* One that stores nothing is found out by reading back. */
  g_assert_true (gst_mlo_encoder_resolve (&e, locked, NULL, -1));
  g_assert_false (gst_mlo_encoder_set_kbps (&e, locked, 3000.0));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/encoder/resolve", test_resolve);
  g_test_add_func ("/encoder/table", test_table);
  g_test_add_func ("/encoder/repair", test_repair);
  g_test_add_func ("/encoder/rounds", test_rounds);
  g_test_add_func ("/encoder/user-settings", test_user_settings);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/encoder/%.*s", (int) strcspn (cases[i].launch, " "), cases[i].launch);

    g_test_add_data_func (path, &cases[i], test_encoder);
  }
  return g_test_run ();
}
