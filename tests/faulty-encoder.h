/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FAULTY_ENCODER_H
#define FAULTY_ENCODER_H

#include <gst/gst.h>

G_BEGIN_DECLS

/**
 * An "encoder" that misbehaves as told: each frame that comes in leaves as a block of bytes of about the size that its
 * property bitrate (kbit/s) gives at the caps' frame rate, five times as many every two seconds and after a restart.
 */
typedef enum
{
  FAULTY_NONE,
  FAULTY_ERROR,                 /* posts an error and refuses all frames */
  FAULTY_HANG,                  /* one frame takes two seconds */
  FAULTY_IGNORE,                /* puts out what it was told first, whatever it is told now */
  FAULTY_REFUSE,                /* its property keeps the old value */
  FAULTY_RESTART,               /* ten frames are lost, then new caps, a key frame and other timestamps */
  FAULTY_MIND,                  /* every 300 ms goes back to the bitrate it had first */
  FAULTY_HUGE,                  /* every frame is 4 MB */
  FAULTY_EMPTY,                 /* frames of no bytes and without timestamps */
} FaultyFault;

/* Element "faultyenc" for gst_parse_launch (). */
void faulty_encoder_register (void);
/* From any thread; FAULTY_HANG and FAULTY_RESTART happen once a call. */
void faulty_encoder_set (GstElement * encoder, FaultyFault fault);

G_END_DECLS
#endif
