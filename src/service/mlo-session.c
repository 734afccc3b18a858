/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-session.h"

#include <math.h>
#include <string.h>

#include "mlo-known.h"

/* A step without a predictor, which names its own. */
#define TICK_US 100000
/* Messages between two decisions whose times are kept apart. */
#define PENDING 16
/* A server has this long, or four usual intervals, to do what it is told. */
#define FOLLOW_US (5 * G_USEC_PER_SEC)
/* Its bitrate follows within this share of what was decided. */
#define FOLLOW_BITRATE 0.15
/* Servers have sizes of their own. */
#define FOLLOW_SIZE 0.1
/* A capacity within this share of what is sent, without a queue, and never more, is the rate that came through: we keep
 * 7 % below a capacity. */
#define RATE_LOW 0.9
#define RATE_HIGH 1.04
/* Seconds over which that is looked at. */
#define RATE_SMOOTH_S 1.0
/* A queue of this share of the target: what comes through is what the path carries. */
#define RATE_QUEUE 0.3
/* Frames are counted, not set: no closer than this. */
#define FOLLOW_FPS 0.2

/* What servers seldom tell and the networks never did without: as the simulator has it in the middle. A game's
 * pictures, as mlo_complexity() measures them, and a machine that is not short of anything. */
static const struct
{
  MloField field;
  double value;
} usual[] = {
  {MLO_FIELD_COMPLEXITY, MLO_USUAL_COMPLEXITY},
  {MLO_FIELD_CPU_USAGE, 0.25},
  {MLO_FIELD_MEMORY_USAGE, 0.4},
  {MLO_FIELD_ENCODE_TIME, 5.5},
  {MLO_FIELD_BUFFER_OCCUPANCY, 0.4},
  {MLO_FIELD_WIDTH, 1280.0},
  {MLO_FIELD_HEIGHT, 720.0},
};

/* Of the bytes on the path those that are the encoder's. */
#define PAYLOAD_SHARE 0.955

typedef struct
{
  gint64 at_us;                 /* on our clock */
  gint64 real_us;               /* the sender's; 0: none */
  MloSample sample;             /* with everything fresh at that time */
} Told;

struct _MloSession
{
  MloSessionConfig config;
  MloMessageLimits asked;
  MloController *controller;    /* NULL until the first metrics */
  MloKnown known;
  Told pending[PENDING];
  guint n_pending;
  Told in_force;                /* what the last tick had */
  gint64 tick_us;
  gboolean gap;                 /* the next tick does not go on from the last */
  gint64 next_tick_us;
  gint64 decided_us;            /* 0: never */
  MloDecision decision, before;
  MloSource source;
  /* Since when what is told differs from the source and from the decision; 0: it does not. */
  gint64 source_size_off_us, source_fps_off_us, size_off_us, fps_off_us, bitrate_off_us;
  /* Of the bitrates decided in this stretch of time and in the last. */
  double low_kbps, high_kbps, last_low_kbps, last_high_kbps;
  gint64 range_us;              /* when this one began; 0: none yet */
  double rate_ratio;            /* smoothed capacity told over what is sent; 0: not known */
  gint64 rate_us;               /* of its newest value */
  gboolean tells_rate;          /* what is told as capacity is no more than a rate */
  MloSessionIgnored ignored;
  MloSessionCounts counts;
};

MloSession *
mlo_session_new (const MloSessionConfig * config)
{
  MloSession *s = g_new0 (MloSession, 1);

  s->config = *config;
  s->tick_us = TICK_US;
  s->gap = TRUE;
  if (config->predictor)
    s->tick_us = CLAMP (mlo_bitrate_predictor_config (config->predictor)->interval_ms, 20, 1000) * 1000;
  s->asked.min_bitrate_kbps = config->limits.min_bitrate_kbps;
  s->asked.max_bitrate_kbps = config->limits.max_bitrate_kbps;
  s->asked.mode = config->observe;
  mlo_known_init (&s->known);
  return s;
}

