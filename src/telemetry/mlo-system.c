/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_BYTES 4096

void
mlo_system_init (MloSystem * s, const char *proc_root)
{
  memset (s, 0, sizeof *s);
  g_strlcpy (s->root, proc_root ? proc_root : "/proc", sizeof s->root);
}

/* The file's first bytes; what matters stands at the top of both files. */
static gssize
read_head (const char *root, const char *name, char *buffer)
{
  char path[128];
  gsize got = 0;
  int fd;

  g_snprintf (path, sizeof path, "%s/%s", root, name);
  fd = open (path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  while (got < MAX_BYTES) {
    gssize n = read (fd, buffer + got, MAX_BYTES - got);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    got += (gsize) n;
  }
  close (fd);
  return (gssize) got;
}

/* Digits at *p, at most 18 of them (eight such numbers add up without overflow); FALSE where there are none. */
static gboolean
read_number (const char **p, const char *end, guint64 * value)
{
  const char *q = *p;
  guint64 v = 0;
  int digits = 0;

  while (q < end && *q == ' ')
    q++;
  while (q < end && g_ascii_isdigit (*q) && digits < 18) {
    v = v * 10 + (guint64) (*q++ - '0');
    digits++;
  }
  *p = q;
  *value = v;
  return digits > 0;
}

gboolean
mlo_system_parse_stat (const char *text, gsize length, guint64 * busy, guint64 * total)
{
  /* cpu user nice system idle iowait irq softirq steal ... */
  const char *p = text + 4, *end = text + length;
  guint64 v[8] = { 0 }, sum = 0;
  int n = 0;

  if (length < 5 || memcmp (text, "cpu ", 4) != 0)
    return FALSE;
  while (n < 8 && read_number (&p, end, &v[n])) {
    sum += v[n];
    n++;
  }
  if (n < 4)
    return FALSE;
  *total = sum;
  *busy = sum - v[3] - v[4];
  return TRUE;
}

static gboolean
find_kib (const char *text, gsize length, const char *key, guint64 * value)
{
  const char *p = g_strstr_len (text, (gssize) length, key);

  if (!p)
    return FALSE;
  p += strlen (key);
  return read_number (&p, text + length, value);
}

gboolean
mlo_system_parse_meminfo (const char *text, gsize length, double *used)
{
  guint64 total, available;

  if (!find_kib (text, length, "MemTotal:", &total) || !find_kib (text, length, "MemAvailable:", &available))
    return FALSE;
  if (total == 0 || available > total)
    return FALSE;
  *used = 1.0 - (double) available / (double) total;
  return TRUE;
}

void
mlo_system_read (MloSystem * s, MloSample * sample)
{
  char buffer[MAX_BYTES];
  gssize n = read_head (s->root, "stat", buffer);
  guint64 busy, total;
  double used;

  if (n > 0 && mlo_system_parse_stat (buffer, (gsize) n, &busy, &total)) {
    /* Counters may go back when a core is taken away: wait for the next reading. */
    if (s->have_last && total > s->total && busy >= s->busy && busy - s->busy <= total - s->total)
      mlo_sample_set (sample, MLO_FIELD_CPU_USAGE, (double) (busy - s->busy) / (double) (total - s->total));
    s->busy = busy;
    s->total = total;
    s->have_last = TRUE;
  }
  n = read_head (s->root, "meminfo", buffer);
  if (n > 0 && mlo_system_parse_meminfo (buffer, (gsize) n, &used))
    mlo_sample_set (sample, MLO_FIELD_MEMORY_USAGE, used);
}
