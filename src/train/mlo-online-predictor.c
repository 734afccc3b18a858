/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-online-predictor.h"

#include <math.h>
#include <string.h>

#include "mlo-online-stats.h"
#include "nn-grad.h"

/* Sequences side by side, and their length. */
#define BATCH 16
#define STEPS 60
/* Ticks from a sequence's start, where the state is zero, that carry no loss. */
#define WARM_UP 10
/* Ticks of warm-up before a block of the hold-out; with it a block takes two runs of STEPS. */
#define LEAD_IN 20
G_STATIC_ASSERT (LEAD_IN + MLO_ONLINE_BLOCK == 2 * STEPS);
/* Own ticks with a label before anything is learned: half a minute. */
#define LEAST_LABELS 300
/* Blocks of the hold-out, and ticks with a label in each, that a judgement takes. Four are two minutes and a half of
 * stream, of which no minute can fill more than two. */
#define LEAST_BLOCKS 4
#define LEAST_HELD 30
/* Share of the blocks in which a challenger must be no worse than the champion. */
#define WIN_SHARE 0.67
/* A challenger so many points below the shipped network has gone astray. */
#define ASTRAY 1.0
/* A block is left out when the ring will soon write over it. */
#define RING_MARGIN 300u
/* Ticks from one watch to the next. */
#define WATCH_STEP 50u

typedef enum
{
  SHIPPED,
  CHAMPION,
  CHALLENGER,
  N_COPIES,
} Copy;

/* A judgement is so many slices: each copy over the blocks in two runs, then two over the reserve. A watch is the first
 * of them, the shipped network and the champion over the newest block alone. */
#define SLICES (2 * N_COPIES + 2)
#define WATCH_SLICES (2 * CHALLENGER)

typedef struct
{
  MloOnlineRow *rows;
  guint n;
} Segment;

struct _MloOnlinePredictor
{
  const MloOnlineOptions *options;
  MloPredictorConfig config;
  MloOnlineStream *stream;
  NnRecurrent net;
  gsize n_params;
  MloBitratePredictor *copies[N_COPIES];
  float *params[N_COPIES];      /* (n_params), the copies' own */
  float *grad, *m, *v, *before; /* (n_params) */
  NnAdam adam;
  MloRandom random;
  GArray *reserve, *reserve_held;       /* of Segment */
  float *x;                     /* (STEPS, BATCH, 10) */
  float *y, *dy, *target, *weight;      /* (STEPS, BATCH) */
  float *state;                 /* of BATCH streams */
  float *tape;
  /* the judgement that runs */
  guint slice;                  /* next; 0: none runs */
  guint since;                  /* updates since the last one */
  gboolean watching;            /* it is a watch */
  guint64 blocks[BATCH];        /* first row of each */
  guint n_blocks;
  guint64 judge_from;           /* nothing before this row counts */
  guint64 watched;              /* rows before this, or before the champion's time, were watched */
  double earned[N_COPIES][BATCH];       /* mean points of R over a block */
  double sum[BATCH];
  guint counted[BATCH];
  double reserve_loss[N_COPIES];
  MloOnlineNetworkStats stats;
};

static void
segment_clear (gpointer data)
{
  g_free (((Segment *) data)->rows);
}

static Segment
make_segment (const MloPredictorConfig * c, const MloRecording * rec)
{
  Segment s = { g_new0 (MloOnlineRow, rec->n), rec->n };
  MloFeatureHistory history;

  mlo_feature_history_reset (&history);
  for (guint i = 0; i < rec->n; i++) {
    double kbps = (double) rec->ticks[i].label_kbps;

    mlo_feature_history_push (&history, &rec->ticks[i].sample);
    mlo_features_predictor (&c->scaling, &history, s.rows[i].x);
    if (kbps >= 0.0) {
      s.rows[i].target = (float) mlo_scaling_output_inverse (&c->scaling, c->min_kbps, c->max_kbps, kbps);
      s.rows[i].label = MLO_LABEL_EXACT;
    }
  }
  return s;
}

