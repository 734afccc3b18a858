/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TOOL_H
#define MLO_TOOL_H

#include <glib.h>

G_BEGIN_DECLS

/* Exit codes of the tool and of every command. */
typedef enum
{
  MLO_EXIT_OK = 0,
  MLO_EXIT_FAILURE = 1,         /* the work could not be done, or its verdict is bad */
  MLO_EXIT_USAGE = 2,           /* the command line is wrong; nothing was done */
} MloExit;

/**
 * MloCommand: one subcommand, defined in a file of its own as mlo_command_NAME and listed in
 * mlo-tool.c.
 */
typedef struct
{
  const char *name;             /* what the user types */
  const char *summary;          /* one line of --help */
  /* argv[0] is the command's name. Returns an MloExit. */
  int (*run) (int argc, char **argv);
} MloCommand;

extern const MloCommand mlo_command_link;
extern const MloCommand mlo_command_simulate;
extern const MloCommand mlo_command_train;
extern const MloCommand mlo_command_evaluate;
extern const MloCommand mlo_command_model;
extern const MloCommand mlo_command_run;
extern const MloCommand mlo_command_serve;

/* `model import`: argv[0] is "import". Returns an MloExit. */
int mlo_tool_model_import (int argc, char **argv);

/**
 * mlo_tool_parse:
 * Parses a command's options. @usage: what follows the command's name in the help ("FILE"), or
 * NULL; @description: text below the options, or NULL; @entries: ends with a NULL entry.
 * @n_arguments: how many arguments may be left after the options; @argv[1..] are those.
 *
 * Returns: FALSE where the command must return MLO_EXIT_USAGE; the user has been told why.
 * --help prints the help and ends the process, as GOption does.
 */
gboolean mlo_tool_parse (const char *usage, const char *description, const GOptionEntry * entries,
    int min_arguments, int max_arguments, int *argc, char ***argv);

/* Says "mloptimizer COMMAND: message" on standard error and returns @code. */
int mlo_tool_fail (MloExit code, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Whether standard error is a terminal: progress is shown there only. */
gboolean mlo_tool_is_terminal (void);

G_END_DECLS
#endif
