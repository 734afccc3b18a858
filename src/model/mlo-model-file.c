/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-model-file.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "mlo-error.h"
#include "nn-packed.h"

static const char *const scaling_names[] = {
  [MLO_SCALING_REFERENCE] = "reference",
  [MLO_SCALING_LOG] = "log",
};

void
mlo_model_write_number (MloTensorFile * f, const char *key, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_formatd (text, sizeof text, "%.15g", value);
  mlo_tensorfile_set_metadata (f, key, text);
}

void
mlo_model_write_metadata (MloTensorFile * f, const char *kind, const MloScaling * scaling, const char *training)
{
  const char *epoch = g_getenv ("SOURCE_DATE_EPOCH");
  guint64 seconds;
  g_autoptr (GDateTime) created = NULL;
  g_autofree char *text = NULL;

  mlo_model_write_number (f, "format_version", MLO_MODEL_VERSION);
  mlo_tensorfile_set_metadata (f, "kind", kind);
  mlo_tensorfile_set_metadata (f, "scaling", scaling_names[scaling->kind]);
  if (scaling->kind == MLO_SCALING_LOG) {
    mlo_model_write_number (f, "rate_low_kbps", scaling->rate_low_kbps);
    mlo_model_write_number (f, "rate_high_kbps", scaling->rate_high_kbps);
  }
  if (training)
    mlo_tensorfile_set_metadata (f, "training", training);
  if (!epoch || !g_ascii_string_to_unsigned (epoch, 10, 0, G_MAXINT32, &seconds, NULL))
    seconds = (guint64) (g_get_real_time () / G_USEC_PER_SEC);
  created = g_date_time_new_from_unix_utc ((gint64) seconds);
  text = g_date_time_format_iso8601 (created);
  mlo_tensorfile_set_metadata (f, "created", text);
}

gboolean
mlo_model_read_number (const char *path, const MloTensorFile * f, const char *key, double fallback, double least,
    double most, double *value, GError ** error)
{
  const char *text = mlo_tensorfile_metadata (f, key);
  char *end;

  *value = fallback;
  if (!text)
    return TRUE;
  *value = g_ascii_strtod (text, &end);
  if (end == text || *end != '\0') {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: metadata %s: '%.40s' is not a number", path, key, text);
    return FALSE;
  }
  if (!(*value >= least && *value <= most)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "%s: metadata %s: %.40s is not within %g to %g", path, key, text,
        least, most);
    return FALSE;
  }
  return TRUE;
}

gboolean
mlo_model_read_metadata (const char *path, const MloTensorFile * f, const char *kind, MloScaling * scaling,
    GError ** error)
{
  const char *found = mlo_tensorfile_metadata (f, "kind"), *name = mlo_tensorfile_metadata (f, "scaling");
  double version;

  if (!mlo_model_read_number (path, f, "format_version", 1.0, 1.0, 1e9, &version, error))
    return FALSE;
  if (version > MLO_MODEL_VERSION) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_VERSION, "%s: format version %g, this program knows up to %d", path,
        version, MLO_MODEL_VERSION);
    return FALSE;
  }
  if (!found)
    found = mlo_tensorfile_find (f, "lstm.weight_ih_l0") ? "bitrate_predictor" :
        mlo_tensorfile_find (f, "0.weight") ? "quality_optimizer" : "file without the tensors of either model";
  if (!g_str_equal (found, kind)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: a %.40s, not a %s", path, found, kind);
    return FALSE;
  }
  *scaling = mlo_scaling_reference;
  if (name && g_str_equal (name, scaling_names[MLO_SCALING_LOG])) {
    *scaling = mlo_scaling_log_default;
  } else if (name && !g_str_equal (name, scaling_names[MLO_SCALING_REFERENCE])) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "%s: metadata scaling: '%.40s' is neither reference nor log", path,
        name);
    return FALSE;
  }
  if (!mlo_model_read_number (path, f, "rate_low_kbps", scaling->rate_low_kbps, 1.0, 1e7, &scaling->rate_low_kbps,
          error)
      || !mlo_model_read_number (path, f, "rate_high_kbps", scaling->rate_high_kbps, 1.0, 1e7,
          &scaling->rate_high_kbps, error))
    return FALSE;
  if (scaling->rate_high_kbps < 2.0 * scaling->rate_low_kbps) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "%s: metadata rate_high_kbps is less than twice rate_low_kbps",
        path);
    return FALSE;
  }
  return TRUE;
}

