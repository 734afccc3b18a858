/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-network.h"

#include "mlo-random.h"
#include "twcc-helpers.h"

#define PACKET 1200
#define HEADERS 48
#define QUEUE_US 300000
#define WAY_US 20000
#define REPORT_US 15000
#define LATE_US 2000000
#define HELD 4                  /* reports kept to be told again, or after others */
#define HOUR ((guint64) 3600 * GST_SECOND)

typedef struct
{
  guint64 local, remote;        /* ns */
  gint64 back_us;               /* when its report is here */
  guint seqnum, size;
  gboolean lost;
} Packet;

struct _FakeNetwork
{
  GstPad *sink;
  gulong probe;
  GThread *thread;
  gint stop, faults;            /* atomic */
  guint kbps;
  GMutex lock;                  /* protects the next three */
  GArray *packets;              /* (element-type Packet), in the order they were sent */
  gint64 busy_us;
  guint seqnum;
  /* the thread's */
  MloRandom random;
  GArray *held[HELD];
  guint reports;
  guint64 wrap;                 /* on the receiver's clock */
};

/* Streaming thread. */
static GstPadProbeReturn
on_buffer (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  FakeNetwork *n = data;
  gsize left = gst_buffer_get_size (GST_PAD_PROBE_INFO_BUFFER (info));
  gint64 now_us = g_get_monotonic_time ();

  g_mutex_lock (&n->lock);
  while (left > 0) {
    Packet p = {.local = (guint64) now_us * 1000,.size = (guint) MIN (left, PACKET) };

    left -= p.size;
    p.seqnum = n->seqnum++ & 0xffff;
    p.lost = n->busy_us > now_us + QUEUE_US;
    if (!p.lost)
      n->busy_us = MAX (n->busy_us, now_us) + (gint64) (p.size + HEADERS) * 8000 / n->kbps;
    p.remote = (guint64) (n->busy_us + WAY_US) * 1000;
    p.back_us = n->busy_us + 2 * WAY_US;
    g_array_append_val (n->packets, p);
  }
  g_mutex_unlock (&n->lock);
  return GST_PAD_PROBE_OK;
}

G_GNUC_BEGIN_IGNORE_DEPRECATIONS;

static void
add (FakeNetwork * n, GValueArray * array, const Packet * packet, guint faults)
{
  Packet p = *packet;

  if (faults & FAKE_WRAP)
    p.remote += n->wrap;
  if (faults & FAKE_JUMP)
    p.local += HOUR;
  if (faults & FAKE_BACK)
    p.local -= MIN (HOUR, p.local);
  if (faults & FAKE_FOREIGN && n->reports % 2) {
    p.seqnum = mlo_random_below (&n->random, 65536);
    p.local -= MIN (p.local, (guint64) mlo_random_below (&n->random, 1000) * GST_MSECOND);
    p.remote = (guint64) mlo_random_below (&n->random, G_MAXUINT32) * 1000;
  }
  if (faults & FAKE_NONSENSE && mlo_random_chance (&n->random, 0.7)) {
    p.local = mlo_random_u64 (&n->random);
    p.remote = mlo_random_u64 (&n->random);
    p.seqnum = (guint) mlo_random_u64 (&n->random);
    p.size = (guint) mlo_random_u64 (&n->random);
  }
  twcc_add_packet (array, p.seqnum, p.local, p.remote, p.size, p.lost);
}

static void
tell (FakeNetwork * n, GArray * packets, guint faults)
{
  GValueArray *array = g_value_array_new (packets->len);

  n->reports++;
  for (guint i = 0; i < packets->len; i++) {
    guint at = faults & FAKE_SHUFFLED ? mlo_random_below (&n->random, packets->len) : i;

    add (n, array, &g_array_index (packets, Packet, at), faults);
  }
  gst_pad_push_event (n->sink, twcc_event (array));
}

G_GNUC_END_IGNORE_DEPRECATIONS;

/* What is due, or an empty array. */
static GArray *
take_due (FakeNetwork * n, guint faults)
{
  GArray *due = g_array_new (FALSE, FALSE, sizeof (Packet));
  gint64 now_us = g_get_monotonic_time () - (faults & FAKE_LATE ? LATE_US : 0);
  guint k = 0;

  g_mutex_lock (&n->lock);
  while (k < n->packets->len && g_array_index (n->packets, Packet, k).back_us <= now_us)
    k++;
  g_array_append_vals (due, n->packets->data, k);
  g_array_remove_range (n->packets, 0, k);
  g_mutex_unlock (&n->lock);
  return due;
}

static void
report (FakeNetwork * n, GArray * due, guint faults)
{
  guint slot = n->reports % HELD;

  if (due->len == 0 || faults & FAKE_SILENT || (faults & FAKE_LOST && !mlo_random_chance (&n->random, 1.0 / 3.0))) {
    n->reports++;
    g_array_unref (due);
    return;
  }
  /* The one before comes after. */
  if (faults & FAKE_SHUFFLED) {
    GArray *later = n->held[0];

    n->held[0] = due;
    if (!later)
      return;
    if (mlo_random_chance (&n->random, 0.5)) {
      tell (n, due, faults);
      tell (n, later, faults);
      n->held[0] = NULL;
      g_array_unref (due);
    } else {
      tell (n, later, faults);
    }
    g_array_unref (later);
    return;
  }
  tell (n, due, faults);
  if (faults & FAKE_TWICE) {
    tell (n, due, faults);
    if (n->held[slot]) {
      tell (n, n->held[slot], faults);
      g_array_unref (n->held[slot]);
    }
    n->held[slot] = g_array_ref (due);
  }
  g_array_unref (due);
}

static gpointer
run (gpointer data)
{
  FakeNetwork *n = data;

  while (!g_atomic_int_get (&n->stop)) {
    guint faults = (guint) g_atomic_int_get (&n->faults);

    report (n, take_due (n, faults), faults);
    g_usleep (REPORT_US);
  }
  return NULL;
}

FakeNetwork *
fake_network_new (GstPad * sink, guint kbps)
{
  FakeNetwork *n = g_new0 (FakeNetwork, 1);

  n->sink = gst_object_ref (sink);
  n->kbps = kbps;
  g_mutex_init (&n->lock);
  n->packets = g_array_new (FALSE, FALSE, sizeof (Packet));
  mlo_random_seed (&n->random, kbps);
  /* passes 2^16 soon */
  n->seqnum = 65000;
  n->probe = gst_pad_add_probe (sink, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, n, NULL);
  n->thread = g_thread_new ("fake-network", run, n);
  return n;
}

void
fake_network_set (FakeNetwork * n, FakeFault faults)
{
  /* in a second from now the receiver's clock passes its end */
  if (faults & FAKE_WRAP)
    n->wrap = G_MAXUINT64 - (guint64) (g_get_monotonic_time () + 1000000) * 1000;
  g_atomic_int_set (&n->faults, faults);
}

void
fake_network_free (FakeNetwork * n)
{
  g_atomic_int_set (&n->stop, 1);
  g_thread_join (n->thread);
  gst_pad_remove_probe (n->sink, n->probe);
  gst_object_unref (n->sink);
  for (guint i = 0; i < HELD; i++)
    g_clear_pointer (&n->held[i], g_array_unref);
  g_array_unref (n->packets);
  g_mutex_clear (&n->lock);
  g_free (n);
}
