/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The real pipeline, x264 over RTP through a bottleneck to a receiver in a process of its own, for as long as asked, with
 * faults by chance: the link's rate jumps, packets and reports are lost, reports come twice, out of order, two seconds late
 * or from another SSRC; the source changes its size, stalls or pauses, limits and encoder are set by others.
 *   soak-stream [--minutes N] [--seed N] [--csv FILE] [--without]       20 minutes if not given
 * --without: an identity stands in the element's place, bitrates come by chance: what others' memory does of itself.
 * Exit code 0 only where memory, threads and file descriptors of the sending process stay and no decision is overdue. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mlo-random.h"
#include "soak-heap.h"
#include "soak-meter.h"

#define TWCC ",extmap-1=(string)http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
#define INTERVAL_US 100000
/* A fault of the network lasts this long at most, one of the application comes every so often. */
#define NETWORK_MS 4000
#define APPLICATION_MS 5000
#define HEADERS 40
#define N_SIZES 3
/* Of the smallest: at rest there is one size to choose. */
#define MIN_HEIGHT 108
#define REST_US (60 * G_USEC_PER_SEC)
#define MIN_BITRATE 100000
#define MAX_BITRATE 3000000

static GSocket *
open_port (guint16 * port)
{
  g_autoptr (GInetAddress) any = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) address = g_inet_socket_address_new (any, 0);
  g_autoptr (GSocketAddress) local = NULL;
  g_autoptr (GError) error = NULL;
  GSocket *s = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, &error);

  if (!s || !g_socket_bind (s, address, FALSE, &error) || !(local = g_socket_get_local_address (s, &error)))
    g_error ("%s", error->message);
  *port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (local));
  return s;
}

static void
set_on (GstElement * pipeline, const char *name, const char *property, gpointer value)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (pipeline), name);

  g_object_set (e, property, value, NULL);
}

static void
probe_on (GstElement * pipeline, const char *name, const char *pad, GstPadProbeCallback callback, gpointer data)
{
  g_autoptr (GstElement) e = gst_bin_get_by_name (GST_BIN (pipeline), name);
  g_autoptr (GstPad) p = gst_element_get_static_pad (e, pad);

  gst_pad_add_probe (p, GST_PAD_PROBE_TYPE_BUFFER, callback, data, NULL);
}

/* --- the receiver and the network before it, a process --- */

typedef enum
{
  NET_SOUND,
  NET_LOSS,                     /* of media, one packet in ten */
  NET_DEAD,                     /* nothing passes either way */
  NET_REPORTS_LOST,             /* two of three */
  NET_REPORTS_TWICE,
  NET_REPORTS_SHUFFLED,
  NET_REPORTS_LATE,             /* two seconds */
  NET_REPORTS_FOREIGN,          /* of a sender and on a stream that are not there */
  NET_N
} NetFault;

typedef struct
{
  gint64 due_us;
  gsize size;
  guint8 data[1500];
} Report;

typedef struct
{
  /* Media's thread alone. */
  MloRandom random;
  gint64 busy_us, next_us;
  double kbps;
  gint fault;                   /* atomic */
  /* Reports: under the lock. */
  GMutex lock;
  GQueue reports;               /* of Report */
  MloRandom report_random;
  GSocket *socket;
  GSocketAddress *to;
} Net;

static GstPadProbeReturn
on_media (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Net *n = data;
  gint64 now_us = g_get_monotonic_time ();
  gsize bytes = gst_buffer_get_size (GST_PAD_PROBE_INFO_BUFFER (info)) + HEADERS;
  gint fault;

  if (now_us >= n->next_us) {
    n->kbps = mlo_random_log_range (&n->random, 250.0, 4000.0);
    fault = mlo_random_chance (&n->random, 0.5) ? NET_SOUND : (gint) mlo_random_below (&n->random, NET_N);
    g_atomic_int_set (&n->fault, fault);
    n->next_us = now_us + (gint64) mlo_random_range (&n->random, 1000, NETWORK_MS) * 1000;
  }
  fault = g_atomic_int_get (&n->fault);
  if (fault == NET_DEAD || (fault == NET_LOSS && mlo_random_chance (&n->random, 0.1)))
    return GST_PAD_PROBE_DROP;
  n->busy_us = MAX (n->busy_us, now_us) + (gint64) ((double) bytes * 8000.0 / n->kbps);
  /* The socket's buffer is the queue. */
  if (n->busy_us > now_us)
    g_usleep ((gulong) (n->busy_us - now_us));
  return GST_PAD_PROBE_OK;
}

