/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mlo-controller.h"

#if defined (__SANITIZE_ADDRESS__) || defined (__SANITIZE_THREAD__)
#define COUNT_ALLOCATIONS 0
#elif defined (__has_feature)
#if __has_feature (address_sanitizer) || __has_feature (thread_sanitizer)
#define COUNT_ALLOCATIONS 0
#endif
#endif
#ifndef COUNT_ALLOCATIONS
#define COUNT_ALLOCATIONS 1
#endif

#if COUNT_ALLOCATIONS
/* Every allocation of the process passes here, so that a decision's can be counted. */
extern void *__libc_malloc (size_t size);
extern void *__libc_calloc (size_t n, size_t size);
extern void *__libc_realloc (void *p, size_t size);
void *malloc (size_t size);
void *calloc (size_t n, size_t size);
void *realloc (void *p, size_t size);
static guint allocations;

void *
malloc (size_t size)
{
  allocations++;
  return __libc_malloc (size);
}

void *
calloc (size_t n, size_t size)
{
  allocations++;
  return __libc_calloc (n, size);
}

void *
realloc (void *p, size_t size)
{
  allocations++;
  return __libc_realloc (p, size);
}
#endif

/* A stream over a FIFO link in a few lines: a frame is encoded at the decision's rate, admitted by
 * the decision's window, delayed by the queue, reported when its last packet arrived. */
#define REPORTS 256

typedef struct
{
  MloController *controller;
  MloSample local;
  gint64 now_us, busy_until_us;
  double kbps;
  gboolean dead;                /* nothing arrives */
  gboolean twice;               /* each report is told again at once, and once more with the next */
  gboolean receiver_reports;
  double report_loss, report_rtt_ms;
  struct
  {
    gint64 at_us;
    MloPacket packets[64];
    guint n;
  } reports[REPORTS];
  guint head, count;
  guint frames, skipped;
  guint32 seqnum;
  double peak_queue_ms;
  gint64 next_tick_us;
} Stream;

static void
stream_init (Stream * s, const MloControllerConfig * config, double kbps)
{
  memset (s, 0, sizeof *s);
  s->controller = mlo_controller_new (config);
  s->now_us = 10 * G_USEC_PER_SEC;
  s->next_tick_us = s->now_us;
  s->kbps = kbps;
  mlo_sample_set (&s->local, MLO_FIELD_COMPLEXITY, 0.5);
  mlo_sample_set (&s->local, MLO_FIELD_FPS, 60.0);
}

static void
stream_clear (Stream * s)
{
  mlo_controller_free (s->controller);
}

static void
send_frame (Stream * s)
{
  const MloDecision *d = mlo_controller_decision (s->controller);
  guint32 bytes = (guint32) MAX (d->bitrate_kbps * 125.0 / 60.0, 100.0), left = bytes;
  guint slot = (s->head + s->count) % REPORTS;
  guint n = 0;

  mlo_controller_on_frame_sent (s->controller, s->now_us, bytes, FALSE);
  s->frames++;
  if (s->dead || s->count == REPORTS)
    return;
  for (; left > 0 && n < 64; n++) {
    guint32 size = MIN (left, 1200);

    left -= size;
    s->busy_until_us = MAX (s->busy_until_us, s->now_us) + (gint64) ((size + MLO_PACKET_OVERHEAD) * 8000.0 / s->kbps);
    s->reports[slot].packets[n] = (MloPacket) {
    .seqnum = s->seqnum++ & 0xffff,.send_us = s->now_us + 100,.arrival_us =
          (s->busy_until_us + 20000) / 250 * 250,.size = size,};
  }
  s->peak_queue_ms = MAX (s->peak_queue_ms, (double) (s->busy_until_us - s->now_us) / 1000.0);
  s->reports[slot].n = n;
  s->reports[slot].at_us = s->busy_until_us + 40000;
  s->count++;
}

