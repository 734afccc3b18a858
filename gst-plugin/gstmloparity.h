/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_PARITY_H
#define GST_MLO_PARITY_H

#include <gst/gst.h>

#include "mlo-parity.h"

G_BEGIN_DECLS

#define GST_MLO_PARITY_MOST 16

/**
 * GstMloParity: what makes parity packets of the stream (rtpulpfecenc, in rtpbin and webrtcbin too): what passes it is
 * counted, and how much it makes is set. Control thread; the counting is the streaming thread's. Zeroed: there is none.
 */
typedef struct _GstMloParityMaker GstMloParityMaker;

typedef struct
{
  GstMloParityMaker *makers[GST_MLO_PARITY_MOST];       /* owned; the first is measured, the others are of the same stream */
  guint n_makers;
  MloParityStream stream;       /* as measured */
  double percent;               /* that is set: ours or the user's */
  /* Decaying sums of what passed. */
  double frames, packets, bytes, parity_packets, parity_bytes;
  guint64 last_frames;
} GstMloParity;

/* Takes the path's (element-type GstElement), or NULL for none; those that stay go on as they are, those that are gone are
 * let go of as they are. */
void gst_mlo_parity_set_path (GstMloParity * p, const GPtrArray * elements);

/* Once a tick. @frames: that the encoder has put out by now. */
void gst_mlo_parity_measure (GstMloParity * p, guint64 frames);

/* Sets what was decided; < 0: what the user had set, and may change. */
void gst_mlo_parity_apply (GstMloParity * p, int percent);

/* Bytes of parity a byte of the encoder's, at what is set now; 0: none. */
double gst_mlo_parity_overhead (const GstMloParity * p);

/* Puts back what was found, and lets go. */
void gst_mlo_parity_stop (GstMloParity * p);

G_END_DECLS
#endif
