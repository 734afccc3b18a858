/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlopreset.h"

#include <string.h>

#include <gst/gstpreset.h>

#define COMMENT "comment"

/* What a preset holds: each of ours sets all of them, so that none leaves a trace of the one before. */
static const char *const kept[] = {
  "min-bitrate", "max-bitrate", "target-delay", "min-framerate", "max-framerate", "min-height", "adapt", NULL
};

typedef struct
{
  const char *name, *comment;
  const char *values[G_N_ELEMENTS (kept) - 1];  /* in the order of kept */
} Preset;

static const Preset presets[] = {
  {"quality", "The picture first: high bitrates and large pictures, a longer queue in the network",
      {"1000000", "40000000", "120", "24", "0", "480", "bitrate+resolution+framerate+fec"}},
  {"balanced", "The defaults: picture and delay alike",
      {"300000", "20000000", "60", "15", "0", "240", "bitrate+resolution+framerate+fec"}},
  {"low-latency", "The delay first, for fast games: a short queue, many frames, smaller pictures where need be",
      {"300000", "20000000", "25", "30", "0", "240", "bitrate+resolution+framerate+fec"}},
  {"metered", "For paid volume: at most 2.5 Mbit/s (1.1 GB an hour) and 30 frames a second",
      {"200000", "2500000", "60", "15", "30", "240", "bitrate+resolution+framerate+fec"}},
};

/* GStreamer's own, for what users save; set once, in the type's creation. */
static GstPresetInterface saved;

static const Preset *
find (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (presets); i++) {
    if (strcmp (name, presets[i].name) == 0)
      return &presets[i];
  }
  return NULL;
}

static gchar **
get_preset_names (GstPreset * preset)
{
  g_auto (GStrv) theirs = saved.get_preset_names (preset);
  GStrvBuilder *names = g_strv_builder_new ();
  gchar **all;

  for (guint i = 0; i < G_N_ELEMENTS (presets); i++)
    g_strv_builder_add (names, presets[i].name);
  for (guint i = 0; theirs && theirs[i]; i++) {
    if (!find (theirs[i]))
      g_strv_builder_add (names, theirs[i]);
  }
  all = g_strv_builder_end (names);
  g_strv_builder_unref (names);
  return all;
}

static gchar **
get_property_names (GstPreset * preset)
{
  return g_strdupv ((gchar **) kept);
}

static gboolean
is_saved (GstPreset * preset, const char *name)
{
  g_auto (GStrv) theirs = saved.get_preset_names (preset);

  return theirs && g_strv_contains ((const gchar * const *) theirs, name);
}

static gboolean
load_preset (GstPreset * preset, const gchar * name)
{
  const Preset *p = find (name);

  if (!p || is_saved (preset, name))
    return saved.load_preset (preset, name);
  g_object_freeze_notify (G_OBJECT (preset));
  for (guint i = 0; kept[i]; i++)
    gst_util_set_object_arg (G_OBJECT (preset), kept[i], p->values[i]);
  g_object_thaw_notify (G_OBJECT (preset));
  return TRUE;
}

static gboolean
get_meta (GstPreset * preset, const gchar * name, const gchar * tag, gchar ** value)
{
  const Preset *p = find (name);

  if (!p || is_saved (preset, name))
    return saved.get_meta (preset, name, tag, value);
  *value = strcmp (tag, COMMENT) == 0 ? g_strdup (p->comment) : NULL;
  return *value != NULL;
}

void
gst_mlo_preset_init (gpointer iface, gpointer data)
{
  GstPresetInterface *i = iface;

  saved = *i;
  i->get_preset_names = get_preset_names;
  i->get_property_names = get_property_names;
  i->load_preset = load_preset;
  i->get_meta = get_meta;
}
