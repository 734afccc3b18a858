/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table of encoders. What an encoder's properties tell is taken from them (existence, type,
 * range, unit by the blurb); the table holds the rest: what a change costs and what must be set
 * beside the rate. */
#include "gstmloencoder.h"

#include <string.h>

#define SLOW_BAND 0.15          /* for those that pay for a change with a key frame */
#define SLOW_MS 2000
#define BAND 0.03

#define X26X_LEVELS "ultrafast superfast veryfast faster fast medium slow slower veryslow placebo"
/* The older scale has its presets for low latency beside the others. */
#define NV_LEVELS "low-latency-hp|hp low-latency|default low-latency-hq|hq;p1 p2 p3 p4 p5 p6 p7"
#define USAGE_LEVELS "7 6 5 4 3 2 1"

/* The first six are measured (GStreamer 1.22.0); the rest is from their documentation. */
static const GstMloEncoderInfo encoders[] = {
  /* The default VBV of 600 ms takes 230 ms to follow and piles up 560 ms; 100 ms costs 15 % of the rate. */
  {"x264enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.vbv_property = "vbv-buf-capacity",.vbv_ms = 200,
      .counts_frames = TRUE,.exact = TRUE,.advice = "set pass=cbr and vbv-buf-capacity=200, and leave qp, crf and "
        "nal-hrd=cbr out of its option-string",.speed = {"speed-preset", X26X_LEVELS},.dead_band = BAND,.settings =
        {{"vbv-buf-capacity", "200"}}},
  {"x265enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.counts_frames = TRUE,.keyframe_on_bitrate = TRUE,
      .exact = TRUE,.advice = "set qp=-1, and leave qp, crf and lossless out of its option-string",.speed =
        {"speed-preset", X26X_LEVELS},.dead_band = SLOW_BAND,.min_change_ms = SLOW_MS},
  /* Its default is constant quality, which has no rate. */
  {"openh264enc", "bitrate",.unit = GST_MLO_UNIT_BPS,.keyframe_on_bitrate = TRUE,.exact = TRUE,.dead_band = 0.08,
      .min_change_ms = 1000,.settings = {{"rate-control", "bitrate"}}},
  /* The default buffer is six seconds. */
  {"vp8enc", "target-bitrate",.unit = GST_MLO_UNIT_BPS,.exact = TRUE,.advice = "set end-usage=cbr",.speed =
        {"cpu-used", "16 14 12 4 2 0",.live = TRUE},.dead_band = BAND,.settings = {{"end-usage", "cbr"},
          {"buffer-size", "100"}, {"buffer-initial-size", "50"}, {"buffer-optimal-size", "50"}}},
  {"vp9enc", "target-bitrate",.unit = GST_MLO_UNIT_BPS,.exact = TRUE,.advice = "set end-usage=cbr",.speed =
        {"cpu-used", "9 8 7 5 4 3 2 1 0",.live = TRUE},.dead_band = BAND,.settings = {{"end-usage", "cbr"},
          {"buffer-size", "300"}, {"buffer-initial-size", "100"}, {"buffer-optimal-size", "100"}}},
  /* Its quantizer range is 0 to 0 by default: lossless at any rate, and under cbr libaom aborts on it. */
  {"av1enc", "target-bitrate",.unit = GST_MLO_UNIT_KBPS,.advice = "set end-usage=cbr",.speed =
        {"cpu-used", "10 8 7 6 5 4 3 2 1 0",.live = TRUE},.dead_band = BAND,.settings =
      {{"max-quantizer", "63"}, {"end-usage", "cbr"},
          {"buf-sz", "300"}, {"buf-initial-sz", "100"}, {"buf-optimal-sz", "100"}}},
  {"svtav1enc", "target-bitrate",.unit = GST_MLO_UNIT_KBPS,.keyframe_on_bitrate = TRUE,.speed =
        {"preset", "13 12 11 10 9 8 7 6 5 4 3 2 1 0"},.dead_band = SLOW_BAND,
      .min_change_ms = SLOW_MS},
  {"rav1enc", "bitrate",.unit = GST_MLO_UNIT_BPS,.keyframe_on_bitrate = TRUE,.speed =
        {"speed-preset", "10 9 8 7 6 5 4 3 2 1 0"},.dead_band = SLOW_BAND,
      .min_change_ms = SLOW_MS},
  {"nvh264enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.vbv_property = "vbv-buffer-size",.vbv_unit = GST_MLO_VBV_KBIT,
        .vbv_ms = 200,.keyframe_on_bitrate = TRUE,.speed = {"preset", NV_LEVELS},.dead_band = SLOW_BAND,.min_change_ms =
        SLOW_MS,
      .settings = {{"rc-mode", "cbr"}}},
  {"nvh265enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.vbv_property = "vbv-buffer-size",.vbv_unit = GST_MLO_VBV_KBIT,
        .vbv_ms = 200,.keyframe_on_bitrate = TRUE,.speed = {"preset", NV_LEVELS},.dead_band = SLOW_BAND,.min_change_ms =
        SLOW_MS,
      .settings = {{"rc-mode", "cbr"}}},
  {"nvcudah264enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.vbv_property = "vbv-buffer-size",
        .vbv_unit = GST_MLO_VBV_KBIT,.vbv_ms = 200,.keyframe_on_bitrate = TRUE,.speed =
        {"preset", NV_LEVELS},.dead_band = SLOW_BAND,
      .min_change_ms = SLOW_MS,.settings = {{"rate-control", "cbr"}, {"rc-mode", "cbr"}}},
  {"nvautogpuh264enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.vbv_property = "vbv-buffer-size",
        .vbv_unit = GST_MLO_VBV_KBIT,.vbv_ms = 200,.keyframe_on_bitrate = TRUE,.speed =
        {"preset", NV_LEVELS},.dead_band = SLOW_BAND,
      .min_change_ms = SLOW_MS,.settings = {{"rate-control", "cbr"}, {"rc-mode", "cbr"}}},
  {"vah264enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.vbv_property = "cpb-size",.vbv_unit = GST_MLO_VBV_KBIT,
        .vbv_ms = 200,.keyframe_on_bitrate = TRUE,.speed = {"target-usage", USAGE_LEVELS},.dead_band =
        SLOW_BAND,.min_change_ms = SLOW_MS,
      .settings = {{"rate-control", "cbr"}}},
  {"vah265enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.vbv_property = "cpb-size",.vbv_unit = GST_MLO_VBV_KBIT,
        .vbv_ms = 200,.keyframe_on_bitrate = TRUE,.speed = {"target-usage", USAGE_LEVELS},.dead_band =
        SLOW_BAND,.min_change_ms = SLOW_MS,
      .settings = {{"rate-control", "cbr"}}},
  /* Constant quantizer by default. */
  {"vaapih264enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.keyframe_on_bitrate = TRUE,.speed =
        {"quality-level", USAGE_LEVELS},.dead_band = SLOW_BAND,
      .min_change_ms = SLOW_MS,.settings = {{"rate-control", "cbr"}, {"cpb-length", "200"}}},
  {"qsvh264enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.speed = {"target-usage", USAGE_LEVELS},.dead_band =
      0.05,.min_change_ms = 500,
      .settings = {{"rate-control", "cbr"}}},
  {"amfh264enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.speed = {"preset", "speed default|balanced quality"},.dead_band =
      0.05,.min_change_ms = 500,
      .settings = {{"rate-control", "cbr"}}},
  {"mfh264enc", "bitrate",.unit = GST_MLO_UNIT_KBPS,.speed = {"quality-vs-speed", "0 50 100"},.dead_band =
      0.05,.min_change_ms = 500,
      .settings = {{"rc-mode", "cbr"}}},
  {"vtenc_h264", "bitrate",.unit = GST_MLO_UNIT_KBPS,.dead_band = 0.05,.min_change_ms = 500,
      .settings = {{"realtime", "true"}, {"allow-frame-reordering", "false"}}},
  {"v4l2h264enc", "extra-controls",.field = "video_bitrate",.unit = GST_MLO_UNIT_BPS,.dead_band = 0.05,
      .min_change_ms = 500},
  {"nvv4l2h264enc", "bitrate",.unit = GST_MLO_UNIT_BPS,.speed =
        {"preset-level", "UltraFastPreset FastPreset MediumPreset SlowPreset"},.dead_band = 0.05,.min_change_ms = 500},
  {"omxh264enc", "target-bitrate",.unit = GST_MLO_UNIT_BPS,.dead_band = 0.05,.min_change_ms = 500,.settings =
        {{"control-rate", "constant"}}},
};

