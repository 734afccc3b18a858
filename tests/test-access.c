/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mlo-access.h"
#include "mlo-error.h"

#define TOKEN "correct-horse-battery"

static const char *const origins[] = { "https://panel.example", NULL };

static const MloAccess open_access = { NULL, NULL };
static const MloAccess closed_access = { TOKEN, origins };

static const struct
{
  const char *token;
  gboolean good;
} token_rows[] = {
  {"", FALSE},
  {"short", FALSE},
  {"fifteen-letters", FALSE},
  {"sixteen-letters!", TRUE},
  {TOKEN, TRUE},
  {"a token with spaces in it", FALSE},
  {"a-token-with-\xc3\xa9-in-it", FALSE},
  {"a-token-with-a\nline-feed", FALSE},
};

static void
test_check_token (void)
{
  g_autofree char *longest = g_strnfill (MLO_ACCESS_MAX_TOKEN + 1, 'a');
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (token_rows); i++) {
    g_clear_error (&error);
    g_assert_cmpint (mlo_access_check_token (token_rows[i].token, &error), ==, token_rows[i].good);
    if (!token_rows[i].good)
      g_assert_error (error, MLO_ERROR, MLO_ERROR_ARGUMENT);
  }
  g_clear_error (&error);
  g_assert_false (mlo_access_check_token (longest, &error));
  /* The text that people see never holds the token. */
  g_assert_null (g_strstr_len (error->message, -1, "aaaa"));
}

static void
test_token_is (void)
{
  g_assert_true (mlo_access_token_is (&closed_access, TOKEN));
  g_assert_false (mlo_access_token_is (&closed_access, NULL));
  g_assert_false (mlo_access_token_is (&closed_access, ""));
  g_assert_false (mlo_access_token_is (&closed_access, TOKEN "x"));
  g_assert_false (mlo_access_token_is (&closed_access, "correct-horse-batter"));
  g_assert_false (mlo_access_token_is (&closed_access, "Correct-horse-battery"));
  /* Where there is none, nobody has it. */
  g_assert_false (mlo_access_token_is (&open_access, NULL));
  g_assert_false (mlo_access_token_is (&open_access, ""));
}

static const struct
{
  const char *authorization, *protocols, *token;
} offered_rows[] = {
  {NULL, NULL, NULL},
  {"", "", NULL},
  {"Bearer abc", NULL, "abc"},
  {"bearer  abc ", NULL, "abc"},
  {"Basic abc", NULL, NULL},
  {"Bearer abc", "bearer.ZGVm", "abc"},
  {NULL, "bearer.ZGVm", "def"},
  {NULL, "mloptimizer-live, bearer.YT8-YT8_", "a?>a??"},
  {NULL, "mloptimizer-live,bearer.YQ", "a"},
  {NULL, "bearer.", NULL},
  {NULL, "bearer.YQBi", NULL},  /* a NUL in it */
  {NULL, "mloptimizer-live", NULL},
};

static void
test_offered (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (offered_rows); i++) {
    g_autofree char *token = mlo_access_token_offered (offered_rows[i].authorization, offered_rows[i].protocols);

    g_assert_cmpstr (token, ==, offered_rows[i].token);
  }
}

static const struct
{
  const char *host, *origin;
  gboolean open, closed;        /* without and with a token set */
} site_rows[] = {
  {NULL, NULL, TRUE, TRUE},
  {"127.0.0.1:8080", NULL, TRUE, TRUE},
  {"localhost:8080", NULL, TRUE, TRUE},
  {"[::1]:8080", NULL, TRUE, TRUE},
  {"LocalHost", NULL, TRUE, TRUE},
  {"192.168.1.5:8080", NULL, FALSE, TRUE},
  {"evil.example:8080", NULL, FALSE, TRUE},     /* a name that was made to point here */
  {"localhost.evil.example", NULL, FALSE, TRUE},
  {"127.0.0.1.evil.example", NULL, FALSE, TRUE},
  {"127.0.0.1:8080", "http://127.0.0.1:8080", TRUE, TRUE},
  {"127.0.0.1:8080", "https://127.0.0.1:8080", TRUE, TRUE},
  {"127.0.0.1:8080", "http://127.0.0.1:9090", FALSE, FALSE},
  {"127.0.0.1:8080", "http://evil.example", FALSE, FALSE},
  {"127.0.0.1:8080", "null", FALSE, FALSE},
  {"127.0.0.1:8080", "http://127.0.0.1:8080.evil.example", FALSE, FALSE},
  {"evil.example", "http://evil.example", FALSE, TRUE},
  {"127.0.0.1:8080", "https://panel.example", FALSE, TRUE},
  {NULL, "http://evil.example", FALSE, FALSE},
};

static void
test_site (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (site_rows); i++) {
    g_test_message ("%s from %s", site_rows[i].host, site_rows[i].origin);
    g_assert_cmpint (mlo_access_site_allowed (&open_access, site_rows[i].host, site_rows[i].origin), ==,
        site_rows[i].open);
    g_assert_cmpint (mlo_access_site_allowed (&closed_access, site_rows[i].host, site_rows[i].origin), ==,
        site_rows[i].closed);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/access/check-token", test_check_token);
  g_test_add_func ("/access/token-is", test_token_is);
  g_test_add_func ("/access/offered", test_offered);
  g_test_add_func ("/access/site", test_site);
  return g_test_run ();
}
