/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A receiver (or a server) that lies in every number it sends. It can hold the bitrate anywhere between the limits, and no
 * more than that; and once it is honest again, the controller works as if it had never lied. */
#include <math.h>
#include <string.h>

#include "mlo-controller.h"
#include "mlo-random.h"

#define FRAME_US 16667
#define HISTORY 512             /* packets that a lie may pick from */
#define REPORT_MAX 2048         /* packets in the largest report */
#define MIN_KBPS 300.0
#define MAX_KBPS 20000.0
#define LINK_KBPS 4000.0

typedef struct
{
  MloController *controller;
  MloRandom random;
  MloSample local;
  gint64 now_us, busy_until_us, next_tick_us;
  gint64 offset_us;             /* of the receiver's clock */
  guint frames, seqnum;
  MloPacket sent[HISTORY];      /* with the honest arrival */
  guint n_sent;                 /* in all */
  guint n_reported;
  MloPacket report[REPORT_MAX];
  guint64 decisions;
} Victim;

static void
check_sample (const MloSample * s)
{
  for (guint i = 0; i < MLO_N_FIELDS; i++) {
    const MloFieldInfo *f = mlo_field_info (i);
    double v = mlo_sample_get (s, i, f->min);

    if (!(v >= f->min && v <= f->max))
      g_error ("%s is %g", f->name, v);
  }
}

static void
check (Victim * v, const MloDecision * d)
{
  v->decisions++;
  g_assert_true (isfinite (d->bitrate_kbps));
  g_assert_cmpfloat (d->bitrate_kbps, >=, MIN_KBPS);
  g_assert_cmpfloat (d->bitrate_kbps, <=, MAX_KBPS);
  g_assert_true (isfinite (d->predicted_kbps) && isfinite (d->capacity_kbps) && isfinite (d->gain));
  g_assert_true (d->confidence >= 0.0 && d->confidence <= 1.0);
  /* No window, or one that lets two frames through and no more than 1 Gbit/s holds in two minutes. */
  g_assert_cmpuint (d->window_bytes, >, 0);
  if (d->window_bytes != G_MAXUINT64) {
    g_assert_cmpfloat ((double) d->window_bytes, >=, 2.0 * 125.0 * MIN_KBPS / 60.0 - 1.0);
    g_assert_cmpuint (d->window_bytes, <=, G_GUINT64_CONSTANT (125000000) * 120);
  }
  g_assert_true (isfinite (d->fps) && d->fps >= 0.0 && d->fps <= 60.0);
  g_assert_true (d->width >= 0 && d->width <= 1280 && d->height >= 0 && d->height <= 720);
  g_assert_true (d->probe_interval_us >= 0 && d->probe_interval_us <= G_USEC_PER_SEC);
  check_sample (mlo_controller_sample (v->controller));
}

static void
victim_init (Victim * v, guint64 seed, const MloBitratePredictor * p, const MloQualityOptimizer * q)
{
  MloControllerConfig config = mlo_controller_config_default;

  memset (v, 0, sizeof *v);
  mlo_random_seed (&v->random, seed);
  config.limits = mlo_limits_default;
  config.limits.min_bitrate_kbps = MIN_KBPS;
  config.limits.max_bitrate_kbps = MAX_KBPS;
  config.limits.start_bitrate_kbps = 2000.0;
  config.source.width = 1280;
  config.source.height = 720;
  config.source.fps = 60.0;
  config.traits = mlo_actuator_traits_default;
  config.predictor = p;
  config.optimizer = q;
  v->controller = mlo_controller_new (&config);
  v->now_us = 10 * G_USEC_PER_SEC;
  v->next_tick_us = v->now_us;
  v->offset_us = (gint64) mlo_random_below (&v->random, G_MAXINT32) * 1000;
  mlo_sample_set (&v->local, MLO_FIELD_COMPLEXITY, 0.5);
  mlo_sample_set (&v->local, MLO_FIELD_FPS, 60.0);
}

static void
send_frame (Victim * v)
{
  /* A key frame every two seconds: frames of one packet measure no capacity. */
  gboolean keyframe = v->frames++ % 120 == 0;
  guint32 left = (guint32) (mlo_controller_decision (v->controller)->bitrate_kbps * 125.0 / 60.0
      * (keyframe ? 5.0 : mlo_random_range (&v->random, 0.6, 1.4)));

  mlo_controller_on_frame_sent (v->controller, v->now_us, left, keyframe);
  while (left > 0) {
    MloPacket *p = &v->sent[v->n_sent++ % HISTORY];

    p->size = MIN (left, 1200);
    left -= p->size;
    /* The queue holds half a second. */
    p->lost = v->busy_until_us > v->now_us + 500000;
    if (!p->lost)
      v->busy_until_us = MAX (v->busy_until_us, v->now_us)
          + (gint64) ((p->size + MLO_PACKET_OVERHEAD) * 8000.0 / LINK_KBPS);
    p->send_us = v->now_us;
    p->arrival_us = v->busy_until_us + 20000 + v->offset_us;
    p->seqnum = v->seqnum++ & 0xffff;
  }
}

