/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_PEERS_H
#define GST_MLO_PEERS_H

#include <gst/gst.h>

#include "mlo-packet.h"

G_BEGIN_DECLS

#define GST_MLO_PEERS_MOST 32

/**
 * GstMloPeers: feedback of several receivers of one stream, each behind an rtpsession of its own (webrtcbins behind a
 * tee), which all comes up to the one encoder. Of these the one that was chosen is handed on; while none was, or that one is
 * not heard, the one that fares worst. Plain struct, guarded
 * by whoever holds it.
 */
typedef struct
{
  gconstpointer session;        /* only compared */
  gint64 last_us;
  gint64 least_us;              /* of the packets' transit times: clocks differ by peer */
  double queue_ms, loss;        /* smoothed */
} GstMloPeer;

typedef struct
{
  GstMloPeer peers[GST_MLO_PEERS_MOST];
  guint n;
  int worst;                    /* < 0: none yet */
  gint64 since_us;              /* it is the worst */
  gboolean several;             /* were there ever */
  gconstpointer chosen;         /* session; NULL: none */
} GstMloPeers;

void gst_mlo_peers_init (GstMloPeers * p);

/**
 * gst_mlo_peers_take:
 * @session: as gst_mlo_peers_session_of() has it; NULL: not known, as good as one of its own
 * @packets: of a report, in the order they were sent; the arrival times of several peers are brought to one clock
 *
 * Returns how many of @packets count: all or none. RT safe.
 */
guint gst_mlo_peers_take (GstMloPeers * p, gconstpointer session, gint64 now_us, MloPacket * packets, guint n);

/* How many were heard in the last seconds. */
guint gst_mlo_peers_count (const GstMloPeers * p, gint64 now_us);

/**
 * GstMloPeerMarks: lets the feedback events that come out of sessions say which one they are of. Control thread.
 */
typedef struct _GstMloPeerMarks GstMloPeerMarks;

GstMloPeerMarks *gst_mlo_peer_marks_new (void);
/* @sessions: (element-type GstElement) (nullable): those to mark from now on. */
void gst_mlo_peer_marks_set (GstMloPeerMarks * m, GPtrArray * sessions);
void gst_mlo_peer_marks_free (GstMloPeerMarks * m);

gconstpointer gst_mlo_peers_session_of (const GstStructure * event);

G_END_DECLS
#endif
