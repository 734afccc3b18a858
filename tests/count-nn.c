/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What test-counts counts the instructions of: N calls of one thing, with one instruction set.
 *   count-nn KERNELS step|step_int16|window|window_int16|mlp|decision N */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mlo-controller.h"
#include "nn-packed.h"

static const NnRecurrent predictor = {
  {10, 128, 2}, {3, {128, 64, 32, 1}, NN_OUTPUT_SIGMOID}
};

static const NnDense optimizer = { 4, {15, 128, 128, 64, 9}, NN_OUTPUT_LINEAR };

static void
fill (float *v, size_t n, MloRandom * random)
{
  for (size_t i = 0; i < n; i++)
    v[i] = (float) mlo_random_range (random, -0.09, 0.09);
}

static void
recurrent (NnWeights weights, gboolean window, int n, MloRandom * random)
{
  enum
  { STEPS = 30 };
  const size_t count = nn_recurrent_parameters (&predictor);
  g_autofree float *w = g_new (float, count);
  g_autofree float *scratch = g_new (float, nn_recurrent_packed_scratch (&predictor, STEPS));
  void *packed = g_aligned_alloc (1, nn_recurrent_packed_size (&predictor, weights), NN_PACKED_ALIGNMENT);
  static float h[256], c[256], x[STEPS * 10], y;

  fill (w, count, random);
  fill (x, STEPS * 10, random);
  nn_recurrent_pack (&predictor, w, weights, packed);
  for (int i = 0; i < n; i++)
    if (window)
      nn_recurrent_packed_window (&predictor, packed, x, STEPS, &y, scratch);
    else
      nn_recurrent_packed_step (&predictor, packed, x, h, c, &y, scratch);
  g_aligned_free (packed);
}

static void
dense (int n, MloRandom * random)
{
  const size_t count = nn_dense_parameters (&optimizer);
  g_autofree float *w = g_new (float, count);
  g_autofree float *scratch = g_new (float, nn_dense_packed_scratch (&optimizer));
  void *packed = g_aligned_alloc (1, nn_dense_packed_size (&optimizer, NN_WEIGHTS_F32), NN_PACKED_ALIGNMENT);
  float x[15], y[9];

  fill (w, count, random);
  fill (x, 15, random);
  nn_dense_pack (&optimizer, w, NN_WEIGHTS_F32, packed);
  for (int i = 0; i < n; i++)
    nn_dense_packed_forward (&optimizer, packed, x, y, scratch);
  g_aligned_free (packed);
}

/* Ticks of a stream over a steady link, reports at each frame, with the shipped models. */
static gboolean
decisions (int n)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloBitratePredictor) p = mlo_bitrate_predictor_load (TEST_SOURCE "/models/bitrate_predictor.safetensors",
      &error);
  g_autoptr (MloQualityOptimizer) q = p ? mlo_quality_optimizer_load (TEST_SOURCE
      "/models/quality_optimizer.safetensors", &error) : NULL;
  g_autoptr (MloController) c = NULL;
  MloControllerConfig config = mlo_controller_config_default;
  MloSample local = { 0 };
  gint64 t = 1000000;

  if (!q) {
    fprintf (stderr, "count-nn: %s\n", error->message);
    return FALSE;
  }
  config.limits = mlo_limits_default;
  config.traits = mlo_actuator_traits_default;
  config.source.width = 1280;
  config.source.height = 720;
  config.source.fps = 60.0;
  config.predictor = p;
  config.optimizer = q;
  c = mlo_controller_new (&config);
  mlo_sample_set (&local, MLO_FIELD_COMPLEXITY, 0.5);
  mlo_sample_set (&local, MLO_FIELD_FPS, 60.0);
  for (int i = 0; i < n; i++) {
    for (guint f = 0; f < 6; f++, t += 16667) {
      MloPacket packets[8];

      memset (packets, 0, sizeof packets);
      mlo_controller_on_frame_sent (c, t, sizeof packets / sizeof *packets * 1200, FALSE);
      for (guint k = 0; k < G_N_ELEMENTS (packets); k++) {
        packets[k].send_us = t;
        packets[k].arrival_us = t + 20000 + k * 1200;
        packets[k].size = 1200;
      }
      mlo_controller_on_packets (c, t + 40000, packets, G_N_ELEMENTS (packets));
      mlo_controller_react (c, t + 40000);
    }
    mlo_controller_tick (c, t, &local);
  }
  return TRUE;
}

int
main (int argc, char **argv)
{
  MloRandom random;
  int n;

  if (argc != 4 || (n = atoi (argv[3])) < 0) {
    fprintf (stderr, "usage: count-nn KERNELS step|step_int16|window|window_int16|mlp|decision N\n");
    return 2;
  }
  if (nn_kernels_select (argv[1]) < 0)
    return 77;
  mlo_random_seed (&random, 1);
  if (g_str_has_prefix (argv[2], "step") || g_str_has_prefix (argv[2], "window"))
    recurrent (g_str_has_suffix (argv[2], "_int16") ? NN_WEIGHTS_INT16 : NN_WEIGHTS_F32, argv[2][0] == 'w', n, &random);
  else if (strcmp (argv[2], "mlp") == 0)
    dense (n, &random);
  else
    return strcmp (argv[2], "decision") == 0 && decisions (n) ? 0 : 1;
  return 0;
}
