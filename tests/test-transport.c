/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reports of a transport that is asked, and the rule that decides by them: over a FIFO link of a few lines, in
 * stepped time. */
#include <math.h>
#include <string.h>

#include "mlo-transport-rule.h"

#define TICK_US 100000
#define STEP_MS 5
#define HISTORY 4096

/* What the transport tells: SRT and RIST a smoothed round trip, TCP the acknowledged bytes and what waits. */
typedef enum
{
  SRT,
  TCP,
  RIST,                         /* a new round trip now and then */
} Kind;

typedef struct
{
  Kind kind;
  double base_ms, limit_bytes;  /* of the path: round trip, queue (drop-tail) */
  double capacity_kbps;
  double queue_bytes;           /* in the path */
  double waiting_bytes;         /* in the socket */
  double entered_ms[HISTORY];   /* the queue when a packet entered, and when that leaves */
  gint64 leaves_us[HISTORY];
  guint oldest, newest;
  double met_ms;                /* what the last to leave met */
  double rtt_ms;                /* as smoothed */
  double told_ms;               /* as told last */
  double sent, acked, packets, lost;
  double encoded_kbps;          /* follows the bitrate */
  double kbps;
  gboolean still;               /* the picture */
  MloTransport transport;
  MloTransportRule rule;
  MloTransportView view;
  MloTransportVerdict verdict;
  gint64 now_us;
  double peak_ms;               /* true delay above the base, since it was last zeroed */
} Link;

static void
link_init (Link * l, Kind kind, double capacity_kbps, double kbps)
{
  memset (l, 0, sizeof *l);
  l->kind = kind;
  l->base_ms = l->rtt_ms = l->told_ms = 30.0;
  l->limit_bytes = 75000.0;
  l->capacity_kbps = capacity_kbps;
  l->kbps = l->encoded_kbps = kbps;
  l->now_us = 1000000;
  mlo_transport_init (&l->transport);
  mlo_transport_rule_init (&l->rule);
}

static void
link_step (Link * l)
{
  double in, out = l->capacity_kbps * STEP_MS / 8.0, room, served;

  l->encoded_kbps += (l->kbps - l->encoded_kbps) * 0.05;
  if (l->still)
    l->encoded_kbps = 100.0;
  in = l->encoded_kbps * 1.05 * STEP_MS / 8.0;
  if (mlo_transport_rule_full (&l->rule, &l->view, 60.0))
    in *= 0.17;                 /* of 30 frames a second five go on */
  if (l->kind == TCP) {
    /* Half of a full queue is the path's, the rest waits in the socket. */
    l->waiting_bytes += in;
    room = MIN (l->waiting_bytes, MAX (l->limit_bytes / 2.0 - l->queue_bytes, 0.0));
    l->waiting_bytes -= room;
    l->sent += room;
    l->queue_bytes += room;
  } else {
    l->sent += in;
    l->packets += in / 1360.0;
    l->queue_bytes += in;
    if (l->queue_bytes > l->limit_bytes) {
      l->lost += (l->queue_bytes - l->limit_bytes) / 1360.0;
      l->queue_bytes = l->limit_bytes;
    }
  }
  served = MIN (out, l->queue_bytes);
  l->queue_bytes -= served;
  l->acked += served;
  /* What a packet met is known when it has come through. */
  if (l->newest - l->oldest < HISTORY) {
    l->entered_ms[l->newest % HISTORY] = l->queue_bytes * 8.0 / l->capacity_kbps;
    l->leaves_us[l->newest % HISTORY] = l->now_us + (gint64) (1000.0 * l->entered_ms[l->newest % HISTORY]);
    l->newest++;
  }
  while (l->oldest < l->newest && l->leaves_us[l->oldest % HISTORY] <= l->now_us)
    l->met_ms = l->entered_ms[l->oldest++ % HISTORY];
  /* An acknowledgement each 10 ms, smoothed by an eighth. */
  l->rtt_ms += (l->base_ms + l->met_ms - l->rtt_ms) * 0.0625;
  if (l->now_us % 400000 == 0)
    l->told_ms = l->base_ms + l->met_ms;
  l->peak_ms = MAX (l->peak_ms, (l->queue_bytes + l->waiting_bytes) * 8.0 / MAX (l->capacity_kbps, 1.0));
  l->now_us += STEP_MS * 1000;
}

/* What stands in the queue leaves at another time than it was to. */
static void
link_capacity (Link * l, double kbps)
{
  l->capacity_kbps = kbps;
  l->oldest = l->newest;
}

