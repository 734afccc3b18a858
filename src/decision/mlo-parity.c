/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-parity.h"

#include <math.h>
#include <string.h>

/* Of what a queue lost is told for so long after it. */
#define CALM_US (200 * G_TIME_SPAN_MILLISECOND)
/* A queue that stands for longer is where the losses come from. */
#define UNREST_US (2 * G_USEC_PER_SEC)
/* Time constants of the sums, and of what is forgotten where there is a queue. */
static const double sums_s[2] = { 1.0, 6.0 };

#define UNREST_S 1.0
/* One packet of a second is no habit of the path. */
#define LOSS_BEGIN 0.003
#define LOSS_END 0.001
#define LOST_BEGIN 1.5
/* Percent are tried in these steps, up to as many bytes of parity as of pictures. */
#define STEP 5
#define MOST_OVERHEAD 1.0
/* Less is set when less has been enough for so long, and the other amount is that much better. */
#define LOWER_US (3 * G_USEC_PER_SEC)
#define BETTER 1.02
/* What the picture loses where the bitrate is halved, as a share of its score, and ... */
#define HALVED 0.15
/* ... for how long a damaged frame is seen: until a key frame was asked for, made and has come, which takes a round trip
 * beside this, and is asked for again where it is damaged. It has so many times the packets of another. */
#define REPAIR_S 0.25
#define KEY_FRAME 6.0
#define DAMAGED_MOST 0.95
#define RTT_MOST_MS 2000.0

void
mlo_parity_init (MloParity * p)
{
  memset (p, 0, sizeof *p);
}

/* With @k parity packets. */
static double
damaged (double loss, double packets, double k)
{
  double group;

  if (k <= 0.0)
    return 1.0 - pow (1.0 - loss, packets);
  group = MAX (packets / k, 1.0);
  return 1.0 - pow (pow (1.0 - loss, group) * (1.0 + group * loss), k);
}

double
mlo_parity_damaged (double loss, double packets, double percent)
{
  double k = packets * percent / 100.0, less = floor (k);

  return damaged (loss, packets, less) + (k - less) * (damaged (loss, packets, less + 1.0) - damaged (loss, packets,
          less));
}

/* What is seen of the stream, 0..1: the picture at what the parity leaves it, for the share of the time in which no damage
 * is seen (whole for 1 / rate, damaged for repair_s: an alternating renewal process). On the wire it is the same always, so
 * the frames shrink as the parity grows. */
static double
worth (const MloParity * p, const MloParityInput * in, guint percent)
{
  double now = mlo_parity_overhead (p->percent, in->stream.size), then = mlo_parity_overhead (percent, in->stream.size);
  double packets = MAX (in->stream.packets * (1.0 + now) / (1.0 + then), 1.0);
  double fps = in->fps > 0.0 ? in->fps : 30.0;
  double key = MIN (mlo_parity_damaged (p->loss, KEY_FRAME * packets, percent), DAMAGED_MOST);
  double repair_s = (REPAIR_S + CLAMP (in->rtt_ms, 0.0, RTT_MOST_MS) / 1000.0) / (1.0 - key);

  return (1.0 - HALVED * log2 (1.0 + then)) / (1.0 + fps * mlo_parity_damaged (p->loss, packets, percent) * repair_s);
}

static void
note_loss (MloParity * p, const MloParityInput * in)
{
  double dt_s = p->last_us == 0 ? 0.1 : CLAMP ((double) (in->now_us - p->last_us) / 1e6, 0.0, 1.0);
  gboolean counts = in->told > 0.0 && in->lost >= 0.0 && in->lost <= in->told && isfinite (in->told);

  p->last_us = in->now_us;
  if (in->calm) {
    p->unrest_us = 0;
    if (p->calm_us == 0)
      p->calm_us = in->now_us;
  } else {
    p->calm_us = 0;
    if (p->unrest_us == 0)
      p->unrest_us = in->now_us;
  }
  counts = counts && p->calm_us != 0 && in->now_us - p->calm_us >= CALM_US;
  p->loss = 0.0;
  for (guint i = 0; i < 2; i++) {
    /* What is not counted is not forgotten for either. */
    if (counts) {
      p->told[i] = p->told[i] * exp (-dt_s / sums_s[i]) + in->told;
      p->lost[i] = p->lost[i] * exp (-dt_s / sums_s[i]) + in->lost;
    } else if (p->unrest_us != 0 && in->now_us - p->unrest_us > UNREST_US) {
      p->lost[i] *= exp (-dt_s / UNREST_S);
    }
    if (p->told[i] > 0.0)
      p->loss = MAX (p->loss, p->lost[i] / p->told[i]);
  }
}

guint
mlo_parity_advance (MloParity * p, const MloParityInput * in)
{
  guint best = 0;
  double most;

  note_loss (p, in);
  if (in->stream.packets <= 0.0 || (p->percent > 0 ? p->loss < LOSS_END : p->loss < LOSS_BEGIN
          || p->lost[1] < LOST_BEGIN)) {
    p->lower_us = 0;
    return p->percent = 0;
  }
  most = worth (p, in, 0);
  for (guint percent = STEP; percent <= 100 && mlo_parity_overhead (percent, in->stream.size) <= MOST_OVERHEAD;
      percent += STEP) {
    double w = worth (p, in, percent);

    if (w > most) {
      best = percent;
      most = w;
    }
  }
  if (best >= p->percent)
    p->lower_us = 0;
  else if (p->lower_us == 0)
    p->lower_us = in->now_us;
  if (most < BETTER * worth (p, in, p->percent) || (p->lower_us != 0 && in->now_us - p->lower_us < LOWER_US))
    return p->percent;
  p->lower_us = 0;
  return p->percent = best;
}
