/*
 * reply.c, body.c, plain.c and token.c: texts in, texts out.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/nitems.h"
#include "workers/telegram/telegram.h"

static struct reply
parse(const char *body)
{
	struct reply r;

	reply_parse(&r, body, strlen(body));
	return (r);
}

static void
test_reply_fast_and_slow_agree(void **state)
{
	static const char *const bodies[] = {
		"{\"ok\":true,\"result\":{\"message_id\":42,\"date\":1}}",
		"{\"ok\":true,\"result\":{\"message_id\":42}}",
		" {\"ok\":true,\"result\":{\"message_id\":42}}",
		"{\"ok\":true,\"result\":{\"message_id\":42.0}}",
		"{\"ok\":true,\"result\":{\"message_id\": 42 , \"a\":[{}]}}\n",
	};
	struct reply r;

	(void)state;
	for (size_t i = 0; i < nitems(bodies); i++) {
		r = parse(bodies[i]);
		assert_true(r.json && r.ok);
		assert_int_equal(r.message_id, 42);
	}
}

static void
test_reply_of_every_length(void **state)
{
	static const char body[] = "{\"ok\":true,\"result\":{\"message_id\":"
	    "42,\"chat\":{\"id\":1}}}";
	struct reply r;
	char *copy;

	(void)state;
	for (size_t n = 0; n < sizeof(body) - 1; n++) {
		/* Of its own size, so that a read beyond it is found. */
		copy = malloc(n + 1);
		memcpy(copy, body, n);
		reply_parse(&r, copy, n);
		/* Never a part of the number. */
		assert_true(r.message_id == 0 || r.message_id == 42);
		assert_int_equal(r.json, r.message_id == 42);
		free(copy);
	}
}

static void
test_reply_numbers_out_of_bounds(void **state)
{
	struct reply r;

	(void)state;
	r = parse("{\"ok\":true,\"result\":{\"message_id\":"
	    "99999999999999999999999999}}");
	assert_true(r.message_id >= 0);
	r = parse("{\"ok\":false,\"error_code\":4294967696}");
	assert_int_equal(r.error_code, 0);
	r = parse("{\"ok\":false,\"parameters\":{\"retry_after\":1e999}}");
	assert_int_equal(r.retry_after_s, 0);
	r = parse("{\"ok\":false,\"parameters\":7,\"result\":[1]}");
	assert_true(r.json);
}

static void
test_reply_description_is_cut_at_a_character(void **state)
{
	char body[3000] = "{\"ok\":false,\"description\":\"x";
	struct reply r;
	size_t n;

	(void)state;
	for (int i = 0; i < 400; i++)
		strlcat(body, "\xe2\x9c\x93", sizeof(body));
	strlcat(body, "\"}", sizeof(body));
	r = parse(body);
	n = strlen(r.description);
	assert_in_range(n, 500, sizeof(r.description) - 1);
	assert_int_equal(n % 3, 1);
}

static void
test_reply_of_getme(void **state)
{
	(void)state;
	assert_string_equal(parse("{\"ok\":true,\"result\":{\"id\":1,"
	    "\"is_bot\":true,\"username\":\"some_bot\"}}").username,
	    "some_bot");
}

static void
test_plain(void **state)
{
	static const struct {
		const char *html, *plain;
	} t[] = {
		{ "", "" },
		{ "text", "text" },
		{ "<b>bold</b> <i>x</i>", "bold x" },
		{ "<pre><code class=\"language-c\">a &lt; b</code></pre>",
		    "a < b" },
		{ "<a href=\"https://x/?a=1&amp;b=>\">link</a>", "link" },
		{ "<a href='>'>link</a>", "link" },
		{ "&lt;&gt;&amp;&quot;", "<>&\"" },
		{ "&amp;lt;", "&lt;" },
		{ "&nbsp; &lt &", "&nbsp; &lt &" },
		{ "&#65;&#x42;&#X43;", "ABC" },
		{ "&#128293;&#x2713;&#xe4;", "\xf0\x9f\x94\xa5\xe2\x9c\x93"
		    "\xc3\xa4" },
		{ "&#0;&#xd800;&#x110000;&#;&#x;&#12", "&#0;&#xd800;&#x110000;"
		    "&#;&#x;&#12" },
		{ "&#99999999999999999999;", "&#99999999999999999999;" },
		{ "&#1a;", "&#1a;" },
		{ "1 < 2 > 1", "1 < 2 > 1" },
		{ "a <b", "a <b" },
		{ "<b <i>x", "<b x" },
		{ "</b>", "" },
		{ "<", "<" }, { "</", "</" }, { "&", "&" }, { "&#", "&#" },
		{ "<!-- x -->", "<!-- x -->" },
		{ "\xc3\xa4 &lt; <b>\xe2\x9c\x93</b>",
		    "\xc3\xa4 < \xe2\x9c\x93" },
	};
	char buf[256];
	size_t n;

	(void)state;
	for (size_t i = 0; i < nitems(t); i++) {
		/* In place, as calls.c does it. */
		strlcpy(buf, t[i].html, sizeof(buf));
		n = plain_from_html(buf, buf, strlen(buf));
		buf[n] = '\0';
		assert_string_equal(buf, t[i].plain);
	}
}

