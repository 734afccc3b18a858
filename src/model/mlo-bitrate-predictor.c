/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-bitrate-predictor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-model-file.h"
#include "nn-packed.h"

#define KIND "bitrate_predictor"

struct _MloBitratePredictor
{
  MloPredictorConfig config;
  NnRecurrent net;
  gsize n_params;
  /* One of the two: parameters that may be changed, or what is made of them for use. */
  float *params;                /* (n_params) */
  void *packed;
};

struct _MloPredictorState
{
  MloFeatureHistory history;
  float rows[MLO_FEATURE_WINDOW][MLO_PREDICTOR_FEATURES];       /* stream: the first alone */
  guint newest;                 /* row of the newest sample */
  gsize n_state;                /* floats of h and of c */
  float *h, *c;                 /* (layers, H), one block */
  float *scratch;
};

/* Places of the Linear layers in nn.Sequential (Linear, ReLU, Dropout, ...). */
static const int head_positions[] = { 0, 3, 6 };

static const char *const form_names[] = {
  [MLO_FORM_STREAM] = "stream",
  [MLO_FORM_WINDOW] = "window",
};

static const struct
{
  const char *name;
  NnLstmTensor tensor;
} lstm_tensors[] = {
  {"weight_ih", NN_LSTM_WEIGHT_IH},
  {"weight_hh", NN_LSTM_WEIGHT_HH},
  {"bias_ih", NN_LSTM_BIAS_IH},
  {"bias_hh", NN_LSTM_BIAS_HH},
};

static NnRecurrent
shape (int hidden, int layers)
{
  NnRecurrent net = {
    {MLO_PREDICTOR_FEATURES, hidden, layers}, {3, {hidden, 64, 32, 1}, NN_OUTPUT_SIGMOID}
  };

  return net;
}

/* With the parameters 0; NULL where there is not the memory. */
static MloBitratePredictor *
allocate (const MloPredictorConfig * config)
{
  g_autoptr (MloBitratePredictor) p = g_new0 (MloBitratePredictor, 1);

  p->config = *config;
  p->net = shape ((int) config->hidden, (int) config->layers);
  g_assert (nn_recurrent_valid (&p->net));
  p->n_params = nn_recurrent_parameters (&p->net);
  p->params = g_try_new0 (float, p->n_params);
  return p->params ? g_steal_pointer (&p) : NULL;
}

MloBitratePredictor *
mlo_bitrate_predictor_new (const MloPredictorConfig * config, MloRandom * random)
{
  MloBitratePredictor *p = allocate (config);
  const double bound = 1.0 / sqrt (config->hidden);
  gsize lstm;

  if (!p)
    g_error ("not enough memory for a predictor of %u x %u", config->hidden, config->layers);
  lstm = nn_lstm_parameters (&p->net.lstm);
  for (gsize i = 0; i < lstm; i++)
    p->params[i] = (float) mlo_random_range (random, -bound, bound);
  mlo_model_init_dense (&p->net.head, p->params + lstm, random);
  return p;
}

void
mlo_bitrate_predictor_free (MloBitratePredictor * p)
{
  if (!p)
    return;
  g_free (p->params);
  free (p->packed);
  g_free (p);
}

/* FALSE where there is not the memory. */
static gboolean
pack (MloBitratePredictor * p)
{
  const NnWeights weights = nn_recurrent_weights (&p->net, p->params);

  p->packed = mlo_model_try_aligned (nn_recurrent_packed_size (&p->net, weights));
  if (!p->packed)
    return FALSE;
  nn_recurrent_pack (&p->net, p->params, weights, p->packed);
  g_clear_pointer (&p->params, g_free);
  return TRUE;
}

void
mlo_bitrate_predictor_copy_parameters (const MloBitratePredictor * p, float *to)
{
  if (p->packed)
    nn_recurrent_unpack (&p->net, p->packed, to);
  else
    memcpy (to, p->params, p->n_params * sizeof *to);
}

MloBitratePredictor *
mlo_bitrate_predictor_copy (const MloBitratePredictor * p)
{
  MloBitratePredictor *copy = allocate (&p->config);

  if (copy)
    mlo_bitrate_predictor_copy_parameters (p, copy->params);
  if (!copy || !pack (copy))
    g_error ("not enough memory for a copy of a network");
  return copy;
}

