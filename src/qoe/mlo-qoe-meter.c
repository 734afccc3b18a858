/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-qoe.h"

#include <math.h>
#include <string.h>

#define SECOND_US G_GINT64_CONSTANT (1000000)
#define MAX_DELAY_US ((gint64) (MLO_QOE_MAX_DELAY_MS * 1000.0))
#define GAP_FREE_US G_GINT64_CONSTANT (100000)

/* Frames sent are remembered for this long, so that very late ones still count in the percentiles,
 * and never more than this many. */
#define MEMORY_US (60 * SECOND_US)
#define MAX_FRAMES (1u << 16)
/* Seconds that may be open at once; events further ahead are from a broken clock. */
#define MAX_SECONDS 86400

/* Delay histogram: units of 10 us, exact below 128 units, then 128 parts an octave. */
#define HIST_UNIT_US 10
#define HIST_PARTS 128
#define HIST_OCTAVES 18
#define HIST_BINS (HIST_PARTS * (HIST_OCTAVES + 1))

#define FREEZE_WINDOW 30
/* A mean of fewer gaps says nothing. */
#define FREEZE_MIN_GAPS 5

typedef struct
{
  guint64 id;
  gint64 capture_us;
  gboolean decoded;
} Frame;

typedef struct
{
  guint sent;                   /* captured in this second */
  guint sent_shown;             /* of these, or excused */
  guint shown;                  /* in this second */
  guint n_psnr;
  double psnr_sum;
  double delay_sum_ms;
  double gap_ms;
} Second;

struct _MloQoeMeter
{
  gint64 start_us;
  gint64 next_second;           /* the one that mlo_qoe_meter_next returns */

  Frame *frames;                /* ring, in order of id */
  guint frames_size, frames_first, n_frames;

  Second *seconds;              /* ring, [0] is next_second */
  guint seconds_size, seconds_first, n_seconds;

  /* decoded, its refresh not over yet */
  gboolean pending;
  MloQoeShown pending_frame;
  gint64 pending_refresh;
  gboolean excused;             /* a frame that would have been on pending_refresh */

  gboolean any_shown;
  guint64 last_id;
  gint64 last_shown_us;

  gint64 gaps[FREEZE_WINDOW];
  guint n_gaps, gap_at;
  gint64 gap_sum;
  guint freezes;
  gint64 freeze_us;

  guint32 hist[HIST_BINS];
  guint64 hist_n;

  MloQoeShownFunc shown_func;
  gpointer shown_data;
};

MloQoeMeter *
mlo_qoe_meter_new (void)
{
  MloQoeMeter *m = g_new0 (MloQoeMeter, 1);

  m->frames_size = 256;
  m->frames = g_new (Frame, m->frames_size);
  m->seconds_size = 8;
  m->seconds = g_new (Second, m->seconds_size);
  return m;
}

void
mlo_qoe_meter_free (MloQoeMeter * m)
{
  if (!m)
    return;
  g_free (m->frames);
  g_free (m->seconds);
  g_free (m);
}

void
mlo_qoe_meter_reset (MloQoeMeter * m, gint64 start_us)
{
  MloQoeMeter keep = *m;

  memset (m, 0, sizeof (*m));
  m->frames = keep.frames;
  m->frames_size = keep.frames_size;
  m->seconds = keep.seconds;
  m->seconds_size = keep.seconds_size;
  m->shown_func = keep.shown_func;
  m->shown_data = keep.shown_data;
  m->start_us = start_us;
}

void
mlo_qoe_meter_set_shown_func (MloQoeMeter * m, MloQoeShownFunc func, gpointer user_data)
{
  m->shown_func = func;
  m->shown_data = user_data;
}

static Frame *
frame_at (MloQoeMeter * m, guint i)
{
  return &m->frames[(m->frames_first + i) & (m->frames_size - 1)];
}

static Frame *
frame_find (MloQoeMeter * m, guint64 id)
{
  guint low = 0, high = m->n_frames;

  while (low < high) {
    guint middle = (low + high) / 2;

    if (frame_at (m, middle)->id < id)
      low = middle + 1;
    else
      high = middle;
  }
  return low < m->n_frames && frame_at (m, low)->id == id ? frame_at (m, low) : NULL;
}

