/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "mlo-random.h"
#include "mlo-scene.h"

#define GUARD 0xa5

/* An I420 frame with strides wider than the rows, and bytes around that must stay. */
typedef struct
{
  int width, height;
  gsize size;
  guint8 *data;
  guint8 *planes[3];
  int strides[3];
} Frame;

static Frame *
frame_new (int width, int height)
{
  Frame *f = g_new0 (Frame, 1);
  gsize at = 64;

  f->width = width;
  f->height = height;
  f->size = 128 + (gsize) (width + 10) * height + 2 * (gsize) (width / 2 + 6) * (height / 2);
  f->data = g_malloc (f->size);
  memset (f->data, GUARD, f->size);
  for (int p = 0; p < 3; p++) {
    f->strides[p] = p ? width / 2 + 6 : width + 10;
    f->planes[p] = f->data + at;
    at += (gsize) f->strides[p] * (p ? height / 2 : height);
  }
  return f;
}

static void
frame_free (Frame * f)
{
  g_free (f->data);
  g_free (f);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Frame, frame_free)
     static void frame_check_guards (const Frame * f)
{
  for (gsize i = 0; i < 64; i++) {
    g_assert_cmpint (f->data[i], ==, GUARD);
    g_assert_cmpint (f->data[f->size - 1 - i], ==, GUARD);
  }
  for (int p = 0; p < 3; p++) {
    int w = p ? f->width / 2 : f->width;

    for (int y = 0; y < (p ? f->height / 2 : f->height); y++) {
      for (int x = w; x < f->strides[p]; x++)
        g_assert_cmpint (f->planes[p][(gsize) y * f->strides[p] + x], ==, GUARD);
    }
  }
}

/* Mean absolute difference of the luma planes. */
static double
difference (const Frame * a, const Frame * b)
{
  gint64 sum = 0;

  for (int y = 0; y < a->height; y++) {
    for (int x = 0; x < a->width; x++)
      sum += ABS (a->planes[0][(gsize) y * a->strides[0] + x] - b->planes[0][(gsize) y * b->strides[0] + x]);
  }
  return (double) sum / (a->width * a->height);
}

static void
test_deterministic (void)
{
  g_autoptr (MloScene) a = mlo_scene_new (320, 180, MLO_SCENE_MIXED, 3);
  g_autoptr (MloScene) b = mlo_scene_new (320, 180, MLO_SCENE_MIXED, 3);
  g_autoptr (MloScene) other = mlo_scene_new (320, 180, MLO_SCENE_MIXED, 4);
  g_autoptr (Frame) x = frame_new (320, 180);
  g_autoptr (Frame) y = frame_new (320, 180);
  static const guint64 frames[] = { 0, 1, 599, 600, 601, 5000, 36000, 123456789, G_MAXUINT32, G_MAXUINT64 };
  guint32 read;

  /* any order, any instance */
  for (guint i = 0; i < G_N_ELEMENTS (frames); i++) {
    guint64 n = frames[G_N_ELEMENTS (frames) - 1 - i];

    mlo_scene_render (a, n, x->planes, x->strides);
    mlo_scene_render (b, frames[i], y->planes, y->strides);
    mlo_scene_render (b, n, y->planes, y->strides);
    g_assert_cmpmem (x->data, x->size, y->data, y->size);
    g_assert_true (mlo_scene_read_mark (x->planes[0], 320, 180, x->strides[0], &read));
    g_assert_cmpuint (read, ==, (guint32) n);
    mlo_scene_render (other, n, y->planes, y->strides);
    g_assert_cmpfloat (difference (x, y), >, 3);
  }
}

/* Every size, every scene: nothing outside the planes, and all of them painted. */
static void
test_bounds (void)
{
  static const int sizes[][2] = { {64, 64}, {66, 128}, {400, 64}, {64, 512}, {426, 240}, {1280, 720} };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++) {
    int w = sizes[i][0], h = sizes[i][1];

    for (int kind = 0; kind < MLO_N_SCENE_KINDS; kind++) {
      g_autoptr (MloScene) s = NULL;
      g_autoptr (Frame) f = frame_new (w, h);

      /* the big one once */
      if (w == 1280 && kind != MLO_SCENE_WILD)
        continue;
      s = mlo_scene_new (w, h, (MloSceneKind) kind, i + 1);
      for (guint64 n = 0; n < 36000; n += w == 1280 ? 1997 : 397)
        mlo_scene_render (s, n, f->planes, f->strides);
      frame_check_guards (f);
    }
  }
}

