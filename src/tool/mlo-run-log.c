/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-run-log.h"

#include <math.h>
#include <stdio.h>

#include <json-glib/json-glib.h>

#include "mlo-json-bound.h"

/* A stream's bitrate is told anew when it moved by this share, at most so often. */
#define TELL_SHARE 0.1
#define TELL_US G_USEC_PER_SEC
/* Faulty messages of one server are told so often; those between are counted. */
#define REJECTED_US (10 * G_USEC_PER_SEC)

/* What was told of a stream, or of a server's faults, last. */
typedef struct
{
  gint64 at_us;
  double bitrate_kbps, fps;
  int height;
  guint64 untold;
} Told;

struct _MloRunLog
{
  gboolean json, verbose;
  GHashTable *told;             /* "server stream" -> Told */
};

MloRunLog *
mlo_run_log_new (gboolean json, gboolean verbose)
{
  MloRunLog *log = g_new0 (MloRunLog, 1);

  log->json = json;
  log->verbose = verbose;
  log->told = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return log;
}

void
mlo_run_log_free (MloRunLog * log)
{
  if (!log)
    return;
  g_hash_table_unref (log->told);
  g_free (log);
}

static Told *
told_of (MloRunLog * log, const char *kind, const MloServiceEvent * event)
{
  g_autofree char *key = g_strdup_printf ("%s %s %s", kind, event->server, event->stream ? event->stream : "");
  Told *told = g_hash_table_lookup (log->told, key);

  if (!told) {
    told = g_new0 (Told, 1);
    g_hash_table_insert (log->told, g_steal_pointer (&key), told);
  }
  return told;
}

static void
forget (MloRunLog * log, const MloServiceEvent * event)
{
  g_autofree char *key = g_strdup_printf ("decision %s %s", event->server, event->stream);

  g_hash_table_remove (log->told, key);
}

/* Whether a decision is worth a line. */
static gboolean
worth_telling (MloRunLog * log, const MloServiceEvent * event)
{
  Told *told = told_of (log, "decision", event);
  const MloDecision *d = event->decision;
  gint64 now_us = g_get_monotonic_time ();
  gboolean other = d->height != told->height || d->fps != told->fps;

  if (!log->verbose && told->at_us != 0 && !other
      && (now_us - told->at_us < TELL_US
          || fabs (d->bitrate_kbps - told->bitrate_kbps) < TELL_SHARE * told->bitrate_kbps))
    return FALSE;
  told->at_us = now_us;
  told->bitrate_kbps = d->bitrate_kbps;
  told->height = d->height;
  told->fps = d->fps;
  return TRUE;
}

/* How many faults of this server went untold since the last line; -1: this one does, too. */
static gint64
faults_to_tell (MloRunLog * log, const MloServiceEvent * event)
{
  MloServiceEvent server = {.server = event->server };
  Told *told = told_of (log, "rejected", &server);
  gint64 now_us = g_get_monotonic_time (), untold;

  if (!log->verbose && told->at_us != 0 && now_us - told->at_us < REJECTED_US) {
    told->untold++;
    return -1;
  }
  untold = (gint64) told->untold;
  told->at_us = now_us;
  told->untold = 0;
  return untold;
}

static const char *
mode_name (const MloMessageLimits * limits)
{
  return limits->mode == 1 ? "observe" : "control";
}

