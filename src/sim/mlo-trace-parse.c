/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-trace.h"

#include <string.h>

#include "mlo-array.h"
#include "mlo-error.h"
#include "mlo-file.h"

/* No number of a trace needs more characters. */
#define MAX_FIELD 40
#define MAX_COLUMNS 4
/* What one delivery opportunity of mahimahi carries. */
#define MAHIMAHI_BITS (1500 * 8)

typedef enum
{
  COLUMN_TIME,
  COLUMN_CAPACITY,
  COLUMN_RTT,
  COLUMN_LOSS,
} Column;

static const struct
{
  const char *name;
  double max;
} columns[MAX_COLUMNS] = {
  {"time_ms", MLO_TRACE_MAX_TIME_MS},
  {"capacity_kbps", MLO_TRACE_MAX_KBPS},
  {"rtt_ms", MLO_TRACE_MAX_RTT_MS},
  {"loss", 1.0},
};

typedef struct
{
  const char *name;             /* for messages */
  guint line;
  Column order[MAX_COLUMNS];    /* what each column holds */
  guint n_columns;              /* 0: no `# columns=` yet */
  char kind[16];
  MloTraceRow *rows;
  guint n_rows, allocated;
  /* mahimahi: packets at the newest stamp, at time 0, and the stamp before */
  gint64 stamp_ms, stamp_before_ms;
  guint64 packets, packets_at_zero;
} Parser;

/* One field that need not end in NUL; nothing that strtod would take beyond a plain decimal. */
static gboolean
parse_number (const Parser * p, Column column, const char *text, gsize length, double *value, GError ** error)
{
  const char *field = columns[column].name;
  char copy[MAX_FIELD + 1], *end;

  while (length > 0 && (text[0] == ' ' || text[0] == '\t')) {
    text++;
    length--;
  }
  while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
    length--;
  if (length == 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: line %u: %s: no value", p->name, p->line, field);
    return FALSE;
  }
  if (length > MAX_FIELD) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: line %u: %s: longer than %d characters", p->name, p->line,
        field, MAX_FIELD);
    return FALSE;
  }
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isdigit (text[i]) && (text[i] == 0 || !strchr ("+-.eE", text[i]))) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: line %u: %s: not a number", p->name, p->line, field);
      return FALSE;
    }
  }
  memcpy (copy, text, length);
  copy[length] = 0;
  *value = g_ascii_strtod (copy, &end);
  if (end == copy || *end) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: line %u: %s: '%s' is not a number", p->name, p->line, field,
        copy);
    return FALSE;
  }
  if (!(*value >= 0.0 && *value <= columns[column].max)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "%s: line %u: %s: %s is outside 0 to %g", p->name, p->line, field,
        copy, columns[column].max);
    return FALSE;
  }
  return TRUE;
}

static gboolean
append_row (Parser * p, const MloTraceRow * row, GError ** error)
{
  if (p->n_rows >= MLO_TRACE_MAX_ROWS) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: line %u: more than %u rows", p->name, p->line,
        MLO_TRACE_MAX_ROWS);
    return FALSE;
  }
  if (!mlo_array_grow (&p->rows, p->n_rows, &p->allocated, sizeof *p->rows, p->name, error))
    return FALSE;
  p->rows[p->n_rows++] = *row;
  return TRUE;
}

