/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MOCK_ENCODERS_H
#define MOCK_ENCODERS_H

#include <gst/gst.h>

/**
 * Stand-ins for encoders that need hardware or another system, under their factories' names, with the properties,
 * types, units, enums and flags that GStreamer 1.22 has, as far as the element looks at them. They put out what their
 * effective rate says, answer a changed rate with a key frame where the real one does, and take a time for a frame
 * that falls with the preset and with the pixels.
 */
typedef enum
{
  MOCK_LIVE,                    /* flagged as changeable in PLAYING, and followed there */
  MOCK_RESTART,                 /* stored at any time, followed from the next start on */
  MOCK_LOCKED,                  /* refused in PAUSED and PLAYING */
} MockWhen;

typedef struct
{
  const char *name, *blurb;
  GType type;                   /* G_TYPE_UINT, G_TYPE_INT, G_TYPE_BOOLEAN, GST_TYPE_STRUCTURE; 0: an enum of @nicks */
  const char *nicks;            /* by spaces, from 0 on; "name=3" numbers otherwise */
  gint64 min, max, def;
  MockWhen when;
} MockProperty;

#define MOCK_PROPERTIES 6

typedef struct
{
  const char *factory;
  MockProperty properties[MOCK_PROPERTIES];     /* the first is the rate */
  double unit;                  /* of the rate, bit/s */
  const char *field;            /* of the rate, where it is a structure */
  const char *cbr;              /* "property=nick": else the rate does not count, and 2000 kbit/s come out */
  gboolean keyframe;            /* at a changed rate */
  /* Time for a frame of 320x240 by the values of the last property that is a preset, from its least value on; ms. */
  const char *preset;
  double busy_ms, busy_step;    /* at the slowest, and times this a level */
  gboolean preset_rises;        /* a greater value is faster */
} MockEncoder;

/* Registers all of them, and in the place of x265enc one whose frame of 320x240 takes 48 ms at the slowest of its
 * eight presets and a quarter less at each faster one. To be called once, after gst_init(). */
void mock_encoders_register (void);

/* The table, ending with a NULL factory. */
const MockEncoder *mock_encoders (void);

/* Counts since it was made: starts (from READY), key frames. */
guint mock_encoder_starts (GstElement * encoder);
guint mock_encoder_keyframes (GstElement * encoder);

/* What it works with now, kbit/s. */
double mock_encoder_kbps (GstElement * encoder);

/* What a frame takes now, ms. */
double mock_encoder_busy_ms (GstElement * encoder);

/* Takes @factor times as long from now on. */
void mock_encoder_hog (GstElement * encoder, double factor);

#endif
