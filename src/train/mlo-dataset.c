/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-dataset.h"

#include <math.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "mlo-array.h"
#include "mlo-error.h"
#include "mlo-file.h"
#include "mlo-json-bound.h"

/* Relative changes below these are noise of the measurement, not a decision. */
#define FPS_CHANGE 0.15
#define BITRATE_CHANGE 0.05
/* A logged timestamp is at most this: us since 1970 in the year 5000. */
#define MAX_TIMESTAMP_US 1e17
/* What a log can have done; presets leave no trace in it. */
#define LOGGED_MASK (1u << MLO_ACTION_RESOLUTION_UP | 1u << MLO_ACTION_RESOLUTION_DOWN | 1u << MLO_ACTION_FPS_UP | \
    1u << MLO_ACTION_FPS_DOWN | 1u << MLO_ACTION_BITRATE_UP | 1u << MLO_ACTION_BITRATE_DOWN | 1u << MLO_ACTION_NONE)

const MloDatasetOptions mlo_dataset_options_default = {
  .interval_us = 100000,
  .horizon_s = 1.0,
  .size_price = 2.0,
  .fps_price = 1.0,
};

static const MloField required_fields[] = {
  MLO_FIELD_LATENCY, MLO_FIELD_JITTER, MLO_FIELD_PACKET_LOSS, MLO_FIELD_BANDWIDTH, MLO_FIELD_BITRATE, MLO_FIELD_FPS,
  MLO_FIELD_QUALITY_SCORE,
};

/* Fields that are set rather than measured: the newest counts, not the mean. */
#define SET_FIELDS (1u << MLO_FIELD_BITRATE | 1u << MLO_FIELD_WIDTH | 1u << MLO_FIELD_HEIGHT)

/* One stream of the file while it is read. */
typedef struct
{
  MloSample *samples;           /* since the last gap */
  guint n_samples, allocated;
  char *name;                   /* NULL: the file names none */
} Stream;

typedef struct
{
  const char *name;
  const MloDatasetOptions *options;
  MloDataset *dataset;
  GTree *streams;               /* key (owned) -> Stream (owned); small allocations only, however many */
  JsonParser *parser;
} Reader;

static void
stream_free (gpointer data)
{
  Stream *s = data;

  g_free (s->samples);
  g_free (s->name);
  g_free (s);
}

static double *
field_pointer (MloSample * s, MloField field)
{
  return (double *) ((char *) s + mlo_field_info (field)->offset);
}

/* The tick's observation: means over @raw[from, to), the newest of what is set, the rest of @held. */
static MloSample
merge_samples (const MloSample * raw, guint from, guint to, const MloSample * held)
{
  MloSample out = *held;

  for (int f = 0; f < MLO_N_FIELDS; f++) {
    double sum = 0.0;
    guint n = 0;

    for (guint i = from; i < to; i++) {
      if (!mlo_sample_has (&raw[i], f))
        continue;
      if (SET_FIELDS >> f & 1) {
        sum = 0.0;
        n = 0;
      }
      sum += mlo_sample_get (&raw[i], f, 0.0);
      n++;
    }
    if (n > 0) {
      *field_pointer (&out, f) = sum / n;
      out.valid |= 1u << f;
    } else if (to > from) {
      /* a sample came and said that this was not measured */
      mlo_sample_unset (&out, f);
    }
  }
  return out;
}

