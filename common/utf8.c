/*
 * Validity and cleaning of text from outside.  Linear in the text, no state;
 * called for every string of every event, so plain ASCII goes eight bytes at
 * a time.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"

static bool   is_control(unsigned char);
static size_t plain_run(const char *, size_t);
static size_t escape_sequence(const char *, size_t);

size_t
utf8_char(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t i, n;

	if (len == 0)
		return (0);
	if (p[0] < 0x80)
		return (1);
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return (0);
	if (len < n)
		return (0);
	/* The second byte is what tells overlong forms and surrogates. */
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return (0);
	for (i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return (0);
	}
	return (n);
}

static bool
is_control(unsigned char c)
{
	return ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f);
}

/* Eight bytes at a time: those over 0x7e or below 0x20 set their top bit. */
#define ONES 0x0101010101010101ULL
#define TOPS 0x8080808080808080ULL
#define SPECIAL(v) ((v) | ((v) + ONES) | ((v) - 0x20 * ONES))

static size_t
plain_run(const char *p, size_t len)
{
	uint64_t v;
	size_t i;

	for (i = 0; len - i >= sizeof(v); i += sizeof(v)) {
		memcpy(&v, p + i, sizeof(v));
		if ((SPECIAL(v) & TOPS) != 0)
			break;
	}
	while (i < len && p[i] >= 0x20 && p[i] < 0x7f)
		i++;
	return (i);
}

size_t
utf8_plain(const char *p, size_t len, const char *stops)
{
	uint64_t v, stop[UTF8_STOPS];
	size_t i;

	if (*stops == '\0')
		return (plain_run(p, len));
	/* The last one fills the places that are left. */
	for (i = 0; i < UTF8_STOPS; i++) {
		stop[i] = ONES * (uint8_t)*stops;
		if (stops[1] != '\0')
			stops++;
	}
	for (i = 0; len - i >= sizeof(v); i += sizeof(v)) {
		memcpy(&v, p + i, sizeof(v));
		/* What is equal is 0, and borrows. */
		if (((SPECIAL(v) | ((v ^ stop[0]) - ONES) |
		    ((v ^ stop[1]) - ONES) | ((v ^ stop[2]) - ONES) |
		    ((v ^ stop[3]) - ONES)) & TOPS) != 0)
			break;
	}
	for (; i < len && p[i] >= 0x20 && p[i] < 0x7f; i++)
		if (p[i] == (char)stop[0] || p[i] == (char)stop[1] ||
		    p[i] == (char)stop[2] || p[i] == (char)stop[3])
			break;
	return (i);
}

bool
utf8_clean(const char *p, size_t len)
{
	size_t i = 0, n;

	while (i < len) {
		i += plain_run(p + i, len - i);
		if (i >= len)
			break;
		if ((n = utf8_char(p + i, len - i)) == 0 ||
		    is_control((unsigned char)p[i]))
			return (false);
		i += n;
	}
	return (true);
}

/* Length of a terminal's control sequence (ECMA-48 section 5.4), or 0. */
static size_t
escape_sequence(const char *p, size_t len)
{
	size_t i;

	if (len < 3 || p[0] != '\033' || p[1] != '[')
		return (0);
	for (i = 2; i < len && p[i] >= 0x20 && p[i] <= 0x3f; i++)
		;
	if (i < len && p[i] >= 0x40 && p[i] <= 0x7e)
		return (i + 1);
	return (0);
}

char *
utf8_scrub(const char *p, size_t len, size_t *outlen)
{
	size_t i = 0, n, o = 0;
	bool bad = false;
	char *out;

	/* The worst case is a bad byte before every good one: 1 + 3 of 2. */
	if ((out = malloc(2 * len + 4)) == NULL)
		return (NULL);
	while (i < len) {
		if ((n = utf8_char(p + i, len - i)) == 0) {
			if (!bad) {
				memcpy(out + o, "\xef\xbf\xbd", 3);
				o += 3;
			}
			bad = true;
			i++;
			continue;
		}
		bad = false;
		if (p[i] == '\r') {
			if (i + 1 == len || p[i + 1] != '\n')
				out[o++] = '\n';
			i++;
		} else if (is_control((unsigned char)p[i])) {
			n = escape_sequence(p + i, len - i);
			i += n > 0 ? n : 1;
		} else {
			memcpy(out + o, p + i, n);
			o += n;
			i += n;
		}
	}
	out[o] = '\0';
	*outlen = o;
	return (out);
}
