/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-service.h"

#include <string.h>

#include "mlo-error.h"
#include "mlo-timer.h"
#include "mlo-ws-uri.h"

/* Idle streams are looked for so often. */
#define SWEEP_S 1

const MloServiceConfig mlo_service_config_default = {
  .max_streams = 64,
  .idle_us = 60 * G_USEC_PER_SEC,
};

typedef struct
{
  MloService *service;
  char *uri;
  char *server;                 /* the same without its query */
  MloWsClient *client;
  GHashTable *streams;          /* name -> Stream */
  MloSession *all;              /* holds the limits asked for all streams; never sees metrics */
  gboolean refused;             /* a stream too many was told of */
} Connection;

typedef struct
{
  Connection *connection;
  char name[MLO_STREAM_NAME_SIZE];
  MloSession *session;
  gint64 since_us;
  gint64 waiting_us;            /* of the oldest metrics without a recommendation; 0: none */
  gboolean introduced;          /* this connection has got a recommendation */
  MloSessionIgnored ignored;
} Stream;

struct _MloService
{
  MloServiceConfig config;
  MloServiceFunc func;
  gpointer user_data;
  GMainContext *context;
  GPtrArray *connections;
  GSource *due;                 /* ready when a stream's next decision may be made */
  GSource *sweep;
  gboolean closing;             /* ending one connection may still dispatch another's */
  guint64 rejected;
  MloSessionCounts gone;        /* of streams that were forgotten */
};

static void
tell (MloService * s, MloServiceEvent * event)
{
  s->func (s->user_data, event);
}

static void
stream_free (gpointer data)
{
  Stream *stream = data;
  const MloSessionCounts *counts = mlo_session_counts (stream->session);
  MloSessionCounts *gone = &stream->connection->service->gone;

  gone->messages += counts->messages;
  gone->decisions += counts->decisions;
  gone->late += counts->late;
  mlo_session_free (stream->session);
  g_free (stream);
}

/* The stream of that name, made where there is room; else NULL. */
static Stream *
find_stream (Connection * c, const char *name, gint64 now_us)
{
  Stream *stream = g_hash_table_lookup (c->streams, name);
  MloServiceEvent event = {.server = c->server,.stream = name };
  MloMessageLimits limits;

  if (stream)
    return stream;
  if (g_hash_table_size (c->streams) >= c->service->config.max_streams) {
    event.type = MLO_SERVICE_REFUSED;
    if (!c->refused)
      tell (c->service, &event);
    c->refused = TRUE;
    return NULL;
  }
  stream = g_new0 (Stream, 1);
  stream->connection = c;
  stream->since_us = now_us;
  g_strlcpy (stream->name, name, sizeof stream->name);
  stream->session = mlo_session_new (&c->service->config.session);
  mlo_session_get_limits (c->all, &limits);
  mlo_session_ask_limits (stream->session, &limits);
  g_hash_table_insert (c->streams, stream->name, stream);
  event.type = MLO_SERVICE_STREAM;
  tell (c->service, &event);
  return stream;
}

/* Whom a connection has told nothing yet is told all targets: what was in force is not known there. */
static gboolean
send_recommendation (Stream * stream, const MloDecision * d)
{
  const MloSource *source = mlo_session_source (stream->session);
  MloDecision nothing = { 0 };
  MloMessageLimits limits;
  g_autofree char *text = NULL;

  if (mlo_ws_client_state (stream->connection->client) != MLO_WS_OPEN)
    return FALSE;
  mlo_session_get_limits (stream->session, &limits);
  text = mlo_message_recommendation (stream->name, g_get_real_time (), d,
      stream->introduced ? mlo_session_before (stream->session) : &nothing, mlo_session_sample (stream->session),
      &limits, source->width, source->height, source->fps);
  stream->introduced = mlo_ws_client_send (stream->connection->client, text);
  return stream->introduced;
}

static void
decide (Stream * stream)
{
  const MloDecision *d = mlo_session_decide (stream->session, g_get_monotonic_time ());
  MloSessionIgnored ignored = mlo_session_ignored (stream->session);
  MloService *s = stream->connection->service;
  MloServiceEvent event = {.type = MLO_SERVICE_DECISION,.server = stream->connection->server,.stream = stream->name };

  event.decision = d;
  event.before = mlo_session_before (stream->session);
  event.sample = mlo_session_sample (stream->session);
  event.sent = send_recommendation (stream, d);
  event.took_us = g_get_monotonic_time () - stream->waiting_us;
  stream->waiting_us = 0;
  tell (s, &event);
  if (ignored != stream->ignored) {
    stream->ignored = event.ignored = ignored;
    event.type = MLO_SERVICE_IGNORED;
    tell (s, &event);
  }
}

