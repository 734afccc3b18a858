/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_PLAYER_H
#define MLO_PLAYER_H

#include "mlo-dataset.h"

G_BEGIN_DECLS

/**
 * MloPlayer: logged telemetry played again as if it were measured now. Each stream of the dataset plays from its
 * beginning; one that is at its end begins anew. No clock: the caller says the time.
 */

typedef struct _MloPlayer MloPlayer;

/* @sample: what the log held at that time. */
typedef void (*MloPlayerFunc) (const char *stream, const MloSample * sample, gpointer user_data);

/* Takes @dataset. @speed: seconds of the log in a second. */
MloPlayer *mlo_player_new (MloDataset * dataset, double speed, gint64 now_us);
void mlo_player_free (MloPlayer * player);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloPlayer, mlo_player_free)

guint mlo_player_n_streams (const MloPlayer * player);
/* Calls @func for each stream that has come to another tick since the last call, with its newest. */
void mlo_player_advance (MloPlayer * player, gint64 now_us, MloPlayerFunc func, gpointer user_data);

G_END_DECLS
#endif
