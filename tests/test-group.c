/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several ranks as threads of one process: what is shared among them comes out as if one had done it all. */
#include <math.h>
#include <string.h>

#include "mlo-group.h"
#include "mlo-rollout.h"
#include "mlo-trainer.h"

#define MAX_RANKS 5

/* What the ranks of one test have in common. */
typedef struct
{
  GMutex lock;                  /* protects the following; a leaf */
  GCond turned;
  guint size, waiting, turn;
  guint8 *shared;               /* filled and read between turns */
  gsize shared_size;
} World;

typedef struct
{
  World *world;
  MloGroup group;
  gpointer user_data;
  MloTrained trained;
} Rank;

/* Returns when all have called. */
static void
meet (World * w)
{
  g_mutex_lock (&w->lock);
  if (++w->waiting == w->size) {
    w->waiting = 0;
    w->turn++;
    g_cond_broadcast (&w->turned);
  } else {
    for (guint turn = w->turn; turn == w->turn;)
      g_cond_wait (&w->turned, &w->lock);
  }
  g_mutex_unlock (&w->lock);
}

/* As mlo_mpi does it, through memory; a rank that calls something else than the others is found out. */
static void
pass (Rank * r, guint8 * block, gsize from, gsize to, gsize size)
{
  World *w = r->world;

  if (r->group.rank == 0) {
    w->shared = g_realloc (w->shared, MAX (size, 1));
    w->shared_size = size;
  }
  meet (w);
  g_assert_cmpuint (w->shared_size, ==, size);
  if (to > from)
    memcpy (w->shared + from, block + from, to - from);
  meet (w);
  if (size > 0)
    memcpy (block, w->shared, size);
  meet (w);
}

static void
broadcast (gpointer data, gpointer bytes, gsize size)
{
  Rank *r = data;

  pass (r, bytes, 0, r->group.rank == 0 ? size : 0, size);
}

static void
exchange (gpointer data, gpointer block, const gsize * offsets)
{
  Rank *r = data;

  pass (r, block, offsets[r->group.rank], offsets[r->group.rank + 1], offsets[r->group.size]);
}

/* Runs @func on @size ranks; their structs are @ranks. */
static void
run_ranks (guint size, GThreadFunc func, gpointer user_data, Rank ranks[MAX_RANKS])
{
  World w = {.size = size };
  GThread *threads[MAX_RANKS];

  g_assert_cmpuint (size, <=, MAX_RANKS);
  memset (ranks, 0, MAX_RANKS * sizeof *ranks);
  for (guint i = 0; i < size; i++) {
    Rank *r = &ranks[i];

    r->world = &w;
    r->user_data = user_data;
    r->group.rank = i;
    r->group.size = size;
    r->group.data = r;
    r->group.broadcast = broadcast;
    r->group.exchange = exchange;
  }
  for (guint i = 0; i < size; i++)
    threads[i] = g_thread_new ("rank", func, &ranks[i]);
  for (guint i = 0; i < size; i++)
    g_thread_join (threads[i]);
  g_free (w.shared);
}

static void
test_share (void)
{
  guint first, last;

  mlo_group_share (NULL, 7, &first, &last);
  g_assert_cmpuint (first, ==, 0);
  g_assert_cmpuint (last, ==, 7);
  g_assert_true (mlo_group_leads (NULL));
  g_assert_cmpuint (mlo_group_size (NULL), ==, 1);
  for (guint size = 1; size < 9; size++) {
    for (guint count = 0; count < 20; count++) {
      guint next = 0;

      for (guint rank = 0; rank < size; rank++) {
        MloGroup g = {.rank = rank,.size = size };

        mlo_group_share (&g, count, &first, &last);
        g_assert_cmpuint (first, ==, next);
        g_assert_cmpuint (last - first, <=, count / size + 1);
        g_assert_true (mlo_group_leads (&g) == (rank == 0));
        next = last;
      }
      g_assert_cmpuint (next, ==, count);
    }
  }
}

/* Recording i has i % 4 ticks (none, too), and its number in them. */
#define RECORDINGS 7

static gpointer
exchange_recordings (gpointer data)
{
  Rank *r = data;
  MloRecording *made[RECORDINGS] = { NULL };
  guint first, last;
  int word = r->group.rank == 0 ? 42 : 0;

  mlo_group_broadcast (&r->group, &word, sizeof word);
  g_assert_cmpint (word, ==, 42);
  mlo_group_share (&r->group, RECORDINGS, &first, &last);
  for (guint i = first; i < last; i++) {
    made[i] = mlo_recording_new (100000 + i);
    for (guint k = 0; k < i % 4; k++) {
      MloTick *t = mlo_recording_append (made[i]);

      t->label_kbps = (float) (10 * i + k);
      g_assert_true (mlo_sample_set (&t->sample, MLO_FIELD_LATENCY, i));
    }
  }
  mlo_group_exchange_recordings (&r->group, made, RECORDINGS);
  for (guint i = 0; i < RECORDINGS; i++) {
    g_assert_cmpuint (made[i]->n, ==, i % 4);
    g_assert_cmpint (made[i]->interval_us, ==, 100000 + i);
    for (guint k = 0; k < i % 4; k++) {
      g_assert_cmpfloat (made[i]->ticks[k].label_kbps, ==, (float) (10 * i + k));
      g_assert_cmpfloat (mlo_sample_get (&made[i]->ticks[k].sample, MLO_FIELD_LATENCY, -1.0), ==, i);
      g_assert_true (isnan (made[i]->ticks[k].reward));
    }
    mlo_recording_free (made[i]);
  }
  return NULL;
}

