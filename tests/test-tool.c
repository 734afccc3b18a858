/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tool's command line, as a user meets it. MLO_TOOL names the executable. */

#include <glib.h>
#include <string.h>

#include "tool-helpers.h"

static void
test_help (void)
{
  g_autofree char *out = NULL, *err = NULL;

  g_assert_cmpint (run_tool ("--help", &out, &err), ==, 0);
  g_assert_nonnull (strstr (out, "Commands:"));
  g_assert_cmpstr (err, ==, "");
}

static void
test_version (void)
{
  g_autofree char *out = NULL;

  g_assert_cmpint (run_tool ("--version", &out, NULL), ==, 0);
  g_assert_cmpstr (out, ==, "mloptimizer " MLO_VERSION "\n");
}

static void
test_bad_usage (void)
{
  static const struct
  {
    const char *arguments, *says;
  } rows[] = {
    {"", "no command"},
    {"nonsense", "nonsense"},
    {"--nonsense", "--nonsense"},
    {"link", "--trace"},
    {"link --rate 100", "--listen"},
    {"link --rate 100 --listen 6000", "--to"},
    {"link --rate 100 --trace x --listen 6000 --to 6001", "together"},
    {"link --rate -5 --listen 6000 --to 6001", "--rate"},
    {"link --rate nan --listen 6000 --to 6001", "--rate"},
    {"link --rate 100 --listen 6000 --to 6001 --loss 101", "--loss"},
    {"link --rate 100 --listen 6000 --to 6001 --queue 10", "--queue"},
    {"link --rate 100 --listen 6000 --to 6001 --queue 10s", "--queue"},
    {"link --rate 100 --listen 6000 --to 6001 --queue inf", "--queue"},
    {"link --rate 100 --listen 6000 --to 66001", "66001"},
    {"link --rate 100 --listen 6000 --to 6001 extra", "extra"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *out = NULL, *err = NULL;

    g_test_message ("mloptimizer %s", rows[i].arguments);
    g_assert_cmpint (run_tool (rows[i].arguments, &out, &err), ==, 2);
    g_assert_nonnull (strstr (err, rows[i].says));
    g_assert_cmpstr (out, ==, "");
  }
}

/* What the command line cannot be blamed for. */
static void
test_bad_files (void)
{
  g_autofree char *err = NULL;

  g_assert_cmpint (run_tool ("link --trace /nonexistent/trace.csv --listen 6000 --to 6001", NULL, &err), ==, 1);
  g_assert_nonnull (strstr (err, "/nonexistent/trace.csv"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tool/help", test_help);
  g_test_add_func ("/tool/version", test_version);
  g_test_add_func ("/tool/bad-usage", test_bad_usage);
  g_test_add_func ("/tool/bad-files", test_bad_files);
  return g_test_run ();
}
