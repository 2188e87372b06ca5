/*
 * Packing: what goes in comes out; what is damaged is found out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/uuid.h"
#include "workers/compress/payload.h"
#include "workers/compress/segment.h"

#define DICTIONARY_HASH 0xa2ca2539f8c9d21fULL

static const char event[] =
    "{\"type\":\"task_completion\",\"source\":\"claude-code\",\"timestamp\":"
    "\"2026-11-21T04:50:08.099Z\",\"task_id\":\"11111111-2222-4333-8444-"
    "000000000003\",\"title\":\"Refactor **auth** (v2.0)!\",\"description\":"
    "\"Task \\\"Refactor **auth** (v2.0)!\\\" completed successfully\","
    "\"data\":{\"status\":\"completed\",\"results\":\"All 12 tests pass.\\n- "
    "a.c\\n- b.c\\nCoverage: 91.2%\",\"files_affected\":[\"src/a.c\","
    "\"src/b.c\"],\"duration_ms\":65000},\"event_id\":\"11111111-2222-4333-"
    "8444-000000000003\",\"severity\":\"normal\"}";

static enum payload_encoding
round_trip(const void *raw, size_t len)
{
	enum payload_encoding encoding;
	char *packed, *again;
	size_t n = 0;

	packed = malloc(payload_bound(len) + 1);
	again = malloc(len + 1);
	encoding = payload_pack(raw, len, 1, packed, &n);
	if (encoding != ENC_RAW) {
		assert_true(n < len);
		assert_int_equal(payload_expand(encoding, packed, n, again,
		    len), 0);
		assert_memory_equal(raw, again, len);
		/* Any other length is damage. */
		assert_int_equal(payload_expand(encoding, packed, n, again,
		    len - 1), -1);
		assert_int_equal(payload_expand(encoding, packed, n - 1,
		    again, len), -1);
	}
	free(packed);
	free(again);
	return (encoding);
}

static void
test_round_trips(void **state)
{
	size_t len;
	char *big;

	(void)state;
	assert_int_equal(round_trip(event, sizeof(event) - 1), ENC_LZ4_DICT);
	assert_int_equal(round_trip("", 0), ENC_RAW);
	assert_int_equal(round_trip("x", 1), ENC_RAW);
	big = malloc(EVENT_MAX_BYTES);
	for (len = 0; len < EVENT_MAX_BYTES; len++)
		big[len] = event[(len * 7 / 5) % (sizeof(event) - 1)];
	assert_int_equal(round_trip(big, PAYLOAD_DICT_MAX - 1),
	    ENC_LZ4_DICT);
	assert_int_equal(round_trip(big, PAYLOAD_DICT_MAX), ENC_LZ4);
	assert_int_equal(round_trip(big, EVENT_MAX_BYTES), ENC_LZ4);
	for (len = 0; len < 4096; len++)
		big[len] = (char)hash64_mix(len);
	assert_int_equal(round_trip(big, 4096), ENC_RAW);
	free(big);
}

static void
test_dictionary_is_the_one_on_disk(void **state)
{
	(void)state;
	/* Payloads in stores out there need this very text (payload.h). */
	assert_int_equal(hash64(HASH64_INIT, payload_dictionary,
	    payload_dictionary_bytes), DICTIONARY_HASH);
}

static void
test_dictionary_pays(void **state)
{
	char packed[2048];
	size_t n = 0;

	(void)state;
	assert_int_equal(payload_pack(event, sizeof(event) - 1, 1, packed,
	    &n), ENC_LZ4_DICT);
	assert_true(n * 2 < sizeof(event));
}

static void
test_expand_believes_nothing(void **state)
{
	char packed[2048], out[2048];
	size_t i, n = 0;
	int c;

	(void)state;
	payload_pack(event, sizeof(event) - 1, 1, packed, &n);
	for (i = 0; i < n; i++) {
		for (c = 1; c < 256; c += 2) {
			packed[i] = (char)(packed[i] ^ c);
			payload_expand(ENC_LZ4, packed, n, out, sizeof(out));
			payload_expand(ENC_LZ4_DICT, packed, n, out,
			    sizeof(event) - 1);
			packed[i] = (char)(packed[i] ^ c);
		}
	}
	assert_int_equal(payload_expand(77, packed, n, out, 1), -1);
	assert_int_equal(payload_expand(ENC_RAW, packed, 5, out, 6), -1);
	assert_int_equal(payload_expand(ENC_LZ4, "", 0, out, 10), -1);
}

