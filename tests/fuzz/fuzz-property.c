/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties that hold text with a meaning: the encoder's name, property and unit, the server's address and token, and the
 * group. One a line; a pipeline with elements to find is there. */
#include <string.h>

#include "gstmlogroup.h"
#include "gstmlopath.h"
#include "mlo-error.h"
#include "mlo-ws-uri.h"

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

static GstElement *pipeline;
static GstPad *src;

#ifdef __has_feature
#if __has_feature (address_sanitizer)
#define ADDRESS_SANITIZER
#endif
#elif defined (__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER
#endif

#ifdef ADDRESS_SANITIZER
/* GLib's constructor allocates the table of quarks, 2048 pointers, and when GStreamer's names outgrow it drops it without freeing it,
 * as others may be reading it: once, whatever the input. What libraries allocate before main is no leak of the element's. */
#include <sanitizer/lsan_interface.h>

typedef void (*Constructor) (void);

static void after_libraries (void) __attribute__((constructor));

/* Runs before the constructors of the libraries; the other after them. */
static const Constructor before_libraries __attribute__((section (".preinit_array"), used)) = __lsan_disable;

static void
after_libraries (void)
{
  __lsan_enable ();
}
#endif

static void
prepare (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) source = NULL;

  gst_init (NULL, NULL);
  /* Elements of GStreamer itself: one has a number named as a bitrate could be, all have texts and flags. */
  pipeline = gst_parse_launch ("fakesrc name=a ! identity name=b ! queue name=c/d ! fakesink name=e", &error);
  g_assert_no_error (error);
  source = gst_bin_get_by_name (GST_BIN (pipeline), "a");
  src = gst_element_get_static_pad (source, "src");
}

static void
encoder (const char *text)
{
  g_auto (GstMloPath) path = { 0 };

  gst_mlo_path_find (&path, src, pipeline, text);
  for (guint i = 0; i < path.n_encoders; i++) {
    const GstMloPathEncoder *e = &path.encoders[i];
    double kbps = gst_mlo_encoder_get_kbps (&e->encoder, e->element);

    gst_mlo_encoder_set_kbps (&e->encoder, e->element, 1234.5);
    gst_mlo_encoder_set_kbps (&e->encoder, e->element, kbps);
  }
}

static void
server (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) uri = mlo_ws_uri_parse (text, &error);

  g_assert_true ((uri == NULL) == (error != NULL));
  if (uri) {
    g_assert_nonnull (g_uri_get_host (uri));
    g_assert_null (g_uri_get_userinfo (uri));
  } else {
    g_assert_true (error->domain == MLO_ERROR && error->code == MLO_ERROR_ARGUMENT);
  }
}

static void
token (const char *text)
{
  g_autoptr (GError) error = NULL;

  /* what would end a header and begin another one */
  if (mlo_ws_token_check (text, &error))
    g_assert_null (strpbrk (text, "\r\n"));
  else
    g_assert_nonnull (error);
}

static void
group (const char *text)
{
  const MloBudgetClaim claim = { 300.0, 20000.0, 1.0, 10000.0, -1.0 };
  GstMloGroup *one = gst_mlo_group_join (text), *two = gst_mlo_group_join (text);
  MloBudgetShare share;

  gst_mlo_group_claim (one, &claim, &share);
  gst_mlo_group_claim (two, &claim, &share);
  g_assert_cmpuint (share.members, ==, 2);
  gst_mlo_group_leave (one);
  gst_mlo_group_leave (two);
}

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  g_autofree char *text = g_strndup (size > 0 ? (const char *) data : "", size);
  g_auto (GStrv) lines = g_strsplit (text, "\n", 32);

  if (!pipeline)
    prepare ();
  for (guint i = 0; lines[i]; i++) {
    const char *value = strchr (lines[i], '=');

    if (!value)
      continue;
    value++;
    if (g_str_has_prefix (lines[i], "encoder="))
      encoder (value);
    else if (g_str_has_prefix (lines[i], "server="))
      server (value);
    else if (g_str_has_prefix (lines[i], "server-token="))
      token (value);
    else if (g_str_has_prefix (lines[i], "group=") && *value)
      group (value);
  }
  return 0;
}
