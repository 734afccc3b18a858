/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each hardware encoder's row of the table, against a stand-in with its properties, flags and habits; and an encoder
 * that is too slow. */
#include "element-helpers.h"
#include "gstmlopath.h"
#include "mock-encoders.h"

#define LIVE "videotestsrc is-live=true pattern=zone-plate kx2=20 ky2=20 kt=1 ! " \
  "video/x-raw,format=I420,width=160,height=120,framerate=100/1 ! mloptimizer name=o "

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

/* Until @frames more came out of the encoder. */
static void
wait_frames (Run * r, guint64 frames)
{
  frames += run_stat (r, "frames-encoded");
  g_assert_true (run_until (r, 30.0, played, &frames));
}

typedef struct
{
  GstElement *encoder;
  double kbps;
} Wanted;

static gboolean
has_kbps (Run * r, gpointer data)
{
  Wanted *w = data;

  return ABS (mock_encoder_kbps (w->encoder) - w->kbps) < 1.0;
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
  Wanted wanted = { e, 1500.0 };
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
  g_assert_true (run_until (r, 20.0, played, &frames));
  /* Its start, and what makes it obey. */
  g_assert_true (run_until (r, 20.0, has_kbps, &wanted));
  g_assert_cmpuint (mock_encoder_starts (e), ==, 1);
  keys = mock_encoder_keyframes (e);

  /* Down at once. */
  g_object_set (r->element, "max-bitrate", 800000, NULL);
  wanted.kbps = 800.0;
  g_assert_true (run_until (r, 20.0, has_kbps, &wanted));
  wait_frames (r, 10);
  g_assert_cmpuint (mock_encoder_keyframes (e) - keys, ==, mock->keyframe ? 1 : 0);
  if (encoder.vbv) {
    guint kbit;

    g_object_get (e, encoder.vbv->name, &kbit, NULL);
    g_assert_cmpuint (kbit, ==, 160);
  }
  /* By the frames that came out: 100 a second. */
  frames = run_stat (r, "frames-encoded");
  bytes = run_stat (r, "bytes-encoded");
  wait_frames (r, 50);
  bytes = run_stat (r, "bytes-encoded") - bytes;
  frames = run_stat (r, "frames-encoded") - frames;
  g_assert_cmpfloat_with_epsilon ((double) bytes * 8.0 / 1000.0 / ((double) frames / 100.0) / 800.0, 1.0, 0.15);

  /* The application's choice of preset, with a changed rate. */
  if (gst_mlo_speed_resolve (&speed, &encoder.info->speed, e)) {
    guint starts = mock_encoder_starts (e);
    int step = speed.faster > 0 ? 1 : -1;
    guint64 in = run_stat (r, "frames-in"), coded = run_stat (r, "frames-encoded");

    answer = gst_structure_new ("answer", "preset-step", G_TYPE_INT, step, NULL);
    keys = mock_encoder_keyframes (e);
    g_object_set (r->element, "max-bitrate", 500000, NULL);
    wanted.kbps = 500.0;
    g_assert_true (run_until (r, 20.0, has_kbps, &wanted));
    wait_frames (r, 10);
    g_assert_cmpuint (mock_encoder_starts (e) - starts, ==, speed.live ? 0 : 1);
    g_assert_cmpuint (mock_encoder_keyframes (e) - keys, <=, 2);
    {
      GstMloSpeed now;

      g_assert_true (gst_mlo_speed_resolve (&now, &encoder.info->speed, e));
      g_assert_cmpint (now.faster, ==, speed.faster - step);
    }
    /* No frame was lost on the way; the counts are not read at one time. */
    g_assert_cmpuint (run_stat (r, "frames-in") - in, <=, run_stat (r, "frames-encoded") - coded + 3);
    g_clear_pointer (&answer, gst_structure_free);
  } else
    g_assert_true (strcmp (mock->factory, "vtenc_h264") == 0 || strcmp (mock->factory, "v4l2h264enc") == 0
        || strcmp (mock->factory, "omxh264enc") == 0);
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

/* What a frame takes leaves room in the 33 ms between two at full rate. */
static gboolean
keeps_up (Run * r, gpointer encoder)
{
  return mock_encoder_busy_ms (encoder) < 30.0;
}

typedef struct
{
  Run *run;
  GstElement *encoder;
} Slow;

static Slow
slow_new (const char *adapt, double hog)
{
  g_autofree char *launch = g_strdup_printf (SLOW, adapt);
  Slow s;

  s.run = run_new (launch);
  s.encoder = gst_bin_get_by_name (GST_BIN (s.run->pipeline), "e");
  mock_encoder_hog (s.encoder, hog);
  run_play (s.run);
  return s;
}

static void
slow_free (Slow * s)
{
  run_assert_clean (s->run, NULL);
  gst_object_unref (s->encoder);
  run_free (s->run);
}

/* 8 ms of the 33: it keeps up, and nothing is done. Then 54 ms: a faster preset, and it keeps up again at the same size
 * and rate; in the end the user's preset is back. */
static void
test_overload_preset (void)
{
  Slow s = slow_new ("bitrate+resolution+framerate+preset", 0.3);
  int preset;

  run_until (s.run, 1.5, NULL, NULL);
  g_assert_cmpuint (mock_encoder_starts (s.encoder), ==, 1);
  g_assert_cmpuint (decisions (s.run, "preset-faster"), ==, 0);
  mock_encoder_hog (s.encoder, 2.0);
  g_assert_false (keeps_up (s.run, s.encoder));
  g_assert_true (run_until (s.run, 20.0, keeps_up, s.encoder));
  run_until (s.run, 0.3, NULL, NULL);
  g_assert_cmpuint (decisions (s.run, "preset-faster"), >=, 1);
  g_assert_cmpuint (mock_encoder_starts (s.encoder), ==, 1 + decisions (s.run, "preset-faster"));
  g_assert_cmpuint (mock_encoder_keyframes (s.encoder), ==, mock_encoder_starts (s.encoder));
  g_assert_cmpint (height_of (s.run), ==, 240);
  g_assert_cmpuint (decisions (s.run, "fps-down"), ==, 0);
  gst_element_set_state (s.run->pipeline, GST_STATE_NULL);
  g_object_get (s.encoder, "speed-preset", &preset, NULL);
  g_assert_cmpint (preset, ==, 6);
  slow_free (&s);
}

static gboolean
has_decision (Run * r, gpointer action)
{
  return decisions (r, action) > 0;
}

/* Presets not allowed: smaller pictures. 38 ms at 240 lines, 21 at 180. */
static void
test_overload_size (void)
{
  Slow s = slow_new ("bitrate+resolution+framerate", 1.4);

  g_assert_true (run_until (s.run, 20.0, has_decision, (gpointer) "resolution-down"));
  g_assert_true (run_until (s.run, 20.0, keeps_up, s.encoder));
  g_assert_cmpuint (decisions (s.run, "preset-faster"), ==, 0);
  g_assert_cmpint (height_of (s.run), ==, 180);
  g_assert_cmpuint (mock_encoder_starts (s.encoder), ==, 1);
  slow_free (&s);
}

/* Nor sizes: fewer frames. */
static void
test_overload_rate (void)
{
  Slow s = slow_new ("bitrate+framerate", 1.8);

  g_assert_true (run_until (s.run, 20.0, has_decision, (gpointer) "fps-down"));
  g_assert_cmpint (height_of (s.run), ==, 240);
  g_assert_cmpuint (mock_encoder_starts (s.encoder), ==, 1);
  slow_free (&s);
}

/* More than presets can do, 243 ms at medium and 58 at ultrafast: the size with the preset, one restart for both. */
static void
test_overload_both (void)
{
  Slow s = slow_new ("bitrate+resolution+framerate+preset", 9.0);
  int preset = 0;

  while (preset != 1 || height_of (s.run) == 240) {
    g_object_get (s.encoder, "speed-preset", &preset, NULL);
    g_assert_false (run_until (s.run, 0.1, run_ended, NULL));
  }
  run_until (s.run, 0.5, NULL, NULL);
  g_assert_cmpuint (mock_encoder_keyframes (s.encoder), <=, 1 + decisions (s.run, "preset-faster")
      + decisions (s.run, "resolution-down"));
  slow_free (&s);
}

/* Likewise behind a queue that is full: the size is on its way for longer than a frame takes, and still it is one restart
 * with one key frame for both. Key frames that it took, or 0 where the size and the preset did not come as one. */
static guint
overload_queue (void)
{
  Slow s = { run_new ("videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
        "mloptimizer name=o min-height=120 adapt=bitrate+resolution+framerate+preset ! "
        "queue max-size-buffers=2 max-size-time=0 max-size-bytes=0 ! x265enc name=e speed-preset=medium ! fakesink")
  };
  int preset = 0;
  guint keyframes;

  s.encoder = gst_bin_get_by_name (GST_BIN (s.run->pipeline), "e");
  mock_encoder_hog (s.encoder, 6.0);
  run_play (s.run);
  while (preset != 1 || height_of (s.run) == 240) {
    g_object_get (s.encoder, "speed-preset", &preset, NULL);
    g_assert_false (run_until (s.run, 0.1, run_ended, NULL));
  }
  run_until (s.run, 0.5, NULL, NULL);
  keyframes = mock_encoder_keyframes (s.encoder) - 1;
  g_test_message ("%u key frames, %u starts, %u faster", keyframes, mock_encoder_starts (s.encoder),
      decisions (s.run, "preset-faster"));
  if (decisions (s.run, "preset-faster") != 1)
    keyframes = 0;
  slow_free (&s);
  return keyframes;
}

static void
test_overload_queue (void)
{
  guint keyframes = 0;

  /* On a machine that is busy the wait may be too short once. */
  for (guint i = 0; i < 3 && keyframes == 0; i++)
    keyframes = overload_queue ();
  g_assert_cmpuint (keyframes, ==, 1);
}

/* Slow, but only observed. */
static void
test_overload_observe (void)
{
  Slow s = slow_new ("bitrate+resolution+framerate+preset", 0.3);

  g_object_set (s.run->element, "mode", 1, NULL);
  mock_encoder_hog (s.encoder, 3.0);
  run_until (s.run, 2.5, NULL, NULL);
  g_assert_cmpuint (mock_encoder_starts (s.encoder), ==, 1);
  g_assert_cmpuint (decisions (s.run, "preset-faster") + decisions (s.run, "resolution-down"), ==, 0);
  slow_free (&s);
}

int
main (int argc, char **argv)
{
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
  g_test_add_func ("/hardware/overload-queue", test_overload_queue);
  g_test_add_func ("/hardware/overload-observe", test_overload_observe);
  return g_test_run ();
}
