/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmloelement.h"

#include <math.h>
#include <string.h>

#include "mlo-reserve.h"
#include "mlo-ws-uri.h"

GST_DEBUG_CATEGORY_EXTERN (gst_ml_optimizer_debug);
#define GST_CAT_DEFAULT gst_ml_optimizer_debug

/* --- learning --- */

void
gst_mlo_services_learned (gpointer data, const MloLearnerReport * before, const MloLearnerReport * now)
{
  GstMlOptimizer *self = data;
  GstStructure *s = gst_mlo_learn_message (before, now);

  if (s) {
    GST_INFO_OBJECT (self, "%" GST_PTR_FORMAT, s);
    gst_element_post_message (GST_ELEMENT (self), gst_message_new_element (GST_OBJECT (self), s));
  }
  if (now->save_failures > before->save_failures) {
    g_autofree char *text = g_strdup_printf ("what was learned could not be saved: %s; what was saved before is whole, "
        "and it is tried again", now->save_error);

    gst_mlo_surface_warn (self, GST_MLO_WARN_TRAIN_SAVE, text);
  }
}

static gboolean
start_learner (GstMlOptimizer * self)
{
  MloLearnerConfig config = mlo_learner_config_default;
  g_autofree char *folder = NULL, *key = NULL, *text = NULL, *reserve = NULL;
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  gboolean train;

  GST_OBJECT_LOCK (self);
  train = self->user.train;
  folder = g_strdup (self->user.train_dir);
  key = g_strdup (self->user.train_key);
  config.cpu_percent = self->user.train_cpu;
  config.interval_us = (gint64) self->user.interval * 1000;
  GST_OBJECT_UNLOCK (self);
  if (!train)
    return TRUE;
  if (!self->models.predictor || !self->models.optimizer) {
    gst_mlo_surface_warn (self, GST_MLO_WARN_TRAIN, "train: there are no models to go on learning from");
    return TRUE;
  }
  config.predictor = self->models.predictor;
  config.optimizer = self->models.optimizer;
  config.folder = folder;
  config.key = key;
  reserve = g_build_filename (self->models.folder, MLO_RESERVE_FILE, NULL);
  config.reserve = reserve;
  config.seed = (guint64) g_get_monotonic_time ();
  self->learner = mlo_learner_new (&config, notes, &error);
  if (!self->learner) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("The property train-key cannot be used: %s", error->message), (NULL));
    return FALSE;
  }
  if (notes->len > 0) {
    g_ptr_array_add (notes, NULL);
    text = g_strjoinv ("; ", (char **) notes->pdata);
    gst_mlo_surface_warn (self, GST_MLO_WARN_TRAIN, text);
  }
  return TRUE;
}

/* --- the group --- */

/* @used_kbps: as decided, < 0 before the first decision. Without the bitrate there is nothing to share. */
static void
claim_share (GstMlOptimizer * self, double used_kbps)
{
  MloBudgetClaim claim;
  MloBudgetShare share;
  GstMloSettings s;
  gboolean shares;

  if (!self->place)
    return;
  GST_OBJECT_LOCK (self);
  gst_mlo_surface_own_settings (self, &s);
  claim.min_kbps = s.limits.min_bitrate_kbps;
  claim.max_kbps = s.limits.max_bitrate_kbps;
  claim.weight = self->user.group_weight;
  claim.budget_kbps = self->user.group_max_bitrate / 1000.0;
  claim.used_kbps = used_kbps;
  GST_OBJECT_UNLOCK (self);
  shares = s.mode == GST_MLO_MODE_CONTROL && (s.limits.adapt & MLO_ADAPT_BITRATE);
  gst_mlo_group_claim (self->place, shares ? &claim : NULL, &share);
  GST_OBJECT_LOCK (self);
  if (fabs (share.share_kbps - self->share.share_kbps) >= 0.5 || !share.members != !self->share.members)
    self->settings_serial++;
  self->share = share;
  GST_OBJECT_UNLOCK (self);
  if (share.exceeded)
    gst_mlo_surface_warn (self, GST_MLO_WARN_GROUP,
        "the min-bitrate of the group's elements is more than the group's bitrate in all: "
        "each keeps its min-bitrate");
}

