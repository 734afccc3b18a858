/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-channel.h"

#include <string.h>

#include <gmodule.h>

#include "mlo-timer.h"
#include "mlo-ws-client.h"

/* Reports that wait for the channel's thread: three seconds of them. */
#define RING 32

struct _MloChannel
{
  const MloChannelFuncs *funcs;
  gpointer user_data;
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  GSource *wake;                /* something is in the ring */
  gint open;                    /* atomic: there is somebody to send to */

  GMutex lock;                  /* protects the following; a leaf */
  MloChannelReport ring[RING];
  guint head, count;
  guint64 overrun;              /* pushed out of the ring */
  MloChannelCounts counts;      /* as of the last event */

  /* The thread's own. */
  MloWsClient *client;
  guint64 refused;              /* texts */
  guint64 rejected;             /* fields */
};

/* --- from the server; on the thread --- */

static void
publish (MloChannel * c)
{
  const MloWsCounts *n = mlo_ws_client_counts (c->client);

  g_mutex_lock (&c->lock);
  c->counts.state = mlo_ws_state_name (mlo_ws_client_state (c->client));
  c->counts.connects = n->connects;
  c->counts.failures = n->failures;
  c->counts.received = n->received;
  c->counts.sent = n->sent;
  c->counts.dropped = n->dropped + c->overrun;
  c->counts.rejected = n->rejected + n->limited + c->refused + c->rejected;
  memcpy (c->counts.last_error, n->last_error, sizeof c->counts.last_error);
  g_mutex_unlock (&c->lock);
}

static void
on_limits (MloChannel * c, const MloMessageLimits * asked)
{
  MloMessageLimits in_force = *asked;
  g_autofree char *text = NULL;

  c->funcs->limits (c->user_data, asked, &in_force);
  text = mlo_message_limits_applied ("", &in_force);
  mlo_ws_client_send (c->client, text);
}

static void
on_message (const MloMessage * message, gpointer user_data)
{
  MloChannel *c = user_data;

  c->rejected += message->rejected;
  if (message->type == MLO_MESSAGE_METRICS)
    c->funcs->metrics (c->user_data, &message->sample, message->rejected);
  else if (message->type == MLO_MESSAGE_LIMITS)
    on_limits (c, &message->limits);
  if (message->rejected > 0) {
    g_autofree char *text =
        g_strdup_printf ("a message of the server's has values that make no sense, first of them %s",
        message->rejected_field);

    c->funcs->warn (c->user_data, MLO_CHANNEL_WARN_TEXT, text);
  }
}

static void
on_text (gpointer user_data, const char *text, gsize length)
{
  MloChannel *c = user_data;
  g_autoptr (GError) error = NULL;

  if (mlo_message_parse (text, length, on_message, c, &error) < 0) {
    g_autofree char *said = g_strdup_printf ("the server sends what is no message: %s", error->message);

    c->refused++;
    c->funcs->warn (c->user_data, MLO_CHANNEL_WARN_TEXT, said);
  }
  publish (c);
}

static void
on_state (gpointer user_data, MloWsState state)
{
  MloChannel *c = user_data;

  g_atomic_int_set (&c->open, state == MLO_WS_OPEN);
  publish (c);
  if (state == MLO_WS_WAITING)
    c->funcs->warn (c->user_data, MLO_CHANNEL_WARN_CONNECTION, mlo_ws_client_counts (c->client)->last_error);
}

static const MloWsFuncs client_funcs = { on_text, on_state };

/* --- to the server --- */

static gboolean
take (MloChannel * c, MloChannelReport * report)
{
  gboolean any;

  g_mutex_lock (&c->lock);
  any = c->count > 0;
  if (any) {
    *report = c->ring[c->head];
    c->head = (c->head + 1) % RING;
    c->count--;
  }
  g_mutex_unlock (&c->lock);
  return any;
}

static gboolean
on_wake (gpointer data)
{
  MloChannel *c = data;
  MloChannelReport r;

  g_source_set_ready_time (c->wake, -1);
  while (take (c, &r)) {
    g_autofree char *text =
        mlo_message_recommendation ("", r.real_time_us, &r.decision, &r.before, &r.sample, &r.limits,
        r.source_width, r.source_height, r.source_fps);

    mlo_ws_client_send (c->client, text);
  }
  publish (c);
  return G_SOURCE_CONTINUE;
}

static void
channel_report (MloChannel * c, const MloChannelReport * report)
{
  if (!g_atomic_int_get (&c->open))
    return;
  g_mutex_lock (&c->lock);
  if (c->count == RING) {
    /* the oldest gives way */
    c->head = (c->head + 1) % RING;
    c->count--;
    c->overrun++;
  }
  c->ring[(c->head + c->count++) % RING] = *report;
  g_mutex_unlock (&c->lock);
  g_source_set_ready_time (c->wake, 0);
}

static void
channel_get_counts (MloChannel * c, MloChannelCounts * counts)
{
  g_mutex_lock (&c->lock);
  *counts = c->counts;
  g_mutex_unlock (&c->lock);
}

/* --- the thread --- */

static gpointer
run (gpointer data)
{
  MloChannel *c = data;

  g_main_context_push_thread_default (c->context);
  mlo_ws_client_start (c->client);
  g_main_loop_run (c->loop);
  g_source_destroy (c->wake);
  mlo_ws_client_free (c->client);
  g_main_context_pop_thread_default (c->context);
  return NULL;
}

static MloChannel *
channel_open (const MloChannelConfig * config, const MloChannelFuncs * funcs, gpointer user_data, GError ** error)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  MloChannel *c = g_new0 (MloChannel, 1);
  MloWsConfig ws = mlo_ws_config_default;

  ws.uri = config->uri;
  ws.token = config->token;
  ws.ca_file = config->ca_file;
  ws.seed = config->seed;
  c->client = mlo_ws_client_new (context, &ws, &client_funcs, c, error);
  if (!c->client) {
    g_free (c);
    return NULL;
  }
  c->funcs = funcs;
  c->user_data = user_data;
  g_mutex_init (&c->lock);
  c->counts.state = mlo_ws_state_name (MLO_WS_CONNECTING);
  c->context = g_steal_pointer (&context);
  c->loop = g_main_loop_new (c->context, FALSE);
  c->wake = mlo_timer_new (c->context, on_wake, c, G_PRIORITY_DEFAULT);
  c->thread = g_thread_new ("mloptimizer-ws", run, c);
  return c;
}

static gboolean
quit (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

static void
channel_close (MloChannel * c)
{
  /* From inside the loop: a quit before it runs would be lost. */
  GSource *last = g_idle_source_new ();

  g_source_set_priority (last, G_PRIORITY_HIGH);
  g_source_set_callback (last, quit, c->loop, NULL);
  g_source_attach (last, c->context);
  g_source_unref (last);
  g_thread_join (c->thread);
  g_source_unref (c->wake);
  g_main_loop_unref (c->loop);
  g_main_context_unref (c->context);
  g_mutex_clear (&c->lock);
  g_free (c);
}

G_MODULE_EXPORT const MloChannelTable mlo_channel_table = {
  .version = MLO_VERSION,
  .report_size = sizeof (MloChannelReport),
  .counts_size = sizeof (MloChannelCounts),
  .open = channel_open,
  .report = channel_report,
  .get_counts = channel_get_counts,
  .close = channel_close,
};
