/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-dispersion.h"
#include "mlo-feedback.h"
#include "mlo-random.h"

/* A FIFO link in a few lines: frames of one send time into a bottleneck, delivery on a grid if
 * asked, arrival stamps of 250 us and a clock of its own. */
typedef struct
{
  double kbps, grid_ms, loss;
  gint64 base_us, offset_us;
  gint64 busy_until_us;
  guint32 seqnum;
  MloRandom random;
  MloFeedback feedback;
  MloDispersion dispersion;
} Path;

static void
path_init (Path * p, double kbps, double grid_ms, guint64 seed)
{
  *p = (Path) {
  .kbps = kbps,.grid_ms = grid_ms,.base_us = 20000,.offset_us = 123456789};
  mlo_random_seed (&p->random, seed);
  mlo_feedback_init (&p->feedback);
  mlo_dispersion_init (&p->dispersion);
}

static void
path_frame (Path * p, gint64 now_us, guint32 bytes)
{
  MloPacket packets[256] = { 0 };
  guint n = 0;
  gint64 last = now_us;

  for (; bytes > 0 && n < 256; n++) {
    guint32 size = MIN (bytes, 1200);
    gint64 out;

    bytes -= size;
    p->busy_until_us = MAX (p->busy_until_us, now_us) + (gint64) ((size + MLO_PACKET_OVERHEAD) * 8000.0 / p->kbps);
    out = p->busy_until_us;
    if (p->grid_ms > 0.0)
      out = (gint64) (ceil ((double) out / (p->grid_ms * 1000.0)) * p->grid_ms * 1000.0);
    out += p->base_us;
    last = MAX (last, out);
    packets[n] = (MloPacket) {
    .seqnum = p->seqnum++ & 0xffff,.send_us = now_us,.arrival_us = (out + p->offset_us) / 250 * 250,.size =
          size,.lost = mlo_random_chance (&p->random, p->loss),};
  }
  mlo_feedback_packets (&p->feedback, last + p->base_us, packets, n);
  for (guint i = 0; i < n; i++) {
    if (!packets[i].lost)
      mlo_dispersion_add (&p->dispersion, &packets[i], mlo_feedback_free_arrival_us (&p->feedback, packets[i].send_us));
  }
}

typedef struct
{
  double kbps, sent_kbps, grid_ms, loss, tolerance;
} Case;

/* Mean of the estimates over ten seconds of a stream that fills the link only in part. */
static void
test_capacity (void)
{
  static const Case cases[] = {
    {2000, 1000, 0, 0, 0.05}, {8000, 4000, 0, 0, 0.05}, {8000, 7500, 0, 0, 0.05}, {20000, 6000, 0, 0, 0.08},
    {40000, 12000, 0, 0, 0.10}, {8000, 6000, 0, 0.03, 0.10}, {8000, 6000, 5, 0, 0.06}, {20000, 12000, 5, 0, 0.08},
    {8000, 6000, 10, 0, 0.12}, {30000, 12000, 10, 0, 0.20}, {100000, 12000, 0, 0, 0.25},
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    const Case *k = &cases[i];
    double sum = 0.0;
    guint n = 0;
    Path p;

    path_init (&p, k->kbps, k->grid_ms, i);
    p.loss = k->loss;
    for (int f = 0; f < 600; f++) {
      double noise = exp (0.2 * mlo_random_normal (&p.random));

      /* Encoding takes its time, more or less: frames are not in step with a radio's grid. */
      path_frame (&p, 1000000 + f * 16667 + mlo_random_below (&p.random, 10000),
          (guint32) (k->sent_kbps * 125.0 / 60.0 * noise));
      if (f > 30) {
        MloCapacity c = mlo_dispersion_capacity (&p.dispersion, 150000);

        g_assert_cmpfloat (c.kbps, >, 0.0);
        sum += c.kbps;
        n++;
      }
    }
    g_test_message ("%g kbit/s, sent %g, grid %g ms, loss %g: measured %.0f", k->kbps, k->sent_kbps, k->grid_ms,
        k->loss, sum / n);
    g_assert_cmpfloat (fabs (sum / n / k->kbps - 1.0), <, k->tolerance);
  }
}

/* After a fall the sharp window knows within some frames. */
static void
test_follows_fall (void)
{
  Path p;
  MloCapacity c;

  path_init (&p, 8000, 0, 1);
  for (int f = 0; f < 60; f++)
    path_frame (&p, 1000000 + f * 16667, 12000);
  p.kbps = 4000;
  for (int f = 60; f < 69; f++)
    path_frame (&p, 1000000 + f * 16667, 12000);
  c = mlo_dispersion_capacity (&p.dispersion, 150000);
  g_assert_cmpfloat (fabs (c.kbps / 4000.0 - 1.0), <, 0.1);
  g_assert_cmpfloat (p.feedback.queue_ms, >, 60.0);
}

