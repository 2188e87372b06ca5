/*
 * The simulator's rate limits: windows, the bucket of a private chat, and
 * penalties that hold.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/sim/limits.h"

static int64_t
take(struct limit *l, const struct limit_rates *r, enum limit_class class,
    int64_t now)
{
	int64_t	wait;

	if ((wait = limit_ask(l, r, class, now)) == 0)
		limit_note(l, r, class, now);
	return (wait);
}

static void
test_parse(void **state)
{
	struct limit_rates	r = { 0 };

	(void)state;
	assert_int_equal(limit_parse(&r,
	    "global=30,private=1,private_burst=3,group=20"), 0);
	assert_int_equal(r.global, 30);
	assert_int_equal(r.private_rate, 1);
	assert_int_equal(r.private_burst, 3);
	assert_int_equal(r.group, 20);
	assert_int_equal(limit_parse(&r, "group=0"), 0);
	assert_int_equal(r.group, 0);
	assert_int_equal(limit_parse(&r, "groups=1"), -1);
	assert_int_equal(limit_parse(&r, "group"), -1);
	assert_int_equal(limit_parse(&r, "group=x"), -1);
	assert_int_equal(limit_parse(&r, "group=-1"), -1);
}

/* No 60 seconds see more than 20 messages in a group. */
static void
test_group_window(void **state)
{
	const struct limit_rates r = { .group = 20 };
	struct limit		 l = { 0 };
	int			 i;

	(void)state;
	for (i = 0; i < 20; i++)
		assert_int_equal(take(&l, &r, LIMIT_GROUP, 1000 + i * 100), 0);
	/* The first one leaves the window at 61000. */
	assert_int_equal(take(&l, &r, LIMIT_GROUP, 3500), 58);
	assert_int_equal(l.until_ms, 61500);
	/* Further attempts are refused and change nothing. */
	assert_int_equal(take(&l, &r, LIMIT_GROUP, 4000), 58);
	assert_int_equal(take(&l, &r, LIMIT_GROUP, 61499), 1);
	assert_int_equal(take(&l, &r, LIMIT_GROUP, 61500), 0);
	limit_free(&l);
}

static void
test_global_window(void **state)
{
	const struct limit_rates r = { .global = 3 };
	struct limit		 l = { 0 };

	(void)state;
	assert_int_equal(take(&l, &r, LIMIT_GLOBAL, 5000), 0);
	assert_int_equal(take(&l, &r, LIMIT_GLOBAL, 5400), 0);
	assert_int_equal(take(&l, &r, LIMIT_GLOBAL, 5900), 0);
	assert_int_equal(take(&l, &r, LIMIT_GLOBAL, 5999), 1);
	assert_int_equal(take(&l, &r, LIMIT_GLOBAL, 6998), 1);
	assert_int_equal(take(&l, &r, LIMIT_GLOBAL, 6999), 0);
	limit_free(&l);
}

static void
test_private_bucket(void **state)
{
	const struct limit_rates r = { .private_rate = 1, .private_burst = 3 };
	struct limit		 l = { 0 };
	int			 i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(take(&l, &r, LIMIT_PRIVATE, 1000), 0);
	assert_int_equal(take(&l, &r, LIMIT_PRIVATE, 1000), 1);
	assert_int_equal(take(&l, &r, LIMIT_PRIVATE, 1999), 1);
	assert_int_equal(take(&l, &r, LIMIT_PRIVATE, 2000), 0);
	/* One a second for ever. */
	for (i = 3; i < 1000; i++)
		assert_int_equal(take(&l, &r, LIMIT_PRIVATE, i * 1000), 0);
	/* A long pause brings back the burst and no more. */
	for (i = 0; i < 3; i++)
		assert_int_equal(take(&l, &r, LIMIT_PRIVATE, 9999999), 0);
	assert_int_equal(take(&l, &r, LIMIT_PRIVATE, 9999999), 1);
}

static void
test_no_limits(void **state)
{
	const struct limit_rates r = { 0 };
	struct limit		 l = { 0 };
	int			 i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		assert_int_equal(take(&l, &r, LIMIT_PRIVATE, 1), 0);
		assert_int_equal(take(&l, &r, LIMIT_GROUP, 1), 0);
		assert_int_equal(take(&l, &r, LIMIT_GLOBAL, 1), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_group_window),
		cmocka_unit_test(test_global_window),
		cmocka_unit_test(test_private_bucket),
		cmocka_unit_test(test_no_limits),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
