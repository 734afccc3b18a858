/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The report of mloptimizer evaluate: a page with its style, its script, the chart library and its data inside. */
#include <gio/gio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mlo-contest-print.h"
#include "mlo-json-bound.h"

#define RESOURCE "/mloptimizer/report/"

/* Numbers of a run that the page shows link by link. */
static const char *const link_fields[] = {
  "score", "bitrate_kbps", "utilisation", "delay_p50_ms", "delay_p95_ms", "delay_p99_ms", "loss", "freeze_clear_s",
};

/* Numbers of the page's tables, as the text output has them. */
static const char *const row_fields[] = {
  "score", "mos", "bitrate_kbps", "utilisation", "delay_p50_ms", "delay_p95_ms", "delay_p99_ms", "delay_p95_clear_ms",
  "loss", "freezes", "freeze_s", "freeze_clear_s", "size_changes", "fps_changes", "keyframes", "seconds",
};

typedef struct
{
  JsonBuilder *b;
  gboolean capacity;            /* what is the same for all controllers is written once */
  GArray *rates, *queues;       /* of double */
} Plot;

/* Four digits are more than a screen shows. */
static void
add_value (JsonBuilder * b, double v)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (v))
    json_builder_add_double_value (b,
        mlo_json_writable (g_ascii_strtod (g_ascii_formatd (text, sizeof text, "%.4g", v), NULL)));
  else
    json_builder_add_null_value (b);
}

static void
begin_array (JsonBuilder * b, const char *name)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_array (b);
}

static void
add_string (JsonBuilder * b, const char *name, const char *value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, value ? value : "");
}

static void
add_row (const MloContest * c, guint contender, int kind, JsonBuilder * b)
{
  json_builder_begin_object (b);
  for (guint i = 0; i < G_N_ELEMENTS (row_fields); i++) {
    const MloResultField *f = mlo_result_field (row_fields[i]);

    begin_array (b, f->name);
    add_value (b, mlo_contest_mean (c, f, contender, -1, -1, kind));
    add_value (b, mlo_contest_spread (c, f, contender, kind));
    json_builder_end_array (b);
  }
  json_builder_end_object (b);
}

static void
add_prediction (const MloContest * c, int kind, JsonBuilder * b)
{
  static const char *const fields[] = { "prediction_error", "prediction_over", "prediction_under" };

  json_builder_begin_array (b);
  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    add_value (b, mlo_contest_mean (c, mlo_result_field (fields[i]), (guint) mlo_contest_predicting (c), -1, -1, kind));
  json_builder_end_array (b);
}