gboolean
mlo_model_bind (const char *path, const MloTensorFile * f, const char *name, int rows, int columns, float *to,
    GError ** error)
{
  const MloTensor *t = mlo_tensorfile_find (f, name);

  if (!t) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: no tensor '%s'", path, name);
    return FALSE;
  }
  if (t->n_dims != (columns ? 2 : 1) || t->dims[0] != (gsize) rows || (columns && t->dims[1] != (gsize) columns)) {
    g_autoptr (GString) shape = g_string_new (NULL);

    for (guint i = 0; i < t->n_dims; i++)
      g_string_append_printf (shape, "%s%" G_GSIZE_FORMAT, i ? ", " : "", t->dims[i]);
    g_set_error (error, MLO_ERROR, MLO_ERROR_SHAPE, columns ? "%s: tensor '%s' is (%s), not (%d, %d)" :
        "%s: tensor '%s' is (%s), not (%d)", path, name, shape->str, rows, columns);
    return FALSE;
  }
  memcpy (to, t->data, t->count * sizeof *to);
  return TRUE;
}

gboolean
mlo_model_bind_dense (const char *path, const MloTensorFile * f, const char *prefix, const int *positions,
    const NnDense * net, float *params, GError ** error)
{
  for (int l = 0; l < net->layers; l++) {
    g_autofree char *weight = g_strdup_printf ("%s%d.weight", prefix, positions[l]);
    g_autofree char *bias = g_strdup_printf ("%s%d.bias", prefix, positions[l]);

    if (!mlo_model_bind (path, f, weight, net->size[l + 1], net->size[l], params + nn_dense_weight_offset (net, l),
            error)
        || !mlo_model_bind (path, f, bias, net->size[l + 1], 0, params + nn_dense_bias_offset (net, l), error))
      return FALSE;
  }
  return TRUE;
}

void
mlo_model_add (MloTensorFile * f, const char *name, int rows, int columns, const float *from)
{
  const gsize dims[2] = { (gsize) rows, (gsize) columns }, none = 0;

  if (from)
    mlo_tensorfile_add (f, name, columns ? 2 : 1, dims, from);
  else
    mlo_tensorfile_add (f, name, 1, &none, NULL);
}

void
mlo_model_add_dense (MloTensorFile * f, const char *prefix, const int *positions, const NnDense * net,
    const float *params)
{
  for (int l = 0; l < net->layers; l++) {
    g_autofree char *weight = g_strdup_printf ("%s%d.weight", prefix, positions[l]);
    g_autofree char *bias = g_strdup_printf ("%s%d.bias", prefix, positions[l]);

    mlo_model_add (f, weight, net->size[l + 1], net->size[l], params ? params + nn_dense_weight_offset (net, l) : NULL);
    mlo_model_add (f, bias, net->size[l + 1], 0, params ? params + nn_dense_bias_offset (net, l) : NULL);
  }
}

gboolean
mlo_model_check_finite (const char *path, const float *params, gsize n, GError ** error)
{
  for (gsize i = 0; i < n; i++) {
    if (!isfinite (params[i])) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_NOT_FINITE, "%s: not written: parameter %" G_GSIZE_FORMAT
          " is not finite", path, i);
      return FALSE;
    }
  }
  return TRUE;
}

gboolean
mlo_model_check_names (const char *path, const MloTensorFile * f, const MloTensorFile * own, GError ** error)
{
  for (guint i = 0; i < mlo_tensorfile_size (f); i++) {
    const char *name = mlo_tensorfile_get (f, i)->name;

    if (!mlo_tensorfile_find (own, name)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_SHAPE, "%s: tensor '%s' has no place in this network", path, name);
      return FALSE;
    }
  }
  return TRUE;
}

void
mlo_model_init_dense (const NnDense * net, float *params, MloRandom * random)
{
  for (int l = 0; l < net->layers; l++) {
    const gsize end = nn_dense_weight_offset (net, l + 1);
    const double bound = 1.0 / sqrt (net->size[l]);

    for (gsize i = nn_dense_weight_offset (net, l); i < end; i++)
      params[i] = (float) mlo_random_range (random, -bound, bound);
  }
}

gpointer
mlo_model_try_aligned (gsize bytes)
{
  void *block = NULL;

  return posix_memalign (&block, NN_PACKED_ALIGNMENT, MAX (bytes, 1)) == 0 ? block : NULL;
}
