/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_JSON_BOUND_H
#define MLO_JSON_BOUND_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * mlo_json_bound:
 * @text: not NUL-terminated, begins with '{' or '['
 * @max_depth: nesting allowed, the outermost counted
 * @end: (out): bytes that the value takes
 *
 * Finds the end of one JSON object or array and bounds its nesting before json-glib sees it: its
 * 1.6.6 has no limit of its own and a deep text overflows the stack. Outside strings only the
 * characters of strict JSON pass, since json-glib also takes comments and 'quoted' strings, in
 * which brackets could hide. Halves of surrogate pairs do not pass: at some it loses the memory of the whole string. Whether
 * the value is well-formed otherwise is left to the parser.
 *
 * Returns: FALSE with MLO_ERROR_TOO_LARGE (nesting), _TRUNCATED (ends inside) or _FORMAT (a byte
 * that JSON does not have); the message gives the offset.
 */
gboolean mlo_json_bound (const char *text, gsize length, guint max_depth, gsize * end, GError ** error);

/**
 * mlo_json_writable:
 * @value: finite
 *
 * json-glib 1.6.6 writes a number without a point and with an exponent as "1e-99.0", which is not JSON.
 *
 * Returns: @value, or of a value that is written so the neighbour next to 0, which differs in its 17th digit.
 */
double mlo_json_writable (double value);

G_END_DECLS
#endif
