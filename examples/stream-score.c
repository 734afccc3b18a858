/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Scores one run from its logs, with the meter that scores the simulator too, and prints one JSON
 * object: the figures of the run and of each of its seconds. */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-qoe.h"
#include "mlo-trace.h"

/* Lines of a log: 24 hours at 60 a second. */
#define MAX_LINES (24 * 3600 * 60)
/* IP, UDP and RTP headers with the extension, on a payload of 1172 bytes. */
#define PACKET_RATIO ((1172.0 + 48.0) / 1172.0)
#define SLICE_US 100000
/* Without a picture for this long at the end: a freeze that did not end. Frames on their way are none. */
#define MIN_LAST_FREEZE_US 500000
/* A game and a display of 60 Hz each keep their phase for long: where a frame's arrival falls between
 * two refreshes is luck that lasts the whole run. So the run is scored on displays of so many phases,
 * and the mean counts. */
#define PHASES 8

static char *opt_sent = NULL, *opt_decoded = NULL, *opt_link = NULL, *opt_trace = NULL;
static double opt_max_bitrate = 12000, opt_trace_start = 0;

static const GOptionEntry entries[] = {
  {"sent", 0, 0, G_OPTION_ARG_FILENAME, &opt_sent, "stream-sender's --frames", "FILE"},
  {"decoded", 0, 0, G_OPTION_ARG_FILENAME, &opt_decoded, "stream-receiver's --frames", "FILE"},
  {"link", 0, 0, G_OPTION_ARG_FILENAME, &opt_link, "mloptimizer link's --log", "FILE"},
  {"trace", 0, 0, G_OPTION_ARG_FILENAME, &opt_trace, "What the link played", "FILE"},
  {"trace-start", 0, 0, G_OPTION_ARG_DOUBLE, &opt_trace_start, "The link's --start (0)", "SECONDS"},
  {"max-bitrate", 0, 0, G_OPTION_ARG_DOUBLE, &opt_max_bitrate, "Capacity beyond its need does not count (12000)",
      "KBPS"},
  {NULL}
};

typedef struct
{
  guint64 id;
  gint64 capture_us, encoded_us;
  guint32 bytes;
  int keyframe, width, height;
} Sent;

typedef struct
{
  guint64 id;
  gint64 decoded_us;
  int width, height;
  double psnr_db, ssim;         /* NAN: not measured */
} Decoded;

typedef struct
{
  gint64 start_us;              /* monotonic time of the link's zero */
  guint64 bytes;                /* IP bytes delivered */
  double seconds;
  guint64 packets, dropped_queue, dropped_loss;
} LinkLog;

typedef gboolean (*LineFunc) (const char *line, gpointer user_data);

static gboolean
read_lines (const char *path, gboolean has_head, LineFunc func, gpointer user_data, GError ** error)
{
  char line[1024];
  guint n = 0;
  FILE *f = path ? fopen (path, "r") : NULL;
  gboolean ok = TRUE;

  if (!f) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s: %s", path ? path : "a log is not given", g_strerror (errno));
    return FALSE;
  }
  while (ok && fgets (line, sizeof line, f)) {
    if (++n == 1 && has_head)
      continue;
    if (n > MAX_LINES || !func (line, user_data)) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: line %u: not understood: %.60s", path, n, line);
      ok = FALSE;
    }
  }
  fclose (f);
  return ok;
}

static gboolean
read_sent (const char *line, gpointer user_data)
{
  Sent s = { 0 };

  if (sscanf (line, "%" G_GUINT64_FORMAT ",%" G_GINT64_FORMAT ",%" G_GINT64_FORMAT ",%u,%d,%d,%d", &s.id,
          &s.capture_us, &s.encoded_us, &s.bytes, &s.keyframe, &s.width, &s.height) != 7)
    return FALSE;
  g_array_append_val ((GArray *) user_data, s);
  return TRUE;
}

