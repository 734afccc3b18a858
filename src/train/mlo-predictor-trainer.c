/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-predictor-trainer.h"

#include <math.h>
#include <string.h>

#include "nn-grad.h"

/* Streams or windows that one thread takes at a time. Part of the result (the order of sums), so a constant. */
#define PIECE 16
/* Longer recordings are cut: the state starts anew, and so it does in use after a discontinuity. */
#define MAX_SEQUENCE 1200
/* Window form: an epoch sees this share of all windows, which overlap almost wholly. */
#define WINDOW_SHARE 0.1
/* Updates between two calls of the progress function. */
#define PROGRESS_EVERY 16

const MloPredictorTraining mlo_predictor_training_default = {
  .epochs = 12,
  .batch = 32,
  .segment = 50,
  .warm_up = 10,
  .quantile = 0.4,
  .rate = 2e-3,
  .clip = 1.0,
  .patience = 4,
};

/* A recording, or a part of one, as the network sees it. */
typedef struct
{
  const MloTick *ticks;         /* borrowed */
  guint n;
  float *x;                     /* (n, 10), stream form only */
  float *target;                /* (n) network's output wanted, 0..1 */
  float *weight;                /* (n) 0 or 1 */
} Sequence;

/* What the network is asked at one place: all ticks of a segment, or a window's last tick. */
typedef struct
{
  const Sequence *sequence;     /* NULL: none here */
  guint at;                     /* first tick of the segment; last of the window */
} Place;

/* One thread's share of a batch. */
typedef struct
{
  float *x;                     /* (steps, PIECE, 10) */
  float *y, *dy, *target, *weight;      /* (outputs, PIECE), outputs = steps or 1 */
  float *state;                 /* h, c of PIECE streams */
  float *tape;
  float *grad;                  /* (n_params) of Trainer.grads */
  double *sum;                  /* loss, error, over, count; of Trainer.sums */
} Piece;

enum
{ LOSS, ERROR, OVER, COUNT, N_SUMS };

typedef struct
{
  const MloPredictorTraining *options;
  const MloPredictorConfig *config;
  NnRecurrent net;
  float *params;
  gsize n_params;
  guint steps, outputs;
  NnSteps mode;
  MloWorkers *workers;
  GArray *train, *hold;         /* of Sequence */
  Place *places;                /* (batch) of the running batch */
  guint batch;
  Piece *pieces;                /* batch / PIECE */
  guint n_pieces, first_piece, last_piece;      /* all; up to, not including: this rank's */
  float *grads;                 /* (n_pieces, n_params), one block to be exchanged */
  double *sums;                 /* (n_pieces, N_SUMS) */
  gboolean learn;               /* backward too */
  gboolean fresh;               /* the streams' states start at zero */
  double scale;                 /* of the loss, so that the batch's weights sum to one */
  float *grad, *m, *v, *best;   /* (n_params) */
  NnAdam adam;
  MloProgress *where;
  MloProgressFunc progress;
  gpointer user_data;
  gboolean stopped;
} Trainer;

static void
sequence_clear (gpointer data)
{
  Sequence *s = data;

  g_free (s->x);
  g_free (s->target);
  g_free (s->weight);
}

static void
add_sequence (const Trainer * t, GArray * out, const MloTick * ticks, guint n)
{
  const MloPredictorConfig *c = t->config;
  Sequence s = { ticks, n, NULL, g_new0 (float, n), g_new0 (float, n) };
  MloFeatureHistory history;
  gboolean any = FALSE;

  mlo_feature_history_reset (&history);
  if (t->mode == NN_EVERY_STEP)
    s.x = g_new (float, n * MLO_PREDICTOR_FEATURES);
  for (guint i = 0; i < n; i++) {
    if (s.x) {
      mlo_feature_history_push (&history, &ticks[i].sample);
      mlo_features_predictor (&c->scaling, &history, s.x + i * MLO_PREDICTOR_FEATURES);
    }
    if (ticks[i].label_kbps < 0.0f || i < t->options->warm_up)
      continue;
    s.target[i] = (float) mlo_scaling_output_inverse (&c->scaling, c->min_kbps, c->max_kbps,
        CLAMP ((double) ticks[i].label_kbps, c->min_kbps, c->max_kbps));
    s.weight[i] = 1.0f;
    any = TRUE;
  }
  if (any && (t->mode == NN_EVERY_STEP || n >= t->steps))
    g_array_append_val (out, s);
  else
    sequence_clear (&s);
}

