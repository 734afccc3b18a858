/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-json-bound.h"

#include <math.h>
#include <string.h>

#include "mlo-error.h"

#define ESCAPE 6                /* bytes of "\u0000" */

/* The number in the "\u0000" at @text; -1: there is none. */
static int
escaped_unit (const char *text, gsize length)
{
  int unit = 0;

  if (length < ESCAPE || text[0] != '\\' || text[1] != 'u')
    return -1;
  for (int i = 2; i < ESCAPE; i++) {
    int digit = g_ascii_xdigit_value (text[i]);

    if (digit < 0)
      return -1;
    unit = 16 * unit + digit;
  }
  return unit;
}

/* Bytes of the escape at @text beyond the backslash; 0: it is half of a surrogate pair, or not of four digits, of which
 * json-glib makes one. */
static gsize
escape_length (const char *text, gsize length)
{
  int unit, low;

  if (length < 2 || text[1] != 'u')
    return 1;
  unit = escaped_unit (text, length);
  if (unit < 0)
    return 0;
  if (unit < 0xd800 || unit > 0xdfff)
    return 1;
  low = unit < 0xdc00 ? escaped_unit (text + ESCAPE, length - ESCAPE) : -1;
  return low >= 0xdc00 && low <= 0xdfff ? 2 * ESCAPE - 1 : 0;
}

gboolean
mlo_json_bound (const char *text, gsize length, guint max_depth, gsize * end, GError ** error)
{
  gboolean in_string = FALSE;
  gsize escaped = 0;            /* bytes of an escape that are left */
  guint depth = 0;

  for (gsize i = 0; i < length; i++) {
    char c = text[i];

    if (c == '\0') {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "a NUL byte at offset %" G_GSIZE_FORMAT, i);
      return FALSE;
    }
    if (in_string) {
      if (escaped > 0) {
        escaped--;
      } else if (c == '\\') {
        escaped = escape_length (text + i, length - i);
        if (escaped == 0) {
          g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT,
              "half of a surrogate pair, or not four digits, at offset %" G_GSIZE_FORMAT, i);
          return FALSE;
        }
      } else if (c == '"') {
        in_string = FALSE;
      }
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
