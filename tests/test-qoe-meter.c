/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-qoe.h"
#include "mlo-random.h"

#define S G_GINT64_CONSTANT (1000000)
#define MS G_GINT64_CONSTANT (1000)
/* Any start will do; an odd one shows that nothing hangs on absolute time. */
#define START (G_GINT64_CONSTANT (7) * 3600 * S + 123457)
#define assert_near(a, b, tolerance) g_assert_cmpfloat_with_epsilon (a, b, (tolerance) + 1e-9)

static MloQoeMeter *
meter_started (void)
{
  MloQoeMeter *m = mlo_qoe_meter_new ();

  mlo_qoe_meter_reset (m, START);
  return m;
}

/* Capture time of frame @i of a 60 fps source, 1 ms after a refresh. */
static gint64
capture (guint64 i)
{
  return START + (gint64) i *S / 60 + MS;
}

static void
frame (MloQoeMeter * m, guint64 id, gint64 delay_us, double psnr)
{
  mlo_qoe_meter_sent (m, id, capture (id));
  if (delay_us >= 0)
    mlo_qoe_meter_decoded (m, id, capture (id) + delay_us, psnr);
}

static MloQoeSecond
next (MloQoeMeter * m, gint64 now_us)
{
  MloQoeSecond s;

  g_assert_true (mlo_qoe_meter_next (m, now_us, &s));
  return s;
}

/* 30 ms behind capture, 31 ms behind a refresh: shown at the second refresh, 33.3 - 1 ms after capture. */
static void
test_steady (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  MloQoeSecond s;

  for (guint64 i = 0; i < 240; i++)
    frame (m, i, 30 * MS, i % 2 ? 35 : NAN);
  g_assert_false (mlo_qoe_meter_next (m, START + 2 * S - 1, &s));
  s = next (m, START + 2 * S);
  assert_near (s.fps, 58, 0);   /* two frames of delay at the start */
  assert_near (s.delay_ms, 32.333, 0.01);
  assert_near (s.psnr_db, 35, 1e-12);
  assert_near (s.lost_percent, 0, 0);
  assert_near (s.gap_ms, 0, 0);
  g_assert_false (mlo_qoe_meter_next (m, START + 2 * S, &s));
  s = next (m, START + 3 * S);
  assert_near (s.fps, 60, 0);
  assert_near (mlo_qoe_meter_delay_percentile (m, 50), 30, 0.3);
}

/* 30 fps: each picture stays for two refreshes; frames left out are not lost. */
static void
test_half_rate (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  MloQoeSecond s;

  for (guint64 i = 0; i < 180; i += 2)
    frame (m, i, 5 * MS, 30);
  next (m, START + 2 * S);
  s = next (m, START + 3 * S);
  assert_near (s.fps, 30, 0);
  assert_near (s.lost_percent, 0, 0);
  assert_near (s.gap_ms, 0, 0);
}

/* Frame 3 arrives with frame 4 between two refreshes: overtaken, though decoded, and not lost, since it
 * missed by less than a refresh. Frame 7 arrives after frame 8 was shown. Frame 10 never. */
static void
test_overtaken (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  MloQoeSecond s;

  for (guint64 i = 0; i < 60; i++) {
    mlo_qoe_meter_sent (m, i, capture (i));
    if (i == 4)
      mlo_qoe_meter_decoded (m, 3, capture (4) + 4 * MS, 20);
    if (i == 9)
      mlo_qoe_meter_decoded (m, 7, capture (9), 20);
    if (i != 3 && i != 7 && i != 10)
      mlo_qoe_meter_decoded (m, i, capture (i) + 5 * MS, 30);
    if (i == 20)
      mlo_qoe_meter_decoded (m, 20, capture (i) + 6 * MS, 20);  /* twice: once */
  }
  mlo_qoe_meter_decoded (m, 1000, START + S, 20);       /* never sent */
  s = next (m, START + 2 * S);
  assert_near (s.fps, 56, 0);   /* the last is shown in the next second */
  assert_near (s.lost_percent, 100.0 * 2 / 60, 1e-9);
  assert_near (s.psnr_db, 30, 1e-12);
  assert_near (s.gap_ms, 0, 0);
  assert_near (next (m, START + 3 * S).fps, 1, 0);
}

