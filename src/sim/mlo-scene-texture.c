/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-scene-texture.h"

#include <math.h>
#include <string.h>

MloBitmap *
mlo_bitmap_new (int width, int height)
{
  MloBitmap *b = g_new0 (MloBitmap, 1);

  b->width = width;
  b->height = height;
  b->planes[0] = g_malloc0 ((gsize) width * height);
  for (int p = 1; p < 3; p++) {
    b->planes[p] = g_malloc ((gsize) width * height / 4);
    /* what is cut out leaves no fringe of another colour */
    memset (b->planes[p], 128, (gsize) width * height / 4);
  }
  return b;
}

void
mlo_bitmap_free (MloBitmap * b)
{
  if (!b)
    return;
  for (int p = 0; p < 3; p++)
    g_free (b->planes[p]);
  g_free (b->runs);
  g_free (b->row_runs);
  g_free (b);
}

MloBitmap *
mlo_bitmap_half (const MloBitmap * b)
{
  MloBitmap *half = mlo_bitmap_new (b->width / 2, b->height / 2);

  for (int p = 0; p < 3; p++) {
    int w = half->width >> (p > 0), h = half->height >> (p > 0);

    for (int y = 0; y < h; y++) {
      const guint8 *a = b->planes[p] + (gsize) y * 4 * w, *c = a + 2 * w;
      guint8 *d = half->planes[p] + (gsize) y * w;

      for (int x = 0; x < w; x++)
        d[x] = (guint8) ((a[2 * x] + a[2 * x + 1] + c[2 * x] + c[2 * x + 1] + 2) / 4);
    }
  }
  return half;
}

MloBitmap *
mlo_bitmap_shifted (const MloBitmap * b, double part)
{
  MloBitmap *shifted = mlo_bitmap_new (b->width, b->height);

  for (int p = 0; p < 3; p++) {
    int w = b->width >> (p > 0), h = b->height >> (p > 0), share = (int) (part * (p > 0 ? 128.0 : 256.0));

    for (int y = 0; y < h; y++) {
      const guint8 *src = b->planes[p] + (gsize) y * w;
      guint8 *dst = shifted->planes[p] + (gsize) y * w;

      for (int x = 0; x < w; x++)
        dst[x] = (guint8) ((src[x] * (256 - share) + src[(x + 1) % w] * share + 128) >> 8);
    }
  }
  if (b->runs) {
    shifted->row_runs = g_memdup2 (b->row_runs, sizeof (guint32) * (b->height + 1));
    shifted->runs = g_memdup2 (b->runs, sizeof (guint16) * 2 * b->row_runs[b->height]);
  }
  return shifted;
}

void
mlo_bitmap_cut (MloBitmap * b, const guint8 * mask)
{
  g_autoptr (GArray) runs = g_array_new (FALSE, FALSE, sizeof (guint16));

  b->row_runs = g_new (guint32, b->height + 1);
  for (int y = 0; y < b->height; y++) {
    const guint8 *m = mask + (gsize) y * b->width;

    b->row_runs[y] = runs->len / 2;
    for (int x = 0; x < b->width;) {
      guint16 run[2];

      for (; x < b->width && !m[x]; x++);
      run[0] = (guint16) x;
      for (; x < b->width && m[x]; x++);
      run[1] = (guint16) x;
      if (run[1] > run[0])
        g_array_append_vals (runs, run, 2);
    }
  }
  b->row_runs[b->height] = runs->len / 2;
  b->runs = (guint16 *) g_array_steal (runs, NULL);
}

static void
copy_run (guint8 * dst, const guint8 * src, int x, int start, int end, int width)
{
  start = MAX (start, -x);
  end = MIN (end, width - x);
  if (start < end)
    memcpy (dst + x + start, src + start, end - start);
}

void
mlo_bitmap_draw (const MloBitmap * b, guint8 * const planes[3], const int strides[3], int width, int height,
    int x, int y)
{
  int first = MAX (0, -y), last = MIN (b->height, height - y);

  if (x >= width || x + b->width <= 0)
    return;
  for (int row = first; row < last; row++) {
    guint32 r = b->runs ? b->row_runs[row] : 0, end = b->runs ? b->row_runs[row + 1] : 1;
    /* colour has every second row */
    int chroma = (y + row) % 2 == 0;

    for (; r < end; r++) {
      int from = b->runs ? b->runs[2 * r] : 0, to = b->runs ? b->runs[2 * r + 1] : b->width;

      copy_run (planes[0] + (gsize) (y + row) * strides[0], b->planes[0] + (gsize) row * b->width, x, from, to, width);
      for (int p = 1; chroma && p < 3; p++)
        copy_run (planes[p] + (gsize) ((y + row) / 2) * strides[p],
            b->planes[p] + (gsize) (row / 2) * (b->width / 2), x >> 1, from / 2, to / 2, width / 2);
    }
  }
}

