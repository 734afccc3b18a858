/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* simulate, train, evaluate and model as a user runs them. */
#include <string.h>
#include <sys/wait.h>

#include <glib/gstdio.h>

typedef struct
{
  int code;
  char *out, *err;
} Ran;

static void
ran_clear (Ran * r)
{
  g_clear_pointer (&r->out, g_free);
  g_clear_pointer (&r->err, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Ran, ran_clear)
     static char *folder;       /* of this run's files */

     static Ran tool (const char *arguments)
{
  g_autofree char *line = g_strdup_printf ("%s %s", g_getenv ("MLO_TOOL"), arguments);
  g_auto (GStrv) argv = NULL;
  g_autoptr (GError) error = NULL;
  Ran r = { 0 };
  int status;

  g_assert_true (g_shell_parse_argv (line, NULL, &argv, &error));
  g_assert_true (g_spawn_sync (folder, argv, NULL, 0, NULL, NULL, &r.out, &r.err, &status, &error));
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (status));
  r.code = WEXITSTATUS (status);
  g_test_message ("%s -> %d %s", arguments, r.code, r.err);
  return r;
}

static gboolean
exists (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static guint
count_files (const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (dir && g_dir_read_name (dir))
    n++;
  return n;
}

static void
put (const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
assert_same (const char *a, const char *b)
{
  g_autofree char *path_a = g_build_filename (folder, a, NULL);
  g_autofree char *path_b = g_build_filename (folder, b, NULL);
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  gsize lengths[2];

  g_assert_true (g_file_get_contents (path_a, &first, &lengths[0], NULL));
  g_assert_true (g_file_get_contents (path_b, &second, &lengths[1], NULL));
  g_assert_cmpmem (first, lengths[0], second, lengths[1]);
}

/* From the shipped recordings: both networks come out, are what `model` says, and drive. */
static void
test_dataset (void)
{
  g_auto (Ran) trained =
      tool ("train --dataset " TEST_SOURCE "/examples/data/metrics.json  --epochs 2 --output from-data");
  g_auto (Ran) again = { 0 };
  g_auto (Ran) model = { 0 };
  g_auto (Ran) evaluated = { 0 };
  g_auto (Ran) simulated = { 0 };

  g_assert_cmpint (trained.code, ==, 0);
  g_assert_nonnull (strstr (trained.out, "epoch 2/2"));
  /* two networks and a reserve */
  g_assert_cmpuint (count_files ("from-data"), ==, 3);
  model = tool ("model --json from-data/bitrate_predictor.safetensors from-data/quality_optimizer.safetensors "
      "from-data/reserve.safetensors");
  g_assert_cmpint (model.code, ==, 0);
  g_assert_nonnull (strstr (model.out, "\"lstm.weight_ih_l0\""));
  g_assert_nonnull (strstr (model.out, "\"quality_optimizer\""));
  g_assert_nonnull (strstr (model.out, "\"reserve\""));
  g_assert_nonnull (strstr (model.out, "dataset: seed 1"));
  evaluated = tool ("evaluate --model from-data/bitrate_predictor.safetensors -n 1 -s 5 --seconds 10");
  g_assert_cmpint (evaluated.code, ==, 0);
  g_assert_nonnull (strstr (evaluated.out, "rule-ladder"));
  simulated = tool ("simulate --kind lte --seconds 5 --models from-data --json");
  g_assert_cmpint (simulated.code, ==, 0);
  g_assert_nonnull (strstr (simulated.out, "\"utilisation\""));
  again =
      tool ("train --dataset " TEST_SOURCE
      "/examples/data/metrics.json  --epochs 1 --from from-data --output from-data");
  g_assert_cmpint (again.code, ==, 0);
}

/* What the simulator logs is a dataset. */
static void
test_log (void)
{
  g_auto (Ran) simulated = tool ("simulate --kind wifi --seconds 20 -c gcc --quiet --log log.jsonl");
  g_auto (Ran) trained = { 0 };

  g_assert_cmpint (simulated.code, ==, 0);
  trained = tool ("train --dataset log.jsonl --epochs 1 --output from-log");
  g_assert_cmpint (trained.code, ==, 0);
  g_assert_nonnull (strstr (trained.out, "200 samples, 1 recordings, 200 ticks"));
  g_assert_cmpuint (count_files ("from-log"), ==, 3);
}

/* From the simulator, much shortened; the same seed gives the same numbers with any number of threads. */
static void
test_simulator (void)
{
  const char *numbers[2] = { "--jobs 1", "--jobs 3" };
  g_autofree char *first = NULL;
  g_auto (Ran) anew = { 0 };

  for (guint i = 0; i < 2; i++) {
    g_autofree char *line = g_strdup_printf ("train %s --seed 3 --seconds 5 --rounds 2 --episodes 12 --epochs 1 "
        "--optimizer-rounds 2 --optimizer-episodes 6 --optimizer-updates 50 --output sim-%u", numbers[i], i);
    g_autofree char *path = g_strdup_printf ("%s/sim-%u/quality_optimizer.safetensors", folder, i);
    g_autofree char *data = NULL;
    gsize length;
    g_auto (Ran) r = tool (line);

    g_assert_cmpint (r.code, ==, 0);
    g_assert_true (g_file_get_contents (path, &data, &length, NULL));
    if (i == 0)
      first = g_steal_pointer (&data);
    else                        /* the header holds the time; the numbers follow it */
      g_assert_cmpmem (first + length - 100000, 100000, data + length - 100000, 100000);
  }
  /* The reserve is what the two written beside it lead to. */
  anew = tool ("train --only reserve --seed 3 --from sim-0 --output sim-anew");
  g_assert_cmpint (anew.code, ==, 0);
  assert_same ("sim-0/reserve.safetensors", "sim-anew/reserve.safetensors");
}

static void
test_evaluate (void)
{
  g_auto (Ran) r = tool ("evaluate -c guard,gcc,fixed:2000,omniscient,label -n 1 -s 1,2 --seconds 5 --json");
  g_auto (Ran) check = { 0 };

  g_assert_cmpint (r.code, ==, 0);
  g_assert_nonnull (strstr (r.out, "\"fading\""));
  put ("t.csv", "# columns=time_ms,capacity_kbps\n0,4000\n1000,2000\n2000,8000\n3000,8000\n4000,8000\n5000,8000\n");
  check = tool ("evaluate -c guard --traces t.csv");
  g_assert_cmpint (check.code, ==, 0);
}

/* Each wrong thing: exit code, what is said, and nothing written. */
static const struct
{
  const char *arguments;
  int code;
  const char *says;
} bad_rows[] = {
  {"train --dataset missing.json --output no", 1, "missing.json"},
  {"train --dataset bad.json --output no", 1, "bad.json: sample 1: field packet_loss"},
  {"train --dataset still.json --output no", 1, "still.json"},
  {"train --from nowhere --output no", 1, "nowhere"},
  {"train --only everything", 2, "--only everything"},
  {"train --only optimizer", 2, "--from"},
  {"train --only reserve", 2, "--from"},
  {"train --only reserve --from /nowhere", 1, "/nowhere"},
  {"train --quantile 1.5", 2, "--quantile"},
  {"train --hidden 100000", 2, "out of range"},
  {"train --seconds 1", 2, "--seconds"},
  {"train --epochs -1", 2, "out of range"},
  {"train more", 2, "more"},
  {"model", 2, "FILE"},
  {"model bad.json", 1, "bad.json"},
  {"model missing.safetensors", 1, "missing.safetensors"},
  {"evaluate --models nowhere", 1, "nowhere"},
  {"evaluate -c guard,magic", 2, "magic"},
  {"evaluate -c guard,guard", 2, "twice"},
  {"evaluate -c fixed:-3", 2, "fixed:-3"},
  {"evaluate -c guard -s 1,x", 2, "\"x\""},
  {"evaluate -c guard --traces nowhere", 1, "nowhere"},
  {"evaluate -c guard --traces empty", 1, "empty"},
  {"evaluate -c guard --traces broken", 1, "broken.csv"},
  {"evaluate -c guard -n 0", 2, "out of range"},
  {"simulate -c guard", 2, "--trace"},
  {"simulate -c guard --rate 1000 --kind lte", 2, "--trace"},
  {"simulate -c guard --kind moon", 2, "moon"},
  {"simulate -c guard --rate nan", 2, "--rate"},
  {"simulate -c guard --rate 1000 --rtt -1", 2, "--rtt"},
  {"simulate -c guard --rate 1000 --feedback carrier-pigeon", 2, "carrier-pigeon"},
  {"simulate -c guard --trace broken/broken.csv", 1, "broken.csv"},
  {"simulate --rate 1000 --models nowhere", 1, "nowhere"},
};

static void
test_bad (void)
{
  g_autofree char *empty = g_build_filename (folder, "empty", NULL), *broken =
      g_build_filename (folder, "broken", NULL);

#define SAMPLE(t, loss) "{\"timestamp\": " t ", \"latency_ms\": 40, \"jitter_ms\": 1, \"packet_loss\": " loss \
    ", \"bandwidth_kbps\": null, \"bitrate_kbps\": 4000, \"fps\": 60, \"quality_score\": 0.5}"
  put ("bad.json", "[" SAMPLE ("1", "0") ", " SAMPLE ("2", "7") "]");
  put ("still.json", "[" SAMPLE ("1", "0") ", " SAMPLE ("2", "0") ", " SAMPLE ("3", "0") "]");
  g_assert_cmpint (g_mkdir (empty, 0755), ==, 0);
  g_assert_cmpint (g_mkdir (broken, 0755), ==, 0);
  put ("broken/broken.csv", "0,1000\n100,minus\n");
  for (guint i = 0; i < G_N_ELEMENTS (bad_rows); i++) {
    g_auto (Ran) r = tool (bad_rows[i].arguments);

    g_assert_cmpint (r.code, ==, bad_rows[i].code);
    g_assert_nonnull (strstr (r.err, bad_rows[i].says));
    g_assert_false (exists ("no"));
    g_assert_false (exists ("models"));
  }
}

int
main (int argc, char **argv)
{
  int code;

  g_test_init (&argc, &argv, NULL);
  folder = g_dir_make_tmp ("mlo-tool-train-XXXXXX", NULL);
  g_test_add_func ("/tool-train/dataset", test_dataset);
  g_test_add_func ("/tool-train/log", test_log);
  g_test_add_func ("/tool-train/simulator", test_simulator);
  g_test_add_func ("/tool-train/evaluate", test_evaluate);
  g_test_add_func ("/tool-train/bad", test_bad);
  code = g_test_run ();
  if (code == 0) {
    g_autofree char *line = g_strdup_printf ("rm -rf '%s'", folder);

    g_spawn_command_line_sync (line, NULL, NULL, NULL, NULL);
  }
  return code;
}
