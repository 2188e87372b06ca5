/*
 * Rate budgets against a judge that counts as the Bot API does, with every
 * kind of demand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/nitems.h"
#include "workers/queue/rate.h"

#define MINUTE_MS 60000
#define SENT_MAX 40000

static int64_t sent[SENT_MAX];
static size_t nsent;

static const struct rate_conf documented = { .global = 30, .private = 1,
	.private_burst = 3, .group_per_minute = 20 };

/* The most sends within any period. */
static size_t
judge_window(int64_t period_ms)
{
	size_t most = 0, from = 0;

	for (size_t i = 0; i < nsent; i++) {
		while (sent[i] - sent[from] >= period_ms)
			from++;
		if (i - from + 1 > most)
			most = i - from + 1;
	}
	return (most);
}

/* Take what may go, asking every step_ms; one in nth is critical. */
static void
demand(struct rate_budget *b, int64_t from, int64_t until, int64_t step_ms,
    unsigned int nth)
{
	for (int64_t now = from; now < until; now += step_ms) {
		bool critical = nth > 0 && rand() % nth == 0;

		while (rate_wait(b, now, critical) == 0) {
			assert_true(nsent < SENT_MAX);
			rate_take(b, now);
			sent[nsent++] = now;
		}
	}
}

static void
test_no_limit_never_waits(void **state)
{
	static const struct rate_conf none = { 0 };
	struct rate_budget b[3];

	(void)state;
	assert_int_equal(rate_init_bot(&b[0], &none), 0);
	assert_int_equal(rate_init_chat(&b[1], &none, true), 0);
	assert_int_equal(rate_init_chat(&b[2], &none, false), 0);
	for (size_t i = 0; i < nitems(b); i++) {
		assert_int_equal(rate_interval_ms(&b[i]), 0);
		for (int n = 0; n < 10000; n++) {
			assert_int_equal(rate_wait(&b[i], 5, false), 0);
			rate_take(&b[i], 5);
		}
		rate_free(&b[i]);
	}
}

static void
test_group_is_never_over_its_limit(void **state)
{
	static const int64_t steps[] = { 1, 7, 100, 999, 2900, 3100, 61000 };
	static const int limits[] = { 1, 2, 3, 4, 5, 19, 20, 60, 256, 1000 };
	struct rate_conf c = documented;
	struct rate_budget b;

	(void)state;
	for (size_t l = 0; l < nitems(limits); l++) {
		for (size_t s = 0; s < nitems(steps); s++) {
			c.group_per_minute = limits[l];
			assert_int_equal(rate_init_chat(&b, &c, true), 0);
			nsent = 0;
			demand(&b, 0, 10 * MINUTE_MS, steps[s],
			    s % 2 == 0 ? 0 : 5);
			assert_true(judge_window(MINUTE_MS) <=
			    (size_t)limits[l]);
			rate_free(&b);
		}
	}
}

/* The way to Telegram may take longer for one message than for the next. */
static void
test_group_stands_uneven_ways(void **state)
{
	struct rate_budget b;

	(void)state;
	assert_int_equal(rate_init_chat(&b, &documented, true), 0);
	nsent = 0;
	demand(&b, 0, 30 * MINUTE_MS, 10, 20);
	for (size_t i = 0; i < nsent; i++)
		sent[i] += rand() % 250;
	for (size_t i = 1; i < nsent; i++)
		if (sent[i] < sent[i - 1])
			sent[i] = sent[i - 1];
	assert_true(judge_window(MINUTE_MS) <= 20);
	rate_free(&b);
}

static void
test_group_uses_what_it_is_given(void **state)
{
	struct rate_budget b;

	(void)state;
	assert_int_equal(rate_init_chat(&b, &documented, true), 0);
	nsent = 0;
	demand(&b, 0, 60 * MINUTE_MS, 10, 0);
	assert_true(nsent >= 60 * 18);
	assert_true(judge_window(MINUTE_MS) == 19);
	rate_free(&b);
}

static void
test_a_place_is_kept_for_the_critical(void **state)
{
	struct rate_budget b;

	(void)state;
	assert_int_equal(rate_init_chat(&b, &documented, true), 0);
	nsent = 0;
	for (int64_t now = 0; now < 10 * MINUTE_MS; now += 10) {
		demand(&b, now, now + 10, 10, 0);
		assert_int_equal(rate_wait(&b, now, true), 0);
	}
	rate_free(&b);
	assert_int_equal(rate_init_chat(&b, &documented, false), 0);
	for (int64_t now = 0; now < MINUTE_MS; now += 10) {
		if (rate_wait(&b, now, false) == 0)
			rate_take(&b, now);
		assert_int_equal(rate_wait(&b, now, true), 0);
	}
	rate_free(&b);
	assert_int_equal(rate_init_bot(&b, &documented), 0);
	for (int64_t now = 0; now < MINUTE_MS; now += 1) {
		if (rate_wait(&b, now, false) == 0)
			rate_take(&b, now);
		assert_int_equal(rate_wait(&b, now, true), 0);
	}
	rate_free(&b);
}