/* What a renderer's texture filter and antialiasing do: 1 2 1 across and down, the picture repeating. */
static void
soften (MloBitmap * b)
{
  int w = b->width, h = b->height;
  g_autofree guint8 *across = g_malloc ((gsize) w * h);

  for (int y = 0; y < h; y++) {
    const guint8 *src = b->planes[0] + (gsize) y * w;

    for (int x = 0; x < w; x++)
      across[(gsize) y * w + x] = (guint8) ((src[x ? x - 1 : w - 1] + 2 * src[x] + src[x + 1 < w ? x + 1 : 0] + 2) / 4);
  }
  for (int y = 0; y < h; y++) {
    const guint8 *above = across + (gsize) (y ? y - 1 : h - 1) * w, *below =
        across + (gsize) (y + 1 < h ? y + 1 : 0) * w;
    const guint8 *here = across + (gsize) y * w;

    for (int x = 0; x < w; x++)
      b->planes[0][(gsize) y * w + x] = (guint8) ((above[x] + 2 * here[x] + below[x] + 2) / 4);
  }
}

static guint8
clip8 (double v)
{
  return (guint8) (v < 16.0 ? 16.0 : v > 235.0 ? 235.0 : v);
}

static void
put (MloBitmap * b, int x, int y, double luma, double u, double v)
{
  b->planes[0][(gsize) y * b->width + x] = clip8 (luma);
  if ((x | y) % 2 == 0) {
    gsize at = (gsize) (y / 2) * (b->width / 2) + x / 2;

    b->planes[1][at] = clip8 (u);
    b->planes[2][at] = clip8 (v);
  }
}

/* Value noise in (height, width), repeating, -1..1: lattices of halving cells and amplitude. */
static float *
noise_new (int width, int height, double cell, double gain, int octaves, MloRandom * random)
{
  float *out = g_new0 (float, (gsize) width * height);
  float amplitude = 1.0f, total = 0.0f;
  int size = 1;

  while (size * 2 <= cell && size * 2 <= width)
    size *= 2;
  for (int o = 0; o < octaves && size >= 1; o++, size /= 2, amplitude *= (float) gain) {
    int columns = MAX (width / size, 1), rows = MAX (height / size, 1);
    g_autofree float *lattice = g_new (float, (gsize) columns * rows);

    for (gsize i = 0; i < (gsize) columns * rows; i++)
      lattice[i] = (float) mlo_random_range (random, -1.0, 1.0) * amplitude;
    for (int y = 0; y < height; y++) {
      const float *a = lattice + (gsize) (y / size % rows) * columns;
      const float *c = lattice + (gsize) ((y / size + 1) % rows) * columns;
      float fy = (float) (y % size) / (float) size;
      float *d = out + (gsize) y * width;

      fy = fy * fy * (3.0f - 2.0f * fy);
      for (int column = 0; column < columns; column++) {
        int right = column + 1 == columns ? 0 : column + 1;
        float left_v = a[column] + (c[column] - a[column]) * fy;
        float right_v = a[right] + (c[right] - a[right]) * fy;

        for (int x = 0; x < size; x++) {
          float fx = (float) x / (float) size;

          d[column * size + x] += left_v + (right_v - left_v) * fx * fx * (3.0f - 2.0f * fx);
        }
      }
    }
    total += amplitude;
  }
  for (gsize i = 0; i < (gsize) width * height; i++)
    out[i] /= total;
  return out;
}

static const MloColour palettes[MLO_N_TEXTURES][4] = {
  /* ground, second ground, sky, skyline */
  {{105, 105, 118}, {130, 108, 146}, {170, 148, 112}, {80, 112, 118}},
  {{110, 118, 142}, {90, 124, 140}, {70, 150, 128}, {95, 120, 150}},
  {{85, 132, 124}, {120, 122, 134}, {130, 120, 150}, {70, 130, 130}},
};

