/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_SPEED_H
#define GST_MLO_SPEED_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_MLO_SPEED_LEVELS 16

/**
 * GstMloSpeedInfo: the property with which an encoder trades picture for time, and its levels, in the encoders' table.
 */
typedef struct
{
  const char *property;         /* NULL: none */
  /* Its values from fast to slow, a step apart each, separated by spaces; values of one level by |; where an encoder
   * has several scales these by ;, and the one counts in which the user's own value is. */
  const char *levels;
  gboolean live;                /* may be set while streaming, whatever its flags say: measured */
} GstMloSpeedInfo;

/**
 * GstMloSpeed: one encoder's levels, seen from the value that the user chose. The spec is borrowed from its class.
 */
typedef struct
{
  GParamSpec *spec;             /* NULL: it has no levels, or its value is none of them */
  gboolean live;                /* else the encoder must be in READY */
  int faster, slower;           /* steps that there are from its own value */
  gint64 own;                   /* that value */
  gint64 levels[GST_MLO_SPEED_LEVELS];  /* from fast to slow; [faster] is its own level */
} GstMloSpeed;

/* Reads @element as it is set now; FALSE (and @speed empty) where there are no levels to choose from. */
gboolean gst_mlo_speed_resolve (GstMloSpeed * speed, const GstMloSpeedInfo * info, GstElement * element);

/* @step: faster (+) or slower (-) than its own value, which is 0. Whether it reads back as set. */
gboolean gst_mlo_speed_set (const GstMloSpeed * speed, GstElement * element, int step);

G_END_DECLS
#endif
