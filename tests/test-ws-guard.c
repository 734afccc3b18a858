/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connections over which more comes than their reader looks at. */
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "mlo-ws-guard.h"
#include "mlo-ws-socket.h"

#define PATIENCE_US (20 * G_USEC_PER_SEC)
/* Four looks of the guard's. */
#define LOOKS_US (4 * G_USEC_PER_SEC / 10)
#define MOST 2000

typedef struct
{
  GSocketConnection *ours, *theirs;
  int descriptor;
} Pair;

static void
pair_init (Pair * p)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GError) error = NULL;
  guint16 port = g_socket_listener_add_any_inet_port (listener, NULL, &error);

  g_assert_no_error (error);
  p->theirs = g_socket_client_connect_to_host (client, "127.0.0.1", port, NULL, &error);
  g_assert_no_error (error);
  p->ours = g_socket_listener_accept (listener, NULL, NULL, &error);
  g_assert_no_error (error);
  p->descriptor = mlo_ws_socket_dup (g_socket_connection_get_socket (p->ours));
  g_assert_cmpint (p->descriptor, >=, 0);
}

static void
pair_clear (Pair * p)
{
  close (p->descriptor);
  g_object_unref (p->ours);
  g_object_unref (p->theirs);
}

static void
tell (Pair * p, gsize n)
{
  g_autofree char *text = g_malloc0 (n);

  g_assert_true (g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (p->theirs)), text, n, NULL,
          NULL, NULL));
}

/* What was told is read in any case; behind it there is the end. */
static gboolean
is_shut (Pair * p)
{
  GSocket *s = g_socket_connection_get_socket (p->ours);
  char buffer[4096];
  gssize n;

  while ((n = g_socket_receive_with_blocking (s, buffer, sizeof buffer, FALSE, NULL, NULL)) > 0);
  return n == 0;
}

static void
test_ends (void)
{
  g_autoptr (MloWsGuard) g = mlo_ws_guard_new ();
  gint64 end_us = g_get_monotonic_time () + PATIENCE_US;
  MloWsGuarded *guarded;
  Pair p;

  pair_init (&p);
  /* before it is guarded: does not count */
  tell (&p, 2 * MOST);
  guarded = mlo_ws_guard_add (g, p.descriptor, MOST);
  tell (&p, MOST - 1);
  g_usleep (LOOKS_US);
  g_assert_false (is_shut (&p));
  tell (&p, 2);
  while (!is_shut (&p)) {
    g_assert_cmpint (g_get_monotonic_time (), <, end_us);
    g_usleep (5000);
  }
  g_assert_true (mlo_ws_guard_remove (g, guarded));
  pair_clear (&p);
}

/* One that looks may be told anything, beside others that do not. */
static void
test_looks (void)
{
  g_autoptr (MloWsGuard) g = mlo_ws_guard_new ();
  gint64 end_us = g_get_monotonic_time () + PATIENCE_US;
  MloWsGuarded *guarded[3];
  Pair p[3];

  for (guint i = 0; i < 3; i++) {
    pair_init (&p[i]);
    /* what is told may come some steps later, with what is told then */
    guarded[i] = mlo_ws_guard_add (g, p[i].descriptor, i == 1 ? 10 * MOST : MOST);
  }
  for (guint i = 0; i < 30; i++) {
    tell (&p[1], MOST / 2);
    mlo_ws_guard_looked (g, guarded[1]);
    g_usleep (LOOKS_US / 30);
  }
  tell (&p[2], 2 * MOST);
  while (!is_shut (&p[2])) {
    g_assert_cmpint (g_get_monotonic_time (), <, end_us);
    g_usleep (5000);
  }
  g_assert_false (is_shut (&p[0]));
  g_assert_false (is_shut (&p[1]));
  for (guint i = 0; i < 3; i++) {
    g_assert_cmpint (mlo_ws_guard_remove (g, guarded[i]), ==, i == 2);
    pair_clear (&p[i]);
  }
}

static guint
threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir))
    n++;
  return n;
}

/* A thread while there is something to guard. */
static void
test_thread (void)
{
  g_autoptr (MloWsGuard) g = mlo_ws_guard_new ();
  guint before = threads ();
  Pair p;

  pair_init (&p);
  mlo_ws_guard_remove (g, NULL);
  for (guint i = 0; i < 20; i++) {
    MloWsGuarded *a = mlo_ws_guard_add (g, p.descriptor, MOST), *b = mlo_ws_guard_add (g, -1, MOST);

    g_assert_cmpuint (threads (), ==, before + 1);
    mlo_ws_guard_remove (g, a);
    mlo_ws_guard_looked (g, b);
    mlo_ws_guard_remove (g, b);
    g_assert_cmpuint (threads (), <=, before + 1);
  }
  for (gint64 end_us = g_get_monotonic_time () + PATIENCE_US; threads () > before; g_usleep (1000))
    g_assert_cmpint (g_get_monotonic_time (), <, end_us);
  pair_clear (&p);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ws-guard/ends", test_ends);
  g_test_add_func ("/ws-guard/looks", test_looks);
  g_test_add_func ("/ws-guard/thread", test_thread);
  return g_test_run ();
}
