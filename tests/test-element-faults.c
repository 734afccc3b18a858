/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults of what stands around the element, one pipeline each, all at the same time: three seconds of a sound stream, the
 * fault, three seconds later its end, and some seconds to come back. Whatever happens the bitrate keeps its limits, the
 * decisions go on and nothing but what is allowed is said. */
#include <gio/gio.h>
#include <signal.h>
#include <stdio.h>

#include "element-helpers.h"
#include "fake-network.h"
#include "faulty-encoder.h"

#define MIN_BITRATE 300000
#define MAX_BITRATE 5000000
#define LINK_KBPS 3000
#define SOUND_MS 3000
#define FAULT_MS 3000
#define RECOVER_MS 7000
/* Decisions within the fault, of 30; the machine may be busy. */
#define LEAST_DECISIONS 15

#define LAUNCH "videotestsrc is-live=true pattern=ball ! capsfilter name=c " \
  "caps=video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! mloptimizer name=o " \
  "max-bitrate=5000000 start-bitrate=1000000 ! faultyenc name=e ! fakesink name=s async=false sync=false"

typedef struct _Case Case;

typedef struct
{
  const char *name;
  FaultyFault encoder;
  guint network;                /* FakeFault bits */
  void (*inject) (Case * c, guint ms);  /* called again and again while the fault lasts, with its age */
  void (*during) (Case * c);    /* at the fault's end */
  const char *allowed;          /* in the text of a warning */
  gboolean ends;                /* the encoder's error ends the stream */
  gboolean keeps_low;           /* a least transit that was a lie is remembered for longer than this lasts: `adversary` */
} Row;

struct _Case
{
  const Row *row;
  Run *run;
  GstElement *encoder;
  FakeNetwork *network;
  guint64 serial_at_fault;
  guint64 frames_at_fault;
  gulong blocked;
  GstPad *pad;
  guint step;
};

static guint64
decision_serial (Run * r)
{
  g_autoptr (GstStructure) s = NULL;
  const GValue *decision;
  guint64 serial = 0;

  g_object_get (r->element, "stats", &s, NULL);
  decision = gst_structure_get_value (s, "decision");
  if (decision)
    gst_structure_get_uint64 (gst_value_get_structure (decision), "serial", &serial);
  return serial;
}

/* --- faults of the source --- */

static void
change_caps (Case * c, guint ms)
{
  static const char *const caps[] = {
    "video/x-raw,format=I420,width=640,height=360,framerate=30/1",
    "video/x-raw,format=NV12,width=256,height=144,framerate=15/1",
    "video/x-raw,format=I420,width=320,height=240,framerate=30/1",
  };
  g_autoptr (GstElement) filter = gst_bin_get_by_name (GST_BIN (c->run->pipeline), "c");
  g_autoptr (GstCaps) wanted = NULL;

  if (ms / 1000 < c->step)
    return;
  wanted = gst_caps_from_string (caps[c->step++ % G_N_ELEMENTS (caps)]);
  g_object_set (filter, "caps", wanted, NULL);
}

static GstPadProbeReturn
block (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  return GST_PAD_PROBE_OK;
}

static void
stall (Case * c, guint ms)
{
  g_autoptr (GstElement) filter = gst_bin_get_by_name (GST_BIN (c->run->pipeline), "c");

  if (!c->pad && ms < 2000) {
    c->pad = gst_element_get_static_pad (filter, "src");
    c->blocked = gst_pad_add_probe (c->pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, block, NULL, NULL);
  } else if (c->blocked && ms >= 2000) {
    gst_pad_remove_probe (c->pad, c->blocked);
    c->blocked = 0;
  }
}

