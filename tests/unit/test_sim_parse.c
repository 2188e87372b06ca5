/*
 * The simulator's parsers against what the real service answers: texts,
 * entities in UTF-16 units, and the error texts with their byte offsets.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/buf.h"
#include "tests/sim/rich.h"

/* The result as text, then " type:offset+length=extra" for each entity. */
struct sample {
	const char	*in;
	const char	*out;
};

static const char *const names[] = {
#define X(sym, name, extra) name,
	RICH_ENTITIES(X)
#undef X
};

static const struct sample html_good[] = {
	{ "", "" },
	{ "plain & simple", "plain & simple" },
	{ "a &lt;b&gt; &amp;amp; &quot;", "a <b> &amp; \"" },
	{ "&#60;&#x3C;&#x1F3DF;|", "<<🏟|" },
	{ "&nbsp;&#0;&unknown;", "&nbsp;&#0;&unknown;" },
	{ "&lt", "<" },
	{ "<b>b</b>", "b bold:0+1" },
	{ "<B>b</b >", "b bold:0+1" },
	{ "<b>b</>", "b bold:0+1" },
	{ "🏟 🏟<b>aba</b>", "🏟 🏟aba bold:5+3" },
	{ "<strong>a</strong><i>b</i><em>c</em>",
	    "abc bold:0+1 italic:1+1 italic:2+1" },
	{ "<u>a</u><ins>b</ins><s>c</s><strike>d</strike><del>e</del>",
	    "abcde underline:0+1 underline:1+1 strikethrough:2+1 "
	    "strikethrough:3+1 strikethrough:4+1" },
	{ "<b>bold <i>both</i></b>", "bold both bold:0+9 italic:5+4" },
	{ "<tg-spoiler>x</tg-spoiler><span class=\"tg-spoiler\">y</span>",
	    "xy spoiler:0+1 spoiler:1+1" },
	{ "<code>x &lt; y</code>", "x < y code:0+5" },
	{ "<pre>x</pre>", "x pre:0+1" },
	{ "<pre><code class=\"language-c++\">int</code></pre>",
	    "int pre:0+3=c++" },
	{ "<pre><code class=language-c>int</code></pre>", "int pre:0+3=c" },
	{ "<code class=\"language-c\">int</code>", "int code:0+3" },
	{ "<a href=\"https://a.de/?x=1&amp;y=2\">t</a>",
	    "t text_link:0+1=https://a.de/?x=1&y=2" },
	{ "<a href='telegram.org'>t</a>",
	    "t text_link:0+1=http://telegram.org/" },
	{ "<a>telegram.org</a>",
	    "telegram.org text_link:0+12=http://telegram.org/" },
	{ "<a href=\"http://localhost:8080/\">t</a>", "t" },
	{ "<a href=\"tg://user?id=1\">t</a>",
	    "t text_link:0+1=tg://user?id=1" },
	{ "<blockquote>q</blockquote>", "q blockquote:0+1" },
	{ "<blockquote expandable>q</blockquote>",
	    "q expandable_blockquote:0+1" },
	{ "<tg-emoji emoji-id=\"5368324170671202286\">👍</tg-emoji>",
	    "👍 custom_emoji:0+2=5368324170671202286" },
	{ "<b></b>x", "x" },
	{ "1 > 0", "1 > 0" },
};

static const struct sample html_bad[] = {
	{ "🏟 🏟<", "Unclosed start tag at byte offset 9" },
	{ "🏟 🏟<a", "Unclosed start tag at byte offset 9" },
	{ "a < b", "Unsupported start tag \"\" at byte offset 2" },
	{ "<div>x</div>", "Unsupported start tag \"div\" at byte offset 0" },
	{ "<!-- x -->", "Unsupported start tag \"!--\" at byte offset 0" },
	{ "x<br/>y", "Unsupported start tag \"br/\" at byte offset 1" },
	{ "x</b>", "Unexpected end tag at byte offset 1" },
	{ "<b>x</i>", "Unmatched end tag at byte offset 4, expected "
	    "\"</b>\", found \"</i>\"" },
	{ "<b>x</b", "Unclosed end tag at byte offset 4" },
	{ "<b>x", "Can't find end tag corresponding to start tag \"b\"" },
	{ "<b><i>x</i>",
	    "Can't find end tag corresponding to start tag \"b\"" },
	{ "<span>x</span>", "Tag \"span\" must have class \"tg-spoiler\" at "
	    "byte offset 0" },
	{ "<a href>x</a>", "Expected equal sign in declaration of an "
	    "attribute of the tag \"a\" at byte offset 0" },
	{ "<a =1>x</a>", "Empty attribute name in the tag \"a\" at byte "
	    "offset 0" },
	{ "<a href=\"x>y</a>", "Unclosed start tag at byte offset 0" },
	{ "<a href=a/b>x</a>",
	    "Unexpected end of name token at byte offset 8" },
};

