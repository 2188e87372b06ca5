/*
 * JSON from outside: what is taken, what is refused, and the readers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <json.h>

#include "common/json.h"

static void
test_taken(void **state)
{
	static const char *const good[] = { "{}", " {\"a\":1} \r\n", "123",
		"true", "\"x\"", "[1,2]", "-0.5e3", "{\"a\":{\"b\":[{}]}}",
		"{\"a\":\"\xff\xfe\"}", "{\"a\":\"\\ud800\"}" };
	struct json_object *o;
	const char *error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		o = json_parse(good[i], strlen(good[i]), &error);
		assert_non_null(o);
		json_object_put(o);
	}
}

static void
test_refused(void **state)
{
	static const char *const bad[] = { "", " ", "{", "}", "{\"a\":1}x",
		"{} {}", "nul", "null", "[1 2]", "{\"a\":1,}", "/**/{}",
		"{\"a\":01}", "-", "1e", "\"x", "{a:1}" };
	const char *error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		error = NULL;
		assert_null(json_parse(bad[i], strlen(bad[i]), &error));
		assert_non_null(error);
	}
	assert_null(json_parse("{}\0", 3, &error));
	assert_null(json_parse("{\0}", 3, &error));
}

/* As written, however large or long; only what json-c would change becomes a
 * string. */
static void
test_numbers_stay_as_written(void **state)
{
	static const char *const same[] = { "[91.2]", "[0.1,[{\"a\":91.20}]]",
		"[1e22,1E5,-0.0,1.10]", "[3.14159265358979323846264338327950]",
		"[9223372036854775807,-9223372036854775808]",
		"[18446744073709551615,0]", "[\"18446744073709551616\"]",
		"[\"\\\"123456789012345678901234567890\"]" };
	static const char *const large[][2] = {
		{ "[18446744073709551616]", "[\"18446744073709551616\"]" },
		{ "[-9223372036854775809,1]",
		    "[\"-9223372036854775809\",1]" },
		{ "{\"a\\\"1\":[123456789012345678901234567890,\"x\\\\\","
		  "12345678901234567890123,12345678901234567890.5]}",
		  "{\"a\\\"1\":[\"123456789012345678901234567890\",\"x\\\\\","
		  "\"12345678901234567890123\",12345678901234567890.5]}" },
		{ "123456789012345678901", "\"123456789012345678901\"" }
	};
	struct json_object *o;
	const char *error, *in, *want;
	size_t i, n = sizeof(same) / sizeof(same[0]);

	(void)state;
	for (i = 0; i < n + sizeof(large) / sizeof(large[0]); i++) {
		in = i < n ? same[i] : large[i - n][0];
		want = i < n ? same[i] : large[i - n][1];
		o = json_parse(in, strlen(in), &error);
		assert_string_equal(json_object_to_json_string_ext(o,
		    JSON_C_TO_STRING_PLAIN), want);
		json_object_put(o);
	}
}

static void
test_depth_is_bounded(void **state)
{
	char text[200];
	struct json_object *o;
	const char *error;

	(void)state;
	memset(text, '[', 31);
	memset(text + 31, ']', 31);
	o = json_parse(text, 62, &error);
	assert_non_null(o);
	json_object_put(o);
	memset(text, '[', 100);
	memset(text + 100, ']', 100);
	assert_null(json_parse(text, 200, &error));
	/* The tokener that failed is as new. */
	o = json_parse("{}", 2, &error);
	assert_non_null(o);
	json_object_put(o);
}

/* A mebibyte of empty objects took 280 MB. */
static void
test_breadth_is_bounded(void **state)
{
	static char text[160000];
	const char *error = NULL;
	struct json_object *o;
	size_t i, n;

	(void)state;
	for (n = 39999; n <= 40000; n++) {
		text[0] = '[';
		for (i = 0; i < n; i++)
			memcpy(text + 1 + 3 * i, i % 2 ? "[]," : "{},", 3);
		text[3 * n] = ']';
		o = json_parse(text, 3 * n + 1, &error);
		assert_int_equal(o != NULL, n < 40000);
		json_object_put(o);
	}
	assert_string_equal(error, "more than 40000 objects and arrays");
	/* In strings they are none. */
	text[0] = '"';
	memset(text + 1, '[', sizeof(text) - 2);
	memcpy(text + 1000, "\\\"", 2);
	text[sizeof(text) - 1] = '"';
	o = json_parse(text, sizeof(text), &error);
	assert_non_null(o);
	json_object_put(o);
}

static void
test_readers(void **state)
{
	static const char text[] = "{\"a\":{\"b\":{\"s\":\"x\",\"n\":5,"
	    "\"d\":1.5,\"t\":true,\"z\":null}}}";
	struct json_object *o;
	const char *error;

	(void)state;
	o = json_parse(text, sizeof(text) - 1, &error);
	assert_string_equal(json_str(o, "a.b.s", "-"), "x");
	assert_string_equal(json_str(o, "a.b.n", "-"), "-");
	assert_string_equal(json_str(o, "a.x.n", "-"), "-");
	assert_string_equal(json_str(o, "a.b.s.q", "-"), "-");
	assert_int_equal(json_i64(o, "a.b.n", -1), 5);
	assert_int_equal(json_i64(o, "a.b.d", -1), -1);
	assert_true(json_num(o, "a.b.d", 0) == 1.5);
	assert_true(json_num(o, "a.b.n", 0) == 5);
	assert_true(json_flag(o, "a.b.t", false));
	assert_false(json_flag(o, "a.b.n", false));
	assert_null(json_path(o, "a.b.z"));
	assert_null(json_path(NULL, "a"));
	assert_null(json_path(o, ""));
	json_object_put(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_numbers_stay_as_written),
		cmocka_unit_test(test_depth_is_bounded),
		cmocka_unit_test(test_breadth_is_bounded),
		cmocka_unit_test(test_readers),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
