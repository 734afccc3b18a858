/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-link.h"

/*
 * The queue is one number. With P(t) the bytes the trace carries in [0, t), a packet of b bytes that
 * arrives at t leaves when the position reaches
 *
 *   E = max (E_before, P(t)) + b,
 *
 * that is at P^-1(E), and what waits at t is max (0, E - P(t)). No rounding adds up, as E is never
 * turned into a time and back.
 */

/* Cross traffic comes in lumps of so much time, far below a frame. */
#define CROSS_STEP_US 2000
/* It is on for so long in the mean, and off; its rate while on is drawn anew each time. */
#define CROSS_ON_S 3.0
#define CROSS_OFF_S 4.0
#define CROSS_SIGMA 0.6
/* Memory of the jitter process. */
#define JITTER_TAU_US 20000.0

struct _MloLink
{
  MloLinkConfig config;
  const MloTrace *trace;
  MloRandom random;             /* the packets' losses and jitter */
  MloRandom cross_random;       /* its own, so that the cross traffic does not depend on what we send */
  double end;                   /* E: position at which all that waits has left */
  gint64 now_us;                /* of @position */
  double shaped;                /* bytes that the shaper's rate has carried when all that came has left it */
  double position;
  guint position_hint, time_hint;
  gint64 last_delivery_us;
  gboolean bad;                 /* Gilbert's state */
  double to_bad, to_good;       /* chances of changing it, a packet */
  double jitter;                /* Ornstein-Uhlenbeck, variance 1 */
  gint64 jitter_us;
  gboolean cross_on;
  double cross_lump;            /* bytes */
  gint64 cross_next_us, cross_toggle_us;
  MloLinkStats stats;
};

const MloLinkConfig mlo_link_config_default = {
  .delay_ms = 20.0,
  .queue_bytes = 150000.0,
  .burst_length = 5.0,
};

static void
toggle_cross (MloLink * link)
{
  MloRandom *random = &link->cross_random;

  link->cross_on = !link->cross_on;
  if (link->cross_on) {
    /* Lognormal with mean 1 around what makes the mean over on and off right. */
    double rate = link->config.cross_kbps * (CROSS_ON_S + CROSS_OFF_S) / CROSS_ON_S
        * exp (CROSS_SIGMA * mlo_random_normal (random) - 0.5 * CROSS_SIGMA * CROSS_SIGMA);

    link->cross_lump = rate * CROSS_STEP_US / 8000.0;
  }
  link->cross_next_us = link->cross_toggle_us;
  link->cross_toggle_us += 1 + (gint64) (1e6 * mlo_random_exponential (random,
          link->cross_on ? CROSS_ON_S : CROSS_OFF_S));
}

MloLink *
mlo_link_new (const MloLinkConfig * config, const MloTrace * trace, guint64 seed)
{
  MloLink *link = g_new0 (MloLink, 1);
  double share = CLAMP (config->burst_loss, 0.0, 0.9);

  link->config = *config;
  link->trace = trace;
  mlo_random_seed (&link->random, seed);
  mlo_random_seed (&link->cross_random, ~seed);
  link->to_good = 1.0 / MAX (config->burst_length, 1.0);
  link->to_bad = link->to_good * share / (1.0 - share);
  link->now_us = -1;
  link->shaped = -config->shaper_bytes;
  link->jitter = mlo_random_normal (&link->random);
  link->cross_on = TRUE;
  toggle_cross (link);          /* starts off, for a random time from 0 */
  return link;
}

void
mlo_link_free (MloLink * link)
{
  g_free (link);
}

static void
enter (MloLink * link, double position, double bytes)
{
  link->end = MAX (link->end, position) + bytes;
}

static gboolean
fits (const MloLink * link, double position, double bytes)
{
  double backlog = link->end - position;

  return backlog <= 0.0 || backlog + bytes <= link->config.queue_bytes;
}

static void
advance_cross (MloLink * link, gint64 now_us)
{
  while (link->cross_toggle_us <= now_us || (link->cross_on && link->cross_next_us <= now_us)) {
    if (!link->cross_on || link->cross_next_us >= link->cross_toggle_us) {
      toggle_cross (link);
      continue;
    }
    {
      double position = mlo_trace_position (link->trace, link->cross_next_us, &link->position_hint);

      if (fits (link, position, link->cross_lump)) {
        enter (link, position, link->cross_lump);
        link->stats.cross_bytes += (guint64) link->cross_lump;
      }
    }
    link->cross_next_us += CROSS_STEP_US;
  }
}

static void
advance (MloLink * link, gint64 now_us)
{
  if (now_us == link->now_us)
    return;
  if (link->config.cross_kbps > 0.0)
    advance_cross (link, now_us);
  link->now_us = now_us;
  link->position = mlo_trace_position (link->trace, now_us, &link->position_hint);
}

/*
 * The token bucket: with r t the bytes its rate carries in [0, t) and a bucket of B bytes, a packet of b bytes that
 * comes at t leaves when r t reaches F = max (F_before, r t - B) + b.
 */
