/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Written by hand where it is numbers, thousands of them four times a second; strings go through json-glib. */
#include "mlo-hub-report.h"

#include <math.h>

#include <json-glib/json-glib.h>

#include "mlo-hub-private.h"

static void
append_string (GString * text, const char *string)
{
  g_autoptr (JsonNode) node = json_node_init_string (json_node_alloc (), string);
  g_autofree char *quoted = json_to_string (node, FALSE);

  g_string_append (text, quoted);
}

/* Six digits are more than any of these was measured with. */
static void
append_number (GString * text, double value)
{
  char digits[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (value))
    g_string_append (text, g_ascii_formatd (digits, sizeof digits, "%.6g", value));
  else
    g_string_append (text, "null");
}

/* The name of a member, after a comma where it is not the first. */
static void
append_name (GString * text, const char *name)
{
  char last = text->len > 0 ? text->str[text->len - 1] : '{';

  if (last != '{' && last != '[')
    g_string_append_c (text, ',');
  g_string_append_printf (text, "\"%s\":", name);
}

static void
append_text_member (GString * text, const char *name, const char *value)
{
  append_name (text, name);
  append_string (text, value);
}

static void
append_number_member (GString * text, const char *name, double value)
{
  append_name (text, name);
  append_number (text, value);
}

static void
append_integer_member (GString * text, const char *name, gint64 value)
{
  append_name (text, name);
  g_string_append_printf (text, "%" G_GINT64_FORMAT, value);
}

static void
append_bool_member (GString * text, const char *name, gboolean value)
{
  append_name (text, name);
  g_string_append (text, value ? "true" : "false");
}

static void
append_limits (GString * text, const char *name, const MloMessageLimits * limits)
{
  append_name (text, name);
  g_string_append_c (text, '{');
  if (limits->min_bitrate_kbps >= 0.0)
    append_number_member (text, "min_bitrate_kbps", limits->min_bitrate_kbps);
  if (limits->max_bitrate_kbps >= 0.0)
    append_number_member (text, "max_bitrate_kbps", limits->max_bitrate_kbps);
  if (limits->mode >= 0)
    append_text_member (text, "mode", limits->mode == 0 ? "control" : "observe");
  g_string_append_c (text, '}');
}

static void
append_decision (GString * text, const MloHubDecision * d, gint64 real_offset_us)
{
  if (text->str[text->len - 1] != '[')
    g_string_append_c (text, ',');
  g_string_append_c (text, '{');
  append_integer_member (text, "serial", (gint64) d->serial);
  append_integer_member (text, "time_ms", (d->time_us + real_offset_us) / 1000);
  append_text_member (text, "action", mlo_action_protocol_name (d->what.action));
  append_text_member (text, "state", mlo_guard_state_name (d->what.state));
  append_text_member (text, "limiter", mlo_limiter_name (d->what.limiter));
  append_text_member (text, "reason", d->what.reason);
  append_number_member (text, "bitrate_kbps", d->what.bitrate_kbps);
  append_integer_member (text, "width", d->what.width);
  append_integer_member (text, "height", d->what.height);
  append_number_member (text, "fps", d->what.fps);
  g_string_append_c (text, '}');
}

static void
append_decisions (GString * text, const MloHubStream * s, guint64 since, gint64 real_offset_us)
{
  guint n = MIN (s->n_decisions, MLO_HUB_MAX_DECISIONS);

  append_name (text, "decisions");
  g_string_append_c (text, '[');
  for (guint i = s->n_decisions - n; i < s->n_decisions; i++) {
    const MloHubDecision *d = &s->decisions[i % MLO_HUB_MAX_DECISIONS];

    if (d->serial > since)
      append_decision (text, d, real_offset_us);
  }
  g_string_append_c (text, ']');
}

static void
append_values (GString * text, const MloHubStream * s, gint64 now_us)
{
  append_name (text, "values");
  g_string_append_c (text, '{');
  for (int f = 0; f < MLO_N_FIELDS; f++) {
    if (mlo_hub_fresh (s->values[f].time_us, now_us))
      append_number_member (text, mlo_field_info (f)->name, s->values[f].value);
  }
  g_string_append_c (text, '}');
}