/* Decides where it is time; what must wait is left to the due source. */
static void
decide_due (MloService * s)
{
  gint64 now_us = g_get_monotonic_time (), next = 0;

  for (guint i = 0; i < s->connections->len; i++) {
    Connection *c = g_ptr_array_index (s->connections, i);
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, c->streams);
    while (g_hash_table_iter_next (&iter, NULL, &value)) {
      Stream *stream = value;
      gint64 due_us = mlo_session_due_us (stream->session);

      if (due_us <= now_us)
        decide (stream);
      else if (due_us != G_MAXINT64 && (next == 0 || due_us < next))
        next = due_us;
    }
  }
  g_source_set_ready_time (s->due, next == 0 ? -1 : next);
}

static gboolean
on_due (gpointer data)
{
  decide_due (data);
  return G_SOURCE_CONTINUE;
}

static void
limits_asked (Connection * c, const MloMessage * m, gint64 now_us)
{
  MloServiceEvent event = {.type = MLO_SERVICE_LIMITS,.server = c->server,.stream = m->stream };
  Stream *stream = NULL;
  g_autofree char *text = NULL;

  if (m->stream[0] != '\0' && !(stream = find_stream (c, m->stream, now_us)))
    return;
  if (!stream) {
    GHashTableIter iter;
    gpointer value;

    g_hash_table_iter_init (&iter, c->streams);
    while (g_hash_table_iter_next (&iter, NULL, &value))
      mlo_session_ask_limits (((Stream *) value)->session, &m->limits);
    mlo_session_ask_limits (c->all, &m->limits);
  } else
    mlo_session_ask_limits (stream->session, &m->limits);
  mlo_session_get_limits (stream ? stream->session : c->all, &event.limits);
  text = mlo_message_limits_applied (m->stream, &event.limits);
  mlo_ws_client_send (c->client, text);
  tell (c->service, &event);
}

static void
rejected (Connection * c, const char *stream, const char *text, guint64 n)
{
  MloServiceEvent event = {.type = MLO_SERVICE_REJECTED,.server = c->server,.stream = stream,.text = text };

  c->service->rejected += n;
  tell (c->service, &event);
}

static void
on_message (const MloMessage * m, gpointer data)
{
  Connection *c = data;
  gint64 now_us = g_get_monotonic_time ();
  Stream *stream;

  if (m->type != MLO_MESSAGE_METRICS && m->type != MLO_MESSAGE_LIMITS)
    return;
  if (m->rejected > 0)
    rejected (c, m->stream, m->rejected_field, m->rejected);
  if (m->type == MLO_MESSAGE_LIMITS) {
    limits_asked (c, m, now_us);
    return;
  }
  /* Nothing told, nothing to decide on: a greeting, a later version's message. */
  if (m->sample.valid == 0 || !(stream = find_stream (c, m->stream, now_us)))
    return;
  if (stream->waiting_us == 0)
    stream->waiting_us = now_us;
  mlo_session_metrics (stream->session, now_us, m->real_time_us, &m->sample);
}

static void
on_text (gpointer data, const char *text, gsize length)
{
  Connection *c = data;
  g_autoptr (GError) error = NULL;

  if (c->service->closing)
    return;
  if (mlo_message_parse (text, length, on_message, c, &error) < 0)
    rejected (c, "", error->message, 1);
  decide_due (c->service);
}

static void
on_state (gpointer data, MloWsState state)
{
  Connection *c = data;
  MloServiceEvent event = {.type = MLO_SERVICE_CONNECTION,.server = c->server,.state = state };
  GHashTableIter iter;
  gpointer value;

  if (c->service->closing)
    return;
  g_hash_table_iter_init (&iter, c->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    ((Stream *) value)->introduced = FALSE;
  if (state == MLO_WS_WAITING)
    event.text = mlo_ws_client_counts (c->client)->last_error;
  tell (c->service, &event);
}

static const MloWsFuncs ws_funcs = { on_text, on_state };

static void
forget_idle (Connection * c, gint64 now_us)
{
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, c->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    Stream *stream = value;
    MloServiceEvent event = {.type = MLO_SERVICE_FORGOTTEN,.server = c->server,.stream = stream->name };

    if (now_us - MAX (stream->since_us, mlo_session_last_us (stream->session)) < c->service->config.idle_us)
      continue;
    tell (c->service, &event);
    g_hash_table_iter_remove (&iter);
    c->refused = FALSE;
  }
}

static gboolean
on_sweep (gpointer data)
{
  MloService *s = data;

  for (guint i = 0; i < s->connections->len; i++)
    forget_idle (g_ptr_array_index (s->connections, i), g_get_monotonic_time ());
  return G_SOURCE_CONTINUE;
}