static GArray *
make_sequences (const Trainer * t, GPtrArray * recordings)
{
  GArray *out = g_array_new (FALSE, FALSE, sizeof (Sequence));

  g_array_set_clear_func (out, sequence_clear);
  for (guint i = 0; recordings && i < recordings->len; i++) {
    const MloRecording *r = recordings->pdata[i];

    for (guint at = 0; at < r->n; at += MAX_SEQUENCE)
      add_sequence (t, out, r->ticks + at, MIN (r->n - at, MAX_SEQUENCE));
  }
  return out;
}

/* Brings the places' input and targets into the piece; column @b of each. */
static void
gather (const Trainer * t, Piece * p, const Place * places)
{
  memset (p->x, 0, sizeof (float) * t->steps * PIECE * MLO_PREDICTOR_FEATURES);
  memset (p->target, 0, sizeof (float) * t->outputs * PIECE);
  memset (p->weight, 0, sizeof (float) * t->outputs * PIECE);
  for (guint b = 0; b < PIECE; b++) {
    const Sequence *s = places[b].sequence;
    guint at = places[b].at;

    if (!s || at >= s->n)
      continue;
    if (t->mode == NN_EVERY_STEP) {
      for (guint k = 0; k < t->steps && at + k < s->n; k++) {
        memcpy (p->x + (k * PIECE + b) * MLO_PREDICTOR_FEATURES, s->x + (at + k) * MLO_PREDICTOR_FEATURES,
            sizeof (float) * MLO_PREDICTOR_FEATURES);
        p->target[k * PIECE + b] = s->target[at + k];
        p->weight[k * PIECE + b] = s->weight[at + k];
      }
    } else {
      float rows[MLO_FEATURE_WINDOW * MLO_PREDICTOR_FEATURES];
      MloFeatureHistory history;

      mlo_feature_history_reset (&history);
      for (guint k = 0; k < t->steps; k++)
        mlo_feature_history_push (&history, &s->ticks[at + 1 - t->steps + k].sample);
      mlo_features_predictor_window (&t->config->scaling, &history, rows);
      for (guint k = 0; k < t->steps; k++)
        memcpy (p->x + (k * PIECE + b) * MLO_PREDICTOR_FEATURES, rows + k * MLO_PREDICTOR_FEATURES,
            sizeof (float) * MLO_PREDICTOR_FEATURES);
      p->target[b] = s->target[at];
      p->weight[b] = s->weight[at];
    }
  }
}

static void
run_piece (gpointer data, guint index)
{
  Trainer *t = data;
  const guint place = t->first_piece + index;
  Piece *p = &t->pieces[place];
  gboolean carried = t->mode == NN_EVERY_STEP;
  guint n = t->outputs * PIECE;
  /* the log scale's width: one unit of y in log rate */
  double width = log (t->config->max_kbps / t->config->min_kbps);

  gather (t, p, t->places + place * PIECE);
  if (t->fresh)
    memset (p->state, 0, sizeof (float) * nn_lstm_state (&t->net.lstm, PIECE));
  nn_recurrent_forward (&t->net, t->params, (int) t->steps, PIECE, t->mode, p->x, carried ? p->state : NULL,
      carried ? p->state : NULL, p->y, p->tape);
  p->sum[LOSS] = nn_loss_quantile (n, p->y, p->target, p->weight, t->options->quantile, 1.0, NULL);
  p->sum[COUNT] = p->sum[ERROR] = p->sum[OVER] = 0.0;
  for (guint i = 0; i < n; i++) {
    double e = (double) p->y[i] - p->target[i];

    if (t->config->scaling.kind == MLO_SCALING_LOG)
      e *= width;
    else
      e = log (mlo_scaling_output_kbps (&t->config->scaling, t->config->min_kbps, t->config->max_kbps, p->y[i])
          / mlo_scaling_output_kbps (&t->config->scaling, t->config->min_kbps, t->config->max_kbps, p->target[i]));
    p->sum[COUNT] += p->weight[i];
    p->sum[ERROR] += p->weight[i] * fabs (e);
    p->sum[OVER] += e > 0.0 ? p->weight[i] : 0.0;
  }
  if (t->learn && p->sum[COUNT] > 0.0) {
    nn_loss_quantile (n, p->y, p->target, p->weight, t->options->quantile, t->scale, p->dy);
    memset (p->grad, 0, sizeof (float) * t->n_params);
    nn_recurrent_backward (&t->net, t->params, (int) t->steps, PIECE, t->mode, p->x, p->y, p->dy, p->grad, p->tape);
  }
}