/* All of a stream but the closing brace. */
static void
append_stream (GString * text, const MloHub * hub, const MloHubStream * s, gint64 now_us, guint64 since)
{
  g_string_append_c (text, '{');
  append_text_member (text, "name", s->name);
  append_bool_member (text, "online", mlo_hub_stream_online (s, now_us));
  append_bool_member (text, "controlled", s->controller != NULL);
  append_integer_member (text, "since_ms", (s->first_us + hub->real_offset_us) / 1000);
  append_values (text, s, now_us);
  if (mlo_hub_fresh (s->decided_us, now_us)) {
    append_text_member (text, "state", mlo_guard_state_name (s->last.state));
    append_text_member (text, "limiter", mlo_limiter_name (s->last.limiter));
    append_text_member (text, "reason", s->last.reason);
    append_number_member (text, "confidence", s->last.confidence);
    if (s->last.predicted_kbps >= 0.0)
      append_number_member (text, "predicted_kbps", s->last.predicted_kbps);
  }
  if (s->in_force_us > 0)
    append_limits (text, "limits", &s->in_force);
  if (s->asked_us > 0)
    append_limits (text, "asked", &s->asked);
  append_decisions (text, s, since, hub->real_offset_us);
  append_integer_member (text, "messages", (gint64) s->n_messages);
  append_integer_member (text, "recommendations", (gint64) s->n_recommendations);
  append_integer_member (text, "rejected", (gint64) s->n_rejected);
}

char *
mlo_hub_report_streams (const MloHub * hub, gint64 now_us)
{
  GString *text = g_string_new ("{");

  append_integer_member (text, "now_ms", (now_us + hub->real_offset_us) / 1000);
  append_name (text, "streams");
  g_string_append_c (text, '[');
  for (guint i = 0; i < hub->streams->len; i++) {
    if (i > 0)
      g_string_append_c (text, ',');
    append_stream (text, hub, g_ptr_array_index (hub->streams, i), now_us, 0);
    g_string_append_c (text, '}');
  }
  g_string_append (text, "]}");
  return g_string_free (text, FALSE);
}

char *
mlo_hub_report_stream (const MloHub * hub, const char *name, gint64 now_us)
{
  const MloHubStream *s = mlo_hub_find (hub, name);
  GString *text;

  if (!s)
    return NULL;
  text = g_string_new (NULL);
  append_stream (text, hub, s, now_us, 0);
  g_string_append_c (text, '}');
  return g_string_free (text, FALSE);
}

static void
append_point (const MloHistoryPoint * point, gpointer user_data)
{
  GString *text = user_data;

  if (text->str[text->len - 1] == ']')
    g_string_append_c (text, ',');
  g_string_append_printf (text, "[%" G_GINT64_FORMAT, point->time_ms);
  for (int c = 0; c < MLO_HISTORY_N; c++) {
    g_string_append_c (text, ',');
    append_number (text, (double) point->value[c]);
  }
  g_string_append_c (text, ']');
}

char *
mlo_hub_report_live (const MloHub * hub, gint64 now_us, guint64 * serial)
{
  GString *text = g_string_new ("{\"type\":\"live\"");

  append_integer_member (text, "now_ms", (now_us + hub->real_offset_us) / 1000);
  append_name (text, "streams");
  g_string_append_c (text, '[');
  for (guint i = 0; i < hub->streams->len; i++) {
    const MloHubStream *s = g_ptr_array_index (hub->streams, i);

    if (i > 0)
      g_string_append_c (text, ',');
    append_stream (text, hub, s, now_us, *serial);
    append_name (text, "point");
    if (s->point)
      append_point (&s->newest, text);
    else
      g_string_append (text, "null");
    g_string_append_c (text, '}');
  }
  g_string_append (text, "]}");
  *serial = hub->n_decisions;
  return g_string_free (text, FALSE);
}

char *
mlo_hub_report_history (const MloHub * hub, const char *name, gint64 since_ms)
{
  const MloHubStream *s = mlo_hub_find (hub, name);
  GString *text;

  if (!s)
    return NULL;
  text = g_string_new ("{");
  append_text_member (text, "stream", name);
  g_string_append (text, ",\"columns\":[\"time_ms\"");
  for (int c = 0; c < MLO_HISTORY_N; c++)
    g_string_append_printf (text, ",\"%s\"", mlo_history_column_name (c));
  g_string_append (text, "],\"points\":[");
  mlo_history_foreach (s->history, since_ms, append_point, text);
  g_string_append (text, "]}");
  return g_string_free (text, FALSE);
}

