/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-link.h"

static MloLinkConfig
plain (double delay_ms, double queue_bytes)
{
  return (MloLinkConfig) {
  .delay_ms = delay_ms,.queue_bytes = queue_bytes};
}

static void
test_delay (void)
{
  MloLinkConfig config = plain (20.0, 1e6);
  g_autoptr (MloTrace) t = mlo_trace_new_constant (8000.0, 10.0);
  g_autoptr (MloLink) link = mlo_link_new (&config, t, 1);

  /* One byte a microsecond. */
  g_assert_cmpint (mlo_link_send (link, 0, 1000), ==, 21000);
  g_assert_cmpint (mlo_link_send (link, 0, 1000), ==, 22000);
  g_assert_cmpfloat (mlo_link_backlog_bytes (link, 500), ==, 1500.0);
  g_assert_cmpint (mlo_link_wait_us (link, 500), ==, 1500);
  g_assert_cmpint (mlo_link_send (link, 5000, 100), ==, 25100);
  g_assert_cmpint (mlo_link_wait_us (link, 6000), ==, 0);
  g_assert_cmpfloat (mlo_link_offered_bytes (link, 123456), ==, 123456.0);
}

static void
test_drop_tail (void)
{
  MloLinkConfig config = plain (0.0, 3000.0);
  g_autoptr (MloTrace) t = mlo_trace_new_constant (8000.0, 10.0);
  g_autoptr (MloLink) link = mlo_link_new (&config, t, 1);

  g_assert_cmpint (mlo_link_send (link, 0, 1500), ==, 1500);
  g_assert_cmpint (mlo_link_send (link, 0, 1500), ==, 3000);
  g_assert_cmpint (mlo_link_send (link, 0, 1), ==, MLO_LINK_QUEUE_FULL);
  g_assert_cmpint (mlo_link_send (link, 1, 1), ==, 3001);
  g_assert_cmpint (mlo_link_send (link, 1499, 1500), ==, MLO_LINK_QUEUE_FULL);
  g_assert_cmpint (mlo_link_send (link, 1501, 1500), ==, 4501);
  /* Nothing waits: even what is larger than the queue goes. */
  g_assert_cmpint (mlo_link_send (link, 10000, 5000), ==, 15000);
  g_assert_cmpuint (mlo_link_stats (link)->queue_full, ==, 2);
  g_assert_cmpuint (mlo_link_stats (link)->packets, ==, 7);
}

static void
test_outage (void)
{
  static const double steps[][2] = { {0, 8000}, {0.01, 0}, {1, 8000} };
  MloLinkConfig config = plain (0.0, 1e6);
  g_autoptr (MloTrace) t = mlo_trace_new_steps (steps, 3, 2.0), dead = mlo_trace_new_constant (0.0, 1.0);
  g_autoptr (MloLink) link = mlo_link_new (&config, t, 1), never = mlo_link_new (&config, dead, 1);

  /* The last byte that still goes, and the first that does not. */
  g_assert_cmpint (mlo_link_send (link, 0, 10000), ==, 10000);
  g_assert_cmpint (mlo_link_send (link, 0, 1), ==, 1000001);
  g_assert_cmpint (mlo_link_wait_us (link, 500000), ==, 500001);
  g_assert_cmpint (mlo_link_send (never, 5, 100), ==, G_MAXINT64);
  g_assert_cmpint (mlo_link_wait_us (never, 6), ==, G_MAXINT64);
}

static void
test_grid (void)
{
  MloLinkConfig config = plain (7.0, 1e6);
  g_autoptr (MloTrace) t = mlo_trace_new_constant (5000.0, 10.0);
  g_autoptr (MloLink) link = NULL;

  config.grid_ms = 10.0;
  link = mlo_link_new (&config, t, 1);
  for (int i = 0; i < 1000; i++) {
    gint64 now = i * 1777, at = mlo_link_send (link, now, 300 + (guint) i % 900);

    g_assert_cmpint (at % 10000, ==, 0);
    g_assert_cmpint (at, >=, now + 7000);
    g_assert_cmpint (at, <, mlo_link_wait_us (link, now) + now + 7000 + 10000);
  }
}

