/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process that holds libsoup 2 already: libsoup 3 beside it would end it. */
#include <dlfcn.h>

#include "element-helpers.h"

/* Nobody who does not ask for a server gets a libsoup. */
static void
test_not_without_server (void)
{
  Run *r = run_new ("videotestsrc num-buffers=5 ! video/x-raw,width=320,height=240 ! mloptimizer name=o ! fakesink");

  run_play (r);
  g_assert_true (run_until (r, 30.0, run_ended, NULL));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, FALSE, NULL), ==, 0);
  g_assert_null (dlopen ("libsoup-3.0.so.0", RTLD_LAZY | RTLD_NOLOAD));
  run_free (r);
}

static void
test_refused (void)
{
  void *soup = dlopen ("libsoup-2.4.so.1", RTLD_NOW | RTLD_GLOBAL);
  g_autoptr (GstStructure) s = NULL;
  guint64 frames = 0;
  Run *r;

  if (!soup) {
    g_test_skip (dlerror ());
    return;
  }
  r = run_new ("videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! "
      "mloptimizer name=o server=ws://127.0.0.1:1/metrics ! x264enc tune=zerolatency speed-preset=ultrafast ! fakesink");
  run_play (r);
  for (int i = 0; i < 100 && frames < 20; i++) {
    run_until (r, 0.1, NULL, NULL);
    g_clear_pointer (&s, gst_structure_free);
    g_object_get (r->element, "stats", &s, NULL);
    g_assert_true (gst_structure_get_uint64 (s, "frames-encoded", &frames));
  }
  g_assert_cmpuint (frames, >=, 20);
  g_assert_false (gst_structure_has_field (s, "server-state"));
  g_assert_cmpuint (run_count (r, GST_MESSAGE_WARNING, TRUE, "libsoup 2 is in this process"), ==, 1);
  g_assert_cmpuint (run_count (r, GST_MESSAGE_ERROR, FALSE, NULL), ==, 0);
  g_assert_null (dlopen ("libsoup-3.0.so.0", RTLD_LAZY | RTLD_NOLOAD));
  run_free (r);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/element-soup2/not-without-server", test_not_without_server);
  g_test_add_func ("/element-soup2/refused", test_refused);
  return g_test_run ();
}
