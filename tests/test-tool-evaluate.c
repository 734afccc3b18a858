/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mloptimizer evaluate, as a user meets it. MLO_TOOL names the executable. */

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "tool-helpers.h"

typedef struct
{
  char *folder;
  char *report;
} Fixture;

static int
run_evaluate (const char *arguments, char **out, char **err)
{
  g_autofree char *all = g_strconcat ("evaluate ", arguments, NULL);

  return run_tool (all, out, err);
}

static void
write_file (Fixture * f, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (f->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

/* Two links of a kind, one of another, and one of which RTT and loss alone move. */
static void
set_up (Fixture * f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->folder = g_dir_make_tmp ("mlo-evaluate-XXXXXX", &error);
  g_assert_no_error (error);
  f->report = g_build_filename (f->folder, "report.html", NULL);
  write_file (f, "a.csv", "# kind=lte\n0,4000\n3000,1500\n6000,5000\n9000,5000\n");
  write_file (f, "b.csv", "# kind=lte\n0,9000\n4000,3000\n9000,3000\n");
  write_file (f, "c.csv", "# kind=wired\n0,8000\n9000,8000\n");
  write_file (f, "d.csv",
      "# kind=wired\n# columns=time_ms,capacity_kbps,rtt_ms,loss\n0,24000,20,0\n3000,24000,35,0.01\n9000,24000,20,0\n");
}

static void
tear_down (Fixture * f, gconstpointer data)
{
  g_autoptr (GDir) dir = g_dir_open (f->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (f->folder, name, NULL);

    g_unlink (path);
  }
  g_rmdir (f->folder);
  g_free (f->folder);
  g_free (f->report);
}

static JsonNode *
evaluate (Fixture * f, const char *more)
{
  g_autofree char *arguments = g_strdup_printf ("--traces %s --json -j 1 %s", f->folder, more), *out = NULL;
  g_autoptr (GError) error = NULL;
  JsonNode *node;

  g_assert_cmpint (run_evaluate (arguments, &out, NULL), ==, 0);
  node = json_from_string (out, &error);
  g_assert_no_error (error);
  return node;
}

/* A number of the row of @kind and @controller; of its spread where @spread. */
static double
number (JsonNode * root, const char *kind, const char *controller, const char *field, gboolean spread)
{
  JsonArray *rows = json_object_get_array_member (json_node_get_object (root), "rows");

  for (guint i = 0; i < json_array_get_length (rows); i++) {
    JsonObject *row = json_array_get_object_element (rows, i);

    if (strcmp (json_object_get_string_member (row, "kind"), kind) == 0
        && strcmp (json_object_get_string_member (row, "controller"), controller) == 0)
      return json_object_get_double_member (spread ? json_object_get_object_member (row, "spread") : row, field);
  }
  g_assert_not_reached ();
}

static void
test_rows (Fixture * f, gconstpointer data)
{
  g_autoptr (JsonNode) root = evaluate (f, "-c fixed:2000,gcc,gcc-probing,omniscient -s 1,2");

  /* 2 Mbit/s fit but for one stretch of the first; the whole range is used by those who look. */
  g_assert_cmpfloat_with_epsilon (number (root, "wired", "fixed:2000", "bitrate_kbps", FALSE), 2000.0, 150.0);
  g_assert_cmpfloat (number (root, "wired", "omniscient", "utilisation", FALSE), >, 0.8);
  g_assert_cmpfloat (number (root, "wired", "gcc-probing", "bitrate_kbps", FALSE), >,
      1.2 * number (root, "wired", "gcc", "bitrate_kbps", FALSE));
  g_assert_cmpfloat (number (root, "lte", "omniscient", "score", TRUE), >, 0.0);
  /* What counts apart is in no mean over all. */
  g_assert_cmpfloat_with_epsilon (number (root, "all", "gcc", "score", FALSE),
      (2.0 * number (root, "lte", "gcc", "score", FALSE) + number (root, "wired", "gcc", "score", FALSE)) / 3.0, 1e-6);
  g_assert_cmpfloat (number (root, "impaired", "omniscient", "bitrate_kbps", FALSE), >, 9000.0);
  g_assert_cmpfloat (number (root, "impaired", "omniscient", "loss", FALSE), >, 0.001);
}

static void
test_options (Fixture * f, gconstpointer data)
{
  g_autoptr (JsonNode) plain = evaluate (f, "-c omniscient"), again = evaluate (f, "-c omniscient");
  g_autoptr (JsonNode) low = evaluate (f, "-c omniscient --max-bitrate 1000");
  g_autoptr (JsonNode) grid = evaluate (f, "-c omniscient --grid 40"), none = evaluate (f, "-c omniscient --grid 0");
  g_autoptr (JsonNode) automatic = evaluate (f, "-c omniscient --grid auto");
  const char *delay = "delay_p50_ms";

  g_assert_true (json_node_equal (plain, again));
  g_assert_cmpfloat (number (low, "wired", "omniscient", "bitrate_kbps", FALSE), <, 1100.0);
  g_assert_true (json_node_equal (plain, none));
  g_assert_cmpfloat (number (grid, "wired", "omniscient", delay, FALSE), >, number (plain, "wired", "omniscient", delay,
          FALSE) + 10.0);
  g_assert_cmpfloat (number (automatic, "wired", "omniscient", delay, FALSE), ==, number (plain, "wired", "omniscient",
          delay, FALSE));
  g_assert_cmpfloat (number (automatic, "lte", "omniscient", delay, FALSE), >, number (plain, "lte", "omniscient",
          delay, FALSE) + 1.0);
}

static void
test_predictions (Fixture * f, gconstpointer data)
{
  g_autofree char *arguments = g_strdup_printf ("--traces %s -c no-dqn -j 1 -m %s/models", f->folder, TEST_SOURCE);
  g_autofree char *out = NULL;
  const char *table;

  g_assert_cmpint (run_evaluate (arguments, &out, NULL), ==, 0);
  g_assert_nonnull (strstr (out, "impaired"));
  table = strstr (out, "predictor against the label");
  g_assert_nonnull (table);
  g_assert_nonnull (strstr (table, "lte"));
  g_assert_null (strstr (table, "nan"));
}

/* One file that asks for no other, with the same numbers. */
static void
test_report (Fixture * f, gconstpointer data)
{
  g_autofree char *more = g_strdup_printf ("-c fixed:2000,gcc --report %s", f->report), *page = NULL;
  g_autofree char *json = NULL;
  g_autoptr (JsonNode) root = NULL, inside = NULL;
  g_autoptr (GError) error = NULL;
  const char *from, *to;
  JsonObject *o;
  JsonArray *rows;

  /* A name that would end the script, were it written as it is. */
  write_file (f, "e.csv", "# kind=</script><b>\n0,8000\n9000,8000\n");
  root = evaluate (f, more);
  g_assert_true (g_file_get_contents (f->report, &page, NULL, NULL));
  g_assert_false (strstr (page, "{{style") || strstr (page, "{{data") || strstr (page, "{{script"));
  g_assert_null (strstr (page, "<script src"));
  g_assert_null (strstr (page, "<link"));
  g_assert_null (strstr (page, "@import"));
  from = strstr (page, "id=\"data\">");
  g_assert_nonnull (from);
  from += strlen ("id=\"data\">");
  to = strstr (from, "</script>");
  g_assert_nonnull (to);
  json = g_strndup (from, (gsize) (to - from));
  g_assert_null (strchr (json, '<'));
  inside = json_from_string (json, &error);
  g_assert_no_error (error);
  o = json_node_get_object (inside);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (o, "links")), ==, 5);
  rows = json_object_get_array_member (json_array_get_object_element (json_object_get_array_member (o, "kinds"), 0),
      "rows");
  g_assert_cmpfloat_with_epsilon (json_array_get_double_element (json_object_get_array_member
          (json_array_get_object_element (rows, 1), "score"), 0), number (root, "all", "gcc", "score", FALSE), 0.01);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (o, "plots")), >=, 4);
}

