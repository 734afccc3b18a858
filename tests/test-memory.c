/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Allocations that fail, each in turn, in everything that reads what comes from outside. What is as large as a file says
 * ends with an error; where GLib or a library gives up instead it says so and aborts. Nothing else may happen: no use of
 * what is not there, no result that is not one. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mlo-bitrate-predictor.h"
#include "mlo-dataset.h"
#include "mlo-error.h"
#include "mlo-file.h"
#include "mlo-message.h"
#include "mlo-pickle.h"
#include "mlo-quality-optimizer.h"
#include "mlo-reserve.h"
#include "mlo-trace.h"

/* What is as large as a file says begins here: tensors, files. */
#define LARGE 8192
/* Of those that are tried where there are more; all of them with -m slow. */
#define TRIED 150

/* --- the allocator of this whole process, glibc's below it --- */

void *__libc_malloc (size_t size);
void *__libc_calloc (size_t n, size_t size);
void *__libc_realloc (void *block, size_t size);

static gint armed;              /* atomic, as the next ones */
static gint seen, fail_at;
static gsize least;

static gboolean
fails (size_t size)
{
  gint n;

  if (!g_atomic_int_get (&armed) || size < least)
    return FALSE;
  n = g_atomic_int_add (&seen, 1);
  if (n == fail_at) {
    errno = ENOMEM;
    return TRUE;
  }
  return FALSE;
}

#define SHOWN __attribute__((visibility("default")))

SHOWN void *
malloc (size_t size)
{
  return fails (size) ? NULL : __libc_malloc (size);
}

SHOWN void *
calloc (size_t n, size_t size)
{
  return fails (n * size) ? NULL : __libc_calloc (n, size);
}

SHOWN void *
realloc (void *block, size_t size)
{
  return fails (size) ? NULL : __libc_realloc (block, size);
}

/* --- what is read --- */

/* Returns: whether there is a result; else @error is set. */
typedef gboolean (*Load) (const char *path, GError ** error);

static gboolean
load_predictor (const char *path, GError ** error)
{
  g_autoptr (MloBitratePredictor) p = mlo_bitrate_predictor_load (path, error);
  g_autoptr (MloPredictorState) s = p ? mlo_predictor_state_new (p) : NULL;

  return s || (p && mlo_error_memory (error, path, 0));
}

static gboolean
load_optimizer (const char *path, GError ** error)
{
  g_autoptr (MloQualityOptimizer) q = mlo_quality_optimizer_load (path, error);

  return q != NULL;
}

/* Without the archive around it: libarchive 3.6 uses what it did not get. Only the tool reads checkpoints. */
static gboolean
load_pickle (const char *path, GError ** error)
{
  g_autofree guint8 *data = NULL;
  g_autoptr (MloPickle) p = NULL;
  gsize size;

  if (!mlo_file_read (path, MLO_PICKLE_MAX_BYTES, &data, &size, error))
    return FALSE;
  p = mlo_pickle_parse (path, data, size, error);
  return p != NULL;
}

static gboolean
load_dataset (const char *path, GError ** error)
{
  g_autoptr (MloDataset) d = mlo_dataset_load (path, NULL, error);

  return d != NULL;
}

static gboolean
load_trace (const char *path, GError ** error)
{
  g_autoptr (MloTrace) t = mlo_trace_load (path, error);

  return t != NULL;
}

static gboolean
load_reserve (const char *path, GError ** error)
{
  g_autoptr (GPtrArray) pieces = mlo_reserve_load (path, error);

  return pieces != NULL;
}

static gboolean
load_message (const char *path, GError ** error)
{
  g_autofree guint8 *text = NULL;
  MloMessage m;
  gsize size;

  return mlo_file_read (path, MLO_MESSAGE_MAX_BYTES, &text, &size, error)
      && mlo_message_parse ((const char *) text, size, mlo_message_keep, &m, error) >= 0;
}

/* Streams, gaps and recordings of some length. */
static void
write_dataset (const char *path)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < 600; i++) {
    g_string_append_printf (text, "{\"timestamp\": %" G_GUINT64_FORMAT ", \"latency_ms\": 20, \"jitter_ms\": 1, "
        "\"packet_loss\": 0, \"bandwidth_kbps\": %u, \"bitrate_kbps\": 4000, \"fps\": 60, \"quality_score\": 0.5, "
        "\"stream\": %u}\n", G_GUINT64_CONSTANT (1700000000000) + i * 100 + i / 100 * 10000, 5000 + i % 7,
        i % 8 ? 1 : i);
  }
  g_assert_true (g_file_set_contents (path, text->str, -1, NULL));
}

/* Rows, every other an outage. */
static void
write_trace (const char *path)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < 2000; i++)
    g_string_append_printf (text, "%u,%u\n", i * 300, i % 2 * 5000);
  g_assert_true (g_file_set_contents (path, text->str, -1, NULL));
}

