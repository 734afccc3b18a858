/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_SYSTEM_H
#define MLO_SYSTEM_H

#include "mlo-sample.h"

G_BEGIN_DECLS

/**
 * MloSystem: load of the machine from /proc (proc(5)). Reads two small files a call; call it once a
 * second, outside the streaming thread. The one part of telemetry that does I/O.
 */
typedef struct
{
  char root[64];                /* "/proc", or a test's folder */
  guint64 busy, total;          /* jiffies at the last call */
  gboolean have_last;
} MloSystem;

/* @proc_root: NULL for /proc. */
void mlo_system_init (MloSystem * s, const char *proc_root);

/* Sets cpu_usage (from the second call on) and memory_usage; what cannot be read stays unset. */
void mlo_system_read (MloSystem * s, MloSample * sample);

/* The parsing alone, for tests and the fuzzer: FALSE where the text is not what the kernel writes.
 * @text need not end in NUL. */
gboolean mlo_system_parse_stat (const char *text, gsize length, guint64 * busy, guint64 * total);
gboolean mlo_system_parse_meminfo (const char *text, gsize length, double *used);

G_END_DECLS
#endif
