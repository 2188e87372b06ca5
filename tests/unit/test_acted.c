/* Updates that have acted: each once, in whatever order they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/queue/acted.h"

#define DAY_MS INT64_C(86400000)
#define NOW INT64_C(1800000000000)

static int64_t gone[2 * ACTED_MAX];
static size_t ngone;

static void
forget(int64_t id)
{
	gone[ngone++] = id;
}

static void
test_in_order_one_number_is_enough(void **state)
{
	struct acted a = { 0 };

	(void)state;
	acted_clear(&a, forget);
	ngone = 0;
	assert_false(acted_has(&a, 0, NOW));
	for (int64_t id = 100; id < 5000; id += 1 + id % 3) {
		assert_false(acted_has(&a, id, NOW));
		acted_add(&a, id, true, NOW, forget);
		assert_true(acted_has(&a, id, NOW));
		assert_true(acted_has(&a, 5, NOW));
		assert_int_equal(a.floor, id + 1);
		assert_int_equal(a.n, 0);
	}
	assert_int_equal(ngone, 0);
}

static void
test_one_that_comes_late_still_acts(void **state)
{
	struct acted a = { 0 };

	(void)state;
	acted_clear(&a, forget);
	ngone = 0;
	acted_add(&a, 100, true, NOW, forget);
	acted_add(&a, 103, false, NOW, forget);
	acted_add(&a, 101, false, NOW, forget);
	assert_true(acted_has(&a, 101, NOW));
	assert_false(acted_has(&a, 102, NOW));
	assert_true(acted_has(&a, 103, NOW));
	assert_true(acted_has(&a, 100, NOW));
	assert_int_equal(a.floor, 101);
	/* Again: nothing changes. */
	acted_add(&a, 103, false, NOW, forget);
	assert_int_equal(a.n, 2);
	/* A poller gets the one that is left, and goes on. */
	acted_add(&a, 102, true, NOW, forget);
	assert_int_equal(a.floor, 103);
	assert_int_equal(ngone, 1);
	assert_int_equal(gone[0], 101);
	assert_true(acted_has(&a, 103, NOW));
	assert_false(acted_has(&a, 104, NOW));
	acted_add(&a, 104, true, NOW, forget);
	assert_int_equal(a.n, 0);
	assert_int_equal(ngone, 2);
}

static void
test_so_many_are_remembered(void **state)
{
	struct acted a = { 0 };

	(void)state;
	acted_clear(&a, forget);
	ngone = 0;
	for (int64_t i = 0; i < 3 * ACTED_MAX; i++)
		acted_add(&a, 10 + 2 * i, false, NOW, forget);
	assert_int_equal(a.n, ACTED_MAX);
	assert_int_equal(ngone, 2 * ACTED_MAX);
	for (size_t i = 0; i < ngone; i++) {
		assert_int_equal(gone[i], 10 + 2 * i);
		assert_true(acted_has(&a, gone[i], NOW));
	}
	/* Between those that are remembered there are still holes. */
	assert_false(acted_has(&a, a.id[5] + 1, NOW));
	/* One that is older than all of them acts, and is not kept. */
	ngone = 0;
	acted_add(&a, a.id[0] - 1, false, NOW, forget);
	assert_true(acted_has(&a, a.id[0] - 1, NOW));
	assert_true(acted_has(&a, a.id[0], NOW));
	assert_int_equal(ngone, 0);
	assert_int_equal(a.n, ACTED_MAX);
}

static void
test_what_is_wanted(void **state)
{
	struct acted a = { 0 };

	(void)state;
	ngone = 0;
	assert_int_equal(acted_wanted(&a, NOW), 0);
	acted_add(&a, 5, true, NOW, forget);
	assert_int_equal(acted_wanted(&a, NOW), 6);
	assert_true(acted_has(&a, 5, NOW + DAY_MS));
	assert_true(acted_has(&a, 1, NOW + DAY_MS));
	assert_false(acted_has(&a, 6, NOW + DAY_MS));
	/* A clock that is put back changes nothing. */
	assert_true(acted_has(&a, 5, NOW - 30 * DAY_MS));
}

static void
test_lower_ids_after_a_silent_week_act(void **state)
{
	struct acted a = { 0 };
	int64_t later = NOW + 7 * DAY_MS;

	(void)state;
	ngone = 0;
	acted_add(&a, 900000000, true, NOW, forget);
	acted_add(&a, 900000007, false, NOW, forget);
	assert_int_equal(acted_wanted(&a, later), 0);
	assert_false(acted_has(&a, 12345, later));
	assert_false(acted_has(&a, 900000007, later));
	acted_add(&a, 12345, true, later, forget);
	assert_int_equal(ngone, 1);
	assert_true(acted_has(&a, 12345, later));
	assert_int_equal(acted_wanted(&a, later), 12346);
}

/* Against the plain truth: a set. */
static void
test_any_order(void **state)
{
	bool has[600];
	struct acted a = { 0 };
	int64_t id;

	(void)state;
	srandom(7);
	for (int round = 0; round < 50; round++) {
		memset(has, 0, sizeof(has));
		acted_clear(&a, forget);
		for (int i = 0; i < 2000; i++) {
			id = random() % 600;
			assert_int_equal(acted_has(&a, id, NOW), has[id]);
			acted_add(&a, id, false, NOW, forget);
			ngone = 0;
			has[id] = true;
			for (size_t k = 1; k < a.n; k++)
				assert_true(a.id[k - 1] < a.id[k]);
		}
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test(test_##name)
	const struct CMUnitTest tests[] = {
		T(in_order_one_number_is_enough),
		T(one_that_comes_late_still_acts),
		T(so_many_are_remembered),
		T(what_is_wanted),
		T(lower_ids_after_a_silent_week_act),
		T(any_order),
	};

	return (cmocka_run_group_tests_name("acted", tests, NULL, NULL));
}