static const struct sample mdv2_good[] = {
	{ "", "" },
	{ "\\\\", "\\" },
	{ "\\\\\\", "\\\\" },
	{ "\\_\\*\\[\\]\\(\\)\\~\\`\\>\\#\\+\\-\\=\\|\\{\\}\\.\\!",
	    "_*[]()~`>#+-=|{}.!" },
	{ "\\a\\➡️\\", "a\\➡️\\" },
	{ "🏟 🏟``", "🏟 🏟" },
	{ "🏟 🏟_abac \\* asd _", "🏟 🏟abac * asd  italic:5+11" },
	{ "➡️ ➡️_➡️ ➡️_*➡️ ➡️*",
	    "➡️ ➡️➡️ ➡️➡️ ➡️ italic:5+5 bold:10+5" },
	{ "🏟 🏟_🏟 *🏟*_", "🏟 🏟🏟 🏟 italic:5+5 bold:8+2" },
	{ "🏟 🏟_🏟 __🏟___", "🏟 🏟🏟 🏟 italic:5+5 underline:8+2" },
	{ "🏟 🏟__🏟 _🏟_\\___",
	    "🏟 🏟🏟 🏟_ underline:5+6 italic:8+2" },
	{ "🏟 🏟`🏟 🏟```", "🏟 🏟🏟 🏟 code:5+5" },
	{ "🏟 🏟```🏟 🏟```", "🏟 🏟 🏟 pre:5+3=🏟" },
	{ "🏟 🏟```🏟\n🏟```", "🏟 🏟🏟 pre:5+2=🏟" },
	{ "🏟 🏟```🏟\r\n🏟```", "🏟 🏟🏟 pre:5+2=🏟" },
	{ "🏟 🏟```🏟\n\n🏟```", "🏟 🏟\n🏟 pre:5+3=🏟" },
	{ "🏟 🏟```🏟 \\\\\\`🏟```", "🏟 🏟 \\`🏟 pre:5+5=🏟" },
	{ "🏟 🏟**", "🏟 🏟" },
	{ "🏟 🏟``````", "🏟 🏟" },
	{ "🏟 🏟____", "🏟 🏟" },
	{ "||test||", "test spoiler:0+4" },
	{ "~a~", "a strikethrough:0+1" },
	{ "`_* *_`__*` `*__",
	    "_* *_  code:0+5 code:5+1 bold:5+1 underline:5+1" },
	{ "[](telegram.org)", "" },
	{ "[ ](telegram.org)", "  text_link:0+1=http://telegram.org/" },
	{ "[ ](as)", " " },
	{ "[telegram\\.org]",
	    "telegram.org text_link:0+12=http://telegram.org/" },
	{ "[telegram\\.org](https://telegram.dog?\\\\\\()",
	    "telegram.org text_link:0+12=https://telegram.dog/?\\(" },
	{ "[telegram\\.org]()", "telegram.org" },
	{ "![👍](tg://emoji?id=25)", "👍 custom_emoji:0+2=25" },
	{ "> \n> \n>", " \n \n blockquote:0+4" },
	{ "abc\n> \n> \n>\ndef", "abc\n \n \n\ndef blockquote:4+5" },
	{ ">", "" },
	{ ">a", "a blockquote:0+1" },
	{ ">*b\n>ld \n>bo\n>ld*\nasd\ndef",
	    "b\nld \nbo\nld\nasd\ndef blockquote:0+12 bold:0+11" },
	{ "*a\n>b\n>ld \n>bo\n>ld\nasd*\ndef",
	    "a\nb\nld \nbo\nld\nasd\ndef bold:0+17 blockquote:2+12" },
	{ ">`b\n>ld \n>bo\nld`\n>asd\ndef",
	    "b\n>ld \n>bo\nld\nasd\ndef blockquote:0+18 code:0+13" },
	{ "`>b\n>ld \n>bo\nld`\n>asd\ndef",
	    ">b\n>ld \n>bo\nld\nasd\ndef code:0+14 blockquote:15+4" },
	{ ">\n1", "\n1 blockquote:0+1" },
	{ ">\n**>2", "\n2 blockquote:0+1 blockquote:1+1" },
	{ ">**\n>2", "\n2 blockquote:0+2" },
	{ ">*abcd*\n", "abcd\n blockquote:0+5 bold:0+4" },
	{ ">asd\n>q||e||w||\nasdad",
	    "asd\nqew\nasdad expandable_blockquote:0+8 spoiler:5+1" },
	{ ">asd\n>q||ew||\nasdad",
	    "asd\nqew\nasdad blockquote:0+8 spoiler:5+2" },
	{ ">asd\r\n>q||e||w||\r\n",
	    "asd\r\nqew\r\n expandable_blockquote:0+10 spoiler:6+1" },
	{ ">asd\r\n>q||e||w||",
	    "asd\r\nqew expandable_blockquote:0+8 spoiler:6+1" },
	{ ">||", "" },
	{ "\r>a", "\ra blockquote:1+1" },
	{ "\r\r>\r\ra\r\n\r", "\r\r\r\ra\r\n\r blockquote:2+5" },
	{ ">\n\r>2", "\n\r2 blockquote:0+1 blockquote:2+1" },
	{ "*>abcd\n*", "abcd\n blockquote:0+5 bold:0+5" },
	{ "> \\>\n \\> \n>", " >\n > \n blockquote:0+3" },
	{ ">*bold _italic bold ~italic bold strikethrough ||italic bold "
	    "strikethrough spoiler||~ __underline italic bold___ bold*",
	    "bold italic bold italic bold strikethrough italic bold "
	    "strikethrough spoiler underline italic bold bold "
	    "blockquote:0+103 bold:0+103 italic:5+93 strikethrough:17+59 "
	    "spoiler:43+33 underline:77+21" },
};

