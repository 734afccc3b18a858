/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-lineage.h"

#include <math.h>
#include <string.h>

#include "mlo-error.h"
#include "mlo-model-file.h"

/* Numbers are written with 15 digits, exact as far as this. */
#define MAX_COUNT 999999999999999.0
#define MAX_SCORE 1e9
#define MAX_KBPS 1e7
#define MAX_MINUTES 1e9

static const struct
{
  const char *key;
  gsize offset;
} counts[] = {
  {"steps_predictor", G_STRUCT_OFFSET (MloLineage, steps_predictor)},
  {"steps_optimizer", G_STRUCT_OFFSET (MloLineage, steps_optimizer)},
  {"streams", G_STRUCT_OFFSET (MloLineage, streams)},
  {"promotions", G_STRUCT_OFFSET (MloLineage, promotions)},
  {"demotions", G_STRUCT_OFFSET (MloLineage, demotions)},
};

static const struct
{
  const char *key;
  gsize offset;
  double fallback, least, most;
} numbers[] = {
  {"minutes", G_STRUCT_OFFSET (MloLineage, minutes), 0.0, 0.0, MAX_MINUTES},
  {"score", G_STRUCT_OFFSET (MloLineage, score), NAN, -MAX_SCORE, MAX_SCORE},
  {"score_shipped", G_STRUCT_OFFSET (MloLineage, score_shipped), NAN, -MAX_SCORE, MAX_SCORE},
  {"good_bitrate_kbps", G_STRUCT_OFFSET (MloLineage, good_kbps), 0.0, 0.0, MAX_KBPS},
};

#define COUNT(l, i) G_STRUCT_MEMBER (guint64, l, counts[i].offset)
#define NUMBER(l, i) G_STRUCT_MEMBER (double, l, numbers[i].offset)

void
mlo_lineage_init (MloLineage * l)
{
  memset (l, 0, sizeof *l);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    NUMBER (l, i) = numbers[i].fallback;
}

void
mlo_lineage_write (const MloLineage * l, MloTensorFile * f)
{
  mlo_tensorfile_set_metadata (f, "base", l->base);
  for (guint i = 0; i < G_N_ELEMENTS (counts); i++)
    mlo_model_write_number (f, counts[i].key, MIN ((double) COUNT (l, i), MAX_COUNT));
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    double value = NUMBER (l, i);

    if (isfinite (value) && value >= numbers[i].least && value <= numbers[i].most)
      mlo_model_write_number (f, numbers[i].key, value);
  }
}

static gboolean
is_digest (const char *text)
{
  gsize n = strspn (text, "0123456789abcdef");

  return n == MLO_BASE_SIZE - 1 && text[n] == '\0';
}

gboolean
mlo_lineage_read (const char *path, const MloTensorFile * f, MloLineage * l, GError ** error)
{
  const char *base = mlo_tensorfile_metadata (f, "base");

  mlo_lineage_init (l);
  if (!base) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_MISSING, "%s: metadata base is missing: not learned while streaming",
        path);
    return FALSE;
  }
  if (!is_digest (base)) {
    g_set_error (error, MLO_ERROR, MLO_ERROR_TYPE, "%s: metadata base: '%.80s' is not a SHA-256", path, base);
    return FALSE;
  }
  g_strlcpy (l->base, base, sizeof l->base);
  for (guint i = 0; i < G_N_ELEMENTS (counts); i++) {
    double value;

    if (!mlo_model_read_number (path, f, counts[i].key, 0.0, 0.0, MAX_COUNT, &value, error))
      return FALSE;
    COUNT (l, i) = (guint64) value;
  }
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++) {
    if (!mlo_model_read_number (path, f, numbers[i].key, numbers[i].fallback, numbers[i].least, numbers[i].most,
            &NUMBER (l, i), error))
      return FALSE;
  }
  return TRUE;
}

/* FALSE where a parameter is not finite. */
static gboolean
digest (GChecksum * sum, MloTensorFile * f)
{
  if (!f)
    return FALSE;
  for (guint i = 0; i < mlo_tensorfile_size (f); i++) {
    const MloTensor *t = mlo_tensorfile_get (f, i);

    for (gsize k = 0; k < t->count; k++) {
      guint32 bits;

      memcpy (&bits, &t->data[k], 4);
      bits = GUINT32_TO_LE (bits);
      g_checksum_update (sum, (const guchar *) &bits, 4);
    }
  }
  mlo_tensorfile_free (f);
  return TRUE;
}

void
mlo_lineage_base (const MloBitratePredictor * p, const MloQualityOptimizer * q, char base[MLO_BASE_SIZE])
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  base[0] = '\0';
  if (digest (sum, mlo_bitrate_predictor_to_tensors (p, "base", NULL, NULL))
      && digest (sum, mlo_quality_optimizer_to_tensors (q, "base", NULL, NULL)))
    g_strlcpy (base, g_checksum_get_string (sum), MLO_BASE_SIZE);
}

char *
mlo_lineage_text (const MloLineage * l)
{
  GString *text = g_string_new (NULL);

  g_string_append_printf (text, "%" G_GUINT64_FORMAT " streams, %.1f minutes, %" G_GUINT64_FORMAT " steps of the "
      "predictor and %" G_GUINT64_FORMAT " of the optimizer, %" G_GUINT64_FORMAT " promotions, %" G_GUINT64_FORMAT
      " demotions", l->streams, l->minutes, l->steps_predictor, l->steps_optimizer, l->promotions, l->demotions);
  if (isfinite (l->score) && isfinite (l->score_shipped))
    g_string_append_printf (text, "; score %.4g on the last hold-out, %.4g before learning", l->score,
        l->score_shipped);
  if (l->good_kbps > 0.0)
    g_string_append_printf (text, "; last good bitrate %.0f kbit/s", l->good_kbps);
  return g_string_free (text, FALSE);
}
