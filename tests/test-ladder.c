/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-ladder.h"
#include "mlo-random.h"

typedef struct
{
  MloLadder ladder;
  MloLadderContext ctx;
  MloLimits limits;
  MloActuatorTraits traits;
} Story;

static void
begin (Story * s, int width, int height, double fps)
{
  MloSource source = { width, height, fps };

  *s = (Story) {
  .limits = mlo_limits_default,.traits = mlo_actuator_traits_default};
  s->ctx = (MloLadderContext) {
  .now_us = 100000000,.bitrate_kbps = 6000.0,.complexity = 0.72};
  s->ctx.limits = &s->limits;
  s->ctx.traits = &s->traits;
  mlo_ladder_init (&s->ladder, &source, &s->limits);
}

static gboolean
can (const Story * s, MloAction action)
{
  return (mlo_ladder_mask (&s->ladder, &s->ctx) >> action) & 1;
}

static void
test_rungs (void)
{
  static const MloSource sources[] = { {1280, 720, 60}, {1920, 1080, 60}, {3840, 2160, 30}, {1366, 768, 59.94},
  {640, 360, 25}, {320, 240, 15}, {100, 16000, 500}
  };

  for (guint i = 0; i < G_N_ELEMENTS (sources); i++) {
    const MloSource *src = &sources[i];
    Story s;

    begin (&s, src->width, src->height, src->fps);
    g_assert_cmpint (s.ladder.sizes[0].width, ==, src->width);
    g_assert_cmpint (s.ladder.sizes[0].height, ==, src->height);
    for (guint k = 1; k < s.ladder.n_sizes; k++) {
      const MloLadderSize *z = &s.ladder.sizes[k];

      g_assert_cmpint (z->height, <, s.ladder.sizes[k - 1].height);
      g_assert_cmpint (z->height, >=, s.limits.min_height);
      g_assert_cmpint (z->width % 2, ==, 0);
      g_assert_cmpint (z->width, >=, 2);
    }
    for (guint k = 1; k < s.ladder.n_rates; k++) {
      g_assert_cmpfloat (s.ladder.rates[k], <, s.ladder.rates[k - 1]);
      g_assert_cmpfloat (s.ladder.rates[k], >=, s.limits.min_fps - 0.01);
    }
  }
}

static void
test_unknown_source (void)
{
  Story s;

  begin (&s, 0, 0, 0.0);
  g_assert_cmpuint (mlo_ladder_mask (&s.ladder, &s.ctx), ==, 0);
  g_assert_cmpfloat (mlo_ladder_fps (&s.ladder), ==, 0.0);
}

static void
test_masks (void)
{
  Story s;

  begin (&s, 1280, 720, 60.0);
  g_assert_false (can (&s, MLO_ACTION_RESOLUTION_UP));
  g_assert_false (can (&s, MLO_ACTION_FPS_UP));
  s.ctx.bitrate_kbps = 300.0;
  g_assert_true (can (&s, MLO_ACTION_RESOLUTION_DOWN));
  s.ctx.queue_full = TRUE;
  g_assert_false (can (&s, MLO_ACTION_RESOLUTION_DOWN));
  s.ctx.queue_full = FALSE;
  s.limits.adapt &= ~MLO_ADAPT_RESOLUTION;
  g_assert_false (can (&s, MLO_ACTION_RESOLUTION_DOWN));
  s.limits.adapt = MLO_ADAPT_ALL;
  s.traits.can_resolution = FALSE;
  g_assert_false (can (&s, MLO_ACTION_RESOLUTION_DOWN));
}

static void
test_dwell (void)
{
  Story s;
  guint low;

  begin (&s, 1280, 720, 60.0);
  s.ctx.bitrate_kbps = 300.0;
  mlo_ladder_step (&s.ladder, &s.ctx, MLO_ACTION_RESOLUTION_DOWN);
  low = s.ladder.size.index;
  g_assert_cmpuint (low, >, 0);
  /* The link is free again, but the size stays: 10 s at least, 30 s before it goes back. */
  s.ctx.bitrate_kbps = 12000.0;
  s.ctx.now_us += 9 * G_USEC_PER_SEC;
  g_assert_false (can (&s, MLO_ACTION_RESOLUTION_UP));
  s.ctx.now_us += 22 * G_USEC_PER_SEC;
  g_assert_true (can (&s, MLO_ACTION_RESOLUTION_UP));
  mlo_ladder_step (&s.ladder, &s.ctx, MLO_ACTION_RESOLUTION_UP);
  g_assert_cmpuint (s.ladder.size.index, ==, 0);
  /* Down again within 30 s only if the link fell. */
  s.ctx.now_us += 12 * G_USEC_PER_SEC;
  s.ctx.bitrate_kbps = 300.0;
  g_assert_true (can (&s, MLO_ACTION_RESOLUTION_DOWN));
}

