/* Tool calls of agents: ids by which prompts are found, and their texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "ctl/ctl.h"
#include "ctl/hook.h"

/* That of ctl/talk.c, which wants more than is linked here. */
void
talk_add(struct json_object *o, const char *key, const char *value)
{
	if (value != NULL)
		json_object_object_add(o, key, json_object_new_string(value));
}

static struct json_object *
parse(const char *text)
{
	const char *why;

	return (json_parse(text, strlen(text), &why));
}

/* Is a prompt of (session s, tool Bash, a) found by what the rest says? */
static bool
found(const char *a, const char *session, const char *tool, const char *b)
{
	struct json_object *in = parse(a), *out = parse(b);
	char id[UUID_SIZE], other[UUID_SIZE];
	bool same;

	call_id(id, "s", "Bash", in);
	call_id(other, session, tool, out);
	same = call_is_same(id, other);
	json_object_put(in);
	json_object_put(out);
	return (same);
}

static void
test_same_call(void **state)
{
	(void)state;
	assert_true(found("{\"a\":1}", "s", "Bash", "{\"a\":1}"));
	assert_true(found("{\"a\":{\"x\":[1,{}],\"y\":null},\"b\":\"2\"}", "s",
	    "Bash", "{\"b\":\"2\",\"a\":{\"y\":null,\"x\":[1,{}]}}"));
	assert_true(found("\"text\"", "s", "Bash", "\"text\""));
	assert_true(found("null", "s", "Bash", "null"));
}

static void
test_other_call(void **state)
{
	(void)state;
	assert_false(found("{\"a\":1}", "t", "Bash", "{\"a\":1}"));
	assert_false(found("{\"a\":1}", "s", "Edit", "{\"a\":1}"));
	assert_false(found("{\"a\":1}", "s", "Bash", "{\"a\":2}"));
	assert_false(found("{\"a\":1}", "s", "Bash", "{\"a\":\"1\"}"));
	assert_false(found("{\"a\":[1,2]}", "s", "Bash", "{\"a\":[2,1]}"));
	assert_false(found("{\"a\":[[1],2]}", "s", "Bash", "{\"a\":[[1,2]]}"));
	assert_false(found("{\"a\":1}", "s", "Bash", "{\"a\":1,\"b\":1}"));
	assert_false(found("{}", "s", "Bash", "[]"));
	assert_false(found("{\"a\":\"x\\u0000y\"}", "s", "Bash",
	    "{\"a\":\"x\\u0000z\"}"));
}

static void
test_id(void **state)
{
	struct json_object *in = parse("{\"a\":1}");
	char a[UUID_SIZE], b[UUID_SIZE];

	(void)state;
	call_id(a, "s", "Bash", in);
	call_id(b, "s", "Bash", in);
	assert_string_not_equal(a, b);
	assert_int_equal(strlen(a), UUID_SIZE - 1);
	assert_int_equal(a[14], '8');
	assert_int_equal(a[19], '8');
	assert_true(call_is_of_session(a, "s"));
	assert_false(call_is_of_session(a, "t"));
	assert_false(call_is_of_session("", "s"));
	assert_true(call_is_same(a, b));
	assert_false(call_is_same("019aa0f1", a));
	json_object_put(in);
}

static void
text_is(const char *tool, const char *input, const char *want)
{
	struct json_object *in = parse(input);
	char *text = call_text(tool, in);

	assert_string_equal(text, want);
	free(text);
	json_object_put(in);
}

static void
test_text(void **state)
{
	(void)state;
	text_is("Bash", "{\"command\":\"ls -l\\npwd\",\"description\":\"look\","
	    "\"timeout\":5,\"env\":{\"A\":[1]}}",
	    "Bash\n\nls -l\npwd\n\nlook\n\ntimeout: 5\n\nenv: {\"A\":[1]}");
	text_is("Edit", "{\"file_path\":\"/a\",\"new_string\":\"x\\ny\"}",
	    "Edit\n\nfile_path: /a\n\nnew_string:\nx\ny");
	text_is("T", "[1,2]", "T\n\n[1,2]");
	text_is("T", "{}", "T");
	text_is("T", "{\"command\":null}", "T\n\ncommand: null");
}

