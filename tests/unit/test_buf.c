/* Buffers that grow, and the JSON strings written into them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"

#include <json.h>

static void
test_grows(void **state)
{
	struct buf b = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 100000; i++)
		buf_add(&b, "0123456789", i % 11);
	assert_false(b.failed);
	assert_int_equal(b.len, 499995);
	buf_reset(&b);
	assert_int_equal(b.len, 0);
	buf_i64(&b, INT64_MIN);
	buf_str(&b, "x");
	buf_add(&b, "", 1);
	assert_string_equal(b.p, "-9223372036854775808x");
	buf_free(&b);
	assert_null(b.p);
}

static void
test_failure_sticks(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_false(buf_reserve(&b, SIZE_MAX / 2));
	assert_true(b.failed);
	buf_str(&b, "x");
	assert_int_equal(b.len, 0);
	buf_reset(&b);
	buf_str(&b, "x");
	assert_int_equal(b.len, 1);
	buf_free(&b);
}

static void
test_json_strings(void **state)
{
	static const char *const rows[][2] = {
		{ "", "\"\"" },
		{ "a\"b\\c\n\t\x01\x7f", "\"a\\\"b\\\\c\\n\\u0009\\u0001"
		    "\\u007f\"" },
		{ "Gr\xc3\xbc\xc3\x9f" "e \xf0\x9f\x98\x80",
		    "\"Gr\xc3\xbc\xc3\x9f" "e \xf0\x9f\x98\x80\"" },
		{ "\xff\xc3" "a\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd" "a"
		    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }
	};
	struct buf b = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&b);
		buf_json(&b, rows[i][0], strlen(rows[i][0]));
		buf_add(&b, "", 1);
		assert_string_equal(b.p, rows[i][1]);
	}
	buf_free(&b);
}

/* What is written is read again as it was. */
static void
test_json_round_trip(void **state)
{
	struct buf b = { 0 };
	struct json_object *o;
	char text[128];
	const char *error;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	buf_json(&b, text, sizeof(text));
	o = json_parse(b.p, b.len, &error);
	assert_int_equal(json_object_get_string_len(o), sizeof(text));
	assert_memory_equal(json_object_get_string(o), text, sizeof(text));
	json_object_put(o);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_failure_sticks),
		cmocka_unit_test(test_json_strings),
		cmocka_unit_test(test_json_round_trip)
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