static const struct sample mdv2_bad[] = {
	{ "🏟 🏟_abacaba", "Can't find end of Italic entity at byte offset 9" },
	{ "🏟 🏟_abac * asd ",
	    "Can't find end of Bold entity at byte offset 15" },
	{ "🏟 🏟_abac * asd _",
	    "Can't find end of Italic entity at byte offset 21" },
	{ "🏟 🏟`", "Can't find end of Code entity at byte offset 9" },
	{ "🏟 🏟```", "Can't find end of Pre entity at byte offset 9" },
	{ "🏟 🏟```a", "Can't find end of Pre entity at byte offset 9" },
	{ "🏟 🏟```a ", "Can't find end of PreCode entity at byte offset 9" },
	{ "🏟 🏟__🏟 🏟_",
	    "Can't find end of Italic entity at byte offset 20" },
	{ "🏟 🏟_🏟 🏟__",
	    "Can't find end of Underline entity at byte offset 19" },
	{ "🏟 🏟```🏟 🏟`",
	    "Can't find end of Code entity at byte offset 21" },
	{ "🏟 🏟```🏟 🏟_",
	    "Can't find end of PreCode entity at byte offset 9" },
	{ "[telegram\\.org](asd\\)",
	    "Can't find end of a URL at byte offset 16" },
	{ "[telegram\\.org](",
	    "Can't find end of a URL at byte offset 16" },
	{ "🏟 🏟__🏟 _🏟___",
	    "Can't find end of Italic entity at byte offset 23" },
	{ "🏟 🏟||test\\|",
	    "Can't find end of Spoiler entity at byte offset 9" },
	{ "🏟 🏟!", "Character '!' is reserved and must be escaped with the "
	    "preceding '\\'" },
	{ "Version 1.0", "Character '.' is reserved and must be escaped with "
	    "the preceding '\\'" },
	{ "🏟 🏟>", "Character '>' is reserved and must be escaped with the "
	    "preceding '\\'" },
	{ "🏟 🏟![👍]", "Custom emoji entity must contain a tg://emoji URL" },
	{ "🏟 🏟![👍](tg://emoji?id=1234",
	    "Can't find end of a custom emoji URL at byte offset 17" },
	{ ">*b\n>ld \n>bo\nld*\nasd\ndef",
	    "Can't find end of Bold entity at byte offset 1" },
	{ ">\n*a*>2", "Character '>' is reserved and must be escaped with "
	    "the preceding '\\'" },
	{ ">asd\n>q||e||w||\n||asdad",
	    "Can't find end of Spoiler entity at byte offset 16" },
	{ ">asd\n>q||ew\n||asdad",
	    "Can't find end of Spoiler entity at byte offset 7" },
};

