/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_HUB_PRIVATE_H
#define MLO_HUB_PRIVATE_H

#include "mlo-history.h"
#include "mlo-hub.h"

G_BEGIN_DECLS

/* Older values are not shown: stale is unknown, never frozen. */
#define MLO_HUB_FRESH_US (2 * G_USEC_PER_SEC)

struct _MloHubPeer
{
  gpointer data;
  char name[MLO_STREAM_NAME_SIZE];      /* "": none */
  gint64 joined_us;
  gboolean may_limit;
  gboolean measures;            /* sent metrics of a stream that it does not control */
  gboolean measures_all;        /* and named no stream */
  gboolean own;                 /* controls a stream that it was not offered */
};

typedef struct
{
  double value;
  gint64 time_us;               /* 0: never */
  gboolean primary;             /* from the controller, or from the source of a stream without one */
} MloHubValue;

typedef struct
{
  guint64 serial;               /* of the hub's decisions: tells which are new */
  gint64 time_us;
  MloRecommendation what;
} MloHubDecision;

typedef struct
{
  char *name;                   /* unique in the hub */
  char *local;                  /* what the controller calls it; "" where it names none */
  MloHubPeer *controller;       /* NULL: nobody */
  GHashTable *audience;         /* (element-type MloHubPeer) told of decisions */
  GHashTable *offered;          /* (element-type MloHubPeer) were sent its metrics while nobody controlled it */
  gint64 first_us, last_us;     /* first and last message */
  gint64 controller_us;         /* the controller's last message, 0: never had one */
  gint64 decided_us;            /* its last recommendation, 0: never */
  MloHubValue values[MLO_N_FIELDS];
  MloRecommendation last;       /* valid where decided_us > 0 */
  MloHubDecision decisions[MLO_HUB_MAX_DECISIONS];
  guint n_decisions;            /* ever; the newest is (n - 1) % MAX */
  MloMessageLimits asked, in_force;
  gint64 asked_us, in_force_us; /* 0: never */
  MloHistory *history;
  MloHistoryJoin join;          /* since the last tick */
  MloHistoryPoint newest;       /* of the last tick */
  gboolean point;               /* whether that had one */
  guint64 n_messages, n_recommendations, n_rejected;
} MloHubStream;

struct _MloHub
{
  MloHubSendFunc send;
  gpointer user_data;
  gint64 real_offset_us;
  GPtrArray *streams;           /* (element-type MloHubStream) in the order of their coming */
  GPtrArray *peers;
  guint64 n_decisions;          /* serial of the newest decision */
  MloHubCounters counters;
};

MloHubStream *mlo_hub_stream_new (const char *name, const char *local, gint64 now_us);
void mlo_hub_stream_free (MloHubStream * s);
/* Takes over what @sample says. @primary: the word of the one who knows. */
void mlo_hub_stream_measure (MloHubStream * s, const MloSample * sample, gboolean primary, gint64 now_us);
/* The same of a recommendation; @serial counts up where it is worth remembering. */
void mlo_hub_stream_decide (MloHubStream * s, const MloMessage * m, guint64 * serial, gint64 now_us);
void mlo_hub_stream_tick (MloHubStream * s, gint64 now_us, gint64 real_us);
gboolean mlo_hub_stream_online (const MloHubStream * s, gint64 now_us);
/* Whether a value of @time_us (0: never had one) is still to be shown. */
gboolean mlo_hub_fresh (gint64 time_us, gint64 now_us);
/* NULL: none of that name. */
MloHubStream *mlo_hub_find (const MloHub * hub, const char *name);

G_END_DECLS
#endif
