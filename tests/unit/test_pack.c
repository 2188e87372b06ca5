/* Fields of messages: there and back, and cut off at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ipc/pack.h"

static const char blob[] = "with a \0 inside";

static void
write_all(struct packer *p)
{
	pack_u8(p, 0xfe);
	pack_u16(p, 0xfedc);
	pack_u32(p, 0xfedcba98);
	pack_u64(p, 0xfedcba9876543210);
	pack_i64(p, INT64_MIN);
	pack_str(p, "text");
	pack_str(p, "");
	pack_str(p, NULL);
	pack_blob(p, blob, sizeof(blob));
}

/* Returns how many fields were as they should be. */
static int
read_all(struct unpacker *u)
{
	int good = 0;
	struct span s;

	good += unpack_u8(u) == 0xfe;
	good += unpack_u16(u) == 0xfedc;
	good += unpack_u32(u) == 0xfedcba98;
	good += unpack_u64(u) == 0xfedcba9876543210;
	good += unpack_i64(u) == INT64_MIN;
	good += span_eq(unpack_span(u), "text");
	s = unpack_span(u);
	good += !u->failed && s.len == 0;
	s = unpack_span(u);
	good += !u->failed && s.len == 0;
	s = unpack_span(u);
	good += s.len == sizeof(blob) && memcmp(s.p, blob, s.len) == 0;
	return (good);
}

static void
test_round_trip(void **state)
{
	struct packer p = { 0 };
	struct unpacker u;

	(void)state;
	for (int i = 0; i < 3; i++) {
		pack_reset(&p);
		write_all(&p);
		assert_false(p.failed);
		assert_int_equal(p.len, 1 + 2 + 4 + 8 + 8 + 4 * 4 + 4 +
		    sizeof(blob));
		unpack_init(&u, p.buf, p.len);
		assert_int_equal(read_all(&u), 9);
		assert_true(unpack_done(&u));
	}
	pack_free(&p);
	assert_null(p.buf);
}

/* In a buffer of just that size, so that valgrind and asan see a read behind
 * its end. */
static void
test_cut_off_at_every_byte(void **state)
{
	struct packer p = { 0 };
	struct unpacker u;

	(void)state;
	write_all(&p);
	for (size_t n = 0; n < p.len; n++) {
		uint8_t *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, p.buf, n);
		unpack_init(&u, cut, n);
		assert_true(read_all(&u) < 9);
		assert_false(unpack_done(&u));
		/* It stays failed, and what it gives is zero. */
		assert_int_equal(unpack_u8(&u), 0);
		assert_int_equal(unpack_u64(&u), 0);
		assert_int_equal(unpack_span(&u).len, 0);
		assert_non_null(unpack_span(&u).p);
		free(cut);
	}
	pack_free(&p);
}

static void
test_left_over_bytes(void **state)
{
	struct packer p = { 0 };
	struct unpacker u;

	(void)state;
	write_all(&p);
	pack_u8(&p, 0);
	unpack_init(&u, p.buf, p.len);
	assert_int_equal(read_all(&u), 9);
	assert_false(unpack_done(&u));
	pack_free(&p);
}

/* A length that would run over the end, or around it. */
static void
test_lying_lengths(void **state)
{
	static const uint32_t lengths[] = { 5, 0x7fffffff, 0x80000000,
		UINT32_MAX - 3, UINT32_MAX };
	struct packer p = { 0 };
	struct unpacker u;

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		pack_reset(&p);
		pack_u32(&p, lengths[i]);
		pack_u32(&p, 0);
		unpack_init(&u, p.buf, p.len);
		assert_int_equal(unpack_span(&u).len, 0);
		assert_false(unpack_done(&u));
	}
	pack_free(&p);
}

static void
test_nothing(void **state)
{
	struct unpacker u;

	(void)state;
	unpack_init(&u, "", 0);
	assert_true(unpack_done(&u));
	unpack_init(&u, NULL, 0);
	assert_true(unpack_done(&u));
}

static void
test_growth(void **state)
{
	static uint8_t large[100000];
	struct packer p = { 0 };
	struct unpacker u;
	struct span s;

	(void)state;
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(i * 31);
	for (size_t n = 0; n < sizeof(large); n = n * 2 + 1)
		pack_blob(&p, large, n);
	unpack_init(&u, p.buf, p.len);
	for (size_t n = 0; n < sizeof(large); n = n * 2 + 1) {
		s = unpack_span(&u);
		assert_int_equal(s.len, n);
		assert_memory_equal(s.p, large, n);
	}
	assert_true(unpack_done(&u));
	pack_free(&p);
}

/* A failure sticks, whatever comes after it. */
static void
test_failed_writer(void **state)
{
	struct packer p = { 0 };

	(void)state;
	pack_blob(&p, "x", (size_t)UINT32_MAX + 1);
	assert_true(p.failed);
	pack_u32(&p, 1);
	assert_true(p.failed);
	assert_int_equal(p.len, 0);
	pack_reset(&p);
	assert_false(p.failed);
	pack_free(&p);
}

static void
test_spans(void **state)
{
	struct span s = { "abcdef", 3 };
	char *copy;

	(void)state;
	assert_true(span_eq(s, "abc"));
	assert_false(span_eq(s, "abcd"));
	assert_false(span_eq(s, "ab"));
	copy = span_dup(s);
	assert_string_equal(copy, "abc");
	free(copy);
	s.len = 0;
	copy = span_dup(s);
	assert_string_equal(copy, "");
	free(copy);
	assert_true(span_eq(s, ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cut_off_at_every_byte),
		cmocka_unit_test(test_left_over_bytes),
		cmocka_unit_test(test_lying_lengths),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_failed_writer),
		cmocka_unit_test(test_spans),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
