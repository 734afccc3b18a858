/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much parity a stream has, and what is left of its losses. */
#include "mlo-parity.h"

#include <math.h>

#include "mlo-random.h"

#define TICK_US 100000

/* The formula, in cases that can be counted by hand. */
static void
test_damaged (void)
{
  static const struct
  {
    double loss, packets, percent, damaged;
  } rows[] = {
    {0.0, 6, 0, 0.0},
    {0.03, 6, 0, 1.0 - 0.97 * 0.97 * 0.97 * 0.97 * 0.97 * 0.97},
    /* Each twice. */
    {0.03, 1, 100, 0.03 * 0.03},
    {0.1, 2, 100, 1.0 - 0.99 * 0.99},
    /* One for three: none lost, or one and not the parity. */
    {0.1, 3, 100.0 / 3.0, 1.0 - 0.729 * 1.3},
    /* Every other frame of one packet has one. */
    {0.1, 1, 50, 0.5 * 0.1 + 0.5 * 0.01},
    {1.0, 4, 50, 1.0},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    g_assert_cmpfloat_with_epsilon (mlo_parity_damaged (rows[i].loss, rows[i].packets, rows[i].percent),
        rows[i].damaged, 1e-9);
}

/* ... and of packets that are lost by chance and put together again as rtpulpfecenc and rtpulpfecdec do. */
static void
test_drawn (void)
{
  MloRandom random;

  mlo_random_seed (&random, 11);
  for (guint round = 0; round < 40; round++) {
    guint k = 1 + mlo_random_below (&random, 4), n = k * (1 + mlo_random_below (&random, 5)), damaged = 0;
    double loss = mlo_random_range (&random, 0.005, 0.2), expected;
    const guint frames = 40000;

    for (guint f = 0; f < frames; f++) {
      gboolean whole = TRUE;

      for (guint g = 0; g < k; g++) {
        guint lost = 0;

        for (guint i = 0; i < n / k; i++)
          lost += mlo_random_range (&random, 0.0, 1.0) < loss;
        if (lost > 1 || (lost == 1 && mlo_random_range (&random, 0.0, 1.0) < loss))
          whole = FALSE;
      }
      damaged += !whole;
    }
    expected = mlo_parity_damaged (loss, n, 100.0 * k / n);
    /* Five standard deviations. */
    g_assert_cmpfloat_with_epsilon ((double) damaged / frames, expected, 5.0 * sqrt (expected / frames) + 1e-4);
  }
}

typedef struct
{
  MloParity parity;
  MloParityInput in;
} Path;

static Path
path_new (double packets)
{
  Path p = {.in = {.now_us = 1000000,.calm = TRUE,.fps = 60.0,.rtt_ms = 40.0,.stream = {packets, 1.2}} };

  mlo_parity_init (&p.parity);
  return p;
}

/* @seconds of it; what parity there is then. The frames shrink as the parity grows. */
static guint
play (Path * p, double seconds, double loss, gboolean calm)
{
  double packets = p->in.stream.packets;

  p->in.calm = calm;
  for (int i = 0; i < seconds * 1e6 / TICK_US; i++) {
    p->in.now_us += TICK_US;
    p->in.told = 60.0 * packets * TICK_US / 1e6;
    p->in.lost = loss * p->in.told;
    p->in.stream.packets = packets / (1.0 + mlo_parity_overhead (p->parity.percent, p->in.stream.size));
    mlo_parity_advance (&p->parity, &p->in);
  }
  p->in.stream.packets = packets;
  return p->parity.percent;
}

static void
test_loss (void)
{
  Path p = path_new (8.0);
  guint one, three, eight;

  /* None, and none for a packet of a second. */
  g_assert_cmpuint (play (&p, 10.0, 0.0, TRUE), ==, 0);
  play (&p, 1.0, 1.0 / 360.0, TRUE);
  g_assert_cmpuint (play (&p, 5.0, 0.0, TRUE), ==, 0);
  {
    Path thin = path_new (2.0);

    play (&thin, 10.0, 0.0, TRUE);
    g_assert_cmpuint (play (&thin, 1.0, 1.0 / 120.0, TRUE), ==, 0);
  }
  one = play (&p, 10.0, 0.01, TRUE);
  three = play (&p, 20.0, 0.03, TRUE);
  eight = play (&p, 20.0, 0.08, TRUE);
  g_test_message ("%u, %u and %u %%", one, three, eight);
  g_assert_cmpuint (one, >, 0);
  g_assert_cmpuint (three, >, one);
  g_assert_cmpuint (eight, >, three);
  /* Never more than there are pictures. */
  g_assert_cmpfloat (mlo_parity_overhead (play (&p, 20.0, 0.4, TRUE), 1.2), <=, 1.0);
  /* And it goes again, in its time. */
  g_assert_cmpuint (play (&p, 1.0, 0.0, TRUE), >, 0);
  g_assert_cmpuint (play (&p, 60.0, 0.0, TRUE), ==, 0);
}

/* It is there soon. */
static void
test_soon (void)
{
  Path p = path_new (8.0);

  play (&p, 5.0, 0.0, TRUE);
  g_assert_cmpuint (play (&p, 0.5, 0.03, TRUE), >, 0);
}

/* What a queue drops is no reason, before or after it. */
static void
test_congestion (void)
{
  Path p = path_new (8.0);

  play (&p, 5.0, 0.0, TRUE);
  for (guint i = 0; i < 10; i++) {
    g_assert_cmpuint (play (&p, 1.0, 0.1, FALSE), ==, 0);
    /* It is still told of when it is gone. */
    g_assert_cmpuint (play (&p, 0.2, 0.1, TRUE), ==, 0);
    g_assert_cmpuint (play (&p, 2.0, 0.0, TRUE), ==, 0);
  }
  /* A radio that loses by chance goes on to, a queue or not; but where the queue stays it is what is lost to. */
  g_assert_cmpuint (play (&p, 10.0, 0.03, TRUE), >, 0);
  g_assert_cmpuint (play (&p, 1.5, 0.1, FALSE), >, 0);
  g_assert_cmpuint (play (&p, 10.0, 0.1, FALSE), ==, 0);
}

/* Losses that vary as they do by chance change it seldom. */
static void
test_steady (void)
{
  static const double losses[] = { 0.005, 0.01, 0.03, 0.08 };
  MloRandom random;

  mlo_random_seed (&random, 3);
  for (guint i = 0; i < G_N_ELEMENTS (losses); i++) {
    Path p = path_new (6.0);
    guint changes = 0, before;

    before = play (&p, 10.0, losses[i], TRUE);
    for (guint second = 0; second < 300; second++) {
      guint lost = 0, now;

      for (guint k = 0; k < 360; k++)
        lost += mlo_random_range (&random, 0.0, 1.0) < losses[i];
      now = play (&p, 1.0, lost / 360.0, TRUE);
      changes += now != before;
      before = now;
    }
    g_test_message ("%g: %u changes in 300 s", losses[i], changes);
    g_assert_cmpuint (changes, <=, 60);
    g_assert_cmpuint (before, >, 0);
  }
}

/* Whatever comes: a whole number of steps, in bounds, and none where nothing makes any. */
static void
test_random (void)
{
  static const double odd[] = { -1.0, 0.0, 1e-12, 0.5, 1.0, 1e9, INFINITY, NAN };
  Path p = path_new (4.0);
  MloRandom random;

  mlo_random_seed (&random, 5);
  for (guint i = 0; i < 20000; i++) {
    guint percent;

    p.in.now_us += (gint64) mlo_random_below (&random, 300000);
    p.in.lost = odd[mlo_random_below (&random, G_N_ELEMENTS (odd))];
    p.in.told = odd[mlo_random_below (&random, G_N_ELEMENTS (odd))];
    p.in.fps = odd[mlo_random_below (&random, G_N_ELEMENTS (odd))];
    p.in.rtt_ms = odd[mlo_random_below (&random, G_N_ELEMENTS (odd))];
    p.in.calm = mlo_random_below (&random, 2) == 1;
    p.in.stream.packets = mlo_random_below (&random, 40);
    p.in.stream.size = mlo_random_range (&random, 0.5, 4.0);
    percent = mlo_parity_advance (&p.parity, &p.in);
    g_assert_cmpuint (percent, <=, 100);
    g_assert_cmpuint (percent % 5, ==, 0);
    g_assert_true (p.parity.loss >= 0.0 && p.parity.loss <= 1.0);
    if (p.in.stream.packets <= 0.0)
      g_assert_cmpuint (percent, ==, 0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/parity/damaged", test_damaged);
  g_test_add_func ("/parity/drawn", test_drawn);
  g_test_add_func ("/parity/loss", test_loss);
  g_test_add_func ("/parity/soon", test_soon);
  g_test_add_func ("/parity/congestion", test_congestion);
  g_test_add_func ("/parity/steady", test_steady);
  g_test_add_func ("/parity/random", test_random);
  return g_test_run ();
}