static void
join_group (GstMlOptimizer * self)
{
  g_autofree char *group = NULL;

  GST_OBJECT_LOCK (self);
  group = g_strdup (self->user.group);
  GST_OBJECT_UNLOCK (self);
  if (!group || !*group)
    return;
  self->place = gst_mlo_group_join (group);
  claim_share (self, -1.0);
}

static void
leave_group (GstMlOptimizer * self)
{
  g_clear_pointer (&self->place, gst_mlo_group_leave);
  GST_OBJECT_LOCK (self);
  memset (&self->share, 0, sizeof self->share);
  GST_OBJECT_UNLOCK (self);
}

/* --- recording --- */

/* A reaction between two ticks has no observation of its own; the recorder leaves it out by its time. */
static void
record (GstMlOptimizer * self, const MloSample * sample)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  /* before the first tick there is nothing */
  if (sample->timestamp_us == 0
      || mlo_recorder_add (self->recorder, NULL, self->real_time_us + sample->timestamp_us, sample, &error))
    return;
  text = g_strdup_printf ("the recording ends here: %s", error->message);
  gst_mlo_surface_warn (self, GST_MLO_WARN_RECORD, text);
}

static gboolean
open_recorder (GstMlOptimizer * self)
{
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  path = g_strdup (self->user.record);
  GST_OBJECT_UNLOCK (self);
  if (!path || !*path)
    return TRUE;
  self->recorder = mlo_recorder_open (path, &error);
  if (!self->recorder) {
    GST_ELEMENT_ERROR (self, RESOURCE, OPEN_WRITE, ("The property record cannot be used: %s", error->message), (NULL));
    return FALSE;
  }
  self->real_time_us = g_get_real_time () - g_get_monotonic_time ();
  return TRUE;
}

/* --- the streaming server --- */

void
gst_mlo_services_report (gpointer data, const MloDecision * d, const MloDecision * before, const MloSample * sample,
    const GstMloSettings * settings, const GstMloFormat * format)
{
  GstMlOptimizer *self = data;
  MloChannelReport r;

  claim_share (self, d->bitrate_kbps);
  if (self->recorder)
    record (self, sample);
  if (!self->channel)
    return;
  r.real_time_us = g_get_real_time ();
  r.decision = *d;
  r.before = *before;
  r.sample = *sample;
  r.limits = gst_mlo_server_limits (settings);
  r.source_width = format->info.width;
  r.source_height = format->info.height;
  r.source_fps = format->info.fps_n > 0 && format->info.fps_d > 0 ? (double) format->info.fps_n / format->info.fps_d
      : 0.0;
  self->line->report (self->channel, &r);
}

static void
server_metrics (gpointer data, const MloSample * sample, guint rejected)
{
  GstMlOptimizer *self = data;

  gst_mlo_telemetry_tell (self->telemetry, sample, rejected);
}

static void
server_limits (gpointer data, const MloMessageLimits * asked, MloMessageLimits * in_force)
{
  GstMlOptimizer *self = data;
  GstMloSettings settings;

  GST_OBJECT_LOCK (self);
  self->asked = *asked;
  self->settings_serial++;
  GST_OBJECT_UNLOCK (self);
  gst_mlo_surface_settings (self, &settings);
  *in_force = gst_mlo_server_limits (&settings);
  GST_DEBUG_OBJECT (self, "the server asks for %.0f .. %.0f kbit/s, gets %.0f .. %.0f", asked->min_bitrate_kbps,
      asked->max_bitrate_kbps, in_force->min_bitrate_kbps, in_force->max_bitrate_kbps);
}