static gboolean
read_decoded (const char *line, gpointer user_data)
{
  Decoded d = {.psnr_db = NAN,.ssim = NAN };
  int n = sscanf (line, "%" G_GUINT64_FORMAT ",%" G_GINT64_FORMAT ",%d,%d,%lf,%lf", &d.id, &d.decoded_us, &d.width,
      &d.height, &d.psnr_db, &d.ssim);

  if (n != 4 && n != 6)
    return FALSE;
  g_array_append_val ((GArray *) user_data, d);
  return TRUE;
}

/* A number of one of our own log's lines. */
static double
field (const char *line, const char *name)
{
  g_autofree char *key = g_strdup_printf ("\"%s\": ", name);
  const char *found = strstr (line, key);

  return found ? g_ascii_strtod (found + strlen (key), NULL) : NAN;
}

static gboolean
read_link (const char *line, gpointer user_data)
{
  LinkLog *l = user_data;
  double start = field (line, "start_us"), time_ms = field (line, "time_ms"), kbps = field (line, "delivered_kbps");
  double packets = field (line, "packets"), full = field (line, "dropped_queue"), lost = field (line, "dropped_loss");

  if (isfinite (start)) {
    l->start_us = (gint64) start;
    return TRUE;
  }
  if (!isfinite (time_ms + kbps + packets + full + lost) || MIN (MIN (kbps, packets), MIN (full, lost)) < 0)
    return FALSE;
  l->bytes += (guint64) (kbps * 125.0 * MAX (0.0, time_ms * 1e-3 - l->seconds));
  l->seconds = time_ms * 1e-3;
  l->packets += (guint64) packets;
  l->dropped_queue += (guint64) full;
  l->dropped_loss += (guint64) lost;
  return TRUE;
}

static int
compare_decoded (gconstpointer a, gconstpointer b)
{
  gint64 x = ((const Decoded *) a)->decoded_us, y = ((const Decoded *) b)->decoded_us;

  return x < y ? -1 : x > y;
}

static int
compare_double (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return x < y ? -1 : x > y;
}

/* A second of display time, summed over the phases. */
typedef struct
{
  double score, reward, psnr_db, fps, delay_ms, lost_percent, gap_ms;
  guint n, n_delay;             /* phases that had it; that had a delay */
} Second;

typedef struct
{
  const MloTrace *trace;
  LinkLog link;
  GArray *sent, *decoded;       /* Sent, Decoded */
  GArray *clear_delays;         /* double, ms: frames captured outside outages */
  GArray *seconds;              /* Second */
  guint second;                 /* which one comes next in this phase */
  double last_psnr_db;
  gint64 last_shown_us;
  double freeze_clear_s, freeze_s, freezes_clear, freezes;      /* summed over the phases */
} Run;

static gboolean
in_outage (const Run * r, gint64 time_us)
{
  return mlo_trace_in_outage (r->trace, MAX (0, time_us - r->link.start_us) + (gint64) (opt_trace_start * 1e6));
}

static void
on_shown (const MloQoeShown * shown, gpointer user_data)
{
  Run *r = user_data;

  r->last_shown_us = shown->shown_us;
  if (shown->freeze && !in_outage (r, shown->shown_us) && !in_outage (r, shown->shown_us - shown->gap_us)) {
    r->freezes_clear += 1.0;
    r->freeze_clear_s += (double) shown->gap_us * 1e-6;
  }
}

static void
print_number (GString * out, const char *name, double value, const char *end)
{
  if (isfinite (value))
    g_string_append_printf (out, "\"%s\": %.6g%s", name, value, end);
  else
    g_string_append_printf (out, "\"%s\": null%s", name, end);
}

static void
take_seconds (Run * r, MloQoeMeter * meter, gint64 now_us)
{
  MloQoeSecond s;

  while (mlo_qoe_meter_next (meter, now_us, &s)) {
    Second *sum;

    /* A few frames were shown and none was compared: as good as the last ones that were. */
    if (isfinite (s.psnr_db))
      r->last_psnr_db = s.psnr_db;
    else
      s.psnr_db = r->last_psnr_db;
    if (r->second == r->seconds->len)
      g_array_set_size (r->seconds, r->second + 1);
    sum = &g_array_index (r->seconds, Second, r->second++);
    sum->n++;
    sum->score += mlo_qoe_score (&s);
    sum->reward += mlo_qoe_reward (&s);
    sum->psnr_db += s.psnr_db;
    sum->fps += s.fps;
    sum->lost_percent += s.lost_percent;
    sum->gap_ms += s.gap_ms;
    if (isfinite (s.delay_ms)) {
      sum->delay_ms += s.delay_ms;
      sum->n_delay++;
    }
  }
}

