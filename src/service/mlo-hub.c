/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who speaks of which stream, and who is told. */
#include "mlo-hub.h"

#include <math.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "mlo-error.h"
#include "mlo-hub-private.h"
#include "mlo-json-bound.h"

/* What a stream is called whose messages name none. */
#define NAMELESS "stream"

/* One message on its way through the hub. */
typedef struct
{
  MloHub *hub;
  MloHubPeer *peer;
  const char *text;             /* of this message alone, not NUL-terminated */
  gsize length;
  gint64 now_us;
} Arrival;

MloHub *
mlo_hub_new (gint64 real_offset_us, MloHubSendFunc send, gpointer user_data)
{
  MloHub *hub = g_new0 (MloHub, 1);

  hub->send = send;
  hub->user_data = user_data;
  hub->real_offset_us = real_offset_us;
  hub->streams = g_ptr_array_new_with_free_func ((GDestroyNotify) mlo_hub_stream_free);
  hub->peers = g_ptr_array_new_with_free_func (g_free);
  return hub;
}

void
mlo_hub_free (MloHub * hub)
{
  if (!hub)
    return;
  g_ptr_array_unref (hub->streams);
  g_ptr_array_unref (hub->peers);
  g_free (hub);
}

const MloHubCounters *
mlo_hub_counters (const MloHub * hub)
{
  return &hub->counters;
}

guint
mlo_hub_n_streams (const MloHub * hub)
{
  return hub->streams->len;
}

MloHubPeer *
mlo_hub_join (MloHub * hub, const char *name, gboolean may_limit, gpointer peer_data, gint64 now_us)
{
  MloHubPeer *peer = g_new0 (MloHubPeer, 1);

  g_strlcpy (peer->name, name ? name : "", sizeof peer->name);
  peer->joined_us = now_us;
  peer->data = peer_data;
  peer->may_limit = may_limit;
  g_ptr_array_add (hub->peers, peer);
  return peer;
}

void
mlo_hub_leave (MloHub * hub, MloHubPeer * peer, gint64 now_us)
{
  for (guint i = 0; i < hub->streams->len; i++) {
    MloHubStream *s = g_ptr_array_index (hub->streams, i);

    if (s->controller == peer)
      s->controller = NULL;
    g_hash_table_remove (s->audience, peer);
    g_hash_table_remove (s->offered, peer);
  }
  g_ptr_array_remove (hub->peers, peer);
}

static void
send_to (MloHub * hub, MloHubPeer * peer, const char *text)
{
  hub->send (peer->data, text, hub->user_data);
  hub->counters.forwarded++;
}

/* ---- streams and their names ---- */

MloHubStream *
mlo_hub_find (const MloHub * hub, const char *name)
{
  for (guint i = 0; i < hub->streams->len; i++) {
    MloHubStream *s = g_ptr_array_index (hub->streams, i);

    if (strcmp (s->name, name) == 0)
      return s;
  }
  return NULL;
}

/* The longest silent of the streams that nobody controls, where it is silent at all. */
static MloHubStream *
least_wanted (const MloHub * hub, gint64 now_us)
{
  MloHubStream *found = NULL;

  for (guint i = 0; i < hub->streams->len; i++) {
    MloHubStream *s = g_ptr_array_index (hub->streams, i);

    if (!s->controller && !mlo_hub_stream_online (s, now_us) && (!found || s->last_us < found->last_us))
      found = s;
  }
  return found;
}

static MloHubStream *
add_stream (MloHub * hub, const char *name, const char *local, gint64 now_us, GError ** error)
{
  MloHubStream *s;

  if (hub->streams->len >= MLO_HUB_MAX_STREAMS) {
    MloHubStream *old = least_wanted (hub, now_us);

    if (!old) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "field stream: \"%s\" would be the %dth stream", name,
          MLO_HUB_MAX_STREAMS + 1);
      return NULL;
    }
    g_ptr_array_remove (hub->streams, old);
  }
  s = mlo_hub_stream_new (name, local, now_us);
  g_ptr_array_add (hub->streams, s);
  return s;
}

