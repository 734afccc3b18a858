/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef ELEMENT_HELPERS_H
#define ELEMENT_HELPERS_H

#include <gst/gst.h>
#include <string.h>

/* A pipeline under test and what its bus said. */
typedef struct
{
  GstElement *pipeline, *element;       /* element: the mloptimizer called "o" */
  GPtrArray *messages;          /* all but state changes */
} Run;

static inline Run *
run_new (const char *launch)
{
  Run *r = g_new0 (Run, 1);
  g_autoptr (GError) error = NULL;

  r->pipeline = gst_parse_launch (launch, &error);
  g_assert_no_error (error);
  r->element = gst_bin_get_by_name (GST_BIN (r->pipeline), "o");
  g_assert_nonnull (r->element);
  r->messages = g_ptr_array_new_with_free_func ((GDestroyNotify) gst_message_unref);
  return r;
}

static inline void
run_free (Run * r)
{
  gst_element_set_state (r->pipeline, GST_STATE_NULL);
  g_ptr_array_unref (r->messages);
  gst_object_unref (r->element);
  gst_object_unref (r->pipeline);
  g_free (r);
}

/* Takes in what is on the bus until @done says so or @seconds are over; returns whether it did. */
static inline gboolean
run_until (Run * r, double seconds, gboolean (*done) (Run * r, gpointer data), gpointer data)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (r->pipeline);
  gint64 end = g_get_monotonic_time () + (gint64) (seconds * 1e6);

  do {
    GstMessage *m = gst_bus_timed_pop (bus, 20 * GST_MSECOND);

    if (m)
      g_ptr_array_add (r->messages, m);
    if (done && done (r, data))
      return TRUE;
  } while (g_get_monotonic_time () < end);
  return FALSE;
}

/* The messages of a type from the element ("o"), or from anything. */
static inline guint
run_count (Run * r, GstMessageType type, gboolean ours, const char *text)
{
  guint n = 0;

  for (guint i = 0; i < r->messages->len; i++) {
    GstMessage *m = g_ptr_array_index (r->messages, i);
    g_autoptr (GError) error = NULL;

    if (GST_MESSAGE_TYPE (m) != type || (ours && GST_MESSAGE_SRC (m) != GST_OBJECT (r->element)))
      continue;
    if (type == GST_MESSAGE_WARNING)
      gst_message_parse_warning (m, &error, NULL);
    else if (type == GST_MESSAGE_ERROR)
      gst_message_parse_error (m, &error, NULL);
    else if (type == GST_MESSAGE_ELEMENT && text && !gst_message_has_name (m, text))
      continue;
    if (error && text && !strstr (error->message, text))
      continue;
    n++;
  }
  return n;
}

/* For run_until(): a warning of the element's whose text contains @data. */
static inline gboolean
run_has_warning (Run * r, gpointer data)
{
  return run_count (r, GST_MESSAGE_WARNING, TRUE, data) > 0;
}

static inline gboolean
run_ended (Run * r, gpointer data)
{
  return run_count (r, GST_MESSAGE_EOS, FALSE, NULL) > 0 || run_count (r, GST_MESSAGE_ERROR, FALSE, NULL) > 0;
}

static inline void
run_play (Run * r)
{
  g_assert_cmpint (gst_element_set_state (r->pipeline, GST_STATE_PLAYING), !=, GST_STATE_CHANGE_FAILURE);
}

static inline guint64
run_stat (Run * r, const char *name)
{
  g_autoptr (GstStructure) s = NULL;
  guint64 value = 0;

  g_object_get (r->element, "stats", &s, NULL);
  g_assert_nonnull (s);
  g_assert_true (gst_structure_has_field (s, name));
  gst_structure_get_uint64 (s, name, &value);
  return value;
}

/* What the x264enc called "e" is set to. */
static inline guint
run_encoder_kbps (Run * r)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (r->pipeline), "e");
  guint kbps = 0;

  g_object_get (e, "bitrate", &kbps, NULL);
  return kbps;
}

/* A measurement, or -1 where it is not valid. */
static inline double
run_measure (Run * r, const char *name)
{
  g_autoptr (GstStructure) s = NULL;
  double value = -1.0;

  g_object_get (r->element, "stats", &s, NULL);
  gst_structure_get_double (s, name, &value);
  return value;
}

/* No error, and no warning but those whose text contains @allowed (and those of a bare setup: no models, no
 * feedback). */
static inline void
run_assert_clean (Run * r, const char *allowed)
{
  for (guint i = 0; i < r->messages->len; i++) {
    GstMessage *m = g_ptr_array_index (r->messages, i);
    g_autoptr (GError) error = NULL;
    g_autofree char *debug = NULL;

    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ERROR)
      gst_message_parse_error (m, &error, &debug);
    else if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_WARNING)
      gst_message_parse_warning (m, &error, &debug);
    if (error && !(allowed && strstr (error->message, allowed)) && !strstr (error->message, "no models")
        && !strstr (error->message, "no feedback"))
      g_error ("%s: %s (%s)", GST_MESSAGE_SRC_NAME (m), error->message, debug);
  }
}

/* Of a folder such as /proc/self/fd: descriptors and threads of this process. */
static inline guint
count_entries (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (dir && g_dir_read_name (dir))
    n++;
  return n;
}

#endif
