/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_MLO_PATH_H
#define GST_MLO_PATH_H

#include "gstmloencoder.h"

G_BEGIN_DECLS

/* The RTP header extension without which there is no per-packet feedback. */
#define GST_MLO_TWCC_URI "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

/* Encoders that are driven at most. */
#define GST_MLO_ENCODERS_MOST 8

typedef struct
{
  GstElement *element;          /* owned */
  GstMloEncoder encoder;        /* how it is driven */
} GstMloPathEncoder;

/**
 * GstMloPath: what stands behind the element.
 */
typedef struct
{
  GstMloPathEncoder encoders[GST_MLO_ENCODERS_MOST];    /* those that are driven, in the order they were met */
  guint n_encoders;
  GstElement *session;          /* the first rtpsession our packets go through, owned; NULL: none found */
  GPtrArray *sessions;          /* (element-type GstElement) all of them, owned; NULL: none */
  GPtrArray *sinks;             /* (element-type GstElement) network sinks that can be asked, owned; NULL: none */
  GPtrArray *parity;            /* (element-type GstElement) what makes parity packets of it, owned; NULL: nothing */
  gboolean rtp_caps;            /* RTP caps were seen on the way */
  gboolean twcc;                /* they name the transport-wide extension */
  gboolean have_ssrc;
  guint ssrc;                   /* of our stream */
  int clock_rate;               /* of the RTP timestamps; 0: not known */
  gboolean fixed_size;          /* a muxer follows that takes no new size */
} GstMloPath;

/**
 * gst_mlo_path_find:
 * Follows the links from @src downstream, breadth first, through bins, tees, queues, muxers
 * and payloaders, up to the rtpsessions and the network sinks. All encoders met are taken; but where some lead to the
 * network and some do not (a recording), those that do, and of two in a row the first. Any thread that holds no lock;
 * takes the pads' object locks one at a time.
 * @override: NULL or "NAME[/PROPERTY[/bps|kbps]]": the element of that name in @top's bins is the
 * encoder, whatever it is. @top may be NULL, and then none is found by name.
 */
void gst_mlo_path_find (GstMloPath * path, GstPad * src, GstElement * top, const char *override);
/* Gives those encoders that are in NULL or READY the settings they need. (transfer full): what was wrong with the user's
 * own, for a warning, or NULL. */
char *gst_mlo_path_prepare (const GstMloPath * path);
/* From now on @name, where it is that of a session on the path or of a bin around one (a webrtcbin, an rtpbin), is the
 * session whose reports are read; FALSE: none is. */
gboolean gst_mlo_path_choose_session (GstMloPath * path, const char *name);
void gst_mlo_path_clear (GstMloPath * path);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (GstMloPath, gst_mlo_path_clear)

/* Whether @element is of the factory of that name. */
gboolean gst_mlo_path_is_factory (GstElement * element, const char *name);

/* Whether @name is that of @element or of a bin around it. */
gboolean gst_mlo_path_is_named (GstElement * element, const char *name);

/* The outermost parent of @element, which may be @element; owned by the caller. */
GstElement *gst_mlo_path_top (GstElement * element);

G_END_DECLS
#endif
