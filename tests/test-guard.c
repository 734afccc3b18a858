/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-guard.h"
#include "mlo-random.h"

typedef struct
{
  MloGuard guard;
  MloGuardInput in;
  MloGuardOutput out;
  MloLimits limits;
} Story;

static void
begin (Story * s, double start_kbps)
{
  *s = (Story) {
  .limits = mlo_limits_default};
  mlo_guard_init (&s->guard, start_kbps);
  s->in = (MloGuardInput) {
  .now_us = 1000000,.wanted_kbps = -1.0,.capacity_kbps = -1.0,.recent_capacity_kbps = -1.0,.encoded_kbps = -1.0,};
}

static const MloGuardOutput *
tick (Story * s)
{
  s->in.now_us += 100000;
  s->in.tick = TRUE;
  s->in.limits = &s->limits;
  mlo_guard_advance (&s->guard, &s->in, &s->out);
  return &s->out;
}

static const MloGuardOutput *
report (Story * s, gint64 after_us)
{
  s->in.now_us += after_us;
  s->in.tick = FALSE;
  s->in.limits = &s->limits;
  mlo_guard_advance (&s->guard, &s->in, &s->out);
  return &s->out;
}

static void
link_of (Story * s, double kbps, double queue_ms)
{
  s->in.ever_feedback = s->in.per_packet = TRUE;
  s->in.capacity_kbps = kbps;
  s->in.recent_capacity_kbps = MAX (kbps, s->in.recent_capacity_kbps);
  s->in.queue_ms = s->in.wait_ms = queue_ms;
}

static void
test_holds_without_feedback (void)
{
  Story s;

  begin (&s, 2500.0);
  s.in.wanted_kbps = 9000.0;
  for (int i = 0; i < 100; i++) {
    tick (&s);
    g_assert_cmpint (s.out.state, ==, MLO_GUARD_HOLD);
    g_assert_cmpfloat (s.out.bitrate_kbps, ==, 2500.0);
  }
}

static void
test_networks_decide (void)
{
  Story s;

  begin (&s, 2000.0);
  link_of (&s, 20000.0, 2.0);
  s.in.wanted_kbps = 15000.0;
  /* 2 to 15 Mbit/s, bounded in slope, within two seconds. */
  for (int i = 0; i < 20; i++)
    tick (&s);
  g_assert_cmpint (s.out.state, ==, MLO_GUARD_NORMAL);
  g_assert_cmpint (s.out.limiter, ==, MLO_LIMITER_MODEL);
  g_assert_cmpfloat (s.out.bitrate_kbps, ==, 15000.0);
  /* Down at once. */
  s.in.wanted_kbps = 3000.0;
  g_assert_cmpfloat (tick (&s)->bitrate_kbps, ==, 3000.0);
  /* Never much above what was measured in the last second. */
  s.in.capacity_kbps = s.in.recent_capacity_kbps = 4000.0;
  s.in.wanted_kbps = 20000.0;
  for (int i = 0; i < 20; i++)
    tick (&s);
  g_assert_cmpfloat (s.out.bitrate_kbps, <=, 4000.0 * 1.2);
  g_assert_cmpint (s.out.limiter, ==, MLO_LIMITER_NETWORK);
}

/* Up in steps, not at once, where there is a queue; and what is no number is not the networks' choice. */
static void
test_networks_bounded (void)
{
  Story s;

  begin (&s, 2000.0);
  link_of (&s, 20000.0, 25.0);
  s.in.wanted_kbps = 15000.0;
  g_assert_cmpfloat (tick (&s)->bitrate_kbps, <, 2000.0 * 2.0);
  g_assert_cmpint (s.out.limiter, ==, MLO_LIMITER_GUARD);
  g_assert_cmpint (s.out.state, ==, MLO_GUARD_NORMAL);
  s.in.wanted_kbps = INFINITY;
  g_assert_cmpint (tick (&s)->state, ==, MLO_GUARD_FALLBACK);
  s.in.wanted_kbps = NAN;
  g_assert_cmpint (tick (&s)->state, ==, MLO_GUARD_FALLBACK);
}

/* The longer the queue, the lower the rate that empties it, down to a floor. */
static void
test_drains_by_backlog (void)
{
  static const double queues_ms[] = { 70.0, 100.0, 130.0, 160.0 };
  double before = G_MAXDOUBLE;

  for (guint i = 0; i < G_N_ELEMENTS (queues_ms); i++) {
    Story s;

    begin (&s, 8000.0);
    link_of (&s, 9000.0, 1.0);
    s.in.wanted_kbps = 8000.0;
    tick (&s);
    link_of (&s, 4000.0, queues_ms[i]);
    report (&s, 16667);
    g_assert_cmpfloat (s.out.bitrate_kbps, >=, 0.3 * 4000.0 - 1e-9);
    /* 30 ms of 4 Mbit/s are 120 kbit, to be gone in a second at most */
    g_assert_cmpfloat (s.out.bitrate_kbps, <, before - 100.0);
    before = s.out.bitrate_kbps;
  }
}

