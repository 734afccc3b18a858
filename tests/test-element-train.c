/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The property train: steps happen, within their budget, and what was learned is there the next time. */
#include <math.h>
#include <sched.h>
#include <stdlib.h>

#include "element-helpers.h"
#include "folder-helpers.h"
#include "gstmlolearn.h"

/* Ticks of 20 ms: what takes a minute otherwise is there in some seconds. */
#define SOURCE "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! "
#define X264 " ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=1000 key-int-max=60 ! fakesink async=false"
#define ELEMENT "mloptimizer name=o interval=20 train=true train-cpu=20"

typedef struct
{
  char *folder;
} Fixture;

static void
set_up (Fixture * f, gconstpointer data)
{
  f->folder = g_dir_make_tmp ("mlo-train-XXXXXX", NULL);
}

static void
tear_down (Fixture * f, gconstpointer data)
{
  remove_tree (f->folder);
  g_free (f->folder);
}

static Run *
run_train (const char *element, const char *folder)
{
  g_autofree char *launch = g_strconcat (SOURCE, element, X264, NULL);
  Run *r = run_new (launch);

  g_object_set (r->element, "train-dir", folder, NULL);
  return r;
}

/* As an application that measures at its client, of a path that is never twice the same. */
static void
tell_metrics (Run * r)
{
  static guint n = 0;
  double kbps = (n / 40 % 2 == 0 ? 4000.0 : 900.0) + n % 7;

  gst_element_post_message (r->pipeline, gst_message_new_element (GST_OBJECT (r->pipeline),
          gst_structure_new ("mloptimizer-metrics", "latency_ms", G_TYPE_DOUBLE, 40.0, "queue_delay_ms", G_TYPE_DOUBLE,
              4.0, "jitter_ms", G_TYPE_DOUBLE, 2.0, "packet_loss", G_TYPE_DOUBLE, 0.0, "bandwidth_kbps", G_TYPE_DOUBLE,
              kbps, NULL)));
  n++;
}

/* The field `training` of stats, or that inside it called @part; NULL: there is none. */
static GstStructure *
training (Run * r, const char *part)
{
  g_autoptr (GstStructure) stats = NULL, own = NULL, inside = NULL;

  g_object_get (r->element, "stats", &stats, NULL);
  gst_structure_get (stats, "training", GST_TYPE_STRUCTURE, &own, NULL);
  if (!part || !own)
    return g_steal_pointer (&own);
  gst_structure_get (own, part, GST_TYPE_STRUCTURE, &inside, NULL);
  return g_steal_pointer (&inside);
}

static guint64
count_of (Run * r, const char *part, const char *name)
{
  g_autoptr (GstStructure) s = training (r, part);
  guint64 n = 0;

  if (s)
    g_assert_true (gst_structure_get_uint64 (s, name, &n));
  return n;
}

static double
number_of (Run * r, const char *name)
{
  g_autoptr (GstStructure) s = training (r, NULL);
  double value = -1.0;

  if (s)
    gst_structure_get_double (s, name, &value);
  return value;
}

static gboolean
has_updates (Run * r, gpointer data)
{
  tell_metrics (r);
  return count_of (r, "predictor", "updates") >= *(guint64 *) data;
}

static gboolean
has_ticks (Run * r, gpointer data)
{
  tell_metrics (r);
  return count_of (r, NULL, "ticks") >= *(guint64 *) data;
}

/* Field @n (from 1) of the learner's line in /proc, -1 where there is no such thread: n 41 is its policy. */
static long
learner_field (guint n)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename ("/proc/self/task", name, "stat", NULL);
    g_autofree char *text = NULL;
    g_auto (GStrv) fields = NULL;

    if (!g_file_get_contents (path, &text, NULL, NULL) || !strstr (text, "(mlo-learner)"))
      continue;
    /* Behind the name, which is field 2. */
    fields = g_strsplit (strrchr (text, ')') + 2, " ", -1);
    return n - 3 < g_strv_length (fields) ? atol (fields[n - 3]) : -1;
  }
  return -1;
}

