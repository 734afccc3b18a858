/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Feedback of any content: three kinds of records, each a byte for the kind and its fields as they lie in memory. The
 * bitrate stays within its limits, the window sane. */
#include <math.h>
#include <string.h>

#include "mlo-controller.h"

#define MIN_KBPS 300.0
#define MAX_KBPS 20000.0

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

typedef struct
{
  const guint8 *at;
  gsize left;
} Input;

/* @n bytes, or what there is of them and zeros. */
static void
take (Input * in, gpointer to, gsize n)
{
  gsize have = MIN (n, in->left);

  memset (to, 0, n);
  memcpy (to, in->at, have);
  in->at += have;
  in->left -= have;
}

static void
packets (Input * in, MloController * c, gint64 now_us)
{
  MloPacket p[64];
  guint8 n;

  take (in, &n, 1);
  n = n % G_N_ELEMENTS (p);
  memset (p, 0, sizeof p);
  for (guint i = 0; i < n; i++) {
    gint64 age_us;

    take (in, &age_us, sizeof age_us);
    take (in, &p[i].arrival_us, sizeof p[i].arrival_us);
    take (in, &p[i].size, sizeof p[i].size);
    p[i].seqnum = i;
    p[i].lost = age_us & 1;
    /* Half of them of an age that can be. */
    p[i].send_us = age_us & 2 ? now_us - (age_us >> 2) % 2000000 : age_us;
  }
  mlo_controller_on_packets (c, now_us, p, n);
}

static void
told (Input * in, MloController * c, gint64 now_us, MloSample * local)
{
  memset (local, 0, sizeof *local);
  for (guint i = 0; i < MLO_N_FIELDS; i++) {
    double value;

    take (in, &value, sizeof value);
    mlo_sample_set (local, i, value);
  }
  mlo_controller_on_metrics (c, now_us, local);
}

static void
check (const MloDecision * d)
{
  g_assert_true (isfinite (d->bitrate_kbps) && d->bitrate_kbps >= MIN_KBPS && d->bitrate_kbps <= MAX_KBPS);
  g_assert_true (isfinite (d->capacity_kbps) && d->confidence >= 0.0 && d->confidence <= 1.0);
  g_assert_cmpuint (d->window_bytes, >, 0);
}

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  MloControllerConfig config = mlo_controller_config_default;
  g_autoptr (MloController) c = NULL;
  MloSample local = { 0 };
  Input in = {.at = data,.left = size };
  gint64 now_us = 10 * G_USEC_PER_SEC;

  config.limits = mlo_limits_default;
  config.limits.min_bitrate_kbps = MIN_KBPS;
  config.limits.max_bitrate_kbps = MAX_KBPS;
  config.source.width = 1280;
  config.source.height = 720;
  config.source.fps = 60.0;
  config.traits = mlo_actuator_traits_default;
  c = mlo_controller_new (&config);
  while (in.left > 0) {
    MloReceiverReport report;
    guint8 kind;

    take (&in, &kind, 1);
    mlo_controller_on_frame_sent (c, now_us, kind * 100u, FALSE);
    switch (kind % 4) {
      case 0:
        take (&in, &report, sizeof report);
        mlo_controller_on_receiver_report (c, now_us, &report);
        break;
      case 1:
        told (&in, c, now_us, &local);
        break;
      default:
        packets (&in, c, now_us);
        break;
    }
    mlo_controller_react (c, now_us);
    check (mlo_controller_decision (c));
    check (mlo_controller_tick (c, now_us, &local));
    now_us += kind == 255 ? 60 * G_USEC_PER_SEC : 16667;
  }
  return 0;
}