static void
take_reserve (MloOnlinePredictor * p, GPtrArray * reserve)
{
  p->reserve = g_array_new (FALSE, FALSE, sizeof (Segment));
  p->reserve_held = g_array_new (FALSE, FALSE, sizeof (Segment));
  g_array_set_clear_func (p->reserve, segment_clear);
  g_array_set_clear_func (p->reserve_held, segment_clear);
  for (guint i = 0, used = 0; reserve && i < reserve->len; i++) {
    const MloRecording *rec = reserve->pdata[i];

    if (rec->n >= STEPS) {
      Segment s = make_segment (&p->config, rec);

      g_array_append_val (used++ % MLO_ONLINE_HOLD_EVERY == MLO_ONLINE_HOLD_EVERY - 1 ? p->reserve_held : p->reserve,
          s);
    }
  }
}

MloOnlinePredictor *
mlo_online_predictor_new (const MloBitratePredictor * shipped, GPtrArray * reserve, const MloOnlineOptions * options,
    guint64 seed)
{
  MloOnlinePredictor *p = g_new0 (MloOnlinePredictor, 1);
  int h;

  p->options = options;
  p->config = *mlo_bitrate_predictor_config (shipped);
  g_assert (p->config.form == MLO_FORM_STREAM);
  h = (int) p->config.hidden;
  p->net = (NnRecurrent) {
    .lstm = { MLO_PREDICTOR_FEATURES, h, (int) p->config.layers },.head = {.layers = 3,.size = {h, 64, 32, 1},.output =
        NN_OUTPUT_SIGMOID
  },};
  for (guint i = 0; i < N_COPIES; i++) {
    p->copies[i] = mlo_bitrate_predictor_copy (shipped);
    p->params[i] = mlo_bitrate_predictor_parameters (p->copies[i], &p->n_params);
    p->reserve_loss[i] = NAN;
  }
  g_assert (p->n_params == nn_recurrent_parameters (&p->net));
  p->grad = g_new0 (float, p->n_params);
  p->m = g_new0 (float, p->n_params);
  p->v = g_new0 (float, p->n_params);
  p->before = g_new0 (float, p->n_params);
  p->adam = nn_adam_default;
  p->adam.rate = options->predictor_rate;
  mlo_random_seed (&p->random, seed);
  p->stream = mlo_online_stream_new (&p->config, options->interval_us, options->horizon_s);
  take_reserve (p, reserve);
  p->x = g_new0 (float, STEPS * BATCH * MLO_PREDICTOR_FEATURES);
  p->y = g_new0 (float, STEPS * BATCH);
  p->dy = g_new0 (float, STEPS * BATCH);
  p->target = g_new0 (float, STEPS * BATCH);
  p->weight = g_new0 (float, STEPS * BATCH);
  p->state = g_new0 (float, nn_lstm_state (&p->net.lstm, BATCH));
  p->tape = g_new0 (float, nn_recurrent_tape (&p->net, STEPS, BATCH, NN_EVERY_STEP));
  mlo_online_stats_init (&p->stats);
  return p;
}

void
mlo_online_predictor_free (MloOnlinePredictor * p)
{
  if (!p)
    return;
  for (guint i = 0; i < N_COPIES; i++)
    mlo_bitrate_predictor_free (p->copies[i]);
  mlo_online_stream_free (p->stream);
  g_array_unref (p->reserve);
  g_array_unref (p->reserve_held);
  g_free (p->grad);
  g_free (p->m);
  g_free (p->v);
  g_free (p->before);
  g_free (p->x);
  g_free (p->y);
  g_free (p->dy);
  g_free (p->target);
  g_free (p->weight);
  g_free (p->state);
  g_free (p->tape);
  g_free (p);
}

void
mlo_online_predictor_feed (MloOnlinePredictor * p, const MloOnlineTick * tick, gboolean believed)
{
  mlo_online_stream_add (p->stream, tick, believed);
}

