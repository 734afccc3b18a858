/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text to messages; the way back is mlo-message-write.c. */
#include "mlo-message.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "mlo-error.h"
#include "mlo-json-bound.h"

#define MAX_TIMESTAMP_US 1e17   /* us since 1970 in the year 5000 */
#define MAX_KBPS 1e7
#define MAX_SIDE 65536

static void
reject (MloMessage * m, const char *field)
{
  if (m->rejected++ == 0)
    g_strlcpy (m->rejected_field, field, sizeof m->rejected_field);
}

/* The member, where it is there and not null: null says "not measured". */
static JsonNode *
member (JsonObject * object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

static gboolean
is_number (JsonNode * node)
{
  return JSON_NODE_HOLDS_VALUE (node) && (json_node_get_value_type (node) == G_TYPE_INT64
      || json_node_get_value_type (node) == G_TYPE_DOUBLE);
}

/* @value stays as it is where the member is missing or wrong. */
static void
read_number (MloMessage * m, JsonObject * object, const char *name, double min, double max, double *value)
{
  JsonNode *node = member (object, name);
  double number;

  if (!node)
    return;
  number = is_number (node) ? json_node_get_double (node) : (double) NAN;
  if (number >= min && number <= max)
    *value = number;
  else
    reject (m, name);
}

/* NULL where the member is missing or no text. */
static const char *
read_text (MloMessage * m, JsonObject * object, const char *name)
{
  JsonNode *node = member (object, name);
  const char *text;

  if (!node)
    return NULL;
  text = JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
      ? json_node_get_string (node) : NULL;
  if (text && g_utf8_validate (text, -1, NULL))
    return text;
  reject (m, name);
  return NULL;
}

/* The index of the member's text among @n names; -1 where it is missing or none of them. */
static int
read_name (MloMessage * m, JsonObject * object, const char *field, const char *(*name_of) (int), int n)
{
  const char *text = read_text (m, object, field);

  for (int i = 0; text && i < n; i++) {
    if (strcmp (name_of (i), text) == 0)
      return i;
  }
  if (text)
    reject (m, field);
  return -1;
}

/* "1920x1080" */
static gboolean
read_resolution (MloMessage * m, JsonObject * object, int *width, int *height)
{
  const char *text = read_text (m, object, "resolution");
  guint64 w, h = 0;
  char *end = NULL;

  if (!text)
    return FALSE;
  w = g_ascii_isdigit (*text) ? g_ascii_strtoull (text, &end, 10) : 0;
  if (w > 0 && *end == 'x' && g_ascii_isdigit (end[1]))
    h = g_ascii_strtoull (end + 1, &end, 10);
  if (h == 0 || *end != '\0' || w > MAX_SIDE || h > MAX_SIDE) {
    reject (m, "resolution");
    return FALSE;
  }
  *width = (int) w;
  *height = (int) h;
  return TRUE;
}

static void
read_sample (MloMessage * m, JsonObject * object)
{
  double complexity = -1.0;
  int width, height;

  /* The other names of the same things come first, so that the table's own win. */
  read_number (m, object, "complexity_score", 0.0, 1.0, &complexity);
  if (complexity >= 0.0)
    mlo_sample_set (&m->sample, MLO_FIELD_COMPLEXITY, complexity);
  if (read_resolution (m, object, &width, &height)) {
    mlo_sample_set (&m->sample, MLO_FIELD_WIDTH, width);
    mlo_sample_set (&m->sample, MLO_FIELD_HEIGHT, height);
  }
  for (int f = 0; f < MLO_N_FIELDS; f++) {
    const MloFieldInfo *info = mlo_field_info (f);
    JsonNode *node = member (object, info->name);

    if (node && !(is_number (node) && mlo_sample_set (&m->sample, f, json_node_get_double (node))))
      reject (m, info->name);
  }
}

static void
read_timestamp (MloMessage * m, JsonObject * object)
{
  double t = 0.0;

  read_number (m, object, "timestamp", 0.0, MAX_TIMESTAMP_US, &t);
  if (t < 1e11)
    t *= 1e6;
  else if (t < 1e14)
    t *= 1e3;
  m->real_time_us = (gint64) llrint (t);
}

static const char *
mode_name (int mode)
{
  return mode == 0 ? "control" : "observe";
}

static void
read_limits (MloMessage * m, JsonObject * object)
{
  read_number (m, object, "min_bitrate_kbps", 0.0, MAX_KBPS, &m->limits.min_bitrate_kbps);
  read_number (m, object, "max_bitrate_kbps", 0.0, MAX_KBPS, &m->limits.max_bitrate_kbps);
  m->limits.mode = read_name (m, object, "mode", mode_name, 2);
}

/* The object called @name, or NULL. */
static JsonObject *
read_object (MloMessage * m, JsonObject * object, const char *name)
{
  JsonNode *node = member (object, name);

  if (node && JSON_NODE_HOLDS_OBJECT (node))
    return json_node_get_object (node);
  if (node)
    reject (m, name);
  return NULL;
}

static const char *
action_name (int i)
{
  return mlo_action_protocol_name ((MloAction) i);
}

static const char *
state_name (int i)
{
  return mlo_guard_state_name ((MloGuardState) i);
}

static const char *
limiter_name (int i)
{
  return mlo_limiter_name ((MloLimiter) i);
}

/* As much of @text as fits, cut between characters. */
static void
copy_text (char *to, gsize size, const char *text)
{
  const char *end;

  g_strlcpy (to, text, size);
  if (!g_utf8_validate (to, -1, &end))
    to[end - to] = '\0';
}

static void
read_recommendation (MloMessage * m, JsonObject * object)
{
  MloRecommendation *r = &m->recommendation;
  JsonObject *quality = read_object (m, object, "quality_action");
  JsonObject *metrics = read_object (m, object, "metrics");
  JsonObject *limits = read_object (m, object, "limits");
  const char *reason = NULL;
  int action = -1, state, limiter;

  if (quality) {
    action = read_name (m, quality, "action", action_name, MLO_N_ACTIONS);
    reason = read_text (m, quality, "reason");
  }
  state = read_name (m, object, "state", state_name, MLO_N_GUARD_STATES);
  limiter = read_name (m, object, "limiter", limiter_name, MLO_N_LIMITERS);
  r->action = action >= 0 ? (MloAction) action : MLO_ACTION_NONE;
  r->state = state >= 0 ? (MloGuardState) state : MLO_GUARD_HOLD;
  r->limiter = limiter >= 0 ? (MloLimiter) limiter : MLO_LIMITER_NONE;
  copy_text (r->reason, sizeof r->reason, reason ? reason : "");
  r->predicted_kbps = r->capacity_kbps = -1.0;
  read_number (m, object, "bitrate_kbps", 0.0, MAX_KBPS, &r->bitrate_kbps);
  read_number (m, object, "predicted_kbps", 0.0, MAX_KBPS, &r->predicted_kbps);
  read_number (m, object, "capacity_kbps", 0.0, MAX_KBPS, &r->capacity_kbps);
  read_number (m, object, "confidence", 0.0, 1.0, &r->confidence);
  read_number (m, object, "fps", 0.0, 1000.0, &r->fps);
  read_resolution (m, object, &r->width, &r->height);
  if (metrics)
    read_sample (m, metrics);
  if (limits)
    read_limits (m, limits);
}

gboolean
mlo_message_check_stream (const char *name, GError ** error)
{
  if (strlen (name) >= MLO_STREAM_NAME_SIZE) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "longer than %d bytes", MLO_STREAM_NAME_SIZE - 1);
    return FALSE;
  }
  if (!g_utf8_validate (name, -1, NULL)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "not UTF-8");
    return FALSE;
  }
  for (const char *c = name; *c; c = g_utf8_next_char (c)) {
    if (g_unichar_iscntrl (g_utf8_get_char (c))) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "a control character");
      return FALSE;
    }
  }
  return TRUE;
}

