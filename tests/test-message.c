/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-message.h"

#define DEEP_15 "[[[[[[[[[[[[[[[" "]]]]]]]]]]]]]]]"

static void
keep (const MloMessage * message, gpointer messages)
{
  g_array_append_val ((GArray *) messages, *message);
}

/* From an exact copy on the heap without a NUL, so that a sanitizer sees a read past the end. */
static int
parse (const char *text, gssize length, GArray * messages, GError ** error)
{
  gsize n = length < 0 ? strlen (text) : (gsize) length;
  g_autofree char *copy = g_memdup2 (text, n);

  g_array_set_size (messages, 0);
  return mlo_message_parse (copy, n, keep, messages, error);
}

static GArray *
messages_new (void)
{
  return g_array_new (FALSE, FALSE, sizeof (MloMessage));
}

static MloMessage
parse_one (const char *text)
{
  g_autoptr (GArray) messages = messages_new ();
  g_autoptr (GError) error = NULL;
  int n = parse (text, -1, messages, &error);

  g_assert_no_error (error);
  g_assert_cmpint (n, ==, 1);
  return g_array_index (messages, MloMessage, 0);
}

/* --- refused as a whole --- */

static const struct
{
  const char *text;
  int code;
  const char *says;
} bad_rows[] = {
  {"", MLO_ERROR_TRUNCATED, "ends inside"},
  {" \n", MLO_ERROR_TRUNCATED, "ends inside"},
  {"hello", MLO_ERROR_FORMAT, "offset 0"},
  {"1", MLO_ERROR_FORMAT, "offset 0"},
  {"\"fps\"", MLO_ERROR_FORMAT, "offset 0"},
  {"null", MLO_ERROR_FORMAT, "offset 0"},
  {"NaN", MLO_ERROR_FORMAT, "offset 0"},
  {"{", MLO_ERROR_TRUNCATED, "ends inside"},
  {"{\"fps\": 60", MLO_ERROR_TRUNCATED, "ends inside"},
  {"{\"fps\": 60}}", MLO_ERROR_FORMAT, "after the value, at offset 11"},
  {"{\"fps\": 60} {\"fps\": 60}", MLO_ERROR_FORMAT, "after the value"},
  {"{\"fps\" 60}", MLO_ERROR_FORMAT, ""},
  {"{\"fps\": NaN}", MLO_ERROR_FORMAT, ""},
  {"{\"fps\": Infinity}", MLO_ERROR_FORMAT, ""},
  {"{'fps': 60}", MLO_ERROR_FORMAT, "is not JSON"},
  {"{/* */\"fps\": 60}", MLO_ERROR_FORMAT, "is not JSON"},
  {"{\"fps\": \"\xff\"}", MLO_ERROR_FORMAT, ""},
  {"[1]", MLO_ERROR_TYPE, "message 0: not an object"},
  {"[{\"fps\": 60}, null]", MLO_ERROR_TYPE, "message 1: not an object"},
  {"[[{\"fps\": 60}]]", MLO_ERROR_TYPE, "message 0: not an object"},
  {"{\"a\": [" DEEP_15 "]}", MLO_ERROR_TOO_LARGE, "nested deeper than 16"},
  {"{\"stream\": true}", MLO_ERROR_TYPE, "message 0: field stream"},
  {"{\"stream\": 1.5}", MLO_ERROR_TYPE, "field stream"},
  {"[{}, {\"stream\": [\"a\"]}]", MLO_ERROR_TYPE, "message 1: field stream"},
  {"{\"stream\": \"0123456789012345678901234567890123456789012345678901234567890123\"}", MLO_ERROR_TOO_LARGE,
      "longer than 63"},
  {"{\"stream\": \"a\\nb\"}", MLO_ERROR_FORMAT, "control"},
  {"{\"type\": \"recommendation\", \"stream\": {}}", MLO_ERROR_TYPE, "field stream"},
};

