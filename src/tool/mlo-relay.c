/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sockets and time around MloLink. Each direction is a FIFO of datagrams with a due time. */

#include "mlo-relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "mlo-error.h"

#define MAX_FLOWS 16
/* Held in one direction at most: over ten seconds at 40 Mbit/s. */
#define MAX_HELD_BYTES (64u << 20)
#define MAX_HELD_PACKETS (1u << 16)
#define MAX_DATAGRAM 65536
/* Datagrams read from one socket before the others and the clock get their turn. */
#define BURST 64
#define SOCKET_BUFFER (4 << 20)

typedef struct
{
  gint64 due_us;
  guint32 length;
  guint8 flow;
  gboolean answer;              /* from the far end to the near end of its flow */
  guint8 *data;
} Held;

/* A ring that grows up to its ceiling. */
typedef struct
{
  Held *items;
  guint head, count, size;
  gsize bytes;
  gint64 last_due_us;
} Fifo;

typedef struct
{
  int near_fd, far_fd;          /* where we listen; connected to where it goes */
  gboolean forward;
  struct sockaddr_in peer;      /* who sent last to near_fd */
  gboolean has_peer;
} Flow;

struct _MloRelay
{
  MloLink *link;
  gint64 trace_start_us, back_delay_us;
  Flow flows[MAX_FLOWS];
  guint n_flows;
  Fifo forward, back;
  MloRelayCounters counters;
  gint64 start_us;
  gint64 last_arrival_us;       /* of the bottleneck's input: never goes back */
  gint64 report_interval_us;
  MloRelayReport report;
  gpointer report_data;
  int wake[2];                  /* a pipe: mlo_relay_stop() writes */
  gboolean realtime;
  guint8 *buffer;               /* MAX_DATAGRAM */
};

MloRelay *
mlo_relay_new (MloLink * link, gint64 trace_start_us, gint64 back_delay_us)
{
  MloRelay *r = g_new0 (MloRelay, 1);

  r->link = link;
  r->trace_start_us = trace_start_us;
  r->back_delay_us = back_delay_us;
  r->buffer = g_malloc (MAX_DATAGRAM);
  if (pipe2 (r->wake, O_CLOEXEC | O_NONBLOCK) < 0)
    r->wake[0] = r->wake[1] = -1;
  return r;
}

static void
fifo_clear (Fifo * f)
{
  for (guint i = 0; i < f->count; i++)
    g_free (f->items[(f->head + i) % f->size].data);
  g_free (f->items);
}

void
mlo_relay_free (MloRelay * r)
{
  if (!r)
    return;
  for (guint i = 0; i < r->n_flows; i++) {
    close (r->flows[i].near_fd);
    close (r->flows[i].far_fd);
  }
  for (int i = 0; i < 2; i++)
    if (r->wake[i] >= 0)
      close (r->wake[i]);
  fifo_clear (&r->forward);
  fifo_clear (&r->back);
  g_free (r->buffer);
  g_free (r);
}

/* @text: "HOST:PORT" or "PORT". */
static gboolean
parse_address (const char *text, in_addr_t fallback, gboolean listen, struct sockaddr_in *address, GError ** error)
{
  const char *colon = strrchr (text, ':');
  const char *port_text = colon ? colon + 1 : text;
  guint64 port;

  memset (address, 0, sizeof *address);
  address->sin_family = AF_INET;
  if (!g_ascii_string_to_unsigned (port_text, 10, listen ? 0 : 1, 65535, &port, NULL)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "address \"%s\": \"%s\" is no port number", text, port_text);
    return FALSE;
  }
  address->sin_port = htons ((guint16) port);
  if (!colon) {
    address->sin_addr.s_addr = htonl (fallback);
  } else {
    g_autofree char *host = g_strndup (text, (gsize) (colon - text));
    struct addrinfo hints = {.ai_family = AF_INET,.ai_socktype = SOCK_DGRAM }, *found = NULL;
    int code = getaddrinfo (host, NULL, &hints, &found);

    if (code != 0) {
      g_set_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT, "address \"%s\": %s", text, gai_strerror (code));
      return FALSE;
    }
    address->sin_addr = ((struct sockaddr_in *) found->ai_addr)->sin_addr;
    freeaddrinfo (found);
  }
  return TRUE;
}

