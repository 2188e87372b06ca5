/*
 * text.c: what is added arrives as it is, as HTML that parses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "tests/unit/telegram_html.h"
#include "workers/format/text.h"

#define NOLIMIT (1U << 20)

static struct text text;
static struct buf html;

static void
start(bool guarded)
{
	text_reset(&text, NOLIMIT, guarded);
	buf_reset(&html);
}

static const char *
plain(void)
{
	buf_add(&text.plain, "", 1);
	text.plain.len--;
	return (text.plain.p);
}

static const char *
range(size_t begin, size_t end)
{
	buf_reset(&html);
	text_html(&text, begin, end, &html);
	buf_add(&html, "", 1);
	return (html.p);
}

static const char *
all(void)
{
	return (range(0, text.plain.len));
}

static void
cleaning(void **state)
{
	static const struct {
		const char *in, *out;
		bool guarded;
	} rows[] = {
		{"a\tb\nc", "a\tb\nc", false},
		{"a\x01\x1b[31m\r\nb\x7f", "a[31m\nb", false},
		{"\xc2\x80\xc2\x9fx\xc2\xa0", "x\xc2\xa0", false},
		{"\xff", "�", false}, {"a\xc3", "a�", false},
		{"\xed\xa0\x80", "���", false}, /* a surrogate */
		{"\xf4\x90\x80\x80", "����", false},
		{"\xe2\x80\xaexyz\xe2\x81\xa6", "\xe2\x80\xaexyz\xe2\x81\xa6",
		    false},
		{"\xe2\x80\xaexyz\xe2\x81\xa6", "�xyz�", true},
		{"\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad", "����",
		    true},
		{"\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9", "���", true},
		{"\xe2\x80\xa9\xe2\x80\xaf", "\xe2\x80\xa9\xe2\x80\xaf",
		    true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(rows[i].guarded);
		text_adds(&text, rows[i].in);
		assert_string_equal(plain(), rows[i].out);
	}
	start(false);
	text_add(&text, "a\0b", 3);
	assert_string_equal(plain(), "ab");
}

static void
escaping(void **state)
{
	(void)state;
	start(false);
	text_lit(&text, "<b> & \"x\" &amp; **y** _z_ `c`");
	assert_string_equal(all(),
	    "&lt;b&gt; &amp; \"x\" &amp;amp; **y** _z_ `c`");
	start(false);
	text_begin(&text, TEXT_LINK, "http://x/?a=\"1\"&b=<", 19);
	text_lit(&text, "x<");
	text_end(&text);
	assert_string_equal(all(), "<a href=\"http://x/?a=&quot;1&quot;"
	    "&amp;b=&lt;\">x&lt;</a>");
}

static void
nesting(void **state)
{
	int i;

	(void)state;
	start(false);
	text_lit(&text, "1");
	text_begin(&text, TEXT_BOLD, NULL, 0);
	text_lit(&text, "2");
	text_begin(&text, TEXT_ITALIC, NULL, 0);
	text_lit(&text, "3");
	text_end(&text);
	text_begin(&text, TEXT_CODE, NULL, 0);
	text_lit(&text, "4");
	text_begin(&text, TEXT_BOLD, NULL, 0); /* not in code */
	text_lit(&text, "5");
	text_end(&text);
	text_end(&text);
	text_end(&text);
	text_begin(&text, TEXT_PRE, "c", 1);
	text_lit(&text, "6");
	text_end(&text);
	text_begin(&text, TEXT_PRE, NULL, 0);
	text_end(&text); /* empty: no tag */
	text_begin(&text, TEXT_QUOTE, NULL, 0);
	text_begin(&text, TEXT_EXPANDABLE, NULL, 0); /* not in another */
	text_lit(&text, "7");
	text_end(&text);
	text_end(&text);
	text_begin(&text, TEXT_EXPANDABLE, NULL, 0);
	text_lit(&text, "8");
	text_end(&text);
	text_lit(&text, "9");
	assert_string_equal(all(), "1<b>2<i>3</i><code>45</code></b>"
	    "<pre><code class=\"language-c\">6</code></pre>"
	    "<blockquote>7</blockquote>"
	    "<blockquote expandable>8</blockquote>9");
	/* cut and reopened */
	assert_string_equal(range(2, 4), "<b><i>3</i><code>4</code></b>");
	assert_string_equal(range(4, 6), "<b><code>5</code></b>"
	    "<pre><code class=\"language-c\">6</code></pre>");
	assert_string_equal(range(8, 9), "9");
	assert_string_equal(range(3, 3), "");
	/* deeper than the stack, and more ends than beginnings */
	start(false);
	for (i = 0; i < 20; i++)
		text_begin(&text, i % 2 ? TEXT_BOLD : TEXT_ITALIC, NULL, 0);
	text_lit(&text, "x");
	for (i = 0; i < 25; i++)
		text_end(&text);
	assert_string_equal(all(), "<i><b>x</b></i>");
}

