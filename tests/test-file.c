/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <glib/gstdio.h>

#include "mlo-error.h"
#include "mlo-file.h"

static void
test_read (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-file-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "x", NULL), *pipe = g_build_filename (folder, "pipe", NULL);
  g_autofree guint8 *data = NULL;
  g_autofree guint8 *empty = NULL;
  guint8 *none = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_assert_true (g_file_set_contents (path, "abc\0d", 5, NULL));
  g_assert_true (mlo_file_read (path, 5, &data, &size, &error));
  g_assert_cmpmem (data, size, "abc\0d", 5);

  g_assert_false (mlo_file_read (path, 4, &none, &size, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_assert_nonnull (strstr (error->message, path));
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  g_assert_true (mlo_file_read (path, 0, &empty, &size, &error));
  g_assert_cmpuint (size, ==, 0);

  /* would wait for a writer for ever */
  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  g_assert_false (mlo_file_read (pipe, 5, &none, &size, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  g_clear_error (&error);
  g_assert_false (mlo_file_read (folder, 5, &none, &size, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  g_clear_error (&error);
  g_unlink (path);
  g_assert_false (mlo_file_read (path, 5, &none, &size, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
  g_assert_null (none);
  g_unlink (pipe);
  g_rmdir (folder);
}

static gpointer
feed (gpointer path)
{
  g_autofree char *text = g_strnfill (200000, 'x');
  FILE *f = fopen (path, "we");

  g_assert_nonnull (f);
  /* what nobody reads any more is no matter */
  fwrite (text, 1, 200000, f);
  fclose (f);
  return NULL;
}

/* A pipe of more than is read at once; a device without an end. */
static void
test_stream (void)
{
  static const struct
  {
    gsize most;
    gboolean fits;
  } cases[] = { {200000, TRUE}, {1 << 20, TRUE}, {199999, FALSE}, {0, FALSE} };
  g_autofree char *folder = g_dir_make_tmp ("mlo-file-XXXXXX", NULL);
  g_autofree char *pipe = g_build_filename (folder, "pipe", NULL);
  g_autoptr (GError) error = NULL;
  guint8 *none = NULL;
  gsize size;

  signal (SIGPIPE, SIG_IGN);
  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    GThread *writer = g_thread_new ("writer", feed, pipe);
    g_autofree guint8 *data = NULL;
    gboolean read = mlo_file_read_stream (pipe, cases[i].most, &data, &size, &error);

    g_thread_join (writer);
    g_assert_cmpint (read, ==, cases[i].fits);
    if (read) {
      g_assert_cmpuint (size, ==, 200000);
      g_assert_true (data[0] == 'x' && data[size - 1] == 'x');
    } else {
      g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
      g_clear_error (&error);
    }
  }
  g_assert_false (mlo_file_read_stream ("/dev/zero", 1 << 20, &none, &size, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_clear_error (&error);
  g_assert_false (mlo_file_read_stream (folder, 5, &none, &size, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  g_clear_error (&error);
  g_unlink (pipe);
  g_assert_false (mlo_file_read_stream (pipe, 5, &none, &size, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
  g_assert_null (none);
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/file/read", test_read);
  g_test_add_func ("/file/stream", test_stream);
  return g_test_run ();
}
