/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-trace.h"

/*
 * Random links. The logarithm of the rate is a sum of parts, each of which real recordings show:
 *
 *   log rate = log level + state + slow + fast + white
 *
 * level: drawn once. state: a Markov chain of a few cell or contention levels with exponential stays.
 * slow, fast: Ornstein-Uhlenbeck processes (seconds; tenths of a second), advanced exactly:
 *   x' = x exp (-dt/tau) + sigma sqrt (1 - exp (-2 dt/tau)) normal.
 * white: independent at each row. On top of it come events that replace the rate: outages,
 * hand-overs (a gap, then a new state), short fades, a walk out of coverage. How much of each is
 * drawn anew for each trace within wide bounds of its kind, so that traces of a kind differ from
 * one another more than kinds do.
 */

#define MAX_STATES 4
/* No link of interest is faster; the highest bitrates need a third of it. */
#define MAX_KBPS 400000.0
/* Below this nothing gets through. */
#define LEAST_KBPS 10.0

/* What replaces the rate for a moment, at random times. */
typedef struct
{
  double every_s;               /* mean time between two; <= 0: none */
  double low_s, high_s;         /* how long */
  double depth;                 /* what is left of the rate */
  double from, to;              /* the next or present one */
} Event;

typedef struct
{
  double step_s;                /* between rows */
  double level_kbps;
  double slow_sigma, slow_tau_s;
  double fast_sigma, fast_tau_s;
  double white_sigma;
  guint n_states;
  double state_log[MAX_STATES]; /* added to the logarithm */
  double state_stay_s[MAX_STATES];
  double state_grid_s;          /* > 0: states change only at multiples of it */
  double state_sigma;           /* each stay draws its own level too */
  Event outage, handover, fade;
  double walk_every_s, walk_s;  /* slides to nothing and back over walk_s */
} Model;

static double
pick (MloRandom * random, const double *values, guint n)
{
  return values[mlo_random_below (random, n)];
}

/* A third of the links have a level as measured ones of their kind have it (@median and spread @sigma of the
 * logarithm); the others lean to where a game stream feels the link, 1 to 20 Mbit/s, with tails on both sides. */
static double
draw_level (MloRandom * random, double low, double high, double median, double sigma)
{
  double level;

  if (mlo_random_chance (random, 0.35)) {
    level = median * exp (sigma * mlo_random_normal (random));
    return CLAMP (level, low, high);
  }
  if (mlo_random_chance (random, 0.35))
    return mlo_random_log_range (random, low, high);
  do {
    level = exp (log (6000.0) + 0.9 * mlo_random_normal (random));
  } while (level < low || level > high);
  return level;
}

static double
draw_step (MloRandom * random)
{
  /* Recordings come in steps of 20 ms to 1 s; what lies between is seen as still as they show it. */
  static const double steps[] = { 0.02, 0.02, 0.05, 0.05, 0.1, 0.1, 0.1, 0.2, 0.2, 0.5, 1.0, 1.0 };

  return pick (random, steps, G_N_ELEMENTS (steps));
}

static void
draw_states (Model * m, MloRandom * random, guint n, double deepest, double stay_low_s, double stay_high_s)
{
  m->n_states = n;
  for (guint i = 0; i < n; i++) {
    m->state_log[i] = i == 0 ? 0.0 : -mlo_random_range (random, 0.2, deepest);
    m->state_stay_s[i] = mlo_random_log_range (random, stay_low_s, stay_high_s);
  }
}

