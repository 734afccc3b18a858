/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_RESTART_H
#define GST_MLO_RESTART_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum
{
  GST_MLO_RESTART_DONE,
  GST_MLO_RESTART_NOT_NOW,      /* no frame came, or the encoder is on its way to another state: try again */
  GST_MLO_RESTART_FAILED,       /* the encoder did not come up again as it was wanted; it was put back */
} GstMloRestartResult;

/**
 * GstMloRestart: an encoder taken to READY and back between two frames, for a property that it does not take while
 * streaming. The frame that comes next waits at the pad before the encoder for the milliseconds that this takes; none
 * is lost, and the next frame out is a key frame. From a thread that is not the stream's, without a lock.
 *
 * While it lasts the encoder's state lock is held: who wants it in another state waits for it, and finds it in the
 * state in which it was. Flushes and EOS pass; nothing waits for longer than @timeout_ms for a frame.
 */
typedef struct _GstMloRestart GstMloRestart;

/* Begins to wait for the next frame before @encoder's @sink pad, or for the next caps (@caps: they are about to change,
 * and the restart is to be part of that). NULL where nothing is linked to the pad. */
GstMloRestart *gst_mlo_restart_begin (GstElement * encoder, GstPad * sink, gboolean caps);

/* Caps will not come after all: the next frame will do. */
void gst_mlo_restart_at_frame (GstMloRestart * restart);

/* Sets what is to be set on an encoder in READY, or with @back what was set before; FALSE where it did not take it. */
typedef gboolean (*GstMloRestartSet) (GstElement * encoder, gboolean back, gpointer user_data);

/* Waits for the frame, has @set do its work, and lets the stream go on. @held: there are frames in the encoder, which
 * are taken out of it first. Frees @restart. */
GstMloRestartResult gst_mlo_restart_finish (GstMloRestart * restart, guint timeout_ms, gboolean held,
    GstMloRestartSet set, gpointer user_data);

G_END_DECLS
#endif