/* What was decided between two ticks. */
static MloAction
infer_action (const MloSample * a, const MloSample * b)
{
  double size_a = mlo_sample_get (a, MLO_FIELD_HEIGHT, 0.0) * MAX (1.0, mlo_sample_get (a, MLO_FIELD_WIDTH, 0.0));
  double size_b = mlo_sample_get (b, MLO_FIELD_HEIGHT, 0.0) * MAX (1.0, mlo_sample_get (b, MLO_FIELD_WIDTH, 0.0));
  double fps_a = mlo_sample_get (a, MLO_FIELD_FPS, 0.0), fps_b = mlo_sample_get (b, MLO_FIELD_FPS, 0.0);
  double rate_a = mlo_sample_get (a, MLO_FIELD_BITRATE, 0.0), rate_b = mlo_sample_get (b, MLO_FIELD_BITRATE, 0.0);

  if (size_a > 0.0 && size_b > 0.0 && size_a != size_b)
    return size_b > size_a ? MLO_ACTION_RESOLUTION_UP : MLO_ACTION_RESOLUTION_DOWN;
  if (fps_a > 0.0 && fps_b > 0.0 && fabs (fps_b - fps_a) > FPS_CHANGE * fps_a)
    return fps_b > fps_a ? MLO_ACTION_FPS_UP : MLO_ACTION_FPS_DOWN;
  if (rate_a > 0.0 && rate_b > 0.0 && fabs (rate_b - rate_a) > BITRATE_CHANGE * rate_a)
    return rate_b > rate_a ? MLO_ACTION_BITRATE_UP : MLO_ACTION_BITRATE_DOWN;
  return MLO_ACTION_NONE;
}

/* Mean bandwidth of the raw samples in (now, now + horizon], else the next sample's; < 0: none follows. @known: from which
 * on to look, moved on to the next that has one: a file that has none is not gone through for each tick. */
static double
future_bandwidth (const MloSample * raw, guint n, guint next, guint * known, gint64 now_us, gint64 horizon_us)
{
  double sum = 0.0;
  guint count = 0;

  *known = MAX (*known, next);
  while (*known < n && !mlo_sample_has (&raw[*known], MLO_FIELD_BANDWIDTH))
    (*known)++;
  for (guint i = *known; i < n; i++) {
    if (raw[i].timestamp_us > now_us + horizon_us && count > 0)
      break;
    if (mlo_sample_has (&raw[i], MLO_FIELD_BANDWIDTH)) {
      sum += raw[i].bandwidth_kbps;
      count++;
      if (raw[i].timestamp_us > now_us + horizon_us)
        break;
    }
  }
  return count > 0 ? sum / count : -1.0;
}

/* Turns the samples since the last gap into a recording; they are gone then. */
static gboolean
flush_stream (Reader * reader, Stream * stream, GError ** error)
{
  const MloDatasetOptions *o = reader->options;
  MloDataset *d = reader->dataset;
  const MloSample *raw = stream->samples;
  guint n = stream->n_samples, next = 0, known = 0;
  gint64 horizon_us = (gint64) (o->horizon_s * G_USEC_PER_SEC);

  stream->n_samples = 0;
  if (n < 2)
    return TRUE;

  guint64 n_ticks = (guint64) ((raw[n - 1].timestamp_us - raw[0].timestamp_us) / o->interval_us) + 1;

  if (n_ticks > MLO_DATASET_MAX_TICKS - d->n_ticks) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: more than %u ticks of %g ms", reader->name,
        MLO_DATASET_MAX_TICKS, (double) o->interval_us * 1e-3);
    return FALSE;
  }
  if (n_ticks >= 2) {
    g_autoptr (MloRecording) rec = mlo_recording_new (o->interval_us);
    MloSample held = { 0 };

    if (!mlo_recording_reserve (rec, (guint) n_ticks, reader->name, error)
        || !mlo_array_grow (&d->recordings, d->n_recordings, &d->allocated, sizeof *d->recordings, reader->name, error))
      return FALSE;
    rec->stream = g_strdup (stream->name);
    for (guint64 k = 0; k < n_ticks; k++) {
      gint64 now_us = raw[0].timestamp_us + (gint64) k * o->interval_us;
      guint from = next;
      MloTick *t = mlo_recording_append (rec);
      double bandwidth;

      while (next < n && raw[next].timestamp_us <= now_us)
        next++;
      held = merge_samples (raw, from, next, &held);
      held.timestamp_us = now_us;
      t->sample = held;
      bandwidth = future_bandwidth (raw, n, next, &known, now_us, horizon_us);
      if (bandwidth >= 0.0)
        t->label_kbps = (float) (bandwidth * MLO_DATASET_MEDIA_SHARE);
      if (mlo_sample_has (&held, MLO_FIELD_QUALITY_SCORE))
        t->reward = (float) (100.0 * held.quality_score);
      t->mask = LOGGED_MASK;
      if (k > 0) {
        MloTick *before = t - 1;

        before->action = (guint8) infer_action (&before->sample, &t->sample);
        if (before->action <= MLO_ACTION_RESOLUTION_DOWN)
          before->price = (float) o->size_price;
        else if (before->action <= MLO_ACTION_FPS_DOWN)
          before->price = (float) o->fps_price;
      }
    }
    d->n_ticks += rec->n;
    d->recordings[d->n_recordings++] = g_steal_pointer (&rec);
  }
  return TRUE;
}

