/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-history.h"

#define START_MS G_GINT64_CONSTANT (1700000000000)

typedef struct
{
  guint n, n_coarse, n_peaks;
  gint64 first_ms, last_ms;
  double sum;
  gboolean rising;
} Seen;

static void
look (const MloHistoryPoint * p, gpointer user_data)
{
  Seen *s = user_data;

  if (s->n > 0 && p->time_ms - s->last_ms > MLO_HISTORY_TICK_MS)
    s->n_coarse++;
  if (s->n == 0)
    s->first_ms = p->time_ms;
  else if (p->time_ms <= s->last_ms)
    s->rising = FALSE;
  if (p->value[MLO_HISTORY_QUEUE_DELAY] >= 500.0f)
    s->n_peaks++;
  s->sum += (double) p->value[MLO_HISTORY_BITRATE];
  s->last_ms = p->time_ms;
  s->n++;
}

static Seen
see (const MloHistory * h, gint64 since_ms)
{
  Seen s = {.rising = TRUE };

  mlo_history_foreach (h, since_ms, look, &s);
  return s;
}

static void
add (MloHistory * h, gint64 time_ms, float bitrate, float queue)
{
  MloHistoryPoint p = {.time_ms = time_ms };

  for (int i = 0; i < MLO_HISTORY_N; i++)
    p.value[i] = NAN;
  p.value[MLO_HISTORY_BITRATE] = bitrate;
  p.value[MLO_HISTORY_QUEUE_DELAY] = queue;
  mlo_history_add (h, &p);
}

/* Three hours of points: an hour stays, the last five minutes of it in full, a short peak 40 minutes ago with its height. */
static void
test_hour (void)
{
  g_autoptr (MloHistory) h = mlo_history_new ();
  guint n = 3 * 3600 * 1000 / MLO_HISTORY_TICK_MS;
  guint peak = n - 40 * 60 * 1000 / MLO_HISTORY_TICK_MS;
  Seen all, recent;

  for (guint i = 0; i < n; i++)
    add (h, START_MS + (gint64) i * MLO_HISTORY_TICK_MS, i % 2 ? 1000.0f : 3000.0f, i == peak ? 500.0f : 5.0f);
  all = see (h, 0);
  g_assert_true (all.rising);
  g_assert_cmpuint (all.n, >, 1200 + 55 * 30 - 10);
  g_assert_cmpuint (all.n, <=, 1200 + 1800);
  g_assert_cmpuint (all.n_peaks, ==, 1);
  g_assert_cmpint (all.last_ms - all.first_ms, <=, MLO_HISTORY_COARSE_MS);
  g_assert_cmpint (all.last_ms - all.first_ms, >, MLO_HISTORY_COARSE_MS - 3 * MLO_HISTORY_COARSE_STEP_MS);
  /* Alternating bitrates average out in the coarse points. */
  g_assert_cmpfloat_with_epsilon (all.sum / all.n, 2000.0, 5.0);
  recent = see (h, all.last_ms - 60000);
  g_assert_cmpuint (recent.n, ==, 60000 / MLO_HISTORY_TICK_MS);
  g_assert_cmpuint (recent.n_coarse, ==, 0);
}

static void
test_order (void)
{
  g_autoptr (MloHistory) h = mlo_history_new ();
  Seen s;

  g_assert_cmpuint (see (h, 0).n, ==, 0);
  add (h, START_MS, 1000.0f, 1.0f);
  add (h, START_MS, 9000.0f, 1.0f);
  add (h, START_MS - 5, 9000.0f, 1.0f);
  s = see (h, 0);
  g_assert_cmpuint (s.n, ==, 1);
  g_assert_cmpfloat (s.sum, ==, 1000.0);
  /* Two hours away: what was before is too old. */
  add (h, START_MS + 2 * MLO_HISTORY_COARSE_MS, 500.0f, 1.0f);
  s = see (h, 0);
  g_assert_cmpuint (s.n, ==, 1);
  g_assert_cmpfloat (s.sum, ==, 500.0);
}

static void
test_join (void)
{
  MloHistoryJoin join = { 0 };
  float v[MLO_HISTORY_N];

  mlo_history_join_add (&join, MLO_HISTORY_BITRATE, 1000.0);
  mlo_history_join_add (&join, MLO_HISTORY_BITRATE, NAN);
  mlo_history_join_add (&join, MLO_HISTORY_BITRATE, 2000.0);
  mlo_history_join_add (&join, MLO_HISTORY_QUEUE_DELAY, 90.0);
  mlo_history_join_add (&join, MLO_HISTORY_QUEUE_DELAY, 10.0);
  mlo_history_join_add (&join, MLO_HISTORY_HEIGHT, 720.0);
  mlo_history_join_add (&join, MLO_HISTORY_HEIGHT, 480.0);
  mlo_history_join_take (&join, v);
  g_assert_cmpfloat ((double) v[MLO_HISTORY_BITRATE], ==, 1500.0);
  g_assert_cmpfloat ((double) v[MLO_HISTORY_QUEUE_DELAY], ==, 90.0);
  g_assert_cmpfloat ((double) v[MLO_HISTORY_HEIGHT], ==, 480.0);
  g_assert_true (isnan (v[MLO_HISTORY_FPS]));
  mlo_history_join_take (&join, v);
  g_assert_true (isnan (v[MLO_HISTORY_BITRATE]));
  g_assert_cmpstr (mlo_history_column_name (MLO_HISTORY_LOSS), ==, "packet_loss");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/history/hour", test_hour);
  g_test_add_func ("/history/order", test_order);
  g_test_add_func ("/history/join", test_join);
  return g_test_run ();
}