static const struct
{
  const char *name, *path;
  Load load;
  gboolean error_where_large;   /* its large allocations end with an error */
  void (*write) (const char *path);     /* else it is there */
} loads[] = {
  {"predictor", TEST_SOURCE "/models/bitrate_predictor.safetensors", load_predictor, TRUE},
  {"optimizer", TEST_SOURCE "/models/quality_optimizer.safetensors", load_optimizer, TRUE},
  {"pickle", TEST_SOURCE "/tests/fuzz/corpus/pickle/small.pkl", load_pickle},
  {"dataset", TEST_SOURCE "/tests/fuzz/corpus/dataset/lines.jsonl", load_dataset},
  {"trace", TEST_SOURCE "/tests/fuzz/corpus/trace/full.csv", load_trace},
  {"trace-mahimahi", TEST_SOURCE "/tests/fuzz/corpus/trace/mahimahi.txt", load_trace},
  {"reserve", TEST_SOURCE "/tests/fuzz/corpus/reserve/two-pieces", load_reserve},
  {"dataset-large", "dataset.jsonl", load_dataset, TRUE, write_dataset},
  {"trace-large", "trace.csv", load_trace, TRUE, write_trace},
  {"message", TEST_SOURCE "/tests/fuzz/corpus/message/array.json", load_message},
};

typedef enum
{
  END_LOADED,
  END_ERROR,                    /* of ours */
  END_MEMORY,                   /* of ours, and it says why */
  END_ABORTED,
  END_WRONG,
  N_ENDS
} End;

/* In a child, with the @at-th allocation of @size bytes and more failing. */
static End
try (guint which, gint at, gsize size)
{
  int status = 0;
  pid_t child = fork ();

  g_assert_cmpint (child, >=, 0);
  if (child == 0) {
    g_autoptr (GError) error = NULL;
    int silent = open ("/dev/null", O_WRONLY);
    gboolean there;

    dup2 (silent, STDOUT_FILENO);
    dup2 (silent, STDERR_FILENO);
    alarm (20);
    fail_at = at;
    least = size;
    seen = 0;
    g_atomic_int_set (&armed, 1);
    there = loads[which].load (loads[which].path, &error);
    g_atomic_int_set (&armed, 0);
    if (there != (error == NULL) || (error && error->domain != MLO_ERROR))
      _exit (END_WRONG);
    _exit (there ? END_LOADED : error->code == MLO_ERROR_MEMORY ? END_MEMORY : END_ERROR);
  }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  if (WIFEXITED (status))
    return MIN ((guint) WEXITSTATUS (status), END_WRONG);
  /* g_error () traps or aborts. */
  return WIFSIGNALED (status) && (WTERMSIG (status) == SIGTRAP
      || WTERMSIG (status) == SIGABRT) ? END_ABORTED : END_WRONG;
}

/* How many there are. */
static gint
count (guint which, gsize size)
{
  g_autoptr (GError) error = NULL;

  fail_at = -1;
  least = size;
  seen = 0;
  g_atomic_int_set (&armed, 1);
  g_assert_true (loads[which].load (loads[which].path, &error));
  g_atomic_int_set (&armed, 0);
  g_assert_no_error (error);
  return g_atomic_int_get (&seen);
}

static void
fail_each (guint which, gsize size, guint ends[N_ENDS])
{
  gint n = count (which, size);
  gint step = g_test_slow ()? 1 : MAX (1, n / TRIED);

  memset (ends, 0, N_ENDS * sizeof *ends);
  for (gint at = 0; at < n; at += step) {
    End end = try (which, at, size);

    if (end == END_WRONG)
      g_error ("%s: allocation %d of %d", loads[which].name, at, n);
    ends[end]++;
  }
  g_test_message ("%s: %d allocations of %" G_GSIZE_FORMAT " bytes or more, each %d.: loaded %u, an error %u, of which "
      "not enough memory %u, given up %u", loads[which].name, n, size, step,
      ends[END_LOADED], ends[END_ERROR] + ends[END_MEMORY], ends[END_MEMORY], ends[END_ABORTED]);
}

/* Whatever fails, there is a result, an error, or a clear end. */
static void
test_any (gconstpointer data)
{
  guint which = GPOINTER_TO_UINT (data), ends[N_ENDS];

  fail_each (which, 0, ends);
}

/* What is as large as a file says never ends the process. */
static void
test_large (gconstpointer data)
{
  guint which = GPOINTER_TO_UINT (data), ends[N_ENDS];

  fail_each (which, LARGE, ends);
  g_assert_cmpuint (ends[END_MEMORY], >, 0);
  g_assert_cmpuint (ends[END_ABORTED], ==, 0);
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-memory-XXXXXX", NULL);
  int status;

  g_test_init (&argc, &argv, NULL);
  g_assert_no_errno (g_chdir (folder));
  for (guint i = 0; i < G_N_ELEMENTS (loads); i++) {
    g_autofree char *any = g_strconcat ("/memory/any/", loads[i].name, NULL);
    g_autofree char *large = g_strconcat ("/memory/large/", loads[i].name, NULL);

    if (loads[i].write)
      loads[i].write (loads[i].path);
    g_test_add_data_func (any, GUINT_TO_POINTER (i), test_any);
    if (loads[i].error_where_large)
      g_test_add_data_func (large, GUINT_TO_POINTER (i), test_large);
  }
  status = g_test_run ();
  for (guint i = 0; i < G_N_ELEMENTS (loads); i++) {
    if (loads[i].write)
      g_unlink (loads[i].path);
  }
  g_rmdir (folder);
  return status;
}
