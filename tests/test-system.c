/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "mlo-system.h"

static void
put (const char *dir, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
test_reads (void)
{
  g_autofree char *dir = g_dir_make_tmp ("mlo-system-XXXXXX", NULL);
  g_autofree char *stat = g_build_filename (dir, "stat", NULL);
  g_autofree char *mem = g_build_filename (dir, "meminfo", NULL);
  MloSystem s;
  MloSample sample = { 0 };

  mlo_system_init (&s, dir);
  mlo_system_read (&s, &sample);
  g_assert_cmpuint (sample.valid, ==, 0);
  put (dir, "stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 2 3\n");
  put (dir, "meminfo", "MemTotal:       1000 kB\nMemFree:   1 kB\nMemAvailable:    250 kB\n");
  mlo_system_read (&s, &sample);
  g_assert_false (mlo_sample_has (&sample, MLO_FIELD_CPU_USAGE));
  g_assert_cmpfloat (sample.memory_usage, ==, 0.75);
  put (dir, "stat", "cpu  140 0 120 720 120 0 0 0 0 0\n");
  mlo_system_read (&s, &sample);
  g_assert_cmpfloat (fabs (sample.cpu_usage - 0.6), <, 1e-9);
  /* A counter that went back says nothing. */
  sample.valid = 0;
  put (dir, "stat", "cpu  10 0 120 720 120 0 0 0 0 0\n");
  mlo_system_read (&s, &sample);
  g_assert_false (mlo_sample_has (&sample, MLO_FIELD_CPU_USAGE));
  g_unlink (stat);
  g_unlink (mem);
  g_rmdir (dir);
}

static void
test_bad_text (void)
{
  static const char *const bad_stat[] = { "", "cpu", "cpu ", "cpu x", "cpu 1 2 3", "intr 1 2 3 4" };
  static const char *const bad_mem[] = { "", "MemTotal:", "MemTotal: 5 kB\n", "MemTotal: 0\nMemAvailable: 0\n",
    "MemTotal: 5\nMemAvailable: 6\n"
  };
  guint64 busy, total;
  double used;

  for (guint i = 0; i < G_N_ELEMENTS (bad_stat); i++)
    g_assert_false (mlo_system_parse_stat (bad_stat[i], strlen (bad_stat[i]), &busy, &total));
  for (guint i = 0; i < G_N_ELEMENTS (bad_mem); i++)
    g_assert_false (mlo_system_parse_meminfo (bad_mem[i], strlen (bad_mem[i]), &used));
}

static void
test_this_machine (void)
{
  MloSystem s;
  MloSample sample = { 0 };

  mlo_system_init (&s, NULL);
  mlo_system_read (&s, &sample);
  g_assert_true (mlo_sample_has (&sample, MLO_FIELD_MEMORY_USAGE));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/system/reads", test_reads);
  g_test_add_func ("/system/bad-text", test_bad_text);
  g_test_add_func ("/system/this-machine", test_this_machine);
  return g_test_run ();
}
