/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-player.h"

#define NAMELESS "replay"

/* The recordings of one name, one after the other. */
typedef struct
{
  const char *name;
  GPtrArray *recordings;        /* (element-type MloRecording) the dataset's */
  guint64 n_ticks;
  guint64 last;                 /* tick that was played last, counted from the start; G_MAXUINT64: none */
} Stream;

struct _MloPlayer
{
  MloDataset *dataset;
  GPtrArray *streams;
  double speed;
  gint64 start_us;
};

static void
stream_free (gpointer data)
{
  Stream *s = data;

  g_ptr_array_unref (s->recordings);
  g_free (s);
}

static Stream *
find_or_add (MloPlayer * player, const char *name)
{
  Stream *s;

  for (guint i = 0; i < player->streams->len; i++) {
    s = g_ptr_array_index (player->streams, i);
    if (g_str_equal (s->name, name))
      return s;
  }
  s = g_new0 (Stream, 1);
  s->name = name;
  s->recordings = g_ptr_array_new ();
  s->last = G_MAXUINT64;
  g_ptr_array_add (player->streams, s);
  return s;
}

MloPlayer *
mlo_player_new (MloDataset * dataset, double speed, gint64 now_us)
{
  MloPlayer *player = g_new0 (MloPlayer, 1);

  player->dataset = dataset;
  player->speed = speed;
  player->start_us = now_us;
  player->streams = g_ptr_array_new_with_free_func (stream_free);
  for (guint i = 0; i < dataset->n_recordings; i++) {
    MloRecording *r = dataset->recordings[i];
    Stream *s = find_or_add (player, r->stream ? r->stream : NAMELESS);

    g_ptr_array_add (s->recordings, r);
    s->n_ticks += r->n;
  }
  return player;
}

void
mlo_player_free (MloPlayer * player)
{
  if (!player)
    return;
  g_ptr_array_unref (player->streams);
  mlo_dataset_free (player->dataset);
  g_free (player);
}

guint
mlo_player_n_streams (const MloPlayer * player)
{
  return player->streams->len;
}

static const MloSample *
sample_at (const Stream * s, guint64 tick)
{
  tick %= s->n_ticks;
  for (guint i = 0; i < s->recordings->len; i++) {
    const MloRecording *r = g_ptr_array_index (s->recordings, i);

    if (tick < r->n)
      return &r->ticks[tick].sample;
    tick -= r->n;
  }
  g_return_val_if_reached (NULL);
}

void
mlo_player_advance (MloPlayer * player, gint64 now_us, MloPlayerFunc func, gpointer user_data)
{
  double log_us = (double) (now_us - player->start_us) * player->speed;

  for (guint i = 0; i < player->streams->len; i++) {
    Stream *s = g_ptr_array_index (player->streams, i);
    const MloRecording *first = g_ptr_array_index (s->recordings, 0);
    guint64 tick = (guint64) (log_us / (double) first->interval_us);

    if (tick == s->last)
      continue;
    s->last = tick;
    func (s->name, sample_at (s, tick), user_data);
  }
}
