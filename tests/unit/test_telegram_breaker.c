/*
 * breaker.c: every state and event, and what must hold over long runs.
 * health.c: every combination of what is known.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/nitems.h"
#include "workers/telegram/telegram.h"

static struct breaker b;
static int64_t now, wait_ms;

static int
setup(void **state)
{
	(void)state;
	breaker_init(&b);
	now = 1000000;
	return (0);
}

static void
fail_times(int n)
{
	while (n-- > 0)
		breaker_result(&b, false, now);
}

static void
test_opens_after_failures_in_a_row(void **state)
{
	(void)state;
	fail_times(BREAKER_FAILURES - 1);
	assert_true(breaker_admit(&b, now, &wait_ms));
	assert_true(breaker_result(&b, false, now));
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_false(breaker_admit(&b, now, &wait_ms));
	assert_int_equal(wait_ms, BREAKER_MIN_MS);
	assert_false(breaker_admit(&b, now + 400, &wait_ms));
	assert_int_equal(wait_ms, BREAKER_MIN_MS - 400);
}

static void
test_a_success_between_keeps_it_closed(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		fail_times(BREAKER_FAILURES - 1);
		assert_false(breaker_result(&b, true, now));
	}
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void
test_lets_one_probe_through(void **state)
{
	(void)state;
	fail_times(BREAKER_FAILURES);
	now += BREAKER_MIN_MS;
	assert_true(breaker_admit(&b, now, &wait_ms));
	assert_int_equal(b.state, BREAKER_HALF);
	assert_false(breaker_admit(&b, now, &wait_ms));
	assert_in_range(wait_ms, 1, BREAKER_MIN_MS);
	breaker_result(&b, true, now);
	assert_int_equal(b.state, BREAKER_CLOSED);
	assert_true(breaker_admit(&b, now, &wait_ms));
	assert_int_equal(b.failures, 0);
}

static void
test_backoff_doubles_up_to_its_bound(void **state)
{
	static const int64_t expected[] = { 1000, 2000, 4000, 8000, 16000,
	    30000, 30000, 30000 };

	(void)state;
	fail_times(BREAKER_FAILURES);
	for (size_t i = 0; i < nitems(expected); i++) {
		assert_int_equal(b.until_ms - now, expected[i]);
		now = b.until_ms;
		assert_true(breaker_admit(&b, now, &wait_ms));
		assert_true(breaker_result(&b, false, now));
	}
	now = b.until_ms;
	assert_true(breaker_admit(&b, now, &wait_ms));
	breaker_result(&b, true, now);
	fail_times(BREAKER_FAILURES);
	assert_int_equal(b.until_ms - now, BREAKER_MIN_MS);
}

static void
test_stragglers_do_not_lengthen_an_opening(void **state)
{
	int64_t until;

	(void)state;
	fail_times(BREAKER_FAILURES);
	until = b.until_ms;
	now += 500;
	assert_false(breaker_result(&b, false, now));
	assert_int_equal(b.until_ms, until);
	/* But a success is one, whenever it was asked for. */
	breaker_result(&b, true, now);
	assert_int_equal(b.state, BREAKER_CLOSED);
}

static void
test_probe_that_never_began_leaves_room_for_another(void **state)
{
	(void)state;
	breaker_probe_void(&b, now);
	assert_int_equal(b.state, BREAKER_CLOSED);
	fail_times(BREAKER_FAILURES);
	now += BREAKER_MIN_MS;
	assert_true(breaker_admit(&b, now, &wait_ms));
	breaker_probe_void(&b, now);
	assert_true(breaker_admit(&b, now, &wait_ms));
}

/* A hint ends the backoff, not more: the next request is the probe. */
static void
test_a_hint_hurries_the_probe(void **state)
{
	(void)state;
	breaker_init(&b);
	breaker_hurry(&b, 5);
	assert_int_equal(b.state, BREAKER_CLOSED);
	for (int i = 0; i < BREAKER_FAILURES; i++)
		(void)breaker_result(&b, false, 10);
	assert_false(breaker_admit(&b, 11, &wait_ms));
	breaker_hurry(&b, 11);
	assert_int_equal(b.state, BREAKER_OPEN);
	assert_true(breaker_admit(&b, 11, &wait_ms));
	assert_int_equal(b.state, BREAKER_HALF);
	breaker_hurry(&b, 12);
	assert_false(breaker_admit(&b, 12, &wait_ms));
	/* It goes on doubling when that fails, too. */
	assert_true(breaker_result(&b, false, 20));
	assert_int_equal(b.until_ms, 20 + 2 * BREAKER_MIN_MS);
	breaker_hurry(&b, 20 + 3 * BREAKER_MIN_MS);
	assert_int_equal(b.until_ms, 20 + 2 * BREAKER_MIN_MS);
}