static double
shaper_position (const MloLink * link, gint64 now_us)
{
  return link->config.shaper_kbps * (double) now_us / 8000.0;
}

static double
shaper_backlog (const MloLink * link, gint64 now_us)
{
  return link->config.shaper_kbps > 0.0 ? MAX (link->shaped - shaper_position (link, now_us), 0.0) : 0.0;
}

/* When the packet leaves the shaper; FALSE where it does not fit. */
static gboolean
shape (MloLink * link, gint64 now_us, double bytes, double *leaves_us)
{
  double waits = shaper_backlog (link, now_us);

  *leaves_us = (double) now_us;
  if (link->config.shaper_kbps <= 0.0)
    return TRUE;
  if (waits > 0.0 && waits + bytes > link->config.queue_bytes)
    return FALSE;
  link->shaped = MAX (link->shaped, shaper_position (link, now_us) - link->config.shaper_bytes) + bytes;
  *leaves_us = MAX ((double) now_us, link->shaped * 8000.0 / link->config.shaper_kbps);
  return TRUE;
}

static gboolean
is_lost (MloLink * link, double random_loss)
{
  gboolean lost = FALSE;

  if (link->to_bad > 0.0) {
    if (mlo_random_chance (&link->random, link->bad ? link->to_good : link->to_bad))
      link->bad = !link->bad;
    lost = link->bad;
  }
  if (random_loss > 0.0 && mlo_random_chance (&link->random, random_loss))
    lost = TRUE;
  return lost;
}

/* Half of a normal process that moves in time, not from packet to packet: packets of one burst are
 * delayed alike. Its deviation about its own mean is jitter_ms: |x| has deviation sqrt (1 - 2 / pi). */
static double
jitter_us (MloLink * link, gint64 now_us)
{
  if (now_us != link->jitter_us) {
    double keep = exp (-(double) (now_us - link->jitter_us) / JITTER_TAU_US);

    link->jitter = link->jitter * keep + sqrt (1.0 - keep * keep) * mlo_random_normal (&link->random);
    link->jitter_us = now_us;
  }
  return link->config.jitter_ms * 1000.0 * fabs (link->jitter) / 0.6028;
}

gint64
mlo_link_send (MloLink * link, gint64 now_us, guint32 ip_bytes)
{
  const MloLinkConfig *c = &link->config;
  double at, leaves_us, delay_ms = c->delay_ms, loss = c->random_loss;
  gint64 delivery;

  advance (link, now_us);
  link->stats.packets++;
  link->stats.bytes += ip_bytes;
  if (!fits (link, link->position, ip_bytes) || !shape (link, now_us, ip_bytes, &leaves_us)) {
    link->stats.queue_full++;
    return MLO_LINK_QUEUE_FULL;
  }
  enter (link, link->position, ip_bytes);

  at = mlo_trace_time_of (link->trace, link->end, &link->time_hint);
  if (!(at < 4e18))
    return G_MAXINT64;
  /* the line behind it is faster by far, so what waits for tokens does not wait again */
  at = MAX (at, leaves_us);
  if (c->use_trace_rtt) {
    const MloTraceRow *row = mlo_trace_at (link->trace, (gint64) at);

    if (row->rtt_ms >= 0.0f)
      delay_ms = 0.5 * row->rtt_ms;
    if (row->loss > 0.0f)
      loss = 1.0 - (1.0 - loss) * (1.0 - row->loss);
  }
  /* Lost behind the queue: it has used the link all the same. */
  if (is_lost (link, loss)) {
    link->stats.lost++;
    return MLO_LINK_LOST;
  }
  at += delay_ms * 1000.0;
  if (c->jitter_ms > 0.0)
    at += jitter_us (link, now_us);
  if (c->grid_ms > 0.0)
    at = ceil (at / (c->grid_ms * 1000.0) - 1e-9) * c->grid_ms * 1000.0;
  delivery = MAX ((gint64) ceil (at - 1e-3), now_us);
  delivery = MAX (delivery, link->last_delivery_us);
  link->last_delivery_us = delivery;
  return delivery;
}

double
mlo_link_backlog_bytes (MloLink * link, gint64 now_us)
{
  advance (link, now_us);
  return MAX (link->end - link->position, 0.0) + shaper_backlog (link, now_us);
}

gint64
mlo_link_wait_us (MloLink * link, gint64 now_us)
{
  double at;

  if (mlo_link_backlog_bytes (link, now_us) <= 0.0)
    return 0;
  if (link->end <= link->position)
    return (gint64) ceil (shaper_backlog (link, now_us) * 8000.0 / link->config.shaper_kbps);
  at = mlo_trace_time_of (link->trace, link->end, &link->time_hint);
  return at < 4e18 ? MAX ((gint64) ceil (at - 1e-3) - now_us, 0) : G_MAXINT64;
}

double
mlo_link_offered_bytes (MloLink * link, gint64 now_us)
{
  return mlo_trace_position (link->trace, now_us, NULL);
}

const MloLinkStats *
mlo_link_stats (const MloLink * link)
{
  return &link->stats;
}