/* A message that waited as long as it was told to may go, and not earlier. */
static void
test_the_wait_is_exact(void **state)
{
	struct rate_budget b[3];

	(void)state;
	assert_int_equal(rate_init_bot(&b[0], &documented), 0);
	assert_int_equal(rate_init_chat(&b[1], &documented, true), 0);
	assert_int_equal(rate_init_chat(&b[2], &documented, false), 0);
	for (size_t i = 0; i < nitems(b); i++) {
		int64_t now = 1000, wait;

		for (int n = 0; n < 2000; n++) {
			bool critical = rand() % 4 == 0;

			now += rand() % 1500;
			wait = rate_wait(&b[i], now, critical);
			assert_in_range(wait, 0, MINUTE_MS + 1000);
			assert_int_equal(rate_wait(&b[i], now + wait,
			    critical), 0);
			/* A bucket's fraction of a token: 2 ms. */
			if (wait > 2)
				assert_true(rate_wait(&b[i], now + wait - 3,
				    critical) > 0);
			now += wait;
			rate_take(&b[i], now);
		}
		rate_free(&b[i]);
	}
}

static void
test_private_chat_has_bursts(void **state)
{
	static const double rates[] = { 0.1, 0.5, 1, 3, 1000 };
	struct rate_conf c = documented;
	struct rate_budget b;

	(void)state;
	for (size_t r = 0; r < nitems(rates); r++) {
		for (int burst = 1; burst <= 5; burst++) {
			c.private = rates[r];
			c.private_burst = burst;
			assert_int_equal(rate_init_chat(&b, &c, false), 0);
			nsent = 0;
			demand(&b, 0, 20000, 10, 3);
			for (size_t i = 0; i < nsent; i++)
				for (size_t k = i; k < nsent && k < i + 100;
				    k++)
					assert_true((double)(k - i + 1) <=
					    burst + 0.01 + rates[r] *
					    (double)(sent[k] - sent[i]) /
					    1000);
			/* All of it is used in the end. */
			if (rates[r] < 100)
				assert_true((double)nsent >=
				    rates[r] * 20 - 1);
			rate_free(&b);
		}
	}
}

static void
test_the_bots_limit(void **state)
{
	static const double limits[] = { 0.2, 1, 7.5, 30, 256, 1000, 10000 };
	struct rate_conf c = documented;
	struct rate_budget b;

	(void)state;
	for (size_t l = 0; l < nitems(limits); l++) {
		c.global = limits[l];
		assert_int_equal(rate_init_bot(&b, &c), 0);
		nsent = 0;
		demand(&b, 0, limits[l] > 300 ? 2000 : 20000, 1, 4);
		assert_true((double)judge_window(limits[l] < 1 ?
		    (int64_t)(1000 / limits[l]) : 1000) <=
		    (limits[l] < 1 ? 1 : limits[l]));
		assert_true(nsent > 1);
		rate_free(&b);
	}
}

static void
test_interval_is_the_inverse(void **state)
{
	struct rate_budget b;

	(void)state;
	assert_int_equal(rate_init_chat(&b, &documented, true), 0);
	assert_int_equal(rate_interval_ms(&b), 3000);
	rate_free(&b);
	assert_int_equal(rate_init_chat(&b, &documented, false), 0);
	assert_int_equal(rate_interval_ms(&b), 1000);
	rate_free(&b);
	assert_int_equal(rate_init_bot(&b, &documented), 0);
	assert_in_range(rate_interval_ms(&b), 33, 34);
	rate_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit_never_waits),
		cmocka_unit_test(test_group_is_never_over_its_limit),
		cmocka_unit_test(test_group_stands_uneven_ways),
		cmocka_unit_test(test_group_uses_what_it_is_given),
		cmocka_unit_test(test_a_place_is_kept_for_the_critical),
		cmocka_unit_test(test_the_wait_is_exact),
		cmocka_unit_test(test_private_chat_has_bursts),
		cmocka_unit_test(test_the_bots_limit),
		cmocka_unit_test(test_interval_is_the_inverse),
	};

	srand(1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