/* Each leaves by the other thread, when it is due. */
static GstPadProbeReturn
on_report (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  Net *n = data;
  gint fault = g_atomic_int_get (&n->fault);
  gint64 now_us = g_get_monotonic_time ();
  Report *r = g_new0 (Report, 1);

  r->size = gst_buffer_extract (GST_PAD_PROBE_INFO_BUFFER (info), 0, r->data, sizeof r->data);
  r->due_us = now_us;
  g_mutex_lock (&n->lock);
  if (fault == NET_DEAD || (fault == NET_REPORTS_LOST && mlo_random_chance (&n->report_random, 2.0 / 3.0))) {
    g_clear_pointer (&r, g_free);
  } else if (fault == NET_REPORTS_LATE) {
    r->due_us += 2 * G_USEC_PER_SEC;
  } else if (fault == NET_REPORTS_SHUFFLED) {
    r->due_us += mlo_random_below (&n->report_random, 200000);
  } else if (fault == NET_REPORTS_FOREIGN) {
    for (guint i = 4; i < 12 && i < r->size; i++)
      r->data[i] ^= 0x5a;
  } else if (fault == NET_REPORTS_TWICE) {
    Report *again = g_memdup2 (r, sizeof *r);

    again->due_us += mlo_random_below (&n->report_random, 300000);
    g_queue_push_tail (&n->reports, again);
  }
  if (r)
    g_queue_push_tail (&n->reports, r);
  g_mutex_unlock (&n->lock);
  return GST_PAD_PROBE_DROP;
}

static gpointer
send_reports (gpointer data)
{
  Net *n = data;

  for (;;) {
    gint64 now_us = g_get_monotonic_time ();

    g_mutex_lock (&n->lock);
    for (GList * l = n->reports.head, *next; l; l = next) {
      Report *r = l->data;

      next = l->next;
      if (r->due_us > now_us)
        continue;
      g_socket_send_to (n->socket, n->to, (const char *) r->data, r->size, NULL, NULL);
      g_free (r);
      g_queue_delete_link (&n->reports, l);
    }
    g_mutex_unlock (&n->lock);
    g_usleep (3000);
  }
  return NULL;
}

/* (transfer full): of the one rtpbin. */
static GstElement *
session_of (GstElement * pipeline)
{
  GstIterator *i = gst_bin_iterate_all_by_element_factory_name (GST_BIN (pipeline), "rtpsession");
  GValue value = G_VALUE_INIT;
  GstElement *session;

  g_assert_cmpint (gst_iterator_next (i, &value), ==, GST_ITERATOR_OK);
  session = g_value_dup_object (&value);
  g_value_unset (&value);
  gst_iterator_free (i);
  return session;
}

static void
speak_often (GstElement * pipeline)
{
  g_autoptr (GstElement) session = session_of (pipeline);

  g_object_set (session, "rtcp-min-interval", (guint64) 30 * GST_MSECOND, "rtcp-fraction", 50000.0, NULL);
}

/* It would keep the reports of the last two seconds, up to half a MiB at a time, and hide what grows. */
static void
keep_no_reports (GstElement * pipeline)
{
  g_autoptr (GstElement) session = session_of (pipeline);
  g_autoptr (GObject) internal = NULL;

  g_object_get (session, "internal-session", &internal, NULL);
  g_object_set (internal, "rtcp-feedback-retention-window", (guint64) 0, NULL);
}

