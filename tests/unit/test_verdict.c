/*
 * What follows from the outcome of a call: the whole space is walked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/nitems.h"
#include "workers/queue/verdict.h"

#define ATTEMPTS 60

static const int64_t retry_afters_ms[] = { 0, 1, 400, 1000, 30000, 3600000 };
static const double jitters[] = { 0, 0.25, 0.5, 0.999999 };

/* Call check() for each point of the space. */
static void
walk(void (*check)(enum call_outcome, int, int64_t, bool, bool,
    struct verdict))
{
	for (int o = 0; o < NOUTCOMES; o++)
		for (int n = 1; n <= ATTEMPTS; n++)
			for (size_t r = 0; r < nitems(retry_afters_ms); r++)
				for (size_t i = 0; i < nitems(jitters); i++)
					for (int f = 0; f < 4; f++)
						check((enum call_outcome)o, n,
						    retry_afters_ms[r], f & 1,
						    f & 2, verdict_decide(
						    (enum call_outcome)o, n,
						    retry_afters_ms[r], f & 1,
						    f & 2, jitters[i]));
}

static void
check_loss(enum call_outcome o, int n, int64_t retry_after_ms, bool is_edit,
    bool is_progress, struct verdict v)
{
	(void)n, (void)retry_after_ms;
	/* Only Telegram's own word ends a delivery without arrival. */
	if (v.action == VA_DEAD)
		assert_true(o == CO_REFUSED || (o == CO_GONE && !is_edit));
	if (v.action == VA_SUSPEND)
		assert_int_equal(o, CO_SUSPENDED);
	if (v.action == VA_DONE)
		assert_true(o == CO_DELIVERED || o == CO_UNCHANGED);
	if (v.action == VA_UNCERTAIN)
		assert_true(o == CO_AMBIGUOUS && is_progress && !is_edit);
}

static void
test_nothing_is_given_up_without_a_reason(void **state)
{
	(void)state;
	walk(check_loss);
}

static void
check_wait(enum call_outcome o, int n, int64_t retry_after_ms, bool is_edit,
    bool is_progress, struct verdict v)
{
	(void)is_edit, (void)is_progress;
	assert_true(v.wait_ms >= 0);
	if (v.action == VA_RETRY) {
		assert_true(v.wait_ms >= (o == CO_RATE_LIMITED ? 1 : 400));
		assert_true(v.scope != VS_NOBODY);
	} else if (o != CO_MIGRATED) {
		assert_int_equal(v.wait_ms, 0);
		assert_int_equal(v.scope, VS_NOBODY);
	}
	/* DESIGN section 13: until retry_after, then at most 5 s more. */
	if (o == CO_RATE_LIMITED && retry_after_ms > 0)
		assert_in_range(v.wait_ms, retry_after_ms,
		    retry_after_ms + 5000);
	if (v.action == VA_RETRY)
		assert_true(v.wait_ms >= retry_after_ms);
	if (retry_after_ms == 0)
		assert_true(v.wait_ms <= 36000);
	/* A circle of ids is not followed without a pause. */
	if (o == CO_MIGRATED)
		assert_true(n <= 3 ? v.wait_ms == 0 : v.wait_ms >= 400);
}

static void
test_waits_are_bounded_and_never_missing(void **state)
{
	(void)state;
	walk(check_wait);
}

static void
check_ambiguous(enum call_outcome o, int n, int64_t retry_after_ms,
    bool is_edit, bool is_progress, struct verdict v)
{
	(void)n, (void)retry_after_ms;
	/* An edit may always be repeated. */
	assert_int_equal(v.ambiguous, o == CO_AMBIGUOUS && !is_edit);
	if (o == CO_AMBIGUOUS && (is_edit || !is_progress))
		assert_int_equal(v.action, VA_RETRY);
	if (o == CO_NOT_SENT || o == CO_RATE_LIMITED)
		assert_true(v.action == VA_RETRY && !v.ambiguous);
}

static void
test_only_what_may_have_arrived_is_marked(void **state)
{
	(void)state;
	walk(check_ambiguous);
}

static void
check_scope(enum call_outcome o, int n, int64_t retry_after_ms, bool is_edit,
    bool is_progress, struct verdict v)
{
	(void)n, (void)retry_after_ms, (void)is_edit, (void)is_progress;
	assert_int_equal(v.scope == VS_BOT, o == CO_UNAUTHORISED);
	assert_int_equal(v.action == VA_MIGRATE, o == CO_MIGRATED);
	assert_int_equal(v.action == VA_RENEW, o == CO_GONE && is_edit);
}

static void
test_only_a_refused_token_stops_the_bot(void **state)
{
	(void)state;
	walk(check_scope);
}

static void
test_backoff_doubles_up_to_30_s(void **state)
{
	(void)state;
	for (int n = 1; n < 200; n++) {
		int64_t middle = n > 6 ? 30000 : 500LL << (n - 1);

		assert_int_equal(backoff_ms(n, 0.5), middle);
		assert_int_equal(backoff_ms(n, 0), middle * 8 / 10);
		assert_in_range(backoff_ms(n, 0.999999), middle,
		    middle * 12 / 10);
		assert_true(backoff_ms(n + 1, 0.5) >= backoff_ms(n, 0.5));
	}
	assert_true(backoff_ms(0, 0) > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_given_up_without_a_reason),
		cmocka_unit_test(test_waits_are_bounded_and_never_missing),
		cmocka_unit_test(test_only_what_may_have_arrived_is_marked),
		cmocka_unit_test(test_only_a_refused_token_stops_the_bot),
		cmocka_unit_test(test_backoff_doubles_up_to_30_s),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
