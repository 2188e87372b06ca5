/*
 * Content fingerprints against a model that remembers everything.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "workers/queue/queue.h"

#define WINDOW_MS 5000
#define KINDS 400

/* Tests share the table: each has a time of its own. */
static int64_t now_ms = 1700000000000;
static int64_t seq;

static int
setup(void **state)
{
	(void)state;
	now_ms += 1000000;
	return (0);
}

static uint64_t
fingerprint(uint64_t n)
{
	/* splitmix64: neighbours become strangers */
	n += 0x9e3779b97f4a7c15;
	n = (n ^ (n >> 30)) * 0xbf58476d1ce4e5b9;
	n = (n ^ (n >> 27)) * 0x94d049bb133111eb;
	return (n ^ (n >> 31));
}

static void
test_same_content_within_the_window(void **state)
{
	(void)state;
	assert_false(dedup_seen(77, ++seq, now_ms, WINDOW_MS));
	assert_true(dedup_seen(77, ++seq, now_ms + 1, WINDOW_MS));
	assert_true(dedup_seen(77, ++seq, now_ms + WINDOW_MS - 1,
	    WINDOW_MS));
	/* Counted from the one that was sent, so that a stream of equal
	 * events is thinned, not silenced. */
	assert_false(dedup_seen(77, ++seq, now_ms + WINDOW_MS, WINDOW_MS));
	assert_true(dedup_seen(77, ++seq, now_ms + WINDOW_MS + 1,
	    WINDOW_MS));
}

static void
test_analysed_again_is_no_duplicate_of_itself(void **state)
{
	(void)state;
	assert_false(dedup_seen(78, ++seq, now_ms, WINDOW_MS));
	assert_false(dedup_seen(78, seq, now_ms, WINDOW_MS));
	assert_true(dedup_seen(78, seq + 1, now_ms, WINDOW_MS));
	seq++;
}

static void
test_no_fingerprint_no_window(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_false(dedup_seen(0, ++seq, now_ms, WINDOW_MS));
		assert_false(dedup_seen(79, ++seq, now_ms, 0));
	}
}

static void
test_as_the_model_says(void **state)
{
	int64_t sent_ms[KINDS];

	(void)state;
	for (int i = 0; i < KINDS; i++)
		sent_ms[i] = INT64_MIN / 2;
	for (int i = 0; i < 300000; i++) {
		int kind = rand() % KINDS;
		bool expected;

		now_ms += rand() % 30;
		expected = now_ms - sent_ms[kind] < WINDOW_MS;
		assert_int_equal(dedup_seen(fingerprint((uint64_t)kind),
		    ++seq, now_ms, WINDOW_MS), expected);
		if (!expected)
			sent_ms[kind] = now_ms;
	}
}

/* 20 000 different events a second are within what the table grows to, but
 * for the few that share a full bucket. */
static void
test_a_flood_is_remembered(void **state)
{
	int asked = 0, known = 0;

	(void)state;
	for (uint64_t i = 0; i < 100000; i++)
		assert_false(dedup_seen(fingerprint(1000000 + i), ++seq,
		    now_ms + (int64_t)i / 20, WINDOW_MS));
	for (uint64_t i = 1; i < 100000; i += 97, asked++)
		known += dedup_seen(fingerprint(1000000 + i), ++seq,
		    now_ms + 4999, WINDOW_MS);
	assert_true(known >= asked * 99 / 100);
}

/* More than it can hold: it forgets, but never takes one for another. */
static void
test_too_many_are_never_mistaken(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 2000000; i++)
		assert_false(dedup_seen(fingerprint(10000000 + i), ++seq,
		    now_ms + (int64_t)i / 1000, WINDOW_MS));
}

static void
test_a_clock_set_back(void **state)
{
	(void)state;
	assert_false(dedup_seen(80, ++seq, now_ms, WINDOW_MS));
	assert_false(dedup_seen(80, ++seq, now_ms - 3600000, WINDOW_MS));
	assert_true(dedup_seen(80, ++seq, now_ms - 3600000 + 1, WINDOW_MS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_same_content_within_the_window,
		    setup),
		cmocka_unit_test_setup(
		    test_analysed_again_is_no_duplicate_of_itself, setup),
		cmocka_unit_test_setup(test_no_fingerprint_no_window, setup),
		cmocka_unit_test_setup(test_as_the_model_says, setup),
		cmocka_unit_test_setup(test_a_flood_is_remembered, setup),
		cmocka_unit_test_setup(test_too_many_are_never_mistaken,
		    setup),
		cmocka_unit_test_setup(test_a_clock_set_back, setup),
	};

	srand(1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
