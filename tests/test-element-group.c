/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Elements of one process on one bitrate, with real encoders that hold what they are told. */
#include "element-helpers.h"

#define STREAM "videotestsrc is-live=true pattern=snow ! video/x-raw,format=I420,width=160,height=120,framerate=30/1 ! " \
  "mloptimizer name=o group=uplink min-bitrate=200000 max-bitrate=8000000 start-bitrate=4000000 %s ! " \
  "x264enc name=e tune=zerolatency speed-preset=ultrafast ! fakesink async=false"

static Run *
stream_new (const char *more)
{
  g_autofree char *launch = g_strdup_printf (STREAM, more);

  return run_new (launch);
}

static guint
stat_uint (Run * r, const char *name)
{
  g_autoptr (GstStructure) s = NULL;
  guint value = 0;

  g_object_get (r->element, "stats", &s, NULL);
  g_assert_true (gst_structure_get_uint (s, name, &value));
  return value;
}

typedef struct
{
  Run *run[2];
  guint kbps[2];
} Expected;

/* The player's word that the path carries more than any share: without feedback none would rise above its start. */
static void
tell_plenty (Run * r)
{
  gst_element_post_message (r->element, gst_message_new_element (GST_OBJECT (r->element),
          gst_structure_new ("mloptimizer-metrics", "latency_ms", G_TYPE_DOUBLE, 20.0, "queue_delay_ms", G_TYPE_DOUBLE,
              0.0, "packet_loss", G_TYPE_DOUBLE, 0.0, "bandwidth_kbps", G_TYPE_DOUBLE, 30000.0, NULL)));
}

static gboolean
both_at (Run * r, gpointer data)
{
  Expected *x = data;

  for (int i = 0; i < 2; i++) {
    if (x->run[i])
      tell_plenty (x->run[i]);
  }

  for (int i = 0; i < 2; i++) {
    if (x->run[i] && ABS ((int) run_encoder_kbps (x->run[i]) - (int) x->kbps[i]) > (int) x->kbps[i] / 50)
      return FALSE;
  }
  return TRUE;
}

static void
assert_come_to (Run * a, guint a_kbps, Run * b, guint b_kbps)
{
  Expected x = { {a, b}, {a_kbps, b_kbps} };

  if (!run_until (a ? a : b, 10.0, both_at, &x))
    g_error ("%u and %u instead of %u and %u kbit/s", a ? run_encoder_kbps (a) : 0, b ? run_encoder_kbps (b) : 0,
        a_kbps, b_kbps);
}

/* Shares follow weights, limits and members while playing. */
static void
test_shares (void)
{
  Run *a = stream_new ("group-max-bitrate=3000000"), *b = stream_new ("group-weight=2");

  run_play (a);
  assert_come_to (a, 3000, NULL, 0);
  run_play (b);
  assert_come_to (a, 1000, b, 2000);
  g_assert_cmpuint (stat_uint (b, "group-members"), ==, 2);
  g_assert_cmpuint (stat_uint (b, "group-bitrate"), ==, 3000000);

  g_object_set (b->element, "group-max-bitrate", 1500000, NULL);
  assert_come_to (a, 500, b, 1000);
  g_object_set (a->element, "group-weight", 2, NULL);
  assert_come_to (a, 750, b, 750);
  /* a's least comes first */
  g_object_set (a->element, "min-bitrate", 1200000, NULL);
  assert_come_to (a, 1200, b, 300);

  gst_element_set_state (a->pipeline, GST_STATE_NULL);
  assert_come_to (NULL, 0, b, 1500);
  g_assert_cmpuint (stat_uint (b, "group-members"), ==, 1);
  run_free (a);
  run_free (b);
}

/* More than there is for the least bitrates: kept, and said. */
static void
test_too_little (void)
{
  Run *a = stream_new ("min-bitrate=900000 group-max-bitrate=1000000"), *b = stream_new ("min-bitrate=600000");

  run_play (a);
  run_play (b);
  assert_come_to (a, 900, b, 600);
  g_assert_true (run_until (a, 5.0, run_has_warning, (gpointer) "min-bitrate of the group"));
  run_free (a);
  run_free (b);
}

/* Another name, or none, is another bitrate; who only observes takes none. */
static void
test_apart (void)
{
  Run *a = stream_new ("group-max-bitrate=3000000"), *b = stream_new ("group=other group-max-bitrate=2000000"),
      *c = stream_new ("mode=observe");

  run_play (a);
  run_play (b);
  run_play (c);
  assert_come_to (a, 3000, b, 2000);
  g_assert_cmpuint (stat_uint (a, "group-members"), ==, 1);
  run_free (a);
  run_free (b);
  run_free (c);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/element-group/shares", test_shares);
  g_test_add_func ("/element-group/too-little", test_too_little);
  g_test_add_func ("/element-group/apart", test_apart);
  return g_test_run ();
}
