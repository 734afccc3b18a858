/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* mloptimizer link's relay against the clock: exact to 1 % in rate and 1 ms in delay. This test takes
 * real time and stands in a suite that runs alone; what the queue does is tested in virtual time. */

#include "mlo-relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Another process may take the core for once: a measurement may be repeated this often. */
#define ATTEMPTS 3
#define PAYLOAD 1172            /* 1200 with headers */
#define MAX_PACKETS 20000

typedef struct
{
  guint32 number;
  gint64 sent_us;
} Stamp;

/* One path: we send to the relay, it to us. */
typedef struct
{
  MloTrace *trace;
  MloLink *link;
  MloRelay *relay;
  GThread *thread;
  int out_fd, in_fd;
  struct sockaddr_in relay_address;
  gint64 sent_us[MAX_PACKETS], arrived_us[MAX_PACKETS];
  guint n_sent, n_arrived;
} Path;

static gint64
clock_us (clockid_t id)
{
  struct timespec t;

  clock_gettime (id, &t);
  return (gint64) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int
bound_socket (guint16 * port)
{
  struct sockaddr_in address = {.sin_family = AF_INET,.sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof address;
  int fd = socket (AF_INET, SOCK_DGRAM, 0), on = 1, size = 1 << 20;

  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *) &address, &length), ==, 0);
  setsockopt (fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  *port = ntohs (address.sin_port);
  return fd;
}

static gpointer
relay_thread (gpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (mlo_relay_run (data, -1, &error));
  g_assert_no_error (error);
  return NULL;
}

static Path *
path_new (MloTrace * trace, const MloLinkConfig * config, gboolean forward, gint64 back_delay_us)
{
  Path *p = g_new0 (Path, 1);
  g_autoptr (GError) error = NULL;
  g_autofree char *to = NULL;
  guint16 port;

  p->trace = trace;
  p->link = mlo_link_new (config, trace, 1);
  p->relay = mlo_relay_new (p->link, 0, back_delay_us);
  p->in_fd = bound_socket (&port);
  to = g_strdup_printf ("127.0.0.1:%u", port);
  g_assert_true (mlo_relay_add (p->relay, "127.0.0.1:0", to, forward, &error));
  g_assert_no_error (error);
  p->out_fd = bound_socket (&port);
  p->relay_address = (struct sockaddr_in) {.sin_family = AF_INET,.sin_port = htons (mlo_relay_port (p->relay, 0)),
    .sin_addr.s_addr = htonl (INADDR_LOOPBACK)
  };
  p->thread = g_thread_new ("relay", relay_thread, p->relay);
  return p;
}

static void
path_free (Path * p)
{
  mlo_relay_stop (p->relay);
  g_thread_join (p->thread);
  mlo_relay_free (p->relay);
  mlo_link_free (p->link);
  mlo_trace_free (p->trace);
  close (p->in_fd);
  close (p->out_fd);
  g_free (p);
}

static void
path_receive (Path * p)
{
  gint64 offset_us = clock_us (CLOCK_REALTIME) - clock_us (CLOCK_MONOTONIC);

  for (;;) {
    union
    {
      char bytes[CMSG_SPACE (sizeof (struct timespec))];
      struct cmsghdr align;
    } control;
    char data[2048];
    struct iovec part = { data, sizeof data };
    struct msghdr message = {.msg_iov = &part,.msg_iovlen = 1,.msg_control = control.bytes,
      .msg_controllen = sizeof control.bytes
    };
    struct cmsghdr *c;
    struct timespec t;
    Stamp stamp;

    if (recvmsg (p->in_fd, &message, MSG_DONTWAIT) < (ssize_t) sizeof stamp)
      return;
    memcpy (&stamp, data, sizeof stamp);
    g_assert_cmpuint (stamp.number, <, p->n_sent);
    c = CMSG_FIRSTHDR (&message);
    g_assert_nonnull (c);
    memcpy (&t, CMSG_DATA (c), sizeof t);
    p->arrived_us[stamp.number] = (gint64) t.tv_sec * 1000000 + t.tv_nsec / 1000 - offset_us;
    p->n_arrived++;
  }
}