static void
test_backs_off_and_returns (void)
{
  Story s;

  begin (&s, 8000.0);
  link_of (&s, 9000.0, 1.0);
  s.in.wanted_kbps = 8000.0;
  tick (&s);
  link_of (&s, 4000.0, 45.0);
  /* The first late report, between ticks: below the capacity at once. */
  report (&s, 16667);
  g_assert_cmpint (s.out.state, ==, MLO_GUARD_BACKOFF);
  g_assert_cmpfloat (s.out.bitrate_kbps, <, 4000.0);
  link_of (&s, 4000.0, 5.0);
  s.in.wanted_kbps = 3700.0;
  tick (&s);
  tick (&s);
  g_assert_cmpint (s.out.state, ==, MLO_GUARD_NORMAL);
}

/* A fade of 100 ms while the link carries more than is sent is left to the window. */
static void
test_sits_out_a_fade (void)
{
  Story s;

  begin (&s, 4000.0);
  link_of (&s, 9000.0, 1.0);
  s.in.wanted_kbps = 4000.0;
  tick (&s);
  for (int i = 0; i < 7; i++) {
    s.in.queue_ms = 100.0 - 12.0 * i;
    report (&s, 16667);
    g_assert_cmpfloat (s.out.bitrate_kbps, ==, 4000.0);
  }
}

static void
test_standing_queue (void)
{
  Story s;

  begin (&s, 4000.0);
  link_of (&s, 9000.0, 1.0);
  s.in.wanted_kbps = 4000.0;
  tick (&s);
  s.in.queue_ms = 100.0;
  for (int i = 0; i < 15; i++)
    report (&s, 16667);
  g_assert_cmpint (s.out.state, ==, MLO_GUARD_BACKOFF);
}

static void
test_radio_loss_is_no_congestion (void)
{
  Story s;

  begin (&s, 4000.0);
  link_of (&s, 9000.0, 1.0);
  s.in.loss = 0.05;
  s.in.wanted_kbps = 4000.0;
  for (int i = 0; i < 10; i++)
    g_assert_cmpint (tick (&s)->state, ==, MLO_GUARD_NORMAL);
  s.in.queue_ms = 40.0;
  g_assert_cmpint (tick (&s)->state, ==, MLO_GUARD_BACKOFF);
}

static void
test_rules (void)
{
  Story s;
  double before;

  begin (&s, 2000.0);
  link_of (&s, -1.0, 0.0);
  for (int i = 0; i < 30; i++) {
    before = s.guard.bitrate_kbps;
    tick (&s);
    g_assert_cmpint (s.out.state, ==, MLO_GUARD_FALLBACK);
    g_assert_cmpfloat (s.out.bitrate_kbps, >, before);
  }
  /* An encoder with nothing to say does not push the rate up. */
  s.in.encoded_kbps = 100.0;
  before = s.guard.bitrate_kbps;
  g_assert_cmpfloat (tick (&s)->bitrate_kbps, ==, before);
  g_assert_cmpint (s.out.limiter, ==, MLO_LIMITER_SOURCE);
  s.in.encoded_kbps = -1.0;
  /* A queue without a known capacity: cut, but not with every report. */
  s.in.queue_ms = 100.0;
  for (int i = 0; i < 30; i++)
    report (&s, 16667);
  g_assert_cmpfloat (s.out.bitrate_kbps, <, before);
  g_assert_cmpfloat (s.out.bitrate_kbps, >, 0.5 * before);
}

static void
test_lost_feedback (void)
{
  Story s;
  double at;

  begin (&s, 8000.0);
  link_of (&s, 9000.0, 1.0);
  s.in.wanted_kbps = 8000.0;
  tick (&s);
  s.in.lost = TRUE;
  at = tick (&s)->bitrate_kbps;
  g_assert_cmpint (s.out.state, ==, MLO_GUARD_FALLBACK);
  g_assert_cmpfloat (at, <, 8000.0);
  /* The probes of a long outage are small, ... */
  for (int i = 0; i < 100; i++) {
    s.in.silent_ms = 1000.0 + 100.0 * i;
    tick (&s);
  }
  g_assert_cmpfloat (s.out.bitrate_kbps, ==, s.limits.min_bitrate_kbps);
  /* ... but it does not take the rate to nothing. */
  s.in.lost = FALSE;
  s.in.silent_ms = 0.0;
  g_assert_cmpint (tick (&s)->state, ==, MLO_GUARD_NORMAL);
  g_assert_cmpfloat (s.out.bitrate_kbps, >=, at);
}

