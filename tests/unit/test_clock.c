/*
 * Times of RFC 3339, as events and people write them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"

static void
test_times_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: none */
	} times[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-21T15:33:00Z", 1795275180000 },
		{ "2026-11-21t15:33:00z", 1795275180000 },
		{ "2026-11-21 15:33:00.25Z", 1795275180250 },
		{ "2026-11-21T15:33:00.1239999Z", 1795275180123 },
		{ "2026-11-21T17:33:00+02:00", 1795275180000 },
		{ "2026-11-21T10:03:00-05:30", 1795275180000 },
		{ "2026-11-21T15:33:60Z", 1795275240000 },
		{ "", -1 },
		{ "2026", -1 },
		{ "2026-11-21", -1 },
		{ "2026-11-21T15:33Z", -1 },
		{ "2026-11-21T15:33:00", -1 },
		{ "2026-11-21T15:33:00.", -1 },
		{ "2026-11-21T15:33:00Zz", -1 },
		{ "2026-11-21T15:33:00+02", -1 },
		{ "2026-11-21T15:33:00+02:60", -1 },
		{ "2026-11-21T15:33:00+24:00", -1 },
		{ "2026-11-21T15:33:00*02:00", -1 },
		{ "2026-13-21T15:33:00Z", -1 },
		{ "2026-00-21T15:33:00Z", -1 },
		{ "2026-11-32T15:33:00Z", -1 },
		{ "2026-11-21T24:33:00Z", -1 },
		{ "2026-11-21T15:60:00Z", -1 },
		{ "2026-11-21T15:33:61Z", -1 },
		{ "2026-11-21X15:33:00Z", -1 },
		{ "20261-11-21T15:33:00Z", -1 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "-026-11-21T15:33:00Z", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		if (clock_parse_rfc3339(times[i].text) != times[i].ms)
			fail_msg("%s: %lld", times[i].text, (long long)
			    clock_parse_rfc3339(times[i].text));
}

static void
test_what_is_written_is_read(void **state)
{
	char text[RFC3339_SIZE];
	int64_t ms;

	(void)state;
	for (ms = 0; ms < 4102444800000; ms += 97777777777)
		assert_int_equal(clock_parse_rfc3339(clock_rfc3339(text,
		    sizeof(text), ms)), ms);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times_are_read),
		cmocka_unit_test(test_what_is_written_is_read),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
