/*
 * Growing byte buffers.  Pure memory; no I/O.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/utf8.h"

#define BUF_MIN 1024

bool
buf_grow(struct buf *b, size_t n)
{
	size_t want, size;
	char *p;

	if (b->failed || n > SIZE_MAX / 4 || b->len > SIZE_MAX / 4) {
		b->failed = true;
		return (false);
	}
	want = b->len + n;
	for (size = b->size ? b->size : BUF_MIN; size < want; size *= 2)
		;
	if ((p = realloc(b->p, size)) == NULL) {
		b->failed = true;
		return (false);
	}
	b->p = p;
	b->size = size;
	return (true);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
}

void
buf_trim(struct buf *b, size_t keep)
{
	if (b->size > keep)
		buf_free(b);
}

void
buf_free(struct buf *b)
{
	free(b->p);
	memset(b, 0, sizeof(*b));
}

void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_i64(struct buf *b, int64_t v)
{
	char digits[24];

	buf_add(b, digits, (size_t)snprintf(digits, sizeof(digits), "%lld",
	    (long long)v));
}

void
buf_json(struct buf *b, const char *p, size_t len)
{
	const char *end = p + len, *from = p;
	char escape[8];
	size_t n;

	buf_lit(b, "\"");
	for (;;) {
		p += utf8_plain(p, (size_t)(end - p), "\"\\");
		if (p == end)
			break;
		n = utf8_char(p, (size_t)(end - p));
		if (n > 1) {
			p += n;
			continue;
		}
		buf_add(b, from, (size_t)(p - from));
		if (n == 0)
			buf_lit(b, "\xef\xbf\xbd");
		else if (*p == '"' || *p == '\\' || *p == '\n') {
			escape[0] = '\\';
			escape[1] = *p == '\n' ? 'n' : *p;
			buf_add(b, escape, 2);
		} else {
			snprintf(escape, sizeof(escape), "\\u%04x",
			    (unsigned char)*p);
			buf_add(b, escape, 6);
		}
		from = ++p;
	}
	buf_add(b, from, (size_t)(p - from));
	buf_lit(b, "\"");
}