static const struct sample markdown_good[] = {
	{ "1.0 (x) #y", "1.0 (x) #y" },
	{ "*b* _i_ `c`", "b i c bold:0+1 italic:2+1 code:4+1" },
	{ "\\*b\\_ \\x", "*b_ \\x" },
	{ "🏟*🏟_x*", "🏟🏟_x bold:2+4" },
	{ "```c\nint x;\n```", "int x;\n pre:0+7=c" },
	{ "```x```", "x pre:0+1" },
	{ "[t](http://a.de)", "t text_link:0+1=http://a.de/" },
	{ "[t](nowhere)", "t" },
	{ "**", "" },
};

static const struct sample markdown_bad[] = {
	{ "snake_case", "Can't find end of the entity starting at byte offset "
	    "5" },
	{ "🏟[x", "Can't find end of the entity starting at byte offset 4" },
	{ "```x``", "Can't find end of the entity starting at byte offset 0" },
};

typedef int (*parser)(struct rich *, const char *, size_t,
    struct rich_error *);

static void
show(const struct rich *r, char *out, size_t size)
{
	size_t	i, n;

	n = (size_t)snprintf(out, size, "%s", r->text);
	for (i = 0; i < r->nents; i++)
		n += (size_t)snprintf(out + n, size - n, " %s:%zu+%zu%s%s",
		    names[r->ents[i].type], r->ents[i].offset,
		    r->ents[i].length, r->ents[i].extra == NULL ? "" : "=",
		    r->ents[i].extra == NULL ? "" : r->ents[i].extra);
}

static void
check_good(parser parse, const struct sample *s, size_t n)
{
	struct rich_error	error;
	struct rich		r;
	char			shown[1024];

	for (; n-- > 0; s++) {
		memset(&r, 0, sizeof(r));
		if (parse(&r, s->in, strlen(s->in), &error) == -1)
			fail_msg("%s: %s", s->in, error.text);
		show(&r, shown, sizeof(shown));
		assert_string_equal(shown, s->out);
		assert_int_equal(r.len, strlen(r.text));
		assert_int_equal(r.units, utf8_units(r.text, r.len));
		rich_free(&r);
	}
}

static void
check_bad(parser parse, const struct sample *s, size_t n)
{
	struct rich_error	error;
	struct rich		r;

	for (; n-- > 0; s++) {
		memset(&r, 0, sizeof(r));
		if (parse(&r, s->in, strlen(s->in), &error) == 0)
			fail_msg("%s: taken", s->in);
		assert_string_equal(error.text, s->out);
		assert_null(r.text);
	}
}

static void
test_html(void **state)
{
	(void)state;
	check_good(html_parse, html_good, nitems(html_good));
	check_bad(html_parse, html_bad, nitems(html_bad));
}

static void
test_mdv2(void **state)
{
	(void)state;
	check_good(mdv2_parse, mdv2_good, nitems(mdv2_good));
	check_bad(mdv2_parse, mdv2_bad, nitems(mdv2_bad));
}

static void
test_markdown(void **state)
{
	(void)state;
	check_good(markdown_parse, markdown_good, nitems(markdown_good));
	check_bad(markdown_parse, markdown_bad, nitems(markdown_bad));
}

/* Each ASCII character alone: reserved ones are refused, escaped taken. */
static void
test_mdv2_each_character(void **state)
{
	static const char	 marks[] = "_*[~`>";
	static const char	 reserved[] = "]()#+-=|{}.!";
	struct rich_error	 error;
	struct rich		 r;
	char			 escaped[3] = "\\";
	char			 want[80];
	char			 c;

	(void)state;
	for (c = 1; c < 126; c++) {
		if (strchr(marks, c) != NULL)
			continue;
		memset(&r, 0, sizeof(r));
		if (strchr(reserved, c) == NULL) {
			assert_int_equal(mdv2_parse(&r, &c, 1, &error), 0);
			assert_memory_equal(r.text, &c, 1);
			rich_free(&r);
			continue;
		}
		assert_int_equal(mdv2_parse(&r, &c, 1, &error), -1);
		(void)snprintf(want, sizeof(want), "Character '%c' is reserved"
		    " and must be escaped with the preceding '\\'", c);
		assert_string_equal(error.text, want);
		escaped[1] = c;
		assert_int_equal(mdv2_parse(&r, escaped, 2, &error), 0);
		assert_memory_equal(r.text, &c, 1);
		rich_free(&r);
	}
}

