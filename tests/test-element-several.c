/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoders wherever they stand: in bins, in encodebin, several behind a tee, exchanged while they run, deaf. */
#include "element-helpers.h"
#include "faulty-encoder.h"

#define SOURCE "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! "
#define X264 "x264enc tune=zerolatency speed-preset=ultrafast "
#define VP8 "vp8enc deadline=1 cpu-used=16 "

/* The rate of the element called @name, kbit/s; 0: there is none. */
static guint
kbps_of (Run * r, const char *name)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), name);
  guint kbps = 0;
  int bps = 0;

  if (!e)
    return 0;
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (e), "target-bitrate")) {
    g_object_get (e, "target-bitrate", &bps, NULL);
    return (guint) bps / 1000;
  }
  g_object_get (e, "bitrate", &kbps, NULL);
  return kbps;
}

typedef struct
{
  const char *name[3];
  guint kbps[3];
} Rates;

static gboolean
has_rates (Run * r, gpointer data)
{
  Rates *x = data;

  for (guint i = 0; i < 3 && x->name[i]; i++) {
    if (ABS ((int) kbps_of (r, x->name[i]) - (int) x->kbps[i]) > 1)
      return FALSE;
  }
  return TRUE;
}

static void
assert_rates (Run * r, const Rates * x)
{
  if (run_until (r, 10.0, has_rates, (gpointer) x))
    return;
  for (guint i = 0; i < 3 && x->name[i]; i++)
    g_printerr ("%s: %u instead of %u kbit/s\n", x->name[i], kbps_of (r, x->name[i]), x->kbps[i]);
  g_assert_not_reached ();
}

static gboolean
has_encoded (Run * r, gpointer frames)
{
  return run_stat (r, "frames-encoded") >= GPOINTER_TO_UINT (frames);
}

/* --- wherever they stand --- */

/* The factory's name and how many there are. */
static char *
lead_of (Run * r, guint * n)
{
  g_autoptr (GstStructure) s = NULL;
  g_autoptr (GstStructure) all = NULL;

  g_object_get (r->element, "stats", &s, NULL);
  g_assert_true (gst_structure_get (s, "encoders", GST_TYPE_STRUCTURE, &all, NULL));
  *n = (guint) gst_structure_n_fields (all);
  return g_strdup (gst_structure_get_string (s, "encoder"));
}

static void
test_places (void)
{
  static const struct
  {
    const char *launch, *factory;       /* NULL: whichever encodebin takes */
  } rows[] = {
    {"bin.( queue ! " X264 "name=e bitrate=900 )", "x264enc"},
    {"bin.( queue ! bin.( queue ! bin.( " VP8 "name=e target-bitrate=900000 ) ) )", "vp8enc"},
    {"encodebin profile=video/x-vp8", "vp8enc"},
    {"encodebin profile=video/x-h264", NULL},
    {"encodebin profile=video/x-matroska:video/x-vp8", "vp8enc"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *launch = g_strdup_printf (SOURCE "mloptimizer name=o start-bitrate=600000 max-bitrate=600000 ! "
        "%s ! fakesink async=false",
        rows[i].launch);
    g_autofree char *factory = NULL;
    guint n = 0, bitrate = 0;
    Run *r = run_new (launch);

    g_test_message ("%s", rows[i].launch);
    run_play (r);
    g_assert_true (run_until (r, 10.0, has_encoded, GUINT_TO_POINTER (20)));
    factory = lead_of (r, &n);
    g_assert_cmpuint (n, ==, 1);
    if (rows[i].factory)
      g_assert_cmpstr (factory, ==, rows[i].factory);
    else
      g_assert_true (g_str_has_suffix (factory, "264enc"));
    g_object_get (r->element, "bitrate", &bitrate, NULL);
    g_assert_cmpuint (bitrate, ==, 600000);
    if (i < 2)
      assert_rates (r, &(Rates) { {
          "e"}
          , {
          600}
          }
    );
    run_assert_clean (r, NULL);
    run_free (r);
  }
}

/* --- several --- */

#define LAYERS SOURCE "mloptimizer name=o max-bitrate=%u ! tee name=t " \
  "t. ! queue ! " X264 "name=high bitrate=3000 ! fakesink async=false " \
  "t. ! queue ! videoscale ! video/x-raw,width=80,height=60 ! " X264 "name=mid bitrate=1000 ! fakesink async=false " \
  "t. ! queue ! videoscale ! video/x-raw,width=40,height=30 ! " VP8 "name=low target-bitrate=300000 ! fakesink async=false"

/* In the proportions in which they were set, none below its least, and the application's limits live. */
static void
test_shares (void)
{
  static const struct
  {
    guint max_kbps, high, mid, low;
  } rows[] = {
    {4300, 3000, 1000, 300}, {2150, 1500, 500, 150}, {430, 285, 95, 50}, {1000, 698, 233, 70},
  };
  g_autofree char *launch = g_strdup_printf (LAYERS, 4300000u);
  Run *r = run_new (launch);
  guint n = 0;

  /* the least that the optimizer may come to */
  g_object_set (r->element, "min-bitrate", 300000, NULL);
  run_play (r);
  g_assert_true (run_until (r, 10.0, has_encoded, GUINT_TO_POINTER (20)));
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *lead = NULL;
    guint sum;

    g_object_set (r->element, "max-bitrate", rows[i].max_kbps * 1000, NULL);
    /* Without feedback a bitrate does not rise by itself. */
    if (i > 0 && rows[i].max_kbps > rows[i - 1].max_kbps)
      g_object_set (r->element, "min-bitrate", rows[i].max_kbps * 1000, NULL);
    assert_rates (r, &(Rates) { {
        "high", "mid", "low"}
        , {
        rows[i].high, rows[i].mid, rows[i].low}
        }
    );
    sum = kbps_of (r, "high") + kbps_of (r, "mid") + kbps_of (r, "low");
    g_assert_cmpint (ABS ((int) sum - (int) rows[i].max_kbps), <=, 2);
    lead = lead_of (r, &n);
    g_assert_cmpuint (n, ==, 3);
    g_assert_cmpstr (lead, ==, "x264enc");
  }
  /* Frames are those of one encoder, bytes of all. */
  run_until (r, 1.0, NULL, NULL);
  g_assert_cmpuint (run_stat (r, "frames-encoded"), <=, run_stat (r, "frames-in"));
  run_assert_clean (r, NULL);
  gst_element_set_state (r->pipeline, GST_STATE_READY);
  g_assert_true (has_rates (r, &(Rates) { {
          "high", "mid", "low"}, {
          3000, 1000, 300}}));
  run_free (r);
}