static gboolean
file_exists (const Fixture * f, const char *key, const char *file)
{
  g_autofree char *path = g_build_filename (f->folder, key, file, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
test_learns_and_keeps (Fixture * f, gconstpointer data)
{
  guint64 some = 15, more;
  double cpu, minutes;
  Run *r = run_train (ELEMENT, f->folder);

  run_play (r);
  g_assert_true (run_until (r, 120.0, has_updates, &some));
  g_assert_cmpint (learner_field (41), ==, SCHED_IDLE);
  g_assert_cmpuint (count_of (r, NULL, "ticks"), >, 300);
  g_assert_cmpuint (count_of (r, NULL, "labels"), >, 250);
  g_assert_cmpuint (count_of (r, NULL, "ticks-lost"), ==, 0);
  cpu = number_of (r, "cpu");
  minutes = number_of (r, "minutes");
  g_test_message ("%.2f %% of a core, %.3f minutes", cpu, minutes);
  g_assert_cmpfloat (cpu, >, 0.0);
  g_assert_cmpfloat (cpu, <, 1.2 * 20.0);
  g_assert_cmpfloat (minutes, >, 300 * 0.02 / 60.0);
  run_assert_clean (r, NULL);
  run_free (r);
  g_assert_cmpint (learner_field (1), ==, -1);
  g_assert_true (file_exists (f, "default", MLO_PREDICTOR_FILE));
  g_assert_true (file_exists (f, "default", MLO_OPTIMIZER_FILE));
  g_assert_true (file_exists (f, "default", "learner.safetensors"));

  /* The same element again: it goes on where it was, and begins with a bitrate that was good. */
  r = run_train (ELEMENT, f->folder);
  run_play (r);
  more = 10;
  g_assert_true (run_until (r, 60.0, has_ticks, &more));
  g_assert_cmpuint (count_of (r, "predictor", "updates"), >=, some);
  g_assert_cmpuint (count_of (r, NULL, "streams"), >=, 1);
  g_assert_cmpfloat (number_of (r, "minutes"), >, minutes);
  run_assert_clean (r, NULL);
  run_free (r);
}

/* Another path has not learned this one's. */
static void
test_keys (Fixture * f, gconstpointer data)
{
  guint64 some = 120, few = 5;
  guint start = 0;
  Run *r = run_train (ELEMENT " train-key=home", f->folder);

  run_play (r);
  g_assert_true (run_until (r, 60.0, has_ticks, &some));
  run_free (r);
  g_assert_true (file_exists (f, "home", MLO_PREDICTOR_FILE));
  r = run_train (ELEMENT " train-key=mobile", f->folder);
  run_play (r);
  g_assert_true (run_until (r, 60.0, has_ticks, &few));
  g_assert_cmpuint (count_of (r, NULL, "streams"), ==, 0);
  run_free (r);

  /* Without feedback the bitrate that was good stands, where none was chosen. */
  r = run_train (ELEMENT " train-key=home mode=observe", f->folder);
  run_play (r);
  run_until (r, 1.0, NULL, NULL);
  g_object_get (r->element, "bitrate", &start, NULL);
  g_test_message ("start at %u bit/s", start);
  g_assert_cmpuint (start, !=, 1000000);
  g_assert_cmpuint (start, >=, 300000);
  /* Nothing is learned of a stream that one does not control. */
  g_assert_cmpuint (count_of (r, NULL, "ticks"), ==, 0);
  run_free (r);
}

/* The second of two streams with one key learns, and is not kept. */
static void
test_same_key (Fixture * f, gconstpointer data)
{
  guint64 few = 20;
  Run *a = run_train (ELEMENT, f->folder), *b = run_train (ELEMENT, f->folder);

  run_play (a);
  g_assert_true (run_until (a, 60.0, has_ticks, &few));
  run_play (b);
  g_assert_true (run_until (b, 60.0, has_ticks, &few));
  g_assert_cmpuint (run_count (b, GST_MESSAGE_WARNING, TRUE, "in use by another stream"), ==, 1);
  run_assert_clean (a, NULL);
  run_free (b);
  run_free (a);
}

static void
test_nowhere_to_keep (Fixture * f, gconstpointer data)
{
  guint64 few = 20;
  Run *r = run_train (ELEMENT, "/proc/mloptimizer");

  run_play (r);
  g_assert_true (run_until (r, 60.0, has_ticks, &few));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "is not kept"), ==, 1);
  g_assert_cmpuint (run_stat (r, "frames-out"), >, 0);
  run_free (r);
}

