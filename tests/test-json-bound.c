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
  /* surrogates come in pairs */
  {"[\"\\ud83d\\ude00\"]", 16},
  {"[\"\\uD83D\\uDE00\\u00e9\\\\ud800\"]", 29},
  {"[\"\\ud83d\"]", -1 - MLO_ERROR_FORMAT},
  {"[\"\\ud83d\\u0041\"]", -1 - MLO_ERROR_FORMAT},
  {"[\"\\ud83d\\ud83d\"]", -1 - MLO_ERROR_FORMAT},
  {"[\"\\ud83d\\n\"]", -1 - MLO_ERROR_FORMAT},
  {"[\"\\ude00\"]", -1 - MLO_ERROR_FORMAT},
  {"[\"\\ud83d\\ude0", -1 - MLO_ERROR_FORMAT},
  {"[\"\\ud83", -1 - MLO_ERROR_FORMAT},
  {"[\"\\ud80\\u000f\"]", -1 - MLO_ERROR_FORMAT},
  {"[\"\\u12\"]", -1 - MLO_ERROR_FORMAT},
  {"[\"\\u", -1 - MLO_ERROR_FORMAT},
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

/* What would be written without a point and with an exponent moves by its last digit, all else stays. */
static void
test_writable (void)
{
  static const double same[] = { 0.0, -0.0, 1.0, 0.5, -2.5e+30, 1.5e-9, 1e15, 4.9406564584124654e-324 };
  static const double moved[] = { 1e-99, -1e-99, 1e20, 3e-200, 1e300 };

  for (guint i = 0; i < G_N_ELEMENTS (same); i++)
    g_assert_cmpfloat (mlo_json_writable (same[i]), ==, same[i]);
  for (guint i = 0; i < G_N_ELEMENTS (moved); i++) {
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    double value = mlo_json_writable (moved[i]);

    g_assert_cmpfloat_with_epsilon (value / moved[i], 1.0, 1e-15);
    g_assert_nonnull (strchr (g_ascii_dtostr (text, sizeof text, value), '.'));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json-bound/table", test_table);
  g_test_add_func ("/json-bound/nul", test_nul);
  g_test_add_func ("/json-bound/writable", test_writable);
  return g_test_run ();
}
