/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_ELEMENT_H
#define GST_MLO_ELEMENT_H

#include "gstmlogroup.h"
#include "gstmlomodels.h"
#include "gstmloproperties.h"
#include "gstmloptimizer.h"
#include "gstmloserver.h"
#include "mlo-recorder.h"

G_BEGIN_DECLS

/* The element's inside, for the files that it is made of: gstmloptimizer.c (type, states), gstmlopads.c, gstmlosurface.c,
 * gstmloservices.c. */
struct _GstMlOptimizer
{
  GstBin parent;

  GstElement *scale, *filter;   /* owned by the bin; NULL where videoscale is not installed */
  GstPad *sinkpad, *srcpad;     /* ghost pads, owned by the bin */

  /* Under OBJECT_LOCK: */
  GstMloProperties user;
  MloBudgetShare share;         /* of the group, while in one and members > 0 */
  MloMessageLimits asked;       /* by the server */
  guint settings_serial;
  guint warned;                 /* bits 1 << GstMloWarning */
  GstMloControl *control;       /* between READY->PAUSED and PAUSED->READY */

  GstMloTelemetry *telemetry;
  GstMloActuator actuator;      /* the control thread's; its gate the streaming thread's */
  GstMloModels models;          /* between NULL->READY and READY->NULL */
  const MloChannelTable *line;  /* static; NULL without a server. Changes only while there is no channel */
  MloChannel *channel;          /* as long as the control, and longer; OBJECT_LOCK to read it elsewhere */

  MloLearner *learner;          /* as long as the control, and longer; NULL: nothing learns */
  MloRecorder *recorder;        /* likewise, the control thread's; NULL without a file to record to */
  gint64 real_time_us;          /* of the monotonic clock's zero, while it is there */

  GstMloGroup *place;           /* as long as the control, whose thread claims; NULL without a group */

  GstBus *bus;                  /* the pipeline's, while PAUSED or PLAYING */
  gulong bus_id;

  GstClockTime half_frame;      /* streaming thread */
  const char *memory, *placed;  /* likewise; interned: the pictures' (NULL: not known), and that which scale is for */
  GstElement *trial;            /* atomic: a scaler that is being put in place */
};

/* The control thread's handle, for other threads: alive as long as the lock is held. */
#define WITH_CONTROL(self, statement) \
  G_STMT_START { \
    GST_OBJECT_LOCK (self); \
    if ((self)->control) \
      statement; \
    GST_OBJECT_UNLOCK (self); \
  } G_STMT_END

/* --- gstmloptimizer.c --- */

/* Encoders in NULL or READY, which take every setting, get those that they need. Any thread without a lock. */
void gst_ml_optimizer_prepare_encoders (GstMlOptimizer * self);

/* --- gstmlopads.c: what passes through, and the scaler in its way --- */

/* Makes the pads and what is between them; scale and filter stay NULL where a part is not installed. */
void gst_mlo_pads_init (GstMlOptimizer * self);
/* Streaming has ended: as it was before. */
void gst_mlo_pads_stop (GstMlOptimizer * self);
/* Whether @message is the error of a scaler that was only tried. */
gboolean gst_mlo_pads_own_error (GstMlOptimizer * self, GstMessage * message);

/* --- gstmlosurface.c: what the application sees and says --- */

void gst_mlo_surface_install (GObjectClass * klass);
/* Those of this element, whatever its group has. With the object lock. */
void gst_mlo_surface_own_settings (GstMlOptimizer * self, GstMloSettings * settings);
/* As GstMloControlFuncs has them; @data is the element. No lock is held. */
guint gst_mlo_surface_settings (gpointer data, GstMloSettings * settings);
gboolean gst_mlo_surface_decide (gpointer data, MloDecision * decision, const MloDecision * before);
void gst_mlo_surface_decided (gpointer data, const MloDecision * decision, const MloDecision * before,
    gboolean applied);
void gst_mlo_surface_unwarn (gpointer data, guint causes);
void gst_mlo_surface_warn (gpointer data, GstMloWarning cause, const char *text);

/* --- gstmloservices.c: what goes along with a stream: learner, group, recording, server --- */

/* In READY: whether the address is one, and the module that talks to it. FALSE: an error was posted. */
gboolean gst_mlo_services_check (GstMlOptimizer * self);
/* Before the control is there. FALSE: an error was posted, and nothing is left open. */
gboolean gst_mlo_services_start (GstMlOptimizer * self);
/* When it is gone: it reports to them without a lock. */
void gst_mlo_services_stop (GstMlOptimizer * self);
/* As GstMloControlFuncs has them. */
void gst_mlo_services_report (gpointer data, const MloDecision * decision, const MloDecision * before,
    const MloSample * sample, const GstMloSettings * settings, const GstMloFormat * format);
void gst_mlo_services_learned (gpointer data, const MloLearnerReport * before, const MloLearnerReport * now);

G_END_DECLS
#endif
