/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mlo-error.h"

/* The first piece of a stream; the next are as large as what there is. */
#define CHUNK 65536

static gboolean
io_error (GError ** error, const char *path, const char *what)
{
  int e = errno;

  g_set_error (error, MLO_ERROR, e == ENOENT ? MLO_ERROR_MISSING : MLO_ERROR_IO, "%s: cannot %s: %s", path, what,
      g_strerror (e));
  return FALSE;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
}

gboolean
mlo_file_read (const char *path, gsize most, guint8 ** data, gsize * size, GError ** error)
{
  /* Non-blocking, so that a pipe is refused instead of waited for. */
  __attribute__((cleanup (close_fd)))
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  g_autofree guint8 *bytes = NULL;
  struct stat st;
  gsize at = 0;

  if (fd < 0 || fstat (fd, &st) < 0)
    return io_error (error, path, "open");
  if (!S_ISREG (st.st_mode)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s: not a regular file", path);
    return FALSE;
  }
  if (st.st_size < 0 || (guint64) st.st_size > most) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: %" G_GINT64_FORMAT " bytes, more than %" G_GSIZE_FORMAT,
        path, (gint64) st.st_size, most);
    return FALSE;
  }
  *size = (gsize) st.st_size;
  bytes = g_try_malloc (*size + 1);
  if (!bytes)
    return mlo_error_memory (error, path, *size + 1);
  while (at < *size) {
    gssize n = read (fd, bytes + at, *size - at);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return io_error (error, path, "read");
    if (n == 0) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TRUNCATED, "%s: ends at %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT
          " bytes", path, at, *size);
      return FALSE;
    }
    at += (gsize) n;
  }
  *data = g_steal_pointer (&bytes);
  return TRUE;
}

gboolean
mlo_file_read_stream (const char *path, gsize most, guint8 ** data, gsize * size, GError ** error)
{
  __attribute__((cleanup (close_fd)))
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  g_autofree guint8 *bytes = NULL;
  gsize at = 0, room = 0;

  if (fd < 0)
    return io_error (error, path, "open");
  for (;;) {
    gssize n;

    /* One byte beyond the ceiling tells whether there is more. */
    if (at == room) {
      gsize wanted = MIN (MAX (2 * room, CHUNK), most + 1);
      guint8 *more = g_try_realloc (bytes, wanted);

      if (!more)
        return mlo_error_memory (error, path, wanted);
      bytes = more;
      room = wanted;
    }
    n = read (fd, bytes + at, room - at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return io_error (error, path, "read");
    if (n == 0)
      break;
    at += (gsize) n;
    if (at > most) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "%s: more than %" G_GSIZE_FORMAT " bytes", path, most);
      return FALSE;
    }
  }
  *data = g_steal_pointer (&bytes);
  *size = at;
  return TRUE;
}
