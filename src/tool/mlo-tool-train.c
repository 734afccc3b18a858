/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mloptimizer train: both networks, from the simulator or from logged telemetry. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <glib/gstdio.h>

#include "mlo-error.h"
#include "mlo-mpi.h"
#include "mlo-reserve.h"
#include "mlo-rollout.h"
#include "mlo-tool-models.h"
#include "mlo-tool.h"
#include "mlo-trainer.h"

/* Least time between two updates of the line on the terminal. */
#define SHOW_INTERVAL_US 200000

static volatile sig_atomic_t interrupted = 0;

static void
on_signal (int number)
{
  /* the second one ends the process at once */
  interrupted = 1;
  signal (number, SIG_DFL);
}

typedef struct
{
  gboolean terminal, line_open;
  gint64 begin_us, shown_us;
  const char *stage;
  guint round;
  gint64 stage_us;              /* when the stage began */
} Display;

static void
print_time (double seconds)
{
  if (seconds >= 3600.0)
    fprintf (stderr, "%.0f h %02.0f min", floor (seconds / 3600.0), floor (fmod (seconds, 3600.0) / 60.0));
  else if (seconds >= 60.0)
    fprintf (stderr, "%.0f min %02.0f s", floor (seconds / 60.0), floor (fmod (seconds, 60.0)));
  else
    fprintf (stderr, "%.0f s", ceil (seconds));
}

static void
print_where (FILE * f, const MloProgress * p)
{
  fprintf (f, "%-9s", p->stage);
  if (p->rounds > 0)
    fprintf (f, " round %u/%u", p->round, p->rounds);
  if (p->epochs > 0)
    fprintf (f, " epoch %u/%u", p->epoch, p->epochs);
  if (isfinite (p->loss))
    fprintf (f, " loss %.5f", p->loss);
  if (isfinite (p->validation))
    fprintf (f, strcmp (p->stage, "optimizer") == 0 ? " reward %.2f" : " validation %.5f", p->validation);
}

static gboolean
on_progress (gpointer user_data, const MloProgress * p)
{
  Display *d = user_data;
  gint64 now_us = g_get_monotonic_time ();
  double elapsed_s;

  if (p->stage != d->stage || (p->round != d->round && strcmp (p->stage, "optimizer") != 0)) {
    /* the optimizer's rounds are one stage, between which episodes are recorded */
    if (!(d->stage && strcmp (p->stage, "optimizer") == 0 && p->done > 0.0 && d->stage_us < 0))
      d->stage_us = now_us;
    d->stage = p->stage;
    d->round = p->round;
  }
  elapsed_s = (double) (now_us - d->stage_us) * 1e-6;
  if (p->epoch_complete) {
    if (d->line_open)
      fputs ("\r\033[K", stderr);
    d->line_open = FALSE;
    print_where (stdout, p);
    printf ("  %.0f s\n", (double) (now_us - d->begin_us) * 1e-6);
    fflush (stdout);
  } else if (d->terminal && now_us - d->shown_us >= SHOW_INTERVAL_US) {
    fputs ("\r\033[K", stderr);
    print_where (stderr, p);
    fprintf (stderr, "  %3.0f %%", p->total > 0.0 ? 100.0 * MIN (1.0, p->done / p->total) : 0.0);
    if (elapsed_s > 1.0 && p->done > 0.0) {
      fprintf (stderr, "  %.0f %s/s  left ", p->done / elapsed_s, p->unit);
      print_time (MAX (0.0, p->total - p->done) * elapsed_s / p->done);
    }
    fflush (stderr);
    d->line_open = TRUE;
    d->shown_us = now_us;
  }
  return !interrupted;
}

static gboolean
make_folder (const char *folder, GError ** error)
{
  if (g_mkdir_with_parents (folder, 0777) == 0)
    return TRUE;
  g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s: %s", folder, g_strerror (errno));
  return FALSE;
}