MloBitmap *
mlo_texture_ground (int width, int height, double unit, MloTextureStyle style, MloRandom * random)
{
  MloBitmap *b = mlo_bitmap_new (width, height);
  const MloColour *c = palettes[style];
  g_autofree float *broad = noise_new (width, height, 256 * unit, 0.6, 4, random);
  g_autofree float *fine = noise_new (width, height, 16 * unit, 0.7, 4, random);
  int tile = 8;

  while (tile * 2 <= 64 * unit)
    tile *= 2;
  for (int y = 0; y < height; y++) {
    for (int x = 0; x < width; x++) {
      gsize at = (gsize) y * width + x;
      double share = broad[at] > 0.08 ? 1.0 : broad[at] < -0.02 ? 0.0 : (broad[at] + 0.02) * 10.0;
      double luma = c[0].y + (c[1].y - c[0].y) * share + 26.0 * broad[at];
      double u = c[0].u + (c[1].u - c[0].u) * share, v = c[0].v + (c[1].v - c[0].v) * share;

      switch (style) {
        case MLO_TEXTURE_BRICK:{
          int line = y / (tile / 2), shift = line % 2 ? tile / 2 : 0;
          int bx = (x + shift) % tile, by = y % (tile / 2), edge = MAX (tile / 24, 1);
          guint32 brick = (guint32) (line * 7919 + (x + shift) % width / tile * 104729) * 2654435761u;

          luma += (brick >> 24) / 6.0 - 21.0 + 14.0 * fine[at];
          v += (brick >> 20 & 15) - 8.0;
          if (bx < edge || by < edge)
            luma -= 34.0;
          else if (bx < 2 * edge || by < 2 * edge)
            luma += 16.0;
          break;
        }
        case MLO_TEXTURE_ROCK:
          luma += 60.0 * fabs (fine[at]) - 16.0 + (fabs (broad[at]) < 0.012 ? -30.0 : 0.0);
          break;
        default:
          luma += 36.0 * fine[at];
          if (fine[at] > 0.42)
            luma += 40.0;
          break;
      }
      put (b, x, y, luma, u, v);
    }
  }
  soften (b);
  return b;
}

MloBitmap *
mlo_texture_sky (int width, int height, double unit, MloTextureStyle style, MloRandom * random)
{
  MloBitmap *b = mlo_bitmap_new (width, height);
  const MloColour *c = palettes[style];
  g_autofree float *cloud = noise_new (width, height, 256 * unit, 0.55, 6, random);
  g_autofree float *ridge = noise_new (width, 1, 512 * unit, 0.5, 8, random);
  g_autofree float *rough = noise_new (width, height, 32 * unit, 0.6, 4, random);

  for (int y = 0; y < height; y++) {
    double down = y / (720.0 * unit);

    for (int x = 0; x < width; x++) {
      gsize at = (gsize) y * width + x;
      double white = fmax (0.0, cloud[at] - 0.05) * 2.2;
      double top = 0.30 - 0.22 * ridge[x];
      double luma = c[2].y - 30.0 + 50.0 * down + 70.0 * fmin (white, 0.8);
      double u = 128 + (c[2].u - 128) * (1.0 - fmin (white, 0.8)), v = 128 + (c[2].v - 128) * (1.0 - white / 2.0);

      if (down > top) {
        luma = c[3].y + 24.0 * (down - top) + 40.0 * rough[at] + (down < top + 0.02 ? 30.0 : 0.0);
        u = c[3].u;
        v = c[3].v;
      }
      put (b, x, y, luma, u, v);
    }
  }
  soften (b);
  return b;
}