static void
connection_free (gpointer data)
{
  Connection *c = data;

  mlo_ws_client_free (c->client);
  if (c->streams)
    g_hash_table_unref (c->streams);
  mlo_session_free (c->all);
  g_free (c->server);
  g_free (c->uri);
  g_free (c);
}

MloService *
mlo_service_new (GMainContext * context, const MloServiceConfig * config, MloServiceFunc func, gpointer user_data)
{
  MloService *s = g_new0 (MloService, 1);

  s->config = *config;
  s->func = func;
  s->user_data = user_data;
  s->context = context ? g_main_context_ref (context) : NULL;
  s->connections = g_ptr_array_new_with_free_func (connection_free);
  s->due = mlo_timer_new (context, on_due, s, G_PRIORITY_DEFAULT);
  s->sweep = g_timeout_source_new_seconds (SWEEP_S);
  g_source_set_callback (s->sweep, on_sweep, s, NULL);
  g_source_attach (s->sweep, context);
  return s;
}

/* (transfer full): the address as it may be shown. */
static char *
shown (GUri * uri)
{
  return g_uri_to_string_partial (uri, G_URI_HIDE_QUERY | G_URI_HIDE_FRAGMENT | G_URI_HIDE_USERINFO);
}

gboolean
mlo_service_add (MloService * s, const char *uri, GError ** error)
{
  g_autoptr (GUri) parsed = mlo_ws_uri_parse (uri, error);
  MloWsConfig ws = s->config.ws;
  Connection *c;

  if (!parsed)
    return FALSE;
  c = g_new0 (Connection, 1);
  c->service = s;
  c->uri = g_strdup (uri);
  c->server = shown (parsed);
  for (guint i = 0; i < s->connections->len; i++) {
    if (strcmp (((Connection *) g_ptr_array_index (s->connections, i))->uri, uri) == 0) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "%s: given twice", c->server);
      connection_free (c);
      return FALSE;
    }
  }
  c->streams = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, stream_free);
  c->all = mlo_session_new (&s->config.session);
  ws.uri = uri;
  ws.seed = g_str_hash (uri) ^ (guint64) g_get_real_time ();
  c->client = mlo_ws_client_new (s->context, &ws, &ws_funcs, c, error);
  if (!c->client) {
    connection_free (c);
    return FALSE;
  }
  g_ptr_array_add (s->connections, c);
  mlo_ws_client_start (c->client);
  return TRUE;
}

static void
count_connection (const Connection * c, MloServiceCounts * counts)
{
  const MloWsCounts *ws = mlo_ws_client_counts (c->client);
  GHashTableIter iter;
  gpointer value;

  counts->open += mlo_ws_client_state (c->client) == MLO_WS_OPEN;
  counts->streams += g_hash_table_size (c->streams);
  counts->ws.connects += ws->connects;
  counts->ws.failures += ws->failures;
  counts->ws.received += ws->received;
  counts->ws.sent += ws->sent;
  counts->ws.dropped += ws->dropped;
  counts->ws.rejected += ws->rejected;
  counts->ws.limited += ws->limited;
  g_hash_table_iter_init (&iter, c->streams);
  while (g_hash_table_iter_next (&iter, NULL, &value)) {
    const MloSessionCounts *n = mlo_session_counts (((Stream *) value)->session);

    counts->messages += n->messages;
    counts->decisions += n->decisions;
    counts->late += n->late;
  }
}

void
mlo_service_set_networks (MloService * s, const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer)
{
  s->config.session.predictor = predictor;
  s->config.session.optimizer = optimizer;
  for (guint i = 0; i < s->connections->len; i++) {
    Connection *c = s->connections->pdata[i];
    GHashTableIter iter;
    gpointer value;

    mlo_session_set_networks (c->all, predictor, optimizer);
    g_hash_table_iter_init (&iter, c->streams);
    while (g_hash_table_iter_next (&iter, NULL, &value))
      mlo_session_set_networks (((Stream *) value)->session, predictor, optimizer);
  }
}

void
mlo_service_counts (const MloService * s, MloServiceCounts * counts)
{
  memset (counts, 0, sizeof *counts);
  counts->connections = s->connections->len;
  counts->messages = s->gone.messages;
  counts->decisions = s->gone.decisions;
  counts->late = s->gone.late;
  counts->rejected = s->rejected;
  for (guint i = 0; i < s->connections->len; i++)
    count_connection (g_ptr_array_index (s->connections, i), counts);
}

void
mlo_service_free (MloService * s)
{
  if (!s)
    return;
  s->closing = TRUE;
  g_source_destroy (s->due);
  g_source_unref (s->due);
  g_source_destroy (s->sweep);
  g_source_unref (s->sweep);
  g_ptr_array_unref (s->connections);
  if (s->context)
    g_main_context_unref (s->context);
  g_free (s);
}