static void
link_run (Link * l, double seconds)
{
  for (guint i = 0; i < seconds * 1000 / STEP_MS; i++) {
    MloTransportReport r = {
      .rtt_ms = l->kind == RIST ? l->told_ms : l->rtt_ms,
      .sent_bytes = (guint64) l->sent,
      .acked_bytes = l->kind == TCP ? (gint64) l->acked : -1,
      .waiting_bytes = l->kind == TCP ? (gint64) l->waiting_bytes : -1,
      .sent_packets = (guint64) l->packets,
      .lost_packets = (guint64) l->lost,
    };
    MloTransportRuleInput in = {.dt_s = 0.1,.target_delay_ms = 60.0,.view = &l->view };

    link_step (l);
    if (l->now_us % TICK_US != 0)
      continue;
    mlo_transport_report (&l->transport, l->now_us, &r);
    if (!mlo_transport_view (&l->transport, &l->view))
      continue;
    in.now_us = l->now_us;
    in.encoded_kbps = l->encoded_kbps;
    l->kbps = mlo_transport_rule_advance (&l->rule, &in, l->kbps, &l->verdict);
    l->kbps = CLAMP (l->kbps, 300.0, 20000.0);
    g_test_message
        ("%.1f s: capacity %.0f rate %.0f delivered %.0f queue %.0f (true %.0f) growth %.2f loss %.2f anchor %.0f "
        "verdict %d", (double) l->now_us / 1e6, l->capacity_kbps, l->kbps, l->view.delivered_kbps, l->view.queue_ms,
        (l->queue_bytes + l->waiting_bytes) * 8.0 / l->capacity_kbps, l->view.growth, l->view.loss, l->rule.anchor_kbps,
        l->verdict);
  }
}

static void
test_steps (gconstpointer data)
{
  Link l;
  double carried;

  link_init (&l, GPOINTER_TO_INT (data), 8000.0, 1000.0);
  /* Up from what was chosen at the start. */
  link_run (&l, 12.0);
  g_assert_cmpfloat (l.kbps, >, 5500.0);
  l.peak_ms = 0.0;
  carried = l.acked;
  link_run (&l, 15.0);
  g_assert_cmpfloat ((l.acked - carried) * 8.0 / 15000.0, >, 0.75 * 8000.0);
  g_assert_cmpfloat (l.peak_ms, <, 160.0);
  /* Down: below what is carried after what it takes to see it through a full queue, or what a slow transport needs to say so. */
  link_capacity (&l, 2000.0);
  link_run (&l, l.kind == RIST ? 3.5 : 2.0);
  g_assert_cmpfloat (l.kbps, <, 2000.0);
  link_run (&l, 3.0);
  l.peak_ms = 0.0;
  carried = l.acked;
  link_run (&l, 15.0);
  g_assert_cmpfloat ((l.acked - carried) * 8.0 / 15000.0, >, 0.7 * 2000.0);
  g_assert_cmpfloat (l.peak_ms, <, 200.0);
  /* And up again. */
  link_capacity (&l, 8000.0);
  link_run (&l, 8.0);
  g_assert_cmpfloat (l.kbps, >, 5000.0);
}

/* Losses of the radio, without a queue, take nothing. */
static void
test_random_loss (void)
{
  Link l;

  link_init (&l, SRT, 1e6, 3000.0);
  for (guint i = 0; i < 40; i++) {
    link_run (&l, 0.1);
    l.lost += 0.05 * 0.1 * l.encoded_kbps * 125.0 / 1360.0;
  }
  g_assert_cmpfloat (l.view.loss, >, 0.03);
  g_assert_cmpfloat (l.kbps, >, 3000.0);
}

/* A path that has become longer is no queue for ever. */
static void
test_longer_path (void)
{
  Link l;
  double before;

  link_init (&l, SRT, 50000.0, 3000.0);
  link_run (&l, 5.0);
  l.base_ms = 150.0;
  before = l.kbps;
  link_run (&l, 3.0);
  g_assert_cmpfloat (l.kbps, <, 0.5 * before);
  link_run (&l, 12.0);
  g_assert_cmpint (l.verdict, ==, MLO_TRANSPORT_RISES);
  g_assert_cmpfloat (l.view.queue_ms, <, 18.0);
}

/* An outage: what waits is as late as the silence lasts, frames are left out, and it comes back. */
static void
test_outage (gconstpointer data)
{
  Link l;

  link_init (&l, GPOINTER_TO_INT (data), 8000.0, 4000.0);
  link_run (&l, 5.0);
  link_capacity (&l, 50.0);
  link_run (&l, 2.0);
  g_assert_cmpfloat (l.kbps, <, 2000.0);
  g_assert_true (mlo_transport_rule_full (&l.rule, &l.view, 60.0));
  link_capacity (&l, 8000.0);
  link_run (&l, 10.0);
  g_assert_cmpfloat (l.kbps, >, 2500.0);
  g_assert_false (mlo_transport_rule_full (&l.rule, &l.view, 60.0));
}

