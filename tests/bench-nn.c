/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Speed of the networks, one line each: name value unit. Medians over many short pieces of the thread's own
 * time, since the machine may be shared.
 *   bench-nn [KERNELS [SECONDS]]   the whole table, with SECONDS a line; KERNELS: an instruction set, or "best"
 *   bench-nn --cold                loads both shipped models, answers once, prints how long main took */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench-helpers.h"
#include "bench-limits.h"
#include "mlo-bitrate-predictor.h"
#include "mlo-quality-optimizer.h"
#include "mlo-random.h"
#include "nn-grad.h"
#include "nn-packed.h"

#define PIECE_US 150.0          /* of one measurement, where a call is shorter */
#define PIECES 4000             /* at most */
#define SECONDS 0.6             /* a line */
#define STEPS 30
#define SLICE 16                /* PIECE of mlo-predictor-trainer.c */

static const NnRecurrent predictor = {
  {10, 128, 2}, {3, {128, 64, 32, 1}, NN_OUTPUT_SIGMOID}
};

static const NnDense optimizer = { 4, {15, 128, 128, 64, 9}, NN_OUTPUT_LINEAR };

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
  void *packed;
  NnAdam adam;
} Bench;

static double seconds = SECONDS;

static void
bench_step (Bench * b)
{
  nn_recurrent_packed_step (&predictor, b->packed, b->x, b->state, b->state + 256, b->y, b->scratch);
}

static void
bench_window (Bench * b)
{
  nn_recurrent_packed_window (&predictor, b->packed, b->x, STEPS, b->y, b->scratch);
}

static void
bench_mlp (Bench * b)
{
  nn_dense_packed_forward (&optimizer, b->packed, b->x, b->y, b->scratch);
}

