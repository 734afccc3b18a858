/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_KEEP_H
#define MLO_KEEP_H

#include "mlo-lineage.h"

G_BEGIN_DECLS

/**
 * MloKeep: the folder in which what was learned while streaming outlives the stream: a subfolder a key (a path to
 * the player: home, mobile, ...) with
 *   bitrate_predictor.safetensors, quality_optimizer.safetensors    the networks to use, as any folder of models
 *   learner.safetensors                                             what the learner needs to go on
 *   lock
 * Each file is written aside, synced and renamed, so at any moment, also after a crash or on a full disk, there is
 * the old one or the new one, whole. One process writes; others read. What cannot be used is renamed
 * (FILE.aside-TIME), never written over. One thread at a time.
 */
typedef struct _MloKeep MloKeep;

#define MLO_LEARNER_FILE "learner.safetensors"
/* Of its meaning, in its metadata as format_version; a later one is set aside. */
#define MLO_LEARNER_VERSION 1
/* Ceiling on each file read. */
#define MLO_KEEP_MAX_BYTES (8u << 20)
/* Of a key's bytes; a longer one is an error. */
#define MLO_KEEP_MAX_KEY 128

/* What was found; NULL and nothing learned where there was nothing usable. */
typedef struct
{
  MloBitratePredictor *predictor;
  MloQualityOptimizer *optimizer;
  MloTensorFile *learner;
  MloLineage lineage;
} MloKept;

/* (transfer full): the user's data folder's. */
char *mlo_keep_default_folder (void);

/**
 * mlo_keep_open:
 * @folder: made where it is missing
 * @key: any text of up to MLO_KEEP_MAX_KEY bytes; NULL or "": "default"
 *
 * Never fails but for a key that is too long (MLO_ERROR_ARGUMENT): where nothing can be written, or another one (in
 * this process or in another) already keeps this key, the keep can be read and saves nothing; mlo_keep_obstacle() says
 * why. Locks until freed.
 */
MloKeep *mlo_keep_open (const char *folder, const char *key, GError ** error);
/* Does not save. */
void mlo_keep_free (MloKeep * k);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloKeep, mlo_keep_free)

/* Why nothing is saved, for people; NULL: it is saved. */
const char *mlo_keep_obstacle (const MloKeep * k);
/* Of this key. */
const char *mlo_keep_folder (const MloKeep * k);

/**
 * mlo_keep_load:
 * @predictor, @optimizer: the models that the user gave, from which learning begins
 * @kept: (out): filled always
 * @notes: (element-type utf8): a line for people is appended for each file that is there and not used, and why
 *
 * A file is used when it is whole, for a network of the same shape, scaling and range, and learned from these very
 * models. Any other is set aside, as far as the keep may write.
 */
void mlo_keep_load (MloKeep * k, const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer,
    MloKept * kept, GPtrArray * notes);
void mlo_kept_clear (MloKept * kept);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MloKept, mlo_kept_clear)

/* The learner's file was whole, but the learner cannot go on from it: sets it aside. */
void mlo_keep_refuse_learner (MloKeep * k, const char *why, GPtrArray * notes);

/**
 * mlo_keep_save:
 * @learner: its metadata are added to; may be NULL
 * @lineage: its base is what the models given to mlo_keep_load() have, whatever it says
 *
 * Writes all files. FALSE with @error where one could not be written or the keep may not write (MLO_ERROR_IO), or a
 * parameter is not finite (MLO_ERROR_NOT_FINITE; nothing is written then); the old files stay whole. Waits for the
 * disk.
 */
gboolean mlo_keep_save (MloKeep * k, const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer,
    MloTensorFile * learner, const MloLineage * lineage, GError ** error);

G_END_DECLS
#endif
