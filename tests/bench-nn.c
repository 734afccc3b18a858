/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Speed of the networks at the shipped shapes, one line each: name value unit. Best of several rounds, since on a
 * shared machine everything but the best is somebody else's work. An argument chooses the instruction set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mlo-random.h"
#include "nn-grad.h"

#define ROUNDS 7
#define ROUND_S 0.12
#define STEPS 30

static const NnRecurrent predictor = {
  {10, 128, 2}, {3, {128, 64, 32, 1}, NN_OUTPUT_SIGMOID}
};

static const NnDense optimizer = { 4, {15, 128, 128, 64, 9}, NN_OUTPUT_LINEAR };

static double
now_s (void)
{
  struct timespec t;

  clock_gettime (CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static float *
random_floats (size_t n, double range, MloRandom * r)
{
  float *v = g_new (float, n);

  for (size_t i = 0; i < n; i++)
    v[i] = (float) mlo_random_range (r, -range, range);
  return v;
}

typedef struct
{
  int batch;
  float *w, *x, *y, *dy, *target, *state, *grad, *m, *v, *tape, *scratch;
  NnAdam adam;
} Bench;

static void
bench_step (Bench * b)
{
  nn_recurrent_step (&predictor, b->w, b->x, b->state, b->state + 256, b->y, b->scratch);
}

static void
bench_window (Bench * b)
{
  nn_recurrent_window (&predictor, b->w, b->x, STEPS, b->y, b->scratch);
}

static void
bench_mlp (Bench * b)
{
  nn_dense_forward (&optimizer, b->w, b->x, 1, b->y, b->scratch);
}

static void
bench_lstm_training (Bench * b)
{
  size_t n = nn_recurrent_parameters (&predictor);

  nn_recurrent_forward (&predictor, b->w, STEPS, b->batch, NN_LAST_STEP, b->x, NULL, NULL, b->y, b->tape);
  nn_loss_quantile ((size_t) b->batch, b->y, b->target, NULL, 0.3, 1.0 / b->batch, b->dy);
  memset (b->grad, 0, n * sizeof (float));
  nn_recurrent_backward (&predictor, b->w, STEPS, b->batch, NN_LAST_STEP, b->x, b->y, b->dy, b->grad, b->tape);
  nn_clip_norm (n, b->grad, 1.0);
  nn_adam_update (&b->adam, n, b->w, b->grad, b->m, b->v);
}

/* One step of Q-learning: the target network on the next states, forward, backward, update. */
static void
bench_dqn_training (Bench * b)
{
  size_t n = nn_dense_parameters (&optimizer), outputs = (size_t) b->batch * 9;

  nn_dense_forward (&optimizer, b->w, b->x, b->batch, b->target, b->scratch);
  nn_dense_forward_tape (&optimizer, b->w, b->batch, b->x, b->y, b->tape);
  nn_loss_huber (outputs, b->y, b->target, NULL, 1.0, 1.0 / b->batch, b->dy);
  memset (b->grad, 0, n * sizeof (float));
  nn_dense_backward (&optimizer, b->w, b->batch, b->x, b->y, b->dy, b->grad, NULL, b->tape);
  nn_clip_norm (n, b->grad, 10.0);
  nn_adam_update (&b->adam, n, b->w, b->grad, b->m, b->v);
}

/* Least time of one call, in seconds. */
static double
best (void (*run) (Bench *), Bench * b)
{
  double least = 1e9;

  run (b);
  for (int round = 0; round < ROUNDS; round++) {
    double start = now_s (), end;
    int calls = 0;

    do {
      run (b);
      calls++;
      end = now_s ();
    } while (end - start < ROUND_S);
    if ((end - start) / calls < least)
      least = (end - start) / calls;
  }
  return least;
}

static Bench
bench_new (size_t params, size_t x, size_t y, size_t scratch, size_t tape, int batch, MloRandom * r)
{
  Bench b = { batch };

  b.w = random_floats (params, 0.09, r);
  b.x = random_floats (x, 1.0, r);
  b.y = g_new0 (float, y);
  b.dy = g_new0 (float, y);
  b.target = random_floats (y, 1.0, r);
  b.state = g_new0 (float, 4 * 256);
  b.grad = g_new0 (float, params);
  b.m = g_new0 (float, params);
  b.v = g_new0 (float, params);
  b.scratch = g_new0 (float, scratch);
  b.tape = g_new0 (float, tape);
  b.adam = nn_adam_default;
  b.adam.rate = 1e-5;
  return b;
}

static void
bench_free (Bench * b)
{
  float *all[] = { b->w, b->x, b->y, b->dy, b->target, b->state, b->grad, b->m, b->v, b->scratch, b->tape };

  for (size_t i = 0; i < G_N_ELEMENTS (all); i++)
    g_free (all[i]);
}

int
main (int argc, char **argv)
{
  const size_t lstm_params = nn_recurrent_parameters (&predictor), dqn_params = nn_dense_parameters (&optimizer);
  const int batches[] = { 32, 256 };
  MloRandom r;
  Bench b;

  if (argc > 1 && nn_kernels_select (argv[1]) < 0) {
    fprintf (stderr, "bench-nn: kernels '%s' do not run here\n", argv[1]);
    return 1;
  }
  mlo_random_seed (&r, 1);
  printf ("kernels %s name\n", nn_kernels_name ());
  b = bench_new (lstm_params, STEPS * 10, 1, nn_recurrent_window_scratch (&predictor), 0, 1, &r);
  printf ("step_us %.2f us\n", best (bench_step, &b) * 1e6);
  printf ("window_us %.1f us\n", best (bench_window, &b) * 1e6);
  bench_free (&b);
  b = bench_new (dqn_params, 15, 9, nn_dense_forward_scratch (&optimizer, 1), 0, 1, &r);
  printf ("mlp_us %.2f us\n", best (bench_mlp, &b) * 1e6);
  bench_free (&b);
  for (size_t i = 0; i < G_N_ELEMENTS (batches); i++) {
    size_t n = (size_t) batches[i];

    b = bench_new (dqn_params, n * 15, n * 9, nn_dense_forward_scratch (&optimizer, batches[i]),
        nn_dense_tape (&optimizer, batches[i]), batches[i], &r);
    printf ("dqn%d_sps %.0f steps/s\n", batches[i], 1.0 / best (bench_dqn_training, &b));
    bench_free (&b);
  }
  for (size_t i = 0; i < G_N_ELEMENTS (batches); i++) {
    size_t n = (size_t) batches[i];

    b = bench_new (lstm_params, STEPS * n * 10, n, 0,
        nn_recurrent_tape (&predictor, STEPS, batches[i], NN_LAST_STEP), batches[i], &r);
    printf ("lstm%d_sps %.0f sequences/s\n", batches[i], batches[i] / best (bench_lstm_training, &b));
    bench_free (&b);
  }
  return 0;
}