static void
make_segment(struct packer *out, uint32_t n)
{
	struct segment_writer w = { 0 };
	struct segment_member m = { .encoding = ENC_LZ4 };
	uint32_t i;

	segment_begin(&w);
	for (i = 0; i < n; i++) {
		m.id = 1000 + i;
		m.bytes = i % 3 == 0 ? 0 : 300 + i % 50;
		m.raw_bytes = 5 * i;
		assert_int_equal(segment_add(&w, &m, event + i % 50), 0);
	}
	assert_int_equal(segment_end(&w, 1, out), 0);
	segment_free(&w);
}

static void
test_segments(void **state)
{
	static const uint32_t sizes[] = { 0, 1, 2, 64, SEGMENT_MAX };
	struct packer out = { 0 };
	struct segment s;
	struct segment_member m;
	uint32_t i;
	size_t k;
	char *text;

	(void)state;
	for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		pack_reset(&out);
		make_segment(&out, sizes[k]);
		assert_int_equal(segment_open(&s, out.buf, out.len), 0);
		assert_int_equal(s.n, sizes[k]);
		text = malloc(s.raw_bytes + 1);
		assert_int_equal(segment_expand(&s, text), 0);
		for (i = 0; i < s.n; i++) {
			m = segment_member(&s, i);
			assert_int_equal(m.id, 1000 + i);
			assert_int_equal(m.raw_bytes, 5 * i);
			assert_int_equal(m.encoding, ENC_LZ4);
			assert_int_equal(m.bytes,
			    i % 3 == 0 ? 0 : 300 + i % 50);
			assert_memory_equal(text + m.offset, event + i % 50,
			    m.bytes);
		}
		free(text);
	}
	pack_free(&out);
}

static void
test_a_full_segment_says_so(void **state)
{
	struct segment_writer w = { 0 };
	struct segment_member m = { .id = 1, .bytes = 1 };
	char *big;
	uint32_t i;

	(void)state;
	segment_begin(&w);
	for (i = 0; i < SEGMENT_MAX; i++)
		assert_int_equal(segment_add(&w, &m, "x"), 0);
	assert_int_equal(segment_add(&w, &m, "x"), -1);
	segment_begin(&w);
	big = calloc(1, SEGMENT_BYTES_MAX);
	m.bytes = SEGMENT_BYTES_MAX;
	assert_int_equal(segment_add(&w, &m, big), 0);
	m.bytes = 1;
	assert_int_equal(segment_add(&w, &m, "x"), -1);
	free(big);
	segment_free(&w);
}

static void
test_a_damaged_segment_is_refused(void **state)
{
	struct packer out = { 0 };
	struct segment s;
	uint64_t hash;
	size_t i;
	char *text;
	int found = 0;

	(void)state;
	text = malloc(SEGMENT_BYTES_MAX);
	make_segment(&out, 20);
	for (i = 0; i < out.len; i++) {
		out.buf[i] ^= 0x15;
		assert_int_equal(segment_open(&s, out.buf, out.len), -1);
		/* With a hash to match, the lengths must hold. */
		hash = hash64(HASH64_INIT, out.buf + 16, out.len - 16);
		memcpy(out.buf + 8, &hash, 8);
		if (segment_open(&s, out.buf, out.len) == 0)
			segment_expand(&s, text);
		else
			found++;
		out.buf[i] ^= 0x15;
		hash = hash64(HASH64_INIT, out.buf + 16, out.len - 16);
		memcpy(out.buf + 8, &hash, 8);
	}
	assert_true(found > 100);
	assert_int_equal(segment_open(&s, out.buf, out.len), 0);
	for (i = 0; i < out.len; i++)
		assert_int_equal(segment_open(&s, out.buf, i), -1);
	pack_free(&out);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_dictionary_is_the_one_on_disk),
		cmocka_unit_test(test_dictionary_pays),
		cmocka_unit_test(test_expand_believes_nothing),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_a_full_segment_says_so),
		cmocka_unit_test(test_a_damaged_segment_is_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