/* `# columns=time_ms,capacity_kbps[,rtt_ms][,loss]` and `# source=... kind=lte ...` matter. */
static gboolean
parse_comment (Parser * p, const char *text, gsize length, GError ** error)
{
  g_autofree char *line = g_strndup (text, MIN (length, 1024));
  char *at;

  if ((at = strstr (line, "kind=")) && p->kind[0] == 0 && p->n_rows == 0) {
    guint n = 0;

    for (at += 5; g_ascii_isalnum (at[n]) && n + 1 < sizeof p->kind; n++)
      p->kind[n] = at[n];
    p->kind[n] = 0;
  }
  if ((at = strstr (line, "columns="))) {
    g_auto (GStrv) names = g_strsplit (g_strstrip (at + 8), ",", 16);
    guint seen = 0;

    if (p->n_rows > 0) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: line %u: columns: after the first row", p->name, p->line);
      return FALSE;
    }
    p->n_columns = 0;
    for (guint i = 0; names[i]; i++) {
      guint c;

      for (c = 0; c < MAX_COLUMNS; c++) {
        if (strcmp (g_strstrip (names[i]), columns[c].name) == 0)
          break;
      }
      if (c == MAX_COLUMNS) {
        g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: line %u: columns: '%.40s' is not known", p->name,
            p->line, names[i]);
        return FALSE;
      }
      if (seen & (1u << c)) {
        g_set_error (error, MLO_ERROR, MLO_ERROR_DUPLICATE, "%s: line %u: columns: %s twice", p->name, p->line,
            columns[c].name);
        return FALSE;
      }
      seen |= 1u << c;
      p->order[p->n_columns++] = (Column) c;
    }
    if ((seen & 3) != 3) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: line %u: columns: time_ms and capacity_kbps are needed",
          p->name, p->line);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
parse_csv_line (Parser * p, const char *text, gsize length, GError ** error)
{
  MloTraceRow row = { 0, 0.0, -1.0f, -1.0f };
  const char *end = text + length;
  double time_ms = 0.0;
  guint n = 0;

  if (p->n_columns == 0) {      /* no comment says: in the usual order, as many as there are */
    p->n_columns = 1;
    for (gsize i = 0; i < length; i++)
      p->n_columns += text[i] == ',';
    p->n_columns = CLAMP (p->n_columns, 2, MAX_COLUMNS);
    for (guint i = 0; i < MAX_COLUMNS; i++)
      p->order[i] = (Column) i;
  }
  for (const char *at = text; at <= end; n++) {
    const char *comma = memchr (at, ',', (gsize) (end - at));
    gsize field = (gsize) ((comma ? comma : end) - at);
    double value;

    if (n >= p->n_columns) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: line %u: more than the %u columns", p->name, p->line,
          p->n_columns);
      return FALSE;
    }
    /* Impairments may be left empty, time and capacity not. */
    if (field > 0 || p->order[n] <= COLUMN_CAPACITY) {
      if (!parse_number (p, p->order[n], at, field, &value, error))
        return FALSE;
      switch (p->order[n]) {
        case COLUMN_TIME:
          time_ms = value;
          break;
        case COLUMN_CAPACITY:
          row.capacity_kbps = value;
          break;
        case COLUMN_RTT:
          row.rtt_ms = (float) value;
          break;
        case COLUMN_LOSS:
          row.loss = (float) value;
          break;
      }
    }
    at += field + 1;
  }
  if (n < p->n_columns) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: line %u: %s: no such field in this line", p->name, p->line,
        columns[p->order[n]].name);
    return FALSE;
  }

  row.time_us = (gint64) llround (time_ms * 1000.0);
  if (p->n_rows == 0 && row.time_us != 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: line %u: time_ms: the first is %g, not 0", p->name, p->line,
        time_ms);
    return FALSE;
  }
  if (p->n_rows > 0) {
    gint64 before = p->rows[p->n_rows - 1].time_us;

    if (row.time_us <= before) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: line %u: time_ms: %g is not above %g of the row before",
          p->name, p->line, time_ms, (double) before / 1000.0);
      return FALSE;
    }
  }
  return append_row (p, &row, error);
}

/* The packets of the newest stamp become what the link carries from the stamp before up to it, so
 * that the last byte of a packet leaves at its stamp, as in mahimahi. */
static gboolean
finish_stamp (Parser * p, GError ** error)
{
  MloTraceRow row = { p->stamp_before_ms * 1000, 0.0, -1.0f, -1.0f };
  gint64 gap_ms = p->stamp_ms - p->stamp_before_ms;

  row.capacity_kbps = (double) (p->packets * MAHIMAHI_BITS) / (double) gap_ms;
  if (row.capacity_kbps > MLO_TRACE_MAX_KBPS) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "%s: line %u: more than %g kbit/s at %" G_GINT64_FORMAT " ms",
        p->name, p->line, MLO_TRACE_MAX_KBPS, p->stamp_ms);
    return FALSE;
  }
  /* Equal neighbours are one row. */
  if (p->n_rows > 0 && p->rows[p->n_rows - 1].capacity_kbps == row.capacity_kbps)
    return TRUE;
  return append_row (p, &row, error);
}

