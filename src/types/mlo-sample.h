/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_SAMPLE_H
#define MLO_SAMPLE_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * MLO_SAMPLE_FIELDS:
 *
 * Every quantity that one observation may hold: enum name, field name, unit, least and greatest
 * value accepted from outside, and what it is. The struct, the names used in JSON and in
 * GstStructures, and the bounds all come from this one table.
 */
#define MLO_SAMPLE_FIELDS(F) \
  F (LATENCY, latency_ms, "ms", 0, 60000, "round-trip time, the path's queue included") \
  F (QUEUE_DELAY, queue_delay_ms, "ms", 0, 60000, "delay above the path's minimum") \
  F (JITTER, jitter_ms, "ms", 0, 60000, "smoothed variation of the packets' transit (RFC 3550 6.4.1)") \
  F (PACKET_LOSS, packet_loss, "fraction", 0, 1, "share of the packets that did not arrive") \
  F (BANDWIDTH, bandwidth_kbps, "kbit/s", 0, 1e7, "capacity of the path, IP bytes") \
  F (DELIVERED, delivered_kbps, "kbit/s", 0, 1e7, "rate that arrived, IP bytes") \
  F (SENT, sent_kbps, "kbit/s", 0, 1e7, "rate that was sent, IP bytes") \
  F (BITRATE, bitrate_kbps, "kbit/s", 0, 1e7, "target set on the encoder") \
  F (ENCODED, encoded_kbps, "kbit/s", 0, 1e7, "rate that the encoder put out, measured") \
  F (FPS, fps, "1/s", 0, 1000, "frames that reached the encoder, a second") \
  F (FRAME_TIME, frame_time_ms, "ms", 0, 60000, "mean time between frames at the encoder") \
  F (ENCODE_TIME, encode_time_ms, "ms", 0, 60000, "mean time a frame spends in the encoder") \
  F (DECODE_TIME, decode_time_ms, "ms", 0, 60000, "mean time a frame keeps the receiver's decoder busy, as it tells") \
  F (FRAME_DROPS, frame_drops, "frames", 0, 1e6, "frames lost or late downstream in the last second") \
  F (BUFFER_OCCUPANCY, buffer_occupancy, "fraction", 0, 1, "bytes in flight over what the window allows") \
  F (CPU_USAGE, cpu_usage, "fraction", 0, 1, "busy share of all cores") \
  F (GPU_USAGE, gpu_usage, "fraction", 0, 1, "busy share of the GPU") \
  F (MEMORY_USAGE, memory_usage, "fraction", 0, 1, "used share of the memory") \
  F (COMPLEXITY, complexity, "fraction", 0, 1, "spatial and temporal activity of the pictures") \
  F (QUALITY_SCORE, quality_score, "fraction", 0, 1, "R / 100 as estimated at the sender or reported by the receiver") \
  F (WIDTH, width, "pixels", 0, 65536, "width at the encoder") \
  F (HEIGHT, height, "pixels", 0, 65536, "height at the encoder")

typedef enum
{
#define MLO_FIELD_ENUM(NAME, name, unit, min, max, text) MLO_FIELD_##NAME,
  MLO_SAMPLE_FIELDS (MLO_FIELD_ENUM)
#undef MLO_FIELD_ENUM
  MLO_N_FIELDS
} MloField;

/**
 * MloSample: one observation. A field holds a value only where its bit in @valid is set.
 */
typedef struct
{
  gint64 timestamp_us;          /* monotonic, the caller's clock */
  guint32 valid;                /* bit 1 << MloField */
#define MLO_FIELD_MEMBER(NAME, name, unit, min, max, text) double name;
  MLO_SAMPLE_FIELDS (MLO_FIELD_MEMBER)
#undef MLO_FIELD_MEMBER
} MloSample;

typedef struct
{
  const char *name;             /* as in JSON and GstStructure */
  const char *unit;
  double min, max;              /* bounds for values from outside */
  const char *text;
  gsize offset;                 /* in MloSample */
} MloFieldInfo;

/* What a sample's bandwidth is worth. */
typedef enum
{
  MLO_CAPACITY_OLD,             /* nothing new was measured in the tick: little was sent, or nothing came */
  MLO_CAPACITY_MEASURED,
  MLO_CAPACITY_AT_LEAST,        /* too fast for the receiver's clock: a bound from below */
} MloCapacityKind;

const MloFieldInfo *mlo_field_info (MloField field);

/* The field called @name, or -1. */
int mlo_field_from_name (const char *name);

static inline gboolean
mlo_sample_has (const MloSample * s, MloField field)
{
  return (s->valid >> field) & 1;
}

/* The value, or @fallback where the sample has none. */
double mlo_sample_get (const MloSample * s, MloField field, double fallback);

/* Stores @value and marks it valid; FALSE (and nothing stored) where it is not finite or outside
 * the field's bounds. */
gboolean mlo_sample_set (MloSample * s, MloField field, double value);

void mlo_sample_unset (MloSample * s, MloField field);

G_END_DECLS
#endif
