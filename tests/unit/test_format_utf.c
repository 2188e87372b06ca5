/*
 * utf.c: every code point, every short byte sequence, lengths and cuts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "workers/format/utf.h"

static size_t
encode(char *p, uint32_t cp)
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

/* Decoding is the inverse of encoding; surrogates and what is beyond are not
 * characters; lengths are 1 below U+10000 and 2 from there on. */
static void
every_code_point(void **state)
{
	char p[4];
	uint32_t cp, got;
	size_t n;
	bool valid;

	(void)state;
	for (cp = 0; cp < 0x120000; cp++) {
		n = encode(p, cp);
		if ((cp >= 0xd800 && cp <= 0xdfff) || cp > 0x10ffff) {
			utf_decode(p, n, &got, &valid);
			assert_false(valid);
			continue;
		}
		assert_int_equal(utf_decode(p, n, &got, &valid), n);
		assert_true(valid);
		assert_int_equal(got, cp);
		assert_int_equal(utf16_length(p, n), cp < 0x10000 ? 1 : 2);
		if (n > 1) { /* cut short: never taken, never overrun */
			assert_in_range(utf_decode(p, n - 1, &got, &valid), 1,
			    n - 1);
			assert_false(valid);
		}
	}
}

/* Whatever three bytes: progress, within bounds, and valid only if encoding
 * gives the same bytes again (no overlong forms). */
static void
every_three_bytes(void **state)
{
	unsigned char p[3];
	char again[4];
	uint32_t i, cp;
	size_t n;
	bool valid;

	(void)state;
	for (i = 0; i < 1U << 24; i++) {
		p[0] = (unsigned char)(i >> 16);
		p[1] = (unsigned char)(i >> 8);
		p[2] = (unsigned char)i;
		n = utf_decode((const char *)p, 3, &cp, &valid);
		if (n < 1 || n > 3 || (valid && (encode(again, cp) != n ||
		    memcmp(again, p, n) != 0)))
			fail_msg("bytes %06x", i);
		if (!valid && cp != UTF_REPLACEMENT)
			fail_msg("bytes %06x", i);
		if (p[0] < 0x80)
			i |= 0xffff; /* ASCII: the rest does not matter */
	}
}

static void
lengths_add_up(void **state)
{
	static const char text[] = "abc äöü €uro 😀 family 👨‍👩‍👧 end, "
	    "and some more plain ASCII behind it";
	size_t len = sizeof(text) - 1, at, units, cut;

	(void)state;
	assert_int_equal(utf16_length("😀", 4), 2);
	assert_int_equal(utf16_length("", 0), 0);
	for (at = 0; at <= len; at++) {
		if (at < len && ((unsigned char)text[at] & 0xc0) == 0x80)
			continue;
		assert_int_equal(utf16_length(text, at) +
		    utf16_length(text + at, len - at),
		    utf16_length(text, len));
	}
	for (units = 0; units <= utf16_length(text, len) + 2; units++) {
		cut = utf16_prefix(text, len, units);
		assert_true(cut <= len);
		assert_true(utf16_length(text, cut) <= units);
		assert_true(cut == len ||
		    ((unsigned char)text[cut] & 0xc0) != 0x80);
		/* the longest: one more code point would be too much */
		if (cut < len)
			assert_true(utf16_length(text, cut) + 2 > units);
	}
}

static void
boundaries(void **state)
{
	static const struct {
		const char *text;
		size_t at;
		bool boundary;
	} rows[] = {
		{"ab", 1, true}, {"ab", 0, true}, {"ab", 2, true},
		{"e\xcc\x81x", 1, false},	    /* e + acute */
		{"e\xcc\x81x", 3, true},
		{"❤\xef\xb8\x8f!", 3, false},	    /* variation selector */
		{"👍🏽", 4, false},		    /* skin tone */
		{"👨‍👩", 4, false}, {"👨‍👩", 7, false}, /* joiner */
		{"🇩🇪🇫🇷", 4, false}, {"🇩🇪🇫🇷", 8, true},
		{"🇩🇪🇫🇷", 12, false},
		{"नि", 3, false},		    /* spacing vowel sign */
		{"한", 3, true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (utf_boundary(rows[i].text, strlen(rows[i].text),
		    rows[i].at) != rows[i].boundary)
			fail_msg("row %zu", i);
	assert_int_equal(utf_boundary_before("a👨‍👩b", 13, 8, 0), 1);
	/* no better place: the one asked for */
	assert_int_equal(utf_boundary_before("👨‍👩b", 12, 7, 0), 7);
	assert_int_equal(utf_boundary_before("a👨‍👩b", 13, 8, 1), 8);
}

static void
blanks(void **state)
{
	(void)state;
	assert_true(utf_all_blank("", 0));
	assert_true(utf_all_blank(" \n\t\xc2\xa0\xe2\x80\x8b", 8));
	assert_false(utf_all_blank(" .", 2));
	assert_false(utf_all_blank("😀", 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point),
		cmocka_unit_test(every_three_bytes),
		cmocka_unit_test(lengths_add_up),
		cmocka_unit_test(boundaries),
		cmocka_unit_test(blanks),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