static void
tell_report (Stream * s)
{
  guint before = (s->head + REPORTS - 1) % REPORTS;

  mlo_controller_on_packets (s->controller, s->now_us, s->reports[s->head].packets, s->reports[s->head].n);
  if (s->twice) {
    mlo_controller_on_packets (s->controller, s->now_us, s->reports[s->head].packets, s->reports[s->head].n);
    mlo_controller_on_packets (s->controller, s->now_us, s->reports[before].packets, s->reports[before].n);
  }
  mlo_controller_react (s->controller, s->now_us);
}

static void
stream_run (Stream * s, double seconds)
{
  gint64 end = s->now_us + (gint64) (seconds * 1e6);
  gint64 last_frame = 0, last_rr = s->now_us;

  for (; s->now_us < end; s->now_us += 1000) {
    const MloDecision *d = mlo_controller_decision (s->controller);

    while (s->count > 0 && s->reports[s->head].at_us <= s->now_us) {
      if (!s->receiver_reports)
        tell_report (s);
      s->head = (s->head + 1) % REPORTS;
      s->count--;
    }
    if (s->receiver_reports && s->now_us - last_rr >= 100000) {
      MloReceiverReport r = {
        .rtt_ms = s->report_rtt_ms > 0.0 ? s->report_rtt_ms : 40.0 + MAX (0.0,
            (double) (s->busy_until_us - s->now_us) / 1000.0),
        .jitter_ms = 1.0,.fraction_lost = s->report_loss,.received_kbps = -1.0,
      };

      last_rr = s->now_us;
      mlo_controller_on_receiver_report (s->controller, s->now_us, &r);
      mlo_controller_react (s->controller, s->now_us);
    }
    if (s->now_us - last_frame >= (d->probe_interval_us > 0 ? d->probe_interval_us : 16667)) {
      guint64 flight = 0;

      for (guint i = 0; i < s->count; i++) {
        for (guint k = 0; k < s->reports[(s->head + i) % REPORTS].n; k++)
          flight += s->reports[(s->head + i) % REPORTS].packets[k].size;
      }
      last_frame = s->now_us;
      if (d->probe_interval_us > 0 || flight <= d->window_bytes)
        send_frame (s);
      else
        s->skipped++;
    }
    if (s->now_us >= s->next_tick_us) {
      s->next_tick_us += 100000;
      mlo_controller_tick (s->controller, s->now_us, &s->local);
    }
  }
}

static MloControllerConfig
config_of (double start_kbps)
{
  MloControllerConfig c = mlo_controller_config_default;

  c.limits = mlo_limits_default;
  c.limits.start_bitrate_kbps = start_kbps;
  c.source = (MloSource) {
  1280, 720, 60.0};
  c.traits = mlo_actuator_traits_default;
  return c;
}

static void
test_no_feedback (void)
{
  MloControllerConfig c = config_of (2500.0);
  Stream s;

  stream_init (&s, &c, 8000.0);
  s.dead = TRUE;
  stream_run (&s, 10.0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, ==, 2500.0);
  g_assert_cmpint (mlo_controller_decision (s.controller)->state, ==, MLO_GUARD_HOLD);
  g_assert_cmpuint (mlo_controller_decision (s.controller)->window_bytes, ==, G_MAXUINT64);
  g_assert_cmpuint (s.skipped, ==, 0);
  stream_clear (&s);
}

/* Feedback that comes more than once says nothing more, whatever the link does. */
static void
test_told_twice (void)
{
  static const double link_kbps[] = { 8000.0, 2000.0, 5000.0, 12000.0 };
  MloControllerConfig c = config_of (2500.0);
  Stream once, twice;

  stream_init (&once, &c, 8000.0);
  stream_init (&twice, &c, 8000.0);
  twice.twice = TRUE;
  for (guint i = 0; i < 200; i++) {
    const MloDecision *a = mlo_controller_decision (once.controller), *b = mlo_controller_decision (twice.controller);

    once.kbps = twice.kbps = link_kbps[i / 50];
    stream_run (&once, 0.1);
    stream_run (&twice, 0.1);
    g_assert_cmpfloat (a->capacity_kbps, ==, b->capacity_kbps);
    g_assert_cmpfloat (a->bitrate_kbps, ==, b->bitrate_kbps);
    g_assert_cmpuint (a->window_bytes, ==, b->window_bytes);
  }
  g_assert_cmpfloat (mlo_controller_decision (once.controller)->capacity_kbps, >, 0.0);
  stream_clear (&once);
  stream_clear (&twice);
}

