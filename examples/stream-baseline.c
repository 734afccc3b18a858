/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "stream-baseline.h"

#include <gst/rtp/rtp.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "mlo-baseline.h"
#include "mlo-error.h"
#include "stream-common.h"

#define TICK_US 100000
/* A stream's packets in one feedback; more go in several parts. */
#define BATCH 512
/* Padding that is due within this goes out together: a thread's sleep is no finer. */
#define TOGETHER_US 500

struct _StreamBaseline
{
  GstElement *encoder;
  GstPad *sink;                 /* of rtpbin: padding enters here */
  MloTrace *trace;
  GThread *thread;
  gulong frame_probe, out_probes[2];
  GstPad *frame_pad, *out_pads[2];

  GMutex lock;                  /* protects what follows; nothing else is taken or set under it */
  GCond wake;
  MloPolicy *policy;
  gint64 start_us;              /* the policy's time 0, which is the link's: the first packet left; 0: none yet */
  gint64 next_tick_us;
  MloProbe probe;
  gboolean have_probe, stop;

  guint16 padding_seqnum;       /* padding thread only */
};

/* Called without the lock. */
static void
set_bitrate (StreamBaseline * b, double kbps)
{
  guint before, now = (guint) lrint (kbps);

  g_object_get (b->encoder, "bitrate", &before, NULL);
  if (before != now)
    g_object_set (b->encoder, "bitrate", now, NULL);
}

/* With the lock held. */
static void
ask_for_probe (StreamBaseline * b, gint64 now_us)
{
  if (!b->policy->klass->probe || b->have_probe || !b->policy->klass->probe (b->policy, now_us, &b->probe))
    return;
  b->have_probe = TRUE;
  g_cond_signal (&b->wake);
}

static gboolean
parse_packet (const GstStructure * s, gint64 start_us, MloPacket * p)
{
  guint64 local = GST_CLOCK_TIME_NONE, remote = GST_CLOCK_TIME_NONE;

  memset (p, 0, sizeof *p);
  gst_structure_get_boolean (s, "lost", &p->lost);
  gst_structure_get_uint (s, "seqnum", &p->seqnum);
  gst_structure_get_uint (s, "size", &p->size);
  gst_structure_get_uint64 (s, "local-ts", &local);
  gst_structure_get_uint64 (s, "remote-ts", &remote);
  if (!GST_CLOCK_TIME_IS_VALID (local) || (!p->lost && !GST_CLOCK_TIME_IS_VALID (remote)))
    return FALSE;
  p->send_us = (gint64) (local / 1000) - start_us;
  p->arrival_us = p->lost ? 0 : (gint64) (remote / 1000);
  return TRUE;
}

void
stream_baseline_feedback (StreamBaseline * b, const GstStructure * event)
{
  const GValue *value = gst_structure_get_value (event, "packets");
  MloPacket packets[BATCH];
  double kbps = -1.0;
  guint n = 0;

  G_GNUC_BEGIN_IGNORE_DEPRECATIONS;     /* GValueArray is what rtpsession sends */
  const GValueArray *array = value ? g_value_get_boxed (value) : NULL;

  g_mutex_lock (&b->lock);
  for (guint i = 0; array && b->start_us > 0 && i < array->n_values; i++) {
    const MloDecision *decision;
    gint64 now_us = g_get_monotonic_time () - b->start_us;

    if (parse_packet (gst_value_get_structure (&array->values[i]), b->start_us, &packets[n]))
      n++;
    if (n == 0 || (n < BATCH && i + 1 < array->n_values))
      continue;
    if (b->policy->klass->on_packets)
      b->policy->klass->on_packets (b->policy, now_us, packets, n);
    n = 0;
    decision = b->policy->klass->react ? b->policy->klass->react (b->policy, now_us) : NULL;
    if (decision)
      kbps = decision->bitrate_kbps;
    ask_for_probe (b, now_us);
  }
  g_mutex_unlock (&b->lock);
  G_GNUC_END_IGNORE_DEPRECATIONS;
  if (kbps > 0.0)
    set_bitrate (b, kbps);
}

