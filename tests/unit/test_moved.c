/*
 * Groups that got another id.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/queue/queue.h"

static int
setup(void **state)
{
	(void)state;
	moved_load("");
	return (0);
}

static void
test_others_stay(void **state)
{
	(void)state;
	assert_true(moved_add(-1, -1001));
	assert_int_equal(moved_to(-1), -1001);
	assert_int_equal(moved_to(-1001), -1001);
	assert_int_equal(moved_to(-2), -2);
}

static void
test_a_second_move_is_followed_from_the_first_id(void **state)
{
	(void)state;
	assert_true(moved_add(-1, -2));
	assert_true(moved_add(-2, -3));
	assert_int_equal(moved_to(-1), -3);
	assert_int_equal(moved_to(-2), -3);
	assert_true(moved_add(-1, -4));
	assert_int_equal(moved_to(-1), -4);
	assert_int_equal(moved_to(-2), -3);
}

static void
test_circles_are_refused(void **state)
{
	(void)state;
	assert_false(moved_add(-1, -1));
	assert_true(moved_add(-1, -2));
	assert_false(moved_add(-2, -1));
	assert_true(moved_add(-2, -3));
	assert_false(moved_add(-3, -1));
	assert_int_equal(moved_to(-1), -3);
}

static void
test_through_the_store_and_back(void **state)
{
	char *text, *again;

	(void)state;
	assert_true(moved_add(INT64_MIN, INT64_MAX));
	for (int i = 1; i < 300; i++)
		assert_true(moved_add(-i, -1000000000000 - i));
	text = moved_text();
	moved_load("");
	assert_int_equal(moved_to(-7), -7);
	moved_load(text);
	again = moved_text();
	assert_string_equal(text, again);
	assert_int_equal(moved_to(-7), -1000000000007);
	assert_int_equal(moved_to(INT64_MIN), INT64_MAX);
	free(text);
	free(again);
}

static void
test_a_damaged_text_gives_what_is_whole(void **state)
{
	static const char *const texts[] = { "-1>-2 x", "-1>-2 -3", "-1>-2 >",
	    "-1>-2 -3>", "-1>-2", "-1>-2  ", "-1>-2 \xff\x01" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		moved_load(texts[i]);
		assert_int_equal(moved_to(-1), -2);
		assert_int_equal(moved_to(-3), -3);
	}
	moved_load("nonsense");
	assert_int_equal(moved_to(-1), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_others_stay, setup),
		cmocka_unit_test_setup(
		    test_a_second_move_is_followed_from_the_first_id, setup),
		cmocka_unit_test_setup(test_circles_are_refused, setup),
		cmocka_unit_test_setup(test_through_the_store_and_back,
		    setup),
		cmocka_unit_test_setup(
		    test_a_damaged_text_gives_what_is_whole, setup),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
