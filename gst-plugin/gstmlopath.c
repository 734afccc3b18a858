/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlopath.h"

#include <string.h>

#include "gstmlotransport.h"

/* A pipeline larger than this is not searched to its end. */
#define MAX_PADS 512
/* Payload type of an rtpulpfecenc that lets everything pass as it is. */
#define PARITY_NONE 255

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

gboolean
gst_mlo_path_is_named (GstElement * element, const char *name)
{
  GstObject *o = gst_object_ref (GST_OBJECT (element)), *parent;
  gboolean found = FALSE;

  while (o) {
    g_autofree char *own = gst_object_get_name (o);

    found |= g_strcmp0 (own, name) == 0;
    parent = gst_object_get_parent (o);
    gst_object_unref (o);
    o = parent;
  }
  return found;
}

gboolean
gst_mlo_path_is_factory (GstElement * element, const char *name)
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
add_pad (const GValue * item, gpointer user_data)
{
  g_ptr_array_add (user_data, g_value_dup_object (item));
}

/* @element: behind @pad, NULL where nothing is linked to it. FALSE: what is behind that one is not looked at. */
typedef gboolean (*Visit) (GstPad * pad, GstElement * element, gpointer data);

/* From @src downstream, breadth first. */
static void
walk (GstPad * src, Visit visit, gpointer data)
{
  g_autoptr (GPtrArray) pads = g_ptr_array_new_with_free_func (gst_object_unref);

  g_ptr_array_add (pads, gst_object_ref (src));
  for (guint i = 0; i < pads->len && i < MAX_PADS; i++) {
    GstPad *pad = g_ptr_array_index (pads, i);
    g_autoptr (GstPad) peer = gst_pad_get_peer (pad);
    g_autoptr (GstElement) element = peer ? gst_pad_get_parent_element (peer) : NULL;
    g_autoptr (GPtrArray) next = NULL;
    GstIterator *links;

    if (!visit (pad, element, data) || !peer)
      continue;
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

/* --- encoders --- */

static void
note_encoder (GstMloPath * path, GstElement * element)
{
  GstMloPathEncoder found;

  if (path->n_encoders == GST_MLO_ENCODERS_MOST || GST_IS_BIN (element)
      || !gst_mlo_encoder_resolve (&found.encoder, element, NULL, -1))
    return;
  for (guint i = 0; i < path->n_encoders; i++) {
    if (path->encoders[i].element == element)
      return;
  }
  found.element = gst_object_ref (element);
  path->encoders[path->n_encoders++] = found;
}

static void
drop_encoder (GstMloPath * path, guint i)
{
  gst_object_unref (path->encoders[i].element);
  path->n_encoders--;
  memmove (&path->encoders[i], &path->encoders[i + 1], (path->n_encoders - i) * sizeof path->encoders[0]);
}

/* What is behind one of several encoders. */
typedef struct
{
  const GstMloPath *path;
  gboolean network;
  gboolean behind[GST_MLO_ENCODERS_MOST];       /* encoders that are */
} Behind;

static gboolean
see_behind (GstPad * pad, GstElement * element, gpointer data)
{
  Behind *b = data;
  GstElementFactory *factory = element ? gst_element_get_factory (element) : NULL;
  const char *klass = factory ? gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS) : NULL;

  for (guint i = 0; element && i < b->path->n_encoders; i++)
    b->behind[i] |= b->path->encoders[i].element == element;
  b->network |= element && ((klass && strstr (klass, "Network")) || gst_mlo_transports_know (element));
  return TRUE;
}

/* A recording has the bitrate that the user gave it, and so has what is encoded again. */
static void
choose_encoders (GstMloPath * path)
{
  gboolean network[GST_MLO_ENCODERS_MOST], again[GST_MLO_ENCODERS_MOST] = { FALSE }, any = FALSE;

  if (path->n_encoders < 2)
    return;
  for (guint i = 0; i < path->n_encoders; i++) {
    g_autoptr (GstPad) src = gst_element_get_static_pad (path->encoders[i].element, "src");
    Behind b = {.path = path };

    if (src)
      walk (src, see_behind, &b);
    network[i] = b.network;
    any |= b.network;
    for (guint k = 0; k < path->n_encoders; k++)
      again[k] |= k != i && b.behind[k];
  }
  for (guint i = path->n_encoders; i-- > 0;) {
    if (again[i] || (any && !network[i]))
      drop_encoder (path, i);
  }
}

/* --- the path --- */

typedef struct
{
  GstMloPath *path;
  gboolean overridden;          /* which encoder it is has been said */
} Search;

static gboolean
see_parity (GstPad * pad, GstElement * element, gpointer data)
{
  GstMloPath *path = data;
  guint type = PARITY_NONE;

  if (!element || !gst_mlo_path_is_factory (element, "rtpulpfecenc"))
    return TRUE;
  /* webrtcbin has one always, which makes nothing where parity was not negotiated. */
  g_object_get (element, "pt", &type, NULL);
  if (type != PARITY_NONE)
    note_element (&path->parity, element);
  return TRUE;
}

/* rtpbin and webrtcbin make it behind the session. */
static void
find_parity_behind (GstMloPath * path, GstElement * session)
{
  g_autoptr (GstPad) src = gst_element_get_static_pad (session, "send_rtp_src");

  if (src)
    walk (src, see_parity, path);
}

static gboolean
visit (GstPad * pad, GstElement * element, gpointer data)
{
  Search *search = data;
  GstMloPath *path = search->path;

  note_rtp_caps (path, pad);
  if (!element)
    return TRUE;
  if (!search->overridden)
    note_encoder (path, element);
  /* Measured: these two end with an error at a new size. */
  if (gst_mlo_path_is_factory (element, "matroskamux") || gst_mlo_path_is_factory (element, "webmmux"))
    path->fixed_size = TRUE;
  if (gst_mlo_transports_know (element))
    note_element (&path->sinks, element);
  see_parity (pad, element, path);
  if (!gst_mlo_path_is_factory (element, "rtpsession"))
    return TRUE;
  find_parity_behind (path, element);
  if (!path->session)
    path->session = gst_object_ref (element);
  note_element (&path->sessions, element);
  return FALSE;
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
  if (gst_mlo_encoder_resolve (&path->encoders[0].encoder, element, n > 1 ? parts[1] : NULL, unit)
      || gst_mlo_encoder_resolve (&path->encoders[0].encoder, element, "bitrate", unit)
      || gst_mlo_encoder_resolve (&path->encoders[0].encoder, element, "target-bitrate", unit)) {
    path->encoders[0].element = g_steal_pointer (&element);
    path->n_encoders = 1;
  }
}

void
gst_mlo_path_find (GstMloPath * path, GstPad * src, GstElement * top, const char *override)
{
  Search search = { path, override && *override };

  memset (path, 0, sizeof *path);
  if (search.overridden)
    resolve_override (path, top, override);
  walk (src, visit, &search);
  choose_encoders (path);
}

char *
gst_mlo_path_prepare (const GstMloPath * path)
{
  g_autoptr (GString) wrong = g_string_new (NULL);

  for (guint i = 0; i < path->n_encoders; i++) {
    GstElement *element = path->encoders[i].element;
    g_autofree char *text = NULL;

    if (GST_STATE (element) <= GST_STATE_READY)
      text = gst_mlo_encoder_prepare (&path->encoders[i].encoder, element);
    if (text)
      g_string_append_printf (wrong, "%s%s: %s", wrong->len ? " " : "", GST_OBJECT_NAME (element), text);
  }
  return wrong->len ? g_string_free (g_steal_pointer (&wrong), FALSE) : NULL;
}

gboolean
gst_mlo_path_choose_session (GstMloPath * path, const char *name)
{
  for (guint i = 0; path->sessions && i < path->sessions->len; i++) {
    GstElement *session = g_ptr_array_index (path->sessions, i);

    if (!gst_mlo_path_is_named (session, name))
      continue;
    gst_object_replace ((GstObject **) & path->session, GST_OBJECT (session));
    return TRUE;
  }
  return FALSE;
}

void
gst_mlo_path_clear (GstMloPath * path)
{
  while (path->n_encoders > 0)
    drop_encoder (path, path->n_encoders - 1);
  g_clear_pointer (&path->session, gst_object_unref);
  g_clear_pointer (&path->sessions, g_ptr_array_unref);
  g_clear_pointer (&path->sinks, g_ptr_array_unref);
  g_clear_pointer (&path->parity, g_ptr_array_unref);
}
