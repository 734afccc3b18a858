/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-learner.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "mlo-error.h"
#include "mlo-keep.h"
#include "mlo-learner-state.h"
#include "mlo-reserve.h"

#define RING 512u               /* ticks; a power of two */
/* Computing time that may be made up for after a rest, so that a share is one in every second. */
#define BURST_US 4000
/* With nothing to learn from it looks again after this. */
#define IDLE_US 300000
/* A rate was good with a queue and a loss below these, for so many ticks, of which it is the smoothed mean. */
#define GOOD_QUEUE_MS 30.0
#define GOOD_LOSS 0.02
#define GOOD_TICKS 100
#define GOOD_SMOOTH 0.01
/* Ticks that make it worth being called a stream, and being kept. */
#define STREAM_TICKS 100

const MloLearnerConfig mlo_learner_config_default = {
  .cpu_percent = 3.0,
  .interval_us = 100000,
  .save_us = 60 * G_USEC_PER_SEC,
};

/* One writer, one reader, neither waits: each has a slot of its own, and the third changes hands. */
typedef struct
{
  MloLearnerReport slots[3];
  guint back, front;            /* the writer's, the reader's */
  guint middle;                 /* atomic: index, FRESH where the writer put it there */
} Exchange;

#define FRESH 4u

struct _MloLearner
{
  double share;                 /* of a core */
  gint64 interval_us, save_us;
  GThread *thread;
  MloNetworks *offer;           /* atomic; whoever exchanges it owns it */
  Exchange exchange;

  /* Ticks: the feeder writes behind head, the learner reads from tail. */
  MloOnlineTick ring[RING];
  guint head, tail;             /* atomic */
  guint lost;                   /* atomic */
  gboolean gap;                 /* the feeder's: a tick was left out */

  GMutex lock;                  /* so that no wake-up is missed; a leaf, held for no longer than to look at stop */
  GCond wake;
  gint stop;                    /* atomic */

  /* Before the thread begins and after it has ended the owner's, else the thread's. */
  MloOnline *online;
  MloKeep *keep;
  MloLineage lineage;           /* as it was kept; const */
  MloLineage now;
  MloOnlineNumbers resumed_at;  /* counts that go on from the learner's state, where that was kept */
  guint64 ticks;                /* of this stream */
  guint64 saved_ticks, saved_steps;     /* in the last saving */
  guint good_ticks;
  double mean_kbps;
  guint64 predictor_serial, optimizer_serial;
  MloLearnerReport report;
};

void
mlo_networks_free (MloNetworks * n)
{
  if (!n)
    return;
  mlo_bitrate_predictor_free (n->predictor);
  mlo_quality_optimizer_free (n->optimizer);
  g_free (n);
}

/* --- between the threads --- */

void
mlo_learner_feed (MloLearner * l, const MloOnlineTick * tick)
{
  guint head = g_atomic_int_get (&l->head);

  if (head - g_atomic_int_get (&l->tail) >= RING) {
    l->gap = TRUE;
    g_atomic_int_inc (&l->lost);
    return;
  }
  l->ring[head % RING] = *tick;
  l->ring[head % RING].gap |= l->gap;
  l->gap = FALSE;
  g_atomic_int_set (&l->head, head + 1);
}

MloNetworks *
mlo_learner_take (MloLearner * l)
{
  return g_atomic_pointer_get (&l->offer) ? g_atomic_pointer_exchange (&l->offer, NULL) : NULL;
}

static void
publish (MloLearner * l)
{
  Exchange *x = &l->exchange;

  l->report.lineage = l->now;
  l->report.lost = g_atomic_int_get (&l->lost);
  x->slots[x->back] = l->report;
  x->back = g_atomic_int_exchange (&x->middle, x->back | FRESH) & ~FRESH;
}

gboolean
mlo_learner_poll (MloLearner * l, MloLearnerReport * report)
{
  Exchange *x = &l->exchange;

  if (!(g_atomic_int_get (&x->middle) & FRESH))
    return FALSE;
  x->front = g_atomic_int_exchange (&x->middle, x->front) & ~FRESH;
  *report = x->slots[x->front];
  return TRUE;
}

/* NULL where one of the networks does not learn. */
static MloNetworks *
champions (const MloLearner * l)
{
  MloNetworks *n = g_new0 (MloNetworks, 1);

  n->predictor = mlo_online_copy_predictor (l->online);
  n->optimizer = mlo_online_copy_optimizer (l->online);
  if (!n->predictor || !n->optimizer)
    g_clear_pointer (&n, mlo_networks_free);
  return n;
}

static void
offer_champions (MloLearner * l)
{
  MloNetworks *n;

  mlo_online_stats (l->online, &l->report.online);
  if (l->report.online.predictor.serial == l->predictor_serial
      && l->report.online.optimizer.serial == l->optimizer_serial)
    return;
  l->predictor_serial = l->report.online.predictor.serial;
  l->optimizer_serial = l->report.online.optimizer.serial;
  n = champions (l);
  if (n)
    mlo_networks_free (g_atomic_pointer_exchange (&l->offer, n));
}

