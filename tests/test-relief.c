/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An encoder whose time depends on size and preset (the simulator's), made slow, and what the controller does. */
#include <math.h>

#include "mlo-controller.h"
#include "mlo-encoder-model.h"

#define TICK_US 100000

typedef struct
{
  MloController *controller;
  MloControllerConfig config;
  MloEncoderModel encoder;
  MloDecision last;
  gint64 now_us;
  double hog;                   /* times as slow as it is by itself */
  double fps;                   /* that the encoder kept up with in the last tick */
  guint sizes, presets, rates;  /* changes */
  gboolean alone;               /* a slower preset came without a size change */
} Story;

static void
begin (Story * s, guint adapt, const MloActuatorTraits * traits, double encode_ms)
{
  MloEncoderModelConfig model = {.width = 1280,.height = 720,.complexity = 0.5,.encode_ms = encode_ms };

  *s = (Story) {
  .config = mlo_controller_config_default,.now_us = 10 * G_USEC_PER_SEC,.hog = 1.0};
  s->config.limits = mlo_limits_default;
  s->config.limits.adapt = adapt;
  s->config.limits.start_bitrate_kbps = 6000.0;
  s->config.source = (MloSource) {
  1280, 720, 60.0};
  s->config.traits = *traits;
  s->controller = mlo_controller_new (&s->config);
  s->last = *mlo_controller_decision (s->controller);
  mlo_encoder_model_init (&s->encoder, &model, 6000.0, 60.0, 7);
}

/* Half a second's mean, as the element has it: the newest five ticks'. */
static void
run (Story * s, double seconds)
{
  double busy[5] = { 0 };
  guint ticks = 0;

  for (gint64 end_us = s->now_us + (gint64) (seconds * 1e6); s->now_us < end_us; s->now_us += TICK_US, ticks++) {
    double wanted = s->last.fps > 0.0 ? s->last.fps : 60.0, sum = 0.0;
    guint n = (guint) lrint (wanted / 10.0);
    MloEncoderLoad load = { 0 };
    MloSample local = { 0 };
    const MloDecision *d;

    mlo_encoder_model_set (&s->encoder, 6000.0, wanted, s->last.width > 0 ? s->last.width : 1280,
        s->last.height > 0 ? s->last.height : 720, s->last.preset_step);
    for (guint i = 0; i < n; i++) {
      MloEncodedFrame frame;

      mlo_encoder_model_advance (&s->encoder, s->now_us + (gint64) i * TICK_US / n);
      mlo_encoder_model_encode (&s->encoder, &frame);
      sum += frame.encode_ms * s->hog;
    }
    busy[ticks % 5] = sum / n;
    for (guint i = 0; i <= MIN (ticks, 4u); i++)
      load.busy_ms += busy[i] / MIN (ticks + 1, 5u);
    s->fps = MIN (wanted, 1000.0 / (sum / n));
    load.fps = MIN (wanted, 1000.0 / load.busy_ms);
    load.due_fps = wanted;
    mlo_sample_set (&local, MLO_FIELD_COMPLEXITY, 0.5);
    mlo_controller_on_encoder (s->controller, &load);
    d = mlo_controller_tick (s->controller, s->now_us, &local);
    g_assert_cmpint (d->preset_step, <=, s->config.traits.preset_faster);
    g_assert_cmpint (d->preset_step, >=, -s->config.traits.preset_slower);
    s->sizes += (d->changed & MLO_ADAPT_RESOLUTION) != 0;
    s->rates += (d->changed & MLO_ADAPT_FRAMERATE) != 0;
    s->presets += (d->changed & MLO_ADAPT_PRESET) != 0;
    s->alone |= d->preset_step < s->last.preset_step && d->width == s->last.width;
    s->last = *d;
  }
}

static MloActuatorTraits
x264 (void)
{
  MloActuatorTraits t = mlo_actuator_traits_default;

  t.can_preset = TRUE;
  t.preset_restarts = TRUE;
  t.preset_faster = 4;
  t.preset_slower = 2;
  return t;
}

static void
end (Story * s)
{
  mlo_controller_free (s->controller);
}

/* 5 ms at 60 fps: nothing to do, for minutes. */
static void
test_fast_enough (void)
{
  MloActuatorTraits traits = x264 ();
  Story s;

  begin (&s, MLO_ADAPT_ALL, &traits, 5.0);
  run (&s, 120.0);
  g_assert_cmpuint (s.sizes + s.rates + s.presets, ==, 0);
  end (&s);
}

/* The preset alone, as many steps as it takes, in one go; full size, full rate. */
static void
test_preset_first (void)
{
  MloActuatorTraits traits = x264 ();
  Story s;

  begin (&s, MLO_ADAPT_ALL, &traits, 10.0);
  run (&s, 5.0);
  g_assert_cmpuint (s.presets, ==, 0);
  s.hog = 3.0;
  run (&s, 1.2);
  g_assert_cmpint (s.last.preset_step, >, 1);
  g_assert_cmpuint (s.presets, ==, 1);
  run (&s, 10.0);
  g_assert_cmpfloat (s.fps, ==, 60.0);
  g_assert_cmpuint (s.sizes + s.rates, ==, 0);
  /* The machine is idle again: nothing restarts the encoder for that alone. */
  s.hog = 1.0;
  run (&s, 300.0);
  g_assert_cmpint (s.last.preset_step, >, 1);
  end (&s);
}

/* More than presets can do: then size, and last the frame rate; back up when the hog has gone. */
static void
test_order (void)
{
  MloActuatorTraits traits = x264 ();
  Story s;

  begin (&s, MLO_ADAPT_ALL, &traits, 10.0);
  run (&s, 1.0);
  s.hog = 6.0;
  run (&s, 8.0);
  g_assert_cmpint (s.last.preset_step, ==, 4);
  g_assert_cmpint (s.last.height, <, 720);
  g_assert_cmpint (s.last.height, >, 0);
  g_assert_cmpuint (s.rates, ==, 0);
  g_assert_cmpfloat (s.fps, ==, 60.0);
  s.hog = 60.0;
  run (&s, 15.0);
  g_assert_cmpint (s.last.height, ==, 240);
  g_assert_cmpuint (s.rates, >, 0);
  g_assert_cmpfloat (s.last.fps, <=, 30.0);
  s.hog = 1.0;
  run (&s, 200.0);
  g_assert_cmpint (s.last.height, ==, 0);
  g_assert_cmpfloat (s.last.fps, ==, 0.0);
  /* With the size the preset came back as far as there is room. */
  g_assert_cmpint (s.last.preset_step, <, 4);
  g_assert_cmpint (s.last.preset_step, >=, 0);
  g_assert_false (s.alone);
  end (&s);
}

/* Without presets, by adapt or by the encoder: size. Without size: frame rate. Without anything: nothing. */
static void
test_what_there_is (void)
{
  static const struct
  {
    gboolean can_preset;
    guint adapt;
    guint presets, sizes, rates;        /* 1: some */
  } rows[] = {
    {TRUE, MLO_ADAPT_ALL & ~MLO_ADAPT_PRESET, 0, 1, 0},
    {FALSE, MLO_ADAPT_ALL, 0, 1, 0},
    {FALSE, MLO_ADAPT_BITRATE | MLO_ADAPT_FRAMERATE, 0, 0, 1},
    {TRUE, MLO_ADAPT_PRESET, 1, 0, 0},
    {TRUE, MLO_ADAPT_BITRATE, 0, 0, 0},
    {TRUE, 0, 0, 0, 0},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    MloActuatorTraits traits = x264 ();
    Story s;

    traits.can_preset = rows[i].can_preset;
    begin (&s, rows[i].adapt, &traits, 22.0);
    run (&s, 20.0);
    g_assert_cmpuint (s.presets > 0, ==, rows[i].presets);
    g_assert_cmpuint (s.sizes > 0, ==, rows[i].sizes);
    g_assert_cmpuint (s.rates > 0, ==, rows[i].rates);
    if (rows[i].presets + rows[i].sizes + rows[i].rates > 0)
      g_assert_cmpfloat (s.fps, >=, (s.last.fps > 0.0 ? s.last.fps : 60.0) - 0.01);
    end (&s);
  }
}

/* No step up to what the encoder could not bear, however much the picture would gain. */
static void
test_no_way_up (void)
{
  MloActuatorTraits traits = mlo_actuator_traits_default;
  Story s;

  begin (&s, MLO_ADAPT_ALL, &traits, 22.0);
  for (guint i = 0; i < 30; i++) {
    run (&s, 10.0);
    g_assert_cmpint (s.last.height, >, 0);
    g_assert_cmpfloat (s.fps, ==, 60.0);
  }
  /* 480, and perhaps 540 while the pictures are easy. */
  g_assert_cmpuint (s.sizes, <=, 2);
  end (&s);
}

/* The relief by itself. */
typedef struct
{
  MloRelief relief;
  MloLadder ladder;
  MloLadderContext ctx;
  MloLimits limits;
  MloActuatorTraits traits;
} Parts;

static void
parts_init (Parts * p)
{
  static const MloSource source = { 1280, 720, 60.0 };

  *p = (Parts) {
  .limits = mlo_limits_default,.traits = x264 ()};
  p->ctx = (MloLadderContext) {
  .now_us = 100 * G_USEC_PER_SEC,.bitrate_kbps = 6000.0,.complexity = 0.5,.limits = &p->limits,.traits = &p->traits};
  mlo_ladder_init (&p->ladder, &source, &p->limits);
  mlo_relief_init (&p->relief);
}

static void
observe (Parts * p, double busy_ms, double fps, double due, gint64 for_us)
{
  MloEncoderLoad load = {.busy_ms = busy_ms,.fps = fps,.due_fps = due };

  for (gint64 end_us = p->ctx.now_us + for_us; p->ctx.now_us < end_us;) {
    p->ctx.now_us += TICK_US;
    mlo_relief_observe (&p->relief, p->ctx.now_us, &load, 60.0);
  }
  mlo_relief_context (&p->relief, &p->ctx);
}

static void
test_overload (void)
{
  static const struct
  {
    double busy_ms, fps, due;
    gboolean over;
  } rows[] = {
    {5.0, 60.0, 60.0, FALSE},
    {5.0, 30.0, 60.0, FALSE},   /* late, but not by the encoder */
    {12.5, 60.0, 60.0, FALSE},
    {12.5, 58.0, 60.0, FALSE},
    {14.0, 60.0, 60.0, FALSE},  /* nearly full, and it keeps up */
    {16.0, 50.0, 60.0, TRUE},   /* nearly full and frames missing */
    {16.0, 20.0, 60.0, FALSE},  /* the source sends fewer */
    {16.0, 60.0, 60.0, TRUE},
    {40.0, 25.0, 60.0, TRUE},
    {40.0, 25.0, 0.0, TRUE},    /* nobody knows what was due */
    {-1.0, 60.0, 60.0, FALSE},
    {NAN, NAN, NAN, FALSE},
    {INFINITY, 60.0, 60.0, FALSE},
    {0.0, 0.0, 0.0, FALSE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    Parts p;

    parts_init (&p);
    observe (&p, rows[i].busy_ms, rows[i].fps, rows[i].due, 2 * TICK_US);
    g_assert_false (p.relief.overloaded);       /* too short to tell */
    observe (&p, rows[i].busy_ms, rows[i].fps, rows[i].due, 5 * TICK_US);
    g_assert_cmpint (p.relief.overloaded, ==, rows[i].over);
    g_assert_cmpint (mlo_relief_act (&p.relief, &p.ladder, &p.ctx), ==,
        rows[i].over ? MLO_ACTION_PRESET_FASTER : MLO_ACTION_NONE);
  }
}

/* A decoder that the receiver tells is too slow: smaller pictures, then fewer, never a preset, once in three seconds, and
 * no size that it would not bear. */
static void
test_decoder (void)
{
  Parts p;
  double decode_ms[] = { 12.0, 20.0, 30.0 };
  guint last = 0;

  parts_init (&p);
  for (guint i = 0; i < G_N_ELEMENTS (decode_ms); i++) {
    MloEncoderLoad load = { 2.0, 60.0, 60.0, decode_ms[i] };
    guint acted = 0;

    for (gint64 end_us = p.ctx.now_us + 4 * G_USEC_PER_SEC; p.ctx.now_us < end_us;) {
      MloAction action;

      p.ctx.now_us += TICK_US;
      mlo_relief_observe (&p.relief, p.ctx.now_us, &load, mlo_ladder_fps (&p.ladder));
      mlo_relief_context (&p.relief, &p.ctx);
      action = mlo_relief_act (&p.relief, &p.ladder, &p.ctx);
      acted += action != MLO_ACTION_NONE;
      if (action != MLO_ACTION_NONE) {
        g_assert_cmpint (action, ==, i == 1 || p.traits.can_resolution ? MLO_ACTION_RESOLUTION_DOWN
            : MLO_ACTION_FPS_DOWN);
        g_assert_true (p.relief.for_decoder);
        /* What it takes now is less. */
        load.decode_ms *= p.traits.can_resolution ? 0.4 : 1.0;
      }
    }
    g_assert_cmpuint (acted, ==, i == 0 ? 0 : 1);
    g_assert_cmpint (p.relief.step, ==, 0);
    if (i == 1) {
      g_assert_cmpuint (p.ladder.size.index, >, last);
      last = p.ladder.size.index;
      p.traits.can_resolution = FALSE;
    }
  }
  g_assert_cmpuint (p.ladder.size.index, ==, last);
  g_assert_cmpuint (p.ladder.rate.index, >, 0);
  /* The ladder sees it. */
  g_assert_cmpfloat (p.ctx.encoder_share, >, 0.5);
  /* Not told any more: nothing is held against it. */
  {
    MloEncoderLoad load = { 2.0, 30.0, 30.0, 0.0 };

    mlo_relief_observe (&p.relief, p.ctx.now_us, &load, 30.0);
    mlo_relief_context (&p.relief, &p.ctx);
    g_assert_cmpfloat (p.ctx.encoder_share, <, 0.1);
  }
}

/* Slower again: only with a size change, after long headroom, as far as it fits, and at the source's size never
 * slower than the encoder's own. */
static void
test_slower (void)
{
  Parts p;

  parts_init (&p);
  observe (&p, 16.0, 60.0, 60.0, 6 * TICK_US);
  g_assert_cmpint (mlo_relief_act (&p.relief, &p.ladder, &p.ctx), ==, MLO_ACTION_PRESET_FASTER);
  g_assert_cmpint (p.relief.step, ==, 2);
  observe (&p, 4.0, 60.0, 60.0, 7 * G_USEC_PER_SEC);
  mlo_ladder_place (&p.ladder, 540, 60.0);
  mlo_relief_follow (&p.relief, &p.ladder, &p.ctx, 0.5625, 1.0, TRUE);
  g_assert_cmpint (p.relief.step, ==, 2);       /* not long enough */
  observe (&p, 4.0, 60.0, 60.0, 2 * G_USEC_PER_SEC);
  mlo_relief_follow (&p.relief, &p.ladder, &p.ctx, 1.0, 0.5, FALSE);
  g_assert_cmpint (p.relief.step, ==, 2);       /* a frame rate restarts nothing */
  mlo_relief_follow (&p.relief, &p.ladder, &p.ctx, 1.0, 1.0, TRUE);
  g_assert_cmpint (p.relief.step, ==, 0);       /* 0.24 / 0.75 / 0.75 = 0.43 */
  observe (&p, 1.0, 60.0, 60.0, 31 * G_USEC_PER_SEC);
  mlo_ladder_place (&p.ladder, 360, 60.0);
  mlo_relief_follow (&p.relief, &p.ladder, &p.ctx, 0.44, 1.0, TRUE);
  g_assert_cmpint (p.relief.step, ==, -2);
  mlo_ladder_place (&p.ladder, 0, 60.0);
  mlo_relief_follow (&p.relief, &p.ladder, &p.ctx, 4.0, 1.0, TRUE);
  g_assert_cmpint (p.relief.step, ==, 0);
  /* A larger picture and a faster preset in one. */
  observe (&p, 8.0, 60.0, 60.0, G_USEC_PER_SEC);
  mlo_relief_follow (&p.relief, &p.ladder, &p.ctx, 2.25, 1.0, TRUE);
  g_assert_cmpint (p.relief.step, ==, 2);
  /* Another encoder with fewer steps. */
  p.traits.preset_faster = 1;
  mlo_relief_place (&p.relief, &p.traits, p.relief.step);
  g_assert_cmpint (p.relief.step, ==, 1);
  p.traits.can_preset = FALSE;
  mlo_relief_place (&p.relief, &p.traits, p.relief.step);
  g_assert_cmpint (p.relief.step, ==, 0);
}

/* What the networks may choose. */
static void
test_mask (void)
{
  const guint32 faster = 1u << MLO_ACTION_PRESET_FASTER, slower = 1u << MLO_ACTION_PRESET_SLOWER;
  Parts p;

  parts_init (&p);
  observe (&p, 4.0, 60.0, 60.0, 60 * G_USEC_PER_SEC);
  g_assert_cmpuint (mlo_relief_mask (&p.relief, &p.ladder, &p.ctx), ==, 0);
  observe (&p, 16.5, 60.0, 60.0, G_USEC_PER_SEC);
  g_assert_cmpuint (mlo_relief_mask (&p.relief, &p.ladder, &p.ctx), ==, faster);
  p.limits.adapt &= ~MLO_ADAPT_PRESET;
  g_assert_cmpuint (mlo_relief_mask (&p.relief, &p.ladder, &p.ctx), ==, 0);
  p.limits.adapt = MLO_ADAPT_ALL;
  p.traits.can_preset = FALSE;
  g_assert_cmpuint (mlo_relief_mask (&p.relief, &p.ladder, &p.ctx), ==, 0);
  p.traits.can_preset = TRUE;
  /* With a size change: only where that is no second restart. */
  observe (&p, 4.0, 60.0, 60.0, 60 * G_USEC_PER_SEC);
  p.ladder.size.index = 1;
  p.ladder.size.changed_us = p.ctx.now_us - 500000;
  g_assert_cmpuint (mlo_relief_mask (&p.relief, &p.ladder, &p.ctx), ==, 0);
  p.traits.preset_restarts = FALSE;
  g_assert_cmpuint (mlo_relief_mask (&p.relief, &p.ladder, &p.ctx), ==, faster | slower);
  mlo_relief_step (&p.relief, &p.ctx, MLO_ACTION_PRESET_SLOWER);
  g_assert_cmpint (p.relief.step, ==, -1);
  p.ladder.size.index = 0;
  g_assert_cmpuint (mlo_relief_mask (&p.relief, &p.ladder, &p.ctx), ==, faster);
  p.ctx.now_us += 2 * G_USEC_PER_SEC;
  g_assert_cmpuint (mlo_relief_mask (&p.relief, &p.ladder, &p.ctx), ==, 0);
}

/* Any load, for long: within the encoder's presets, no slower preset alone, and the changes are few. */
static void
test_random (void)
{
  for (guint seed = 1; seed <= 20; seed++) {
    MloActuatorTraits traits = x264 ();
    MloRandom random;
    Story s;

    mlo_random_seed (&random, seed);
    g_test_message ("seed %u", seed);
    begin (&s, MLO_ADAPT_ALL, &traits, 8.0);
    for (guint i = 0; i < 60; i++) {
      s.hog = mlo_random_log_range (&random, 0.3, 30.0);
      run (&s, mlo_random_range (&random, 0.5, 20.0));
    }
    g_assert_false (s.alone);
    /* 60 loads: each may ask for a few steps. */
    g_assert_cmpuint (s.sizes + s.rates + s.presets, <, 240);
    end (&s);
  }
}

/* The application chooses a preset; it stays until there is a reason. */
static void
test_override (void)
{
  MloActuatorTraits traits = x264 ();
  MloDecision taken;
  Story s;

  begin (&s, MLO_ADAPT_ALL, &traits, 5.0);
  run (&s, 1.0);
  taken = s.last;
  taken.preset_step = 99;
  mlo_controller_override (s.controller, &taken);
  g_assert_cmpint (mlo_controller_decision (s.controller)->preset_step, ==, 4);
  s.last = *mlo_controller_decision (s.controller);
  run (&s, 30.0);
  g_assert_cmpint (s.last.preset_step, ==, 4);
  end (&s);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/relief/decoder", test_decoder);
  g_test_add_func ("/relief/fast-enough", test_fast_enough);
  g_test_add_func ("/relief/preset-first", test_preset_first);
  g_test_add_func ("/relief/order", test_order);
  g_test_add_func ("/relief/what-there-is", test_what_there_is);
  g_test_add_func ("/relief/no-way-up", test_no_way_up);
  g_test_add_func ("/relief/overload", test_overload);
  g_test_add_func ("/relief/slower", test_slower);
  g_test_add_func ("/relief/mask", test_mask);
  g_test_add_func ("/relief/random", test_random);
  g_test_add_func ("/relief/override", test_override);
  return g_test_run ();
}
