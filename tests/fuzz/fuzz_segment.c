/*
 * Fuzz target: packed payloads and archive segments from a damaged store.
 * The first byte chooses; a segment gets a hash that fits, so that more than
 * the hash is tried.
 */
#include <string.h>

#include "common/uuid.h"
#include "tests/fuzz/fuzz.h"
#include "workers/compress/payload.h"
#include "workers/compress/segment.h"

#define OUT_MAX (256U << 10)

static void
try_payload(const uint8_t *data, size_t len)
{
	unsigned int encoding = data[0] % 4;
	size_t raw = (size_t)data[1] << 8 | data[2];
	uint8_t *out;

	/* Exactly so large: a byte more is found by a sanitizer. */
	out = malloc(raw + (raw == 0));
	FUZZ_CHECK(out != NULL);
	payload_expand(encoding, data + 3, len - 3, out, raw);
	free(out);
}

static void
try_segment(const uint8_t *data, size_t len)
{
	struct segment s;
	struct segment_member m;
	uint8_t *copy, *out;
	uint64_t hash;
	uint32_t i;

	copy = malloc(len);
	FUZZ_CHECK(copy != NULL);
	memcpy(copy, data, len);
	if (len >= 16) {
		hash = hash64(HASH64_INIT, copy + 16, len - 16);
		memcpy(copy + 8, &hash, sizeof(hash));
	}
	if (segment_open(&s, copy, len) == 0) {
		out = malloc(s.raw_bytes + 1);
		FUZZ_CHECK(out != NULL);
		segment_expand(&s, out);
		for (i = 0; i < s.n; i++) {
			m = segment_member(&s, i);
			FUZZ_CHECK(m.offset <= s.raw_bytes);
			FUZZ_CHECK(m.bytes <= s.raw_bytes - m.offset);
		}
		free(out);
	}
	free(copy);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	return (0);
}

/* In turn a packed payload and a segment of pieces of the event. */
size_t
fuzz_seed(const uint8_t *event, size_t len, uint8_t *buf, size_t size)
{
	static unsigned int turn;
	struct segment_writer w = { 0 };
	struct segment_member m = { 0 };
	struct packer out = { 0 };
	size_t n = 0;

	if (len > 4096)
		len = 4096;
	if (turn++ % 2 == 0) {
		buf[0] = 0;
		buf[1] = (uint8_t)payload_pack(event, len, 1, buf + 4, &n);
		buf[2] = (uint8_t)(len >> 8);
		buf[3] = (uint8_t)len;
		return (4 + n);
	}
	segment_begin(&w);
	for (m.id = 0; m.id < 20; m.id++) {
		m.bytes = (uint32_t)(len / (m.id + 1));
		m.raw_bytes = m.bytes;
		FUZZ_CHECK(segment_add(&w, &m, event) == 0);
	}
	FUZZ_CHECK(segment_end(&w, 1, &out) == 0);
	FUZZ_CHECK(out.len < size);
	buf[0] = 1;
	memcpy(buf + 1, out.buf, out.len);
	n = out.len + 1;
	pack_free(&out);
	segment_free(&w);
	return (n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 4 || len > OUT_MAX)
		return (0);
	if (data[0] % 2 == 0)
		try_payload(data + 1, len - 1);
	else
		try_segment(data + 1, len - 1);
	return (0);
}
