/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Forward error correction by a real rtpulpfecenc: how much of it there is follows the losses, and its rate is part of what
 * was decided. */
#include <math.h>

#include "element-helpers.h"

#define SOURCE "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! "
#define ENCODE "x264enc name=e tune=zerolatency speed-preset=ultrafast bitrate=1000 ! rtph264pay mtu=500 ! " \
  "application/x-rtp,payload=96 ! "

typedef struct
{
  double loss, queue_ms;        /* as the player tells */
  int least, most;              /* of percentage, expected */
  GstElement *fec;
} Told;

static int
percentage (GstElement * fec)
{
  guint percent = 0;

  g_object_get (fec, "percentage", &percent, NULL);
  return (int) percent;
}

static void
tell (Run * r, const Told * t)
{
  gst_element_post_message (r->element, gst_message_new_element (GST_OBJECT (r->element),
          gst_structure_new ("mloptimizer-metrics", "latency_ms", G_TYPE_DOUBLE, 20.0 + t->queue_ms, "queue_delay_ms",
              G_TYPE_DOUBLE, t->queue_ms, "packet_loss", G_TYPE_DOUBLE, t->loss, "bandwidth_kbps", G_TYPE_DOUBLE,
              30000.0, NULL)));
}

static gboolean
told (Run * r, gpointer data)
{
  Told *t = data;

  tell (r, t);
  return t->fec && percentage (t->fec) >= t->least && percentage (t->fec) <= t->most;
}

static void
assert_comes_to (Run * r, GstElement * fec, double loss, double queue_ms, int least, int most)
{
  Told t = { loss, queue_ms, least, most, fec };

  if (!run_until (r, 15.0, told, &t))
    g_error ("%d %% of parity instead of %d to %d at a loss of %g", percentage (fec), least, most, loss);
}

static GstStructure *
decision_of (Run * r, double *overhead)
{
  g_autoptr (GstStructure) s = NULL;
  GstStructure *d = NULL;

  g_object_get (r->element, "stats", &s, NULL);
  gst_structure_get_double (s, "fec-overhead", overhead);
  g_assert_true (gst_structure_get (s, "decision", GST_TYPE_STRUCTURE, &d, NULL));
  return d;
}

/* Encoder and parity together are what was decided, and no more. */
static void
assert_whole (Run * r)
{
  double overhead = -1.0;
  g_autoptr (GstStructure) d = decision_of (r, &overhead);
  guint bitrate = 0;

  g_assert_true (gst_structure_get_uint (d, "bitrate", &bitrate));
  g_assert_cmpfloat (overhead, >=, 0.0);
  g_test_message ("%u bit/s: %u kbit/s of pictures, overhead %g", bitrate, run_encoder_kbps (r), overhead);
  g_assert_cmpfloat_with_epsilon (run_encoder_kbps (r) * (1.0 + overhead), bitrate / 1000.0, 0.05 * bitrate / 1000.0);
}

typedef struct
{
  gint bytes;                   /* atomic */
} Passed;

static GstPadProbeReturn
on_packet (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  g_atomic_int_add (&((Passed *) data)->bytes, (gint) gst_buffer_get_size (GST_PAD_PROBE_INFO_BUFFER (info)));
  return GST_PAD_PROBE_OK;
}

/* Mean of what passes @pad in two seconds, kbit/s. */
static double
wire_kbps (Run * r, GstPad * pad, double loss)
{
  Passed passed = { 0 };
  Told t = {.loss = loss };
  gint64 began = g_get_monotonic_time ();
  gulong id = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_packet, &passed, NULL);

  run_until (r, 2.0, told, &t);
  gst_pad_remove_probe (pad, id);
  return g_atomic_int_get (&passed.bytes) * 8000.0 / (double) (g_get_monotonic_time () - began);
}

