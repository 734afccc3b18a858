/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "mlo-qoe.h"
#include "mlo-random.h"
#include "mlo-psnr-surface-table.h"

#define PIXELS (1280.0 * 720.0)
/* Pictures of games have about this (mlo-complexity.h). */
#define TYPICAL 0.72

static double
score (double kbps, int height, int fps, double complexity)
{
  MloQoeSecond s = { mlo_qoe_psnr_db (kbps, fps, height / 720.0, PIXELS, complexity), fps, 60, 0, 0 };

  return mlo_qoe_reward (&s);
}

static void
best (double kbps, double complexity, int *height, int *fps)
{
  static const int heights[] = { 240, 360, 480, 540, 720 }, rates[] = { 15, 20, 30, 45, 60 };
  double top = -G_MAXDOUBLE;

  for (guint i = 0; i < G_N_ELEMENTS (heights); i++) {
    for (guint j = 0; j < G_N_ELEMENTS (rates); j++) {
      double r = score (kbps, heights[i], rates[j], complexity);

      if (r > top) {
        top = r;
        *height = heights[i];
        *fps = rates[j];
      }
    }
  }
}

/* The surface in C is the one that was fitted, and the error is the one it states. */
static void
test_encodes (void)
{
  g_autofree char *path = g_canonicalize_filename (TEST_DATA "/../../src/qoe/psnr-surface/encodes.csv", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = NULL;
  double square = 0.0, greatest = 0.0;
  int n = 0;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (text, "\n", -1);
  g_assert_cmpstr (lines[0], ==,
      "kind,seed,start,source_height,preset,height,fps,target_kbps,kbps,psnr_db,complexity,si,ti");
  for (char **line = lines + 1; *line && **line; line++) {
    g_auto (GStrv) f = g_strsplit (*line, ",", -1);
    double h, psnr, e;

    g_assert_cmpuint (g_strv_length (f), ==, 13);
    if (strcmp (f[4], "superfast") != 0)
      continue;
    h = g_ascii_strtod (f[3], NULL);
    psnr = mlo_qoe_psnr_db (g_ascii_strtod (f[8], NULL), g_ascii_strtod (f[6], NULL), g_ascii_strtod (f[5], NULL) / h,
        h * h * 16 / 9, g_ascii_strtod (f[10], NULL));
    /* below 20 and above 40 dB nothing counts */
    e = CLAMP (psnr, 20, 40) - CLAMP (g_ascii_strtod (f[9], NULL), 20, 40);
    square += e * e;
    greatest = fmax (greatest, fabs (e));
    n++;
  }
  g_test_message ("%d encodes: rms %.2f dB, greatest %.2f dB", n, sqrt (square / n), greatest);
  g_assert_cmpint (n, >=, 400);
  g_assert_cmpfloat (sqrt (square / n), <=, SURFACE_RMS_DB + 0.02);
  g_assert_cmpfloat (greatest, <=, SURFACE_MAX_DB + 0.02);
  g_assert_cmpfloat (SURFACE_RMS_DB, <=, 2.0);
}

/* More bits or an easier picture is never worse; finite anywhere. */
static void
test_monotone (void)
{
  guint64 seed = 51;
  MloRandom random;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int i = 0; i < 50000; i++) {
    double kbps = mlo_random_log_range (&random, 10, 1e5), fps = mlo_random_range (&random, 1, 240);
    double scale = mlo_random_range (&random, 0.1, 1), pixels = mlo_random_log_range (&random, 1e4, 4e7);
    double c = mlo_random_uniform (&random), psnr = mlo_qoe_psnr_db (kbps, fps, scale, pixels, c);

    g_assert_true (psnr >= 5 && psnr <= 60);
    g_assert_cmpfloat (mlo_qoe_psnr_db (kbps * 1.1, fps, scale, pixels, c), >=, psnr);
    g_assert_cmpfloat (mlo_qoe_psnr_db (kbps, fps * 0.9, scale, pixels, c), >=, psnr - 1e-9);
    g_assert_cmpfloat (mlo_qoe_psnr_db (kbps, fps, scale, pixels, c * 0.9), >=, psnr - 0.3);
  }
  /* nonsense in, something finite out */
  g_assert_true (isfinite (mlo_qoe_psnr_db (0, 0, 0, 0, -1)));
  g_assert_true (isfinite (mlo_qoe_psnr_db (-5, 1e9, 7, 1e12, 5)));
}

/* A smaller picture cannot get over what enlarging it loses. */
static void
test_ceilings (void)
{
  static const int heights[] = { 240, 360, 480, 540, 720 };
  double before = 0;

  for (guint i = 0; i < G_N_ELEMENTS (heights); i++) {
    double top = mlo_qoe_psnr_db (1e5, 60, heights[i] / 720.0, PIXELS, TYPICAL);

    g_test_message ("%dp: at most %.1f dB", heights[i], top);
    g_assert_cmpfloat (top, >, before);
    before = top;
  }
  g_assert_cmpfloat (mlo_qoe_psnr_db (1e5, 60, 1.0 / 3, PIXELS, TYPICAL), <, 33);
  g_assert_cmpfloat (mlo_qoe_psnr_db (1e5, 60, 0.75, PIXELS, TYPICAL), <, 38);
}

/* Where the optimum lies (DESIGN section 8). */
static void
test_optimum (void)
{
  int height = 0, fps = 0, last = 0;

  /* 12 Mbit/s carry 720p at 60 frames a second */
  best (12000, TYPICAL, &height, &fps);
  g_assert_cmpint (height, ==, 720);
  g_assert_cmpint (fps, ==, 60);
  /* below 1 Mbit/s, at this size, 30 are better than 60, and a smaller picture is better than both */
  g_assert_cmpfloat (score (800, 720, 30, TYPICAL), >, score (800, 720, 60, TYPICAL));
  best (800, TYPICAL, &height, &fps);
  g_assert_cmpint (height, <, 720);
  /* the best size never falls as the rate rises */
  for (double kbps = 200; kbps <= 20000; kbps *= 1.2) {
    best (kbps, TYPICAL, &height, &fps);
    g_assert_cmpint (height, >=, last);
    last = height;
  }
  /* "doubling the bitrate earns about 7 points" */
  g_test_message ("3 to 6 Mbit/s: %.1f points", score (6000, 720, 60, TYPICAL) - score (3000, 720, 60, TYPICAL));
  g_assert_cmpfloat (score (6000, 720, 60, TYPICAL) - score (3000, 720, 60, TYPICAL), >, 5);
  g_assert_cmpfloat (score (6000, 720, 60, TYPICAL) - score (3000, 720, 60, TYPICAL), <, 12);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/psnr-surface/encodes", test_encodes);
  g_test_add_func ("/psnr-surface/monotone", test_monotone);
  g_test_add_func ("/psnr-surface/ceilings", test_ceilings);
  g_test_add_func ("/psnr-surface/optimum", test_optimum);
  return g_test_run ();
}
