/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-json-bound.h"

#include <math.h>
#include <string.h>

#include "mlo-error.h"

gboolean
mlo_json_bound (const char *text, gsize length, guint max_depth, gsize * end, GError ** error)
{
  gboolean in_string = FALSE, escaped = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < length; i++) {
    char c = text[i];

    if (c == '\0') {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "a NUL byte at offset %" G_GSIZE_FORMAT, i);
      return FALSE;
    }
    if (in_string) {
      if (escaped)
        escaped = FALSE;
      else if (c == '\\')
        escaped = TRUE;
      else if (c == '"')
        in_string = FALSE;
      continue;
    }
    if (c == '"' && depth > 0) {
      in_string = TRUE;
    } else if (c == '{' || c == '[') {
      if (++depth > max_depth) {
        g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "nested deeper than %u at offset %" G_GSIZE_FORMAT,
            max_depth, i);
        return FALSE;
      }
    } else if (depth == 0) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "neither an object nor an array at offset %" G_GSIZE_FORMAT, i);
      return FALSE;
    } else if (c == '}' || c == ']') {
      if (--depth == 0) {
        *end = i + 1;
        return TRUE;
      }
    } else if (!g_ascii_isalnum (c) && strchr (" \t\r\n,:+-.", c) == NULL) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "byte 0x%02x at offset %" G_GSIZE_FORMAT " is not JSON",
          (guint8) c, i);
      return FALSE;
    }
  }
  g_set_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED, "ends inside a %s", in_string ? "string" : "value");
  return FALSE;
}

double
mlo_json_writable (double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  g_ascii_dtostr (text, sizeof text, value);
  return strchr (text, 'e') && !strchr (text, '.') ? nextafter (value, 0.0) : value;
}
