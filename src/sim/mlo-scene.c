/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-scene.h"

#include <math.h>
#include <string.h>

#include "mlo-scene-texture.h"

#define N_WORLDS MLO_N_TEXTURES
#define N_SPRITES 12
#define SPRITE_SIZES 4
#define BLAST_SIZES 3
#define BLAST_S 0.35
#define MIPS 4
#define PHASES 4
#define GRAIN_SIZE 4096
/* Scenes before they repeat, ten minutes. */
#define N_CUTS 64
#define MIN_SCENE_S 8.0
#define MAX_SCENE_S 12.0
/* Fixed point of texture coordinates. */
#define FIXED 65536

typedef enum
{
  VIEW_SIDE,                    /* layers move sideways */
  VIEW_CHASE,                   /* towards a horizon */
  VIEW_ABOVE,                   /* a map, pan and zoom */
  N_VIEWS
} View;

/* What a kind means; speeds in 1/720 of the height a frame. */
typedef struct
{
  double speed_low, speed_high;
  double shake;
  int sprites, particles, blasts, rain;
  double grain;                 /* deviation of the luma, new in each frame */
} Pace;

static const Pace paces[MLO_N_SCENE_KINDS] = {
  [MLO_SCENE_CALM] = {0.5, 1.5, 0.0, 4, 0, 0, 0, 0.4},
  [MLO_SCENE_MEDIUM] = {3.0, 6.0, 0.0, 10, 60, 1, 60, 0.7},
  [MLO_SCENE_WILD] = {9.0, 16.0, 5.0, 20, 200, 6, 150, 1.0},
};

typedef struct
{
  guint64 first;                /* frame */
  guint64 seed;
  View view;
  MloSceneKind kind;            /* not MIXED */
  int world;
  double speed, heading;
} Cut;

typedef struct
{
  MloBitmap *sky, *ground[MIPS];
  MloBitmap *skyline[PHASES];   /* each moved to the left by another part of a pixel */
} World;

struct _MloScene
{
  int width, height;
  double unit;
  Cut cuts[N_CUTS];
  guint64 n_frames;             /* of all cuts */
  World worlds[N_WORLDS];
  MloBitmap *sprites[N_SPRITES][SPRITE_SIZES];
  MloBitmap *blasts[BLAST_SIZES];
  gint8 *grain[MLO_N_SCENE_KINDS];      /* (GRAIN_SIZE + width) */
};

/* What one frame is drawn with. */
typedef struct
{
  const MloScene *scene;
  const Cut *cut;
  const Pace *pace;
  const World *world;
  guint8 *const *planes;
  const int *strides;
  guint64 frame;                /* absolute */
  double t;                     /* s since the cut */
  double travel;                /* pixels since the cut */
  int shake_x, shake_y;
} Canvas;

static const char *const kind_names[MLO_N_SCENE_KINDS] = { "mixed", "calm", "medium", "wild" };

const char *
mlo_scene_kind_name (MloSceneKind kind)
{
  return (guint) kind < MLO_N_SCENE_KINDS ? kind_names[kind] : "unknown";
}

int
mlo_scene_kind_from_name (const char *name)
{
  for (int i = 0; i < MLO_N_SCENE_KINDS; i++) {
    if (g_strcmp0 (name, kind_names[i]) == 0)
      return i;
  }
  return -1;
}

static int
power_of_two (double least)
{
  int n = 16;

  while (n < least)
    n *= 2;
  return n;
}

static void
make_cuts (MloScene * s, MloSceneKind kind, MloRandom * random)
{
  guint64 frame = 0;
  View view = VIEW_SIDE;
  int world = 0;

  for (int i = 0; i < N_CUTS; i++) {
    Cut *c = &s->cuts[i];

    c->first = frame;
    frame += (guint64) (mlo_random_range (random, MIN_SCENE_S, MAX_SCENE_S) * MLO_SCENE_FPS);
    c->seed = mlo_random_u64 (random);
    /* each cut is one: neither view nor world stay */
    view = (View) ((view + 1 + mlo_random_below (random, N_VIEWS - 1)) % N_VIEWS);
    world = (world + 1 + (int) mlo_random_below (random, N_WORLDS - 1)) % N_WORLDS;
    c->view = view;
    c->world = world;
    c->kind = kind == MLO_SCENE_MIXED ?
        (MloSceneKind) (MLO_SCENE_CALM + (i + (int) mlo_random_below (random, 2)) % 3) : kind;
    c->speed = mlo_random_range (random, paces[c->kind].speed_low, paces[c->kind].speed_high) * s->unit;
    c->heading = mlo_random_range (random, 0.0, 2.0 * G_PI);
  }
  s->n_frames = frame;
}

