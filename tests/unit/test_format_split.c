/*
 * split.c: where texts are cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "workers/format/split.h"
#include "workers/format/utf.h"

#define MANY 64

static void
check(const char *text, size_t units, const char *const *want)
{
	struct split_part part[MANY];
	size_t n, i;

	n = split_text(text, strlen(text), units, units, part, MANY);
	for (i = 0; i < n; i++) {
		if (want[i] == NULL ||
		    strlen(want[i]) != part[i].end - part[i].begin ||
		    memcmp(want[i], text + part[i].begin,
		    strlen(want[i])) != 0)
			fail_msg("part %zu of \"%s\": \"%.*s\"", i, text,
			    (int)(part[i].end - part[i].begin),
			    text + part[i].begin);
	}
	assert_null(want[n]);
}
#define CHECK(text, units, ...) \
	check(text, units, (const char *const[]){__VA_ARGS__, NULL})

static void
places(void **state)
{
	(void)state;
	CHECK("short", 10, "short");
	CHECK("aaaa bb\n\ncccc dd", 12, "aaaa bb", "cccc dd");
	CHECK("aaaa bb\ncccc dd", 12, "aaaa bb", "cccc dd");
	CHECK("aaaa bbbb cccc", 10, "aaaa bbbb", "cccc");
	/* a separator just behind what fits */
	CHECK("aaaa bbbbb cccc", 10, "aaaa bbbbb", "cccc");
	CHECK("aaaaaaaaaa\nb", 10, "aaaaaaaaaa", "b");
	CHECK("aaaaaaaaaab", 10, "aaaaaaaaaa", "b");
	/* too early a place is none */
	CHECK("a bbbbbbbbbbbb", 10, "a bbbbbbbb", "bbbb");
	/* a paragraph in the second half wins over a later line */
	CHECK("aaaaaa\n\nb\nccc", 11, "aaaaaa", "b\nccc");
	CHECK("aa\n\nbbbbbb\nccc", 11, "aa\n\nbbbbbb", "ccc");
	/* indentation stays, empty lines go */
	CHECK("aaaaaaaa\n\n\n    indented", 12, "aaaaaaaa", "    indented");
	/* what has no ink is no part */
	CHECK("aaaaaaaa\n \n \n \n \n \n \n \n \n", 8, "aaaaaaaa");
	CHECK("aaaa                       bb", 8, "aaaa", "bb");
}

static void
characters_stay_whole(void **state)
{
	(void)state;
	/* never within a pair of surrogates */
	CHECK("aaa😀bbb", 4, "aaa", "😀bb", "b");
	/* nor between base and mark, nor in a family, nor in a flag */
	CHECK("aaae\xcc\x81" "b", 4, "aaa", "e\xcc\x81" "b");
	CHECK("xx👨‍👩‍👧yy", 8, "xx", "👨‍👩‍👧", "yy");
	CHECK("xx🇩🇪🇫🇷", 8, "xx🇩🇪", "🇫🇷");
	/* unless there is no better place */
	CHECK("👨‍👩‍👧‍👦", 6, "👨‍👩‍", "👧‍👦");
}

/* Random texts: limits kept, code points whole, nothing lost but white space
 * at the cuts, order kept. */
static void
random_texts(void **state)
{
	static const char *const words[] = {"a", "bc", " ", "\n", "\n\n",
	    "😀", "é", "e\xcc\x81", "\xe2\x80\x8d", "👍🏽", "    ", "word",
	    "🇩🇪", "<&>", "longerword"};
	struct split_part part[4096];
	char text[4000], kept[4000], want[4000];
	size_t n, i, j, len, k, w, first, units;
	int round;

	(void)state;
	srandom(2);
	for (round = 0; round < 20000; round++) {
		text[0] = '\0';
		for (i = (size_t)random() % 200; i > 0; i--)
			strlcat(text, words[random() % 15], sizeof(text));
		len = strlen(text);
		first = 2 + (size_t)random() % 40;
		units = 2 + (size_t)random() % 60;
		n = split_text(text, len, first, units, part, 4096);
		k = w = 0;
		for (i = 0; i < n; i++) {
			assert_true(part[i].begin < part[i].end);
			assert_true(part[i].end <= len);
			assert_true(i == 0 || part[i].begin >= part[i-1].end);
			assert_true(utf16_length(text + part[i].begin,
			    part[i].end - part[i].begin) <=
			    (i == 0 ? first : units));
			assert_true(((unsigned char)text[part[i].begin] &
			    0xc0) != 0x80);
			for (j = part[i].begin; j < part[i].end; j++)
				if (strchr(" \n", text[j]) == NULL)
					kept[k++] = text[j];
		}
		for (j = 0; j < len; j++)
			if (strchr(" \n", text[j]) == NULL)
				want[w++] = text[j];
		/* a joiner alone has no ink and may go */
		if (k != w || memcmp(kept, want, k) != 0) {
			kept[k] = want[w] = '\0';
			assert_non_null(strstr(want, "\xe2\x80\x8d"));
		}
	}
}

static void
counts_beyond_max(void **state)
{
	struct split_part part[4];
	char *text;

	(void)state;
	assert_non_null(text = malloc(1 << 20));
	memset(text, 'x', 1 << 20);
	assert_int_equal(split_text(text, 4 * 4096, 4096, 4096, part, 4), 4);
	assert_int_equal(split_text(text, 4 * 4096 + 1, 4096, 4096, part, 4),
	    5);
	assert_int_equal(split_text(text, 1 << 20, 4096, 4096, part, 4), 5);
	assert_int_equal(split_text(text, 1025, SPLIT_CAPTION_UNITS,
	    SPLIT_CAPTION_UNITS, part, 4), 2);
	memset(text, '\n', 1 << 20);
	assert_int_equal(split_text(text, 1 << 20, 4096, 4096, part, 4), 0);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places),
		cmocka_unit_test(characters_stay_whole),
		cmocka_unit_test(random_texts),
		cmocka_unit_test(counts_beyond_max),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