/* Timestamps that are not there, that stand still, that jump both ways. */
static GstPadProbeReturn
spoil_times (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Case *c = data;
  GstBuffer *b = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  static const GstClockTime times[] = { GST_CLOCK_TIME_NONE, 0, G_MAXUINT64 - 1, 5 * GST_SECOND, G_MAXINT64 };

  GST_BUFFER_PTS (b) = times[c->step++ % G_N_ELEMENTS (times)];
  GST_PAD_PROBE_INFO_DATA (info) = b;
  return GST_PAD_PROBE_OK;
}

static void
bad_times (Case * c, guint ms)
{
  g_autoptr (GstElement) filter = gst_bin_get_by_name (GST_BIN (c->run->pipeline), "c");

  if (c->pad)
    return;
  c->pad = gst_element_get_static_pad (filter, "src");
  c->blocked = gst_pad_add_probe (c->pad, GST_PAD_PROBE_TYPE_BUFFER, spoil_times, c, NULL);
}

/* --- what is seen while it lasts --- */

/* Without feedback frames go on as probes, a dozen in that time where the machine has it, and the rate does not rise. */
static void
check_silent (Case * c)
{
  guint64 frames = run_stat (c->run, "frames-out") - c->frames_at_fault;

  g_assert_cmpuint (frames, >=, 3);
  g_assert_cmpuint (run_stat (c->run, "frames-dropped-window"), >, 0);
}

static void
check_refused (Case * c)
{
  g_assert_cmpuint (run_count (c->run, GST_MESSAGE_WARNING, TRUE, "does not keep the bitrate"), ==, 1);
}

static void
check_error (Case * c)
{
  g_assert_cmpuint (run_count (c->run, GST_MESSAGE_ERROR, FALSE, "out of order"), ==, 1);
}

static const Row rows[] = {
  {"encoder/sound"},
  {"encoder/error", FAULTY_ERROR,.during = check_error,.ends = TRUE},
  {"encoder/hang", FAULTY_HANG},
  {"encoder/ignore", FAULTY_IGNORE,.allowed = "does not follow its bitrate"},
  {"encoder/refuse", FAULTY_REFUSE,.during = check_refused,.allowed = "does not keep the bitrate"},
  {"encoder/restart", FAULTY_RESTART},
  {"encoder/mind", FAULTY_MIND,.allowed = "does not follow its bitrate"},
  {"encoder/huge", FAULTY_HUGE,.allowed = "does not follow its bitrate"},
  {"encoder/empty", FAULTY_EMPTY},
  {"source/caps",.inject = change_caps},
  {"source/stall",.inject = stall},
  {"source/times",.inject = bad_times},
  {"feedback/lost",.network = FAKE_LOST},
  {"feedback/silent",.network = FAKE_SILENT,.during = check_silent},
  {"feedback/duplicated",.network = FAKE_TWICE},
  {"feedback/reordered",.network = FAKE_SHUFFLED},
  {"feedback/late",.network = FAKE_LATE},
  {"feedback/wrapped",.network = FAKE_WRAP},
  {"feedback/clock-ahead",.network = FAKE_JUMP},
  {"feedback/clock-behind",.network = FAKE_BACK},
  {"feedback/nonsense",.network = FAKE_NONSENSE,.keeps_low = TRUE},
  {"feedback/foreign",.network = FAKE_FOREIGN,.keeps_low = TRUE},
  {"feedback/all",.network = FAKE_LOST | FAKE_TWICE | FAKE_NONSENSE | FAKE_FOREIGN,.keeps_low = TRUE},
};

static void
start (Case * c, const Row * row)
{
  g_autoptr (GstElement) sink = NULL;
  g_autoptr (GstPad) pad = NULL;

  c->row = row;
  c->run = run_new (LAUNCH);
  c->encoder = gst_bin_get_by_name (GST_BIN (c->run->pipeline), "e");
  sink = gst_bin_get_by_name (GST_BIN (c->run->pipeline), "s");
  pad = gst_element_get_static_pad (sink, "sink");
  c->network = fake_network_new (pad, LINK_KBPS);
  run_play (c->run);
}