static void
test_losses (void)
{
  MloLinkConfig config = plain (0.0, INFINITY);
  g_autoptr (MloTrace) t = mlo_trace_new_constant (1e6, 10.0);
  const int n = 200000;

  config.random_loss = 0.02;
  {
    g_autoptr (MloLink) link = mlo_link_new (&config, t, 3);

    for (int i = 0; i < n; i++)
      mlo_link_send (link, i * 10, 100);
    g_assert_cmpfloat_with_epsilon ((double) mlo_link_stats (link)->lost / n, 0.02, 5 * sqrt (0.02 * 0.98 / n));
  }
  config.random_loss = 0.0;
  config.burst_loss = 0.05;
  config.burst_length = 8.0;
  {
    g_autoptr (MloLink) link = mlo_link_new (&config, t, 3);
    guint bursts = 0;
    gboolean before = FALSE;

    for (int i = 0; i < n; i++) {
      gboolean lost = mlo_link_send (link, i * 10, 100) == MLO_LINK_LOST;

      bursts += lost && !before;
      before = lost;
    }
    g_assert_cmpfloat_with_epsilon ((double) mlo_link_stats (link)->lost / n, 0.05, 0.008);
    g_assert_cmpfloat_with_epsilon ((double) mlo_link_stats (link)->lost / bursts, 8.0, 0.8);
  }
}

static void
test_cross (void)
{
  MloLinkConfig config = plain (0.0, INFINITY);
  g_autoptr (MloTrace) t = mlo_trace_new_constant (20000.0, 10.0);
  g_autoptr (MloLink) link = NULL, quiet = NULL;
  const double seconds = 4000.0;

  config.cross_kbps = 3000.0;
  link = mlo_link_new (&config, t, 4);
  quiet = mlo_link_new (&config, t, 4);
  for (gint64 now = 0; now < (gint64) (seconds * 1e6); now += 100000)
    mlo_link_send (link, now, 1200);
  /* Its lognormal is wide: some ten percent after a thousand bursts. */
  g_assert_cmpfloat_with_epsilon ((double) mlo_link_stats (link)->cross_bytes * 8.0 / seconds / 1000.0, 3000.0, 500.0);
  /* It does not depend on what we send. */
  mlo_link_backlog_bytes (quiet, (gint64) (seconds * 1e6) - 100000);
  g_assert_cmpuint (mlo_link_stats (quiet)->cross_bytes, ==, mlo_link_stats (link)->cross_bytes);
}

static void
test_trace_rtt (void)
{
  const char text[] = "# columns=time_ms,capacity_kbps,rtt_ms,loss\n0,8000,60,\n100,8000,,1\n200,8000,80,0\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTrace) t = mlo_trace_parse ("t", text, sizeof text - 1, &error);
  MloLinkConfig config = plain (20.0, INFINITY);
  g_autoptr (MloLink) link = NULL, plain_link = mlo_link_new (&config, t, 1);

  g_assert_no_error (error);
  config.use_trace_rtt = TRUE;
  link = mlo_link_new (&config, t, 1);
  g_assert_cmpint (mlo_link_send (link, 0, 1000), ==, 31000);
  g_assert_cmpint (mlo_link_send (plain_link, 0, 1000), ==, 21000);
  g_assert_cmpint (mlo_link_send (link, 100000, 1000), ==, MLO_LINK_LOST);
  g_assert_cmpint (mlo_link_send (link, 200000, 1000), ==, 241000);
  /* The way shortens: order is kept. */
  g_assert_cmpint (mlo_link_send (link, 299000, 1000), ==, 340000);
  g_assert_cmpint (mlo_link_send (link, 300000, 1000), ==, 340000);
}

/* A saturated link carries what its trace offers: exact to 1 % (here: to a packet), each delay to
 * 1 ms, on every kind of link, whatever the offered packets look like. */
