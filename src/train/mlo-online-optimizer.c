/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-online-optimizer.h"

#include <math.h>
#include <string.h>

#include "mlo-online-stats.h"
#include "mlo-online-stream.h"
#include "mlo-optimizer-trainer.h"
#include "mlo-replay.h"
#include "nn-grad.h"

/* Own transitions kept, learned from and held out, and those of the reserve. */
#define OWN 4096
#define HELD 1024
/* Of the held-out ticks at which chance left the optimizer's action alone. */
#define KEPT_SHARE 0.125
#define RESERVE 8192
/* Own transitions before anything is learned. */
#define LEAST_OWN 300
/* Ticks remembered: those of a return and of the second that its last reward lies ahead. */
#define TICKS 32
#define REWARD_LAG 10
/* Memory of the mean score that is taken off the reward. */
#define MEAN_S 60.0
/* Prices as in training. */
#define LADDER_PRICE 4.0f
#define GAIN_PRICE 0.5f
#define LEARN_RATE 2e-5
/* A judgement's slice, and updates between two judgements. */
#define SLICE 128u
#define JUDGE_EVERY 200
/* Ticks of each side that tell two networks apart, and how many of its own deviations their mean must be from nothing. */
#define LEAST_APART 25
#define SURE 3.0
#define SURE_WORSE 1.5

typedef enum
{
  SHIPPED,
  CHAMPION,
  CHALLENGER,
  N_COPIES,
} Copy;

typedef enum
{
  CHANCE_NONE,                  /* had no choice */
  CHANCE_LEFT,                  /* left the optimizer's action alone */
  CHANCE_ACTED,
} Chance;

typedef struct
{
  guint n;
  double sum, square;
} Earned;

/* What was earned on the ticks that tell one network from another, where the action taken was its own, and where it
 * was the other's. */
typedef struct
{
  Earned own, other;
} Contest;

struct _MloOnlineOptimizer
{
  const MloOnlineOptions *options;
  MloQualityOptimizer *copies[N_COPIES];
  float *params[N_COPIES];
  gsize n_params;
  MloOptimizerTraining training;
  MloOptimizerTrainer *trainer; /* of the challenger */
  MloReplay *own, *held, *reserve;
  MloTick ticks[TICKS];         /* ring */
  guint8 chance[TICKS];         /* of each: Chance */
  guint64 n_ticks, first;       /* ever; first of this piece */
  double mean_score;            /* < 0: none yet */
  MloRandom random;
  gboolean turn;                /* the reserve's */
  guint since, at;              /* updates since the last judgement; next transition of the running one */
  gboolean judging;
  Contest over_champion, over_shipped;  /* challenger's over the champion; champion's over the shipped */
  MloOnlineNetworkStats stats;
};

static void
start_trainer (MloOnlineOptimizer * q)
{
  mlo_optimizer_trainer_free (q->trainer);
  q->trainer = mlo_optimizer_trainer_new (q->copies[CHALLENGER], &q->training);
}

MloOnlineOptimizer *
mlo_online_optimizer_new (const MloQualityOptimizer * shipped, GPtrArray * reserve, const MloOnlineOptions * options,
    guint64 seed)
{
  MloOnlineOptimizer *q = g_new0 (MloOnlineOptimizer, 1);
  const MloScaling *scaling = &mlo_quality_optimizer_config (shipped)->scaling;

  q->options = options;
  q->training = mlo_optimizer_training_default;
  q->training.rate = LEARN_RATE;
  for (guint i = 0; i < N_COPIES; i++) {
    q->copies[i] = mlo_quality_optimizer_copy (shipped);
    q->params[i] = mlo_quality_optimizer_parameters (q->copies[i], &q->n_params);
  }
  start_trainer (q);
  q->own = mlo_replay_new (OWN);
  q->held = mlo_replay_new (HELD);
  q->reserve = mlo_replay_new (RESERVE);
  for (guint i = 0; reserve && i < reserve->len; i++)
    mlo_replay_add_recording (q->reserve, reserve->pdata[i], scaling, q->training.n_steps, q->training.gamma);
  q->mean_score = -1.0;
  mlo_random_seed (&q->random, seed);
  mlo_online_stats_init (&q->stats);
  return q;
}

void
mlo_online_optimizer_free (MloOnlineOptimizer * q)
{
  if (!q)
    return;
  mlo_optimizer_trainer_free (q->trainer);
  for (guint i = 0; i < N_COPIES; i++)
    mlo_quality_optimizer_free (q->copies[i]);
  mlo_replay_free (q->own);
  mlo_replay_free (q->held);
  mlo_replay_free (q->reserve);
  g_free (q);
}

