/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server's plain requests: page, API, Prometheus; and what is checked before any of them. */
#include <string.h>

#include "mlo-error.h"
#include "mlo-hub-report.h"
#include "mlo-server-private.h"

#define JSON_TYPE "application/json; charset=utf-8"
#define UPGRADE_REQUIRED 426

static const struct
{
  const char *path, *resource, *type;
} files[] = {
  {"/", "index.html", "text/html; charset=utf-8"},
  {"/page.css", "page.css", "text/css; charset=utf-8"},
  {"/page.js", "page.js", "text/javascript; charset=utf-8"},
  {"/charts.js", "charts.js", "text/javascript; charset=utf-8"},
  {"/icon.svg", "icon.svg", "image/svg+xml"},
  {"/dygraph.min.js", "dygraph.min.js", "text/javascript; charset=utf-8"},
  {"/dygraph.min.css", "dygraph.min.css", "text/css; charset=utf-8"},
};

static int
file_index (const char *path)
{
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    if (strcmp (path, files[i].path) == 0)
      return (int) i;
  }
  return -1;
}

/* ---- answers ---- */

static void
add_headers (SoupServerMessage * message)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  soup_message_headers_replace (headers, "Content-Security-Policy", "default-src 'none'; script-src 'self'; "
      "style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
      "frame-ancestors 'none'");
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  soup_message_headers_replace (headers, "Referrer-Policy", "no-referrer");
  soup_message_headers_replace (headers, "Cross-Origin-Resource-Policy", "same-origin");
  soup_message_headers_replace (headers, "Cache-Control", "no-cache");
}

/* Takes @body. */
static void
answer (SoupServerMessage * message, guint status, const char *type, char *body)
{
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, type, SOUP_MEMORY_TAKE, body, strlen (body));
}

static void
answer_error (SoupServerMessage * message, guint status, const char *what)
{
  g_autoptr (GString) text = g_string_new ("{\"error\":\"");

  for (const char *c = what; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_c (text, '\\');
    g_string_append_c (text, (guchar) * c < ' ' ? ' ' : *c);
  }
  g_string_append (text, "\"}\n");
  answer (message, status, JSON_TYPE, g_strdup (text->str));
}

/* ---- before everything ---- */

gboolean
mlo_server_has_token (MloServer * server, SoupServerMessage * message)
{
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  g_autofree char *offered = mlo_access_token_offered (soup_message_headers_get_one (headers, "Authorization"),
      soup_message_headers_get_list (headers, "Sec-WebSocket-Protocol"));

  return mlo_access_token_is (&server->access, offered);
}

/* A body is only taken where it is small and says so. */
static gboolean
body_allowed (SoupServerMessage * message, SoupMessageHeaders * headers)
{
  if (soup_message_headers_get_encoding (headers) == SOUP_ENCODING_NONE)
    return TRUE;
  if (soup_message_headers_get_encoding (headers) == SOUP_ENCODING_CONTENT_LENGTH
      && soup_message_headers_get_content_length (headers) <= MLO_SERVER_MAX_BODY)
    return TRUE;
  soup_message_body_set_accumulate (soup_server_message_get_request_body (message), FALSE);
  return FALSE;
}

static void
check_websocket (MloServer * server, SoupServerMessage * message, SoupMessageHeaders * headers)
{
  if (!soup_message_headers_header_equals (headers, "Upgrade", "websocket")) {
    soup_message_headers_replace (soup_server_message_get_response_headers (message), "Upgrade", "websocket");
    answer_error (message, UPGRADE_REQUIRED, "this is a WebSocket");
  } else if (server->guests->len >= MLO_SERVER_MAX_PEERS) {
    server->n_turned_away++;
    answer_error (message, SOUP_STATUS_SERVICE_UNAVAILABLE, "too many connections");
  }
}

