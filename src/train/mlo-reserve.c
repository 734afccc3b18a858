/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-reserve.h"

#include <math.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-recording.h"

#define SAMPLES "samples"
#define VALID "valid"
#define TICKS "ticks"
#define LENGTHS "lengths"
#define FIELDS "fields"
#define INTERVAL "interval_ms"
#define COLUMNS 6               /* of TICKS */
#define NO_REWARD -1e6f
#define LEAST_REWARD -1e5f
#define MAX_PIECES 1000
/* A piece is the end of a stream this long: its start is seldom what a stream is like. */
#define STREAM_S 30.0

static guint
piece_length (const MloRecording * r)
{
  return (guint) (MLO_RESERVE_PIECE_S * 1e6 / (double) r->interval_us);
}

GPtrArray *
mlo_reserve_record (const MloEnvironment * env, const MloEpisode * like, guint64 seed)
{
  GPtrArray *pieces = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);

  for (guint i = 0; i < MLO_RESERVE_PIECES; i++) {
    MloEpisode e = *like;
    guint64 x = seed ^ i;
    g_autoptr (MloRecording) r = NULL;
    guint n;

    e.seed = mlo_random_splitmix (&x);
    e.kind = i % env->n_kinds;
    e.seconds = STREAM_S;
    r = env->run (env->data, &e);
    n = MIN (piece_length (r), r->n);
    g_ptr_array_add (pieces, mlo_recording_cut (r, r->n - n, n));
  }
  return pieces;
}

GPtrArray *
mlo_reserve_cut (MloRecording * const *recordings, guint n)
{
  GPtrArray *pieces = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);
  guint64 total = 0, at = 0;

  for (guint i = 0; i < n; i++)
    total += recordings[i]->n;
  for (guint i = 0; i < n; i++) {
    const MloRecording *r = recordings[i];
    guint length = piece_length (r);

    /* a piece every so many ticks, counted over all recordings */
    for (guint k = 0; k + length <= r->n; k++, at++) {
      if (at * MLO_RESERVE_PIECES / MAX (total, 1) < pieces->len)
        continue;
      g_ptr_array_add (pieces, mlo_recording_cut (r, k, length));
      k += length - 1;
      at += length - 1;
    }
  }
  return pieces;
}

/* --- writing --- */

static guint32
fields_used (GPtrArray * pieces)
{
  guint32 used = 0;

  for (guint i = 0; i < pieces->len; i++) {
    const MloRecording *r = pieces->pdata[i];

    for (guint k = 0; k < r->n; k++)
      used |= r->ticks[k].sample.valid;
  }
  return used;
}

static void
put_tick (const MloTick * t, guint32 used, float *sample, float *valid, float *row)
{
  guint column = 0, bits = 0;

  for (guint f = 0; f < MLO_N_FIELDS; f++) {
    if (!(used >> f & 1))
      continue;
    sample[column] = (float) mlo_sample_get (&t->sample, f, 0.0);
    bits |= (t->sample.valid >> f & 1) << column++;
  }
  *valid = (float) bits;
  row[0] = t->label_kbps;
  row[1] = isfinite (t->reward) && t->reward > LEAST_REWARD ? t->reward : NO_REWARD;
  row[2] = t->baseline;
  row[3] = t->price;
  row[4] = (float) t->mask;
  row[5] = (float) t->action;
}

/* Numbers of bits and masks must be whole in a float. */
G_STATIC_ASSERT (MLO_N_FIELDS <= 24 && MLO_N_ACTIONS <= 24);