static void
put_row (MloOnlinePredictor * p, guint step, guint column, const MloOnlineRow * row, gboolean counts)
{
  guint at = step * BATCH + column;

  memcpy (p->x + at * MLO_PREDICTOR_FEATURES, row->x, sizeof row->x);
  p->target[at] = row->target;
  p->weight[at] = counts && row->label != MLO_LABEL_NONE ? (row->label == MLO_LABEL_AT_LEAST ? -1.0f : 1.0f) : 0.0f;
}

static void
clear_batch (MloOnlinePredictor * p)
{
  memset (p->x, 0, sizeof (float) * STEPS * BATCH * MLO_PREDICTOR_FEATURES);
  memset (p->target, 0, sizeof (float) * STEPS * BATCH);
  memset (p->weight, 0, sizeof (float) * STEPS * BATCH);
}

/* Whether the @n rows from @from on lie in one piece. */
static gboolean
in_one_piece (const MloOnlineStream * s, guint64 from, guint n)
{
  for (guint64 i = from + 1; i < from + n; i++) {
    if (mlo_online_stream_row (s, i)->first)
      return FALSE;
  }
  return TRUE;
}

static void
draw_own (MloOnlinePredictor * p, guint column)
{
  const MloOnlineStream *s = p->stream;
  guint64 oldest = mlo_online_stream_oldest (s), from;
  guint tries = 0;

  do
    from = oldest + mlo_random_below (&p->random, (guint32) (s->n_rows - oldest - STEPS + 1));
  while (!in_one_piece (s, from, STEPS) && ++tries < 8);
  if (tries == 8)
    return;
  for (guint k = 0; k < STEPS; k++)
    put_row (p, k, column, mlo_online_stream_row (s, from + k), k >= WARM_UP && !mlo_online_row_is_held (from + k));
}

static void
draw_reserve (MloOnlinePredictor * p, guint column)
{
  const Segment *s = &g_array_index (p->reserve, Segment, mlo_random_below (&p->random, p->reserve->len));
  guint from = mlo_random_below (&p->random, s->n - STEPS + 1);

  for (guint k = 0; k < STEPS; k++)
    put_row (p, k, column, &s->rows[from + k], k >= WARM_UP);
}

/* A bound from below only pulls up. Returns the sum of the weights. */
static double
settle_weights (MloOnlinePredictor * p)
{
  double sum = 0.0;

  for (guint i = 0; i < STEPS * BATCH; i++) {
    if (p->weight[i] < 0.0f)
      p->weight[i] = p->y[i] < p->target[i] ? 1.0f : 0.0f;
    sum += p->weight[i];
  }
  return sum;
}

static gboolean
all_finite (gsize n, const float *v)
{
  return isfinite (nn_norm (n, v));
}

static void
restart_adam (MloOnlinePredictor * p)
{
  memset (p->m, 0, p->n_params * sizeof (float));
  memset (p->v, 0, p->n_params * sizeof (float));
  p->adam.step = 0;
}

static void
update (MloOnlinePredictor * p)
{
  const double quantile = p->options->quantile;
  float *params = p->params[CHALLENGER];
  const guint own = (guint) lrint (p->options->own_share * BATCH);
  double weights, loss, norm;

  clear_batch (p);
  for (guint b = 0; b < BATCH; b++) {
    if (b < own || p->reserve->len == 0)
      draw_own (p, b);
    else
      draw_reserve (p, b);
  }
  nn_recurrent_forward (&p->net, params, STEPS, BATCH, NN_EVERY_STEP, p->x, NULL, NULL, p->y, p->tape);
  weights = settle_weights (p);
  if (weights <= 0.0)
    return;
  loss = nn_loss_quantile (STEPS * BATCH, p->y, p->target, p->weight, quantile, 1.0 / weights, p->dy);
  memset (p->grad, 0, p->n_params * sizeof (float));
  nn_recurrent_backward (&p->net, params, STEPS, BATCH, NN_EVERY_STEP, p->x, p->y, p->dy, p->grad, p->tape);
  norm = nn_clip_norm (p->n_params, p->grad, p->options->clip);
  memcpy (p->before, params, p->n_params * sizeof (float));
  if (isfinite (norm) && isfinite (loss))
    nn_adam_update (&p->adam, p->n_params, params, p->grad, p->m, p->v);
  if (!isfinite (norm) || !isfinite (loss) || !all_finite (p->n_params, params)) {
    memcpy (params, p->before, p->n_params * sizeof (float));
    restart_adam (p);
    p->stats.undone++;
    return;
  }
  mlo_online_stats_learned (&p->stats, loss);
  p->since++;
}