static void
test_plain_never_grows(void **state)
{
	static const char alphabet[] = "<>&#x;/ab1\"'=lt ";
	uint32_t seed = 1;
	char in[40], *out;
	size_t len;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		seed = seed * 1664525 + 1013904223;
		len = (seed >> 16) % sizeof(in);
		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			in[i] = alphabet[(seed >> 16) %
			    (sizeof(alphabet) - 1)];
		}
		out = malloc(len + 1);
		assert_true(plain_from_html(out, in, len) <= len);
		free(out);
	}
}

static void
test_token_shape(void **state)
{
	(void)state;
	assert_true(token_is_valid("123456789:AAE-x_y"));
	assert_false(token_is_valid(""));
	assert_false(token_is_valid(":AAE"));
	assert_false(token_is_valid("123"));
	assert_false(token_is_valid("123:"));
	assert_false(token_is_valid("123:AA/E"));
	assert_false(token_is_valid("123:AA E"));
	assert_false(token_is_valid("bot123:AAE"));
}

static void
test_token_scrub(void **state)
{
	static const char token[] = "123456:AAE-secret";
	char text[200];

	(void)state;
	strlcpy(text, "GET https://x/bot123456:AAE-secret/getMe and "
	    "AAE-secret alone, 123456 stays", sizeof(text));
	token_scrub(text, token);
	assert_string_equal(text, "GET https://x/bot*****************/getMe "
	    "and ********** alone, 123456 stays");
	strlcpy(text, "nothing here", sizeof(text));
	token_scrub(text, token);
	token_scrub(text, "");
	token_scrub(text, NULL);
	token_scrub(text, "1:e");
	assert_string_equal(text, "nothing here");
}

#define TEXT(s) { s, sizeof(s) - 1 }

static void
check_body(const struct call_fields *c, bool plain, const char *expected)
{
	struct buf t = { 0 };

	body_json(&t, c, plain);
	buf_add(&t, "", 1);
	assert_false(t.failed);
	assert_string_equal(t.p, expected);
	buf_free(&t);
}

static void
test_body(void **state)
{
	struct call_fields c = { .method = CALL_SEND, .chat = -1001,
	    .thread = 7, .text = TEXT("a\"b\\c\n\t\x01\x7f \xc3\xa4"),
	    .flags = CALL_SILENT, .markup = TEXT("{\"x\":[]}") };

	(void)state;
	check_body(&c, false, "{\"chat_id\":-1001,\"message_thread_id\":7,"
	    "\"text\":\"a\\\"b\\\\c\\n\\u0009\\u0001\\u007f \xc3\xa4\","
	    "\"parse_mode\":\"HTML\",\"disable_notification\":true,"
	    "\"reply_markup\":{\"x\":[]}}");
	c.thread = 1; /* the general topic has no number to the Bot API */
	c.flags = 0;
	c.markup.len = 0;
	c.text = (struct span)TEXT("x");
	check_body(&c, true, "{\"chat_id\":-1001,\"text\":\"x\"}");
	c.method = CALL_EDIT;
	c.message_id = 12;
	c.thread = 7;
	c.flags = CALL_SILENT; /* edits are silent anyway */
	check_body(&c, false, "{\"chat_id\":-1001,\"message_id\":12,"
	    "\"text\":\"x\",\"parse_mode\":\"HTML\"}");
}

static void
test_body_of_answer_and_reaction(void **state)
{
	struct call_fields c = { .method = CALL_ANSWER, .chat = 5,
	    .message_id = 9, .text = TEXT("Already \"decided\""),
	    .document_name = TEXT("4000000000000001"),
	    .markup = TEXT("{}") };

	(void)state;
	check_body(&c, false, "{\"callback_query_id\":\"4000000000000001\","
	    "\"text\":\"Already \\\"decided\\\"\"}");
	c.text.len = 0;
	check_body(&c, true,
	    "{\"callback_query_id\":\"4000000000000001\"}");
	c.method = CALL_REACT;
	c.text = (struct span)TEXT("\xe2\x9a\xa1");
	check_body(&c, false, "{\"chat_id\":5,\"message_id\":9,\"reaction\":"
	    "[{\"type\":\"emoji\",\"emoji\":\"\xe2\x9a\xa1\"}]}");
	c.text.len = 0;
	check_body(&c, false,
	    "{\"chat_id\":5,\"message_id\":9,\"reaction\":[]}");
}