static void
test_refused (void)
{
  g_autoptr (GArray) messages = messages_new ();

  for (guint i = 0; i < G_N_ELEMENTS (bad_rows); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *shown = g_strescape (bad_rows[i].text, NULL);
    int n = parse (bad_rows[i].text, -1, messages, &error);

    g_test_message ("%s: %s", shown, error ? error->message : "taken");
    g_assert_error (error, MLO_ERROR, bad_rows[i].code);
    g_assert_nonnull (strstr (error->message, bad_rows[i].says));
    g_assert_cmpint (n, ==, -1);
    /* nothing was handed on, not even what came before the fault */
    g_assert_cmpuint (messages->len, ==, 0);
  }
}

static void
test_bounds (void)
{
  g_autoptr (GArray) messages = messages_new ();
  g_autoptr (GString) text = g_string_new ("{\"fps\": 60}");
  g_autoptr (GError) error = NULL;

  /* blanks count, too: the ceiling is what a receiver must buffer */
  while (text->len < MLO_MESSAGE_MAX_BYTES)
    g_string_append_c (text, ' ');
  g_assert_cmpint (parse (text->str, (gssize) text->len, messages, &error), ==, 1);
  g_string_append_c (text, ' ');
  g_assert_cmpint (parse (text->str, (gssize) text->len, messages, &error), ==, -1);
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_clear_error (&error);

  g_string_assign (text, "[{}");
  for (guint i = 1; i < MLO_MESSAGE_MAX_OBJECTS; i++)
    g_string_append (text, ",{}");
  g_string_append (text, "]");
  g_assert_cmpint (parse (text->str, (gssize) text->len, messages, &error), ==, MLO_MESSAGE_MAX_OBJECTS);
  g_string_insert (text, 1, "{},");
  g_assert_cmpint (parse (text->str, (gssize) text->len, messages, &error), ==, -1);
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_clear_error (&error);

  g_string_assign (text, "");
  for (guint i = 0; i < 10000; i++)
    g_string_append_c (text, '[');
  g_assert_cmpint (parse (text->str, (gssize) text->len, messages, &error), ==, -1);
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_clear_error (&error);

  /* a NUL ends nothing */
  g_assert_cmpint (parse ("{}\0{}", 5, messages, &error), ==, -1);
  g_assert_error (error, MLO_ERROR, MLO_ERROR_FORMAT);
}

/* --- single fields that are wrong --- */

