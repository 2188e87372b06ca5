/* Requests and answers of submit.sock: workers/intake/request.c, answer.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/nitems.h"
#include "workers/intake/request.h"

static int
parse(const char *line, struct request *r, struct error *e)
{
	return (request_parse(line, strlen(line), r, e));
}

static void
assert_span(struct span s, const char *text)
{
	assert_int_equal(s.len, strlen(text));
	assert_memory_equal(s.p, text, s.len);
}

static void
test_all_members(void **state)
{
	struct error e = { 0 };
	struct request r;

	(void)state;
	assert_int_equal(parse(" { \"tag\" : [1,\"}\"] , \"op\":\"send\","
	    "\"event\":{\"a\":\"\\\"}{\",\"b\":[[],{}]} ,\"silent\":true,"
	    "\"ttl\":\"1h30m\",\"to\":\"ops\",\"wait\":2.5,"
	    "\"more\":{\"x\":[null]}}\r\n", &r, &e), 0);
	assert_string_equal(r.op, "send");
	assert_span(r.tag, "[1,\"}\"]");
	assert_span(r.event, "{\"a\":\"\\\"}{\",\"b\":[[],{}]}");
	assert_true(r.silent);
	assert_int_equal(r.ttl_ms, 5400000);
	assert_string_equal(r.to, "ops");
	assert_int_equal(r.wait_ms, 2500);
}

static void
test_defaults(void **state)
{
	struct error e = { 0 };
	struct request r;

	(void)state;
	assert_int_equal(parse("{\"op\":\"send\",\"event\":{},\"tag\":null,"
	    "\"wait\":false,\"to\":null}", &r, &e), 0);
	assert_int_equal(r.tag.len, 0);
	assert_false(r.silent);
	assert_int_equal(r.ttl_ms, 0);
	assert_string_equal(r.to, "");
	assert_int_equal(r.wait_ms, -1);
	assert_int_equal(parse("{\"op\":\"send\",\"event\":{},\"wait\":true}",
	    &r, &e), 0);
	assert_int_equal(r.wait_ms, WAIT_DEFAULT_MS);
}

static void
test_escaped_names_are_the_same_names(void **state)
{
	struct error e = { 0 };
	struct request r;

	(void)state;
	assert_int_equal(parse("{\"\\u006fp\":\"s\\u0065nd\","
	    "\"\\u0065vent\":{}}", &r, &e), 0);
	assert_string_equal(r.op, "send");
	assert_span(r.event, "{}");
}

static void
test_numbers(void **state)
{
	struct error e = { 0 };
	struct request r;

	(void)state;
	assert_int_equal(parse("{\"op\":\"send\",\"event\":{},\"ttl\":90}",
	    &r, &e), 0);
	assert_int_equal(r.ttl_ms, 90000);
	assert_int_equal(parse("{\"op\":\"send\",\"event\":{},\"ttl_ms\":90,"
	    "\"to\":-1001234567890}", &r, &e), 0);
	assert_int_equal(r.ttl_ms, 90);
	assert_string_equal(r.to, "-1001234567890");
}

/* Options of "send" may mean something else in another operation. */
static void
test_other_operations_are_not_looked_into(void **state)
{
	struct error e = { 0 };
	struct request r;

	(void)state;
	assert_int_equal(parse("{\"op\":\"queue\",\"to\":[],\"wait\":\"x\"}",
	    &r, &e), 0);
	assert_string_equal(r.op, "queue");
}

static void
test_bad_requests(void **state)
{
	static const struct {
		const char *line, *field;
	} bad[] = {
		{ "", "" },
		{ "x", "" },
		{ "[]", "" },
		{ "{", "" },
		{ "{\"", "" },
		{ "{\"op", "" },
		{ "{\"op\"", "" },
		{ "{\"op\":", "" },
		{ "{\"op\":\"send", "" },
		{ "{\"op\":\"send\"", "" },
		{ "{\"op\":\"send\",", "" },
		{ "{\"op\":\"send\",}", "" },
		{ "{\"op\":\"send\"}{", "" },
		{ "{\"op\" \"send\"}", "" },
		{ "{\"op\":}", "" },
		{ "{op:\"send\"}", "" },
		{ "{\"op\":\"send\" \"event\":{}}", "" },
		{ "{}", "op" },
		{ "{\"op\":null}", "op" },
		{ "{\"op\":\"\"}", "op" },
		{ "{\"op\":{}}", "op" },
		{ "{\"op\":sned}", "op" },
		{ "{\"op\":\"a\",\"op\":\"a\"}", "op" },
		{ "{\"op\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
		    "op" },
		{ "{\"op\":\"send\"}", "event" },
		{ "{\"op\":\"ping\",\"tag\":tru}", "tag" },
		{ "{\"op\":\"ping\",\"x\":01x}", "" },
		{ "{\"\\u00zz\":1}", "" },
		{ "{\"op\":\"send\",\"event\":{},\"silent\":\"no\"}",
		    "silent" },
		{ "{\"op\":\"send\",\"event\":{},\"ttl\":1e300}", "ttl" },
		{ "{\"op\":\"send\",\"event\":{},\"ttl\":-1}", "ttl" },
		{ "{\"op\":\"send\",\"event\":{},\"ttl\":[]}", "ttl" },
		{ "{\"op\":\"send\",\"event\":{},\"to\":{}}", "to" },
		{ "{\"op\":\"send\",\"event\":{},\"wait\":tralse}", "wait" },
	};
	struct error e;
	struct request r;

	(void)state;
	for (size_t i = 0; i < nitems(bad); i++) {
		memset(&e, 0, sizeof(e));
		if (parse(bad[i].line, &r, &e) != -1)
			fail_msg("taken: %s", bad[i].line);
		assert_int_equal(e.code, 65);
		assert_true(e.text[0] != '\0');
		if (strcmp(e.field, bad[i].field) != 0)
			fail_msg("%s: field %s", bad[i].line, e.field);
	}
}