/* --- what is kept --- */

static void
update_lineage (MloLearner * l)
{
  const MloOnlineStats *s = &l->report.online;
  const MloOnlineNumbers *from = &l->resumed_at;
  MloLineage *n = &l->now;

  mlo_online_stats (l->online, &l->report.online);
  *n = l->lineage;
  n->steps_predictor += s->predictor.updates - from->predictor_updates;
  n->steps_optimizer += s->optimizer.updates - from->optimizer_updates;
  n->promotions += s->predictor.promotions + s->optimizer.promotions - from->predictor_promotions
      - from->optimizer_promotions;
  n->demotions += s->predictor.demotions + s->optimizer.demotions - from->predictor_demotions
      - from->optimizer_demotions;
  n->streams += l->ticks >= STREAM_TICKS;
  n->minutes += (double) l->ticks * (double) l->interval_us / 60e6;
  if (isfinite (s->predictor.held_champion) && isfinite (s->predictor.held_shipped)) {
    n->score = s->predictor.held_champion;
    n->score_shipped = s->predictor.held_shipped;
  }
  if (l->good_ticks >= GOOD_TICKS)
    n->good_kbps = l->mean_kbps;
}

/* Steps go on for a while where no tick comes any more. */
static gboolean
unsaved (const MloLearner * l)
{
  return l->ticks != l->saved_ticks || l->report.steps != l->saved_steps;
}

static void
save (MloLearner * l)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTensorFile) state = NULL;
  g_autoptr (MloNetworks) n = NULL;

  l->saved_ticks = l->ticks;
  l->saved_steps = l->report.steps;
  update_lineage (l);
  if (mlo_keep_obstacle (l->keep))
    return;
  n = champions (l);
  if (!n)
    return;
  state = mlo_learner_state_write (l->online);
  if (mlo_keep_save (l->keep, n->predictor, n->optimizer, state, &l->now, &error)) {
    l->report.saves++;
    l->report.save_error[0] = '\0';
    return;
  }
  l->report.save_failures++;
  g_strlcpy (l->report.save_error, error->message, sizeof l->report.save_error);
}

/* What was kept into the learner; what it cannot go on from is set aside. */
static void
resume (MloLearner * l, const MloKept * kept, GPtrArray * notes)
{
  g_autoptr (GError) error = NULL;
  MloOnlineNumbers numbers;

  l->lineage = kept->lineage;
  if (kept->learner && mlo_learner_state_read (l->online, kept->learner, &numbers, &error)) {
    l->resumed_at = numbers;
    return;
  }
  if (kept->learner)
    mlo_keep_refuse_learner (l->keep, error->message, notes);
  mlo_online_set_champions (l->online, kept->predictor, kept->optimizer);
}

/* --- the thread --- */

static gint64
thread_cpu_us (void)
{
  struct timespec t;

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return (gint64) t.tv_sec * G_USEC_PER_SEC + t.tv_nsec / 1000;
}

/* Only when nobody else wants the processor, and the process's signals are for others. */
static void
step_back (void)
{
  struct sched_param param = { 0 };
  sigset_t all;

  sigfillset (&all);
  pthread_sigmask (SIG_BLOCK, &all, NULL);
  if (pthread_setschedparam (pthread_self (), SCHED_IDLE, &param) != 0)
    setpriority (PRIO_PROCESS, (id_t) gettid (), 19);
}

static void
note_good (MloLearner * l, const MloSample * s)
{
  double kbps = mlo_sample_get (s, MLO_FIELD_BITRATE, 0.0);

  if (!mlo_sample_has (s, MLO_FIELD_QUEUE_DELAY) || !mlo_sample_has (s, MLO_FIELD_PACKET_LOSS)
      || !(s->queue_delay_ms < GOOD_QUEUE_MS) || !(s->packet_loss < GOOD_LOSS) || !(kbps > 0.0 && kbps < 1e7))
    return;
  /* Not more than was seen to get through. */
  if (mlo_sample_has (s, MLO_FIELD_BANDWIDTH) && s->bandwidth_kbps > 0.0)
    kbps = MIN (kbps, s->bandwidth_kbps);
  l->mean_kbps += (kbps - l->mean_kbps) * MAX (GOOD_SMOOTH, 1.0 / (l->good_ticks + 1.0));
  l->good_ticks++;
}

static void
take_ticks (MloLearner * l)
{
  guint tail = g_atomic_int_get (&l->tail), head = g_atomic_int_get (&l->head);

  for (; tail != head; tail++) {
    const MloOnlineTick *tick = &l->ring[tail % RING];

    mlo_online_feed (l->online, tick);
    note_good (l, &tick->sample);
    l->ticks++;
  }
  g_atomic_int_set (&l->tail, tail);
}

