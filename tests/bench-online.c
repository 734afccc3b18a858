/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What online learning brings on links that training did not know, and that it costs nothing on those it knew: the
 * same simulated stream with the shipped networks and with a learner beside it, minute by minute. The learner has a
 * fixed number of slices a tick, as many as the share of a core given by --share takes at --slice-ms each, so the
 * figures do not depend on the machine. With --check a bad figure fails the run.
 */
#include <stdlib.h>
#include <string.h>

#include "mlo-controller.h"
#include "mlo-env.h"
#include "mlo-explorer.h"
#include "mlo-online.h"
#include "mlo-reserve.h"
#include "mlo-rollout.h"
#include "mlo-trainer.h"

#define MAX_MINUTES 60
/* Until the last minute is complete. */
#define TAIL_S 3.0
#define RETURN_SHARE 0.6
/* Points of R: what learning must bring in the last three minutes on links unlike those of training, what it may cost
 * there in the worst minute, and what in the mean on known links and back on them. */
#define WANTED 2.0
#define WORST 1.0
#define NO_LOSS 0.5

typedef enum
{
  LINK_CONTENTION,              /* others take nearly all of it for 1 s of every 2.5 */
  LINK_SCHEDULER,               /* a radio that serves us in 90 of every 300 ms */
  LINK_SHAPER,                  /* a token bucket behind a fast line */
  LINK_RETURN,                  /* contention for 60 %, then as in training */
  LINK_KNOWN,                   /* as in training; the kind rises with the seed */
  N_LINKS
} LinkKind;

static const char *const link_names[] = { "contention", "scheduler", "shaper", "return", "known" };

typedef struct
{
  MloTrace *trace;
  MloEnvConfig config;
} Link;

typedef struct
{
  double minute[MAX_MINUTES];
  guint n;
  double mean;
  MloOnlineStats stats;
  double learner_s;
  guint64 slices;
} Outcome;

static double seconds = 600.0, share = 0.03, slice_ms = 3.0;
static MloBitratePredictor *predictor;
static MloQualityOptimizer *optimizer;
static GPtrArray *reserve;
static MloOnlineOptions options;
static gboolean verbose, calm, no_reserve, check;

static MloTrace *
periodic (MloRandom * random, const char *name, double period_ms, double on_ms, double on_kbps, double off_kbps)
{
  guint n = 2 * (guint) (1000.0 * seconds / period_ms);
  MloTraceRow *rows = g_new0 (MloTraceRow, n);

  for (guint i = 0; i < n; i++) {
    rows[i].time_us = (gint64) (1000.0 * (i / 2 * period_ms + (i % 2 ? on_ms : 0.0)));
    rows[i].capacity_kbps = (i % 2 ? off_kbps : on_kbps) * mlo_random_range (random, 0.85, 1.15);
    rows[i].rtt_ms = rows[i].loss = -1.0f;
  }
  return mlo_trace_new (name, "", rows, n, (gint64) (1e6 * seconds));
}

/* Contention, then a link as training has them. */
static MloTrace *
joined (MloRandom * random, double level, MloTraceKind kind)
{
  g_autoptr (MloTrace) first = periodic (random, "", 2500.0, 1500.0, level, 0.12 * level);
  g_autoptr (MloTrace) second = mlo_trace_generate (kind, random, seconds);
  gint64 turn_us = (gint64) (RETURN_SHARE * 1e6 * seconds);
  GArray *rows = g_array_new (FALSE, FALSE, sizeof (MloTraceRow));
  guint n;

  for (guint i = 0; i < first->n_rows && first->rows[i].time_us < turn_us; i++)
    g_array_append_val (rows, first->rows[i]);
  for (guint i = 0; i < second->n_rows && second->rows[i].time_us + turn_us < (gint64) (1e6 * seconds); i++) {
    MloTraceRow row = second->rows[i];

    row.time_us += turn_us;
    g_array_append_val (rows, row);
  }
  n = rows->len;
  return mlo_trace_new ("return", "", (MloTraceRow *) g_array_free (rows, FALSE), n, (gint64) (1e6 * seconds));
}

static void
make_link (LinkKind kind, guint64 seed, Link * l)
{
  MloRandom random;
  double level;

  mlo_random_seed (&random, seed);
  level = mlo_random_range (&random, 5000.0, 9000.0);
  l->config = mlo_env_config_default;
  switch (kind) {
    case LINK_CONTENTION:
      l->trace = periodic (&random, "contention", 2500.0, 1500.0, level, 0.12 * level);
      break;
    case LINK_SCHEDULER:
      l->trace = periodic (&random, "scheduler", 300.0, 90.0, 3.0 * level, 0.0);
      break;
    case LINK_SHAPER:
      l->trace = mlo_trace_new_constant (50000.0, 10.0);
      l->config.shaper_kbps = 0.6 * level;
      l->config.shaper_bytes = 125.0 * level;
      break;
    case LINK_RETURN:
      l->trace = joined (&random, level, (MloTraceKind) (seed % MLO_N_TRACE_KINDS));
      break;
    default:
      l->trace = mlo_rollout_draw_link ((MloTraceKind) (seed % MLO_N_TRACE_KINDS),
          mlo_seed_mix (seed, 99, 0), seconds, &l->config);
  }
}

