/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_WS_CLIENT_H
#define MLO_WS_CLIENT_H

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MloWsClient: one connection to a WebSocket server that is kept up: text frames, a bearer token, TLS verified, a
 * bounded queue towards a slow server, and a new attempt after each end. It lives in one GMainContext and every
 * function but _new is called by the thread that runs it, which has it as its thread-default context (the main thread
 * and the default context will do). Nothing here blocks but _free, for milliseconds. Many clients may share a context.
 *
 * No proxy, no redirection, no compression (libsoup 3.2 does not bound what it unpacks).
 */
typedef struct _MloWsClient MloWsClient;

typedef enum
{
  MLO_WS_IDLE,                  /* not started */
  MLO_WS_CONNECTING,
  MLO_WS_OPEN,
  MLO_WS_WAITING,               /* for the next attempt */
} MloWsState;

typedef struct
{
  const char *uri;              /* ws:// or wss:// */
  const char *token;            /* sent as "Authorization: Bearer TOKEN"; NULL: none */
  const char *ca_file;          /* PEM, trusted instead of the system's authorities; NULL: those */
  guint64 seed;                 /* of the attempts' jitter: clients of one server should differ */
  guint queue;                  /* texts that wait for a slow server; more push the oldest out */
  guint max_rate;               /* texts a second that are handed on; the rest is counted */
  guint ping_s;                 /* time between pings, >= 1 */
  double silence_s;             /* neither pong nor text for this long: the connection is given up */
  double connect_s;             /* bound of an attempt, name look-up and TLS included */
  /* The wait before the next attempt doubles from the first to the greatest; each is shortened by up to a half at
   * random. It starts anew after a connection that lived for stable_s. */
  double first_wait_s, max_wait_s, stable_s;
} MloWsConfig;

/* Without uri, token, ca_file and seed. */
extern const MloWsConfig mlo_ws_config_default;

/* Since _new. */
typedef struct
{
  guint64 connects;             /* connections made */
  guint64 failures;             /* attempts without one, and connections lost */
  guint64 received;             /* texts handed on */
  guint64 sent;                 /* texts handed to the socket */
  guint64 dropped;              /* texts pushed out of the queue, or in it when the connection ended */
  guint64 rejected;             /* frames that were no text or too long */
  guint64 limited;              /* texts above max_rate a second: not handed on */
  char last_error[160];         /* of the last failure, for people; "" before the first */
} MloWsCounts;

/* Called in the client's context. Must not free the client. */
typedef struct
{
  /* A text frame, UTF-8, at most MLO_MESSAGE_MAX_BYTES, not NUL-terminated. */
  void (*text) (gpointer user_data, const char *text, gsize length);
  /* May be NULL. OPEN: _send works. WAITING: last_error says why. */
  void (*state) (gpointer user_data, MloWsState state);
} MloWsFuncs;

/**
 * mlo_ws_client_new:
 * @context: (nullable): where it will live; NULL: the default one
 * @funcs: static
 *
 * Any thread; no I/O but reading the CA file.
 *
 * Returns: NULL with MLO_ERROR_ARGUMENT (address, token) or _IO (CA file).
 */
MloWsClient *mlo_ws_client_new (GMainContext * context, const MloWsConfig * config, const MloWsFuncs * funcs,
    gpointer user_data, GError ** error);

/* Begins to connect, and never gives up. Once. */
void mlo_ws_client_start (MloWsClient * c);

/* Queues one text frame. FALSE where there is no connection now or the text is longer than MLO_MESSAGE_MAX_BYTES. */
gboolean mlo_ws_client_send (MloWsClient * c, const char *text);

MloWsState mlo_ws_client_state (const MloWsClient * c);
const MloWsCounts *mlo_ws_client_counts (const MloWsClient * c);
/* "connecting", ...: for people and JSON. */
const char *mlo_ws_state_name (MloWsState state);

/**
 * mlo_ws_client_free:
 * Ends the connection or the attempt, whatever its state. libsoup needs its context until all of it came to an end, so
 * this runs the context for the milliseconds that takes (a second at most): other sources of it may be dispatched.
 * No callback of the client comes any more. @c may be NULL.
 */
void mlo_ws_client_free (MloWsClient * c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloWsClient, mlo_ws_client_free)

G_END_DECLS
#endif
