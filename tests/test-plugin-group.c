/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>

#include "gstmlogroup.h"

static const MloBudgetClaim claim = {.min_kbps = 300,.max_kbps = 6000,.weight = 1,.used_kbps = -1 };

static void
test_names (void)
{
  GstMloGroup *a = gst_mlo_group_join ("a"), *b = gst_mlo_group_join ("b"), *a2 = gst_mlo_group_join ("a");
  MloBudgetShare share;

  gst_mlo_group_claim (a, &claim, &share);
  g_assert_cmpuint (share.members, ==, 1);
  gst_mlo_group_claim (b, &claim, &share);
  g_assert_cmpuint (share.members, ==, 1);
  gst_mlo_group_claim (a2, &claim, &share);
  g_assert_cmpuint (share.members, ==, 2);
  g_assert_cmpfloat_with_epsilon (share.share_kbps, 3000, 1);
  gst_mlo_group_leave (a2);
  gst_mlo_group_claim (a, &claim, &share);
  g_assert_cmpuint (share.members, ==, 1);
  gst_mlo_group_leave (a);
  gst_mlo_group_leave (b);
  gst_mlo_group_leave (NULL);
}

static gpointer
come_and_go (gpointer data)
{
  for (int i = 0; i < 300; i++) {
    GstMloGroup *place = gst_mlo_group_join (i % 3 ? "same" : "other");

    for (int k = 0; k < 5; k++) {
      MloBudgetShare share;

      gst_mlo_group_claim (place, &claim, &share);
      g_assert_cmpuint (share.members, >=, 1);
      g_assert_cmpfloat (share.share_kbps, >=, 300);
      g_assert_cmpfloat (share.share_kbps, <=, 6000.001);
    }
    gst_mlo_group_leave (place);
  }
  return NULL;
}

/* From several threads, as the control threads of elements are; after the last there is no trace of any. */
static void
test_threads (void)
{
  GThread *threads[4];
  GstMloGroup *place;
  MloBudgetShare share;

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("member", come_and_go, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  place = gst_mlo_group_join ("same");
  gst_mlo_group_claim (place, &claim, &share);
  g_assert_cmpuint (share.members, ==, 1);
  g_assert_cmpfloat_with_epsilon (share.share_kbps, 6000, 1);
  gst_mlo_group_leave (place);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plugin-group/names", test_names);
  g_test_add_func ("/plugin-group/threads", test_threads);
  return g_test_run ();
}
