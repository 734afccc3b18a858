/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-contest-print.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What the networks must add (points of R): over the guard alone, at worst on one kind, by the optimizer. */
#define MUST_GAIN 2.0
#define MAY_LOSE 0.5
#define DQN_MUST_GAIN 1.0

/* A column of the table: heading, field, what it is multiplied with, format; by the minute where said. */
static const struct
{
  const char *head, *field;
  double scale;
  int width, digits;
  gboolean a_minute;
} columns[] = {
  {"MOS", "mos", 1.0, 5, 2, FALSE},
  {"Mbit/s", "bitrate_kbps", 0.001, 7, 2, FALSE},
  {"util%", "utilisation", 100.0, 6, 1, FALSE},
  {"p50", "delay_p50_ms", 1.0, 6, 0, FALSE},
  {"p95", "delay_p95_ms", 1.0, 6, 0, FALSE},
  {"p99", "delay_p99_ms", 1.0, 6, 0, FALSE},
  {"p95cl", "delay_p95_clear_ms", 1.0, 6, 0, FALSE},
  {"loss%", "loss", 100.0, 6, 2, FALSE},
  {"frz", "freezes", 1.0, 6, 2, TRUE},
  {"frz s", "freeze_s", 1.0, 6, 2, TRUE},
  {"size", "size_changes", 1.0, 5, 1, TRUE},
  {"fps", "fps_changes", 1.0, 5, 1, TRUE},
  {"keys", "keyframes", 1.0, 5, 1, TRUE},
};

static void
print_row (const MloContest * c, guint contender, int kind)
{
  double minutes = mlo_contest_mean (c, mlo_result_field ("seconds"), contender, -1, -1, kind) / 60.0;
  double spread = mlo_contest_spread (c, mlo_result_field ("score"), contender, kind);

  printf ("%-10s %-15s %6.2f", kind >= 0 ? (const char *) c->kinds->pdata[kind] : "all",
      mlo_contest_contender (c, contender)->name, mlo_contest_mean (c, mlo_result_field ("score"), contender, -1, -1,
          kind));
  if (isfinite (spread))
    printf (" ±%-5.2f", spread);
  else
    fputs ("       ", stdout);
  for (guint i = 0; i < G_N_ELEMENTS (columns); i++) {
    double v = mlo_contest_mean (c, mlo_result_field (columns[i].field), contender, -1, -1, kind) * columns[i].scale;

    printf ("%*.*f", columns[i].width, columns[i].digits, columns[i].a_minute ? v / minutes : v);
  }
  putchar ('\n');
}

void
mlo_contest_print_table (const MloContest * c)
{
  printf ("%-10s %-15s %6s       ", "kind", "controller", "score");
  for (guint i = 0; i < G_N_ELEMENTS (columns); i++)
    printf ("%*s", columns[i].width, columns[i].head);
  putchar ('\n');
  for (int k = 0; k <= (int) c->kinds->len; k++) {
    for (guint i = 0; i < c->contenders->len; i++)
      print_row (c, i, k < (int) c->kinds->len ? k : -1);
    putchar ('\n');
  }
  puts ("score R 0..100, ± deviation over models and seeds; frame delay ms (cl: outside outages); freezes, frozen seconds,\n" "changes of size and frame rate and key frames a minute");
  if (g_ptr_array_find_with_equal_func (c->kinds, MLO_KIND_IMPAIRED, g_str_equal, NULL))
    puts (MLO_KIND_IMPAIRED ": recordings of RTT and loss alone, on a link of 30 Mbit/s; not part of \"all\"");
}

int
mlo_contest_predicting (const MloContest * c)
{
  for (guint i = 0; i < c->contenders->len; i++) {
    if (mlo_contender_needs_predictor (mlo_contest_contender (c, i)))
      return (int) i;
  }
  return -1;
}

void
mlo_contest_print_predictions (const MloContest * c)
{
  static const char *const fields[] = { "prediction_error", "prediction_over", "prediction_under" };
  int who = mlo_contest_predicting (c);

  if (who < 0)
    return;
  printf ("\npredictor against the label (mean |log|; the shares above and below it)\n%-10s %6s %6s %6s\n", "kind",
      "error", "over", "under");
  for (int k = 0; k <= (int) c->kinds->len; k++) {
    int kind = k < (int) c->kinds->len ? k : -1;

    printf ("%-10s", kind >= 0 ? (const char *) c->kinds->pdata[kind] : "all");
    for (guint f = 0; f < G_N_ELEMENTS (fields); f++)
      printf (" %6.3f", mlo_contest_mean (c, mlo_result_field (fields[f]), (guint) who, -1, -1, kind));
    putchar ('\n');
  }
}

