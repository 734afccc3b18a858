/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmloelement.h"

#include <string.h>

#include "gstmlostats.h"

GST_DEBUG_CATEGORY_EXTERN (gst_ml_optimizer_debug);
#define GST_CAT_DEFAULT gst_ml_optimizer_debug

static guint decision_signal;

static gboolean
get_snapshot (GstMlOptimizer * self, GstMloSnapshot * snapshot)
{
  memset (snapshot, 0, sizeof *snapshot);
  WITH_CONTROL (self, gst_mlo_control_get_snapshot (self->control, snapshot));
  return snapshot->valid;
}

static GstStructure *
create_stats (GstMlOptimizer * self)
{
  GstMloStats stats = { 0 };

  get_snapshot (self, &stats.snapshot);
  GST_OBJECT_LOCK (self);
  stats.share = self->share;
  stats.on_line = self->channel != NULL;
  if (stats.on_line)
    self->line->get_counts (self->channel, &stats.line);
  GST_OBJECT_UNLOCK (self);
  gst_mlo_telemetry_get_counts (self->telemetry, &stats.counts);
  stats.in_flight = gst_mlo_telemetry_in_flight (self->telemetry);
  stats.has_models = self->models.predictor && self->models.optimizer;
  return gst_mlo_stats_structure (&stats);
}

void
gst_mlo_surface_own_settings (GstMlOptimizer * self, GstMloSettings * s)
{
  memset (s, 0, sizeof *s);
  s->limits.max_bitrate_kbps = self->user.max_bitrate / 1000.0;
  s->limits.min_bitrate_kbps = MIN (self->user.min_bitrate, self->user.max_bitrate) / 1000.0;
  s->limits.start_bitrate_kbps = self->user.start_bitrate / 1000.0;
  s->limits.target_delay_ms = self->user.target_delay;
  s->limits.min_fps = self->user.min_framerate;
  s->limits.max_fps = self->user.max_framerate;
  s->limits.min_height = self->user.min_height;
  s->limits.adapt = self->user.adapt;
  s->mode = self->user.mode;
  s->explore = self->user.train_explore / 100.0;
  gst_mlo_server_narrow (s, &self->asked);
  g_strlcpy (s->peer, self->user.peer ? self->user.peer : "", sizeof s->peer);
  g_strlcpy (s->encoder, self->user.encoder ? self->user.encoder : "", sizeof s->encoder);
}

guint
gst_mlo_surface_settings (gpointer data, GstMloSettings * s)
{
  GstMlOptimizer *self = data;
  guint serial;

  GST_OBJECT_LOCK (self);
  gst_mlo_surface_own_settings (self, s);
  if (self->share.members > 0) {
    s->limits.max_bitrate_kbps = MIN (s->limits.max_bitrate_kbps, self->share.share_kbps);
    s->limits.min_bitrate_kbps = MIN (s->limits.min_bitrate_kbps, s->limits.max_bitrate_kbps);
  }
  serial = self->settings_serial;
  GST_OBJECT_UNLOCK (self);
  return serial;
}

static gboolean
first_answer (GSignalInvocationHint * hint, GValue * result, const GValue * answer, gpointer data)
{
  if (!g_value_get_boxed (answer))
    return TRUE;
  g_value_copy (answer, result);
  return FALSE;
}

gboolean
gst_mlo_surface_decide (gpointer data, MloDecision * d, const MloDecision * before)
{
  GstMlOptimizer *self = data;
  g_autoptr (GstStructure) proposal = NULL;
  g_autoptr (GstStructure) answer = NULL;

  if (!g_signal_has_handler_pending (self, decision_signal, 0, FALSE))
    return FALSE;
  proposal = gst_mlo_decision_structure (d);
  g_signal_emit (self, decision_signal, 0, proposal, &answer);
  if (!answer)
    return FALSE;
  gst_mlo_decision_alter (d, before, answer);
  return TRUE;
}

void
gst_mlo_surface_decided (gpointer data, const MloDecision * d, const MloDecision * before, gboolean applied)
{
  GstMlOptimizer *self = data;
  GstStructure *s = gst_mlo_decision_message (d, before, applied);

  GST_DEBUG_OBJECT (self, "%" GST_PTR_FORMAT, s);
  gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), s));
  if (d->changed & MLO_ADAPT_BITRATE)
    g_object_notify_by_pspec (G_OBJECT (self), gst_mlo_properties_bitrate ());
}

