/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_MESSAGE_H
#define MLO_MESSAGE_H

#include "mlo-action.h"
#include "mlo-sample.h"

G_BEGIN_DECLS

/**
 * MloMessage: the WebSocket protocol's messages (PROTOCOL.md), JSON text to plain structs and back.
 * No I/O, no state, any thread.
 */

/* Bounds of one text frame, checked before a JSON parser sees it. */
#define MLO_MESSAGE_MAX_BYTES (64 * 1024)
#define MLO_MESSAGE_MAX_DEPTH 16
/* Objects in one frame (an array of samples). */
#define MLO_MESSAGE_MAX_OBJECTS 256
/* With the NUL. */
#define MLO_STREAM_NAME_SIZE 64
/* Frames a second that a receiver has to take from one connection; what is beyond it may drop. */
#define MLO_MESSAGE_MAX_RATE 200

typedef enum
{
  MLO_MESSAGE_METRICS,          /* no "type", or "metrics": an observation */
  MLO_MESSAGE_RECOMMENDATION,   /* a decision with the telemetry it rests on */
  MLO_MESSAGE_LIMITS,           /* the other side asks for other limits */
  MLO_MESSAGE_LIMITS_APPLIED,   /* and what came of it */
} MloMessageType;

/* Limits asked for or in force; what is not given is < 0 (mode: -1). A "limits" message replaces the one before as a
 * whole: what it does not give is the other side's own again. */
typedef struct
{
  double min_bitrate_kbps, max_bitrate_kbps;
  int mode;                     /* 0 control, 1 observe */
} MloMessageLimits;

/* What a recommendation says, as far as a reader needs it. */
typedef struct
{
  MloAction action;             /* what it changes most */
  MloGuardState state;
  MloLimiter limiter;
  char reason[128];             /* for people */
  double bitrate_kbps;
  double predicted_kbps, capacity_kbps; /* < 0: unknown */
  double confidence;            /* 0..1 */
  int width, height;            /* 0: the source's */
  double fps;                   /* 0: the source's */
} MloRecommendation;

typedef struct
{
  MloMessageType type;
  char stream[MLO_STREAM_NAME_SIZE];    /* "" where the message names none */
  gint64 real_time_us;          /* "timestamp" in us since 1970 (or the sender's epoch), 0: none */
  MloSample sample;             /* metrics and recommendation; its timestamp_us is 0 */
  guint rejected;               /* known fields of a wrong type or outside their bounds: left out */
  char rejected_field[32];      /* the first of them */
  MloRecommendation recommendation;
  MloMessageLimits limits;      /* limits, limits_applied; a recommendation that says what is in force */
} MloMessage;

typedef void (*MloMessageFunc) (const MloMessage * message, gpointer user_data);

/**
 * mlo_message_parse:
 * @text: one text frame, not necessarily NUL-terminated
 * @func: called for each message in it, in order, once the whole text proved well-formed
 *
 * An object or an array of objects. Unknown fields and unknown types are passed over, wrong
 * values left out and counted. null is a value that was not measured. A stream's name may be an integer ("7" and 7
 * are the same).
 *
 * Returns: how many messages were handed on, -1 with MLO_ERROR_* where the text as a whole is refused: too long, too
 * deep or too many (_TOO_LARGE), not JSON (_FORMAT, _TRUNCATED), not objects (_TYPE), or a stream's name that is none
 * (longer than 63 bytes, another type, control characters). The message names the object and the field.
 */
int mlo_message_parse (const char *text, gsize length, MloMessageFunc func, gpointer user_data, GError ** error);

/* A MloMessageFunc for a text that is to be one message: copies it to @user_data, a MloMessage. */
void mlo_message_keep (const MloMessage * message, gpointer user_data);

/**
 * mlo_message_check_stream:
 * Returns: FALSE with MLO_ERROR_* where @name is none that a stream may have (too long, not UTF-8, control characters).
 */
gboolean mlo_message_check_stream (const char *name, GError ** error);

/* All of these return one JSON text without line breaks, (transfer full). @stream: "" leaves it out. */

/* @before: the decision that was in force, for "quality_action": what differs becomes target_*, and the action is the
 * one that leads there (size, else frame rate, preset, bitrate); NULL: nothing differs. @limits may be NULL. @source_width, @source_height, @source_fps fill what the decision leaves to the source; 0: not known. */
char *mlo_message_recommendation (const char *stream, gint64 real_time_us, const MloDecision * decision,
    const MloDecision * before, const MloSample * sample, const MloMessageLimits * limits, int source_width,
    int source_height, double source_fps);
char *mlo_message_metrics (const char *stream, gint64 real_time_us, const MloSample * sample);
char *mlo_message_limits (const char *stream, const MloMessageLimits * limits);
char *mlo_message_limits_applied (const char *stream, const MloMessageLimits * limits);

G_END_DECLS
#endif