static double
rate_after (Stream * s, double max_kbps)
{
  MloLimits l = mlo_limits_default;

  l.start_bitrate_kbps = 2500.0;
  l.max_bitrate_kbps = max_kbps;
  mlo_controller_set_limits (s->controller, &l);
  stream_run (s, 1.0);
  g_assert_cmpint (mlo_controller_decision (s->controller)->state, ==, MLO_GUARD_HOLD);
  return mlo_controller_decision (s->controller)->bitrate_kbps;
}

/* Limits that come and go leave the start bitrate as it was, over a pause too; the application's choice is another. */
static void
test_start_stays (void)
{
  MloControllerConfig c = config_of (2500.0);
  MloDecision taken;
  Stream s;

  stream_init (&s, &c, 8000.0);
  s.dead = TRUE;
  stream_run (&s, 1.0);
  g_assert_cmpfloat (rate_after (&s, 1000.0), ==, 1000.0);
  g_assert_cmpfloat (rate_after (&s, 20000.0), ==, 2500.0);
  g_assert_cmpfloat (rate_after (&s, 1000.0), ==, 1000.0);
  mlo_controller_reset (s.controller);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, ==, 1000.0);
  g_assert_cmpfloat (rate_after (&s, 20000.0), ==, 2500.0);

  taken = *mlo_controller_decision (s.controller);
  taken.height = 360;
  mlo_controller_override (s.controller, &taken);
  g_assert_cmpfloat (rate_after (&s, 1000.0), ==, 1000.0);
  g_assert_cmpfloat (rate_after (&s, 20000.0), ==, 2500.0);
  taken.bitrate_kbps = 700.0;
  mlo_controller_override (s.controller, &taken);
  g_assert_cmpfloat (rate_after (&s, 20000.0), ==, 700.0);
  stream_clear (&s);

  /* a start above the limit waits for it to rise */
  c.limits.max_bitrate_kbps = 1000.0;
  stream_init (&s, &c, 8000.0);
  s.dead = TRUE;
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, ==, 1000.0);
  g_assert_cmpfloat (rate_after (&s, 1500.0), ==, 1500.0);
  g_assert_cmpfloat (rate_after (&s, 20000.0), ==, 2500.0);
  stream_clear (&s);
}

static void
test_rules_find_the_link (void)
{
  MloControllerConfig c = config_of (1000.0);
  const MloSample *m;
  Stream s;

  stream_init (&s, &c, 8000.0);
  stream_run (&s, 10.0);
  m = mlo_controller_sample (s.controller);
  g_assert_cmpint (mlo_controller_decision (s.controller)->state, ==, MLO_GUARD_FALLBACK);
  g_assert_cmpfloat (m->bandwidth_kbps, >, 7500.0);
  g_assert_cmpfloat (m->bandwidth_kbps, <, 8500.0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, >, 6000.0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, <, 8000.0);
  g_assert_cmpfloat (m->queue_delay_ms, <, 30.0);
  stream_clear (&s);
}

