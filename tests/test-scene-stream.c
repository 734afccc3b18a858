/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The mark of the scenes through a real encoder at its worst: 426x240 at 200 kbit/s. */

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include "mlo-scene.h"

#define WIDTH 1280
#define HEIGHT 720
#define N 240

static void
run (const char *preset, int fps)
{
  g_autoptr (MloScene) scene = mlo_scene_new (WIDTH, HEIGHT, MLO_SCENE_WILD, 4);
  g_autofree char *launch = g_strdup_printf ("appsrc name=source format=time block=true max-buffers=4 "
      "caps=video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1 ! videoscale "
      "! video/x-raw,width=426,height=240 ! x264enc threads=1 tune=zerolatency speed-preset=%s bitrate=200 "
      "vbv-buf-capacity=200 key-int-max=100000 ! avdec_h264 ! tee name=t "
      "t. ! queue ! video/x-raw,format=I420 ! appsink name=small sync=false "
      "t. ! queue ! videoscale ! video/x-raw,format=I420,width=%d,height=%d ! appsink name=large sync=false", WIDTH,
      HEIGHT, fps, preset, WIDTH, HEIGHT);
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch_full (launch, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  g_autoptr (GstElement) source = NULL;
  /* from before a scene cut (frame 2357) to after it */
  guint64 first = 2357 - (guint64) N / 2 * (60 / (guint) fps);

  g_assert_no_error (error);
  source = gst_bin_get_by_name (GST_BIN (pipeline), "source");
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (int i = 0, read[2] = { 0 }, received = 0; received < N;) {
    for (; i < N && i < received + 4; i++) {
      GstBuffer *b = gst_buffer_new_allocate (NULL, WIDTH * HEIGHT * 3 / 2, NULL);
      GstMapInfo map;

      gst_buffer_map (b, &map, GST_MAP_WRITE);
      mlo_scene_render (scene, first + (guint64) i * (60 / (guint) fps), (guint8 *[]) {
          map.data, map.data + WIDTH * HEIGHT, map.data + WIDTH * HEIGHT * 5 / 4}
          , (int[]) {
            WIDTH, WIDTH / 2, WIDTH / 2
          });
      gst_buffer_unmap (b, &map);
      GST_BUFFER_PTS (b) = gst_util_uint64_scale (i, GST_SECOND, fps);
      g_assert_cmpint (gst_app_src_push_buffer (GST_APP_SRC (source), b), ==, GST_FLOW_OK);
      if (i + 1 == N)
        gst_app_src_end_of_stream (GST_APP_SRC (source));
    }
    for (int k = 0; k < 2; k++) {
      g_autoptr (GstElement) sink = gst_bin_get_by_name (GST_BIN (pipeline), k ? "large" : "small");
      g_autoptr (GstSample) sample = gst_app_sink_pull_sample (GST_APP_SINK (sink));
      GstVideoInfo info;
      GstVideoFrame frame;
      guint32 number;

      g_assert_nonnull (sample);
      g_assert_true (gst_video_info_from_caps (&info, gst_sample_get_caps (sample)));
      g_assert_true (gst_video_frame_map (&frame, &info, gst_sample_get_buffer (sample), GST_MAP_READ));
      if (mlo_scene_read_mark (GST_VIDEO_FRAME_PLANE_DATA (&frame, 0), info.width, info.height,
              GST_VIDEO_FRAME_PLANE_STRIDE (&frame, 0), &number)) {
        /* a damaged mark may be missed, never misread */
        g_assert_cmpuint (number, ==, first + (guint64) received * (60 / (guint) fps));
        read[k]++;
      }
      gst_video_frame_unmap (&frame);
    }
    if (++received == N) {
      g_test_message ("%s at %d fps: %d and %d of %d marks read", preset, fps, read[0], read[1], N);
      g_assert_cmpint (read[0], >=, N * 98 / 100);
      g_assert_cmpint (read[1], >=, N * 98 / 100);
    }
  }
  gst_element_set_state (pipeline, GST_STATE_NULL);
}

static void
test_superfast (void)
{
  run ("superfast", 60);
}

static void
test_ultrafast (void)
{
  run ("ultrafast", 60);
}

static void
test_slow_rate (void)
{
  run ("superfast", 15);
}

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/scene-stream/superfast", test_superfast);
  g_test_add_func ("/scene-stream/ultrafast", test_ultrafast);
  g_test_add_func ("/scene-stream/slow-rate", test_slow_rate);
  return g_test_run ();
}