/* What stands behind a NUL or an invalid byte was not shown. */
static void
test_nothing_is_hidden(void **state)
{
	(void)state;
	text_is("Bash", "{\"command\":\"ls\\u0000; rm x\"}",
	    "Bash\n\nls; rm x");
	text_is("Bash", "{\"command\":\"a\xff" "b\"}",
	    "Bash\n\na\xef\xbf\xbd" "b");
}

static void
test_clean_is_cut_between_characters(void **state)
{
	struct json_object *o = json_object_new_string("a\xc3\xa4\xe2\x9c\x93");
	static const char *const want[] = { "", "a", "a", "a\xc3\xa4",
		"a\xc3\xa4", "a\xc3\xa4", "a\xc3\xa4\xe2\x9c\x93" };
	char *text;
	size_t i;

	(void)state;
	for (i = 0; i <= 6; i++) {
		text = call_clean(o, i);
		assert_string_equal(text, want[i]);
		free(text);
	}
	json_object_put(o);
	assert_null(call_clean(NULL, 5));
}

/* Only those members go, of the outer object, and nothing outside is read. */
static void
test_cut(void **state)
{
	static const struct {
		const char *text, *want, *kept; /* of the member k */
	} rows[] = {
		{ "{\"k\":[1,{\"k\":\"}\\\"]\"}],\"a\":1}",
		    "{\"k\":null,\"a\":1}", "[1,{\"k\":\"}\\\"]\"}]" },
		{ "{\"a\":{\"k\":[1,2,3]},\"k\" : \"text\" }",
		    "{\"a\":{\"k\":[1,2,3]},\"k\":null}", " \"text\" " },
		{ "{\"ke\":12345,\"k\":12345}", "{\"ke\":12345,\"k\":null}",
		    "12345" },
		{ "{\"a\":\"k\",\"b\":\"\\\\\",\"k\":{\"x\":1}}",
		    "{\"a\":\"k\",\"b\":\"\\\\\",\"k\":null}", "{\"x\":1}" },
		{ "{\"b\":\"a\\\\\\\"b\",\"k\":\"\\\\\"}",
		    "{\"b\":\"a\\\\\\\"b\",\"k\":null}", "\"\\\\\"" },
		{ "{\"gone\":\"123456\",\"k\":1234,\"gone\":[1,2,3]}",
		    "{\"gone\":null,\"k\":null}", "1234" },
		{ "{\"k\":1234,\"k\":56789}", "{\"k\":null}", "56789" },
		{ "{\"k\":1}", "{\"k\":1}", NULL },
		{ "{}", "{}", NULL },
		{ "[\"k\"]", "[\"k\"]", NULL },
	};
	static const char *const broken[] = { "", "{", "{\"", "{\"k", "{\"k\"",
		"{\"k\":", "{\"k\":[", "{\"k\":\"\\", "{\"k\":}", "\"k\":1}",
		"{\"k\":1234", "}", "{\"k\":1234,", "{\"k\":\"\\\"" };
	struct json_object *o;
	const char *why;
	char *text;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct call_part parts[] = { { "k", true, NULL, 0 },
			{ "gone", false, NULL, 0 } };

		text = strdup(rows[i].text);
		len = call_cut(text, strlen(text), parts, 2, 100);
		o = json_parse(text, len, &why);
		assert_non_null(o);
		assert_string_equal(json_object_to_json_string_ext(o,
		    JSON_C_TO_STRING_PLAIN), rows[i].want);
		assert_int_equal(parts[0].text != NULL, rows[i].kept != NULL);
		if (rows[i].kept != NULL) {
			assert_int_equal(parts[0].len, strlen(rows[i].kept));
			assert_memory_equal(parts[0].text, rows[i].kept,
			    parts[0].len);
		}
		json_object_put(o);
		free(parts[0].text);
		free(text);
	}
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct call_part part = { "k", true, NULL, 0 };

		/* Without a NUL, so that a checker sees who reads it. */
		len = strlen(broken[i]);
		text = malloc(len + (len == 0));
		memcpy(text, broken[i], len);
		assert_true(call_cut(text, len, &part, 1, 2) <= len);
		free(part.text);
		free(text);
	}
}

