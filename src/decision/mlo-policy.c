/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-policy.h"

const MloLimits mlo_limits_default = {
  .min_bitrate_kbps = 300.0,
  .max_bitrate_kbps = 20000.0,
  .start_bitrate_kbps = 2000.0,
  .target_delay_ms = 60.0,
  .min_fps = 15.0,
  .max_fps = 0.0,
  .min_height = 240,
  .adapt = MLO_ADAPT_ALL,
};

const MloActuatorTraits mlo_actuator_traits_default = {
  .can_bitrate = TRUE,
  .can_resolution = TRUE,
  .can_framerate = TRUE,
  .dead_band = 0.02,
};