static void
test_bad_arguments (void)
{
  static const int sizes[][2] = { {0, 0}, {-2, 64}, {62, 64}, {64, 62}, {65, 64}, {64, 65}, {4098, 64}, {64, 4098} };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    g_assert_null (mlo_scene_new (sizes[i][0], sizes[i][1], MLO_SCENE_CALM, 1));
  g_assert_null (mlo_scene_new (64, 64, MLO_N_SCENE_KINDS, 1));
  g_assert_null (mlo_scene_new (64, 64, (MloSceneKind) - 1, 1));
  for (int kind = 0; kind < MLO_N_SCENE_KINDS; kind++)
    g_assert_cmpint (mlo_scene_kind_from_name (mlo_scene_kind_name ((MloSceneKind) kind)), ==, kind);
  g_assert_cmpint (mlo_scene_kind_from_name ("quiet"), ==, -1);
  g_assert_cmpint (mlo_scene_kind_from_name (NULL), ==, -1);
}

/* Wilder kinds move more; a cut comes every 8 to 12 s. */
static void
test_motion (void)
{
  double motion[MLO_N_SCENE_KINDS] = { 0 };

  for (int kind = MLO_SCENE_CALM; kind < MLO_N_SCENE_KINDS; kind++) {
    g_autoptr (MloScene) s = mlo_scene_new (320, 180, (MloSceneKind) kind, 7);
    g_autoptr (Frame) a = frame_new (320, 180);
    g_autoptr (Frame) b = frame_new (320, 180);
    guint64 last_cut = 0, cuts = 0, n = 50 * MLO_SCENE_FPS;

    mlo_scene_render (s, 0, a->planes, a->strides);
    for (guint64 i = 1; i < n; i++) {
      Frame *swap = a;
      double d;

      mlo_scene_render (s, i, b->planes, b->strides);
      d = difference (a, b);
      g_assert_cmpfloat (d, >, 0);
      motion[kind] += d / (double) n;
      /* in the others any frame may differ as much */
      if (d > 20 && kind == MLO_SCENE_CALM) {
        g_assert_cmpuint (i - last_cut, >=, 8 * MLO_SCENE_FPS - 1);
        g_assert_cmpuint (i - last_cut, <=, 12 * MLO_SCENE_FPS);
        last_cut = i;
        cuts++;
      }
      a = b;
      b = swap;
    }
    g_test_message ("%s: mean change %.2f, %" G_GUINT64_FORMAT " cuts", mlo_scene_kind_name ((MloSceneKind) kind),
        motion[kind], cuts);
    if (kind == MLO_SCENE_CALM)
      g_assert_cmpuint (cuts, >=, 4);
  }
  g_assert_cmpfloat (motion[MLO_SCENE_CALM] * 1.5, <, motion[MLO_SCENE_MEDIUM]);
  g_assert_cmpfloat (motion[MLO_SCENE_MEDIUM] * 1.2, <, motion[MLO_SCENE_WILD]);
}

/* Mean over the area of each target pixel; enough like what a scaler does, both ways. */
static guint8 *
scale (const guint8 * src, int width, int height, int stride, int to_width, int to_height)
{
  guint8 *dst = g_malloc ((gsize) to_width * to_height);

  for (int y = 0; y < to_height; y++) {
    int y0 = y * height / to_height, y1 = MAX ((y + 1) * height / to_height, y0 + 1);

    for (int x = 0; x < to_width; x++) {
      int x0 = x * width / to_width, x1 = MAX ((x + 1) * width / to_width, x0 + 1), sum = 0;

      for (int j = y0; j < y1; j++) {
        for (int i = x0; i < x1; i++)
          sum += src[(gsize) j * stride + i];
      }
      dst[(gsize) y * to_width + x] = (guint8) (sum / ((x1 - x0) * (y1 - y0)));
    }
  }
  return dst;
}

