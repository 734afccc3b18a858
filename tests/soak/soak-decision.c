/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hours of the decision loop in minutes: the simulator's links one after the other, five minutes each, with one controller
 * that lives through all of them, and with feedback that is lost, told twice, shuffled, or nonsense.
 *   soak-decision [--minutes N] [--seed N] [--csv FILE]     N of stream time, 120 if not given
 * Exit code 0 only where its memory is flat, no decision leaves the limits and each is there in its time. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "mlo-controller.h"
#include "mlo-env.h"
#include "mlo-rollout.h"
#include "soak-meter.h"

#define EPISODE_S 300.0
#define INTERVAL_US 100000
#define MIN_KBPS 300.0
#define MAX_KBPS 20000.0
#define MOST_PACKETS 2048

typedef struct
{
  MloPolicy policy;
  MloPolicy *inner;
  MloRandom random;
  gint64 offset_us;             /* of this episode's time */
  guint spoil;                  /* how feedback is spoilt in this minute */
  gint64 next_spoil_us, last_tick_us, longest_gap_us;
  guint64 decisions, reports, spoilt;
  MloPacket packets[MOST_PACKETS];
} Soak;

static const MloDecision *
check (Soak * s, const MloDecision * d)
{
  if (!d)
    return NULL;
  s->decisions++;
  if (!(d->bitrate_kbps >= MIN_KBPS && d->bitrate_kbps <= MAX_KBPS) || !isfinite (d->capacity_kbps)
      || !isfinite (d->fps) || d->window_bytes == 0)
    g_error ("a decision for %g kbit/s, capacity %g, fps %g, window %" G_GUINT64_FORMAT, d->bitrate_kbps,
        d->capacity_kbps, d->fps, d->window_bytes);
  return d;
}

static void
on_packets (MloPolicy * policy, gint64 now_us, const MloPacket * packets, guint n)
{
  Soak *s = (Soak *) policy;

  now_us += s->offset_us;
  if (now_us >= s->next_spoil_us) {
    /* three minutes of five are sound */
    s->spoil = mlo_random_chance (&s->random, 0.4) ? 1 + mlo_random_below (&s->random, 4) : 0;
    s->next_spoil_us = now_us + 60 * G_USEC_PER_SEC;
  }
  s->reports++;
  n = MIN (n, MOST_PACKETS);
  if (s->spoil)
    s->spoilt++;
  if (s->spoil == 1 && mlo_random_chance (&s->random, 0.7))
    return;
  for (guint i = 0; i < n; i++) {
    MloPacket *p = &s->packets[i];

    *p = packets[s->spoil == 2 ? mlo_random_below (&s->random, n) : i];
    p->send_us += s->offset_us;
    p->arrival_us += s->offset_us;
    if (s->spoil == 3 && mlo_random_chance (&s->random, 0.3)) {
      p->arrival_us = (gint64) mlo_random_u64 (&s->random);
      p->send_us = (gint64) mlo_random_u64 (&s->random);
      p->size = (guint32) mlo_random_u64 (&s->random);
    }
  }
  s->inner->klass->on_packets (s->inner, now_us, s->packets, n);
  if (s->spoil == 4)
    s->inner->klass->on_packets (s->inner, now_us, s->packets, n);
}

static void
on_frame_sent (MloPolicy * policy, gint64 now_us, guint32 bytes, gboolean keyframe)
{
  Soak *s = (Soak *) policy;

  s->inner->klass->on_frame_sent (s->inner, now_us + s->offset_us, bytes, keyframe);
}

static void
on_receiver_report (MloPolicy * policy, gint64 now_us, const MloReceiverReport * report)
{
  Soak *s = (Soak *) policy;

  s->inner->klass->on_receiver_report (s->inner, now_us + s->offset_us, report);
}

static const MloDecision *
tick (MloPolicy * policy, gint64 now_us, const MloSample * local)
{
  Soak *s = (Soak *) policy;
  MloSample sample = *local;

  sample.timestamp_us = now_us += s->offset_us;
  if (s->last_tick_us != 0)
    s->longest_gap_us = MAX (s->longest_gap_us, now_us - s->last_tick_us);
  s->last_tick_us = now_us;
  return check (s, s->inner->klass->tick (s->inner, now_us, &sample));
}

static const MloDecision *
react (MloPolicy * policy, gint64 now_us)
{
  Soak *s = (Soak *) policy;

  return check (s, s->inner->klass->react (s->inner, now_us + s->offset_us));
}

static const MloPolicyClass soak_class =
    { "soak", on_packets, on_frame_sent, on_receiver_report, tick, react, NULL, NULL };