/* Random rates and actions: never two size changes within 10 s, never A -> B -> A within 30 s but after a fall. */
static void
test_no_flapping (void)
{
  guint64 seed = g_test_rand_int_range (0, G_MAXINT32);
  gint64 last_change = 0;
  guint before = 0, previous = 0;
  MloRandom r;
  Story s;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&r, seed);
  begin (&s, 1920, 1080, 60.0);
  for (int i = 0; i < 200000; i++) {
    guint32 mask;
    MloAction a = mlo_random_below (&r, 4);

    s.ctx.now_us += 100000;
    if (i % 50 == 0)
      s.ctx.bitrate_kbps = mlo_random_log_range (&r, 2500.0, 5000.0);   /* never below 0.6 of it */
    s.ctx.bitrate_kbps = MAX (s.ctx.bitrate_kbps, 0.61 * s.ladder.size.bitrate_kbps);
    mask = mlo_ladder_mask (&s.ladder, &s.ctx);
    if (!(mask & (1u << a)))
      continue;
    previous = s.ladder.size.index;
    mlo_ladder_step (&s.ladder, &s.ctx, a);
    if (s.ladder.size.index == previous)
      continue;
    if (last_change != 0) {
      g_assert_cmpint (s.ctx.now_us - last_change, >=, 10 * G_USEC_PER_SEC);
      if (s.ladder.size.index == before)
        g_assert_cmpint (s.ctx.now_us - last_change, >=, 30 * G_USEC_PER_SEC);
    }
    before = previous;
    last_change = s.ctx.now_us;
  }
}

/* The rule settles: from any place to one where no step gains. */
static void
test_rule_settles (void)
{
  for (double kbps = 300.0; kbps < 20000.0; kbps *= 1.5) {
    int steps = 0;
    Story s;

    begin (&s, 1280, 720, 60.0);
    s.ctx.bitrate_kbps = kbps;
    for (int i = 0; i < 600; i++) {
      MloAction a = mlo_ladder_rule (&s.ladder, &s.ctx, mlo_ladder_mask (&s.ladder, &s.ctx), 2.0);

      s.ctx.now_us += G_USEC_PER_SEC;
      if (a == MLO_ACTION_NONE)
        continue;
      mlo_ladder_step (&s.ladder, &s.ctx, a);
      steps++;
    }
    g_test_message ("%.0f kbit/s: %d x %d at %.0f", kbps, mlo_ladder_size (&s.ladder)->width,
        mlo_ladder_size (&s.ladder)->height, mlo_ladder_fps (&s.ladder));
    g_assert_cmpint (steps, <=, 4);
  }
}

static void
test_place (void)
{
  Story s;

  begin (&s, 1280, 720, 60.0);
  mlo_ladder_place (&s.ladder, 500, 29.0);
  g_assert_cmpint (mlo_ladder_size (&s.ladder)->height, ==, 480);
  g_assert_cmpfloat (mlo_ladder_fps (&s.ladder), ==, 30.0);
  mlo_ladder_place (&s.ladder, 0, 0.0);
  g_assert_cmpuint (s.ladder.size.index + s.ladder.rate.index, ==, 0);
}

/* Size first, frame rate then, two seconds apart, never below the least. */
static void
test_shed (void)
{
  Story s;
  guint sizes = 0, rates = 0;

  begin (&s, 1280, 720, 60.0);
  s.ctx.queue_full = TRUE;
  for (int i = 0; i < 300; i++, s.ctx.now_us += 100000) {
    MloAction a = mlo_ladder_shed (&s.ladder, &s.ctx);

    g_assert_true (a == MLO_ACTION_NONE || i % 20 == 0);
    g_assert_true (a != MLO_ACTION_RESOLUTION_DOWN || rates == 0);
    sizes += a == MLO_ACTION_RESOLUTION_DOWN;
    rates += a == MLO_ACTION_FPS_DOWN;
  }
  g_assert_cmpuint (sizes, ==, s.ladder.n_sizes - 1);
  g_assert_cmpuint (rates, ==, s.ladder.n_rates - 1);

  begin (&s, 1280, 720, 60.0);
  s.traits.can_resolution = FALSE;
  g_assert_cmpint (mlo_ladder_shed (&s.ladder, &s.ctx), ==, MLO_ACTION_FPS_DOWN);
  s.limits.adapt = MLO_ADAPT_BITRATE;
  s.ctx.now_us += 10000000;
  g_assert_cmpint (mlo_ladder_shed (&s.ladder, &s.ctx), ==, MLO_ACTION_NONE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ladder/rungs", test_rungs);
  g_test_add_func ("/ladder/unknown-source", test_unknown_source);
  g_test_add_func ("/ladder/masks", test_masks);
  g_test_add_func ("/ladder/dwell", test_dwell);
  g_test_add_func ("/ladder/no-flapping", test_no_flapping);
  g_test_add_func ("/ladder/rule-settles", test_rule_settles);
  g_test_add_func ("/ladder/place", test_place);
  g_test_add_func ("/ladder/shed", test_shed);
  return g_test_run ();
}