static void
finish (Case * c)
{
  if (c->blocked)
    gst_pad_remove_probe (c->pad, c->blocked);
  gst_element_set_state (c->run->pipeline, GST_STATE_NULL);
  gst_clear_object (&c->pad);
  gst_object_unref (c->encoder);
  fake_network_free (c->network);
  run_free (c->run);
}

/* Until @end_us, all of them; @inject: the fault lasts since @since_us. */
static void
watch (Case * cases, guint n, gint64 since_us, gint64 end_us, gboolean inject)
{
  while (g_get_monotonic_time () < end_us) {
    for (guint i = 0; i < n; i++) {
      Case *c = &cases[i];
      g_autoptr (GstBus) bus = gst_element_get_bus (c->run->pipeline);
      GstMessage *m;
      guint bitrate = 0;

      while ((m = gst_bus_pop (bus)))
        g_ptr_array_add (c->run->messages, m);
      if (inject && c->row->inject)
        c->row->inject (c, (guint) ((g_get_monotonic_time () - since_us) / 1000));
      g_object_get (c->run->element, "bitrate", &bitrate, NULL);
      if (bitrate != 0 && (bitrate < MIN_BITRATE || bitrate > MAX_BITRATE))
        g_error ("%s: %u bit/s", c->row->name, bitrate);
    }
    g_usleep (20000);
  }
}

static void
begin_fault (Case * c)
{
  c->serial_at_fault = decision_serial (c->run);
  c->frames_at_fault = run_stat (c->run, "frames-out");
  faulty_encoder_set (c->encoder, c->row->encoder);
  fake_network_set (c->network, c->row->network);
}

static void
end_fault (Case * c)
{
  guint64 decisions = decision_serial (c->run) - c->serial_at_fault;

  g_test_message ("%s: %" G_GUINT64_FORMAT " decisions, %.0f of %.0f kbit/s", c->row->name, decisions,
      run_measure (c->run, "bitrate_kbps"), run_measure (c->run, "bandwidth_kbps"));
  g_assert_cmpuint (decisions, >=, LEAST_DECISIONS);
  if (c->row->during)
    c->row->during (c);
  faulty_encoder_set (c->encoder, FAULTY_NONE);
  fake_network_set (c->network, 0);
  if (c->blocked) {
    gst_pad_remove_probe (c->pad, c->blocked);
    c->blocked = 0;
  }
}

static void
check_recovered (Case * c, guint64 frames_before)
{
  guint64 frames = run_stat (c->run, "frames-out") - frames_before;
  double bitrate = run_measure (c->run, "bitrate_kbps"), capacity = run_measure (c->run, "bandwidth_kbps");

  g_test_message ("%s: then %.0f of %.0f kbit/s, %" G_GUINT64_FORMAT " frames in the last second", c->row->name,
      bitrate, capacity, frames);
  if (c->row->ends)
    return;
  run_assert_clean (c->run, c->row->allowed);
  g_assert_cmpuint (frames, >=, 10);
  if (c->row->keeps_low)
    return;
  g_assert_cmpfloat (capacity, >, 0.8 * LINK_KBPS);
  g_assert_cmpfloat (capacity, <, 1.25 * LINK_KBPS);
  g_assert_cmpfloat (bitrate, >, 0.3 * LINK_KBPS);
  g_assert_cmpfloat (bitrate, <=, 1.05 * LINK_KBPS);
}

