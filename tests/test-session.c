/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>
#include <string.h>

#include "mlo-random.h"
#include "mlo-session.h"

static MloBitratePredictor *predictor;
static MloQualityOptimizer *optimizer;

/* A streaming host behind a link in a few lines: a fluid queue, a bitrate that is set as recommended (or not), and
 * messages with the eight basic fields of what was measured since the one before. */
typedef struct
{
  MloSession *session;
  MloRandom random;
  gint64 now_us, next_message_us;
  double link_kbps, backlog_kbit, rtt_ms, buffer_ms;
  double bitrate_kbps;          /* what it really sends */
  double sent_kbit, lost_kbit;  /* since the message before */
  double rate_hz;               /* of its messages */
  double irregular;             /* share by which the time between them varies */
  double noise;                 /* share by which the capacity told is off, and tens of ms of the latency */
  gboolean tells_rate;          /* what came through, as if it were the capacity */
  gboolean ignores;
  gboolean no_latency, no_bandwidth;
  int width, height;            /* told where not 0 */
  guint duplicate;              /* each message comes so many times more */
  guint batch;                  /* so many messages in one go; 0: each at once */
  gboolean scrambled;           /* in a batch: backwards */
  MloSample held[64];
  gint64 held_us[64];
  guint n_held;
  guint decisions;
  gint64 last_decision_us;
  double peak_queue_ms, delivered_kbit, offered_kbit;
} Host;

static MloSessionConfig
config_of (gboolean networks)
{
  MloSessionConfig c = {.limits = mlo_limits_default };

  c.limits.start_bitrate_kbps = 0.0;
  c.predictor = networks ? predictor : NULL;
  c.optimizer = networks ? optimizer : NULL;
  return c;
}

static void
host_init (Host * h, const MloSessionConfig * config, double link_kbps, double rate_hz)
{
  memset (h, 0, sizeof *h);
  h->session = mlo_session_new (config);
  mlo_random_seed (&h->random, 7);
  h->now_us = h->next_message_us = 100 * G_USEC_PER_SEC;
  h->link_kbps = link_kbps;
  h->rtt_ms = 30.0;
  h->buffer_ms = 400.0;
  h->bitrate_kbps = 2000.0;
  h->rate_hz = rate_hz;
}

static double
queue_ms (const Host * h)
{
  return 1000.0 * h->backlog_kbit / h->link_kbps;
}

static void
measure (Host * h, MloSample * m)
{
  double off = h->noise * mlo_random_range (&h->random, -1.0, 1.0);

  memset (m, 0, sizeof *m);
  if (!h->no_latency)
    mlo_sample_set (m, MLO_FIELD_LATENCY, h->rtt_ms + queue_ms (h) + fabs (10.0 * off));
  mlo_sample_set (m, MLO_FIELD_JITTER, 2.0);
  mlo_sample_set (m, MLO_FIELD_PACKET_LOSS, h->sent_kbit > 0.0 ? h->lost_kbit / h->sent_kbit : 0.0);
  if (!h->no_bandwidth)
    mlo_sample_set (m, MLO_FIELD_BANDWIDTH, (h->tells_rate ? MIN (h->bitrate_kbps / 0.955, h->link_kbps)
            : h->link_kbps) * (1.0 + off));
  mlo_sample_set (m, MLO_FIELD_BITRATE, h->bitrate_kbps);
  mlo_sample_set (m, MLO_FIELD_FPS, 60.0);
  mlo_sample_set (m, MLO_FIELD_QUALITY_SCORE, 0.8);
  if (h->height > 0) {
    mlo_sample_set (m, MLO_FIELD_WIDTH, h->width);
    mlo_sample_set (m, MLO_FIELD_HEIGHT, h->height);
  }
}

static void
deliver (Host * h)
{
  for (guint i = 0; i < h->n_held; i++) {
    guint k = h->scrambled ? h->n_held - 1 - i : i;

    for (guint n = 0; n <= h->duplicate; n++)
      mlo_session_metrics (h->session, h->now_us, G_GINT64_CONSTANT (1700000000000000) + h->held_us[k], &h->held[k]);
  }
  h->n_held = 0;
}

static void
tell (Host * h)
{
  double vary = 1.0 + h->irregular * mlo_random_range (&h->random, -1.0, 1.0);

  h->next_message_us += (gint64) (1e6 / h->rate_hz * vary);
  measure (h, &h->held[h->n_held]);
  h->held_us[h->n_held++] = h->now_us;
  h->sent_kbit = h->lost_kbit = 0.0;
  if (h->n_held >= MAX (h->batch, 1))
    deliver (h);
}

