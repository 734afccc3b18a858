/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "faulty-encoder.h"

#define MAX_BYTES (4 * 1024 * 1024)
#define MIND_US 300000
#define KEYFRAME_EVERY 60

typedef struct
{
  GstElement parent;
  GstPad *sink, *src;
  gint fault, kbps, first_kbps; /* atomic */
  /* streaming thread */
  int width, height, fps_n, fps_d;
  guint lost;                   /* frames still to be lost */
  guint since_keyframe;
  GstClockTime offset;          /* on the timestamps */
  gint64 mind_us;
} FaultyEncoder;

typedef struct
{
  GstElementClass parent;
} FaultyEncoderClass;

GType faulty_encoder_get_type (void);
G_DEFINE_TYPE (FaultyEncoder, faulty_encoder, GST_TYPE_ELEMENT)
     static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-raw"));
     static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src", GST_PAD_SRC, GST_PAD_ALWAYS,
    GST_STATIC_CAPS ("video/x-faulty"));

     static gboolean push_caps (FaultyEncoder * self)
{
  g_autoptr (GstCaps) caps = gst_caps_new_simple ("video/x-faulty", "width", G_TYPE_INT, self->width, "height",
      G_TYPE_INT, self->height, "framerate", GST_TYPE_FRACTION, self->fps_n, self->fps_d, NULL);

  self->since_keyframe = 0;
  return gst_pad_push_event (self->src, gst_event_new_caps (caps));
}

static gboolean
on_event (GstPad * pad, GstObject * parent, GstEvent * event)
{
  FaultyEncoder *self = (FaultyEncoder *) parent;
  GstCaps *caps;
  GstStructure *s;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CAPS)
    return gst_pad_event_default (pad, parent, event);
  gst_event_parse_caps (event, &caps);
  s = gst_caps_get_structure (caps, 0);
  gst_structure_get_int (s, "width", &self->width);
  gst_structure_get_int (s, "height", &self->height);
  gst_structure_get_fraction (s, "framerate", &self->fps_n, &self->fps_d);
  gst_event_unref (event);
  return push_caps (self);
}

/* Bytes of the next frame. */
static gsize
frame_bytes (FaultyEncoder * self, gint fault)
{
  gint kbps = g_atomic_int_get (fault == FAULTY_IGNORE ? &self->first_kbps : &self->kbps);
  double fps = self->fps_n > 0 && self->fps_d > 0 ? (double) self->fps_n / self->fps_d : 30.0;
  gsize bytes = (gsize) (kbps * 125.0 / fps);

  if (fault == FAULTY_HUGE)
    return MAX_BYTES;
  if (fault == FAULTY_EMPTY)
    return 0;
  if (self->since_keyframe % KEYFRAME_EVERY == 0)
    bytes *= 5;
  return CLAMP (bytes, 1, MAX_BYTES);
}

static GstFlowReturn
on_frame (GstPad * pad, GstObject * parent, GstBuffer * frame)
{
  FaultyEncoder *self = (FaultyEncoder *) parent;
  gint fault = g_atomic_int_get (&self->fault);
  GstBuffer *out;

  switch (fault) {
    case FAULTY_ERROR:
      gst_buffer_unref (frame);
      GST_ELEMENT_ERROR (self, LIBRARY, ENCODE, ("faultyenc: out of order"), (NULL));
      return GST_FLOW_ERROR;
    case FAULTY_HANG:
      g_atomic_int_set (&self->fault, FAULTY_NONE);
      g_usleep (2000000);
      break;
    case FAULTY_RESTART:
      g_atomic_int_set (&self->fault, FAULTY_NONE);
      self->lost = 10;
      break;
    case FAULTY_MIND:
      if (g_get_monotonic_time () - self->mind_us > MIND_US) {
        self->mind_us = g_get_monotonic_time ();
        g_atomic_int_set (&self->kbps, g_atomic_int_get (&self->first_kbps));
      }
      break;
    default:
      break;
  }
  if (self->lost > 0) {
    gst_buffer_unref (frame);
    if (--self->lost == 0) {
      self->offset += 1000 * GST_SECOND;
      push_caps (self);
    }
    return GST_FLOW_OK;
  }
  out = gst_buffer_new_allocate (NULL, frame_bytes (self, fault), NULL);
  if (fault != FAULTY_EMPTY)
    GST_BUFFER_PTS (out) = GST_BUFFER_PTS (frame) + self->offset;
  if (self->since_keyframe++ % KEYFRAME_EVERY != 0)
    GST_BUFFER_FLAG_SET (out, GST_BUFFER_FLAG_DELTA_UNIT);
  gst_buffer_unref (frame);
  return gst_pad_push (self->src, out);
}

static void
set_property (GObject * object, guint id, const GValue * value, GParamSpec * pspec)
{
  FaultyEncoder *self = (FaultyEncoder *) object;
  gint kbps = (gint) g_value_get_uint (value);

  if (g_atomic_int_get (&self->fault) == FAULTY_REFUSE)
    return;
  g_atomic_int_set (&self->kbps, kbps);
  g_atomic_int_compare_and_exchange (&self->first_kbps, 0, kbps);
}

static void
get_property (GObject * object, guint id, GValue * value, GParamSpec * pspec)
{
  FaultyEncoder *self = (FaultyEncoder *) object;

  g_value_set_uint (value, (guint) g_atomic_int_get (&self->kbps));
}

static void
faulty_encoder_init (FaultyEncoder * self)
{
  self->sink = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sink, on_frame);
  gst_pad_set_event_function (self->sink, on_event);
  gst_element_add_pad (GST_ELEMENT (self), self->sink);
  self->src = gst_pad_new_from_static_template (&src_template, "src");
  gst_element_add_pad (GST_ELEMENT (self), self->src);
  self->kbps = 1000;
}

static void
faulty_encoder_class_init (FaultyEncoderClass * klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  g_object_class_install_property (object_class, 1, g_param_spec_uint ("bitrate", "Bitrate", "Bitrate in kbit/sec", 1,
          100000, 1000, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Faulty encoder", "Codec/Encoder/Video", "Misbehaves as told",
      "mloptimizer developers");
}

void
faulty_encoder_register (void)
{
  g_assert_true (gst_element_register (NULL, "faultyenc", GST_RANK_NONE, faulty_encoder_get_type ()));
}

void
faulty_encoder_set (GstElement * encoder, FaultyFault fault)
{
  g_atomic_int_set (&((FaultyEncoder *) encoder)->fault, fault);
}
