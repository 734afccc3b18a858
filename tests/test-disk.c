/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks that are full, read-only or not for us: an error that names the file, what was there before stays, and nothing half
 * is left under its name. A file system of 256 KiB in a mount namespace of this process; skipped where that is refused. */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder-helpers.h"
#include "mlo-bitrate-predictor.h"
#include "mlo-dataset.h"
#include "mlo-error.h"
#include "mlo-recorder.h"

#define BYTES "256k"
#define MODEL TEST_SOURCE "/models/bitrate_predictor.safetensors"
#define SMALL TEST_SOURCE "/tests/golden/predictor.safetensors"

static char *disk;              /* the mount */
static const char *refused;

static gboolean
write_text (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);
  gboolean good = fd >= 0 && write (fd, text, strlen (text)) == (gssize) strlen (text);

  if (fd >= 0)
    close (fd);
  return good;
}

/* Root of a namespace of our own, in which this user is root. */
static gboolean
become_root (void)
{
  g_autofree char *user = g_strdup_printf ("0 %u 1", geteuid ()), *group = g_strdup_printf ("0 %u 1", getegid ());

  return unshare (CLONE_NEWUSER | CLONE_NEWNS) == 0 && write_text ("/proc/self/uid_map", user)
      && write_text ("/proc/self/setgroups", "deny") && write_text ("/proc/self/gid_map", group);
}

