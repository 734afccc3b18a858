/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef FAKE_NETWORK_H
#define FAKE_NETWORK_H

#include <gst/gst.h>

G_BEGIN_DECLS

/**
 * FakeNetwork: what leaves the encoder goes through a bottleneck of @kbps with a queue of 300 ms and 20 ms each way, and
 * every 15 ms a report on it comes back upstream as rtpsession would send it, with the faults asked for.
 */
typedef struct _FakeNetwork FakeNetwork;

/* Bits. */
typedef enum
{
  FAKE_LOST = 1 << 0,           /* two of three reports */
  FAKE_SILENT = 1 << 1,         /* all reports */
  FAKE_TWICE = 1 << 2,          /* each report again, and again later */
  FAKE_SHUFFLED = 1 << 3,       /* packets in any order, and reports after later ones */
  FAKE_LATE = 1 << 4,           /* reports two seconds late */
  FAKE_WRAP = 1 << 5,           /* the receiver's clock passes 2^64 ns */
  FAKE_JUMP = 1 << 6,           /* the sender's clock is an hour ahead */
  FAKE_BACK = 1 << 7,           /* the sender's clock is an hour behind */
  FAKE_NONSENSE = 1 << 8,       /* fields of random bits */
  FAKE_FOREIGN = 1 << 9,        /* reports on a stream that is not ours come as well */
} FakeFault;

/* @sink: the pad behind the encoder that swallows the frames; reports go up from it. */
FakeNetwork *fake_network_new (GstPad * sink, guint kbps);
void fake_network_set (FakeNetwork * n, FakeFault faults);
/* With the pipeline in NULL. */
void fake_network_free (FakeNetwork * n);

G_END_DECLS
#endif
