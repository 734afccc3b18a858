/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Presets switched while streaming, with the software encoders for real; and the restart that some need for it, with
 * everything else that may happen to a pipeline at the same time. */
#include "element-helpers.h"
#include "gstmloencoder.h"
#include "gstmlorestart.h"
#include "mlo-random.h"

typedef struct
{
  const char *encoder;
  const char *property;
  gboolean live;
  gboolean holds;               /* frames, so that they come out late */
} Case;

static const Case cases[] = {
  {"x264enc tune=zerolatency speed-preset=veryfast key-int-max=600", "speed-preset", FALSE, FALSE},
  {"x264enc speed-preset=veryfast key-int-max=600", "speed-preset", FALSE, TRUE},
  {"x265enc tune=zerolatency speed-preset=superfast key-int-max=600", "speed-preset", FALSE, FALSE},
  {"vp8enc deadline=1 cpu-used=4 keyframe-max-dist=600", "cpu-used", TRUE, FALSE},
  {"vp9enc deadline=1 cpu-used=8 keyframe-max-dist=600 lag-in-frames=0", "cpu-used", TRUE, FALSE},
  {"av1enc usage-profile=realtime cpu-used=8 keyframe-max-dist=600 lag-in-frames=0", "cpu-used", TRUE, FALSE},
};

static GstStructure *answer;

static GstStructure *
on_decision (GstElement * o, GstStructure * decision, gpointer data)
{
  return answer ? gst_structure_copy (answer) : NULL;
}

/* At the encoder's src pad. */
typedef struct
{
  gint frames, keys;
  gint64 last_us, gap_us;
} Seen;

static GstPadProbeReturn
see (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Seen *s = data;
  gint64 now_us = g_get_monotonic_time ();

  g_atomic_int_inc (&s->frames);
  if (!GST_BUFFER_FLAG_IS_SET (GST_PAD_PROBE_INFO_BUFFER (info), GST_BUFFER_FLAG_DELTA_UNIT))
    g_atomic_int_inc (&s->keys);
  if (s->last_us)
    s->gap_us = MAX (s->gap_us, now_us - s->last_us);
  s->last_us = now_us;
  return GST_PAD_PROBE_OK;
}

static gint64
value_of (GstElement * e, const char *name)
{
  GValue value = G_VALUE_INIT, number = G_VALUE_INIT;
  gint64 result;

  g_value_init (&number, G_TYPE_INT64);
  g_object_get_property (G_OBJECT (e), name, &value);
  if (G_VALUE_HOLDS_ENUM (&value))
    g_value_set_int64 (&number, g_value_get_enum (&value));
  else
    g_assert_true (g_value_transform (&value, &number));
  result = g_value_get_int64 (&number);
  g_value_unset (&value);
  return result;
}

static gboolean
coded (Run * r, gpointer frames)
{
  return run_stat (r, "frames-encoded") >= *(guint64 *) frames;
}

/* Until @frames more came out of the encoder. */
static void
wait_frames (Run * r, guint64 frames)
{
  frames += run_stat (r, "frames-encoded");
  g_assert_true (run_until (r, 30.0, coded, &frames));
}

typedef struct
{
  GstElement *encoder;
  const char *property;
  gint64 value;
  gboolean same;
} Property;

static gboolean
has_value (Run * r, gpointer data)
{
  Property *p = data;

  return (value_of (p->encoder, p->property) == p->value) == p->same;
}

#define SOURCE "videotestsrc is-live=true pattern=ball ! " \
  "video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! " \
  "mloptimizer name=o min-height=100 adapt=bitrate+resolution+preset start-bitrate=1000000 ! %s ! %s name=e ! fakesink"

