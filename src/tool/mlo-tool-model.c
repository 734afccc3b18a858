/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mloptimizer model: what is in a model file; import: from PyTorch. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "mlo-error.h"
#include "mlo-lineage.h"
#include "mlo-recording.h"
#include "mlo-reserve.h"
#include "mlo-tensorfile.h"
#include "mlo-tool-models.h"
#include "mlo-tool.h"

/* Text from a file goes to a terminal: control characters do not. */
static char *
printable (const char *text)
{
  GString *out = g_string_new (NULL);

  for (const char *c = text; *c; c++)
    g_string_append_c (out, g_ascii_iscntrl (*c) ? ' ' : *c);
  return g_string_free (out, FALSE);
}

static char *
shape_text (const MloTensor * t)
{
  GString *out = g_string_new ("(");

  for (guint i = 0; i < t->n_dims; i++)
    g_string_append_printf (out, i > 0 ? ", %" G_GSIZE_FORMAT : "%" G_GSIZE_FORMAT, t->dims[i]);
  g_string_append_c (out, ')');
  return g_string_free (out, FALSE);
}

/* Where it was learned while streaming: how much, and what it was worth. */
static void
describe_lineage (const char *path, const MloTensorFile * f)
{
  MloLineage l;
  g_autofree char *text = NULL;

  if (!mlo_lineage_read (path, f, &l, NULL))
    return;
  text = mlo_lineage_text (&l);
  printf ("  learned while streaming: %s; from models %.12s\n", text, l.base);
}

/* What a file is; one of them. */
typedef struct
{
  MloBitratePredictor *predictor;
  MloQualityOptimizer *optimizer;
  GPtrArray *reserve;
} Content;

