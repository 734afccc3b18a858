/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-quality-optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-model-file.h"
#include "nn-packed.h"

#define KIND "quality_optimizer"

struct _MloQualityOptimizer
{
  MloOptimizerConfig config;
  gsize n_params;
  /* One of the two: parameters that may be changed, or what is made of them for use. */
  float *params;                /* (n_params) */
  void *packed;
};

static const NnDense net = { 4, {MLO_OPTIMIZER_FEATURES, 128, 128, 64, MLO_N_ACTIONS}, NN_OUTPUT_LINEAR };

/* nn.Sequential: Linear, ReLU, Dropout, Linear, ReLU, Dropout, Linear, ReLU, Linear. */
static const int positions[] = { 0, 3, 6, 8 };

/* Of values: beyond it no action would ever be taken. */
#define MAX_MARGIN 1e6
/* Of the scratch for one state: two buffers of the widest layer. */
#define SCRATCH (2 * 128)

/* With the parameters 0; NULL where there is not the memory. */
static MloQualityOptimizer *
allocate (const MloOptimizerConfig * config)
{
  g_autoptr (MloQualityOptimizer) q = g_new0 (MloQualityOptimizer, 1);

  q->config = *config;
  q->n_params = nn_dense_parameters (&net);
  q->params = g_try_new0 (float, q->n_params);
  return q->params ? g_steal_pointer (&q) : NULL;
}

MloQualityOptimizer *
mlo_quality_optimizer_new (const MloOptimizerConfig * config, MloRandom * random)
{
  MloQualityOptimizer *q = allocate (config);

  if (!q)
    g_error ("not enough memory for a network");
  mlo_model_init_dense (&net, q->params, random);
  return q;
}

void
mlo_quality_optimizer_free (MloQualityOptimizer * q)
{
  if (!q)
    return;
  g_free (q->params);
  free (q->packed);
  g_free (q);
}

/* FALSE where there is not the memory. */
static gboolean
pack (MloQualityOptimizer * q)
{
  const NnWeights weights = nn_dense_weights (&net, q->params);

  q->packed = mlo_model_try_aligned (nn_dense_packed_size (&net, weights));
  if (!q->packed)
    return FALSE;
  nn_dense_pack (&net, q->params, weights, q->packed);
  g_clear_pointer (&q->params, g_free);
  return TRUE;
}

void
mlo_quality_optimizer_copy_parameters (const MloQualityOptimizer * q, float *to)
{
  if (q->packed)
    nn_dense_unpack (&net, q->packed, to);
  else
    memcpy (to, q->params, q->n_params * sizeof *to);
}

MloQualityOptimizer *
mlo_quality_optimizer_copy (const MloQualityOptimizer * q)
{
  MloQualityOptimizer *copy = allocate (&q->config);

  if (copy)
    mlo_quality_optimizer_copy_parameters (q, copy->params);
  if (!copy || !pack (copy))
    g_error ("not enough memory for a copy of a network");
  return copy;
}

/* (transfer full) @params: (q->n_params) */
static MloTensorFile *
to_file (const MloQualityOptimizer * q, const float *params, const char *training)
{
  MloTensorFile *f = mlo_tensorfile_new ();

  mlo_model_write_metadata (f, KIND, &q->config.scaling, training);
  mlo_model_write_number (f, "margin", q->config.margin);
  mlo_model_add_dense (f, "", positions, &net, params);
  return f;
}

MloQualityOptimizer *
mlo_quality_optimizer_from_tensors (const char *path, const MloTensorFile * f, GError ** error)
{
  g_autoptr (MloTensorFile) own = NULL;
  g_autoptr (MloQualityOptimizer) q = NULL;
  MloOptimizerConfig config = { 0 };

  if (!mlo_model_read_metadata (path, f, KIND, &config.scaling, error)
      || !mlo_model_read_number (path, f, "margin", 0.0, 0.0, MAX_MARGIN, &config.margin, error))
    return NULL;
  q = allocate (&config);
  if (!q) {
    mlo_error_memory (error, path, nn_dense_parameters (&net) * sizeof (float));
    return NULL;
  }
  own = to_file (q, NULL, NULL);
  if (!mlo_model_bind_dense (path, f, "", positions, &net, q->params, error)
      || !mlo_model_check_names (path, f, own, error))
    return NULL;
  if (!pack (q)) {
    mlo_error_memory (error, path, q->n_params * sizeof (float));
    return NULL;
  }
  return g_steal_pointer (&q);
}

MloQualityOptimizer *
mlo_quality_optimizer_load (const char *path, GError ** error)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_load (path, error);

  return f ? mlo_quality_optimizer_from_tensors (path, f, error) : NULL;
}

MloTensorFile *
mlo_quality_optimizer_to_tensors (const MloQualityOptimizer * q, const char *path, const char *training,
    GError ** error)
{
  g_autofree float *params = g_new (float, q->n_params);

  mlo_quality_optimizer_copy_parameters (q, params);
  return mlo_model_check_finite (path, params, q->n_params, error) ? to_file (q, params, training) : NULL;
}

gboolean
mlo_quality_optimizer_save (const MloQualityOptimizer * q, const char *path, const char *training, GError ** error)
{
  g_autoptr (MloTensorFile) f = mlo_quality_optimizer_to_tensors (q, path, training, error);

  return f && mlo_tensorfile_save (f, path, error);
}

const MloOptimizerConfig *
mlo_quality_optimizer_config (const MloQualityOptimizer * q)
{
  return &q->config;
}

void
mlo_quality_optimizer_set_margin (MloQualityOptimizer * q, double margin)
{
  q->config.margin = margin;
}

float *
mlo_quality_optimizer_parameters (MloQualityOptimizer * q, gsize * count)
{
  *count = q->n_params;
  if (q->packed) {
    q->params = g_new (float, q->n_params);
    nn_dense_unpack (&net, q->packed, q->params);
    g_clear_pointer (&q->packed, free);
  }
  return q->params;
}

gboolean
mlo_quality_optimizer_values (const MloQualityOptimizer * q, const float state[MLO_OPTIMIZER_FEATURES],
    float values[MLO_N_ACTIONS])
{
  float scratch[SCRATCH];
  gboolean finite = TRUE;

  if (q->packed)
    nn_dense_packed_forward (&net, q->packed, state, values, scratch);
  else
    nn_dense_forward (&net, q->params, state, 1, values, scratch);
  for (int a = 0; a < MLO_N_ACTIONS; a++)
    finite = finite && isfinite (values[a]);
  return finite;
}

MloAction
mlo_quality_optimizer_choose (const MloQualityOptimizer * q, const float state[MLO_OPTIMIZER_FEATURES], guint32 mask,
    float values[MLO_N_ACTIONS])
{
  int best = -1;

  if (!mlo_quality_optimizer_values (q, state, values))
    return MLO_ACTION_NONE;
  for (int a = 0; a < MLO_N_ACTIONS; a++)
    if (mask >> a & 1 && (best < 0 || values[a] > values[best]))
      best = a;
  if (best < 0 || (mask >> MLO_ACTION_NONE & 1 && values[best] < values[MLO_ACTION_NONE] + (float) q->config.margin))
    return MLO_ACTION_NONE;
  return (MloAction) best;
}