void
mlo_session_free (MloSession * s)
{
  if (!s)
    return;
  mlo_controller_free (s->controller);
  g_free (s);
}

void
mlo_session_set_networks (MloSession * s, const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer)
{
  s->config.predictor = predictor;
  s->config.optimizer = optimizer;
  if (s->controller)
    mlo_controller_set_networks (s->controller, predictor, optimizer);
}

static gint64
patience_us (const MloSession * s, gint64 least_us, guint intervals)
{
  return mlo_known_patience_us (&s->known, least_us, intervals);
}

/* A silence: what was told before it says nothing of the path now. The limits, the pictures' size and what was
 * decided last stay. */
static void
begin_anew (MloSession * s)
{
  s->counts.gaps++;
  mlo_known_forget (&s->known);
  s->n_pending = 0;
  s->gap = TRUE;
  s->in_force.sample.valid = 0;
  s->next_tick_us = 0;
  s->size_off_us = s->fps_off_us = s->bitrate_off_us = s->source_size_off_us = s->source_fps_off_us = 0;
  if (s->controller)
    mlo_controller_reset (s->controller);
}

/* Frames a second as they are set, from what was counted. */
static double
nominal_fps (double fps)
{
  static const double rates[] = { 24, 25, 30, 48, 50, 60, 72, 75, 90, 100, 120, 144, 165, 240 };

  for (guint i = 0; i < G_N_ELEMENTS (rates); i++) {
    if (fabs (fps - rates[i]) <= 0.04 * rates[i])
      return rates[i];
  }
  return round (fps);
}

/* Whether something has been so for long enough; @since_us keeps the time. */
static gboolean
lasting (const MloSession * s, gint64 now_us, gboolean so, gint64 * since_us)
{
  if (!so)
    *since_us = 0;
  else if (*since_us == 0)
    *since_us = now_us;
  return so && now_us - *since_us > patience_us (s, FOLLOW_US, 4);
}

/* The pictures at their full: what is told while nothing less is asked for. A larger size counts at once; a smaller
 * one, and a frame rate, which is counted by the server, when it lasts. */
static void
measure_source (MloSession * s, gint64 now_us, const MloSample * sample)
{
  int width = (int) mlo_sample_get (sample, MLO_FIELD_WIDTH, 0.0);
  int height = (int) mlo_sample_get (sample, MLO_FIELD_HEIGHT, 0.0);
  double fps = nominal_fps (mlo_sample_get (sample, MLO_FIELD_FPS, 0.0));
  gboolean less = s->decision.height == 0 && height < s->source.height, other;

  if (width >= 2 && height >= 2 && (height > s->source.height || lasting (s, now_us, less, &s->source_size_off_us))) {
    s->source.width = width;
    s->source.height = height;
  }
  if (fps < 1.0)
    return;
  other = fps > (1.0 + FOLLOW_FPS) * s->source.fps
      || (s->decision.fps <= 0.0 && fps < (1.0 - FOLLOW_FPS) * s->source.fps);
  if (s->source.fps <= 0.0 || lasting (s, now_us, other, &s->source_fps_off_us))
    s->source.fps = fps;
}

/* Does the server call capacity what is only its own rate? To keep below that would lead it down step by step. */
static void
watch_capacity (MloSession * s, gint64 now_us, const MloSample * sample)
{
  double sent = mlo_sample_get (sample, MLO_FIELD_BITRATE, 0.0) / PAYLOAD_SHARE;
  double dt_s = (double) (now_us - s->rate_us) / 1e6, ratio;

  if (!mlo_sample_has (sample, MLO_FIELD_BANDWIDTH) || sent <= 0.0
      || mlo_sample_get (sample, MLO_FIELD_QUEUE_DELAY, 0.0) > RATE_QUEUE * s->config.limits.target_delay_ms)
    return;
  ratio = MIN (sample->bandwidth_kbps / sent, 2.0);
  if (s->rate_ratio <= 0.0 || dt_s > RATE_SMOOTH_S)
    s->rate_ratio = ratio;
  else
    s->rate_ratio += (ratio - s->rate_ratio) * dt_s / RATE_SMOOTH_S;
  s->rate_us = now_us;
  s->tells_rate = s->rate_ratio > RATE_LOW && s->rate_ratio < RATE_HIGH;
}