/* Every beginning of every sample ends in a result or a reason. */
static void
test_truncated(void **state)
{
	static const struct {
		parser			 parse;
		const struct sample	*samples;
		size_t			 n;
	} sets[] = {
		{ html_parse, html_good, nitems(html_good) },
		{ html_parse, html_bad, nitems(html_bad) },
		{ mdv2_parse, mdv2_good, nitems(mdv2_good) },
		{ mdv2_parse, mdv2_bad, nitems(mdv2_bad) },
		{ markdown_parse, markdown_good, nitems(markdown_good) },
		{ markdown_parse, markdown_bad, nitems(markdown_bad) },
	};
	struct rich_error	 error;
	struct rich		 r;
	char			*copy;
	size_t			 i, k, len;

	(void)state;
	for (i = 0; i < nitems(sets); i++)
		for (k = 0; k < sets[i].n; k++)
			for (len = 0; len < strlen(sets[i].samples[k].in);
			    len++) {
				copy = xstrndup(sets[i].samples[k].in, len);
				memset(&r, 0, sizeof(r));
				if (sets[i].parse(&r, copy, len, &error) == 0)
					rich_free(&r);
				else
					assert_true(error.text[0] != '\0');
				free(copy);
			}
}

static void
test_utf8(void **state)
{
	static const char *const bad[] = {
		"\x80", "\xc0\x80", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"\xe2\x82", "\xff", "a\xc3(", "\xf8\x88\x80\x80\x80"
	};
	size_t	i;

	(void)state;
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("aä€🏟", strlen("aä€🏟")));
	for (i = 0; i < nitems(bad); i++)
		assert_false(utf8_valid(bad[i], strlen(bad[i])));
	assert_int_equal(utf8_units("aä€🏟", strlen("aä€🏟")), 5);
	assert_int_equal(utf8_units("👨‍💻", strlen("👨‍💻")), 5);
}

static void
test_trim(void **state)
{
	struct rich	r = { 0 };
	char		shown[256];

	(void)state;
	(void)rich_plain(&r, " \n ab \t", 7);
	rich_add(&r, RICH_BOLD, 0, 2, NULL);
	rich_add(&r, RICH_ITALIC, 1, 3, NULL);
	rich_add(&r, RICH_CODE, 4, 3, NULL);
	rich_trim(&r);
	show(&r, shown, sizeof(shown));
	assert_string_equal(shown, "ab italic:0+1 code:1+1");
	rich_free(&r);
	(void)rich_plain(&r, " \n\t ", 4);
	rich_trim(&r);
	assert_int_equal(r.len, 0);
	assert_int_equal(r.units, 0);
	rich_free(&r);
}

static void
test_url(void **state)
{
	static const struct {
		const char	*in;
		const char	*out;
	} urls[] = {
		{ "a.de", "http://a.de/" },
		{ "https://a.de", "https://a.de/" },
		{ "https://a.de?x", "https://a.de/?x" },
		{ "https://u@a.de:8080/x#y", "https://u@a.de:8080/x#y" },
		{ "http://127.0.0.1:80/", "http://127.0.0.1:80/" },
		{ "http://[::1]/", "http://[::1]/" },
		{ "http://localhost/", NULL },
		{ "file:///etc/passwd", NULL },
		{ "javascript://a.de", NULL },
		{ "http://", NULL }, { "", NULL }, { ".", NULL },
	};
	char	*url;
	size_t	 i;

	(void)state;
	for (i = 0; i < nitems(urls); i++) {
		url = rich_url(urls[i].in);
		if (urls[i].out == NULL)
			assert_null(url);
		else {
			assert_non_null(url);
			assert_string_equal(url, urls[i].out);
		}
		free(url);
	}
}

int
main(void)
{
	const struct CMUnitTest	tests[] = {
		cmocka_unit_test(test_html),
		cmocka_unit_test(test_mdv2),
		cmocka_unit_test(test_markdown),
		cmocka_unit_test(test_mdv2_each_character),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_url),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