/* Tried, and measured by its output. */
static const GstMloEncoderInfo unknown_encoder = {
  NULL,.unit = GST_MLO_UNIT_BPS,.dead_band = 0.05,.min_change_ms = 500
};

static const GstMloEncoderInfo *
find_info (const char *factory)
{
  for (guint i = 0; i < G_N_ELEMENTS (encoders); i++) {
    if (g_strcmp0 (encoders[i].factory, factory) == 0)
      return &encoders[i];
  }
  return NULL;
}

static gboolean
is_number (const GParamSpec * spec)
{
  switch (G_PARAM_SPEC_VALUE_TYPE (spec)) {
    case G_TYPE_INT:
    case G_TYPE_UINT:
    case G_TYPE_INT64:
    case G_TYPE_UINT64:
    case G_TYPE_LONG:
    case G_TYPE_ULONG:
      return TRUE;
    default:
      return FALSE;
  }
}

static GParamSpec *
find_number (GstElement * element, const char *name)
{
  GParamSpec *spec = name ? g_object_class_find_property (G_OBJECT_GET_CLASS (element), name) : NULL;

  return spec && (spec->flags & G_PARAM_READWRITE) == G_PARAM_READWRITE && is_number (spec) ? spec : NULL;
}

/* The unit that the blurb names, or @fallback. */
static GstMloUnit
unit_of (const GParamSpec * spec, GstMloUnit fallback)
{
  static const char *const kilo[] = { "kbit", "kbps", "kb/s", "kilobit" };
  static const char *const plain[] = { "bits per second", "bits/s", "bit/s", "bps" };
  const char *blurb = g_param_spec_get_blurb ((GParamSpec *) spec);
  g_autofree char *text = g_ascii_strdown (blurb ? blurb : "", -1);

  for (guint i = 0; i < G_N_ELEMENTS (kilo); i++) {
    if (strstr (text, kilo[i]))
      return GST_MLO_UNIT_KBPS;
  }
  for (guint i = 0; i < G_N_ELEMENTS (plain); i++) {
    if (strstr (text, plain[i]))
      return GST_MLO_UNIT_BPS;
  }
  return fallback;
}

