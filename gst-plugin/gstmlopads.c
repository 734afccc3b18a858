/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmloelement.h"

#include <gst/base/gstbasetransform.h>

#include "gstmloscaler.h"

GST_DEBUG_CATEGORY_EXTERN (gst_ml_optimizer_debug);
#define GST_CAT_DEFAULT gst_ml_optimizer_debug

static void
retire (GstMlOptimizer * self, GstElement * scaler)
{
  gst_element_set_locked_state (scaler, TRUE);
  gst_element_set_state (scaler, GST_STATE_NULL);
  gst_bin_remove (GST_BIN (self), scaler);
}

static gboolean
connect_scaler (GstMlOptimizer * self, GstElement * from, GstElement * to)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (to, "sink");

  if (from)
    gst_element_unlink (from, self->filter);
  return gst_element_link (to, self->filter) && gst_ghost_pad_set_target (GST_GHOST_PAD (self->sinkpad), sink);
}

/* Puts @scaler (floating) where the present one is, and @limits on what leaves it. Where it does not start, or cannot
 * make that of @pictures (NULL: not asked), the present one stays. In the streaming thread, before a frame or its caps
 * go on: what is sticky is sent to the new one before the next frame. */
static gboolean
replace_scaler (GstMlOptimizer * self, GstElement * scaler, GstCaps * limits, GstCaps * pictures)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (scaler, "sink");
  g_autoptr (GstCaps) taken = NULL;
  g_autoptr (GstCaps) any = gst_caps_new_any ();
  GstElement *old = self->scale;
  gboolean ok;

  g_object_set (self->filter, "caps", any, NULL);
  g_atomic_pointer_set (&self->trial, scaler);
  gst_bin_add (GST_BIN (self), scaler);
  /* Linked first: the card's context is asked of the neighbours. */
  ok = connect_scaler (self, old, scaler) && gst_element_sync_state_with_parent (scaler);
  if (ok && pictures) {
    g_object_set (self->filter, "caps", limits, NULL);
    taken = gst_pad_query_caps (sink, pictures);
    ok = !gst_caps_is_empty (taken);
  }
  if (ok) {
    self->scale = scaler;
    retire (self, old);
  } else {
    g_object_set (self->filter, "caps", any, NULL);
    connect_scaler (self, scaler, old);
    retire (self, scaler);
  }
  g_atomic_pointer_set (&self->trial, NULL);
  return ok;
}

static void
plain_scaler (GstMlOptimizer * self)
{
  GstElement *scaler;

  if (self->placed == gst_mlo_scaler_memory_system ())
    return;
  scaler = gst_mlo_scaler_new (gst_mlo_scaler_memory_system (), NULL);
  if (scaler && replace_scaler (self, scaler, NULL, NULL))
    self->placed = gst_mlo_scaler_memory_system ();
}

/* The pictures' memory may be another one now: videoscale passes what it cannot scale, until a size is asked for.
 * Returns the memory if there is a scaler for it. */
static const char *
choose_scaler (GstMlOptimizer * self, GstCaps * caps)
{
  const char *memory = gst_mlo_scaler_memory (caps);

  if (memory != self->memory) {
    g_autoptr (GstCaps) any = gst_caps_new_any ();
    GstCaps *dropped = gst_mlo_actuator_take_caps (&self->actuator);

    /* What was asked of the old one is asked anew, of pictures in this memory. */
    gst_clear_caps (&dropped);
    g_object_set (self->filter, "caps", any, NULL);
    plain_scaler (self);
    self->memory = memory;
    GST_INFO_OBJECT (self, "pictures are in %s", memory ? memory : "memory that nothing here scales");
  }
  return gst_mlo_scaler_exists (memory, caps) ? memory : NULL;
}

/* A size was asked of pictures that are not in plain memory: their own scaler, put in place once. */
static void
limit_size (GstMlOptimizer * self, GstCaps * limits)
{
  g_autoptr (GstCaps) pictures = gst_pad_get_current_caps (self->sinkpad);
  g_autofree char *text = NULL;
  GstElementFactory *factory;
  GstElement *scaler;

  if (!pictures || (!gst_caps_is_any (limits) && gst_mlo_scaler_memory (limits) != self->memory))
    return;
  if (gst_caps_is_any (limits) || self->placed == self->memory) {
    /* glcolorscale, once it passes pictures through, offers no other size. */
    if (GST_IS_BASE_TRANSFORM (self->scale) && self->placed != gst_mlo_scaler_memory_system ())
      gst_base_transform_set_passthrough (GST_BASE_TRANSFORM (self->scale), FALSE);
    g_object_set (self->filter, "caps", limits, NULL);
    return;
  }
  scaler = gst_mlo_scaler_new (self->memory, pictures);
  factory = scaler ? gst_element_get_factory (scaler) : NULL;
  if (scaler && replace_scaler (self, scaler, limits, pictures)) {
    self->placed = self->memory;
    return;
  }
  text =
      g_strdup_printf
      ("pictures in %s keep their size: %s does not start, or does not take them; put a size that it takes "
      "before this element, or leave resolution out of adapt", self->memory ? self->memory : "this memory",
      factory ? GST_OBJECT_NAME (factory) : "the element that scales them");
  /* Before the control thread sees that there is no scaler any more: it would put it down to what is downstream. */
  gst_mlo_surface_warn (self, GST_MLO_WARN_REFUSED_SIZE, text);
  gst_mlo_telemetry_set_input (self->telemetry, pictures, NULL);
}

gboolean
gst_mlo_pads_own_error (GstMlOptimizer * self, GstMessage * message)
{
  return GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR && GST_MESSAGE_SRC (message)
      && (gpointer) GST_MESSAGE_SRC (message) == g_atomic_pointer_get (&self->trial);
}