/* Until it is killed. */
G_NORETURN static void
receive (GSocket * rtp, GSocket * rtcp, guint16 back, guint64 seed)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GstElement) pipeline = NULL;
  Net *n = g_new0 (Net, 1);

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  gst_init (NULL, NULL);
  mlo_random_seed (&n->random, seed);
  mlo_random_seed (&n->report_random, seed + 1);
  g_mutex_init (&n->lock);
  g_queue_init (&n->reports);
  n->socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP, &error);
  g_assert_no_error (error);
  n->to = g_inet_socket_address_new (loopback, back);
  g_socket_set_option (rtp, SOL_SOCKET, SO_RCVBUF, 65536, NULL);
  pipeline = gst_parse_launch ("rtpbin name=b rtp-profile=avpf latency=20 udpsrc name=rtp caps=\"application/x-rtp,"
      "media=video,clock-rate=90000,encoding-name=H264,payload=96" TWCC "\" ! b.recv_rtp_sink_0 b. ! rtph264depay ! "
      "fakesink async=false sync=false udpsrc name=rtcp ! b.recv_rtcp_sink_0 "
      "b.send_rtcp_src_0 ! fakesink name=reports sync=false async=false", &error);
  g_assert_no_error (error);
  speak_often (pipeline);
  set_on (pipeline, "rtp", "socket", rtp);
  set_on (pipeline, "rtcp", "socket", rtcp);
  probe_on (pipeline, "rtp", "src", on_media, n);
  probe_on (pipeline, "reports", "sink", on_report, n);
  g_thread_unref (g_thread_new ("reports", send_reports, n));
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (;;)
    pause ();
}

/* --- the sender --- */

typedef struct
{
  gint64 from_us, to_us;        /* since 1970: no decisions are due */
} Pause;

typedef struct
{
  GstElement *pipeline, *element;
  MloRandom random;
  GArray *points;               /* (element-type SoakPoint) each second */
  GArray *quiet;                /* likewise, each minute: at rest */
  GArray *pauses;               /* (element-type Pause) */
  guint faults, warnings;
  guint kept_minutes;
  double kept_kib;              /* of what was asked for in these minutes, at the last rest */
  gboolean without, failed;
  char *record;
} Sender;

static GstPadProbeReturn
block (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  return GST_PAD_PROBE_OK;
}

static void
stall (Sender * s)
{
  g_autoptr (GstElement) filter = gst_bin_get_by_name (GST_BIN (s->pipeline), "c");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (filter, "src");
  gulong id = gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, block, NULL, NULL);

  g_usleep (1500000);
  gst_pad_remove_probe (pad, id);
}

/* @quiet: (out) (nullable): what is held at the end of the pause. */
static void
pause_and_play (Sender * s, gulong pause_us, SoakPoint * quiet)
{
  Pause p = {.from_us = g_get_real_time () };

  gst_element_set_state (s->pipeline, GST_STATE_PAUSED);
  g_usleep (pause_us);
  if (quiet)
    soak_measure (quiet, quiet->minutes);
  gst_element_set_state (s->pipeline, GST_STATE_PLAYING);
  gst_element_get_state (s->pipeline, NULL, NULL, 2 * GST_SECOND);
  p.to_us = g_get_real_time ();
  g_array_append_val (s->pauses, p);
}

static void
set_size (Sender * s, guint i)
{
  static const char *const sizes[N_SIZES] = { "192,height=108", "256,height=144", "320,height=180" };
  g_autofree char *text = g_strdup_printf ("video/x-raw,format=I420,width=%s,framerate=30/1", sizes[i]);
  g_autoptr (GstCaps) caps = gst_caps_from_string (text);

  set_on (s->pipeline, "c", "caps", caps);
}

/* Pictures and packets in flight come and go by hundreds of KiB: what stays is seen with small pictures, and when nothing
 * has moved for a while. */
static void
rest (Sender * s, double minutes)
{
  SoakPoint quiet = {.minutes = minutes };
  guint warm;

  /* x264 anew, or it holds as many pictures as it happened to have. */
  set_size (s, 1);
  g_usleep (G_USEC_PER_SEC / 2);
  set_size (s, 0);
  g_usleep (2 * G_USEC_PER_SEC);
  pause_and_play (s, 3 * G_USEC_PER_SEC, &quiet);
  g_array_append_val (s->quiet, quiet);
  /* But for the first quarter and the last minute, whose pictures and reports are in use. */
  warm = MAX (s->quiet->len / 4, 1);
  s->kept_minutes = s->quiet->len > warm ? s->quiet->len - 1 - warm : 0;
  s->kept_kib = soak_heap_kept_kib (warm, s->quiet->len - 1);
  soak_heap_begin_epoch (s->quiet->len);
}

