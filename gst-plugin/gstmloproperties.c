/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gstmloproperties.h"

#include <string.h>

#include "gstmlomodels.h"
#include "gstmlostats.h"
#include "mlo-explorer.h"
#include "mlo-policy.h"

#define DEFAULT_MIN_BITRATE 300000
#define DEFAULT_MAX_BITRATE 20000000
#define DEFAULT_START_BITRATE 0
#define DEFAULT_TARGET_DELAY 60
#define DEFAULT_MIN_FRAMERATE 15
#define DEFAULT_MAX_FRAMERATE 0
#define DEFAULT_MIN_HEIGHT 240
#define DEFAULT_ADAPT (MLO_ADAPT_BITRATE | MLO_ADAPT_RESOLUTION | MLO_ADAPT_FRAMERATE | MLO_ADAPT_FEC)
#define DEFAULT_MODE GST_MLO_MODE_CONTROL
#define DEFAULT_INTERVAL 100
#define DEFAULT_TRAIN FALSE
#define DEFAULT_TRAIN_CPU 3.0
#define DEFAULT_TRAIN_EXPLORE (100.0 * MLO_EXPLORER_SHARE)
#define DEFAULT_GROUP_WEIGHT 1

static GParamSpec *props[GST_MLO_N_PROPS];

GType
gst_ml_optimizer_mode_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
    {GST_MLO_MODE_CONTROL, "Decide and apply", "control"},
    {GST_MLO_MODE_OBSERVE, "Decide and report, change nothing", "observe"},
    {0, NULL, NULL}
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("GstMlOptimizerMode", values));
  return type;
}

void
gst_mlo_properties_init (GstMloProperties * p)
{
  memset (p, 0, sizeof *p);
  p->min_bitrate = DEFAULT_MIN_BITRATE;
  p->max_bitrate = DEFAULT_MAX_BITRATE;
  p->start_bitrate = DEFAULT_START_BITRATE;
  p->target_delay = DEFAULT_TARGET_DELAY;
  p->min_framerate = DEFAULT_MIN_FRAMERATE;
  p->max_framerate = DEFAULT_MAX_FRAMERATE;
  p->min_height = DEFAULT_MIN_HEIGHT;
  p->adapt = DEFAULT_ADAPT;
  p->mode = DEFAULT_MODE;
  p->interval = DEFAULT_INTERVAL;
  p->train = DEFAULT_TRAIN;
  p->train_cpu = DEFAULT_TRAIN_CPU;
  p->train_explore = DEFAULT_TRAIN_EXPLORE;
  p->group_weight = DEFAULT_GROUP_WEIGHT;
}

void
gst_mlo_properties_clear (GstMloProperties * p)
{
  g_free (p->models_folder);
  g_free (p->encoder);
  g_free (p->peer);
  g_free (p->server);
  g_free (p->server_token);
  g_free (p->server_ca);
  g_free (p->record);
  g_free (p->train_dir);
  g_free (p->train_key);
  g_free (p->group);
}