static void
input_caps (GstMlOptimizer * self, GstCaps * caps)
{
  int n = 0, d = 1;

  gst_mlo_telemetry_set_input (self->telemetry, caps, choose_scaler (self, caps));
  self->half_frame = G_MAXUINT64;
  if (gst_structure_get_fraction (gst_caps_get_structure (caps, 0), "framerate", &n, &d) && n > 0)
    self->half_frame = gst_util_uint64_scale_int (GST_SECOND, d, 2 * n);
}

/* On the sink pad, streaming thread (upstream events: any). */
static GstPadProbeReturn
sink_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstMlOptimizer *self = data;
  GstEvent *event;
  GstCaps *caps;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
    gboolean in_time = gst_mlo_actuator_gate (&self->actuator, GST_BUFFER_PTS (buffer), self->half_frame);
    g_autoptr (GstCaps) limits = NULL;

    limits = gst_mlo_actuator_take_caps (&self->actuator);
    if (limits)
      limit_size (self, limits);
    return gst_mlo_telemetry_frame (self->telemetry, buffer, in_time) ? GST_PAD_PROBE_OK : GST_PAD_PROBE_DROP;
  }
  event = GST_PAD_PROBE_INFO_EVENT (info);
  /* A new size or an encoder that renegotiates is settled in here: sources with free caps would take
   * our limits for theirs, and live ones can die of it. */
  if (info->type & GST_PAD_PROBE_TYPE_EVENT_UPSTREAM)
    return GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
  switch (GST_EVENT_TYPE (event)) {
    case GST_EVENT_CAPS:
      gst_event_parse_caps (event, &caps);
      input_caps (self, caps);
      break;
    case GST_EVENT_FLUSH_STOP:
      gst_mlo_telemetry_flush (self->telemetry);
      WITH_CONTROL (self, gst_mlo_control_reset (self->control));
      gst_mlo_actuator_gate_reset (&self->actuator);
      break;
    case GST_EVENT_SEGMENT:
      gst_mlo_actuator_gate_reset (&self->actuator);
      break;
    default:
      break;
  }
  return GST_PAD_PROBE_OK;
}

/* Somewhere behind us, maybe: in the thread that links. An encoder that was put in takes every setting until it plays. */
static void
linked_anew (GstMlOptimizer * self)
{
  gboolean streaming = FALSE;

  WITH_CONTROL (self, (gst_mlo_control_refind (self->control), streaming = TRUE));
  if (streaming)
    gst_ml_optimizer_prepare_encoders (self);
}

/* Upstream of us, without the way through scaler and filter, to whom feedback says nothing: it comes with every frame. */
static GstPadProbeReturn
pass_over (GstMlOptimizer * self, GstPadProbeInfo * info)
{
  gst_pad_push_event (self->sinkpad, GST_PAD_PROBE_INFO_EVENT (info));
  info->data = NULL;
  return GST_PAD_PROBE_HANDLED;
}

/* On the src pad: what comes up. */
static GstPadProbeReturn
src_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstMlOptimizer *self = data;
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);

  if (GST_EVENT_TYPE (event) == GST_EVENT_RECONFIGURE)
    linked_anew (self);
  else if (gst_mlo_telemetry_upstream_event (self->telemetry, event)
      && GST_EVENT_TYPE (event) == GST_EVENT_CUSTOM_UPSTREAM)
    return pass_over (self, info);
  return GST_PAD_PROBE_OK;
}

/* On the filter's src pad: the caps that leave us. */
static GstPadProbeReturn
filter_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstMlOptimizer *self = data;
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    gst_event_parse_caps (event, &caps);
    gst_mlo_telemetry_set_output (self->telemetry, caps);
    WITH_CONTROL (self, gst_mlo_control_refind (self->control));
  }
  return GST_PAD_PROBE_OK;
}

static void
add_probes (GstMlOptimizer * self)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (self->scale, "sink");
  g_autoptr (GstPad) src = gst_element_get_static_pad (self->filter, "src");

  /* Both pads die with the bin, so the probes cannot outlive it. */
  gst_pad_add_probe (self->sinkpad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_BOTH | GST_PAD_PROBE_TYPE_EVENT_FLUSH, sink_probe, self,
      NULL);
  gst_pad_add_probe (self->srcpad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, src_probe, self, NULL);
  gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, filter_probe, self, NULL);
  gst_ghost_pad_set_target (GST_GHOST_PAD (self->sinkpad), sink);
  gst_ghost_pad_set_target (GST_GHOST_PAD (self->srcpad), src);
}

void
gst_mlo_pads_init (GstMlOptimizer * self)
{
  GstElementClass *klass = GST_ELEMENT_GET_CLASS (self);

  self->half_frame = G_MAXUINT64;
  self->sinkpad =
      gst_ghost_pad_new_no_target_from_template ("sink", gst_element_class_get_pad_template (klass, "sink"));
  self->srcpad = gst_ghost_pad_new_no_target_from_template ("src", gst_element_class_get_pad_template (klass, "src"));
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);

  self->memory = self->placed = gst_mlo_scaler_memory_system ();
  self->scale = gst_mlo_scaler_new (self->memory, NULL);
  self->filter = gst_element_factory_make ("capsfilter", "filter");
  if (self->scale && self->filter) {
    gst_bin_add_many (GST_BIN (self), self->scale, self->filter, NULL);
    gst_element_link (self->scale, self->filter);
    add_probes (self);
  } else {
    g_clear_pointer (&self->scale, gst_object_unref);
    g_clear_pointer (&self->filter, gst_object_unref);
  }
}

void
gst_mlo_pads_stop (GstMlOptimizer * self)
{
  /* The next stream may bring other pictures. */
  plain_scaler (self);
  self->memory = self->placed;
}
