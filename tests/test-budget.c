/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Several streams on one budget: a round is a claim of each. */

#include <math.h>
#include <string.h>

#include "mlo-budget.h"

#define MOST 8
#define TICK_US 100000

typedef struct
{
  MloBudget *budget;
  gint64 now_us;
  guint n, id[MOST];
  MloBudgetClaim claim[MOST];
  MloBudgetShare share[MOST];
} Group;

/* @path_kbps: what its network lets a stream have; what it uses follows its share at once. */
static void
round_of (Group * g, const double *path_kbps)
{
  g->now_us += TICK_US;
  for (guint i = 0; i < g->n; i++) {
    MloBudgetClaim *c = &g->claim[i];

    c->used_kbps = MIN (path_kbps[i], g->share[i].share_kbps > 0.0 ? g->share[i].share_kbps : c->min_kbps);
    mlo_budget_claim (g->budget, g->id[i], g->now_us, c, &g->share[i]);
  }
}

static double
sum (const Group * g)
{
  double kbps = 0.0;

  for (guint i = 0; i < g->n; i++)
    kbps += g->share[i].share_kbps;
  return kbps;
}

static void
setup (Group * g, guint n, double min, double max, double total)
{
  memset (g, 0, sizeof *g);
  g->budget = mlo_budget_new ();
  g->n = n;
  for (guint i = 0; i < n; i++) {
    g->id[i] = mlo_budget_join (g->budget);
    g->claim[i].min_kbps = min;
    g->claim[i].max_kbps = max;
    g->claim[i].weight = 1.0;
    g->claim[i].budget_kbps = total;
    g->claim[i].used_kbps = -1.0;
  }
}

static void
assert_near (double a, double b)
{
  g_assert_cmpfloat_with_epsilon (a, b, 1.0);
}

static void
test_shares (void)
{
  static const struct
  {
    double total, weight[3], min[3], max[3], path[3], expected[3];
  } rows[] = {
    /* by weight */
    {6000, {1, 1, 1}, {300, 300, 300}, {20000, 20000, 20000}, {1e9, 1e9, 1e9}, {2000, 2000, 2000}},
    {6000, {1, 2, 3}, {300, 300, 300}, {20000, 20000, 20000}, {1e9, 1e9, 1e9}, {1000, 2000, 3000}},
    /* least and greatest first */
    {6000, {1, 1, 10}, {1500, 300, 300}, {20000, 20000, 3000}, {1e9, 1e9, 1e9}, {1500, 1500, 3000}},
    /* more least than there is */
    {1000, {1, 1, 1}, {500, 400, 300}, {20000, 20000, 20000}, {1e9, 1e9, 1e9}, {500, 400, 300}},
    /* none told: the greatest limit of one */
    {0, {1, 1, 1}, {300, 300, 300}, {3000, 6000, 3000}, {1e9, 1e9, 1e9}, {2000, 2000, 2000}},
    /* enough for all */
    {60000, {1, 2, 3}, {300, 300, 300}, {5000, 6000, 7000}, {1e9, 1e9, 1e9}, {5000, 6000, 7000}},
  };

  for (guint r = 0; r < G_N_ELEMENTS (rows); r++) {
    Group g;

    g_test_message ("row %u", r);
    setup (&g, 3, 300, 20000, rows[r].total);
    for (guint i = 0; i < 3; i++) {
      g.claim[i].weight = rows[r].weight[i];
      g.claim[i].min_kbps = rows[r].min[i];
      g.claim[i].max_kbps = rows[r].max[i];
    }
    for (int i = 0; i < 4; i++)
      round_of (&g, rows[r].path);
    for (guint i = 0; i < 3; i++)
      assert_near (g.share[i].share_kbps, rows[r].expected[i]);
    g_assert_cmpint (g.share[0].exceeded, ==, r == 3);
    g_assert_cmpuint (g.share[2].members, ==, 3);
    mlo_budget_free (g.budget);
  }
}