static void
do_something (Sender * s)
{
  g_autoptr (GstElement) encoder = gst_bin_get_by_name (GST_BIN (s->pipeline), "e");

  s->faults++;
  switch (mlo_random_below (&s->random, 6)) {
    case 0:
      stall (s);
      break;
    case 1:
      pause_and_play (s, 800000, NULL);
      break;
    case 2:
      set_size (s, mlo_random_below (&s->random, N_SIZES));
      break;
    case 3:
      if (!s->without)
        g_object_set (s->element, "max-bitrate", 500000 + mlo_random_below (&s->random, MAX_BITRATE - 500000),
            "target-delay", 20 + mlo_random_below (&s->random, 200), NULL);
      break;
    case 4:
      g_object_set (encoder, "bitrate", 100 + mlo_random_below (&s->random, 3000), NULL);
      break;
    default:
      gst_element_send_event (encoder, gst_event_new_custom (GST_EVENT_CUSTOM_UPSTREAM,
              gst_structure_new ("GstForceKeyUnit", "all-headers", G_TYPE_BOOLEAN, TRUE, NULL)));
      break;
  }
}

static void
read_bus (Sender * s)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (s->pipeline);
  GstMessage *m;

  while ((m = gst_bus_pop (bus))) {
    g_autoptr (GError) error = NULL;

    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ERROR) {
      gst_message_parse_error (m, &error, NULL);
      fprintf (stderr, "soak-stream: %s: %s\n", GST_MESSAGE_SRC_NAME (m), error->message);
      s->failed = TRUE;
    } else if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_WARNING) {
      gst_message_parse_warning (m, &error, NULL);
      fprintf (stderr, "soak-stream: warning: %s\n", error->message);
      s->warnings++;
    }
    gst_message_unref (m);
  }
}

static void
ask_element (Sender * s, guint * bitrate, double *bandwidth, guint64 * in, guint64 * sent)
{
  g_autoptr (GstStructure) stats = NULL;

  g_object_get (s->element, "stats", &stats, "bitrate", bitrate, NULL);
  gst_structure_get_uint64 (stats, "frames-in", in);
  gst_structure_get_uint64 (stats, "frames-out", sent);
  gst_structure_get_double (stats, "bandwidth_kbps", bandwidth);
}

/* As often as the element would. */
static guint
set_bitrate (Sender * s)
{
  guint kbps = (guint) mlo_random_log_range (&s->random, MIN_BITRATE / 1000, MAX_BITRATE / 1000);

  set_on (s->pipeline, "e", "bitrate", GUINT_TO_POINTER (kbps));
  return kbps * 1000;
}

/* The last second as a line; the bitrate within its limits. */
static void
take_point (Sender * s, double minutes, FILE * out)
{
  guint64 in = 0, sent = 0;
  double bandwidth = 0.0;
  guint bitrate = 0;
  SoakPoint p;

  if (s->without)
    bitrate = set_bitrate (s);
  else
    ask_element (s, &bitrate, &bandwidth, &in, &sent);
  if (bitrate != 0 && (bitrate < MIN_BITRATE || bitrate > MAX_BITRATE)) {
    fprintf (stderr, "soak-stream: %u bit/s\n", bitrate);
    s->failed = TRUE;
  }
  soak_measure (&p, minutes);
  g_array_append_val (s->points, p);
  if (out)
    fprintf (out, "%.3f,%.1f,%.1f,%.0f,%u,%u,%.0f,%.0f,%" G_GUINT64_FORMAT ",%" G_GUINT64_FORMAT "\n", minutes,
        p.heap_kib, p.own_kib, p.rss_kib, p.threads, p.files, bitrate / 1000.0, bandwidth, in, sent);
}