static const struct
{
  const char *text;
  guint rejected;
  const char *field;            /* the first */
  guint valid;                  /* fields that remain */
} field_rows[] = {
  {"{}", 0, "", 0},
  {"{\"fps\": 60}", 0, "", 1},
  {"{\"fps\": null}", 0, "", 0},
  {"{\"fps\": \"60\"}", 1, "fps", 0},
  {"{\"fps\": true}", 1, "fps", 0},
  {"{\"fps\": {}}", 1, "fps", 0},
  {"{\"fps\": -1}", 1, "fps", 0},
  {"{\"fps\": 1e999}", 1, "fps", 0},
  {"{\"fps\": 9223372036854775807}", 1, "fps", 0},
  {"{\"fps\": 1001, \"jitter_ms\": []}", 2, "jitter_ms", 0},
  {"{\"packet_loss\": 1.5, \"latency_ms\": 20}", 1, "packet_loss", 1},
  {"{\"FPS\": \"x\", \"frames\": -1, \"nested\": {\"fps\": -1}}", 0, "", 0},
  {"{\"complexity_score\": 0.5}", 0, "", 1},
  {"{\"complexity_score\": 2}", 1, "complexity_score", 0},
  {"{\"complexity_score\": 2, \"complexity\": 0.5}", 1, "complexity_score", 1},
  {"{\"resolution\": \"1920x1080\"}", 0, "", 2},
  {"{\"resolution\": 1080}", 1, "resolution", 0},
  {"{\"resolution\": \"\"}", 1, "resolution", 0},
  {"{\"resolution\": \"1080p\"}", 1, "resolution", 0},
  {"{\"resolution\": \"1920x\"}", 1, "resolution", 0},
  {"{\"resolution\": \"x1080\"}", 1, "resolution", 0},
  {"{\"resolution\": \"1920x1080x2\"}", 1, "resolution", 0},
  {"{\"resolution\": \" 1920x1080\"}", 1, "resolution", 0},
  {"{\"resolution\": \"1920x-1080\"}", 1, "resolution", 0},
  {"{\"resolution\": \"0x0\"}", 1, "resolution", 0},
  {"{\"resolution\": \"640x99999\"}", 1, "resolution", 0},
  {"{\"resolution\": \"99999x640\"}", 1, "resolution", 0},
  {"{\"resolution\": \"99999999999999999999x1\"}", 1, "resolution", 0},
  {"{\"timestamp\": \"now\"}", 1, "timestamp", 0},
  {"{\"timestamp\": -1}", 1, "timestamp", 0},
  {"{\"timestamp\": 1e18}", 1, "timestamp", 0},
  {"{\"type\": \"limits\", \"min_bitrate_kbps\": -5}", 1, "min_bitrate_kbps", 0},
  {"{\"type\": \"limits\", \"max_bitrate_kbps\": \"5\"}", 1, "max_bitrate_kbps", 0},
  {"{\"type\": \"limits\", \"mode\": \"stop\"}", 1, "mode", 0},
  {"{\"type\": \"limits\", \"mode\": 1}", 1, "mode", 0},
  {"{\"type\": \"recommendation\", \"quality_action\": 1, \"metrics\": [], \"limits\": \"\"}", 3, "quality_action", 0},
  {"{\"type\": \"recommendation\", \"quality_action\": {\"action\": \"jump\", \"reason\": 1}}", 2, "action", 0},
  {"{\"type\": \"recommendation\", \"state\": \"asleep\", \"limiter\": 1}", 2, "state", 0},
  {"{\"type\": \"recommendation\", \"confidence\": 1.1, \"bitrate_kbps\": -1, \"fps\": 2000, \"resolution\": \"a\"}", 4,
      "bitrate_kbps", 0},
  {"{\"type\": \"recommendation\", \"metrics\": {\"fps\": \"60\", \"jitter_ms\": 1}}", 1, "fps", 1},
};

static void
test_fields (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (field_rows); i++) {
    MloMessage m = parse_one (field_rows[i].text);

    g_test_message ("%s: %u rejected, first %s", field_rows[i].text, m.rejected, m.rejected_field);
    g_assert_cmpuint (m.rejected, ==, field_rows[i].rejected);
    g_assert_cmpstr (m.rejected_field, ==, field_rows[i].field);
    g_assert_cmpuint ((guint) __builtin_popcount (m.sample.valid), ==, field_rows[i].valid);
  }
}