gboolean
gst_mlo_properties_set (GstMloProperties * p, guint id, const GValue * value)
{
  switch (id) {
    case GST_MLO_PROP_MIN_BITRATE:
      p->min_bitrate = g_value_get_uint (value);
      break;
    case GST_MLO_PROP_MAX_BITRATE:
      p->max_bitrate = g_value_get_uint (value);
      break;
    case GST_MLO_PROP_START_BITRATE:
      p->start_bitrate = g_value_get_uint (value);
      break;
    case GST_MLO_PROP_TARGET_DELAY:
      p->target_delay = g_value_get_uint (value);
      break;
    case GST_MLO_PROP_MIN_FRAMERATE:
      p->min_framerate = g_value_get_int (value);
      break;
    case GST_MLO_PROP_MAX_FRAMERATE:
      p->max_framerate = g_value_get_int (value);
      break;
    case GST_MLO_PROP_MIN_HEIGHT:
      p->min_height = g_value_get_int (value);
      break;
    case GST_MLO_PROP_ADAPT:
      p->adapt = g_value_get_flags (value);
      break;
    case GST_MLO_PROP_MODE:
      p->mode = g_value_get_enum (value);
      break;
    case GST_MLO_PROP_INTERVAL:
      p->interval = g_value_get_uint (value);
      break;
    case GST_MLO_PROP_MODELS:
      g_free (p->models_folder);
      p->models_folder = g_value_dup_string (value);
      break;
    case GST_MLO_PROP_ENCODER:
      g_free (p->encoder);
      p->encoder = g_value_dup_string (value);
      break;
    case GST_MLO_PROP_PEER:
      g_free (p->peer);
      p->peer = g_value_dup_string (value);
      break;
    case GST_MLO_PROP_SERVER:
      g_free (p->server);
      p->server = g_value_dup_string (value);
      break;
    case GST_MLO_PROP_SERVER_TOKEN:
      g_free (p->server_token);
      p->server_token = g_value_dup_string (value);
      break;
    case GST_MLO_PROP_SERVER_CA:
      g_free (p->server_ca);
      p->server_ca = g_value_dup_string (value);
      break;
    case GST_MLO_PROP_RECORD:
      g_free (p->record);
      p->record = g_value_dup_string (value);
      break;
    case GST_MLO_PROP_TRAIN:
      p->train = g_value_get_boolean (value);
      break;
    case GST_MLO_PROP_TRAIN_DIR:
      g_free (p->train_dir);
      p->train_dir = g_value_dup_string (value);
      break;
    case GST_MLO_PROP_TRAIN_CPU:
      p->train_cpu = g_value_get_double (value);
      break;
    case GST_MLO_PROP_TRAIN_EXPLORE:
      p->train_explore = g_value_get_double (value);
      break;
    case GST_MLO_PROP_TRAIN_KEY:
      g_free (p->train_key);
      p->train_key = g_value_dup_string (value);
      break;
    case GST_MLO_PROP_GROUP:
      g_free (p->group);
      p->group = g_value_dup_string (value);
      break;
    case GST_MLO_PROP_GROUP_WEIGHT:
      p->group_weight = g_value_get_uint (value);
      break;
    case GST_MLO_PROP_GROUP_MAX_BITRATE:
      p->group_max_bitrate = g_value_get_uint (value);
      break;
    default:
      return FALSE;
  }
  return TRUE;
}

gboolean
gst_mlo_properties_get (const GstMloProperties * p, guint id, GValue * value)
{
  switch (id) {
    case GST_MLO_PROP_MIN_BITRATE:
      g_value_set_uint (value, p->min_bitrate);
      break;
    case GST_MLO_PROP_MAX_BITRATE:
      g_value_set_uint (value, p->max_bitrate);
      break;
    case GST_MLO_PROP_START_BITRATE:
      g_value_set_uint (value, p->start_bitrate);
      break;
    case GST_MLO_PROP_TARGET_DELAY:
      g_value_set_uint (value, p->target_delay);
      break;
    case GST_MLO_PROP_MIN_FRAMERATE:
      g_value_set_int (value, p->min_framerate);
      break;
    case GST_MLO_PROP_MAX_FRAMERATE:
      g_value_set_int (value, p->max_framerate);
      break;
    case GST_MLO_PROP_MIN_HEIGHT:
      g_value_set_int (value, p->min_height);
      break;
    case GST_MLO_PROP_ADAPT:
      g_value_set_flags (value, p->adapt);
      break;
    case GST_MLO_PROP_MODE:
      g_value_set_enum (value, p->mode);
      break;
    case GST_MLO_PROP_INTERVAL:
      g_value_set_uint (value, p->interval);
      break;
    case GST_MLO_PROP_MODELS:
      g_value_set_string (value, p->models_folder);
      break;
    case GST_MLO_PROP_ENCODER:
      g_value_set_string (value, p->encoder);
      break;
    case GST_MLO_PROP_PEER:
      g_value_set_string (value, p->peer);
      break;
    case GST_MLO_PROP_SERVER:
      g_value_set_string (value, p->server);
      break;
    case GST_MLO_PROP_SERVER_CA:
      g_value_set_string (value, p->server_ca);
      break;
    case GST_MLO_PROP_RECORD:
      g_value_set_string (value, p->record);
      break;
    case GST_MLO_PROP_TRAIN:
      g_value_set_boolean (value, p->train);
      break;
    case GST_MLO_PROP_TRAIN_DIR:
      g_value_set_string (value, p->train_dir);
      break;
    case GST_MLO_PROP_TRAIN_CPU:
      g_value_set_double (value, p->train_cpu);
      break;
    case GST_MLO_PROP_TRAIN_EXPLORE:
      g_value_set_double (value, p->train_explore);
      break;
    case GST_MLO_PROP_TRAIN_KEY:
      g_value_set_string (value, p->train_key);
      break;
    case GST_MLO_PROP_GROUP:
      g_value_set_string (value, p->group);
      break;
    case GST_MLO_PROP_GROUP_WEIGHT:
      g_value_set_uint (value, p->group_weight);
      break;
    case GST_MLO_PROP_GROUP_MAX_BITRATE:
      g_value_set_uint (value, p->group_max_bitrate);
      break;
    default:
      return FALSE;
  }
  return TRUE;
}