gboolean
mlo_reserve_save (GPtrArray * pieces, const char *path, GError ** error)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_new ();
  g_autoptr (GString) names = g_string_new (NULL);
  g_autofree float *samples = NULL, *valid = NULL, *ticks = NULL, *lengths = NULL;
  g_autofree char *interval = NULL;
  guint32 used = fields_used (pieces);
  gsize n = 0, width = (gsize) __builtin_popcount (used), at = 0;

  for (guint i = 0; i < pieces->len; i++)
    n += ((MloRecording *) pieces->pdata[i])->n;
  if (n == 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: there is nothing to write", path);
    return FALSE;
  }
  samples = g_new0 (float, n * MAX (width, 1));
  valid = g_new0 (float, n);
  ticks = g_new0 (float, n * COLUMNS);
  lengths = g_new0 (float, pieces->len);
  for (guint i = 0; i < pieces->len; i++) {
    const MloRecording *r = pieces->pdata[i];

    lengths[i] = (float) r->n;
    for (guint k = 0; k < r->n; k++, at++)
      put_tick (&r->ticks[k], used, samples + at * width, valid + at, ticks + at * COLUMNS);
  }
  for (guint k = 0; k < MLO_N_FIELDS; k++) {
    if (used >> k & 1)
      g_string_append_printf (names, "%s%s", names->len > 0 ? " " : "", mlo_field_info (k)->name);
  }
  interval = g_strdup_printf ("%d", (int) (((MloRecording *) pieces->pdata[0])->interval_us / 1000));
  mlo_tensorfile_add (f, SAMPLES, 2, (gsize[]) {
      n, width}, samples);
  mlo_tensorfile_add (f, VALID, 1, (gsize[]) {
      n}, valid);
  mlo_tensorfile_add (f, TICKS, 2, (gsize[]) {
      n, COLUMNS}, ticks);
  mlo_tensorfile_add (f, LENGTHS, 1, (gsize[]) {
      pieces->len}, lengths);
  mlo_tensorfile_set_metadata (f, FIELDS, names->str);
  mlo_tensorfile_set_metadata (f, INTERVAL, interval);
  return mlo_tensorfile_save (f, path, error);
}

/* --- reading --- */

typedef struct
{
  const char *path;
  const MloTensor *samples, *valid, *ticks, *lengths;
  MloField fields[MLO_N_FIELDS];
  guint n_fields;
  gint64 interval_us;
} Reader;

static const MloTensor *
find (const Reader * r, const MloTensorFile * f, const char *name, guint n_dims, GError ** error)
{
  const MloTensor *t = mlo_tensorfile_find (f, name);

  if (t && t->n_dims == n_dims)
    return t;
  g_set_error (error, MLO_ERROR, t ? MLO_ERROR_SHAPE : MLO_ERROR_MISSING, t ? "%s: tensor '%s' has not %u dimensions" :
      "%s: no tensor '%s'", r->path, name, n_dims);
  return NULL;
}

static gboolean
read_fields (Reader * r, const MloTensorFile * f, GError ** error)
{
  const char *text = mlo_tensorfile_metadata (f, FIELDS), *interval = mlo_tensorfile_metadata (f, INTERVAL);
  g_auto (GStrv) names = text ? g_strsplit (text, " ", MLO_N_FIELDS + 1) : NULL;
  guint64 ms;
  guint32 seen = 0;

  if (!names || !interval || !g_ascii_string_to_unsigned (interval, 10, 1, 10000, &ms, NULL)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: metadata " FIELDS " or " INTERVAL
        " (1 to 10000) are missing or wrong", r->path);
    return FALSE;
  }
  r->interval_us = (gint64) ms *1000;
  for (guint i = 0; names[i]; i++) {
    int field = i < MLO_N_FIELDS ? mlo_field_from_name (names[i]) : -1;

    if (field < 0 || seen >> field & 1) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: metadata " FIELDS ": '%.40s' is %s", r->path, names[i],
          field < 0 ? "no field" : "there twice");
      return FALSE;
    }
    seen |= 1u << field;
    r->fields[r->n_fields++] = field;
  }
  return TRUE;
}

