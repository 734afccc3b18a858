/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "mlo-encoder-model.h"

static const MloEncoderModelConfig config = {
  .width = 1280,.height = 720,.complexity = 0.5,.encode_ms = 5.0
};

static double
run (MloEncoderModel * m, gint64 * now_us, double seconds, guint * largest)
{
  const double start = (double) *now_us / 1e6;
  double sum = 0.0;
  guint n = (guint) (seconds * m->fps);

  *largest = 0;
  for (guint i = 0; i < n; i++) {
    MloEncodedFrame f;

    *now_us = (gint64) ((start + (i + 1) / m->fps) * 1e6);
    mlo_encoder_model_advance (m, *now_us);
    mlo_encoder_model_encode (m, &f);
    g_assert_cmpuint (f.bytes, >=, 200);
    g_assert_true (f.psnr_db > 5.0 && f.psnr_db < 70.0);
    g_assert_true (f.encode_ms > 0.5 && f.encode_ms < 30.0);
    *largest = MAX (*largest, f.bytes);
    sum += f.bytes;
  }
  return sum * 8.0 / 1000.0 / seconds;
}

static void
test_mean_rate (void)
{
  static const double rates[] = { 400, 1500, 6000, 20000 }, fps[] = { 15, 30, 60 };

  for (guint r = 0; r < G_N_ELEMENTS (rates); r++) {
    for (guint f = 0; f < G_N_ELEMENTS (fps); f++) {
      MloEncoderModel m;
      gint64 now = 0;
      guint largest;
      double kbps;

      mlo_encoder_model_init (&m, &config, rates[r], fps[f], 7);
      kbps = run (&m, &now, 30.0, &largest);
      g_test_message ("%.0f kbit/s at %.0f fps: %.0f, largest %u", rates[r], fps[f], kbps, largest);
      g_assert_cmpfloat_with_epsilon (kbps, 0.955 * rates[r], 0.04 * rates[r]);
      /* No frame takes more than the VBV allows: 150 ms. */
      g_assert_cmpfloat (largest, <=, 0.75 * 125.0 * rates[r] * MLO_ENCODER_VBV_S + 300.0);
    }
  }
}

/* A lower rate is reached within 155 ms and no more than the VBV goes out beyond it. */
static void
test_reaction (void)
{
  MloEncoderModel m;
  gint64 now = 0;
  guint largest;
  double kbps;

  mlo_encoder_model_init (&m, &config, 6000.0, 60.0, 7);
  run (&m, &now, 5.0, &largest);
  mlo_encoder_model_set (&m, 2000.0, 60.0, 1280, 720, 0);
  run (&m, &now, 0.15, &largest);
  kbps = run (&m, &now, 0.5, &largest);
  g_assert_cmpfloat (kbps, <, 2000.0 * 1.1);
  mlo_encoder_model_set (&m, 6000.0, 60.0, 1280, 720, 0);
  run (&m, &now, 0.35, &largest);
  kbps = run (&m, &now, 0.5, &largest);
  g_assert_cmpfloat (kbps, >, 6000.0 * 0.85);
}

static void
test_keyframes (void)
{
  MloEncoderModel m;
  MloEncodedFrame f;
  double before;

  mlo_encoder_model_init (&m, &config, 3000.0, 60.0, 1);
  mlo_encoder_model_encode (&m, &f);
  g_assert_true (f.keyframe);
  g_assert_cmpuint (f.bytes, >, 2 * 125 * 3000 / 60);
  for (int i = 1; i < 60; i++) {
    mlo_encoder_model_advance (&m, i * 16667);
    mlo_encoder_model_encode (&m, &f);
    g_assert_false (f.keyframe);
  }
  before = f.encode_ms;
  mlo_encoder_model_set (&m, 3000.0, 60.0, 640, 360, 0);
  mlo_encoder_model_encode (&m, &f);
  g_assert_true (f.keyframe);
  mlo_encoder_model_encode (&m, &f);
  g_assert_false (f.keyframe);
  g_assert_cmpfloat (f.encode_ms, <, 0.7 * before);
  mlo_encoder_model_force_key (&m);
  mlo_encoder_model_encode (&m, &f);
  g_assert_true (f.keyframe);
  mlo_encoder_model_set (&m, 1000.0, 30.0, 640, 360, 2);
  mlo_encoder_model_encode (&m, &f);
  g_assert_false (f.keyframe);
}

/* While nothing moves the encoder stays far below its target; the pictures do not depend on it. */
static void
test_content (void)
{
  MloEncoderModelConfig still = config;
  MloEncoderModel a, b;
  guint below = 0, cuts = 0;

  still.still_every_s = 5.0;
  still.scene_cut_s = 3.0;
  mlo_encoder_model_init (&a, &still, 6000.0, 60.0, 3);
  mlo_encoder_model_init (&b, &still, 500.0, 30.0, 3);
  for (int i = 1; i < 60 * 60; i++) {
    MloEncodedFrame f;

    mlo_encoder_model_advance (&a, i * 16667);
    mlo_encoder_model_advance (&b, i * 16667);
    g_assert_cmpfloat (a.complexity, ==, b.complexity);
    g_assert_true (a.complexity >= 0.0 && a.complexity <= 1.0);
    if (i % 2) {
      MloEncodedFrame g;

      mlo_encoder_model_encode (&b, &g);
    }
    mlo_encoder_model_encode (&a, &f);
    below += f.bytes < 1500;
    cuts += f.bytes > 1.9 * 125.0 * 6000.0 / 60.0;
  }
  g_assert_cmpuint (below, >, 60);
  g_assert_cmpuint (cuts, >, 5);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/encoder-model/mean-rate", test_mean_rate);
  g_test_add_func ("/encoder-model/reaction", test_reaction);
  g_test_add_func ("/encoder-model/keyframes", test_keyframes);
  g_test_add_func ("/encoder-model/content", test_content);
  return g_test_run ();
}
