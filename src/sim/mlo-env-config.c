/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-env.h"

const MloEnvConfig mlo_env_config_default = {
  .rtt_ms = 40.0,
  .queue_ms = 300.0,
  .burst_length = 5.0,
  .feedback = MLO_FEEDBACK_TWCC,
  .source = {1280, 720, 60.0},
  .complexity = 0.72,           /* a game, as mlo_complexity measures it */
  .encode_ms = 5.0,
  .decode_ms = 3.0,
  .interval_us = 100000,
  .limits = {
        .min_bitrate_kbps = 300.0,
        .max_bitrate_kbps = 12000.0,
        .start_bitrate_kbps = 2000.0,
        .target_delay_ms = 60.0,
        .min_fps = 15.0,
        .min_height = 240,
        .adapt = MLO_ADAPT_ALL,
      },
};

static double
draw_grid_ms (MloRandom * random, MloTraceKind kind)
{
  static const double cellular[] = { 0, 1, 1, 5, 10 }, wireless[] = { 0, 0, 0, 1, 5 };

  switch (kind) {
    case MLO_TRACE_LTE:
    case MLO_TRACE_5G:
    case MLO_TRACE_FADING:
      return cellular[mlo_random_below (random, G_N_ELEMENTS (cellular))];
    case MLO_TRACE_WIFI:
    case MLO_TRACE_SATELLITE:
      return wireless[mlo_random_below (random, G_N_ELEMENTS (wireless))];
    default:
      return 0.0;
  }
}

void
mlo_env_config_randomise (MloEnvConfig * config, MloTraceKind kind, MloRandom * random)
{
  static const MloSource sources[] = {
    {1280, 720, 60.0}, {1280, 720, 60.0}, {1280, 720, 60.0}, {1280, 720, 60.0}, {1280, 720, 60.0},
    {1920, 1080, 60.0}, {1920, 1080, 60.0}, {1920, 1080, 60.0}, {1920, 1080, 30.0}, {1280, 720, 30.0},
  };
  gboolean plain;
  double u;

  *config = mlo_env_config_default;

  config->rtt_ms = mlo_random_log_range (random, 10.0, 200.0);
  /* Many do nothing worse than change their capacity. */
  plain = mlo_random_chance (random, 0.4);
  config->queue_ms = plain ? mlo_random_log_range (random, 150.0, 600.0) : mlo_random_log_range (random, 50.0, 1000.0);
  u = plain ? 1.0 : mlo_random_uniform (random);
  if (u < 0.25)
    config->random_loss = mlo_random_log_range (random, 0.0005, 0.03);
  else if (u < 0.4) {
    config->burst_loss = mlo_random_log_range (random, 0.0005, 0.02);
    config->burst_length = mlo_random_log_range (random, 2.0, 20.0);
  }
  if (!plain && mlo_random_chance (random, 0.6))
    config->jitter_ms = mlo_random_log_range (random, 0.2, kind == MLO_TRACE_WIRED ? 2.0 : 8.0);
  config->grid_ms = draw_grid_ms (random, kind);
  if (!plain && mlo_random_chance (random, 0.25))
    config->cross_kbps = mlo_random_log_range (random, 200.0, 4000.0);

  u = plain ? 1.0 : mlo_random_uniform (random);
  if (u < 0.06) {
    config->feedback = MLO_FEEDBACK_RECEIVER_REPORTS;
    config->feedback_interval_ms = mlo_random_log_range (random, 100.0, 1000.0);
  } else if (u < 0.25)
    config->feedback_interval_ms = mlo_random_range (random, 100.0, 200.0);
  else if (u < 0.5)
    config->feedback_interval_ms = mlo_random_range (random, 20.0, 60.0);
  if (!plain && mlo_random_chance (random, 0.25))
    config->feedback_loss = mlo_random_log_range (random, 0.002, 0.1);

  config->source = sources[mlo_random_below (random, G_N_ELEMENTS (sources))];
  /* Games, and in a quarter of the links anything from a menu to noise. */
  config->complexity = mlo_random_chance (random, 0.75) ? mlo_random_range (random, 0.55, 0.88)
      : mlo_random_range (random, 0.3, 1.0);
  if (mlo_random_chance (random, 0.5))
    config->scene_cut_s = mlo_random_log_range (random, 2.0, 30.0);
  if (mlo_random_chance (random, 0.25))
    config->still_every_s = mlo_random_log_range (random, 10.0, 60.0);
  config->encode_ms = mlo_random_range (random, 3.0, 8.0) * (config->source.height > 720 ? 1.7 : 1.0);
  config->decode_ms = mlo_random_range (random, 1.5, 6.0);
  config->rate_error = mlo_random_chance (random, 0.1) ? mlo_random_range (random, -0.25, 0.12)
      : 0.02 * mlo_random_normal (random);

  config->limits.max_bitrate_kbps = mlo_random_chance (random, 0.4) ? 12000.0
      : mlo_random_log_range (random, 3000.0, 40000.0);
  config->limits.start_bitrate_kbps = mlo_random_chance (random, 0.5) ? 2000.0
      : mlo_random_log_range (random, 500.0, MIN (8000.0, config->limits.max_bitrate_kbps));
}
