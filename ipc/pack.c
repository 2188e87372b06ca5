/*
 * Typed writers and readers of message fields; see pack.h.  Pure but for
 * memory.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/pack.h"

static void pack_bytes(struct packer *, const void *, size_t);
static void unpack_bytes(struct unpacker *, void *, size_t);

void
pack_reset(struct packer *p)
{
	p->len = 0;
	p->failed = false;
}

void
pack_free(struct packer *p)
{
	free(p->buf);
	*p = (struct packer){ 0 };
}

static void
pack_bytes(struct packer *p, const void *data, size_t len)
{
	size_t size = p->size ? p->size : 256;
	uint8_t *buf;

	if (p->failed)
		return;
	if (p->size - p->len < len) {
		while (size - p->len < len)
			size *= 2;
		if ((buf = realloc(p->buf, size)) == NULL) {
			p->failed = true;
			return;
		}
		p->buf = buf;
		p->size = size;
	}
	if (len > 0)
		memcpy(p->buf + p->len, data, len);
	p->len += len;
}

void
pack_u8(struct packer *p, uint8_t v)
{
	pack_bytes(p, &v, sizeof(v));
}

void
pack_u16(struct packer *p, uint16_t v)
{
	pack_bytes(p, &v, sizeof(v));
}

void
pack_u32(struct packer *p, uint32_t v)
{
	pack_bytes(p, &v, sizeof(v));
}

void
pack_u64(struct packer *p, uint64_t v)
{
	pack_bytes(p, &v, sizeof(v));
}

void
pack_i64(struct packer *p, int64_t v)
{
	pack_bytes(p, &v, sizeof(v));
}

void
pack_blob(struct packer *p, const void *data, size_t len)
{
	if (len > UINT32_MAX) {
		p->failed = true;
		return;
	}
	pack_u32(p, (uint32_t)len);
	pack_bytes(p, data, len);
}

void
pack_str(struct packer *p, const char *s)
{
	pack_blob(p, s, s == NULL ? 0 : strlen(s));
}

void
unpack_init(struct unpacker *u, const void *data, size_t len)
{
	u->p = data;
	u->end = u->p + len;
	u->failed = false;
}

static void
unpack_bytes(struct unpacker *u, void *out, size_t len)
{
	if (u->failed || (size_t)(u->end - u->p) < len) {
		u->failed = true;
		memset(out, 0, len);
		return;
	}
	memcpy(out, u->p, len);
	u->p += len;
}

uint8_t
unpack_u8(struct unpacker *u)
{
	uint8_t v;

	unpack_bytes(u, &v, sizeof(v));
	return (v);
}

uint16_t
unpack_u16(struct unpacker *u)
{
	uint16_t v;

	unpack_bytes(u, &v, sizeof(v));
	return (v);
}

uint32_t
unpack_u32(struct unpacker *u)
{
	uint32_t v;

	unpack_bytes(u, &v, sizeof(v));
	return (v);
}

uint64_t
unpack_u64(struct unpacker *u)
{
	uint64_t v;

	unpack_bytes(u, &v, sizeof(v));
	return (v);
}

int64_t
unpack_i64(struct unpacker *u)
{
	int64_t v;

	unpack_bytes(u, &v, sizeof(v));
	return (v);
}

struct span
unpack_span(struct unpacker *u)
{
	struct span s = { "", 0 };
	uint32_t len = unpack_u32(u);

	if (u->failed || (size_t)(u->end - u->p) < len) {
		u->failed = true;
		return (s);
	}
	s.p = (const char *)u->p;
	s.len = len;
	u->p += len;
	return (s);
}

bool
unpack_done(const struct unpacker *u)
{
	return (!u->failed && u->p == u->end);
}

char *
span_dup(struct span s)
{
	char *copy;

	if ((copy = malloc(s.len + 1)) == NULL)
		return (NULL);
	memcpy(copy, s.p, s.len);
	copy[s.len] = '\0';
	return (copy);
}

bool
span_eq(struct span s, const char *text)
{
	return (strlen(text) == s.len && memcmp(s.p, text, s.len) == 0);
}
