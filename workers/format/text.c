/*
 * Text and entities of a message, and their form as HTML for the Bot API
 * (<b> <i> <code> <pre> <a> <blockquote>, with &lt; &gt; &amp; &quot; alone).
 * Everything that a person or a program wrote passes through text_add(); no
 * markup in it is ever interpreted.  Pure memory; no I/O.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/utf8.h"
#include "workers/format/text.h"
#include "workers/format/utf.h"

/* An entity that was left out stands for itself on the stack. */
#define LEFT_OUT SIZE_MAX

static size_t clean_run(const char *, size_t);
static bool allowed(const struct text *, enum text_kind);
static void tag_open(const struct text *, const struct text_entity *,
    struct buf *);
static void tag_close(const struct text_entity *, struct buf *);

void
text_reset(struct text *t, size_t max_bytes, bool guarded)
{
	buf_reset(&t->plain);
	buf_reset(&t->args);
	t->nentities = t->depth = 0;
	t->max_bytes = max_bytes;
	t->guarded = guarded;
	t->cut = t->failed = false;
}

void
text_trim(struct text *t, size_t keep)
{
	buf_trim(&t->plain, keep);
	buf_trim(&t->args, keep);
	if (t->maxentities * sizeof(*t->entity) > keep) {
		free(t->entity);
		t->entity = NULL;
		t->nentities = t->maxentities = 0;
	}
}

void
text_free(struct text *t)
{
	buf_free(&t->plain);
	buf_free(&t->args);
	free(t->entity);
	memset(t, 0, sizeof(*t));
}

bool
text_failed(const struct text *t)
{
	return (t->failed || t->plain.failed || t->args.failed);
}

/* The length of the ASCII at p that needs no attention. */
static size_t
clean_run(const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		i += utf8_plain(p + i, n - i, "");
		if (i == n || (p[i] != '\n' && p[i] != '\t'))
			break;
	}
	return (i);
}

static bool
overrides_direction(uint32_t cp)
{
	return ((cp >= 0x202a && cp <= 0x202e) ||
	    (cp >= 0x2066 && cp <= 0x2069));
}

void
text_add(struct text *t, const char *p, size_t n)
{
	size_t run, width, put;
	uint32_t cp;
	bool valid;

	while (n > 0) {
		if ((run = clean_run(p, n)) > 0) {
			put = t->max_bytes - t->plain.len;
			if (run <= put)
				put = run;
			else
				t->cut = true;
			buf_add(&t->plain, p, put);
			p += run;
			n -= run;
			continue;
		}
		width = utf_decode(p, n, &cp, &valid);
		if (cp < 0x20 || (cp >= 0x7f && cp <= 0x9f))
			; /* a control character: dropped */
		else if (t->max_bytes - t->plain.len < 4)
			t->cut = true;
		else if (!valid || (t->guarded && overrides_direction(cp)))
			buf_lit(&t->plain, "\xef\xbf\xbd");
		else
			buf_add(&t->plain, p, width);
		p += width;
		n -= width;
	}
}

