/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-trace.h"

static MloTrace *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  /* A copy of the exact size: reading past its end is seen by valgrind and the sanitizers. */
  g_autofree char *copy = g_memdup2 (text, strlen (text));
  MloTrace *t = mlo_trace_parse ("t.csv", copy, strlen (text), &error);

  g_assert_no_error (error);
  return t;
}

static void
test_csv (void)
{
  g_autoptr (MloTrace) t = parse ("# source=x:y kind=lte licence=z note=anything, kind=wifi\r\n"
      "# columns=time_ms,capacity_kbps,rtt_ms,loss\n" "0,5280,40,0.01\n" "100,4920,,\n\n" "250.5, 0 ,41.5,1\n");

  g_assert_cmpstr (t->name, ==, "t.csv");
  g_assert_cmpstr (t->kind, ==, "lte");
  g_assert_cmpuint (t->n_rows, ==, 3);
  g_assert_cmpint (t->rows[1].time_us, ==, 100000);
  g_assert_cmpfloat (t->rows[1].capacity_kbps, ==, 4920.0);
  g_assert_cmpfloat (t->rows[1].rtt_ms, <, 0.0f);
  g_assert_cmpfloat (t->rows[1].loss, <, 0.0f);
  g_assert_cmpint (t->rows[2].time_us, ==, 250500);
  g_assert_cmpfloat (t->rows[2].rtt_ms, ==, 41.5f);
  g_assert_cmpint (t->duration_us, ==, 401000);
}

static void
test_csv_plain (void)
{
  g_autoptr (MloTrace) two = parse ("0,1000\n500,2000"), four = parse ("0,1000,20,0\n");
  g_autoptr (MloTrace) swapped = parse ("# columns=capacity_kbps,time_ms,loss\n7,0,0.5\n");

  g_assert_cmpint (two->duration_us, ==, 1000000);
  g_assert_cmpfloat (four->rows[0].rtt_ms, ==, 20.0f);
  g_assert_cmpint (four->duration_us, ==, 1000000);
  g_assert_cmpfloat (swapped->rows[0].capacity_kbps, ==, 7.0);
  g_assert_cmpfloat (swapped->rows[0].loss, ==, 0.5f);
}

static void
test_mahimahi (void)
{
  /* Two packets by 10 ms, one by 11 ms, one by 20 ms and the one at 0 with it. */
  g_autoptr (MloTrace) t = parse ("0\n10\n10\n11\n20\n");

  g_assert_cmpint (t->duration_us, ==, 20000);
  g_assert_cmpfloat_with_epsilon (mlo_trace_bytes (t, 0, 20000), 5 * 1500.0, 1e-6);
  g_assert_cmpint (mlo_trace_serve (t, 0, 3000.0), ==, 10000);
  g_assert_cmpint (mlo_trace_serve (t, 10000, 1500.0), ==, 11000);
  g_assert_cmpint (mlo_trace_serve (t, 11000, 3000.0), ==, 20000);
  /* 12 Mbit/s: one a millisecond is one row. */
  {
    g_autoptr (MloTrace) steady = parse ("1\n2\n3\n4\n");

    g_assert_cmpuint (steady->n_rows, ==, 1);
    g_assert_cmpfloat (steady->rows[0].capacity_kbps, ==, 12000.0);
  }
}

