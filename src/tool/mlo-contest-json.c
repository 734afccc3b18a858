/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "mlo-contest-print.h"

static void
add_actions (const MloContest * c, guint contender, JsonBuilder * b)
{
  guint64 taken[MLO_N_ACTIONS], possible[MLO_N_ACTIONS], ticks;

  mlo_contest_sum_actions (c, contender, taken, possible, &ticks);
  json_builder_set_member_name (b, "actions");
  json_builder_begin_object (b);
  for (guint a = 0; a < MLO_N_ACTIONS; a++) {
    json_builder_set_member_name (b, mlo_action_name ((MloAction) a));
    json_builder_add_int_value (b, (gint64) taken[a]);
  }
  json_builder_end_object (b);
}

static void
add_row (const MloContest * c, guint contender, int kind, JsonBuilder * b)
{
  json_builder_begin_object (b);
  json_builder_set_member_name (b, "kind");
  json_builder_add_string_value (b, kind >= 0 ? c->kinds->pdata[kind] : "all");
  json_builder_set_member_name (b, "controller");
  json_builder_add_string_value (b, mlo_contest_contender (c, contender)->name);
  for (const MloResultField * f = mlo_result_fields; f->name; f++)
    mlo_json_add_number (b, f->name, mlo_contest_mean (c, f, contender, -1, -1, kind));
  mlo_json_add_number (b, "score_spread", mlo_contest_spread (c, mlo_result_field ("score"), contender, kind));
  json_builder_set_member_name (b, "spread");
  json_builder_begin_object (b);
  for (const MloResultField * f = mlo_result_fields; f->name; f++)
    mlo_json_add_number (b, f->name, mlo_contest_spread (c, f, contender, kind));
  json_builder_end_object (b);
  if (kind < 0)
    add_actions (c, contender, b);
  json_builder_end_object (b);
}

static void
add_run (const MloContest * c, guint model, guint contender, guint link, JsonBuilder * b)
{
  const MloContestLink *l = &g_array_index (c->links, MloContestLink, link);

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "model");
  json_builder_add_int_value (b, model);
  json_builder_set_member_name (b, "controller");
  json_builder_add_string_value (b, mlo_contest_contender (c, contender)->name);
  json_builder_set_member_name (b, "kind");
  json_builder_add_string_value (b, c->kinds->pdata[l->kind]);
  json_builder_set_member_name (b, "link");
  json_builder_add_string_value (b, l->trace->name ? l->trace->name : "");
  json_builder_set_member_name (b, "seed");
  json_builder_add_string_value (b, c->groups->pdata[l->group]);
  json_builder_set_member_name (b, "result");
  mlo_result_to_json (mlo_contest_outcome (c, model, contender, link), b);
  json_builder_end_object (b);
}

void
mlo_contest_print_json (const MloContest * c)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (b);
  json_builder_set_member_name (b, "models");
  json_builder_begin_array (b);
  for (guint m = 0; m < c->models->len; m++) {
    const char *folder = g_array_index (c->models, MloContestModels, m).folder;

    json_builder_add_string_value (b, folder ? folder : "");
  }
  json_builder_end_array (b);
  json_builder_set_member_name (b, "rows");
  json_builder_begin_array (b);
  for (int k = -1; k < (int) c->kinds->len; k++) {
    for (guint i = 0; i < c->contenders->len; i++)
      add_row (c, i, k, b);
  }
  json_builder_end_array (b);
  json_builder_set_member_name (b, "runs");
  json_builder_begin_array (b);
  for (guint m = 0; m < c->models->len; m++) {
    for (guint i = 0; i < c->contenders->len; i++) {
      for (guint l = 0; l < c->links->len && (m == 0 || mlo_contest_uses_models (mlo_contest_contender (c, i))); l++)
        add_run (c, m, i, l, b);
    }
  }
  json_builder_end_array (b);
  json_builder_end_object (b);
  root = json_builder_get_root (b);
  json_generator_set_root (generator, root);
  text = json_generator_to_data (generator, NULL);
  puts (text);
}