/* What arrived and was not reported yet. */
static guint
honest_report (Victim * v)
{
  guint n = 0;

  if (v->n_sent - v->n_reported > HISTORY)
    v->n_reported = v->n_sent - HISTORY;
  while (v->n_reported < v->n_sent && n < REPORT_MAX) {
    const MloPacket *p = &v->sent[v->n_reported % HISTORY];

    if (p->arrival_us - v->offset_us + 20000 > v->now_us)
      break;
    v->report[n++] = *p;
    v->n_reported++;
  }
  return n;
}

static gint64
absurd_time (MloRandom * r, gint64 now_us)
{
  static const gint64 times[] = { 0, 1, -1, G_MAXINT64, G_MININT64, G_MAXINT64 / 1000, G_MININT64 / 1000, G_MAXINT32 };
  gint64 span = G_GINT64_CONSTANT (1) << mlo_random_below (r, 62);

  switch (mlo_random_below (r, 4)) {
    case 0:
      return times[mlo_random_below (r, G_N_ELEMENTS (times))];
    case 1:
      return now_us + span;
    case 2:
      return now_us - span;
    default:
      return (gint64) mlo_random_u64 (r);
  }
}

static void
spoil (Victim * v, MloPacket * p, guint how)
{
  static const guint32 sizes[] = { 0, 1, 65535, G_MAXUINT32, G_MAXUINT32 - MLO_PACKET_OVERHEAD + 1 };
  MloRandom *r = &v->random;

  /* Plausible alone, together a path of no or of endless capacity. */
  if (how & 32)
    p->arrival_us = v->now_us + v->offset_us;
  if (how & 64)
    p->arrival_us += (gint64) mlo_random_below (r, 100000000) - 50000000;
  if (how & 1)
    p->arrival_us = absurd_time (r, v->now_us);
  if (how & 2)
    p->send_us = absurd_time (r, v->now_us);
  if (how & 4)
    p->lost = mlo_random_chance (r, 0.5);
  if (how & 8)
    p->seqnum = mlo_random_chance (r, 0.5) ? 0xffff : (guint32) mlo_random_u64 (r);
  if (how & 16)
    p->size = sizes[mlo_random_below (r, G_N_ELEMENTS (sizes))];
}

static void
lying_report (Victim * v)
{
  MloRandom *r = &v->random;
  guint n = honest_report (v), how = mlo_random_below (r, 128);

  if (v->n_sent > 0 && mlo_random_chance (r, 0.3)) {
    /* Said again, in any order, as often as fits. */
    n = mlo_random_below (r, mlo_random_chance (r, 0.1) ? REPORT_MAX : 64);
    for (guint i = 0; i < n; i++)
      v->report[i] = v->sent[mlo_random_below (r, MIN (v->n_sent, HISTORY))];
  }
  for (guint i = 0; i < n; i++) {
    if (mlo_random_chance (r, 0.7))
      spoil (v, &v->report[i], how);
  }
  mlo_controller_on_packets (v->controller, v->now_us, v->report, n);
}

static double
absurd_number (MloRandom * r)
{
  static const double numbers[] =
      { 0.0, -0.0, 1.0, -1.0, NAN, INFINITY, -INFINITY, 1e308, -1e308, 1e-308, 1e7, 60000.0 };

  if (mlo_random_chance (r, 0.5))
    return numbers[mlo_random_below (r, G_N_ELEMENTS (numbers))];
  return mlo_random_log_range (r, 1e-6, 1e12);
}

static void
lying_receiver_report (Victim * v)
{
  MloReceiverReport report;

  report.rtt_ms = absurd_number (&v->random);
  report.jitter_ms = absurd_number (&v->random);
  report.fraction_lost = absurd_number (&v->random);
  report.received_kbps = absurd_number (&v->random);
  mlo_controller_on_receiver_report (v->controller, v->now_us, &report);
}

/* As the parsers hand them in: what mlo_sample_set () refuses never gets here. */
static void
lying_metrics (Victim * v)
{
  memset (&v->local, 0, sizeof v->local);
  for (guint i = 0; i < MLO_N_FIELDS; i++) {
    const MloFieldInfo *f = mlo_field_info (i);

    if (mlo_random_chance (&v->random, 0.5))
      mlo_sample_set (&v->local, i, absurd_number (&v->random));
    else if (mlo_random_chance (&v->random, 0.5))
      mlo_sample_set (&v->local, i, mlo_random_chance (&v->random, 0.5) ? f->min : f->max);
  }
  mlo_controller_on_metrics (v->controller, v->now_us, &v->local);
}