static void
copy_file (const char *from, const char *folder, const char *name)
{
  g_autofree char *to = g_build_filename (folder, name, NULL), *data = NULL;
  gsize size;

  g_assert_true (g_file_get_contents (from, &data, &size, NULL));
  g_assert_true (g_file_set_contents (to, data, (gssize) size, NULL));
}

/* A model against itself has nothing over it; against one that never learned there is a difference. */
static void
test_against (Fixture * f, gconstpointer data)
{
  g_autofree char *other = g_dir_make_tmp ("mlo-evaluate-XXXXXX", NULL);
  g_autofree char *same = NULL, *worse = NULL, *a = NULL, *b = NULL;
  g_autofree char *predictor = g_build_filename (other, "bitrate_predictor.safetensors", NULL);
  g_autofree char *optimizer = g_build_filename (other, "quality_optimizer.safetensors", NULL);

  same = g_strdup_printf ("-m " TEST_SOURCE "/models --against " TEST_SOURCE "/models --traces %s", f->folder);
  g_assert_cmpint (run_evaluate (same, &a, NULL), ==, 0);
  g_assert_nonnull (strstr (a, "B less A in R over the links: +0.00, standard error 0.00"));
  g_assert_nonnull (strstr (a, "wired"));

  worse = g_strdup_printf ("-m " TEST_SOURCE "/models --against %s --traces %s", other, f->folder);
  copy_file (TEST_GOLDEN "predictor.safetensors", other, "bitrate_predictor.safetensors");
  g_assert_cmpint (run_evaluate (worse, NULL, &b), ==, 1);
  g_assert_nonnull (strstr (b, "no quality optimizer"));
  g_clear_pointer (&b, g_free);
  copy_file (TEST_SOURCE "/models/quality_optimizer.safetensors", other, "quality_optimizer.safetensors");
  g_assert_cmpint (run_evaluate (worse, &b, NULL), ==, 0);
  g_assert_nonnull (strstr (b, "B less A in R over the links: "));
  g_assert_null (strstr (b, "standard error 0.00"));
  g_unlink (predictor);
  g_unlink (optimizer);
  g_assert_cmpint (g_rmdir (other), ==, 0);
}