/* The transition that begins at tick @i, whose last reward has now come. */
static void
add_transition (MloOnlineOptimizer * q, guint64 i)
{
  const MloTick *from = &q->ticks[i % TICKS], *to = &q->ticks[(i + q->training.n_steps) % TICKS];
  const MloScaling *scaling = &mlo_quality_optimizer_config (q->copies[SHIPPED])->scaling;
  MloTransition t = {.mask = from->mask,.action = from->action,.next_mask = to->mask };
  double sum = 0.0, discount = 1.0;

  for (guint k = 0; k < q->training.n_steps; k++) {
    sum += discount * (double) mlo_tick_reward (&q->ticks[(i + k) % TICKS], q->options->interval_us);
    discount *= q->training.gamma;
  }
  if (!isfinite (sum))
    return;
  t.reward = (float) sum;
  t.discount = (float) discount;
  mlo_features_optimizer (scaling, &from->sample, t.state);
  mlo_features_optimizer (scaling, &to->sample, t.next_state);
  if (!mlo_online_row_is_held (i))
    mlo_replay_add (q->own, &t);
  else if (q->chance[i % TICKS] == CHANCE_ACTED
      || (q->chance[i % TICKS] == CHANCE_LEFT && mlo_random_chance (&q->random, KEPT_SHARE)))
    mlo_replay_add (q->held, &t);
}

void
mlo_online_optimizer_feed (MloOnlineOptimizer * q, const MloOnlineTick * tick, gboolean believed)
{
  MloTick *t = &q->ticks[q->n_ticks % TICKS];
  double score = 100.0 * mlo_sample_get (&tick->sample, MLO_FIELD_QUALITY_SCORE, -1.0), keep;

  if (tick->gap || !believed)
    q->first = q->n_ticks;
  if (!believed)
    return;
  *t = (MloTick) {
  .sample = tick->sample,.label_kbps = -1.0f,.reward = NAN,.mask = tick->mask,.action = tick->action};
  q->chance[q->n_ticks % TICKS] = tick->explored ? CHANCE_ACTED : tick->chance ? CHANCE_LEFT : CHANCE_NONE;
  if (tick->changed & (MLO_ADAPT_RESOLUTION | MLO_ADAPT_FRAMERATE))
    t->price += LADDER_PRICE;
  if (tick->action == MLO_ACTION_BITRATE_UP || tick->action == MLO_ACTION_BITRATE_DOWN)
    t->price += GAIN_PRICE;
  q->n_ticks++;
  if (score >= 0.0) {
    keep = exp (-(double) q->options->interval_us / (MEAN_S * G_USEC_PER_SEC));
    q->mean_score = q->mean_score < 0.0 ? score : keep * q->mean_score + (1.0 - keep) * score;
    if (q->n_ticks > q->first + REWARD_LAG) {
      MloTick *earned = &q->ticks[(q->n_ticks - 1 - REWARD_LAG) % TICKS];

      earned->reward = (float) score;
      earned->baseline = (float) q->mean_score;
    }
  }
  if (q->n_ticks > q->first + q->training.n_steps + REWARD_LAG)
    add_transition (q, q->n_ticks - 1 - REWARD_LAG - q->training.n_steps);
}

static void
update (MloOnlineOptimizer * q)
{
  gboolean reserve = q->turn && mlo_replay_size (q->reserve) > 0;
  double loss = mlo_optimizer_trainer_update (q->trainer, reserve ? q->reserve : q->own, &q->random);

  q->turn = !q->turn;
  if (!isfinite (loss) || !isfinite (nn_norm (q->n_params, q->params[CHALLENGER]))) {
    memcpy (q->params[CHALLENGER], q->params[CHAMPION], q->n_params * sizeof (float));
    start_trainer (q);
    q->stats.undone++;
    return;
  }
  mlo_online_stats_learned (&q->stats, loss);
  q->since++;
}

static void
add_earned (Earned * e, double earned)
{
  e->n++;
  e->sum += earned;
  e->square += earned * earned;
}

static double
mean_earned (const Earned * e)
{
  return e->n > 0 ? e->sum / e->n : 0.0;
}

/* Of the mean, squared. */
static double
deviation_square (const Earned * e)
{
  double mean = mean_earned (e);

  return e->n > 1 ? MAX (e->square / e->n - mean * mean, 1e-12) / e->n : INFINITY;
}

static double
advantage (const Contest * c)
{
  return c->own.n > 0 && c->other.n > 0 ? mean_earned (&c->own) - mean_earned (&c->other) : 0.0;
}

/* Deviations of it by which it lies above nothing. */
static double
sureness (const Contest * c)
{
  return advantage (c) / sqrt (deviation_square (&c->own) + deviation_square (&c->other));
}

static gboolean
is_known (const Contest * c)
{
  return c->own.n >= LEAST_APART && c->other.n >= LEAST_APART;
}

static void
add_tick (Contest * c, MloAction own, MloAction other, MloAction taken, double earned)
{
  if (own == other)
    return;
  if (taken == own)
    add_earned (&c->own, earned);
  else if (taken == other)
    add_earned (&c->other, earned);
}