static int
open_socket (void)
{
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int on = 1, size = SOCKET_BUFFER;

  if (fd < 0)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  /* Beyond the system's ceiling only with CAP_NET_ADMIN; as large as may be otherwise. */
  if (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
    setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  if (setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
    setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return fd;
}

gboolean
mlo_relay_add (MloRelay * r, const char *listen, const char *to, gboolean forward, GError ** error)
{
  struct sockaddr_in near_address, far_address;
  Flow *f;
  int near_fd, far_fd;

  if (r->n_flows == MAX_FLOWS) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TOO_LARGE, "more than %d pairs of addresses", MAX_FLOWS);
    return FALSE;
  }
  if (!parse_address (listen, INADDR_ANY, TRUE, &near_address, error) ||
      !parse_address (to, INADDR_LOOPBACK, FALSE, &far_address, error))
    return FALSE;
  near_fd = open_socket ();
  far_fd = open_socket ();
  if (near_fd < 0 || far_fd < 0 ||
      bind (near_fd, (struct sockaddr *) &near_address, sizeof near_address) < 0 ||
      connect (far_fd, (struct sockaddr *) &far_address, sizeof far_address) < 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "from %s to %s: %s", listen, to, g_strerror (errno));
    if (near_fd >= 0)
      close (near_fd);
    if (far_fd >= 0)
      close (far_fd);
    return FALSE;
  }
  f = &r->flows[r->n_flows++];
  f->near_fd = near_fd;
  f->far_fd = far_fd;
  f->forward = forward;
  f->has_peer = FALSE;
  return TRUE;
}

guint16
mlo_relay_port (MloRelay * r, guint index)
{
  struct sockaddr_in address = { 0 };
  socklen_t length = sizeof address;

  if (index >= r->n_flows || getsockname (r->flows[index].near_fd, (struct sockaddr *) &address, &length) < 0)
    return 0;
  return ntohs (address.sin_port);
}

void
mlo_relay_set_report (MloRelay * r, gint64 interval_us, MloRelayReport report, gpointer user_data)
{
  r->report_interval_us = interval_us;
  r->report = report;
  r->report_data = user_data;
}

const MloRelayCounters *
mlo_relay_counters (const MloRelay * r)
{
  return &r->counters;
}

gint64
mlo_relay_start_us (const MloRelay * r)
{
  return r->start_us;
}

gboolean
mlo_relay_is_realtime (const MloRelay * r)
{
  return r->realtime;
}

void
mlo_relay_stop (MloRelay * r)
{
  int saved = errno;

  if (write (r->wake[1], "", 1) < 0) {
    /* Full: it has been told already. */
  }
  errno = saved;
}

static gboolean
fifo_push (Fifo * f, gint64 due_us, guint8 flow, gboolean answer, const guint8 * data, guint32 length)
{
  Held *h;

  if (f->count == MAX_HELD_PACKETS || f->bytes + length > MAX_HELD_BYTES)
    return FALSE;
  if (f->count == f->size) {
    guint size = MAX (256, f->size * 2);
    Held *items = g_new (Held, size);

    for (guint i = 0; i < f->count; i++)
      items[i] = f->items[(f->head + i) % f->size];
    g_free (f->items);
    f->items = items;
    f->head = 0;
    f->size = size;
  }
  h = &f->items[(f->head + f->count++) % f->size];
  /* A path does not reorder. */
  f->last_due_us = h->due_us = MAX (due_us, f->last_due_us);
  h->length = length;
  h->flow = flow;
  h->answer = answer;
  h->data = g_memdup2 (data, length);
  f->bytes += length;
  return TRUE;
}

