/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-gpu.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NVML "libnvidia-ml.so.1"
/* There as soon as the driver is. */
#define NVIDIA "/proc/driver/nvidia/version"

static const struct
{
  MloGpuKind kind;
  const char *file;             /* in a card's folder */
} known[] = {
  {MLO_GPU_BUSY_PERCENT, "device/gpu_busy_percent"},
  {MLO_GPU_IDLE_MS, "gt/gt0/rc6_residency_ms"},
  {MLO_GPU_IDLE_MS, "power/rc6_residency_ms"},  /* before Linux 5.18 */
  {MLO_GPU_IDLE_MS, "device/tile0/gt0/gtidle/idle_residency_ms"},
};

static gboolean
read_number (const char *path, guint64 * value)
{
  char text[32];
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  gssize n;
  char *end;

  if (fd < 0)
    return FALSE;
  n = read (fd, text, sizeof text - 1);
  close (fd);
  if (n <= 0)
    return FALSE;
  text[n] = '\0';
  if (!g_ascii_isdigit (text[0]))
    return FALSE;
  *value = g_ascii_strtoull (text, &end, 10);
  return *end == '\0' || *end == '\n';
}

static void
add_card (MloGpu * g, const char *folder)
{
  guint64 value;

  for (guint i = 0; i < G_N_ELEMENTS (known); i++) {
    MloGpuCard *card = &g->cards[g->n_cards];

    if (g_snprintf (card->path, sizeof card->path, "%s/%s", folder, known[i].file) >= (int) sizeof card->path
        || !read_number (card->path, &value))
      continue;
    card->kind = known[i].kind;
    g->n_cards++;
    return;
  }
}

/* card0, card1, ...; not card0-HDMI-A-1, which is what is plugged in. */
static void
find_cards (MloGpu * g, const char *root)
{
  g_autofree char *class = g_build_filename (root, "class", "drm", NULL);
  g_autoptr (GDir) dir = g_dir_open (class, 0, NULL);
  const char *name;

  while (dir && g->n_cards < MLO_GPU_MOST && (name = g_dir_read_name (dir))) {
    g_autofree char *folder = g_build_filename (class, name, NULL);

    if (g_str_has_prefix (name, "card") && name[4] != '\0' && strspn (name + 4, "0123456789") == strlen (name + 4))
      add_card (g, folder);
  }
}

static gboolean
symbol (GModule * m, const char *name, gpointer function)
{
  gpointer found = NULL;

  if (!g_module_symbol (m, name, &found) || !found)
    return FALSE;
  memcpy (function, &found, sizeof found);
  return TRUE;
}

/* NVML's ABI, which is kept: all return 0 for success. */
static void
open_nvml (MloGpu * g, const char *file)
{
  GModule *m = g_module_open (file, G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  int (*init) (void);
  int (*count) (unsigned int *n);
  int (*handle) (unsigned int i, gpointer * device);
  unsigned int n = 0;

  if (!m)
    return;
  if (!symbol (m, "nvmlInit_v2", &init) || !symbol (m, "nvmlDeviceGetCount_v2", &count)
      || !symbol (m, "nvmlDeviceGetHandleByIndex_v2", &handle)
      || !symbol (m, "nvmlDeviceGetUtilizationRates", &g->utilization) || !symbol (m, "nvmlShutdown", &g->shutdown)
      || init () != 0) {
    g_module_close (m);
    return;
  }
  g->nvml = m;
  if (count (&n) != 0)
    n = 0;
  for (unsigned int i = 0; i < n && g->n_devices < MLO_GPU_MOST; i++) {
    if (handle (i, &g->devices[g->n_devices]) == 0)
      g->n_devices++;
  }
}

void
mlo_gpu_init (MloGpu * g, const char *sysfs_root, const char *nvml)
{
  memset (g, 0, sizeof *g);
  find_cards (g, sysfs_root ? sysfs_root : "/sys");
  if (nvml || g_file_test (NVIDIA, G_FILE_TEST_EXISTS))
    open_nvml (g, nvml ? nvml : NVML);
}

void
mlo_gpu_clear (MloGpu * g)
{
  if (g->nvml) {
    g->shutdown ();
    g_module_close (g->nvml);
  }
  memset (g, 0, sizeof *g);
}

/* 0..1; < 0: nothing to be read now. */
static double
card_usage (MloGpuCard * card, double elapsed_ms)
{
  guint64 value, before = card->idle_ms;

  if (!read_number (card->path, &value))
    return -1.0;
  if (card->kind == MLO_GPU_BUSY_PERCENT)
    return value <= 100 ? (double) value / 100.0 : -1.0;
  card->idle_ms = value;
  /* A counter that went back (a reset) says nothing. */
  if (elapsed_ms <= 0.0 || value < before)
    return -1.0;
  return CLAMP (1.0 - (double) (value - before) / elapsed_ms, 0.0, 1.0);
}

void
mlo_gpu_read (MloGpu * g, gint64 now_us, MloSample * sample)
{
  double elapsed_ms = g->last_us != 0 ? (double) (now_us - g->last_us) / 1000.0 : 0.0, busiest = -1.0;

  for (guint i = 0; i < g->n_cards; i++) {
    double usage = card_usage (&g->cards[i], elapsed_ms);

    busiest = MAX (busiest, usage);
  }
  for (guint i = 0; i < g->n_devices; i++) {
    unsigned int rates[2] = { 0, 0 };   /* GPU and memory, percent */

    if (g->utilization (g->devices[i], rates) == 0 && rates[0] <= 100)
      busiest = MAX (busiest, rates[0] / 100.0);
  }
  g->last_us = now_us;
  if (busiest >= 0.0)
    mlo_sample_set (sample, MLO_FIELD_GPU_USAGE, busiest);
}
