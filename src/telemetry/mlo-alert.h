/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_ALERT_H
#define MLO_ALERT_H

#include "mlo-packet.h"
#include "mlo-window.h"

G_BEGIN_DECLS

/**
 * MloAlert: which reports cannot wait for the next tick. Between two ticks the controller only takes back (mlo-guard.h:
 * a queue, a loss), narrows or widens the window, or comes back from a fall; a report that shows nothing of these loses
 * nothing by being read with the others at the tick, and a thread woken sixty times a second for it is what an element
 * would cost most by.
 *
 * More sensitive than what it stands in front of: a report too many costs a wake-up, one too few a late reaction.
 * Plain struct, nothing allocated. Not thread safe: the owner holds a lock.
 */
typedef struct
{
  gboolean eager;               /* every report counts: the controller is not at rest */
  double queue_ms;              /* a packet's delay above the least, from which on a report counts */
  gint64 least_us;              /* transit without a queue, the clocks' offset included */
  gint64 least_at_us;           /* when it was last moved; 0: none yet */
  gint64 last_us;               /* report before this one; 0: none yet */
} MloAlert;

/* Every report counts until mlo_alert_set(). */
void mlo_alert_init (MloAlert * a);

/* After each decision. @target_delay_ms: the limit's. */
void mlo_alert_set (MloAlert * a, gboolean eager, double target_delay_ms);

/* A report of @n packets at @now_us; @window: which has been told of it. Whether the controller must see it now. */
gboolean mlo_alert_report (MloAlert * a, gint64 now_us, const MloPacket * packets, guint n, const MloWindow * window);

G_END_DECLS
#endif
