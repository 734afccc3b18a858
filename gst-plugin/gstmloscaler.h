/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_SCALER_H
#define GST_MLO_SCALER_H

#include <gst/gst.h>

G_BEGIN_DECLS

/**
 * Which element scales pictures in which memory: one table. Plain memory is videoscale's; another kind can be scaled
 * where the element of its own plugin is installed, and else only be left out frame by frame.
 */

/* The caps' kind of memory, as an interned string: "memory:SystemMemory", "memory:GLMemory", ...; NULL: one that is
 * not in the table, or several. */
const char *gst_mlo_scaler_memory (GstCaps * caps);

const char *gst_mlo_scaler_memory_system (void);

/* Whether an element for it is installed that takes these pictures; loads nothing. */
gboolean gst_mlo_scaler_exists (const char *memory, GstCaps * caps);

/* A new element for it (floating) that takes these pictures (NULL: any); NULL where none is installed. */
GstElement *gst_mlo_scaler_new (const char *memory, GstCaps * caps);

/* Caps for the filter behind the scaler: pictures in @memory of that size, and behind videoscale those in other memory
 * as they come, so that the source may choose them. */
GstCaps *gst_mlo_scaler_caps (const char *memory, int width, int height);

G_END_DECLS
#endif
