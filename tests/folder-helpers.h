/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FOLDER_HELPERS_H
#define FOLDER_HELPERS_H

#include <glib/gstdio.h>

/* What tests with a folder of their own share: it goes with all that is in it; links are not followed. */
static inline void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *inside = g_build_filename (path, name, NULL);

    remove_tree (inside);
  }
  g_remove (path);
}

#endif
