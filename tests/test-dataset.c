/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include "mlo-dataset.h"
#include "mlo-error.h"

#define S(t, more) "{\"timestamp\": " t ", \"latency_ms\": 40, \"jitter_ms\": 1, \"packet_loss\": 0, " \
    "\"bandwidth_kbps\": 5200, \"bitrate_kbps\": 4000, \"fps\": 60, \"quality_score\": 0.5" more "}"

/* From an exact copy on the heap without a NUL, so that a sanitizer sees a read past the end. */
static MloDataset *
parse (const char *text, gssize length, GError ** error)
{
  gsize n = length < 0 ? strlen (text) : (gsize) length;
  g_autofree char *copy = g_memdup2 (text, n);

  return mlo_dataset_parse ("data.json", copy, n, NULL, error);
}

static const struct
{
  const char *text;
  int code;
  const char *says;             /* in the message */
} bad_rows[] = {
  {"", MLO_ERROR_TRUNCATED, "empty"},
  {"  \n", MLO_ERROR_TRUNCATED, "empty"},
  {"hello", MLO_ERROR_FORMAT, "neither a JSON array nor JSON Lines"},
  {"null", MLO_ERROR_FORMAT, "neither"},
  {"[]", MLO_ERROR_MISSING, "no recording"},
  {"[", MLO_ERROR_TRUNCATED, "without ']'"},
  {"[" S ("1", "") "]", MLO_ERROR_MISSING, "no recording"},
  {"[" S ("1", "") ", " S ("5", "") "]", MLO_ERROR_MISSING, "2 samples"},
  {"[" S ("1", "") " " S ("1.1", "") "]", MLO_ERROR_FORMAT, "after sample 0"},
  {"[" S ("1", "") ",]", MLO_ERROR_FORMAT, "after sample 0"},
  {"[" S ("1", "") ",", MLO_ERROR_TRUNCATED, "after sample 0"},
  {"[" S ("1", "") ", " S ("1.1", "") "", MLO_ERROR_TRUNCATED, "without ']'"},
  {"[" S ("1", "") ", " S ("1.1", "") "] x", MLO_ERROR_FORMAT, "text after the array"},
  {"[1, 2]", MLO_ERROR_TYPE, "sample 0: not an object"},
  {"[[]]", MLO_ERROR_TYPE, "sample 0: not an object"},
  {"[" S ("1", "") ", {\"a\"]", MLO_ERROR_FORMAT, "sample 1"},
  {"{\"timestamp\": 1", MLO_ERROR_TRUNCATED, "sample 0"},
  {"[" S ("1", "") ", {}]", MLO_ERROR_MISSING, "sample 1: field timestamp: missing"},
  {"[{\"timestamp\": 1}]", MLO_ERROR_MISSING, "sample 0: field latency_ms: missing"},
  {"[{\"timestamp\": \"now\"}]", MLO_ERROR_TYPE, "field timestamp"},
  {"[{\"timestamp\": null}]", MLO_ERROR_TYPE, "field timestamp"},
  {"[{\"timestamp\": true}]", MLO_ERROR_TYPE, "field timestamp"},
  {"[{\"timestamp\": -1}]", MLO_ERROR_RANGE, "field timestamp"},
  {"[{\"timestamp\": 1e300}]", MLO_ERROR_RANGE, "field timestamp"},
  {"[{\"timestamp\": 1e999}]", -1, "sample 0"},
  {"[" S ("2", "") ", " S ("1", "") "]", MLO_ERROR_RANGE, "sample 1: field timestamp: not after"},
  {"[" S ("2", "") ", " S ("2", "") "]", MLO_ERROR_RANGE, "sample 1: field timestamp: not after"},
  {"[" S ("1", ", \"width\": -1") "]", MLO_ERROR_RANGE, "sample 0: field width"},
  {"[" S ("1", ", \"cpu_usage\": 1.5") "]", MLO_ERROR_RANGE, "field cpu_usage: 1.5 is not in 0 .. 1"},
  {"[" S ("1", ", \"height\": \"720\"") "]", MLO_ERROR_TYPE, "field height: not a number"},
  {"[" S ("1", ", \"height\": {}") "]", MLO_ERROR_TYPE, "field height: not a number"},
  {"[" S ("1", ", \"queue_delay_ms\": true") "]", MLO_ERROR_TYPE, "field queue_delay_ms"},
  {"[" S ("1", ", \"resolution\": 720") "]", MLO_ERROR_TYPE, "field resolution"},
  {"[" S ("1", ", \"resolution\": \"720p\"") "]", MLO_ERROR_RANGE, "field resolution"},
  {"[" S ("1", ", \"resolution\": \"1280x720x3\"") "]", MLO_ERROR_RANGE, "field resolution"},
  {"[" S ("1", ", \"resolution\": \"0x720\"") "]", MLO_ERROR_RANGE, "field resolution"},
  {"[" S ("1", ", \"resolution\": \"99999999999999999999x720\"") "]", MLO_ERROR_RANGE, "field resolution"},
  {"[" S ("1", ", \"stream\": [1]") "]", MLO_ERROR_TYPE, "field stream"},
  {"[" S ("1", ", \"stream\": 1.5") "]", MLO_ERROR_TYPE, "field stream"},
  {"[" S ("1", ", \"extra\": [[[[[[[[[[1]]]]]]]]]]") "]", MLO_ERROR_TOO_LARGE, "sample 0: nested deeper"},
  {"{\"a\": /* [[[[[[[[[[[[ */ 1}", MLO_ERROR_FORMAT, "is not JSON"},
  {"[" S ("1", ", \"bitrate_kbps\": NaN") "]", MLO_ERROR_FORMAT, "sample 0"},
};