static MloHubStream *
controlled_by (const MloHub * hub, const MloHubPeer * peer, const char *local)
{
  for (guint i = 0; i < hub->streams->len; i++) {
    MloHubStream *s = g_ptr_array_index (hub->streams, i);

    if (s->controller == peer && strcmp (s->local, local) == 0)
      return s;
  }
  return NULL;
}

static gboolean
is_free (const MloHubStream * s, gint64 now_us)
{
  return !s->controller || now_us - s->controller_us >= MLO_HUB_SILENT_US;
}

/* The stream that @peer's recommendations for @local are about: its own, one that is free, or a new one. */
static MloHubStream *
claim (Arrival * a, const char *local, GError ** error)
{
  MloHub *hub = a->hub;
  MloHubStream *s = controlled_by (hub, a->peer, local);
  const char *base = *local ? local : *a->peer->name ? a->peer->name : NAMELESS;

  if (s)
    return s;
  for (guint k = 1; k <= MLO_HUB_MAX_STREAMS; k++) {
    g_autofree char *name = k == 1 ? g_strdup (base) : g_strdup_printf ("%s#%u", base, k);

    s = mlo_hub_find (hub, name);
    if (s && !is_free (s, a->now_us))
      continue;
    if (!s)
      s = add_stream (hub, name, local, a->now_us, error);
    break;
  }
  if (!s)
    return NULL;
  s->controller = a->peer;
  g_free (s->local);
  s->local = g_strdup (local);
  if (!g_hash_table_contains (s->offered, a->peer))
    a->peer->own = TRUE;
  g_hash_table_remove_all (s->offered);
  if (s->asked_us > 0) {
    g_autofree char *text = mlo_message_limits (s->local, &s->asked);

    send_to (hub, a->peer, text);
  }
  return s;
}

/* ---- metrics ---- */

static void
forward_to_controller (Arrival * a, MloHubStream * s, const MloMessage * m)
{
  g_autofree char *text = mlo_message_metrics (s->local, m->real_time_us, &m->sample);

  send_to (a->hub, s->controller, text);
}

/* A stream that waits for someone to control it. */
static void
offer (Arrival * a, MloHubStream * s, const MloMessage * m)
{
  g_autofree char *text = NULL;

  for (guint i = 0; i < a->hub->peers->len; i++) {
    MloHubPeer *p = g_ptr_array_index (a->hub->peers, i);

    if (p == a->peer || p->measures || p->own || a->now_us - p->joined_us < MLO_HUB_LISTEN_US)
      continue;
    if (!text)
      text = mlo_message_metrics (m->stream, m->real_time_us, &m->sample);
    g_hash_table_add (s->offered, p);
    send_to (a->hub, p, text);
  }
}

static void
measured (Arrival * a, MloHubStream * s, const MloMessage * m)
{
  gboolean controlled = s->controller && s->controller != a->peer;
  MloSample sample = m->sample;

  g_hash_table_add (s->audience, a->peer);
  s->n_messages++;
  s->n_rejected += m->rejected;
  /* The bitrate is the controller's to say; and where it measures itself, others only fill in. */
  if (controlled)
    mlo_sample_unset (&sample, MLO_FIELD_BITRATE);
  mlo_hub_stream_measure (s, &sample, !controlled || !s->controller->own, a->now_us);
  if (controlled)
    forward_to_controller (a, s, m);
  else
    offer (a, s, m);
}