void
mlo_contest_sum_actions (const MloContest * c, guint contender, guint64 taken[MLO_N_ACTIONS],
    guint64 possible[MLO_N_ACTIONS], guint64 * ticks)
{
  *ticks = 0;
  memset (taken, 0, sizeof (guint64) * MLO_N_ACTIONS);
  memset (possible, 0, sizeof (guint64) * MLO_N_ACTIONS);
  for (guint m = 0; m < c->models->len; m++) {
    for (guint i = 0; i < c->links->len; i++) {
      const MloRunOutcome *o = mlo_contest_outcome (c, m, contender, i);

      for (guint a = 0; a < MLO_N_ACTIONS; a++) {
        taken[a] += o->taken[a];
        possible[a] += o->possible[a];
      }
      *ticks += o->ticks;
    }
  }
}

/* The least over models, whose means over links @a and @b reach; and the worst kind over all models. */
static void
compare (const MloContest * c, int a, int b, double *mean, double *least, double *worst_kind, const char **which)
{
  const MloResultField *score = mlo_result_field ("score");

  *mean = 0.0;
  *least = *worst_kind = INFINITY;
  *which = "";
  for (guint m = 0; m < c->models->len; m++) {
    double d =
        mlo_contest_mean (c, score, (guint) a, (int) m, -1, -1) - mlo_contest_mean (c, score, (guint) b, (int) m, -1,
        -1);

    *mean += d / c->models->len;
    *least = MIN (*least, d);
  }
  for (guint k = 0; k < c->kinds->len; k++) {
    double d = mlo_contest_mean (c, score, (guint) a, -1, -1, (int) k) - mlo_contest_mean (c, score, (guint) b, -1, -1,
        (int) k);

    if (d < *worst_kind && !mlo_contest_kind_is_apart (c, k)) {
      *worst_kind = d;
      *which = c->kinds->pdata[k];
    }
  }
}

/* Whether the networks earn their place. */
gboolean
mlo_contest_print_verdict (const MloContest * c)
{
  int ours = mlo_contest_find (c, MLO_CONTENDER_OURS), guard = mlo_contest_find (c, MLO_CONTENDER_GUARD);
  int rules = mlo_contest_find (c, MLO_CONTENDER_RULES);
  int no_dqn = mlo_contest_find (c, MLO_CONTENDER_NO_DQN), omniscient = mlo_contest_find (c, MLO_CONTENDER_OMNISCIENT);
  double mean, least, worst;
  const char *which;
  gboolean good = TRUE;

  if (ours < 0)
    return TRUE;
  putchar ('\n');
  if (guard >= 0) {
    gboolean ok;

    compare (c, ours, guard, &mean, &least, &worst, &which);
    ok = mean >= MUST_GAIN && worst >= -MAY_LOSE;
    printf ("networks and guard over the guard alone: %+.2f (least of the models %+.2f; worst kind %s %+.2f); "
        "wanted %+.1f and no kind below %+.1f: %s\n", mean, least, which, worst, MUST_GAIN, -MAY_LOSE,
        ok ? "yes" : "NO");
    good = good && ok;
  }
  if (rules >= 0) {
    compare (c, ours, rules, &mean, &least, &worst, &which);
    printf ("over the rules that run without models, size and frame rate included: %+.2f (least of the models %+.2f; "
        "worst kind %s %+.2f); wanted no kind below %+.1f: %s\n", mean, least, which, worst, -MAY_LOSE,
        worst >= -MAY_LOSE ? "yes" : "NO");
    good = good && worst >= -MAY_LOSE;
  }
  if (no_dqn >= 0) {
    compare (c, ours, no_dqn, &mean, &least, &worst, &which);
    printf
        ("with the optimizer over without: %+.2f (least of the models %+.2f; worst kind %s %+.2f); wanted %+.1f: %s\n",
        mean, least, which, worst, DQN_MUST_GAIN, mean >= DQN_MUST_GAIN ? "yes" : "NO");
    good = good && mean >= DQN_MUST_GAIN;
  }
  if (omniscient >= 0)
    printf ("share of the cautious omniscient controller's score: %.1f %%\n",
        100.0 * mlo_contest_mean (c, mlo_result_field ("score"), (guint) ours, -1, -1, -1) / mlo_contest_mean (c,
            mlo_result_field ("score"), (guint) omniscient, -1, -1, -1));
  {
    guint64 taken[MLO_N_ACTIONS], possible[MLO_N_ACTIONS], ticks;
    gboolean all = TRUE;

    mlo_contest_sum_actions (c, (guint) ours, taken, possible, &ticks);
    fputs ("actions taken (of the ticks at which they were possible):", stdout);
    for (guint a = 0; a < MLO_N_ACTIONS; a++) {
      if (possible[a] == 0)
        continue;
      printf (" %s %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, mlo_action_name ((MloAction) a), taken[a], possible[a]);
      all = all && taken[a] > 0;
    }
    printf ("; each somewhere: %s\n", all ? "yes" : "NO");
    good = good && all;
  }
  return good;
}
