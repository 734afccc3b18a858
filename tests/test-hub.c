/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include <json-glib/json-glib.h>

#include "mlo-error.h"
#include "mlo-history.h"
#include "mlo-hub-report.h"

#define REAL_OFFSET_US G_GINT64_CONSTANT (1700000000000000)
#define METRICS "\"latency_ms\":30,\"jitter_ms\":2,\"packet_loss\":0.01,\"bandwidth_kbps\":5000,\"fps\":60"
#define DECISION(kbps, state, reason) "\"type\":\"recommendation\",\"bitrate_kbps\":" kbps ",\"state\":\"" state "\"," \
    "\"quality_action\":{\"action\":\"decrease_bitrate\",\"reason\":\"" reason "\"},\"later\":[1]," \
    "\"metrics\":{\"queue_delay_ms\":12,\"cpu_usage\":0.25,\"height\":720}"

/* A hub, and what each peer was sent. */
typedef struct
{
  MloHub *hub;
  gint64 now_us;
} House;

typedef struct
{
  MloHubPeer *peer;
  GPtrArray *got;               /* of char* */
} Guest;

static void house_free (House * h);
static void guest_free (Guest * g);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (House, house_free);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Guest, guest_free);

static void
receive (gpointer peer_data, const char *text, gpointer user_data)
{
  g_ptr_array_add (((Guest *) peer_data)->got, g_strdup (text));
}

static House *
house_new (void)
{
  House *h = g_new0 (House, 1);

  h->hub = mlo_hub_new (REAL_OFFSET_US, receive, h);
  h->now_us = 1000000;
  return h;
}

static void
house_free (House * h)
{
  mlo_hub_free (h->hub);
  g_free (h);
}

static Guest *
guest_new_named (House * h, const char *name, gboolean may_limit)
{
  Guest *g = g_new0 (Guest, 1);

  g->got = g_ptr_array_new_with_free_func (g_free);
  g->peer = mlo_hub_join (h->hub, name, may_limit, g, h->now_us);
  return g;
}

static Guest *
guest_new (House * h, gboolean may_limit)
{
  return guest_new_named (h, NULL, may_limit);
}

static void
guest_free (Guest * g)
{
  g_ptr_array_unref (g->got);
  g_free (g);
}

static void
leave (House * h, Guest * g)
{
  mlo_hub_leave (h->hub, g->peer, h->now_us);
  g->peer = NULL;
}

/* From an exact copy on the heap, so that a sanitizer sees a read past the end. */
static gboolean
says (House * h, Guest * g, const char *text, GError ** error)
{
  g_autofree char *copy = g_memdup2 (text, strlen (text));

  return mlo_hub_receive (h->hub, g->peer, copy, strlen (text), h->now_us, error);
}

static void
tell (House * h, Guest * g, const char *text)
{
  g_autoptr (GError) error = NULL;

  says (h, g, text, &error);
  g_assert_no_error (error);
}

/* The one message that came since; "" for none. */
static char *
heard (Guest * g)
{
  char *text;

  g_assert_cmpuint (g->got->len, <=, 1);
  text = g_strdup (g->got->len ? g_ptr_array_index (g->got, 0) : "");
  g_ptr_array_set_size (g->got, 0);
  return text;
}

static void
assert_heard (Guest * g, const char *part)
{
  g_autofree char *text = heard (g);

  if (!*part)
    g_assert_cmpstr (text, ==, "");
  else if (!strstr (text, part))
    g_error ("\"%s\" is not in \"%s\"", part, text);
}

static JsonObject *
stream (House * h, const char *name, JsonParser * parser)
{
  g_autofree char *text = mlo_hub_report_stream (h->hub, name, h->now_us);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (text);
  json_parser_load_from_data (parser, text, -1, &error);
  g_assert_no_error (error);
  return json_node_get_object (json_parser_get_root (parser));
}

static double
value (House * h, const char *name, const char *field)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *values = json_object_get_object_member (stream (h, name, parser), "values");

  return json_object_has_member (values, field) ? json_object_get_double_member (values, field) : -1.0;
}

