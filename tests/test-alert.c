/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-alert.h"
#include "mlo-random.h"

#define TARGET_MS 60.0
#define REPORT_US 16667
#define CLOCK_US 12345678900    /* the receiver's ahead of ours */

typedef struct
{
  MloAlert alert;
  MloWindow window;
  gint64 now_us;
} Path;

static void
path_init (Path * p)
{
  mlo_alert_init (&p->alert);
  mlo_window_init (&p->window);
  mlo_alert_set (&p->alert, FALSE, TARGET_MS);
  p->now_us = G_USEC_PER_SEC;
}

/* A report of two packets that waited so long. */
static gboolean
report (Path * p, double queue_ms, gboolean lost)
{
  MloPacket packets[2];

  p->now_us += REPORT_US;
  for (int i = 0; i < 2; i++)
    packets[i] = (MloPacket) {
    .send_us = p->now_us - 40000,.size = 1200,.lost = lost && i == 0,.arrival_us =
        p->now_us - 20000 + CLOCK_US + (gint64) (1000.0 * queue_ms)};
  return mlo_alert_report (&p->alert, p->now_us, packets, 2, &p->window);
}

static void
test_rest (void)
{
  Path p;

  path_init (&p);
  g_assert_true (report (&p, 0.0, FALSE));      /* the first */
  for (int i = 0; i < 6000; i++)
    g_assert_false (report (&p, 0.1 * (i % 50), FALSE));
}

static void
test_counts (void)
{
  Path p;

  path_init (&p);
  report (&p, 0.0, FALSE);
  g_assert_false (report (&p, 0.0, FALSE));
  g_assert_true (report (&p, 0.0, TRUE));
  g_assert_false (report (&p, 0.0, FALSE));
  /* a queue of a quarter of the target, in any length of it */
  for (int i = 0; i < 300; i++)
    g_assert_true (report (&p, 0.25 * TARGET_MS + 4.0, FALSE));
  g_assert_false (report (&p, 0.0, FALSE));
  /* after a silence */
  p.now_us += 30000;
  g_assert_true (report (&p, 0.0, FALSE));
  g_assert_false (report (&p, 0.0, FALSE));
  /* while the controller is not at rest */
  mlo_alert_set (&p.alert, TRUE, TARGET_MS);
  g_assert_true (report (&p, 0.0, FALSE));
  mlo_alert_set (&p.alert, FALSE, TARGET_MS);
  g_assert_false (report (&p, 0.0, FALSE));
  /* while the window is half full */
  mlo_window_set_limit (&p.window, 10000, 0);
  mlo_window_sent (&p.window, p.now_us, 6000);
  g_assert_true (report (&p, 0.0, FALSE));
  mlo_window_set_limit (&p.window, 20000, 0);
  g_assert_false (report (&p, 0.0, FALSE));
}

/* The other clock runs fast or slow, or is set. */
static void
test_clock (void)
{
  Path p;

  for (int sign = -1; sign <= 1; sign += 2) {
    path_init (&p);
    report (&p, 0.0, FALSE);
    for (int i = 0; i < 60 * 600; i++)
      g_assert_false (report (&p, sign * 100e-6 * i * REPORT_US / 1000.0, FALSE));
  }
  path_init (&p);
  report (&p, 0.0, FALSE);
  g_assert_false (report (&p, 3600e3, FALSE));
  g_assert_false (report (&p, 3600e3, FALSE));
  g_assert_true (report (&p, 3600e3 + TARGET_MS, FALSE));
  g_assert_false (report (&p, -3600e3, FALSE));
}

/* Whatever comes, a queue that the guard would cut for counts within its memory of the least. */
static void
test_never_late (void)
{
  guint32 seed = g_test_rand_int ();
  MloRandom random;
  Path p;

  g_test_message ("seed %u", seed);
  mlo_random_seed (&random, seed);
  path_init (&p);
  report (&p, 0.0, FALSE);
  for (int i = 0; i < 20000; i++) {
    double queue = mlo_random_range (&random, 0.0, 80.0);
    gboolean counts = report (&p, queue, FALSE);

    if (queue > 0.5 * TARGET_MS)
      g_assert_true (counts);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/alert/rest", test_rest);
  g_test_add_func ("/alert/counts", test_counts);
  g_test_add_func ("/alert/clock", test_clock);
  g_test_add_func ("/alert/never-late", test_never_late);
  return g_test_run ();
}