/* Sends at @kbps (IP bytes) for @seconds and listens for 500 ms more. */
static void
path_run (Path * p, double kbps, double seconds)
{
  double interval_us = (PAYLOAD + MLO_RELAY_HEADER) * 8e3 / kbps;
  gint64 begin_us = clock_us (CLOCK_MONOTONIC);

  for (;;) {
    char data[PAYLOAD] = { 0 };
    gint64 due_us = begin_us + (gint64) (p->n_sent * interval_us);
    struct timespec t = {.tv_sec = due_us / 1000000,.tv_nsec = due_us % 1000000 * 1000 };
    Stamp stamp = {.number = p->n_sent };

    if ((double) (due_us - begin_us) > seconds * 1e6 || p->n_sent == MAX_PACKETS)
      break;
    clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
    memcpy (data, &stamp, sizeof stamp);
    p->sent_us[p->n_sent++] = clock_us (CLOCK_MONOTONIC);
    g_assert_cmpint (sendto (p->out_fd, data, sizeof data, 0, (struct sockaddr *) &p->relay_address,
            sizeof p->relay_address), ==, sizeof data);
    path_receive (p);
  }
  for (int i = 0; i < 50; i++) {
    g_usleep (10000);
    path_receive (p);
  }
}

static int
compare_times (const void *a, const void *b)
{
  gint64 x = *(const gint64 *) a, y = *(const gint64 *) b;

  return x < y ? -1 : x > y;
}

/* Delay of the packets that arrived, ms. */
static double
path_delay_percentile (const Path * p, double percent)
{
  g_autofree gint64 *delays = g_new (gint64, p->n_sent + 1);
  guint n = 0;

  for (guint i = 0; i < p->n_sent; i++)
    if (p->arrived_us[i] > 0)
      delays[n++] = p->arrived_us[i] - p->sent_us[i];
  g_assert_cmpuint (n, >, 0);
  qsort (delays, n, sizeof *delays, compare_times);
  return (double) delays[(guint) (percent / 100.0 * (n - 1))] * 1e-3;
}

/* IP kbit/s that arrived between two times after the first datagram was sent. */
static double
path_rate_kbps (const Path * p, double from_s, double to_s)
{
  gint64 from_us = p->sent_us[0] + (gint64) (from_s * 1e6), to_us = p->sent_us[0] + (gint64) (to_s * 1e6);
  gint64 first_us = 0, last_us = 0;
  guint n = 0;

  for (guint i = 0; i < p->n_sent; i++) {
    if (p->arrived_us[i] >= from_us && p->arrived_us[i] < to_us) {
      first_us = first_us ? first_us : p->arrived_us[i];
      last_us = p->arrived_us[i];
      n++;
    }
  }
  g_assert_cmpuint (n, >, 10);
  return (n - 1) * (PAYLOAD + MLO_RELAY_HEADER) * 8e3 / (double) (last_us - first_us);
}

typedef gboolean (*Measurement) (gboolean last);

static void
measure (gconstpointer data)
{
  Measurement f = (Measurement) data;

  for (int i = 0; i < ATTEMPTS; i++)
    if (f (i == ATTEMPTS - 1))
      return;
}

/* A measured value within @tolerance of what it must be; fails the test at the last attempt. */
static gboolean
within (const char *what, double value, double expected, double tolerance, gboolean last)
{
  gboolean ok = fabs (value - expected) <= tolerance;

  g_test_message ("%s: %.3f, expected %.3f +- %.3f", what, value, expected, tolerance);
  if (!ok && last)
    g_error ("%s: %.3f, expected %.3f +- %.3f", what, value, expected, tolerance);
  return ok;
}

static MloLinkConfig
config_new (double delay_ms, double queue_bytes)
{
  MloLinkConfig config = mlo_link_config_default;

  config.delay_ms = delay_ms;
  config.queue_bytes = queue_bytes;
  return config;
}

/* More is sent than the link carries: exactly its rate arrives. */
static gboolean
rate (gboolean last)
{
  MloLinkConfig config = config_new (20, 100000);
  Path *p = path_new (mlo_trace_new_constant (8000, 1), &config, TRUE, 0);
  gboolean ok;

  path_run (p, 10000, 1.5);
  ok = within ("rate", path_rate_kbps (p, 0.2, 1.5), 8000, 80, last);
  if (ok) {
    const MloRelayCounters *c = mlo_relay_counters (p->relay);

    /* 100 kB are full after 0.4 s; a fifth is dropped from then on. */
    g_assert_cmpuint (c->dropped_queue, >, 0);
    g_assert_cmpuint (c->packets_in, ==, p->n_sent);
    g_assert_cmpuint (c->packets_out + c->dropped_queue, ==, p->n_sent);
    g_assert_cmpuint (p->n_arrived, ==, c->packets_out);
  }
  path_free (p);
  return ok;
}

/* Less is sent than it carries: delay plus the time on the wire. */
static gboolean
delay (gboolean last)
{
  MloLinkConfig config = config_new (20, 100000);
  Path *p = path_new (mlo_trace_new_constant (12000, 1), &config, TRUE, 0);
  gboolean ok;

  path_run (p, 2000, 1.0);
  ok = within ("delay, median", path_delay_percentile (p, 50), 20.8, 1.0, last) &&
      within ("delay, 90th percentile", path_delay_percentile (p, 90), 20.8, 1.0, last);
  if (ok)
    g_assert_cmpuint (p->n_arrived, ==, p->n_sent);
  path_free (p);
  return ok;
}

