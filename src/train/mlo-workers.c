/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-workers.h"

struct _MloWorkers
{
  GThread **threads;
  guint n_threads;              /* beside the caller */
  GMutex lock;                  /* protects what follows; no other lock is taken while it is held */
  GCond wake, done;
  MloWorkFunc func;
  gpointer user_data;
  guint next, count;            /* pieces */
  guint busy;                   /* threads inside func */
  gboolean quit;
  const MloGroup *group;        /* the caller's alone */
};

/* Takes pieces until none is left. Called and returns with the lock held. */
static void
take_pieces (MloWorkers * w)
{
  while (w->next < w->count) {
    guint i = w->next++;

    w->busy++;
    g_mutex_unlock (&w->lock);
    w->func (w->user_data, i);
    g_mutex_lock (&w->lock);
    if (--w->busy == 0 && w->next == w->count)
      g_cond_broadcast (&w->done);
  }
}

static gpointer
work (gpointer data)
{
  MloWorkers *w = data;

  g_mutex_lock (&w->lock);
  while (!w->quit) {
    take_pieces (w);
    if (!w->quit)
      g_cond_wait (&w->wake, &w->lock);
  }
  g_mutex_unlock (&w->lock);
  return NULL;
}

MloWorkers *
mlo_workers_new (guint n)
{
  MloWorkers *w = g_new0 (MloWorkers, 1);

  if (n == 0)
    n = g_get_num_processors ();
  g_mutex_init (&w->lock);
  g_cond_init (&w->wake);
  g_cond_init (&w->done);
  w->n_threads = n - 1;
  w->threads = g_new0 (GThread *, n);
  for (guint i = 0; i < w->n_threads; i++)
    w->threads[i] = g_thread_new ("mlo-worker", work, w);
  return w;
}

void
mlo_workers_free (MloWorkers * w)
{
  if (!w)
    return;
  g_mutex_lock (&w->lock);
  w->quit = TRUE;
  g_cond_broadcast (&w->wake);
  g_mutex_unlock (&w->lock);
  for (guint i = 0; i < w->n_threads; i++)
    g_thread_join (w->threads[i]);
  g_free (w->threads);
  g_cond_clear (&w->wake);
  g_cond_clear (&w->done);
  g_mutex_clear (&w->lock);
  g_free (w);
}

void
mlo_workers_run (MloWorkers * w, guint count, MloWorkFunc func, gpointer user_data)
{
  g_mutex_lock (&w->lock);
  w->func = func;
  w->user_data = user_data;
  w->next = 0;
  w->count = count;
  if (w->n_threads > 0 && count > 1)
    g_cond_broadcast (&w->wake);
  take_pieces (w);
  while (w->busy > 0)
    g_cond_wait (&w->done, &w->lock);
  w->count = w->next = 0;
  g_mutex_unlock (&w->lock);
}

void
mlo_workers_set_group (MloWorkers * w, const MloGroup * group)
{
  w->group = group;
}

const MloGroup *
mlo_workers_group (const MloWorkers * w)
{
  return w->group;
}
