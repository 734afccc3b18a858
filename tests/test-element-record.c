/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The property record: a file that training takes, and a stream that does not depend on it. */
#include <fcntl.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "element-helpers.h"
#include "folder-helpers.h"
#include "mlo-dataset.h"
#include "mlo-recorder.h"

#define SOURCE "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "
#define X264 " ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=1000 key-int-max=60 ! fakesink async=false"

typedef struct
{
  char *folder, *path;
} Fixture;

static void
set_up (Fixture * f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("mlo-record-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, "run.jsonl", NULL);
}

static void
tear_down (Fixture * f, gconstpointer data)
{
  remove_tree (f->folder);
  g_free (f->path);
  g_free (f->folder);
}

/* A line for each tick, as far as they are written. */
static guint
count_lines (Fixture * f)
{
  g_autofree char *text = NULL;
  guint n = 0;

  if (!g_file_get_contents (f->path, &text, NULL, NULL))
    return 0;
  for (const char *c = text; *c; c++)
    n += *c == '\n';
  return n;
}

/* As an application that measures at its client. */
static void
tell_metrics (Run * r)
{
  gst_element_post_message (r->pipeline, gst_message_new_element (GST_OBJECT (r->pipeline),
          gst_structure_new ("mloptimizer-metrics", "latency_ms", G_TYPE_DOUBLE, 40.0, "jitter_ms", G_TYPE_DOUBLE, 2.0,
              "packet_loss", G_TYPE_DOUBLE, 0.0, "bandwidth_kbps", G_TYPE_DOUBLE, 4000.0, NULL)));
}

typedef struct
{
  Fixture *fixture;
  guint lines;
} Wanted;

static gboolean
has_lines (Run * r, gpointer data)
{
  Wanted *w = data;

  tell_metrics (r);
  return count_lines (w->fixture) >= w->lines;
}

static void
record_until (Fixture * f, guint lines)
{
  Run *r = run_new (SOURCE "mloptimizer name=o" X264);
  Wanted wanted = { f, lines };

  g_object_set (r->element, "record", f->path, NULL);
  run_play (r);
  g_assert_true (run_until (r, 60.0, has_lines, &wanted));
  run_assert_clean (r, NULL);
  run_free (r);
}

/* Two runs into one file, and both networks learn from it. */
static void
test_train (Fixture * f, gconstpointer data)
{
  g_autoptr (MloDataset) d = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *out = NULL;
  const char *argv[] = { g_getenv ("MLO_TOOL"), "train", "--dataset", f->path, "--epochs", "1", "--output",
    f->folder, NULL
  };
  int status;
  const MloSample *s;

  record_until (f, 50);
  record_until (f, 70);
  d = mlo_dataset_load (f->path, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (d->n_samples, >=, 70);
  g_assert_cmpuint (d->n_recordings, ==, 2);
  s = &d->recordings[1]->ticks[15].sample;
  g_assert_cmpint (ABS (s->timestamp_us - g_get_real_time ()), <, 120 * G_USEC_PER_SEC);
  g_assert_cmpfloat (mlo_sample_get (s, MLO_FIELD_BANDWIDTH, 0.0), ==, 4000.0);
  g_assert_cmpfloat (mlo_sample_get (s, MLO_FIELD_LATENCY, 0.0), ==, 40.0);
  g_assert_cmpfloat (mlo_sample_get (s, MLO_FIELD_WIDTH, 0.0), >=, 16.0);
  g_assert_cmpfloat (mlo_sample_get (s, MLO_FIELD_BITRATE, 0.0), >, 0.0);
  g_assert_cmpfloat (mlo_sample_get (s, MLO_FIELD_FPS, 0.0), >, 5.0);
  g_assert_true (mlo_sample_has (s, MLO_FIELD_COMPLEXITY));
  g_assert_true (mlo_sample_has (s, MLO_FIELD_QUALITY_SCORE));

  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, 0, NULL, NULL, &out, NULL, &status, &error));
  g_assert_no_error (error);
  g_test_message ("%s", out);
  g_assert_true (g_spawn_check_wait_status (status, NULL));
  g_assert_nonnull (strstr (out, "2 recordings"));
  g_assert_nonnull (strstr (out, "bitrate_predictor.safetensors"));
}

/* A file that cannot be had is a wrong setup, said before anything plays. */
static void
test_no_file (Fixture * f, gconstpointer data)
{
  Run *r = run_new (SOURCE "mloptimizer name=o" X264);
  g_autofree char *nowhere = g_build_filename (f->folder, "nowhere", "x.jsonl", NULL);

  g_object_set (r->element, "record", nowhere, NULL);
  g_assert_cmpint (gst_element_set_state (r->pipeline, GST_STATE_PLAYING), ==, GST_STATE_CHANGE_FAILURE);
  g_assert_true (run_until (r, 10.0, run_ended, NULL));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, TRUE, "The property record cannot be used"), ==, 1);
  /* Put right, the same element plays. */
  gst_element_set_state (r->pipeline, GST_STATE_NULL);
  g_object_set (r->element, "record", NULL, NULL);
  run_play (r);
  run_free (r);
}

static gboolean
warned_and_flows (Run * r, gpointer data)
{
  guint64 *frames = data;

  if (run_count (r, GST_MESSAGE_WARNING, TRUE, "the recording ends here") == 0)
    return FALSE;
  if (*frames == 0)
    *frames = run_stat (r, "frames-out");
  return run_stat (r, "frames-out") >= *frames + 30;
}

/* The file is full: said once, and the stream goes on. */
static void
test_full (Fixture * f, gconstpointer data)
{
  Run *r = run_new (SOURCE "mloptimizer name=o" X264);
  const off_t most = MLO_RECORDER_MAX_BYTES;
  int fd = g_open (f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  guint64 frames = 0;

  g_assert_cmpint (pwrite (fd, "{", 1, 0), ==, 1);
  g_assert_cmpint (pwrite (fd, "\n", 1, most - 1500), ==, 1);
  close (fd);
  g_object_set (r->element, "record", f->path, NULL);
  run_play (r);
  g_assert_true (run_until (r, 30.0, warned_and_flows, &frames));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "the recording ends here"), ==, 1);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "256 MiB"), ==, 1);
  run_assert_clean (r, "the recording ends here");
  run_free (r);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)
  ADD ("/record/train", test_train);
  ADD ("/record/no-file", test_no_file);
  ADD ("/record/full", test_full);
  return g_test_run ();
}
