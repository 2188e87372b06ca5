/*
 * Fault injection: which passes of a point fail, and with what.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/fault.h"

/* The environment is read once, so that all tests share it. */
#define FAULTS "always:EIO,later:ENOSPC:2,thrice:EINTR:1:3,number:5:0:1,," \
	"twice:EIO:0:1,twice:ENOSPC:0:1"

static void
test_points_that_nobody_named_pass(void **state)
{
	(void)state;
	errno = 0;
	assert_int_equal(fault_point("other"), 0);
	assert_int_equal(fault_point(""), 0);
	assert_int_equal(fault_point("alway"), 0);
	assert_int_equal(errno, 0);
}

static void
test_always(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		errno = 0;
		assert_int_equal(fault_point("always"), EIO);
		assert_int_equal(errno, EIO);
	}
}

static void
test_after_some_passes(void **state)
{
	int i;

	(void)state;
	assert_int_equal(fault_point("later"), 0);
	assert_int_equal(fault_point("later"), 0);
	for (i = 0; i < 10; i++)
		assert_int_equal(fault_point("later"), ENOSPC);
}

static void
test_only_so_often(void **state)
{
	static const int expected[] = {0, EINTR, EINTR, EINTR, 0, 0};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(fault_point("thrice"), expected[i]);
}

static void
test_errors_are_numbers_too(void **state)
{
	(void)state;
	assert_int_equal(fault_point("number"), 5);
	assert_int_equal(fault_point("number"), 0);
}

static void
test_one_after_the_other(void **state)
{
	(void)state;
	assert_int_equal(fault_point("twice"), EIO);
	assert_int_equal(fault_point("twice"), ENOSPC);
	assert_int_equal(fault_point("twice"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_points_that_nobody_named_pass),
		cmocka_unit_test(test_always),
		cmocka_unit_test(test_after_some_passes),
		cmocka_unit_test(test_only_so_often),
		cmocka_unit_test(test_errors_are_numbers_too),
		cmocka_unit_test(test_one_after_the_other),
	};

	setenv("CCTG_FAULT", FAULTS, 1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
