/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlostats.h"

#include <math.h>

#include "gstmloserver.h"

#define DECISION_NAME "mloptimizer-decision"

GType
gst_ml_optimizer_adapt_get_type (void)
{
  static gsize type = 0;
  static const GFlagsValue values[] = {
    {MLO_ADAPT_BITRATE, "The encoder's bitrate", "bitrate"},
    {MLO_ADAPT_RESOLUTION, "The size of the pictures", "resolution"},
    {MLO_ADAPT_FRAMERATE, "The frame rate; frames are also left out while the path is full", "framerate"},
    {MLO_ADAPT_PRESET, "The encoder's preset: faster where it cannot keep up", "preset"},
    {MLO_ADAPT_FEC, "The share of parity packets, where the pipeline makes some (rtpulpfecenc)", "fec"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_flags_register_static ("GstMlOptimizerAdapt", values));
  return type;
}

guint
gst_mlo_bits (double kbps)
{
  return kbps > 0.0 ? (guint) MIN (kbps * 1000.0 + 0.5, (double) G_MAXINT) : 0;
}

static GstStructure *
decision_structure (const char *name, const MloDecision * d)
{
  return gst_structure_new (name,
      "serial", G_TYPE_UINT64, d->serial,
      "timestamp", G_TYPE_UINT64, (guint64) d->timestamp_us * 1000,
      "changed", GST_TYPE_ML_OPTIMIZER_ADAPT, d->changed,
      "bitrate", G_TYPE_UINT, gst_mlo_bits (d->bitrate_kbps),
      "width", G_TYPE_INT, d->width,
      "height", G_TYPE_INT, d->height,
      "framerate", G_TYPE_DOUBLE, d->fps,
      "preset-step", G_TYPE_INT, d->preset_step,
      "fec-percentage", G_TYPE_INT, d->parity_percent,
      "action", G_TYPE_STRING, mlo_action_name (d->action),
      "state", G_TYPE_STRING, mlo_guard_state_name (d->state),
      "limiter", G_TYPE_STRING, mlo_limiter_name (d->limiter),
      "reason", G_TYPE_STRING, d->reason ? d->reason : "",
      "confidence", G_TYPE_DOUBLE, d->confidence,
      "gain", G_TYPE_DOUBLE, d->gain,
      "predicted-bitrate", G_TYPE_UINT, gst_mlo_bits (d->predicted_kbps),
      "estimated-bandwidth", G_TYPE_UINT, gst_mlo_bits (d->capacity_kbps),
      "window", G_TYPE_UINT64, d->window_bytes, "probe-interval", G_TYPE_UINT64,
      (guint64) MAX (d->probe_interval_us, 0) * 1000, NULL);
}

GstStructure *
gst_mlo_decision_structure (const MloDecision * d)
{
  return decision_structure (DECISION_NAME, d);
}

GstStructure *
gst_mlo_decision_message (const MloDecision * d, const MloDecision * before, gboolean applied)
{
  GstStructure *s = gst_mlo_decision_structure (d);

  gst_structure_set (s, "applied", G_TYPE_BOOLEAN, applied,
      "previous-bitrate", G_TYPE_UINT, gst_mlo_bits (before->bitrate_kbps), "previous-width", G_TYPE_INT, before->width,
      "previous-height", G_TYPE_INT, before->height, "previous-framerate", G_TYPE_DOUBLE, before->fps,
      "previous-preset-step", G_TYPE_INT, before->preset_step,
      "previous-fec-percentage", G_TYPE_INT, before->parity_percent, NULL);
  return s;
}

void
gst_mlo_decision_alter (MloDecision * d, const MloDecision * before, const GstStructure * answer)
{
  gboolean veto = FALSE;
  guint bitrate;
  int width, height, percent;
  double fps;

  if (gst_structure_get_boolean (answer, "veto", &veto) && veto) {
    d->bitrate_kbps = before->bitrate_kbps;
    d->width = before->width;
    d->height = before->height;
    d->fps = before->fps;
    d->preset_step = before->preset_step;
    d->parity_percent = before->parity_percent;
  } else {
    if (gst_structure_get_uint (answer, "bitrate", &bitrate) && bitrate > 0)
      d->bitrate_kbps = bitrate / 1000.0;
    if (gst_structure_get_int (answer, "width", &width) && gst_structure_get_int (answer, "height", &height)
        && width >= 0 && height >= 0) {
      d->width = width;
      d->height = height;
    }
    if (gst_structure_get_double (answer, "framerate", &fps) && isfinite (fps) && fps >= 0.0)
      d->fps = fps;
    gst_structure_get_int (answer, "preset-step", &d->preset_step);
    if (gst_structure_get_int (answer, "fec-percentage", &percent) && d->parity_percent >= 0)
      d->parity_percent = CLAMP (percent, 0, 100);
  }
  d->limiter = MLO_LIMITER_USER;
  d->reason = veto ? "the application vetoed the change" : "the application altered the decision";
}

/* The field `encoders`: a structure of structures, which bindings of other languages can read as they are. */
static void
add_encoders (GstStructure * s, const GstMloSnapshot * now)
{
  g_autoptr (GstStructure) all = gst_structure_new_empty ("encoders");

  for (guint i = 0; i < now->n_encoders; i++) {
    g_autofree char *field = g_strdup_printf ("encoder-%u", i);
    g_autoptr (GstStructure) one = gst_structure_new ("encoder", "name", G_TYPE_STRING, now->encoders[i].name,
        "factory", G_TYPE_STRING, now->encoders[i].factory, "bitrate", G_TYPE_UINT,
        gst_mlo_bits (now->encoders[i].kbps), "deaf", G_TYPE_BOOLEAN, now->encoders[i].deaf, NULL);

    gst_structure_set (all, field, GST_TYPE_STRUCTURE, one, NULL);
  }
  gst_structure_set (s, "encoders", GST_TYPE_STRUCTURE, all, NULL);
}

GstStructure *
gst_mlo_stats_structure (const GstMloStats * stats)
{
  const GstMloSnapshot *now = &stats->snapshot;
  const GstMloCounts *n = &stats->counts;
  double encoders_kbps = 0.0;
  gboolean deaf = FALSE;
  GstStructure *s;

  for (guint i = 0; i < now->n_encoders; i++) {
    encoders_kbps += now->encoders[i].kbps;
    deaf |= now->encoders[i].deaf;
  }
  s = gst_structure_new (GST_MLO_STATS_NAME,
      "frames-in", G_TYPE_UINT64, n->frames_in,
      "frames-out", G_TYPE_UINT64, n->frames_out,
      "frames-dropped-rate", G_TYPE_UINT64, n->dropped_rate,
      "frames-dropped-window", G_TYPE_UINT64, n->dropped_window,
      "frames-encoded", G_TYPE_UINT64, n->encoded_frames,
      "bytes-encoded", G_TYPE_UINT64, n->encoded_bytes,
      "keyframes", G_TYPE_UINT64, n->keyframes,
      "bytes-in-flight", G_TYPE_UINT64, stats->in_flight,
      "feedback-reports", G_TYPE_UINT64, n->reports,
      "feedback-packets", G_TYPE_UINT64, n->packets,
      "feedback-packets-lost", G_TYPE_UINT64, n->packets_lost,
      "feedback-packets-missed", G_TYPE_UINT64, n->packets_missed,
      "receiver-reports", G_TYPE_UINT64, now->reports,
      "qos-messages", G_TYPE_UINT64, n->qos_messages,
      "qos-events", G_TYPE_UINT64, n->qos_events,
      "metrics-messages", G_TYPE_UINT64, n->metrics,
      "metrics-rejected", G_TYPE_UINT64, n->metrics_rejected,
      "peers", G_TYPE_UINT, n->peers,
      "peer-decides", G_TYPE_BOOLEAN, now->peer_decides,
      "decisions-applied", G_TYPE_UINT64, now->applied,
      "encoder", G_TYPE_STRING, now->n_encoders > 0 ? now->encoders[0].factory : "",
      "encoder-bitrate", G_TYPE_UINT, gst_mlo_bits (encoders_kbps),
      "encoder-deaf", G_TYPE_BOOLEAN, deaf, "has-models", G_TYPE_BOOLEAN, stats->has_models, NULL);

  add_encoders (s, now);
  if (now->parity)
    gst_structure_set (s, "fec-percentage", G_TYPE_DOUBLE, now->parity_percent, "fec-overhead", G_TYPE_DOUBLE,
        now->parity_overhead, NULL);
  if (stats->on_line)
    gst_mlo_server_add_stats (s, &stats->line);
  if (stats->share.members > 0)
    gst_structure_set (s,
        "group-share", G_TYPE_UINT, gst_mlo_bits (stats->share.share_kbps),
        "group-bitrate", G_TYPE_UINT, gst_mlo_bits (stats->share.budget_kbps),
        "group-members", G_TYPE_UINT, stats->share.members, NULL);
  if (!now->valid)
    return s;
  if (now->trained) {
    g_autoptr (GstStructure) training = gst_mlo_learn_stats (&now->training);

    gst_structure_set (s, "training", GST_TYPE_STRUCTURE, training, NULL);
  }
  for (int i = 0; i < MLO_N_FIELDS; i++) {
    double value = mlo_sample_get (&now->sample, i, 0.0);

    if (!mlo_sample_has (&now->sample, i))
      continue;
    if (i == MLO_FIELD_WIDTH || i == MLO_FIELD_HEIGHT)
      gst_structure_set (s, mlo_field_info (i)->name, G_TYPE_INT, (int) value, NULL);
    else
      gst_structure_set (s, mlo_field_info (i)->name, G_TYPE_DOUBLE, value, NULL);
  }
  {
    g_autoptr (GstStructure) decision = decision_structure ("decision", &now->decision);

    gst_structure_set (s, "decision", GST_TYPE_STRUCTURE, decision, NULL);
  }
  return s;
}
