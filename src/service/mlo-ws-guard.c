/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-ws-guard.h"

#include "mlo-ws-socket.h"

#define LOOK_US (G_USEC_PER_SEC / 10)

struct _MloWsGuarded
{
  int descriptor;
  guint64 max_bytes;
  guint64 looked_bytes;         /* received when its reader looked last */
  gboolean shut;
};

struct _MloWsGuard
{
  GThread *thread;              /* of whoever adds and removes, one thread */
  GMutex lock;                  /* protects the following and what is in it; a leaf */
  GCond changed;
  GPtrArray *guarded;           /* of MloWsGuarded */
};

static gpointer
guard (gpointer data)
{
  MloWsGuard *g = data;

  g_mutex_lock (&g->lock);
  while (g->guarded->len > 0) {
    for (guint i = 0; i < g->guarded->len; i++) {
      MloWsGuarded *one = g_ptr_array_index (g->guarded, i);
      guint64 bytes = mlo_ws_socket_received (one->descriptor);

      if (bytes > one->looked_bytes && bytes - one->looked_bytes > one->max_bytes) {
        mlo_ws_socket_shut (one->descriptor);
        one->shut = TRUE;
      }
    }
    g_cond_wait_until (&g->changed, &g->lock, g_get_monotonic_time () + LOOK_US);
  }
  g_mutex_unlock (&g->lock);
  return NULL;
}

MloWsGuard *
mlo_ws_guard_new (void)
{
  MloWsGuard *g = g_new0 (MloWsGuard, 1);

  g_mutex_init (&g->lock);
  g_cond_init (&g->changed);
  g->guarded = g_ptr_array_new_with_free_func (g_free);
  return g;
}

void
mlo_ws_guard_free (MloWsGuard * g)
{
  if (!g)
    return;
  g_assert (g->guarded->len == 0);
  g_ptr_array_unref (g->guarded);
  g_cond_clear (&g->changed);
  g_mutex_clear (&g->lock);
  g_free (g);
}

MloWsGuarded *
mlo_ws_guard_add (MloWsGuard * g, int descriptor, guint64 max_bytes)
{
  MloWsGuarded *one = g_new0 (MloWsGuarded, 1);

  one->descriptor = descriptor;
  one->max_bytes = max_bytes;
  one->looked_bytes = mlo_ws_socket_received (descriptor);
  g_mutex_lock (&g->lock);
  g_ptr_array_add (g->guarded, one);
  g_mutex_unlock (&g->lock);
  if (!g->thread)
    g->thread = g_thread_new ("mlo-ws-guard", guard, g);
  return one;
}

void
mlo_ws_guard_looked (MloWsGuard * g, MloWsGuarded * guarded)
{
  guint64 bytes = mlo_ws_socket_received (guarded->descriptor);

  g_mutex_lock (&g->lock);
  guarded->looked_bytes = bytes;
  g_mutex_unlock (&g->lock);
}

gboolean
mlo_ws_guard_remove (MloWsGuard * g, MloWsGuarded * guarded)
{
  gboolean last, shut;

  if (!guarded)
    return FALSE;
  g_mutex_lock (&g->lock);
  shut = guarded->shut;
  g_ptr_array_remove_fast (g->guarded, guarded);
  last = g->guarded->len == 0;
  g_cond_signal (&g->changed);
  g_mutex_unlock (&g->lock);
  if (last)
    g_thread_join (g_steal_pointer (&g->thread));
  return shut;
}