static void
note_decided (MloSession * s, gint64 now_us)
{
  double kbps = s->decision.bitrate_kbps;

  if (s->range_us == 0 || now_us - s->range_us > patience_us (s, FOLLOW_US, 4)) {
    s->last_low_kbps = s->range_us == 0 ? kbps : s->low_kbps;
    s->last_high_kbps = s->range_us == 0 ? kbps : s->high_kbps;
    s->low_kbps = s->high_kbps = kbps;
    s->range_us = now_us;
  }
  s->low_kbps = MIN (s->low_kbps, kbps);
  s->high_kbps = MAX (s->high_kbps, kbps);
}

static void
set_ignored (MloSession * s, MloAdapt what, gboolean ignored)
{
  s->ignored = ignored ? s->ignored | what : s->ignored & ~what;
}

/* Does the server do what it is told? Sizes and frame rates that it leaves alone are not asked for again. */
static void
watch_follow (MloSession * s, gint64 now_us, const MloSample * sample)
{
  const MloDecision *d = &s->decision;
  double kbps = mlo_sample_get (sample, MLO_FIELD_BITRATE, -1.0);
  double height = mlo_sample_get (sample, MLO_FIELD_HEIGHT, 0.0), fps = mlo_sample_get (sample, MLO_FIELD_FPS, 0.0);

  if (s->decided_us == 0 || s->asked.mode != 0)
    return;
  set_ignored (s, MLO_ADAPT_BITRATE, lasting (s, now_us, kbps >= 0.0
          && (kbps < (1.0 - FOLLOW_BITRATE) * MIN (s->low_kbps, s->last_low_kbps)
              || kbps > (1.0 + FOLLOW_BITRATE) * MAX (s->high_kbps, s->last_high_kbps)), &s->bitrate_off_us));
  if (lasting (s, now_us, d->height > 0 && height > (1.0 + FOLLOW_SIZE) * d->height, &s->size_off_us))
    s->ignored |= MLO_ADAPT_RESOLUTION;
  if (lasting (s, now_us, d->fps > 0.0 && fps > (1.0 + FOLLOW_FPS) * d->fps, &s->fps_off_us))
    s->ignored |= MLO_ADAPT_FRAMERATE;
}

static void
set_traits (MloSession * s)
{
  MloActuatorTraits traits = mlo_actuator_traits_default;
  MloDecision taken = *mlo_controller_decision (s->controller);

  traits.can_resolution = s->source.height > 0 && !(s->ignored & MLO_ADAPT_RESOLUTION);
  traits.can_framerate = s->source.fps > 0.0 && !(s->ignored & MLO_ADAPT_FRAMERATE);
  mlo_controller_set_traits (s->controller, &traits);
  if ((!traits.can_resolution && taken.height != 0) || (!traits.can_framerate && taken.fps > 0.0)) {
    taken.width = traits.can_resolution ? taken.width : 0;
    taken.height = traits.can_resolution ? taken.height : 0;
    taken.fps = traits.can_framerate ? taken.fps : 0.0;
    mlo_controller_override (s->controller, &taken);
  }
}

static void
current_limits (const MloSession * s, MloLimits * limits)
{
  *limits = s->config.limits;
  limits->min_bitrate_kbps = s->asked.min_bitrate_kbps;
  limits->max_bitrate_kbps = s->asked.max_bitrate_kbps;
}

