/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-timer.h"

static gboolean
dispatch (GSource * source, GSourceFunc callback, gpointer user_data)
{
  return callback ? callback (user_data) : G_SOURCE_CONTINUE;
}

static GSourceFuncs funcs = { NULL, NULL, dispatch, NULL, NULL, NULL };

GSource *
mlo_timer_new (GMainContext * context, GSourceFunc func, gpointer user_data, int priority)
{
  GSource *s = g_source_new (&funcs, sizeof (GSource));

  g_source_set_callback (s, func, user_data, NULL);
  g_source_set_ready_time (s, -1);
  g_source_set_priority (s, priority);
  g_source_attach (s, context);
  return s;
}