static void
test_answers_stand_in_no_chats_order(void **state)
{
	static const uint64_t ids[] = { 0, 1, UINT64_MAX, 1ULL << 62,
	    1ULL << 63, (1ULL << 62) + 77 };
	struct call_fields c = { .method = CALL_SEND, .chat = -1001234567890 };

	(void)state;
	assert_true(body_lane(&c, 7) == c.chat);
	c.method = CALL_ANSWER;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		assert_true(body_lane(&c, ids[i]) < -(1LL << 53));
	assert_true(body_lane(&c, 7) != body_lane(&c, 8));
}

static void
test_body_unpack_needs_every_byte(void **state)
{
	struct call_fields c;
	struct packer p = { 0 };

	(void)state;
	pack_u8(&p, CALL_DOCUMENT);
	pack_u8(&p, CALL_SILENT);
	pack_u32(&p, 3);
	pack_i64(&p, -5);
	pack_i64(&p, 6);
	pack_i64(&p, 7);
	pack_str(&p, "text");
	pack_str(&p, "");
	pack_str(&p, "name");
	pack_blob(&p, "\0\1", 2);
	assert_true(body_unpack(&c, p.buf, p.len));
	assert_int_equal(body_method(&c), API_DOCUMENT);
	assert_int_equal(c.attempt, 3);
	assert_true(c.chat == -5 && c.thread == 6 && c.message_id == 7);
	assert_true(span_eq(c.text, "text") && c.markup.len == 0 &&
	    span_eq(c.document_name, "name") && c.document.len == 2);
	for (size_t n = 0; n < p.len; n++)
		assert_false(body_unpack(&c, p.buf, n));
	p.buf[0] = CALL_TOPIC + 1;
	assert_false(body_unpack(&c, p.buf, p.len));
	p.buf[0] = CALL_SEND;
	pack_u8(&p, 0);
	assert_false(body_unpack(&c, p.buf, p.len));
	pack_free(&p);
}

static void
test_body_of_topic_and_webhook(void **state)
{
	struct call_fields c = { .method = CALL_TOPIC, .chat = -1001,
	    .text = TEXT("a \"b\"") };
	struct buf t = { 0 };

	(void)state;
	body_json(&t, &c, false);
	buf_add(&t, "", 1);
	assert_string_equal(t.p, "{\"chat_id\":-1001,\"name\":"
	    "\"a \\\"b\\\"\"}");
	buf_reset(&t);
	body_webhook(&t, "https://h/x", "s-1");
	buf_add(&t, "", 1);
	assert_string_equal(t.p, "{\"url\":\"https://h/x\","
	    "\"secret_token\":\"s-1\",\"allowed_updates\":[\"message\","
	    "\"edited_message\",\"callback_query\",\"my_chat_member\"]}");
	buf_free(&t);
}

static void
test_reply_of_topic_and_webhook(void **state)
{
	static const char topic[] = "{\"ok\":true,\"result\":"
	    "{\"message_thread_id\":77,\"name\":\"x\"}}";
	static const char hook[] = "{\"ok\":true,\"result\":{\"url\":"
	    "\"https://h/x\",\"last_error_date\":5,"
	    "\"last_error_message\":\"no\"}}";
	struct reply r;

	(void)state;
	reply_parse(&r, topic, sizeof(topic) - 1);
	assert_true(r.ok);
	assert_int_equal(r.thread_id, 77);
	assert_int_equal(r.message_id, 0);
	assert_string_equal(r.hook_url, "");
	reply_clear(&r);
	reply_parse(&r, hook, sizeof(hook) - 1);
	assert_string_equal(r.hook_url, "https://h/x");
	assert_string_equal(r.hook_error, "no");
	assert_int_equal(r.hook_error_s, 5);
	assert_int_equal(r.thread_id, 0);
	reply_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_fast_and_slow_agree),
		cmocka_unit_test(test_reply_of_every_length),
		cmocka_unit_test(test_reply_numbers_out_of_bounds),
		cmocka_unit_test(test_reply_description_is_cut_at_a_character),
		cmocka_unit_test(test_reply_of_getme),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_plain_never_grows),
		cmocka_unit_test(test_token_shape),
		cmocka_unit_test(test_token_scrub),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_body_of_answer_and_reaction),
		cmocka_unit_test(test_body_of_topic_and_webhook),
		cmocka_unit_test(test_reply_of_topic_and_webhook),
		cmocka_unit_test(test_answers_stand_in_no_chats_order),
		cmocka_unit_test(test_body_unpack_needs_every_byte),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
