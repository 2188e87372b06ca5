/*
 * The wall clock is set: by how much, and for which events that counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/queue/queue.h"

#define DAY_MS 86400000LL

static int64_t wall_ms = 1763697008000, steady_ms = 5000;

static int
setup(void **state)
{
	(void)state;
	skew_load("");
	(void)skew_look(wall_ms, steady_ms);
	return (0);
}

/* Both clocks go on, and the wall clock is set on top of it. */
static int64_t
pass(int64_t ms, int64_t set_by_ms)
{
	wall_ms += ms + set_by_ms;
	steady_ms += ms;
	return (skew_look(wall_ms, steady_ms));
}

static void
test_time_passes(void **state)
{
	(void)state;
	assert_int_equal(pass(0, 0), 0);
	assert_int_equal(pass(1, 0), 0);
	assert_int_equal(pass(30 * DAY_MS, 0), 0);
}

static void
test_a_clock_that_is_set(void **state)
{
	(void)state;
	assert_int_equal(pass(100, -DAY_MS), -DAY_MS);
	assert_int_equal(pass(100, 0), 0);
	assert_int_equal(pass(0, 50 * 365 * DAY_MS), 50 * 365 * DAY_MS);
	assert_int_equal(pass(0, -2000), -2000);
	assert_int_equal(pass(0, 2000), 2000);
}

/* NTP slews by 0.5 ms a second: it adds up, and is never a jump. */
static void
test_a_clock_that_is_slewed(void **state)
{
	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_int_equal(pass(1000, i < 50000 ? 1 : -1), 0);
	assert_int_equal(pass(0, 1999), 0);
	assert_int_equal(pass(0, -1999), 0);
}

/* Only those that came before it have times of the old clock. */
static void
test_events_before_and_after(void **state)
{
	(void)state;
	assert_int_equal(skew_since(1), 0);
	skew_add(10, -DAY_MS);
	skew_add(20, 5000);
	for (int64_t seq = 1; seq < 30; seq++)
		assert_int_equal(skew_since(seq), seq < 10 ? 5000 - DAY_MS :
		    seq < 20 ? 5000 : 0);
}

static void
test_text_and_back(void **state)
{
	char *text;

	(void)state;
	skew_add(10, -DAY_MS);
	skew_add(INT64_MAX, INT64_MAX);
	text = skew_text();
	skew_load("");
	assert_int_equal(skew_since(1), 0);
	skew_load(text);
	assert_int_equal(skew_since(1), INT64_MAX - DAY_MS);
	assert_int_equal(skew_since(10), INT64_MAX);
	free(text);
}

/* Whatever stands there: what is whole counts, and nothing fails. */
static void
test_damaged_text(void **state)
{
	static const char *const texts[] = { "", " ", "x", ":", "1", "1:",
		"1:x", "5:7 x", "5:7 9", "5:7 9:", "5:7x8" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		skew_load(texts[i]);
		assert_int_equal(skew_since(1),
		    strncmp(texts[i], "5:7", 3) == 0 ? 7 : 0);
	}
}

static void
test_the_oldest_are_forgotten(void **state)
{
	(void)state;
	for (int64_t i = 1; i <= 20; i++)
		skew_add(i * 10, 1);
	assert_int_equal(skew_since(1), 16);
	assert_int_equal(skew_since(199), 1);
	assert_int_equal(skew_since(200), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_time_passes, setup),
		cmocka_unit_test_setup(test_a_clock_that_is_set, setup),
		cmocka_unit_test_setup(test_a_clock_that_is_slewed, setup),
		cmocka_unit_test_setup(test_events_before_and_after, setup),
		cmocka_unit_test_setup(test_text_and_back, setup),
		cmocka_unit_test_setup(test_damaged_text, setup),
		cmocka_unit_test_setup(test_the_oldest_are_forgotten, setup),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
