/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_PARITY_H
#define MLO_PARITY_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * MloParity: how much forward error correction a stream has. Parity packets (RFC 5109: each the exclusive or of some
 * packets of a frame) bring back what a radio loses by chance, and take their rate from the pictures. What a full queue
 * drops they only make more of: such losses count for nothing here. Plain struct, nothing allocated, one thread.
 */

/* Of the packets that the encoder's frames are sent in. */
typedef struct
{
  double packets;               /* a frame, without parity; <= 0: not known, or there is nothing that makes parity */
  double size;                  /* mean size of a parity packet, as a multiple of theirs: it is as large as the largest */
} MloParityStream;

typedef struct
{
  gint64 now_us;
  double told, lost;            /* packets of which something is known since the last call, and those of them that are lost */
  gboolean calm;                /* no queue to lose them in since then, and nothing to drain */
  double fps;                   /* frames a second; <= 0: not known */
  double rtt_ms;                /* < 0: not known */
  MloParityStream stream;
} MloParityInput;

typedef struct
{
  double told[2], lost[2];      /* decaying sums of what came in calm, over a shorter and a longer time */
  double loss;                  /* by chance: the greater share of the two; 0..1 */
  guint percent;                /* parity packets in a hundred others */
  gint64 last_us;               /* of the last call; 0: none yet */
  gint64 calm_us, unrest_us;    /* since when it is, and is not; 0: it is not, it is */
  gint64 lower_us;              /* less would have done since then; 0: no */
} MloParity;

void mlo_parity_init (MloParity * p);

/* Once a tick; returns @p's percent. */
guint mlo_parity_advance (MloParity * p, const MloParityInput * in);

/**
 * mlo_parity_damaged:
 * @loss: share of packets lost, independent of each other
 * @packets: a frame is sent in, > 0
 * @percent: parity packets in a hundred of them
 *
 * The share of frames that are not whole. k parity packets stand for n / k = m packets each; those are whole where none of
 * the m is lost, or one, and the parity packet is not: (1 - q)^m + m q (1 - q)^(m-1) (1 - q) = (1 - q)^m (1 + m q), of
 * the binomial distribution; the frame is where all k groups are. Where @percent makes no whole number of a frame, some
 * frames have one more than others.
 */
double mlo_parity_damaged (double loss, double packets, double percent);

/* Bytes of parity a byte of the encoder's. */
static inline double
mlo_parity_overhead (double percent, double size)
{
  return percent * size / 100.0;
}

G_END_DECLS
#endif