/* ---- Prometheus ---- */

/* A label's value: backslash, quote and line feed are escaped, all else stays. */
static void
append_label (GString * text, const char *value)
{
  for (const char *c = value; *c; c++) {
    if (*c == '\\' || *c == '"')
      g_string_append_c (text, '\\');
    if (*c == '\n')
      g_string_append (text, "\\n");
    else
      g_string_append_c (text, *c);
  }
}

static void
append_series (GString * text, const char *metric, const MloHubStream * s, double value)
{
  char digits[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_printf (text, "%s{stream=\"", metric);
  append_label (text, s->name);
  g_string_append_printf (text, "\"} %s\n", g_ascii_formatd (digits, sizeof digits, "%.15g", value));
}

static void
append_head (GString * text, const char *metric, const char *type, const char *help)
{
  g_string_append_printf (text, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
}

static void
append_field (GString * text, const MloHub * hub, MloField field, gint64 now_us)
{
  const MloFieldInfo *info = mlo_field_info (field);
  g_autofree char *metric = g_strdup_printf ("mloptimizer_%s", info->name);
  g_autofree char *help = g_strdup_printf ("%s (%s)", info->text, info->unit);
  gboolean any = FALSE;

  for (guint i = 0; i < hub->streams->len; i++) {
    const MloHubStream *s = g_ptr_array_index (hub->streams, i);

    if (!mlo_hub_fresh (s->values[field].time_us, now_us))
      continue;
    if (!any)
      append_head (text, metric, "gauge", help);
    any = TRUE;
    append_series (text, metric, s, s->values[field].value);
  }
}

/* The numbers of a stream that are no fields. */
typedef enum
{
  SERIES_UP,
  SERIES_CONTROLLED,
  SERIES_STATE,
  SERIES_MESSAGES,
  SERIES_RECOMMENDATIONS,
  SERIES_REJECTED,
} Series;

static double
series_value (Series series, const MloHubStream * s, gint64 now_us)
{
  switch (series) {
    case SERIES_UP:
      return mlo_hub_stream_online (s, now_us);
    case SERIES_CONTROLLED:
      return s->controller != NULL;
    case SERIES_STATE:
      return mlo_hub_fresh (s->decided_us, now_us) ? (double) s->last.state : -1.0;
    case SERIES_MESSAGES:
      return (double) s->n_messages;
    case SERIES_RECOMMENDATIONS:
      return (double) s->n_recommendations;
    case SERIES_REJECTED:
      return (double) s->n_rejected;
  }
  return NAN;
}

void
mlo_hub_report_prometheus (const MloHub * hub, gint64 now_us, GString * text)
{
  static const struct
  {
    const char *metric, *type, *help;
  } series[] = {
    [SERIES_UP] = {"mloptimizer_stream_up", "gauge", "whether a message of the stream came within 5 s"},
    [SERIES_CONTROLLED] = {"mloptimizer_stream_controlled", "gauge", "whether a controller is connected"},
    [SERIES_STATE] = {"mloptimizer_stream_state", "gauge",
        "the guard: 0 normal, 1 hold, 2 backoff, 3 fallback, -1 not known"},
    [SERIES_MESSAGES] = {"mloptimizer_stream_messages_total", "counter", "messages of the stream"},
    [SERIES_RECOMMENDATIONS] = {"mloptimizer_stream_recommendations_total", "counter", "decisions of the controller"},
    [SERIES_REJECTED] = {"mloptimizer_stream_rejected_total", "counter", "fields left out for a wrong type or value"},
  };

  for (guint k = 0; k < G_N_ELEMENTS (series); k++) {
    append_head (text, series[k].metric, series[k].type, series[k].help);
    for (guint i = 0; i < hub->streams->len; i++) {
      const MloHubStream *s = g_ptr_array_index (hub->streams, i);

      append_series (text, series[k].metric, s, series_value ((Series) k, s, now_us));
    }
  }
  for (int f = 0; f < MLO_N_FIELDS; f++)
    append_field (text, hub, f, now_us);
}
