/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_CONTROL_H
#define GST_MLO_CONTROL_H

#include "gstmloactuator.h"
#include "gstmlolearn.h"
#include "gstmlotelemetry.h"
#include "mlo-bitrate-predictor.h"
#include "mlo-policy.h"
#include "mlo-quality-optimizer.h"

G_BEGIN_DECLS

typedef enum
{
  GST_MLO_MODE_CONTROL,
  GST_MLO_MODE_OBSERVE,
} GstMloMode;

/* What the user set, as the control thread needs it. */
typedef struct
{
  MloLimits limits;
  GstMloMode mode;
  char encoder[128];            /* the property `encoder`, "" where not set */
  char peer[128];               /* likewise `peer` */
  double explore;               /* share, as in mlo_controller_set_explore(); where a learner is */
} GstMloSettings;

/* The last decision with the observation behind it, for the property `stats`. */
typedef struct
{
  gboolean valid;
  MloDecision decision;         /* its reason is a static string */
  MloSample sample;
  guint n_encoders;
  struct
  {
    char name[64], factory[64];
    double kbps;                /* last value given to its property */
    gboolean deaf;
  } encoders[GST_MLO_ENCODERS_MOST];    /* the first leads */
  gboolean parity;              /* something makes parity packets */
  double parity_percent, parity_overhead;       /* packets in a hundred, and bytes a byte, as set now */
  guint64 applied;              /* decisions that changed something */
  guint64 reports;              /* receiver reports taken in */
  gboolean peer_decides;        /* the one that the user chose is there */
  gboolean trained;             /* there is a learner, and @training is what it told last */
  MloLearnerReport training;
} GstMloSnapshot;

/* Said once each in the life of an element. */
typedef enum
{
  GST_MLO_WARN_NO_ENCODER,
  GST_MLO_WARN_NO_FEEDBACK,
  GST_MLO_WARN_NO_TWCC,
  GST_MLO_WARN_DEAF,
  GST_MLO_WARN_REFUSED_BITRATE,
  GST_MLO_WARN_REFUSED_SIZE,
  GST_MLO_WARN_REFUSED_PRESET,
  GST_MLO_WARN_NO_MODEL,
  GST_MLO_WARN_REPAIRED,
  GST_MLO_WARN_SERVER,
  GST_MLO_WARN_SERVER_TEXT,
  GST_MLO_WARN_RECORD,
  GST_MLO_WARN_TRAIN,
  GST_MLO_WARN_TRAIN_SAVE,
  GST_MLO_WARN_GROUP,
  GST_MLO_WARN_PEER,
} GstMloWarning;

/* What the control thread asks of its element; called on that thread, without a lock. */
typedef struct
{
  /* Copies the settings; returns their serial, which changes with them. */
  guint (*get_settings) (gpointer user_data, GstMloSettings * settings);
  /* A decision that differs from what is set (@before) is about to be applied, or would be. May alter bitrate, size
   * and frame rate; TRUE when it did. */
  gboolean (*decide) (gpointer user_data, MloDecision * decision, const MloDecision * before);
  /* It was applied (@applied: mode is control), or would have been. */
  void (*decided) (gpointer user_data, const MloDecision * decision, const MloDecision * before, gboolean applied);
  /* After each decision, changed or not: with the one that was in force before it, what it rests on, and what is to
   * be kept to. Must not block. */
  void (*report) (gpointer user_data, const MloDecision * decision, const MloDecision * before,
      const MloSample * sample, const GstMloSettings * settings, const GstMloFormat * format);
  /* The learner told what it has done; @before: what it told the last time. */
  void (*learned) (gpointer user_data, const MloLearnerReport * before, const MloLearnerReport * now);
  /* What was warned of for these @causes (bits 1 << GstMloWarning) is no more, and may be warned of again. */
  void (*unwarn) (gpointer user_data, guint causes);
  /* @text: for the user, complete. */
  void (*warn) (gpointer user_data, GstMloWarning cause, const char *text);
} GstMloControlFuncs;

/**
 * GstMloControl: the control thread with its main context. Between _new and _free it ticks while
 * playing, takes in what telemetry has, runs the controller and drives the actuator.
 */
typedef struct _GstMloControl GstMloControl;

/**
 * gst_mlo_control_new:
 * Starts the thread. @element: borrowed, as its pads, telemetry, actuator, the models and the learner are, all of
 * which outlive the control. @top: the outermost bin. @learner: or NULL; learns from each tick while the mode is
 * control, and its good bitrate is the start where the user chose none.
 */
GstMloControl *gst_mlo_control_new (GstElement * element, GstPad * src, GstElement * top, GstMloTelemetry * telemetry,
    GstMloActuator * actuator, const MloBitratePredictor * predictor, const MloQualityOptimizer * optimizer,
    MloLearner * learner, guint interval_ms, const GstMloControlFuncs * funcs, gpointer user_data);
/* Ends the thread and joins it. Not with a lock that the callbacks take. */
void gst_mlo_control_free (GstMloControl * c);

/* Ticks run while playing. Any thread. */
void gst_mlo_control_set_playing (GstMloControl * c, gboolean playing);
/* A discontinuity: what was measured is forgotten. Any thread. */
void gst_mlo_control_reset (GstMloControl * c);
/* The links downstream may have changed. Any thread. */
void gst_mlo_control_refind (GstMloControl * c);
/* Any thread; a copy under a short lock. */
void gst_mlo_control_get_snapshot (GstMloControl * c, GstMloSnapshot * snapshot);

G_END_DECLS
#endif