/* Whom it is about must be right: a faulty name makes the text a faulty one. */
static gboolean
read_stream (MloMessage * m, JsonObject * object, guint index, GError ** error)
{
  JsonNode *node = member (object, "stream");
  const char *text = NULL;

  if (!node)
    return TRUE;
  if (is_number (node)) {
    double number = json_node_get_double (node);

    /* 7.0 is an integer in JSON; beyond 2^53 a sender that has doubles cannot mean one */
    if (number == rint (number) && fabs (number) < 0x1p53) {
      g_snprintf (m->stream, sizeof m->stream, "%" G_GINT64_FORMAT, (gint64) number);
      return TRUE;
    }
  }
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
    text = json_node_get_string (node);
  if (!text) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "message %u: field stream: neither a string nor an integer", index);
    return FALSE;
  }
  if (!mlo_message_check_stream (text, error)) {
    g_prefix_error (error, "message %u: field stream: ", index);
    return FALSE;
  }
  g_strlcpy (m->stream, text, sizeof m->stream);
  return TRUE;
}

/* -1: a type of some later version, or no type at all. */
static int
type_of (JsonObject * object)
{
  static const char *const names[] = { "metrics", "recommendation", "limits", "limits_applied" };
  JsonNode *node = member (object, "type");

  if (!node)
    return MLO_MESSAGE_METRICS;
  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_STRING)
    return -1;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (strcmp (names[i], json_node_get_string (node)) == 0)
      return (int) i;
  }
  return -1;
}