static void
test_set_aside (Fixture * f, gconstpointer data)
{
  g_autofree char *folder = g_build_filename (f->folder, "default", NULL);
  g_autofree char *path = g_build_filename (folder, MLO_PREDICTOR_FILE, NULL);
  guint64 few = 5;
  Run *r = run_train (ELEMENT, f->folder);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, "somebody's own", -1, NULL));
  run_play (r);
  g_assert_true (run_until (r, 60.0, has_ticks, &few));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "kept as"), ==, 1);
  run_free (r);
}

/* Nothing of it is there before it is asked for. */
static void
test_off (Fixture * f, gconstpointer data)
{
  Run *r = run_train ("mloptimizer name=o", f->folder);
  g_autoptr (GDir) dir = NULL;

  run_play (r);
  run_until (r, 1.0, NULL, NULL);
  g_assert_cmpint (learner_field (1), ==, -1);
  g_assert_null (training (r, NULL));
  run_free (r);
  dir = g_dir_open (f->folder, 0, NULL);
  g_assert_null (g_dir_read_name (dir));
}

static void
test_wrong_setup (Fixture * f, gconstpointer data)
{
  g_autofree char *key = g_strnfill (129, 'k');
  Run *r = run_train (ELEMENT, f->folder);

  g_object_set (r->element, "train-key", key, NULL);
  g_assert_cmpint (gst_element_set_state (r->pipeline, GST_STATE_PLAYING), ==, GST_STATE_CHANGE_FAILURE);
  g_assert_true (run_until (r, 10.0, run_ended, NULL));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, TRUE, "The property train-key cannot be used"), ==, 1);
  /* Put right, the same element plays. */
  gst_element_set_state (r->pipeline, GST_STATE_NULL);
  g_object_set (r->element, "train-key", "k", NULL);
  run_play (r);
  run_free (r);
}

/* What the application is told of a change: once, of the network that changed, no number that is none. */
static void
test_message (Fixture * f, gconstpointer data)
{
  MloLearnerReport before = { 0 }, now = { 0 };
  g_autoptr (GstStructure) promoted = NULL, demoted = NULL;
  double score = 0.0;
  guint64 n = 0;

  before.online.predictor.held_shipped = now.online.predictor.held_shipped = NAN;
  now.online.predictor.updates = 100;
  g_assert_null (gst_mlo_learn_message (&before, &now));
  now.online.predictor.promotions = 1;
  now.online.predictor.last_change = MLO_ONLINE_PROMOTED;
  now.online.predictor.held_challenger = 1.5;
  promoted = gst_mlo_learn_message (&before, &now);
  g_assert_cmpstr (gst_structure_get_name (promoted), ==, "mloptimizer-training");
  g_assert_cmpstr (gst_structure_get_string (promoted, "network"), ==, "predictor");
  g_assert_cmpstr (gst_structure_get_string (promoted, "event"), ==, "promoted");
  g_assert_true (gst_structure_get_double (promoted, "score-challenger", &score));
  g_assert_cmpfloat (score, ==, 1.5);
  g_assert_false (gst_structure_has_field (promoted, "score-shipped"));
  g_assert_true (gst_structure_get_uint64 (promoted, "updates", &n));
  g_assert_cmpuint (n, ==, 100);
  before = now;
  now.online.optimizer.demotions = 1;
  now.online.optimizer.last_change = MLO_ONLINE_DEMOTED;
  demoted = gst_mlo_learn_message (&before, &now);
  g_assert_cmpstr (gst_structure_get_string (demoted, "network"), ==, "optimizer");
  g_assert_cmpstr (gst_structure_get_string (demoted, "event"), ==, "demoted");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)
  ADD ("/train/learns-and-keeps", test_learns_and_keeps);
  ADD ("/train/keys", test_keys);
  ADD ("/train/same-key", test_same_key);
  ADD ("/train/nowhere-to-keep", test_nowhere_to_keep);
  ADD ("/train/set-aside", test_set_aside);
  ADD ("/train/off", test_off);
  ADD ("/train/wrong-setup", test_wrong_setup);
  ADD ("/train/message", test_message);
  return g_test_run ();
}
