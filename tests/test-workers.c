/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-workers.h"

#define PIECES 1000

static void
square (gpointer data, guint index)
{
  ((guint64 *) data)[index] += (guint64) index *index;
}

/* Every piece once, whatever the number of threads and of pieces, many times in a row. */
static void
test_pieces (void)
{
  for (guint threads = 1; threads <= 5; threads++) {
    g_autoptr (MloWorkers) w = mlo_workers_new (threads);

    for (guint count = 0; count <= PIECES; count = count * 3 + 1) {
      guint64 sum[PIECES + 1] = { 0 };

      for (guint again = 0; again < 20; again++)
        mlo_workers_run (w, count, square, sum);
      for (guint i = 0; i < count; i++)
        g_assert_cmpuint (sum[i], ==, 20 * i * i);
      g_assert_cmpuint (sum[count], ==, 0);
    }
  }
}

static void
test_unused (void)
{
  mlo_workers_free (mlo_workers_new (0));
  mlo_workers_free (mlo_workers_new (3));
  mlo_workers_free (NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/workers/pieces", test_pieces);
  g_test_add_func ("/workers/unused", test_unused);
  return g_test_run ();
}
