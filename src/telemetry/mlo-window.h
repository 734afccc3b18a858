/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_WINDOW_H
#define MLO_WINDOW_H

#include "mlo-packet.h"

G_BEGIN_DECLS

/**
 * MloWindow: the bytes in flight and whether one more frame may go. A frame not sent is late by
 * one interval; a frame sent into a full queue delays all that follow.
 *
 * Plain struct, fixed size, nothing allocated. Not thread safe: the owner holds one short lock
 * around each call (streaming thread: sent, admit; feedback thread: acked; control thread:
 * set_limit). Each call is O(frames in flight) at worst.
 */
#define MLO_WINDOW_FRAMES 512
/* However full, a frame goes on after this time: what was lost at the very end is only acknowledged by what follows
 * it. Each that brings no answer doubles the time to the next, up to a second: what waits in front of a dead link
 * tells by itself when the link is back, and each more is one more late picture. */
#define MLO_WINDOW_PROBE_US 200000
#define MLO_WINDOW_PROBE_MAX_US G_USEC_PER_SEC

typedef struct
{
  gint64 send_us[MLO_WINDOW_FRAMES];
  guint32 bytes[MLO_WINDOW_FRAMES];
  guint head, count;            /* oldest frame not wholly acknowledged, frames after it */
  guint64 in_flight;            /* bytes */
  guint64 limit;                /* bytes, G_MAXUINT64: none */
  gint64 probe_interval_us;     /* > 0: feedback lost */
  gint64 last_admit_us;
  guint unanswered;             /* frames that went on as a probe since the last answer */
  guint64 skipped;              /* frames refused so far */
  guint64 total_sent;           /* bytes since init */
  gint64 last_ack_us;           /* send time of the newest acknowledged packet, 0: none */
} MloWindow;

void mlo_window_init (MloWindow * w);

/* A frame of @bytes left the encoder. When more frames are in flight than fit, the two oldest merge. */
void mlo_window_sent (MloWindow * w, gint64 now_us, guint32 bytes);

/* Packets arrived or were reported lost: all that was sent up to the newest of them is out of flight. A packet of the
 * future counts as sent now. */
void mlo_window_acked (MloWindow * w, gint64 now_us, const MloPacket * packets, guint n);

void mlo_window_set_limit (MloWindow * w, guint64 limit_bytes, gint64 probe_interval_us);

/* Whether the frame captured now goes to the encoder: at most @limit in flight, or the last one went
 * MLO_WINDOW_PROBE_US ago (probe_interval_us where feedback is lost), twice that for each before it that got no
 * answer. Counts the refusal. */
gboolean mlo_window_admit (MloWindow * w, gint64 now_us);

/* Everything in flight is forgotten (flush, pause, a new path). */
void mlo_window_flush (MloWindow * w);

static inline guint64
mlo_window_in_flight (const MloWindow * w)
{
  return w->in_flight;
}

G_END_DECLS
#endif