static void
draw_model (Model * m, MloTraceKind kind, MloRandom * random)
{
  gboolean rough = mlo_random_chance (random, 0.5);

  *m = (Model) {
  .step_s = draw_step (random),.n_states = 1,.state_stay_s = { 10.0 },};

  switch (kind) {
    case MLO_TRACE_LTE:
      m->level_kbps = draw_level (random, 500.0, 60000.0, 14400.0, 0.7);
      m->slow_sigma = mlo_random_range (random, 0.1, 0.5);
      m->slow_tau_s = mlo_random_log_range (random, 4.0, 40.0);
      m->fast_sigma = mlo_random_range (random, 0.05, 0.3);
      m->fast_tau_s = mlo_random_log_range (random, 0.1, 1.5);
      m->white_sigma = mlo_random_range (random, 0.0, 0.3);
      draw_states (m, random, 1 + mlo_random_below (random, 3), 1.2, 3.0, 30.0);
      if (rough) {
        m->outage.every_s = mlo_random_log_range (random, 15.0, 120.0);
        m->outage.low_s = 0.2;
        m->outage.high_s = 3.0;
      }
      m->handover.every_s = mlo_random_log_range (random, 15.0, 120.0);
      m->handover.low_s = 0.03;
      m->handover.high_s = 0.4;
      m->state_sigma = mlo_random_range (random, 0.0, 0.4);
      break;
    case MLO_TRACE_5G:
      /* Fast, but what it falls back to is not. */
      m->level_kbps = draw_level (random, 2000.0, MAX_KBPS, 61000.0, 1.0);
      m->slow_sigma = mlo_random_range (random, 0.15, 0.6);
      m->slow_tau_s = mlo_random_log_range (random, 3.0, 40.0);
      m->fast_sigma = mlo_random_range (random, 0.05, 0.4);
      m->fast_tau_s = mlo_random_log_range (random, 0.1, 1.0);
      m->white_sigma = mlo_random_range (random, 0.0, 0.3);
      draw_states (m, random, 1 + mlo_random_below (random, 4), 2.2, 4.0, 40.0);
      if (rough) {
        m->outage.every_s = mlo_random_log_range (random, 20.0, 120.0);
        m->outage.low_s = 0.2;
        m->outage.high_s = 2.5;
      }
      m->handover.every_s = mlo_random_log_range (random, 10.0, 100.0);
      m->handover.low_s = 0.05;
      m->handover.high_s = 0.6;
      m->state_sigma = mlo_random_range (random, 0.0, 0.4);
      break;
    case MLO_TRACE_WIFI:
      m->level_kbps = draw_level (random, 500.0, 80000.0, 17200.0, 0.8);
      m->slow_sigma = mlo_random_range (random, 0.05, 0.4);
      m->slow_tau_s = mlo_random_log_range (random, 4.0, 40.0);
      m->fast_sigma = mlo_random_range (random, 0.05, 0.35);
      m->fast_tau_s = mlo_random_log_range (random, 0.05, 0.6);
      m->white_sigma = mlo_random_range (random, 0.0, 0.4);
      draw_states (m, random, 1 + mlo_random_below (random, 3), 1.5, 1.0, 20.0);
      m->state_sigma = mlo_random_range (random, 0.0, 0.3);
      if (mlo_random_chance (random, 0.4)) {    /* contention: nothing gets through for a moment */
        m->fade.every_s = mlo_random_log_range (random, 0.5, 10.0);
        m->fade.low_s = 0.02;
        m->fade.high_s = 0.25;
        m->fade.depth = mlo_random_chance (random, 0.5) ? 0.0 : mlo_random_range (random, 0.0, 0.3);
      }
      if (rough) {
        m->outage.every_s = mlo_random_log_range (random, 10.0, 90.0);
        m->outage.low_s = 0.2;
        m->outage.high_s = 5.0;
      }
      if (mlo_random_chance (random, 0.25)) {
        m->walk_every_s = mlo_random_log_range (random, 15.0, 60.0);
        m->walk_s = mlo_random_log_range (random, 3.0, 20.0);
      }
      break;
    case MLO_TRACE_SATELLITE:
      /* Beams change on a fixed grid of 15 s; obstructions cut the sight. */
      m->level_kbps = draw_level (random, 1500.0, MAX_KBPS, 34300.0, 1.0);
      m->slow_sigma = mlo_random_range (random, 0.05, 0.3);
      m->slow_tau_s = mlo_random_log_range (random, 3.0, 30.0);
      m->fast_sigma = mlo_random_range (random, 0.05, 0.4);
      m->fast_tau_s = mlo_random_log_range (random, 0.2, 2.0);
      m->white_sigma = mlo_random_range (random, 0.0, 0.3);
      draw_states (m, random, 2 + mlo_random_below (random, 3), 1.6, 10.0, 20.0);
      m->state_grid_s = 15.0;
      m->state_sigma = mlo_random_range (random, 0.1, 0.5);
      if (mlo_random_chance (random, 0.75)) {
        m->outage.every_s = mlo_random_log_range (random, 5.0, 50.0);
        m->outage.low_s = 0.2;
        m->outage.high_s = 8.0;
      }
      m->handover.every_s = 15.0;
      m->handover.low_s = 0.02;
      m->handover.high_s = 0.2;
      break;
    case MLO_TRACE_WIRED:
      m->level_kbps = draw_level (random, 800.0, 100000.0, 10100.0, 1.0);
      m->white_sigma = mlo_random_range (random, 0.0, 0.08);
      m->slow_sigma = mlo_random_range (random, 0.0, 0.12);
      m->slow_tau_s = mlo_random_log_range (random, 1.0, 20.0);
      m->fast_tau_s = 1.0;
      /* Others come and go: plain steps, half of the traces have none. */
      if (rough)
        draw_states (m, random, 2 + mlo_random_below (random, 3), 1.8, 2.0, 20.0);
      break;
    case MLO_TRACE_FADING:
    default:
      m->step_s = mlo_random_chance (random, 0.5) ? 0.02 : 0.05;
      m->level_kbps = draw_level (random, 800.0, 50000.0, 12000.0, 0.7);
      m->slow_sigma = mlo_random_range (random, 0.05, 0.4);
      m->slow_tau_s = mlo_random_log_range (random, 2.0, 15.0);
      m->fast_sigma = mlo_random_range (random, 0.1, 0.5);
      m->fast_tau_s = mlo_random_log_range (random, 0.05, 0.5);
      m->white_sigma = mlo_random_range (random, 0.0, 0.3);
      draw_states (m, random, 1 + mlo_random_below (random, 2), 1.2, 3.0, 15.0);
      m->fade.every_s = mlo_random_log_range (random, 0.2, 2.0);
      m->fade.low_s = 0.04;
      m->fade.high_s = mlo_random_range (random, 0.08, 0.25);
      m->fade.depth = mlo_random_chance (random, 0.6) ? 0.0 : mlo_random_range (random, 0.0, 0.25);
      break;
  }
}

