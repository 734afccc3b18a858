/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_CHANNEL_H
#define MLO_CHANNEL_H

#include "mlo-message.h"

G_BEGIN_DECLS

/**
 * MloChannel: an element's line to its streaming server, in a module of its own, because it needs libsoup 3, and a
 * process that holds libsoup 2 dies of that. Whoever wants one opens the module, looks the table up and checks
 * @version and the sizes; nothing else is shared. The channel has a thread; everything is handed over by copies.
 */
#define MLO_CHANNEL_FILE "libmlochannel.so"
#define MLO_CHANNEL_SYMBOL "mlo_channel_table"

typedef struct _MloChannel MloChannel;

/* Strings are copied. As in MloWsConfig. */
typedef struct
{
  const char *uri, *token, *ca_file;
  guint64 seed;
} MloChannelConfig;

typedef enum
{
  MLO_CHANNEL_WARN_CONNECTION,  /* cannot be had, or was lost */
  MLO_CHANNEL_WARN_TEXT,        /* the server sends what is no message */
} MloChannelWarning;

/* Called on the channel's thread, with no lock held; not after close. */
typedef struct
{
  /* An observation of the server's; @rejected: fields of it that were left out. */
  void (*metrics) (gpointer user_data, const MloSample * sample, guint rejected);
  /* The server asks for limits; @in_force: what it gets, which it is told. */
  void (*limits) (gpointer user_data, const MloMessageLimits * asked, MloMessageLimits * in_force);
  /* Each time; @text is for people. */
  void (*warn) (gpointer user_data, MloChannelWarning cause, const char *text);
} MloChannelFuncs;

/* One decision with all that it rests on. */
typedef struct
{
  gint64 real_time_us;
  MloDecision decision, before; /* their reasons: static strings */
  MloSample sample;
  MloMessageLimits limits;      /* in force */
  int source_width, source_height;
  double source_fps;
} MloChannelReport;

/* Since open. */
typedef struct
{
  const char *state;            /* static: "connecting", "open", "waiting" */
  guint64 connects, failures;
  guint64 received;             /* texts */
  guint64 sent;                 /* texts */
  guint64 dropped;              /* reports for which the server, or the channel's thread, was too slow */
  guint64 rejected;             /* texts that were no messages, fields left out, texts over the rate */
  char last_error[160];
} MloChannelCounts;

typedef struct
{
  const char *version;          /* MLO_VERSION */
  gsize report_size, counts_size;

  /* Starts the thread, which begins to connect. NULL with MLO_ERROR_* on a wrong address, token or CA file. */
  MloChannel *(*open) (const MloChannelConfig * config, const MloChannelFuncs * funcs, gpointer user_data,
      GError ** error);
  /* These two: any thread; a copy under a short lock, no I/O, no allocation. What cannot be sent now is dropped. */
  void (*report) (MloChannel * channel, const MloChannelReport * report);
  void (*get_counts) (MloChannel * channel, MloChannelCounts * counts);
  /* Ends the thread and joins it: milliseconds, whatever the server does. Not with a lock that the callbacks take. */
  void (*close) (MloChannel * channel);
} MloChannelTable;

/* Looked up by MLO_CHANNEL_SYMBOL. */
extern const MloChannelTable mlo_channel_table;

G_END_DECLS
#endif
