/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmloptimizer.h"

static gboolean
plugin_init (GstPlugin * plugin)
{
  return GST_ELEMENT_REGISTER (mloptimizer, plugin);
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, mloptimizer,
    "Sets bitrate, picture size and frame rate of a live video stream by what the network carries", plugin_init,
    MLO_VERSION, "LGPL", "mloptimizer", "mloptimizer")
