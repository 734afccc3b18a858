/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "mlo-dataset.h"
#include "mlo-error.h"
#include "mlo-recorder.h"

#define START_US (G_GINT64_CONSTANT (1700000000) * G_USEC_PER_SEC)
#define TICK_US 100000

G_STATIC_ASSERT (MLO_RECORDER_MAX_BYTES == MLO_DATASET_MAX_BYTES);

typedef struct
{
  char *folder, *path;
} Fixture;

static void
set_up (Fixture * f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("mlo-recorder-XXXXXX", NULL);
  f->path = g_build_filename (f->folder, "run.jsonl", NULL);
}

static void
tear_down (Fixture * f, gconstpointer data)
{
  g_unlink (f->path);
  g_assert_cmpint (g_rmdir (f->folder), ==, 0);
  g_free (f->path);
  g_free (f->folder);
}

static MloSample
make_sample (double bandwidth)
{
  MloSample s = { 0 };

  g_assert_true (mlo_sample_set (&s, MLO_FIELD_LATENCY, 41.25));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_BANDWIDTH, bandwidth));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_BITRATE, 3000.5));
  g_assert_true (mlo_sample_set (&s, MLO_FIELD_WIDTH, 1280));
  return s;
}

static void
add_ticks (MloRecorder * r, const char *stream, gint64 from_us, guint n)
{
  for (guint i = 0; i < n; i++) {
    MloSample s = make_sample (5000 + i);
    g_autoptr (GError) error = NULL;

    g_assert_true (mlo_recorder_add (r, stream, from_us + i * TICK_US, &s, &error));
    g_assert_no_error (error);
  }
}

static MloDataset *
load (Fixture * f)
{
  g_autoptr (GError) error = NULL;
  MloDataset *d = mlo_dataset_load (f->path, NULL, &error);

  g_assert_no_error (error);
  return d;
}

static MloRecorder *
open_recorder (Fixture * f)
{
  g_autoptr (GError) error = NULL;
  MloRecorder *r = mlo_recorder_open (f->path, &error);

  g_assert_no_error (error);
  return r;
}

/* What is written is what the trainer reads. */
static void
test_round_trip (Fixture * f, gconstpointer data)
{
  MloRecorder *r = open_recorder (f);
  g_autoptr (MloDataset) d = NULL;
  const MloRecording *rec;

  add_ticks (r, NULL, START_US, 30);
  mlo_recorder_free (r);
  d = load (f);
  g_assert_cmpuint (d->n_samples, ==, 30);
  g_assert_cmpuint (d->n_recordings, ==, 1);
  rec = d->recordings[0];
  g_assert_cmpuint (rec->n, ==, 30);
  for (guint i = 0; i < rec->n; i++) {
    const MloSample *s = &rec->ticks[i].sample;

    g_assert_cmpint (s->timestamp_us, ==, START_US + i * TICK_US);
    g_assert_cmpfloat (mlo_sample_get (s, MLO_FIELD_BANDWIDTH, 0.0), ==, 5000 + i);
    g_assert_cmpfloat (mlo_sample_get (s, MLO_FIELD_LATENCY, 0.0), ==, 41.25);
    g_assert_cmpfloat (mlo_sample_get (s, MLO_FIELD_BITRATE, 0.0), ==, 3000.5);
    g_assert_cmpuint (s->valid, ==, make_sample (1).valid);
  }
}

/* Each recorder, and each stream in it, is a recording of its own; one that is not later is left out. */
static void
test_streams (Fixture * f, gconstpointer data)
{
  MloRecorder *a = open_recorder (f), *b = open_recorder (f), *c;
  g_autoptr (MloDataset) d = NULL;

  add_ticks (a, NULL, START_US, 15);
  add_ticks (b, "x \"quoted\"\\\n\x01 \xc3\xa9", START_US - 5000000, 15);
  add_ticks (b, "y", START_US, 15);
  add_ticks (a, NULL, START_US + 13 * TICK_US, 5);      /* two of them again */
  mlo_recorder_free (a);
  mlo_recorder_free (b);
  c = open_recorder (f);
  add_ticks (c, NULL, START_US - 3000000, 15);
  mlo_recorder_free (c);
  d = load (f);
  g_assert_cmpuint (d->n_samples, ==, 15 + 15 + 15 + 3 + 15);
  g_assert_cmpuint (d->n_recordings, ==, 4);
}