static void
test_single_packets (void)
{
  Path p;

  path_init (&p, 8000, 0, 1);
  for (int f = 0; f < 60; f++)
    path_frame (&p, 1000000 + f * 16667, 600);
  /* Nothing queues behind anything: there is nothing to measure with. */
  g_assert_cmpfloat (mlo_dispersion_capacity (&p.dispersion, 150000).kbps, <, 0.0);
}

static void
add_burst (MloDispersion * d, gint64 arrival_us, guint n, gint64 gap_us)
{
  for (guint i = 0; i < n; i++) {
    MloPacket p = {.send_us = arrival_us - 20000,.arrival_us = arrival_us + i * gap_us,.size = 1200 };

    mlo_dispersion_add (d, &p, arrival_us);
  }
}

/* A packet that another overtook says nothing, and what is known stays; one from seconds before starts anew. */
static void
test_overtaken (void)
{
  MloPacket late = {.send_us = 4000000,.arrival_us = 5001000,.size = 1200 };
  MloDispersion d;
  MloCapacity before, after;

  mlo_dispersion_init (&d);
  add_burst (&d, 5000000, 10, 1000);
  before = mlo_dispersion_capacity (&d, 150000);
  g_assert_cmpuint (before.packets, ==, 9);
  mlo_dispersion_add (&d, &late, 5001000);
  after = mlo_dispersion_capacity (&d, 150000);
  g_assert_cmpuint (after.packets, ==, before.packets);
  g_assert_cmpfloat (after.kbps, ==, before.kbps);
  late.arrival_us -= 3 * G_USEC_PER_SEC;
  mlo_dispersion_add (&d, &late, 5001000);
  g_assert_cmpfloat (mlo_dispersion_capacity (&d, 150000).kbps, <, 0.0);
}

/* All at one stamp of the grid: the path carries that much at least. */
static void
test_lower_bound (void)
{
  MloDispersion d;
  MloCapacity c;

  mlo_dispersion_init (&d);
  add_burst (&d, 5000000, 3, 0);
  c = mlo_dispersion_capacity (&d, 150000);
  g_assert_true (c.lower_bound);
  /* two packets in 250 us */
  g_assert_cmpfloat_with_epsilon (c.kbps, 2.0 * (1200.0 + MLO_PACKET_OVERHEAD) * 8000.0 / 250.0, 1e-6);
  mlo_dispersion_init (&d);
  add_burst (&d, 5000000, 3, 1000);
  c = mlo_dispersion_capacity (&d, 150000);
  g_assert_false (c.lower_bound);
  g_assert_cmpfloat_with_epsilon (c.kbps, (1200.0 + MLO_PACKET_OVERHEAD) * 8.0, 1e-6);
}

/* Absurd times neither crash nor give numbers that are not finite. */
static void
test_absurd (void)
{
  guint64 seed = g_test_rand_int_range (0, G_MAXINT32);
  MloRandom r;
  MloDispersion d;
  MloFeedback f;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  mlo_dispersion_init (&d);
  mlo_feedback_init (&f);
  for (int i = 0; i < 20000; i++) {
    MloPacket p = {
      .send_us = (gint64) (mlo_random_u64 (&r) >> (2 + mlo_random_below (&r, 60))),
      .arrival_us = (gint64) (mlo_random_u64 (&r) >> (2 + mlo_random_below (&r, 60))),
      .size = (guint32) mlo_random_below (&r, 70000),
      .lost = mlo_random_chance (&r, 0.1),
    };
    MloCapacity c;

    if (mlo_random_chance (&r, 0.5))
      p.arrival_us = -p.arrival_us;
    mlo_feedback_packets (&f, p.send_us + 1000, &p, 1);
    if (!p.lost)
      mlo_dispersion_add (&d, &p, mlo_feedback_free_arrival_us (&f, p.send_us));
    c = mlo_dispersion_capacity (&d, 150000);
    g_assert_true (isfinite (c.kbps));
    g_assert_true (isfinite (f.queue_ms) && isfinite (mlo_feedback_loss (&f)));
    g_assert_true (mlo_feedback_loss (&f) >= 0.0 && mlo_feedback_loss (&f) <= 1.0);
    g_assert_true (mlo_feedback_delivered_kbps (&f, 500000) >= 0.0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dispersion/capacity", test_capacity);
  g_test_add_func ("/dispersion/follows-fall", test_follows_fall);
  g_test_add_func ("/dispersion/single-packets", test_single_packets);
  g_test_add_func ("/dispersion/overtaken", test_overtaken);
  g_test_add_func ("/dispersion/lower-bound", test_lower_bound);
  g_test_add_func ("/dispersion/absurd", test_absurd);
  return g_test_run ();
}
