/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-baseline-private.h"

typedef struct
{
  MloPolicy policy;
  MloDecision decision;
} Fixed;

static const MloDecision *
fixed_tick (MloPolicy * policy, gint64 now_us, const MloSample * local)
{
  Fixed *f = (Fixed *) policy;

  mlo_baseline_decide (&f->decision, now_us, f->decision.bitrate_kbps);
  return &f->decision;
}

static void
fixed_free (MloPolicy * policy)
{
  g_free (policy);
}

static const MloPolicyClass fixed_class = {
  .name = "fixed",
  .tick = fixed_tick,
  .free = fixed_free,
};

MloPolicy *
mlo_fixed_new (double bitrate_kbps)
{
  Fixed *f = g_new0 (Fixed, 1);

  f->policy.klass = &fixed_class;
  mlo_baseline_decision_init (&f->decision, bitrate_kbps, "picked by hand");
  f->decision.limiter = MLO_LIMITER_USER;
  return &f->policy;
}