static guint
count_labels (const MloOnlineStream * s, guint64 from, guint n)
{
  guint count = 0;

  for (guint k = 0; k < n; k++)
    count += mlo_online_stream_row (s, from + k)->label != MLO_LABEL_NONE;
  return count;
}

static gboolean
is_usable (const MloOnlineStream * s, guint64 from, guint64 oldest)
{
  return from >= oldest + LEAD_IN && in_one_piece (s, from - LEAD_IN, LEAD_IN + MLO_ONLINE_BLOCK)
      && count_labels (s, from, MLO_ONLINE_BLOCK) >= LEAST_HELD;
}

/* The hold-out's blocks, newest first. */
static void
find_blocks (MloOnlinePredictor * p)
{
  const MloOnlineStream *s = p->stream;
  guint64 oldest = MAX (mlo_online_stream_oldest (s) + (s->n_rows > MLO_ONLINE_TICKS ? RING_MARGIN : 0), p->judge_from);
  guint64 block = s->labelled / MLO_ONLINE_BLOCK;

  p->n_blocks = 0;
  while (block-- > 0 && p->n_blocks < BATCH && block * MLO_ONLINE_BLOCK >= oldest + LEAD_IN) {
    if (mlo_online_row_is_held (block * MLO_ONLINE_BLOCK) && is_usable (s, block * MLO_ONLINE_BLOCK, oldest))
      p->blocks[p->n_blocks++] = block * MLO_ONLINE_BLOCK;
  }
}

/* The newest ten seconds since the champion came, every five, whether they belong to the hold-out or not: the champion has
 * learned from nothing that came after it. */
static gboolean
find_watched (MloOnlinePredictor * p)
{
  const MloOnlineStream *s = p->stream;
  guint64 from = p->watched;

  if (!p->stats.adapted || s->labelled < from + MLO_ONLINE_BLOCK)
    return FALSE;
  p->watched += WATCH_STEP;
  p->blocks[0] = from;
  p->n_blocks = is_usable (s, from, mlo_online_stream_oldest (s));
  return p->n_blocks > 0;
}

/* Half of the blocks' ticks under one copy. */
static void
judge_run (MloOnlinePredictor * p, Copy copy, guint half)
{
  const MloPredictorConfig *c = &p->config;

  clear_batch (p);
  for (guint b = 0; b < p->n_blocks; b++) {
    for (guint k = 0; k < STEPS; k++)
      put_row (p, k, b, mlo_online_stream_row (p->stream, p->blocks[b] - LEAD_IN + half * STEPS + k), FALSE);
  }
  if (half == 0) {
    memset (p->state, 0, sizeof (float) * nn_lstm_state (&p->net.lstm, BATCH));
    memset (p->sum, 0, sizeof p->sum);
    memset (p->counted, 0, sizeof p->counted);
  }
  nn_recurrent_forward (&p->net, p->params[copy], STEPS, BATCH, NN_EVERY_STEP, p->x, p->state, p->state, p->y, p->tape);
  for (guint b = 0; b < p->n_blocks; b++) {
    for (guint k = half == 0 ? LEAD_IN : 0; k < STEPS; k++) {
      guint64 i = p->blocks[b] - LEAD_IN + half * STEPS + k;

      /* what is more than a bound says nothing */
      if (mlo_online_stream_row (p->stream, i)->label == MLO_LABEL_NONE)
        continue;
      p->sum[b] += mlo_online_stream_reward (p->stream, i, mlo_scaling_output_kbps (&c->scaling, c->min_kbps,
              c->max_kbps, (double) p->y[k * BATCH + b]));
      p->counted[b]++;
    }
    if (half == 1)
      p->earned[copy][b] = p->sum[b] / MAX (p->counted[b], 1);
  }
}