static void
read_message (MloMessage * m, JsonObject * object, MloMessageType type)
{
  m->type = type;
  m->limits.min_bitrate_kbps = m->limits.max_bitrate_kbps = -1.0;
  m->limits.mode = -1;
  read_timestamp (m, object);
  if (type == MLO_MESSAGE_METRICS)
    read_sample (m, object);
  else if (type == MLO_MESSAGE_RECOMMENDATION)
    read_recommendation (m, object);
  else
    read_limits (m, object);
}

/* Appends what @node is to @messages. */
static gboolean
take_object (JsonNode * node, guint index, GArray * messages, GError ** error)
{
  MloMessage m = { 0 };
  JsonObject *object;
  int type;

  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "message %u: not an object", index);
    return FALSE;
  }
  object = json_node_get_object (node);
  type = type_of (object);
  if (type < 0)
    return TRUE;
  if (!read_stream (&m, object, index, error))
    return FALSE;
  read_message (&m, object, (MloMessageType) type);
  g_array_append_val (messages, m);
  return TRUE;
}

static gboolean
take_root (JsonNode * root, GArray * messages, GError ** error)
{
  JsonArray *array;
  guint n;

  if (!JSON_NODE_HOLDS_ARRAY (root))
    return take_object (root, 0, messages, error);
  array = json_node_get_array (root);
  n = json_array_get_length (array);
  if (n > MLO_MESSAGE_MAX_OBJECTS) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "an array of %u objects, more than %d", n,
        MLO_MESSAGE_MAX_OBJECTS);
    return FALSE;
  }
  for (guint i = 0; i < n; i++) {
    if (!take_object (json_array_get_element (array, i), i, messages, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
is_space (char c)
{
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* One JSON value that is safe to hand to the parser; @text and @length are narrowed to it. */
static gboolean
bound (const char **text, gsize * length, GError ** error)
{
  gsize end = 0;

  if (*length > MLO_MESSAGE_MAX_BYTES) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%" G_GSIZE_FORMAT " bytes, more than %u", *length,
        MLO_MESSAGE_MAX_BYTES);
    return FALSE;
  }
  while (*length > 0 && is_space (**text)) {
    (*text)++;
    (*length)--;
  }
  while (*length > 0 && is_space ((*text)[*length - 1]))
    (*length)--;
  if (!mlo_json_bound (*text, *length, MLO_MESSAGE_MAX_DEPTH, &end, error))
    return FALSE;
  if (end != *length) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "text after the value, at offset %" G_GSIZE_FORMAT, end);
    return FALSE;
  }
  return TRUE;
}

void
mlo_message_keep (const MloMessage * message, gpointer user_data)
{
  *(MloMessage *) user_data = *message;
}

int
mlo_message_parse (const char *text, gsize length, MloMessageFunc func, gpointer user_data, GError ** error)
{
  g_autoptr (GArray) messages = NULL;
  g_autoptr (JsonParser) parser = NULL;
  g_autoptr (GError) local = NULL;
  JsonNode *root;

  if (!bound (&text, &length, error))
    return -1;
  parser = json_parser_new ();
  if (!json_parser_load_from_data (parser, text, (gssize) length, &local)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s", local->message);
    return -1;
  }
  root = json_parser_get_root (parser);
  if (!root) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "no value");
    return -1;
  }
  messages = g_array_new (FALSE, FALSE, sizeof (MloMessage));
  if (!take_root (root, messages, error))
    return -1;
  for (guint i = 0; i < messages->len; i++)
    func (&g_array_index (messages, MloMessage, i), user_data);
  return (int) messages->len;
}