static void
stream (Sender * s, double minutes, FILE * out)
{
  gint64 start_us = g_get_monotonic_time (), next_us = start_us + 10 * G_USEC_PER_SEC;
  gint64 end_us = start_us + (gint64) (minutes * 60e6), rest_us = start_us + REST_US;

  if (out)
    fprintf (out, "minutes,heap_kib,own_kib,rss_kib,threads,files,bitrate_kbps,capacity_kbps,frames_in,frames_out\n");
  while (g_get_monotonic_time () < end_us && !s->failed) {
    g_usleep (G_USEC_PER_SEC);
    read_bus (s);
    take_point (s, (double) (g_get_monotonic_time () - start_us) / 60e6, out);
    if (g_get_monotonic_time () >= next_us) {
      do_something (s);
      next_us = g_get_monotonic_time () + APPLICATION_MS * 1000;
    }
    if (g_get_monotonic_time () >= rest_us) {
      rest (s, (double) (g_get_monotonic_time () - start_us) / 60e6);
      rest_us += REST_US;
    }
  }
}

/* Longest time between two decisions, in intervals, of those that were recorded outside the pauses. */
static double
longest_gap (Sender * s, guint64 * decisions, guint * overdue)
{
  g_autofree char *text = NULL;
  gint64 last_us = 0, longest_us = 0;
  const char *at;

  if (!g_file_get_contents (s->record, &text, NULL, NULL))
    return G_MAXDOUBLE;
  for (at = text; (at = strstr (at, "\"timestamp\":")); at++) {
    gint64 now_us = (gint64) (g_ascii_strtod (at + strlen ("\"timestamp\":"), NULL) * 1e6);
    gboolean paused = last_us == 0;

    for (guint i = 0; i < s->pauses->len && !paused; i++) {
      Pause *p = &g_array_index (s->pauses, Pause, i);

      paused = p->from_us <= now_us && p->to_us + INTERVAL_US >= last_us;
    }
    (*decisions)++;
    if (!paused) {
      longest_us = MAX (longest_us, now_us - last_us);
      /* the one that is due, and two more that are not there */
      if (now_us - last_us > 3 * INTERVAL_US)
        (*overdue)++;
    }
    last_us = now_us;
  }
  return (double) longest_us / INTERVAL_US;
}

static gboolean
judge (Sender * s)
{
  const SoakPoint *p = (const SoakPoint *) s->points->data;
  guint n = s->points->len, warm = n / 4, overdue = 0;
  guint64 decisions = 0;
  double longest = s->without ? 0.0 : longest_gap (s, &decisions, &overdue);
  guint threads = 0, files = 0;
  gboolean good = !s->failed;

  for (guint i = 0; i < warm; i++) {
    threads = MAX (threads, p[i].threads);
    files = MAX (files, p[i].files);
  }
  printf ("faults_of_the_application %u 1\nwarnings %u 1\ndecisions_recorded %" G_GUINT64_FORMAT " 1\n", s->faults,
      s->warnings, decisions);
  good &= soak_judge_memory ((const SoakPoint *) s->quiet->data, s->quiet->len, TRUE);
  printf ("heap_kept %.3f KiB of %u minutes\n", s->kept_kib, s->kept_minutes);
  good &= soak_judge ("heap_kept_a_minute", s->kept_kib / MAX (s->kept_minutes, 1), 1.0, "KiB/min");
  good &= soak_judge ("threads_growth", (double) p[n - 1].threads - threads, 0.0, "1");
  good &= soak_judge ("files_growth", (double) p[n - 1].files - files, 0.0, "1");
  if (s->without)
    return good;
  printf ("longest_decision_gap %.2f intervals\n", longest);
  good &= soak_judge ("decisions_overdue", overdue, 0.0, "1");
  return good && decisions > 0;
}

