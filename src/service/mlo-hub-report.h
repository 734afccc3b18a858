/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_HUB_REPORT_H
#define MLO_HUB_REPORT_H

#include "mlo-hub.h"

G_BEGIN_DECLS

/**
 * The hub's streams as text. All return (transfer full) text; the JSON has no line breaks.
 *
 * A stream is an object: "name", "online", "controlled", "since_ms" (wall clock), "values" (the fresh ones of
 * MLO_SAMPLE_FIELDS), "state", "limiter", "reason", "confidence", "predicted_kbps" of the last recommendation where it
 * is fresh, "limits" in force, "asked" limits, "decisions" (oldest first: time_ms, action, state, limiter,
 * reason, bitrate_kbps, width, height, fps), counts of "messages", "recommendations", "rejected".
 */

/* {"now_ms", "streams": [...]} with all decisions that are remembered. */
char *mlo_hub_report_streams (const MloHub * hub, gint64 now_us);
/* One stream of it; NULL: no such stream. */
char *mlo_hub_report_stream (const MloHub * hub, const char *name, gint64 now_us);
/* {"type": "live", "now_ms", "streams": [...]}: after a tick, each with its newest "point" (null: none) and only the decisions since
 * *@serial, which moves on. */
char *mlo_hub_report_live (const MloHub * hub, gint64 now_us, guint64 * serial);
/* {"stream", "columns": ["time_ms", ...], "points": [[...], ...]} after @since_ms; NULL: no such stream. */
char *mlo_hub_report_history (const MloHub * hub, const char *name, gint64 since_ms);
/* The text format of Prometheus, names mloptimizer_*. */
void mlo_hub_report_prometheus (const MloHub * hub, gint64 now_us, GString * text);

G_END_DECLS
#endif