static void
run (const Link * link, guint64 seed, gboolean learn, Outcome * out)
{
  MloControllerConfig config = mlo_controller_config_default;
  g_autoptr (MloEnv) env = mlo_env_new (&link->config, link->trace, seed);
  g_autoptr (MloController) c = NULL;
  g_autoptr (MloOnline) online = NULL;
  g_autoptr (MloBitratePredictor) own = NULL;
  g_autoptr (MloQualityOptimizer) own_optimizer = NULL;
  guint64 serial = 0;
  double owed = 0.0, sum = 0.0, all = 0.0;
  guint count = 0, total = 0;

  memset (out, 0, sizeof *out);
  config.limits = link->config.limits;
  config.source = link->config.source;
  config.traits = mlo_actuator_traits_default;
  config.interval_us = link->config.interval_us;
  config.predictor = predictor;
  config.optimizer = optimizer;
  config.rule_ladder = FALSE;
  config.seed = seed;
  c = mlo_controller_new (&config);
  if (learn && !calm)
    mlo_controller_set_explore (c, MLO_EXPLORER_SHARE);
  if (learn)
    online = mlo_online_new (predictor, optimizer, reserve, &options, seed);
  for (guint i = 0; i < (guint) ((seconds + TAIL_S) * 10.0); i++) {
    MloEnvStep step;

    mlo_env_step (env, mlo_controller_policy (c), &step);
    if (step.second_complete) {
      sum += CLAMP (step.reward, 0.0, 100.0);
      count++;
      all += CLAMP (step.reward, 0.0, 100.0);
      total++;
      if (count == 60 && out->n < MAX_MINUTES) {
        out->minute[out->n++] = sum / count;
        sum = 0.0;
        count = 0;
      }
    }
    if (online) {
      MloOnlineTick t;
      gint64 from = g_get_monotonic_time ();

      mlo_online_tick_init (&t, &step.decision, mlo_controller_sample (c), mlo_controller_capacity_kind (c));
      mlo_online_feed (online, &t);
      for (owed += share * 100.0 / slice_ms; owed >= 1.0; owed -= 1.0) {
        if (mlo_online_step (online) != MLO_ONLINE_IDLE)
          out->slices++;
      }
      mlo_online_stats (online, &out->stats);
      out->learner_s += (double) (g_get_monotonic_time () - from) / 1e6;
      if (out->stats.predictor.serial + out->stats.optimizer.serial != serial) {
        MloBitratePredictor *p = mlo_online_copy_predictor (online);
        MloQualityOptimizer *q = mlo_online_copy_optimizer (online);

        serial = out->stats.predictor.serial + out->stats.optimizer.serial;
        mlo_controller_set_networks (c, p, q);
        mlo_bitrate_predictor_free (own);
        mlo_quality_optimizer_free (own_optimizer);
        own = p;
        own_optimizer = q;
        if (verbose)
          g_print
              ("  %5.1f s: predictor %+d, deficit %.2f held: shipped %.2f champion %.2f challenger %.2f wins %.2f reserve %.5f %.5f\n",
              i / 10.0, out->stats.predictor.last_change == MLO_ONLINE_PROMOTED ? 1 : -1,
              out->stats.predictor.deficit,
              out->stats.predictor.held_shipped, out->stats.predictor.held_champion,
              out->stats.predictor.held_challenger, out->stats.predictor.win_share,
              out->stats.predictor.reserve_shipped, out->stats.predictor.reserve_challenger);
      }
    }
  }
  out->mean = all / MAX (total, 1);
}

static void
show (const char *what, const Outcome * o)
{
  g_print ("  %-8s %6.2f |", what, o->mean);
  for (guint i = 0; i < o->n; i++)
    g_print (" %5.1f", o->minute[i]);
  g_print ("\n");
}

static void
show_network (const char *name, const MloOnlineNetworkStats * s)
{
  g_print ("    %-9s updates %" G_GUINT64_FORMAT ", undone %" G_GUINT64_FORMAT ", judged %" G_GUINT64_FORMAT
      ", promoted %" G_GUINT64_FORMAT ", demoted %" G_GUINT64_FORMAT ", given up %" G_GUINT64_FORMAT
      "; held out: shipped %.2f champion %.2f challenger %.2f\n", name, s->updates, s->undone, s->judgements,
      s->promotions, s->demotions, s->resets, s->held_shipped, s->held_champion, s->held_challenger);
}

/* What the minutes of one link say. */
typedef struct
{
  double all, last, worst, after;       /* points of R that the learner is better by: mean, last three minutes, worst
                                         * minute, minutes after the turn of LINK_RETURN */
} Gain;

static Gain
compare (const Outcome * frozen, const Outcome * learned)
{
  Gain g = {.all = learned->mean - frozen->mean,.worst = INFINITY };
  guint n_last = MIN (3, frozen->n), turn = (guint) (RETURN_SHARE * frozen->n + 0.5);

  for (guint i = 0; i < frozen->n; i++) {
    double d = learned->minute[i] - frozen->minute[i];

    g.worst = MIN (g.worst, d);
    if (i >= frozen->n - n_last)
      g.last += d / n_last;
    if (i >= turn)
      g.after += d / (frozen->n - turn);
  }
  return g;
}

