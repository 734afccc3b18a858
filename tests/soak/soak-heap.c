/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The allocator of the soak's process, the C library's below it: counts the bytes that are held, and of those the bytes that
 * the element's own threads asked for. mallinfo2() counts what threads keep for their next allocation as in use, hundreds of
 * KiB that come and go; this is exact. */
#include "soak-heap.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/prctl.h>

#if defined (__SANITIZE_ADDRESS__) || defined (__SANITIZE_THREAD__)
#define COUNTS 0
#elif defined (__has_feature)
#if __has_feature (address_sanitizer) || __has_feature (thread_sanitizer)
#define COUNTS 0
#endif
#endif
#ifndef COUNTS
#define COUNTS 1
#endif

#if COUNTS

void *__libc_malloc (size_t size);
void __libc_free (void *block);

#define SHOWN __attribute__((visibility("default")))
/* The element's threads are called so: mloptimizer, mloptimizer-ws, mlo-learner. */
#define OWN_PREFIX "mlo"
/* A thread has its name from GLib a little after it began. */
#define NAME_LOOKS 64

/* In front of each block, 16 bytes as blocks are aligned to. */
typedef struct
{
  gsize size;
  guint32 offset;               /* from what the C library gave */
  guint16 own, epoch;
} Head;

static gssize held[2];          /* atomic: everybody's but ours, ours */
static gssize kept[SOAK_EPOCHS];        /* atomic, each */
static guint now_epoch;         /* atomic */

static guint32
is_own (void)
{
  static __thread guint looks;
  static __thread guint32 own;
  char name[16];

  if (looks < NAME_LOOKS) {
    looks++;
    own = prctl (PR_GET_NAME, name) == 0 && strncmp (name, OWN_PREFIX, strlen (OWN_PREFIX)) == 0;
  }
  return own;
}

static Head *
head_of (void *block)
{
  return (Head *) block - 1;
}

static void *
take (gsize size, gsize alignment)
{
  gsize room = sizeof (Head) + (alignment > sizeof (Head) ? alignment : 0);
  char *raw = size <= G_MAXSSIZE - room ? __libc_malloc (size + room) : NULL;
  char *block;

  if (!raw) {
    errno = ENOMEM;
    return NULL;
  }
  block = raw + sizeof (Head);
  if (alignment > sizeof (Head))
    block += (alignment - (gsize) block % alignment) % alignment;
  *head_of (block) = (Head) {
  .size = size,.offset = (guint32) (block - raw),.own = (guint16) is_own (),.epoch =
        (guint16) __atomic_load_n (&now_epoch, __ATOMIC_RELAXED)};
  __atomic_add_fetch (&held[head_of (block)->own], (gssize) size, __ATOMIC_RELAXED);
  __atomic_add_fetch (&kept[head_of (block)->epoch], (gssize) size, __ATOMIC_RELAXED);
  return block;
}

SHOWN void *
malloc (size_t size)
{
  return take (size, 0);
}

SHOWN void
free (void *block)
{
  Head *h = head_of (block);

  if (!block)
    return;
  __atomic_sub_fetch (&held[h->own], (gssize) h->size, __ATOMIC_RELAXED);
  __atomic_sub_fetch (&kept[h->epoch], (gssize) h->size, __ATOMIC_RELAXED);
  __libc_free ((char *) block - h->offset);
}

SHOWN void *
calloc (size_t n, size_t size)
{
  gsize bytes;
  void *block = g_size_checked_mul (&bytes, n, size) ? take (bytes, 0) : NULL;

  return block ? memset (block, 0, bytes) : NULL;
}

SHOWN void *
realloc (void *block, size_t size)
{
  void *more;

  if (!block)
    return take (size, 0);
  if (size == 0) {
    free (block);
    return NULL;
  }
  more = take (size, 0);
  if (!more)
    return NULL;
  memcpy (more, block, MIN (size, head_of (block)->size));
  free (block);
  return more;
}

SHOWN void *
memalign (size_t alignment, size_t size)
{
  return take (size, alignment);
}

SHOWN void *
aligned_alloc (size_t alignment, size_t size)
{
  return take (size, alignment);
}

SHOWN int
posix_memalign (void **block, size_t alignment, size_t size)
{
  *block = take (size, alignment);
  return *block ? 0 : ENOMEM;
}

SHOWN size_t
malloc_usable_size (void *block)
{
  return block ? head_of (block)->size : 0;
}

double
soak_heap_kib (gboolean own)
{
  gssize ours = __atomic_load_n (&held[1], __ATOMIC_RELAXED);

  return (double) (own ? ours : ours + __atomic_load_n (&held[0], __ATOMIC_RELAXED)) / 1024.0;
}

void
soak_heap_begin_epoch (guint epoch)
{
  __atomic_store_n (&now_epoch, MIN (epoch, SOAK_EPOCHS - 1), __ATOMIC_RELAXED);
}

double
soak_heap_kept_kib (guint from, guint to)
{
  gssize sum = 0;

  for (guint i = from; i < MIN (to, SOAK_EPOCHS - 1); i++)
    sum += __atomic_load_n (&kept[i], __ATOMIC_RELAXED);
  return (double) sum / 1024.0;
}

#else

void
soak_heap_begin_epoch (guint epoch)
{
}

double
soak_heap_kept_kib (guint from, guint to)
{
  return 0.0;
}

/* A sanitizer is the allocator. */
double
soak_heap_kib (gboolean own)
{
  struct mallinfo2 m = mallinfo2 ();

  return own ? 0.0 : (double) (m.uordblks + m.hblkhd) / 1024.0;
}

#endif
