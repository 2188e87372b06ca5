/*
 * Presses, options, lists of messages and the words for a decision: the pure
 * parts of prompt*.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "common/nitems.h"
#include "common/utf8.h"
#include "workers/queue/decision.h"
#include "workers/queue/escape.h"
#include "workers/queue/idlist.h"
#include "workers/queue/option.h"
#include "workers/queue/press.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

/* Presses. */

/* The whole space of presses: what must be true of every verdict. */
static void
test_only_a_right_press_decides(void **state)
{
	struct press p = { 0 };
	enum press_verdict v;

	(void)state;
	for (unsigned int i = 0; i < 2 * NROLES * 3 * NPROMPTSTATES * 14; i++) {
		unsigned int n = i;

		p.known = n % 2;
		n /= 2;
		p.role = n % NROLES;
		n /= NROLES;
		p.was = n % 3;
		n /= 3;
		p.state = n % NPROMPTSTATES;
		n /= NPROMPTSTATES;
		p.option = (int)n - 2;
		p.noptions = 10;
		v = press_judge(&p);
		assert_int_equal(v == PV_DECIDES, p.known &&
		    p.role >= ROLE_APPROVER && p.was != WS_NO &&
		    p.state == PS_OPEN && p.option >= 0 && p.option < 10);
		assert_int_equal(v == PV_SHOWS, p.known &&
		    p.role >= ROLE_VIEWER && p.was != WS_NO &&
		    p.option == PRESS_DETAILS);
		/* What has no effect has a reason and a toast. */
		assert_int_equal(press_reason(v) == NULL,
		    v == PV_DECIDES || v == PV_SHOWS);
		assert_int_equal(*press_toast(v) == '\0', v == PV_SHOWS);
		/* A stranger learns nothing of how a question stands. */
		if (p.role == ROLE_NONE)
			assert_true(v == PV_UNKNOWN || v == PV_NOT_ALLOWED);
	}
}

static void
test_who_is_late_hears_why(void **state)
{
	struct press p = { .known = true, .role = ROLE_ADMIN, .was = WS_YES,
	    .option = 0, .noptions = 2 };

	(void)state;
	p.state = PS_ANSWERED;
	assert_string_equal(press_toast(press_judge(&p)), "Already decided.");
	p.state = PS_EXPIRED;
	assert_string_equal(press_toast(press_judge(&p)),
	    "Too late: this has expired.");
	p.state = PS_WITHDRAWN;
	assert_string_equal(press_toast(press_judge(&p)),
	    "Too late: this was withdrawn.");
	p.state = PS_OPEN;
	p.option = 2;
	assert_int_equal(press_judge(&p), PV_NO_OPTION);
}

static void
test_data_of_buttons_is_read_back(void **state)
{
	char data[PRESS_DATA_SIZE], token[TOKEN_CHARS + 1];
	int option;

	(void)state;
	for (int i = PRESS_DETAILS; i < 10; i++) {
		press_write(data, TOKEN, i);
		assert_true(strlen(data) <= 64); /* Bot API */
		assert_true(press_read(data, token, &option));
		assert_string_equal(token, TOKEN);
		assert_int_equal(option, i);
	}
}

static void
test_forged_data_is_nothing(void **state)
{
	static const char *const foreign[] = { "", "p", "p" TOKEN,
		"q" TOKEN "0", TOKEN "0", "approve_x", "pp" };
	static const char *const empty[] = { "p" TOKEN "00", "p" TOKEN "x",
		"p" TOKEN "-1", "p" TOKEN " ", "p" TOKEN "dd", "p" TOKEN "D",
		"p" TOKEN "\xc2\xb2" };
	char token[TOKEN_CHARS + 1];
	int option;

	(void)state;
	for (size_t i = 0; i < nitems(foreign); i++)
		assert_false(press_read(foreign[i], token, &option));
	for (size_t i = 0; i < nitems(empty); i++) {
		assert_true(press_read(empty[i], token, &option));
		assert_int_equal(option, PRESS_NOTHING);
	}
}

/* Options. */

