/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-label.h"

#include "mlo-qoe.h"
#include "mlo-trace.h"

static double
carried (gpointer trace, gint64 time_us)
{
  return mlo_trace_position (trace, time_us, NULL);
}

static MloLabelInput
input (MloTrace * trace)
{
  return (MloLabelInput) {
  .carried = carried,.path = trace,.horizon_s = 1.0,.min_kbps = 300.0,.max_kbps = 12000.0,.overhead = 1.037,.base_ms =
        35.0,.fps = 60.0,.scale = 1.0,.pixels = 1280.0 * 720.0,.complexity = 0.72};
}

/* On a steady link the label lies close below what it carries, at any rate. */
static void
test_steady (void)
{
  static const double rates[] = { 500, 1500, 4000, 8000 };

  for (guint i = 0; i < G_N_ELEMENTS (rates); i++) {
    g_autoptr (MloTrace) t = mlo_trace_new_constant (rates[i], 10.0);
    g_autofree MloLabel *l = g_new0 (MloLabel, 1);
    MloLabelInput in = input (t);
    double kbps = mlo_label_kbps (l, &in);

    g_test_message ("%.0f: %.0f", rates[i], kbps);
    /* up to the cliff, and not over it */
    g_assert_cmpfloat (kbps, <, rates[i] / in.overhead * 1.01);
    g_assert_cmpfloat (kbps, >, 0.93 * MIN (rates[i] / in.overhead, in.max_kbps));
  }
}

/* A backlog lowers it, a little more the larger it is; more capacity than can be used gives the maximum. */
static void
test_backlog (void)
{
  g_autoptr (MloTrace) t = mlo_trace_new_constant (4000.0, 10.0), fast = mlo_trace_new_constant (100000.0, 10.0);
  g_autofree MloLabel *l = g_new0 (MloLabel, 1);
  MloLabelInput in = input (t);
  double before = INFINITY;

  for (int ms = 0; ms <= 700; ms += 100) {
    double kbps;

    in.backlog_bytes = 500.0 * ms;
    kbps = mlo_label_kbps (l, &in);
    g_test_message ("%d ms: %.0f", ms, kbps);
    g_assert_cmpfloat (kbps, <=, before * 1.02);
    before = kbps;
  }
  g_assert_cmpfloat (before, <, 2500.0);
  in = input (fast);
  g_assert_cmpfloat (mlo_label_kbps (l, &in), >, 0.95 * in.max_kbps);
}

/* Chance loss asks for fewer packets: the label falls with it, no less where a key frame is long in coming. */
static void
test_loss (void)
{
  g_autoptr (MloTrace) t = mlo_trace_new_constant (8000.0, 10.0);
  g_autofree MloLabel *l = g_new0 (MloLabel, 1);
  MloLabelInput in = input (t);
  double clean = mlo_label_kbps (l, &in), some, more;

  in.payload = 1200.0;
  in.repair_s = 0.1;
  in.broken_db = 7.0;
  g_assert_cmpfloat (mlo_label_kbps (l, &in), ==, clean);
  in.loss_events = 0.003;
  some = mlo_label_kbps (l, &in);
  in.repair_s = 0.3;
  more = mlo_label_kbps (l, &in);
  g_test_message ("no loss %.0f, 0.3 %% %.0f, mended late %.0f", clean, some, more);
  g_assert_cmpfloat (some, <, clean);
  /* in steps of a packet a frame */
  g_assert_cmpfloat (more, <=, some);
  /* all is lost: no rate is better than another, and nothing breaks */
  in.loss_events = 1.0;
  g_assert_cmpfloat (mlo_label_kbps (l, &in), >=, in.min_kbps);
}

/* Delay that nobody can avoid teaches no fear: a link that is gone for 100 ms twice a second has a
 * label near what it carries on average in between. A dead one has the least. */
static void
test_fades (void)
{
  static const double steps[][2] = { {0, 8000}, {0.4, 0}, {0.5, 8000}, {0.9, 0} };
  g_autoptr (MloTrace) t = mlo_trace_new_steps (steps, 4, 1.0), dead = mlo_trace_new_constant (0.0, 1.0);
  g_autofree MloLabel *l = g_new0 (MloLabel, 1);
  MloLabelInput in = input (t);

  for (int i = 0; i < 20; i++) {
    double kbps;

    in.now_us = i * 50000;
    kbps = mlo_label_kbps (l, &in);
    g_test_message ("at %d ms: %.0f", i * 50, kbps);
    g_assert_cmpfloat (kbps, >, 2500.0);
    g_assert_cmpfloat (kbps, <, 8000.0);
  }
  in = input (dead);
  g_assert_cmpfloat (mlo_label_kbps (l, &in), ==, in.min_kbps);
}

/* No rate of a fine grid beats the label by more than a little, on any kind of link. */
static void
test_best (void)
{
  g_autofree MloLabel *l = g_new0 (MloLabel, 1), *plain = g_new0 (MloLabel, 1);
  MloRandom random;
  const guint64 seed = 3;
  guint n = 0, worse = 0;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int k = 0; k < 4 * MLO_N_TRACE_KINDS; k++) {
    g_autoptr (MloTrace) t = mlo_trace_generate (k % MLO_N_TRACE_KINDS, &random, 30.0);
    MloLabelInput in = input (t);

    in.complexity = 0.3;
    for (int i = 0; i < 10; i++) {
      double best = -INFINITY, kbps, reward;

      in.now_us += mlo_random_below (&random, 3000000);
      in.backlog_bytes = mlo_random_chance (&random, 0.5) ? 0.0 : mlo_random_range (&random, 0.0, 100000.0);
      kbps = mlo_label_kbps (l, &in);
      g_assert_true (kbps >= in.min_kbps * 0.999 && kbps <= in.max_kbps * 1.001);
      reward = mlo_label_reward (plain, &in, kbps);
      g_assert_true (reward >= MLO_QOE_REWARD_FLOOR - 100.0 && reward <= 100.0 + 66.0);
      for (double r = in.min_kbps; r <= in.max_kbps; r *= 1.03)
        best = MAX (best, mlo_label_reward (plain, &in, r));
      n++;
      worse += best > reward + 1.0;
    }
  }
  g_test_message ("%u of %u more than a point below the best", worse, n);
  g_assert_cmpuint (worse * 20, <=, n);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/label/steady", test_steady);
  g_test_add_func ("/label/backlog", test_backlog);
  g_test_add_func ("/label/loss", test_loss);
  g_test_add_func ("/label/fades", test_fades);
  g_test_add_func ("/label/best", test_best);
  return g_test_run ();
}