/* What was sent before it was decoded is told before. */
static void
tell_sent (Run * r, MloQoeMeter * meter, guint * next, gint64 until_us)
{
  while (*next < r->sent->len) {
    const Sent *s = &g_array_index (r->sent, Sent, *next);

    if (s->encoded_us > until_us)
      return;
    mlo_qoe_meter_sent (meter, s->id, s->capture_us);
    (*next)++;
  }
}

static int
compare_id (gconstpointer key, gconstpointer item)
{
  guint64 x = *(const guint64 *) key, y = ((const Sent *) item)->id;

  return x < y ? -1 : x > y;
}

static const Sent *
find_sent (const Run * r, guint64 id)
{
  return bsearch (&id, r->sent->data, r->sent->len, sizeof (Sent), compare_id);
}

/* Logs that belong together, and the decoded frames in order. */
static gboolean
prepare (Run * r, GError ** error)
{
  if (r->sent->len < 2 || r->link.start_us == 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: no stream in the logs", opt_sent);
    return FALSE;
  }
  g_array_sort (r->decoded, compare_decoded);
  for (guint i = 0; i < r->decoded->len; i++) {
    const Decoded *d = &g_array_index (r->decoded, Decoded, i);
    const Sent *s = find_sent (r, d->id);

    if (!s) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s: frame %" G_GUINT64_FORMAT " was never sent", opt_decoded,
          d->id);
      return FALSE;
    }
    if (!in_outage (r, s->capture_us)) {
      double delay_ms = (double) (d->decoded_us - s->capture_us) * 1e-3;

      g_array_append_val (r->clear_delays, delay_ms);
    }
  }
  g_array_sort (r->clear_delays, compare_double);
  return TRUE;
}

static gint64
first_capture_us (const Run * r)
{
  return g_array_index (r->sent, Sent, 0).capture_us;
}

static void
score_phase (Run * r, MloQoeMeter * meter, int phase)
{
  gint64 start_us = first_capture_us (r) - G_USEC_PER_SEC / MLO_QOE_REFRESH_HZ * phase / PHASES;
  gint64 last_us = g_array_index (r->sent, Sent, r->sent->len - 1).capture_us;
  /* Complete up to the last capture: a frame may be a second late. */
  gint64 end_us = last_us + (gint64) (MLO_QOE_MAX_DELAY_MS * 1e3);
  guint next = 0, freezes = 0;
  double freeze_ms = 0.0;

  r->second = 0;
  r->last_shown_us = start_us;
  r->last_psnr_db = 20.0;       /* the worst that counts, until one is measured */
  mlo_qoe_meter_reset (meter, start_us);
  for (guint i = 0; i < r->decoded->len; i++) {
    const Decoded *d = &g_array_index (r->decoded, Decoded, i);

    tell_sent (r, meter, &next, d->decoded_us);
    take_seconds (r, meter, MIN (d->decoded_us, end_us));
    mlo_qoe_meter_decoded (meter, d->id, d->decoded_us, d->psnr_db);
  }
  tell_sent (r, meter, &next, G_MAXINT64);
  take_seconds (r, meter, end_us);
  mlo_qoe_meter_freezes (meter, &freezes, &freeze_ms);
  r->freezes += freezes;
  r->freeze_s += freeze_ms * 1e-3;
  /* One that lasted to the end has no frame behind it to tell of it. */
  if (last_us - r->last_shown_us > MIN_LAST_FREEZE_US) {
    r->freezes += 1.0;
    r->freeze_s += (double) (last_us - r->last_shown_us) * 1e-6;
    if (!in_outage (r, r->last_shown_us) && !in_outage (r, last_us)) {
      r->freezes_clear += 1.0;
      r->freeze_clear_s += (double) (last_us - r->last_shown_us) * 1e-6;
    }
  }
}

