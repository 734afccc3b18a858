/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vector kernels against the plain ones, with C and libm alone, so that it can be built for another processor and
 * run under an emulator (test-cross). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn-grad.h"
#include "nn-ops.h"
#include "nn-packed.h"

#define WIDEST 70

static unsigned long long state = 20240923;

/* -1 .. 1 */
static float
chance (void)
{
  state = state * 6364136223846793005ull + 1442695040888963407ull;
  return (float) ((double) (state >> 40) * 0x1p-23 - 1.0);
}

static float *
random_new (size_t n, float range)
{
  float *v = malloc (n * sizeof *v);

  for (size_t i = 0; i < n; i++)
    v[i] = chance () * range;
  return v;
}

static void
check (const char *what, const float *got, const float *want, size_t n, double bound)
{
  for (size_t i = 0; i < n; i++)
    if (!(fabs ((double) got[i] - (double) want[i]) <= bound)) {
      printf ("%s: %zu is %.9g, not %.9g\n", what, i, (double) got[i], (double) want[i]);
      exit (1);
    }
}

static void
check_products (int rows, int cols)
{
  enum
  { MANY = 3 };
  static float back[WIDEST * WIDEST], y[2][MANY * WIDEST];
  static _Alignas (NN_PACKED_ALIGNMENT) char packed[(WIDEST + 16) * (WIDEST + 16) * sizeof (float)];
  const size_t count = (size_t) rows * (size_t) cols, out = MANY * (size_t) rows;
  float *w = random_new (count, 3.0f), *x = random_new (MANY * (size_t) cols, 5.0f);

  for (int k = 0; k < NN_N_WEIGHTS; k++) {
    const NnRows *o = &nn_ops_generic.rows[k], *plain = &nn_ops_reference.rows[k];

    for (size_t i = 0; i < out; i++)
      y[0][i] = y[1][i] = chance ();
    o->pack (rows, cols, w, packed);
    o->unpack (rows, cols, packed, back);
    check ("a packed number", back, w, count, k == NN_WEIGHTS_F32 ? 0.0 : 3.0 * 0x1p-14);
    o->product (rows, cols, packed, MANY, x, y[0]);
    plain->pack (rows, cols, w, packed);
    plain->product (rows, cols, packed, MANY, x, y[1]);
    /* with integers the same bits */
    check ("product", y[0], y[1], out, k == NN_WEIGHTS_F32 ? 1e-4 : 0.0);
  }
  free (w);
  free (x);
}

/* A window, and a training step with its gradients: everything the networks are made of. */
static void
run (const char *set, float *y, float *grad)
{
  enum
  { STEPS = 12, BATCH = 5 };
  const NnRecurrent net = { {10, 24, 2}, {3, {24, 64, 32, 1}, NN_OUTPUT_SIGMOID} };
  const size_t n = nn_recurrent_parameters (&net);
  float *w, *x, *m = calloc (n, sizeof *m), *v = calloc (n, sizeof *v), dy[BATCH], target[BATCH] = { 0 };
  float *scratch = malloc (nn_recurrent_packed_scratch (&net, STEPS) * sizeof *scratch);
  float *tape = malloc (nn_recurrent_tape (&net, STEPS, BATCH, NN_LAST_STEP) * sizeof *tape);
  NnAdam adam = nn_adam_default;
  void *packed;

  state = 7;
  w = random_new (n, 0.2f);
  x = random_new (STEPS * BATCH * 10, 1.0f);
  if (nn_kernels_select (set) < 0)
    exit (1);
  packed = aligned_alloc (NN_PACKED_ALIGNMENT, nn_recurrent_packed_size (&net, NN_WEIGHTS_F32));
  nn_recurrent_pack (&net, w, NN_WEIGHTS_F32, packed);
  nn_recurrent_packed_window (&net, packed, x, STEPS, y, scratch);
  nn_recurrent_forward (&net, w, STEPS, BATCH, NN_LAST_STEP, x, NULL, NULL, y + 1, tape);
  nn_loss_mse (BATCH, y + 1, target, NULL, 1.0 / BATCH, dy);
  memset (grad, 0, n * sizeof *grad);
  nn_recurrent_backward (&net, w, STEPS, BATCH, NN_LAST_STEP, x, y + 1, dy, grad, tape);
  nn_adam_update (&adam, n, w, grad, m, v);
  memcpy (y + 1 + BATCH, w, 100 * sizeof *w);
  free (w);
  free (x);
  free (m);
  free (v);
  free (scratch);
  free (tape);
  free (packed);
}

int
main (void)
{
  static float y[2][106], grad[2][20000];

  for (int rows = 1; rows <= WIDEST; rows += rows < 20 ? 1 : 7)
    for (int cols = 1; cols <= WIDEST; cols += cols < 20 ? 1 : 5)
      check_products (rows, cols);
  run ("reference", y[0], grad[0]);
  run ("generic", y[1], grad[1]);
  check ("network", y[1], y[0], 6, 1e-6);
  check ("gradient", grad[1], grad[0], 20000, 1e-6);
  check ("update", y[1] + 6, y[0] + 6, 100, 1e-5);
  printf ("the vector kernels agree with the plain ones\n");
  return 0;
}
