/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_FEATURES_H
#define MLO_FEATURES_H

#include "mlo-sample.h"

G_BEGIN_DECLS

/* Order of the predictor's inputs: latency, jitter, packet loss, bandwidth, complexity, mean of
 * latency, deviation of latency, mean of jitter, mean of loss, bitrate. */
#define MLO_PREDICTOR_FEATURES 10
/* Order of the optimizer's inputs: fps, frame time, encode time, latency, bitrate, packet loss,
 * buffer occupancy, CPU, GPU, memory, quality score, frame drops, jitter, bandwidth, complexity. */
#define MLO_OPTIMIZER_FEATURES 15
/* No feature under log scaling is larger. */
#define MLO_FEATURE_LIMIT 5.0f
/* Complexity of a game's pictures as mlo_complexity() measures it, for pictures that cannot be seen (GPU memory, a
 * server that does not tell). */
#define MLO_USUAL_COMPLEXITY 0.72
/* Samples over which means and deviation run, and the length of the predictor's window. */
#define MLO_FEATURE_WINDOW 30

typedef enum
{
  MLO_SCALING_REFERENCE,        /* linear, as the Python implementation has it */
  MLO_SCALING_LOG,              /* bandwidth and bitrate on a log scale */
} MloScalingKind;

/**
 * MloScaling: how raw values become network inputs and back. Part of a model file's metadata.
 * Under LOG a rate r becomes log (max (r, rate_low_kbps) / rate_low_kbps) / log (rate_high_kbps / rate_low_kbps), and
 * no feature leaves 0..MLO_FEATURE_LIMIT, so that a minute of round-trip time is no further from what a network saw
 * in training than a second of it. REFERENCE has no such limit. The other features are scaled alike:
 *   predictor: latency/200, jitter/50, loss, bandwidth/50000, complexity, mean latency/200, deviation/50,
 *     mean jitter/50, mean loss, bitrate/20000
 *   optimizer: fps/120, frame time/50, encode time/20, latency/200, bitrate/30000, loss, buffer, CPU, GPU, memory,
 *     quality, drops/10, jitter/30, bandwidth/30000, complexity
 */
typedef struct
{
  MloScalingKind kind;
  double rate_low_kbps, rate_high_kbps; /* of the log scale */
} MloScaling;

extern const MloScaling mlo_scaling_reference;
extern const MloScaling mlo_scaling_log_default;

/**
 * MloFeatureHistory: the last samples, enough for the rolling statistics. Plain struct.
 */
typedef struct
{
  float latency_ms[MLO_FEATURE_WINDOW];
  float jitter_ms[MLO_FEATURE_WINDOW];
  float loss[MLO_FEATURE_WINDOW];
  float bandwidth_kbps[MLO_FEATURE_WINDOW];
  float complexity[MLO_FEATURE_WINDOW];
  float bitrate_kbps[MLO_FEATURE_WINDOW];
  guint next, count;
} MloFeatureHistory;

void mlo_feature_history_reset (MloFeatureHistory * h);

/* Adds one tick's sample. A field that is not valid repeats its last value (before the first: 0, complexity 0.5). */
void mlo_feature_history_push (MloFeatureHistory * h, const MloSample * s);

/* Features of the newest sample, statistics over the samples in the history up to it (form of use
 * `stream`). */
void mlo_features_predictor (const MloScaling * scaling, const MloFeatureHistory * h, float out[MLO_PREDICTOR_FEATURES]);

/* Features of every sample in the history, oldest first, each with the statistics over the samples
 * from the window's first to itself (form of use `window`). Under REFERENCE the means are 0 at the first sample, the
 * deviation (of the population) at the first two, and a bitrate of 0 becomes 0.5, as the Python implementation has
 * it; so too in mlo_features_predictor. @out: (count, 10); returns count. */
guint mlo_features_predictor_window (const MloScaling * scaling, const MloFeatureHistory * h, float *out);

/* One sample as the optimizer's state. Missing fields count as 0, complexity as 0.5. */
void mlo_features_optimizer (const MloScaling * scaling, const MloSample * s, float out[MLO_OPTIMIZER_FEATURES]);

/* The network's output y in 0..1 as a rate and back: linear (reference) or log in [min, max]. */
double mlo_scaling_output_kbps (const MloScaling * scaling, double min_kbps, double max_kbps, double y);
double mlo_scaling_output_inverse (const MloScaling * scaling, double min_kbps, double max_kbps, double kbps);

G_END_DECLS
#endif