static void
prepare (void)
{
  g_autoptr (GError) error = NULL;

  disk = g_dir_make_tmp ("disk-XXXXXX", &error);
  g_assert_no_error (error);
  if (unshare (CLONE_NEWNS) != 0 && !become_root ())
    refused = "no mount namespace";
  else if (mount ("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0)
    refused = "mounts cannot be made private";
}

static gboolean
mounted (void)
{
  if (!refused && mount ("none", disk, "tmpfs", 0, "size=" BYTES ",mode=755") != 0)
    refused = "no tmpfs";
  if (refused)
    g_test_skip (refused);
  return !refused;
}

static void
unmount (void)
{
  g_assert_cmpint (umount2 (disk, MNT_DETACH), ==, 0);
}

/* All but @left bytes of what the disk holds. */
static void
fill (gsize left)
{
  g_autofree char *path = g_build_filename (disk, "fill", NULL);
  int fd = open (path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  static const char block[4096];
  off_t size = 0;

  g_assert_cmpint (fd, >=, 0);
  while (write (fd, block, sizeof block) == (gssize) sizeof block)
    size += (off_t) sizeof block;
  g_assert_cmpint (ftruncate (fd, MAX (size - (off_t) left, 0)), ==, 0);
  close (fd);
}

static guint
count_files (void)
{
  g_autoptr (GDir) dir = g_dir_open (disk, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir))
    n++;
  return n;
}

/* Saves the large model over a small one, which must fail and leave the small one alone. */
static void
save_in_vain (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (disk, "model.safetensors", NULL);
  g_autoptr (MloBitratePredictor) large = mlo_bitrate_predictor_load (MODEL, &error);
  g_autoptr (MloBitratePredictor) kept = NULL;
  guint files = count_files ();

  g_assert_no_error (error);
  g_assert_false (mlo_bitrate_predictor_save (large, path, NULL, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  g_assert_nonnull (strstr (error->message, path));
  g_clear_error (&error);
  g_assert_cmpuint (count_files (), ==, files);
  kept = mlo_bitrate_predictor_load (path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mlo_bitrate_predictor_config (kept)->hidden, ==, 24);
}

static void
put_small (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (disk, "model.safetensors", NULL);
  g_autoptr (MloBitratePredictor) small = mlo_bitrate_predictor_load (SMALL, &error);

  g_assert_no_error (error);
  g_assert_true (mlo_bitrate_predictor_save (small, path, NULL, &error));
}

static void
test_full_model (void)
{
  if (!mounted ())
    return;
  put_small ();
  fill (8192);
  save_in_vain ();
  unmount ();
}

static void
test_read_only_model (void)
{
  if (!mounted ())
    return;
  put_small ();
  g_assert_cmpint (mount ("none", disk, "none", MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
  save_in_vain ();
  unmount ();
}

/* Ticks until the recorder gives up; returns its error. */
static GError *
record_until_error (MloRecorder * r)
{
  MloSample s = { 0 };
  GError *error = NULL;

  mlo_sample_set (&s, MLO_FIELD_FPS, 60.0);
  for (guint i = 1; i < 100000 && !error; i++) {
    s.timestamp_us = i * 100000;
    mlo_recorder_add (r, NULL, s.timestamp_us, &s, &error);
  }
  return error;
}

/* The recording ends, once; what is on the disk can be read when the line that was cut is mended. */
static void
test_full_recording (void)
{
  g_autofree char *path = g_build_filename (disk, "record.jsonl", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) full = NULL;
  MloSample s = { 0 };
  MloRecorder *r;

  if (!mounted ())
    return;
  fill (64 * 1024);
  r = mlo_recorder_open (path, &error);
  g_assert_no_error (error);
  full = record_until_error (r);
  g_assert_error (full, MLO_ERROR, MLO_ERROR_IO);
  g_assert_nonnull (strstr (full->message, path));
  /* said once */
  g_assert_true (mlo_recorder_add (r, NULL, G_GINT64_CONSTANT (20000000000), &s, &error));
  g_assert_no_error (error);
  mlo_recorder_free (r);
  r = mlo_recorder_open (path, &error);
  g_assert_no_error (error);
  mlo_recorder_free (r);
  {
    g_autoptr (MloDataset) d = mlo_dataset_load (path, NULL, &error);

    g_assert_no_error (error);
    g_assert_cmpuint (d->n_samples, >, 50);
  }
  unmount ();
}

static void
test_read_only_recording (void)
{
  g_autofree char *path = g_build_filename (disk, "record.jsonl", NULL);
  g_autoptr (GError) error = NULL;

  if (!mounted ())
    return;
  g_assert_cmpint (mount ("none", disk, "none", MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
  g_assert_null (mlo_recorder_open (path, &error));
  g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
  unmount ();
}

/* Another user's folder, which root may write to all the same. */
static void
test_permission (void)
{
  g_autofree char *path = g_build_filename (disk, "model.safetensors", NULL);
  g_autofree char *record = g_build_filename (disk, "record.jsonl", NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (MloBitratePredictor) p = mlo_bitrate_predictor_load (SMALL, &error);

  g_assert_no_error (error);
  g_assert_true (mlo_bitrate_predictor_save (p, path, NULL, &error));
  g_chmod (path, 0);
  g_chmod (disk, 0555);
  if (geteuid () == 0 && seteuid (65534) != 0) {
    g_test_skip ("cannot be another user");
  } else {
    g_assert_null (mlo_bitrate_predictor_load (path, &error));
    g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
    g_clear_error (&error);
    g_assert_false (mlo_bitrate_predictor_save (p, path, NULL, &error));
    g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
    g_clear_error (&error);
    g_assert_null (mlo_recorder_open (record, &error));
    g_assert_error (error, MLO_ERROR, MLO_ERROR_IO);
    if (getuid () == 0)
      g_assert_cmpint (seteuid (0), ==, 0);
  }
  g_chmod (disk, 0755);
}

int
main (int argc, char **argv)
{
  int result;

  g_test_init (&argc, &argv, NULL);
  prepare ();
  g_test_add_func ("/disk/permission", test_permission);
  g_test_add_func ("/disk/full/model", test_full_model);
  g_test_add_func ("/disk/full/recording", test_full_recording);
  g_test_add_func ("/disk/read-only/model", test_read_only_model);
  g_test_add_func ("/disk/read-only/recording", test_read_only_recording);
  result = g_test_run ();
  remove_tree (disk);
  g_free (disk);
  return result;
}