static void
test_bad_input (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (MloDataset) d = parse (bad_rows[i].text, -1, &error);

    g_test_message ("%s: %s", bad_rows[i].text, error ? error->message : "taken");
    g_assert_null (d);
    g_assert_nonnull (error);
    g_assert_true (error->domain == MLO_ERROR);
    if (bad_rows[i].code >= 0)
      g_assert_cmpint (error->code, ==, bad_rows[i].code);
    g_assert_nonnull (strstr (error->message, bad_rows[i].says));
    g_assert_true (g_str_has_prefix (error->message, "data.json: "));
  }
}

/* Ceilings that a table row cannot show. */
static void
test_ceilings (void)
{
  g_autoptr (GString) text = g_string_new ("{\"x\": \"");
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < MLO_DATASET_MAX_SAMPLE_BYTES; i++)
    g_string_append_c (text, 'a');
  g_string_append (text, "\"}");
  g_assert_null (parse (text->str, -1, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_clear_error (&error);

  /* 100 000 brackets overflow json-glib's stack where nothing bounds them */
  g_string_assign (text, "[");
  for (guint i = 0; i < 100000; i++)
    g_string_append (text, "[");
  g_assert_null (parse (text->str, -1, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TYPE);
  g_clear_error (&error);
  g_string_assign (text, "{\"a\":");
  for (guint i = 0; i < 100000; i++)
    g_string_append (text, "[");
  g_assert_null (parse (text->str, -1, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_clear_error (&error);

  /* one tick a microsecond: two samples would be two million ticks each pair */
  {
    MloDatasetOptions options = mlo_dataset_options_default;

    options.interval_us = 1;
    g_string_assign (text, "");
    for (guint i = 0; i < 5; i++) {
      g_autofree char *t = g_strdup_printf ("%u", i + 1);

      g_string_append (text, "{\"timestamp\": ");
      g_string_append (text, t);
      g_string_append (text, strchr (S ("0", ""), ','));
    }
    g_assert_null (mlo_dataset_parse ("d", text->str, text->len, &options, &error));
    g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
    g_clear_error (&error);
  }
  g_assert_null (mlo_dataset_load ("/nonexistent/metrics.json", NULL, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
  g_clear_error (&error);
  g_assert_null (mlo_dataset_load ("/", NULL, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
}

/* A sample a second in each of the units and forms: the same recording. */
static void
test_forms (void)
{
  const char *forms[] = {
    "[" S ("1700000000", "") "," S ("1700000001", "") "," S ("1700000002.5", "") "]",
    "\xef\xbb\xbf [" S ("1700000000000", "") "," S ("1700000001000", "") "," S ("1700000002500", "") "]\n",
    S ("1700000000000000", "") "\n" S ("1700000001000000", "") "\r\n\n" S ("1700000002500000", ""),
  };

  for (guint i = 0; i < G_N_ELEMENTS (forms); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (MloDataset) d = parse (forms[i], -1, &error);
    MloRecording *r;

    g_assert_no_error (error);
    g_assert_cmpuint (d->n_samples, ==, 3);
    g_assert_cmpuint (d->n_recordings, ==, 1);
    r = d->recordings[0];
    g_assert_cmpuint (r->n, ==, 26);
    g_assert_cmpuint (d->n_ticks, ==, 26);
    for (guint k = 0; k < r->n; k++) {
      g_assert_cmpint (r->ticks[k].sample.timestamp_us, ==, 1700000000000000 + k * 100000);
      g_assert_cmpfloat (r->ticks[k].sample.latency_ms, ==, 40.0);
      g_assert_cmpint (r->ticks[k].action, ==, MLO_ACTION_NONE);
      g_assert_cmpfloat (r->ticks[k].reward, ==, 50.0f);
      if (k < 25)
        g_assert_cmpfloat_with_epsilon (r->ticks[k].label_kbps, 5000.0, 0.01);
      else
        g_assert_cmpfloat (r->ticks[k].label_kbps, <, 0.0);
    }
  }
}

/* Gaps and streams part recordings; ticks hold or average; labels look ahead; actions are inferred. */
static void
test_meaning (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) text = g_string_new ("[");
  g_autoptr (MloDataset) d = NULL;
  MloRecording *r;

  /* stream b: every 50 ms for 3 s, bandwidth falls from 8000 to 2000 at 1.5 s, height at 2 s */
  for (int i = 0; i <= 60; i++) {
    g_string_append_printf (text,
        "{\"timestamp\": 17000000%d, \"stream\": \"b\", \"latency_ms\": %d, \"jitter_ms\": null, "
        "\"packet_loss\": 0, \"bandwidth_kbps\": %d, \"bitrate_kbps\": %d, \"fps\": %d, \"quality_score\": null, "
        "\"resolution\": \"%s\", \"complexity_score\": 0.25, \"unknown\": [{}]}, ", 10000 + i * 50, i % 2 ? 20 : 40,
        i < 30 ? 8000 : 2000, i < 10 ? 4000 : 5000, i < 50 ? 60 : 30, i < 40 ? "1280x720" : "960x540");
  }
  /* stream a, interleaved in the file only by its place: a gap in the middle, the rest too short */
  g_string_append (text, "{\"timestamp\": 100000000000, \"stream\": \"c\", \"latency_ms\": 1, \"jitter_ms\": 1, "
      "\"packet_loss\": 0, \"bandwidth_kbps\": 1, \"bitrate_kbps\": 1, \"fps\": 1, \"quality_score\": 1}, "
      S ("1", ", \"stream\": \"a\"") ", " S ("2.5", ", \"stream\": \"a\"") ", " S ("5", ", \"stream\": \"a\"") ", "
      S ("5.2", ", \"stream\": 7") ", " S ("5.3", ", \"stream\": 7") ", " S ("5.3", ", \"stream\": \"7\"") "]");

  d = parse (text->str, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (d->n_samples, ==, 68);
  g_assert_cmpuint (d->n_recordings, ==, 3);

  /* "a" up to its gap, then by name 7 (the integer) and "b"; "c" and the string "7" are too short */
  r = d->recordings[0];
  g_assert_cmpuint (r->n, ==, 16);
  r = d->recordings[1];
  g_assert_cmpuint (r->n, ==, 2);
  r = d->recordings[2];
  g_assert_cmpuint (r->n, ==, 31);
  for (guint k = 0; k < r->n; k++) {
    const MloTick *t = &r->ticks[k];

    g_assert_false (mlo_sample_has (&t->sample, MLO_FIELD_JITTER));
    g_assert_true (isnan (t->reward));
    g_assert_cmpfloat (t->sample.complexity, ==, 0.25);
    /* the mean of the two samples since the tick before, the first alone */
    g_assert_cmpfloat (t->sample.latency_ms, ==, k == 0 ? 40.0 : 30.0);
    g_assert_cmpfloat (t->sample.bitrate_kbps, ==, k < 5 ? 4000.0 : 5000.0);
    g_assert_cmpfloat (t->sample.height, ==, k < 20 ? 720.0 : 540.0);
    if (k == 4)
      g_assert_cmpint (t->action, ==, MLO_ACTION_BITRATE_UP);
    else if (k == 19) {
      g_assert_cmpint (t->action, ==, MLO_ACTION_RESOLUTION_DOWN);
      g_assert_cmpfloat (t->price, ==, 2.0f);
    } else if (k == 24) {
      g_assert_cmpint (t->action, ==, MLO_ACTION_FPS_DOWN);
      g_assert_cmpfloat (t->price, ==, 1.0f);
    } else if (k != 25 && k != 23) {
      g_assert_cmpint (t->action, ==, MLO_ACTION_NONE);
    }
  }
  /* from 0.5 s on the second ahead has more and more of the lower rate, from 1.5 s on nothing else */
  g_assert_cmpfloat_with_epsilon (r->ticks[0].label_kbps, 8000.0 * MLO_DATASET_MEDIA_SHARE, 1.0);
  g_assert_cmpfloat (r->ticks[9].label_kbps, <, 6000.0);
  g_assert_cmpfloat_with_epsilon (r->ticks[16].label_kbps, 2000.0 * MLO_DATASET_MEDIA_SHARE, 1.0);
}

/* The step is longer than the horizon: the next sample's bandwidth. */
static void
test_long_step (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloDataset) d = parse (S ("1", ", \"bandwidth_kbps\": 1000") S ("2.9", ", \"bandwidth_kbps\": 2000")
      S ("4.8", ", \"bandwidth_kbps\": 4000"), -1, &error);
  MloRecording *r;

  g_assert_no_error (error);
  r = d->recordings[0];
  g_assert_cmpuint (r->n, ==, 39);
  g_assert_cmpfloat_with_epsilon (r->ticks[0].label_kbps, 2000.0 * MLO_DATASET_MEDIA_SHARE, 0.5);
  g_assert_cmpfloat_with_epsilon (r->ticks[18].label_kbps, 2000.0 * MLO_DATASET_MEDIA_SHARE, 0.5);
  g_assert_cmpfloat_with_epsilon (r->ticks[19].label_kbps, 4000.0 * MLO_DATASET_MEDIA_SHARE, 0.5);
  g_assert_cmpfloat (r->ticks[38].label_kbps, <, 0.0);
}

/* Truncation at every byte: an error or a shorter dataset, never a crash or a read past the end. */
static void
test_truncated (void)
{
  const char *text = "[" S ("1", ", \"resolution\": \"1x1\", \"stream\": \"\\u00e4\\\"\"") "," S ("1.1", "") "]";

  for (gsize n = 0; n < strlen (text); n++) {
    g_autoptr (GError) error = NULL;

    g_assert_null (parse (text, (gssize) n, &error));
    g_assert_true (error->domain == MLO_ERROR);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dataset/bad-input", test_bad_input);
  g_test_add_func ("/dataset/ceilings", test_ceilings);
  g_test_add_func ("/dataset/forms", test_forms);
  g_test_add_func ("/dataset/meaning", test_meaning);
  g_test_add_func ("/dataset/long-step", test_long_step);
  g_test_add_func ("/dataset/truncated", test_truncated);
  return g_test_run ();
}
