/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mock-encoders.h"

#include <gst/video/gstvideoencoder.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KBPS 1000.0
#define NV_PRESETS "default hp hq low-latency low-latency-hq low-latency-hp lossless lossless-hp"
#define NV_RC "default constqp cbr vbr vbr-minqp cbr-ld-hq cbr-hq vbr-hq"
#define VA_RC "cqp=16 cbr=2 vbr=4"
#define VA_BLURB "The desired bitrate expressed in kbps (0: auto-calculate)"
#define NV_BLURB "Bitrate in kbit/sec (0 = automatic)"

/* In the properties' order of the documentation; only what the element reads or sets. */
static const MockEncoder table[] = {
  {"nvh264enc", {{"bitrate", NV_BLURB, G_TYPE_UINT, NULL, 0, 2048000, 0, MOCK_LIVE},
          {"rc-mode", "Rate Control Mode", 0, NV_RC, 0, 0, 0, MOCK_LIVE},
          {"preset", "Encoding Preset", 0, NV_PRESETS, 0, 0, 0, MOCK_LIVE},
          {"vbv-buffer-size", "VBV(HRD) Buffer Size in kbits (0 = NVENC default)", G_TYPE_UINT, NULL, 0, G_MAXUINT,
              0, MOCK_LIVE}}, KBPS, NULL, "rc-mode=cbr", TRUE},
  {"nvh265enc", {{"bitrate", NV_BLURB, G_TYPE_UINT, NULL, 0, 2048000, 0, MOCK_LIVE},
          {"rc-mode", "Rate Control Mode", 0, NV_RC, 0, 0, 0, MOCK_LIVE},
          {"preset", "Encoding Preset", 0, NV_PRESETS, 0, 0, 0, MOCK_LIVE},
          {"vbv-buffer-size", "VBV(HRD) Buffer Size in kbits (0 = NVENC default)", G_TYPE_UINT, NULL, 0, G_MAXUINT,
              0, MOCK_LIVE}}, KBPS, NULL, "rc-mode=cbr", TRUE},
  {"nvcudah264enc", {{"bitrate", NV_BLURB, G_TYPE_UINT, NULL, 0, 2048000, 0, MOCK_LIVE},
          {"rate-control", "Rate Control Method", 0, "cqp vbr cbr", 0, 0, 1, MOCK_LIVE},
          {"preset", "Encoding Preset", 0, NV_PRESETS " p1 p2 p3 p4 p5 p6 p7", 0, 0, 11, MOCK_LIVE},
          {"vbv-buffer-size", "VBV(HRD) Buffer Size in kbits (0 = NVENC default)", G_TYPE_UINT, NULL, 0, G_MAXUINT,
              0, MOCK_LIVE}}, KBPS, NULL, "rate-control=cbr", TRUE},
  {"nvautogpuh264enc", {{"bitrate", NV_BLURB, G_TYPE_UINT, NULL, 0, 2048000, 0, MOCK_LIVE},
          {"rate-control", "Rate Control Method", 0, "cqp vbr cbr", 0, 0, 1, MOCK_LIVE},
          {"preset", "Encoding Preset", 0, NV_PRESETS " p1 p2 p3 p4 p5 p6 p7", 0, 0, 11, MOCK_LIVE},
          {"vbv-buffer-size", "VBV(HRD) Buffer Size in kbits (0 = NVENC default)", G_TYPE_UINT, NULL, 0, G_MAXUINT,
              0, MOCK_LIVE}}, KBPS, NULL, "rate-control=cbr", TRUE},
  {"vah264enc", {{"bitrate", VA_BLURB, G_TYPE_UINT, NULL, 0, 2048000, 0, MOCK_LIVE},
          {"rate-control", "The desired rate control mode for the encoder", 0, VA_RC, 0, 0, 16, MOCK_RESTART},
          {"target-usage", "The target usage to control and balance the encoding speed/quality", G_TYPE_UINT, NULL, 1,
              7, 4, MOCK_LIVE},
          {"cpb-size", "The desired max CPB size in Kb (0: auto-calculate)", G_TYPE_UINT, NULL, 0, 2048000, 0,
              MOCK_LIVE}}, KBPS, NULL, "rate-control=cbr", TRUE},
  {"vah265enc", {{"bitrate", VA_BLURB, G_TYPE_UINT, NULL, 0, 2048000, 0, MOCK_LIVE},
          {"rate-control", "The desired rate control mode for the encoder", 0, VA_RC, 0, 0, 16, MOCK_RESTART},
          {"target-usage", "The target usage to control and balance the encoding speed/quality", G_TYPE_UINT, NULL, 1,
              7, 4, MOCK_LIVE},
          {"cpb-size", "The desired max CPB size in Kb (0: auto-calculate)", G_TYPE_UINT, NULL, 0, 2048000, 0,
              MOCK_LIVE}}, KBPS, NULL, "rate-control=cbr", TRUE},
  {"vaapih264enc", {{"bitrate", VA_BLURB, G_TYPE_UINT, NULL, 0, 2048000, 0, MOCK_LIVE},
          {"rate-control", "Rate control mode", 0, "none cqp cbr vcm vbr", 0, 0, 1, MOCK_RESTART},
          {"quality-level", "Encoding Quality Level (lower value means higher-quality/slow-encode, higher value means "
                "lower-quality/fast-encode)", G_TYPE_UINT, NULL, 1, 7, 4, MOCK_RESTART},
          {"cpb-length", "Length of the CPB buffer in milliseconds", G_TYPE_UINT, NULL, 1, 10000, 1500,
              MOCK_RESTART}}, KBPS, NULL, "rate-control=cbr", TRUE},
  {"qsvh264enc", {{"bitrate", "Target bitrate in kbit/sec, Ignored when selected rate-control mode is constant QP "
                    "variants (i.e., \"cqp\" and \"icq\")", G_TYPE_UINT, NULL, 0, 65535, 2000, MOCK_LIVE},
          {"rate-control", "Rate Control Method", 0, "cbr=1 vbr=2 cqp=3", 0, 0, 2, MOCK_LIVE},
          {"target-usage", "1: Best quality, 4: Balanced, 7: Best speed", G_TYPE_UINT, NULL, 1, 7, 4,
              MOCK_RESTART}}, KBPS, NULL, "rate-control=cbr", FALSE},
  {"amfh264enc", {{"bitrate", "Target bitrate in kbit/sec (0: USAGE default)", G_TYPE_UINT, NULL, 0,
              (gint64) G_MAXINT / 1000, 0, MOCK_LIVE},
          {"rate-control", "Rate Control Method", 0, "default=-1 cqp=0 cbr=1 vbr=2 lcvbr=3", 0, 0, -1, MOCK_RESTART},
          {"preset", "Preset", 0, "default=-1 balanced=0 speed=1 quality=2", 0, 0, -1,
              MOCK_RESTART}}, KBPS, NULL, "rate-control=cbr", FALSE},
  {"mfh264enc", {{"bitrate", "Bitrate in kbit/sec", G_TYPE_UINT, NULL, 1, (gint64) G_MAXUINT >> 10, 2048, MOCK_LIVE},
          {"rc-mode", "Rate Control Mode (Exposed only if supported by device)", 0, "cbr=0 pcvbr=1 uvbr=2 qvbr=3", 0,
              0, 2, MOCK_RESTART},
          {"quality-vs-speed", "Quality and speed tradeoff, [0, 33]: Low complexity, [34, 66]: Medium complexity, "
                "[67, 100]: High complexity", G_TYPE_UINT, NULL, 0, 100, 50,
              MOCK_RESTART}}, KBPS, NULL, "rc-mode=cbr", FALSE},
  {"vtenc_h264", {{"bitrate", "Target video bitrate in kbps (0 = auto)", G_TYPE_UINT, NULL, 0, G_MAXUINT, 0,
              MOCK_LIVE},
          {"realtime", "Configure the encoder for realtime output", G_TYPE_BOOLEAN, NULL, 0, 1, 0, MOCK_RESTART},
          {"allow-frame-reordering", "Whether to allow frame reordering or not", G_TYPE_BOOLEAN, NULL, 0, 1, 1,
              MOCK_RESTART}}, KBPS, NULL, NULL, FALSE},
  {"v4l2h264enc", {{"extra-controls", "Extra v4l2 controls (CIDs) for the device", 1, NULL, 0, 0, 0, MOCK_LIVE}}, 1.0,
      "video_bitrate", NULL, FALSE},
  {"nvv4l2h264enc", {{"bitrate", "Set bitrate for v4l2 encode", G_TYPE_UINT, NULL, 0, G_MAXUINT, 4000000, MOCK_LIVE},
          {"control-rate", "Set control rate for v4l2 encode", 0, "variable_bitrate constant_bitrate", 0, 0, 1,
              MOCK_RESTART},
          {"preset-level", "HW preset level for encoder", 0,
                "DisablePreset UltraFastPreset FastPreset MediumPreset SlowPreset", 0, 0, 1,
              MOCK_RESTART}}, 1.0, NULL, "control-rate=constant_bitrate", FALSE},
  {"omxh264enc", {{"target-bitrate", "Target bitrate in bits per second (0xffffffff=component default)", G_TYPE_UINT,
              NULL, 0, G_MAXUINT, G_MAXUINT, MOCK_LIVE},
          {"control-rate", "Bitrate control method", 0,
                "disable variable constant variable-skip-frames constant-skip-frames default=-1", 0, 0, -1,
              MOCK_RESTART}}, 1.0, NULL, "control-rate=constant", FALSE},
  /* As slow as one likes. */
  {"x265enc", {{"bitrate", "Bitrate in kbit/sec", G_TYPE_UINT, NULL, 1, 2048000, 2048, MOCK_LIVE},
          {"speed-preset", "Preset name for speed/quality tradeoff options", 0,
              "None ultrafast superfast veryfast faster fast medium slow slower", 0, 0, 6, MOCK_LOCKED}}, KBPS, NULL,
      NULL, FALSE, "speed-preset", 48.0, 0.75, FALSE},
  {NULL}
};

