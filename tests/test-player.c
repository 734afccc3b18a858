/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "mlo-player.h"

#define REST "\"jitter_ms\":1,\"packet_loss\":0,\"bandwidth_kbps\":1,\"bitrate_kbps\":1,\"fps\":1,\"quality_score\":1}"

typedef struct
{
  guint n;
  char names[8][16];
  double latency_ms[8];
} Heard;

static void
hear (const char *stream, const MloSample * sample, gpointer user_data)
{
  Heard *h = user_data;

  g_strlcpy (h->names[h->n], stream, sizeof h->names[0]);
  h->latency_ms[h->n++] = mlo_sample_get (sample, MLO_FIELD_LATENCY, -1);
}

static MloPlayer *
player_new (const char *text, double speed)
{
  g_autoptr (GError) error = NULL;
  MloDataset *dataset = mlo_dataset_parse ("test", text, strlen (text), NULL, &error);

  g_assert_no_error (error);
  return mlo_player_new (dataset, speed, 0);
}

static Heard
advance (MloPlayer * player, gint64 now_us)
{
  Heard h = { 0 };

  mlo_player_advance (player, now_us, hear, &h);
  return h;
}

/* Two streams, one of them with a gap; a tick is 100 ms. */
static void
test_streams (void)
{
  g_autoptr (MloPlayer) p = player_new ("[{\"timestamp\":1000,\"stream\":\"a\",\"latency_ms\":1," REST ","
      "{\"timestamp\":1000.1,\"stream\":\"a\",\"latency_ms\":2," REST ","
      "{\"timestamp\":2000,\"stream\":\"a\",\"latency_ms\":3," REST ","
      "{\"timestamp\":2000.1,\"stream\":\"a\",\"latency_ms\":4," REST ","
      "{\"timestamp\":1000,\"stream\":7,\"latency_ms\":10," REST ","
      "{\"timestamp\":1000.1,\"stream\":7,\"latency_ms\":20," REST "]", 1.0);
  static const double a[] = { 1, 2, 3, 4, 1 }, seven[] = { 10, 20, 10, 20, 10 };

  g_assert_cmpuint (mlo_player_n_streams (p), ==, 2);
  for (guint i = 0; i < G_N_ELEMENTS (a); i++) {
    Heard h = advance (p, i * 100000 + 50000);

    g_assert_cmpuint (h.n, ==, 2);
    for (guint k = 0; k < 2; k++)
      g_assert_cmpfloat (h.latency_ms[k], ==, strcmp (h.names[k], "a") == 0 ? a[i] : seven[i]);
    g_assert_cmpuint (advance (p, i * 100000 + 60000).n, ==, 0);
  }
}

static void
test_speed (void)
{
  g_autoptr (MloPlayer) p = player_new ("[{\"timestamp\":1000,\"latency_ms\":1," REST ","
      "{\"timestamp\":1000.1,\"latency_ms\":2," REST "]", 10.0);
  Heard h = advance (p, 0);

  g_assert_cmpstr (h.names[0], ==, "replay");
  g_assert_cmpfloat (h.latency_ms[0], ==, 1);
  g_assert_cmpuint (advance (p, 9000).n, ==, 0);
  g_assert_cmpfloat (advance (p, 11000).latency_ms[0], ==, 2);
  /* What was missed is left out. */
  g_assert_cmpuint (advance (p, 1001000).n, ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/player/streams", test_streams);
  g_test_add_func ("/player/speed", test_speed);
  return g_test_run ();
}
