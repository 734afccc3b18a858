/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-shares.h"

void
mlo_shares (guint n, const double *weight, const double *least, double total, double *share)
{
  gboolean pinned[MLO_SHARES_MOST] = { FALSE };
  double least_sum = 0.0;
  gboolean again = TRUE;

  g_return_if_fail (n > 0 && n <= MLO_SHARES_MOST);
  for (guint i = 0; i < n; i++)
    least_sum += least[i];
  if (least_sum >= total) {
    for (guint i = 0; i < n; i++)
      share[i] = total * least[i] / least_sum;
    return;
  }
  /* Each round has at least one more at its least, which the others pay for. */
  while (again) {
    double left = total, weights = 0.0;

    again = FALSE;
    for (guint i = 0; i < n; i++) {
      if (pinned[i])
        left -= least[i];
      else
        weights += weight[i];
    }
    for (guint i = 0; i < n; i++) {
      share[i] = pinned[i] ? least[i] : left * weight[i] / weights;
      if (!pinned[i] && share[i] < least[i])
        pinned[i] = again = TRUE;
    }
  }
}