static void
ticks (House * h, guint n)
{
  for (guint i = 0; i < n; i++) {
    h->now_us += MLO_HISTORY_TICK_MS * 1000;
    mlo_hub_tick (h->hub, h->now_us);
  }
}

/* A sender, and a player that measures for it. */
static void
test_element_and_player (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) element = guest_new (h, FALSE), player = guest_new (h, FALSE), other = guest_new (h, FALSE);

  tell (h, element, "{\"stream\":\"game\"," DECISION ("4000", "normal", "steady") "}");
  tell (h, player, "{\"stream\":\"game\",\"latency_ms\":55,\"queue_delay_ms\":400,\"made_up\":1}");
  assert_heard (element, "\"latency_ms\":55");
  /* Two that have no part in it; a name not measured by the sender is filled in, what it knows stays. */
  assert_heard (other, "");
  g_assert_cmpfloat (value (h, "game", "latency_ms"), ==, 55);
  g_assert_cmpfloat (value (h, "game", "queue_delay_ms"), ==, 12);
  tell (h, element, "{\"stream\":\"game\"," DECISION ("2000", "backoff", "a queue") "}");
  assert_heard (player, "\"later\":[1]");
  assert_heard (other, "");
  assert_heard (element, "");
  /* For all streams, as no stream is named. */
  tell (h, other, "{\"latency_ms\":70}");
  assert_heard (element, "\"stream\":\"game\"");
  tell (h, element, "{\"stream\":\"game\"," DECISION ("2100", "normal", "drained") "}");
  assert_heard (other, "drained");
  assert_heard (player, "drained");
}

/* A service finds a stream that nobody controls, takes it, goes, and another takes it over. */
static void
test_service (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) server = guest_new (h, FALSE), service = guest_new (h, FALSE), second = guest_new (h, FALSE);

  /* Those who have just come might be elements. */
  tell (h, server, "{\"stream\":\"a\"," METRICS "}");
  assert_heard (service, "");
  h->now_us += MLO_HUB_LISTEN_US;
  tell (h, server, "{\"stream\":\"a\"," METRICS "}");
  assert_heard (service, "\"stream\":\"a\"");
  assert_heard (second, "\"stream\":\"a\"");
  tell (h, service, "{\"stream\":\"a\"," DECISION ("3000", "normal", "first") "}");
  assert_heard (server, "first");
  tell (h, server, "{\"stream\":\"a\"," METRICS "}");
  assert_heard (service, "\"bandwidth_kbps\":5000");
  assert_heard (second, "");
  /* One connection for many streams. */
  tell (h, server, "{\"stream\":\"b\"," METRICS "}");
  assert_heard (service, "\"stream\":\"b\"");
  assert_heard (second, "\"stream\":\"b\"");
  leave (h, service);
  tell (h, server, "{\"stream\":\"a\"," METRICS "}");
  assert_heard (second, "\"stream\":\"a\"");
  tell (h, second, "{\"stream\":\"a\"," DECISION ("2000", "normal", "second") "}");
  assert_heard (server, "second");
  g_assert_cmpuint (mlo_hub_n_streams (h->hub), ==, 2);
}

/* A plain server that sends the eight basic fields and no name, and a service. */
static void
test_nameless (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) server = guest_new (h, FALSE), service = guest_new (h, FALSE);

  h->now_us += MLO_HUB_LISTEN_US;
  tell (h, server, "[{\"timestamp\":1700000001," METRICS ",\"bitrate_kbps\":2000,\"quality_score\":0.7}]");
  assert_heard (service, "\"bitrate_kbps\":2000");
  tell (h, service, "{" DECISION ("3000", "normal", "nameless") "}");
  assert_heard (server, "nameless");
  tell (h, server, "{" METRICS "}");
  assert_heard (service, "\"fps\":60");
  g_assert_cmpuint (mlo_hub_n_streams (h->hub), ==, 1);
  g_assert_cmpfloat (value (h, "stream", "bitrate_kbps"), ==, 3000);
}