void
text_adds(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void
text_addf(struct text *t, const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		text_add(t, line, (size_t)n < sizeof(line) ? (size_t)n :
		    sizeof(line) - 1);
}

void
text_add_line(struct text *t, const char *p, size_t n, size_t units)
{
	size_t begin = t->plain.len, len, in, out, keep;
	char *s;

	/* No more input than could matter: a unit is at most 3 bytes of
	 * UTF-8, but dropped control characters and folded spaces are not
	 * seen; a text that begins with kilobytes of them is cut early. */
	if (n > units * 4 + 1024)
		n = units * 4 + 1024;
	text_add(t, p, n);
	if (t->plain.len == begin)
		return;
	s = t->plain.p + begin;
	len = t->plain.len - begin;
	for (in = out = 0; in < len; in++) {
		if (s[in] != ' ' && s[in] != '\n' && s[in] != '\t')
			s[out++] = s[in];
		else if (out > 0 && s[out - 1] != ' ')
			s[out++] = ' ';
	}
	while (out > 0 && s[out - 1] == ' ')
		out--;
	t->plain.len = begin + out;
	if (utf16_length(s, out) <= units)
		return;
	keep = utf16_prefix(s, out, units - 1);
	keep = utf_boundary_before(s, out, keep, keep > 64 ? keep - 64 : 0);
	t->plain.len = begin + keep;
	text_lit(t, "…");
}

static bool
allowed(const struct text *t, enum text_kind kind)
{
	enum text_kind outer;
	size_t i;

	for (i = 0; i < t->depth; i++) {
		if (t->open[i] == LEFT_OUT)
			continue;
		outer = t->entity[t->open[i]].kind;
		if (outer == TEXT_CODE || outer == TEXT_PRE || outer == kind)
			return (false);
		if ((outer == TEXT_QUOTE || outer == TEXT_EXPANDABLE) &&
		    (kind == TEXT_QUOTE || kind == TEXT_EXPANDABLE))
			return (false);
	}
	return (true);
}

void
text_begin(struct text *t, enum text_kind kind, const char *arg,
    size_t arglen)
{
	struct text_entity *e;
	size_t max;

	if (t->depth >= TEXT_DEPTH || !allowed(t, kind)) {
		if (t->depth < TEXT_DEPTH)
			t->open[t->depth] = LEFT_OUT;
		t->depth++;
		return;
	}
	if (t->nentities == t->maxentities) {
		max = t->maxentities ? t->maxentities * 2 : 32;
		e = reallocarray(t->entity, max, sizeof(*e));
		if (e == NULL) {
			t->failed = true;
			t->open[t->depth++] = LEFT_OUT;
			return;
		}
		t->entity = e;
		t->maxentities = max;
	}
	e = &t->entity[t->nentities];
	e->kind = kind;
	e->begin = e->end = (uint32_t)t->plain.len;
	e->arg = (uint32_t)t->args.len;
	buf_add(&t->args, arg, arglen);
	e->arglen = (uint32_t)t->args.len - e->arg;
	t->open[t->depth++] = t->nentities++;
}

void
text_end(struct text *t)
{
	size_t i;

	if (t->depth == 0)
		return;
	if (--t->depth < TEXT_DEPTH && (i = t->open[t->depth]) != LEFT_OUT)
		t->entity[i].end = (uint32_t)t->plain.len;
}

/* Escape what HTML would interpret; quotes matter in attributes only. */
static void
escape(struct buf *out, const char *p, size_t n, bool attribute)
{
	static const struct {
		const char *text;
		size_t len;
	} named[256] = {['<'] = {"&lt;", 4}, ['>'] = {"&gt;", 4},
	    ['&'] = {"&amp;", 5}, ['"'] = {"&quot;", 6}};
	const char *end = p + n, *from = p;
	unsigned char c;

	for (; p < end; p++) {
		p += utf8_plain(p, (size_t)(end - p), attribute ? "<>&\"" :
		    "<>&");
		if (p == end)
			break;
		c = (unsigned char)*p;
		if (named[c].text == NULL || (c == '"' && !attribute))
			continue;
		buf_add(out, from, (size_t)(p - from));
		buf_add(out, named[c].text, named[c].len);
		from = p + 1;
	}
	buf_add(out, from, (size_t)(p - from));
}

/* Plain text as HTML. */
static void
text_escape(struct buf *out, const char *p, size_t n)
{
	escape(out, p, n, false);
}

static void
tag_open(const struct text *t, const struct text_entity *e, struct buf *out)
{
	const char *arg = t->args.p + e->arg;

	switch (e->kind) {
	case TEXT_PRE:
		if (e->arglen == 0) {
			buf_lit(out, "<pre>");
			break;
		}
		buf_lit(out, "<pre><code class=\"language-");
		escape(out, arg, e->arglen, true);
		buf_lit(out, "\">");
		break;
	case TEXT_LINK:
		buf_lit(out, "<a href=\"");
		escape(out, arg, e->arglen, true);
		buf_lit(out, "\">");
		break;
	case TEXT_BOLD:
		buf_lit(out, "<b>");
		break;
	case TEXT_ITALIC:
		buf_lit(out, "<i>");
		break;
	case TEXT_CODE:
		buf_lit(out, "<code>");
		break;
	case TEXT_QUOTE:
		buf_lit(out, "<blockquote>");
		break;
	case TEXT_EXPANDABLE:
		buf_lit(out, "<blockquote expandable>");
		break;
	case NTEXTKINDS:
		break;
	}
}

static void
tag_close(const struct text_entity *e, struct buf *out)
{
	static const char *const tag[NTEXTKINDS] = {
		[TEXT_BOLD] = "</b>", [TEXT_ITALIC] = "</i>",
		[TEXT_CODE] = "</code>", [TEXT_PRE] = "</pre>",
		[TEXT_LINK] = "</a>", [TEXT_QUOTE] = "</blockquote>",
		[TEXT_EXPANDABLE] = "</blockquote>"};

	if (e->kind == TEXT_PRE && e->arglen > 0)
		buf_lit(out, "</code>");
	buf_add(out, tag[e->kind], strlen(tag[e->kind]));
}

/* Escape up to the end of the innermost open entity and close it. */
static size_t
close_top(const struct text *t, size_t top, size_t at, size_t end,
    struct buf *out)
{
	const struct text_entity *e = &t->entity[top];
	size_t stop = e->end < end ? e->end : end;

	text_escape(out, t->plain.p + at, stop - at);
	tag_close(e, out);
	return (stop);
}

void
text_html(const struct text *t, size_t begin, size_t end, struct buf *out)
{
	size_t stack[TEXT_DEPTH], depth = 0, at = begin, i, from;
	const struct text_entity *e;

	if (begin >= end)
		return;
	buf_reserve(out, end - begin + 64);
	for (i = 0; i < t->nentities; i++) {
		e = &t->entity[i];
		from = e->begin > begin ? e->begin : begin;
		if (e->end <= from)
			continue; /* empty, or before this part */
		if (from >= end)
			break;
		while (depth > 0 && t->entity[stack[depth - 1]].end <= from)
			at = close_top(t, stack[--depth], at, end, out);
		text_escape(out, t->plain.p + at, from - at);
		at = from;
		tag_open(t, e, out);
		stack[depth++] = i;
	}
	while (depth > 0)
		at = close_top(t, stack[--depth], at, end, out);
	text_escape(out, t->plain.p + at, end - at);
}