static void
episode (Soak * s, guint64 seed)
{
  MloEnvConfig config;
  g_autoptr (MloTrace) trace =
      mlo_rollout_draw_link ((MloTraceKind) (seed % MLO_N_TRACE_KINDS), seed, EPISODE_S, &config);
  g_autoptr (MloEnv) env = NULL;
  MloEnvStep step;

  config.interval_us = INTERVAL_US;
  config.source.width = 1280;
  config.source.height = 720;
  config.source.fps = 60.0;
  config.limits.min_bitrate_kbps = MIN_KBPS;
  config.limits.max_bitrate_kbps = MAX_KBPS;
  env = mlo_env_new (&config, trace, seed);
  for (guint i = 0; i < (guint) (EPISODE_S * 1e6 / INTERVAL_US); i++)
    mlo_env_step (env, &s->policy, &step);
  s->offset_us += (gint64) (EPISODE_S * 1e6);
}

static MloController *
new_controller (const MloBitratePredictor * p, const MloQualityOptimizer * q)
{
  MloControllerConfig config = mlo_controller_config_default;

  config.limits = mlo_limits_default;
  config.limits.min_bitrate_kbps = MIN_KBPS;
  config.limits.max_bitrate_kbps = MAX_KBPS;
  config.source = (MloSource) {
  1280, 720, 60.0};
  config.traits = mlo_actuator_traits_default;
  config.interval_us = INTERVAL_US;
  config.predictor = p;
  config.optimizer = q;
  return mlo_controller_new (&config);
}

int
main (int argc, char **argv)
{
  double minutes = 120.0;
  gint64 seed = 1;
  g_autofree char *csv = NULL;
  const GOptionEntry options[] = {
    {"minutes", 0, 0, G_OPTION_ARG_DOUBLE, &minutes, "Minutes of stream time", "N"},
    {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Of links and faults", "N"},
    {"csv", 0, 0, G_OPTION_ARG_FILENAME, &csv, "Where the curve goes", "FILE"},
    {NULL}
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) points = g_array_new (FALSE, FALSE, sizeof (SoakPoint));
  Soak *s = g_new0 (Soak, 1);
  FILE *out = NULL;
  gboolean good = TRUE;

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || minutes < 1.0) {
    fprintf (stderr, "soak-decision: %s\n", error ? error->message : "--minutes wants one at least");
    return 2;
  }
  if (csv && !(out = fopen (csv, "w"))) {
    perror (csv);
    return 2;
  }
  {
    g_autoptr (MloBitratePredictor) p = mlo_bitrate_predictor_load (TEST_SOURCE
        "/models/bitrate_predictor.safetensors", &error);
    g_autoptr (MloQualityOptimizer) q = p ? mlo_quality_optimizer_load (TEST_SOURCE
        "/models/quality_optimizer.safetensors", &error) : NULL;
    MloController *controller;

    g_assert_no_error (error);
    controller = new_controller (p, q);
    s->policy.klass = &soak_class;
    s->inner = mlo_controller_policy (controller);
    mlo_random_seed (&s->random, (guint64) seed);
    if (out)
      fprintf (out, "minutes,heap_kib,rss_kib,threads,files,bitrate_kbps,capacity_kbps\n");
    for (guint i = 0; i * EPISODE_S / 60.0 < minutes; i++) {
      const MloDecision *d;
      SoakPoint point;

      episode (s, (guint64) seed * 100000 + i);
      soak_measure (&point, (i + 1) * EPISODE_S / 60.0);
      g_array_append_val (points, point);
      d = mlo_controller_decision (controller);
      if (out)
        fprintf (out, "%.1f,%.1f,%.0f,%u,%u,%.0f,%.0f\n", point.minutes, point.heap_kib, point.rss_kib, point.threads,
            point.files, d->bitrate_kbps, d->capacity_kbps);
    }
    mlo_controller_free (controller);
  }
  printf ("stream_minutes %.0f min\ndecisions %" G_GUINT64_FORMAT " 1\nreports %" G_GUINT64_FORMAT " 1\n"
      "reports_spoilt %" G_GUINT64_FORMAT " 1\n", s->offset_us / 60e6, s->decisions, s->reports, s->spoilt);
  good &= soak_judge_memory ((const SoakPoint *) points->data, points->len, FALSE);
  good &= soak_judge ("longest_decision_gap", (double) s->longest_gap_us / INTERVAL_US, 2.0, "intervals");
  if (out && fclose (out) != 0) {
    perror (csv);
    good = FALSE;
  }
  g_free (s);
  return good ? 0 : 1;
}