static void
make_controller (MloSession * s, const MloSample * sample)
{
  MloControllerConfig config = mlo_controller_config_default;

  current_limits (s, &config.limits);
  if (config.limits.start_bitrate_kbps <= 0.0)
    config.limits.start_bitrate_kbps = mlo_sample_get (sample, MLO_FIELD_BITRATE, 0.0);
  config.source = s->source;
  config.traits = mlo_actuator_traits_default;
  config.interval_us = s->tick_us;
  config.predictor = s->config.predictor;
  config.optimizer = s->config.optimizer;
  config.seed = (guint64) s->next_tick_us;
  s->controller = mlo_controller_new (&config);
  s->decision = s->before = *mlo_controller_decision (s->controller);
}

void
mlo_session_metrics (MloSession * s, gint64 now_us, gint64 real_time_us, const MloSample * told)
{
  Told *slot;

  s->counts.messages++;
  if (mlo_known_arrived (&s->known, now_us))
    begin_anew (s);
  s->counts.late += mlo_known_merge (&s->known, now_us, real_time_us, told);
  if (s->n_pending == PENDING) {
    memmove (s->pending, s->pending + 1, (PENDING - 1) * sizeof *s->pending);
    s->n_pending--;
  }
  slot = &s->pending[s->n_pending++];
  slot->at_us = now_us;
  slot->real_us = real_time_us;
  mlo_known_observe (&s->known, now_us, &slot->sample);
  watch_capacity (s, now_us, &slot->sample);
  measure_source (s, now_us, &slot->sample);
  watch_follow (s, now_us, &slot->sample);
  if (!s->controller)
    make_controller (s, &slot->sample);
}

gint64
mlo_session_due_us (const MloSession * s)
{
  if (s->n_pending == 0)
    return G_MAXINT64;
  return s->decided_us == 0 ? s->pending[0].at_us : MAX (s->pending[0].at_us, s->decided_us + MLO_SESSION_GAP_US);
}

/* Messages that came in one go are put back to where their time stamps have them. */
static void
spread_pending (MloSession * s)
{
  const Told *newest = &s->pending[s->n_pending - 1];

  for (guint i = 0; i + 1 < s->n_pending; i++) {
    gint64 age = newest->real_us - s->pending[i].real_us;

    if (newest->real_us != 0 && s->pending[i].real_us != 0 && age > 0 && age <= MLO_KNOWN_LONGEST_US)
      s->pending[i].at_us = MIN (s->pending[i].at_us, newest->at_us - age);
  }
}

/* Bytes in flight over what a window would allow: rate times round trip over capacity times the same with a queue of
 * the target and a frame. */
static void
estimate_occupancy (const MloSession * s, MloSample * sample)
{
  double frame_ms = mlo_sample_get (sample, MLO_FIELD_FRAME_TIME, 16.7);
  double queue_ms = mlo_sample_get (sample, MLO_FIELD_QUEUE_DELAY, 0.0), base_ms;

  if (mlo_sample_has (sample, MLO_FIELD_BUFFER_OCCUPANCY) || !mlo_sample_has (sample, MLO_FIELD_LATENCY)
      || !mlo_sample_has (sample, MLO_FIELD_BANDWIDTH) || !mlo_sample_has (sample, MLO_FIELD_BITRATE))
    return;
  base_ms = MAX (sample->latency_ms - queue_ms, 0.0);
  mlo_sample_set (sample, MLO_FIELD_BUFFER_OCCUPANCY, MIN (1.0, sample->bitrate_kbps * sample->latency_ms
          / (PAYLOAD_SHARE * sample->bandwidth_kbps * (base_ms + s->config.limits.target_delay_ms + frame_ms))));
}

