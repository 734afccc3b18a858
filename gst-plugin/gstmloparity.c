/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmloparity.h"

#include <string.h>

/* The sums forget this a tick: half of them in three seconds. */
#define KEEP 0.98
/* Until parity was seen: its packets are as large as the largest that they stand for. */
#define SIZE_USUAL 1.25
#define SIZE_LEAST 0.5
#define SIZE_MOST 4.0
/* Some encoders answer each change of their bitrate with a key frame: it does not follow what is measured this closely. */
#define SIZE_STEP 0.1
#define PERCENT_STEP 5.0
/* So many packets of each kind are enough to measure. */
#define PACKETS_ENOUGH 20.0

typedef struct
{
  guint packets, bytes;         /* atomic; they wrap */
} Passed;

struct _GstMloParityMaker
{
  GstElement *element;          /* owned */
  GstPad *pads[2];              /* sink, src; owned */
  gulong probes[2];
  Passed passed[2], before[2];  /* the latter the control thread's */
  guint percent, important;     /* that it was found with */
  int set;                      /* by us; < 0: nothing */
};

static void
maker_clear (gpointer data)
{
  GstMloParityMaker *m = data;

  for (guint i = 0; i < 2; i++)
    gst_clear_object (&m->pads[i]);
  gst_clear_object (&m->element);
}

/* A probe may still run when its maker is let go of. */
static void
maker_unref (gpointer m)
{
  g_atomic_rc_box_release_full (m, maker_clear);
}

/* Lists come to the probe as they are; the element takes them apart, and what it puts out are buffers. */
static GstPadProbeReturn
count (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstMloParityMaker *m = data;
  Passed *p = &m->passed[pad == m->pads[1]];

  g_atomic_int_inc (&p->packets);
  g_atomic_int_add (&p->bytes, (guint) gst_buffer_get_size (GST_PAD_PROBE_INFO_BUFFER (info)));
  return GST_PAD_PROBE_OK;
}

static GstMloParityMaker *
maker_new (GstElement * element)
{
  GstMloParityMaker *m = g_atomic_rc_box_new0 (GstMloParityMaker);

  m->element = gst_object_ref (element);
  m->set = -1;
  m->pads[0] = gst_element_get_static_pad (element, "sink");
  m->pads[1] = gst_element_get_static_pad (element, "src");
  for (guint i = 0; i < 2; i++)
    m->probes[i] = gst_pad_add_probe (m->pads[i], GST_PAD_PROBE_TYPE_BUFFER, count, g_atomic_rc_box_acquire (m),
        maker_unref);
  return m;
}

static void
maker_free (GstMloParityMaker * m)
{
  for (guint i = 0; i < 2; i++)
    gst_pad_remove_probe (m->pads[i], m->probes[i]);
  maker_unref (m);
}

static void
forget (GstMloParity * p)
{
  p->frames = p->packets = p->bytes = p->parity_packets = p->parity_bytes = 0.0;
  p->stream.packets = 0.0;
  p->stream.size = SIZE_USUAL;
}

void
gst_mlo_parity_set_path (GstMloParity * p, const GPtrArray * elements)
{
  GstMloParityMaker *first = p->n_makers > 0 ? p->makers[0] : NULL;

  for (guint i = p->n_makers; i-- > 0;) {
    if (elements && g_ptr_array_find ((GPtrArray *) elements, p->makers[i]->element, NULL))
      continue;
    maker_free (p->makers[i]);
    p->n_makers--;
    memmove (&p->makers[i], &p->makers[i + 1], (p->n_makers - i) * sizeof p->makers[0]);
  }
  for (guint k = 0; elements && k < elements->len && p->n_makers < GST_MLO_PARITY_MOST; k++) {
    GstElement *element = g_ptr_array_index (elements, k);
    gboolean known = FALSE;

    for (guint i = 0; i < p->n_makers; i++)
      known |= p->makers[i]->element == element;
    if (!known)
      p->makers[p->n_makers++] = maker_new (element);
  }
  if (p->n_makers == 0 || p->makers[0] != first)
    forget (p);
  p->percent = p->n_makers > 0 ? p->percent : 0.0;
}

/* What passed since the last time. */
static void
take (GstMloParityMaker * m, guint end, guint * packets, guint * bytes)
{
  Passed now = { (guint) g_atomic_int_get (&m->passed[end].packets), (guint) g_atomic_int_get (&m->passed[end].bytes) };

  *packets = now.packets - m->before[end].packets;
  *bytes = now.bytes - m->before[end].bytes;
  m->before[end] = now;
}

void
gst_mlo_parity_measure (GstMloParity * p, guint64 frames)
{
  guint in_packets, in_bytes, out_packets, out_bytes;
  double size;
  guint64 coded = frames - MIN (p->last_frames, frames);

  p->last_frames = frames;
  if (p->n_makers == 0)
    return;
  take (p->makers[0], 0, &in_packets, &in_bytes);
  take (p->makers[0], 1, &out_packets, &out_bytes);
  p->frames = KEEP * p->frames + (double) coded;
  p->packets = KEEP * p->packets + in_packets;
  p->bytes = KEEP * p->bytes + in_bytes;
  /* Both ends are read one after the other. */
  p->parity_packets = KEEP * p->parity_packets + (double) out_packets - (double) in_packets;
  p->parity_bytes = KEEP * p->parity_bytes + (double) out_bytes - (double) in_bytes;
  if (p->packets < PACKETS_ENOUGH || p->frames < 1.0)
    return;
  p->stream.packets = p->packets / p->frames;
  /* The user's is what it turns out to be. */
  if (p->makers[0]->set < 0)
    p->percent = PERCENT_STEP * (int) (MAX (100.0 * p->parity_packets / p->packets, 0.0) / PERCENT_STEP + 0.5);
  if (p->parity_packets < PACKETS_ENOUGH)
    return;
  size = CLAMP (p->parity_bytes / p->parity_packets / (p->bytes / p->packets), SIZE_LEAST, SIZE_MOST);
  if (ABS (size - p->stream.size) > SIZE_STEP * p->stream.size)
    p->stream.size = size;
}

static void
maker_set (GstMloParityMaker * m, guint percent, guint important)
{
  g_object_set (m->element, "percentage", percent, "percentage-important", important, NULL);
}

void
gst_mlo_parity_apply (GstMloParity * p, int percent)
{
  for (guint i = 0; i < p->n_makers; i++) {
    GstMloParityMaker *m = p->makers[i];

    if (percent == m->set || (percent < 0 && m->set < 0))
      continue;
    if (m->set < 0)
      g_object_get (m->element, "percentage", &m->percent, "percentage-important", &m->important, NULL);
    if (percent < 0)
      maker_set (m, m->percent, m->important);
    else
      maker_set (m, (guint) percent, (guint) percent);
    m->set = percent;
  }
  if (percent >= 0)
    p->percent = percent;
}

double
gst_mlo_parity_overhead (const GstMloParity * p)
{
  return p->n_makers > 0 ? mlo_parity_overhead (p->percent, p->stream.size) : 0.0;
}

void
gst_mlo_parity_stop (GstMloParity * p)
{
  gst_mlo_parity_apply (p, -1);
  gst_mlo_parity_set_path (p, NULL);
}