/* What a poor network leaves goes to the others, and comes back when it recovers. */
static void
test_left_over (void)
{
  const double poor[] = { 600, 1e9 }, good[] = { 1e9, 1e9 };
  Group g;
  int rounds = 0;

  setup (&g, 2, 300, 20000, 6000);
  for (int i = 0; i < 5; i++)
    round_of (&g, poor);
  g_assert_cmpfloat (g.share[1].share_kbps, >, 5000.0);
  g_assert_cmpfloat (g.share[0].share_kbps, >, 600.0);
  assert_near (sum (&g), 6000.0);
  for (; g.share[0].share_kbps < 2990.0; rounds++) {
    round_of (&g, good);
    g_assert_cmpfloat (sum (&g), <=, 6001.0);
    g_assert_cmpint (rounds, <, 3);
  }
  round_of (&g, good);
  assert_near (g.share[1].share_kbps, 3000.0);
  mlo_budget_free (g.budget);
}

/* All that may change does, seeded: the sum holds after every single claim. */
static void
test_never_above (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  double paths[MOST];
  Group g;

  setup (&g, MOST, 100, 20000, 10000);
  for (int i = 0; i < MOST; i++)
    paths[i] = 1e9;
  for (int i = 0; i < 3; i++)
    round_of (&g, paths);
  for (int i = 0; i < 5000; i++) {
    guint m = (guint) g_rand_int_range (rand, 0, MOST);

    paths[m] = exp (g_rand_double_range (rand, log (50.0), log (30000.0)));
    g.claim[m].weight = g_rand_double_range (rand, 0.1, 10.0);
    for (guint k = 0; k < MOST; k++) {
      m = (guint) g_rand_int_range (rand, 0, MOST);
      g.now_us += TICK_US / MOST;
      g.claim[m].used_kbps = MIN (paths[m], g.share[m].share_kbps);
      mlo_budget_claim (g.budget, g.id[m], g.now_us, &g.claim[m], &g.share[m]);
      g_assert_cmpfloat (g.share[m].share_kbps, >=, 100.0);
      if (g.share[m].members == MOST)
        g_assert_cmpfloat (sum (&g), <=, 10001.0);
    }
  }
  mlo_budget_free (g.budget);
}

/* A new member has its share at once; one that left, rests or falls silent frees its own. */
static void
test_come_and_go (void)
{
  const double paths[] = { 1e9, 1e9, 1e9 };
  MloBudgetShare none;
  Group g;

  setup (&g, 3, 300, 20000, 6000);
  g.n = 2;
  for (int i = 0; i < 3; i++)
    round_of (&g, paths);
  assert_near (g.share[0].share_kbps, 3000.0);
  mlo_budget_claim (g.budget, g.id[2], g.now_us, &g.claim[2], &g.share[2]);
  assert_near (g.share[2].share_kbps, 2000.0);
  g.n = 3;
  round_of (&g, paths);
  assert_near (sum (&g), 6000.0);

  mlo_budget_claim (g.budget, g.id[2], g.now_us, NULL, &none);
  g.n = 2;
  for (int i = 0; i < 2; i++)
    round_of (&g, paths);
  assert_near (g.share[0].share_kbps, 3000.0);

  g.n = 1;
  for (int i = 0; i < MLO_BUDGET_LAPSE_US / TICK_US + 2; i++)
    round_of (&g, paths);
  assert_near (g.share[0].share_kbps, 6000.0);
  g_assert_cmpuint (g.share[0].members, ==, 1);

  g_assert_false (mlo_budget_is_empty (g.budget));
  mlo_budget_leave (g.budget, g.id[1]);
  g_assert_cmpuint (mlo_budget_join (g.budget), ==, g.id[1]);
  for (int i = 0; i < 3; i++)
    mlo_budget_leave (g.budget, g.id[i]);
  g_assert_true (mlo_budget_is_empty (g.budget));
  mlo_budget_free (g.budget);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/budget/shares", test_shares);
  g_test_add_func ("/budget/left-over", test_left_over);
  g_test_add_func ("/budget/never-above", test_never_above);
  g_test_add_func ("/budget/come-and-go", test_come_and_go);
  return g_test_run ();
}
