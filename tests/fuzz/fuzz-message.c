/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The protocol's parser on any bytes: messages whose values keep their bounds, or an error; and what was taken can be
 * written and taken again. */
#include <string.h>

#include "mlo-error.h"
#include "mlo-message.h"

int LLVMFuzzerTestOneInput (const guint8 * data, gsize size);

static void
again (const MloMessage * message, gpointer user_data)
{
  const MloMessage *first = user_data;

  g_assert_cmpuint (message->rejected, ==, 0);
  g_assert_cmpstr (message->stream, ==, first->stream);
  g_assert_cmpuint (message->sample.valid, ==, first->sample.valid);
}

static void
check (const MloMessage * message, gpointer user_data)
{
  MloMessage first = *message;
  g_autofree char *text = mlo_message_metrics (first.stream, first.real_time_us, &first.sample);

  g_assert_cmpuint (strlen (first.stream), <, sizeof first.stream);
  g_assert_true (g_utf8_validate (first.recommendation.reason, -1, NULL));
  g_assert_true (first.real_time_us >= 0);
  g_assert_true ((first.rejected == 0) == (*first.rejected_field == '\0'));
  for (int f = 0; f < MLO_N_FIELDS; f++) {
    double value = mlo_sample_get (&first.sample, f, mlo_field_info (f)->min);

    g_assert_true (value >= mlo_field_info (f)->min && value <= mlo_field_info (f)->max);
  }
  g_assert_cmpint (mlo_message_parse (text, strlen (text), again, &first, NULL), ==, 1);
}

int
LLVMFuzzerTestOneInput (const guint8 * data, gsize size)
{
  g_autoptr (GError) error = NULL;
  int n = mlo_message_parse ((const char *) data, size, check, NULL, &error);

  g_assert_true ((n < 0) == (error != NULL));
  if (error)
    g_assert_true (error->domain == MLO_ERROR);
  return 0;
}