static gint64
clock_us (clockid_t id)
{
  struct timespec t;

  clock_gettime (id, &t);
  return (gint64) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* When the kernel took the datagram in, on the monotonic clock; @now_us where it did not say. */
static gint64
arrival_time (struct msghdr *message, gint64 now_us, gint64 realtime_offset_us)
{
  for (struct cmsghdr * c = CMSG_FIRSTHDR (message); c; c = CMSG_NXTHDR (message, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
      struct timespec t;

      memcpy (&t, CMSG_DATA (c), sizeof t);
      return MIN (now_us, (gint64) t.tv_sec * 1000000 + t.tv_nsec / 1000 - realtime_offset_us);
    }
  }
  return now_us;
}

/* The link's time begins where in the trace it was told to. */
static gint64
link_time (const MloRelay * r, gint64 time_us)
{
  return time_us - r->start_us + r->trace_start_us;
}

static void
take_in (MloRelay * r, guint8 index, gboolean answer, gint64 arrival_us, guint32 length)
{
  Flow *f = &r->flows[index];

  if (f->forward != answer) {
    guint32 ip_bytes = length + MLO_RELAY_HEADER;
    gint64 due_us;

    r->last_arrival_us = arrival_us = MAX (arrival_us, r->last_arrival_us);
    if (r->start_us == 0)
      r->start_us = arrival_us;
    r->counters.packets_in++;
    r->counters.bytes_in += ip_bytes;
    due_us = mlo_link_send (r->link, link_time (r, arrival_us), ip_bytes);
    if (due_us == MLO_LINK_QUEUE_FULL)
      r->counters.dropped_queue++;
    else if (due_us == MLO_LINK_LOST)
      r->counters.dropped_loss++;
    else if (due_us == G_MAXINT64 ||
        !fifo_push (&r->forward, due_us - r->trace_start_us + r->start_us, index, answer, r->buffer, length))
      r->counters.dropped_other++;
  } else if (fifo_push (&r->back, arrival_us + r->back_delay_us, index, answer, r->buffer, length)) {
    r->counters.packets_back++;
  } else {
    r->counters.dropped_other++;
  }
}

static void
receive (MloRelay * r, guint8 index, gboolean answer)
{
  Flow *f = &r->flows[index];
  gint64 offset_us = clock_us (CLOCK_REALTIME) - clock_us (CLOCK_MONOTONIC);

  for (int i = 0; i < BURST; i++) {
    union
    {
      char bytes[CMSG_SPACE (sizeof (struct timespec))];
      struct cmsghdr align;
    } control;
    struct iovec part = { r->buffer, MAX_DATAGRAM };
    struct sockaddr_in from;
    struct msghdr message = {
      .msg_name = &from,.msg_namelen = sizeof from,.msg_iov = &part,.msg_iovlen = 1,
      .msg_control = control.bytes,.msg_controllen = sizeof control.bytes
    };
    ssize_t length = recvmsg (answer ? f->far_fd : f->near_fd, &message, 0);

    if (length < 0) {
      /* ECONNREFUSED: the far end is not there (yet); it says nothing of this side. */
      if (errno == EINTR || errno == ECONNREFUSED)
        continue;
      return;
    }
    if (!answer) {
      /* cppcheck-suppress uninitvar ; recvmsg () wrote it */
      f->peer = from;
      f->has_peer = TRUE;
    }
    take_in (r, index, answer, arrival_time (&message, clock_us (CLOCK_MONOTONIC), offset_us), (guint32) length);
  }
}

/* Hands on what is due. Returns when the next is, or G_MAXINT64. */
static gint64
deliver (MloRelay * r, Fifo * fifo)
{
  gint64 now_us = clock_us (CLOCK_MONOTONIC);

  while (fifo->count > 0) {
    Held *h = &fifo->items[fifo->head];
    Flow *f = &r->flows[h->flow];
    ssize_t sent;

    if (h->due_us > now_us)
      return h->due_us;
    /* A refused connection is told once, by the next call: the datagram itself was not sent. */
    for (int attempt = 0; attempt < 2; attempt++) {
      if (!h->answer)
        sent = send (f->far_fd, h->data, h->length, 0);
      else if (f->has_peer)
        sent = sendto (f->near_fd, h->data, h->length, 0, (struct sockaddr *) &f->peer, sizeof f->peer);
      else
        sent = -1;
      if (sent >= 0 || errno != ECONNREFUSED)
        break;
    }
    if (fifo == &r->forward) {
      r->counters.latest_us = MAX (r->counters.latest_us, now_us - h->due_us);
      if (sent >= 0) {
        r->counters.packets_out++;
        r->counters.bytes_out += h->length + MLO_RELAY_HEADER;
      }
    }
    if (sent < 0)
      r->counters.dropped_other++;
    fifo->bytes -= h->length;
    g_free (h->data);
    fifo->head = (fifo->head + 1) % fifo->size;
    fifo->count--;
  }
  return G_MAXINT64;
}

/* The link must not wait for the encoders beside it: without real-time priority its delays are only
 * as good as the machine is idle. */
static void
raise_priority (MloRelay * r)
{
  struct sched_param param = {.sched_priority = 10 };

  r->realtime = sched_setscheduler (0, SCHED_RR, &param) == 0;
  /* The default of 50 us would be added to each wait. */
  prctl (PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
}

gboolean
mlo_relay_run (MloRelay * r, gint64 duration_us, GError ** error)
{
  struct pollfd fds[2 * MAX_FLOWS + 1];
  gint64 next_report_us = G_MAXINT64;
  guint n_fds = 0;

  if (r->wake[0] < 0) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "no pipe");
    return FALSE;
  }
  for (guint i = 0; i < r->n_flows; i++) {
    fds[n_fds++] = (struct pollfd) { r->flows[i].near_fd, POLLIN, 0 };
    fds[n_fds++] = (struct pollfd) { r->flows[i].far_fd, POLLIN, 0 };
  }
  fds[n_fds++] = (struct pollfd) { r->wake[0], POLLIN, 0 };
  raise_priority (r);

  for (;;) {
    gint64 now_us = clock_us (CLOCK_MONOTONIC), due_us, wait_us;
    struct timespec timeout;

    /* All that arrived until now comes before the report of now. */
    for (guint i = 0; i + 1 < n_fds; i++)
      if (fds[i].revents)
        receive (r, (guint8) (i / 2), i % 2 == 1);
    due_us = deliver (r, &r->forward);
    due_us = MIN (due_us, deliver (r, &r->back));
    if (r->start_us > 0) {
      if (r->report && next_report_us == G_MAXINT64)
        next_report_us = r->start_us + r->report_interval_us;
      while (r->report && next_report_us <= now_us) {
        r->last_arrival_us = MAX (r->last_arrival_us, next_report_us);
        r->report (r->report_data, next_report_us - r->start_us, link_time (r, r->last_arrival_us), &r->counters);
        next_report_us += r->report_interval_us;
      }
      if (duration_us >= 0) {
        if (now_us - r->start_us >= duration_us)
          return TRUE;
        due_us = MIN (due_us, r->start_us + duration_us);
      }
      due_us = MIN (due_us, next_report_us);
    }
    /* CLAMP evaluates its argument three times, and the clock goes on between. */
    wait_us = due_us - clock_us (CLOCK_MONOTONIC);
    wait_us = CLAMP (wait_us, 0, G_USEC_PER_SEC);
    timeout.tv_sec = wait_us / G_USEC_PER_SEC;
    timeout.tv_nsec = wait_us % G_USEC_PER_SEC * 1000;
    if (ppoll (fds, n_fds, &timeout, NULL) < 0) {
      if (errno == EINTR)
        continue;
      g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "waiting for datagrams: %s", g_strerror (errno));
      return FALSE;
    }
    if (fds[n_fds - 1].revents)
      return TRUE;
  }
}