static gboolean
parse_mahimahi_line (Parser * p, const char *text, gsize length, GError ** error)
{
  double value;
  gint64 stamp;

  if (!parse_number (p, COLUMN_TIME, text, length, &value, error))
    return FALSE;
  stamp = (gint64) value;
  if ((double) stamp < value) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: line %u: time_ms: %g is not a whole number", p->name,
        p->line, value);
    return FALSE;
  }
  if (stamp < p->stamp_ms) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: line %u: time_ms: %" G_GINT64_FORMAT
        " is below %" G_GINT64_FORMAT " of the line before", p->name, p->line, stamp, p->stamp_ms);
    return FALSE;
  }
  if (stamp == 0) {
    /* The trace repeats: what leaves at 0 leaves at its end too, and is counted there. */
    p->packets_at_zero++;
    return TRUE;
  }
  if (stamp > p->stamp_ms) {
    if (p->packets > 0) {
      if (!finish_stamp (p, error))
        return FALSE;
      p->stamp_before_ms = p->stamp_ms;
    }
    p->stamp_ms = stamp;
    p->packets = 0;
  }
  p->packets++;
  return TRUE;
}

static MloTrace *
finish (Parser * p, gboolean mahimahi, GError ** error)
{
  const MloTraceRow *rows;
  gint64 duration_us;
  guint n;

  if (mahimahi) {
    if (p->packets == 0) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: line %u: time_ms: no stamp above 0", p->name, p->line);
      return NULL;
    }
    p->packets += p->packets_at_zero;
    if (!finish_stamp (p, error))
      return NULL;
    duration_us = p->stamp_ms * 1000;
  }
  rows = p->rows;
  n = p->n_rows;
  if (n == 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED, "%s: line %u: no rows", p->name, p->line);
    return NULL;
  }
  if (!mahimahi)
    duration_us = n > 1 ? 2 * rows[n - 1].time_us - rows[n - 2].time_us : G_USEC_PER_SEC;
  return mlo_trace_try_new (p->name, p->kind, g_steal_pointer (&p->rows), n, duration_us, error);
}

MloTrace *
mlo_trace_parse (const char *name, const char *text, gsize length, GError ** error)
{
  Parser p = { name };
  gboolean known = FALSE, mahimahi = FALSE;
  MloTrace *t = NULL;
  gsize at = 0;

  if (length > MLO_TRACE_MAX_BYTES) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: %" G_GSIZE_FORMAT " bytes, at most %u", name, length,
        MLO_TRACE_MAX_BYTES);
    return NULL;
  }
  while (at < length) {
    const char *line = text + at;
    const char *newline = memchr (line, '\n', length - at);
    gsize n = newline ? (gsize) (newline - line) : length - at;

    at += n + 1;
    p.line++;
    if (n > 0 && line[n - 1] == '\r')
      n--;
    if (n == 0)
      continue;
    if (line[0] == '#') {
      if (!parse_comment (&p, line, n, error))
        goto out;
      continue;
    }
    if (!known) {
      known = TRUE;
      mahimahi = p.n_columns == 0 && !memchr (line, ',', n);
    }
    if (mahimahi ? !parse_mahimahi_line (&p, line, n, error) : !parse_csv_line (&p, line, n, error))
      goto out;
  }
  t = finish (&p, mahimahi, error);
out:
  g_free (p.rows);
  return t;
}

MloTrace *
mlo_trace_load (const char *path, GError ** error)
{
  g_autofree guint8 *text = NULL;
  g_autofree char *name = NULL;
  MloTrace *t;
  gsize size;
  char *dot;

  if (!mlo_file_read_stream (path, MLO_TRACE_MAX_BYTES, &text, &size, error))
    return NULL;
  t = mlo_trace_parse (path, (const char *) text, size, error);
  if (!t)
    return NULL;
  name = g_path_get_basename (path);
  if ((dot = strrchr (name, '.')) && dot > name)
    *dot = 0;
  g_free (t->name);
  t->name = g_steal_pointer (&name);
  return t;
}
