/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_RESERVE_H
#define MLO_RESERVE_H

#include "mlo-environment.h"
#include "mlo-tensorfile.h"

G_BEGIN_DECLS

/**
 * The reserve: pieces of what the networks were trained on, kept beside them in a file, so that what goes on learning from
 * one stream is reminded of the others.
 *
 * The file is a safetensors file (mlo-tensorfile.h) of F32 tensors: `samples` (ticks, fields), where the metadata key
 * `fields` names the columns; `valid` (ticks), bits by column; `ticks` (ticks, 6): label_kbps (negative: none), reward
 * (below -1e5: none), baseline, price, mask, action; `lengths` (pieces), ticks of each. The metadata key `interval_ms` is the time
 * between two.
 */
#define MLO_RESERVE_FILE "reserve.safetensors"
/* Pieces of a shipped one, and how long each is. */
#define MLO_RESERVE_PIECES 24
#define MLO_RESERVE_PIECE_S 12.0
/* More than that in a file is MLO_ERROR_TOO_LARGE. */
#define MLO_RESERVE_MAX_TICKS 20000

/* (transfer full) (element-type MloRecording): streams of @env, their lengths as above, all kinds of link alike, the rest as
 * in @like (whose seed, kind and seconds do not count). The same seed and networks give the same pieces. */
GPtrArray *mlo_reserve_record (const MloEnvironment * env, const MloEpisode * like, guint64 seed);

/* (transfer full) (element-type MloRecording): pieces of the @n @recordings, evenly spread over them; fewer where there is no
 * more. */
GPtrArray *mlo_reserve_cut (MloRecording * const *recordings, guint n);

/* (element-type MloRecording): written aside, synced, renamed. */
gboolean mlo_reserve_save (GPtrArray * pieces, const char *path, GError ** error);

/* (transfer full) (element-type MloRecording): NULL and @error (MLO_ERROR, file and tensor named) where it is not
 * usable; MLO_ERROR_MISSING where there is none. */
GPtrArray *mlo_reserve_load (const char *path, GError ** error);
/* The same from tensors read elsewhere; @path: what the messages call them. */
GPtrArray *mlo_reserve_from_tensors (const char *path, const MloTensorFile * f, GError ** error);

G_END_DECLS
#endif