typedef struct
{
  GstVideoEncoder parent;
  gint64 stored[MOCK_PROPERTIES], used[MOCK_PROPERTIES];
  GstStructure *controls;
  GstVideoCodecState *state;
  gboolean changed;             /* the rate, since the last frame */
  gboolean first;               /* no frame since the start or the last size */
  double spent;                 /* bytes more than the rate */
  gint starts, keyframes;       /* atomic */
  gint hog;                     /* atomic: thousandths */
} Mock;

typedef struct
{
  GstVideoEncoderClass parent;
  const MockEncoder *encoder;
} MockClass;

#define ENCODER(mock) (((MockClass *) G_OBJECT_GET_CLASS (mock))->encoder)

static gpointer mock_parent_class;

static GType
enum_type (const MockEncoder * e, const MockProperty * p)
{
  g_autofree char *name = g_strdup_printf ("Mock-%s-%s", e->factory, p->name);
  GType type = g_type_from_name (name);
  g_auto (GStrv) nicks = NULL;
  GEnumValue *values;
  guint n;

  if (type)
    return type;
  nicks = g_strsplit (p->nicks, " ", -1);
  n = g_strv_length (nicks);
  values = g_new0 (GEnumValue, n + 1);  /* the type keeps it */
  for (guint i = 0; i < n; i++) {
    char *equals = strchr (nicks[i], '=');

    values[i].value = equals ? atoi (equals + 1) : (int) i;
    values[i].value_nick = values[i].value_name = g_intern_string (equals ? (*equals = 0, nicks[i]) : nicks[i]);
  }
  return g_enum_register_static (g_intern_string (name), values);
}