gboolean
gst_mlo_encoder_resolve (GstMloEncoder * e, GstElement * element, const char *property, int unit)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  const char *klass = factory ? gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS) : NULL;
  const GstMloEncoderInfo *info = factory ? find_info (GST_OBJECT_NAME (factory)) : NULL;

  memset (e, 0, sizeof *e);
  if (!info) {
    if (!property && (!klass || !strstr (klass, "Encoder") || !strstr (klass, "Video")))
      return FALSE;
    info = &unknown_encoder;
  }
  e->info = info;
  if (info->field && !property) {
    e->rate = g_object_class_find_property (G_OBJECT_GET_CLASS (element), info->property);
    if (!e->rate || G_PARAM_SPEC_VALUE_TYPE (e->rate) != GST_TYPE_STRUCTURE)
      return FALSE;
    e->field = info->field;
    e->unit = info->unit;
    return TRUE;
  }
  e->rate = find_number (element, property ? property : info->property);
  if (!e->rate && !property) {
    e->rate = find_number (element, "bitrate");
    if (!e->rate)
      e->rate = find_number (element, "target-bitrate");
  }
  if (!e->rate)
    return FALSE;
  e->unit = unit >= 0 ? (GstMloUnit) unit : unit_of (e->rate, info->unit);
  e->vbv = find_number (element, info->vbv_property);
  return TRUE;
}