/* Frozen and learned on the links of one kind; FALSE where the figures are bad. */
static gboolean
contest (LinkKind k, guint n_seeds)
{
  Gain sum = {.worst = INFINITY };
  gboolean unlike = k < LINK_RETURN, good;

  for (guint s = 1; s <= n_seeds; s++) {
    Outcome frozen, learned;
    Link link;
    Gain g;

    make_link (k, s, &link);
    run (&link, s, FALSE, &frozen);
    g_print ("%s, seed %u\n", link_names[k], s);
    run (&link, s, TRUE, &learned);
    show ("frozen", &frozen);
    show ("learned", &learned);
    g_print ("    %" G_GUINT64_FORMAT " slices in %.1f s, labels at %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
        " ticks, %" G_GUINT64_FORMAT " explored\n", learned.slices, learned.learner_s,
        learned.stats.labels + learned.stats.bounds, learned.stats.ticks, learned.stats.explored);
    show_network ("predictor", &learned.stats.predictor);
    show_network ("optimizer", &learned.stats.optimizer);
    g = compare (&frozen, &learned);
    sum.all += g.all / n_seeds;
    sum.last += g.last / n_seeds;
    sum.after += g.after / n_seeds;
    sum.worst = MIN (sum.worst, g.worst);
    mlo_trace_free (link.trace);
  }
  if (unlike)
    good = sum.last >= WANTED && sum.worst >= -WORST;
  else
    good = (k == LINK_RETURN ? sum.after : sum.all) >= -NO_LOSS;
  g_print ("%s: all %+.2f, last three minutes %+.2f, worst minute %+.2f", link_names[k], sum.all, sum.last, sum.worst);
  if (k == LINK_RETURN)
    g_print (", after the return %+.2f", sum.after);
  g_print (": %s\n", good ? "good" : "BAD");
  return good;
}

int
main (int argc, char **argv)
{
  g_autofree char *only = NULL;
  int n_seeds = 3;
  gboolean good = TRUE;
  const GOptionEntry entries[] = {
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "Length of a stream (600)", "S"},
    {"seeds", 0, 0, G_OPTION_ARG_INT, &n_seeds, "Links of each kind (3)", "N"},
    {"share", 0, 0, G_OPTION_ARG_DOUBLE, &share, "Of a core (0.03)", "SHARE"},
    {"slice-ms", 0, 0, G_OPTION_ARG_DOUBLE, &slice_ms, "What a slice costs", "MS"},
    {"link", 0, 0, G_OPTION_ARG_STRING, &only, "One kind alone", "NAME"},
    {"forget", 0, 0, G_OPTION_ARG_DOUBLE, &options.forget, "As in MloOnlineOptions", "SHARE"},
    {"rate", 0, 0, G_OPTION_ARG_DOUBLE, &options.predictor_rate, "Adam's, of the predictor", "RATE"},
    {"own", 0, 0, G_OPTION_ARG_DOUBLE, &options.own_share, "As in MloOnlineOptions", "SHARE"},
    {"margin", 0, 0, G_OPTION_ARG_DOUBLE, &options.margin, "As in MloOnlineOptions", "POINTS"},
    {"watch-margin", 0, 0, G_OPTION_ARG_DOUBLE, &options.watch_margin, "As in MloOnlineOptions", "POINTS"},
    {"horizon", 0, 0, G_OPTION_ARG_DOUBLE, &options.horizon_s, "Of the label", "S"},
    {"calm", 0, 0, G_OPTION_ARG_NONE, &calm, "No exploration", NULL},
    {"no-reserve", 0, 0, G_OPTION_ARG_NONE, &no_reserve, "Nothing of training's beside the stream", NULL},
    {"check", 0, 0, G_OPTION_ARG_NONE, &check, "Fail where a figure is bad", NULL},
    {"verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Changes of champion too", NULL},
    {NULL}
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  options = mlo_online_options_default;
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    g_error ("%s", error->message);
  predictor = mlo_bitrate_predictor_load (TEST_SOURCE "/models/bitrate_predictor.safetensors", &error);
  g_assert_no_error (error);
  optimizer = mlo_quality_optimizer_load (TEST_SOURCE "/models/quality_optimizer.safetensors", &error);
  g_assert_no_error (error);
  if (!no_reserve)
    reserve = mlo_reserve_load (TEST_SOURCE "/models/" MLO_RESERVE_FILE, &error);
  g_assert_no_error (error);
  for (LinkKind k = 0; k < N_LINKS; k++) {
    if (!only || g_str_equal (only, link_names[k]))
      good &= contest (k, (guint) n_seeds);
  }
  g_clear_pointer (&reserve, g_ptr_array_unref);
  mlo_bitrate_predictor_free (predictor);
  mlo_quality_optimizer_free (optimizer);
  return check && !good ? EXIT_FAILURE : EXIT_SUCCESS;
}
