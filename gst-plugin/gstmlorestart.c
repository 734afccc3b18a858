/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmlorestart.h"

GST_DEBUG_CATEGORY_STATIC (gst_ml_optimizer_restart_debug);
#define GST_CAT_DEFAULT gst_ml_optimizer_restart_debug

/* Shared with the probe, which may still run when it has been removed. */
struct _GstMloRestart
{
  GstElement *encoder;          /* owned, as the pads are */
  GstPad *sink, *before;        /* the encoder's, and the pad that it is linked to */
  gulong probe, flush_probe;
  gint caps;                    /* atomic: wait for caps */
  GMutex gate;                  /* held while the encoder is in READY: flushes wait, or one half of one would be lost */
  GMutex lock;                  /* a leaf; protects: */
  GCond arrived;
  gboolean blocked;
};

static void
restart_clear (gpointer data)
{
  GstMloRestart *r = data;

  gst_clear_object (&r->encoder);
  gst_clear_object (&r->sink);
  gst_clear_object (&r->before);
  g_mutex_clear (&r->gate);
  g_mutex_clear (&r->lock);
  g_cond_clear (&r->arrived);
}

static void
restart_unref (gpointer r)
{
  g_atomic_rc_box_release_full (r, restart_clear);
}

static gboolean
is_awaited (GstMloRestart * r, GstPadProbeInfo * info)
{
  gboolean is_buffer = (info->type & (GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST)) != 0;

  return g_atomic_int_get (&r->caps) ? !is_buffer && GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_CAPS
      : is_buffer;
}

/* On the pad before the encoder. What was awaited stops here, and all that comes after it where a flush took that
 * away. */
static GstPadProbeReturn
on_arrival (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstMloRestart *r = data;
  gboolean blocked;

  g_mutex_lock (&r->lock);
  r->blocked |= is_awaited (r, info);
  blocked = r->blocked;
  g_cond_signal (&r->arrived);
  g_mutex_unlock (&r->lock);
  return blocked ? GST_PAD_PROBE_OK : GST_PAD_PROBE_PASS;
}

/* Likewise, from any thread. */
static GstPadProbeReturn
on_flush (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstMloRestart *r = data;

  g_mutex_lock (&r->gate);
  g_mutex_unlock (&r->gate);
  return GST_PAD_PROBE_OK;
}

GstMloRestart *
gst_mlo_restart_begin (GstElement * encoder, GstPad * sink, gboolean caps)
{
  static gsize once = 0;
  GstPad *before = gst_pad_get_peer (sink);
  GstMloRestart *r;

  if (g_once_init_enter (&once)) {
    GST_DEBUG_CATEGORY_INIT (gst_ml_optimizer_restart_debug, "mloptimizer-restart", 0, "restarts of the encoder");
    g_once_init_leave (&once, 1);
  }
  if (!before)
    return NULL;
  r = g_atomic_rc_box_new0 (GstMloRestart);
  r->encoder = gst_object_ref (encoder);
  r->sink = gst_object_ref (sink);
  r->before = before;
  r->caps = caps;
  g_mutex_init (&r->gate);
  g_mutex_init (&r->lock);
  g_cond_init (&r->arrived);
  r->flush_probe = gst_pad_add_probe (before, GST_PAD_PROBE_TYPE_EVENT_FLUSH, on_flush, g_atomic_rc_box_acquire (r),
      restart_unref);
  r->probe = gst_pad_add_probe (before, GST_PAD_PROBE_TYPE_BLOCK | GST_PAD_PROBE_TYPE_DATA_DOWNSTREAM, on_arrival,
      g_atomic_rc_box_acquire (r), restart_unref);
  return r;
}

void
gst_mlo_restart_at_frame (GstMloRestart * r)
{
  g_atomic_int_set (&r->caps, FALSE);
}

static gboolean
wait_for_frame (GstMloRestart * r, guint timeout_ms)
{
  gint64 end_us = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
  gboolean blocked;

  g_mutex_lock (&r->lock);
  while (!r->blocked && g_cond_wait_until (&r->arrived, &r->lock, end_us));
  blocked = r->blocked;
  g_mutex_unlock (&r->lock);
  return blocked;
}