/* A number; FALSE with @error where the member is of another type. @present FALSE: null. */
static gboolean
read_number (JsonNode * node, const char *field, double *value, gboolean * present, GError ** error)
{
  *present = FALSE;
  if (JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || (json_node_get_value_type (node) != G_TYPE_INT64
          && json_node_get_value_type (node) != G_TYPE_DOUBLE)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "field %s: not a number", field);
    return FALSE;
  }
  *value = json_node_get_double (node);
  *present = TRUE;
  return TRUE;
}

static gboolean
read_field (JsonObject * object, const char *name, MloField field, gboolean required, MloSample * s, GError ** error)
{
  const MloFieldInfo *info = mlo_field_info (field);
  JsonNode *node = json_object_get_member (object, name);
  double value = 0.0;
  gboolean present;

  if (!node) {
    if (!required)
      return TRUE;
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "field %s: missing", name);
    return FALSE;
  }
  if (!read_number (node, name, &value, &present, error))
    return FALSE;
  if (!present)
    return TRUE;
  if (!isfinite (value)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_NOT_FINITE, "field %s: not finite", name);
    return FALSE;
  }
  if (!mlo_sample_set (s, field, value)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "field %s: %g is not in %g .. %g %s", name, value, info->min,
        info->max, info->unit);
    return FALSE;
  }
  return TRUE;
}

static gboolean
read_timestamp (JsonObject * object, gint64 * time_us, GError ** error)
{
  JsonNode *node = json_object_get_member (object, "timestamp");
  double t = 0.0;
  gboolean present;

  if (!node) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "field timestamp: missing");
    return FALSE;
  }
  if (!read_number (node, "timestamp", &t, &present, error))
    return FALSE;
  if (!present) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "field timestamp: not a number");
    return FALSE;
  }
  if (t < 1e11)
    t *= 1e6;
  else if (t < 1e14)
    t *= 1e3;
  if (!(t >= 0.0 && t <= MAX_TIMESTAMP_US)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "field timestamp: no time between 1970 and the year 5000");
    return FALSE;
  }
  *time_us = (gint64) llrint (t);
  return TRUE;
}

/* "1920x1080" -> width, height */
static gboolean
read_resolution (JsonObject * object, MloSample * s, GError ** error)
{
  JsonNode *node = json_object_get_member (object, "resolution");
  const char *text;
  char *end = NULL;
  guint64 w, h = 0;

  if (!node || JSON_NODE_HOLDS_NULL (node))
    return TRUE;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "field resolution: not a string");
    return FALSE;
  }
  text = json_node_get_string (node);
  w = g_ascii_strtoull (text, &end, 10);
  if (end != text && *end == 'x')
    h = g_ascii_strtoull (end + 1, &end, 10);
  if (*end != '\0' || w == 0 || h == 0 || w > 65536 || h > 65536) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "field resolution: not WIDTHxHEIGHT");
    return FALSE;
  }
  return mlo_sample_set (s, MLO_FIELD_WIDTH, (double) w) && mlo_sample_set (s, MLO_FIELD_HEIGHT, (double) h);
}