/* All kinds together first, then each. */
static void
add_kinds (const MloContest * c, JsonBuilder * b)
{
  begin_array (b, "kinds");
  for (int k = -1; k < (int) c->kinds->len; k++) {
    json_builder_begin_object (b);
    add_string (b, "name", k >= 0 ? c->kinds->pdata[k] : "all");
    json_builder_set_member_name (b, "apart");
    json_builder_add_boolean_value (b, k >= 0 && mlo_contest_kind_is_apart (c, (guint) k));
    begin_array (b, "rows");
    for (guint i = 0; i < c->contenders->len; i++)
      add_row (c, i, k, b);
    json_builder_end_array (b);
    if (mlo_contest_predicting (c) >= 0) {
      json_builder_set_member_name (b, "prediction");
      add_prediction (c, k, b);
    }
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

static void
add_links (const MloContest * c, JsonBuilder * b)
{
  begin_array (b, "links");
  for (guint l = 0; l < c->links->len; l++) {
    const MloContestLink *link = &g_array_index (c->links, MloContestLink, l);

    json_builder_begin_object (b);
    add_string (b, "name", link->trace->name);
    add_string (b, "seed", c->groups->pdata[link->group]);
    json_builder_set_member_name (b, "kind");
    json_builder_add_int_value (b, link->kind + 1);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

static double
mean_over_models (const MloContest * c, const MloResultField * f, guint contender, guint link)
{
  double sum = 0.0;

  for (guint m = 0; m < c->models->len; m++)
    sum += f->get (mlo_contest_outcome (c, m, contender, link));
  return sum / c->models->len;
}

/* values.FIELD[controller][link] */
static void
add_values (const MloContest * c, JsonBuilder * b)
{
  json_builder_set_member_name (b, "values");
  json_builder_begin_object (b);
  for (guint i = 0; i < G_N_ELEMENTS (link_fields); i++) {
    const MloResultField *f = mlo_result_field (link_fields[i]);

    begin_array (b, f->name);
    for (guint k = 0; k < c->contenders->len; k++) {
      json_builder_begin_array (b);
      for (guint l = 0; l < c->links->len; l++)
        add_value (b, mean_over_models (c, f, k, l));
      json_builder_end_array (b);
    }
    json_builder_end_array (b);
  }
  json_builder_end_object (b);
}

static void
on_tick (gpointer user_data, const MloEnvStep * step, const MloSample * sample)
{
  Plot *p = user_data;

  if (p->capacity) {
    json_builder_begin_array (p->b);
    add_value (p->b, (double) step->time_us / 1e6);
    add_value (p->b, step->capacity_kbps);
    json_builder_end_array (p->b);
    return;
  }
  g_array_append_val (p->rates, step->decision.bitrate_kbps);
  g_array_append_val (p->queues, step->queue_ms);
}

static void
add_series (JsonBuilder * b, const char *name, GArray * values)
{
  begin_array (b, name);
  for (guint i = 0; i < values->len; i++)
    add_value (b, g_array_index (values, double, i));
  json_builder_end_array (b);
}

static void
add_plot (const MloContest * c, guint link, JsonBuilder * b)
{
  Plot p = {.b = b,.capacity = TRUE };

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "link");
  json_builder_add_int_value (b, link);
  begin_array (b, "capacity");
  mlo_contest_replay (c, 0, 0, link, on_tick, &p);
  json_builder_end_array (b);
  begin_array (b, "runs");
  for (guint k = 0; k < c->contenders->len; k++) {
    Plot run = {.rates = g_array_new (FALSE, FALSE, sizeof (double)) };

    run.queues = g_array_new (FALSE, FALSE, sizeof (double));
    mlo_contest_replay (c, 0, k, link, on_tick, &run);
    json_builder_begin_object (b);
    add_series (b, "rate", run.rates);
    add_series (b, "queue", run.queues);
    json_builder_end_object (b);
    g_array_unref (run.rates);
    g_array_unref (run.queues);
  }
  json_builder_end_array (b);
  json_builder_end_object (b);
}

typedef struct
{
  guint link;
  double score;
} Scored;

static int
compare_scores (const void *a, const void *b)
{
  const Scored *x = a, *y = b;

  return x->score < y->score ? -1 : x->score > y->score ? 1 : x->link < y->link ? -1 : 1;
}

/* Of each kind the link that the first controller does middling on, and the one that it does worst on. */
static void
add_plots (const MloContest * c, JsonBuilder * b)
{
  begin_array (b, "plots");
  for (guint k = 0; k < c->kinds->len; k++) {
    g_autoptr (GArray) scored = g_array_new (FALSE, FALSE, sizeof (Scored));

    for (guint l = 0; l < c->links->len; l++) {
      Scored s = { l, mean_over_models (c, mlo_result_field ("score"), 0, l) };

      if (g_array_index (c->links, MloContestLink, l).kind == k && isfinite (s.score))
        g_array_append_val (scored, s);
    }
    if (scored->len == 0)
      continue;
    qsort (scored->data, scored->len, sizeof (Scored), compare_scores);
    add_plot (c, g_array_index (scored, Scored, scored->len / 2).link, b);
    if (scored->len > 2)
      add_plot (c, g_array_index (scored, Scored, 0).link, b);
  }
  json_builder_end_array (b);
}

static char *
data_as_json (const MloContest * c, const char *asked)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *date = g_date_time_format (now, "%Y-%m-%d %H:%M UTC");

  json_builder_begin_object (b);
  add_string (b, "version", MLO_VERSION);
  add_string (b, "asked", asked);
  add_string (b, "date", date);
  begin_array (b, "controllers");
  for (guint i = 0; i < c->contenders->len; i++)
    json_builder_add_string_value (b, mlo_contest_contender (c, i)->name);
  json_builder_end_array (b);
  json_builder_set_member_name (b, "models");
  json_builder_add_int_value (b, c->models->len);
  json_builder_set_member_name (b, "seeds");
  json_builder_add_int_value (b, c->groups->len);
  add_kinds (c, b);
  add_links (c, b);
  add_values (c, b);
  add_plots (c, b);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  json_generator_set_root (generator, root);
  return json_generator_to_data (generator, NULL);
}

static void
append_resource (GString * page, const char *name)
{
  g_autofree char *path = g_strconcat (RESOURCE, name, NULL);
  g_autoptr (GBytes) bytes = g_resources_lookup_data (path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);

  g_assert (bytes);
  g_string_append_len (page, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes));
}

/* In a script element nothing may look like its end: "<" is written as JSON may write it. */
static void
append_data (GString * page, const char *json)
{
  for (const char *s = json; *s; s++) {
    if (*s == '<')
      g_string_append (page, "\\u003c");
    else
      g_string_append_c (page, *s);
  }
}

gboolean
mlo_contest_write_report (const MloContest * c, const char *path, const char *asked, GError ** error)
{
  static const char *const parts[] = { "{{style}}", "{{library}}", "{{data}}", "{{script}}" };
  g_autoptr (GString) frame = g_string_new (NULL), page = g_string_new (NULL);
  g_autofree char *json = data_as_json (c, asked);
  const char *rest;

  append_resource (frame, "report.html");
  rest = frame->str;
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    const char *at = strstr (rest, parts[i]);

    g_assert (at);
    g_string_append_len (page, rest, at - rest);
    switch (i) {
      case 0:
        append_resource (page, "dygraph.min.css");
        append_resource (page, "report.css");
        break;
      case 1:
        append_resource (page, "dygraph.min.js");
        break;
      case 2:
        append_data (page, json);
        break;
      default:
        append_resource (page, "report.js");
        break;
    }
    rest = at + strlen (parts[i]);
  }
  g_string_append (page, rest);
  return g_file_set_contents_full (path, page->str, (gssize) page->len, G_FILE_SET_CONTENTS_CONSISTENT, 0644, error);
}