static void
host_run (Host * h, double seconds)
{
  gint64 end = h->now_us + (gint64) (seconds * 1e6);

  for (; h->now_us < end; h->now_us += 1000) {
    double in = h->bitrate_kbps / 955.0, room = h->link_kbps * h->buffer_ms / 1e6;

    h->sent_kbit += in;
    h->offered_kbit += h->link_kbps / 1000.0;
    h->delivered_kbit += MIN (h->backlog_kbit + in, h->link_kbps / 1000.0);
    h->backlog_kbit = MAX (h->backlog_kbit + in - h->link_kbps / 1000.0, 0.0);
    if (h->backlog_kbit > 1000.0 * room) {
      h->lost_kbit += h->backlog_kbit - 1000.0 * room;
      h->backlog_kbit = 1000.0 * room;
    }
    h->peak_queue_ms = MAX (h->peak_queue_ms, queue_ms (h));
    if (h->now_us >= h->next_message_us)
      tell (h);
    if (h->now_us >= mlo_session_due_us (h->session)) {
      const MloDecision *d = mlo_session_decide (h->session, h->now_us);

      g_assert_true (h->last_decision_us == 0 || h->now_us - h->last_decision_us >= MLO_SESSION_GAP_US);
      h->last_decision_us = h->now_us;
      h->decisions++;
      if (!h->ignores)
        h->bitrate_kbps = d->bitrate_kbps;
    }
  }
}

static double
utilisation (Host * h, double seconds)
{
  h->delivered_kbit = h->offered_kbit = h->peak_queue_ms = 0.0;
  host_run (h, seconds);
  return h->delivered_kbit / h->offered_kbit;
}

/* The bitrate follows the link down and up at every rate of messages, with the networks and by rule. */
static void
test_follows (gconstpointer data)
{
  static const double rates[] = { 0.5, 1, 2, 5, 10, 20, 30, 60 };
  MloSessionConfig c = config_of (GPOINTER_TO_INT (data));

  for (guint i = 0; i < G_N_ELEMENTS (rates); i++) {
    double high, low, again;
    Host h;

    host_init (&h, &c, 10000.0, rates[i]);
    h.irregular = 0.3;
    host_run (&h, 20.0);
    high = utilisation (&h, 20.0);
    h.link_kbps = 3000.0;
    host_run (&h, 10.0);
    low = utilisation (&h, 20.0);
    g_test_message ("%4.1f/s: %.2f of 10 Mbit/s, then %.2f of 3 (queue up to %.0f ms)", rates[i], high, low,
        h.peak_queue_ms);
    g_assert_cmpfloat (high, >, 0.75);
    g_assert_cmpfloat (low, >, 0.85);
    g_assert_cmpfloat (h.peak_queue_ms, <, 30.0);
    h.link_kbps = 10000.0;
    host_run (&h, 15.0);
    again = utilisation (&h, 20.0);
    g_assert_cmpfloat (again, >, 0.75);
    g_assert_cmpfloat (h.peak_queue_ms, <, 30.0);
    g_assert_cmpuint (mlo_session_counts (h.session)->gaps, ==, 0);
    g_assert_cmpuint (mlo_session_ignored (h.session), ==, 0);
    mlo_session_free (h.session);
  }
}

/* Ten messages a second: within so many milliseconds of a fall is the rate below the new capacity. */
static void
test_falls_at_once (void)
{
  MloSessionConfig c = config_of (TRUE);
  gint64 before;
  Host h;

  host_init (&h, &c, 10000.0, 10.0);
  host_run (&h, 20.0);
  h.link_kbps = 3000.0;
  for (before = h.now_us; h.bitrate_kbps > 3000.0 && h.now_us - before < 5 * G_USEC_PER_SEC;)
    host_run (&h, 0.01);
  g_assert_cmpint (h.now_us - before, <=, 250000);
  /* And stays there: what was before is no reason to go back up. */
  for (guint i = 0; i < 500; i++) {
    host_run (&h, 0.01);
    g_assert_cmpfloat (h.bitrate_kbps, <, 3000.0 * 0.955);
  }
  mlo_session_free (h.session);
}

/* Wide and narrow, and with a size that may be changed: the networks' choices stay sound though much of what they
 * learned with is not told. */