static GstPadProbeReturn
swallow_eos (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  return GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_EOS ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

/* An encoder gives out what it holds when the stream ends; those behind it are not told. FALSE where nothing came out
 * of it yet: what follows caps must not come before them. */
static gboolean
take_out_held (GstMloRestart * r)
{
  g_autoptr (GstPad) src = gst_element_get_static_pad (r->encoder, "src");
  gulong probe;

  if (!src || !gst_pad_has_current_caps (src))
    return FALSE;
  probe = gst_pad_add_probe (src, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, swallow_eos, NULL, NULL);
  gst_pad_send_event (r->sink, gst_event_new_eos ());
  gst_pad_remove_probe (src, probe);
  return TRUE;
}

/* What the pad was told before it was in READY, it is told again: caps, segment, tags. */
static gboolean
tell_again (GstPad * before, GstEvent ** event, gpointer sink)
{
  if (GST_EVENT_TYPE (*event) != GST_EVENT_EOS)
    gst_pad_send_event (sink, gst_event_ref (*event));
  return TRUE;
}

/* A flush is on its way: the pads are marked before the probe sees it. */
static gboolean
is_flushing (GstMloRestart * r)
{
  return GST_PAD_IS_FLUSHING (r->before) || GST_PAD_IS_FLUSHING (r->sink);
}

/* With the gate closed. */
static GstMloRestartResult
cycle (GstMloRestart * r, GstMloRestartSet set, gpointer user_data)
{
  GstState state = GST_STATE (r->encoder);
  gboolean taken;

  if (is_flushing (r))
    return GST_MLO_RESTART_NOT_NOW;
  if (gst_element_set_state (r->encoder, GST_STATE_READY) != GST_STATE_CHANGE_SUCCESS)
    return GST_MLO_RESTART_FAILED;
  taken = set (r->encoder, FALSE, user_data);
  if (!taken)
    set (r->encoder, TRUE, user_data);
  if (gst_element_set_state (r->encoder, state) == GST_STATE_CHANGE_FAILURE) {
    /* With what it had before it did come up. */
    gst_element_set_state (r->encoder, GST_STATE_READY);
    set (r->encoder, TRUE, user_data);
    gst_element_set_state (r->encoder, state);
    taken = FALSE;
  }
  gst_pad_sticky_events_foreach (r->before, tell_again, r->sink);
  return taken ? GST_MLO_RESTART_DONE : GST_MLO_RESTART_FAILED;
}

/* To READY and back, with the encoder's state lock. */
static GstMloRestartResult
restart (GstMloRestart * r, gboolean held, GstMloRestartSet set, gpointer user_data)
{
  g_autoptr (GstPad) before = gst_pad_get_peer (r->sink);
  GstMloRestartResult result;

  /* Somebody else was faster: another state, or another link. */
  if (GST_STATE (r->encoder) < GST_STATE_PAUSED || GST_STATE_PENDING (r->encoder) != GST_STATE_VOID_PENDING
      || before != r->before || is_flushing (r) || GST_PAD_IS_EOS (r->sink))
    return GST_MLO_RESTART_NOT_NOW;
  if (held && !take_out_held (r))
    return GST_MLO_RESTART_NOT_NOW;
  g_mutex_lock (&r->gate);
  /* The end of a flush unmarks the pad before it takes this lock: it must not come between the two. */
  GST_PAD_STREAM_LOCK (r->sink);
  result = cycle (r, set, user_data);
  GST_PAD_STREAM_UNLOCK (r->sink);
  g_mutex_unlock (&r->gate);
  return result;
}

GstMloRestartResult
gst_mlo_restart_finish (GstMloRestart * r, guint timeout_ms, gboolean held, GstMloRestartSet set, gpointer user_data)
{
  GstMloRestartResult result = GST_MLO_RESTART_NOT_NOW;

  if (wait_for_frame (r, timeout_ms)) {
    gint64 begin_us = g_get_monotonic_time ();

    GST_STATE_LOCK (r->encoder);
    result = restart (r, held, set, user_data);
    GST_STATE_UNLOCK (r->encoder);
    GST_DEBUG_OBJECT (r->encoder, "result %d, the frame waited %" G_GINT64_FORMAT " us", result,
        g_get_monotonic_time () - begin_us);
  }
  gst_pad_remove_probe (r->before, r->flush_probe);
  gst_pad_remove_probe (r->before, r->probe);
  restart_unref (r);
  return result;
}
