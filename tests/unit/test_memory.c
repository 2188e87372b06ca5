/* The memory watchdog's slope and verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/memory.h"

#define MIB (1024.0 * 1024)
#define SOFT (48 << 20)
#define HARD (96 << 20)
#define OLD_MS (10 * MEM_AGE_MS)

static void
assert_near(double a, double b, double tolerance)
{
	assert_true(a - b <= tolerance && b - a <= tolerance);
}

static void
test_slope_of_a_line(void **state)
{
	double at[MEM_SAMPLES], bytes[MEM_SAMPLES];

	(void)state;
	for (size_t i = 0; i < MEM_SAMPLES; i++) {
		at[i] = 5.0 * (double)i;
		bytes[i] = 10 * MIB + 1000 * at[i];
	}
	assert_near(mem_slope(at, bytes, MEM_SAMPLES), 1000, 0.001);
	assert_near(mem_slope(at, bytes, 2), 1000, 0.001);
}

static void
test_slope_of_too_little(void **state)
{
	double at[] = {5, 5, 5}, bytes[] = {1, 2, 3};

	(void)state;
	assert_near(mem_slope(at, bytes, 0), 0, 0);
	assert_near(mem_slope(at, bytes, 1), 0, 0);
	assert_near(mem_slope(at, bytes, 3), 0, 0);
}

/* A quarter of the points may be anything. */
static void
test_slope_is_robust(void **state)
{
	double at[MEM_SAMPLES], bytes[MEM_SAMPLES];

	(void)state;
	for (size_t i = 0; i < MEM_SAMPLES; i++) {
		at[i] = 5.0 * (double)i;
		bytes[i] = i % 4 == 0 ? 500 * MIB * (double)(i % 7) :
		    10 * MIB + 2000 * at[i];
	}
	assert_near(mem_slope(at, bytes, MEM_SAMPLES), 2000, 1000);
}

/* Feed a window; returns the verdicts seen, as a mask. */
static unsigned int
verdicts(double start, double per_sample, unsigned int n)
{
	struct mem_track t = {0};
	unsigned int seen = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t bytes = (uint64_t)(start + per_sample * i);

		mem_note(&t, 5.0 * i, bytes);
		seen |= 1U << mem_judge(&t, bytes, OLD_MS, SOFT, HARD);
	}
	return (seen);
}

static void
test_steady_is_ok(void **state)
{
	(void)state;
	assert_int_equal(verdicts(30 * MIB, 0, 1000), 1U << MEM_OK);
}

/* A leak of 1 MiB a minute is seen before the soft limit. */
static void
test_leak_is_found(void **state)
{
	(void)state;
	assert_int_equal(verdicts(26 * MIB, MIB / 12, 200),
	    1U << MEM_OK | 1U << MEM_LEAK);
}

/* Growth far below the limit is no leak worth a restart. */
static void
test_warming_up_is_ok(void **state)
{
	(void)state;
	assert_int_equal(verdicts(4 * MIB, MIB / 12, 128), 1U << MEM_OK);
}

/* One step, as when a large event passes, is no leak. */
static void
test_step_is_no_leak(void **state)
{
	struct mem_track t = {0};

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		uint64_t bytes = i < 100 ? 26 << 20 : 40 << 20;

		mem_note(&t, 5.0 * i, bytes);
		assert_int_equal(mem_judge(&t, bytes, OLD_MS, SOFT, HARD),
		    MEM_OK);
	}
}

static void
test_limits(void **state)
{
	struct mem_track t = {0};

	(void)state;
	assert_int_equal(mem_judge(&t, SOFT, OLD_MS, SOFT, HARD), MEM_OK);
	assert_int_equal(mem_judge(&t, SOFT + 1, OLD_MS, SOFT, HARD),
	    MEM_SOFT);
	assert_int_equal(mem_judge(&t, HARD + 1, OLD_MS, SOFT, HARD),
	    MEM_HARD);
	/* The young are spared the soft limit, not the hard one. */
	assert_int_equal(mem_judge(&t, SOFT + 1, MEM_AGE_MS - 1, SOFT, HARD),
	    MEM_OK);
	assert_int_equal(mem_judge(&t, HARD + 1, 0, SOFT, HARD), MEM_HARD);
	assert_int_equal(mem_judge(&t, UINT64_MAX, OLD_MS, 0, 0), MEM_OK);
}

static void
test_reads_this_process(void **state)
{
	struct mem_sample s;

	(void)state;
	assert_int_equal(memory_read(getpid(), &s), 0);
	assert_true(s.rss_bytes > 100000);
	assert_true(s.pss_bytes > 0);
	assert_true(s.pss_bytes <= s.rss_bytes + (1 << 20));
	assert_int_equal(memory_read(-1, &s), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slope_of_a_line),
		cmocka_unit_test(test_slope_of_too_little),
		cmocka_unit_test(test_slope_is_robust),
		cmocka_unit_test(test_steady_is_ok),
		cmocka_unit_test(test_leak_is_found),
		cmocka_unit_test(test_warming_up_is_ok),
		cmocka_unit_test(test_step_is_no_leak),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_reads_this_process),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
