/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-optimizer-trainer.h"

#include <math.h>
#include <string.h>

#include "nn-grad.h"

/* The shape of MloQualityOptimizer. */
static const NnDense shape = {
  .layers = 4,
  .size = {MLO_OPTIMIZER_FEATURES, 128, 128, 64, MLO_N_ACTIONS},
  .output = NN_OUTPUT_LINEAR,
};

const MloOptimizerTraining mlo_optimizer_training_default = {
  .batch = 64,
  .n_steps = 10,
  .gamma = 0.98,
  .rate = 5e-4,
  .clip = 1.0,
  .huber = 1.0,
  .target_step = 0.004,
  .average_step = 0.0005,
};

struct _MloOptimizerTrainer
{
  MloOptimizerTraining options;
  float *params;                /* the network's own */
  gsize n_params;
  float *target;                /* (n_params) parameters of the target network */
  float *average;               /* (n_params) slow average of the parameters */
  float *grad, *m, *v;          /* (n_params) each */
  NnAdam adam;
  const MloTransition **picked; /* (batch) */
  float *x, *next_x;            /* (batch, 15) */
  float *y, *dy;                /* (batch, 9) values of the states */
  float *next_online, *next_target;     /* (batch, 9) values of the next states */
  float *taken, *wanted, *d_taken;      /* (batch) value of the action taken, its target, the gradient */
  float *tape, *scratch;
};

MloOptimizerTrainer *
mlo_optimizer_trainer_new (MloQualityOptimizer * q, const MloOptimizerTraining * options)
{
  MloOptimizerTrainer *t = g_new0 (MloOptimizerTrainer, 1);
  guint b = options->batch;

  g_assert (b > 0 && options->n_steps > 0);
  t->options = *options;
  t->params = mlo_quality_optimizer_parameters (q, &t->n_params);
  g_assert (t->n_params == nn_dense_parameters (&shape));
  t->target = g_memdup2 (t->params, t->n_params * sizeof (float));
  t->average = g_memdup2 (t->params, t->n_params * sizeof (float));
  t->grad = g_new0 (float, t->n_params);
  t->m = g_new0 (float, t->n_params);
  t->v = g_new0 (float, t->n_params);
  t->adam = nn_adam_default;
  t->adam.rate = options->rate;
  t->adam.decay = options->decay;
  t->picked = g_new0 (const MloTransition *, b);
  t->x = g_new0 (float, b * MLO_OPTIMIZER_FEATURES);
  t->next_x = g_new0 (float, b * MLO_OPTIMIZER_FEATURES);
  t->y = g_new0 (float, b * MLO_N_ACTIONS);
  t->dy = g_new0 (float, b * MLO_N_ACTIONS);
  t->next_online = g_new0 (float, b * MLO_N_ACTIONS);
  t->next_target = g_new0 (float, b * MLO_N_ACTIONS);
  t->taken = g_new0 (float, b);
  t->wanted = g_new0 (float, b);
  t->d_taken = g_new0 (float, b);
  t->tape = g_new0 (float, nn_dense_tape (&shape, (int) b));
  t->scratch = g_new0 (float, nn_dense_forward_scratch (&shape, (int) b));
  return t;
}

void
mlo_optimizer_trainer_free (MloOptimizerTrainer * t)
{
  if (!t)
    return;
  g_free (t->target);
  g_free (t->average);
  g_free (t->grad);
  g_free (t->m);
  g_free (t->v);
  g_free (t->picked);
  g_free (t->x);
  g_free (t->next_x);
  g_free (t->y);
  g_free (t->dy);
  g_free (t->next_online);
  g_free (t->next_target);
  g_free (t->taken);
  g_free (t->wanted);
  g_free (t->d_taken);
  g_free (t->tape);
  g_free (t->scratch);
  g_free (t);
}

void
mlo_optimizer_trainer_set_rate (MloOptimizerTrainer * t, double rate)
{
  t->adam.rate = rate;
}

/* The best of the actions in @mask; MLO_ACTION_NONE where it is empty. */
static guint
best_action (const float *values, guint32 mask)
{
  guint best = MLO_ACTION_NONE;
  float value = -INFINITY;

  for (guint a = 0; a < MLO_N_ACTIONS; a++) {
    if (mask >> a & 1 && values[a] > value) {
      value = values[a];
      best = a;
    }
  }
  return best;
}

