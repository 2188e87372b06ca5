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
#include "ctl/hook.h"

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
	char id[UUID_SIZE];
	bool same;

	call_id(id, "s", "Bash", in);
	same = call_is_of_call(id, session, tool, out);
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
	assert_false(call_is_of_call("019aa0f1", "s", "Bash", in));
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

/* Only that member goes, of the outer object, and nothing outside is read. */
static void
test_forget(void **state)
{
	static const char *const rows[][2] = {
		{ "{\"k\":[1,{\"k\":\"}\\\"]\"}],\"a\":1}",
		    "{\"k\":null,\"a\":1}" },
		{ "{\"a\":{\"k\":[1,2,3]},\"k\" : \"text\" }",
		    "{\"a\":{\"k\":[1,2,3]},\"k\":null}" },
		{ "{\"ke\":12345,\"k\":12345}", "{\"ke\":12345,\"k\":null}" },
		{ "{\"a\":\"k\",\"b\":\"\\\\\",\"k\":{\"x\":1}}",
		    "{\"a\":\"k\",\"b\":\"\\\\\",\"k\":null}" },
		{ "{\"k\":1}", "{\"k\":1}" },
		{ "{}", "{}" },
		{ "[\"k\"]", "[\"k\"]" },
	};
	static const char *const broken[] = { "", "{", "{\"", "{\"k", "{\"k\"",
		"{\"k\":", "{\"k\":[", "{\"k\":\"\\", "{\"k\":}", "\"k\":1}",
		"{\"k\":1234", "}" };
	struct json_object *o;
	char *text;
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text = strdup(rows[i][0]);
		call_forget(text, strlen(text), "k");
		o = parse(text);
		assert_non_null(o);
		assert_string_equal(json_object_to_json_string_ext(o,
		    JSON_C_TO_STRING_PLAIN), rows[i][1]);
		json_object_put(o);
		free(text);
	}
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		/* Without a NUL, so that a checker sees who reads it. */
		len = strlen(broken[i]);
		text = malloc(len + (len == 0));
		memcpy(text, broken[i], len);
		call_forget(text, len, "k");
		free(text);
	}
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
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_clean_is_cut_between_characters),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
