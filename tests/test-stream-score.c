/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The scorer on logs made up here, good and bad. MLO_STREAM_SCORE names the program. */

#include <glib.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/wait.h>

#define START_US G_GINT64_CONSTANT (5000000000)
#define SECONDS 10

typedef struct
{
  char *folder;
  char *sent, *decoded, *link, *trace;
} Logs;

static char *
write_log (const Logs * l, const char *name, const char *text)
{
  char *path = g_build_filename (l->folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return path;
}

/* 60 fps, each decoded @delay_us later, one in a dozen compared; frames in [lost_from, lost_to) never. */
static void
logs_set_up (Logs * l, gint64 delay_us, int lost_from, int lost_to)
{
  g_autoptr (GString) sent = g_string_new ("frame,capture_us,encoded_us,bytes,keyframe,width,height\n");
  g_autoptr (GString) decoded = g_string_new ("frame,decoded_us,width,height,psnr_db,ssim\n");
  g_autoptr (GString) link = g_string_new (NULL);

  l->folder = g_dir_make_tmp ("stream-score-XXXXXX", NULL);
  for (int i = 0; i <= SECONDS * 60; i++) {
    gint64 capture_us = START_US + i * G_GINT64_CONSTANT (1000000) / 60;

    g_string_append_printf (sent, "%d,%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT ",5000,%d,1280,720\n", i, capture_us,
        capture_us + 5000, i == 0);
    if (i < lost_from || i >= lost_to)
      g_string_append_printf (decoded, "%d,%" G_GINT64_FORMAT ",1280,720,%s\n", i, capture_us + delay_us,
          i % 12 == 0 ? "38.000,0.95000" : ",");
  }
  g_string_append_printf (link, "{\"start_us\": %" G_GINT64_FORMAT "}\n", START_US + 5000);
  for (int i = 1; i <= SECONDS * 10; i++)
    g_string_append_printf (link, "{\"time_ms\": %d, \"capacity_kbps\": 4000.0, \"in_kbps\": 2500.0, "
        "\"delivered_kbps\": 2000.0, \"queue_bytes\": 0, \"queue_ms\": 0.00, \"packets\": 20, \"dropped_queue\": 1, "
        "\"dropped_loss\": 0}\n", i * 100);
  l->sent = write_log (l, "sent.csv", sent->str);
  l->decoded = write_log (l, "decoded.csv", decoded->str);
  l->link = write_log (l, "link.jsonl", link->str);
  l->trace = write_log (l, "trace.csv", "0,4000\n1000,4000\n");
}

static void
logs_tear_down (Logs * l)
{
  char *paths[] = { l->sent, l->decoded, l->link, l->trace };

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++) {
    g_remove (paths[i]);
    g_free (paths[i]);
  }
  g_rmdir (l->folder);
  g_free (l->folder);
}

static int
score (const Logs * l, char **out, char **err)
{
  g_autofree char *command = g_strdup_printf ("%s --sent %s --decoded %s --link %s --trace %s",
      g_getenv ("MLO_STREAM_SCORE"), l->sent, l->decoded, l->link, l->trace);
  int status = 0;

  g_assert_true (g_spawn_command_line_sync (command, out, err, &status, NULL));
  g_assert_true (WIFEXITED (status));
  return WEXITSTATUS (status);
}

static double
figure (const char *out, const char *name)
{
  g_autofree char *key = g_strdup_printf ("\"%s\": ", name);
  const char *found = strstr (out, key);

  g_assert_nonnull (found);
  return g_str_has_prefix (found + strlen (key), "null") ? NAN : g_ascii_strtod (found + strlen (key), NULL);
}

