/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream-compare.h"

#include <math.h>
#include <string.h>

#include "mlo-random.h"

#define W 96
#define H 64

static void
fill_random (guint8 * p, gsize n, MloRandom * random)
{
  for (gsize i = 0; i < n; i++)
    p[i] = (guint8) (16 + mlo_random_below (random, 200));
}

static void
test_same (void)
{
  g_autoptr (StreamCompare) c = stream_compare_new (W, H);
  guint8 a[W * H];
  MloRandom random;
  double psnr, ssim;

  mlo_random_seed (&random, 3);
  fill_random (a, sizeof a, &random);
  stream_compare (c, a, W, a, W, H, W, &psnr, &ssim);
  g_assert_cmpfloat (psnr, ==, 100.0);
  g_assert_cmpfloat_with_epsilon (ssim, 1.0, 1e-12);
}

/* Every pixel off by d: PSNR = 20 log10 (255 / d); on flat pictures SSIM is its luminance term alone. */
static void
test_offset (void)
{
  g_autoptr (StreamCompare) c = stream_compare_new (W, H);
  guint8 a[W * H], b[W * H];

  for (int d = 1; d <= 16; d *= 2) {
    double psnr, ssim, p = 100.0, q = 100.0 + d;

    memset (a, 100, sizeof a);
    memset (b, 100 + d, sizeof b);
    stream_compare (c, a, W, b, W, H, W, &psnr, &ssim);
    g_assert_cmpfloat_with_epsilon (psnr, 20.0 * log10 (255.0 / d), 1e-9);
    g_assert_cmpfloat_with_epsilon (ssim, (2.0 * p * q + 6.5025) / (p * p + q * q + 6.5025), 1e-9);
  }
}

/* Strides are not widths. */
static void
test_strides (void)
{
  g_autoptr (StreamCompare) c = stream_compare_new (W, H);
  guint8 a[W * H], b[(W + 13) * H];
  MloRandom random;
  double psnr, ssim;

  mlo_random_seed (&random, 4);
  fill_random (a, sizeof a, &random);
  memset (b, 0, sizeof b);
  for (int y = 0; y < H; y++)
    memcpy (b + y * (W + 13), a + y * W, W);
  stream_compare (c, a, W, b, W, H, W + 13, &psnr, &ssim);
  g_assert_cmpfloat (psnr, ==, 100.0);
}

/* A ramp is the same at any size but at its ends, so that enlarging it loses next to nothing; a picture moved by
 * half a pixel would not pass. */
static void
test_enlarge (void)
{
  g_autoptr (StreamCompare) c = stream_compare_new (W, H);
  guint8 a[W * H], b[W * H];

  for (int divisor = 2; divisor <= 4; divisor *= 2) {
    int w = W / divisor, h = H / divisor;
    double psnr, ssim;

    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++)
        a[y * W + x] = (guint8) (20 + 2 * x);
    for (int y = 0; y < h; y++)
      for (int x = 0; x < w; x++)
        b[y * w + x] = (guint8) lrint (20 + 2 * ((x + 0.5) * divisor - 0.5));
    stream_compare (c, a, W, b, w, h, w, &psnr, &ssim);
    g_assert_cmpfloat (psnr, >, 45.0);
    g_assert_cmpfloat (ssim, >, 0.98);
  }
}

/* More noise, less of both. */
static void
test_order (void)
{
  g_autoptr (StreamCompare) c = stream_compare_new (W, H);
  guint8 a[W * H], b[W * H];
  double last_psnr = 100.0, last_ssim = 1.0;
  MloRandom random;

  mlo_random_seed (&random, 5);
  fill_random (a, sizeof a, &random);
  for (guint32 noise = 2; noise <= 32; noise *= 2) {
    double psnr, ssim;

    for (gsize i = 0; i < sizeof a; i++)
      b[i] = (guint8) (a[i] + mlo_random_below (&random, noise));
    stream_compare (c, a, W, b, W, H, W, &psnr, &ssim);
    g_assert_cmpfloat (psnr, <, last_psnr);
    g_assert_cmpfloat (ssim, <, last_ssim);
    last_psnr = psnr;
    last_ssim = ssim;
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stream-compare/same", test_same);
  g_test_add_func ("/stream-compare/offset", test_offset);
  g_test_add_func ("/stream-compare/strides", test_strides);
  g_test_add_func ("/stream-compare/enlarge", test_enlarge);
  g_test_add_func ("/stream-compare/order", test_order);
  return g_test_run ();
}
