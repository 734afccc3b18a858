/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_SHARES_H
#define MLO_SHARES_H

#include <glib.h>

G_BEGIN_DECLS

#define MLO_SHARES_MOST 16

/**
 * mlo_shares:
 * One bitrate for several encoders of the same pictures.
 * @n: at most MLO_SHARES_MOST
 * @weight: (n), > 0: the shares are in proportion to these ...
 * @least_kbps: (n), >= 0: ... but none is less than this, as long as there is enough for all of these
 * @total_kbps: > 0
 * @share_kbps: (n), out: they add up to @total_kbps
 *
 * Where there is less than the leasts together, the shares are in proportion to the leasts.
 */
void mlo_shares (guint n, const double *weight, const double *least_kbps, double total_kbps, double *share_kbps);

G_END_DECLS
#endif
