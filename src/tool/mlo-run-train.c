/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-run-train.h"

#include <string.h>

/* The learner is looked at so often. */
#define LOOK_MS 250
/* A stream without a tick for so long makes room for another. */
#define SILENT_US (5 * G_USEC_PER_SEC)

struct _MloRunTrain
{
  MloLearner *learner;
  MloRunLog *log;
  MloService *service;          /* NULL before it is attached */
  guint source;
  MloNetworks *networks;        /* in use; NULL: the user's */
  const MloSession *teacher;    /* compared only: it may be gone */
  gint64 last_us;               /* of the teacher's newest tick */
  MloLearnerReport report;
};

static gboolean
on_tick (gpointer user_data, const MloSession * session, const MloController * c, gboolean gap)
{
  MloRunTrain *t = user_data;
  gint64 now_us = g_get_monotonic_time ();
  MloOnlineTick tick;

  if (session != t->teacher) {
    if (t->teacher && now_us - t->last_us < SILENT_US)
      return FALSE;
    t->teacher = session;
    gap = TRUE;
  }
  t->last_us = now_us;
  mlo_online_tick_init (&tick, mlo_controller_decision (c), mlo_controller_sample (c),
      mlo_controller_capacity_kind (c));
  tick.gap = gap;
  mlo_learner_feed (t->learner, &tick);
  return TRUE;
}

static void
tell_changes (MloRunTrain * t, const char *network, const MloOnlineNetworkStats * before,
    const MloOnlineNetworkStats * now)
{
  g_autofree char *text = NULL;

  if (now->promotions == before->promotions && now->demotions == before->demotions)
    return;
  text =
      g_strdup_printf ("%s %s after %" G_GUINT64_FORMAT " updates; held out: shipped %.2f, champion %.2f, challenger "
      "%.2f", network, now->last_change == MLO_ONLINE_DEMOTED ? "demoted" : "promoted", now->updates, now->held_shipped,
      now->held_champion, now->held_challenger);
  mlo_run_log_process (t->log, "training", text, NULL);
}

static gboolean
look (gpointer data)
{
  MloRunTrain *t = data;
  MloNetworks *better = mlo_learner_take (t->learner);
  MloLearnerReport before = t->report;

  if (better) {
    mlo_service_set_networks (t->service, better->predictor, better->optimizer);
    mlo_networks_free (t->networks);
    t->networks = better;
  }
  if (!mlo_learner_poll (t->learner, &t->report))
    return G_SOURCE_CONTINUE;
  tell_changes (t, "predictor", &before.online.predictor, &t->report.online.predictor);
  tell_changes (t, "optimizer", &before.online.optimizer, &t->report.online.optimizer);
  if (t->report.save_failures > before.save_failures && before.save_failures == 0)
    mlo_run_log_process (t->log, "training", t->report.save_error, NULL);
  return G_SOURCE_CONTINUE;
}

MloRunTrain *
mlo_run_train_new (const MloLearnerConfig * config, MloSessionConfig * session, MloRunLog * log, GError ** error)
{
  g_autoptr (GPtrArray) notes = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *text = NULL, *lineage = NULL;
  MloLearnerConfig c = *config;
  MloRunTrain *t = g_new0 (MloRunTrain, 1);

  c.predictor = session->predictor;
  c.optimizer = session->optimizer;
  c.interval_us = (gint64) mlo_bitrate_predictor_config (session->predictor)->interval_ms * 1000;
  t->log = log;
  t->learner = mlo_learner_new (&c, notes, error);
  if (!t->learner) {
    g_free (t);
    return NULL;
  }
  session->tick = on_tick;
  session->tick_data = t;
  if (session->limits.start_bitrate_kbps <= 0.0)
    session->limits.start_bitrate_kbps = mlo_learner_good_kbps (t->learner);
  mlo_learner_poll (t->learner, &t->report);
  lineage = mlo_lineage_text (&t->report.lineage);
  text = g_strdup_printf ("kept in %s: %s", mlo_learner_folder (t->learner), lineage);
  mlo_run_log_process (log, "training", text, NULL);
  for (guint i = 0; i < notes->len; i++)
    mlo_run_log_process (log, "training", notes->pdata[i], NULL);
  return t;
}

void
mlo_run_train_attach (MloRunTrain * t, MloService * service)
{
  t->service = service;
  t->source = g_timeout_add (LOOK_MS, look, t);
}

void
mlo_run_train_free (MloRunTrain * t)
{
  if (!t)
    return;
  g_clear_handle_id (&t->source, g_source_remove);
  mlo_learner_free (t->learner);
  mlo_networks_free (t->networks);
  g_free (t);
}
