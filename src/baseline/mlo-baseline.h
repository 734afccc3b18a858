/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_BASELINE_H
#define MLO_BASELINE_H

#include "mlo-policy.h"
#include "mlo-trace.h"

G_BEGIN_DECLS

/*
 * Peers to measure against, behind the same interface as the controller. They set the bitrate and
 * nothing else: no window, no other size or frame rate. Each is freed by mlo_policy_free().
 */

/* What a user who picks one number gets. */
MloPolicy *mlo_fixed_new (double bitrate_kbps);

/* Google congestion control as in draft-ietf-rmcat-gcc-02, from limits.start_bitrate_kbps. */
MloPolicy *mlo_gcc_new (const MloLimits * limits);
/* The same with probes at the start and after a fall (mlo-gcc-probe.h); the caller sends what its probe asks for. */
MloPolicy *mlo_gcc_probing_new (const MloLimits * limits);

typedef enum
{
  MLO_OMNISCIENT_CAUTIOUS,      /* 0.9 x the least capacity of the next 300 ms */
  MLO_OMNISCIENT_MEAN,          /* what drains the queue and fills the mean of the next second */
} MloOmniscientAim;

/* Reads the future from @trace (borrowed, outlives the policy; its time 0 is the caller's). */
MloPolicy *mlo_omniscient_new (MloOmniscientAim aim, const MloTrace * trace, const MloLimits * limits);

G_END_DECLS
#endif
