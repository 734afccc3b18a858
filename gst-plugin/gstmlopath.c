/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlopath.h"

#include <string.h>

#include "gstmlotransport.h"

/* A pipeline larger than this is not searched to its end. */
#define MAX_PADS 512

GstElement *
gst_mlo_path_top (GstElement * element)
{
  GstObject *o = gst_object_ref (GST_OBJECT (element)), *parent;

  while ((parent = gst_object_get_parent (o))) {
    gst_object_unref (o);
    o = parent;
  }
  return GST_ELEMENT (o);
}

static gboolean
is_factory (GstElement * element, const char *name)
{
  GstElementFactory *factory = gst_element_get_factory (element);

  return factory && strcmp (GST_OBJECT_NAME (factory), name) == 0;
}

static gboolean
find_extension (GQuark field, const GValue * value, gpointer user_data)
{
  gboolean *found = user_data;
  const char *uri = NULL;

  if (!g_str_has_prefix (g_quark_to_string (field), "extmap-"))
    return TRUE;
  if (G_VALUE_HOLDS_STRING (value)) {
    uri = g_value_get_string (value);
  } else if (GST_VALUE_HOLDS_ARRAY (value) && gst_value_array_get_size (value) == 3) {
    /* direction, uri, attributes */
    const GValue *second = gst_value_array_get_value (value, 1);

    uri = G_VALUE_HOLDS_STRING (second) ? g_value_get_string (second) : NULL;
  }
  if (g_strcmp0 (uri, GST_MLO_TWCC_URI) == 0)
    *found = TRUE;
  return TRUE;
}

static void
note_rtp_caps (GstMloPath * path, GstPad * pad)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  GstStructure *s = caps && gst_caps_get_size (caps) == 1 ? gst_caps_get_structure (caps, 0) : NULL;

  if (!s || !gst_structure_has_name (s, "application/x-rtp"))
    return;
  path->rtp_caps = TRUE;
  gst_structure_foreach (s, find_extension, &path->twcc);
  if (gst_structure_get_uint (s, "ssrc", &path->ssrc))
    path->have_ssrc = TRUE;
  gst_structure_get_int (s, "clock-rate", &path->clock_rate);
}

static void
note_element (GPtrArray ** list, GstElement * element)
{
  if (!*list)
    *list = g_ptr_array_new_with_free_func (gst_object_unref);
  if (!g_ptr_array_find (*list, element, NULL))
    g_ptr_array_add (*list, gst_object_ref (element));
}

static void
visit (GstMloPath * path, GstElement * element)
{
  if (!path->element && !GST_IS_BIN (element) && gst_mlo_encoder_resolve (&path->encoder, element, NULL, -1))
    path->element = gst_object_ref (element);
  /* Measured: these two end with an error at a new size. */
  if (is_factory (element, "matroskamux") || is_factory (element, "webmmux"))
    path->fixed_size = TRUE;
  if (is_factory (element, "rtpsession")) {
    if (!path->session)
      path->session = gst_object_ref (element);
    note_element (&path->sessions, element);
  }
  if (gst_mlo_transports_know (element))
    note_element (&path->sinks, element);
}

static void
add_pad (const GValue * item, gpointer user_data)
{
  g_ptr_array_add (user_data, g_value_dup_object (item));
}

static void
resolve_override (GstMloPath * path, GstElement * top, const char *override)
{
  g_auto (GStrv) parts = g_strsplit (override, "/", 3);
  guint n = g_strv_length (parts);
  int unit = -1;
  g_autoptr (GstElement) element = NULL;

  if (n == 0 || !top || !GST_IS_BIN (top))
    return;
  if (n == 3)
    unit = strcmp (parts[2], "kbps") == 0 ? GST_MLO_UNIT_KBPS : GST_MLO_UNIT_BPS;
  element = gst_bin_get_by_name (GST_BIN (top), parts[0]);
  if (!element)
    return;
  if (gst_mlo_encoder_resolve (&path->encoder, element, n > 1 ? parts[1] : NULL, unit)
      || gst_mlo_encoder_resolve (&path->encoder, element, "bitrate", unit)
      || gst_mlo_encoder_resolve (&path->encoder, element, "target-bitrate", unit))
    path->element = g_steal_pointer (&element);
}

void
gst_mlo_path_find (GstMloPath * path, GstPad * src, GstElement * top, const char *override)
{
  g_autoptr (GPtrArray) pads = g_ptr_array_new_with_free_func (gst_object_unref);
  gboolean overridden = override && *override;

  memset (path, 0, sizeof *path);
  if (overridden)
    resolve_override (path, top, override);
  g_ptr_array_add (pads, gst_object_ref (src));
  for (guint i = 0; i < pads->len && i < MAX_PADS; i++) {
    GstPad *pad = g_ptr_array_index (pads, i);
    g_autoptr (GstPad) peer = gst_pad_get_peer (pad);
    g_autoptr (GstElement) element = peer ? gst_pad_get_parent_element (peer) : NULL;
    g_autoptr (GPtrArray) next = NULL;
    GstIterator *links;

    note_rtp_caps (path, pad);
    if (!peer)
      continue;
    if (element) {
      GstElement *before = path->element;

      visit (path, element);
      if (overridden && !before)
        g_clear_pointer (&path->element, gst_object_unref);
      if (is_factory (element, "rtpsession"))
        continue;
    }
    /* For a ghost pad the link inside is a proxy pad, whose peer is the element in the bin. */
    links = gst_pad_iterate_internal_links (peer);
    if (!links)
      continue;
    next = g_ptr_array_new_with_free_func (gst_object_unref);
    while (gst_iterator_foreach (links, add_pad, next) == GST_ITERATOR_RESYNC) {
      gst_iterator_resync (links);
      g_ptr_array_set_size (next, 0);
    }
    gst_iterator_free (links);
    for (guint j = 0; j < next->len; j++) {
      if (!g_ptr_array_find (pads, g_ptr_array_index (next, j), NULL))
        g_ptr_array_add (pads, gst_object_ref (g_ptr_array_index (next, j)));
    }
  }
}

void
gst_mlo_path_clear (GstMloPath * path)
{
  g_clear_pointer (&path->element, gst_object_unref);
  g_clear_pointer (&path->session, gst_object_unref);
  g_clear_pointer (&path->sessions, g_ptr_array_unref);
  g_clear_pointer (&path->sinks, g_ptr_array_unref);
}
