/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOOL_HELPERS_H
#define TOOL_HELPERS_H

/* For tests that run the tool; MLO_TOOL names the executable. */
#include <sys/wait.h>

#include <glib.h>

/* Runs the tool; its exit code. @out, @err: (transfer full) what it wrote. */
static inline int
run_tool (const char *arguments, char **out, char **err)
{
  g_autofree char *command = g_strdup_printf ("%s %s", g_getenv ("MLO_TOOL"), arguments);
  g_autoptr (GError) error = NULL;
  int status = 0;

  g_assert_true (g_spawn_command_line_sync (command, out, err, &status, &error));
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

#endif