static void
check_options(const char *event, const char *want)
{
	struct json_object *o = json_tokener_parse(event), *list;

	list = option_list(o);
	assert_string_equal(json_object_to_json_string_ext(list,
	    JSON_C_TO_STRING_PLAIN), want);
	json_object_put(list);
	json_object_put(o);
}

static void
test_options_are_as_the_asker_wrote_them(void **state)
{
	(void)state;
	check_options("{\"data\":{\"options\":[\"Go\",\" no *_ \",\"\"]}}",
	    "[\"Go\",\" no *_ \",\"\"]");
	check_options("{\"data\":{\"response_options\":[\"A\"]}}", "[\"A\"]");
	check_options("{\"data\":{\"options\":[],"
	    "\"response_options\":[\"B\"]}}", "[\"B\"]");
	check_options("{\"data\":{\"options\":[1,2.5,true]}}",
	    "[\"1\",\"2.5\",\"true\"]");
	check_options("{\"data\":{\"options\":[\"1\",\"2\",\"3\",\"4\",\"5\","
	    "\"6\",\"7\",\"8\",\"9\",\"10\",\"11\"]}}",
	    "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\"]");
}

static void
test_without_options_there_are_two(void **state)
{
	static const char *const events[] = { "{}", "{\"data\":7}",
		"{\"data\":{\"options\":[]}}", "{\"data\":{\"options\":{}}}",
		"{\"data\":{\"options\":\"\"}}",
		"{\"data\":{\"options\":null}}" };

	(void)state;
	for (size_t i = 0; i < nitems(events); i++)
		check_options(events[i], "[\"Approve\",\"Deny\"]");
}

static void
test_a_null_among_the_options_is_one(void **state)
{
	(void)state;
	check_options("{\"data\":{\"options\":[null,\"x\"]}}",
	    "[\"null\",\"x\"]");
}

static void
test_an_object_that_says_no_is_no_yes(void **state)
{
	struct json_object *o = json_tokener_parse("{\"data\":{\"options\":["
	    "{\"label\":\"Deny\",\"value\":\"yes\"},{\"text\":\"Go\"},"
	    "{\"x\":1}]}}"), *list = option_list(o);

	(void)state;
	assert_string_equal(option_at(list, 0), "Deny");
	assert_string_equal(option_at(list, 1), "Go");
	assert_int_equal(option_find(list, true), 0);
	assert_int_equal(option_find(list, false), 1);
	json_object_put(list);
	json_object_put(o);
}

static void
test_the_first_word_says_no(void **state)
{
	static const char *const no[] = { "deny", "No", "NEIN!", "Reject it",
		"cancel", "abort, now", "🛑 Stop", "2. decline", "no" };
	static const char *const yes[] = { "", "Approve", "Now", "Nope",
		"Noël", "Stopover", "denied", "yes, no doubt", "42", "🛑" };

	(void)state;
	for (size_t i = 0; i < nitems(no); i++)
		assert_true(option_is_negative(no[i]));
	for (size_t i = 0; i < nitems(yes); i++)
		assert_false(option_is_negative(yes[i]));
}

static void
test_no_option_of_a_kind(void **state)
{
	struct json_object *list = json_tokener_parse("[\"A\",\"B\"]");

	(void)state;
	assert_int_equal(option_find(list, true), -1);
	assert_int_equal(option_find(list, false), 0);
	json_object_put(list);
}

/* Messages. */

static void
test_lists_of_messages(void **state)
{
	int64_t id[3];

	(void)state;
	assert_int_equal(idlist_read(NULL, id, 3), 0);
	assert_int_equal(idlist_read("", id, 3), 0);
	assert_int_equal(idlist_read("12", id, 3), 1);
	assert_int_equal(id[0], 12);
	assert_int_equal(idlist_read("1,22,333,4444", id, 3), 3);
	assert_int_equal(id[2], 333);
	assert_int_equal(idlist_read("1,x", id, 3), 1);
	assert_int_equal(idlist_read("x", id, 3), 0);
	assert_true(idlist_has("1,22,333", 22));
	assert_true(idlist_has("1,22,333", 333));
	assert_false(idlist_has("1,22,333", 2));
	assert_false(idlist_has(NULL, 0));
	assert_false(idlist_has("", 0));
}

/* Decisions. */