static gboolean
take_metrics (Arrival * a, const MloMessage * m, GError ** error)
{
  MloHubStream *s = controlled_by (a->hub, a->peer, m->stream);
  const char *name = *m->stream ? m->stream : a->peer->name;
  MloHubStream *named = *name ? mlo_hub_find (a->hub, name) : NULL;
  gboolean any = FALSE;

  if (!s && named && named->controller == a->peer)
    s = named;
  if (s) {
    s->n_messages++;
    s->n_rejected += m->rejected;
    s->controller_us = a->now_us;
    mlo_hub_stream_measure (s, &m->sample, TRUE, a->now_us);
    return TRUE;
  }
  a->peer->measures = TRUE;
  if (!*name) {
    a->peer->measures_all = TRUE;
    for (guint i = 0; i < a->hub->streams->len; i++) {
      s = g_ptr_array_index (a->hub->streams, i);
      if (s->controller && s->controller != a->peer) {
        measured (a, s, m);
        any = TRUE;
      }
    }
    if (any)
      return TRUE;
  }
  s = mlo_hub_find (a->hub, *name ? name : NAMELESS);
  if (!s)
    s = add_stream (a->hub, *name ? name : NAMELESS, m->stream, a->now_us, error);
  if (!s)
    return FALSE;
  measured (a, s, m);
  return TRUE;
}

/* ---- recommendations and limits ---- */

/* The message under the name that the others know; NULL where the text will not be parsed again. */
static char *
renamed (const char *text, gsize length, const char *name)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root;

  if (!json_parser_load_from_data (parser, text, (gssize) length, NULL))
    return NULL;
  root = json_parser_get_root (parser);
  json_object_set_string_member (json_node_get_object (root), "stream", name);
  return json_to_string (root, FALSE);
}

/* The text goes on as it came, so that what a later version adds arrives too. */
static void
tell_audience (Arrival * a, MloHubStream * s)
{
  g_autofree char *text = NULL;

  for (guint i = 0; i < a->hub->peers->len; i++) {
    MloHubPeer *p = g_ptr_array_index (a->hub->peers, i);

    if (p == a->peer || !(p->measures_all || g_hash_table_contains (s->audience, p)))
      continue;
    if (!text)
      text = !*s->local || strcmp (s->local, s->name) == 0 ? g_strndup (a->text, a->length)
          : renamed (a->text, a->length, s->name);
    if (text)
      send_to (a->hub, p, text);
  }
}

static gboolean
take_recommendation (Arrival * a, const MloMessage * m, GError ** error)
{
  MloHubStream *s = claim (a, m->stream, error);

  if (!s)
    return FALSE;
  s->n_messages++;
  s->n_rejected += m->rejected;
  mlo_hub_stream_decide (s, m, &a->hub->n_decisions, a->now_us);
  tell_audience (a, s);
  return TRUE;
}

static gboolean
take_limits_applied (Arrival * a, const MloMessage * m, GError ** error)
{
  MloHubStream *s = controlled_by (a->hub, a->peer, m->stream);

  if (!s) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING,
        "limits_applied for \"%s\", which this connection does not control", m->stream);
    return FALSE;
  }
  s->n_messages++;
  s->in_force = m->limits;
  s->in_force_us = s->last_us = s->controller_us = a->now_us;
  tell_audience (a, s);
  return TRUE;
}

static gboolean
take_limits (Arrival * a, const MloMessage * m, GError ** error)
{
  const char *name = *m->stream ? m->stream : *a->peer->name ? a->peer->name : NAMELESS;
  MloHubStream *s = mlo_hub_find (a->hub, name);

  if (!a->peer->may_limit) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "limits: only with a token");
    return FALSE;
  }
  if (m->rejected > 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "limits: field %s", m->rejected_field);
    return FALSE;
  }
  if (s)
    g_hash_table_add (s->audience, a->peer);
  return mlo_hub_set_limits (a->hub, name, &m->limits, a->now_us, error);
}

gboolean
mlo_hub_set_limits (MloHub * hub, const char *stream, const MloMessageLimits * limits, gint64 now_us, GError ** error)
{
  MloHubStream *s = mlo_hub_find (hub, stream);
  g_autofree char *text = NULL;

  if (!s) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "no stream \"%s\"", stream);
    return FALSE;
  }
  if (limits->min_bitrate_kbps >= 0.0 && limits->max_bitrate_kbps >= 0.0
      && limits->min_bitrate_kbps > limits->max_bitrate_kbps) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_RANGE, "min_bitrate_kbps %g is more than max_bitrate_kbps %g",
        limits->min_bitrate_kbps, limits->max_bitrate_kbps);
    return FALSE;
  }
  if (!s->controller) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "nobody controls stream \"%s\" now", stream);
    return FALSE;
  }
  s->asked = *limits;
  s->asked_us = limits->min_bitrate_kbps >= 0.0 || limits->max_bitrate_kbps >= 0.0 || limits->mode >= 0 ? now_us : 0;
  text = mlo_message_limits (s->local, limits);
  send_to (hub, s->controller, text);
  return TRUE;
}