/* What learning from a stream is mixed with: of the dataset, or of the simulator under what was learned. */
static gboolean
save_reserve (const MloTrained * t, const MloTrainerOptions * o, const MloDataset * dataset, const char *folder,
    GError ** error)
{
  g_autofree char *path = g_build_filename (folder, MLO_RESERVE_FILE, NULL);
  const MloEpisode like = {.interval_us = o->interval_us,.behaviour = MLO_BEHAVIOUR_PREDICTOR,.predictor = t->predictor,
    .optimizer = t->optimizer,.epsilon = o->epsilon_last,.baseline = TRUE,.horizon_s = o->horizon_s,
    .size_price = o->size_price,.fps_price = o->fps_price,.bitrate_price = o->bitrate_price
  };
  g_autoptr (GPtrArray) pieces = NULL;

  if (dataset)
    pieces = mlo_reserve_cut (dataset->recordings, dataset->n_recordings);
  else
    pieces = mlo_reserve_record (mlo_rollout_environment (), &like, o->seed);
  if (pieces->len == 0)
    return TRUE;
  if (!mlo_reserve_save (pieces, path, error))
    return FALSE;
  printf ("%s: %u pieces of %g s\n", path, pieces->len, MLO_RESERVE_PIECE_S);
  return TRUE;
}

static gboolean
save (const MloTrained * t, const MloTrainerOptions * o, const MloDataset * dataset, const char *folder,
    GError ** error)
{
  g_autofree char *predictor = g_build_filename (folder, MLO_PREDICTOR_FILE, NULL);
  g_autofree char *optimizer = g_build_filename (folder, MLO_OPTIMIZER_FILE, NULL);
  g_auto (MloTrained) written = { 0 };

  if (t->predictor && !mlo_bitrate_predictor_save (t->predictor, predictor, t->predictor_summary, error))
    return FALSE;
  if (t->optimizer && !mlo_quality_optimizer_save (t->optimizer, optimizer, t->optimizer_summary, error))
    return FALSE;
  if (t->predictor)
    printf ("%s: %s\n", predictor, t->predictor_summary ? t->predictor_summary : "as it was");
  if (t->optimizer)
    printf ("%s: %s\n", optimizer, t->optimizer_summary ? t->optimizer_summary : "as it was");
  if (!t->predictor || !t->optimizer)
    return TRUE;
  /* Of what was written, beside which it stands: what is read back differs in a last digit. */
  if (!mlo_tool_load_models (folder, &written.predictor, &written.optimizer, error))
    return FALSE;
  return save_reserve (&written, o, dataset, folder, error);
}

/* What is asked for, after the options are read. */
typedef struct
{
  MloTrainerOptions trainer;
  const char *output, *dataset, *from;  /* the latter two may be NULL */
  gboolean optimizer_alone, reserve_alone;
  guint epochs;                 /* 0: as usual */
  guint jobs;
  const char *command;          /* all arguments as one text */
} Task;

/* Ranks that do not have the same before them would wait for one another for ever. */
static gboolean
check_alike (const MloGroup * group, const Task * task, const MloTrained * from, const MloDataset * d, GError ** error)
{
  g_autofree char *what = g_strdup_printf ("%s %" G_GSIZE_FORMAT " %u %u %d %d %u %u %s", MLO_VERSION, sizeof (MloTick),
      from->predictor ? mlo_bitrate_predictor_config (from->predictor)->hidden : 0,
      from->predictor ? mlo_bitrate_predictor_config (from->predictor)->layers : 0, from->predictor != NULL,
      from->optimizer != NULL, d ? d->n_samples : 0, d ? d->n_ticks : 0, task->command);

  if (mlo_mpi_agree (group, what, strlen (what)))
    return TRUE;
  g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "the machines differ in version, arguments, dataset or models");
  return FALSE;
}