static void
test_links (void)
{
  static const double links[] = { 600, 1000, 2000, 4000, 8000, 15000 };

  for (guint i = 0; i < 2 * G_N_ELEMENTS (links); i++) {
    MloSessionConfig c = config_of (TRUE);
    gboolean sized = i % 2;
    double used;
    Host h;

    host_init (&h, &c, links[i / 2], 10.0);
    h.width = sized ? 1920 : 0;
    h.height = sized ? 1080 : 0;
    for (guint k = 0; k < 600; k++) {
      const MloDecision *d = mlo_session_before (h.session);

      host_run (&h, 0.1);
      if (sized) {
        h.width = d->height > 0 ? d->width : 1920;
        h.height = d->height > 0 ? d->height : 1080;
      }
    }
    used = utilisation (&h, 20.0);
    g_test_message ("%5.0f kbit/s%s: %.2f used, queue up to %.0f ms, height %d", links[i / 2],
        sized ? ", 1080p" : "", used, h.peak_queue_ms, h.height);
    g_assert_cmpfloat (used, >, 0.65);
    g_assert_cmpfloat (h.peak_queue_ms, <, 30.0);
    if (sized && links[i / 2] <= 1000)
      g_assert_cmpint (h.height, <, 1080);
    mlo_session_free (h.session);
  }
}

/* Neither led down by what the server tells nor into a deep queue, by rule and by the networks. */
static void
holds (double link_kbps, double noise, gboolean tells_rate)
{
  for (guint networks = 0; networks < 2; networks++) {
    MloSessionConfig c = config_of (networks);
    double used;
    Host h;

    host_init (&h, &c, link_kbps, 10.0);
    h.tells_rate = tells_rate;
    h.noise = noise;
    host_run (&h, 20.0);
    used = utilisation (&h, 60.0);
    g_test_message ("%s: %.2f used, queue up to %.0f ms", networks ? "networks" : "rules", used, h.peak_queue_ms);
    g_assert_cmpfloat (used, >, 0.65);
    g_assert_cmpfloat (h.peak_queue_ms, <, 100.0);
    mlo_session_free (h.session);
  }
}

/* A server whose measurements are noisy. */
static void
test_noise (void)
{
  holds (6000.0, 0.25, FALSE);
}

/* A server that calls capacity what is only its own rate. */
static void
test_rate_for_capacity (void)
{
  holds (8000.0, 0.02, TRUE);
}

/* Whatever is told, decisions are numbers inside the limits. */
static void
test_nonsense (void)
{
  MloSessionConfig c = config_of (TRUE);
  MloRandom random;

  mlo_random_seed (&random, 3);
  for (guint k = 0; k < 20; k++) {
    g_autoptr (MloSession) s = mlo_session_new (&c);
    gint64 now = 1;

    for (guint i = 0; i < 500; i++) {
      MloSample m = { 0 };

      for (guint f = 0; f < MLO_N_FIELDS; f++) {
        const MloFieldInfo *info = mlo_field_info (f);
        double u = mlo_random_uniform (&random);

        if (mlo_random_chance (&random, 0.6))
          mlo_sample_set (&m, f, u < 0.2 ? info->min : u > 0.8 ? info->max : info->min + pow (u, 8) * info->max);
      }
      now += (gint64) pow (10.0, mlo_random_range (&random, 0.0, 7.5));
      mlo_session_metrics (s, now, (gint64) (1e17 * mlo_random_uniform (&random)), &m);
      if (mlo_session_due_us (s) <= now) {
        const MloDecision *d = mlo_session_decide (s, now);

        g_assert_cmpfloat (d->bitrate_kbps, >=, 300.0);
        g_assert_cmpfloat (d->bitrate_kbps, <=, 20000.0);
        g_assert_true (isfinite (d->confidence) && d->fps >= 0.0 && d->height >= 0);
      }
    }
  }
}

