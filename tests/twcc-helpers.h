/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TWCC_HELPERS_H
#define TWCC_HELPERS_H

#include <gst/gst.h>

/* The event in which rtpsession hands a report of packets up the pipeline: what tests and benchmarks of it share. */
G_GNUC_BEGIN_IGNORE_DEPRECATIONS;

static inline void
twcc_add_packet (GValueArray * array, guint seqnum, guint64 local, guint64 remote, guint size, gboolean lost)
{
  GValue v = G_VALUE_INIT;

  g_value_init (&v, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&v, gst_structure_new ("RTPTWCCPacket", "seqnum", G_TYPE_UINT, seqnum, "local-ts", G_TYPE_UINT64,
          local, "remote-ts", G_TYPE_UINT64, remote, "payload-type", G_TYPE_UCHAR, 96, "size", G_TYPE_UINT, size,
          "lost", G_TYPE_BOOLEAN, lost, NULL));
  g_value_array_append (array, &v);
  g_value_unset (&v);
}

/* @array: (transfer full) */
static inline GstEvent *
twcc_event (GValueArray * array)
{
  GstStructure *s = gst_structure_new_empty ("RTPTWCCPackets");
  GValue v = G_VALUE_INIT;

  g_value_init (&v, g_value_array_get_type ());
  g_value_take_boxed (&v, array);
  gst_structure_take_value (s, "packets", &v);
  return gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM, s);
}

G_GNUC_END_IGNORE_DEPRECATIONS;

#endif