/* Every frame comes out; a restart makes one key frame, a live change none; with a size it is one restart for both. */
static void
test_switch (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *name = g_strndup (c->encoder, strcspn (c->encoder, " "));
  g_autofree char *launch = NULL;
  g_autoptr (GstElement) e = NULL;
  g_autoptr (GstPad) src = NULL;
  Seen seen = { 0 };
  guint64 frames = c->holds ? 5 : 20;
  gint64 own, now;
  Property other;
  gint keys;
  Run *r;

  if (!gst_registry_check_feature_version (gst_registry_get (), name, 1, 0, 0)) {
    g_test_skip ("not installed");
    return;
  }
  /* Without and with another thread before the encoder. */
  launch = g_strdup_printf (SOURCE, c->live ? "identity" : "queue max-size-buffers=1", c->encoder);
  r = run_new (launch);
  e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  src = gst_element_get_static_pad (e, "src");
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_BUFFER, see, &seen, NULL);
  own = value_of (e, c->property);
  other = (Property) {
  e, c->property, own, FALSE};
  g_signal_connect (r->element, "decision", G_CALLBACK (on_decision), NULL);
  run_play (r);
  g_assert_true (run_until (r, 20.0, coded, &frames));
  keys = g_atomic_int_get (&seen.keys);

  answer = gst_structure_new ("answer", "preset-step", G_TYPE_INT, 1, NULL);
  seen.gap_us = 0;
  g_object_set (r->element, "max-bitrate", 900000, NULL);
  g_assert_true (run_until (r, 30.0, has_value, &other));
  now = value_of (e, c->property);
  wait_frames (r, 8);
  g_test_message ("%s: %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ", greatest gap %.1f ms, %d key frames", name, own,
      now, (double) seen.gap_us / 1000.0, seen.keys - keys);
  if (!c->holds)
    g_assert_cmpint (g_atomic_int_get (&seen.keys) - keys, ==, c->live ? 0 : 1);

  /* Back, and another size with it. */
  g_clear_pointer (&answer, gst_structure_free);
  answer = gst_structure_new ("answer", "preset-step", G_TYPE_INT, 0, "width", G_TYPE_INT, 240, "height", G_TYPE_INT,
      180, NULL);
  keys = g_atomic_int_get (&seen.keys);
  g_object_set (r->element, "max-bitrate", 800000, NULL);
  other.same = TRUE;
  g_assert_true (run_until (r, 30.0, has_value, &other));
  wait_frames (r, 8);
  if (!c->holds)
    g_assert_cmpint (g_atomic_int_get (&seen.keys) - keys, ==, 1);
  g_clear_pointer (&answer, gst_structure_free);
  gst_element_send_event (r->pipeline, gst_event_new_eos ());
  g_assert_true (run_until (r, 30.0, run_ended, NULL));
  run_assert_clean (r, NULL);
  /* vpx may leave one out by itself under cbr. */
  g_assert_cmpuint (g_atomic_int_get (&seen.frames) + (c->live ? 2 : 0), >=, run_stat (r, "frames-in"));
  g_assert_cmpuint (g_atomic_int_get (&seen.frames), <=, run_stat (r, "frames-in"));
  run_free (r);
}

/* --- with everything at once --- */

typedef struct
{
  Run *run;
  GstElement *encoder;
  gint quit, done, not_now, failed;     /* atomic */
} Switcher;

static gboolean
set_speed (GstElement * encoder, gboolean back, gpointer step)
{
  g_object_set (encoder, "speed-preset", back ? 2 : *(int *) step, NULL);
  return TRUE;
}

static gpointer
switch_for_ever (gpointer data)
{
  Switcher *s = data;
  int preset = 1;

  while (!g_atomic_int_get (&s->quit)) {
    g_autoptr (GstPad) sink = gst_element_get_static_pad (s->encoder, "sink");
    GstMloRestart *restart = gst_mlo_restart_begin (s->encoder, sink, preset == 2);

    if (!restart) {
      g_usleep (1000);
      continue;
    }
    if (preset == 2)
      gst_mlo_restart_at_frame (restart);
    switch (gst_mlo_restart_finish (restart, 50, TRUE, set_speed, &preset)) {
      case GST_MLO_RESTART_DONE:
        g_atomic_int_inc (&s->done);
        break;
      case GST_MLO_RESTART_NOT_NOW:
        g_atomic_int_inc (&s->not_now);
        break;
      default:
        g_atomic_int_inc (&s->failed);
        break;
    }
    preset = 3 - preset;
    g_usleep (2000);
  }
  return NULL;
}

static Switcher *
switcher_new (const char *launch)
{
  Switcher *s = g_new0 (Switcher, 1);

  s->run = run_new (launch);
  s->encoder = gst_bin_get_by_name (GST_BIN (s->run->pipeline), "e");
  return s;
}

static void
switcher_free (Switcher * s)
{
  gst_object_unref (s->encoder);
  run_free (s->run);
  g_free (s);
}

