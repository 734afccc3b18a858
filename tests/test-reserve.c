/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "folder-helpers.h"
#include "mlo-error.h"
#include "mlo-random.h"
#include "mlo-reserve.h"

#define SHIPPED TEST_SOURCE "/models/" MLO_RESERVE_FILE

/* A piece with everything in it: gaps in the samples, no label, no reward. */
static MloRecording *
piece (MloRandom * random, guint n)
{
  MloRecording *r = mlo_recording_new (100000);

  for (guint i = 0; i < n; i++) {
    MloTick *t = mlo_recording_append (r);

    for (guint f = 0; f < MLO_N_FIELDS; f++) {
      const MloFieldInfo *info = mlo_field_info (f);

      if (f != MLO_FIELD_GPU_USAGE && mlo_random_chance (random, 0.8))
        mlo_sample_set (&t->sample, f, (double) (float) mlo_random_range (random, info->min, info->max));
    }
    if (mlo_random_chance (random, 0.7))
      t->label_kbps = (float) mlo_random_range (random, 0.0, 20000.0);
    if (mlo_random_chance (random, 0.7))
      t->reward = (float) mlo_random_range (random, -50.0, 100.0);
    t->action = (guint8) mlo_random_below (random, MLO_N_ACTIONS);
    t->mask = 1u << t->action | mlo_random_below (random, 1u << MLO_N_ACTIONS);
    t->price = (float) mlo_random_range (random, 0.0, 8.0);
  }
  return r;
}

static void
test_round_trip (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-XXXXXX", NULL), *path = g_build_filename (folder, "r", NULL);
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);
  g_autoptr (GPtrArray) back = NULL;
  g_autoptr (GError) error = NULL;
  guint32 seed = (guint32) g_test_rand_int ();
  MloRandom random;

  g_test_message ("seed %u", seed);
  mlo_random_seed (&random, seed);
  g_assert_false (mlo_reserve_save (pieces, path, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
  g_clear_error (&error);
  for (guint i = 0; i < 5; i++)
    g_ptr_array_add (pieces, piece (&random, i * 30));
  mlo_reserve_save (pieces, path, &error);
  g_assert_no_error (error);
  back = mlo_reserve_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (back->len, ==, pieces->len);
  for (guint i = 0; i < pieces->len; i++) {
    const MloRecording *a = pieces->pdata[i], *b = back->pdata[i];

    g_assert_cmpuint (a->n, ==, b->n);
    g_assert_cmpint (a->interval_us, ==, b->interval_us);
    for (guint k = 0; k < a->n; k++) {
      const MloTick *s = &a->ticks[k], *t = &b->ticks[k];

      g_assert_cmpuint (s->sample.valid, ==, t->sample.valid);
      for (guint f = 0; f < MLO_N_FIELDS; f++)
        g_assert_cmpfloat (mlo_sample_get (&s->sample, f, -1.0), ==, mlo_sample_get (&t->sample, f, -1.0));
      g_assert_cmpfloat (s->label_kbps, ==, t->label_kbps);
      g_assert_true (s->reward == t->reward || (isnan (s->reward) && isnan (t->reward)));
      g_assert_cmpfloat (s->price, ==, t->price);
      g_assert_cmpuint (s->mask, ==, t->mask);
      g_assert_cmpuint (s->action, ==, t->action);
    }
  }
  remove_tree (folder);
}

static void
test_cut (void)
{
  g_autoptr (GPtrArray) recordings = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);
  MloRandom random;
  static const guint lengths[] = { 50, 12000, 119, 0, 7000, 120 };

  mlo_random_seed (&random, 1);
  g_autoptr (GPtrArray) none = mlo_reserve_cut ((MloRecording **) recordings->pdata, recordings->len);
  g_assert_cmpuint (none->len, ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    g_ptr_array_add (recordings, piece (&random, lengths[i]));
  g_autoptr (GPtrArray) pieces = mlo_reserve_cut ((MloRecording **) recordings->pdata, recordings->len);
  g_assert_cmpuint (pieces->len, >=, MLO_RESERVE_PIECES - 3);
  g_assert_cmpuint (pieces->len, <=, MLO_RESERVE_PIECES);
  for (guint i = 0; i < pieces->len; i++)
    g_assert_cmpuint (((MloRecording *) pieces->pdata[i])->n, ==, 120);
}

static void
test_shipped (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) pieces = mlo_reserve_load (SHIPPED, &error);
  guint labels = 0, rewards = 0, n = 0;

  g_assert_no_error (error);
  g_assert_cmpuint (pieces->len, ==, MLO_RESERVE_PIECES);
  for (guint i = 0; i < pieces->len; i++) {
    const MloRecording *r = pieces->pdata[i];

    for (guint k = 0; k < r->n; k++, n++) {
      labels += r->ticks[k].label_kbps >= 0.0f;
      rewards += isfinite (r->ticks[k].reward);
    }
  }
  g_assert_cmpuint (labels, >, n / 2);
  g_assert_cmpuint (rewards, >, n / 2);
}

/* What a file may say instead: one thing each is wrong. */
typedef struct
{
  const char *name;
  const char *fields, *interval;        /* NULL: as it should be; "": not there */
  int samples[2], valid, ticks[2], lengths;     /* shapes; 0: as they should be; < 0: the tensor is not there */
  int row, column;              /* of `ticks` (row < 0: -1 - row of `valid`, 100 + column of `samples`) */
  float number, length;         /* there; of the first piece, 0: as it should be */
  MloError code;
  const char *text;
} Bad;