void
gst_mlo_surface_warn (gpointer data, GstMloWarning cause, const char *text)
{
  GstMlOptimizer *self = data;
  gboolean again;

  GST_OBJECT_LOCK (self);
  again = (self->warned >> cause) & 1;
  self->warned |= 1u << cause;
  GST_OBJECT_UNLOCK (self);
  if (!again)
    GST_ELEMENT_WARNING (self, STREAM, FAILED, ("%s", text), (NULL));
}

void
gst_mlo_surface_unwarn (gpointer data, guint causes)
{
  GstMlOptimizer *self = data;

  GST_OBJECT_LOCK (self);
  self->warned &= ~causes;
  GST_OBJECT_UNLOCK (self);
}

static void
set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  GstMlOptimizer *self = GST_ML_OPTIMIZER (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  self->settings_serial++;
  known = gst_mlo_properties_set (&self->user, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  GstMlOptimizer *self = GST_ML_OPTIMIZER (object);
  GstMloSnapshot snapshot;
  gboolean known;

  /* These three take the lock themselves. */
  switch (id) {
    case GST_MLO_PROP_BITRATE:
      get_snapshot (self, &snapshot);
      g_value_set_uint (value, gst_mlo_bits (snapshot.decision.bitrate_kbps));
      return;
    case GST_MLO_PROP_ESTIMATED_BANDWIDTH:
      get_snapshot (self, &snapshot);
      g_value_set_uint (value, gst_mlo_bits (snapshot.decision.capacity_kbps));
      return;
    case GST_MLO_PROP_STATS:
      g_value_take_boxed (value, create_stats (self));
      return;
    default:
      break;
  }
  GST_OBJECT_LOCK (self);
  known = gst_mlo_properties_get (&self->user, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

void
gst_mlo_surface_install (GObjectClass * klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  gst_mlo_properties_install (klass);

  /**
   * GstMlOptimizer::decision:
   * @self: the element
   * @decision: a #GstStructure `mloptimizer-decision`, not to be changed
   *
   * A decision that differs from what is set is about to be applied (or, in observe mode, would be).
   * Emitted from the control thread, ten times a second at most in the mean, with no lock held; the handler must not
   * change the pipeline's state and should be quick. Fields: `serial` (#guint64), `timestamp` (#guint64,
   * ns, monotonic clock), `changed` (flags as in #GstMlOptimizer:adapt), `bitrate` (#guint, bit/s), `width`,
   * `height` (#gint, 0: the source's), `framerate` (#gdouble, 0: the source's), `preset-step` (#gint, steps faster
   * than the encoder's own preset, or with a minus slower), `fec-percentage` (#gint, parity packets in a hundred others; -1:
   * not ours to set), `action`, `state`, `limiter`,
   * `reason` (#gchararray), `confidence` (#gdouble, 0..1), `gain` (#gdouble), `predicted-bitrate`,
   * `estimated-bandwidth` (#guint, bit/s, 0: not known), `window` (#guint64, bytes that may be in flight),
   * `probe-interval` (#guint64, ns, 0: none).
   *
   * Returns: (nullable) (transfer full): %NULL to let it pass; or a structure with other values of
   * `bitrate`, `width` and `height`, `framerate`, `preset-step`, `fec-percentage`, which are taken instead within the element's limits
   * (size and frame rate: the nearest of those it works with); or one with the #gboolean `veto` set to %TRUE, and
   * all stays as it is where the limits allow that. The first handler that returns a structure wins.
   */
  decision_signal = g_signal_new ("decision", GST_TYPE_ML_OPTIMIZER, G_SIGNAL_RUN_LAST, 0, first_answer, NULL,
      NULL, GST_TYPE_STRUCTURE, 1, GST_TYPE_STRUCTURE | G_SIGNAL_TYPE_STATIC_SCOPE);
  gst_type_mark_as_plugin_api (GST_TYPE_ML_OPTIMIZER_ADAPT, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_ML_OPTIMIZER_MODE, 0);
}