/* A house with windows, a tree or a rock, standing on the lower edge. */
static void
draw_building (MloBitmap * b, guint8 * mask, double unit, MloTextureStyle style, const float *rough, int left,
    int width, int top, MloRandom * random)
{
  MloColour c = palettes[style][3];
  double shade = mlo_random_range (random, -25.0, 45.0), tint = mlo_random_range (random, -14.0, 14.0);
  int pitch = MAX ((int) (22 * unit), 4), window = pitch * 5 / 9;

  for (int y = top; y < b->height; y++) {
    double down = (double) (y - top) / (b->height - top);

    for (int i = 0; i < width; i++) {
      int x = (left + i) % b->width;
      gsize at = (gsize) y * b->width + x;
      double across = 2.0 * i / width - 1.0, luma = c.y + shade + 30.0 * rough[at];

      if (style == MLO_TEXTURE_BRICK) {
        int wx = i % pitch, wy = (y - top) % (pitch * 4 / 3);

        luma += i < width / 8 ? -20.0 : 0.0;
        if (wx > pitch - window && wy > pitch - window && i > pitch / 2 && i < width - pitch / 2)
          luma = ((i / pitch * 31 + (y - top) / pitch * 17) * 2654435761u >> 28) < 6 ? 200.0 : 45.0;
      } else if (style == MLO_TEXTURE_FIELD) {
        double crown = 0.55 + 0.25 * rough[at];

        if (down < 0.6 ? across * across + (down / 0.3 - 1.0) * (down / 0.3 - 1.0) > crown * 1.6 : fabs (across) > 0.12)
          continue;
        luma += down < 0.6 ? 40.0 * rough[at] - 25.0 * across : -30.0;
      } else {
        if (fabs (across) > 0.35 + 0.65 * down + 0.25 * rough[at])
          continue;
        luma += 30.0 * across + 25.0 * rough[at];
      }
      mask[at] = 1;
      put (b, x, y, luma, c.u + tint, c.v - tint);
    }
  }
}

MloBitmap *
mlo_texture_skyline (int width, int height, double unit, MloTextureStyle style, MloRandom * random)
{
  MloBitmap *b = mlo_bitmap_new (width, height);
  g_autofree guint8 *mask = g_malloc0 ((gsize) width * height);
  g_autofree float *rough = noise_new (width, height, 32 * unit, 0.7, 5, random);

  for (int x = 0; x < width;) {
    int w = MAX ((int) (mlo_random_range (random, 60, 190) * unit), 8);
    int top = (int) (height * mlo_random_range (random, 0.0, 0.6));

    draw_building (b, mask, unit, style, rough, x, w, top, random);
    x += w + (int) (mlo_random_range (random, 0, 140) * unit);
  }
  mlo_bitmap_cut (b, mask);
  return b;
}

MloBitmap *
mlo_texture_sprite (int size, MloRandom * random)
{
  MloBitmap *b = mlo_bitmap_new (size, size);
  g_autofree guint8 *mask = g_malloc0 ((gsize) size * size);
  MloColour parts[3];
  guint8 cells[8][4];

  for (int i = 0; i < 3; i++)
    parts[i] = (MloColour) {
    (guint8) mlo_random_range (random, 60, 210), (guint8) mlo_random_range (random, 70, 186),
        (guint8) mlo_random_range (random, 70, 186)};
  /* eight by eight, left and right alike, more in the middle */
  for (int y = 0; y < 8; y++) {
    for (int x = 0; x < 4; x++)
      cells[y][x] = (guint8) (mlo_random_chance (random, 0.35 + 0.2 * x) ? 1 + mlo_random_below (random, 3) : 0);
  }
  for (int y = 0; y < size; y++) {
    for (int x = 0; x < size; x++) {
      int cy = y * 8 / size, cx = x * 8 / size, part = cells[cy][cx < 4 ? cx : 7 - cx];
      const MloColour *c;

      if (!part)
        continue;
      c = &parts[part - 1];
      mask[(gsize) y * size + x] = 1;
      put (b, x, y, c->y + 30.0 * sin (y * 40.0 / size) + 20.0 * ((x * 8 % size) / (double) size - 0.5), c->u, c->v);
    }
  }
  mlo_bitmap_cut (b, mask);
  return b;
}

MloBitmap *
mlo_texture_blast (int size, MloRandom * random)
{
  MloBitmap *b = mlo_bitmap_new (size, size);
  g_autofree guint8 *mask = g_malloc0 ((gsize) size * size);
  int cell = 1;
  g_autofree float *flame = NULL;

  while (cell * 2 <= size)
    cell *= 2;
  flame = noise_new (cell * 2, cell * 2, size / 4.0, 0.7, 5, random);
  for (int y = 0; y < size; y++) {
    for (int x = 0; x < size; x++) {
      double dx = 2.0 * x / size - 1.0, dy = 2.0 * y / size - 1.0, n = flame[(gsize) y * cell * 2 + x];
      double heat = 1.0 - sqrt (dx * dx + dy * dy) + 0.5 * n;

      if (heat < 0.15)
        continue;
      mask[(gsize) y * size + x] = 1;
      put (b, x, y, 90.0 + 170.0 * heat + 60.0 * n, 100.0 - 40.0 * heat, 170.0 - 20.0 * heat);
    }
  }
  mlo_bitmap_cut (b, mask);
  return b;
}