/* Elements name no stream and take every message for their own: the address tells them apart. */
static void
test_named_by_address (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) one = guest_new_named (h, "one", FALSE), two = guest_new_named (h, "two", FALSE);
  g_autoptr (Guest) player = guest_new_named (h, "two", TRUE), server = guest_new (h, FALSE);

  tell (h, server, "{\"stream\":\"other\"," METRICS "}");
  tell (h, one, "{" DECISION ("4000", "normal", "one") "}");
  tell (h, two, "{" DECISION ("1000", "normal", "two") "}");
  h->now_us += MLO_HUB_LISTEN_US;
  tell (h, player, "{\"latency_ms\":77}");
  tell (h, server, "{\"stream\":\"other\"," METRICS "}");
  assert_heard (one, "");
  assert_heard (two, "{\"type\":\"metrics\",\"latency_ms\":77}");
  g_assert_cmpfloat (value (h, "two", "latency_ms"), ==, 77);
  tell (h, player, "{\"type\":\"limits\",\"max_bitrate_kbps\":900}");
  assert_heard (two, "{\"type\":\"limits\",\"max_bitrate_kbps\":900}");
  tell (h, two, "{" DECISION ("900", "normal", "less") "}");
  assert_heard (player, "less");
}

static void
test_same_name (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) one = guest_new (h, FALSE), two = guest_new (h, FALSE), player = guest_new (h, FALSE);
  g_autoptr (Guest) back = NULL;

  tell (h, one, "{\"stream\":\"game\"," DECISION ("4000", "normal", "one") "}");
  tell (h, two, "{\"stream\":\"game\"," DECISION ("1000", "normal", "two") "}");
  g_assert_cmpfloat (value (h, "game", "bitrate_kbps"), ==, 4000);
  g_assert_cmpfloat (value (h, "game#2", "bitrate_kbps"), ==, 1000);
  tell (h, player, "{\"stream\":\"game#2\",\"latency_ms\":5}");
  assert_heard (one, "");
  assert_heard (two, "\"stream\":\"game\"");
  tell (h, two, "{\"stream\":\"game\"," DECISION ("900", "normal", "two") "}");
  assert_heard (player, "\"stream\":\"game#2\"");
  /* The first comes again before its old connection is known to be dead: once that has been silent, the name is its own. */
  h->now_us += MLO_HUB_SILENT_US;
  back = guest_new (h, FALSE);
  tell (h, back, "{\"stream\":\"game\"," DECISION ("4100", "normal", "back") "}");
  g_assert_cmpfloat (value (h, "game", "bitrate_kbps"), ==, 4100);
  g_assert_cmpuint (mlo_hub_n_streams (h->hub), ==, 2);
}

static MloMessageLimits
limits (double min_kbps, double max_kbps, int mode)
{
  MloMessageLimits l = { min_kbps, max_kbps, mode };

  return l;
}