/* Wherever a string is cut, what is left is JSON, and the beginning of it. */
static void
test_long_strings_are_cut(void **state)
{
	static const char whole[] = "{\"a\" : \"x\\\"\\\\\\u00e4\xc3\xa4\\n"
	    "\\ud83d\\ude00yz\" ,\"b\":[\"long enough to be cut\"],"
	    "\"c\":true}";
	struct json_object *all = parse(whole), *o;
	const char *a, *want = json_str(all, "a", ""), *why;
	char *text;
	size_t most, len;

	(void)state;
	for (most = 0; most < 40; most++) {
		text = strdup(whole);
		len = call_cut(text, strlen(text), NULL, 0, most);
		assert_true(len <= strlen(whole));
		o = json_parse(text, len, &why);
		assert_non_null(o);
		a = json_str(o, "a", NULL);
		assert_non_null(a);
		assert_true(most > 33 ? strcmp(a, want) == 0 :
		    strlen(a) <= most + 6);
		if (most < 16) /* before the halves of a pair */
			assert_memory_equal(a, want, strlen(a));
		/* Only the outer object's. */
		assert_true(json_object_equal(json_path(o, "b"),
		    json_path(all, "b")));
		assert_true(json_flag(o, "c", false));
		json_object_put(o);
		free(text);
	}
	json_object_put(all);
}

/* A question is asked only if all of it can be. */
static void
test_choices(void **state)
{
	static const char *const bad[] = { "{}", "[]", "{\"questions\":5}",
		"{\"questions\":[]}", "{\"questions\":[5]}",
		"{\"questions\":[{\"question\":\"q\"}]}",
		"{\"questions\":[{\"question\":\"q\",\"options\":[]}]}",
		"{\"questions\":[{\"question\":\"q\",\"options\":[\"a\"]}]}",
		"{\"questions\":[{\"question\":\"\",\"options\":"
		    "[{\"label\":\"a\"}]}]}",
		"{\"questions\":[{\"question\":\"q\\u0000r\",\"options\":"
		    "[{\"label\":\"a\"}]}]}",
		"{\"questions\":[{\"question\":\"q\",\"options\":"
		    "[{\"label\":5}]}]}" };
	struct json_object *in, *list, *o, *answers;
	char *text;
	size_t i;

	(void)state;
	assert_true(choice_is(agent_find("claude"), "AskUserQuestion"));
	assert_false(choice_is(agent_find("claude"), "Bash"));
	assert_false(choice_is(agent_find("codex"), "AskUserQuestion"));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_non_null(in = parse(bad[i]));
		assert_null(choice_questions(in));
		json_object_put(in);
	}
	assert_null(choice_questions(NULL));
	in = parse("{\"questions\":[{\"question\":\"Which?\",\"options\":["
	    "{\"label\":\"A\",\"description\":\"the first\"},"
	    "{\"label\":\"B\"}],\"multiSelect\":true}]}");
	list = choice_questions(in);
	assert_non_null(list);
	text = choice_text(json_object_array_get_idx(list, 0));
	assert_string_equal(text, "Which?\n\n• A: the first\n• B\n\n"
	    "Several may be chosen: write them as a reply.");
	free(text);
	o = choice_options(json_object_array_get_idx(list, 0));
	assert_string_equal(json_object_to_json_string_ext(o,
	    JSON_C_TO_STRING_PLAIN), "[\"A\",\"B\"]");
	json_object_put(o);
	answers = parse("{\"Which?\":\"B\"}");
	o = choice_input(in, answers);
	assert_true(json_object_equal(json_path(o, "questions"), list));
	assert_true(json_object_equal(json_path(o, "answers"), answers));
	assert_null(json_path(in, "answers"));
	json_object_put(answers);
	json_object_put(o);
	json_object_put(in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_call),
		cmocka_unit_test(test_other_call),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_nothing_is_hidden),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_long_strings_are_cut),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_clean_is_cut_between_characters),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
