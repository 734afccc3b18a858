/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin's side of the line to the streaming server. */
#include "gstmloserver.h"

#include <dlfcn.h>
#include <string.h>

#include <gmodule.h>

#include "mlo-error.h"
#include "mlo-relocate.h"

#define LIBSOUP_2 "libsoup-2.4.so.1"

const MloMessageLimits gst_mlo_server_nothing_asked = { -1.0, -1.0, -1 };

/* Only asks; never loads. */
static gboolean
has_libsoup_2 (void)
{
  void *handle = dlopen (LIBSOUP_2, RTLD_LAZY | RTLD_NOLOAD);

  if (handle)
    dlclose (handle);
  return handle != NULL;
}

/* The build's own or the installed one; NULL: none. */
static char *
find_module (void)
{
  Dl_info info;

  if (dladdr ((void *) has_libsoup_2, &info) && info.dli_fname) {
    g_autofree char *plugin = g_path_get_dirname (info.dli_fname);
    g_autofree char *built = g_build_filename (plugin, "../src/service", MLO_CHANNEL_FILE, NULL);

    if (g_file_test (built, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&built);
  }
  return mlo_relocate_found (has_libsoup_2, MLO_PLUGIN_DIR, MLO_PREFIX, MLO_CHANNEL_DIR "/" MLO_CHANNEL_FILE);
}

const MloChannelTable *
gst_mlo_server_load (GError ** error)
{
  g_autofree char *path = NULL;
  const MloChannelTable *table;
  gpointer symbol = NULL;
  GModule *module;

  if (has_libsoup_2 ()) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_VERSION, "libsoup 2 is in this process already, and the connection needs "
        "libsoup 3, which cannot be loaded beside it");
    return NULL;
  }
  path = find_module ();
  if (!path) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s is not installed", MLO_CHANNEL_FILE);
    return NULL;
  }
  module = g_module_open (path, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  if (!module) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_IO, "%s", g_module_error ());
    return NULL;
  }
  /* Types of libsoup and GIO cannot be unloaded. */
  g_module_make_resident (module);
  if (!g_module_symbol (module, MLO_CHANNEL_SYMBOL, &symbol)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_FORMAT, "%s is no module of mloptimizer", path);
    return NULL;
  }
  table = symbol;
  if (strcmp (table->version, MLO_VERSION) != 0 || table->report_size != sizeof (MloChannelReport)
      || table->counts_size != sizeof (MloChannelCounts)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_VERSION, "%s is of another version (%s) than the plugin (%s)", path,
        table->version, MLO_VERSION);
    return NULL;
  }
  return table;
}

void
gst_mlo_server_narrow (GstMloSettings * settings, const MloMessageLimits * asked)
{
  MloLimits *l = &settings->limits;

  if (asked->max_bitrate_kbps >= 0.0)
    l->max_bitrate_kbps = CLAMP (asked->max_bitrate_kbps, l->min_bitrate_kbps, l->max_bitrate_kbps);
  if (asked->min_bitrate_kbps >= 0.0)
    l->min_bitrate_kbps = CLAMP (asked->min_bitrate_kbps, l->min_bitrate_kbps, l->max_bitrate_kbps);
  if (asked->mode == GST_MLO_MODE_OBSERVE)
    settings->mode = GST_MLO_MODE_OBSERVE;
}

MloMessageLimits
gst_mlo_server_limits (const GstMloSettings * settings)
{
  MloMessageLimits limits = {
    .min_bitrate_kbps = settings->limits.min_bitrate_kbps,
    .max_bitrate_kbps = settings->limits.max_bitrate_kbps,
    .mode = (int) settings->mode,
  };

  return limits;
}

void
gst_mlo_server_add_stats (GstStructure * s, const MloChannelCounts * n)
{
  gst_structure_set (s,
      "server-state", G_TYPE_STRING, n->state,
      "server-connects", G_TYPE_UINT64, n->connects,
      "server-failures", G_TYPE_UINT64, n->failures,
      "server-received", G_TYPE_UINT64, n->received,
      "server-sent", G_TYPE_UINT64, n->sent,
      "server-dropped", G_TYPE_UINT64, n->dropped,
      "server-rejected", G_TYPE_UINT64, n->rejected, "server-error", G_TYPE_STRING, n->last_error, NULL);
}
