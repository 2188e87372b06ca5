/* What of the supervisor's environment a worker may see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/environment.h"

static void
test_no_worker_sees_a_secret(void **state)
{
	static const char *const secrets[] = {
		"TELEGRAM_BOT_TOKEN=1:A", "CC_TELEGRAM_METRICS_TOKEN=x",
		"CC_TELEGRAM_REDIS_URL=redis://:password@host",
		"AWS_SECRET_ACCESS_KEY=x", "GITHUB_TOKEN=x", "MCP_API_KEYS=x",
		"CREDENTIALS_DIRECTORY=/x", "NOTIFY_SOCKET=/x", "HOMEX=x",
		"=x", "",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		for (unsigned int c = 0; c < NCLASSES; c++)
			assert_false(environment_allows(c, secrets[i]));
}

static void
test_proxies_are_for_telegram(void **state)
{
	(void)state;
	for (unsigned int c = 1; c < NCLASSES; c++) {
		assert_int_equal(environment_allows(c,
		    "https_proxy=http://u:p@proxy"), c == PC_TELEGRAM);
		assert_true(environment_allows(c, "TZ=UTC"));
		assert_true(environment_allows(c, "LC_ALL=C"));
	}
}

static void
test_the_array(void **state)
{
	char **env;
	int tz = 0;

	(void)state;
	setenv("TELEGRAM_BOT_TOKEN", "1:A", 1);
	setenv("TZ", "UTC", 1);
	env = environment_for(PC_FORMAT);
	assert_non_null(env);
	for (size_t i = 0; env[i] != NULL; i++) {
		assert_null(strstr(env[i], "TOKEN"));
		tz += strcmp(env[i], "TZ=UTC") == 0;
	}
	assert_int_equal(tz, 1);
	free(env);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_worker_sees_a_secret),
		cmocka_unit_test(test_proxies_are_for_telegram),
		cmocka_unit_test(test_the_array),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