static void
test_never_stuck(void **state)
{
	uint32_t seed = 7;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		now += (seed >> 8) % 2000;
		if (breaker_admit(&b, now, &wait_ms))
			breaker_result(&b, (seed >> 24) % 4 == 0, now);
		else
			assert_in_range(wait_ms, 1, BREAKER_MAX_MS);
		assert_int_not_equal(b.state, BREAKER_HALF);
	}
}

static void
test_state_of_health(void **state)
{
	struct health h = { 0 };

	(void)state;
	assert_int_equal(health_state(&h), TS_OFF);
	h.token = TOKEN_BAD;
	assert_int_equal(health_state(&h), TS_OFF);
	h.has_token = true;
	assert_int_equal(health_state(&h), TS_DOWN);
	h.token = TOKEN_UNKNOWN;
	assert_int_equal(health_state(&h), TS_DEGRADED);
	h.token = TOKEN_GOOD;
	assert_int_equal(health_state(&h), TS_CONNECTED);
	breaker_result(&h.breaker, false, now);
	assert_int_equal(health_state(&h), TS_DEGRADED);
	while (!breaker_result(&h.breaker, false, now))
		continue;
	assert_int_equal(health_state(&h), TS_DOWN);
	assert_true(breaker_admit(&h.breaker, now + BREAKER_MAX_MS,
	    &wait_ms));
	assert_int_equal(health_state(&h), TS_DOWN);
	breaker_result(&h.breaker, true, now);
	assert_int_equal(health_state(&h), TS_CONNECTED);
}

static void
test_when_to_probe(void **state)
{
	struct health h = { 0 };

	(void)state;
	assert_int_equal(health_probe_in_ms(&h, now), -1);
	h.has_token = true;
	assert_int_equal(health_probe_in_ms(&h, now), 1000);
	h.breaker.failures = 3;
	assert_int_equal(health_probe_in_ms(&h, now), 8000);
	h.breaker.failures = 1000;
	assert_int_equal(health_probe_in_ms(&h, now), 30000);
	h.breaker.failures = 0;
	h.token = TOKEN_BAD;
	for (unsigned int i = 0; i < 12; i++) {
		static const int s[] = { 5, 5, 10, 20, 40, 80, 160, 300, 300,
		    300, 300, 300 };

		h.refusals = i;
		assert_int_equal(health_probe_in_ms(&h, now), s[i] * 1000);
	}
	h.breaker.state = BREAKER_OPEN;
	h.breaker.until_ms = now + 700;
	assert_int_equal(health_probe_in_ms(&h, now), 700);
	assert_int_equal(health_probe_in_ms(&h, now + 900), 0);
	h.breaker.state = BREAKER_CLOSED;
	h.token = TOKEN_GOOD;
	h.heard_ms = now - 20000;
	assert_int_equal(health_probe_in_ms(&h, now), 40000);
	assert_true(health_is_known(&h, now));
	assert_false(health_is_known(&h, now + 40000));
	h.not_before_ms = now + 50000;
	assert_int_equal(health_probe_in_ms(&h, now), 50000);
}

static void
test_more_at_once_for_a_long_queue_or_a_slow_one(void **state)
{
	unsigned int limit = CALLS_PARALLEL_MIN;

	(void)state;
	assert_int_equal(health_parallel(limit, 0, 5000), limit);
	assert_int_equal(health_parallel(limit, 2 * limit, 1), limit);
	assert_int_equal(health_parallel(limit, 2 * limit + 1, 0), limit + 1);
	assert_int_equal(health_parallel(limit, 1, PATIENCE_MS), limit + 1);
	for (int i = 0; i < 100; i++)
		limit = health_parallel(limit, 1000, 60000);
	assert_int_equal(limit, CALLS_PARALLEL_MAX);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		T(test_opens_after_failures_in_a_row),
		T(test_a_success_between_keeps_it_closed),
		T(test_lets_one_probe_through),
		T(test_backoff_doubles_up_to_its_bound),
		T(test_stragglers_do_not_lengthen_an_opening),
		T(test_probe_that_never_began_leaves_room_for_another),
		T(test_a_hint_hurries_the_probe),
		T(test_never_stuck),
		T(test_state_of_health),
		T(test_when_to_probe),
		T(test_more_at_once_for_a_long_queue_or_a_slow_one),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
