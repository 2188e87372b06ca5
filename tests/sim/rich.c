/*
 * rich.c - text with entities: UTF-16 counting, trimming, comparison, JSON.
 * Pure; used by both parsers and by the methods.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/sim/buf.h"
#include "tests/sim/rich.h"

static int	entity_cmp(const void *, const void *);
static size_t	trim_head(const struct rich *);
static size_t	trim_tail(const struct rich *, size_t);

static const struct {
	const char	*name;
	const char	*extra;
} types[] = {
#define X(sym, name, extra) { name, extra },
	RICH_ENTITIES(X)
#undef X
};

int
utf8_valid(const char *s, size_t len)
{
	const unsigned char	*p = (const unsigned char *)s, *end = p + len;
	uint32_t		 cp;
	int			 i, n;

	while (p < end) {
		if (*p < 0x80) {
			p++;
			continue;
		}
		if (*p >= 0xc2 && *p <= 0xdf)
			n = 1;
		else if ((*p & 0xf0) == 0xe0)
			n = 2;
		else if (*p >= 0xf0 && *p <= 0xf4)
			n = 3;
		else
			return (0);
		if (end - p <= n)
			return (0);
		cp = *p & (0x3fU >> n);
		for (i = 1; i <= n; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return (0);
			cp = cp << 6 | (p[i] & 0x3f);
		}
		if ((n == 2 && cp < 0x800) || (n == 3 && cp < 0x10000) ||
		    cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
			return (0);
		p += n + 1;
	}
	return (1);
}

size_t
utf8_units(const char *s, size_t len)
{
	size_t	i, n = 0;

	/* One for each first byte, two where the code point needs a pair. */
	for (i = 0; i < len; i++) {
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
		n += (unsigned char)s[i] >= 0xf0;
	}
	return (n);
}

