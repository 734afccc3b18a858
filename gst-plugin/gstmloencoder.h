/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_ENCODER_H
#define GST_MLO_ENCODER_H

#include "gstmlospeed.h"

G_BEGIN_DECLS

typedef enum
{
  GST_MLO_UNIT_BPS,
  GST_MLO_UNIT_KBPS,
} GstMloUnit;

typedef enum
{
  GST_MLO_VBV_MS,               /* a time */
  GST_MLO_VBV_KBIT,             /* an amount, so it moves with the rate */
} GstMloVbvUnit;

#define GST_MLO_ENCODER_SETTINGS 5

/**
 * GstMloEncoderInfo: what cannot be read off an encoder: one row of the table.
 */
typedef struct
{
  const char *factory;          /* name, or NULL: any other encoder */
  const char *property;         /* of the rate; NULL: bitrate or target-bitrate, whichever there is */
  const char *field;            /* @property is a GstStructure, and this its field for the rate */
  GstMloUnit unit;              /* where the property's blurb does not tell */
  const char *vbv_property;
  GstMloVbvUnit vbv_unit;
  guint vbv_ms;                 /* at which changes are followed quickly; measured for the software encoders */
  gboolean counts_frames;       /* rate control goes by frames, not timestamps: half the frames, half the rate */
  gboolean keyframe_on_bitrate;
  gboolean exact;               /* measured: puts out what it is told, where the pictures allow it */
  double dead_band;             /* relative change not worth its cost */
  guint min_change_ms;          /* between two upward changes */
  const char *advice;           /* what the user may change where it does not obey; NULL: what @settings has */
  GstMloSpeedInfo speed;
  /* Set before streaming, each only where the property still has its default. */
  struct
  {
    const char *property, *value;
  } settings[GST_MLO_ENCODER_SETTINGS];
} GstMloEncoderInfo;

/**
 * GstMloEncoder: one encoder as it is to be driven. The specs are borrowed from its class, so the
 * struct is good as long as the encoder is. Not thread safe; no call keeps a lock.
 */
typedef struct
{
  const GstMloEncoderInfo *info;
  GParamSpec *rate, *vbv;       /* @vbv may be NULL */
  const char *field;
  GstMloUnit unit;
} GstMloEncoder;

/* Whether @element is a video encoder that can be driven; fills @encoder if so. @property and
 * @unit override what is known (NULL, -1: not). */
gboolean gst_mlo_encoder_resolve (GstMloEncoder * encoder, GstElement * element, const char *property, int unit);

/* In NULL or READY: gives the encoder the settings that let it follow a changing rate, and repairs
 * those that make it deaf. Returns what was wrong with the user's own settings, for a warning, or NULL. */
char *gst_mlo_encoder_prepare (const GstMloEncoder * encoder, GstElement * element);

/* The rate it is set to, kbit/s; 0: automatic or not known. */
double gst_mlo_encoder_get_kbps (const GstMloEncoder * encoder, GstElement * element);

/* The least that its property takes, kbit/s; 0: anything. */
double gst_mlo_encoder_least_kbps (const GstMloEncoder * encoder);

/* Sets the rate, and reads it back: FALSE when the encoder holds another value than it was given. */
gboolean gst_mlo_encoder_set_kbps (const GstMloEncoder * encoder, GstElement * element, double kbps);

/* Sets the VBV to hold @ms of @kbps. Does nothing without a VBV property. */
void gst_mlo_encoder_set_vbv (const GstMloEncoder * encoder, GstElement * element, double ms, double kbps);

G_END_DECLS
#endif