static GstPadProbeReturn
on_frame (GstPad * pad, GstPadProbeInfo * info, gpointer user_data)
{
  StreamBaseline *b = user_data;
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);

  g_mutex_lock (&b->lock);
  if (b->policy->klass->on_frame_sent && b->start_us > 0)
    b->policy->klass->on_frame_sent (b->policy, g_get_monotonic_time () - b->start_us,
        (guint32) gst_buffer_get_size (buffer), !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT));
  g_mutex_unlock (&b->lock);
  return GST_PAD_PROBE_OK;
}

/* The link's clock starts with the first packet, whichever it is. */
static GstPadProbeReturn
on_out (GstPad * pad, GstPadProbeInfo * info, gpointer user_data)
{
  StreamBaseline *b = user_data;

  g_mutex_lock (&b->lock);
  if (b->start_us == 0) {
    b->start_us = g_get_monotonic_time ();
    b->next_tick_us = b->start_us;
    g_cond_signal (&b->wake);
  }
  g_mutex_unlock (&b->lock);
  return GST_PAD_PROBE_OK;
}

static void
send_padding (StreamBaseline * b)
{
  GstBuffer *buffer = gst_rtp_buffer_new_allocate (MLO_PADDING_BYTES, 0, 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  const guint8 number[2] = { 0 };       /* rtpsession writes the transport-wide number where there is room for it */

  gst_rtp_buffer_map (buffer, GST_MAP_WRITE, &rtp);
  gst_rtp_buffer_set_payload_type (&rtp, STREAM_PADDING_TYPE);
  gst_rtp_buffer_set_ssrc (&rtp, STREAM_PADDING_SSRC);
  gst_rtp_buffer_set_seq (&rtp, b->padding_seqnum++);
  gst_rtp_buffer_add_extension_onebyte_header (&rtp, STREAM_TWCC_ID, number, sizeof number);
  gst_rtp_buffer_unmap (&rtp);
  gst_buffer_memset (buffer, gst_buffer_get_size (buffer) - MLO_PADDING_BYTES, 0, MLO_PADDING_BYTES);
  gst_pad_chain (b->sink, buffer);
}

static void
sleep_until (gint64 time_us)
{
  struct timespec t = {.tv_sec = time_us / G_USEC_PER_SEC,.tv_nsec = time_us % G_USEC_PER_SEC * 1000 };

  while (clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0);
}

static void
send_probe (StreamBaseline * b, const MloProbe * probe)
{
  const double gap_us = 8000.0 * (MLO_PADDING_BYTES + MLO_PACKET_OVERHEAD) / probe->kbps;
  gint64 start_us = g_get_monotonic_time ();

  for (guint i = 0; i < probe->packets; i++) {
    gint64 due_us = start_us + (gint64) (gap_us * i);

    if (due_us > g_get_monotonic_time () + TOGETHER_US)
      sleep_until (due_us);
    send_padding (b);
  }
}

static double
tick (StreamBaseline * b)
{
  MloSample local = { 0 };
  gint64 now_us = g_get_monotonic_time () - b->start_us;
  double kbps;

  local.timestamp_us = now_us;
  kbps = b->policy->klass->tick (b->policy, now_us, &local)->bitrate_kbps;
  ask_for_probe (b, now_us);
  b->next_tick_us += TICK_US;
  return kbps;
}

static gpointer
run (gpointer data)
{
  StreamBaseline *b = data;

  g_mutex_lock (&b->lock);
  while (!b->stop) {
    MloProbe probe = b->probe;
    gboolean have_probe = b->have_probe;
    double kbps = -1.0;

    if (!have_probe && (b->start_us == 0 || g_get_monotonic_time () < b->next_tick_us)) {
      if (b->start_us == 0)
        g_cond_wait (&b->wake, &b->lock);
      else
        g_cond_wait_until (&b->wake, &b->lock, b->next_tick_us);
      continue;
    }
    if (!have_probe)
      kbps = tick (b);
    g_mutex_unlock (&b->lock);
    if (have_probe)
      send_probe (b, &probe);
    else
      set_bitrate (b, kbps);
    g_mutex_lock (&b->lock);
    if (have_probe)
      b->have_probe = FALSE;
  }
  g_mutex_unlock (&b->lock);
  return NULL;
}

static MloPolicy *
make_policy (const char *name, const MloTrace * trace, const MloLimits * limits, GError ** error)
{
  gboolean mean = strcmp (name, "omniscient-mean") == 0;

  if (strcmp (name, "gcc") == 0)
    return mlo_gcc_new (limits);
  if (strcmp (name, "gcc-probing") == 0)
    return mlo_gcc_probing_new (limits);
  if (!mean && strcmp (name, "omniscient") != 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "controller \"%s\": not one of " STREAM_BASELINE_NAMES, name);
    return NULL;
  }
  if (!trace) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "controller \"%s\" needs the link's trace", name);
    return NULL;
  }
  return mlo_omniscient_new (mean ? MLO_OMNISCIENT_MEAN : MLO_OMNISCIENT_CAUTIOUS, trace, limits);
}

