/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-features.h"

#include <math.h>
#include <string.h>

/* 100 kbit/s is where video ends; 50 Mbit/s is as far as the reference's linear scale goes. */
const MloScaling mlo_scaling_reference = { MLO_SCALING_REFERENCE, 100.0, 50000.0 };
const MloScaling mlo_scaling_log_default = { MLO_SCALING_LOG, 100.0, 50000.0 };

static const double predictor_units[MLO_PREDICTOR_FEATURES] =
    { 200.0, 50.0, 1.0, 50000.0, 1.0, 200.0, 50.0, 50.0, 1.0, 20000.0 };

#define PREDICTOR_BANDWIDTH 3
#define PREDICTOR_BITRATE 9

static const struct
{
  MloField field;
  double unit, missing;
} optimizer_inputs[MLO_OPTIMIZER_FEATURES] = {
  {MLO_FIELD_FPS, 120.0, 0.0},
  {MLO_FIELD_FRAME_TIME, 50.0, 0.0},
  {MLO_FIELD_ENCODE_TIME, 20.0, 0.0},
  {MLO_FIELD_LATENCY, 200.0, 0.0},
  {MLO_FIELD_BITRATE, 30000.0, 0.0},
  {MLO_FIELD_PACKET_LOSS, 1.0, 0.0},
  {MLO_FIELD_BUFFER_OCCUPANCY, 1.0, 0.0},
  {MLO_FIELD_CPU_USAGE, 1.0, 0.0},
  {MLO_FIELD_GPU_USAGE, 1.0, 0.0},
  {MLO_FIELD_MEMORY_USAGE, 1.0, 0.0},
  {MLO_FIELD_QUALITY_SCORE, 1.0, 0.0},
  {MLO_FIELD_FRAME_DROPS, 10.0, 0.0},
  {MLO_FIELD_JITTER, 30.0, 0.0},
  {MLO_FIELD_BANDWIDTH, 30000.0, 0.0},
  {MLO_FIELD_COMPLEXITY, 1.0, MLO_USUAL_COMPLEXITY},
};

void
mlo_feature_history_reset (MloFeatureHistory * h)
{
  memset (h, 0, sizeof *h);
}

void
mlo_feature_history_push (MloFeatureHistory * h, const MloSample * s)
{
  const guint i = h->next, last = (i + MLO_FEATURE_WINDOW - 1) % MLO_FEATURE_WINDOW;
  const gboolean first = h->count == 0;

#define PUSH(column, field, before_first) \
  h->column[i] = (float) mlo_sample_get (s, field, first ? (before_first) : (double) h->column[last])
  PUSH (latency_ms, MLO_FIELD_LATENCY, 0.0);
  PUSH (jitter_ms, MLO_FIELD_JITTER, 0.0);
  PUSH (loss, MLO_FIELD_PACKET_LOSS, 0.0);
  PUSH (bandwidth_kbps, MLO_FIELD_BANDWIDTH, 0.0);
  PUSH (complexity, MLO_FIELD_COMPLEXITY, MLO_USUAL_COMPLEXITY);
  PUSH (bitrate_kbps, MLO_FIELD_BITRATE, 0.0);
#undef PUSH
  h->next = (i + 1) % MLO_FEATURE_WINDOW;
  h->count = MIN (h->count + 1, MLO_FEATURE_WINDOW);
}

static double
scale_rate (const MloScaling * s, double kbps, double unit)
{
  if (s->kind == MLO_SCALING_REFERENCE)
    return kbps / unit;
  return log (MAX (kbps, s->rate_low_kbps) / s->rate_low_kbps) / log (s->rate_high_kbps / s->rate_low_kbps);
}

static float
limited (const MloScaling * s, double x)
{
  return s->kind == MLO_SCALING_REFERENCE ? (float) x : CLAMP ((float) x, 0.0f, MLO_FEATURE_LIMIT);
}

/* Running statistics (B. P. Welford, Technometrics 4 (3), 1962): no cancellation where the deviation is small beside
 * the mean. */
typedef struct
{
  guint n;
  double latency, squares, jitter, loss;        /* means; sum of the squared deviations of the latency */
} Running;