static MloDataset *
load_dataset (const Task * task, const MloGroup * group, GError ** error)
{
  MloDatasetOptions options = mlo_dataset_options_default;
  MloDataset *d;

  options.interval_us = task->trainer.interval_us;
  options.horizon_s = task->trainer.horizon_s;
  options.size_price = task->trainer.size_price;
  options.fps_price = task->trainer.fps_price;
  d = mlo_dataset_load (task->dataset, &options, error);
  if (d && mlo_group_leads (group))
    printf ("%s: %u samples, %u recordings, %u ticks\n", task->dataset, d->n_samples, d->n_recordings, d->n_ticks);
  return d;
}

static int
learn (const Task * task, const MloGroup * group)
{
  const gboolean leads = mlo_group_leads (group);
  Display display = {.terminal = mlo_tool_is_terminal (),.begin_us = g_get_monotonic_time () };
  MloProgressFunc progress = leads ? on_progress : NULL;
  g_autoptr (MloWorkers) workers = NULL;
  g_autoptr (MloDataset) dataset = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (MloTrained) from = { 0 };
  g_auto (MloTrained) out = { 0 };

  if (task->from && !mlo_tool_load_models (task->from, &from.predictor, &from.optimizer, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  if ((task->optimizer_alone || task->reserve_alone) && !from.predictor)
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s: no %s", task->from, MLO_PREDICTOR_FILE);
  if (task->reserve_alone && !from.optimizer)
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s: no %s", task->from, MLO_OPTIMIZER_FILE);
  if (task->dataset && !(dataset = load_dataset (task, group, &error)))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  if (!check_alike (group, task, &from, dataset, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  workers = mlo_workers_new (task->jobs);
  mlo_workers_set_group (workers, group);
  if (group && leads)
    printf ("%u ranks\n", group->size);
  signal (SIGINT, on_signal);
  signal (SIGTERM, on_signal);

  if (!dataset)
    mlo_trainer_simulate (&task->trainer, mlo_rollout_environment (), workers, task->from ? &from : NULL, progress,
        &display, &out);
  else if (!mlo_trainer_dataset (&task->trainer, dataset, task->epochs > 0 ? task->epochs : 50, workers,
          task->from ? &from : NULL, progress, &display, &out, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s: %s", task->dataset, error->message);
  if (!leads)
    return MLO_EXIT_OK;
  if (display.line_open)
    fputs ("\r\033[K", stderr);
  if (!make_folder (task->output, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  if (task->reserve_alone ? !save_reserve (&from, &task->trainer, NULL, task->output, &error)
      : !save (&out, &task->trainer, dataset, task->output, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  printf ("%s after %.0f s\n", out.stopped ? "stopped and saved" : "done",
      (double) (g_get_monotonic_time () - display.begin_us) * 1e-6);
  return MLO_EXIT_OK;
}

static int
run (int argc, char **argv)
{
  MloTrainerOptions o = mlo_trainer_options_default;
  g_autofree char *output = NULL, *dataset_path = NULL, *from_folder = NULL, *only = NULL;
  gint64 seed = 1;
  int epochs = 0, jobs = 0, batch = 0, rounds = -1, episodes = -1, optimizer_rounds = -1, hidden = 0, layers = 0;
  double quantile = -1.0, horizon = -1.0, size_price = -1.0, fps_price = -1.0, bitrate_price = -1.0, seconds = -1.0;
  double gamma = -1.0, rate = -1.0;
  int optimizer_episodes = 0, optimizer_updates = 0, steps = 0, select_episodes = 0;
  const GOptionEntry entries[] = {
    {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "Folder for the model files (models)", "DIR"},
    {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Of everything random (1)", "NUMBER"},
    {"dataset", 0, 0, G_OPTION_ARG_FILENAME, &dataset_path,
        "Learn from logged telemetry (JSON array or JSON Lines) instead of the simulator", "FILE"},
    {"epochs", 0, 0, G_OPTION_ARG_INT, &epochs, "Over the recordings, in each round (10; dataset: 50)", "N"},
    {"from", 0, 0, G_OPTION_ARG_FILENAME, &from_folder, "Go on from the models in this folder", "DIR"},
    {"only", 0, 0, G_OPTION_ARG_STRING, &only, "Train one network, the other stays as --from has it; or none, and only "
          "write " MLO_RESERVE_FILE " anew", "predictor|optimizer|reserve"},
    {"jobs", 'j', 0, G_OPTION_ARG_INT, &jobs, "Threads (as many as processors); the result does not depend on it",
        "N"},
    {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "Length of a simulated episode (60)", "SECONDS"},
    {"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "Predictor: rounds of recording and learning (3)", "N"},
    {"episodes", 0, 0, G_OPTION_ARG_INT, &episodes, "Predictor: simulated episodes in each round", "N"},
    {"hidden", 0, 0, G_OPTION_ARG_INT, &hidden, "Predictor: width of the LSTM", "N"},
    {"layers", 0, 0, G_OPTION_ARG_INT, &layers, "Predictor: layers of the LSTM", "N"},
    {"batch", 0, 0, G_OPTION_ARG_INT, &batch,
        "Predictor: recordings side by side in an update; 16 are a rank's least share (32)", "N"},
    {"quantile", 0, 0, G_OPTION_ARG_DOUBLE, &quantile, "Predictor: below 0.5, too high costs more than too low",
        "0..1"},
    {"horizon", 0, 0, G_OPTION_ARG_DOUBLE, &horizon, "Predictor: time ahead that the label looks", "SECONDS"},
    {"optimizer-rounds", 0, 0, G_OPTION_ARG_INT, &optimizer_rounds, "Optimizer: rounds of recording and learning", "N"},
    {"optimizer-episodes", 0, 0, G_OPTION_ARG_INT, &optimizer_episodes, "Optimizer: simulated episodes in each round",
        "N"},
    {"optimizer-updates", 0, 0, G_OPTION_ARG_INT, &optimizer_updates, "Optimizer: updates in each round", "N"},
    {"select-episodes", 0, 0, G_OPTION_ARG_INT, &select_episodes,
        "Optimizer: simulated episodes in each trial of what was learned (48)", "N"},
    {"optimizer-rate", 0, 0, G_OPTION_ARG_DOUBLE, &rate, "Optimizer: Adam's rate at the start", "RATE"},
    {"gamma", 0, 0, G_OPTION_ARG_DOUBLE, &gamma, "Optimizer: discount a tick", "0..1"},
    {"steps", 0, 0, G_OPTION_ARG_INT, &steps, "Optimizer: ticks that a return sums before it trusts a value", "N"},
    {"bitrate-price", 0, 0, G_OPTION_ARG_DOUBLE, &bitrate_price, "Optimizer: price of a step of the gain", "POINTS"},
    {"size-price", 0, 0, G_OPTION_ARG_DOUBLE, &size_price, "Optimizer: price of a change of size, points of R",
        "POINTS"},
    {"fps-price", 0, 0, G_OPTION_ARG_DOUBLE, &fps_price, "Optimizer: price of a change of frame rate", "POINTS"},
    {NULL}
  };
  g_autofree char *command = g_strjoinv (" ", argv);
  g_autoptr (GError) error = NULL;
  MloGroup *group = NULL;
  Task task = { 0 };
  int result;

  if (!mlo_tool_parse (NULL,
          "Without --dataset the telemetry comes from simulated links, generated from the seed: nothing\n"
          "but this program is needed, and the same seed gives the same files.\n"
          "Ctrl-C saves what has been learned so far; a second one ends without saving.\n"
          "On several machines or processors: mpirun -n RANKS mloptimizer train ... (README).", entries, 0, 0, &argc,
          &argv))
    return MLO_EXIT_USAGE;
  if (epochs < 0 || epochs > 100000 || batch < 0 || batch > 4096 || jobs < 0 || jobs > 256 || hidden < 0 || hidden > 512
      || layers < 0 || layers > 4 || rounds < -1 || rounds > 100 || episodes < -1 || episodes > 100000
      || optimizer_rounds < -1 || optimizer_rounds > 10000 || horizon > 5.0 || size_price > 100.0 || fps_price > 100.0
      || seconds > 3600.0 || bitrate_price > 100.0 || optimizer_episodes < 0 || optimizer_episodes > 100000
      || optimizer_updates < 0 || optimizer_updates > 10000000 || steps < 0 || steps > 1000 || select_episodes < 0
      || select_episodes > 10000 || rate > 1.0 || gamma >= 1.0)
    return mlo_tool_fail (MLO_EXIT_USAGE, "a number is out of range (see --help)");
  if (quantile >= 0.0 && !(quantile > 0.0 && quantile < 1.0))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--quantile is not between 0 and 1");
  if (seconds >= 0.0 && seconds < 5.0)
    return mlo_tool_fail (MLO_EXIT_USAGE, "--seconds is below 5");
  if (horizon >= 0.0 && horizon < 0.1)
    return mlo_tool_fail (MLO_EXIT_USAGE, "--horizon is below 0.1");
  if (only && strcmp (only, "predictor") != 0 && strcmp (only, "optimizer") != 0 && strcmp (only, "reserve") != 0)
    return mlo_tool_fail (MLO_EXIT_USAGE, "--only %s: neither predictor nor optimizer nor reserve", only);
  if (only && strcmp (only, "predictor") != 0 && (!from_folder || dataset_path))
    return mlo_tool_fail (MLO_EXIT_USAGE, "--only %s drives with the models of --from DIR, in the simulator", only);

  o.seed = (guint64) seed;
  if (hidden > 0)
    o.predictor.hidden = (guint) hidden;
  if (layers > 0)
    o.predictor.layers = (guint) layers;
  if (batch > 0)
    o.predictor_training.batch = (guint) batch;
  if (quantile > 0.0)
    o.predictor_training.quantile = quantile;
  if (horizon > 0.0)
    o.horizon_s = horizon;
  if (seconds > 0.0)
    o.seconds = seconds;
  if (rounds >= 0)
    o.rounds = (guint) rounds;
  if (episodes > 0)
    o.episodes = (guint) episodes;
  if (optimizer_rounds >= 0)
    o.optimizer_rounds = (guint) optimizer_rounds;
  if (size_price >= 0.0)
    o.size_price = size_price;
  if (fps_price >= 0.0)
    o.fps_price = fps_price;
  if (bitrate_price >= 0.0)
    o.bitrate_price = bitrate_price;
  if (optimizer_episodes > 0)
    o.optimizer_episodes = (guint) optimizer_episodes;
  if (optimizer_updates > 0)
    o.optimizer_updates = (guint) optimizer_updates;
  if (select_episodes > 0)
    o.select_episodes = (guint) select_episodes;
  if (rate > 0.0)
    o.optimizer_training.rate = rate;
  if (gamma >= 0.0)
    o.optimizer_training.gamma = gamma;
  if (steps > 0)
    o.optimizer_training.n_steps = (guint) steps;
  if (epochs > 0)
    o.predictor_training.epochs = (guint) epochs;
  if (only && strcmp (only, "optimizer") != 0)
    o.optimizer_rounds = 0;
  if (only && strcmp (only, "predictor") != 0)
    o.rounds = 0;

  task.trainer = o;
  task.output = output ? output : "models";
  task.dataset = dataset_path;
  task.from = from_folder;
  task.optimizer_alone = only && strcmp (only, "optimizer") == 0;
  task.reserve_alone = only && strcmp (only, "reserve") == 0;
  task.epochs = (guint) epochs;
  task.jobs = (guint) jobs;
  task.command = command;
  if (!mlo_mpi_begin (&group, &error))
    return mlo_tool_fail (MLO_EXIT_FAILURE, "%s", error->message);
  result = learn (&task, group);
  mlo_mpi_end (group, result);
  return result;
}

const MloCommand mlo_command_train = {
  .name = "train",
  .summary = "train both networks, from simulated links or logged telemetry",
  .run = run,
};
