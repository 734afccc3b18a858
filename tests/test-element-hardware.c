/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each hardware encoder's row of the table, against a stand-in with its properties, flags and habits; and an encoder
 * that is too slow. */
#include "element-helpers.h"
#include "gstmlopath.h"
#include "mock-encoders.h"

#define LIVE "videotestsrc is-live=true pattern=zone-plate kx2=20 ky2=20 kt=1 ! " \
  "video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! mloptimizer name=o "

static gboolean
played (Run * r, gpointer frames)
{
  return run_stat (r, "frames-encoded") >= *(guint64 *) frames;
}

/* The structure to answer the next decisions with; NULL: they pass. */
static GstStructure *answer;

static GstStructure *
on_decision (GstElement * o, GstStructure * decision, gpointer data)
{
  return answer ? gst_structure_copy (answer) : NULL;
}

static double
bitrate_of (Run * r)
{
  guint bitrate = 0;

  g_object_get (r->element, "bitrate", &bitrate, NULL);
  return bitrate / 1000.0;
}

/* The encoder is found, set up, follows its rate within a row's cost, and takes another preset where it has some. */
static void
test_row (gconstpointer data)
{
  const MockEncoder *mock = data;
  g_autofree char *launch = g_strdup_printf (LIVE "adapt=bitrate+preset start-bitrate=1500000 ! %s name=e ! fakesink",
      mock->factory);
  Run *r = run_new (launch);
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  GstMloEncoder encoder;
  GstMloSpeed speed;
  guint keys;
  guint64 frames = 10, bytes;

  g_assert_true (gst_mlo_encoder_resolve (&encoder, e, NULL, -1));
  g_assert_cmpstr (encoder.info->factory, ==, mock->factory);
  g_assert_cmpint (encoder.unit, ==, mock->unit == 1.0 ? GST_MLO_UNIT_BPS : GST_MLO_UNIT_KBPS);
  g_assert_cmpint (encoder.info->keyframe_on_bitrate, ==, mock->keyframe);
  g_signal_connect (r->element, "decision", G_CALLBACK (on_decision), NULL);
  run_play (r);
  g_assert_true (run_until (r, 10.0, played, &frames));
  /* Its start, and what makes it obey. */
  g_assert_cmpfloat_with_epsilon (mock_encoder_kbps (e), 1500.0, 1.0);
  g_assert_cmpuint (mock_encoder_starts (e), ==, 1);
  keys = mock_encoder_keyframes (e);

  /* Down at once. */
  g_object_set (r->element, "max-bitrate", 800000, NULL);
  run_until (r, 0.5, NULL, NULL);
  g_assert_cmpfloat_with_epsilon (mock_encoder_kbps (e), 800.0, 1.0);
  g_assert_cmpuint (mock_encoder_keyframes (e) - keys, ==, mock->keyframe ? 1 : 0);
  if (encoder.vbv) {
    guint kbit;

    g_object_get (e, encoder.vbv->name, &kbit, NULL);
    g_assert_cmpuint (kbit, ==, 160);
  }
  frames = run_stat (r, "frames-encoded") + 30;
  bytes = run_stat (r, "bytes-encoded");
  g_assert_true (run_until (r, 5.0, played, &frames));
  g_assert_cmpfloat_with_epsilon ((double) (run_stat (r, "bytes-encoded") - bytes) * 8.0 / 1000.0 / 800.0, 1.0, 0.15);

  /* The application's choice of preset, with a changed rate. */
  if (gst_mlo_speed_resolve (&speed, &encoder.info->speed, e)) {
    guint starts = mock_encoder_starts (e);
    int step = speed.faster > 0 ? 1 : -1;
    guint64 in = run_stat (r, "frames-in"), coded = run_stat (r, "frames-encoded");

    answer = gst_structure_new ("answer", "preset-step", G_TYPE_INT, step, NULL);
    keys = mock_encoder_keyframes (e);
    g_object_set (r->element, "max-bitrate", 500000, NULL);
    run_until (r, 0.5, NULL, NULL);
    g_assert_cmpuint (mock_encoder_starts (e) - starts, ==, speed.live ? 0 : 1);
    g_assert_cmpuint (mock_encoder_keyframes (e) - keys, <=, 2);
    {
      GstMloSpeed now;

      g_assert_true (gst_mlo_speed_resolve (&now, &encoder.info->speed, e));
      g_assert_cmpint (now.faster, ==, speed.faster - step);
    }
    /* No frame was lost on the way. */
    g_assert_cmpuint (run_stat (r, "frames-in") - in, <=, run_stat (r, "frames-encoded") - coded + 1);
    g_clear_pointer (&answer, gst_structure_free);
  } else
    g_assert_true (strcmp (mock->factory, "vtenc_h264") == 0 || strcmp (mock->factory, "v4l2h264enc") == 0
        || strcmp (mock->factory, "omxh264enc") == 0);
  g_assert_cmpfloat_with_epsilon (bitrate_of (r), 500.0, 310.0);
  run_assert_clean (r, NULL);
  gst_element_set_state (r->pipeline, GST_STATE_NULL);
  /* What was found is put back. */
  if (speed.spec) {
    GstMloSpeed now;

    g_assert_true (gst_mlo_speed_resolve (&now, &encoder.info->speed, e));
    g_assert_cmpint (now.faster, ==, speed.faster);
  }
  run_free (r);
}

static guint
decisions (Run * r, const char *action)
{
  guint n = 0;

  for (guint i = 0; i < r->messages->len; i++) {
    GstMessage *m = g_ptr_array_index (r->messages, i);

    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ELEMENT && gst_message_has_name (m, "mloptimizer-decision")
        && strcmp (gst_structure_get_string (gst_message_get_structure (m), "action"), action) == 0)
      n++;
  }
  return n;
}