static void
test_timestamps (void)
{
  static const struct
  {
    const char *text;
    gint64 us;
  } rows[] = {
    {"{}", 0},
    {"{\"timestamp\": 0}", 0},
    {"{\"timestamp\": 12.5}", 12500000},
    {"{\"timestamp\": 1732297526.25}", G_GINT64_CONSTANT (1732297526250000)},
    {"{\"timestamp\": 1732297526250}", G_GINT64_CONSTANT (1732297526250000)},
    {"{\"timestamp\": 1732297526250000}", G_GINT64_CONSTANT (1732297526250000)},
    {"{\"timestamp\": null}", 0},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpint (parse_one (rows[i].text).real_time_us, ==, rows[i].us);
}

/* What a server sends that knows the eight basic fields and nothing else. */
static void
test_basic (void)
{
  MloMessage m = parse_one ("{\"timestamp\": 1732297526.25, \"latency_ms\": 24, \"jitter_ms\": 1.5, "
      "\"packet_loss\": 0.01, \"bandwidth_kbps\": 5200, \"bitrate_kbps\": 4000, \"fps\": 60, \"quality_score\": 0.75}");

  g_assert_cmpint (m.type, ==, MLO_MESSAGE_METRICS);
  g_assert_cmpstr (m.stream, ==, "");
  g_assert_cmpuint (m.rejected, ==, 0);
  g_assert_cmpint (m.sample.timestamp_us, ==, 0);
  g_assert_cmpuint (m.sample.valid, ==, 1u << MLO_FIELD_LATENCY | 1u << MLO_FIELD_JITTER | 1u << MLO_FIELD_PACKET_LOSS
      | 1u << MLO_FIELD_BANDWIDTH | 1u << MLO_FIELD_BITRATE | 1u << MLO_FIELD_FPS | 1u << MLO_FIELD_QUALITY_SCORE);
  g_assert_cmpfloat (m.sample.latency_ms, ==, 24.0);
  g_assert_cmpfloat (m.sample.packet_loss, ==, 0.01);
  g_assert_cmpfloat (m.sample.quality_score, ==, 0.75);
}

static void
test_array (void)
{
  g_autoptr (GArray) messages = messages_new ();
  g_autoptr (GError) error = NULL;

  /* a type of a later version is passed over, what is around it is not */
  g_assert_cmpint (parse ("[{\"stream\": \"a\", \"fps\": 60}, {\"type\": \"greeting\", \"stream\": 1.5}, {\"type\": 5},"
          " {\"stream\": 7, \"type\": \"metrics\"}]", -1, messages, &error), ==, 2);
  g_assert_no_error (error);
  g_assert_cmpstr (g_array_index (messages, MloMessage, 0).stream, ==, "a");
  g_assert_cmpstr (g_array_index (messages, MloMessage, 1).stream, ==, "7");
  g_assert_cmpint (parse ("[]", -1, messages, &error), ==, 0);
}

/* --- there and back --- */

static MloSample
full_sample (void)
{
  MloSample s = { 0 };

  for (int f = 0; f < MLO_N_FIELDS; f++) {
    const MloFieldInfo *info = mlo_field_info (f);
    double value = f == MLO_FIELD_WIDTH ? 1280 : f == MLO_FIELD_HEIGHT ? 720 : info->max * (f + 1) / 29.0;

    g_assert_true (mlo_sample_set (&s, f, value));
  }
  return s;
}

static void
assert_same_sample (const MloSample * a, const MloSample * b)
{
  g_assert_cmpuint (a->valid, ==, b->valid);
  for (int f = 0; f < MLO_N_FIELDS; f++)
    g_assert_cmpfloat (mlo_sample_get (a, f, -1.0), ==, mlo_sample_get (b, f, -1.0));
}

static void
test_metrics_round_trip (void)
{
  static const gint64 times[] = { 0, 1, 12500000, G_GINT64_CONSTANT (1732297526250123) };
  MloSample s = full_sample (), none = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (times); i++) {
    g_autofree char *text = mlo_message_metrics ("game \"1\"\\", times[i], &s);
    MloMessage m = parse_one (text);

    g_assert_null (strchr (text, '\n'));
    g_assert_cmpint (m.type, ==, MLO_MESSAGE_METRICS);
    g_assert_cmpstr (m.stream, ==, "game \"1\"\\");
    g_assert_cmpint (m.real_time_us, ==, times[i]);
    g_assert_cmpuint (m.rejected, ==, 0);
    assert_same_sample (&m.sample, &s);
  }
  {
    g_autofree char *text = mlo_message_metrics ("", 0, &none);

    g_assert_cmpstr (text, ==, "{\"type\":\"metrics\"}");
  }
}

static void
assert_same_limits (const MloMessageLimits * a, const MloMessageLimits * b)
{
  g_assert_cmpfloat (a->min_bitrate_kbps, ==, b->min_bitrate_kbps);
  g_assert_cmpfloat (a->max_bitrate_kbps, ==, b->max_bitrate_kbps);
  g_assert_cmpint (a->mode, ==, b->mode);
}