/* A report that is late makes the frames smaller at once, the later the more, and takes nothing from the time after. */
static void
test_overdue (void)
{
  double before = INFINITY;
  Story s;

  begin (&s, 8000.0);
  link_of (&s, 9000.0, 1.0);
  s.in.wanted_kbps = 8000.0;
  for (int i = 0; i < 10; i++)
    tick (&s);
  for (s.in.silent_ms = 20.0; s.in.silent_ms < 140.0; s.in.silent_ms += 20.0) {
    g_assert_cmpfloat (tick (&s)->bitrate_kbps, <, before);
    before = s.out.bitrate_kbps;
  }
  g_assert_cmpfloat (before, <, 0.3 * 8000.0);
  s.in.silent_ms = 0.0;
  g_assert_cmpfloat (tick (&s)->bitrate_kbps, ==, 8000.0);
}

/* After a stop the rate is back in one tick, as far as the path was measured to carry it again. */
static void
test_back_at_once (void)
{
  Story s;

  begin (&s, 8000.0);
  link_of (&s, 9000.0, 200.0);
  s.in.wanted_kbps = 400.0;
  for (int i = 0; i < 20; i++)
    tick (&s);
  g_assert_cmpfloat (s.out.bitrate_kbps, <, 500.0);
  link_of (&s, 9000.0, 1.0);
  s.in.wanted_kbps = 8000.0;
  g_assert_cmpfloat (tick (&s)->bitrate_kbps, >, 7000.0);
  g_assert_cmpfloat (s.out.bitrate_kbps, <=, 8000.0);
}

/* Pictures that need nothing do not lower it; a queue does. */
static void
test_source_limited (void)
{
  Story s;

  begin (&s, 8000.0);
  link_of (&s, 9000.0, 1.0);
  s.in.wanted_kbps = 8000.0;
  tick (&s);
  s.in.source_limited = TRUE;
  s.in.wanted_kbps = 3000.0;
  g_assert_cmpfloat (tick (&s)->bitrate_kbps, ==, 8000.0);
  g_assert_cmpint (s.out.limiter, ==, MLO_LIMITER_SOURCE);
  link_of (&s, 2000.0, 50.0);
  g_assert_cmpfloat (tick (&s)->bitrate_kbps, <, 2000.0);
}

/* Whatever comes in, the rate is finite and within the limits. */
static void
test_any_input (void)
{
  static const double odd[] = { -1.0, 0.0, 1e-300, 1e300, INFINITY, -INFINITY, NAN };
  guint64 seed = g_test_rand_int_range (0, G_MAXINT32);
  MloRandom r;
  Story s;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  begin (&s, 2000.0);
  for (int i = 0; i < 50000; i++) {
    double *fields[] = { &s.in.wanted_kbps, &s.in.capacity_kbps, &s.in.recent_capacity_kbps, &s.in.queue_ms,
      &s.in.wait_ms, &s.in.loss, &s.in.encoded_kbps, &s.in.silent_ms
    };

    for (guint f = 0; f < G_N_ELEMENTS (fields); f++)
      *fields[f] = mlo_random_chance (&r, 0.1) ? odd[mlo_random_below (&r, G_N_ELEMENTS (odd))]
          : mlo_random_log_range (&r, 0.001, 1e6);
    s.in.ever_feedback = mlo_random_chance (&r, 0.95);
    s.in.per_packet = mlo_random_chance (&r, 0.9);
    s.in.source_limited = mlo_random_chance (&r, 0.2);
    s.in.lost = mlo_random_chance (&r, 0.05);
    if (mlo_random_chance (&r, 0.5))
      tick (&s);
    else
      report (&s, mlo_random_below (&r, 100000));
    g_assert_true (isfinite (s.out.bitrate_kbps));
    g_assert_cmpfloat (s.out.bitrate_kbps, >=, s.limits.min_bitrate_kbps);
    g_assert_cmpfloat (s.out.bitrate_kbps, <=, s.limits.max_bitrate_kbps);
    g_assert_nonnull (s.out.reason);
  }
}