static void
next_event (Event * e, MloRandom * random, double now_s)
{
  if (e->every_s <= 0.0) {
    e->from = e->to = INFINITY;
    return;
  }
  e->from = now_s + mlo_random_exponential (random, e->every_s);
  e->to = e->from + mlo_random_log_range (random, e->low_s, e->high_s);
}

/* How much of the rate is left to a row of [at, at + step): an event shorter than a row lowers its mean.
 * @begins counts the events that begin in the row. */
static double
event_left (Event * e, MloRandom * random, double at, double step, guint * begins)
{
  double left = 1.0;

  while (e->from < at + step) {
    double covered = MIN (e->to, at + step) - MAX (e->from, at);

    if (e->from >= at && begins)
      (*begins)++;
    left -= (1.0 - e->depth) * MAX (covered, 0.0) / step;
    if (e->to > at + step)
      break;
    next_event (e, random, e->to);
  }
  return left < 1e-9 ? 0.0 : left;
}

MloTrace *
mlo_trace_generate (MloTraceKind kind, MloRandom * random, double seconds)
{
  Model m;
  MloTraceRow *rows;
  guint n, state = 0;
  double slow, fast, offset, state_end_s, walk_from;
  double slow_keep, slow_new, fast_keep, fast_new;

  g_return_val_if_fail (seconds > 0.0, NULL);

  draw_model (&m, kind, random);
  n = (guint) CLAMP (ceil (seconds / m.step_s), 1.0, (double) MLO_TRACE_MAX_ROWS);
  rows = g_new (MloTraceRow, n);

  slow = m.slow_sigma * mlo_random_normal (random);
  fast = m.fast_sigma * mlo_random_normal (random);
  slow_keep = exp (-m.step_s / m.slow_tau_s);
  slow_new = m.slow_sigma * sqrt (1.0 - slow_keep * slow_keep);
  fast_keep = exp (-m.step_s / m.fast_tau_s);
  fast_new = m.fast_sigma * sqrt (1.0 - fast_keep * fast_keep);
  offset = m.state_sigma * mlo_random_normal (random);
  state_end_s = m.state_grid_s > 0.0 ? mlo_random_range (random, 0.0, m.state_grid_s)
      : mlo_random_exponential (random, m.state_stay_s[0]);
  next_event (&m.outage, random, 0.0);
  next_event (&m.handover, random, 0.0);
  next_event (&m.fade, random, 0.0);
  walk_from = m.walk_every_s > 0.0 ? mlo_random_exponential (random, m.walk_every_s) : INFINITY;

  for (guint i = 0; i < n; i++) {
    double at = i * m.step_s, left = 1.0, rate;
    gboolean new_state = at >= state_end_s;
    guint handovers = 0;

    left *= event_left (&m.handover, random, at, m.step_s, &handovers);
    left *= event_left (&m.outage, random, at, m.step_s, NULL);
    left *= event_left (&m.fade, random, at, m.step_s, NULL);
    /* A beam changes on its grid, gap or not. */
    if (new_state || (handovers > 0 && m.state_grid_s <= 0.0)) {
      if (m.n_states > 1)
        state = (state + 1 + mlo_random_below (random, m.n_states - 1)) % m.n_states;
      offset = m.state_sigma * mlo_random_normal (random);
      state_end_s = m.state_grid_s > 0.0 ? state_end_s + m.state_grid_s
          : at + mlo_random_exponential (random, m.state_stay_s[state]);
    }
    if (at >= walk_from) {
      double x = (at - walk_from) / m.walk_s;   /* 0..1: out and back, in the logarithm */

      if (x >= 1.0)
        walk_from = at + mlo_random_exponential (random, m.walk_every_s);
      else
        left *= exp (-7.0 * sin (G_PI * x) * sin (G_PI * x));
    }

    rate = left * m.level_kbps * exp (m.state_log[state] + offset + slow + fast
        + m.white_sigma * mlo_random_normal (random));
    rows[i].time_us = (gint64) llround (at * 1e6);
    rows[i].capacity_kbps = rate < LEAST_KBPS ? 0.0 : MIN (rate, MAX_KBPS);
    rows[i].rtt_ms = rows[i].loss = -1.0f;
    slow = slow * slow_keep + slow_new * mlo_random_normal (random);
    fast = fast * fast_keep + fast_new * mlo_random_normal (random);
  }
  return mlo_trace_new (mlo_trace_kind_name (kind), mlo_trace_kind_name (kind), rows, n,
      (gint64) llround (n * m.step_s * 1e6));
}