static gint64
nick_value (const MockEncoder * e, const MockProperty * p, const char *nick)
{
  GEnumClass *klass = g_type_class_ref (enum_type (e, p));
  GEnumValue *v = g_enum_get_value_by_nick (klass, nick);

  g_assert_nonnull (v);
  return v->value;
}

static void
mock_set (GObject * object, guint id, const GValue * value, GParamSpec * spec)
{
  Mock *m = (Mock *) object;
  const MockProperty *p = &ENCODER (m)->properties[id - 1];
  gint64 number = 0;

  if (p->when == MOCK_LOCKED && GST_STATE (m) > GST_STATE_READY)
    return;
  GST_OBJECT_LOCK (m);
  if (G_VALUE_HOLDS (value, GST_TYPE_STRUCTURE)) {
    int bits = 0;

    g_clear_pointer (&m->controls, gst_structure_free);
    m->controls = g_value_dup_boxed (value);
    if (m->controls)
      gst_structure_get_int (m->controls, ENCODER (m)->field, &bits);
    number = bits;
  } else if (G_VALUE_HOLDS_UINT (value))
    number = g_value_get_uint (value);
  else if (G_VALUE_HOLDS_BOOLEAN (value))
    number = g_value_get_boolean (value);
  else
    number = g_value_get_enum (value);
  m->changed |= id == 1 && number != m->stored[0];
  m->stored[id - 1] = number;
  if (p->when == MOCK_LIVE)
    m->used[id - 1] = number;
  GST_OBJECT_UNLOCK (m);
}