static gboolean
has_default (GstElement * element, GParamSpec * spec)
{
  GValue value = G_VALUE_INIT;
  gboolean same;

  g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (spec));
  g_object_get_property (G_OBJECT (element), spec->name, &value);
  same = g_param_value_defaults (spec, &value);
  g_value_unset (&value);
  return same;
}

/* Takes nal-hrd=cbr out of x264's options: with it x264 ignores every change of the rate. */
static gboolean
repair_options (GstElement * element)
{
  g_autofree char *options = NULL;
  g_auto (GStrv) parts = NULL;
  g_autoptr (GString) kept = g_string_new (NULL);
  gboolean found = FALSE;

  g_object_get (element, "option-string", &options, NULL);
  parts = g_strsplit (options ? options : "", ":", -1);
  for (char **p = parts; *p; p++) {
    g_autofree char *part = g_strstrip (g_strdup (*p));

    if (g_ascii_strcasecmp (part, "nal-hrd=cbr") == 0 || g_ascii_strcasecmp (part, "nal_hrd=cbr") == 0) {
      found = TRUE;
      continue;
    }
    g_string_append_printf (kept, "%s%s", kept->len ? ":" : "", *p);
  }
  if (found)
    g_object_set (element, "option-string", kept->str, NULL);
  return found;
}

char *
gst_mlo_encoder_prepare (const GstMloEncoder * e, GstElement * element)
{
  GObjectClass *klass = G_OBJECT_GET_CLASS (element);
  g_autoptr (GString) wrong = g_string_new (NULL);

  for (guint i = 0; i < GST_MLO_ENCODER_SETTINGS && e->info->settings[i].property; i++) {
    const char *name = e->info->settings[i].property;
    GParamSpec *spec = g_object_class_find_property (klass, name);

    if (spec && (spec->flags & G_PARAM_READWRITE) == G_PARAM_READWRITE && has_default (element, spec))
      gst_util_set_object_arg (G_OBJECT (element), name, e->info->settings[i].value);
  }
  if (g_strcmp0 (e->info->factory, "x264enc") == 0) {
    guint vbv = 0;

    g_object_get (element, "vbv-buf-capacity", &vbv, NULL);
    if (vbv == 0) {
      g_object_set (element, "vbv-buf-capacity", e->info->vbv_ms, NULL);
      g_string_append_printf (wrong, "vbv-buf-capacity=0 makes x264enc ignore changes of the bitrate: set to %u ms. ",
          e->info->vbv_ms);
    }
    if (repair_options (element))
      g_string_append (wrong, "nal-hrd=cbr makes x264enc ignore changes of the bitrate: "
          "taken out of its option-string. ");
  }
  return wrong->len ? g_strchomp (g_string_free (g_steal_pointer (&wrong), FALSE)) : NULL;
}

static gint64
get_number (GstElement * element, GParamSpec * spec)
{
  GValue value = G_VALUE_INIT, number = G_VALUE_INIT;
  gint64 result;

  g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (spec));
  g_value_init (&number, G_TYPE_INT64);
  g_object_get_property (G_OBJECT (element), spec->name, &value);
  result = g_value_transform (&value, &number) ? g_value_get_int64 (&number) : 0;
  g_value_unset (&value);
  g_value_unset (&number);
  return result;
}