/* What the messages do not tell, what comes twice, in bundles and backwards. */
static void
test_messages_of_every_kind (void)
{
  static const struct
  {
    const char *what;
    gboolean no_latency, no_bandwidth, scrambled;
    guint duplicate, batch;
    double rate_hz, irregular, least;
  } rows[] = {
    {"each three times", FALSE, FALSE, FALSE, 2, 0, 10.0, 0.0, 0.75},
    {"ten in one go", FALSE, FALSE, FALSE, 0, 10, 10.0, 0.0, 0.75},
    {"ten in one go, backwards", FALSE, FALSE, TRUE, 0, 10, 10.0, 0.0, 0.75},
    {"sixty in one go", FALSE, FALSE, FALSE, 0, 60, 60.0, 0.0, 0.75},
    {"very irregular", FALSE, FALSE, FALSE, 0, 0, 5.0, 0.95, 0.75},
    {"no latency", TRUE, FALSE, FALSE, 0, 0, 10.0, 0.0, 0.75},
    /* Only a queue tells what the path carries. */
    {"no capacity", FALSE, TRUE, FALSE, 0, 0, 10.0, 0.0, 0.5},
    {"only losses", TRUE, TRUE, FALSE, 0, 0, 10.0, 0.0, 0.5},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    MloSessionConfig c = config_of (TRUE);
    double used;
    Host h;

    host_init (&h, &c, 8000.0, rows[i].rate_hz);
    h.no_latency = rows[i].no_latency;
    h.no_bandwidth = rows[i].no_bandwidth;
    h.scrambled = rows[i].scrambled;
    h.duplicate = rows[i].duplicate;
    h.batch = rows[i].batch;
    h.irregular = rows[i].irregular;
    host_run (&h, 30.0);
    used = utilisation (&h, 30.0);
    g_test_message ("%s: %.2f of the link, queue up to %.0f ms", rows[i].what, used, h.peak_queue_ms);
    g_assert_cmpfloat (used, >, rows[i].least);
    g_assert_cmpfloat (h.bitrate_kbps, <, 16000.0);
    if (rows[i].scrambled)
      g_assert_cmpuint (mlo_session_counts (h.session)->late, >, 100);
    mlo_session_free (h.session);
  }
}

/* A server that goes on sending 6 Mbit/s: it is told what the link of 3 carries, and that it does not is known. */
static void
test_ignoring_server (void)
{
  MloSessionConfig c = config_of (TRUE);
  Host h;

  host_init (&h, &c, 3000.0, 10.0);
  h.ignores = TRUE;
  h.bitrate_kbps = 6000.0;
  host_run (&h, 30.0);
  g_assert_true (mlo_session_ignored (h.session) & MLO_ADAPT_BITRATE);
  g_assert_cmpfloat (mlo_session_before (h.session)->bitrate_kbps, <, 3000.0);
  g_assert_cmpfloat (mlo_session_sample (h.session)->bitrate_kbps, ==, 6000.0);
  /* It listens again. */
  h.ignores = FALSE;
  host_run (&h, 20.0);
  g_assert_cmpuint (mlo_session_ignored (h.session), ==, 0);
  g_assert_cmpfloat (utilisation (&h, 10.0), >, 0.75);
  mlo_session_free (h.session);
}

/* On a link of 600 kbit/s smaller pictures are asked for. A server that changes its size goes on so; one that does
 * not is not asked any longer. */
static void
test_sizes (void)
{
  for (guint obeys = 0; obeys < 2; obeys++) {
    MloSessionConfig c = config_of (FALSE);
    const MloDecision *d;
    gboolean asked = FALSE;
    Host h;

    host_init (&h, &c, 600.0, 10.0);
    h.width = 1920;
    h.height = 1080;
    for (guint i = 0; i < 600; i++) {
      host_run (&h, 0.1);
      d = mlo_session_before (h.session);
      asked |= d->height > 0;
      if (obeys) {
        h.width = d->height > 0 ? d->width : 1920;
        h.height = d->height > 0 ? d->height : 1080;
      }
    }
    g_assert_true (asked);
    g_assert_cmpint (mlo_session_source (h.session)->height, ==, 1080);
    g_assert_cmpfloat (mlo_session_source (h.session)->fps, ==, 60.0);
    if (obeys) {
      g_assert_cmpint (h.height, <, 1080);
      g_assert_false (mlo_session_ignored (h.session) & MLO_ADAPT_RESOLUTION);
    } else {
      g_assert_true (mlo_session_ignored (h.session) & MLO_ADAPT_RESOLUTION);
      g_assert_cmpint (mlo_session_before (h.session)->height, ==, 0);
    }
    mlo_session_free (h.session);
  }
}

/* A server that tells no size is never asked for one. */
static void
test_no_size_no_change (void)
{
  MloSessionConfig c = config_of (FALSE);
  Host h;

  host_init (&h, &c, 600.0, 10.0);
  for (guint i = 0; i < 600; i++) {
    host_run (&h, 0.1);
    g_assert_cmpint (mlo_session_before (h.session)->height, ==, 0);
  }
  mlo_session_free (h.session);
}

