/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "mlo-random.h"
#include "mlo-window.h"

static MloPacket
packet (gint64 send_us, guint32 size)
{
  return (MloPacket) {
  .send_us = send_us,.arrival_us = send_us + 20000,.size = size};
}

static void
test_counts_bytes (void)
{
  MloWindow w;
  MloPacket p[3] = { packet (1005, 1000), packet (1005, 1000), packet (17005, 1000) };

  mlo_window_init (&w);
  mlo_window_sent (&w, 1000, 2000);
  mlo_window_sent (&w, 17000, 3000);
  mlo_window_sent (&w, 33000, 500);
  g_assert_cmpuint (mlo_window_in_flight (&w), ==, 5500);
  /* Half of the first frame. */
  mlo_window_acked (&w, 50000, p, 1);
  g_assert_cmpuint (mlo_window_in_flight (&w), ==, 4500);
  /* Its end and a third of the second. */
  mlo_window_acked (&w, 50000, p + 1, 2);
  g_assert_cmpuint (mlo_window_in_flight (&w), ==, 2500);
  p[0] = packet (33001, 498);
  mlo_window_acked (&w, 50000, p, 1);
  g_assert_cmpuint (mlo_window_in_flight (&w), ==, 0);
  g_assert_cmpuint (w.total_sent, ==, 5500);
}

/* It would empty the window for as long as it takes to get there. */
static void
test_packet_of_the_future (void)
{
  MloWindow w;
  MloPacket p = packet (G_MAXINT64 - 30000, 1000);

  mlo_window_init (&w);
  mlo_window_sent (&w, 1000, 2000);
  mlo_window_acked (&w, 20000, &p, 1);
  mlo_window_sent (&w, 33000, 2000);
  mlo_window_sent (&w, 50000, 2000);
  p = packet (1000, 1000);
  mlo_window_acked (&w, 60000, &p, 1);
  g_assert_cmpuint (mlo_window_in_flight (&w), ==, 4000);
}

static void
test_admits (void)
{
  MloWindow w;

  mlo_window_init (&w);
  mlo_window_sent (&w, 0, 100000);
  g_assert_true (mlo_window_admit (&w, 0));
  g_assert_true (mlo_window_admit (&w, 1000));
  mlo_window_set_limit (&w, 99999, 0);
  g_assert_false (mlo_window_admit (&w, 2000));
  mlo_window_set_limit (&w, 100000, 0);
  g_assert_true (mlo_window_admit (&w, 3000));
  /* Full for long: one frame now and then, since what was lost last is only acknowledged by what follows. */
  mlo_window_set_limit (&w, 0, 0);
  g_assert_false (mlo_window_admit (&w, 200000));
  g_assert_true (mlo_window_admit (&w, 3000 + MLO_WINDOW_PROBE_US));
  /* Feedback lost: one frame every so often, whatever is in flight, and twice as long after each without an answer. */
  mlo_window_set_limit (&w, G_MAXUINT64, 300000);
  g_assert_false (mlo_window_admit (&w, 203000 + 599999));
  g_assert_true (mlo_window_admit (&w, 203000 + 600000));
  g_assert_false (mlo_window_admit (&w, 803000 + MLO_WINDOW_PROBE_MAX_US - 1));
  g_assert_true (mlo_window_admit (&w, 803000 + MLO_WINDOW_PROBE_MAX_US));
  g_assert_false (mlo_window_admit (&w, 1803000 + MLO_WINDOW_PROBE_MAX_US - 1));
  /* An answer to any of them, and the next goes soon. */
  mlo_window_acked (&w, 1900000, &(MloPacket) {
      .send_us = 1803000,.size = 1000}, 1);
  g_assert_true (mlo_window_admit (&w, 1803000 + 300000));
  g_assert_cmpuint (w.skipped, ==, 5);
  mlo_window_flush (&w);
  g_assert_cmpuint (mlo_window_in_flight (&w), ==, 0);
}

/* Whatever is sent and acknowledged, in flight is the sum of what is held, never more than was sent. */
static void
test_any_order (void)
{
  guint64 seed = g_test_rand_int_range (0, G_MAXINT32);
  MloRandom r;
  MloWindow w;
  gint64 now = 1;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  mlo_window_init (&w);
  for (int i = 0; i < 20000; i++) {
    guint64 sum = 0;

    now += mlo_random_below (&r, 20000);
    if (mlo_random_chance (&r, 0.7))
      mlo_window_sent (&w, now, mlo_random_chance (&r, 0.01) ? G_MAXUINT32 : mlo_random_below (&r, 50000));
    else {
      MloPacket p[4];

      for (int k = 0; k < 4; k++)
        p[k] = packet (now - mlo_random_below (&r, 3000000), mlo_random_below (&r, 70000));
      mlo_window_acked (&w, now, p, mlo_random_below (&r, 5));
    }
    for (guint k = 0; k < w.count; k++)
      sum += w.bytes[(w.head + k) % MLO_WINDOW_FRAMES];
    g_assert_cmpuint (sum, ==, w.in_flight);
    g_assert_cmpuint (w.in_flight, <=, w.total_sent);
    g_assert_cmpuint (w.count, <=, MLO_WINDOW_FRAMES);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/window/counts-bytes", test_counts_bytes);
  g_test_add_func ("/window/packet-of-the-future", test_packet_of_the_future);
  g_test_add_func ("/window/admits", test_admits);
  g_test_add_func ("/window/any-order", test_any_order);
  return g_test_run ();
}