static void
one_line(void **state)
{
	static const struct {
		const char *in, *out;
		size_t units;
	} rows[] = {
		{"  a \n\n b\t", "a b", 10}, {"abcdef", "abcdef", 6},
		{"abcdefg", "abcde…", 6}, {"😀😀😀", "😀…", 4},
		{"ab👨‍👩‍👧", "ab…", 6}, {"", "", 6}, {"\n", "", 6},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		start(false);
		text_add_line(&text, rows[i].in, strlen(rows[i].in),
		    rows[i].units);
		assert_string_equal(plain(), rows[i].out);
	}
}

static void
bounded(void **state)
{
	char *big;

	(void)state;
	assert_non_null(big = malloc(100000));
	memset(big, 'x', 100000);
	text_reset(&text, 1000, false);
	text_add(&text, big, 900);
	assert_false(text.cut);
	text_add(&text, big, 100000);
	text_adds(&text, "😀");
	assert_true(text.cut);
	assert_int_equal(text.plain.len, 1000);
	free(big);
}

/* Random trees, cut anywhere: each piece parses, and together they are the
 * text. */
static void
random_trees(void **state)
{
	static const char *const words[] = {"a", "<", "&", ">", "\"", "\n",
	    "é", "😀", "word ", "\xff", "\x01"};
	size_t cut, len, i;
	int round, step;
	char *got, *joined;

	(void)state;
	srandom(1);
	for (round = 0; round < 3000; round++) {
		start(round % 2);
		for (step = 0; step < 40; step++) {
			switch (random() % 4) {
			case 0:
				text_begin(&text, (enum text_kind)(random() %
				    NTEXTKINDS), "a\"&<b", random() % 6);
				break;
			case 1:
				text_end(&text);
				break;
			default:
				text_adds(&text, words[random() % 11]);
			}
		}
		while (text.depth > 0)
			text_end(&text);
		assert_non_null(joined = calloc(1, text.plain.len + 1));
		for (i = 0; i < text.plain.len; i = cut) {
			cut = i + 1 + (size_t)random() % 9;
			if (cut > text.plain.len)
				cut = text.plain.len;
			while (cut < text.plain.len && ((unsigned char)
			    text.plain.p[cut] & 0xc0) == 0x80)
				cut++;
			buf_reset(&html);
			text_html(&text, i, cut, &html);
			got = html_plain(html.p, html.len, &len);
			if (got == NULL)
				fail_msg("%.*s", (int)html.len, html.p);
			strlcat(joined, got, text.plain.len + 1);
			free(got);
		}
		assert_memory_equal(joined, plain(), text.plain.len);
		free(joined);
	}
}

static int
teardown(void **state)
{
	(void)state;
	text_free(&text);
	buf_free(&html);
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleaning),
		cmocka_unit_test(escaping),
		cmocka_unit_test(nesting),
		cmocka_unit_test(one_line),
		cmocka_unit_test(bounded),
		cmocka_unit_test(random_trees),
	};

	return (cmocka_run_group_tests(tests, NULL, teardown));
}