MloScene *
mlo_scene_new (int width, int height, MloSceneKind kind, guint64 seed)
{
  MloScene *s;
  MloRandom random;
  int texture_width, texture_height;

  if (width < MLO_SCENE_MIN_SIZE || width > MLO_SCENE_MAX_SIZE || height < MLO_SCENE_MIN_SIZE
      || height > MLO_SCENE_MAX_SIZE || width % 2 || height % 2 || (guint) kind >= MLO_N_SCENE_KINDS)
    return NULL;
  s = g_new0 (MloScene, 1);
  s->width = width;
  s->height = height;
  s->unit = height / 720.0;
  mlo_random_seed (&random, seed);
  make_cuts (s, kind, &random);
  texture_width = power_of_two (width);
  texture_height = power_of_two (height);
  for (int i = 0; i < N_WORLDS; i++) {
    World *w = &s->worlds[i];

    w->sky = mlo_texture_sky (texture_width, texture_height, s->unit, (MloTextureStyle) i, &random);
    w->skyline[0] = mlo_texture_skyline (texture_width, (int) (150 * s->unit) * 2, s->unit, (MloTextureStyle) i,
        &random);
    for (int j = 1; j < PHASES; j++)
      w->skyline[j] = mlo_bitmap_shifted (w->skyline[0], (double) j / PHASES);
    w->ground[0] = mlo_texture_ground (texture_width, texture_height, s->unit, (MloTextureStyle) i, &random);
    for (int m = 1; m < MIPS; m++)
      w->ground[m] = mlo_bitmap_half (w->ground[m - 1]);
  }
  for (int i = 0; i < N_SPRITES; i++) {
    MloRandom look = random;

    for (int j = 0; j < SPRITE_SIZES; j++) {
      MloRandom again = look;

      s->sprites[i][j] = mlo_texture_sprite (MAX ((int) (16 * (1 << j) * s->unit) / 2 * 2, 8), &again);
    }
    mlo_random_seed (&random, mlo_random_u64 (&random));
  }
  for (int j = 0; j < BLAST_SIZES; j++)
    s->blasts[j] = mlo_texture_blast (MAX ((int) (60 * (j + 1) * s->unit) / 2 * 2, 8), &random);
  for (int k = MLO_SCENE_CALM; k < MLO_N_SCENE_KINDS; k++) {
    s->grain[k] = g_new (gint8, GRAIN_SIZE + width);
    for (int x = 0; x < GRAIN_SIZE + width; x++)
      s->grain[k][x] = (gint8) lrint (CLAMP (mlo_random_normal (&random), -3.0, 3.0) * paces[k].grain);
  }
  return s;
}

void
mlo_scene_free (MloScene * s)
{
  if (!s)
    return;
  for (int i = 0; i < N_WORLDS; i++) {
    mlo_bitmap_free (s->worlds[i].sky);
    for (int j = 0; j < PHASES; j++)
      mlo_bitmap_free (s->worlds[i].skyline[j]);
    for (int m = 0; m < MIPS; m++)
      mlo_bitmap_free (s->worlds[i].ground[m]);
  }
  for (int i = 0; i < N_SPRITES; i++) {
    for (int j = 0; j < SPRITE_SIZES; j++)
      mlo_bitmap_free (s->sprites[i][j]);
  }
  for (int j = 0; j < BLAST_SIZES; j++)
    mlo_bitmap_free (s->blasts[j]);
  for (int k = 0; k < MLO_N_SCENE_KINDS; k++)
    g_free (s->grain[k]);
  g_free (s);
}

/* Uniform in [0, 1), the same for the same numbers. */
static double
chance (guint64 seed, guint64 what, guint64 which)
{
  guint64 x = seed ^ (what * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)) ^ (which << 32);

  return (double) (mlo_random_splitmix (&x) >> 11) * 0x1p-53;
}

static int
wrap (double x, int size)
{
  return (int) floor (x) & (size - 1);
}

/* The loops over all pixels keep to 16 bits, so that compilers make good vector code of them. */