static void
mock_get (GObject * object, guint id, GValue * value, GParamSpec * spec)
{
  Mock *m = (Mock *) object;

  GST_OBJECT_LOCK (m);
  if (G_VALUE_HOLDS (value, GST_TYPE_STRUCTURE))
    g_value_set_boxed (value, m->controls);
  else if (G_VALUE_HOLDS_UINT (value))
    g_value_set_uint (value, (guint) m->stored[id - 1]);
  else if (G_VALUE_HOLDS_BOOLEAN (value))
    g_value_set_boolean (value, (gboolean) m->stored[id - 1]);
  else
    g_value_set_enum (value, (int) m->stored[id - 1]);
  GST_OBJECT_UNLOCK (m);
}

static void
mock_finalize (GObject * object)
{
  g_clear_pointer (&((Mock *) object)->controls, gst_structure_free);
  G_OBJECT_CLASS (mock_parent_class)->finalize (object);
}

static gboolean
mock_start (GstVideoEncoder * encoder)
{
  Mock *m = (Mock *) encoder;

  GST_OBJECT_LOCK (m);
  memcpy (m->used, m->stored, sizeof m->used);
  m->changed = FALSE;
  m->spent = 0.0;
  GST_OBJECT_UNLOCK (m);
  g_atomic_int_inc (&m->starts);
  return TRUE;
}

static gboolean
mock_stop (GstVideoEncoder * encoder)
{
  g_clear_pointer (&((Mock *) encoder)->state, gst_video_codec_state_unref);
  return TRUE;
}

static gboolean
mock_set_format (GstVideoEncoder * encoder, GstVideoCodecState * state)
{
  Mock *m = (Mock *) encoder;
  GstVideoCodecState *out = gst_video_encoder_set_output_state (encoder,
      gst_caps_new_empty_simple ("video/x-mock"), state);

  gst_video_codec_state_unref (out);
  g_clear_pointer (&m->state, gst_video_codec_state_unref);
  m->state = gst_video_codec_state_ref (state);
  GST_OBJECT_LOCK (m);
  m->first = TRUE;              /* another size is another sequence */
  memcpy (m->used, m->stored, sizeof m->used);
  GST_OBJECT_UNLOCK (m);
  return gst_video_encoder_negotiate (encoder);
}

/* With the lock. */
static double
rate_bps (Mock * m)
{
  const MockEncoder *e = ENCODER (m);

  if (e->cbr) {
    g_auto (GStrv) parts = g_strsplit (e->cbr, "=", 2);

    for (guint i = 0; i < MOCK_PROPERTIES && e->properties[i].name; i++) {
      if (strcmp (e->properties[i].name, parts[0]) == 0 && m->used[i] != nick_value (e, &e->properties[i], parts[1]))
        return 2e6;
    }
  }
  if (m->used[0] == 0 || m->used[0] == G_MAXUINT)
    return 2e6;
  return (double) m->used[0] * e->unit;
}

static double
busy_ms (Mock * m)
{
  const MockEncoder *e = ENCODER (m);
  double pixels;

  if (!e->preset || !m->state)
    return 0.0;
  pixels = (double) m->state->info.width * m->state->info.height / (320.0 * 240.0);
  for (guint i = 0; i < MOCK_PROPERTIES && e->properties[i].name; i++) {
    if (strcmp (e->properties[i].name, e->preset) == 0)
      return e->busy_ms * pow (e->busy_step, (double) (8 - m->used[i])) * pixels * g_atomic_int_get (&m->hog) / 1000.0;
  }
  return 0.0;
}

static GstFlowReturn
mock_handle_frame (GstVideoEncoder * encoder, GstVideoCodecFrame * frame)
{
  Mock *m = (Mock *) encoder;
  const GstVideoInfo *info = &m->state->info;
  gboolean key = GST_VIDEO_CODEC_FRAME_IS_FORCE_KEYFRAME (frame);
  double bytes;

  GST_OBJECT_LOCK (m);
  bytes = rate_bps (m) / 8.0 * info->fps_d / MAX (info->fps_n, 1);
  key |= m->first || (m->changed && ENCODER (m)->keyframe);
  m->changed = m->first = FALSE;
  GST_OBJECT_UNLOCK (m);
  if (busy_ms (m) > 0.0)
    g_usleep ((gulong) (busy_ms (m) * 1000.0));
  if (key) {
    GST_VIDEO_CODEC_FRAME_SET_SYNC_POINT (frame);
    g_atomic_int_inc (&m->keyframes);
  }
  /* A key frame is three others, and the next ones pay for it. */
  m->spent += key ? 2.0 * bytes : -MIN (m->spent, 0.3 * bytes);
  frame->output_buffer = gst_video_encoder_allocate_output_buffer (encoder,
      (gsize) MAX (key ? 3.0 * bytes : m->spent > 0.0 ? 0.7 * bytes : bytes, 1.0));
  return gst_video_encoder_finish_frame (encoder, frame);
}