/* (transfer full): "bitrate, resolution", or "nothing". */
static char *
ignored_names (MloSessionIgnored ignored)
{
  g_autoptr (GString) text = g_string_new (NULL);
  static const struct
  {
    MloAdapt bit;
    const char *name;
  } names[] = {
    {MLO_ADAPT_BITRATE, "bitrate"},
    {MLO_ADAPT_RESOLUTION, "resolution"},
    {MLO_ADAPT_FRAMERATE, "frame rate"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (ignored & names[i].bit)
      g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", names[i].name);
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* (transfer full): what a server caused to be said, fit for a terminal and for JSON. */
static char *
clean (const char *text)
{
  char *valid = g_utf8_make_valid (text ? text : "", -1);

  for (char *c = valid; *c; c++) {
    if (g_ascii_iscntrl (*c))
      *c = ' ';
  }
  return valid;
}

static void
print_line (const char *server, const char *stream, const char *format, ...)
G_GNUC_PRINTF (3, 4);

     static void print_line (const char *server, const char *stream, const char *format, ...)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%H:%M:%S");
  va_list args;

  printf ("%s ", time);
  if (server)
    printf ("%s", server);
  if (stream && *stream)
    printf (" [%s]", stream);
  if (server)
    printf (": ");
  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  printf ("\n");
  fflush (stdout);
}

static void
print_decision (const MloServiceEvent * e)
{
  const MloDecision *d = e->decision;
  char size[32] = "", fps[32] = "", path[64] = "";

  if (d->height > 0)
    g_snprintf (size, sizeof size, " %dx%d", d->width, d->height);
  if (d->fps > 0.0)
    g_snprintf (fps, sizeof fps, " %.4g fps", d->fps);
  if (d->capacity_kbps > 0.0)
    g_snprintf (path, sizeof path, ", path %.0f", d->capacity_kbps);
  print_line (e->server, e->stream, "%.0f kbit/s%s%s (%s: %s%s, queue %.0f ms, loss %.1f %%)%s", d->bitrate_kbps, size,
      fps, mlo_guard_state_name (d->state), d->reason ? d->reason : "", path,
      mlo_sample_get (e->sample, MLO_FIELD_QUEUE_DELAY, 0.0),
      100.0 * mlo_sample_get (e->sample, MLO_FIELD_PACKET_LOSS, 0.0), e->sent ? "" : ", not sent");
}

static void
print_connection (const MloServiceEvent * e, const char *text)
{
  switch (e->state) {
    case MLO_WS_OPEN:
      print_line (e->server, NULL, "connected");
      break;
    case MLO_WS_WAITING:
      print_line (e->server, NULL, "not connected: %s; tries again", *text ? text : "ended");
      break;
    default:
      break;
  }
}

static void
print_event (MloRunLog * log, const MloServiceEvent * e, gint64 untold)
{
  g_autofree char *ignored = NULL, *text = clean (e->text);

  switch (e->type) {
    case MLO_SERVICE_CONNECTION:
      print_connection (e, text);
      break;
    case MLO_SERVICE_STREAM:
      print_line (e->server, e->stream, "new stream");
      break;
    case MLO_SERVICE_FORGOTTEN:
      print_line (e->server, e->stream, "idle: forgotten");
      break;
    case MLO_SERVICE_REFUSED:
      print_line (e->server, e->stream, "one stream too many: left alone");
      break;
    case MLO_SERVICE_DECISION:
      print_decision (e);
      break;
    case MLO_SERVICE_LIMITS:
      print_line (e->server, e->stream, "limits: %.0f to %.0f kbit/s, %s", e->limits.min_bitrate_kbps,
          e->limits.max_bitrate_kbps, mode_name (&e->limits));
      break;
    case MLO_SERVICE_IGNORED:
      ignored = ignored_names (e->ignored);
      if (e->ignored)
        print_line (e->server, e->stream, "does not follow: %s", ignored);
      else
        print_line (e->server, e->stream, "follows again");
      break;
    case MLO_SERVICE_REJECTED:
      print_line (e->server, e->stream, "message not understood: %s (and %" G_GINT64_FORMAT " before)", text, untold);
      break;
  }
}

static void
add_text (JsonBuilder * b, const char *name, const char *text)
{
  json_builder_set_member_name (b, name);
  json_builder_add_string_value (b, text ? text : "");
}

static void
add_number (JsonBuilder * b, const char *name, double value)
{
  if (!isfinite (value) || value < 0.0)
    return;
  json_builder_set_member_name (b, name);
  json_builder_add_double_value (b, mlo_json_writable (value));
}

static void
add_count (JsonBuilder * b, const char *name, guint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, (gint64) value);
}

/* Whole kbit/s are enough. */
static void
add_kbps (JsonBuilder * b, const char *name, double kbps)
{
  if (isfinite (kbps) && kbps >= 0.0)
    add_count (b, name, (guint64) (kbps + 0.5));
}

static JsonBuilder *
json_begin (const char *event)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *time = g_date_time_format (now, "%Y-%m-%dT%H:%M:%S.%fZ");
  JsonBuilder *b = json_builder_new ();

  json_builder_begin_object (b);
  add_text (b, "time", time);
  add_text (b, "event", event);
  return b;
}

/* Takes @b. */
static void
json_end (JsonBuilder * b)
{
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_end_object (b);
  root = json_builder_get_root (b);
  text = json_to_string (root, FALSE);
  puts (text);
  fflush (stdout);
  g_object_unref (b);
}

