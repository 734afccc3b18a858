/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The trace parser on any bytes: a trace that a link can play, or an error in its domain. */
#include "mlo-error.h"
#include "mlo-link.h"

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTrace) t = mlo_trace_parse ("fuzz", (const char *) data, size, &error);
  MloLinkConfig config = mlo_link_config_default;
  g_autoptr (MloLink) link = NULL;
  gint64 last = 0;

  g_assert_true ((t == NULL) == (error != NULL));
  if (error) {
    g_assert_true (error->domain == MLO_ERROR);
    return 0;
  }
  g_assert_cmpint (t->rows[0].time_us, ==, 0);
  for (guint i = 1; i < t->n_rows; i++)
    g_assert_cmpint (t->rows[i].time_us, >, t->rows[i - 1].time_us);
  g_assert_cmpint (t->duration_us, >, t->rows[t->n_rows - 1].time_us);
  g_assert_true (mlo_trace_mean_kbps (t, 0.0) <= MLO_TRACE_MAX_KBPS);
  config.use_trace_rtt = TRUE;
  link = mlo_link_new (&config, t, 1);
  for (int i = 0; i < 50; i++) {
    gint64 now = t->duration_us / 20 * i, at = mlo_link_send (link, now, 1000);

    mlo_trace_in_outage (t, now);
    if (at < 0)
      continue;
    g_assert_cmpint (at, >=, now);
    g_assert_cmpint (at, >=, last);
    last = at;
  }
  return 0;
}