static void
mock_class_init (gpointer klass, gpointer data)
{
  const MockEncoder *e = data;
  GObjectClass *k = klass;
  GstVideoEncoderClass *v = klass;
  GstCaps *raw = gst_caps_from_string ("video/x-raw"), *coded = gst_caps_from_string ("video/x-mock");

  mock_parent_class = g_type_class_peek_parent (klass);
  ((MockClass *) klass)->encoder = e;
  k->set_property = mock_set;
  k->get_property = mock_get;
  k->finalize = mock_finalize;
  v->start = mock_start;
  v->stop = mock_stop;
  v->set_format = mock_set_format;
  v->handle_frame = mock_handle_frame;
  gst_element_class_set_static_metadata (klass, e->factory, "Codec/Encoder/Video/Hardware", "Stand-in", "Test");
  gst_element_class_add_pad_template (klass, gst_pad_template_new ("sink", GST_PAD_SINK, GST_PAD_ALWAYS, raw));
  gst_element_class_add_pad_template (klass, gst_pad_template_new ("src", GST_PAD_SRC, GST_PAD_ALWAYS, coded));
  gst_caps_unref (raw);
  gst_caps_unref (coded);
  for (guint i = 0; i < MOCK_PROPERTIES && e->properties[i].name; i++) {
    const MockProperty *p = &e->properties[i];
    GParamFlags flags = G_PARAM_READWRITE | (p->when == MOCK_LIVE ? GST_PARAM_MUTABLE_PLAYING : 0);
    GParamSpec *spec;

    if (e->field && i == 0)
      spec = g_param_spec_boxed (p->name, p->name, p->blurb, GST_TYPE_STRUCTURE, flags);
    else if (p->type == G_TYPE_UINT)
      spec = g_param_spec_uint (p->name, p->name, p->blurb, (guint) p->min, (guint) p->max, (guint) p->def, flags);
    else if (p->type == G_TYPE_BOOLEAN)
      spec = g_param_spec_boolean (p->name, p->name, p->blurb, p->def != 0, flags);
    else
      spec = g_param_spec_enum (p->name, p->name, p->blurb, enum_type (e, p), (int) p->def, flags);
    g_object_class_install_property (k, i + 1, spec);
  }
}

static void
mock_init (GTypeInstance * instance, gpointer klass)
{
  Mock *m = (Mock *) instance;
  const MockEncoder *e = ((MockClass *) klass)->encoder;

  for (guint i = 0; i < MOCK_PROPERTIES && e->properties[i].name; i++)
    m->stored[i] = m->used[i] = e->properties[i].def;
  m->hog = 1000;
}

void
mock_encoders_register (void)
{
  for (guint i = 0; table[i].factory; i++) {
    GTypeInfo info = {.class_size = sizeof (MockClass),.class_init = mock_class_init,.class_data = &table[i],
      .instance_size = sizeof (Mock),.instance_init = mock_init
    };
    g_autofree char *name = g_strdup_printf ("Mock-%s", table[i].factory);
    GType type = g_type_register_static (GST_TYPE_VIDEO_ENCODER, g_intern_string (name), &info, 0);

    /* Its place in the registry: the real one, where there is one, is not asked for. */
    g_assert_true (gst_element_register (NULL, table[i].factory, GST_RANK_NONE, type));
  }
}

const MockEncoder *
mock_encoders (void)
{
  return table;
}

guint
mock_encoder_starts (GstElement * encoder)
{
  return (guint) g_atomic_int_get (&((Mock *) encoder)->starts);
}

guint
mock_encoder_keyframes (GstElement * encoder)
{
  return (guint) g_atomic_int_get (&((Mock *) encoder)->keyframes);
}

double
mock_encoder_kbps (GstElement * encoder)
{
  double bps;

  GST_OBJECT_LOCK (encoder);
  bps = rate_bps ((Mock *) encoder);
  GST_OBJECT_UNLOCK (encoder);
  return bps / 1000.0;
}

void
mock_encoder_hog (GstElement * encoder, double factor)
{
  g_atomic_int_set (&((Mock *) encoder)->hog, (gint) lrint (factor * 1000.0));
}

double
mock_encoder_busy_ms (GstElement * encoder)
{
  double ms;

  GST_VIDEO_ENCODER_STREAM_LOCK (encoder);
  ms = busy_ms ((Mock *) encoder);
  GST_VIDEO_ENCODER_STREAM_UNLOCK (encoder);
  return ms;
}
