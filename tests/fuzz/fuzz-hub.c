/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hub on any frames, one a line, from three peers in turn: what it says of its streams is JSON, and what it sends on
 * is a message. */
#include <string.h>

#include <json-glib/json-glib.h>

#include "mlo-error.h"
#include "mlo-hub-report.h"

#define N_PEERS 3

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

static void
ignore (const MloMessage * message, gpointer user_data)
{
}

static void
on_send (gpointer peer_data, const char *text, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (mlo_message_parse (text, strlen (text), ignore, NULL, &error) < 0)
    g_error ("%s: %s", error->message, text);
}

static void
check_json (char *text)
{
  g_autofree char *owned = text;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;

  if (!json_parser_load_from_data (parser, owned, -1, &error))
    g_error ("%s: %s", error->message, owned);
}

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  g_autoptr (MloHub) hub = mlo_hub_new (0, on_send, NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  MloHubPeer *peers[N_PEERS];
  gint64 now_us = 10 * G_USEC_PER_SEC;
  guint64 serial = 0;

  for (guint i = 0; i < N_PEERS; i++)
    peers[i] = mlo_hub_join (hub, i == 1 ? "named" : NULL, i == 2, NULL, 0);
  for (guint turn = 0; size > 0 && turn < 256; turn++) {
    const guint8 *end = memchr (data, '\n', size);
    gsize n = end ? (gsize) (end - data) : size;
    g_autoptr (GError) error = NULL;

    g_assert_true (mlo_hub_receive (hub, peers[turn % N_PEERS], (const char *) data, n, now_us, &error) == !error);
    now_us += 100000;
    mlo_hub_tick (hub, now_us);
    data += MIN (n + 1, size);
    size -= MIN (n + 1, size);
  }
  check_json (mlo_hub_report_streams (hub, now_us));
  check_json (mlo_hub_report_live (hub, now_us, &serial));
  mlo_hub_report_prometheus (hub, now_us, text);
  g_assert_true (g_utf8_validate (text->str, (gssize) text->len, NULL));
  for (guint i = 0; i < N_PEERS; i++)
    mlo_hub_leave (hub, peers[i], now_us);
  return 0;
}