/* Weights of the batch at its places, so that each update's loss is a mean. */
static double
count_weights (const Trainer * t)
{
  double sum = 0.0;

  for (guint i = 0; i < t->batch; i++) {
    const Sequence *s = t->places[i].sequence;

    for (guint k = 0; s && k < t->outputs && t->places[i].at + k < s->n; k++)
      sum += s->weight[t->places[i].at + k];
  }
  return sum;
}

/* Runs the batch at its places, learning or not; sums into @sum. */
static void
run_batch (Trainer * t, double sum[N_SUMS])
{
  const MloGroup *group = mlo_workers_group (t->workers);
  double weights = count_weights (t), norm;

  t->scale = weights > 0.0 ? 1.0 / weights : 0.0;
  mlo_workers_run (t->workers, t->last_piece - t->first_piece, run_piece, t);
  mlo_group_exchange (group, t->sums, t->n_pieces, N_SUMS * sizeof (double));
  /* in the order of the pieces, whoever computed them */
  for (guint i = 0; i < t->n_pieces; i++)
    for (guint k = 0; k < N_SUMS; k++)
      sum[k] += t->pieces[i].sum[k];
  if (!t->learn || weights <= 0.0)
    return;
  mlo_group_exchange (group, t->grads, t->n_pieces, t->n_params * sizeof (float));
  memset (t->grad, 0, sizeof (float) * t->n_params);
  for (guint i = 0; i < t->n_pieces; i++) {
    if (t->pieces[i].sum[COUNT] <= 0.0)
      continue;
    for (gsize k = 0; k < t->n_params; k++)
      t->grad[k] += t->pieces[i].grad[k];
  }
  norm = nn_clip_norm (t->n_params, t->grad, t->options->clip);
  if (isfinite (norm))
    nn_adam_update (&t->adam, t->n_params, t->params, t->grad, t->m, t->v);
}

static void
shuffle (MloRandom * random, guint * order, guint n)
{
  for (guint i = n; i > 1; i--) {
    guint k = mlo_random_below (random, i), swap = order[i - 1];

    order[i - 1] = order[k];
    order[k] = swap;
  }
}

static gboolean
report (Trainer * t, gboolean complete)
{
  t->where->epoch_complete = complete;
  if (t->progress && !t->stopped && !t->progress (t->user_data, t->where))
    t->stopped = TRUE;
  return !t->stopped;
}

/* One pass over @sequences, stream form: groups side by side, segment after segment. */
static void
pass_stream (Trainer * t, GArray * sequences, MloRandom * random, double sum[N_SUMS])
{
  g_autofree guint *order = g_new (guint, sequences->len);
  guint updates = 0;

  for (guint i = 0; i < sequences->len; i++)
    order[i] = i;
  if (random)
    shuffle (random, order, sequences->len);
  for (guint first = 0; first < sequences->len && !t->stopped; first += t->batch) {
    guint longest = 0;

    for (guint b = 0; b < t->batch; b++) {
      t->places[b].sequence = first + b < sequences->len
          ? &g_array_index (sequences, Sequence, order[first + b]) : NULL;
      if (t->places[b].sequence)
        longest = MAX (longest, t->places[b].sequence->n);
    }
    for (guint at = 0; at < longest && !t->stopped; at += t->steps) {
      double before = sum[COUNT];

      for (guint b = 0; b < t->batch; b++)
        t->places[b].at = at;
      t->fresh = at == 0;
      run_batch (t, sum);
      if (t->learn) {
        t->where->done += sum[COUNT] - before;
        t->where->loss = sum[COUNT] > 0.0 ? sum[LOSS] / sum[COUNT] : NAN;
        if (++updates % PROGRESS_EVERY == 0)
          report (t, FALSE);
      }
    }
  }
}