/* A recording beside what goes to the network keeps what the user gave it; so does all but the one that is named. */
static void
test_left_alone (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o max-bitrate=600000 ! tee name=t "
      "t. ! queue ! " X264 "name=kept bitrate=5000 ! filesink location=/dev/null async=false "
      "t. ! queue ! " X264 "name=sent bitrate=1000 ! rtph264pay ! udpsink host=127.0.0.1 port=9 async=false");
  guint n;

  run_play (r);
  assert_rates (r, &(Rates) { {
      "sent", "kept"}, {
      600, 5000}});
  g_object_set (r->element, "encoder", "kept", NULL);
  assert_rates (r, &(Rates) { {
      "kept", "sent"}, {
      600, 600}});
  g_free (lead_of (r, &n));
  g_assert_cmpuint (n, ==, 1);
  run_assert_clean (r, NULL);
  run_free (r);

  /* What is encoded again behind the encoder is not ours. */
  r = run_new (SOURCE "mloptimizer name=o max-bitrate=600000 ! " X264 "name=first bitrate=1000 ! avdec_h264 ! " X264
      "name=again bitrate=2000 ! fakesink async=false");
  run_play (r);
  assert_rates (r, &(Rates) { {
      "first", "again"}, {
      600, 2000}});
  run_free (r);
}

/* --- exchanged while it runs --- */

typedef struct
{
  Run *run;
  const char *launch;
} Swap;

static GstPadProbeReturn
swap (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Swap *x = data;
  g_autoptr (GstElement) queue = gst_bin_get_by_name (GST_BIN (x->run->pipeline), "q");
  g_autoptr (GstElement) old = gst_bin_get_by_name (GST_BIN (x->run->pipeline), "e");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (x->run->pipeline), "s");
  GstElement *fresh = gst_parse_launch (x->launch, NULL);

  gst_element_set_state (old, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (x->run->pipeline), old);
  gst_object_set_name (GST_OBJECT (fresh), "e");
  gst_bin_add (GST_BIN (x->run->pipeline), fresh);
  g_assert_true (gst_element_link_many (queue, fresh, sink, NULL));
  g_assert_true (gst_element_sync_state_with_parent (fresh));
  return GST_PAD_PROBE_REMOVE;
}

/* Another kind, another of the same kind, and one that is deaf (which is said, though another was deaf before it), each
 * with its rate, and with nothing left of the one before. */
