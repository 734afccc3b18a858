/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_SERVER_H
#define GST_MLO_SERVER_H

#include <gst/gst.h>

#include "gstmlocontrol.h"
#include "mlo-channel.h"

G_BEGIN_DECLS

/**
 * gst_mlo_server_load:
 * Opens the module that talks to the streaming server, which stays in the process from then on: beside the plugin's
 * own file (../mloptimizer where installed, ../src/service in the build tree), else where it was to be installed. It
 * brings libsoup 3 along and is not opened where libsoup 2 is in the process already.
 *
 * Returns: (transfer none): static; NULL with an error for the user.
 */
const MloChannelTable *gst_mlo_server_load (GError ** error);

/* No limits. */
extern const MloMessageLimits gst_mlo_server_nothing_asked;

/* Narrows @settings to what the server asked for; never widens what the user set. */
void gst_mlo_server_narrow (GstMloSettings * settings, const MloMessageLimits * asked);
/* What is in force, as the protocol says it. */
MloMessageLimits gst_mlo_server_limits (const GstMloSettings * settings);

/* The fields server-* of the property `stats`. */
void gst_mlo_server_add_stats (GstStructure * s, const MloChannelCounts * counts);

G_END_DECLS
#endif