static void
watch (StreamBaseline * b, GstElement * rtp)
{
  static const char *const outs[] = { "send_rtp_src_0", "send_rtcp_src_0" };

  b->sink = gst_element_get_static_pad (rtp, "send_rtp_sink_0");
  b->frame_pad = gst_element_get_static_pad (b->encoder, "src");
  b->frame_probe = gst_pad_add_probe (b->frame_pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, b, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (outs); i++) {
    b->out_pads[i] = gst_element_get_static_pad (rtp, outs[i]);
    b->out_probes[i] = gst_pad_add_probe (b->out_pads[i],
        GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST, on_out, b, NULL);
  }
}

StreamBaseline *
stream_baseline_new (const char *name, const char *trace, double start_kbps, double max_kbps, GstElement * encoder,
    GstElement * rtp, GError ** error)
{
  StreamBaseline *b = g_new0 (StreamBaseline, 1);
  MloLimits limits = mlo_limits_default;

  limits.start_bitrate_kbps = start_kbps;
  limits.max_bitrate_kbps = max_kbps;
  g_mutex_init (&b->lock);
  g_cond_init (&b->wake);
  b->encoder = encoder;
  if (trace && !(b->trace = mlo_trace_load (trace, error)))
    goto fail;
  b->policy = make_policy (name, b->trace, &limits, error);
  if (!b->policy)
    goto fail;
  watch (b, rtp);
  b->thread = g_thread_new ("baseline", run, b);
  return b;

fail:
  stream_baseline_free (b);
  return NULL;
}

static void
remove_probe (GstPad ** pad, gulong id)
{
  if (*pad)
    gst_pad_remove_probe (*pad, id);
  gst_clear_object (pad);
}

void
stream_baseline_free (StreamBaseline * b)
{
  if (!b)
    return;
  g_mutex_lock (&b->lock);
  b->stop = TRUE;
  g_cond_signal (&b->wake);
  g_mutex_unlock (&b->lock);
  if (b->thread)
    g_thread_join (b->thread);
  remove_probe (&b->frame_pad, b->frame_probe);
  for (guint i = 0; i < G_N_ELEMENTS (b->out_pads); i++)
    remove_probe (&b->out_pads[i], b->out_probes[i]);
  gst_clear_object (&b->sink);
  mlo_policy_free (b->policy);
  mlo_trace_free (b->trace);
  g_cond_clear (&b->wake);
  g_mutex_clear (&b->lock);
  g_free (b);
}
