/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_TRACE_H
#define MLO_TRACE_H

#include "mlo-random.h"

G_BEGIN_DECLS

/**
 * MloTrace: what a link carries over time. A row holds from its time to the next row's time; the
 * last for as long as the one before it did, then the trace repeats.
 */
typedef struct
{
  gint64 time_us;               /* first row 0, strictly rising */
  double capacity_kbps;         /* IP bits, 1000 bit/s; 0 is an outage */
  float rtt_ms;                 /* < 0: not in the trace */
  float loss;                   /* 0..1; < 0: not in the trace */
} MloTraceRow;

typedef struct
{
  char *name;                   /* base name without ending, or generated */
  char *kind;                   /* lte, 5g, wifi, starlink, wired, ... "" where not known */
  MloTraceRow *rows;
  guint n_rows;
  gint64 duration_us;

  /* Derived from the rows by mlo_trace_new(). */
  double *bytes_before;         /* (n_rows + 1): bytes carried in [0, start of row) */
  gint64 (*outages)[2];         /* [from, to) in us, 500 ms after included; may reach over the end */
  guint n_outages;
} MloTrace;

/* Ceilings of what is read from outside. */
#define MLO_TRACE_MAX_BYTES (64u * 1024 * 1024)
#define MLO_TRACE_MAX_ROWS 4000000u
#define MLO_TRACE_MAX_TIME_MS 1e9
#define MLO_TRACE_MAX_KBPS 1e7
#define MLO_TRACE_MAX_RTT_MS 60000.0

/* DESIGN section 8: an outage of the link. */
#define MLO_OUTAGE_KBPS 100.0
#define MLO_OUTAGE_LEAST_US 200000
#define MLO_OUTAGE_AFTER_US 500000

typedef enum
{
  MLO_TRACE_LTE,
  MLO_TRACE_5G,
  MLO_TRACE_WIFI,
  MLO_TRACE_SATELLITE,
  MLO_TRACE_WIRED,
  MLO_TRACE_FADING,             /* fades to nothing for 100 ms several times a second */
  MLO_N_TRACE_KINDS
} MloTraceKind;

/* "lte", "5g", "wifi", "satellite", "wired", "fading". */
const char *mlo_trace_kind_name (MloTraceKind kind);
/* The kind called so ("starlink" is satellite), or -1. */
int mlo_trace_kind_from_name (const char *name);

/* CSV (time_ms,capacity_kbps[,rtt_ms][,loss] as in the comment line `# columns=`) or mahimahi's
 * format (one millisecond stamp a line, one 1500-byte packet each), told apart by their content.
 * Errors name file, line and field. */
MloTrace *mlo_trace_load (const char *path, GError ** error);
/* The same from memory; @name for messages. */
MloTrace *mlo_trace_parse (const char *name, const char *text, gsize length, GError ** error);
/* Takes the rows (transfer full, g_malloc), which must hold what MloTraceRow says; @duration_us
 * beyond the last row's time. @name and @kind are copied. */
MloTrace *mlo_trace_new (const char *name, const char *kind, MloTraceRow * rows, guint n_rows, gint64 duration_us);
/* The same for what is as large as a file says: NULL with MLO_ERROR_MEMORY, the rows are freed then too. */
MloTrace *mlo_trace_try_new (const char *name, const char *kind, MloTraceRow * rows, guint n_rows, gint64 duration_us,
    GError ** error);
/* A random trace of this kind, see mlo-trace-generate.c; the same generator state gives the same trace. */
MloTrace *mlo_trace_generate (MloTraceKind kind, MloRandom * random, double seconds);
MloTrace *mlo_trace_new_constant (double capacity_kbps, double seconds);
/* From @n pairs of seconds and kbit/s, e.g. steps; @seconds in all. */
MloTrace *mlo_trace_new_steps (const double (*pairs)[2], guint n, double seconds);
void mlo_trace_free (MloTrace * t);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloTrace, mlo_trace_free)

/* The row in force at @time_us (the trace repeats). */
const MloTraceRow *mlo_trace_at (const MloTrace * t, gint64 time_us);
/* Bytes carried in [0, time_us), repetitions counted: the link's position. @hint: row of the last
 * call or NULL; makes calls with rising times O(1). */
double mlo_trace_position (const MloTrace * t, gint64 time_us, guint * hint);
/* The earliest time at which the position reaches @bytes, in us and its fraction; INFINITY where it
 * never does. */
double mlo_trace_time_of (const MloTrace * t, double bytes, guint * hint);
/* A trace and where it was asked last, for mlo_trace_cursor_position(). */
typedef struct
{
  const MloTrace *trace;
  guint hint;
} MloTraceCursor;

/* mlo_trace_position() of an MloTraceCursor, as an MloCarriedFunc. */
double mlo_trace_cursor_position (gpointer cursor, gint64 time_us);
/* When the last of @bytes has left, if the link starts on them at @start_us and does nothing else.
 * G_MAXINT64 where the trace never carries anything. */
gint64 mlo_trace_serve (const MloTrace * t, gint64 start_us, double bytes);
/* Bytes the link could carry in [from, to). */
double mlo_trace_bytes (const MloTrace * t, gint64 from_us, gint64 to_us);
/* Mean with capacity above @cap_kbps not counted (cap <= 0: no cap). */
double mlo_trace_mean_kbps (const MloTrace * t, double cap_kbps);
/* DESIGN section 8: capacity below 100 kbit/s for at least 200 ms, and 500 ms after. */
gboolean mlo_trace_in_outage (const MloTrace * t, gint64 time_us);

G_END_DECLS
#endif