/* Returns whether it reads back as set, within the property's own bounds and @step (vp8enc keeps whole kbit/s of what it is
 * given in bit/s). */
static gboolean
set_number (GstElement * element, GParamSpec * spec, gint64 wanted, gint64 step)
{
  GValue value = G_VALUE_INIT, number = G_VALUE_INIT;
  gboolean same = FALSE;

  /* No encoder takes more than 2 Gbit/s, and the narrowest type is gint. */
  wanted = CLAMP (wanted, 0, G_MAXINT);
  g_value_init (&value, G_PARAM_SPEC_VALUE_TYPE (spec));
  g_value_init (&number, G_TYPE_INT64);
  g_value_set_int64 (&number, wanted);
  if (g_value_transform (&number, &value)) {
    g_param_value_validate (spec, &value);
    if (g_value_transform (&value, &number)) {
      wanted = g_value_get_int64 (&number);
      if (get_number (element, spec) != wanted)
        g_object_set_property (G_OBJECT (element), spec->name, &value);
      same = ABS (get_number (element, spec) - wanted) < step;
    }
  }
  g_value_unset (&value);
  g_value_unset (&number);
  return same;
}

static double
to_kbps (const GstMloEncoder * e, gint64 value)
{
  return e->unit == GST_MLO_UNIT_KBPS ? (double) value : (double) value / 1000.0;
}

double
gst_mlo_encoder_get_kbps (const GstMloEncoder * e, GstElement * element)
{
  gint64 number;

  if (e->field) {
    g_autoptr (GstStructure) controls = NULL;
    int value = 0;

    g_object_get (element, e->rate->name, &controls, NULL);
    if (controls)
      gst_structure_get_int (controls, e->field, &value);
    return to_kbps (e, MAX (value, 0));
  }
  number = get_number (element, e->rate);
  /* All ones: the component's own choice. */
  return number > 0 && number < G_MAXUINT32 ? to_kbps (e, number) : 0.0;
}

double
gst_mlo_encoder_least_kbps (const GstMloEncoder * e)
{
  GValue least = G_VALUE_INIT, number = G_VALUE_INIT;
  gint64 value = 0;

  if (e->field)
    return 0.0;
  g_value_init (&least, G_PARAM_SPEC_VALUE_TYPE (e->rate));
  g_value_init (&number, G_TYPE_INT64);
  /* Validation moves what is too little to the least. */
  g_value_set_int64 (&number, 0);
  if (g_value_transform (&number, &least)) {
    g_param_value_validate (e->rate, &least);
    if (g_value_transform (&least, &number))
      value = g_value_get_int64 (&number);
  }
  g_value_unset (&least);
  g_value_unset (&number);
  return to_kbps (e, MAX (value, 0));
}

gboolean
gst_mlo_encoder_set_kbps (const GstMloEncoder * e, GstElement * element, double kbps)
{
  double value = e->unit == GST_MLO_UNIT_KBPS ? kbps : kbps * 1000.0;
  gint64 number = (gint64) CLAMP (value + 0.5, 1.0, (double) G_MAXINT);

  if (e->field) {
    g_autoptr (GstStructure) controls = NULL;

    /* The other controls are the user's. */
    g_object_get (element, e->rate->name, &controls, NULL);
    if (!controls)
      controls = gst_structure_new_empty ("controls");
    gst_structure_set (controls, e->field, G_TYPE_INT, (int) number, NULL);
    g_object_set (element, e->rate->name, controls, NULL);
    return TRUE;
  }
  return set_number (element, e->rate, number, e->unit == GST_MLO_UNIT_KBPS ? 1 : 1000);
}

void
gst_mlo_encoder_set_vbv (const GstMloEncoder * e, GstElement * element, double ms, double kbps)
{
  if (e->vbv)
    set_number (element, e->vbv, (gint64) (0.5 + (e->info->vbv_unit == GST_MLO_VBV_MS ? ms : ms * kbps / 1000.0)), 1);
}
