/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_DATASET_H
#define MLO_DATASET_H

#include "mlo-recording.h"

G_BEGIN_DECLS

/* Ceilings on what a file may hold. */
#define MLO_DATASET_MAX_BYTES (256u << 20)
#define MLO_DATASET_MAX_SAMPLE_BYTES (64u << 10)
#define MLO_DATASET_MAX_DEPTH 8
#define MLO_DATASET_MAX_TICKS 4000000u
#define MLO_DATASET_MAX_STREAMS 65536u

/* A longer step between two samples of a stream ends the recording. */
#define MLO_DATASET_GAP_US (2 * G_USEC_PER_SEC)
/* The media's share of what a link carries: 1200 bytes a packet and MLO_PACKET_OVERHEAD. */
#define MLO_DATASET_MEDIA_SHARE (1200.0 / 1248.0)

/**
 * MloDataset: logged telemetry, resampled to the models' tick.
 *
 * The file is a JSON array of samples or JSON Lines, a sample an object with the names of
 * MLO_SAMPLE_FIELDS. timestamp, latency_ms, jitter_ms, packet_loss, bandwidth_kbps, bitrate_kbps, fps and
 * quality_score must be there (null: was not measured), the others may. `timestamp` is in seconds below 1e11, in
 * ms below 1e14, else in us, and rises within a stream; `stream` (string or integer) names the stream; `resolution`
 * ("1920x1080") and `complexity_score` are taken for width, height and complexity. Other names are ignored.
 *
 * Between samples a tick holds the last one (what is not yet known is not used); where several
 * fall into one tick it has their mean, but the newest of what is set rather than measured.
 * The label is the mean bandwidth_kbps over the horizon after the tick, times
 * MLO_DATASET_MEDIA_SHARE, or the next sample's where the step is longer than the horizon. The
 * action is inferred from what changed: size before fps before bitrate.
 */
typedef struct
{
  MloRecording **recordings;    /* each of two ticks at least */
  guint n_recordings, allocated;
  guint n_samples;              /* as in the file */
  guint n_ticks;
} MloDataset;

typedef struct
{
  gint64 interval_us;           /* tick */
  double horizon_s;             /* of the label */
  double size_price, fps_price; /* as in MloEpisode */
} MloDatasetOptions;

extern const MloDatasetOptions mlo_dataset_options_default;

/* NULL and @error (MLO_ERROR; file, index of the sample and field named). */
MloDataset *mlo_dataset_load (const char *path, const MloDatasetOptions * options, GError ** error);
/* The same from memory, which need not end in NUL; @name for messages. */
MloDataset *mlo_dataset_parse (const char *name, const char *text, gsize length, const MloDatasetOptions * options,
    GError ** error);
void mlo_dataset_free (MloDataset * d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloDataset, mlo_dataset_free)

G_END_DECLS
#endif
