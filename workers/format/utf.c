/*
 * UTF-8 and UTF-16 arithmetic of the renderer: decoding that never trusts its
 * input, lengths in UTF-16 units (the Bot API counts entities and limits in
 * them), boundaries at which a text may be cut.  Pure functions.
 */
#include <string.h>

#include "workers/format/utf.h"
#include "workers/format/extend.h"

#define JOINER 0x200dU

size_t
utf_decode(const char *s, size_t n, uint32_t *cp, bool *valid)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned int need, i, low = 0x80, high = 0xbf;
	uint32_t c = p[0];

	*valid = true;
	if (c < 0x80) {
		*cp = c;
		return (1);
	}
	*valid = false;
	*cp = UTF_REPLACEMENT;
	if (c >= 0xc2 && c <= 0xdf) {
		need = 1;
	} else if (c >= 0xe0 && c <= 0xef) {
		if (c == 0xe0)
			low = 0xa0; /* overlong */
		else if (c == 0xed)
			high = 0x9f; /* surrogates */
		need = 2;
	} else if (c >= 0xf0 && c <= 0xf4) {
		if (c == 0xf0)
			low = 0x90; /* overlong */
		else if (c == 0xf4)
			high = 0x8f; /* above U+10FFFF */
		need = 3;
	} else
		return (1);
	c &= 0x3fU >> need; /* the lead byte's share */
	for (i = 1; i <= need; i++, low = 0x80, high = 0xbf) {
		if (i >= n || p[i] < low || p[i] > high)
			return (i);
		c = c << 6 | (p[i] & 0x3f);
	}
	*cp = c;
	*valid = true;
	return (need + 1);
}

size_t
utf16_length(const char *s, size_t len)
{
	const unsigned char *p = (const unsigned char *)s, *end = p + len;
	size_t units = 0;
	uint64_t word;

	while (p < end) {
		if ((size_t)(end - p) >= sizeof(word)) {
			memcpy(&word, p, sizeof(word));
			if ((word & 0x8080808080808080U) == 0) {
				p += sizeof(word);
				units += sizeof(word);
				continue;
			}
		}
		/* Count lead bytes, those of four-byte forms twice. */
		units += (*p & 0xc0) != 0x80;
		units += *p >= 0xf0;
		p++;
	}
	return (units);
}

size_t
utf16_prefix(const char *s, size_t len, size_t units)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t at = 0, used = 0, width;

	if (len <= units)
		return (len); /* a unit takes at least one byte */
	while (at < len) {
		width = p[at] >= 0xf0 ? 2 : 1;
		if (used + width > units)
			break;
		used += width;
		for (at++; at < len && (p[at] & 0xc0) == 0x80; at++)
			;
	}
	return (at);
}

static bool
extends(uint32_t cp)
{
	size_t low = 0, high = sizeof(extend) / sizeof(extend[0]), mid;

	if (cp < extend[0].first)
		return (false);
	while (low < high) {
		mid = (low + high) / 2;
		if (cp > extend[mid].last)
			low = mid + 1;
		else if (cp < extend[mid].first)
			high = mid;
		else
			return (true);
	}
	return (false);
}

static bool
regional(uint32_t cp)
{
	return (cp >= 0x1f1e6 && cp <= 0x1f1ff);
}

/* Step back from at > 0 to the code point before it. */
static size_t
before(const char *s, size_t at, uint32_t *cp)
{
	size_t from = at - 1;
	bool valid;

	while (from > 0 && ((unsigned char)s[from] & 0xc0) == 0x80)
		from--;
	utf_decode(s + from, at - from, cp, &valid);
	return (from);
}

bool
utf_boundary(const char *s, size_t len, size_t at)
{
	uint32_t next, prev;
	size_t from, flags;
	bool valid;

	if (at == 0 || at >= len)
		return (true);
	utf_decode(s + at, len - at, &next, &valid);
	if (extends(next))
		return (false);
	from = before(s, at, &prev);
	if (prev == JOINER)
		return (false);
	if (!regional(next) || !regional(prev))
		return (true);
	/* Flags are pairs: an odd number before means within one. */
	for (flags = 1; from > 0; flags++) {
		from = before(s, from, &prev);
		if (!regional(prev))
			break;
	}
	return (flags % 2 == 0);
}

size_t
utf_boundary_before(const char *s, size_t len, size_t at, size_t floor)
{
	size_t from = at;
	uint32_t cp;

	while (!utf_boundary(s, len, from)) {
		if (from <= floor)
			return (at);
		from = before(s, from, &cp);
	}
	return (from > floor ? from : at);
}

bool
utf_blank(uint32_t cp)
{
	static const struct {
		uint32_t first, last;
	} blank[] = {{0x00, 0x20}, {0x7f, 0xa0}, {0xad, 0xad}, {0x34f, 0x34f},
	    {0x61c, 0x61c}, {0x115f, 0x1160}, {0x1680, 0x1680},
	    {0x17b4, 0x17b5}, {0x180b, 0x180e}, {0x2000, 0x200f},
	    {0x2028, 0x202f}, {0x205f, 0x206f}, {0x2800, 0x2800},
	    {0x3000, 0x3000}, {0x3164, 0x3164}, {0xfe00, 0xfe0f},
	    {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xe0000, 0xe0fff}};
	size_t i;

	for (i = 0; i < sizeof(blank) / sizeof(blank[0]); i++)
		if (cp >= blank[i].first && cp <= blank[i].last)
			return (true);
	return (false);
}

bool
utf_all_blank(const char *s, size_t len)
{
	size_t at = 0;
	uint32_t cp;
	bool valid;

	while (at < len) {
		at += utf_decode(s + at, len - at, &cp, &valid);
		if (!utf_blank(cp))
			return (false);
	}
	return (true);
}
