/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "stream-common.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <math.h>
#include <sys/socket.h>

#define RECEIVE_BUFFER (4 << 20)

GstCaps *
stream_rtp_caps (gboolean twcc)
{
  /* rtcp-fb-nack-pli: a lost picture may be asked for anew. */
  g_autofree char *text = g_strdup_printf ("application/x-rtp, media=(string)video, clock-rate=(int)90000, "
      "encoding-name=(string)H264, payload=(int)%d, rtcp-fb-nack-pli=(boolean)true%s", STREAM_PAYLOAD_TYPE,
      twcc ? ", " STREAM_TWCC_EXTMAP : "");

  return gst_caps_from_string (text);
}

GSocket *
stream_bind (guint port, GError ** error)
{
  g_autoptr (GSocket) s = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, error);
  g_autoptr (GInetAddress) host = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (host, (guint16) port);
  int size = RECEIVE_BUFFER;

  if (!s || !g_socket_bind (s, address, TRUE, error))
    return NULL;
  /* Beyond the system's ceiling with root's rights, up to it otherwise. */
  if (setsockopt (g_socket_get_fd (s), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
    g_socket_set_option (s, SOL_SOCKET, SO_RCVBUF, size, NULL);
  return g_steal_pointer (&s);
}

void
stream_handle_message (GstMessage * message, GMainLoop * loop, gboolean * failed)
{
  g_autoptr (GError) error = NULL;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      g_printerr ("ERROR: %s: %s\n", GST_MESSAGE_SRC_NAME (message), error->message);
      *failed = TRUE;
      g_main_loop_quit (loop);
      break;
    case GST_MESSAGE_WARNING:
      gst_message_parse_warning (message, &error, NULL);
      g_printerr ("warning: %s: %s\n", GST_MESSAGE_SRC_NAME (message), error->message);
      break;
    case GST_MESSAGE_EOS:
      g_main_loop_quit (loop);
      break;
    default:
      break;
  }
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_CONTINUE;
}

void
stream_quit_when_asked (GMainLoop * loop, double seconds)
{
  g_unix_signal_add (SIGINT, quit, loop);
  g_unix_signal_add (SIGTERM, quit, loop);
  if (seconds > 0.0)
    g_timeout_add ((guint) (seconds * 1000.0), quit, loop);
}

void
stream_deinit (void)
{
  if (g_getenv ("GST_TRACERS"))
    gst_deinit ();
}

static void
append_string (GString * out, const char *text)
{
  g_string_append_c (out, '"');
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_c (out, '\\');
    if ((guchar) * c < 0x20)
      g_string_append_printf (out, "\\u%04x", *c);
    else
      g_string_append_c (out, *c);
  }
  g_string_append_c (out, '"');
}

static void
append_double (GString * out, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  /* JSON has no infinity. */
  g_string_append (out, isfinite (value) ? g_ascii_formatd (text, sizeof text, "%.6g", value) : "null");
}

static gboolean
append_field (GQuark field, const GValue * value, gpointer user_data)
{
  GString *out = user_data;

  g_string_append (out, out->str[out->len - 1] == '{' ? "" : ", ");
  append_string (out, g_quark_to_string (field));
  g_string_append (out, ": ");
  if (G_VALUE_HOLDS_DOUBLE (value)) {
    append_double (out, g_value_get_double (value));
  } else if (G_VALUE_HOLDS_FLOAT (value)) {
    append_double (out, g_value_get_float (value));
  } else if (G_VALUE_HOLDS_BOOLEAN (value)) {
    g_string_append (out, g_value_get_boolean (value) ? "true" : "false");
  } else if (G_VALUE_HOLDS_STRING (value)) {
    append_string (out, g_value_get_string (value) ? g_value_get_string (value) : "");
  } else if (g_value_type_transformable (G_VALUE_TYPE (value), G_TYPE_INT64) && !G_VALUE_HOLDS_ENUM (value)
      && !G_VALUE_HOLDS_FLAGS (value) && !G_VALUE_HOLDS_UINT64 (value)) {
    GValue number = G_VALUE_INIT;

    g_value_init (&number, G_TYPE_INT64);
    g_value_transform (value, &number);
    g_string_append_printf (out, "%" G_GINT64_FORMAT, g_value_get_int64 (&number));
  } else if (G_VALUE_HOLDS_UINT64 (value)) {
    g_string_append_printf (out, "%" G_GUINT64_FORMAT, g_value_get_uint64 (value));
  } else {
    g_autofree char *text = gst_value_serialize (value);

    append_string (out, text ? text : "");
  }
  return TRUE;
}

void
stream_write_json (GString * out, const GstStructure * structure)
{
  g_string_append (out, "{");
  gst_structure_foreach (structure, append_field, out);
  g_string_append (out, "}");
}