static void
test_recordings (void)
{
  Rank ranks[MAX_RANKS];

  /* also more ranks than some have recordings */
  for (guint size = 1; size <= MAX_RANKS; size++)
    run_ranks (size, exchange_recordings, NULL, ranks);
}

typedef struct
{
  MloTrainerOptions options;
  guint stop_after;             /* calls of the progress function; 0: never */
  guint calls;                  /* that there were */
} Plan;

static gboolean
count_down (gpointer user_data, const MloProgress * where)
{
  Plan *plan = user_data;

  return ++plan->calls != plan->stop_after;
}

static gpointer
train (gpointer data)
{
  Rank *r = data;
  Plan *plan = r->user_data;
  g_autoptr (MloWorkers) workers = mlo_workers_new (1 + r->group.rank % 2);

  mlo_workers_set_group (workers, r->group.size > 1 ? &r->group : NULL);
  mlo_trainer_simulate (&plan->options, mlo_rollout_environment (), workers, NULL,
      r->group.rank == 0 ? count_down : NULL, plan, &r->trained);
  return NULL;
}

static void
assert_same (const MloTrained * a, const MloTrained * b)
{
  gsize na, nb;
  const float *pa, *pb;

  pa = mlo_bitrate_predictor_parameters (a->predictor, &na);
  pb = mlo_bitrate_predictor_parameters (b->predictor, &nb);
  g_assert_cmpmem (pa, na * sizeof *pa, pb, nb * sizeof *pb);
  g_assert_true ((a->optimizer == NULL) == (b->optimizer == NULL));
  if (!a->optimizer)
    return;
  pa = mlo_quality_optimizer_parameters (a->optimizer, &na);
  pb = mlo_quality_optimizer_parameters (b->optimizer, &nb);
  g_assert_cmpmem (pa, na * sizeof *pa, pb, nb * sizeof *pb);
}

static Plan
small_plan (void)
{
  Plan plan = {.options = mlo_trainer_options_default };

  plan.options.seconds = 8.0;
  plan.options.predictor.hidden = 16;
  plan.options.rounds = 2;
  plan.options.episodes = 54;
  plan.options.predictor_training.epochs = 18;
  plan.options.predictor_training.patience = 0;
  plan.options.predictor_training.batch = 48;
  plan.options.optimizer_rounds = 2;
  plan.options.optimizer_episodes = 18;
  plan.options.optimizer_updates = 120;
  plan.options.select_every = 1;
  plan.options.select_episodes = 1;
  return plan;
}

/* Bit by bit the networks of one rank, on every rank: 144 updates of the predictor, 240 of the optimizer. */
static void
test_training (void)
{
  Plan plan = small_plan ();
  Rank alone[MAX_RANKS], ranks[MAX_RANKS];

  run_ranks (1, train, &plan, alone);
  for (guint size = 2; size <= 3; size++) {
    run_ranks (size, train, &plan, ranks);
    for (guint i = 0; i < size; i++) {
      assert_same (&alone[0].trained, &ranks[i].trained);
      mlo_trained_clear (&ranks[i].trained);
    }
  }
  mlo_trained_clear (&alone[0].trained);
}

/* Rank 0 is told to stop, wherever it is: all stop there, none waits for another, and they have the same. */
static void
test_stop (void)
{
  Plan whole = small_plan ();
  Rank ranks[MAX_RANKS];

  run_ranks (2, train, &whole, ranks);
  mlo_trained_clear (&ranks[0].trained);
  mlo_trained_clear (&ranks[1].trained);
  for (guint k = 0; k < 6; k++) {
    Plan plan = small_plan ();

    plan.stop_after = 1 + k * (whole.calls - 1) / 6;
    run_ranks (2, train, &plan, ranks);
    g_assert_true (ranks[0].trained.stopped && ranks[1].trained.stopped);
    assert_same (&ranks[0].trained, &ranks[1].trained);
    mlo_trained_clear (&ranks[0].trained);
    mlo_trained_clear (&ranks[1].trained);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/group/share", test_share);
  g_test_add_func ("/group/recordings", test_recordings);
  g_test_add_func ("/group/training", test_training);
  g_test_add_func ("/group/stop", test_stop);
  return g_test_run ();
}
