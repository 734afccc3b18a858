/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlolearn.h"

#include <math.h>

void
gst_mlo_learn_tick (GstMloLearn * learn, MloController * c, gboolean altered)
{
  MloOnlineTick tick;
  MloNetworks *better;

  if (!learn->learner)
    return;
  mlo_online_tick_init (&tick, mlo_controller_decision (c), mlo_controller_sample (c),
      mlo_controller_capacity_kind (c));
  if (altered) {
    tick.action = MLO_ACTION_NONE;
    tick.chance = tick.explored = FALSE;
  }
  tick.gap = learn->gap;
  learn->gap = FALSE;
  mlo_learner_feed (learn->learner, &tick);
  better = mlo_learner_take (learn->learner);
  if (better) {
    mlo_controller_set_networks (c, better->predictor, better->optimizer);
    mlo_networks_free (learn->networks);
    learn->networks = better;
  }
  learn->fresh = mlo_learner_poll (learn->learner, &learn->report);
}

void
gst_mlo_learn_clear (GstMloLearn * learn)
{
  g_clear_pointer (&learn->networks, mlo_networks_free);
}

static void
set_number (GstStructure * s, const char *name, double value)
{
  if (isfinite (value))
    gst_structure_set (s, name, G_TYPE_DOUBLE, value, NULL);
}

static GstStructure *
change (const char *network, const MloOnlineNetworkStats * n)
{
  GstStructure *s = gst_structure_new (GST_MLO_TRAINING_NAME,
      "network", G_TYPE_STRING, network,
      "event", G_TYPE_STRING, n->last_change == MLO_ONLINE_DEMOTED ? "demoted" : "promoted",
      "promotions", G_TYPE_UINT64, n->promotions,
      "demotions", G_TYPE_UINT64, n->demotions,
      "updates", G_TYPE_UINT64, n->updates,
      "adapted", G_TYPE_BOOLEAN, n->adapted, NULL);

  set_number (s, "score-shipped", n->held_shipped);
  set_number (s, "score-champion", n->held_champion);
  set_number (s, "score-challenger", n->held_challenger);
  return s;
}

static gboolean
changed (const MloOnlineNetworkStats * before, const MloOnlineNetworkStats * now)
{
  return now->promotions != before->promotions || now->demotions != before->demotions;
}

GstStructure *
gst_mlo_learn_message (const MloLearnerReport * before, const MloLearnerReport * now)
{
  if (changed (&before->online.predictor, &now->online.predictor))
    return change ("predictor", &now->online.predictor);
  if (changed (&before->online.optimizer, &now->online.optimizer))
    return change ("optimizer", &now->online.optimizer);
  return NULL;
}

static void
add_network (GstStructure * s, const char *name, const MloOnlineNetworkStats * n)
{
  g_autoptr (GstStructure) own = gst_structure_new (name,
      "adapted", G_TYPE_BOOLEAN, n->adapted,
      "updates", G_TYPE_UINT64, n->updates,
      "undone", G_TYPE_UINT64, n->undone,
      "judgements", G_TYPE_UINT64, n->judgements,
      "promotions", G_TYPE_UINT64, n->promotions,
      "demotions", G_TYPE_UINT64, n->demotions, "resets", G_TYPE_UINT64, n->resets, NULL);

  set_number (own, "loss", n->loss);
  set_number (own, "score-shipped", n->held_shipped);
  set_number (own, "score-champion", n->held_champion);
  set_number (own, "score-challenger", n->held_challenger);
  gst_structure_set (s, name, GST_TYPE_STRUCTURE, own, NULL);
}

GstStructure *
gst_mlo_learn_stats (const MloLearnerReport * r)
{
  GstStructure *s = gst_structure_new ("training",
      "ticks", G_TYPE_UINT64, r->online.ticks,
      "ticks-refused", G_TYPE_UINT64, r->online.refused,
      "ticks-lost", G_TYPE_UINT64, r->lost,
      "ticks-explored", G_TYPE_UINT64, r->online.explored,
      "labels", G_TYPE_UINT64, r->online.labels,
      "steps", G_TYPE_UINT64, r->steps,
      "cpu", G_TYPE_DOUBLE, r->wall_us > 0 ? 100.0 * (double) r->cpu_us / (double) r->wall_us : 0.0,
      "cpu-time", G_TYPE_UINT64, (guint64) r->cpu_us * 1000,
      "time", G_TYPE_UINT64, (guint64) r->wall_us * 1000,
      "saves", G_TYPE_UINT64, r->saves,
      "save-failures", G_TYPE_UINT64, r->save_failures,
      "streams", G_TYPE_UINT64, r->lineage.streams,
      "minutes", G_TYPE_DOUBLE, r->lineage.minutes, NULL);

  add_network (s, "predictor", &r->online.predictor);
  add_network (s, "optimizer", &r->online.optimizer);
  return s;
}
