/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <math.h>

#include "mlo-qoe.h"
#include "mlo-random.h"

#define assert_near(a, b, tolerance) g_assert_cmpfloat_with_epsilon (a, b, (tolerance) + 1e-9)

/* Worked out by hand (a desk calculator's exp and ln) from the formulas. */
static void
test_values (void)
{
  static const struct
  {
    MloQoeSecond s;
    double score, reward;
  } rows[] = {
    /* I_rate 0.259 (e^1.12133 + 3.23) = 1.63143; I_input 90/(1 + e^1.191) - 18.73 = 2.24721 */
    {{40, 60, 0, 0, 0}, 96.46294, 96.46294},
    /* brighter than 40 dB and more than 60 frames earn nothing more */
    {{50, 75, 0, 0, 0}, 96.46294, 96.46294},
    /* I_video 33; I_input at 60 ms 90/(1 + e^0.6045) - 18.73 = 13.06834 */
    {{30, 60, 60, 0, 0}, 54.28662, 54.28662},
    /* I_rate at 30: 0.259 (e^2.24267 + 3.23) + 5 = 8.27594 */
    {{40, 30, 0, 0, 0}, 89.81843, 89.81843},
    /* I_lost: L = 5 + 5 -> 5.81625 ln 11 = 13.94676 */
    {{40, 60, 0, 5, 50}, 82.51618, 82.51618},
    /* L stops at 100: 5.81625 ln 101 = 26.84269 */
    {{40, 60, 0, 80, 400}, 69.62024, 69.62024},
    /* everything wrong: 100 - 66 - 66 - 0.848 * 68.98 - 26.84 = -117.3 */
    {{10, 1, 1000, 100, 900}, 0, -50},
    /* between the two clips: 100 - 66 - 1.63143 - 0.848 * 68.98 = -26.12647 */
    {{10, 60, 1000, 0, 0}, 0, -26.12647},
    {{NAN, 0, NAN, 100, 0}, 0, -50},
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    assert_near (mlo_qoe_score (&rows[i].s), rows[i].score, 1e-4);
    assert_near (mlo_qoe_reward (&rows[i].s), rows[i].reward, 1e-4);
  }
  g_assert_true (isnan (mlo_qoe_score (&(MloQoeSecond) {
              NAN, 60, 10, 0, 0}
          )));
  g_assert_true (isnan (mlo_qoe_reward (&(MloQoeSecond) {
              NAN, 60, 10, 0, 0}
          )));
}

/* DESIGN section 8: "60 ms more delay costs about 10, 30 instead of 60 fps about 7". */
static void
test_prices (void)
{
  MloQoeSecond a = { 36, 60, 20, 0, 0 }, b = a;

  b.delay_ms += 60;
  g_assert_cmpfloat (fabs (mlo_qoe_score (&a) - mlo_qoe_score (&b) - 10), <, 1);
  b = a;
  b.fps = 30;
  g_assert_cmpfloat (fabs (mlo_qoe_score (&a) - mlo_qoe_score (&b) - 7), <, 1);
}

static void
test_mos (void)
{
  assert_near (mlo_qoe_mos (0), 1.3, 1e-12);
  assert_near (mlo_qoe_mos (60), 3.304, 1e-12);
  assert_near (mlo_qoe_mos (100), 4.64, 1e-12);
  assert_near (mlo_qoe_mos (150), 4.64, 1e-12);
  assert_near (mlo_qoe_mos (-3), 1.3, 1e-12);
}

/* Better in one thing is never worse in the score; always within the clips. */
static void
test_monotone (void)
{
  guint64 seed = 20;
  MloRandom random;

  g_test_message ("seed %" G_GUINT64_FORMAT, seed);
  mlo_random_seed (&random, seed);
  for (int i = 0; i < 20000; i++) {
    MloQoeSecond s = {
      mlo_random_range (&random, 5, 60), mlo_random_range (&random, 0.5, 70),
      mlo_random_range (&random, 0, 1000), mlo_random_range (&random, 0, 100),
      mlo_random_chance (&random, 0.5) ? 0 : mlo_random_range (&random, 0, 2000)
    };
    MloQoeSecond t = s;
    double r = mlo_qoe_reward (&s);

    g_assert_cmpfloat (r, >=, MLO_QOE_REWARD_FLOOR);
    g_assert_cmpfloat (r, <=, 100);
    assert_near (mlo_qoe_score (&s), fmax (r, 0), 1e-12);
    switch (mlo_random_below (&random, 5)) {
      case 0:
        t.psnr_db += 1;
        break;
      case 1:
        t.fps += 1;
        break;
      case 2:
        t.delay_ms *= 0.9;
        break;
      case 3:
        t.lost_percent *= 0.9;
        break;
      default:
        t.gap_ms *= 0.9;
        break;
    }
    g_assert_cmpfloat (mlo_qoe_reward (&t), >=, r);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/qoe/values", test_values);
  g_test_add_func ("/qoe/prices", test_prices);
  g_test_add_func ("/qoe/mos", test_mos);
  g_test_add_func ("/qoe/monotone", test_monotone);
  return g_test_run ();
}
