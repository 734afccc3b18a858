/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_RECORDER_H
#define MLO_RECORDER_H

#include "mlo-sample.h"

G_BEGIN_DECLS

/**
 * MloRecorder: observations appended to a file as JSON Lines, as `mloptimizer train --dataset` reads them. Lines are
 * gathered and written whole, about once a second, with one write () each time; what was written before stays if the
 * process dies. An existing file is continued: each recorder marks its samples with `stream` of its own, and the rest
 * of a line that another left unfinished is cut off.
 *
 * Not thread safe; each file descriptor is for appending, so several recorders may write to one file. For use from a
 * thread that may wait for a disk, never from a streaming thread.
 */
typedef struct _MloRecorder MloRecorder;

/* A file grows to this size and no further: the most that a dataset may have. */
#define MLO_RECORDER_MAX_BYTES (256u << 20)
/* Streams that one recorder tells apart. */
#define MLO_RECORDER_MAX_STREAMS 4096u

/* NULL and @error (MLO_ERROR): not a regular file, not to be written, or a file that holds something else. */
MloRecorder *mlo_recorder_open (const char *path, GError ** error);
/* Writes what is gathered. */
void mlo_recorder_free (MloRecorder * r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloRecorder, mlo_recorder_free)

/**
 * mlo_recorder_add:
 * @stream: which of several, UTF-8, or NULL
 * @time_us: since 1970; a sample that is not later than the last of its stream is left out
 *
 * Returns: FALSE and @error where the file can or may not grow (MLO_ERROR_IO, _TOO_LARGE): nothing more will be
 * written, and @error comes once.
 */
gboolean mlo_recorder_add (MloRecorder * r, const char *stream, gint64 time_us, const MloSample * s, GError ** error);

/* One line of such a file, with its newline, to the end of @out: every field, null where not valid. @stream may be
 * NULL. */
void mlo_recorder_format (GString * out, const char *stream, gint64 time_us, const MloSample * s);

G_END_DECLS
#endif
