/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_PRESET_H
#define GST_MLO_PRESET_H

#include <gst/gst.h>

G_BEGIN_DECLS

/**
 * gst_mlo_preset_init:
 *
 * For G_IMPLEMENT_INTERFACE (GST_TYPE_PRESET, ...): the presets that come with the element (quality, balanced,
 * low-latency, metered), there wherever it is installed, beside those that a user saves; one saved by the name of ours
 * takes its place until it is deleted.
 */
void gst_mlo_preset_init (gpointer iface, gpointer data);

G_END_DECLS
#endif
