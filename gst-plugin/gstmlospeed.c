/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlospeed.h"

#include <stdlib.h>
#include <string.h>

/* Of an enum or a whole number. */
static gboolean
read_value (GstElement * element, GParamSpec * spec, gint64 * number)
{
  GValue value = G_VALUE_INIT, wide = G_VALUE_INIT;
  gboolean ok = TRUE;

  g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (spec));
  g_object_get_property (G_OBJECT (element), spec->name, &value);
  if (G_VALUE_HOLDS_ENUM (&value)) {
    *number = g_value_get_enum (&value);
  } else {
    g_value_init (&wide, G_TYPE_INT64);
    ok = g_value_transform (&value, &wide);
    *number = g_value_get_int64 (&wide);
    g_value_unset (&wide);
  }
  g_value_unset (&value);
  return ok;
}

static void
write_value (GstElement * element, GParamSpec * spec, gint64 number)
{
  GValue value = G_VALUE_INIT, wide = G_VALUE_INIT;

  g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (spec));
  if (G_VALUE_HOLDS_ENUM (&value)) {
    g_value_set_enum (&value, (int) number);
    g_object_set_property (G_OBJECT (element), spec->name, &value);
  } else {
    g_value_init (&wide, G_TYPE_INT64);
    g_value_set_int64 (&wide, number);
    if (g_value_transform (&wide, &value))
      g_object_set_property (G_OBJECT (element), spec->name, &value);
    g_value_unset (&wide);
  }
  g_value_unset (&value);
}

/* A level's name as the property's number; FALSE where this version of the encoder does not have it. */
static gboolean
parse_level (GParamSpec * spec, const char *name, gint64 * number)
{
  if (G_IS_PARAM_SPEC_ENUM (spec)) {
    const GEnumValue *v = g_enum_get_value_by_nick (G_PARAM_SPEC_ENUM (spec)->enum_class, name);

    *number = v ? v->value : 0;
    return v != NULL;
  }
  return g_ascii_string_to_signed (name, 10, G_MININT, G_MAXINT, number, NULL);
}

/* One scale; TRUE where the encoder's own value is on it. A number between two levels is one of its own. */
static gboolean
read_scale (GstMloSpeed * s, GParamSpec * spec, const char *scale, gint64 own)
{
  g_auto (GStrv) names = g_strsplit (scale, " ", GST_MLO_SPEED_LEVELS - 1);
  int n = 0, at = -1;

  for (char **name = names; *name; name++) {
    g_auto (GStrv) same = g_strsplit (*name, "|", -1);
    gint64 number, first = 0;
    gboolean found = FALSE;

    for (char **alias = same; *alias; alias++) {
      if (!parse_level (spec, *alias, &number))
        continue;
      if (!found)
        first = number;
      found = TRUE;
      if (number == own)
        at = n;
    }
    if (found)
      s->levels[n++] = first;
  }
  if (n < 2)
    return FALSE;
  if (at < 0 && !G_IS_PARAM_SPEC_ENUM (spec)) {
    gboolean falling = s->levels[0] > s->levels[n - 1];

    for (at = 0; at < n && (falling ? s->levels[at] > own : s->levels[at] < own);)
      at++;
    memmove (&s->levels[at + 1], &s->levels[at], (gsize) (n - at) * sizeof s->levels[0]);
    n++;
  }
  if (at < 0)
    return FALSE;
  s->levels[at] = own;
  s->faster = at;
  s->slower = n - 1 - at;
  return TRUE;
}

gboolean
gst_mlo_speed_resolve (GstMloSpeed * s, const GstMloSpeedInfo * info, GstElement * element)
{
  GParamSpec *spec = info->property ? g_object_class_find_property (G_OBJECT_GET_CLASS (element), info->property)
      : NULL;
  g_auto (GStrv) scales = NULL;
  gint64 own;

  memset (s, 0, sizeof *s);
  if (!spec || (spec->flags & G_PARAM_READWRITE) != G_PARAM_READWRITE || (spec->flags & G_PARAM_CONSTRUCT_ONLY)
      || !read_value (element, spec, &own))
    return FALSE;
  scales = g_strsplit (info->levels, ";", -1);
  for (char **scale = scales; *scale; scale++) {
    if (!read_scale (s, spec, *scale, own))
      continue;
    s->spec = spec;
    s->own = own;
    s->live = info->live || (spec->flags & GST_PARAM_MUTABLE_PLAYING) != 0;
    return TRUE;
  }
  memset (s, 0, sizeof *s);
  return FALSE;
}

gboolean
gst_mlo_speed_set (const GstMloSpeed * s, GstElement * element, int step)
{
  gint64 wanted, now;

  if (!s->spec)
    return FALSE;
  wanted = s->levels[s->faster - CLAMP (step, -s->slower, s->faster)];
  if (!read_value (element, s->spec, &now))
    return FALSE;
  if (now != wanted)
    write_value (element, s->spec, wanted);
  return read_value (element, s->spec, &now) && now == wanted;
}