/* @n pixels moved by @share (in 1/128) towards their neighbours on the right. */
static void
blend_row (guint8 * restrict dst, const guint8 * restrict src, int n, int share)
{
  for (int i = 0; i < n; i++) {
    gint16 step = (gint16) ((src[i + 1] - src[i]) * share);

    dst[i] = (guint8) (src[i] + (gint16) (step >> 7));
  }
}

/* Rows [from, to) of the frame out of a repeating bitmap, its pixel @x, @y at the frame's left in row @from;
 * between pixels in x, as things move by parts of a pixel. Each row sways by @sway pixels. */
static void
draw_rows (const Canvas * c, const MloBitmap * b, int from, int to, double x, int y, double sway)
{
  for (int p = 0; p < 3; p++) {
    int half = p > 0, w = c->scene->width >> half, bw = b->width >> half, bh = b->height >> half;

    for (int row = (from + half) >> half; row < (to + half) >> half; row++) {
      const guint8 *src = b->planes[p] + (gsize) ((row - (from >> half) + (y >> half)) & (bh - 1)) * bw;
      guint8 *dst = c->planes[p] + (gsize) row * c->strides[p];
      double at = x + (sway > 0.0 ? sway * sin ((row << half) * 0.13 / c->scene->unit + c->t * 7.0) : 0.0);
      int fixed = (int) floor (at * 128.0 / (1 << half)) & (bw * 128 - 1), left = fixed >> 7;
      int part = MIN (w, bw - 1 - left);

      blend_row (dst, src + left, part, fixed & 127);
      if (part < w) {
        dst[part] = src[bw - 1];
        blend_row (dst + part + 1, src, w - part - 1, fixed & 127);
      }
    }
  }
}

/* Each of @n pixels brighter by @gain (in 1/256, small) and by @grain. */
static void
light_row (guint8 * restrict y, const gint8 * restrict grain, int n, int gain)
{
  gint16 more = (gint16) gain;

  for (int i = 0; i < n; i++) {
    gint16 v = (gint16) (y[i] + ((gint16) (y[i] * more) >> 8) + grain[i]);

    v = MAX (v, (gint16) 16);
    v = MIN (v, (gint16) 235);
    y[i] = (guint8) v;
  }
}

/* One row of @n pixels from a repeating texture row of @size: luma linear between its pixels, colour
 * (@coarse) the nearest. */
static void
sample_row (guint8 * restrict dst, int n, const guint8 * restrict src, guint size, guint32 at, guint32 step,
    gboolean coarse)
{
  guint mask = size - 1;

  if (coarse) {
    for (int i = 0; i < n; i++, at += step)
      dst[i] = src[at >> 16 & mask];
    return;
  }
  for (int i = 0; i < n;) {
    /* as far as no wrap comes between */
    guint32 x = at >> 16 & mask, end;

    at = x << 16 | (at & (FIXED - 1));
    if (x == mask) {
      dst[i++] = src[x];
      at += step;
      continue;
    }
    end = MIN ((guint32) (n - i), ((mask << 16) - 1 - at) / step + 1);
    for (end += (guint32) i; (guint32) i < end; i++, at += step) {
      const guint8 *pair = src + (at >> 16);
      int share = (int) (at >> 9 & 127);

      dst[i] = (guint8) (pair[0] + (((pair[1] - pair[0]) * share) >> 7));
    }
  }
}

/* Frame row @row of plane @p shows the ground texture from @u0, @v on, @step texture pixels a pixel
 * (all in pixels of the full texture). */
static void
draw_ground_row (const Canvas * c, int p, int row, double u0, double v, double step)
{
  const MloBitmap *b;
  int mip = 0, half = p > 0, bw, bh;
  double scale;

  while (mip < MIPS - 1 && step / (1 << mip) > 1.5)
    mip++;
  b = c->world->ground[mip];
  bw = b->width >> half;
  bh = b->height >> half;
  scale = 1.0 / (1 << (mip + half));
  u0 = u0 * scale;
  u0 -= floor (u0 / bw) * bw;
  sample_row (c->planes[p] + (gsize) row * c->strides[p], c->scene->width >> half,
      b->planes[p] + (gsize) wrap (v * scale, bh) * bw, (guint) bw, (guint32) (u0 * FIXED),
      (guint32) (step / (1 << mip) * FIXED), half);
}

static void
draw_skyline (const Canvas * c, double x, int bottom)
{
  int fixed = (int) floor (x * PHASES) & (c->world->skyline[0]->width * PHASES - 1);
  const MloBitmap *b = c->world->skyline[fixed % PHASES];
  int left = -(fixed / PHASES);

  mlo_bitmap_draw (b, c->planes, c->strides, c->scene->width, bottom, left, bottom - b->height);
  mlo_bitmap_draw (b, c->planes, c->strides, c->scene->width, bottom, left + b->width, bottom - b->height);
}

