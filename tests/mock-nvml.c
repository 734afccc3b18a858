/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A library with NVML's names and ABI, for a test: two devices, loads from the environment (MOCK_NVML="12 34"), a
 * device's number above 100 fails. MOCK_NVML_DOWN is set by nvmlShutdown. */
#include <gmodule.h>
#include <stdio.h>

G_MODULE_EXPORT int nvmlInit_v2 (void);
G_MODULE_EXPORT int nvmlShutdown (void);
G_MODULE_EXPORT int nvmlDeviceGetCount_v2 (unsigned int *n);
G_MODULE_EXPORT int nvmlDeviceGetHandleByIndex_v2 (unsigned int i, void **device);
G_MODULE_EXPORT int nvmlDeviceGetUtilizationRates (void *device, unsigned int rates[2]);

static unsigned int loads[2];

int
nvmlInit_v2 (void)
{
  return g_getenv ("MOCK_NVML") ? 0 : 9;        /* NVML_ERROR_DRIVER_NOT_LOADED */
}

int
nvmlShutdown (void)
{
  g_setenv ("MOCK_NVML_DOWN", "1", TRUE);
  return 0;
}

int
nvmlDeviceGetCount_v2 (unsigned int *n)
{
  *n = G_N_ELEMENTS (loads);
  return 0;
}

int
nvmlDeviceGetHandleByIndex_v2 (unsigned int i, void **device)
{
  *device = &loads[i];
  return 0;
}

int
nvmlDeviceGetUtilizationRates (void *device, unsigned int rates[2])
{
  const unsigned int *load = device;

  if (sscanf (g_getenv ("MOCK_NVML"), "%u %u", &loads[0], &loads[1]) != 2)
    return 999;
  rates[0] = *load;
  rates[1] = 99;
  return *load > 100 ? 15 : 0;  /* NVML_ERROR_GPU_IS_LOST */
}
