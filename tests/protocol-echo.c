/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests/test-protocol: reads one text a line and answers with one line of JSON each, what the parser made of it:
 * {"messages": N, "rejected": N, "error": "..." or null, "again": [our own text of each message]}. */
#include <stdio.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "mlo-message.h"

typedef struct
{
  JsonBuilder *builder;
  guint rejected;
} Answer;

static char *
write_again (const MloMessage * m)
{
  MloDecision d = { 0 };

  switch (m->type) {
    case MLO_MESSAGE_METRICS:
      return mlo_message_metrics (m->stream, m->real_time_us, &m->sample);
    case MLO_MESSAGE_LIMITS:
      return mlo_message_limits (m->stream, &m->limits);
    case MLO_MESSAGE_LIMITS_APPLIED:
      return mlo_message_limits_applied (m->stream, &m->limits);
    case MLO_MESSAGE_RECOMMENDATION:
      break;
  }
  d.action = m->recommendation.action;
  d.state = m->recommendation.state;
  d.limiter = m->recommendation.limiter;
  d.reason = m->recommendation.reason;
  d.bitrate_kbps = m->recommendation.bitrate_kbps;
  d.predicted_kbps = m->recommendation.predicted_kbps;
  d.capacity_kbps = m->recommendation.capacity_kbps;
  d.confidence = m->recommendation.confidence;
  d.width = m->recommendation.width;
  d.height = m->recommendation.height;
  d.fps = m->recommendation.fps;
  return mlo_message_recommendation (m->stream, m->real_time_us, &d, NULL, &m->sample, &m->limits, 0, 0, 0.0);
}

static void
take (const MloMessage * message, gpointer user_data)
{
  Answer *a = user_data;
  g_autofree char *text = write_again (message);

  a->rejected += message->rejected;
  json_builder_add_string_value (a->builder, text);
}

static void
answer (const char *line, gsize length)
{
  Answer a = { json_builder_new (), 0 };
  g_autoptr (JsonBuilder) builder = a.builder;
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  int n;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "again");
  json_builder_begin_array (builder);
  n = mlo_message_parse (line, length, take, &a, &error);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, "messages");
  json_builder_add_int_value (builder, n);
  json_builder_set_member_name (builder, "rejected");
  json_builder_add_int_value (builder, a.rejected);
  json_builder_set_member_name (builder, "error");
  if (error)
    json_builder_add_string_value (builder, error->message);
  else
    json_builder_add_null_value (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, FALSE);
  puts (text);
  fflush (stdout);
}

int
main (void)
{
  g_autofree char *line = NULL;
  size_t size = 0;
  ssize_t length;

  /* getline()'s block is malloc's, as g_free's is */
  while ((length = getline (&line, &size, stdin)) > 0)
    answer (line, (gsize) length - (line[length - 1] == '\n'));
  return 0;
}