static void
judge_one (MloOnlineOptimizer * q, const MloTransition * t)
{
  float values[MLO_N_ACTIONS];
  MloAction shipped = mlo_quality_optimizer_choose (q->copies[SHIPPED], t->state, t->mask, values);
  MloAction champion = mlo_quality_optimizer_choose (q->copies[CHAMPION], t->state, t->mask, values);
  MloAction challenger = mlo_quality_optimizer_choose (q->copies[CHALLENGER], t->state, t->mask, values);

  add_tick (&q->over_champion, challenger, champion, (MloAction) t->action, (double) t->reward);
  add_tick (&q->over_shipped, champion, shipped, (MloAction) t->action, (double) t->reward);
}

static void
change_champion (MloOnlineOptimizer * q, Copy from)
{
  memcpy (q->params[CHAMPION], q->params[from], q->n_params * sizeof (float));
  mlo_online_stats_changed (&q->stats, from != SHIPPED);
}

static void
verdict (MloOnlineOptimizer * q)
{
  MloOnlineNetworkStats *s = &q->stats;

  s->judgements++;
  s->held_shipped = 0.0;
  s->held_champion = 100.0 * advantage (&q->over_shipped);
  s->held_challenger = 100.0 * advantage (&q->over_champion);
  if (s->adapted && is_known (&q->over_shipped) && sureness (&q->over_shipped) < -SURE_WORSE)
    change_champion (q, SHIPPED);
  else if (is_known (&q->over_champion) && sureness (&q->over_champion) > SURE)
    change_champion (q, CHALLENGER);
}

static void
judge (MloOnlineOptimizer * q)
{
  guint n = mlo_replay_size (q->held), end = MIN (q->at + SLICE, n);

  for (; q->at < end; q->at++)
    judge_one (q, mlo_replay_get (q->held, q->at));
  if (q->at >= n) {
    verdict (q);
    q->judging = FALSE;
    q->since = 0;
  }
}

MloOnlineWork
mlo_online_optimizer_step (MloOnlineOptimizer * q)
{
  if (mlo_replay_size (q->own) < LEAST_OWN)
    return MLO_ONLINE_IDLE;
  if (!q->judging && q->since >= JUDGE_EVERY) {
    q->judging = TRUE;
    q->at = 0;
    memset (&q->over_champion, 0, sizeof q->over_champion);
    memset (&q->over_shipped, 0, sizeof q->over_shipped);
  }
  if (q->judging) {
    judge (q);
    return MLO_ONLINE_JUDGED;
  }
  update (q);
  return MLO_ONLINE_LEARNED;
}

const MloOnlineNetworkStats *
mlo_online_optimizer_stats (const MloOnlineOptimizer * q)
{
  return &q->stats;
}

const MloQualityOptimizer *
mlo_online_optimizer_champion (const MloOnlineOptimizer * q)
{
  return q->copies[CHAMPION];
}

gsize
mlo_online_optimizer_state_size (const MloOnlineOptimizer * q)
{
  return 2 * q->n_params + mlo_optimizer_trainer_state_size (q->trainer);
}

void
mlo_online_optimizer_get_state (const MloOnlineOptimizer * q, float *state, MloOnlineNumbers * numbers)
{
  memcpy (state, q->params[CHAMPION], q->n_params * sizeof (float));
  memcpy (state + q->n_params, q->params[CHALLENGER], q->n_params * sizeof (float));
  numbers->optimizer_step = mlo_optimizer_trainer_get_state (q->trainer, state + 2 * q->n_params);
  numbers->optimizer_updates = q->stats.updates;
  numbers->optimizer_promotions = q->stats.promotions;
  numbers->optimizer_demotions = q->stats.demotions;
}

/* With a champion that was given. */
static void
begin_anew (MloOnlineOptimizer * q)
{
  q->stats.adapted = memcmp (q->params[CHAMPION], q->params[SHIPPED], q->n_params * sizeof (float)) != 0;
  q->stats.serial++;
  q->judging = FALSE;
  q->since = 0;
}

void
mlo_online_optimizer_set_state (MloOnlineOptimizer * q, const float *state, const MloOnlineNumbers * numbers)
{
  memcpy (q->params[CHAMPION], state, q->n_params * sizeof (float));
  memcpy (q->params[CHALLENGER], state + q->n_params, q->n_params * sizeof (float));
  mlo_optimizer_trainer_set_state (q->trainer, state + 2 * q->n_params, numbers->optimizer_step);
  q->stats.updates = numbers->optimizer_updates;
  q->stats.promotions = numbers->optimizer_promotions;
  q->stats.demotions = numbers->optimizer_demotions;
  begin_anew (q);
}

void
mlo_online_optimizer_set_champion (MloOnlineOptimizer * q, const MloQualityOptimizer * champion)
{
  mlo_quality_optimizer_copy_parameters (champion, q->params[CHAMPION]);
  memcpy (q->params[CHALLENGER], q->params[CHAMPION], q->n_params * sizeof (float));
  start_trainer (q);
  begin_anew (q);
}