enum
{
  LIE_PACKETS = 1,
  LIE_REPORTS = 2,
  LIE_METRICS = 4,
};

/* @lies: LIE_ bits; 0: honest feedback per packet. */
static void
run (Victim * v, double seconds, guint lies)
{
  gint64 end_us = v->now_us + (gint64) (seconds * 1e6);

  while (v->now_us < end_us) {
    const MloDecision *d;

    send_frame (v);
    if (lies & LIE_PACKETS)
      lying_report (v);
    if ((lies & LIE_REPORTS) && mlo_random_chance (&v->random, 0.2))
      lying_receiver_report (v);
    if ((lies & LIE_METRICS) && mlo_random_chance (&v->random, 0.2))
      lying_metrics (v);
    if (lies == 0) {
      guint n = honest_report (v);

      mlo_controller_on_packets (v->controller, v->now_us, v->report, n);
    }
    d = mlo_controller_react (v->controller, v->now_us);
    check (v, d ? d : mlo_controller_decision (v->controller));
    if (v->now_us >= v->next_tick_us) {
      check (v, mlo_controller_tick (v->controller, v->now_us, &v->local));
      v->next_tick_us += 100000;
    }
    v->now_us += FRAME_US;
    /* The machine slept. */
    if (lies && mlo_random_chance (&v->random, 0.0005)) {
      v->now_us += (gint64) mlo_random_below (&v->random, 3600) * G_USEC_PER_SEC;
      v->next_tick_us = v->now_us;
      end_us = MAX (end_us, v->now_us);
    }
  }
}

static void
lie_and_recover (const MloBitratePredictor * p, const MloQualityOptimizer * q, guint64 first_seed, guint times,
    guint lies)
{
  g_autofree Victim *v = g_new (Victim, 1);
  guint64 decisions = 0;

  for (guint64 seed = first_seed; seed < first_seed + times; seed++) {
    const MloDecision *d;

    g_test_message ("seed %" G_GUINT64_FORMAT, seed);
    victim_init (v, seed, p, q);
    run (v, 15.0, lies);
    if (lies & LIE_PACKETS) {
      memset (&v->local, 0, sizeof v->local);
      mlo_sample_set (&v->local, MLO_FIELD_COMPLEXITY, 0.5);
      mlo_sample_set (&v->local, MLO_FIELD_FPS, 60.0);
      run (v, 40.0, 0);
      d = mlo_controller_decision (v->controller);
      g_test_message ("after the lies: %.0f kbit/s, capacity %.0f", d->bitrate_kbps, d->capacity_kbps);
      g_assert_cmpfloat (d->capacity_kbps, >, 0.9 * LINK_KBPS);
      g_assert_cmpfloat (d->capacity_kbps, <, 1.1 * LINK_KBPS);
      g_assert_cmpfloat (d->bitrate_kbps, >, 0.5 * LINK_KBPS);
      g_assert_cmpfloat (d->bitrate_kbps, <, LINK_KBPS);
      g_assert_cmpint (d->state, !=, MLO_GUARD_HOLD);
      g_assert_cmpuint (d->window_bytes, <, 1000000);
    }
    decisions += v->decisions;
    mlo_controller_free (v->controller);
  }
  g_test_message ("%" G_GUINT64_FORMAT " decisions", decisions);
}

static void
test_rules (gconstpointer lies)
{
  lie_and_recover (NULL, NULL, 1, g_test_slow ()? 2000 : 60, GPOINTER_TO_UINT (lies));
}

static void
test_networks (gconstpointer lies)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloBitratePredictor) p = mlo_bitrate_predictor_load (TEST_SOURCE "/models/bitrate_predictor.safetensors",
      &error);
  g_autoptr (MloQualityOptimizer) q = p
      ? mlo_quality_optimizer_load (TEST_SOURCE "/models/quality_optimizer.safetensors", &error) : NULL;

  g_assert_no_error (error);
  lie_and_recover (p, q, 1000000, g_test_slow ()? 200 : 6, GPOINTER_TO_UINT (lies));
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    guint lies;
  } kinds[] = {
    {"packets", LIE_PACKETS},
    {"receiver-reports", LIE_REPORTS},
    {"metrics", LIE_METRICS},
    {"all", LIE_PACKETS | LIE_REPORTS | LIE_METRICS},
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++) {
    g_autofree char *rules = g_strconcat ("/adversary/rules/", kinds[i].name, NULL);
    g_autofree char *networks = g_strconcat ("/adversary/networks/", kinds[i].name, NULL);

    g_test_add_data_func (rules, GUINT_TO_POINTER (kinds[i].lies), test_rules);
    g_test_add_data_func (networks, GUINT_TO_POINTER (kinds[i].lies), test_networks);
  }
  return g_test_run ();
}