static void
server_warn (gpointer data, MloChannelWarning cause, const char *why)
{
  GstMlOptimizer *self = data;
  g_autofree char *text = NULL;

  GST_DEBUG_OBJECT (self, "server: %s", why);
  if (cause == MLO_CHANNEL_WARN_CONNECTION)
    text = g_strdup_printf ("no connection to the server: %s; the stream goes on, and so do the attempts", why);
  else
    text = g_strdup_printf ("%s; it is left out", why);
  gst_mlo_surface_warn (self, cause == MLO_CHANNEL_WARN_CONNECTION ? GST_MLO_WARN_SERVER : GST_MLO_WARN_SERVER_TEXT,
      text);
}

static const MloChannelFuncs channel_funcs = { server_metrics, server_limits, server_warn };

/* The address must be right; a line that cannot be had is no reason not to stream. */
gboolean
gst_mlo_services_check (GstMlOptimizer * self)
{
  g_autofree char *server = NULL, *token = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) uri = NULL;

  self->line = NULL;
  GST_OBJECT_LOCK (self);
  server = g_strdup (self->user.server);
  token = g_strdup (self->user.server_token);
  GST_OBJECT_UNLOCK (self);
  if (!server || !*server)
    return TRUE;
  uri = mlo_ws_uri_parse (server, &error);
  if (!uri || (token && *token && !mlo_ws_token_check (token, &error))) {
    GST_ELEMENT_ERROR (self, RESOURCE, SETTINGS, ("The property server%s cannot be used: %s", uri ? "-token" : "",
            error->message), (NULL));
    return FALSE;
  }
  self->line = gst_mlo_server_load (&error);
  if (!self->line) {
    g_autofree char *text = g_strdup_printf ("no connection to the server: %s; the stream goes on without",
        error->message);

    gst_mlo_surface_warn (self, GST_MLO_WARN_SERVER, text);
  }
  return TRUE;
}

static void
open_channel (GstMlOptimizer * self)
{
  g_autofree char *server = NULL, *token = NULL, *ca = NULL;
  g_autoptr (GError) error = NULL;
  MloChannelConfig config = { 0 };
  MloChannel *channel;

  if (!self->line)
    return;
  GST_OBJECT_LOCK (self);
  server = g_strdup (self->user.server);
  token = g_strdup (self->user.server_token);
  ca = g_strdup (self->user.server_ca);
  GST_OBJECT_UNLOCK (self);
  config.uri = server;
  config.token = token && *token ? token : NULL;
  config.ca_file = ca && *ca ? ca : NULL;
  /* elements of one process, and of several, should not all come back at once */
  config.seed = (guint64) g_get_monotonic_time () ^ (guint64) GPOINTER_TO_SIZE (self);
  channel = self->line->open (&config, &channel_funcs, self, &error);
  GST_OBJECT_LOCK (self);
  self->channel = channel;
  GST_OBJECT_UNLOCK (self);
  if (!channel) {
    g_autofree char *text = g_strdup_printf ("no connection to the server: %s; the stream goes on without",
        error->message);

    gst_mlo_surface_warn (self, GST_MLO_WARN_SERVER, text);
  }
}

static void
close_channel (GstMlOptimizer * self)
{
  MloChannel *channel;

  GST_OBJECT_LOCK (self);
  channel = g_steal_pointer (&self->channel);
  GST_OBJECT_UNLOCK (self);
  if (channel)
    self->line->close (channel);
  GST_OBJECT_LOCK (self);
  self->asked = gst_mlo_server_nothing_asked;
  GST_OBJECT_UNLOCK (self);
}

/* --- all of them --- */

gboolean
gst_mlo_services_start (GstMlOptimizer * self)
{
  /* again: it may have been set in READY */
  if (!gst_mlo_services_check (self) || !open_recorder (self))
    return FALSE;
  if (!start_learner (self)) {
    g_clear_pointer (&self->recorder, mlo_recorder_free);
    return FALSE;
  }
  open_channel (self);
  join_group (self);
  return TRUE;
}

void
gst_mlo_services_stop (GstMlOptimizer * self)
{
  close_channel (self);
  leave_group (self);
  g_clear_pointer (&self->recorder, mlo_recorder_free);
  g_clear_pointer (&self->learner, mlo_learner_free);
}
