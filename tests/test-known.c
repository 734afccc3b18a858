/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-known.h"

#define SECOND G_USEC_PER_SEC

static void
tell (MloKnown * k, gint64 now_us, gint64 real_us, MloField field, double value)
{
  MloSample told = { 0 };

  g_assert_true (mlo_sample_set (&told, field, value));
  mlo_known_arrived (k, now_us);
  mlo_known_merge (k, now_us, real_us, &told);
}

static double
observed (MloKnown * k, gint64 now_us, MloField field)
{
  MloSample sample;

  mlo_known_observe (k, now_us, &sample);
  return mlo_sample_get (&sample, field, -1.0);
}

/* Two seconds, or three usual intervals: but never more than ten. */
static void
test_fresh (void)
{
  static const struct
  {
    gint64 interval_ms, fresh_ms;
  } rows[] = { {100, 2000}, {500, 2000}, {1000, 3000}, {2000, 6000}, {9000, 10000} };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    gint64 now = SECOND;
    MloKnown k;

    mlo_known_init (&k);
    for (guint n = 0; n < 50; n++, now += rows[i].interval_ms * 1000)
      tell (&k, now, 0, MLO_FIELD_JITTER, 3.0);
    now -= rows[i].interval_ms * 1000;
    g_assert_cmpfloat (observed (&k, now + rows[i].fresh_ms * 1000, MLO_FIELD_JITTER), ==, 3.0);
    g_assert_cmpfloat (observed (&k, now + rows[i].fresh_ms * 1000 + 1, MLO_FIELD_JITTER), ==, -1.0);
  }
}

/* A silence is one of more than three seconds, or three usual intervals. */
static void
test_silence (void)
{
  gint64 now = SECOND;
  MloKnown k;

  mlo_known_init (&k);
  g_assert_false (mlo_known_arrived (&k, now));
  g_assert_false (mlo_known_arrived (&k, now += 2 * SECOND));
  for (guint n = 0; n < 20; n++)
    g_assert_false (mlo_known_arrived (&k, now += 2 * SECOND));
  g_assert_false (mlo_known_arrived (&k, now += 5 * SECOND));
  g_assert_true (mlo_known_arrived (&k, now += 30 * SECOND));
}

/* The queue is what a latency has above its least, of half a minute and no longer. */
static void
test_queue (void)
{
  gint64 now = 7 * SECOND;
  MloKnown k;

  mlo_known_init (&k);
  tell (&k, now, 0, MLO_FIELD_LATENCY, 25.0);
  g_assert_cmpfloat (observed (&k, now, MLO_FIELD_QUEUE_DELAY), ==, 0.0);
  for (guint n = 0; n < 26; n++) {
    tell (&k, now += SECOND, 0, MLO_FIELD_LATENCY, 65.0);
    g_assert_cmpfloat (observed (&k, now, MLO_FIELD_QUEUE_DELAY), ==, 40.0);
  }
  /* The path got longer. */
  for (guint n = 0; n < 5; n++) {
    tell (&k, now += SECOND, 0, MLO_FIELD_LATENCY, 65.0);
    observed (&k, now, MLO_FIELD_QUEUE_DELAY);
  }
  g_assert_cmpfloat (observed (&k, now, MLO_FIELD_QUEUE_DELAY), ==, 0.0);
  /* What is told is better. */
  tell (&k, now, 0, MLO_FIELD_QUEUE_DELAY, 7.0);
  g_assert_cmpfloat (observed (&k, now, MLO_FIELD_QUEUE_DELAY), ==, 7.0);
}

static void
test_order (void)
{
  const gint64 real = G_GINT64_CONSTANT (1700000000000000);
  MloSample told = { 0 };
  MloKnown k;

  mlo_known_init (&k);
  mlo_sample_set (&told, MLO_FIELD_FPS, 60.0);
  g_assert_false (mlo_known_merge (&k, SECOND, real, &told));
  /* The same again, older, without a time, from long ago. */
  g_assert_false (mlo_known_merge (&k, SECOND, real, &told));
  told.fps = 30.0;
  g_assert_true (mlo_known_merge (&k, SECOND, real - 1, &told));
  g_assert_cmpfloat (observed (&k, SECOND, MLO_FIELD_FPS), ==, 60.0);
  g_assert_cmpfloat_with_epsilon (observed (&k, SECOND, MLO_FIELD_FRAME_TIME), 16.667, 0.001);
  g_assert_false (mlo_known_merge (&k, SECOND, real - 20 * SECOND, &told));
  g_assert_cmpfloat (observed (&k, SECOND, MLO_FIELD_FPS), ==, 30.0);
  told.fps = 50.0;
  g_assert_false (mlo_known_merge (&k, SECOND, 0, &told));
  g_assert_cmpfloat (observed (&k, SECOND, MLO_FIELD_FPS), ==, 50.0);
  mlo_known_forget (&k);
  g_assert_cmpfloat (observed (&k, SECOND, MLO_FIELD_FPS), ==, -1.0);
}

static void
test_no_capacity (void)
{
  MloKnown k;

  mlo_known_init (&k);
  tell (&k, SECOND, 0, MLO_FIELD_BANDWIDTH, 0.0);
  g_assert_cmpfloat (observed (&k, SECOND, MLO_FIELD_BANDWIDTH), ==, -1.0);
  tell (&k, SECOND, 0, MLO_FIELD_BANDWIDTH, 900.0);
  g_assert_cmpfloat (observed (&k, SECOND, MLO_FIELD_BANDWIDTH), ==, 900.0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/known/fresh", test_fresh);
  g_test_add_func ("/known/silence", test_silence);
  g_test_add_func ("/known/queue", test_queue);
  g_test_add_func ("/known/order", test_order);
  g_test_add_func ("/known/no-capacity", test_no_capacity);
  return g_test_run ();
}