#define SWITCHED "videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=100/1 ! " \
  "mloptimizer name=o mode=observe ! queue ! x264enc name=e tune=zerolatency speed-preset=superfast ! h264parse ! "

/* State changes of any kind, while the encoder is restarted as often as it can be. */
static void
test_states (void)
{
  static const GstState states[] = { GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_READY, GST_STATE_NULL };
  Switcher *s = switcher_new (SWITCHED "fakesink async=false");
  GThread *thread = g_thread_new ("switch", switch_for_ever, s);
  MloRandom random;

  mlo_random_seed (&random, 3);
  for (guint i = 0; i < 150; i++) {
    guint which = (guint) mlo_random_below (&random, 6);

    g_assert_cmpint (gst_element_set_state (s->run->pipeline, states[which >= G_N_ELEMENTS (states) ? 0 : which]), !=,
        GST_STATE_CHANGE_FAILURE);
    run_until (s->run, mlo_random_range (&random, 0.0, 0.06), NULL, NULL);
  }
  run_play (s->run);
  run_until (s->run, 0.5, NULL, NULL);
  g_atomic_int_set (&s->quit, TRUE);
  g_thread_join (thread);
  g_test_message ("%d restarts, %d not then", s->done, s->not_now);
  g_assert_cmpint (s->done, >, 5);
  g_assert_cmpint (s->failed, ==, 0);
  run_assert_clean (s->run, NULL);
  /* It plays on. */
  {
    guint64 frames = run_stat (s->run, "frames-encoded") + 20;

    g_assert_true (run_until (s->run, 5.0, coded, &frames));
  }
  switcher_free (s);
}

/* Flushing seeks through the encoder while it restarts, a source that is not live. */
static void
test_flush (void)
{
  Switcher *s = switcher_new ("videotestsrc ! video/x-raw,format=I420,width=160,height=120,framerate=100/1 ! "
      "mloptimizer name=o mode=observe ! queue ! x264enc name=e speed-preset=superfast ! h264parse ! "
      "fakesink sync=true");
  GThread *thread = g_thread_new ("switch", switch_for_ever, s);
  guint64 frames;

  run_play (s->run);
  for (guint i = 0; i < 60; i++) {
    gst_element_seek_simple (s->run->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH, i * GST_SECOND);
    run_until (s->run, 0.03, NULL, NULL);
  }
  g_atomic_int_set (&s->quit, TRUE);
  g_thread_join (thread);
  g_test_message ("%d restarts, %d not then", s->done, s->not_now);
  g_assert_cmpint (s->failed, ==, 0);
  run_assert_clean (s->run, NULL);
  frames = run_stat (s->run, "frames-encoded") + 20;
  g_assert_true (run_until (s->run, 5.0, coded, &frames));
  switcher_free (s);
}

/* EOS amid restarts ends the stream, each time. */
static void
test_eos (void)
{
  for (guint i = 0; i < 12; i++) {
    g_autofree char *launch = g_strdup_printf ("videotestsrc is-live=true num-buffers=%u ! "
        "video/x-raw,format=I420,width=160,height=120,framerate=100/1 ! mloptimizer name=o mode=observe ! queue ! "
        "x264enc name=e speed-preset=superfast ! h264parse ! fakesink", 5 + 3 * i);
    Switcher *s = switcher_new (launch);
    GThread *thread = g_thread_new ("switch", switch_for_ever, s);

    run_play (s->run);
    g_assert_true (run_until (s->run, 10.0, run_ended, NULL));
    g_atomic_int_set (&s->quit, TRUE);
    g_thread_join (thread);
    run_assert_clean (s->run, NULL);
    g_assert_cmpint (s->failed, ==, 0);
    g_assert_cmpuint (run_stat (s->run, "frames-encoded"), ==, 5 + 3 * i);
    switcher_free (s);
  }
}

static GstPadProbeReturn
hold (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  return GST_PAD_PROBE_OK;
}