static void
test_faults (void)
{
  const guint n = G_N_ELEMENTS (rows);
  Case cases[G_N_ELEMENTS (rows)] = { 0 };
  guint64 frames[G_N_ELEMENTS (rows)];
  gint64 fault_us, end_us;

  for (guint i = 0; i < n; i++)
    start (&cases[i], &rows[i]);
  watch (cases, n, 0, g_get_monotonic_time () + SOUND_MS * 1000, FALSE);
  fault_us = g_get_monotonic_time ();
  for (guint i = 0; i < n; i++)
    begin_fault (&cases[i]);
  watch (cases, n, fault_us, fault_us + FAULT_MS * 1000, TRUE);
  for (guint i = 0; i < n; i++)
    end_fault (&cases[i]);
  end_us = g_get_monotonic_time () + RECOVER_MS * 1000;
  watch (cases, n, 0, end_us - G_USEC_PER_SEC, FALSE);
  for (guint i = 0; i < n; i++)
    frames[i] = run_stat (cases[i].run, "frames-out");
  watch (cases, n, 0, end_us, FALSE);
  for (guint i = 0; i < n; i++)
    check_recovered (&cases[i], frames[i]);
  for (guint i = 0; i < n; i++)
    finish (&cases[i]);
}

/* --- state changes from several threads --- */

#define THREADS 4
#define CHANGES 60

typedef struct
{
  Run *run;
  guint seed;
} Changer;

static gpointer
change_states (gpointer data)
{
  static const GstState states[] = { GST_STATE_NULL, GST_STATE_READY, GST_STATE_PAUSED, GST_STATE_PLAYING };
  Changer *c = data;
  g_autoptr (GRand) random = g_rand_new_with_seed (c->seed);

  for (guint i = 0; i < CHANGES; i++) {
    g_autoptr (GstStructure) stats = NULL;

    gst_element_set_state (c->run->pipeline, states[g_rand_int_range (random, 0, G_N_ELEMENTS (states))]);
    g_object_get (c->run->element, "stats", &stats, NULL);
    g_object_set (c->run->element, "max-bitrate", (guint) g_rand_int_range (random, 10000, 10000000), "target-delay",
        (guint) g_rand_int_range (random, 5, 500), "encoder", i % 3 == 0 ? "e" : i % 3 == 1 ? "none/such/bps" : NULL,
        NULL);
    g_usleep ((gulong) g_rand_int_range (random, 0, 40000));
  }
  return NULL;
}

static void
test_threads (void)
{
  Case c = { 0 };
  Changer changers[THREADS];
  GThread *threads[THREADS];

  start (&c, &rows[0]);
  for (guint i = 0; i < THREADS; i++) {
    changers[i] = (Changer) {
    c.run, i + 1};
    threads[i] = g_thread_new ("changer", change_states, &changers[i]);
  }
  for (guint i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
  /* It still works. */
  g_object_set (c.run->element, "max-bitrate", MAX_BITRATE, "encoder", NULL, NULL);
  gst_element_set_state (c.run->pipeline, GST_STATE_NULL);
  run_play (c.run);
  run_until (c.run, 2.0, NULL, NULL);
  g_assert_cmpuint (run_stat (c.run, "frames-out"), >=, 20);
  g_assert_cmpuint (decision_serial (c.run), >=, 10);
  run_assert_clean (c.run, "encoder");
  finish (&c);
}

/* --- the element taken out, and another put in, while it plays --- */

#define SWAPS 10

typedef struct
{
  GstElement *pipeline, *old, *fresh;
  gint done;                    /* atomic */
} Swap;

static GstPadProbeReturn
on_blocked (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Swap *s = data;
  g_autoptr (GstElement) before = gst_pad_get_parent_element (pad);
  g_autoptr (GstElement) encoder = gst_bin_get_by_name (GST_BIN (s->pipeline), "e");

  gst_element_unlink_many (before, s->old, encoder, NULL);
  gst_bin_remove (GST_BIN (s->pipeline), s->old);
  gst_bin_add (GST_BIN (s->pipeline), s->fresh);
  g_assert_true (gst_element_link_many (before, s->fresh, encoder, NULL));
  gst_element_sync_state_with_parent (s->fresh);
  g_atomic_int_set (&s->done, 1);
  return GST_PAD_PROBE_REMOVE;
}

static gboolean
swapped (Run * r, gpointer data)
{
  return g_atomic_int_get (&((Swap *) data)->done) != 0;
}

static void
test_removed (void)
{
  Case c = { 0 };
  GstElement *left[SWAPS];

  start (&c, &rows[0]);
  for (guint i = 0; i < SWAPS; i++) {
    g_autoptr (GstElement) filter = gst_bin_get_by_name (GST_BIN (c.run->pipeline), "c");
    g_autoptr (GstPad) pad = gst_element_get_static_pad (filter, "src");
    Swap swap = { c.run->pipeline, gst_object_ref (c.run->element), NULL, 0 };

    swap.fresh = gst_element_factory_make (i % 2 ? "mloptimizer" : "identity", NULL);
    gst_object_ref_sink (swap.fresh);
    run_until (c.run, 0.3, NULL, NULL);
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, on_blocked, &swap, NULL);
    g_assert_true (run_until (c.run, 5.0, swapped, &swap));
    gst_element_set_state (swap.old, GST_STATE_NULL);
    left[i] = swap.old;
    g_object_add_weak_pointer (G_OBJECT (left[i]), (gpointer *) & left[i]);
    gst_object_unref (swap.old);
    gst_object_unref (c.run->element);
    c.run->element = swap.fresh;
  }
  run_until (c.run, 1.5, NULL, NULL);
  g_assert_cmpuint (run_stat (c.run, "frames-out"), >=, 15);
  g_assert_cmpuint (run_stat (c.run, "feedback-reports"), >=, 15);
  run_assert_clean (c.run, NULL);
  finish (&c);
  for (guint i = 0; i < SWAPS; i++)
    g_assert_null (left[i]);
}