static void
json_decision (JsonBuilder * b, const MloServiceEvent * e)
{
  const MloDecision *d = e->decision;

  add_kbps (b, "bitrate_kbps", d->bitrate_kbps);
  if (d->height > 0) {
    add_count (b, "width", (guint64) d->width);
    add_count (b, "height", (guint64) d->height);
  }
  if (d->fps > 0.0)
    add_number (b, "fps", d->fps);
  add_text (b, "state", mlo_guard_state_name (d->state));
  add_text (b, "limiter", mlo_limiter_name (d->limiter));
  add_text (b, "reason", d->reason);
  add_kbps (b, "predicted_kbps", d->predicted_kbps);
  add_kbps (b, "capacity_kbps", d->capacity_kbps);
  add_number (b, "queue_delay_ms", mlo_sample_get (e->sample, MLO_FIELD_QUEUE_DELAY, -1.0));
  add_number (b, "packet_loss", mlo_sample_get (e->sample, MLO_FIELD_PACKET_LOSS, -1.0));
  add_count (b, "took_us", (guint64) e->took_us);
  json_builder_set_member_name (b, "sent");
  json_builder_add_boolean_value (b, e->sent);
}

static void
json_event (const MloServiceEvent * e, gint64 untold)
{
  static const char *const names[] = {
    [MLO_SERVICE_CONNECTION] = "connection",[MLO_SERVICE_STREAM] = "stream",[MLO_SERVICE_FORGOTTEN] = "forgotten",
    [MLO_SERVICE_REFUSED] = "refused",[MLO_SERVICE_DECISION] = "decision",[MLO_SERVICE_LIMITS] = "limits",
    [MLO_SERVICE_IGNORED] = "ignored",[MLO_SERVICE_REJECTED] = "rejected",
  };
  JsonBuilder *b = json_begin (names[e->type]);
  g_autofree char *ignored = NULL, *text = clean (e->text);

  add_text (b, "server", e->server);
  if (e->stream)
    add_text (b, "stream", e->stream);
  switch (e->type) {
    case MLO_SERVICE_CONNECTION:
      add_text (b, "state", mlo_ws_state_name (e->state));
      if (*text)
        add_text (b, "error", text);
      break;
    case MLO_SERVICE_DECISION:
      json_decision (b, e);
      break;
    case MLO_SERVICE_LIMITS:
      add_kbps (b, "min_bitrate_kbps", e->limits.min_bitrate_kbps);
      add_kbps (b, "max_bitrate_kbps", e->limits.max_bitrate_kbps);
      add_text (b, "mode", mode_name (&e->limits));
      break;
    case MLO_SERVICE_IGNORED:
      ignored = ignored_names (e->ignored);
      add_text (b, "what", ignored);
      break;
    case MLO_SERVICE_REJECTED:
      add_text (b, "error", text);
      add_count (b, "untold", (guint64) untold);
      break;
    default:
      break;
  }
  json_end (b);
}

void
mlo_run_log_event (gpointer user_data, const MloServiceEvent * event)
{
  MloRunLog *log = user_data;
  gint64 untold = 0;

  if (event->type == MLO_SERVICE_DECISION && !worth_telling (log, event))
    return;
  if (event->type == MLO_SERVICE_REJECTED && (untold = faults_to_tell (log, event)) < 0)
    return;
  if (event->type == MLO_SERVICE_FORGOTTEN)
    forget (log, event);
  if (log->json)
    json_event (event, untold);
  else
    print_event (log, event, untold);
}

void
mlo_run_log_process (MloRunLog * log, const char *event, const char *text, const MloServiceCounts * counts)
{
  if (!log->json) {
    print_line (NULL, NULL, "%s%s%s", event, text ? ": " : "", text ? text : "");
    if (counts)
      print_line (NULL, NULL, "%" G_GUINT64_FORMAT " metrics, %" G_GUINT64_FORMAT " recommendations, %" G_GUINT64_FORMAT
          " faults in messages, %" G_GUINT64_FORMAT " connections lost or refused", counts->messages, counts->decisions,
          counts->rejected, counts->ws.failures);
  } else {
    JsonBuilder *b = json_begin (event);

    if (text)
      add_text (b, "text", text);
    if (counts) {
      add_count (b, "messages", counts->messages);
      add_count (b, "decisions", counts->decisions);
      add_count (b, "late", counts->late);
      add_count (b, "rejected", counts->rejected);
      add_count (b, "connects", counts->ws.connects);
      add_count (b, "failures", counts->ws.failures);
      add_count (b, "received", counts->ws.received);
      add_count (b, "sent", counts->ws.sent);
      add_count (b, "dropped", counts->ws.dropped);
      add_count (b, "limited", counts->ws.limited);
    }
    json_end (b);
  }
}