static void
test_limits (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) element = guest_new (h, FALSE), again = NULL, third = NULL;
  g_autoptr (Guest) boss = guest_new (h, TRUE), stranger = guest_new (h, FALSE);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  MloMessageLimits l = limits (500, 3000, 1);
  JsonObject *s;

  tell (h, element, "{\"stream\":\"game\"," DECISION ("4000", "normal", "x") "}");
  g_assert_true (mlo_hub_set_limits (h->hub, "game", &l, h->now_us, &error));
  assert_heard (element, "\"type\":\"limits\",\"stream\":\"game\",\"min_bitrate_kbps\":500,\"max_bitrate_kbps\":3000,"
      "\"mode\":\"observe\"");
  tell (h, element,
      "{\"type\":\"limits_applied\",\"stream\":\"game\",\"min_bitrate_kbps\":800,\"max_bitrate_kbps\":3000,"
      "\"mode\":\"observe\"}");
  s = stream (h, "game", parser);
  g_assert_cmpfloat (json_object_get_double_member (json_object_get_object_member (s, "limits"), "min_bitrate_kbps"),
      ==, 800);
  g_assert_cmpfloat (json_object_get_double_member (json_object_get_object_member (s, "asked"), "min_bitrate_kbps"),
      ==, 500);

  /* Over the protocol: with a token, and the answer comes back. */
  tell (h, boss, "{\"type\":\"limits\",\"stream\":\"game\",\"max_bitrate_kbps\":2000}");
  assert_heard (element, "\"max_bitrate_kbps\":2000}");
  tell (h, element, "{\"type\":\"limits_applied\",\"stream\":\"game\",\"max_bitrate_kbps\":2000}");
  assert_heard (boss, "limits_applied");
  g_assert_false (says (h, stranger, "{\"type\":\"limits\",\"stream\":\"game\",\"max_bitrate_kbps\":1}", &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT);
  g_clear_error (&error);
  assert_heard (element, "");

  /* Who takes the stream over is told; until the wish is withdrawn. */
  leave (h, element);
  g_assert_false (mlo_hub_set_limits (h->hub, "game", &l, h->now_us, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
  g_clear_error (&error);
  again = guest_new (h, FALSE);
  tell (h, again, "{\"stream\":\"game\"," DECISION ("4000", "normal", "x") "}");
  assert_heard (again, "\"max_bitrate_kbps\":2000}");
  l = limits (-1, -1, -1);
  g_assert_true (mlo_hub_set_limits (h->hub, "game", &l, h->now_us, &error));
  assert_heard (again, "{\"type\":\"limits\",\"stream\":\"game\"}");
  leave (h, again);
  third = guest_new (h, FALSE);
  tell (h, third, "{\"stream\":\"game\"," DECISION ("4000", "normal", "x") "}");
  assert_heard (third, "");

  l = limits (3000, 500, -1);
  g_assert_false (mlo_hub_set_limits (h->hub, "game", &l, h->now_us, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_RANGE);
  g_clear_error (&error);
  g_assert_false (mlo_hub_set_limits (h->hub, "none", &l, h->now_us, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
}

/* --- wrong input --- */

static const struct
{
  const char *text;
  int code;
  guint received;               /* messages taken before the fault */
} bad_rows[] = {
  {"", MLO_ERROR_TRUNCATED, 0},
  {"hello", MLO_ERROR_FORMAT, 0},
  {"[", MLO_ERROR_TYPE, 0},
  {"[1]", MLO_ERROR_TYPE, 0},
  {"[[{}]]", MLO_ERROR_TYPE, 0},
  {"[{\"fps\":1}", MLO_ERROR_FORMAT, 1},
  {"[{\"fps\":1},]", MLO_ERROR_TYPE, 1},
  {"[{\"fps\":1} {\"fps\":1}]", MLO_ERROR_FORMAT, 1},
  {"[{\"fps\":1}] x", MLO_ERROR_FORMAT, 1},
  {"[{\"fps\":1},{\"fps\":", MLO_ERROR_TRUNCATED, 1},
  {"[{\"fps\":1},{\"stream\":[]}]", MLO_ERROR_TYPE, 1},
  {"{\"stream\":\"a\\nb\"}", MLO_ERROR_FORMAT, 0},
  {"{\"type\":\"limits_applied\",\"stream\":\"not-mine\"}", MLO_ERROR_MISSING, 1},
  {"{\"type\":\"limits\",\"stream\":\"none\",\"max_bitrate_kbps\":1}", MLO_ERROR_MISSING, 1},
  {"{\"type\":\"limits\",\"max_bitrate_kbps\":\"1\"}", MLO_ERROR_RANGE, 1},
  {"[{\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}]", MLO_ERROR_TOO_LARGE, 0},
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_rows); i++) {
    g_autoptr (House) h = house_new ();
    g_autoptr (Guest) g = guest_new (h, TRUE);
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", bad_rows[i].text);
    g_assert_false (says (h, g, bad_rows[i].text, &error));
    g_assert_error (error, MLO_ERROR, bad_rows[i].code);
    g_assert_cmpuint (mlo_hub_counters (h->hub)->refused, ==, 1);
    g_assert_cmpuint (mlo_hub_counters (h->hub)->received, ==, bad_rows[i].received);
  }
}

static void
test_long (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) g = guest_new (h, FALSE);
  g_autofree char *spaces = g_strnfill (MLO_MESSAGE_MAX_BYTES + 1, ' ');
  g_autoptr (GString) many = g_string_new ("[{}");
  g_autoptr (GError) error = NULL;

  g_assert_false (says (h, g, spaces, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  g_clear_error (&error);
  for (guint i = 0; i < MLO_MESSAGE_MAX_OBJECTS; i++)
    g_string_append (many, ",{}");
  g_string_append_c (many, ']');
  g_assert_false (says (h, g, many->str, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
}

/* No more than so many streams; the silent make room. */
static void
test_many_streams (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) g = guest_new (h, FALSE);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < MLO_HUB_MAX_STREAMS; i++) {
    g_autofree char *text = g_strdup_printf ("{\"stream\":%u,\"fps\":30}", i);

    tell (h, g, text);
  }
  g_assert_false (says (h, g, "{\"stream\":\"more\",\"fps\":30}", &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE);
  h->now_us += MLO_HUB_SILENT_US;
  tell (h, g, "{\"stream\":\"more\",\"fps\":30}");
  g_assert_cmpuint (mlo_hub_n_streams (h->hub), ==, MLO_HUB_MAX_STREAMS);
  h->now_us += MLO_HUB_FORGET_US;
  mlo_hub_tick (h->hub, h->now_us);
  g_assert_cmpuint (mlo_hub_n_streams (h->hub), ==, 0);
}

/* --- reports --- */

static void
test_stale (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) g = guest_new (h, FALSE);
  g_autoptr (JsonParser) parser = json_parser_new ();

  tell (h, g, "{\"stream\":\"a\"," DECISION ("4000", "backoff", "a queue") "}");
  ticks (h, 4);
  g_assert_cmpfloat (value (h, "a", "bitrate_kbps"), ==, 4000);
  g_assert_cmpstr (json_object_get_string_member (stream (h, "a", parser), "state"), ==, "backoff");
  ticks (h, 4);
  g_assert_cmpfloat (value (h, "a", "bitrate_kbps"), ==, -1);
  g_assert_false (json_object_has_member (stream (h, "a", parser), "state"));
  g_assert_true (json_object_get_boolean_member (stream (h, "a", parser), "online"));
  ticks (h, 12);
  g_assert_false (json_object_get_boolean_member (stream (h, "a", parser), "online"));
}

/* A controller that goes on measuring has not decided anew. */
static void
test_stale_decision (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) g = guest_new (h, FALSE);
  g_autoptr (JsonParser) parser = json_parser_new ();

  tell (h, g, "{\"stream\":\"a\"," DECISION ("4000", "backoff", "a queue") "}");
  ticks (h, 8);
  tell (h, g, "{\"stream\":\"a\",\"fps\":60}");
  g_assert_cmpfloat (value (h, "a", "fps"), ==, 60);
  g_assert_true (json_object_get_boolean_member (stream (h, "a", parser), "controlled"));
  g_assert_false (json_object_has_member (stream (h, "a", parser), "state"));
}

static JsonArray *
live (House * h, guint64 * serial, JsonParser * parser)
{
  g_autofree char *text = mlo_hub_report_live (h->hub, h->now_us, serial);
  g_autoptr (GError) error = NULL;

  json_parser_load_from_data (parser, text, -1, &error);
  g_assert_no_error (error);
  return json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), "streams");
}

static void
test_live (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) g = guest_new (h, FALSE);
  g_autoptr (JsonParser) parser = json_parser_new ();
  guint64 serial = 0;
  JsonObject *s;
  JsonArray *point;

  g_assert_cmpuint (json_array_get_length (live (h, &serial, parser)), ==, 0);
  tell (h, g, "{\"stream\":\"a\"," DECISION ("4000", "normal", "one") "}");
  tell (h, g, "{\"stream\":\"a\"," DECISION ("4010", "normal", "hardly another") "}");
  tell (h, g, "{\"stream\":\"a\"," DECISION ("2000", "backoff", "two") "}");
  ticks (h, 1);
  s = json_array_get_object_element (live (h, &serial, parser), 0);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (s, "decisions")), ==, 2);
  point = json_object_get_array_member (s, "point");
  g_assert_cmpuint (json_array_get_length (point), ==, 1 + MLO_HISTORY_N);
  g_assert_cmpint (json_array_get_int_element (point, 0), ==, (REAL_OFFSET_US + h->now_us) / 1000);
  g_assert_cmpfloat_with_epsilon (json_array_get_double_element (point, 1 + MLO_HISTORY_BITRATE), 10010.0 / 3, 0.01);
  g_assert_cmpfloat (json_array_get_double_element (point, 1 + MLO_HISTORY_STATE), ==, MLO_GUARD_BACKOFF);
  g_assert_true (json_array_get_null_element (point, 1 + MLO_HISTORY_LOSS));
  s = json_array_get_object_element (live (h, &serial, parser), 0);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (s, "decisions")), ==, 0);
}