static void
test_good (void)
{
  g_autofree char *out = NULL;
  Logs l;

  logs_set_up (&l, 40000, -1, -1);
  g_assert_cmpint (score (&l, &out, NULL), ==, 0);
  g_assert_cmpfloat_with_epsilon (figure (out, "seconds"), SECONDS, 1e-3);
  g_assert_cmpfloat_with_epsilon (figure (out, "psnr_db"), 38.0, 1e-6);
  g_assert_cmpfloat_with_epsilon (figure (out, "bitrate_kbps"), 5000 * 8e-3 * (SECONDS * 60 + 1) / SECONDS, 1.0);
  g_assert_cmpfloat_with_epsilon (figure (out, "delay_p50_ms"), 40.0, 0.5);
  g_assert_cmpfloat_with_epsilon (figure (out, "delay_p95_clear_ms"), 40.0, 0.5);
  g_assert_cmpfloat_with_epsilon (figure (out, "utilisation"), 0.5, 0.01);
  g_assert_cmpfloat_with_epsilon (figure (out, "loss"), 0.05, 1e-6);
  g_assert_cmpfloat (figure (out, "freezes"), ==, 0.0);
  g_assert_cmpfloat (figure (out, "score"), >, 80.0);
  g_assert_cmpfloat (figure (out, "frames_left_out"), ==, 0.0);
  logs_tear_down (&l);
}

/* Later is worse, and a freeze worse again. */
static void
test_order (void)
{
  g_autofree char *fast = NULL, *slow = NULL, *frozen = NULL;
  Logs l;

  logs_set_up (&l, 40000, -1, -1);
  g_assert_cmpint (score (&l, &fast, NULL), ==, 0);
  logs_tear_down (&l);
  logs_set_up (&l, 200000, -1, -1);
  g_assert_cmpint (score (&l, &slow, NULL), ==, 0);
  logs_tear_down (&l);
  logs_set_up (&l, 200000, 240, 360);
  g_assert_cmpint (score (&l, &frozen, NULL), ==, 0);
  logs_tear_down (&l);
  g_assert_cmpfloat (figure (fast, "score"), >, figure (slow, "score") + 10.0);
  g_assert_cmpfloat (figure (slow, "score"), >, figure (frozen, "score") + 10.0);
  g_assert_cmpfloat (figure (frozen, "freezes"), ==, 1.0);
  g_assert_cmpfloat_with_epsilon (figure (frozen, "freeze_s"), 2.0, 0.1);
}

/* A freeze that never ends is one as well. */
static void
test_frozen_to_the_end (void)
{
  g_autofree char *out = NULL;
  Logs l;

  logs_set_up (&l, 40000, 300, SECONDS * 60 + 1);
  g_assert_cmpint (score (&l, &out, NULL), ==, 0);
  g_assert_cmpfloat (figure (out, "freezes"), ==, 1.0);
  g_assert_cmpfloat_with_epsilon (figure (out, "freeze_s"), 5.0, 0.1);
  logs_tear_down (&l);
}

static void
test_bad_logs (void)
{
  static const struct
  {
    const char *sent, *decoded, *link, *trace, *says;
  } rows[] = {
    {"head\nnonsense\n", NULL, NULL, NULL, "line 2"},
    {"head\n1,2\n", NULL, NULL, NULL, "line 2"},
    {"head\n", NULL, NULL, NULL, "no stream"},
    {"", NULL, NULL, NULL, "no stream"},
    {NULL, "head\n1,5,x\n", NULL, NULL, "line 2"},
    {NULL, "head\n99999,5000100000,1280,720,,\n", NULL, NULL, "99999"},
    {NULL, NULL, "{}\n", NULL, "line 1"},
    {NULL, NULL, "", NULL, "no stream"},
    {NULL, NULL, NULL, "0,abc\n", "trace.csv"},
    {NULL, NULL, NULL, "", "trace.csv"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *out = NULL, *err = NULL;
    const char *texts[] = { rows[i].sent, rows[i].decoded, rows[i].link, rows[i].trace };
    char **paths[4];
    Logs l;

    g_test_message ("row %u", i);
    logs_set_up (&l, 40000, -1, -1);
    paths[0] = &l.sent;
    paths[1] = &l.decoded;
    paths[2] = &l.link;
    paths[3] = &l.trace;
    for (int k = 0; k < 4; k++)
      if (texts[k])
        g_assert_true (g_file_set_contents (*paths[k], texts[k], -1, NULL));
    g_assert_cmpint (score (&l, &out, &err), ==, 1);
    g_assert_cmpstr (out, ==, "");
    g_assert_nonnull (strstr (err, rows[i].says));
    logs_tear_down (&l);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/stream-score/good", test_good);
  g_test_add_func ("/stream-score/order", test_order);
  g_test_add_func ("/stream-score/frozen-to-the-end", test_frozen_to_the_end);
  g_test_add_func ("/stream-score/bad-logs", test_bad_logs);
  return g_test_run ();
}
