/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-action.h"

static const char *const action_names[MLO_N_ACTIONS] = {
  "resolution-up", "resolution-down", "fps-up", "fps-down", "bitrate-up", "bitrate-down",
  "preset-faster", "preset-slower", "none"
};

static const char *const protocol_names[MLO_N_ACTIONS] = {
  "increase_resolution", "decrease_resolution", "increase_fps", "decrease_fps",
  "increase_bitrate", "decrease_bitrate", "faster_preset", "slower_preset", "no_change"
};

static const char *const state_names[MLO_N_GUARD_STATES] = {
  "normal", "hold", "backoff", "fallback"
};

static const char *const limiter_names[MLO_N_LIMITERS] = {
  "none", "network", "encoder", "source", "user", "model", "guard"
};

#define NAME(table, i) ((guint) (i) < G_N_ELEMENTS (table) ? table[i] : "invalid")

const char *
mlo_action_name (MloAction action)
{
  return NAME (action_names, action);
}

const char *
mlo_action_protocol_name (MloAction action)
{
  return NAME (protocol_names, action);
}

const char *
mlo_guard_state_name (MloGuardState state)
{
  return NAME (state_names, state);
}

const char *
mlo_limiter_name (MloLimiter limiter)
{
  return NAME (limiter_names, limiter);
}