static void
test_exchanged (void)
{
  static const struct
  {
    const char *launch, *factory;
    gboolean deaf;
  } rows[] = {
    {VP8 "target-bitrate=2000000", "vp8enc", FALSE},
    {VP8 "target-bitrate=3000000", "vp8enc", FALSE},
    {"faultyenc bitrate=3000", "", TRUE},
    {X264 "bitrate=2500", "x264enc", FALSE},
    {"faultyenc bitrate=2000", "", TRUE},
  };
  Run *r = run_new (SOURCE "mloptimizer name=o max-bitrate=600000 ! queue name=q ! " X264
      "name=e bitrate=1000 ! fakesink name=s async=false");
  g_autoptr (GstElement) queue = gst_bin_get_by_name (GST_BIN (r->pipeline), "q");
  g_autoptr (GstPad) before = gst_element_get_static_pad (queue, "src");
  guint deaf = 0;

  run_play (r);
  assert_rates (r, &(Rates) { {
      "e"}, {
      600}});
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Swap x = { r, rows[i].launch };
    g_autofree char *factory = NULL;
    guint64 frames;
    guint n;

    g_test_message ("%s", rows[i].launch);
    gst_pad_add_probe (before, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, swap, &x, NULL);
    run_until (r, 0.3, NULL, NULL);
    if (rows[i].deaf) {
      g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");

      faulty_encoder_set (e, FAULTY_IGNORE);
      for (guint k = 0; k < 100 && run_count (r, GST_MESSAGE_WARNING, TRUE, "e does not follow its bitrate") == deaf;
          k++)
        run_until (r, 0.1, NULL, NULL);
      deaf++;
      g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "e does not follow its bitrate"), ==, deaf);
      continue;
    }
    assert_rates (r, &(Rates) { {
        "e"}
        , {
        600}
        }
    );
    frames = run_stat (r, "frames-encoded");
    g_assert_true (run_until (r, 10.0, has_encoded, GUINT_TO_POINTER (frames + 20)));
    factory = lead_of (r, &n);
    g_assert_cmpuint (n, ==, 1);
    g_assert_cmpstr (factory, ==, rows[i].factory);
    if (strcmp (factory, "vp8enc") == 0) {
      g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
      int usage = -1, size = 0;

      /* It was set up before it played. */
      g_object_get (e, "end-usage", &usage, "buffer-size", &size, NULL);
      g_assert_cmpint (usage, ==, 1);
      g_assert_cmpint (size, ==, 100);
    }
    run_assert_clean (r, "does not follow its bitrate");
  }
  run_free (r);
}

/* --- deaf --- */

/* Which encoder it is, and what to change, of several, and in the time that the documentation says. */
static void
test_deaf (void)
{
  static const struct
  {
    const char *encoder, *named, *advice;
  } rows[] = {
    {X264 "name=high bitrate=2000 pass=quant quantizer=20", "high does not follow its bitrate", "pass=cbr"},
    {"faultyenc name=mute bitrate=2000", "mute does not follow its bitrate", "encoder=mute/PROPERTY"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *launch = g_strdup_printf (SOURCE "mloptimizer name=o max-bitrate=600000 ! tee name=t "
        "t. ! queue ! " X264 "name=low bitrate=1000 ! fakesink async=false t. ! queue ! %s ! fakesink async=false",
        rows[i].encoder);
    Run *r = run_new (launch);
    g_autoptr (GstElement) mute = gst_bin_get_by_name (GST_BIN (r->pipeline), "mute");
    gint64 begin_us;

    if (mute)
      faulty_encoder_set (mute, FAULTY_IGNORE);
    run_play (r);
    g_assert_true (run_until (r, 10.0, has_encoded, GUINT_TO_POINTER (5)));
    begin_us = g_get_monotonic_time ();
    g_assert_true (run_until (r, 20.0, run_has_warning, (gpointer) rows[i].named));
    g_test_message ("noticed after %.1f s", (double) (g_get_monotonic_time () - begin_us) / 1e6);
    g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, rows[i].advice), ==, 1);
    g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "low does not follow"), ==, 0);
    run_free (r);
  }
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  faulty_encoder_register ();
  g_test_add_func ("/several/places", test_places);
  g_test_add_func ("/several/shares", test_shares);
  g_test_add_func ("/several/left-alone", test_left_alone);
  g_test_add_func ("/several/exchanged", test_exchanged);
  g_test_add_func ("/several/deaf", test_deaf);
  return g_test_run ();
}