static void
draw_side (const Canvas * c)
{
  const MloScene *s = c->scene;
  int ground = ((int) (s->height * 0.74) + c->shake_y) & ~1;
  double direction = cos (c->cut->heading) < 0.0 ? -1.0 : 1.0, travel = c->travel * direction;

  int water = ((int) (s->height * 0.90) + c->shake_y) & ~1;

  draw_rows (c, c->world->sky, 0, ground, travel * 0.25 + c->shake_x, 0, 0.0);
  draw_skyline (c, travel * 0.6 + c->shake_x, ground);
  draw_rows (c, c->world->ground[0], ground, water, travel + c->shake_x, 0, 0.0);
  draw_rows (c, c->world->sky, water, s->height, travel + c->shake_x, s->height / 4, 4.0 * s->unit);
}

static void
draw_chase (const Canvas * c)
{
  const MloScene *s = c->scene;
  int horizon = ((int) (s->height * (0.42 + 0.01 * sin (c->t * 3.0))) + c->shake_y) & ~1;
  double turn = 300.0 * s->unit * sin (c->t * 0.7 + c->cut->heading) * c->cut->speed / (4.0 * s->unit);

  draw_rows (c, c->world->sky, 0, horizon, turn + c->shake_x, (int) (s->height * 0.1), 0.0);
  draw_skyline (c, turn + c->shake_x, horizon);
  for (int p = 0; p < 3; p++) {
    int half = p > 0;

    for (int row = horizon >> half; row < s->height >> half; row++) {
      /* eye at 0.58 of the height above the floor: one texture pixel a pixel at the lower edge */
      double depth = (double) (s->height - horizon) / (((row << half) + half) - horizon + 1.0);

      draw_ground_row (c, p, row, turn * 1.5 - s->width / 2.0 * depth + c->shake_x,
          c->travel * 2.0 - depth * 200.0 * s->unit, depth);
    }
  }
}

static void
draw_above (const Canvas * c)
{
  const MloScene *s = c->scene;
  double zoom = 1.0 / (1.25 + 0.2 * sin (c->t * 0.4 + c->cut->heading) * MIN (c->cut->speed / s->unit, 4.0) / 4.0);
  double turn = c->cut->heading + 0.6 * sin (c->t * 0.5);
  double x = c->travel * cos (turn) + c->shake_x - s->width / 2.0 * zoom;
  double y = c->travel * sin (turn) + c->shake_y - s->height / 2.0 * zoom;

  for (int p = 0; p < 3; p++) {
    int half = p > 0;

    for (int row = 0; row < s->height >> half; row++)
      draw_ground_row (c, p, row, x, y + (row << half) * zoom, zoom);
  }
}

/* Sprites walk on closed curves; where there is a horizon, lower ones are nearer and larger. */
static void
draw_sprites (const Canvas * c)
{
  const MloScene *s = c->scene;
  guint64 seed = c->cut->seed;
  double pace = sqrt (c->cut->speed / s->unit);

  for (int i = 0; i < c->pace->sprites; i++) {
    int which = (int) (chance (seed, 1, i) * N_SPRITES), size;
    double phase = chance (seed, 2, i) * 2.0 * G_PI, rate = (0.3 + chance (seed, 3, i)) * 0.5 * pace;
    double x = 0.5 + 0.5 * sin (c->t * rate + phase) + 0.06 * sin (c->t * rate * 3.1);
    double y = 0.5 + 0.4 * sin (c->t * rate * 0.8 + phase * 2.3);
    const MloBitmap *b;

    if (c->cut->view == VIEW_SIDE) {
      double hop = fabs (sin (c->t * (2.0 + rate) + phase));

      size = 2 + i % 2;
      y = 0.80 + 0.12 * chance (seed, 4, i) - 0.22 * hop;
    } else if (c->cut->view == VIEW_CHASE) {
      size = MIN ((int) (y * SPRITE_SIZES), SPRITE_SIZES - 1);
      y = 0.45 + 0.5 * y;
    } else {
      size = 1 + i % 3;
    }
    b = s->sprites[which][size];
    mlo_bitmap_draw (b, c->planes, c->strides, s->width, s->height, (int) (x * s->width) - b->width / 2,
        ((int) (y * s->height) - b->height / 2) & ~1);
  }
}

