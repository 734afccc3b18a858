/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-ws-uri.h"

#include <string.h>

#include "mlo-error.h"

#define MAX_TOKEN 4096

GUri *
mlo_ws_uri_parse (const char *text, GError ** error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (GUri) uri = NULL;
  const char *scheme, *host;

  if (!text || !(uri = g_uri_parse (text, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED_PATH
              | G_URI_FLAGS_ENCODED_QUERY | G_URI_FLAGS_SCHEME_NORMALIZE, &local))) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "not an address of the form ws://HOST:PORT/PATH: %s",
        local ? local->message : "empty");
    return NULL;
  }
  scheme = g_uri_get_scheme (uri);
  host = g_uri_get_host (uri);
  if (strcmp (scheme, "ws") != 0 && strcmp (scheme, "wss") != 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT,
        "the address of a server begins with ws:// or (encrypted) wss://, not with %s:", scheme);
    return NULL;
  }
  if (!host || !*host) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "no host in the server's address %s", text);
    return NULL;
  }
  if (g_uri_get_userinfo (uri)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT,
        "no user or password in the server's address, please: what the server wants to see goes into the token");
    return NULL;
  }
  return g_steal_pointer (&uri);
}

gboolean
mlo_ws_token_check (const char *token, GError ** error)
{
  gsize length = strlen (token);

  if (length == 0 || length > MAX_TOKEN) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "a token has 1 to %d characters", MAX_TOKEN);
    return FALSE;
  }
  for (gsize i = 0; i < length; i++) {
    if (!g_ascii_isgraph (token[i])) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT,
          "a token consists of visible ASCII characters; character %" G_GSIZE_FORMAT " is none", i + 1);
      return FALSE;
    }
  }
  return TRUE;
}
