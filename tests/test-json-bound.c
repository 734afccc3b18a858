/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "mlo-error.h"
#include "mlo-json-bound.h"

/* expected: bytes taken, or minus the error's code less one */
static const struct
{
  const char *text;
  int expected;
} rows[] = {
  {"{}", 2},
  {"[] tail", 2},
  {"{\"a\": [1, -2.5e+3, null]} {", 25},
  {"{\"]}\\\"}\": \"\\\\\"}", 15},
  {"[[[]]]", 6},
  {"[[[[]]]]", -1 - MLO_ERROR_TOO_LARGE},
  {"{\"[[[[[[[[\": 1}", 15},
  {"", -1 - MLO_ERROR_TRUNCATED},
  {"{", -1 - MLO_ERROR_TRUNCATED},
  {"{\"a", -1 - MLO_ERROR_TRUNCATED},
  {"{\"a\\", -1 - MLO_ERROR_TRUNCATED},
  {"1", -1 - MLO_ERROR_FORMAT},
  {"\"a\"", -1 - MLO_ERROR_FORMAT},
  {"]", -1 - MLO_ERROR_FORMAT},
  /* json-glib skips comments and takes single quotes: nesting must not hide behind them */
  {"[/*\"*/[[[[[\"]", -1 - MLO_ERROR_FORMAT},
  {"['\"'[[[[", -1 - MLO_ERROR_FORMAT},
  {"[#\n]", -1 - MLO_ERROR_FORMAT},
};

static void
test_table (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    /* an exact copy on the heap, so that a sanitizer sees a read past the end */
    gsize length = strlen (rows[i].text), end = 0;
    g_autofree char *text = g_memdup2 (rows[i].text, length);

    if (mlo_json_bound (text, length, 3, &end, &error)) {
      g_assert_cmpint ((int) end, ==, rows[i].expected);
    } else {
      g_assert_cmpint (-1 - error->code, ==, rows[i].expected);
      g_assert_true (error->domain == MLO_ERROR);
    }
  }
}

static void
test_nul (void)
{
  g_autoptr (GError) error = NULL;
  gsize end;

  g_assert_false (mlo_json_bound ("[\0]", 3, 3, &end, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_FORMAT);
  g_clear_error (&error);
  g_assert_false (mlo_json_bound ("[\"\\\0\"]", 6, 3, &end, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_FORMAT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json-bound/table", test_table);
  g_test_add_func ("/json-bound/nul", test_nul);
  return g_test_run ();
}
