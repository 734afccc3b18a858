/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_POLICY_H
#define MLO_POLICY_H

#include "mlo-action.h"
#include "mlo-packet.h"
#include "mlo-sample.h"

G_BEGIN_DECLS

/**
 * MloLimits: what the user allows. Rates in kbit/s of encoder output.
 */
typedef struct
{
  double min_bitrate_kbps, max_bitrate_kbps;
  double start_bitrate_kbps;
  double target_delay_ms;       /* queue that may stand */
  double min_fps, max_fps;      /* max 0: the source's */
  int min_height;
  guint adapt;                  /* MloAdapt bits */
} MloLimits;

extern const MloLimits mlo_limits_default;

/**
 * MloSource: the pictures that come in. Zero where not known.
 */
typedef struct
{
  int width, height;
  double fps;
} MloSource;

/**
 * MloActuatorTraits: what the encoder and the element can do, so that what cannot be done is not chosen.
 */
typedef struct
{
  gboolean can_bitrate, can_resolution, can_framerate;
  gboolean deaf;                /* measured: does not follow its bitrate property */
  gboolean keyframe_on_bitrate; /* answers each change with a key frame: wide dead band */
  double dead_band;             /* relative change below which the bitrate stays, e.g. 0.03 */
  gint64 min_change_us;         /* least time between two upward changes */
  gboolean can_preset;
  gboolean preset_restarts;     /* a preset costs a restart with a key frame, as a size does */
  int preset_faster, preset_slower;     /* steps that there are from the encoder's own preset */
} MloActuatorTraits;

extern const MloActuatorTraits mlo_actuator_traits_default;

/**
 * MloProbe: padding that a policy wants sent beside the frames, packets of MLO_PADDING_BYTES evenly spaced, to
 * see whether the path carries more than the bitrate. They are no media: a lost one breaks no picture.
 */
typedef struct
{
  double kbps;                  /* IP bytes */
  guint packets;
} MloProbe;

/**
 * MloPolicy: a rate controller seen from outside, ours or a baseline. Values in, decision out; no
 * clock, no I/O, no lock: the caller passes the time (monotonic, us) and calls from one thread.
 * The decision returned stays valid until the next call.
 */
typedef struct _MloPolicy MloPolicy;

typedef struct
{
  const char *name;
  /* Transport-wide feedback arrived: @n packets in the order they were sent. */
  void (*on_packets) (MloPolicy * self, gint64 now_us, const MloPacket * packets, guint n);
  /* A frame of @bytes left the encoder. */
  void (*on_frame_sent) (MloPolicy * self, gint64 now_us, guint32 bytes, gboolean keyframe);
  /* An RTCP receiver report arrived. */
  void (*on_receiver_report) (MloPolicy * self, gint64 now_us, const MloReceiverReport * report);
  /* Once an interval. @local: what the sender measured itself (frames, encoder, machine) and what
   * the application told; the policy adds what feedback says. */
  const MloDecision *(*tick) (MloPolicy * self, gint64 now_us, const MloSample * local);
  /* After feedback, between ticks: the guard alone. NULL when nothing changed. */
  const MloDecision *(*react) (MloPolicy * self, gint64 now_us);
  /* Asked after every tick and every feedback: TRUE where @probe is to be sent from now on. NULL: never. */
  gboolean (*probe) (MloPolicy * self, gint64 now_us, MloProbe * probe);
  void (*free) (MloPolicy * self);
} MloPolicyClass;

struct _MloPolicy
{
  const MloPolicyClass *klass;
};

static inline void
mlo_policy_free (MloPolicy * p)
{
  if (p)
    p->klass->free (p);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MloPolicy, mlo_policy_free)

G_END_DECLS
#endif
