/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-relocate.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* What @path has after @prefix, with the slash it begins with; NULL: it is not below. */
static const char *
below (const char *path, const char *prefix)
{
  gsize n = strlen (prefix);

  while (n > 0 && prefix[n - 1] == '/')
    n--;
  return strncmp (path, prefix, n) == 0 && path[n] == '/' ? path + n : NULL;
}

char *
mlo_relocate (const char *here, const char *built_for, const char *prefix, const char *wanted)
{
  const char *ours = below (built_for, prefix), *theirs = below (wanted, prefix);
  g_autofree char *root = NULL;

  if (!ours || !theirs || !g_str_has_suffix (here, ours))
    return NULL;
  root = g_strndup (here, strlen (here) - strlen (ours));
  return g_strconcat (root, theirs, NULL);
}

/* Links resolved: an installation may be reached by one. */
static char *
real_path (const char *path)
{
  char *found = realpath (path, NULL);
  char *copy = g_strdup (found);

  free (found);
  return copy;
}

char *
mlo_relocate_found (gpointer within, const char *built_for, const char *prefix, const char *wanted)
{
  g_autofree char *self = NULL, *folder = NULL, *moved = NULL;
  Dl_info info;

  /* Of a program this is what it was called by. */
  if (dladdr (within, &info) && info.dli_fname && strchr (info.dli_fname, '/'))
    self = real_path (info.dli_fname);
  if (!self)
    self = g_file_read_link ("/proc/self/exe", NULL);
  if (self) {
    folder = g_path_get_dirname (self);
    moved = mlo_relocate (folder, built_for, prefix, wanted);
    if (moved && g_file_test (moved, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&moved);
  }
  return g_file_test (wanted, G_FILE_TEST_EXISTS) ? g_strdup (wanted) : NULL;
}
