/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_PROPERTIES_H
#define GST_MLO_PROPERTIES_H

#include <gst/gst.h>

#include "gstmlocontrol.h"

G_BEGIN_DECLS

#define GST_TYPE_ML_OPTIMIZER_MODE (gst_ml_optimizer_mode_get_type ())
GType gst_ml_optimizer_mode_get_type (void);

enum
{
  GST_MLO_PROP_0,
  GST_MLO_PROP_MIN_BITRATE,
  GST_MLO_PROP_MAX_BITRATE,
  GST_MLO_PROP_START_BITRATE,
  GST_MLO_PROP_BITRATE,
  GST_MLO_PROP_ESTIMATED_BANDWIDTH,
  GST_MLO_PROP_TARGET_DELAY,
  GST_MLO_PROP_MIN_FRAMERATE,
  GST_MLO_PROP_MAX_FRAMERATE,
  GST_MLO_PROP_MIN_HEIGHT,
  GST_MLO_PROP_ADAPT,
  GST_MLO_PROP_MODE,
  GST_MLO_PROP_INTERVAL,
  GST_MLO_PROP_MODELS,
  GST_MLO_PROP_ENCODER,
  GST_MLO_PROP_PEER,
  GST_MLO_PROP_SERVER,
  GST_MLO_PROP_SERVER_TOKEN,
  GST_MLO_PROP_SERVER_CA,
  GST_MLO_PROP_RECORD,
  GST_MLO_PROP_TRAIN,
  GST_MLO_PROP_TRAIN_DIR,
  GST_MLO_PROP_TRAIN_CPU,
  GST_MLO_PROP_TRAIN_EXPLORE,
  GST_MLO_PROP_TRAIN_KEY,
  GST_MLO_PROP_GROUP,
  GST_MLO_PROP_GROUP_WEIGHT,
  GST_MLO_PROP_GROUP_MAX_BITRATE,
  GST_MLO_PROP_STATS,
  GST_MLO_N_PROPS
};

/**
 * GstMloProperties: what the user set, each as its property has it: bitrates in bit/s, target_delay and interval in
 * ms, height in pixels. The strings are owned; NULL: unset. Under the element's lock.
 */
typedef struct
{
  guint min_bitrate, max_bitrate, start_bitrate, target_delay, interval;
  int min_framerate, max_framerate, min_height;
  guint adapt;
  GstMloMode mode;
  char *models_folder, *encoder, *peer;
  char *server, *server_token, *server_ca;
  char *record;
  gboolean train;
  double train_cpu, train_explore;
  char *train_dir, *train_key;
  char *group;
  guint group_weight, group_max_bitrate;
} GstMloProperties;

/* The defaults. */
void gst_mlo_properties_init (GstMloProperties * p);
void gst_mlo_properties_clear (GstMloProperties * p);

/* Of the property @id; FALSE: it is none of these (bitrate, estimated-bandwidth and stats are the element's own). */
gboolean gst_mlo_properties_set (GstMloProperties * p, guint id, const GValue * value);
gboolean gst_mlo_properties_get (const GstMloProperties * p, guint id, GValue * value);

/* In class_init: all of them, with their documentation. */
void gst_mlo_properties_install (GObjectClass * klass);
/* Its spec, for a notification. */
GParamSpec *gst_mlo_properties_bitrate (void);

G_END_DECLS
#endif