/* Seconds since the last explosion in this place, BLAST_S when it is over. @turn: how many there were. */
static double
blast_age (const Canvas * c, int i, guint64 * turn)
{
  double period = 0.7 + chance (c->cut->seed, 5, i), turns = c->t / period + chance (c->cut->seed, 6, i);

  if (turn)
    *turn = (guint64) turns;
  return fmin ((turns - floor (turns)) * period, BLAST_S);
}

static void
draw_blasts (const Canvas * c)
{
  const MloScene *s = c->scene;

  for (int i = 0; i < c->pace->blasts; i++) {
    guint64 turn;
    double age = blast_age (c, i, &turn);
    const MloBitmap *b;

    if (age >= BLAST_S)
      continue;
    b = s->blasts[MIN ((int) (age / BLAST_S * BLAST_SIZES), BLAST_SIZES - 1)];
    mlo_bitmap_draw (b, c->planes, c->strides, s->width, s->height,
        (int) (chance (c->cut->seed, 7 + (turn << 8), i) * s->width) - b->width / 2,
        (((int) (chance (c->cut->seed, 8 + (turn << 8), i) * s->height) - b->height / 2)) & ~1);
  }
}

static void
fill (const Canvas * c, int x, int y, int width, int height, MloColour colour)
{
  int x1 = CLAMP (x + width, 0, c->scene->width), y1 = CLAMP (y + height, 0, c->scene->height);

  x = CLAMP (x, 0, x1);
  y = CLAMP (y, 0, y1);
  for (int row = y; row < y1; row++)
    memset (c->planes[0] + (gsize) row * c->strides[0] + x, colour.y, x1 - x);
  for (int row = y / 2; row < y1 / 2; row++) {
    memset (c->planes[1] + (gsize) row * c->strides[1] + x / 2, colour.u, x1 / 2 - x / 2);
    memset (c->planes[2] + (gsize) row * c->strides[2] + x / 2, colour.v, x1 / 2 - x / 2);
  }
}

/* Sparks: thrown up again and again, falling. */
static void
draw_particles (const Canvas * c)
{
  const MloScene *s = c->scene;
  int size = MAX ((int) (4 * s->unit), 2);

  for (int i = 0; i < c->pace->particles; i++) {
    double period = 0.5 + chance (c->cut->seed, 20, i), turns = c->t / period + chance (c->cut->seed, 21, i);
    guint64 turn = (guint64) turns;
    double age = (turns - (double) turn) * period;
    /* ten sparks fly from one place */
    double x = chance (c->cut->seed, 22 + (turn << 8), i / 10) * s->width;
    double y = chance (c->cut->seed, 23 + (turn << 8), i / 10) * s->height;

    x += (chance (c->cut->seed, 24 + (turn << 8), i) - 0.5) * 700.0 * s->unit * age;
    y += (-chance (c->cut->seed, 25 + (turn << 8), i) * 500.0 + 600.0 * age) * s->unit * age;
    fill (c, (int) x, (int) y, size, size, (MloColour) {
        (guint8) (230.0 - 100.0 * age), 90, 165});
  }
}

/* Streaks that cross the picture in a third of a second. */
static void
draw_rain (const Canvas * c)
{
  const MloScene *s = c->scene;

  for (int i = 0; i < c->pace->rain; i++) {
    double turns = c->t * (2.5 + chance (c->cut->seed, 30, i)) + chance (c->cut->seed, 31, i);
    guint64 turn = (guint64) turns;
    double down = turns - (double) turn;

    fill (c, (int) ((chance (c->cut->seed, 32 + (turn << 8), i) * 1.1 - 0.1 * down) * s->width),
        (int) ((1.1 * down - 0.1) * s->height), MAX ((int) (2 * s->unit), 1), (int) (28 * s->unit), (MloColour) {
        175, 132, 124});
  }
}

/* Light that changes (the sun behind clouds, fire) and grain, over the whole picture. */
static void
draw_light (const Canvas * c)
{
  const MloScene *s = c->scene;
  double flash = 0.0;
  int gain;

  for (int i = 0; i < c->pace->blasts; i++)
    flash = fmax (flash, 1.0 - blast_age (c, i, NULL) / BLAST_S);
  gain = (int) (256.0 * (0.03 * sin (c->t * 2.1) + 0.10 * flash));
  for (int row = 0; row < s->height; row++)
    light_row (c->planes[0] + (gsize) row * c->strides[0],
        s->grain[c->cut->kind] + (int) (chance (c->frame, 40, (guint64) row) * GRAIN_SIZE), s->width, gain);
}