static void
check_decision(const struct decision *d, const char *want)
{
	char *text = decision_text(d);

	assert_string_equal(text, want);
	free(text);
}

static void
test_decisions_say_what_by_whom_and_when(void **state)
{
	struct decision d = { .state = PS_ANSWERED, .action = "approve",
	    .what = "Fast", .first_name = "Ann", .username = "ann_x",
	    .at_ms = (7 * 60 + 45) * 60000 };

	(void)state;
	check_decision(&d, "✅ Fast — Ann, 07:45");
	d.action = "deny";
	check_decision(&d, "❌ Fast — Ann, 07:45");
	d.action = "text";
	d.first_name = NULL;
	check_decision(&d, "💬 Fast — @ann_x, 07:45");
	d.username = NULL;
	check_decision(&d, "💬 Fast — somebody, 07:45");
	d.state = PS_EXPIRED;
	check_decision(&d, "⌛ Expired at 07:45");
	d.state = PS_WITHDRAWN;
	d.why = "the asker has gone";
	check_decision(&d, "🚫 Withdrawn at 07:45: the asker has gone");
}

static void
test_a_long_answer_is_cut_at_a_character(void **state)
{
	struct decision d = { .state = PS_ANSWERED, .action = "text",
	    .first_name = "Ann" };
	char what[1024], *text;

	(void)state;
	for (size_t before = 0; before < 4; before++) {
		memset(what, 'x', before);
		what[before] = '\0';
		while (strlen(what) < 900)
			strlcat(what, "\U0001f525", sizeof(what));
		d.what = what;
		text = decision_text(&d);
		assert_true(utf8_clean(text, strlen(text)));
		assert_non_null(strstr(text, "…"));
		assert_true(strlen(text) < 260);
		free(text);
	}
}

static void
test_a_decision_without_a_format_worker(void **state)
{
	char long_text[20000], *html;

	(void)state;
	html = decision_plain("T <&>", "Q?", "✅ <b> — A, 07:45");
	assert_string_equal(html, "<b>T &lt;&amp;&gt;</b>\n\nQ?\n\n"
	    "<b>✅ &lt;b&gt; — A, 07:45</b>");
	free(html);
	html = decision_plain("Same", "Same", "D");
	assert_string_equal(html, "<b>Same</b>\n\n<b>D</b>");
	free(html);
	html = decision_plain("T", "", "D");
	assert_string_equal(html, "<b>T</b>\n\n<b>D</b>");
	free(html);
	memset(long_text, 'y', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	html = decision_plain(long_text, long_text + 1, long_text);
	/* 4096 UTF-16 units, of which a byte is at most one. */
	assert_true(strlen(html) < 4096);
	free(html);
}

static void
test_escaped_text_turns_nothing_around(void **state)
{
	char *html = escape_html("a\u202eb\u2066c<&>\u200d", 100);

	(void)state;
	assert_string_equal(html,
	    "a\ufffdb\ufffdc&lt;&amp;&gt;\u200d");
	free(html);
	html = escape_html("äöü", 3);
	assert_string_equal(html, "ä…");
	free(html);
	html = escape_html("", 0);
	assert_string_equal(html, "");
	free(html);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_a_right_press_decides),
		cmocka_unit_test(test_who_is_late_hears_why),
		cmocka_unit_test(test_data_of_buttons_is_read_back),
		cmocka_unit_test(test_forged_data_is_nothing),
		cmocka_unit_test(test_options_are_as_the_asker_wrote_them),
		cmocka_unit_test(test_without_options_there_are_two),
		cmocka_unit_test(test_a_null_among_the_options_is_one),
		cmocka_unit_test(test_an_object_that_says_no_is_no_yes),
		cmocka_unit_test(test_the_first_word_says_no),
		cmocka_unit_test(test_no_option_of_a_kind),
		cmocka_unit_test(test_lists_of_messages),
		cmocka_unit_test(test_decisions_say_what_by_whom_and_when),
		cmocka_unit_test(test_a_long_answer_is_cut_at_a_character),
		cmocka_unit_test(test_a_decision_without_a_format_worker),
		cmocka_unit_test(test_escaped_text_turns_nothing_around),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