/* 8 -> 2 -> 8 Mbit/s by rule alone: below 2 within 300 ms of the first late report, little queue, back above 7 in time. */
static void
test_step (void)
{
  MloControllerConfig c = config_of (7000.0);
  double after;
  Stream s;

  stream_init (&s, &c, 8000.0);
  stream_run (&s, 5.0);
  s.kbps = 2000.0;
  s.peak_queue_ms = 0.0;
  for (after = 0.0; after < 2.0 && mlo_controller_decision (s.controller)->bitrate_kbps >= 2000.0; after += 0.01)
    stream_run (&s, 0.01);
  g_test_message ("below the new capacity after %.0f ms, peak queue %.0f ms, %u frames skipped", after * 1000.0,
      s.peak_queue_ms, s.skipped);
  /* 40 ms of path and one frame's service at the lower rate (58 ms) go by before anything can be known. */
  g_assert_cmpfloat (after, <=, 0.3);
  stream_run (&s, 5.0);
  /* No loss with a queue of 150 kB. */
  g_assert_cmpfloat (s.peak_queue_ms * 2000.0 / 8.0, <, 150000.0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, <, 2000.0);
  s.kbps = 8000.0;
  stream_run (&s, 4.0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, >, 6500.0);
  stream_clear (&s);
}

static void
test_outage (void)
{
  MloControllerConfig c = config_of (4000.0);
  guint sent;
  Stream s;

  stream_init (&s, &c, 8000.0);
  stream_run (&s, 5.0);
  s.dead = TRUE;
  stream_run (&s, 2.0);
  g_assert_cmpint (mlo_controller_decision (s.controller)->state, ==, MLO_GUARD_FALLBACK);
  g_assert_cmpint (mlo_controller_decision (s.controller)->probe_interval_us, ==, 200000);
  sent = s.frames;
  stream_run (&s, 2.0);
  g_assert_cmpuint (s.frames - sent, <=, 11);
  g_assert_cmpuint (s.frames - sent, >=, 9);
  s.dead = FALSE;
  stream_run (&s, 3.0);
  g_assert_cmpint (mlo_controller_decision (s.controller)->probe_interval_us, ==, 0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, >, 3000.0);
  stream_clear (&s);
}

static void
test_receiver_reports_only (void)
{
  MloControllerConfig c = config_of (1000.0);
  double free_rate;
  Stream s;

  stream_init (&s, &c, 100000.0);
  s.receiver_reports = TRUE;
  stream_run (&s, 5.0);
  free_rate = mlo_controller_decision (s.controller)->bitrate_kbps;
  g_assert_cmpint (mlo_controller_decision (s.controller)->state, ==, MLO_GUARD_FALLBACK);
  g_assert_cmpfloat (free_rate, >, 3000.0);
  g_assert_cmpuint (mlo_controller_decision (s.controller)->window_bytes, ==, G_MAXUINT64);
  s.report_rtt_ms = 250.0;
  stream_run (&s, 2.0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, <, 0.6 * free_rate);
  stream_clear (&s);
}

static void
test_limits (void)
{
  MloControllerConfig c = config_of (2000.0);
  MloLimits l = c.limits;
  Stream s;

  stream_init (&s, &c, 50000.0);
  stream_run (&s, 10.0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, ==, 20000.0);
  g_assert_cmpint (mlo_controller_decision (s.controller)->limiter, ==, MLO_LIMITER_USER);
  l.max_bitrate_kbps = 3000.0;
  mlo_controller_set_limits (s.controller, &l);
  stream_run (&s, 0.2);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, ==, 3000.0);
  l.adapt = 0;
  mlo_controller_set_limits (s.controller, &l);
  s.kbps = 1000.0;
  stream_run (&s, 3.0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, ==, 3000.0);
  g_assert_cmpint (mlo_controller_decision (s.controller)->height, ==, 0);
  stream_clear (&s);
}

static void
test_override (void)
{
  MloControllerConfig c = config_of (2000.0);
  MloDecision taken;
  Stream s;

  stream_init (&s, &c, 50000.0);
  stream_run (&s, 2.0);
  taken = *mlo_controller_decision (s.controller);
  taken.bitrate_kbps = 700.0;
  taken.width = 854;
  taken.height = 480;
  taken.fps = 30.0;
  mlo_controller_override (s.controller, &taken);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, ==, 700.0);
  g_assert_cmpint (mlo_controller_decision (s.controller)->height, ==, 480);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->fps, ==, 30.0);
  stream_clear (&s);
}