static void
test_steered (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o adapt=bitrate+fec max-bitrate=1000000 start-bitrate=1000000 ! " ENCODE
      "rtpulpfecenc name=f pt=122 percentage=40 percentage-important=50 ! fakesink async=false");
  g_autoptr (GstElement) fec = gst_bin_get_by_name (GST_BIN (r->pipeline), "f");
  g_autoptr (GstPad) src = gst_element_get_static_pad (fec, "src");
  double without, with;
  guint important;

  run_play (r);
  /* A path that loses nothing has none. */
  assert_comes_to (r, fec, 0.0, 0.0, 0, 0);
  without = wire_kbps (r, src, 0.0);
  assert_whole (r);
  assert_comes_to (r, fec, 0.05, 0.0, 20, 100);
  run_until (r, 3.0, told, &(Told) {
      .loss = 0.05});
  with = wire_kbps (r, src, 0.05);
  assert_whole (r);
  g_object_get (fec, "percentage-important", &important, NULL);
  g_assert_cmpint ((int) important, ==, percentage (fec));
  g_test_message ("on the wire %.0f kbit/s without, %.0f with %d %%", without, with, percentage (fec));
  g_assert_cmpfloat (with, <, 1.15 * without);
  g_assert_cmpfloat (with, >, 0.8 * without);
  /* It is in a message, with what was before. */
  {
    gboolean found = FALSE;

    for (guint i = 0; i < r->messages->len; i++) {
      const GstStructure *s = gst_message_get_structure (g_ptr_array_index (r->messages, i));
      int now = -1, before = -1;

      if (!s || !gst_structure_has_name (s, "mloptimizer-decision"))
        continue;
      found |= gst_structure_get_int (s, "fec-percentage", &now) && gst_structure_get_int (s, "previous-fec-percentage",
          &before) && before == 0 && now > 0;
    }
    g_assert_true (found);
  }
  /* Lost to a queue that stays. */
  assert_comes_to (r, fec, 0.05, 150.0, 0, 0);
  /* The user's again, which is part of the bitrate, too; as the user changes it. */
  g_object_set (r->element, "adapt", 1, NULL);
  assert_comes_to (r, fec, 0.0, 0.0, 40, 40);
  run_until (r, 2.0, told, &(Told) {
      .loss = 0.0}
  );
  assert_whole (r);
  g_object_set (fec, "percentage", 20, NULL);
  run_until (r, 1.0, told, &(Told) {
      .loss = 0.05}
  );
  g_assert_cmpint (percentage (fec), ==, 20);
  assert_whole (r);
  gst_util_set_object_arg (G_OBJECT (r->element), "adapt", "bitrate+fec");
  assert_comes_to (r, fec, 0.0, 0.0, 0, 0);
  run_assert_clean (r, NULL);
  gst_element_set_state (r->pipeline, GST_STATE_READY);
  g_assert_cmpint (percentage (fec), ==, 20);
  run_free (r);
}

static GstElement *
on_request (GstElement * rtp, guint session, gpointer data)
{
  GstElement *fec = gst_element_factory_make ("rtpulpfecenc", NULL);

  g_object_set (fec, "pt", 122, NULL);
  *(GstElement **) data = gst_object_ref_sink (fec);
  return gst_object_ref (fec);
}

/* rtpbin has it behind its session. */
static void
test_rtpbin (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o adapt=bitrate+fec max-bitrate=1000000 start-bitrate=1000000 ! " ENCODE
      "identity name=last rtpbin name=b fakesink name=s async=false");
  g_autoptr (GstElement) last = gst_bin_get_by_name (GST_BIN (r->pipeline), "last");
  g_autoptr (GstElement) rtp = gst_bin_get_by_name (GST_BIN (r->pipeline), "b");
  g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (r->pipeline), "s");
  GstElement *fec = NULL;

  g_signal_connect (rtp, "request-fec-encoder", G_CALLBACK (on_request), &fec);
  g_assert_true (gst_element_link_pads (last, "src", rtp, "send_rtp_sink_0"));
  g_assert_true (gst_element_link_pads (rtp, "send_rtp_src_0", sink, "sink"));
  g_assert_nonnull (fec);
  run_play (r);
  assert_comes_to (r, fec, 0.05, 0.0, 20, 100);
  run_until (r, 1.0, told, &(Told) {
      .loss = 0.05});
  assert_whole (r);
  run_assert_clean (r, NULL);
  run_free (r);
  gst_object_unref (fec);
}

/* What is only observed stays as it is, and where nothing makes parity nothing is said of it. */
static void
test_untouched (void)
{
  Run *r = run_new (SOURCE "mloptimizer name=o mode=observe ! " ENCODE "rtpulpfecenc name=f pt=122 percentage=40 ! "
      "fakesink async=false");
  g_autoptr (GstElement) fec = gst_bin_get_by_name (GST_BIN (r->pipeline), "f");
  g_autoptr (GstStructure) s = NULL;
  g_autoptr (GstStructure) d = NULL;
  double overhead = -1.0;
  int percent = 0;

  run_play (r);
  run_until (r, 4.0, told, &(Told) {
      .loss = 0.1});
  g_assert_cmpint (percentage (fec), ==, 40);
  run_free (r);

  /* Nor where it has no payload type, as webrtcbin's before it was negotiated. */
  r = run_new (SOURCE "mloptimizer name=o max-bitrate=1000000 ! " ENCODE
      "rtpulpfecenc percentage=100 ! fakesink async=false");
  run_play (r);
  run_until (r, 3.0, told, &(Told) {
      .loss = 0.1});
  g_object_get (r->element, "stats", &s, NULL);
  g_assert_false (gst_structure_has_field (s, "fec-percentage"));
  d = decision_of (r, &overhead);
  g_assert_true (gst_structure_get_int (d, "fec-percentage", &percent));
  g_assert_cmpint (percent, ==, -1);
  run_assert_clean (r, NULL);
  run_free (r);
}

int
main (int argc, char **argv)
{
  g_autoptr (GstElementFactory) factory = NULL;

  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  factory = gst_element_factory_find ("rtpulpfecenc");
  g_assert_nonnull (factory);
  g_test_add_func ("/parity/steered", test_steered);
  g_test_add_func ("/parity/rtpbin", test_rtpbin);
  g_test_add_func ("/parity/untouched", test_untouched);
  return g_test_run ();
}