static void
content_clear (Content * c)
{
  g_clear_pointer (&c->predictor, mlo_bitrate_predictor_free);
  g_clear_pointer (&c->optimizer, mlo_quality_optimizer_free);
  g_clear_pointer (&c->reserve, g_ptr_array_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Content, content_clear)
     static void describe_reserve (GPtrArray * pieces)
{
  guint n = 0, labels = 0;

  for (guint i = 0; i < pieces->len; i++) {
    const MloRecording *r = pieces->pdata[i];

    n += r->n;
    for (guint k = 0; k < r->n; k++)
      labels += r->ticks[k].label_kbps >= 0.0f;
  }
  printf ("  reserve for learning while streaming: %u pieces, %u ticks, of which %u with a label\n", pieces->len, n,
      labels);
}

static void
describe (const char *path, const MloTensorFile * f, const Content * content)
{
  const MloBitratePredictor *p = content->predictor;
  g_auto (GStrv) keys = mlo_tensorfile_metadata_keys (f);
  gsize parameters = 0;

  for (guint i = 0; i < mlo_tensorfile_size (f); i++)
    parameters += mlo_tensorfile_get (f, i)->count;
  printf ("%s\n", path);
  if (p) {
    const MloPredictorConfig *c = mlo_bitrate_predictor_config (p);

    printf ("  bitrate predictor: LSTM %u x %u, %s form, scaling %s, %g to %g kbit/s, a step every %u ms\n", c->hidden,
        c->layers, c->form == MLO_FORM_STREAM ? "stream" : "window",
        c->scaling.kind == MLO_SCALING_LOG ? "log" : "reference", c->min_kbps, c->max_kbps, c->interval_ms);
  } else if (content->reserve) {
    describe_reserve (content->reserve);
  } else {
    puts ("  quality optimizer: 15 -> 128 -> 128 -> 64 -> 9");
  }
  printf ("  %s: %" G_GSIZE_FORMAT " in %u tensors (%.1f KiB)\n",
      content->reserve ? "numbers" : "parameters", parameters, mlo_tensorfile_size (f),
      (double) parameters * 4.0 / 1024.0);
  describe_lineage (path, f);
  for (guint i = 0; keys[i]; i++) {
    g_autofree char *key = printable (keys[i]), *value = printable (mlo_tensorfile_metadata (f, keys[i]));

    printf ("  %-18s %s\n", key, value);
  }
  printf ("  %-24s %-12s %10s %10s %10s\n", "tensor", "shape", "mean", "deviation", "largest");
  for (guint i = 0; i < mlo_tensorfile_size (f); i++) {
    const MloTensor *t = mlo_tensorfile_get (f, i);
    g_autofree char *name = printable (t->name), *shape = shape_text (t);
    double sum = 0.0, square = 0.0, largest = 0.0;

    for (gsize k = 0; k < t->count; k++) {
      sum += t->data[k];
      square += (double) t->data[k] * t->data[k];
      largest = MAX (largest, fabs ((double) t->data[k]));
    }
    if (t->count > 0) {
      sum /= (double) t->count;
      square = sqrt (MAX (0.0, square / (double) t->count - sum * sum));
    }
    printf ("  %-24s %-12s %10.4f %10.4f %10.4f\n", name, shape, sum, square, largest);
  }
}

static void
describe_json (const char *path, const MloTensorFile * f, const Content * content, JsonBuilder * b)
{
  g_auto (GStrv) keys = mlo_tensorfile_metadata_keys (f);
  gsize parameters = 0;

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "file");
  json_builder_add_string_value (b, path);
  json_builder_set_member_name (b, "kind");
  json_builder_add_string_value (b, content->predictor ? "bitrate_predictor" : content->optimizer ? "quality_optimizer"
      : "reserve");
  json_builder_set_member_name (b, "metadata");
  json_builder_begin_object (b);
  for (guint i = 0; keys[i]; i++) {
    json_builder_set_member_name (b, keys[i]);
    json_builder_add_string_value (b, mlo_tensorfile_metadata (f, keys[i]));
  }
  json_builder_end_object (b);
  json_builder_set_member_name (b, "tensors");
  json_builder_begin_array (b);
  for (guint i = 0; i < mlo_tensorfile_size (f); i++) {
    const MloTensor *t = mlo_tensorfile_get (f, i);

    parameters += t->count;
    json_builder_begin_object (b);
    json_builder_set_member_name (b, "name");
    json_builder_add_string_value (b, t->name);
    json_builder_set_member_name (b, "shape");
    json_builder_begin_array (b);
    for (guint k = 0; k < t->n_dims; k++)
      json_builder_add_int_value (b, (gint64) t->dims[k]);
    json_builder_end_array (b);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  json_builder_set_member_name (b, "parameters");
  json_builder_add_int_value (b, (gint64) parameters);
  json_builder_end_object (b);
}

/* A reserve has tensors that no network has. */
static gboolean
load (const char *path, const MloTensorFile * f, Content * c, GError ** error)
{
  if (!mlo_tensorfile_find (f, "samples"))
    return mlo_tool_load_model (path, &c->predictor, &c->optimizer, error);
  c->reserve = mlo_reserve_from_tensors (path, f, error);
  return c->reserve != NULL;
}

static int
run (int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
    {"json", 0, 0, G_OPTION_ARG_NONE, &json, "As JSON", NULL},
    {NULL}
  };
  g_autoptr (JsonBuilder) b = json_builder_new ();

  if (argc > 1 && strcmp (argv[1], "import") == 0) {
    g_set_prgname ("mloptimizer model import");
    return mlo_tool_model_import (argc - 1, argv + 1);
  }
  if (!mlo_tool_parse ("FILE…", "Fails where a file is not one that the element would take.\n\n"
          "mloptimizer model import FILE.pt OUT.safetensors\n"
          "  makes a model file of weights that torch.save wrote (its --help says more).", entries, 1, G_MAXINT, &argc,
          &argv))
    return MLO_EXIT_USAGE;
  json_builder_begin_array (b);
  for (int i = 1; i < argc; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (MloTensorFile) f = mlo_tensorfile_load (argv[i], &error);
    g_auto (Content) content = { NULL };

    if (!f || !load (argv[i], f, &content, &error))
      return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
    if (json)
      describe_json (argv[i], f, &content, b);
    else
      describe (argv[i], f, &content);
  }
  json_builder_end_array (b);
  if (json) {
    g_autoptr (JsonNode) root = json_builder_get_root (b);
    g_autofree char *text = json_to_string (root, TRUE);

    puts (text);
  }
  return MLO_EXIT_OK;
}

const MloCommand mlo_command_model = {
  .name = "model",
  .summary = "what is in a model file; model import: weights from PyTorch",
  .run = run,
};