/* --- the machine paused --- */

/* The process that is stopped: a sound stream, until its standard input ends; then it must be as before. */
static int
be_stopped (void)
{
  Case c = { 0 };
  guint64 frames;
  char line[8];

  start (&c, &rows[0]);
  watch (&c, 1, 0, g_get_monotonic_time () + 3 * G_USEC_PER_SEC, FALSE);
  printf ("ready\n");
  fflush (stdout);
  if (!fgets (line, sizeof line, stdin))
    return 1;
  c.serial_at_fault = decision_serial (c.run);
  watch (&c, 1, 0, g_get_monotonic_time () + 3 * G_USEC_PER_SEC, FALSE);
  g_assert_cmpuint (decision_serial (c.run) - c.serial_at_fault, >=, LEAST_DECISIONS);
  frames = run_stat (c.run, "frames-out");
  watch (&c, 1, 0, g_get_monotonic_time () + G_USEC_PER_SEC, FALSE);
  check_recovered (&c, frames);
  finish (&c);
  return 0;
}

static const char *program;

static void
test_stopped (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) child = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDIN_PIPE,
      &error, program, "--be-stopped", NULL);
  char line[6];
  gsize n = 0;

  g_assert_no_error (error);
  g_assert_true (g_input_stream_read_all (g_subprocess_get_stdout_pipe (child), line, sizeof line, &n, NULL, &error));
  g_assert_cmpmem (line, n, "ready\n", sizeof line);
  g_subprocess_send_signal (child, SIGSTOP);
  g_usleep (5 * G_USEC_PER_SEC);
  g_subprocess_send_signal (child, SIGCONT);
  g_assert_true (g_output_stream_write_all (g_subprocess_get_stdin_pipe (child), "go\n", 3, NULL, NULL, &error));
  g_assert_true (g_subprocess_wait_check (child, NULL, &error));
  g_assert_no_error (error);
}

int
main (int argc, char **argv)
{
  program = argv[0];
  if (argc > 1 && strcmp (argv[1], "--be-stopped") == 0) {
    gst_init (&argc, &argv);
    faulty_encoder_register ();
    return be_stopped ();
  }
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  faulty_encoder_register ();
  g_test_add_func ("/faults/around", test_faults);
  g_test_add_func ("/faults/threads", test_threads);
  g_test_add_func ("/faults/removed", test_removed);
  g_test_add_func ("/faults/stopped", test_stopped);
  return g_test_run ();
}