#define N 4
static const Bad bad[] = {
  {.name = "no fields",.fields = "",.code = MLO_ERROR_MISSING,.text = "metadata fields"},
  {.name = "unknown field",.fields = "latency_ms colour",.code = MLO_ERROR_FORMAT,.text = "'colour' is no field"},
  {.name = "field twice",.fields = "fps fps",.code = MLO_ERROR_FORMAT,.text = "'fps' is there twice"},
  {.name = "no interval",.interval = "",.code = MLO_ERROR_MISSING,.text = "interval_ms"},
  {.name = "interval of nothing",.interval = "0",.code = MLO_ERROR_MISSING,.text = "interval_ms"},
  {.name = "no samples",.samples = {-1},.code = MLO_ERROR_MISSING,.text = "'samples'"},
  {.name = "fewer valid",.valid = N - 1,.code = MLO_ERROR_SHAPE,.text = "'valid'"},
  {.name = "more columns",.samples = {N, 3},.code = MLO_ERROR_SHAPE,.text = "'samples'"},
  {.name = "other ticks",.ticks = {N, 5},.code = MLO_ERROR_SHAPE,.text = "'ticks'"},
  {.name = "too many",.samples = {MLO_RESERVE_MAX_TICKS + 1, 2},.code = MLO_ERROR_TOO_LARGE,.text = "20001 ticks"},
  {.name = "too many pieces",.lengths = 1001,.code = MLO_ERROR_TOO_LARGE,.text = "1001 pieces"},
  {.name = "longer than it is",.length = N + 1,.code = MLO_ERROR_RANGE,.text = "'lengths'"},
  {.name = "negative length",.length = -1,.code = MLO_ERROR_RANGE,.text = "'lengths'"},
  {.name = "half a tick",.length = 1.5f,.code = MLO_ERROR_RANGE,.text = "'lengths'"},
  {.name = "label",.row = 2,.column = 0,.number = 1e8f,.code = MLO_ERROR_RANGE,.text = "row 2"},
  {.name = "reward",.row = 1,.column = 1,.number = 1e6f,.code = MLO_ERROR_RANGE,.text = "row 1"},
  {.name = "baseline",.row = 1,.column = 2,.number = -1e6f,.code = MLO_ERROR_RANGE,.text = "row 1"},
  {.name = "mask",.row = 3,.column = 4,.number = 512,.code = MLO_ERROR_RANGE,.text = "row 3"},
  {.name = "masked action",.row = 3,.column = 5,.number = 2,.code = MLO_ERROR_RANGE,.text = "row 3"},
  {.name = "no action",.row = 3,.column = 5,.number = 9,.code = MLO_ERROR_RANGE,.text = "row 3"},
  {.name = "bits",.row = -2,.number = 4,.code = MLO_ERROR_RANGE,.text = "row 1"},
  {.name = "sample",.row = 1,.column = 101,.number = -3,.code = MLO_ERROR_RANGE,.text = "fps is out of range"},
};

static void
add (MloTensorFile * f, const char *name, guint n_dims, int first, int second, int usual, int usual_second, float *data)
{
  gsize dims[2] = { (gsize) (first > 0 ? first : usual), (gsize) (second > 0 ? second : usual_second) };

  if (first >= 0)
    mlo_tensorfile_add (f, name, n_dims, dims, data);
}

static MloTensorFile *
make (const Bad * b)
{
  MloTensorFile *f = mlo_tensorfile_new ();
  g_autofree float *samples = g_new0 (float, 3 * (MLO_RESERVE_MAX_TICKS + 1)), *lengths = g_new0 (float, 2000);
  float valid[N] = { 3, 3, 3, 3 }, ticks[N * 6] = { 0 };

  lengths[0] = b->length != 0.0f ? b->length : N;
  for (guint i = 0; i < N; i++)
    ticks[i * 6 + 4] = 1;
  if (b->row < 0)
    valid[-1 - b->row] = b->number;
  else if (b->column >= 100)
    samples[b->row * 2 + b->column - 100] = b->number;
  else if (b->number != 0.0f)
    ticks[b->row * 6 + b->column] = b->number;
  add (f, "samples", 2, b->samples[0], b->samples[1], N, 2, samples);
  add (f, "valid", 1, b->valid, 0, N, 0, valid);
  add (f, "ticks", 2, b->ticks[0], b->ticks[1], N, 6, ticks);
  add (f, "lengths", 1, b->lengths, 0, 1, 0, lengths);
  if (!b->fields || *b->fields)
    mlo_tensorfile_set_metadata (f, "fields", b->fields ? b->fields : "latency_ms fps");
  if (!b->interval || *b->interval)
    mlo_tensorfile_set_metadata (f, "interval_ms", b->interval ? b->interval : "100");
  return f;
}

static void
test_bad (void)
{
  static const Bad good = { 0 };
  g_autoptr (MloTensorFile) fine = make (&good);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) pieces = mlo_reserve_from_tensors ("file", fine, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (pieces->len, ==, 1);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (MloTensorFile) f = make (&bad[i]);
    g_autoptr (GError) e = NULL;

    g_test_message ("%s", bad[i].name);
    g_assert_null (mlo_reserve_from_tensors ("file", f, &e));
    g_assert_error (e, MLO_ERROR, (int) bad[i].code);
    g_assert_true (g_str_has_prefix (e->message, "file: "));
    g_assert_nonnull (strstr (e->message, bad[i].text));
  }
  g_assert_null (mlo_reserve_load ("/nowhere", &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/reserve/round-trip", test_round_trip);
  g_test_add_func ("/reserve/cut", test_cut);
  g_test_add_func ("/reserve/shipped", test_shipped);
  g_test_add_func ("/reserve/bad", test_bad);
  return g_test_run ();
}