static void
test_still_picture (void)
{
  Link l;
  double before;

  link_init (&l, TCP, 8000.0, 3000.0);
  link_run (&l, 2.0);
  before = l.kbps;
  l.still = TRUE;
  link_run (&l, 5.0);
  g_assert_cmpint (l.verdict, ==, MLO_TRANSPORT_SOURCE);
  g_assert_cmpfloat (l.kbps, <=, before * 1.05);
}

/* A connection that starts anew is not compared with the old one. */
static void
test_reconnect (void)
{
  MloTransport t;
  MloTransportView v;
  MloTransportReport r = {.rtt_ms = 5.0,.sent_bytes = 1000000,.acked_bytes = 900000,.waiting_bytes = 0 };

  mlo_transport_init (&t);
  g_assert_true (mlo_transport_report (&t, 100000, &r));
  g_assert_false (mlo_transport_view (&t, &v));
  r.sent_bytes += 125000;
  r.acked_bytes += 125000;
  g_assert_true (mlo_transport_report (&t, 1100000, &r));
  g_assert_true (mlo_transport_view (&t, &v));
  g_assert_cmpfloat (fabs (v.delivered_kbps - 1000.0), <, 1e-9);
  g_assert_true (v.exact);
  r.sent_bytes = r.acked_bytes = 5000;
  r.rtt_ms = 80.0;
  g_assert_false (mlo_transport_report (&t, 1200000, &r));
  g_assert_false (mlo_transport_view (&t, &v));
  g_assert_true (mlo_transport_report (&t, 1300000, &r));
  g_assert_true (mlo_transport_view (&t, &v));
  g_assert_cmpfloat (v.queue_ms, ==, 0.0);
}

/* Whatever a transport says, the rate stays a number. */
static void
test_nonsense (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  MloTransport t;
  MloTransportRule rule;
  MloTransportView v;
  double kbps = 1000.0;
  gint64 now_us = 0;

  mlo_transport_init (&t);
  mlo_transport_rule_init (&rule);
  for (guint i = 0; i < 20000; i++) {
    static const double odd[] = { -1.0, 0.0, 1e-9, 1e300, -1e300, NAN, INFINITY };
    MloTransportReport r = {
      .rtt_ms =
          g_rand_boolean (rand) ? odd[g_rand_int_range (rand, 0, G_N_ELEMENTS (odd))] : g_rand_double_range (rand, 0,
          500),
      .sent_bytes =
          g_rand_int_range (rand, 0, 10) == 0 ? G_MAXUINT64 : (guint64) i * g_rand_int_range (rand, 0, 100000),
      .acked_bytes = g_rand_int_range (rand, 0, 10) == 0 ? G_MAXINT64 : (gint64) i * g_rand_int_range (rand, -1, 1000),
      .waiting_bytes = g_rand_boolean (rand) ? -1 : (gint64) g_rand_int (rand),
      .sent_packets = g_rand_int (rand),
      .lost_packets = g_rand_int_range (rand, 0, 4) == 0 ? g_rand_int (rand) : 0u,
    };
    MloTransportRuleInput in = {.now_us = now_us,.dt_s = 0.1,.target_delay_ms = 60.0,.view = &v };
    MloTransportVerdict verdict;

    now_us += g_rand_int_range (rand, -1000, 200000);
    mlo_transport_report (&t, now_us, &r);
    if (!mlo_transport_view (&t, &v))
      continue;
    g_assert_true (isfinite (v.queue_ms) && v.queue_ms >= 0.0 && isfinite (v.growth) && isfinite (v.delivered_kbps));
    g_assert_true (v.loss >= 0.0 && v.loss <= 1.0);
    in.encoded_kbps = g_rand_boolean (rand) ? -1.0 : g_rand_double_range (rand, 0, 20000);
    kbps = mlo_transport_rule_advance (&rule, &in, kbps, &verdict);
    g_assert_true (isfinite (kbps) && kbps >= 0.0);
    kbps = CLAMP (kbps, 300.0, 20000.0);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/transport/steps/srt", GINT_TO_POINTER (SRT), test_steps);
  g_test_add_data_func ("/transport/steps/rist", GINT_TO_POINTER (RIST), test_steps);
  g_test_add_data_func ("/transport/steps/tcp", GINT_TO_POINTER (TCP), test_steps);
  g_test_add_func ("/transport/random-loss", test_random_loss);
  g_test_add_func ("/transport/longer-path", test_longer_path);
  g_test_add_data_func ("/transport/outage/srt", GINT_TO_POINTER (SRT), test_outage);
  g_test_add_data_func ("/transport/outage/tcp", GINT_TO_POINTER (TCP), test_outage);
  g_test_add_func ("/transport/still-picture", test_still_picture);
  g_test_add_func ("/transport/reconnect", test_reconnect);
  g_test_add_func ("/transport/nonsense", test_nonsense);
  return g_test_run ();
}
