/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TRANSPORT_RULE_H
#define MLO_TRANSPORT_RULE_H

#include "mlo-transport.h"

G_BEGIN_DECLS

/**
 * MloTransportRule: the bitrate where the transport is asked ten times a second and nothing is known per packet.
 * Delay decides: the queue is the round-trip time above its least. While it is empty the rate rises; when it stands,
 * the rate falls below what gets through until it is empty, and returns to nearly that. Plain struct.
 */
typedef struct
{
  double anchor_kbps;           /* what the path carried when it was full, encoder output; 0: never was */
  double share;                 /* of what is sent that is the encoder's; 0: not known */
  gboolean draining;
  gint64 cut_us;                /* of the last cut; 0: none */
  double drain_ms;              /* by then after it the queue should be gone */
} MloTransportRule;

typedef struct
{
  gint64 now_us;
  double dt_s;                  /* since the last call */
  double target_delay_ms;
  double encoded_kbps;          /* measured; < 0: not known */
  const MloTransportView *view;
} MloTransportRuleInput;

typedef enum
{
  MLO_TRANSPORT_RISES,
  MLO_TRANSPORT_WAITS,          /* for the effect of a cut, or a queue that is neither empty nor full */
  MLO_TRANSPORT_CUTS,
  MLO_TRANSPORT_DRAINS,
  MLO_TRANSPORT_SOURCE,         /* the pictures need no more */
} MloTransportVerdict;

void mlo_transport_rule_init (MloTransportRule * r);

/* The bitrate from now on, given the one in force (kbit/s of encoder output). */
double mlo_transport_rule_advance (MloTransportRule * r, const MloTransportRuleInput * in, double kbps,
    MloTransportVerdict * verdict);

/* Whether so much waits that frames are better left out than sent. */
gboolean mlo_transport_rule_full (const MloTransportRule * r, const MloTransportView * view, double target_delay_ms);

G_END_DECLS
#endif
