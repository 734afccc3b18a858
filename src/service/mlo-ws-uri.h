/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_WS_URI_H
#define MLO_WS_URI_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * mlo_ws_uri_parse:
 * @text: ws://HOST[:PORT][/PATH][?QUERY] or wss://...
 *
 * Returns: (transfer full): the address of a WebSocket server, or NULL with MLO_ERROR_ARGUMENT and a message for
 * the user: another scheme, no host, or a user and password in it (those would show up wherever addresses do; that
 * is what the token is for). The message does not repeat a password.
 */
GUri *mlo_ws_uri_parse (const char *text, GError ** error);

/* Whether @token can stand in an Authorization header: 1 to 4096 visible ASCII characters. */
gboolean mlo_ws_token_check (const char *token, GError ** error);

G_END_DECLS
#endif