size_t
utf8_put(char *p, uint32_t cp)
{
	if (cp < 0x80) {
		p[0] = (char)cp;
		return (1);
	}
	if (cp < 0x800) {
		p[0] = (char)(0xc0 | cp >> 6);
		p[1] = (char)(0x80 | (cp & 0x3f));
		return (2);
	}
	if (cp < 0x10000) {
		p[0] = (char)(0xe0 | cp >> 12);
		p[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		p[2] = (char)(0x80 | (cp & 0x3f));
		return (3);
	}
	p[0] = (char)(0xf0 | cp >> 18);
	p[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	p[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	p[3] = (char)(0x80 | (cp & 0x3f));
	return (4);
}

int
rich_plain(struct rich *r, const char *s, size_t len)
{
	r->text = xstrndup(s, len);
	r->len = len;
	r->units = utf8_units(s, len);
	return (0);
}

void
rich_add(struct rich *r, enum rich_type type, size_t offset, size_t length,
    char *extra)
{
	struct rich_entity	*e;

	/* Grown at powers of two. */
	if ((r->nents & (r->nents - 1)) == 0)
		r->ents = xreallocarray(r->ents,
		    r->nents == 0 ? 1 : r->nents * 2, sizeof(*r->ents));
	e = &r->ents[r->nents++];
	e->type = type;
	e->offset = offset;
	e->length = length;
	e->extra = extra;
}

static int
entity_cmp(const void *va, const void *vb)
{
	const struct rich_entity	*a = va, *b = vb;

	if (a->offset != b->offset)
		return (a->offset < b->offset ? -1 : 1);
	if (a->length != b->length)
		return (a->length > b->length ? -1 : 1);
	return ((int)a->type - (int)b->type);
}

void
rich_sort(struct rich *r)
{
	if (r->nents > 1)
		qsort(r->ents, r->nents, sizeof(*r->ents), entity_cmp);
}

/* Bytes of white space at the start. */
static size_t
trim_head(const struct rich *r)
{
	size_t	n = 0;

	while (n < r->len && strchr(" \t\n\r\v", r->text[n]) != NULL)
		n++;
	return (n);
}

/* Bytes of white space at the end. */
static size_t
trim_tail(const struct rich *r, size_t head)
{
	size_t	n = 0;

	while (n < r->len - head &&
	    strchr(" \t\n\r\v", r->text[r->len - n - 1]) != NULL)
		n++;
	return (n);
}

void
rich_trim(struct rich *r)
{
	struct rich_entity	*e;
	size_t			 end, head, i, kept = 0, tail;

	head = trim_head(r);
	tail = trim_tail(r, head);
	if (head + tail == 0)
		return;
	r->len -= head + tail;
	r->units -= head + tail;
	memmove(r->text, r->text + head, r->len);
	r->text[r->len] = '\0';
	for (i = 0; i < r->nents; i++) {
		e = &r->ents[i];
		end = e->offset + e->length;
		end = end > head ? end - head : 0;
		e->offset = e->offset > head ? e->offset - head : 0;
		if (end > r->units)
			end = r->units;
		if (end <= e->offset) {
			free(e->extra);
			continue;
		}
		e->length = end - e->offset;
		r->ents[kept++] = *e;
	}
	r->nents = kept;
}

char *
rich_url(const char *url)
{
	static const char *const schemes[] = { "http", "https", "ftp" };
	struct buf	 b = { 0 };
	const char	*at, *host = url, *p;
	size_t		 i, n;

	if (strncasecmp(url, "tg:", 3) == 0)
		return (xstrdup(url));
	if ((p = strstr(url, "://")) != NULL) {
		n = (size_t)(p - url);
		for (i = 0; i < nitems(schemes); i++)
			if (strlen(schemes[i]) == n &&
			    strncasecmp(url, schemes[i], n) == 0)
				break;
		if (i == nitems(schemes))
			return (NULL);
		host = p + 3;
	}
	n = strcspn(host, "/?#");
	p = host;
	if ((at = memrchr(host, '@', n)) != NULL)
		p = at + 1;
	i = strcspn(p, ":/?#");
	if (*p != '[' && (memchr(p, '.', i) == NULL || *p == '.' ||
	    p[i - 1] == '.' || strcspn(p, " \t\r\n") < i))
		return (NULL);
	if (host == url)
		buf_puts(&b, "http://");
	buf_add(&b, url, (size_t)(host - url) + n);
	if (host[n] != '/')
		buf_putc(&b, '/');
	buf_puts(&b, host + n);
	buf_putc(&b, '\0');
	return (b.p);
}

int
rich_equal(const struct rich *a, const struct rich *b)
{
	const char	*x, *y;
	size_t		 i;

	if (a->len != b->len || a->nents != b->nents ||
	    (a->len > 0 && memcmp(a->text, b->text, a->len) != 0))
		return (0);
	for (i = 0; i < a->nents; i++) {
		x = a->ents[i].extra;
		y = b->ents[i].extra;
		if (entity_cmp(&a->ents[i], &b->ents[i]) != 0 ||
		    strcmp(x == NULL ? "" : x, y == NULL ? "" : y) != 0)
			return (0);
	}
	return (1);
}

void
rich_json(const struct rich *r, struct buf *b)
{
	const struct rich_entity	*e;
	size_t				 i;

	buf_putc(b, '[');
	for (i = 0; i < r->nents; i++) {
		e = &r->ents[i];
		if (i > 0)
			buf_putc(b, ',');
		buf_puts(b, "{\"offset\":");
		buf_int(b, (int64_t)e->offset);
		buf_puts(b, ",\"length\":");
		buf_int(b, (int64_t)e->length);
		buf_puts(b, ",\"type\":");
		buf_json_str(b, types[e->type].name);
		if (types[e->type].extra != NULL && e->extra != NULL) {
			buf_key(b, types[e->type].extra);
			buf_json_str(b, e->extra);
		}
		buf_putc(b, '}');
	}
	buf_putc(b, ']');
}

void
rich_free(struct rich *r)
{
	size_t	i;

	for (i = 0; i < r->nents; i++)
		free(r->ents[i].extra);
	free(r->ents);
	free(r->text);
	memset(r, 0, sizeof(*r));
}
