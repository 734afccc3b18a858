/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ACCESS_H
#define MLO_ACCESS_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * Who may talk to the metrics server. Plain functions of the request's headers; no I/O.
 */

/* Tokens shorter than this are refused at the start. */
#define MLO_ACCESS_MIN_TOKEN 16
#define MLO_ACCESS_MAX_TOKEN 512
/* A browser cannot set a WebSocket's headers: the page offers this and its token, in base64url without padding, as
 * subprotocols. */
#define MLO_ACCESS_PROTOCOL_PREFIX "bearer."

typedef struct
{
  const char *token;            /* NULL: none is asked for, and nobody may set limits */
  const char *const *origins;   /* (nullable) more web origins that may connect, "https://example.org" */
} MloAccess;

/**
 * mlo_access_check_token:
 * Returns: FALSE with MLO_ERROR_ARGUMENT where @token is too short, too long, or not printable ASCII without spaces.
 */
gboolean mlo_access_check_token (const char *token, GError ** error);

/* Whether @offered is the token; takes the same time wherever they differ. NULL never is. */
gboolean mlo_access_token_is (const MloAccess * access, const char *offered);

/* The token in an Authorization header or among the subprotocols; either may be NULL. (transfer full), NULL: none. */
char *mlo_access_token_offered (const char *authorization, const char *protocols);

/**
 * mlo_access_site_allowed:
 * Whether a browser's page may do this, by the request's Host and Origin headers. Without a token the host must be
 * this machine by name or number (a foreign name that was made to resolve to it is not), and with an Origin, that
 * must be the host itself or one of the allowed ones.
 */
gboolean mlo_access_site_allowed (const MloAccess * access, const char *host, const char *origin);

G_END_DECLS
#endif