static double
clear_percentile (const Run * r, double percent)
{
  if (r->clear_delays->len == 0)
    return NAN;
  return g_array_index (r->clear_delays, double, (guint) (percent / 100.0 * (r->clear_delays->len - 1) + 0.5));
}

/* IP bytes that a stream at the maximum bitrate could have got through. */
static double
useful_bytes (const Run * r)
{
  double need = opt_max_bitrate * PACKET_RATIO * 125.0 * SLICE_US * 1e-6, sum = 0.0;
  gint64 from_us = (gint64) (opt_trace_start * 1e6);

  for (gint64 t = 0; t < (gint64) (r->link.seconds * 1e6); t += SLICE_US)
    sum += MIN (need, mlo_trace_bytes (r->trace, from_us + t, from_us + t + SLICE_US));
  return sum;
}

/* Whether the second that begins at @begin_us touches an outage. */
static gboolean
second_in_outage (const Run * r, gint64 begin_us)
{
  for (gint64 t = 0; t <= G_USEC_PER_SEC; t += SLICE_US)
    if (in_outage (r, begin_us + t))
      return TRUE;
  return FALSE;
}

static void
print_seconds (const Run * r, GString * out)
{
  g_string_append (out, "  \"each_second\": [");
  for (guint i = 0; i < r->seconds->len; i++) {
    const Second *s = &g_array_index (r->seconds, Second, i);
    gint64 begin_us = first_capture_us (r) + (gint64) i * G_USEC_PER_SEC;

    g_string_append_printf (out, "%s\n    {\"time_us\": %" G_GINT64_FORMAT ", \"outage\": %s, ", i ? "," : "", begin_us,
        second_in_outage (r, begin_us) ? "true" : "false");
    print_number (out, "score", s->score / s->n, ", ");
    print_number (out, "psnr_db", s->psnr_db / s->n, ", ");
    print_number (out, "fps", s->fps / s->n, ", ");
    print_number (out, "delay_ms", s->delay_ms / s->n_delay, ", ");
    print_number (out, "lost_percent", s->lost_percent / s->n, ", ");
    print_number (out, "gap_ms", s->gap_ms / s->n, "}");
  }
  g_string_append (out, "\n  ]");
}

static void
print_scores (const Run * r, GString * out)
{
  double score = 0.0, reward = 0.0, clear = 0.0;
  guint n_clear = 0;

  for (guint i = 0; i < r->seconds->len; i++) {
    const Second *s = &g_array_index (r->seconds, Second, i);

    score += s->score / s->n;
    reward += s->reward / s->n;
    if (!second_in_outage (r, first_capture_us (r) + (gint64) i * G_USEC_PER_SEC)) {
      clear += s->score / s->n;
      n_clear++;
    }
  }
  print_number (out, "score", score / r->seconds->len, ", ");
  print_number (out, "score_clear", clear / n_clear, ", ");
  print_number (out, "reward", reward / r->seconds->len, ", ");
  print_number (out, "mos", mlo_qoe_mos (score / r->seconds->len), ", ");
}

static void
print_pictures (const Run * r, GString * out, double seconds)
{
  double psnr = 0.0, ssim = 0.0;
  guint compared = 0, keyframes = 0, size_changes = 0;
  guint64 bytes = 0;

  for (guint i = 0; i < r->decoded->len; i++) {
    const Decoded *d = &g_array_index (r->decoded, Decoded, i);

    bytes += find_sent (r, d->id)->bytes;
    if (isfinite (d->psnr_db)) {
      psnr += d->psnr_db;
      ssim += d->ssim;
      compared++;
    }
  }
  for (guint i = 1; i < r->sent->len; i++) {
    const Sent *s = &g_array_index (r->sent, Sent, i);

    keyframes += s->keyframe != 0;
    size_changes += s->width != s[-1].width || s->height != s[-1].height;
  }
  print_number (out, "psnr_db", psnr / compared, ", ");
  print_number (out, "ssim", ssim / compared, ", ");
  print_number (out, "compared", compared, ", ");
  print_number (out, "bitrate_kbps", (double) bytes * 8e-3 / seconds, ", ");
  print_number (out, "keyframes", keyframes, ", ");
  print_number (out, "size_changes", size_changes, ", ");
}