static void
frames_make_room (MloQoeMeter * m, gint64 capture_us)
{
  while (m->n_frames > 0 && (m->n_frames == MAX_FRAMES || frame_at (m, 0)->capture_us < capture_us - MEMORY_US)) {
    m->frames_first = (m->frames_first + 1) & (m->frames_size - 1);
    m->n_frames--;
  }
  if (m->n_frames == m->frames_size) {
    Frame *bigger = g_new (Frame, m->frames_size * 2);

    for (guint i = 0; i < m->n_frames; i++)
      bigger[i] = *frame_at (m, i);
    g_free (m->frames);
    m->frames = bigger;
    m->frames_first = 0;
    m->frames_size *= 2;
  }
}

/* Of the second that @time_us lies in; NULL for times before the start, in seconds already
 * returned, or absurdly far ahead. */
static Second *
second_at (MloQoeMeter * m, gint64 time_us)
{
  gint64 i;

  if (time_us < m->start_us)
    return NULL;
  i = (time_us - m->start_us) / SECOND_US - m->next_second;
  if (i < 0 || i >= MAX_SECONDS)
    return NULL;
  g_assert (m->seconds != NULL);
  if (i >= m->seconds_size) {
    guint size = m->seconds_size;
    Second *bigger;

    while (i >= size)
      size *= 2;
    bigger = g_new (Second, size);
    for (guint j = 0; j < m->n_seconds; j++)
      bigger[j] = m->seconds[(m->seconds_first + j) & (m->seconds_size - 1)];
    g_free (m->seconds);
    m->seconds = bigger;
    m->seconds_first = 0;
    m->seconds_size = size;
  }
  for (; m->n_seconds <= i; m->n_seconds++)
    memset (&m->seconds[(m->seconds_first + m->n_seconds) & (m->seconds_size - 1)], 0, sizeof (Second));
  return &m->seconds[(m->seconds_first + (guint) i) & (m->seconds_size - 1)];
}

/* The refresh at @k, and the first one that is not before @time_us. */
static gint64
refresh_us (const MloQoeMeter * m, gint64 k)
{
  return m->start_us + k * SECOND_US / MLO_QOE_REFRESH_HZ;
}

static gint64
refresh_after (const MloQoeMeter * m, gint64 time_us)
{
  gint64 k;

  if (time_us <= m->start_us)
    return 0;
  k = (time_us - m->start_us) * MLO_QOE_REFRESH_HZ / SECOND_US;
  while (refresh_us (m, k) < time_us)
    k++;
  return k;
}

static guint
hist_bin (gint64 delay_us)
{
  guint64 v = delay_us > 0 ? (guint64) delay_us / HIST_UNIT_US : 0;
  guint octave = 0;
  guint64 bin;

  if (v < HIST_PARTS)
    return (guint) v;
  while ((v >> octave) >= 2 * HIST_PARTS)
    octave++;
  bin = (guint64) HIST_PARTS *(octave + 1) + ((v >> octave) - HIST_PARTS);
  return (guint) MIN (bin, HIST_BINS - 1);
}

/* Lower edge of the bin, ms. */
static double
hist_edge_ms (guint bin)
{
  double units = bin < HIST_PARTS ? (double) bin
      : ldexp ((double) (HIST_PARTS + bin % HIST_PARTS), (int) (bin / HIST_PARTS) - 1);

  return units * HIST_UNIT_US / 1000.0;
}

/* Freezes look at the mean of the gaps before this one. */
static gboolean
gap_add (MloQoeMeter * m, gint64 gap_us)
{
  gboolean freeze = FALSE;

  if (m->n_gaps >= FREEZE_MIN_GAPS) {
    double mean = (double) m->gap_sum / m->n_gaps;

    freeze = (double) gap_us > fmax (3.0 * mean, mean + 150e3);
  }
  if (freeze) {
    m->freezes++;
    m->freeze_us += gap_us;
  }
  if (m->n_gaps == FREEZE_WINDOW)
    m->gap_sum -= m->gaps[m->gap_at];
  else
    m->n_gaps++;
  m->gaps[m->gap_at] = gap_us;
  m->gap_sum += gap_us;
  m->gap_at = (m->gap_at + 1) % FREEZE_WINDOW;
  return freeze;
}

