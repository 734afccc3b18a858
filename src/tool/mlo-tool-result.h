/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TOOL_RESULT_H
#define MLO_TOOL_RESULT_H

#include <json-glib/json-glib.h>

#include "mlo-runner.h"

G_BEGIN_DECLS

/* A number of a simulated run: its name in JSON, what it is, its unit. */
typedef struct
{
  const char *name, *text, *unit;
  double (*get) (const MloRunOutcome * o);
} MloResultField;

/* All of them; ends with a NULL name. */
extern const MloResultField mlo_result_fields[];
/* The one of this name, which there is. */
const MloResultField *mlo_result_field (const char *name);

/* NAN becomes null: JSON has no such number. */
void mlo_json_add_number (JsonBuilder * b, const char *name, double value);
void mlo_result_to_json (const MloRunOutcome * o, JsonBuilder * b);
void mlo_result_print (const MloRunOutcome * o);

G_END_DECLS
#endif
