/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "mlo-feedback.h"
#include "mlo-random.h"

#define OFFSET G_GINT64_CONSTANT (777000000)

static void
report (MloFeedback * f, gint64 send_us, gint64 transit_us, guint32 size, gboolean lost)
{
  MloPacket p = {.send_us = send_us,.arrival_us = send_us + transit_us + OFFSET,.size = size,.lost = lost };

  mlo_feedback_packets (f, send_us + transit_us + 20000, &p, 1);
}

static void
test_queue_delay (void)
{
  MloFeedback f;

  mlo_feedback_init (&f);
  g_assert_false (mlo_feedback_any (&f));
  for (int i = 0; i < 60; i++)
    report (&f, 1000000 + i * 16667, 20000, 1200, FALSE);
  g_assert_true (mlo_feedback_any (&f));
  g_assert_cmpfloat (f.queue_ms, ==, 0.0);
  g_assert_cmpfloat (mlo_feedback_base_rtt_ms (&f), ==, 40.0);
  g_assert_cmpfloat (f.jitter_us, ==, 0.0);
  report (&f, 2100000, 55000, 1200, FALSE);
  g_assert_cmpfloat (f.queue_ms + mlo_feedback_base_rtt_ms (&f), ==, 75.0);
  g_assert_cmpfloat (f.jitter_us, >, 2000.0);
}

static void
test_longer_path_is_learnt (void)
{
  MloFeedback f;

  mlo_feedback_init (&f);
  for (int i = 0; i < 100; i++)
    report (&f, 1000000 + i * 100000, 20000, 1200, FALSE);
  for (int i = 100; i < 300; i++)
    report (&f, 1000000 + i * 100000, 50000, 1200, FALSE);
  g_assert_cmpfloat (f.queue_ms, ==, 0.0);
  g_assert_cmpfloat (mlo_feedback_base_rtt_ms (&f), ==, 70.0);
}

/* What was told seconds ago, told again: no packets more, no loss, and the round trip is not that of its age. */
static void
test_told_again (void)
{
  MloFeedback f;
  MloPacket old = {.send_us = 1000000,.arrival_us = 1000000 + 20000 + OFFSET,.size = 1200 };
  MloPacket lost = {.send_us = 1000000,.size = 1200,.lost = TRUE };
  guint64 packets;
  double delivered;

  mlo_feedback_init (&f);
  for (int i = 0; i < 300; i++)
    report (&f, 1000000 + i * 16667, 20000, 1200, FALSE);
  packets = f.packets;
  delivered = mlo_feedback_delivered_kbps (&f, 500000);
  for (int i = 0; i < 100; i++) {
    mlo_feedback_packets (&f, 6100000 + i, &old, 1);
    mlo_feedback_packets (&f, 6100000 + i, &lost, 1);
  }
  g_assert_cmpuint (f.packets, ==, packets);
  g_assert_cmpuint (f.lost, ==, 0);
  g_assert_cmpfloat (mlo_feedback_loss (&f), ==, 0.0);
  g_assert_cmpfloat (mlo_feedback_delivered_kbps (&f, 500000), ==, delivered);
  g_assert_cmpfloat (mlo_feedback_base_rtt_ms (&f), ==, 40.0);
}

/* A report that comes again, at once, with the next and inside it: each packet counts once, each loss too. */
static void
test_told_twice (void)
{
  MloFeedback once, twice;
  MloPacket last[30] = { 0 };

  mlo_feedback_init (&once);
  mlo_feedback_init (&twice);
  for (guint i = 0; i < 3000; i++) {
    gint64 send_us = 1000000 + i * 10000, now_us = send_us + 40000;
    MloPacket p[30] = { 0 };

    /* sequence numbers wrap, arrivals lie on a grid and coincide, one packet was called lost and comes after all */
    for (guint k = 0; k < 10; k++) {
      p[k] = (MloPacket) {
      .seqnum = (i * 10 + k) & 0xffff,.send_us = send_us,.size = 1200,.lost = k == 7,.arrival_us =
            send_us + OFFSET + 20000 + k / 4 * 250,};
    }
    g_assert_true (mlo_feedback_packets (&once, now_us, p, 10));
    memcpy (p + 10, i > 0 ? last : p, 10 * sizeof *p);
    memcpy (p + 20, p, 10 * sizeof *p);
    g_assert_true (mlo_feedback_packets (&twice, now_us, p, 30));
    for (guint k = 0; k < 30; k++)
      g_assert_true (mlo_feedback_is_news (&twice, k) == (k < 10));
    g_assert_false (mlo_feedback_packets (&twice, now_us + 1000, p, 10));
    memcpy (last, p, sizeof last);
    g_assert_cmpuint (twice.lost, ==, once.lost);
    g_assert_cmpfloat (mlo_feedback_delivered_kbps (&twice, 500000), ==, mlo_feedback_delivered_kbps (&once, 500000));
    g_assert_cmpfloat (mlo_feedback_loss (&twice), ==, mlo_feedback_loss (&once));
    g_assert_cmpfloat (mlo_feedback_interval_ms (&twice), ==, mlo_feedback_interval_ms (&once));
    g_assert_cmpfloat (mlo_feedback_base_rtt_ms (&twice), ==, mlo_feedback_base_rtt_ms (&once));
  }
  /* called lost before, arrives after all: news */
  last[7].lost = FALSE;
  g_assert_true (mlo_feedback_packets (&twice, 32000000, &last[7], 1));
  g_assert_cmpuint (once.lost, ==, 3000);
}