static void
print_run (const Run * r, const MloQoeMeter * meter)
{
  g_autoptr (GString) out = g_string_new ("{");
  const Sent *first = &g_array_index (r->sent, Sent, 0), *last = &g_array_index (r->sent, Sent, r->sent->len - 1);
  double seconds = (double) (last->capture_us - first->capture_us) * 1e-6;

  print_number (out, "seconds", seconds, ", ");
  print_scores (r, out);
  print_pictures (r, out, seconds);
  print_number (out, "utilisation", (double) r->link.bytes / useful_bytes (r), ", ");
  print_number (out, "delay_p50_ms", mlo_qoe_meter_delay_percentile (meter, 50), ", ");
  print_number (out, "delay_p95_ms", mlo_qoe_meter_delay_percentile (meter, 95), ", ");
  print_number (out, "delay_p99_ms", mlo_qoe_meter_delay_percentile (meter, 99), ", ");
  print_number (out, "delay_p95_clear_ms", clear_percentile (r, 95), ", ");
  print_number (out, "delay_p99_clear_ms", clear_percentile (r, 99), ", ");
  print_number (out, "loss", (double) (r->link.dropped_queue + r->link.dropped_loss) /
      MAX (1.0, (double) r->link.packets), ", ");
  print_number (out, "freezes", r->freezes / PHASES, ", ");
  print_number (out, "freeze_s", r->freeze_s / PHASES, ", ");
  print_number (out, "freezes_clear", r->freezes_clear / PHASES, ", ");
  print_number (out, "freeze_clear_s", r->freeze_clear_s / PHASES, ", ");
  print_number (out, "frames_sent", r->sent->len, ", ");
  print_number (out, "frames_decoded", r->decoded->len, ", ");
  print_number (out, "frames_left_out", (double) (last->id - first->id + 1 - r->sent->len), ",\n");
  g_string_append_printf (out, "  \"start_us\": %" G_GINT64_FORMAT ", \"link_start_us\": %" G_GINT64_FORMAT ",\n",
      first->capture_us, r->link.start_us);
  print_seconds (r, out);
  g_string_append (out, "}\n");
  fputs (out->str, stdout);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (MloTrace) trace = NULL;
  g_autoptr (MloQoeMeter) meter = mlo_qoe_meter_new ();
  Run run = {.sent = g_array_new (FALSE, FALSE, sizeof (Sent)),.decoded = g_array_new (FALSE, FALSE, sizeof (Decoded)),
    .clear_delays = g_array_new (FALSE, FALSE, sizeof (double)),.seconds = g_array_new (FALSE, TRUE, sizeof (Second))
  };
  gboolean ok;

  g_option_context_set_summary (context, "Scores a run of stream-sender, mloptimizer link and stream-receiver.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error)) {
    g_printerr ("stream-score: %s\n", error->message);
    return 2;
  }
  if (!opt_trace) {
    g_printerr ("stream-score: --trace is missing\n");
    return 2;
  }
  ok = read_lines (opt_sent, TRUE, read_sent, run.sent, &error) &&
      read_lines (opt_decoded, TRUE, read_decoded, run.decoded, &error) &&
      read_lines (opt_link, FALSE, read_link, &run.link, &error) &&
      (run.trace = trace = mlo_trace_load (opt_trace, &error)) != NULL && prepare (&run, &error);
  if (ok) {
    mlo_qoe_meter_set_shown_func (meter, on_shown, &run);
    for (int phase = 0; phase < PHASES; phase++)
      score_phase (&run, meter, phase);
    print_run (&run, meter);
  } else {
    g_printerr ("stream-score: %s\n", error->message);
  }
  g_array_unref (run.sent);
  g_array_unref (run.decoded);
  g_array_unref (run.clear_delays);
  g_array_unref (run.seconds);
  return ok ? 0 : 1;
}