/* The predictor's word is followed, and nonsense from it is not. */
static double
predict (gpointer user_data, const MloSample * sample, double predicted_kbps)
{
  return *(double *) user_data;
}

static void
test_networks_word (void)
{
  MloControllerConfig c = config_of (2000.0);
  double word = 5000.0;
  Stream s;

  c.predict = predict;
  c.user_data = &word;
  stream_init (&s, &c, 8000.0);
  stream_run (&s, 4.0);
  g_assert_cmpint (mlo_controller_decision (s.controller)->state, ==, MLO_GUARD_NORMAL);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, ==, 5000.0);
  word = NAN;
  stream_run (&s, 1.0);
  g_assert_cmpint (mlo_controller_decision (s.controller)->state, ==, MLO_GUARD_FALLBACK);
  word = 1e9;
  stream_run (&s, 3.0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, <, 9500.0);
  stream_clear (&s);
}

/* A server tells of its path every 100 ms: link, backlog, what it sends. */
typedef struct
{
  MloController *controller;
  MloSample metrics;
  gint64 now_us;
} Told;

static void
told_init (Told * t, const MloControllerConfig * config, double capacity_kbps)
{
  memset (t, 0, sizeof *t);
  t->controller = mlo_controller_new (config);
  t->now_us = 10 * G_USEC_PER_SEC;
  mlo_sample_set (&t->metrics, MLO_FIELD_LATENCY, 40.0);
  mlo_sample_set (&t->metrics, MLO_FIELD_QUEUE_DELAY, 0.0);
  mlo_sample_set (&t->metrics, MLO_FIELD_JITTER, 2.0);
  mlo_sample_set (&t->metrics, MLO_FIELD_PACKET_LOSS, 0.0);
  mlo_sample_set (&t->metrics, MLO_FIELD_BANDWIDTH, capacity_kbps);
  mlo_sample_set (&t->metrics, MLO_FIELD_FPS, 60.0);
}

static const MloDecision *
told_run (Told * t, guint ticks)
{
  for (guint i = 0; i < ticks; i++) {
    t->now_us += 100000;
    mlo_controller_on_metrics (t->controller, t->now_us, &t->metrics);
    mlo_controller_tick (t->controller, t->now_us, &t->metrics);
  }
  return mlo_controller_decision (t->controller);
}

static void
test_metrics_are_feedback (void)
{
  MloControllerConfig c = config_of (2000.0);
  double word = 5000.0;
  const MloDecision *d;
  Told t;

  c.predict = predict;
  c.user_data = &word;
  told_init (&t, &c, 8000.0);
  d = told_run (&t, 20);
  g_assert_cmpint (d->state, ==, MLO_GUARD_NORMAL);
  g_assert_cmpfloat (d->bitrate_kbps, ==, 5000.0);
  g_assert_cmpfloat (d->capacity_kbps, ==, 8000.0);
  g_assert_cmpfloat (d->confidence, >, 0.9);
  g_assert_cmpuint (d->window_bytes, ==, G_MAXUINT64);

  /* A fall with a queue is acted on before the next tick. */
  mlo_sample_set (&t.metrics, MLO_FIELD_QUEUE_DELAY, 40.0);
  mlo_sample_set (&t.metrics, MLO_FIELD_LATENCY, 80.0);
  mlo_sample_set (&t.metrics, MLO_FIELD_BANDWIDTH, 3000.0);
  mlo_controller_on_metrics (t.controller, t.now_us + 20000, &t.metrics);
  d = mlo_controller_react (t.controller, t.now_us + 20000);
  g_assert_nonnull (d);
  g_assert_cmpint (d->state, ==, MLO_GUARD_BACKOFF);
  g_assert_cmpfloat (d->bitrate_kbps, <, 3000.0);
  g_assert_cmpfloat (mlo_controller_sample (t.controller)->bandwidth_kbps, ==, 3000.0);

  /* A server that sends something else than what was decided: its word is in the observation. */
  mlo_sample_set (&t.metrics, MLO_FIELD_BITRATE, 7777.0);
  told_run (&t, 1);
  g_assert_cmpfloat (mlo_controller_sample (t.controller)->bitrate_kbps, ==, 7777.0);

  /* Nothing is told of the path any more: half, and no prediction. */
  t.metrics.valid = 1u << MLO_FIELD_FPS;
  d = told_run (&t, 1);
  g_assert_cmpint (d->state, ==, MLO_GUARD_FALLBACK);
  g_assert_cmpint (d->limiter, ==, MLO_LIMITER_NETWORK);
  g_assert_cmpfloat (d->predicted_kbps, <, 0.0);
  mlo_controller_free (t.controller);
}

