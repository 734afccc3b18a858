/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mlo-error.h"

/* Lines are held back no longer, by the samples' time, and no more of them. */
#define HOLD_US G_USEC_PER_SEC
#define HOLD_BYTES (64u << 10)
/* A line of ours is shorter by far. */
#define MAX_LINE 65536

struct _MloRecorder
{
  char *path;
  int fd;                       /* -1: given up */
  guint64 size;                 /* of the file, as far as we know */
  char *id;                     /* random: of this recorder's streams */
  GHashTable *streams;          /* char * -> gint64 *: time of the last sample */
  GString *held;
  gint64 written_us;            /* time of the sample after which was written last */
};

static gboolean
io_error (const char *path, const char *what, GError ** error)
{
  g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s: cannot %s: %s", path, what, g_strerror (errno));
  return FALSE;
}

/* Cuts off what a process that died left of its last line. */
static gboolean
mend_end (MloRecorder * r, GError ** error)
{
  const gsize room = (gsize) MIN (r->size, MAX_LINE);
  g_autofree char *end = g_malloc (room);
  char first;
  gsize keep = room;

  if (pread (r->fd, &first, 1, 0) != 1 || pread (r->fd, end, room, (off_t) (r->size - room)) != (gssize) room)
    return io_error (r->path, "read", error);
  while (keep > 0 && end[keep - 1] != '\n')
    keep--;
  if (first != '{' || (keep == 0 && room < r->size)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: holds something else than JSON Lines: not written to",
        r->path);
    return FALSE;
  }
  r->size -= room - keep;
  if (keep < room && ftruncate (r->fd, (off_t) r->size) < 0)
    return io_error (r->path, "write", error);
  return TRUE;
}

MloRecorder *
mlo_recorder_open (const char *path, GError ** error)
{
  g_autoptr (MloRecorder) r = g_new0 (MloRecorder, 1);
  struct stat st;

  r->path = g_strdup (path);
  r->id = g_uuid_string_random ();
  r->streams = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  r->held = g_string_sized_new (HOLD_BYTES);
  /* Non-blocking, so that a pipe is refused instead of waited for. */
  r->fd = open (path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  if (r->fd < 0 || fstat (r->fd, &st) < 0) {
    io_error (path, "open for writing", error);
    return NULL;
  }
  if (!S_ISREG (st.st_mode)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s: not a regular file", path);
    return NULL;
  }
  r->size = (guint64) st.st_size;
  if (r->size > 0 && !mend_end (r, error))
    return NULL;
  return g_steal_pointer (&r);
}

static void
give_up (MloRecorder * r)
{
  if (r->fd >= 0)
    close (r->fd);
  r->fd = -1;
}

static gboolean
write_held (MloRecorder * r, GError ** error)
{
  gsize at = 0;

  while (at < r->held->len) {
    gssize n = write (r->fd, r->held->str + at, r->held->len - at);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      io_error (r->path, "write", error);
      give_up (r);
      return FALSE;
    }
    at += (gsize) n;
  }
  r->size += at;
  g_string_set_size (r->held, 0);
  return TRUE;
}

void
mlo_recorder_free (MloRecorder * r)
{
  if (!r)
    return;
  if (r->fd >= 0) {
    write_held (r, NULL);
    give_up (r);
  }
  g_hash_table_unref (r->streams);
  g_string_free (r->held, TRUE);
  g_free (r->id);
  g_free (r->path);
  g_free (r);
}

static void
append_text (GString * out, const char *text)
{
  g_string_append_c (out, '"');
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\')
      g_string_append_c (out, '\\');
    if ((guchar) * c < 0x20)
      g_string_append_printf (out, "\\u%04x", (guint) (guchar) * c);
    else
      g_string_append_c (out, *c);
  }
  g_string_append_c (out, '"');
}

void
mlo_recorder_format (GString * out, const char *stream, gint64 time_us, const MloSample * s)
{
  g_string_append_printf (out, "{\"timestamp\": %" G_GINT64_FORMAT ".%06" G_GINT64_FORMAT, time_us / G_USEC_PER_SEC,
      time_us % G_USEC_PER_SEC);
  if (stream) {
    g_string_append (out, ", \"stream\": ");
    append_text (out, stream);
  }
  for (int i = 0; i < MLO_N_FIELDS; i++) {
    char text[G_ASCII_DTOSTR_BUF_SIZE] = "null";

    if (mlo_sample_has (s, i))
      g_ascii_formatd (text, sizeof text, "%.6g", mlo_sample_get (s, i, 0.0));
    g_string_append_printf (out, ", \"%s\": %s", mlo_field_info (i)->name, text);
  }
  g_string_append (out, "}\n");
}

/* Whether the sample is news of its stream; notes that it came. */
static gboolean
is_later (MloRecorder * r, const char *stream, gint64 time_us)
{
  gint64 *last = g_hash_table_lookup (r->streams, stream);

  if (!last) {
    if (g_hash_table_size (r->streams) >= MLO_RECORDER_MAX_STREAMS)
      return FALSE;
    last = g_new (gint64, 1);
    *last = -1;
    g_hash_table_insert (r->streams, g_strdup (stream), last);
  }
  if (time_us <= *last)
    return FALSE;
  *last = time_us;
  return TRUE;
}

gboolean
mlo_recorder_add (MloRecorder * r, const char *stream, gint64 time_us, const MloSample * s, GError ** error)
{
  g_autofree char *name = NULL;
  gsize before = r->held->len;

  if (r->fd < 0 || !is_later (r, stream ? stream : "", time_us))
    return TRUE;
  name = stream ? g_strdup_printf ("%s %s", r->id, stream) : NULL;
  mlo_recorder_format (r->held, name ? name : r->id, time_us, s);
  if (r->size + r->held->len > MLO_RECORDER_MAX_BYTES) {
    g_string_truncate (r->held, before);
    if (write_held (r, error))
      g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: has reached %u MiB, the most that a dataset may have",
          r->path, MLO_RECORDER_MAX_BYTES >> 20);
    give_up (r);
    return FALSE;
  }
  if (time_us - r->written_us < HOLD_US && r->held->len < HOLD_BYTES)
    return TRUE;
  r->written_us = time_us;
  return write_held (r, error);
}