/* The loss on the part of the reserve that is not learned from. */
static double
judge_reserve (MloOnlinePredictor * p, Copy copy)
{
  guint n = MIN (p->reserve_held->len, BATCH);
  double weights;

  if (n == 0)
    return NAN;
  clear_batch (p);
  for (guint b = 0; b < n; b++) {
    const Segment *s = &g_array_index (p->reserve_held, Segment, (gsize) b * p->reserve_held->len / n);

    for (guint k = 0; k < STEPS; k++)
      put_row (p, k, b, &s->rows[s->n - STEPS + k], k >= WARM_UP);
  }
  nn_recurrent_forward (&p->net, p->params[copy], STEPS, BATCH, NN_EVERY_STEP, p->x, NULL, NULL, p->y, p->tape);
  weights = settle_weights (p);
  return nn_loss_quantile (STEPS * BATCH, p->y, p->target, p->weight, p->options->quantile,
      weights > 0.0 ? 1.0 / weights : 0.0, NULL);
}

static double
mean (const double *v, guint n)
{
  double sum = 0.0;

  for (guint i = 0; i < n; i++)
    sum += v[i];
  return n > 0 ? sum / n : NAN;
}

static void
change_champion (MloOnlinePredictor * p, Copy from)
{
  memcpy (p->params[CHAMPION], p->params[from], p->n_params * sizeof (float));
  p->watched = p->stream->n_rows;
  p->stats.deficit = 0.0;
  mlo_online_stats_changed (&p->stats, from != SHIPPED);
}

/* Not lost in full: what it learned may be half right. */
static void
pull_back (MloOnlinePredictor * p)
{
  for (gsize i = 0; i < p->n_params; i++)
    p->params[CHALLENGER][i] += 0.5f * (p->params[CHAMPION][i] - p->params[CHALLENGER][i]);
  restart_adam (p);
  p->stats.resets++;
}

static void
verdict (MloOnlinePredictor * p)
{
  const MloOnlineOptions *o = p->options;
  MloOnlineNetworkStats *s = &p->stats;
  gboolean forgot;
  guint wins = 0;

  for (guint b = 0; b < p->n_blocks; b++)
    wins += p->earned[CHALLENGER][b] >= p->earned[CHAMPION][b];
  s->judgements++;
  s->held_shipped = mean (p->earned[SHIPPED], p->n_blocks);
  s->held_champion = mean (p->earned[CHAMPION], p->n_blocks);
  s->held_challenger = mean (p->earned[CHALLENGER], p->n_blocks);
  s->reserve_shipped = p->reserve_loss[SHIPPED];
  s->reserve_challenger = p->reserve_loss[CHALLENGER];
  s->win_share = p->n_blocks > 0 ? (double) wins / p->n_blocks : NAN;
  forgot = p->reserve_loss[CHALLENGER] > (1.0 + o->forget) * p->reserve_loss[SHIPPED];
  if (p->n_blocks < LEAST_BLOCKS)
    return;
  if (s->adapted && s->held_champion < s->held_shipped - o->demote_margin)
    change_champion (p, SHIPPED);
  else if (!forgot && s->win_share >= WIN_SHARE && s->held_challenger >= s->held_champion + o->step_margin
      && s->held_challenger >= s->held_shipped + o->margin)
    change_champion (p, CHALLENGER);
  if (forgot || s->held_challenger < s->held_shipped - ASTRAY)
    pull_back (p);
}

/* A sum of how much worse the champion was that never falls below nothing (Page, "Continuous inspection schemes",
 * 1954): a path that has become another one shows within seconds, chance does not add up. */
