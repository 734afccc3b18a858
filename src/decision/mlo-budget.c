/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-budget.h"

#include <math.h>
#include <string.h>

/* A stream this near its share would take more. */
#define FULL 0.95
/* Room left to one that takes less: what it may grow by until it claims again. */
#define GROWTH 1.25
#define GROWTH_KBPS 50.0
/* Halvings: the level is then exact to a billionth of where it began. */
#define HALVINGS 60

typedef struct
{
  gboolean joined, holds, met;  /* met: the others had a chance to make room */
  MloBudgetClaim claim;
  double wanted_kbps;           /* what it would take, were it alone */
  double held_kbps;
  gint64 claimed_us;
  double low, high, share;      /* of one calculation */
} Member;

struct _MloBudget
{
  GArray *members;              /* of Member; places are used again */
};

MloBudget *
mlo_budget_new (void)
{
  MloBudget *b = g_new0 (MloBudget, 1);

  b->members = g_array_new (FALSE, TRUE, sizeof (Member));
  return b;
}

void
mlo_budget_free (MloBudget * b)
{
  if (!b)
    return;
  g_array_unref (b->members);
  g_free (b);
}

static Member *
at (const MloBudget * b, guint i)
{
  return &g_array_index (b->members, Member, i);
}

guint
mlo_budget_join (MloBudget * b)
{
  guint i = 0;

  while (i < b->members->len && at (b, i)->joined)
    i++;
  if (i == b->members->len)
    g_array_set_size (b->members, i + 1);
  memset (at (b, i), 0, sizeof (Member));
  at (b, i)->joined = TRUE;
  return i;
}

void
mlo_budget_leave (MloBudget * b, guint member)
{
  g_return_if_fail (member < b->members->len);
  memset (at (b, member), 0, sizeof (Member));
}

gboolean
mlo_budget_is_empty (const MloBudget * b)
{
  for (guint i = 0; i < b->members->len; i++) {
    if (at (b, i)->joined)
      return FALSE;
  }
  return TRUE;
}

static double
budget (const MloBudget * b)
{
  double told = INFINITY, greatest = 0.0;

  for (guint i = 0; i < b->members->len; i++) {
    const Member *m = at (b, i);

    if (!m->holds)
      continue;
    if (m->claim.budget_kbps > 0.0)
      told = MIN (told, m->claim.budget_kbps);
    greatest = MAX (greatest, m->claim.max_kbps);
  }
  return isfinite (told) ? told : greatest;
}

/* Sum of clamp (weight * level, low, high); with @keep it becomes the members' share. */
static double
fill (MloBudget * b, double level, gboolean keep)
{
  double sum = 0.0;

  for (guint i = 0; i < b->members->len; i++) {
    Member *m = at (b, i);
    double share;

    if (!m->holds)
      continue;
    share = CLAMP (m->claim.weight * level, m->low, m->high);
    sum += share;
    if (keep)
      m->share = share;
  }
  return sum;
}

/* Finds the level at which the shares add up to @total, or all are at an end of their range. */
static void
level_out (MloBudget * b, double total)
{
  double below = 0.0, above = 0.0;

  for (guint i = 0; i < b->members->len; i++) {
    if (at (b, i)->holds)
      above = MAX (above, at (b, i)->high / at (b, i)->claim.weight);
  }
  if (fill (b, above, FALSE) > total) {
    for (int i = 0; i < HALVINGS; i++) {
      double level = (below + above) / 2.0;

      if (fill (b, level, FALSE) > total)
        above = level;
      else
        below = level;
    }
    above = below;
  }
  fill (b, above, TRUE);
}

/* Of a claim, beside what was held until then. */
static double
wanted (const MloBudgetClaim * c, double held_kbps)
{
  if (c->used_kbps < 0.0 || c->used_kbps >= FULL * held_kbps)
    return c->max_kbps;
  return CLAMP (c->used_kbps * GROWTH + GROWTH_KBPS, c->min_kbps, c->max_kbps);
}

/* First to those who want it; what is left to anyone, so that nobody is held down by a guess. */
static void
divide (MloBudget * b, double total)
{
  double sum = 0.0;

  for (guint i = 0; i < b->members->len; i++) {
    Member *m = at (b, i);

    m->low = m->claim.min_kbps;
    m->high = m->holds ? m->wanted_kbps : 0.0;
    sum += m->high;
  }
  level_out (b, total);
  if (sum >= total)
    return;
  for (guint i = 0; i < b->members->len; i++) {
    Member *m = at (b, i);

    m->low = m->high;
    m->high = m->claim.max_kbps;
  }
  level_out (b, total);
}

static void
lapse (MloBudget * b, gint64 now_us)
{
  for (guint i = 0; i < b->members->len; i++) {
    Member *m = at (b, i);

    if (m->holds && now_us - m->claimed_us > MLO_BUDGET_LAPSE_US) {
      m->holds = m->met = FALSE;
      m->held_kbps = 0.0;
    }
  }
}

static gboolean
is_sane (const MloBudgetClaim * c)
{
  return isfinite (c->min_kbps) && isfinite (c->max_kbps) && c->min_kbps > 0.0 && c->max_kbps >= c->min_kbps
      && isfinite (c->weight) && c->weight > 0.0 && isfinite (c->budget_kbps) && c->budget_kbps >= 0.0
      && !isnan (c->used_kbps);
}

/* After the claim of @self: its share, and what is there for all. */
static void
grant (MloBudget * b, Member * self, MloBudgetShare * share)
{
  double total = budget (b), others = 0.0, least = 0.0;

  divide (b, total);
  for (guint i = 0; i < b->members->len; i++) {
    const Member *m = at (b, i);

    if (!m->holds)
      continue;
    share->members++;
    least += m->claim.min_kbps;
    if (m != self)
      others += m->held_kbps;
  }
  /* Growth alone waits for the others. */
  if (!self->met || self->share <= self->held_kbps)
    self->held_kbps = self->share;
  else
    self->held_kbps = MAX (MAX (self->held_kbps, MIN (self->share, total - others)), self->claim.min_kbps);
  self->met = TRUE;
  share->share_kbps = self->held_kbps;
  share->budget_kbps = total;
  share->exceeded = least > total * 1.000001;
}

void
mlo_budget_claim (MloBudget * b, guint member, gint64 now_us, const MloBudgetClaim * claim, MloBudgetShare * share)
{
  Member *self;

  memset (share, 0, sizeof *share);
  g_return_if_fail (member < b->members->len && at (b, member)->joined);
  g_return_if_fail (!claim || is_sane (claim));
  self = at (b, member);
  lapse (b, now_us);
  if (!claim) {
    self->holds = self->met = FALSE;
    self->held_kbps = 0.0;
    return;
  }
  self->holds = TRUE;
  self->claim = *claim;
  self->wanted_kbps = wanted (claim, self->held_kbps);
  self->claimed_us = now_us;
  grant (b, self, share);
}
