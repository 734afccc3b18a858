/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* WebSocket servers for the tests: tests/ws-server as a process, and certificates. */
#ifndef WS_HELPERS_H
#define WS_HELPERS_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib.h>

typedef struct
{
  GPid pid;
  int in;                       /* it ends when this is closed, whatever became of us */
  FILE *out;
  guint port;
} WsServer;

/* tests/ws-server MODE; @port 0: the kernel's choice. @more: NULL or further arguments. */
static inline WsServer *
ws_server_start (const char *mode, guint port, const char *const *more)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autofree char *number = g_strdup_printf ("%u", port);
  g_autoptr (GError) error = NULL;
  WsServer *s = g_new0 (WsServer, 1);
  char line[64];
  int out;

  /* Debian's interpreter, which has Debian's python3-websockets */
  g_ptr_array_add (argv, (gpointer) "/usr/bin/python3");
  g_ptr_array_add (argv, (gpointer) (TEST_SOURCE "/tests/ws-server"));
  g_ptr_array_add (argv, (gpointer) mode);
  g_ptr_array_add (argv, (gpointer) "--port");
  g_ptr_array_add (argv, number);
  for (guint i = 0; more && more[i]; i++)
    g_ptr_array_add (argv, (gpointer) more[i]);
  g_ptr_array_add (argv, NULL);
  g_spawn_async_with_pipes (NULL, (char **) argv->pdata, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &s->pid, &s->in,
      &out, NULL, &error);
  g_assert_no_error (error);
  s->out = fdopen (out, "r");
  g_assert_nonnull (fgets (line, sizeof line, s->out));
  s->port = (guint) g_ascii_strtoull (line, NULL, 10);
  g_assert_cmpuint (s->port, >, 0);
  return s;
}

/* Kills it, with no good-bye to its connections. */
static inline void
ws_server_kill (WsServer * s)
{
  kill (s->pid, SIGKILL);
  while (waitpid (s->pid, NULL, 0) < 0 && errno == EINTR);
  close (s->in);
  fclose (s->out);
  g_free (s);
}

/* @folder/NAME.pem and NAME.key: self-signed, for @name (as "DNS:localhost" or "IP:127.0.0.1"). */
static inline void
ws_certificate (const char *folder, const char *file, const char *name, char **certificate, char **key)
{
  g_autofree char *extension = g_strconcat ("subjectAltName=", name, NULL);
  g_autoptr (GError) error = NULL;
  int status = -1;

  *certificate = g_strdup_printf ("%s/%s.pem", folder, file);
  *key = g_strdup_printf ("%s/%s.key", folder, file);
  {
    const char *argv[] = { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
      "-nodes", "-days", "2", "-subj", "/CN=test", "-addext", extension, "-out", *certificate, "-keyout", *key, NULL
    };

    g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL,
        &status, &error);
  }
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
}

#endif