/* After a silence the stream begins anew where it was; nothing old is left in the observation. */
static void
test_silence (void)
{
  MloSessionConfig c = config_of (TRUE);
  MloSample fps = { 0 };
  double before;
  Host h;

  host_init (&h, &c, 8000.0, 10.0);
  host_run (&h, 20.0);
  before = h.bitrate_kbps;
  h.now_us += 30 * G_USEC_PER_SEC;
  mlo_sample_set (&fps, MLO_FIELD_FPS, 60.0);
  mlo_session_metrics (h.session, h.now_us, 0, &fps);
  g_assert_cmpuint (mlo_session_counts (h.session)->gaps, ==, 1);
  g_assert_cmpfloat (mlo_session_decide (h.session, h.now_us)->bitrate_kbps, ==, before);
  g_assert_false (mlo_sample_has (mlo_session_sample (h.session), MLO_FIELD_BANDWIDTH));
  h.next_message_us = h.now_us;
  host_run (&h, 20.0);
  g_assert_cmpfloat (utilisation (&h, 10.0), >, 0.75);

  /* The server is there, its player is not: nothing of the path for seconds. */
  for (guint i = 0; i < 50; i++) {
    h.now_us += 100000;
    mlo_session_metrics (h.session, h.now_us, 0, &fps);
    mlo_session_decide (h.session, h.now_us);
  }
  g_assert_cmpint (mlo_session_before (h.session)->state, ==, MLO_GUARD_FALLBACK);
  g_assert_cmpfloat (mlo_session_before (h.session)->bitrate_kbps, <=, 0.51 * before);
  mlo_session_free (h.session);
}

/* Two senders tell of one stream by clocks of their own; of one field the newer counts; a clock that is set back is
 * another clock. */
static void
test_order (void)
{
  const gint64 real = G_GINT64_CONSTANT (1700000000000000);
  MloSessionConfig c = config_of (FALSE);
  g_autoptr (MloSession) s = mlo_session_new (&c);
  MloSample latency = { 0 }, fps = { 0 };
  gint64 now = 5 * G_USEC_PER_SEC;

  mlo_sample_set (&latency, MLO_FIELD_LATENCY, 20.0);
  mlo_sample_set (&fps, MLO_FIELD_FPS, 60.0);
  g_assert_cmpint (mlo_session_due_us (s), ==, G_MAXINT64);
  mlo_session_metrics (s, now, real, &latency);
  mlo_session_metrics (s, now, real - 5 * G_USEC_PER_SEC, &fps);
  g_assert_cmpint (mlo_session_due_us (s), ==, now);
  mlo_session_decide (s, now);
  g_assert_cmpfloat (mlo_session_sample (s)->fps, ==, 60.0);
  g_assert_cmpfloat (mlo_session_sample (s)->queue_delay_ms, ==, 0.0);

  mlo_sample_set (&latency, MLO_FIELD_LATENCY, 99.0);
  mlo_session_metrics (s, now += 5000, real - 1000, &latency);
  g_assert_cmpint (mlo_session_due_us (s), ==, 5 * G_USEC_PER_SEC + MLO_SESSION_GAP_US);
  mlo_session_decide (s, now += 15000);
  g_assert_cmpfloat (mlo_session_sample (s)->latency_ms, ==, 20.0);
  g_assert_cmpuint (mlo_session_counts (s)->late, ==, 1);

  mlo_session_metrics (s, now += 100000, real - 60 * G_USEC_PER_SEC, &latency);
  mlo_session_decide (s, now);
  g_assert_cmpfloat (mlo_session_sample (s)->latency_ms, ==, 99.0);
  g_assert_cmpfloat (mlo_session_sample (s)->queue_delay_ms, ==, 79.0);
  g_assert_cmpuint (mlo_session_counts (s)->late, ==, 1);
}