/* Every beginning of a request is refused, and nothing behind it is read. */
static void
test_cut_off_anywhere(void **state)
{
	static const char line[] = "{\"op\":\"send\",\"tag\":\"a\\\\\","
	    "\"event\":{\"type\":\"x\",\"title\":\"\\\"\"},\"ttl\":1.5e3}";
	struct error e = { 0 };
	struct request r;
	char *copy;

	(void)state;
	for (size_t len = 0; len < sizeof(line) - 1; len++) {
		copy = malloc(len + 1);
		memcpy(copy, line, len);
		if (request_parse(copy, len, &r, &e) == 0)
			fail_msg("taken: %.*s", (int)len, line);
		free(copy);
	}
	assert_int_equal(request_parse(line, sizeof(line) - 1, &r, &e), 0);
}

/* The event's extent is right whatever it contains. */
static void
test_random_events(void **state)
{
	static const char *const piece[] = { "{", "}", "[", "]", "\"", "\\",
	    ",", ":", " ", "a", "1", "null", "\\\"", "\\\\" };
	char event[600], line[700];
	struct error e = { 0 };
	struct request r;

	(void)state;
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		/* A string with anything in it that is escaped. */
		strlcpy(event, "{\"k\":\"", sizeof(event));
		for (long n = random() % 30; n > 0; n--) {
			const char *p = piece[random() % (long)nitems(piece)];

			if (strcmp(p, "\"") == 0 || strcmp(p, "\\") == 0)
				strlcat(event, "\\", sizeof(event));
			strlcat(event, p, sizeof(event));
		}
		strlcat(event, "\"}", sizeof(event));
		snprintf(line, sizeof(line),
		    "{\"event\":%s,\"op\":\"send\"}", event);
		assert_int_equal(parse(line, &r, &e), 0);
		assert_span(r.event, event);
		/* And anything at all: no crash, and never out of bounds. */
		event[0] = '\0';
		for (long n = random() % 30; n > 0; n--)
			strlcat(event, piece[random() % (long)nitems(piece)],
			    sizeof(event));
		(void)parse(event, &r, &e);
	}
}

static void
test_answers(void **state)
{
	const struct span id = { "a\"\n\xff\x7fz\xc3\xa9", 8 };
	const struct span tag = { "[7]", 3 }, none = { "", 0 };
	struct error e = { 65, "title", "no \"title\"" };
	struct buf t = { 0 };

	(void)state;
	answer_accepted(&t, id, false, none);
	buf_add(&t, "", 1);
	assert_string_equal(t.p, "{\"ok\":true,\"id\":\"a\\\"\\n"
	    "\xef\xbf\xbd\\u007fz\xc3\xa9\",\"state\":\"received\"}\n");
	buf_reset(&t);
	answer_accepted(&t, (struct span){ "x", 1 }, true, tag);
	buf_add(&t, "", 1);
	assert_string_equal(t.p,
	    "{\"ok\":true,\"id\":\"x\",\"duplicate\":true,\"tag\":[7]}\n");
	buf_reset(&t);
	answer_error(&t, &e, tag);
	buf_add(&t, "", 1);
	assert_string_equal(t.p, "{\"ok\":false,\"error\":"
	    "\"no \\\"title\\\"\",\"field\":\"title\",\"code\":65,"
	    "\"tag\":[7]}\n");
	free(t.p);
}

static void
test_lines_of_the_queue_get_the_tag(void **state)
{
	static const struct {
		const char *json, *tag, *line;
	} row[] = {
		{ "{\"ok\":true}", "1", "{\"ok\":true,\"tag\":1}\n" },
		{ "{\"ok\":true}\n", "1", "{\"ok\":true,\"tag\":1}\n" },
		{ "{\"ok\":true}", "", "{\"ok\":true}\n" },
		{ "{}", "1", "{\"tag\":1}\n" },
		{ "7", "1", "7\n" },
		{ "", "1", "\n" },
	};
	struct buf t = { 0 };

	(void)state;
	for (size_t i = 0; i < nitems(row); i++) {
		buf_reset(&t);
		answer_line(&t, (struct span){ row[i].json,
		    strlen(row[i].json) }, (struct span){ row[i].tag,
		    strlen(row[i].tag) });
		buf_add(&t, "", 1);
		assert_string_equal(t.p, row[i].line);
	}
	free(t.p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_members),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_escaped_names_are_the_same_names),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_other_operations_are_not_looked_into),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_cut_off_anywhere),
		cmocka_unit_test(test_random_events),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_lines_of_the_queue_get_the_tag),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
