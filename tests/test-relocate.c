/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "mlo-relocate.h"

static void
test_paths (void)
{
  static const struct
  {
    const char *here, *built_for, *prefix, *wanted, *expected;
  } rows[] = {
    {"/usr/lib/gstreamer-1.0", "/usr/lib/gstreamer-1.0", "/usr", "/usr/share/x", "/usr/share/x"},
    {"/opt/a/lib/gstreamer-1.0", "/usr/lib/gstreamer-1.0", "/usr", "/usr/share/x", "/opt/a/share/x"},
    {"/tmp/stage/usr/lib/gstreamer-1.0", "/usr/lib/gstreamer-1.0", "/usr", "/usr/share/x", "/tmp/stage/usr/share/x"},
    {"/opt/a/lib/gstreamer-1.0", "/usr/lib/gstreamer-1.0", "/usr/", "/usr/share/x", "/opt/a/share/x"},
    {"/lib/gstreamer-1.0", "/usr/lib/gstreamer-1.0", "/usr", "/usr/share/x", "/share/x"},
    {"/b/share/x", "/share/x", "/", "/etc/y", "/b/etc/y"},
    /* somewhere else */
    {"/home/u/plugins", "/usr/lib/gstreamer-1.0", "/usr", "/usr/share/x", NULL},
    /* ends alike, in the middle of a name */
    {"/opt/mylib/gstreamer-1.0", "/usr/lib/gstreamer-1.0", "/usr", "/usr/share/x", NULL},
    /* not below the prefix */
    {"/opt/lib", "/usr2/lib", "/usr", "/usr/share/x", NULL},
    {"/opt/lib", "/usr/lib", "/usr", "/var/x", NULL},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *found = mlo_relocate (rows[i].here, rows[i].built_for, rows[i].prefix, rows[i].wanted);

    g_test_message ("row %u", i);
    g_assert_cmpstr (found, ==, rows[i].expected);
  }
}

/* From the place of this very program. */
static void
test_found (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *folder = g_path_get_dirname (self), *name = g_path_get_basename (folder);
  g_autofree char *built_for = g_build_filename ("/not/there", name, NULL);
  g_autofree char *none = mlo_relocate_found (test_found, built_for, "/not/there", "/not/there/neither");
  g_autofree char *as_built = mlo_relocate_found (test_found, "/a/b", "/a", "/usr");
  g_autofree char *moved = mlo_relocate_found (test_found, built_for, "/not/there", built_for);

  g_assert_null (none);
  g_assert_cmpstr (as_built, ==, "/usr");
  g_assert_cmpstr (moved, ==, folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relocate/paths", test_paths);
  g_test_add_func ("/relocate/found", test_found);
  return g_test_run ();
}