/* Of a clump that comes within one refresh the last is shown and one excused. */
static void
test_clump (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  MloQoeSecond s;

  for (guint64 i = 0; i < 10; i++)
    mlo_qoe_meter_sent (m, i, capture (i));
  for (guint64 i = 0; i < 5; i++)
    mlo_qoe_meter_decoded (m, i, capture (4) + (5 + (gint64) i) * MS, 30);
  for (guint64 i = 5; i < 10; i++)
    mlo_qoe_meter_decoded (m, i, capture (i) + 6 * MS, 30);
  s = next (m, START + 2 * S);
  assert_near (s.fps, 6, 0);
  assert_near (s.lost_percent, 30, 1e-9);
}

/* The later id wins where two come for one refresh, whatever their order. */
static void
test_overtaken_in_slot (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  MloQoeSecond s;

  mlo_qoe_meter_sent (m, 1, capture (0));
  mlo_qoe_meter_sent (m, 2, capture (1));
  mlo_qoe_meter_decoded (m, 2, capture (2), 40);
  mlo_qoe_meter_decoded (m, 1, capture (2) + MS, 20);
  s = next (m, START + 2 * S);
  assert_near (s.fps, 1, 0);
  assert_near (s.psnr_db, 40, 0);
  assert_near (s.lost_percent, 50, 0);
}

/* A picture decoded at the very time of a refresh is on it; a second later counts as shown, a
 * microsecond more does not. */
static void
test_edges (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  MloQoeSecond s;

  mlo_qoe_meter_sent (m, 1, START + S / 2);
  mlo_qoe_meter_decoded (m, 1, START + S / 2 + S, 30);
  s = next (m, START + 2 * S);
  assert_near (s.fps, 0, 0);
  assert_near (s.lost_percent, 0, 0);
  g_assert_true (isnan (s.delay_ms) && isnan (s.psnr_db));
  s = next (m, START + 3 * S);
  assert_near (s.fps, 1, 0);
  assert_near (s.delay_ms, 1000, 0);

  mlo_qoe_meter_reset (m, START);
  mlo_qoe_meter_sent (m, 1, START + S / 2 - 1);
  mlo_qoe_meter_decoded (m, 1, START + S / 2 + S, 30);
  assert_near (next (m, START + 2 * S).lost_percent, 100, 0);
  assert_near (next (m, START + 3 * S).fps, 0, 0);
  /* late, but it still counts in the delays */
  assert_near (mlo_qoe_meter_delay_percentile (m, 100), 1000, 8);
}

/* Frames 30..50 (captured in second 0) are lost, then 51.. come on: the gap from 29 to 51 is 22
 * refreshes, 366.7 ms, 266.7 of it count, in second 0. */
static void
test_gap (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  MloQoeSecond s;
  guint count;
  double total;

  for (guint64 i = 0; i < 120; i++)
    frame (m, i, i >= 30 && i <= 50 ? -1 : 5 * MS, 30);
  s = next (m, START + 2 * S);
  assert_near (s.gap_ms, 266.667, 0.01);
  assert_near (s.lost_percent, 35, 1e-9);
  assert_near (s.fps, 38, 0);
  mlo_qoe_meter_freezes (m, &count, &total);
  g_assert_cmpuint (count, ==, 1);
  assert_near (total, 366.667, 0.01);
}

/* The gap runs from second 0 (frame 44, shown at refresh 45) over an empty one into second 2 (frame
 * 150 at refresh 151): 106 refreshes = 1766.7 ms, all of it in the second it ends in. */
static void
test_gap_over_seconds (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  MloQoeSecond s;

  for (guint64 i = 0; i < 180; i++) {
    if (i < 45 || i >= 150)
      frame (m, i, 5 * MS, 30);
  }
  s = next (m, START + 2 * S);
  assert_near (s.gap_ms, 0, 0);
  assert_near (s.fps, 44, 1);
  s = next (m, START + 3 * S);
  assert_near (s.fps, 0, 0);
  assert_near (s.gap_ms, 0, 0);
  s = next (m, START + 4 * S);
  assert_near (s.gap_ms, 1666.667, 0.01);
  assert_near (s.fps, 29, 0);
}