static const struct
{
  const char *text;
  int code;
  const char *message;          /* pattern */
} bad[] = {
  {"", MLO_ERROR_TRUNCATED, "t.csv: line 0: no rows"},
  {"# columns=time_ms,capacity_kbps\n", MLO_ERROR_TRUNCATED, "*: line 1: no rows"},
  {"0,1\n0,1\n", MLO_ERROR_FORMAT, "*: line 2: time_ms: 0 is not above 0*"},
  {"0,1\n10,1\n9,1\n", MLO_ERROR_FORMAT, "*: line 3: time_ms: 9*"},
  {"5,1\n", MLO_ERROR_FORMAT, "*: line 1: time_ms: the first is 5, not 0"},
  {"0,1\n1,2,3\n", MLO_ERROR_FORMAT, "*: line 2: more than the 2 columns"},
  {"0,1,2,0,1\n", MLO_ERROR_FORMAT, "*: line 1: more than the 4 columns"},
  {"# columns=time_ms,capacity_kbps,loss\n0,1\n", MLO_ERROR_MISSING, "*: line 2: loss: no such field*"},
  {"0,1\n5\n", MLO_ERROR_MISSING, "*: line 2: capacity_kbps: no such field*"},
  {"0,\n", MLO_ERROR_MISSING, "*: line 1: capacity_kbps: no value"},
  {",1\n", MLO_ERROR_MISSING, "*: line 1: time_ms: no value"},
  {"0, \n", MLO_ERROR_MISSING, "*: line 1: capacity_kbps: no value"},
  {"0,x\n", MLO_ERROR_TYPE, "*: line 1: capacity_kbps: not a number"},
  {"time_ms,capacity_kbps\n0,1\n", MLO_ERROR_TYPE, "*: line 1: time_ms: not a number"},
  {"0,1e\n", MLO_ERROR_TYPE, "*: line 1: capacity_kbps: '1e' is not a number"},
  {"0,1.2.3\n", MLO_ERROR_TYPE, "*: capacity_kbps: '1.2.3' is not*"},
  {"0,--1\n", MLO_ERROR_TYPE, "*: capacity_kbps: '--1' is not*"},
  {"0,0x10\n", MLO_ERROR_TYPE, "*: capacity_kbps: not a number"},
  {"0,nan\n", MLO_ERROR_TYPE, "*: capacity_kbps: not a number"},
  {"0,inf\n", MLO_ERROR_TYPE, "*: capacity_kbps: not a number"},
  {"0,-1\n", MLO_ERROR_RANGE, "*: line 1: capacity_kbps: -1 is outside 0 to 1e+07"},
  {"0,1e8\n", MLO_ERROR_RANGE, "*: capacity_kbps: 1e8 is outside*"},
  {"0,1e999\n", MLO_ERROR_RANGE, "*: capacity_kbps: 1e999 is outside*"},
  {"0,1\n1e10,1\n", MLO_ERROR_RANGE, "*: line 2: time_ms: 1e10 is outside*"},
  {"0,1,-5,0\n", MLO_ERROR_RANGE, "*: rtt_ms: -5 is outside*"},
  {"0,1,5,1.5\n", MLO_ERROR_RANGE, "*: loss: 1.5 is outside 0 to 1"},
  {"0,11111111111111111111111111111111111111111111\n", MLO_ERROR_TOO_LARGE, "*: capacity_kbps: longer than 40*"},
  {"# columns=time_ms,speed\n", MLO_ERROR_FORMAT, "*: line 1: columns: 'speed' is not known"},
  {"# columns=time_ms,time_ms\n", MLO_ERROR_DUPLICATE, "*: line 1: columns: time_ms twice"},
  {"# columns=time_ms,loss\n", MLO_ERROR_MISSING, "*: line 1: columns: time_ms and capacity_kbps*"},
  {"# columns=\n", MLO_ERROR_MISSING, "*: line 1: columns*"},
  {"0,1\n# columns=time_ms,capacity_kbps\n", MLO_ERROR_FORMAT, "*: line 2: columns: after the first row"},
  {"0\n", MLO_ERROR_FORMAT, "*: line 1: time_ms: no stamp above 0"},
  {"5\n4\n", MLO_ERROR_FORMAT, "*: line 2: time_ms: 4 is below 5*"},
  {"5\n6,1\n", MLO_ERROR_TYPE, "*: line 2: time_ms: not a number"},
  {"5\n6.5\n", MLO_ERROR_FORMAT, "*: line 2: time_ms: 6.5 is not a whole number"},
  {"-5\n", MLO_ERROR_RANGE, "*: line 1: time_ms: -5*"},
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *copy = g_memdup2 (bad[i].text, strlen (bad[i].text));
    MloTrace *t = mlo_trace_parse ("t.csv", copy, strlen (bad[i].text), &error);

    g_test_message ("row %u: %s", i, error ? error->message : "no error");
    g_assert_null (t);
    g_assert_error (error, MLO_ERROR, bad[i].code);
    g_assert_true (g_pattern_match_simple (bad[i].message, error->message));
  }
}