static void
on_early (SoupServer * soup, SoupServerMessage * message, const char *path, GHashTable * query, gpointer user_data)
{
  MloServer *server = user_data;
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  gboolean open = file_index (path) >= 0 || strcmp (path, "/health") == 0;

  add_headers (message);
  if (!body_allowed (message, headers)) {
    answer_error (message, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, "the body is too long or of unknown length");
  } else if (!mlo_access_site_allowed (&server->access, soup_message_headers_get_one (headers, "Host"),
          soup_message_headers_get_one (headers, "Origin"))) {
    server->n_denied++;
    answer_error (message, SOUP_STATUS_FORBIDDEN, "not from this site");
  } else if (!open && server->access.token && !mlo_server_has_token (server, message)) {
    server->n_denied++;
    soup_message_headers_replace (soup_server_message_get_response_headers (message), "WWW-Authenticate", "Bearer");
    answer_error (message, SOUP_STATUS_UNAUTHORIZED, "the token is missing or wrong");
  } else if (strcmp (path, "/metrics") == 0 || strcmp (path, "/live") == 0) {
    check_websocket (server, message, headers);
  }
}

/* ---- the routes ---- */

static gboolean
is_get (SoupServerMessage * message)
{
  const char *method = soup_server_message_get_method (message);

  if (method == SOUP_METHOD_GET || method == SOUP_METHOD_HEAD)
    return TRUE;
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "Allow", "GET, HEAD");
  answer_error (message, SOUP_STATUS_METHOD_NOT_ALLOWED, "only GET");
  return FALSE;
}

