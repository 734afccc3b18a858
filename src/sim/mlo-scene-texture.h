/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_SCENE_TEXTURE_H
#define MLO_SCENE_TEXTURE_H

#include "mlo-random.h"

G_BEGIN_DECLS

/* Private to mlo-scene: pictures that the scenes are put together from. */

typedef struct
{
  guint8 y, u, v;
} MloColour;

/**
 * MloBitmap: an I420 picture, opaque or cut out. Width and height even; repeating ones have powers
 * of two.
 */
typedef struct
{
  int width, height;
  guint8 *planes[3];            /* (height, width), (height/2, width/2) twice */
  /* cut out: opaque runs [start, end) of each row, NULL: all of it */
  guint16 *runs;
  guint32 *row_runs;            /* (height + 1), index of the row's first run */
} MloBitmap;

MloBitmap *mlo_bitmap_new (int width, int height);
void mlo_bitmap_free (MloBitmap * b);

/* @b at half the size. */
MloBitmap *mlo_bitmap_half (const MloBitmap * b);

/* @b, repeating in x, moved to the left by @part (0..1) of a pixel, linear between pixels; cut out as @b is. */
MloBitmap *mlo_bitmap_shifted (const MloBitmap * b, double part);

/* Cuts out the pixels where @mask (height, width) is not 0. */
void mlo_bitmap_cut (MloBitmap * b, const guint8 * mask);

/* Draws cut-out or opaque @b with its upper left corner at @x, @y into a frame, clipped. */
void mlo_bitmap_draw (const MloBitmap * b, guint8 * const planes[3], const int strides[3], int width, int height,
    int x, int y);

typedef enum
{
  MLO_TEXTURE_FIELD,            /* grass, earth, stones, paths */
  MLO_TEXTURE_BRICK,            /* floor tiles and brick */
  MLO_TEXTURE_ROCK,
  MLO_N_TEXTURES
} MloTextureStyle;

/* Repeating ground, powers of two; @unit: pixels that stand for 1/720 of the picture's height. */
MloBitmap *mlo_texture_ground (int width, int height, double unit, MloTextureStyle style, MloRandom * random);
/* Repeating in x: sky, clouds, mountains. */
MloBitmap *mlo_texture_sky (int width, int height, double unit, MloTextureStyle style, MloRandom * random);
/* Repeating in x, cut out: a row of houses, trees or rocks. */
MloBitmap *mlo_texture_skyline (int width, int height, double unit, MloTextureStyle style, MloRandom * random);
/* A creature or vehicle, cut out. */
MloBitmap *mlo_texture_sprite (int size, MloRandom * random);
/* A ball of fire, cut out. */
MloBitmap *mlo_texture_blast (int size, MloRandom * random);

G_END_DECLS
#endif
