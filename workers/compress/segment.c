/*
 * Archive segments; see segment.h for the format.  Pure but for memory.  A
 * damaged segment is found out by its hash or its lengths, never by a crash.
 */
#include <endian.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/uuid.h"
#include "workers/compress/payload.h"
#include "workers/compress/segment.h"

#define HEADER_BYTES 32
#define MEMBER_BYTES 24

static const char magic[8] = { 'c', 'c', 't', 'g', 's', 'e', 'g', '1' };

static void put_u32(uint8_t *, uint32_t);
static uint32_t get_u32(const uint8_t *);
static int packer_append(struct packer *, const void *, size_t);

static void
put_u32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static uint32_t
get_u32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return (le32toh(v));
}

/* Room for n bytes behind what is there, filled from data unless NULL. */
static int
packer_append(struct packer *p, const void *data, size_t n)
{
	uint8_t *bigger;
	size_t size;

	if (p->size - p->len < n) {
		size = (p->len + n) * 2;
		if ((bigger = realloc(p->buf, size)) == NULL)
			return (-1);
		p->buf = bigger;
		p->size = size;
	}
	if (data != NULL && n > 0)
		memcpy(p->buf + p->len, data, n);
	p->len += n;
	return (0);
}

void
segment_begin(struct segment_writer *w)
{
	w->n = 0;
	pack_reset(&w->index);
	pack_reset(&w->text);
}

int
segment_add(struct segment_writer *w, const struct segment_member *m,
    const void *payload)
{
	uint8_t member[MEMBER_BYTES];
	uint64_t id = htole64(m->id);

	if (w->n == SEGMENT_MAX || m->bytes > SEGMENT_BYTES_MAX ||
	    w->text.len + m->bytes > SEGMENT_BYTES_MAX)
		return (-1);
	memcpy(member, &id, sizeof(id));
	put_u32(member + 8, (uint32_t)w->text.len);
	put_u32(member + 12, m->bytes);
	put_u32(member + 16, m->raw_bytes);
	put_u32(member + 20, m->encoding);
	if (packer_append(&w->index, member, sizeof(member)) == -1)
		return (-1);
	if (packer_append(&w->text, payload, m->bytes) == -1) {
		w->index.len -= sizeof(member);
		return (-1);
	}
	w->n++;
	return (0);
}

int
segment_end(struct segment_writer *w, int level, struct packer *out)
{
	size_t start = out->len, block, packed = w->text.len;
	enum payload_encoding encoding;
	uint64_t hash;
	uint8_t *p;

	block = start + HEADER_BYTES + w->index.len;
	if (packer_append(out, NULL, HEADER_BYTES) == -1 ||
	    packer_append(out, w->index.buf, w->index.len) == -1 ||
	    packer_append(out, NULL, payload_bound(w->text.len)) == -1) {
		out->len = start;
		return (-1);
	}
	encoding = payload_pack(w->text.buf, w->text.len, level,
	    out->buf + block, &packed);
	if (encoding == ENC_RAW && packed > 0)
		memcpy(out->buf + block, w->text.buf, packed);
	out->len = block + packed;
	p = out->buf + start;
	memcpy(p, magic, sizeof(magic));
	put_u32(p + 16, w->n);
	put_u32(p + 20, (uint32_t)w->text.len);
	put_u32(p + 24, (uint32_t)packed);
	put_u32(p + 28, encoding);
	hash = htole64(hash64(HASH64_INIT, p + 16, out->len - start - 16));
	memcpy(p + 8, &hash, sizeof(hash));
	segment_begin(w);
	return (0);
}

void
segment_free(struct segment_writer *w)
{
	pack_free(&w->index);
	pack_free(&w->text);
	w->n = 0;
}

int
segment_open(struct segment *s, const void *data, size_t bytes)
{
	const uint8_t *p = data;
	struct segment_member m;
	uint64_t hash;
	uint32_t i, sum = 0;

	if (bytes < HEADER_BYTES || memcmp(p, magic, sizeof(magic)) != 0)
		return (-1);
	memcpy(&hash, p + 8, sizeof(hash));
	if (le64toh(hash) != hash64(HASH64_INIT, p + 16, bytes - 16))
		return (-1);
	s->n = get_u32(p + 16);
	s->raw_bytes = get_u32(p + 20);
	s->packed_bytes = get_u32(p + 24);
	s->encoding = get_u32(p + 28);
	if (s->n > SEGMENT_MAX || s->raw_bytes > SEGMENT_BYTES_MAX ||
	    bytes - HEADER_BYTES < (size_t)s->n * MEMBER_BYTES)
		return (-1);
	s->index = p + HEADER_BYTES;
	s->block = s->index + (size_t)s->n * MEMBER_BYTES;
	if (bytes - (size_t)(s->block - p) != s->packed_bytes)
		return (-1);
	for (i = 0; i < s->n; i++) {
		m = segment_member(s, i);
		if (m.offset != sum || m.bytes > s->raw_bytes - sum)
			return (-1);
		sum += m.bytes;
	}
	return (sum == s->raw_bytes ? 0 : -1);
}

struct segment_member
segment_member(const struct segment *s, uint32_t i)
{
	const uint8_t *p = s->index + (size_t)i * MEMBER_BYTES;
	struct segment_member m;

	memcpy(&m.id, p, sizeof(m.id));
	m.id = le64toh(m.id);
	m.offset = get_u32(p + 8);
	m.bytes = get_u32(p + 12);
	m.raw_bytes = get_u32(p + 16);
	m.encoding = get_u32(p + 20);
	return (m);
}

int
segment_expand(const struct segment *s, void *out)
{
	return (payload_expand(s->encoding, s->block, s->packed_bytes, out,
	    s->raw_bytes));
}