static void
test_long_silence (void)
{
  MloFeedback f;

  mlo_feedback_init (&f);
  report (&f, 1000000, 20000, 1200, FALSE);
  /* A week later the old minimum is gone. */
  report (&f, 1000000 + G_GINT64_CONSTANT (604800000000), 30000, 1200, FALSE);
  g_assert_cmpfloat (f.queue_ms, ==, 0.0);
}

/* The first packet's arrival is nonsense (or the receiver's clock is set later): the rest is believed after a while. */
static void
test_wrong_minimum (void)
{
  static const gint64 wrong[] = { G_MAXINT64 / 5, -G_MAXINT64 / 5, G_MAXINT64, G_MININT64, 1, -100 * G_USEC_PER_SEC };

  for (guint k = 0; k < G_N_ELEMENTS (wrong); k++) {
    MloFeedback f;
    MloPacket p = {.send_us = 1000000,.arrival_us = wrong[k],.size = 1200 };

    mlo_feedback_init (&f);
    mlo_feedback_packets (&f, 1040000, &p, 1);
    for (int i = 0; i < 300; i++)
      report (&f, 1100000 + i * 10000, 20000 + (i == 299 ? 35000 : 0), 1202, FALSE);
    g_assert_cmpfloat (f.queue_ms, ==, 35.0);
    g_assert_cmpfloat (fabs (mlo_feedback_delivered_kbps (&f, 500000) / 1000.0 - 1.0), <, 0.1);
  }
}

static void
test_loss_and_rate (void)
{
  MloFeedback f;

  mlo_feedback_init (&f);
  for (int i = 0; i < 1000; i++)
    report (&f, 1000000 + i * 10000, 20000, 1202, i % 10 == 9);
  g_assert_cmpfloat (fabs (mlo_feedback_loss (&f) - 0.1), <, 0.02);
  /* 90 packets of 1250 bytes a second. */
  g_assert_cmpfloat (fabs (mlo_feedback_delivered_kbps (&f, 500000) / 900.0 - 1.0), <, 0.1);
  g_assert_cmpuint (f.lost, ==, 100);
  g_assert_cmpfloat (fabs (mlo_feedback_interval_ms (&f) - 10.0), <, 0.1);
}

/* The percentile kept along the way is that of the last 64 intervals. */
static void
test_interval_percentile (void)
{
  guint64 seed = g_test_rand_int_range (0, G_MAXINT32);
  gint64 now = 1000000, times[1000];
  MloRandom r;
  MloFeedback f;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  mlo_feedback_init (&f);
  for (int i = 0; i < 1000; i++) {
    MloPacket p = { 0 };
    int n = MIN (i, 64), above = 0;
    double percentile;

    now += 1000 * (1 + mlo_random_below (&r, 50));
    times[i] = now;
    p.send_us = now - 40000;
    p.arrival_us = now - 20000;
    mlo_feedback_packets (&f, now, &p, 1);
    percentile = mlo_feedback_interval_ms (&f);
    for (int k = i; k > i - n; k--)
      above += (double) (times[k] - times[k - 1]) / 1000.0 > percentile + 1e-3;
    g_assert_cmpint (above, <=, n - (n - 1) * 95 / 100);
    if (n == 64)
      g_assert_cmpint (above, <=, 4);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/feedback/wrong-minimum", test_wrong_minimum);
  g_test_add_func ("/feedback/queue-delay", test_queue_delay);
  g_test_add_func ("/feedback/longer-path", test_longer_path_is_learnt);
  g_test_add_func ("/feedback/told-again", test_told_again);
  g_test_add_func ("/feedback/told-twice", test_told_twice);
  g_test_add_func ("/feedback/long-silence", test_long_silence);
  g_test_add_func ("/feedback/loss-and-rate", test_loss_and_rate);
  g_test_add_func ("/feedback/interval-percentile", test_interval_percentile);
  return g_test_run ();
}