static void
step (MloSession * s, gint64 now_us, gboolean tick)
{
  MloSample sample = s->in_force.sample;

  estimate_occupancy (s, &sample);
  if (s->tells_rate
      && mlo_sample_get (&sample, MLO_FIELD_QUEUE_DELAY, 0.0) <= RATE_QUEUE * s->config.limits.target_delay_ms)
    mlo_sample_unset (&sample, MLO_FIELD_BANDWIDTH);
  /* Each server has a scale of its own; the optimizer learned with our estimate. */
  if (mlo_sample_has (&sample, MLO_FIELD_BITRATE) && mlo_sample_has (&sample, MLO_FIELD_FPS))
    mlo_sample_unset (&sample, MLO_FIELD_QUALITY_SCORE);
  for (guint i = 0; i < G_N_ELEMENTS (usual); i++) {
    if (!mlo_sample_has (&sample, usual[i].field))
      mlo_sample_set (&sample, usual[i].field, usual[i].value);
  }
  mlo_controller_on_metrics (s->controller, now_us, &sample);
  if (tick)
    mlo_controller_tick (s->controller, now_us, &sample);
  else
    mlo_controller_react (s->controller, now_us);
  s->decision = *mlo_controller_decision (s->controller);
  if (tick && s->config.tick && s->asked.mode == 0) {
    gboolean learns = s->config.tick (s->config.tick_data, s, s->controller, s->gap);

    mlo_controller_set_explore (s->controller, learns ? s->config.explore : 0.0);
    s->gap = FALSE;
  }
}

/* The ticks that are due: those gone by since the last decision, with what was known at their times, and one now
 * with the newest. */
static void
catch_up (MloSession * s, gint64 now_us)
{
  guint i = 0;

  if (s->next_tick_us == 0 || now_us - s->next_tick_us > MLO_KNOWN_LONGEST_US)
    s->next_tick_us = now_us;
  for (; s->next_tick_us + s->tick_us / 2 <= now_us; s->next_tick_us += s->tick_us) {
    while (i < s->n_pending && s->pending[i].at_us <= s->next_tick_us)
      s->in_force = s->pending[i++];
    step (s, s->next_tick_us, TRUE);
  }
  s->in_force = s->pending[s->n_pending - 1];
  if (now_us >= s->next_tick_us - s->tick_us / 2) {
    s->next_tick_us += s->tick_us;
    step (s, now_us, TRUE);
  } else
    step (s, now_us, FALSE);
}

const MloDecision *
mlo_session_decide (MloSession * s, gint64 now_us)
{
  MloLimits limits;

  g_return_val_if_fail (s->controller != NULL, NULL);
  s->before = s->decision;
  if (s->n_pending > 0) {
    current_limits (s, &limits);
    mlo_controller_set_limits (s->controller, &limits);
    mlo_controller_set_source (s->controller, &s->source);
    set_traits (s);
    spread_pending (s);
    catch_up (s, now_us);
    s->n_pending = 0;
  }
  note_decided (s, now_us);
  s->decided_us = now_us;
  s->counts.decisions++;
  return &s->decision;
}

const MloDecision *
mlo_session_before (const MloSession * s)
{
  return &s->before;
}

const MloSample *
mlo_session_sample (const MloSession * s)
{
  return &s->in_force.sample;
}

const MloSource *
mlo_session_source (const MloSession * s)
{
  return &s->source;
}

void
mlo_session_ask_limits (MloSession * s, const MloMessageLimits * asked)
{
  const MloLimits *user = &s->config.limits;
  double min = user->min_bitrate_kbps, max = user->max_bitrate_kbps;

  s->asked.max_bitrate_kbps = asked->max_bitrate_kbps >= 0.0 ? CLAMP (asked->max_bitrate_kbps, min, max) : max;
  s->asked.min_bitrate_kbps = asked->min_bitrate_kbps >= 0.0 ? CLAMP (asked->min_bitrate_kbps, min, max) : min;
  s->asked.min_bitrate_kbps = MIN (s->asked.min_bitrate_kbps, s->asked.max_bitrate_kbps);
  s->asked.mode = s->config.observe || asked->mode == 1;
}

void
mlo_session_get_limits (const MloSession * s, MloMessageLimits * limits)
{
  *limits = s->asked;
}

MloSessionIgnored
mlo_session_ignored (const MloSession * s)
{
  return s->ignored;
}

const MloSessionCounts *
mlo_session_counts (const MloSession * s)
{
  return &s->counts;
}

gint64
mlo_session_last_us (const MloSession * s)
{
  return s->known.last_us;
}