static void
watch_verdict (MloOnlinePredictor * p)
{
  MloOnlineNetworkStats *s = &p->stats;

  s->deficit = MAX (0.0, s->deficit + (p->earned[SHIPPED][0] - p->earned[CHAMPION][0]) * WATCH_STEP / MLO_ONLINE_BLOCK);
  if (s->deficit < p->options->watch_margin)
    return;
  change_champion (p, SHIPPED);
  /* what was seen before speaks for a path that is no more */
  p->judge_from = p->stream->n_rows;
}

static void
judge (MloOnlinePredictor * p)
{
  if (p->slice < 2 * N_COPIES)
    judge_run (p, p->slice / 2, p->slice % 2);
  else if (p->slice == 2 * N_COPIES)
    p->reserve_loss[SHIPPED] = judge_reserve (p, SHIPPED);
  else
    p->reserve_loss[CHALLENGER] = judge_reserve (p, CHALLENGER);
  if (++p->slice == WATCH_SLICES && p->watching) {
    watch_verdict (p);
    p->slice = 0;
  } else if (p->slice == SLICES) {
    verdict (p);
    p->slice = 0;
    p->since = 0;
  }
}

MloOnlineWork
mlo_online_predictor_step (MloOnlinePredictor * p)
{
  if (p->slice > 0) {
    judge (p);
    return MLO_ONLINE_JUDGED;
  }
  if (p->stream->n_exact + p->stream->n_at_least < LEAST_LABELS || p->stream->n_rows < 2 * STEPS)
    return MLO_ONLINE_IDLE;
  p->watching = find_watched (p);
  if (p->watching || p->since >= p->options->judge_every) {
    if (!p->watching)
      find_blocks (p);
    judge (p);
    return MLO_ONLINE_JUDGED;
  }
  update (p);
  return MLO_ONLINE_LEARNED;
}

const MloOnlineNetworkStats *
mlo_online_predictor_stats (const MloOnlinePredictor * p)
{
  return &p->stats;
}

const MloOnlineStream *
mlo_online_predictor_stream (const MloOnlinePredictor * p)
{
  return p->stream;
}

const MloBitratePredictor *
mlo_online_predictor_champion (const MloOnlinePredictor * p)
{
  return p->copies[CHAMPION];
}

gsize
mlo_online_predictor_state_size (const MloOnlinePredictor * p)
{
  return 4 * p->n_params;
}

void
mlo_online_predictor_get_state (const MloOnlinePredictor * p, float *state, MloOnlineNumbers * numbers)
{
  const float *const parts[] = { p->params[CHAMPION], p->params[CHALLENGER], p->m, p->v };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    memcpy (state + i * p->n_params, parts[i], p->n_params * sizeof (float));
  numbers->predictor_step = p->adam.step;
  numbers->predictor_updates = p->stats.updates;
  numbers->predictor_promotions = p->stats.promotions;
  numbers->predictor_demotions = p->stats.demotions;
}

/* With a champion that was given. */
static void
begin_anew (MloOnlinePredictor * p)
{
  p->stats.adapted = memcmp (p->params[CHAMPION], p->params[SHIPPED], p->n_params * sizeof (float)) != 0;
  p->stats.serial++;
  p->stats.deficit = 0.0;
  p->watched = p->stream->n_rows;
  p->slice = 0;
  p->since = 0;
}

void
mlo_online_predictor_set_state (MloOnlinePredictor * p, const float *state, const MloOnlineNumbers * numbers)
{
  float *const parts[] = { p->params[CHAMPION], p->params[CHALLENGER], p->m, p->v };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    memcpy (parts[i], state + i * p->n_params, p->n_params * sizeof (float));
  p->adam.step = (long) numbers->predictor_step;
  p->stats.updates = numbers->predictor_updates;
  p->stats.promotions = numbers->predictor_promotions;
  p->stats.demotions = numbers->predictor_demotions;
  begin_anew (p);
}

void
mlo_online_predictor_set_champion (MloOnlinePredictor * p, const MloBitratePredictor * champion)
{
  mlo_bitrate_predictor_copy_parameters (champion, p->params[CHAMPION]);
  memcpy (p->params[CHALLENGER], p->params[CHAMPION], p->n_params * sizeof (float));
  begin_anew (p);
}