/* Hidden width and layers, from the names and shapes that are there. */
static gboolean
read_shape (const char *path, const MloTensorFile * f, MloPredictorConfig * config, GError ** error)
{
  const MloTensor *hh = mlo_tensorfile_find (f, "lstm.weight_hh_l0");

  if (!hh) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: no tensor 'lstm.weight_hh_l0'", path);
    return FALSE;
  }
  if (hh->n_dims != 2 || hh->dims[1] < 1 || hh->dims[1] > NN_MAX_WIDTH || hh->dims[0] != 4 * hh->dims[1]) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_SHAPE, "%s: tensor 'lstm.weight_hh_l0' is not (4 H, H) with H of 1 to %d",
        path, NN_MAX_WIDTH);
    return FALSE;
  }
  config->hidden = (guint) hh->dims[1];
  for (config->layers = 1; config->layers < NN_MAX_LSTM_LAYERS; config->layers++) {
    g_autofree char *name = g_strdup_printf ("lstm.weight_ih_l%u", config->layers);

    if (!mlo_tensorfile_find (f, name))
      break;
  }
  return TRUE;
}

static gboolean
read_config (const char *path, const MloTensorFile * f, MloPredictorConfig * config, GError ** error)
{
  const char *form = mlo_tensorfile_metadata (f, "form");
  double interval;

  if (!mlo_model_read_metadata (path, f, KIND, &config->scaling, error)
      || !mlo_model_read_number (path, f, "min_bitrate_kbps", 2000.0, 1.0, 1e7, &config->min_kbps, error)
      || !mlo_model_read_number (path, f, "max_bitrate_kbps", 20000.0, 1.0, 1e7, &config->max_kbps, error)
      || !mlo_model_read_number (path, f, "interval_ms", 100.0, 1.0, 60000.0, &interval, error))
    return FALSE;
  if (config->max_kbps <= config->min_kbps) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "%s: metadata max_bitrate_kbps %g is not above min_bitrate_kbps %g",
        path, config->max_kbps, config->min_kbps);
    return FALSE;
  }
  config->interval_ms = (guint) interval;
  config->form = MLO_FORM_WINDOW;
  if (form && g_str_equal (form, form_names[MLO_FORM_STREAM])) {
    config->form = MLO_FORM_STREAM;
  } else if (form && !g_str_equal (form, form_names[MLO_FORM_WINDOW])) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "%s: metadata form: '%.40s' is neither stream nor window", path,
        form);
    return FALSE;
  }
  return read_shape (path, f, config, error);
}

static void
lstm_tensor (const NnLstm * n, int layer, guint k, char **name, int *rows, int *columns)
{
  *name = g_strdup_printf ("lstm.%s_l%d", lstm_tensors[k].name, layer);
  *rows = 4 * n->hidden;
  *columns = lstm_tensors[k].tensor == NN_LSTM_WEIGHT_IH ? (layer ? n->hidden : n->input) :
      lstm_tensors[k].tensor == NN_LSTM_WEIGHT_HH ? n->hidden : 0;
}

/* (transfer full) @params: (p->n_params), or NULL: the names alone. */
static MloTensorFile *
to_file (const MloBitratePredictor * p, const float *params, const char *training)
{
  MloTensorFile *f = mlo_tensorfile_new ();

  mlo_model_write_metadata (f, KIND, &p->config.scaling, training);
  mlo_model_write_number (f, "min_bitrate_kbps", p->config.min_kbps);
  mlo_model_write_number (f, "max_bitrate_kbps", p->config.max_kbps);
  mlo_model_write_number (f, "interval_ms", p->config.interval_ms);
  mlo_tensorfile_set_metadata (f, "form", form_names[p->config.form]);
  for (int l = 0; l < p->net.lstm.layers; l++)
    for (guint k = 0; k < G_N_ELEMENTS (lstm_tensors); k++) {
      g_autofree char *name = NULL;
      int rows, columns;

      lstm_tensor (&p->net.lstm, l, k, &name, &rows, &columns);
      mlo_model_add (f, name, rows, columns,
          params ? params + nn_lstm_offset (&p->net.lstm, l, lstm_tensors[k].tensor) : NULL);
    }
  mlo_model_add_dense (f, "fc.", head_positions, &p->net.head,
      params ? params + nn_lstm_parameters (&p->net.lstm) : NULL);
  return f;
}

MloBitratePredictor *
mlo_bitrate_predictor_from_tensors (const char *path, const MloTensorFile * f, GError ** error)
{
  g_autoptr (MloTensorFile) own = NULL;
  g_autoptr (MloBitratePredictor) p = NULL;
  MloPredictorConfig config = { 0 };

  if (!read_config (path, f, &config, error))
    return NULL;
  p = allocate (&config);
  if (!p) {
    const NnRecurrent net = shape ((int) config.hidden, (int) config.layers);

    mlo_error_memory (error, path, nn_recurrent_parameters (&net) * sizeof (float));
    return NULL;
  }
  for (int l = 0; l < p->net.lstm.layers; l++)
    for (guint k = 0; k < G_N_ELEMENTS (lstm_tensors); k++) {
      g_autofree char *name = NULL;
      int rows, columns;

      lstm_tensor (&p->net.lstm, l, k, &name, &rows, &columns);
      if (!mlo_model_bind (path, f, name, rows, columns,
              p->params + nn_lstm_offset (&p->net.lstm, l, lstm_tensors[k].tensor), error))
        return NULL;
    }
  own = to_file (p, NULL, NULL);
  if (!mlo_model_bind_dense (path, f, "fc.", head_positions, &p->net.head,
          p->params + nn_lstm_parameters (&p->net.lstm), error)
      || !mlo_model_check_names (path, f, own, error))
    return NULL;
  if (!pack (p)) {
    mlo_error_memory (error, path, p->n_params * sizeof (float));
    return NULL;
  }
  return g_steal_pointer (&p);
}