/* The pictures' height now, behind the scaler. */
static int
height_of (Run * r)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (e, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  int height = 0;

  if (caps)
    gst_structure_get_int (gst_caps_get_structure (caps, 0), "height", &height);
  return height;
}

#define SLOW "videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! " \
  "mloptimizer name=o min-height=120 adapt=%s ! x265enc name=e speed-preset=medium ! fakesink"

/* 27 ms of the 33: it keeps up, and nothing is done. Then three times as long: a faster preset, and 30 frames a second
 * again at the same size. */
static void
test_overload_preset (void)
{
  g_autofree char *launch = g_strdup_printf (SLOW, "bitrate+resolution+framerate+preset");
  Run *r = run_new (launch);
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  guint64 coded;
  int preset;

  mock_encoder_hog (e, 0.6);
  run_play (r);
  run_until (r, 2.5, NULL, NULL);
  g_assert_cmpuint (mock_encoder_starts (e), ==, 1);
  g_assert_cmpuint (decisions (r, "preset-faster"), ==, 0);
  mock_encoder_hog (e, 2.0);    /* 54 ms at medium */
  run_until (r, 3.5, NULL, NULL);
  g_assert_cmpuint (decisions (r, "preset-faster"), >=, 1);
  g_assert_cmpuint (mock_encoder_starts (e), <=, 3);
  g_assert_cmpuint (mock_encoder_keyframes (e), ==, mock_encoder_starts (e));
  g_assert_cmpint (height_of (r), ==, 240);
  g_object_get (e, "speed-preset", &preset, NULL);
  g_assert_cmpint (preset, <=, 4);
  coded = run_stat (r, "frames-encoded");
  run_until (r, 2.0, NULL, NULL);
  g_assert_cmpuint (run_stat (r, "frames-encoded") - coded, >=, 52);
  run_assert_clean (r, NULL);
  gst_element_set_state (r->pipeline, GST_STATE_NULL);
  g_object_get (e, "speed-preset", &preset, NULL);
  g_assert_cmpint (preset, ==, 6);
  run_free (r);
}

/* Presets not allowed: smaller pictures; nor sizes: fewer frames. */
static void
test_overload_size (void)
{
  g_autofree char *launch = g_strdup_printf (SLOW, "bitrate+resolution+framerate");
  Run *r = run_new (launch);
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  guint64 coded;

  mock_encoder_hog (e, 1.4);    /* 38 ms at 240 lines, 21 at 180 */
  run_play (r);
  run_until (r, 4.0, NULL, NULL);
  g_assert_cmpuint (decisions (r, "resolution-down"), >=, 1);
  g_assert_cmpuint (decisions (r, "preset-faster"), ==, 0);
  g_assert_cmpint (height_of (r), <, 240);
  coded = run_stat (r, "frames-encoded");
  run_until (r, 2.0, NULL, NULL);
  g_assert_cmpuint (run_stat (r, "frames-encoded") - coded, >=, 52);
  run_assert_clean (r, NULL);
  run_free (r);
}

static void
test_overload_rate (void)
{
  g_autofree char *launch = g_strdup_printf (SLOW, "bitrate+framerate");
  Run *r = run_new (launch);
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");

  mock_encoder_hog (e, 1.8);
  run_play (r);
  run_until (r, 4.0, NULL, NULL);
  g_assert_cmpuint (decisions (r, "fps-down"), >=, 1);
  g_assert_cmpint (height_of (r), ==, 240);
  g_assert_cmpuint (mock_encoder_starts (e), ==, 1);
  run_assert_clean (r, NULL);
  run_free (r);
}

/* More than presets can do: both in one restart, one key frame for both. */
static void
test_overload_both (void)
{
  g_autofree char *launch = g_strdup_printf (SLOW, "bitrate+resolution+framerate+preset");
  Run *r = run_new (launch);
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  int preset;

  mock_encoder_hog (e, 9.0);    /* 243 ms at medium, 58 at ultrafast */
  run_play (r);
  run_until (r, 8.0, NULL, NULL);
  g_object_get (e, "speed-preset", &preset, NULL);
  g_assert_cmpint (preset, ==, 1);
  g_assert_cmpint (height_of (r), <, 240);
  g_assert_cmpuint (mock_encoder_keyframes (e), <=, 1 + decisions (r, "preset-faster") + decisions (r,
          "resolution-down"));
  run_assert_clean (r, NULL);
  run_free (r);
}

/* Slow, but only observed. */
static void
test_overload_observe (void)
{
  g_autofree char *launch = g_strdup_printf (SLOW " ", "bitrate+resolution+framerate+preset");
  Run *r = run_new (launch);
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");

  g_object_set (r->element, "mode", 1, NULL);
  mock_encoder_hog (e, 3.0);
  run_play (r);
  run_until (r, 3.0, NULL, NULL);
  g_assert_cmpuint (mock_encoder_starts (e), ==, 1);
  g_assert_cmpuint (decisions (r, "preset-faster"), ==, 0);
  run_free (r);
}

int
main (int argc, char **argv)
{
  int result;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  mock_encoders_register ();
  for (const MockEncoder * m = mock_encoders (); m->factory; m++) {
    g_autofree char *path = g_strdup_printf ("/hardware/%s", m->factory);

    if (!m->preset)
      g_test_add_data_func (path, m, test_row);
  }
  g_test_add_func ("/hardware/overload-preset", test_overload_preset);
  g_test_add_func ("/hardware/overload-size", test_overload_size);
  g_test_add_func ("/hardware/overload-rate", test_overload_rate);
  g_test_add_func ("/hardware/overload-both", test_overload_both);
  g_test_add_func ("/hardware/overload-observe", test_overload_observe);
  result = g_test_run ();
  return result;
}
