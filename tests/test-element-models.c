/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "folder-helpers.h"
#include "gstmlomodels.h"

static void
put (const char *folder, const char *file)
{
  g_autofree char *from = g_build_filename (TEST_SOURCE "/models", file, NULL);
  g_autofree char *to = g_build_filename (folder, file, NULL);
  g_autofree char *aside = g_strconcat (to, ".new", NULL);
  g_autofree char *content = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_file_get_contents (from, &content, &size, &error);
  g_assert_no_error (error);
  g_file_set_contents (aside, content, (gssize) size, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_rename (aside, to), ==, 0);
}

static void
load (GstMloModels * models, const char *folder)
{
  g_autoptr (GError) error = NULL;

  gst_mlo_models_load (models, folder, &error);
  g_assert_no_error (error);
  g_assert_nonnull (models->predictor);
  g_assert_nonnull (models->optimizer);
}

static void
test_shared (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-XXXXXX", NULL);
  GstMloModels a, b, c, none = { NULL };
  const MloBitratePredictor *first;

  put (folder, MLO_PREDICTOR_FILE);
  put (folder, MLO_OPTIMIZER_FILE);
  load (&a, folder);
  load (&b, folder);
  g_assert_true (a.predictor == b.predictor && a.optimizer == b.optimizer);
  first = a.predictor;
  gst_mlo_models_clear (&a);
  g_assert_null (a.predictor);
  gst_mlo_models_clear (&a);
  gst_mlo_models_clear (&none);
  load (&a, folder);
  g_assert_true (a.predictor == first);
  /* another file of the same name is another model; those in use stay */
  put (folder, MLO_PREDICTOR_FILE);
  load (&c, folder);
  g_assert_true (c.predictor != first);
  g_assert_true (b.predictor == first);
  gst_mlo_models_clear (&a);
  gst_mlo_models_clear (&b);
  gst_mlo_models_clear (&c);
  remove_tree (folder);
}

static void
test_broken (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mlo-XXXXXX", NULL), *file =
      g_build_filename (folder, MLO_OPTIMIZER_FILE, NULL);
  g_autoptr (GError) error = NULL;
  GstMloModels m;

  g_assert_false (gst_mlo_models_load (&m, "/nowhere", &error));
  g_assert_nonnull (strstr (error->message, "/nowhere"));
  g_clear_error (&error);
  put (folder, MLO_PREDICTOR_FILE);
  g_assert_false (gst_mlo_models_load (&m, folder, &error));
  g_assert_nonnull (strstr (error->message, MLO_OPTIMIZER_FILE));
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (file, "{", 1, NULL));
  g_assert_false (gst_mlo_models_load (&m, folder, &error));
  g_assert_nonnull (strstr (error->message, MLO_OPTIMIZER_FILE));
  g_assert_null (m.predictor);
  put (folder, MLO_OPTIMIZER_FILE);
  load (&m, folder);
  gst_mlo_models_clear (&m);
  remove_tree (folder);
}

static gpointer
come_and_go (gpointer folder)
{
  for (int i = 0; i < 50; i++) {
    GstMloModels m;

    load (&m, folder);
    g_thread_yield ();
    gst_mlo_models_clear (&m);
  }
  return NULL;
}

static void
test_threads (void)
{
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("user", come_and_go, (gpointer) TEST_SOURCE "/models");
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/models/shared", test_shared);
  g_test_add_func ("/models/broken", test_broken);
  g_test_add_func ("/models/threads", test_threads);
  return g_test_run ();
}
