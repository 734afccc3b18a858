/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_ML_OPTIMIZER_H
#define GST_ML_OPTIMIZER_H

#include "gstmloactuator.h"
#include "gstmlocontrol.h"

G_BEGIN_DECLS

#define GST_TYPE_ML_OPTIMIZER (gst_ml_optimizer_get_type ())
G_DECLARE_FINAL_TYPE (GstMlOptimizer, gst_ml_optimizer, GST, ML_OPTIMIZER, GstBin)

GST_ELEMENT_REGISTER_DECLARE (mloptimizer);

G_END_DECLS
#endif
