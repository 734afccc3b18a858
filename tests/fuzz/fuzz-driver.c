/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a fuzz target without a fuzzer, as an ordinary test: every file of the folders given, and
 * seeded mutations of each (bytes flipped, cut, doubled, numbers swapped for extreme ones). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "mlo-random.h"

#define MUTATIONS 300

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

static const char *const tokens[] = {
  "[", "]", "{", "}", ",", "\"", "\\", "null", "-1", "1e308", "1e999", "9223372036854775807", "0x10", "\0", "\n", "-0",
  "18446744073709551616", "NaN", "true", ":",
};

static void
run (const guint8 * data, gsize size)
{
  /* an exact heap block: a sanitizer sees a read past its end */
  g_autofree guint8 *copy = g_memdup2 (data, size);

  LLVMFuzzerTestOneInput (copy, size);
}

static void
mutate (GByteArray * b, MloRandom * random)
{
  guint times = 1 + mlo_random_below (random, 4);

  for (guint k = 0; k < times; k++) {
    guint at = b->len > 0 ? mlo_random_below (random, b->len) : 0;

    switch (mlo_random_below (random, 5)) {
      case 0:
        if (b->len > 0)
          b->data[at] = (guint8) (b->data[at] ^ (1u << mlo_random_below (random, 8)));
        break;
      case 1:
        g_byte_array_set_size (b, at);
        break;
      case 2:{
        guint n = 1 + mlo_random_below (random, 64);

        g_byte_array_remove_range (b, at, MIN (n, b->len - at));
        break;
      }
      case 3:{
        const char *t = tokens[mlo_random_below (random, G_N_ELEMENTS (tokens))];
        guint n = MAX (1u, (guint) strlen (t));
        guint rest = b->len - at;

        g_byte_array_set_size (b, b->len + n);
        memmove (b->data + at + n, b->data + at, rest);
        memcpy (b->data + at, t, n);
        break;
      }
      default:
        if (b->len > 0)
          b->data[at] = (guint8) mlo_random_below (random, 256);
    }
  }
}

int
main (int argc, char **argv)
{
  guint files = 0;

  for (int i = 1; i < argc; i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (GDir) dir = g_dir_open (argv[i], 0, &error);
    const char *name;

    if (!dir) {
      fprintf (stderr, "%s\n", error->message);
      return 1;
    }
    while ((name = g_dir_read_name (dir))) {
      g_autofree char *path = g_build_filename (argv[i], name, NULL);
      g_autofree char *text = NULL;
      gsize length = 0;
      MloRandom random;

      if (!g_file_get_contents (path, &text, &length, &error)) {
        fprintf (stderr, "%s\n", error->message);
        return 1;
      }
      run ((const guint8 *) text, length);
      mlo_random_seed (&random, g_str_hash (name));
      for (guint k = 0; k < MUTATIONS; k++) {
        g_autoptr (GByteArray) b = g_byte_array_new ();

        g_byte_array_append (b, (const guint8 *) text, (guint) length);
        mutate (b, &random);
        run (b->data, b->len);
      }
      files++;
    }
  }
  printf ("%u files, %u mutations of each (seeded by the file's name)\n", files, MUTATIONS);
  return files > 0 ? 0 : 1;
}
