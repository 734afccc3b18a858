/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_SCENE_H
#define MLO_SCENE_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * MloScene: moving game-like content as a test source: scrolling worlds in parallax, a floor in
 * perspective, a map seen from above with zoom, sprites, particles, explosions, a HUD, a scene cut
 * every 8 to 12 s. Frame n depends on width, height, kind, seed and n alone, in any order, so a
 * receiver can draw the source of each picture it decodes (bit by bit on one machine; sin() of
 * another may move a layer by a pixel).
 */
typedef struct _MloScene MloScene;

typedef enum
{
  MLO_SCENE_MIXED,              /* calm, medium and wild scenes take turns */
  MLO_SCENE_CALM,               /* slow pans, a few sprites */
  MLO_SCENE_MEDIUM,
  MLO_SCENE_WILD,               /* fast motion, explosions, camera shake */
  MLO_N_SCENE_KINDS
} MloSceneKind;

/* Frames are drawn for this rate. */
#define MLO_SCENE_FPS 60
#define MLO_SCENE_MIN_SIZE 64
#define MLO_SCENE_MAX_SIZE 4096

/* "mixed", "calm", "medium", "wild"; never NULL. */
const char *mlo_scene_kind_name (MloSceneKind kind);
/* The kind called @name, or -1. */
int mlo_scene_kind_from_name (const char *name);

/* @width, @height: even, MLO_SCENE_MIN_SIZE..MLO_SCENE_MAX_SIZE, else NULL. Draws the textures: some
 * tenths of a second and 60 MB for 1280x720. */
MloScene *mlo_scene_new (int width, int height, MloSceneKind kind, guint64 seed);
void mlo_scene_free (MloScene * scene);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloScene, mlo_scene_free)

/* Draws frame @frame (time frame/60 s), mark included, into I420 planes Y, U, V. The low 32 bits of
 * @frame go into the mark. Not thread safe (uses scratch of @scene). Allocates nothing. */
void mlo_scene_render (MloScene * scene, guint64 frame, guint8 * const planes[3], const int strides[3]);

/**
 * mlo_scene_draw_mark:
 * Writes @frame into the lower left corner of a luma plane: two rows of 22 black or white cells,
 * each 24/1280 of the width and 24/720 of the height: white, black, 32 bits of the frame number in
 * Gray code (the next frame changes one), 8 check bits, black, white. @chroma: planes U and V to
 * make grey there, or NULL.
 */
void mlo_scene_draw_mark (guint8 * luma, int width, int height, int stride, guint8 * const chroma[2],
    const int chroma_strides[2], guint32 frame);

/**
 * mlo_scene_read_mark:
 * Reads the mark from a luma plane of any size (the picture may have been scaled and coded). FALSE
 * where there is none or where it is damaged: cells that are neither black nor white, or check bits
 * that do not fit (any one, two or three wrong cells, 255 in 256 of the rest).
 */
gboolean mlo_scene_read_mark (const guint8 * luma, int width, int height, int stride, guint32 * frame);

G_END_DECLS
#endif