static GstElement *
sender_pipeline (guint16 rtp, guint16 rtcp, const char *record)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *element = record ? g_strdup_printf ("mloptimizer name=o min-bitrate=%u max-bitrate=%u min-height=%u "
      "record=%s", MIN_BITRATE, MAX_BITRATE, MIN_HEIGHT, record) : g_strdup ("identity name=o");
  g_autofree char *launch = g_strdup_printf ("rtpbin name=a rtp-profile=avpf videotestsrc is-live=true pattern=ball ! "
      "capsfilter name=c caps=video/x-raw,format=I420,width=320,height=180,framerate=30/1 ! %s ! "
      "x264enc name=e tune=zerolatency speed-preset=ultrafast threads=1 bitrate=800 key-int-max=60 ! "
      "rtph264pay config-interval=-1 ! application/x-rtp,payload=96" TWCC " ! a.send_rtp_sink_0 "
      "a.send_rtp_src_0 ! udpsink host=127.0.0.1 port=%u sync=false "
      "a.send_rtcp_src_0 ! udpsink host=127.0.0.1 port=%u sync=false async=false udpsrc name=back ! a.recv_rtcp_sink_0",
      element, rtp, rtcp);
  GstElement *pipeline = gst_parse_launch (launch, &error);

  g_assert_no_error (error);
  return pipeline;
}

int
main (int argc, char **argv)
{
  double minutes = 20.0;
  gint64 seed = 1;
  g_autofree char *csv = NULL;
  Sender s = { 0 };
  const GOptionEntry options[] = {
    {"minutes", 0, 0, G_OPTION_ARG_DOUBLE, &minutes, "Minutes to stream for", "N"},
    {"seed", 0, 0, G_OPTION_ARG_INT64, &seed, "Of links and faults", "N"},
    {"without", 0, 0, G_OPTION_ARG_NONE, &s.without, "An identity in the element's place", NULL},
    {"csv", 0, 0, G_OPTION_ARG_FILENAME, &csv, "Where the curve goes", "FILE"},
    {NULL}
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = NULL;
  guint16 rtp, rtcp, back;
  GSocket *rtp_socket, *rtcp_socket, *back_socket;
  FILE *out = NULL;
  gboolean good;
  pid_t child;

  /* What GLib keeps for itself would hide what is freed. */
  if (!g_getenv ("G_SLICE")) {
    g_setenv ("G_SLICE", "always-malloc", TRUE);
    execv ("/proc/self/exe", argv);
  }
  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || minutes <= 0.0) {
    fprintf (stderr, "soak-stream: %s\n", error ? error->message : "--minutes wants more than nothing");
    return 2;
  }
  if (csv && !(out = fopen (csv, "w"))) {
    perror (csv);
    return 2;
  }
  rtp_socket = open_port (&rtp);
  rtcp_socket = open_port (&rtcp);
  back_socket = open_port (&back);
  child = fork ();
  if (child == 0)
    receive (rtp_socket, rtcp_socket, back, (guint64) seed);
  g_object_unref (rtp_socket);
  g_object_unref (rtcp_socket);
  gst_init (NULL, NULL);
  folder = g_dir_make_tmp ("soak-XXXXXX", &error);
  g_assert_no_error (error);
  s.record = g_build_filename (folder, "record.jsonl", NULL);
  mlo_random_seed (&s.random, (guint64) seed);
  s.points = g_array_sized_new (FALSE, FALSE, sizeof (SoakPoint), (guint) (minutes * 60.0) + 60);
  s.quiet = g_array_sized_new (FALSE, FALSE, sizeof (SoakPoint), (guint) minutes + 2);
  s.pauses = g_array_sized_new (FALSE, FALSE, sizeof (Pause), (guint) (minutes * 12.0) + 60);
  s.pipeline = sender_pipeline (rtp, rtcp, s.without ? NULL : s.record);
  s.element = gst_bin_get_by_name (GST_BIN (s.pipeline), "o");
  set_on (s.pipeline, "back", "socket", back_socket);
  keep_no_reports (s.pipeline);
  gst_element_set_state (s.pipeline, GST_STATE_PLAYING);
  stream (&s, minutes, out);
  gst_element_set_state (s.pipeline, GST_STATE_NULL);
  kill (child, SIGKILL);
  waitpid (child, NULL, 0);
  good = judge (&s);
  if (out && fclose (out) != 0) {
    perror (csv);
    good = FALSE;
  }
  gst_object_unref (s.element);
  gst_object_unref (s.pipeline);
  g_object_unref (back_socket);
  g_remove (s.record);
  g_rmdir (folder);
  g_free (s.record);
  g_array_unref (s.points);
  g_array_unref (s.quiet);
  g_array_unref (s.pauses);
  return good ? 0 : 1;
}
