/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlogroup.h"

struct _GstMloGroup
{
  char *name;
  MloBudget *budget;            /* the group's */
  guint member;
};

/* Protects the table and every budget in it; a leaf. */
static GMutex lock;
static GHashTable *budgets;     /* of MloBudget by name, while there is any */

GstMloGroup *
gst_mlo_group_join (const char *name)
{
  GstMloGroup *place = g_new0 (GstMloGroup, 1);

  place->name = g_strdup (name);
  g_mutex_lock (&lock);
  if (!budgets)
    budgets = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) mlo_budget_free);
  place->budget = g_hash_table_lookup (budgets, name);
  if (!place->budget) {
    place->budget = mlo_budget_new ();
    g_hash_table_insert (budgets, g_strdup (name), place->budget);
  }
  place->member = mlo_budget_join (place->budget);
  g_mutex_unlock (&lock);
  return place;
}

void
gst_mlo_group_leave (GstMloGroup * place)
{
  if (!place)
    return;
  g_mutex_lock (&lock);
  mlo_budget_leave (place->budget, place->member);
  if (mlo_budget_is_empty (place->budget))
    g_hash_table_remove (budgets, place->name);
  if (g_hash_table_size (budgets) == 0)
    g_clear_pointer (&budgets, g_hash_table_unref);
  g_mutex_unlock (&lock);
  g_free (place->name);
  g_free (place);
}

void
gst_mlo_group_claim (GstMloGroup * place, const MloBudgetClaim * claim, MloBudgetShare * share)
{
  g_mutex_lock (&lock);
  /* within the lock, so that time does not run backwards from one claim to the next */
  mlo_budget_claim (place->budget, place->member, g_get_monotonic_time (), claim, share);
  g_mutex_unlock (&lock);
}