static gboolean
back_delay (gboolean last)
{
  MloLinkConfig config = config_new (20, 100000);
  Path *p = path_new (mlo_trace_new_constant (100, 1), &config, FALSE, 35000);
  gboolean ok;

  path_run (p, 2000, 0.5);
  ok = within ("delay of the way back", path_delay_percentile (p, 50), 35.0, 1.0, last);
  path_free (p);
  return ok;
}

/* A queue that a fall of the rate fills: steps are played when they are due. */
static gboolean
steps (gboolean last)
{
  static const double pairs[][2] = { {0, 8000}, {0.5, 2000}, {1.0, 6000} };
  MloLinkConfig config = config_new (0, 1e6);
  Path *p = path_new (mlo_trace_new_steps (pairs, G_N_ELEMENTS (pairs), 1.5), &config, TRUE, 0);
  gboolean ok;

  path_run (p, 9000, 1.4);
  ok = within ("first step", path_rate_kbps (p, 0.0, 0.5), 8000, 80, last) &&
      within ("second step", path_rate_kbps (p, 0.51, 1.0), 2000, 20, last) &&
      within ("third step", path_rate_kbps (p, 1.01, 1.5), 6000, 60, last);
  path_free (p);
  return ok;
}

/* Arrivals come together at multiples of the grid. */
static gboolean
grid (gboolean last)
{
  MloLinkConfig config = config_new (10, 100000);
  Path *p;
  guint n_off = 0;
  gboolean ok;

  config.grid_ms = 10;
  p = path_new (mlo_trace_new_constant (10000, 1), &config, TRUE, 0);
  path_run (p, 3000, 0.8);
  for (guint i = 0; i < p->n_sent; i++) {
    gint64 phase = (p->arrived_us[i] - p->sent_us[0]) % 10000;

    n_off += MIN (phase, 10000 - phase) > 1000;
  }
  ok = within ("share of arrivals off the grid", n_off * 1.0 / p->n_sent, 0.0, 0.1, last);
  path_free (p);
  return ok;
}

/* What the far end answers goes back to whoever sent last. */
static void
test_answer (void)
{
  MloLinkConfig config = config_new (5, 100000);
  Path *p = path_new (mlo_trace_new_constant (10000, 1), &config, TRUE, 5000);
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  struct timeval patience = {.tv_sec = 5 };
  char data[16];

  setsockopt (p->in_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt (p->out_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sendto (p->out_fd, "question", 8, 0, (struct sockaddr *) &p->relay_address, sizeof p->relay_address);
  g_assert_cmpint (recvfrom (p->in_fd, data, sizeof data, 0, (struct sockaddr *) &from, &length), ==, 8);
  sendto (p->in_fd, "answer", 6, 0, (struct sockaddr *) &from, length);
  g_assert_cmpint (recv (p->out_fd, data, sizeof data, 0), ==, 6);
  g_assert_cmpint (memcmp (data, "answer", 6), ==, 0);
  path_free (p);
}

static void
test_bad_addresses (void)
{
  static const char *const rows[][2] = {
    {"5000", "nowhere.invalid:5000"}, {"x", "5000"}, {"5000", "0"}, {"65536", "5000"}, {"5000", "127.0.0.1:"},
    {"256.1.1.1:5000", "5000"}, {"", "5000"}, {"-1", "5000"},
  };
  g_autoptr (MloTrace) trace = mlo_trace_new_constant (1000, 1);
  g_autoptr (MloLink) link = mlo_link_new (&mlo_link_config_default, trace, 1);
  g_autoptr (MloRelay) relay = mlo_relay_new (link, 0, 0);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    g_test_message ("%s -> %s", rows[i][0], rows[i][1]);
    g_assert_false (mlo_relay_add (relay, rows[i][0], rows[i][1], TRUE, &error));
    g_assert_nonnull (error);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/link-relay/rate", (gconstpointer) rate, measure);
  g_test_add_data_func ("/link-relay/delay", (gconstpointer) delay, measure);
  g_test_add_data_func ("/link-relay/back-delay", (gconstpointer) back_delay, measure);
  g_test_add_data_func ("/link-relay/steps", (gconstpointer) steps, measure);
  g_test_add_data_func ("/link-relay/grid", (gconstpointer) grid, measure);
  g_test_add_func ("/link-relay/answer", test_answer);
  g_test_add_func ("/link-relay/bad-addresses", test_bad_addresses);
  return g_test_run ();
}
