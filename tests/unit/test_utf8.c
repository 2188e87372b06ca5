/*
 * UTF-8: what is valid, and what cleaning makes of the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/utf8.h"

struct sample {
	const char *in;
	size_t len;
	const char *out; /* NULL: clean as it is */
};

#define IN(text) text, sizeof(text) - 1

static const struct sample samples[] = {
	{ IN(""), NULL },
	{ IN("plain text, longer than eight bytes\tand\nlines"), NULL },
	{ IN("äöü → 😀 \u00a0"), NULL },
	{ IN("\xf4\x8f\xbf\xbf"), NULL },	   /* U+10FFFF */
	{ IN("\xf4\x90\x80\x80"), "\ufffd" },	   /* above it */
	{ IN("\xed\xa0\x80x"), "\ufffdx" },	   /* a surrogate */
	{ IN("\xc0\xafx"), "\ufffdx" },		   /* overlong */
	{ IN("\xe0\x80\xafx"), "\ufffdx" },
	{ IN("\xf0\x80\x80\x80x"), "\ufffdx" },
	{ IN("a\xff" "b\xfe\xfe" "c"), "a\ufffdb\ufffdc" },
	{ IN("cut \xe2\x82"), "cut \ufffd" },
	{ IN("\x80"), "\ufffd" },
	{ IN("one\r\ntwo\rthree\r"), "one\ntwo\nthree\n" },
	{ IN("nul\0here"), "nulhere" },
	{ IN("bell\a\x7f\x01"), "bell" },
	{ IN("\033[1;31mred\033[0m \033[K\033]x"), "red ]x" },
	{ IN("\033["), "[" },
	{ IN("12345678\x1f"), "12345678" },
	{ IN("1234567\x7f" "90"), "123456790" }
};

static void
test_samples(void **state)
{
	size_t i, n;
	char *out;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const struct sample *s = &samples[i];

		assert_int_equal(utf8_clean(s->in, s->len), s->out == NULL);
		out = utf8_scrub(s->in, s->len, &n);
		assert_non_null(out);
		assert_string_equal(out, s->out != NULL ? s->out : s->in);
		assert_int_equal(n, strlen(out));
		assert_true(utf8_clean(out, n));
		free(out);
	}
}

static void
test_every_byte_everywhere(void **state)
{
	char text[24], *out;
	size_t at, n;
	int c;

	(void)state;
	for (c = 0; c < 256; c++) {
		for (at = 0; at < sizeof(text); at++) {
			memset(text, 'a', sizeof(text));
			text[at] = (char)c;
			assert_int_equal(utf8_clean(text, sizeof(text)),
			    c == '\t' || c == '\n' || (c >= 0x20 && c < 0x7f));
			out = utf8_scrub(text, sizeof(text), &n);
			assert_true(utf8_clean(out, n));
			free(out);
		}
	}
}

/* Every byte at every place of a text beside the obvious loop. */
static void
test_plain_run_is_that_of_the_obvious_loop(void **state)
{
	static const char *const stops[] = { "", "\"\\", "<>&\"" };
	char text[21];
	size_t at, i, k;
	int byte;

	(void)state;
	for (k = 0; k < sizeof(stops) / sizeof(stops[0]); k++)
		for (at = 0; at < sizeof(text); at++)
			for (byte = 1; byte < 256; byte++) {
				memset(text, ' ' + byte % 2, sizeof(text));
				text[at] = (char)byte;
				for (i = 0; i < sizeof(text); i++)
					if (text[i] < 0x20 || text[i] == 0x7f ||
					    strchr(stops[k], text[i]) != NULL)
						break;
				assert_int_equal(utf8_plain(text, sizeof(text),
				    stops[k]), i);
			}
}

static void
test_worst_growth_fits(void **state)
{
	char text[1001], *out;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(text); i++)
		text[i] = i % 2 == 0 ? '\xff' : 'a';
	out = utf8_scrub(text, sizeof(text), &n);
	assert_int_equal(n, 501 * 3 + 500);
	assert_true(n <= 2 * sizeof(text) + 4);
	free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_every_byte_everywhere),
		cmocka_unit_test(test_plain_run_is_that_of_the_obvious_loop),
		cmocka_unit_test(test_worst_growth_fits),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
