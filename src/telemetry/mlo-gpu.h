/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_GPU_H
#define MLO_GPU_H

#include <gmodule.h>

#include "mlo-sample.h"

G_BEGIN_DECLS

#define MLO_GPU_MOST 8

/* Where a card's load comes from. */
typedef enum
{
  MLO_GPU_BUSY_PERCENT,         /* amdgpu: gpu_busy_percent, 0 to 100 */
  MLO_GPU_IDLE_MS,              /* i915, xe: the time asleep so far, ms; the rest was busy */
} MloGpuKind;

typedef struct
{
  MloGpuKind kind;
  char path[192];
  guint64 idle_ms;              /* at the last reading */
} MloGpuCard;

/**
 * MloGpu: load of the graphics processors, from sysfs (amdgpu, i915, xe) and NVIDIA's management library, which is loaded
 * only where the driver is. The busiest counts. Call it once a second, outside the streaming thread: it does I/O,
 * and NVML takes a millisecond. Plain struct; one thread.
 */
typedef struct
{
  MloGpuCard cards[MLO_GPU_MOST];
  guint n_cards;
  gint64 last_us;               /* 0: not read yet */
  GModule *nvml;                /* NULL: none */
  gpointer devices[MLO_GPU_MOST];
  guint n_devices;
  int (*utilization) (gpointer device, unsigned int rates[2]);
  int (*shutdown) (void);
} MloGpu;

/* @sysfs_root: NULL for /sys. @nvml: file of the library; NULL for the system's, where NVIDIA's driver is loaded. */
void mlo_gpu_init (MloGpu * g, const char *sysfs_root, const char *nvml);
void mlo_gpu_clear (MloGpu * g);

/* Sets gpu_usage, or leaves it unset where there is nothing to read (idle times: at the first call). */
void mlo_gpu_read (MloGpu * g, gint64 now_us, MloSample * sample);

G_END_DECLS
#endif