/* The key of the sample's stream; "" where none is named. */
static char *
read_stream_key (JsonObject * object, GError ** error)
{
  JsonNode *node = json_object_get_member (object, "stream");

  if (!node || JSON_NODE_HOLDS_NULL (node))
    return g_strdup ("");
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
    return g_strconcat ("s", json_node_get_string (node), NULL);
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64)
    return g_strdup_printf ("%" G_GINT64_FORMAT, json_node_get_int (node));
  g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "field stream: neither a string nor an integer");
  return NULL;
}

static gboolean
read_sample (Reader * reader, JsonObject * object, GError ** error)
{
  g_autofree char *key = NULL;
  guint32 required = 0;
  Stream *stream;
  MloSample s = { 0 };

  if (!read_timestamp (object, &s.timestamp_us, error))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (required_fields); i++)
    required |= 1u << required_fields[i];
  if (!read_resolution (object, &s, error)
      || !read_field (object, "complexity_score", MLO_FIELD_COMPLEXITY, FALSE, &s, error))
    return FALSE;
  for (int f = 0; f < MLO_N_FIELDS; f++) {
    if (!read_field (object, mlo_field_info (f)->name, f, required >> f & 1, &s, error))
      return FALSE;
  }
  key = read_stream_key (object, error);
  if (!key)
    return FALSE;

  stream = g_tree_lookup (reader->streams, key);
  if (!stream) {
    if ((guint) g_tree_nnodes (reader->streams) >= MLO_DATASET_MAX_STREAMS) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "field stream: more than %u streams",
          MLO_DATASET_MAX_STREAMS);
      return FALSE;
    }
    stream = g_new0 (Stream, 1);
    stream->name = *key ? g_strdup (*key == 's' ? key + 1 : key) : NULL;
    g_tree_insert (reader->streams, g_steal_pointer (&key), stream);
  }
  if (stream->n_samples > 0) {
    gint64 last_us = stream->samples[stream->n_samples - 1].timestamp_us;

    if (s.timestamp_us <= last_us) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE,
          "field timestamp: not after the sample before it in the same stream (several recordings need `stream`)");
      return FALSE;
    }
    if (s.timestamp_us - last_us > MLO_DATASET_GAP_US) {
      g_autoptr (GError) local = NULL;

      if (!flush_stream (reader, stream, &local)) {
        g_propagate_error (error, g_steal_pointer (&local));
        return FALSE;
      }
    }
  }
  if (!mlo_array_grow (&stream->samples, stream->n_samples, &stream->allocated, sizeof s, reader->name, error))
    return FALSE;
  stream->samples[stream->n_samples++] = s;
  return TRUE;
}

/* One object at @text, of at most @length bytes. */
static gboolean
read_object (Reader * reader, const char *text, gsize length, gsize * end, GError ** error)
{
  gsize room = MIN (length, MLO_DATASET_MAX_SAMPLE_BYTES);
  g_autoptr (GError) local = NULL;
  JsonNode *root;

  if (*text != '{') {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "not an object");
    return FALSE;
  }
  if (!mlo_json_bound (text, room, MLO_DATASET_MAX_DEPTH, end, &local)) {
    if (local->code == MLO_ERROR_TRUNCATED && room < length)
      g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "longer than %u bytes", MLO_DATASET_MAX_SAMPLE_BYTES);
    else
      g_propagate_error (error, g_steal_pointer (&local));
    return FALSE;
  }
  if (!json_parser_load_from_data (reader->parser, text, (gssize) * end, &local)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s", local->message);
    return FALSE;
  }
  root = json_parser_get_root (reader->parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "not an object");
    return FALSE;
  }
  return read_sample (reader, json_node_get_object (root), error);
}