/* Adds the conservative term of one state to @dy; returns its value. */
static double
conservative_term (const float *values, guint32 mask, guint taken, double scale, float *dy)
{
  double top = -INFINITY, sum = 0.0;

  for (guint a = 0; a < MLO_N_ACTIONS; a++) {
    if (mask >> a & 1)
      top = MAX (top, (double) values[a]);
  }
  for (guint a = 0; a < MLO_N_ACTIONS; a++) {
    if (mask >> a & 1)
      sum += exp (values[a] - top);
  }
  /* d (log sum exp) = softmax */
  for (guint a = 0; a < MLO_N_ACTIONS; a++) {
    if (mask >> a & 1)
      dy[a] += (float) (scale * exp (values[a] - top) / sum);
  }
  dy[taken] -= (float) scale;
  return scale * (top + log (sum) - values[taken]);
}

static void
follow (gsize n, float *slow, const float *fast, double step)
{
  float s = (float) step;

  for (gsize i = 0; i < n; i++)
    slow[i] += s * (fast[i] - slow[i]);
}

void
mlo_optimizer_trainer_average (const MloOptimizerTrainer * t, float *to)
{
  memcpy (to, t->average, t->n_params * sizeof (float));
}

gsize
mlo_optimizer_trainer_state_size (const MloOptimizerTrainer * t)
{
  return 4 * t->n_params;
}

gint64
mlo_optimizer_trainer_get_state (const MloOptimizerTrainer * t, float *state)
{
  const float *const parts[] = { t->m, t->v, t->target, t->average };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    memcpy (state + i * t->n_params, parts[i], t->n_params * sizeof (float));
  return t->adam.step;
}

void
mlo_optimizer_trainer_set_state (MloOptimizerTrainer * t, const float *state, gint64 step)
{
  float *const parts[] = { t->m, t->v, t->target, t->average };

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    memcpy (parts[i], state + i * t->n_params, t->n_params * sizeof (float));
  t->adam.step = (long) step;
}

double
mlo_optimizer_trainer_update (MloOptimizerTrainer * t, const MloReplay * replay, MloRandom * random)
{
  const MloOptimizerTraining *o = &t->options;
  int b = (int) o->batch;
  double loss, norm;

  for (int i = 0; i < b; i++) {
    t->picked[i] = mlo_replay_sample (replay, random);
    memcpy (t->x + i * MLO_OPTIMIZER_FEATURES, t->picked[i]->state, sizeof t->picked[i]->state);
    memcpy (t->next_x + i * MLO_OPTIMIZER_FEATURES, t->picked[i]->next_state, sizeof t->picked[i]->next_state);
  }

  /* y = r + gamma^n Q_target (s', argmax over the mask of Q_online (s', .)) */
  nn_dense_forward (&shape, t->params, t->next_x, b, t->next_online, t->scratch);
  nn_dense_forward (&shape, t->target, t->next_x, b, t->next_target, t->scratch);
  nn_dense_forward_tape (&shape, t->params, b, t->x, t->y, t->tape);
  for (int i = 0; i < b; i++) {
    const MloTransition *p = t->picked[i];
    guint next = best_action (t->next_online + i * MLO_N_ACTIONS, p->next_mask);

    t->wanted[i] = p->reward + p->discount * t->next_target[i * MLO_N_ACTIONS + (int) next];
    t->taken[i] = t->y[i * MLO_N_ACTIONS + p->action];
  }
  loss = nn_loss_huber ((size_t) b, t->taken, t->wanted, NULL, o->huber, 1.0 / b, t->d_taken);
  memset (t->dy, 0, sizeof (float) * (gsize) b * MLO_N_ACTIONS);
  for (int i = 0; i < b; i++) {
    const MloTransition *p = t->picked[i];

    t->dy[i * MLO_N_ACTIONS + p->action] = t->d_taken[i];
    if (o->conservative > 0.0)
      loss += conservative_term (t->y + i * MLO_N_ACTIONS, p->mask | 1u << p->action, p->action, o->conservative / b,
          t->dy + i * MLO_N_ACTIONS);
  }

  memset (t->grad, 0, t->n_params * sizeof (float));
  nn_dense_backward (&shape, t->params, b, t->x, t->y, t->dy, t->grad, NULL, t->tape);
  norm = nn_clip_norm (t->n_params, t->grad, o->clip);
  if (isfinite (norm) && isfinite (loss))
    nn_adam_update (&t->adam, t->n_params, t->params, t->grad, t->m, t->v);
  follow (t->n_params, t->target, t->params, o->target_step);
  /* at first the plain mean, so that the random start is soon forgotten */
  follow (t->n_params, t->average, t->params, MAX (o->average_step, 1.0 / (double) MAX (1, t->adam.step)));
  return loss;
}