/* FALSE: it is to end. */
static gboolean
rest (MloLearner * l, gint64 us)
{
  gint64 until = g_get_monotonic_time () + us;

  g_mutex_lock (&l->lock);
  while (!g_atomic_int_get (&l->stop) && us > 0 && g_cond_wait_until (&l->wake, &l->lock, until));
  g_mutex_unlock (&l->lock);
  return !g_atomic_int_get (&l->stop);
}

static gpointer
learner_thread (gpointer data)
{
  MloLearner *l = data;
  gint64 began_us, since_us, next_save_us, pause_us = 0;

  step_back ();
  began_us = since_us = g_get_monotonic_time ();
  next_save_us = began_us + l->save_us;
  while (rest (l, pause_us)) {
    gint64 now_us = g_get_monotonic_time (), used_us, earned_us;
    MloOnlineWork work;

    take_ticks (l);
    work = mlo_online_step (l->online);
    l->report.steps += work != MLO_ONLINE_IDLE;
    offer_champions (l);
    if (now_us >= next_save_us && unsaved (l)) {
      save (l);
      next_save_us = now_us + l->save_us;
    }
    update_lineage (l);
    now_us = g_get_monotonic_time ();
    used_us = thread_cpu_us ();
    l->report.cpu_us = used_us;
    l->report.wall_us = now_us - began_us;
    publish (l);
    earned_us = (gint64) ((double) (now_us - since_us) * l->share);
    if (earned_us - used_us > BURST_US)
      since_us += (gint64) ((double) (earned_us - used_us - BURST_US) / l->share);
    pause_us = (gint64) ((double) (used_us - earned_us) / l->share);
    if (work == MLO_ONLINE_IDLE)
      pause_us = MAX (pause_us, IDLE_US);
  }
  return NULL;
}

/* --- life --- */

/* NULL: there is none, or none that is of use. */
static GPtrArray *
load_reserve (const MloLearnerConfig * config, GPtrArray * notes)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *pieces = config->reserve ? mlo_reserve_load (config->reserve, &error) : NULL;

  if (error && !g_error_matches (error, MLO_ERROR, MLO_ERROR_MISSING))
    g_ptr_array_add (notes, g_strdup_printf ("learning from the stream alone: %s", error->message));
  return pieces;
}

MloLearner *
mlo_learner_new (const MloLearnerConfig * config, GPtrArray * notes, GError ** error)
{
  g_autofree char *folder = config->folder && *config->folder ? g_strdup (config->folder) : mlo_keep_default_folder ();
  MloOnlineOptions options = mlo_online_options_default;
  MloKeep *keep = mlo_keep_open (folder, config->key, error);
  g_auto (MloKept) kept = { 0 };
  g_autoptr (GPtrArray) reserve = NULL;
  MloLearner *l;

  if (!keep)
    return NULL;
  l = g_new0 (MloLearner, 1);
  g_mutex_init (&l->lock);
  g_cond_init (&l->wake);
  l->keep = keep;
  l->share = CLAMP (config->cpu_percent, 0.1, 100.0) / 100.0;
  l->interval_us = options.interval_us = config->interval_us;
  l->save_us = config->save_us;
  l->exchange.front = 1;
  l->exchange.middle = 2;
  reserve = load_reserve (config, notes);
  l->online = mlo_online_new (config->predictor, config->optimizer, reserve, &options, config->seed);
  if (mlo_bitrate_predictor_config (config->predictor)->form != MLO_FORM_STREAM)
    g_ptr_array_add (notes,
        g_strdup ("the bitrate predictor is of the window form, which cannot learn while streaming: "
            "nothing is learned or kept"));
  if (mlo_keep_obstacle (keep))
    g_ptr_array_add (notes, g_strdup (mlo_keep_obstacle (keep)));
  mlo_keep_load (keep, config->predictor, config->optimizer, &kept, notes);
  resume (l, &kept, notes);
  offer_champions (l);
  update_lineage (l);
  publish (l);
  l->thread = g_thread_new ("mlo-learner", learner_thread, l);
  return l;
}

void
mlo_learner_free (MloLearner * l)
{
  if (!l)
    return;
  g_mutex_lock (&l->lock);
  g_atomic_int_set (&l->stop, TRUE);
  g_cond_signal (&l->wake);
  g_mutex_unlock (&l->lock);
  g_thread_join (l->thread);
  /* Not on the thread of lowest priority: on a busy machine it would be long about it. */
  take_ticks (l);
  if (unsaved (l))
    save (l);
  mlo_keep_free (l->keep);
  mlo_online_free (l->online);
  mlo_networks_free (l->offer);
  g_cond_clear (&l->wake);
  g_mutex_clear (&l->lock);
  g_free (l);
}

double
mlo_learner_good_kbps (const MloLearner * l)
{
  return l->lineage.good_kbps;
}

const char *
mlo_learner_folder (const MloLearner * l)
{
  return mlo_keep_folder (l->keep);
}
