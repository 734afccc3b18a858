/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mloptimizer model import: weights trained in PyTorch, as a model file of ours. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "mlo-checkpoint.h"
#include "mlo-tool-models.h"
#include "mlo-tool.h"

/* For the file's metadata: where the weights come from. */
static char *
summary_text (const char *path, const MloCheckpoint * c)
{
  g_autofree char *name = g_filename_display_basename (path);

  if (c->has_epsilon)
    return g_strdup_printf ("imported from PyTorch: %s, epsilon %g", name, c->epsilon);
  return g_strdup_printf ("imported from PyTorch: %s", name);
}

/* What a state_dict does not say and a predictor needs. */
static void
set_range (MloTensorFile * f, double min_kbps, double max_kbps, int interval_ms)
{
  g_autofree char *least = g_strdup_printf ("%.15g", min_kbps), *most = g_strdup_printf ("%.15g", max_kbps);
  g_autofree char *interval = g_strdup_printf ("%d", interval_ms);

  mlo_tensorfile_set_metadata (f, "min_bitrate_kbps", least);
  mlo_tensorfile_set_metadata (f, "max_bitrate_kbps", most);
  mlo_tensorfile_set_metadata (f, "interval_ms", interval);
}

/* Through the network itself, so that what it would not load is not written. */
static gboolean
convert (const char *path, const char *out, const MloCheckpoint * c, GError ** error)
{
  g_autofree char *summary = summary_text (path, c);

  if (mlo_tensorfile_find (c->tensors, "lstm.weight_ih_l0")) {
    g_autoptr (MloBitratePredictor) p = mlo_bitrate_predictor_from_tensors (path, c->tensors, error);

    if (!p || !mlo_bitrate_predictor_save (p, out, summary, error))
      return FALSE;
    printf ("%s: bitrate predictor, LSTM %u x %u, %g to %g kbit/s\n", out, mlo_bitrate_predictor_config (p)->hidden,
        mlo_bitrate_predictor_config (p)->layers, mlo_bitrate_predictor_config (p)->min_kbps,
        mlo_bitrate_predictor_config (p)->max_kbps);
  } else {
    g_autoptr (MloQualityOptimizer) q = mlo_quality_optimizer_from_tensors (path, c->tensors, error);

    if (!q || !mlo_quality_optimizer_save (q, out, summary, error))
      return FALSE;
    printf ("%s: quality optimizer\n", out);
  }
  for (guint i = 0; c->left_out[i]; i++) {
    g_autofree char *name = g_strescape (c->left_out[i], NULL);

    printf ("left out: %s\n", name);
  }
  return TRUE;
}

int
mlo_tool_model_import (int argc, char **argv)
{
  double min_kbps = 2000.0, max_kbps = 20000.0;
  int interval_ms = 100;
  const GOptionEntry entries[] = {
    {"min-bitrate", 0, 0, G_OPTION_ARG_DOUBLE, &min_kbps, "Predictor: rate at output 0 (2000)", "KBPS"},
    {"max-bitrate", 0, 0, G_OPTION_ARG_DOUBLE, &max_kbps, "Predictor: rate at output 1 (20000)", "KBPS"},
    {"interval", 0, 0, G_OPTION_ARG_INT, &interval_ms, "Predictor: time between the samples it was trained on (100)",
        "MS"},
    {NULL}
  };
  g_autoptr (MloCheckpoint) c = NULL;
  g_autoptr (GError) error = NULL;

  if (!mlo_tool_parse ("FILE.pt OUT.safetensors",
          "FILE.pt is what torch.save wrote (PyTorch 1.6 or later): the state_dict of either network, or a dict with\n"
          "one as model_state_dict; epsilon goes into the metadata, other entries are left out and named. Nothing in\n"
          "the file is executed: what is neither a float tensor nor plain data is an error that names it.\n"
          "The result has the reference's scaling of inputs and, for a predictor, its window of 30 samples.", entries,
          2, 2, &argc, &argv))
    return MLO_EXIT_USAGE;
  if (!(min_kbps >= 1.0 && max_kbps > min_kbps && max_kbps <= 1e7))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--min-bitrate %g and --max-bitrate %g are not 1 <= min < max <= 1e7",
        min_kbps, max_kbps);
  if (interval_ms < 1 || interval_ms > 60000)
    return mlo_tool_fail (MLO_EXIT_USAGE, "--interval %d is not within 1 to 60000", interval_ms);
  c = mlo_checkpoint_load (argv[1], &error);
  if (c)
    set_range (c->tensors, min_kbps, max_kbps, interval_ms);
  if (!c || !convert (argv[1], argv[2], c, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  return MLO_EXIT_OK;
}