/* Window form: places at random (learning) or at even distances. */
static void
pass_window (Trainer * t, GArray * sequences, MloRandom * random, double sum[N_SUMS])
{
  guint64 total = 0;
  guint n_batches, updates = 0;
  double step, at = 0.0;

  for (guint i = 0; i < sequences->len; i++)
    total += g_array_index (sequences, Sequence, i).n - t->steps + 1;
  n_batches = MAX (1u, (guint) (WINDOW_SHARE * (double) total / t->batch));
  step = (double) total / ((double) n_batches * t->batch);
  for (guint k = 0; k < n_batches && !t->stopped; k++) {
    double before = sum[COUNT];

    for (guint b = 0; b < t->batch; b++, at += step) {
      guint64 pick = (guint64) (random ? mlo_random_uniform (random) * (double) total : at);
      guint i = 0;

      while (i + 1 < sequences->len && pick >= g_array_index (sequences, Sequence, i).n - t->steps + 1)
        pick -= g_array_index (sequences, Sequence, i++).n - t->steps + 1;
      t->places[b].sequence = &g_array_index (sequences, Sequence, i);
      t->places[b].at = MIN ((guint) pick + t->steps - 1, t->places[b].sequence->n - 1);
    }
    run_batch (t, sum);
    if (t->learn) {
      t->where->done += sum[COUNT] - before;
      t->where->loss = sum[COUNT] > 0.0 ? sum[LOSS] / sum[COUNT] : NAN;
      if (++updates % PROGRESS_EVERY == 0)
        report (t, FALSE);
    }
  }
}

static void
pass (Trainer * t, GArray * sequences, MloRandom * random, gboolean learn, double sum[N_SUMS])
{
  memset (sum, 0, N_SUMS * sizeof *sum);
  t->learn = learn;
  if (t->mode == NN_EVERY_STEP)
    pass_stream (t, sequences, random, sum);
  else
    pass_window (t, sequences, random, sum);
}

static void
trainer_init (Trainer * t)
{
  const MloPredictorConfig *c = t->config;

  t->net = (NnRecurrent) {
    .lstm = { MLO_PREDICTOR_FEATURES, (int) c->hidden, (int) c->layers },.head = {.layers = 3,.size =
          {(int) c->hidden, 64, 32, 1},.output = NN_OUTPUT_SIGMOID
  },};
  g_assert (t->n_params == nn_recurrent_parameters (&t->net));
  t->mode = c->form == MLO_FORM_STREAM ? NN_EVERY_STEP : NN_LAST_STEP;
  t->steps = c->form == MLO_FORM_STREAM ? t->options->segment : MLO_FEATURE_WINDOW;
  t->outputs = c->form == MLO_FORM_STREAM ? t->steps : 1;
  t->n_pieces = (t->options->batch + PIECE - 1) / PIECE;
  t->batch = t->n_pieces * PIECE;
  t->places = g_new0 (Place, t->batch);
  t->pieces = g_new0 (Piece, t->n_pieces);
  t->grads = g_new0 (float, t->n_pieces * t->n_params);
  t->sums = g_new0 (double, t->n_pieces * N_SUMS);
  mlo_group_share (mlo_workers_group (t->workers), t->n_pieces, &t->first_piece, &t->last_piece);
  for (guint i = 0; i < t->n_pieces; i++) {
    Piece *p = &t->pieces[i];

    p->x = g_new0 (float, t->steps * PIECE * MLO_PREDICTOR_FEATURES);
    p->y = g_new0 (float, t->outputs * PIECE);
    p->dy = g_new0 (float, t->outputs * PIECE);
    p->target = g_new0 (float, t->outputs * PIECE);
    p->weight = g_new0 (float, t->outputs * PIECE);
    p->state = g_new0 (float, nn_lstm_state (&t->net.lstm, PIECE));
    p->tape = g_new0 (float, nn_recurrent_tape (&t->net, (int) t->steps, PIECE, t->mode));
    p->grad = t->grads + i * t->n_params;
    p->sum = t->sums + i * N_SUMS;
  }
  t->grad = g_new0 (float, t->n_params);
  t->m = g_new0 (float, t->n_params);
  t->v = g_new0 (float, t->n_params);
  t->best = g_memdup2 (t->params, t->n_params * sizeof (float));
  t->adam = nn_adam_default;
  t->adam.decay = t->options->decay;
}