static void
test_limits (void)
{
  MloSessionConfig c = config_of (FALSE);
  MloMessageLimits asked = {.min_bitrate_kbps = -1.0,.max_bitrate_kbps = 3000.0,.mode = -1 }, in_force;
  Host h;

  host_init (&h, &c, 8000.0, 10.0);
  host_run (&h, 10.0);
  mlo_session_ask_limits (h.session, &asked);
  mlo_session_get_limits (h.session, &in_force);
  g_assert_cmpfloat (in_force.max_bitrate_kbps, ==, 3000.0);
  g_assert_cmpfloat (in_force.min_bitrate_kbps, ==, 300.0);
  g_assert_cmpint (in_force.mode, ==, 0);
  host_run (&h, 1.0);
  g_assert_cmpfloat (h.bitrate_kbps, ==, 3000.0);
  /* Not out of the user's own. */
  asked.min_bitrate_kbps = 1.0;
  asked.max_bitrate_kbps = 1e6;
  asked.mode = 1;
  mlo_session_ask_limits (h.session, &asked);
  mlo_session_get_limits (h.session, &in_force);
  g_assert_cmpfloat (in_force.min_bitrate_kbps, ==, 300.0);
  g_assert_cmpfloat (in_force.max_bitrate_kbps, ==, 20000.0);
  g_assert_cmpint (in_force.mode, ==, 1);
  host_run (&h, 10.0);
  g_assert_cmpfloat (h.bitrate_kbps, >, 6000.0);
  /* The least gives way to the most. */
  asked.min_bitrate_kbps = 5000.0;
  asked.max_bitrate_kbps = 4000.0;
  mlo_session_ask_limits (h.session, &asked);
  mlo_session_get_limits (h.session, &in_force);
  g_assert_cmpfloat (in_force.min_bitrate_kbps, ==, 4000.0);
  g_assert_cmpfloat (in_force.max_bitrate_kbps, ==, 4000.0);
  g_assert_cmpint (in_force.mode, ==, 1);
  /* Nothing asked for ends it. */
  asked.min_bitrate_kbps = asked.max_bitrate_kbps = -1.0;
  asked.mode = -1;
  mlo_session_ask_limits (h.session, &asked);
  mlo_session_get_limits (h.session, &in_force);
  g_assert_cmpfloat (in_force.min_bitrate_kbps, ==, 300.0);
  g_assert_cmpfloat (in_force.max_bitrate_kbps, ==, 20000.0);
  g_assert_cmpint (in_force.mode, ==, 0);
  mlo_session_free (h.session);

  /* Who is only watched cannot be asked for control. */
  c.observe = TRUE;
  host_init (&h, &c, 8000.0, 10.0);
  asked.mode = 0;
  mlo_session_ask_limits (h.session, &asked);
  mlo_session_get_limits (h.session, &in_force);
  g_assert_cmpint (in_force.mode, ==, 1);
  mlo_session_free (h.session);
}

/* Where the user names no start, the server's own bitrate is it. */
static void
test_start (void)
{
  MloSessionConfig c = config_of (FALSE);
  MloSample m = { 0 };

  mlo_sample_set (&m, MLO_FIELD_BITRATE, 5500.0);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (MloSession) s = NULL;

    c.limits.start_bitrate_kbps = i == 0 ? 0.0 : 1234.0;
    s = mlo_session_new (&c);
    mlo_session_metrics (s, 1000000, 0, &m);
    g_assert_cmpfloat (mlo_session_decide (s, 1000000)->bitrate_kbps, ==, i == 0 ? 5500.0 : 1234.0);
    g_assert_cmpint (mlo_session_before (s)->state, ==, MLO_GUARD_HOLD);
  }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int result;

  g_test_init (&argc, &argv, NULL);
  predictor = mlo_bitrate_predictor_load (TEST_SOURCE "/models/bitrate_predictor.safetensors", &error);
  g_assert_no_error (error);
  optimizer = mlo_quality_optimizer_load (TEST_SOURCE "/models/quality_optimizer.safetensors", &error);
  g_assert_no_error (error);
  g_test_add_data_func ("/session/follows/networks", GINT_TO_POINTER (TRUE), test_follows);
  g_test_add_data_func ("/session/follows/rules", GINT_TO_POINTER (FALSE), test_follows);
  g_test_add_func ("/session/falls-at-once", test_falls_at_once);
  g_test_add_func ("/session/links", test_links);
  g_test_add_func ("/session/noise", test_noise);
  g_test_add_func ("/session/rate-for-capacity", test_rate_for_capacity);
  g_test_add_func ("/session/nonsense", test_nonsense);
  g_test_add_func ("/session/messages-of-every-kind", test_messages_of_every_kind);
  g_test_add_func ("/session/ignoring-server", test_ignoring_server);
  g_test_add_func ("/session/sizes", test_sizes);
  g_test_add_func ("/session/no-size-no-change", test_no_size_no_change);
  g_test_add_func ("/session/silence", test_silence);
  g_test_add_func ("/session/order", test_order);
  g_test_add_func ("/session/limits", test_limits);
  g_test_add_func ("/session/start", test_start);
  result = g_test_run ();
  mlo_bitrate_predictor_free (predictor);
  mlo_quality_optimizer_free (optimizer);
  return result;
}
