/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-timer.h"

typedef struct
{
  GSource *source;
  guint calls;
  gint64 again_us;              /* ready time to set when called; -1: none */
} Called;

static gboolean
on_ready (gpointer user_data)
{
  Called *called = user_data;

  called->calls++;
  g_source_set_ready_time (called->source, called->again_us);
  called->again_us = -1;
  return G_SOURCE_CONTINUE;
}

static gboolean
run_pending (GMainContext * context)
{
  gboolean any = FALSE;

  while (g_main_context_iteration (context, FALSE))
    any = TRUE;
  return any;
}

static void
test_ready_time (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Called called = {.again_us = -1 };
  gint64 ready_us;

  called.source = mlo_timer_new (context, on_ready, &called, G_PRIORITY_HIGH);
  g_assert_cmpint (g_source_get_priority (called.source), ==, G_PRIORITY_HIGH);
  g_assert_false (run_pending (context));
  g_assert_cmpuint (called.calls, ==, 0);

  ready_us = g_get_monotonic_time () + 20000;
  g_source_set_ready_time (called.source, ready_us);
  while (called.calls == 0)
    g_main_context_iteration (context, TRUE);
  g_assert_cmpint (g_get_monotonic_time (), >=, ready_us);
  g_assert_false (run_pending (context));

  called.again_us = 0;
  g_source_set_ready_time (called.source, 0);
  g_assert_true (run_pending (context));
  g_assert_cmpuint (called.calls, ==, 3);
  g_source_destroy (called.source);
  g_source_unref (called.source);
}

static gpointer
set_ready (gpointer user_data)
{
  g_source_set_ready_time (user_data, 0);
  return NULL;
}

/* Wakes the thread that waits. */
static void
test_other_thread (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Called called = {.again_us = -1 };
  GThread *thread;

  called.source = mlo_timer_new (context, on_ready, &called, G_PRIORITY_DEFAULT);
  thread = g_thread_new ("setter", set_ready, called.source);
  while (called.calls == 0)
    g_main_context_iteration (context, TRUE);
  g_thread_join (thread);
  g_source_destroy (called.source);
  g_source_unref (called.source);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/timer/ready-time", test_ready_time);
  g_test_add_func ("/timer/other-thread", test_other_thread);
  return g_test_run ();
}
