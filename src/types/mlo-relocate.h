/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef MLO_RELOCATE_H
#define MLO_RELOCATE_H

#include <glib.h>

G_BEGIN_DECLS

/**
 * mlo_relocate:
 * @here: folder that something was found in at run time, absolute
 * @built_for: folder below @prefix that it was to be installed to
 * @prefix: the installation's, as configured
 * @wanted: another folder below @prefix, as configured
 *
 * Where @wanted is in an installation that was moved (or staged with DESTDIR): found from @here by what @built_for and
 * @wanted have below @prefix. A pure function of its text: nothing is looked at on the disk.
 *
 * Returns: (transfer full) (nullable): NULL where @here does not end as @built_for does, or one of the two is not
 * below @prefix.
 */
char *mlo_relocate (const char *here, const char *built_for, const char *prefix, const char *wanted);

/**
 * mlo_relocate_found:
 * @within: address of a function in the program or module that asks
 *
 * mlo_relocate() from the folder of the file that @within was loaded from, where the result exists; else @wanted,
 * where that exists.
 *
 * Returns: (transfer full) (nullable): NULL where neither exists.
 */
char *mlo_relocate_found (gpointer within, const char *built_for, const char *prefix, const char *wanted);

G_END_DECLS
#endif