static gsize
skip_space (const char *text, gsize length, gsize i)
{
  while (i < length && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n'))
    i++;
  return i;
}

/* An array of objects, or objects one after the other. */
static gboolean
read_all (Reader * reader, const char *text, gsize length, GError ** error)
{
  gsize i = 0;
  gboolean array;

  if (length >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0)
    i = 3;
  i = skip_space (text, length, i);
  array = i < length && text[i] == '[';
  if (array)
    i = skip_space (text, length, i + 1);
  else if (i == length) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED, "%s: empty", reader->name);
    return FALSE;
  } else if (text[i] != '{') {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: neither a JSON array nor JSON Lines", reader->name);
    return FALSE;
  }

  while (i < length && !(array && text[i] == ']')) {
    gsize taken = 0;

    if (!read_object (reader, text + i, length - i, &taken, error)) {
      g_prefix_error (error, "%s: sample %u: ", reader->name, reader->dataset->n_samples);
      return FALSE;
    }
    reader->dataset->n_samples++;
    i = skip_space (text, length, i + taken);
    if (!array)
      continue;
    if (i < length && text[i] == ',') {
      i = skip_space (text, length, i + 1);
      if (i < length && text[i] != ']')
        continue;
    } else if (i == length || text[i] == ']') {
      continue;
    }
    g_set_error (error, MLO_ERROR, i < length ? MLO_ERROR_FORMAT : MLO_ERROR_TRUNCATED,
        "%s: after sample %u: no ',' with another sample and no ']'", reader->name, reader->dataset->n_samples - 1);
    return FALSE;
  }
  if (array && i == length) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED, "%s: the array ends without ']' after %u samples",
        reader->name, reader->dataset->n_samples);
    return FALSE;
  }
  if (array && skip_space (text, length, i + 1) != length) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: text after the array", reader->name);
    return FALSE;
  }
  return TRUE;
}

static int
by_name (gconstpointer a, gconstpointer b, gpointer unused)
{
  return strcmp (a, b);
}

MloDataset *
mlo_dataset_parse (const char *name, const char *text, gsize length, const MloDatasetOptions * options, GError ** error)
{
  g_autoptr (MloDataset) d = g_new0 (MloDataset, 1);
  g_autoptr (GTree) streams = g_tree_new_full (by_name, NULL, g_free, stream_free);
  g_autoptr (JsonParser) parser = json_parser_new ();
  Reader reader = { name, options ? options : &mlo_dataset_options_default, d, streams, parser };

  if (length > MLO_DATASET_MAX_BYTES) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: larger than %u MiB", name, MLO_DATASET_MAX_BYTES >> 20);
    return NULL;
  }
  if (!read_all (&reader, text, length, error))
    return NULL;
  for (GTreeNode * node = g_tree_node_first (streams); node; node = g_tree_node_next (node)) {
    if (!flush_stream (&reader, g_tree_node_value (node), error))
      return NULL;
  }
  if (d->n_recordings == 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING,
        "%s: no recording of two ticks (%u samples; a step over %g s between two ends a recording)", name, d->n_samples,
        MLO_DATASET_GAP_US * 1e-6);
    return NULL;
  }
  return g_steal_pointer (&d);
}

MloDataset *
mlo_dataset_load (const char *path, const MloDatasetOptions * options, GError ** error)
{
  g_autofree guint8 *text = NULL;
  gsize size;

  if (!mlo_file_read_stream (path, MLO_DATASET_MAX_BYTES, &text, &size, error))
    return NULL;
  return mlo_dataset_parse (path, (const char *) text, size, options, error);
}

void
mlo_dataset_free (MloDataset * d)
{
  if (!d)
    return;
  for (guint i = 0; i < d->n_recordings; i++)
    mlo_recording_free (d->recordings[i]);
  g_free (d->recordings);
  g_free (d);
}