static void
test_conservation (void)
{
  MloRandom random;
  const guint64 seed = 21;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int k = 0; k < 6 * MLO_N_TRACE_KINDS; k++) {
    g_autoptr (MloTrace) t = mlo_trace_generate (k % MLO_N_TRACE_KINDS, &random, 20.0);
    MloLinkConfig config = plain (mlo_random_range (&random, 0.0, 80.0), mlo_random_log_range (&random, 20e3, 500e3));
    g_autoptr (MloLink) link = mlo_link_new (&config, t, mlo_random_u64 (&random));
    const gint64 end = 25 * G_USEC_PER_SEC;
    const double delay_us = config.delay_ms * 1000.0;
    double delivered = 0.0, accepted = 0.0, backlog;
    gint64 now = 0, last = 0;

    while (now < end) {
      guint32 bytes = 100 + mlo_random_below (&random, 1400);
      double waiting = mlo_link_backlog_bytes (link, now);
      gint64 at = mlo_link_send (link, now, bytes);

      if (at == MLO_LINK_QUEUE_FULL) {
        g_assert_cmpfloat (waiting + bytes, >, config.queue_bytes);
        /* Never so long that the queue runs empty. */
        now += 1 + (gint64) mlo_random_below (&random, (guint32) MIN (mlo_link_wait_us (link, now) / 2 + 1, 2000));
        continue;
      }
      g_assert_cmpfloat (waiting + bytes, <=, MAX (config.queue_bytes, bytes));
      g_assert_cmpint (at, >=, last);
      last = at;
      accepted += bytes;
      /* The delay is that of the bytes before it, within 1 ms. */
      g_assert_cmpfloat_with_epsilon ((double) at - delay_us, (double) mlo_trace_serve (t, now, waiting + bytes),
          1000.0);
      if ((double) at - delay_us <= (double) end)
        delivered += bytes;
    }
    backlog = mlo_link_backlog_bytes (link, now);
    g_assert_cmpfloat_with_epsilon (accepted, mlo_trace_bytes (t, 0, now) + backlog, 0.01 * accepted + 1500.0);
    g_assert_cmpfloat_with_epsilon (delivered, mlo_trace_bytes (t, 0, end), 0.01 * delivered + 1500.0);
  }
}

static void
test_repeatable (void)
{
  MloLinkConfig config = mlo_link_config_default;
  MloRandom random;
  g_autoptr (MloTrace) t = NULL;
  g_autoptr (MloLink) a = NULL, b = NULL;
  double sum = 0.0, square = 0.0;
  const int n = 20000;

  mlo_random_seed (&random, 2);
  t = mlo_trace_new_constant (50000.0, 1.0);
  config.random_loss = config.burst_loss = 0.01;
  config.jitter_ms = 3.0;
  config.cross_kbps = 500.0;
  a = mlo_link_new (&config, t, 9);
  b = mlo_link_new (&config, t, 9);
  for (int i = 0; i < n; i++) {
    gint64 x = mlo_link_send (a, i * 3000, 1000);

    g_assert_cmpint (x, ==, mlo_link_send (b, i * 3000, 1000));
    if (x >= 0) {
      double d = (double) (x - i * 3000) / 1000.0;

      g_assert_cmpfloat (d, >=, 20.0);
      sum += d;
      square += d * d;
    }
  }
  sum /= n;
  g_assert_cmpfloat_with_epsilon (sqrt (square / n - sum * sum), 3.0, 1.5);
}

/* A token bucket: what fits into it passes at the line's pace, what comes after at the shaper's, what does not fit into
 * the queue is lost. */
static void
test_shaper (void)
{
  g_autoptr (MloTrace) t = mlo_trace_new_constant (80000.0, 10.0);
  MloLinkConfig config = mlo_link_config_default;
  g_autoptr (MloLink) link = NULL;

  config.delay_ms = 0.0;
  config.shaper_kbps = 800.0;   /* 100 bytes a ms */
  config.shaper_bytes = 10000.0;
  config.queue_bytes = 4500.0;
  link = mlo_link_new (&config, t, 1);
  for (guint i = 0; i < 10; i++)
    g_assert_cmpint (mlo_link_send (link, i * 1000, 1000), <=, (i + 1) * 1000);
  /* the bucket held 10000 bytes and 900 more have come since */
  g_assert_cmpint (mlo_link_send (link, 9000, 1000), ==, 10000);
  for (guint i = 2; i <= 5; i++)
    g_assert_cmpint (mlo_link_send (link, 9000 + 200 * i, 1000), ==, i * 10000);
  g_assert_cmpint (mlo_link_send (link, 10200, 1000), ==, MLO_LINK_QUEUE_FULL);
  g_assert_cmpint ((gint64) mlo_link_backlog_bytes (link, 10200), ==, 3980);
  /* full again after a while */
  g_assert_cmpint (mlo_link_send (link, 2000000, 1000), <=, 2001000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/link/delay", test_delay);
  g_test_add_func ("/link/drop-tail", test_drop_tail);
  g_test_add_func ("/link/outage", test_outage);
  g_test_add_func ("/link/grid", test_grid);
  g_test_add_func ("/link/losses", test_losses);
  g_test_add_func ("/link/cross", test_cross);
  g_test_add_func ("/link/trace-rtt", test_trace_rtt);
  g_test_add_func ("/link/conservation", test_conservation);
  g_test_add_func ("/link/shaper", test_shaper);
  g_test_add_func ("/link/repeatable", test_repeatable);
  return g_test_run ();
}
