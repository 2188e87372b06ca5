/*
 * HTML, as the format workers write it, to plain text: the last resort for a
 * message whose entities Telegram could not parse.  Pure; called by calls.c.
 * The input may be broken (that is why it is here): what is no tag and no
 * entity stays as it is.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/nitems.h"
#include "workers/telegram/telegram.h"

/* The named entities that the Bot API knows. */
static const struct {
	const char *name;
	char ch;
} entities[] = {
	{ "lt;", '<' },
	{ "gt;", '>' },
	{ "amp;", '&' },
	{ "quot;", '"' },
};

static size_t tag_length(const char *, const char *);
static size_t entity_decode(const char *, const char *, char **);
static size_t number_decode(const char *, const char *, char **);
static char *utf8_put(char *, uint32_t);

size_t
plain_from_html(char *out, const char *html, size_t len)
{
	const char *p = html, *end = html + len;
	char *o = out;
	size_t n;

	while (p < end) {
		if (*p == '<' && (n = tag_length(p, end)) > 0)
			p += n;
		else if (*p == '&' && (n = entity_decode(p, end, &o)) > 0)
			p += n;
		else
			*o++ = *p++;
	}
	return ((size_t)(o - out));
}

/* The length of the tag at p; 0 if there is none. */
static size_t
tag_length(const char *p, const char *end)
{
	const char *q = p + 1;
	char quote = '\0';

	if (q < end && *q == '/')
		q++;
	if (q >= end || !isalpha((unsigned char)*q))
		return (0);
	for (; q < end; q++) {
		if (quote != '\0') {
			if (*q == quote)
				quote = '\0';
		} else if (*q == '"' || *q == '\'')
			quote = *q;
		else if (*q == '>')
			return ((size_t)(q - p) + 1);
		else if (*q == '<')
			return (0);
	}
	return (0);
}

/* Decode the entity at p to *out; returns its length, 0 if it is none. */
static size_t
entity_decode(const char *p, const char *end, char **out)
{
	size_t i, n;

	if (end - p > 2 && p[1] == '#')
		return (number_decode(p, end, out));
	for (i = 0; i < nitems(entities); i++) {
		n = strlen(entities[i].name);
		if ((size_t)(end - p - 1) >= n &&
		    memcmp(p + 1, entities[i].name, n) == 0) {
			*(*out)++ = entities[i].ch;
			return (n + 1);
		}
	}
	return (0);
}

/* "&#128293;" and "&#x1f525;": never shorter than the UTF-8 of it. */
static size_t
number_decode(const char *p, const char *end, char **out)
{
	const char *q = p + 2, *digits;
	uint32_t v = 0;
	unsigned int base = 10, d;

	if (*q == 'x' || *q == 'X') {
		base = 16;
		q++;
	}
	for (digits = q; q < end && isxdigit((unsigned char)*q); q++) {
		d = isdigit((unsigned char)*q) ? (unsigned int)(*q - '0') :
		    (unsigned int)(tolower((unsigned char)*q) - 'a') + 10;
		if (d >= base || v > 0x10ffff)
			return (0);
		v = v * base + d;
	}
	if (q == digits || q >= end || *q != ';')
		return (0);
	if (v == 0 || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return (0);
	*out = utf8_put(*out, v);
	return ((size_t)(q - p) + 1);
}

static char *
utf8_put(char *o, uint32_t v)
{
	if (v < 0x80) {
		*o++ = (char)v;
		return (o);
	}
	if (v < 0x800)
		*o++ = (char)(0xc0 | v >> 6);
	else {
		if (v < 0x10000)
			*o++ = (char)(0xe0 | v >> 12);
		else {
			*o++ = (char)(0xf0 | v >> 18);
			*o++ = (char)(0x80 | (v >> 12 & 0x3f));
		}
		*o++ = (char)(0x80 | (v >> 6 & 0x3f));
	}
	*o++ = (char)(0x80 | (v & 0x3f));
	return (o);
}