/* The stream ends in mid-second: its second has the frames that were shown, the ones after none. */
static void
test_stop (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  MloQoeSecond s;

  for (guint64 i = 0; i < 30; i++)
    frame (m, i, 5 * MS, 30);
  s = next (m, START + 10 * S);
  assert_near (s.fps, 30, 0);
  for (int i = 0; i < 8; i++) {
    s = next (m, START + 10 * S);
    assert_near (s.fps, 0, 0);
    assert_near (mlo_qoe_score (&s), 0, 0);
  }
  g_assert_false (mlo_qoe_meter_next (m, START + 10 * S, &s));
}

/* A steady 15 fps is slow but not frozen; one gap of 300 ms there is (3 * 66.7 < 66.7 + 150 < 300). */
static void
test_freeze_threshold (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  guint count;

  for (guint64 i = 0; i < 240; i += 4)
    frame (m, i, 5 * MS, 30);
  mlo_qoe_meter_freezes (m, &count, NULL);
  g_assert_cmpuint (count, ==, 0);
  for (guint64 i = 236 + 12; i < 300; i += 4)   /* 200 ms */
    frame (m, i, 5 * MS, 30);
  mlo_qoe_meter_freezes (m, &count, NULL);
  g_assert_cmpuint (count, ==, 0);
  for (guint64 i = 296 + 18; i < 400; i += 4)   /* 300 ms */
    frame (m, i, 5 * MS, 30);
  mlo_qoe_meter_freezes (m, &count, NULL);
  g_assert_cmpuint (count, ==, 1);
}

static void
test_percentiles (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();

  g_assert_true (isnan (mlo_qoe_meter_delay_percentile (m, 50)));
  /* delays 0.1, 0.2 ... 100 ms, spread so that decoding stays in order */
  for (guint64 i = 0; i < 1000; i++) {
    mlo_qoe_meter_sent (m, i, START + (gint64) i * S / 10);
    mlo_qoe_meter_decoded (m, i, START + (gint64) i * S / 10 + (gint64) (i + 1) * 100, NAN);
  }
  for (int p = 5; p <= 100; p += 5)
    assert_near (mlo_qoe_meter_delay_percentile (m, p), p, 0.008 * p);
  g_assert_cmpfloat (mlo_qoe_meter_delay_percentile (m, 0), <=, 0.11);
}

typedef struct
{
  guint64 n;
  gint64 last_us;
} Seen;

static void
on_shown (const MloQoeShown * shown, gpointer user_data)
{
  Seen *seen = user_data;

  g_assert_cmpint (shown->shown_us, >=, shown->decoded_us);
  g_assert_cmpint (shown->shown_us - shown->decoded_us, <=, S / 60 + 1);
  g_assert_cmpint (((shown->shown_us - START) * 60 + 59) % S, <, 60);
  if (seen->n) {
    g_assert_cmpint (shown->shown_us, >, seen->last_us);
    g_assert_cmpint (shown->gap_us, ==, shown->shown_us - seen->last_us);
  }
  seen->n++;
  seen->last_us = shown->shown_us;
}

typedef struct
{
  guint64 id;
  gint64 decoded_us;
} Arrival;

static int
compare_arrivals (const void *a, const void *b)
{
  const Arrival *x = a, *y = b;

  return x->decoded_us < y->decoded_us ? -1 : x->decoded_us > y->decoded_us;
}

/* Twenty minutes of bad links: what the seconds say and what was shown agree, every
 * share is a share, and the meter against a plain display that looks at each refresh. */