/* A receiver report, then ticks until the next one is due. */
static void
receiver_report (Story * s, double interval_s, double loss, double queue_ms, double delivered_kbps)
{
  s->in.ever_feedback = s->in.reports_only = s->in.report = TRUE;
  s->in.report_interval_s = interval_s;
  s->in.loss = loss;
  s->in.queue_ms = queue_ms;
  s->in.delivered_kbps = delivered_kbps;
  report (s, 1000);
  s->in.report = FALSE;
  for (int i = 0; i < (int) (interval_s * 10.0); i++)
    tick (s);
}

/* Reports seconds apart: one step each, whatever the time between, and one cut for what one of them says. */
static void
test_reported_steps (void)
{
  Story s;
  double before;

  begin (&s, 2000.0);
  receiver_report (&s, 5.0, 0.0, 0.0, 2000.0);
  g_assert_cmpfloat (s.out.bitrate_kbps, ==, 3000.0);
  g_assert_cmpint (s.out.state, ==, MLO_GUARD_FALLBACK);
  /* some loss: neither up nor down */
  receiver_report (&s, 5.0, 0.05, 0.0, 3000.0);
  g_assert_cmpfloat (s.out.bitrate_kbps, ==, 3000.0);
  /* not far beyond what arrived */
  receiver_report (&s, 5.0, 0.0, 0.0, 2400.0);
  g_assert_cmpfloat (s.out.bitrate_kbps, ==, 3600.0);
  /* 40 % lost for 5 s: one cut, to what arrived */
  receiver_report (&s, 5.0, 0.4, 0.0, 2000.0);
  g_assert_cmpfloat (s.out.bitrate_kbps, <, 2000.0);
  g_assert_cmpfloat (s.out.bitrate_kbps, >, 1700.0);
  before = s.out.bitrate_kbps;
  /* clean again: up, but not to where it broke */
  receiver_report (&s, 5.0, 0.0, 0.0, before);
  g_assert_cmpfloat (s.out.bitrate_kbps, >, before);
  g_assert_cmpfloat (s.out.bitrate_kbps, <, 2300.0);
  /* that is forgotten in time */
  for (int i = 0; i < 12; i++)
    receiver_report (&s, 5.0, 0.0, 0.0, s.out.bitrate_kbps);
  g_assert_cmpfloat (s.out.bitrate_kbps, >, 4000.0);
  /* a round trip that grew is a queue */
  before = s.out.bitrate_kbps;
  receiver_report (&s, 5.0, 0.0, 2.0 * s.limits.target_delay_ms, before);
  g_assert_cmpfloat (s.out.bitrate_kbps, <, 0.9 * before);
  g_assert_cmpfloat (s.out.bitrate_kbps, >, 0.3 * before);
}

/* Reports ten a second: a lost packet of five is no congestion, a second of it is. */
static void
test_reported_often (void)
{
  Story s;
  double before;

  begin (&s, 4000.0);
  for (int i = 0; i < 10; i++)
    receiver_report (&s, 0.1, i == 5 ? 0.2 : 0.0, 0.0, -1.0);
  before = s.out.bitrate_kbps;
  g_assert_cmpfloat (before, >, 4400.0);
  for (int i = 0; i < 20; i++)
    receiver_report (&s, 0.1, 0.4, 0.0, -1.0);
  g_assert_cmpfloat (s.out.bitrate_kbps, <, 0.75 * before);
  g_assert_cmpfloat (s.out.bitrate_kbps, >, 0.3 * before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/guard/holds-without-feedback", test_holds_without_feedback);
  g_test_add_func ("/guard/networks-decide", test_networks_decide);
  g_test_add_func ("/guard/networks-bounded", test_networks_bounded);
  g_test_add_func ("/guard/drains-by-backlog", test_drains_by_backlog);
  g_test_add_func ("/guard/backs-off-and-returns", test_backs_off_and_returns);
  g_test_add_func ("/guard/sits-out-a-fade", test_sits_out_a_fade);
  g_test_add_func ("/guard/standing-queue", test_standing_queue);
  g_test_add_func ("/guard/radio-loss", test_radio_loss_is_no_congestion);
  g_test_add_func ("/guard/rules", test_rules);
  g_test_add_func ("/guard/lost-feedback", test_lost_feedback);
  g_test_add_func ("/guard/overdue", test_overdue);
  g_test_add_func ("/guard/back-at-once", test_back_at_once);
  g_test_add_func ("/guard/source-limited", test_source_limited);
  g_test_add_func ("/guard/any-input", test_any_input);
  g_test_add_func ("/guard/reported-steps", test_reported_steps);
  g_test_add_func ("/guard/reported-often", test_reported_often);
  return g_test_run ();
}
