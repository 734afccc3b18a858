/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two models beside each other on the same links: what one has over the other, as after online learning. */
#include <math.h>
#include <stdio.h>

#include "mlo-contest-print.h"

static const struct
{
  const char *field, *heading;
} columns[] = {
  {"score", "score R"},
  {"utilisation", "utilisation"},
  {"delay_p95_ms", "delay p95, ms"},
};

static void
print_row (const MloContest * c, guint contender, const char *name, int kind)
{
  printf ("  %-12s", name);
  for (guint i = 0; i < G_N_ELEMENTS (columns); i++) {
    const MloResultField *f = mlo_result_field (columns[i].field);
    double a = mlo_contest_mean (c, f, contender, 0, -1, kind), b = mlo_contest_mean (c, f, contender, 1, -1, kind);

    printf (g_str_equal (columns[i].field, "utilisation") ? "   %8.3f %8.3f %+8.3f" : "   %8.2f %8.2f %+8.2f", a, b,
        b - a);
  }
  putchar ('\n');
}

/* Over links, the deviation of the mean of the differences, in points of R. */
static double
standard_error (const MloContest * c, guint contender)
{
  const MloResultField *score = mlo_result_field ("score");
  double sum = 0.0, square = 0.0;
  guint n = 0;

  for (guint l = 0; l < c->links->len; l++) {
    double d;

    if (mlo_contest_kind_is_apart (c, g_array_index (c->links, MloContestLink, l).kind))
      continue;
    d = score->get (mlo_contest_outcome (c, 1, contender, l)) - score->get (mlo_contest_outcome (c, 0, contender, l));
    if (!isfinite (d))
      continue;
    sum += d;
    square += d * d;
    n++;
  }
  return n > 1 ? sqrt (MAX (0.0, square / n - sum / n * (sum / n)) / (n - 1)) : NAN;
}

void
mlo_contest_print_against (const MloContest * c)
{
  printf ("%s (A) and %s (B) on %u links: A, B, B less A\n", g_array_index (c->models, MloContestModels, 0).folder,
      g_array_index (c->models, MloContestModels, 1).folder, c->links->len);
  for (guint i = 0; i < c->contenders->len; i++) {
    const MloContender *contender = mlo_contest_contender (c, i);

    if (!mlo_contest_uses_models (contender))
      continue;
    printf ("\n%-14s", contender->name);
    for (guint k = 0; k < G_N_ELEMENTS (columns); k++)
      printf ("   %26s", columns[k].heading);
    putchar ('\n');
    for (guint k = 0; k < c->kinds->len; k++)
      print_row (c, i, c->kinds->pdata[k], (int) k);
    print_row (c, i, "all", -1);
    printf ("  B less A in R over the links: %+.2f, standard error %.2f\n",
        mlo_contest_mean (c, mlo_result_field ("score"), i, 1, -1, -1)
        - mlo_contest_mean (c, mlo_result_field ("score"), i, 0, -1, -1), standard_error (c, i));
  }
}