static void
test_limits_round_trip (void)
{
  static const MloMessageLimits rows[] = { {500.0, 6000.5, 1}, {-1.0, 2000.0, -1}, {0.0, -1.0, 0}, {-1.0, -1.0, -1} };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *asked = mlo_message_limits ("a", &rows[i]);
    g_autofree char *applied = mlo_message_limits_applied ("", &rows[i]);
    MloMessage m = parse_one (asked), n = parse_one (applied);

    g_assert_cmpint (m.type, ==, MLO_MESSAGE_LIMITS);
    g_assert_cmpint (n.type, ==, MLO_MESSAGE_LIMITS_APPLIED);
    g_assert_cmpstr (m.stream, ==, "a");
    g_assert_cmpstr (n.stream, ==, "");
    assert_same_limits (&m.limits, &rows[i]);
    assert_same_limits (&n.limits, &rows[i]);
  }
}

static MloDecision
decision (double kbps, int height, double fps)
{
  MloDecision d = { 0 };

  d.state = MLO_GUARD_BACKOFF;
  d.limiter = MLO_LIMITER_NETWORK;
  d.reason = "the queue is above its target";
  d.action = MLO_ACTION_NONE;
  d.bitrate_kbps = kbps;
  d.predicted_kbps = 2500.0;
  d.capacity_kbps = -1.0;
  d.confidence = 0.5;
  d.width = height * 16 / 9;
  d.height = height;
  d.fps = fps;
  return d;
}

static void
test_recommendation_round_trip (void)
{
  MloSample s = full_sample ();
  MloDecision d = decision (2000.0, 540, 0.0), before = decision (3000.0, 0, 0.0);
  MloMessageLimits limits = { 300.0, 8000.0, 0 };
  g_autofree char *text = mlo_message_recommendation ("s", G_GINT64_CONSTANT (1732297526250123), &d, &before, &s,
      &limits, 1280, 720, 60.0);
  MloMessage m = parse_one (text);

  g_assert_cmpint (m.type, ==, MLO_MESSAGE_RECOMMENDATION);
  g_assert_cmpuint (m.rejected, ==, 0);
  g_assert_cmpint (m.real_time_us, ==, G_GINT64_CONSTANT (1732297526250123));
  g_assert_cmpint (m.recommendation.action, ==, MLO_ACTION_RESOLUTION_DOWN);
  g_assert_cmpint (m.recommendation.state, ==, MLO_GUARD_BACKOFF);
  g_assert_cmpint (m.recommendation.limiter, ==, MLO_LIMITER_NETWORK);
  g_assert_cmpstr (m.recommendation.reason, ==, "the queue is above its target");
  g_assert_cmpfloat (m.recommendation.bitrate_kbps, ==, 2000.0);
  g_assert_cmpfloat (m.recommendation.predicted_kbps, ==, 2500.0);
  g_assert_cmpfloat (m.recommendation.capacity_kbps, ==, -1.0);
  g_assert_cmpfloat (m.recommendation.confidence, ==, 0.5);
  g_assert_cmpint (m.recommendation.width, ==, 960);
  g_assert_cmpint (m.recommendation.height, ==, 540);
  g_assert_cmpfloat (m.recommendation.fps, ==, 60.0);
  assert_same_limits (&m.limits, &limits);
  assert_same_sample (&m.sample, &s);
}