static void
test_random (void)
{
  enum
  { N = 60 * 60, SECONDS = N / 60 };
  guint64 seed = 31;
  MloRandom random;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int round = 0; round < 20; round++) {
    g_autoptr (MloQoeMeter) m = meter_started ();
    g_autofree Arrival *arrivals = g_new (Arrival, N);
    g_autofree guint *expected = g_new0 (guint, SECONDS + 4);
    double mean = mlo_random_log_range (&random, 5 * MS, 700 * MS), deviation = mean * mlo_random_uniform (&random);
    double loss = mlo_random_chance (&random, 0.5) ? 0 : 0.2 * mlo_random_uniform (&random);
    Seen seen = { 0 };
    guint n = 0, at = 0, second = 0;
    guint64 total = 0, shown_id = 0;
    gboolean any = FALSE;
    MloQoeSecond s;

    for (guint64 i = 0; i < N; i++) {
      double delay = fmax (mean + deviation * mlo_random_normal (&random), MS);

      if (mlo_random_chance (&random, loss))
        continue;
      arrivals[n++] = (Arrival) {
      i, capture (i) + (gint64) delay};
    }
    qsort (arrivals, n, sizeof (Arrival), compare_arrivals);

    /* the plain display */
    for (gint64 k = 0; k < (SECONDS + 3) * 60; k++) {
      gint64 t = START + k * S / 60;
      gboolean found = FALSE;
      guint64 best = 0;

      for (; at < n && arrivals[at].decoded_us <= t; at++) {
        if ((!any || arrivals[at].id > shown_id) && (!found || arrivals[at].id > best)) {
          found = TRUE;
          best = arrivals[at].id;
        }
      }
      if (found && t - capture (best) <= S) {
        any = TRUE;
        shown_id = best;
        expected[k / 60]++;
      }
    }

    mlo_qoe_meter_set_shown_func (m, on_shown, &seen);
    at = 0;
    for (guint64 i = 0; i < N + 240; i++) {
      if (i < N)
        mlo_qoe_meter_sent (m, i, capture (i));
      for (; at < n && arrivals[at].decoded_us < capture (i + 1); at++)
        mlo_qoe_meter_decoded (m, arrivals[at].id, arrivals[at].decoded_us, 30);
      while (mlo_qoe_meter_next (m, capture (i), &s)) {
        g_assert_cmpfloat (s.fps, ==, expected[second]);
        g_assert_cmpfloat (s.lost_percent, >=, 0);
        g_assert_cmpfloat (s.lost_percent, <=, 100);
        g_assert_cmpfloat (s.gap_ms, >=, 0);
        total += (guint64) s.fps;
        second++;
      }
    }
    g_assert_cmpuint (second, ==, SECONDS + 2);
    g_assert_cmpuint (total, ==, seen.n);
  }
}

/* Nobody fetches seconds, nobody decodes: memory stays bounded, nothing is invented. */
static void
test_neglected (void)
{
  g_autoptr (MloQoeMeter) m = meter_started ();
  MloQoeSecond s;

  for (guint64 i = 0; i < 3 * 3600 * 60; i++)
    mlo_qoe_meter_sent (m, i, capture (i));
  for (guint i = 0; i < 3 * 3600; i++) {
    s = next (m, START + 4 * 3600 * S);
    assert_near (s.lost_percent, 100, 0);
  }
  /* before the start and absurdly far ahead: told, kept out of every second */
  mlo_qoe_meter_reset (m, START);
  mlo_qoe_meter_sent (m, 1, START - S);
  mlo_qoe_meter_decoded (m, 1, START - S / 2, 30);
  mlo_qoe_meter_sent (m, 2, START + 400 * 86400 * S);
  s = next (m, START + 2 * S);
  assert_near (s.lost_percent, 0, 0);
  assert_near (s.fps, 1, 0);    /* still on the display at the first refresh */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/qoe-meter/steady", test_steady);
  g_test_add_func ("/qoe-meter/half-rate", test_half_rate);
  g_test_add_func ("/qoe-meter/overtaken", test_overtaken);
  g_test_add_func ("/qoe-meter/clump", test_clump);
  g_test_add_func ("/qoe-meter/overtaken-in-slot", test_overtaken_in_slot);
  g_test_add_func ("/qoe-meter/edges", test_edges);
  g_test_add_func ("/qoe-meter/gap", test_gap);
  g_test_add_func ("/qoe-meter/gap-over-seconds", test_gap_over_seconds);
  g_test_add_func ("/qoe-meter/stop", test_stop);
  g_test_add_func ("/qoe-meter/freeze-threshold", test_freeze_threshold);
  g_test_add_func ("/qoe-meter/percentiles", test_percentiles);
  g_test_add_func ("/qoe-meter/random", test_random);
  g_test_add_func ("/qoe-meter/neglected", test_neglected);
  return g_test_run ();
}