static void
running_add (Running * r, const MloFeatureHistory * h, guint i)
{
  double latency = (double) h->latency_ms[i], delta = latency - r->latency;

  r->n++;
  r->latency += delta / r->n;
  r->squares += delta * (latency - r->latency);
  r->jitter += ((double) h->jitter_ms[i] - r->jitter) / r->n;
  r->loss += ((double) h->loss[i] - r->loss) / r->n;
}

static void
write_row (const MloScaling * s, const MloFeatureHistory * h, guint i, const Running * r, float *out)
{
  const gboolean reference = s->kind == MLO_SCALING_REFERENCE;
  const gboolean means = !reference || r->n > 1, deviation = !reference || r->n > 2;
  const double bitrate = (double) h->bitrate_kbps[i];
  double x[MLO_PREDICTOR_FEATURES];

  x[0] = (double) h->latency_ms[i];
  x[1] = (double) h->jitter_ms[i];
  x[2] = (double) h->loss[i];
  x[3] = (double) h->bandwidth_kbps[i];
  x[4] = (double) h->complexity[i];
  x[5] = means ? r->latency : 0.0;
  x[6] = deviation ? sqrt (r->squares / r->n) : 0.0;
  x[7] = means ? r->jitter : 0.0;
  x[8] = means ? r->loss : 0.0;
  x[9] = bitrate;
  for (int k = 0; k < MLO_PREDICTOR_FEATURES; k++) {
    if (k == PREDICTOR_BANDWIDTH || k == PREDICTOR_BITRATE)
      x[k] = scale_rate (s, x[k], predictor_units[k]);
    else
      x[k] /= predictor_units[k];
    out[k] = limited (s, x[k]);
  }
  if (reference && bitrate <= 0.0)
    out[PREDICTOR_BITRATE] = 0.5f;
}

static guint
oldest (const MloFeatureHistory * h)
{
  return (h->next + MLO_FEATURE_WINDOW - h->count) % MLO_FEATURE_WINDOW;
}

void
mlo_features_predictor (const MloScaling * scaling, const MloFeatureHistory * h, float out[MLO_PREDICTOR_FEATURES])
{
  Running r = { 0 };

  if (h->count == 0) {
    memset (out, 0, MLO_PREDICTOR_FEATURES * sizeof *out);
    return;
  }
  for (guint k = 0; k < h->count; k++)
    running_add (&r, h, (oldest (h) + k) % MLO_FEATURE_WINDOW);
  write_row (scaling, h, (h->next + MLO_FEATURE_WINDOW - 1) % MLO_FEATURE_WINDOW, &r, out);
}

guint
mlo_features_predictor_window (const MloScaling * scaling, const MloFeatureHistory * h, float *out)
{
  Running r = { 0 };

  for (guint k = 0; k < h->count; k++) {
    guint i = (oldest (h) + k) % MLO_FEATURE_WINDOW;

    running_add (&r, h, i);
    write_row (scaling, h, i, &r, out + k * MLO_PREDICTOR_FEATURES);
  }
  return h->count;
}

void
mlo_features_optimizer (const MloScaling * scaling, const MloSample * s, float out[MLO_OPTIMIZER_FEATURES])
{
  for (int k = 0; k < MLO_OPTIMIZER_FEATURES; k++) {
    const MloField field = optimizer_inputs[k].field;
    double x = mlo_sample_get (s, field, optimizer_inputs[k].missing);

    if (field == MLO_FIELD_BITRATE || field == MLO_FIELD_BANDWIDTH)
      x = scale_rate (scaling, x, optimizer_inputs[k].unit);
    else
      x /= optimizer_inputs[k].unit;
    out[k] = limited (scaling, x);
  }
}

double
mlo_scaling_output_kbps (const MloScaling * scaling, double min_kbps, double max_kbps, double y)
{
  if (scaling->kind == MLO_SCALING_REFERENCE)
    return min_kbps + y * (max_kbps - min_kbps);
  return min_kbps * pow (max_kbps / min_kbps, y);
}

double
mlo_scaling_output_inverse (const MloScaling * scaling, double min_kbps, double max_kbps, double kbps)
{
  double rate = CLAMP (kbps, min_kbps, max_kbps);

  if (max_kbps <= min_kbps)
    return 0.0;
  if (scaling->kind == MLO_SCALING_REFERENCE)
    return (rate - min_kbps) / (max_kbps - min_kbps);
  return log (rate / min_kbps) / log (max_kbps / min_kbps);
}