/* Digits, three columns by five rows, from the top, left column in the highest bit. */
static const guint16 digit_rows[10] = {
  075557, 026227, 071747, 071717, 055711, 074717, 074757, 071111, 075757, 075717
};

static void
draw_number (const Canvas * c, int x, int y, int dot, guint value, int digits)
{
  for (int i = digits - 1; i >= 0; i--, value /= 10) {
    guint rows = digit_rows[value % 10];

    for (int bit = 0; bit < 15; bit++) {
      if ((rows >> (14 - bit)) & 1)
        fill (c, x + (i * 4 + bit % 3) * dot, y + bit / 3 * dot, dot, dot, (MloColour) {
            225, 128, 128}
      );
    }
  }
}

static void
draw_hud (const Canvas * c)
{
  const MloScene *s = c->scene;
  double unit = s->unit;
  int margin = (int) (16 * unit), dot = MAX ((int) (4 * unit), 1), map = (int) (130 * unit) & ~1;
  int map_x = (s->width - map - margin) & ~1, map_y = margin & ~1;
  const MloBitmap *small = c->world->ground[MIPS - 1];
  double health = 0.5 + 0.5 * sin (c->t * 0.8);

  fill (c, margin, margin, (int) (230 * unit), (int) (52 * unit), (MloColour) {
      40, 132, 124});
  draw_number (c, margin + 2 * dot, margin + 2 * dot, dot, (guint) (c->frame / 6) * 10, 7);
  fill (c, margin + 2 * dot, margin + 9 * dot, (int) (200 * unit * health), 2 * dot, (MloColour) {
      150, 90, (guint8) (health < 0.3 ? 200 : 80)});

  /* a map of the ground, the player in its middle */
  if (map_x < 0)
    return;
  for (int p = 0; p < 3; p++) {
    int half = p > 0, bw = small->width >> half, bh = small->height >> half, n = MIN (map >> half, bw);
    int shift = (int) (c->travel / 16.0) >> half;

    for (int row = 0; row < map >> half; row++)
      memcpy (c->planes[p] + (gsize) ((map_y >> half) + row) * c->strides[p] + (map_x >> half),
          small->planes[p] + (gsize) ((row + shift) & (bh - 1)) * bw, n);
  }
  fill (c, map_x + map / 2 - dot, map_y + map / 2 - dot, 2 * dot, 2 * dot, (MloColour) {
      220, 90, 200});
}

void
mlo_scene_render (MloScene * s, guint64 frame, guint8 * const planes[3], const int strides[3])
{
  guint64 n = frame % s->n_frames;
  Canvas c = {.scene = s,.planes = planes,.strides = strides,.frame = frame };
  int i = 0;
  double swing;

  while (i + 1 < N_CUTS && s->cuts[i + 1].first <= n)
    i++;
  c.cut = &s->cuts[i];
  c.pace = &paces[c.cut->kind];
  c.world = &s->worlds[c.cut->world];
  c.t = (double) (n - c.cut->first) / MLO_SCENE_FPS;
  /* calmer and wilder within a scene: speed * (1 + 0.7 cos (1.3 t)) */
  swing = c.t + 0.7 / 1.3 * sin (1.3 * c.t + c.cut->heading);
  c.travel = (swing + 1.0) * MLO_SCENE_FPS * c.cut->speed;
  /* shaken while the ground trembles, a quarter of the time */
  if (c.pace->shake > 0.0 && fmod (c.t, 2.0) < 0.5) {
    c.shake_x = (int) (c.pace->shake * s->unit * sin (c.t * 61.0));
    c.shake_y = (int) (c.pace->shake * s->unit * sin (c.t * 47.0 + 1.0)) & ~1;
  }

  switch (c.cut->view) {
    case VIEW_CHASE:
      draw_chase (&c);
      break;
    case VIEW_ABOVE:
      draw_above (&c);
      break;
    default:
      draw_side (&c);
      break;
  }
  draw_sprites (&c);
  draw_blasts (&c);
  draw_particles (&c);
  draw_rain (&c);
  draw_light (&c);
  draw_hud (&c);
  mlo_scene_draw_mark (planes[0], s->width, s->height, strides[0], planes + 1, strides + 1, (guint32) frame);
}