static void
on_file (SoupServer * soup, SoupServerMessage * message, const char *path, GHashTable * query, gpointer user_data)
{
  MloServer *server = user_data;
  int i = file_index (path);
  g_autofree char *resource = NULL;
  g_autoptr (GBytes) bytes = NULL;
  gsize length = 0;
  const char *data;

  if (i < 0) {
    answer_error (message, SOUP_STATUS_NOT_FOUND, "no such place");
    return;
  }
  if (!is_get (message))
    return;
  resource = g_strconcat ("/mloptimizer/web/", files[i].resource, NULL);
  bytes = g_resource_lookup_data (server->web, resource, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  if (!bytes) {
    answer_error (message, SOUP_STATUS_INTERNAL_SERVER_ERROR, "the page is not in this build");
    return;
  }
  data = g_bytes_get_data (bytes, &length);
  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_server_message_set_response (message, files[i].type, SOUP_MEMORY_STATIC, data, length);
}

static void
on_health (SoupServer * soup, SoupServerMessage * message, const char *path, GHashTable * query, gpointer user_data)
{
  MloServer *server = user_data;

  if (!is_get (message))
    return;
  answer (message, SOUP_STATUS_OK, JSON_TYPE,
      g_strdup_printf ("{\"status\":\"ok\",\"version\":\"%s\",\"uptime_s\":%" G_GINT64_FORMAT ",\"streams\":%u,"
          "\"connections\":%u}\n", MLO_VERSION, (g_get_monotonic_time () - server->start_us) / G_USEC_PER_SEC,
          mlo_hub_n_streams (server->hub), server->guests->len));
}

static void
append_count (GString * text, const char *name, const char *help, guint64 value)
{
  g_string_append_printf (text, "# HELP mloptimizer_hub_%s %s\n# TYPE mloptimizer_hub_%s %s\nmloptimizer_hub_%s %"
      G_GUINT64_FORMAT "\n", name, help, name, g_str_has_suffix (name, "_total") ? "counter" : "gauge", name, value);
}

static void
on_prometheus (SoupServer * soup, SoupServerMessage * message, const char *path, GHashTable * query, gpointer user_data)
{
  MloServer *server = user_data;
  const MloHubCounters *hub = mlo_hub_counters (server->hub);
  GString *text;

  if (!is_get (message))
    return;
  text = g_string_new (NULL);
  mlo_hub_report_prometheus (server->hub, g_get_monotonic_time (), text);
  append_count (text, "connections", "WebSockets that are open", server->guests->len);
  append_count (text, "messages_total", "messages taken", hub->received);
  append_count (text, "forwarded_total", "messages handed on, once a receiver", hub->forwarded);
  append_count (text, "refused_total", "frames that were no messages", hub->refused);
  append_count (text, "rejected_total", "fields left out for a wrong type or value", hub->rejected);
  append_count (text, "over_rate_total", "frames left out, sent too fast", server->counters.over_rate);
  append_count (text, "dropped_total", "messages left out, read too slowly", server->counters.dropped);
  append_count (text, "denied_total", "requests without the token, or from another site", server->n_denied);
  append_count (text, "turned_away_total", "connections beyond the limit", server->n_turned_away);
  answer (message, SOUP_STATUS_OK, "text/plain; version=0.0.4; charset=utf-8", g_string_free (text, FALSE));
}

/* ---- /api/streams ---- */

static void
post_limits (MloServer * server, SoupServerMessage * message, const char *name)
{
  g_autoptr (GBytes) body = soup_message_body_flatten (soup_server_message_get_request_body (message));
  gsize length = 0;
  const char *text = g_bytes_get_data (body, &length);
  g_autoptr (GError) error = NULL;
  MloMessage m;
  int n;

  if (!server->access.token) {
    answer_error (message, SOUP_STATUS_FORBIDDEN, "limits: the server was started without a token");
    return;
  }
  n = mlo_message_parse (text ? text : "", length, mlo_message_keep, &m, &error);
  if (n < 0)
    answer_error (message, SOUP_STATUS_BAD_REQUEST, error->message);
  else if (n != 1 || m.type != MLO_MESSAGE_LIMITS)
    answer_error (message, SOUP_STATUS_BAD_REQUEST, "not one message of \"type\": \"limits\"");
  else if (m.rejected > 0)
    answer_error (message, SOUP_STATUS_BAD_REQUEST, m.rejected_field);
  else if (mlo_hub_set_limits (server->hub, name, &m.limits, g_get_monotonic_time (), &error))
    answer (message, SOUP_STATUS_ACCEPTED, JSON_TYPE, g_strdup ("{\"asked\":true}\n"));
  else
    answer_error (message, g_error_matches (error, MLO_ERROR, MLO_ERROR_MISSING) ? SOUP_STATUS_NOT_FOUND
        : SOUP_STATUS_BAD_REQUEST, error->message);
}

static gint64
query_since (GHashTable * query)
{
  const char *since = query ? g_hash_table_lookup (query, "since_ms") : NULL;

  return since ? g_ascii_strtoll (since, NULL, 10) : 0;
}

/* @path: what follows "/api/streams". A name is one segment, escaped. */
static void
on_streams (SoupServer * soup, SoupServerMessage * message, const char *path, GHashTable * query, gpointer user_data)
{
  MloServer *server = user_data;
  const char *rest = g_uri_get_path (soup_server_message_get_uri (message)) + strlen ("/api/streams");
  g_auto (GStrv) parts = g_strsplit (*rest == '/' ? rest + 1 : rest, "/", 3);
  guint n = g_strv_length (parts);
  g_autofree char *name = n > 0 ? g_uri_unescape_string (parts[0], NULL) : NULL;
  gint64 now_us = g_get_monotonic_time ();
  char *text = NULL;

  if (n == 2 && name && strcmp (parts[1], "limits") == 0) {
    if (soup_server_message_get_method (message) == SOUP_METHOD_POST) {
      post_limits (server, message, name);
    } else {
      soup_message_headers_replace (soup_server_message_get_response_headers (message), "Allow", "POST");
      answer_error (message, SOUP_STATUS_METHOD_NOT_ALLOWED, "only POST");
    }
    return;
  }
  if (!is_get (message))
    return;
  if (n == 0 || (n == 1 && !*parts[0]))
    text = mlo_hub_report_streams (server->hub, now_us);
  else if (n == 1 && name)
    text = mlo_hub_report_stream (server->hub, name, now_us);
  else if (n == 2 && name && strcmp (parts[1], "history") == 0)
    text = mlo_hub_report_history (server->hub, name, query_since (query));
  if (text)
    answer (message, SOUP_STATUS_OK, JSON_TYPE, text);
  else
    answer_error (message, SOUP_STATUS_NOT_FOUND, "no such stream");
}

void
mlo_server_add_routes (MloServer * server)
{
  static const struct
  {
    const char *path;
    SoupServerCallback callback;
  } routes[] = {
    {NULL, on_file},
    {"/health", on_health},
    {"/metrics.prom", on_prometheus},
    {"/api/streams", on_streams},
    {"/metrics", NULL},
    {"/live", NULL},
  };

  /* The early handler of a path is the only one that is called for it. */
  for (guint i = 0; i < G_N_ELEMENTS (routes); i++) {
    soup_server_add_early_handler (server->soup, routes[i].path, on_early, server, NULL);
    if (routes[i].callback)
      soup_server_add_handler (server->soup, routes[i].path, routes[i].callback, server, NULL);
  }
}