static gboolean
check_shapes (const Reader * r, GError ** error)
{
  gsize n = r->samples->dims[0];

  if (n > MLO_RESERVE_MAX_TICKS || r->lengths->count > MAX_PIECES) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: %" G_GSIZE_FORMAT " ticks in %" G_GSIZE_FORMAT
        " pieces are more than %d in %d", r->path, n, r->lengths->count, MLO_RESERVE_MAX_TICKS, MAX_PIECES);
    return FALSE;
  }
  if (r->samples->dims[1] != r->n_fields || r->valid->count != n || r->ticks->dims[0] != n
      || r->ticks->dims[1] != COLUMNS) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_SHAPE, "%s: tensors '" SAMPLES "', '" VALID "' and '" TICKS
        "' do not fit each other or the metadata " FIELDS, r->path);
    return FALSE;
  }
  return TRUE;
}

/* A whole number of @v from 0 up to @end - 1; -1: it is none. */
static int
whole (float v, guint end)
{
  return v >= 0.0f && v < (float) end && v == truncf (v) ? (int) v : -1;
}

static gboolean
read_tick (const Reader * r, gsize at, MloTick * t, GError ** error)
{
  const float *row = r->ticks->data + at * COLUMNS;
  int mask = whole (row[4], 1u << MLO_N_ACTIONS), action = whole (row[5], MLO_N_ACTIONS);
  int bits = whole (r->valid->data[at], 1u << r->n_fields);

  if (mask < 0 || action < 0 || bits < 0 || !(mask >> action & 1) || !(row[0] < 1e7f) || !(fabsf (row[2]) < 1e5f)
      || !(fabsf (row[3]) < 1e5f) || !(row[1] < 1e5f)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "%s: row %" G_GSIZE_FORMAT " of '" VALID "' or '" TICKS
        "' is out of range", r->path, at);
    return FALSE;
  }
  t->label_kbps = row[0];
  t->reward = row[1] < LEAST_REWARD ? NAN : row[1];
  t->baseline = row[2];
  t->price = row[3];
  t->mask = (guint32) mask;
  t->action = (guint8) action;
  for (guint k = 0; k < r->n_fields; k++) {
    if ((bits >> k & 1)
        && !mlo_sample_set (&t->sample, r->fields[k], (double) r->samples->data[at * r->n_fields + k])) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE,
          "%s: row %" G_GSIZE_FORMAT " of '" SAMPLES "': %s is out of range", r->path, at,
          mlo_field_info (r->fields[k])->name);
      return FALSE;
    }
  }
  return TRUE;
}

GPtrArray *
mlo_reserve_from_tensors (const char *path, const MloTensorFile * f, GError ** error)
{
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_recording_free);
  Reader r = {.path = path };
  gsize at = 0;

  if (!(r.samples = find (&r, f, SAMPLES, 2, error)) || !(r.valid = find (&r, f, VALID, 1, error))
      || !(r.ticks = find (&r, f, TICKS, 2, error)) || !(r.lengths = find (&r, f, LENGTHS, 1, error))
      || !read_fields (&r, f, error) || !check_shapes (&r, error))
    return NULL;
  for (gsize i = 0; i < r.lengths->count; i++) {
    int n = whole (r.lengths->data[i], (guint) (r.samples->dims[0] - at) + 1);
    MloRecording *piece;

    if (n < 0) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE,
          "%s: number %" G_GSIZE_FORMAT " of '" LENGTHS "' is no length, or more " "than there is", path, i);
      return NULL;
    }
    piece = mlo_recording_new (r.interval_us);
    g_ptr_array_add (pieces, piece);
    for (int k = 0; k < n; k++, at++) {
      MloTick *t = mlo_recording_append (piece);

      t->sample.timestamp_us = k * r.interval_us;
      if (!read_tick (&r, at, t, error))
        return NULL;
    }
  }
  return g_steal_pointer (&pieces);
}

GPtrArray *
mlo_reserve_load (const char *path, GError ** error)
{
  g_autoptr (MloTensorFile) f = mlo_tensorfile_load (path, error);

  return f ? mlo_reserve_from_tensors (path, f, error) : NULL;
}