/* As the trainer does it: the batch in slices that stay in the cache, one update for all. */
static void
bench_lstm_training (Bench * b)
{
  const size_t n = nn_recurrent_parameters (&predictor);

  memset (b->grad, 0, n * sizeof (float));
  for (int i = 0; i < b->batch; i += SLICE) {
    const float *x = b->x + (size_t) i * STEPS * 10;

    nn_recurrent_forward (&predictor, b->w, STEPS, SLICE, NN_LAST_STEP, x, NULL, NULL, b->y, b->tape);
    nn_loss_quantile (SLICE, b->y, b->target + i, NULL, 0.3, 1.0 / b->batch, b->dy);
    nn_recurrent_backward (&predictor, b->w, STEPS, SLICE, NN_LAST_STEP, x, b->y, b->dy, b->grad, b->tape);
  }
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

/* Median time of one call, in us. */
static double
median (void (*run) (Bench *), Bench * b)
{
  static double times[PIECES];
  double start, spent = 0.0;
  size_t n = 0;
  int calls = 1;

  run (b);
  start = bench_cpu_us ();
  run (b);
  calls = 1 + (int) (PIECE_US / (bench_cpu_us () - start));
  while (n < PIECES && (n < 3 || spent < seconds * 1e6)) {
    start = bench_cpu_us ();
    for (int i = 0; i < calls; i++)
      run (b);
    times[n] = bench_cpu_us () - start;
    spent += times[n];
    times[n++] /= calls;
  }
  bench_sort (times, n);
  return times[n / 2];
}

/* A step whose weights another program's data has driven out of every cache. */
static double
median_evicted (Bench * b)
{
  static double times[PIECES];
  const double end = bench_now_us () + seconds * 1e6;
  size_t n = 0;

  while (n < PIECES && (n < 3 || bench_now_us () < end)) {
    double start;

    bench_evict ();
    start = bench_now_us ();
    bench_step (b);
    times[n++] = bench_now_us () - start;
  }
  bench_sort (times, n);
  return times[n / 2];
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

  g_aligned_free (b->packed);

  for (size_t i = 0; i < G_N_ELEMENTS (all); i++)
    g_free (all[i]);
}

static void
inference (NnWeights weights, const char *suffix, MloRandom * r)
{
  Bench b = bench_new (nn_recurrent_parameters (&predictor), STEPS * 10, 1,
      nn_recurrent_packed_scratch (&predictor, STEPS), 0, 1, r);

  b.packed = g_aligned_alloc (1, nn_recurrent_packed_size (&predictor, weights), NN_PACKED_ALIGNMENT);
  nn_recurrent_pack (&predictor, b.w, weights, b.packed);
  printf ("window%s_us %.1f us\n", suffix, median (bench_window, &b));
  printf ("step%s_us %.2f us\n", suffix, median (bench_step, &b));
  printf ("step_evict%s_us %.1f us\n", suffix, median_evicted (&b));
  bench_free (&b);
  b = bench_new (nn_dense_parameters (&optimizer), 15, 9, nn_dense_packed_scratch (&optimizer), 0, 1, r);
  b.packed = g_aligned_alloc (1, nn_dense_packed_size (&optimizer, weights), NN_PACKED_ALIGNMENT);
  nn_dense_pack (&optimizer, b.w, weights, b.packed);
  printf ("mlp%s_us %.2f us\n", suffix, median (bench_mlp, &b));
  bench_free (&b);
}

static void
training (MloRandom * r)
{
  const size_t lstm_params = nn_recurrent_parameters (&predictor), dqn_params = nn_dense_parameters (&optimizer);
  const int batches[] = { 32, 256 };

  for (size_t i = 0; i < G_N_ELEMENTS (batches); i++) {
    size_t n = (size_t) batches[i];
    Bench b = bench_new (dqn_params, n * 15, n * 9, nn_dense_forward_scratch (&optimizer, batches[i]),
        nn_dense_tape (&optimizer, batches[i]), batches[i], r);

    printf ("dqn%d_sps %.0f steps/s\n", batches[i], 1e6 / median (bench_dqn_training, &b));
    bench_free (&b);
  }
  for (size_t i = 0; i < G_N_ELEMENTS (batches); i++) {
    size_t n = (size_t) batches[i];
    Bench b = bench_new (lstm_params, STEPS * n * 10, n, 0,
        nn_recurrent_tape (&predictor, STEPS, SLICE, NN_LAST_STEP), batches[i], r);

    printf ("lstm%d_sps %.0f sequences/s\n", batches[i], batches[i] * 1e6 / median (bench_lstm_training, &b));
    bench_free (&b);
  }
}

static int
cold (void)
{
  const double start = bench_now_us ();
  g_autoptr (GError) error = NULL;
  g_autoptr (MloBitratePredictor) p = mlo_bitrate_predictor_load (TEST_SOURCE "/models/bitrate_predictor.safetensors",
      &error);
  g_autoptr (MloQualityOptimizer) q = p ? mlo_quality_optimizer_load (TEST_SOURCE
      "/models/quality_optimizer.safetensors", &error) : NULL;
  g_autoptr (MloPredictorState) s = NULL;
  float state[MLO_OPTIMIZER_FEATURES] = { 0 }, values[MLO_N_ACTIONS];
  MloSample sample = { 0 };
  double kbps = 0.0;

  if (!q) {
    fprintf (stderr, "bench-nn: %s\n", error->message);
    return 1;
  }
  s = mlo_predictor_state_new (p);
  for (int i = 0; i < STEPS; i++)
    kbps = mlo_bitrate_predictor_step (p, s, &sample);
  if (kbps < 0.0 || !mlo_quality_optimizer_values (q, state, values))
    return 1;
  printf ("cold_us %.0f us\n", bench_now_us () - start);
  return 0;
}

int
main (int argc, char **argv)
{
  MloRandom r;

  if (argc > 1 && strcmp (argv[1], "--cold") == 0)
    return cold ();
  if (argc > 1 && nn_kernels_select (strcmp (argv[1], "best") == 0 ? NULL : argv[1]) < 0) {
    fprintf (stderr, "bench-nn: kernels '%s' do not run here\n", argv[1]);
    return 1;
  }
  if (argc > 2)
    seconds = g_ascii_strtod (argv[2], NULL);
  mlo_random_seed (&r, 1);
  printf ("kernels %s name\n", nn_kernels_name ());
  inference (NN_WEIGHTS_F32, "", &r);
  inference (NN_WEIGHTS_INT16, "_int16", &r);
  training (&r);
  printf ("l2_read %.0f GB/s\n", bench_l2_read (nn_kernels_name ()));
  printf ("cold_read %.1f GB/s\n", bench_cold_read (nn_kernels_name ()));
  printf ("fma_peak %.0f GFLOP/s\n", bench_fma_peak (nn_kernels_name ()));
  return 0;
}
