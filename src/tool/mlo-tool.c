/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The companion tool: finds the command in one table and runs it. A command is a file of its own. */

#include "mlo-tool.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Every command, in the order of --help. */
static const MloCommand *const commands[] = {
  &mlo_command_simulate,
  &mlo_command_train,
  &mlo_command_evaluate,
  &mlo_command_model,
  &mlo_command_link,
  &mlo_command_run,
  &mlo_command_serve,
  NULL
};

static const char *command_name = NULL;

gboolean
mlo_tool_is_terminal (void)
{
  return isatty (STDERR_FILENO) == 1;
}

int
mlo_tool_fail (MloExit code, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  if (command_name)
    fprintf (stderr, "mloptimizer %s: %s\n", command_name, message);
  else
    fprintf (stderr, "mloptimizer: %s\n", message);
  return code;
}

gboolean
mlo_tool_parse (const char *usage, const char *description, const GOptionEntry * entries,
    int min_arguments, int max_arguments, int *argc, char ***argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (usage);
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_description (context, description);
  if (!g_option_context_parse (context, argc, argv, &error)) {
    mlo_tool_fail (MLO_EXIT_USAGE, "%s (see --help)", error->message);
    return FALSE;
  }
  /* GOption leaves "--" in where it ended the options. */
  if (*argc > 1 && strcmp ((*argv)[1], "--") == 0) {
    (*argv)[1] = (*argv)[0];
    (*argv)++;
    (*argc)--;
  }
  if (*argc - 1 < min_arguments) {
    mlo_tool_fail (MLO_EXIT_USAGE, "%s is missing (see --help)", usage ? usage : "an argument");
    return FALSE;
  }
  if (*argc - 1 > max_arguments) {
    mlo_tool_fail (MLO_EXIT_USAGE, "one argument too many: %s (see --help)", (*argv)[max_arguments + 1]);
    return FALSE;
  }
  return TRUE;
}

static char *
command_list (void)
{
  GString *text = g_string_new ("Commands:\n");

  for (guint i = 0; commands[i]; i++)
    g_string_append_printf (text, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
  g_string_append (text, "\n\"mloptimizer COMMAND --help\" says more of one.\n"
      "Exit code: 0 done, 1 failed, 2 wrong command line.");
  return g_string_free (text, FALSE);
}

int
main (int argc, char **argv)
{
  gboolean version = FALSE;
  const GOptionEntry entries[] = {
    {"version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL},
    {NULL}
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("COMMAND [OPTION…]");
  g_autofree char *list = command_list ();
  g_autoptr (GError) error = NULL;

  setlocale (LC_CTYPE, "");
  g_set_prgname ("mloptimizer");
  g_option_context_set_summary (context, "Companion of the GStreamer element mloptimizer.");
  g_option_context_set_description (context, list);
  g_option_context_add_main_entries (context, entries, NULL);
  /* What follows the command is the command's. */
  g_option_context_set_strict_posix (context, TRUE);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return mlo_tool_fail (MLO_EXIT_USAGE, "%s (see --help)", error->message);
  if (version) {
    printf ("mloptimizer %s\n", MLO_VERSION);
    return MLO_EXIT_OK;
  }
  if (argc < 2)
    return mlo_tool_fail (MLO_EXIT_USAGE, "no command given (see --help)");
  for (guint i = 0; commands[i]; i++) {
    if (strcmp (argv[1], commands[i]->name) == 0) {
      g_autofree char *name = g_strconcat ("mloptimizer ", commands[i]->name, NULL);

      g_set_prgname (name);
      command_name = commands[i]->name;
      return commands[i]->run (argc - 1, argv + 1);
    }
  }
  return mlo_tool_fail (MLO_EXIT_USAGE, "no command \"%s\" (see --help)", argv[1]);
}