static void
test_metrics_by_rule (void)
{
  MloControllerConfig c = config_of (1000.0);
  const MloDecision *d;
  double held;
  Told t;

  told_init (&t, &c, 8000.0);
  d = told_run (&t, 100);
  g_assert_cmpint (d->state, ==, MLO_GUARD_FALLBACK);
  g_assert_cmpfloat (d->bitrate_kbps, >, 6500.0);
  g_assert_cmpfloat (d->bitrate_kbps, <, 8000.0);

  /* A fifth is lost and no queue is told: the capacity told is wrong. */
  mlo_sample_set (&t.metrics, MLO_FIELD_PACKET_LOSS, 0.2);
  held = d->bitrate_kbps;
  g_assert_cmpfloat (told_run (&t, 20)->bitrate_kbps, <, 0.3 * held);
  mlo_sample_set (&t.metrics, MLO_FIELD_PACKET_LOSS, 0.0);

  /* Without a capacity it rises, but not on bytes that the server says it does not send. */
  mlo_sample_set (&t.metrics, MLO_FIELD_BANDWIDTH, 0.0);
  d = told_run (&t, 100);
  g_assert_cmpfloat (d->bitrate_kbps, >, 8000.0);
  g_assert_cmpfloat (d->capacity_kbps, <=, 0.0);
  held = d->bitrate_kbps;
  mlo_sample_set (&t.metrics, MLO_FIELD_BITRATE, 1000.0);
  g_assert_cmpfloat (told_run (&t, 20)->bitrate_kbps, ==, held);
  mlo_controller_free (t.controller);
}

/* Feedback per packet is nearer to the truth. */
static void
test_packets_over_metrics (void)
{
  MloControllerConfig c = config_of (1000.0);
  Stream s;
  Told t;

  told_init (&t, &c, 50000.0);
  mlo_controller_free (t.controller);
  stream_init (&s, &c, 8000.0);
  stream_run (&s, 3.0);
  for (guint i = 0; i < 50; i++) {
    mlo_controller_on_metrics (s.controller, s.now_us, &t.metrics);
    stream_run (&s, 0.1);
  }
  g_assert_cmpfloat (mlo_controller_sample (s.controller)->bandwidth_kbps, <, 8500.0);
  g_assert_cmpfloat (mlo_controller_decision (s.controller)->bitrate_kbps, <, 8000.0);
  stream_clear (&s);
}

/* An encoder that puts out 5 Mbit/s whatever it is told, on a link of 3: pictures get smaller. */
static void
test_deaf_encoder (void)
{
  MloControllerConfig c = config_of (2000.0);
  MloActuatorTraits traits = c.traits;
  const MloDecision *d;
  Stream s;

  stream_init (&s, &c, 3000.0);
  stream_run (&s, 3.0);
  traits.deaf = TRUE;
  mlo_controller_set_traits (s.controller, &traits);
  mlo_sample_set (&s.local, MLO_FIELD_ENCODED, 5000.0);
  stream_run (&s, 5.0);
  d = mlo_controller_decision (s.controller);
  g_assert_cmpint (d->height, >, 0);
  g_assert_cmpint (d->height, <, 720);
  g_assert_cmpint (d->limiter, ==, MLO_LIMITER_ENCODER);
  g_assert_cmpuint (d->action_mask, ==, 1u << MLO_ACTION_NONE);
  stream_run (&s, 60.0);
  g_assert_cmpint (d->height, ==, mlo_limits_default.min_height);
  g_assert_cmpfloat (d->fps, ==, mlo_limits_default.min_fps);
  stream_clear (&s);
}