/* What differs from the decision before decides the action, and nothing else is a target. */
static void
test_quality_action (void)
{
  static const struct
  {
    double kbps;
    int height;
    double fps;
    int preset;
    const char *has, *has_not;
  } rows[] = {
    {3000.0, 0, 0.0, 0, "\"action\":\"no_change\"", "target_"},
    {3000.2, 0, 0.0, 0, "\"action\":\"no_change\"", "target_"},
    {2000.5, 0, 0.0, 0, "{\"action\":\"decrease_bitrate\",\"reason\":\"the queue is above its target\","
          "\"target_bitrate\":2000.5}", "target_fps"},
    {4000.0, 0, 0.0, 0, "increase_bitrate", "target_resolution"},
    {2000.0, 360, 0.0, 0, "\"decrease_resolution\"", "target_fps"},
    {3000.0, 360, 0.0, 0, "\"target_resolution\":\"640x360\"", "target_bitrate"},
    {3000.0, 720, 0.0, 0, "no_change", "target_"},      /* the source's own size by another word */
    {3000.0, 1080, 0.0, 0, "increase_resolution", "target_bitrate"},
    {2000.0, 0, 30.0, 0, "\"decrease_fps\"", "target_resolution"},
    {3000.0, 0, 30.0, 0, "\"target_fps\":30", "target_bitrate"},
    {3000.0, 0, 60.0, 0, "no_change", "target_"},
    {3000.0, 0, 0.0, 1, "faster_preset", "target_"},
    {4000.0, 0, 0.0, -1, "slower_preset", "target_fps"},
  };
  MloDecision before = decision (3000.0, 0, 0.0);
  MloSample s = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    MloDecision d = decision (rows[i].kbps, rows[i].height, rows[i].fps);
    g_autofree char *text = NULL;

    d.preset_step = rows[i].preset;
    text = mlo_message_recommendation ("", 1, &d, &before, &s, NULL, 1280, 720, 60.0);
    g_test_message ("%s", text);
    g_assert_nonnull (strstr (text, rows[i].has));
    g_assert_null (strstr (text, rows[i].has_not));
  }
  {
    g_autofree char *text = mlo_message_recommendation ("", 1, &before, NULL, &s, NULL, 0, 0, 0.0);

    /* nothing is known of the source: nothing is said of it */
    g_assert_null (strstr (text, "resolution\":"));
    g_assert_null (strstr (text, "fps"));
    g_assert_null (strstr (text, "limits"));
    g_assert_nonnull (strstr (text, "no_change"));
  }
}

/* Numbers that JSON does not have never leave. */
static void
test_not_finite (void)
{
  MloDecision d = decision ((double) NAN, 0, (double) INFINITY);
  MloSample s = full_sample ();
  g_autofree char *text = NULL;

  d.confidence = (double) NAN;
  s.jitter_ms = (double) NAN;
  text = mlo_message_recommendation ("", 1, &d, NULL, &s, NULL, 0, 0, 0.0);
  g_assert_cmpuint (parse_one (text).rejected, ==, 0);
  g_assert_null (strstr (text, "nan"));
  g_assert_null (strstr (text, "inf"));
  g_assert_null (strstr (text, "jitter_ms"));
}

/* A text too long for its field is cut between characters. */
static void
test_long_reason (void)
{
  g_autoptr (GString) reason = g_string_new ("a");
  MloDecision d = decision (1000.0, 0, 0.0);
  MloSample s = { 0 };
  g_autofree char *text = NULL;
  MloMessage m;

  for (int i = 0; i < 200; i++)
    g_string_append (reason, "\xc3\xa4");
  d.reason = reason->str;
  text = mlo_message_recommendation ("", 1, &d, NULL, &s, NULL, 0, 0, 0.0);
  m = parse_one (text);
  g_assert_true (g_utf8_validate (m.recommendation.reason, -1, NULL));
  g_assert_cmpuint (strlen (m.recommendation.reason), ==, sizeof m.recommendation.reason - 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/message/refused", test_refused);
  g_test_add_func ("/message/bounds", test_bounds);
  g_test_add_func ("/message/fields", test_fields);
  g_test_add_func ("/message/timestamps", test_timestamps);
  g_test_add_func ("/message/basic", test_basic);
  g_test_add_func ("/message/array", test_array);
  g_test_add_func ("/message/metrics-round-trip", test_metrics_round_trip);
  g_test_add_func ("/message/limits-round-trip", test_limits_round_trip);
  g_test_add_func ("/message/recommendation-round-trip", test_recommendation_round_trip);
  g_test_add_func ("/message/quality-action", test_quality_action);
  g_test_add_func ("/message/not-finite", test_not_finite);
  g_test_add_func ("/message/long-reason", test_long_reason);
  return g_test_run ();
}