static void
test_bad_usage (Fixture * f, gconstpointer data)
{
  static const struct
  {
    const char *arguments, *says;
    int code;
  } rows[] = {
    {"--grid fast", "--grid", 2},
    {"--grid -1", "--grid", 2},
    {"--grid nan", "--grid", 2},
    {"--grid 5ms", "--grid", 2},
    {"--max-bitrate 20", "--max-bitrate", 2},
    {"--max-bitrate nan", "--max-bitrate", 2},
    {"--max-bitrate -12000", "--max-bitrate", 2},
    {"--seeds one", "--seeds", 2},
    {"--seeds 1,1", "twice", 2},
    {"--seeds \"\"", "--seeds", 2},
    {"-c gcc,nobody", "nobody", 2},
    {"--against a --check", "--against", 2},
    {"--json --check", "--json", 2},
    {"-m a -m b --against c", "--against", 2},
    {"-m " TEST_SOURCE "/models --against /nonexistent", "/nonexistent", 1},
    {"-c gcc,gcc", "twice", 2},
    {"-c gcc --traces /nonexistent", "/nonexistent", 1},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *out = NULL, *err = NULL;

    g_test_message ("%s", rows[i].arguments);
    g_assert_cmpint (run_evaluate (rows[i].arguments, &out, &err), ==, rows[i].code);
    g_assert_nonnull (strstr (err, rows[i].says));
  }
  {
    g_autofree char *arguments = g_strdup_printf ("--traces %s -c gcc --report /nonexistent/r.html", f->folder);
    g_autofree char *err = NULL;

    g_assert_cmpint (run_evaluate (arguments, NULL, &err), ==, 1);
    g_assert_nonnull (strstr (err, "/nonexistent/r.html"));
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/tool-evaluate/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("rows", test_rows);
  ADD ("options", test_options);
  ADD ("predictions", test_predictions);
  ADD ("report", test_report);
  ADD ("against", test_against);
  ADD ("bad-usage", test_bad_usage);
  return g_test_run ();
}
