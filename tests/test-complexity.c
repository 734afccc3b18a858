/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-complexity.h"
#include "mlo-random.h"

#define W 320
#define H 240

static guint8 picture[W * H];

typedef guint8 (*Pixel) (int x, int y, int t);

static void
paint (MloLumaGrid * grid, Pixel pixel, int t)
{
  for (int y = 0; y < H; y++) {
    for (int x = 0; x < W; x++)
      picture[y * W + x] = pixel (x, y, t);
  }
  g_assert_true (mlo_luma_grid_pick (grid, picture, W, H, W, 1));
}

static guint8
flat (int x, int y, int t)
{
  return (guint8) (100 + t);
}

static guint8
wave (int x, int y, int t)
{
  return (guint8) (128.0 + 100.0 * sin (0.15 * (x + t)) * sin (0.1 * y));
}

static guint8
bars (int x, int y, int t)
{
  return ((x + t) / 3) % 2 ? 255 : 0;
}

static double
complexity_of (Pixel pixel, int t)
{
  MloLumaGrid before, now;

  paint (&before, pixel, 0);
  paint (&now, pixel, t);
  return mlo_complexity (&now, &before);
}

static void
test_order (void)
{
  double slow = complexity_of (wave, 1), fast = complexity_of (wave, 8), hard = complexity_of (bars, 3);

  /* Nothing to see, nothing moving, a fade of a grey picture: nothing to code. */
  g_assert_cmpfloat (complexity_of (flat, 0), ==, 0.0);
  g_assert_cmpfloat (complexity_of (wave, 0), ==, 0.0);
  g_assert_cmpfloat (complexity_of (flat, 5), ==, 0.0);
  g_assert_cmpfloat (slow, >, 0.3);
  g_assert_cmpfloat (fast, >, slow + 0.1);
  g_assert_cmpfloat (hard, >, fast);
  g_assert_cmpfloat (hard, <=, 1.0);
}

/* A ramp of slope s has the Sobel magnitude 8 s everywhere: no deviation; a step up of d everywhere
 * but in half of the picture has the deviation d / 2. */
static guint8
ramp (int x, int y, int t)
{
  return (guint8) ((x / 2) + (t && x < W / 2 ? 40 : 0));
}

static void
test_values (void)
{
  MloLumaGrid before, now;
  double si, ti;

  paint (&before, ramp, 0);
  paint (&now, ramp, 1);
  mlo_complexity_si_ti (&now, &before, &si, &ti);
  g_assert_cmpfloat (fabs (ti - 20.0), <, 1e-9);
  paint (&now, bars, 0);
  mlo_complexity_si_ti (&now, &now, &si, &ti);
  g_assert_cmpfloat (ti, ==, 0.0);
  g_assert_cmpfloat (si, >, 300.0);
}

/* The patches come from the pixels they should: every layout of the same picture gives the same. */
static void
test_layouts (void)
{
  MloLumaGrid plain, other;
  static guint8 packed[W * H * 4];

  paint (&plain, wave, 3);
  for (int i = 0; i < W * H; i++)
    packed[4 * i + 1] = picture[i];
  g_assert_true (mlo_luma_grid_pick (&other, packed + 1, W, H, 4 * W, 4));
  g_assert_cmpmem (plain.luma, sizeof plain.luma, other.luma, sizeof other.luma);
  /* Upside down in memory. */
  for (int y = 0; y < H; y++)
    memcpy (packed + (H - 1 - y) * W, picture + y * W, W);
  g_assert_true (mlo_luma_grid_pick (&other, packed + (H - 1) * W, W, H, -W, 1));
  g_assert_cmpmem (plain.luma, sizeof plain.luma, other.luma, sizeof other.luma);
}

/* Any size reads inside the plane only (valgrind and the sanitizers see the rest); too small is refused. */
static void
test_sizes (void)
{
  MloRandom random;
  guint64 seed = 4711;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int i = 0; i < 300; i++) {
    int width = 1 + (int) mlo_random_below (&random, 300), height = 1 + (int) mlo_random_below (&random, 200);
    g_autofree guint8 *exact = g_malloc ((gsize) width * (gsize) height);
    MloLumaGrid a, b;
    double c;
    gboolean fits = width >= 64 && height >= 32;

    for (int j = 0; j < width * height; j++)
      exact[j] = (guint8) mlo_random_below (&random, 256);
    g_assert_cmpint (mlo_luma_grid_pick (&a, exact, width, height, width, 1), ==, fits);
    if (!fits)
      continue;
    for (int j = 0; j < width * height; j++)
      exact[j] = (guint8) mlo_random_below (&random, 256);
    g_assert_true (mlo_luma_grid_pick (&b, exact, width, height, width, 1));
    c = mlo_complexity (&b, &a);
    g_assert_cmpfloat (c, >, 0.9);
    g_assert_cmpfloat (c, <=, 1.0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/complexity/order", test_order);
  g_test_add_func ("/complexity/values", test_values);
  g_test_add_func ("/complexity/layouts", test_layouts);
  g_test_add_func ("/complexity/sizes", test_sizes);
  return g_test_run ();
}