/* A NUL, and more packets in a millisecond than any link carries. */
static void
test_bad_binary (void)
{
  static const char nul[] = "0,1\n5,\0\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) flood = g_string_new (NULL);

  g_assert_null (mlo_trace_parse ("t", nul, sizeof nul - 1, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TYPE);
  g_clear_error (&error);
  for (int i = 0; i < 1000; i++)
    g_string_append (flood, "1\n");
  g_assert_null (mlo_trace_parse ("t", flood->str, flood->len, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_RANGE);
}

static void
test_load (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTrace) t = NULL;
  g_autofree char *dir = g_dir_make_tmp ("mlo-trace-XXXXXX", &error);
  g_autofree char *path = g_build_filename (dir, "some.link.csv", NULL);

  g_assert_no_error (error);
  g_assert_null (mlo_trace_load (path, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_MISSING);
  g_assert_nonnull (strstr (error->message, path));
  g_clear_error (&error);
  g_assert_null (mlo_trace_load (dir, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (path, "0,1\n1,x\n", -1, NULL));
  g_assert_null (mlo_trace_load (path, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_TYPE);
  g_assert_nonnull (strstr (error->message, path));
  g_assert_nonnull (strstr (error->message, "line 2: capacity_kbps"));
  g_clear_error (&error);

  g_assert_true (g_file_set_contents (path, "0,1000\n100,2000\n", -1, NULL));
  t = mlo_trace_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (t->name, ==, "some.link");
  g_assert_cmpint (t->duration_us, ==, 200000);
  g_remove (path);
  g_rmdir (dir);
}

static void
test_serve (void)
{
  static const double steps[][2] = { {0, 8000}, {1, 0}, {2, 4000} };
  g_autoptr (MloTrace) t = mlo_trace_new_steps (steps, 3, 3.0);
  g_autoptr (MloTrace) dead = mlo_trace_new_constant (0.0, 1.0);

  /* 8000 kbit/s is one byte a microsecond. */
  g_assert_cmpint (mlo_trace_serve (t, 0, 1000.0), ==, 1000);
  g_assert_cmpint (mlo_trace_serve (t, 500, 0.0), ==, 500);
  g_assert_cmpint (mlo_trace_serve (t, 999000, 1000.0), ==, 1000000);
  g_assert_cmpint (mlo_trace_serve (t, 999000, 2000.0), ==, 2002000);
  g_assert_cmpint (mlo_trace_serve (t, 1500000, 500.0), ==, 2001000);
  /* Over the end, where it repeats. */
  g_assert_cmpint (mlo_trace_serve (t, 2999000, 1000.0), ==, 3000500);
  g_assert_cmpint (mlo_trace_serve (t, 7 * 3000000 + 100, 50.0), ==, 7 * 3000000 + 150);
  g_assert_cmpint (mlo_trace_serve (dead, 0, 1.0), ==, G_MAXINT64);
  g_assert_cmpfloat (mlo_trace_bytes (t, 0, 3000000), ==, 1500000.0);
  g_assert_cmpfloat (mlo_trace_bytes (t, 500000, 3500000), ==, 1500000.0);
  g_assert_cmpfloat (mlo_trace_bytes (t, 10, 5), ==, 0.0);
  g_assert_cmpfloat (mlo_trace_mean_kbps (t, 0.0), ==, 4000.0);
  g_assert_cmpfloat (mlo_trace_mean_kbps (t, 4000.0), ==, 8000.0 / 3.0);
  g_assert_cmpfloat (mlo_trace_at (t, 2999999)->capacity_kbps, ==, 4000.0);
  g_assert_cmpfloat (mlo_trace_at (t, 3000000)->capacity_kbps, ==, 8000.0);
  g_assert_cmpfloat (mlo_trace_at (t, -5)->capacity_kbps, ==, 8000.0);
}

/* Position and time_of are inverse to each other and agree with a plain sum, hints or not. */
static void
test_position (void)
{
  MloRandom random;
  const guint64 seed = 11;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int k = 0; k < 4 * MLO_N_TRACE_KINDS; k++) {
    g_autoptr (MloTrace) t = mlo_trace_generate (k % MLO_N_TRACE_KINDS, &random, 20.0);
    guint hint = 0, other = 0;
    gint64 at = 0;
    double walked = 0.0;

    for (int i = 0; i < 300; i++) {
      gint64 next = at + mlo_random_below (&random, 300000);
      double position, back;

      for (gint64 x = at; x < next;) {
        const MloTraceRow *row = mlo_trace_at (t, x);
        gint64 into = x % t->duration_us;
        gint64 end = row + 1 < t->rows + t->n_rows ? row[1].time_us : t->duration_us;
        gint64 step = MIN (end - into, next - x);

        walked += row->capacity_kbps * (double) step / 8000.0;
        x += step;
      }
      position = mlo_trace_position (t, next, &hint);
      g_assert_cmpfloat_with_epsilon (position, walked, 1e-9 * walked + 1e-6);
      g_assert_cmpfloat (position, ==, mlo_trace_position (t, next, NULL));
      back = mlo_trace_time_of (t, position, &other);
      g_assert_cmpfloat (back, ==, mlo_trace_time_of (t, position, NULL));
      g_assert_cmpfloat (back, <=, (double) next + 1e-3);
      g_assert_cmpfloat_with_epsilon (mlo_trace_position (t, (gint64) floor (back), NULL), position,
          1e-9 * position + MAX (1.0, mlo_trace_at (t, (gint64) back)->capacity_kbps / 8000.0 + 1e-6));
      at = next;
    }
  }
}

static void
test_outage (void)
{
  static const double steps[][2] = { {0, 0}, {0.1, 5000}, {2, 99}, {2.2, 5000}, {4, 0}, {4.19, 5000}, {5.9, 0} };
  g_autoptr (MloTrace) t = mlo_trace_new_steps (steps, G_N_ELEMENTS (steps), 6.0);
  g_autoptr (MloTrace) dead = mlo_trace_new_constant (0.0, 1.0);

  g_assert_false (mlo_trace_in_outage (t, 50000));      /* 100 ms at the start only */
  g_assert_false (mlo_trace_in_outage (t, 1999999));
  g_assert_true (mlo_trace_in_outage (t, 2000000));
  g_assert_true (mlo_trace_in_outage (t, 2699999));
  g_assert_false (mlo_trace_in_outage (t, 2700000));
  g_assert_false (mlo_trace_in_outage (t, 4100000));    /* 190 ms */
  g_assert_true (mlo_trace_in_outage (t, 5950000));     /* 100 ms here and 100 ms where it repeats */
  g_assert_true (mlo_trace_in_outage (t, 6050000));
  g_assert_true (mlo_trace_in_outage (t, 6599999));
  g_assert_false (mlo_trace_in_outage (t, 6600000));
  g_assert_true (mlo_trace_in_outage (dead, 12345678));
}

static void
test_generate (void)
{
  MloRandom a, b;
  double mean[MLO_N_TRACE_KINDS] = { 0 }, out[MLO_N_TRACE_KINDS] = { 0 };
  const int n = 150;

  mlo_random_seed (&a, 5);
  mlo_random_seed (&b, 5);
  for (int k = 0; k < MLO_N_TRACE_KINDS; k++) {
    g_assert_cmpint (mlo_trace_kind_from_name (mlo_trace_kind_name (k)), ==, k);
    for (int i = 0; i < n; i++) {
      g_autoptr (MloTrace) t = mlo_trace_generate (k, &a, 30.0), u = mlo_trace_generate (k, &b, 30.0);

      g_assert_cmpuint (t->n_rows, ==, u->n_rows);
      g_assert_true (memcmp (t->rows, u->rows, t->n_rows * sizeof *t->rows) == 0);
      g_assert_cmpint (t->duration_us, >=, 30000000);
      g_assert_cmpint (t->rows[0].time_us, ==, 0);
      for (guint r = 0; r < t->n_rows; r++) {
        g_assert_true (t->rows[r].capacity_kbps >= 0.0 && t->rows[r].capacity_kbps <= MLO_TRACE_MAX_KBPS);
        g_assert_true (r == 0 || t->rows[r].time_us > t->rows[r - 1].time_us);
        if (t->rows[r].capacity_kbps < MLO_OUTAGE_KBPS)
          out[k] += 1.0 / t->n_rows / n;
      }
      mean[k] += log (mlo_trace_mean_kbps (t, 0.0)) / n;
    }
    g_test_message ("%s: geometric mean %.0f kbit/s, below %g kbit/s %.1f %%", mlo_trace_kind_name (k), exp (mean[k]),
        MLO_OUTAGE_KBPS, 100.0 * out[k]);
    g_assert_cmpfloat (exp (mean[k]), >, 2000.0);
    g_assert_cmpfloat (exp (mean[k]), <, 60000.0);
    g_assert_cmpfloat (out[k], <, 0.25);
  }
  /* What the kinds are for. */
  g_assert_cmpfloat (out[MLO_TRACE_WIRED], <, 0.001);
  g_assert_cmpfloat (out[MLO_TRACE_FADING], >, 0.03);
  g_assert_cmpfloat (out[MLO_TRACE_WIFI], >, 0.01);
  g_assert_cmpint (mlo_trace_kind_from_name ("nothing"), ==, -1);
  g_assert_cmpstr (mlo_trace_kind_name (MLO_N_TRACE_KINDS), ==, "invalid");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/trace/csv", test_csv);
  g_test_add_func ("/trace/csv-plain", test_csv_plain);
  g_test_add_func ("/trace/mahimahi", test_mahimahi);
  g_test_add_func ("/trace/bad", test_bad);
  g_test_add_func ("/trace/bad-binary", test_bad_binary);
  g_test_add_func ("/trace/load", test_load);
  g_test_add_func ("/trace/serve", test_serve);
  g_test_add_func ("/trace/position", test_position);
  g_test_add_func ("/trace/outage", test_outage);
  g_test_add_func ("/trace/generate", test_generate);
  return g_test_run ();
}
