/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-access.h"

#include <string.h>

#include <gio/gio.h>

#include "mlo-error.h"

gboolean
mlo_access_check_token (const char *token, GError ** error)
{
  gsize n = strlen (token);

  if (n < MLO_ACCESS_MIN_TOKEN || n > MLO_ACCESS_MAX_TOKEN) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "the token has %" G_GSIZE_FORMAT
        " characters, not %d to %d", n, MLO_ACCESS_MIN_TOKEN, MLO_ACCESS_MAX_TOKEN);
    return FALSE;
  }
  for (const char *c = token; *c; c++) {
    if (!g_ascii_isgraph (*c)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "the token has a character that is not printable ASCII");
      return FALSE;
    }
  }
  return TRUE;
}

static void
digest (const char *text, guint8 out[32])
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  gsize n = 32;

  g_checksum_update (sum, (const guchar *) text, (gssize) strlen (text));
  g_checksum_get_digest (sum, out, &n);
}

gboolean
mlo_access_token_is (const MloAccess * access, const char *offered)
{
  guint8 a[32], b[32];
  volatile guint8 difference = 0;

  if (!access->token || !offered)
    return FALSE;
  /* Of digests: neither the length nor the place of a difference shows in the time. */
  digest (access->token, a);
  digest (offered, b);
  for (gsize i = 0; i < sizeof a; i++)
    difference = (guint8) (difference | (a[i] ^ b[i]));
  return difference == 0;
}

/* base64url without padding */
static char *
decode (const char *text)
{
  gsize n = strlen (text), length = 0;
  g_autofree char *padded = NULL;
  g_autofree guchar *bytes = NULL;

  if (n == 0 || n > 2 * MLO_ACCESS_MAX_TOKEN)
    return NULL;
  padded = g_strconcat (text, &"==="[3 - (4 - n % 4) % 4], NULL);
  g_strdelimit (padded, "-", '+');
  g_strdelimit (padded, "_", '/');
  bytes = g_base64_decode (padded, &length);
  return memchr (bytes, '\0', length) ? NULL : g_strndup ((const char *) bytes, length);
}

char *
mlo_access_token_offered (const char *authorization, const char *protocols)
{
  g_auto (GStrv) list = NULL;

  if (authorization && g_ascii_strncasecmp (authorization, "Bearer ", 7) == 0)
    return g_strstrip (g_strdup (authorization + 7));
  list = g_strsplit (protocols ? protocols : "", ",", 16);
  for (char **p = list; *p; p++) {
    g_strstrip (*p);
    if (g_str_has_prefix (*p, MLO_ACCESS_PROTOCOL_PREFIX))
      return decode (*p + strlen (MLO_ACCESS_PROTOCOL_PREFIX));
  }
  return NULL;
}

/* "127.0.0.1:8080", "[::1]", "localhost:80" */
static gboolean
is_this_machine (const char *host)
{
  g_autoptr (GSocketConnectable) connectable = g_network_address_parse (host, 80, NULL);
  g_autoptr (GInetAddress) address = NULL;
  const char *name;

  if (!connectable)
    return FALSE;
  name = g_network_address_get_hostname (G_NETWORK_ADDRESS (connectable));
  if (g_ascii_strcasecmp (name, "localhost") == 0)
    return TRUE;
  address = g_inet_address_new_from_string (name);
  return address && g_inet_address_get_is_loopback (address);
}

/* "http://HOST" or "https://HOST" */
static gboolean
is_origin_of (const char *origin, const char *host)
{
  const char *rest = g_str_has_prefix (origin, "http://") ? origin + 7
      : g_str_has_prefix (origin, "https://") ? origin + 8 : NULL;

  return rest && host && g_ascii_strcasecmp (rest, host) == 0;
}

gboolean
mlo_access_site_allowed (const MloAccess * access, const char *host, const char *origin)
{
  if (!access->token && host && !is_this_machine (host))
    return FALSE;
  if (!origin || is_origin_of (origin, host))
    return TRUE;
  for (guint i = 0; access->origins && access->origins[i]; i++) {
    if (g_ascii_strcasecmp (access->origins[i], origin) == 0)
      return TRUE;
  }
  return FALSE;
}
