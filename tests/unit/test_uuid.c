/*
 * Identifiers: form, order, and that the same bytes give the same id.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/uuid.h"

static void
check_form(const char *u, char version)
{
	assert_int_equal(strlen(u), UUID_SIZE - 1);
	assert_int_equal(strspn(u, "0123456789abcdef-"), UUID_SIZE - 1);
	assert_int_equal(u[8], '-');
	assert_int_equal(u[13], '-');
	assert_int_equal(u[14], version);
	assert_int_equal(u[18], '-');
	assert_non_null(strchr("89ab", u[19]));
	assert_int_equal(u[23], '-');
}

static void
test_v7_form_and_time(void **state)
{
	char u[UUID_SIZE];
	unsigned long long ms;
	unsigned int hi, lo;
	time_t now = time(NULL);

	(void)state;
	uuid_v7(u);
	check_form(u, '7');
	assert_int_equal(sscanf(u, "%8x-%4x", &hi, &lo), 2);
	ms = (unsigned long long)hi << 16 | lo;
	assert_in_range(ms / 1000, now - 1, now + 1);
}

static void
test_v7_rises_even_within_a_microsecond(void **state)
{
	char last[UUID_SIZE], u[UUID_SIZE];
	int i;

	(void)state;
	uuid_v7(last);
	for (i = 0; i < 100000; i++) {
		uuid_v7(u);
		assert_true(strcmp(u, last) > 0);
		assert_true(uuid_index_key(u, 36) >
		    uuid_index_key(last, 36));
		memcpy(last, u, sizeof(last));
	}
}

static void
test_from_bytes(void **state)
{
	char a[UUID_SIZE], b[UUID_SIZE];

	(void)state;
	uuid_from_bytes(a, "file", 4);
	check_form(a, '8');
	uuid_from_bytes(b, "file", 4);
	assert_string_equal(a, b);
	uuid_from_bytes(b, "filf", 4);
	assert_string_not_equal(a, b);
	uuid_from_bytes(b, "", 0);
	check_form(b, '8');
	assert_string_not_equal(a, b);
	/* The index takes the first half: it must differ, too. */
	uuid_from_bytes(a, "a", 1);
	uuid_from_bytes(b, "b", 1);
	assert_int_not_equal(uuid_index_key(a, 36), uuid_index_key(b, 36));
}

static void
test_hash64_is_fnv1a(void **state)
{
	(void)state;
	/* Test vectors of the FNV page, 64 bits, 1a. */
	assert_int_equal(hash64(HASH64_INIT, "", 0), 0xcbf29ce484222325ULL);
	assert_int_equal(hash64(HASH64_INIT, "a", 1), 0xaf63dc4c8601ec8cULL);
	assert_int_equal(hash64(HASH64_INIT, "foobar", 6),
	    0x85944171f73967e8ULL);
	assert_int_equal(hash64(hash64(HASH64_INIT, "foo", 3), "bar", 3),
	    0x85944171f73967e8ULL);
}

static void
test_index_key(void **state)
{
	const char *u = "11111111-2222-4333-8444-000000000003";

	(void)state;
	assert_int_equal(uuid_index_key(u, 36), 0x1111111122224333LL);
	assert_int_equal(uuid_index_key(u, 36), uuid_index_key(
	    "11111111-2222-4333-9999-000000000003", 36));
	assert_int_equal(
	    uuid_index_key("ABCDEFAB-CDEF-ABCD-EF00-000000000000", 36),
	    uuid_index_key("abcdefab-cdef-abcd-ef00-000000000000", 36));
	/* Counters keep their order, in places of their own. */
	assert_int_equal(uuid_index_key("build-1", 7) + 1,
	    uuid_index_key("build-2", 7));
	assert_true(uuid_index_key("build-9", 7) <
	    uuid_index_key("build-10", 8));
	assert_true(uuid_index_key("build-1", 7) < 0);
	assert_true(uuid_index_key("", 0) < 0);
	assert_int_not_equal(uuid_index_key("build-1", 7) >> 32,
	    uuid_index_key("built-1", 7) >> 32);
	assert_int_not_equal(
	    uuid_index_key("run-20260101120000123", 21) >> 32,
	    uuid_index_key("run-20270101120000123", 21) >> 32);
	assert_int_not_equal(
	    uuid_index_key("99999999999999999999999999", 26),
	    uuid_index_key("89999999999999999999999999", 26));
	assert_int_not_equal(uuid_index_key(u, 35), 0x1111111122224333LL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v7_form_and_time),
		cmocka_unit_test(test_v7_rises_even_within_a_microsecond),
		cmocka_unit_test(test_from_bytes),
		cmocka_unit_test(test_hash64_is_fnv1a),
		cmocka_unit_test(test_index_key),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