/* The refresh of the pending frame is over and no newer frame took it: it was shown there. */
static void
show_pending (MloQoeMeter * m)
{
  MloQoeShown *f = &m->pending_frame;
  Second *s;

  m->pending = FALSE;
  f->shown_us = refresh_us (m, m->pending_refresh);
  if (f->shown_us - f->capture_us > MAX_DELAY_US)
    return;
  f->gap_us = m->any_shown ? f->shown_us - m->last_shown_us : 0;
  f->freeze = m->any_shown && gap_add (m, f->gap_us);
  m->any_shown = TRUE;
  m->last_id = f->id;
  m->last_shown_us = f->shown_us;

  s = second_at (m, f->capture_us);
  if (s)
    s->sent_shown++;
  s = second_at (m, f->shown_us);
  if (s) {
    s->shown++;
    s->delay_sum_ms += (double) (f->shown_us - f->capture_us) / 1000.0;
    s->gap_ms += (double) MAX (f->gap_us - GAP_FREE_US, 0) / 1000.0;
    if (!isnan (f->psnr_db)) {
      s->psnr_sum += f->psnr_db;
      s->n_psnr++;
    }
  }
  if (m->shown_func)
    m->shown_func (f, m->shown_data);
}

void
mlo_qoe_meter_sent (MloQoeMeter * m, guint64 id, gint64 capture_us)
{
  Second *s;

  g_return_if_fail (m->n_frames == 0 || id > frame_at (m, m->n_frames - 1)->id);

  frames_make_room (m, capture_us);
  *frame_at (m, m->n_frames) = (Frame) {
  .id = id,.capture_us = capture_us,.decoded = FALSE};
  m->n_frames++;
  s = second_at (m, capture_us);
  if (s)
    s->sent++;
}

void
mlo_qoe_meter_decoded (MloQoeMeter * m, guint64 id, gint64 decoded_us, double psnr_db)
{
  Frame *f = frame_find (m, id);
  gint64 refresh;

  if (!f || f->decoded)
    return;
  f->decoded = TRUE;
  m->hist[hist_bin (decoded_us - f->capture_us)]++;
  m->hist_n++;

  refresh = refresh_after (m, decoded_us);
  if (m->pending && refresh > m->pending_refresh)
    show_pending (m);
  /* overtaken by a picture already on the display, or by one for the same refresh */
  if ((m->any_shown && id < m->last_id) || (m->pending && id < m->pending_frame.id))
    return;
  if (m->pending && !m->excused) {
    /* two in one refresh: the first lost its place by less than an interval, which is jitter */
    Second *s = second_at (m, m->pending_frame.capture_us);

    if (s && m->pending_frame.capture_us + MAX_DELAY_US >= refresh_us (m, refresh))
      s->sent_shown++;
    m->excused = TRUE;
  } else if (!m->pending)
    m->excused = FALSE;
  m->pending = TRUE;
  m->pending_refresh = refresh;
  m->pending_frame = (MloQoeShown) {
  .id = id,.capture_us = f->capture_us,.decoded_us = decoded_us,.psnr_db = psnr_db};
}

gboolean
mlo_qoe_meter_next (MloQoeMeter * m, gint64 now_us, MloQoeSecond * second)
{
  gint64 end_us = m->start_us + (m->next_second + 1) * SECOND_US;
  Second *s;

  if (now_us < end_us + MAX_DELAY_US)
    return FALSE;
  if (m->pending && refresh_us (m, m->pending_refresh) < now_us)
    show_pending (m);

  s = second_at (m, end_us - 1);
  g_assert (s != NULL);
  *second = (MloQoeSecond) {
  .psnr_db = s->n_psnr ? s->psnr_sum / s->n_psnr : NAN,.fps = s->shown,.delay_ms =
        s->shown ? s->delay_sum_ms / s->shown : NAN,.lost_percent =
        s->sent ? 100.0 * (s->sent - s->sent_shown) / s->sent : 0.0,.gap_ms = s->gap_ms};
  m->seconds_first = (m->seconds_first + 1) & (m->seconds_size - 1);
  m->n_seconds--;
  m->next_second++;
  return TRUE;
}

double
mlo_qoe_meter_delay_percentile (const MloQoeMeter * m, double percent)
{
  double rank, below = 0.0;

  if (m->hist_n == 0)
    return NAN;
  rank = fmin (fmax (percent, 0.0), 100.0) / 100.0 * (double) m->hist_n;
  for (guint i = 0; i < HIST_BINS; i++) {
    if (m->hist[i] && below + m->hist[i] >= rank) {
      double low = hist_edge_ms (i);

      return low + (hist_edge_ms (i + 1) - low) * fmax (rank - below, 0.0) / m->hist[i];
    }
    below += m->hist[i];
  }
  return hist_edge_ms (HIST_BINS);
}

void
mlo_qoe_meter_freezes (const MloQoeMeter * m, guint * count, double *total_ms)
{
  if (count)
    *count = m->freezes;
  if (total_ms)
    *total_ms = (double) m->freeze_us / 1000.0;
}
