/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmloscaler.h"

#include <string.h>

/* In each row the first that is installed. */
static const struct
{
  const char *memory;
  const char *factories[2];
} scalers[] = {
  {GST_CAPS_FEATURE_MEMORY_SYSTEM_MEMORY, {"videoscale"}},
  {"memory:GLMemory", {"glcolorscale"}},
  {"memory:CUDAMemory", {"cudaconvertscale", "cudascale"}},
  {"memory:VAMemory", {"vapostproc"}},
  {"memory:DMABuf", {"vapostproc"}},
  {"memory:D3D11Memory", {"d3d11convert"}},
  {"memory:NVMM", {"nvvideoconvert", "nvvidconv"}},
};

const char *
gst_mlo_scaler_memory (GstCaps * caps)
{
  GstCapsFeatures *features = gst_caps_get_size (caps) > 0 ? gst_caps_get_features (caps, 0) : NULL;

  if (!features || gst_caps_features_get_size (features) == 0)
    return scalers[0].memory;
  for (guint i = 0; i < G_N_ELEMENTS (scalers); i++) {
    if (gst_caps_features_get_size (features) == 1 && gst_caps_features_contains (features, scalers[i].memory))
      return scalers[i].memory;
  }
  return NULL;
}

const char *
gst_mlo_scaler_memory_system (void)
{
  return scalers[0].memory;
}

/* Of @memory's scalers the first from number *@k on that is installed and takes @caps (NULL: not asked); *@k: the one
 * after it. */
static GstElementFactory *
next_factory (const char *memory, GstCaps * caps, guint * k)
{
  for (guint i = 0; memory && i < G_N_ELEMENTS (scalers); i++) {
    if (strcmp (scalers[i].memory, memory) != 0)
      continue;
    while (*k < G_N_ELEMENTS (scalers[i].factories) && scalers[i].factories[*k]) {
      g_autoptr (GstElementFactory) factory = gst_element_factory_find (scalers[i].factories[(*k)++]);

      if (factory && (!caps || gst_element_factory_can_sink_any_caps (factory, caps)))
        return g_steal_pointer (&factory);
    }
  }
  return NULL;
}

gboolean
gst_mlo_scaler_exists (const char *memory, GstCaps * caps)
{
  guint k = 0;
  g_autoptr (GstElementFactory) factory = next_factory (memory, caps, &k);

  return factory != NULL;
}

GstElement *
gst_mlo_scaler_new (const char *memory, GstCaps * caps)
{
  GstElementFactory *factory;
  GstElement *scaler = NULL;
  guint k = 0;

  while (!scaler && (factory = next_factory (memory, caps, &k))) {
    scaler = gst_element_factory_create (factory, NULL);
    gst_object_unref (factory);
  }
  if (!scaler)
    return NULL;
  /* Its own QoS would drop frames behind our back. */
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (scaler), "qos"))
    g_object_set (scaler, "qos", FALSE, NULL);
  if (g_object_class_find_property (G_OBJECT_GET_CLASS (scaler), "add-borders"))
    g_object_set (scaler, "add-borders", FALSE, NULL);
  return scaler;
}

GstCaps *
gst_mlo_scaler_caps (const char *memory, int width, int height)
{
  GstCaps *caps = gst_caps_new_empty ();

  gst_caps_append_structure_full (caps, gst_structure_new ("video/x-raw", "width", G_TYPE_INT, width, "height",
          G_TYPE_INT, height, NULL), gst_caps_features_new (memory, NULL));
  /* Some scalers would rather make those. */
  for (guint i = 1; i < G_N_ELEMENTS (scalers) && strcmp (memory, scalers[0].memory) == 0; i++) {
    gst_caps_append_structure_full (caps, gst_structure_new_empty ("video/x-raw"),
        gst_caps_features_new (scalers[i].memory, NULL));
  }
  return caps;
}