#if COUNT_ALLOCATIONS
static void
test_allocates_nothing (void)
{
  MloControllerConfig c = config_of (2000.0);
  g_autoptr (MloBitratePredictor) p = NULL;
  g_autoptr (MloQualityOptimizer) q = NULL;
  MloRandom random;
  Stream s;
  guint before;

  mlo_random_seed (&random, 1);
  p = mlo_bitrate_predictor_new (&(MloPredictorConfig) {
      .hidden = 32,.layers = 2,.form = MLO_FORM_STREAM,.scaling = mlo_scaling_log_default,.min_kbps =
        100.0,.max_kbps = 50000.0,.interval_ms = 100,}, &random);
  q = mlo_quality_optimizer_new (&(MloOptimizerConfig) {
      .scaling = mlo_scaling_log_default}, &random);
  c.predictor = p;
  c.optimizer = q;
  stream_init (&s, &c, 8000.0);
  before = allocations;
  stream_run (&s, 20.0);
  s.kbps = 1000.0;
  stream_run (&s, 10.0);
  g_assert_cmpuint (allocations, ==, before);
  stream_clear (&s);
}
#endif

/* An optimizer that never does anything: the picture comes back to its full size on a wide link all the same. */
static void
test_insists (void)
{
  MloRandom random;
  MloOptimizerConfig config = {.scaling = mlo_scaling_log_default,.margin = 1e5 };
  g_autoptr (MloQualityOptimizer) idle = NULL;
  MloControllerConfig c = config_of (2000.0);
  MloDecision small;
  Stream s;

  mlo_random_seed (&random, 1);
  idle = mlo_quality_optimizer_new (&config, &random);
  c.optimizer = idle;
  stream_init (&s, &c, 20000.0);
  stream_run (&s, 1.0);
  small = *mlo_controller_decision (s.controller);
  small.width = 640;
  small.height = 360;
  mlo_controller_override (s.controller, &small);
  g_assert_cmpint (mlo_controller_decision (s.controller)->height, ==, 360);
  stream_run (&s, 60.0);
  g_assert_cmpint (mlo_controller_decision (s.controller)->height, ==, 0);
  stream_clear (&s);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/controller/no-feedback", test_no_feedback);
  g_test_add_func ("/controller/told-twice", test_told_twice);
  g_test_add_func ("/controller/start-stays", test_start_stays);
  g_test_add_func ("/controller/rules-find-the-link", test_rules_find_the_link);
  g_test_add_func ("/controller/step", test_step);
  g_test_add_func ("/controller/outage", test_outage);
  g_test_add_func ("/controller/receiver-reports-only", test_receiver_reports_only);
  g_test_add_func ("/controller/limits", test_limits);
  g_test_add_func ("/controller/override", test_override);
  g_test_add_func ("/controller/networks-word", test_networks_word);
  g_test_add_func ("/controller/metrics-are-feedback", test_metrics_are_feedback);
  g_test_add_func ("/controller/metrics-by-rule", test_metrics_by_rule);
  g_test_add_func ("/controller/packets-over-metrics", test_packets_over_metrics);
  g_test_add_func ("/controller/insists", test_insists);
  g_test_add_func ("/controller/deaf-encoder", test_deaf_encoder);
#if COUNT_ALLOCATIONS
  g_test_add_func ("/controller/allocates-nothing", test_allocates_nothing);
#endif
  return g_test_run ();
}
