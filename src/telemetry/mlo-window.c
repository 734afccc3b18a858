/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-window.h"

#include <string.h>

#define SLOT(w, i) (((w)->head + (i)) % MLO_WINDOW_FRAMES)

void
mlo_window_init (MloWindow * w)
{
  memset (w, 0, sizeof *w);
  w->limit = G_MAXUINT64;
}

static void
drop_oldest (MloWindow * w)
{
  w->in_flight -= w->bytes[w->head];
  w->head = SLOT (w, 1);
  w->count--;
}

void
mlo_window_sent (MloWindow * w, gint64 now_us, guint32 bytes)
{
  guint slot;

  w->total_sent += bytes;
  if (w->count == MLO_WINDOW_FRAMES) {
    guint second = SLOT (w, 1);
    guint64 sum = (guint64) w->bytes[w->head] + w->bytes[second];

    /* The pair leaves flight when the younger does: the bound stays safe. */
    w->in_flight -= sum - MIN (sum, G_MAXUINT32);
    w->bytes[second] = (guint32) MIN (sum, G_MAXUINT32);
    w->head = second;
    w->count--;
  }
  slot = SLOT (w, w->count);
  w->send_us[slot] = now_us;
  w->bytes[slot] = bytes;
  w->count++;
  w->in_flight += bytes;
}

void
mlo_window_acked (MloWindow * w, gint64 now_us, const MloPacket * packets, guint n)
{
  gint64 newest = w->last_ack_us;
  guint64 part = 0;
  guint32 before;

  for (guint i = 0; i < n; i++)
    newest = MAX (newest, MIN (packets[i].send_us, now_us));
  if (newest > w->last_ack_us)
    w->unanswered = 0;
  w->last_ack_us = newest;

  /* A frame's packets leave a little after the frame left the encoder, in order: with a packet sent
   * at `newest` every frame but the last one encoded by then is out of flight altogether. */
  while (w->count > 1 && w->send_us[SLOT (w, 1)] <= newest)
    drop_oldest (w);
  if (w->count == 0 || w->send_us[w->head] > newest)
    return;
  for (guint i = 0; i < n; i++) {
    if (packets[i].send_us >= w->send_us[w->head])
      part += packets[i].size;
  }
  before = w->bytes[w->head];
  part = MIN (part, before);
  w->bytes[w->head] = before - (guint32) part;
  w->in_flight -= part;
  /* Payload headers differ from the encoder's by some bytes: a crumb is no frame. */
  if (w->bytes[w->head] <= 64 || part * 50 >= (guint64) before * 49)
    drop_oldest (w);
}

void
mlo_window_set_limit (MloWindow * w, guint64 limit_bytes, gint64 probe_interval_us)
{
  w->limit = limit_bytes;
  w->probe_interval_us = probe_interval_us;
}

gboolean
mlo_window_admit (MloWindow * w, gint64 now_us)
{
  gint64 probe_us = w->probe_interval_us > 0 ? w->probe_interval_us : MLO_WINDOW_PROBE_US;
  gboolean free = w->probe_interval_us <= 0 && w->in_flight <= w->limit;
  gboolean admit;

  for (guint i = 0; i < w->unanswered && probe_us < MLO_WINDOW_PROBE_MAX_US; i++)
    probe_us *= 2;
  admit = free || w->last_admit_us == 0 || now_us - w->last_admit_us >= MIN (probe_us, MLO_WINDOW_PROBE_MAX_US);
  if (admit) {
    w->last_admit_us = now_us;
    w->unanswered = free ? 0 : w->unanswered + 1;
  } else
    w->skipped++;
  return admit;
}

void
mlo_window_flush (MloWindow * w)
{
  w->head = w->count = 0;
  w->in_flight = 0;
  w->unanswered = 0;
}
