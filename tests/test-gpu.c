/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine with graphics processors, made of files, and a library that stands for NVML. */
#include <glib/gstdio.h>
#include <math.h>

#include "mlo-gpu.h"

static char *
make_root (void)
{
  return g_dir_make_tmp ("mlo-gpu-XXXXXX", NULL);
}

static void
put (const char *root, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (root, "class", "drm", name, NULL);
  g_autofree char *folder = g_path_get_dirname (path);

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
remove_root (char *root)
{
  const char *argv[] = { "rm", "-rf", root, NULL };

  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
  g_free (root);
}

static double
usage (MloGpu * g, gint64 ms)
{
  MloSample sample = { 0 };

  mlo_gpu_read (g, ms * 1000, &sample);
  return mlo_sample_get (&sample, MLO_FIELD_GPU_USAGE, -1.0);
}

static void
test_amdgpu (void)
{
  static const struct
  {
    const char *text;
    double usage;
  } rows[] = {
    {"37\n", 0.37}, {"0\n", 0.0}, {"100\n", 1.0}, {"101\n", -1.0}, {"", -1.0}, {"-5\n", -1.0}, {"many\n", -1.0},
    {"12 x\n", -1.0}, {"99999999999999999999999\n", -1.0},
  };
  char *root = make_root ();
  MloGpu g;

  put (root, "card1/device/gpu_busy_percent", "5\n");
  put (root, "card1-HDMI-A-1/device/gpu_busy_percent", "99\n");
  put (root, "renderD128/device/gpu_busy_percent", "99\n");
  put (root, "card/device/gpu_busy_percent", "99\n");
  mlo_gpu_init (&g, root, NULL);
  g_assert_cmpuint (g.n_cards, ==, 1);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    put (root, "card1/device/gpu_busy_percent", rows[i].text);
    g_assert_cmpfloat (fabs (usage (&g, 1000 + i) - rows[i].usage), <, 1e-9);
  }
  mlo_gpu_clear (&g);
  remove_root (root);
}

/* Of i915 the time asleep is known; xe has the same elsewhere. */
static void
test_idle (gconstpointer file)
{
  char *root = make_root ();
  MloGpu g;

  put (root, file, "5000\n");
  mlo_gpu_init (&g, root, NULL);
  g_assert_cmpfloat (usage (&g, 1000), ==, -1.0);
  put (root, file, "5750\n");
  g_assert_cmpfloat (fabs (usage (&g, 2000) - 0.25), <, 1e-9);
  put (root, file, "5750\n");
  g_assert_cmpfloat (usage (&g, 3000), ==, 1.0);
  /* The clocks are not the same: a little more than all of the time asleep. */
  put (root, file, "6760\n");
  g_assert_cmpfloat (usage (&g, 4000), ==, 0.0);
  put (root, file, "10\n");
  g_assert_cmpfloat (usage (&g, 5000), ==, -1.0);
  put (root, file, "510\n");
  g_assert_cmpfloat (fabs (usage (&g, 6000) - 0.5), <, 1e-9);
  mlo_gpu_clear (&g);
  remove_root (root);
}

/* The busiest counts. */
static void
test_several (void)
{
  char *root = make_root ();
  MloGpu g;

  put (root, "card0/gt/gt0/rc6_residency_ms", "0\n");
  put (root, "card1/device/gpu_busy_percent", "20\n");
  mlo_gpu_init (&g, root, NULL);
  g_assert_cmpuint (g.n_cards, ==, 2);
  g_assert_cmpfloat (fabs (usage (&g, 1000) - 0.2), <, 1e-9);
  put (root, "card0/gt/gt0/rc6_residency_ms", "400\n");
  g_assert_cmpfloat (fabs (usage (&g, 2000) - 0.6), <, 1e-9);
  mlo_gpu_clear (&g);
  remove_root (root);
}

static void
test_nvml (void)
{
  char *root = make_root ();
  MloGpu g;

  g_setenv ("MOCK_NVML", "12 34", TRUE);
  g_unsetenv ("MOCK_NVML_DOWN");
  put (root, "card0/device/gpu_busy_percent", "20\n");
  mlo_gpu_init (&g, root, g_getenv ("MLO_MOCK_NVML"));
  g_assert_cmpuint (g.n_devices, ==, 2);
  g_assert_cmpfloat (fabs (usage (&g, 1000) - 0.34), <, 1e-9);
  g_setenv ("MOCK_NVML", "3 4", TRUE);
  g_assert_cmpfloat (fabs (usage (&g, 2000) - 0.2), <, 1e-9);
  /* One that has fallen off the bus. */
  g_setenv ("MOCK_NVML", "101 70", TRUE);
  g_assert_cmpfloat (fabs (usage (&g, 3000) - 0.7), <, 1e-9);
  mlo_gpu_clear (&g);
  g_assert_nonnull (g_getenv ("MOCK_NVML_DOWN"));
  /* The library without a driver, and a library that is none. */
  g_unsetenv ("MOCK_NVML");
  mlo_gpu_init (&g, root, g_getenv ("MLO_MOCK_NVML"));
  g_assert_cmpuint (g.n_devices, ==, 0);
  mlo_gpu_clear (&g);
  mlo_gpu_init (&g, root, "libm.so.6");
  g_assert_cmpuint (g.n_devices, ==, 0);
  mlo_gpu_clear (&g);
  mlo_gpu_init (&g, root, "/nonexistent/libnvidia-ml.so");
  g_assert_cmpfloat (fabs (usage (&g, 1000) - 0.2), <, 1e-9);
  mlo_gpu_clear (&g);
  remove_root (root);
}

static void
test_none (void)
{
  MloGpu g;

  mlo_gpu_init (&g, "/nonexistent", NULL);
  g_assert_cmpfloat (usage (&g, 1000), ==, -1.0);
  mlo_gpu_clear (&g);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gpu/amdgpu", test_amdgpu);
  g_test_add_data_func ("/gpu/i915", "card0/gt/gt0/rc6_residency_ms", test_idle);
  g_test_add_data_func ("/gpu/i915-old", "card0/power/rc6_residency_ms", test_idle);
  g_test_add_data_func ("/gpu/xe", "card0/device/tile0/gt0/gtidle/idle_residency_ms", test_idle);
  g_test_add_func ("/gpu/several", test_several);
  g_test_add_func ("/gpu/nvml", test_nvml);
  g_test_add_func ("/gpu/none", test_none);
  return g_test_run ();
}