/* More decisions than are remembered. */
static void
test_decisions (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) g = guest_new (h, FALSE);
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *decisions;

  for (guint i = 0; i < 3 * MLO_HUB_MAX_DECISIONS + 1; i++)
    tell (h, g, i % 2 ? "{" DECISION ("1000", "backoff", "odd") "}" : "{" DECISION ("4000", "normal", "even") "}");
  decisions = json_object_get_array_member (stream (h, "stream", parser), "decisions");
  g_assert_cmpuint (json_array_get_length (decisions), ==, MLO_HUB_MAX_DECISIONS);
  g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (decisions,
              MLO_HUB_MAX_DECISIONS - 1), "reason"), ==, "even");
}

static void
test_history (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) g = guest_new (h, FALSE);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *text = NULL, *none = mlo_hub_report_history (h->hub, "none", 0);
  g_autoptr (GError) error = NULL;
  JsonObject *root;

  g_assert_null (none);
  for (guint i = 0; i < 10; i++) {
    tell (h, g, "{\"stream\":\"\\\"<b>&\\u00e9\"," METRICS "}");
    ticks (h, 1);
  }
  text = mlo_hub_report_history (h->hub, "\"<b>&\xc3\xa9", 0);
  json_parser_load_from_data (parser, text, -1, &error);
  g_assert_no_error (error);
  root = json_node_get_object (json_parser_get_root (parser));
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (root, "columns")), ==, 1 + MLO_HISTORY_N);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (root, "points")), ==, 10);
  g_assert_cmpstr (json_object_get_string_member (root, "stream"), ==, "\"<b>&\xc3\xa9");
}