static void
test_mark_survives (void)
{
  static const int sizes[][2] = {
    {1280, 720}, {960, 540}, {854, 480}, {852, 480}, {640, 360}, {426, 240}, {424, 240}, {320, 180}, {1920, 1080}
  };
  guint64 seed = 11;
  MloRandom random;
  g_autoptr (MloScene) s = mlo_scene_new (1280, 720, MLO_SCENE_WILD, 1);
  g_autoptr (Frame) f = frame_new (1280, 720);

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int i = 0; i < 27; i++) {
    guint32 n = (guint32) (mlo_random_u64 (&random) >> (32 + mlo_random_below (&random, 32))), read;
    const int *to = sizes[i % (int) G_N_ELEMENTS (sizes)];
    g_autofree guint8 *small = NULL, *back = NULL;

    mlo_scene_render (s, n, f->planes, f->strides);
    small = scale (f->planes[0], 1280, 720, f->strides[0], to[0], to[1]);
    for (int j = 0; j < to[0] * to[1]; j++)
      small[j] = (guint8) CLAMP (small[j] + 20.0 * mlo_random_normal (&random), 0, 255);
    g_assert_true (mlo_scene_read_mark (small, to[0], to[1], to[0], &read));
    g_assert_cmpuint (read, ==, n);
    back = scale (small, to[0], to[1], to[0], 1280, 720);
    g_assert_true (mlo_scene_read_mark (back, 1280, 720, 1280, &read));
    g_assert_cmpuint (read, ==, n);
  }
}

/* Wrong cells are found: every one, two and three of them. */
static void
test_mark_damaged (void)
{
  enum
  { W = 640, H = 360, CELL = 12, CELLS = 44 };
  g_autofree guint8 *clean = g_malloc0 (W * H), *bad = g_malloc (W * H);
  guint32 read;
  int cells[3];

  mlo_scene_draw_mark (clean, W, H, W, NULL, NULL, 123456);
  g_assert_true (mlo_scene_read_mark (clean, W, H, W, &read));
  g_assert_cmpuint (read, ==, 123456);
  for (cells[0] = 0; cells[0] < CELLS; cells[0]++) {
    for (cells[1] = cells[0]; cells[1] < CELLS; cells[1]++) {
      for (cells[2] = cells[1]; cells[2] < CELLS; cells[2] += 11) {
        memcpy (bad + (H - 2 * CELL) * W, clean + (H - 2 * CELL) * W, 2 * CELL * W);
        for (int k = 0; k < 3; k++) {
          guint8 *cell = bad + (H - 2 * CELL + cells[k] / 22 * CELL) * W + cells[k] % 22 * CELL;

          if (k && cells[k] == cells[k - 1])
            continue;
          for (int y = 0; y < CELL; y++) {
            for (int x = 0; x < CELL; x++)
              cell[y * W + x] = (guint8) (256 - cell[y * W + x]);
          }
        }
        g_assert_false (mlo_scene_read_mark (bad, W, H, W, &read));
      }
    }
  }
}

/* Pictures without a mark: flat, noise, too small. */
static void
test_mark_absent (void)
{
  guint64 seed = 12;
  MloRandom random;
  g_autofree guint8 *noise = g_malloc (426 * 240);
  guint32 read;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int value = 0; value < 256; value++) {
    memset (noise, value, 426 * 240);
    g_assert_false (mlo_scene_read_mark (noise, 426, 240, 426, &read));
  }
  for (int i = 0; i < 50; i++) {
    for (int j = 0; j < 426 * 240; j++)
      noise[j] = (guint8) mlo_random_below (&random, 256);
    g_assert_false (mlo_scene_read_mark (noise, 426, 240, 426, &read));
  }
  for (int size = -1; size < 60; size++)
    g_assert_false (mlo_scene_read_mark (noise, size, size, 60, &read));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scene/deterministic", test_deterministic);
  g_test_add_func ("/scene/bounds", test_bounds);
  g_test_add_func ("/scene/bad-arguments", test_bad_arguments);
  g_test_add_func ("/scene/motion", test_motion);
  g_test_add_func ("/scene/mark-survives", test_mark_survives);
  g_test_add_func ("/scene/mark-damaged", test_mark_damaged);
  g_test_add_func ("/scene/mark-absent", test_mark_absent);
  return g_test_run ();
}