/* ---- frames ---- */

static gboolean
take_object (Arrival * a, GError ** error)
{
  MloMessage m;
  int n = mlo_message_parse (a->text, a->length, mlo_message_keep, &m, error);

  if (n < 0)
    return FALSE;
  /* A type of some later version. */
  if (n == 0)
    return TRUE;
  a->hub->counters.received++;
  a->hub->counters.rejected += m.rejected;
  switch (m.type) {
    case MLO_MESSAGE_METRICS:
      return take_metrics (a, &m, error);
    case MLO_MESSAGE_RECOMMENDATION:
      return take_recommendation (a, &m, error);
    case MLO_MESSAGE_LIMITS:
      return take_limits (a, &m, error);
    case MLO_MESSAGE_LIMITS_APPLIED:
      return take_limits_applied (a, &m, error);
  }
  return TRUE;
}

static gsize
skip_space (const char *text, gsize length, gsize i)
{
  while (i < length && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n'))
    i++;
  return i;
}

/* @text is narrowed to one object after the other: each message goes on as the text that it came in. */
static gboolean
take_array (Arrival * a, const char *text, gsize length, gsize i, GError ** error)
{
  for (guint n = 0;; n++) {
    gsize taken = 0;

    i = skip_space (text, length, i + 1);
    if (n == 0 && i < length && text[i] == ']')
      break;
    if (n == MLO_MESSAGE_MAX_OBJECTS) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "an array of more than %d objects", MLO_MESSAGE_MAX_OBJECTS);
      return FALSE;
    }
    if (i == length || text[i] != '{') {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "message %u: not an object", n);
      return FALSE;
    }
    if (!mlo_json_bound (text + i, length - i, MLO_MESSAGE_MAX_DEPTH - 1, &taken, error)) {
      g_prefix_error (error, "message %u: ", n);
      return FALSE;
    }
    a->text = text + i;
    a->length = taken;
    if (!take_object (a, error)) {
      g_prefix_error (error, "of an array, %u: ", n);
      return FALSE;
    }
    i = skip_space (text, length, i + taken);
    if (i < length && text[i] == ']')
      break;
    if (i == length || text[i] != ',') {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "message %u: neither ',' nor ']' after it", n);
      return FALSE;
    }
  }
  if (skip_space (text, length, i + 1) != length) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "text after the array");
    return FALSE;
  }
  return TRUE;
}

gboolean
mlo_hub_receive (MloHub * hub, MloHubPeer * peer, const char *text, gsize length, gint64 now_us, GError ** error)
{
  Arrival a = { hub, peer, text, length, now_us };
  gsize start = skip_space (text, MIN (length, MLO_MESSAGE_MAX_BYTES), 0);
  gboolean ok;

  if (length <= MLO_MESSAGE_MAX_BYTES && start < length && text[start] == '[')
    ok = take_array (&a, text, length, start, error);
  else
    ok = take_object (&a, error);
  if (!ok)
    hub->counters.refused++;
  return ok;
}

void
mlo_hub_tick (MloHub * hub, gint64 now_us)
{
  for (guint i = hub->streams->len; i > 0; i--) {
    MloHubStream *s = g_ptr_array_index (hub->streams, i - 1);

    if (!s->controller && now_us - s->last_us >= MLO_HUB_FORGET_US)
      g_ptr_array_remove_index (hub->streams, i - 1);
    else
      mlo_hub_stream_tick (s, now_us, now_us + hub->real_offset_us);
  }
}