static void
test_prometheus (void)
{
  g_autoptr (House) h = house_new ();
  g_autoptr (Guest) g = guest_new (h, FALSE);
  g_autoptr (GString) text = g_string_new (NULL);

  tell (h, g, "{\"stream\":\"a\\\"b\\\\c\"," METRICS "}");
  mlo_hub_report_prometheus (h->hub, h->now_us, text);
  g_assert_nonnull (strstr (text->str,
          "# TYPE mloptimizer_latency_ms gauge\nmloptimizer_latency_ms{stream=\"a\\\"b\\\\c\"} 30\n"));
  g_assert_nonnull (strstr (text->str, "mloptimizer_stream_up{stream=\"a\\\"b\\\\c\"} 1\n"));
  g_assert_null (strstr (text->str, "gpu_usage"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hub/element-and-player", test_element_and_player);
  g_test_add_func ("/hub/service", test_service);
  g_test_add_func ("/hub/nameless", test_nameless);
  g_test_add_func ("/hub/named-by-address", test_named_by_address);
  g_test_add_func ("/hub/same-name", test_same_name);
  g_test_add_func ("/hub/limits", test_limits);
  g_test_add_func ("/hub/bad", test_bad);
  g_test_add_func ("/hub/long", test_long);
  g_test_add_func ("/hub/many-streams", test_many_streams);
  g_test_add_func ("/hub/stale", test_stale);
  g_test_add_func ("/hub/stale-decision", test_stale_decision);
  g_test_add_func ("/hub/live", test_live);
  g_test_add_func ("/hub/decisions", test_decisions);
  g_test_add_func ("/hub/history", test_history);
  g_test_add_func ("/hub/prometheus", test_prometheus);
  return g_test_run ();
}