/* The encoder is taken out of the pipeline and another put in, amid restarts. */
static void
test_replaced (void)
{
  Switcher *s = switcher_new ("videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=100/1"
      " ! mloptimizer name=o mode=observe ! queue name=q ! x264enc name=e tune=zerolatency speed-preset=superfast ! "
      "h264parse name=p ! fakesink async=false");
  g_autoptr (GstElement) queue = gst_bin_get_by_name (GST_BIN (s->run->pipeline), "q");
  g_autoptr (GstElement) parse = gst_bin_get_by_name (GST_BIN (s->run->pipeline), "p");
  g_autoptr (GstPad) before = gst_element_get_static_pad (queue, "src");
  GThread *thread = g_thread_new ("switch", switch_for_ever, s);
  guint64 frames = 10;
  GstElement *next;
  gulong probe;

  run_play (s->run);
  g_assert_true (run_until (s->run, 10.0, coded, &frames));
  probe = gst_pad_add_probe (before, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, hold, NULL, NULL);
  run_until (s->run, 0.1, NULL, NULL);
  gst_element_set_state (s->encoder, GST_STATE_NULL);
  gst_element_unlink (queue, s->encoder);
  gst_element_unlink (s->encoder, parse);
  gst_bin_remove (GST_BIN (s->run->pipeline), s->encoder);
  next = gst_element_factory_make ("x264enc", "next");
  gst_util_set_object_arg (G_OBJECT (next), "tune", "zerolatency");
  gst_bin_add (GST_BIN (s->run->pipeline), next);
  g_assert_true (gst_element_link_many (queue, next, parse, NULL));
  g_assert_true (gst_element_sync_state_with_parent (next));
  gst_pad_remove_probe (before, probe);
  run_until (s->run, 0.3, NULL, NULL);
  g_atomic_int_set (&s->quit, TRUE);
  g_thread_join (thread);
  g_assert_cmpint (GST_STATE (s->encoder), ==, GST_STATE_NULL);
  run_assert_clean (s->run, NULL);
  switcher_free (s);
}

/* --- the table's levels --- */

static void
test_levels (void)
{
  static const struct
  {
    const char *encoder;
    int faster, slower;         /* -1: none at all */
  } rows[] = {
    {"x264enc speed-preset=medium", 5, 4},
    {"x264enc speed-preset=ultrafast", 0, 9},
    {"x264enc speed-preset=None", -1, -1},
    {"vp8enc cpu-used=4", 3, 2},
    {"vp8enc cpu-used=5", 3, 3},
    {"vp8enc cpu-used=-3", 6, 0},
    {"vp8enc cpu-used=16", 0, 5},
    {"av1enc cpu-used=9", 1, 9},
    {"openh264enc", -1, -1},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GstElement) e = gst_object_ref_sink (gst_parse_launch (rows[i].encoder, NULL));
    GstMloEncoder encoder;
    GstMloSpeed speed, now;

    g_test_message ("%s", rows[i].encoder);
    g_assert_true (gst_mlo_encoder_resolve (&encoder, e, NULL, -1));
    g_assert_cmpint (gst_mlo_speed_resolve (&speed, &encoder.info->speed, e), ==, rows[i].faster >= 0);
    if (rows[i].faster < 0) {
      g_assert_false (gst_mlo_speed_set (&speed, e, 1));
      continue;
    }
    g_assert_cmpint (speed.faster, ==, rows[i].faster);
    g_assert_cmpint (speed.slower, ==, rows[i].slower);
    for (int step = -speed.slower; step <= speed.faster; step++) {
      g_assert_true (gst_mlo_speed_set (&speed, e, step));
      g_assert_true (gst_mlo_speed_resolve (&now, &encoder.info->speed, e));
      g_assert_cmpint (now.faster, >=, speed.faster - step - 1);
    }
    /* Beyond the last: the last. */
    g_assert_true (gst_mlo_speed_set (&speed, e, 100));
    g_assert_true (gst_mlo_speed_set (&speed, e, 0));
    g_assert_cmpint (value_of (e, speed.spec->name), ==, speed.own);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/speed/levels", test_levels);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strdup_printf ("/speed/%.*s%s", (int) strcspn (cases[i].encoder, " "), cases[i].encoder,
        cases[i].holds ? "-holds" : "");

    g_test_add_data_func (path, &cases[i], test_switch);
  }
  g_test_add_func ("/speed/states", test_states);
  g_test_add_func ("/speed/flush", test_flush);
  g_test_add_func ("/speed/eos", test_eos);
  g_test_add_func ("/speed/replaced", test_replaced);
  return g_test_run ();
}