static void
trainer_clear (Trainer * t)
{
  for (guint i = 0; i < t->n_pieces; i++) {
    g_free (t->pieces[i].x);
    g_free (t->pieces[i].y);
    g_free (t->pieces[i].dy);
    g_free (t->pieces[i].target);
    g_free (t->pieces[i].weight);
    g_free (t->pieces[i].state);
    g_free (t->pieces[i].tape);
  }
  g_free (t->pieces);
  g_free (t->grads);
  g_free (t->sums);
  g_free (t->places);
  g_free (t->grad);
  g_free (t->m);
  g_free (t->v);
  g_free (t->best);
}

/* Ranks on unlike processors round unlike, so that what should be the same drifts apart by a hair: from time to time
 * rank 0's counts. */
static void
agree (Trainer * t)
{
  const MloGroup *group = mlo_workers_group (t->workers);

  mlo_group_broadcast (group, t->params, t->n_params * sizeof (float));
  mlo_group_broadcast (group, t->m, t->n_params * sizeof (float));
  mlo_group_broadcast (group, t->v, t->n_params * sizeof (float));
}

gboolean
mlo_predictor_train (MloBitratePredictor * p, GPtrArray * recordings, GPtrArray * validation,
    const MloPredictorTraining * options, MloRandom * random, MloWorkers * workers, MloProgress * where,
    MloProgressFunc progress, gpointer user_data, MloPredictorSummary * summary)
{
  Trainer t = {
    .options = options,.config = mlo_bitrate_predictor_config (p),.workers = workers,.where = where,
    .progress = progress,.user_data = user_data,
  };
  g_autoptr (GArray) train = NULL;
  g_autoptr (GArray) hold = NULL;
  double sum[N_SUMS], best = INFINITY;
  guint worse = 0;

  g_assert (options->batch > 0 && options->segment > 0);
  memset (summary, 0, sizeof *summary);
  summary->loss = summary->validation = summary->error = summary->over = NAN;
  t.params = mlo_bitrate_predictor_parameters (p, &t.n_params);
  trainer_init (&t);
  train = make_sequences (&t, recordings);
  hold = make_sequences (&t, validation);
  if (train->len == 0) {
    trainer_clear (&t);
    return FALSE;
  }

  where->stage = "predictor";
  where->unit = "ticks";
  where->epochs = options->epochs;
  where->validation = NAN;
  where->done = where->total = 0.0;
  for (guint i = 0; i < train->len; i++) {
    const Sequence *s = &g_array_index (train, Sequence, i);

    for (guint k = 0; k < s->n; k++)
      where->total += s->weight[k];
  }
  where->total *= options->epochs * (t.mode == NN_EVERY_STEP ? 1.0 : WINDOW_SHARE);

  for (guint epoch = 0; epoch < options->epochs && !t.stopped; epoch++) {
    double along = (double) epoch / MAX (1u, options->epochs - 1);

    where->epoch = epoch + 1;
    agree (&t);
    t.adam.rate = options->rate * (0.1 + 0.9 * 0.5 * (1.0 + cos (G_PI * along)));
    pass (&t, train, random, TRUE, sum);
    summary->loss = where->loss = sum[COUNT] > 0.0 ? sum[LOSS] / sum[COUNT] : NAN;
    if (t.stopped && hold->len > 0)
      break;
    summary->epochs = epoch + 1;
    if (hold->len > 0) {
      double loss;

      pass (&t, hold, NULL, FALSE, sum);
      loss = sum[LOSS] / sum[COUNT];
      where->validation = loss;
      if (loss < best) {
        best = loss;
        worse = 0;
        summary->validation = loss;
        summary->error = sum[ERROR] / sum[COUNT];
        summary->over = sum[OVER] / sum[COUNT];
        memcpy (t.best, t.params, t.n_params * sizeof (float));
      } else if (++worse == options->patience) {
        report (&t, TRUE);
        break;
      }
    }
    report (&t, TRUE);
  }
  if (hold->len > 0)
    memcpy (t.params, t.best, t.n_params * sizeof (float));
  summary->stopped = t.stopped;
  trainer_clear (&t);
  return TRUE;
}