GParamSpec *
gst_mlo_properties_bitrate (void)
{
  return props[GST_MLO_PROP_BITRATE];
}

void
gst_mlo_properties_install (GObjectClass * klass)
{
  const GParamFlags live = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;
  const GParamFlags ready = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;
  const GParamFlags read = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  props[GST_MLO_PROP_MIN_BITRATE] = g_param_spec_uint ("min-bitrate", "Minimum bitrate",
      "Least bitrate given to the encoder and what makes parity of it, in bit/s", 10000, G_MAXINT, DEFAULT_MIN_BITRATE,
      live);
  props[GST_MLO_PROP_MAX_BITRATE] =
      g_param_spec_uint ("max-bitrate", "Maximum bitrate",
      "Greatest bitrate given to the encoder and what makes parity of it, in bit/s; where it is below min-bitrate it counts for both",
      10000, G_MAXINT, DEFAULT_MAX_BITRATE, live);
  props[GST_MLO_PROP_START_BITRATE] =
      g_param_spec_uint ("start-bitrate", "Start bitrate",
      "Bitrate until feedback arrives, in bit/s; 0: what the encoder is set to", 0, G_MAXINT, DEFAULT_START_BITRATE,
      ready);
  props[GST_MLO_PROP_BITRATE] =
      g_param_spec_uint ("bitrate", "Bitrate",
      "Bitrate decided on last, in bit/s; 0: nothing decided yet. Notified when it changes, from the control thread", 0,
      G_MAXUINT, 0, read);
  props[GST_MLO_PROP_ESTIMATED_BANDWIDTH] =
      g_param_spec_uint ("estimated-bandwidth", "Estimated bandwidth",
      "Capacity of the path as measured, in bit/s with packet headers; 0: not known", 0, G_MAXUINT, 0, read);
  props[GST_MLO_PROP_TARGET_DELAY] =
      g_param_spec_uint ("target-delay", "Target delay", "Queue that may stand in the network, in ms", 5, 5000,
      DEFAULT_TARGET_DELAY, live);
  props[GST_MLO_PROP_MIN_FRAMERATE] =
      g_param_spec_int ("min-framerate", "Minimum frame rate", "Least frame rate to go down to, in frames a second", 1,
      1000, DEFAULT_MIN_FRAMERATE, live);
  props[GST_MLO_PROP_MAX_FRAMERATE] =
      g_param_spec_int ("max-framerate", "Maximum frame rate",
      "Greatest frame rate, in frames a second; 0: the source's", 0, 1000, DEFAULT_MAX_FRAMERATE, live);
  props[GST_MLO_PROP_MIN_HEIGHT] =
      g_param_spec_int ("min-height", "Minimum height", "Least height of the pictures to go down to, in pixels", 16,
      16384, DEFAULT_MIN_HEIGHT, live);
  /**
   * GstMlOptimizer:adapt:
   *
   * `fec`: how many parity packets each rtpulpfecenc behind the encoder makes (its `percentage` and
   * `percentage-important`), in the pipeline, in an rtpbin or in a webrtcbin: as many as packets are lost by chance, none
   * where none are or where a queue loses them. Without `fec` the user's percentage stays. Either way the parity is part of
   * the bitrate that was decided, and the encoder gets the rest. How retransmission is done is never changed.
   */
  props[GST_MLO_PROP_ADAPT] = g_param_spec_flags ("adapt", "Adapt", "What may be changed", GST_TYPE_ML_OPTIMIZER_ADAPT,
      DEFAULT_ADAPT, live);
  props[GST_MLO_PROP_MODE] = g_param_spec_enum ("mode", "Mode", "Whether decisions are applied or only reported",
      GST_TYPE_ML_OPTIMIZER_MODE, DEFAULT_MODE, live);
  props[GST_MLO_PROP_INTERVAL] = g_param_spec_uint ("interval", "Interval",
      "Time between decisions, in ms; the models were trained for 100", 20, 1000, DEFAULT_INTERVAL, ready);
  props[GST_MLO_PROP_MODELS] = g_param_spec_string ("models", "Models",
      "Folder of " MLO_PREDICTOR_FILE " and " MLO_OPTIMIZER_FILE "; unset: the folder in the environment "
      "variable " GST_MLO_MODELS_ENV
      ", else the installed one; read in NULL to READY, an error if it was set and cannot " "be used", NULL, ready);
  props[GST_MLO_PROP_ENCODER] =
      g_param_spec_string ("encoder", "Encoder",
      "Name of the one element to drive, where it is not the encoders found downstream: NAME[/PROPERTY[/bps|kbps]]",
      NULL, live);
  /**
   * GstMlOptimizer:peer:
   *
   * Of several receivers of the one encode (webrtcbins or rtpbins behind a tee, callers of an SRT sink) the one whose
   * feedback counts: the name of its element (a webrtcbin, an rtpbin, an rtpsession, a sink, or a bin around it), or an SRT
   * caller's address as HOST or HOST:PORT. Unset, and while it is not there or was not heard for 2 s, the one that fares
   * worst decides; that it is not there is a warning, once.
   */
  props[GST_MLO_PROP_PEER] =
      g_param_spec_string ("peer", "Peer",
      "Of several receivers the one whose feedback decides: name of its webrtcbin, session or sink, or an SRT caller's "
      "address; unset: the one that fares worst", NULL, live);
  /**
   * GstMlOptimizer:server:
   *
   * The streaming server's WebSocket. What it sends as metrics fills, for 2 s, what is not measured here; each
   * decision goes back to it as a recommendation with the observation behind it; it may ask for narrower bounds
   * than the properties' (PROTOCOL.md). The stream never waits for it: a server that is away, slow or
   * talks nonsense costs a warning, once, and counts in #GstMlOptimizer:stats.
   */
  props[GST_MLO_PROP_SERVER] =
      g_param_spec_string ("server", "Server",
      "Streaming server to exchange measurements and decisions with: ws://HOST:PORT/metrics, or wss:// for TLS; needs "
      "libsoup 3, which is loaded only where this is set", NULL, ready);
  props[GST_MLO_PROP_SERVER_TOKEN] =
      g_param_spec_string ("server-token", "Server token",
      "Sent to the server as bearer token; over wss://, or it can be read on the way. Cannot be read back", NULL,
      (ready & ~G_PARAM_READABLE));
  props[GST_MLO_PROP_SERVER_CA] =
      g_param_spec_string ("server-ca", "Server CA",
      "PEM file of the authorities that are trusted to sign the server's certificate; unset: the system's", NULL,
      ready);
  /**
   * GstMlOptimizer:record:
   *
   * A file that is continued with each tick's observation: JSON Lines with the fields of #GstMlOptimizer:stats, which
   * `mloptimizer train --dataset` learns from. Written from the control thread, about once a second; no frame waits
   * for it. About 20 MB an hour; at 256 MiB, or when the disk is full, the recording ends with a warning and the
   * stream goes on. Each run is a `stream` of its own in it.
   */
  props[GST_MLO_PROP_RECORD] =
      g_param_spec_string ("record", "Record",
      "File to append each tick's measurements to as JSON Lines, for mloptimizer train --dataset; unset: none", NULL,
      ready);
  /**
   * GstMlOptimizer:train:
   *
   * Both networks go on learning from this stream, on a thread of the lowest priority, within
   * #GstMlOptimizer:train-cpu. A copy learns; it takes over only when it was better on minutes that it did not learn
   * from, and goes back when it is worse. Each such change is an element message `mloptimizer-training`: `network`
   * (#gchararray: predictor, optimizer), `event` (#gchararray: promoted, demoted), `promotions`, `demotions`,
   * `updates` (#guint64), `adapted` (#gboolean: not the network of #GstMlOptimizer:models), and where known
   * `score-shipped`, `score-champion`, `score-challenger` (#gdouble, points of R on the minutes held out).
   * What was learned is kept in #GstMlOptimizer:train-dir each minute and in PAUSED to READY, and gone on from the
   * next time. In mode observe nothing is learned.
   */
  props[GST_MLO_PROP_TRAIN] =
      g_param_spec_boolean ("train", "Train", "Whether the networks go on learning while streaming", DEFAULT_TRAIN,
      ready);
  props[GST_MLO_PROP_TRAIN_DIR] =
      g_param_spec_string ("train-dir", "Training folder",
      "Folder in which what was learned is kept, a subfolder a train-key; unset: mloptimizer in the user's data folder "
      "($XDG_DATA_HOME). One stream at a time writes to a key's; another learns without being kept, with a warning",
      NULL, ready);
  props[GST_MLO_PROP_TRAIN_CPU] =
      g_param_spec_double ("train-cpu", "Training CPU", "Computing time that learning may take, in percent of a core",
      0.1, 100.0, DEFAULT_TRAIN_CPU, ready);
  /**
   * GstMlOptimizer:train-explore:
   *
   * With #GstMlOptimizer:train: what another step of the bitrate would have brought can only be seen where one was
   * taken. Of the decisions on a path that has been calm for ten seconds, without loss or a queue, this share is left to
   * chance, at most one in five seconds; a size or a frame rate never is. `ticks-explored` in #GstMlOptimizer:stats
   * counts them.
   */
  props[GST_MLO_PROP_TRAIN_EXPLORE] =
      g_param_spec_double ("train-explore", "Training exploration",
      "With train: percent of the decisions on a quiet path in which a small step of the bitrate is left to chance, at "
      "most one in 5 s; 0: none", 0.0, 50.0, DEFAULT_TRAIN_EXPLORE, live);
  props[GST_MLO_PROP_TRAIN_KEY] =
      g_param_spec_string ("train-key", "Training key",
      "Name of the path to the player, as \"home\" or \"mobile\", so that what is learned of one does not spoil "
      "another; the last good bitrate is kept with it and is the next start where start-bitrate is 0; at most 128 "
      "bytes; unset: \"default\"", NULL, ready);
  /**
   * GstMlOptimizer:group:
   *
   * Elements of one process with the same name here share one bitrate, as streams do that leave by the same uplink:
   * #GstMlOptimizer:group-max-bitrate in all, in proportion to #GstMlOptimizer:group-weight. Each keeps within its own
   * limits, and has its min-bitrate even where that is more than there is, which is a warning. What a
   * stream's network does not let it use is the others' until it recovers. A share never grows before another has
   * given way; only one that has just joined has its share at once, and the others give way at their next decision.
   * A stream that does not play, is in observe mode or does not adapt its bitrate takes no part.
   */
  props[GST_MLO_PROP_GROUP] =
      g_param_spec_string ("group", "Group",
      "Name of a group: elements of this process with the same name share one bitrate; unset: none", NULL, ready);
  props[GST_MLO_PROP_GROUP_WEIGHT] = g_param_spec_uint ("group-weight", "Group weight",
      "Shares of the group's bitrate are in proportion to these", 1, 1000, DEFAULT_GROUP_WEIGHT, live);
  /**
   * GstMlOptimizer:group-max-bitrate:
   *
   * It is enough to set it at one of the group's elements; of several the least counts. Where none has it, the greatest
   * max-bitrate of them is what they share.
   */
  props[GST_MLO_PROP_GROUP_MAX_BITRATE] = g_param_spec_uint ("group-max-bitrate", "Group's maximum bitrate",
      "Greatest bitrate of the group's encoders together, in bit/s; 0: as another element of the group has it, or the "
      "greatest max-bitrate of them", 0, G_MAXINT, 0, live);
  /**
   * GstMlOptimizer:stats:
   *
   * A #GstStructure `application/x-mloptimizer-stats`. Counts since PAUSED (#guint64): `frames-in`,
   * `frames-out`, `frames-dropped-rate` (for the frame rate), `frames-dropped-window` (the path was
   * full), `frames-encoded`, `bytes-encoded`, `keyframes`, `bytes-in-flight`, `feedback-reports`,
   * `feedback-packets`, `feedback-packets-lost`, `feedback-packets-missed` (not taken in, for want of room),
   * `receiver-reports`, `qos-messages`, `qos-events`, `metrics-messages` (of the application or the server),
   * `metrics-rejected` (fields in them), `decisions-applied`. `peers` (#guint: receivers whose feedback per packet comes) and
   * `peer-decides` (#gboolean: the one of #GstMlOptimizer:peer is there). Further `encoder` (#gchararray, factory name),
   * `encoder-bitrate` (#guint, bit/s, last given to its property), `encoder-deaf` and `has-models` (#gboolean). Of several
   * encoders the first that is named is the one that leads, the bitrate is that of all, and deaf is any; `encoders`
   * (#GstStructure) has each as `encoder-0`, `encoder-1`, ... (#GstStructure) with `name`, `factory` (#gchararray), `bitrate` and `deaf`.
   * Where something makes parity: `fec-percentage` (#gdouble, parity packets in a hundred others, as set now) and
   * `fec-overhead` (#gdouble, bytes of parity a byte of the encoder's).
   *
   * While there is a line to #GstMlOptimizer:server: `server-state` (#gchararray: connecting, open, waiting),
   * `server-connects`, `server-failures` (attempts and connections that ended), `server-received`, `server-sent`,
   * `server-dropped` (recommendations for which it was too slow), `server-rejected` (texts that are no messages or
   * too many, fields that make no sense; all #guint64) and `server-error` (#gchararray, the last failure's cause).
   *
   * In a #GstMlOptimizer:group: `group-share` and `group-bitrate` (#guint, bit/s: what this element may have, and what all
   * may), `group-members` (#guint, those that share now).
   *
   * Measurements of the last tick, each #gdouble and present only while valid: `latency_ms` (round trip),
   * `queue_delay_ms`, `jitter_ms`, `packet_loss` (0..1), `bandwidth_kbps` (the path's capacity, kbit/s
   * with headers), `delivered_kbps`, `sent_kbps`, `bitrate_kbps` (target), `encoded_kbps` (measured, with the parity made of it), `fps`,
   * `frame_time_ms`, `encode_time_ms`, `decode_time_ms` (as the receiver tells), `frame_drops` (downstream, in the last second), `buffer_occupancy` (0..1 of
   * the window), `cpu_usage`, `gpu_usage`, `memory_usage`, `complexity`, `quality_score` (0..1), and
   * #gint `width` and `height` in pixels at the encoder.
   *
   * `decision` (#GstStructure): the fields of #GstMlOptimizer::decision.
   *
   * `training` (#GstStructure), with #GstMlOptimizer:train: `ticks` (taken in), `ticks-refused` (not believed),
   * `ticks-lost` (no room), `ticks-explored` (actions by chance), `labels`, `steps` (slices of work), `saves`,
   * `save-failures`, `streams` (learned from, over all runs; all #guint64), `minutes` (of them, #gdouble), `cpu`
   * (percent of a core since the start, #gdouble), `cpu-time` and `time` (#guint64, ns), and for each network
   * `predictor` and `optimizer` (#GstStructure) `adapted` (#gboolean), `updates`, `undone`, `judgements`, `promotions`,
   * `demotions`, `resets` (challengers given up; all #guint64), and where known `loss`, `score-shipped`,
   * `score-champion`, `score-challenger` (#gdouble).
   */
  props[GST_MLO_PROP_STATS] = g_param_spec_boxed ("stats", "Statistics",
      "Structure " GST_MLO_STATS_NAME
      ": counts, the last tick's measurements (units in the field names) and the decision", GST_TYPE_STRUCTURE, read);
  g_object_class_install_properties (klass, GST_MLO_N_PROPS, props);
}
