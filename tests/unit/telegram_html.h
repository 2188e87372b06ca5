/*
 * A strict reader of the HTML that the Bot API takes, for tests: what it
 * refuses, Telegram would refuse or show otherwise than meant.
 */
#ifndef TESTS_TELEGRAM_HTML_H
#define TESTS_TELEGRAM_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "workers/format/utf.h"

struct html_read {
	const char *p, *end;
	char *plain;
	size_t len;
	const char *stack[16];
	size_t depth, entities;
};

static bool
html_skip(struct html_read *r, const char *text)
{
	size_t n = strlen(text);

	if ((size_t)(r->end - r->p) < n || memcmp(r->p, text, n) != 0)
		return (false);
	r->p += n;
	return (true);
}

/* One of the four named entities, at "&". */
static bool
html_entity(struct html_read *r, char *c)
{
	if (html_skip(r, "&lt;"))
		*c = '<';
	else if (html_skip(r, "&gt;"))
		*c = '>';
	else if (html_skip(r, "&amp;"))
		*c = '&';
	else if (html_skip(r, "&quot;"))
		*c = '"';
	else
		return (false);
	return (true);
}

static bool
html_attribute(struct html_read *r)
{
	char c;

	while (r->p < r->end && *r->p != '"') {
		if (*r->p == '<' || *r->p == '>' || *r->p == '\n')
			return (false);
		if (*r->p == '&') {
			if (!html_entity(r, &c))
				return (false);
		} else
			r->p++;
	}
	return (html_skip(r, "\">"));
}

static bool
html_inside(const struct html_read *r, const char *tag)
{
	size_t i;

	for (i = 0; i < r->depth; i++)
		if (strcmp(r->stack[i], tag) == 0)
			return (true);
	return (false);
}

static bool
html_open(struct html_read *r)
{
	static const char *const plain[] = {"b", "i", "code", "blockquote"};
	char tag[32];
	size_t i;

	/* Nothing may stand in code or pre, no tag in itself. */
	if (html_inside(r, "code") || html_inside(r, "pre") || r->depth == 16)
		return (false);
	r->entities++;
	for (i = 0; i < 4; i++) {
		strcpy(tag, "<");
		strcat(strcat(tag, plain[i]), ">");
		if (!html_skip(r, tag))
			continue;
		if (html_inside(r, plain[i]))
			return (false);
		r->stack[r->depth++] = plain[i];
		return (true);
	}
	if (html_skip(r, "<blockquote expandable>")) {
		if (html_inside(r, "blockquote"))
			return (false);
		r->stack[r->depth++] = "blockquote";
	} else if (html_skip(r, "<pre><code class=\"language-")) {
		r->stack[r->depth++] = "pre";
		r->stack[r->depth++] = "code";
		return (html_attribute(r));
	} else if (html_skip(r, "<pre>")) {
		r->stack[r->depth++] = "pre";
	} else if (html_skip(r, "<a href=\"")) {
		r->stack[r->depth++] = "a";
		return (html_attribute(r));
	} else
		return (false);
	return (true);
}

static bool
html_close(struct html_read *r)
{
	char tag[32];

	if (r->depth == 0)
		return (false);
	strcpy(tag, "</");
	strcat(strcat(tag, r->stack[--r->depth]), ">");
	return (html_skip(r, tag));
}

static bool
html_text(struct html_read *r)
{
	size_t width;
	uint32_t cp;
	bool valid;
	char c;

	if (*r->p == '>')
		return (false);
	if (*r->p == '&') {
		if (!html_entity(r, &c))
			return (false);
		r->plain[r->len++] = c;
		return (true);
	}
	width = utf_decode(r->p, (size_t)(r->end - r->p), &cp, &valid);
	if (!valid || (cp < 0x20 && cp != '\n' && cp != '\t') ||
	    (cp >= 0x7f && cp <= 0x9f))
		return (false);
	memcpy(r->plain + r->len, r->p, width);
	r->len += width;
	r->p += width;
	return (true);
}

/*
 * The plain text of HTML, malloc'd and NUL-terminated, or NULL if Telegram
 * would not parse it.
 */
static char *
html_plain(const char *html, size_t len, size_t *plain_len)
{
	struct html_read r = {.p = html, .end = html + len};
	bool ok = true;

	if (plain_len != NULL)
		*plain_len = 0;
	if ((r.plain = malloc(len + 1)) == NULL)
		abort();
	while (ok && r.p < r.end) {
		if (*r.p != '<')
			ok = html_text(&r);
		else if (r.end - r.p > 1 && r.p[1] == '/')
			ok = html_close(&r);
		else
			ok = html_open(&r);
	}
	if (!ok || r.depth > 0) {
		free(r.plain);
		return (NULL);
	}
	r.plain[r.len] = '\0';
	if (plain_len != NULL)
		*plain_len = r.len;
	return (r.plain);
}

#endif