/* Nothing is lost but the last second when the process dies, and the next one goes on from there. */
static void
test_killed (Fixture * f, gconstpointer data)
{
  MloRecorder *dead = open_recorder (f), *next;
  g_autoptr (MloDataset) d = NULL;
  g_autofree char *text = NULL;
  gsize length;

  add_ticks (dead, NULL, START_US, 35);
  /* not freed yet: what is on disk now is what would be there */
  g_assert_true (g_file_get_contents (f->path, &text, &length, NULL));
  d = load (f);
  g_assert_cmpuint (d->n_samples, >=, 25);
  mlo_recorder_free (dead);
  /* a line cut in the middle */
  g_assert_cmpint (truncate (f->path, (off_t) length - 20), ==, 0);
  next = open_recorder (f);
  add_ticks (next, NULL, START_US, 20);
  mlo_recorder_free (next);
  g_clear_pointer (&d, mlo_dataset_free);
  d = load (f);
  g_assert_cmpuint (d->n_recordings, ==, 2);
}

static void
test_refused (Fixture * f, gconstpointer data)
{
  g_autofree char *pipe = g_build_filename (f->folder, "pipe", NULL);
  g_autofree char *nowhere = g_build_filename (f->folder, "nowhere", "x", NULL);
  g_autofree char *text = NULL;
  const char *const paths[] = { f->folder, pipe, nowhere };
  static const char *const contents[] = { "[{\"timestamp\": 1}]\n", "a,b\n", "\n" };

  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (mlo_recorder_open (paths[i], &error));
    g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
    g_assert_nonnull (strstr (error->message, paths[i]));
  }
  g_unlink (pipe);
  /* somebody's file is left as it is */
  for (guint i = 0; i < G_N_ELEMENTS (contents); i++) {
    g_autoptr (GError) error = NULL;

    g_clear_pointer (&text, g_free);
    g_assert_true (g_file_set_contents (f->path, contents[i], -1, NULL));
    g_assert_null (mlo_recorder_open (f->path, &error));
    g_assert_error (error, MLO_ERROR, MLO_ERROR_FORMAT);
    g_assert_true (g_file_get_contents (f->path, &text, NULL, NULL));
    g_assert_cmpstr (text, ==, contents[i]);
  }
}

/* At the ceiling it ends with a whole line, says so once, and takes samples without a word after that. */
static void
test_ceiling (Fixture * f, gconstpointer data)
{
  const off_t most = MLO_RECORDER_MAX_BYTES;
  MloSample s = make_sample (1000);
  g_autoptr (MloRecorder) r = NULL;
  g_autoptr (GError) error = NULL;
  struct stat st;
  guint i;
  int fd = g_open (f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

  /* a file with a hole in it: nearly full, and no disk is */
  g_assert_cmpint (pwrite (fd, "{", 1, 0), ==, 1);
  g_assert_cmpint (pwrite (fd, "\n", 1, most - 2001), ==, 1);
  close (fd);
  r = open_recorder (f);
  for (i = 0; i < 100 && mlo_recorder_add (r, NULL, START_US + i * TICK_US, &s, &error); i++);
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_assert_cmpuint (i, >=, 2);
  g_clear_error (&error);
  g_assert_true (mlo_recorder_add (r, NULL, START_US + 1000 * TICK_US, &s, &error));
  g_assert_cmpint (g_stat (f->path, &st), ==, 0);
  g_assert_cmpint (st.st_size, <=, most);
  g_assert_cmpint (st.st_size, >, most - 1000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)
  ADD ("/recorder/round-trip", test_round_trip);
  ADD ("/recorder/streams", test_streams);
  ADD ("/recorder/killed", test_killed);
  ADD ("/recorder/refused", test_refused);
  ADD ("/recorder/ceiling", test_ceiling);
  return g_test_run ();
}