MloBitratePredictor *
mlo_bitrate_predictor_load (const char *path, GError ** error)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_load (path, error);

  return f ? mlo_bitrate_predictor_from_tensors (path, f, error) : NULL;
}

MloTensorFile *
mlo_bitrate_predictor_to_tensors (const MloBitratePredictor * p, const char *path, const char *training,
    GError ** error)
{
  g_autofree float *params = g_new (float, p->n_params);

  mlo_bitrate_predictor_copy_parameters (p, params);
  return mlo_model_check_finite (path, params, p->n_params, error) ? to_file (p, params, training) : NULL;
}

gboolean
mlo_bitrate_predictor_save (const MloBitratePredictor * p, const char *path, const char *training, GError ** error)
{
  g_autoptr (MloTensorFile) f = mlo_bitrate_predictor_to_tensors (p, path, training, error);

  return f && mlo_tensorfile_save (f, path, error);
}

const MloPredictorConfig *
mlo_bitrate_predictor_config (const MloBitratePredictor * p)
{
  return &p->config;
}

float *
mlo_bitrate_predictor_parameters (MloBitratePredictor * p, gsize * count)
{
  *count = p->n_params;
  if (p->packed) {
    p->params = g_new (float, p->n_params);
    nn_recurrent_unpack (&p->net, p->packed, p->params);
    g_clear_pointer (&p->packed, free);
  }
  return p->params;
}

MloPredictorState *
mlo_predictor_state_new (const MloBitratePredictor * p)
{
  g_autoptr (MloPredictorState) s = g_new0 (MloPredictorState, 1);

  s->n_state = (gsize) p->net.lstm.layers * (gsize) p->net.lstm.hidden;
  s->h = g_try_new0 (float, 2 * s->n_state);
  s->scratch = g_try_new0 (float, MAX (nn_recurrent_window_scratch (&p->net), nn_recurrent_packed_scratch (&p->net,
              p->config.form == MLO_FORM_STREAM ? 1 : MLO_FEATURE_WINDOW)));
  if (!s->h || !s->scratch)
    return NULL;
  s->c = s->h + s->n_state;
  return g_steal_pointer (&s);
}

void
mlo_predictor_state_free (MloPredictorState * s)
{
  if (!s)
    return;
  g_free (s->h);
  g_free (s->scratch);
  g_free (s);
}

void
mlo_predictor_state_reset (MloPredictorState * s)
{
  mlo_feature_history_reset (&s->history);
  memset (s->rows, 0, sizeof s->rows);
  memset (s->h, 0, 2 * s->n_state * sizeof *s->h);
  s->newest = 0;
}

double
mlo_bitrate_predictor_step (const MloBitratePredictor * p, MloPredictorState * s, const MloSample * sample)
{
  const MloPredictorConfig *config = &p->config;
  float y;

  mlo_feature_history_push (&s->history, sample);
  if (config->form == MLO_FORM_STREAM) {
    mlo_features_predictor (&config->scaling, &s->history, s->rows[0]);
    if (p->packed)
      nn_recurrent_packed_step (&p->net, p->packed, s->rows[0], s->h, s->c, &y, s->scratch);
    else
      nn_recurrent_step (&p->net, p->params, s->rows[0], s->h, s->c, &y, s->scratch);
  } else {
    guint n = mlo_features_predictor_window (&config->scaling, &s->history, s->rows[0]);

    s->newest = n - 1;
    if (p->packed)
      nn_recurrent_packed_window (&p->net, p->packed, s->rows[0], (int) n, &y, s->scratch);
    else
      nn_recurrent_window (&p->net, p->params, s->rows[0], (int) n, &y, s->scratch);
  }
  if (!isfinite (y)) {
    mlo_predictor_state_reset (s);
    return -1.0;
  }
  return mlo_scaling_output_kbps (&config->scaling, config->min_kbps, config->max_kbps, (double) y);
}

const float *
mlo_predictor_state_features (const MloPredictorState * s)
{
  return s->rows[s->newest];
}
