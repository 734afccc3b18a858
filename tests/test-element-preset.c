/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The presets that come with the element, and a user's own beside them. */
#include <string.h>

#include <glib/gstdio.h>
#include <gst/gst.h>
#include <gst/gstpreset.h>

static const struct
{
  const char *name;
  guint min_bitrate, max_bitrate, target_delay;
  int min_framerate, max_framerate, min_height;
} rows[] = {
  {"quality", 1000000, 40000000, 120, 24, 0, 480},
  {"low-latency", 300000, 20000000, 25, 30, 0, 240},
  {"metered", 200000, 2500000, 60, 15, 30, 240},
  {"balanced", 300000, 20000000, 60, 15, 0, 240},
};

static void
assert_is (GstElement * e, guint row)
{
  guint min_bitrate, max_bitrate, target_delay;
  int min_framerate, max_framerate, min_height;

  g_object_get (e, "min-bitrate", &min_bitrate, "max-bitrate", &max_bitrate, "target-delay", &target_delay,
      "min-framerate", &min_framerate, "max-framerate", &max_framerate, "min-height", &min_height, NULL);
  g_assert_cmpuint (min_bitrate, ==, rows[row].min_bitrate);
  g_assert_cmpuint (max_bitrate, ==, rows[row].max_bitrate);
  g_assert_cmpuint (target_delay, ==, rows[row].target_delay);
  g_assert_cmpint (min_framerate, ==, rows[row].min_framerate);
  g_assert_cmpint (max_framerate, ==, rows[row].max_framerate);
  g_assert_cmpint (min_height, ==, rows[row].min_height);
}

/* Each leaves nothing of the one before; balanced is the defaults. */
static void
test_ours (void)
{
  g_autoptr (GstElement) e = gst_object_ref_sink (gst_element_factory_make ("mloptimizer", NULL));
  g_auto (GStrv) names = gst_preset_get_preset_names (GST_PRESET (e));

  g_assert_cmpuint (g_strv_length (names), ==, G_N_ELEMENTS (rows));
  assert_is (e, G_N_ELEMENTS (rows) - 1);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *comment = NULL;
    char *none = NULL;

    g_assert_true (g_strv_contains ((const char *const *) names, rows[i].name));
    g_assert_true (gst_preset_load_preset (GST_PRESET (e), rows[i].name));
    assert_is (e, i);
    g_assert_true (gst_preset_get_meta (GST_PRESET (e), rows[i].name, "comment", &comment));
    g_assert_cmpstr (comment, !=, "");
    g_assert_false (gst_preset_get_meta (GST_PRESET (e), rows[i].name, "author", &none));
  }
  g_assert_false (gst_preset_load_preset (GST_PRESET (e), "nonsense"));
  g_assert_false (gst_preset_delete_preset (GST_PRESET (e), "quality"));
}

/* Saved in the user's folder, which is this test's own; by our name it goes first. */
static void
test_saved (void)
{
  g_autoptr (GstElement) e = gst_object_ref_sink (gst_element_factory_make ("mloptimizer", NULL));
  guint value;

  g_object_set (e, "max-bitrate", 7000000, "models", "/not/kept", NULL);
  g_assert_true (gst_preset_save_preset (GST_PRESET (e), "mine"));
  g_assert_true (gst_preset_save_preset (GST_PRESET (e), "quality"));
  g_object_set (e, "max-bitrate", 1000000, "models", "/elsewhere", NULL);
  {
    g_auto (GStrv) names = gst_preset_get_preset_names (GST_PRESET (e));
    g_autofree char *models = NULL;

    g_assert_cmpuint (g_strv_length (names), ==, G_N_ELEMENTS (rows) + 1);
    g_assert_true (g_strv_contains ((const char *const *) names, "mine"));
    g_assert_true (gst_preset_load_preset (GST_PRESET (e), "mine"));
    g_object_get (e, "max-bitrate", &value, "models", &models, NULL);
    g_assert_cmpuint (value, ==, 7000000);
    g_assert_cmpstr (models, ==, "/elsewhere");
  }
  g_object_set (e, "max-bitrate", 1000000, NULL);
  g_assert_true (gst_preset_load_preset (GST_PRESET (e), "quality"));
  g_object_get (e, "max-bitrate", &value, NULL);
  g_assert_cmpuint (value, ==, 7000000);
  g_assert_true (gst_preset_delete_preset (GST_PRESET (e), "quality"));
  g_assert_true (gst_preset_load_preset (GST_PRESET (e), "quality"));
  assert_is (e, 0);
}

/* In a launch line, and then changed while it plays. */
static void
test_launch (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline =
      gst_parse_launch ("videotestsrc is-live=true ! mloptimizer name=o @preset=metered ! "
      "x264enc tune=zerolatency ! fakesink", &error);
  g_autoptr (GstElement) e = NULL;

  g_assert_no_error (error);
  e = gst_bin_get_by_name (GST_BIN (pipeline), "o");
  assert_is (e, 2);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  g_assert_cmpint (gst_element_get_state (pipeline, NULL, NULL, 10 * GST_SECOND), !=, GST_STATE_CHANGE_FAILURE);
  g_assert_true (gst_preset_load_preset (GST_PRESET (e), "low-latency"));
  assert_is (e, 1);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  assert_is (e, 1);
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-preset-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (folder, "gstreamer-1.0/presets/GstMlOptimizer.prs", NULL);
  int status;

  /* GStreamer keeps the first it sees, so one for all tests. */
  g_setenv ("XDG_DATA_HOME", folder, TRUE);
  g_test_init (&argc, &argv, NULL);
  gst_init (&argc, &argv);
  g_test_add_func ("/element-preset/ours", test_ours);
  g_test_add_func ("/element-preset/saved", test_saved);
  g_test_add_func ("/element-preset/launch", test_launch);
  status = g_test_run ();
  for (g_unlink (file); strcmp (file, folder) != 0; g_rmdir (file))
    *strrchr (file, '/') = '\0';
  return status;
}
